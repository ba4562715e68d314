"""Requirements that scores must meet: ``--require liver:dice=0.9``.

A requirement is at least or at most by the metric's own direction; equality passes, and what is undefined fails. A
metric without a direction is required in absolute value, at most, and so is a count of cases.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segeval.counts import Counts, LabelTotals
from segeval.errors import UsageError, shown
from segeval.matching import plain_name
from segeval.metrics import Direction, Request, find, parse
from segeval.results import Results, Verdict
from segeval.scoring import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, Score


def _quantile(share: float) -> Callable[[Sequence[float]], float]:
    return lambda values: float(np.quantile(values, share))


VALUES: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "median": _quantile(0.5),
    "q1": _quantile(0.25),
    "q3": _quantile(0.75),
    "min": min,
    "max": max,
}
COUNTS: dict[str, Callable[[Sequence[Score]], int]] = {
    "n": lambda rows: sum(row.value is not None for row in rows),
    "n_undefined": lambda rows: sum(row.value is None for row in rows),
    "n_missed": lambda rows: sum(row.note == PREDICTION_EMPTY for row in rows),
    "n_false_alarm": lambda rows: sum(row.note == REFERENCE_EMPTY for row in rows),
    "n_absent": lambda rows: sum(row.note == ABSENT for row in rows),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement, as it was asked for.

    Parameters
    ----------
    label
        A label's number or name, a region's name, ``"macro"`` for the mean over labels, ``"pooled"``, or None for every
        row that the metric has, each by itself.
    metric
        What is required.
    statistic
        Of the values over cases.
    limit
        What it must reach, or not exceed.
    """

    label: str | None
    metric: Request
    statistic: str
    limit: float

    @property
    def at_least(self) -> bool:
        """Whether the limit is a floor."""
        return self.statistic not in COUNTS and self.metric.card.better is Direction.HIGHER

    def met_by(self, value: float | None) -> bool:
        """Whether a value meets it."""
        if value is None or math.isnan(value):
            return False
        if self.at_least:
            return value >= self.limit
        absolute = self.statistic not in COUNTS and self.metric.card.better is Direction.NEITHER
        return (abs(value) if absolute else value) <= self.limit

    def about(self, label: str) -> str:
        """The requirement with the label that it was held against."""
        statistic = "" if self.statistic == "mean" else f".{self.statistic}"
        pooled = "pooled:" if self.label == "pooled" else ""
        return f"{pooled}{label}:{self.metric.token}{statistic}={self.limit:.15g}"


def parse_requirement(text: str) -> Requirement:
    """Read ``[LABEL:]METRIC[.STATISTIC]=VALUE``.

    Raises
    ------
    UsageError
        No such metric or statistic, or no number behind the equals sign.

    Examples
    --------
    >>> parse_requirement("liver:hd@95.median=5").statistic
    'median'
    >>> parse_requirement("nsd@0.5=0.9").metric.token
    'nsd@0.5'
    """
    if any(sign in text for sign in ("<", ">", "==")):
        raise UsageError(
            f"a requirement has a single = sign, found {shown(text)!r}",
            hint="write dice=0.9: whether at least or at most follows from the metric",
        )
    left, equals, number = text.rpartition("=")
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not equals or math.isnan(limit):
        raise UsageError(
            f"a requirement is [LABEL:]METRIC[.STATISTIC]=VALUE, found {shown(text)!r}",
            hint="for instance liver:dice=0.9",
        )
    label, colon, what = left.rpartition(":")
    name, dot, statistic = what.rpartition(".")
    if dot and (statistic in VALUES or statistic in COUNTS):
        what = name
    elif dot and not statistic.replace("e", "").isdecimal() and find(name.partition("@")[0]) is not None:
        raise UsageError(
            f"no statistic is called {shown(statistic)!r}", hint=f"there are {', '.join([*VALUES, *COUNTS])}"
        )
    else:
        statistic = "mean"
    request = parse(what)
    if label == "pooled" and request.card.needs is not Counts:
        raise UsageError(f"pooled is for metrics that are computed from counts, {request.name} is not")
    if label == "macro" and request.card.needs is LabelTotals:
        raise UsageError(f"macro is a mean over labels, {request.name} is over all of them already")
    return Requirement(label=label if colon else None, metric=request, statistic=statistic, limit=limit)


def judge(requirements: Iterable[Requirement], results: Results) -> tuple[Verdict, ...]:
    """Hold results against requirements, all of them.

    Raises
    ------
    UsageError
        A requirement for a label that the results do not have.
    """
    return tuple(verdict for requirement in requirements for verdict in _verdicts(requirement, results))


def _verdicts(requirement: Requirement, results: Results) -> list[Verdict]:
    groups: dict[int | str, list[Score]] = {}
    for row in results.scores:
        if row.metric == requirement.metric.token:
            groups.setdefault(row.label, []).append(row)
    if requirement.label == "macro":
        labels = [_value(requirement, rows) for label, rows in groups.items() if isinstance(label, int)]
        defined = [value for value in labels if value is not None]
        found = {"macro": math.fsum(defined) / len(defined) if defined else None}
    else:
        titles = _titles(groups)
        meant = {label: rows for label, rows in groups.items() if _meant(requirement, rows)}
        found = {titles[label]: _value(requirement, rows) for label, rows in meant.items()}
        if not found and requirement.label not in (None, "pooled"):
            raise _no_such_label(requirement, list(titles.values()))
    return [
        Verdict(requirement=requirement.about(title), value=value, passed=requirement.met_by(value))
        for title, value in (found or {"any label": None}).items()
    ]


def _titles(groups: Mapping[int | str, Sequence[Score]]) -> dict[int | str, str]:
    """What each label is called in a verdict: its name, with the number where two labels share one."""
    names = {label: rows[0].name or str(label) for label, rows in groups.items()}
    often = Counter(names.values())
    return {label: name if often[name] == 1 else f"{name} ({label})" for label, name in names.items()}


def _no_such_label(requirement: Requirement, titles: list[str]) -> UsageError:
    label = requirement.label or ""
    hint = f"there are {', '.join(map(shown, titles)) or 'none'}"
    if titles == ["all"]:
        hint = "the metric is over all labels: leave the label out"
    return UsageError(
        f"no label or region is called {shown(label)!r}, required {shown(requirement.about(label))}", hint=hint
    )


def _meant(requirement: Requirement, rows: Sequence[Score]) -> bool:
    if requirement.label is None:
        return True
    if requirement.label == "pooled":
        return isinstance(rows[0].label, int)
    names = {str(rows[0].label)} | ({plain_name(rows[0].name)} if rows[0].name else set())
    return requirement.label in names or plain_name(requirement.label) in names


def _value(requirement: Requirement, rows: Sequence[Score]) -> float | None:
    if requirement.statistic in COUNTS:
        return float(COUNTS[requirement.statistic](rows))
    values = [row.value for row in rows if row.value is not None]
    return VALUES[requirement.statistic](values) if values else None
