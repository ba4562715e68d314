"""A results folder as it comes: five algorithms on two patients, a file missing, one cut short, one on another grid."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from tests.command import call
from tests.places import DATA, needs

GLIOMA = DATA / "glioma"
ALGORITHMS = ("hnfnetv1-20", "isen-20", "sanet0-20", "scan-20", "yixinmpl-20")
PATIENTS = ("OtherEXampleFromTCIA", "TCGA-DU-7294")
REMOVED, CUT, MOVED = "isen-20_TCGA-DU-7294", "scan-20_OtherEXampleFromTCIA", "sanet0-20_TCGA-DU-7294"

pytestmark = needs(GLIOMA)
nib: Any = nibabel


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    top = tmp_path_factory.mktemp("glioma")
    predictions, references = top / "predictions", top / "references"
    predictions.mkdir()
    references.mkdir()
    for patient in PATIENTS:
        for algorithm in ALGORITHMS:
            name = f"{algorithm}_{patient}.nii.gz"
            shutil.copyfile(GLIOMA / patient / f"{algorithm}.nii.gz", predictions / name)
            shutil.copyfile(GLIOMA / patient / "simple.nii.gz", references / name)
    (predictions / f"{REMOVED}.nii.gz").unlink()
    whole = (predictions / f"{CUT}.nii.gz").read_bytes()
    (predictions / f"{CUT}.nii.gz").write_bytes(whole[: len(whole) // 2])
    image = nib.load(predictions / f"{MOVED}.nii.gz")
    nib.save(image.slicer[:, :, :-1], predictions / f"{MOVED}.nii.gz")
    return predictions, references


def dice_of(prediction: Path, reference: Path, label: int) -> float | None:
    one, other = (np.asanyarray(nib.load(path).dataobj) == label for path in (prediction, reference))
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else None


@pytest.mark.slow
def test_every_reference_is_accounted_for(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions = ["--region", "WT=1,2,4", "--region", "TC=1,4"]
    outputs = ["-o", tmp_path / "r.json", "-o", tmp_path / "r.csv", "-o", tmp_path / "r.xlsx"]
    answer = call(capsys, "batch", *folders, "-m", "dice,hd@95", *regions, *outputs)
    assert answer.code == 3
    assert answer.cause.startswith("error: 3 of 10 cases were not scored")
    found = json.loads((tmp_path / "r.json").read_text())
    cases = {record["case"]: record for record in found["cases"]}
    assert len(cases) == 10
    assert {name for name, record in cases.items() if record["status"] != "scored"} == {REMOVED, CUT, MOVED}
    assert cases[REMOVED]["status"] == "missing"
    assert cases[CUT]["status"] == cases[MOVED]["status"] == "failed"
    assert "no prediction" in cases[REMOVED]["message"]
    assert f"{CUT}.nii.gz: " in cases[CUT]["message"]
    assert "154" in cases[MOVED]["message"]
    assert "155" in cases[MOVED]["message"]
    for text in (REMOVED, CUT, MOVED):
        assert len(re.findall(rf"^\S.*\b{text}\b(?!\.)", answer.out, re.MULTILINE)) == 1
        assert text not in answer.err.replace(str(tmp_path), "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert {row["case"] for row in rows} == set(cases)
    assert {row["case"]: row["status"] for row in rows} == {name: record["status"] for name, record in cases.items()}
    for label in (1, 2, 4):
        scored = [name for name, record in cases.items() if record["status"] == "scored"]
        values = {name: dice_of(folders[0] / f"{name}.nii.gz", folders[1] / f"{name}.nii.gz", label) for name in scored}
        mine = {
            row["case"]: row["value"] for row in found["scores"] if (row["label"], row["metric"]) == (label, "dice")
        }
        assert mine == pytest.approx({name: value for name, value in values.items() if value is not None}, nan_ok=False)
        (row,) = [
            row
            for row in found["summary"]
            if (row["label"], row["metric"], row["aggregate"]) == (label, "dice", "cases")
        ]
        assert row["n"] == len(mine)
        assert row["mean"] == pytest.approx(np.mean(list(mine.values())))
        assert (row["n_failed"], row["n_missing"]) == (2, 1)
        assert row["n"] + row["n_undefined"] + row["n_absent"] + 3 == 10
    failures = pd.read_excel(tmp_path / "r.xlsx", sheet_name="Failures")
    assert set(failures["case"]) == {REMOVED, CUT, MOVED}


def test_the_missing_one_counts_as_missed(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-m", "dice,hd@95", "--missing", "empty", "-o", tmp_path / "r.json", "--require", "2:dice.n_missed=0"]
    answer = call(capsys, "batch", *folders, *options)
    assert answer.code == 3
    found = json.loads((tmp_path / "r.json").read_text())
    (record,) = [record for record in found["cases"] if record["case"] == REMOVED]
    assert (record["status"], record["prediction"]) == ("scored", None)
    missed = [row for row in found["scores"] if row["case"] == REMOVED and row["metric"] == "dice"]
    assert missed
    assert all((row["value"], row["note"]) == (0, "prediction empty") for row in missed)
    for row in missed:
        (summed,) = [
            each
            for each in found["summary"]
            if (each["label"], each["metric"], each["aggregate"]) == (row["label"], "dice", "cases")
        ]
        assert summed["n_missed"] >= 1
        assert summed["n_missing"] == 0
    assert found["gate"] == [{"requirement": "2:dice.n_missed=0", "value": 1.0, "passed": False, "worst_case": None}]
