"""Label maps from NIfTI-1 and NIfTI-2 files and pairs, plain or gzipped, of either byte order (home of nibabel).

A NIfTI file can be damaged in ways that still decode: cut short, a flipped bit, a header that does not fit the data.
Here the compressed stream must end where it says with the right checksum, and the file must hold exactly the bytes
that its header needs; nothing is allocated that the file could not fill. NIfTI stores x fastest and names axes
(x, y, z), so the same bytes are an array with axes (z, y, x). World coordinates are RAS, in mm.
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
from segeval.reading.files import opened_beside
from segeval.reading.formats import RawProbabilities, stem_of, suffix_of
from segeval.reading.nifti_geometry import disagreement, grid_of
from segeval.reading.streams import Inflated, Plain, Stream, check_capacity, read_exactly, read_values

if TYPE_CHECKING:
    import io

MAX_EXTENSIONS_BYTES = 1 << 26
MAX_DOUBT = 1e-3  # a value farther from a whole number is a fraction, whatever the rounding of the scaling

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
    32: ("complex numbers", "a label map has one whole number per voxel"),
    128: ("RGB colours", "export label numbers instead of colours"),
    1536: ("128-bit floats", "save it as an integer type"),
    1792: ("complex numbers", "a label map has one whole number per voxel"),
    2048: ("complex numbers", "a label map has one whole number per voxel"),
    2304: ("RGBA colours", "export label numbers instead of colours"),
}


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a NIfTI file, or in a pair of a .hdr and the .img beside it.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Its path.

    Returns
    -------
    LabelMap
        Axes (z, y, x) always: an axis that the file does not have has length 1.

    Raises
    ------
    InputError
        The file is damaged, is not a NIfTI file, or does not hold labels.
    """
    volume = _read(file, source, most_volumes=1)
    values = volume.values
    if volume.scaling is not None:
        values = volume.scaling.applied(values)
    return LabelMap(
        labels=as_labels(values, source=source),
        grid=volume.grid,
        remarks=volume.remarks,
        names=volume.names,
        source=source,
        stored=volume.stored,
    )


