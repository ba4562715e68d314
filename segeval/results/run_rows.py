"""Rows of a whole run: a score over cases, a verdict on a requirement, a part of a sharded run.

They are separate from the rows of a case, because scoring a single pair needs none of them and each takes time to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segeval.maps.labels import Key

Aggregate = Literal["cases", "macro", "pooled", "macro_pooled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One metric over all cases of a run, or over the cases of a group.

    Parameters
    ----------
    aggregate
        ``"cases"``: one label over cases. ``"macro"``: the mean over labels of their means. ``"pooled"``: one label,
        from voxel counts summed over cases. ``"macro_pooled"``: the mean over labels of the pooled scores.
    by, group
        Column that the cases are grouped by, and its value for these cases; None for all cases.
    label, name
        Label and its name; None in a mean over labels.
    metric, unit
        Metric as it was requested, and the unit of its values.
    n
        Number of values in the mean: cases, or labels in a mean over labels.
    n_undefined
        Number of undefined scores.
    n_missed, n_false_alarm
        How many of the n values have an empty prediction, and how many an empty reference.
    n_absent
        Number of scored cases without a row for the label.
    n_failed, n_missing, n_skipped
        Numbers of cases that were not scored.
    mean, sd
        Mean and standard deviation of the n values; for a pooled score, `mean` is that score. With fewer than two
        values there is no `sd`.
    mean_found
        Mean over the cases in which both maps have the label; in a mean over labels, the mean of these means. None if
        there is no such case, and for pooled scores.
    ci_low, ci_high
        95 % confidence interval of the mean, by bootstrap over cases.
    median, q1, q3, min, max
        Median, quartiles and extremes; quartiles are interpolated linearly.
    worst_case
        Case with the worst value, by the metric's direction.
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
        Requirement as it was given, with its label: ``"liver:dice.mean=0.9"``.
    value
        Value that was found; None if it is undefined.
    passed
        Whether the requirement was met.
    worst_case
        Case with the worst value, if several cases were scored.
    """

    requirement: str
    value: float | None
    passed: bool
    worst_case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One part of a sharded run.

    Parameters
    ----------
    part
        Number of the part and number of parts: ``"2/3"``.
    cases
        Number of cases of the whole run.
    digest
        Digest of the names and files of all cases of the run; the same for all of its parts.
    """

    part: str
    cases: int
    digest: str
