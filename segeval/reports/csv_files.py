"""CSV: one row per case and label, one column per metric, every number with all its digits.

Read by spreadsheets and by pandas. A mean over a metric's column is the mean over its labels: what is over all labels
stands in a row of its own, labelled ``all``, whose other cells are empty, and undefined scores are empty. Text that a
spreadsheet would run as a formula begins with an apostrophe instead. Lines end in a newline alone; bytes are UTF-8.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import groupby
from typing import TYPE_CHECKING

from segeval.errors import shown
from segeval.evidence.counts import ContingencyTable
from segeval.metrics import Quantity, find
from segeval.results.results import Results
from segeval.results.rows import ALL, CaseRecord, Score
from segeval.results.run_rows import Summary

if TYPE_CHECKING:
    from segeval.diagnostics.loss_table import LossTable

SUMMARY_COLUMNS = tuple(field.name for field in fields(Summary))
MATRIX_LABELS = 2000  # a square of more is mostly zeros, and more than a spreadsheet takes
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  (the full-width ones count too)
# what drives a terminal, or is no UTF-8; tabs and ends of lines stay, quoted
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def to_csv(results: Results) -> Iterator[str]:
    """The scores as CSV.

    Columns: case, label, name, unit, status, note, then the metrics in the order asked for. A region stands under its
    name in ``label``. A case without any score has one row with an empty label. ``unit`` is that of lengths.

    Parameters
    ----------
    results
        Of any number of cases.

    Yields
    ------
    str
        A line with its end; the heading at least.
    """
    metrics = results.scored_metrics
    yield from csv_lines([["case", "label", "name", "unit", "status", "note", *metrics]])
    yield from csv_lines(_cells(results, metrics))


def summary_csv(results: Results) -> Iterator[str]:
    """The summary as CSV: a row per aggregate, group, label and metric, a column per field of `Summary`.

    Parameters
    ----------
    results
        With their summary.

    Yields
    ------
    str
        A line with its end; the heading at least.
    """
    yield from csv_lines([SUMMARY_COLUMNS])
    yield from csv_lines([_text(getattr(row, column)) for column in SUMMARY_COLUMNS] for row in results.summary)


def label_rows(results: Results) -> Iterator[tuple[CaseRecord, list[Score]]]:
    """The scores of one case and label at a time, in the order of the cases; none for a case without any."""
    groups = groupby(results.scores, key=lambda score: (score.case, score.label))
    key, group = next(groups, (None, iter(())))
    for record in results.cases:
        if key is None or key[0] != record.case:
            yield record, []
        while key is not None and key[0] == record.case:
            yield record, list(group)
            key, group = next(groups, (None, iter(())))


def reason(record: CaseRecord) -> str:
    """Why a case has no score."""
    return record.message or ("no label to score in either map" if record.status == "scored" else "")


def quantity_of(metric: str) -> Quantity:
    """What a metric measures, as it was asked for: ``"hd@95"``."""
    card = find(metric.partition("@")[0])
    return Quantity.RATIO if card is None else card.quantity


def whole_if_counted(value: float, metric: str) -> float | int:
    """The value, and that of a count as a whole number if it is one."""
    return int(value) if quantity_of(metric) is Quantity.COUNT and value.is_integer() else value


def _cells(results: Results, metrics: Sequence[str]) -> Iterator[list[str]]:
    for record, scores in label_rows(results):
        if scores:
            yield _row(record, scores[0].label, scores, metrics)
        else:
            cells = [record.case, "", "", record.unit or "", record.status, reason(record)]
            yield [*map(defused, cells), *[""] * len(metrics)]


def _row(record: CaseRecord, label: int | str, scores: Sequence[Score], metrics: Iterable[str]) -> list[str]:
    values = {score.metric: _number(score) for score in scores}
    notes = dict.fromkeys(score.note for score in scores if score.note)
    facts = [record.case, str(label), scores[0].name or "", record.unit or "", record.status, "; ".join(notes)]
    return [*map(defused, facts), *(values.get(metric, "") for metric in metrics)]


def _text(value: str | float | None) -> str:
    if isinstance(value, str):
        return defused(value)
    return "" if value is None else repr(value)


def _number(score: Score) -> str:
    """The shortest text that reads back as the same float; a count without a fraction."""
    return "" if score.value is None else repr(whole_if_counted(float(score.value), score.metric))


def losses_csv(table: LossTable) -> str:
    """The losses of a map: a row for each over all classes, then one for each class that has a value.

    Columns: metric, label, name, share (of the label in the reference; that of all foreground over all classes), value,
    largest_gradient, gradient_on_foreground, note.
    """
    lines: list[list[str]] = [
        ["metric", "label", "name", "share", "value", "largest_gradient", "gradient_on_foreground", "note"]
    ]
    for row in table.rows:
        figures = (table.imbalance, row.value, row.largest, row.on_foreground)
        lines.append([row.metric, ALL, "", *map(_text, figures), ""])
        for label, value in row.by_label.items():
            facts = [row.metric, str(label), defused(table.names.get(label, "")), _text(table.shares.get(label))]
            lines.append([*facts, _text(value), "", "", defused(row.notes.get(label, ""))])
    return "".join(csv_lines(lines))


def confusion_csv(table: ContingencyTable, names: Mapping[int, str] | None = None) -> str:
    r"""The label-by-label confusion matrix: voxels by reference (rows) and prediction (columns).

    Of more than 2,000 labels the square would be mostly zeros; then there is a row for each pair of labels that occurs,
    with the columns reference, prediction, voxels.

    Parameters
    ----------
    table
        The counts of one case.
    names
        Label -> name; a label's heading is its number and name.

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
        return "".join(csv_lines([["reference", "prediction", "voxels"], *rows]))
    counts = {(reference, prediction): voxels for reference, prediction, voxels in table.rows()}
    matrix = [[heads[row], *(str(counts.get((row, column), 0)) for column in labels)] for row in labels]
    return "".join(csv_lines([["reference \\ prediction", *heads.values()], *matrix]))


def defused(text: str) -> str:
    """Text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Each row as a line with its end; control characters are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # so that a lone return is quoted too
    for row in rows:
        writer.writerow(row)
        yield _UNSAFE.sub(lambda found: shown(found[0]), text.getvalue().removesuffix("\r\n")) + "\n"
        text.seek(0)
        text.truncate()
