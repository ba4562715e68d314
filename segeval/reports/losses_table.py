"""The losses of a probability map as a table, a row for each loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from segeval.metrics import parse
from segeval.reports.layout import Column, Line
from segeval.reports.metric_cards import better
from segeval.reports.notation import Alphabet
from segeval.reports.terminal import Printer, fact_lines

if TYPE_CHECKING:
    from segeval.diagnostics.loss_table import LossTable


def print_losses(table: LossTable, printer: Printer) -> None:
    """Print the losses of a probability map, a row for each.

    Parameters
    ----------
    table
        Of one map.
    printer
        Where to.
    """
    text = printer.alphabet.text
    facts = [("probability", table.prediction), ("reference", table.reference)]
    part = "" if table.imbalance is None else f"{_share(table.imbalance)} of "
    facts.append(("foreground", f"{part}{table.voxels:,} voxels"))
    lines: list[Line] = [*fact_lines((title, text(fact)) for title, fact in facts), []]
    keys = [Column(head=("loss or score", ""), cells=[row.metric for row in table.rows])]
    lines += printer.table(keys, _columns(table, printer.alphabet))
    notes = dict.fromkeys(
        f"{row.metric if row.metric == 'dl2' else 'scores'} of {label}: {note}"
        for row in table.rows
        for label, note in row.notes.items()
    )
    lines += printer.notes(text(note) for note in (*notes, table.signature))
    printer.print(lines)


def _columns(table: LossTable, alphabet: Alphabet) -> list[Column]:
    def cells(values: Iterable[float | None]) -> list[str]:
        return [alphabet.dash if value is None else f"{value:.4g}" for value in values]

    rows = table.rows
    columns = [
        Column(head=("better", ""), cells=[better(parse(row.metric).card) for row in rows], style="dim"),
        Column(head=("all", ""), cells=cells(row.value for row in rows), right=True),
        Column(head=("largest", "gradient"), cells=cells(row.largest for row in rows), right=True),
        Column(
            head=("gradient", "on foreground"),
            cells=[alphabet.dash if row.on_foreground is None else _share(row.on_foreground) for row in rows],
            right=True,
        ),
    ]
    for label, share in table.shares.items():
        name = alphabet.text(table.names.get(label, ""))
        head = (f"{label} {name}".strip(), alphabet.dash if share is None else _share(share))
        columns.append(Column(head=head, cells=cells(row.by_label.get(label) for row in rows), right=True))
    return columns


def _share(value: float) -> str:
    """A share of voxels in percent, small ones with as many digits as tell something."""
    return f"{100 * value:.3g} %"
