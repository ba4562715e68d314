"""Distances between the elastic surfaces of every label: like those of voxel borders, nearer to the truth.

Each quad of a label's surface in one map is sampled at its centre, with its area as weight. Its distance is that of
the centre from the quads of the other map whose centres are nearest, each taken as the four triangles that it is. Which
quad is nearest is thus a guess, and a good one: on real shapes no metric changes by more than some micrometres where
voxels are nearly cubes. The certified variant does not guess and is an order of magnitude slower.

Each label is measured by itself, within the box around it in both maps, so that no other label has a part in its
numbers, and where the maps agree the distance is 0 exactly. The numbers are weighted by area and nearer to the truth
than those of the voxel surface, and therefore not to be compared with them. This module is a home of scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.errors import UsageError
from segeval.evidence.surfaces.borders import Coding, foreground_box
from segeval.evidence.surfaces.distances import NOTHING, Distances
from segeval.evidence.surfaces.elastic_mesh import Floats, Index, Mask, Quads, elastic_surface
from segeval.maps.label_map import Labels

if TYPE_CHECKING:
    from scipy.spatial import cKDTree


Key = TypeVar("Key", bound=Hashable)
Given = TypeVar("Given")
Found = TypeVar("Found")
Box = tuple[slice, ...]
Apply = Callable[[Callable[[Given], Found], Iterable[Given]], Iterable[Found]]

CANDIDATES = 2  # quads that a point is measured against
CANDIDATES_OF_LONG_QUADS = 6
LONG = 3  # from that ratio of the largest spacing to the smallest
PAIRS_AT_ONCE = 1 << 13  # of a point and a quad, so that what is computed of them stays in the cache
CERTIFIED_PAIRS_AT_ONCE = 1 << 15
POINTS_OF_A_TASK = 1 << 15
TINY = 1e-30  # below any squared length, and not 0
HEAVY_SHARE = 0.25  # of all work: a group with more is shared out between threads, the others are done whole
THREADED_VOXELS = 1 << 18  # below that, a second thread costs more than it saves


class SmoothSurfaces:
    """The elastic surfaces of all labels of two maps, asked for any disjoint groups of labels.

    Parameters
    ----------
    prediction, reference
        Labels of one shape, axes (z, y, x).
    labels, present, spacing, threads
        As for `segeval.evidence.surfaces.surface_pairs.SurfacePair`.
    ignored
        Voxels whose reference is this label have no surface in either map: surfaces are made of the maps as read, and
        the quads whose voxel inside the label is an ignored one are then left out. A prediction's voxels of this label
        elsewhere are background.
    merging
        Whether groups of several labels will be asked for; makes no difference here.
    certified
        Whether distances are exact, and slow.

    Raises
    ------
    UsageError
        The maps are not volumes.
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
        merging: bool = False,  # noqa: ARG002 - as `Surfaces` takes it
        threads: int = 1,
        certified: bool = False,
    ) -> None:
        if reference.ndim != 3:
            raise UsageError(
                f"the smooth surface is for volumes, this image has {reference.ndim} axes",
                hint="take --surface voxel or surfel",
            )
        self._spacing, self._threads = spacing, threads
        self._measure = _certified if certified else partial(_nearest, candidates=_candidates(spacing))
        self._crop, self._image = foreground_box(prediction, reference), reference.shape
        reference, prediction = reference[self._crop], prediction[self._crop]
        coding = Coding([{label} for label in labels], present=present, ignored=ignored)
        self._code_of = dict(zip(labels, coding.of_group, strict=True))
        self._outside = int(coding.outside)
        self._ignored = None if ignored is None else reference == ignored
        with ExitStack() as stack:
            apply = _pool(threads if reference.size > THREADED_VOXELS else 1, stack)
            self._maps = list(apply(lambda each: coding.encode(each, reference=reference), [prediction, reference]))
            self._boxes = list(apply(_boxes, self._maps))

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances between the surfaces of each group of labels, both ways, as those of a `SurfacePair`.

        The weight of each is its quad's area, and that of one ``inf`` the whole area.
        """
        objects = {key: self._object({self._code_of[label] for label in members}) for key, members in groups.items()}
        works = {key: each.work for key, each in objects.items()}
        enough = self._threads > 1 and sum(works.values()) > THREADED_VOXELS
        heavy = [key for key, work in works.items() if work > HEAVY_SHARE * sum(works.values())]
        # the largest first, so that the threads end together
        light = sorted((key for key in objects if key not in heavy), key=lambda key: -works[key])
        with ExitStack() as stack:
            apply = _pool(self._threads if enough else 1, stack)
            found = {key: self._between(objects[key], apply) for key in heavy}
            found |= zip(light, apply(lambda key: self._between(objects[key], map), light), strict=True)
        return {key: found[key] for key in groups}

    def _object(self, codes: set[int]) -> _Object:
        """Where codes occur in either map: the box is the same for both."""
        outside = bool(self._outside) and self._outside in codes
        boxes = [boxes[code] for boxes in self._boxes for code in codes if code in boxes]
        box = tuple(slice(0, n) for n in self._maps[0].shape) if outside else _union(boxes)
        return _Object(codes=np.array(sorted(codes)), box=box, outside=outside)

    def _between(self, both: _Object, apply: Apply[Any, Any]) -> tuple[Distances, Distances]:
        """Distances of one group of codes, both ways."""
        if not both.work:
            return NOTHING, NOTHING
        counted = self._counted(both)
        prediction, reference = apply(
            lambda labels: elastic_surface(
                both.voxels(labels), shape=both.shape, spacing=self._spacing, outside=both.outside, counted=counted
            ),
            self._maps,
        )
        if not (prediction.areas.size and reference.areas.size):
            return _to_nothing(prediction), _to_nothing(reference)
        trees = list(apply(_tree, [reference, prediction]))
        tasks = [
            (source.centres[start : start + POINTS_OF_A_TASK], target, tree)
            for source, target, tree in zip((prediction, reference), (reference, prediction), trees, strict=True)
            for start in range(0, source.areas.size, POINTS_OF_A_TASK)
        ]
        squares = np.concatenate(list(apply(lambda task: self._measure(*task), tasks)))
        to_reference, to_prediction = np.split(squares, [prediction.areas.size])
        return _in_order(to_reference, prediction), _in_order(to_prediction, reference)

    def _counted(self, both: _Object) -> Mask | None:
        """The voxels of a box, and one beyond each of its sides, that are of the image and not ignored."""
        if self._ignored is None and not both.outside:
            return None
        counted = np.zeros([n + 2 for n in both.shape], bool)
        starts = [crop.start + part.start - 1 for crop, part in zip(self._crop, both.box, strict=True)]
        of_image = (slice(max(0, -at), n - at) for at, n in zip(starts, self._image, strict=True))
        counted[tuple(of_image)] = True
        if self._ignored is not None:
            counted[1:-1, 1:-1, 1:-1] &= ~self._ignored[both.box]
        return counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Object:
    """What is measured: codes within a box."""

    codes: NDArray[np.integer[Any]]
    box: Box
    outside: bool  # whether it holds all beyond the box, too

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(part.stop - part.start for part in self.box)

    @property
    def work(self) -> int:
        """The voxels to look at."""
        return math.prod(self.shape) if self.box else 0

    def voxels(self, labels: Labels) -> Callable[[slice], Mask]:
        """The mask of the object's slices in a map."""
        inside = labels[self.box]
        if self.codes.size == 1:
            code = labels.dtype.type(self.codes[0])
            return lambda part: np.equal(inside[part], code)
        member = np.zeros(int(np.iinfo(labels.dtype).max) + 1 if labels.itemsize < 4 else self.codes[-1] + 1, bool)
        member[self.codes] = True
        return lambda part: member.take(inside[part], mode="clip")


