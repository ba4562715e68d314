"""Numbers that other tools publish, agree on or compute, reproduced one by one.

Each vector is a pair and a number that rests on named conventions. Most come out of `segeval.score` under settings that
say the same, a preset where the convention is one of a tool alone; those of a tool that has a preset come out of that
too. Those of probabilities come out of `segeval.losses`. Some are no metric of their own but can be read off the
evidence or off two metrics. The others wait for something that is not built yet or that no option offers: they are
listed by id with the reason, and the list is asserted exactly, so that no vector is dropped and none changes sides
unseen.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval import losses
from segeval.evidence.counts import LabelTotals
from segeval.evidence.surfaces.borders import Coding, Frame, foreground_box
from segeval.evidence.surfaces.surfels import find_corners, surfel_areas
from segeval.metrics import parse
from segeval.metrics.multilabel import generalized_dice
from segeval.scoring.presets import PRESETS
from tests.places import SHARED, needs
from tests.surfaces import surface_distances

FILE = SHARED / "conformance" / "vectors.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.is_file() else []
BY_ID = {vector["id"]: vector for vector in VECTORS}

pytestmark = needs(FILE)

Array = NDArray[Any]

OUTLINE = "an exact outline, which no option offers"
EMPTY_RULE = "the rule for empty masks of a tool without a preset, which no preset shares"
NO_BACKGROUND = "channels without a voxel and no background, which no label map has"
CLAMP = "a generalized Dice loss that a cardinality clamp changes, which no option offers"
SMOOTHED = "a soft Dice or generalized Dice loss that smoothing changes, which no option offers"

WAITING = {
    OUTLINE: "dt-asd-exact",
    EMPTY_RULE: "x-empty-both-miseval-iou x-vs-both-empty",
    NO_BACKGROUND: "mn-gds-bothzero mn-gds-refzero",
    CLAMP: "nn-gdl-uni nnx-gdl-absent-square nnx-gdl-absent-uniform",
    SMOOTHED: "mn-dl-sig-00 mn-dl-sig-01 mn-dl-sig-11 mn-gdl-soft-1",
}


def waiting() -> dict[str, str]:
    """Reasons for skipping, by id."""
    return {each: reason for reason, ids in WAITING.items() for each in ids.split()}


def drawn(recipe: list[Any], shape: list[int] | None) -> Array:
    """Array of a recipe; one axis becomes a row."""
    if recipe and recipe[0] == "labels":
        return np.array(recipe[1])[None]
    if recipe and recipe[0] == "probs_cn":
        return np.array(recipe[1])
    if recipe and recipe[0] == "probs_nc":
        return np.atleast_2d(np.argmax(recipe[1], axis=1))
    array: Array = np.zeros(shape or (1,), int)
    for op, *arguments in recipe:
        array = OPS[op](array, *arguments)
    return array[None] if array.ndim == 1 else array


def with_box(array: Array, low: list[int], high: list[int], value: int) -> Array:
    array[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = value
    return array


def with_points(array: Array, points: list[list[int]], value: int) -> Array:
    array[tuple(np.array(points).T)] = value
    return array


def with_ball(array: Array, centre: list[float], radius: float, steps: list[float], value: int) -> Array:
    axes = np.ogrid[tuple(slice(0, n) for n in array.shape)]
    squares = sum((axis * step - c) ** 2 for axis, step, c in zip(axes, steps, centre, strict=True))
    array[squares <= radius**2] = value
    return array


OPS: dict[str, Callable[..., Array]] = {
    "array": lambda _, values: np.array(values),
    "runs": lambda _, runs: np.concatenate([np.full(count, value) for count, value in runs]),
    "box": with_box,
    "voxel": lambda array, place, value: with_points(array, [place], value),
    "points": with_points,
    "ball": with_ball,
    "not": lambda array: 1 - array,
}

# What a vector's metric is called here; its arguments say the rest.
NAMES = {
    "accuracy": "accuracy",
    "asd_pred_to_ref": "asd_to_reference",
    "asd_ref_to_pred": "asd_to_prediction",
    "assd": "assd",
    "balanced_accuracy": "balanced_accuracy",
    "count_fn": "fn",
    "count_fp": "fp",
    "count_tn": "tn",
    "count_tp": "tp",
    "dice": "dice",
    "fbeta": "fbeta",
    "gds": "generalized_dice",
    "hd": "hd",
    "hd95": "hd@95",
    "iou": "iou",
    "masd": "masd",
    "npv": "npv",
    "nsd": "nsd",
    "precision": "precision",
    "relative_volume_difference": "relative_volume_error",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "surface_overlap_at_1mm_pred": "surface_overlap_of_prediction@1",
    "surface_overlap_at_1mm_ref": "surface_overlap_of_reference@1",
    "volume_similarity": "volume_similarity",
}


# The preset of each tool that a vector may name.
TOOLS = {
    "deepmind": "deepmind",
    "medpy": "medpy",
    "metricsreloaded": "metricsreloaded",
    "monai": "monai",
    "panoptica": "panoptica",
    "seg-metrics": "seg-metrics",
    "simpleitk": "simpleitk",
    "surface-distance": "deepmind",
}

# Rules for empty masks of tools without a preset, or on request, and the preset of a tool that has the same rule.
SAME_RULE = {
    "mn-dice-empty1": "metricsreloaded",
    "mn-iou-empty1": "medpy",
    "x-empty-both-MeshMetrics-nsd": "metricsreloaded",
}

# Numbers that a tool gives on request only, so that its preset gives another.
ON_REQUEST = {
    "MONAI with ignore_empty=False": "mn-dice-empty1 mn-dice-emptyref mn-iou-empty1",
    "MONAI with use_subvoxels": "mn-nsd-sub-2",
}


def metric_of(vector: dict[str, Any]) -> str:
    """Metric of a vector."""
    name = NAMES[vector["metric"]]
    return f"{name}@{vector['oracle']['args']['tau']}" if name == "nsd" else name


def tools_of(vector: dict[str, Any]) -> list[str]:
    """The presets of the tools that gave a number by default."""
    if vector["id"] in " ".join(ON_REQUEST.values()).split():
        return []
    peers = [peer.split() for peer in (vector["peer"] or "").split("+")]
    named = [TOOLS.get(words[0].lower()) for words in peers if words and "use_subvoxels" not in words]
    request = parse(metric_of(vector))
    return [name for name in named if name is not None and PRESETS[name].has(request.name, request.value)]


def rests_on_a_rule(vector: dict[str, Any]) -> bool:
    """Whether a number is a tool's own rule for an empty mask, not from the formula or the penalty."""
    if "ref_empty" in vector["oracle"]["args"]:
        return True
    counted = vector["metric"].startswith(("count_", "specificity", "npv", "accuracy"))
    return not counted and not any(labels.any() for labels in maps_of(vector)) and vector["expected"] != "nan"


