"""Check the directory of a TIFF picture and the size of its pixels before Pillow decodes it.

A TIFF has no checksum: one flipped bit can halve the picture or turn 8-bit values into 1-bit values, and libtiff
decodes the rest without an error. So the tags that the labels depend on are read strictly. Each strip or tile must have
its own place in the file and exactly as many bytes as its part of the picture needs. Compressions whose output cannot
be counted here are refused. Damage that leaves valid values cannot be found: see docs/decisions/08-reading.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segeval.errors import InputError
from segeval.reading.pixels import AS_PNG, cut_short, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator


_SHORT, _LONG, _LONG8 = 3, 4, 16
_NUMBERS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NAMES = {256: "width", 257: "height", 259: "compression", 262: "meaning of grey values"}
_BITS, _FILL, _ORIENTATION, _PREDICTOR, _FORMAT = 258, 266, 274, 317, 339
_EXTRA = 338
_STRIPS, _TILES = (273, 279), (324, 325)
_TILE_SIZE = (322, 323)
_WITH_DEFAULT = (_BITS, _FILL, _ORIENTATION, _PREDICTOR, _FORMAT)  # without one, the pixels would get other values
_COLOURS = 320
_NEEDED = {*_NAMES, *_STRIPS, *_TILES, *_TILE_SIZE, *_WITH_DEFAULT, _EXTRA, _COLOURS, 277, 278, 284}
_COMPRESSIONS = {1: "", 5: "LZW", 8: "deflate", 32773: "PackBits", 32946: "deflate", 34925: "LZMA"}
_UNCHECKED = {2: "CCITT", 3: "CCITT", 4: "CCITT", 50000: "Zstandard"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tag in the directory: type and number of its values, their first byte, and the bytes of the entry."""

    kind: int
    count: int
    at: int
    raw: bytes

    @property
    def size(self) -> int:
        return _TYPE_BYTES.get(self.kind, 0) * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The tags that decide the size and the meaning of the pixels."""

    width: int
    height: int
    compression: int
    bits: int
    channels: int
    planes: int
    photometric: int
    number_format: int
    tiled: bool
    part_width: int
    part_height: int
    parts: tuple[tuple[int, int], ...]

    @property
    def stored_width(self) -> int:
        """Width including the padding of tiles."""
        return -(-self.width // self.part_width) * self.part_width

    @property
    def stored_height(self) -> int:
        """Height including the padding of tiles; strips have no padding."""
        return -(-self.height // self.part_height) * self.part_height if self.tiled else self.height

    @property
    def compression_name(self) -> str:
        """Name of the compression; empty if there is none."""
        return _COMPRESSIONS[self.compression]

    def part_sizes(self) -> Iterator[int]:
        """Yield the number of decompressed bytes of each strip or tile, in the order of `parts`."""
        row = (self.part_width * self.bits * (self.channels // self.planes) + 7) // 8
        across = -(-self.width // self.part_width)
        for _ in range(self.planes):
            for y in range(0, self.stored_height, self.part_height):
                size = row * min(self.part_height, self.stored_height - y)
                yield from (size for _ in range(across))


class Directory:
    """The entries of the only directory of a TIFF file.

    Parameters
    ----------
    data
        Bytes of the file.
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        The directory is damaged, or there are several.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self._data, self._source = data, source
        self._order = "<" if data.startswith(b"II") else ">"
        self._big = 43 in data[2:4]
        if self._big and self._unpack("HH", 4) != (8, 0):
            raise damaged("unknown kind of BigTIFF", source)
        self._head_size = 16 if self._big else 8
        self._at = self._unpack("Q" if self._big else "I", self._head_size // 2)[0]
        self.entries: dict[int, _Entry] = {}
        number, following = self._extent(self._at)
        for index in range(number):
            self._add(self._at + self._count_size + index * self._entry_size)
        if following:
            self._refuse_pages(following)

    @property
    def _count_size(self) -> int:
        return 8 if self._big else 2

    @property
    def _entry_size(self) -> int:
        return 20 if self._big else 12

    def _unpack(self, kinds: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self._order + kinds, self._data, at)
        except struct.error:
            raise cut_short("the end of the picture is missing", self._source) from None

    def _extent(self, at: int) -> tuple[int, int]:
        """Return the number of entries of the directory at a position, and the position of the next directory."""
        (number,) = self._unpack("Q" if self._big else "H", at)
        if not number or at + self._count_size + number * self._entry_size > len(self._data):
            raise damaged("no directory at the position in the header", self._source)
        (following,) = self._unpack("Q" if self._big else "I", at + self._count_size + number * self._entry_size)
        return number, following

    def _add(self, at: int) -> None:
        tag, kind, count = self._unpack("HHQ" if self._big else "HHI", at)
        if tag in self.entries:
            raise damaged(f"tag {tag} occurs twice", self._source)
        value = at + (12 if self._big else 8)
        entry = _Entry(kind, count, value, self._data[at : at + self._entry_size])
        if entry.size > (8 if self._big else 4):
            entry = _Entry(kind, count, self._unpack("Q" if self._big else "I", value)[0], entry.raw)
        self.entries[tag] = entry

    def _refuse_pages(self, following: int) -> None:
        """Refuse several pages; since one flipped bit can add a position, only valid directories count as pages."""
        seen = {self._at}
        while following and following not in seen:
            seen.add(following)
            _, following = self._extent(following)
        if len(seen) == 1:
            raise damaged("the directory refers to itself", self._source)
        raise InputError(
            f"expected one picture, found a stack of {len(seen):,} pages",
            source=self._source,
            hint="save it as .nii.gz",
        )

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none if it is missing."""
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        if entry.kind not in _NUMBERS or not entry.count:
            raise damaged(f"tag {tag} is not a number", self._source)
        if entry.at + entry.size > len(self._data):
            raise cut_short(f"expected {entry.at + entry.size:,} bytes, found {len(self._data):,}", self._source)
        return self._unpack(f"{entry.count}{_NUMBERS[entry.kind]}", entry.at)

    def number(self, tag: int, default: int | None = None, *, copies: int = 1) -> int:
        """Return the single number of a tag, which may be repeated for each channel."""
        found = self.numbers(tag) or (() if default is None else (default,))
        if not found:
            raise damaged(f"the {_NAMES[tag]} is missing" if tag in _NAMES else f"tag {tag} is missing", self._source)
        if len(found) not in {1, copies} or len(set(found)) > 1:
            raise damaged(f"expected one value in tag {tag}, found {len(found)}", self._source)
        return found[0]

    def occupied(self) -> Iterator[tuple[int, int]]:
        """Yield start and size of everything except pixels: header, directory and the values outside it."""
        yield 0, self._head_size
        yield self._at, self._count_size + len(self.entries) * self._entry_size + (8 if self._big else 4)
        for entry in self.entries.values():
            if entry.size > (8 if self._big else 4) and entry.at + entry.size <= len(self._data):
                yield entry.at, entry.size

    def essential(self) -> bytearray:
        """Return the file with only the checked tags in its directory.

        Nothing else, such as an orientation in an XMP text, can then change how it is decoded.
        """
        kept = sorted((tag, entry.raw) for tag, entry in self.entries.items() if tag in _NEEDED)
        table = struct.pack(self._order + ("Q" if self._big else "H"), len(kept))
        table += b"".join(raw for _, raw in kept) + bytes(8 if self._big else 4)
        data = bytearray(self._data)
        data[self._at : self._at + len(table)] = table
        return data


def tags_of(directory: Directory, *, source: str) -> Tags:
    """Read and check the tags of a picture; see `tiff_parts` for the pixels.

    Raises
    ------
    InputError
        A tag is missing or damaged, or the kind of picture is not supported.
    """
    channels, planar = directory.number(277, 1), directory.number(284, 1)
    if planar not in {1, 2} or not 1 <= channels <= 4:
        raise damaged(f"{channels} channels per pixel, planes of kind {planar}", source)
    compression = directory.number(259)
    if compression not in _COMPRESSIONS:
        reason = "damage cannot be detected" if compression in _UNCHECKED else "it may change labels"
        name = _UNCHECKED.get(compression, compression)
        raise InputError(f"TIFF compression {name} is not supported: {reason}", source=source, hint=AS_PNG)
    width, height = directory.number(256), directory.number(257)
    tiled = any(tag in directory.entries for tag in (*_TILES, *_TILE_SIZE))
    if tiled and any(tag in directory.entries for tag in _STRIPS):
        raise damaged("it has both strips and tiles", source)
    part_width = directory.number(322) if tiled else width
    part_height = directory.number(323) if tiled else min(height, directory.number(278, height))
    if not (width and height and part_width and part_height):
        raise damaged(f"impossible size {width} x {height}, in parts of {part_width} x {part_height}", source)
    offsets, counts = (directory.numbers(tag) for tag in (_TILES if tiled else _STRIPS))
    if len(offsets) != len(counts) or not offsets:
        raise damaged("the table of strips or tiles is incomplete", source)
    tags = Tags(
        width=width,
        height=height,
        compression=compression,
        bits=directory.number(_BITS, 1, copies=channels),
        channels=channels,
        planes=channels if planar == 2 else 1,
        photometric=directory.number(262),
        number_format=directory.number(_FORMAT, 1, copies=channels),
        tiled=tiled,
        part_width=part_width,
        part_height=part_height,
        parts=tuple(zip(offsets, counts, strict=True)),
    )
    _check_meaning(directory, tags, source)
    return tags


def _check_meaning(directory: Directory, tags: Tags, source: str) -> None:
    """Refuse kinds of pixels that are not clearly numbers, and tags that may be another tag with a flipped bit."""
    if tags.photometric == 0 and tags.bits > 1:
        raise InputError("TIFF with inverted values (white is 0) is not supported", source=source, hint=AS_PNG)
    if tags.photometric > 3:
        problem = (
            f"expected label numbers, found pixels of another kind (photometric interpretation {tags.photometric})"
        )
        raise InputError(problem, source=source, hint=AS_PNG)
    if (orientation := directory.number(_ORIENTATION, 1)) != 1:
        problem = f"TIFF with rotated or flipped rows (orientation {orientation}) is not supported"
        raise InputError(problem, source=source, hint=AS_PNG)
    if directory.number(_FILL, 1) != 1:
        raise InputError("TIFF with reversed bits in each byte is not supported", source=source, hint=AS_PNG)
    predictor = directory.number(_PREDICTOR, 1)
    if predictor not in ({1, 3} if tags.number_format == 3 else {1, 2}):
        raise damaged(f"unknown predictor {predictor}", source)
    if _EXTRA in directory.entries and tags.channels not in {2, 4}:
        raise damaged(f"extra samples in a picture with {tags.channels} channels", source)
    for tag, entry in directory.entries.items():
        for lost in _WITH_DEFAULT:
            one_bit = (tag ^ lost).bit_count() == 1 and tag not in _NEEDED and lost not in directory.entries
            if one_bit and (entry.kind, entry.count) == (_SHORT, 1):
                raise damaged(f"tag {tag} may be tag {lost} with a flipped bit", source)
