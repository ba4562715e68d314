"""Distances between the voxel surfaces of groups of labels, in one call."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

from segeval.evidence.surfaces.distances import Distances
from segeval.evidence.surfaces.surface_pairs import Surfaces
from segeval.maps.label_map import Labels

Key = TypeVar("Key", bound=Hashable)


def surface_distances(
    *,
    prediction: Labels,
    reference: Labels,
    groups: Mapping[Key, Collection[int]],
    present: Collection[int],
    spacing: tuple[float, ...],
    ignored: int | None = None,
    threads: int = 1,
) -> dict[Key, tuple[Distances, Distances]]:
    """Distances between the surfaces of every group of labels, both ways, in one go; see `Surfaces`."""
    surfaces = Surfaces(
        prediction=prediction,
        reference=reference,
        labels=[label for members in groups.values() for label in members],
        present=present,
        spacing=spacing,
        ignored=ignored,
        merging=any(len(members) != 1 for members in groups.values()),
        threads=threads,
    )
    return surfaces.distances(groups)
