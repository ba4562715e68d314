"""Losses of probability maps: by hand, by finite differences, against Dice of label maps, and refused arguments."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.errors import InputError, UsageError
from segeval.losses import LOSSES, cross_entropy, dl2, gdl, imbalance, soft_dice, ss, vnet_dice, wce

Array = NDArray[Any]

# Two classes, four voxels: half of the first is found, nothing of the rest is certain.
P = np.array([[0.8, 0.5], [0.2, 0.1]])
R = np.array([[1, 1], [0, 0]])

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("wce", {}),
    ("cross_entropy", {}),
    ("dl2", {}),
    ("dl2", {"epsilon": 0.7}),
    ("dl2", {"epsilon": 0}),
    ("ss", {}),
    ("ss", {"sensitivity_weight": 0.4, "epsilon": 0.3}),
    ("gdl", {}),
    ("gdl", {"absent_class": "ignore"}),
    ("gdl", {"absent_class": "penalise"}),
    ("soft_dice", {}),
    ("vnet_dice", {}),
]
CONTINUOUS = [each for each in OPTIONS if each[1] not in ({"epsilon": 0}, {"absent_class": "penalise"})]
WEIGHTED = ["wce", "dl2", "ss", "soft_dice", "vnet_dice"]
LAYOUTS = ["2 classes, 2-D", "2 classes, 3-D", "5 classes, 2-D", "5 classes, 3-D"]
ALONE = ["one channel, 2-D", "one channel, 3-D", "no axis, 2-D", "no axis, 3-D"]


def one_hot(labels: Array, classes: int) -> Array:
    return np.stack([labels == label for label in range(classes)]).astype(float)


def drawn(layout: str, seed: int = 0) -> tuple[Array, Array]:
    """A random probability map without 0 and 1, and a label map in which each class occurs."""
    rng = np.random.default_rng([seed, len(layout), sum(map(ord, layout))])
    space = (4, 5) if layout.endswith("2-D") else (3, 2, 4)
    classes = 5 if layout.startswith("5") else 2
    labels = rng.permutation(np.arange(math.prod(space)) % classes).reshape(space)
    labels[labels == 1] = rng.choice([0, 1], size=int((labels == 1).sum()), p=[0.6, 0.4])
    labels.flat[0] = 1
    logits = rng.normal(size=(classes, *space))
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    if layout.startswith("one"):
        return p[1:], labels
    return (p[1] if layout.startswith("no") else p), labels


def differences(loss: Callable[..., tuple[float, Array]], p: Array, **options: Any) -> Array:
    """The gradient by central finite differences."""
    step, found = 1e-6, np.zeros(p.shape)
    for place in np.ndindex(p.shape):
        ends = []
        for sign in (1, -1):
            moved = p.copy()
            moved[place] += sign * step
            ends.append(loss(probabilities=moved, **options)[0])
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def assert_gradient(name: str, p: Array, **options: Any) -> None:
    value, gradient = LOSSES[name](probabilities=p, **options)
    expected = differences(LOSSES[name], p, **options)
    assert math.isfinite(value)
    assert gradient.shape == p.shape
    assert gradient.dtype == "float64"
    assert np.abs(gradient - expected).max() <= 1e-6 * np.abs(expected).max()


def test_values_by_hand() -> None:
    # sum p r = 1.3, sum p = 1.6, sum r = 2, N = 4; outside: sum (1-p)(1-r) = 1.7, sum (1-p) = 2.4, sum (1-r) = 2
    found = {name: LOSSES[name](probabilities=P, reference=R)[0] for name in LOSSES}
    e = 1e-5
    logs = 1.5 * math.log(0.8) + 1.5 * math.log(0.5) + math.log(0.8) + math.log(0.9)  # w = 2.4 / 1.6
    assert found["wce"] == pytest.approx(-logs / 4, abs=1e-14)
    logs = math.log(0.8) + math.log(0.5) + math.log(0.8) + math.log(0.9)
    assert found["cross_entropy"] == pytest.approx(-logs / 4, abs=1e-14)
    assert found["dl2"] == pytest.approx(1 - (1.3 + e) / (3.6 + e) - (1.7 + e) / (4.4 + e), abs=1e-14)
    inside, outside = 0.2**2 + 0.5**2, 0.2**2 + 0.1**2
    assert found["ss"] == pytest.approx(0.05 * inside / (2 + e) + 0.95 * outside / (2 + e), abs=1e-14)
    assert found["gdl"] == pytest.approx(1 - 2 * (1.3 / 4 + 1.7 / 4) / (3.6 / 4 + 4.4 / 4), abs=1e-14)
    assert found["soft_dice"] == pytest.approx(2 * 1.3 / (1.6 + 2), abs=1e-14)
    assert found["vnet_dice"] == pytest.approx(2 * 1.3 / (0.64 + 0.25 + 0.04 + 0.01 + 2), abs=1e-14)


def test_parameters_by_hand() -> None:
    value = dl2(probabilities=P, reference=R, epsilon=0)[0]
    assert value == pytest.approx(float(1 - Fraction(13, 36) - Fraction(17, 44)), abs=1e-14)
    value = ss(probabilities=P, reference=R, sensitivity_weight=0.5, epsilon=2)[0]
    assert value == pytest.approx(0.5 * 0.29 / 4 + 0.5 * 0.05 / 4, abs=1e-14)


def test_means_over_classes_by_hand() -> None:
    p = np.array([[[0.7, 0.1, 0.2]], [[0.2, 0.8, 0.2]], [[0.1, 0.1, 0.6]]])
    r = np.array([[0, 1, 2]])
    dice = [2 * 0.8 / (1.2 + 1), 2 * 0.6 / (0.8 + 1)]
    assert soft_dice(probabilities=p, reference=r)[0] == pytest.approx(sum(dice) / 2, abs=1e-14)
    value = soft_dice(probabilities=p, reference=r, weights={2: 3})[0]
    assert value == pytest.approx((dice[0] + 3 * dice[1]) / 4, abs=1e-14)
    assert soft_dice(probabilities=p, reference=r, weights={1: 0})[0] == pytest.approx(dice[1], abs=1e-14)
    assert cross_entropy(probabilities=p, reference=r)[0] == pytest.approx(-math.log(0.7 * 0.8 * 0.6) / 3, abs=1e-14)
    # each class once in the reference, so that all weigh 1: 2 (0.7 + 0.8 + 0.6) / (3 + 3)
    assert gdl(probabilities=p, reference=r)[0] == pytest.approx(1 - 4.2 / 6, abs=1e-14)


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_class_of_many_is_scored_as_one_channel(name: str, layout: str) -> None:
    p, r = drawn(layout)
    weights = {label: float(label) for label in range(1, len(p))}
    parts = [LOSSES[name](probabilities=p[label], reference=r == label) for label in range(1, len(p))]
    value, gradient = LOSSES[name](probabilities=p, reference=r, weights=weights)
    total = sum(weights.values())
    assert value == pytest.approx(sum(weights[i] * part[0] for i, part in enumerate(parts, 1)) / total, abs=1e-13)
    assert not gradient[0].any()
    for label, (_, slope) in enumerate(parts, 1):
        np.testing.assert_allclose(gradient[label], slope * weights[label] / total, rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "gdl"])
@pytest.mark.parametrize("layout", ["one channel, 2-D", "no axis, 3-D"])
def test_one_channel_is_that_of_two_classes(name: str, layout: str) -> None:
    p, r = drawn(layout)
    foreground = p.reshape(r.shape)
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    both, slopes = LOSSES[name](probabilities=np.stack([1 - foreground, foreground]), reference=r)
    assert value == pytest.approx(both, abs=1e-14)
    np.testing.assert_allclose(gradient.reshape(r.shape), slopes[1] - slopes[0], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS + ALONE)
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_the_gradient_is_that_of_finite_differences(name: str, options: dict[str, Any], layout: str) -> None:
    p, r = drawn(layout)
    assert_gradient(name, p, reference=r, **options)
    assert LOSSES[name](probabilities=p, reference=r, **options)[1].any()


@pytest.mark.parametrize("layout", ["5 classes, 2-D", "5 classes, 3-D"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_the_gradient_of_a_weighted_mean(name: str, layout: str) -> None:
    p, r = drawn(layout)
    assert_gradient(name, p, reference=r, weights={1: 0.5, 3: 4, 4: 0})


@pytest.mark.parametrize("layout", LAYOUTS + ALONE)
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_for_a_soft_reference(name: str, layout: str) -> None:
    assert_gradient(name, drawn(layout, seed=1)[0], reference=drawn(layout, seed=2)[0])


@pytest.mark.parametrize("layout", LAYOUTS + ALONE)
@pytest.mark.parametrize(("name", "options"), CONTINUOUS)
def test_the_gradient_where_a_class_is_absent(name: str, options: dict[str, Any], layout: str) -> None:
    p, r = drawn(layout)
    last = 4 if layout.startswith("5") else 1
    assert_gradient(name, p, reference=np.where(r == last, 0, r), **options)


def test_the_gradient_of_generalized_dice_has_not_the_sign_that_the_paper_prints() -> None:
    p, r = drawn("no axis, 3-D")
    n, w1, w2 = r.size, 1 / r.sum() ** 2, 1 / (1 - r).sum() ** 2
    hits, sizes = (p * r).sum(), (p + r).sum()
    bracket = (w1**2 - w2**2) * (hits - r * sizes) + n * w2 * (w1 + w2) * (1 - 2 * r)
    printed = -2 * bracket / ((w1 - w2) * sizes + 2 * n * w2) ** 2
    expected = differences(gdl, p, reference=r)
    np.testing.assert_allclose(-printed, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(-printed, gdl(probabilities=p, reference=r)[1], rtol=1e-10)


@pytest.mark.parametrize("name", ["wce", "cross_entropy"])
def test_the_clipped_part_has_no_gradient(name: str) -> None:
    p = np.array([[0.0, 1.0, 5e-8, 1 - 5e-8, 0.0]])
    value, gradient = cross_entropy(probabilities=p, reference=[[1, 0, 1, 0, 0]])
    assert value == pytest.approx(-(4 * math.log(1e-7) + math.log1p(-1e-7)) / 5, abs=1e-12)
    assert not gradient.any()
    # what is left of wce's is that of w, the same everywhere: -(1/N) (-N / (sum p)^2) sum r log p
    gradient = wce(probabilities=p, reference=[[1, 0, 1, 0, 0]])[1]
    np.testing.assert_allclose(gradient, 2 * math.log(1e-7) / 2**2, rtol=1e-12)


def test_clipping_is_for_logarithms_only() -> None:
    p, r = np.array([[1.0, 0.0]]), np.array([[1, 0]])
    assert gdl(probabilities=p, reference=r)[0] == 0
    assert soft_dice(probabilities=p, reference=r)[0] == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_perfect_predictions(layout: str) -> None:
    p, r = drawn(layout)
    found = {name: LOSSES[name](probabilities=one_hot(r, len(p)), reference=r)[0] for name in LOSSES}
    assert found["gdl"] == found["ss"] == 0
    assert (found["soft_dice"], found["vnet_dice"]) == (1, 1)
    assert abs(found["dl2"]) < 1e-5
    assert found["cross_entropy"] == pytest.approx(1e-7, rel=1e-6)
    assert 0 < found["wce"] < 1e-5


def test_one_wrong_voxel_where_there_is_only_background() -> None:
    p, r = np.zeros((50, 40)), np.zeros((50, 40), int)
    assert dl2(probabilities=p, reference=r)[0] == pytest.approx(-0.5, abs=1e-8)
    p[7, 7] = 1
    # e / (1 + e) of the foreground is left, and 1999 / 3999 of the background
    assert dl2(probabilities=p, reference=r)[0] == pytest.approx(1 - 1e-5 - 1999 / 3999, abs=1e-8)
    assert dl2(probabilities=p, reference=r)[0] == pytest.approx(0.5, abs=2e-4)


@pytest.mark.parametrize("name", ["soft_dice", "vnet_dice"])
def test_absent_labels_are_left_out_of_the_mean(name: str) -> None:
    empty = np.zeros((3, 3))
    value, gradient = LOSSES[name](probabilities=empty, reference=empty)
    assert math.isnan(value)
    assert not gradient.any()
    r = np.array([[0, 1, 1, 3]])
    value, gradient = LOSSES[name](probabilities=one_hot(r, 4), reference=r)
    assert value == 1
    assert not gradient[2].any()
    assert gradient[3].any() == (name == "soft_dice")  # at its best, V-Net's is flat


@pytest.mark.parametrize(("name", "filled"), [("dl2", 0), ("dl2", 1), ("ss", 0), ("ss", 1)])
def test_without_epsilon_nothing_over_nothing_is_undefined(name: str, filled: int) -> None:
    image = np.full((2, 3), filled)
    value, gradient = LOSSES[name](probabilities=image.astype(float), reference=image, epsilon=0)
    assert math.isnan(value)
    assert not gradient.any()


def test_a_weight_of_infinity() -> None:
    nothing = np.zeros((2, 2))
    value, gradient = wce(probabilities=nothing, reference=R)
    assert value == math.inf
    assert (gradient == -math.inf).all()
    value, gradient = wce(probabilities=nothing, reference=np.zeros((2, 2), int))
    assert value == pytest.approx(1e-7, rel=1e-6)  # w weighs nothing, as for any other p
    assert not gradient.any()
    p = np.stack([one_hot(R, 2)[0], one_hot(R, 2)[1], np.zeros((2, 2))])
    value, gradient = wce(probabilities=p, reference=[[1, 2], [0, 0]], weights={2: 0})
    assert math.isfinite(value)
    assert not gradient[2].any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(0, 4), (1, 0, 4), (3, 0, 4), (2, 3, 0, 4)])
def test_no_voxel(name: str, shape: tuple[int, ...]) -> None:
    reference = np.zeros(shape[1:] if len(shape) > 2 else shape, int)
    value, gradient = LOSSES[name](probabilities=np.zeros(shape), reference=reference)
    assert math.isnan(value)
    assert gradient.shape == shape


def label_maps(seed: int) -> tuple[Array, Array]:
    """Two maps of up to five classes, of which some are in one map only, and some in none."""
    rng = np.random.default_rng(seed)
    reference, prediction = (rng.choice(rng.choice(5, 3), size=(3, 4, 5)) for _ in range(2))
    kept = rng.random(reference.shape) < 0.6
    return np.where(kept, reference, prediction), reference


@pytest.mark.parametrize("seed", range(12))
def test_soft_dice_of_a_label_map_is_dice(seed: int) -> None:
    prediction, reference = label_maps(seed)
    results = segeval.score(prediction=prediction, reference=reference, metrics=["dice", "mean_dice"])
    value = soft_dice(probabilities=one_hot(prediction, 5), reference=reference)[0]
    assert value == pytest.approx(results.value("mean_dice", label="all"), abs=1e-15)
    for label in sorted((set(prediction.flat) | set(reference.flat)) - {0}):
        value = soft_dice(probabilities=(prediction == label).astype(float), reference=reference == label)[0]
        assert value == results.value("dice", label=int(label))
        squared = vnet_dice(probabilities=(prediction == label).astype(float), reference=reference == label)[0]
        assert squared == value


@pytest.mark.parametrize("rule", ["max", "ignore", "penalise"])
@pytest.mark.parametrize("seed", range(12))
def test_gdl_of_a_label_map_is_generalized_dice(seed: int, rule: Any) -> None:
    prediction, reference = label_maps(seed)
    results = segeval.score(
        prediction=prediction, reference=reference, metrics="generalized_dice", absent_class=rule, only=[]
    )
    score = results.value("generalized_dice", label="all")
    assert score is not None
    value = gdl(probabilities=one_hot(prediction, 5), reference=reference, absent_class=rule)[0]
    assert value == pytest.approx(1 - score, abs=1e-15)


@pytest.mark.parametrize("seed", range(12))
def test_dl2_of_a_label_map_is_the_mean_dice_of_both_sides(seed: int) -> None:
    prediction, reference = (labels > 1 for labels in label_maps(seed))
    reference[0, 0, :2] = 0, 1  # so that both are in the image
    results = segeval.score(
        prediction=prediction.astype(int), reference=reference.astype(int), metrics="dice", background=True
    )
    dice = [results.value("dice", label=label) for label in (0, 1)]
    value = dl2(probabilities=prediction.astype(float), reference=reference, epsilon=0)[0]
    assert value == pytest.approx(1 - sum(each or 0 for each in dice) / 2, abs=1e-15)


def test_an_absent_class_that_is_predicted() -> None:
    r = np.array([[0, 0, 1, 1]])
    p = np.array([[[0.9, 0.8, 0.1, 0.2]], [[0.1, 0.1, 0.8, 0.5]], [[0.0, 0.1, 0.1, 0.3]]])
    heavy, light, strict = (
        gdl(probabilities=p, reference=r, absent_class=rule)[0] for rule in ("max", "ignore", "penalise")
    )
    assert heavy == pytest.approx(1 - 2 * (1.7 + 1.3) / (2.0 + 1.5 + 0.5 + 4), abs=1e-14)
    assert light == strict == pytest.approx(1 - 2 * (1.7 + 1.3) / (2.0 + 1.5 + 4), abs=1e-14)
    p[:, 0, 3] = 0.2, 0.3, 0.5  # now one voxel is labelled 2
    value, gradient = gdl(probabilities=p, reference=r, absent_class="penalise")
    assert value == 1
    assert not gradient.any()
    assert gdl(probabilities=[[0.0, 0.5]], reference=[[0, 0]], absent_class="penalise")[0] == 1
    assert gdl(probabilities=[[0.0, 0.49]], reference=[[0, 0]], absent_class="penalise")[0] < 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_positions_of_voxels_do_not_matter(name: str, layout: str) -> None:
    p, r = drawn(layout)
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    order = np.random.default_rng(5).permutation(r.size)
    mixed = p.reshape(len(p), -1)[:, order].reshape(p.shape)
    found, slopes = LOSSES[name](probabilities=mixed, reference=r.ravel()[order].reshape(r.shape))
    assert found == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(
        slopes.reshape(len(p), -1), gradient.reshape(len(p), -1)[:, order], rtol=1e-10, atol=1e-15
    )
    for axis in range(r.ndim):
        found, slopes = LOSSES[name](probabilities=np.flip(p, axis + 1), reference=np.flip(r, axis))
        assert found == pytest.approx(value, abs=1e-13)
        np.testing.assert_allclose(np.flip(slopes, axis + 1), gradient, rtol=1e-10, atol=1e-15)
    last = np.moveaxis(np.moveaxis(p, 0, -1).copy(), -1, 0)  # other order in memory
    assert LOSSES[name](probabilities=last, reference=r)[0] == pytest.approx(value, abs=1e-13)


@pytest.mark.parametrize(("name", "options"), [each for each in OPTIONS if "epsilon" not in each[1]])
def test_an_image_twice_as_large_has_the_same_value(name: str, options: dict[str, Any]) -> None:
    p, r = drawn("5 classes, 3-D")
    options = options | {"epsilon": 0} if name in {"dl2", "ss"} else options
    value, gradient = LOSSES[name](probabilities=p, reference=r, **options)
    found, slopes = LOSSES[name](probabilities=np.tile(p, (1, 2, 1, 1)), reference=np.tile(r, (2, 1, 1)), **options)
    assert found == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(slopes, np.tile(gradient, (1, 2, 1, 1)) / 2, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", ["cross_entropy", "gdl"])
def test_classes_are_alike(name: str) -> None:
    p, r = drawn("5 classes, 2-D")
    order = [3, 1, 4, 0, 2]
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    found, slopes = LOSSES[name](probabilities=p[order], reference=np.argsort(order)[r])
    assert found == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(slopes, gradient[order], rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "dl2", "gdl"])
def test_foreground_and_background_are_alike(name: str) -> None:
    p, r = drawn("no axis, 2-D")
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    found, slopes = LOSSES[name](probabilities=1 - p, reference=1 - r)
    assert found == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(slopes, -gradient, rtol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_down_the_gradient_is_better(name: str) -> None:
    p, r = drawn("5 classes, 3-D")
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    upwards = name in {"soft_dice", "vnet_dice"}
    step = 1e-4 / np.abs(gradient).max() * (1 if upwards else -1)
    found, _ = LOSSES[name](probabilities=p + step * gradient, reference=r)
    assert found > value if upwards else found < value


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("kind", "tolerance"), [("float16", 2e-3), ("float32", 1e-6)])
def test_floats_of_less_precision(name: str, kind: str, tolerance: float) -> None:
    p, r = drawn("5 classes, 3-D")
    rounded = p.astype(kind)
    value, gradient = LOSSES[name](probabilities=rounded, reference=r)
    exact, slopes = LOSSES[name](probabilities=rounded.astype(float), reference=r)
    assert value == exact
    assert gradient.dtype == "float64"
    np.testing.assert_array_equal(gradient, slopes)
    assert value == pytest.approx(LOSSES[name](probabilities=p, reference=r)[0], rel=tolerance)


def test_sums_of_float16_are_exact() -> None:
    p = np.full((100, 100), 0.5, np.float16)  # 5,000 added up in float16 would stay at 1,024
    assert soft_dice(probabilities=p, reference=np.ones((100, 100), int))[0] == 2 * 5000 / 15000


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_a_reference_as_channels(name: str, layout: str, kind: type) -> None:
    p, r = drawn(layout)
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    found, slopes = LOSSES[name](probabilities=p, reference=one_hot(r, len(p)).astype(kind))
    assert found == value
    np.testing.assert_array_equal(slopes, gradient)


@pytest.mark.parametrize("name", LOSSES)
def test_one_channel_in_every_shape(name: str) -> None:
    p, r = drawn("no axis, 3-D")
    value, gradient = LOSSES[name](probabilities=p, reference=r)
    for channel, truth in ((p[None], r), (p[None], r[None]), (p, r.astype(bool)), (p, r.astype(np.float32))):
        found, slopes = LOSSES[name](probabilities=channel, reference=truth)
        assert found == value
        np.testing.assert_array_equal(slopes, gradient.reshape(channel.shape))


def test_a_volume_that_looks_like_classes() -> None:
    r = np.array([[[1, 0], [0, 0]], [[0, 1], [1, 1]]])  # one voxel in each column
    p = np.full((2, 2, 2), 0.3)
    with pytest.raises(InputError, match=r"sums from 0.6 to 0.6"):
        soft_dice(probabilities=p, reference=r)
    assert soft_dice(probabilities=p[None], reference=r)[0] == pytest.approx(2 * 1.2 / (2.4 + 4))


@pytest.mark.parametrize("layout", LAYOUTS + ALONE)
@pytest.mark.parametrize("name", LOSSES)
def test_normalise(name: str, layout: str) -> None:
    p, r = drawn(layout)
    raw = p * 1.3 - 0.1
    clipped = np.clip(raw, 0, 1)
    mended = clipped if layout in ALONE else clipped / clipped.sum(axis=0)
    value, gradient = LOSSES[name](probabilities=raw, reference=r, normalise=True)
    expected, slopes = LOSSES[name](probabilities=mended, reference=r)
    assert value == pytest.approx(expected, abs=1e-13)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-10, atol=1e-15)


def test_a_soft_reference_is_normalised_too() -> None:
    p, soft = np.array([[0.2, 1.06]]), np.array([[-0.02, 1.06]])
    with pytest.raises(
        InputError, match=r"reference: expected probabilities from 0 to 1, found values from -0.02 to 1.06; to clip"
    ):
        soft_dice(probabilities=np.clip(p, 0, 1), reference=soft)
    assert soft_dice(probabilities=p, reference=soft, normalise=True)[0] == pytest.approx(2 / 2.2)


CHANNELS = np.full((2, 2, 2), 0.5)


@pytest.mark.parametrize(
    ("p", "r", "message"),
    [
        (
            [[0.2, 1.06]],
            [[0, 1]],
            r"probabilities: expected probabilities from 0 to 1, found values from 0.2 to 1.06; to .*: normalise=True",
        ),
        ([[-0.002, 0.5]], [[0, 1]], r"found values from -0.002 to 0.5"),
        ([[0.2, math.nan]], [[0, 1]], r"NaN or infinite"),
        ([[0.2, math.inf]], [[0, 1]], r"NaN or infinite"),
        ([[0, 7]], [[0, 1]], r"found values from 0 to 7; these are labels"),
        (CHANNELS * 0.9, R, r"expected channels that sum to 1, found sums from 0.9 to 0.9; to clip .*: normalise=True"),
        (CHANNELS, R + 1, r"reference: label 2 has no channel: the 2 classes are 0 to 1; relabel"),
        (CHANNELS, R - 1, r"reference: expected labels of at least 0"),
        (CHANNELS, R + 0.5, r"reference: expected integer labels"),
        (P, R + 1, r"reference: expected probabilities from 0 to 1, found values from 1 to 2; these are labels"),
        (P, (R + 1).astype(float), r"these are labels"),
        (P, [["a", "b"], ["c", "d"]], r"reference: expected numbers, found values of type <U1"),
        (P.astype(complex), R, r"probabilities: expected numbers"),
        (P, R[:1], r"the shapes do not fit: probabilities \(2, 2\), reference \(1, 2\)"),
        (CHANNELS[:0], R, r"do not fit"),
        ([0.5, 0.5], [0, 1], r"do not fit"),
        (CHANNELS, CHANNELS[:, :1], r"do not fit"),
    ],
)
def test_arguments_that_are_refused(p: Any, r: Any, message: str) -> None:
    for loss in LOSSES.values():
        with pytest.raises(InputError, match=message):
            loss(probabilities=p, reference=r)


def test_maps_that_cannot_be_normalised() -> None:
    for p, message in (
        ([[0.2, math.nan]], "NaN or infinite"),
        ([[0, 7]], "these are labels"),
        (np.zeros((2, 1, 2)), "expected probabilities, found 2 voxels with 0 in all channels"),
    ):
        with pytest.raises(InputError, match=message):
            gdl(probabilities=p, reference=[[0, 1]], normalise=True)


def test_probabilities_within_the_slack_are_not_changed() -> None:
    p = np.array([[1.0009, -0.0009]])
    assert soft_dice(probabilities=p, reference=[[1, 0]])[0] == pytest.approx(2 * 1.0009 / 2, abs=1e-14)
    channels = np.array([[[0.5, 0.2]], [[0.509, 0.791]]])
    assert math.isfinite(gdl(probabilities=channels, reference=[[0, 1]])[0])


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (dl2, {"epsilon": -1}, "epsilon must be a number of at least 0"),
        (ss, {"epsilon": math.inf}, "epsilon"),
        (ss, {"sensitivity_weight": 1.5}, "must be from 0 to 1, not 1.5"),
        (gdl, {"absent_class": "zero"}, "absent class must be one of max, ignore, penalise, not zero"),
        (wce, {"weights": {0: 1}}, "weights need classes from 1 to 1, found 0"),
        (soft_dice, {"weights": {2: 1}}, "weights need classes from 1 to 1, found 2"),
        (soft_dice, {"weights": {1: -1}}, "a weight must be a number of at least 0, not -1"),
        (soft_dice, {"weights": {1: math.nan}}, "a weight must be"),
    ],
)
def test_options_that_are_refused(loss: Callable[..., Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loss(probabilities=P, reference=R, **options)


def test_weights_of_nothing() -> None:
    value, gradient = soft_dice(probabilities=P, reference=R, weights={1: 0})
    assert math.isnan(value)
    assert not gradient.any()


def test_arguments_are_not_modified() -> None:
    for name, loss in LOSSES.items():
        for p, r in (drawn("5 classes, 2-D"), drawn("no axis, 2-D")):
            kept = p.copy(), r.copy()
            p.setflags(write=False)
            loss(probabilities=p, reference=r.astype(np.uint8), normalise=name == "gdl")
            np.testing.assert_array_equal(p, kept[0])
            np.testing.assert_array_equal(r, kept[1])


@pytest.mark.parametrize("name", LOSSES)
def test_memory(name: str) -> None:
    p = np.full((6, 20, 100, 100), 1 / 6, np.float32)
    r = np.zeros((20, 100, 100), np.uint8)
    r[:5], r[5:9] = 1, 5
    tracemalloc.start()
    LOSSES[name](probabilities=p, reference=r)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (6 + 9) * r.size * 8  # the gradient, and some classes in float64


def test_imbalance() -> None:
    r = np.array([[0, 0, 1, 3], [0, 0, 0, 3]])
    assert imbalance(r) == 3 / 8
    assert [imbalance(r, label=label) for label in (0, 1, 2, 3)] == [5 / 8, 1 / 8, 0, 2 / 8]
    assert math.isnan(imbalance(np.zeros((0, 2), int)))
    with pytest.raises(InputError, match="integer labels"):
        imbalance(np.full((2, 2), 0.5))


def test_names() -> None:
    assert list(LOSSES) == ["wce", "cross_entropy", "dl2", "ss", "gdl", "soft_dice", "vnet_dice"]
    assert segeval.losses.LOSSES is LOSSES


def test_the_module_is_loaded_when_it_is_used() -> None:
    script = (
        "import sys, segeval\n"
        "assert 'segeval.losses' not in sys.modules\n"
        "segeval.losses.gdl\n"
        "assert not {'segeval.api', 'scipy', 'click', 'pandas', 'nibabel'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)  # noqa: S603  (our own text)


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_is_a_finite_number_of_0_or_more(weight: float) -> None:
    with pytest.raises(UsageError, match="a weight must be a number of at least 0"):
        soft_dice(probabilities=np.array([[[0.5]], [[0.5]]]), reference=np.array([[1]]), weights={1: weight})
