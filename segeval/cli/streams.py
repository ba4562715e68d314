"""The two streams of a command: stdout for data, stderr for messages."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from segeval.errors import SegevalError, UsageError, shown

if TYPE_CHECKING:
    from segeval.reports.terminal import Printer


@contextmanager
def data_stream() -> Iterator[TextIO]:
    """Yield stdout for data; if its reader closes the pipe, the run goes on without output and keeps its exit code.

    Raises
    ------
    UsageError
        stdout cannot be written, because of a full disk for instance.
    """
    stream = sys.stdout or io.StringIO()  # None if the shell has closed it
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        raise UsageError(f"cannot be written: {(error.strerror or str(error)).lower()}", source="stdout") from None


@contextmanager
def data_printer(*, no_color: bool) -> Iterator[Printer]:
    """Yield a printer on stdout; see `data_stream`."""
    from segeval.reports.terminal import Printer

    with data_stream() as stream:
        yield Printer(stream, color=False if no_color else None)


@contextmanager
def talk_stream() -> Iterator[TextIO]:
    """Yield stderr for messages; if it cannot be written, the run goes on and keeps its exit code."""
    stream = sys.stderr or io.StringIO()
    try:
        yield stream
        stream.flush()
    except OSError:
        _silence(stream)


@contextmanager
def talk_printer(*, no_color: bool) -> Iterator[Printer]:
    """Yield a printer on stderr; see `talk_stream`."""
    from segeval.reports.terminal import Printer

    with talk_stream() as stream:
        yield Printer(stream, color=False if no_color else None)


def _silence(stream: TextIO) -> None:
    """Discard the rest of the output; otherwise Python reports an error when it closes the stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_document(parts: Iterable[str]) -> None:
    """Write a document to stdout with the same bytes as in a file: UTF-8, and newlines as line ends."""
    with data_stream() as stream:
        stream.flush()
        binary = getattr(stream, "buffer", None)  # a notebook's stdout has text only
        for part in parts:
            if binary is None:
                stream.write(part)
            else:
                binary.write(part.encode("utf-8", "backslashreplace"))


def remark(text: str, *, quiet: bool = False) -> None:
    """Print a line on stderr, unless `quiet`."""
    if not quiet:
        with talk_stream() as stream:
            stream.write(f"{text}\n")


def warn(warnings: Iterable[str], *, quiet: bool) -> None:
    """Print warnings on stderr, unless `quiet`."""
    for warning in warnings:
        remark(f"warning: {shown(warning)}", quiet=quiet)


def complain(problem: SegevalError | str, *, title: str = "error") -> None:
    """Print an error on stderr: on one line in a pipe; in a terminal the cause, the file and the hint on lines each."""
    with talk_stream() as stream:
        if not stream.isatty():
            stream.write(f"{title}: {problem}\n")
            return
        from segeval.reports.terminal import Printer

        cause, rest = (str(problem), []) if isinstance(problem, str) else (problem.problem, problem.advice)
        printer = Printer(stream)
        head = printer.hanging([(f"{title}:", cause)] if len(cause) > printer.width else [(f"{title}: {cause}",)])
        lines = [[(text, "") for text, _ in line] for line in [*head, *printer.hanging([("", each) for each in rest])]]
        (first, _), *more = lines[0]
        lines[0] = [(first[: len(title) + 1], "bold red"), (first[len(title) + 1 :], ""), *more]
        printer.print(lines)
