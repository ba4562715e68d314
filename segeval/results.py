"""What a run found: every case with its status, every score, and the conventions behind them.

Results are plain records. Reports write them, the gate reads them, and a data frame of them is one call away. This
module is the home of pandas, which is loaded only for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segeval.cases import CaseRecord
from segeval.comparison import Key
from segeval.counts import ContingencyTable
from segeval.errors import UsageError
from segeval.metrics import parse
from segeval.scoring import Score

if TYPE_CHECKING:
    import pandas as pd


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
    """

    requirement: str
    value: float | None
    passed: bool


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
        Every case.
    scores
        Every number, by case, label and metric.
    gate
        The requirements, if any.
    tables
        Case -> its contingency table.
    names
        Label -> name, of every label that has one, scored or not.
    """

    version: str
    signature: str
    settings: Mapping[str, Any]
    metrics: tuple[str, ...]
    cases: tuple[CaseRecord, ...]
    scores: tuple[Score, ...]
    gate: tuple[Verdict, ...] = ()
    tables: Mapping[str, ContingencyTable] = field(default_factory=dict, compare=False)
    names: Mapping[int, str] = field(default_factory=dict, compare=False)

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
            No such score.
        """
        token = parse(metric).token
        for row in self.scores:
            if row.metric == token and label in (row.label, row.name, str(row.label)) and case in (None, row.case):
                return row.value
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
