"""The voxels' bytes, as they lie in a file or decompressed, taken whole or not at all (home of isal).

A compressed stream must end where it says, with the right checksum and length. Nothing is allocated that the file could
not fill, and no more is expanded than was asked for, so that a decompression bomb costs nothing. isal lets go of the
interpreter lock meanwhile: two files can be read on two threads.
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

CHUNK_BYTES = 1 << 18  # decompressed at a time: stays in a processor's cache, large enough that calls cost nothing
DEFLATE_RATIO = 1032  # the most bytes that one byte of deflate can stand for

_FLAGS = {
    "gzip": igzip_lib.DECOMP_GZIP,
    "zlib": igzip_lib.DECOMP_ZLIB,
    "deflate": igzip_lib.DECOMP_DEFLATE,
}
_DAMAGE: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub has an instance


class Stream(Protocol):
    """Bytes of an image, decompressed where need be."""

    capacity: int
    """The most bytes that it can hold; exactly as many, where it is not compressed."""
    compression: Compression | None

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream at its end; how many bytes were read."""


class Plain:
    """A part of a file as it is.

    Parameters
    ----------
    file
        The open file.
    start
        Where the part starts.
    size
        How many bytes it has; the rest of the file where it is not given.
    """

    compression: Compression | None = None

    def __init__(self, file: io.FileIO, *, start: int = 0, size: int | None = None) -> None:
        self._file = file
        self.capacity = os.fstat(file.fileno()).st_size - start if size is None else size
        self._left = self.capacity
        file.seek(start)

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the part at its end; how many bytes were read."""
        filled, wanted = 0, min(target.size, self._left)
        while filled < wanted:
            count = self._file.readinto(target[filled:wanted].data)
            if not count:
                break
            filled += count
        self._left -= filled
        return filled

    def some(self) -> bytes:
        """Read the next bytes, as many as come at once; none at the end."""
        piece = self._file.read(min(CHUNK_BYTES, self._left)) or b""
        self._left -= len(piece)
        return piece


class Inflated:
    """A compressed part of a file, checked against its checksum and length.

    It is decompressed in pieces straight to where they belong, so that there is one copy of the image. gzip may have
    several members one after the other, and zero bytes after the last; the others are one stream and nothing after it.
    Only deflate has no checksum of its own.

    Parameters
    ----------
    part
        The compressed bytes.
    compression
        Their kind.
    source
        The file, for messages.
    """

    def __init__(self, part: Plain, compression: Compression, *, source: str) -> None:
        self._part, self._source = part, source
        self.compression: Compression | None = compression
        self.capacity = part.capacity * DEFLATE_RATIO
        self._flag = _FLAGS[compression]
        self._ahead = b""
        self._start_member()

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream at its end; how many bytes were read."""
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
        """Up to `most` bytes, none only at the end of the last member."""
        while True:
            if self._member.eof and not self._next_member():
                return b""
            compressed = b""
            if self._member.needs_input:
                compressed, self._ahead = self._ahead or self._part.some(), b""
                if not compressed:
                    raise InputError(
                        f"cut short: the {self.compression} data stops before its end", source=self._source, hint=AGAIN
                    )
            try:
                piece: bytes = self._member.decompress(compressed, most)
            except _DAMAGE as error:
                raise InputError(
                    f"damaged {self.compression} data ({_reason(error)})", source=self._source, hint=AGAIN
                ) from None
            if piece:
                return piece

    def _next_member(self) -> bool:
        """Go on to another gzip member; False at the end of the part. Zero bytes are legal padding there."""
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
                f"other data after the end of the {self.compression} data", source=self._source, hint=AGAIN
            )
        self._ahead = rest
        self._start_member()
        return True


class Summed:
    """A stream whose CRC-32 is known beforehand, checked when it has ended.

    Parameters
    ----------
    stream
        The bytes.
    checksum
        What their CRC-32 must be.
    source
        The file, for messages.
    """

    def __init__(self, stream: Stream, checksum: int, *, source: str) -> None:
        self._stream, self._expected, self._source = stream, checksum, source
        self._found = 0
        self.capacity, self.compression = stream.capacity, stream.compression

    def fill(self, target: Bytes) -> int:
        """Read until the target is full or the stream at its end; how many bytes were read."""
        filled = 0
        while filled < target.size:
            piece = target[filled : filled + CHUNK_BYTES]
            count = self._stream.fill(piece)
            self._found = isal_zlib.crc32(piece[:count].data, self._found)
            filled += count
            if count < piece.size:
                if self._found != self._expected:
                    raise InputError("damaged: wrong checksum", source=self._source, hint=AGAIN)
                break
        return filled


def _reason(error: Exception) -> str:
    """Take the number out of what isal says: ``"Error -6 Incorrect checksum found"``."""
    return re.sub(r"^Error -?\d+ ", "", str(error)).lower()


def check_capacity(stream: Stream, needed: int, *, source: str) -> None:
    """Refuse a header that needs other than what the file holds, before any memory is taken for it.

    Raises
    ------
    InputError
        It does.
    """
    if stream.compression is None:
        if needed != stream.capacity:
            raise InputError(
                f"expected {needed:,} bytes by its header, found {stream.capacity:,}", source=source, hint=AGAIN
            )
    elif needed > stream.capacity:
        raise InputError(
            f"its header needs {needed:,} bytes, more than a {stream.compression} file of this size can hold",
            source=source,
            hint=AGAIN,
        )


def read_exactly(stream: Stream, count: int, *, what: str, source: str) -> bytes:
    """Read so many bytes.

    Raises
    ------
    InputError
        There are fewer.
    """
    target: Bytes = np.empty(count, np.uint8)
    found = stream.fill(target)
    if found < count:
        raise InputError(f"cut short: expected {count:,} bytes of {what}, found {found:,}", source=source, hint=AGAIN)
    return target.tobytes()


def read_values(stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], *, source: str) -> NDArray[Any]:
    """Read the rest of a stream as an array, which it must fill exactly.

    Parameters
    ----------
    stream
        The bytes, at the first value.
    shape
        Of the array, whose last axis varies fastest.
    dtype
        Of the values, with their byte order.
    source
        The file, for messages.

    Raises
    ------
    InputError
        There are fewer or more bytes, or they are damaged, or there is not enough memory.
    """
    try:
        values: NDArray[Any] = np.empty(math.prod(shape), dtype)
    except MemoryError:
        size = math.prod(shape) * dtype.itemsize / 2**30
        raise OutOfMemoryError(f"needs {size:,.1f} GB of memory, more than there is", source=source) from None
    found = stream.fill(values.view(np.uint8))
    if found < values.nbytes:
        raise InputError(
            f"cut short: expected {values.nbytes:,} bytes of voxels, found {found:,}", source=source, hint=AGAIN
        )
    if stream.fill(np.empty(1, np.uint8)):
        raise InputError(f"expected {values.nbytes:,} bytes of voxels, found more", source=source, hint=AGAIN)
    return values.reshape(shape)
