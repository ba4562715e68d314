"""The card of each metric, and the language in which metrics are asked for.

`@metric` above a function holds every fact about the number that it returns. Tables, files, help, the gate and the law
tests all read the card, so a metric is added by writing one function. ``name@value`` asks for it, in the shell, in
Python and in a column heading alike. A metric is a pure function from one piece of evidence to a float; NaN says that
the metric is undefined there.
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
    """Which way a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Quantity(StrEnum):
    """What a metric measures; the grid supplies the unit."""

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
    """The number behind the @ of a metric.

    Parameters
    ----------
    name
        The keyword of the metric's function.
    default
        What it is where none is given.
    low, high
        The least and the greatest that make sense.
    whole
        Whether it is a whole number.
    """

    name: str
    default: float
    low: float = 0.0
    high: float = math.inf
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Every fact about a metric.

    Parameters
    ----------
    name, aliases
        What it is asked for by.
    title
        What a reader calls it.
    summary, description
        First line and rest of the function's docstring.
    formula
        In the terms of the definitions: TP, FP, FN, TN; P and R; dP and dR.
    function
        Computes it from `needs` and the parameter.
    needs
        The type of evidence.
    better
        Which way is better.
    quantity
        What it measures.
    bounds
        Least and greatest value.
    undefined
        Where it has no value.
    one_empty
        What it is where exactly one of the two maps lacks the label, if its formula does not say.
    caution
        What a reader should know of its value where the reference lacks the label, if anything.
    dominant
        Finds the class that holds more than half of the weight in a score over all labels, and its share.
    symmetric
        Whether prediction and reference may change places.
    parameter
        The number behind the @, if it takes one.
    source
        Where the definition is from.
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
        """The evidence that it needs."""
        return EVIDENCE[self.needs]

    @property
    def is_soft(self) -> bool:
        """Whether it is a score of a probability map, and not of a label map."""
        return self.kind.of_probabilities

    @property
    def is_over_all(self) -> bool:
        """Whether it is one number for all labels together."""
        return self.kind.over_labels

    @property
    def is_pooled(self) -> bool:
        """Whether it can be taken of counts added up over cases: a volume cannot, voxels differ in size."""
        return self.kind.additive and self.quantity is not Quantity.VOLUME


METRICS: dict[str, Metric] = {}


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
    """Register the card of the metric that the decorated function computes, and return the function untouched.

    See `Metric` for the parameters.

    Raises
    ------
    TypeError
        No comparison provides the evidence that it needs.
    ValueError
        Another metric has one of its names.
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
            "it takes a row in EVIDENCE, in segeval/evidence/comparison.py"
        )
    for name in (card.name, *card.aliases):
        if find(name) is not None:
            raise ValueError(f"two metrics are called {name}")
    METRICS[card.name] = card


def find(name: str) -> Metric | None:
    """The metric of that name or alias."""
    return METRICS.get(name) or next((card for card in METRICS.values() if name in card.aliases), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A metric as it was asked for.

    Parameters
    ----------
    name
        The metric's own name, never an alias.
    value
        The number behind the @; None where none was given.
    """

    name: str
    value: float | None = None

    @property
    def card(self) -> Metric:
        """The metric asked for."""
        return METRICS[self.name]

    @property
    def token(self) -> str:
        """How it is written in the shell, in Python and in a heading: ``hd@95``."""
        return self.name if self.value is None else f"{self.name}@{self.value:.15g}"


def parse(token: str) -> Request:
    """Read ``name`` or ``name@number``.

    Raises
    ------
    UsageError
        No metric of that name (near ones are named), no number where there is an @, or one out of range.

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
        raise UsageError(f"{card.name} takes no number, found {shown(token)}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and card.parameter.low <= value <= card.parameter.high):
        limits = f"from {card.parameter.low:g} to {card.parameter.high:g}"
        if card.parameter.high == math.inf:
            limits = f"of {card.parameter.low:g} or more"
        raise UsageError(f"{card.name}@ takes a {card.parameter.name} {limits}, found {shown(token)}")
    if card.parameter.whole and not value.is_integer():
        raise UsageError(f"{card.name}@ takes a whole number, found {shown(token)}")
    # without a number a tolerance comes from the conventions, so nsd@1 says more than nsd
    is_default = value == card.parameter.default and card.parameter.name != "tolerance"
    return Request(name=card.name, value=None if is_default else value)


def parse_all(tokens: Iterable[str] = DEFAULT_METRICS, *, probabilities: bool = False) -> tuple[Request, ...]:
    """Read several, each of which may be a comma list or ``all``; without repeats, in the order asked for.

    Parameters
    ----------
    tokens
        What is asked for.
    probabilities
        Whether ``all`` holds the scores of probability maps too.

    Raises
    ------
    UsageError
        All unknown names at once.
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
    if wrong:
        raise UsageError("; ".join(wrong))
    if not requests:
        raise UsageError("no metric was asked for", hint="see `segeval metrics` for their names")
    return tuple(requests.values())


def _unknown(name: str) -> str:
    known = [each for card in METRICS.values() for each in (card.name, *card.aliases)]
    joined = re.fullmatch(r"([a-z_]+?)[_ ]?(\d+(?:\.\d+)?)", name.lower())
    card = find(joined[1]) if joined else None
    if joined and card is not None and card.parameter is not None:
        return f"no metric is called {shown(name)}, did you mean {joined[1]}@{joined[2]}?"
    import difflib  # deferred: names are right as a rule

    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    near = {getattr(find(each), "name", each): each for each in reversed(close)}.values()  # one name for each metric
    best_first = sorted(near, key=close.index)
    suggestion = f", did you mean {' or '.join(best_first)}?" if near else ", see `segeval metrics` for their names"
    return f"no metric is called {shown(name) or 'nothing'}{suggestion}"
