"""What the losses share: the mean over the classes of the foreground, and how much of an image is foreground."""

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
    """Mean over the classes of the foreground that are defined; `one_class` may overwrite what it is given."""
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
            raise UsageError(f"weights are for classes 1 to {classes - 1}, not {label}")
        if not 0 <= weight < math.inf:
            raise UsageError(f"a weight is a number of 0 or more, not {weight}")
        chosen[label] = float(weight)
    return chosen


def checked_epsilon(value: float) -> float:
    """The epsilon of a formula; one that is negative or not finite is refused."""
    if not 0 <= value < math.inf:
        raise UsageError(f"epsilon is a number of 0 or more, not {value}")
    return float(value)


def dot(one: Array, other: Array) -> float:
    """Sum of products; not by BLAS, whose sums depend on the number of processors."""
    return float((one * other).sum())


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
        Foreground voxels divided by all voxels; NaN if the image has no voxels.

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
