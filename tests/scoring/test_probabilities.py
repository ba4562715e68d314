"""Probability maps as predictions: how they are read, refused, labelled and scored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import segeval
from segeval.cli import run
from segeval.errors import InputError, UsageError
from segeval.evidence.conventions import AbsentClass
from segeval.losses import LOSSES
from segeval.maps import probability_map as module
from segeval.metrics import METRICS
from segeval.scoring.plan import Plan, plan_of
from tests.command import call
from tests.metrics.test_conformance import BY_ID
from tests.places import DATA, needs

Array = NDArray[Any]

SOFT = [name for name, card in METRICS.items() if card.is_soft]
SHAPE = (6, 7, 9)
REAL = DATA / "spinal_cord"


def made(channels: int, *, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities that are right more often than not, some of them 0 and 1, and the reference."""
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, max(channels, 2), shape)
    logits = rng.normal(size=(max(channels, 2), *shape))
    for label, channel in enumerate(logits):
        channel[reference == label] += 1.5
    values = np.exp(3 * logits)
    values /= values.sum(axis=0)
    values[:, :2] = np.where(values[:, :2] == values[:, :2].max(axis=0), 1.0, 0.0)
    return (values[1] if channels == 1 else values), reference


def one_class(p: Array, r: Array, share: float = 0.05) -> dict[str, float]:
    """The scores of one class against the rest, as the table of the definitions has them, in float64."""
    p, r, e = p.astype(np.float64).ravel(), r.astype(np.float64).ravel(), 1e-5
    log_p, log_q = (np.log(np.clip(each, 1e-7, 1 - 1e-7)) for each in (p, 1 - p))
    weight = (p.size - p.sum()) / p.sum() if p.sum() else math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "wce": -float(np.mean(weight * r * log_p + (1 - r) * log_q)),
            "dl2": 1
            - ((p * r).sum() + e) / ((p + r).sum() + e)
            - (((1 - p) * (1 - r)).sum() + e) / ((2 - p - r).sum() + e),
            "ss": share * ((r - p) ** 2 * r).sum() / (r.sum() + e)
            + (1 - share) * ((r - p) ** 2 * (1 - r)).sum() / ((1 - r).sum() + e),
            "soft_dice": 2 * (p * r).sum() / (p.sum() + r.sum()),
            "vnet_dice": 2 * (p * r).sum() / ((p**2).sum() + (r**2).sum()),
            "soft_iou": (p * r).sum() / (p.sum() + r.sum() - (p * r).sum()),
        }


def all_classes(p: Array, r: Array, bins: int = 15) -> dict[str, float]:
    """The scores of all classes at once; p and r of shape (classes, ...)."""
    p, r = (each.astype(np.float64).reshape(len(each), -1) for each in (p, r))
    size = r.sum(axis=1)
    weight = np.array([1 / each**2 if each else 0 for each in size])
    weight[size == 0] = weight.max()
    confidence, right = p.max(axis=0), p.argmax(axis=0) == r.argmax(axis=0)
    calibration = 0.0
    for place in range(bins):
        here = (confidence > place / bins) & (confidence <= (place + 1) / bins)
        if here.any():
            calibration += here.mean() * abs(right[here].mean() - confidence[here].mean())
    return {
        "cross_entropy": -float(np.mean((r * np.log(np.clip(p, 1e-7, 1 - 1e-7))).sum(axis=0))),
        "gdl": 1 - 2 * (weight @ (r * p).sum(axis=1)) / (weight @ (r + p).sum(axis=1)),
        "brier": float(((r - p) ** 2).sum(axis=0).mean()),
        "ece": calibration,
    }


def expected(values: Array, reference: Array) -> dict[tuple[str, int | str], float]:
    values = values.astype(np.float64)
    whole = values if values.ndim > reference.ndim else np.stack([1 - values, values])
    one_hot = np.stack([reference == label for label in range(len(whole))])
    found: dict[tuple[str, int | str], float] = {}
    by_class = {label: one_class(whole[label], one_hot[label]) for label in range(1, len(whole))}
    for label, scores in by_class.items():
        found |= {(name, label): value for name, value in scores.items()}
    for name in by_class[1]:
        found[name, "all"] = float(np.mean([scores[name] for scores in by_class.values()]))
    return found | {(name, "all"): value for name, value in all_classes(whole, one_hot).items()}


def scored(values: Array, reference: Array, **options: Any) -> dict[tuple[str, int | str], float | None]:
    asked: dict[str, Any] = {"metrics": SOFT, "probabilities": True, **options}
    results = segeval.score(prediction=values, reference=reference, **asked)
    return {(row.metric, row.label): row.value for row in results.scores}


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", ">f4"])
def test_every_score_is_its_formula(channels: int, kind: str) -> None:
    values, reference = made(channels)
    values = values.astype(kind)
    assert scored(values, reference) == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 31, 100, 1 << 20])
def test_the_size_of_a_stretch_does_not_matter(channels: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, reference = made(channels)
    monkeypatch.setattr(module, "STRETCH_VOXELS", size)
    assert scored(values, reference, normalise=True) == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)


def test_many_voxels_are_summed_up_as_well() -> None:
    values, reference = made(3, shape=(40, 60, 50))
    values = values.astype(np.float32)
    assert scored(values, reference) == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)


def test_one_channel_is_the_foreground_of_two() -> None:
    values, reference = made(1)
    one, two = scored(values, reference), scored(np.stack([1 - values, values]), reference)
    assert one == pytest.approx(two, rel=1e-9, abs=1e-12)


def test_labels_are_the_arg_max_and_the_first_of_equals() -> None:
    values = np.array([[[0.4, 0.5, 0.2, 0.0]], [[0.4, 0.5, 0.4, 0.5]], [[0.2, 0.0, 0.4, 0.5]]])
    reference = np.array([[0, 0, 1, 1]])
    found = scored(values, reference, metrics="dice,tp,prediction_volume")
    assert found["dice", 1] == 1
    assert found["dice", 2] is None  # every channel has a row


