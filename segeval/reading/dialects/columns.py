"""Read tables with a header, separated by commas, semicolons or tabs: BIDS dseg.tsv, 3D Slicer's CSV, and others.

One column has the numbers and one the names; they are found by their titles, in upper or lower case. BIDS has `index`
and `name`. 3D Slicer has `LabelValue` and `Name`; if the name is empty, its terminology columns name the label. A
column `label` has the numbers, unless another column has them and no other column has the names. Rows without a name
(empty, or ``n/a`` in BIDS) are skipped.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segeval.errors import InputError
from segeval.reading.tables import MAX_COMMENTS, NUMBER_HINT, LabelTable, NameRows, quoted, table_number

BIDS = "BIDS dseg.tsv"
SLICER_CSV = "3D Slicer colour table (CSV)"

COLUMNS = "a number column (index, label, id, value, ...) and a name column (name, structure, ...)"

_SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon"}
_NUMBERS = (
    *("labelvalue", "index", "label_value", "label_id", "labelid", "label_index", "label_number", "integer_label"),
    *("value", "id", "idx", "key", "no", "number"),
)
_NAMES = (
    *("name", "label_name", "labelname", "text_label", "structure_name", "region_name", "roi_name", "class_name"),
    *("structure", "region", "roi", "organ", "class", "description"),
)
_MODIFIER, _TYPE = "typemodifier_codemeaning", "type_codemeaning"  # terminology columns of 3D Slicer


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table and the meaning of its columns.

    Parameters
    ----------
    line
        Index of the header line, from 0.
    separator
        A tab, a comma or a semicolon.
    titles
        Titles of the columns, as written.
    numbers
        Columns that may have the label numbers, the most likely first.
    names
        Groups of columns whose joined texts are the name; a group is used if the one before is empty.
    dialect
        Dialect of the table.
    """

    line: int
    separator: str
    titles: tuple[str, ...]
    numbers: tuple[int, ...]
    names: tuple[tuple[int, ...], ...]
    dialect: str


def header_of(lines: Sequence[str]) -> Header | None:
    """Find the header of a table: the first line that is not a comment, or a comment that looks like a header."""
    for place, line in enumerate(lines[:MAX_COMMENTS]):
        if not line.strip() or re.fullmatch(r"sep=.", line.strip()):  # how Excel states the separator
            continue
        comment = line.lstrip().startswith("#")
        for separator in _SEPARATORS:
            found = _header(place, line.lstrip().lstrip("#") if comment else line, separator)
            if found is not None:
                return found
        if not comment:
            return None
    return None


def read_columns(lines: Sequence[str], header: Header, *, source: str) -> LabelTable:
    """Read a label table from the lines below a header.

    Parameters
    ----------
    lines
        All lines of the file.
    header
        Result of `header_of`.
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        A row does not fit the header.

    Examples
    --------
    >>> lines = ["Label;Structure", "1;left lung"]
    >>> dict(read_columns(lines, header_of(lines), source="lungs.csv").names)
    {1: 'left lung'}
    """
    rows = NameRows(source)
    for line, cells in _rows(lines, header, source):
        name = next(filter(None, (_joined(cells, columns) for columns in header.names)), "")
        if not name and not cells[header.numbers[0]].strip():
            continue
        rows.add(_label(cells, header, line, source), name, place=f"line {line}")
    return rows.table(header.dialect, expected=f"use a table with {COLUMNS}")


def _header(place: int, line: str, separator: str) -> Header | None:
    try:
        titles = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return None
    while titles and not titles[-1].strip():
        titles.pop()
    plain = [re.sub(r"[\s-]+", "_", title.strip(" \t.:#")).lower() for title in titles]
    numbers = [plain.index(title) for title in _NUMBERS if title in plain]
    names = [plain.index(title) for title in _NAMES if title in plain]
    if "label" in plain:
        (names if numbers and not names else numbers).append(plain.index("label"))
    if "labelvalue" in plain and (names or _TYPE in plain):
        terms = tuple(plain.index(title) for title in (_MODIFIER, _TYPE) if title in plain)
        return Header(place, separator, tuple(titles), (numbers[0],), (tuple(names[:1]), terms), SLICER_CSV)
    if not numbers or not names:
        return None
    number, name = quoted(titles[numbers[0]].strip()), quoted(titles[names[0]].strip())
    dialect = f"{_SEPARATORS[separator]}-separated table, columns {number} and {name}"
    if separator == "\t" and (plain[numbers[0]], plain[names[0]]) == ("index", "name"):
        numbers, dialect = numbers[:1], BIDS
    return Header(place, separator, tuple(titles), tuple(numbers), ((names[0],),), dialect)


def _rows(lines: Sequence[str], header: Header, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are neither empty nor comments, with the number of their last line."""
    text = io.StringIO("\n".join(lines[header.line + 1 :]), newline="")
    reader = csv.reader(text, delimiter=header.separator, strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            line, missing = header.line + 1 + reader.line_num, len(header.titles) - len(cells)
            if any(cell.strip() for cell in cells[len(header.titles) :]):
                counts = f"expected {len(header.titles)} columns, found {len(cells)}"
                raise InputError(
                    f"line {line}: {counts} (read as {header.dialect})",
                    source=source,
                    hint="put names that contain the separator in quotes",
                )
            yield line, cells + [""] * missing
    except csv.Error as error:
        line = header.line + 1 + reader.line_num
        problem = f"line {line} is not valid CSV: {error} (read as {header.dialect})"
        raise InputError(problem, source=source, hint="check the quotes") from None


def _joined(cells: Sequence[str], columns: Sequence[int]) -> str:
    return " ".join(filter(None, (cells[column].strip() for column in columns)))


def _label(cells: Sequence[str], header: Header, line: int, source: str) -> int:
    """Return the label number of a row; if several columns have numbers, these must be equal."""
    column, *others = header.numbers
    label = _whole(cells[column])
    if label is None:
        problem = f"line {line}: {quoted(cells[column].strip())} is not a label number (read as {header.dialect})"
        raise InputError(problem, source=source, hint=NUMBER_HINT)
    for other in others:
        if _whole(cells[other]) not in (label, None):
            one, two = (f"{quoted(header.titles[place])} {_whole(cells[place])}" for place in (column, other))
            raise InputError(
                f"line {line}: two columns may have the label number: {one} and {two}",
                source=source,
                hint="keep only one of them, or write a BIDS dseg.tsv with the columns index and name",
            )
    return label


def _whole(text: str) -> int | None:
    """Read a number as a spreadsheet may write it: 3 or 3.0."""
    return table_number(re.sub(r"\.0*$", "", text.strip()))
