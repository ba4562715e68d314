"""Check the chunks of a PNG picture before Pillow decodes it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segeval.errors import InputError
from segeval.reading.pixels import CHUNK_BYTES, check_size, cut_short, damaged, too_long
from segeval.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Header:
    """Fields of the first chunk."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: int

    @property
    def channels(self) -> int:
        """Number of values per pixel."""
        return {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[self.colour]

    @property
    def data_bytes(self) -> int:
        """Number of bytes of the decompressed pixels, with the filter byte of each row of each pass."""
        if not self.interlaced:
            return self._pass_bytes(self.width, self.height)
        passes = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
        return sum(
            self._pass_bytes(-((x - self.width) // dx), -((y - self.height) // dy))  # rounded up
            for x, dx, y, dy in passes
        )

    def _pass_bytes(self, width: int, height: int) -> int:
        if width <= 0 or height <= 0:
            return 0
        return height * (1 + (width * self.depth * self.channels + 7) // 8)


_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}


def checked(data: bytes, source: str) -> tuple[Header, bytes]:
    """Check every chunk and all compressed pixels.

    Returns
    -------
    Header
        Fields of the first chunk.
    bytes
        PNG with only the chunks that labels need. Texts, colour profiles and transparency are left out, so that they
        cannot do harm.

    Raises
    ------
    InputError
        The file is damaged, or is an animation.
    """
    header: Header | None = None
    essential: list[bytes | memoryview] = [SIGNATURE]
    pixels: list[memoryview] = []
    for kind, body, whole in _chunks(data, source):
        if header is None:
            if kind != b"IHDR":
                raise damaged("the header is not at the start", source)
            header = _header(body, source)
        elif kind == b"IHDR":
            raise damaged("it has two headers", source)
        elif kind == b"acTL" and (frames := int.from_bytes(body[:4], "big")) > 1:
            problem = f"expected one picture, found an animation of {frames:,} frames"
            raise InputError(problem, source=source, hint="save one frame as PNG")
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind[0] & 0x20 == 0 and kind not in (b"PLTE", b"IEND"):
            raise damaged(f"unknown chunk {kind.decode('latin-1')!r}, which is needed to decode it", source)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            essential.append(whole)
    if header is None:
        raise damaged("the header is missing", source)
    _check_pixels(header, pixels, source)
    return header, b"".join(essential)


def _chunks(data: bytes, source: str) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Yield type, body and all bytes of each chunk, after its checksum; the last chunk must end the file."""
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise cut_short("the end of the picture is missing", source)
        size, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 12 + size
        if end > len(data):
            raise cut_short(f"a chunk needs {end - at:,} bytes, found {len(data) - at:,}", source)
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise damaged(f"wrong checksum in chunk {kind.decode('latin-1')!r}", source)
        yield kind, view[at + 8 : end - 4], view[at:end]
        at = end
    if at != len(data):
        raise too_long(f"{counted(len(data) - at, 'extra byte', spec=',')} after the end of the picture", source)


def _header(body: memoryview, source: str) -> Header:
    if len(body) != 13:
        raise damaged(f"expected a header of 13 bytes, found {len(body)}", source)
    width, height, depth, colour, compression, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise damaged(f"impossible size {width} x {height}", source)
    if depth not in _DEPTHS.get(colour, ()) or compression or filters or interlaced > 1:
        raise damaged(f"unknown kind of PNG (colour type {colour}, {depth}-bit)", source)
    check_size(width, height, source)
    return Header(width, height, depth, colour, interlaced)


def _check_pixels(header: Header, parts: list[memoryview], source: str) -> None:
    """Decompress the pixels without keeping them; their number must match the header."""
    expected, found = header.data_bytes, 0
    stream = zlib.decompressobj()
    compressed = (part[at : at + CHUNK_BYTES] for part in parts for at in range(0, len(part), CHUNK_BYTES))
    try:
        for piece in compressed:
            rest: bytes | memoryview = piece
            while rest and not stream.eof:
                found += len(stream.decompress(rest, 4 * CHUNK_BYTES))
                rest = stream.unconsumed_tail
                if found > expected:
                    raise damaged(f"expected {expected:,} bytes of pixels, found more", source)
            if stream.eof and (stream.unused_data or rest):
                raise damaged("extra data after the pixels", source)
    except zlib.error as error:
        raise damaged(f"{error}", source) from error
    if not stream.eof or found != expected:
        raise cut_short(f"expected {expected:,} bytes of pixels, found {found:,}", source)
