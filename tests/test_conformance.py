"""Numbers that other tools state, agree on or produce, reproduced one by one.

Each vector is a pair and a number that rests on named conventions. Most come out of `segeval.score` under settings that
say the same. Some are no metric of their own but can be read off the evidence or off two metrics. The others wait for a
convention that is not built yet: they are listed by id with the reason, and the list is asserted exactly, so that no
vector is dropped and none changes sides unseen.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.counts import LabelTotals
from segeval.metrics.multilabel import generalized_dice
from segeval.surfaces import Distances, surface_distances

FILE = Path(__file__).resolve().parents[2] / "shared" / "conformance" / "vectors.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.is_file() else []
BY_ID = {vector["id"]: vector for vector in VECTORS}

pytestmark = pytest.mark.skipif(not VECTORS, reason="the conformance vectors are not beside the project")

Array = NDArray[Any]

SURFEL = "the surfel surface"
FROM_NOTHING = "weighted surfaces: the mean from an empty surface is undefined"
OUTLINE = "an exact outline, which no option offers"
EMPTY_RULE = "the empty rule of a preset"
SOFT = "soft scores and losses"

WAITING = {
    SURFEL: """
        dm2d-2px-asd-p2r dm2d-2px-ov-p2r dm2d-squares-lens dm3d-2px-asd-r2p dm3d-2px-ov-p2r
        dm3d-slabs-asd-r2p dm3d-slabs-nsd1 dm3d-slabs-ov-p2r dm3d-slabs-ov-r2p mn-nsd-sub-2
        x-C-nsd1_surfel x-D-nsd1_surfel x-E-nsd1_surfel x-F-nsd1_surfel x-H-nsd1_surfel x-K-nsd1_surfel
        x-L-nsd1_surfel
    """,
    FROM_NOTHING: "dm2d-emptypred-asd-p2r dm3d-emptypred-asd-p2r dm3d-emptyref-asd-r2p",
    OUTLINE: "dt-asd-exact",
    EMPTY_RULE: """
        dm2d-both-hd dm2d-both-hd95 dm3d-both-hd dm3d-both-hd95 mn-dice-empty1 mn-dice-nanref
        mn-gds-bothzero mn-gds-refzero mn-iou-empty1 mn-iou-nanref mr-empty-both-assd mr-empty-both-hd
        mr-empty-both-hd95 mr-empty-both-masd x-empty-both-MeshMetrics-nsd x-empty-both-medpy-dice
        x-empty-both-miseval-iou x-vs-both-empty
    """,
    SOFT: """
        hw-dl2-a hw-dl2-perfect hw-gdl-a hw-ss-a hw-vnet-a hw-wce-a mn-dl-jac mn-dl-sig-00 mn-dl-sig-01
        mn-dl-sig-11 mn-dl-sq mn-gdl-soft-1 mn-gdl-soft1 nn-ce nn-ce-w nn-dice-wrong nn-gdl nn-gdl-uni
        nn-miss nn-ss2 nn-ss3 nnx-dice-ns nnx-gdl-absent-square nnx-gdl-absent-uniform nnx-gdl2 nnx-gdl3
        nnx-ss2 nnx-ss3 nnx-vnet-dice2 nnx-vnet-dice3
    """,
}


def waiting() -> dict[str, str]:
    """Id -> why it waits."""
    return {each: reason for reason, ids in WAITING.items() for each in ids.split()}


def drawn(recipe: list[Any], shape: list[int] | None) -> Array:
    """The array that a recipe makes; one axis becomes a row."""
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


def scored(vector: dict[str, Any]) -> float | None:
    """What `segeval.score` gives under the settings that say what the vector rests on."""
    arguments = vector["oracle"]["args"]
    metric = NAMES[vector["metric"]]
    if metric == "nsd":
        metric += f"@{arguments['tau']}"
    return value_of(
        metric,
        *maps_of(vector),
        spacing=vector["spacing"],
        penalty=arguments.get("one", "inf") if vector["metric"] != "nsd" else "inf",
        absent_class={"zero": "ignore"}.get(arguments.get("absent"), "max"),
    )


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


def both_ways(vector: dict[str, Any]) -> tuple[Distances, Distances]:
    prediction, reference = (labels.astype(np.uint8) for labels in maps_of(vector))
    spacing = tuple(vector["spacing"] or (1.0,) * reference.ndim)
    found = surface_distances(
        prediction=prediction, reference=reference, groups={1: [1]}, present=[0, 1], spacing=spacing
    )
    return found[1]


def directed_percentile(vector: dict[str, Any]) -> float:
    to_reference, _ = both_ways(vector)
    return to_reference.percentile(95) if "95" in vector["metric"] else float(to_reference.values[-1])


def pooled_percentile(vector: dict[str, Any]) -> float:
    pair = both_ways(vector)
    values = np.concatenate([distances.values for distances in pair])
    weights = np.concatenate([distances.weights for distances in pair])
    order = np.argsort(values)
    return Distances(values=values[order], weights=weights[order]).percentile(95)


def mean_of_ratios(vector: dict[str, Any]) -> float:
    shares = [
        value_of(f"surface_overlap_of_{side}@{vector['oracle']['args']['tau']}", *maps_of(vector))
        for side in ("prediction", "reference")
    ]
    return sum(share for share in shares if share is not None) / 2


def signed_volume_similarity(vector: dict[str, Any]) -> float:
    fp, fn, tp = (value_of(name, *maps_of(vector)) or 0.0 for name in ("fp", "fn", "tp"))
    return 2 * (fp - fn) / (2 * tp + fp + fn)


def absolute_volume_difference(vector: dict[str, Any]) -> float:
    error = value_of("relative_volume_error", *maps_of(vector))
    assert error is not None
    return abs(error)


def border_positions(vector: dict[str, Any]) -> list[list[int]]:
    """The voxels that, alone in a prediction, are at distance 0 from the reference's surface."""
    _, reference = maps_of(vector)
    found = []
    for place in np.ndindex(reference.shape):
        single = np.zeros_like(reference)
        single[place] = 1
        if value_of("asd_to_reference", single, reference) == 0:
            found.append(list(place))
    return found


