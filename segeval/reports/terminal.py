"""Lines of text on a terminal or a pipe; the home of rich.

In a terminal headings are bold and asides dim, and a table that is too wide is continued below. A pipe gets the same
text without escape sequences, 120 columns wide where 80 are too few. NO_COLOR takes the escape sequences from a
terminal, FORCE_COLOR gives them to a pipe, COLUMNS sets the width of either. Colour never says what a word does not.
Text from files never reaches rich as markup.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from segeval.reports.colour import styled
from segeval.reports.layout import Column, Layout, Line
from segeval.reports.notation import Alphabet

PIPE_WIDTH = 120  # columns, where COLUMNS does not say otherwise
PROSE_WIDTH = 80  # columns of sentences in a pipe
INDENT = 4  # columns, of a text that has no room beside its title


class Printer:
    """A stream, with all that decides how a text looks on it.

    Parameters
    ----------
    stream
        Where to; its encoding decides between arrows and ASCII.
    color
        Whether to style the text; None asks NO_COLOR, FORCE_COLOR and the stream.
    width
        Of the terminal, in characters; None asks COLUMNS and the stream.
    """

    def __init__(self, stream: TextIO, *, color: bool | None = None, width: int | None = None) -> None:
        self.alphabet = Alphabet.of(stream.encoding)
        asked = _columns() if width is None else width
        in_terminal = stream.isatty()
        self.width = asked or (_terminal_width(stream) if in_terminal else PIPE_WIDTH)
        self.prose_width = min(self.width, PROSE_WIDTH) if not asked and not in_terminal else self.width
        self.whole_names = width is None and not in_terminal
        self.layout = Layout(width=self.width, measure=text_width, chop=chopped)
        self.stream = stream
        self._styled = styled(stream, color)

    def blocks(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[list[Line]]:
        """The blocks of a table, as wide as the stream; see `Layout.blocks`."""
        return self.layout.blocks(keys, columns)

    def table(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[Line]:
        """The lines of a table, each block followed by an empty line."""
        return [line for block in self.blocks(keys, columns) for line in [*block, []]]

    def wrapped(self, text: str, *, margin: int = 0) -> list[str]:
        """A text in lines as wide as the stream without a margin, broken between words."""
        return wrapped(text, self.prose_width - margin)

    def notes(self, notes: Iterable[str], style: str = "dim") -> list[Line]:
        """Texts in that style, each in lines as wide as the stream."""
        return [[(line, style)] for note in notes for line in self.wrapped(note)]

    def hanging(self, rows: Iterable[Sequence[str]], style: str = "") -> list[Line]:
        """Rows of texts, one below the other by columns; the last text of a row is wrapped and hangs."""
        rows = [tuple(row) for row in rows]
        places = max((len(row) for row in rows), default=0)
        widths = [
            max((text_width(row[place]) for row in rows if place < len(row) - 1), default=0) for place in range(places)
        ]
        lines: list[Line] = []
        for *cells, last in rows:
            start = "".join(f"{cell}{' ' * (widths[place] - text_width(cell))}  " for place, cell in enumerate(cells))
            margin = text_width(start)
            longest = max(map(text_width, last.split()), default=0)
            if not last or 2 * margin > self.prose_width or margin + longest > self.prose_width:  # no room beside it
                lines.append([(start.rstrip(), style)])
                start, margin = " " * INDENT, INDENT
            more = self.wrapped(last, margin=margin) if last else []
            lines += [[((" " * margin if place else start) + line, style)] for place, line in enumerate(more)]
        return lines

    def print(self, lines: Sequence[Line]) -> None:
        """Write the lines."""
        if not self._styled:
            self.stream.write("".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines))
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(
            file=self.stream,
            force_terminal=True,
            color_system="standard",
            no_color=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        text = Text("\n").join(Text.assemble(*line) for line in lines)
        console.print(text, soft_wrap=True)


def fact_lines(facts: Iterable[tuple[str, str]]) -> list[Line]:
    """A line for each title and text, the texts below one another."""
    facts = list(facts)
    longest = max((len(title) for title, _ in facts), default=0)
    return [[(f"{title:<{longest}}  ", "dim"), (text, "")] for title, text in facts]


def wrapped(text: str, width: int | None) -> list[str]:
    """A text in lines of that width, broken between words."""
    if width is None or text_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False, break_long_words=False)


def text_width(text: str) -> int:
    """How many character cells of a terminal a text takes: two for each CJK character and most emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # deferred: most tables are ASCII but for arrows

    return cell_len(text)


def chopped(text: str, width: int) -> list[str]:
    """A text in pieces of at most that width."""
    from rich.cells import chop_cells

    return chop_cells(text, width)


def _columns() -> int | None:
    """The width that COLUMNS sets, if it does."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else None


def _terminal_width(stream: TextIO) -> int:
    """How wide a terminal is."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
