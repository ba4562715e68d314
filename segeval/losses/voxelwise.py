"""Losses that are sums over voxels: two cross-entropies, and squared errors."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from segeval.errors import UsageError
from segeval.losses.foreground import Scored, checked_epsilon, dot, mean_over_foreground
from segeval.maps.channels import CLIP, Array, paired

NOTHING = 1e-150  # smallest sum whose inverse square fits into float64


def wce(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Cross-entropy in which the foreground weighs more, the less of it is predicted.

    ``-(1/N) sum [w r log p + (1 - r) log(1 - p)]`` with ``w = (N - sum p) / sum p``. The gradient
    includes that of w. In logarithms p is clipped to [1e-7, 1 - 1e-7]; the clipped part has gradient 0.

    Parameters
    ----------
    probabilities
        Array of shape (class, z, y, x) or (class, y, x), the background first; or one channel with the foreground, with
        or without its axis.
    reference
        Label map of shape (z, y, x) or (y, x), or an array like `probabilities`, which may be soft.
    weights
        Weights in the mean over the foreground, by class; 1 for the others. A single channel is class 1.
    normalise
        Clip to [0, 1] and rescale channels to sum to 1 first; the gradient is then with respect to the result.

    Returns
    -------
    float
        Mean over the foreground classes. Infinite, like the gradient, if a class of the reference has probability 0
        everywhere; NaN without voxels.
    numpy.ndarray
        Gradient in float64, of the shape of `probabilities`; 0 in the background channel.

    Raises
    ------
    InputError
        The shapes do not fit; probabilities are outside [0, 1] by more than 1e-3, or do not sum to 1 within 1e-2; a
        label has no channel.
    UsageError
        A weight is negative, or is for a class that does not exist.

    Examples
    --------
    >>> value, gradient = wce(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]])
    >>> round(value, 6), gradient.shape
    (0.425735, (2, 2))
    """
    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    return mean_over_foreground(maps, weights, _wce)


def _wce(p: Array, r: Array) -> tuple[float, Array]:
    total, voxels = float(p.sum()), p.size
    occurs = bool(r.any())
    if occurs and total < NOTHING:
        return math.inf, np.full(p.shape, -math.inf)
    # if the class is not in the reference, w has no effect
    w = (voxels - total) / total if occurs else 0.0
    w_slope = -voxels / total / total if occurs else 0.0
    seen = np.clip(p, CLIP, 1 - CLIP)
    outside = 1 - r
    inner, outer = dot(r, np.log(seen)), dot(outside, np.log1p(-seen))
    slope = w * r / seen - outside / (1 - seen)
    slope *= seen == p
    slope += w_slope * inner
    slope /= -voxels
    return -(w * inner + outer) / voxels, slope


def cross_entropy(*, probabilities: ArrayLike, reference: ArrayLike, normalise: bool = False) -> Scored:
    """Negative natural logarithm of the probability of the true class, mean over the voxels.

    ``-(1/N) sum log p`` of the true class, also of the background; with one channel, its probability is ``1 - p``. In
    logarithms p is clipped to [1e-7, 1 - 1e-7]; the clipped part has gradient 0.

    Parameters
    ----------
    probabilities, reference, normalise
        As for `wce`.

    Returns
    -------
    float
        The loss; NaN without voxels.
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
        surprise -= dot(r, np.log(seen))
        slope = np.divide(r, seen, out=r)
        slope *= seen == p
        maps.subtract(gradient, label, slope)
    gradient /= maps.voxels
    return surprise / maps.voxels, gradient


def ss(
    *,
    probabilities: ArrayLike,
    reference: ArrayLike,
    sensitivity_weight: float = 0.05,
    epsilon: float = 1e-5,
    weights: Mapping[int, float] | None = None,
    normalise: bool = False,
) -> Scored:
    """Weighted sum of the mean squared errors inside and outside the structure.

    ``L sum (r - p)^2 r / (sum r + e) + (1 - L) sum (r - p)^2 (1 - r) / (sum (1 - r) + e)``. With L = 0.05, as
    printed in the paper, errors outside weigh 19 times as much.

    Parameters
    ----------
    probabilities, reference, weights, normalise
        As for `wce`.
    sensitivity_weight
        The L of the formula, from 0 to 1.
    epsilon
        The e of the formula. With 0, a class is undefined if it is nowhere or everywhere in the reference.

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
        As for `wce`; the epsilon or the sensitivity weight is out of range.

    Examples
    --------
    >>> value, gradient = ss(probabilities=[[0.8, 0.5], [0.2, 0.1]], reference=[[1, 1], [0, 0]], epsilon=0)
    >>> round(value, 6), gradient.shape
    (0.031, (2, 2))
    """
    least = checked_epsilon(epsilon)
    if not 0 <= sensitivity_weight <= 1:
        raise UsageError(f"the sensitivity weight must be from 0 to 1, not {sensitivity_weight}")

    def one_class(p: Array, r: Array) -> tuple[float, Array]:
        outside = 1 - r
        inner, outer = float(r.sum()) + least, float(outside.sum()) + least
        if inner == 0 or outer == 0:
            return math.nan, p
        weighed = r * (sensitivity_weight / inner) + outside * ((1 - sensitivity_weight) / outer)
        error = np.subtract(p, r, out=p)
        weighed *= error
        return dot(weighed, error), 2 * weighed

    maps = paired(probabilities=probabilities, reference=reference, normalise=normalise)
    return mean_over_foreground(maps, weights, one_class)
