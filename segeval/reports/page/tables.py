"""Tables of a page: all scores by case and label, each metric over cases, and the summary.

Numbers, headings and footnotes are those of the terminal. A cell also has its value for sorting, and a link if it names
a case. With more than `MOST_CELLS` cells, the table of all scores has only the worst rows of each metric, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.maps.labels import Key
from segeval.metrics import parse
from segeval.reports.case_table import notes_in_words
from segeval.reports.csv_files import label_rows, reason
from segeval.reports.summary_view import SummaryView, expected, including, notes_of, share, without, worst_value
from segeval.reports.table import NOTES, Grid, Head, Table
from segeval.results.results import Results
from segeval.results.rows import ALL, CaseRecord, Score
from segeval.results.run_rows import Summary
from segeval.results.statistics import badness

MOST_ROWS = 10_000
MOST_CELLS = 80_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text
        Visible text.
    value
        Number to sort by, as JavaScript reads it; cells without one come last.
    anchor
        Target of the link; empty without a link.
    is_head
        Whether the cell is the head of its row.
    """

    text: str
    value: str = ""
    anchor: str = ""
    is_head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTable(Grid[Cell]):
    """A table with links in its cells."""

    @property
    def head_column(self) -> int:
        """The column with the heads of all rows; -1 if they are in several columns."""
        columns = {place for row in self.rows for place, cell in enumerate(row) if cell.is_head}
        return columns.pop() if len(columns) == 1 else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table of all scores.

    Parameters
    ----------
    anchor
        Anchor for links.
    label
        Index of the label in the filter; -1 for a case that was not scored.
    cells
        Case, label, metrics, note.
    """

    anchor: str
    label: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The table of all scores.

    Parameters
    ----------
    heads
        Case, label, metrics, note.
    lines
        Rows, in the order of the cases.
    labels
        Labels of the filter.
    total
        Number of rows in the results.
    anchors
        Anchors by case and label; the label None is the first row of the case.
    """

    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    labels: tuple[str, ...]
    total: int
    anchors: Mapping[tuple[str, Key | None], str]

    def of(self, case: str | None, label: Key | None = None) -> str:
        """Anchor of a row, the first one of the case without a label; empty if there is none."""
        return "" if case is None else self.anchors.get((case, label), "")


