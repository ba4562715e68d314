"""Requirements that scores must meet: ``--require liver:dice=0.9``.

A requirement is at least or at most by the metric's own direction; equality passes, and what is undefined fails. A
metric without a direction is required in absolute value, at most, and so is a count of cases.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from segeval.errors import UsageError, shown
from segeval.maps.labels import plain_name
from segeval.metrics import Direction, Request, find, parse
from segeval.results.results import Results
from segeval.results.run_rows import Summary, Verdict

VALUES = ("mean", "median", "q1", "q3", "min", "max", "sd", "ci_low", "ci_high")
COUNTS = ("n", "n_undefined", "n_missed", "n_false_alarm", "n_absent", "n_failed", "n_missing", "n_skipped")
AGGREGATES = ("macro", "pooled", "macro_pooled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement, as it was asked for.

    Parameters
    ----------
    label
        A label's number or name, a region's name, ``"macro"`` for the mean over labels, ``"pooled"`` for each label
        from counts summed over cases, ``"macro_pooled"`` for the mean of those, or None for every label that has the
        metric, each by itself.
    metric
        What is required.
    statistic
        Of the values over cases: a field of `Summary`.
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
        if self.statistic in COUNTS or self.statistic == "sd":
            return self.statistic == "n"
        return self.metric.card.better is Direction.HIGHER

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
    if not equals or not math.isfinite(limit):
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
    card = request.card
    if label in ("pooled", "macro_pooled") and not card.is_pooled:
        raise UsageError(f"{label} is for metrics that are made of voxel counts, {request.name} is not")
    if label in AGGREGATES and card.is_over_all and not card.is_soft:
        raise UsageError(f"{label} is a mean over labels, {request.name} is over all of them already")
    return Requirement(label=label if colon else None, metric=request, statistic=statistic, limit=limit)


def judge(requirements: Iterable[Requirement], results: Results) -> tuple[Verdict, ...]:
    """Hold results against requirements, all of them.

    Parameters
    ----------
    requirements
        What is asked for.
    results
        With their summary. Groups are not held against requirements, only all cases together.

    Raises
    ------
    UsageError
        A requirement for a label that the results do not have.
    """
    return tuple(verdict for each in requirements for verdict in _verdicts(each, results))


def _verdicts(requirement: Requirement, results: Results) -> list[Verdict]:
    summary = [row for row in results.summary if row.by is None]
    several = len(results.cases) > 1
    aggregate = requirement.label if requirement.label in AGGREGATES else "cases"
    rows = [row for row in summary if row.metric == requirement.metric.token and row.aggregate == aggregate]
    if aggregate == "pooled" and any(isinstance(row.label, int) for row in rows):
        rows = [
            row for row in rows if isinstance(row.label, int)
        ]  # regions alone are held too, beside labels they are not
    titles = _titles(rows)
    meant = [row for row in rows if _meant(requirement, row)]
    if not meant and aggregate == "cases" and requirement.label is not None:
        if summary and not _is_known(requirement.label, results):
            raise _no_such_label(requirement, list(titles.values()))
        return [Verdict(requirement=requirement.about(requirement.label), value=None, passed=False)]
    if aggregate.startswith("macro") and not rows and any(row.metric == requirement.metric.token for row in summary):
        raise UsageError(
            f"{aggregate} is a mean over labels, and only regions are scored, required "
            f"{shown(requirement.about(aggregate))}"
        )
    found = {
        titles[row.label]: (getattr(row, requirement.statistic), row.worst_case if several else None) for row in meant
    }
    nothing = {aggregate if aggregate.startswith("macro") else "any label": (None, None)}
    return [
        Verdict(
            requirement=requirement.about(title), value=value, passed=requirement.met_by(value), worst_case=worst_case
        )
        for title, (value, worst_case) in (found or nothing).items()
    ]


def _is_known(label: str, results: Results) -> bool:
    """Whether the run was told of a label or region of that name or number, though no case has a value for it."""
    settings = results.settings
    texts = [*settings.get("only", ()), *settings.get("regions", {}), *settings.get("labels", {})]
    texts += [*settings.get("labels", {}).values(), *map(str, results.names), *results.names.values()]
    texts += [str(row.label) for row in results.summary] + [row.name for row in results.summary if row.name]
    return plain_name(label) in map(plain_name, texts)


def _titles(rows: Sequence[Summary]) -> Mapping[int | str | None, str]:
    """What each label is called in a verdict: its name, with the number where two labels share one."""
    names = {row.label: row.aggregate if row.label is None else row.name or str(row.label) for row in rows}
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


def _meant(requirement: Requirement, row: Summary) -> bool:
    if requirement.label is None or requirement.label in AGGREGATES:
        return True
    names = {str(row.label)} | ({plain_name(row.name)} if row.name else set())
    return requirement.label in names or plain_name(requirement.label) in names
