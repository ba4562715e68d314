"""stdout for data, stderr for talk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click


@contextmanager
def data_stream() -> Iterator[TextIO]:
    """stdout, for data: a reader who has seen enough ends it quietly, and the run keeps its exit code."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # nobody reads on: without this Python would complain when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def remark(text: str, *, quiet: bool = False) -> None:
    """Say something on stderr, unless silence was asked for."""
    if not quiet:
        click.echo(text, err=True)


def complain(text: str) -> None:
    """Say on stderr what went wrong."""
    click.echo(f"error: {text}", err=True)
