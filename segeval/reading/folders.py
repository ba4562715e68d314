"""A case as a folder with a binary file per class, as TotalSegmentator writes it.

The file's name is the class's name. Both sides are read together, because classes are numbered over the union of their
names. Classes that overlap become layers. A class that the reference has and the prediction lacks is an error: a file
that was not written is not an empty prediction.
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

GRID_TOLERANCE = 1e-3  # of the smallest spacing: files of one case come from one writer


def read_class_folders(
    prediction: str, reference: str, *, names: Mapping[int, str] | None = None
) -> tuple[LabelMap, LabelMap]:
    """Read two folders of binary files, a file per class.

    Parameters
    ----------
    prediction, reference
        The folders.
    names
        Number -> name: a class that is named here has that number.

    Returns
    -------
    tuple of LabelMap
        Prediction and reference. Classes without a number of their own are numbered in the natural order of their
        names, after those that have one; the number then says nothing.

    Raises
    ------
    InputError
        A folder without such files, two files of one class, a class that the prediction lacks, or a file that is
        damaged, not binary, or on another grid than its siblings.
    """
    of_prediction, of_reference = class_files(prediction), class_files(reference)
    missing = [name for name in of_reference if name not in of_prediction]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(of_reference)} classes have no file here: {enumerated(missing, shown, last=', ')}",
            source=prediction,
            hint="write an empty mask for a class that was not found",
        )
    numbers = _numbered({*of_prediction, *of_reference}, names or {})
    return _read_folder(prediction, of_prediction, numbers), _read_folder(reference, of_reference, numbers)


def read_class_folder(folder: str, *, names: Mapping[int, str] | None = None) -> LabelMap:
    """Read one folder of binary files alone; see `read_class_folders`."""
    files = class_files(folder)
    return _read_folder(folder, files, _numbered(set(files), names or {}))


def _numbered(classes: Collection[str], names: Mapping[int, str]) -> dict[str, int]:
    """The number of each class: that of a table where it has one, else one that is free."""
    given = {plain_name(name): number for number, name in sorted(names.items(), reverse=True) if number > 0}
    numbers = {name: given[plain_name(name)] for name in classes if plain_name(name) in given}
    free = count(max(names, default=0) + 1)
    return numbers | {name: next(free) for name in sorted(classes, key=natural_order) if name not in numbers}


def class_files(folder: str) -> dict[str, str]:
    """Class name -> file, of every label map that lies directly in a folder; hidden files are passed over.

    Raises
    ------
    InputError
        No such file, or two for one class.
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
                f"two files for the class {shown(name)}: {shown(Path(found[name]).name)} and {shown(entry)}",
                source=folder,
            )
        found[name] = str(Path(folder, entry))
    if not found:
        raise InputError(
            "expected a label map file for each class in the folder, found none",
            source=folder,
            hint=f"files that end in {', '.join(suffixes('labels'))} count",
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
            raise InputError(f"expected a mask of one class, found {layers_found} layers of them", source=mask.source)
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
                hint="a folder is a case with a binary file for each class",
            )


def _check_grid(mask: LabelMap, grid: Grid) -> None:
    if not same_place(mask.grid, grid):
        raise InputError("it lies on another grid than the first file of its folder", source=mask.source)


def same_place(grid: Grid, other: Grid) -> bool:
    """Whether two files of one case lie on the same grid."""
    same = grid.shape == other.shape and grid.unit == other.unit
    shift = float(np.abs(grid.corners() - other.corners()).max()) if same else math.inf
    return shift <= GRID_TOLERANCE * min(other.spacing)


def _paint(mask: Labels, number: int, layers: list[Labels], dtype: np.dtype[np.unsignedinteger]) -> None:
    """Write a class into the first layer that is empty where it lies."""
    inside = mask != 0
    for layer in layers:
        if not (layer[inside] != 0).any():
            layer[inside] = number
            return
    layer = np.zeros(mask.shape, dtype)
    layer[inside] = number
    layers.append(layer)
