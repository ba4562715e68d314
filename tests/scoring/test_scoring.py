"""What a plan asks for: regions, chosen labels, suspicions, rows and their order, and the signature."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import segeval
from segeval.errors import InputError, UsageError
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import count_pairs
from segeval.maps.label_map import Grid, as_labels
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.scoring.compare import suspicions
from segeval.scoring.plan import Plan, plan_of

Array = NDArray[Any]

REFERENCE = np.array([[0, 1, 1, 2, 2, 4, 4, 7]])
PREDICTION = np.array([[0, 1, 2, 2, 2, 4, 0, 9]])
NAMES = {1: "liver", 2: "spleen", 4: "left kidney"}


def score(*, prediction: Any = PREDICTION, reference: Any = REFERENCE, **options: Any) -> Results:
    return segeval.score(prediction=prediction, reference=reference, **{"metrics": "dice", **options})


def labels_of(results: Results) -> list[int | str]:
    return list(dict.fromkeys(row.label for row in results.scores))


def test_every_label_of_either_map_has_a_row() -> None:
    assert labels_of(score()) == [1, 2, 4, 7, 9]
    assert labels_of(score(background=True)) == [0, 1, 2, 4, 7, 9]
    assert labels_of(score(ignore_label=7)) == [1, 2, 4]
    assert labels_of(score(labels={3: "pancreas"})) == [1, 2, 3, 4, 7, 9]
    assert labels_of(score(labels={0: "background"})) == [1, 2, 4, 7, 9]


def test_every_label_has_a_row_for_every_metric_in_the_order_of_the_plan() -> None:
    results = score(metrics=["nsd@2", "mean_dice", "dice", "hd"], regions={"all of it": "*"})
    rows = [(row.label, row.metric) for row in results.scores]
    keys = [1, 2, 4, 7, 9, "all of it"]
    assert rows == [(key, metric) for key in keys for metric in ("nsd@2", "dice", "hd")] + [("all", "mean_dice")]
    assert results.metrics == ("nsd@2", "mean_dice", "dice", "hd")


def test_units_follow_the_quantity_and_the_grid() -> None:
    cube = np.ones((2, 2, 2), int)
    metrics = ["dice", "hd", "prediction_volume", "tp", "mean_dice"]
    for spacing, length in (((1, 1, 1), "mm"), (None, "px")):
        results = score(prediction=cube, reference=cube, metrics=metrics, spacing=spacing)
        units = {row.metric: row.unit for row in results.scores}
        assert units == {"dice": None, "hd": length, "prediction_volume": "ml", "tp": "voxels", "mean_dice": None}


def test_values_are_plain_floats() -> None:
    results = score(metrics="all", spacing=(1, 1))
    assert {type(row.value) for row in results.scores} == {float, type(None)}


@pytest.mark.parametrize(
    ("spec", "members"),
    [
        ("1,2", {1, 2}),
        (" 1 , 2 ", {1, 2}),
        ([1, 2], {1, 2}),
        ("1-2", {1, 2}),
        ("1-4", {1, 2, 4}),
        ("1-125", {1, 2, 4, 7, 9}),
        ("*", {1, 2, 4, 7, 9}),
        ("4-7,1", {1, 4, 7}),
        ("5", {5}),
        ("100-200", set()),
    ],
)
def test_a_region_is_the_union_of_its_labels(spec: Any, members: set[int]) -> None:
    results = score(regions={"R": spec}, metrics=["tp", "fp", "fn", "hd"])
    inside = [np.isin(labels, sorted(members)) for labels in (PREDICTION, REFERENCE)]
    expected = {
        "tp": (inside[0] & inside[1]).sum(),
        "fp": (inside[0] & ~inside[1]).sum(),
        "fn": (~inside[0] & inside[1]).sum(),
    }
    assert {name: results.value(name, label="R") for name in expected} == expected


def test_a_star_leaves_out_the_background_and_what_is_ignored() -> None:
    results = score(regions={"R": "*"}, metrics=["tp", "fp"], ignore_label=4, background=True)
    assert results.value("tp", label="R") == 5
    assert results.value("fp", label="R") == 0


@pytest.mark.parametrize("name", ["all", "macro", "pooled", "1", "-1", "12", "", "  "])
def test_a_region_cannot_have_a_reserved_name(name: str) -> None:
    with pytest.raises(UsageError, match="a region cannot be named"):
        score(regions={name: "1,2"})


@pytest.mark.parametrize("name", ["liver", "Left_Kidney"])
def test_a_region_cannot_be_called_like_a_label(name: str) -> None:
    with pytest.raises(UsageError, match="has the name of a label"):
        score(regions={name: "1,2"}, labels=NAMES)


@pytest.mark.parametrize("spec", ["", "1,,2", "liver", "2-1", "1-", "-2", "1.5", "1;2", []])
def test_a_region_takes_numbers_ranges_or_a_star(spec: Any) -> None:
    with pytest.raises(UsageError, match=r"there is no label .* use numbers, ranges such as 1-125"):
        score(regions={"R": spec})


@pytest.mark.parametrize(("spec", "options"), [("0,1", {}), ("0-2,0", {}), ("1,2", {"ignore_label": 2})])
def test_a_region_cannot_hold_what_is_not_scored(spec: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="contains the background or the ignored label"):
        score(regions={"R": spec}, **options)


def test_labels_are_chosen_by_number_or_name() -> None:
    assert labels_of(score(only=2)) == [2]
    assert labels_of(score(only="2")) == [2]
    assert labels_of(score(only=["spleen", 1], labels=NAMES)) == [1, 2]
    assert labels_of(score(only="LEFT_kidney", labels=NAMES)) == [4]
    assert labels_of(score(only=[30])) == [30]


def test_a_chosen_label_that_neither_map_has_is_absent_in_both() -> None:
    (row,) = score(only=[30]).scores
    assert (row.value, row.note) == (None, "absent in both")


def test_a_name_that_is_unknown_is_refused_with_near_ones() -> None:
    with pytest.raises(UsageError, match="no label is called 'livr'; did you mean liver"):
        score(only="livr", labels=NAMES)
    with pytest.raises(UsageError, match="no label is called 'heart'; name labels with --labels"):
        score(only="heart")


def test_a_name_of_two_labels_is_refused() -> None:
    with pytest.raises(UsageError, match="several labels are called 'lung': 1, 2"):
        score(only="lung", labels={1: "lung", 2: "Lung"})


def table_of(prediction: Any, reference: Any) -> Any:
    return count_pairs(
        prediction=as_labels(np.atleast_2d(prediction), source="p"),
        reference=as_labels(np.atleast_2d(reference), source="r"),
    )


def test_maps_without_a_common_label_are_suspicious() -> None:
    (warning,) = suspicions(table_of([1, 2, 0], [5, 6, 0]), {})
    assert "the two maps have no label in common (prediction 1, 2, reference 5, 6)" in warning
    assert "--map-prediction" in warning
    assert "--map-prediction" in warning


@pytest.mark.parametrize(
    ("prediction", "reference", "start"),
    [
        ([0, 255], [0, 1], "the prediction has labels 0 and 255, the reference 0 and 1"),
        ([0, 1], [0, 255], "the reference has labels 0 and 255, the prediction 0 and 1"),
    ],
)
def test_a_mask_of_255_beside_one_of_1_is_suspicious(prediction: Any, reference: Any, start: str) -> None:
    (warning,) = suspicions(table_of(prediction, reference), {})
    assert warning == f"{start}; to match them: --map 255=1"


def test_instance_numbers_are_suspicious() -> None:
    reference = np.arange(20).repeat(4)
    shuffled = np.array([0, *range(19, 0, -1)])[reference]
    (warning,) = suspicions(table_of(shuffled, reference), {})
    assert "object numbers (19 in the prediction, 19 in the reference, 18 of them" in warning
    assert "--region objects=*" in warning
    assert not any("instance" in line for line in suspicions(table_of(shuffled, reference), {1: "liver"}))


@given(st.integers(0, 1000))
def test_labels_of_which_each_lies_mostly_in_the_other_may_be_swapped(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = random.integers(0, 5, 40)
    prediction = np.where(random.random(40) < 0.6, np.array([0, 2, 1, 4, 3])[reference], random.integers(0, 5, 40))

    def lies_in(one: int, other: int) -> bool:
        inside = prediction[reference == one]
        return bool(inside.size) and bool(np.mean(inside == other) > 0.5)

    pairs = [(a, b) for a in range(1, 5) for b in range(a + 1, 5) if lies_in(a, b) and lies_in(b, a)]
    expected = [f"label {a} and label {b} may be swapped: more than half of each lies in the other" for a, b in pairs]
    assert suspicions(table_of(prediction, reference), {}) == expected


def test_swapped_labels_are_named_by_their_names_and_the_rest_counted() -> None:
    reference = np.arange(12)
    prediction = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 11])
    lines = suspicions(table_of(prediction, reference), {1: "left", 2: "right"})
    assert lines[0] == "left and right may be swapped: more than half of each lies in the other"
    assert len(lines) == 5
    assert lines[-1].startswith("1 more pair of labels may be swapped")


def test_the_class_with_most_of_the_weight_of_generalized_dice_is_named() -> None:
    reference = np.array([[0] * 70 + [1] * 20 + [2] * 8 + [3] * 2])
    names = {1: "liver", 3: "duct"}
    results = score(prediction=reference, reference=reference, labels=names, metrics=["generalized_dice", "mean_dice"])
    notes = {row.metric: row.note for row in results.scores}
    share = (1 / 2) / (1 / 70 + 1 / 20 + 1 / 8 + 1 / 2)  # of 2 sum w R, with w = 1 / R^2
    assert notes == {"generalized_dice": f"duct has {share:.0%} of the weight".replace("%", " %"), "mean_dice": None}


def test_what_the_class_with_most_of_the_weight_is_worth() -> None:
    """When the class alone is missed, the generalized Dice loses its share of what a perfect prediction has."""
    reference = np.array([[0] * 70 + [1] * 20 + [2] * 2])
    found = score(prediction=np.where(reference == 2, 0, reference), reference=reference, metrics="generalized_dice")
    value = found.value("generalized_dice")
    share = (1 / 2) / (1 / 70 + 1 / 20 + 1 / 2)
    assert value is not None
    weights = np.array([1 / 70**2, 1 / 20**2, 1 / 2**2])
    lost = 2 * (weights * [70, 20, 0]).sum() / (2 * (weights * [70, 20, 2]).sum())
    assert lost == pytest.approx(1 - share)
    assert value == pytest.approx(2 * (weights * [70, 20, 0]).sum() / (weights * [142, 40, 2]).sum())


def test_of_two_classes_of_one_size_neither_has_most_of_the_weight() -> None:
    reference = np.array([[0] * 5 + [1] * 5])
    (row,) = score(prediction=reference, reference=reference, metrics="generalized_dice").scores
    assert row.note is None


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ([0, 0], [0, 1]),
        ([0, 1], [0, 0]),
        ([0, 0], [0, 0]),
        ([0, 1, 2], [0, 1, 3]),
        ([0, 255], [0, 255]),
        (np.arange(40), np.arange(40)),
        ([0, 1, 2, 3], [0, 2, 3, 1]),
    ],
)
def test_plain_pairs_raise_no_suspicion(prediction: Any, reference: Any) -> None:
    assert suspicions(table_of(prediction, reference), {}) == []


def test_suspicions_stand_beside_the_case() -> None:
    results = score(prediction=REFERENCE + 20, reference=REFERENCE)
    (case,) = results.cases
    assert case.status == "scored"
    assert len(case.warnings) == 1


def test_the_signature_states_the_conventions_and_the_plan() -> None:
    results = score(
        spacing=(2, 0.5),
        penalty=30,
        absent_class="ignore",
        tolerance={"liver": 3},
        background=True,
        ignore_label=7,
        only=["liver", 0],
        labels=NAMES,
        regions={"WT": "1,2"},
        map_prediction={9: 7},
    )
    for part in (
        "2-D, mm",
        "surface voxel, 4-neighbour",
        "percentile directed, linear",
        "penalty 30 mm",
        "absent class ignore",
        "liver=3",
        "background scored",
        "ignored label 7",
        "labels by number",
        "map prediction 9=7",
        "spacing given 0.5 x 2",
        "only liver,0",
        "regions WT=1,2",
        "geometry strict 0.05",
    ):
        assert part in results.signature, part
    assert "\n" not in results.signature


def test_different_plans_have_different_signatures() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"penalty": "inf"},
        {"absent_class": "max", "penalty": "nan"},
        {"absent_class": "penalise"},
        {"tolerance": 2},
        {"tolerance": {"1": 2}},
        {"background": True},
        {"ignore_label": 4},
        {"only": 1},
        {"regions": {"R": "1"}},
        {"map": {9: 7}},
        {"map_reference": {9: 7}},
        {"spacing": (1, 2)},
        {"geometry": "warn"},
        {"geometry_tolerance": 0.5},
        {"match": "names", "labels": dict.fromkeys(range(1, 10), "x") | {n: f"n{n}" for n in range(1, 10)}},
    ]
    signatures = [score(**change).signature for change in changes]
    assert len(set(signatures)) == len(signatures)


def test_a_plan_crosses_a_process_boundary() -> None:
    plan = plan_of(metrics="hd@95", regions={"R": [1, 2]}, tolerance={"liver": 3}, labels=NAMES)
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301  (our own bytes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": "big"}, "penalty must be 'diagonal', 'inf', 'nan', a number"),
        ({"penalty": -1}, "the penalty must be a length of at least 0"),
        ({"penalty": math.nan}, "the penalty must be a length of at least 0"),
        ({"absent_class": "drop"}, "absent_class must be 'max', 'ignore', 'penalise'"),
        ({"tolerance": -1}, "a tolerance must be a length of at least 0"),
        ({"tolerance": math.inf}, "a tolerance must be a length of at least 0"),
        ({"tolerance": {"1": -2}}, "a tolerance must be a length of at least 0"),
        ({"ignore_label": -1}, "2\\*\\*64 - 1, not -1"),
        ({"geometry_tolerance": -1}, "geometry_tolerance must be 0 or more"),
        ({"metrics": []}, "no metric is selected"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score(**options)


@pytest.mark.parametrize(
    "options",
    [{"match": "name"}, {"geometry": "warning"}, {"labels": {-1: "nothing"}}, {"tolerance": {"1": "wide"}}],
)
def test_an_option_with_an_unknown_value_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        score(**options)


def test_a_tolerance_for_a_label_that_is_unknown_is_refused() -> None:
    with pytest.raises(UsageError, match="kidny"):
        score(labels=NAMES, tolerance={"left kidny": 3}, metrics="nsd")


def test_a_tolerance_finds_its_label_as_the_other_options_do() -> None:
    reference = np.array([[1, 0, 0, 2, 0, 0]])
    shifted = np.roll(reference, 1)
    for name in ("left kidney", "Left_Kidney", "1"):
        results = score(
            prediction=shifted,
            reference=reference,
            spacing=(1, 3),
            metrics="nsd",
            labels={1: "left kidney"},
            tolerance={name: 3},
        )
        assert results.value("nsd", label=1) == 1
        assert results.value("nsd", label=2) == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), "expected integers or booleans, found float64"),
        (np.zeros(3, int), "expected 2 or 3 axes"),
        (np.zeros((2, 2, 2, 2), int), "expected 2 or 3 axes"),
        (np.array([[-1, 2]]), "negative ones down to -1"),
        (np.array([["liver"]]), "expected integer labels"),
        (np.zeros((2, 2), complex), "expected integer labels"),
    ],
)
def test_an_array_that_holds_no_labels_is_refused(array: Array, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        score(prediction=array, reference=array)
    assert str(caught.value).startswith("prediction: ")


def test_the_arrays_are_neither_changed_nor_locked() -> None:
    prediction, reference = PREDICTION.astype(np.uint8), REFERENCE.astype(np.uint8)
    before = prediction.copy(), reference.copy()
    score(prediction=prediction, reference=reference, metrics="all", ignore_label=2, map={1: 4}, background=True)
    assert prediction.flags.writeable
    assert reference.flags.writeable
    np.testing.assert_array_equal(prediction, before[0])
    np.testing.assert_array_equal(reference, before[1])


def test_results_answer_by_number_name_and_alias() -> None:
    results = score(labels=NAMES, metrics=["iou", "hd", "mean_iou"])
    assert results.value("jaccard", label="liver") == results.value("iou", label=1) == 1 / 2
    assert results.value("hd@100", label=1) == results.value("hd", label=1)
    assert results.value("mean_iou") is not None
    for metric, label in (("dice", 1), ("iou", 99), ("iou", "all")):
        with pytest.raises(UsageError, match=r"there (is|are) no"):
            results.value(metric, label=label)
    with pytest.raises(UsageError, match="did you mean dice"):
        results.value("dcie")


def test_a_frame_has_a_row_per_score() -> None:
    results = score(labels=NAMES, metrics=["dice", "hd"], only=[1, 30], penalty="inf")
    frame = results.frame()
    assert list(frame.columns) == ["case", "label", "name", "metric", "value", "unit", "note"]
    assert len(frame) == len(results.scores) == 4
    assert frame["value"].dtype == float
    assert math.isnan(frame["value"].iloc[2])
    assert frame["note"].iloc[2] == "absent in both"


def test_the_settings_are_plain_data() -> None:
    settings = score(regions={"R": [1, 2]}, tolerance={"1": 2}, metrics=["jaccard", "hd@95"]).settings
    assert settings["metrics"] == ["iou", "hd@95"]
    assert settings["regions"] == {"R": "1,2"}
    assert settings["label_tolerances"] == {"1": 2.0}
    assert set(Plan().settings()) == set(settings)


def test_scores_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 4, (6, 20, 20))
    prediction = np.roll(reference, 3, axis=2)
    found: list[Scores] = []
    for threads in (1, 2):
        monkeypatch.setattr("segeval.api.threads_for_one", lambda threads=threads: threads)
        monkeypatch.setattr("segeval.evidence.surfaces.nearest.THREADED_VOXELS", 0)
        found.append(score(prediction=prediction, reference=reference, metrics="all", spacing=(2, 1, 1)).scores)
    assert found[0] == found[1]


def test_conventions_say_all_that_they_hold() -> None:
    plain, changed = Conventions(), Conventions(penalty="inf", absent_class="ignore", tolerance=2, background=True)
    assert list(plain.statements({(3, "mm")}).values()) == [
        "3-D, mm",
        "surface voxel, 6-neighbour",
        "percentile directed, linear",
        "penalty diagonal",
        "absent class max",
        "tolerance 1 mm",
    ]
    assert "background scored" in changed.statements({(2, "px")}).values()


@pytest.mark.parametrize("step", [1e-200, 1e200])
def test_a_spacing_that_no_image_has_is_refused(step: float) -> None:
    array = np.eye(4, dtype=np.uint8)
    with pytest.raises(InputError, match="the spacing is not plausible"):
        segeval.score(prediction=array, reference=array, spacing=(step, step))


@pytest.mark.parametrize(
    "options", [{"only": str(10**23)}, {"regions": {"A": str(10**23)}}, {"tolerance": {str(10**23): 1}}]
)
def test_a_label_that_no_array_holds_is_refused(options: dict[str, Any]) -> None:
    array = np.eye(4, dtype=np.uint8)
    with pytest.raises(UsageError, match="labels must be below"):
        segeval.score(prediction=array, reference=array, metrics="hd,nsd", **options)


def test_an_ignored_label_cannot_be_the_only_one() -> None:
    array = np.eye(4, dtype=np.uint8)
    with pytest.raises(UsageError, match="label 1 is in both --only and --ignore-label"):
        segeval.score(prediction=array, reference=array, only=1, ignore_label=1)


def test_the_volume_of_a_sheared_voxel_is_that_of_the_parallelepiped() -> None:
    grid = Grid(shape=(2, 2, 2), spacing=(2.0, 1.0, 1.0), direction=((0, 0, 1), (0.6, 0.8, 0), (1, 0, 0)))
    assert grid.sheared
    assert grid.voxel_volume_mm3 == pytest.approx(1.6)
    assert Grid(shape=(2, 2, 2), spacing=(2.0, 1.0, 1.0)).voxel_volume_mm3 == 2.0
