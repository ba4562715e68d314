"""Print the list of metrics, and the card of one metric."""

from __future__ import annotations

from collections.abc import Iterable

from segeval.metrics import Direction, Metric, Quantity
from segeval.reports.layout import GAP, Column, Layout, Line
from segeval.reports.notation import UNITS
from segeval.reports.terminal import Printer, chopped, text_width

PRINTED_UNITS = {Quantity.RATIO: "none, a ratio", Quantity.LENGTH: "mm; px for pictures"}
PROSE_WIDTH = 100  # width of paragraphs in a pipe
INDENT = "    "


def spelling(card: Metric) -> str:
    """Spelling of a metric with its parameter: ``hd[@PERCENTILE]``."""
    return card.name if card.parameter is None else f"{card.name}[@{card.parameter.name.upper()}]"


def better(card: Metric) -> str:
    """``"higher"`` or ``"lower"``, whichever is better; empty if neither is."""
    return "" if card.better is Direction.NEITHER else str(card.better)


def print_metrics_table(cards: Iterable[Metric], printer: Printer) -> None:
    """Print the metrics: name, alias, title, unit, direction and formula.

    Parameters
    ----------
    cards
        The metrics, in the order of the rows.
    printer
        Where to print. A terminal of 80 columns has no room for aliases and formulas; in a narrower one a metric takes
        two lines.
    """
    text = printer.alphabet.text
    cards = list(cards)
    columns = [
        Column(head=("metric",), cells=[spelling(card) for card in cards]),
        Column(head=("alias",), cells=[", ".join(card.aliases) for card in cards]),
        Column(head=("title",), cells=[text(card.title) for card in cards]),
        Column(head=("unit",), cells=[UNITS.get(card.quantity, "") for card in cards]),
        Column(head=("better",), cells=[better(card) for card in cards]),
        Column(head=("formula",), cells=[text(card.formula) for card in cards], style="dim"),
    ]
    narrow = [
        Column(head=("metric",), cells=[f"{card.name}[@N]" if card.parameter else card.name for card in cards]),
        Column(head=("",), cells=[printer.alphabet.arrow(card.better) for card in cards]),
        *columns[2:4],
    ]
    for shown in (columns, narrow):
        wide = Layout(width=None, measure=text_width, chop=chopped)
        width = sum(wide.width_of(column) + GAP for column in shown) - GAP
        if width <= printer.width or (printer.whole_names and shown is columns):  # a pipe gets all columns
            lines = wide.blocks([], shown)[0]
            break
    else:
        lines = [line for card in cards for line in _brief(card, printer)]
        shown = narrow
    if shown is narrow:
        lines += [[], *printer.notes(["formula, range and source of one metric: segeval metrics NAME"])]
    printer.print(lines)


def _brief(card: Metric, printer: Printer) -> list[Line]:
    aliases = [f"({', '.join(card.aliases)})"] if card.aliases else []
    way = [f"{better(card)} is better"] if better(card) else []
    unit = [UNITS[card.quantity]] if card.quantity in UNITS else []
    about = ", ".join([printer.alphabet.text(card.title), *unit, *way])
    return [
        [(" ".join([spelling(card), *aliases]), "bold")],
        *([(INDENT + line, "")] for line in printer.wrapped(about, margin=len(INDENT))),
    ]


def print_card(card: Metric, printer: Printer) -> None:
    """Print the card of one metric.

    Parameters
    ----------
    card
        The metric.
    printer
        Where to print.
    """
    text = printer.alphabet.text
    low, high = card.bounds
    facts = [
        ("formula", card.formula),
        ("aliases", ", ".join(card.aliases)),
        ("better", better(card) or "neither"),
        ("unit", PRINTED_UNITS.get(card.quantity, UNITS.get(card.quantity, ""))),
        ("range", f"{low:.3g} to {high:.3g}".replace("inf", "infinity")),
        ("parameter", _parameter(card)),
        ("undefined", "never" if card.undefined == "never" else f"if {card.undefined}"),
        ("one map empty", card.one_empty or "as the formula gives"),
        ("symmetric", "yes" if card.symmetric else "no: swapping prediction and reference changes the value"),
        ("source", card.source),
    ]
    facts = [(title, text(fact)) for title, fact in facts if fact]
    margin = max(len(title) for title, _ in facts) + GAP
    lines: list[Line] = [[(spelling(card), "bold"), (f"  {text(card.title)}", "")], []]
    for paragraph in (card.summary, card.description):
        lines += [[(line, "")] for line in printer.wrapped(text(paragraph))] if paragraph else []
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
    default = "--tolerance" if given.name == "tolerance" else f"{given.default:g}"
    return f"{given.name}, {limits}; default {default}"
