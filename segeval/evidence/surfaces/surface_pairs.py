"""Find the surfaces of all labels of two maps once, and measure distances for any groups of labels.

The surface of a label consists of its border voxels: those with a face neighbour (4 in 2-D, 6 in 3-D) of another label.
Outside the image is background. All labels are searched together.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from segeval.evidence.surfaces.borders import Borders, Coding, Frame, Index, counted, find_borders, merged
from segeval.evidence.surfaces.distances import NOTHING, Distances
from segeval.evidence.surfaces.nearest import Search, SurfacePoints, for_both
from segeval.maps.label_map import Labels

Key = TypeVar("Key", bound=Hashable)
Points = TypeVar("Points", bound=SurfacePoints)


class SurfacePair(ABC, Generic[Points]):
    """Surfaces of all labels of two maps, found once and used for any disjoint groups of labels.

    Parameters
    ----------
    prediction, reference
        Labels of the same shape, axes (z, y, x) or (y, x).
    labels
        Labels that a group may contain.
    present
        Labels of both maps.
    spacing
        Distance between voxel centres along each array axis.
    ignored
        Voxels whose reference is this label have no surface.
    merging
        Whether groups may contain several labels.
    threads
        Number of threads; results do not depend on it.
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
        self._reference, self._spacing, self._merging = reference, spacing, merging
        self._coding = Coding([{label} for label in labels], present=present, ignored=ignored)
        self._search = Search.of(spacing, partial(self._framed, prediction))
        self._frame = self._search.frame
        self._code_of = dict(zip(labels, self._coding.of_group, strict=True))
        self._code_range = 256 if self._coding.dtype == np.uint8 else max(self._coding.of_group, default=0) + 1
        self._both = for_both(threads, math.prod(self._frame.shape))
        self._found: list[Points] = self._both(self._find, [(prediction,), (reference,)])

    @abstractmethod
    def _framed(self, prediction: Labels, steps: Index) -> Frame:
        """Frame for the search in both maps; no step leads outside."""

    @abstractmethod
    def _find(self, labels: Labels) -> Points:
        """Find the surfaces of all labels of one map, with ignored voxels."""

    @abstractmethod
    def _merged(self, points: Points, new: Labels) -> Points:
        """Surfaces of unions of labels; `new` has the code of the union for each code, 0 for none."""

    @abstractmethod
    def _counted(self, points: Points) -> Points:
        """The surfaces without ignored voxels."""

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances between the surfaces of each group of labels, in both directions.

        Parameters
        ----------
        groups
            Labels of each union, by key. No label may be in two unions.

        Returns
        -------
        dict
            By key, the distances from the prediction's surface to the reference's surface, and the reverse. Without
            values if the surface is empty; a single ``inf`` if the other one is empty.
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
        """The surfaces of these codes only."""
        if len(codes) == len(self._code_of):
            return self._found
        wanted = np.zeros(self._code_range, bool)
        wanted[codes] = True
        return [points.only(wanted[points.codes]) for points in self._found]

    def _unions(self, unions: Mapping[int, Collection[int]]) -> list[Points]:
        """The surfaces of unions of labels, by code."""
        new = np.zeros(self._code_range, np.min_scalar_type(len(unions) + 1))
        for code, labels in unions.items():
            new[[self._code_of[label] for label in labels]] = code
        return self._both(self._merged, [(points, new) for points in self._found])


class Surfaces(SurfacePair[Borders]):
    """Voxel surfaces of two maps; see `SurfacePair`."""

    def _framed(self, prediction: Labels, steps: Index) -> Frame:
        return Frame.around(prediction, self._reference, coding=self._coding, steps=steps)

    def _find(self, labels: Labels) -> Borders:
        return find_borders(labels, self._reference, coding=self._coding, frame=self._frame, exposure=self._merging)

    def _merged(self, points: Borders, new: Labels) -> Borders:
        return merged(points, new, strides=self._frame.strides)

    def _counted(self, points: Borders) -> Borders:
        return counted(points, self._reference, coding=self._coding, frame=self._frame)
