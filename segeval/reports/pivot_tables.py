"""The table of a paper: scores by rows and columns of factors, as Markdown, LaTeX and CSV.

What a cell says is a template of the user's, ``{median:.2f} ({iqr:.2f})``. It may name statistics and say how many
digits they have, nothing else: no attribute of anything is reached through it. The best cell is told by its first
statistic, as it is printed, so that two cells that read the same are both the best. What is missing is said below the
table; CSV has no room for that, and whoever writes it says it elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import Formatter

from segeval.analysis.pivot import LABEL, METRIC, NAME, Cell, Pivot, direction_of, unit_of
from segeval.errors import UsageError, shown
from segeval.reading.case_tables import enumerated
from segeval.reports.case_table import Alphabet
from segeval.reports.csv_files import csv_lines, defused
from segeval.reports.markdown import bullets, escaped, pipe_table, table_cell

FIELDS = ("median", "iqr", "q1", "q3", "mean", "sd", "n", "n_missing", "min", "max")
COUNTS = ("n", "n_missing")
DIRECTED = ("median", "q1", "q3", "mean", "min", "max")  # better the way their metric is
BEST = ("row", "column", "table", "none")
DEFAULT_CELL = "{median:.2f} ({iqr:.2f})"
JOINT = " / "  # between the levels of a column in one line

_WORDS = {"n_missing": "missing", "iqr": "interquartile range"}
_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?0?\d{0,2}[,_]?(?:\.\d{1,2})?[a-zA-Z%]?", re.DOTALL)
_NEGATIVE_ZERO = re.compile(r"-(0(?:\.0*)?)")
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    """A text, and the statistic behind it, if there is one."""

    text: str
    field: str | None
    spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTemplate:
    """What a cell says.

    Parameters
    ----------
    parts
        Texts and statistics in their order.
    """

    parts: tuple[_Part, ...]

    @property
    def field(self) -> str:
        """The first statistic, which tells the best cell."""
        return next(part.field for part in self.parts if part.field)

    def text(self, cell: Cell, *, dash: str) -> str:
        """The text of a cell with values; `dash` stands for a statistic that they do not have."""
        return "".join(part.text + self._statistic(part, cell, dash) for part in self.parts)

    def first(self, cell: Cell) -> str:
        """The first statistic as it is printed."""
        return next(self._statistic(part, cell, "") for part in self.parts if part.field)

    def words(self) -> str:
        """What the cells say: ``"median (interquartile range)"``."""
        return "".join(part.text + _WORDS.get(part.field or "", part.field or "") for part in self.parts)

    def _statistic(self, part: _Part, cell: Cell, dash: str) -> str:
        if part.field is None:
            return ""
        value = getattr(cell, part.field)  # one of FIELDS
        if value is None:
            return dash
        text = format(value, part.spec)
        return _NEGATIVE_ZERO.sub(r"\1", text) if _NEGATIVE_ZERO.fullmatch(text) else text


def read_template(text: str) -> CellTemplate:
    """Read the template of a cell.

    Parameters
    ----------
    text
        Statistics in braces, each with a format behind a colon, and anything around them.

    Raises
    ------
    UsageError
        No statistic, one that there is not, or a format that it does not take.

    Examples
    --------
    >>> read_template("{mean:.3f} +- {sd:.3f}").words()
    'mean +- sd'
    """
    known = f"there are {', '.join(FIELDS)}"
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--cell {shown(text)!r}: {error}", hint="{{ and }} stand for braces") from None
    parts: list[_Part] = []
    for literal, name, spec, conversion in parsed:
        if name is not None and name not in FIELDS:
            raise UsageError(f"--cell has no field {shown(name)!r}", hint=known)
        if conversion is not None:
            raise UsageError(f"--cell takes no conversion, found !{shown(conversion)}", hint="write {median:.2f}")
        if name is not None:
            _check_spec(name, spec or "")
        parts.append(_Part(literal, name, spec or ""))
    if all(part.field is None for part in parts):
        raise UsageError(f"--cell has no field in braces, found {shown(text)!r}", hint=known)
    return CellTemplate(parts=tuple(parts))


def _check_spec(name: str, spec: str) -> None:
    fits = bool(_SPEC.fullmatch(spec))
    if fits:
        try:
            format(7 if name in COUNTS else 0.5, spec)
        except ValueError:
            fits = False
    if not fits:
        example = f"{{{name}}}" if name in COUNTS else f"{{{name}:.2f}}"
        raise UsageError(f"--cell {name} takes no format {shown(spec)!r}", hint=f"such as {example}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell as it is printed, and whether it is the best."""

    text: str
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A pivot as texts.

    Parameters
    ----------
    caption
        What the cells say, of what.
    rows, columns
        The factors.
    heads
        The levels of each column.
    levels
        The levels of each row.
    entries
        The cells of each row.
    notes
        What is missing, and what else a reader must know.
    """

    caption: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    heads: tuple[tuple[str, ...], ...]
    levels: tuple[tuple[str, ...], ...]
    entries: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...]

    @property
    def has_best(self) -> bool:
        """Whether a cell is marked."""
        return any(entry.best for row in self.entries for entry in row)


def board_of(pivot: Pivot, template: CellTemplate, alphabet: Alphabet, *, best: str = "row") -> Board:
    """Lay a pivot out.

    Parameters
    ----------
    pivot
        The numbers.
    template
        What a cell says.
    alphabet
        Of the reader's end.
    best
        One of `BEST`: what the best cell is the best of, among cells of one metric.
    """
    chosen = _best(pivot, template, best)
    entries = []
    for row in pivot.row_levels:
        line = []
        for column in pivot.column_levels:
            cell = pivot.cells.get((row, column))
            text = template.text(cell, dash=alphabet.dash) if cell is not None and cell.n else alphabet.dash
            line.append(Entry(alphabet.text(text), (row, column) in chosen))
        entries.append(tuple(line))
    return Board(
        caption=_caption(pivot, template, alphabet),
        rows=tuple(map(alphabet.text, pivot.rows)),
        columns=tuple(map(alphabet.text, pivot.columns)),
        heads=tuple(_levels(pivot, pivot.columns, each, alphabet) for each in pivot.column_levels),
        levels=tuple(_levels(pivot, pivot.rows, each, alphabet) for each in pivot.row_levels),
        entries=tuple(entries),
        notes=tuple(alphabet.text(note) for note in notes_of(pivot, alphabet)),
    )


def _levels(pivot: Pivot, factors: Sequence[str], levels: Sequence[str], alphabet: Alphabet) -> tuple[str, ...]:
    return tuple(
        _titled(pivot, level, alphabet) if factor == METRIC else alphabet.text(level)
        for factor, level in zip(factors, levels, strict=True)
    )


def _titled(pivot: Pivot, metric: str, alphabet: Alphabet) -> str:
    arrow = {"higher": alphabet.higher, "lower": alphabet.lower}.get(direction_of(metric), "")
    return alphabet.text(" ".join(filter(None, [metric, arrow, unit_of(metric, pivot.cells.values())])))


def _caption(pivot: Pivot, template: CellTemplate, alphabet: Alphabet) -> str:
    words = template.words()
    if METRIC not in pivot.factors:
        alone = f" of {pivot.labels[0]}" if len(pivot.labels) == 1 and not {LABEL, NAME} & set(pivot.factors) else ""
        words = f"{_titled(pivot, pivot.metrics[0], alphabet)}{alone}: {words}"
    elif len(pivot.labels) == 1 and not {LABEL, NAME} & set(pivot.factors):
        words = f"{pivot.labels[0]}: {words}"
    return alphabet.text(f"{words}; rows: {', '.join(pivot.rows)}; columns: {', '.join(pivot.columns)}")


def _best(pivot: Pivot, template: CellTemplate, best: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The best cells, of two or more: those that print like the one with the best first statistic."""
    if best == "none" or template.field not in DIRECTED:
        return set()
    groups: dict[tuple[object, str], list[tuple[float, str, tuple[tuple[str, ...], tuple[str, ...]]]]] = {}
    for (row, column), cell in pivot.cells.items():
        value = getattr(cell, template.field)
        if value is not None:
            of = {"row": row, "column": column, "table": None}[best]
            groups.setdefault((of, cell.metric), []).append((value, template.first(cell), (row, column)))
    chosen = set()
    for (_, metric), group in groups.items():
        better = {"higher": max, "lower": min}.get(direction_of(metric))
        if better is not None and len(group) > 1:
            _, text, _ = better(group)
            chosen |= {place for _, each, place in group if each == text}
    return chosen


