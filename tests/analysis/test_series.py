"""Data of figures: equal to the data frame and to the files, with each case accounted for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel
import numpy as np
import pytest

import segeval
from segeval.analysis.series import Sizes, agreement_of, series_of, sizes_of
from segeval.errors import UsageError
from segeval.metrics import Direction
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import LabelCounts
from tests.command import case
from tests.paper import of_values, paper, record, results_of, score

# Bland & Altman 1986, table 1: peak expiratory flow by a Wright and a mini Wright meter, first readings, l/min
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI_WRIGHT = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def sized(*counts: tuple[int, int, int], unit: str = "mm", spacing: tuple[float, ...] = (2.0, 1.0, 1.0)) -> Results:
    """A case for each TP, FP, FN of label 1, with its Dice."""
    cases = [
        replace(record(f"c{place}"), shape=(9,) * len(spacing), spacing=spacing, unit=unit)
        for place in range(len(counts))
    ]
    rows = []
    for place, (tp, fp, fn) in enumerate(counts):
        row = score(f"c{place}", 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None)
        note = "prediction empty" if fn and not tp + fp else "reference empty" if fp and not tp + fn else row.note
        rows.append(replace(row, note=note))
    found = CaseCounts(
        LabelCounts(case=f"c{place}", label=1, tp=tp, fp=fp, fn=fn, tn=0) for place, (tp, fp, fn) in enumerate(counts)
    )
    return replace(results_of(cases, rows), counts=found)


def test_values_are_those_of_the_data_frame() -> None:
    results, _ = paper()
    (found,) = series_of({"run": results}, metric="dsc")
    column = results.frame().set_index("case")["value"].reindex([each.case for each in results.cases])
    assert np.array_equal(found.values, column.to_numpy(), equal_nan=True)
    assert found.median == pytest.approx(column.median(), abs=1e-15)
    assert (found.metric, found.name, found.better, found.unit) == ("dice", "lesion", Direction.HIGHER, None)


def test_every_case_is_accounted_for() -> None:
    results, _ = paper()
    (found,) = series_of({"run": results}, metric="dice")
    assert found.unscored == {"failed": 2}
    assert found.absent == 0
    assert found.undefined == results.frame()["value"].isna().sum()
    assert len(found.ordered) + found.undefined + found.absent + 2 == len(results.cases)
    absent = replace(results, scores=Scores(row for row in results.scores if row.case != "stray"))
    (found,) = series_of({"run": absent}, metric="dice")
    assert (found.absent, len(found.values)) == (1, len(results.cases))


def test_values_of_empty_maps_are_marked() -> None:
    (found,) = series_of({"run": sized((4, 0, 1), (0, 0, 3), (0, 2, 0), (0, 0, 0))}, metric="dice")
    assert found.missed.tolist() == [False, True, False, False]
    assert found.false_alarm.tolist() == [False, False, True, False]
    assert found.undefined == 1


def test_labels_come_by_number_then_regions_and_runs_as_given() -> None:
    def run(*labels: tuple[int | str, str | None]) -> Results:
        return results_of([record("a")], [score("a", 0.5, label=label, name=name) for label, name in labels])

    runs = {"b": run((10, "liver"), ("whole", None), (2, "spleen")), "a": run((2, None), (3, "lung"))}
    found = series_of(runs, metric="dice")
    assert [(row.label, row.run) for row in found[::2]] == [(2, "b"), (3, "b"), (10, "b"), ("whole", "b")]
    assert [row.name for row in found] == ["spleen", "spleen", "lung", "lung", "liver", "liver", "whole", "whole"]
    assert [row.absent for row in found] == [0, 0, 1, 0, 0, 1, 0, 1]
    assert {row.label for row in series_of(runs, metric="dice", labels=["spleen", "10"])} == {2, 10}


def test_missing_labels() -> None:
    runs = {"run": of_values(a=0.5)}
    with pytest.raises(UsageError, match=r"^run: no scores of hd@95; the file has dice$"):
        series_of(runs, metric="hd@95")
    with pytest.raises(UsageError, match=r"^no scores of the label 'liver'; the labels are lesion$"):
        series_of(runs, metric="dice", labels=["liver"])
    assert series_of({}, metric="dice") == ()
    assert sizes_of({}) == ()


def test_sizes_are_voxels_times_their_volume() -> None:
    """Of 2 mm³ each: 4 + 1 in the reference and 4 + 3 in the prediction."""
    (found,) = sizes_of({"run": sized((4, 3, 1), (0, 0, 3), (0, 0, 0))})
    assert found.unit == "mm³"
    assert np.array_equal(found.reference, [10, 6, np.nan], equal_nan=True)
    assert np.array_equal(found.prediction, [14, 0, np.nan], equal_nan=True)
    assert found.absent == 1


def test_large_sizes_are_in_millilitres() -> None:
    (found,) = sizes_of({"run": sized((400, 300, 100), (1500, 0, 0))})  # 1 and 3 ml: their median is 2
    assert (found.unit, found.reference.tolist(), found.prediction.tolist()) == ("ml", [1, 3], [1.4, 3])
    (flat,) = sizes_of({"run": sized((4000, 0, 0), spacing=(2.0, 3.0))})
    assert (flat.unit, flat.reference.tolist()) == ("mm²", [24000])
    for spacing, unit in (((1.0, 1.0), "px"), ((1.0, 1.0, 1.0), "voxels")):
        (flat,) = sizes_of({"run": sized((4000, 0, 0), unit="px", spacing=spacing)})
        assert (flat.unit, flat.reference.tolist()) == (unit, [4000])


def test_sizes_of_different_units_are_refused() -> None:
    runs = {"a": sized((4, 3, 1)), "b": sized((4, 3, 1), unit="px", spacing=(1.0, 1.0))}
    with pytest.raises(UsageError, match="the sizes have different units: mm³ and px"):
        sizes_of(runs)


def test_sizes_of_a_file_are_those_that_nibabel_counts() -> None:
    pair = case(1)
    results = segeval.score_files(*map(str, pair), metrics="dice")
    maps: list[Any] = [nibabel.load(path) for path in pair]
    for found in sizes_of({"run": results}):
        for image, size in zip(maps, (found.prediction, found.reference), strict=True):
            voxels = int((np.asanyarray(image.dataobj) == found.label).sum())
            expected = voxels * float(np.prod(image.header.get_zooms()[:3])) / 1000
            assert size[0] == pytest.approx(expected, rel=1e-6)


def flows(prediction: list[float], reference: list[float]) -> Sizes:
    return Sizes(
        run="", label=1, name="1", unit="ml", absent=0, unscored={},
        prediction=np.array(prediction, float), reference=np.array(reference, float),
    )  # fmt: skip


def test_agreement_is_that_of_the_paper() -> None:
    """The paper gives a mean difference of -2.1 l/min and a standard deviation of 38.8 l/min."""
    found = agreement_of(flows(WRIGHT, MINI_WRIGHT))  # type: ignore[arg-type]
    assert found.n == 17
    assert (round(found.bias or 0, 1), round(found.sd or 0, 1)) == (-2.1, 38.8)
    differences = np.subtract(WRIGHT, MINI_WRIGHT)
    limits = differences.mean() + np.array([-1.96, 1.96]) * np.std(differences, ddof=1)
    assert (found.low, found.high) == pytest.approx(limits, rel=1e-12)


def test_agreement_of_few() -> None:
    assert agreement_of(flows([np.nan], [np.nan])).bias is None
    one = agreement_of(flows([3, np.nan], [1, np.nan]))
    assert (one.n, one.bias, one.sd, one.low) == (1, 2.0, None, None)