@pytest.mark.parametrize(("threshold", "voxels"), [(0.5, 2), (0.51, 1), (0.2, 3), (0.0, 4), (1.0, 0)])
def test_one_channel_is_foreground_from_the_threshold_on(threshold: float, voxels: int) -> None:
    found = scored(np.array([[0.1, 0.2, 0.5, 0.9]]), np.array([[0, 1, 1, 1]]), metrics="tp,fp", threshold=threshold)
    assert (found["tp", 1] or 0) + (found["fp", 1] or 0) == voxels


@pytest.mark.parametrize("absent", ["max", "ignore", "penalise"])
def test_one_hot_maps_score_as_their_labels(absent: Any) -> None:
    reference = made(4)[1]
    for prediction in (reference, np.roll(reference, 1, axis=2), np.where(reference == 2, 1, reference)):
        for held in (reference, np.where(reference == 3, 0, reference)):
            one_hot = np.stack([prediction == label for label in range(4)]).astype(np.float32)
            metrics = "dice,iou,generalized_dice,gdl,soft_dice,vnet_dice,soft_iou"
            found = scored(one_hot, held, metrics=metrics, absent_class=absent)
            for label in (1, 2, 3):
                for soft, plain in (("soft_dice", "dice"), ("vnet_dice", "dice"), ("soft_iou", "iou")):
                    assert found[soft, label] == pytest.approx(found[plain, label], rel=1e-12)
            assert 1 - (found["gdl", "all"] or 0) == pytest.approx(found["generalized_dice", "all"], rel=1e-12)


def test_two_class_dice_loss_of_a_one_hot_map_is_made_of_two_dice() -> None:
    reference = made(2)[1]
    prediction = np.roll(reference, 1, axis=2)
    found = scored(np.stack([prediction == 0, prediction == 1]), reference, metrics="dice,dl2", background=True)
    # each of its two fractions is half a Dice
    halves = ((found["dice", 0] or 0) + (found["dice", 1] or 0)) / 2
    assert found["dl2", 1] == pytest.approx(1 - halves, abs=1e-6)


def test_a_perfect_map_is_perfect() -> None:
    reference = made(3)[1]
    found = scored(np.stack([reference == label for label in range(3)]), reference)
    for (name, _), value in found.items():
        best = 1 if METRICS[name].better == "higher" else 0
        assert value == pytest.approx(best, abs=2e-6), name


def test_nothing_in_the_reference() -> None:
    reference, wrong = np.zeros((10, 10), int), np.zeros((2, 10, 10))
    wrong[0] = 1
    options: dict[str, Any] = {"probabilities": True, "metrics": SOFT, "reference": reference}
    perfect = segeval.score(prediction=wrong, **options)
    assert perfect.value("dl2", label=1) == perfect.value("dl2") == pytest.approx(-0.5, abs=1e-6)
    assert perfect.value("soft_dice", label=1) is None
    assert perfect.value("wce", label=1) == pytest.approx(1e-7, rel=1e-3)  # -log(1 - 1e-7): of the clip
    notes = {row.metric: row.note for row in perfect.scores if row.label == 1}
    assert "-1/2" in (notes["dl2"] or "")
    assert {row.metric: row.note for row in perfect.scores if row.label == "all"}["dl2"] == notes["dl2"]
    assert notes["soft_dice"] == "absent in both"
    assert perfect.value("gdl") == 0
    wrong[:, 3, 3] = 0, 1
    found = segeval.score(prediction=wrong, **options)
    assert found.value("dl2", label=1) == pytest.approx(0.5, abs=1e-2)
    assert found.value("soft_dice", label=1) == 0
    notes = {row.metric: row.note for row in found.scores if row.label == 1}
    assert notes["soft_dice"] == "reference empty"
    assert found.value("gdl") == pytest.approx(1 - 2 * 99 / 200)
    assert segeval.score(prediction=wrong, absent_class="penalise", **options).value("gdl") == 1


def test_a_class_without_any_probability() -> None:
    certain = np.zeros((2, 4, 4))
    certain[0] = 1
    reference = np.eye(4, dtype=int)
    found = segeval.score(prediction=certain, reference=reference, probabilities=True, metrics=SOFT)
    assert found.value("wce", label=1) == found.value("wce") == np.inf
    assert found.value("soft_dice", label=1) == 0
    assert {row.note for row in found.scores if row.label == 1} == {"prediction empty"}


@pytest.mark.parametrize("absent", ["max", "ignore", "penalise"])
@pytest.mark.parametrize("lacking", [(), (2,), (1, 2), (0,)])
def test_scores_are_the_values_of_the_losses(absent: AbsentClass, lacking: tuple[int, ...]) -> None:
    values, reference = made(3)
    for label in lacking:
        reference[reference == label] = (label + 1) % 3 if label + 1 not in lacking else 0
    found = scored(values, reference, absent_class=absent)
    for name, loss in LOSSES.items():
        rule: dict[str, Any] = {"absent_class": absent} if name == "gdl" else {}
        value, _ = loss(probabilities=values, reference=reference, **rule)
        assert found[name, "all"] == pytest.approx(value, rel=1e-9, abs=1e-15), name


def test_values_stay_within_their_bounds() -> None:
    for seed in range(20):
        values, reference = made(3, shape=(4, 5), seed=seed)
        for (name, _), value in scored(values, np.where(reference == seed % 3, 0, reference)).items():
            low, high = METRICS[name].bounds
            assert value is None or low <= value <= high


def test_an_ignored_label_counts_nowhere() -> None:
    values, reference = made(3)
    left = reference.copy()
    left[2, 3:] = 9
    kept = left != 9
    found = scored(values, left, ignore_label=9)
    assert found == pytest.approx(expected(values[:, kept], reference[kept]), rel=1e-9, abs=1e-12)


