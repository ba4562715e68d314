"""Probability maps: check their values, find the axis of their channels, and turn them into labels.

A map has a probability for each class and voxel. It is stored in its own type and read in blocks of voxels, so that it
is in memory only once. A map with one channel has the probabilities of the foreground of two classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import GeometryError, InputError
from segeval.maps.channels import RANGE_TOLERANCE, SUM_TOLERANCE, refuse_range
from segeval.maps.label_map import Grid, LabelMap, Labels
from segeval.text import counted

NORMALISE_HINT = "to clip to [0, 1] and rescale channels to sum to 1: --normalise"
LABELS_HINT = "to score a label map, leave out --probabilities"
STRETCH_VOXELS = 1 << 15  # a few float64 arrays of this size fit in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbabilityMap:
    """Probabilities of classes on a grid.

    Parameters
    ----------
    values
        Numbers of any type, shape (channels, voxels), voxels in the order of the grid.
    labels
        Label of each channel; the background is 0. A single channel is the foreground of two classes.
    grid
        Grid of the voxels.
    names
        Known names of the labels, by number.
    normalise
        Clip values to [0, 1], and divide several channels by their sum, whenever values are used.
    source
        Path of the file, or a name for messages.
    stored
        Format and data type of the file, for people.
    """

    values: NDArray[Any]
    labels: tuple[int, ...]
    grid: Grid
    names: Mapping[int, str]
    normalise: bool = False
    source: str = "array"
    stored: str = ""

    def stretches(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield blocks of voxels and their values: float32 or float64, shape (channels, voxels)."""
        return ((part, self.normalised(block)) for part, block in self.stored_stretches())

    def stored_stretches(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the same blocks with the values as stored, not normalised."""
        wide = self.normalise or self.values.dtype.kind != "f" or self.values.dtype.itemsize > 4
        dtype = np.float64 if wide else np.float32
        for start in range(0, self.values.shape[1], STRETCH_VOXELS):
            part = slice(start, start + STRETCH_VOXELS)
            yield part, np.ascontiguousarray(self.values[:, part], dtype)

    def normalised(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return the values of some voxels, clipped and divided by their sums if `normalise` is set."""
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
    """Make a probability map from an array; the shape of the reference decides which axis has the channels.

    Parameters
    ----------
    values
        Axes (z, y, x) or (y, x), with the channels before or after them; one channel needs no axis.
    reference
        Grid of the reference.
    grid
        Grid of the file, for channels that come first or have no axis. None for an array without a grid, which gets the
        grid of the reference.
    labels
        Label of each channel, if known; the channels then come first. By default 0, 1, 2 and so on, and 1 for a single
        channel.
    names, normalise, source, stored
        See `ProbabilityMap`.

    Raises
    ------
    InputError
        The shape does not fit or fits in more than one way, or the values are not numbers.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected probabilities, found values of type {values.dtype}", source=source)
    kind = _fitting(values.shape, reference.shape, labels, source)
    if grid is None:
        grid = reference
    elif kind == "channels last" or _long_axes(grid.shape) != _long_axes(reference.shape):  # a grid of other axes
        grid = Grid(shape=reference.shape, spacing=(1.0,) * reference.ndim, unit="px")
    values, channels = _channels_first(values, kind)
    if not labels:
        labels = (1,) if channels == 1 else range(channels)
    elif list(labels) != sorted(labels):  # on a tie, the smaller label wins
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
    """Return the values with axes (channels, voxels), and the number of channels."""
    shape = values.shape
    channels = {"without channels": 1, "channels first": shape[0], "channels last": shape[-1]}[kind]
    if kind == "channels last":
        values = np.moveaxis(values, -1, 0)
    return values.reshape(channels, -1), channels


def _fitting(shape: Sequence[int], reference: Sequence[int], labels: Sequence[int], source: str) -> str:
    """Return how the channels of an array are arranged: without, first or last."""
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
            f"the axis of the channels is unclear: {' or '.join(fitting)} in shape {_sizes(shape)}, "
            f"reference {_sizes(reference)}",
            source=source,
            hint="save it with one more axis of size 1, or with another number of channels",
        )
    if not fitting:
        raise GeometryError(
            f"the shapes differ: probabilities {_sizes(shape)}, reference {_sizes(reference)} (array axes)",
            source=source,
            hint="save it with the shape of the reference and one more axis for channels, first or last",
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
    """Make a soft reference from an array: the shares of one class, or of several with the channels first.

    Parameters
    ----------
    values
        Axes (z, y, x), (y, x), (channel, z, y, x) or (channel, y, x). If there are three axes and neither grid nor
        labels, the first has the channels if the shares sum to 1 along it.
    grid
        Grid of the file, if it has one.
    labels
        Label of each channel, if known.
    normalise, source
        See `ProbabilityMap`.
    """
    stacked = values.ndim == 4 or len(labels) > 1
    if values.ndim == 3 and len(values) > 1 and not labels and grid is None:
        sums = values.sum(axis=0, dtype=np.float64)
        stacked = bool((np.abs(sums - 1) <= SUM_TOLERANCE).all())
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
    """Return the map of an empty prediction: the background has probability 1 in all voxels.

    Parameters
    ----------
    label_map
        Label map with the grid to use.
    channels
        Label of each channel; without 0 there is a single one.
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
    """Turn a probability map into labels: the most probable class, or the voxels with p >= threshold of one channel.

    On a tie, the first channel wins.

    Raises
    ------
    InputError
        Values are not finite or outside [0, 1], or channels do not sum to 1.
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
    """The ranges of values and of their sums, collected block by block."""

    def __init__(self, probabilities: ProbabilityMap) -> None:
        self._map = probabilities
        self._values = [math.inf, -math.inf]
        self._sums = [math.inf, -math.inf]
        self._not_finite = self._nothing = 0

    def add(self, stored: NDArray[Any], block: NDArray[Any]) -> None:
        """Add a block of voxels, with values as stored and as used."""
        values, sums = _span(stored), _span(total := block.sum(axis=0))
        if not all(map(math.isfinite, values)):
            self._not_finite += int(np.count_nonzero(~np.isfinite(stored).all(axis=0)))
        elif not all(map(math.isfinite, sums)):
            self._nothing += int(np.count_nonzero(~np.isfinite(total)))
        for known, (low, high) in ((self._values, values), (self._sums, sums)):
            known[:] = min(known[0], low), max(known[1], high)

    def refuse(self) -> None:
        """Raise an error if values are not finite, out of range or do not sum to 1."""
        source = self._map.source
        if self._not_finite:
            raise _wrong_voxels(self._not_finite, "with NaN or infinite values", source)
        low, high = self._values
        if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
            refuse_range(
                low,
                high,
                whole=self._is_whole(),
                normalise=self._map.normalise,
                source=source,
                normalise_hint=NORMALISE_HINT,
                labels_hint=LABELS_HINT,
            )
        if self._nothing:
            raise _wrong_voxels(self._nothing, "with 0 in all channels", source)
        least, most = self._sums
        if len(self._map.labels) > 1 and (least < 1 - SUM_TOLERANCE or most > 1 + SUM_TOLERANCE):
            problem = f"expected channels that sum to 1, found sums from {least:.6g} to {most:.6g}"
            raise InputError(problem, source=source, hint=NORMALISE_HINT)

    def _is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all((np.rint(stored) == stored).all() for _, stored in self._map.stored_stretches())


def _wrong_voxels(voxels: int, what: str, source: str) -> InputError:
    found = f"{counted(voxels, 'voxel', spec=',')} {what}"
    hint = "export it again, or set the background's probability to 1 in these voxels"
    return InputError(f"expected probabilities, found {found}", source=source, hint=hint)


def _span(values: NDArray[Any]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
