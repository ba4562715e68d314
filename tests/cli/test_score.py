"""Options of `segeval score`, with expected numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import segeval
from tests.command import Answer, box, call, case, save
from tests.places import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

PAIR = case(4)
STREET = (SAMPLES / "street" / "prediction.png", SAMPLES / "street" / "reference.png")
CUBE = box((8, 8, 8))  # 4 x 4 x 4 at (2, 2, 2)
MOVED = np.roll(CUBE, 1, axis=2)  # by one voxel along x: 3/4 of either is in both


def cells(answer: Answer) -> dict[str, dict[str, str]]:
    """The rows of a CSV on stdout by label."""
    assert answer.code == 0, answer.err
    return {row["label"]: row for row in csv.DictReader(io.StringIO(answer.out))}


def document(answer: Answer) -> dict[str, Any]:
    """The JSON on stdout."""
    assert answer.code == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Prediction and reference: a cube, moved along x."""
    spacing = (3.0, 2.0, 0.5)
    return save(tmp_path / "p.nii", MOVED, spacing=spacing), save(tmp_path / "r.nii", CUBE, spacing=spacing)


Pair = tuple["Path", "Path"]


def test_default_metrics(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *pair, "-f", "csv")
    head = "case,label,name,unit,status,note,dice,generalized_dice,sensitivity,specificity,assd,hd,hd@95"
    assert answer.out.splitlines()[0] == head


