"""Search the nearest point on the surface of the same label in the other map, for all labels together.

Most border voxels have a partner within a few voxels, so the offsets around a voxel are tried in order of their length
until one hits. This walk is exact, and its time does not depend on the number of labels or on the spacing. Voxels that
are left over are compared with all border voxels of their label: directly if there are few, else with a k-d tree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.surfaces.borders import Frame, Index, lengths_of, steps_around
from segeval.evidence.surfaces.distances import Distances
from segeval.maps.label_map import Labels

UNKNOWN = np.iinfo(np.uint16).max

WALK_STEPS = 320  # largest number of steps of the walk
NEAR_STEPS = 8  # steps after which a label may be given up as lost
CHUNK = 1 << 15  # border voxels at a time, for the cache
LOST_SHARE = 0.6  # a label is lost if a larger share of its border voxels is still waiting
FAR_STEPS = 1 << 14  # further steps for the few voxels that are left over
FAR_LOOKS = 1 << 23
DIRECT_PAIRS = 1 << 22  # pairs of border voxels to compare directly; with more, large labels use a tree
FEW_PAIRS = 1 << 20  # with fewer pairs further steps do not pay
DIRECT_PAIRS_OF_LABEL = 1 << 17
PAIRS_AT_ONCE = 1 << 17
DENSE_KEYS = 1 << 22
THREADED_VOXELS = 1 << 22  # with fewer voxels a second thread does not pay


class SurfacePoints(Protocol):
    """Points of the surfaces of all codes of one map."""

    @property
    def index(self) -> Index:
        """Positions in the flat padded array; shape (n,)."""

    @property
    def codes(self) -> Labels:
        """Codes of the points; shape (n,)."""

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Amount of surface for each point; None if all are 1."""

    def hold(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        """Whether each position of `index` is a point of the corresponding code."""

    def only(self, kept: NDArray[np.bool_]) -> Self:
        """The points selected by a mask."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """Data for the search in both directions."""

    frame: Frame
    spacing: tuple[float, ...]
    lengths: NDArray[np.float64]  # lengths of the steps in increasing order, the first is 0
    strides: list[int]  # the same steps in the padded array

    @classmethod
    def of(cls, spacing: tuple[float, ...], framed: Callable[[Index], Frame]) -> Self:
        """Make a search in the frame of `framed`, padded so that no step of the walk leaves it."""
        steps, lengths = steps_around(spacing, WALK_STEPS)
        frame = framed(steps)
        strides = (steps @ np.array(frame.strides)).tolist()
        return cls(frame=frame, spacing=spacing, lengths=np.concatenate([[0.0], lengths]), strides=[0, *strides])

    def directed(self, source: SurfacePoints, target: SurfacePoints) -> dict[int, Distances]:
        """Distances from the border of each code in `source` to its border in `target`."""
        codes = 1 + max(int(found.codes.max(initial=0)) for found in (source, target))
        in_source = np.bincount(source.codes, minlength=codes)
        in_target = np.bincount(target.codes, minlength=codes)
        level, lost, far = self._walk(source, target, in_source, in_target > 0)
        distance = np.full(source.index.size, math.nan)
        if in_target[source.codes[far]].sum() > FEW_PAIRS:
            far = self._try_many(far, distance, source, target)
        self._compare_all(np.concatenate([lost, far]), distance, source, target)
        return _by_code(source, level, distance, self.lengths, in_target)

    def _walk(
        self, source: SurfacePoints, target: SurfacePoints, in_source: Index, searched: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint16], Index, Index]:
        """First step that meets the target, for each border voxel; voxels of lost labels; voxels without a hit."""
        level = np.full(source.index.size, UNKNOWN, np.uint16)
        near, rest = range(min(NEAR_STEPS, len(self.strides))), range(NEAR_STEPS, len(self.strides))
        left: list[Index] = [np.zeros(0, np.intp)]
        for start in range(0, source.index.size, CHUNK):
            waiting = np.flatnonzero(searched[source.codes[start : start + CHUNK]]) + start
            left.append(self._try(near, waiting, level, source, target))
        waiting = np.concatenate(left)
        # if most of a label is still waiting, it is elsewhere in the other map, and walking on is useless
        elsewhere = np.bincount(source.codes[waiting], minlength=in_source.size) > in_source * LOST_SHARE
        lost = elsewhere[source.codes[waiting]]
        going_on = waiting[~lost]
        far = [
            self._try(rest, going_on[start : start + CHUNK], level, source, target)
            for start in range(0, going_on.size, CHUNK)
        ]
        return level, waiting[lost], np.concatenate([np.zeros(0, np.intp), *far])

    def _try(
        self, steps: range, waiting: Index, level: NDArray[np.uint16], source: SurfacePoints, target: SurfacePoints
    ) -> Index:
        """Try `steps` from the `waiting` voxels, record the first hit, and return the voxels still waiting."""
        index, codes = source.index[waiting], source.codes[waiting]
        for step in steps:
            if not waiting.size:
                break
            hit = target.hold(index + self.strides[step], codes)
            found = np.flatnonzero(hit)
            if found.size:
                level[waiting[found]] = step
                rest = np.flatnonzero(~hit)
                waiting, index, codes = waiting[rest], index[rest], codes[rest]
        return waiting

    def _try_many(
        self, waiting: Index, distance: NDArray[np.float64], source: SurfacePoints, target: SurfacePoints
    ) -> Index:
        """Try many steps at a time from the few `waiting` voxels, and record the first hit."""
        steps, lengths = steps_around(self.spacing, FAR_STEPS)
        strides = steps @ np.array(self.frame.strides)
        place, codes = self.frame.coordinates(source.index[waiting]), source.codes[waiting]
        start, looks = len(self.lengths) - 1, 0
        while waiting.size and start < len(steps) and looks < FAR_LOOKS:
            part = slice(start, start + max(16, PAIRS_AT_ONCE // waiting.size))
            to = place[:, None] + steps[part]
            inside = ((to >= 0) & (to < self.frame.shape)).all(axis=-1)
            index = source.index[waiting][:, None] + strides[part]
            hit = inside & target.hold(index, np.broadcast_to(codes[:, None], index.shape))
            found = hit.any(axis=1)
            distance[waiting[found]] = lengths[start + hit[found].argmax(axis=1)]
            waiting, place, codes = waiting[~found], place[~found], codes[~found]
            start, looks = part.stop, looks + hit.size
        return waiting

    def _compare_all(
        self, waiting: Index, distance: NDArray[np.float64], source: SurfacePoints, target: SurfacePoints
    ) -> None:
        """Record the distances of the `waiting` voxels to all border voxels of their labels."""
        if not waiting.size:
            return
        ordered = waiting[np.argsort(source.codes[waiting], kind="stable")]
        targets = np.argsort(target.codes, kind="stable")
        codes = target.codes[targets]
        parts = _runs_of_equal(source.codes[ordered])
        heads = source.codes[ordered[[part.start for part in parts]]]
        among = list(zip(np.searchsorted(codes, heads, "left"), np.searchsorted(codes, heads, "right"), strict=True))
        pairs = [(part.stop - part.start) * int(stop - start) for part, (start, stop) in zip(parts, among, strict=True)]
        few = sum(pairs) <= DIRECT_PAIRS
        for part, (start, stop), each in zip(parts, among, pairs, strict=True):
            nearest = _nearest_directly if few or each <= DIRECT_PAIRS_OF_LABEL else _nearest_by_tree
            distance[ordered[part]] = nearest(
                self.frame.coordinates(source.index[ordered[part]]),
                self.frame.coordinates(target.index[targets[start:stop]]),
                self.spacing,
            )


def _runs_of_equal(ordered: NDArray[Any]) -> list[slice]:
    """Slices of a sorted array in which the value does not change."""
    ends = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), ordered.size] if ordered.size else [0]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _by_code(
    source: SurfacePoints,
    level: NDArray[np.uint16],
    distance: NDArray[np.float64],
    lengths: NDArray[np.float64],
    in_target: Index,
) -> dict[int, Distances]:
    """Distinct distances of each code, with the amount of surface at each."""
    codes, width = source.codes, len(lengths)
    whole = np.bincount(codes, source.weights, minlength=in_target.size)
    walked = level != UNKNOWN
    keys, amounts = _count(
        codes[walked].astype(np.intp) * width + level[walked], _weights_at(source.weights, walked), whole.size * width
    )
    owner, step = np.divmod(keys, width)
    begins = np.searchsorted(owner, np.arange(whole.size + 1))
    far = np.flatnonzero(~np.isnan(distance))
    far = far[np.argsort(codes[far], kind="stable")]
    further = {int(codes[far[part.start]]): far[part] for part in _runs_of_equal(codes[far])}
    found: dict[int, Distances] = {}
    for code in np.flatnonzero(whole).tolist():
        if not in_target[code]:
            found[code] = Distances(values=np.array([math.inf]), weights=np.array([float(whole[code])]))
            continue
        part = slice(begins[code], begins[code + 1])
        values, weights = lengths[step[part]], amounts[part].astype(np.float64)
        if code in further:
            beyond, places = np.unique(distance[further[code]], return_inverse=True)
            extra = np.bincount(places, _weights_at(source.weights, further[code]))
            values, weights = np.concatenate([values, beyond]), np.concatenate([weights, extra])
        found[code] = Distances(values=values, weights=weights)
    return found


def _weights_at(weights: NDArray[np.float64] | None, places: NDArray[Any]) -> NDArray[np.float64] | None:
    return None if weights is None else weights[places]


def _count(keys: Index, weights: NDArray[np.float64] | None, size: int) -> tuple[Index, NDArray[Any]]:
    """Distinct keys in increasing order, with their counts or sums of weights."""
    if size > DENSE_KEYS:
        distinct, places = np.unique(keys, return_inverse=True)
        return distinct, np.bincount(places, weights)
    amounts = np.bincount(keys, weights)
    distinct = np.flatnonzero(amounts)
    return distinct, amounts[distinct]


def _nearest_directly(points: Index, targets: Index, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Distance from each point to the nearest target, over all pairs; coordinates (m, ndim) and (n, ndim) -> (m,)."""
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
    """The same with a k-d tree."""
    from scipy.spatial import cKDTree  # deferred: slow to import, and few pairs of maps need it

    scale = np.array(spacing)
    tree = cKDTree(targets * scale, leafsize=64, balanced_tree=False, compact_nodes=False)
    _, found = tree.query(points * scale)
    return lengths_of(points - targets[found], spacing)


def for_both(threads: int, voxels: int) -> Callable[..., list[Any]]:
    """Choose how to process both maps or directions: in two threads if that pays."""
    return two_at_once if threads > 1 and voxels > THREADED_VOXELS else one_by_one


def one_by_one(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Call a function for each tuple of arguments, one after another."""
    return [work(*each) for each in arguments]


def two_at_once(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Call a function for two tuples of arguments, in two threads."""
    from concurrent.futures import ThreadPoolExecutor  # deferred: small maps use one thread

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
