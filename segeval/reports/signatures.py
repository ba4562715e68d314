"""The signature below a printed table: the conventions that the printed numbers depend on, in at most two lines."""

from __future__ import annotations

from segeval.reports.layout import Line
from segeval.reports.terminal import Printer, text_width
from segeval.results.results import Results

MOST_LINES = 2
SEPARATOR = " | "
USUAL = ("surface voxel", "percentile directed", "penalty diagonal", "absent class max", "tolerance 1 ")
IN_FULL = "... (whole signature: -v)"


def short_signature(footnote: str) -> str:
    """Return the footnote of results with the separator of signatures."""
    return footnote.replace("; ", SEPARATOR)


def signature_lines(results: Results, printer: Printer, *, whole: bool = False) -> list[Line]:
    """Return the lines of the signature.

    Parameters
    ----------
    results
        Results; their footnote states the conventions that their metrics depend on, the signature states all.
    printer
        Printer, which sets the width of the lines.
    whole
        Whether to return the whole signature on as many lines as it takes.
    """
    short = results.footnote and not whole
    statements = (short_signature(results.footnote) if short else results.signature).split(SEPARATOR)
    lines = _packed([printer.alphabet.text(each) for each in statements], printer.prose_width)
    if not whole and len(lines) > MOST_LINES:  # what was chosen says more than what is usual
        statements.sort(key=lambda each: each.startswith(USUAL))
        lines = _packed([printer.alphabet.text(each) for each in statements], printer.prose_width)
        lines = [lines[0], _shortened(lines[1], printer.prose_width)]
    return [[(line, "dim")] for line in lines]


def _packed(statements: list[str], width: int) -> list[str]:
    """Pack statements into lines of that width; a line breaks after a separator or, in a statement, between words."""
    lines = [""]
    for place, statement in enumerate(statements):
        words = statement.split(" ")
        tail = SEPARATOR.rstrip() if place < len(statements) - 1 else ""
        words[-1] += tail
        for word in words:
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if text_width(longer) <= width or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
    return lines


def _shortened(line: str, width: int) -> str:
    words = line.split(" ")
    while words and text_width(" ".join([*words, IN_FULL])) > width:
        words.pop()
    return " ".join([*words, IN_FULL])
