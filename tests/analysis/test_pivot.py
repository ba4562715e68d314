"""Pivot tables: numbers as by pandas, and each case is accounted for."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from segeval.analysis.levels import level_order
from segeval.analysis.pivot import Pivot, pivot
from segeval.errors import InputError, UsageError
from segeval.results.results import Results
from tests.paper import FACTORS, LOSSES, of_values, paper, record, results_of, score


def by_site(results: Results, **sites: str) -> Pivot:
    metadata = {case: {"site": site} for case, site in sites.items()}
    return pivot({"r.json": results}, rows=["site"], columns=["metric"], metadata=metadata)


def test_statistics_are_those_of_pandas() -> None:
    results, metadata = paper()
    found = pivot({"r.json": results}, rows=FACTORS[2:], columns=FACTORS[:2], metadata=metadata)
    frame = results.frame().join(pd.DataFrame.from_dict(metadata, orient="index"), on="case")
    groups = frame.groupby(list(FACTORS))["value"]
    assert len(found.cells) == groups.ngroups == 72
    for levels, values in groups:
        network, loss, patch, rate = map(str, levels)
        cell = found.cells[(patch, rate), (network, loss)]
        assert cell.n == values.count()
        quartiles = values.quantile([0.25, 0.5, 0.75]).tolist()
        assert (cell.q1, cell.median, cell.q3) == pytest.approx(quartiles, abs=1e-15)
        assert cell.iqr == pytest.approx(quartiles[2] - quartiles[0], abs=1e-15)
        assert (cell.mean, cell.sd) == pytest.approx((values.mean(), values.std()), abs=1e-15)
        assert (cell.min, cell.max) == (values.min(), values.max())


def test_every_case_is_accounted_for() -> None:
    results, metadata = paper()
    found = pivot({"r.json": results}, rows=FACTORS[2:], columns=FACTORS[:2], metadata=metadata)
    cells = found.cells.values()
    assert found.unknown == ("stray",)
    assert found.unscored == {"failed": 2}
    assert set(found.undefined) == {"R is empty"}
    assert sum(cell.n + cell.n_left_out for cell in cells) == len(metadata)
    assert sum(cell.n_left_out for cell in cells) == 2 + found.undefined["R is empty"]


def test_levels_are_in_natural_order() -> None:
    results, metadata = paper()
    found = pivot({"r.json": results}, rows=FACTORS[2:], columns=FACTORS[:2], metadata=metadata)
    rates = ("0.0001", "0.001", "0.01")
    assert found.row_levels == tuple((patch, rate) for patch in ("28", "56", "112") for rate in rates)
    assert found.column_levels == tuple((net, loss) for net in ("toynet", "unet") for loss in sorted(LOSSES))
    assert sorted(["p10", "1e3", "p2", "-1", "20", "(empty)"], key=level_order) == [
        "-1", "20", "1e3", "(empty)", "p2", "p10",
    ]  # fmt: skip


def test_files_and_metrics_are_in_their_order_and_names_in_that_of_the_labels() -> None:
    rows: list[tuple[str, int | str]] = [("spleen", 10), ("liver", 2), ("whole", "whole")]
    scores = [
        score("a", 0.5, label=label, name=None if label == "whole" else name, metric=metric)
        for name, label in rows
        for metric in ("hd", "dice")
    ]
    results = results_of([record("a")], scores, metrics=("hd", "dice"))
    found = pivot({"x/z.json": results, "y.json": results}, rows=["name"], columns=["file", "metric"])
    assert found.row_levels == (("liver",), ("spleen",), ("whole",))
    assert found.column_levels == (("z", "hd"), ("z", "dice"), ("y", "hd"), ("y", "dice"))
    by_label = pivot({"y.json": results}, rows=["label"], columns=["metric"])
    assert by_label.row_levels == (("2",), ("10",), ("whole",))


def test_regions_are_not_pooled_with_their_labels() -> None:
    scores = [score("a", value, label=label, name=None) for label, value in ((1, 0.2), (2, 0.4), ("whole", 1.0))]
    scores += [score("a", 0.9, label="all", name=None, metric="generalized_dice")]
    results = results_of([record("a")], scores, metrics=("dice", "generalized_dice"))
    found = pivot({"r.json": results}, rows=["file"], columns=["metric"])
    assert found.cells[("r",), ("dice",)].mean == pytest.approx(0.3)
    assert found.cells[("r",), ("generalized_dice",)].mean == 0.9
    assert (found.together, found.labels, found.overlapping) == (True, ("1", "2", "all"), ("whole",))
    chosen = pivot({"r.json": results}, rows=["file"], columns=["metric"], metrics=["dice"], labels=["whole"])
    assert chosen.cells[("r",), ("dice",)].mean == 1.0
    assert (chosen.together, chosen.labels, chosen.overlapping) == (False, ("whole",), ())


def test_a_label_that_is_not_in_a_case_is_missing() -> None:
    results = results_of(
        [record("a"), record("b"), record("c", status="missing")],
        [score("a", 0.5), score("a", 0.7, label=2, name="x"), score("b", 0.9)],
    )
    found = pivot({"r.json": results}, rows=["name"], columns=["metric"])
    first, second = (found.cells[(name,), ("dice",)] for name in ("lesion", "x"))
    assert (first.n, first.n_left_out, second.n, second.n_left_out) == (2, 1, 1, 2)
    assert (found.absent, found.unscored) == (1, {"missing": 1})


def test_a_method_that_failed_for_all_cases_keeps_its_row() -> None:
    failed = results_of([record("a", status="failed"), record("b", status="failed")], [])
    found = pivot({"good.json": of_values(a=0.5, b=0.7), "bad.json": failed}, rows=["file"], columns=["metric"])
    cell = found.cells[("bad",), ("dice",)]
    assert (cell.n, cell.n_left_out, cell.median) == (0, 2, None)
    assert found.unscored == {"failed": 2}


def test_one_value_and_infinite_values() -> None:
    found = by_site(of_values(a=0.25, b=1.0, c=math.inf, d=math.inf), a="X", b="Y", c="Y", d="Y")
    one, many = (found.cells[(site,), ("dice",)] for site in "XY")
    assert (one.n, one.mean, one.sd, one.iqr) == (1, 0.25, None, 0.0)
    assert (many.mean, many.median, many.min, many.sd) == (math.inf, math.inf, 1.0, None)
    all_infinite = by_site(of_values(a=math.inf), a="X").cells[("X",), ("dice",)]
    assert (all_infinite.median, all_infinite.iqr) == (math.inf, None)


def test_cases_in_several_files_that_no_factor_tells_apart_are_counted() -> None:
    files = {"one.json": of_values(a=0.5, b=0.7), "two.json": of_values(a=0.6, c=0.7)}
    together = pivot(files, rows=["name"], columns=["metric"])
    assert (together.repeated, together.cells[("lesion",), ("dice",)].n) == (1, 4)
    assert pivot(files, rows=["name"], columns=["file"]).repeated == 0


def test_groups_of_the_results_are_factors() -> None:
    results = of_values(a=0.5, b=0.7)
    cases = tuple(replace(each, groups={"site": each.case.upper()}) for each in results.cases)
    found = pivot({"r.json": replace(results, cases=cases)}, rows=["site"], columns=["metric"])
    assert found.row_levels == (("A",), ("B",))


def test_labels_without_a_name_in_one_case_have_that_of_another() -> None:
    results = results_of([record("a"), record("b")], [score("a", 0.5, name=None), score("b", 0.7)])
    assert pivot({"r.json": results}, rows=["name"], columns=["metric"]).row_levels == (("lesion",),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"rows": ["network"]},
            "no factor is called 'network'; the factors are file, label, name, metric, and the columns",
        ),
        ({"rows": ["file"], "columns": ["file"]}, "the factor file is given twice"),
        (
            {"rows": ["file"], "columns": ["name"]},
            "the results have several metrics: dice, hd; choose one with --metric",
        ),
        ({"rows": ["file"], "metrics": ["iou"]}, "r.json: no scores of iou; the file has dice and hd"),
        ({"rows": ["file"], "metrics": ["dic"]}, "segeval has no metric 'dic'; did you mean dice?"),
        ({"rows": ["file"], "labels": ["liver"]}, "no scores of the label 'liver'; the labels are lesion"),
    ],
)
def test_refusals(options: dict[str, list[str]], message: str) -> None:
    results = replace(of_values(a=0.5), metrics=("dice", "hd"))
    with pytest.raises(UsageError) as caught:
        pivot({"r.json": results}, **{"columns": ["metric"], **options})  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_nothing_to_tabulate() -> None:
    with pytest.raises(InputError, match="none of the 1 cases in the results is in the metadata: a"):
        by_site(of_values(a=0.5), b="X")
    with pytest.raises(InputError, match="the results have no scores"):
        pivot({"r.json": results_of([record("a", status="failed")], [])}, rows=["file"], columns=["metric"])
    with pytest.raises(InputError, match="the results have no cases"):
        pivot({"r.json": results_of([], [])}, rows=["file"], columns=["metric"])
