"""Label maps from PNG, BMP and TIFF pictures (home of Pillow).

A picture's label is the number stored for a pixel: a palette index, not its colour; a 2-bit grey value, not its shade.
Colour pictures are no label maps unless they are grey throughout. Pillow lets much damage pass, so a PNG is checked
chunk by chunk before it sees it, and no picture may claim more pixels than its file can hold. Axes are (y, x), the unit
is px; resolution tags describe paper, not voxels, and are ignored.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import BmpImagePlugin, Image, PngImagePlugin, TiffImagePlugin

from segeval.errors import InputError
from segeval.labelmap import Grid, LabelMap, as_labels
from segeval.reading.contents import HEAD_BYTES, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

CHUNK_BYTES = 1 << 16
MAX_BMP_PADDING_BYTES = 3

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_AGAIN = "copy or export it again"
_AS_PNG = "save it as PNG"
_FAILURES = (  # all that Pillow's parsers were seen to raise on damaged files
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AttributeError,
    AssertionError,
    struct.error,
    UserWarning,
    Image.DecompressionBombError,
)
_warnings_lock = threading.Lock()  # warning filters belong to the process, not to a thread


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a picture.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        What to call it in a message.

    Returns
    -------
    LabelMap
        Axes (y, x), unit px.

    Raises
    ------
    InputError
        The file is damaged, is no picture of a known kind, or does not hold labels.
    """
    return decoded(file.readall(), source=source)


def decoded(data: bytes, *, source: str) -> LabelMap:
    """The label map in the bytes of a picture; see `read`."""
    if data.startswith(_PNG):
        values, stored = _read_png(data, source)
    elif data.startswith(_TIFF):
        values, stored = _read_tiff(data, source)
    elif data.startswith(b"BM"):
        values, stored = _read_bmp(data, source)
    else:
        raise unexpected(data[:HEAD_BYTES], expected="a PNG, BMP or TIFF picture", source=source)
    labels = as_labels(values, source=source)
    grid = Grid(shape=labels.shape, spacing=(1.0, 1.0), unit="px")
    return LabelMap(labels=labels, grid=grid, source=source, stored=stored)


def _damaged(problem: str, source: str) -> InputError:
    return InputError(f"damaged picture: {problem}", source=source, hint=_AGAIN)


def _pixels(picture: ImageFile, source: str) -> NDArray[Any]:
    """Decode the picture as Pillow has it."""
    try:
        picture.load()
        values: NDArray[Any] = np.asarray(picture)
    except _FAILURES as error:
        raise _damaged(f"{error}", source) from error
    if picture.mode == "1":  # booleans in name, bytes of 0 and 255 in fact
        return np.not_equal(values.view(np.uint8), 0)
    return values


def _grey(pixels: NDArray[Any], source: str) -> NDArray[Any]:
    """Reduce colour or grey-with-alpha pixels to grey values; refuse colours and transparency."""
    channels = pixels.shape[-1]
    grey = pixels[..., 0]
    coloured = channels >= 3 and not all(np.array_equal(grey, pixels[..., i]) for i in (1, 2))
    if coloured:
        raise InputError(
            "expected label numbers, found colours", source=source, hint="save it with a palette or as grey values"
        )
    if channels in (2, 4) and (pixels[..., -1] != 255).any():
        raise InputError(
            "expected label numbers, found transparent pixels", source=source, hint="save it without transparency"
        )
    return np.ascontiguousarray(grey)


