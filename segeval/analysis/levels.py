"""Levels of factors: read numbers, and sort them."""

from __future__ import annotations

import math
import re

from segeval.text import natural_order

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def level_number(level: str) -> float | None:
    """The value of a level that is a number, else None.

    Examples
    --------
    >>> level_number("1e-4"), level_number("56x56"), level_number("nan")
    (0.0001, None, None)
    """
    value = float(level) if _NUMBER.fullmatch(level) else math.nan
    return value if math.isfinite(value) else None


def level_order(level: str) -> tuple[int, float, list[tuple[int, str]], str]:
    """Sort key of a level: numbers by their value, then texts in natural order.

    Examples
    --------
    >>> sorted(["unet", "0.01", "1e-4", "0.001", "rib_10", "rib_2"], key=level_order)
    ['1e-4', '0.001', '0.01', 'rib_2', 'rib_10', 'unet']
    """
    value = level_number(level)
    return (1, 0.0, natural_order(level), level) if value is None else (0, value, [], level)
