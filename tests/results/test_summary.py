"""Scores over cases, compared with pandas, NumPy's own statistics, and a bootstrap that draws cases one by one."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segeval.maps.label_map import Grid, LabelMap
from segeval.reports.csv_files import to_csv
from segeval.results import intervals
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, Score
from segeval.results.run_rows import Summary
from segeval.scoring.case import Case, Outcome
from segeval.scoring.cases import collect, score_maps
from segeval.scoring.plan import plan_of

COUNTED = ["dice", "sensitivity", "specificity", "precision", "iou"]


def label_map(labels: Any, spacing: tuple[float, ...] = (1.0, 1.0)) -> LabelMap:
    array = np.asarray(labels, np.uint8)
    return LabelMap(labels=array, grid=Grid(shape=array.shape, spacing=spacing, unit="mm"), source="x")


def outcome(name: str, prediction: Any, reference: Any, **options: Any) -> Outcome:
    case = Case(name=name, prediction=f"p/{name}", reference=f"r/{name}")
    return score_maps(label_map(prediction), label_map(reference), plan_of(**options), case=case)


def lost(name: str, status: Any) -> Outcome:
    return Outcome(record=CaseRecord(case=name, status=status, prediction=None, reference=name, message="why"))


def random_run(seed: int, *, cases: int, kinds: int = 3, **options: Any) -> Results:
    random = np.random.default_rng(seed)
    options = {"metrics": ["dice", "sensitivity", "hd@95", "mean_dice", "specificity"], **options}
    found = []
    for number in range(cases):
        reference = random.integers(0, kinds + 1, (7, 8)) * (random.random((7, 8)) < 0.6)
        reference[reference == random.integers(0, kinds + 1)] = 0
        prediction = np.where(random.random((7, 8)) < 0.8, reference, random.integers(0, kinds + 1, (7, 8)))
        found.append(outcome(f"case_{number:03}", prediction, reference, **options))
    return collect(found, plan_of(**options))


def row_of(results: Results, metric: str, label: int | str | None, aggregate: str = "cases", **group: str) -> Summary:
    (row,) = [
        row
        for row in results.summary
        if (row.metric, row.label, row.aggregate) == (metric, label, aggregate)
        and (row.by, row.group) == (group.get("by"), group.get("group"))
    ]
    return row


def test_a_worked_example() -> None:
    """Label 1 in four cases: found, missed, absent without a row, a false alarm; and two cases that were not scored."""
    found = [
        outcome("a", [[1, 1, 1, 0]], [[1, 1, 0, 0]], metrics=["dice", "precision", "hd"]),
        outcome("b", [[0, 0, 0, 0]], [[1, 0, 0, 0]], metrics=["dice", "precision", "hd"]),
        outcome("c", [[2, 0, 0, 0]], [[2, 0, 0, 0]], metrics=["dice", "precision", "hd"]),
        outcome("d", [[1, 0, 0, 0]], [[0, 0, 0, 0]], metrics=["dice", "precision", "hd"]),
        lost("e", "failed"),
        lost("f", "missing"),
        lost("g", "skipped"),
    ]
    results = collect(found, plan_of(metrics=["dice", "precision", "hd"]))
    dice = row_of(results, "dice", 1)
    assert (dice.n, dice.n_undefined, dice.n_absent) == (3, 0, 1)
    assert (dice.n_missed, dice.n_false_alarm) == (1, 1)
    assert (dice.n_failed, dice.n_missing, dice.n_skipped) == (1, 1, 1)
    assert dice.mean == pytest.approx(0.8 / 3)
    assert (dice.min, dice.median, dice.max) == (0.0, 0.0, 0.8)
    assert dice.q3 == pytest.approx(0.4)
    assert dice.sd == pytest.approx(math.sqrt(((0.8 - 0.8 / 3) ** 2 + 2 * (0.8 / 3) ** 2) / 2))
    assert dice.worst_case == "b"
    precision = row_of(results, "precision", 1)
    assert (precision.n, precision.n_undefined, precision.n_missed, precision.n_false_alarm) == (2, 1, 0, 1)
    assert precision.worst_case == "d"
    diagonal = math.sqrt(1 + 16)
    hd = row_of(results, "hd", 1)
    assert hd.mean == pytest.approx((1 + 2 * diagonal) / 3)
    assert (hd.unit, hd.worst_case) == ("mm", "b")
    # TP 2, FP 1 and 1, FN 1 in all; case c has no voxels of the label
    pooled = row_of(results, "dice", 1, "pooled")
    assert (pooled.mean, pooled.n, pooled.n_failed) == (2 * 2 / (2 * 2 + 2 + 1), 4, 1)
    assert row_of(results, "dice", None, "macro").mean == pytest.approx((0.8 / 3 + 1) / 2)
    assert row_of(results, "dice", None, "macro_pooled").mean == pytest.approx((4 / 7 + 1) / 2)
    assert not [row for row in results.summary if row.metric == "hd" and row.aggregate == "pooled"]


def test_the_denominators_add_up_to_the_references() -> None:
    results = random_run(3, cases=30, kinds=6)
    extra = [lost("x", "failed"), lost("y", "missing"), lost("z", "skipped")]
    results = replace(results, cases=(*results.cases, *(each.record for each in extra)))
    for row in results.summary:
        if row.aggregate in ("cases", "pooled"):
            total = row.n + row.n_undefined + row.n_absent + row.n_failed + row.n_missing + row.n_skipped
            assert total == len(results.cases)
            assert row.n_missed + row.n_false_alarm <= row.n


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [None, {"1": 3.0, "3": 0.0}])
def test_the_mean_where_found_is_over_the_rows_without_a_note(seed: int, weight: dict[str, float] | None) -> None:
    options: dict[str, Any] = {} if weight is None else {"weight": weight}
    results = random_run(seed, cases=9, **options)
    frame = results.frame()
    assert (frame.note == "reference empty").any()
    for metric in ("dice", "hd@95", "mean_dice"):
        of_metric = frame[(frame.metric == metric) & frame.note.isna()]
        by_label = of_metric.groupby("label").value.mean()
        for label, mean in by_label.items():
            assert row_of(results, metric, label).mean_found == pytest.approx(mean, rel=1e-12)  # type: ignore[arg-type]
        if metric != "mean_dice":
            weights = [1.0 if weight is None else weight.get(str(label), 1.0) for label in by_label.index]
            expected = np.average(by_label, weights=weights)
            assert row_of(results, metric, None, "macro").mean_found == pytest.approx(expected, rel=1e-12)
    assert all(row.mean_found is None for row in results.summary if row.aggregate in ("pooled", "macro_pooled"))


def test_a_missed_label_is_not_in_the_mean_where_found() -> None:
    cases = [outcome("a", [[1, 0]], [[1, 1]]), outcome("b", [[0, 0]], [[1, 1]])]
    row = row_of(collect(cases, plan_of(metrics="dice")), "dice", 1)
    assert row.mean == pytest.approx(1 / 3)
    assert row.mean_found == pytest.approx(2 / 3)
    row = row_of(collect(cases[1:], plan_of(metrics="dice")), "dice", 1)
    assert (row.mean, row.mean_found) == (0.0, None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_mean_equals_that_of_the_csv_in_pandas(seed: int) -> None:
    results = random_run(seed, cases=133)
    frame = pd.read_csv(io.StringIO("".join(to_csv(results))), dtype={"label": str})
    for row in results.summary:
        if row.aggregate == "cases":
            column = frame.loc[frame["label"] == str(row.label), row.metric]
            assert row.mean == column.mean()
            assert row.n == column.count()
            assert row.sd == pytest.approx(column.std())
            assert [row.min, row.max] == [column.min(), column.max()]
            assert [row.q1, row.median, row.q3] == pytest.approx(column.quantile([0.25, 0.5, 0.75]).tolist())


def test_intervals_equal_those_of_drawing_cases_one_by_one() -> None:
    results = random_run(11, cases=25)
    names = [record.case for record in results.cases]
    frame = results.frame()
    drawn = np.random.RandomState(25).randint(25, size=(2000, 25))
    means: dict[tuple[Any, str], list[float]] = {}
    macros: list[float] = []
    by_label = {
        (group["label"].iloc[0], str(group["metric"].iloc[0])): group.set_index("case")["value"]
        .reindex(names)
        .to_numpy()
        for _, group in frame.groupby(["label", "metric"])
    }
    for draw in drawn:
        for key, column in by_label.items():
            chosen = column[draw]
            means.setdefault(key, []).append(np.nanmean(chosen) if not np.isnan(chosen).all() else math.nan)
        macros.append(float(np.nanmean([means[label, "dice"][-1] for label in (1, 2, 3)])))
    for (label, metric), values in means.items():
        row = row_of(results, metric, label)
        low, high = np.nanpercentile(values, [2.5, 97.5])
        assert [row.ci_low, row.ci_high] == pytest.approx([low, high], rel=1e-9)
    macro = row_of(results, "dice", None, "macro")
    assert [macro.ci_low, macro.ci_high] == pytest.approx(np.percentile(macros, [2.5, 97.5]).tolist(), rel=1e-9)


def test_pooled_intervals_equal_those_of_summed_counts() -> None:
    results = random_run(5, cases=12)
    drawn = np.random.RandomState(12).randint(12, size=(2000, 12))
    totals: dict[str, tuple[int, int, int, int]] = {
        row.case: (row.tp, row.fp, row.fn, row.tn) for row in results.counts if row.label == 2
    }
    counts = np.array([totals.get(record.case, (0, 0, 0, record.voxels)) for record in results.cases])
    tp, fp, fn, tn = counts[drawn].sum(axis=1).T
    for metric, values in {"dice": 2 * tp / (2 * tp + fp + fn), "specificity": tn / (tn + fp)}.items():
        row = row_of(results, metric, 2, "pooled")
        assert [row.ci_low, row.ci_high] == pytest.approx(np.percentile(values, [2.5, 97.5]).tolist(), rel=1e-12)


@pytest.mark.slow
def test_intervals_cover_the_mean_as_often_as_they_claim() -> None:
    """For 400 samples of 60 from a skewed distribution, a percentile interval covers the mean a little under 95 %."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        values = random.beta(8, 2, 60)
        results = replace(random_run(0, cases=0), metrics=("dice",), cases=records(60), scores=rows(values))
        row = row_of(results, "dice", 1)
        assert row.ci_low is not None
        assert row.ci_high is not None
        covered += row.ci_low <= 0.8 <= row.ci_high
    assert 0.91 <= covered / 400 <= 0.98


