"""Read a label map from a file, and check everything in it.

The suffix decides which reader is used; see the table in `formats`. The file must be a regular file and is opened only
once, so that the file that is read is the one that was checked. Each reader is imported when it is first needed:
pictures never load the NIfTI library, and NIfTI files never load Pillow. A file that is damaged or cut short, or whose
contents are not of that format, raises `InputError`.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from segeval.errors import InputError, OutOfMemoryError, shown
from segeval.reading.files import check_regular, opened
from segeval.reading.formats import LABEL_MAPS, Kind, format_of, suffix_of, suffixes

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping

    from segeval.maps.label_map import LabelMap

_POLYGON_SUFFIXES = "|".join(map(re.escape, suffixes("polygons")))
_IMAGE_IN_FILE = re.compile(rf"(.*?(?:{_POLYGON_SUFFIXES}))::(.*)", re.IGNORECASE | re.DOTALL)


def read_label_map(
    path: str | os.PathLike[str], *, names: Mapping[int, str] | None = None, by_bids: bool = True
) -> LabelMap:
    """Read the labels in a file, with their grid and their names if the file has any.

    Parameters
    ----------
    path
        A file with labels or polygons in one of the known `formats`, or a symbolic link to one. To read one of several
        images in a COCO file: ``instances.json::NAME``.
    names
        Names of the labels, by number; they give polygons their numbers. Files of other formats ignore them.
    by_bids
        Add the names from the BIDS table of a ``_dseg`` file. Ignored if `names` are given.

    Returns
    -------
    LabelMap
        Read-only labels with axes (z, y, x), or (y, x) for a picture. Lengths are in mm. Pictures and NumPy files have
        no spacing, so their lengths are in px.

    Raises
    ------
    InputError
        The file is missing, not a regular file, of an unknown format, damaged, or has no labels; or its BIDS table is
        damaged or contradicts the names in the file.
    UsageError
        A package that the reader needs is not installed.

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
    reader = reader_of(file_name, *LABEL_MAPS)
    if reader is None:
        raise _not_readable(file_name)
    with reading(file_name, name) as file:
        if suffix_of(file_name, "polygons"):
            found: LabelMap = reader.read(file, source=name, names=names or {}, image=image)
            return found
        found = reader.read(file, source=name)
    if names or not by_bids:
        return found
    from segeval.reading.bids import with_table  # deferred: it loads NumPy

    return with_table(found)


def read_polygons(path: str | os.PathLike[str], *, names: Mapping[int, str] | None = None) -> Iterator[LabelMap]:
    """Read all images of a polygon file, one after the other; see `read_label_map`."""
    from segeval.reading import polygons

    name = os.fspath(path)
    _check_text(name)
    file_name, image = _split(name)
    if not suffix_of(file_name, "polygons"):
        check_regular(name)
        raise InputError("expected a .json file with polygons", source=name)
    with reading(file_name, name) as file:
        yield from polygons.read_all(file, source=name, names=names or {}, image=image)


def file_behind(path: str | os.PathLike[str]) -> str:
    """Return the file of a path that may name an image in the file.

    Examples
    --------
    >>> file_behind("instances.json::000000000139.jpg")
    'instances.json'
    """
    return _split(os.fspath(path))[0]


def _split(name: str) -> tuple[str, str | None]:
    """Split a path into the file and the name of the image in the file, if any."""
    found = _IMAGE_IN_FILE.fullmatch(name) if "::" in name else None
    return (found[1], found[2]) if found else (name, None)


def _check_text(name: str) -> None:
    """Refuse a file name that is not valid UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(
            "the file name is not valid UTF-8, so it cannot be written to results", source=name, hint="rename the file"
        ) from None


@contextmanager
def reading(file_name: str, source: str) -> Iterator[io.FileIO]:
    """Open a file, and turn errors of the system while it is read into `InputError`."""
    with opened(file_name) as file:
        try:
            yield file
        except MemoryError:
            raise OutOfMemoryError("not enough memory to read the file", source=source) from None
        except OSError as error:
            raise InputError(f"the file cannot be read: {error.strerror or error}", source=source) from error


def reader_of(name: str, *kinds: Kind) -> Any:
    """Import the module that reads a file, if its format offers one of these kinds of data; see `formats`.

    Returns
    -------
    module or None
        None if the format is unknown or offers none of these kinds.
    """
    known = format_of(name)
    if known is None or not suffix_of(name, *kinds):
        return None
    return import_module(f"{__name__}.{known[1].module}")


def _not_readable(name: str) -> InputError:
    """Return the error for a file name from which no label map can be read."""
    known = format_of(name)
    if known:
        return InputError(f"label maps are not read from {known[0]} files", source=name, hint=known[1].hint)
    check_regular(name)
    base = os.path.basename(name).lower()  # noqa: PTH119 - a Path would drop the trailing slash of a folder
    suffix = repr(shown(os.path.splitext(base)[1])) if "." in base else "(no suffix)"  # noqa: PTH122
    return InputError(f"unknown file format {suffix}", source=name, hint=f"use {', '.join(suffixes())}")
