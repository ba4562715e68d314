"""Distances between the two surfaces of a label: the evidence for all distance metrics.

Each distance is from a point of a surface, such as the centre of a border voxel, to the nearest point of the surface of
the same label in the other map. Only distinct distances are kept, each with the amount of surface at this distance, so
that metrics are fast to compute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12  # relative rounding error of a sum of weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """Distances from one surface to the other.

    Parameters
    ----------
    values
        The distinct distances in increasing order, in the unit of the grid; shape (n,). A single ``inf`` if the other
        surface is empty.
    weights
        Amount of surface at each distance: number of border voxels, or area; shape (n,).
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Size of the surface: number of border voxels, or area."""
        return float(self.weights.sum())

    def sum(self) -> float:
        """Weighted sum of all distances."""
        return float(self.values @ self.weights) if self.values.size else 0.0

    def within(self, tolerance: float) -> float:
        """Amount of surface that is at most `tolerance` away."""
        return float(self.weights[: np.searchsorted(self.values, tolerance, side="right")].sum())

    def percentile(self, percent: float) -> float:
        """Percentile of the distances, with linear interpolation like `numpy.percentile`."""
        ends = np.cumsum(self.weights)
        place = (ends[-1] - 1.0) * percent / 100.0
        below, above = (
            self.values[np.searchsorted(ends, step, side="right")] for step in (math.floor(place), math.ceil(place))
        )
        return float(below if below == above else below + (above - below) * (place - math.floor(place)))

    def cumulated_percentile(self, percent: float) -> float:
        """The smallest distance within which at least `percent` of the surface lies.

        For surfaces whose points have different weights. Rounding errors of the sum are tolerated.
        """
        if percent >= 100:
            return float(self.values[-1])
        cumulated = np.cumsum(self.weights)
        place = np.searchsorted(cumulated, cumulated[-1] * (percent / 100.0 - ROUNDING))
        return float(self.values[min(int(place), self.values.size - 1)])


def together(one: Distances, other: Distances) -> Distances:
    """Join the distances of two surfaces."""
    values, place = np.unique(np.concatenate([one.values, other.values]), return_inverse=True)
    weights = np.bincount(place, weights=np.concatenate([one.weights, other.weights]), minlength=values.size)
    return Distances(values=values, weights=weights.astype(np.float64))


NOTHING = Distances(values=np.zeros(0), weights=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurfaceDistances:
    """Distances between the two surfaces of one label, in both directions.

    Parameters
    ----------
    to_reference
        Distances from the prediction's surface to the reference's surface.
    to_prediction
        Distances from the reference's surface to the prediction's surface.
    penalty
        Distance to report if exactly one surface is empty.
    slack
        Amount that is added to a tolerance because of rounding errors.
    single
        Whether distances and tolerances are rounded to float32 before they are compared.
    weighted
        Whether the pieces of the surfaces have different sizes. Then a percentile is the smallest distance at which the
        cumulated size reaches it, and the mean distance from an empty surface is undefined.
    pooled
        Whether a percentile is taken over both directions together, instead of the larger of the two.
    sides_averaged
        Whether the share within a tolerance is the mean of the shares of the two surfaces.
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
        """Percentile of the distances; neither surface may be empty."""
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
        """Share of both surfaces that is within `tolerance` of the other; NaN if both are empty."""
        reach, sides = self.reach(tolerance), [self.to_reference, self.to_prediction]
        if not any(side.total for side in sides):
            return math.nan
        if self.sides_averaged and all(side.total for side in sides):
            return sum(side.within(reach) / side.total for side in sides) / 2
        return sum(side.within(reach) for side in sides) / sum(side.total for side in sides)
