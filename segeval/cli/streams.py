"""stdout for data, stderr for talk."""

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
    """stdout, for data: a reader who has seen enough ends it quietly, and the run keeps its exit code.

    Raises
    ------
    UsageError
        stdout takes no more: a full disk, for instance.
    """
    stream = sys.stdout or io.StringIO()  # there is none where the shell has closed it
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
    """stdout, for tables; see `data_stream`."""
    from segeval.reports.terminal import Printer

    with data_stream() as stream:
        yield Printer(stream, color=False if no_color else None)


@contextmanager
def talk_stream() -> Iterator[TextIO]:
    """stderr, for talk: the run goes on, and keeps its exit code, where nobody can be told anything."""
    stream = sys.stderr or io.StringIO()
    try:
        yield stream
        stream.flush()
    except OSError:
        _silence(stream)


@contextmanager
def talk_printer(*, no_color: bool) -> Iterator[Printer]:
    """stderr, for tables; see `talk_stream`."""
    from segeval.reports.terminal import Printer

    with talk_stream() as stream:
        yield Printer(stream, color=False if no_color else None)


def _silence(stream: TextIO) -> None:
    """Let what is still on its way go nowhere: without this Python would complain when it closes the stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_document(parts: Iterable[str]) -> None:
    """Put a document on stdout byte for byte as in a file: UTF-8, and lines that end in a newline alone."""
    with data_stream() as stream:
        stream.flush()
        binary = getattr(stream, "buffer", None)  # a notebook's stdout has text only
        for part in parts:
            if binary is None:
                stream.write(part)
            else:
                binary.write(part.encode("utf-8", "backslashreplace"))


def remark(text: str, *, quiet: bool = False) -> None:
    """Say something on stderr, unless silence was asked for."""
    if not quiet:
        with talk_stream() as stream:
            stream.write(f"{text}\n")


def warn(warnings: Iterable[str], *, quiet: bool) -> None:
    """Say on stderr what a reader of the scores should know."""
    for warning in warnings:
        remark(f"warning: {shown(warning)}", quiet=quiet)


def complain(problem: SegevalError | str, *, title: str = "error") -> None:
    """Say on stderr what went wrong: on one line in a pipe; in a terminal the cause, then the file, then what to do."""
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