def read_probabilities(file: io.FileIO, *, source: str) -> RawProbabilities:
    """Read the numbers in a NIfTI file: axes (z, y, x), with one of the volumes before them where there are several.

    Raises
    ------
    InputError
        The file is damaged, or is not a NIfTI file.
    """
    volume = _read(file, source, most_volumes=None)
    return RawProbabilities(
        values=volume.roughly(), grid=volume.grid, names=volume.names, source=source, stored=volume.stored
    )


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the first volume in a NIfTI file, axes (z, y, x), and where its voxels are; see `read_probabilities`."""
    volume = _read(file, source, most_volumes=None)
    values = volume.roughly()
    return values[0] if values.ndim > volume.grid.ndim else values, volume.grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Volumes:
    """What a NIfTI file holds.

    Parameters
    ----------
    values
        Numbers, as they are stored; the last three axes are (z, y, x).
    scaling
        What makes of them what is meant.
    grid
        Where the voxels are.
    names
        Label -> name.
    remarks, stored
        What a user should know of the file, and how it holds the numbers, in words.
    """

    values: NDArray[Any]
    scaling: _Scaling | None
    grid: Grid
    names: dict[int, str]
    remarks: tuple[str, ...]
    stored: str

    def roughly(self) -> NDArray[Any]:
        """The values meant, in float32 where they are scaled."""
        return self.values if self.scaling is None else self.scaling.roughly(self.values)


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
            gzipped = os.fspath(image.name).lower().endswith(".gz")  # plain voxels may start as gzip data do
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
        """Look up a field with one value, as a Python number."""
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
    """Version and byte order of the header, both told by its first field: its own size."""
    sizes = {struct.pack(f"{order}i", size): (size, order) for size in (348, 540) for order in "<>"}
    size, order = sizes.get(start[:4], (0, ""))
    magic = {0: b"", 348: start[344:348], 540: start[4:12]}[size]
    if not size:
        if start[344:348] in {_MAGICS[348], _PAIR_MAGICS[348]} or start[4:12] in {_MAGICS[540], _PAIR_MAGICS[540]}:
            raise InputError("damaged header: its size field is neither 348 nor 540", source=source, hint=AGAIN)
        raise unexpected(start, expected="a NIfTI file", source=source)
    if len(start) < 348:
        raise InputError(f"cut short: expected {size} bytes of header, found {len(start)}", source=source, hint=AGAIN)
    if magic == (_PAIR_MAGICS if pair else _MAGICS)[size]:
        return (1 if size == 348 else 2), order
    expected, hint = "the header of a NIfTI pair" if pair else "a single NIfTI file", "convert it to .nii.gz"
    if magic == _PAIR_MAGICS[size]:
        found, hint = "the header of a pair", "name it .hdr, with its .img beside it"
    elif magic == _MAGICS[size]:
        found, hint = "a single NIfTI file", "name it .nii or .nii.gz"
    elif size == 348 and not magic.strip(b"\x00"):
        found = "an Analyze 7.5 header"
    else:
        raise InputError("damaged header: no NIfTI signature where it belongs", source=source, hint=AGAIN)
    raise InputError(f"expected {expected}, found {found}", source=source, hint=hint)


def _shape(header: _Header, source: str, most_volumes: int | None) -> tuple[int, tuple[int, int, int]]:
    """How many volumes there are, and the voxels of each along (z, y, x)."""
    rank, *sizes = header.fields["dim"].tolist()
    if not 1 <= rank <= 7:
        raise InputError(f"damaged header: expected 1 to 7 dimensions, found {rank}", source=source, hint=AGAIN)
    used = sizes[:rank]
    if min(used) < 1:
        raise InputError(
            f"damaged header: expected sizes of at least 1, found {' x '.join(map(str, used))}",
            source=source,
            hint=AGAIN,
        )
    volumes = math.prod(used[3:])
    if most_volumes is not None and volumes > most_volumes:
        raise InputError(
            f"has {volumes:,} volumes ({' x '.join(map(str, used))}); a label map has one",
            source=source,
            hint="--probabilities reads it as a probability map",
        )
    x, y, z = [*used, 1, 1][:3]
    return volumes, (z, y, x)


def _data_type(header: _Header, source: str) -> np.dtype[Any]:
    code, bits = header.number("datatype"), header.number("bitpix")
    if code in _REFUSED_TYPES:
        found, hint = _REFUSED_TYPES[code]
        raise InputError(f"expected integer labels, found {found}", source=source, hint=hint)
    if code not in _DATA_TYPES:
        raise InputError(f"damaged header: unknown data type {code}", source=source, hint=AGAIN)
    dtype = np.dtype(_DATA_TYPES[code]).newbyteorder(header.order)  # type: ignore[arg-type]
    if bits != dtype.itemsize * 8:
        raise InputError(
            f"damaged header: {bits} bits per voxel do not fit {dtype.name}, which has {dtype.itemsize * 8}",
            source=source,
            hint=AGAIN,
        )
    return dtype


def _data_offset(header: _Header, source: str, *, pair: bool) -> int:
    """Where the voxels start; at the start of their own file in a pair."""
    offset, least = float(header.number("vox_offset")), header.size + 4
    if pair and offset != 0:
        raise InputError(
            f"damaged header: expected voxels to start at byte 0 of the .img file, found {offset:g}",
            source=source,
            hint=AGAIN,
        )
    if not pair and not (
        math.isfinite(offset) and offset.is_integer() and least <= offset <= least + MAX_EXTENSIONS_BYTES
    ):
        raise InputError(
            f"damaged header: expected voxels to start at byte {least} or somewhat later, found {offset:g}",
            source=source,
            hint=AGAIN,
        )
    return int(offset)


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Stored values times slope plus intercept are the values meant."""

    slope: float
    inter: float
    rounding: float

    def __str__(self) -> str:
        return f"{self.slope:g} + {self.inter:g}"

    def applied(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the values meant, as whole numbers where they are whole within the rounding of slope and intercept.

        A header keeps both as float32, so that a label stored as 255 with slope 1/255 comes out as 1.00000005.
        """
        values = np.empty(stored.shape, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as labels
            for part in slabs(stored.shape):
                steps = np.multiply(stored[part], self.slope, dtype=np.float64)
                slab = steps + self.inter
                whole = np.rint(slab)
                doubt = np.minimum(self.rounding * (np.abs(steps) + abs(self.inter)), MAX_DOUBT)
                values[part] = np.where(np.abs(slab - whole) <= doubt, whole, slab)
        return values

    def roughly(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the values meant in float32."""
        values = np.empty(stored.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as probabilities
            for part in slabs(stored.shape):
                values[part] = np.multiply(stored[part], self.slope, dtype=np.float64) + self.inter
        return values


def _scaling(header: _Header, source: str) -> _Scaling | None:
    slope, inter = header.number("scl_slope"), header.number("scl_inter")
    if math.isnan(slope) or slope == 0 or (slope, inter) == (1, 0):
        return None
    if not math.isfinite(slope) or not math.isfinite(inter):
        raise InputError(
            f"damaged header: expected a finite scaling, found {slope:g} + {inter:g}", source=source, hint=AGAIN
        )
    return _Scaling(slope, inter, float(np.finfo(header.fields["scl_slope"].dtype).eps))


def _rest(stream: Stream, source: str) -> bytes:
    """What follows the header of a pair: nothing, or extensions."""
    target = np.empty(min(stream.capacity, MAX_EXTENSIONS_BYTES) + 1, np.uint8)
    rest = target[: stream.fill(target)].tobytes()
    flag, extensions = rest[:4], rest[4:]
    sound = flag == b"\1\0\0\0" or (flag in {b"", bytes(4)} and not extensions.strip(b"\0"))
    if len(rest) == target.size or not sound:
        raise InputError("other data after the end of the header", source=source, hint=AGAIN)
    return rest


def _opened_image(file: io.FileIO, source: str) -> io.FileIO:
    """Open the image of a pair, which has the name of its header and may be gzipped."""
    folder, name = os.path.split(source)
    stem = stem_of(name)
    plain = f"{stem}{'.IMG' if name[len(stem) :].startswith('.HDR') else '.img'}"
    zipped = f"{plain}.gz"
    there = [name for name in (plain, zipped) if os.path.lexists(os.path.join(folder, name))]  # noqa: PTH118
    if len(there) > 1:
        raise InputError(f"both {shown(plain)} and {shown(zipped)} are beside it", source=source, hint="remove one")
    return opened_beside(file, there[0] if there else plain, source=source)


def _names(raw: bytes, header: _Header, source: str) -> dict[int, str]:
    """Label names from the extensions behind the header."""
    names: dict[int, str] = {}
    if not raw or not raw[0]:
        return names
    rest = raw[4:]
    while rest.strip(b"\x00"):
        (size,) = struct.unpack(f"{header.order}i", rest[:4].ljust(4, b"\x00"))
        if not 8 <= size <= len(rest):
            raise InputError(
                f"damaged header: an extension of {size:,} bytes where {len(rest):,} are left",
                source=source,
                hint=AGAIN,
            )
        names |= names_in(rest[8:size])
        rest = rest[size:]
    return names