def test_regions_and_labels_without_a_channel_have_no_soft_score() -> None:
    values, reference = made(3)
    results = segeval.score(
        prediction=values, reference=reference, probabilities=True, metrics="dice,soft_dice", regions={"both": "1,2"},
        labels={1: "one", 2: "two", 7: "seven"},
    )  # fmt: skip
    assert results.value("dice", label="both") is not None
    notes = {row.label: row.note for row in results.scores if row.metric == "soft_dice" and row.value is None}
    assert notes == {
        "both": "undefined: it is for single classes",
        7: "undefined: the probability map has no channel for it",
    }


def test_channels_take_new_numbers() -> None:
    values, reference = made(3)
    plain = scored(values, reference, metrics="dice,soft_dice")
    moved = scored(values, np.where(reference == 2, 5, reference), metrics="dice,soft_dice", map_prediction={2: 5})
    assert moved["soft_dice", 5] == plain["soft_dice", 2]
    assert moved["dice", 5] == plain["dice", 2]
    with pytest.raises(UsageError, match="--map cannot give two channels of a probability map the same label"):
        scored(values, reference, map_prediction={2: 1})


def test_a_reference_label_without_a_channel_is_refused() -> None:
    values, reference = made(3)
    with pytest.raises(InputError, match=r"the probability map has no channel for reference label 7 .*--map-reference"):
        scored(values, np.where(reference == 2, 7, reference))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_soft_reference_counts_by_its_shares(channels: int) -> None:
    values, other = made(channels)[0], made(channels, seed=1)[0]
    found = scored(values, other)
    whole, shares = (each if channels > 1 else np.stack([1 - each, each]) for each in (values, other))
    for label in range(1, len(whole)):
        for name, value in one_class(whole[label], shares[label]).items():
            assert found[name, label] == pytest.approx(value, rel=1e-9), name
    for name, value in all_classes(whole, shares).items():
        assert found[name, "all"] == pytest.approx(value, rel=1e-9), name
    labels = (other >= 0.5).astype(int) if channels == 1 else other.argmax(axis=0)
    assert scored(values, other, metrics="dice,hd") == scored(values, labels, metrics="dice,hd")


def test_a_soft_reference_has_the_channels_of_the_prediction() -> None:
    with pytest.raises(InputError, match="the channels differ: the prediction has 3 channels, the reference 1 channel"):
        scored(made(3)[0], made(1)[0])
    with pytest.raises(UsageError, match="--map cannot be used with a reference that is a probability map"):
        scored(made(3)[0], made(3)[0], map_reference={2: 1})


@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_voxels_of_a_soft_reference(channels: int) -> None:
    values, other = made(channels, shape=(6, 9))[0], made(channels, shape=(6, 9), seed=1)[0]
    ignored = 0 if channels == 1 else 2
    labels = (other >= 0.5).astype(int) if channels == 1 else other.argmax(axis=0)
    kept = labels != ignored
    found = scored(values, other, ignore_label=ignored)
    whole, shares = (each if channels > 1 else np.stack([1 - each, each]) for each in (values, other))
    for name, value in one_class(whole[1][kept], shares[1][kept]).items():
        assert found[name, 1] == pytest.approx(value, rel=1e-9), name
    assert found["brier", "all"] == pytest.approx(all_classes(whole[:, kept], shares[:, kept])["brier"], rel=1e-9)


def test_a_soft_reference_of_a_picture_in_files(tmp_path: Path) -> None:
    values, shares = made(3, shape=(11, 13))[0], made(3, shape=(11, 13), seed=1)[0]
    np.save(tmp_path / "p.npy", values)
    np.save(tmp_path / "r.npy", shares)
    found = soft_rows(tmp_path / "p.npy", tmp_path / "r.npy")
    assert found == pytest.approx(scored(values, shares), rel=1e-12)
    pictured(tmp_path / "r", shares, ["0", "1", "2"])
    whole = np.rint(shares * 65535) / 65535
    assert soft_rows(tmp_path / "p.npy", tmp_path / "r") == pytest.approx(scored(values, whole), rel=1e-9)
    folder = pictured(tmp_path / "p", values, ["0", "1", "2"])
    assert soft_rows(folder, tmp_path / "r")["soft_dice", 1] == pytest.approx(found["soft_dice", 1], rel=1e-3)


def test_integers_with_four_axes_are_no_reference(tmp_path: Path) -> None:
    values, reference = made(3)
    path = nifti(tmp_path / "p.nii", values)
    held = nifti(tmp_path / "r.nii", np.stack([reference == label for label in range(3)]).astype(np.uint8))
    with pytest.raises(InputError, match=r"r\.nii: "):
        soft_rows(path, held)


def test_the_background_of_a_map_stays_the_background() -> None:
    values, reference = made(3)
    for change in ({0: 3}, {0: 1, 1: 0}, {1: 0}):
        with pytest.raises(UsageError, match="--map cannot change label 0 of a probability map"):
            scored(values, reference, map_prediction=change)
    with pytest.raises(UsageError, match="--map cannot be used with a reference that is a probability map"):
        scored(values, made(3, seed=1)[0], map_prediction={1: 2, 2: 1})


def test_false_alarms_of_dl2_are_counted_like_those_of_others(tmp_path: Path) -> None:
    values, reference = made(2, shape=(8, 9))
    np.save(tmp_path / "p.npy", values)
    for name, labels in (("r", reference), ("e", np.zeros_like(reference))):
        np.save(tmp_path / f"{name}.npy", labels)
    (tmp_path / "pairs.csv").write_text("case,prediction,reference\na,p.npy,r.npy\nb,p.npy,e.npy\n")
    results = segeval.batch(pairs=tmp_path / "pairs.csv", probabilities=True, metrics="dice,soft_dice,dl2")
    alarms = {row.metric: row.n_false_alarm for row in results.summary if row.label == 1 and row.aggregate == "cases"}
    assert alarms == {"dice": 1, "soft_dice": 1, "dl2": 1}


