"""Read label maps and scans from NRRD files: .nrrd and .seg.nrrd with the voxels in them, .nhdr with a data file.

The header has lines ``field: value`` and ``key:=value`` up to an empty line. Axes that are not spatial are dropped if
their size is 1. In a segmentation of 3D Slicer, such an axis is that of the layers, which may overlap, and the keys
state the name, layer and number of each segment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segeval.errors import InputError
from segeval.reading.contents import HEAD_BYTES, unexpected
from segeval.reading.headers import (
    INTEGERS,
    LABELS_ONLY,
    ONE_VOLUME,
    Fields,
    Geometry,
    Segment,
    VolumeHeader,
    check_data_file,
    damaged,
    quoted,
    read_head,
    words,
)
from segeval.reading.volume import read_labels, read_numbers
from segeval.text import counted

if TYPE_CHECKING:
    import io

    from numpy.typing import NDArray

    from segeval.maps.label_map import Grid, LabelMap

MAX_DIMENSIONS = 16

_END = re.compile(rb"\r?\n\r?\n")
_DETACHED = re.compile(rb"^data ?file[ \t]*:[ \t]", re.MULTILINE | re.IGNORECASE)
_MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
_LINE = re.compile(r"([A-Za-z ]{1,40}):(?:[ \t]+(.*))?", re.DOTALL)
_SEGMENT = re.compile(r"Segment([0-9]{1,6})_(Name|LabelValue|Layer)")
_VECTORS = re.compile(r"[ \t]*(?:(?:none|\([^()]*\))[ \t]*)+")
_VECTOR = re.compile(r"none|\(([^()]*)\)")
_FIELDS = (
    *("type", "dimension", "sizes", "endian", "encoding", "data file", "line skip", "byte skip"),
    *("space", "space dimension", "space directions", "space origin", "space units", "measurement frame"),
    *("spacings", "thicknesses", "axis mins", "axis maxs", "centerings", "kinds", "labels", "units"),
    *("content", "number", "min", "max", "old min", "old max", "sample units"),
)
_ALIASES = {name.replace(" ", ""): name for name in _FIELDS} | {"centers": "centerings"}
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}
_SPACES = (
    *("right-anterior-superior", "ras", "left-anterior-superior", "las", "left-posterior-superior", "lps"),
    *("scanner-xyz", "3d-right-handed", "3d-left-handed"),
)
_FLIPS = {  # to LPS
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_SPATIAL_KINDS = ("domain", "space", "???", "none")
_MM_PER_UNIT = {"m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001, "nm": 1e-6}  # any other unit is read as mm
_CONVERT = "convert it to .nii.gz or .nrrd"


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in an NRRD file; see `volume.read_labels`.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file.

    Raises
    ------
    InputError
        The file is not an NRRD file, is damaged, or has no label map.
    """
    return read_labels(file, _parse(file, source), source=source)


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values and the grid of an NRRD file, axes (z, y, x)."""
    return read_numbers(file, _parse(file, source), source=source)


def _parse(file: io.FileIO, source: str) -> VolumeHeader:
    """Read the header."""
    head, end = read_head(file, _END)
    if not _MAGIC.match(head):
        raise unexpected(head[:HEAD_BYTES], expected="an NRRD image", source=source)
    if end is None and not _DETACHED.search(head):
        raise damaged("the empty line at its end is missing", source=source)
    text = head[: end.start() if end else len(head)].decode("utf-8", "surrogateescape")
    fields, keys = _fields(text, source)
    data_file = fields.values.get("data file")
    if data_file is not None:
        check_data_file(data_file, source=source, hint=_CONVERT)
    segments = _segments(keys, source)
    axes = _axes(fields, segments=bool(segments))
    return VolumeHeader(
        kind="NRRD",
        shape=tuple(axis.size for axis in reversed(axes.spatial)),
        layers=axes.layers,
        dtype=_data_type(fields),
        compression=_compression(fields),
        data_file=data_file,
        data_start=end.end() if end and data_file is None else 0,
        geometry=_geometry(fields, axes.spatial),
        mm_per_unit=_mm_per_unit(fields),
        segments=segments,
    )


def _fields(text: str, source: str) -> tuple[Fields, dict[str, str]]:
    """Return the fields by name, and the keys that 3D Slicer writes for its segments."""
    values: dict[str, str] = {}
    keys: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        plain = line.rstrip("\r")
        if not plain.strip() or plain.startswith("#"):
            continue
        found = _LINE.fullmatch(plain)
        name = _field_name(found[1]) if found else None
        key, separator, value = plain.partition(":=")
        if found and name:
            _add(values, name, found[2] or "", source)
        elif not separator:
            raise damaged(f"expected lines like 'sizes: 512 512 80', found {quoted(plain)}", source=source)
        elif _SEGMENT.fullmatch(key):
            _add(keys, key, value, source)
    return Fields(values, source), keys


def _field_name(written: str) -> str | None:
    name = written.strip().lower()
    return name if name in _FIELDS else _ALIASES.get(name.replace(" ", ""))


def _add(values: dict[str, str], name: str, value: str, source: str) -> None:
    if name in values:
        raise damaged(f"the field {name!r} occurs twice", source=source)
    values[name] = value.strip()


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis of the array, spatial or not; an empty direction means not spatial."""

    size: int
    direction: tuple[float, ...] | None
    kind: str
    number: int

    @property
    def is_spatial(self) -> bool:
        if self.direction is not None:
            return self.direction != ()
        return self.kind in _SPATIAL_KINDS


