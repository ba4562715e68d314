"""Distances between the two surfaces of a label: the evidence behind every metric with a length in it.

Each distance runs from a point of a surface, such as the centre of a border voxel, to the nearest point of the same
label's surface in the other map. Distances are kept as distinct values with the share of the surface that lies at each,
so that a metric costs next to nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12  # of a sum of weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """How far one surface lies from the other.

    Parameters
    ----------
    values
        The distinct distances in increasing order, in the unit of the grid; shape (n,). One ``inf`` where the other
        surface is empty.
    weights
        How much of the surface lies at each: border voxels, or the area of surfels; shape (n,).
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def total(self) -> float:
        """The whole surface: number of border voxels, or its area."""
        return float(self.weights.sum())

    def sum(self) -> float:
        """Sum of all distances, each by its weight."""
        return float(self.values @ self.weights) if self.values.size else 0.0

    def within(self, tolerance: float) -> float:
        """How much of the surface lies at most `tolerance` away."""
        return float(self.weights[: np.searchsorted(self.values, tolerance, side="right")].sum())

    def percentile(self, percent: float) -> float:
        """The percentile of the distances, linear between neighbours as `numpy.percentile` has it."""
        ends = np.cumsum(self.weights)
        place = (ends[-1] - 1.0) * percent / 100.0
        below, above = (
            self.values[np.searchsorted(ends, step, side="right")] for step in (math.floor(place), math.ceil(place))
        )
        return float(below if below == above else below + (above - below) * (place - math.floor(place)))

    def cumulated_percentile(self, percent: float) -> float:
        """The smallest distance within which at least `percent` of the surface lies.

        For surfaces whose points weigh differently. A share that misses `percent` by no more than rounding reaches it.
        """
        if percent >= 100:
            return float(self.values[-1])
        cumulated = np.cumsum(self.weights)
        place = np.searchsorted(cumulated, cumulated[-1] * (percent / 100.0 - ROUNDING))
        return float(self.values[min(int(place), self.values.size - 1)])


def together(one: Distances, other: Distances) -> Distances:
    """The distances of two surfaces as those of one."""
    values, place = np.unique(np.concatenate([one.values, other.values]), return_inverse=True)
    weights = np.bincount(place, weights=np.concatenate([one.weights, other.weights]), minlength=values.size)
    return Distances(values=values, weights=weights.astype(np.float64))


NOTHING = Distances(values=np.zeros(0), weights=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurfaceDistances:
    """Both surfaces of one label.

    Parameters
    ----------
    to_reference
        From the prediction's surface to the reference's.
    to_prediction
        From the reference's surface to the prediction's.
    penalty
        The distance that stands for a surface that exists against one that does not.
    slack
        What rounding may add to a distance that equals a tolerance.
    single
        Whether a distance is compared with a tolerance after both were rounded to float32.
    weighted
        Whether the surfaces consist of pieces of different size: then a percentile is the smallest distance at which
        the cumulated size reaches it, and from a surface that is empty there is no mean distance.
    pooled
        Whether a percentile is that of both directions together, and not the larger of the two.
    sides_averaged
        Whether the share within a tolerance is the mean of both sides' shares.
    """

    to_reference: Distances
    to_prediction: Distances
    penalty: float = math.inf
    slack: float = 0.0
    single: bool = False
    weighted: bool = False
    pooled: bool = False
    sides_averaged: bool = False

    @property
    def prediction_empty(self) -> bool:
        """Whether the prediction has no surface."""
        return self.to_reference.values.size == 0

    @property
    def reference_empty(self) -> bool:
        """Whether the reference has no surface."""
        return self.to_prediction.values.size == 0

    def percentile(self, percent: float) -> float:
        """The percentile of the distances between two surfaces that exist."""
        sides = (
            [together(self.to_reference, self.to_prediction)]
            if self.pooled
            else [self.to_reference, self.to_prediction]
        )
        return max(side.cumulated_percentile(percent) if self.weighted else side.percentile(percent) for side in sides)

    def reach(self, tolerance: float) -> float:
        """The largest distance that counts as within `tolerance`."""
        if not self.single:
            return tolerance + self.slack
        rounded = np.float32(tolerance)
        return (float(rounded) + float(np.nextafter(rounded, np.float32(math.inf)))) / 2

    def share_within(self, tolerance: float) -> float:
        """How much of both surfaces lies within `tolerance` of the other, NaN where there is neither."""
        reach, sides = self.reach(tolerance), [self.to_reference, self.to_prediction]
        if not any(side.total for side in sides):
            return math.nan
        if self.sides_averaged and all(side.total for side in sides):
            return sum(side.within(reach) / side.total for side in sides) / 2
        return sum(side.within(reach) for side in sides) / sum(side.total for side in sides)
