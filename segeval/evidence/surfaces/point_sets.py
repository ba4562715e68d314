"""Distances between sets of voxel centres that other tools use as surfaces, for all labels at once.

The wide border is defined by all touching neighbours, also across edges and corners, and may exclude the edge of the
image; the region is all voxels of a mask. A set is a table: the padded array with the code of each point, 0 elsewhere.
Points in both sets have distance 0 and need no search. From any other point, the nearest point of a set is on the
border of the set, so only the border is searched; a distance transform is used if there are very many points.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.surfaces.borders import Borders, Coding, Frame, Index, foreground_box, lengths_of
from segeval.evidence.surfaces.distances import NOTHING, Distances, together
from segeval.evidence.surfaces.nearest import Search, for_both
from segeval.maps.label_map import Labels, slabs

Key = TypeVar("Key", bound=Hashable)

CHUNK = 1 << 17  # elements of a table at a time
MANY_POINTS = 1 << 17  # points of a label outside the other map; with more a distance transform is faster


class PointSets:
    """Voxels that other tools use as the surface of each label, in two maps.

    Parameters
    ----------
    prediction, reference
        Labels of the same shape, axes (z, y, x) or (y, x).
    present
        Labels of both maps.
    spacing
        Distance between voxel centres along each array axis.
    whole
        Whether all voxels of a mask count, not only its border.
    edge_is_border
        Whether voxels at the edge of the image are border voxels.
    ignored
        Leave out voxels whose reference is this label; in the prediction only it is label 0.
    threads
        Number of threads; results do not depend on it.
    """

    def __init__(
        self,
        *,
        prediction: Labels,
        reference: Labels,
        present: Collection[int],
        spacing: tuple[float, ...],
        whole: bool,
        edge_is_border: bool,
        ignored: int | None = None,
        threads: int = 1,
    ) -> None:
        self._maps, self._present, self._spacing = (prediction, reference), present, spacing
        self._whole, self._edge_is_border = whole, edge_is_border
        self._ignored, self._threads = ignored, threads

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances to the set of the reference and to that of the prediction, for each union of labels.

        Parameters
        ----------
        groups
            Labels of each union, by key. No label may be in two unions.
        """
        coding = Coding(list(groups.values()), present=self._present, ignored=self._ignored)
        search = Search.of(self._spacing, partial(self._framed, coding))
        frame = search.frame
        both = for_both(self._threads, math.prod(frame.shape))
        predicted, referred = both(self._table, [(each, coding, frame) for each in self._maps])
        to_reference, to_prediction = both(_directed, [(predicted, referred, search), (referred, predicted, search)])
        return {
            key: (to_reference.get(code, NOTHING), to_prediction.get(code, NOTHING))
            for key, code in zip(groups, coding.of_group, strict=True)
        }

    def _framed(self, coding: Coding, steps: Index) -> Frame:
        """Frame around the foreground, or the image if the background is scored; no step leads outside."""
        box = tuple(slice(0, n) for n in self._maps[1].shape) if coding.outside else foreground_box(*self._maps)
        margin = tuple(np.abs(steps).max(axis=0, initial=1).tolist())
        shape = tuple(part.stop - part.start + 2 * m for part, m in zip(box, margin, strict=True))
        return Frame(box=box, shape=shape, margin=margin)

    def _table(self, labels: Labels, coding: Coding, frame: Frame) -> Labels:
        """Points of one map: their codes in the flat padded array."""
        edges = [
            (part.start == 0 and not self._edge_is_border, part.stop == n and not self._edge_is_border)
            for part, n in zip(frame.box, labels.shape, strict=True)
        ]
        labels, reference = labels[frame.box], self._maps[1][frame.box]
        table = np.zeros(frame.shape, coding.dtype)
        inner = table[tuple(slice(m, n - m) for m, n in zip(frame.margin, frame.shape, strict=True))]
        for part in slabs(labels.shape):
            low, high = max(part.start - 1, 0), min(part.stop + 1, len(labels))
            codes = coding.encode(labels[low:high], reference=reference[low:high])
            points = codes[part.start - low : part.stop - low]
            if not self._whole:
                points = points * _on_wide_border(codes, edges, ends=(part.start == low, part.stop == high))
            if self._ignored is not None:
                points = np.where(reference[part] == self._ignored, coding.dtype.type(0), points)
            inner[part] = points
        return table.ravel()


