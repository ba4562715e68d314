"""Every format of a file, in one table for each kind of file; a new format is one module and one row.

The choices of the command line, its help and its errors follow from these tables, and README's list of files is held
against them. They are read for every ``--help``: nothing heavy is imported here, and the module that writes a format
only when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from segeval.errors import UsageError, check_extra, shown

if TYPE_CHECKING:
    from segeval.writing import StrPath


class Extra(NamedTuple):
    """What must be installed besides.

    Parameters
    ----------
    name
        Of the extra.
    modules
        What is imported from its packages.
    what
        What needs them, in an error.
    """

    name: str
    modules: tuple[str, ...]
    what: str

    def check(self) -> None:
        """Raise a `UsageError` that names a package which is not installed."""
        check_extra(*self.modules, extra=self.name, what=self.what)


class Writer(NamedTuple):
    """A row of a table: what can be written.

    Parameters
    ----------
    kind
        What the command line calls it.
    function
        What writes it, as ``module.function`` of this package, in parts of a text or of bytes: from `Results`, and in
        `PIVOT_WRITERS` from a `Pivot` and a `CellTemplate`.
    suffix
        What ``-o`` knows it by; empty for `EXPORTS`, which are named by their kind.
    example
        The usual name of such a file.
    contents
        What is in it, as in README's list.
    called
        What help calls it, where its suffix does not say.
    pairing
        The function that writes the pairs of ``--dry-run`` in this format; without it, the format is not for ``-f``.
    summary
        The function that writes the summary of many cases into a file of its own; without it, there is none.
    is_binary
        Whether the parts are bytes.
    takes_images
        Whether the function takes ``images``, the folder of scans.
    extra
        What must be installed besides.
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
    takes_images: bool = False
    extra: Extra | None = None

    def parts(self, *arguments: object, **options: object) -> Any:
        """What `function` makes of its arguments."""
        return loaded(self.function)(*arguments, **options)


WRITERS = {
    row.kind: row
    for row in (
        Writer(
            kind="csv",
            suffix=".csv",
            function="csv_files.to_csv",
            example="scores.csv",
            contents="a row for each case and label, and one for each case that could not be scored; "
            "`scores.summary.csv` beside it",
            pairing="pairing_table.pairing_csv",
            summary="csv_files.summary_csv",
        ),
        Writer(
            kind="json",
            suffix=".json",
            function="json_files.to_json",
            example="results.json",
            contents="everything, with signature, settings and voxel counts; valid JSON always",
            pairing="pairing_table.pairing_json",
        ),
        Writer(
            kind="jsonl",
            suffix=".jsonl",
            function="json_files.to_jsonl",
            example="scores.jsonl",
            contents="a line for each score, and for each case without one",
            pairing="pairing_table.pairing_jsonl",
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
            contents="a workbook: Cases, Summary, Failures, Settings; text is never a formula",
            is_binary=True,
            extra=Extra(name="excel", modules=("xlsxwriter",), what="an .xlsx file"),
        ),
        Writer(
            kind="page",
            suffix=".html",
            function="page.to_html",
            example="report.html",
            contents="a page to look at, see [The page](page.md)",
            takes_images=True,
            extra=Extra(name="report", modules=("jinja2", "matplotlib"), what="an .html file"),
        ),
        Writer(
            kind="junit",
            suffix=".xml",
            function="junit.to_junit",
            example="junit.xml",
            contents="a test for each case and each requirement",
            called="JUnit",
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
            contents="what nnU-Net's scripts read",
        ),
        Writer(
            kind="grand-challenge",
            example="metrics.json",
            function="exports.to_grand_challenge",
            contents="what grand-challenge.org reads",
        ),
    )
}

PIVOT_WRITERS = {
    row.kind: row
    for row in (
        Writer(kind="csv", suffix=".csv", function="pivot_files.pivot_csv"),
        Writer(kind="markdown", suffix=".md", function="pivot_files.pivot_markdown"),
        Writer(kind="latex", suffix=".tex", function="pivot_files.pivot_latex"),
    )
}

FIGURE_SUFFIXES = (".svg", ".pdf", ".png")


def loaded(function: str) -> Any:
    """A function of this package by its name, ``module.function``."""
    module, _, name = function.partition(".")
    return getattr(import_module(f"{__package__}.{module}"), name)


def writer_of(path: StrPath) -> Writer:
    """The format that a path names.

    Raises
    ------
    UsageError
        Its suffix is none of those.
    """
    writers = {row.suffix: row for row in WRITERS.values()}
    return writers[suffix_of(path, writers, what="report")]


def pivot_writer_of(path: StrPath) -> Writer:
    """The same for the table of a paper."""
    writers = {row.suffix: row for row in PIVOT_WRITERS.values()}
    return writers[suffix_of(path, writers, what="table")]


def suffix_of(path: StrPath, known: Iterable[str], *, what: str) -> str:
    """The suffix of a path, one of those that are known.

    Raises
    ------
    UsageError
        It is none of them.
    """
    from pathlib import Path  # deferred: help needs no path

    suffix = Path(path).suffix.lower()
    if suffix not in known:
        found = f"ends in {shown(suffix)}" if suffix else "has no suffix"
        raise UsageError(
            f"the kind of {what} is told by the suffix, and this {found}",
            source=os.fspath(path),
            hint=f"known are {', '.join(known)}",
        )
    return suffix


def alternatives(texts: Sequence[str]) -> str:
    """Texts as a sentence has them.

    Examples
    --------
    >>> alternatives([".csv", ".md", ".tex"])
    '.csv, .md or .tex'
    """
    return " or ".join([*([", ".join(texts[:-1])] if texts[1:] else []), texts[-1]])
