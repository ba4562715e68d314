"""Probabilities and a reference, class by class: the input of the losses and soft scores.

Probabilities have axes (class, z, y, x) or (class, y, x), background first. A single channel is the foreground of two
classes, and its class axis may be left out. The reference is a label map or has one channel per class, which may be
soft. Both are checked, kept in their own type, and returned one class at a time in float64, so that a large map is
never copied as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segeval.errors import InputError
from segeval.maps.label_map import as_labels
from segeval.text import counted

Array = NDArray[np.float64]

RANGE_TOLERANCE = 1e-3  # a probability may be this far outside [0, 1]
CLIPPABLE = 1.0  # values farther outside [0, 1] are something else, such as percentages, and are not clipped
SUM_TOLERANCE = 1e-2  # the sum over the channels of a voxel may be this far from 1
CLIP = 1e-7  # logarithms see probabilities between this and 1 minus this
LARGEST_LABEL = 99  # whole numbers up to this one are called labels, larger ones percentages or grey values
FOREGROUND = 0.5  # in a single channel, voxels with at least this probability are foreground
LABELS_HINT = "these are labels, not probabilities"
NORMALISE_HINT = "to clip to [0, 1] and rescale channels to sum to 1: normalise=True"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Soft:
    """One channel per class, or one for the foreground; clipped and divided by `sums` when read."""

    values: NDArray[Any]
    clipped: bool = False
    sums: Array | None = None

    def of(self, label: int) -> Array:
        """Return the probabilities of a class."""
        alone = len(self.values) == 1
        values: Array = self.values[0 if alone else label].astype(np.float64)
        if self.clipped:
            np.clip(values, 0, 1, out=values)
        if self.sums is not None:
            values /= self.sums
        if alone and label == 0:
            np.subtract(1, values, out=values)
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hard:
    """A label map."""

    values: NDArray[Any]

    def of(self, label: int) -> Array:
        """Return 1 for the voxels of a class and 0 for others."""
        values: Array = np.equal(self.values, label).astype(np.float64)
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channels:
    """Checked probabilities and reference of an image.

    Parameters
    ----------
    probabilities, reference
        The channels of both, or the labels of the reference.
    classes
        Number of classes with the background; 2 for a single channel.
    shape
        Shape of the given probabilities, and so of gradients.
    """

    probabilities: _Soft
    reference: _Soft | _Hard
    classes: int
    shape: tuple[int, ...]

    @property
    def one_channel(self) -> bool:
        """Whether there are only probabilities of the foreground."""
        return len(self.probabilities.values) == 1

    @property
    def voxels(self) -> int:
        """Number of voxels of the image."""
        return math.prod(self.probabilities.values.shape[1:])

    def pair(self, label: int) -> tuple[Array, Array]:
        """Return new arrays with the probabilities and the reference of one class, in the shape of the image."""
        return self.probabilities.of(label), self.reference.of(label)

    def zeros(self) -> Array:
        """Return a gradient of zeros."""
        return np.zeros(self.shape)

    def slot(self, gradient: Array, label: int) -> Array:
        """Return a view of the part of a gradient that belongs to a foreground class, in the shape of the image."""
        part: Array = gradient.reshape(self.probabilities.values.shape)[0 if self.one_channel else label]
        return part

    def subtract(self, gradient: Array, label: int, slope: Array) -> None:
        """Subtract a slope from the gradient of a class; add it for the background of one channel, which is 1 - p."""
        if self.one_channel and label == 0:
            self.slot(gradient, 1)[...] += slope
        else:
            self.slot(gradient, label)[...] -= slope

    def predicted(self) -> set[int]:
        """Return the classes that are most probable in some voxel; on a tie, the first class wins."""
        if self.one_channel:
            return {int(label) for label in np.unique(self.probabilities.of(1) >= FOREGROUND)}
        best = self.probabilities.of(0)
        winner = np.zeros(best.shape, np.min_scalar_type(self.classes))
        for label in range(1, self.classes):
            channel = self.probabilities.of(label)
            winner[channel > best] = label
            np.maximum(best, channel, out=best)
        return set(np.unique(winner).tolist())


def paired(*, probabilities: ArrayLike, reference: ArrayLike, normalise: bool = False) -> Channels:
    """Check probabilities and their reference, and find the axis of the classes.

    Parameters
    ----------
    probabilities
        Shape (class, z, y, x) or (class, y, x), background first. For a single channel with the foreground of two
        classes, the shape of the reference is also accepted.
    reference
        Label map of shape (z, y, x) or (y, x), or one channel per class like `probabilities`. If both arrays have the
        same three axes, the first is the class axis if the reference sums to 1 along it. To rule this out for a volume,
        give the single channel an axis (``probabilities[None]``).
    normalise
        Clip to [0, 1] and divide by the sum over channels, instead of refusing values outside the range. A single
        channel is only clipped. A soft reference is treated in the same way.

    Returns
    -------
    Channels
        Empty if the arrays are empty.

    Raises
    ------
    InputError
        The shapes do not fit, values are not probabilities, or a label has no channel.

    Examples
    --------
    >>> paired(probabilities=[[[0.9, 0.2]], [[0.1, 0.8]]], reference=[[0, 1]]).classes
    2
    """
    p, r = _numbers(probabilities, "probabilities"), _numbers(reference, "reference")
    stacked, own_axis = _axes(p, r)
    found = _soft(p if stacked else p[None], "probabilities", normalise=normalise)
    classes = max(2, len(found.values))
    truth: _Soft | _Hard
    if own_axis or len(found.values) == 1:
        truth = _soft(r if own_axis else r[None], "reference", normalise=normalise)
    else:
        truth = _Hard(values=as_labels(r, source="reference"))
        largest = int(truth.values.max(initial=0))
        if largest >= classes:
            problem = f"label {largest} has no channel: the {classes} classes are 0 to {classes - 1}"
            raise InputError(problem, source="reference", hint="relabel the reference, or add channels")
    return Channels(probabilities=found, reference=truth, classes=classes, shape=p.shape)


def _numbers(values: ArrayLike, source: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"expected numbers, found values of type {array.dtype}", source=source)
    return array


def _axes(p: NDArray[Any], r: NDArray[Any]) -> tuple[bool, bool]:
    """Return for each array whether its first axis is the class axis."""
    if r.ndim in {2, 3} and r.shape == p.shape[1:] and len(p):
        return True, False
    if r.shape == p.shape and (p.ndim in {2, 3} or (p.ndim == 4 and len(p))):
        classes = p.ndim == 4 or (p.ndim == 3 and (len(p) == 1 or _sums_to_one(r)))
        return classes, classes
    raise InputError(
        f"the shapes do not fit: probabilities {p.shape}, reference {r.shape}",
        hint="use axes (class, z, y, x) or (class, y, x); leave out the class axis only for one channel or a label map",
    )


def _sums_to_one(channels: NDArray[Any]) -> bool:
    sums = channels.sum(axis=0, dtype=np.float64)
    return bool(sums.size) and bool((np.abs(sums - 1) <= SUM_TOLERANCE).all())


def _soft(channels: NDArray[Any], source: str, *, normalise: bool) -> _Soft:
    if not channels.size:
        return _Soft(values=channels)
    low, high = float(channels.min()), float(channels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("expected probabilities, found NaN or infinite values", source=source)
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        whole = channels.dtype.kind in "iu" or bool((np.rint(channels) == channels).all())
        refuse_range(low, high, whole=whole, normalise=normalise, source=source, normalise_hint=NORMALISE_HINT)
    if len(channels) == 1:
        return _Soft(values=channels, clipped=normalise)
    sums = np.zeros(channels.shape[1:])
    for channel in channels:
        sums += np.clip(channel.astype(np.float64), 0, 1) if normalise else channel
    least, most = float(sums.min()), float(sums.max())
    if normalise:
        if least == 0:
            empty = int(np.count_nonzero(sums == 0))
            voxels = counted(empty, "voxel", spec=",")
            raise InputError(f"expected probabilities, found {voxels} with 0 in all channels", source=source)
        return _Soft(values=channels, clipped=True, sums=sums)
    if least < 1 - SUM_TOLERANCE or most > 1 + SUM_TOLERANCE:
        problem = f"expected channels that sum to 1, found sums from {least:.6g} to {most:.6g}"
        raise InputError(problem, source=source, hint=NORMALISE_HINT)
    return _Soft(values=channels)


def refuse_range(
    low: float,
    high: float,
    *,
    whole: bool,
    normalise: bool,
    source: str,
    normalise_hint: str,
    labels_hint: str = LABELS_HINT,
) -> None:
    """Raise an error for values outside [0, 1], unless `normalise` is set and clipping makes sense.

    Parameters
    ----------
    low, high
        Smallest and largest value.
    whole
        Whether all values are whole numbers.
    normalise
        Whether values are to be clipped.
    source
        Name of the map, for messages.
    normalise_hint
        Hint for values that clipping would fix.
    labels_hint
        Hint for values that look like labels.

    Raises
    ------
    InputError
        The values are whole numbers, which are labels or grey values; they are far outside [0, 1]; or `normalise` is
        not set.
    """
    far = low < -CLIPPABLE or high > 1 + CLIPPABLE
    if normalise and not (whole or far):
        return
    if whole and low >= 0 and high <= LARGEST_LABEL:
        hint = labels_hint
    elif far or whole:
        hint = "divide percentages and grey values by their largest possible value, and take the softmax of logits"
    else:
        hint = normalise_hint
    raise InputError(
        f"expected probabilities from 0 to 1, found values from {low:.6g} to {high:.6g}", source=source, hint=hint
    )
