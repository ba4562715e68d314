"""What each metric is: a table of all of them, and all that is known of one."""

from __future__ import annotations

from collections.abc import Iterable

from segeval.metrics import Direction, Metric, Quantity
from segeval.reports.layout import GAP, Column, Layout, Line
from segeval.reports.notation import UNITS
from segeval.reports.terminal import Printer, chopped, text_width, wrapped

PRINTED_UNITS = {Quantity.RATIO: "none, a ratio", Quantity.LENGTH: "mm, or px without physical spacing"}
PROSE_WIDTH = 100  # of paragraphs where the stream has no width
INDENT = "    "


def asked(card: Metric) -> str:
    """How a metric is asked for: ``hd[@PERCENTILE]``."""
    return card.name if card.parameter is None else f"{card.name}[@{card.parameter.name.upper()}]"


def better(card: Metric) -> str:
    """Which way a metric is better, empty where neither is."""
    return "" if card.better is Direction.NEITHER else str(card.better)


def print_metrics_table(cards: Iterable[Metric], printer: Printer) -> None:
    """Print the metrics: name, aliases, title, unit, direction and formula.

    Parameters
    ----------
    cards
        In the order of the rows.
    printer
        Where to. Where the table is too wide, a metric takes a few lines instead of one.
    """
    text = printer.alphabet.text
    cards = list(cards)
    columns = [
        Column(head=("metric",), cells=[asked(card) for card in cards]),
        Column(head=("alias",), cells=[", ".join(card.aliases) for card in cards]),
        Column(head=("title",), cells=[text(card.title) for card in cards]),
        Column(head=("unit",), cells=[UNITS.get(card.quantity, "") for card in cards]),
        Column(head=("better",), cells=[better(card) for card in cards]),
        Column(head=("formula",), cells=[text(card.formula) for card in cards], style="dim"),
    ]
    wide = Layout(width=None, measure=text_width, chop=chopped)
    width = sum(wide.width_of(column) + GAP for column in columns) - GAP
    if printer.whole_names or width <= printer.width:  # a pipe gets one line for each metric
        lines = wide.blocks([], columns)[0]
    else:
        lines = [line for card in cards for line in _brief(card, printer)]
    printer.print(lines)


def _brief(card: Metric, printer: Printer) -> list[Line]:
    text = printer.alphabet.text
    also = [f"({', '.join(card.aliases)})"] if card.aliases else []
    way = [f"{better(card)} is better"] if better(card) else []
    unit = [UNITS[card.quantity]] if card.quantity in UNITS else []
    about = ", ".join([text(card.title), *unit, *way])
    return [
        [(" ".join([asked(card), *also]), "bold")],
        *([(INDENT + line, "")] for line in printer.wrapped(about, margin=len(INDENT))),
        *([(INDENT + line, "dim")] for line in printer.wrapped(text(card.formula), margin=len(INDENT))),
    ]


def print_card(card: Metric, printer: Printer) -> None:
    """Print all that is known of one metric.

    Parameters
    ----------
    card
        The metric.
    printer
        Where to.
    """
    text = printer.alphabet.text
    low, high = card.bounds
    facts = [
        ("formula", card.formula),
        ("aliases", ", ".join(card.aliases)),
        ("better", better(card) or "neither way"),
        ("unit", PRINTED_UNITS.get(card.quantity, UNITS.get(card.quantity, ""))),
        ("bounds", f"{low:g} to {high:g}"),
        ("parameter", _parameter(card)),
        ("undefined", "never" if card.undefined == "never" else f"where {card.undefined}"),
        ("one empty", card.one_empty or "as the formula says"),
        ("symmetric", "yes" if card.symmetric else "no: prediction and reference cannot change places"),
        ("source", card.source),
    ]
    facts = [(title, text(fact)) for title, fact in facts if fact]
    margin = max(len(title) for title, _ in facts) + GAP
    lines: list[Line] = [[(asked(card), "bold"), (f"  {text(card.title)}", "")], []]
    for paragraph in (card.summary, card.description):
        lines += (
            [
                [(line, "")]
                for line in wrapped(text(paragraph), printer.width if not printer.whole_names else PROSE_WIDTH)
            ]
            if paragraph
            else []
        )
    lines.append([])
    for title, fact in facts:
        first, *rest = printer.wrapped(fact, margin=margin)
        lines.append([(f"{title:<{margin}}", "dim"), (first, "")])
        lines += [[(" " * margin + line, "")] for line in rest]
    printer.print(lines)


def _parameter(card: Metric) -> str:
    if card.parameter is None:
        return ""
    given = card.parameter
    limits = f"{given.low:g} or more" if given.high == float("inf") else f"{given.low:g} to {given.high:g}"
    default = "that of --tolerance" if given.name == "tolerance" else f"{given.default:g}"
    return f"{given.name}, {limits}; {default} where none is given"
