"""GitHub-flavoured Markdown, to be pasted into a report or a pull request: the cells of the console's table.

Names come from files, so whatever Markdown or HTML would read in them is escaped: they show as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from segeval.metrics import Direction, Metric
from segeval.reports.sheets import UNITS, Alphabet, Heading, Sheet, asked, found, sheets
from segeval.results import Results

# an underscore inside a word is no emphasis, and escaping it would make names hard to read in the source
_MARKUP = re.compile(r"[\\`*\[\]~$]|@(?=[\w-]+\.)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(results: Results) -> str:
    """A table per case, its footnotes, and the signature.

    Parameters
    ----------
    results
        Of any number of cases.

    Returns
    -------
    str
        Ends in a newline.
    """
    parts = []
    for sheet, record in zip(sheets(results, Alphabet()), results.cases, strict=True):
        parts += _case(sheet, record.warnings)
    if results.gate:
        rows = [
            [
                _cell(verdict.requirement),
                found(verdict),
                "passed" if verdict.passed else "**FAILED**",
            ]
            for verdict in results.gate
        ]
        parts.append(_table(["requirement", "found", ""], rows, right=[False, True, False]))
    parts.append(f"<sub>{escaped(results.signature)}</sub>")
    return "\n\n".join(parts) + "\n"


def metrics_table(cards: Iterable[Metric]) -> str:
    """The metrics as a table: how each is asked for, what it is, its unit, which way is better, its formula.

    Parameters
    ----------
    cards
        In the order of the rows.

    Returns
    -------
    str
        Ends in a newline.
    """
    rows = [
        [
            ", ".join(f"`{name}`" for name in (asked(card), *card.aliases)),
            _cell(card.title),
            UNITS.get(card.quantity, ""),
            "" if card.better is Direction.NEITHER else str(card.better),
            _cell(card.formula),
        ]
        for card in cards
    ]
    return _table(["metric", "title", "unit", "better", "formula"], rows, right=[False] * 5) + "\n"


def escaped(text: object) -> str:
    r"""Text that Markdown renders as itself, on one line; in a table its bars need escaping besides.

    Examples
    --------
    >>> print(escaped("<i> [x](y) *lung_left*"))
    &lt;i&gt; \[x\](y) \*lung_left\*
    """
    return _MARKUP.sub(lambda found: f"\\{found[0]}", Alphabet().text(text)).translate(_ENTITIES)


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|")


def _case(sheet: Sheet, warnings: Iterable[str]) -> list[str]:
    parts = [_list(f"{title}: {text}" for title, text in sheet.facts)]
    if sheet.rows:
        with_names, with_notes = any(row.name for row in sheet.rows), any(row.note for row in sheet.rows)
        head = ["label", *(["name"] if with_names else []), *map(_title, sheet.headings)]
        rows = [
            [row.number, *([_cell(row.name)] if with_names else []), *row.cells]
            + ([_cell(row.note)] if with_notes else [])
            for row in sheet.rows
        ]
        right = [True, *([False] if with_names else []), *[True] * len(sheet.headings)]
        parts.append(_table(head + ["note"] * with_notes, rows, right=right + [False] * with_notes))
    if sheet.overall:
        parts.append(_table(["over all labels", "value"], [list(pair) for pair in sheet.overall], right=[False, True]))
    footnotes = [*sheet.footnotes, *(f"Warning: {warning}" for warning in warnings)]
    if footnotes:
        parts.append(_list(footnotes))
    return parts


def _title(heading: Heading) -> str:
    return heading.title + (f" {heading.unit}" if heading.unit else "")


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[bool]) -> str:
    rule = ["---:" if flush else ":---" for flush in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