def test_metrics(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    rows = cells(call(capsys, "score", *pair, "-m", "jaccard,hd@100", "--metric", "dice", "-m", "dice", "-f", "csv"))
    assert list(rows["1"])[6:] == ["iou", "hd", "dice"]
    assert [rows["1"][metric] for metric in ("iou", "hd", "dice")] == ["0.6", "0.5", "0.75"]
    everything = cells(call(capsys, "score", *pair, "-m", "all", "-f", "csv"))
    assert {"nsd", "mcc", "volume_error", "boundary_iou", "mean_dice"} <= everything["1"].keys()


def test_names_inline(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    rows = cells(call(capsys, "score", *pair, "-m", "dice", "--labels", "1=liver lobe,7=spleen", "-f", "csv"))
    assert [(label, row["name"], row["dice"], row["note"]) for label, row in rows.items()] == [
        ("1", "liver lobe", "0.75", ""),
        ("7", "spleen", "", "absent in both"),
    ]


def test_names_from_json(capsys: pytest.CaptureFixture[str]) -> None:
    labels = SAMPLES / "street" / "labels.json"
    rows = cells(call(capsys, "score", *STREET, "-m", "dice", "--labels", labels, "-f", "csv"))
    assert rows["1"]["name"] == "road"
    assert rows["255"]["name"] == "not annotated"


def test_names_replace_those_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    rows = cells(call(capsys, "score", *PAIR, "-m", "dice", "--labels", "1=Leber", "-f", "csv"))
    assert [rows["1"]["name"], rows["2"]["name"]] == ["Leber", "spleen"]


def test_match_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = CUBE + box((8, 8, 8), at=6, size=2, label=2)
    reference = save(tmp_path / "r.nii", both, names={1: "liver", 2: "left_kidney"})
    swapped = np.array([0, 2, 1], np.uint8)[both]
    prediction = save(tmp_path / "p.nii", swapped, names={2: "Liver", 1: "left kidney"})
    rows = cells(call(capsys, "score", prediction, reference, "--match", "names", "-m", "dice", "-f", "csv"))
    assert [(row["name"], row["dice"]) for row in rows.values()] == [("liver", "1.0"), ("left_kidney", "1.0")]
    numbered = cells(
        call(capsys, "score", prediction, reference, "--labels", "1=a,2=b", "--match", "ids", "-m", "dice", "-f", "csv")
    )
    assert [row["dice"] for row in numbered.values()] == ["0.0", "0.0"]


def test_only(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["score", *PAIR, "-m", "dice", "-f", "csv"]
    assert list(cells(call(capsys, *command, "--only", "2"))) == ["2"]
    assert list(cells(call(capsys, *command, "--only", "Kidney left", "--only", "1"))) == ["1", "3"]
    assert list(cells(call(capsys, *command, "--only", "spleen,5"))) == ["2", "5"]
    assert cells(call(capsys, *command, "--only", "99"))["99"]["note"] == "absent in both"


def test_regions(capsys: pytest.CaptureFixture[str]) -> None:
    regions = ["--region", "kidneys=3,4", "--region", "also kidneys=3-4", "--region", "all organs=*"]
    found = document(call(capsys, "score", *PAIR, "-m", "tp,fp,fn", *regions, "-f", "json"))
    values = {(row["label"], row["metric"]): row["value"] for row in found["scores"]}
    labels = [label for label, metric in values if metric == "tp"]
    assert labels == [1, 2, 3, 4, 5, "kidneys", "also kidneys", "all organs"]
    assert values["kidneys", "tp"] == values["also kidneys", "tp"] == values[3, "tp"] + values[4, "tp"]
    # a voxel of one kidney in one map and of the other kidney in the other map is right for their union
    assert values["kidneys", "fn"] <= values[3, "fn"] + values[4, "fn"]
    assert values["all organs", "tp"] + values["all organs", "fn"] == sum(
        values[label, metric] for label in range(1, 6) for metric in ("tp", "fn")
    )


def test_a_region_leaves_the_labels_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    plain = cells(call(capsys, "score", *PAIR, "-f", "csv"))
    more = cells(call(capsys, "score", *PAIR, "-f", "csv", "--region", "A=1-5", "--region", "B=5,1"))
    assert {label: row for label, row in more.items() if label in plain} == plain


@pytest.mark.parametrize(
    "option",
    [
        ["--map", "255=1"],
        ["--map-prediction", "255=1"],
        ["--map-reference", "1=255", "--only", "255"],
        ["--map", "255=3,1=3"],
        ["--map", "255=3", "--map", "1=3"],
        ["--map-prediction", "255=1,1=255"],
    ],
    ids=" ".join,
)
def test_map(option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = save(tmp_path / "p.nii", MOVED * np.uint8(255))
    reference = save(tmp_path / "r.nii", CUBE)
    answer = call(capsys, "score", prediction, reference, *option, "-m", "dice", "-f", "csv")
    assert [row["dice"] for row in cells(answer).values()] == ["0.75"]


def test_map_swaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = CUBE + box((8, 8, 8), at=6, size=2, label=2)
    reference = save(tmp_path / "r.nii", both, names={1: "one", 2: "two"})
    prediction = save(tmp_path / "p.nii", np.array([0, 2, 1], np.uint8)[both])
    command = ["score", prediction, reference, "-m", "dice", "-f", "csv"]
    for swap in (["--map-prediction", "1=2,2=1"], ["--map-prediction", "1=2", "--map-prediction", "2=1"]):
        rows = cells(call(capsys, *command, *swap))
        assert [(row["name"], row["dice"]) for row in rows.values()] == [("one", "1.0"), ("two", "1.0")]
    rows = cells(call(capsys, *command, "--map-reference", "1=2,2=1"))
    assert [(row["name"], row["dice"]) for row in rows.values()] == [("two", "1.0"), ("one", "1.0")]
    rows = cells(call(capsys, *command, "--map", "1=2,2=1"))
    assert [row["dice"] for row in rows.values()] == ["0.0", "0.0"]


def test_map_to_and_from_the_background(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *pair, "--map-prediction", "1=0", "-m", "dice", "-f", "csv")
    assert cells(answer)["1"]["note"] == "prediction empty"
    filled = cells(call(capsys, "score", *pair, "--map", "0=9", "-m", "dice", "-f", "csv"))
    assert list(filled) == ["1", "9"]


def test_ignored_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zone = CUBE.copy()
    zone[:, :, 6] = 255  # where the prediction goes too far
    prediction, reference = save(tmp_path / "p.nii", MOVED), save(tmp_path / "r.nii", zone)
    rows = cells(call(capsys, "score", prediction, reference, "--ignore-label", "255", "-m", "tp,fp,fn", "-f", "csv"))
    assert [rows["1"][metric] for metric in ("tp", "fp", "fn")] == ["48", "0", "16"]
    assert list(rows) == ["1"]
    plain = cells(call(capsys, "score", prediction, reference, "-m", "fp", "-f", "csv"))
    assert (plain["1"]["fp"], list(plain)) == ("16", ["1", "255"])


def test_background(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    rows = cells(call(capsys, "score", *pair, "--background", "-m", "tp,fp,fn,tn", "-f", "csv"))
    counts = [[rows[label][metric] for metric in ("tp", "fp", "fn", "tn")] for label in "01"]
    assert counts == [[str(512 - 80), "16", "16", "48"], ["48", "16", "16", str(512 - 80)]]


@pytest.mark.parametrize(
    ("penalty", "cell", "value", "note"),
    [
        ("diagonal", repr(math.sqrt(24**2 + 16**2 + 4**2)), math.sqrt(24**2 + 16**2 + 4**2), "prediction empty"),
        ("12.5", "12.5", 12.5, "prediction empty"),
        ("0", "0.0", 0.0, "prediction empty"),
        ("inf", "inf", None, "infinite"),
        ("nan", "", None, "prediction empty"),
    ],
)
def test_penalty(
    penalty: str, cell: str, value: float | None, note: str, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", *pair, "--map-prediction", "1=0", "-m", "hd,dice", "--penalty", penalty, "-f"]
    row = cells(call(capsys, *command, "csv"))["1"]
    assert (row["hd"], row["dice"]) == (cell, "0.0")
    (hd, _) = document(call(capsys, *command, "json"))["scores"]
    assert (hd["value"], hd["note"]) == (value, note)


def test_a_warning_of_infinite_scores(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["score", *pair, "--map-prediction", "1=0", "-m", "hd,hd@95,dice", "-f", "csv"]
    warning = "warning: 2 scores are infinite: inf in CSV, which the mean of a spreadsheet leaves out, and #DIV/0! in "
    assert warning in call(capsys, *command, "--penalty", "inf").err
    assert warning not in call(capsys, *command).err
    assert call(capsys, *command, "--penalty", "inf", "-q").err == ""


def test_absent_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Background 434 of 448 and 434, class 1 64 of 64 and 64, class 2 predicted 14 times and never in the reference."""
    predicted = CUBE.copy()
    predicted[0, 0, :7] = predicted[0, 1, :7] = 2
    prediction, reference = save(tmp_path / "p.nii", predicted), save(tmp_path / "r.nii", CUBE)
    background, organ = 1 / 448**2, 1 / 64**2
    agreed = 2 * (background * 434 + organ * 64)
    total = background * (434 + 448) + organ * (64 + 64)
    expected = {"max": agreed / (total + organ * 14), "ignore": agreed / total, "penalise": 0.0}
    for choice, value in expected.items():
        command = ["score", prediction, reference, "-m", "generalized_dice", "--absent-class", choice, "-f", "json"]
        (row,) = document(call(capsys, *command))["scores"]
        assert row["value"] == pytest.approx(value, rel=1e-12)


def test_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two cubes moved by one voxel: within 1 everything, within 0.9 only what is surface in both."""
    wide = np.zeros((8, 8, 20), np.uint8)
    wide[2:6, 2:6, 2:6], wide[2:6, 2:6, 12:16] = 1, 2
    prediction = save(tmp_path / "p.nii", np.roll(wide, 1, axis=2))
    reference = save(tmp_path / "r.nii", wide, names={1: "liver"})
    command = ["score", prediction, reference, "-m", "nsd,nsd@0.9", "-f", "csv"]
    tight = cells(call(capsys, *command))["1"]["nsd@0.9"]
    assert float(tight) < 1
    rows = cells(call(capsys, *command))
    assert [rows[label]["nsd"] for label in "12"] == ["1.0", "1.0"]
    rows = cells(call(capsys, *command, "--tolerance", "0.9"))
    assert [rows[label]["nsd"] for label in "12"] == [tight, tight]
    rows = cells(call(capsys, *command, "--tolerance", "liver=0.9"))
    assert [rows[label]["nsd"] for label in "12"] == [tight, "1.0"]
    rows = cells(call(capsys, *command, "--tolerance", "1=0,2=0.9"))
    assert [rows[label]["nsd@0.9"] for label in "12"] == [tight, tight]
    assert [rows[label]["nsd"] for label in "12"] == [tight, tight]


def test_spacing_is_in_the_order_of_the_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = save(tmp_path / "p.nii", MOVED), save(tmp_path / "r.nii", CUBE)
    answer = call(capsys, "score", *paths, "--spacing", "0.5,2,3", "-m", "hd,reference_volume", "-f", "json")
    found = document(answer)
    assert found["cases"][0]["spacing"] == [3.0, 2.0, 0.5]
    values = {row["metric"]: row["value"] for row in found["scores"]}
    assert values == {"hd": 0.5, "reference_volume": pytest.approx(64 * 3 / 1000)}
    assert "spacing given 0.5 x 2 x 3" in found["signature"]
    results = segeval.score(prediction=MOVED, reference=CUBE, spacing=(3, 2, 0.5), metrics="hd,reference_volume")
    assert results.value("hd", label=1) == values["hd"]
    assert results.value("reference_volume", label=1) == values["reference_volume"]


def test_spacing_of_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = cells(call(capsys, "score", *STREET, "--only", "1", "-m", "hd", "-f", "csv"))["1"]
    metres = cells(call(capsys, "score", *STREET, "--only", "1", "-m", "hd", "--spacing", "2,2", "-f", "csv"))["1"]
    assert (pixels["unit"], metres["unit"]) == ("px", "mm")
    assert float(metres["hd"]) == pytest.approx(2 * float(pixels["hd"]))


def test_spacing_of_one_slice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = box((1, 8, 8), at=0, size=4)
    paths = save(tmp_path / "p.nii", np.roll(flat, 1, axis=2)), save(tmp_path / "r.nii", flat)
    for spacing in ("0.5,2", "0.5,2,9"):
        found = document(call(capsys, "score", *paths, "--spacing", spacing, "-m", "hd", "-f", "json"))
        assert (found["cases"][0]["spacing"], found["scores"][0]["value"]) == ([2.0, 0.5], 0.5)
        assert "2-D, mm" in found["signature"]


def test_geometry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = save(tmp_path / "r.nii", CUBE)
    moved = save(tmp_path / "p.nii", CUBE, origin=(1, 0, 0))
    command = ["score", moved, reference, "-m", "dice", "-f", "csv"]
    warned = call(capsys, *command, "--geometry", "warn")
    assert cells(warned)["1"]["dice"] == "1.0"
    assert "warning: scored voxel by voxel" in warned.err
    assert "a corner voxel moves by 1 mm" in warned.err
    resampled = call(capsys, *command, "--geometry", "resample")
    assert cells(resampled)["1"]["dice"] == "0.75"
    assert "warning: the prediction was resampled" in resampled.err
    assert call(capsys, *command, "--geometry", "strict").code == 3
    quiet = call(capsys, *command, "--geometry", "warn", "-q")
    assert (quiet.code, quiet.err) == (0, "")


def test_geometry_of_other_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference, prediction = save(tmp_path / "r.nii", CUBE), save(tmp_path / "p.nii", CUBE[:, :, :4])
    command = ["score", prediction, reference, "-m", "sensitivity", "-f", "csv"]
    assert call(capsys, *command, "--geometry", "warn").code == 3
    assert cells(call(capsys, *command, "--geometry", "resample"))["1"]["sensitivity"] == "0.5"


def test_geometry_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = save(tmp_path / "r.nii", CUBE, spacing=(4, 2, 2))
    moved = save(tmp_path / "p.nii", CUBE, spacing=(4, 2, 2), origin=(0.25, 0, 0))
    command = ["score", moved, reference, "-m", "dice"]
    assert call(capsys, *command).code == 3
    assert call(capsys, *command, "--geometry-tolerance", "0.1").code == 3
    assert call(capsys, *command, "--geometry-tolerance", "0.125").code == 0


def test_a_requirement_adds_its_metric(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *pair, "-m", "dice", "--require", "hd@95=1", "--require", "1:iou=0.6", "-f", "json")
    found = document(answer)
    assert [row["metric"] for row in found["scores"]] == ["dice", "hd@95", "iou"]
    assert found["gate"] == [
        {"requirement": "1:hd@95=1", "value": 0.5, "passed": True, "worst_case": None},
        {"requirement": "1:iou=0.6", "value": 0.6, "passed": True, "worst_case": None},
    ]
    assert "passed" in answer.err
    assert call(capsys, "score", *pair, "-m", "dice", "--require", "hd@95=1", "-q").err == ""


def test_confusion(tmp_path: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "confusion.csv"
    assert call(capsys, "score", *pair, "--labels", "1=liver", "--confusion", path, "-m", "dice").code == 0
    assert path.read_text(encoding="utf-8") == (
        "reference \\ prediction,0 background,1 liver\n0 background,432,16\n1 liver,16,48\n"
    )


FORMATS = {"csv": ".csv", "json": ".json", "jsonl": ".jsonl", "markdown": ".md"}


@pytest.mark.parametrize("kind", FORMATS)
def test_formats(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout and the file are the same, and stderr has the signature."""
    path = tmp_path / f"scores{FORMATS[kind]}"
    answer = call(capsys, "score", *PAIR, "-f", kind, "-o", path)
    assert answer.code == 0
    assert answer.out == path.read_text(encoding="utf-8")
    wrote, signature = answer.err.splitlines()
    assert wrote == f"wrote {path}"
    assert signature.startswith("segeval ")
    assert "gallbladder" in answer.out
    if kind == "csv":
        assert len({len(row) for row in csv.reader(io.StringIO(answer.out))}) == 1
    elif kind != "markdown":
        assert all(map(json.loads, answer.out.splitlines() if kind == "jsonl" else [answer.out]))


def test_formats_agree(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(call(capsys, "score", *PAIR, "-f", "json"))
    rows = cells(call(capsys, "score", *PAIR, "-f", "csv"))
    lines = call(capsys, "score", *PAIR, "-f", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == found["scores"]
    for row in found["scores"]:
        cell = rows[str(row["label"])][row["metric"]]
        assert cell == ("" if row["value"] is None else repr(row["value"]))


def test_several_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"scores{suffix}" for suffix in FORMATS.values()]
    answer = call(capsys, "score", *PAIR, *(word for path in paths for word in ("-o", path)))
    assert answer.code == 0
    assert answer.out.startswith("case_04: ")
    assert answer.err == f"wrote {', '.join(map(str, paths))}\n"
    signatures = [tmp_path / f"{path.name}.signature.txt" for path in paths if path.suffix in {".csv", ".jsonl"}]
    assert sorted(tmp_path.iterdir()) == sorted([*paths, *signatures])
    assert all("gallbladder" in path.read_text(encoding="utf-8") for path in paths)


def test_outputs_are_written_when_a_requirement_is_not_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scores.json"
    assert call(capsys, "score", *PAIR, "--require", "dice=1", "-o", path).code == 4
    assert [verdict["passed"] for verdict in json.loads(path.read_text(encoding="utf-8"))["gate"]] == [False] * 5


def test_the_same_run_writes_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (call(capsys, "score", *PAIR, "-m", "all", "-f", "json").out for _ in range(2))
    assert first == second


def test_quiet_and_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["score", *PAIR, "-f", "csv"]
    assert call(capsys, *command, "-q").err == ""
    assert "scored in " in call(capsys, *command, "-v").err
    assert call(capsys, *command, "-q").out == call(capsys, *command, "-v").out


def test_no_color(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in call(capsys, "score", *PAIR).out
    assert "\x1b" not in call(capsys, "score", *PAIR, "--no-color").out


def test_labels_of_0_and_255(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = save(tmp_path / "p.nii", CUBE * np.uint8(255))
    answer = call(capsys, "score", prediction, save(tmp_path / "r.nii", CUBE), "-m", "dice")
    assert answer.code == 0
    assert "warning: the prediction has labels 0 and 255, the reference 0 and 1; to match" in answer.err


def test_nothing_to_score(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *case(13), "-m", "dice")
    assert answer.code == 0
    assert "no label in either map" in answer.out


def test_a_header_takes_the_place_of_an_earlier_signature_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.jsonl"
    assert call(capsys, "score", *PAIR, "-o", path).code == 0
    assert (tmp_path / "scores.jsonl.signature.txt").exists()
    assert call(capsys, "score", *PAIR, "-o", path, "--jsonl-header", "--penalty", "inf").code == 0
    assert sorted(tmp_path.iterdir()) == [path]


def test_metrics_over_all_labels_alone_say_how_many_labels_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *PAIR, "-m", "generalized_dice")
    assert answer.out.splitlines()[0].endswith(", 5 labels")
    assert "gallbladder has 68 % of the weight" in answer.out
