"""`segeval explain`: every tool's numbers for a pair, and reasons with figures that are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from segeval.presets import PRESETS
from tests.command import SAMPLES, box, call, save
from tests.test_presets import SPACING, pair


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    prediction, reference = pair()
    return (
        save(tmp_path / "prediction.nii", prediction, spacing=SPACING),
        save(tmp_path / "reference.nii", reference, spacing=SPACING, names={1: "ball"}),
    )


def test_every_tool_has_a_row_with_its_number(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "explain", *files, "-f", "json")
    assert answer.code == 0
    (label,) = json.loads(answer.out)["labels"]
    assert (label["label"], label["name"]) == (1, "ball")
    rows = {row["asked"]: row for row in label["rows"]}
    assert list(rows) == [
        *(f"--surface {surface}" for surface in ("voxel", "surfel", "smooth")),
        *(f"--compat {name}" for name in PRESETS),
    ]
    hd95 = {"monai": 7.280, "medpy": 6.481, "metricsreloaded": 7.280, "deepmind": 6.403, "panoptica": 6.481}
    hd95 |= {"seg-metrics": 6.000}
    means = {"monai": 2.406, "medpy": 2.685, "metricsreloaded": 2.685, "deepmind": 2.484, "panoptica": 2.647}
    means |= {"seg-metrics": 2.336, "simpleitk": 0.938}
    nsd = {"monai": 0.396, "metricsreloaded": 0.396, "deepmind": 0.450, "panoptica": 0.403}
    for name in PRESETS:
        row = rows[f"--compat {name}"]
        assert row["dice"] == pytest.approx(0.6877, abs=5e-5)
        for key, numbers in (("hd95", hd95), ("mean_distance", means), ("nsd", nsd)):
            assert row[key] == (pytest.approx(numbers[name], abs=5.1e-4) if name in numbers else None)
    assert rows["--compat panoptica"]["mean_metric"] == "masd"


def test_the_reasons_are_measured_on_the_pair(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (label,) = json.loads(call(capsys, "explain", *files, "-f", "json").out)["labels"]
    reasons = "\n".join(label["reasons"])
    assert "pooled or directed percentile" in reasons
    assert "the larger is 7.28, both together give 6.48" in reasons
    assert "over all points 2.69 (assd), the mean of the two 2.65 (masd)" in reasons
    assert "each border voxel counts the same for 7.28 mm, each piece by its area for 6.40" in reasons
    assert "a stray piece of the prediction: 9 voxels" in reasons
    assert "slices 4 mm apart" in reasons


def test_the_stray_piece_is_as_far_as_brute_force_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = box((12, 30, 30), at=2, size=6)
    prediction = reference.copy()
    prediction[9, 25:27, 25:27] = 1
    files = (
        save(tmp_path / "p.nii", prediction, spacing=(3, 1, 1)),
        save(tmp_path / "r.nii", reference, spacing=(3, 1, 1)),
    )
    (label,) = json.loads(call(capsys, "explain", *files, "-f", "json").out)["labels"]
    stray = np.argwhere(prediction & ~reference) * (3, 1, 1)
    others = np.argwhere(reference) * (3, 1, 1)
    farthest = np.sqrt(((stray[:, None] - others[None]) ** 2).sum(-1)).min(1).max()
    assert any(f"4 voxels (1.8 % of it), up to {farthest:.1f} mm" in reason for reason in label["reasons"])


def test_tools_that_agree_are_said_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = save(tmp_path / "m.nii", box((9, 9, 9)))
    (label,) = json.loads(call(capsys, "explain", mask, mask, "-f", "json").out)["labels"]
    assert label["reasons"] == ["the tools agree: the two directions are alike, and no piece stands apart"]


def test_an_empty_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = save(tmp_path / "p.nii", np.zeros((9, 9, 9), np.uint8))
    reference = save(tmp_path / "r.nii", box((9, 9, 9)))
    answer = call(capsys, "explain", nothing, reference)
    assert answer.code == 0
    assert "the prediction is empty, and each tool has a rule of its own" in answer.out
    assert "medpy raises" in answer.out
    assert "monai: nan" in answer.out


def test_the_table_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    files = [SAMPLES / side / "case_10.nii.gz" for side in ("predictions", "references")]
    answer = call(capsys, "explain", *files, "--only", "spleen")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "asd_to_reference" in answer.out
    picture = [SAMPLES / "street" / f"{side}.png" for side in ("prediction", "reference")]
    flat = call(capsys, "explain", *picture, "--ignore-label", "255", "--only", "7")
    assert flat.code == 0
    assert "smooth" not in flat.out


def test_what_cannot_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "explain", tmp_path / "none.nii", tmp_path / "none.nii").code == 3
    files = [SAMPLES / side / "case_10.nii.gz" for side in ("predictions", "references")]
    assert call(capsys, "explain", *files, "--only", "heart").code == 2
