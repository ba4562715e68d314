"""The table of --dry-run: --pairs reads its CSV back, and in a terminal it fits into 80 columns."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from segeval.pairing import Pairing, pair_folders, read_pairs
from segeval.reports.pairing_table import pairing_csv, print_pairing
from segeval.reports.terminal import Printer
from tests.pairing.test_pairing import make


def read_again(pairing: Pairing, folder: Path) -> Pairing:
    folder.mkdir()
    path = folder / "pairs.csv"
    path.write_bytes("".join(pairing_csv(pairing)).encode())
    return read_pairs(str(path))


NAMES = ["a", "sub/b", "a,b", '"q"', "=1+1", "é", "a b"]


def test_the_csv_is_read_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = NAMES if sys.platform != "win32" else NAMES[:2]
    make(tmp_path / "p", [f"{name}_pred.png" for name in names])
    make(tmp_path / "r", [f"{name}.png" for name in [*names, "missing"]])
    found = pair_folders("p", "./r")
    assert sum(case.prediction is not None for case in found.cases) == len(names)
    again = read_again(found, tmp_path / "elsewhere")
    assert {case.name: case.prediction and Path(case.prediction) for case in again.cases} == {
        case.name: case.prediction and tmp_path / case.prediction for case in found.cases
    }
    assert [Path(case.reference) for case in again.cases] == [tmp_path / case.reference for case in found.cases]
    assert {case.problem for case in again.cases} == {None}


def test_a_problem_is_not_read_as_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "p", ["a.png", "b.png"])
    make(tmp_path / "r", ["a.png", "a.tif", "b.png"])
    again = read_again(pair_folders("p", "r"), tmp_path / "elsewhere")
    assert [(case.name, case.prediction is None) for case in again.cases] == [("a", True), ("b", False)]


def test_a_prediction_that_is_not_in_a_table_stays_missing(tmp_path: Path) -> None:
    make(tmp_path, ["r.png"])
    (tmp_path / "pairs.csv").write_text("prediction,reference\nnone.png,r.png\n")
    found = read_pairs(str(tmp_path / "pairs.csv"))
    (case,) = read_again(found, tmp_path / "elsewhere").cases
    assert (case.prediction, case.reference, case.problem) == (None, str(tmp_path / "r.png"), None)


def printed(pairing: Pairing, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    print_pairing(pairing, Printer(stream))
    return stream.getvalue().splitlines()


def test_the_table_names_the_folders_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "predictions", ["case_1.png", "sub/case_3.png", "case_02.png"])
    make(tmp_path / "references", ["case_1.png", "case_2.png", "case_2.tif", "sub/case_3.png", "sub/case_4.png"])
    lines = printed(pair_folders("predictions", "references"), monkeypatch)
    assert lines[:4] == [
        "4 cases, 1 without a prediction, 1 problem",
        "predictions  predictions/",
        "references   references/",
        "",
    ]
    assert lines[4].split() == ["case", "prediction", "reference", "problem"]
    assert lines[5].split() == ["case_1", "case_1.png", "case_1.png"]
    assert all(len(line) <= 80 for line in lines)


def test_paths_without_a_shared_folder_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path, ["a/p.png", "r.png", "b/r.png", "b/p.png"])
    (tmp_path / "pairs.csv").write_text(f"case,prediction,reference\n1,a/p.png,r.png\n2,{tmp_path}/b/p.png,b/r.png\n")
    lines = printed(read_pairs("pairs.csv"), monkeypatch)
    assert lines[:2] == ["2 cases, all paired", ""]
    assert any("a/p.png" in line for line in lines)
