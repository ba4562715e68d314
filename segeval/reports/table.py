"""Tables of texts with heads and notes, and their layout on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from segeval.reports.layout import GAP, KEY, PROSE, Column, Line
from segeval.reports.terminal import Printer, chopped, text_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column.

    Parameters
    ----------
    title, unit
        The two lines of the head.
    key
        Whether the column identifies the rows and is repeated where the table is continued.
    right
        Whether the cells are aligned to the right.
    prose
        Whether the cells may be wrapped.
    optional
        Whether the column is left out if there is no room for it.
    """

    title: str
    unit: str = ""
    key: bool = False
    right: bool = False
    prose: bool = False
    optional: bool = False


NOTES = Head(title="notes", prose=True)


Cell = TypeVar("Cell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid(Generic[Cell]):
    """Rows of cells under heads, and the lines that explain them.

    Parameters
    ----------
    heads
        Heads of the columns.
    rows
        Rows with a cell for each head.
    notes
        Notes below the table.
    """

    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def with_columns(self, places: Sequence[int]) -> Self:
        """Return the grid with only these columns."""
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, heads=tuple(self.heads[place] for place in places), rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Grid[str]):
    """A table of texts."""

    def needed(self) -> Table:
        """Return the table without optional columns."""
        return self.with_columns([place for place, head in enumerate(self.heads) if not head.optional])


def print_table(table: Table, printer: Printer) -> None:
    """Print a table and its notes.

    Parameters
    ----------
    table
        Table with at least one row.
    printer
        Printer; a table that is too wide for it is continued below.
    """
    printer.print(table_lines(table, printer)[:-1])


def table_lines(table: Table, printer: Printer) -> list[Line]:
    """Return the lines of a table's blocks and of its notes, each followed by an empty line."""
    keys: list[Column] = []
    columns: list[Column] = []
    for head, cells in zip(table.heads, zip(*table.rows, strict=True), strict=True):
        title = head.title if any(cells) else ""
        style = "yellow" if head == NOTES else ""
        column = Column(head=(title, head.unit), cells=cells, right=head.right, prose=head.prose, style=style)
        (keys if head.key else columns).append(column)
    keys = _narrowed(keys, columns, printer, printer.width)
    return [*printer.table(keys, columns), *printer.notes(table.notes), *([[]] if table.notes else [])]


def _narrowed(keys: Sequence[Column], columns: Sequence[Column], printer: Printer, width: int) -> list[Column]:
    """Return keys with names folded to a third of the width, or less if a number needs the room."""
    width_of = printer.layout.width_of
    widths = [min(width_of(column), PROSE if column.prose else width) for column in columns]
    taken = sum(width_of(column) + GAP for column in keys if column.right) + max(widths, default=0) + GAP
    most = max(min(width // 3, width - taken), KEY)
    return [
        column if column.right else replace(column, cells=["\n".join(_folded(cell, most)) for cell in column.cells])
        for column in keys
    ]


def _folded(text: str, width: int) -> list[str]:
    return [text] if text_width(text) <= width else chopped(text, width)


def _aligned(tables: Sequence[Table]) -> list[Table]:
    """Return tables of the same columns with padded heads, so that columns are aligned across tables."""
    columns = [column for table in tables for column in zip(table.heads, zip(*table.rows, strict=True), strict=True)]
    places = len(tables[0].heads) if tables else 0
    widest = [
        max(text_width(text) for head, cells in columns[place::places] for text in (head.title, *cells))
        for place in range(places)
    ]
    return [
        replace(table, heads=tuple(_padded(head, most) for head, most in zip(table.heads, widest, strict=True)))
        for table in tables
    ]


def fitting(tables: Sequence[Table], width: int) -> list[Table]:
    """Return tables of the same columns, aligned; without optional columns if not all would fit."""
    aligned = _aligned(tables)
    if all(_width_of(table) <= width for table in aligned):
        return aligned
    return _aligned([table.needed() for table in tables])


def _width_of(table: Table) -> int:
    columns = zip(table.heads, zip(*table.rows, strict=True), strict=True)
    return sum(max(map(text_width, (head.title, head.unit, *cells))) + GAP for head, cells in columns) - GAP


def _padded(head: Head, width: int) -> Head:
    padding = " " * (0 if head.prose or head.key else width - text_width(head.title))
    return replace(head, title=padding + head.title if head.right else head.title + padding)