def _unstretched(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Undo what Pillow does to 2-bit and 4-bit grey: it stretches the numbers to 0 ... 255, by a whole factor."""
    return values // np.uint8(255 // (2**bits - 1))


@dataclass(frozen=True, slots=True)
class _PngHeader:
    """What the first chunk says."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: int

    @property
    def channels(self) -> int:
        return {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[self.colour]

    @property
    def data_bytes(self) -> int:
        """Bytes of the pixels as they are compressed: each row of each pass starts with its filter."""
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


_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}


def _read_png(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    header, essential = _checked_png(data, source)
    if header.colour in (2, 4, 6) and header.depth == 16:
        raise InputError(
            f"expected label numbers, found 16-bit {_PNG_COLOURS[header.colour]}",
            source=source,
            hint="save it with a palette or as 16-bit grey values",
        )
    try:
        picture = PngImagePlugin.PngImageFile(io.BytesIO(essential))
    except _FAILURES as error:
        raise _damaged(f"{error}", source) from error
    values = _pixels(picture, source)
    if values.ndim == 3:
        values = _grey(values, source)
    elif header.colour == 0 and header.depth in (2, 4):
        values = _unstretched(values, header.depth)
    return values, f"PNG, {_PNG_COLOURS[header.colour]}, {header.depth}-bit"


def _checked_png(data: bytes, source: str) -> tuple[_PngHeader, bytes]:
    """Check every chunk and the whole of the compressed pixels; what is essential of it, as a PNG of its own.

    Texts, colour profiles and transparency say nothing about labels, and cannot do harm when they are left out.
    """
    header: _PngHeader | None = None
    essential: list[bytes | memoryview] = [_PNG]
    pixels: list[memoryview] = []
    for kind, body, whole in _png_chunks(data, source):
        if header is None:
            if kind != b"IHDR":
                raise _damaged("it does not start with its header", source)
            header = _png_header(body, source)
        elif kind == b"IHDR":
            raise _damaged("it has two headers", source)
        elif kind == b"acTL" and (frames := int.from_bytes(body[:4], "big")) > 1:
            raise InputError(f"an animation of {frames:,} frames; a label map has one", source=source)
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind[0] & 0x20 == 0 and kind not in (b"PLTE", b"IEND"):
            raise _damaged(f"it needs the unknown extension {kind.decode('latin-1')!r}", source)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            essential.append(whole)
    if header is None:
        raise _damaged("it has no header", source)
    _check_png_pixels(header, pixels, source)
    return header, b"".join(essential)


def _png_chunks(data: bytes, source: str) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Type, body and whole of each chunk, its checksum verified; the last one must end the file."""
    view, at, kind = memoryview(data), len(_PNG), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise InputError("cut short: the picture stops before its end", source=source, hint=_AGAIN)
        size, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 12 + size
        if end > len(data):
            raise InputError(
                f"cut short: a part of the picture needs {end - at:,} bytes, found {len(data) - at:,}",
                source=source,
                hint=_AGAIN,
            )
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise _damaged(f"wrong checksum in its part {kind.decode('latin-1')!r}", source)
        yield kind, view[at + 8 : end - 4], view[at:end]
        at = end
    if at != len(data):
        raise _damaged(f"{len(data) - at:,} other bytes after its end", source)


def _png_header(body: memoryview, source: str) -> _PngHeader:
    if len(body) != 13:
        raise _damaged(f"expected a header of 13 bytes, found {len(body)}", source)
    width, height, depth, colour, compression, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise _damaged(f"impossible size {width} x {height}", source)
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filters or interlaced > 1:
        raise _damaged("no such kind of PNG", source)
    return _PngHeader(width, height, depth, colour, interlaced)


def _check_png_pixels(header: _PngHeader, parts: list[memoryview], source: str) -> None:
    """Decompress the pixels once, keeping nothing: they must be complete, and as many as the header says."""
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
                    raise _damaged(f"expected {expected:,} bytes of pixels, found more", source)
            if stream.eof and (stream.unused_data or rest):
                raise _damaged("other data after its pixels", source)
    except zlib.error as error:
        raise _damaged(f"{error}", source) from error
    if not stream.eof or found != expected:
        raise InputError(
            f"cut short: expected {expected:,} bytes of pixels, found {found:,}", source=source, hint=_AGAIN
        )


def _read_bmp(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    bits, palette_at = _checked_bmp(data, source)
    if bits <= 8:
        # Pillow drops a palette that is grey, and with it how many bits a pixel has: give it one that is not.
        data = data[:palette_at] + b"\x01\x02\x03" + data[palette_at + 3 :]
    try:
        picture = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    except _FAILURES as error:
        raise _damaged(f"{error}", source) from error
    values = _pixels(picture, source)
    if values.ndim == 3:
        return _grey(values, source), f"BMP, RGB, {bits}-bit"
    return values, f"BMP, palette, {bits}-bit"


def _checked_bmp(data: bytes, source: str) -> tuple[int, int]:
    """Check that the header fits the file; bits per pixel and where the palette starts."""
    try:
        offset, header_size = struct.unpack_from("<II", data, 10)
        if header_size == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression = 0
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error:
        raise InputError("cut short: the picture stops in its header", source=source, hint=_AGAIN) from None
    if bits not in (1, 4, 8, 24, 32) or width <= 0 or height == 0:
        raise _damaged(f"no such kind of BMP ({width} x {height}, {bits}-bit)", source)
    if compression not in (0, 3):
        raise InputError("compressed BMP files are not supported", source=source, hint=_AS_PNG)
    needed = offset + (width * bits + 31) // 32 * 4 * abs(height)
    if not 0 <= len(data) - needed <= MAX_BMP_PADDING_BYTES:
        raise InputError(f"expected {needed:,} bytes by its header, found {len(data):,}", source=source, hint=_AGAIN)
    if bits <= 8 and offset < 14 + header_size + 3:
        raise _damaged("it has no palette", source)
    return bits, 14 + header_size


_TIFF_RATIOS = {  # compression -> its name, the most bytes that one byte can stand for
    1: ("", 1),
    2: ("CCITT", 1 << 13),
    3: ("CCITT", 1 << 13),
    4: ("CCITT", 1 << 13),
    5: ("LZW", 4096),
    8: ("deflate", 1032),
    32773: ("PackBits", 64),
    32946: ("deflate", 1032),
    34925: ("LZMA", 1 << 15),
    50000: ("Zstandard", 1 << 15),
}
_DEFLATE = (8, 32946)
_TIFF_MODES = {"1": "grey", "L": "grey", "I;16": "grey", "I;16B": "grey", "I": "grey", "F": "float", "P": "palette"}


def _read_tiff(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    """Read a TIFF picture; of one that is damaged libtiff may say so on stderr as well, which nothing can stop."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags, which labels do not depend on, and of a cut file
        warnings.filterwarnings("error", message=r".*([Cc]orrupt|[Tt]runcated|too large|larger than file)")
        try:
            picture = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
            pages = picture.n_frames
            tags = _TiffTags.of(picture)
        except _FAILURES as error:
            raise _damaged(f"{error}", source) from error
        if pages > 1:
            raise InputError(f"a stack of {pages:,} pages; a picture has one", source=source, hint="save it as .nii.gz")
        _check_tiff(picture.mode, tags, len(data), source)
        if tags.compression in _DEFLATE:
            _check_deflated(data, tags, source)
        values = _pixels(picture, source)
    return _tiff_values(values, picture.mode, tags, source), tags.described(picture.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TiffTags:
    """The tags that decide what the numbers mean."""

    width: int
    height: int
    compression: int
    bits: int
    channels: int
    white_is_zero: bool
    number_format: int
    orientation: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tiled: bool

    @classmethod
    def of(cls, picture: TiffImagePlugin.TiffImageFile) -> _TiffTags:
        tags = picture.tag_v2
        tiled = TiffImagePlugin.TILEOFFSETS in tags

        def many(tag: int) -> tuple[int, ...]:
            value = tags.get(tag, ())
            return tuple(int(number) for number in (value if isinstance(value, tuple) else (value,)))

        return cls(
            width=int(tags[TiffImagePlugin.IMAGEWIDTH]),
            height=int(tags[TiffImagePlugin.IMAGELENGTH]),
            compression=int(tags.get(TiffImagePlugin.COMPRESSION, 1)),
            bits=(many(TiffImagePlugin.BITSPERSAMPLE) or (1,))[0],
            channels=int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)),
            white_is_zero=tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0) == 0,
            number_format=(many(TiffImagePlugin.SAMPLEFORMAT) or (1,))[0],
            orientation=int(tags.get(274, 1)),
            offsets=many(TiffImagePlugin.TILEOFFSETS if tiled else TiffImagePlugin.STRIPOFFSETS),
            counts=many(TiffImagePlugin.TILEBYTECOUNTS if tiled else TiffImagePlugin.STRIPBYTECOUNTS),
            tiled=tiled,
        )

    @property
    def data_bytes(self) -> int:
        """Bytes of the pixels when decompressed, at least."""
        return self.height * ((self.width * self.bits * self.channels + 7) // 8)

    def described(self, mode: str) -> str:
        compression = _TIFF_RATIOS[self.compression][0]
        return ", ".join(
            ["TIFF", *([compression] if compression else []), _TIFF_MODES.get(mode, mode), f"{self.bits}-bit"]
        )


def _check_tiff(mode: str, tags: _TiffTags, size: int, source: str) -> None:
    """Refuse what has no clear numbers, and what claims more than the file can hold."""
    if tags.compression not in _TIFF_RATIOS:
        raise InputError(
            f"TIFF compression {tags.compression} is not supported: it may change labels", source=source, hint=_AS_PNG
        )
    if tags.white_is_zero and tags.bits > 1:
        raise InputError("its values are stored inverted (white is 0)", source=source, hint=_AS_PNG)
    if tags.orientation != 1:
        raise InputError(f"its rows are stored turned (orientation {tags.orientation})", source=source, hint=_AS_PNG)
    channels = {"RGB": 3, "RGBA": 4, "LA": 2}.get(mode, 1)
    if mode not in (*_TIFF_MODES, "RGB", "RGBA", "LA") or tags.channels != channels:
        raise InputError(
            f"expected label numbers, found {tags.channels} channels per pixel ({mode})", source=source, hint=_AS_PNG
        )
    if channels > 1 and tags.bits != 8:
        raise InputError(f"expected label numbers, found {tags.bits}-bit {mode}", source=source, hint=_AS_PNG)
    if len(tags.offsets) != len(tags.counts) or not tags.offsets:
        raise _damaged("its table of parts is incomplete", source)
    last = max(start + count for start, count in zip(tags.offsets, tags.counts, strict=True))
    if last > size:
        raise InputError(f"cut short: expected {last:,} bytes, found {size:,}", source=source, hint=_AGAIN)
    if tags.data_bytes > math.fsum(tags.counts) * _TIFF_RATIOS[tags.compression][1]:
        raise _damaged(f"{tags.width:,} x {tags.height:,} pixels are more than it can hold", source)


def _check_deflated(data: bytes, tags: _TiffTags, source: str) -> None:
    """Decompress each part once, keeping nothing: libtiff stops when it has its pixels and asks for no checksum."""
    for start, count in zip(tags.offsets, tags.counts, strict=True):
        stream = zlib.decompressobj()
        try:
            for at in range(start, start + count, CHUNK_BYTES):
                rest = data[at : min(at + CHUNK_BYTES, start + count)]
                while rest and not stream.eof:
                    stream.decompress(rest, 4 * CHUNK_BYTES)
                    rest = stream.unconsumed_tail
        except zlib.error as error:
            raise _damaged(f"{error}", source) from error
        if not stream.eof:
            raise InputError("cut short: the picture stops before its end", source=source, hint=_AGAIN)


def _tiff_values(values: NDArray[Any], mode: str, tags: _TiffTags, source: str) -> NDArray[Any]:
    """Recover the stored numbers from what Pillow makes of them."""
    if values.ndim == 3:
        return _grey(values, source)
    if mode == "L" and tags.bits in (2, 4):
        return _unstretched(values, tags.bits)
    if mode == "L" and tags.number_format == 2:
        return values.view(np.int8)
    if mode == "I" and tags.bits == 32 and tags.number_format == 1:
        return values.view(np.uint32)
    return values
