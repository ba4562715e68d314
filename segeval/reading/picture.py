"""Label maps from PNG, BMP and TIFF pictures (home of Pillow).

A picture's label is the number stored for a pixel: a palette index, not its colour; a 2-bit grey value, not its shade.
Colour pictures are no label maps unless they are grey throughout. Pillow lets much damage pass, so a PNG is checked
chunk by chunk and a TIFF tag by tag before it sees them. No picture may claim more pixels than its file can hold, or
than memory should. Axes are (y, x), the unit is px; resolution tags describe paper, not voxels, and are ignored.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from segeval.errors import InputError
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.reading import tiff
from segeval.reading.contents import HEAD_BYTES, unexpected
from segeval.reading.tiff import AGAIN, AS_PNG, CHUNK_BYTES, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 1 << 28  # as many as a slide of 16,384 x 16,384; a file of 2 MB can claim a thousand times its size
MAX_FILE_BYTES = 8 * MAX_PIXELS  # no kind of picture has larger pixels
BAND_BYTES = 1 << 24
MAX_BMP_PADDING_BYTES = 3

MOST_16_BIT = 65535

_PNG = b"\x89PNG\r\n\x1a\n"
_BMP = b"BM"
_JPEG = b"\xff\xd8\xff"
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
_COLOURS = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
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
    _check_signature(file.read(HEAD_BYTES), source)
    return decoded(_all_of(file, source), source=source)


def _all_of(file: io.FileIO, source: str) -> bytes:
    if (size := os.fstat(file.fileno()).st_size) > MAX_FILE_BYTES:
        raise InputError(f"expected at most {MAX_FILE_BYTES:,} bytes, found {size:,}", source=source)
    file.seek(0)
    return file.readall()


def read_shades(file: io.FileIO, *, source: str) -> NDArray[Any]:
    """Read a picture for what it looks like: its grey values, or its colours.

    Parameters
    ----------
    file, source
        See `read`. A JPEG picture will do too.

    Returns
    -------
    numpy.ndarray
        Axes (y, x), or (y, x, colour) with red, green and blue as uint8. Transparency is left out.

    Raises
    ------
    InputError
        The file is damaged, or is no picture of a known kind.
    """
    head = file.read(HEAD_BYTES)
    if not head.startswith((_PNG, _BMP, _JPEG, *tiff.SIGNATURES)):
        raise unexpected(head, expected="a PNG, JPEG, BMP or TIFF picture", source=source)
    data = _all_of(file, source)
    if data.startswith(tiff.SIGNATURES):
        shades = _loaded_tiff(data, source)[0]
    else:
        kind: type[ImageFile] = JpegImagePlugin.JpegImageFile
        if data.startswith(_PNG):
            kind, data = PngImagePlugin.PngImageFile, _checked_png(data, source)[1]
        elif data.startswith(_BMP):
            kind, _ = BmpImagePlugin.BmpImageFile, _checked_bmp(data, source)
        try:
            picture = kind(io.BytesIO(data))
        except _FAILURES as error:
            raise damaged(f"{error}", source) from error
        _check_size(*picture.size, source)
        shades = _pixels(picture, source, as_seen=True)
    if shades.ndim == 2:
        return shades
    return np.ascontiguousarray(shades[..., :3] if shades.shape[2] > 2 else shades[..., 0])


def decoded(data: bytes, *, source: str) -> LabelMap:
    """The label map in the bytes of a picture; see `read`."""
    _check_signature(data[:HEAD_BYTES], source)
    if data.startswith(_PNG):
        values, stored = _read_png(data, source)
    elif data.startswith(tiff.SIGNATURES):
        values, stored = _read_tiff(data, source)
    else:
        values, stored = _read_bmp(data, source)
    labels = as_labels(values, source=source)
    grid = Grid(shape=labels.shape, spacing=(1.0, 1.0), unit="px")
    return LabelMap(labels=labels, grid=grid, source=source, stored=stored)


def read_shares(file: io.FileIO, *, source: str) -> tuple[NDArray[np.float64], str]:
    """Read shares from 0 to 1 from a picture that stores them as 16-bit grey: 0 is none, 65,535 all.

    Parameters
    ----------
    file, source
        See `read`.

    Returns
    -------
    ndarray
        Shape (y, x).
    str
        How they are stored, in words.

    Raises
    ------
    InputError
        The file is damaged, or is no PNG of 16-bit grey values.
    """
    data = file.readall()
    if not data.startswith(_PNG):
        raise unexpected(data[:HEAD_BYTES], expected="a PNG picture", source=source)
    values, stored = _read_png(data, source)
    if values.dtype.itemsize != 2:
        raise InputError(
            f"expected probabilities as 16-bit grey values, found {stored}",
            source=source,
            hint="write round(65535 * p) as a 16-bit PNG, or save it as .npy; a label map takes no --probabilities",
        )
    return values / np.float64(MOST_16_BIT), stored


def _check_signature(head: bytes, source: str) -> None:
    if not head.startswith((_PNG, _BMP, *tiff.SIGNATURES)):
        raise unexpected(head, expected="a PNG, BMP or TIFF picture", source=source)


def _check_size(width: int, height: int, source: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS:,} pixels, found {width:,} x {height:,} = {width * height:,}",
            source=source,
            hint="split it, or save it as .npy",
        )


def _pixels(picture: ImageFile, source: str, *, as_seen: bool = False) -> NDArray[Any]:
    """Decode the picture as Pillow has it, and copy it band by band: as a whole it would stand in memory four times.

    Numbers that stand for colours become red, green and blue where the picture is wanted `as_seen`.
    """
    width, height = picture.size
    rows = max(1, BAND_BYTES // (4 * width))
    try:
        picture.load()
        values: NDArray[Any] | None = None
        for y in range(0, height, rows):
            part = picture.crop((0, y, width, min(height, y + rows)))
            band = np.asarray(part.convert("RGB") if as_seen and picture.mode in _COLOURS else part)
            if values is None:
                values = np.empty((height, *band.shape[1:]), band.dtype)
            values[y : y + rows] = band
    except _FAILURES as error:
        raise damaged(f"{error}", source) from error
    if values is None:
        raise damaged("it has no pixels", source)
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
        raise damaged(f"{error}", source) from error
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
                raise damaged("it does not start with its header", source)
            header = _png_header(body, source)
        elif kind == b"IHDR":
            raise damaged("it has two headers", source)
        elif kind == b"acTL" and (frames := int.from_bytes(body[:4], "big")) > 1:
            raise InputError(f"an animation of {frames:,} frames; a label map has one", source=source)
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind[0] & 0x20 == 0 and kind not in (b"PLTE", b"IEND"):
            raise damaged(f"it needs the unknown extension {kind.decode('latin-1')!r}", source)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            essential.append(whole)
    if header is None:
        raise damaged("it has no header", source)
    _check_png_pixels(header, pixels, source)
    return header, b"".join(essential)


def _png_chunks(data: bytes, source: str) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Type, body and whole of each chunk, its checksum verified; the last one must end the file."""
    view, at, kind = memoryview(data), len(_PNG), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise InputError("cut short: the picture stops before its end", source=source, hint=AGAIN)
        size, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 12 + size
        if end > len(data):
            raise InputError(
                f"cut short: a part of the picture needs {end - at:,} bytes, found {len(data) - at:,}",
                source=source,
                hint=AGAIN,
            )
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise damaged(f"wrong checksum in its part {kind.decode('latin-1')!r}", source)
        yield kind, view[at + 8 : end - 4], view[at:end]
        at = end
    if at != len(data):
        raise damaged(f"{len(data) - at:,} other bytes after its end", source)


