"""Read label maps, probability maps and scans from NIfTI-1 and NIfTI-2 files, single or in pairs (uses nibabel).

Files may be plain or gzipped, and of either byte order. A damaged NIfTI file may still decode: it may be cut short, or
have a flipped bit or a header that does not fit the data. Therefore a compressed file must end with the right checksum
and length, and every file must have exactly the bytes that its header needs. Memory is only allocated if the file can
fill it. NIfTI stores x fastest and names axes (x, y, z), so the same bytes are an array with axes (z, y, x). World
coordinates are RAS, in mm.
"""

from __future__ import annotations

import math
import os
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid, LabelMap, as_labels, slabs
from segeval.reading.caret import names_in
from segeval.reading.contents import AGAIN, unexpected
from segeval.reading.files import open_data_file
from segeval.reading.formats import RawProbabilities, stem_of, suffix_of
from segeval.reading.headers import LABELS_ONLY, damaged
from segeval.reading.nifti_geometry import disagreement, grid_of
from segeval.reading.streams import Inflated, Plain, Stream, check_capacity, cut_short, read_exactly, read_values

if TYPE_CHECKING:
    import io

MAX_EXTENSIONS_BYTES = 1 << 26
MAX_ROUNDING = 1e-3  # a scaled value farther from a whole number is a fraction, however much the scaling was rounded

_DATA_TYPES = {
    2: "uint8",
    4: "int16",
    8: "int32",
    16: "float32",
    64: "float64",
    256: "int8",
    512: "uint16",
    768: "uint32",
    1024: "int64",
    1280: "uint64",
}
_REFUSED_TYPES = {
    1: ("single bits", "save it as uint8"),
    32: ("complex numbers", "save one whole number per voxel"),
    128: ("RGB colours", LABELS_ONLY),
    1536: ("128-bit floats", "save it as an integer type"),
    1792: ("complex numbers", "save one whole number per voxel"),
    2048: ("complex numbers", "save one whole number per voxel"),
    2304: ("RGBA colours", LABELS_ONLY),
}


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a NIfTI file, or in a pair of a .hdr and an .img file.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file.

    Returns
    -------
    LabelMap
        Axes are always (z, y, x); an axis that the file does not have gets length 1.

    Raises
    ------
    InputError
        The file is damaged, not a NIfTI file, or has no labels.
    """
    volume = _read(file, source, most_volumes=1)
    values = volume.values
    if volume.scaling is not None:
        values = volume.scaling.apply(values)
    return LabelMap(
        labels=as_labels(values, source=source),
        grid=volume.grid,
        remarks=volume.remarks,
        names=volume.names,
        source=source,
        stored=volume.stored,
    )


def read_probabilities(file: io.FileIO, *, source: str) -> RawProbabilities:
    """Read a probability map: axes (z, y, x), or (volume, z, y, x) if there are several volumes.

    Raises
    ------
    InputError
        The file is damaged or not a NIfTI file.
    """
    volume = _read(file, source, most_volumes=None)
    return RawProbabilities(
        values=volume.as_float32(), grid=volume.grid, names=volume.names, source=source, stored=volume.stored
    )


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values of the first volume, axes (z, y, x), and the grid; see `read_probabilities`."""
    volume = _read(file, source, most_volumes=None)
    values = volume.as_float32()
    return values[0] if values.ndim > volume.grid.ndim else values, volume.grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Volumes:
    """The contents of a NIfTI file.

    Parameters
    ----------
    values
        Stored values; the last three axes are (z, y, x).
    scaling
        Scaling of the stored values, if any.
    grid
        Grid of the voxels.
    names
        Names of the labels, by number.
    remarks
        Remarks about the file for the user.
    stored
        Format and data type of the file, for people.
    """

    values: NDArray[Any]
    scaling: _Scaling | None
    grid: Grid
    names: dict[int, str]
    remarks: tuple[str, ...]
    stored: str

    def as_float32(self) -> NDArray[Any]:
        """Return the scaled values in float32, or the stored values if there is no scaling."""
        return self.values if self.scaling is None else self.scaling.as_float32(self.values)


