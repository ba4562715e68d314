"""Colour tables, a label per line: those of ITK-SNAP, 3D Slicer and FreeSurfer.

ITK-SNAP: ``IDX R G B A VIS MSH "LABEL"``. 3D Slicer (.ctbl, .txt) and FreeSurfer (ColorLUT): ``number name R G B A``,
where Slicer writes ``_`` for a space in a name. Lines that start with ``#`` are comments, and say which of them it is.
A number whose name is empty or ``(none)`` has no name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from segeval.errors import InputError
from segeval.reading.tables import MOST_COMMENTS, LabelTable, NameRows, quoted, table_number

ITK_SNAP = "ITK-SNAP label description"
SLICER = "3D Slicer colour table"
FREESURFER = "FreeSurfer colour table"
COLORS = "colour table, number name R G B"

_SNAP_ROW = re.compile(r'\s*(\S+)((?:\s+[0-9.]+){6})\s+["\u201c](.*)["\u201d]\s*')
_SNAP_EXPECTED = 'IDX R G B A VIS MSH "LABEL", like 1 255 0 0 1 1 1 "liver"'
_ROW_EXPECTED = "number name R G B A, like 1 liver 221 130 101 255"
_NUMERIC = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_CHANNELS = 4  # red, green, blue, opacity


def is_color_table(lines: Sequence[str]) -> bool:
    """Whether the comments or the first row are those of a colour table."""
    if _named_dialect(lines) is not None:
        return True
    first = next((line for _, line in _rows(lines)), "")
    return bool(_SNAP_ROW.fullmatch(first)) or (first.split()[:1] != [] and _channels(first) >= _CHANNELS - 1)


def read_colors(lines: Sequence[str], *, source: str) -> LabelTable:
    """Read a label table from the lines of a colour table.

    Parameters
    ----------
    lines
        The whole file.
    source
        The file, for messages.

    Raises
    ------
    InputError
        A line that is not one of such a table, with its number.

    Examples
    --------
    >>> dict(read_colors(["# Color table file a.ctbl", "1 left_lung 1 2 3 255"], source="a.ctbl").names)
    {1: 'left_lung'}
    """
    dialect = _named_dialect(lines)
    first = next((line for _, line in _rows(lines)), "")
    if dialect == ITK_SNAP or (dialect is None and _SNAP_ROW.fullmatch(first)):
        return _snap(lines, source)
    if any("color procedural file" in line.lower() for line in lines[:MOST_COMMENTS] if line.startswith("#")):
        raise InputError(
            "a continuous colour scale, which names no labels", source=source, hint=f"expected {_ROW_EXPECTED}"
        )
    if dialect is None and source.lower().endswith(".ctbl"):
        dialect = SLICER
    return _named_colors(lines, source, dialect or COLORS)


def _rows(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor comments, with their numbers."""
    return ((n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#"))


def _named_dialect(lines: Sequence[str]) -> str | None:
    """What the comments above the first row say that the table is."""
    for line in lines[:MOST_COMMENTS]:
        plain = " ".join(line.lower().split())
        if plain and not plain.startswith("#"):
            return None
        if "itk-snap label description" in plain or "-r- -g- -b- -a-- vis" in plain:
            return ITK_SNAP
        if "no. label name" in plain or "freesurfercolorlut" in plain:
            return FREESURFER
        if "color table file" in plain or "slicer" in plain or "color procedural file" in plain:
            return SLICER
    return None


def _snap(lines: Sequence[str], source: str) -> LabelTable:
    rows = NameRows(source)
    for number, line in _rows(lines):
        row = _SNAP_ROW.fullmatch(line)
        if row is None:
            raise _misfit(number, line, ITK_SNAP, _SNAP_EXPECTED, source)
        rows.add(_label(row[1], number, source), row[3], place=f"line {number}")
    return rows.table(ITK_SNAP, expected=f"expected {_SNAP_EXPECTED}")


def _named_colors(lines: Sequence[str], source: str, dialect: str) -> LabelTable:
    data = [(number, re.split(r"\s#", line, maxsplit=1)[0]) for number, line in _rows(lines)]
    channels = min([_CHANNELS, *(count for _, line in data if (count := _channels(line)) >= _CHANNELS - 1)])
    rows = NameRows(source)
    for number, line in data:
        words = line.split()
        if _channels(line) < channels or _channels(line) == len(words) - 2 > _CHANNELS + 1:  # a row of numbers alone
            raise _misfit(number, line, dialect, _ROW_EXPECTED, source)
        label = _label(words[0], number, source)
        if dialect == FREESURFER and len(words) == 3 + _CHANNELS:  # names have no spaces; the last is a tissue type
            words.pop()
        name = " ".join(words[1 : len(words) - channels])
        rows.add(label, name.strip("'\""), place=f"line {number}")
    return rows.table(dialect, expected=f"expected {_ROW_EXPECTED}")


def _channels(line: str) -> int:
    """How many numbers end a line of number, name and numbers; 0 where it starts with no label number."""
    words = line.split()
    if not words or not re.fullmatch(r"[-+]?[0-9]+", words[0]):
        return 0
    count = 0
    for word in reversed(words[2:]):  # at least one word is the name
        if not _NUMERIC.fullmatch(word):
            break
        count += 1
    return count


def _label(text: str, number: int, source: str) -> int:
    label = table_number(text)
    if label is None:
        raise InputError(
            f"line {number}: {quoted(text)} is no label number", source=source, hint="labels are integers from 0 up"
        )
    return label


def _misfit(number: int, line: str, dialect: str, expected: str, source: str) -> InputError:
    return InputError(
        f"read as {dialect}, line {number}: expected {expected}, found {quoted(line.strip())}", source=source
    )
