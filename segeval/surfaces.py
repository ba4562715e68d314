"""Surface distances of every label in one pass: the evidence behind every metric with a length in it.

The surface of a label is the set of its border voxels: those with a face neighbour (4 in 2-D, 6 in 3-D) of another
label. Outside the image is background. Each distance runs from the centre of a border voxel to the nearest border
voxel of the same label in the other map.

All labels are searched together. Most border voxels have a partner within a few voxels, so the offsets around a voxel
are walked in order of their length until one hits: exact, because nothing nearer was missed, and indifferent to the
number of labels and to the spacing. What the walk leaves over asks all border voxels of its label, directly where
they are few and through a k-d tree where they are many. Distances are kept as distinct values with the share of the
surface that lies at each, so that a metric costs next to nothing. This module is the home of scipy.spatial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.labelmap import Labels, slabs

Index = NDArray[np.intp]
Key = TypeVar("Key", bound=Hashable)

UNKNOWN = np.iinfo(np.uint16).max

WALK_STEPS = 320  # of the walk, at most
NEAR_STEPS = 8  # of these, after which a label may be given up as lost
CHUNK = 1 << 15  # border voxels walked together, so that what they touch stays in the cache
LOST_SHARE = 0.6  # of a label's border voxels still waiting then: the other map has it elsewhere
FAR_STEPS = 1 << 14  # taken many at a time by the few that the walk leaves
FAR_LOOKS = 1 << 23
DIRECT_PAIRS = 1 << 22  # of border voxels in all, compared one with one; more of them ask a tree, but for small labels
DIRECT_PAIRS_OF_LABEL = 1 << 17
PAIRS_AT_ONCE = 1 << 17
DENSE_KEYS = 1 << 22
THREADED_VOXELS = 1 << 22  # below that, a second thread costs more than it saves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """How far one surface lies from the other.

    Parameters
    ----------
    values
        The distinct distances in increasing order, in the unit of the grid; shape (n,). One ``inf`` where the other
        surface is empty.
    weights
        How much of the surface lies at each: border voxels for the voxel surface; shape (n,).
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def total(self) -> float:
        """The whole surface: number of border voxels, or its area."""
        return float(self.weights.sum())

    def sum(self) -> float:
        """Sum of all distances, each by its weight."""
        return float(self.values @ self.weights) if self.values.size else 0.0

    def within(self, tolerance: float) -> float:
        """How much of the surface lies at most `tolerance` away."""
        return float(self.weights[: np.searchsorted(self.values, tolerance, side="right")].sum())

    def percentile(self, percent: float) -> float:
        """The percentile of the distances, linear between neighbours as `numpy.percentile` has it."""
        ends = np.cumsum(self.weights)
        place = (ends[-1] - 1.0) * percent / 100.0
        below, above = (
            self.values[np.searchsorted(ends, step, side="right")] for step in (math.floor(place), math.ceil(place))
        )
        return float(below + (above - below) * (place - math.floor(place)))


