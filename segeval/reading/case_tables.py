"""Read tables with one row per case: CSV or TSV files in UTF-8 with a header.

The separator is the one that gives the header a known column, whatever the suffix of the file and the case of the
column names. Cells are stripped, blank rows are skipped, and each row has its line number. Bytes that are not UTF-8 are
kept in the cells as in Python's file names (PEP 383), so that a cell can name any file.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from segeval.errors import InputError, shown
from segeval.reading.files import opened
from segeval.text import enumerated

MAX_TABLE_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """A header and the rows below it.

    Parameters
    ----------
    columns
        Cells of the header.
    rows
        Line number and cells of each row. A row may have fewer cells than there are columns; see `cell`.
    overlong
        Line numbers of rows with text after the last column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    overlong: tuple[int, ...]


def read_case_table(path: str, *, known: str) -> CaseTable:
    """Read a CSV or TSV file.

    Parameters
    ----------
    path
        Path of the file.
    known
        Column that the table must have, in lower case; the separator is found with it.

    Returns
    -------
    CaseTable
        Has no columns if the file has only blank lines.

    Raises
    ------
    InputError
        The file cannot be read, is too large, or is not valid CSV.
    """
    text = _text(path)
    separators = "\t,;|" if path.lower().endswith(".tsv") else ",;\t|"
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0].casefold()
    separator = max(separators, key=lambda each: (known in _split(first, each), first.count(each)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        stripped = ((reader.line_num, tuple(text.strip() for text in row)) for row in reader)
        filled = [(line, cells) for line, cells in stripped if any(cells)]
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} is not valid CSV: {error}", source=path) from None
    columns = filled[0][1] if filled else ()
    overlong = tuple(line for line, cells in filled[1:] if any(cells[len(columns) :]))
    return CaseTable(columns=columns, rows=tuple(filled[1:]), overlong=overlong)


def _text(path: str) -> str:
    try:
        with opened(path) as file, io.BufferedReader(file) as buffered:
            data = buffered.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", source=path) from error
    if len(data) > MAX_TABLE_BYTES:
        problem = f"the file is too large: expected at most {MAX_TABLE_BYTES >> 20} MB for a table of cases, found more"
        raise InputError(problem, source=path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("expected UTF-8 text, found UTF-16", source=path, hint="save it as CSV UTF-8")
    return data.decode("utf-8-sig", "surrogateescape")


def _split(line: str, separator: str) -> list[str]:
    return [text.strip().strip('"').strip() for text in line.split(separator)]


def cell(cells: Sequence[str], place: int) -> str:
    """Return the cell of a row in a column; empty if the row is too short.

    Examples
    --------
    >>> cell(["a"], 1)
    ''
    """
    return cells[place] if place < len(cells) else ""


def storable(text: str) -> str:
    r"""Return the text, escaped if it is not valid UTF-8, so that it can be written to result files.

    Examples
    --------
    >>> storable("b\udcfc")
    'b\\xfc'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return shown(text)
    return text


def line_list(lines: Sequence[int]) -> str:
    """Return a list of lines for a message.

    Examples
    --------
    >>> line_list([2, 4])
    'lines 2 and 4'
    """
    return f"{'line' if len(lines) == 1 else 'lines'} {enumerated(lines, str)}"
