"""How far a batch is, on stderr: a bar in a terminal, a plain line now and then in a log.

A case that failed is named at once, above the bar or as a line. The bar is gone when the run ends. A log gets its first
line after ten seconds, so that a short run leaves nothing there but failures. A stream that takes no more never stops
a run. Text from files never reaches rich as markup.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from segeval.reports.colour import styled
from segeval.reports.notation import Alphabet
from segeval.results.rows import LOST

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 10.0
REFRESHES_PER_SECOND = 4
MOST_NAMED = 100  # a run with the wrong folder names every case


class Progress:
    """Counts the cases of a run as they finish, for people who wait for it; a context manager.

    Parameters
    ----------
    total
        How many cases there are, with those of an earlier run.
    stream
        Where to.
    color
        Whether the bar has colours; None asks NO_COLOR, FORCE_COLOR and the stream.
    quiet
        Whether nothing at all is said.
    clock
        What time it is, in seconds.

    Examples
    --------
    >>> import sys
    >>> with Progress(2, stream=sys.stdout) as progress:
    ...     progress.advance("liver_001", "scored", None)
    ...     progress.advance("liver_002", "failed", "the file is cut short")
    failed: liver_002: the file is cut short
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO,
        color: bool | None = None,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._color, self._clock = total, color, clock
        self._stream = _Forgiving(stream)
        self._quiet = quiet
        self._alphabet = Alphabet.of(stream.encoding)
        self._done = self._earlier = 0
        self._often: Counter[str] = Counter()
        self._started = self._said = clock()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._started = self._said = self._clock()
        if not self._quiet and self._stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
            self._bar = _bar(self._stream, color=styled(self._stream.stream, self._color))
            self._task = self._bar.add_task("", total=self._total, **self._fields())
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._refresh(self._bar)
            self._bar.stop()
            self._bar = None

    def resumed(self, count: int) -> None:
        """Take over cases that an earlier run has finished; they say nothing about the speed of this one."""
        self._earlier += count
        if self._bar is not None:
            self._refresh(self._bar)

    def advance(self, case: str, status: str, message: str | None) -> None:
        """Count a case that has finished.

        Parameters
        ----------
        case, status, message
            See `CaseRecord`. A case that failed, or is missing, is named.
        """
        self._done += 1
        if self._quiet:
            return
        if status in LOST:
            self._often[status] += 1
            self._name(case, status, message)
        now = self._clock()
        if self._bar is not None:
            if now - self._said >= 1 / REFRESHES_PER_SECOND:
                self._said = now
                self._refresh(self._bar)
        elif now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self._stream.write(f"{self._line()}\n")

    def _name(self, case: str, status: str, message: str | None) -> None:
        named = self._often.total()
        if named > MOST_NAMED + 1:
            return
        line = f"{status}: {self._alphabet.text(case)}: {self._alphabet.text(message or 'no reason given')}"
        if named > MOST_NAMED:
            line = f"{MOST_NAMED} cases named; further ones are counted, and stand in the results"
        if self._bar is None:
            self._stream.write(f"{line}\n")
        else:
            self._bar.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def _refresh(self, bar: Bar) -> None:
        if self._task is not None:
            bar.update(self._task, completed=self._done + self._earlier, **self._fields())

    def _line(self) -> str:
        fields = self._fields()
        parts = [f"{self._done + self._earlier} of {self._total} cases", *fields.values()]
        return ", ".join(part for part in parts if part)

    def _fields(self) -> dict[str, Any]:
        seconds = self._clock() - self._started
        rate = self._done / seconds if seconds > 0 else 0.0
        remaining = self._total - self._done - self._earlier
        left = f"{_duration(remaining / rate)} left" if rate and remaining > 0 else ""
        unscored = ", ".join(f"{self._often[status]} {status}" for status in LOST if self._often[status])
        return {"rate": _rate(rate), "left": left, "unscored": unscored}


class _Forgiving:
    """A stream that takes no offence: what cannot be written is not written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = stream.encoding or "utf-8"
        self._broken = False

    def write(self, text: str) -> int:
        if not self._broken:
            try:
                self.stream.write(text)
                self.stream.flush()
            except (OSError, ValueError):
                self._give_up()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        try:
            return self.stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        return self.stream.fileno()

    def _give_up(self) -> None:
        """Let what is still on its way go nowhere: without this Python would complain when it closes the stream."""
        self._broken = True
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self.stream.fileno())
            finally:
                os.close(nowhere)


def _bar(stream: _Forgiving, *, color: bool) -> Bar:
    from rich.console import Console  # deferred: only a terminal has a bar
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(
        file=stream,  # type: ignore[arg-type]  # all that rich asks of a file
        force_terminal=True,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return Bar(
        TextColumn("scoring"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[unscored]}", style="red"),
        console=console,
        transient=True,
        expand=True,
        refresh_per_second=REFRESHES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _rate(rate: float) -> str:
    """Cases per second, or per minute where that is less than one."""
    if not rate:
        return ""
    if rate < 1:
        return f"{rate * 60:.2g}/min"
    return f"{rate:.1f}/s" if rate < 100 else f"{rate:.0f}/s"


def _duration(seconds: float) -> str:
    """How long, as one says it.

    Examples
    --------
    >>> [_duration(seconds) for seconds in (0.2, 59, 90, 3600, 9000)]
    ['1 s', '59 s', '2 min', '1 h 0 min', '2 h 30 min']
    """
    if seconds < 60:
        return f"{max(math.ceil(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