def options_of(vector: dict[str, Any]) -> dict[str, Any]:
    """Settings of a vector."""
    function, arguments = vector["oracle"]["fn"], vector["oracle"]["args"]
    if vector["id"] in SAME_RULE:
        return {"compat": SAME_RULE[vector["id"]]}
    if rests_on_a_rule(vector):
        return {"compat": tools_of(vector)[0]}
    if arguments.get("mean_of_ratios"):
        return {"compat": "panoptica"}
    return {
        "surface": "surfel" if function.startswith("surfel") else "voxel",
        "percentile": "pooled" if arguments.get("pool") == "pooled" else "directed",
        "penalty": arguments.get("one", "inf") if vector["metric"] != "nsd" else "inf",
        "absent_class": {"zero": "ignore"}.get(arguments.get("absent"), "max"),
    }


def scored(vector: dict[str, Any], **options: Any) -> float | None:
    """Results of `segeval.score`."""
    return value_of(metric_of(vector), *maps_of(vector), spacing=vector["spacing"], **options)


def maps_of(vector: dict[str, Any]) -> tuple[Array, Array]:
    return drawn(vector["pred"], vector["shape"]), drawn(vector["ref"], vector["shape"])


def value_of(metric: str, prediction: Array, reference: Array, **options: Any) -> float | None:
    over_all = metric == "generalized_dice"
    only = [] if over_all else [1]
    results = segeval.score(prediction=prediction, reference=reference, metrics=[metric], only=only, **options)
    return results.value(metric, label="all" if over_all else 1)