def _read(file: io.FileIO, source: str, *, most_volumes: int | None) -> _Volumes:
    gzipped = file.read(2) == b"\x1f\x8b"
    part = Plain(file)
    stream: Stream = Inflated(part, "gzip", source=source) if gzipped else part
    pair = suffix_of(source).startswith(".hdr")
    header = _read_header(stream, source, pair=pair)
    count, shape, dtype = *_shape(header, source, most_volumes), _data_type(header, source)
    offset = _data_offset(header, source, pair=pair)
    size = count * math.prod(shape) * dtype.itemsize
    with ExitStack() as stack:
        if pair:
            raw = _rest(stream, source)
            image = stack.enter_context(_opened_image(file, source))
            part = Plain(image)
            gzipped = os.fspath(image.name).lower().endswith(".gz")  # plain voxels may start like gzip data
            stream = Inflated(part, "gzip", source=source) if gzipped else part
            check_capacity(stream, size, source=source)
        else:
            check_capacity(stream, offset + size, source=source)
            raw = read_exactly(stream, offset - header.size, what="header extensions", source=source)
        names = _names(raw, header, source)
        values = read_values(stream, shape if count == 1 else (count, *shape), dtype, source=source)
    scaling = _scaling(header, source)
    grid = grid_of(header.fields, shape, source=source)
    return _Volumes(
        values=values,
        scaling=scaling,
        grid=grid,
        remarks=disagreement(header.fields, grid),
        names=names,
        stored=", ".join(
            [
                f"NIfTI-{header.version}{' pair' if pair else ''}",
                *(["gzip"] if gzipped else []),
                dtype.name,
                *(["big-endian"] if header.order == ">" else []),
                *([f"scaled by {scaling}"] if scaling is not None else []),
            ]
        ),
    )


@dataclass(frozen=True, slots=True)
class _Header:
    """A NIfTI header, its version and byte order."""

    version: int
    order: str
    fields: Nifti1Header

    @property
    def size(self) -> int:
        return {1: 348, 2: 540}[self.version]

    def number(self, name: str) -> Any:
        """Return a field with one value as a Python number."""
        return self.fields[name].item()


def _read_header(stream: Stream, source: str, *, pair: bool) -> _Header:
    head = np.empty(348, np.uint8)
    start = head[: stream.fill(head)].tobytes()
    version, order = _recognised(start, source, pair=pair)
    if version == 1:
        return _Header(1, order, Nifti1Header(start, endianness=order, check=False))  # type: ignore[no-untyped-call]
    start += read_exactly(stream, 540 - 348, what="header", source=source)
    return _Header(2, order, Nifti2Header(start, endianness=order, check=False))  # type: ignore[no-untyped-call]


_MAGICS = {348: b"n+1\x00", 540: b"n+2\x00\r\n\x1a\n"}  # by the size of the header
_PAIR_MAGICS = {348: b"ni1\x00", 540: b"ni2\x00\r\n\x1a\n"}


def _recognised(start: bytes, source: str, *, pair: bool) -> tuple[int, str]:
    """Return the version and byte order of the header, both known from its first field, its size."""
    sizes = {struct.pack(f"{order}i", size): (size, order) for size in (348, 540) for order in "<>"}
    size, order = sizes.get(start[:4], (0, ""))
    magic = {0: b"", 348: start[344:348], 540: start[4:12]}[size]
    if not size:
        if start[344:348] in {_MAGICS[348], _PAIR_MAGICS[348]} or start[4:12] in {_MAGICS[540], _PAIR_MAGICS[540]}:
            raise damaged("expected 348 or 540 in its size field", source=source)
        raise unexpected(start, expected="a NIfTI file", source=source)
    if len(start) < 348:
        raise cut_short(size, len(start), what="header", source=source)
    if magic == (_PAIR_MAGICS if pair else _MAGICS)[size]:
        return (1 if size == 348 else 2), order
    expected, hint = "the header of a NIfTI pair" if pair else "a single NIfTI file", "convert it to .nii.gz"
    if magic == _PAIR_MAGICS[size]:
        found, hint = "the header of a NIfTI pair", "name it .hdr and put its .img file next to it"
    elif magic == _MAGICS[size]:
        found, hint = "a single NIfTI file", "name it .nii or .nii.gz"
    elif size == 348 and not magic.strip(b"\x00"):
        found = "an Analyze 7.5 header"
    else:
        raise damaged("the NIfTI signature is missing", source=source)
    raise InputError(f"expected {expected}, found {found}", source=source, hint=hint)


def _shape(header: _Header, source: str, most_volumes: int | None) -> tuple[int, tuple[int, int, int]]:
    """Return the number of volumes, and the shape of each, axes (z, y, x)."""
    rank, *sizes = header.fields["dim"].tolist()
    if not 1 <= rank <= 7:
        raise damaged(f"expected 1 to 7 dimensions, found {rank}", source=source)
    used = sizes[:rank]
    if min(used) < 1:
        raise damaged(f"expected sizes of at least 1, found {' x '.join(map(str, used))}", source=source)
    volumes = math.prod(used[3:])
    if most_volumes is not None and volumes > most_volumes:
        raise InputError(
            f"expected a label map with one volume, found {volumes:,} ({' x '.join(map(str, used))})",
            source=source,
            hint="to read a probability map: --probabilities",
        )
    x, y, z = [*used, 1, 1][:3]
    return volumes, (z, y, x)


