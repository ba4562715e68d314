"""How many there are, and the first of many."""

from __future__ import annotations

import pytest

from segeval.text import counted, enumerated


@pytest.mark.parametrize(("count", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (1000, "1000 cases")])
def test_one_thing_alone_is_singular(count: int, text: str) -> None:
    assert counted(count, "case") == text


@pytest.mark.parametrize(
    ("things", "text", "commas"),
    [
        ([], "", ""),
        ([1], "1", "1"),
        ([1, 2], "1 and 2", "1, 2"),
        ([1, 2, 3], "1, 2 and 3", "1, 2, 3"),
        ([1, 2, 3, 4], "1, 2, 3 and 1 more", "1, 2, 3 and 1 more"),
    ],
)
def test_only_the_first_things_are_named(things: list[int], text: str, commas: str) -> None:
    assert enumerated(things, str, most=3) == text
    assert enumerated(things, str, most=3, last=", ") == commas


def test_things_that_are_not_named_are_not_worded() -> None:
    asked: list[int] = []

    def word(thing: int) -> str:
        asked.append(thing)
        return str(thing)

    assert enumerated(range(2000), word, most=2, spec=",") == "0, 1 and 1,998 more"
    assert asked == [0, 1]
