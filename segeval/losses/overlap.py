"""Losses and scores that are made of overlaps: Dice with probabilities, and what is built on it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from segeval.evidence.conventions import AbsentClass, Conventions
from segeval.losses.foreground import Scored, checked_epsilon, dot, mean_over_foreground
from segeval.maps.channels import Array, Channels, paired


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
    least = checked_epsilon(epsilon)

    def one_class(p: Array, r: Array) -> tuple[float, Array]:
        hits, sizes = dot(p, r) + least, float(p.sum() + r.sum()) + least
        np.subtract(1, p, out=p)
        outside = 1 - r
        other_hits, other_sizes = dot(p, outside) + least, float(p.sum() + outside.sum()) + least
        if sizes == 0 or other_sizes == 0:
            return math.nan, p
        share, other_share = hits / sizes, other_hits / other_sizes
        return 1 - share - other_share, (share - r) / sizes + (outside - other_share) / other_sizes

    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    return mean_over_foreground(maps, weights, one_class)


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
    hits, sizes, squares = _class_sums(maps)
    if rule == "penalise" and maps.predicted() & set(np.flatnonzero(squares == 0).tolist()):
        return 1.0, gradient
    factors = _class_factors(squares, rule)
    # exact sums, as in generalized_dice, so that a perfect label map has exactly 0
    size = math.fsum((factors * sizes).tolist())
    share = math.fsum((factors * hits).tolist()) / size
    for label in range(maps.classes):
        slope = maps.reference.of(label)
        slope -= share
        slope *= 2 * factors[label] / size
        maps.subtract(gradient, label, slope)
    return 1 - 2 * share, gradient


def _class_factors(squares: Array, rule: AbsentClass) -> Array:
    """The weight of each class, the inverse of a square; for an absent class by the rule."""
    absent = squares == 0
    factors = np.divide(1, squares, out=np.zeros(squares.shape), where=~absent)
    if rule == "max":
        factors[absent] = factors.max()
    return factors


def _class_sums(maps: Channels) -> Array:
    """For each class the sums of p r and of p + r, and the square of that of r; shape (3, classes)."""
    sums = np.zeros((3, maps.classes))
    for label in range(maps.classes):
        p, r = maps.pair(label)
        sums[:, label] = dot(p, r), p.sum() + r.sum(), r.sum() ** 2
    return sums


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
    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    return mean_over_foreground(maps, weights, _soft_dice)


def _soft_dice(p: Array, r: Array) -> tuple[float, Array]:
    hits, sizes = dot(p, r), float(p.sum() + r.sum())
    if sizes == 0:
        return math.nan, p
    return 2 * hits / sizes, (r - hits / sizes) * (2 / sizes)


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
    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    return mean_over_foreground(maps, weights, _vnet_dice)


def _vnet_dice(p: Array, r: Array) -> tuple[float, Array]:
    hits, sizes = dot(p, r), dot(p, p) + dot(r, r)
    if sizes == 0:
        return math.nan, p
    return 2 * hits / sizes, (r - p * (2 * hits / sizes)) * (2 / sizes)
