"""The tables of formats: each row names things that exist, and the command line offers exactly these formats."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import click
import pytest
from pyarrow.parquet import read_schema

from segeval.cli.batch import batch
from segeval.cli.table import table
from segeval.errors import UsageError
from segeval.reports.files import check_report_path, report_paths, write_report
from segeval.reports.writers import EXPORTS, PIVOT_WRITERS, WRITERS, Writer, loaded, pivot_writer_of, writer_of
from tests.places import TOP
from tests.reports.test_exports import hostile

FORMATS = [*WRITERS.values(), *EXPORTS.values(), *PIVOT_WRITERS.values()]
OPTIONAL = [row for row in WRITERS.values() if row.extra is not None]


def option(command: click.Command, name: str) -> click.Option:
    (found,) = [each for each in command.params if isinstance(each, click.Option) and name in each.opts]
    return found


def choices(command: click.Command) -> list[str]:
    kind = option(command, "--format").type
    assert isinstance(kind, click.Choice)
    return [str(choice) for choice in kind.choices]


def test_every_function_exists() -> None:
    functions = [row.function for row in FORMATS]
    functions += [name for row in WRITERS.values() for name in (row.pairing, row.summary) if name]
    assert all(callable(loaded(name)) for name in functions)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_every_format_is_written(writer: Writer, tmp_path: Path) -> None:
    assert writer_of(f"a/{writer.example.upper()}") is writer
    write_report(hostile(), tmp_path / writer.example, with_summary=True)
    names = {path.name for path in tmp_path.iterdir()}
    stem = Path(writer.example).stem
    signature = {f"{writer.example}.signature.txt"} if writer.has_signature_file({}) else set()
    assert names == {writer.example} | signature | ({f"{stem}.summary.csv"} if writer.summary else set())
    assert (tmp_path / writer.example).stat().st_size > 0


def texts_of(path: Path) -> str:
    """Return all text of a file, including the parts of an archive and the metadata of Parquet."""
    if path.suffix == ".parquet":
        return str(read_schema(path).metadata)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "".join(archive.read(name).decode() for name in archive.namelist())
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_every_file_has_its_signature_inside_or_next_to_it(writer: Writer, header: bool, tmp_path: Path) -> None:
    results = replace(hostile(), signature="segeval 9.9.9 : 3-D, mm : hd@95 directed")
    path = tmp_path / writer.example
    write_report(results, path, with_summary=True, header=header)
    is_inside = results.signature in texts_of(path)
    assert is_inside == (not writer.has_signature_file({"header": header}))
    separate = tmp_path / f"{path.name}.signature.txt"
    assert separate.exists() == (not is_inside)
    assert is_inside or separate.read_text(encoding="utf-8") == f"{results.signature}\n"
    assert set(map(str, report_paths(path, with_summary=True, header=header))) == set(map(str, tmp_path.iterdir()))


def test_files_for_other_systems_have_no_place_for_a_signature(tmp_path: Path) -> None:
    for writer in EXPORTS.values():
        assert writer.signature == "none"
        assert "segeval" not in "".join(writer.parts(hostile()))


def test_the_command_line_offers_the_formats() -> None:
    assert choices(batch) == ["table", "csv", "json", "jsonl", "markdown"]
    assert choices(batch)[1:] == [row.kind for row in WRITERS.values() if row.pairing]
    assert choices(table) == ["table", *PIVOT_WRITERS]
    assert option(batch, "--output").help == ("Also write .csv .json .jsonl .md .parquet .xlsx .html .xml; repeatable.")
    assert option(batch, "--export").help == (
        "Also write for another system: nnunet:summary.json, grand-challenge:metrics.json."
    )
    assert option(table, "--output").help == "Also write .csv .md .tex; repeatable."


def test_an_unknown_suffix_is_refused_with_the_known_ones() -> None:
    for find, path, said in (
        (
            writer_of,
            "a.txt",
            "a.txt: unknown output format '.txt'; use .csv, .json, ",
        ),
        (pivot_writer_of, "a", "a: the output file has no suffix; use .csv, .md or .tex"),
    ):
        with pytest.raises(UsageError) as caught:
            find(path)
        assert str(caught.value).startswith(said)


@pytest.mark.parametrize("writer", OPTIONAL, ids=[row.kind for row in OPTIONAL])
def test_a_missing_package_is_named_before_anything_is_scored(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer.extra is not None
    check_report_path(tmp_path / writer.example)
    for module in writer.extra.modules:
        with monkeypatch.context() as missing:
            missing.setitem(sys.modules, module, None)
            said = rf"^an? {writer.suffix} file needs the package \w+; pip install 'segeval-cli\[{writer.extra.name}\]'"
            for attempt in (check_report_path, lambda path: write_report(hostile(), path)):
                with pytest.raises(UsageError, match=said):
                    attempt(tmp_path / writer.example)
    assert list(tmp_path.iterdir()) == []


def test_the_tables_import_nothing_heavy() -> None:
    code = "import sys, segeval.reports.writers; print({'numpy', 'pandas', 'rich', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)  # noqa: S603
    assert done.stdout == "set()\n"