def records(number: int) -> tuple[CaseRecord, ...]:
    return tuple(
        CaseRecord(
            case=f"{place:05}", status="scored", prediction="p", reference="r", shape=(4, 4), unit="mm", voxels=16
        )
        for place in range(number)
    )


def rows(values: Any, *, metric: str = "dice", label: int | str = 1) -> Scores:
    return Scores(
        Score(
            case=f"{place:05}",
            label=label,
            name=None,
            metric=metric,
            value=None if math.isnan(value) else float(value),
            unit=None,
            note=None,
        )
        for place, value in enumerate(np.asarray(values, float))
    )


@given(st.lists(st.floats(0, 1) | st.just(math.nan), min_size=2, max_size=40))
def test_laws(values: list[float]) -> None:
    """Statistics are between the extremes for any values; one value has no interval; the worst value is the lowest."""
    results = replace(random_run(0, cases=0), metrics=("dice",), cases=records(len(values)), scores=rows(values))
    row = row_of(results, "dice", 1)
    defined = [value for value in values if not math.isnan(value)]
    assert row.n == len(defined)
    if not defined:
        assert (row.mean, row.ci_low, row.worst_case) == (None, None, None)
        return
    assert row.mean == pytest.approx(math.fsum(defined) / len(defined))
    assert row.worst_case == f"{values.index(min(defined)):05}"
    if len(defined) > 1:
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert min(defined) - 1e-9 <= row.ci_low <= row.ci_high <= max(defined) + 1e-9
    else:
        assert (row.sd, row.ci_low, row.ci_high) == (None, None, None)


