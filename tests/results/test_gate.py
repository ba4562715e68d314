"""Requirements: how they are read, and how results are checked against them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import segeval
from segeval.errors import UsageError
from segeval.metrics import METRICS, Direction
from segeval.results.columns import CaseCounts, Scores
from segeval.results.gate import OPERATORS, judge, parse_requirement
from segeval.results.results import Results
from segeval.results.run_rows import Verdict

# liver: TP 3, FP 1, FN 0; spleen: TP 2, FP 0, FN 1; label 3 missed; label 4 a false alarm
REFERENCE = np.array([[1, 1, 1, 0, 2, 2, 2, 3, 0, 0]])
PREDICTION = np.array([[1, 1, 1, 1, 2, 2, 0, 0, 0, 4]])
DICE = {"liver": 6 / 7, "spleen": 4 / 5, "3": 0.0, "4": 0.0}


def scored(**options: Any) -> Results:
    chosen: dict[str, Any] = {
        "metrics": ["dice", "hd", "relative_volume_error", "nsd@0.5", "mean_dice", "precision"],
        "labels": {1: "liver", 2: "spleen"},
        "spacing": (1.0, 2.0),
        "regions": {"organs": "1,2"},
    }
    return segeval.score(prediction=PREDICTION, reference=REFERENCE, **{**chosen, **options})


def verdicts(requirement: str, results: Results | None = None) -> list[Verdict]:
    return list(judge([parse_requirement(requirement)], results or scored()))


def passed(requirement: str, results: Results | None = None) -> list[bool]:
    return [verdict.passed for verdict in verdicts(requirement, results)]


@pytest.mark.parametrize(
    ("text", "label", "token", "statistic", "limit"),
    [
        ("dice=0.9", None, "dice", "mean", 0.9),
        ("liver:dice=0.9", "liver", "dice", "mean", 0.9),
        ("liver:hd@95.median=5", "liver", "hd@95", "median", 5),
        ("nsd@0.5=0.9", None, "nsd@0.5", "mean", 0.9),
        ("nsd@0.5.q1=0.9", None, "nsd@0.5", "q1", 0.9),
        ("hd@97.5=4", None, "hd@97.5", "mean", 4),
        ("jaccard.min=.5", None, "iou", "min", 0.5),
        ("dice.n_missed=0", None, "dice", "n_missed", 0),
        ("macro:dice=1", "macro", "dice", "mean", 1),
        ("pooled:dice=1", "pooled", "dice", "mean", 1),
        ("left:lung:dice=1e-1", "left:lung", "dice", "mean", 0.1),
        ("a=b:dice=0.5", "a=b", "dice", "mean", 0.5),
        ("12:dice=0.5", "12", "dice", "mean", 0.5),
        ("nsd@0.5e1=0.9", None, "nsd@5", "mean", 0.9),
    ],
)
def test_a_requirement_is_read(text: str, label: str | None, token: str, statistic: str, limit: float) -> None:
    found = parse_requirement(text)
    assert (found.label, found.metric.token, found.statistic, found.limit) == (label, token, statistic, limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dice", r"--require takes \[LABEL:\]METRIC\[.STATISTIC\]>=VALUE, with >=, <= or =, found"),
        ("dice=", r"--require takes \[LABEL:\]METRIC"),
        ("dice=high", r"--require takes \[LABEL:\]METRIC"),
        ("dice=nan", r"--require takes \[LABEL:\]METRIC"),
        ("dcie=0.9", "did you mean dice"),
        ("dice@2=0.9", "dice takes no number"),
        ("dice.meen=0.9", "unknown statistic 'meen'; use mean, median"),
        ("nsd@0.5.meen=0.9", "unknown statistic 'meen'"),
        ("=0.9", "segeval has no metric ''"),
        ("liver:=0.9", "segeval has no metric ''"),
        ("dice==0.9", "--require takes >=, <= or =, found 'dice==0.9'"),
        ("dice>0.9", "--require takes >=, <= or ="),
        ("dice<0.9", "--require takes >=, <= or ="),
        ("dice=>0.9", "--require takes >=, <= or ="),
        ("dice!=0.9", "--require takes >=, <= or ="),
        ("dice>=90", "'dice>=90' can never hold: dice is between 0 and 1; did you mean dice>=0.90\\?"),
        ("liver:dice=90", "can never hold: dice is between 0 and 1"),
        ("dice<=1.5", "always holds: dice is between 0 and 1$"),
        ("dice>=-1", "always holds"),
        ("mcc>=-1.5", "always holds: mcc is between -1 and 1"),
        ("hd<=-1", "can never hold: hd is 0 or more"),
        ("dice.n_missed<=-1", "can never hold: dice.n_missed is 0 or more"),
        ("dice.sd<=2", "always holds: dice.sd is between 0 and 1"),
        ("relative_volume_error=-0.5", "can never hold"),
    ],
)
def test_a_requirement_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_requirement(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", METRICS)
def test_the_direction_is_that_of_the_card(name: str) -> None:
    requirement = parse_requirement(f"{name}=0.5")
    better = METRICS[name].better
    assert requirement.at_least is (better is Direction.HIGHER)
    assert requirement.met_by(0.5)
    assert requirement.met_by(0.6) is (better is Direction.HIGHER)
    assert requirement.met_by(0.4) is (better is not Direction.HIGHER)
    assert requirement.met_by(-0.6) is (better is Direction.LOWER)
    assert not requirement.met_by(None)
    assert not requirement.met_by(math.nan)
    assert not parse_requirement(f"{name}.n_missed=0").at_least


def test_each_row_is_checked_separately() -> None:
    found = verdicts("dice=0.8")
    assert [(each.requirement, each.passed) for each in found] == [
        ("liver:dice=0.8", True),
        ("spleen:dice=0.8", True),
        ("3:dice=0.8", False),
        ("4:dice=0.8", False),
        ("organs:dice=0.8", True),
    ]
    assert {each.requirement.partition(":")[0]: each.value for each in found[:4]} == pytest.approx(DICE)


@pytest.mark.parametrize("label", ["liver", "Liver", "1"])
def test_a_label_is_named_or_numbered(label: str) -> None:
    (verdict,) = verdicts(f"{label}:dice=0.5")
    assert verdict.requirement == "liver:dice=0.5"
    assert verdict.value == pytest.approx(6 / 7)


def test_a_region_can_be_required() -> None:
    (verdict,) = verdicts("organs:dice=0.5")
    assert verdict.value == pytest.approx(2 * 5 / (2 * 5 + 1 + 1))


def test_equality_passes() -> None:
    assert passed("spleen:dice=0.8") == [True]
    assert passed("liver:hd=2") == [True]
    assert passed("liver:hd=1.99") == [False]


def test_lower_is_better_for_a_distance() -> None:
    assert passed("liver:hd=3") == [True]
    assert passed("liver:hd=1") == [False]


def test_the_absolute_value_of_a_metric_without_a_direction_counts() -> None:
    results = scored()
    assert results.value("relative_volume_error", label="spleen") == pytest.approx(-1 / 3)
    assert passed("spleen:relative_volume_error=0.34", results) == [True]
    assert passed("spleen:relative_volume_error=0.3", results) == [False]
    assert passed("liver:relative_volume_error=0.34", results) == [True]


def test_an_undefined_value_fails() -> None:
    results = scored(penalty="nan")
    assert passed("3:hd=1e9", results) == [False]
    assert passed("3:precision=0", results) == [False]


def test_a_missed_label_fails_by_its_penalty() -> None:
    assert passed("3:hd=10") == [False]
    assert passed("3:hd=1e9", scored(penalty="inf")) == [False]


@pytest.mark.parametrize(
    ("requirement", "value", "met"),
    [
        ("3:dice.n_missed=0", 1, False),
        ("3:dice.n_missed=1", 1, True),
        ("4:dice.n_missed=0", 0, True),
        ("4:dice.n_false_alarm=0", 1, False),
        ("liver:dice.n_false_alarm=0", 0, True),
        ("4:dice.n_undefined=0", 0, True),
        ("3:precision.n_undefined=0", 1, False),
        ("liver:dice.n=2", 1, False),
        ("liver:dice.n=1", 1, True),
        ("liver:dice.n_failed=0", 0, True),
    ],
)
def test_counts_of_cases_are_at_most_and_n_is_at_least(requirement: str, value: float, met: bool) -> None:
    (verdict,) = verdicts(requirement)
    assert (verdict.value, verdict.passed) == (value, met)


def test_macro_is_the_mean_over_labels_without_regions() -> None:
    (verdict,) = verdicts("macro:dice=0.4")
    assert verdict.requirement == "macro:dice=0.4"
    assert verdict.value == pytest.approx(sum(DICE.values()) / 4)
    assert verdict.passed


def test_macro_leaves_out_labels_without_a_value() -> None:
    (verdict,) = verdicts("macro:precision=0.5")
    assert verdict.value == pytest.approx((3 / 4 + 1 + 0) / 3)


def test_pooled_is_each_label_and_no_region() -> None:
    found = verdicts("pooled:dice=0.8")
    assert [each.value for each in found] == pytest.approx(list(DICE.values()))
    assert [each.passed for each in found] == [True, True, False, False]


def test_a_metric_over_all_labels_is_required_without_a_label() -> None:
    (verdict,) = verdicts("mean_dice=0.4")
    assert verdict.requirement == "all:mean_dice=0.4"
    assert verdict.passed
    assert passed("all:mean_dice=0.5") == [False]


def test_an_unknown_label_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no label or region is called 'kidney'.*use liver, spleen, 3, 4, organs"):
        verdicts("kidney:dice=0.5")


def test_a_metric_that_was_not_scored_fails() -> None:
    assert passed("iou=0") == [False]


def test_several_requirements_are_all_checked() -> None:
    found = judge(map(parse_requirement, ["liver:dice=0.5", "spleen:dice=0.99"]), scored())
    assert [each.passed for each in found] == [True, False]


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("mean", 0.5), ("median", 0.4), ("q1", 0.3), ("q3", 0.65), ("min", 0.2), ("max", 0.9)],
)
def test_statistics_are_taken_over_the_cases(statistic: str, expected: float) -> None:
    one = scored(only=[1])
    row = next(each for each in one.scores if each.metric == "dice")
    values = [("a", 0.2), ("b", 0.9), ("c", 0.4), ("d", None)]
    many = replace(
        one,
        cases=tuple(replace(one.cases[0], case=case) for case, _ in values),
        scores=Scores(replace(row, case=case, value=value) for case, value in values),
        counts=CaseCounts(),
    )
    (verdict,) = verdicts(f"liver:dice.{statistic}=0.1", many)
    assert verdict.value == pytest.approx(expected)
    (undefined,) = verdicts("liver:dice.n_undefined=0", many)
    assert undefined.value == 1


def test_labels_with_the_same_name_are_judged_separately() -> None:
    reference = np.zeros((6, 8), np.uint8)
    reference[1:3, 1:7], reference[4, 1:7] = 1, 2
    prediction = reference.copy()
    prediction[4, 3:7] = 0
    results = segeval.score(
        prediction=prediction, reference=reference, metrics="dice", labels={1: "kidney", 2: "kidney"}
    )
    for text in ("dice=0.7", "kidney:dice=0.7"):
        verdicts = judge([parse_requirement(text)], results)
        assert [(each.requirement, each.passed) for each in verdicts] == [
            ("kidney (1):dice=0.7", True),
            ("kidney (2):dice=0.7", False),
        ]


def test_a_mean_over_labels_of_a_metric_over_all_labels_is_refused() -> None:
    with pytest.raises(
        UsageError, match="macro is a mean over labels, and generalized_dice is one value over all labels"
    ):
        parse_requirement("macro:generalized_dice=0.9")


def test_a_known_label_that_was_never_scored_fails_without_an_error() -> None:
    one = scored()
    nothing = replace(
        one,
        cases=(replace(one.cases[0], status="failed"),),
        scores=Scores(),
        counts=CaseCounts(),
    )
    for requirement in ("liver:dice=0.5", "organs:dice=0.5", "1:dice=0.5", "kidney:dice=0.5"):
        assert [(each.value, each.passed) for each in verdicts(requirement, nothing)] == [(None, False)]
    assert passed("liver:iou=0.5") == [False]


def test_regions_alone_are_pooled_but_have_no_mean_over_labels() -> None:
    regions = scored(only=["organs"], metrics=["dice"])
    assert passed("pooled:dice=0.5", regions) == [True]
    with pytest.raises(UsageError, match="macro is a mean over labels, but only regions are scored"):
        verdicts("macro:dice=0.5", regions)


@pytest.mark.parametrize("text", ["hd=inf", "dice=1e400", "hd=-inf", "hd=nan"])
def test_a_limit_is_a_finite_number(text: str) -> None:
    with pytest.raises(UsageError, match="--require takes"):
        parse_requirement(text)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("statistic", ["mean", "max", "n_missed", "n"])
def test_every_operator_compares_as_written(name: str, operator: str, statistic: str) -> None:
    """Compared with a plain comparison; an upper bound of a metric without a direction is on its absolute value."""
    requirement = parse_requirement(f"{name}.{statistic}{operator}0.5")
    is_count, better = statistic.startswith("n"), METRICS[name].better
    upwards = statistic == "n" if is_count else better is Direction.HIGHER
    for value in (-0.75, -0.5, 0.0, 0.25, 0.5, 0.75, 3.0):
        size = abs(value) if better is Direction.NEITHER and not is_count else value
        expected = {">=": value >= 0.5, "<=": size <= 0.5, "=": value >= 0.5 if upwards else size <= 0.5}[operator]
        assert requirement.met_by(value) is expected, value
    assert not requirement.met_by(None)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("hd>=5", "hd>=5 needs hd of at least 5, but lower is better; did you mean hd<=5?"),
        (
            "dice.min<=0.5",
            "dice.min<=0.5 needs dice.min of at most 0.5, but higher is better; did you mean dice.min>=0.5?",
        ),
        (
            "dice.n_missed>=1",
            "dice.n_missed>=1 needs dice.n_missed of at least 1, but lower is better; did you mean dice.n_missed<=1?",
        ),
        ("hd<=5", ""),
        ("hd=5", ""),
        ("dice>=0.5", ""),
        ("dice.n>=3", ""),
        ("relative_volume_error<=0.1", ""),
        ("relative_volume_error>=-0.1", ""),
    ],
)
def test_an_operator_against_the_direction_has_a_remark(text: str, remark: str) -> None:
    assert parse_requirement(text).remark == remark


def test_a_verdict_keeps_the_operator() -> None:
    found = verdicts("hd>=2")
    assert [(each.requirement, each.passed) for each in found][:2] == [("liver:hd>=2", True), ("spleen:hd>=2", True)]
    (verdict,) = verdicts("a<b=c:dice>=0.8", replace(scored(), names={9: "a<b=c"}))
    assert verdict.requirement == "a<b=c:dice>=0.8"
    assert parse_requirement(verdict.requirement) == parse_requirement("a<b=c:dice>=0.8")


def test_a_count_of_cases_has_no_worst_case() -> None:
    two = replace(scored(), cases=(scored().cases[0], replace(scored().cases[0], case="other", status="failed")))
    assert {verdict.worst_case for verdict in verdicts("dice>=0.99", two)} != {None}
    assert {verdict.worst_case for verdict in verdicts("dice.n_missed=0", two)} == {None}


def test_the_mean_of_tables_is_called_macro_in_requirements() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'macro:dice>=0\.7'"):
        parse_requirement("mean:dice>=0.7")
