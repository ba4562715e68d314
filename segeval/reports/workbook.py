"""Excel workbooks, with all digits of every number (home of XlsxWriter).

The sheets are Cases, Summary, Failures, Settings, Gate if there are requirements, and then a wide sheet for each
metric: a row per case, a column per label, coloured from the worst score to the best. A table that is longer than a
sheet goes on at ``Cases 2``. A number format rounds what is displayed, never what is stored. All text is stored as
text: nothing from outside becomes a formula or a link. An undefined score is an empty cell. Excel has no infinity: an
infinite score is the error ``#DIV/0!``, which a mean over its cell shows as well, and the note of its row names it.

XlsxWriter is loaded only when a workbook is written. It writes 16 digits, one too few for some floats to read back as
themselves, and so it is given numbers that write themselves.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import shown
from segeval.maps.labels import Key
from segeval.metrics import Direction, Quantity, parse
from segeval.reports.csv_files import (
    SUMMARY_COLUMNS,
    label_rows,
    notes_of,
    quantity_of,
    reason,
    whole_if_counted,
)
from segeval.results.matrix import ScoreMatrix
from segeval.results.results import Results
from segeval.results.rows import ALL
from segeval.results.run_rows import Summary

SHEET_ROWS, SHEET_COLUMNS = 1_048_576, 16_384
TITLE_CHARACTERS = 31  # of a sheet
CELL_UNITS = 32_767  # of UTF-16
CUT = " [cut]"
LARGEST = 10**15  # Excel keeps 15 digits of a whole number, so one of more is a text
NARROWEST, WIDEST = 8, 60  # characters
INFINITE_CELL = "#DIV/0!"
WORST, MIDDLE, BEST = "#E69F00", "#FFFFFF", "#56B4E9"  # colour-blind readers tell them apart
BELOW, ABOVE = "#CC79A7", "#009E73"  # of a metric without a better direction, below and above 0

_WIDE_HEADS = ("case", "status")
_CREATED = datetime(2000, 1, 1)  # no clock
_PATTERNS = {Quantity.RATIO: "0.0000", Quantity.LENGTH: "0.00", Quantity.VOLUME: "0.000", Quantity.COUNT: "0.00"}


class _Exact(float):
    """A float that is written with all the digits it takes to read it back."""

    def __format__(self, spec: str) -> str:
        return repr(float(self))


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of a kind, which decides how many decimals show."""

    value: float
    quantity: Quantity


