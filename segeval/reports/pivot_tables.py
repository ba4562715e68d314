"""Lay out and print the table of `segeval table`: scores by rows and columns of factors.

The best cell has the best first statistic of the template. Printed values are compared, so cells with the same number
are both the best. Notes below the table name missing values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segeval.analysis.pivot import LABEL, METRIC, NAME, Pivot, direction_of, unit_of
from segeval.errors import shown
from segeval.reports.layout import Column
from segeval.reports.notation import Alphabet
from segeval.reports.pivot_cells import CellTemplate
from segeval.reports.signatures import short_signature
from segeval.reports.terminal import Printer
from segeval.text import counted, enumerated

DIRECTED = ("median", "q1", "q3", "mean", "min", "max")  # statistics with the direction of their metric


@dataclass(frozen=True, slots=True)
class Entry:
    """Text of a cell, and whether it is the best."""

    text: str
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A pivot table as texts.

    Parameters
    ----------
    caption
        Caption: the metric, the statistics, and the factors.
    rows, columns
        The factors.
    heads
        Levels of each column.
    levels
        Levels of each row.
    entries
        Cells of each row.
    notes
        Notes about missing values and conventions.
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
        """Whether any cell is marked as the best."""
        return any(entry.best for row in self.entries for entry in row)


def board_of(
    pivot: Pivot, template: CellTemplate, alphabet: Alphabet, *, best: str = "row", short: bool = False
) -> Board:
    """Lay out a pivot table.

    Parameters
    ----------
    pivot
        The numbers.
    template
        Template of a cell.
    alphabet
        Characters of the table.
    best
        One of `BEST`: where to mark the best cell of a metric.
    short
        Whether the notes have only those conventions of the signature that the scores depend on.
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
        notes=tuple(alphabet.text(note) for note in notes_of(pivot, alphabet, short=short)),
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
    """The best of two or more cells: those with the same text as the cell with the best first statistic."""
    if best == "none" or template.field not in DIRECTED:
        return set()
    groups: dict[tuple[object, str], list[tuple[float, str, tuple[tuple[str, ...], tuple[str, ...]]]]] = {}
    for (row, column), cell in pivot.cells.items():
        value = getattr(cell, template.field)
        if value is not None:
            group_key = {"row": row, "column": column, "table": None}[best]
            groups.setdefault((group_key, cell.metric), []).append((value, template.first(cell), (row, column)))
    chosen = set()
    for (_, metric), group in groups.items():
        better = {"higher": max, "lower": min}.get(direction_of(metric))
        if better is not None and len(group) > 1:
            _, text, _ = better(group)
            chosen |= {place for _, each, place in group if each == text}
    return chosen


def notes_of(pivot: Pivot, alphabet: Alphabet, *, short: bool = False) -> list[str]:
    """Notes about the number of values, missing values and conventions of a pivot table."""
    cells = list(pivot.cells.values())
    counts = [cell.n for cell in cells]
    low, high = min(counts), max(counts)
    notes = [
        f"n: {counted(low, 'value')} in each cell"
        if low == high
        else f"n: {low} to {high} values in a cell ({{n}} in --cell shows it)"
    ]
    if pivot.together:
        notes.append(f"each cell has the values of {len(pivot.labels)} labels: {enumerated(pivot.labels, shown)}")
    if pivot.overlapping:
        notes.append(f"not in the table: {enumerated(pivot.overlapping, shown)} (use --label or the factor label)")
    if pivot.repeated:
        notes.append(f"{counted(pivot.repeated, 'case')} in several files, with all values in one cell")
    if pivot.undefined:
        total = sum(pivot.undefined.values())
        reasons = "; ".join(
            reason + (f" ({count})" if len(pivot.undefined) > 1 else "")
            for reason, count in sorted(pivot.undefined.items())
        )
        notes.append(f"undefined: {counted(total, 'value')}, {reasons}")
    if pivot.absent:
        notes.append(f"left out: {counted(pivot.absent, 'value')} of absent labels (in neither map)")
    if pivot.unscored:
        total = sum(pivot.unscored.values())
        notes.append(
            f"not scored: {counted(total, 'case')}, "
            + ", ".join(f"{count} {status}" for status, count in sorted(pivot.unscored.items()))
        )
    if pivot.unknown:
        names = enumerated(pivot.unknown, shown)
        notes.append(f"not in the table: {counted(len(pivot.unknown), 'case')} without metadata, {names}")
    empty = len(pivot.row_levels) * len(pivot.column_levels) - len(cells)
    if empty:
        notes.append(f"{alphabet.dash} {counted(empty, 'cell')} without a case")
    if any(cell.n == 0 for cell in cells):
        notes.append(f"{alphabet.dash} {counted(sum(cell.n == 0 for cell in cells), 'cell')} without a value")
    return notes + signatures_of(pivot, short=short)


def signatures_of(pivot: Pivot, *, short: bool = False) -> list[str]:
    """Signature of the files; if they differ, one line for each."""
    by_text: dict[str, list[str]] = {}
    texts = {name: short_signature(text) for name, text in pivot.footnotes.items()} if short else pivot.signatures
    for name, signature in texts.items():
        by_text.setdefault(signature, []).append(name)
    if len(by_text) == 1:
        return list(by_text)
    lines = [f"{enumerated(files, shown)}: {text}" for text, files in by_text.items()]
    return ["the files have different conventions:", *lines]


def best_note(best: str, mark: str) -> str:
    """Note that explains the mark of the best cells."""
    return f"{mark}: best of its {best}" if best != "table" else f"{mark}: best of the table"


def print_pivot(pivot: Pivot, template: CellTemplate, printer: Printer, *, best: str = "row") -> None:
    """Print scores by rows and columns of factors, with a star at the best cells and notes below.

    Parameters
    ----------
    pivot
        The numbers.
    template
        Template of a cell.
    printer
        Where to print; a table that is too wide is continued below.
    best
        Where to mark the best cells; see `board_of`.
    """
    board = board_of(pivot, template, printer.alphabet, best=best, short=True)
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
