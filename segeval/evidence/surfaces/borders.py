"""Find the border voxels of all labels of a map at once, for surfaces and boundary bands.

A border voxel has a face neighbour (4 in 2-D, 6 in 3-D) with another label; outside the image is background. The maps
are cropped to the labels, labels become small codes, and borders are found slab by slab on a padded array, so that
temporary arrays stay in the processor's cache and no step from a voxel leads outside.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.maps.label_map import Labels, slabs

Index = NDArray[np.intp]


@lru_cache(maxsize=8)
def steps_around(spacing: tuple[float, ...], most: int) -> tuple[Index, NDArray[np.float64]]:
    """At most `most` steps from a voxel to its surroundings, sorted by length, and their lengths.

    All voxels nearer than the last step are included.
    """
    radius = max(spacing) * most
    while (
        math.prod(2 * int(radius // step) + 1 for step in spacing) > 4 * most
    ):  # a ball fills at least half of its box
        radius *= 0.9
    steps = steps_within(spacing, radius)
    lengths = lengths_of(steps, spacing)
    order = np.argsort(lengths, kind="stable")
    if len(order) > most:
        order = order[lengths[order] < lengths[order[most]]]
    return steps[order], lengths[order]


def steps_within(spacing: tuple[float, ...], radius: float) -> Index:
    """Steps from a voxel to all others within `radius`; shape (n, ndim)."""
    axes = [np.arange(-n, n + 1) for n in (int(radius / step) for step in spacing)]
    steps = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(spacing))
    lengths = lengths_of(steps, spacing)
    return steps[(lengths > 0) & (lengths <= radius)]


def lengths_of(steps: NDArray[Any], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Physical length of each step; shape (n, ndim) -> (n,). Mirrored steps get exactly the same length."""
    squares = np.zeros(len(steps))
    for axis, step in enumerate(spacing):
        squares += np.square(np.abs(steps[:, axis]) * step)
    return np.sqrt(squares)


