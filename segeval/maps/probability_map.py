"""Probability maps: what they must be, which axis is that of the channels, and the labels that they say.

A map holds a probability for each class and voxel, stored as it came and read a short stretch of voxels at a time, so
that it is in memory once. A map with one channel holds the foreground of two classes. Nothing here knows of files or
scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import GeometryError, InputError
from segeval.maps.channels import BEYOND, OFF, refuse_range
from segeval.maps.label_map import Grid, LabelMap, Labels
from segeval.text import counted

MEND = "--normalise clips and renormalises them"
UNANNOUNCED = "a label map is scored without --probabilities"
STRETCH_VOXELS = 1 << 15  # a few float64 arrays of a stretch stay in a processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbabilityMap:
    """Probabilities of classes on a grid.

    Parameters
    ----------
    values
        Numbers of any type, shape (channels, voxels), voxels in the order of the grid.
    labels
        The label of each channel; the background is 0. One channel is the foreground of two classes.
    grid
        Where the voxels are.
    names
        Label -> name, as far as known.
    normalise
        Whether values are clipped to 0 to 1 and, of several channels, divided by their sum, wherever they are used.
    source
        The file that it came from, or what to call it in a message.
    stored
        How the file holds it, in words.
    """

    values: NDArray[Any]
    labels: tuple[int, ...]
    grid: Grid
    names: Mapping[int, str]
    normalise: bool = False
    source: str = "array"
    stored: str = ""

    def stretches(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """The voxels, a few at a time, and their values: float32 or float64, shape (channels, voxels)."""
        return ((part, self.normalised(block)) for part, block in self.stored_stretches())

    def stored_stretches(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """The same with the values as they came."""
        wide = self.normalise or self.values.dtype.kind != "f" or self.values.dtype.itemsize > 4
        dtype = np.float64 if wide else np.float32
        for start in range(0, self.values.shape[1], STRETCH_VOXELS):
            part = slice(start, start + STRETCH_VOXELS)
            yield part, np.ascontiguousarray(self.values[:, part], dtype)

    def normalised(self, block: NDArray[Any]) -> NDArray[Any]:
        """The values of some voxels, clipped and divided by their sums if that was asked for."""
        if not self.normalise:
            return block
        block = np.clip(block, 0.0, 1.0)
        if len(block) > 1:
            with np.errstate(invalid="ignore"):  # a voxel of zeros is refused
                block /= block.sum(axis=0)
        return block


def arranged(
    values: NDArray[Any],
    reference: Grid,
    *,
    grid: Grid | None = None,
    labels: Sequence[int] = (),
    names: Mapping[int, str] | None = None,
    normalise: bool = False,
    source: str,
    stored: str = "",
) -> ProbabilityMap:
    """The probability map that an array holds; the reference's shape says which axis is that of the channels.

    Parameters
    ----------
    values
        Axes (z, y, x) or (y, x) with the channels before or behind them, or without any for one channel.
    reference
        The grid that the map is for.
    grid
        Where the voxels are if the channels come first or there are none, as a file says; None for an array by itself,
        which is taken to be where the reference is.
    labels
        The label of each channel, where that is known; channels come first then. Otherwise they are 0, 1, 2 and so on,
        and one channel is 1.
    names, normalise, source, stored
        See `ProbabilityMap`.

    Raises
    ------
    InputError
        The shape fits nowhere, or in more than one way, or the values are not numbers.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected probabilities, found values of type {values.dtype}", source=source)
    kind = _fitting(values.shape, reference.shape, labels, source)
    if grid is None:  # an array by itself: it is where the reference is
        grid = reference
    elif kind == "channels last" or _long_axes(grid.shape) != _long_axes(reference.shape):  # it is about other axes
        grid = Grid(shape=reference.shape, spacing=(1.0,) * reference.ndim, unit="px")
    values, channels = _channels_first(values, kind)
    if not labels:
        labels = (1,) if channels == 1 else range(channels)
    elif list(labels) != sorted(labels):  # of equals the smaller label is taken
        values, labels = values[np.argsort(labels)], sorted(labels)
    return ProbabilityMap(
        values=values,
        labels=tuple(labels),
        grid=grid,
        names=names or {},
        normalise=normalise,
        source=source,
        stored=stored,
    )


def _channels_first(values: NDArray[Any], kind: str) -> tuple[NDArray[Any], int]:
    """The values with axes (channels, voxels), and how many channels there are."""
    shape = values.shape
    channels = {"without channels": 1, "channels first": shape[0], "channels last": shape[-1]}[kind]
    if kind == "channels last":
        values = np.moveaxis(values, -1, 0)
    return values.reshape(channels, -1), channels


def _fitting(shape: Sequence[int], reference: Sequence[int], labels: Sequence[int], source: str) -> str:
    """Where the channels of an array are."""
    wanted = _long_axes(reference)
    fitting = []
    if _long_axes(shape) == wanted:
        fitting.append("without channels")
    if len(shape) > 1 and shape[0] > 1 and _long_axes(shape[1:]) == wanted:
        fitting.append("channels first")
    if len(shape) > 1 and shape[-1] > 1 and _long_axes(shape[:-1]) == wanted:
        fitting.append("channels last")
    if labels:
        fitting = [kind for kind in fitting if kind == ("channels first" if len(labels) > 1 else "without channels")]
    if len(fitting) > 1:
        raise InputError(
            f"an array of shape {_sizes(shape)} on a grid of {_sizes(reference)} can be {' or '.join(fitting)}",
            source=source,
            hint="save it with an axis more, of one voxel, or with another number of channels",
        )
    if not fitting:
        raise GeometryError(
            f"shapes differ: probabilities {_sizes(shape)}, reference {_sizes(reference)} (array axes)",
            source=source,
            hint="expected the reference's shape, with the channels as one more axis before or behind it",
        )
    return fitting[0]


