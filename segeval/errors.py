"""Errors that users can fix.

Each class has the exit code of the command line. A message is one line: what is wrong, in which file, what was expected
and found, and what to do. File names and header texts come from outside, so they pass through `shown` before they reach
a message, a table or a terminal. Optional packages are checked for before anything is read or scored, so that nobody
waits for a result that cannot be written. This module imports nothing from the rest of the package.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator


def shown(text: object) -> str:
    r"""Return text from outside with control characters and lone bytes escaped, safe to print on one line.

    Parameters
    ----------
    text
        A file name, a label name, a value from a header: anything with a string form.

    Returns
    -------
    str
        Printable, valid UTF-8, without line breaks.

    Examples
    --------
    >>> shown("liver\x1b[31m\n")
    'liver\\x1b[31m\\n'
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() else _escaped(c) for c in plain)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class SegevalError(Exception):
    """An error with a one-line message that a user can act on.

    Parameters
    ----------
    problem
        The problem, with what was expected and found.
    source
        The file or argument with the problem.
    hint
        What the user can do.
    """

    exit_code = 1
    argument: str | None = None  # name of the option that the error is about, where one is known

    def __init__(self, problem: str, *, source: str | None = None, hint: str | None = None) -> None:
        self.problem, self.source, self.hint = problem, source, hint
        line = problem if source is None else f"{shown(source)}: {problem}"
        super().__init__(line if hint is None else f"{line}; {hint}")

    @property
    def advice(self) -> list[str]:
        """Lines to print below the problem in a terminal: the file or argument, then the hint."""
        return [line for line in (self.source and shown(self.source), self.hint) if line]

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all arguments, so that an error from another process keeps its source and hint."""
        return _rebuilt, (type(self), self.problem, self.source, self.hint)


def _rebuilt(kind: type[SegevalError], problem: str, source: str | None, hint: str | None) -> SegevalError:
    return kind(problem, source=source, hint=hint)


class UsageError(SegevalError):
    """An option, argument or metric that does not exist or contradicts another."""

    exit_code = 2


class ArgumentError(UsageError, TypeError):
    """A call from Python with an option that does not exist, or with a value of the wrong type."""


class InputError(SegevalError):
    """A file or array that cannot be scored: unreadable, damaged, without labels, or on another grid."""

    exit_code = 3


class OutOfMemoryError(InputError):
    """Files that need more memory than is free."""


class GeometryError(InputError):
    """A prediction and a reference on different grids."""


@contextlib.contextmanager
def about(argument: str) -> Iterator[None]:
    """Attach the name of an option to errors that are raised meanwhile.

    Parameters
    ----------
    argument
        Name of the option in Python.
    """
    try:
        yield
    except SegevalError as error:
        error.argument = error.argument or argument
        raise


def check_extra(*modules: str, extra: str, what: str) -> None:
    """Raise an error if an optional package is not installed.

    Parameters
    ----------
    *modules
        Modules that must be importable.
    extra
        The extra that installs them.
    what
        What needs them, for the message: ``"an .xlsx file"``.

    Raises
    ------
    UsageError
        A module cannot be imported.

    Examples
    --------
    >>> check_extra("json", extra="none", what="a document")
    >>> check_extra("no_such_module", extra="report", what="a figure")
    Traceback (most recent call last):
    ...
    segeval.errors.UsageError: a figure needs the package no_such_module; pip install 'segeval-cli[report]'
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            package = PACKAGES.get(module, module.partition(".")[0])
            raise UsageError(
                f"{what} needs the package {package}", hint=f"pip install 'segeval-cli[{extra}]'"
            ) from None


PACKAGES = {"jinja2": "Jinja2", "xlsxwriter": "XlsxWriter"}  # module: package, where the names differ
