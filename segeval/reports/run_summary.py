"""A batch as people read it: which tables, cells and lines its closing summary has, whoever lays it out.

A mean stands beside its n: ``13/14`` is 13 of 14 references, and the row says what it is without and why; a mean that
is over another n than its row says so itself: ``(12) 0.6992``. Missed structures and false alarms are in the mean, and
counted. Cases that were not scored are in no mean, and are listed. A statistic is called what requirements and the
summary file call it: ``ci_low`` is ``--require dice.ci_low=0.8``. Numbers read as in the table of a case; the mean of
a count has one decimal. What would fill screens is folded, and a line says how much is not shown and where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segeval.metrics import Direction, Quantity, parse
from segeval.reports.case_table import UNDEFINED, Alphabet, decimals, number
from segeval.reports.sparklines import Sparklines
from segeval.results.results import Results
from segeval.results.rows import ALL, Aggregate, CaseRecord, Status, Summary
from segeval.results.summary import FEW_CASES

SHOWN_ROWS = 40
DETAILED_ROWS = 12  # labels that have their spread shown
DETAILED_CELLS = 72  # labels times metrics
NO_VALUE_ROWS = 12  # labels without any value: a table of names may hold hundreds
SHOWN_WARNINGS = 20
STATISTICS = ("ci_low", "ci_high", "sd", "median")  # quartiles would leave no room for the names of cases
UNSCORED: tuple[Status, ...] = ("failed", "missing", "skipped")
STATUSES: tuple[Status, ...] = ("scored", *UNSCORED)
LESS = "not n: undefined scores make the difference"
IN_FILES = "in the files that -o writes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column.

    Parameters
    ----------
    title, unit
        Its two lines.
    key
        Whether the column tells the rows apart and is repeated wherever the table is continued.
    right
        Whether its cells end flush.
    prose
        Whether its cells may be wrapped.
    optional
        Whether the column is left out where there is no room for it.
    """

    title: str
    unit: str = ""
    key: bool = False
    right: bool = False
    prose: bool = False
    optional: bool = False