NOTHING = Distances(values=np.zeros(0), weights=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurfaceDistances:
    """Both surfaces of one label.

    Parameters
    ----------
    to_reference
        From the prediction's surface to the reference's.
    to_prediction
        From the reference's surface to the prediction's.
    penalty
        The distance that stands for a surface that exists against one that does not.
    slack
        What rounding may add to a distance that equals a tolerance.
    """

    to_reference: Distances
    to_prediction: Distances
    penalty: float = math.inf
    slack: float = 0.0

    @property
    def prediction_empty(self) -> bool:
        """Whether the prediction has no surface."""
        return self.to_reference.values.size == 0

    @property
    def reference_empty(self) -> bool:
        """Whether the reference has no surface."""
        return self.to_prediction.values.size == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    """Voxels in the rims of one label's two masks.

    Parameters
    ----------
    prediction, reference, both
        Voxels in the prediction's rim, in the reference's, in both at once.
    """

    prediction: int
    reference: int
    both: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bands:
    """The inner rims of one label's two masks, of any width.

    Parameters
    ----------
    measure
        From a width in the unit of the grid to the voxels within it of a border voxel of the same mask.
    """

    measure: Callable[[float], Rims]

    def within(self, width: float) -> Rims:
        """The rims of that width."""
        return self.measure(width)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Borders:
    """Border voxels of all labels of one map."""

    index: Index  # where each stands in the flat `table`, in increasing order
    codes: Labels  # of each
    table: Labels  # flat, a margin wide on every side: the code at border voxels, 0 elsewhere


@lru_cache(maxsize=8)
def _steps_around(spacing: tuple[float, ...], most: int) -> tuple[Index, NDArray[np.float64]]:
    """At most `most` steps from a voxel to those around it, in order of length, and their lengths.

    No voxel nearer than the last step is left out.
    """
    radius = max(spacing) * most
    while math.prod(2 * int(radius // step) + 1 for step in spacing) > 4 * most:  # a ball fills half of its box or more
        radius *= 0.9
    steps = _steps_within(spacing, radius)
    lengths = lengths_of(steps, spacing)
    order = np.argsort(lengths, kind="stable")
    if len(order) > most:
        order = order[lengths[order] < lengths[order[most]]]
    return steps[order], lengths[order]


def _steps_within(spacing: tuple[float, ...], radius: float) -> Index:
    """The steps from a voxel to those within `radius` of it, itself left out; shape (n, ndim)."""
    axes = [np.arange(-n, n + 1) for n in (int(radius / step) for step in spacing)]
    steps = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(spacing))
    lengths = lengths_of(steps, spacing)
    return steps[(lengths > 0) & (lengths <= radius)]


def lengths_of(steps: NDArray[Any], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Physical length of each step; shape (n, ndim) -> (n,). Mirrored steps get the same bits."""
    squares = np.zeros(len(steps))
    for axis, step in enumerate(spacing):
        squares += np.square(np.abs(steps[:, axis]) * step)
    return np.sqrt(squares)


class _Coding:
    """A small number for each group of labels that is scored; 0 for everything else."""

    def __init__(self, groups: Collection[Collection[int]], *, present: Collection[int], ignored: int | None) -> None:
        self.ignored = ignored
        members = [(label, place) for place, group in enumerate(groups) for label in group]
        labels = [label for label, _ in members]
        self._unchanged = (
            len(labels) == len(groups) and set(labels) == set(present) - {0} and max(labels, default=0) < 255
        )
        self.of_group = labels if self._unchanged else list(range(1, len(groups) + 1))
        # the largest value of the type stays free: it marks the voxels that have been found
        self.dtype = np.dtype(np.uint8) if self._unchanged else np.min_scalar_type(len(groups) + 1)
        pairs = sorted((label, self.of_group[place]) for label, place in members)
        self._labels = np.array([label for label, _ in pairs], np.uint64)
        self._codes = np.array([code for _, code in pairs], self.dtype)
        self.outside = self._codes[0] if labels and pairs[0][0] == 0 else self.dtype.type(0)
        self._table = np.zeros(1 << 16, self.dtype)
        small = self._labels < 1 << 16
        self._table[self._labels[small]] = self._codes[small]

    def encode(self, labels: Labels, *, reference: Labels) -> Labels:
        """Codes of `labels`; where only the prediction has the ignored label it is background."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The part of the image that holds labels, and the padded array that it is searched in."""

    box: tuple[slice, ...]
    shape: tuple[int, ...]  # padded
    margin: tuple[int, ...]

    @classmethod
    def around(cls, prediction: Labels, reference: Labels, *, steps: Index, coding: _Coding) -> _Frame:
        """A frame that no `steps` from a voxel of the box lead out of.

        Where the background is scored, the box holds its border voxels and what lies within the steps of them.
        """
        margin = tuple(np.abs(steps).max(axis=0, initial=1).tolist())
        box = tuple(
            slice(max(0, part.start - 1 - m), min(n, part.stop + 1 + m)) if coding.outside else part
            for part, n, m in zip(foreground_box(prediction, reference), reference.shape, margin, strict=True)
        )
        shape = tuple(part.stop - part.start + 2 * m for part, m in zip(box, margin, strict=True))
        return cls(box=box, shape=shape, margin=margin)

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements from one voxel to the next along each axis of the padded array."""
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def coordinates(self, index: Index) -> Index:
        """Array coordinates of flat indices; shape (n,) -> (n, ndim)."""
        return np.stack(np.unravel_index(index, self.shape), axis=-1)


def foreground_box(prediction: Labels, reference: Labels) -> tuple[slice, ...]:
    """The smallest box that holds every voxel that is not 0 in either map; empty where there is none."""
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


def _find_borders(labels: Labels, reference: Labels, *, coding: _Coding, frame: _Frame) -> _Borders:
    """Border voxels of every group of one map, slab by slab, each temporary small enough for the cache."""
    labels, reference = labels[frame.box], reference[frame.box]
    strides, across = frame.strides, frame.strides[0]
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin[1:], frame.shape[1:], strict=True))
    table = np.zeros(math.prod(frame.shape), coding.dtype)
    index: list[Index] = []
    codes: list[Labels] = []
    for part in slabs(labels.shape):
        low, high = max(part.start - 1, 0), min(part.stop + 1, len(labels))
        block = np.full((part.stop - part.start + 2, *frame.shape[1:]), coding.outside, coding.dtype)
        block[(slice(low - part.start + 1, high - part.start + 1), *inner)] = coding.encode(
            labels[low:high], reference=reference[low:high]
        )
        border = _differs_from_neighbours(block, strides)
        here = block[1:-1].ravel()
        border &= here != 0
        if coding.outside or coding.ignored is not None:
            counted = np.zeros((part.stop - part.start, *frame.shape[1:]), bool)
            counted[(slice(None), *inner)] = True if coding.ignored is None else reference[part] != coding.ignored
            border &= counted.ravel()
        found = np.flatnonzero(border)
        codes.append(here[found])
        start = (part.start + frame.margin[0]) * across
        table[start : start + here.size][found] = codes[-1]
        index.append(found + start)
    if not index:
        return _Borders(index=np.zeros(0, np.intp), codes=np.zeros(0, coding.dtype), table=table)
    return _Borders(index=np.concatenate(index), codes=np.concatenate(codes), table=table)


def _differs_from_neighbours(block: Labels, strides: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each voxel of all but the first and last slice differs from a face neighbour; flat.

    The flat array is compared with itself a stride further on. Past the end of a row that meets the margin.
    """
    flat, across = block.ravel(), strides[0]
    size = flat.size - 2 * across
    border = np.zeros(size, bool)
    for stride in strides:
        change = flat[across - stride : across + size] != flat[across : across + size + stride]
        border |= change[stride:]
        border |= change[:size]
    return border


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """What both directions of the search share."""

    frame: _Frame
    spacing: tuple[float, ...]
    lengths: NDArray[np.float64]  # of the walk's steps in increasing order, the first is 0
    strides: list[int]  # the same steps in the padded array

    def directed(self, source: _Borders, target: _Borders) -> dict[int, Distances]:
        """Distances from each code's border in `source` to its border in `target`."""
        codes = np.iinfo(source.codes.dtype).max + 1 if source.codes.dtype == np.uint8 else _top(source, target)
        in_source = np.bincount(source.codes, minlength=codes)
        in_target = np.bincount(target.codes, minlength=codes)
        level, lost, far = self._walk(source, target, in_source, in_target > 0)
        distance = np.full(source.index.size, math.nan)
        if far.size:
            far = self._try_many(far, distance, source, target)
        self._ask_all(np.concatenate([lost, far]), distance, source, target)
        return _by_code(source.codes, level, distance, self.lengths, in_source, in_target)

    def _walk(
        self, source: _Borders, target: _Borders, in_source: Index, searched: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint16], Index, Index]:
        """The step that first meets the target, for each border voxel; the voxels of lost labels; those none meets."""
        level = np.full(source.index.size, UNKNOWN, np.uint16)
        near, rest = range(min(NEAR_STEPS, len(self.strides))), range(NEAR_STEPS, len(self.strides))
        left: list[Index] = [np.zeros(0, np.intp)]
        for start in range(0, source.index.size, CHUNK):
            waiting = np.flatnonzero(searched[source.codes[start : start + CHUNK]]) + start
            left.append(self._try(near, waiting, level, source, target))
        waiting = np.concatenate(left)
        # where most of a label is still waiting the other map has it elsewhere: to walk on would be in vain
        elsewhere = np.bincount(source.codes[waiting], minlength=in_source.size) > in_source * LOST_SHARE
        lost = elsewhere[source.codes[waiting]]
        going_on = waiting[~lost]
        far = [
            self._try(rest, going_on[start : start + CHUNK], level, source, target)
            for start in range(0, going_on.size, CHUNK)
        ]
        return level, waiting[lost], np.concatenate([np.zeros(0, np.intp), *far])

    def _try(
        self, steps: range, waiting: Index, level: NDArray[np.uint16], source: _Borders, target: _Borders
    ) -> Index:
        """Take `steps` from each voxel `waiting`, note the first that meets the target; return those still waiting."""
        index, codes = source.index[waiting], source.codes[waiting]
        for step in steps:
            if not waiting.size:
                break
            hit = target.table.take(index + self.strides[step], mode="clip") == codes
            found = np.flatnonzero(hit)
            if found.size:
                level[waiting[found]] = step
                rest = np.flatnonzero(~hit)
                waiting, index, codes = waiting[rest], index[rest], codes[rest]
        return waiting

    def _try_many(self, waiting: Index, distance: NDArray[np.float64], source: _Borders, target: _Borders) -> Index:
        """Take many steps at a time from the few voxels `waiting`, note the first that meets the target."""
        steps, lengths = _steps_around(self.spacing, FAR_STEPS)
        strides = steps @ np.array(self.frame.strides)
        place, codes = self.frame.coordinates(source.index[waiting]), source.codes[waiting]
        start, looks = len(self.lengths) - 1, 0
        while waiting.size and start < len(steps) and looks < FAR_LOOKS:
            part = slice(start, start + max(16, PAIRS_AT_ONCE // waiting.size))
            to = place[:, None] + steps[part]
            inside = ((to >= 0) & (to < self.frame.shape)).all(axis=-1)
            index = source.index[waiting][:, None] + strides[part]
            hit = inside & (target.table.take(index, mode="clip") == codes[:, None])
            found = hit.any(axis=1)
            distance[waiting[found]] = lengths[start + hit[found].argmax(axis=1)]
            waiting, place, codes = waiting[~found], place[~found], codes[~found]
            start, looks = part.stop, looks + hit.size
        return waiting

    def _ask_all(self, waiting: Index, distance: NDArray[np.float64], source: _Borders, target: _Borders) -> None:
        """Note the distances of the voxels `waiting` from all border voxels of their labels."""
        if not waiting.size:
            return
        asking = waiting[np.argsort(source.codes[waiting], kind="stable")]
        asked = np.argsort(target.codes, kind="stable")
        codes = target.codes[asked]
        parts = _stretches(source.codes[asking])
        heads = source.codes[asking[[part.start for part in parts]]]
        among = list(zip(np.searchsorted(codes, heads, "left"), np.searchsorted(codes, heads, "right"), strict=True))
        pairs = [(part.stop - part.start) * int(stop - start) for part, (start, stop) in zip(parts, among, strict=True)]
        few = sum(pairs) <= DIRECT_PAIRS
        for part, (start, stop), each in zip(parts, among, pairs, strict=True):
            ask = _nearest_directly if few or each <= DIRECT_PAIRS_OF_LABEL else _nearest_by_tree
            distance[asking[part]] = ask(
                self.frame.coordinates(source.index[asking[part]]),
                self.frame.coordinates(target.index[asked[start:stop]]),
                self.spacing,
            )


def _top(*borders: _Borders) -> int:
    return 1 + max(int(border.codes.max(initial=0)) for border in borders)


def _stretches(ordered: NDArray[Any]) -> list[slice]:
    """Slices over which a sorted array does not change."""
    ends = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), ordered.size] if ordered.size else [0]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _by_code(
    codes: Labels,
    level: NDArray[np.uint16],
    distance: NDArray[np.float64],
    lengths: NDArray[np.float64],
    in_source: Index,
    in_target: Index,
) -> dict[int, Distances]:
    """The distinct distances of each code, with how many voxels lie at each."""
    width = len(lengths)
    walked = level != UNKNOWN
    keys, voxels = _count(codes[walked].astype(np.intp) * width + level[walked], in_source.size * width)
    owner, step = np.divmod(keys, width)
    begins = np.searchsorted(owner, np.arange(in_source.size + 1))
    far = np.flatnonzero(~np.isnan(distance))
    far = far[np.argsort(codes[far], kind="stable")]
    further = {int(codes[far[part.start]]): distance[far[part]] for part in _stretches(codes[far])}
    found: dict[int, Distances] = {}
    for code in np.flatnonzero(in_source).tolist():
        if not in_target[code]:
            found[code] = Distances(values=np.array([math.inf]), weights=np.array([float(in_source[code])]))
            continue
        part = slice(begins[code], begins[code + 1])
        values, weights = lengths[step[part]], voxels[part].astype(np.float64)
        if code in further:
            beyond, counts = np.unique(further[code], return_counts=True)
            values, weights = np.concatenate([values, beyond]), np.concatenate([weights, counts])
        found[code] = Distances(values=values, weights=weights)
    return found


def _count(keys: Index, size: int) -> tuple[Index, Index]:
    """The distinct keys in increasing order and how often each occurs."""
    if size > DENSE_KEYS:
        distinct, counts = np.unique(keys, return_counts=True)
        return distinct, counts
    counts = np.bincount(keys, minlength=1)
    distinct = np.flatnonzero(counts)
    return distinct, counts[distinct]


def _nearest_directly(points: Index, targets: Index, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Distance from each point to the nearest target, from all pairs; coordinates (m, ndim) and (n, ndim) -> (m,)."""
    best = np.empty(len(points))
    rows = max(1, PAIRS_AT_ONCE // len(targets))
    for start in range(0, len(points), rows):
        part = slice(start, start + rows)
        squares = np.zeros((len(points[part]), len(targets)))
        for axis, step in enumerate(spacing):
            squares += np.square(np.abs(points[part, None, axis] - targets[None, :, axis]) * step)
        best[part] = squares.min(axis=1)
    return np.sqrt(best)


def _nearest_by_tree(points: Index, targets: Index, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """The same through a k-d tree."""
    from scipy.spatial import cKDTree  # deferred: few pairs of maps need it, and it takes longer than to score one

    scale = np.array(spacing)
    tree = cKDTree(targets * scale, leafsize=64, balanced_tree=False, compact_nodes=False)
    _, found = tree.query(points * scale)
    return lengths_of(points - targets[found], spacing)


def surface_distances(
    *,
    prediction: Labels,
    reference: Labels,
    groups: Mapping[Key, Collection[int]],
    present: Collection[int],
    spacing: tuple[float, ...],
    ignored: int | None = None,
    threads: int = 1,
) -> dict[Key, tuple[Distances, Distances]]:
    """Distances between the surfaces of every group of labels, both ways.

    Parameters
    ----------
    prediction, reference
        Labels of one shape, axes (z, y, x) or (y, x).
    groups
        What is scored: key -> the labels whose union it is. No label may stand in two groups.
    present
        Every label of either map.
    spacing
        Distance between voxel centres along each array axis.
    ignored
        Voxels whose reference is this label have no surface in either map.
    threads
        How many threads may work at once; the result is the same.

    Returns
    -------
    dict
        Key -> distances from the prediction's surface to the reference's, and the reverse. Without values where a
        surface is empty; one ``inf`` where the other is.
    """
    steps, lengths = _steps_around(spacing, WALK_STEPS)
    coding = _Coding(list(groups.values()), present=present, ignored=ignored)
    frame = _Frame.around(prediction, reference, steps=steps, coding=coding)
    search = _Search(
        frame=frame,
        spacing=spacing,
        lengths=np.concatenate([[0.0], lengths]),
        strides=[0, *(steps @ np.array(frame.strides)).tolist()],
    )
    both = _two_at_once if threads > 1 and math.prod(frame.shape) > THREADED_VOXELS else _one_by_one
    of_prediction, of_reference = both(
        lambda labels: _find_borders(labels, reference, coding=coding, frame=frame), [(prediction,), (reference,)]
    )
    to_reference, to_prediction = both(search.directed, [(of_prediction, of_reference), (of_reference, of_prediction)])
    return {
        key: (to_reference.get(code, NOTHING), to_prediction.get(code, NOTHING))
        for key, code in zip(groups, coding.of_group, strict=True)
    }


def rims(
    *,
    prediction: Labels,
    reference: Labels,
    groups: Mapping[Key, Collection[int]],
    present: Collection[int],
    spacing: tuple[float, ...],
    width: float,
    ignored: int | None = None,
) -> dict[Key, Rims]:
    """Voxels of every group that lie within `width` of a border voxel of the same mask.

    The time grows with the number of voxels in a ball of radius `width`. See `surface_distances` for the other
    parameters.
    """
    steps = _steps_within(spacing, width)
    coding = _Coding(list(groups.values()), present=present, ignored=ignored)
    frame = _Frame.around(prediction, reference, steps=steps, coding=coding)
    strides = (steps @ np.array(frame.strides)).tolist()
    of_prediction, of_reference = (
        _rim(labels, reference, strides=strides, coding=coding, frame=frame) for labels in (prediction, reference)
    )
    both = np.where(of_prediction == of_reference, of_prediction, 0)
    codes = int(max(coding.of_group, default=0)) + 1
    voxels = [np.bincount(each.ravel(), minlength=codes).tolist() for each in (of_prediction, of_reference, both)]
    return {
        key: Rims(prediction=voxels[0][code], reference=voxels[1][code], both=voxels[2][code])
        for key, code in zip(groups, coding.of_group, strict=True)
    }


def _rim(labels: Labels, reference: Labels, *, strides: list[int], coding: _Coding, frame: _Frame) -> Labels:
    """The codes of the voxels that a border voxel of the same code reaches by one of `strides`; 0 elsewhere."""
    borders = _find_borders(labels, reference, coding=coding, frame=frame)
    whole = np.zeros(frame.shape, coding.dtype)
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin, frame.shape, strict=True))
    whole[inner] = coding.encode(labels[frame.box], reference=reference[frame.box])
    if coding.ignored is not None:
        whole[inner][reference[frame.box] == coding.ignored] = 0
    flat, rim = whole.ravel(), borders.table
    for start in range(0, borders.index.size, CHUNK):
        index, codes = borders.index[start : start + CHUNK], borders.codes[start : start + CHUNK]
        for stride in strides:
            reached = np.flatnonzero(flat.take(index + stride) == codes)
            rim[index[reached] + stride] = codes[reached]
    return rim


def _one_by_one(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    return [work(*each) for each in arguments]


def _two_at_once(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