@dataclass(frozen=True, slots=True)
class _Axes:
    """The two or three spatial axes, fastest first, and the number of layers."""

    spatial: list[_Axis]
    layers: int


def _axes(fields: Fields, *, segments: bool) -> _Axes:
    axes = _all_axes(fields)
    spatial = [axis for axis in axes if axis.is_spatial]
    while len(spatial) > 3 and spatial[-1].size == 1:
        spatial.pop()
    rest = [axis for axis in axes if axis not in spatial and axis.size > 1]
    if len(spatial) > 3:
        rest += spatial[3:]
    elif len(spatial) < 2:
        raise InputError(f"expected 2 or 3 spatial axes, found {len(spatial)}", source=fields.source)
    if not rest:
        return _Axes(spatial, 1)
    if segments and rest == axes[:1]:
        return _Axes(spatial, rest[0].size)
    sizes = " x ".join(str(axis.size) for axis in axes)
    count = math.prod(axis.size for axis in rest)
    if rest == axes[:1]:
        raise InputError(
            f"expected one label number per voxel, found {count:,} ({sizes})",
            source=fields.source,
            hint=LABELS_ONLY,
        )
    raise InputError(
        f"expected a label map with one volume, found {count:,} ({sizes})",
        source=fields.source,
        hint=ONE_VOLUME,
    )


def _all_axes(fields: Fields) -> list[_Axis]:
    rank = fields.sizes("dimension", 1)[0]
    if rank > MAX_DIMENSIONS:
        raise fields.wrong("dimension", f"at most {MAX_DIMENSIONS} dimensions")
    sizes = fields.sizes("sizes", rank)
    kinds = words(fields.text("kinds").lower()) if "kinds" in fields else ["???"] * rank
    if len(kinds) != rank:
        raise fields.wrong("kinds", f"{rank} kinds")
    directions: list[tuple[float, ...] | None] = [None] * rank
    if "space directions" in fields:
        directions = [*_vectors(fields, "space directions", rank, space=_space_dimension(fields))]
    return [_Axis(*axis) for axis in zip(sizes, directions, kinds, range(rank), strict=True)]


def _space_dimension(fields: Fields) -> int:
    if "space" in fields and "space dimension" in fields:
        raise damaged("both 'space' and 'space dimension' are given", source=fields.source)
    if "space dimension" in fields:
        return fields.sizes("space dimension", 1)[0]
    if fields.text("space").lower() not in _SPACES:
        raise InputError(
            f"the space {quoted(fields.text('space'))} is not supported", source=fields.source, hint=_CONVERT
        )
    return 3


def _vectors(fields: Fields, name: str, count: int, *, space: int) -> list[tuple[float, ...]]:
    """Return the vectors in a field, with one number for each dimension of space, or empty for ``none``."""
    text = fields.text(name)
    found = _VECTOR.findall(text) if _VECTORS.fullmatch(text) else []
    if len(found) != count:
        raise fields.wrong(name, counted(count, "vector"))
    split = ([word.strip() for word in inside.split(",")] if inside else [] for inside in found)
    return [fields.checked_numbers(name, inside, space) if inside else () for inside in split]


def _data_type(fields: Fields) -> np.dtype[np.number]:
    name = " ".join(fields.text("type").lower().split())
    if name not in _DTYPES:
        raise InputError(
            f"expected integer labels, found values of type {quoted(name)}", source=fields.source, hint=INTEGERS
        )
    dtype = np.dtype(_DTYPES[name])
    if dtype.itemsize == 1:
        return dtype
    orders: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
    order = orders.get(fields.text("endian").lower())
    if order is None:
        raise fields.wrong("endian", "little or big")
    return dtype.newbyteorder(order)


def _compression(fields: Fields) -> Literal["gzip"] | None:
    for name in ("line skip", "byte skip"):
        if fields.values.get(name, "0") not in {"0", "-1" if name == "byte skip" else "0"}:
            raise InputError("other data before the voxels is not supported", source=fields.source, hint=_CONVERT)
    encoding = fields.text("encoding").lower()
    if encoding == "raw":
        return None
    if encoding not in ("gzip", "gz"):
        raise InputError(
            f"the encoding {quoted(encoding)} is not supported", source=fields.source, hint="save it as raw or gzip"
        )
    return "gzip"


