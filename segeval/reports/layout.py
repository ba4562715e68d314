"""Columns of text next to each other, aligned by the width that each character has in a terminal.

A line is a list of spans: texts with a style. The printer decides whether styles are shown, and measures texts.
Columns that do not fit into a width go into further blocks below, each beginning with the key columns, so that nothing
is cut. A key column is folded only if no other column would fit next to it, and only prose is wrapped between words. A
block whose only column is prose leaves out the rows without text.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

Span = tuple[str, str]
Line = list[Span]

GAP = 2
PROSE = 16  # smallest width that text is wrapped to
KEY = 4  # smallest width that a key is folded to


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    head
        Lines above the cells; all columns of a block have the same number of lines.
    cells
        Cells from top to bottom.
    right
        Whether the cells are aligned to the right.
    prose
        Whether the cells may be wrapped between words.
    style
        Style of the cells.
    strong
        Positions of the cells that are bold instead.
    """

    head: tuple[str, ...]
    cells: Sequence[str]
    right: bool = False
    prose: bool = False
    style: str = ""
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The width of a table, and the functions that measure and cut texts.

    Parameters
    ----------
    width
        Width in character cells; None for no limit.
    measure
        Function that returns the width of a text.
    chop
        Function that cuts a text into pieces of at most a width.
    """

    width: int | None
    measure: Callable[[str], int]
    chop: Callable[[str, int], list[str]]

    def blocks(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[list[Line]]:
        """Lay columns out, in as many blocks as the width requires.

        Parameters
        ----------
        keys
            First columns of each block; the last of them may be folded.
        columns
            Other columns. A column without any text is left out.

        Returns
        -------
        list of list of list
            Lines of each block, heading first.
        """
        keys = [column for column in keys if self.width_of(column)]
        columns = [column for column in columns if self.width_of(column)]
        free = None
        if self.width is not None:
            keys = self._folded(keys, max(map(self._least, columns), default=0), self.width)
            free = self.width - sum(self.width_of(column) + GAP for column in keys)
        found: list[list[Column]] = [[]]
        for column in columns:
            if free is not None and found[-1] and sum(self._least(c) + GAP for c in (*found[-1], column)) - GAP > free:
                found.append([])
            found[-1].append(column)
        return [self._lines(_with_prose([*keys, *chosen], chosen)) for chosen in found]

    def within(self, width: int) -> Layout:
        """Return the layout with another width."""
        return replace(self, width=width)

    def blocks_with_margin(
        self, keys: Sequence[Column], columns: Sequence[Column], margin: Sequence[Column]
    ) -> list[list[Line]]:
        """Lay columns out like `blocks`, with the columns `margin` at the right of the first block; fold nothing.

        The margin is left out if it leaves no room for the first column.
        """
        keys, margin = ([each for each in some if any(each.cells)] for some in (keys, margin))
        free = math.inf if self.width is None else self.width - sum(self.width_of(each) + GAP for each in keys) + GAP
        room = free - sum(self.width_of(each) + GAP for each in margin)
        if columns and room < self.width_of(columns[0]) + GAP:
            margin, room = [], free
        found: list[list[Column]] = [[]]
        for column in columns:
            room -= self.width_of(column) + GAP
            if room < 0 and found[-1]:
                found.append([])
                room = free - self.width_of(column) - GAP
            found[-1].append(column)
        found[0] += margin
        return [self._lines([*keys, *chosen]) for chosen in found]

    def width_of(self, column: Column) -> int:
        """Return the width of a column's widest line."""
        lines = (line for text in (*column.head, *column.cells) for line in text.split("\n"))
        return max(map(self.measure, lines), default=0)

    def _least(self, column: Column) -> int:
        """Return the smallest width that a column can be wrapped to."""
        if not column.prose:
            return self.width_of(column)
        return min(self.width_of(column), max(PROSE, *map(self.measure, column.head)))

    def _folded(self, keys: Sequence[Column], widest: int, width: int) -> list[Column]:
        """Return the key columns; the last one is folded if the widest other column would not fit next to them."""
        if not keys:
            return []
        *others, last = keys
        room = width - sum(self.width_of(column) + GAP for column in others) - (widest + GAP if widest else 0)
        if self.width_of(last) <= room:
            return list(keys)
        cells = ["\n".join(self.chop(cell, max(room, KEY))) for cell in last.cells]
        return [*others, replace(last, cells=cells)]

    def _lines(self, columns: Sequence[Column]) -> list[Line]:
        widths = [self.width_of(column) for column in columns]
        for place, column in enumerate(columns):
            if column.prose and self.width is not None:
                free = self.width - sum(width + GAP for width in widths) + widths[place] + GAP
                widths[place] = min(widths[place], max(free, self._least(column)))
        lines = [
            self._line([(text, "dim" if row else "bold") for text in head], columns, widths)
            for row, head in enumerate(zip(*(column.head for column in columns), strict=True))
            if any(head)
        ]
        for row, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
            styles = ["bold" if row in column.strong else column.style for column in columns]
            parts = [self._parts(*each) for each in zip(cells, columns, widths, strict=True)]
            lines += [
                self._line(list(zip(texts, styles, strict=True)), columns, widths)
                for texts in zip_longest(*parts, fillvalue="")
            ]
        return lines

    def _parts(self, cell: str, column: Column, width: int) -> list[str]:
        if column.prose and self.measure(cell) > width:
            return textwrap.wrap(cell, width, break_on_hyphens=False)
        return cell.split("\n")

    def _line(self, spans: Sequence[Span], columns: Sequence[Column], widths: Sequence[int]) -> Line:
        line: Line = []
        last = max((place for place, (text, _) in enumerate(spans) if text), default=-1)
        for place, ((text, style), column, width) in enumerate(zip(spans, columns, widths, strict=True)):
            if place > last:
                break
            padding = " " * (width - self.measure(text))
            before = padding if column.right else ""
            after = "" if column.right or place == last else padding
            gap = " " * GAP if place else ""
            line += [(gap + before, ""), (text, style), (after, "")]
        return [(text, style) for text, style in line if text]


def _with_prose(columns: Sequence[Column], chosen: Sequence[Column]) -> list[Column]:
    """Return the columns of a block; if it has only one prose column, only the rows with text."""
    if len(chosen) != 1 or not chosen[0].prose:
        return list(columns)
    kept = [place for place, cell in enumerate(chosen[0].cells) if cell]
    return [replace(column, cells=[column.cells[place] for place in kept]) for column in columns]
