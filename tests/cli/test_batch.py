"""Output and exit codes of `segeval batch`, with and without problems."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pytest

from segeval.errors import UsageError
from segeval.results.results import Results
from segeval.running.run import attempt
from segeval.running.settings import RunSettings
from segeval.running.shards import parse_shard
from segeval.scoring.case import Case
from tests.command import SEGEVAL, Answer, box, call, plain_environment, save, spawn
from tests.places import SAMPLES, TOP

if TYPE_CHECKING:
    from segeval.scoring.plan import Plan

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and shells")
FOLDERS = (SAMPLES / "predictions", SAMPLES / "references")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five cases: a good one, a missing one, a damaged one, one on another grid, one whose label was missed."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    predictions.mkdir()
    references.mkdir()
    for name in ("case_1", "case_2", "case_3", "case_4", "case_10"):
        save(references / f"{name}.nii.gz", box((8, 9, 10)))
        save(predictions / f"{name}.nii.gz", box((8, 9, 10), at=3))
    (predictions / "case_2.nii.gz").rename(predictions / "case_02.nii.gz")
    whole = (predictions / "case_3.nii.gz").read_bytes()
    (predictions / "case_3.nii.gz").write_bytes(whole[:-20])
    save(predictions / "case_4.nii.gz", box((8, 9, 11)))
    save(predictions / "case_10.nii.gz", np.zeros((8, 9, 10), np.uint8))
    return predictions, references


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_nothing_vanishes(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results.json"
    answer = call(capsys, "batch", *folders, "-m", "dice,hd", "-o", output, "-o", tmp_path / "results.csv")
    assert answer.code == 3
    assert answer.cause == "error: 3 of 5 cases were not scored"
    for name in ("case_2", "case_3", "case_4"):
        assert len(re.findall(rf"\b{name}\b(?!\.)", answer.out)) == 1
        assert name not in answer.err
    found = document(output)
    cases = {record["case"]: record for record in found["cases"]}
    assert list(cases) == ["case_1", "case_2", "case_3", "case_4", "case_10"]
    assert [record["status"] for record in found["cases"]] == ["scored", "missing", "failed", "failed", "scored"]
    assert cases["case_2"]["prediction"] is None
    assert "similar: " in cases["case_2"]["message"]
    assert "case_02.nii.gz" in cases["case_2"]["message"]
    assert "the file is cut short: the header needs 1,072 bytes, found 1,052" in cases["case_3"]["message"]
    assert "the grids differ" in cases["case_4"]["message"]
    (dice,) = [row for row in found["summary"] if row["metric"] == "dice" and row["aggregate"] == "cases"]
    assert (dice["n"], dice["n_failed"], dice["n_missing"], dice["n_missed"]) == (2, 2, 1, 1)
    assert found["warnings"] == [f"1 prediction has no reference: {folders[0] / 'case_02.nii.gz'}"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert [(row["case"], row["status"]) for row in rows] == [
        ("case_1", "scored"),
        ("case_2", "missing"),
        ("case_3", "failed"),
        ("case_4", "failed"),
        ("case_10", "scored"),
    ]
    assert "5 cases: 2 scored, 3 not scored" in answer.out


def test_a_missing_prediction_counts_as_empty(folders: tuple[Path, Path], tmp_path: Path) -> None:
    answer = spawn("batch", *folders, "-m", "dice,hd", "--missing", "empty", "-o", tmp_path / "r.json")
    assert answer.code == 3
    found = document(tmp_path / "r.json")
    assert [record["status"] for record in found["cases"]] == ["scored", "scored", "failed", "failed", "scored"]
    assert found["cases"][1]["prediction"] is None
    assert found["cases"][1]["message"] == "no prediction; scored as empty"
    (row,) = [row for row in found["summary"] if row["metric"] == "dice" and row["aggregate"] == "cases"]
    assert (row["n"], row["n_missed"], row["n_missing"]) == (3, 2, 0)
    scores = [row for row in found["scores"] if row["case"] == "case_2"]
    assert [(row["metric"], row["note"]) for row in scores] == [
        ("dice", "prediction empty"),
        ("hd", "prediction empty"),
    ]
    assert scores[0]["value"] == 0
    assert scores[1]["value"] == pytest.approx(np.sqrt(8**2 + 9**2 + 10**2))


def test_a_missing_prediction_is_left_out_and_counted(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("case_3", "case_4"):
        (folders[1] / f"{name}.nii.gz").unlink()
    answer = call(capsys, "batch", *folders, "--missing", "skip", "-o", tmp_path / "r.json", "-f", "csv")
    assert answer.code == 0
    row = document(tmp_path / "r.json")["summary"][0]
    assert (row["n"], row["n_skipped"]) == (2, 1)
    assert "case_2,,,,skipped,no prediction; left out" in answer.out


def test_a_case_per_folder_of_class_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, at in (("p", 2), ("r", 3)):
        for case in ("s1", "s2"):
            (tmp_path / side / case).mkdir(parents=True)
            for name, shift in (("liver", 0), ("spleen", 1)):
                save(tmp_path / side / case / f"{name}.nii.gz", box((9, 9, 9), at=at + shift, size=2))
    (tmp_path / "p" / "s2").rename(tmp_path / "p" / "other")
    answer = call(capsys, "batch", tmp_path / "p", tmp_path / "r", "-m", "dice", "-f", "csv", "--missing", "empty")
    assert answer.code == 0
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [(row["case"], row["name"], row["note"]) for row in rows] == [
        ("s1", "liver", ""),
        ("s1", "spleen", ""),
        ("s2", "liver", "prediction empty"),
        ("s2", "spleen", "prediction empty"),
    ]
    assert "a folder" in answer.err or "folders" in answer.err


def test_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "cases.csv"
    rows = [f"case_{number:02},{'A' if number % 2 else 'B'},{number}" for number in range(1, 14)]
    table.write_text("\n".join(["case,site,age", *rows]))
    output = tmp_path / "r.json"
    answer = call(capsys, "batch", *FOLDERS, "-m", "dice", "--metadata", table, "--by", "site", "-o", output)
    assert answer.code == 0
    found = document(output)
    assert {row["group"] for row in found["summary"] if row["by"] == "site"} == {"A", "B", "(not in the metadata)"}
    (one,) = [
        row for row in found["summary"] if row["group"] == "A" and row["label"] == 1 and row["aggregate"] == "cases"
    ]
    values = [
        row["value"]
        for row in found["scores"]
        if row["label"] == 1 and int(row["case"][-2:]) % 2 and row["value"] is not None
    ]
    assert one["mean"] == pytest.approx(np.mean(values))
    assert found["cases"][0]["groups"] == {"site": "A"}
    assert "1 of 14 cases are not in" in answer.err
    assert call(capsys, "batch", *FOLDERS, "--by", "site").code == 2
    unknown = call(capsys, "batch", *FOLDERS, "--by", "sight", "--metadata", table)
    assert unknown.code == 2
    assert "site" in unknown.cause


def test_the_confusion_matrix_is_that_of_all_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "confusion.csv"
    answer = call(capsys, "batch", *FOLDERS, "-m", "dice", "--confusion", path, "-o", tmp_path / "r.json")
    assert answer.code == 0
    matrix = pd.read_csv(path, index_col=0)
    found = document(tmp_path / "r.json")
    assert matrix.to_numpy().sum() == sum(record["voxels"] for record in found["cases"])
    liver = [row for row in found["counts"] if row["label"] == 1]
    assert matrix.loc["1 liver", "1 liver"] == sum(row["tp"] for row in liver)
    assert matrix.loc["1 liver"].sum() == sum(row["tp"] + row["fn"] for row in liver)


@pytest.mark.parametrize(
    ("requirements", "code", "found"),
    [
        (["dice=0.5"], 0, [("1:dice=0.5", True)]),
        (["dice=0.6"], 4, [("1:dice=0.6", False)]),
        (["1:hd=2", "hd.max=1"], 4, [("1:hd=2", True), ("1:hd.max=1", False)]),
        (
            ["dice.n_missed=0", "dice.n=2", "dice.n=3"],
            4,
            [("1:dice.n_missed=0", True), ("1:dice.n=2", True), ("1:dice.n=3", False)],
        ),
        (["macro:dice=0.5", "pooled:dice=0.5", "macro_pooled:dice=0.5"], 0, None),
        (["liver:dice=0.5", "dice=0.9"], 2, [("1:dice=0.9", False)]),
    ],
)
def test_the_gate(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    requirements: list[str],
    code: int,
    found: list[tuple[str, bool]] | None,
) -> None:
    """Two cases with 64 and 0 of 64 voxels right, so that the mean is exactly 0.5."""
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
    save(tmp_path / "r" / "a.nii", box((8, 12, 12)))
    save(tmp_path / "p" / "a.nii", box((8, 12, 12)))
    save(tmp_path / "r" / "b.nii", box((8, 12, 12)))
    beside = np.zeros((8, 12, 12), np.uint8)
    beside[2:6, 2:6, 6:10] = 1
    save(tmp_path / "p" / "b.nii", beside)
    options = [part for requirement in requirements for part in ("--require", requirement)]
    answer = call(
        capsys, "batch", tmp_path / "p", tmp_path / "r", *options, "-o", tmp_path / "r.json", "-o", tmp_path / "r.xml"
    )
    assert answer.code == code
    gate = document(tmp_path / "r.json")["gate"]
    if found is not None:
        assert [(row["requirement"], row["passed"]) for row in gate] == found
    if code == 4:
        assert answer.cause.startswith("FAILED: ")
        assert "not met" in answer.cause
        counts = any(".n_" in requirement for requirement in requirements)  # of cases, of which none is the worst
        assert counts or "b" in answer.out.split("worst case")[1]
    if code == 2:
        assert "no label or region is called 'liver'" in answer.cause


def test_failed_cases_come_before_the_gate(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "batch", *folders, "-m", "dice", "--require", "dice=0.99")
    assert answer.code == 3
    assert answer.cause == "FAILED: requirement not met; 3 of 5 cases were not scored"
    answer = call(capsys, "batch", *folders, "-m", "dice", "--require", "liver:dice=0.99")
    assert answer.code == 2
    assert "3 of 5 cases" in answer.err.splitlines()[-2]


def test_an_unknown_label_of_only_is_a_usage_error(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = call(capsys, "batch", *folders, "--only", "spleen")
    assert answer.code == 2
    assert "no label is called 'spleen'" in answer.out
    assert "no label is called 'spleen'" in answer.cause


def test_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "notes.txt").write_text("x")
    answer = call(capsys, "batch", tmp_path / "p", tmp_path / "r")
    assert (answer.code, answer.out) == (5, "")
    assert answer.cause.startswith("error: no case")
    assert call(capsys, "batch", tmp_path / "p", tmp_path / "none").code == 3
    assert call(capsys, "batch", tmp_path / "p").code == 2


def test_the_pairing_is_shown_and_read_again(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = call(capsys, "batch", *folders, "--dry-run", "-f", "csv")
    assert shown.code == 3
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [row["case"] for row in rows] == ["case_1", "case_2", "case_3", "case_4", "case_10"]
    assert rows[1]["prediction"] == ""
    assert "similar: " in rows[1]["problem"]
    (tmp_path / "pairs.csv").write_text(
        shown.out.replace(f"case_2,,{folders[1]}", f"case_2,{folders[0]}/case_02.nii.gz,{folders[1]}")
    )
    answer = call(capsys, "batch", "--pairs", tmp_path / "pairs.csv", "-m", "dice", "-f", "csv")
    assert "case_2,1,,mm,scored" in answer.out
    table = call(capsys, "batch", *folders, "--dry-run")
    assert "case_10" in table.out
    assert json.loads(call(capsys, "batch", *folders, "--dry-run", "-f", "json").out)["unpaired_predictions"] == [
        str(folders[0] / "case_02.nii.gz")
    ]
    assert call(capsys, "batch", *FOLDERS, "--dry-run").code == 0
    assert call(capsys, "batch", *folders, "--pairs", tmp_path / "pairs.csv").code == 2


def test_fail_fast(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "batch", *folders, "--fail-fast", "-o", tmp_path / "r.json", "-j", "1")
    assert answer.code == 3
    found = document(tmp_path / "r.json")["cases"]
    assert len(found) == 5
    assert [record["status"] for record in found].count("skipped") == 4
    assert "another case could not be" in found[0]["message"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shard", "4/3", "-o", "r.json"], "the shard must be I/N"),
        (["--resume"], "--resume needs -o FILE (the journal is stored next to it)"),
        (["--keep-journal"], "--keep-journal needs -o FILE (the journal is stored next to it)"),
        (["-j", "0"], "0 is not in the range"),
        (["--timeout", "0"], "0.0 is not in the range"),
        (["--pattern", "x.nii.gz"], "{case}"),
        (["-o", "r.docx"], "unknown output format"),
        (["--export", "kaggle:x"], "kinds are nnunet, grand-challenge"),
        (["-o", "x.csv", "--confusion", "x.csv"], "two outputs would be written to this file"),
        (["--missing", "zero"], "'zero' is not one of"),
    ],
)
def test_options_are_refused_before_anything_is_scored(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, "batch", *FOLDERS, *options)
    assert answer.code == 2
    assert said in answer.err
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_never_overwritten(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link.csv").symlink_to(folders[1] / "case_1.nii.gz")
    answer = call(capsys, "batch", *folders, "-o", tmp_path / "link.csv")
    assert answer.code == 2
    assert "must not be overwritten" in answer.cause
    labels = tmp_path / "labels.json"
    labels.write_text('{"1": "liver"}')
    assert call(capsys, "batch", *folders, "--labels", labels, "-o", labels).code == 2


def test_a_defect_fails_its_own_case_only(tmp_path: Path) -> None:
    path = str(save(tmp_path / "a.nii", box((6, 6, 6))))
    case, nothing = Case(name="a", prediction=path, reference=path), cast("Plan", None)
    found = attempt(case, plan=nothing, settings=RunSettings(), folder=None, with_inputs=False, is_remote=False)
    assert (found.record.exit_code, found.record.status) == (1, "failed")
    assert found.record.message is not None
    assert found.record.message.startswith("a defect in segeval: AttributeError")
    assert found.defect is not None
    assert "Traceback" in found.defect


@pytest.mark.slow
@posix
def test_a_case_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """Distances from noise to a single voxel take seconds for so many voxels."""
    random = np.random.default_rng(0)
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "small.nii", box((8, 8, 8)))
    save(tmp_path / "p" / "noise.nii", random.integers(0, 2, (300, 300, 300), np.uint8))
    save(tmp_path / "r" / "noise.nii", box((300, 300, 300), size=1))
    answer = spawn("batch", tmp_path / "p", tmp_path / "r", "--timeout", "1.5", "-j", "2", "-f", "csv")
    assert answer.code == 3
    assert "noise,,,,failed,it took longer than 1.5 s" in answer.out
    assert "small,1,,mm,scored" in answer.out
    assert "1 of 2 cases was not scored: noise (failed)" in answer.err


@posix
def test_a_case_too_large_for_the_memory_is_reported(tmp_path: Path) -> None:
    """Three gigabytes of zeros, stored in a sparse file, in a process limited to one and a half."""
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "small.nii", box((8, 8, 8)))
        head = bytearray(save(tmp_path / side / "large.nii", box((8, 8, 8))).read_bytes())
        head[40:48] = np.array([3, 1000, 1000, 3000], "<i2").tobytes()
        with (tmp_path / side / "large.nii").open("wb") as file:
            file.write(head[:352])
            file.truncate(352 + 3_000_000_000)
    command = f"ulimit -v 1500000; exec {' '.join(SEGEVAL)} batch p r -j 2 -f csv"
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", command], cwd=tmp_path, env=plain_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "small,1,,mm,scored" in done.stdout
    (large,) = [line for line in done.stdout.splitlines() if line.startswith("large")]
    assert "memory" in large


@pytest.mark.slow
@posix
def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    command = f"{' '.join(SEGEVAL)} batch {FOLDERS[0]} {FOLDERS[1]} -f csv -q | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", command], cwd=TOP, env=plain_environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    head, code = done.stdout.splitlines()
    assert head.startswith("case,label,name,unit,status,note,dice")
    assert code == "0"


@pytest.mark.slow
def test_github(folders: tuple[Path, Path], tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    answer = spawn("batch", *folders, "-m", "dice", "--github", "--require", "dice=0.9", environment=environment)
    assert answer.code == 3
    assert "::error" in answer.err
    assert "5 cases: 2 scored, 3 not scored" in summary.read_text()
    elsewhere = spawn("batch", *folders, "-m", "dice", "--github", environment={"GITHUB_STEP_SUMMARY": str(summary)})
    assert "::" not in elsewhere.err
    assert "--github has no effect outside of GitHub Actions" in elsewhere.err


def test_names_that_a_spreadsheet_would_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        for name in ("=1+1", "@SUM(A1)", "+5"):
            save(tmp_path / side / f"{name}.nii", box((6, 6, 6)))
    answer = call(capsys, "batch", tmp_path / "p", tmp_path / "r", "-o", tmp_path / "o.csv", "-o", tmp_path / "o.xlsx")
    assert answer.code == 0
    names = [row["case"] for row in csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text()))]
    assert list(dict.fromkeys(names)) == ["'+5", "'=1+1", "'@SUM(A1)"]
    sheet = pd.read_excel(tmp_path / "o.xlsx", sheet_name="Cases")
    assert sheet["case"].unique().tolist() == ["+5", "=1+1", "@SUM(A1)"]


def test_the_mean_of_a_column_is_that_of_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(
        capsys, "batch", *FOLDERS, "-o", tmp_path / "o.csv", "-o", tmp_path / "o.xlsx", "-o", tmp_path / "o.json"
    )
    assert answer.code == 0
    summary = pd.read_csv(tmp_path / "o.summary.csv", dtype={"label": str})
    for frame in (
        pd.read_csv(tmp_path / "o.csv", dtype={"label": str}),
        pd.read_excel(tmp_path / "o.xlsx", sheet_name="Cases", dtype={"label": str}),
    ):
        for row in summary[summary["aggregate"] == "cases"].itertuples():
            column = frame.loc[frame["label"] == row.label, str(row.metric)]
            assert column.mean() == row.mean
            assert column.count() == row.n


def test_quiet_and_verbose(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(capsys, "batch", *FOLDERS, "-q", "-m", "dice").err == ""
    assert " ms each" in call(capsys, "batch", *FOLDERS, "-v", "-m", "dice").err


def test_from_python(folders: tuple[Path, Path], tmp_path: Path) -> None:
    import segeval

    results: Results = segeval.batch(*folders, metrics="dice", jobs=2, missing="empty", labels={1: "liver"})
    assert [record.status for record in results.cases].count("scored") == 3
    assert results.value("dice", label="liver", case="case_10") == 0
    assert len(results.frame()) == 3
    assert results.summary[0].name == "liver"
    with pytest.raises(UsageError, match="the results have 5 cases"):
        results.value("dice", label=1)
    with pytest.raises(UsageError, match="jobs must be at least 1"):
        segeval.batch(*folders, jobs=0)
    with pytest.raises(UsageError, match="missing must be 'error', 'empty' or 'skip'"):
        segeval.batch(*folders, missing="none")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="give two folders"):
        segeval.batch(folders[0])
    shutil.rmtree(folders[1])
    folders[1].mkdir()
    assert segeval.batch(*folders).cases == ()


@pytest.mark.parametrize("text", ["0/3", "1/0", "4/3", "a/b", "1", "1/2/3", "-1/3", "", "1/"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="the shard must be I/N"):
        parse_shard(text)


def test_help_has_an_example_that_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = call(capsys, "batch", "--help").out
    assert "segeval batch sample_data/predictions sample_data/references" in text
    answer: Answer = call(capsys, "batch", *FOLDERS, "--require", "dice=0.8", "-o", tmp_path / "junit.xml")
    assert answer.code == 4
