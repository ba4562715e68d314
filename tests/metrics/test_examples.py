"""A worked example of each metric, derived by hand, and its values on empty maps.

Spacing is anisotropic, in array order. R stands for the reference, P for the prediction, B for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.evidence.counts import LabelTotals
from segeval.metrics import METRICS, Quantity, parse

Array = NDArray[Any]
Test = TypeVar("Test", bound=Callable[..., None])

WORKED: set[str] = set()


def example_of(*metrics: str) -> Callable[[Test], Test]:
    """Note that a test works out these metrics by hand."""
    WORKED.update(metrics)
    return lambda test: test


def drawn(*rows: str) -> tuple[Array, Array]:
    """The prediction and the reference of a drawing with P, R and B."""
    signs = np.array([list(row.replace(" ", "")) for row in rows])
    return np.isin(signs, ["P", "B"]).astype(int), np.isin(signs, ["R", "B"]).astype(int)


def stacked(*slices: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.stack([each[0] for each in slices]), np.stack([each[1] for each in slices])


def value(pair: tuple[Array, Array], metric: str, *, label: int | str | None = None, **options: Any) -> float | None:
    whole = parse(metric).card.needs is LabelTotals
    results = segeval.score(prediction=pair[0], reference=pair[1], metrics=[metric], **options)
    return results.value(metric, label=("all" if whole else 1) if label is None else label)


def test_every_metric_has_an_example() -> None:
    assert set(METRICS) <= WORKED


BLOCKS = stacked(
    drawn(
        ". R B P",
        ". R B P",
        ". . . .",
    ),
    drawn(
        ". . . .",
        ". . . P",
        ". . . .",
    ),
)
TP, FP, FN, TN = 2, 3, 2, 17
VOXEL_ML = 2.5 * 0.5 * 2.0 / 1000

COUNT_EXAMPLES = {
    "tp": TP,
    "fp": FP,
    "fn": FN,
    "tn": TN,
    "dice": 2 * 2 / (2 * 2 + 3 + 2),
    "iou": 2 / (2 + 3 + 2),
    "sensitivity": 2 / 4,
    "specificity": 17 / 20,
    "precision": 2 / 5,
    "npv": 17 / 19,
    "accuracy": (2 + 17) / 24,
    "balanced_accuracy": (2 / 4 + 17 / 20) / 2,
    "fbeta": 2 * 2 / (2 * 2 + 2 + 3),
    "fbeta@2": 5 * 2 / (5 * 2 + 4 * 2 + 3),
    "fbeta@0.5": 1.25 * 2 / (1.25 * 2 + 0.25 * 2 + 3),
    "fbeta@0": 2 / 5,
    "mcc": (2 * 17 - 3 * 2) / math.sqrt(5 * 4 * 20 * 19),
    "kappa": (19 / 24 - (5 * 4 + 19 * 20) / 24**2) / (1 - (5 * 4 + 19 * 20) / 24**2),
    "volume_similarity": 1 - abs(2 - 3) / (2 * 2 + 3 + 2),
    "volume_error": (5 - 4) * VOXEL_ML,
    "relative_volume_error": (5 - 4) / 4,
    "prediction_volume": 5 * VOXEL_ML,
    "reference_volume": 4 * VOXEL_ML,
}


@example_of(*(token.partition("@")[0] for token in COUNT_EXAMPLES))
@pytest.mark.parametrize("metric", COUNT_EXAMPLES)
def test_metrics_of_counts_by_hand(metric: str) -> None:
    assert value(BLOCKS, metric, spacing=(2.5, 0.5, 2.0)) == pytest.approx(COUNT_EXAMPLES[metric], rel=1e-14)


@pytest.mark.parametrize(("alias", "name"), [("jaccard", "iou"), ("recall", "sensitivity"), ("ppv", "precision")])
def test_an_alias_is_the_same_number(alias: str, name: str) -> None:
    results = segeval.score(prediction=BLOCKS[0], reference=BLOCKS[1], metrics=[alias])
    assert results.value(alias, label=1) == results.value(name, label=1) == COUNT_EXAMPLES[name]


def test_ratios_need_no_spacing_and_volumes_do() -> None:
    assert value(BLOCKS, "dice") == 4 / 9
    assert value(BLOCKS, "volume_error") is None
    flat = (BLOCKS[0][0], BLOCKS[1][0])
    assert value(flat, "reference_volume", spacing=(1.0, 2.0)) is None


# Two classes over the background, four voxels, of which the reference has 0, 1, 1 and 2. In quarters:
PROBABILITIES = np.array([[[4, 1, 0, 0]], [[0, 2, 3, 1]], [[0, 1, 1, 3]]]) / 4
OF_PROBABILITIES = np.array([[0, 1, 1, 2]])
_LOG = math.log
SURE = _LOG(1 - 1e-7)  # of 1, which is clipped
SOFT_EXAMPLES: dict[tuple[str, int | str], float] = {
    # class 1: sum p = 6/4, r = 2, p r = 5/4, p^2 = 14/16; class 2: sum p = 5/4, r = 1, p r = 3/4, p^2 = 11/16
    ("soft_dice", 1): 2 * (5 / 4) / (6 / 4 + 2),
    ("soft_dice", 2): 2 * (3 / 4) / (5 / 4 + 1),
    ("soft_dice", "all"): ((10 / 4) / (14 / 4) + (6 / 4) / (9 / 4)) / 2,
    ("vnet_dice", 1): 2 * (5 / 4) / (14 / 16 + 2),
    ("soft_iou", 1): (5 / 4) / (6 / 4 + 2 - 5 / 4),
    # class 1, in both: 1/2 and 3/4; errors there 1/2 and 1/4, elsewhere 0 and 1/4
    ("ss", 1): 0.05 * (1 / 4 + 1 / 16) / (2 + 1e-5) + 0.95 * (1 / 16) / (2 + 1e-5),
    ("ss@0.5", 1): 0.5 * (1 / 4 + 1 / 16) / (2 + 1e-5) + 0.5 * (1 / 16) / (2 + 1e-5),
    # (1 - p)(1 - r): 1 at the first voxel, 3/4 at the last
    ("dl2", 1): 1 - (5 / 4 + 1e-5) / (14 / 4 + 1e-5) - (7 / 4 + 1e-5) / (8 - 14 / 4 + 1e-5),
    ("wce", 1): -((4 - 1.5) / 1.5 * (_LOG(2 / 4) + _LOG(3 / 4)) + SURE + _LOG(3 / 4)) / 4,
    ("cross_entropy", "all"): -(SURE + _LOG(2 / 4) + _LOG(3 / 4) + _LOG(3 / 4)) / 4,
    # sum p of the background 5/4, p r 1; weights 1, 1/4, 1
    ("gdl", "all"): 1 - 2 * (1 + (5 / 4) / 4 + 3 / 4) / ((5 / 4 + 1) + (6 / 4 + 2) / 4 + (5 / 4 + 1)),
    # by voxel: 0; (1 + 4 + 1)/16; (0 + 1 + 1)/16; (0 + 1 + 1)/16
    ("brier", "all"): (6 / 16 + 2 / 16 + 2 / 16) / 4,
    # all four right: 1 in the last of 15 bins, 1/2 in one of its own, 3/4 twice in another
    ("ece", "all"): (abs(1 - 1) + abs(1 - 1 / 2) + abs(2 - 6 / 4)) / 4,
    ("ece@1", "all"): abs(4 - (1 + 1 / 2 + 6 / 4)) / 4,
}


@example_of(*(token.partition("@")[0] for token, _ in SOFT_EXAMPLES))
@pytest.mark.parametrize(("metric", "label"), SOFT_EXAMPLES)
def test_metrics_of_probabilities_by_hand(metric: str, label: int | str) -> None:
    results = segeval.score(prediction=PROBABILITIES, reference=OF_PROBABILITIES, probabilities=True, metrics=[metric])
    assert results.value(metric, label=label) == pytest.approx(SOFT_EXAMPLES[metric, label], rel=1e-12, abs=1e-15)


# Spacing 2 mm down and 0.5 mm across; every voxel is a border voxel.
#   dP: 0, 0.5 and 1.0 along the row, 2 rows * 2 mm = 4 below it
#   dR: 1.0, 0.5 and 0 along the row
STRIPES = drawn(
    ". . . . . .",
    ". R R B P P",
    ". . . . . .",
    ". . P . . .",
)
LENGTH_EXAMPLES = {
    "assd": (0 + 0.5 + 1.0 + 2 * 2 + 1.0 + 0.5 + 0) / (4 + 3),
    "masd": ((0 + 0.5 + 1.0 + 4) / 4 + (1.0 + 0.5 + 0) / 3) / 2,
    "asd_to_reference": (0 + 0.5 + 1.0 + 4) / 4,
    "asd_to_prediction": (1.0 + 0.5 + 0) / 3,
    "hd": 2 * 2,
    "hd@95": 1.0 + 0.85 * (4 - 1.0),  # place 0.95 * 3 = 2.85 of 0, 0.5, 1, 4
    "hd@50": (0.5 + 1.0) / 2,
    "hd@0": 0,
    "nsd": (3 + 3) / (4 + 3),
    "nsd@0.5": (2 + 2) / (4 + 3),
    "nsd@0.4": (1 + 1) / (4 + 3),
    "nsd@4": 1,
    "surface_overlap_of_reference": 3 / 3,
    "surface_overlap_of_reference@0.5": 2 / 3,
    "surface_overlap_of_prediction": 3 / 4,
    "surface_overlap_of_prediction@0.5": 2 / 4,
}


@example_of(*(token.partition("@")[0] for token in LENGTH_EXAMPLES))
@pytest.mark.parametrize("metric", LENGTH_EXAMPLES)
def test_metrics_of_surfaces_by_hand(metric: str) -> None:
    assert value(STRIPES, metric, spacing=(2, 0.5)) == pytest.approx(LENGTH_EXAMPLES[metric], rel=1e-14)


def test_msd_is_assd() -> None:
    assert value(STRIPES, "assd", spacing=(2, 0.5)) == value(STRIPES, "msd", spacing=(2, 0.5))


def test_a_voxel_moved_askew_in_space() -> None:
    pair = np.zeros((3, 3, 3), int), np.zeros((3, 3, 3), int)
    pair[0][1, 1, 1] = pair[1][2, 0, 1] = 1
    askew = math.sqrt(2**2 + 1**2)
    assert value(pair, "hd", spacing=(2, 1, 0.5)) == pytest.approx(askew)
    assert value(pair, "assd", spacing=(2, 1, 0.5)) == pytest.approx(0.5 * (askew + askew))
    assert value(pair, "nsd@2.24", spacing=(2, 1, 0.5)) == 1
    assert value(pair, "nsd@2.23", spacing=(2, 1, 0.5)) == 0


def test_the_inside_of_a_mask_is_no_surface() -> None:
    # both are rings of 12 border voxels around 2 by 2 others, moved by one column of 3 mm: 6 voxels lie on both rings
    pair = drawn(
        "R B B B P",
        "R B B B P",
        "R B B B P",
        "R B B B P",
    )
    moved = 12 - 6
    assert value(pair, "assd", spacing=(1, 3)) == pytest.approx(
        # R's left column: 4 voxels at 3 mm; its right column's two inner voxels: up or down 1 mm to the row of P
        (2 * (4 * 3 + 2 * 1)) / 24
    )
    assert value(pair, "nsd@1", spacing=(1, 3)) == (24 - 2 * (moved - 2)) / 24


def test_a_mask_without_background_ends_at_the_edge_of_the_image() -> None:
    pair = np.ones((5, 5), int), np.zeros((5, 5), int)
    pair[1][2, 2] = 1
    corner = math.sqrt((2 * 3) ** 2 + (2 * 1) ** 2)
    assert value(pair, "hd", spacing=(3, 1)) == pytest.approx(corner)
    assert value(pair, "asd_to_prediction", spacing=(3, 1)) == 2 * 1


def test_the_tolerance_forgives_the_rounding_of_headers() -> None:
    pair = drawn("R . P")
    spacing = (1.0, float(np.float32(1.2)))
    assert spacing[1] > 1.2
    assert value(pair, "nsd@2.4", spacing=spacing) == 1
    assert value(pair, "nsd@2.39", spacing=spacing) == 0
    assert value(pair, "nsd", spacing=spacing, tolerance=2.4) == 1


def test_a_tolerance_can_be_given_per_label() -> None:
    reference = np.array([[1, 1, 0, 0, 2, 2, 0, 0]])
    prediction = np.roll(reference, 1)
    results = segeval.score(
        prediction=prediction,
        reference=reference,
        spacing=(1, 3),
        metrics=["nsd", "nsd@0"],
        labels={1: "liver", 2: "spleen"},
        tolerance={"liver": 3},
    )
    assert results.value("nsd", label="liver") == 1
    assert results.value("nsd", label="spleen") == results.value("nsd@0", label="liver") == 2 / 4


# Two squares of 5 by 5, a column apart; 2 mm down, 1 mm across. The rings have 16 voxels each. Within 1 mm of a ring
# lies also what is beside its left and right column: all but the middle column of the inside, 3 voxels.
SQUARES = drawn(
    ". . . . . . . .",
    ". R B B B B P .",
    ". R B B B B P .",
    ". R B B B B P .",
    ". R B B B B P .",
    ". R B B B B P .",
    ". . . . . . . .",
)


@example_of("boundary_iou")
@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("boundary_iou", (20 - 6) / (22 + 22 - 14)),
        ("boundary_iou@0", 8 / (16 + 16 - 8)),
        ("boundary_iou@2", 20 / (25 + 25 - 20)),
    ],
)
def test_the_overlap_of_rims_by_hand(metric: str, expected: float) -> None:
    assert value(SQUARES, metric, spacing=(2, 1)) == pytest.approx(expected, rel=1e-14)


REFERENCE = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 2, 2]])
ONE_TOO_MANY = np.array([[0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 2, 2]])
MADE_UP = np.array([[3, 0, 0, 0, 0, 0], [1, 1, 1, 1, 2, 2]])


@example_of("generalized_dice")
@pytest.mark.parametrize("absent_class", ["max", "ignore", "penalise"])
def test_generalized_dice_by_hand(absent_class: Any) -> None:
    hits = 5 / 6**2 + 4 / 4**2 + 2 / 2**2
    sizes = (5 + 6) / 6**2 + (5 + 4) / 4**2 + (2 + 2) / 2**2
    pair = ONE_TOO_MANY, REFERENCE
    assert value(pair, "generalized_dice", absent_class=absent_class) == pytest.approx(2 * hits / sizes, rel=1e-14)


@pytest.mark.parametrize(("absent_class", "weight"), [("max", 1 / 2**2), ("ignore", 0)])
def test_the_weight_of_a_false_class_follows_the_rule(absent_class: Any, weight: float) -> None:
    hits = 5 / 6**2 + 4 / 4**2 + 2 / 2**2
    sizes = (5 + 6) / 6**2 + (4 + 4) / 4**2 + (2 + 2) / 2**2 + weight * (1 + 0)
    pair = MADE_UP, REFERENCE
    assert value(pair, "generalized_dice", absent_class=absent_class) == pytest.approx(2 * hits / sizes, rel=1e-14)


def test_a_penalised_false_class_scores_0() -> None:
    assert value((MADE_UP, REFERENCE), "generalized_dice", absent_class="penalise") == 0


@pytest.mark.parametrize("absent_class", ["max", "ignore", "penalise"])
def test_an_absent_class_that_is_not_predicted_costs_nothing(absent_class: Any) -> None:
    pair = REFERENCE, REFERENCE
    assert value(pair, "generalized_dice", absent_class=absent_class, labels={3: "tumour"}) == 1


def test_generalized_dice_ignores_selected_labels_and_regions() -> None:
    pair = ONE_TOO_MANY, REFERENCE
    plain = value(pair, "generalized_dice")
    assert value(pair, "generalized_dice", only=[2], regions={"both": "1,2"}) == plain
    assert value(pair, "generalized_dice", background=True) == plain


@example_of("mean_dice", "mean_iou")
def test_plain_means_over_the_labels_by_hand() -> None:
    pair = ONE_TOO_MANY, REFERENCE
    assert value(pair, "mean_dice") == pytest.approx((8 / 9 + 4 / 4) / 2, rel=1e-14)
    assert value(pair, "mean_iou") == pytest.approx((4 / 5 + 2 / 2) / 2, rel=1e-14)
    assert value(pair, "mean_dice", background=True) == pytest.approx((10 / 11 + 8 / 9 + 4 / 4) / 3, rel=1e-14)
    assert value(pair, "mean_iou", background=True) == pytest.approx((5 / 6 + 4 / 5 + 2 / 2) / 3, rel=1e-14)
    assert value(pair, "mean_dice", only=[1]) == 8 / 9


def test_plain_means_include_false_alarms_but_not_absent_labels() -> None:
    pair = MADE_UP, REFERENCE
    assert value(pair, "mean_dice", labels={7: "spare"}) == pytest.approx((1 + 1 + 0) / 3, rel=1e-14)


BOX = np.zeros((3, 4, 5), int)
BOX[1, 1:3, 1:4] = 1  # 6 of 60 voxels
NONE = np.zeros_like(BOX)
BOX_SPACING = (2.0, 1.0, 0.5)
BOX_ML = 6 * 2.0 * 1.0 * 0.5 / 1000
DIAGONAL = math.sqrt((3 * 2.0) ** 2 + (4 * 1.0) ** 2 + (5 * 0.5) ** 2)

# metric -> both empty, prediction empty, reference empty
EMPTY: dict[str, tuple[float | None, float | None, float | None]] = {
    "dice": (None, 0, 0),
    "iou": (None, 0, 0),
    "sensitivity": (None, 0, None),
    "specificity": (1, 1, 54 / 60),
    "precision": (None, None, 0),
    "npv": (1, 54 / 60, 1),
    "accuracy": (1, 54 / 60, 54 / 60),
    "balanced_accuracy": (None, (0 + 1) / 2, None),
    "fbeta": (None, 0, 0),
    "mcc": (None, None, None),
    "kappa": (None, 0, 0),
    "volume_similarity": (None, 0, 0),
    "volume_error": (0, -BOX_ML, BOX_ML),
    "relative_volume_error": (None, -1, None),
    "tp": (0, 0, 0),
    "fp": (0, 0, 6),
    "fn": (0, 6, 0),
    "tn": (60, 54, 54),
    "prediction_volume": (0, 0, BOX_ML),
    "reference_volume": (0, BOX_ML, 0),
    "assd": (None, DIAGONAL, DIAGONAL),
    "masd": (None, DIAGONAL, DIAGONAL),
    "asd_to_reference": (None, DIAGONAL, DIAGONAL),
    "asd_to_prediction": (None, DIAGONAL, DIAGONAL),
    "hd": (None, DIAGONAL, DIAGONAL),
    "nsd": (None, 0, 0),
    "surface_overlap_of_reference": (None, 0, None),
    "surface_overlap_of_prediction": (None, None, 0),
    "boundary_iou": (None, 0, 0),
    "generalized_dice": (
        1,
        2 * (54 / 54**2) / ((60 + 54) / 54**2 + (0 + 6) / 6**2),
        2 * (54 / 60**2) / ((54 + 60) / 60**2 + 6 / 60**2),
    ),
    "mean_dice": (None, 0, 0),
    "mean_iou": (None, 0, 0),
}
PAIRS = {
    "absent in both": (NONE, NONE),
    "prediction empty": (NONE, BOX),
    "reference empty": (BOX, NONE),
}


def numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """Undefined values as NaN, so that they can be compared with the others."""
    return {name: math.nan if value is None else value for name, value in values.items()}


@pytest.mark.parametrize("case", range(3))
def test_empty_maps_by_hand(case: int) -> None:
    note, pair = list(PAIRS.items())[case]
    results = segeval.score(prediction=pair[0], reference=pair[1], spacing=BOX_SPACING, metrics="all", only=[1])
    found = {row.metric: row.value for row in results.scores}
    expected = {metric: values[case] for metric, values in EMPTY.items()}
    assert set(found) == {name for name, card in METRICS.items() if not card.is_soft} == set(expected)
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-14, nan_ok=True)
    assert {row.note for row in results.scores if row.label == 1} == {note}


def test_a_missed_structure_takes_the_penalty() -> None:
    lengths = [name for name, card in METRICS.items() if card.kind.of_surfaces and card.quantity is Quantity.LENGTH]
    penalties: list[tuple[Any, float | None]] = [("diagonal", DIAGONAL), ("inf", math.inf), ("nan", None), (30, 30.0)]
    for metric in [*lengths, "hd@95"]:
        for pair in (PAIRS["prediction empty"], PAIRS["reference empty"]):
            for penalty, expected in penalties:
                found = value(pair, metric, spacing=BOX_SPACING, penalty=penalty)
                assert found == (pytest.approx(expected) if expected is not None else None)
        assert value(PAIRS["absent in both"], metric, only=[1], penalty=30) is None


def test_the_diagonal_is_that_of_the_whole_grid() -> None:
    reference = np.zeros((50, 60), int)
    reference[20, 20] = 1
    pair = np.zeros_like(reference), reference
    assert value(pair, "hd", spacing=(2, 0.5)) == pytest.approx(math.sqrt((50 * 2) ** 2 + (60 * 0.5) ** 2))


def test_a_structure_that_is_there_is_not_noted() -> None:
    results = segeval.score(prediction=BOX, reference=BOX, metrics="all", spacing=BOX_SPACING)
    assert {row.note for row in results.scores if row.metric != "generalized_dice"} == {None}


def test_another_reason_for_an_undefined_value_is_noted() -> None:
    whole = np.ones((3, 4), int)
    results = segeval.score(prediction=whole, reference=whole, metrics=["specificity", "volume_error"])
    notes = {row.metric: row.note for row in results.scores}
    assert notes["specificity"] == "undefined: R is the whole image"
    assert notes["volume_error"] == "undefined: the image is 2-D or has no physical spacing"


def test_a_label_wholly_in_the_ignored_zone_is_absent() -> None:
    reference = np.array([[9, 9, 0, 1]])
    prediction = np.array([[2, 2, 0, 1]])
    results = segeval.score(prediction=prediction, reference=reference, metrics=["dice"], ignore_label=9, only=[1, 2])
    assert results.value("dice", label=1) == 1
    assert results.value("dice", label=2) is None
    assert {row.note for row in results.scores if row.label == 2} == {"absent in both"}


def test_a_surface_wholly_in_the_ignored_zone_is_noted() -> None:
    # the only border voxels of label 1 in the prediction are ignored; its middle is not
    reference = np.full((3, 3), 9)
    reference[1, 1] = 1
    results = segeval.score(
        prediction=np.ones((3, 3), int), reference=reference, metrics=["assd", "nsd"], ignore_label=9, spacing=(3, 4)
    )
    notes = {row.note for row in results.scores}
    assert notes == {"the prediction's surface lies wholly in the ignored zone"}
    assert results.value("assd", label=1) == pytest.approx(math.sqrt((3 * 3) ** 2 + (3 * 4) ** 2))
    assert results.value("nsd", label=1) == 0


def test_the_background_has_a_surface_but_none_at_the_edge_of_the_image() -> None:
    pair = drawn(". . R P . .")
    # border voxels of label 0 are those beside the voxel: columns 1 and 3 for R, 2 and 4 for P
    assert value(pair, "hd", spacing=(1, 2), background=True, label=0) == 2
    assert value(pair, "assd", spacing=(1, 2), background=True, label=0) == (2 + 2 + 2 + 2) / 4


def test_a_background_that_fills_the_image_has_no_surface_and_no_ignored_zone() -> None:
    empty = np.zeros((3, 4), int)
    single = empty.copy()
    single[1, 1] = 1
    for prediction, expected in ((empty, None), (single, 5.0)):
        results = segeval.score(prediction=prediction, reference=empty, metrics="assd", background=True, only=[0])
        (row,) = results.scores
        assert row.value == expected  # the diagonal of 3 by 4 where one of the two surfaces exists
        assert row.note is not None
        assert "ignored" not in row.note


def test_ignored_voxels_are_dropped_after_the_border_was_found() -> None:
    # label 1 touches the ignored zone, 9: its voxel there is a border voxel, the prediction's in the zone are not
    reference = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 9, 9], [0, 0, 0, 0, 0, 0]])
    prediction = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
    pair = prediction, reference
    assert value(pair, "hd", ignore_label=9) == 0
    assert value(pair, "dice", ignore_label=9) == 1
    assert value(pair, "fp", ignore_label=9) == 0
    assert value(pair, "tn", ignore_label=9) == 18 - 3 - 2


def test_an_ignore_value_that_only_the_prediction_has_is_background() -> None:
    reference = np.array([[0, 1, 1, 0], [0, 0, 0, 0]])
    prediction = np.array([[0, 1, 9, 0], [9, 0, 0, 0]])
    pair = prediction, reference
    assert value(pair, "fn", ignore_label=9) == 1
    assert value(pair, "fp", ignore_label=9) == 0
    assert value(pair, "tp", ignore_label=9, background=True, label=0) == 6


def test_the_pair_on_which_tools_disagree() -> None:
    shape, spacing = (20, 60, 60), (4, 1, 1)
    z, y, x = np.indices(shape)

    def ball(centre: tuple[int, int, int], radius: float) -> Array:
        squares = sum(((i - c) * s) ** 2 for i, c, s in zip((z, y, x), centre, spacing, strict=True))
        return np.asarray(squares <= radius**2).astype(int)

    reference, prediction = ball((9, 28, 28), 14), ball((10, 30, 27), 12)
    prediction[2, 50:53, 50:53] = 1
    pair = prediction, reference
    expected = {"dice": 0.6877, "hd": 30.199, "hd@95": 7.280, "assd": 2.685, "masd": 2.647, "nsd": 0.396}
    for metric, number in expected.items():
        digits = 4 if metric == "dice" else 3
        found = value(pair, metric, spacing=spacing)
        assert found is not None
        assert round(found, digits) == number
    assert value(pair, "asd_to_reference", spacing=spacing) == pytest.approx(2.406, abs=5e-4)
