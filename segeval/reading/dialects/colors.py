"""Read the colour tables of ITK-SNAP, 3D Slicer and FreeSurfer, which have one label per line.

ITK-SNAP: ``IDX R G B A VIS MSH "LABEL"``. 3D Slicer (.ctbl, .txt) and FreeSurfer (ColorLUT): ``number name R G B A``;
Slicer writes ``_`` for a space in a name. Lines that start with ``#`` are comments, from which the dialect is
recognised. A number whose name is empty or ``(none)`` has no name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from segeval.errors import InputError
from segeval.reading.tables import MAX_COMMENTS, NUMBER_HINT, LabelTable, NameRows, quoted, table_number

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
    """Return whether the comments or the first row are those of a colour table."""
    if _named_dialect(lines) is not None:
        return True
    first = next((line for _, line in _rows(lines)), "")
    return bool(_SNAP_ROW.fullmatch(first)) or (first.split()[:1] != [] and _channels(first) >= _CHANNELS - 1)


def read_colors(lines: Sequence[str], *, source: str) -> LabelTable:
    """Read a label table from the lines of a colour table.

    Parameters
    ----------
    lines
        All lines of the file.
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        A line is not a row of a colour table.

    Examples
    --------
    >>> dict(read_colors(["# Color table file a.ctbl", "1 left_lung 1 2 3 255"], source="a.ctbl").names)
    {1: 'left_lung'}
    """
    dialect = _named_dialect(lines)
    first = next((line for _, line in _rows(lines)), "")
    if dialect == ITK_SNAP or (dialect is None and _SNAP_ROW.fullmatch(first)):
        return _snap(lines, source)
    if any("color procedural file" in line.lower() for line in lines[:MAX_COMMENTS] if line.startswith("#")):
        raise InputError(
            "expected names of labels, found a continuous colour scale",
            source=source,
            hint=f"use rows of {_ROW_EXPECTED}",
        )
    if dialect is None and source.lower().endswith(".ctbl"):
        dialect = SLICER
    return _named_colors(lines, source, dialect or COLORS)


def _rows(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Return the lines that are neither empty nor comments, with their numbers."""
    return ((n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#"))


def _named_dialect(lines: Sequence[str]) -> str | None:
    """Return the dialect that the comments above the first row name, if any."""
    for line in lines[:MAX_COMMENTS]:
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
    return rows.table(ITK_SNAP, expected=f"use rows of {_SNAP_EXPECTED}")


def _named_colors(lines: Sequence[str], source: str, dialect: str) -> LabelTable:
    data = [(number, re.split(r"\s#", line, maxsplit=1)[0]) for number, line in _rows(lines)]
    channels = min([_CHANNELS, *(count for _, line in data if (count := _channels(line)) >= _CHANNELS - 1)])
    rows = NameRows(source)
    for number, line in data:
        words = line.split()
        if _channels(line) < channels or _channels(line) == len(words) - 2 > _CHANNELS + 1:  # only numbers, no name
            raise _misfit(number, line, dialect, _ROW_EXPECTED, source)
        label = _label(words[0], number, source)
        if dialect == FREESURFER and len(words) == 3 + _CHANNELS:  # names have no spaces; the last word is a tissue
            words.pop()
        name = " ".join(words[1 : len(words) - channels])
        rows.add(label, name.strip("'\""), place=f"line {number}")
    return rows.table(dialect, expected=f"use rows of {_ROW_EXPECTED}")


def _channels(line: str) -> int:
    """Count the numbers at the end of a line of number, name and numbers; 0 if it does not start with a number."""
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
        raise InputError(f"line {number}: {quoted(text)} is not a label number", source=source, hint=NUMBER_HINT)
    return label


def _misfit(number: int, line: str, dialect: str, expected: str, source: str) -> InputError:
    problem = f"line {number}: expected {expected}, found {quoted(line.strip())} (read as {dialect})"
    return InputError(problem, source=source)