def test_soft_references_in_files(tmp_path: Path) -> None:
    for channels in (1, 3):
        values, shares = made(channels)[0], made(channels, seed=1)[0]
        paths = nifti(tmp_path / f"p{channels}.nii", values), nifti(tmp_path / f"r{channels}.nii", shares)
        assert soft_rows(*paths) == scored(values, shares)
        results = segeval.batch(pairs=_pairs(tmp_path, paths[1]), probabilities=True, metrics=SOFT, missing="empty")
        assert results.cases[0].status == "scored"
        assert results.value("soft_dice", case="a") == 0


def _pairs(folder: Path, reference: Path) -> Path:
    """A table of one case without a prediction."""
    table = folder / "pairs.csv"
    table.write_text(f"case,prediction,reference\na,,{reference.name}\n")
    return table


# What is no probability map


NORMALISE = "to clip to [0, 1] and rescale channels to sum to 1: --normalise"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda p: p + 0.01,
            f"found values from 0.01 to 1.01; {NORMALISE}",
        ),
        (lambda p: p - 0.002, "found values from -0.002"),
        (
            lambda p: p * 0.98,
            f"found sums from 0.98 to 0.98; {NORMALISE}",
        ),
        (lambda p: np.where(p == p.max(), np.nan, p), "with NaN or infinite values"),
        (lambda p: np.where(p == p.max(), np.inf, p), "with NaN or infinite values"),
        (lambda p: p.astype(complex), "values of type complex128"),
    ],
)
def test_what_is_no_probability_map_is_refused(change: Callable[[Array], Array], said: str) -> None:
    values, reference = made(3)
    with pytest.raises(InputError) as caught:
        scored(change(values), reference)
    assert said in str(caught.value)
    assert str(caught.value).startswith("prediction: ")


def test_what_is_nearly_a_probability_map_is_taken() -> None:
    values, reference = made(3)
    assert scored(values * 1.0005, reference)["soft_dice", 1] is not None
    one = made(1)[0]
    assert scored(one * 1.0009, made(1)[1])["soft_dice", 1] is not None


