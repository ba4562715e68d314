"""What a cell of the table of a paper says: a template of the user's, ``{median:.2f} ({iqr:.2f})``.

It may name statistics and say how many digits they have, nothing else: no attribute of anything is reached through it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from segeval.analysis.pivot import Cell

DEFAULT_CELL = "{median:.2f} ({iqr:.2f})"
BEST = ("row", "column", "table", "none")  # what the best cell is the best of
FIELDS = ("median", "iqr", "q1", "q3", "mean", "sd", "n", "n_left_out", "min", "max")
COUNTS = ("n", "n_left_out")
FORMER_FIELDS = {"n_missing": "n_left_out"}  # in summaries and in --require it counts cases without a prediction

_WORDS = {"n_left_out": "left out", "iqr": "interquartile range"}
_SPEC = r"(?s:(?:.?[<>=^])?[-+ ]?z?#?0?\d{0,2}[,_]?(?:\.\d{1,2})?[a-zA-Z%]?)"  # compiled when used: help needs no cell
_NEGATIVE_ZERO = r"-(0(?:\.0*)?)"


class _Part(NamedTuple):
    """A text, and the statistic behind it, if there is one."""

    text: str
    field: str | None
    spec: str


class CellTemplate(NamedTuple):
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
        return re.sub(_NEGATIVE_ZERO, r"\1", text) if re.fullmatch(_NEGATIVE_ZERO, text) else text


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
    from string import Formatter  # deferred: help needs the names of fields only

    known = f"there are {', '.join(FIELDS)}"
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--cell {shown(text)!r}: {error}", hint="{{ and }} stand for braces") from None
    parts: list[_Part] = []
    for literal, name, spec, conversion in parsed:
        if name is not None and name not in FIELDS:
            former = FORMER_FIELDS.get(name)
            hint = f"{former} counts undefined values, absent labels and cases without scores" if former else known
            raise UsageError(f"--cell has no field {shown(name)!r}", hint=hint)
        if conversion is not None:
            raise UsageError(f"--cell takes no conversion, found !{shown(conversion)}", hint="write {median:.2f}")
        if name is not None:
            _check_spec(name, spec or "")
        parts.append(_Part(literal, name, spec or ""))
    if all(part.field is None for part in parts):
        raise UsageError(f"--cell has no field in braces, found {shown(text)!r}", hint=known)
    return CellTemplate(parts=tuple(parts))


def _check_spec(name: str, spec: str) -> None:
    fits = bool(re.fullmatch(_SPEC, spec))
    if fits:
        try:
            format(7 if name in COUNTS else 0.5, spec)
        except ValueError:
            fits = False
    if not fits:
        example = f"{{{name}}}" if name in COUNTS else f"{{{name}:.2f}}"
        raise UsageError(f"--cell {name} takes no format {shown(spec)!r}", hint=f"such as {example}")
