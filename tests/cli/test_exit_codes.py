"""Exit codes; on an error stdout is empty, and the last line on stderr is the cause."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.command import Answer, box, call, case, plain_environment, save

if TYPE_CHECKING:
    from pathlib import Path

PAIR = case(4)
unix = pytest.mark.skipif(sys.platform == "win32", reason="pipes with names and signals are of Unix")


def refused(answer: Answer, code: int, cause: str) -> None:
    """Check the exit code, an empty stdout, the cause in the last line, and that there is no traceback."""
    assert (answer.code, answer.out) == (code, "")
    assert answer.cause == f"error: {cause}"
    assert "Traceback" not in answer.err


def test_success(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *PAIR)
    assert (answer.code, answer.err) == (0, "")
    assert "liver" in answer.out


WRONG = [
    (["-m", "dyce"], "segeval has no metric 'dyce'; did you mean dice? (segeval metrics lists all)"),
    (["-m", "xyz"], "segeval has no metric 'xyz' (segeval metrics lists all)"),
    (
        ["-m", "dyce,hd@95", "-m", "hdd,dice@3"],
        "segeval has no metric 'dyce'; did you mean dice?; segeval has no metric 'hdd'; did you mean hd?; "
        "dice takes no number after the @, found dice@3 (segeval metrics lists all)",
    ),
    (["-m", "hd@101"], "hd@ needs a percentile from 0 to 100, found hd@101"),
    (["-m", "nsd@"], "nsd@ needs a tolerance of 0 or more, found nsd@"),
    (["-m", ","], "no metric is selected; name one, such as dice (segeval metrics lists all)"),
    (["--only", "livr"], "no label is called 'livr'; did you mean liver?"),
    (["--only", "1,"], "--only needs the number or name of a label, found ''"),
    (["--region", "all=1"], "a region cannot be named 'all'; choose another name"),
    (["--region", "macro=1"], "a region cannot be named 'macro'; choose another name"),
    (["--region", "pooled=1"], "a region cannot be named 'pooled'; choose another name"),
    (["--region", "12=1"], "a region cannot be named '12'; choose another name"),
    (["--region", "Kidney left=1"], "the region 'Kidney left' has the name of a label; choose another name"),
    (["--region", "A"], "--region needs NAME=VALUE, found 'A'"),
    (["--region", "A="], "--region needs NAME=VALUE, found 'A='"),
    (["--region", "A=1", "--region", "A=2"], "--region gives 'A' twice: 1 and 2"),
    (
        ["--region", "A=5-1"],
        "region 'A': there is no label '5-1'; use numbers, ranges such as 1-125, names of labels, or * for all",
    ),
    (
        ["--region", "A=0,1"],
        "the region 'A' contains the background or the ignored label; "
        "leave that label out; a --region replaces a region of the same name in a label table",
    ),
    (["--map", "1"], "--map needs OLD=NEW, found '1'"),
    (["--map", "1=x"], "--map needs two label numbers, OLD=NEW, found '1=x'"),
    (["--map-prediction", "1=-1"], "--map-prediction needs two label numbers, OLD=NEW, found '1=-1'"),
    (["--map", f"1={2**64}"], f"--map needs two label numbers, OLD=NEW, found '1={2**64}'"),
    (["--map", f"{2**64}=1"], f"--map needs two label numbers, OLD=NEW, found '{2**64}=1'"),
    (["--map-reference", "1=2,1=3"], "--map-reference gives label 1 two new numbers"),
    (["--ignore-label", "-1"], "labels must be whole numbers from 0 to 2**64 - 1, not -1"),
    (["--penalty", "far"], "--penalty needs diagonal, inf, nan or a number, found 'far'"),
    (["--penalty", "-1"], "the penalty must be a length of at least 0, not -1.0; or diagonal, inf, nan"),
    (
        ["--penalty", "1e300"],
        "the penalty must be a length of at least 0, and at most 1e+100, not 1e+300; or diagonal, inf, nan",
    ),
    (["--tolerance", "liver=x"], "--tolerance needs a number, found 'x'"),
    (["--tolerance", "-2"], "a tolerance must be a length of at least 0, not -2.0"),
    (["--tolerance", "liver=1,liver=2"], "--tolerance gives 'liver' twice: 1 and 2"),
    (["--spacing", "1,1"], f"spacing needs 3 numbers, one for each axis of {PAIR[0]}, found 2"),
    (
        ["--spacing", "1,1,1,1"],
        f"spacing needs 3 numbers, one for each axis of {PAIR[0]}, found 4",
    ),
    (["--spacing", "1,1,0"], "--spacing needs positive numbers, found '1,1,0'"),
    (["--spacing", "1,nan,1"], "--spacing needs positive numbers, found '1,nan,1'"),
    (["--spacing", "1 1 1"], "--spacing needs numbers, X,Y or X,Y,Z, found '1 1 1'"),
    (["--geometry-tolerance", "-1"], "geometry_tolerance must be 0 or more, not -1.0"),
    (["--labels", "liver"], "liver: expected number=name pairs or an existing file; write it like 1=liver,2=tumour"),
    (["--labels", "1=a,1=b"], "--labels: label 1 is named twice; name each label once"),
    (["--require", "dyce=0.5"], "segeval has no metric 'dyce'; did you mean dice? (segeval metrics lists all)"),
    (
        ["--require", "dice"],
        "--require takes [LABEL:]METRIC[.STATISTIC]>=VALUE, with >=, <= or =, found 'dice'; "
        "write, for instance, 'liver:dice>=0.9'",
    ),
    (
        ["--require", "dice.maen=0.5"],
        "unknown statistic 'maen'; "
        "use mean, median, q1, q3, min, max, sd, ci_low, ci_high, n, n_undefined, n_missed, n_false_alarm, "
        "n_absent, n_failed, n_missing, n_skipped",
    ),
    (
        ["-o", "scores.pdf"],
        "scores.pdf: unknown output format '.pdf'; use .csv, .json, .jsonl, .md, .parquet, .xlsx, .html or .xml",
    ),
]
WRONG_TO_CLICK = [
    (["nothing"], "nothing"),
    (["score"], "PREDICTION"),
    (["score", "a"], "REFERENCE"),
    (["score", "a", "b", "c"], "(c)"),
    (["score", "a", "b", "--metrc", "dice"], "--metrc"),
    (["score", "a", "b", "--match", "number"], "'number' is not one of 'ids', 'names'"),
    (["score", "a", "b", "--absent-class", "min"], "'min' is not one of 'max', 'ignore', 'penalise'"),
    (["score", "a", "b", "--geometry", "loose"], "'loose' is not one of 'strict', 'warn', 'resample'"),
    (["score", "a", "b", "--geometry-tolerance", "x"], "'x' is not a valid float"),
    (["score", "a", "b", "--ignore-label", "x"], "'x' is not a valid integer"),
    (["score", "a", "b", "-f", "xml"], "'xml' is not one of 'table', 'csv', 'json', 'jsonl', 'markdown'"),
    (["score", "a", "b", "-o"], "requires an argument"),
    (["inspect"], "FILE..."),
    (["metrics", "a", "b"], "(b)"),
]


@pytest.mark.parametrize(("arguments", "cause"), WRONG_TO_CLICK, ids=[" ".join(words) for words, _ in WRONG_TO_CLICK])
def test_errors_of_click(arguments: list[str], cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause.startswith("error: ")
    assert cause in answer.cause


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys)
    refused(answer, 2, "no command given")
    assert "Commands:" in answer.err


def test_an_unknown_metric_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    refused(
        call(capsys, "metrics", "hdd"), 2, "segeval has no metric 'hdd'; did you mean hd? (segeval metrics lists all)"
    )


@pytest.mark.parametrize(("option", "cause"), WRONG, ids=[" ".join(option) for option, _ in WRONG])
def test_bad_option(option: list[str], cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(call(capsys, "score", *PAIR, *option), 2, cause)


def test_options_are_wrong_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["-m", "dyce"], ["--require", "dice.maen=1"], ["-o", "a.pdf"], ["--map", "1"]):
        assert call(capsys, "score", tmp_path / "no.nii", tmp_path / "no.nii", *option).code == 2


def test_outputs_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    (tmp_path / "folder.csv").mkdir()
    for option in ("-o", "--confusion"):
        refused(
            call(capsys, "score", *PAIR, option, missing / "a.csv"),
            2,
            f"{missing / 'a.csv'}: cannot be written: the folder {missing} does not exist",
        )
        refused(
            call(capsys, "score", *PAIR, option, tmp_path / "folder.csv"),
            2,
            f"{tmp_path / 'folder.csv'}: cannot be written: it is a folder; name a file in it",
        )
    again = tmp_path / "folder.csv" / ".." / "a.csv"
    refused(
        call(capsys, "score", *PAIR, "-o", tmp_path / "a.csv", "--confusion", again),
        2,
        f"{again}: two outputs would be written to this file; rename one of them",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_an_input_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a.nii", box((8, 8, 8)))
    before = path.read_bytes()
    refused(
        call(capsys, "score", path, path, "--confusion", path),
        2,
        f"{path}: this is an input of the run and must not be overwritten",
    )
    assert path.read_bytes() == before


def test_an_unknown_label_is_reported_after_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *PAIR, "-m", "dice", "--require", "livr:dice=0.5", "-o", tmp_path / "a.csv")
    assert answer.code == 2
    assert answer.cause.startswith(
        "error: --require 'livr:dice=0.5': no label or region is called 'livr'; did you mean liver?"
    )
    far = call(capsys, "score", *PAIR, "-m", "dice", "--require", "xyz:dice=0.5")
    assert far.cause.endswith("; use liver, spleen, kidney_left, kidney_right, gallbladder")
    assert "0.9578" in answer.out
    assert "0.9578" in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_missing_and_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = PAIR[1]
    missing = tmp_path / "missing.nii.gz"
    refused(call(capsys, "score", missing, reference), 3, f"{missing}: no such file")
    refused(call(capsys, "score", reference, missing), 3, f"{missing}: no such file")
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(reference.read_bytes()[:1000])
    refused(
        call(capsys, "score", cut, reference),
        3,
        f"{cut}: the file is cut short: the gzip data stops before its end; copy or export it again",
    )
    empty = tmp_path / "empty.nii.gz"
    empty.touch()
    refused(call(capsys, "score", empty, reference), 3, f"{empty}: the file is empty; copy or export it again")
    refused(
        call(capsys, "score", tmp_path, reference),
        3,
        f"{tmp_path}: this is a folder, but the other of the two is a file; to score folders: segeval batch",
    )
    refused(
        call(capsys, "score", PAIR[0], reference, "--labels", tmp_path / "labels.json"),
        3,
        f"{tmp_path / 'labels.json'}: no such file",
    )


def test_not_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft = save(tmp_path / "soft.nii", box((8, 8, 8)).astype(np.float32) * np.float32(0.5))
    answer = call(capsys, "score", soft, soft)
    refused(
        answer,
        3,
        f"{soft}: expected integer labels, found 64 voxels with fractions such as 0.5 (values from 0 to 0.5); "
        "threshold or round it first; to read a probability map: --probabilities",
    )
    four = tmp_path / "four.nii"
    save(four, np.zeros((2, 8, 8, 8), np.uint8))
    answer = call(capsys, "score", four, four)
    assert (answer.code, answer.out) == (3, "")
    assert "expected a label map with one volume, found 2" in answer.cause


@unix
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe.nii.gz"
    os.mkfifo(pipe)
    refused(call(capsys, "score", pipe, PAIR[1]), 3, f"{pipe}: expected a regular file, found a named pipe")


def test_grids_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = box((8, 8, 8))
    reference = save(tmp_path / "reference.nii", labels)
    hint = (
        "to compare voxel by voxel: --geometry warn; "
        "to resample the prediction (nearest neighbour): --geometry resample"
    )
    moved = save(tmp_path / "moved.nii", labels, origin=(3, 0, 4))
    refused(
        call(capsys, "score", moved, reference),
        3,
        f"{moved}: the origins differ: prediction (3, 0, 4), reference (0, 0, 0); "
        f"a corner voxel moves by 5 mm, at most 0.05 mm is allowed; {hint}",
    )
    thick = save(tmp_path / "thick.nii", labels, spacing=(2, 1, 1))
    refused(
        call(capsys, "score", thick, reference),
        3,
        f"{thick}: the spacings differ: prediction (1, 1, 2), reference (1, 1, 1); "
        f"a corner voxel moves by 7 mm, at most 0.05 mm is allowed; {hint}",
    )
    small = save(tmp_path / "small.nii", labels[:7])
    answer = call(capsys, "score", small, reference)
    assert (answer.code, answer.out) == (3, "")
    assert "the grids differ: prediction 8 x 8 x 7, reference 8 x 8 x 8 voxels" in answer.cause


def test_names_that_contradict_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = save(tmp_path / "p.nii", box((8, 8, 8)), names={1: "spleen"})
    reference = save(tmp_path / "r.nii", box((8, 8, 8)), names={1: "liver"})
    refused(
        call(capsys, "score", prediction, reference),
        3,
        f"{prediction}: label 1 has two names: spleen in the prediction, liver in the reference; "
        "to match by name: --match names; to name the labels of both: --labels",
    )


def test_pictures_of_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 4), "red").save(path)
    answer = call(capsys, "score", path, path)
    assert (answer.code, answer.out) == (3, "")
    assert answer.cause.startswith(f"error: {path}: expected label numbers, found colours")


def test_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    met = call(capsys, "score", *PAIR, "--require", "liver:dice=0.95", "--require", "liver:hd=7.5", "-f", "json")
    assert met.code == 0
    missed = call(capsys, "score", *PAIR, "-m", "dice", "--require", "liver:dice=0.9", "--require", "5:dice=0.5")
    assert missed.code == 4
    assert missed.cause == "FAILED: 1 of 2 requirements not met"
    assert "0.9578" in missed.out
    elsewhere = call(capsys, "score", *PAIR, "-m", "dice", "--require", "5:dice=0.5", "-f", "csv", "-q")
    assert elsewhere.err == "FAILED: requirement not met: gallbladder:dice=0.5 (found 0)\n"
    assert met.cause == "passed: all 2 requirements met"
    every = call(capsys, "score", *PAIR, "-m", "dice", "--require", "dice=0.9")
    assert every.cause == "FAILED: 1 of 5 requirements not met"
    assert every.out.split("not met")[1].split()[:2] == ["0", "gallbladder"]
    quiet = call(capsys, "score", *PAIR, "-q", "--require", "gallbladder:hd=5")
    assert quiet.code == 4
    assert quiet.err.splitlines() == [quiet.cause]


def test_an_undefined_score_fails(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *case(5), "-m", "dice", "--require", "gallbladder:sensitivity=0")
    assert answer.code == 4
    assert answer.cause == "FAILED: requirement not met"
    assert "undefined  gallbladder" in answer.out


def test_equality_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "score", *case(2), "--require", "dice=1", "--require", "hd=0").code == 0


def test_usage_counts_more_than_a_requirement(capsys: pytest.CaptureFixture[str]) -> None:
    requirements = ["--require", "gallbladder:dice=1", "--require", "nobody:dice=0"]
    assert call(capsys, "score", *PAIR, *requirements).code == 2


@unix
def test_an_interrupt(tmp_path: Path) -> None:
    """The process prints a line when it opens the first file, and waits there for the interrupt."""
    prediction, reference = (save(tmp_path / name, box((9, 9, 9))) for name in ("p.nii", "r.nii"))
    begin = (
        "import sys, segeval.cli\n"
        "begun = []\n"
        "def hook(event, details):\n"
        "    if event == 'open' and details[0] == sys.argv[2] and not begun:\n"
        "        begun.append(print('begun', flush=True))\n"
        "        sys.stdin.read()\n"
        "sys.addaudithook(hook)\n"
        "segeval.cli.main(sys.argv[1:])\n"
    )
    with subprocess.Popen(  # noqa: S603  (our own command)
        [sys.executable, "-c", begin, "score", prediction, reference],
        env=plain_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "error: interrupted"
    assert b"Traceback" not in err
