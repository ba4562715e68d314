"""Read a case from a folder with one binary mask per class, as TotalSegmentator writes it.

The file name is the name of the class. Prediction and reference are read together, because classes are numbered over
the names of both. Overlapping classes become layers. A class of the reference without a file in the prediction is an
error: a missing file is not an empty prediction.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid, LabelMap, Labels, slabs
from segeval.maps.labels import plain_name
from segeval.reading import read_label_map
from segeval.reading.formats import stem_of, suffix_of, suffixes
from segeval.text import enumerated, natural_order

GRID_TOLERANCE = 1e-3  # share of the smallest spacing: all files of a case come from one writer


def read_class_folders(
    prediction: str, reference: str, *, names: Mapping[int, str] | None = None
) -> tuple[LabelMap, LabelMap]:
    """Read two folders with a binary mask for each class.

    Parameters
    ----------
    prediction, reference
        The folders.
    names
        Names of the labels, by number; a class with one of these names gets its number.

    Returns
    -------
    tuple of LabelMap
        Prediction and reference. Classes without a number in `names` are numbered after the others, in the natural
        order of their names; these numbers have no meaning.

    Raises
    ------
    InputError
        A folder has no masks or two files for one class, the prediction has no file for a class of the reference, or a
        file is damaged, not binary, or on another grid than the other files of its folder.
    """
    of_prediction, of_reference = class_files(prediction), class_files(reference)
    missing = [name for name in of_reference if name not in of_prediction]
    if missing:
        raise InputError(
            f"no file for {len(missing)} of {len(of_reference)} classes: {enumerated(missing, shown, last=', ')}",
            source=prediction,
            hint="write an empty mask for a class that was not found",
        )
    numbers = _numbered({*of_prediction, *of_reference}, names or {})
    return _read_folder(prediction, of_prediction, numbers), _read_folder(reference, of_reference, numbers)


def read_class_folder(folder: str, *, names: Mapping[int, str] | None = None) -> LabelMap:
    """Read a single folder with a binary mask for each class; see `read_class_folders`."""
    files = class_files(folder)
    return _read_folder(folder, files, _numbered(set(files), names or {}))


def _numbered(classes: Collection[str], names: Mapping[int, str]) -> dict[str, int]:
    """Return the number of each class: from `names` if it is there, otherwise the next free one."""
    given = {plain_name(name): number for number, name in sorted(names.items(), reverse=True) if number > 0}
    numbers = {name: given[plain_name(name)] for name in classes if plain_name(name) in given}
    free = count(max(names, default=0) + 1)
    return numbers | {name: next(free) for name in sorted(classes, key=natural_order) if name not in numbers}


def class_files(folder: str) -> dict[str, str]:
    """Return class name -> file for the label maps directly in a folder, except hidden files.

    Raises
    ------
    InputError
        The folder has no label map, or two for one class.
    """
    found: dict[str, str] = {}
    try:
        entries = sorted(path.name for path in Path(folder).iterdir())
    except OSError as error:
        raise InputError(
            f"the folder cannot be read: {(error.strerror or str(error)).lower()}", source=folder
        ) from None
    for entry in entries:
        if entry.startswith(".") or not suffix_of(entry, "labels"):
            continue
        name = stem_of(entry, "labels")
        if name in found:
            raise InputError(
                f"class {shown(name)} has two files: {shown(Path(found[name]).name)} and {shown(entry)}",
                source=folder,
            )
        found[name] = str(Path(folder, entry))
    if not found:
        raise InputError(
            "the folder has no label maps: expected one file for each class",
            source=folder,
            hint=f"use files that end in {', '.join(suffixes('labels'))}",
        )
    return found


def _read_folder(folder: str, files: Mapping[str, str], numbers: Mapping[str, int]) -> LabelMap:
    layers: list[Labels] = []
    dtype = np.min_scalar_type(max(numbers.values()))
    grid, stored = None, ""
    for name, path in files.items():
        mask = read_label_map(path, by_bids=False)
        if grid is None:
            grid, stored = mask.grid, mask.stored
        if mask.overlays:
            layers_found = len(mask.overlays) + 1
            raise InputError(f"expected a mask of one class, found {layers_found} layers", source=mask.source)
        _check_binary(mask)
        _check_grid(mask, grid)
        _paint(mask.labels, numbers[name], layers, dtype)
    names = {numbers[name]: name for name in files}
    maps = [
        LabelMap(labels=labels, grid=grid, names=names, source=folder, stored=f"{len(files)} files, {stored}")
        for labels in layers
        if grid is not None
    ]
    return replace(maps[0], overlays=tuple(maps[1:]))


def _check_binary(mask: LabelMap) -> None:
    values: set[int] = set()
    for part in slabs(mask.labels.shape):
        slab = mask.labels[part]
        values |= {int(slab.max(initial=0))}
        top = max(values)
        odd = (slab != 0) & (slab != top)
        if odd.any():
            values.add(int(slab[odd][0]))
        if len(values - {0}) > 1:
            raise InputError(
                f"expected a mask of one class, found the labels {', '.join(map(str, sorted(values - {0})))}",
                source=mask.source,
                hint="write one binary mask for each class into the folder",
            )


def _check_grid(mask: LabelMap, grid: Grid) -> None:
    if not same_place(mask.grid, grid):
        raise InputError("the grid differs from that of the first file in the folder", source=mask.source)


def same_place(grid: Grid, other: Grid) -> bool:
    """Whether two files of a case have the same grid."""
    same = grid.shape == other.shape and grid.unit == other.unit
    shift = float(np.abs(grid.corners() - other.corners()).max()) if same else math.inf
    return shift <= GRID_TOLERANCE * min(other.spacing)


def _paint(mask: Labels, number: int, layers: list[Labels], dtype: np.dtype[np.unsignedinteger]) -> None:
    """Write a class into the first layer that is empty at all its voxels."""
    inside = mask != 0
    for layer in layers:
        if not (layer[inside] != 0).any():
            layer[inside] = number
            return
    layer = np.zeros(mask.shape, dtype)
    layer[inside] = number
    layers.append(layer)
