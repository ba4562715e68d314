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
from segeval.reading import SUFFIXES, reading
from segeval.reading.files import check_regular

FIRST_CHANNEL = "_0000"
_NIFTI = (".nii.gz", ".nii", ".hdr", ".hdr.gz")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_ARRAYS = (".npz", ".npy")
IMAGE_SUFFIXES = (*SUFFIXES, ".jpg", ".jpeg")


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
            for suffix in IMAGE_SUFFIXES:
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
    lower = name.lower()
    if not lower.endswith(IMAGE_SUFFIXES):
        check_regular(name)
        raise InputError("this is no image of a known kind", source=name, hint=f"known are {', '.join(IMAGE_SUFFIXES)}")
    with reading(name, name) as file:
        if lower.endswith(_NIFTI):
            from segeval.reading import nifti  # deferred, as are the others: see the package

            volume = nifti.read_volumes(file, source=name)
            values, grid = volume.values, volume.grid
            if values.ndim > grid.ndim:
                values = values[0]
        elif lower.endswith(_PICTURES):
            from segeval.reading import picture

            values = picture.read_shades(file, source=name)
            grid = _of_pixels(values.shape[:2])
        elif lower.endswith(_ARRAYS):
            from segeval.reading import arrays

            values, _ = arrays.read_array(file, source=name, keys=("image", "data", "arr_0"))
            grid = _of_pixels(values.shape)
        else:
            from segeval.reading import volume as volumes

            values, grid = volumes.read_shades(file, source=name)
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected numbers, found values of type {shown(values.dtype)}", source=name)
    return Image(values=values.view(np.uint8) if values.dtype == bool else values, grid=grid, source=name)


def _of_pixels(shape: tuple[int, ...]) -> Grid:
    return Grid(shape=shape, spacing=(1.0,) * len(shape), unit="px")
