"""Check the header of a BMP picture before Pillow decodes it."""

from __future__ import annotations

import struct

from segeval.errors import InputError
from segeval.reading.pixels import AS_PNG, check_size, cut_short, damaged, too_long

SIGNATURE = b"BM"
MAX_PADDING_BYTES = 3


def checked(data: bytes, source: str) -> tuple[int, int]:
    """Check that the header fits the file.

    Returns
    -------
    int, int
        Bits per pixel, and first byte of the palette.

    Raises
    ------
    InputError
        The header does not fit, or pictures of this kind are not supported.
    """
    try:
        offset, header_size = struct.unpack_from("<II", data, 10)
        if header_size == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression = 0
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error:
        raise cut_short("the header is incomplete", source) from None
    if bits not in (1, 4, 8, 24, 32) or width <= 0 or height == 0:
        raise damaged(f"unknown kind of BMP ({width} x {height}, {bits}-bit)", source)
    check_size(width, abs(height), source)
    if compression not in (0, 3):
        raise InputError("compressed BMP files are not supported", source=source, hint=AS_PNG)
    needed = offset + (width * bits + 31) // 32 * 4 * abs(height)
    if not 0 <= len(data) - needed <= MAX_PADDING_BYTES:
        error = cut_short if len(data) < needed else too_long
        raise error(f"the header needs {needed:,} bytes, found {len(data):,}", source)
    if bits <= 8 and offset < 14 + header_size + 3:
        raise damaged("the palette is missing", source)
    return bits, 14 + header_size
