"""Files for other systems: computed by hand for a tiny run, and for a run with names that break careless readers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segeval.maps.label_map import Grid, LabelMap
from segeval.reports.exports import to_grand_challenge, to_nnunet
from segeval.reports.writers import EXPORTS
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from segeval.results.run_rows import Summary, Verdict
from segeval.scoring.case import Case, Outcome
from segeval.scoring.cases import collect, score_maps
from segeval.scoring.plan import plan_of

SEED = 21
SCORED = ("=1+1", "a.b", "a_b", "<img src=x onerror=alert(1)>", "plain")
LOST = (
    CaseRecord(
        case="::error::x",
        status="failed",
        prediction="p/::error::x.nii",
        reference="r/x.nii",
        message='cut short\n::error::y <b> & "z"',
    ),
    CaseRecord(case="@SUM(A1)", status="missing", prediction=None, reference="=r/b.nii", message="there is none"),
    CaseRecord(case="two\nlines", status="skipped", prediction=None, reference="r/\x07\x1b[31mc.nii"),
)
METRIC_TOKENS = ["dice", "hd@95", "nsd@0.5", "tp", "volume_error", "mean_dice"]


def pair(prediction: Any, reference: Any) -> tuple[LabelMap, LabelMap]:
    arrays = [np.asarray(each, np.uint8) for each in (prediction, reference)]
    grid = Grid(shape=arrays[0].shape, spacing=(1.0,) * arrays[0].ndim, unit="mm")
    return (
        LabelMap(labels=arrays[0], grid=grid, source="prediction"),
        LabelMap(labels=arrays[1], grid=grid, source="reference"),
    )


def run_of(maps: dict[str, tuple[Any, Any]], *, lost: tuple[CaseRecord, ...] = (), **options: Any) -> Results:
    """Score each case's prediction and reference, given as arrays, and summarise them."""
    plan = plan_of(**options)
    outcomes = [
        score_maps(*pair(*both), plan, case=Case(name=name, prediction=f"p/{name}", reference=f"r/{name}"))
        for name, both in maps.items()
    ]
    return collect([*outcomes, *(Outcome(record=record) for record in lost)], plan)


def hostile() -> Results:
    """Cases of each status, infinite and undefined scores, and names that need escaping."""
    random = np.random.default_rng(SEED)
    maps = {}
    for place, name in enumerate(SCORED):
        reference = random.integers(0, 5, (4, 5, 6))
        prediction = np.where(random.random(reference.shape) < 0.3, random.integers(0, 5, reference.shape), reference)
        if place == 1:
            prediction[prediction == 2] = 0  # missed: an infinite distance
        if place == 2:
            prediction[prediction == 3], reference[reference == 3] = 0, 0  # in neither
        maps[name] = prediction, reference
    results = run_of(
        maps,
        lost=LOST,
        metrics=METRIC_TOKENS,
        labels={1: "=1+1", 2: '<b>&"x"</b>', 3: "a.b", 4: "a_b"},
        regions={"whole": "1,2"},
        penalty="inf",
    )
    return replace(
        results,
        gate=(
            Verdict(requirement="=1+1:dice=0.1", value=0.5, passed=True),
            Verdict(requirement="a.b:hd@95=4", value=math.inf, passed=False, worst_case="a.b"),
            Verdict(requirement="a_b:dice=0.9", value=None, passed=False),
        ),
        warnings=("no reference for ::warning::x, 100 %\nof it",),
    )


def nnunet(results: Results) -> Any:
    return json.loads("".join(to_nnunet(results)))


def grand_challenge(results: Results) -> Any:
    return json.loads("".join(to_grand_challenge(results)))


def tiny() -> dict[str, tuple[Any, Any]]:
    # label 1: TP 2, FP 1, FN 0, TN 3; label 2: TP 1, FP 0, FN 1, TN 4
    first = [[1, 1, 1], [0, 2, 0]], [[1, 1, 2], [0, 2, 0]]
    # label 1: TP 1, FP 0, FN 1, TN 4; label 2 is in neither
    second = [[1, 0, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 0]]
    return {"one": first, "two": second}


