"""Read a label map from a file, trusting nothing.

The suffix chooses the reader, by the table in `formats`. The file is checked to be a regular one before it is opened,
and opened once: what was checked is what is read. Each reader is imported when first needed, so that pictures never
load the NIfTI library, nor NIfTI files Pillow. A file that is damaged, cut short or not what its name says is an
`InputError` that says so, never a label map.
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
    """Read the labels in a file, with the grid they lie on and their names as far as they are known.

    Parameters
    ----------
    path
        A file with labels or polygons, of a format in `formats`, or a symbolic link to one. Of several images in a COCO
        file one is called ``instances.json::NAME``.
    names
        Label number -> name: what the names of polygons become. Other files have numbers, and do not need it.
    by_bids
        Whether the names are completed by the table that a BIDS dataset has for a ``_dseg`` file; never where `names`
        are given.

    Returns
    -------
    LabelMap
        Labels with axes (z, y, x), or (y, x) for a picture, read-only. Lengths are in mm; pictures and NumPy files have
        none and are in px.

    Raises
    ------
    InputError
        The file is missing, not a regular file, of an unknown kind, damaged, or does not hold labels; or its BIDS table
        is damaged, or contradicts the names in it.
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
    reader = reader_of(file_name, *LABEL_MAPS)
    if reader is None:
        raise _refusal(file_name)
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
    """Read each image that a file of polygons describes, one after the other; see `read_label_map`."""
    from segeval.reading import polygons

    name = os.fspath(path)
    _check_text(name)
    file_name, image = _split(name)
    if not suffix_of(file_name, "polygons"):
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
    found = _IMAGE_IN_FILE.fullmatch(name) if "::" in name else None
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


def reader_of(name: str, *kinds: Kind) -> Any:
    """Import the module that reads files of this name, if they give one of some kinds; see `formats`.

    Returns
    -------
    module or None
        None where no such files are known.
    """
    known = format_of(name)
    if known is None or not suffix_of(name, *kinds):
        return None
    return import_module(f"{__name__}.{known[1].module}")


def _refusal(name: str) -> InputError:
    """Why no label map is read from a file of this name."""
    known = format_of(name)
    if known:
        return InputError(f"cannot read {known[0]} files", source=name, hint=known[1].hint)
    check_regular(name)
    base = os.path.basename(name).lower()  # noqa: PTH119 - a Path would drop the trailing slash of a folder
    kind = f"{shown(os.path.splitext(base)[1])} files" if "." in base else "files without a suffix"  # noqa: PTH122
    return InputError(f"cannot read {kind}", source=name, hint=f"known are {', '.join(suffixes())}")
