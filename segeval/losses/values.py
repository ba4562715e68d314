"""Losses and soft scores of probability maps, each as its value and its gradient.

The formulas are those of Sudre et al. 2017 (arXiv:1707.03237) and of V-Net (Milletari et al. 2016, arXiv:1606.04797),
as printed. p is the probability of a class at a voxel, r the reference (0 or 1, or soft), N the number of voxels.
Gradients are closed forms with respect to p, each entry of p being a variable of its own.

`wce`, `dl2`, `ss`, `soft_dice` and `vnet_dice` score each class of the foreground against the rest and take the mean;
what they give for a class that is undefined (0/0) is left out of it, with a gradient of 0. Where nothing is defined,
as for an image without voxels, the value is NaN and the gradient 0: there is no way to go. The losses are lower where
they are better; `soft_dice` and `vnet_dice` are scores, and higher.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segeval.errors import UsageError
from segeval.evidence.conventions import AbsentClass, Conventions
from segeval.maps.channels import CLIP, Array, Channels, paired
from segeval.maps.label_map import as_labels

__all__ = ["LOSSES", "cross_entropy", "dl2", "gdl", "imbalance", "soft_dice", "ss", "vnet_dice", "wce"]

NOTHING = 1e-150  # a sum below it: its inverse squared is beyond float64

Scored = tuple[float, NDArray[np.float64]]
Term = Callable[[Array, Array], tuple[float, Array]]


def wce(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Cross-entropy in which the foreground weighs more, the less of it is predicted.

    ``-(1/N) sum [w r log p + (1 - r) log(1 - p)]`` with ``w = (N - sum p) / sum p``, which depends on p and is
    differentiated too. In logarithms p is clipped to [1e-7, 1 - 1e-7]; the clipped part has gradient 0.

    Parameters
    ----------
    probabilities
        Shape (class, z, y, x) or (class, y, x), the background first, or one channel for the foreground of two classes,
        with or without its axis.
    reference
        Label map of shape (z, y, x) or (y, x), or a channel per class like `probabilities`, which may be soft.
    weights
        Class -> weight in the mean over the foreground; 1 where not named. One channel is class 1.
    normalise
        Clip to [0, 1] and divide by the sum over channels first; the gradient is then with respect to the result.

    Returns
    -------
    float
        Mean over the classes of the foreground. Infinite, as is the gradient, where a class of the reference has no
        probability anywhere; NaN where there is no voxel.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the channel of the background.

    Raises
    ------
    InputError
        Shapes that do not fit; probabilities outside [0, 1] by more than 1e-3, or whose channels do not sum to 1 within
        1e-2; labels without a channel.
    UsageError
        Weights that are negative or of no class.

    Examples
    --------
    >>> value, gradient = wce(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]])
    >>> round(value, 6), gradient.shape
    (0.425735, (2, 2))
    """
    return _mean(paired(probabilities=probabilities, reference=reference, normalise=normalise), weights, _wce)


def cross_entropy(*, probabilities: ArrayLike, reference: ArrayLike, normalise: bool = False) -> Scored:
    """How surprising the true class is on average, in natural units.

    ``-(1/N) sum log p`` of the true class, the background included; with one channel, ``1 - p`` is the background's. In
    logarithms p is clipped to [1e-7, 1 - 1e-7]; the clipped part has gradient 0.

    Parameters
    ----------
    probabilities, reference, normalise
        As for `wce`.

    Returns
    -------
    float
        NaN where there is no voxel.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`.

    Raises
    ------
    InputError
        As for `wce`.

    Examples
    --------
    >>> value, gradient = cross_entropy(probabilities=[[[0.5, 0.2]], [[0.5, 0.8]]], reference=[[0, 1]])
    >>> round(value, 6), gradient.tolist()
    (0.458145, [[[-1.0, 0.0]], [[0.0, -0.625]]])
    """
    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    gradient, surprise = maps.zeros(), 0.0
    if not maps.voxels:
        return math.nan, gradient
    for label in range(maps.classes):
        p, r = maps.pair(label)
        seen = np.clip(p, CLIP, 1 - CLIP)
        surprise -= _dot(r, np.log(seen))
        slope = np.divide(r, seen, out=r)
        slope *= seen == p
        if maps.one_channel and label == 0:  # the derivative of 1 - p
            maps.slot(gradient, 1)[...] += slope
        else:
            maps.slot(gradient, label)[...] -= slope
    gradient /= maps.voxels
    return surprise / maps.voxels, gradient


