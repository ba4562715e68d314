"""Lines of text on a terminal or a pipe; the home of rich.

In a terminal headings are bold and asides dim, and a table that is too wide is continued below. A pipe gets the same
text without a single escape sequence, as wide as it needs, so that grep and awk find whole rows. NO_COLOR takes the
escape sequences from a terminal, FORCE_COLOR gives them to a pipe, COLUMNS sets the width of either. Colour never says
what a word does not. Text from files never reaches rich as markup. Nothing is ever cut.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from segeval.reports.layout import Column, Layout, Line
from segeval.reports.notation import Alphabet


class Printer:
    """A stream, with all that decides how a text looks on it.

    Parameters
    ----------
    stream
        Where to; its encoding decides between arrows and ASCII.
    color
        Whether to style the text; None asks NO_COLOR, FORCE_COLOR and the stream.
    width
        Of the terminal, in characters; None asks COLUMNS and the stream, and a pipe has none.
    """

    def __init__(self, stream: TextIO, *, color: bool | None = None, width: int | None = None) -> None:
        self.alphabet = Alphabet.of(stream.encoding)
        self.width = _width(stream) if width is None else width
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
        return wrapped(text, None if self.width is None else self.width - margin)

    def notes(self, notes: Iterable[str], style: str = "dim") -> list[Line]:
        """Texts in that style, each in lines as wide as the stream."""
        return [[(line, style)] for note in notes for line in self.wrapped(note)]

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


def styled(stream: TextIO, color: bool | None) -> bool:
    """Whether text for a stream has colours; without an answer in `color`, the environment and the stream decide."""
    if color is not None:
        return color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _width(stream: TextIO) -> int | None:
    """How wide the stream is; None where it does not end."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
