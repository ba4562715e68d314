"""Tables with a row for each case: CSV or TSV files in UTF-8 with a header.

The separator is the one that makes a known column of the header, whatever the file's suffix; capitals of column names
do not matter for that. Cells are stripped, blank rows passed over, and each row knows its line. Bytes that are not
UTF-8 stay in the cells as Python has them in file names (PEP 383), so that a cell can name any file. What the columns
mean is for others to say.
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
        The cells of the header.
    rows
        Line and cells of each row; a short row has fewer cells than there are columns, see `cell`.
    overlong
        Lines of the rows that have text beyond the last column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    overlong: tuple[int, ...]


def read_case_table(path: str, *, known: str) -> CaseTable:
    """Read a CSV or TSV file.

    Parameters
    ----------
    path
        The file.
    known
        A column that the table must have, in small letters: what makes a cell of it is the separator.

    Returns
    -------
    CaseTable
        Without columns where the file has nothing but blank lines.

    Raises
    ------
    InputError
        The file cannot be read, is too large, or is not as CSV has it.
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
        raise InputError(f"line {reader.line_num} is not as CSV has it: {error}", source=path) from None
    columns = filled[0][1] if filled else ()
    overlong = tuple(line for line, cells in filled[1:] if any(cells[len(columns) :]))
    return CaseTable(columns=columns, rows=tuple(filled[1:]), overlong=overlong)


def _text(path: str) -> str:
    try:
        with opened(path) as file, io.BufferedReader(file) as buffered:
            data = buffered.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", source=path) from error
    if len(data) > MAX_TABLE_BYTES:
        raise InputError(f"expected a table of cases, found more than {MAX_TABLE_BYTES >> 20} MB", source=path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("expected UTF-8 text, found UTF-16", source=path, hint="save it as CSV UTF-8")
    return data.decode("utf-8-sig", "surrogateescape")


def _split(line: str, separator: str) -> list[str]:
    return [text.strip().strip('"').strip() for text in line.split(separator)]


def cell(cells: Sequence[str], place: int) -> str:
    """What a row has in a column; nothing in those that a short one lacks.

    Examples
    --------
    >>> cell(["a"], 1)
    ''
    """
    return cells[place] if place < len(cells) else ""


def storable(text: str) -> str:
    r"""The text as result files can hold it: one that is not valid UTF-8 is escaped.

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
    """Where in a table something is.

    Examples
    --------
    >>> line_list([2, 4])
    'lines 2 and 4'
    """
    return f"{'line' if len(lines) == 1 else 'lines'} {enumerated(lines, str)}"
