r"""Read label maps, probability maps and scans from NumPy files, .npy and .npz.

Nothing in the files is evaluated: arrays of Python objects are refused, and the header is matched against a regular
expression instead of being parsed as Python. An array in an archive must have the size and checksum that the archive
states, and the size that its own header needs. Axes are those of the array, (z, y, x) or (y, x). There is no spacing,
so the unit is px.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.reading.contents import AGAIN, HEAD_BYTES, unexpected
from segeval.reading.formats import RawProbabilities, suffix_of
from segeval.reading.headers import damaged
from segeval.reading.streams import (
    Inflated,
    Plain,
    Stream,
    Summed,
    check_capacity,
    read_exactly,
    read_values,
    wrong_size,
)
from segeval.text import enumerated

LABEL_KEYS = ("labels", "segmentation", "seg", "arr_0")
PROBABILITY_KEYS = ("probabilities", "softmax")
SCAN_KEYS = ("image", "data", "arr_0")
PROBABILITIES_HINT = "to read a probability map: --probabilities"
MAX_DIRECTORY_BYTES = 1 << 22
MAX_HEADER_BYTES = 10_000
MAX_KEYS_SHOWN = 10

_MAGIC = b"\x93NUMPY"
_LENGTHS = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}
_HEADER = re.compile(
    r"\{ *'descr' *: *(?P<descr>'[^'\\]*'|\[.*\]) *, *'fortran_order' *: *(?P<fortran>True|False) *, *"
    r"'shape' *: *\((?P<shape>[0-9L, ]*)\) *,? *\} *\n?",
    re.DOTALL,
)
_DESCR = re.compile(r"'([<>|=]?)([biuf])([1248])'")
_SIZE = re.compile(r"([0-9]{1,18})L?")
_LOCAL = struct.Struct("<4s5H3I2H")
_END_BYTES = 22  # size of the last record of an archive without a comment
_ENCRYPTED, _SIZES_FOLLOW, _IN_ZIP64 = 1, 8, 0xFFFFFFFF
_FAILURES = (  # everything that zipfile may raise for a damaged directory
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
    OSError,
    EOFError,
    struct.error,
)


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a NumPy file.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Name of the file, for messages.

    Returns
    -------
    LabelMap
        Axes as in the file, unit px. From an archive with several arrays, the one called ``labels``, ``segmentation``,
        ``seg`` or ``arr_0`` is read.

    Raises
    ------
    InputError
        The file is damaged, not a NumPy file, or has no label map or several.
    """
    values, stored = _read_array(file, source, keys=LABEL_KEYS, ranks=(2, 3))
    labels = as_labels(values, source=source)
    return LabelMap(labels=labels, grid=_grid(labels.shape), source=source, stored=stored)


def read_probabilities(file: io.FileIO, *, source: str) -> RawProbabilities:
    """Read a probability map: the only array of a file, or the one called ``probabilities`` or ``softmax``."""
    values, stored = _read_array(file, source, keys=PROBABILITY_KEYS, ranks=(2, 3, 4, 5))
    return RawProbabilities(values=values, source=source, stored=stored)


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read a scan: the only array of a file, or the one called ``image``, ``data`` or ``arr_0``."""
    values, _ = _read_array(file, source, keys=SCAN_KEYS, ranks=(2, 3))
    return values, _grid(values.shape)


def _grid(shape: tuple[int, ...]) -> Grid:
    return Grid(shape=shape, spacing=(1.0,) * len(shape), unit="px")


def _read_array(
    file: io.FileIO, source: str, *, keys: tuple[str, ...], ranks: tuple[int, ...]
) -> tuple[NDArray[Any], str]:
    """Read the array in a NumPy file, and describe how the file stores it.

    From an archive with several arrays, the one named in `keys` is read. Its number of axes must be in `ranks`.
    """
    archive = suffix_of(source) == ".npz"
    head = file.read(HEAD_BYTES)
    if archive and not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise unexpected(head, expected="a NumPy archive", source=source)
    if not archive and not head.startswith(_MAGIC):
        raise unexpected(head, expected="a NumPy array", source=source)
    size = None
    stream: Stream = Plain(file)
    if archive:
        member = _chosen(_directory(file, source), keys, source)
        stream, size = _member_stream(file, member, source), member.file_size
    header = _npy_header(stream, ranks, source)
    shape, fortran, dtype, data_start = header
    needed = data_start + math.prod(shape) * dtype.itemsize
    if size is not None and needed != size:
        raise wrong_size(needed, size, source=source)
    check_capacity(stream, needed, source=source)
    values = read_values(stream, shape[::-1] if fortran else shape, dtype, source=source)
    stored = [
        "NumPy archive" if archive else "NumPy",
        *([stream.compression] if stream.compression else []),
        dtype.name,
    ]
    return np.ascontiguousarray(values.T) if fortran else values, ", ".join(stored)


def _npy_header(
    stream: Stream, ranks: tuple[int, ...], source: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return the shape, whether the first axis varies fastest, the type of the values, and their first byte."""
    start = read_exactly(stream, 8, what="header", source=source)
    if start[:6] != _MAGIC:
        raise damaged("the NumPy signature is missing", source=source)
    kind = _LENGTHS.get((start[6], start[7]))
    if kind is None:
        raise damaged(f"unknown version {start[6]}.{start[7]}", source=source)
    width = struct.calcsize(kind)
    (length,) = struct.unpack(kind, read_exactly(stream, width, what="header", source=source))
    if length > MAX_HEADER_BYTES:
        raise damaged(f"expected at most {MAX_HEADER_BYTES:,} bytes, found {length:,}", source=source)
    text = read_exactly(stream, length, what="header", source=source).decode("latin-1")
    found = _HEADER.fullmatch(text)
    if not found:
        raise damaged("it differs from what NumPy writes", source=source)
    dtype = _data_type(found["descr"], source)
    return _shape(found["shape"], ranks, source), found["fortran"] == "True", dtype, 8 + width + length


