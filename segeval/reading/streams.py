"""Read the bytes of the voxels from a file, decompressed if needed, completely or not at all (uses isal).

A compressed stream must end with the right checksum and length. Memory is only allocated if the file can fill it, and
only as much is decompressed as is needed, so a decompression bomb does no harm. isal releases the interpreter lock, so
two threads can read two files at once.
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from isal import igzip_lib, isal_zlib
from numpy.typing import NDArray

from segeval.errors import InputError, OutOfMemoryError
from segeval.reading.contents import AGAIN

if TYPE_CHECKING:
    import io

Bytes = NDArray[np.uint8]
Compression = Literal["gzip", "zlib", "deflate"]

CHUNK_BYTES = 1 << 18  # decompressed at once: fits the cache of a processor, and needs few calls
DEFLATE_RATIO = 1032  # largest number of bytes that one byte of deflate data can expand to

_FLAGS = {
    "gzip": igzip_lib.DECOMP_GZIP,
    "zlib": igzip_lib.DECOMP_ZLIB,
    "deflate": igzip_lib.DECOMP_DEFLATE,
}
_DAMAGE: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub declares an instance


class Stream(Protocol):
    """The bytes of an image, decompressed if needed."""

    capacity: int
    """Largest possible number of bytes; the exact number if the stream is not compressed."""
    compression: Compression | None

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream ends, and return the number of bytes read."""


class Plain:
    """A part of a file that is not compressed.

    Parameters
    ----------
    file
        The open file.
    start
        Position of the first byte.
    size
        Number of bytes; by default the rest of the file.
    """

    compression: Compression | None = None

    def __init__(self, file: io.FileIO, *, start: int = 0, size: int | None = None) -> None:
        self._file = file
        self.capacity = os.fstat(file.fileno()).st_size - start if size is None else size
        self._left = self.capacity
        file.seek(start)

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the part ends, and return the number of bytes read."""
        filled, wanted = 0, min(target.size, self._left)
        while filled < wanted:
            count = self._file.readinto(target[filled:wanted].data)
            if not count:
                break
            filled += count
        self._left -= filled
        return filled

    def some(self) -> bytes:
        """Read the next bytes, as many as the file returns at once; none at the end."""
        piece = self._file.read(min(CHUNK_BYTES, self._left)) or b""
        self._left -= len(piece)
        return piece


class Inflated:
    """A compressed part of a file; its checksum and length are checked.

    It is decompressed in pieces directly into the target, so that there is only one copy of the image. gzip data may
    have several members, and zero bytes after the last one; zlib and deflate data is a single stream with nothing after
    it. Only deflate data has no checksum.

    Parameters
    ----------
    part
        Compressed bytes.
    compression
        Kind of compression.
    source
        Path of the file, for messages.
    """

    def __init__(self, part: Plain, compression: Compression, *, source: str) -> None:
        self._part, self._source = part, source
        self.compression: Compression | None = compression
        self.capacity = part.capacity * DEFLATE_RATIO
        self._flag = _FLAGS[compression]
        self._ahead = b""
        self._start_member()

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream ends, and return the number of bytes read."""
        filled = 0
        while filled < target.size:
            piece = self._piece(min(CHUNK_BYTES, target.size - filled))
            if not piece:
                break
            np.copyto(target[filled : filled + len(piece)], np.frombuffer(piece, np.uint8))
            filled += len(piece)
        return filled

    def _start_member(self) -> None:
        self._member = igzip_lib.IgzipDecompressor(flag=self._flag)

    def _piece(self, most: int) -> bytes:
        """Return up to `most` bytes; none only at the end of the last member."""
        while True:
            if self._member.eof and not self._next_member():
                return b""
            compressed = b""
            if self._member.needs_input:
                compressed, self._ahead = self._ahead or self._part.some(), b""
                if not compressed:
                    raise InputError(
                        f"the file is cut short: the {self.compression} data stops before its end",
                        source=self._source,
                        hint=AGAIN,
                    )
            try:
                piece: bytes = self._member.decompress(compressed, most)
            except _DAMAGE as error:
                raise InputError(
                    f"the file is damaged: bad {self.compression} data ({_reason(error)})",
                    source=self._source,
                    hint=AGAIN,
                ) from None
            if piece:
                return piece

    def _next_member(self) -> bool:
        """Start the next gzip member; False at the end of the part. Zero bytes may be there as padding."""
        padding = b"\x00" if self.compression == "gzip" else b""
        rest = self._member.unused_data.lstrip(padding)
        while not rest:
            rest = self._part.some()
            if not rest:
                return False
            rest = rest.lstrip(padding)
        if len(rest) == 1:
            rest += self._part.some()
        if self.compression != "gzip" or rest[:2] != b"\x1f\x8b":
            raise InputError(
                f"the file is too long: extra data after the {self.compression} data", source=self._source, hint=AGAIN
            )
        self._ahead = rest
        self._start_member()
        return True


