"""The header of a BMP picture, checked before any decoder sees the file. This module knows nothing of Pillow."""

from __future__ import annotations

import struct

from segeval.errors import InputError
from segeval.reading.contents import AGAIN
from segeval.reading.pixels import AS_PNG, check_size, damaged

SIGNATURE = b"BM"
MAX_PADDING_BYTES = 3


def checked(data: bytes, source: str) -> tuple[int, int]:
    """Check that the header fits the file.

    Returns
    -------
    int, int
        Bits per pixel, and where the palette starts.

    Raises
    ------
    InputError
        It does not, or the picture is of a kind that is not read.
    """
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
    check_size(width, abs(height), source)
    if compression not in (0, 3):
        raise InputError("compressed BMP files are not supported", source=source, hint=AS_PNG)
    needed = offset + (width * bits + 31) // 32 * 4 * abs(height)
    if not 0 <= len(data) - needed <= MAX_PADDING_BYTES:
        raise InputError(f"expected {needed:,} bytes by its header, found {len(data):,}", source=source, hint=AGAIN)
    if bits <= 8 and offset < 14 + header_size + 3:
        raise damaged("it has no palette", source)
    return bits, 14 + header_size
