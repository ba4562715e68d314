"""Metrics of one label from its voxel counts.

P is the prediction and R the reference as sets of voxels; TP, FP, FN and TN are counted over the whole image without
ignored voxels. Python integers do not overflow, so products of counts are exact until the final division.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from segeval.evidence.counts import Counts
from segeval.metrics.registry import (
    COUNT,
    HIGHER,
    LOWER,
    NEITHER,
    RATIO,
    UNIT_RANGE,
    VOLUME,
    Parameter,
    metric,
)

TAHA_HANBURY = "Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x"
NO_VOLUME = "the image is 2-D or has no physical spacing"


def _ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN if the denominator is 0. Counts may be arrays, with one entry per bootstrap draw."""
    if np.ndim(denominator):
        shares: float = _shares(numerator, denominator)
        return shares
    return numerator / denominator if denominator else math.nan


def _shares(numerator: Any, denominator: Any) -> Any:
    return np.divide(numerator, denominator, out=np.full(denominator.shape, math.nan), where=denominator != 0)


@metric(
    needs=Counts,
    title="Dice",
    formula="2 TP / (2 TP + FP + FN)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="P and R are empty",
    aliases=("dsc",),
    source="Dice 1945, doi:10.2307/1932409",
)
def dice(counts: Counts) -> float:
    """Overlap of prediction and reference as a share of their mean size."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


@metric(
    needs=Counts,
    title="Intersection over union",
    formula="TP / (TP + FP + FN)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="P and R are empty",
    aliases=("jaccard",),
    source="Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x",
)
def iou(counts: Counts) -> float:
    """Overlap of prediction and reference as a share of their union."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


@metric(
    needs=Counts,
    title="Sensitivity",
    formula="TP / (TP + FN)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="R is empty",
    aliases=("recall",),
    source=TAHA_HANBURY,
)
def sensitivity(counts: Counts) -> float:
    """Share of the reference that the prediction found."""
    return _ratio(counts.tp, counts.tp + counts.fn)


@metric(
    needs=Counts,
    title="Specificity",
    formula="TN / (TN + FP)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="R is the whole image",
    source=TAHA_HANBURY,
)
def specificity(counts: Counts) -> float:
    """Share of the voxels outside the reference that the prediction leaves out.

    It grows with the size of the image: for a small object it is close to 1 for almost every prediction.
    """
    return _ratio(counts.tn, counts.tn + counts.fp)


@metric(
    needs=Counts,
    title="Precision",
    formula="TP / (TP + FP)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="P is empty",
    aliases=("ppv",),
    source=TAHA_HANBURY,
)
def precision(counts: Counts) -> float:
    """Share of the prediction that is right."""
    return _ratio(counts.tp, counts.tp + counts.fp)


@metric(
    needs=Counts,
    title="Negative predictive value",
    formula="TN / (TN + FN)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="P is the whole image",
    source="Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
)
def npv(counts: Counts) -> float:
    """Share of the voxels outside the prediction that are outside the reference too."""
    return _ratio(counts.tn, counts.tn + counts.fn)


@metric(
    needs=Counts,
    title="Accuracy",
    formula="(TP + TN) / N",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="no voxel is counted",
    source=TAHA_HANBURY,
)
def accuracy(counts: Counts) -> float:
    """Share of all voxels that are right; for a small object close to 1 for almost every prediction."""
    return _ratio(counts.tp + counts.tn, counts.total)


@metric(
    needs=Counts,
    title="Balanced accuracy",
    formula="(sensitivity + specificity) / 2",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="R is empty or the whole image",
    source="Brodersen et al. 2010, doi:10.1109/ICPR.2010.764",
)
def balanced_accuracy(counts: Counts) -> float:
    """Mean of sensitivity and specificity."""
    return (sensitivity(counts) + specificity(counts)) / 2


@metric(
    needs=Counts,
    title="F-beta",
    formula="(1 + B^2) TP / ((1 + B^2) TP + B^2 FN + FP)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined="P and R are empty",
    parameter=Parameter(name="beta", default=1),
    source="van Rijsbergen 1979, Information Retrieval, chapter 7",
)
def fbeta(counts: Counts, beta: float = 1) -> float:
    """Weighted harmonic mean of precision and sensitivity, sensitivity weighing beta times as much; Dice for beta 1."""
    square = beta * beta
    hits = (1 + square) * counts.tp
    if counts.prediction == 0 and counts.reference == 0:
        return math.nan
    # with beta 0 an empty prediction gives 0/0; nothing was found, so the score is 0
    return hits / (hits + square * counts.fn + counts.fp) if counts.tp else 0.0


