"""Progress on stderr: a bar in a terminal, seldom lines in a log, never an error."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segeval.reports.progress import MOST_NAMED, Progress

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


class Clock:
    """A clock that stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_log_has_a_line_every_ten_seconds() -> None:
    """Two cases a second; 100 s are 200 of 10,000, the other 9,800 take 4,900 s."""
    clock, stream = Clock(), io.StringIO()
    with Progress(10_000, stream=stream, clock=clock) as progress:
        for _ in range(200):
            clock.now += 0.5
            progress.advance("c", "scored", None)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "20 of 10000 cases, 2.0/s, 1 h 23 min left"
    assert lines[-1] == "200 of 10000 cases, 2.0/s, 1 h 22 min left"
    assert len(lines) == 10


def test_short_run_says_nothing_but_failures() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(3, stream=stream, clock=clock) as progress:
        clock.now += 9.9
        progress.advance("[red]a\x1b[31m", "failed", "cut\nshort")
        progress.advance("b", "scored", None)
        progress.advance("c", "missing", None)
        progress.advance("d", "skipped", "no prediction")
    assert stream.getvalue() == "failed: [red]a\\x1b[31m: cut\\nshort\nmissing: c: no reason given\n"


def test_cases_of_an_earlier_run_count_but_have_no_speed() -> None:
    """60 taken over, 10 in 20 s: the remaining 30 take 60 s."""
    clock, stream = Clock(), io.StringIO()
    with Progress(100, stream=stream, clock=clock) as progress:
        progress.resumed(60)
        for _ in range(9):
            progress.advance("c", "scored", None)
        clock.now += 20
        progress.advance("d", "failed", "cut short")
    assert stream.getvalue().splitlines()[1] == "70 of 100 cases, 30/min, 1 min left, 1 failed"


def test_last_line_promises_nothing() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(1, stream=stream, clock=clock) as progress:
        clock.now += 60
        progress.advance("c", "scored", None)
    assert stream.getvalue() == "1 of 1 cases, 1/min\n"


def test_a_wrong_folder_does_not_flood_the_log() -> None:
    stream = io.StringIO()
    with Progress(1000, stream=stream, clock=Clock()) as progress:
        for place in range(1000):
            progress.advance(f"c{place}", "failed", "cut short")
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_NAMED + 1
    assert lines[-1] == f"{MOST_NAMED} cases named; further ones are counted, and stand in the results"


def test_quiet_says_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        with Progress(1, stream=stream, quiet=True, clock=clock) as progress:
            progress.resumed(1)
            clock.now += 100
            progress.advance("a", "failed", "cut short")
        assert stream.getvalue() == ""


def test_terminal_has_a_bar_with_failures_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    clock, stream = Clock(), Terminal()
    with Progress(40, stream=stream, clock=clock) as progress:
        for place in range(20):
            clock.now += 0.5
            progress.advance(f"[red]c{place}", "failed" if place == 3 else "scored", "[b]cut[/b]")
    text = ESCAPES.sub("", stream.getvalue())
    assert "failed: [red]c3: [b]cut[/b]" in text
    assert re.search(r"scoring .* 20/40 2\.0/s .* 10 s left 1 failed", text)
    assert stream.getvalue().endswith("\x1b[1A\x1b[2K")  # the bar is gone


@pytest.mark.parametrize(("color", "variable"), [(False, None), (None, "NO_COLOR")])
def test_bar_without_colours(monkeypatch: pytest.MonkeyPatch, color: bool | None, variable: str | None) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    stream = Terminal()
    with Progress(2, stream=stream, color=color, clock=Clock()) as progress:
        progress.advance("a", "failed", "cut short")
    assert "scoring" in stream.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", stream.getvalue())


def test_dumb_terminal_and_forced_colour_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    pipe = io.StringIO()
    with Progress(2, stream=pipe, clock=Clock()) as progress:
        progress.advance("a", "failed", "cut short")
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    with Progress(2, stream=dumb, clock=Clock()) as progress:
        progress.advance("a", "failed", "cut short")
    assert pipe.getvalue() == dumb.getvalue() == "failed: a: cut short\n"


def test_bar_goes_when_the_run_is_interrupted() -> None:
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(2, stream=stream):
        raise KeyboardInterrupt
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_full_device_does_not_stop_the_run() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as stream, Progress(2, stream=stream) as progress:
        progress.advance("a", "failed", "cut short")
        progress.advance("b", "failed", "cut short")


def test_reader_that_is_gone_does_not_stop_the_run_nor_change_its_exit_code() -> None:
    code = (
        "import sys, time; from segeval.reports.progress import Progress\n"
        "with Progress(2, stream=sys.stderr) as progress:\n"
        "    sys.stdin.readline()\n"
        "    progress.advance('a', 'failed', 'cut short'); progress.advance('b', 'failed', 'cut short')\n"
        "print('done')"
    )
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    process.stderr.close()
    process.stderr = None
    out, _ = process.communicate("\n")
    assert (out, process.returncode) == ("done\n", 0)


def test_closed_stream_does_not_stop_the_run() -> None:
    stream = io.StringIO()
    with Progress(1, stream=stream, clock=Clock()) as progress:
        stream.close()
        progress.advance("a", "failed", "cut short")


def test_ascii_stream_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with Progress(1, stream=stream, clock=Clock()) as progress:
        progress.advance("Leber_ä", "failed", "abgeschnitten: ü")
    assert raw.getvalue() == rb"failed: Leber_\xe4: abgeschnitten: \xfc" + os.linesep.encode()


def test_an_advance_costs_next_to_nothing_and_loads_no_rich() -> None:
    code = (
        "import io, sys, time; from segeval.reports.progress import Progress\n"
        "with Progress(20000, stream=io.StringIO()) as progress:\n"
        "    started = time.perf_counter()\n"
        "    for _ in range(20000): progress.advance('c', 'scored', None)\n"
        "    spent = time.perf_counter() - started\n"
        "assert spent / 20000 < 1e-4, spent\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603


def test_bar_is_not_drawn_for_every_case() -> None:
    stream = Terminal()
    with Progress(20_000, stream=stream) as progress:
        started = time.perf_counter()
        for _ in range(20_000):
            progress.advance("c", "scored", None)
        spent = time.perf_counter() - started
    assert stream.getvalue().count("scoring") < 10 + 5 * spent
