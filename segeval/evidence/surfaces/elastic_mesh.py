"""The elastic surface of a mask: nearer to the truth than the staircase of its voxels.

A mask is seen through *cells*: the cubes between eight voxel centres. Where a cell holds both kinds of voxels the
surface passes, and each sheet of it there gets a *node*, at first in the middle of the cell. Every face between a voxel
of the mask and one that is not becomes a *quad* between the nodes of the four cells around it, so that the mesh starts
as the staircase itself. Then it relaxes: each node moves most of the way to the mean of its neighbours, a few times,
but never out of its cell, and hardly into what is one or two voxels thin. Relaxing shrinks what is round; the smooth
part of the displacement is therefore given back. What remains has lost the stairs and kept the size, and no object.

Lengths are voxels until the very end and single precision throughout, relative to the first voxel of the mask's array:
the same voxels in the same array have the same nodes to the bit. This module knows masks and no labels, and is 3-D.
It is a home of scipy.sparse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.maps.label_map import slabs

PULL = 0.9  # share of the way to the mean of its neighbours that a node moves in one pass
RELAXING_PASSES = 6
RESTORING_PASSES = 10
REACH = (0.5, 0.15, 0.3)  # how far, in voxels, a node moves into what is thick, one voxel thin, two voxels thin

PAD = 3  # the cells around an object lie one voxel outside it, and the search for thin parts looks two cells further
QUADS_AT_ONCE = 1 << 14  # so that what is computed of them stays in the cache

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]  # of cells: bit i0 + 2 * i1 + 4 * i2 is set where the voxel at that corner is in the mask
Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Index = NDArray[np.intp]

LOWER_CORNERS = tuple(sum(1 << corner for corner in range(8) if not corner >> axis & 1) for axis in range(3))
AROUND = (0, 1, 3, 2)  # which edge of its cell a grid edge is, in the order of the four cells around it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quads:
    """A surface of quads, each of which is four triangles around its centre.

    Parameters
    ----------
    geometry
        Of each, the centre and its four corners less the centre, each (z, y, x), in the unit of the spacing; shape
        (n, 15).
    areas
        Of each; shape (n,).
    """

    geometry: Floats
    areas: NDArray[np.float64]

    @property
    def centres(self) -> Floats:
        """The centre of each; shape (n, 3)."""
        return self.geometry[:, :3]

    @property
    def radius(self) -> float:
        """How far any corner lies from its centre, at most."""
        squares = np.square(self.geometry[:, 3:], dtype=np.float64)
        return math.sqrt(max(squares[:, at : at + 3].sum(axis=1).max(initial=0.0) for at in (0, 3, 6, 9)))


def elastic_surface(
    voxels: Callable[[slice], Mask],
    *,
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    outside: bool = False,
    counted: Mask | None = None,
) -> Quads:
    """The elastic surface of a mask.

    Parameters
    ----------
    voxels
        The mask from one slice along the first axis to another; axes (z, y, x).
    shape
        Of the whole mask. What two masks have in common has the same quads if this is the same for both.
    spacing
        Distance between voxel centres along each axis.
    outside
        Whether all that lies beyond is in the mask too.
    counted
        The voxels that may have a surface, with a margin of one voxel around the shape; None for all. The quads of
        others are left out when all is done.

    Returns
    -------
    Quads
        As many as faces between a voxel of the mask and one that is not, in an order that depends on the mask alone.
    """
    cells = _Cells.of(voxels, shape=shape, outside=outside)
    nodes = _Nodes.of(cells)
    corners, owners = _connected(cells, nodes, owned=counted is not None)
    places = _relaxed(cells, nodes, corners)
    places *= np.array(spacing, np.float32)
    if counted is not None:
        corners = corners[:, np.pad(counted, PAD - 1).take(owners)]
    return _measured(places, corners)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """The cells that a surface passes, in the order of a padded array; each has the place of its lowest corner."""

    shape: tuple[int, ...]  # padded
    everywhere: Codes  # the codes of all cells, flat
    index: Index
    codes: Codes

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.shape[1] * self.shape[2], self.shape[2], 1

    @classmethod
    def of(cls, voxels: Callable[[slice], Mask], *, shape: tuple[int, ...], outside: bool) -> _Cells:
        """The cells of a mask. A slab at a time, for the memory's and the cache's sake."""
        padded = tuple(n + 2 * PAD for n in shape)
        across, row = padded[1] * padded[2], padded[2]
        everywhere: Codes = np.zeros(math.prod(padded), np.uint8)
        inner = tuple(slice(PAD, PAD + n) for n in shape[1:])
        index = [np.zeros(0, np.intp)]
        for part in slabs((shape[0] + 1, *padded[1:])):  # part: planes of cells, the first below the first voxels
            low, high = max(part.start - 1, 0), min(part.stop, shape[0])
            block = np.zeros((part.stop - part.start + 1, *padded[1:]), np.uint8)
            inside = block[(slice(low + 1 - part.start, high + 1 - part.start), *inner)]
            # beyond the mask there is nothing, or nothing of its complement
            np.not_equal(voxels(slice(low, high)), outside, out=inside.view(np.bool_))
            start = (part.start + PAD - 1) * across
            codes = everywhere[start : start + (part.stop - part.start) * across]
            flat = block.ravel()
            np.left_shift(flat[across:], 1, out=codes)
            codes |= flat[:-across]
            codes[:-row] |= codes[row:] << np.uint8(2)
            codes[:-1] |= codes[1:] << np.uint8(4)
            mixed = (codes + np.uint8(1)) > 1  # neither 0 nor 255
            index.append(np.flatnonzero(mixed) + start)
        found = np.concatenate(index)
        if outside:
            np.invert(everywhere, out=everywhere)
        return cls(shape=padded, everywhere=everywhere, index=found, codes=everywhere[found])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sheets:
    """How a surface passes a cell, by the cell's code.

    Crossed edges belong to one sheet where they are joined on a face of the cell. A face with all four edges crossed
    joins the two at each corner outside the mask, so that the mask's own corners stay connected.
    """

    count: Codes  # of sheets, 0 to 4; shape (256,)
    of_edge: Codes  # to which sheet an edge belongs; flat, shape (256 * 12,)
    place: Floats  # the mean of the middles of a sheet's edges, from the cell's centre; shape (256 * 4, 3)


@cache
def _sheets() -> _Sheets:
    edges = [
        (first, first | 1 << axis)
        for axis in range(3)
        for first in range(8)  # in this order an axis's four edges are numbered by their places across it
        if not first >> axis & 1
    ]
    faces = [[c for c in range(8) if c >> axis & 1 == side] for axis in range(3) for side in (0, 1)]
    middles = np.array([[((a >> axis & 1) + (b >> axis & 1) - 1) / 2 for axis in range(3)] for a, b in edges])
    count, of_edge, place = np.zeros(256, np.uint8), np.zeros((256, 12), np.uint8), np.zeros((256, 4, 3), np.float32)
    for code in range(256):
        crossed = [e for e, (a, b) in enumerate(edges) if (code >> a ^ code >> b) & 1]
        group = {e: {e} for e in crossed}
        for face in faces:
            on_face = [e for e in crossed if set(edges[e]) <= set(face)]
            joined = [on_face]
            if len(on_face) == 4:
                joined = [[e for e in on_face if corner in edges[e]] for corner in face if not code >> corner & 1]
            for one, other in (pair for pair in joined if pair):
                union = group[one] | group[other]
                group.update(dict.fromkeys(union, union))
        loops = list(dict.fromkeys(tuple(sorted(group[e])) for e in crossed))
        count[code] = len(loops)
        for sheet, loop in enumerate(loops):
            of_edge[code, list(loop)] = sheet
            place[code, sheet] = middles[list(loop)].mean(axis=0)
    return _Sheets(count=count, of_edge=of_edge.ravel(), place=place.reshape(-1, 3))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Nodes:
    """One node per sheet: those of each cell's first sheet come first, in the order of the cells."""

    cell: Numbers  # that each further node belongs to
    sheet: Numbers  # that each further node is
    parted: Mask  # whether a cell has more than one
    before: Numbers  # the number of such a cell's second node less 1

    @classmethod
    def of(cls, cells: _Cells) -> _Nodes:
        count = _sheets().count[cells.codes]
        parted = count > 1
        several = np.flatnonzero(parted)
        further = count[several].astype(np.int32) - 1
        start = np.cumsum(further, dtype=np.int32) - further
        before = np.zeros(count.size, np.int32)
        before[several] = start + (count.size - 1)
        cell = np.repeat(several.astype(np.int32), further)
        sheet = np.arange(1, cell.size + 1, dtype=np.int32) - np.repeat(start, further)
        return cls(cell=cell, sheet=sheet, parted=parted, before=before)

    def at(self, edge: int, among: Numbers, codes: Codes) -> Numbers:
        """The nodes of these cells that lie on the sheet of an edge."""
        if not self.cell.size:
            return among
        where = np.flatnonzero(self.parted[among])
        chosen = among[where]
        sheet = _sheets().of_edge[codes[chosen].astype(np.intp) * 12 + edge]
        nodes = among.copy()
        nodes[where] = np.where(sheet > 0, self.before[chosen] + sheet, chosen)
        return nodes


