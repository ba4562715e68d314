"""Register the metrics with their cards, and read the names by which users select them.

`@metric` above a function holds every fact about the number that it returns. Tables, files, help, the gate and the
tests read the card, so a new metric needs one function only. ``name@value`` selects a metric in the shell, in Python
and in column headings. A metric is a pure function from one piece of evidence to a float; NaN means undefined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Concatenate, Final, ParamSpec

from segeval.errors import UsageError, shown
from segeval.evidence.comparison import EVIDENCE, Evidence, Kind
from segeval.evidence.conventions import DEFAULT_METRICS

Rest = ParamSpec("Rest")


class Direction(StrEnum):
    """Direction in which a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Quantity(StrEnum):
    """Quantity that a metric measures; its unit comes from the grid."""

    RATIO = "ratio"
    LENGTH = "length"
    VOLUME = "volume"
    COUNT = "count"


HIGHER: Final = Direction.HIGHER
LOWER: Final = Direction.LOWER
NEITHER: Final = Direction.NEITHER
RATIO: Final = Quantity.RATIO
LENGTH: Final = Quantity.LENGTH
VOLUME: Final = Quantity.VOLUME
COUNT: Final = Quantity.COUNT

UNIT_RANGE = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """The number after the @ of a metric.

    Parameters
    ----------
    name
        Keyword of the metric's function.
    default
        Value if no number is given.
    low, high
        Smallest and largest valid value.
    whole
        Whether the value must be a whole number.
    """

    name: str
    default: float
    low: float = 0.0
    high: float = math.inf
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Card of a metric.

    Parameters
    ----------
    name, aliases
        Names by which users select it.
    title
        Name in tables and text.
    summary, description
        First line and rest of the function's docstring.
    formula
        Formula in the symbols of the definitions: TP, FP, FN, TN; P and R; dP and dR.
    function
        Function that computes the metric from `needs` and the parameter.
    needs
        Type of the evidence.
    better
        Whether a higher or a lower value is better.
    quantity
        Quantity that is measured.
    bounds
        Smallest and largest possible value.
    undefined
        Condition under which the metric is undefined.
    one_empty
        Value if exactly one of the two maps has the label; None if it follows from the formula.
    caution
        Note for a value where the label is missing from the reference, or None.
    dominant
        Function that finds the class with more than half of the weight of a score over all labels, and its share.
    symmetric
        Whether swapping prediction and reference leaves the value as it is.
    parameter
        The number after the @, if the metric takes one.
    source
        Publication that defines the metric.
    """

    name: str
    title: str
    summary: str
    description: str
    formula: str
    function: Callable[..., float]
    needs: type[Any]
    better: Direction
    quantity: Quantity
    bounds: tuple[float, float]
    undefined: str
    one_empty: str | None
    caution: str | None
    dominant: Callable[[Any], tuple[int, float] | None] | None
    symmetric: bool
    parameter: Parameter | None
    aliases: tuple[str, ...]
    source: str

    @property
    def kind(self) -> Kind:
        """Kind of evidence that the metric needs."""
        return EVIDENCE[self.needs]

    @property
    def is_soft(self) -> bool:
        """Whether the metric scores a probability map, not a label map."""
        return self.kind.of_probabilities

    @property
    def is_over_all(self) -> bool:
        """Whether the metric is one number for all labels together."""
        return self.kind.over_labels

    @property
    def is_pooled(self) -> bool:
        """Whether the metric can be computed from counts summed over cases; not for volumes, as voxel sizes differ."""
        return self.kind.additive and self.quantity is not Quantity.VOLUME


METRICS: dict[str, Metric] = {}
LISTS_ALL = " (segeval metrics lists all)"


def metric(
    *,
    needs: type[Evidence],
    title: str,
    formula: str,
    better: Direction,
    quantity: Quantity,
    source: str,
    undefined: str = "never",
    one_empty: str | None = None,
    caution: str | None = None,
    bounds: tuple[float, float] = (0.0, math.inf),
    dominant: Callable[[Evidence], tuple[int, float] | None] | None = None,
    symmetric: bool = False,
    parameter: Parameter | None = None,
    aliases: tuple[str, ...] = (),
) -> Callable[[Callable[Concatenate[Evidence, Rest], float]], Callable[Concatenate[Evidence, Rest], float]]:
    """Register the decorated function as a metric, and return the function unchanged.

    See `Metric` for the parameters.

    Raises
    ------
    TypeError
        No comparison provides this type of evidence.
    ValueError
        Another metric has one of the names.
    """

    def register(
        function: Callable[Concatenate[Evidence, Rest], float],
    ) -> Callable[Concatenate[Evidence, Rest], float]:
        summary, _, description = (function.__doc__ or "").partition("\n")
        card = Metric(
            name=function.__name__,
            title=title,
            summary=summary.strip(),
            description=" ".join(description.split()),
            formula=formula,
            function=function,
            needs=needs,
            better=better,
            quantity=quantity,
            bounds=bounds,
            undefined=undefined,
            one_empty=one_empty,
            caution=caution,
            dominant=dominant,
            symmetric=symmetric,
            parameter=parameter,
            aliases=aliases,
            source=source,
        )
        _add(card)
        return function

    return register


def _add(card: Metric) -> None:
    if card.needs not in EVIDENCE:
        raise TypeError(
            f"the metric {card.name} needs {card.needs.__name__}, which no comparison provides: "
            "add a row to EVIDENCE in segeval/evidence/comparison.py"
        )
    for name in (card.name, *card.aliases):
        if find(name) is not None:
            raise ValueError(f"two metrics are called {name}")
    METRICS[card.name] = card


def find(name: str) -> Metric | None:
    """Find a metric by its name or alias; None if there is none."""
    return METRICS.get(name) or next((card for card in METRICS.values() if name in card.aliases), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A metric that the user selected.

    Parameters
    ----------
    name
        Name of the metric, never an alias.
    value
        The number after the @; None if none was given.
    """

    name: str
    value: float | None = None

    @property
    def card(self) -> Metric:
        """Card of the metric."""
        return METRICS[self.name]

    @property
    def token(self) -> str:
        """Spelling in the shell, in Python and in headings: ``hd@95``."""
        return self.name if self.value is None else f"{self.name}@{self.value:.15g}"


