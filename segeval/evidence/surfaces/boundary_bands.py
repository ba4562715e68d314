"""Find the boundary bands of labels: the evidence for the boundary IoU.

The boundary band of a mask consists of its voxels within some distance of its border voxels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from segeval.evidence.surfaces.borders import Borders, Coding, Frame, counted, find_borders, steps_within
from segeval.maps.label_map import Labels, slabs

Key = TypeVar("Key", bound=Hashable)

MANY_STEPS = 4096  # steps around a border voxel; with more a distance transform is faster
CHUNK = 1 << 15  # border voxels at a time, for the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    """Sizes of the boundary bands of one label.

    Parameters
    ----------
    prediction, reference, both
        Number of voxels in the band of the prediction, in that of the reference, and in both at once.
    """

    prediction: int
    reference: int
    both: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bands:
    """Boundary bands of one label, of any width.

    Parameters
    ----------
    measure
        Function of a width in the unit of the grid that returns the sizes of the bands.
    """

    measure: Callable[[float], Rims]

    def within(self, width: float) -> Rims:
        """Sizes of the bands of this width."""
        return self.measure(width)


def rims(
    *,
    prediction: Labels,
    reference: Labels,
    groups: Mapping[Key, Collection[int]],
    present: Collection[int],
    spacing: tuple[float, ...],
    width: float,
    ignored: int | None = None,
) -> dict[Key, Rims]:
    """Count the voxels of each group within `width` of a border voxel of the same mask.

    See `segeval.evidence.surfaces.surface_pairs.Surfaces` for the other parameters.
    """
    coding = Coding(list(groups.values()), present=present, ignored=ignored)
    reach = math.prod(2 * min(int(width / step), MANY_STEPS) + 1 for step in spacing)
    steps = steps_within(spacing, width) if reach <= MANY_STEPS else None
    frame = Frame.around(prediction, reference, steps=steps, coding=coding)
    found = []
    for labels in (prediction, reference):
        borders = counted(
            find_borders(labels, reference, coding=coding, frame=frame), reference, coding=coding, frame=frame
        )
        whole = _laid_out(labels, reference, coding=coding, frame=frame)
        if steps is None:
            found.append(_rim_by_transform(borders, whole, spacing=spacing, width=width))
        else:
            found.append(_rim_by_steps(borders, whole, strides=(steps @ np.array(frame.strides)).tolist()))
    codes = int(max(coding.of_group, default=0)) + 1
    voxels = np.zeros((3, codes), np.int64)
    for part in slabs(frame.shape):
        of_prediction, of_reference = found[0][part], found[1][part]
        both = np.where(of_prediction == of_reference, of_prediction, 0)
        for place, each in enumerate((of_prediction, of_reference, both)):
            voxels[place] += np.bincount(each.ravel(), minlength=codes)[:codes]
    return {
        key: Rims(prediction=int(voxels[0, code]), reference=int(voxels[1, code]), both=int(voxels[2, code]))
        for key, code in zip(groups, coding.of_group, strict=True)
    }


def _laid_out(labels: Labels, reference: Labels, *, coding: Coding, frame: Frame) -> Labels:
    """Codes of one map in its frame; 0 for ignored voxels."""
    whole = np.zeros(frame.shape, coding.dtype)
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin, frame.shape, strict=True))
    whole[inner] = coding.encode(labels[frame.box], reference=reference[frame.box])
    if coding.ignored is not None:
        whole[inner][reference[frame.box] == coding.ignored] = 0
    return whole


def _rim_by_steps(borders: Borders, whole: Labels, *, strides: list[int]) -> Labels:
    """Codes of the voxels that are one of `strides` away from a border voxel of the same code; 0 elsewhere."""
    flat, rim = whole.ravel(), borders.table
    for start in range(0, borders.index.size, CHUNK):
        index, codes = borders.index[start : start + CHUNK], borders.codes[start : start + CHUNK]
        for stride in strides:
            reached = np.flatnonzero(flat.take(index + stride) == codes)
            rim[index[reached] + stride] = codes[reached]
    return rim.reshape(whole.shape)


def _rim_by_transform(borders: Borders, whole: Labels, *, spacing: tuple[float, ...], width: float) -> Labels:
    """The same for any width, by a distance transform in the box of each code."""
    from scipy.ndimage import distance_transform_edt, find_objects  # deferred: few need it

    rim, table = np.zeros_like(whole), borders.table.reshape(whole.shape)
    for code, box in enumerate(find_objects(whole.astype(np.int32)), start=1):
        border = None if box is None else table[box] == code
        if border is not None and border.any():
            near = distance_transform_edt(~border, sampling=spacing) <= width
            rim[box][near & (whole[box] == code)] = code
    return rim
