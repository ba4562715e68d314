"""What the text header of a volume says, and the strict way in which it is read.

A number that is no number, a field that stands twice or a size of zero is damage here, not something to guess at.
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

_FIRST_BYTES = 1 << 16
_WHOLE = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of a file whose layers may overlap.

    Parameters
    ----------
    name
        What it is called; empty where it has no name.
    layer
        Where its voxels are.
    value
        The number that they have there.
    """

    name: str
    layer: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where the voxels of a volume are, along (x, y, z) or (x, y). World coordinates are LPS, as ITK has them.

    Parameters
    ----------
    spacing
        From one voxel to the next, along each axis.
    origin
        The centre of the first voxel.
    axes
        The direction of each axis, a unit vector; None where the axes are those of LPS.
    """

    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHeader:
    """Where the voxels are and what they mean.

    Parameters
    ----------
    kind
        The format, in words.
    shape
        Voxels along (z, y, x) or (y, x).
    layers
        Numbers per voxel, which vary fastest.
    dtype
        Of one number, with its byte order.
    compression
        Of the voxels, if any.
    data_file
        Name of the file that holds them, None where it is the same.
    data_start
        Their first byte in that file, or that of the compressed data.
    data_size
        How many bytes they take up there, where the header says so.
    skipped
        Bytes before them that are compressed with them.
    geometry
        Where they are.
    mm_per_unit
        What spacing and origin are to be multiplied by.
    segments
        Names of labels, and the layers they are in.
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
        """Bytes of the voxels, decompressed."""
        return math.prod(self.shape) * self.layers * self.dtype.itemsize


def check_data_file(name: str, *, source: str, hint: str) -> None:
    """Refuse a detached data file that is none, or a list of files with one for each slice."""
    if name.split(maxsplit=1)[:1] == ["LIST"] or "%" in name:
        raise InputError("a data file for each slice is not supported", source=source, hint=hint)
    if not name:
        raise damaged("it names no data file", source=source)


def damaged(problem: str, *, source: str) -> InputError:
    """Word the error for a header that says what cannot be."""
    return InputError(f"damaged header: {problem}", source=source, hint=AGAIN)


def quoted(text: str) -> str:
    """Text from a header as it may stand in a message."""
    return shown(repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."))


def words(text: str) -> list[str]:
    """Split text at blanks, of which Unicode has many more than a header."""
    return re.findall(r"[^ \t]+", text)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a header, by name; every value is checked when it is asked for.

    Parameters
    ----------
    values
        What the header says.
    source
        The file, for messages.
    """

    values: Mapping[str, str]
    source: str

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """Return a field that must be there."""
        if name not in self.values:
            raise damaged(f"it has no field {name!r}", source=self.source)
        return self.values[name]

    def sizes(self, name: str, count: int) -> list[int]:
        """Return whole numbers from 1 up."""
        found = words(self.text(name))
        if len(found) != count or not all(_WHOLE.fullmatch(word) for word in found):
            raise self.wrong(name, counted(count, "whole number"))
        sizes = [int(word) for word in found]
        if min(sizes) < 1:
            raise self.wrong(name, "sizes of at least 1")
        return sizes

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return a field's numbers."""
        return self.checked_numbers(name, words(self.text(name)), count)

    def checked_numbers(self, name: str, found: list[str], count: int) -> tuple[float, ...]:
        """Convert words of a field, which must be so many finite numbers."""
        if len(found) != count or not all(
            len(word) <= MAX_SHOWN and _NUMBER.fullmatch(word) and math.isfinite(float(word)) for word in found
        ):
            raise self.wrong(name, counted(count, "number"))
        return tuple(map(float, found))

    def wrong(self, name: str, expected: str) -> InputError:
        """Word the error for a field that does not say what it should."""
        return damaged(f"expected {expected} in {name!r}, found {quoted(self.values[name])}", source=self.source)


def read_head(file: io.FileIO, end: re.Pattern[bytes]) -> tuple[bytes, re.Match[bytes] | None]:
    """Read from the start of a file until a pattern ends the header.

    Parameters
    ----------
    file
        The open file.
    end
        What the header ends with.

    Returns
    -------
    bytes
        The beginning of the file, `MAX_HEADER_BYTES` at most.
    re.Match or None
        Where the header ends; None where it does not.
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
