"""Print the losses of a probability map: a table over all classes, then a table by class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from segeval.metrics import parse
from segeval.reports.layout import Column, Line
from segeval.reports.notation import Alphabet, grid_line
from segeval.reports.signatures import short_signature
from segeval.reports.terminal import Printer

if TYPE_CHECKING:
    from segeval.diagnostics.loss_table import LossTable


def print_losses(table: LossTable, printer: Printer) -> None:
    """Print the losses of a probability map, a row for each; then those of each class, a row for each class.

    Parameters
    ----------
    table
        Losses of one map.
    printer
        Where to print.
    """
    alphabet = printer.alphabet
    lines: list[Line] = [[(line, "bold")] for line in printer.wrapped(_first_line(table))]
    lines.append([])
    keys = [Column(head=("", "loss or score"), cells=[_token(row.metric, alphabet) for row in table.rows])]
    lines += printer.table(keys, _over_all(table, alphabet))
    if table.shares:
        lines += printer.table(_labels(table, alphabet), _by_label(table, alphabet))
    lines += printer.notes(alphabet.text(note) for note in (*_notes(table), short_signature(table.footnote)))
    printer.print(lines)


def _first_line(table: LossTable) -> str:
    grid = grid_line(table.shape, None, None)
    if table.imbalance is None:
        return f"{grid}; none is counted, so nothing is defined"
    return f"{grid}; {table.voxels:,} are counted, {_share(table.imbalance)} of them foreground"


def _token(metric: str, alphabet: Alphabet) -> str:
    return f"{metric} {alphabet.arrow(parse(metric).card.better)}".rstrip()


def _cells(values: Iterable[float | None], alphabet: Alphabet) -> list[str]:
    return [alphabet.dash if value is None else f"{value:.4g}" for value in values]


def _shares(values: Iterable[float | None], alphabet: Alphabet) -> list[str]:
    return [alphabet.dash if value is None else _share(value) for value in values]


def _over_all(table: LossTable, alphabet: Alphabet) -> list[Column]:
    rows = table.rows
    on_foreground = _shares((row.on_foreground for row in rows), alphabet)
    titles = [alphabet.text(parse(row.metric).card.title) for row in rows]
    return [
        Column(head=("", "value"), cells=_cells((row.value for row in rows), alphabet), right=True),
        Column(head=("largest", "gradient"), cells=_cells((row.largest for row in rows), alphabet), right=True),
        Column(head=("foreground", "share"), cells=on_foreground, right=True),
        Column(head=("", ""), cells=titles, style="dim"),
    ]


def _labels(table: LossTable, alphabet: Alphabet) -> list[Column]:
    names = [alphabet.text(table.names.get(label) or "") for label in table.shares]
    return [
        Column(head=("", "label"), cells=[str(label) for label in table.shares], right=True),
        Column(head=("", "name" if any(names) else ""), cells=names),
    ]


def _by_label(table: LossTable, alphabet: Alphabet) -> list[Column]:
    columns = [Column(head=("share of", "voxels"), cells=_shares(table.shares.values(), alphabet), right=True)]
    for row in table.rows:
        if row.by_label:
            family, _, kind = row.metric.rpartition("_")
            head = (f"{family}_" if family else "", f"{kind} {alphabet.arrow(parse(row.metric).card.better)}".rstrip())
            cells = _cells((row.by_label.get(label) for label in table.shares), alphabet)
            columns.append(Column(head=head, cells=cells, right=True))
    return columns


def _notes(table: LossTable) -> Iterator[str]:
    if any(row.largest is not None for row in table.rows):
        yield (
            "largest gradient: the largest derivative with respect to a probability; foreground share: the "
            "foreground's share of the total gradient"
        )
    yield from dict.fromkeys(
        f"{row.metric} of label {label}: {note}" if row.metric == "dl2" else f"label {label}: {note}"
        for row in table.rows
        for label, note in row.notes.items()
    )


def _share(value: float) -> str:
    """A share in percent, with three significant digits."""
    return f"{100 * value:.3g} %"