def mean_over_samples(vector: dict[str, Any]) -> float:
    values = [value_of(vector["oracle"]["args"]["of"], *pair) for pair in zip(*maps_of(vector), strict=True)]
    return float(np.mean([value for value in values if value is not None]))


def directed_percentile(vector: dict[str, Any]) -> float:
    prediction, reference = (labels.astype(np.uint8) for labels in maps_of(vector))
    spacing = tuple(vector["spacing"] or (1.0,) * reference.ndim)
    found = surface_distances(
        prediction=prediction, reference=reference, groups={1: [1]}, present=[0, 1], spacing=spacing
    )
    to_reference, _ = found[1]
    return to_reference.percentile(95) if "95" in vector["metric"] else float(to_reference.values[-1])


def lengths_of_surfels(vector: dict[str, Any]) -> list[float]:
    """Lengths of the pieces of the reference's outline."""
    _, reference = (labels.astype(np.uint8) for labels in maps_of(vector))
    box = foreground_box(reference, reference)
    frame = Frame(box=box, shape=tuple(part.stop - part.start + 3 for part in box), margin=(1,) * reference.ndim)
    corners = find_corners(
        reference,
        reference,
        coding=Coding([{1}], present=[0, 1], ignored=None),
        frame=frame,
        areas=surfel_areas(tuple(map(float, vector["spacing"]))),
    )
    return sorted(set(corners.weights.tolist()))


def signed_volume_similarity(vector: dict[str, Any]) -> float:
    fp, fn, tp = (value_of(name, *maps_of(vector)) or 0.0 for name in ("fp", "fn", "tp"))
    return 2 * (fp - fn) / (2 * tp + fp + fn)


def absolute_volume_difference(vector: dict[str, Any]) -> float:
    error = value_of("relative_volume_error", *maps_of(vector))
    assert error is not None
    return abs(error)


def border_positions(vector: dict[str, Any]) -> list[list[int]]:
    """Voxels that have distance 0 from the reference's surface if the prediction is only this voxel."""
    _, reference = maps_of(vector)
    found = []
    for place in np.ndindex(reference.shape):
        single = np.zeros_like(reference)
        single[place] = 1
        if value_of("asd_to_reference", single, reference) == 0:
            found.append(list(place))
    return found


def over_overlapping_classes(vector: dict[str, Any]) -> float:
    """Classes as overlapping channels, directly from their sums."""
    prediction, reference = maps_of(vector)
    totals = LabelTotals(
        reference=reference.sum(axis=1),
        prediction=prediction.sum(axis=1),
        agreed=(prediction * reference).sum(axis=1),
        labels=tuple(range(len(reference))),
        averaged=np.ones(len(reference), bool),
    )
    return generalized_dice(totals)


def hard_loss(vector: dict[str, Any]) -> float:
    found = value_of("generalized_dice", *maps_of(vector))
    assert found is not None
    return 1 - found


def dice_of_one_class(vector: dict[str, Any]) -> float | None:
    return value_of("dice", *maps_of(vector))


Reader = Callable[[dict[str, Any]], Any]

# What they are, how they are read, and which. None of these is a setting or a metric by itself.
READ_OFF: dict[str, tuple[Reader, str]] = {
    "border positions": (border_positions, "dt-border-full dt-border-shape"),
    "directed percentiles": (
        directed_percentile,
        "mn-hd-clip-dir mn-hd-conc-dir mn-hd-diag-dir mn-hd-eref-dir mn-hd-same-dir mn-hd95-conc-dir",
    ),
    "lengths of the pieces of an outline": (lengths_of_surfels, "dm2d-squares-lens"),
    "signed volume similarity, from counts": (signed_volume_similarity, "x-vss-C x-vss-F x-vss-I"),
    "absolute relative volume error": (
        absolute_volume_difference,
        "mr-voldiff mrw-absolute_volume_difference_ratio",
    ),
    "means over samples": (
        mean_over_samples,
        """
        mn-npv-mean-c0 mn-npv-mean-c1 mn-precision-mean-c0 mn-precision-mean-c1 mn-sensitivity-mean-c0
        mn-sensitivity-mean-c1 mn-specificity-mean-c0 mn-specificity-mean-c2
        """,
    ),
    "generalized Dice of one class, which is Dice": (dice_of_one_class, "mn-gds-1 mn-gds-pc0-0 mn-gds-pc0-1"),
    "generalized Dice over classes that overlap": (over_overlapping_classes, "mn-gds-ones mn-gds-sum-1"),
    "generalized Dice loss of a hard prediction": (hard_loss, "nnx-gdl-absent-fp1"),
}


