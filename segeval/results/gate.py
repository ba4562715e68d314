"""Requirements that scores must meet: ``--require 'liver:dice>=0.9'``.

With ``=``, a value must be at least the limit if higher is better, and at most the limit if lower is better. Equality
passes; an undefined value fails. The absolute value of a metric without a direction must be at most the limit, and so
must a count of cases.
"""

from __future__ import annotations

import difflib
import math
import re
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


OPERATORS = (">=", "<=", "=")
_OPERATOR = re.compile(r"(>=|<=|=)([^<>=]*)$")
EXAMPLE = "write, for instance, 'liver:dice>=0.9'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement.

    Parameters
    ----------
    label
        Number or name of a label, name of a region, ``"macro"`` for the mean over labels, ``"pooled"`` for each label
        from counts summed over cases, ``"macro_pooled"`` for the mean of the pooled scores, or None for each label
        that has the metric.
    metric
        The metric.
    statistic
        Statistic of the values over cases: a field of `Summary`.
    limit
        The smallest or the largest value that meets the requirement.
    operator
        ``">="``, ``"<="``, or ``"="``, which is one of them by the metric's direction.
    """

    label: str | None
    metric: Request
    statistic: str
    limit: float
    operator: str = "="

    @property
    def at_least(self) -> bool:
        """Whether the limit is a lower bound; otherwise it is an upper bound."""
        return self.operator == ">=" if self.operator != "=" else self._better_higher

    @property
    def absolute(self) -> bool:
        """Whether the absolute value counts: for an upper bound of a metric without a direction."""
        without = self.statistic not in COUNTS and self.metric.card.better is Direction.NEITHER
        return without and (self.operator == "=" or (self.operator == "<=" and self.limit >= 0))

    @property
    def what(self) -> str:
        """Metric and statistic: ``"dice.min"``."""
        return self.metric.token + ("" if self.statistic == "mean" else f".{self.statistic}")

    @property
    def remark(self) -> str:
        """A remark if the operator is against the metric's direction; otherwise empty."""
        if self.operator == "=" or self.at_least is self._better_higher:
            return ""
        if self.statistic not in COUNTS and self.metric.card.better is Direction.NEITHER:
            return ""
        least, better, other = ("at least", "lower", "<=") if self.at_least else ("at most", "higher", ">=")
        limit = f"{self.limit:.15g}"
        needed = f"{self.what}{self.operator}{limit} needs {self.what} of {least} {limit}"
        return f"{needed}, but {better} is better; did you mean {self.what}{other}{limit}?"

    @property
    def _better_higher(self) -> bool:
        if self.statistic in COUNTS or self.statistic == "sd":
            return self.statistic == "n"
        return self.metric.card.better is Direction.HIGHER

    def met_by(self, value: float | None) -> bool:
        """Return whether a value meets the requirement."""
        if value is None or math.isnan(value):
            return False
        if self.at_least:
            return value >= self.limit
        return (abs(value) if self.absolute else value) <= self.limit

    def about(self, label: str) -> str:
        """Return the requirement as text, with the label that it was applied to."""
        pooled = "pooled:" if self.label == "pooled" else ""
        return f"{pooled}{label}:{self.what}{self.operator}{self.limit:.15g}"


def parse_requirement(text: str) -> Requirement:
    """Read ``[LABEL:]METRIC[.STATISTIC]>=VALUE``, with ``>=``, ``<=`` or ``=``.

    Raises
    ------
    UsageError
        The metric or the statistic is unknown, or there is no number after the operator, or the metric cannot have it.

    Examples
    --------
    >>> parse_requirement("liver:hd@95.median<=5").statistic
    'median'
    >>> parse_requirement("nsd@0.5=0.9").metric.token
    'nsd@0.5'
    """
    left, operator, limit = _split(text)
    label, colon, what = left.rpartition(":")
    if label == "mean":
        raise UsageError(
            f"--require {shown(text)!r}: requirements call the mean over labels macro",
            hint=f"did you mean 'macro:{shown(text[len('mean:') :])}'?",
        )
    name, dot, statistic = what.rpartition(".")
    if dot and (statistic in VALUES or statistic in COUNTS):
        what = name
    elif dot and not statistic.replace("e", "").isdecimal() and find(name.partition("@")[0]) is not None:
        raise UsageError(f"unknown statistic {shown(statistic)!r}", hint=f"use {', '.join([*VALUES, *COUNTS])}")
    else:
        statistic = "mean"
    request = parse(what)
    card = request.card
    if label in ("pooled", "macro_pooled") and not card.is_pooled:
        raise UsageError(f"{label} needs a metric of voxel counts, and {request.name} is not one")
    if label in AGGREGATES and card.is_over_all and not card.is_soft:
        raise UsageError(
            f"{label} is a mean over labels, and {request.name} is one value over all labels",
            hint=f"leave out '{label}:'",
        )
    found = Requirement(
        label=label if colon else None, metric=request, statistic=statistic, limit=limit, operator=operator
    )
    _check_limit(found, text)
    return found