Cell = str | int | float | bool | _Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the workbook.

    Parameters
    ----------
    title
        Name of its sheet.
    heads
        Headings of its columns.
    rows
        Its cells.
    fixed
        How many columns stay in view when the sheet is scrolled.
    better
        The better direction of the numbers, if their cells are coloured by it.
    """

    title: str
    heads: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    fixed: int = 0
    better: Direction | None = None


def to_xlsx(results: Results, *, sheet_rows: int = SHEET_ROWS, sheet_columns: int = SHEET_COLUMNS) -> Iterator[bytes]:
    """Write the results as an Excel workbook.

    Parameters
    ----------
    results
        Results of any number of cases.
    sheet_rows, sheet_columns
        How many rows, including the heading, and columns a sheet may have.

    Yields
    ------
    bytes
        Put together they are an ``.xlsx`` file. The same results give the same bytes.

    Raises
    ------
    OSError
        A temporary file cannot be written.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="segeval-", ignore_cleanup_errors=True) as folder:
        options = {
            "constant_memory": True,
            "tmpdir": folder,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        book = Workbook(packed, options)
        book.set_properties({"created": _CREATED})
        writer = _Writer(book, sheet_rows)
        for table in chain(_tables(results), wide_tables(results, sheet_columns)):
            writer.write(table)
        try:
            book.close()
        except FileCreateError as error:
            raise OSError(str(error)) from None
    yield packed.getvalue()


def _tables(results: Results) -> Iterator[_Table]:
    """Return each table but the wide ones."""
    metrics = results.scored_metrics
    heads = ["case", "label", "name", "unit", "status", "note", *metrics]
    yield _Table(title="Cases", heads=heads, rows=_case_rows(results, metrics))
    yield _Table(title="Summary", heads=SUMMARY_COLUMNS, rows=map(_summary_row, results.summary))
    failures = (
        [record.case, record.status, record.prediction, record.reference, reason(record)]
        for record in results.cases
        if record.status != "scored"
    )
    yield _Table(title="Failures", heads=["case", "status", "prediction", "reference", "message"], rows=failures)
    yield _Table(title="Settings", heads=["setting", "value"], rows=_setting_rows(results))
    if results.gate:
        gate = ([each.requirement, _readable(each.value), each.passed, each.worst_case] for each in results.gate)
        yield _Table(title="Gate", heads=["requirement", "value", "passed", "worst_case"], rows=gate)


def wide_tables(results: Results, sheet_columns: int) -> Iterator[_Table]:
    """Return a table for each metric, with a row per case and a column per label; several if there are too many labels.

    A case that was not scored has a row with its status.
    """
    matrix = ScoreMatrix.of(results.scores, [record.case for record in results.cases], order=_column_order(results))
    values = matrix.filled(results.scores.values, math.nan)
    names = {row.label: row.name for row in results.summary if row.name}
    for metric in results.scored_metrics:
        places = [place for place, (_, token) in enumerate(matrix.columns) if token == metric]
        step = sheet_columns - len(_WIDE_HEADS)
        for part, start in enumerate(range(0, len(places), step), start=1):
            chosen = places[start : start + step]
            labels = (matrix.columns[place][0] for place in chosen)
            titles = (f"{label} {names[label]}" if label in names else str(label) for label in labels)
            yield _Table(
                title=metric if part == 1 else f"{metric} part {part}",
                heads=[*_WIDE_HEADS, *titles],
                rows=_wide_rows(results, metric, values[:, chosen]),
                fixed=len(_WIDE_HEADS),
                better=parse(metric).card.better,
            )


def _wide_rows(results: Results, metric: str, values: NDArray[np.float64]) -> Iterator[list[Cell]]:
    for record, scores in zip(results.cases, values.tolist(), strict=True):
        cells = (None if math.isnan(score) else _number(score, metric) for score in scores)
        yield [record.case, record.status, *cells]


def _column_order(results: Results) -> Callable[[Key, str], tuple[int, int, str]]:
    """Return a sort key: labels by number, then regions in the order of the request, then scores over all labels."""
    regions = {region: place for place, region in enumerate(results.settings.get("regions", {}))}

    def key(label: Key, _metric: str) -> tuple[int, int, str]:
        if isinstance(label, int):
            return 0, label, ""
        return 1 + (label == ALL), regions.get(label, len(regions)), label

    return key


def _case_rows(results: Results, metrics: Sequence[str]) -> Iterator[list[Cell]]:
    for record, scores in label_rows(results):
        if not scores:
            yield [record.case, None, None, record.unit, record.status, reason(record)]
            continue
        values = {score.metric: _number(score.value, score.metric) for score in scores}
        facts = [record.case, scores[0].label, scores[0].name, record.unit, record.status, notes_of(scores)]
        yield [*facts, *(values.get(metric) for metric in metrics)]


def _summary_row(row: Summary) -> list[Cell]:
    values = (getattr(row, column) for column in SUMMARY_COLUMNS)
    return [_number(value, row.metric) if isinstance(value, float) else value for value in values]


def _setting_rows(results: Results) -> Iterator[list[Cell]]:
    yield ["signature", results.signature]
    yield ["footnote", results.footnote]
    yield ["version", results.version]
    if results.shard is not None:
        yield ["shard", results.shard.part]
    for warning in results.warnings:
        yield ["warning", warning]
    for key, value in results.settings.items():
        yield [key, value if value is None or isinstance(value, (str, int, float)) else _json(value)]


def _json(value: object) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)


def _number(value: float | None, metric: str) -> _Number | int | None:
    whole = None if value is None else whole_if_counted(value, metric)
    return _Number(whole, quantity_of(metric)) if isinstance(whole, float) else whole


def _readable(value: float | None) -> float | str | None:
    """Return the value; an infinite one as a text, where nobody takes a mean."""
    return str(value) if value is not None and math.isinf(value) else value


