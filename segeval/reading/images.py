"""Find and read the images that were segmented: scans of any data type, and photographs in colour.

They are checked as strictly as label maps, but only used for display: of several volumes or channels in a file, the
first one is read, and transparency is ignored. The file of a case is found in a folder by the name of the case, with or
without the ending that nnU-Net gives to the first channel.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid
from segeval.reading import reader_of, reading
from segeval.reading.files import check_regular
from segeval.reading.formats import suffixes

FIRST_CHANNEL = "_0000"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """A scan or photograph.

    Parameters
    ----------
    values
        Numbers of any type, axes (z, y, x) or (y, x); or red, green and blue in uint8, axes (y, x, 3).
    grid
        Grid of the voxels.
    source
        Path of the file.
    """

    values: NDArray[Any]
    grid: Grid
    source: str


def find_image(folder: str, case: str) -> str | None:
    """Find the image of a case in a folder; None if there is none.

    Parameters
    ----------
    folder
        Folder of the images.
    case
        Name of the case. If it has folders in it, the image may be in these folders or directly in `folder`. Whatever
        the name is, nothing outside `folder` is searched.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - the name goes to the system as it was given
        raise InputError("no such folder", source=folder)
    parts = case.split("/")
    places = [parts, parts[-1:]] if len(parts) > 1 else [parts]
    for place in places:
        if any(part in {"", ".", ".."} or "\\" in part or "\0" in part or ":" in part for part in place):
            continue
        for ending in ("", FIRST_CHANNEL):
            for suffix in suffixes("scans"):
                path = os.path.join(folder, *place[:-1], f"{place[-1]}{ending}{suffix}")  # noqa: PTH118
                if os.path.isfile(path):  # noqa: PTH113
                    return path
    return None


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image.

    Parameters
    ----------
    path
        A JPEG picture, or a file in any format of label maps except polygons.

    Raises
    ------
    InputError
        The file is missing, of another format, or damaged.

    Examples
    --------
    >>> read_image("missing.jpg")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.jpg: no such file
    """
    name = os.fspath(path)
    reader = reader_of(name, "scans")
    if reader is None:
        check_regular(name)
        hint = f"use {', '.join(suffixes('scans'))}"
        raise InputError("unknown image format", source=name, hint=hint)
    with reading(name, name) as file:
        values, grid = reader.read_scan(file, source=name)
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected numbers, found values of type {shown(values.dtype)}", source=name)
    return Image(values=values.view(np.uint8) if values.dtype == bool else values, grid=grid, source=name)
