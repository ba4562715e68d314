"""Metrics of one label from the distances between its two surfaces.

d(P) and d(R) are the surfaces; dP are the distances from the points of d(P) to d(R), dR those from d(R) to d(P).
Lengths are in the unit of the grid. If both surfaces are empty, all metrics are undefined; if exactly one is empty,
a distance is the penalty of the conventions, because a missed structure must not get distance 0.
"""

from __future__ import annotations

import math

from segeval.evidence.surfaces.boundary_bands import Bands
from segeval.evidence.surfaces.distances import Distances, SurfaceDistances
from segeval.metrics.registry import HIGHER, LENGTH, LOWER, RATIO, UNIT_RANGE, Parameter, metric

NIKOLOV = "Nikolov et al. 2018, arXiv:1809.04430"
HEIMANN = "Heimann et al. 2009, doi:10.1109/TMI.2009.2013851"
BOTH_EMPTY = "both surfaces are empty"
PENALTY = "the penalty"
TOLERANCE = Parameter(name="tolerance", default=1)


def _if_one_empty(surfaces: SurfaceDistances) -> float | None:
    """Value of a distance if a surface is empty: the penalty or NaN; None if neither is."""
    if surfaces.prediction_empty and surfaces.reference_empty:
        return math.nan
    if surfaces.prediction_empty or surfaces.reference_empty:
        return surfaces.penalty
    return None


def _mean(distances: Distances) -> float:
    return distances.sum() / distances.total


@metric(
    needs=SurfaceDistances,
    title="Average symmetric surface distance",
    formula="(sum dP + sum dR) / (|d(P)| + |d(R)|)",
    better=LOWER,
    quantity=LENGTH,
    symmetric=True,
    undefined=BOTH_EMPTY,
    one_empty=PENALTY,
    aliases=("msd",),
    source=HEIMANN,
)
def assd(surfaces: SurfaceDistances) -> float:
    """Mean distance from one surface to the other, over the points of both surfaces."""
    decided = _if_one_empty(surfaces)
    if decided is not None:
        return decided
    there, back = surfaces.to_reference, surfaces.to_prediction
    return (there.sum() + back.sum()) / (there.total + back.total)


@metric(
    needs=SurfaceDistances,
    title="Mean average surface distance",
    formula="(mean dP + mean dR) / 2",
    better=LOWER,
    quantity=LENGTH,
    symmetric=True,
    undefined=BOTH_EMPTY,
    one_empty=PENALTY,
    source="Benes & Zitova 2015, doi:10.1111/jmi.12186",
)
def masd(surfaces: SurfaceDistances) -> float:
    """Mean of the two directed mean distances; both surfaces weigh the same, whatever their size."""
    decided = _if_one_empty(surfaces)
    if decided is not None:
        return decided
    return (_mean(surfaces.to_reference) + _mean(surfaces.to_prediction)) / 2


@metric(
    needs=SurfaceDistances,
    title="Average distance to the reference",
    formula="mean dP",
    better=LOWER,
    quantity=LENGTH,
    undefined=BOTH_EMPTY,
    one_empty=f"{PENALTY}; with --surface surfel or smooth undefined if the prediction is empty",
    source=HEIMANN,
)
def asd_to_reference(surfaces: SurfaceDistances) -> float:
    """Mean distance from the prediction's surface to the reference's surface."""
    if surfaces.weighted and surfaces.prediction_empty:
        return math.nan
    decided = _if_one_empty(surfaces)
    return _mean(surfaces.to_reference) if decided is None else decided


@metric(
    needs=SurfaceDistances,
    title="Average distance to the prediction",
    formula="mean dR",
    better=LOWER,
    quantity=LENGTH,
    undefined=BOTH_EMPTY,
    one_empty=f"{PENALTY}; with --surface surfel or smooth undefined if the reference is empty",
    source=HEIMANN,
)
def asd_to_prediction(surfaces: SurfaceDistances) -> float:
    """Mean distance from the reference's surface to the prediction's surface."""
    if surfaces.weighted and surfaces.reference_empty:
        return math.nan
    decided = _if_one_empty(surfaces)
    return _mean(surfaces.to_prediction) if decided is None else decided


@metric(
    needs=SurfaceDistances,
    title="Hausdorff distance",
    formula="max(percentile of dP, percentile of dR); 100 is the maximum",
    better=LOWER,
    quantity=LENGTH,
    symmetric=True,
    undefined=BOTH_EMPTY,
    one_empty=PENALTY,
    parameter=Parameter(name="percentile", default=100, low=0, high=100),
    aliases=("hausdorff",),
    source="Huttenlocher et al. 1993, doi:10.1109/34.232073",
)
def hd(surfaces: SurfaceDistances, percentile: float = 100) -> float:
    """Largest distance from either surface to the other; hd@95 ignores the farthest 5 % of each surface."""
    decided = _if_one_empty(surfaces)
    if decided is not None:
        return decided
    return surfaces.percentile(percentile)


@metric(
    needs=SurfaceDistances,
    title="Normalized surface distance",
    formula="(|dP within T| + |dR within T|) / (|d(P)| + |d(R)|)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined=BOTH_EMPTY,
    parameter=TOLERANCE,
    aliases=("surface_dice",),
    source=NIKOLOV,
)
def nsd(surfaces: SurfaceDistances, tolerance: float = 1) -> float:
    """Share of both surfaces that is within the tolerance T of the other surface: surface Dice."""
    return surfaces.share_within(tolerance)


@metric(
    needs=SurfaceDistances,
    title="Surface overlap of the reference",
    formula="|dR within T| / |d(R)|",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="the reference's surface is empty",
    parameter=TOLERANCE,
    source=NIKOLOV,
)
def surface_overlap_of_reference(surfaces: SurfaceDistances, tolerance: float = 1) -> float:
    """Share of the reference's surface that is within the tolerance T of the prediction's surface."""
    return _share_within(surfaces.to_prediction, surfaces.reach(tolerance))


@metric(
    needs=SurfaceDistances,
    title="Surface overlap of the prediction",
    formula="|dP within T| / |d(P)|",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="the prediction's surface is empty",
    parameter=TOLERANCE,
    source=NIKOLOV,
)
def surface_overlap_of_prediction(surfaces: SurfaceDistances, tolerance: float = 1) -> float:
    """Share of the prediction's surface that is within the tolerance T of the reference's surface."""
    return _share_within(surfaces.to_reference, surfaces.reach(tolerance))


def _share_within(distances: Distances, reach: float) -> float:
    return distances.within(reach) / distances.total if distances.values.size else math.nan


@metric(
    needs=Bands,
    title="Boundary IoU",
    formula="|bP and bR| / |bP or bR|, b: voxels of a mask within D of its border voxels",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined=BOTH_EMPTY,
    parameter=Parameter(name="distance", default=1),
    source="Cheng et al. 2021, arXiv:2103.16562",
)
def boundary_iou(bands: Bands, distance: float = 1) -> float:
    """Intersection over union of two bands: the voxels of each mask that are close to its border."""
    rims = bands.within(distance)
    union = rims.prediction + rims.reference - rims.both
    return rims.both / union if union else math.nan