def registered(view: SummaryView) -> Register:
    """Make the table of all scores, with a row for each case and label; of too many rows, the worst ones."""
    results = view.results
    metrics = view.metrics
    places, names = _label_places(view), label_names(view)
    most = min(MOST_ROWS, MOST_CELLS // max(1, len(metrics)))
    groups = list(label_rows(results))
    chosen = range(len(groups)) if len(groups) <= most else _worst_rows(results, groups, most)
    order = {record.case: place for place, record in enumerate(results.cases)}
    lines: list[Line] = []
    anchors: dict[tuple[str, Key | None], str] = {}
    for place in chosen:
        record, scores = groups[place]
        anchor = f"r{place + 1}"
        label = scores[0].label if scores else None
        anchors[record.case, label] = anchor
        anchors.setdefault((record.case, None), anchor)
        case = Cell(view.alphabet.text(record.case), str(order[record.case]), is_head=True)
        if label is None:
            why = f"{record.status}: {reason(record)}".removesuffix(": ")
            cells = (case, Cell(""), *[Cell("")] * len(metrics), Cell(view.alphabet.text(why)))
        else:
            by_metric = {score.metric: score for score in scores}
            values = (_score_cell(view, by_metric.get(metric)) for metric in metrics)
            cells = (case, Cell(names[label], str(places[label])), *values, Cell(notes_in_words(scores, view.alphabet)))
        lines.append(Line(anchor=anchor, label=-1 if label is None else places[label], cells=cells))
    heads = [Head(title="case", key=True), Head(title="label", key=True), *view.heads(metrics), Head(title="note")]
    return Register(
        heads=tuple(heads),
        lines=tuple(lines),
        labels=tuple(names[label] for label in places),
        total=len(groups),
        anchors=anchors,
    )


def label_names(view: SummaryView) -> dict[Key | None, str]:
    """Names of labels and regions, and of metrics over all labels."""
    rows = [row for row in view.results.summary if row.aggregate == "cases" and row.by is None]
    return view.names(rows)


def _label_places(view: SummaryView) -> dict[Key, int]:
    """Index of each label, in the order of the summary."""
    labels = dict.fromkeys(row.label for row in view.results.summary if row.aggregate == "cases" and row.by is None)
    return {label: place for place, label in enumerate(label for label in labels if label is not None)}


def _worst_rows(results: Results, groups: Sequence[tuple[CaseRecord, list[Score]]], most: int) -> list[int]:
    """Rows that are among the worst by any metric; cases that were not scored come first."""
    rank = np.full(len(groups), len(groups), np.int64)
    for metric in results.scores.metrics.values:
        values = np.full(len(groups), np.nan)
        for place, (_, scores) in enumerate(groups):
            values[place] = next((s.value for s in scores if s.metric == metric and s.value is not None), np.nan)
        bad = badness(values, parse(metric).card)
        defined = np.flatnonzero(~np.isnan(bad))
        by_badness = defined[np.argsort(-bad[defined], kind="stable")]
        rank[by_badness] = np.minimum(rank[by_badness], np.arange(len(by_badness)))
    rank[[not scores for _, scores in groups]] = -1
    return sorted(np.argsort(rank, kind="stable")[:most].tolist())


def _score_cell(view: SummaryView, score: Score | None) -> Cell:
    if score is None:
        return Cell("")
    text = view.cell(score.value, score.metric, exact=True)
    return Cell(text) if score.value is None else Cell(text, _raw(score.value))


def _raw(value: float) -> str:
    """Format a number for JavaScript."""
    return repr(float(value)) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def over_cases(view: SummaryView, metric: str, register: Register) -> LinkedTable | None:
    """Make the table of one metric over cases: a row for each label with interval and spread, then the mean.

    Parameters
    ----------
    view
        The summary.
    metric
        The metric with its number.
    register
        Table of all scores, for links.
    """
    summary = [row for row in view.results.summary if row.by is None and row.metric == metric]
    rows = [row for row in summary if row.aggregate == "cases"]
    if not rows:
        return None
    pooled = {row.label: row.mean for row in summary if row.aggregate == "pooled"}
    names = label_names(view)
    lines = [
        (
            Cell(names[row.label], is_head=True),
            Cell(share(row.n, expected(row))),
            *_described(view, row),
            Cell(view.cell(pooled[row.label], metric) if row.label in pooled else ""),
            Cell(_worst_text(view, row), anchor=register.of(row.worst_case, row.label)),
            Cell(notes_of(without(row), including([row]))),
        )
        for row in rows
    ]
    over = {row.aggregate: row for row in summary if row.aggregate in ("macro", "macro_pooled")}
    if "macro" in over and sum(isinstance(row.label, int) for row in rows) > 1:
        row = over["macro"]
        both = over.get("macro_pooled")
        lines.append(
            (
                Cell("mean", is_head=True),
                Cell(share(row.n, row.n + row.n_undefined)),
                *_described(view, row),
                Cell(view.cell(both.mean, metric) if both else ""),
                Cell(""),
                Cell(notes_of("", including([row]))),
            )
        )
    statistics = ("mean", "95 % interval", "sd", "median", "q1 to q3", "min", "max", "pooled")
    heads = (
        Head(title="label", key=True),
        Head(title="n", right=True),
        *(Head(title=statistic, right=True) for statistic in statistics),
        Head(title="worst case"),
        NOTES,
    )
    return _without_empty_columns(LinkedTable(heads=heads, rows=tuple(lines)))


def _described(view: SummaryView, row: Summary) -> list[Cell]:
    def between(low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"{view.cell(low, row.metric)} to {view.cell(high, row.metric)}"

    def one(value: float | None) -> str:
        return "" if value is None and row.aggregate != "cases" else view.cell(value, row.metric)

    quartiles = between(row.q1, row.q3)
    texts = [one(row.mean), between(row.ci_low, row.ci_high), one(row.sd), one(row.median)]
    return [Cell(text) for text in (*texts, quartiles, one(row.min), one(row.max))]


def _worst_text(view: SummaryView, row: Summary) -> str:
    if row.worst_case is None:
        return view.alphabet.dash
    return f"{view.cell(worst_value(row), row.metric, exact=True)} {view.alphabet.text(row.worst_case)}"


def linked(table: Table, anchors: Iterable[str] = (), *, column: str = "") -> LinkedTable:
    """Add links to a table of the summary: row heads, or cells of `column`, link to `anchors`, one for each row."""
    targets = list(anchors) or [""] * len(table.rows)
    keys = [place for place, head in enumerate(table.heads) if head.key]
    named = [place for place in keys if not table.heads[place].right and all(row[place] for row in table.rows)]
    at = next((place for place, head in enumerate(table.heads) if column and head.title == column), None)
    rows = []
    for row, anchor in zip(table.rows, targets, strict=True):
        key = next((place for place in [*named, *keys] if row[place]), -1)
        cells = [
            Cell(text.strip(), anchor=anchor if place == (key if at is None else at) else "", is_head=place == key)
            for place, text in enumerate(row)
        ]
        rows.append(tuple(cells))
    return _without_empty_columns(LinkedTable(heads=table.heads, rows=tuple(rows), notes=table.notes))


def _without_empty_columns(table: LinkedTable) -> LinkedTable:
    return table.with_columns(
        [place for place in range(len(table.heads)) if any(row[place].text for row in table.rows)]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """One of the worst cases by a metric.

    Parameters
    ----------
    case, label
        The case and its worst label; all labels of a single case.
    value
        The score.
    note
        Note in words.
    """

    case: str
    label: Key
    value: float
    note: str


def worst_cases(view: SummaryView, metric: str, *, most: int) -> list[Worst]:
    """Find the worst cases by a metric, each with its worst label, the worst one first.

    Parameters
    ----------
    view
        The summary.
    metric
        The metric with its number.
    most
        Largest number of cases. Perfect cases are left out; a metric that measures no error has none.

    Returns
    -------
    list of Worst
        Equal cases are in the order of the results.
    """
    scores, card = view.results.scores, parse(metric).card
    code = scores.metrics.find(metric)
    perfect = _perfect(metric)
    if code is None or perfect is None:
        return []
    among = (scores.metric_codes == code) & ~np.isnan(scores.values)
    if metric in view.tokens and ALL in scores.labels.values:  # without rows over all labels
        among &= scores.label_codes != scores.labels.find(ALL)
    at: NDArray[np.intp] = np.flatnonzero(among)
    bad = badness(scores.values[at], card)
    alone = len(view.results.cases) == 1
    found: dict[Key, Worst] = {}
    for place in at[np.argsort(-bad, kind="stable")].tolist():
        score = scores[place]
        if len(found) == most or score.value is None or score.value == perfect:
            break
        worst = Worst(
            case=score.case, label=score.label, value=score.value, note=notes_in_words([score], view.alphabet)
        )
        found.setdefault(score.label if alone else score.case, worst)
    return list(found.values())


def _perfect(metric: str) -> float | None:
    """Best value of a metric; None for a metric that measures a size."""
    card = parse(metric).card
    low, high = card.bounds
    if card.better == "higher":
        return high if math.isfinite(high) else None
    if card.better == "lower":
        return low
    return 0.0 if low < 0 else None


def scores_of(view: SummaryView, case: str, label: Key) -> str:
    """All scores of a case and label, on one line."""
    rows = view.results.scores.of([case])
    texts = [
        f"{row.metric} {view.cell(row.value, row.metric, exact=True)} {row.unit or ''}".rstrip()
        for row in rows
        if row.label == label
    ]
    return ", ".join(texts)
