"""Reports on disk, in the format that the suffix names; see `segeval.writing` for what every file has in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from segeval.errors import UsageError, shown
from segeval.reports.writers import EXPORTS, loaded, writer_of
from segeval.results.results import Results
from segeval.writing import StrPath, check_output_path, write_bytes, write_text


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
        With a suffix of one of `WRITERS`. A file that is there is replaced, a link followed.
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
    writer = writer_of(path)
    options = {"images": images} if writer.takes_images else {}
    put = write_bytes if writer.is_binary else write_text
    put(path, writer.parts(results, **options), inputs=inputs)
    for beside in report_paths(path, with_summary=with_summary)[1:]:
        write_text(beside, loaded(writer.summary)(results), inputs=inputs)


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
    extra = writer_of(path).extra
    if extra is not None:
        extra.check()
    for each in report_paths(path, with_summary=with_summary):
        check_output_path(each, inputs=inputs)


def report_paths(path: StrPath, *, with_summary: bool) -> list[StrPath]:
    """The files of a report: its own, then that of the summary, if its format has one."""
    summary = [Path(path).with_suffix(".summary.csv")] if with_summary and writer_of(path).summary else []
    return [path, *summary]


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
    if kind not in EXPORTS:
        raise UsageError(f"no export is called {shown(kind)!r}", hint=f"there are {', '.join(EXPORTS)}")
    write_text(path, EXPORTS[kind].parts(results), inputs=[*inputs, *_files_of(results)])


def _files_of(results: Results) -> list[str]:
    return [file for record in results.cases for file in record.files]