def _geometry(fields: Fields, axes: list[_Axis]) -> Geometry:
    """Return the geometry along the spatial axes, with exactly the numbers that ITK computes."""
    space = next((name for name in ("space", "space dimension") if name in fields), None)
    given = {name: _per_axis(fields, name, axes) for name in ("spacings", "axis mins", "axis maxs") if name in fields}
    if "axis maxs" in given and "spacings" not in given:
        raise InputError("the header has extents (axis maxs) but no spacings", source=fields.source, hint=_CONVERT)
    if space and (found := _space_dimension(fields)) != len(axes):
        raise damaged(f"the space has {found} dimensions, the image {len(axes)}", source=fields.source)
    if space and "spacings" in given:
        raise damaged(f"both {space!r} and 'spacings' are given", source=fields.source)
    if "space directions" in fields and "axis mins" in given:
        raise damaged("both 'space directions' and 'axis mins' are given", source=fields.source)
    centerings = _centerings(fields, axes)
    origin = (0.0,) * len(axes)
    if "space origin" in fields:
        origin = _vectors(fields, "space origin", 1, space=_space_dimension(fields))[0] or origin
    if space:
        return _in_lps(origin, axes, space=fields.values.get("space", "").lower())
    spacing = given.get("spacings", (1.0,) * len(axes))
    if "axis mins" in given and "spacings" in given:  # the first cell has its centre half a step further
        steps = zip(given["axis mins"], spacing, centerings, strict=True)
        origin = tuple(first if centering == "node" else first + step / 2 for first, step, centering in steps)
    return Geometry(spacing=spacing, origin=origin)


def _in_lps(origin: tuple[float, ...], axes: list[_Axis], *, space: str) -> Geometry:
    """Split the directions into spacings and unit vectors; a space without anatomical directions is read as LPS."""
    flips = _FLIPS.get(space, (1.0,) * len(axes))
    origin = tuple(number * flip for number, flip in zip(origin, flips, strict=True))
    spacing, units = [], []
    for axis in axes:
        if axis.direction is None:
            return Geometry(spacing=(1.0,) * len(axes), origin=origin)
        squares = 0.0
        for number in axis.direction:
            squares += number * number  # sum() of Python 3.12 rounds less than Teem, which ITK uses
        spacing.append(math.sqrt(squares))
        scale = 1 / spacing[-1] if squares else 0.0
        units.append(tuple(scale * number * flip for number, flip in zip(axis.direction, flips, strict=True)))
    return Geometry(spacing=tuple(spacing), origin=origin, axes=tuple(units))


def _per_axis(fields: Fields, name: str, axes: list[_Axis]) -> tuple[float, ...]:
    """Return the numbers of the spatial axes from a field with a number for each axis."""
    given = words(fields.text(name))
    rank = int(fields.text("dimension"))
    if len(given) != rank:
        raise fields.wrong(name, f"{rank} numbers")
    return fields.checked_numbers(name, [given[axis.number] for axis in axes], len(axes))


def _centerings(fields: Fields, axes: list[_Axis]) -> list[str]:
    if "centerings" not in fields:
        return ["???"] * len(axes)
    given = words(fields.text("centerings").lower())
    rank = int(fields.text("dimension"))
    if len(given) != rank or not set(given) <= {"cell", "node", "none", "???"}:
        raise fields.wrong("centerings", f"{rank} times cell or node")
    return [given[axis.number] for axis in axes]


def _mm_per_unit(fields: Fields) -> float:
    """Return the factor from the space unit to mm, if the unit is the same along all axes."""
    units = set(re.findall(r'"([^"]*)"', fields.values.get("space units", "")))
    return _MM_PER_UNIT.get(units.pop(), 1.0) if len(units) == 1 else 1.0


def _segments(keys: dict[str, str], source: str) -> tuple[Segment, ...]:
    """Return the segments in order of their numbers; older files have one layer per segment and no label values."""
    found: dict[int, dict[str, str]] = {}
    for key, value in keys.items():
        match = _SEGMENT.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    old = all("LabelValue" not in segment and "Layer" not in segment for segment in found.values())
    segments = []
    for position, (number, segment) in enumerate(sorted(found.items())):
        value, layer = ("1", str(position)) if old else (segment.get("LabelValue", ""), segment.get("Layer", "0"))
        if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) == 0 or not re.fullmatch(r"[0-9]{1,6}", layer):
            raise damaged(f"segment {number} has label {quoted(value)} in layer {quoted(layer)}", source=source)
        name = segment.get("Name", "").replace("\\n", " ").replace("\\\\", "\\").strip()
        segments.append(Segment(name=name, layer=int(layer), value=int(value)))
    return tuple(segments)
