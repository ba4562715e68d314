"""What `segeval inspect` says of a file, as plain data: filled by the command, laid out by `console`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedLabel:
    """One label of a file.

    Parameters
    ----------
    label
        Its number.
    name
        Its name, if the file has one.
    voxels
        How many voxels carry it.
    size
        Their volume or area; None where it is not known.
    size_unit
        ``"ml"`` or ``"mm2"``.
    """

    label: int
    name: str | None
    voxels: int
    size: float | None = None
    size_unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedFile:
    """One file.

    Parameters
    ----------
    path
        As it was given.
    stored
        Format and data type: ``"NIfTI-1, gzip, uint8"``.
    shape, spacing
        In array order; the spacing in `unit`.
    origin
        World coordinates (x, y, z) of the first voxel's centre, RAS.
    direction
        For each array axis, the world unit vector (x, y, z) that it runs along, RAS.
    unit
        ``"mm"`` or ``"px"``.
    labels
        In increasing order.
    problem
        Why the file cannot be used; nothing else is known then.
    """

    path: str
    stored: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    direction: tuple[tuple[float, ...], ...] = ()
    unit: str = "mm"
    labels: Sequence[InspectedLabel] = ()
    problem: str | None = None
