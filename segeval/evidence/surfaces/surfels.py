"""Find the area-weighted surfaces of all labels: corners of the voxel lattice, each with a piece of surface.

A surfel of a label is a corner whose neighbourhood, the 2 x 2 x 2 voxels (2 x 2 in 2-D) that meet there, contains the
label and something else. Its weight is the area (length in 2-D) of the surface that marching cubes draws through the
neighbourhood: a few triangles between the midpoints of the edges between the label's voxels and the others. Each
distance is from a corner to the nearest corner of the same label in the other map (Nikolov et al. 2018,
arXiv:1809.04430). Outside the image is background.

A corner can have surfels of several labels. Corners are found slab by slab for all labels at once, and searched like
border voxels. Unions of labels are computed from the neighbourhoods, without the maps.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.surfaces.borders import Coding, Frame, Index, foreground_box
from segeval.evidence.surfaces.surface_pairs import SurfacePair
from segeval.maps.label_map import Labels, slabs

Voxel = tuple[int, ...]
Patterns = NDArray[np.uint8]  # neighbourhoods, a bit for each voxel

DENSE_SHARE = 1 / 256  # if more corners have several labels, these are stored as a table


def neighbours(ndim: int) -> list[Voxel]:
    """Voxels that meet in a corner, in the order of their bits; 1 along an axis means before the corner."""
    return list(itertools.product((0, 1), repeat=ndim))


@lru_cache(maxsize=8)
def surfel_areas(spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Area of the surface in each neighbourhood, length in 2-D; shape (256,) or (16,).

    The surface separates the smaller group of voxels from the rest, each face-connected piece on its own.

    Examples
    --------
    >>> surfel_areas((1.0, 3.0)).round(3).tolist()[:8]
    [0.0, 1.581, 1.581, 3.0, 1.581, 1.0, 3.162, 1.581]
    """
    voxels = neighbours(len(spacing))
    across = math.prod(spacing) / np.array(spacing)  # one face across each axis
    areas = np.zeros(1 << len(voxels))
    for pattern in range(areas.size):
        parties = [[voxel for bit, voxel in enumerate(voxels) if pattern >> bit & 1 == side] for side in (0, 1)]
        facets = [facet for piece in _pieces(min(parties, key=len)) for facet in _facets(piece)]
        areas[pattern] = math.fsum(math.hypot(*(facet * across).tolist()) for facet in facets)
    areas.setflags(write=False)
    return areas


def _pieces(voxels: list[Voxel]) -> list[list[Voxel]]:
    """Split the voxels of a neighbourhood into face-connected pieces."""
    pieces: list[list[Voxel]] = []
    for voxel in voxels:
        touching = [piece for piece in pieces if any(math.dist(voxel, other) == 1 for other in piece)]
        apart = [piece for piece in pieces if piece not in touching]
        pieces = [*apart, [voxel, *itertools.chain(*touching)]]
    return pieces


