"""Read a label map from a file, trusting nothing.

The suffix chooses the reader; `.nii.gz` is one suffix. The file is checked to be a regular one before it is opened,
and opened once: what was checked is what is read. Each reader is imported when first needed, so that pictures never
load the NIfTI library, nor NIfTI files SimpleITK. A file that is damaged, cut short or not what its name says is
an `InputError` that says so, never a label map.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from segeval.errors import InputError, OutOfMemoryError, shown
from segeval.reading.files import check_regular, opened

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping

    from segeval.maps.label_map import LabelMap

_READERS = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".hdr": "nifti",
    ".hdr.gz": "nifti",
    ".png": "picture",
    ".bmp": "picture",
    ".tif": "picture",
    ".tiff": "picture",
    ".mha": "volume",
    ".mhd": "volume",
    ".seg.nrrd": "volume",
    ".nrrd": "volume",
    ".nhdr": "volume",
    ".gipl": "volume",
    ".gipl.gz": "volume",
    ".vtk": "volume",
    ".npz": "arrays",
    ".npy": "arrays",
}
_REFUSED = {
    ".img": "give the .hdr header beside it",
    ".img.gz": "give the .hdr header beside it",
    ".jpg": "JPEG compression changes labels: export as PNG",
    ".jpeg": "JPEG compression changes labels: export as PNG",
    ".raw": "it says nothing of its size: give the .mhd or .nhdr header beside it",
    ".zraw": "it says nothing of its size: give the .mhd header beside it",
    ".raw.gz": "it says nothing of its size: give the .nhdr header beside it",
    ".dcm": "convert DICOM to .nii.gz",
}

SUFFIXES = tuple(_READERS)  # without that of polygons, under which go many other things
POLYGON_SUFFIX = ".json"


class _Reader(Protocol):
    """What a module of this package offers: label maps from an open file."""

    def __call__(self, file: io.FileIO, *, source: str) -> LabelMap:
        """Read the label map that starts at the file's first byte."""


def read_label_map(path: str | os.PathLike[str], *, names: Mapping[int, str] | None = None) -> LabelMap:
    """Read the labels in a file, with the grid they lie on and their names as far as the file knows them.

    Parameters
    ----------
    path
        A NIfTI file (.nii, .nii.gz, .hdr with its .img), a MetaImage (.mha, .mhd), an NRRD file (.nrrd, .nhdr,
        .seg.nrrd), a GIPL file (.gipl, .gipl.gz), a VTK image (.vtk), a picture (.png, .bmp, .tif, .tiff), a NumPy file
        (.npy, .npz) or polygons (.json). A symbolic link to one will do. Of several images in a COCO file one is called
        ``instances.json::NAME``.
    names
        Label number -> name: what the names of polygons become. Other files have numbers, and do not need it.

    Returns
    -------
    LabelMap
        Labels with axes (z, y, x), or (y, x) for a picture, read-only. Lengths are in mm; pictures and NumPy files have
        none and are in px.

    Raises
    ------
    InputError
        The file is missing, not a regular file, of an unknown kind, damaged, or does not hold labels.
    UsageError
        It takes a package that is not installed.

    Examples
    --------
    >>> read_label_map("missing.nii.gz")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.nii.gz: no such file
    """
    name = os.fspath(path)
    _check_text(name)
    file_name, image = _split(name)
    if file_name.lower().endswith(POLYGON_SUFFIX):
        from segeval.reading import polygons

        reader: _Reader = partial(polygons.read, names=names or {}, image=image)
    else:
        reader = _reader_for(file_name)
    with reading(file_name, name) as file:
        return reader(file, source=name)


def read_polygons(path: str | os.PathLike[str], *, names: Mapping[int, str] | None = None) -> Iterator[LabelMap]:
    """Read each image that a file of polygons describes, one after the other; see `read_label_map`."""
    from segeval.reading import polygons

    name = os.fspath(path)
    _check_text(name)
    file_name, image = _split(name)
    if not file_name.lower().endswith(POLYGON_SUFFIX):
        check_regular(name)
        raise InputError("expected polygons, in a .json file", source=name)
    with reading(file_name, name) as file:
        yield from polygons.read_all(file, source=name, names=names or {}, image=image)


def file_behind(path: str | os.PathLike[str]) -> str:
    """The file that is read for a path, which may name an image in it.

    Examples
    --------
    >>> file_behind("instances.json::000000000139.jpg")
    'instances.json'
    """
    return _split(os.fspath(path))[0]


def _split(name: str) -> tuple[str, str | None]:
    """The file and the image in it that a path names."""
    found = None if "::" not in name else re.fullmatch(r"(.*?\.json)::(.*)", name, re.IGNORECASE | re.DOTALL)
    return (found[1], found[2]) if found else (name, None)


def _check_text(name: str) -> None:
    """Refuse a file name that is no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(
            "the file name is not valid UTF-8, which result files cannot hold", source=name, hint="rename the file"
        ) from None


@contextmanager
def reading(file_name: str, source: str) -> Iterator[io.FileIO]:
    """An open file, and errors that say so where the system lets down whoever reads it."""
    with opened(file_name) as file:
        try:
            yield file
        except MemoryError:
            raise OutOfMemoryError("needs more memory than there is", source=source) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", source=source) from error


def _reader_for(name: str) -> _Reader:
    """Import the module that reads files of this name."""
    base = os.path.basename(name).lower()  # noqa: PTH119 - a Path would drop the trailing slash of a folder
    for suffix, module in _READERS.items():
        if base.endswith(suffix):
            return cast("_Reader", import_module(f"{__name__}.{module}").read)
    for suffix, hint in _REFUSED.items():
        if base.endswith(suffix):
            raise InputError(f"cannot read {suffix} files", source=name, hint=hint)
    check_regular(name)
    found = f"{shown(os.path.splitext(base)[1])} files" if "." in base else "files without a suffix"  # noqa: PTH122
    raise InputError(f"cannot read {found}", source=name, hint=f"known are {', '.join((*SUFFIXES, POLYGON_SUFFIX))}")
