"""Compute the elastic surface of a mask, which is closer to the true surface than the staircase of voxels.

A *cell* is the cube between eight voxel centres. The surface passes through cells that contain voxels of the mask and
others; each sheet of the surface in a cell gets a *node*, which starts in the middle of the cell. Each face between a
voxel of the mask and another voxel becomes a *quad* between the nodes of the four cells around it, so the mesh starts
as the staircase. Then the mesh relaxes: a few times, each node moves most of the way to the mean of its neighbours, but
never out of its cell, and only a little where the mask is one or two voxels thin. Relaxing shrinks round objects, so
the smooth part of the displacement is undone. The result has no stairs, the original size, and all objects.

Lengths are in voxels until the end, in single precision, and relative to the first voxel of the array: the same voxels
in the same array have exactly the same nodes. 3-D only.
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
REACH = (0.5, 0.15, 0.3)  # largest move of a node, in voxels: into thick parts, one voxel thin, two voxels thin

PAD = 3  # the cells around an object are one voxel outside it, and thin parts are searched two cells further
QUADS_AT_ONCE = 1 << 14  # quads at a time, for the cache

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]  # of cells: bit i0 + 2 * i1 + 4 * i2 is set if the voxel at that corner is in the mask
Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Index = NDArray[np.intp]

LOWER_CORNERS = tuple(sum(1 << corner for corner in range(8) if not corner >> axis & 1) for axis in range(3))
AROUND = (0, 1, 3, 2)  # number of a grid edge in each of the four cells around it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quads:
    """A surface of quads, each made of four triangles around its centre.

    Parameters
    ----------
    geometry
        For each quad the centre, and the four corners minus the centre, as (z, y, x) in the unit of the spacing; shape
        (n, 15).
    areas
        Areas of the quads; shape (n,).
    """

    geometry: Floats
    areas: NDArray[np.float64]

    @property
    def centres(self) -> Floats:
        """Centres of the quads; shape (n, 3)."""
        return self.geometry[:, :3]

    @property
    def radius(self) -> float:
        """Largest distance of a corner from its centre."""
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
    """Compute the elastic surface of a mask.

    Parameters
    ----------
    voxels
        Function that returns a range of slices of the mask along its first axis; axes (z, y, x).
    shape
        Shape of the whole mask. Equal parts of two masks have equal quads if the shapes are equal.
    spacing
        Distance between voxel centres along each axis.
    outside
        Whether everything outside the array is in the mask too.
    counted
        Voxels that may have a surface, with a margin of one voxel around the shape; None for all. Quads of other
        voxels are removed at the end.

    Returns
    -------
    Quads
        One for each face between a voxel of the mask and another voxel, in an order that depends only on the mask.
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
    """Cells that a surface passes, in the order of a padded array, at the position of their lowest corner."""

    shape: tuple[int, ...]  # padded
    everywhere: Codes  # the codes of all cells, flat
    index: Index
    codes: Codes

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.shape[1] * self.shape[2], self.shape[2], 1

    @classmethod
    def of(cls, voxels: Callable[[slice], Mask], *, shape: tuple[int, ...], outside: bool) -> _Cells:
        """Find the cells of a mask, slab by slab to save memory."""
        padded = tuple(n + 2 * PAD for n in shape)
        across, row = padded[1] * padded[2], padded[2]
        everywhere: Codes = np.zeros(math.prod(padded), np.uint8)
        inner = tuple(slice(PAD, PAD + n) for n in shape[1:])
        index = [np.zeros(0, np.intp)]
        for part in slabs((shape[0] + 1, *padded[1:])):  # part: planes of cells, the first below the first voxels
            low, high = max(part.start - 1, 0), min(part.stop, shape[0])
            block = np.zeros((part.stop - part.start + 1, *padded[1:]), np.uint8)
            inside = block[(slice(low + 1 - part.start, high + 1 - part.start), *inner)]
            # outside the array nothing is in the mask, or everything; then take the complement
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
    """Sheets of the surface in a cell, by the code of the cell.

    Crossed edges belong to the same sheet if they are joined on a face of the cell. On a face with four crossed edges,
    the two edges at each corner outside the mask are joined, so that the corners of the mask stay connected.
    """

    count: Codes  # number of sheets, 0 to 4; shape (256,)
    of_edge: Codes  # sheet of each edge; flat, shape (256 * 12,)
    place: Floats  # mean of the edge midpoints of a sheet, relative to the cell's centre; shape (256 * 4, 3)


