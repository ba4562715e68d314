"""Write results to files, in the format that the suffix names; see `segeval.writing` for how files are written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segeval.errors import UsageError, shown
from segeval.reports.writers import EXPORTS, alternatives, loaded, pivot_writer_of, writer_of
from segeval.results.results import Results
from segeval.writing import StrPath, check_output_path, write_bytes, write_text

if TYPE_CHECKING:
    from segeval.analysis.pivot import Pivot
    from segeval.reports.pivot_cells import CellTemplate


def write_report(
    results: Results,
    path: StrPath,
    *,
    inputs: Iterable[StrPath] = (),
    with_summary: bool = False,
    **options: Any,
) -> None:
    """Write results to a file, in the format that its suffix names.

    A format without a place for the signature gets a file next to it, ``NAME.csv.signature.txt``.

    Parameters
    ----------
    results
        The results.
    path
        A path with the suffix of one of `WRITERS`. A file that is there is replaced, a link followed.
    inputs
        Files that must not be overwritten, besides those of the cases.
    with_summary
        Whether the summary is written too, to ``NAME.summary.csv`` next to ``NAME.csv``.
    **options
        ``images``: the folder of the scans over which an ``.html`` page draws its worst cases. ``style``: the
        `segeval.reports.csv_style.CsvStyle` of CSV. ``header``: whether JSON lines begin with the signature.
        ``times``: whether JUnit has the time of each case. Those that the format does not take have no effect.

    Raises
    ------
    UsageError
        An unknown suffix, a path that cannot be written, or one of the inputs; or a package that is not installed.
    """
    inputs = [*inputs, *_files_of(results)]
    check_report_path(path, inputs=inputs, with_summary=with_summary, **options)
    writer = writer_of(path)
    put = write_bytes if writer.is_binary else write_text
    put(path, writer.parts(results, **options), inputs=inputs)
    if with_summary and writer.summary:
        write_text(_summary_path(path), loaded(writer.summary)(results, **writer.taken(options)), inputs=inputs)
    if writer.has_signature_file(options):
        write_signature(path, [results.signature], inputs=inputs)
    elif writer.has_signature_file({}):  # one of an earlier run, for a file that had no header
        with suppress(OSError):
            signature_path(path).unlink(missing_ok=True)


def check_report_path(
    path: StrPath, *, inputs: Iterable[StrPath] = (), with_summary: bool = False, **options: Any
) -> None:
    """Check the path of a report before anything is scored.

    Parameters
    ----------
    path, inputs, with_summary, **options
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
    for each in report_paths(path, with_summary=with_summary, **options):
        check_output_path(each, inputs=inputs)


def report_paths(path: StrPath, *, with_summary: bool, **options: Any) -> list[StrPath]:
    """Return the files of a report: its own, and those of its summary and its signature, where it has such files."""
    writer = writer_of(path)
    summary = [_summary_path(path)] if with_summary and writer.summary else []
    return [path, *summary, *([signature_path(path)] if writer.has_signature_file(options) else [])]


def _summary_path(path: StrPath) -> Path:
    return Path(path).with_suffix(".summary.csv")


def signature_path(path: StrPath) -> Path:
    """Return the path of the file with the signature of a file that has no place for it.

    Examples
    --------
    >>> signature_path("scores.csv").name
    'scores.csv.signature.txt'
    """
    return Path(f"{os.fspath(path)}.signature.txt")


def write_signature(path: StrPath, signatures: Iterable[str], *, inputs: Iterable[StrPath] = ()) -> None:
    """Write the signatures of a file that has no place for them next to it; see `signature_path`."""
    write_text(signature_path(path), [f"{shown(line)}\n" for line in signatures], inputs=inputs)


def write_export(results: Results, kind: str, path: StrPath, *, inputs: Iterable[StrPath] = ()) -> None:
    """Write the result file that another system reads, whatever its suffix. It has no signature.

    Parameters
    ----------
    results, path, inputs
        See `write_report`.
    kind
        One of `EXPORTS`.

    Raises
    ------
    UsageError
        An unknown kind, a path that cannot be written, or one of the inputs.
    """
    if kind not in EXPORTS:
        raise UsageError(f"unknown export {shown(kind)!r}", hint=f"use {alternatives(list(EXPORTS))}")
    write_text(path, EXPORTS[kind].parts(results), inputs=[*inputs, *_files_of(results)])


def write_pivot(
    pivot: Pivot, template: CellTemplate, path: StrPath, *, inputs: Iterable[StrPath] = (), **options: Any
) -> None:
    """Write the table of a paper to a file, in the format that its suffix names; CSV has its signatures next to it.

    Parameters
    ----------
    pivot, template
        The numbers, and the text of a cell.
    path
        A path with the suffix of one of `PIVOT_WRITERS`.
    inputs
        Files that must not be overwritten.
    **options
        ``best``: see `segeval.reports.pivot_tables.board_of`. ``style``: see `write_report`.

    Raises
    ------
    UsageError
        See `write_report`.
    """
    write_text(path, pivot_writer_of(path).parts(pivot, template, **options), inputs=inputs)
    if pivot_writer_of(path).has_signature_file(options):
        from segeval.reports.pivot_tables import signatures_of  # deferred: only tables need it

        write_signature(path, signatures_of(pivot), inputs=inputs)


def pivot_paths(path: StrPath) -> list[StrPath]:
    """Return the files of a paper's table; see `report_paths`."""
    return [path, *([signature_path(path)] if pivot_writer_of(path).has_signature_file({}) else [])]


def _files_of(results: Results) -> list[str]:
    return [file for record in results.cases for file in record.files]