def _split(text: str) -> tuple[str, str, float]:
    """Return the text before the operator, the operator, and the limit."""
    found = _OPERATOR.search(text)
    left = "" if found is None else text[: found.start()]
    if any(sign in (text if found is None else left).rpartition(":")[2] for sign in "<>=!"):
        raise UsageError(f"--require takes >=, <= or =, found {shown(text)!r}", hint=EXAMPLE)
    try:
        limit = math.nan if found is None else float(found[2])
    except ValueError:
        limit = math.nan
    if found is None or not math.isfinite(limit):
        raise UsageError(
            f"--require takes [LABEL:]METRIC[.STATISTIC]>=VALUE, with >=, <= or =, found {shown(text)!r}", hint=EXAMPLE
        )
    return left, found[1], limit


def _check_limit(requirement: Requirement, text: str) -> None:
    """Raise an error if no value or every value meets the limit."""
    low, high = _bounds(requirement)
    limit = requirement.limit
    if low <= limit <= high:
        return
    never = limit > high if requirement.at_least else limit < low
    what = requirement.what
    between = f"between {low:g} and {high:g}" if math.isfinite(high) else f"{low:g} or more"
    near = limit / 100 if high == 1 and 2 <= limit <= 100 else None
    hint = None if near is None else f"did you mean {what}{requirement.operator}{near:.2f}?"
    outcome = "can never hold" if never else "always holds"
    raise UsageError(f"--require {shown(text)!r} {outcome}: {what} is {between}", hint=hint)


def _bounds(requirement: Requirement) -> tuple[float, float]:
    """Return the smallest and the largest value that a statistic of a metric can have."""
    low, high = requirement.metric.card.bounds
    if requirement.statistic in COUNTS or requirement.absolute:
        return 0.0, math.inf
    return (0.0, high - low) if requirement.statistic == "sd" else (low, high)


def judge(requirements: Iterable[Requirement], results: Results) -> tuple[Verdict, ...]:
    """Check results against requirements.

    Parameters
    ----------
    requirements
        The requirements.
    results
        Results with their summary. Requirements apply to all cases together, not to groups.

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
        rows = [row for row in rows if isinstance(row.label, int)]  # regions count only if there are no labels
    titles = _titles(rows)
    meant = [row for row in rows if _meant(requirement, row)]
    if not meant and aggregate == "cases" and requirement.label is not None:
        if summary and not _is_known(requirement.label, results):
            raise _no_such_label(requirement, list(titles.values()))
        return [Verdict(requirement=requirement.about(requirement.label), value=None, passed=False)]
    if aggregate.startswith("macro") and not rows and any(row.metric == requirement.metric.token for row in summary):
        raise UsageError(
            f"{aggregate} is a mean over labels, but only regions are scored; required "
            f"{shown(requirement.about(aggregate))}"
        )
    found = {
        titles[row.label]: (
            getattr(row, requirement.statistic),
            row.worst_case if several and requirement.statistic not in COUNTS else None,
        )
        for row in meant
    }
    nothing = {aggregate if aggregate.startswith("macro") else "any label": (None, None)}
    return [
        Verdict(
            requirement=requirement.about(title), value=value, passed=requirement.met_by(value), worst_case=worst_case
        )
        for title, (value, worst_case) in (found or nothing).items()
    ]


def _is_known(label: str, results: Results) -> bool:
    """Whether the run has a label or region of that name or number, even if no case has a value for it."""
    settings = results.settings
    texts = [*settings.get("only", ()), *settings.get("regions", {}), *settings.get("labels", {})]
    texts += [*settings.get("labels", {}).values(), *map(str, results.names), *results.names.values()]
    texts += [str(row.label) for row in results.summary] + [row.name for row in results.summary if row.name]
    return plain_name(label) in map(plain_name, texts)


def _titles(rows: Sequence[Summary]) -> Mapping[int | str | None, str]:
    """Return the title of each label in a verdict: its name, with the number if two labels have the same name."""
    names = {row.label: row.aggregate if row.label is None else row.name or str(row.label) for row in rows}
    often = Counter(names.values())
    return {label: name if often[name] == 1 else f"{name} ({label})" for label, name in names.items()}


def _no_such_label(requirement: Requirement, titles: list[str]) -> UsageError:
    label = requirement.label or ""
    hint = f"use {', '.join(map(shown, titles))}" if titles else None
    if titles == ["all"]:
        hint = "leave out the label: the metric is one value over all labels"
    elif near := difflib.get_close_matches(label, titles, n=1):
        hint = f"did you mean {shown(near[0])}?"
    wanted = shown(requirement.about(label))
    return UsageError(f"--require '{wanted}': no label or region is called {shown(label)!r}", hint=hint)


def _meant(requirement: Requirement, row: Summary) -> bool:
    if requirement.label is None or requirement.label in AGGREGATES:
        return True
    names = {str(row.label)} | ({plain_name(row.name)} if row.name else set())
    return requirement.label in names or plain_name(requirement.label) in names