MARGIN = (Head(title="without", prose=True), Head(title="with", prose=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under heads, and the lines that explain them.

    Parameters
    ----------
    heads
        One per column.
    rows
        A cell for each head.
    notes
        What stands below.
    """

    heads: tuple[Head, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def needed(self) -> Table:
        """The table without columns that are optional."""
        kept = [place for place, head in enumerate(self.heads) if not head.optional]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return replace(self, heads=tuple(self.heads[place] for place in kept), rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
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


def overview(results: Results, alphabet: Alphabet, *, failures: int = 20, folded: bool = True) -> Overview:
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
    desk = Desk(results=results, alphabet=alphabet, folded=folded)
    labels = desk.rows("cases")
    titles = list(dict.fromkeys(row.label for row in labels))
    several = desk.scored > 1
    detailed = several and len(titles) <= DETAILED_ROWS and len(labels) <= DETAILED_CELLS
    return Overview(
        headline=_headline(results),
        summary=_summary(desk) if labels else None,
        overall=_overall(desk),
        groups=tuple(_groups(desk, column) for column in dict.fromkeys(c for r in results.cases for c in r.groups)),
        spread=_spread(desk, labels) if detailed else (),
        tables=(
            *(_pooled(desk) if detailed and len(titles) > 1 else ()),
            *(_worst(desk, labels) if several and labels and not detailed else ()),
        ),
        notes=_notes(desk),
        failures=_failures(results.cases, alphabet, most=failures),
        warnings=_warnings(desk),
    )


def counted(count: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "case"), counted(2, "case")
    ('1 case', '2 cases')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every table is made from.

    Parameters
    ----------
    results
        With their summary.
    alphabet
        What the tables are written with.
    folded
        Whether tables of many rows are cut.
    """

    results: Results
    alphabet: Alphabet
    folded: bool = True
    scored: int = field(init=False)
    tokens: tuple[str, ...] = field(init=False)
    overall: tuple[str, ...] = field(init=False)
    places: Mapping[Quantity, int] = field(init=False)
    units: Mapping[str, str] = field(init=False)
    kinds: Mapping[tuple[Aggregate, str | None, str | None], list[Summary]] = field(init=False)

    def __post_init__(self) -> None:
        cases = [record for record in self.results.cases if record.status == "scored"]
        grids = {(record.spacing, record.unit) for record in cases} or {(None, None)}
        places = {each: max(decimals(each, spacing=step, unit=unit) for step, unit in grids) for each in Quantity}
        units: dict[str, set[str]] = {}
        kinds: dict[tuple[Aggregate, str | None, str | None], list[Summary]] = {}
        for row in self.results.summary:
            kinds.setdefault((row.aggregate, row.by, row.group), []).append(row)
            units.setdefault(row.metric, set()).update((row.unit or "").split(" or "))
        asked = dict.fromkeys((*self.results.metrics, *units))
        present, overall = (
            {row.metric for row in kinds.get(("cases", None, None), ()) if (row.label == ALL) is over_labels}
            for over_labels in (False, True)
        )
        found = {
            "scored": len(cases),
            "places": places,
            "units": {metric: " or ".join(sorted(each - {""})) for metric, each in units.items()},
            "kinds": kinds,
            "tokens": tuple(token for token in asked if token in present),
            "overall": tuple(token for token in asked if token in overall),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric once, those that labels have first."""
        return tuple(dict.fromkeys((*self.tokens, *self.overall)))

    @property
    def most(self) -> int:
        """How many rows a table shows."""
        return SHOWN_ROWS if self.folded else len(self.results.summary)

    def rows(
        self, aggregate: Aggregate, *, over_labels: bool = False, by: str | None = None, group: str | None = None
    ) -> list[Summary]:
        """Rows of one kind, of labels or of what is over all of them."""
        return [row for row in self.kinds.get((aggregate, by, group), ()) if (row.label == ALL) is over_labels]

    def cell(self, value: float | None, metric: str, *, exact: bool = False) -> str:
        """A statistic, or with `exact` a value of one case."""
        if value is None:
            return self.alphabet.dash
        quantity = parse(metric).card.quantity
        if quantity is Quantity.COUNT and not exact:
            return number(value, Quantity.VOLUME, decimals=1)
        return number(value, quantity, decimals=self.places[quantity])

    def title(self, metric: str) -> str:
        """The metric with its arrow."""
        return f"{metric} {self.alphabet.arrow(parse(metric).card.better)}".rstrip()

    def line(self, metric: str) -> str:
        """The metric with its arrow and unit, on one line."""
        return f"{self.title(metric)} {self.units[metric]}".rstrip()

    def heads(self, metrics: Iterable[str]) -> list[Head]:
        """The head of a column for each metric."""
        return [Head(title=self.title(token), unit=self.units[token], right=True) for token in metrics]

    def names(self, rows: Iterable[Summary]) -> dict[int | str | None, str]:
        """What each label is called where it has one column: its name, with the number where two share one."""
        names = {row.label: row.name or str(row.label) for row in rows}
        often = Counter(names.values())
        return {
            label: self.alphabet.text(name if often[name] == 1 else f"{name} ({label})")
            for label, name in names.items()
        }

    def means(self, rows: Sequence[Summary], usual: Summary, tokens: Iterable[str]) -> list[str]:
        """The mean of each metric, marked where its n is not the usual one."""
        of = {row.metric: row for row in rows}
        return [self._mean(of[token], usual) if token in of else "" for token in tokens]

    def _mean(self, row: Summary, usual: Summary) -> str:
        mark = f"({row.n}) " if row.n != usual.n and row.n else ""
        return mark + self.cell(row.mean, row.metric)


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


def _by_label(rows: Iterable[Summary]) -> dict[int | str | None, list[Summary]]:
    grouped: dict[int | str | None, list[Summary]] = {}
    for row in rows:
        grouped.setdefault(row.label, []).append(row)
    return grouped


def _usual(rows: Sequence[Summary]) -> Summary:
    """The row whose n most metrics have."""
    often = Counter(row.n for row in rows)
    return max(rows, key=lambda row: often[row.n])


def expected(row: Summary) -> int:
    """How many references a row is about, whatever became of them."""
    return row.n + row.n_undefined + row.n_absent + row.n_failed + row.n_missing + row.n_skipped


def share(part: int, total: int) -> str:
    """A part of a whole, as n is written: ``13/14``, or ``14`` for all of it."""
    return str(total) if part == total else f"{part}/{total}"


def without(row: Summary) -> str:
    """What the means of a row are without, besides the cases that were not scored."""
    lost = ((row.n_absent, "absent"), (row.n_undefined, "undefined"))
    return ", ".join(f"{count} {why}" for count, why in lost if count)


def including(rows: Sequence[Summary]) -> str:
    """What is in the means of a row all the same."""
    missed = max((row.n_missed for row in rows), default=0)
    alarms = max((row.n_false_alarm for row in rows), default=0)
    kept = [f"{missed} missed"] if missed else []
    return ", ".join([*kept, *([counted(alarms, "false alarm")] if alarms else [])])


def _exception(rows: Iterable[Sequence[str]], noun: str, why: str) -> list[str]:
    """What a mark before a mean says, by the first one."""
    marked = next((cell for row in rows for cell in row if cell.startswith("(")), None)
    if marked is None:
        return []
    return [f"{marked}: a mean over {counted(int(marked[1:].partition(')')[0]), noun)}, {why}"]


def _summary(desk: Desk) -> Table:
    """The mean of each metric: a row per label, then what is over labels."""
    grouped = _by_label(desk.rows("cases"))
    empty = [label for label, rows in grouped.items() if not any(row.n for row in rows)]
    hidden = set(empty) if len(empty) > NO_VALUE_ROWS else set()
    visible = [label for label in grouped if label not in hidden]
    rows = [_label_row(desk, grouped[label]) for label in visible[: desk.most]]
    numbered = sum(isinstance(label, int) for label in grouped)
    aggregates: list[Aggregate] = ["macro", "macro_pooled"] if numbered > 1 else []
    if len(grouped) == 1:
        aggregates = ["pooled"]
    found = [aggregate for aggregate in aggregates if desk.rows(aggregate)]
    over = [_aggregate_row(desk, desk.rows(aggregate), aggregate) for aggregate in found]
    named = any(row.name for label in visible for row in grouped[label]) or len(grouped) > numbered
    heads = [
        Head(title="label" if numbered else "", key=True, right=True),
        Head(title="name" if named else "", key=True),
        Head(title="n", key=True, right=True),
        *desk.heads(desk.tokens),
        *MARGIN,
    ]
    notes = [f"not shown: {counted(len(hidden), 'label')} without any value"] if hidden else []
    if len(visible) > desk.most:
        more = len(visible) - desk.most
        notes.append(f"not shown: {more} more of {len(visible)} labels, they are {IN_FILES}")
    notes += _exception((row[3:-2] for row in rows), "case", LESS)
    notes += _exception((row[3:-2] for row in over), "label", LESS)
    return Table(heads=tuple(heads), rows=(*rows, *over), notes=(*notes, *_summary_notes(desk, found)))


def _label_row(desk: Desk, rows: Sequence[Summary]) -> tuple[str, ...]:
    usual, label = _usual(rows), rows[0].label
    is_region = isinstance(label, str)
    name = desk.alphabet.text(label if is_region else rows[0].name or "")
    n = share(usual.n, expected(usual))
    means = desk.means(rows, usual, desk.tokens)
    return ("" if is_region else str(label), name, n, *means, without(usual), including(rows))


def _aggregate_row(desk: Desk, rows: Sequence[Summary], aggregate: Aggregate) -> tuple[str, ...]:
    usual = _usual(rows)
    means = desk.means(rows, usual, desk.tokens)
    if aggregate == "pooled":
        return ("", aggregate, share(usual.n, expected(usual)), *means, "", "")
    return ("", aggregate, share(usual.n, usual.n + usual.n_undefined), *means, "", including(rows))


def _summary_notes(desk: Desk, aggregates: Sequence[Aggregate]) -> list[str]:
    rows = desk.rows("cases")
    notes = []
    lost = {status: sum(record.status == status for record in desk.results.cases) for status in UNSCORED}
    if any(lost.values()):
        which = ", ".join(f"{count} {status}" for status, count in lost.items() if count)
        notes.append(f"n: of {counted(len(desk.results.cases), 'reference')}; in no mean are {which}")
    words = {
        "absent: in neither map": any(row.n_absent for row in rows),
        "missed: prediction empty": any(row.n_missed for row in rows),
        "false alarm: reference empty": any(row.n_false_alarm for row in rows),
    }
    if any(words.values()):
        notes.append("; ".join(line for line, applies in words.items() if applies))
    lengths = [row for row in rows if parse(row.metric).card.quantity is Quantity.LENGTH]
    if any(row.n_missed or row.n_false_alarm for row in lengths):
        penalty = desk.results.settings.get("penalty", "diagonal")
        which = "the image's diagonal" if penalty == "diagonal" else desk.alphabet.text(penalty)
        notes.append(f"where one is empty, a distance is the penalty: {which}")
    if any(row.n_undefined for row in (*rows, *desk.rows("cases", over_labels=True))):
        mark = f"{desk.alphabet.dash} " if any(row.mean is None for row in rows) else ""
        notes += [mark + note for note in _undefined(desk)]
    meanings = {
        "macro": "mean over n labels of their means",
        "pooled": "from voxel counts summed over cases",
        "macro_pooled": "mean over n labels of scores from voxel counts summed over cases",
    }
    notes += [f"{aggregate}: {meanings[aggregate]}" for aggregate in aggregates]
    return notes


def _undefined(desk: Desk) -> list[str]:
    """How many scores are undefined, and why."""
    scores = desk.results.scores
    often = np.bincount(scores.note_codes[np.isnan(scores.values)], minlength=1)
    reasons: Counter[str] = Counter()
    for code in np.flatnonzero(often).tolist():
        reasons[(scores.notes.values[code] or "").removeprefix(UNDEFINED)] += int(often[code])
    if not reasons:
        return []
    why = "; ".join(
        desk.alphabet.text(reason) + (f" ({n})" if len(reasons) > 1 else "")
        for reason, n in sorted(
            reasons.items(), key=lambda each: (-each[1], each[0])
        )  # whatever order they were met in
    )
    return [f"undefined: {counted(reasons.total(), 'score')}, {why}"]


def _overall(desk: Desk) -> Table | None:
    """The metrics that are over all labels, one row each."""
    rows = desk.rows("cases", over_labels=True)
    if not rows:
        return None
    statistics = ("mean", *STATISTICS) if desk.scored > 1 else ("mean",)
    heads = [Head(title=ALL, key=True), Head(title="n", key=True, right=True)]
    heads += [Head(title=statistic, right=True) for statistic in statistics]
    cells = [
        (
            f"{row.metric} {row.unit or ''}".rstrip(),
            share(row.n, expected(row)),
            *(desk.cell(getattr(row, statistic), row.metric) for statistic in statistics),
            _worst_of(desk, row) if desk.scored > 1 else "",
            without(row),
            including([row]),
        )
        for row in rows
    ]
    return Table(heads=(*heads, Head(title="worst", prose=True), *MARGIN), rows=tuple(cells))


def worst_value(row: Summary) -> float | None:
    """The value of the worst case, by the metric's direction."""
    if row.min is None or row.max is None:
        return None
    better = parse(row.metric).card.better
    if better is Direction.NEITHER:
        return max(row.min, row.max, key=abs)
    return row.min if better is Direction.HIGHER else row.max


def _worst_of(desk: Desk, row: Summary, *, width: int = 0) -> str:
    if row.worst_case is None:
        return desk.alphabet.dash
    return f"{desk.cell(worst_value(row), row.metric, exact=True):>{width}} {desk.alphabet.text(row.worst_case)}"


def _spread(desk: Desk, labels: Sequence[Summary]) -> tuple[Table, ...]:
    """A table per metric with a row per label; of a single label, one table with a row per metric."""
    names, sparks = desk.names(labels), Sparklines.of(desk.results, desk.alphabet)
    alone = len(names) == 1
    groups = [list(labels)] if alone else [[row for row in labels if row.metric == token] for token in desk.tokens]
    groups = [rows for rows in groups if any(row.n for row in rows)]
    tables = []
    for rows in groups:
        title = names[rows[0].label] if alone else desk.line(rows[0].metric)
        keys = [desk.line(row.metric) if alone else names[row.label] for row in rows]
        widest = max(len(desk.cell(worst_value(row), row.metric, exact=True)) for row in rows)
        cells = [
            (
                key,
                *(desk.cell(getattr(row, statistic), row.metric) for statistic in STATISTICS),
                _spark(row, sparks, alone=alone),
                _worst_of(desk, row, width=widest),
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


def _pooled(desk: Desk) -> list[Table]:
    """Each label's scores from its voxel counts summed over all cases."""
    rows = desk.rows("pooled")
    if not rows:
        return []
    names = desk.names(rows)
    tokens = [token for token in desk.tokens if any(row.metric == token for row in rows)]
    cells = [(names[label], *desk.means(each, _usual(each), tokens)) for label, each in _by_label(rows).items()]
    note = "pooled: from voxel counts summed over cases"
    return [Table(heads=(Head(title="pooled", key=True), *desk.heads(tokens)), rows=tuple(cells), notes=(note,))]


def _worst(desk: Desk, labels: Sequence[Summary]) -> list[Table]:
    """Where there are many labels, the worst mean and the worst case of all for each metric."""
    names = desk.names(labels)
    cells = []
    for token in desk.tokens:
        valued = [row for row in labels if row.metric == token and row.mean is not None]
        if valued:
            label = max(valued, key=lambda row: _badness(row, row.mean))
            case = max(valued, key=lambda row: _badness(row, worst_value(row)))
            cells.append(
                (
                    desk.line(token),
                    desk.cell(label.mean, token),
                    names[label.label],
                    desk.cell(worst_value(case), token, exact=True),
                    names[case.label],
                    desk.alphabet.text(case.worst_case),
                )
            )
    heads = (
        Head(title="worst of all", key=True),
        Head(title="mean", right=True),
        Head(title="of", prose=True),
        Head(title="case", right=True),
        Head(title="of", prose=True),
        Head(title="in", prose=True),
    )
    return [Table(heads=heads, rows=tuple(cells))] if cells else []


def _badness(row: Summary, value: float | None) -> float:
    value = value or 0.0
    better = parse(row.metric).card.better
    return -value if better is Direction.HIGHER else value if better is Direction.LOWER else abs(value)


def _groups(desk: Desk, column: str) -> Table:
    """The mean over labels of each metric by the groups of one column; of each label where there is no such mean."""
    members: dict[str, list[CaseRecord]] = {}
    for record in desk.results.cases:
        members.setdefault(record.groups.get(column, ""), []).append(record)
    names = desk.names(desk.rows("cases"))
    over_labels = len(names) > 1 and bool(desk.rows("macro"))
    rows = [row for each in members for row in _group_rows(desk, column, each, members[each], over_labels=over_labels)]
    labels = [] if over_labels or len(names) < 2 else [Head(title="label", key=True)]
    heads = (
        Head(title=desk.alphabet.text(column), key=True),
        *labels,
        Head(title="cases" if over_labels else "n", key=True, right=True),
        *desk.heads([*desk.tokens, *desk.overall]),
        *MARGIN,
    )
    marked = (row[len(labels) + 2 : -len(MARGIN)] for row in rows[: desk.most])
    if over_labels:
        numbered = sum(isinstance(label, int) for label in names)
        notes = _exception(marked, "label", f"not over all {numbered}")
    else:
        notes = _exception(marked, "case", LESS)
    if len(rows) > desk.most:
        notes.append(f"not shown: {len(rows) - desk.most} more of {len(rows)} rows, they are {IN_FILES}")
    return Table(heads=heads, rows=tuple(rows[: desk.most]), notes=tuple(notes))


def _group_rows(
    desk: Desk, column: str, group: str, members: Sequence[CaseRecord], *, over_labels: bool
) -> list[tuple[str, ...]]:
    """One row for the mean over labels, or one for each label."""
    means = _by_label(desk.rows("macro" if over_labels else "cases", by=column, group=group))
    over_all = desk.rows("cases", over_labels=True, by=column, group=group)
    names = desk.names(desk.rows("cases"))
    scored, total = sum(record.status == "scored" for record in members), len(members)
    often = Counter(record.status for record in members)
    lost = [f"{often[status]} {status}" for status in UNSCORED if often[status]]
    overall = (
        desk.means(over_all, _usual(over_all), desk.overall) if over_all else [desk.alphabet.dash] * len(desk.overall)
    )
    found = []
    for label in [None] if over_labels or not names else names:
        rows = means.get(label, [])
        usual = _usual(desk.rows("macro") if over_labels else rows) if rows else None
        left_out = [without(usual)] if usual and not over_labels else []
        found.append(
            (
                desk.alphabet.text(group) or "(none)",
                *([names[label]] if label is not None and len(names) > 1 else []),
                share(usual.n if usual and not over_labels else scored, total),
                *(desk.means(rows, usual, desk.tokens) if usual else [desk.alphabet.dash] * len(desk.tokens)),
                *overall,
                ", ".join(part for part in [*left_out, *lost] if part),
                including(rows or over_all),
            )
        )
    return found


def _notes(desk: Desk) -> tuple[str, ...]:
    """What holds for the whole overview."""
    rows = [row for row in desk.results.summary if row.by is None and row.ci_low is not None]
    if not desk.scored:
        return ("no case was scored: there are no means",)
    if not desk.results.summary:
        return ("no label to score in any case",)
    if not rows:
        return ()
    notes = ["ci_low, ci_high: 95 % interval of the mean, by bootstrap over cases"]
    if desk.folded:
        notes.append(f"quartiles and extremes: {IN_FILES}")
    if any(row.mean is not None and row.ci_low is None for row in desk.results.summary if row.by is None):
        notes.append(f"{desk.alphabet.dash} no interval, no sd: of fewer than two values, or with an infinite one")
    if desk.scored < FEW_CASES:
        notes.append(f"intervals from {desk.scored} cases may be too narrow")
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


def _warnings(desk: Desk) -> tuple[str, ...]:
    """What holds for the run, what was said of its cases with how many said it, and means that mislead."""
    text = desk.alphabet.text
    lines = [text(line) for line in desk.results.warnings]
    examples: dict[str, list[str]] = {}
    for record in desk.results.cases:
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
    rows = [row for row in desk.results.summary if row.by is None]
    mixed = list(dict.fromkeys(row.metric for row in rows if " or " in desk.units[row.metric]))
    if mixed:
        units = desk.units[mixed[0]].replace(" or ", " and ")
        lines.append(f"{', '.join(mixed)}: the mean mixes {units}")
    infinite = int(np.count_nonzero(np.isinf(desk.results.scores.values)))
    if infinite:
        lines.append(f"infinite scores: {infinite}; so is a mean over one, and a spreadsheet leaves them out")
    return tuple(lines)
