"""Results of a run: every case with its status, every score, and the conventions behind them.

Results are plain records, from which reports are written and requirements are checked. pandas is imported only for
`Results.frame`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from segeval.errors import UsageError
from segeval.evidence.counts import ContingencyTable
from segeval.maps.labels import Key
from segeval.metrics import parse
from segeval.results.columns import CaseCounts, Scores
from segeval.results.rows import CaseRecord
from segeval.results.run_rows import Shard, Summary, Verdict
from segeval.text import counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Results:
    """Results of a run.

    Parameters
    ----------
    version
        Version of segeval.
    signature
        Conventions that the scores depend on, in one line.
    settings
        Settings of the run, as data.
    metrics
        Metrics in order: ``("dice", "hd@95")``.
    cases
        Every case, scored or not.
    scores
        Every score, by case, label and metric.
    counts
        Voxel counts by case and label, from which pooled scores are computed.
    gate
        Verdicts on the requirements, if there are any.
    warnings
        Warnings about the whole run, such as predictions without a reference.
    shard
        Part of a sharded run, if this is one.
    footnote
        Short signature for a paper: the conventions that these metrics depend on.
    confusion
        Contingency table of all cases, if it was requested and labels do not overlap.
    names
        Names by label, of scored and other labels.
    seconds
        Seconds that each case took, for the cases that this run scored.
    """

    version: str
    signature: str
    settings: Mapping[str, Any]
    metrics: tuple[str, ...]
    cases: tuple[CaseRecord, ...]
    scores: Scores
    counts: CaseCounts = field(default_factory=CaseCounts)
    gate: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()
    shard: Shard | None = None
    footnote: str = ""
    confusion: ContingencyTable | None = field(default=None, compare=False)
    names: Mapping[int, str] = field(default_factory=dict, compare=False)
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    @cached_property
    def summary(self) -> tuple[Summary, ...]:
        """Scores summarised over cases, computed when first needed; see `segeval.results.summary`."""
        from segeval.results.summary import summary_of  # deferred: the table of a pair does not need it

        return summary_of(self)

    @property
    def scored_metrics(self) -> list[str]:
        """Metrics of the run, then other metrics that have scores."""
        return list(dict.fromkeys([*self.metrics, *self.scores.metrics.values]))

    def with_gate(self, verdicts: Iterable[Verdict]) -> Results:
        """Return the results with verdicts on requirements; a summary is kept if it was computed."""
        judged = replace(self, gate=tuple(verdicts))
        if "summary" in vars(self):
            vars(judged)["summary"] = self.summary
        return judged

    @property
    def exit_code(self) -> int:
        """Exit code of the command line, as far as the cases decide: 1 before 2 before 3; 0 if all were scored."""
        return min((record.exit_code for record in self.cases if record.exit_code), default=0)

    def value(self, metric: str, *, label: Key = "all", case: str | None = None) -> float | None:
        """Return one score.

        Parameters
        ----------
        metric
            Name of the metric or an alias: ``"dice"``, ``"hd@95"``.
        label
            Number or name of a label, name of a region, or ``"all"`` for a metric over all labels.
        case
            Name of the case; only needed if there are several.

        Returns
        -------
        float or None
            The score; None if it is undefined, ``inf`` with ``penalty="inf"`` if only one map has the label.

        Raises
        ------
        UsageError
            There is no such score, or there are several cases and `case` is not given.
        """
        if case is None and len(self.cases) > 1:
            raise UsageError(f"the results have {len(self.cases)} cases", hint="choose one with case=...")
        token = parse(metric).token
        for row in self.scores:
            if row.metric == token and label in (row.label, row.name, str(row.label)) and case in (None, row.case):
                return row.value
        if case is not None and all(record.case != case for record in self.cases):
            raise UsageError(f"there is no case {case!r}", hint=_near(case, [record.case for record in self.cases]))
        known = ", ".join(dict.fromkeys(str(row.label) for row in self.scores if row.metric == token))
        if known:
            raise UsageError(f"there is no {metric} for label {label!r}", hint=f"choose from {known}")
        raise UsageError(f"there are no scores of {metric}", hint=f"choose from {', '.join(self.metrics)}")

    def frame(self) -> pd.DataFrame:
        """Return a data frame with one row per case, label and metric; undefined values are NaN.

        Columns: case, label, name, metric, value, unit, note.
        """
        import pandas as pd  # deferred: importing it takes longer than scoring a pair

        columns = ["case", "label", "name", "metric", "value", "unit", "note"]
        rows = [[getattr(row, column) for column in columns] for row in self.scores]
        return pd.DataFrame(rows, columns=columns).astype({"value": "float64"})

    def __repr__(self) -> str:
        scored = sum(record.status == "scored" for record in self.cases)
        cases = f"{counted(len(self.cases), 'case')}, {'all' if scored == len(self.cases) else scored} scored"
        return f"<Results: {cases}; {', '.join(self.metrics)}>"


def _near(name: str, known: Sequence[str]) -> str | None:
    """Return a hint with the names that are most similar."""
    import difflib  # deferred: names are usually right

    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None
