"""The table that `score` and `batch` print: a row for each label, their mean, and the mean where the label was found.

Below 100 columns a heading takes two lines and a long name is cut in the middle; from 100 columns on, and in a pipe,
names are whole. Metrics that do not fit next to each other go below, with the names repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from segeval.reports.layout import GAP, Column, Line
from segeval.reports.notation import Heading
from segeval.reports.table import Head, Table
from segeval.reports.terminal import Printer, text_width

WIDE = 100  # columns; from this width on a heading takes one line and names are whole
SHORTEST_NAME, LONGEST_NAME = 11, 16  # "where found" has 11 letters
LONG_TOKEN = 10  # letters of a metric without an underscore that stay on one line
HYPHENATED = {"sensitivity": ("sensi-", "tivity"), "specificity": ("speci-", "ficity")}
STARRED = "*"  # marks a mean over fewer cases than the n of its row

MISSED, FALSE_ALARM = "missed", "false alarm"
SHORTENED = {FALSE_ALARM: "false"}  # if there is no room for the whole words
STYLES = {MISSED: "red", FALSE_ALARM: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One label, one region, or a mean over labels.

    Parameters
    ----------
    number
        Number of the label; empty for a region and for a mean.
    name
        Name of the label; empty if it has none.
    cells
        A score for each heading.
    n
        Number of cases with a value; empty if there is only one case.
    note
        For one case: ``"missed"``, ``"false alarm"``, or empty.
    missed, false_alarms
        For several cases, how many missed the label and how many have a false alarm; None if they are not counted.
    style
        Style of the whole row.
    """

    number: str
    name: str
    cells: tuple[str, ...]
    n: str = ""
    note: str = ""
    missed: int | None = None
    false_alarms: int | None = None
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """The scores of one case or the means of several.

    Parameters
    ----------
    headings
        Headings of the metrics.
    rows
        Rows of labels, then of regions.
    means
        Rows below them: the mean, and the mean where labels were found.
    more
        Number of rows that are not shown, in words; empty if all are shown.
    """

    headings: tuple[Heading, ...]
    rows: tuple[ScoreRow, ...]
    means: tuple[ScoreRow, ...] = ()
    more: str = ""
    all_rows: tuple[ScoreRow, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "all_rows", (*self.rows, *self.means))

    @property
    def plain(self) -> Table:
        """The table as texts, for Markdown and pages."""
        heads = (
            Head(title="label" if any(row.number for row in self.rows) else "", key=True, right=True),
            Head(title="name" if any(row.name for row in self.all_rows) else "", key=True),
            Head(title="n", key=True, right=True),
            *(Head(title=heading.title, unit=heading.unit, right=True) for heading in self.headings),
            Head(title=MISSED, right=True),
            Head(title=f"{FALSE_ALARM}s", right=True),
            Head(title="note"),
        )
        missed, alarms = self._counts()
        rows = tuple(
            (row.number, row.name, row.n, *row.cells, *counts, row.note)
            for row, counts in zip(self.all_rows, zip(missed, alarms, strict=True), strict=True)
        )
        return Table(heads=heads, rows=rows, notes=(self.more,) if self.more else ())

    def _counts(self) -> tuple[list[str], ...]:
        """Return how often each row was missed and was a false alarm; a column with only zeros is empty."""
        missed = [row.missed for row in self.all_rows]
        alarms = [row.false_alarms for row in self.all_rows]
        return tuple(
            ["" if count is None or not any(counts) else str(count) for count in counts] for counts in (missed, alarms)
        )

    def lines(self, printer: Printer) -> list[Line]:
        """Return the lines of the table on a terminal or a pipe, each block followed by an empty line."""
        narrow = printer.whole_names and printer.prose_width < WIDE  # in a pipe, the narrow table is tried first
        tries = [(printer.prose_width, False)] if narrow else []
        tries += [(printer.width, True)] if printer.width >= WIDE else []
        for width, wide in tries:
            lines = self._laid_out(printer, width, one_line=wide, whole=True)
            if sum(not line for line in lines) == 1:
                return lines
        return self._laid_out(
            printer, printer.width, one_line=False, whole=printer.whole_names or printer.width >= WIDE
        )

    def _laid_out(self, printer: Printer, width: int, *, one_line: bool, whole: bool) -> list[Line]:
        metrics = [self._column(place, one_line=one_line) for place in range(len(self.headings))]
        margin = self._margin(one_line=one_line)
        numbers = max((len(row.number) for row in self.all_rows), default=0)
        longest = max((text_width(row.name) for row in self.all_rows), default=0)

        def room() -> int:
            counts = max((len(row.n) + GAP for row in self.all_rows if row.n), default=0)
            return width - sum(_width(column) + GAP for column in [*metrics, *margin]) - numbers - 1 - counts

        if not whole and room() < min(longest, LONGEST_NAME):  # the whole words would shorten the names
            margin = [replace(each, cells=[SHORTENED.get(cell, cell) for cell in each.cells]) for each in margin]
        letters = longest if whole else max(SHORTEST_NAME, min(LONGEST_NAME, room()))
        names = [cut(row.name, letters, printer.alphabet.ellipsis) for row in self.all_rows]
        indent = numbers + 1 if numbers else 0
        titles = [
            f"{row.number:>{indent - 1}} {name}" if indent else name
            for row, name in zip(self.all_rows, names, strict=True)
        ]
        keys = [
            Column(head=_head("", one_line=one_line), cells=[title.rstrip() for title in titles]),
            Column(head=_head("n", one_line=one_line), cells=[row.n for row in self.all_rows], right=True),
        ]
        blocks = printer.layout.within(width).blocks_with_margin(keys, metrics, margin)
        return [line for block in blocks for line in [*self._styled(block, indent), []]]

    def _column(self, place: int, *, one_line: bool) -> Column:
        heading = self.headings[place]
        cells = [row.cells[place] for row in self.all_rows]
        head: tuple[str, ...] = (heading.line,) if one_line else two_lines(heading)
        if any(cell.endswith(STARRED) for cell in cells):  # numbers stay aligned, with stars to their right
            cells = [cell if cell.endswith(STARRED) else f"{cell} " for cell in cells]
            head = tuple(f"{line} " if line else "" for line in head)
        return Column(head=head, cells=cells, right=True)

    def _margin(self, *, one_line: bool) -> list[Column]:
        notes = Column(head=_head("", one_line=one_line), cells=[row.note for row in self.all_rows])
        if not one_line:
            return [notes]
        missed, alarms = self._counts()
        return [
            notes,
            Column(head=(MISSED,), cells=missed, right=True),
            Column(head=(f"{FALSE_ALARM}s",), cells=alarms, right=True),
        ]

    def _styled(self, block: Sequence[Line], indent: int) -> list[Line]:
        """Return the lines of a block with the styles of their rows, and the line with the number of hidden rows."""
        heads = len(block) - len(self.all_rows)
        lines = [[(text, "bold") for text, _ in line] for line in block[:heads]]
        for place, row in enumerate(self.all_rows):
            if self.more and place == len(self.rows):
                lines.append([(" " * indent + self.more, "")])
            lines.append([(text, row.style) for text, _ in block[heads + place]])
        return lines


