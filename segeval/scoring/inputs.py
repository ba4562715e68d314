"""Record which files a case was scored from, so that a later run can tell whether they have changed."""

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
    """A file or folder that a case was scored from, or a file that was looked for.

    Parameters
    ----------
    kind
        ``"file"``; ``"classes"``: a folder with a file for each class; ``"names"``: names in a folder with an ending;
        ``"sought"``: whether a file exists.
    path
        Absolute path.
    size
        Bytes of a file; number of names, or 1 if a file exists.
    modified_ns
        Time of the last change of a file in nanoseconds; otherwise 0.
    digest
        Digest of the content of a file or of the names; None if the file changed while it was read.
    ending
        Ending of the names.
    """

    kind: str
    path: str
    size: int
    modified_ns: int = 0
    digest: str | None = None
    ending: str = ""

    def is_unchanged(self) -> bool:
        """Whether nothing has changed."""
        try:
            if self.kind == "classes":
                return folder_input(self.path) == self
            if self.kind == "names":
                return _names_input(self.path, self.ending, names_in(self.path, self.ending)) == self
            if self.kind == "sought":
                return is_there(self.path) == bool(self.size)
            status = os.stat(self.path)  # noqa: PTH116 - the path stays as it was given
            if self.kind != "file" or status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.modified_ns or _digest(self.path) == self.digest
        except (OSError, ValueError, InputError):
            return False


def inputs_of(seen: Seen, folders: Iterable[str]) -> tuple[Input, ...]:
    """Return the inputs of a case: files that were read or looked for, and folders with a file for each class.

    Raises
    ------
    InputError
        A folder cannot be read.
    """
    return (
        *map(folder_input, folders),
        *(_file_input(path, status) for path, status in seen.opened.items()),
        *(_names_input(folder, ending, names) for (folder, ending), names in seen.listed.items()),
        *(Input(kind="sought", path=_absolute(path), size=int(found)) for path, found in seen.sought.items()),
    )


def folder_input(path: str) -> Input:
    """Return the input for a folder with a file for each class."""
    names = sorted(class_files(path))
    return Input(kind="classes", path=_absolute(path), size=len(names), digest=_digest_of(names))


def _names_input(folder: str, ending: str, names: list[str]) -> Input:
    return Input(kind="names", path=_absolute(folder), size=len(names), digest=_digest_of(names), ending=ending)


def _file_input(path: str, status: os.stat_result) -> Input:
    """Return the input for a file, with its status when it was opened."""
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
