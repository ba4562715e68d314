"""The table of a paper: scores by rows and columns of factors, as texts, and on a terminal.

The best cell is the one with the best first statistic of the template. Printed values are compared, so cells that show
the same number are both the best. Notes below the table say what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segeval.analysis.pivot import LABEL, METRIC, NAME, Pivot, direction_of, unit_of
from segeval.errors import shown
from segeval.reports.layout import Column
from segeval.reports.notation import Alphabet
from segeval.reports.pivot_cells import CellTemplate
from segeval.reports.terminal import Printer
from segeval.text import counted, enumerated

DIRECTED = ("median", "q1", "q3", "mean", "min", "max")  # better the way their metric is


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell as it is printed, and whether it is the best."""

    text: str
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A pivot as texts.

    Parameters
    ----------
    caption
        What the cells say, of what.
    rows, columns
        The factors.
    heads
        The levels of each column.
    levels
        The levels of each row.
    entries
        The cells of each row.
    notes
        What is missing, and what else a reader must know.
    """

    caption: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    heads: tuple[tuple[str, ...], ...]
    levels: tuple[tuple[str, ...], ...]
    entries: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...]

    @property
    def has_best(self) -> bool:
        """Whether a cell is marked."""
        return any(entry.best for row in self.entries for entry in row)


def board_of(pivot: Pivot, template: CellTemplate, alphabet: Alphabet, *, best: str = "row") -> Board:
    """Lay a pivot out.

    Parameters
    ----------
    pivot
        The numbers.
    template
        What a cell says.
    alphabet
        Of the reader's end.
    best
        One of `BEST`: what the best cell is the best of, among cells of one metric.
    """
    chosen = _best(pivot, template, best)
    entries = []
    for row in pivot.row_levels:
        line = []
        for column in pivot.column_levels:
            cell = pivot.cells.get((row, column))
            text = template.text(cell, dash=alphabet.dash) if cell is not None and cell.n else alphabet.dash
            line.append(Entry(alphabet.text(text), (row, column) in chosen))
        entries.append(tuple(line))
    return Board(
        caption=_caption(pivot, template, alphabet),
        rows=tuple(map(alphabet.text, pivot.rows)),
        columns=tuple(map(alphabet.text, pivot.columns)),
        heads=tuple(_levels(pivot, pivot.columns, each, alphabet) for each in pivot.column_levels),
        levels=tuple(_levels(pivot, pivot.rows, each, alphabet) for each in pivot.row_levels),
        entries=tuple(entries),
        notes=tuple(alphabet.text(note) for note in notes_of(pivot, alphabet)),
    )


def _levels(pivot: Pivot, factors: Sequence[str], levels: Sequence[str], alphabet: Alphabet) -> tuple[str, ...]:
    return tuple(
        _titled(pivot, level, alphabet) if factor == METRIC else alphabet.text(level)
        for factor, level in zip(factors, levels, strict=True)
    )


def _titled(pivot: Pivot, metric: str, alphabet: Alphabet) -> str:
    arrow = {"higher": alphabet.higher, "lower": alphabet.lower}.get(direction_of(metric), "")
    return alphabet.text(" ".join(filter(None, [metric, arrow, unit_of(metric, pivot.cells.values())])))


def _caption(pivot: Pivot, template: CellTemplate, alphabet: Alphabet) -> str:
    words = template.words()
    if METRIC not in pivot.factors:
        alone = f" of {pivot.labels[0]}" if len(pivot.labels) == 1 and not {LABEL, NAME} & set(pivot.factors) else ""
        words = f"{_titled(pivot, pivot.metrics[0], alphabet)}{alone}: {words}"
    elif len(pivot.labels) == 1 and not {LABEL, NAME} & set(pivot.factors):
        words = f"{pivot.labels[0]}: {words}"
    return alphabet.text(f"{words}; rows: {', '.join(pivot.rows)}; columns: {', '.join(pivot.columns)}")


def _best(pivot: Pivot, template: CellTemplate, best: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The best cells, of two or more: those that print like the one with the best first statistic."""
    if best == "none" or template.field not in DIRECTED:
        return set()
    groups: dict[tuple[object, str], list[tuple[float, str, tuple[tuple[str, ...], tuple[str, ...]]]]] = {}
    for (row, column), cell in pivot.cells.items():
        value = getattr(cell, template.field)
        if value is not None:
            of = {"row": row, "column": column, "table": None}[best]
            groups.setdefault((of, cell.metric), []).append((value, template.first(cell), (row, column)))
    chosen = set()
    for (_, metric), group in groups.items():
        better = {"higher": max, "lower": min}.get(direction_of(metric))
        if better is not None and len(group) > 1:
            _, text, _ = better(group)
            chosen |= {place for _, each, place in group if each == text}
    return chosen