def dl2(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    epsilon: float = 1e-5,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Dice loss of the foreground and of what is left, added up.

    ``1 - (sum p r + e) / (sum p + r + e) - (sum (1 - p)(1 - r) + e) / (sum 2 - p - r + e)``.

    A perfect prediction has 0 where the image holds both; where it holds only background it has -1/2 (e/e = 1), and a
    single wrong voxel takes that to about +1/2.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.
    epsilon
        The e of the formula. With 0, a class that is nowhere or everywhere in both maps is undefined.

    Returns
    -------
    float
        Mean over the classes of the foreground; NaN where there is no voxel.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the channel of the background.

    Raises
    ------
    InputError
        As for `wce`.
    UsageError
        As for `wce`; an epsilon that is negative or not finite.

    Examples
    --------
    >>> value, gradient = dl2(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]])
    >>> round(value, 4), gradient.shape
    (0.2525, (2, 2))
    """
    least = _epsilon(epsilon)

    def one_class(p: Array, r: Array) -> tuple[float, Array]:
        hits, sizes = _dot(p, r) + least, float(p.sum() + r.sum()) + least
        np.subtract(1, p, out=p)
        outside = 1 - r
        other_hits, other_sizes = _dot(p, outside) + least, float(p.sum() + outside.sum()) + least
        if sizes == 0 or other_sizes == 0:
            return math.nan, p
        share, other_share = hits / sizes, other_hits / other_sizes
        return 1 - share - other_share, (share - r) / sizes + (outside - other_share) / other_sizes

    return _mean(paired(probabilities=probabilities, reference=reference, normalise=normalise), weights, one_class)


def ss(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    sensitivity_weight: float = 0.05,
    epsilon: float = 1e-5,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Squared errors inside the structure and outside it, each per voxel there, weighed against each other.

    ``L sum (r - p)^2 r / (sum r + e) + (1 - L) sum (r - p)^2 (1 - r) / (sum (1 - r) + e)``. With the paper's L = 0.05
    the errors outside weigh 19 times as much; that is as printed.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.
    sensitivity_weight
        The L of the formula, from 0 to 1.
    epsilon
        The e of the formula. With 0, a class that the reference has nowhere or everywhere is undefined.

    Returns
    -------
    float
        Mean over the classes of the foreground; NaN where there is no voxel.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the channel of the background.

    Raises
    ------
    InputError
        As for `wce`.
    UsageError
        As for `wce`; an epsilon or a sensitivity weight out of range.

    Examples
    --------
    >>> value, gradient = ss(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]], epsilon=0)
    >>> round(value, 6), gradient.shape
    (0.031, (2, 2))
    """
    least = _epsilon(epsilon)
    if not 0 <= sensitivity_weight <= 1:
        raise UsageError(f"a sensitivity weight lies from 0 to 1, not {sensitivity_weight}")

    def one_class(p: Array, r: Array) -> tuple[float, Array]:
        outside = 1 - r
        inner, outer = float(r.sum()) + least, float(outside.sum()) + least
        if inner == 0 or outer == 0:
            return math.nan, p
        weighed = r * (sensitivity_weight / inner) + outside * ((1 - sensitivity_weight) / outer)
        error = np.subtract(p, r, out=p)
        weighed *= error
        return _dot(weighed, error), 2 * weighed

    return _mean(paired(probabilities=probabilities, reference=reference, normalise=normalise), weights, one_class)


