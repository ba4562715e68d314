"""Other styles of CSV: a spreadsheet of another language reads the same table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segeval.analysis.pivot import pivot
from segeval.errors import UsageError
from segeval.pairing import read_pairs
from segeval.reports.csv_files import confusion_csv, summary_csv, to_csv
from segeval.reports.csv_style import CsvStyle, csv_style
from segeval.reports.pivot_cells import read_template
from segeval.reports.pivot_files import pivot_csv
from tests.command import box, call, save
from tests.places import SAMPLES
from tests.reports.test_exports import hostile
from tests.reports.test_golden import CONFUSION, awkward

GERMAN = csv_style(decimal=",")
STYLES = [GERMAN, csv_style(decimal=",", delimiter="tab", bom=True), csv_style(delimiter="|"), csv_style(bom=True)]
PAIR = [SAMPLES / folder / "case_04.nii.gz" for folder in ("predictions", "references")]
FOLDERS = [SAMPLES / folder for folder in ("predictions", "references")]


def rows_of(text: str, style: CsvStyle) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(style.start), newline=""), delimiter=style.delimiter))


def test_a_semicolon_goes_with_a_decimal_comma() -> None:
    assert csv_style() == (".", ",", False)
    assert csv_style(decimal=",") == (",", ";", False)
    assert csv_style(delimiter="tab") == csv_style(delimiter="\\t") == csv_style(delimiter="\t") == (".", "\t", False)
    assert csv_style(decimal=",", delimiter="|", bom=True) == (",", "|", True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"decimal": ",", "delimiter": ","}, "the decimal mark and the delimiter cannot both be a comma"),
        ({"decimal": "'"}, "the decimal mark must be . or ,"),
        *(
            ({"delimiter": each}, "the delimiter must be one character")
            for each in ("", ";;", *'a5" .-+=@é', "'", "\n")
        ),
    ],
)
def test_a_style_that_cannot_be_read_back_is_refused(options: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        csv_style(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("write", [to_csv, summary_csv])
def test_the_cells_are_the_same_except_for_the_decimal_point(style: CsvStyle, write: Callable[..., list[str]]) -> None:
    for results in (awkward(), hostile()):
        text = "".join(write(results, style=style))
        assert text.startswith("\ufeff") == style.bom
        assert text.count("\ufeff") == style.bom
        for row, plain in zip(rows_of(text, style), rows_of("".join(write(results)), CsvStyle()), strict=True):
            for cell, expected in zip(row, plain, strict=True):
                assert cell == expected or cell.replace(",", ".") == repr(float(expected))


def test_pandas_reads_the_same_numbers() -> None:
    text = "".join(to_csv(hostile(), style=GERMAN))
    frame = pd.read_csv(io.StringIO(text), sep=";", decimal=",")
    plain = pd.read_csv(io.StringIO("".join(to_csv(hostile()))))
    pd.testing.assert_frame_equal(frame, plain)
    assert np.isinf(frame["hd@95"]).any()


def test_an_infinite_score_is_in_the_note_of_its_row() -> None:
    frame = pd.read_csv(io.StringIO("".join(to_csv(hostile()))))
    infinite = np.isinf(frame["hd@95"])
    assert infinite.any()
    assert frame.loc[infinite, "note"].str.contains("infinite: hd@95", regex=False).all()
    assert not frame.loc[~infinite, "note"].fillna("").str.contains("infinite").any()


def test_the_confusion_matrix_has_the_delimiter_too() -> None:
    text = confusion_csv(CONFUSION, {1: "a;b"}, style=GERMAN)
    assert rows_of(text, GERMAN)[0] == ["reference \\ prediction", "0 background", "1 a;b", "2"]


def test_the_table_of_a_paper() -> None:
    board = pivot({"a.json": hostile()}, rows=["name"], columns=["metric"])
    template = read_template("{mean:.3f} (n = {n})")
    rows = rows_of("".join(pivot_csv(board, template, style=GERMAN)), GERMAN)
    plain = rows_of("".join(pivot_csv(board, template)), CsvStyle())
    assert rows[0] == plain[0]
    for row, expected in zip(rows[1:], plain[1:], strict=True):
        assert row == [expected[0], *(cell.replace(".", ",") for cell in expected[1:])]


def test_every_file_and_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix, scores = tmp_path / "matrix.csv", tmp_path / "scores.csv"
    spelt = ["--decimal", ",", "--bom"]
    answer = call(
        capsys, "batch", *FOLDERS, "-m", "dice,hd", "-f", "csv", "-o", scores, "--confusion", matrix, *spelt, "-q"
    )
    written = (scores, scores.with_suffix(".summary.csv"), matrix)
    for text in (answer.out, *(path.read_text("utf-8") for path in written)):
        assert text.startswith("\ufeff")
        assert ";" in text.splitlines()[0]
        frame = pd.read_csv(io.StringIO(text.removeprefix("\ufeff")), sep=";", decimal=",")
        assert frame.select_dtypes("number").notna().any().any()
    assert answer.out == scores.read_text("utf-8")


def test_every_command_that_writes_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, table = tmp_path / "results.json", tmp_path / "table.csv"
    assert call(capsys, "score", *PAIR, "-m", "dice", "-o", results, "-f", "csv", "--delimiter", "tab").out.count("\t")
    out = call(capsys, "merge", results, "-f", "csv", "--decimal", ",").out
    assert ";0,95" in out
    command = ["table", results, "--rows", "name", "--cell", "{mean:.2f}", "--decimal", ","]
    assert "liver;0,96" in call(capsys, *command, "-f", "csv").out
    assert call(capsys, *command, "-o", table).code == 0
    assert "liver;0,96" in table.read_text()
    signature = (tmp_path / "table.csv.signature.txt").read_text()
    assert signature.startswith("segeval ")


def test_case_tables_are_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("p", "r"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "a.nii", box((4, 5, 6)))
    for style in (["--delimiter", ";", "--bom"], ["--delimiter", "tab"], ["--delimiter", "|"], []):
        path = tmp_path / "pairs.csv"
        path.write_text(call(capsys, "batch", tmp_path / "p", tmp_path / "r", "--dry-run", "-f", "csv", *style).out)
        assert [case.name for case in read_pairs(str(path)).cases] == ["a"]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--decimal", ","], "--decimal has no effect without CSV; add -o scores.csv or -f csv"),
        (["--delimiter", ";", "-f", "json"], "--delimiter has no effect"),
        (["--bom", "-o", "a.json"], "--bom has no effect"),
        (["--jsonl-header", "-o", "a.csv"], "--jsonl-header has no effect without JSON lines"),
        (["--junit-times"], "--junit-times has no effect without JUnit; add -o junit.xml"),
        (["--decimal", ",", "--delimiter", ",", "-f", "csv"], "the decimal mark and the delimiter cannot both be"),
        (["--delimiter", "ab", "-f", "csv"], "the delimiter must be one character such as ; or | or tab, not 'ab'"),
        (["--decimal", "x", "-f", "csv"], "'x' is not one of"),
    ],
)
def test_an_option_without_effect_is_refused(
    words: list[str], cause: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, "score", *PAIR, *words)
    assert (answer.code, answer.out) == (2, "")
    assert cause in answer.cause
    assert not list(tmp_path.iterdir())
