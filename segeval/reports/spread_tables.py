"""Tables of the spread of a run's scores: over all labels, by label, pooled, and the worst of many labels."""

from __future__ import annotations

from collections.abc import Sequence

from segeval.metrics import Direction, parse
from segeval.reports.sparklines import Sparklines
from segeval.reports.summary_view import (
    SummaryView,
    expected,
    including,
    notes_of,
    rows_by_label,
    share,
    usual_row,
    without,
    worst_value,
)
from segeval.reports.table import NOTES, Head, Table
from segeval.results.rows import ALL
from segeval.results.run_rows import Summary

STATISTICS = ("ci_low", "ci_high", "sd", "median")  # quartiles would leave no room for the names of cases


def over_all_labels(view: SummaryView) -> Table | None:
    """Return the table of the metrics over all labels, with a row for each."""
    rows = view.rows("cases", over_labels=True)
    if not rows:
        return None
    statistics = ("mean", *STATISTICS) if view.scored > 1 else ("mean",)
    heads = [Head(title=ALL, key=True), Head(title="n", key=True, right=True)]
    heads += [Head(title=statistic, right=True) for statistic in statistics]
    cells = [
        (
            f"{row.metric} {row.unit or ''}".rstrip(),
            share(row.n, expected(row)),
            *(view.cell(getattr(row, statistic), row.metric) for statistic in statistics),
            _worst_of(view, row) if view.scored > 1 else "",
            notes_of(without(row), including([row])),
        )
        for row in rows
    ]
    return Table(heads=(*heads, Head(title="worst", prose=True), NOTES), rows=tuple(cells))


def _worst_of(view: SummaryView, row: Summary, *, width: int = 0) -> str:
    if row.worst_case is None:
        return view.alphabet.dash
    return f"{view.cell(worst_value(row), row.metric, exact=True):>{width}} {view.alphabet.text(row.worst_case)}"


def spread_tables(view: SummaryView, labels: Sequence[Summary]) -> tuple[Table, ...]:
    """Return a table for each metric with a row for each label; for one label, one table with a row for each metric."""
    names, sparks = view.names(labels), Sparklines.of(view.results, view.alphabet)
    alone = len(names) == 1
    groups = [list(labels)] if alone else [[row for row in labels if row.metric == token] for token in view.tokens]
    groups = [rows for rows in groups if any(row.n for row in rows)]
    tables = []
    for rows in groups:
        title = names[rows[0].label] if alone else view.line(rows[0].metric)
        keys = [view.line(row.metric) if alone else names[row.label] for row in rows]
        widest = max(len(view.cell(worst_value(row), row.metric, exact=True)) for row in rows)
        cells = [
            (
                key,
                *(view.cell(getattr(row, statistic), row.metric) for statistic in STATISTICS),
                _spark(row, sparks, alone=alone),
                _worst_of(view, row, width=widest),
            )
            for key, row in zip(keys, rows, strict=True)
        ]
        heads = [Head(title=title, key=True), *(Head(title=each, right=True) for each in STATISTICS)]
        heads.append(Head(title="cases" if alone else sparks.ranges[rows[0].metric], optional=True))
        tables.append(Table(heads=(*heads, Head(title="worst", prose=True)), rows=tuple(cells)))
    return tuple(tables)


def _spark(row: Summary, sparks: Sparklines, *, alone: bool) -> str:
    line = sparks.lines.get((row.label, row.metric), "") if row.label is not None else ""
    return f"{line} {sparks.ranges[row.metric]}" if line and alone else line


def pooled_tables(view: SummaryView) -> list[Table]:
    """Return the table of each label's scores from its voxel counts summed over all cases."""
    rows = view.rows("pooled")
    if not rows:
        return []
    names = view.names(rows)
    tokens = [token for token in view.tokens if any(row.metric == token for row in rows)]
    cells = [(names[label], *view.means(each, usual_row(each), tokens)) for label, each in rows_by_label(rows).items()]
    over_labels = view.rows("macro_pooled")
    if over_labels and len(rows_by_label(rows)) > 1:
        cells.append(("mean", *view.means(over_labels, usual_row(over_labels), tokens)))
    note = "pooled: from voxel counts summed over cases"
    return [Table(heads=(Head(title="pooled", key=True), *view.heads(tokens)), rows=tuple(cells), notes=(note,))]


def worst_tables(view: SummaryView, labels: Sequence[Summary]) -> list[Table]:
    """Return a table of the worst mean and the worst case of all labels for each metric."""
    names = view.names(labels)
    cells = []
    for token in view.tokens:
        valued = [row for row in labels if row.metric == token and row.mean is not None]
        if valued:
            label = max(valued, key=lambda row: _badness(row, row.mean))
            case = max(valued, key=lambda row: _badness(row, worst_value(row)))
            cells.append(
                (
                    view.line(token),
                    view.cell(label.mean, token),
                    names[label.label],
                    view.cell(worst_value(case), token, exact=True),
                    names[case.label],
                    view.alphabet.text(case.worst_case),
                )
            )
    heads = (
        Head(title="worst", key=True),
        Head(title="mean", right=True),
        Head(title="label", prose=True),
        Head(title="score", right=True),
        Head(title="label", prose=True),
        Head(title="case", prose=True),
    )
    return [Table(heads=heads, rows=tuple(cells))] if cells else []


def _badness(row: Summary, value: float | None) -> float:
    value = value or 0.0
    better = parse(row.metric).card.better
    return -value if better is Direction.HIGHER else value if better is Direction.LOWER else abs(value)