def test_the_order_of_addition_changes_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only whole numbers are multiplied, so results do not depend on libraries or threads."""
    random = np.random.default_rng(1)
    values = random.random((90, 4)) * [1, 1e-7, 1e9, 3]
    exact, steps = intervals._exact(values)
    assert np.array_equal(exact, np.rint(exact))
    assert np.abs(exact * steps / values - 1).max() < 1e-9
    weights = next(intervals._weights(90))
    assert weights.sum(axis=1).tolist() == [90.0] * len(weights)
    whole = [
        [sum(int(w) * int(v) for w, v in zip(row, column, strict=True)) for column in exact.T] for row in weights[:5]
    ]
    assert (weights[:5] @ exact).tolist() == [list(map(float, row)) for row in whole]
    one = random_run(2, cases=40)
    monkeypatch.setattr(intervals, "DRAWN_AT_ONCE", 40 * 7)
    assert one.summary == one.summary


def test_infinite_distances_are_counted() -> None:
    values = [1.0, math.inf, 2.0, 3.0]
    results = replace(random_run(0, cases=0), metrics=("hd",), cases=records(4), scores=rows(values, metric="hd"))
    row = row_of(results, "hd", 1)
    assert (row.n, row.mean, row.max, row.min) == (4, math.inf, math.inf, 1.0)
    assert (row.sd, row.ci_low, row.ci_high) == (None, None, None)
    assert (row.median, row.q3) == (2.5, math.inf)
    assert row.worst_case == "00001"


@pytest.mark.parametrize(
    ("metric", "values", "worst"),
    [("dice", [0.4, 0.2, 0.9], 1), ("hd", [4, 2, 9], 2), ("relative_volume_error", [0.4, -0.6, 0.5], 1)],
)
def test_the_worst_case_follows_the_direction_of_the_metric(metric: str, values: list[float], worst: int) -> None:
    results = replace(random_run(0, cases=0), metrics=(metric,), cases=records(3), scores=rows(values, metric=metric))
    assert row_of(results, metric, 1).worst_case == f"{worst:05}"


def test_groups_are_summarised_separately() -> None:
    results = random_run(4, cases=10)
    sites = ["A" if number % 3 else "B" for number in range(10)]
    cases = tuple(replace(record, groups={"site": site}) for record, site in zip(results.cases, sites, strict=True))
    grouped = replace(results, cases=cases)
    assert [row for row in grouped.summary if row.by is None] == list(results.summary)
    for site in "AB":
        chosen = [record.case for record, own in zip(results.cases, sites, strict=True) if own == site]
        alone = replace(
            results,
            cases=tuple(record for record in results.cases if record.case in chosen),
            scores=results.scores.of(chosen),
            counts=results.counts.of(chosen),
        )
        own = [row for row in grouped.summary if row.group == site]
        assert [replace(row, by=None, group=None) for row in own] == list(alone.summary)
        assert {row.by for row in own} == {"site"}


def test_labels_come_first_then_regions_then_metrics_over_all_labels() -> None:
    run = random_run(1, cases=4, regions={"z": "1,2", "a": "1-3"}, labels={10: "ten", 2: "two"})
    labels = list(dict.fromkeys(row.label for row in run.summary if row.aggregate == "cases"))
    assert labels == [1, 2, 3, 10, "z", "a", "all"]
    macro = row_of(run, "dice", None, "macro")
    assert macro.n + macro.n_undefined == 4
    assert row_of(run, "dice", 2).name == "two"


def test_nothing_scored_has_no_summary() -> None:
    assert collect([lost("a", "failed")], plan_of()).summary == ()
    assert collect([], plan_of()).summary == ()
    assert len(CaseCounts()) == len(Scores()) == 0


def test_two_cases_have_an_interval_and_one_has_none() -> None:
    plan = plan_of(metrics="dice")
    outcomes = [outcome("a", [[1, 1]], [[1, 1]]), outcome("b", [[1, 1]], [[1, 0]])]
    bounds = [
        (row.ci_low, row.ci_high)
        for count in (1, 2)
        for row in collect(outcomes[:count], plan).summary
        if (row.aggregate, row.metric) == ("cases", "dice")
    ]
    assert bounds[0] == (None, None)
    assert bounds[1] == pytest.approx((2 / 3, 1.0))