def _boxes(labels: Labels) -> dict[int, Box]:
    """The smallest box around each value but 0."""
    from scipy.ndimage import find_objects  # deferred: takes long to load, and only this surface needs it

    if not labels.size:
        return {}
    return {value: box for value, box in enumerate(find_objects(labels), start=1) if box is not None}


def _union(boxes: Collection[Box]) -> Box:
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def _pool(threads: int, stack: ExitStack) -> Apply[Any, Any]:
    """What applies a function to many things, in turn or by so many threads."""
    if threads <= 1:
        return map
    from concurrent.futures import ThreadPoolExecutor  # deferred: small pairs of maps have one thread

    return stack.enter_context(ThreadPoolExecutor(threads)).map


def _to_nothing(surface: Quads) -> Distances:
    """Distances from a surface to an empty one."""
    if not surface.areas.size:
        return NOTHING
    return Distances(values=np.array([math.inf]), weights=surface.areas.sum(keepdims=True))


def _in_order(squares: Floats, surface: Quads) -> Distances:
    order = np.argsort(squares)
    return Distances(values=np.sqrt(squares[order], dtype=np.float64), weights=surface.areas[order])


def _candidates(spacing: tuple[float, ...]) -> int:
    """How many quads to measure a point against: the nearest centre says less where quads are long."""
    return CANDIDATES if max(spacing) < LONG * min(spacing) else CANDIDATES_OF_LONG_QUADS