@pytest.mark.parametrize("channels", [1, 3])
def test_normalising_clips_and_divides(channels: int) -> None:
    values, reference = made(channels)
    wrong = values * 1.3 - 0.1
    clipped = np.clip(wrong, 0, 1)
    mended = clipped / clipped.sum(axis=0) if channels > 1 else clipped
    assert scored(wrong, reference, normalise=True) == pytest.approx(expected(mended, reference), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: np.where(p == p.max(), np.inf, p), "infinite"),
        (lambda p: np.where(p == p.max(), -np.inf, p), "infinite"),
        (lambda p: np.rint(p * 2).astype(int), "to score a label map, leave out --probabilities"),
        (lambda p: np.rint(p * 255).astype(np.uint8), "divide percentages and grey values"),
        (lambda p: p * 100, "found values from 0 to 100; divide percentages"),
        (lambda p: np.log(p + 1e-3), "take the softmax of logits"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_clipping_does_not_mend_is_refused(change: Callable[[Array], Array], said: str, channels: int) -> None:
    values, reference = made(channels)
    for normalise in (True, False):
        with pytest.raises(InputError) as caught:
            scored(change(values), reference, normalise=normalise)
        assert said in str(caught.value)
        assert normalise is False or "--normalise" not in str(caught.value)
    with pytest.raises(InputError):
        LOSSES["soft_dice"](probabilities=change(values), reference=reference, normalise=True)


def test_a_voxel_of_zeros_cannot_be_normalised() -> None:
    values, reference = made(3)
    values[:, 0, 0, 0] = 0
    with pytest.raises(InputError, match="found 1 voxel with 0 in all channels"):
        scored(values, reference, normalise=True)


@pytest.mark.parametrize(("shape", "reference"), [((3, 3, 3), (3, 3)), ((4, 4, 4, 4), (4, 4, 4))])
def test_an_ambiguous_shape_is_an_error(shape: tuple[int, ...], reference: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="the axis of the channels is unclear: channels first or channels last"):
        scored(np.full(shape, 1 / shape[0]), np.zeros(reference, int))


def test_another_shape_is_an_error() -> None:
    values, reference = made(3)
    with pytest.raises(InputError, match="the shapes differ: probabilities 3 x 6 x 7 x 9, reference 6 x 7 x 8"):
        scored(values, reference[..., 1:])


def test_channels_may_come_last() -> None:
    values, reference = made(3)
    assert scored(np.moveaxis(values, 0, -1), reference) == scored(values, reference)
    assert scored(values[:, 0], reference[0]) == scored(np.moveaxis(values[:, 0], 0, -1), reference[0])


# Options


def test_soft_scores_are_for_probability_maps() -> None:
    reference = made(2)[1]
    with pytest.raises(UsageError, match=r"soft_dice, gdl: only for probability maps; add --probabilities"):
        segeval.score(prediction=reference, reference=reference, metrics="dice,soft_dice,gdl")
    wrong: list[dict[str, Any]] = [{"normalise": True}, {"threshold": 0.4}]
    for options in wrong:
        with pytest.raises(UsageError, match="is only for probability maps; add --probabilities"):
            plan_of(**options)
    for threshold in (-0.1, 1.1, math.nan):
        with pytest.raises(UsageError, match="threshold must be between 0 and 1"):
            plan_of(probabilities=True, threshold=threshold)
    with pytest.raises(UsageError, match="have no names; match labels by number"):
        plan_of(probabilities=True, match="names")
    with pytest.raises(UsageError, match="needs a whole number"):
        plan_of(probabilities=True, metrics="ece@2.5")
    with pytest.raises(UsageError, match="has no soft_dice"):
        plan_of(probabilities=True, metrics="soft_dice", compat="monai")


def test_defaults_and_all_hold_the_soft_scores_only_for_probability_maps() -> None:
    def tokens(**options: Any) -> list[str]:
        return [request.token for request in plan_of(**options).metrics]

    assert not set(tokens()) & set(SOFT)
    assert not set(tokens(metrics="all")) & set(SOFT)
    assert tokens(probabilities=True) == [*tokens(), *SOFT]
    assert tokens(metrics="all", probabilities=True) == list(METRICS)
    assert tokens(metrics="dice", probabilities=True) == ["dice"]
    assert not set(tokens(compat="monai", probabilities=True)) & set(SOFT)


def test_a_plan_keeps_them_and_says_so() -> None:
    plan = plan_of(probabilities=True, threshold=0.3, normalise=True, weight={"liver": 2, "2": 0.5})
    assert Plan.of_settings(plan.settings()) == plan
    signature = plan.signature({(3, "mm")})
    assert "labels by argmax, single channel thresholded at 0.3, normalised" in signature
    assert "weights liver=2,2=0.5" in signature
    footnote = plan.footnote({(3, "mm")})
    assert "single channel thresholded at 0.3, normalised" in footnote
    assert "weights liver=2,2=0.5" in footnote
    assert "probabilities" not in plan_of().settings()


def test_weights_hold_in_every_mean_over_labels() -> None:
    values, reference = made(4)
    names = {1: "liver", 2: "tumour", 3: "rest"}
    results = segeval.score(
        prediction=values, reference=reference, probabilities=True, labels=names, weight={"liver": 2, "2": 5},
        metrics="dice,iou,mean_dice,mean_iou,soft_dice,dl2",
    )  # fmt: skip

    def mean(metric: str) -> float:
        one, two, three = (results.value(metric, label=label) for label in (1, 2, 3))
        assert one is not None
        assert two is not None
        assert three is not None
        return (2 * one + 5 * two + three) / 8

    assert results.value("mean_dice") == pytest.approx(mean("dice"), rel=1e-12)
    assert results.value("mean_iou") == pytest.approx(mean("iou"), rel=1e-12)
    for name in ("soft_dice", "dl2"):
        assert results.value(name) == pytest.approx(mean(name), rel=1e-12)
    macro = {(row.aggregate, row.metric): row.mean for row in results.summary if row.label is None}
    for name in ("dice", "soft_dice"):
        assert macro["macro", name] == pytest.approx(mean(name), rel=1e-12)
    assert macro["macro_pooled", "dice"] == pytest.approx(mean("dice"), rel=1e-12)


def test_equal_weights_change_nothing_and_wrong_ones_are_refused() -> None:
    values, reference = made(3)
    for name in ("mean_dice", "soft_dice", "mean_iou"):
        found = scored(values, reference, metrics=[name], weight={"1": 3, "2": 3})[name, "all"]
        assert found == pytest.approx(scored(values, reference, metrics=[name])[name, "all"], rel=1e-12)
    for weight, said in (({"spleen": 1}, "no label is called 'spleen'"), ({"1": -1}, "a weight must be a number of")):
        with pytest.raises(UsageError, match=said):
            scored(values, reference, weight=weight)


# Files


def nifti(path: Path, values: Array, *, affine: Array | None = None) -> Path:
    """A file whose array, axes reversed, is this."""
    affine = np.diag([2, 1.5, 1, 1]) if affine is None else affine
    path.unlink(missing_ok=True)
    image: Any = nib.Nifti1Image(np.ascontiguousarray(values.T), affine)  # type: ignore[no-untyped-call]
    nib.save(image, path)
    return path


@pytest.fixture
def reference_file(tmp_path: Path) -> Path:
    return nifti(tmp_path / "reference.nii.gz", made(3)[1].astype(np.uint8))


def soft_rows(prediction: Path, reference: Path, **options: Any) -> dict[tuple[str, int | str], float | None]:
    results = segeval.score_files(prediction, reference, **{"metrics": SOFT, "probabilities": True, **options})
    return {(row.metric, row.label): row.value for row in results.scores}


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
def test_nifti_with_channels_last_or_first(tmp_path: Path, reference_file: Path, kind: str, name: str) -> None:
    values, reference = made(3)
    values = values.astype(kind)
    last = nifti(tmp_path / name, values)  # of a NIfTI file, whose axes are in reverse
    assert soft_rows(last, reference_file) == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)
    first = nifti(tmp_path / f"first_{name}", np.moveaxis(values, 0, -1))
    assert soft_rows(first, reference_file) == soft_rows(last, reference_file)


def test_nifti_with_one_channel(tmp_path: Path) -> None:
    values, reference = made(1)
    values = values.astype(np.float32)
    held = nifti(tmp_path / "reference.nii.gz", reference.astype(np.uint8))
    found = soft_rows(nifti(tmp_path / "map.nii.gz", values), held)
    assert found == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)


def test_a_scaled_nifti_is_what_its_header_makes_of_it(tmp_path: Path) -> None:
    values, reference = made(2)[0][1], made(2)[1]
    path = tmp_path / "map.nii"
    image: Any = nib.Nifti1Image(values.T, np.eye(4))  # type: ignore[no-untyped-call]
    image.set_data_dtype(np.uint8)  # nibabel finds a slope and an intercept
    nib.save(image, path)
    meant = nib.load(path).get_fdata().T  # type: ignore[attr-defined]
    assert not np.array_equal(meant, values)
    held = nifti(tmp_path / "reference.nii", reference.astype(np.uint8), affine=np.eye(4))
    found, wanted = soft_rows(path, held), expected(meant, reference)
    del found["ece", "all"], wanted["ece", "all"]  # values in steps of 1/255 lie on the edges of its bins
    assert found == pytest.approx(wanted, rel=1e-5)


def test_another_place_is_an_error(tmp_path: Path, reference_file: Path) -> None:
    moved = np.diag([2, 1.5, 1, 1.0])
    moved[0, 3] = 40
    path = nifti(tmp_path / "map.nii", made(3)[0], affine=moved)
    with pytest.raises(InputError, match="the origins differ"):
        soft_rows(path, reference_file)
    with pytest.raises(InputError, match="a probability map cannot be resampled"):
        soft_rows(path, reference_file, geometry="resample")
    assert soft_rows(path, reference_file, geometry="warn")["soft_dice", 1] is not None