def arranged_reference(
    values: NDArray[Any],
    *,
    grid: Grid | None = None,
    labels: Sequence[int] = (),
    normalise: bool = False,
    source: str,
) -> ProbabilityMap:
    """The shares of classes that an array holds: of one class, or of several with the channels first.

    Parameters
    ----------
    values
        Axes (z, y, x), (y, x), (channel, z, y, x) or (channel, y, x). Of three axes the first is that of the channels
        if the shares sum up to 1 along it and no file says that it is one of space.
    grid
        Where the voxels are, as a file says.
    labels
        The label of each channel, where that is known.
    normalise, source
        See `ProbabilityMap`.
    """
    stacked = values.ndim == 4 or len(labels) > 1
    if values.ndim == 3 and len(values) > 1 and not labels and grid is None:
        sums = values.sum(axis=0, dtype=np.float64)
        stacked = bool((np.abs(sums - 1) <= OFF).all())
    shape = values.shape[1:] if stacked else values.shape
    if not labels:
        labels = range(len(values)) if stacked else (1,)
    if grid is None:
        grid = Grid(shape=shape[-3:], spacing=(1.0,) * len(shape[-3:]), unit="px")
    return arranged(values, grid, grid=grid, labels=labels, normalise=normalise, source=source)


def _long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def without_foreground(label_map: LabelMap, channels: tuple[int, ...]) -> ProbabilityMap:
    """The map of a prediction without foreground: the background is certain everywhere.

    Parameters
    ----------
    label_map
        Says where the voxels are.
    channels
        The label of each channel; without 0 there is one.
    """
    column = np.zeros((len(channels), 1), np.float32)
    column[[label == 0 for label in channels]] = 1
    return ProbabilityMap(
        values=np.broadcast_to(column, (len(channels), label_map.labels.size)),
        labels=channels,
        grid=label_map.grid,
        names={},
        source=label_map.source,
    )


def hardened(probabilities: ProbabilityMap, *, threshold: float = 0.5) -> LabelMap:
    """The labels that a map says: the most probable class, the first of equals; of one channel, where p >= threshold.

    Raises
    ------
    InputError
        Values that are no probabilities: not finite, outside of 0 to 1, or channels that do not sum up to 1.
    """
    kind = np.min_scalar_type(max(probabilities.labels))
    labels: Labels = np.empty(probabilities.values.shape[1], kind)
    ranges = _Ranges(probabilities)
    for part, stored in probabilities.stored_stretches():
        block = probabilities.normalised(stored)
        ranges.add(stored, block)
        here = labels[part]
        if len(block) == 1:
            here[:] = np.where(block[0] >= threshold, probabilities.labels[0], 0)
            continue
        here[:] = probabilities.labels[0]
        best = block[0].copy()
        for label, channel in zip(probabilities.labels[1:], block[1:], strict=True):
            np.copyto(here, kind.type(label), where=channel > best)
            np.maximum(best, channel, out=best)
    ranges.refuse()
    return LabelMap(
        labels=labels.reshape(probabilities.grid.shape),
        grid=probabilities.grid,
        names=probabilities.names,
        source=probabilities.source,
        stored=probabilities.stored,
    )


class _Ranges:
    """The range of values and of their sums, gathered stretch by stretch."""

    def __init__(self, probabilities: ProbabilityMap) -> None:
        self._map = probabilities
        self._values = [math.inf, -math.inf]
        self._sums = [math.inf, -math.inf]
        self._not_finite = self._nothing = 0

    def add(self, stored: NDArray[Any], block: NDArray[Any]) -> None:
        """Take in some voxels, as they came and as they are used."""
        values, sums = _span(stored), _span(total := block.sum(axis=0))
        if not all(map(math.isfinite, values)):
            self._not_finite += int(np.count_nonzero(~np.isfinite(stored).all(axis=0)))
        elif not all(map(math.isfinite, sums)):
            self._nothing += int(np.count_nonzero(~np.isfinite(total)))
        for known, (low, high) in ((self._values, values), (self._sums, sums)):
            known[:] = min(known[0], low), max(known[1], high)

    def refuse(self) -> None:
        """Raise an error for what is wrong, if anything is."""
        source, normalise = self._map.source, self._map.normalise
        if self._not_finite:
            raise _found(self._not_finite, "NaN or infinite", source)
        low, high = self._values
        if low < -BEYOND or high > 1 + BEYOND:
            whole = self._is_whole()
            refuse_range(low, high, whole=whole, normalise=normalise, source=source, mend=MEND, labels=UNANNOUNCED)
        if self._nothing:
            raise _found(self._nothing, "0 in all channels", source)
        least, most = self._sums
        if len(self._map.labels) > 1 and (least < 1 - OFF or most > 1 + OFF):
            raise InputError(
                f"expected channels that sum up to 1 in every voxel, found sums from {least:.6g} to {most:.6g}",
                source=source,
                hint=MEND,
            )

    def _is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all((np.rint(stored) == stored).all() for _, stored in self._map.stored_stretches())


def _found(voxels: int, what: str, source: str) -> InputError:
    found = f"{counted(voxels, 'voxel', spec=',')} that {'is' if voxels == 1 else 'are'} {what}"
    hint = "export it again, or write the background's probability as 1 there"
    return InputError(f"expected probabilities, found {found}", source=source, hint=hint)


def _span(values: NDArray[Any]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
