"""Report files are written completely or not at all, also with real faults: a full disk, a file as folder, a link."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from segeval.errors import UsageError
from segeval.reports.csv_files import summary_csv, to_csv
from segeval.reports.files import check_report_path, write_export, write_report
from segeval.reports.json_files import to_json, to_jsonl
from segeval.reports.junit import to_junit
from segeval.reports.markdown import escaped, to_markdown
from segeval.reports.workbook import to_xlsx
from segeval.reports.writers import EXPORTS
from segeval.results.results import Results
from segeval.writing import check_output_path, write_text
from tests.places import TOP
from tests.reports.test_exports import hostile
from tests.reports.test_golden import awkward

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX rights and limits")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("suffix", "writer"),
    [(".csv", to_csv), (".json", to_json), (".JSONL", to_jsonl), (".md", to_markdown), (".xml", to_junit)],
)
def test_suffix_names_the_format(tmp_path: Path, suffix: str, writer: Callable[[Results], Iterable[str]]) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("earlier")
    write_report(awkward(), path)
    assert path.read_bytes().decode("utf-8") == "".join(writer(awkward()))
    beside = [f"{path.name}.signature.txt"] if suffix.lower() in {".csv", ".jsonl"} else []
    assert sorted(names_in(tmp_path)) == [path.name, *beside]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", ".csv"])
def test_other_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UsageError, match=r"use \.csv, \.json, \.jsonl, \.md, \.parquet, \.xlsx, \.html or \.xml"
    ) as caught:
        write_report(awkward(), tmp_path / name)
    assert caught.value.exit_code == 2
    assert names_in(tmp_path) == []


def test_wrong_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for path, said in (
        (tmp_path / "folder.csv", "it is a folder"),
        (tmp_path / "none" / "out.csv", "does not exist"),
        (tmp_path / "file" / "out.csv", "is not a folder"),
        (tmp_path / "loop.csv", "cannot be written"),
        (tmp_path / ("x" * 300 + ".csv"), "too long"),
        (tmp_path / "a\0b.csv", "null"),
    ):
        for attempt in (check_report_path, lambda path: write_report(awkward(), path)):
            with pytest.raises(UsageError, match=said):
                attempt(path)


def test_workbook_is_written_as_bytes(tmp_path: Path) -> None:
    write_report(awkward(), tmp_path / "out.XLSX", with_summary=True)
    assert (tmp_path / "out.XLSX").read_bytes() == b"".join(to_xlsx(awkward()))
    assert names_in(tmp_path) == ["out.XLSX"]


def test_missing_package_is_reported_before_anything_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(UsageError, match="needs the package XlsxWriter"):
        check_report_path(tmp_path / "out.xlsx")
    with pytest.raises(UsageError, match="needs the package XlsxWriter"):
        write_report(awkward(), tmp_path / "out.xlsx")
    check_report_path(tmp_path / "out.csv")
    assert names_in(tmp_path) == []


def test_summary_is_written_next_to_the_csv(tmp_path: Path) -> None:
    write_report(hostile(), tmp_path / "out.csv", with_summary=True)
    assert (tmp_path / "out.csv").read_bytes().decode("utf-8") == "".join(to_csv(hostile()))
    assert (tmp_path / "out.summary.csv").read_bytes().decode("utf-8") == "".join(summary_csv(hostile()))
    assert sorted(names_in(tmp_path)) == ["out.csv", "out.csv.signature.txt", "out.summary.csv"]
    write_report(hostile(), tmp_path / "other.json", with_summary=True)
    write_report(hostile(), tmp_path / "alone.csv")
    assert sorted(names_in(tmp_path)) == [
        "alone.csv",
        "alone.csv.signature.txt",
        "other.json",
        "out.csv",
        "out.csv.signature.txt",
        "out.summary.csv",
    ]


def test_place_of_the_summary_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a.summary.csv").mkdir()
    (tmp_path / "b.summary.csv").write_text("cases")
    for name, inputs, said in (
        ("a.csv", [], "a.summary.csv: cannot be written: it is a folder"),
        ("b.csv", [tmp_path / "b.summary.csv"], "b.summary.csv: this is an input"),
    ):
        check_report_path(tmp_path / name, inputs=inputs)
        with pytest.raises(UsageError, match=said):
            check_report_path(tmp_path / name, inputs=inputs, with_summary=True)
        with pytest.raises(UsageError, match=said):
            write_report(awkward(), tmp_path / name, inputs=inputs, with_summary=True)
    assert sorted(names_in(tmp_path)) == ["a.summary.csv", "b.summary.csv"]
    assert (tmp_path / "b.summary.csv").read_text() == "cases"


@pytest.mark.parametrize("kind", EXPORTS)
def test_exports_are_written_whatever_the_suffix(tmp_path: Path, kind: str) -> None:
    write_export(hostile(), kind, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes().decode("utf-8") == "".join(EXPORTS[kind].parts(hostile()))
    (tmp_path / "ref").write_text("voxels")
    with pytest.raises(UsageError, match="input of the run"):
        write_export(hostile(), kind, tmp_path / "ref", inputs=[tmp_path / "ref"])
    with pytest.raises(UsageError, match="unknown export 'x'; use nnunet or grand-challenge"):
        write_export(hostile(), "x", tmp_path / "out.txt")


@needs_posix
def test_report_is_not_written_to_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match="not a regular file"):
        write_report(awkward(), tmp_path / "pipe.csv")


@needs_posix
@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() == 0, reason="root may write anywhere")
def test_rights_are_respected(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("earlier")
    path.chmod(0o444)
    with pytest.raises(UsageError, match="write-protected"):
        write_report(awkward(), path)
    tmp_path.chmod(0o555)
    with pytest.raises(UsageError, match="no right to write"):
        write_report(awkward(), tmp_path / "other.csv")
    tmp_path.chmod(0o755)


@needs_posix
def test_mode_is_that_of_a_new_file_or_of_the_earlier_one(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_report(awkward(), tmp_path / "new.csv")
    finally:
        os.umask(mask)
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new.csv").chmod(0o600)
    write_report(awkward(), tmp_path / "new.csv")
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o600


def test_inputs_are_never_overwritten(tmp_path: Path) -> None:
    reference = tmp_path / "ref.json"
    reference.write_text("voxels")
    (tmp_path / "link.json").symlink_to(reference)
    os.link(reference, tmp_path / "twin.json")
    results = awkward()
    results = replace(results, cases=(replace(results.cases[0], reference=str(reference)),))
    for name in ("ref.json", "link.json", "twin.json"):
        with pytest.raises(UsageError, match="input of the run"):
            write_report(results, tmp_path / name)
        with pytest.raises(UsageError, match="input of the run"):
            check_output_path(tmp_path / name, inputs=[reference, "missing"])
    assert reference.read_text() == "voxels"


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "there" / "real.csv")
    write_report(awkward(), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_text(encoding="utf-8") == "".join(to_csv(awkward()))


@needs_posix
def test_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("earlier")
    code = (
        "import resource, sys; from tests.reports.test_golden import awkward\n"
        "from segeval.errors import UsageError; from segeval.reports.files import write_report\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_report(awkward(), sys.argv[1])\n"
        "except UsageError as error: print(error)\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-B", "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=TOP
    )
    assert done.stdout == f"{path}: cannot be written: file too large\n"
    assert path.read_text() == "earlier"
    assert names_in(tmp_path) == ["out.json"]


def test_interrupt_leaves_no_trace(tmp_path: Path) -> None:
    def interrupting() -> Iterator[str]:
        yield "x" * 100_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "out.csv", interrupting())
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lung_upper_lobe", "lung_upper_lobe"),
        ("_a_", r"\_a\_"),
        ("**a**", r"\*\*a\*\*"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("&lt;", "&amp;lt;"),
        ("[a](javascript:b)", r"\[a\](javascript:b)"),
        ("https://x.org", r"https\://x.org"),
        ("www.x.org", r"www\.x.org"),
        ("a@b.org", r"a\@b.org"),
        ("$x$ ~~y~~ `z`", r"\$x\$ \~\~y\~\~ \`z\`"),
        ("a\nb", r"a\\nb"),
    ],
)
def test_markdown_shows_names_as_they_are(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_markdown_rows_have_equally_many_cells() -> None:
    lines = [line for line in "".join(to_markdown(awkward())).splitlines() if line.startswith("| ")]
    bars = [line.replace("\\|", "").count("|") for line in lines]
    assert bars == [9] * 12 + [3] * 3 + [4] * 6
