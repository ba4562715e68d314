"""CSV: a row for each case and label, a column for each metric, every number with all its digits.

Spreadsheets and pandas read it. A mean taken of a metric's column is the mean over its labels: metrics over all labels
have a row of their own, labelled ``all``, whose other cells are empty, and undefined scores are empty cells. An
infinite score is the text ``inf``, which pandas reads as a number and spreadsheets leave out of means; the note of its
row names it. Text that a spreadsheet would run as a formula starts with an apostrophe. Lines end in a newline alone;
bytes are UTF-8.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain, groupby
from typing import TYPE_CHECKING

from segeval.errors import shown
from segeval.evidence.counts import ContingencyTable
from segeval.metrics import Quantity, find
from segeval.reports.csv_style import PLAIN, CsvStyle
from segeval.results.results import Results
from segeval.results.rows import ALL, CaseRecord, Score
from segeval.results.run_rows import Summary

if TYPE_CHECKING:
    from segeval.diagnostics.loss_table import LossTable

SUMMARY_COLUMNS = tuple(field.name for field in fields(Summary))
MATRIX_LABELS = 2000  # a square of more is mostly zeros, and more than a spreadsheet takes
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  (the full-width ones count too)
# control characters and bytes that are not UTF-8; tabs and line ends stay, in quotes
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def to_csv(results: Results, *, style: CsvStyle = PLAIN) -> Iterator[str]:
    """Write the scores as CSV.

    Columns: case, label, name, unit, status, note, then the metrics in the order of the request. A region has its name
    in ``label``. A case without any score has one row with an empty label. ``unit`` is that of lengths.

    Parameters
    ----------
    results
        Results of any number of cases.
    style
        Decimal mark, delimiter and byte-order mark.

    Yields
    ------
    str
        A line with its end; the heading at least.
    """
    metrics = results.scored_metrics
    heading = ["case", "label", "name", "unit", "status", "note", *metrics]
    yield from csv_file(chain([heading], _cells(results, metrics, style)), style)


def summary_csv(results: Results, *, style: CsvStyle = PLAIN) -> Iterator[str]:
    """Write the summary as CSV: a row per aggregate, group, label and metric, a column per field of `Summary`.

    Parameters
    ----------
    results
        Results with their summary.
    style
        Decimal mark, delimiter and byte-order mark.

    Yields
    ------
    str
        A line with its end; the heading at least.
    """
    rows = ([_text(getattr(row, column), style) for column in SUMMARY_COLUMNS] for row in results.summary)
    yield from csv_file(chain([SUMMARY_COLUMNS], rows), style)


def label_rows(results: Results) -> Iterator[tuple[CaseRecord, list[Score]]]:
    """Group the scores by case and label, in the order of the cases; a case without scores has an empty list."""
    groups = groupby(results.scores, key=lambda score: (score.case, score.label))
    key, group = next(groups, (None, iter(())))
    for record in results.cases:
        if key is None or key[0] != record.case:
            yield record, []
        while key is not None and key[0] == record.case:
            yield record, list(group)
            key, group = next(groups, (None, iter(())))


def reason(record: CaseRecord) -> str:
    """Return the reason why a case has no score."""
    return record.message or ("no label to score in either map" if record.status == "scored" else "")


def quantity_of(metric: str) -> Quantity:
    """Return what a metric such as ``"hd@95"`` measures."""
    card = find(metric.partition("@")[0])
    return Quantity.RATIO if card is None else card.quantity


def whole_if_counted(value: float, metric: str) -> float | int:
    """Return the value; that of a count as an integer if it has no fraction."""
    return int(value) if quantity_of(metric) is Quantity.COUNT and value.is_integer() else value


def notes_of(scores: Iterable[Score]) -> str:
    """Return the notes of some scores, each once, and which of the scores are infinite."""
    scores = list(scores)
    notes = dict.fromkeys(score.note for score in scores if score.note)
    infinite = [score.metric for score in scores if score.value is not None and math.isinf(score.value)]
    return "; ".join([*notes, *([f"infinite: {', '.join(infinite)}"] if infinite else [])])


def _cells(results: Results, metrics: Sequence[str], style: CsvStyle) -> Iterator[list[str]]:
    for record, scores in label_rows(results):
        if scores:
            yield _row(record, scores, metrics, style)
        else:
            cells = [record.case, "", "", record.unit or "", record.status, reason(record)]
            yield [*map(defused, cells), *[""] * len(metrics)]


def _row(record: CaseRecord, scores: Sequence[Score], metrics: Iterable[str], style: CsvStyle) -> list[str]:
    values = {score.metric: _number(score, style) for score in scores}
    facts = [
        record.case,
        str(scores[0].label),
        scores[0].name or "",
        record.unit or "",
        record.status,
        notes_of(scores),
    ]
    return [*map(defused, facts), *(values.get(metric, "") for metric in metrics)]


def _text(value: str | float | None, style: CsvStyle) -> str:
    if isinstance(value, str):
        return defused(value)
    return "" if value is None else style.number(value)


def _number(score: Score, style: CsvStyle) -> str:
    return "" if score.value is None else style.number(whole_if_counted(float(score.value), score.metric))


def losses_csv(table: LossTable, *, style: CsvStyle = PLAIN) -> str:
    """Write the losses of a map: a row for each over all classes, then one for each class that has a value.

    Columns: metric, label, name, share (of the label in the reference; that of all foreground over all classes), value,
    largest_gradient, gradient_on_foreground, note.
    """
    lines: list[list[str]] = [
        ["metric", "label", "name", "share", "value", "largest_gradient", "gradient_on_foreground", "note"]
    ]
    for row in table.rows:
        figures = (table.imbalance, row.value, row.largest, row.on_foreground)
        lines.append([row.metric, ALL, "", *(_text(figure, style) for figure in figures), ""])
        for label, value in row.by_label.items():
            share = _text(table.shares.get(label), style)
            facts = [row.metric, str(label), defused(table.names.get(label, "")), share]
            lines.append([*facts, _text(value, style), "", "", defused(row.notes.get(label, ""))])
    return "".join(csv_file(lines, style))


def confusion_csv(table: ContingencyTable, names: Mapping[int, str] | None = None, *, style: CsvStyle = PLAIN) -> str:
    r"""Write the label-by-label confusion matrix: voxels by reference (rows) and prediction (columns).

    With more than 2,000 labels most of the square would be zeros; then there is a row for each pair of labels that
    occurs, with the columns reference, prediction, voxels.

    Parameters
    ----------
    table
        The counts of one case.
    names
        Label -> name; a label's heading is its number and name.
    style
        Delimiter and byte-order mark.

    Returns
    -------
    str
        CSV.

    Examples
    --------
    >>> print(confusion_csv(ContingencyTable.from_pairs({(0, 0): 7, (1, 0): 2, (1, 1): 3}), {1: "liver"}))
    reference \ prediction,0 background,1 liver
    0 background,7,0
    1 liver,2,3
    <BLANKLINE>
    """
    known = {0: "background", **(names or {})}
    labels = table.labels
    heads = {label: f"{label} {known[label]}" if known.get(label) else str(label) for label in labels}
    if len(labels) > MATRIX_LABELS:
        rows = [[heads[reference], heads[prediction], str(voxels)] for reference, prediction, voxels in table.rows()]
        return "".join(csv_file([["reference", "prediction", "voxels"], *rows], style))
    counts = {(reference, prediction): voxels for reference, prediction, voxels in table.rows()}
    matrix = [[heads[row], *(str(counts.get((row, column), 0)) for column in labels)] for row in labels]
    return "".join(csv_file([["reference \\ prediction", *heads.values()], *matrix], style))


def defused(text: str) -> str:
    """Return the text so that no spreadsheet runs it as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_file(rows: Iterable[Sequence[str]], style: CsvStyle = PLAIN) -> Iterator[str]:
    """Return a file line by line, each with its end, and the byte-order mark before the first if the style has it."""
    start = style.start
    for line in csv_lines(rows, style.delimiter):
        yield f"{start}{line}"
        start = ""


def csv_lines(rows: Iterable[Sequence[str]], delimiter: str = PLAIN.delimiter) -> Iterator[str]:
    """Return each row as a line with its end; control characters are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")  # so that a lone return is quoted too
    for row in rows:
        writer.writerow(row)
        yield _UNSAFE.sub(lambda found: shown(found[0]), text.getvalue().removesuffix("\r\n")) + "\n"
        text.seek(0)
        text.truncate()
