"""What a run found: every case with its status, every score, and the conventions behind them.

Results are plain records. Reports write them, the gate reads them, and a data frame of them is one call away. This
module is the home of pandas, which is loaded only for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from segeval.errors import InputError, UsageError, shown
from segeval.evidence.comparison import Key
from segeval.evidence.counts import ContingencyTable
from segeval.metrics import parse
from segeval.results.columns import CaseCounts, Scores
from segeval.scoring.cases import CaseRecord, Outcome
from segeval.scoring.plan import Plan
from segeval.version import __version__

if TYPE_CHECKING:
    import pandas as pd

Aggregate = Literal["cases", "macro", "pooled", "macro_pooled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One metric over all cases of a run, or over those of a group.

    Parameters
    ----------
    aggregate
        ``"cases"``: one label over cases. ``"macro"``: the mean over labels of their means. ``"pooled"``: one label,
        from voxel counts summed over cases. ``"macro_pooled"``: the mean over labels of those.
    by, group
        The column that the cases are grouped by, and its value for these; None for all cases.
    label, name
        The label; None in a mean over labels.
    metric, unit
        As it was asked for, and the unit of its values.
    n
        How many values the mean is over: cases, or labels in a mean over labels.
    n_undefined
        How many there are without a value.
    n_missed, n_false_alarm
        Of the n, those with an empty prediction and those with an empty reference.
    n_absent
        Scored cases without a row for the label.
    n_failed, n_missing, n_skipped
        Cases that were not scored.
    mean, sd
        Over the n values; for an aggregate that is one number, `mean` is that number. Of fewer than two there is no sd.
    ci_low, ci_high
        Of the mean, 95 %, by bootstrap over cases.
    median, q1, q3, min, max
        Quartiles are linear between neighbours.
    worst_case
        The case with the worst value, by the metric's direction.
    """

    aggregate: Aggregate
    by: str | None = None
    group: str | None = None
    label: Key | None
    name: str | None
    metric: str
    unit: str | None
    n: int
    n_undefined: int
    n_missed: int
    n_false_alarm: int
    n_absent: int
    n_failed: int
    n_missing: int
    n_skipped: int
    mean: float | None = None
    sd: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    min: float | None = None
    max: float | None = None
    worst_case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One requirement and whether it was met.

    Parameters
    ----------
    requirement
        As it was asked for, with its label: ``"liver:dice.mean=0.9"``.
    value
        What was found; None where that is undefined.
    passed
        Whether it was met.
    worst_case
        The case that has the worst value, where several were scored.
    """

    requirement: str
    value: float | None
    passed: bool
    worst_case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One part of a run in several.

    Parameters
    ----------
    part
        ``"2/3"``.
    cases
        How many the whole run has.
    digest
        Of the names and files of all of them: parts of one run have the same.
    """

    part: str
    cases: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All that a run found.

    Parameters
    ----------
    version
        Of segeval.
    signature
        The conventions that the numbers rest on, in one line.
    settings
        The same as data.
    metrics
        What was asked for, in order: ``("dice", "hd@95")``.
    cases
        Every case, scored or not.
    scores
        Every number, by case, label and metric.
    counts
        The voxel counts, by case and label, from which pooled scores are made.
    summary
        The scores over cases.
    gate
        The requirements, if any.
    warnings
        What a reader of the whole should know, such as predictions without a reference.
    shard
        Which part this is of a run in several, if it is one.
    footnote
        The signature in short, for a paper: what the metrics asked for rest on.
    confusion
        The contingency table of all cases together, where it was asked for and labels do not overlap.
    names
        Label -> name, of every label that has one, scored or not.
    """

    version: str
    signature: str
    settings: Mapping[str, Any]
    metrics: tuple[str, ...]
    cases: tuple[CaseRecord, ...]
    scores: Scores
    counts: CaseCounts = field(default_factory=CaseCounts)
    summary: tuple[Summary, ...] = ()
    gate: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()
    shard: Shard | None = None
    footnote: str = ""
    confusion: ContingencyTable | None = field(default=None, compare=False)
    names: Mapping[int, str] = field(default_factory=dict, compare=False)

    @property
    def exit_code(self) -> int:
        """What the command line ends with for the sake of the cases: 1 before 2 before 3; 0 where all went well."""
        return min((record.exit_code for record in self.cases if record.exit_code), default=0)

    def value(self, metric: str, *, label: Key = "all", case: str | None = None) -> float | None:
        """One number.

        Parameters
        ----------
        metric
            As it was asked for, or an alias: ``"dice"``, ``"hd@95"``.
        label
            A label's number or name, a region's name, or ``"all"`` for a metric over all labels.
        case
            The case; not needed where there is one.

        Returns
        -------
        float or None
            None where it is undefined; ``inf`` where a missing structure counts as infinitely far.

        Raises
        ------
        UsageError
            No such score, or several cases and none is named.
        """
        if case is None and len(self.cases) > 1:
            raise UsageError(f"there are {len(self.cases)} cases", hint="name one: case=...")
        token = parse(metric).token
        for row in self.scores:
            if row.metric == token and label in (row.label, row.name, str(row.label)) and case in (None, row.case):
                return row.value
        if case is not None and all(record.case != case for record in self.cases):
            raise UsageError(f"no case is called {case!r}")
        known = ", ".join(dict.fromkeys(str(row.label) for row in self.scores if row.metric == token))
        if known:
            raise UsageError(f"no score of {metric} for label {label!r}", hint=f"there are the labels {known}")
        raise UsageError(f"no score of {metric} for any label", hint=f"there are {', '.join(self.metrics)}")

    def frame(self) -> pd.DataFrame:
        """A data frame with one row per case, label and metric; undefined values are NaN.

        Columns: case, label, name, metric, value, unit, note.
        """
        import pandas as pd  # deferred: it takes longer to load than a pair to score

        columns = ["case", "label", "name", "metric", "value", "unit", "note"]
        rows = [[getattr(row, column) for column in columns] for row in self.scores]
        return pd.DataFrame(rows, columns=columns).astype({"value": "float64"})


def collect(
    outcomes: Iterable[Outcome],
    plan: Plan,
    *,
    order: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Results:
    """The results of cases that were scored under one plan, without summary and gate.

    Parameters
    ----------
    outcomes
        In any order; they are taken one by one, and only their numbers are kept.
    plan
        The plan.
    order
        The names of the cases in the order of the results; that of the outcomes if it is not given.
    settings
        What the run rests on besides the plan.
    """
    records: dict[str, CaseRecord] = {}
    scores, counts = Scores(), CaseCounts()
    ranks = None if order is None else {name: rank for rank, name in enumerate(order)}
    names: dict[int, tuple[int, str]] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    tables = layered = 0
    for outcome in outcomes:
        records[outcome.record.case] = outcome.record
        scores.extend(outcome.scores)
        counts.extend(outcome.counts)
        rank = len(records) if ranks is None else ranks[outcome.record.case]
        for label, name in outcome.names.items():
            names[label] = min(names.get(label, (rank, name)), (rank, name))
        if outcome.table is not None:
            tables += 1
            for reference, prediction, voxels in outcome.table.rows():
                pairs[reference, prediction] += voxels
        elif outcome.record.status == "scored":
            layered += 1
    ordered = list(records if ranks is None else ranks)
    cases = tuple(records[name] for name in ordered)
    return Results(
        version=__version__,
        signature=signature_of(plan, cases, settings or {}),
        footnote=plan.footnote(grids_of(cases)),
        settings=plan.settings() | dict(settings or {}),
        metrics=tuple(request.token for request in plan.metrics),
        cases=cases,
        scores=scores.of(ordered),
        counts=counts.of(ordered),
        confusion=ContingencyTable.from_pairs(pairs) if tables and not layered else None,
        names={label: name for label, (_, name) in sorted(names.items())},
    )


def plan_behind(results: Results, *, source: str) -> Plan:
    """The plan by which results were scored.

    Parameters
    ----------
    results
        As they were found, or read from a file.
    source
        The file, for a message.

    Raises
    ------
    InputError
        Their settings are no plan's.
    """
    try:
        return Plan.of_settings(results.settings)
    except UsageError as error:
        raise InputError(f"its settings are damaged: {shown(error)}", source=source) from None


def grids_of(cases: Iterable[CaseRecord]) -> set[tuple[int, str]]:
    """How many axes the images of the scored cases have, and the unit of their lengths."""
    return {(len(each.shape or ()), each.unit or "") for each in cases if each.status == "scored"}


def signature_of(plan: Plan, cases: Iterable[CaseRecord], settings: Mapping[str, Any]) -> str:
    """The signature of a plan, for the cases that were scored under it, and of what else the run rests on."""
    missing = settings.get("missing", "error")
    return plan.signature(grids_of(cases)) + ("" if missing == "error" else f" | missing prediction {missing}")
