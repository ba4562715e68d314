"""`segeval losses`: values, gradients and imbalance of a probability map."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.diagnostics.loss_table import LossTable, losses_of
from segeval.evidence.conventions import AbsentClass
from segeval.losses import LOSSES
from segeval.metrics import METRICS
from segeval.scoring.cases import case_of_files
from segeval.scoring.plan import plan_of
from tests.command import call, save
from tests.places import DATA, SAMPLES, needs

Array = NDArray[Any]

SOFT = [name for name, card in METRICS.items() if card.is_soft]
WITH_GRADIENT = [name for name in SOFT if name in LOSSES]
STREET = SAMPLES / "street"
REAL = DATA / "spinal_cord"


def table_of(folder: Path, values: Array, reference: Array, **options: Any) -> LossTable:
    np.save(folder / "p.npy", values)
    np.save(folder / "r.npy", reference)
    plan = plan_of(probabilities=True, **options)
    return losses_of(case_of_files(str(folder / "p.npy"), str(folder / "r.npy")), plan)


def made(channels: int, shape: tuple[int, ...] = (5, 6, 7)) -> tuple[Array, Array]:
    rng = np.random.default_rng(channels)
    reference = rng.integers(0, max(2, channels), shape)
    values = rng.random((max(2, channels), *shape)) + 0.01
    values /= values.sum(axis=0)
    return (values[1] if channels == 1 else values), reference.astype(np.uint8)


def test_a_worked_example(tmp_path: Path) -> None:
    # One voxel of four is foreground, p is 1/2 everywhere: sum p r = 1/2, sum p + sum r = 3. The gradient of soft Dice,
    # 2 (r - 1/6) / 3, is 5/9 on the foreground and -1/9 on each other voxel; 5/9 of 8/9 in all fall on the foreground.
    found = table_of(tmp_path, np.full((2, 2), 0.5), np.array([[1, 0], [0, 0]]))
    rows = {row.metric: row for row in found.rows}
    assert rows["soft_dice"].value == pytest.approx(1 / 3)
    assert rows["soft_dice"].largest == pytest.approx(5 / 9)
    assert rows["soft_dice"].on_foreground == pytest.approx(5 / 8)
    # Cross-entropy pulls each voxel with 1 / (N p): a quarter of it all is on a quarter of the image.
    assert rows["cross_entropy"].value == pytest.approx(math.log(2))
    assert rows["cross_entropy"].largest == pytest.approx(1 / (4 * 0.5))
    assert rows["cross_entropy"].on_foreground == pytest.approx(1 / 4)
    assert (found.imbalance, dict(found.shares), found.voxels) == (0.25, {1: 0.25}, 4)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_rows_are_the_scores_and_the_gradients(channels: int, tmp_path: Path) -> None:
    values, reference = made(channels)
    found = table_of(tmp_path, values, reference)
    scores = segeval.score(prediction=values, reference=reference, probabilities=True, metrics=SOFT)
    assert [row.metric for row in found.rows] == SOFT
    for row in found.rows:
        assert row.value == scores.value(row.metric)
        for label, value in row.by_label.items():
            assert value == scores.value(row.metric, label=label)
        if row.metric not in LOSSES:
            assert (row.largest, row.on_foreground) == (None, None)
            continue
        value, gradient = LOSSES[row.metric](probabilities=values, reference=reference)
        assert row.value == pytest.approx(value, rel=1e-9)
        sizes = np.abs(gradient)
        assert row.largest == sizes.max()
        inside = sizes[..., reference > 0].sum()
        assert row.on_foreground == pytest.approx(inside / sizes.sum(), rel=1e-12)
    assert found.imbalance == pytest.approx((reference > 0).mean())
    assert found.shares == {label: (reference == label).mean() for label in range(1, max(2, channels))}


def test_ignored_voxels_are_nowhere(tmp_path: Path) -> None:
    values, reference = made(3, (4, 5))
    ignored = reference.copy()
    ignored[:2] = 9
    found = table_of(tmp_path, values, ignored, ignore_label=9)
    kept = table_of(tmp_path, values[:, 2:], reference[2:])
    assert (found.voxels, found.imbalance) == (10, kept.imbalance)
    for row, other in zip(found.rows, kept.rows, strict=True):
        assert row.value == pytest.approx(other.value, rel=1e-12)
        assert (row.largest is None) == (row.metric not in LOSSES)
        if row.largest is not None:
            assert row.largest == pytest.approx(other.largest, rel=1e-12)
            assert row.on_foreground == pytest.approx(other.on_foreground, rel=1e-12)


def test_an_ignored_channel_is_in_no_mean(tmp_path: Path) -> None:
    values, reference = made(3)
    found = {row.metric: row for row in table_of(tmp_path, values, reference, ignore_label=2).rows}
    kept = reference != 2
    value, gradient = LOSSES["soft_dice"](
        probabilities=values[:, None, kept], reference=reference[None, kept], weights={2: 0}
    )
    assert found["soft_dice"].value == pytest.approx(value, rel=1e-12)
    assert found["soft_dice"].largest == pytest.approx(np.abs(gradient).max(), rel=1e-12)
    assert list(found["soft_dice"].by_label) == [1]


@pytest.mark.parametrize("rule", ["max", "ignore", "penalise"])
def test_a_class_that_is_not_in_the_reference(rule: AbsentClass, tmp_path: Path) -> None:
    values, reference = made(3)
    reference[reference == 2] = 0
    found = {row.metric: row for row in table_of(tmp_path, values, reference, absent_class=rule).rows}
    value, gradient = LOSSES["gdl"](probabilities=values, reference=reference, absent_class=rule)
    assert found["gdl"].value == pytest.approx(value)
    assert found["gdl"].largest == np.abs(gradient).max()


def test_nothing_to_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, reference = made(2)
    found = table_of(tmp_path, values, np.zeros_like(reference), ignore_label=0)
    assert (found.voxels, found.imbalance, dict(found.shares)) == (0, None, {1: None})
    assert {(row.value, row.largest) for row in found.rows} == {(None, None)}
    words = ["losses", tmp_path / "p.npy", tmp_path / "r.npy", "--ignore-label", "0"]
    for kind in ("json", "csv", "table"):
        answer = call(capsys, *words, "-f", kind)
        assert answer.code == 0
        assert "nan" not in answer.out.lower()
    assert answer.out.startswith("7 x 6 x 5 voxels; none is counted, so nothing is defined\n")


def test_relabelled_channels_and_weights(tmp_path: Path) -> None:
    values, reference = made(3)
    plain = table_of(tmp_path, values, reference, weight={2: 3})
    other = np.where(reference == 2, 7, reference).astype(np.uint8)
    moved = table_of(tmp_path, values, other, map_prediction={2: 7}, weight={7: 3})
    for row, same in zip(moved.rows, plain.rows, strict=True):
        assert (row.value, row.largest, row.on_foreground) == (same.value, same.largest, same.on_foreground)
    soft_dice = next(row for row in plain.rows if row.metric == "soft_dice")
    first, second = (soft_dice.by_label[label] or math.nan for label in (1, 2))
    assert soft_dice.value == pytest.approx((first + 3 * second) / 4)
    _, gradient = LOSSES["soft_dice"](probabilities=values, reference=reference, weights={1: 1, 2: 3})
    assert soft_dice.largest == np.abs(gradient).max()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_soft_reference(channels: int, tmp_path: Path) -> None:
    values, _ = made(channels)
    shares = made(channels, (5, 6, 7))[0][..., ::-1].copy()
    found = table_of(tmp_path, values, shares)
    for row in found.rows:
        if row.metric in LOSSES:
            value, gradient = LOSSES[row.metric](
                probabilities=values.reshape(-1, 5, 6, 7), reference=shares.reshape(-1, 5, 6, 7)
            )
            assert row.value == pytest.approx(value, rel=1e-9)
            assert row.largest == pytest.approx(np.abs(gradient).max(), rel=1e-12)


def test_gradients_that_are_infinite_or_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.stack([np.ones((3, 3)), np.zeros((3, 3))])
    found = table_of(tmp_path, values, np.eye(3, dtype=np.uint8))
    rows = {row.metric: row for row in found.rows}
    assert (rows["wce"].value, rows["wce"].largest, rows["wce"].on_foreground) == (math.inf, math.inf, None)
    answer = call(capsys, "losses", tmp_path / "p.npy", tmp_path / "r.npy", "-f", "json")
    document = json.loads(answer.out, parse_constant=pytest.fail)
    (wce,) = (row for row in document["rows"] if row["metric"] == "wce")
    assert (wce["value"], wce["largest"], wce["by_label"]) == (None, None, {"1": None})
    assert wce["notes"] == {"1": "infinite", "all": "value, largest: infinite"}
    perfect = {row.metric: row for row in table_of(tmp_path, values, np.zeros((3, 3), np.uint8)).rows}
    assert perfect["dl2"].value == pytest.approx(-0.5, abs=1e-5)
    assert "-1/2" in perfect["dl2"].notes[1]
    assert (perfect["soft_dice"].value, perfect["soft_dice"].largest) == (None, 0)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["losses", STREET / "probabilities", STREET / "reference.png", "--ignore-label", "255"]
    answer = call(capsys, *words, "--labels", STREET / "labels.json", "-q")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "256 x 128 pixels; 30,668 are counted, 99.2 % of them foreground"
    assert [line.split()[0] for line in lines[4:14]] == SOFT
    heads = lines.index(next(line for line in lines if line.startswith("label  name")))
    labels = json.loads((STREET / "labels.json").read_text(encoding="utf-8"))
    assert [line.split()[:2] for line in lines[heads + 1 : heads + 8]] == [
        [str(n), labels[str(n)]] for n in range(1, 8)
    ]
    rows = list(csv.DictReader(io.StringIO(call(capsys, *words, "-f", "csv").out)))
    totals = {row["metric"]: row for row in rows if row["label"] == "all"}
    assert list(totals) == SOFT
    assert [name for name in SOFT if totals[name]["largest_gradient"]] == WITH_GRADIENT
    assert f"{float(totals['gdl']['value']):.4g}" in lines[4 + SOFT.index("gdl")]
    scored = call(capsys, "score", *words[1:], "--probabilities", "-m", ",".join(SOFT), "-f", "csv")
    (every,) = (row for row in csv.DictReader(io.StringIO(scored.out)) if row["label"] == "all")
    assert all(every[name] == totals[name]["value"] for name in SOFT)
    document = json.loads(call(capsys, *words, "-f", "json").out)
    assert {row["metric"]: repr(row["value"]) for row in document["rows"]} == {
        name: row["value"] for name, row in totals.items()
    }


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["none.npy", "r.npy"], 3, "none.npy: no such file"),
        (["p.npy", "r.npy", "--weight", "liver=2"], 2, "liver"),
        (
            ["p.npy", "r.npy", "--map-reference", "1=5"],
            3,
            "the probability map has no channel for reference label 5",
        ),
        (["p.npy", "r.npy", "-f", "xlsx"], 2, "'xlsx' is not one of"),
    ],
)
def test_arguments_that_cannot_be_used(
    words: list[str], code: int, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    values, reference = made(3)
    np.save(tmp_path / "p.npy", values)
    np.save(tmp_path / "r.npy", reference)
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, "losses", *words)
    assert (answer.code, answer.out) == (code, "")
    assert cause in answer.cause


def test_hostile_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, reference = made(3)
    np.save(tmp_path / "p.npy", values)
    np.save(tmp_path / "r.npy", reference)
    (tmp_path / "labels.json").write_text(json.dumps({"1": "=1+1", "2": "[red]\x1b[31m"}))
    for kind in ("table", "csv", "json"):
        words = ["losses", tmp_path / "p.npy", tmp_path / "r.npy", "--labels", tmp_path / "labels.json", "-f", kind]
        answer = call(capsys, *words)
        assert answer.code == 0
        assert "\x1b" not in answer.out + answer.err
        assert ("'=1+1" in answer.out) == (kind == "csv")


def test_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ["losses", STREET / "probabilities", STREET / "reference.png", "--ignore-label", "255", "-q"]
    for options in ([], ["--labels", STREET / "labels.json"]):
        lines = call(capsys, *words, *options).out.splitlines()
        assert max(map(len, lines)) <= 80
        assert len([line for line in lines if line.startswith("label")]) == 1


@needs(REAL)
def test_real_soft_maps(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["losses", REAL / "mt1_gmseg.nii.gz", REAL / "mt1_gmseg_goldstandard.nii.gz"]
    answer = call(capsys, *words)
    assert answer.code == 3
    assert "expected probabilities from 0 to 1, found values from 0 to 1.05922; to clip to [0, 1]" in answer.cause
    assert answer.cause.endswith("--normalise")
    answer = call(capsys, *words, "--normalise")
    assert answer.code == 0
    assert "8,000 are counted, 1.24 % of them foreground" in answer.out


def test_volumes_give_the_same(tmp_path: Path) -> None:
    values, reference = made(2)
    np.savez(tmp_path / "p.npz", probabilities=values)
    save(tmp_path / "r.nii.gz", reference)
    found = losses_of(case_of_files(str(tmp_path / "p.npz"), str(tmp_path / "r.nii.gz")), plan_of(probabilities=True))
    assert found.rows == table_of(tmp_path, values, reference).rows
