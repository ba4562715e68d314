"""The rows that results are made of, and the notes on them: a score, its counts, a case, a summary, a requirement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from segeval.maps.labels import Key

Status = Literal["scored", "failed", "missing", "skipped"]
UNSCORED: tuple[Status, ...] = ("failed", "missing", "skipped")
LOST: tuple[Status, ...] = ("failed", "missing")  # those of them that make a run fail
Aggregate = Literal["cases", "macro", "pooled", "macro_pooled"]

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
