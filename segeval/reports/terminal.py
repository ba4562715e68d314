"""Lines of text on a terminal or a pipe; the only module that uses rich.

In a terminal headings are bold and asides dim, and a table that is too wide is continued below. A pipe gets the same
text without escape sequences, in 120 columns if 80 are too few. NO_COLOR removes the escape sequences in a terminal,
FORCE_COLOR adds them in a pipe, and COLUMNS sets the width of both. Colours only repeat what the words say. Text from
files never reaches rich as markup.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from segeval.reports.colour import styled
from segeval.reports.layout import Column, Layout, Line
from segeval.reports.notation import Alphabet

PIPE_WIDTH = 120  # columns, unless COLUMNS sets the width
PROSE_WIDTH = 80  # columns of sentences in a pipe
INDENT = 4  # columns, if there is no room for a text next to its title


class Printer:
    """A stream with its width, alphabet and styles.

    Parameters
    ----------
    stream
        Stream to print to; its encoding decides between arrows and ASCII.
    color
        Whether to style the text; by default NO_COLOR, FORCE_COLOR and the stream decide.
    width
        Width of the terminal in characters; by default COLUMNS or the width of the stream.
    """

    def __init__(self, stream: TextIO, *, color: bool | None = None, width: int | None = None) -> None:
        self.alphabet = Alphabet.of(stream.encoding)
        requested = _columns() if width is None else width
        in_terminal = stream.isatty()
        self.width = requested or (_terminal_width(stream) if in_terminal else PIPE_WIDTH)
        self.prose_width = min(self.width, PROSE_WIDTH) if not requested and not in_terminal else self.width
        self.whole_names = width is None and not in_terminal
        self.layout = Layout(width=self.width, measure=text_width, chop=chopped)
        self.stream = stream
        self._styled = styled(stream, color)

    def blocks(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[list[Line]]:
        """Return the blocks of a table, as wide as the stream; see `Layout.blocks`."""
        return self.layout.blocks(keys, columns)

    def table(self, keys: Sequence[Column], columns: Sequence[Column]) -> list[Line]:
        """Return the lines of a table, each block followed by an empty line."""
        return [line for block in self.blocks(keys, columns) for line in [*block, []]]

    def wrapped(self, text: str, *, margin: int = 0) -> list[str]:
        """Wrap a text between words to the width of the stream minus a margin."""
        return wrapped(text, self.prose_width - margin)

    def notes(self, notes: Iterable[str], style: str = "dim") -> list[Line]:
        """Wrap texts to the width of the stream, in one style."""
        return [[(line, style)] for note in notes for line in self.wrapped(note)]

    def hanging(self, rows: Iterable[Sequence[str]], style: str = "") -> list[Line]:
        """Align rows of texts in columns; the last text of a row is wrapped within its column."""
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
            fits = margin + text_width(last) <= self.prose_width
            has_room = 2 * margin <= self.prose_width and margin + longest <= self.prose_width
            if not last or not (fits or has_room):
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
    """Return a line for each title and text, with the texts aligned."""
    facts = list(facts)
    longest = max((len(title) for title, _ in facts), default=0)
    return [[(f"{title:<{longest}}  ", "dim"), (text, "")] for title, text in facts]


def wrapped(text: str, width: int | None) -> list[str]:
    """Wrap a text between words to lines of that width."""
    if width is None or text_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False, break_long_words=False)


def text_width(text: str) -> int:
    """Return how many character cells of a terminal a text takes: two for each CJK character and most emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # deferred: most tables are ASCII except for arrows

    return cell_len(text)


def chopped(text: str, width: int) -> list[str]:
    """Cut a text into pieces of at most that width."""
    from rich.cells import chop_cells

    return chop_cells(text, width)


def _columns() -> int | None:
    """Return the width from the variable COLUMNS, if it is set."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else None


def _terminal_width(stream: TextIO) -> int:
    """Return the width of a terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
