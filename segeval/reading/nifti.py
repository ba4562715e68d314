"""Label maps from NIfTI-1 and NIfTI-2 files and pairs, plain or gzipped, of either byte order (home of nibabel).

A NIfTI file can be damaged in ways that still decode: cut short, a flipped bit, a header that does not fit the data.
Here the compressed stream must end where it says with the right checksum, and the file must hold exactly the bytes
that its header needs; nothing is allocated that the file could not fill. NIfTI stores x fastest and names axes
(x, y, z), so the same bytes are an array with axes (z, y, x). World coordinates are RAS, in mm.
"""

from __future__ import annotations

import math
import os
import re
import struct
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid, LabelMap, as_labels, slabs
from segeval.reading.caret import names_in
from segeval.reading.contents import unexpected
from segeval.reading.files import opened_beside
from segeval.reading.streams import Inflated, Plain, Stream, check_capacity, read_exactly, read_values

if TYPE_CHECKING:
    import io

Affine = NDArray[np.float64]

MAX_EXTENSIONS_BYTES = 1 << 26
AGREEING = 0.05  # of the smallest spacing: sform and qform differ by rounding
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
_PAIR = re.compile(r"(.*)\.(hdr)(?:\.gz)?", re.IGNORECASE | re.DOTALL)
_MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # of xyzt_units: metres, microns; everything else is taken as mm
_AGAIN = "copy or export it again"


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