def notes_of(pivot: Pivot, alphabet: Alphabet) -> list[str]:
    """What is missing from a pivot, and what its cells are over."""
    cells = list(pivot.cells.values())
    counts = [cell.n for cell in cells]
    low, high = min(counts), max(counts)
    notes = [
        f"n: {_counted(low, 'value')} in each cell"
        if low == high
        else f"n: {low} to {high} values in a cell, {{n}} shows it"
    ]
    if pivot.together:
        notes.append(f"values of {len(pivot.labels)} labels together: {enumerated(pivot.labels)}")
    if pivot.left_out:
        notes.append(f"not in the cells: {enumerated(pivot.left_out)}, which --label or the factor label shows")
    if pivot.repeated:
        notes.append(f"{_counted(pivot.repeated, 'case')} in several files, whose values are together")
    if pivot.undefined:
        total = sum(pivot.undefined.values())
        reasons = "; ".join(
            reason + (f" ({count})" if len(pivot.undefined) > 1 else "")
            for reason, count in sorted(pivot.undefined.items())
        )
        notes.append(f"undefined: {_counted(total, 'value')}, {reasons}")
    if pivot.absent:
        notes.append(f"without the label in either map: {_counted(pivot.absent, 'value')}")
    if pivot.unscored:
        total = sum(pivot.unscored.values())
        notes.append(
            f"not scored: {_counted(total, 'case')}, "
            + ", ".join(f"{count} {status}" for status, count in sorted(pivot.unscored.items()))
        )
    if pivot.unknown:
        names = enumerated(pivot.unknown)
        notes.append(f"in no cell: {_counted(len(pivot.unknown), 'case')} without metadata, {names}")
    empty = len(pivot.row_levels) * len(pivot.column_levels) - len(cells)
    if empty:
        notes.append(f"{alphabet.dash} no case: {_counted(empty, 'cell')}")
    if any(cell.n == 0 for cell in cells):
        notes.append(f"{alphabet.dash} no value: {_counted(sum(cell.n == 0 for cell in cells), 'cell')}")
    return notes + _signatures(pivot)


