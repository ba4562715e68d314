"""Notation of numbers, units and names in tables for people.

A ratio has 4 decimals, a count none. A length resolves a tenth of the smallest spacing, but has at least 2 decimals; a
volume resolves a single voxel, but has at least 3. Rounding does not make a score look perfect or zero: 1.0000 is
exactly 1 (0.99996 is written 0.9999), and a value that would round to 0 has two significant digits instead (3.0e-05).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segeval.errors import shown
from segeval.metrics import Direction, Quantity
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY

UNDEFINED = "undefined: "
WORDS = {PREDICTION_EMPTY: "missed", REFERENCE_EMPTY: "false alarm", ABSENT: "absent"}
UNITS = {Quantity.LENGTH: "mm", Quantity.VOLUME: "ml", Quantity.COUNT: "voxels"}
FINEST = 6  # most decimals; a smaller value is written with two significant digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """Characters for tables.

    Parameters
    ----------
    higher, lower
        Mark of a metric for which higher or lower is better.
    dash
        Mark of an undefined score.
    blocks
        Character for no case, then the blocks from few to many cases.
    ellipsis
        Mark in place of the middle of a name that is cut.
    encoding
        Encoding of the stream; characters that it does not have are escaped.
    """

    higher: str = "↑"
    lower: str = "↓"
    dash: str = "–"  # noqa: RUF001  (longer than the minus of a number)
    blocks: str = "·▁▂▃▄▅▆▇█"
    ellipsis: str = "…"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, encoding: str | None) -> Alphabet:
        """Return the alphabet for a stream of that encoding: arrows and a dash in UTF-8, otherwise ASCII."""
        plain = (encoding or "utf-8").lower().replace("-", "").replace("_", "")
        if plain in ("utf8", "utf8sig", "utf16", "utf32", "cp65001"):
            return cls()
        return cls(higher="^", lower="v", dash="-", blocks=".:-=+*%@#", ellipsis="~", encoding=encoding or "ascii")

    def text(self, value: object) -> str:
        """Return text from outside for a table: on one line, without control characters."""
        return shown(value).encode(self.encoding, "backslashreplace").decode(self.encoding)

    def arrow(self, better: Direction) -> str:
        """Return the arrow for the better direction; empty if neither is better."""
        return {Direction.HIGHER: self.higher, Direction.LOWER: self.lower}.get(better, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The head of a column of scores.

    Parameters
    ----------
    token
        Metric as it was requested: ``"hd@95"``.
    arrow
        Arrow for the better direction; empty if neither is better.
    unit
        Unit; empty for a ratio.
    """

    token: str
    arrow: str
    unit: str

    @property
    def title(self) -> str:
        """Token and arrow."""
        return f"{self.token} {self.arrow}".rstrip()

    @property
    def line(self) -> str:
        """Token, arrow and unit."""
        return f"{self.title} {self.unit}".rstrip()


def number(value: float, quantity: Quantity, *, decimals: int, is_mean: bool = False) -> str:
    """Return a number as text for a table; the mean of a count has one decimal.

    Examples
    --------
    >>> [number(value, Quantity.RATIO, decimals=4) for value in (1.0, 0.99996, 0.93124, 0.00003, 0.0)]
    ['1.0000', '0.9999', '0.9312', '3.0e-05', '0.0000']
    """
    if not math.isfinite(value):
        return f"{value}"
    if quantity is Quantity.COUNT:
        return f"{value:.1f}" if is_mean else f"{value:.0f}"
    text = f"{value + 0.0:.{decimals}f}"  # + 0.0 makes a negative zero positive
    if value and float(text) == 0:
        return f"{value:.1e}"
    if quantity is Quantity.RATIO and abs(float(text)) == 1 and abs(value) != 1:
        nearest = 1 + math.copysign(10.0**-decimals, abs(value) - 1)
        return f"{math.copysign(nearest, value):.{decimals}f}"
    return text


def decimals(quantity: Quantity, *, spacing: Sequence[float] | None = None, unit: str | None = "mm") -> int:
    """Return how many decimals a quantity has on a grid of that spacing."""
    if quantity is Quantity.RATIO:
        return 4
    if quantity is Quantity.COUNT:
        return 0
    least = 2 if quantity is Quantity.LENGTH else 3
    if not spacing or unit != "mm":
        return least
    finest = min(spacing) / 10 if quantity is Quantity.LENGTH else math.prod(spacing) / 1000
    return max(least, min(FINEST, -math.floor(math.log10(finest) + 1e-6)))


def grid_line(shape: Sequence[int], spacing: Sequence[float] | None, unit: str | None) -> str:
    """Return a grid as text in the order x, y, z; shape and spacing are in array order.

    Examples
    --------
    >>> grid_line((40, 512, 512), (5.0, 0.75, 0.75), "mm")
    '512 x 512 x 40 voxels of 0.75 x 0.75 x 5 mm'
    """
    size = " x ".join(str(length) for length in shape[::-1])
    if unit == "px" or not spacing:
        return f"{size} {'pixels' if len(shape) == 2 else 'voxels'}"
    steps = " x ".join(f"{step:.6g}" for step in spacing[::-1])
    return f"{size} {'pixels' if len(shape) == 2 else 'voxels'} of {steps} {unit or ''}".rstrip()
