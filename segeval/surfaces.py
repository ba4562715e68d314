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
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.borders import Borders, Coding, Frame, Index, counted, find_borders, lengths_of, merged, steps_around
from segeval.labelmap import Labels

Key = TypeVar("Key", bound=Hashable)

UNKNOWN = np.iinfo(np.uint16).max

WALK_STEPS = 320  # of the walk, at most
NEAR_STEPS = 8  # of these, after which a label may be given up as lost
CHUNK = 1 << 15  # border voxels walked together, so that what they touch stays in the cache
LOST_SHARE = 0.6  # of a label's border voxels still waiting then: the other map has it elsewhere
FAR_STEPS = 1 << 14  # taken many at a time by the few that the walk leaves
FAR_LOOKS = 1 << 23
DIRECT_PAIRS = 1 << 22  # of border voxels in all, compared one with one; more of them ask a tree, but for small labels
FEW_PAIRS = 1 << 20  # below that no walk pays
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
        return float(below if below == above else below + (above - below) * (place - math.floor(place)))

    def cumulated_percentile(self, percent: float) -> float:
        """The smallest distance within which `percent` of the surface lies, or more; 100 gives the maximum."""
        ends = np.cumsum(self.weights)
        place = np.searchsorted(ends, ends[-1] * (percent / 100.0)) if percent < 100.0 else ends.size - 1
        return float(self.values[min(int(place), ends.size - 1)])


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """What both directions of the search share."""

    frame: Frame
    spacing: tuple[float, ...]
    lengths: NDArray[np.float64]  # of the walk's steps in increasing order, the first is 0
    strides: list[int]  # the same steps in the padded array

    def directed(self, source: Borders, target: Borders) -> dict[int, Distances]:
        """Distances from each code's border in `source` to its border in `target`."""
        codes = 1 + max(int(borders.codes.max(initial=0)) for borders in (source, target))
        in_source = np.bincount(source.codes, minlength=codes)
        in_target = np.bincount(target.codes, minlength=codes)
        level, lost, far = self._walk(source, target, in_source, in_target > 0)
        distance = np.full(source.index.size, math.nan)
        if in_target[source.codes[far]].sum() > FEW_PAIRS:
            far = self._try_many(far, distance, source, target)
        self._ask_all(np.concatenate([lost, far]), distance, source, target)
        return _by_code(source.codes, level, distance, self.lengths, in_source, in_target)

    def _walk(
        self, source: Borders, target: Borders, in_source: Index, searched: NDArray[np.bool_]
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

    def _try(self, steps: range, waiting: Index, level: NDArray[np.uint16], source: Borders, target: Borders) -> Index:
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

    def _try_many(self, waiting: Index, distance: NDArray[np.float64], source: Borders, target: Borders) -> Index:
        """Take many steps at a time from the few voxels `waiting`, note the first that meets the target."""
        steps, lengths = steps_around(self.spacing, FAR_STEPS)
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

    def _ask_all(self, waiting: Index, distance: NDArray[np.float64], source: Borders, target: Borders) -> None:
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


class Surfaces:
    """The surfaces of all labels of two maps: found once, asked for any disjoint groups of labels.

    Parameters
    ----------
    prediction, reference
        Labels of one shape, axes (z, y, x) or (y, x).
    labels
        Every label that a group may hold.
    present
        Every label of either map.
    spacing
        Distance between voxel centres along each array axis.
    ignored
        Voxels whose reference is this label have no surface in either map.
    merging
        Whether groups of several labels will be asked for.
    threads
        How many threads may work at once; the result is the same.
    """

    def __init__(
        self,
        *,
        prediction: Labels,
        reference: Labels,
        labels: Collection[int],
        present: Collection[int],
        spacing: tuple[float, ...],
        ignored: int | None = None,
        merging: bool = False,
        threads: int = 1,
    ) -> None:
        steps, lengths = steps_around(spacing, WALK_STEPS)
        coding = Coding([{label} for label in labels], present=present, ignored=ignored)
        frame = Frame.around(prediction, reference, steps=steps, coding=coding)
        self._search = _Search(
            frame=frame,
            spacing=spacing,
            lengths=np.concatenate([[0.0], lengths]),
            strides=[0, *(steps @ np.array(frame.strides)).tolist()],
        )
        self._code_of = dict(zip(labels, coding.of_group, strict=True))
        self._code_range = 256 if coding.dtype == np.uint8 else max(coding.of_group, default=0) + 1
        self._both = _two_at_once if threads > 1 and math.prod(frame.shape) > THREADED_VOXELS else _one_by_one
        self._counted = partial(counted, reference=reference, coding=coding, frame=frame)
        self._borders = self._both(
            lambda each: find_borders(each, reference, coding=coding, frame=frame, exposure=merging),
            [(prediction,), (reference,)],
        )

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances between the surfaces of each group of labels, both ways.

        Parameters
        ----------
        groups
            Key -> the labels whose union it is. No label may stand in two of them.

        Returns
        -------
        dict
            Key -> distances from the prediction's surface to the reference's, and the reverse. Without values where a
            surface is empty; one ``inf`` where the other is.
        """
        if all(len(members) == 1 for members in groups.values()):
            codes = [self._code_of[label] for members in groups.values() for label in members]
            borders = self._with_codes(codes)
        else:
            codes = list(range(1, len(groups) + 1))
            borders = self._merged(dict(zip(codes, groups.values(), strict=True)))
        of_prediction, of_reference = self._both(self._counted, [(each,) for each in borders])
        to_reference, to_prediction = self._both(
            self._search.directed, [(of_prediction, of_reference), (of_reference, of_prediction)]
        )
        return {
            key: (to_reference.get(code, NOTHING), to_prediction.get(code, NOTHING))
            for key, code in zip(groups, codes, strict=True)
        }

    def _with_codes(self, codes: list[int]) -> list[Borders]:
        """The borders of these codes alone."""
        if len(codes) == len(self._code_of):
            return self._borders
        asked = np.zeros(self._code_range, bool)
        asked[codes] = True
        return [borders.only(asked[borders.codes]) for borders in self._borders]

    def _merged(self, unions: Mapping[int, Collection[int]]) -> list[Borders]:
        """The borders of unions of labels, by their codes."""
        new = np.zeros(self._code_range, np.min_scalar_type(len(unions) + 1))
        for code, labels in unions.items():
            new[[self._code_of[label] for label in labels]] = code
        strides = self._search.frame.strides
        return self._both(lambda borders: merged(borders, new, strides=strides), [(each,) for each in self._borders])


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
    """Distances between the surfaces of every group of labels, both ways, in one go; see `Surfaces`."""
    surfaces = Surfaces(
        prediction=prediction,
        reference=reference,
        labels=[label for members in groups.values() for label in members],
        present=present,
        spacing=spacing,
        ignored=ignored,
        merging=any(len(members) != 1 for members in groups.values()),
        threads=threads,
    )
    return surfaces.distances(groups)


def _one_by_one(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    return [work(*each) for each in arguments]


def _two_at_once(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor  # deferred: small pairs of maps have one thread

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
