"""Overlap losses and scores: Dice of probabilities, and its variants."""

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
    """Sum of the Dice losses of the foreground and of the background.

    ``1 - (sum p r + e) / (sum p + r + e) - (sum (1 - p)(1 - r) + e) / (sum 2 - p - r + e)``.

    A perfect prediction has loss 0 if the image contains both. If it contains only background, the loss is -1/2
    (e/e = 1), and a single wrong voxel changes it to about +1/2.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.
    epsilon
        The e of the formula. With 0, a class is undefined if it is nowhere or everywhere in both maps.

    Returns
    -------
    float
        Mean over the foreground classes; NaN without voxels.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the background channel.

    Raises
    ------
    InputError
        As for `wce`.
    UsageError
        As for `wce`; the epsilon is negative or not finite.

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
    """Generalized Dice loss: one overlap for all classes, small classes weighing as much as large ones.

    ``1 - 2 [sum_l w_l sum_n r p] / [sum_l w_l sum_n (r + p)]`` with ``w_l = 1 / (sum_n r)^2``, over all classes and the
    background. For probabilities of 0 and 1, it is 1 minus `generalized_dice`.

    The gradient has the opposite sign of the one printed in the paper for two classes: the derivative of its loss has
    the leading factor +2 instead of -2, and finite differences agree.

    Parameters
    ----------
    probabilities, reference, normalise
        As for `wce`.
    absent_class
        Weight of a class that is not in the reference: ``"max"``, the largest finite weight; ``"ignore"``, no weight;
        ``"penalise"``, the loss is 1 and the gradient 0 if the class is the most probable one at some voxel (with one
        channel, if p >= 0.5).

    Returns
    -------
    float
        The loss; NaN without voxels.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; with one channel, 1 - p of the background is included.

    Raises
    ------
    InputError
        As for `wce`.
    UsageError
        The rule for absent classes is unknown.

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
    """Weight of each class: the inverse of a square, or according to the rule for absent classes."""
    absent = squares == 0
    factors = np.divide(1, squares, out=np.zeros(squares.shape), where=~absent)
    if rule == "max":
        factors[absent] = factors.max()
    return factors


def _class_sums(maps: Channels) -> Array:
    """Sums of p r and of p + r, and squared sum of r, for each class; shape (3, classes)."""
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
    """Dice of probabilities; a score, 1 is best.

    ``2 sum p r / (sum p + sum r)``. For probabilities of 0 and 1, it is Dice and `mean_dice`.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.

    Returns
    -------
    float
        Mean over the foreground classes that are in at least one map; NaN if there are none.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the background channel.

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
    """Dice of probabilities with squares in the denominator, as in V-Net; a score, 1 is best.

    ``2 sum p r / (sum p^2 + sum r^2)``. For probabilities of 0 and 1, it is Dice.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.

    Returns
    -------
    float
        Mean over the foreground classes that are in at least one map; NaN if there are none.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the background channel.

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