def parse(token: str) -> Request:
    """Read ``name`` or ``name@number``.

    Raises
    ------
    UsageError
        Unknown name (similar names are suggested), no number after the @, or a number out of range.

    Examples
    --------
    >>> import segeval.metrics
    >>> parse("hd@95")
    Request(name='hd', value=95.0)
    >>> parse("hd@100").token
    'hd'
    """
    name, at, number = token.strip().partition("@")
    card = find(name)
    if card is None:
        raise UsageError(_unknown(name))
    if not at:
        return Request(name=card.name)
    if card.parameter is None:
        raise UsageError(f"{card.name} takes no number after the @, found {shown(token)}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and card.parameter.low <= value <= card.parameter.high):
        limits = f"from {card.parameter.low:g} to {card.parameter.high:g}"
        if card.parameter.high == math.inf:
            limits = f"of {card.parameter.low:g} or more"
        raise UsageError(f"{card.name}@ needs a {card.parameter.name} {limits}, found {shown(token)}")
    if card.parameter.whole and not value.is_integer():
        raise UsageError(f"{card.name}@ needs a whole number, found {shown(token)}")
    # nsd without a number takes its tolerance from the conventions, so nsd@1 is not the same
    is_default = value == card.parameter.default and card.parameter.name != "tolerance"
    return Request(name=card.name, value=None if is_default else value)


def parse_all(tokens: Iterable[str] = DEFAULT_METRICS, *, probabilities: bool = False) -> tuple[Request, ...]:
    """Read several metrics; keep their order and drop repeats.

    Parameters
    ----------
    tokens
        Metrics; each token may be a comma list or ``all``.
    probabilities
        Whether ``all`` includes the scores of probability maps.

    Raises
    ------
    UsageError
        Names all unknown metrics at once.
    """
    requests: dict[str, Request] = {}
    wrong: list[str] = []
    for token in (part for entry in tokens for part in entry.split(",") if part.strip()):
        if token.strip() == "all":
            chosen = [name for name, card in METRICS.items() if probabilities or not card.is_soft]
            requests |= {name: Request(name=name) for name in chosen if name not in requests}
            continue
        try:
            request = parse(token)
        except UsageError as error:
            wrong.append(str(error))
        else:
            requests.setdefault(request.token, request)
    if len(wrong) > 1:
        ending = LISTS_ALL if any(each.endswith(LISTS_ALL) for each in wrong) else ""
        raise UsageError("; ".join(each.removesuffix(LISTS_ALL) for each in wrong) + ending)
    if wrong:
        raise UsageError(wrong[0])
    if not requests:
        raise UsageError("no metric is selected", hint="name one, such as dice (segeval metrics lists all)")
    return tuple(requests.values())


def _unknown(name: str) -> str:
    known = [each for card in METRICS.values() for each in (card.name, *card.aliases)]
    joined = re.fullmatch(r"([a-z_]+?)[_ ]?(\d+(?:\.\d+)?)", name.lower())
    card = find(joined[1]) if joined else None
    if joined and card is not None and card.parameter is not None:
        return f"segeval has no metric {shown(name)!r}; did you mean {joined[1]}@{joined[2]}?"
    import difflib  # deferred: most names are right

    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    near = {getattr(find(each), "name", each): each for each in reversed(close)}.values()  # one name for each metric
    best_first = sorted(near, key=close.index)
    suggestion = f"; did you mean {' or '.join(best_first)}?" if near else ""
    return f"segeval has no metric {shown(name)!r}{suggestion}{LISTS_ALL}"