def _tree(surface: Quads) -> cKDTree:
    from scipy.spatial import cKDTree

    return cKDTree(surface.centres, balanced_tree=False)


def _nearest(points: Floats, surface: Quads, tree: cKDTree, *, candidates: int) -> Floats:
    """Squared distance from each point, shape (n, 3), to the nearest of the quads whose centres are nearest."""
    count = min(candidates, surface.areas.size)
    found = np.reshape(tree.query(points, k=count)[1], (-1, count))
    squares = np.empty(len(points), np.float32)
    rows = max(1, PAIRS_AT_ONCE // count)
    for start in range(0, len(points), rows):
        part = slice(start, start + rows)
        squares[part] = _least_squares(points[part], surface.geometry, found[part])
    return squares


def _least_squares(points: NDArray[Any], geometry: NDArray[Any], found: Index) -> NDArray[Any]:
    """Squared distance of each point, shape (n, 3), to the nearest of the quads found for it, shape (n, count)."""
    quads = np.ascontiguousarray(geometry.take(found.T.ravel(), axis=0).T).reshape(15, found.shape[1], len(points))
    place = np.ascontiguousarray(points.T)[:, None]
    nearest: NDArray[Any] = _squared_distances(place, quads).min(axis=0)
    return nearest


def _certified(points: Floats, surface: Quads, tree: cKDTree) -> NDArray[np.float64]:
    """The same to the nearest of all quads: more are tried until no other can be nearer, its centre being too far."""
    geometry, reach = surface.geometry.astype(np.float64), surface.radius + 1e-6
    squares = np.empty(len(points))
    waiting, count = np.arange(len(points)), 8
    while waiting.size:
        count = min(count, surface.areas.size)
        rows = max(1, CERTIFIED_PAIRS_AT_ONCE // count)
        left = []
        for start in range(0, waiting.size, rows):
            these = waiting[start : start + rows]
            away, found = (np.reshape(each, (-1, count)) for each in tree.query(points[these], k=count))
            squares[these] = _least_squares(points[these].astype(np.float64), geometry, found)
            left.append(these[away[:, -1] < np.sqrt(squares[these]) + reach])
        waiting = np.concatenate(left) if count < surface.areas.size else waiting[:0]
        count *= 4
    return squares


def _squared_distances(points: NDArray[Any], quads: NDArray[Any]) -> NDArray[Any]:
    """Squared distance of each point from its quads; shapes (3, 1, n) and (15, count, n) -> (count, n).

    Everything is relative to the quad's centre, so that a point which is that centre has distance 0 exactly.
    """
    one, tiny = points.dtype.type(1), points.dtype.type(TINY)
    point = points - quads[:3]
    corners = [quads[at : at + 3] for at in (3, 6, 9, 12)]
    to_point = best = _dot(point, point)
    lengths = [_dot(corner, corner) for corner in corners]  # squared
    along = [_dot(corner, point) for corner in corners]
    for length, towards in zip(lengths, along, strict=True):  # the spokes, from the centre to each corner
        share = np.minimum(np.maximum(towards / np.maximum(length, tiny), 0), one)
        best = np.minimum(best, to_point + share * (share * length - 2 * towards))
    for first in range(4):
        second = (first + 1) & 3
        a, b, p, q = lengths[first], lengths[second], along[first], along[second]
        between = _dot(corners[first], corners[second])
        share = np.minimum(
            np.maximum((q - p + a - between) / np.maximum(a + b - 2 * between, tiny), 0), one
        )  # along the rim
        rest = one - share
        on_rim = (
            to_point - 2 * (rest * p + share * q) + rest * rest * a + 2 * share * rest * between + share * share * b
        )
        best = np.minimum(best, on_rim)
        scale, v, w = a * b - between * between, b * p - between * q, a * q - between * p
        inside = (v > 0) & (w > 0) & (v + w < scale)
        best = np.minimum(best, np.where(inside, to_point - (v * p + w * q) / np.maximum(scale, tiny), best))
    nearest: NDArray[Any] = np.maximum(best, 0)
    return nearest


def _dot(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    product: NDArray[Any] = first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
    return product
