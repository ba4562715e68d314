"""Write files completely or not at all.

A file is written under another name and then renamed, so that a full disk or an interrupt leaves the earlier file. A
path that cannot be written is a usage error, because the user can name another one; input errors are about files that
are scored.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from segeval.errors import UsageError, shown
from segeval.reading import file_behind

StrPath = str | os.PathLike[str]
PARTS_AT_ONCE = 4096


def check_output_path(path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Check that an output file can be written.

    Parameters
    ----------
    path
        The path of the file. A file that is there is replaced, a link followed.
    inputs
        Files that must not be overwritten.

    Raises
    ------
    UsageError
        The path cannot be written, or is one of the inputs.
    """
    source = os.fspath(path)
    try:
        target = Path(path).resolve()
        mode = _mode(target)
        if mode is not None and stat.S_ISDIR(mode):
            raise UsageError("cannot be written: it is a folder", source=source, hint="name a file in it")
        if mode is not None and not stat.S_ISREG(mode):
            raise UsageError("cannot be written: it is not a regular file", source=source)
        if mode is not None and not os.access(target, os.W_OK):
            raise UsageError("cannot be written: it is write-protected", source=source)
        if not target.parent.is_dir():
            there = "is not a folder" if target.parent.exists() else "does not exist"
            raise UsageError(f"cannot be written: the folder {shown(target.parent)} {there}", source=source)
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise UsageError(f"cannot be written: no right to write to {shown(target.parent)}", source=source)
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a null character, a loop of links
        raise UsageError(f"cannot be written: {reason_of(error)}", source=source) from None
    if mode is not None and _is_one_of(target, inputs):
        raise UsageError("this is an input of the run and must not be overwritten", source=source)


def write_text(path: StrPath, parts: Iterable[str], *, inputs: Iterable[StrPath] = ()) -> None:
    """Write a text as UTF-8, completely or not at all, from its parts; see `check_output_path`."""
    write_bytes(path, (part.encode("utf-8", "backslashreplace") for part in batched(parts)), inputs=inputs)


def batched(parts: Iterable[str]) -> Iterator[str]:
    """Return the same text in fewer, larger parts."""
    gathered: list[str] = []
    for part in parts:
        gathered.append(part)
        if len(gathered) == PARTS_AT_ONCE:
            yield "".join(gathered)
            gathered = []
    yield "".join(gathered)


def write_bytes(path: StrPath, parts: Iterable[bytes], *, inputs: Iterable[StrPath] = ()) -> None:
    """Write bytes, completely or not at all, from their parts; see `check_output_path`."""
    check_output_path(path, inputs=inputs)
    target = Path(path).resolve()
    temporary = target.parent / f".segeval-{os.urandom(8).hex()}.tmp"
    try:
        with temporary.open("xb") as file:
            file.writelines(parts)
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except OSError as error:
        raise UsageError(f"cannot be written: {reason_of(error)}", source=os.fspath(path)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _mode(target: Path) -> int | None:
    """Return the mode of a file, None if there is none; a loop of links or a name too long raises on every Python."""
    try:
        return target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_one_of(target: Path, inputs: Iterable[StrPath]) -> bool:
    """Whether a file is one of the inputs, under any name."""
    place = target.stat()
    for path in inputs:
        try:
            status = os.stat(file_behind(path))  # noqa: PTH116 - a Path for each of many thousands takes its time
        except (OSError, ValueError):
            continue
        if os.path.samestat(place, status):
            return True
    return False


def reason_of(error: Exception) -> str:
    """Return the cause of an error of the system, for the end of a message."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else shown(error)
