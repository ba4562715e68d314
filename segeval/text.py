"""Text for people: the order in which they expect names."""

from __future__ import annotations

import re

MOST_DIGITS = 4000  # that Python reads as one number


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key by which rib_2 comes before rib_10.

    Parameters
    ----------
    name
        Any text. Names that differ only in leading zeros have the same key.

    Examples
    --------
    >>> sorted(["rib_10", "rib_2"], key=natural_order)
    ['rib_2', 'rib_10']
    """
    parts = re.split(rf"(\d{{1,{MOST_DIGITS}}})", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]
