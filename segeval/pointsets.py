"""Distances between sets of voxel centres that other tools take for surfaces: label by label, through a k-d tree.

The wide border counts every neighbour that touches, across edges and corners too, and can leave the edge of the image
out; the region is every voxel of a mask. Only presets ask for them, so they are plain rather than fast.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.borders import lengths_of
from segeval.labelmap import Labels
from segeval.surfaces import NOTHING, Distances

Key = TypeVar("Key", bound=Hashable)
Mask = NDArray[np.bool_]
Points = NDArray[np.intp]


class PointSets:
    """The voxels that stand for the surface of each label in two maps.

    Parameters
    ----------
    prediction, reference
        Labels of one shape, axes (z, y, x) or (y, x).
    spacing
        Distance between voxel centres along each array axis.
    whole
        Whether every voxel of a mask counts, and not only those on its border.
    edge_is_border
        Whether a voxel at the edge of the image is on the border.
    ignored
        Voxels whose reference is this label are in neither set.
    """

    def __init__(
        self,
        *,
        prediction: Labels,
        reference: Labels,
        spacing: tuple[float, ...],
        whole: bool,
        edge_is_border: bool,
        ignored: int | None = None,
    ) -> None:
        self._maps = prediction, reference
        self._spacing, self._whole, self._edge_is_border = spacing, whole, edge_is_border
        self._ignored = None if ignored is None else reference == ignored

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances to the reference's set, and to the prediction's, of each union of labels."""
        return {key: self._of(np.array(sorted(labels), np.uint64)) for key, labels in groups.items()}

    def _of(self, labels: NDArray[np.uint64]) -> tuple[Distances, Distances]:
        predicted, referred = (self._points(np.isin(each, labels)) for each in self._maps)
        return self._directed(predicted, referred), self._directed(referred, predicted)

    def _points(self, mask: Mask) -> Points:
        from scipy import ndimage  # deferred: few runs need it

        if not self._whole:
            around = np.ones((3,) * mask.ndim, bool)
            mask = mask & ~ndimage.binary_erosion(mask, around, border_value=not self._edge_is_border)
        if self._ignored is not None:
            mask = mask & ~self._ignored
        return np.argwhere(mask)

    def _directed(self, points: Points, targets: Points) -> Distances:
        if not len(points):
            return NOTHING
        if not len(targets):
            return Distances(values=np.array([math.inf]), weights=np.array([float(len(points))]))
        from scipy.spatial import cKDTree  # deferred: it takes longer to load than a pair to score

        scale = np.array(self._spacing)
        _, nearest = cKDTree(targets * scale).query(points * scale)
        values, counts = np.unique(lengths_of(points - targets[nearest], self._spacing), return_counts=True)
        return Distances(values=values, weights=counts.astype(np.float64))
