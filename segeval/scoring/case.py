"""A case, and what came of it: the two records of its life.

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
    """A reference and its prediction: what is to be scored.

    Parameters
    ----------
    name
        What the case is called.
    prediction
        The file or folder; None where there is none.
    reference
        The file or folder.
    problem
        Why it cannot be scored whatever the files hold, such as two predictions for one reference.
    near
        Predictions of no case that one might take for the missing one.
    """

    name: str
    prediction: str | None
    reference: str
    problem: str | None = None
    near: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files or folders that there are."""
        return tuple(path for path in (self.prediction, self.reference) if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case, whether it was scored or not.

    Parameters
    ----------
    record
        The row of the results: the status, and why it was not scored.
    scores
        Its scores; none unless it was scored.
    counts
        Its voxel counts.
    table
        Its contingency table; None where labels overlap, or where it was not requested.
    names
        Label -> name.
    inputs
        The files that it was scored from, where a journal needs them.
    defect
        The traceback of a defect of segeval.
    is_out_of_memory
        Whether it failed for lack of memory.
    unseen
        Those of its files that another machine, which tried it, does not see.
    host
        That machine.
    is_taken_over
        Whether it was scored by an earlier run.
    seconds
        How long it took, where this run tried it.
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
