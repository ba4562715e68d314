"""Read label maps and scans from MetaImage files: .mha with the voxels in it, .mhd with a separate data file.

The header has lines ``Key = value``, the last of which is ``ElementDataFile``. Data types are those of MetaIO, where a
LONG has 4 bytes on every machine.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segeval.errors import InputError
from segeval.reading.contents import HEAD_BYTES, unexpected
from segeval.reading.headers import (
    INTEGERS,
    LABELS_ONLY,
    ONE_VOLUME,
    UNSCALED,
    Fields,
    Geometry,
    VolumeHeader,
    check_data_file,
    damaged,
    quoted,
    read_head,
)
from segeval.reading.volume import read_labels, read_numbers

if TYPE_CHECKING:
    import io

    from numpy.typing import NDArray

    from segeval.maps.label_map import Grid, LabelMap

_END = re.compile(rb"^ElementDataFile[ \t]*=([^\n]*)(?:\n|\Z)", re.MULTILINE)
_START = re.compile(rb"[ \t\r\n]*(?:ObjectType|ObjectSubType|NDims|Comment)[ \t]*=")
_LINE = re.compile(r"([A-Za-z]{1,60})[ \t]*=[ \t]*(.*)", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIELDS = (
    *("ObjectType", "NDims", "DimSize", "ElementType", "ElementNumberOfChannels", "ElementDataFile", "HeaderSize"),
    *("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData", "CompressedDataSize"),
    *("Offset", "Position", "Origin", "TransformMatrix", "Rotation", "Orientation"),
    *("ElementSpacing", "ElementSize", "DistanceUnits"),
    *("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"),
)
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_SYNONYMS = (("Offset", "Position", "Origin"), ("TransformMatrix", "Rotation", "Orientation"))
_MM_PER_UNIT = {"um": 0.001, "cm": 10.0}  # by DistanceUnits; any other unit is read as mm
_CONVERT = "convert it to .nii.gz or .mha"
_EXPORT = "export the labels as an image"


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a MetaImage; see `volume.read_labels`.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file.

    Raises
    ------
    InputError
        The file is not a MetaImage, is damaged, or has no label map.
    """
    return read_labels(file, _parse(file, source), source=source)


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values and the grid of a MetaImage, axes (z, y, x)."""
    return read_numbers(file, _parse(file, source), source=source)


def _parse(file: io.FileIO, source: str) -> VolumeHeader:
    """Read the header."""
    head, end = read_head(file, _END)
    if not _START.match(head):
        raise unexpected(head[:HEAD_BYTES], expected="a MetaImage", source=source)
    if end is None:
        raise damaged("the field 'ElementDataFile' is missing", source=source)
    fields = _fields(head[: end.end()], source)
    _check_kind(fields)
    shape = _shape(fields)
    compressed = _flag(fields, "CompressedData")
    data_file = fields.text("ElementDataFile")
    local = data_file.upper() == "LOCAL"
    if not local:
        check_data_file(data_file, source=source, hint=_CONVERT)
    first = file.seek(end.end()) if local else 0
    return VolumeHeader(
        kind="MetaImage",
        shape=shape,
        dtype=_data_type(fields),
        compression="zlib" if compressed else None,
        data_file=None if local else data_file,
        data_start=first,
        data_size=fields.sizes("CompressedDataSize", 1)[0] if compressed and "CompressedDataSize" in fields else None,
        geometry=_geometry(fields, len(shape)),
        mm_per_unit=_MM_PER_UNIT.get(fields.values.get("DistanceUnits", "mm"), 1.0),
    )


def _fields(header: bytes, source: str) -> Fields:
    """Return the fields that are used; ITK also writes other metadata of the image, on any number of lines."""
    if _CONTROL.search(header):
        raise damaged("control characters in the text", source=source)
    values: dict[str, str] = {}
    for line in header.decode("utf-8", "surrogateescape").split("\n"):
        found = _LINE.fullmatch(line.strip())
        if not found or found[1] not in _FIELDS:
            continue
        if found[1] in values:
            raise damaged(f"the field {found[1]!r} occurs twice", source=source)
        values[found[1]] = found[2]
    return Fields(values, source)


def _flag(fields: Fields, name: str, *, default: bool = False) -> bool:
    if name not in fields:
        return default
    known = {"true": True, "1": True, "false": False, "0": False}
    found = known.get(fields.values[name].lower())
    if found is None:
        raise fields.wrong(name, "True or False")
    return found


def _check_kind(fields: Fields) -> None:
    """Refuse other objects than images, and images whose stored values are not labels."""
    kind = fields.values.get("ObjectType", "Image")
    if kind != "Image":
        raise InputError(f"expected an image, found a MetaIO {quoted(kind)}", source=fields.source, hint=_EXPORT)
    if not _flag(fields, "BinaryData", default=True):
        raise InputError("voxels stored as text are not supported", source=fields.source, hint=_CONVERT)
    if "ElementNumberOfChannels" in fields and (channels := fields.sizes("ElementNumberOfChannels", 1)[0]) > 1:
        raise InputError(
            f"expected one label number per voxel, found {channels:,} channels",
            source=fields.source,
            hint=LABELS_ONLY,
        )
    for name, neutral in (("ElementToIntensityFunctionSlope", 1.0), ("ElementToIntensityFunctionOffset", 0.0)):
        if name in fields and fields.numbers(name, 1) != (neutral,):
            raise InputError("scaled voxels are not supported", source=fields.source, hint=UNSCALED)
    if "HeaderSize" in fields and fields.values["HeaderSize"] not in ("0", "-1"):
        raise InputError("data files with their own header are not supported", source=fields.source, hint=_CONVERT)


def _shape(fields: Fields) -> tuple[int, ...]:
    rank = fields.sizes("NDims", 1)[0]
    if not 2 <= rank <= 4:
        raise fields.wrong("NDims", "2 to 4 dimensions")
    sizes = fields.sizes("DimSize", rank)
    if math.prod(sizes[3:]) > 1:
        raise InputError(
            f"expected a label map with one volume, found {sizes[3]:,} ({' x '.join(map(str, sizes))})",
            source=fields.source,
            hint=ONE_VOLUME,
        )
    return tuple(sizes[2::-1])


def _data_type(fields: Fields) -> np.dtype[np.number]:
    name = fields.text("ElementType")
    if name not in _TYPES:
        raise InputError(
            f"expected integer labels, found values of type {quoted(name)}", source=fields.source, hint=INTEGERS
        )
    orders = [key for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB") if key in fields]
    big = {_flag(fields, key) for key in orders}
    if len(big) > 1:
        raise damaged("two different byte orders", source=fields.source)
    order: Literal[">", "<"] = ">" if True in big else "<"
    return np.dtype(order + _TYPES[name])


def _geometry(fields: Fields, rank: int) -> Geometry:
    """Return the geometry along the first `rank` axes; each row of the matrix is the direction of an axis."""
    stored = int(fields.text("NDims"))
    positions, matrices = (_field_of(fields, names) for names in _SYNONYMS)
    origin = fields.numbers(positions, stored) if positions else (0.0,) * stored
    matrix = fields.numbers(matrices, stored**2) if matrices else None
    sizes = next((name for name in ("ElementSpacing", "ElementSize") if name in fields), None)
    spacing = fields.numbers(sizes, stored) if sizes else (1.0,) * stored
    return Geometry(
        spacing=spacing[:rank],
        origin=origin[:rank],
        axes=tuple(matrix[row * stored : row * stored + rank] for row in range(rank)) if matrix else None,
    )


def _field_of(fields: Fields, synonyms: tuple[str, ...]) -> str | None:
    """Return the name of the field that is present; if several are, they must have the same value."""
    given = [name for name in synonyms if name in fields]
    if len({fields.values[name] for name in given}) > 1:
        raise damaged(f"the fields {given[0]!r} and {given[1]!r} contradict each other", source=fields.source)
    return given[0] if given else None