def _signatures(pivot: Pivot) -> list[str]:
    """The conventions behind the numbers; where files differ, each with its own."""
    by_text: dict[str, list[str]] = {}
    for name, signature in pivot.signatures.items():
        by_text.setdefault(signature, []).append(name)
    if len(by_text) == 1:
        return list(by_text)
    return ["the files rest on different conventions:", *(f"{enumerated(by_text[text])}: {text}" for text in by_text)]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def best_note(best: str, mark: str) -> str:
    """What a mark at a cell means."""
    return f"{mark}: the best of its {best}" if best != "table" else f"{mark}: the best of the table"


def pivot_markdown(pivot: Pivot, template: CellTemplate, *, best: str = "row") -> Iterator[str]:
    """The table as Markdown, the best cells bold, levels of several column factors in one heading."""
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


def pivot_csv(pivot: Pivot, template: CellTemplate, *, best: str = "row") -> Iterator[str]:
    """The table as CSV: a column per row factor, then one per column of the table; nothing marks the best cell."""
    board = board_of(pivot, template, Alphabet(dash=""), best=best)
    plain = [JOINT.join(levels) for levels in pivot.column_levels]
    yield from csv_lines([list(map(defused, [*pivot.rows, *plain]))])
    for levels, row in zip(pivot.row_levels, board.entries, strict=True):
        yield from csv_lines([[*map(_number_or_text, levels), *(_number_or_text(entry.text) for entry in row)]])


def _number_or_text(text: str) -> str:
    return text if _DECIMAL.fullmatch(text) else defused(text)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # behind the end of a row a bracket or a star would be its argument
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
    r"""Text that LaTeX sets as itself.

    Examples
    --------
    >>> print(latex_escaped(r"a_b & 5% \input{x} --"))
    a\_b \& 5\% \textbackslash{}input\{x\} -{}-
    """
    return _LATEX_CHARACTER.sub(lambda found: _LATEX.get(found[0], "-{}"), Alphabet().text(text))


def pivot_latex(pivot: Pivot, template: CellTemplate, *, best: str = "row") -> Iterator[str]:
    """The table as LaTeX with booktabs: a heading row per column factor, the best cells bold, the notes beneath."""
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
    """A cell whose numbers have a minus, not a hyphen."""
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
