"""Reports on disk, in the format that the suffix names; see `segeval.writing` for what every file has in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from segeval.errors import UsageError, shown
from segeval.reports.csv_files import summary_csv, to_csv
from segeval.reports.json_files import to_json, to_jsonl
from segeval.reports.markdown import to_markdown
from segeval.results.results import Results
from segeval.writing import StrPath, batched, check_output_path, write_bytes, write_text

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "batched",
    "check_output_path",
    "check_report_path",
    "summary_path",
    "write_bytes",
    "write_export",
    "write_report",
    "write_text",
]

FORMATS: dict[str, Callable[[Results], Iterable[str]]] = {
    "csv": to_csv,
    "json": to_json,
    "jsonl": to_jsonl,
    "markdown": to_markdown,
}
SUFFIXES = (".csv", ".json", ".jsonl", ".md", ".parquet", ".xlsx", ".html", ".xml")
_TEXTS = {".csv": to_csv, ".json": to_json, ".jsonl": to_jsonl, ".md": to_markdown}


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
        ``.csv``, ``.json``, ``.jsonl``, ``.md``, ``.parquet``, ``.xlsx``, ``.html`` or ``.xml``. A file that is
        there is replaced, a link followed.
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
    elif _suffix(path) == ".parquet":
        from segeval.reports.parquet import to_parquet

        write_bytes(path, to_parquet(results), inputs=inputs)
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
        from segeval.reports import workbook

        workbook.check_installed()
    if _suffix(path) == ".html":
        from segeval.reports import page

        page.check_installed()
    if _suffix(path) == ".parquet":
        from segeval.reports import parquet

        parquet.check_installed()
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


def _suffix(path: StrPath) -> str:
    return Path(path).suffix.lower()