class Summed:
    """A stream with a known CRC-32, which is checked at its end.

    Parameters
    ----------
    stream
        Stream of bytes.
    checksum
        Expected CRC-32.
    source
        Path of the file, for messages.
    """

    def __init__(self, stream: Stream, checksum: int, *, source: str) -> None:
        self._stream, self._expected, self._source = stream, checksum, source
        self._found = 0
        self.capacity, self.compression = stream.capacity, stream.compression

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream ends, and return the number of bytes read."""
        filled = 0
        while filled < target.size:
            piece = target[filled : filled + CHUNK_BYTES]
            count = self._stream.fill(piece)
            self._found = isal_zlib.crc32(piece[:count].data, self._found)
            filled += count
            if count < piece.size:
                if self._found != self._expected:
                    raise InputError("the file is damaged: wrong checksum", source=self._source, hint=AGAIN)
                break
        return filled


def _reason(error: Exception) -> str:
    """Return the reason in an error of isal such as ``"Error -6 Incorrect checksum found"``."""
    return re.sub(r"^Error -?\d+ ", "", str(error)).lower()


def check_capacity(stream: Stream, needed: int, *, source: str) -> None:
    """Refuse a file whose size does not fit its header, before any memory is allocated.

    Raises
    ------
    InputError
        The file is too short or too long.
    """
    if stream.compression is None:
        if needed != stream.capacity:
            raise wrong_size(needed, stream.capacity, source=source)
    elif needed > stream.capacity:
        problem = f"the header needs {needed:,} bytes, more than {stream.compression} data of this size can hold"
        raise InputError(f"the file is too small: {problem}", source=source, hint=AGAIN)


def wrong_size(needed: int, found: int, *, source: str) -> InputError:
    """Return the error for a file that has fewer or more bytes than its header needs."""
    fault = "cut short" if found < needed else "too long"
    return InputError(
        f"the file is {fault}: the header needs {needed:,} bytes, found {found:,}", source=source, hint=AGAIN
    )


def cut_short(expected: int, found: int, *, what: str, source: str) -> InputError:
    """Return the error for a file that ends before all bytes of something are read."""
    return InputError(
        f"the file is cut short: expected {expected:,} bytes of {what}, found {found:,}", source=source, hint=AGAIN
    )


def read_exactly(stream: Stream, count: int, *, what: str, source: str) -> bytes:
    """Read `count` bytes.

    Raises
    ------
    InputError
        There are fewer bytes.
    """
    target: Bytes = np.empty(count, np.uint8)
    found = stream.fill(target)
    if found < count:
        raise cut_short(count, found, what=what, source=source)
    return target.tobytes()


def read_values(stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], *, source: str) -> NDArray[Any]:
    """Read the rest of a stream into an array, which it must fill exactly.

    Parameters
    ----------
    stream
        Stream of bytes, at the first value.
    shape
        Shape of the array; its last axis varies fastest.
    dtype
        Data type of the values, with its byte order.
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        There are fewer or more bytes, they are damaged, or there is not enough memory.
    """
    try:
        values: NDArray[Any] = np.empty(math.prod(shape), dtype)
    except MemoryError:
        size = math.prod(shape) * dtype.itemsize / 2**30
        raise OutOfMemoryError(f"not enough memory: the file needs {size:,.1f} GB", source=source) from None
    found = stream.fill(values.view(np.uint8))
    if found < values.nbytes:
        raise cut_short(values.nbytes, found, what="voxels", source=source)
    if stream.fill(np.empty(1, np.uint8)):
        raise InputError(
            f"the file is too long: expected {values.nbytes:,} bytes of voxels, found more", source=source, hint=AGAIN
        )
    return values.reshape(shape)
