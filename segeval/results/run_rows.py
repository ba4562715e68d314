"""The rows of a run as a whole: a score over cases, a requirement, a part of a run in several.

They stand apart from the rows of a case, since scoring a pair needs none of them and each takes time to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segeval.maps.labels import Key

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
    mean_found
        The mean over the cases in which both maps have the label; in a mean over labels, the mean of those means. None
        where there is no such case, and for pooled scores.
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
    mean_found: float | None = None
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
