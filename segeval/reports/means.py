"""The means of a run as a table: a row for each label, the mean over labels, and the mean where labels were found."""

from __future__ import annotations

from collections.abc import Sequence

from segeval.metrics import parse
from segeval.reports.notation import Heading
from segeval.reports.score_table import STARRED, ScoreRow, ScoreTable
from segeval.reports.summary_view import SummaryView, rows_by_label, usual_row
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
    return ScoreTable(headings=tuple(headings), rows=rows, means=_means(view) if numbered > 1 else ())


def _row(view: SummaryView, rows: Sequence[Summary]) -> ScoreRow:
    usual, label = usual_row(rows), rows[0].label
    is_region = isinstance(label, str)
    of = {row.metric: row for row in rows}
    return ScoreRow(
        number="" if is_region else str(label),
        name=view.alphabet.text(label if is_region else rows[0].name or ""),
        n=str(usual.n),
        cells=tuple(_cell(view, of[token], usual.n) if token in of else "" for token in view.tokens),
        missed=max(row.n_missed for row in rows),
        false_alarms=max(row.n_false_alarm for row in rows),
    )


def _cell(view: SummaryView, row: Summary, n: int) -> str:
    return view.cell(row.mean, row.metric) + (STARRED if 0 < row.n < n else "")


def _means(view: SummaryView) -> tuple[ScoreRow, ...]:
    rows = {row.metric: row for row in view.rows("macro")}
    missed = max((row.n_missed for row in rows.values()), default=0)
    alarms = max((row.n_false_alarm for row in rows.values()), default=0)
    found = tuple(view.cell(rows[token].mean_found, token) if token in rows else "" for token in view.tokens)
    mean = tuple(view.cell(rows[token].mean, token) if token in rows else "" for token in view.tokens)
    over_all = ScoreRow(number="", name="mean", cells=mean, missed=missed, false_alarms=alarms)
    where_found = ScoreRow(number="", name="where found", cells=found, style="dim")
    return (over_all, where_found) if missed or alarms else (over_all,)
