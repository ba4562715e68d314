"""Excel workbooks, with the digits of every number (home of XlsxWriter).

The sheets are Cases, Summary, Failures, Settings, and Gate where something was required; a table that is longer than a
sheet goes on at ``Cases 2``. A number format rounds what is shown, never what is stored. All text is stored as text:
nothing becomes a formula or a link. An undefined score is an empty cell, an infinite one the text ``inf``, because
Excel has no infinity.

XlsxWriter is loaded only when a workbook is written. It writes 16 digits, one too few for some floats to read back as
themselves, and so it is given numbers that write themselves.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from segeval.errors import shown
from segeval.metrics import Quantity
from segeval.reports.csv_files import (
    SUMMARY_COLUMNS,
    label_rows,
    quantity_of,
    reason,
    whole_if_counted,
)
from segeval.results.results import Results
from segeval.results.run_rows import Summary

SHEET_ROWS = 1_048_576
CELL_UNITS = 32_767  # of UTF-16
CUT = " [cut]"
LARGEST = 10**15  # Excel keeps 15 digits of a whole number, so one of more is a text
NARROWEST, WIDEST = 8, 60  # characters

_CREATED = datetime(2000, 1, 1)  # no clock
_SHOWN_AS = {Quantity.RATIO: "0.0000", Quantity.LENGTH: "0.00", Quantity.VOLUME: "0.000", Quantity.COUNT: "0.00"}


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


def to_xlsx(results: Results, *, sheet_rows: int = SHEET_ROWS) -> Iterator[bytes]:
    """The results as an Excel workbook.

    Parameters
    ----------
    results
        Of any number of cases.
    sheet_rows
        How many rows a sheet may have, with its heading.

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
        for title, heads, rows in _tables(results):
            writer.write(title, heads, rows)
        try:
            book.close()
        except FileCreateError as error:
            raise OSError(str(error)) from None
    yield packed.getvalue()


def _tables(results: Results) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Cell]]]]:
    """Title, heads and rows of each table."""
    metrics = results.scored_metrics
    yield "Cases", ["case", "label", "name", "unit", "status", "note", *metrics], _case_rows(results, metrics)
    yield "Summary", SUMMARY_COLUMNS, map(_summary_row, results.summary)
    yield (
        "Failures",
        ["case", "status", "prediction", "reference", "message"],
        (
            [record.case, record.status, record.prediction, record.reference, reason(record)]
            for record in results.cases
            if record.status != "scored"
        ),
    )
    yield "Settings", ["setting", "value"], _setting_rows(results)
    if results.gate:
        yield (
            "Gate",
            ["requirement", "value", "passed", "worst_case"],
            ([each.requirement, each.value, each.passed, each.worst_case] for each in results.gate),
        )


def _case_rows(results: Results, metrics: Sequence[str]) -> Iterator[list[Cell]]:
    for record, scores in label_rows(results):
        if not scores:
            yield [record.case, None, None, record.unit, record.status, reason(record)]
            continue
        values = {score.metric: _number(score.value, score.metric) for score in scores}
        notes = dict.fromkeys(score.note for score in scores if score.note)
        facts = [record.case, scores[0].label, scores[0].name, record.unit, record.status, "; ".join(notes)]
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


class _Writer:
    """Writes tables to a workbook, each on sheets of its own."""

    def __init__(self, book: Any, sheet_rows: int) -> None:
        self.book, self.sheet_rows = book, sheet_rows
        self.bold = book.add_format({"bold": True})
        self.shown_as = {quantity: book.add_format({"num_format": pattern}) for quantity, pattern in _SHOWN_AS.items()}

    def write(self, title: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write a table, on as many sheets as it takes."""
        number, place = 1, 0
        sheet, widths = self._begun(title, heads)
        for row in rows:
            if place + 1 == self.sheet_rows:
                self._end(sheet, place, widths)
                number += 1
                sheet, widths = self._begun(f"{title} {number}", heads)
                place = 0
            place += 1
            for column, cell in enumerate(row):
                widths[column] = max(widths[column], self._put(sheet, place, column, cell))
        self._end(sheet, place, widths)

    def _begun(self, title: str, heads: Sequence[str]) -> tuple[Any, list[int]]:
        sheet = self.book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        for column, head in enumerate(heads):
            sheet.write_string(0, column, _fitted(head), self.bold)
        return sheet, [max(NARROWEST, len(head) + 3) for head in heads]  # 3: the button of the filter

    def _end(self, sheet: Any, last: int, widths: Sequence[int]) -> None:
        sheet.autofilter(0, 0, last, len(widths) - 1)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, min(width, WIDEST))

    def _put(self, sheet: Any, row: int, column: int, cell: Cell) -> int:
        """Write a cell and say how wide it is."""
        value = cell.value if isinstance(cell, _Number) else cell
        if value is None or value == "":
            return 0
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, str) or abs(value) == math.inf or (isinstance(value, int) and abs(value) >= LARGEST):
            text = _fitted(value)
            sheet.write_string(row, column, text)
            return len(text)
        elif isinstance(value, int):
            sheet.write_number(row, column, value)
        else:
            shown_as = self.shown_as[cell.quantity] if isinstance(cell, _Number) else None
            sheet.write_number(row, column, _Exact(value), shown_as)
        return NARROWEST


def _fitted(value: object) -> str:
    """Text as a cell can hold it: without control characters, and short enough."""
    text = shown(value)
    if len(text.encode("utf-16-le")) // 2 > CELL_UNITS:
        kept = text.encode("utf-16-le")[: 2 * (CELL_UNITS - len(CUT))].decode("utf-16-le", "ignore")
        text = kept + CUT
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "  # XlsxWriter would pass it on as marked-up text, unescaped
    return text
