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
from segeval.reports.tabular import summary_csv, to_csv
from segeval.results import Results

FORMATS: dict[str, Callable[[Results], Iterable[str]]] = {
    "csv": to_csv,
    "json": to_json,
    "jsonl": to_jsonl,
    "markdown": to_markdown,
}
SUFFIXES = (".csv", ".json", ".jsonl", ".md", ".xlsx", ".html", ".xml")
_TEXTS = {".csv": to_csv, ".json": to_json, ".jsonl": to_jsonl, ".md": to_markdown}

StrPath = str | os.PathLike[str]
PARTS_AT_ONCE = 4096


def write_report(
    results: Results,
    path: StrPath,
    *,
    inputs: Iterable[StrPath] = (),
    with_summary: bool = False,
    images: str | None = None,
) -> None:
    """Write results to a file, in the format that its suffix names.

    Parameters
    ----------
    results
        What was found.
    path
        ``.csv``, ``.json``, ``.jsonl``, ``.md``, ``.xlsx``, ``.html`` or ``.xml``. A file that is there is replaced, a
        link followed.
    inputs
        Files that must not be overwritten, besides those of the cases.
    with_summary
        Whether the summary is put beside ``NAME.csv`` as ``NAME.summary.csv``.
    images
        The folder of the scans that an ``.html`` page draws its worst cases on.

    Raises
    ------
    UsageError
        Another suffix, a path that cannot be written, or one of the inputs; or a package that is not installed.
    """
    inputs = [*inputs, *_files_of(results)]
    check_report_path(path, inputs=inputs, with_summary=with_summary)
    if _suffix(path) in _TEXTS:
        write_text(path, _TEXTS[_suffix(path)](results), inputs=inputs)
    elif _suffix(path) == ".xml":
        from segeval.reports.junit import to_junit  # deferred, like all that few runs need

        write_text(path, to_junit(results), inputs=inputs)
    elif _suffix(path) == ".html":
        from segeval.reports.page import to_html

        write_text(path, to_html(results, images=images), inputs=inputs)
    else:
        from segeval.reports.workbook import to_xlsx

        write_bytes(path, to_xlsx(results), inputs=inputs)
    if with_summary and _suffix(path) == ".csv":
        write_text(summary_path(path), summary_csv(results), inputs=inputs)


def check_report_path(path: StrPath, *, inputs: Iterable[StrPath] = (), with_summary: bool = False) -> None:
    """Say what is wrong with the path of a report, before anything is scored.

    Parameters
    ----------
    path, inputs, with_summary
        See `write_report`.

    Raises
    ------
    UsageError
        See `write_report`.
    """
    inputs = list(inputs)
    if _suffix(path) not in SUFFIXES:
        found = f"ends in {shown(_suffix(path))}" if _suffix(path) else "has no suffix"
        raise UsageError(
            f"the kind of report is told by the suffix, and this {found}",
            source=os.fspath(path),
            hint=f"known are {', '.join(SUFFIXES)}",
        )
    if _suffix(path) == ".xlsx":
        from segeval.reports.workbook import check_installed

        check_installed()
    if _suffix(path) == ".html":
        from segeval.reports import page

        page.check_installed()
    check_output_path(path, inputs=inputs)
    if with_summary and _suffix(path) == ".csv":
        check_output_path(summary_path(path), inputs=inputs)


def write_export(results: Results, kind: str, path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Write the result file that another system reads, whatever its suffix.

    Parameters
    ----------
    results, path, inputs
        See `write_report`.
    kind
        One of `EXPORTS`.

    Raises
    ------
    UsageError
        Another kind, a path that cannot be written, or one of the inputs.
    """
    from segeval.reports.exports import EXPORTS

    if kind not in EXPORTS:
        raise UsageError(f"no export is called {shown(kind)!r}", hint=f"there are {', '.join(EXPORTS)}")
    write_text(path, EXPORTS[kind](results), inputs=[*inputs, *_files_of(results)])


def summary_path(path: StrPath) -> Path:
    """Where the summary lies beside a CSV."""
    return Path(path).with_suffix(".summary.csv")


def _files_of(results: Results) -> list[str]:
    return [file for record in results.cases for file in (record.prediction, record.reference) if file is not None]


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
    if mode is not None and _is_one_of(target, inputs):
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


def _is_one_of(target: Path, inputs: Iterable[StrPath]) -> bool:
    """Whether a file is one of the inputs, under whatever name."""
    place = target.stat()
    for path in inputs:
        try:
            status = os.stat(file_behind(path))  # noqa: PTH116 - a Path for each of many thousands takes its time
        except (OSError, ValueError):
            continue
        if os.path.samestat(place, status):
            return True
    return False


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else shown(error)
