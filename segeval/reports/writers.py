"""Formats of files, in one table for each kind of file; a new format is one module and one row.

The choices of the command line, its help and its errors follow from these tables, and the documentation's list of files
is tested against them. Every ``--help`` reads them: nothing heavy is imported here, and the module that writes a format
only when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from segeval.errors import UsageError, check_extra, shown

if TYPE_CHECKING:
    from segeval.writing import StrPath


class Extra(NamedTuple):
    """Optional packages that a format needs.

    Parameters
    ----------
    name
        Name of the extra.
    modules
        Modules that are imported from its packages.
    what
        Kind of file that needs them, as an error names it.
    """

    name: str
    modules: tuple[str, ...]
    what: str

    def check(self) -> None:
        """Raise a `UsageError` if a package is not installed."""
        check_extra(*self.modules, extra=self.name, what=self.what)


class Writer(NamedTuple):
    """A format that can be written.

    Parameters
    ----------
    kind
        Its name on the command line.
    function
        The function that writes it, as ``module.function`` of this package, in parts of a text or of bytes: from
        `Results`, and in `PIVOT_WRITERS` from a `Pivot` and a `CellTemplate`.
    suffix
        Suffix that selects the format with ``-o``; empty for `EXPORTS`, which are selected by kind.
    example
        Usual name of a file in this format.
    contents
        Its contents, as the documentation lists them.
    called
        Its name in help, if the suffix is not clear enough.
    pairing
        The function that writes the pairs of ``--dry-run`` in this format; without it, the format is not for ``-f``.
    summary
        The function that writes the summary of many cases into a separate file; without it, there is no such file.
    is_binary
        Whether the parts are bytes.
    takes
        Keyword arguments of the function: ``images`` (the folder of scans), ``style`` (of CSV), ``header`` (whether the
        file begins with the signature), ``times`` (whether it includes how long cases took).
    signature
        Place of the signature: ``"inside"`` the file, in a separate ``"file"``, ``"optional"``, which is inside with
        ``header`` and in a separate file without, or ``"none"``, because the system that reads the file has no place
        for it.
    extra
        Optional packages that are needed.
    """

    kind: str
    function: str
    suffix: str = ""
    example: str = ""
    contents: str = ""
    called: str = ""
    pairing: str = ""
    summary: str = ""
    is_binary: bool = False
    takes: tuple[str, ...] = ()
    signature: str = "inside"
    extra: Extra | None = None

    def parts(self, *arguments: object, **options: object) -> Any:
        """Call `function` with those of the options that it takes."""
        return loaded(self.function)(*arguments, **self.taken(options))

    def taken(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return those of the options that the function takes; see `takes`."""
        return {name: value for name, value in options.items() if name in self.takes}

    def has_signature_file(self, options: Mapping[str, object]) -> bool:
        """Whether the signature is written to a separate file."""
        return self.signature == "file" or (self.signature == "optional" and not options.get("header"))