Pair = tuple[Array, Array]

SOFT_METRICS = {"wce", "cross_entropy", "dl2", "ss", "ss_sum", "gdl", "vnet_dice", "soft_dice", "soft_iou"}


def soft_pair(vector: dict[str, Any]) -> Pair:
    """Probabilities and reference with an axis of classes first, or one channel of two axes."""
    probabilities, reference = (soft_map(*vector[side]) for side in ("pred", "ref"))
    if weights := vector["oracle"]["args"].get("weight"):  # of voxels: as if there were so many of each
        probabilities, reference = (np.repeat(each, weights, axis=-1) for each in (probabilities, reference))
    alone = len(probabilities) == 1
    return probabilities if alone else probabilities[:, None], reference if alone else reference[:, None]


def soft_map(kind: str, values: list[Any], classes: int = 0) -> Array:
    array = np.array(values, float)
    if kind == "labels":
        return np.stack([array == label for label in range(classes)]).astype(float)
    if kind == "sigmoid_cn":
        return np.asarray(1 / (1 + np.exp(-array)))
    array = np.atleast_2d(array.T if kind.endswith("_nc") else array)
    if kind.startswith("logits"):
        array = np.exp(array - array.max(axis=0))
        array /= array.sum(axis=0)
    return array


def of_each_class(loss: Callable[..., losses.Scored], pair: Pair, **options: Any) -> list[float]:
    """Loss of each class as a single channel, also of the background."""
    return [loss(probabilities=p, reference=r, **options)[0] for p, r in zip(*pair, strict=True)]


def soft_score(vector: dict[str, Any]) -> float:
    """Results of `segeval.losses`, by the name in the vector."""
    pair, given = soft_pair(vector), vector["oracle"]["args"]
    options = {ours: given[theirs] for ours, theirs in LOSS_OPTIONS.items() if theirs in given}
    name, loss = vector["metric"], losses.LOSSES.get(vector["metric"])
    if name == "ss_sum":
        return sum(of_each_class(losses.ss, pair, **options))
    if name == "soft_iou":
        (dice,) = of_each_class(losses.soft_dice, (pair[0][None], pair[1][None]))
        return dice / (2 - dice)
    if name == "gdl" and len(pair[0]) == 1:  # of one class without a background, which is Dice
        return 1 - losses.soft_dice(probabilities=pair[0], reference=pair[1])[0]
    assert loss is not None
    if "mean over classes" in vector["convention"]:
        return float(np.mean(of_each_class(loss, pair)))
    return loss(probabilities=pair[0], reference=pair[1], **options)[0]


LOSS_OPTIONS = {"epsilon": "eps", "sensitivity_weight": "lam"}


def soft_ids() -> list[str]:
    """Expected results of `segeval.losses`."""
    elsewhere = waiting().keys() | read_off().keys()
    return [each for each, vector in BY_ID.items() if vector["metric"] in SOFT_METRICS and each not in elsewhere]


def read_off() -> dict[str, Reader]:
    return {each: reader for reader, ids in READ_OFF.values() for each in ids.split()}


def run_ids() -> list[str]:
    """Expected results of `segeval.score`."""
    elsewhere = waiting().keys() | read_off().keys() | set(soft_ids())
    return [each for each in BY_ID if each not in elsewhere]


def agrees(found: Any, vector: dict[str, Any]) -> bool:
    expected = vector["expected"]
    if isinstance(expected, list):
        return bool(found == expected)
    expected = float(expected)
    if found is None or math.isnan(found):
        return math.isnan(expected)
    return bool(found == expected or abs(found - expected) <= vector["tolerance"])


