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


def weighted_mean(values: Values, weights: Values) -> float | None:
    """Return the weighted mean of the values that are not NaN.

    Parameters
    ----------
    values, weights
        Arrays of the same shape. A value of weight 0 does not count, even if it is infinite.

    Returns
    -------
    float or None
        None if no value counts.

    Examples
    --------
    >>> weighted_mean(np.array([0.5, 1.0, math.nan]), np.array([1.0, 3.0, 2.0]))
    0.875
    """
    defined = ~np.isnan(values) & (weights > 0)
    total = float(weights[defined].sum())
    return float((weights[defined] * values[defined]).sum() / total) if total else None
