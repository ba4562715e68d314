"""Check the strips or tiles of a TIFF picture: none may overlap another, and each must have the right size.

libtiff decodes the rest of a damaged strip without an error. So the bytes of each strip are counted by decompressing
it, or for LZW from its codes alone, without keeping them.
"""

from __future__ import annotations

import lzma
import math
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from segeval.reading.pixels import CHUNK_BYTES, cut_short, damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segeval.reading.tiff import Directory, Tags

MAX_LZMA_MEMORY_BYTES = 1 << 28  # a damaged dictionary size could need gigabytes

_RATIOS = {1: 1, 5: 4096, 8: 1032, 32773: 64, 32946: 1032, 34925: 1 << 15}  # the largest possible compression ratios
_NO_END = "the end of the compressed pixels is missing"


def check_parts(data: bytes, directory: Directory, tags: Tags, *, source: str) -> None:
    """Check that each strip or tile is inside the file, overlaps nothing else, and has the right number of pixels.

    The size of the picture must have been checked before.

    Raises
    ------
    InputError
        A strip or tile is damaged, missing or cut short.
    """
    last = max(start + count for start, count in tags.parts)
    if last > len(data):
        raise cut_short(f"expected {last:,} bytes, found {len(data):,}", source)
    number = -(-tags.width // tags.part_width) * -(-tags.height // tags.part_height) * tags.planes
    if len(tags.parts) != number:
        raise damaged(f"expected {number:,} strips or tiles, found {len(tags.parts):,}", source)
    if sum(tags.part_sizes()) > math.fsum(count for _, count in tags.parts) * _RATIOS[tags.compression]:
        raise damaged(f"the file is too small for {tags.width:,} x {tags.height:,} pixels", source)
    spans = sorted([*directory.occupied(), *tags.parts])
    taken = {(start, size) for start, size in tags.parts}
    for one, other in pairwise(spans):
        if one[0] + one[1] > other[0] and (one in taken or other in taken):
            raise damaged("pixels overlap other data of the file", source)
    for (start, count), expected in zip(tags.parts, tags.part_sizes(), strict=True):
        try:
            found = (
                count if tags.compression == 1 else _counted(data[start : start + count], tags.compression, expected)
            )
        except (ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise damaged(f"{error}", source) from error
        if found < expected:
            raise cut_short(f"expected {expected:,} bytes of pixels, found {found:,}", source)
        if found > expected:
            raise damaged(f"expected {expected:,} bytes of pixels, found more", source)


def _counted(part: bytes, compression: int, expected: int) -> int:
    """Count the decompressed bytes of a strip or tile, at most until there are more than expected."""
    if compression == 5:
        return _lzw_bytes(part, expected)
    if compression == 32773:
        return _packbits_bytes(part, expected)
    if compression == 34925:
        return _lzma_bytes(part, expected)
    return _deflate_bytes(part, expected)


def _deflate_bytes(part: bytes, expected: int) -> int:
    """Count the bytes of a stream, which must be complete and have the right checksum; libtiff does not check that."""
    stream, found = zlib.decompressobj(), 0
    for at in range(0, len(part), CHUNK_BYTES):
        rest = part[at : at + CHUNK_BYTES]
        while rest and not stream.eof and found <= expected:
            found += len(stream.decompress(rest, 4 * CHUNK_BYTES))
            rest = stream.unconsumed_tail
    if not stream.eof and found <= expected:
        raise EOFError(_NO_END)
    return found


def _lzma_bytes(part: bytes, expected: int) -> int:
    stream, found = lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_LZMA_MEMORY_BYTES), 0
    piece = part
    while not stream.eof and found <= expected:
        found += len(stream.decompress(piece, 4 * CHUNK_BYTES))
        piece = b""
        if stream.needs_input and not stream.eof:
            raise EOFError(_NO_END)
    return found


def _packbits_bytes(part: bytes, expected: int) -> int:
    """Count the bytes of runs; one more byte may follow, because some writers pad to whole words."""
    at, found, size = 0, 0, len(part)
    while at < size and found < expected:
        code = part[at]
        if code < 128:  # code + 1 literal bytes
            at += code + 2
            found += code + 1
        elif code > 128:  # one byte repeated
            at += 2
            found += 257 - code
        else:
            at += 1
    if at > size:
        raise EOFError(_NO_END)
    return found if size - at <= 1 else max(found, expected + 1)


_CLEAR, _END, _FIRST = 256, 257, 258
_LZW_CODES = 4096 - _FIRST + 1  # the table is full after this many codes, and must be cleared
_LZW_WIDTHS = np.array(
    [next(w for w in (9, 10, 11, 12) if _FIRST + k <= 2**w - 1 or w == 12) for k in range(_LZW_CODES)]
)
_LZW_ENDS = np.cumsum(_LZW_WIDTHS)


def _lzw_bytes(part: bytes, expected: int) -> int:
    """Count the bytes of LZW codes, one table at a time.

    The position of each code depends only on the number of codes since the table was cleared, so all codes of a table
    are extracted at once. The k-th code adds its own text plus one byte to the table, so the length of a code follows
    from the codes before it.
    """
    if int.from_bytes(part[:2], "big") >> 7 != _CLEAR:
        raise ValueError("the LZW data does not start with a clear code")
    stream = np.frombuffer(part + bytes(2), np.uint8)  # padded, because the last code is also read from three bytes
    at, found, tables = 9, 0, 0
    while found <= expected:
        codes = _lzw_codes(stream, at, 8 * len(part) - at)
        marks = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        number = int(marks[0]) if marks.size else codes.size
        found += _lzw_lengths(codes[:number])
        tables += 1
        if not marks.size or codes[number] == _END:
            if codes.size == _LZW_CODES and not marks.size:
                raise ValueError("the LZW data has too many codes")
            break
        if tables > 16 + expected // 1024:  # encoders clear the table only if it is full or does not help
            raise ValueError("the LZW data has too many clear codes")
        at += int(_LZW_ENDS[number])
    return found


def _lzw_codes(stream: NDArray[np.uint8], at: int, bits: int) -> NDArray[np.int64]:
    """Return the codes from bit `at` on, as if the table were never cleared."""
    number = int(np.searchsorted(_LZW_ENDS, bits, side="right"))
    widths, starts = _LZW_WIDTHS[:number], at + _LZW_ENDS[:number] - _LZW_WIDTHS[:number]
    byte = starts >> 3
    words = (stream[byte].astype(np.int64) << 16) | (stream[byte + 1].astype(np.int64) << 8) | stream[byte + 2]
    codes: NDArray[np.int64] = (words >> (24 - (starts & 7) - widths)) & ((1 << widths) - 1)
    return codes


def _lzw_lengths(codes: NDArray[np.int64]) -> int:
    """Return the number of bytes that the codes of one table decode to."""
    above = np.where(codes < _CLEAR, -1, codes - _FIRST)
    if (above >= np.arange(codes.size)).any():
        raise ValueError("the LZW data uses a code before it is defined")
    lengths = np.ones(codes.size, np.int64)
    while (some := np.flatnonzero(above >= 0)).size:  # each round doubles the known part of each chain
        lengths[some] += lengths[above[some]]
        above[some] = above[above[some]]
    return int(lengths.sum())
