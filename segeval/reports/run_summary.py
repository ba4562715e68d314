"""The summary of a run: number of scored cases, means, missed labels, false alarms, and cases to look at.

Cases that were not scored are in no mean; each is named once, with its reason. Statistics have the same names as in
requirements and in the summary file: ``ci_low`` as in ``--require 'dice.ci_low>=0.8'``. `run_summary` makes the tables
and sentences for all formats; `print_run_summary` prints them in a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from segeval.reports.gate_table import gate_lines
from segeval.reports.group_tables import group_table
from segeval.reports.layout import Line
from segeval.reports.means import means_table
from segeval.reports.notation import Alphabet
from segeval.reports.remarks import Remark, not_scored, remarks_on
from segeval.reports.score_table import ScoreTable
from segeval.reports.signatures import signature_lines
from segeval.reports.spread_tables import over_all_labels, pooled_tables, spread_tables, worst_tables
from segeval.reports.summary_view import IN_FILES, SummaryView
from segeval.reports.table import Head, Table, fitting, table_lines
from segeval.reports.terminal import Printer
from segeval.results.intervals import FEW_CASES
from segeval.results.results import Results
from segeval.results.rows import UNSCORED, CaseRecord, weighted_class
from segeval.text import counted

DETAILED_ROWS = 12  # most labels whose spread is shown
DETAILED_CELLS = 72  # most labels times metrics whose spread is shown
FEW_ROWS = 30  # most labels that are all shown in a terminal
WORST_ROWS = 12  # labels that are shown in a terminal if there are more


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The summary of a run.

    Parameters
    ----------
    headline
        Numbers of cases, of scored cases, and of labels.
    means
        Mean of each metric by label; None if no label was scored.
    totals
        Metric, mean and a remark for each metric over all labels.
    overall
        Means and spread of the metrics over all labels, as a table.
    groups
        Mean of each metric by group, for each column that cases are grouped by.
    spread
        For few labels, the spread and worst case of each metric; all tables have the same columns.
    tables
        For few labels, the pooled scores; for many labels, the worst cases.
    remarks
        Remarks on missed labels, false alarms, and cases that look wrong.
    not_scored
        Cases that were not scored, each once.
    notes
        Explanations of the intervals.
    failures
        Cases that were not scored, with reasons, as a table.
    warnings
        Warnings about the whole run.
    """

    headline: str
    means: ScoreTable | None
    totals: tuple[tuple[str, str, str], ...]
    overall: Table | None
    groups: tuple[Table, ...]
    spread: tuple[Table, ...]
    tables: tuple[Table, ...]
    remarks: tuple[Remark, ...]
    not_scored: tuple[Remark, ...]
    notes: tuple[str, ...]
    failures: Table | None
    warnings: tuple[str, ...]

    @property
    def summary(self) -> Table | None:
        """The means as texts, for Markdown and pages."""
        return None if self.means is None else self.means.plain

    @property
    def sentences(self) -> tuple[str, ...]:
        """The remarks and notes, one line each."""
        return (*(remark.line for remark in self.remarks), *self.notes)


def run_summary(results: Results, alphabet: Alphabet, *, failures: int = 20, folded: bool = True) -> RunSummary:
    """Make the summary of a run of any number of cases.

    Parameters
    ----------
    results
        Results with their summary.
    alphabet
        Characters that the summary is written with.
    failures
        Largest number of cases that were not scored to list.
    folded
        Whether to cut tables of many rows, and to leave quartiles and extremes to the files; a page has room for them.
    """
    view = SummaryView(results=results, alphabet=alphabet, folded=folded)
    labels = view.rows("cases")
    titles = list(dict.fromkeys(row.label for row in labels))
    several = view.scored > 1
    detailed = several and len(titles) <= DETAILED_ROWS and len(labels) <= DETAILED_CELLS
    return RunSummary(
        headline=_headline(view),
        means=means_table(view) if labels else None,
        totals=_totals(view),
        overall=over_all_labels(view),
        groups=tuple(group_table(view, column) for column in dict.fromkeys(c for r in results.cases for c in r.groups)),
        spread=spread_tables(view, labels) if detailed else (),
        tables=(
            *(pooled_tables(view) if detailed else ()),
            *(worst_tables(view, labels) if several and labels and not detailed else ()),
        ),
        remarks=remarks_on(view),
        not_scored=not_scored(view),
        notes=_notes(view),
        failures=_failures(results.cases, alphabet, most=failures),
        warnings=_warnings(view),
    )


def _headline(view: SummaryView) -> str:
    results = view.results
    skipped = sum(record.status == "skipped" for record in results.cases)
    lost = len(results.cases) - view.scored - skipped
    labels = {*view.occurring, *(row.label for row in view.rows("cases") if row.label is not None)}
    regions = {label for label in labels if isinstance(label, str)}
    numbers = labels - regions
    found = len(numbers & view.occurring)
    kinds = [f"{found} of {counted(len(numbers), 'label')}" if found < len(numbers) else counted(found, "label")]
    kinds = [*(kinds if numbers else []), *([counted(len(regions), "region")] if regions else [])]
    shard = f"part {results.shard.part}: " if results.shard else ""
    cases = counted(len(results.cases), "case")
    counts = [
        f"{view.scored} scored",
        *([f"{lost} not scored"] if lost else []),
        *([f"{skipped} skipped"] if skipped else []),
    ]
    line = f"{shard}{cases}: {', '.join(counts)}" if lost or skipped else f"{shard}{cases}, all scored"
    return "; ".join([line, *([", ".join(kinds)] if kinds else [])])