def _png_header(body: memoryview, source: str) -> _PngHeader:
    if len(body) != 13:
        raise damaged(f"expected a header of 13 bytes, found {len(body)}", source)
    width, height, depth, colour, compression, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise damaged(f"impossible size {width} x {height}", source)
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filters or interlaced > 1:
        raise damaged("no such kind of PNG", source)
    _check_size(width, height, source)
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
                    raise damaged(f"expected {expected:,} bytes of pixels, found more", source)
            if stream.eof and (stream.unused_data or rest):
                raise damaged("other data after its pixels", source)
    except zlib.error as error:
        raise damaged(f"{error}", source) from error
    if not stream.eof or found != expected:
        raise InputError(
            f"cut short: expected {expected:,} bytes of pixels, found {found:,}", source=source, hint=AGAIN
        )


def _read_bmp(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    bits, palette_at = _checked_bmp(data, source)
    if bits <= 8:
        # Pillow drops a palette that is grey, and with it how many bits a pixel has: give it one that is not.
        data = data[:palette_at] + b"\x01\x02\x03" + data[palette_at + 3 :]
    try:
        picture = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    except _FAILURES as error:
        raise damaged(f"{error}", source) from error
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
        raise InputError("cut short: the picture stops in its header", source=source, hint=AGAIN) from None
    if bits not in (1, 4, 8, 24, 32) or width <= 0 or height == 0:
        raise damaged(f"no such kind of BMP ({width} x {height}, {bits}-bit)", source)
    _check_size(width, abs(height), source)
    if compression not in (0, 3):
        raise InputError("compressed BMP files are not supported", source=source, hint=AS_PNG)
    needed = offset + (width * bits + 31) // 32 * 4 * abs(height)
    if not 0 <= len(data) - needed <= MAX_BMP_PADDING_BYTES:
        raise InputError(f"expected {needed:,} bytes by its header, found {len(data):,}", source=source, hint=AGAIN)
    if bits <= 8 and offset < 14 + header_size + 3:
        raise damaged("it has no palette", source)
    return bits, 14 + header_size


_TIFF_MODES = {"1": "grey", "L": "grey", "I;16": "grey", "I;16B": "grey", "I": "grey", "F": "float", "P": "palette"}


def _read_tiff(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    values, mode, tags = _loaded_tiff(data, source)
    described = ["TIFF", tags.compression_name, _TIFF_MODES.get(mode, mode), f"{tags.bits}-bit"]
    return _tiff_values(values, mode, tags, source), ", ".join(filter(None, described))


def _loaded_tiff(data: bytes, source: str) -> tuple[NDArray[Any], str, tiff.Tags]:
    """Read a TIFF picture; of one that is damaged libtiff may say so on stderr as well, which nothing can stop."""
    directory = tiff.Directory(data, source)
    tags = tiff.tags_of(directory, source=source)
    _check_size(tags.stored_width, tags.stored_height, source)
    tiff.check_parts(data, directory, tags, source=source)
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags, which labels do not depend on, and of a cut file
        warnings.filterwarnings("error", message=r".*([Cc]orrupt|[Tt]runcated|too large|larger than file)")
        try:
            picture = TiffImagePlugin.TiffImageFile(io.BytesIO(directory.essential()))
        except _FAILURES as error:
            raise damaged(f"{error}", source) from error
        mode = picture.mode
        _check_tiff_mode(mode, tags, source)
        values = _pixels(picture, source)
    if values.shape[:2] != (tags.height, tags.width):
        raise damaged(f"expected {tags.height} rows of {tags.width} pixels, found {values.shape}", source)
    return values, mode, tags


def _check_tiff_mode(mode: str, tags: tiff.Tags, source: str) -> None:
    """Refuse what Pillow takes for other pixels than we do, and colours deeper than it can hold."""
    channels = {"RGB": 3, "RGBA": 4, "LA": 2}.get(mode, 1)
    if mode not in (*_TIFF_MODES, "RGB", "RGBA", "LA") or tags.channels != channels:
        raise InputError(
            f"expected label numbers, found {tags.channels} channels per pixel ({mode})", source=source, hint=AS_PNG
        )
    if channels > 1 and tags.bits != 8:
        raise InputError(f"expected label numbers, found {tags.bits}-bit {mode}", source=source, hint=AS_PNG)


def _tiff_values(values: NDArray[Any], mode: str, tags: tiff.Tags, source: str) -> NDArray[Any]:
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