def test_nnunet_by_hand() -> None:
    document = nnunet(run_of(tiny(), lost=LOST))
    one_1 = {"Dice": 4 / 5, "IoU": 2 / 3, "TP": 2, "FP": 1, "FN": 0, "TN": 3, "n_pred": 3, "n_ref": 2}
    one_2 = {"Dice": 2 / 3, "IoU": 1 / 2, "TP": 1, "FP": 0, "FN": 1, "TN": 4, "n_pred": 1, "n_ref": 2}
    two_1 = {"Dice": 2 / 3, "IoU": 1 / 2, "TP": 1, "FP": 0, "FN": 1, "TN": 4, "n_pred": 1, "n_ref": 2}
    two_2 = {"Dice": None, "IoU": None, "TP": 0, "FP": 0, "FN": 0, "TN": 6, "n_pred": 0, "n_ref": 0}
    mean_1 = {
        "Dice": (4 / 5 + 2 / 3) / 2,
        "IoU": (2 / 3 + 1 / 2) / 2,
        "TP": 1.5,
        "FP": 0.5,
        "FN": 0.5,
        "TN": 3.5,
        "n_pred": 2.0,
        "n_ref": 2.0,
    }
    mean_2 = {"Dice": 2 / 3, "IoU": 1 / 2, "TP": 0.5, "FP": 0.0, "FN": 0.5, "TN": 5.0, "n_pred": 0.5, "n_ref": 1.0}
    assert document == {
        "foreground_mean": {name: (mean_1[name] + mean_2[name]) / 2 for name in mean_1},
        "mean": {"1": mean_1, "2": mean_2},
        "metric_per_case": [
            {"metrics": {"1": one_1, "2": one_2}, "prediction_file": "p/one", "reference_file": "r/one"},
            {"metrics": {"1": two_1, "2": two_2}, "prediction_file": "p/two", "reference_file": "r/two"},
        ],
    }


def test_nnunet_has_the_layout_of_json_dump() -> None:
    text = "".join(to_nnunet(run_of(tiny())))
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=4) + "\n"
    assert '"TP": 1.5,' in text
    assert '"TP": 2,' in text
    assert '"FP": 0.0,' in text


def test_nnunet_background_is_not_foreground() -> None:
    document = nnunet(run_of(tiny(), background=True))
    assert set(document["mean"]) == {"0", "1", "2"}
    # label 0: TP 2, FP 0, FN 0, TN 4, then TP 4, FP 1, FN 0, TN 1
    assert document["mean"]["0"]["TP"] == 3.0
    assert document["foreground_mean"]["TP"] == (1.5 + 0.5) / 2


def test_nnunet_label_without_a_mean_leaves_none_over_labels() -> None:
    document = nnunet(run_of(tiny(), labels={1: "a", 2: "b", 7: "c"}))
    assert document["mean"]["7"]["Dice"] is None
    assert document["mean"]["7"]["TN"] == 6.0
    assert document["foreground_mean"]["Dice"] is document["foreground_mean"]["IoU"] is None
    assert document["foreground_mean"]["TP"] == (1.5 + 0.5 + 0.0) / 3


def test_nnunet_regions_are_called_by_their_numbers() -> None:
    regions = {"both": "1, 2", "range": "1-3", "one": "1", "every": "*", "named": "first", "again": "1,2"}
    document = nnunet(run_of(tiny(), labels={1: "first"}, regions=regions))
    assert list(document["mean"]) == sorted(["1", "2", "(1, 2)", "(1, 2, 3)", "(1,)", "every", "named", "(1, 2)_2"])
    # 1 and 2 together in the first case: TP 4, FP 0, FN 0; in the second that of label 1
    assert document["mean"]["(1, 2)"]["Dice"] == (1 + 2 / 3) / 2
    assert document["mean"]["(1, 2)_2"] == document["mean"]["(1, 2)"]


def test_nnunet_region_of_very_many_numbers_has_its_name() -> None:
    results = run_of(tiny(), regions={"huge": "1-99999999999"}, only=["huge"])
    assert list(nnunet(results)["mean"]) == ["huge"]


def test_nnunet_voxels_that_are_ignored_count_nowhere() -> None:
    # label 2 of the reference is ignored: 4 voxels of the first case are left, 6 of the second
    document = nnunet(run_of(tiny(), ignore_label=2))
    counts = document["metric_per_case"][0]["metrics"]["1"]
    assert (counts["TP"], counts["FP"], counts["FN"], counts["TN"]) == (2, 0, 0, 2)


def test_nnunet_case_against_an_empty_prediction() -> None:
    results = run_of(tiny())
    results = replace(results, cases=(replace(results.cases[0], prediction=None), results.cases[1]))
    assert nnunet(results)["metric_per_case"][0]["prediction_file"] == ""


def test_nnunet_of_nothing_scored() -> None:
    document = nnunet(run_of({}, lost=LOST))
    assert document["mean"] == {}
    assert document["metric_per_case"] == []
    assert set(document["foreground_mean"].values()) == {None}


def test_nnunet_names_are_data() -> None:
    document = nnunet(hostile())
    assert [each["reference_file"] for each in document["metric_per_case"]] == [f"r/{name}" for name in SCORED]
    assert set(document["mean"]) == {"1", "2", "3", "4", "(1, 2)"}


def keys_of(value: object) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [*value, *(key for each in value.values() for key in keys_of(each))]


