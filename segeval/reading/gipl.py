"""Read label maps and scans from GIPL files (.gipl, .gipl.gz): a header of 256 bytes and the voxels, big-endian.

The fields are read as ITK reads them: the axes are those of LPS whatever the matrix field says, and only the data types
that ITK knows are supported. In a .gipl.gz file the header is compressed too.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError
from segeval.reading.contents import GIPL_MAGICS, unexpected
from segeval.reading.headers import ONE_VOLUME, UNSCALED, Geometry, VolumeHeader, damaged
from segeval.reading.streams import Inflated, Plain, Stream
from segeval.reading.volume import read_labels, read_numbers

if TYPE_CHECKING:
    import io

    from numpy.typing import NDArray

    from segeval.maps.label_map import Grid, LabelMap

HEADER_BYTES = 256

_HEADER = struct.Struct(">4H H 3f 182x 3d 8x 2f 8x 4s")  # sizes, type, spacing, origin, scaling, magic
_TYPES = {7: "i1", 8: "u1", 15: ">i2", 16: ">u2", 64: ">f4", 65: ">f8"}


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a GIPL file; see `volume.read_labels`.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file.

    Raises
    ------
    InputError
        The file is not a GIPL file, is damaged, or has no label map.
    """
    return read_labels(file, _parse(file, source), source=source)


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values and the grid of a GIPL file, axes (z, y, x)."""
    return read_numbers(file, _parse(file, source), source=source)


def _parse(file: io.FileIO, source: str) -> VolumeHeader:
    """Read the header."""
    gzipped = file.read(2) == b"\x1f\x8b"
    part = Plain(file)
    stream: Stream = Inflated(part, "gzip", source=source) if gzipped else part
    target = np.empty(HEADER_BYTES, np.uint8)
    head = target[: stream.fill(target)].tobytes()
    if head[252:] not in GIPL_MAGICS:
        raise unexpected(head, expected="a GIPL image", source=source)
    fields = _HEADER.unpack(head)[:-1]
    sizes, volumes, code = fields[:3], fields[3], fields[4]
    if min(sizes) < 1:
        raise damaged(f"expected sizes of at least 1, found {' x '.join(map(str, sizes))}", source=source)
    if volumes > 1:
        raise InputError(
            f"expected a label map with one volume, found {volumes:,} ({' x '.join(map(str, fields[:4]))})",
            source=source,
            hint=ONE_VOLUME,
        )
    if code not in _TYPES:
        raise InputError(f"data type {code} is not supported", source=source, hint="save it as uint8 or int16")
    geometry, scaling = fields[5:11], fields[11:]
    if not all(map(math.isfinite, geometry)):
        raise damaged("spacing or origin is not finite", source=source)
    if scaling not in {(0, 0), (0, 1)}:
        raise InputError("scaled voxels are not supported", source=source, hint=UNSCALED)
    return VolumeHeader(
        kind="GIPL",
        shape=sizes[::-1],
        dtype=np.dtype(_TYPES[code]),
        compression="gzip" if gzipped else None,
        data_file=None,
        data_start=0,
        skipped=HEADER_BYTES,
        geometry=Geometry(spacing=geometry[:3], origin=geometry[3:]),
    )
