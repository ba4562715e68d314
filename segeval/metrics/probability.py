"""Scores of a probability map: losses that networks are trained with, soft overlaps, and calibration.

Formulas are as printed in the papers, without corrections; e = 1e-5 appears only where the paper has it. A score of
one class compares it with all others; its row under ``all`` is the mean over the foreground classes.
"""

from __future__ import annotations

import math

import numpy as np

from segeval.evidence.probability_sums import ClassSums, ProbabilityTotals
from segeval.metrics.registry import HIGHER, LOWER, RATIO, UNIT_RANGE, Parameter, metric

EPSILON = 1e-5

_SUDRE = "Sudre et al. 2017, arXiv:1707.03237"
_NO_VOXEL = "no voxel is counted"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


@metric(
    needs=ClassSums,
    title="Weighted cross-entropy",
    formula="-(1/N) sum_n [w r_n log p_n + (1 - r_n) log(1 - p_n)], w = (N - sum p_n) / sum p_n",
    better=LOWER,
    quantity=RATIO,
    undefined=_NO_VOXEL,
    source=_SUDRE,
)
def wce(sums: ClassSums) -> float:
    """Cross-entropy in which a class weighs more, the less of it is predicted.

    The weight comes from the prediction, as in the paper: the loss is infinite if a class of the reference has
    probability 0 everywhere. Probabilities are clipped to [1e-7, 1 - 1e-7] in the logarithms.
    """
    if not sums.voxels:
        return math.nan
    if not sums.r:  # the weight multiplies nothing
        return -sums.miss_log / sums.voxels
    if not sums.p > 0:
        return math.inf
    weight = (sums.voxels - sums.p) / sums.p
    return -(weight * sums.hit_log + sums.miss_log) / sums.voxels


@metric(
    needs=ClassSums,
    title="Two-class Dice loss",
    formula="1 - (sum p r + e) / (sum (p + r) + e) - (sum (1 - p)(1 - r) + e) / (sum (2 - p - r) + e), e = 1e-5",
    better=LOWER,
    quantity=RATIO,
    bounds=(-0.5 - EPSILON, 1.0),
    symmetric=True,
    undefined=_NO_VOXEL,
    caution="a perfect map scores -1/2 here, and one wrong voxel makes it about +1/2",
    source=_SUDRE,
)
def dl2(sums: ClassSums) -> float:
    """Dice loss of a class and of its background together.

    A perfect map scores about 0, but -1/2 if the reference has the class nowhere or everywhere; then one wrong voxel
    makes it about +1/2.
    """
    if not sums.voxels:
        return math.nan
    outside = sums.voxels - sums.p - sums.r + sums.pr
    inner = (sums.pr + EPSILON) / (sums.p + sums.r + EPSILON)
    return 1 - inner - (outside + EPSILON) / (2 * sums.voxels - sums.p - sums.r + EPSILON)


@metric(
    needs=ClassSums,
    title="Sensitivity-specificity loss",
    formula="L sum (r - p)^2 r / (sum r + e) + (1 - L) sum (r - p)^2 (1 - r) / (sum (1 - r) + e), e = 1e-5",
    better=LOWER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined=_NO_VOXEL,
    parameter=Parameter(name="share", default=0.05, low=0, high=1),
    source=f"{_SUDRE}; Brosch et al. 2015, doi:10.1007/978-3-319-24574-4_1",
)
def ss(sums: ClassSums, share: float = 0.05) -> float:
    """Mean squared error inside the class, with weight L (the number after the @), and outside, with weight 1 - L."""
    if not sums.voxels:
        return math.nan
    within = sums.hit_error / (sums.r + EPSILON)
    return share * within + (1 - share) * sums.miss_error / (sums.voxels - sums.r + EPSILON)


@metric(
    needs=ClassSums,
    title="Soft Dice",
    formula="2 sum p r / (sum p + sum r)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="p and r are 0 throughout",
    source=_SUDRE,
)
def soft_dice(sums: ClassSums) -> float:
    """Dice of the probabilities, without a threshold."""
    return _share(2 * sums.pr, sums.p + sums.r)