def _connected(cells: _Cells, nodes: _Nodes, *, owned: bool) -> tuple[Numbers, Index]:
    """The corner nodes of every quad, shape (4, n), and if asked the voxel of the mask that each is a face of.

    Seen from outside the mask all run the same way round, so that every side has its reverse in the next quad.
    """
    index, codes = cells.index, cells.codes
    below = [np.searchsorted(index, index - stride).astype(np.int32) for stride in cells.strides[:2]]
    parts: list[list[Numbers]] = [[], [], [], []]
    owners: list[Index] = [np.zeros(0, np.intp)]
    for axis in range(3):
        here = np.flatnonzero((codes ^ (codes >> np.uint8(1 << axis))) & 1).astype(np.int32)
        if axis == 2:  # the two cells across an edge, one step down the other axes, and the one beyond both
            first, second = below[0][here], below[1][here]
            both = below[1][first]
        else:
            first, second = below[1 - axis][here], here - 1  # the last axis runs from cell to cell
            both = first - 1
        ring = [
            nodes.at(4 * axis + edge, among, codes)
            for edge, among in zip(AROUND, (here, first, both, second), strict=True)
        ]
        low_in_mask = (codes[here] & 1) != 0
        turned = low_in_mask == (axis == 1)
        for corner, part in zip(
            (ring[0], np.where(turned, ring[3], ring[1]), ring[2], np.where(turned, ring[1], ring[3])),
            parts,
            strict=True,
        ):
            part.append(corner)
        if owned:
            owners.append(index[here] + np.where(low_in_mask, 0, cells.strides[axis]))
    return np.stack([np.concatenate(part) for part in parts]), np.concatenate(owners)


