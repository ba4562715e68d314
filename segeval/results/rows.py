"""Rows of results: a score, the counts of a label, a case; and the notes on scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from segeval.maps.labels import Key

Status = Literal["scored", "failed", "missing", "skipped"]
UNSCORED: tuple[Status, ...] = ("failed", "missing", "skipped")
LOST: tuple[Status, ...] = ("failed", "missing")  # a run with one of these fails

ALL = "all"
WEIGHT = " % of the weight"
PREDICTION_EMPTY = "prediction empty"
REFERENCE_EMPTY = "reference empty"
ABSENT = "absent in both"


def weight_note(label: str, share: float) -> str:
    """Return the note on a score over all labels in which one class has more than half of the weight.

    Examples
    --------
    >>> weight_note("gallbladder", 0.6798)
    'gallbladder has 68 % of the weight'
    """
    return f"{label} has {min(math.floor(100 * share + 0.5), 99 if share < 1 else 100)}{WEIGHT}"


def weighted_class(note: str | None) -> tuple[str, int] | None:
    """Return the class and the percentage of a note by `weight_note`; None for another note.

    Examples
    --------
    >>> weighted_class("gallbladder has 68 % of the weight"), weighted_class("prediction empty")
    (('gallbladder', 68), None)
    """
    if note is None or not note.endswith(WEIGHT):
        return None
    label, _, percent = note.removesuffix(WEIGHT).rpartition(" has ")
    return (label, int(percent)) if percent.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One score, as a tidy row.

    Parameters
    ----------
    case
        Name of the case.
    label
        Number of a label, name of a region, or ``"all"`` for a metric over all labels.
    name
        Name of the label, if it has one.
    metric
        Name of the metric: ``"hd@95"``.
    value
        The score; None if it is undefined.
    unit
        ``"mm"``, ``"px"``, ``"ml"``, ``"voxels"``, or None for a ratio.
    note
        Why there is no value, or which map does not have the label.
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
    """Voxel counts of one label in one case, from which pooled scores are computed.

    Parameters
    ----------
    case
        Name of the case.
    label
        Number of a label, or name of a region.
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
    """One case and its status.

    Parameters
    ----------
    case
        Name of the case.
    status
        Whether the case was scored.
    prediction, reference
        Paths of the files; None if there is no prediction.
    shape, spacing
        Grid of the reference, in array order.
    unit
        ``"mm"`` or ``"px"``.
    voxels
        Number of voxels that were compared, without ignored ones.
    message
        Why the case was not scored.
    exit_code
        Exit code for the run: 0; 1 for a defect; 2 for a usage error, such as error maps that cannot be written; 3 for
        a wrong input.
    warnings
        Warnings about the scores.
    groups
        Values of the columns by which the summary is grouped: ``{"site": "A"}``.
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
        """Files or folders of the case that exist."""
        return tuple(path for path in (self.prediction, self.reference) if path is not None)
