"""Write the table of `segeval table` as CSV, Markdown and LaTeX.

Markdown and LaTeX have notes about missing values below the table; CSV has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, groupby

from segeval.analysis.pivot import Pivot
from segeval.reports.csv_files import csv_file, defused
from segeval.reports.csv_style import PLAIN, CsvStyle
from segeval.reports.markdown import bullets, escaped, pipe_table, table_cell
from segeval.reports.notation import Alphabet
from segeval.reports.pivot_cells import CellTemplate
from segeval.reports.pivot_tables import Board, best_note, board_of

JOINT = " / "  # separator of the levels of a column

_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)
_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def pivot_markdown(pivot: Pivot, template: CellTemplate, *, best: str = "row") -> Iterator[str]:
    """Write the table as Markdown, with the best cells bold, and levels of several column factors in one heading."""
    board = board_of(pivot, template, Alphabet(), best=best)
    heads = [*map(table_cell, board.rows), *(table_cell(JOINT.join(levels)) for levels in board.heads)]
    rows = [
        [
            *map(table_cell, levels),
            *(_bold(table_cell(entry.text)) if entry.best else table_cell(entry.text) for entry in row),
        ]
        for levels, row in zip(board.levels, board.entries, strict=True)
    ]
    right = [False] * len(board.rows) + [True] * len(board.heads)
    notes = [*([best_note(best, "bold")] if board.has_best else []), *board.notes]
    yield f"**{escaped(board.caption)}**\n\n{pipe_table(heads, rows, right=right)}\n\n{bullets(notes)}\n"


def _bold(text: str) -> str:
    return f"**{text.strip()}**"


def pivot_csv(pivot: Pivot, template: CellTemplate, *, best: str = "row", style: CsvStyle = PLAIN) -> Iterator[str]:
    """Write the table as CSV: a column for each row factor, then those of the table, without marks of best cells."""
    board = board_of(pivot, template, Alphabet(dash=""), best=best)
    heading = list(map(defused, [*pivot.rows, *(JOINT.join(levels) for levels in pivot.column_levels)]))
    rows = (
        [*(_level(level, style) for level in levels), *(_cell(entry.text, style) for entry in row)]
        for levels, row in zip(pivot.row_levels, board.entries, strict=True)
    )
    yield from csv_file(chain([heading], rows), style)


def _level(text: str, style: CsvStyle) -> str:
    return text.replace(".", style.decimal) if _DECIMAL.fullmatch(text) else defused(text)


def _cell(text: str, style: CsvStyle) -> str:
    written = _POINT.sub(style.decimal, text)
    return written if _DECIMAL.fullmatch(text) else defused(written)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row, a bracket or a star would be its argument
    "]": "{]}",
    "*": "{*}",
    "\N{UPWARDS ARROW}": r"$\uparrow$",
    "\N{DOWNWARDS ARROW}": r"$\downarrow$",
    "\N{EN DASH}": "--",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    **{character: f"\\{character}" for character in "{}$&#%_"},
}
_LATEX_CHARACTER = re.compile(f"-(?=-)|[{re.escape(''.join(_LATEX))}]")
_MINUS = re.compile(r"(?<![\w.)}-])-(?=\d)")


def latex_escaped(text: str) -> str:
    r"""Escape text for LaTeX.

    Examples
    --------
    >>> print(latex_escaped(r"a_b & 5% \input{x} --"))
    a\_b \& 5\% \textbackslash{}input\{x\} -{}-
    """
    return _LATEX_CHARACTER.sub(lambda found: _LATEX.get(found[0], "-{}"), Alphabet().text(text))


def pivot_latex(pivot: Pivot, template: CellTemplate, *, best: str = "row") -> Iterator[str]:
    """Write the table as LaTeX with booktabs: a heading row for each column factor, best cells bold, notes below."""
    board = board_of(pivot, template, Alphabet(), best=best)
    keys, columns = len(board.rows), len(board.heads)
    notes = [*([best_note(best, "bold")] if board.has_best else []), *board.notes]
    yield "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
    yield f"\\caption{{{latex_escaped(board.caption)}}}\n"
    yield f"\\begin{{tabular}}{{{'l' * keys}{'r' * columns}}}\n\\toprule\n"
    yield from _latex_heads(board)
    yield "\\midrule\n"
    before: tuple[str, ...] = ()
    for levels, row in zip(board.levels, board.entries, strict=True):
        if before and keys > 1 and levels[0] != before[0]:
            yield "\\addlinespace\n"
        shown_levels = [
            "" if levels[: place + 1] == before[: place + 1] else level for place, level in enumerate(levels)
        ]
        cells = [_latex_number(entry.text) for entry in row]
        cells = [f"\\textbf{{{text}}}" if entry.best else text for text, entry in zip(cells, row, strict=True)]
        yield _latex_row([*map(latex_escaped, shown_levels), *cells])
        before = levels
    yield "\\bottomrule\n\\end{tabular}\n\\par\\smallskip\n\\begin{minipage}{\\linewidth}\\footnotesize\n"
    yield "\\par\n".join(f"{latex_escaped(note)}\n" for note in notes)
    yield "\\end{minipage}\n\\end{table}\n"


def _latex_number(text: str) -> str:
    """Escape a cell, with a minus sign instead of a hyphen in numbers."""
    return "$-$".join(map(latex_escaped, _MINUS.split(text)))


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\\n"


def _latex_heads(board: Board) -> Iterator[str]:
    keys, last = len(board.rows), len(board.columns) - 1
    for depth in range(last):
        cells, rules, place = [""] * keys, [], keys + 1
        for levels, columns in groupby(board.heads, key=lambda head: head[: depth + 1]):
            width = len(list(columns))
            cells.append(f"\\multicolumn{{{width}}}{{c}}{{{latex_escaped(levels[-1])}}}")
            rules.append(f"\\cmidrule(lr){{{place}-{place + width - 1}}}")
            place += width
        yield _latex_row(cells) + " ".join(rules) + "\n"
    yield _latex_row([*map(latex_escaped, board.rows), *(latex_escaped(head[last]) for head in board.heads)])
