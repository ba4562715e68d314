"""Progress of a run: a bar in a terminal or a notebook, a line every ten seconds in a log, never an error."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segeval.reports.progress import Progress

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


class Clock:
    """A clock that is set by hand."""

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
            progress.advance("scored")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "20/10000 cases, 2.0/s, 1 h 23 min left"
    assert lines[-1] == "200/10000 cases, 2.0/s, 1 h 22 min left"
    assert len(lines) == 10


def test_a_short_run_leaves_nothing_in_a_log() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(3, stream=stream, clock=clock) as progress:
        clock.now += 9.9
        progress.advance("failed")
        progress.advance("scored")
        progress.advance("missing")
        progress.advance("skipped")
    assert stream.getvalue() == ""


def test_a_line_counts_cases_that_were_not_scored() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(14, stream=stream, clock=clock) as progress:
        for status in ("scored", "failed", "missing", "skipped"):
            clock.now += 5
            progress.advance(status)
    assert stream.getvalue().splitlines() == [
        "2/14 cases, 1 failed, 12/min, 1 min left",
        "4/14 cases, 1 failed, 1 without a prediction, 12/min, 50 s left",
    ]


def test_cases_of_an_earlier_run_count_but_have_no_speed() -> None:
    """60 taken over, 10 in 20 s: the remaining 30 take 60 s."""
    clock, stream = Clock(), io.StringIO()
    with Progress(100, stream=stream, clock=clock) as progress:
        progress.resumed(60)
        for _ in range(9):
            progress.advance("scored")
        clock.now += 20
        progress.advance("failed")
    assert stream.getvalue() == "70/100 cases, 1 failed, 30/min, 1 min left\n"


def test_last_line_has_no_estimate() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(1, stream=stream, clock=clock) as progress:
        clock.now += 60
        progress.advance("scored")
    assert stream.getvalue() == "1/1 cases, 1/min\n"


def test_quiet_shows_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        with Progress(1, stream=stream, quiet=True, clock=clock) as progress:
            progress.resumed(1)
            clock.now += 100
            progress.advance("failed")
        assert stream.getvalue() == ""


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    clock, stream = Clock(), Terminal()
    with Progress(40, stream=stream, clock=clock) as progress:
        for place in range(20):
            clock.now += 0.5
            progress.advance("failed" if place == 3 else "scored")
    text = ESCAPES.sub("", stream.getvalue())
    assert re.search(r" 20/40 cases, 1 failed 2\.0/s .* 10 s left", text)
    assert stream.getvalue().endswith("\x1b[1A\x1b[2K")  # the bar is gone


@pytest.mark.parametrize(("color", "variable"), [(False, None), (None, "NO_COLOR")])
def test_bar_without_colours(monkeypatch: pytest.MonkeyPatch, color: bool | None, variable: str | None) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    stream = Terminal()
    with Progress(2, stream=stream, color=color, clock=Clock()) as progress:
        progress.advance("failed")
    assert "2 cases" in stream.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", stream.getvalue())


def test_dumb_terminal_and_forced_colour_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    pipe, dumb = io.StringIO(), Terminal()
    for stream, terminal in ((pipe, "xterm"), (dumb, "dumb")):
        monkeypatch.setenv("TERM", terminal)
        clock = Clock()
        with Progress(2, stream=stream, clock=clock) as progress:
            clock.now += 10
            progress.advance("failed")
    assert pipe.getvalue() == dumb.getvalue() == "1/2 cases, 1 failed, 6/min, 10 s left\n"


def test_bar_goes_when_the_run_is_interrupted() -> None:
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(2, stream=stream):
        raise KeyboardInterrupt
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_full_device_does_not_stop_the_run() -> None:
    clock = Clock()
    with Path("/dev/full").open("w", encoding="utf-8") as stream, Progress(2, stream=stream, clock=clock) as progress:
        for _ in range(2):
            clock.now += 10
            progress.advance("failed")


def test_closed_pipe_does_not_stop_the_run_or_change_its_exit_code() -> None:
    code = (
        "import itertools, sys; from segeval.reports.progress import Progress\n"
        "with Progress(2, stream=sys.stderr, clock=itertools.count(step=10).__next__) as progress:\n"
        "    sys.stdin.readline()\n"
        "    progress.advance('failed'); progress.advance('failed')\n"
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
    clock, stream = Clock(), io.StringIO()
    with Progress(1, stream=stream, clock=clock) as progress:
        stream.close()
        clock.now += 10
        progress.advance("failed")


def test_an_advance_is_fast_and_does_not_import_rich() -> None:
    code = (
        "import io, sys, time; from segeval.reports.progress import Progress\n"
        "with Progress(20000, stream=io.StringIO()) as progress:\n"
        "    started = time.perf_counter()\n"
        "    for _ in range(20000): progress.advance('scored')\n"
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
            progress.advance("scored")
        spent = time.perf_counter() - started
    assert stream.getvalue().count("cases") < 10 + 5 * spent