def _centres(cells: _Cells) -> Floats:
    """The middle of each cell in voxels, the first voxel's centre being 0; shape (n, 3)."""
    centres = np.empty((cells.index.size, 3), np.float32)
    rest: NDArray[Any] = cells.index.astype(np.int32) if cells.everywhere.size < 1 << 31 else cells.index
    for axis in (2, 1):
        onward = rest // cells.shape[axis]
        centres[:, axis] = rest - onward * cells.shape[axis]
        rest = onward
    centres[:, 0] = rest
    centres += np.float32(0.5 - PAD)
    return centres


def _bounds(cells: _Cells, centres: Floats) -> tuple[Floats, Floats]:
    """The lowest and highest place that each cell's node may take."""
    reach = np.array(REACH, np.float32)
    low, high = np.empty_like(centres), np.empty_like(centres)
    for axis in range(3):
        corners, step, stride = np.uint8(LOWER_CORNERS[axis]), np.uint8(1 << axis), cells.strides[axis]
        at_low, at_high = cells.codes & corners, (cells.codes >> step) & corners
        for ending, shift, onward in ((at_low & ~at_high, np.uint8(0), -stride), (at_high & ~at_low, step, stride)):
            # ending: corners whose voxel is the last of a run of the mask; next and after: the voxels behind it
            following = (cells.everywhere[cells.index + onward] >> shift) & ending
            after = cells.everywhere[cells.index + 2 * onward] >> shift
            thin = np.where(following != ending, np.uint8(1), ((following & ~after) != 0).view(np.uint8) << np.uint8(1))
            if onward < 0:
                low[:, axis] = centres[:, axis] - reach[thin]
            else:
                high[:, axis] = centres[:, axis] + reach[thin]
    return low, high


