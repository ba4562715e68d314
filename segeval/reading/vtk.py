"""Read label maps and scans from legacy VTK files (.vtk): images (STRUCTURED_POINTS) with binary voxels.

The header has lines of keywords, the last of which is ``LOOKUP_TABLE``. Big-endian voxels follow. VTK writes a newline
after them, ITK does not. Axes are those of LPS, as in ITK.
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError
from segeval.reading.contents import HEAD_BYTES, unexpected
from segeval.reading.headers import (
    INTEGERS,
    LABELS_ONLY,
    Fields,
    Geometry,
    VolumeHeader,
    damaged,
    quoted,
    read_head,
    words,
)
from segeval.reading.volume import read_labels, read_numbers

if TYPE_CHECKING:
    import io

    from numpy.typing import NDArray

    from segeval.maps.label_map import Grid, LabelMap

_END = re.compile(rb"^LOOKUP_TABLE[ \t]+[^ \t\r\n][^\n]*\n", re.MULTILINE | re.IGNORECASE)
_MAGIC = re.compile(rb"# vtk DataFile Version [0-9]\.[0-9]+[ \t]*\r?\n", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIELDS = ("DATASET", "DIMENSIONS", "SPACING", "ORIGIN", "POINT_DATA", "SCALARS", "LOOKUP_TABLE")
_ALIASES = {"ASPECT_RATIO": "SPACING"}
_TYPES = {
    "char": "i1",
    "signed_char": "i1",
    "unsigned_char": "u1",
    "short": "i2",
    "unsigned_short": "u2",
    "int": "i4",
    "unsigned_int": "u4",
    "long": "i8",
    "unsigned_long": "u8",
    "long_long": "i8",
    "unsigned_long_long": "u8",
    "vtktypeint64": "i8",
    "vtktypeuint64": "u8",
    "float": "f4",
    "double": "f8",
}
_CONVERT = "convert it to .nii.gz or .nrrd"


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a VTK file; see `volume.read_labels`.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file.

    Raises
    ------
    InputError
        The file is not a VTK file, is damaged, or has no label map.
    """
    return read_labels(file, _parse(file, source), source=source)


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values and the grid of a VTK file, axes (z, y, x)."""
    return read_numbers(file, _parse(file, source), source=source)


def _parse(file: io.FileIO, source: str) -> VolumeHeader:
    """Read the header."""
    head, end = read_head(file, _END)
    if not _MAGIC.match(head):
        raise unexpected(head[:HEAD_BYTES], expected="a VTK image", source=source)
    fields = _fields(head[: end.end() if end else len(head)], source)
    if end is None:
        raise damaged("the line LOOKUP_TABLE at its end is missing", source=source)
    sizes = fields.sizes("DIMENSIONS", 3)
    count = math.prod(sizes)
    if fields.sizes("POINT_DATA", 1)[0] != count:
        raise fields.wrong("POINT_DATA", f"{count} (from DIMENSIONS)")
    dtype = _data_type(fields)
    return VolumeHeader(
        kind="VTK",
        shape=tuple(sizes[::-1]),
        dtype=dtype,
        compression=None,
        data_file=None,
        data_start=end.end(),
        data_size=_size_before_newline(file, end.end(), count * dtype.itemsize),
        geometry=Geometry(spacing=fields.numbers("SPACING", 3), origin=fields.numbers("ORIGIN", 3)),
    )


def _fields(header: bytes, source: str) -> Fields:
    """Return the lines after version, title and encoding by their keyword; all are required."""
    _, _, encoding, *lines = [*header.decode("utf-8", "surrogateescape").split("\n"), "", ""]
    if encoding.strip().upper() == "ASCII":
        raise InputError("voxels stored as text are not supported", source=source, hint=_CONVERT)
    if encoding.strip().upper() != "BINARY":
        raise damaged(f"expected BINARY in the third line, found {quoted(encoding)}", source=source)
    values: dict[str, str] = {}
    for line in filter(str.strip, lines):
        if _CONTROL.search(line):
            raise damaged("control characters in the text", source=source)
        written, _, value = line.strip().partition(" ")
        name = _ALIASES.get(written.upper(), written.upper())
        if name == "DATASET" and value.strip().upper() != "STRUCTURED_POINTS":
            raise InputError(
                f"expected an image (STRUCTURED_POINTS), found {quoted(value)}", source=source, hint=_CONVERT
            )
        if name not in _FIELDS:
            raise InputError(
                f"expected an image with one array of SCALARS, found {quoted(line)}", source=source, hint=_CONVERT
            )
        if name in values:
            raise damaged(f"the field {name!r} occurs twice", source=source)
        values[name] = value.strip()
    fields = Fields(values, source)
    fields.text("DATASET")
    return fields


def _data_type(fields: Fields) -> np.dtype[np.number]:
    found = words(fields.text("SCALARS"))
    if len(found) not in (2, 3):
        raise fields.wrong("SCALARS", "a name and a type")
    if found[2:] not in ([], ["1"]):
        raise InputError(
            f"expected one label number per voxel, found {quoted(found[2])}",
            source=fields.source,
            hint=LABELS_ONLY,
        )
    if found[1].lower() not in _TYPES:
        raise InputError(
            f"expected integer labels, found values of type {quoted(found[1])}", source=fields.source, hint=INTEGERS
        )
    return np.dtype(f">{_TYPES[found[1].lower()]}")


def _size_before_newline(file: io.FileIO, start: int, needed: int) -> int | None:
    """Return the number of bytes of the voxels if a newline follows them, otherwise None."""
    if os.fstat(file.fileno()).st_size - start != needed + 1:
        return None
    file.seek(-1, os.SEEK_END)
    return needed if file.read(1) == b"\n" else None