def test_npz_and_npy(tmp_path: Path, reference_file: Path) -> None:
    values, reference = made(3)
    wanted = expected(values, reference)
    np.savez_compressed(tmp_path / "a.npz", probabilities=values)
    np.savez(tmp_path / "b.npz", probabilities=values, other=np.zeros(3))
    np.savez(tmp_path / "c.npz", values)
    np.save(tmp_path / "d.npy", values)
    np.save(tmp_path / "e.npy", np.asfortranarray(values))
    np.save(tmp_path / "f.npy", np.moveaxis(values, 0, -1))
    for path in sorted(tmp_path.glob("*.np?")):
        assert soft_rows(path, reference_file) == pytest.approx(wanted, rel=1e-9, abs=1e-12), path.name
    np.savez(tmp_path / "two.npz", one=values, other=values)
    with pytest.raises(InputError, match=r"has 2 arrays: one, other; .*call one of them probabilities or softmax"):
        soft_rows(tmp_path / "two.npz", reference_file)


def test_pictures(tmp_path: Path) -> None:
    values, reference = made(3, shape=(12, 15))
    np.save(tmp_path / "map.npy", values)
    np.save(tmp_path / "reference.npy", reference)
    found = soft_rows(tmp_path / "map.npy", tmp_path / "reference.npy")
    assert found == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)
    # nnU-Net keeps the third axis of a plane
    np.save(tmp_path / "plane.npy", values[:, None])
    nifti(tmp_path / "plane.nii", reference[None].astype(np.uint8))
    assert soft_rows(tmp_path / "plane.npy", tmp_path / "plane.nii") == pytest.approx(found, rel=1e-12)


def test_objects_are_never_unpickled(tmp_path: Path, reference_file: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / "trap.npy", np.array([Trap()], object), allow_pickle=True)
    np.savez(tmp_path / "trap.npz", probabilities=np.array([Trap()], object), allow_pickle=True)
    for path in sorted(tmp_path.glob("trap.*")):
        with pytest.raises(InputError, match=r"Python objects|numbers|arrays"):
            soft_rows(path, reference_file)
    assert not (tmp_path / "sprung").exists()


def test_damage_is_found(tmp_path: Path, reference_file: Path) -> None:
    path = nifti(tmp_path / "map.nii", made(3)[0])
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="the header needs 9,424 bytes, found 9,420"):
        soft_rows(path, reference_file)
    (tmp_path / "map.bmp").write_bytes(b"x")
    with pytest.raises(InputError, match=r"probability maps are read from \.nii.*--probabilities"):
        soft_rows(tmp_path / "map.bmp", reference_file)


def test_a_map_that_is_not_announced_is_refused_with_the_option(tmp_path: Path, reference_file: Path) -> None:
    paths = [nifti(tmp_path / "map.nii", made(3)[0]), tmp_path / "map.npy"]
    np.save(paths[1], made(3)[0])
    for path in paths:
        with pytest.raises(InputError, match="to read a probability map: --probabilities"):
            segeval.score_files(path, reference_file)
    with pytest.raises(InputError, match="probabilities=True"):
        segeval.score(prediction=made(1)[0], reference=made(1)[1])


def test_a_label_map_is_no_probability_map(reference_file: Path) -> None:
    with pytest.raises(InputError, match="found values from 0 to 2; to score a label map, leave out --probabilities"):
        soft_rows(reference_file, reference_file)


def test_peak_memory_is_at_most_twice_the_map(tmp_path: Path) -> None:
    import tracemalloc

    values, reference = made(3, shape=(60, 160, 180))
    values = values.astype(np.float32)
    path, held = nifti(tmp_path / "map.nii", values), nifti(tmp_path / "reference.nii", reference.astype(np.uint8))
    soft_rows(path, held)
    tracemalloc.start()
    try:
        soft_rows(path, held)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * values.nbytes


# A file for each class


def pictured(folder: Path, values: Array, names: Sequence[str]) -> Path:
    """A folder with a 16-bit picture for each class."""
    folder.mkdir(exist_ok=True)
    for channel, name in zip(values, names, strict=True):
        Image.fromarray(np.rint(channel * 65535).astype(np.uint16)).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["0", "1", "2"], None),
        (["background", "cat", "dog"], {1: "cat", 2: "dog"}),
        (["000", "dog", "1"], {2: "dog"}),
    ],
)
def test_a_picture_for_each_class(names: list[str], labels: dict[int, str] | None, tmp_path: Path) -> None:
    values, reference = made(3, shape=(11, 13))
    order = [0, 2, 1] if names[1] == "dog" else [0, 1, 2]
    folder = pictured(tmp_path / "p", values[order], names)
    Image.fromarray(reference.astype(np.uint8)).save(tmp_path / "r.png")
    whole = np.rint(values * 65535) / 65535
    found = soft_rows(folder, tmp_path / "r.png", labels=labels)
    assert found == pytest.approx(expected(whole, reference), rel=1e-9, abs=1e-12)


def test_one_picture_is_one_channel(tmp_path: Path) -> None:
    values, reference = made(1, shape=(11, 13))
    folder = pictured(tmp_path / "p", values[None], ["1"])
    Image.fromarray(reference.astype(np.uint8)).save(tmp_path / "r.png")
    found = soft_rows(folder / "1.png", tmp_path / "r.png")
    assert found == pytest.approx(expected(np.rint(values * 65535) / 65535, reference), rel=1e-9, abs=1e-12)
    assert soft_rows(folder, tmp_path / "r.png") == found