def read_volumes(file: io.FileIO, *, source: str) -> Volumes:
    """Read the numbers in a NIfTI file of one volume or several.

    Returns
    -------
    Volumes
        Axes (z, y, x), with one of the volumes before them where there are several.

    Raises
    ------
    InputError
        The file is damaged, or is not a NIfTI file.
    """
    volume = _read(file, source, most_volumes=None)
    scaling = volume.scaling
    return volume if scaling is None else replace(volume, values=scaling.roughly(volume.values), scaling=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volumes:
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


def _read(file: io.FileIO, source: str, *, most_volumes: int | None) -> Volumes:
    gzipped = file.read(2) == b"\x1f\x8b"
    part = Plain(file)
    stream: Stream = Inflated(part, "gzip", source=source) if gzipped else part
    pair = _PAIR.fullmatch(os.path.basename(source))  # noqa: PTH119 - see `files`
    header = _read_header(stream, source, pair=pair is not None)
    count, shape, dtype = *_shape(header, source, most_volumes), _data_type(header, source)
    offset = _data_offset(header, source, pair=pair is not None)
    size = count * math.prod(shape) * dtype.itemsize
    with ExitStack() as stack:
        if pair:
            raw = _rest(stream, source)
            image = stack.enter_context(_opened_image(file, pair, source))
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
    grid = _grid(header, shape, source)
    return Volumes(
        values=values,
        scaling=scaling,
        grid=grid,
        remarks=_disagreement(header, grid),
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
            raise InputError("damaged header: its size field is neither 348 nor 540", source=source, hint=_AGAIN)
        raise unexpected(start, expected="a NIfTI file", source=source)
    if len(start) < 348:
        raise InputError(f"cut short: expected {size} bytes of header, found {len(start)}", source=source, hint=_AGAIN)
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
        raise InputError("damaged header: no NIfTI signature where it belongs", source=source, hint=_AGAIN)
    raise InputError(f"expected {expected}, found {found}", source=source, hint=hint)


def _shape(header: _Header, source: str, most_volumes: int | None) -> tuple[int, tuple[int, int, int]]:
    """How many volumes there are, and the voxels of each along (z, y, x)."""
    rank, *sizes = header.fields["dim"].tolist()
    if not 1 <= rank <= 7:
        raise InputError(f"damaged header: expected 1 to 7 dimensions, found {rank}", source=source, hint=_AGAIN)
    used = sizes[:rank]
    if min(used) < 1:
        raise InputError(
            f"damaged header: expected sizes of at least 1, found {' x '.join(map(str, used))}",
            source=source,
            hint=_AGAIN,
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
        raise InputError(f"damaged header: unknown data type {code}", source=source, hint=_AGAIN)
    dtype = np.dtype(_DATA_TYPES[code]).newbyteorder(header.order)  # type: ignore[arg-type]
    if bits != dtype.itemsize * 8:
        raise InputError(
            f"damaged header: {bits} bits per voxel do not fit {dtype.name}, which has {dtype.itemsize * 8}",
            source=source,
            hint=_AGAIN,
        )
    return dtype


def _data_offset(header: _Header, source: str, *, pair: bool) -> int:
    """Where the voxels start; at the start of their own file in a pair."""
    offset, least = float(header.number("vox_offset")), header.size + 4
    if pair and offset != 0:
        raise InputError(
            f"damaged header: expected voxels to start at byte 0 of the .img file, found {offset:g}",
            source=source,
            hint=_AGAIN,
        )
    if not pair and not (
        math.isfinite(offset) and offset.is_integer() and least <= offset <= least + MAX_EXTENSIONS_BYTES
    ):
        raise InputError(
            f"damaged header: expected voxels to start at byte {least} or somewhat later, found {offset:g}",
            source=source,
            hint=_AGAIN,
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
            f"damaged header: expected a finite scaling, found {slope:g} + {inter:g}", source=source, hint=_AGAIN
        )
    return _Scaling(slope, inter, float(np.finfo(header.fields["scl_slope"].dtype).eps))


def _grid(header: _Header, shape: tuple[int, int, int], source: str) -> Grid:
    """Where the voxels are, in mm; array axes are NIfTI's in reverse."""
    affine = _affine(header, source)
    if not np.isfinite(affine).all():
        raise InputError("damaged header: its affine is not finite", source=source, hint=_AGAIN)
    columns = _with_missing_axes(affine[:3, :3], shape[::-1])
    spacing = [math.hypot(*column) for column in columns.T.tolist()]
    if not all(step > 0 and math.isfinite(step) for step in spacing):
        raise InputError(
            f"damaged header: expected positive voxel sizes, found {' x '.join(f'{step:g}' for step in spacing)}",
            source=source,
            hint=_AGAIN,
        )
    axes = columns / spacing
    if abs(np.linalg.det(axes)) < 1e-6:
        raise InputError(
            "damaged header: the axes of its affine do not span space",
            source=source,
            hint="copy the geometry from the image it belongs to",
        )
    x, y, z = affine[:3, 3].tolist()
    return Grid(
        shape=shape,
        spacing=tuple(spacing[::-1]),
        origin=(x, y, z),
        direction=tuple((float(a), float(b), float(c)) for a, b, c in axes.T[::-1].tolist()),
        unit="mm",
    )


def _affine(header: _Header, source: str) -> Affine:
    """From the sform, else the qform, else the voxel sizes alone; in mm."""
    _check_codes(header, source)
    fields = header.fields
    if not header.number("sform_code"):
        _check_voxel_sizes(header, source)
        handedness = fields["pixdim"][0].item()
        fields["pixdim"][0] = -1 if handedness < 0 else 1  # the format allows 1 and -1; 0 and others mean 1 in practice
    scale = _MM_PER_UNIT.get(header.number("xyzt_units") & 7, 1.0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
            affine = np.asarray(fields.get_best_affine(), np.float64)  # type: ignore[no-untyped-call]
            return affine * scale
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"damaged header: no orientation in its qform ({error})", source=source, hint=_AGAIN) from None


def _disagreement(header: _Header, grid: Grid) -> tuple[str, ...]:
    """Remark that the two orientations of a header differ, as other tools may follow the other one."""
    fields = header.fields
    if not (header.number("sform_code") and header.number("qform_code")):
        return ()
    fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
    scale = _MM_PER_UNIT.get(header.number("xyzt_units") & 7, 1.0)
    with np.errstate(all="ignore"):
        try:
            sform, qform = (np.asarray(form, np.float64) for form in (fields.get_sform(), fields.get_qform()))  # type: ignore[no-untyped-call]
        except (HeaderDataError, ValueError):
            return ("its qform is damaged; the sform counts",)
        ends = np.array(np.meshgrid(*[(0, size - 1) for size in grid.shape[::-1]])).reshape(3, -1)
        moved = (sform - qform)[:3] @ np.vstack([ends, np.ones(ends.shape[1])])
        apart = float(np.linalg.norm(moved, axis=0).max()) * scale
    if apart <= AGREEING * min(grid.spacing):
        return ()
    return (f"its sform and qform disagree by up to {apart:.4g} mm; the sform counts, other tools may take the qform",)


def _check_codes(header: _Header, source: str) -> None:
    for name in ("sform_code", "qform_code"):
        code = header.number(name)
        if code < 0:
            raise InputError(f"damaged header: expected {name} from 0 up, found {code}", source=source, hint=_AGAIN)


def _check_voxel_sizes(header: _Header, source: str) -> None:
    """Refuse voxel sizes that are not positive; set those of the axes that there are not to 1."""
    rank = min(3, int(header.fields["dim"][0]))
    sizes = header.fields["pixdim"]
    used = sizes[1 : rank + 1].tolist()
    if not all(math.isfinite(size) and size > 0 for size in used):
        raise InputError(
            f"damaged header: expected positive voxel sizes, found {' x '.join(f'{size:g}' for size in used)}",
            source=source,
            hint="copy the geometry from the image it belongs to",
        )
    sizes[rank + 1 : 4] = 1


def _with_missing_axes(columns: Affine, sizes: tuple[int, ...]) -> Affine:
    """Columns of an affine, with a unit step at right angles for each axis of one voxel that has none."""
    missing = [axis for axis, size in enumerate(sizes) if size == 1 and not columns[:, axis].any()]
    if not missing:
        return columns
    rest = [axis for axis in range(3) if axis not in missing]
    complement = np.linalg.svd(columns[:, rest], full_matrices=True)[0][:, len(rest) :]
    for axis, step in zip(missing, complement.T, strict=False):
        columns[:, axis] = step * np.sign(step[np.argmax(np.abs(step))])
    return columns


def _rest(stream: Stream, source: str) -> bytes:
    """What follows the header of a pair: nothing, or extensions."""
    target = np.empty(min(stream.capacity, MAX_EXTENSIONS_BYTES) + 1, np.uint8)
    rest = target[: stream.fill(target)].tobytes()
    flag, extensions = rest[:4], rest[4:]
    sound = flag == b"\1\0\0\0" or (flag in {b"", bytes(4)} and not extensions.strip(b"\0"))
    if len(rest) == target.size or not sound:
        raise InputError("other data after the end of the header", source=source, hint=_AGAIN)
    return rest


def _opened_image(file: io.FileIO, pair: re.Match[str], source: str) -> io.FileIO:
    """Open the image of a pair, which has the name of its header and may be gzipped."""
    plain = f"{pair[1]}.{'IMG' if pair[2].isupper() else 'img'}"
    zipped = f"{plain}.gz"
    folder = os.path.dirname(source)  # noqa: PTH120 - see `files`
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
                hint=_AGAIN,
            )
        names |= names_in(rest[8:size])
        rest = rest[size:]
    return names
