"""Suggest files with similar names for cases without a prediction.

Suggestions are for the user; they pair nothing. Only a few names are compared in full, so that a folder of a hundred
thousand files is fast too.
"""

from __future__ import annotations

import bisect
import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from segeval.pairing.listing import Item
from segeval.pairing.names import less_endings
from segeval.pairing.paths import base_of, parent_of, strict_order

MOST_NEAR = 3
MOST_SUGGESTED = 50  # cases that get suggestions
MOST_COMPARED = 40  # neighbours in the alphabet, forwards and backwards, that a name is compared with
MOST_COMPARED_CHARACTERS = 200

_CHANNEL = re.compile(r"(?<=.)_000\d\Z", re.DOTALL)


def near_predictions(missing: Sequence[str], unused: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """Return the paths of similar files for each case without a prediction, best first."""
    if not missing or not unused:
        return {}
    named = []
    for item in sorted(unused, key=lambda item: strict_order(item.relative)):
        parts = item.name.split("/")[-2:]
        named += [(part, item.path) for part in reversed(parts)]
    pool = Pool(named)
    return {name: _near(name, pool) for name in sorted(missing, key=strict_order)[:MOST_SUGGESTED]}


def _near(name: str, pool: Pool) -> tuple[str, ...]:
    """Return files with a name like the file, or like its folder if the name of the file has no number."""
    base = base_of(name)
    return pool.near(base) or (() if _numbers(_loose(base)) else pool.near(base_of(parent_of(name))))


def count_channels(missing: Iterable[str], unused: Iterable[Item]) -> int:
    """Count cases without a prediction for which there is an image channel of nnU-Net."""
    bases = {base_of(item.name) for item in unused}
    whole = {less for name in bases if (less := _less_channel(name)) != name}
    plain = [(base, _less_channel(base)) for base in map(base_of, missing)]
    return sum(base in whole or (less != base and less in bases) for base, less in plain)


def _less_channel(text: str) -> str:
    """Return a name without the ending of an image channel of nnU-Net, such as ``_0000``."""
    return _CHANNEL.sub("", text)


class Pool:
    """Names that may be suggested.

    Parameters
    ----------
    named
        Name and path of each; of equally similar names the first comes first.
    """

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._loose: dict[str, list[str]] = {}
        self._plain: dict[str, list[str]] = {}
        for name, path in named:
            plain = {_loose(text) for text in (name, *(start for start, _ in less_endings(name)))}
            for text in plain:
                self._plain.setdefault(text, []).append(path)
            for text in {*plain, _loose(_less_channel(name))}:
                self._loose.setdefault(text, []).append(path)
        self._forward = sorted(self._loose)
        self._backward = sorted(text[::-1] for text in self._loose)

    def near(self, name: str) -> tuple[str, ...]:
        """Return the paths of the most similar names, first those that differ only in case, zeros and endings.

        A name with another number is another case, and is not suggested.
        """
        text = _loose(name)
        if not text:
            return ()
        numbers = _numbers(text)
        around = [each for each in self._around(text) if _numbers(each)[: len(numbers)] == numbers]
        similar = difflib.get_close_matches(text, around, n=MOST_NEAR)
        paths = [*self._loose.get(text, ()), *self._plain.get(_loose(_less_channel(name)), ())]
        paths += [path for each in similar for path in self._loose[each]]
        return tuple(dict.fromkeys(paths))[:MOST_NEAR]

    def _around(self, text: str) -> list[str]:
        """Return names that begin or end alike, few enough to compare in full."""
        alike = [*_neighbours(self._forward, text), *(each[::-1] for each in _neighbours(self._backward, text[::-1]))]
        return sorted(set(alike))


def _neighbours(names: Sequence[str], text: str) -> Sequence[str]:
    place = bisect.bisect_left(names, text)
    return names[max(place - MOST_COMPARED, 0) : place + MOST_COMPARED]


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def _loose(name: str) -> str:
    """Return a name without case, leading zeros and separators, in which two names may differ."""
    plain = unicodedata.normalize("NFKC", name[-MOST_COMPARED_CHARACTERS:]).casefold()
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<!\d)0+(?=\d)", "", plain))
