"""Statistics that NumPy does not have in the way results need them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from segeval.metrics import Direction, Metric

Values = NDArray[np.float64]


def quantile(ordered: Values, share: float) -> float:
    """Return a quantile, interpolated linearly; infinite if a neighbour with weight is infinite."""
    place = (len(ordered) - 1) * share
    low, high = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    part = place - math.floor(place)
    return low if part == 0 or low == high else low + (high - low) * part


def badness(values: Values, card: Metric) -> Values:
    """Return how bad each value is: greater is worse, by the direction of the metric; NaN stays NaN."""
    if card.better is Direction.HIGHER:
        return -values
    return values if card.better is Direction.LOWER else np.abs(values)
