"""Columns of text side by side, aligned by the width that a terminal gives each character.

A line is a list of spans, text with a style; whoever prints it decides whether styles show, and says how wide a text
is. Where a width is given, columns that do not fit go below in further blocks, each beginning with the key columns, so
that nothing is cut: a key column is folded only where it would leave no room for a single other one, and only prose is
wrapped between words. A block that has nothing but prose leaves out the rows without any.
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
PROSE = 16  # the least width that text is wrapped to
KEY = 4  # the least width that a key is folded to


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    head
        Its lines above the cells; each column of a block has equally many.
    cells
        From top to bottom.
    right
        Whether the cells end flush rather than begin so.
    prose
        Whether the cells may be wrapped between words.
    style
        Of the cells.
    strong
        Places of the cells that are bold instead.
    """

    head: tuple[str, ...]
    cells: Sequence[str]
    right: bool = False
    prose: bool = False
    style: str = ""
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How much room there is, and how much a text takes.

    Parameters
    ----------
    width
        Of the terminal, in character cells; None for no limit.
    measure
        The width of a text.
    chop
        A text in pieces of at most that width.
    """

    width: int | None
    measure: Callable[[str], int]
    chop: Callable[[str, int], list[str]]

    def blocks(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[list[Line]]:
        """Lay columns out, in as many blocks as the width asks for.

        Parameters
        ----------
        keys
            The first columns of every block; the last of them may be folded.
        columns
            The others. A column without any text is left out.

        Returns
        -------
        list of list of list
            The lines of each block, heading first.
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
        """The same for another width."""
        return replace(self, width=width)

    def blocks_with_margin(
        self, keys: Sequence[Column], columns: Sequence[Column], margin: Sequence[Column]
    ) -> list[list[Line]]:
        """Lay columns out as `blocks` does, with columns at the right margin of the first block, and nothing folded.

        A margin that leaves no room for the first column is left out.
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
        """The width of a column's widest line."""
        lines = (line for text in (*column.head, *column.cells) for line in text.split("\n"))
        return max(map(self.measure, lines), default=0)

    def _least(self, column: Column) -> int:
        """The width that a column can be wrapped to."""
        if not column.prose:
            return self.width_of(column)
        return min(self.width_of(column), max(PROSE, *map(self.measure, column.head)))

    def _folded(self, keys: Sequence[Column], widest: int, width: int) -> list[Column]:
        """The key columns, the last one folded if the widest of the others would not fit beside them."""
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
    """The columns of a block; of one that has only prose to say, the rows that say something."""
    if len(chosen) != 1 or not chosen[0].prose:
        return list(columns)
    kept = [place for place, cell in enumerate(chosen[0].cells) if cell]
    return [replace(column, cells=[column.cells[place] for place in kept]) for column in columns]
