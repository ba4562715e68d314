"""The means of a run as a table: a row for each label, the mean over labels, and the mean where labels were found."""

from __future__ import annotations

from collections.abc import Sequence

from segeval.metrics import parse
from segeval.reports.notation import Heading
from segeval.reports.score_table import STARRED, ScoreRow, ScoreTable
from segeval.reports.summary_view import SummaryView, rows_by_label
from segeval.results.run_rows import Summary


def means_table(view: SummaryView) -> ScoreTable:
    """Return the mean of each metric for each label that occurs in a case, and the means over labels.

    A mean over fewer cases than the n of its row is marked with a star.
    """
    grouped = rows_by_label(view.rows("cases"))
    shown = {label: rows for label, rows in grouped.items() if label in view.occurring}
    rows = tuple(_row(view, rows) for rows in (shown or grouped).values())
    headings = (
        Heading(token=token, arrow=view.alphabet.arrow(parse(token).card.better), unit=view.units[token])
        for token in view.tokens
    )
    numbered = sum(isinstance(label, int) for label in shown)
    means = _means(view) if numbered > 1 else ()
    if len(shown) == 1:
        (alone,) = shown.values()
        means = _where_found(view, alone)
    return ScoreTable(headings=tuple(headings), rows=rows, means=means)


def _row(view: SummaryView, rows: Sequence[Summary]) -> ScoreRow:
    label, n = rows[0].label, max(row.n for row in rows)
    is_region = isinstance(label, str)
    of = {row.metric: row for row in rows}
    return ScoreRow(
        number="" if is_region else str(label),
        name=view.alphabet.text(label if is_region else rows[0].name or ""),
        n=str(n),
        cells=tuple(_cell(view, of[token], n) if token in of else "" for token in view.tokens),
        missed=max(row.n_missed for row in rows),
        false_alarms=max(row.n_false_alarm for row in rows),
    )


def _cell(view: SummaryView, row: Summary, n: int) -> str:
    return view.cell(row.mean, row.metric) + (STARRED if 0 < row.n < n else "")


def _means(view: SummaryView) -> tuple[ScoreRow, ...]:
    rows = {row.metric: row for row in view.rows("macro")}
    missed = max((row.n_missed for row in rows.values()), default=0)
    alarms = max((row.n_false_alarm for row in rows.values()), default=0)
    mean = tuple(view.cell(rows[token].mean, token) if token in rows else "" for token in view.tokens)
    over_all = ScoreRow(number="", name="mean", cells=mean, missed=missed, false_alarms=alarms)
    return (over_all, *_where_found(view, list(rows.values())))


def _where_found(view: SummaryView, rows: Sequence[Summary]) -> tuple[ScoreRow, ...]:
    """Return the row of the means over cases in which both maps have the label, if there are other cases."""
    if not any(row.n_missed or row.n_false_alarm for row in rows):
        return ()
    of = {row.metric: row for row in rows}
    cells = tuple(view.cell(of[token].mean_found, token) if token in of else "" for token in view.tokens)
    return (ScoreRow(number="", name="where found", cells=cells, style="dim"),)