def test_channels_may_have_any_labels(tmp_path: Path) -> None:
    values, reference = made(3, shape=(11, 13))
    folder = pictured(tmp_path / "p", values, ["0", "7", "40"])
    Image.fromarray(np.array([0, 7, 40], np.uint8)[reference]).save(tmp_path / "r.png")
    found = soft_rows(folder, tmp_path / "r.png")
    plain = expected(np.rint(values * 65535) / 65535, reference)
    assert found["soft_dice", 40] == pytest.approx(plain["soft_dice", 2])
    assert found["gdl", "all"] == pytest.approx(plain["gdl", "all"])


def test_a_volume_for_each_class(tmp_path: Path, reference_file: Path) -> None:
    values, reference = made(3)
    (tmp_path / "p").mkdir()
    for label, channel in enumerate(values):
        nifti(tmp_path / "p" / f"{label}.nii.gz", channel)
    found = soft_rows(tmp_path / "p", reference_file)
    assert found == pytest.approx(expected(values, reference), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["0", "1", "cat"],
            "p: class cat is not the name or number of a label; name the file after the number of its label",
        ),
        (["0", "1", "01"], "p: label 1 has two files: "),
        (["1", "2", "3"], "p: expected a file for the background too, named 0 or background, found only 1, 2, 3"),
        (["0"], "p: expected a file for a class besides the background, found only 0"),
        (["0", "1", "background"], "p: label 0 has two files: "),
        (["0", "1", "9" * 30], "is not the name or number of a label"),
        (["0", "1"], "expected channels that sum to 1"),
    ],
)
def test_folders_that_are_no_probability_map(names: list[str], said: str, tmp_path: Path) -> None:
    values, reference = made(3, shape=(11, 13))
    folder = pictured(tmp_path / "p", values[: len(names)], names)
    Image.fromarray(reference.astype(np.uint8)).save(tmp_path / "r.png")
    with pytest.raises(InputError) as caught:
        soft_rows(folder, tmp_path / "r.png")
    assert said in str(caught.value)


def test_pictures_of_another_kind_are_refused(tmp_path: Path) -> None:
    values, reference = made(3, shape=(11, 13))
    folder = pictured(tmp_path / "p", values, ["0", "1", "2"])
    Image.fromarray(reference.astype(np.uint8)).save(tmp_path / "r.png")
    with pytest.raises(InputError, match=r"expected probabilities as 16-bit grey values, found PNG, grey, 8-bit"):
        soft_rows(tmp_path / "r.png", tmp_path / "r.png")
    data = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(data[:-20])
    with pytest.raises(InputError, match=r"1\.png: the file is cut short"):
        soft_rows(folder, tmp_path / "r.png")
    Image.fromarray(np.zeros((11, 14), np.uint16)).save(folder / "1.png")
    with pytest.raises(InputError, match=r"1\.png: the shapes differ: 11 x 14, but 11 x 13 in .*0\.png"):
        soft_rows(folder, tmp_path / "r.png")


def test_files_of_several_types_lose_nothing(tmp_path: Path, reference_file: Path) -> None:
    values, reference = made(3)
    values = values.astype(np.float16)
    (tmp_path / "p").mkdir()
    exact = np.concatenate([values[:1].astype(np.float64), values[1:].astype(np.float64)])
    exact[1] += (1 - exact.sum(axis=0)) / 2
    for label, kind in enumerate((np.float16, np.float64, np.float64)):
        np.save(tmp_path / "p" / f"{label}.npy", exact[label].astype(kind))
    assert soft_rows(tmp_path / "p", reference_file) == pytest.approx(expected(exact, reference), rel=1e-12)


def test_of_equals_the_smaller_label_is_taken_whatever_the_files_are_called(tmp_path: Path) -> None:
    values = np.full((3, 4, 4), 1 / 3)
    np.save(tmp_path / "r.npy", np.ones((4, 4), np.uint8))
    (tmp_path / "p").mkdir()
    for name, channel in zip(("a", "b", "c"), values, strict=True):
        np.save(tmp_path / "p" / f"{name}.npy", channel)
    names = {2: "a", 1: "b", 0: "c"}
    found = soft_rows(tmp_path / "p", tmp_path / "r.npy", labels=names, metrics="prediction_volume,tp,fn")
    assert found["fn", 1] == 16  # all of it is background
    assert found["tp", 1] == 0


def test_nnunet_folders_hold_probabilities_beside_labels(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "p").mkdir()
    values, reference = made(3)
    nifti(tmp_path / "r" / "a.nii.gz", reference.astype(np.uint8))
    nifti(tmp_path / "p" / "a.nii.gz", values.argmax(axis=0).astype(np.uint8))
    np.savez(tmp_path / "p" / "a.npz", probabilities=values)
    (tmp_path / "p" / "a.pkl").write_bytes(b"")
    hard = segeval.batch(tmp_path / "p", tmp_path / "r", metrics="dice")
    soft = segeval.batch(tmp_path / "p", tmp_path / "r", metrics="dice,soft_dice", probabilities=True)
    assert [Path(results.cases[0].prediction or "").name for results in (hard, soft)] == ["a.nii.gz", "a.npz"]
    assert soft.value("soft_dice", label=1) == pytest.approx(expected(values, reference)["soft_dice", 1])
    assert soft.value("dice", label=1) == hard.value("dice", label=1)
    assert soft.cases[0].warnings == ()


def test_volumes_of_one_map_lie_on_one_grid(tmp_path: Path, reference_file: Path) -> None:
    values, _ = made(2)
    (tmp_path / "p").mkdir()
    nifti(tmp_path / "p" / "0.nii.gz", values[0])
    nifti(tmp_path / "p" / "1.nii.gz", values[1], affine=np.diag([2, 1.5, 2, 1]))
    with pytest.raises(InputError, match=r"1\.nii\.gz: the grid differs from that of .*0\.nii\.gz"):
        soft_rows(tmp_path / "p", reference_file)


