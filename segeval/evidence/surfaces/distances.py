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
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.surfaces.borders import (
    Borders,
    Coding,
    Frame,
    Index,
    counted,
    find_borders,
    lengths_of,
    merged,
    steps_around,
)
from segeval.maps.label_map import Labels

Key = TypeVar("Key", bound=Hashable)

ROUNDING = 1e-12  # of a sum of weights
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
        How much of the surface lies at each: border voxels, or the area of surfels; shape (n,).
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
        """The smallest distance within which at least `percent` of the surface lies.

        For surfaces whose points weigh differently. A share that misses `percent` by no more than rounding reaches it.
        """
        if percent >= 100:
            return float(self.values[-1])
        cumulated = np.cumsum(self.weights)
        place = np.searchsorted(cumulated, cumulated[-1] * (percent / 100.0 - ROUNDING))
        return float(self.values[min(int(place), self.values.size - 1)])


def together(one: Distances, other: Distances) -> Distances:
    """The distances of two surfaces as those of one."""
    values, place = np.unique(np.concatenate([one.values, other.values]), return_inverse=True)
    weights = np.bincount(place, weights=np.concatenate([one.weights, other.weights]), minlength=values.size)
    return Distances(values=values, weights=weights.astype(np.float64))


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
    single
        Whether a distance is compared with a tolerance after both were rounded to float32.
    weighted
        Whether the surfaces consist of pieces of different size: then a percentile is the smallest distance at which
        the cumulated size reaches it, and from a surface that is empty there is no mean distance.
    pooled
        Whether a percentile is that of both directions together, and not the larger of the two.
    sides_averaged
        Whether the share within a tolerance is the mean of both sides' shares.
    """

    to_reference: Distances
    to_prediction: Distances
    penalty: float = math.inf
    slack: float = 0.0
    single: bool = False
    weighted: bool = False
    pooled: bool = False
    sides_averaged: bool = False

    @property
    def prediction_empty(self) -> bool:
        """Whether the prediction has no surface."""
        return self.to_reference.values.size == 0

    @property
    def reference_empty(self) -> bool:
        """Whether the reference has no surface."""
        return self.to_prediction.values.size == 0

    def percentile(self, percent: float) -> float:
        """The percentile of the distances between two surfaces that exist."""
        sides = (
            [together(self.to_reference, self.to_prediction)]
            if self.pooled
            else [self.to_reference, self.to_prediction]
        )
        return max(side.cumulated_percentile(percent) if self.weighted else side.percentile(percent) for side in sides)

    def reach(self, tolerance: float) -> float:
        """The largest distance that counts as within `tolerance`."""
        if not self.single:
            return tolerance + self.slack
        rounded = np.float32(tolerance)
        return (float(rounded) + float(np.nextafter(rounded, np.float32(math.inf)))) / 2

    def share_within(self, tolerance: float) -> float:
        """How much of both surfaces lies within `tolerance` of the other, NaN where there is neither."""
        reach, sides = self.reach(tolerance), [self.to_reference, self.to_prediction]
        if not any(side.total for side in sides):
            return math.nan
        if self.sides_averaged and all(side.total for side in sides):
            return sum(side.within(reach) / side.total for side in sides) / 2
        return sum(side.within(reach) for side in sides) / sum(side.total for side in sides)


class Found(Protocol):
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


Points = TypeVar("Points", bound=Found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """What both directions of the search share."""

    frame: Frame
    spacing: tuple[float, ...]
    lengths: NDArray[np.float64]  # of the walk's steps in increasing order, the first is 0
    strides: list[int]  # the same steps in the padded array

    def directed(self, source: Found, target: Found) -> dict[int, Distances]:
        """Distances from each code's border in `source` to its border in `target`."""
        codes = 1 + max(int(found.codes.max(initial=0)) for found in (source, target))
        in_source = np.bincount(source.codes, minlength=codes)
        in_target = np.bincount(target.codes, minlength=codes)
        level, lost, far = self._walk(source, target, in_source, in_target > 0)
        distance = np.full(source.index.size, math.nan)
        if in_target[source.codes[far]].sum() > FEW_PAIRS:
            far = self._try_many(far, distance, source, target)
        self._ask_all(np.concatenate([lost, far]), distance, source, target)
        return _by_code(source, level, distance, self.lengths, in_target)

    def _walk(
        self, source: Found, target: Found, in_source: Index, searched: NDArray[np.bool_]
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

    def _try(self, steps: range, waiting: Index, level: NDArray[np.uint16], source: Found, target: Found) -> Index:
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

    def _try_many(self, waiting: Index, distance: NDArray[np.float64], source: Found, target: Found) -> Index:
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

    def _ask_all(self, waiting: Index, distance: NDArray[np.float64], source: Found, target: Found) -> None:
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
    source: Found,
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
        codes[walked].astype(np.intp) * width + level[walked], _those(source.weights, walked), whole.size * width
    )
    owner, step = np.divmod(keys, width)
    begins = np.searchsorted(owner, np.arange(whole.size + 1))
    far = np.flatnonzero(~np.isnan(distance))
    far = far[np.argsort(codes[far], kind="stable")]
    further = {int(codes[far[part.start]]): far[part] for part in _stretches(codes[far])}
    found: dict[int, Distances] = {}
    for code in np.flatnonzero(whole).tolist():
        if not in_target[code]:
            found[code] = Distances(values=np.array([math.inf]), weights=np.array([float(whole[code])]))
            continue
        part = slice(begins[code], begins[code + 1])
        values, weights = lengths[step[part]], amounts[part].astype(np.float64)
        if code in further:
            beyond, places = np.unique(distance[further[code]], return_inverse=True)
            extra = np.bincount(places, _those(source.weights, further[code]))
            values, weights = np.concatenate([values, beyond]), np.concatenate([weights, extra])
        found[code] = Distances(values=values, weights=weights)
    return found


