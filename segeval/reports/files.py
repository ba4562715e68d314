"""Reports on disk: the kind by suffix, whole or not at all.

A report is written beside its place and then renamed, so that a full disk or an interrupt leaves what was there before.
A path that cannot be written is the user's to mend on the command line, whatever the reason, and so it is a usage
error; input errors are about files that are scored.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from segeval.errors import UsageError, shown
from segeval.reading import file_behind
from segeval.reports.document import to_json, to_jsonl
from segeval.reports.markdown import to_markdown
from segeval.reports.tabular import to_csv
from segeval.results import Results

FORMATS: dict[str, Callable[[Results], Iterable[str]]] = {
    "csv": to_csv,
    "json": to_json,
    "jsonl": to_jsonl,
    "markdown": to_markdown,
}
SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".md": "markdown"}

StrPath = str | os.PathLike[str]
PARTS_AT_ONCE = 4096


def write_report(results: Results, path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Write results to a file, in the format that its suffix names.

    Parameters
    ----------
    results
        What was found.
    path
        ``.csv``, ``.json``, ``.jsonl`` or ``.md``. A file that is there is replaced, a link followed.
    inputs
        Files that must not be overwritten, besides those of the cases.

    Raises
    ------
    UsageError
        Another suffix, a path that cannot be written, or one of the inputs.
    """
    check_report_path(path)
    files = [file for record in results.cases for file in (record.prediction, record.reference) if file is not None]
    write_text(path, FORMATS[SUFFIXES[_suffix(path)]](results), inputs=[*inputs, *files])


def check_report_path(path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Say what is wrong with the path of a report, before anything is scored.

    Parameters
    ----------
    path, inputs
        See `write_report`.

    Raises
    ------
    UsageError
        See `write_report`.
    """
    if _suffix(path) not in SUFFIXES:
        found = f"ends in {shown(_suffix(path))}" if _suffix(path) else "has no suffix"
        raise UsageError(
            f"the kind of report is told by the suffix, and this {found}",
            source=os.fspath(path),
            hint=f"known are {', '.join(SUFFIXES)}",
        )
    check_output_path(path, inputs=inputs)


def check_output_path(path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Say what is wrong with the path of any output file, whatever its suffix; see `write_report`."""
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
        raise UsageError(f"cannot be written: {_reason(error)}", source=source) from None
    if any(_same(target, file) for file in inputs):
        raise UsageError("this is an input of the run and must not be overwritten", source=source)


def write_text(path: StrPath, parts: Iterable[str], *, inputs: Iterable[StrPath] = ()) -> None:
    """Put a text on disk as UTF-8, whole or not at all, from its parts; see `write_report`."""
    write_bytes(path, (part.encode("utf-8", "backslashreplace") for part in batched(parts)), inputs=inputs)


def batched(parts: Iterable[str]) -> Iterator[str]:
    """The same text in fewer, larger parts."""
    gathered: list[str] = []
    for part in parts:
        gathered.append(part)
        if len(gathered) == PARTS_AT_ONCE:
            yield "".join(gathered)
            gathered = []
    yield "".join(gathered)


def write_bytes(path: StrPath, parts: Iterable[bytes], *, inputs: Iterable[StrPath] = ()) -> None:
    """Put bytes on disk, whole or not at all, from their parts; see `write_report`."""
    check_output_path(path, inputs=inputs)
    target = Path(path).resolve()
    beside = target.parent / f".segeval-{os.urandom(8).hex()}.tmp"
    try:
        with beside.open("xb") as file:
            file.writelines(parts)
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    except OSError as error:
        raise UsageError(f"cannot be written: {_reason(error)}", source=os.fspath(path)) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _mode(target: Path) -> int | None:
    """What kind of file is there, None for none; a loop of links or a name too long raises on every Python."""
    try:
        return target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _suffix(path: StrPath) -> str:
    return Path(path).suffix.lower()


def _same(target: Path, file: StrPath) -> bool:
    try:
        return target.samefile(file_behind(file))
    except (OSError, ValueError):
        return False


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else shown(error)