@cache
def _sheets() -> _Sheets:
    edges = [
        (first, first | 1 << axis)
        for axis in range(3)
        for first in range(8)  # numbers the four edges of an axis by their position across it
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
    """One node for each sheet; nodes of first sheets come first, in the order of the cells."""

    cell: Numbers  # cell of each further node
    sheet: Numbers  # sheet of each further node
    parted: Mask  # whether a cell has several nodes
    before: Numbers  # number of the second node of such a cell, minus 1

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
        """Nodes of these cells on the sheet of an edge."""
        if not self.cell.size:
            return among
        where = np.flatnonzero(self.parted[among])
        chosen = among[where]
        sheet = _sheets().of_edge[codes[chosen].astype(np.intp) * 12 + edge]
        nodes = among.copy()
        nodes[where] = np.where(sheet > 0, self.before[chosen] + sheet, chosen)
        return nodes


def _connected(cells: _Cells, nodes: _Nodes, *, owned: bool) -> tuple[Numbers, Index]:
    """Corner nodes of the quads, shape (4, n), and if `owned` the voxel of the mask for each quad.

    Seen from outside the mask, all quads have the same orientation, so that each side has its reverse in the next quad.
    """
    index, codes = cells.index, cells.codes
    below = [np.searchsorted(index, index - stride).astype(np.int32) for stride in cells.strides[:2]]
    parts: list[list[Numbers]] = [[], [], [], []]
    owners: list[Index] = [np.zeros(0, np.intp)]
    for axis in range(3):
        here = np.flatnonzero((codes ^ (codes >> np.uint8(1 << axis))) & 1).astype(np.int32)
        if (
            axis == 2
        ):  # the two cells across an edge, one step down along the other axes, and the cell diagonally opposite
            first, second = below[0][here], below[1][here]
            both = below[1][first]
        else:
            first, second = below[1 - axis][here], here - 1  # along the last axis, cells are adjacent in memory
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
    """Centre of each cell in voxels; the centre of the first voxel is 0; shape (n, 3)."""
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
    """Lowest and highest position that the node of each cell may take."""
    reach = np.array(REACH, np.float32)
    low, high = np.empty_like(centres), np.empty_like(centres)
    for axis in range(3):
        corners, step, stride = np.uint8(LOWER_CORNERS[axis]), np.uint8(1 << axis), cells.strides[axis]
        at_low, at_high = cells.codes & corners, (cells.codes >> step) & corners
        for ending, shift, onward in ((at_low & ~at_high, np.uint8(0), -stride), (at_high & ~at_low, step, stride)):
            # ending: corners whose voxel is the last of a run of the mask; following, after: the next voxels of the run
            following = (cells.everywhere[cells.index + onward] >> shift) & ending
            after = cells.everywhere[cells.index + 2 * onward] >> shift
            thin = np.where(following != ending, np.uint8(1), ((following & ~after) != 0).view(np.uint8) << np.uint8(1))
            if onward < 0:
                low[:, axis] = centres[:, axis] - reach[thin]
            else:
                high[:, axis] = centres[:, axis] + reach[thin]
    return low, high


def _relaxed(cells: _Cells, nodes: _Nodes, corners: Numbers) -> Floats:
    """Final positions of the nodes, in voxels; shape (n, 3)."""
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
    """Return a function that maps values at the nodes to the means over their neighbours, times the pull.

    Each side of the mesh occurs once in each direction, so the sides that leave a node lead to all its neighbours.
    """
    from scipy.sparse import coo_array  # deferred: slow to import, and only this surface needs it

    start, end = corners.ravel(), np.concatenate([corners[1:].ravel(), corners[0]])
    sides = coo_array((np.ones(start.size, np.float32), (start, end)), shape=(count, count))
    sides.has_canonical_format = True  # not quite, as a doubled side counts twice; keeps the neighbours unsorted
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
    """Quads between nodes at these positions."""
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
    """Area of four triangles for each quad, from the corners minus the centre."""
    twice = np.zeros_like(corners[0][0])
    for (a, b, c), (d, e, f) in itertools.pairwise([*corners, corners[0]]):
        twice += np.sqrt(np.square(b * f - c * e) + np.square(c * d - a * f) + np.square(a * e - b * d))
    return twice * np.float32(0.5)
