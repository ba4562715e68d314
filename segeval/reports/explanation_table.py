"""What each known tool reports for a pair, as a table for each label, and why the tools differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from segeval.metrics import Quantity
from segeval.reports.layout import Column, Line
from segeval.reports.notation import Alphabet, decimals, grid_line, number
from segeval.reports.terminal import Printer, fact_lines

if TYPE_CHECKING:
    from segeval.diagnostics.explanation import Explanation, LabelExplanation


def print_explanation(explanation: Explanation, printer: Printer) -> None:
    """Print, for each label, what each tool reports, and below it why they differ.

    Parameters
    ----------
    explanation
        Of a pair.
    printer
        Where to.
    """
    text = printer.alphabet.text
    facts = [("prediction", explanation.prediction), ("reference", explanation.reference)]
    facts.append(("grid", grid_line(explanation.shape, explanation.spacing, explanation.unit)))
    facts.append(("reasons", "segeval, surface voxel -> the same with one convention changed"))
    facts += [("note", remark) for remark in explanation.remarks]
    lines: list[Line] = [*fact_lines((title, text(fact)) for title, fact in facts), []]
    for each in explanation.labels:
        name = f"{each.label} {each.name}" if each.name else str(each.label)
        lines.append([(text(name), "bold")])
        tools = Column(head=("tool", ""), cells=[row.tool for row in each.rows])
        lines += printer.table([tools], _columns(each, explanation, printer.alphabet))
        for reason in each.reasons:
            first, *rest = printer.wrapped(text(reason), margin=2)
            lines += [[(f"- {first}", "")], *([(f"  {line}", "")] for line in rest)]
        lines.append([])
    printer.print(lines[:-1])


def _columns(each: LabelExplanation, explanation: Explanation, alphabet: Alphabet) -> list[Column]:
    places = {
        quantity: decimals(quantity, spacing=explanation.spacing, unit=explanation.unit)
        for quantity in (Quantity.LENGTH, Quantity.RATIO)
    }

    def cells(values: Iterable[float | None], quantity: Quantity) -> list[str]:
        return [
            alphabet.dash if value is None else number(value, quantity, decimals=places[quantity]) for value in values
        ]

    rows, unit = each.rows, explanation.unit
    means = [
        f"{cell} {row.mean_metric}" if row.mean_metric else alphabet.dash
        for cell, row in zip(cells([row.mean_distance for row in rows], Quantity.LENGTH), rows, strict=True)
    ]
    nsd = f"nsd@{each.tolerance:g}"
    columns = [
        Column(head=("hd", unit), cells=cells([row.hd for row in rows], Quantity.LENGTH), right=True),
        Column(head=("hd@95", unit), cells=cells([row.hd95 for row in rows], Quantity.LENGTH), right=True),
        Column(head=("mean distance", unit), cells=means),
        Column(head=(nsd, ""), cells=cells([row.nsd for row in rows], Quantity.RATIO), right=True),
        Column(head=("dice", ""), cells=cells([row.dice for row in rows], Quantity.RATIO), right=True),
        Column(head=("asked for by", ""), cells=[row.asked for row in rows], style="dim"),
    ]
    notes = ["; ".join(row.notes) for row in rows]
    if any(notes):
        columns.append(Column(head=("note", ""), cells=notes, prose=True, style="yellow"))
    return columns
