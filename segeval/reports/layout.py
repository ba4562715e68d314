"""Columns of text side by side, aligned by the width that a terminal gives each character.

A line is a list of spans, text with a style; whoever prints it decides whether styles show. Where a width is given,
columns that do not fit go below in further blocks, each of which begins with the key columns, so that nothing is cut: a
key column is folded only where it would leave no room for a single other one, and only prose is wrapped between words.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

Span = tuple[str, str]
Line = list[Span]

GAP = 2
PROSE = 16  # the least width that text is wrapped to


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
    """

    head: tuple[str, ...]
    cells: Sequence[str]
    right: bool = False
    prose: bool = False
    style: str = ""

    @property
    def width(self) -> int:
        """Of its widest line."""
        return max(map(text_width, (*self.head, *self.cells)), default=0)

    @property
    def least(self) -> int:
        """The width that it can be wrapped to."""
        head = max(map(text_width, self.head), default=0)
        return min(self.width, max(PROSE, head)) if self.prose else self.width


def text_width(text: str) -> int:
    """How many character cells of a terminal a text takes: two for each CJK character and most emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # deferred: most tables are ASCII but for arrows

    return cell_len(text)


def blocks(keys: Sequence[Column], columns: Sequence[Column], *, width: int | None) -> list[list[Line]]:
    """Lay columns out, in as many blocks as the width asks for.

    Parameters
    ----------
    keys
        The first columns of every block; the last of them may be folded.
    columns
        The others.
    width
        Of the terminal; None for no limit.

    Returns
    -------
    list of list of list
        The lines of each block, heading first.
    """
    keys = [column for column in keys if column.width]
    columns = [column for column in columns if column.width]
    if width is not None:
        keys = _folded(keys, max((column.least for column in columns), default=0), width)
    free = None if width is None else width - sum(column.width + GAP for column in keys)
    found: list[list[Column]] = [[]]
    for column in columns:
        if free is not None and found[-1] and _least([*found[-1], column]) > free:
            found.append([])
        found[-1].append(column)
    return [_lines([*keys, *chosen], width) for chosen in found]


def _least(columns: Sequence[Column]) -> int:
    return sum(column.least + GAP for column in columns) - GAP


def _folded(keys: Sequence[Column], widest: int, width: int) -> list[Column]:
    """The key columns, the last one folded if the widest of the others would not fit beside them."""
    if not keys:
        return []
    *others, last = keys
    room = width - sum(column.width + GAP for column in others) - (widest + GAP if widest else 0)
    if last.width <= room:
        return list(keys)
    room = max(room, 4)
    return [*others, replace(last, cells=["\n".join(_chopped(cell, room)) for cell in last.cells])]


def _chopped(text: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(text, width) or [""]


def _lines(columns: Sequence[Column], width: int | None) -> list[Line]:
    widths = [
        max((text_width(line) for cell in (*c.head, *c.cells) for line in cell.split("\n")), default=0) for c in columns
    ]
    for place, column in enumerate(columns):
        if column.prose and width is not None:
            others = sum(other + GAP for other in widths) - widths[place] - GAP
            widths[place] = min(widths[place], max(width - others, column.least))
    lines = [
        _line([(text, "bold" if row == 0 else "dim") for text in head], columns, widths)
        for row, head in enumerate(zip(*(column.head for column in columns), strict=True))
        if any(head)
    ]
    for cells in zip(*(column.cells for column in columns), strict=True):
        parts = [_parts(cell, column, wide) for cell, column, wide in zip(cells, columns, widths, strict=True)]
        lines += [
            _line([(text, column.style) for text, column in zip(texts, columns, strict=True)], columns, widths)
            for texts in zip_longest(*parts, fillvalue="")
        ]
    return lines


def _parts(cell: str, column: Column, width: int) -> list[str]:
    if column.prose and text_width(cell) > width:
        return textwrap.wrap(cell, max(width, 1), break_on_hyphens=False) or [""]
    return cell.split("\n")


def _line(spans: Sequence[Span], columns: Sequence[Column], widths: Sequence[int]) -> Line:
    line: Line = []
    last = max((place for place, (text, _) in enumerate(spans) if text), default=-1)
    for place, ((text, style), column, width) in enumerate(zip(spans, columns, widths, strict=True)):
        if place > last:
            break
        padding = " " * (width - text_width(text))
        before = padding if column.right else ""
        after = "" if column.right or place == last else padding
        gap = " " * GAP if place else ""
        line += [(gap + before, ""), (text, style), (after, "")]
    return [(text, style) for text, style in line if text]