def _totals(view: SummaryView) -> tuple[tuple[str, str, str], ...]:
    """Return each metric over all labels with its mean and the class that most often has most of the weight."""
    found = []
    for row in sorted(view.rows("cases", over_labels=True), key=lambda row: row.metric != "mean_dice"):
        remark = f"mean of {counted(row.n, 'case')}" if view.scored > 1 else ""
        heavy = _heavy_classes(view, row.metric)
        found.append(
            (
                row.metric,
                f"{view.cell(row.mean, row.metric)} {row.unit or ''}".rstrip(),
                "; ".join(part for part in (remark, heavy) if part),
            )
        )
    return tuple(found)


def _heavy_classes(view: SummaryView, metric: str) -> str:
    """Return which class has more than half of the weight of a score over all labels, and in how many cases."""
    scores = view.results.scores
    code = scores.metrics.find(metric)
    notes = scores.note_codes[scores.metric_codes == code] if code is not None else np.zeros(0, np.int16)
    often: Counter[str] = Counter()
    shares: list[int] = []
    for place, times in zip(*np.unique(notes, return_counts=True), strict=True):
        heavy = weighted_class(scores.notes.values[place])
        if heavy is not None:
            often[heavy[0]] += int(times)
            shares += [heavy[1]] * int(times)
    if not often:
        return ""
    (name, times), *others = often.most_common()
    if len(notes) == 1:
        return f"{view.alphabet.text(name)} has {shares[0]} % of the weight"
    more = f", another label in {sum(n for _, n in others)}" if others else ""
    where = "in all cases" if times == len(notes) else f"in {counted(times, 'case')}"
    return f"{view.alphabet.text(name)} has more than half of the weight {where}{more}"


def _notes(view: SummaryView) -> tuple[str, ...]:
    """Return explanations of the means and their intervals."""
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
        dash = view.alphabet.dash
        notes.append(f"{dash} for interval or sd: fewer than two values, or an infinite one")
    if view.scored < FEW_CASES:
        notes.append(f"intervals from {view.scored} cases may be too narrow")
    elif any(row.aggregate == "cases" and row.n < FEW_CASES for row in rows):
        notes.append(f"intervals from fewer than {FEW_CASES} cases may be too narrow")
    return tuple(notes)


def unscored(cases: Iterable[CaseRecord]) -> list[CaseRecord]:
    """Return the cases that were not scored; failed ones first, so that they are not lost among many skipped ones."""
    lost = [record for record in cases if record.status != "scored"]
    return sorted(lost, key=lambda record: UNSCORED.index(record.status))


def _failures(cases: Iterable[CaseRecord], alphabet: Alphabet, *, most: int) -> Table | None:
    """Return a table of the cases that were not scored, with reasons."""
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
    """Return warnings about the whole run; the command line prints them on stderr."""
    lines = [view.alphabet.text(line) for line in view.results.warnings]
    infinite = int(np.count_nonzero(np.isinf(view.results.scores.values)))
    if infinite:
        which = "which makes its mean" if infinite == 1 else "which make their means"
        lines.append(f"{counted(infinite, 'infinite score')}, {which} infinite")
    return tuple(lines)


def print_run_summary(
    results: Results, printer: Printer, *, signature: bool = True, verbose: bool = False, gate: bool = True
) -> None:
    """Print the summary of a batch.

    Parameters
    ----------
    results
        Results with their summary.
    printer
        Printer to print with.
    signature
        Whether to print the signature as the last lines.
    verbose
        Whether to print every label, spread, pooled scores, intervals and the whole signature.
    gate
        Whether to print the requirements.
    """
    found = run_summary(results, printer.alphabet)
    means, headline = found.means, found.headline
    shortened = means is not None and not verbose and not printer.whole_names and len(means.rows) > FEW_ROWS
    if means is not None and shortened:
        means = _worst(means, SummaryView(results=results, alphabet=printer.alphabet))
        headline = f"{headline}; the {WORST_ROWS} worst by {means.headings[0].token}"
    lines: list[Line] = [*printer.notes([headline], "bold"), []]
    lines += means.lines(printer) if means is not None else []
    lines += _all_remarks(found, printer, verbose=verbose)
    for table in found.groups:
        lines += table_lines(table, printer)
    if verbose:
        for each in [found.overall, *fitting(found.spread, printer.width), *found.tables]:
            lines += table_lines(each, printer) if each is not None else []
    if found.notes and (verbose or (means is None and not found.totals)):
        lines += [*printer.notes(found.notes), []]
    if gate and results.gate:
        lines += [*gate_lines(results, printer), []]
    if shortened:
        lines += printer.notes(["all labels: -v, -o FILE or a pipe"])
    lines += signature_lines(results, printer, whole=verbose) if signature else []
    printer.print(lines)


def _all_remarks(found: RunSummary, printer: Printer, *, verbose: bool) -> list[Line]:
    lines = printer.hanging(found.totals)
    titled = [*(remark for remark in found.remarks if remark.title), *found.not_scored]
    lines += printer.hanging(
        (remark.title, remark.where, (remark.details if verbose else "") or remark.text) for remark in titled
    )
    lines += [line for remark in found.remarks if not remark.title for line in printer.notes([remark.text], "")]
    return [*lines, []] if lines else []


def _worst(means: ScoreTable, view: SummaryView) -> ScoreTable:
    """Return the rows with the worst means of the first metric, and a line about the other rows."""
    order = view.by_badness(view.tokens[0])
    ranked = [row for label in order for row in means.rows if (row.number or row.name) == label]
    rest = [row.cells[0] for row in ranked[WORST_ROWS:]]
    more = f"{len(means.rows) - WORST_ROWS} more labels"
    if rest:
        more += f", {means.headings[0].token} from {rest[0]} to {rest[-1]}".replace("*", "")
    return replace(means, rows=tuple(ranked[:WORST_ROWS]), more=more)