def _relaxed(cells: _Cells, nodes: _Nodes, corners: Numbers) -> Floats:
    """Where the nodes come to rest, in voxels; shape (n, 3)."""
    centres = _centres(cells)
    low, high = _bounds(cells, centres)
    if nodes.cell.size:
        home = np.concatenate([centres, centres[nodes.cell]])
        low, high = (np.concatenate([bound, bound[nodes.cell]]) for bound in (low, high))
        first = np.flatnonzero(nodes.parted).astype(np.int32)
        number = np.concatenate([first, np.arange(len(centres), len(home), dtype=np.int32)])
        cell, sheet = np.concatenate([first, nodes.cell]), np.concatenate([np.zeros_like(first), nodes.sheet])
        places = home.copy()
        places[number] += _sheets().place[cells.codes[cell].astype(np.intp) * 4 + sheet]
        np.clip(places, low, high, out=places)
    else:
        home, places = centres, centres.copy()
    pulled = _pull(corners, len(home))
    for _ in range(RELAXING_PASSES):
        _pass(pulled, places)
        _confine(places, low, high)
    shrunk = home - places
    for _ in range(RESTORING_PASSES):
        _pass(pulled, shrunk)
    places += shrunk
    _confine(places, low, high)
    return places


def _pull(corners: Numbers, count: int) -> Callable[[Floats], Floats]:
    """What takes values at the nodes to the means of their neighbours' values, times the pull.

    Every side of the mesh runs once each way, so that the sides that leave a node lead to its neighbours.
    """
    from scipy.sparse import coo_array  # deferred: takes long to load, and only this surface needs it

    start, end = corners.ravel(), np.concatenate([corners[1:].ravel(), corners[0]])
    sides = coo_array((np.ones(start.size, np.float32), (start, end)), shape=(count, count))
    sides.has_canonical_format = True  # not quite: a doubled side counts twice. It keeps the neighbours unsorted
    matrix = sides.tocsr()
    degrees = np.diff(matrix.indptr)
    matrix.data[:] = np.repeat((np.float32(PULL) / degrees).astype(np.float32), degrees)
    return matrix.__matmul__


def _pass(pulled: Callable[[Floats], Floats], values: Floats) -> None:
    towards = pulled(values)
    values *= np.float32(1 - PULL)
    values += towards


def _confine(places: Floats, low: Floats, high: Floats) -> None:
    np.maximum(places, low, out=places)
    np.minimum(places, high, out=places)


def _measured(places: Floats, corners: Numbers) -> Quads:
    """The quads between nodes at these places."""
    along = [np.ascontiguousarray(places[:, axis]) for axis in range(3)]
    count = corners.shape[1]
    geometry, areas = np.empty((count, 15), np.float32), np.empty(count)
    for start in range(0, count, QUADS_AT_ONCE):
        part = slice(start, start + QUADS_AT_ONCE)
        block = geometry[part]
        around: list[list[Floats]] = [[], [], [], []]
        for axis in range(3):
            at = [along[axis][corner] for corner in corners[:, part]]
            centre = ((at[0] + at[2]) + (at[1] + at[3])) * np.float32(0.25)
            block[:, axis] = centre
            for number, place in enumerate(at):
                outward = place - centre
                block[:, 3 + 3 * number + axis] = outward
                around[number].append(outward)
        areas[part] = _fan_area(around)
    return Quads(geometry=geometry, areas=areas)


def _fan_area(corners: list[list[Floats]]) -> Floats:
    """The area of four triangles each, from their corners less the centre."""
    twice = np.zeros_like(corners[0][0])
    for (a, b, c), (d, e, f) in itertools.pairwise([*corners, corners[0]]):
        twice += np.sqrt(np.square(b * f - c * e) + np.square(c * d - a * f) + np.square(a * e - b * d))
    return twice * np.float32(0.5)