class Coding:
    """Small codes for the groups of labels that are scored; 0 for everything else."""

    def __init__(self, groups: Collection[Collection[int]], *, present: Collection[int], ignored: int | None) -> None:
        self.ignored = ignored
        members = [(label, place) for place, group in enumerate(groups) for label in group]
        labels = [label for label, _ in members]
        self._unchanged = (
            len(labels) == len(groups) and set(labels) == set(present) - {0} and max(labels, default=0) < 256
        )
        self.of_group = labels if self._unchanged else list(range(1, len(groups) + 1))
        self.dtype = np.dtype(np.uint8) if self._unchanged else np.min_scalar_type(len(groups))
        pairs = sorted((label, self.of_group[place]) for label, place in members)
        self._labels = np.array([label for label, _ in pairs], np.uint64)
        self._codes = np.array([code for _, code in pairs], self.dtype)
        self.outside = self._codes[0] if labels and pairs[0][0] == 0 else self.dtype.type(0)
        self._table = np.zeros(1 << 16, self.dtype)
        small = self._labels < 1 << 16
        self._table[self._labels[small]] = self._codes[small]

    def encode(self, labels: Labels, *, reference: Labels) -> Labels:
        """Codes of `labels`; the ignored label in the prediction only is background."""
        if self._unchanged and labels.dtype == np.uint8:
            return labels
        if labels.dtype.itemsize <= 2:
            codes: Labels = self._table.take(labels)
        elif self._labels.size == 0:
            codes = np.zeros(labels.shape, self.dtype)
        else:
            place = np.minimum(np.searchsorted(self._labels, labels), self._labels.size - 1)
            codes = np.where(self._labels[place] == labels, self._codes[place], self.dtype.type(0))
        if self.ignored is not None and self.outside:
            codes[(labels == self.ignored) & (reference != self.ignored)] = self.outside
        return codes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Borders:
    """Border voxels of all codes of one map.

    Parameters
    ----------
    index
        Positions in the flat padded array, in increasing order; shape (n,).
    codes
        Codes of the border voxels; shape (n,).
    table
        The flat padded array: the code at border voxels, 0 elsewhere.
    exposed
        Whether each border voxel has a face neighbour without a code, or with that of the background; None if not
        requested.
    """

    index: Index
    codes: Labels
    table: Labels
    exposed: NDArray[np.bool_] | None = None

    @property
    def weights(self) -> None:
        """Weights of the points: None, as all are equal."""
        return None

    def hold(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        """Whether each position of `index` is a border voxel of the corresponding code."""
        found: NDArray[np.bool_] = self.table.take(index, mode="clip") == codes
        return found

    def only(self, kept: NDArray[np.bool_]) -> Borders:
        """The border voxels selected by a mask."""
        return placed(self.index[kept], self.codes[kept], size=self.table.size)


def placed(index: Index, codes: Labels, *, size: int) -> Borders:
    """Make border voxels with a table of `size` elements."""
    table = np.zeros(size, codes.dtype)
    table[index] = codes
    return Borders(index=index, codes=codes, table=table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The part of the image that contains labels, and the padded array for the search."""

    box: tuple[slice, ...]
    shape: tuple[int, ...]  # padded
    margin: tuple[int, ...]

    @classmethod
    def around(cls, prediction: Labels, reference: Labels, *, coding: Coding, steps: Index | None = None) -> Frame:
        """Make a frame from which none of `steps` leads outside.

        If the background is scored, the box also contains its border voxels and the steps around them; it is the whole
        image if no steps are given.
        """
        margin = (1,) * reference.ndim if steps is None else tuple(np.abs(steps).max(axis=0, initial=1).tolist())
        grown = reference.shape if steps is None else tuple(m + 1 for m in margin)
        box = tuple(
            slice(max(0, part.start - g), min(n, part.stop + g)) if coding.outside else part
            for part, n, g in zip(foreground_box(prediction, reference), reference.shape, grown, strict=True)
        )
        shape = tuple(part.stop - part.start + 2 * m for part, m in zip(box, margin, strict=True))
        return cls(box=box, shape=shape, margin=margin)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the padded array in elements, by axis."""
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def coordinates(self, index: Index) -> Index:
        """Array coordinates of flat indices; shape (n,) -> (n, ndim)."""
        return np.stack(np.unravel_index(index, self.shape), axis=-1)


def foreground_box(prediction: Labels, reference: Labels) -> tuple[slice, ...]:
    """The smallest box around all voxels that are not 0 in at least one map; empty if there are none."""
    ndim = reference.ndim
    first = np.zeros(reference.shape[0], bool)
    across = np.zeros(reference.shape[1:], np.result_type(prediction, reference))
    for part in slabs(reference.shape):
        either = prediction[part] | reference[part]
        np.any(either, axis=tuple(range(1, ndim)), out=first[part])
        across |= np.bitwise_or.reduce(either, axis=0)
    hits = [first, *(across.any(axis=tuple(a for a in range(ndim - 1) if a != axis)) for axis in range(ndim - 1))]
    found = [np.flatnonzero(hit) for hit in hits]
    return tuple(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 0) for hit in found)


def find_borders(labels: Labels, reference: Labels, *, coding: Coding, frame: Frame, exposure: bool = False) -> Borders:
    """Find the border voxels of all codes of one map.

    Parameters
    ----------
    labels, reference
        The map, and the reference with the ignored voxels.
    coding, frame
        The codes, and the padded array.
    exposure
        Whether to record which border voxels touch the background, so that codes can be merged later.
    """
    labels, reference = labels[frame.box], reference[frame.box]
    strides, across = frame.strides, frame.strides[0]
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin[1:], frame.shape[1:], strict=True))
    table = np.zeros(math.prod(frame.shape), coding.dtype)
    index, codes, exposed = [np.zeros(0, np.intp)], [np.zeros(0, coding.dtype)], [np.zeros(0, bool)]
    for part in slabs(labels.shape):
        low, high = max(part.start - 1, 0), min(part.stop + 1, len(labels))
        block = np.full((part.stop - part.start + 2, *frame.shape[1:]), coding.outside, coding.dtype)
        block[(slice(low - part.start + 1, high - part.start + 1), *inner)] = coding.encode(
            labels[low:high], reference=reference[low:high]
        )
        border = _differs_from_neighbours(block, strides)
        here = block[1:-1].ravel()
        border &= here != 0
        if coding.outside:  # outside the image is background, but there are no voxels
            inside = np.zeros((part.stop - part.start, *frame.shape[1:]), bool)
            inside[(slice(None), *inner)] = True
            border &= inside.ravel()
        found = np.flatnonzero(border)
        start = (part.start + frame.margin[0]) * across
        table[start : start + here.size][found] = here[found]
        index.append(found + start)
        codes.append(here[found])
        if exposure:
            around = (block.take(found + (across + step)) for stride in strides for step in (-stride, stride))
            exposed.append(np.logical_or.reduce([(code == 0) | (code == coding.outside) for code in around]))
    return Borders(
        index=np.concatenate(index),
        codes=np.concatenate(codes),
        table=table,
        exposed=np.concatenate(exposed) if exposure else None,
    )


def merged(borders: Borders, new: Labels, *, strides: tuple[int, ...]) -> Borders:
    """Borders of unions of codes.

    Parameters
    ----------
    borders
        All borders of the single codes, found with their exposure.
    new
        Code of the union for each code, 0 for none.
    strides
        Strides of the padded array.
    """
    if borders.exposed is None:
        raise ValueError("borders can be merged only if they were found with exposure=True")
    unions = new[borders.codes]
    kept = unions != 0
    index, unions, outer = borders.index[kept], unions[kept], borders.exposed[kept]
    for stride in strides:
        for step in (-stride, stride):
            # the table is 0 inside a label, where a neighbour has the same label as the voxel
            neighbour = borders.table.take(index + step)
            outer |= (neighbour != 0) & (new[neighbour] != unions)
    return placed(index[outer], unions[outer], size=borders.table.size)


def counted(borders: Borders, reference: Labels, *, coding: Coding, frame: Frame) -> Borders:
    """The borders without ignored voxels."""
    if coding.ignored is None:
        return borders
    kept = np.ones(frame.shape, bool)
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin, frame.shape, strict=True))
    kept[inner] = reference[frame.box] != coding.ignored
    return borders.only(kept.ravel()[borders.index])


def _differs_from_neighbours(block: Labels, strides: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each voxel, without the first and last slice, differs from a face neighbour; flat.

    The flat array is compared with itself, shifted by a stride. At the end of a row the margin follows.
    """
    flat, across = block.ravel(), strides[0]
    size = flat.size - 2 * across
    border = np.zeros(size, bool)
    for stride in strides:
        change = flat[across - stride : across + size] != flat[across : across + size + stride]
        border |= change[stride:]
        border |= change[:size]
    return border
