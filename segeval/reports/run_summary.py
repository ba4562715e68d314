"""The closing summary of a run: which tables and lines it has, whoever lays it out.

Cases that were not scored are in no mean, and are listed. A statistic is called what requirements and the summary file
call it: ``ci_low`` is ``--require dice.ci_low=0.8``. What would fill screens is folded, and a line says how much is not
shown and where it is. How a row reads is in `summary_view`; `print_run_summary` lays it all out for a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from segeval.metrics import Quantity, parse
from segeval.reports.group_tables import group_table
from segeval.reports.layout import Line
from segeval.reports.notation import UNDEFINED, Alphabet
from segeval.reports.spread_tables import over_all_labels, pooled_tables, spread_tables, worst_tables
from segeval.reports.summary_view import (
    IN_FILES,
    LESS,
    SummaryView,
    expected,
    including,
    mark_note,
    rows_by_label,
    share,
    usual_row,
    without,
)
from segeval.reports.table import MARGIN, Head, Table, fitting, table_lines
from segeval.reports.terminal import Printer
from segeval.results.intervals import FEW_CASES
from segeval.results.results import Results
from segeval.results.rows import ALL, UNSCORED, CaseRecord, Status
from segeval.results.run_rows import Aggregate, Summary
from segeval.text import counted

DETAILED_ROWS = 12  # labels that have their spread shown
DETAILED_CELLS = 72  # labels times metrics
NO_VALUE_ROWS = 12  # labels without any value: a table of names may hold hundreds
SHOWN_WARNINGS = 20
STATUSES: tuple[Status, ...] = ("scored", *UNSCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The closing summary of a run.

    Parameters
    ----------
    headline
        How many cases, and what became of them.
    summary
        The mean of each metric by label; None where nothing was scored, or nothing by label.
    overall
        The metrics over all labels.
    groups
        The mean of each metric by group, for each column that cases are grouped by.
    spread
        For few labels, the spread and worst case of each metric; all have the same columns.
    tables
        What is pooled from counts; of many labels, the worst cases.
    notes
        What holds for all of them.
    failures
        Cases that were not scored, and why.
    warnings
        What a reader of the numbers should know.
    """

    headline: str
    summary: Table | None
    overall: Table | None
    groups: tuple[Table, ...]
    spread: tuple[Table, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    failures: Table | None
    warnings: tuple[str, ...]


def run_summary(results: Results, alphabet: Alphabet, *, failures: int = 20, folded: bool = True) -> RunSummary:
    """The closing summary of a run of any number of cases.

    Parameters
    ----------
    results
        With their summary.
    alphabet
        What it is written with.
    failures
        How many of the cases that were not scored are listed.
    folded
        Whether tables of many rows are cut, and quartiles and extremes stand elsewhere; a page has room for them.
    """
    view = SummaryView(results=results, alphabet=alphabet, folded=folded)
    labels = view.rows("cases")
    titles = list(dict.fromkeys(row.label for row in labels))
    several = view.scored > 1
    detailed = several and len(titles) <= DETAILED_ROWS and len(labels) <= DETAILED_CELLS
    return RunSummary(
        headline=_headline(results),
        summary=_summary(view) if labels else None,
        overall=over_all_labels(view),
        groups=tuple(group_table(view, column) for column in dict.fromkeys(c for r in results.cases for c in r.groups)),
        spread=spread_tables(view, labels) if detailed else (),
        tables=(
            *(pooled_tables(view) if detailed and len(titles) > 1 else ()),
            *(worst_tables(view, labels) if several and labels and not detailed else ()),
        ),
        notes=_notes(view),
        failures=_failures(results.cases, alphabet, most=failures),
        warnings=_warnings(view),
    )


def _headline(results: Results) -> str:
    often = Counter(record.status for record in results.cases)
    cases = ", ".join(f"{often[status]} {status}" for status in STATUSES if often[status])
    labels = {row.label for row in results.summary if row.aggregate == "cases" and row.label != ALL}
    regions = sum(isinstance(label, str) for label in labels)
    kinds = [counted(len(labels) - regions, "label")] if len(labels) > regions else []
    kinds += [counted(regions, "region")] if regions else []
    shard = f"part {results.shard.part}: " if results.shard else ""
    line = f"{shard}{counted(len(results.cases), 'case')}: {cases or 'none'}"
    return "; ".join([line, *([", ".join(kinds)] if kinds else [])])


def _summary(view: SummaryView) -> Table:
    """The mean of each metric: a row per label, then what is over labels."""
    grouped = rows_by_label(view.rows("cases"))
    empty = [label for label, rows in grouped.items() if not any(row.n for row in rows)]
    hidden = set(empty) if len(empty) > NO_VALUE_ROWS else set()
    visible = [label for label in grouped if label not in hidden]
    rows = [_label_row(view, grouped[label]) for label in visible[: view.most]]
    numbered = sum(isinstance(label, int) for label in grouped)
    aggregates: list[Aggregate] = ["macro", "macro_pooled"] if numbered > 1 else []
    if len(grouped) == 1:
        aggregates = ["pooled"]
    found = [aggregate for aggregate in aggregates if view.rows(aggregate)]
    over = [_aggregate_row(view, view.rows(aggregate), aggregate) for aggregate in found]
    named = any(row.name for label in visible for row in grouped[label]) or len(grouped) > numbered
    heads = [
        Head(title="label" if numbered else "", key=True, right=True),
        Head(title="name" if named else "", key=True),
        Head(title="n", key=True, right=True),
        *view.heads(view.tokens),
        *MARGIN,
    ]
    notes = [f"not shown: {counted(len(hidden), 'label')} without any value"] if hidden else []
    if len(visible) > view.most:
        more = len(visible) - view.most
        notes.append(f"not shown: {more} more of {len(visible)} labels, they are {IN_FILES}")
    notes += mark_note((row[3:-2] for row in rows), "case", LESS)
    notes += mark_note((row[3:-2] for row in over), "label", LESS)
    return Table(heads=tuple(heads), rows=(*rows, *over), notes=(*notes, *_summary_notes(view, found)))


def _label_row(view: SummaryView, rows: Sequence[Summary]) -> tuple[str, ...]:
    usual, label = usual_row(rows), rows[0].label
    is_region = isinstance(label, str)
    name = view.alphabet.text(label if is_region else rows[0].name or "")
    n = share(usual.n, expected(usual))
    means = view.means(rows, usual, view.tokens)
    return ("" if is_region else str(label), name, n, *means, without(usual), including(rows))


def _aggregate_row(view: SummaryView, rows: Sequence[Summary], aggregate: Aggregate) -> tuple[str, ...]:
    usual = usual_row(rows)
    means = view.means(rows, usual, view.tokens)
    if aggregate == "pooled":
        return ("", aggregate, share(usual.n, expected(usual)), *means, "", "")
    return ("", aggregate, share(usual.n, usual.n + usual.n_undefined), *means, "", including(rows))


def _summary_notes(view: SummaryView, aggregates: Sequence[Aggregate]) -> list[str]:
    rows = view.rows("cases")
    notes = []
    lost = {status: sum(record.status == status for record in view.results.cases) for status in UNSCORED}
    if any(lost.values()):
        which = ", ".join(f"{count} {status}" for status, count in lost.items() if count)
        notes.append(f"n: of {counted(len(view.results.cases), 'reference')}; in no mean are {which}")
    words = {
        "absent: in neither map": any(row.n_absent for row in rows),
        "missed: prediction empty": any(row.n_missed for row in rows),
        "false alarm: reference empty": any(row.n_false_alarm for row in rows),
    }
    if any(words.values()):
        notes.append("; ".join(line for line, applies in words.items() if applies))
    lengths = [row for row in rows if parse(row.metric).card.quantity is Quantity.LENGTH]
    if any(row.n_missed or row.n_false_alarm for row in lengths):
        penalty = view.results.settings.get("penalty", "diagonal")
        which = "the image's diagonal" if penalty == "diagonal" else view.alphabet.text(penalty)
        notes.append(f"where one is empty, a distance is the penalty: {which}")
    if any(row.n_undefined for row in (*rows, *view.rows("cases", over_labels=True))):
        mark = f"{view.alphabet.dash} " if any(row.mean is None for row in rows) else ""
        notes += [mark + note for note in _undefined(view)]
    meanings = {
        "macro": "mean over n labels of their means",
        "pooled": "from voxel counts summed over cases",
        "macro_pooled": "mean over n labels of scores from voxel counts summed over cases",
    }
    notes += [f"{aggregate}: {meanings[aggregate]}" for aggregate in aggregates]
    return notes


def _undefined(view: SummaryView) -> list[str]:
    """How many scores are undefined, and why."""
    scores = view.results.scores
    often = np.bincount(scores.note_codes[np.isnan(scores.values)], minlength=1)
    reasons: Counter[str] = Counter()
    for code in np.flatnonzero(often).tolist():
        reasons[(scores.notes.values[code] or "").removeprefix(UNDEFINED)] += int(often[code])
    if not reasons:
        return []
    why = "; ".join(
        view.alphabet.text(reason) + (f" ({n})" if len(reasons) > 1 else "")
        for reason, n in sorted(
            reasons.items(), key=lambda each: (-each[1], each[0])
        )  # whatever order they were met in
    )
    return [f"undefined: {counted(reasons.total(), 'score')}, {why}"]


def _notes(view: SummaryView) -> tuple[str, ...]:
    """What holds for the whole summary."""
    rows = [row for row in view.results.summary if row.by is None and row.ci_low is not None]
    if not view.scored:
        return ("no case was scored: there are no means",)
    if not view.results.summary:
        return ("no label to score in any case",)
    if not rows:
        return ()
    notes = ["ci_low, ci_high: 95 % interval of the mean, by bootstrap over cases"]
    if view.folded:
        notes.append(f"quartiles and extremes: {IN_FILES}")
    if any(row.mean is not None and row.ci_low is None for row in view.results.summary if row.by is None):
        notes.append(f"{view.alphabet.dash} no interval, no sd: of fewer than two values, or with an infinite one")
    if view.scored < FEW_CASES:
        notes.append(f"intervals from {view.scored} cases may be too narrow")
    elif any(row.aggregate == "cases" and row.n < FEW_CASES for row in rows):
        notes.append(f"intervals from fewer than {FEW_CASES} cases may be too narrow")
    return tuple(notes)


def unscored(cases: Iterable[CaseRecord]) -> list[CaseRecord]:
    """The cases that were not scored: those that failed first, since a few of them drown among many left out."""
    lost = [record for record in cases if record.status != "scored"]
    return sorted(lost, key=lambda record: UNSCORED.index(record.status))


def _failures(cases: Iterable[CaseRecord], alphabet: Alphabet, *, most: int) -> Table | None:
    """The cases that were not scored, and why."""
    lost = unscored(cases)
    if not lost:
        return None
    rows = [
        (alphabet.text(record.case), record.status, alphabet.text(record.message or "no reason given"))
        for record in lost[:most]
    ]
    more = Counter(record.status for record in lost[most:])
    which = ", ".join(f"{count} {status}" for status, count in more.items())
    notes = (f"... and {more.total()} more ({which}), in the results file",) if more else ()
    heads = (Head(title="not scored", key=True), Head(title="status"), Head(title="message", prose=True))
    return Table(heads=heads, rows=tuple(rows), notes=notes)


def _warnings(view: SummaryView) -> tuple[str, ...]:
    """What holds for the run, what was said of its cases with how many said it, and means that mislead."""
    text = view.alphabet.text
    lines = [text(line) for line in view.results.warnings]
    examples: dict[str, list[str]] = {}
    for record in view.results.cases:
        for warning in dict.fromkeys(record.warnings):
            examples.setdefault(warning, []).append(record.case)
        if record.status == "scored" and record.message:
            examples.setdefault(record.message, []).append(record.case)
    for warning, cases in examples.items():
        where = text(cases[0]) if len(cases) == 1 else f"{len(cases)} cases, such as {text(cases[0])}"
        lines.append(f"{text(warning)} ({where})")
    if len(lines) > SHOWN_WARNINGS:
        more = len(lines) - SHOWN_WARNINGS
        lines = [*lines[:SHOWN_WARNINGS], f"... and {more} more, in the results file"]
    rows = [row for row in view.results.summary if row.by is None]
    mixed = list(dict.fromkeys(row.metric for row in rows if " or " in view.units[row.metric]))
    if mixed:
        units = view.units[mixed[0]].replace(" or ", " and ")
        lines.append(f"{', '.join(mixed)}: the mean mixes {units}")
    infinite = int(np.count_nonzero(np.isinf(view.results.scores.values)))
    if infinite:
        lines.append(f"infinite scores: {infinite}; so is a mean over one, and a spreadsheet leaves them out")
    return tuple(lines)


def print_run_summary(results: Results, printer: Printer, *, signature: bool = True) -> None:
    """Print the closing summary of a batch: means with their n, spread, groups, and what was not scored.

    Parameters
    ----------
    results
        With their summary.
    printer
        Where to.
    signature
        Whether the last line is the signature.
    """
    found = run_summary(results, printer.alphabet)
    lines: list[Line] = [*printer.notes([found.headline], "bold"), []]
    tables = [found.summary, found.overall, *found.groups, *fitting(found.spread, printer.width), *found.tables]
    for table in tables:
        lines += table_lines(table, printer) if table is not None else []
    if found.notes:
        lines += [*printer.notes(found.notes), []]
    if found.failures is not None:
        lines += table_lines(found.failures, printer)
    if found.warnings:
        lines += [*printer.notes([f"warning: {warning}" for warning in found.warnings], "yellow"), []]
    lines += [[(printer.alphabet.text(results.signature), "dim")]] if signature else []
    printer.print(lines)
