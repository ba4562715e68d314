"""The inner rims of every label: the evidence behind the boundary IoU.

The rim of a mask is what lies within some width of one of its border voxels. Nothing here knows of distances between
two maps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from segeval.borders import Coding, Frame, counted, find_borders, steps_within
from segeval.labelmap import Labels

Key = TypeVar("Key", bound=Hashable)

CHUNK = 1 << 15  # border voxels that reach out together, so that what they touch stays in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    """Voxels in the rims of one label's two masks.

    Parameters
    ----------
    prediction, reference, both
        Voxels in the prediction's rim, in the reference's, in both at once.
    """

    prediction: int
    reference: int
    both: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bands:
    """The inner rims of one label's two masks, of any width.

    Parameters
    ----------
    measure
        From a width in the unit of the grid to the voxels within it of a border voxel of the same mask.
    """

    measure: Callable[[float], Rims]

    def within(self, width: float) -> Rims:
        """The rims of that width."""
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
    """Voxels of every group that lie within `width` of a border voxel of the same mask.

    The time grows with the number of voxels in a ball of radius `width`. See `segeval.surfaces.surface_distances`
    for the other parameters.
    """
    steps = steps_within(spacing, width)
    coding = Coding(list(groups.values()), present=present, ignored=ignored)
    frame = Frame.around(prediction, reference, steps=steps, coding=coding)
    strides = (steps @ np.array(frame.strides)).tolist()
    of_prediction, of_reference = (
        _rim(labels, reference, strides=strides, coding=coding, frame=frame) for labels in (prediction, reference)
    )
    both = np.where(of_prediction == of_reference, of_prediction, 0)
    codes = int(max(coding.of_group, default=0)) + 1
    voxels = [np.bincount(each.ravel(), minlength=codes).tolist() for each in (of_prediction, of_reference, both)]
    return {
        key: Rims(prediction=voxels[0][code], reference=voxels[1][code], both=voxels[2][code])
        for key, code in zip(groups, coding.of_group, strict=True)
    }


def _rim(labels: Labels, reference: Labels, *, strides: list[int], coding: Coding, frame: Frame) -> Labels:
    """The codes of the voxels that a border voxel of the same code reaches by one of `strides`; 0 elsewhere."""
    borders = counted(
        find_borders(labels, reference, coding=coding, frame=frame), reference, coding=coding, frame=frame
    )
    whole = np.zeros(frame.shape, coding.dtype)
    inner = tuple(slice(m, n - m) for m, n in zip(frame.margin, frame.shape, strict=True))
    whole[inner] = coding.encode(labels[frame.box], reference=reference[frame.box])
    if coding.ignored is not None:
        whole[inner][reference[frame.box] == coding.ignored] = 0
    flat, rim = whole.ravel(), borders.table
    for start in range(0, borders.index.size, CHUNK):
        index, codes = borders.index[start : start + CHUNK], borders.codes[start : start + CHUNK]
        for stride in strides:
            reached = np.flatnonzero(flat.take(index + stride) == codes)
            rim[index[reached] + stride] = codes[reached]
    return rim
