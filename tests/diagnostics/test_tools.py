"""`segeval explain`: the numbers of each tool for a pair, and correct reasons."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segeval.diagnostics.effects import CHANGES, MEANS
from segeval.evidence.conventions import Conventions
from segeval.scoring.presets import PRESETS
from tests.command import box, call, save
from tests.places import SAMPLES
from tests.scoring.test_presets import SPACING, pair

Array = NDArray[Any]


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
        assert row["hd"] == (None if name == "nnunet" else pytest.approx(30.199, abs=5.1e-4))
        assert row["dice"] == pytest.approx(0.6877, abs=5e-5)
        for key, numbers in (("hd95", hd95), ("mean_distance", means), ("nsd", nsd)):
            assert row[key] == (pytest.approx(numbers[name], abs=5.1e-4) if name in numbers else None)
    assert rows["--compat panoptica"]["mean_metric"] == "masd"


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    answer = call(capsys, "explain", *arguments, "-f", "json")
    assert answer.code == 0, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    return document


def border(mask: Array, *, everywhere: bool = False, edge: bool = True) -> Array:
    """Voxels of a mask with a neighbour outside it, looked up one by one."""
    held = np.pad(mask.astype(bool), 1, constant_values=not edge)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=mask.ndim) if everywhere or sum(map(abs, s)) == 1]
    inside = np.ones_like(held)
    for step in steps:
        inside &= np.roll(held, step, range(mask.ndim))
    return np.argwhere((held & ~inside)[(slice(1, -1),) * mask.ndim])


def directed(points: Array, targets: Array, spacing: tuple[float, ...]) -> Array:
    """The distance of each point to the nearest target, from all pairs."""
    squares = ((points[:, None] - targets[None]) * np.array(spacing)) ** 2
    return np.asarray(np.sqrt(squares.sum(-1)).min(1))


def both(points: list[Array], spacing: tuple[float, ...] = SPACING) -> tuple[Array, Array]:
    return directed(points[0], points[1], spacing), directed(points[1], points[0], spacing)


def hd95(there: Array, back: Array) -> float:
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def reason(label: dict[str, Any], begin: str) -> str:
    (found,) = [each for each in label["reasons"] if each.startswith(begin)]
    return str(found)


def test_every_convention_comes_with_the_numbers_that_it_changes(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (label,) = explained(capsys, *files)["labels"]
    masks = pair()
    there, back = both([border(mask) for mask in masks])
    pool = np.concatenate([there, back])
    usual, assd, masd = hd95(there, back), pool.mean(), (there.mean() + back.mean()) / 2
    near = [(side <= 1).mean() for side in (there, back)]
    wide = both([border(mask, everywhere=True, edge=False) for mask in masks])
    whole = both([np.argwhere(mask) for mask in masks])
    region = (whole[0].mean() + whole[1].mean()) / 2
    nsd = (pool <= 1).mean()
    smooth = {row["asked"]: row for row in label["rows"]}["--surface smooth"]
    wide_border = "border voxels by all neighbours, none at the image boundary (seg-metrics)"
    lines = [
        f"hd@95 {usual:.2f} -> {np.percentile(pool, 95):.2f} mm: percentile of both directions together "
        "(MedPy, panoptica, seg-metrics)",
        f"hd@95 {usual:.2f} -> {hd95(*wide):.2f} mm: {wide_border}",
        f"assd {assd:.2f} -> {np.concatenate(wide).mean():.2f} mm: {wide_border}",
        f"masd {masd:.2f} -> {region:.2f} mm: every voxel, not only the border (SimpleITK)",
        f"nsd {nsd:.4f} -> {np.mean(near):.4f}: mean of the two directed NSDs (panoptica)",
        f"mean distance {assd:.2f} -> {there.mean():.2f} mm: prediction to reference (MONAI)",
        f"mean distance {assd:.2f} -> {back.mean():.2f} mm: reference to prediction (surface-distance)",
        f"mean distance {assd:.2f} -> {masd:.2f} mm: mean of the two directed means (panoptica, SimpleITK)",
    ]
    for line in lines:
        assert line in label["reasons"]
    areas = [each for each in label["reasons"] if "surface elements weighted by area" in each]
    assert all(each.endswith("(--surface surfel, surface-distance)") for each in areas)
    assert any(each.startswith("hd@95 7.28 -> 6.40 mm: ") for each in areas)
    assert any(each.startswith(f"nsd {nsd:.4f} -> 0.450") for each in areas)
    elastic = [each for each in label["reasons"] if "smooth surface" in each]
    assert any(each.startswith(f"hd@95 {usual:.2f} -> {smooth['hd95']:.2f} mm: ") for each in elastic)
    assert not any("tolerance" in each for each in label["reasons"])
    values = [row["hd95"] for row in label["rows"] if row["hd95"] is not None]
    (within,) = re.findall(
        r"slices are 4 mm apart; the tools' hd@95 differ by at most ([\d.]+) mm", label["reasons"][-1]
    )
    assert 0 <= float(within) - (max(values) - min(values)) < 0.01


def test_changes_by_rounding_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = box((12, 12, 12))
    spacing = (1.2, 1.2, 1.2)
    files = [save(tmp_path / f"{at}.nii", np.roll(mask, at, 0), spacing=spacing) for at in (0, 1)]
    (label,) = explained(capsys, *files, "--tolerance", "1.19995")["labels"]
    there, back = both([border(np.roll(mask, at, 0)) for at in (0, 1)], spacing)
    share = (np.concatenate([there, back]) < 1).mean()
    tools = "MetricsReloaded, surface-distance, panoptica"
    exact = f"nsd 1.0000 -> {share:.4f}: tolerance without slack for rounding ({tools})"
    assert exact in label["reasons"]
    assert f"nsd 1.0000 -> {share:.4f}: tolerance in float32 (MONAI)" in label["reasons"]


def test_every_field_of_a_preset_is_described() -> None:
    described = [(name, value) for change in CHANGES for name, value in change.fields.items()]
    apart = {field.name for field in dataclasses.fields(Conventions)} - {"penalty", "compat", "remarks", "empty"}
    for preset in PRESETS.values():
        for name in apart:
            value = getattr(preset.conventions, name)
            assert value == getattr(Conventions(), name) or (name, value) in described
        assert preset.mean_distance in {None, "assd", *MEANS}


def test_a_separate_piece_is_described_by_its_border(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spacing = (3.0, 1.0, 1.0)
    reference = np.zeros((14, 40, 40), np.uint8)
    reference[2:11, 4:24, 4:24] = 1
    prediction = reference.copy()
    prediction[12, 35:37, 35:37] = 1
    files = [
        save(tmp_path / f"{name}.nii", each, spacing=spacing) for name, each in (("p", prediction), ("r", reference))
    ]
    (label,) = explained(capsys, *files)["labels"]
    there, back = both([border(prediction), border(reference)], spacing)
    share = 100 * 4 / len(there)
    assert reason(label, "a separate piece of the prediction") == (
        f"a separate piece of the prediction does not overlap the reference: 4 voxels, {share:.2g} % of the "
        f"prediction's border, up to {there.max():.2f} mm from the reference; hd is this distance, hd@95 (0.00 mm) "
        "ignores the piece"
    )
    assert hd95(there, back) == 0
    prediction[0, 0, 0] = prediction[:, 39, 0] = 1
    save(tmp_path / "p.nii", prediction, spacing=spacing)
    reference[13, 0, 39] = reference[0, 0, 39] = 1
    save(tmp_path / "r.nii", reference, spacing=spacing)
    (label,) = explained(capsys, *files)["labels"]
    there, back = both([border(prediction), border(reference)], spacing)
    assert there.max() != back.max()
    texts = [reason(label, f"a separate piece of the {name}") for name in ("prediction", "reference")]
    for text, side, other in zip(texts, (there, back), ("reference", "prediction"), strict=True):
        assert f"up to {side.max():.2f} mm from the {other};" in text
        farthest = side.max() == max(there.max(), back.max())
        assert ("hd is this distance" in text) == farthest
        assert farthest or f"hd ({max(there.max(), back.max()):.2f} mm) is not this distance" in text


def test_hd95_includes_part_of_a_large_piece(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = box((30, 30, 30), size=8)
    prediction = reference.copy()
    prediction[20:24, 20:24, 20:24] = 1
    files = [save(tmp_path / "p.nii", prediction), save(tmp_path / "r.nii", reference)]
    (label,) = explained(capsys, *files)["labels"]
    there, back = both([border(prediction), border(reference)], (1.0, 1.0, 1.0))
    text = reason(label, "a separate piece of the prediction")
    assert f"{100 * 56 / len(there):.2g} % of the prediction's border" in text
    assert text.endswith(f"hd@95 ({hd95(there, back):.2f} mm) includes part of it")


def test_a_piece_of_ignored_voxels_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = box((20, 20, 20), size=6)
    prediction = np.roll(reference, 1, 2)
    prediction[15, 15, 15] = 1
    reference[14:17, 14:17, 14:17] = 9
    files = [save(tmp_path / "p.nii", prediction), save(tmp_path / "r.nii", reference)]
    (label,) = explained(capsys, *files, "--ignore-label", "9")["labels"]
    assert not any("piece of" in each for each in label["reasons"])
    seen = explained(capsys, *files, "--only", "1")["labels"][0]
    assert reason(seen, "a separate piece of the prediction")


def test_surfaces_in_ignored_voxels_do_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = box((14, 14, 14), at=3, size=7, label=9)
    reference[4:9, 4:9, 4:9] = 1
    prediction = box((14, 14, 14), at=3, size=7)
    files = [save(tmp_path / "p.nii", prediction), save(tmp_path / "r.nii", reference)]
    (label,) = explained(capsys, *files, "--ignore-label", "9")["labels"]
    assert label["reasons"] == [
        "the prediction has no surface outside the ignored voxels, so there is no distance to measure"
    ]


def test_tools_agree_only_where_every_column_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = save(tmp_path / "m.nii", box((9, 9, 9)))
    (label,) = explained(capsys, mask, mask)["labels"]
    assert label["reasons"] == ["the tools agree: in each column, all numbers are within 1 % of each other"]
    moved = save(tmp_path / "n.nii", box((9, 9, 9), at=3))
    (label,) = explained(capsys, moved, mask)["labels"]
    assert label["reasons"]
    assert not any("agree" in each for each in label["reasons"])


def test_a_convention_that_leaves_no_border(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = np.ones((6, 6, 6), np.uint8)
    files = [save(tmp_path / "p.nii", whole), save(tmp_path / "r.nii", box((6, 6, 6)))]
    (label,) = explained(capsys, *files)["labels"]
    found = reason(label, "border voxels by all neighbours")
    assert found.endswith("(seg-metrics): the prediction has no surface in this case")


def test_each_label_has_its_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction, reference = box((20, 20, 20), at=3, size=5), box((20, 20, 20), size=6)
    prediction[12:16, 12:16, 12:16], reference[13:17, 12:16, 12:16] = 2, 2
    files = [save(tmp_path / "p.nii", prediction), save(tmp_path / "r.nii", reference, names={1: "liver"})]
    first, second = explained(capsys, *files, "--tolerance", "liver=0.5")["labels"]
    assert (first["tolerance"], second["tolerance"]) == (0.5, 1)
    there, back = both([border(each == 1) for each in (prediction, reference)], (1.0, 1.0, 1.0))
    share = (np.concatenate([there, back]) <= 0.5).mean()
    rows = {row["asked"]: row for row in first["rows"]}
    assert rows["--surface voxel"]["nsd"] == rows["--compat monai"]["nsd"] == pytest.approx(share)
    assert {row["asked"]: row for row in second["rows"]}["--compat monai"]["nsd"] == 1
    text = call(capsys, "explain", *files, "--tolerance", "liver=0.5").out
    liver, other = text.split("\nlabel 2: ")
    assert liver.startswith("liver: ")
    assert "nsd@0.5" in liver
    assert "nsd@1" in other


def test_overlapping_classes_have_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction, reference = pair()
    for side, mask in (("prediction", prediction), ("reference", reference)):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "ball.nii.gz", mask, spacing=SPACING)
        save(tmp_path / side / "ball_too.nii.gz", mask, spacing=SPACING)
    folders = [tmp_path / side for side in ("prediction", "reference")]
    single = [save(tmp_path / f"{side}.nii", mask, spacing=SPACING) for side, mask in zip("pr", pair(), strict=True)]
    (alone,) = explained(capsys, *single)["labels"]
    labels = explained(capsys, *folders, "--region", "both=ball,ball_too")["labels"]
    assert [label["name"] or label["label"] for label in labels] == ["ball", "ball_too", "both"]
    for label in labels:
        assert label["reasons"] == alone["reasons"]


def test_an_empty_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = save(tmp_path / "p.nii", np.zeros((9, 9, 9), np.uint8))
    reference = save(tmp_path / "r.nii", box((9, 9, 9)))
    answer = call(capsys, "explain", nothing, reference)
    assert answer.code == 0
    assert answer.out.startswith("label 1: missed, only the reference contains it\n")
    assert "the prediction is empty; each tool has its own rule" in answer.out
    assert re.search(r"^MedPy 0.5.2 +error +error +error +\S  --compat medpy$", answer.out, re.MULTILINE)
    assert re.search(r"^MONAI 1.6 +inf +NaN +inf\S +0.0000  --compat monai$", answer.out, re.MULTILINE)
    (label,) = explained(capsys, nothing, reference)["labels"]
    assert label["note"] == "prediction empty"
    rows = {row["asked"]: row for row in label["rows"]}
    assert rows["--compat medpy"]["notes"] == ["hd, hd@95, assd: medpy raises"]
    assert "hd: infinite" in rows["--compat monai"]["notes"]
    assert "hd@95: infinite" in rows["--compat deepmind"]["notes"]


def test_the_table_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    files = [SAMPLES / side / "case_10.nii.gz" for side in ("predictions", "references")]
    answer = call(capsys, "explain", *files, "--only", "spleen")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
    lines = answer.out.splitlines()
    assert lines[0] == "spleen: Dice 0.9366; HD95 from 2.90 to 3.60 mm"
    assert lines[2].split() == ["hd", "hd@95", "mean", "nsd@1"]
    assert lines[3].split() == ["tool", "mm", "mm", "mm", "how", "to", "get", "it"]
    assert lines[4].split()[-1] == "(default)"
    changes = [re.match(r"(\S+) +([\d.]+)\W* -> ([\d.]+)", line) for line in lines]
    found = [(each[1], float(each[2]), float(each[3])) for each in changes if each]
    order = ["hd@95", "hd", "mean", "nsd"]
    kinds = [metric for metric, _, _ in found]
    assert kinds == sorted(kinds, key=order.index)
    moves = [abs(before - after) for metric, before, after in found if (metric, before) == ("mean", 4.06)]
    assert len(moves) > 1
    assert moves == sorted(moves, reverse=True)


def test_marks_are_ascii_where_the_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    from segeval.diagnostics.tools import explain
    from segeval.reports.explanation_table import print_explanation
    from segeval.reports.terminal import Printer
    from segeval.scoring.cases import case_of_files
    from segeval.scoring.plan import plan_of

    files = [str(SAMPLES / side / "case_10.nii.gz") for side in ("predictions", "references")]
    found = explain(case_of_files(*files), plan_of(only=["spleen"]))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    print_explanation(found, Printer(stream, width=80))
    stream.seek(0)
    text = stream.read()
    assert "* prediction to reference   + reference to prediction   # mean of the two means" in text
    assert "6.93*" in text


def test_pictures_have_no_smooth_surface(capsys: pytest.CaptureFixture[str]) -> None:
    picture = [SAMPLES / "street" / f"{side}.png" for side in ("prediction", "reference")]
    flat = call(capsys, "explain", *picture, "--ignore-label", "255", "--only", "7")
    assert flat.code == 0
    assert "no row for --surface smooth: it needs a volume" in flat.out
    assert "segeval, smooth" not in flat.out
    assert "slices" not in flat.out


def test_quiet_hides_only_remarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        save(tmp_path / "p.nii", box((9, 9, 9), label=255)),
        save(tmp_path / "r.nii", box((9, 9, 9))),
    ]
    loud, quiet = call(capsys, "explain", *files), call(capsys, "explain", *files, "-q")
    assert "warning: the prediction has labels 0 and 255" in loud.err
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)
    assert call(capsys, "explain", "-q", tmp_path / "none.nii", tmp_path / "none.nii").err.startswith("error: ")


def test_unreadable_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "explain", tmp_path / "none.nii", tmp_path / "none.nii").code == 3
    files = [SAMPLES / side / "case_10.nii.gz" for side in ("predictions", "references")]
    assert call(capsys, "explain", *files, "--only", "heart").code == 2
