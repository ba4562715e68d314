"""Records of a case before and after scoring: `Case` and `Outcome`.

They are small and can be pickled, so that a case can be scored in any process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segeval.evidence.counts import ContingencyTable
from segeval.results.rows import CaseRecord, LabelCounts, Score

if TYPE_CHECKING:
    from segeval.scoring.inputs import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A reference and its prediction.

    Parameters
    ----------
    name
        Name of the case.
    prediction
        File or folder of the prediction; None if there is none.
    reference
        File or folder of the reference.
    problem
        Why the case cannot be scored, such as two predictions for one reference.
    near
        Unpaired predictions with similar names, if the prediction is missing.
    """

    name: str
    prediction: str | None
    reference: str
    problem: str | None = None
    near: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files or folders of the case that exist."""
        return tuple(path for path in (self.prediction, self.reference) if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of a case, scored or not.

    Parameters
    ----------
    record
        Row of the results, with the status and why the case was not scored.
    scores
        Scores; empty unless the case was scored.
    counts
        Voxel counts.
    table
        Contingency table; None if labels overlap, or if it was not requested.
    names
        Names of the labels, by number.
    inputs
        Files that were read, if a journal needs them.
    defect
        Traceback of a defect in segeval.
    is_out_of_memory
        Whether the case failed for lack of memory.
    unseen
        Files of the case that the machine `host` cannot read.
    host
        Name of the machine that tried the case, if it is not this one.
    is_taken_over
        Whether the case was scored by an earlier run.
    seconds
        Seconds that the case took, if this run tried it.
    """

    record: CaseRecord
    scores: tuple[Score, ...] = ()
    counts: tuple[LabelCounts, ...] = ()
    table: ContingencyTable | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    defect: str | None = None
    is_out_of_memory: bool = False
    unseen: tuple[str, ...] = ()
    host: str = ""
    is_taken_over: bool = False
    seconds: float | None = field(default=None, compare=False)
