"""Measure distances between the elastic surfaces of labels, which are more accurate than voxel borders.

Each quad of a surface is sampled at its centre, with its area as weight. Its distance is that of the centre to the
quads of the other map with the nearest centres, each measured as four triangles. The quad with the nearest centre need
not be the nearest quad, but the error is small: if voxels are nearly cubes, metrics of real shapes change by a few
micrometres at most. The certified variant is exact, and about ten times slower.

Each label is measured separately, within the box around it in both maps, so other labels do not influence its numbers.
Where the maps agree, the distance is exactly 0. The numbers are weighted by area and more accurate than those of the
voxel surface; do not compare them with each other.
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

CANDIDATES = 2  # quads to which the distance of a point is measured
CANDIDATES_OF_LONG_QUADS = 6
LONG = 3  # quads are long from this ratio of the largest to the smallest spacing on
PAIRS_AT_ONCE = 1 << 13  # pairs of a point and a quad at a time, for the cache
CERTIFIED_PAIRS_AT_ONCE = 1 << 15
POINTS_OF_A_TASK = 1 << 15
TINY = 1e-30  # smaller than any squared length, but not 0
HEAVY_SHARE = 0.25  # a group with a larger share of the work is split between threads
THREADED_VOXELS = 1 << 18  # with fewer voxels a second thread does not pay


class SmoothSurfaces:
    """Elastic surfaces of all labels of two maps, for any disjoint groups of labels.

    Parameters
    ----------
    prediction, reference
        Labels of the same shape, axes (z, y, x).
    labels, present, spacing, threads
        As for `segeval.evidence.surfaces.surface_pairs.SurfacePair`.
    ignored
        Voxels whose reference is this label have no surface: surfaces are computed with these voxels, and then the
        quads of ignored voxels are removed. Elsewhere this label in the prediction is background.
    merging
        Whether groups may contain several labels; makes no difference here.
    certified
        Whether to compute exact distances, which is slow.

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
        merging: bool = False,  # noqa: ARG002 - same arguments as `Surfaces`
        threads: int = 1,
        certified: bool = False,
    ) -> None:
        if reference.ndim != 3:
            raise UsageError(
                f"--surface smooth needs a volume, but this image has {reference.ndim} axes",
                hint="use --surface voxel or surfel",
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
        """Distances between the surfaces of each group of labels, in both directions, as of a `SurfacePair`.

        Each distance is weighted by the area of its quad; a single ``inf`` by the whole area.
        """
        objects = {key: self._object({self._code_of[label] for label in members}) for key, members in groups.items()}
        works = {key: each.work for key, each in objects.items()}
        enough = self._threads > 1 and sum(works.values()) > THREADED_VOXELS
        heavy = [key for key, work in works.items() if work > HEAVY_SHARE * sum(works.values())]
        # largest first, so that all threads finish at about the same time
        light = sorted((key for key in objects if key not in heavy), key=lambda key: -works[key])
        with ExitStack() as stack:
            apply = _pool(self._threads if enough else 1, stack)
            found = {key: self._between(objects[key], apply) for key in heavy}
            found |= zip(light, apply(lambda key: self._between(objects[key], map), light), strict=True)
        return {key: found[key] for key in groups}

    def _object(self, codes: set[int]) -> _Object:
        """Codes with the box around them in both maps."""
        outside = bool(self._outside) and self._outside in codes
        boxes = [boxes[code] for boxes in self._boxes for code in codes if code in boxes]
        box = tuple(slice(0, n) for n in self._maps[0].shape) if outside else _union(boxes)
        return _Object(codes=np.array(sorted(codes)), box=box, outside=outside)

    def _between(self, both: _Object, apply: Apply[Any, Any]) -> tuple[Distances, Distances]:
        """Distances of one group of codes, in both directions."""
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
        """Voxels of a box, with a margin of 1, that are inside the image and not ignored."""
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
    """An object to measure: codes within a box."""

    codes: NDArray[np.integer[Any]]
    box: Box
    outside: bool  # whether everything outside the box belongs to it too

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(part.stop - part.start for part in self.box)

    @property
    def work(self) -> int:
        """Number of voxels to process."""
        return math.prod(self.shape) if self.box else 0

    def voxels(self, labels: Labels) -> Callable[[slice], Mask]:
        """Function that returns a range of slices of the object's mask in a map."""
        inside = labels[self.box]
        if self.codes.size == 1:
            code = labels.dtype.type(self.codes[0])
            return lambda part: np.equal(inside[part], code)
        member = np.zeros(int(np.iinfo(labels.dtype).max) + 1 if labels.itemsize < 4 else self.codes[-1] + 1, bool)
        member[self.codes] = True
        return lambda part: member.take(inside[part], mode="clip")


def _boxes(labels: Labels) -> dict[int, Box]:
    """The smallest box around each value except 0."""
    from scipy.ndimage import find_objects  # deferred: slow to import, and only this surface needs it

    if not labels.size:
        return {}
    return {value: box for value, box in enumerate(find_objects(labels), start=1) if box is not None}


def _union(boxes: Collection[Box]) -> Box:
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def _pool(threads: int, stack: ExitStack) -> Apply[Any, Any]:
    """Return a function like `map` that uses this number of threads."""
    if threads <= 1:
        return map
    from concurrent.futures import ThreadPoolExecutor  # deferred: small maps use one thread

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
    """Number of quads to measure for a point; more if quads are long, as the nearest centre is less reliable then."""
    return CANDIDATES if max(spacing) < LONG * min(spacing) else CANDIDATES_OF_LONG_QUADS


def _tree(surface: Quads) -> cKDTree:
    from scipy.spatial import cKDTree

    return cKDTree(surface.centres, balanced_tree=False)


def _nearest(points: Floats, surface: Quads, tree: cKDTree, *, candidates: int) -> Floats:
    """Squared distance from each point, shape (n, 3), to the nearest of the quads with the nearest centres."""
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
    """The same to the nearest of all quads: more quads are tried until no other can be nearer."""
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

    All positions are relative to the centre of the quad, so a point at the centre has distance exactly 0.
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