def leaves_of(value: object) -> list[object]:
    return [leaf for each in value.values() for leaf in leaves_of(each)] if isinstance(value, dict) else [value]


def test_grand_challenge_paths_lead_to_numbers() -> None:
    document = grand_challenge(hostile())
    assert not [key for key in keys_of(document) if "." in key or not key]
    for leaf in leaves_of(document):
        assert leaf is None or (isinstance(leaf, (int, float)) and type(leaf) is not bool and math.isfinite(leaf))


def test_grand_challenge_values_are_those_of_the_summary() -> None:
    results = hostile()
    aggregates = grand_challenge(results)["aggregates"]
    assert set(aggregates) == {"cases", "dice", "hd@95", "nsd@0_5", "tp", "volume_error", "mean_dice"}
    assert aggregates["cases"] == {"total": 8, "scored": 5, "failed": 1, "missing": 1, "skipped": 1}
    labels = {1: "=1+1", 2: '<b>&"x"</b>', 3: "a_b_2", 4: "a_b", "whole": "whole", "all": "all"}

    def found(row: Summary) -> dict[str, Any]:
        of_metric = aggregates[row.metric.replace(".", "_")]
        if row.label is None:
            return dict(of_metric[row.aggregate])
        return dict((of_metric["pooled"] if row.aggregate == "pooled" else of_metric)[labels[row.label]])

    assert {row.aggregate for row in results.summary} == {"cases", "macro", "pooled", "macro_pooled"}
    for row in results.summary:
        for statistic, value in found(row).items():
            expected = getattr(row, statistic)
            assert value == (None if expected is not None and math.isinf(expected) else expected)
    assert aggregates["hd@95"]['<b>&"x"</b>']["max"] is None
    assert aggregates["dice"]["macro"]["n_failed"] == 1


def test_grand_challenge_cases() -> None:
    results = hostile()
    cases = grand_challenge(results)["case"]
    assert list(cases) == [
        "=1+1",
        "a_b_2",
        "a_b",
        "<img src=x onerror=alert(1)>",
        "plain",
        "::error::x",
        "@SUM(A1)",
        "two\\nlines",
    ]
    assert cases["a_b"]["dice"]["a_b"] == results.value("dice", label=4, case="a_b")
    assert cases["a_b_2"]["dice"]["a_b_2"] == results.value("dice", label=3, case="a.b")
    assert cases["a_b"]["dice"]["a_b_2"] is None
    assert cases["a_b_2"]["hd@95"]['<b>&"x"</b>'] is None
    assert type(cases["plain"]["tp"]["whole"]) is int
    assert cases["plain"]["mean_dice"] == {"all": results.value("mean_dice", case="plain")}
    assert cases["@SUM(A1)"] == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({1: "lung", 2: "lung"}, {"1", "2"}),
        ({1: "lung"}, {"lung", "2"}),
        ({1: "macro", 2: "macro_pooled"}, {"1", "2"}),
        ({1: "pooled", 2: "all"}, {"1", "2"}),
        ({1: "2"}, {"1", "2"}),
        ({1: "a.b", 2: "a_b"}, {"a_b_2", "a_b"}),
        ({1: "x\ny", 2: "x\\ny"}, {"x\\ny_2", "x\\ny"}),
        ({1: "1"}, {"1", "2"}),
    ],
)
def test_grand_challenge_labels(names: dict[int, str], expected: set[str]) -> None:
    document = grand_challenge(run_of(tiny(), metrics="dice", labels=names))
    dice = document["aggregates"]["dice"]
    assert dice.keys() == expected | {"macro", "pooled", "macro_pooled"}
    assert dice["pooled"].keys() == document["case"]["one"]["dice"].keys() == expected
    assert dice["pooled"]["1" if "1" in expected else next(iter(document["case"]["one"]["dice"]))]["mean"] == 6 / 8


def test_grand_challenge_region_named_like_an_aggregate() -> None:
    document = grand_challenge(run_of(tiny(), metrics="dice", regions={"macro_pooled": "1,2"}))
    assert document["case"]["one"]["dice"].keys() == {"1", "2", "macro_pooled_2"}


def test_grand_challenge_groups_are_left_out() -> None:
    results = run_of(tiny(), metrics="dice")
    cases = tuple(replace(record, groups={"site": record.case}) for record in results.cases)
    grouped = replace(results, cases=cases)
    assert len(grouped.summary) > len(results.summary)
    assert grand_challenge(grouped) == grand_challenge(results)


def test_exports_are_the_same_each_time_and_ascii_or_utf8() -> None:
    for export in EXPORTS.values():
        text = "".join(export.parts(hostile()))
        assert text == "".join(export.parts(hostile()))
        assert text.encode("utf-8").endswith(b"}\n")