def test_folders_in_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "r").mkdir()
    for case in "ab":
        values, reference = made(3, shape=(11, 13), seed=ord(case))
        pictured(tmp_path / "p" / case, values, ["0", "1", "2"])
        Image.fromarray(reference.astype(np.uint8)).save(tmp_path / "r" / f"{case}.png")
    words = [
        "batch",
        tmp_path / "p",
        tmp_path / "r",
        "--probabilities",
        "--prediction-pattern",
        "{case}/",
        "-f",
        "json",
    ]
    answer = call(capsys, *words, "-m", "soft_dice")
    assert answer.code == 0
    document = json.loads(answer.out)
    assert [case["status"] for case in document["cases"]] == ["scored", "scored"]
    of_b = soft_rows(tmp_path / "p" / "b", tmp_path / "r" / "b.png")
    (value,) = (row["value"] for row in document["scores"] if (row["case"], row["label"]) == ("b", "all"))
    assert value == of_b["soft_dice", "all"]


# The command line


def test_score_on_the_command_line(tmp_path: Path, reference_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = nifti(tmp_path / "map.nii.gz", made(3)[0].astype(np.float32))
    found = call(capsys, "score", path, reference_file, "--probabilities", "--weight", "1=2", "-f", "json")
    document = json.loads(found.out)
    assert {row["metric"] for row in document["scores"]} >= {"dice", *SOFT}
    assert document["settings"]["probabilities"] is True
    assert document["settings"]["weight"] == {"1": 2}
    for extra, code in (
        (["--probabilities", "--require", "soft_dice=0.01", "--require", "ece=1"], 0),
        (["--probabilities", "--require", "soft_dice=0.999"], 4),
        (["-m", "soft_dice"], 2),
        (["--require", "soft_dice=0.5"], 2),
        (["--threshold", "0.4"], 2),
        (["--probabilities", "--weight", "1"], 2),
        ([], 3),
    ):
        assert run(["score", str(path), str(reference_file), *extra]) == code, extra


def batch_folders(tmp_path: Path) -> list[str]:
    for name in ("predictions", "references"):
        (tmp_path / name).mkdir()
    for seed in range(4):
        values, reference = made(3, seed=seed)
        nifti(tmp_path / f"references/case_{seed}.nii.gz", reference.astype(np.uint8))
        if seed < 3:
            np.savez(tmp_path / f"predictions/case_{seed}.npz", probabilities=values.astype(np.float16))
    return [str(tmp_path / "predictions"), str(tmp_path / "references")]


def test_a_folder_of_archives_is_scored_alike_however_it_is_run(tmp_path: Path) -> None:
    folders = batch_folders(tmp_path)
    options = ["--probabilities", "--missing", "empty", "-q"]
    written = []
    for name, extra in (("one", ["-j", "1"]), ("two", ["-j", "2"])):
        path = tmp_path / f"{name}.json"
        assert run(["batch", *folders, *options, *extra, "-o", str(path)]) == 0
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert run(["batch", *folders, *options, "--resume", "-o", str(tmp_path / "one.json")]) == 0
    assert (tmp_path / "one.json").read_bytes() == written[0]
    document = json.loads(written[0])
    values, reference = made(3, seed=1)
    wanted = expected(values.astype(np.float16), reference)
    found = {(row["metric"], row["label"]): row["value"] for row in document["scores"] if row["case"] == "case_1"}
    assert {key: found[key] for key in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    missed = {(row["metric"], row["label"]): row for row in document["scores"] if row["case"] == "case_3"}
    assert missed["soft_dice", 1]["value"] == missed["dice", 1]["value"] == 0
    assert missed["soft_dice", 1]["note"] == "prediction empty"
    assert missed["wce", 1]["value"] is None


def test_other_options_take_nothing_over(tmp_path: Path) -> None:
    folders = batch_folders(tmp_path)
    common = ["batch", *folders, "--probabilities", "--missing", "skip", "-q", "-o", str(tmp_path / "r.json")]
    assert run(common) == 0
    assert (
        run([*common, "--resume", "--normalise"]) != 0
        or json.loads((tmp_path / "r.json").read_text())["settings"]["normalise"]
    )


@needs(REAL)
@pytest.mark.parametrize("tract", ["gm", "wm"])
def test_real_soft_maps_are_refused_with_their_range_and_scored_normalised(tract: str) -> None:
    path, held = REAL / f"mt1_{tract}seg.nii.gz", REAL / "mt1_gmseg_goldstandard.nii.gz"
    with pytest.raises(InputError, match=r"found values from 0 to 1\.\d+; to clip .*: --normalise"):
        soft_rows(path, held)
    values = np.clip(nib.load(path).get_fdata().T, 0, 1)  # type: ignore[attr-defined]
    reference = np.asarray(nib.load(held).dataobj).T  # type: ignore[attr-defined]
    found = soft_rows(path, held, normalise=True)
    assert found == pytest.approx(expected(values, reference), rel=1e-6, abs=1e-9)


VECTORS: dict[str, tuple[str, int | str]] = {
    "hw-dl2-a": ("dl2", 1),
    "hw-ss-a": ("ss", 1),
    "hw-vnet-a": ("vnet_dice", 1),
    "hw-wce-a": ("wce", 1),
    "nnx-gdl2": ("gdl", "all"),
    "nnx-gdl3": ("gdl", "all"),
    "nnx-gdl-absent-fp1": ("gdl", "all"),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_numbers_worked_by_hand_and_by_niftynet(vector: str) -> None:
    if vector not in BY_ID:
        pytest.skip("the vectors are not here")
    given, (metric, label) = BY_ID[vector], VECTORS[vector]
    (kind, numbers), reference = given["pred"], np.array(given["ref"][1]).reshape(1, -1)
    values = np.array(numbers, np.float64)
    found = scored(values[None] if kind == "vec" else values.T[:, None], reference.astype(int), metrics=[metric])
    # the hand takes e as 0
    assert found[metric, label] == pytest.approx(given["expected"], abs=max(given["tolerance"], 1e-5))
