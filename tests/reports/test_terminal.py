"""Output on a terminal and a pipe: aligned at any width, nothing cut, and no text from files read as markup."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from segeval.metrics import METRICS
from segeval.reports.case_table import print_scores
from segeval.reports.gate_table import print_gate
from segeval.reports.layout import Column, Layout
from segeval.reports.metric_cards import print_card, print_metrics_table
from segeval.reports.terminal import Printer, text_width
from tests.reports.test_golden import METRIC_TOKENS, awkward, printed

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [None, 45, 60, 80, 100, 120])
@pytest.mark.parametrize("color", [True, False])
def test_every_number_is_whole_at_every_width(width: int | None, color: bool) -> None:
    text = ANSI.sub("", printed(print_scores, awkward(), width=width, color=color))
    wide = printed(print_scores, awkward())
    numbers = re.findall(r"(?<!\S)-?\d+\.\d+(?:e-\d+)?(?!\S)", wide)
    assert sorted(set(numbers) - set(text.split())) == []
    assert max(text_width(line) for line in text.splitlines()) <= (width or 120)


def test_styles_add_nothing_but_escape_sequences() -> None:
    styled = printed(print_scores, awkward(), color=True)
    assert styled != ANSI.sub("", styled)
    assert ANSI.sub("", styled) == printed(print_scores, awkward(), color=False)


def test_pipe_is_plain_and_one_row_is_one_line() -> None:
    text = printed(print_scores, awkward())
    assert "\x1b" not in text
    assert not re.search(r"[─│┃━┏]|\.\.\.|…| $", text, re.MULTILINE)
    (row,) = [line for line in text.splitlines() if line.startswith("1 [red]liver[/red]")]
    assert row.split() == ["1", "[red]liver[/red]", "0.9999", "1.0001", "3.00", "-0.166", "41823"]
    assert [token for token in METRIC_TOKENS if token not in text] == []


def test_wide_characters_align() -> None:
    lines = printed(print_scores, awkward()).splitlines()
    table = [line for line in lines if re.match(r"[1-4] ", line)]
    dice = ["0.9999", "1.0000", "3.0e-05", "0.0000"]
    ends = {text_width(line[: line.index(value) + len(value)]) for line, value in zip(table, dice, strict=True)}
    assert len(ends) == 1


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, without a size."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "color", "styled"),
    [
        ({}, None, True),
        ({"NO_COLOR": "1"}, None, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, None, False),
        ({"NO_COLOR": "1"}, True, True),
        ({"TERM": "dumb"}, None, False),
        ({}, False, False),
    ],
)
def test_terminal_styles(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], color: bool | None, styled: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    stream = Terminal()
    print_scores(awkward(), Printer(stream, color=color))
    assert ("\x1b" in stream.getvalue()) is styled


def test_force_color_styles_a_pipe_and_leaves_it_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = printed(print_scores, awkward())
    assert "\x1b" in text
    monkeypatch.delenv("FORCE_COLOR")
    assert ANSI.sub("", text) == printed(print_scores, awkward())


def test_columns_sets_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(print_scores, awkward())
    assert max(map(text_width, text.splitlines())) <= 80
    assert "a_name_of_forty_characters_to_the_letter" in text  # whole, since it is a pipe
    monkeypatch.setenv("COLUMNS", "none")
    assert printed(print_scores, awkward()) == printed(print_scores, awkward(), width=None)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_width_of_a_real_terminal_is_used() -> None:
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    code = "import sys; from tests.reports.test_golden import *; print_scores(awkward(), Printer(sys.stdout))"
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=follower, env=environment)  # noqa: S603
    os.close(follower)
    found = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        found += part
    assert process.wait() == 0
    os.close(leader)
    text = ANSI.sub("", found.decode()).replace("\r\n", "\n")
    assert text == printed(print_scores, awkward(), width=60)
    assert b"\x1b[1m" in found


def test_gate_is_printed_in_words() -> None:
    results = awkward()
    assert printed(print_gate, replace(results, gate=())) == ""
    assert "met by [red]liver[/red]: 1" in printed(print_gate, replace(results, gate=results.gate[:1]))
    assert "not met" in ANSI.sub("", printed(print_gate, results, color=True))


@pytest.mark.parametrize("width", [None, 20, 80])
def test_every_card_prints(width: int | None) -> None:
    table = printed(print_metrics_table, METRICS.values(), width=width)
    for card in METRICS.values():
        assert card.name in table
        text = printed(print_card, card, width=width)
        assert "".join(card.source.split()) in "".join(text.split())


def test_long_prose_wraps_and_numbers_do_not() -> None:
    keys = [Column(head=("label",), cells=["1"], right=True)]
    columns = [
        Column(head=("dice",), cells=["0.9312"], right=True),
        Column(head=("note",), cells=["the prediction's surface lies wholly in the ignored zone"], prose=True),
    ]
    (block,) = Layout(width=34, measure=len, chop=textwrap.wrap).blocks(keys, columns)
    lines = ["".join(text for text, _ in line) for line in block]
    assert lines == [
        "label    dice  note",
        "    1  0.9312  the prediction's",
        "               surface lies wholly",
        "               in the ignored zone",
    ]
