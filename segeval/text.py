"""Text for people: how many there are, the first of many, and names in the order that people expect."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")

MOST_DIGITS = 4000  # that Python reads as one number
MOST_NAMED = 8  # of many things, where a message has no reason to name more or fewer


def counted(count: int, noun: str, *, spec: str = "d") -> str:
    """A number with its noun.

    Parameters
    ----------
    count
        How many there are.
    noun
        What is counted, in the singular; its plural ends in s.
    spec
        How the number is written.

    Examples
    --------
    >>> counted(1, "case"), counted(2, "case"), counted(1234, "object", spec=",")
    ('1 case', '2 cases', '1,234 objects')
    """
    return f"{count:{spec}} {noun}{'' if count == 1 else 's'}"


def enumerated(
    things: Sequence[Thing],
    word: Callable[[Thing], str],
    *,
    most: int = MOST_NAMED,
    last: str = " and ",
    spec: str = "d",
) -> str:
    """The first of some things, and how many more there are.

    Parameters
    ----------
    things
        Where there is none, the text is empty.
    word
        The text of a thing: `segeval.errors.shown` for names from outside.
    most
        How many are named.
    last
        What stands before the last thing where all are named.
    spec
        How the number of the others is written.

    Examples
    --------
    >>> enumerated("abc", str), enumerated("abc", str, last=", "), enumerated("abcdefghij", str)
    ('a, b and c', 'a, b, c', 'a, b, c, d, e, f, g, h and 2 more')
    """
    words = [word(thing) for thing in things[:most]]
    if len(things) > most:
        return f"{', '.join(words)} and {len(things) - most:{spec}} more"
    return last.join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


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
