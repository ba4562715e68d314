"""Open regular files, and nothing else: no folder, pipe, socket or device, and no file that a header points away to.

What stands beside a header is found by its plain name alone, so that a header cannot make anything else be read. This
module knows nothing of formats.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segeval.errors import InputError, shown
from segeval.reading.contents import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_NAME = 100  # characters of a data file's name that a message shows


@dataclass(frozen=True, slots=True)
class Seen:
    """What was looked at.

    Parameters
    ----------
    opened
        Each file, and its status when it was first opened.
    listed
        Each folder, with the ending that was looked for, and the names there that have it.
    sought
        Each path that was only asked for, and whether there was anything.
    """

    opened: dict[str, os.stat_result] = field(default_factory=dict)
    listed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    sought: dict[str, bool] = field(default_factory=dict)


_watching: ContextVar[Seen | None] = ContextVar("watching", default=None)


def opened(name: str) -> io.FileIO:
    """Open a regular file for reading, unbuffered; anything else is refused without being opened.

    What was opened is checked again: between the two look-ups another program may have put a pipe in its place.

    Raises
    ------
    InputError
        The file is missing, empty, not a regular file, or may not be read.
    """
    check_regular(name)
    try:
        file = io.FileIO(name, "r", opener=_open_at_once)
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        status = os.fstat(file.fileno())
        _check_status(status, name)
    except InputError:
        file.close()
        raise
    seen = _watching.get()
    if seen is not None:
        seen.opened.setdefault(name, status)
    return file


def names_in(folder: str, ending: str) -> list[str]:
    """What lies in a folder under a name with this ending, in order; nothing in a folder that cannot be read."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(ending))  # noqa: PTH208
    except OSError:
        names = []
    seen = _watching.get()
    if seen is not None:
        seen.listed.setdefault((folder, ending), names)
    return names


def is_there(path: str) -> bool:
    """Whether there is anything under a path."""
    found = os.path.exists(path)  # noqa: PTH110 - the name goes to the system as it was given
    seen = _watching.get()
    if seen is not None:
        seen.sought.setdefault(path, found)
    return found


@contextmanager
def watched() -> Iterator[Seen]:
    """What is looked at meanwhile in this thread, whether it is there or not."""
    seen = Seen()
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting: a named pipe would wait for someone to write into it. Windows has neither."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def check_regular(name: str) -> None:
    """Refuse what is missing, empty or not a regular file.

    Raises
    ------
    InputError
        It is.
    """
    try:
        status = os.stat(name)  # noqa: PTH116 - the name goes to the system as it was given
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    _check_status(status, name)


def _check_status(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"expected a regular file, found {_kind(status.st_mode)}", source=name)
    if status.st_size == 0:
        raise InputError("the file is empty", source=name, hint=AGAIN)


def opened_beside(header: io.FileIO, data_file: str, *, source: str) -> io.FileIO:
    """Open the data file that a header names; it must be another regular file in the same folder.

    A header comes from outside, and could name any file of this machine. A symbolic link to another folder is therefore
    refused too, unless header and data were linked from the same one.

    Parameters
    ----------
    header
        The open header.
    data_file
        What it calls its data file.
    source
        The header's path.

    Raises
    ------
    InputError
        The name leads elsewhere, or to nothing that can be read.
    """
    called = repr(data_file) if len(data_file) <= MAX_NAME else f"{data_file[:MAX_NAME]!r}..."
    elsewhere = data_file in {".", ".."} or any(character in data_file for character in "/\\\0")
    if elsewhere or os.path.splitdrive(data_file)[0]:
        raise InputError(
            f"its data file must lie beside it, found {shown(called)}",
            source=source,
            hint="copy both into one folder and put the plain file name into the header",
        )
    folder = os.path.dirname(source)  # noqa: PTH120
    path = os.path.join(folder, data_file)  # noqa: PTH118
    home = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
    if home not in {os.path.realpath(folder), os.path.dirname(os.path.realpath(source))}:  # noqa: PTH120
        raise InputError(
            f"its data file {shown(called)} is a symbolic link to another folder",
            source=source,
            hint="copy the data file beside its header",
        )
    try:
        file = opened(path)
    except InputError as error:
        raise InputError(f"its data file {shown(called)}: {error.problem}", source=source) from error
    if os.path.samestat(os.fstat(file.fileno()), os.fstat(header.fileno())):
        file.close()
        raise InputError("names itself as its data file", source=source, hint="export it again")
    return file


def _kind(mode: int) -> str:
    kinds: dict[str, Callable[[int], bool]] = {
        "a folder": stat.S_ISDIR,
        "a named pipe": stat.S_ISFIFO,
        "a socket": stat.S_ISSOCK,
        "a device": lambda bits: stat.S_ISCHR(bits) or stat.S_ISBLK(bits),
    }
    return next((name for name, test in kinds.items() if test(mode)), "something else")


def _unreadable(name: str, error: OSError | ValueError) -> InputError:
    """Why the system would not let us at the file."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(name):  # noqa: PTH114 - see above
            target = os.readlink(name)  # noqa: PTH115
            hint = "run git annex get" if ".git/annex" in target else None
            return InputError(f"a symbolic link to a missing file, {shown(target)}", source=name, hint=hint)
        return InputError("no such file", source=name)
    if isinstance(error, PermissionError):
        return InputError("permission denied", source=name, hint="make the file readable")
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"cannot be opened: {reason}", source=name)