@metric(
    needs=Counts,
    title="Matthews correlation",
    formula="(TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))",
    better=HIGHER,
    quantity=RATIO,
    bounds=(-1.0, 1.0),
    symmetric=True,
    undefined="P or R is empty or the whole image",
    source="Matthews 1975, doi:10.1016/0005-2795(75)90109-9",
)
def mcc(counts: Counts) -> float:
    """Correlation between prediction and reference over all voxels."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    # the square root of the exact integer: a float product may round a perfect score past 1
    return max(-1.0, min(1.0, (tp * tn - fp * fn) / math.sqrt(product))) if product else math.nan


@metric(
    needs=Counts,
    title="Cohen's kappa",
    formula="(po - pe) / (1 - pe), po = (TP + TN) / N, pe = ((TP + FP)(TP + FN) + (TN + FN)(TN + FP)) / N^2",
    better=HIGHER,
    quantity=RATIO,
    bounds=(-1.0, 1.0),
    symmetric=True,
    undefined="P and R are both empty or both the whole image",
    source="Cohen 1960, doi:10.1177/001316446002000104",
)
def kappa(counts: Counts) -> float:
    """Agreement over all voxels beyond the agreement expected by chance."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    by_chance = (tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)
    return _ratio((tp + tn) * counts.total - by_chance, counts.total**2 - by_chance)


@metric(
    needs=Counts,
    title="Volume similarity",
    formula="1 - |FN - FP| / (2 TP + FP + FN)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="P and R are empty",
    source=TAHA_HANBURY,
)
def volume_similarity(counts: Counts) -> float:
    """Similarity of the two volumes, regardless of position."""
    return 1 - _ratio(abs(counts.fn - counts.fp), 2 * counts.tp + counts.fp + counts.fn)


def _millilitres(voxels: int, counts: Counts) -> float:
    return math.nan if counts.voxel_volume_mm3 is None else voxels * counts.voxel_volume_mm3 / 1000


@metric(
    needs=Counts,
    title="Volume error",
    formula="P - R",
    better=NEITHER,
    quantity=VOLUME,
    bounds=(-math.inf, math.inf),
    undefined=NO_VOLUME,
    source=TAHA_HANBURY,
)
def volume_error(counts: Counts) -> float:
    """Volume of the prediction minus volume of the reference."""
    return _millilitres(counts.prediction - counts.reference, counts)


@metric(
    needs=Counts,
    title="Relative volume error",
    formula="(P - R) / R",
    better=NEITHER,
    quantity=RATIO,
    bounds=(-1.0, math.inf),
    undefined="R is empty",
    source="Heimann et al. 2009, doi:10.1109/TMI.2009.2013851",
)
def relative_volume_error(counts: Counts) -> float:
    """Volume of the prediction minus volume of the reference, as a share of the reference."""
    return _ratio(counts.prediction - counts.reference, counts.reference)


@metric(
    needs=Counts,
    title="True positives",
    formula="TP",
    better=HIGHER,
    quantity=COUNT,
    symmetric=True,
    source=TAHA_HANBURY,
)
def tp(counts: Counts) -> float:
    """Voxels in both the prediction and the reference."""
    return counts.tp


@metric(needs=Counts, title="False positives", formula="FP", better=LOWER, quantity=COUNT, source=TAHA_HANBURY)
def fp(counts: Counts) -> float:
    """Voxels in the prediction but not in the reference."""
    return counts.fp


@metric(needs=Counts, title="False negatives", formula="FN", better=LOWER, quantity=COUNT, source=TAHA_HANBURY)
def fn(counts: Counts) -> float:
    """Voxels in the reference but not in the prediction."""
    return counts.fn


@metric(
    needs=Counts,
    title="True negatives",
    formula="TN",
    better=HIGHER,
    quantity=COUNT,
    symmetric=True,
    source=TAHA_HANBURY,
)
def tn(counts: Counts) -> float:
    """Voxels in neither the prediction nor the reference."""
    return counts.tn


@metric(
    needs=Counts,
    title="Predicted volume",
    formula="P",
    better=NEITHER,
    quantity=VOLUME,
    undefined=NO_VOLUME,
    source=TAHA_HANBURY,
)
def prediction_volume(counts: Counts) -> float:
    """Volume of the prediction."""
    return _millilitres(counts.prediction, counts)


@metric(
    needs=Counts,
    title="Reference volume",
    formula="R",
    better=NEITHER,
    quantity=VOLUME,
    undefined=NO_VOLUME,
    source=TAHA_HANBURY,
)
def reference_volume(counts: Counts) -> float:
    """Volume of the reference."""
    return _millilitres(counts.reference, counts)
