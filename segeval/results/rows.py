"""The rows that the results of a case are made of, and the notes on them: a score, its counts, the case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from segeval.maps.labels import Key

Status = Literal["scored", "failed", "missing", "skipped"]
UNSCORED: tuple[Status, ...] = ("failed", "missing", "skipped")
LOST: tuple[Status, ...] = ("failed", "missing")  # those of them that make a run fail

ALL = "all"
PREDICTION_EMPTY = "prediction empty"
REFERENCE_EMPTY = "reference empty"
ABSENT = "absent in both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number: a tidy row.

    Parameters
    ----------
    case
        The case.
    label
        A label's number, a region's name, or ``"all"`` for a metric over all labels.
    name
        The label's name, if it has one.
    metric
        What was asked for: ``"hd@95"``.
    value
        The number; None where it is undefined.
    unit
        ``"mm"``, ``"px"``, ``"ml"``, ``"voxels"``, or None for a ratio.
    note
        Why there is no value, or which map lacked the label.
    """

    case: str
    label: Key
    name: str | None
    metric: str
    value: float | None
    unit: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """The voxels of one label in one case, from which scores pooled over cases are made.

    Parameters
    ----------
    case
        The case.
    label
        A label's number, or a region's name.
    tp, fp, fn, tn
        Voxels in both maps, only in the prediction, only in the reference, in neither.
    """

    case: str
    label: Key
    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One case and what became of it.

    Parameters
    ----------
    case
        Its name.
    status
        Whether it was scored.
    prediction, reference
        The files; None for a prediction that there is none of.
    shape, spacing
        Of the reference, in array order.
    unit
        ``"mm"`` or ``"px"``.
    voxels
        How many were compared: those of the image, less ignored ones.
    message
        Why it was not scored.
    exit_code
        What it asks a run to end with: 0, or 1 for a defect, 2 for an option, such as error maps of a scored case that
        cannot be written, and 3 for an input that is wrong.
    warnings
        What a reader of its scores should know.
    groups
        What it belongs to, by the columns that the summary is grouped by: ``{"site": "A"}``.
    """

    case: str
    status: Status
    prediction: str | None
    reference: str
    shape: tuple[int, ...] | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    voxels: int | None = None
    message: str | None = None
    exit_code: int = 0
    warnings: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The files or folders that there are."""
        return tuple(path for path in (self.prediction, self.reference) if path is not None)