def gdl(
    *, probabilities: ArrayLike, reference: ArrayLike, absent_class: AbsentClass = "max", normalise: bool = False
) -> Scored:
    """Generalized Dice loss: one overlap for all classes, in which small ones weigh as much as large ones.

    ``1 - 2 [sum_l w_l sum_n r p] / [sum_l w_l sum_n (r + p)]`` with ``w_l = 1 / (sum_n r)^2``, over all classes and the
    background. Of a label map, written as probabilities of 0 and 1, it is 1 less `generalized_dice`.

    The gradient has the opposite sign of the one that the paper prints for two classes: differentiating its loss gives
    a leading factor of +2 where it has -2, and finite differences agree.

    Parameters
    ----------
    probabilities, reference, normalise
        As for `wce`.
    absent_class
        Weight of a class that the reference lacks: ``"max"`` the largest finite weight, ``"ignore"`` none,
        ``"penalise"`` a loss of 1, with gradient 0, if some voxel is labelled so: if it is the most probable class
        there, with one channel if p >= 0.5.

    Returns
    -------
    float
        NaN where there is no voxel.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; with one channel, the background's 1 - p is taken in.

    Raises
    ------
    InputError
        As for `wce`.
    UsageError
        An unknown rule for absent classes.

    Examples
    --------
    >>> p = [[[0.8, 0.5, 0.2, 0.1]], [[0.2, 0.5, 0.8, 0.9]]]
    >>> value, gradient = gdl(probabilities=p, reference=[[0, 0, 1, 1]])
    >>> round(value, 6), gradient.round(6).tolist()
    (0.25, [[[-0.15625, -0.15625, 0.09375, 0.09375]], [[0.09375, 0.09375, -0.15625, -0.15625]]])
    """
    rule = Conventions(absent_class=absent_class).absent_class
    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    gradient = maps.zeros()
    if not maps.voxels:
        return math.nan, gradient
    hits, sizes, squares = np.zeros((3, maps.classes))
    for label in range(maps.classes):
        p, r = maps.pair(label)
        hits[label], sizes[label], squares[label] = _dot(p, r), p.sum() + r.sum(), r.sum() ** 2
    absent = squares == 0
    if rule == "penalise" and maps.predicted() & set(np.flatnonzero(absent).tolist()):
        return 1.0, gradient
    factors = np.divide(1, squares, out=np.zeros(maps.classes), where=~absent)
    if rule == "max":
        factors[absent] = factors.max()
    # exact sums, as in generalized_dice, so that a perfect label map has exactly 0
    size = math.fsum((factors * sizes).tolist())
    share = math.fsum((factors * hits).tolist()) / size
    for label in range(maps.classes):
        slope = maps.reference.of(label)
        slope -= share
        slope *= 2 * factors[label] / size
        if maps.one_channel and label == 0:  # the derivative of 1 - p
            maps.slot(gradient, 1)[...] += slope
        else:
            maps.slot(gradient, label)[...] -= slope
    return 1 - 2 * share, gradient


def soft_dice(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Dice with probabilities instead of labels; a score, 1 is best.

    ``2 sum p r / (sum p + sum r)``. Of a label map, written as probabilities of 0 and 1, it is Dice, and `mean_dice`.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.

    Returns
    -------
    float
        Mean over those classes of the foreground that either map has; NaN where there is none.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the channel of the background.

    Raises
    ------
    InputError, UsageError
        As for `wce`.

    Examples
    --------
    >>> value, gradient = soft_dice(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]])
    >>> round(value, 6), gradient.shape
    (0.722222, (2, 2))
    """
    return _mean(paired(probabilities=probabilities, reference=reference, normalise=normalise), weights, _soft_dice)


def vnet_dice(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Dice with probabilities, squared in the denominator as in V-Net; a score, 1 is best.

    ``2 sum p r / (sum p^2 + sum r^2)``. Of a label map, written as probabilities of 0 and 1, it is Dice.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.

    Returns
    -------
    float
        Mean over those classes of the foreground that either map has; NaN where there is none.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the channel of the background.

    Raises
    ------
    InputError, UsageError
        As for `wce`.

    Examples
    --------
    >>> value, gradient = vnet_dice(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]])
    >>> round(value, 6), gradient.shape
    (0.884354, (2, 2))
    """
    return _mean(paired(probabilities=probabilities, reference=reference, normalise=normalise), weights, _vnet_dice)