def notes_of(pivot: Pivot, alphabet: Alphabet) -> list[str]:
    """What is missing from a pivot, and what its cells are over."""
    cells = list(pivot.cells.values())
    counts = [cell.n for cell in cells]
    low, high = min(counts), max(counts)
    notes = [
        f"n: {counted(low, 'value')} in each cell"
        if low == high
        else f"n: {low} to {high} values in a cell, {{n}} shows it"
    ]
    if pivot.together:
        notes.append(f"values of {len(pivot.labels)} labels together: {enumerated(pivot.labels, shown)}")
    if pivot.overlapping:
        notes.append(
            f"not in the cells: {enumerated(pivot.overlapping, shown)}, which --label or the factor label shows"
        )
    if pivot.repeated:
        notes.append(f"{counted(pivot.repeated, 'case')} in several files, whose values are together")
    if pivot.undefined:
        total = sum(pivot.undefined.values())
        reasons = "; ".join(
            reason + (f" ({count})" if len(pivot.undefined) > 1 else "")
            for reason, count in sorted(pivot.undefined.items())
        )
        notes.append(f"undefined: {counted(total, 'value')}, {reasons}")
    if pivot.absent:
        notes.append(f"without the label in either map: {counted(pivot.absent, 'value')}")
    if pivot.unscored:
        total = sum(pivot.unscored.values())
        notes.append(
            f"not scored: {counted(total, 'case')}, "
            + ", ".join(f"{count} {status}" for status, count in sorted(pivot.unscored.items()))
        )
    if pivot.unknown:
        names = enumerated(pivot.unknown, shown)
        notes.append(f"in no cell: {counted(len(pivot.unknown), 'case')} without metadata, {names}")
    empty = len(pivot.row_levels) * len(pivot.column_levels) - len(cells)
    if empty:
        notes.append(f"{alphabet.dash} no case: {counted(empty, 'cell')}")
    if any(cell.n == 0 for cell in cells):
        notes.append(f"{alphabet.dash} no value: {counted(sum(cell.n == 0 for cell in cells), 'cell')}")
    return notes + signatures_of(pivot)


def signatures_of(pivot: Pivot) -> list[str]:
    """The conventions behind the numbers; where files differ, each with its own."""
    by_text: dict[str, list[str]] = {}
    for name, signature in pivot.signatures.items():
        by_text.setdefault(signature, []).append(name)
    if len(by_text) == 1:
        return list(by_text)
    lines = [f"{enumerated(files, shown)}: {text}" for text, files in by_text.items()]
    return ["the files rest on different conventions:", *lines]


def best_note(best: str, mark: str) -> str:
    """What a mark at a cell means."""
    return f"{mark}: the best of its {best}" if best != "table" else f"{mark}: the best of the table"


def print_pivot(pivot: Pivot, template: CellTemplate, printer: Printer, *, best: str = "row") -> None:
    """Print scores by rows and columns of factors, a star at the best cells, and below it what is missing.

    Parameters
    ----------
    pivot
        The numbers.
    template
        What a cell says.
    printer
        Where to. Where the table is too wide, it is continued below.
    best
        What the best cells are the best of; see `board_of`.
    """
    board = board_of(pivot, template, printer.alphabet, best=best)
    above = ("",) * (len(board.columns) - 1)
    star, space = ("*", " ") if board.has_best else ("", "")
    keys = [
        Column(head=(*above, name), cells=[levels[place] for levels in board.levels])
        for place, name in enumerate(board.rows)
    ]
    columns = [
        Column(
            head=head,
            cells=[entry.text + (star if entry.best else space) for entry in cells],
            right=True,
            strong=frozenset(place for place, entry in enumerate(cells) if entry.best),
        )
        for head, cells in zip(board.heads, zip(*board.entries, strict=True), strict=True)
    ]
    columns = [replace(column, head=tuple(text + space for text in column.head)) for column in columns]
    notes = [*([best_note(best, star)] if star else []), *board.notes]
    lines = printer.notes([board.caption], style="")
    for block in printer.blocks(keys, columns):
        lines += [[], *block]
    printer.print([*lines, [], *printer.notes(notes)])
