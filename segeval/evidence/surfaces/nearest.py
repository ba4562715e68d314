"""The search for the nearest point of the same label's surface in the other map, for all labels together.

Most border voxels have a partner within a few voxels, so the offsets around a voxel are walked in order of their length
until one hits: exact, because nothing nearer was missed, and indifferent to the number of labels and to the spacing.
What the walk leaves over is compared with all border voxels of its label, directly where they are few and through a k-d
tree where they are many. This module is the home of scipy.spatial.
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


class SurfacePoints(Protocol):
    """The points of the surfaces of all codes of one map."""

    @property
    def index(self) -> Index:
        """Where each stands in the flat padded array; shape (n,)."""

    @property
    def codes(self) -> Labels:
        """Of each; shape (n,)."""

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """How much of the surface each stands for; None where all stand for one."""

    def hold(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        """Whether there is a point of each of `codes` at the place beside it."""

    def only(self, kept: NDArray[np.bool_]) -> Self:
        """Those points alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """What both directions of the search share."""

    frame: Frame
    spacing: tuple[float, ...]
    lengths: NDArray[np.float64]  # of the walk's steps in increasing order, the first is 0
    strides: list[int]  # the same steps in the padded array

    @classmethod
    def of(cls, spacing: tuple[float, ...], framed: Callable[[Index], Frame]) -> Self:
        """A search in the frame that `framed` makes: padded so that no step of the walk leaves it."""
        steps, lengths = steps_around(spacing, WALK_STEPS)
        frame = framed(steps)
        strides = (steps @ np.array(frame.strides)).tolist()
        return cls(frame=frame, spacing=spacing, lengths=np.concatenate([[0.0], lengths]), strides=[0, *strides])

    def directed(self, source: SurfacePoints, target: SurfacePoints) -> dict[int, Distances]:
        """Distances from each code's border in `source` to its border in `target`."""
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
        self, steps: range, waiting: Index, level: NDArray[np.uint16], source: SurfacePoints, target: SurfacePoints
    ) -> Index:
        """Take `steps` from each voxel `waiting`, note the first that meets the target; return those still waiting."""
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
            hit = inside & target.hold(index, np.broadcast_to(codes[:, None], index.shape))
            found = hit.any(axis=1)
            distance[waiting[found]] = lengths[start + hit[found].argmax(axis=1)]
            waiting, place, codes = waiting[~found], place[~found], codes[~found]
            start, looks = part.stop, looks + hit.size
        return waiting

    def _compare_all(
        self, waiting: Index, distance: NDArray[np.float64], source: SurfacePoints, target: SurfacePoints
    ) -> None:
        """Note the distances of the voxels `waiting` from all border voxels of their labels."""
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
    """Slices over which a sorted array does not change."""
    ends = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), ordered.size] if ordered.size else [0]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _by_code(
    source: SurfacePoints,
    level: NDArray[np.uint16],
    distance: NDArray[np.float64],
    lengths: NDArray[np.float64],
    in_target: Index,
) -> dict[int, Distances]:
    """The distinct distances of each code, with how much of its surface lies at each."""
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
    """The distinct keys in increasing order and how often each occurs, or what its weights sum to."""
    if size > DENSE_KEYS:
        distinct, places = np.unique(keys, return_inverse=True)
        return distinct, np.bincount(places, weights)
    amounts = np.bincount(keys, weights)
    distinct = np.flatnonzero(amounts)
    return distinct, amounts[distinct]


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


def for_both(threads: int, voxels: int) -> Callable[..., list[Any]]:
    """A function that does a piece of work for both maps or directions, in two threads where that pays."""
    return two_at_once if threads > 1 and voxels > THREADED_VOXELS else one_by_one


def one_by_one(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Each piece of work after the other."""
    return [work(*each) for each in arguments]


def two_at_once(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Both pieces of work at once, in two threads."""
    from concurrent.futures import ThreadPoolExecutor  # deferred: small pairs of maps have one thread

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
