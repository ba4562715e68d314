"""Mean of a loss over the foreground classes, and the share of foreground in an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segeval.errors import UsageError
from segeval.maps.channels import Array, Channels
from segeval.maps.label_map import as_labels

Scored = tuple[float, NDArray[np.float64]]
ClassLoss = Callable[[Array, Array], tuple[float, Array]]


def mean_over_foreground(maps: Channels, weights: Mapping[int, float] | None, one_class: ClassLoss) -> Scored:
    """Mean over the foreground classes with a defined value; `one_class` may overwrite its arguments."""
    gradient, value, total = maps.zeros(), 0.0, 0.0
    for label, weight in _class_weights(weights, maps.classes).items():
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


def _class_weights(weights: Mapping[int, float] | None, classes: int) -> dict[int, float]:
    chosen = dict.fromkeys(range(1, classes), 1.0)
    for label, weight in (weights or {}).items():
        if label not in chosen:
            raise UsageError(f"weights need classes from 1 to {classes - 1}, found {label}")
        if not 0 <= weight < math.inf:
            raise UsageError(f"a weight must be a number of at least 0, not {weight}")
        chosen[label] = float(weight)
    return chosen


def checked_epsilon(value: float) -> float:
    """Check the epsilon of a formula: finite and not negative."""
    if not 0 <= value < math.inf:
        raise UsageError(f"epsilon must be a number of at least 0, not {value}")
    return float(value)


def dot(one: Array, other: Array) -> float:
    """Sum of products, without BLAS, whose sums depend on the number of processors."""
    return float((one * other).sum())


def imbalance(reference: ArrayLike, *, label: int | None = None) -> float:
    """Share of an image that is foreground, or that is one label.

    Parameters
    ----------
    reference
        Label map of shape (z, y, x) or (y, x); use ``argmax(0)`` to reduce channels.
    label
        The label to count; None for all labels except 0.

    Returns
    -------
    float
        Foreground voxels divided by all voxels; NaN if the image has no voxels.

    Raises
    ------
    InputError
        The array is not a label map.

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
