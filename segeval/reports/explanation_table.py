"""Print what each known tool reports for a pair, a table for each label, and why the tools differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from segeval.evidence.conventions import Conventions
from segeval.metrics import Quantity
from segeval.reports.layout import Column, Line
from segeval.reports.notation import Alphabet, decimals, number
from segeval.reports.terminal import Printer, text_width
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY

if TYPE_CHECKING:
    from segeval.diagnostics.explanation import Explanation, LabelExplanation, Reason, ToolRow

HEADLINES = {
    ABSENT: "absent, neither file contains it",
    PREDICTION_EMPTY: "missed, only the reference contains it",
    REFERENCE_EMPTY: "false alarm, only the prediction contains it",
}
MARKED = {  # mean distances other than assd, the mean over the points of both surfaces
    "asd_to_reference": "prediction to reference",
    "asd_to_prediction": "reference to prediction",
    "masd": "mean of the two means",
}
MARKS, ASCII_MARKS = "\N{DAGGER}\N{DOUBLE DAGGER}\N{SECTION SIGN}", "*+#"


def print_explanation(explanation: Explanation, printer: Printer) -> None:
    """Print a block for each label: the range of the numbers, the numbers of each tool, and why they differ.

    Parameters
    ----------
    explanation
        Numbers and reasons for a pair.
    printer
        Where to print.
    """
    text = printer.alphabet.text
    lines: list[Line] = []
    for each in explanation.labels:
        lines += [[(line, "bold")] for line in printer.wrapped(_headline(each, explanation, printer.alphabet))]
        lines.append([])
        tools = Column(head=("", "tool"), cells=[row.tool for row in each.rows])
        for block in printer.blocks([tools], _columns(each, explanation, printer.alphabet)):
            lines += [*block, []]
        lines.pop()
        lines += printer.notes(_footnotes(each, printer.alphabet))
        lines.append([])
        lines += _reason_lines(each.reasons, printer)
    lines += printer.notes(text(remark) for remark in explanation.remarks)
    printer.print(lines if explanation.remarks else lines[:-1])


def _headline(each: LabelExplanation, explanation: Explanation, alphabet: Alphabet) -> str:
    """The range of Dice and HD95: ``"building: Dice 0.9536; HD95 from 7.20 to 11.13 px"``."""
    name = alphabet.text(each.name or (f"label {each.label}" if isinstance(each.label, int) else each.label))
    if each.note in HEADLINES:
        return f"{name}: {HEADLINES[each.note]}"
    dice = _range([row.dice for row in each.rows], Quantity.RATIO, explanation)
    hd95 = _range([row.hd95 for row in each.rows], Quantity.LENGTH, explanation)
    parts = [f"Dice {dice}"] if dice else []
    parts += [f"HD95 {hd95} {explanation.unit}"] if hd95 else []
    return f"{name}: {'; '.join(parts) or 'no tool gives a number'}"


def _range(values: Iterable[float | None], quantity: Quantity, explanation: Explanation) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return ""
    low, high = (_number(value, quantity, explanation) for value in (min(found), max(found)))
    return low if low == high else f"from {low} to {high}"


def _number(value: float, quantity: Quantity, explanation: Explanation) -> str:
    places = decimals(quantity, spacing=explanation.spacing, unit=explanation.unit)
    return number(value, quantity, decimals=places)


def _columns(each: LabelExplanation, explanation: Explanation, alphabet: Alphabet) -> list[Column]:
    rows, unit = each.rows, explanation.unit

    def column(title: str, metric: str, values: Sequence[float | None], quantity: Quantity) -> Column:
        cells = [
            _without_number(row, metric, alphabet) if value is None else _number(value, quantity, explanation)
            for row, value in zip(rows, values, strict=True)
        ]
        return Column(head=(title, unit if quantity is Quantity.LENGTH else ""), cells=cells, right=True)

    columns = [
        column("hd", "hd", [row.hd for row in rows], Quantity.LENGTH),
        column("hd@95", "hd@95", [row.hd95 for row in rows], Quantity.LENGTH),
        _means(each, explanation, alphabet),
        column(f"nsd@{each.tolerance:g}", "nsd", [row.nsd for row in rows], Quantity.RATIO),
    ]
    dices = [row.dice for row in rows]
    if len(set(dices)) > 1:
        columns.append(column("dice", "dice", dices, Quantity.RATIO))
    default = f"--surface {Conventions().surface}"
    options = ["(default)" if row.option == default else row.option for row in rows]
    return [*columns, Column(head=("", "how to get it"), cells=options, style="dim")]


def _means(each: LabelExplanation, explanation: Explanation, alphabet: Alphabet) -> Column:
    """The mean distances, each with the mark of its kind; digits are aligned."""
    marks = [_mark(row.mean_metric, alphabet) for row in each.rows]
    blank = " " if any(marks) else ""
    cells = []
    for row, mark in zip(each.rows, marks, strict=True):
        if row.mean_distance is None:
            text = _without_number(row, row.mean_metric or "", alphabet)
            cells.append(text + blank)
        else:
            cells.append(_number(row.mean_distance, Quantity.LENGTH, explanation) + (mark or blank))
    return Column(head=(f"mean{blank}", f"{explanation.unit}{blank}"), cells=cells, right=True)


def _without_number(row: ToolRow, metric: str, alphabet: Alphabet) -> str:
    """The cell of a tool without a number: ``error``, ``NaN``, or a dash where it has no such metric."""
    for note in row.notes:
        metrics, _, why = note.partition(": ")
        if metric in metrics.split(", "):
            return "error" if why.endswith(" raises") else "NaN"
    return alphabet.dash


def _mark(metric: str | None, alphabet: Alphabet) -> str:
    if metric not in MARKED:
        return ""
    marks = MARKS if alphabet.text(MARKS) == MARKS else ASCII_MARKS
    return marks[list(MARKED).index(metric)]


def _footnotes(each: LabelExplanation, alphabet: Alphabet) -> Iterator[str]:
    shown = {row.mean_metric for row in each.rows if row.mean_distance is not None}
    notes = [f"{_mark(metric, alphabet)} {text}" for metric, text in MARKED.items() if metric in shown]
    if notes:
        yield "   ".join(notes)


def _reason_lines(reasons: Sequence[Reason], printer: Printer) -> list[Line]:
    """Changed conventions in two columns, the change and the convention; then a paragraph for each observation."""
    changes = [(_change(reason, printer.alphabet), reason.text) for reason in reasons if reason.metrics]
    lines: list[Line] = []
    if changes:
        lines.append([("why they differ, one convention at a time", "bold")])
        margin = max(text_width(change) for change, _ in changes) + 2
        for change, text in changes:
            first, *rest = printer.wrapped(printer.alphabet.text(text), margin=margin)
            lines.append([(change + " " * (margin - text_width(change)), ""), (first, "")])
            lines += [[(" " * margin + line, "")] for line in rest]
        lines.append([])
    for reason in reasons:
        if not reason.metrics:
            lines += [[(line, "")] for line in printer.wrapped(printer.alphabet.text(reason.text))]
            lines.append([])
    return lines


def _change(reason: Reason, alphabet: Alphabet) -> str:
    """The change of a metric: ``"mean  1.30 -> 1.35"``, with the marks of the means."""
    before, after = reason.metrics
    title = before if before in ("hd", "hd@95", "nsd", "dice") else "mean"
    one, other = reason.values
    return f"{title:<5} {one}{_mark(before, alphabet)} -> {other}{_mark(after, alphabet)}"