def _facets(piece: list[Voxel]) -> list[NDArray[np.float64]]:
    """Flat parts of the surface around a piece, each as its projections along the axes, in faces of a voxel.

    A piece has at most half of the voxels. Its surface is the polygon through the midpoints of the edges that leave
    it; a polygon that is not flat is split like in marching cubes.
    """
    ndim = len(piece[0])
    bonds = [(a, b) for a, b in itertools.combinations(piece, 2) if math.dist(a, b) == 1]
    degree = {voxel: sum(voxel in bond for bond in bonds) for voxel in piece}
    along = sum((np.abs(np.subtract(a, b)) for a, b in bonds), np.zeros(ndim))
    every, free = np.ones(ndim), (along == 0).astype(np.float64)
    if len(piece) == 1:  # a vertex of the cube is cut off
        return [every / 2 ** (2 * ndim - 3)]
    if len(piece) == 2:  # an edge
        return [free / (ndim - 1)]
    if len(piece) == 3:  # an angle: a triangle at the middle voxel, and a trapezium
        return [free / 2, every * 3 / 8]
    if free.any():  # a whole side
        return [free]
    if max(degree.values()) == 3:  # a vertex and its three neighbours: a hexagon
        return [every * 3 / 4]
    first, second = (voxel for voxel in piece if degree[voxel] == 2)  # a chain along all axes: a twisted hexagon
    middle = np.abs(np.subtract(first, second))
    return [every / 2, *((middle + axis) / 4 for axis in np.eye(ndim) if not axis @ middle)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """Codes of the surfels in each corner.

    Parameters
    ----------
    first
        Twice the first code of each corner, plus 1 if there are others; flat.
    others
        The other codes: another table if there are many, else corner * `span` + code in increasing order.
    span
        Number larger than all codes.
    """

    first: Labels
    others: _Table | Index
    span: int

    @classmethod
    def of(cls, index: Index, codes: Labels, *, size: int) -> _Table:
        """Make a table for `size` corners from surfels in increasing order of their corners."""
        span = 1 << 8 * codes.dtype.itemsize
        fresh = np.ones(index.size, bool)
        np.not_equal(index[1:], index[:-1], out=fresh[1:])
        value = codes.astype(np.min_scalar_type(2 * int(codes.max(initial=0)) + 1)) << 1
        value[:-1] |= ~fresh[1:]
        first = np.zeros(size, value.dtype)
        first[index[fresh]] = value[fresh]
        rest = np.flatnonzero(~fresh)
        if rest.size > size * DENSE_SHARE:
            return cls(first=first, others=cls.of(index[rest], codes[rest], size=size), span=span)
        return cls(first=first, others=np.sort(index[rest] * span + codes[rest]), span=span)

    def hold(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        """Whether each corner of `index` has a surfel of the corresponding code."""
        value = self.first.take(index, mode="clip")
        found: NDArray[np.bool_] = value >> 1 == codes
        more = np.flatnonzero((value & 1) > found)
        if more.size:
            found.ravel()[more] = self._hold_further(index.ravel()[more], codes.ravel()[more])
        return found

    def _hold_further(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        if isinstance(self.others, _Table):
            return self.others.hold(index, codes)
        keys = index * self.span + codes
        found: NDArray[np.bool_] = self.others.take(np.searchsorted(self.others, keys), mode="clip") == keys
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corners:
    """Surfels of all codes of one map.

    Parameters
    ----------
    index
        Corner of each surfel in the flat padded lattice, in increasing order, once for each code; shape (n,).
    codes
        Codes of the surfels; shape (n,).
    patterns
        Voxels of the neighbourhood that have the code; shape (n,).
    counted
        Whether at least one of these voxels is not ignored; shape (n,). None if nothing is ignored.
    areas
        Area of each pattern.
    table
        The same surfels by corner.
    """

    index: Index
    codes: Labels
    patterns: Patterns
    counted: NDArray[np.bool_] | None
    areas: NDArray[np.float64]
    table: _Table

    @classmethod
    def of(
        cls,
        index: Index,
        codes: Labels,
        patterns: Patterns,
        counted: NDArray[np.bool_] | None,
        *,
        areas: NDArray[np.float64],
        size: int,
    ) -> Corners:
        """Make surfels with their table, on a lattice of `size` corners."""
        table = _Table.of(index, codes, size=size)
        return cls(index=index, codes=codes, patterns=patterns, counted=counted, areas=areas, table=table)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Areas of the surfels."""
        return self.areas.take(self.patterns)

    def hold(self, index: Index, codes: Labels) -> NDArray[np.bool_]:
        """Whether each corner of `index` has a surfel of the corresponding code."""
        return self.table.hold(index, codes)

    def only(self, kept: NDArray[Any]) -> Corners:
        """The surfels selected by a mask or by positions."""
        counted = None if self.counted is None else self.counted[kept]
        return self._like(self.index[kept], self.codes[kept], self.patterns[kept], counted)

    def merged(self, new: Labels) -> Corners:
        """Surfels of unions of codes; `new` has the code of the union for each code, 0 for none."""
        unions = new[self.codes]
        keys = self.index * (int(new.max(initial=0)) + 1) + unions
        order = np.flatnonzero(unions)
        order = order[np.argsort(keys[order], kind="stable")]
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        if not starts.size:
            return self.only(order)
        first = order[starts]
        patterns = np.bitwise_or.reduceat(self.patterns[order], starts)
        counted = None if self.counted is None else np.logical_or.reduceat(self.counted[order], starts)
        together = self._like(self.index[first], unions[first], patterns, counted)
        full = patterns == self.areas.size - 1  # inside the union
        return together.only(~full) if full.any() else together

    def _like(self, index: Index, codes: Labels, patterns: Patterns, counted: NDArray[np.bool_] | None) -> Corners:
        return Corners.of(index, codes, patterns, counted, areas=self.areas, size=self.table.first.size)


def find_corners(
    labels: Labels, reference: Labels, *, coding: Coding, frame: Frame, areas: NDArray[np.float64]
) -> Corners:
    """Find the surfels of all codes of one map.

    Parameters
    ----------
    labels, reference
        The map, and the reference with the ignored voxels.
    coding, frame
        The codes, and the lattice of corners; a corner has the position of the voxel after it.
    areas
        Area of each pattern.
    """
    whole = reference.shape
    labels, reference = labels[frame.box], reference[frame.box]
    across = frame.strides[0]
    offsets = np.array(neighbours(labels.ndim)) @ np.array(frame.strides)
    lists: list[list[NDArray[Any]]] = [[np.zeros(0, kind)] for kind in (np.intp, coding.dtype, np.uint8, bool)]
    for part in slabs(tuple(n + 1 for n in labels.shape)):
        voxels = slice(max(part.start - 1, 0), min(part.stop, len(labels)))
        codes = coding.encode(labels[voxels], reference=reference[voxels])
        block = _laid_out(codes, part, frame=frame, beyond=coding.outside)
        mixed = np.flatnonzero(_mixed(block, frame.strides)) + across
        around = mixed - offsets[:, None]
        index = mixed + (part.start - 1 + frame.margin[0]) * across
        ignored = np.zeros(mixed.size, np.uint8)
        if coding.ignored is not None:
            zone = _laid_out(reference[voxels] == coding.ignored, part, frame=frame, beyond=np.False_)
            ignored = _patterns(zone.take(around))
            ignored[ignored != 0] |= _beyond(frame, index[ignored != 0], whole=whole)
        columns: tuple[NDArray[Any], ...] = _surfels(index, block.take(around), ignored)
        for values, more in zip(lists, columns, strict=True):
            values.append(more)
    index, codes, patterns, counted = (np.concatenate(values) for values in lists)
    return Corners.of(
        index,
        codes,
        patterns,
        None if coding.ignored is None else counted,
        areas=areas,
        size=math.prod(frame.shape),
    )


def _laid_out(values: NDArray[Any], part: slice, *, frame: Frame, beyond: Any) -> NDArray[Any]:
    """Voxels around a slab of corners in the columns of the lattice; `beyond` is the value around the box."""
    block = np.full((part.stop - part.start + 1, *frame.shape[1:]), beyond, values.dtype)
    inner = tuple(slice(m, n - m - 1) for m, n in zip(frame.margin[1:], frame.shape[1:], strict=True))
    first = int(part.start == 0)
    block[(slice(first, first + len(values)), *inner)] = values
    return block


def _mixed(block: Labels, strides: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether the voxels at the corner before each voxel have different codes, without the first slice; flat."""
    flat = block.ravel()
    mixed = np.zeros(flat.size, bool)
    for stride in reversed(strides):  # first edges, then faces, then cubes
        change = flat[stride:] != flat[:-stride]
        change |= mixed[:-stride]
        mixed[stride:] |= change
    return mixed[strides[0] :]


def _patterns(voxels: NDArray[np.bool_]) -> Patterns:
    """Pack neighbourhoods into bits, one for each voxel; shape (voxels, n) -> (n,)."""
    patterns: Patterns = np.zeros(voxels.shape[1], np.uint8)
    for bit, voxel in enumerate(voxels):
        patterns |= voxel.view(np.uint8) << np.uint8(bit)
    return patterns


def _beyond(frame: Frame, corners: Index, *, whole: tuple[int, ...]) -> Patterns:
    """Voxels around each corner that are outside the image, as bits; shape (n,) -> (n,)."""
    start = np.array([part.start - m for part, m in zip(frame.box, frame.margin, strict=True)])
    voxels = frame.coordinates(corners) + start - np.array(neighbours(len(whole)))[:, None, :]
    return _patterns(((voxels < 0) | (voxels >= np.array(whole))).any(axis=-1))


def _surfels(index: Index, around: Labels, ignored: Patterns) -> tuple[Index, Labels, Patterns, NDArray[np.bool_]]:
    """Surfels of the corners at `index`, and whether they count.

    Parameters
    ----------
    index
        Positions of the corners, in increasing order; shape (n,).
    around
        Codes that meet in each corner; shape (voxels, n). Overwritten.
    ignored
        Ignored voxels among these, as bits; shape (n,).
    """
    found = [(index[:0], around[0, :0], ignored[:0], np.zeros(0, bool))]
    while index.size:
        codes = around.max(axis=0)
        same = around == codes
        patterns = _patterns(same)
        found.append((index, codes, patterns, (patterns & ~ignored) != 0))
        around *= ~same
        more = np.flatnonzero(around.any(axis=0))
        index, around, ignored = index[more], around[:, more], ignored[more]
    indices, codes, patterns, counted = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.argsort(indices, kind="stable")
    return indices[order], codes[order], patterns[order], counted[order]


class Surfels(SurfacePair[Corners]):
    """Area-weighted surfaces of two maps; see `SurfacePair`.

    The weights of the distances are areas in the squared unit of the grid, lengths in 2-D. Surfels are found with the
    ignored voxels. A surfel is dropped if all voxels of its label at the corner are ignored. (If the background is
    scored, voxels outside the image count as ignored where they meet ignored voxels.)
    """

    def _framed(self, prediction: Labels, steps: Index) -> Frame:
        box = foreground_box(prediction, self._reference)
        margin = tuple(np.abs(steps).max(axis=0, initial=1).tolist())
        shape = tuple(part.stop - part.start + 1 + 2 * m for part, m in zip(box, margin, strict=True))
        return Frame(box=box, shape=shape, margin=margin)

    def _find(self, labels: Labels) -> Corners:
        areas = surfel_areas(self._spacing)
        return find_corners(labels, self._reference, coding=self._coding, frame=self._frame, areas=areas)

    def _merged(self, points: Corners, new: Labels) -> Corners:
        return points.merged(new)

    def _counted(self, points: Corners) -> Corners:
        return points if points.counted is None else points.only(points.counted)
