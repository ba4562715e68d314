"""The images behind label maps, to be looked at: scans of any number type, and photographs in colour.

They are checked as strictly as label maps. Only what is seen counts: of several volumes or channels in a file the first
one is taken, and transparency is left out. An image is found in a folder by the name of its case, as it is or with the
ending that nnU-Net gives to a first channel.
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
    """What is seen.

    Parameters
    ----------
    values
        Numbers of any type, axes (z, y, x) or (y, x); for colours (y, x, 3) of uint8, red, green and blue.
    grid
        Where the voxels are.
    source
        The file.
    """

    values: NDArray[Any]
    grid: Grid
    source: str


def find_image(folder: str, case: str) -> str | None:
    """The image of a case in a folder, or None where there is none.

    Parameters
    ----------
    folder
        Where images are.
    case
        The case, which may name folders in it; its last part alone is looked for too. Nothing outside of the folder
        is ever looked at, whatever the case is called.

    Raises
    ------
    InputError
        There is no such folder.
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
        A file of any kind that label maps are read from but polygons, or a JPEG picture.

    Raises
    ------
    InputError
        The file is missing, of another kind, or damaged.

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
        hint = f"known are {', '.join(suffixes('scans'))}"
        raise InputError("this is no image of a known kind", source=name, hint=hint)
    with reading(name, name) as file:
        values, grid = reader.read_scan(file, source=name)
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected numbers, found values of type {shown(values.dtype)}", source=name)
    return Image(values=values.view(np.uint8) if values.dtype == bool else values, grid=grid, source=name)
