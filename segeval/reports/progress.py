"""Progress of a run: a bar in a terminal or a notebook, a plain line now and then in a log.

Progress counts cases and names none; the reports name those that were not scored, with the reason, when the run has
ended. A bar in a terminal disappears then, and a log has no line before ten seconds have passed, so that a short run
leaves nothing. A stream that cannot be written to never stops a run.
"""

from __future__ import annotations

import contextlib
import html
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from segeval.reports.colour import styled
from segeval.results.rows import LOST

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 10.0
REFRESHES_PER_SECOND = 4
UNSCORED_WORDS = {"failed": "failed", "missing": "without a prediction"}


class Progress:
    """Shows how many cases of a run have finished; a context manager.

    Parameters
    ----------
    total
        Number of cases, including those of an earlier run.
    stream
        Where to write.
    color
        Whether the bar has colours; None looks at NO_COLOR, FORCE_COLOR and the stream.
    quiet
        Whether to show nothing.
    in_notebook
        Whether to show a bar in the output of the cell if this runs in a notebook.
    clock
        The time in seconds.

    Examples
    --------
    >>> import io, itertools
    >>> stream, seconds = io.StringIO(), itertools.count(step=20)
    >>> with Progress(14, stream=stream, clock=lambda: float(next(seconds))) as progress:
    ...     progress.advance("failed")
    >>> stream.getvalue().partition(",")[0]
    '1/14 cases'
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO,
        color: bool | None = None,
        quiet: bool = False,
        in_notebook: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._color, self._clock = total, color, clock
        self._stream = _Forgiving(stream)
        self._quiet, self._in_notebook = quiet, in_notebook
        self._done = self._earlier = 0
        self._unscored: Counter[str] = Counter()
        self._started = self._refreshed = clock()
        self._view: _View | None = None
        self._interval = SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        self._started = self._refreshed = self._clock()
        if self._quiet:
            return self
        if self._in_notebook and _is_notebook():
            self._view = _NotebookView()
        elif self._stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
            self._view = _TerminalView(self._stream, color=styled(self._stream.stream, self._color))
        if self._view is not None:
            self._interval = 1 / REFRESHES_PER_SECOND
            self._view.show(self._state())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._view is not None:
            self._view.close(self._state())
            self._view = None

    def resumed(self, count: int) -> None:
        """Count cases that an earlier run has finished; they do not enter the speed of this run."""
        self._earlier += count
        if self._view is not None:
            self._view.show(self._state())

    def advance(self, status: str) -> None:
        """Count a case that has finished.

        Parameters
        ----------
        status
            See `CaseRecord`.
        """
        self._done += 1
        if self._quiet:
            return
        self._unscored[status] += status in LOST
        now = self._clock()
        if now - self._refreshed < self._interval:
            return
        self._refreshed = now
        if self._view is None:
            self._stream.write(f"{self._state().line}\n")
        else:
            self._view.show(self._state())

    def _state(self) -> _State:
        seconds = self._clock() - self._started
        rate = self._done / seconds if seconds > 0 else 0.0
        remaining = self._total - self._done - self._earlier
        counts = [
            f"{self._unscored[status]} {word}" for status, word in UNSCORED_WORDS.items() if self._unscored[status]
        ]
        return _State(
            done=self._done + self._earlier,
            total=self._total,
            unscored=", ".join(counts),
            rate=_rate(rate),
            left=f"{_duration(remaining / rate)} left" if rate and remaining > 0 else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How far a run is, in numbers and words."""

    done: int
    total: int
    unscored: str
    rate: str
    left: str

    @property
    def counts(self) -> str:
        """How many cases have finished, and how many of them could not be scored."""
        return ", ".join(filter(None, [f"{self.done}/{self.total} cases", self.unscored]))

    @property
    def line(self) -> str:
        """Return the counts as one line."""
        return ", ".join(filter(None, [self.counts, self.rate, self.left]))


class _View(Protocol):
    """A place that shows the latest state."""

    def show(self, state: _State) -> None:
        """Show a state in place of the one before."""

    def close(self, state: _State) -> None:
        """Show the last state, or remove what is shown."""


class _TerminalView:
    """A bar in a terminal, which disappears at the end."""

    def __init__(self, stream: _Forgiving, *, color: bool) -> None:
        self._bar = _bar(stream, color=color)
        self._task = self._bar.add_task("", total=None, counts="", rate="", left="")
        self._bar.start()

    def show(self, state: _State) -> None:
        self._bar.update(
            self._task, total=state.total, completed=state.done, counts=state.counts, rate=state.rate, left=state.left
        )

    def close(self, state: _State) -> None:
        self.show(state)
        self._bar.stop()


class _NotebookView:
    """A bar in the output of a notebook's cell; at the end a line is left.

    The bar is plain HTML: rich would need ipywidgets in the notebook, and in the browser of everyone who opens it.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, state: _State) -> None:
        bar = f'<progress value="{state.done}" max="{max(1, state.total)}" style="width: 20em"></progress> '
        self._display(state.line, bar + html.escape(state.line))

    def close(self, state: _State) -> None:
        self._display(state.counts, html.escape(state.counts))

    def _display(self, text: str, markup: str) -> None:
        from IPython.display import display  # deferred: only a notebook has it

        bundle = {"text/plain": text, "text/html": markup}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)


def _is_notebook() -> bool:
    """Whether this runs in the kernel of a notebook, be it of Jupyter, Colab or an editor."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class _Forgiving:
    """A stream whose write never fails."""

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
        """Do nothing: `write` flushes."""

    def isatty(self) -> bool:
        try:
            return self.stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        return self.stream.fileno()

    def _give_up(self) -> None:
        """Send the rest to the null device; otherwise Python would fail when it closes the stream."""
        self._broken = True
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self.stream.fileno())
            finally:
                os.close(nowhere)


def _bar(stream: _Forgiving, *, color: bool) -> Bar:
    from rich.console import Console  # deferred: only a terminal has a bar
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
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
        BarColumn(bar_width=None),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        expand=True,
        refresh_per_second=REFRESHES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _rate(rate: float) -> str:
    """Return the speed in cases per second, or per minute below one per second."""
    if not rate:
        return ""
    if rate < 1:
        return f"{rate * 60:.2g}/min"
    return f"{rate:.1f}/s" if rate < 100 else f"{rate:.0f}/s"


def _duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> [_duration(seconds) for seconds in (0.2, 59, 90, 3600, 9000)]
    ['1 s', '59 s', '2 min', '1 h 0 min', '2 h 30 min']
    """
    if seconds < 60:
        return f"{max(math.ceil(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