def note_style(note: str) -> str:
    """Return the colour of a row with a note."""
    return STYLES.get(note, "")


def _width(column: Column) -> int:
    """Return the width of a column; a column without text takes no room, including its gap."""
    return max(map(text_width, (*column.head, *column.cells))) if any(column.cells) else -GAP


def _head(title: str, *, one_line: bool) -> tuple[str, ...]:
    return (title,) if one_line else (title, "")


def two_lines(heading: Heading) -> tuple[str, str]:
    """Return a heading in two lines: the metric, then its arrow and unit; a long name is broken.

    Examples
    --------
    >>> two_lines(Heading(token="hd@95", arrow="v", unit="mm"))
    ('hd@95', 'v mm')
    >>> two_lines(Heading(token="specificity", arrow="^", unit=""))
    ('speci-', 'ficity ^')
    >>> two_lines(Heading(token="relative_volume_error", arrow="v", unit=""))
    ('relative_', 'volume_error v')
    """
    token, tail = heading.token, f"{heading.arrow} {heading.unit}".strip()
    if token in HYPHENATED:
        top, bottom = HYPHENATED[token]
        return top, f"{bottom} {tail}".rstrip()
    breaks = [place + 1 for place, letter in enumerate(token) if letter == "_"]
    if len(token) <= LONG_TOKEN or not breaks:
        return token, tail
    best = min(breaks, key=lambda place: max(place, len(token) - place + len(tail) + 1))
    return token[:best], f"{token[best:]} {tail}".rstrip()


def cut(name: str, letters: int, ellipsis: str) -> str:
    """Shorten a name to at most that many letters by cutting its middle, so that its end is kept.

    Examples
    --------
    >>> cut("adrenal_gland_right", 16, "~"), cut("liver", 16, "~")
    ('adrenal~nd_right', 'liver')
    """
    if text_width(name) <= letters:
        return name
    head = (letters - len(ellipsis)) // 2
    start, end = name, name
    while text_width(start) > head:
        start = start[:-1]
    while text_width(end) > letters - len(ellipsis) - head:
        end = end[1:]
    return f"{start}{ellipsis}{end}"
