"""Text for people: counts with nouns, lists of names, and the order of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")

MOST_DIGITS = 4000  # that Python reads as one number
MOST_NAMED = 8  # of many things in a message, by default


def counted(count: int, noun: str, *, spec: str = "d") -> str:
    """Return a number with its noun.

    Parameters
    ----------
    count
        The number.
    noun
        The noun in the singular; its plural ends in s.
    spec
        Format of the number.

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
    """Return the first of some things as a text, with the number of the others.

    Parameters
    ----------
    things
        The things; without any, the text is empty.
    word
        Function for the text of a thing: `segeval.errors.shown` for names from outside.
    most
        How many to name.
    last
        Text before the last thing, if all are named.
    spec
        Format of the number of the others.

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
    """Return a sort key for which rib_2 comes before rib_10.

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
