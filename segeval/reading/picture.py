"""Read label maps, probabilities and scans from PNG, BMP and TIFF pictures with Pillow.

The label of a pixel is the number in the file: the index in a palette and not its colour, the 2-bit grey value and not
its shade. Colour pictures are refused as label maps unless all pixels are grey. Pillow does not notice much damage, so
the chunks of a PNG and the tags of a TIFF are checked before. A picture must not have more pixels than its file can
store, or than `MAX_PIXELS`. Axes are (y, x) and the unit is px; resolution tags are about paper and are ignored.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import BmpImagePlugin, Image, PngImagePlugin

from segeval.errors import InputError
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.reading import bmp, png
from segeval.reading.contents import HEAD_BYTES, TIFF_SIGNATURES, unexpected
from segeval.reading.formats import RawProbabilities
from segeval.reading.pixels import AS_PNG, MAX_PIXELS, check_size, damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from segeval.reading import tiff

MAX_FILE_BYTES = 8 * MAX_PIXELS  # no kind of picture has more bytes per pixel
BAND_BYTES = 1 << 24
MAX_16_BIT = 65535

_JPEG = b"\xff\xd8\xff"
_FAILURES = (  # everything that Pillow is known to raise for damaged files
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
_warnings_lock = threading.Lock()  # all threads share the warning filters


def read(file: io.FileIO, *, source: str) -> LabelMap:
    """Read the label map in a picture.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file, for messages.

    Returns
    -------
    LabelMap
        Axes (y, x), unit px.

    Raises
    ------
    InputError
        The file is damaged, not a picture of a known kind, or has no labels.
    """
    _check_signature(file.read(HEAD_BYTES), source)
    return decoded(_all_of(file, source), source=source)


def _all_of(file: io.FileIO, source: str) -> bytes:
    if (size := os.fstat(file.fileno()).st_size) > MAX_FILE_BYTES:
        problem = f"the file is too large: expected at most {MAX_FILE_BYTES:,} bytes, found {size:,}"
        raise InputError(problem, source=source, hint="split it, or save it as .npy")
    file.seek(0)
    return file.readall()


def read_scan(file: io.FileIO, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the grey values or the colours of a picture.

    Parameters
    ----------
    file, source
        See `read`. JPEG pictures can be read too.

    Returns
    -------
    numpy.ndarray
        Axes (y, x), or (y, x, colour) with red, green and blue as uint8. Transparency is left out.
    Grid
        Grid of the pixels.

    Raises
    ------
    InputError
        The file is damaged, or not a picture of a known kind.
    """
    head = file.read(HEAD_BYTES)
    if not head.startswith((png.SIGNATURE, bmp.SIGNATURE, _JPEG, *TIFF_SIGNATURES)):
        raise unexpected(head, expected="a PNG, JPEG, BMP or TIFF picture", source=source)
    data = _all_of(file, source)
    if data.startswith(TIFF_SIGNATURES):
        shades = _loaded_tiff(data, source)[0]
    else:
        kind: type[ImageFile]
        if data.startswith(png.SIGNATURE):
            kind, data = PngImagePlugin.PngImageFile, png.checked(data, source)[1]
        elif data.startswith(bmp.SIGNATURE):
            kind, _ = BmpImagePlugin.BmpImageFile, bmp.checked(data, source)
        else:
            from PIL.JpegImagePlugin import JpegImageFile  # imported here, as TIFF is: a PNG does not need it

            kind = JpegImageFile
        try:
            picture = kind(io.BytesIO(data))
        except _FAILURES as error:
            raise damaged(f"{error}", source) from error
        check_size(*picture.size, source)
        shades = _pixels(picture, source, as_seen=True)
    if shades.ndim > 2:
        shades = np.ascontiguousarray(shades[..., :3] if shades.shape[2] > 2 else shades[..., 0])
    return shades, _grid(shades.shape[:2])


def _grid(shape: tuple[int, ...]) -> Grid:
    return Grid(shape=shape, spacing=(1.0, 1.0), unit="px")


def decoded(data: bytes, *, source: str) -> LabelMap:
    """Decode a label map from the bytes of a picture; see `read`."""
    _check_signature(data[:HEAD_BYTES], source)
    if data.startswith(png.SIGNATURE):
        values, stored = _read_png(data, source)
    elif data.startswith(TIFF_SIGNATURES):
        values, stored = _read_tiff(data, source)
    else:
        values, stored = _read_bmp(data, source)
    labels = as_labels(values, source=source)
    return LabelMap(labels=labels, grid=_grid(labels.shape), source=source, stored=stored)


