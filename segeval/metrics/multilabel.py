"""Metrics of one case over all its labels, reported under the label ``all``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.counts import LabelTotals
from segeval.metrics.registry import HIGHER, RATIO, UNIT_RANGE, metric

NO_LABEL = "neither map has a label that is scored"
HALF = 0.5 + 1e-9  # of two classes of one size neither holds more than half


def heaviest_class(totals: LabelTotals) -> tuple[int, float] | None:
    """The class that holds more than half of the weight of the generalized Dice, and the share that it holds.

    A perfect prediction gets ``2 sum_l w_l R_l`` in the numerator. The share of a class in that sum is the part of the
    score that is lost when this class alone is missed.
    """
    sizes = totals.reference[totals.reference > 0].astype(np.float64)
    if not sizes.size:
        return None
    shares = (1.0 / sizes) / np.sum(1.0 / sizes)
    labels = [label for label, size in zip(totals.labels, totals.reference, strict=True) if size > 0]
    place = int(shares.argmax())
    return (labels[place], float(shares[place])) if shares[place] > HALF else None


@metric(
    needs=LabelTotals,
    title="Generalized Dice",
    formula="2 sum_l w_l TP_l / sum_l w_l (P_l + R_l), w_l = 1 / R_l^2, over the background and every label",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="no voxel is counted",
    dominant=heaviest_class,
    source="Crum et al. 2006, doi:10.1109/TMI.2006.880587; weights of Sudre et al. 2017, arXiv:1707.03237",
)
def generalized_dice(totals: LabelTotals) -> float:
    """One overlap for all classes, small classes weighing as much as large ones.

    The weight of a class that is not in the reference would be infinite; `--absent-class` sets it.
    """
    absent = totals.reference == 0
    if absent.all():
        return math.nan
    if totals.absent_class == "penalise" and totals.prediction[absent].any():
        return 0.0
    weights = np.zeros(len(absent))
    weights[~absent] = 1.0 / np.square(totals.reference[~absent].astype(np.float64))
    if totals.absent_class == "max":
        weights[absent] = weights.max()
    # exact sums, so that equal maps give exactly 1
    hits = math.fsum((weights * totals.agreed).tolist())
    sizes = math.fsum((weights * (totals.prediction + totals.reference)).tolist())
    return 2.0 * hits / sizes


def _mean_share(totals: LabelTotals, hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
    present = (sizes > 0) & totals.averaged
    if not present.any():
        return math.nan
    shares = hits[present] / sizes[present]
    if totals.weights is None:
        return float(np.mean(shares))
    weights = totals.weights[present]
    return float((weights * shares).sum() / weights.sum()) if weights.any() else math.nan


@metric(
    needs=LabelTotals,
    title="Mean Dice",
    formula="mean of Dice over the scored labels that are in at least one map",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined=NO_LABEL,
    source="Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
)
def mean_dice(totals: LabelTotals) -> float:
    """Mean of Dice over the labels of the case, weighted by `--weight` if it is given."""
    return _mean_share(totals, 2 * totals.agreed, totals.prediction + totals.reference)


@metric(
    needs=LabelTotals,
    title="Mean IoU",
    formula="mean of IoU over the scored labels that are in at least one map",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined=NO_LABEL,
    source="Everingham et al. 2010, doi:10.1007/s11263-009-0275-4",
)
def mean_iou(totals: LabelTotals) -> float:
    """Mean of IoU over the labels of the case, weighted by `--weight` if it is given."""
    return _mean_share(totals, totals.agreed, totals.prediction + totals.reference - totals.agreed)
