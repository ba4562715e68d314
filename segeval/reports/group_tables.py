"""The means of a run by the groups of its cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from segeval.reports.summary_view import (
    FEWER,
    IN_FILES,
    SummaryView,
    including,
    mark_note,
    notes_of,
    rows_by_label,
    share,
    usual_row,
    without,
)
from segeval.reports.table import NOTES, Head, Table
from segeval.results.rows import UNSCORED, CaseRecord

STATUS_WORDS = {"missing": "without prediction"}


def group_table(view: SummaryView, column: str) -> Table:
    """Return the table of means by the groups of one column: means over labels, or of each label if there are none."""
    members: dict[str, list[CaseRecord]] = {}
    for record in view.results.cases:
        members.setdefault(record.groups.get(column, ""), []).append(record)
    names = view.names(view.rows("cases"))
    over_labels = len(names) > 1 and bool(view.rows("macro"))
    rows = [row for each in members for row in _group_rows(view, column, each, members[each], over_labels=over_labels)]
    labels = [] if over_labels or len(names) < 2 else [Head(title="label", key=True)]
    heads = (
        Head(title=view.alphabet.text(column), key=True),
        *labels,
        Head(title="cases" if over_labels else "n", key=True, right=True),
        *view.heads([*view.tokens, *view.overall]),
        NOTES,
    )
    marked = (row[len(labels) + 2 : -1] for row in rows[: view.most])
    if over_labels:
        numbered = sum(isinstance(label, int) for label in names)
        notes = mark_note(marked, "label", f"not over all {numbered}")
    else:
        notes = mark_note(marked, "case", FEWER)
    if len(rows) > view.most:
        notes.append(f"{len(rows) - view.most} more of {len(rows)} rows are {IN_FILES}")
    return Table(heads=heads, rows=tuple(rows[: view.most]), notes=tuple(notes))


def _group_rows(
    view: SummaryView, column: str, group: str, members: Sequence[CaseRecord], *, over_labels: bool
) -> list[tuple[str, ...]]:
    """Return one row for the mean over labels, or one for each label."""
    means = rows_by_label(view.rows("macro" if over_labels else "cases", by=column, group=group))
    over_all = view.rows("cases", over_labels=True, by=column, group=group)
    names = view.names(view.rows("cases"))
    scored, total = sum(record.status == "scored" for record in members), len(members)
    often = Counter(record.status for record in members)
    lost = [f"{often[status]} {STATUS_WORDS.get(status, status)}" for status in UNSCORED if often[status]]
    overall = (
        view.means(over_all, usual_row(over_all), view.overall)
        if over_all
        else [view.alphabet.dash] * len(view.overall)
    )
    found = []
    for label in [None] if over_labels or not names else names:
        rows = means.get(label, [])
        row = usual_row(view.rows("macro") if over_labels else rows) if rows else None
        left_out = [without(row)] if row and not over_labels else []
        found.append(
            (
                view.alphabet.text(group) or "(none)",
                *([names[label]] if label is not None and len(names) > 1 else []),
                share(row.n if row and not over_labels else scored, total),
                *(view.means(rows, row, view.tokens) if row else [view.alphabet.dash] * len(view.tokens)),
                *overall,
                notes_of(", ".join(part for part in [*left_out, *lost] if part), including(rows or over_all)),
            )
        )
    return found