def _data_type(header: _Header, source: str) -> np.dtype[Any]:
    code, bits = header.number("datatype"), header.number("bitpix")
    if code in _REFUSED_TYPES:
        found, hint = _REFUSED_TYPES[code]
        raise InputError(f"expected integer labels, found {found}", source=source, hint=hint)
    if code not in _DATA_TYPES:
        raise damaged(f"unknown data type {code}", source=source)
    dtype = np.dtype(_DATA_TYPES[code]).newbyteorder(header.order)  # type: ignore[arg-type]
    if bits != dtype.itemsize * 8:
        expected = f"{dtype.itemsize * 8} bits per voxel for {dtype.name}"
        raise damaged(f"expected {expected}, found {bits}", source=source)
    return dtype


def _data_offset(header: _Header, source: str, *, pair: bool) -> int:
    """Return the position of the first voxel in the file; in a pair, that is the start of the .img file."""
    offset, least = float(header.number("vox_offset")), header.size + 4
    if pair and offset != 0:
        raise damaged(f"expected voxels from byte 0 of the .img file, found {offset:g}", source=source)
    if not pair and not (
        math.isfinite(offset) and offset.is_integer() and least <= offset <= least + MAX_EXTENSIONS_BYTES
    ):
        raise damaged(f"expected voxels from byte {least} or soon after, found {offset:g}", source=source)
    return int(offset)


@dataclass(frozen=True, slots=True)
class _Scaling:
    """A linear scaling: stored value times slope plus intercept."""

    slope: float
    inter: float
    rounding: float

    def __str__(self) -> str:
        return f"{self.slope:g} + {self.inter:g}"

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the scaled values, and remove the error that comes from rounding slope and intercept.

        A header stores both as float32, so a label stored as 255 with slope 1/255 would become 1.00000005.
        """
        values = np.empty(stored.shape, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # as_labels refuses values that are not finite
            for part in slabs(stored.shape):
                steps = np.multiply(stored[part], self.slope, dtype=np.float64)
                slab = steps + self.inter
                whole = np.rint(slab)
                margin = np.minimum(self.rounding * (np.abs(steps) + abs(self.inter)), MAX_ROUNDING)
                values[part] = np.where(np.abs(slab - whole) <= margin, whole, slab)
        return values

    def as_float32(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the scaled values in float32."""
        values = np.empty(stored.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused later
            for part in slabs(stored.shape):
                values[part] = np.multiply(stored[part], self.slope, dtype=np.float64) + self.inter
        return values


def _scaling(header: _Header, source: str) -> _Scaling | None:
    slope, inter = header.number("scl_slope"), header.number("scl_inter")
    if math.isnan(slope) or slope == 0 or (slope, inter) == (1, 0):
        return None
    if not math.isfinite(slope) or not math.isfinite(inter):
        raise damaged(f"expected a finite scaling, found {slope:g} + {inter:g}", source=source)
    return _Scaling(slope, inter, float(np.finfo(header.fields["scl_slope"].dtype).eps))


def _rest(stream: Stream, source: str) -> bytes:
    """Read the rest of the header file of a pair, which is empty or has extensions."""
    target = np.empty(min(stream.capacity, MAX_EXTENSIONS_BYTES) + 1, np.uint8)
    rest = target[: stream.fill(target)].tobytes()
    flag, extensions = rest[:4], rest[4:]
    sound = flag == b"\1\0\0\0" or (flag in {b"", bytes(4)} and not extensions.strip(b"\0"))
    if len(rest) == target.size or not sound:
        raise InputError("the file is too long: extra data after the header", source=source, hint=AGAIN)
    return rest


def _opened_image(file: io.FileIO, source: str) -> io.FileIO:
    """Open the image file of a pair, which has the name of the header file and may be gzipped."""
    folder, name = os.path.split(source)
    stem = stem_of(name)
    plain = f"{stem}{'.IMG' if name[len(stem) :].startswith('.HDR') else '.img'}"
    zipped = f"{plain}.gz"
    existing = [name for name in (plain, zipped) if os.path.lexists(os.path.join(folder, name))]  # noqa: PTH118
    if len(existing) > 1:
        raise InputError(
            f"the pair has two image files: {shown(plain)} and {shown(zipped)}", source=source, hint="remove one"
        )
    return open_data_file(file, existing[0] if existing else plain, source=source)


def _names(raw: bytes, header: _Header, source: str) -> dict[int, str]:
    """Return the label names from the header extensions."""
    names: dict[int, str] = {}
    if not raw or not raw[0]:
        return names
    rest = raw[4:]
    while rest.strip(b"\x00"):
        (size,) = struct.unpack(f"{header.order}i", rest[:4].ljust(4, b"\x00"))
        if not 8 <= size <= len(rest):
            raise damaged(f"an extension of {size:,} bytes, but only {len(rest):,} are left", source=source)
        names |= names_in(rest[8:size])
        rest = rest[size:]
    return names