@metric(
    needs=ClassSums,
    title="Soft Dice with squares (V-Net)",
    formula="2 sum p r / (sum p^2 + sum r^2)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="p and r are 0 throughout",
    source="Milletari et al. 2016, arXiv:1606.04797",
)
def vnet_dice(sums: ClassSums) -> float:
    """Dice of the probabilities with squares in the denominator."""
    return _share(2 * sums.pr, sums.pp + sums.rr)


@metric(
    needs=ClassSums,
    title="Soft IoU",
    formula="sum p r / (sum p + sum r - sum p r)",
    better=HIGHER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    symmetric=True,
    undefined="p and r are 0 throughout",
    source="Rahman and Wang 2016, doi:10.1007/978-3-319-50835-1_22",
)
def soft_iou(sums: ClassSums) -> float:
    """Intersection over union of the probabilities, without a threshold."""
    return _share(sums.pr, sums.p + sums.r - sums.pr)


@metric(
    needs=ProbabilityTotals,
    title="Cross-entropy",
    formula="-(1/N) sum_n log p of the true class",
    better=LOWER,
    quantity=RATIO,
    undefined=_NO_VOXEL,
    source="Murphy 2022, Probabilistic Machine Learning, chapter 5.1.6",
)
def cross_entropy(totals: ProbabilityTotals) -> float:
    """Negative logarithm of the probability of the true class, mean over the voxels.

    Probabilities are clipped to [1e-7, 1 - 1e-7] in the logarithm.
    """
    return _share(-math.fsum(each.hit_log for each in totals.classes), totals.voxels)


@metric(
    needs=ProbabilityTotals,
    title="Generalized Dice loss",
    formula="1 - 2 sum_l w_l sum_n r_ln p_ln / sum_l w_l sum_n (r_ln + p_ln), w_l = 1 / (sum_n r_ln)^2",
    better=LOWER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined=_NO_VOXEL,
    source=_SUDRE,
)
def gdl(totals: ProbabilityTotals) -> float:
    """Generalized Dice as a loss: one overlap for all classes, small classes weighing as much as large ones.

    The weight of a class that is not in the reference would be infinite; `--absent-class` sets it.
    """
    if not totals.voxels:
        return math.nan
    reference = np.array([each.r for each in totals.classes])
    prediction = np.array([each.p for each in totals.classes])
    absent = reference == 0
    if totals.absent_class == "penalise" and (absent & totals.labelled).any():
        return 1.0
    weights = np.zeros(len(absent))
    weights[~absent] = 1.0 / np.square(reference[~absent])
    if totals.absent_class == "max":
        weights[absent] = weights.max()
    hits = math.fsum((weights * [each.pr for each in totals.classes]).tolist())
    return 1.0 - 2.0 * hits / math.fsum((weights * (prediction + reference)).tolist())


@metric(
    needs=ProbabilityTotals,
    title="Brier score",
    formula="(1/N) sum_n sum_l (r_ln - p_ln)^2, over the background and every class",
    better=LOWER,
    quantity=RATIO,
    bounds=(0.0, 2.0),
    symmetric=True,
    undefined=_NO_VOXEL,
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
)
def brier(totals: ProbabilityTotals) -> float:
    """Squared error of the probabilities, summed over the classes, mean over the voxels.

    A single channel counts as two classes, p and 1 - p.
    """
    return _share(math.fsum(each.hit_error + each.miss_error for each in totals.classes), totals.voxels)


@metric(
    needs=ProbabilityTotals,
    title="Expected calibration error",
    formula="sum_b (N_b / N) |right_b / N_b - mean confidence_b|, bins b of the largest probability",
    better=LOWER,
    quantity=RATIO,
    bounds=UNIT_RANGE,
    undefined=_NO_VOXEL,
    parameter=Parameter(name="bins", default=15, low=1, high=1000, whole=True),
    source="Guo et al. 2017, arXiv:1706.04599",
)
def ece(totals: ProbabilityTotals, bins: float = 15) -> float:
    """Difference between the largest probability of a voxel and how often its class is right.

    All voxels count, also the background. Bins have equal width from 0 to 1; each includes its upper end.
    """
    found = totals.calibration[int(bins)]
    return _share(float(np.abs(found.right - found.confidence).sum()), totals.voxels)
