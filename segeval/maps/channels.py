"""Probabilities and a reference, class by class: what the losses and soft scores are computed from.

Probabilities come as (class, z, y, x) or (class, y, x), the background first; one channel is the foreground of two
classes and needs no axis of its own. A reference is a label map, or holds a channel per class like the probabilities,
where it may be soft. Both are checked here, kept as they came, and handed out one class at a time in float64, so that a
large map is never copied whole. Nothing here knows a formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segeval.errors import InputError
from segeval.maps.label_map import as_labels

Array = NDArray[np.float64]

BEYOND = 1e-3  # how far a probability may lie outside [0, 1]
FAR = 1.0  # from there on it is something else, such as a percentage, which clipping would not mend
OFF = 1e-2  # how far the channels of a voxel may be from a sum of 1
CLIP = 1e-7  # how near to 0 or 1 a logarithm sees a probability
LABELS = 99  # whole numbers up to here are taken for labels, greater ones for percentages or grey values
FOREGROUND = 0.5  # one channel labels a voxel foreground from here up
NO_LABELS = "these are labels, not probabilities"
MEND = "normalise=True clips to [0, 1] and divides by the sum over channels"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Soft:
    """A channel per class, or one for the foreground; clipped and divided by `sums` as it is read."""

    values: NDArray[Any]
    clipped: bool = False
    sums: Array | None = None

    def of(self, label: int) -> Array:
        alone = len(self.values) == 1
        channel: Array = self.values[0 if alone else label].astype(np.float64)
        if self.clipped:
            np.clip(channel, 0, 1, out=channel)
        if self.sums is not None:
            channel /= self.sums
        if alone and label == 0:
            np.subtract(1, channel, out=channel)
        return channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hard:
    """A label map."""

    values: NDArray[Any]

    def of(self, label: int) -> Array:
        channel: Array = np.equal(self.values, label).astype(np.float64)
        return channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channels:
    """Probabilities and reference of the same image, checked.

    Parameters
    ----------
    classes
        How many there are, the background included; two where there is one channel.
    shape
        The shape in which the probabilities came, which is that of a gradient.
    """

    probabilities: _Soft
    reference: _Soft | _Hard
    classes: int
    shape: tuple[int, ...]

    @property
    def one_channel(self) -> bool:
        """Whether the probabilities are those of the foreground alone."""
        return len(self.probabilities.values) == 1

    @property
    def voxels(self) -> int:
        """Voxels of the image."""
        return math.prod(self.probabilities.values.shape[1:])

    def pair(self, label: int) -> tuple[Array, Array]:
        """New arrays with the probabilities and the reference of one class, of the image's shape."""
        return self.probabilities.of(label), self.reference.of(label)

    def zeros(self) -> Array:
        """A gradient of 0."""
        return np.zeros(self.shape)

    def slot(self, gradient: Array, label: int) -> Array:
        """The part of a gradient that belongs to a class of the foreground, as a view of the image's shape."""
        part: Array = gradient.reshape(self.probabilities.values.shape)[0 if self.one_channel else label]
        return part

    def subtract(self, gradient: Array, label: int, slope: Array) -> None:
        """Take a slope off the gradient of a class; the background of one channel is 1 - p, with the other sign."""
        if self.one_channel and label == 0:
            self.slot(gradient, 1)[...] += slope
        else:
            self.slot(gradient, label)[...] -= slope

    def predicted(self) -> set[int]:
        """The classes that the label map made of the probabilities holds: the largest, of equal ones the first."""
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
    """Check probabilities and their reference, and say which axis is what.

    Parameters
    ----------
    probabilities
        Shape (class, z, y, x) or (class, y, x), the background first; or, for the foreground of two classes, one
        channel or the reference's shape.
    reference
        Label map of shape (z, y, x) or (y, x), or a channel per class like `probabilities`. Of two arrays of the same
        three axes the first is the class if the reference sums to 1 along it; give one channel an axis of its own
        (``probabilities[None]``) where a volume could be taken for that.
    normalise
        Clip to [0, 1] and divide by the sum over channels, instead of refusing what lies outside. One channel is only
        clipped. A soft reference is treated likewise.

    Returns
    -------
    Channels
        Of no voxel where the arrays are empty.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are no probabilities, labels without a channel.

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
            problem = f"expected labels below {classes}, one for each channel, found {largest}"
            raise InputError(problem, source="reference", hint="relabel it")
    return Channels(probabilities=found, reference=truth, classes=classes, shape=p.shape)


def _numbers(values: ArrayLike, source: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"expected numbers, found values of type {array.dtype}", source=source)
    return array


def _axes(p: NDArray[Any], r: NDArray[Any]) -> tuple[bool, bool]:
    """Whether the first axis of each array is that of the classes."""
    if r.ndim in {2, 3} and r.shape == p.shape[1:] and len(p):
        return True, False
    if r.shape == p.shape and (p.ndim in {2, 3} or (p.ndim == 4 and len(p))):
        classes = p.ndim == 4 or (p.ndim == 3 and (len(p) == 1 or _sums_to_one(r)))
        return classes, classes
    raise InputError(
        f"a reference of shape {r.shape} does not fit probabilities of shape {p.shape}",
        hint="axes are (class, z, y, x) or (class, y, x); the class may be left out for one channel or a label map",
    )


def _sums_to_one(channels: NDArray[Any]) -> bool:
    sums = channels.sum(axis=0, dtype=np.float64)
    return bool(sums.size) and bool((np.abs(sums - 1) <= OFF).all())


def _soft(channels: NDArray[Any], source: str, *, normalise: bool) -> _Soft:
    if not channels.size:
        return _Soft(values=channels)
    low, high = float(channels.min()), float(channels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("expected probabilities, found some that are NaN or infinite", source=source)
    if low < -BEYOND or high > 1 + BEYOND:
        whole = channels.dtype.kind in "iu" or bool((np.rint(channels) == channels).all())
        refuse_range(low, high, whole=whole, normalise=normalise, source=source, mend=MEND)
    if len(channels) == 1:
        return _Soft(values=channels, clipped=normalise)
    sums = np.zeros(channels.shape[1:])
    for channel in channels:
        sums += np.clip(channel.astype(np.float64), 0, 1) if normalise else channel
    least, most = float(sums.min()), float(sums.max())
    if normalise:
        if least == 0:
            empty = np.count_nonzero(sums == 0)
            raise InputError(f"{empty:,} voxels have no probability above 0 in any channel", source=source)
        return _Soft(values=channels, clipped=True, sums=sums)
    if least < 1 - OFF or most > 1 + OFF:
        problem = f"expected channels that sum to 1, found sums from {least:.6g} to {most:.6g}"
        raise InputError(problem, source=source, hint=MEND)
    return _Soft(values=channels)


def refuse_range(
    low: float, high: float, *, whole: bool, normalise: bool, source: str, mend: str, labels: str = NO_LABELS
) -> None:
    """Raise an error for values that reach outside of [0, 1], unless clipping was asked for and can mend them.

    Parameters
    ----------
    low, high
        The least and the greatest value.
    whole
        Whether all are whole numbers.
    normalise
        Whether clipping was asked for.
    source
        What to call them in a message.
    mend
        How to ask for it.
    labels
        What to say of labels.

    Raises
    ------
    InputError
        Whole numbers are labels or grey values; others are refused unless `normalise`, and always where they lie so far
        outside that they must be something else.
    """
    far = low < -FAR or high > 1 + FAR
    if normalise and not (whole or far):
        return
    if whole and low >= 0 and high <= LABELS:
        hint = labels
    elif far or whole:
        hint = "divide percentages and grey values by the greatest possible value, and take the softmax of logits"
    else:
        hint = mend
    raise InputError(
        f"expected probabilities from 0 to 1, found values from {low:.6g} to {high:.6g}", source=source, hint=hint
    )
