"""Inspect files for `segeval inspect`: grid, labels, and problems."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segeval.errors import InputError
from segeval.evidence.counts import count_labels
from segeval.maps.label_map import Grid, LabelMap, Labels, slabs
from segeval.reading import read_label_map
from segeval.reading.folders import read_class_folder

Box = tuple[tuple[int, int], ...]  # first and last index along each array axis


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedLabel:
    """One label of a file.

    Parameters
    ----------
    label
        Number of the label.
    name
        Name of the label, if it has one.
    voxels
        Number of voxels.
    size
        Volume or area; None if it is unknown.
    size_unit
        ``"ml"`` or ``"mm2"``.
    components
        Number of face-connected pieces.
    box
        First and last index of the bounding box along each array axis.
    """

    label: int
    name: str | None
    voxels: int
    size: float | None = None
    size_unit: str | None = None
    components: int | None = None
    box: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedFile:
    """One file.

    Parameters
    ----------
    path
        Path as given by the user.
    stored
        Format and data type: ``"NIfTI-1, gzip, uint8"``.
    shape, spacing
        Shape and spacing in array order; the spacing in `unit`.
    origin
        World coordinates (x, y, z) of the centre of the first voxel, RAS.
    direction
        World unit vector (x, y, z) of each array axis, RAS.
    unit
        ``"mm"`` or ``"px"``.
    labels
        Labels in increasing order, without the background.
    remarks
        Further remarks: orientations that disagree, labels that overlap.
    problem
        Reason why the file cannot be used; then nothing else is known.
    """

    path: str
    stored: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    direction: tuple[tuple[float, ...], ...] = ()
    unit: str = "mm"
    labels: tuple[InspectedLabel, ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str | None = None


def inspect_file(path: str, *, names: Mapping[int, str] | None = None) -> tuple[InspectedFile, InputError | None]:
    """Inspect a file, or a folder with a file for each class.

    Parameters
    ----------
    path
        The file or folder.
    names
        Names of labels by number, for labels that the file does not name.

    Returns
    -------
    InspectedFile
        Contents of the file, or the reason why it cannot be used.
    InputError or None
        The same reason as an error.
    """
    try:
        folder = Path(path).is_dir()
        label_map = read_class_folder(path, names=names) if folder else read_label_map(path, names=names)
    except InputError as error:
        return InspectedFile(path=path, problem="; ".join(filter(None, (error.problem, error.hint)))), error
    grid = label_map.grid
    layers = [replace(label_map, overlays=()), *label_map.overlays]
    labels = [label for layer in layers for label in _labels_of(layer, {**label_map.names, **(names or {})})]
    remarks = list(label_map.remarks)
    if label_map.overlays:
        remarks.append(f"the labels overlap, in {len(layers)} layers")
    found = InspectedFile(
        path=path,
        stored=label_map.stored,
        shape=grid.shape,
        spacing=grid.spacing,
        origin=grid.origin,
        direction=grid.direction,
        unit=grid.unit,
        labels=tuple(sorted(labels, key=lambda each: each.label)),
        remarks=tuple(remarks),
    )
    return found, None


def _labels_of(layer: LabelMap, names: Mapping[int, str]) -> list[InspectedLabel]:
    voxels = {label: count for label, count in count_labels(layer.labels).items() if label}
    pieces = _pieces(layer.labels, list(voxels))
    size, unit = _voxel_size(layer.grid)
    return [
        InspectedLabel(
            label=label,
            name=names.get(label),
            voxels=count,
            size=None if size is None else count * size,
            size_unit=unit,
            components=pieces[label][0],
            box=pieces[label][1],
        )
        for label, count in voxels.items()
    ]


def _pieces(labels: Labels, present: list[int]) -> dict[int, tuple[int, Box]]:
    """Number of pieces and bounding box of each label, without a copy of the whole map."""
    from scipy import ndimage  # deferred: slow to import, and few commands need it

    label: Any = ndimage.label  # its type hints allow int32 output only
    found = {}
    for number, box in _boxes(labels, present).items():
        mask = labels[tuple(slice(first, last + 1) for first, last in box)] == number
        try:
            _, components = label(mask, output=np.uint16)
        except RuntimeError:  # too many pieces for uint16
            _, components = label(mask)
        found[number] = (int(components), box)
    return found


def _boxes(labels: Labels, present: list[int]) -> dict[int, Box]:
    from scipy.ndimage import find_objects

    numbers = np.array([0, *present], np.uint64)
    found: dict[int, list[tuple[int, int]]] = {}
    for part in slabs(labels.shape) if present else ():
        codes = np.searchsorted(numbers, labels[part]).astype(np.int32)
        boxes: list[Any] = find_objects(codes, max_label=len(present))
        for number, box in zip(present, boxes, strict=True):
            if box is None:
                continue
            here = [(each.start, each.stop - 1) for each in box]
            here[0] = (here[0][0] + part.start, here[0][1] + part.start)
            before = found.get(number, here)
            found[number] = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(before, here, strict=True)]
    return {number: tuple(box) for number, box in sorted(found.items())}


def _voxel_size(grid: Grid) -> tuple[float | None, str | None]:
    """Volume of a voxel, its area in an image of one slice, or None if the spacing is unknown."""
    if grid.unit != "mm":
        return None, None
    sides = [step for step, voxels in zip(grid.spacing, grid.shape, strict=True) if voxels > 1 or 1 not in grid.shape]
    return (math.prod(sides) / 1000, "ml") if len(sides) == 3 else (math.prod(sides), "mm2")
