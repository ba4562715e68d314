"""Tables with a header, separated by commas, semicolons or tabs: BIDS dseg.tsv, 3D Slicer's CSV, and others.

One column holds the numbers, one the names; the header says which, in any case. BIDS has `index` and `name`. 3D Slicer
has `LabelValue` and `Name`, and where the name is empty its terminology names the label. `label` is the number, unless
another column is and no other holds the names. A row without a name (empty, or BIDS's ``n/a``) is passed over.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segeval.errors import InputError
from segeval.reading.tables import MOST_COMMENTS, LabelTable, NameRows, quoted, table_number

BIDS = "BIDS dseg.tsv"
SLICER_CSV = "3D Slicer colour table (CSV)"

EXPECTED = (
    "expected a header with a number column (index, label, id, value, ...) and a name column (name, structure, ...)"
)

_SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon"}
_NUMBERS = (
    *("labelvalue", "index", "label_value", "label_id", "labelid", "label_index", "label_number", "integer_label"),
    *("value", "id", "idx", "key", "no", "number"),
)
_NAMES = (
    *("name", "label_name", "labelname", "text_label", "structure_name", "region_name", "roi_name", "class_name"),
    *("structure", "region", "roi", "organ", "class", "description"),
)
_MODIFIER, _TYPE = "typemodifier_codemeaning", "type_codemeaning"  # of 3D Slicer's terminology


@dataclass(frozen=True, slots=True)
class Header:
    """Which line is the header, and what its columns are.

    Parameters
    ----------
    line
        Its place among the lines, from 0.
    separator
        A tab, a comma or a semicolon.
    titles
        The columns' titles as they are written.
    numbers
        The columns that may hold the label numbers, the likeliest first.
    names
        The columns whose texts, joined, name the label where the one before has none.
    dialect
        What the table is taken for.
    """

    line: int
    separator: str
    titles: tuple[str, ...]
    numbers: tuple[int, ...]
    names: tuple[tuple[int, ...], ...]
    dialect: str


def header_of(lines: Sequence[str]) -> Header | None:
    """The header of a table: the first line that is none of a comment's, or a comment that reads as one."""
    for place, line in enumerate(lines[:MOST_COMMENTS]):
        if not line.strip() or re.fullmatch(r"sep=.", line.strip()):  # Excel's note of the separator
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
        The whole file.
    header
        As `header_of` found it.
    source
        The file, for messages.

    Raises
    ------
    InputError
        A row that does not fit the header, with its line.

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
    return rows.table(header.dialect, expected=EXPECTED)


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
    """The rows that are neither empty nor comments, with the lines they end in."""
    text = io.StringIO("\n".join(lines[header.line + 1 :]), newline="")
    reader = csv.reader(text, delimiter=header.separator, strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            line, missing = header.line + 1 + reader.line_num, len(header.titles) - len(cells)
            if any(cell.strip() for cell in cells[len(header.titles) :]):
                raise InputError(
                    f"read as {header.dialect}, line {line}: expected {len(header.titles)} columns, found {len(cells)}",
                    source=source,
                    hint="put names that hold the separator in quotes",
                )
            yield line, cells + [""] * missing
    except csv.Error as error:
        line = header.line + 1 + reader.line_num
        raise InputError(
            f"read as {header.dialect}, line {line}: {error}", source=source, hint="check the quotes"
        ) from None


def _joined(cells: Sequence[str], columns: Sequence[int]) -> str:
    return " ".join(filter(None, (cells[column].strip() for column in columns)))


def _label(cells: Sequence[str], header: Header, line: int, source: str) -> int:
    """The label number of a row; several columns of numbers must agree."""
    column, *others = header.numbers
    label = _whole(cells[column])
    if label is None:
        raise InputError(
            f"read as {header.dialect}, line {line}: {quoted(cells[column].strip())} is no label number",
            source=source,
            hint="labels are integers from 0 up",
        )
    for other in others:
        if _whole(cells[other]) not in (label, None):
            one, two = (f"{quoted(header.titles[place])} {_whole(cells[place])}" for place in (column, other))
            raise InputError(
                f"line {line}: two columns may be the label number, {one} and {two}",
                source=source,
                hint="keep the one that is, or call it index and separate by tabs, as BIDS does",
            )
    return label


def _whole(text: str) -> int | None:
    """A number as a spreadsheet may write it: 3, or 3.0."""
    return table_number(re.sub(r"\.0*$", "", text.strip()))