def _data_type(descr: str, source: str) -> np.dtype[Any]:
    found = _DESCR.fullmatch(descr)
    if found and (found[2] != "b" or found[3] == "1") and found[2] + found[3] != "f1":
        return np.dtype(descr.strip("'"))
    if "O" in descr and not descr.startswith("["):
        raise InputError("expected numbers, found Python objects", source=source, hint="save the array as numbers")
    kind = "records with several values" if descr.startswith("[") else f"values of type {shown(descr)}"
    raise InputError(f"expected numbers, found {kind}", source=source, hint="save the array as integers or floats")


def _shape(text: str, ranks: tuple[int, ...], source: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if words[-1] == "":  # (3,) and ()
        words.pop()
    matches = [_SIZE.fullmatch(word) for word in words]
    sizes = [int(match[1]) for match in matches if match]
    if len(sizes) != len(words):
        raise damaged(f"impossible shape ({shown(text)})", source=source)
    if len(sizes) not in ranks:
        known = f"{', '.join(map(str, ranks[:-1]))} or {ranks[-1]}"
        raise InputError(
            f"expected {known} axes, found shape ({', '.join(map(str, sizes))})",
            source=source,
            hint=PROBABILITIES_HINT if len(sizes) == 4 else "save a single label map" if len(sizes) > 4 else None,
        )
    if min(sizes) < 1:
        raise InputError(f"the array has no voxels: shape ({', '.join(map(str, sizes))})", source=source)
    return tuple(sizes)


class _Bounded(io.RawIOBase):
    """A file that refuses large reads, so that a damaged directory cannot use much memory."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        left = max(0, os.fstat(self._file.fileno()).st_size - self.tell())
        most = left if size < 0 else min(size, left)
        if most > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the zip directory is too large")
        return self._file.read(most) or b""


def _directory(file: io.FileIO, source: str) -> list[zipfile.ZipInfo]:
    """List the arrays of an archive, whose directory must be at the end of the file, after all members."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
    end = file.read(_END_BYTES)
    if not (end.startswith(b"PK\x05\x06") and end.endswith(b"\x00\x00")):
        raise InputError(
            "the file is cut short or has extra data after its end: no zip directory there", source=source, hint=AGAIN
        )
    try:
        archive = zipfile.ZipFile(_Bounded(file))
    except _FAILURES as error:
        raise InputError(f"the file is damaged: {shown(error)}", source=source, hint=AGAIN) from None
    for member in archive.infolist():
        if member.header_offset + _LOCAL.size + member.compress_size > archive.start_dir:
            raise InputError("the file is damaged: arrays and zip directory overlap", source=source, hint=AGAIN)
    return [member for member in archive.infolist() if member.filename.endswith(".npy")]


def _chosen(members: list[zipfile.ZipInfo], keys: tuple[str, ...], source: str) -> zipfile.ZipInfo:
    """Return the only array of an archive, or the one whose name is in `keys`."""
    if len(members) == 1:
        return members[0]
    preferred = [member for member in members if _key(member) in keys]
    if len(preferred) == 1:
        return preferred[0]
    if not members:
        raise InputError("the archive has no array", source=source)
    listed = enumerated([_key(member) for member in members], shown, most=MAX_KEYS_SHOWN, last=", ")
    raise InputError(
        f"the archive has {len(members):,} arrays: {listed}",
        source=source,
        hint=f"save only one, or call one of them {', '.join(keys[:-1])} or {keys[-1]}",
    )


def _key(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _member_stream(file: io.FileIO, member: zipfile.ZipInfo, source: str) -> Stream:
    """Return the bytes of a member, whose own header must agree with the directory."""
    head = Plain(file, start=member.header_offset)
    raw = read_exactly(head, _LOCAL.size, what="an array in the archive", source=source)
    magic, _, flags, method, _, _, checksum, packed, size, name_bytes, extra_bytes = _LOCAL.unpack(raw)
    if (flags | member.flag_bits) & _ENCRYPTED:
        raise InputError("the archive is encrypted", source=source, hint="save it without a password")
    agree = magic == b"PK\x03\x04" and method == member.compress_type
    if not flags & _SIZES_FOLLOW:
        agree &= checksum == member.CRC
        agree &= packed in {member.compress_size, _IN_ZIP64} and size in {member.file_size, _IN_ZIP64}
    if not agree:
        raise InputError(
            f"the file is damaged: array {shown(_key(member))!r} and the zip directory disagree",
            source=source,
            hint=AGAIN,
        )
    start = member.header_offset + _LOCAL.size + name_bytes + extra_bytes
    part = Plain(file, start=start, size=member.compress_size)
    if method == zipfile.ZIP_STORED:
        return Summed(part, member.CRC, source=source)
    if method != zipfile.ZIP_DEFLATED:
        raise InputError(
            f"compression method {method} of the archive is not supported",
            source=source,
            hint="save it with numpy.savez_compressed",
        )
    return Summed(Inflated(part, "deflate", source=source), member.CRC, source=source)