def read_probabilities(file: io.FileIO, *, source: str) -> RawProbabilities:
    """Read a picture that stores probabilities as 16-bit grey values, from 0 for 0 to 65,535 for 1.

    Raises
    ------
    InputError
        The file is damaged, or not a PNG with 16-bit grey values.
    """
    data = file.readall()
    if not data.startswith(png.SIGNATURE):
        raise unexpected(data[:HEAD_BYTES], expected="a PNG picture", source=source)
    values, stored = _read_png(data, source)
    if values.dtype.itemsize != 2:
        raise InputError(
            f"expected probabilities as 16-bit grey values, found {stored}",
            source=source,
            hint="save round(65535 * p) as a 16-bit PNG, or p as .npy; to score a label map, leave out --probabilities",
        )
    return RawProbabilities(values=values / np.float64(MAX_16_BIT), source=source, stored=stored)


def _check_signature(head: bytes, source: str) -> None:
    if not head.startswith((png.SIGNATURE, bmp.SIGNATURE, *TIFF_SIGNATURES)):
        raise unexpected(head, expected="a PNG, BMP or TIFF picture", source=source)


def _pixels(picture: ImageFile, source: str, *, as_seen: bool = False) -> NDArray[Any]:
    """Decode a picture with Pillow, and copy it in bands: otherwise it would be in memory four times.

    With `as_seen`, palette indices and other colour models are converted to red, green and blue.
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
    if picture.mode == "1":  # the type is bool, but the bytes are 0 and 255
        return np.not_equal(values.view(np.uint8), 0)
    return values


def _grey(pixels: NDArray[Any], source: str) -> NDArray[Any]:
    """Reduce RGB or grey-with-alpha pixels to grey values; refuse colours and transparency."""
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
    """Undo Pillow's scaling of 2-bit and 4-bit grey values to 0 ... 255, which has a whole factor."""
    return values // np.uint8(255 // (2**bits - 1))


def _read_png(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    header, essential = png.checked(data, source)
    if header.colour in (2, 4, 6) and header.depth == 16:
        raise InputError(
            f"expected label numbers, found 16-bit {png.COLOURS[header.colour]}",
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
    return values, f"PNG, {png.COLOURS[header.colour]}, {header.depth}-bit"


def _read_bmp(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    bits, palette_at = bmp.checked(data, source)
    if bits <= 8:
        # Pillow ignores a grey palette and then the bits per pixel, so replace a colour of the palette
        data = data[:palette_at] + b"\x01\x02\x03" + data[palette_at + 3 :]
    try:
        picture = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    except _FAILURES as error:
        raise damaged(f"{error}", source) from error
    values = _pixels(picture, source)
    if values.ndim == 3:
        return _grey(values, source), f"BMP, RGB, {bits}-bit"
    return values, f"BMP, palette, {bits}-bit"


_TIFF_MODES = {"1": "grey", "L": "grey", "I;16": "grey", "I;16B": "grey", "I": "grey", "F": "float", "P": "palette"}


def _read_tiff(data: bytes, source: str) -> tuple[NDArray[Any], str]:
    values, mode, tags = _loaded_tiff(data, source)
    described = ["TIFF", tags.compression_name, _TIFF_MODES.get(mode, mode), f"{tags.bits}-bit"]
    return _tiff_values(values, mode, tags, source), ", ".join(filter(None, described))


def _loaded_tiff(data: bytes, source: str) -> tuple[NDArray[Any], str, tiff.Tags]:
    """Read a TIFF picture. If it is damaged, libtiff may print to stderr, which cannot be prevented."""
    from PIL import TiffImagePlugin  # imported here because it takes as long as everything that a PNG needs

    from segeval.reading import tiff, tiff_parts

    directory = tiff.Directory(data, source)
    tags = tiff.tags_of(directory, source=source)
    check_size(tags.stored_width, tags.stored_height, source)
    tiff_parts.check_parts(data, directory, tags, source=source)
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of unusual tags, on which labels do not depend, and of damage
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
    """Refuse pixels that Pillow interprets in another way, and colours with more bits than it can store."""
    channels = {"RGB": 3, "RGBA": 4, "LA": 2}.get(mode, 1)
    if mode not in (*_TIFF_MODES, "RGB", "RGBA", "LA") or tags.channels != channels:
        raise InputError(
            f"expected label numbers, found {tags.channels} channels per pixel ({mode})", source=source, hint=AS_PNG
        )
    if channels > 1 and tags.bits != 8:
        raise InputError(f"expected label numbers, found {tags.bits}-bit {mode}", source=source, hint=AS_PNG)


def _tiff_values(values: NDArray[Any], mode: str, tags: tiff.Tags, source: str) -> NDArray[Any]:
    """Recover the numbers in the file from the values that Pillow returns."""
    if values.ndim == 3:
        return _grey(values, source)
    if mode == "L" and tags.bits in (2, 4):
        return _unstretched(values, tags.bits)
    if mode == "L" and tags.number_format == 2:
        return values.view(np.int8)
    if mode == "I" and tags.bits == 32 and tags.number_format == 1:
        return values.view(np.uint32)
    return values
