"""What a run found: every case with its status, every score, and the conventions behind them.

Results are plain records. Reports write them, the gate reads them, and a data frame of them is one call away. This
module is the home of pandas, which is loaded only for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
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
    seconds
        Case -> seconds that it took, of the cases that this run scored.
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
        """The scores over cases, made when they are first needed; see `segeval.results.summary`."""
        from segeval.results.summary import summary_of  # deferred: the table of a pair has no need of it

        return summary_of(self)

    @property
    def scored_metrics(self) -> list[str]:
        """The metrics that were asked for, then others that have scores."""
        return list(dict.fromkeys([*self.metrics, *self.scores.metrics.values]))

    def with_gate(self, verdicts: Iterable[Verdict]) -> Results:
        """The results with the verdicts of requirements, and the summary that is there already, if it is."""
        judged = replace(self, gate=tuple(verdicts))
        if "summary" in vars(self):
            vars(judged)["summary"] = self.summary
        return judged

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