class _Writer:
    """Writes tables to a workbook, each on sheets of its own."""

    def __init__(self, book: Any, sheet_rows: int) -> None:
        self.book, self.sheet_rows = book, sheet_rows
        self.bold = book.add_format({"bold": True})
        self.displayed = {quantity: book.add_format({"num_format": pattern}) for quantity, pattern in _PATTERNS.items()}
        self._titles: set[str] = set()

    def write(self, table: _Table) -> None:
        """Write a table, on as many sheets as it takes."""
        number, place = 1, 0
        sheet, widths = self._begun(table, table.title)
        errors: list[tuple[int, int]] = []
        for row in table.rows:
            if place + 1 == self.sheet_rows:
                self._end(sheet, table, place, widths, errors)
                number += 1
                sheet, widths = self._begun(table, f"{table.title} {number}")
                place, errors = 0, []
            place += 1
            for column, cell in enumerate(row):
                widths[column] = max(widths[column], self._put(sheet, place, column, cell))
                if _is_infinite(cell):
                    errors.append((place, column))
        self._end(sheet, table, place, widths, errors)

    def _begun(self, table: _Table, title: str) -> tuple[Any, list[int]]:
        sheet = self.book.add_worksheet(self._sheet_name(title))
        sheet.freeze_panes(1, table.fixed)
        for column, head in enumerate(table.heads):
            sheet.write_string(0, column, _fitted(head), self.bold)
        return sheet, [max(NARROWEST, len(head) + 3) for head in table.heads]  # 3: the button of the filter

    def _sheet_name(self, title: str) -> str:
        """Return the title as Excel allows it: at most 31 characters, different from all others but for capitals."""
        name, number = title[:TITLE_CHARACTERS], 2
        while name.casefold() in self._titles:
            name = f"{title[: TITLE_CHARACTERS - 1 - len(str(number))]} {number}"
            number += 1
        self._titles.add(name.casefold())
        return name

    def _end(
        self, sheet: Any, table: _Table, last: int, widths: Sequence[int], errors: Sequence[tuple[int, int]]
    ) -> None:
        sheet.autofilter(0, 0, last, len(widths) - 1)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, min(width, WIDEST))
        if table.better is not None and last and len(widths) > table.fixed:
            self._colour(sheet, table, last, len(widths) - 1, errors)

    def _colour(self, sheet: Any, table: _Table, last: int, right: int, errors: Sequence[tuple[int, int]]) -> None:
        """Colour the numbers from the worst to the best; Excel colours nothing in a range that has an error."""
        blocks = list(_without(errors, (1, table.fixed, last, right)))
        if blocks:
            ranges = " ".join(_range_name(block) for block in blocks)
            sheet.conditional_format(*blocks[0], {**_scale(table.better), "multi_range": ranges})

    def _put(self, sheet: Any, row: int, column: int, cell: Cell) -> int:
        """Write a cell and return its width in characters."""
        value = cell.value if isinstance(cell, _Number) else cell
        if value is None or value == "":
            return 0
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif _is_infinite(value):
            sheet.write_formula(row, column, "=1/0" if value > 0 else "=-1/0", None, INFINITE_CELL)  # type: ignore[operator]
        elif isinstance(value, str) or (isinstance(value, int) and abs(value) >= LARGEST):
            text = _fitted(value)
            sheet.write_string(row, column, text)
            return len(text)
        elif isinstance(value, int):
            sheet.write_number(row, column, value)
        else:
            displayed = self.displayed[cell.quantity] if isinstance(cell, _Number) else None
            sheet.write_number(row, column, _Exact(value), displayed)
        return NARROWEST


def _is_infinite(cell: Cell) -> bool:
    value = cell.value if isinstance(cell, _Number) else cell
    return isinstance(value, float) and math.isinf(value)


def _without(
    errors: Sequence[tuple[int, int]], block: tuple[int, int, int, int]
) -> Iterator[tuple[int, int, int, int]]:
    """Return blocks (first row, first column, last row, last column) that leave out some cells of a block."""
    top, left, bottom, right = block
    if not errors:
        yield block
        return
    rows_of: dict[int, list[int]] = {}
    for row, column in errors:
        rows_of.setdefault(column, []).append(row)
    start = left
    for column in [*sorted(rows_of), right + 1]:
        if column > start:
            yield top, start, bottom, column - 1
        above = top
        for row in [*rows_of.get(column, []), bottom + 1] if column <= right else []:
            if row > above:
                yield above, column, row - 1, column
            above = row + 1
        start = column + 1


def _range_name(block: tuple[int, int, int, int]) -> str:
    from xlsxwriter.utility import xl_range

    return str(xl_range(*block))


def _scale(better: Direction | None) -> dict[str, str]:
    """Return a scale of three colours, as XlsxWriter takes it."""
    if better is Direction.NEITHER:
        kinds = {"min_type": "min", "mid_type": "num", "max_type": "max", "mid_value": "0"}
        colours = BELOW, MIDDLE, ABOVE
    else:
        kinds = {"min_type": "min", "mid_type": "percentile", "max_type": "max", "mid_value": "50"}
        colours = (WORST, MIDDLE, BEST) if better is Direction.HIGHER else (BEST, MIDDLE, WORST)
    return {"type": "3_color_scale"} | kinds | dict(zip(("min_color", "mid_color", "max_color"), colours, strict=True))


def _fitted(value: object) -> str:
    """Text as a cell can hold it: without control characters, and short enough."""
    text = shown(value)
    if len(text.encode("utf-16-le")) // 2 > CELL_UNITS:
        kept = text.encode("utf-16-le")[: 2 * (CELL_UNITS - len(CUT))].decode("utf-16-le", "ignore")
        text = kept + CUT
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "  # XlsxWriter would pass it on as marked-up text, unescaped
    return text