def _those(weights: NDArray[np.float64] | None, places: NDArray[Any]) -> NDArray[np.float64] | None:
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


class SurfacePair(ABC, Generic[Points]):
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
        self._reference, self._spacing, self._merging = reference, spacing, merging
        self._coding = Coding([{label} for label in labels], present=present, ignored=ignored)
        self._frame = self._framed(prediction, steps)
        self._search = Search(
            frame=self._frame,
            spacing=spacing,
            lengths=np.concatenate([[0.0], lengths]),
            strides=[0, *(steps @ np.array(self._frame.strides)).tolist()],
        )
        self._code_of = dict(zip(labels, self._coding.of_group, strict=True))
        self._code_range = 256 if self._coding.dtype == np.uint8 else max(self._coding.of_group, default=0) + 1
        self._both = two_at_once if threads > 1 and math.prod(self._frame.shape) > THREADED_VOXELS else one_by_one
        self._found: list[Points] = self._both(self._find, [(prediction,), (reference,)])

    @abstractmethod
    def _framed(self, prediction: Labels, steps: Index) -> Frame:
        """The frame that both maps are searched in, which no step leads out of."""

    @abstractmethod
    def _find(self, labels: Labels) -> Points:
        """The surfaces of every label of one map, as it was read."""

    @abstractmethod
    def _merged(self, points: Points, new: Labels) -> Points:
        """The surfaces of unions of labels: from a code to that of its union, 0 for none."""

    @abstractmethod
    def _counted(self, points: Points) -> Points:
        """The surfaces without what lies in the ignored zone."""

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
            found = self._with_codes(codes)
        else:
            codes = list(range(1, len(groups) + 1))
            found = self._unions(dict(zip(codes, groups.values(), strict=True)))
        of_prediction, of_reference = self._both(self._counted, [(each,) for each in found])
        to_reference, to_prediction = self._both(
            self._search.directed, [(of_prediction, of_reference), (of_reference, of_prediction)]
        )
        return {
            key: (to_reference.get(code, NOTHING), to_prediction.get(code, NOTHING))
            for key, code in zip(groups, codes, strict=True)
        }

    def _with_codes(self, codes: list[int]) -> list[Points]:
        """The surfaces of these codes alone."""
        if len(codes) == len(self._code_of):
            return self._found
        asked = np.zeros(self._code_range, bool)
        asked[codes] = True
        return [points.only(asked[points.codes]) for points in self._found]

    def _unions(self, unions: Mapping[int, Collection[int]]) -> list[Points]:
        """The surfaces of unions of labels, by their codes."""
        new = np.zeros(self._code_range, np.min_scalar_type(len(unions) + 1))
        for code, labels in unions.items():
            new[[self._code_of[label] for label in labels]] = code
        return self._both(self._merged, [(points, new) for points in self._found])


class Surfaces(SurfacePair[Borders]):
    """The voxel surfaces of two maps; see `SurfacePair`."""

    def _framed(self, prediction: Labels, steps: Index) -> Frame:
        return Frame.around(prediction, self._reference, coding=self._coding, steps=steps)

    def _find(self, labels: Labels) -> Borders:
        return find_borders(labels, self._reference, coding=self._coding, frame=self._frame, exposure=self._merging)

    def _merged(self, points: Borders, new: Labels) -> Borders:
        return merged(points, new, strides=self._frame.strides)

    def _counted(self, points: Borders) -> Borders:
        return counted(points, self._reference, coding=self._coding, frame=self._frame)


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


def one_by_one(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Each piece of work after the other."""
    return [work(*each) for each in arguments]


def two_at_once(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Both pieces of work at once, in two threads."""
    from concurrent.futures import ThreadPoolExecutor  # deferred: small pairs of maps have one thread

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