def _on_wide_border(codes: Labels, edges: list[tuple[bool, bool]], ends: tuple[bool, bool]) -> NDArray[np.bool_]:
    """Whether any voxel that touches a voxel, also across edges and corners, has another code.

    Parameters
    ----------
    codes
        A slab with the slices before and after it, unless it is at an end of the box.
    edges
        For both sides of each axis, whether the outside of the box has the code of the adjacent voxels.
    ends
        Whether the first slice is the first of the box, and whether the last slice is the last.
    """
    for axis, sides in enumerate(edges):
        beyond = ends if axis == 0 else (True, True)
        for side, (pads, alike) in enumerate(zip(beyond, sides, strict=True)):
            if pads:
                outermost = codes.take([-side], axis=axis)
                more = outermost if alike else np.zeros_like(outermost)
                codes = np.concatenate([codes, more] if side else [more, codes], axis=axis)
    least = most = codes
    for axis in range(codes.ndim):
        least, most = (_over_three(each, axis, how) for each, how in ((least, np.minimum), (most, np.maximum)))
    return np.not_equal(least, most)


def _over_three(values: Labels, axis: int, how: Any) -> Labels:
    """Minimum or maximum of each voxel and its two neighbours along an axis, without both ends."""
    values = np.moveaxis(values, axis, 0)
    return np.moveaxis(how(how(values[:-2], values[1:-1]), values[2:]), 0, axis)


def _directed(source: Labels, target: Labels, search: Search) -> dict[int, Distances]:
    """Distances from the points of each code in `source` to those in `target`."""
    common, outside = _compared(source, target)
    outermost = _outermost(target, search.frame.strides)
    reachable = np.bincount(outermost.codes, minlength=outside.size)[: outside.size] > 0
    many = (outside > MANY_POINTS) & reachable
    index = _outside(source, target, ~many)
    found = search.directed(Borders(index=index, codes=source[index], table=source), outermost)
    found |= {code: _transformed(source, target, code, search) for code in np.flatnonzero(many).tolist()}
    return {
        code: together(_at_zero(int(common[code])), found.get(code, NOTHING))
        for code in {*found, *np.flatnonzero(common).tolist()}
    }


def _transformed(source: Labels, target: Labels, code: int, search: Search) -> Distances:
    """Distances from the points of one code that are not in `target`, with a distance transform of its box."""
    from scipy import ndimage  # deferred: slow to import, and only very different masks need it

    one, other = (each.reshape(search.frame.shape) == code for each in (source, target))
    (box,) = ndimage.find_objects((one | other).view(np.int8))
    one, other = one[box] & ~other[box], other[box]
    nearest = ndimage.distance_transform_edt(
        ~other, sampling=search.spacing, return_distances=False, return_indices=True
    )
    found = []
    for part in slabs(one.shape):
        places = np.argwhere(one[part])
        places[:, 0] += part.start
        steps = places - nearest[:, part][:, one[part]].T
        found.append(np.unique(lengths_of(steps, search.spacing), return_counts=True))
    values, place = np.unique(np.concatenate([each for each, _ in found]), return_inverse=True)
    weights = np.bincount(place, np.concatenate([counts for _, counts in found]))
    return Distances(values=values, weights=weights.astype(np.float64))


def _at_zero(points: int) -> Distances:
    return Distances(values=np.zeros(1), weights=np.array([float(points)])) if points else NOTHING


def _compared(source: Labels, target: Labels) -> tuple[Index, Index]:
    """Number of points of each code in `source` that are in both sets, and that are not."""
    common, outside = np.zeros((2, int(source.max(initial=0)) + 1), np.intp)
    for start in range(0, source.size, CHUNK):
        one, other = source[start : start + CHUNK], target[start : start + CHUNK]
        same = one == other
        common += np.bincount(one[same], minlength=common.size)
        outside += np.bincount(one[~same], minlength=common.size)
    common[0] = outside[0] = 0
    return common, outside


def _outside(source: Labels, target: Labels, wanted: NDArray[np.bool_]) -> Index:
    """Positions of the points of `source` with the codes `wanted` that are not in `target`."""
    found = [np.zeros(0, np.intp)]
    for start in range(0, source.size, CHUNK):
        one = source[start : start + CHUNK]
        found.append(np.flatnonzero((one != 0) & (one != target[start : start + CHUNK]) & wanted[one]) + start)
    return np.concatenate(found)


def _outermost(table: Labels, strides: tuple[int, ...]) -> Borders:
    """Points of each set with a face neighbour outside the set."""
    index, across = [np.zeros(0, np.intp)], strides[0]
    for start in range(across, table.size - across, CHUNK):
        stop = min(start + CHUNK, table.size - across)
        here = table[start:stop]
        differs = np.zeros(here.size, bool)
        for stride in strides:
            for step in (-stride, stride):
                differs |= here != table[start + step : stop + step]
        index.append(np.flatnonzero(differs & (here != 0)) + start)
    places = np.concatenate(index)
    return Borders(index=places, codes=table[places], table=table)