LOSSES: dict[str, Callable[..., Scored]] = {
    each.__name__: each for each in (wce, cross_entropy, dl2, ss, gdl, soft_dice, vnet_dice)
}
"""Name -> function, in the order of the papers; each takes `probabilities`, `reference` and `normalise`."""


def imbalance(reference: ArrayLike, *, label: int | None = None) -> float:
    """How much of an image is foreground, or one label.

    Parameters
    ----------
    reference
        Label map of shape (z, y, x) or (y, x); channels are made one by ``argmax(0)``.
    label
        A label to count alone; all but 0 where it is None.

    Returns
    -------
    float
        Voxels of it / all voxels; NaN where there is no voxel.

    Raises
    ------
    InputError
        Not a label map.

    Examples
    --------
    >>> imbalance([[0, 0, 2, 1]]), imbalance([[0, 0, 2, 1]], label=2)
    (0.5, 0.25)
    """
    labels = as_labels(np.asarray(reference), source="reference")
    if not labels.size:
        return math.nan
    counted = np.count_nonzero(labels) if label is None else np.count_nonzero(labels == label)
    return int(counted) / labels.size


def _mean(maps: Channels, weights: Mapping[int, float] | None, one_class: Term) -> Scored:
    """Mean over the classes of the foreground that are defined; `one_class` may overwrite what it is given."""
    gradient, value, total = maps.zeros(), 0.0, 0.0
    for label, weight in _weighing(weights, maps.classes).items():
        if not weight or not maps.voxels:
            continue
        found, slope = one_class(*maps.pair(label))
        if not math.isnan(found):
            value, total = value + weight * found, total + weight
            np.multiply(slope, weight, out=maps.slot(gradient, label))
    if not total:
        return math.nan, gradient
    gradient /= total
    return value / total, gradient


def _weighing(weights: Mapping[int, float] | None, classes: int) -> dict[int, float]:
    chosen = dict.fromkeys(range(1, classes), 1.0)
    for label, weight in (weights or {}).items():
        if label not in chosen:
            raise UsageError(f"weights are for classes 1 to {classes - 1}, not {label}")
        if not 0 <= weight < math.inf:
            raise UsageError(f"a weight is a number of 0 or more, not {weight}")
        chosen[label] = float(weight)
    return chosen


def _epsilon(value: float) -> float:
    if not 0 <= value < math.inf:
        raise UsageError(f"epsilon is a number of 0 or more, not {value}")
    return float(value)


def _dot(one: Array, other: Array) -> float:
    """Sum of products; not by BLAS, whose sums depend on the number of processors."""
    return float((one * other).sum())


def _wce(p: Array, r: Array) -> tuple[float, Array]:
    total, voxels = float(p.sum()), p.size
    occurs = bool(r.any())
    if occurs and total < NOTHING:
        return math.inf, np.full(p.shape, -math.inf)
    # where the class is not in the reference, w weighs nothing, whatever it is
    w = (voxels - total) / total if occurs else 0.0
    w_slope = -voxels / total / total if occurs else 0.0
    seen = np.clip(p, CLIP, 1 - CLIP)
    outside = 1 - r
    inner, outer = _dot(r, np.log(seen)), _dot(outside, np.log1p(-seen))
    slope = w * r / seen - outside / (1 - seen)
    slope *= seen == p
    slope += w_slope * inner
    slope /= -voxels
    return -(w * inner + outer) / voxels, slope


def _soft_dice(p: Array, r: Array) -> tuple[float, Array]:
    hits, sizes = _dot(p, r), float(p.sum() + r.sum())
    if sizes == 0:
        return math.nan, p
    return 2 * hits / sizes, (r - hits / sizes) * (2 / sizes)


def _vnet_dice(p: Array, r: Array) -> tuple[float, Array]:
    hits, sizes = _dot(p, r), _dot(p, p) + _dot(r, r)
    if sizes == 0:
        return math.nan, p
    return 2 * hits / sizes, (r - p * (2 * hits / sizes)) * (2 / sizes)