WRITERS = {
    row.kind: row
    for row in (
        Writer(
            kind="csv",
            suffix=".csv",
            function="csv_files.to_csv",
            example="scores.csv",
            contents="a row for each case and label, and one for each case that could not be scored; "
            "`scores.summary.csv` and `scores.csv.signature.txt` next to it",
            pairing="pairing_table.pairing_csv",
            summary="csv_files.summary_csv",
            takes=("style",),
            signature="file",
        ),
        Writer(
            kind="json",
            suffix=".json",
            function="json_files.to_json",
            example="results.json",
            contents="everything, with signature, settings and voxel counts; always valid JSON",
            pairing="pairing_table.pairing_json",
        ),
        Writer(
            kind="jsonl",
            suffix=".jsonl",
            function="json_files.to_jsonl",
            example="scores.jsonl",
            contents="a line for each score, and for each case without one; the signature next to it, or in a first "
            "line with `--jsonl-header`",
            pairing="pairing_table.pairing_jsonl",
            takes=("header",),
            signature="optional",
        ),
        Writer(
            kind="markdown",
            suffix=".md",
            function="markdown.to_markdown",
            example="report.md",
            contents="summary, gate and failures, for a pull request",
            pairing="pairing_table.pairing_markdown",
        ),
        Writer(
            kind="parquet",
            suffix=".parquet",
            function="parquet.to_parquet",
            example="results.parquet",
            contents="a row for each score, and for each case that could not be scored; "
            "signature and settings as metadata",
            is_binary=True,
            extra=Extra(name="parquet", modules=("pyarrow.parquet",), what="a .parquet file"),
        ),
        Writer(
            kind="workbook",
            suffix=".xlsx",
            function="workbook.to_xlsx",
            example="scores.xlsx",
            contents="a workbook: Cases, Summary, Failures, Settings, and for each metric a coloured sheet of cases by "
            "labels",
            is_binary=True,
            extra=Extra(name="excel", modules=("xlsxwriter",), what="an .xlsx file"),
        ),
        Writer(
            kind="page",
            suffix=".html",
            function="page.to_html",
            example="report.html",
            contents="a page to look at, see [The page](page.md)",
            takes=("images",),
            extra=Extra(name="report", modules=("jinja2", "matplotlib"), what="an .html file"),
        ),
        Writer(
            kind="junit",
            suffix=".xml",
            function="junit.to_junit",
            example="junit.xml",
            contents="a test for each case, with its scores as properties, and one for each requirement",
            called="JUnit",
            takes=("times",),
        ),
    )
}

EXPORTS = {
    row.kind: row
    for row in (
        Writer(
            kind="nnunet",
            example="summary.json",
            function="exports.to_nnunet",
            contents="the summary that nnU-Net's scripts read",
            signature="none",
        ),
        Writer(
            kind="grand-challenge",
            example="metrics.json",
            function="exports.to_grand_challenge",
            contents="the metrics that grand-challenge.org reads",
            signature="none",
        ),
    )
}

PIVOT_WRITERS = {
    row.kind: row
    for row in (
        Writer(kind="csv", suffix=".csv", function="pivot_files.pivot_csv", takes=("best", "style"), signature="file"),
        Writer(kind="markdown", suffix=".md", function="pivot_files.pivot_markdown", takes=("best",)),
        Writer(kind="latex", suffix=".tex", function="pivot_files.pivot_latex", takes=("best",)),
    )
}

FIGURE_SUFFIXES = (".svg", ".pdf", ".png")


def loaded(function: str) -> Any:
    """Return a function of this package by its name, ``module.function``."""
    module, _, name = function.partition(".")
    return getattr(import_module(f"{__package__}.{module}"), name)


def writer_of(path: StrPath) -> Writer:
    """Return the format of results for the suffix of a path.

    Raises
    ------
    UsageError
        Its suffix is unknown.
    """
    writers = {row.suffix: row for row in WRITERS.values()}
    return writers[suffix_of(path, writers)]


def pivot_writer_of(path: StrPath) -> Writer:
    """Return the format of a paper's table for the suffix of a path; see `writer_of`."""
    writers = {row.suffix: row for row in PIVOT_WRITERS.values()}
    return writers[suffix_of(path, writers)]


def suffix_of(path: StrPath, known: Iterable[str], *, what: str = "output") -> str:
    """Return the suffix of a path, in lower case.

    Raises
    ------
    UsageError
        The suffix is unknown.
    """
    from pathlib import Path  # deferred: help needs no path

    suffix = Path(path).suffix.lower()
    if suffix not in known:
        problem = f"unknown {what} format {shown(suffix)!r}" if suffix else f"the {what} file has no suffix"
        raise UsageError(problem, source=os.fspath(path), hint=f"use {alternatives(list(known))}")
    return suffix


def alternatives(texts: Sequence[str]) -> str:
    """Join texts as alternatives.

    Examples
    --------
    >>> alternatives([".csv", ".md", ".tex"])
    '.csv, .md or .tex'
    """
    return " or ".join([*([", ".join(texts[:-1])] if texts[1:] else []), texts[-1]])
