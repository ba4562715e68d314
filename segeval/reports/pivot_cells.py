"""Cells of `segeval table`: the user's template, such as ``{median:.2f} ({iqr:.2f})``.

A template can only name statistics and their formats; it cannot access attributes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from segeval.analysis.pivot import Cell

DEFAULT_CELL = "{median:.2f} ({iqr:.2f})"
BEST = ("row", "column", "table", "none")  # cells among which the best one is marked
FIELDS = ("median", "iqr", "q1", "q3", "mean", "sd", "n", "n_left_out", "min", "max")
COUNTS = ("n", "n_left_out")
FORMER_FIELDS = {"n_missing": "n_left_out"}  # in summaries and --require n_missing counts cases without a prediction

_WORDS = {"n_left_out": "left out", "iqr": "interquartile range"}
_SPEC = (
    r"(?s:(?:.?[<>=^])?[-+ ]?z?#?0?\d{0,2}[,_]?(?:\.\d{1,2})?[a-zA-Z%]?)"  # compiled on use, as help does not need it
)
_NEGATIVE_ZERO = r"-(0(?:\.0*)?)"


class _Part(NamedTuple):
    """A text, and the statistic that follows it, if any."""

    text: str
    field: str | None
    spec: str


class CellTemplate(NamedTuple):
    """Template of a cell.

    Parameters
    ----------
    parts
        Texts and statistics in order.
    """

    parts: tuple[_Part, ...]

    @property
    def field(self) -> str:
        """The first statistic, which decides on the best cell."""
        return next(part.field for part in self.parts if part.field)

    def text(self, cell: Cell, *, dash: str) -> str:
        """Text of a cell with values; `dash` replaces an undefined statistic."""
        return "".join(part.text + self._statistic(part, cell, dash) for part in self.parts)

    def first(self, cell: Cell) -> str:
        """Text of the first statistic."""
        return next(self._statistic(part, cell, "") for part in self.parts if part.field)

    def words(self) -> str:
        """Description of the template: ``"median (interquartile range)"``."""
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
        Statistics in braces, each with an optional format after a colon, and any text around them.

    Raises
    ------
    UsageError
        There is no statistic, an unknown statistic, or a format that does not fit.

    Examples
    --------
    >>> read_template("{mean:.3f} +- {sd:.3f}").words()
    'mean +- sd'
    """
    from string import Formatter  # deferred: help needs only the names of the fields

    known = f"the fields are {', '.join(FIELDS)}"
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--cell {shown(text)!r}: {error}", hint="write {{ and }} for braces in the text") from None
    parts: list[_Part] = []
    for literal, name, spec, conversion in parsed:
        if name is not None and name not in FIELDS:
            former = FORMER_FIELDS.get(name)
            hint = (
                f"use {former}, which counts undefined values, absent labels and cases not scored" if former else known
            )
            raise UsageError(f"--cell has no field {shown(name)!r}", hint=hint)
        if conversion is not None:
            raise UsageError(
                f"--cell does not support conversions, found !{shown(conversion)}", hint="write {median:.2f}"
            )
        if name is not None:
            _check_spec(name, spec or "")
        parts.append(_Part(literal, name, spec or ""))
    if all(part.field is None for part in parts):
        raise UsageError(f"--cell needs a field in braces, found {shown(text)!r}", hint=known)
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
        raise UsageError(f"--cell {name} cannot have the format {shown(spec)!r}", hint=f"write {example}")