def reason_to_wait(vector: dict[str, Any]) -> str | None:
    """The rule why a vector is skipped, if any."""
    if vector["id"] in read_off():
        return None
    if vector["oracle"]["fn"] == "faces_assd_2d":
        return OUTLINE
    if vector["metric"] == "gdl" and "clamp" in vector["convention"]:
        return CLAMP
    if vector["oracle"]["args"].get("smooth_nr", 0) > 1e-5:  # less is within the tolerance
        return SMOOTHED
    if vector["metric"] in SOFT_METRICS:
        return None
    if vector["metric"] == "gds" and not maps_of(vector)[1].any():
        return NO_BACKGROUND
    if rests_on_a_rule(vector) and vector["id"] not in SAME_RULE and not tools_of(vector):
        return EMPTY_RULE
    return None


def by_tool() -> list[tuple[str, str]]:
    """All vectors for `segeval.score`, with each tool that has a preset."""
    return [(each, tool) for each in run_ids() for tool in tools_of(BY_ID[each])]


@pytest.mark.slow
@pytest.mark.parametrize("vector", run_ids())
def test_a_number_of_another_tool_is_reproduced(vector: str) -> None:
    found = scored(BY_ID[vector], **options_of(BY_ID[vector]))
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


@pytest.mark.slow
@pytest.mark.parametrize(("vector", "tool"), by_tool())
def test_a_number_of_a_tool_comes_out_of_its_preset(vector: str, tool: str) -> None:
    found = scored(BY_ID[vector], compat=tool)
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


@pytest.mark.parametrize("vector", soft_ids())
def test_a_number_of_probabilities_is_reproduced(vector: str) -> None:
    found = soft_score(BY_ID[vector])
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


@pytest.mark.parametrize("vector", f"{WAITING[CLAMP]} {WAITING[SMOOTHED]}".split())
def test_a_skipped_loss_has_another_value(vector: str) -> None:
    assert not agrees(soft_score(BY_ID[vector]), BY_ID[vector])


@pytest.mark.parametrize("vector", " ".join(ON_REQUEST.values()).split())
def test_a_number_on_request_is_not_that_of_the_preset(vector: str) -> None:
    assert not agrees(scored(BY_ID[vector], compat="monai"), BY_ID[vector])


@pytest.mark.parametrize("vector", WAITING[EMPTY_RULE].split())
@pytest.mark.parametrize("tool", PRESETS)
def test_a_skipped_rule_is_in_no_preset(vector: str, tool: str) -> None:
    if PRESETS[tool].has(metric_of(BY_ID[vector])):
        assert not agrees(scored(BY_ID[vector], compat=tool), BY_ID[vector])


@pytest.mark.parametrize("vector", [each for each in read_off() if each in BY_ID])
def test_a_number_that_is_no_setting_can_be_read_off(vector: str) -> None:
    found = read_off()[vector](BY_ID[vector])
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


def test_no_vector_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    run, soft, read, wait = run_ids(), soft_ids(), read_off(), waiting()
    reasons = Counter(wait.values())
    report = [
        f"conformance: {len(VECTORS)} vectors, {len(run)} scored, {len(soft)} by losses, {len(read)} read off, "
        f"{len(wait)} waiting: " + ", ".join(f"{count} for {reason}" for reason, count in reasons.items())
    ]
    details = [f"waits for {reason}: {' '.join(ids.split())}" for reason, ids in WAITING.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + report[0] + "\n")
    sys.stdout.write("\n".join(details) + "\n")
    assert len(BY_ID) == len(VECTORS)
    assert wait.keys().isdisjoint(read)
    assert wait.keys() | read.keys() <= BY_ID.keys()
    assert len(run) + len(soft) + len(read) + len(wait) == len(VECTORS)


def test_skipped_vectors_are_those_of_the_rules() -> None:
    by_rule = {each: reason_to_wait(vector) for each, vector in BY_ID.items()}
    assert {each: reason for each, reason in by_rule.items() if reason} == waiting()


def test_each_table_names_a_vector_once() -> None:
    listed = [ids for _, ids in READ_OFF.values()] + list(WAITING.values())
    each = " ".join(listed).split()
    assert len(each) == len(set(each))
