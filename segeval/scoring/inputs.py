"""What a case was scored from, so that a later run can find out whether any of it has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from segeval.errors import InputError
from segeval.reading.files import Seen, is_there, names_in
from segeval.reading.folders import class_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What a case was scored from: a file, a folder, or what was looked for and perhaps not there.

    Parameters
    ----------
    kind
        ``"file"``; ``"classes"``, a folder with a file for each class; ``"names"``, the names in a folder that have
        an ending; ``"sought"``, whether there is anything.
    path
        Where it is, from the root of the file system.
    size
        Bytes of a file; how many names or things there are.
    modified_ns
        When a file was last changed, in nanoseconds; otherwise 0.
    digest
        Of a file's content or of the names; None if the file was changed while it was read.
    ending
        Of the names.
    """

    kind: str
    path: str
    size: int
    modified_ns: int = 0
    digest: str | None = None
    ending: str = ""

    def is_unchanged(self) -> bool:
        """Whether it is as it was."""
        try:
            if self.kind == "classes":
                return folder_input(self.path) == self
            if self.kind == "names":
                return _names_input(self.path, self.ending, names_in(self.path, self.ending)) == self
            if self.kind == "sought":
                return is_there(self.path) == bool(self.size)
            status = os.stat(self.path)  # noqa: PTH116 - the name goes to the system as it was given
            if self.kind != "file" or status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.modified_ns or _digest(self.path) == self.digest
        except (OSError, ValueError, InputError):
            return False


def inputs_of(seen: Seen, folders: Iterable[str]) -> tuple[Input, ...]:
    """What was looked at, and folders with a file for each class.

    Raises
    ------
    InputError
        A folder cannot be read any more.
    """
    return (
        *map(folder_input, folders),
        *(_file_input(path, status) for path, status in seen.opened.items()),
        *(_names_input(folder, ending, names) for (folder, ending), names in seen.listed.items()),
        *(Input(kind="sought", path=_absolute(path), size=int(found)) for path, found in seen.sought.items()),
    )


def folder_input(path: str) -> Input:
    """A folder with a file for each class: which files there are."""
    names = sorted(class_files(path))
    return Input(kind="classes", path=_absolute(path), size=len(names), digest=_digest_of(names))


def _names_input(folder: str, ending: str, names: list[str]) -> Input:
    return Input(kind="names", path=_absolute(folder), size=len(names), digest=_digest_of(names), ending=ending)


def _file_input(path: str, status: os.stat_result) -> Input:
    """A file that was read, with its status when it was opened."""
    digest, same = None, False
    with contextlib.suppress(OSError):  # it is gone
        digest = _digest(path)
        now = os.stat(path)  # noqa: PTH116
        same = (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    return Input(
        kind="file",
        path=_absolute(path),
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
        digest=digest if same else None,
    )


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay as they are


def _digest(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(names: list[str]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
