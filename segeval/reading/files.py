"""Open regular files, and nothing else: no folder, pipe, socket or device, and no file elsewhere that a header names.

The data file of a header must be in the folder of the header, so that a header cannot make us read any other file. This
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

MAX_NAME = 100  # characters of the name of a data file that a message shows


@dataclass(frozen=True, slots=True)
class Seen:
    """Files and folders that were read or searched.

    Parameters
    ----------
    opened
        Status of each file when it was first opened, by path.
    listed
        Names found in each folder, by the folder and the ending that was searched for.
    sought
        Whether each path exists whose existence was checked.
    """

    opened: dict[str, os.stat_result] = field(default_factory=dict)
    listed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    sought: dict[str, bool] = field(default_factory=dict)


_watching: ContextVar[Seen | None] = ContextVar("watching", default=None)


def opened(name: str) -> io.FileIO:
    """Open a regular file for reading, unbuffered; refuse anything else without opening it.

    The open file is checked again, because another program may have replaced it between the two checks.

    Raises
    ------
    InputError
        The file is missing, empty, not a regular file, or not readable.
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
    """Return the sorted names in a folder that have this ending; none if the folder cannot be read."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(ending))  # noqa: PTH208
    except OSError:
        names = []
    seen = _watching.get()
    if seen is not None:
        seen.listed.setdefault((folder, ending), names)
    return names


def is_there(path: str) -> bool:
    """Whether a path exists."""
    found = os.path.exists(path)  # noqa: PTH110 - the name goes to the system as it was given
    seen = _watching.get()
    if seen is not None:
        seen.sought.setdefault(path, found)
    return found


@contextmanager
def watched() -> Iterator[Seen]:
    """Record which files and folders this thread reads or searches, whether they exist or not."""
    seen = Seen()
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting for a writer, if the file is a named pipe. Windows has no such flag."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def check_regular(name: str) -> None:
    """Refuse a path that is not a regular file with contents.

    Raises
    ------
    InputError
        The file is missing, empty or not a regular file.
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


def open_data_file(header: io.FileIO, data_file: str, *, source: str) -> io.FileIO:
    """Open the data file that a header names; it must be another regular file in the same folder.

    A header is not trusted, because it could name any file of this machine. A symbolic link to another folder is
    therefore refused too, unless the header is a link to that folder as well.

    Parameters
    ----------
    header
        The open header.
    data_file
        Name of the data file in the header.
    source
        Path of the header.

    Raises
    ------
    InputError
        The data file is in another folder, or cannot be read.
    """
    quoted = repr(data_file) if len(data_file) <= MAX_NAME else f"{data_file[:MAX_NAME]!r}..."
    elsewhere = data_file in {".", ".."} or any(character in data_file for character in "/\\\0")
    if elsewhere or os.path.splitdrive(data_file)[0]:
        raise InputError(
            f"the data file is not in the folder of the header: {shown(quoted)}",
            source=source,
            hint="copy both into one folder and write the plain file name into the header",
        )
    folder = os.path.dirname(source)  # noqa: PTH120
    path = os.path.join(folder, data_file)  # noqa: PTH118
    home = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
    if home not in {os.path.realpath(folder), os.path.dirname(os.path.realpath(source))}:  # noqa: PTH120
        raise InputError(
            f"the data file {shown(quoted)} is a symbolic link to another folder",
            source=source,
            hint="copy the data file next to its header",
        )
    try:
        file = opened(path)
    except InputError as error:
        raise InputError(f"the data file {shown(quoted)}: {error.problem}", source=source) from error
    if os.path.samestat(os.fstat(file.fileno()), os.fstat(header.fileno())):
        file.close()
        raise InputError("the header names itself as the data file", source=source, hint="export it again")
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
    """Return the error for a file that the system does not let us open."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(name):  # noqa: PTH114 - see above
            target = os.readlink(name)  # noqa: PTH115
            hint = "run git annex get" if ".git/annex" in target else None
            return InputError(f"the file is a symbolic link to a missing file, {shown(target)}", source=name, hint=hint)
        return InputError("no such file", source=name)
    if isinstance(error, PermissionError):
        return InputError("permission denied", source=name, hint="make the file readable")
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"the file cannot be opened: {reason}", source=name)
