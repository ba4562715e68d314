"""Read the text header of a volume strictly.

A value that is not a number, a field that occurs twice or a size of zero is an error. Nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segeval.errors import InputError, shown
from segeval.reading.contents import AGAIN
from segeval.text import counted

if TYPE_CHECKING:
    import io

MAX_HEADER_BYTES = 1 << 21
MAX_SHOWN = 60
LABELS_ONLY = "save label numbers instead of colours or probabilities"  # hints that several formats give
INTEGERS = "save the labels as integers, such as uint8"
ONE_VOLUME = "save a single label map"
UNSCALED = "save the labels without scaling"

_FIRST_BYTES = 1 << 16
_WHOLE = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of a file with layers, which may overlap.

    Parameters
    ----------
    name
        Name of the segment; empty if it has none.
    layer
        Index of its layer.
    value
        Value of its voxels in that layer.
    """

    name: str
    layer: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Spacing, origin and directions of a volume, along (x, y, z) or (x, y). World coordinates are LPS, as in ITK.

    Parameters
    ----------
    spacing
        Distance from one voxel to the next, along each axis.
    origin
        Centre of the first voxel.
    axes
        Direction of each axis, as a unit vector; None if the axes are those of LPS.
    """

    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHeader:
    """The header of a volume.

    Parameters
    ----------
    kind
        Name of the format.
    shape
        Number of voxels along (z, y, x) or (y, x).
    layers
        Number of values per voxel, which vary fastest.
    dtype
        Data type of one value, with its byte order.
    compression
        Compression of the voxels, if any.
    data_file
        Name of the file with the voxels; None if it is the same file.
    data_start
        Position of the first byte of the voxels in that file, compressed or not.
    data_size
        Number of bytes of the voxels in that file, if the header states it.
    skipped
        Number of bytes before the voxels that are compressed together with them.
    geometry
        Spacing, origin and directions.
    mm_per_unit
        Factor from the unit of spacing and origin to mm.
    segments
        Names and layers of the labels.
    """

    kind: str
    shape: tuple[int, ...]
    layers: int = 1
    dtype: np.dtype[Any]
    compression: Literal["gzip", "zlib"] | None
    data_file: str | None
    data_start: int
    data_size: int | None = None
    skipped: int = 0
    geometry: Geometry
    mm_per_unit: float = 1.0
    segments: tuple[Segment, ...] = ()

    @property
    def data_bytes(self) -> int:
        """Number of bytes of the decompressed voxels."""
        return math.prod(self.shape) * self.layers * self.dtype.itemsize


def check_data_file(name: str, *, source: str, hint: str) -> None:
    """Refuse a missing name of the data file, or a data file for each slice."""
    if name.split(maxsplit=1)[:1] == ["LIST"] or "%" in name:
        raise InputError("headers with a data file for each slice are not supported", source=source, hint=hint)
    if not name:
        raise damaged("the name of the data file is missing", source=source)


def damaged(problem: str, *, source: str, hint: str = AGAIN) -> InputError:
    """Return the error for a damaged header."""
    return InputError(f"the header is damaged: {problem}", source=source, hint=hint)


def quoted(text: str) -> str:
    """Quote text from a header for a message."""
    return shown(repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."))


def words(text: str) -> list[str]:
    """Split text at spaces and tabs, but not at other white space of Unicode."""
    return re.findall(r"[^ \t]+", text)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a header by name; every value is checked when it is read.

    Parameters
    ----------
    values
        Text of each field.
    source
        Path of the file, for messages.
    """

    values: Mapping[str, str]
    source: str

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """Return the text of a required field."""
        if name not in self.values:
            raise damaged(f"the field {name!r} is missing", source=self.source)
        return self.values[name]

    def sizes(self, name: str, count: int) -> list[int]:
        """Return a field of whole numbers of at least 1."""
        found = words(self.text(name))
        if len(found) != count or not all(_WHOLE.fullmatch(word) for word in found):
            raise self.wrong(name, counted(count, "whole number"))
        sizes = [int(word) for word in found]
        if min(sizes) < 1:
            raise self.wrong(name, "sizes of at least 1")
        return sizes

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return a field of numbers."""
        return self.checked_numbers(name, words(self.text(name)), count)

    def checked_numbers(self, name: str, found: list[str], count: int) -> tuple[float, ...]:
        """Convert the words of a field, which must be finite numbers, `count` of them."""
        if len(found) != count or not all(
            len(word) <= MAX_SHOWN and _NUMBER.fullmatch(word) and math.isfinite(float(word)) for word in found
        ):
            raise self.wrong(name, counted(count, "number"))
        return tuple(map(float, found))

    def wrong(self, name: str, expected: str) -> InputError:
        """Return the error for a field with an unexpected value."""
        return damaged(f"expected {expected} in {name!r}, found {quoted(self.values[name])}", source=self.source)


def read_head(file: io.FileIO, end: re.Pattern[bytes]) -> tuple[bytes, re.Match[bytes] | None]:
    """Read from the start of a file until the end of the header.

    Parameters
    ----------
    file
        The open file.
    end
        Pattern at the end of the header.

    Returns
    -------
    bytes
        Beginning of the file, at most `MAX_HEADER_BYTES`.
    re.Match or None
        End of the header; None if it was not found.
    """
    file.seek(0)
    head = b""
    while len(head) < MAX_HEADER_BYTES:
        more = file.read(max(_FIRST_BYTES, len(head)))
        head += more or b""
        found = end.search(head)
        if found or not more:
            return head, found
    return head, None