def over_overlapping_classes(vector: dict[str, Any]) -> float:
    """Classes as channels that are no label map, straight from their sums."""
    prediction, reference = maps_of(vector)
    totals = LabelTotals(
        reference=reference.sum(axis=1),
        prediction=prediction.sum(axis=1),
        agreed=(prediction * reference).sum(axis=1),
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
    "pooled percentiles, from both lists of distances": (
        pooled_percentile,
        """
        pan-hd95-over pan-hd95-same x-A-hd95_pooled x-C-hd95_pooled x-D-hd95_pooled x-G-hd95_pooled
        x-J-hd95_pooled x-K-hd95_pooled x-L-hd95_pooled
        """,
    ),
    "NSD as the mean of two surface overlaps": (mean_of_ratios, "pan-nsd-same pan-nsd-under1 pan-nsd-under5"),
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


def read_off() -> dict[str, Reader]:
    return {each: reader for reader, ids in READ_OFF.values() for each in ids.split()}


def run_ids() -> list[str]:
    """What `segeval.score` must give."""
    elsewhere = waiting().keys() | read_off().keys()
    return [each for each in BY_ID if each not in elsewhere]


def agrees(found: Any, vector: dict[str, Any]) -> bool:
    expected = vector["expected"]
    if isinstance(expected, list):
        return bool(found == expected)
    expected = float(expected)
    if found is None or math.isnan(found):
        return math.isnan(expected)
    return bool(found == expected or abs(found - expected) <= vector["tolerance"])


SOFT_METRICS = {"wce", "cross_entropy", "dl2", "ss", "ss_sum", "gdl", "vnet_dice", "soft_dice", "soft_iou"}


def reason_to_wait(vector: dict[str, Any]) -> str | None:
    """The rule that says whether a vector waits, and for what."""
    function, arguments = vector["oracle"]["fn"], vector["oracle"]["args"]
    if vector["metric"] in SOFT_METRICS:
        return None if vector["id"] in read_off() else SOFT
    if function == "faces_assd_2d":
        return OUTLINE
    if function == "surfel_lengths":
        return SURFEL
    prediction, reference = (labels.any() for labels in maps_of(vector))
    undefined = math.isnan(float(vector["expected"])) if not isinstance(vector["expected"], list) else False
    if function.startswith("surfel"):
        if prediction and reference:
            return SURFEL
        return FROM_NOTHING if function == "surfel_asd" and undefined and prediction != reference else None
    if "ref_empty" in arguments or (function == "gds" and not reference):
        return EMPTY_RULE
    counted = vector["metric"].startswith(("count_", "gds_", "specificity", "npv", "accuracy"))
    if not prediction and not reference and not undefined and not counted:
        return EMPTY_RULE
    return None


@pytest.mark.parametrize("vector", run_ids())
def test_a_number_of_another_tool_is_reproduced(vector: str) -> None:
    found = scored(BY_ID[vector])
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


@pytest.mark.parametrize("vector", [each for each in read_off() if each in BY_ID])
def test_a_number_that_is_no_setting_can_be_read_off(vector: str) -> None:
    found = read_off()[vector](BY_ID[vector])
    assert agrees(found, BY_ID[vector]), f"{found}, expected {BY_ID[vector]['expected']}"


def test_no_vector_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    run, read, wait = run_ids(), read_off(), waiting()
    reasons = Counter(wait.values())
    report = [
        f"conformance: {len(VECTORS)} vectors, {len(run)} scored, {len(read)} read off, {len(wait)} waiting: "
        + ", ".join(f"{count} for {reason}" for reason, count in reasons.items())
    ]
    details = [f"waits for {reason}: {' '.join(ids.split())}" for reason, ids in WAITING.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + report[0] + "\n")
    sys.stdout.write("\n".join(details) + "\n")
    assert len(BY_ID) == len(VECTORS)
    assert wait.keys().isdisjoint(read)
    assert wait.keys() | read.keys() <= BY_ID.keys()
    assert len(run) + len(read) + len(wait) == len(VECTORS)


def test_what_waits_is_exactly_what_the_rules_say() -> None:
    by_rule = {each: reason_to_wait(vector) for each, vector in BY_ID.items()}
    assert {each: reason for each, reason in by_rule.items() if reason} == waiting()


def test_each_table_names_a_vector_once() -> None:
    listed = [ids for _, ids in READ_OFF.values()] + list(WAITING.values())
    each = " ".join(listed).split()
    assert len(each) == len(set(each))
