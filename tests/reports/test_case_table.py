"""The table of one case: reasons for cases that were not scored, and counts in place of long lists."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

import segeval
from segeval.reports.case_table import case_tables, print_scores
from segeval.reports.notation import Alphabet
from segeval.reports.summary_view import SummaryView
from segeval.results.columns import Scores
from tests.reports.test_golden import awkward, printed


def test_case_that_was_not_scored_says_why() -> None:
    results = awkward()
    failed = replace(results.cases[0], case="b", status="failed", shape=None, spacing=None, message="cut\nshort")
    text = printed(print_scores, replace(results, cases=(*results.cases, failed)))
    assert "b: failed: cut\\nshort\n" in text


def test_a_case_without_labels_has_a_message() -> None:
    text = printed(print_scores, replace(awkward(), scores=Scores()))
    assert "no label in either map" in text


def test_many_absent_labels_are_counted_not_shown() -> None:
    array = np.zeros((4, 4), np.uint8)
    array[1, 1] = 1
    few, many = (
        segeval.score(
            prediction=array, reference=array, labels={n: f"organ {n}" for n in range(1, last)}, metrics="dice"
        )
        for last in (9, 90)
    )
    assert "1 of 8 labels" in printed(print_scores, few).splitlines()[0]
    assert "in neither map  organ 2, organ 3, organ 4, organ 5, organ 6, organ 7, organ 8" in printed(print_scores, few)
    assert "organ 8" not in printed(print_scores, many)
    assert "in neither map  88 labels (-v lists them)" in printed(print_scores, many)
    assert "organ 89" in printed(print_scores, many, verbose=True)


def test_the_mean_is_over_labels_and_where_found_over_those_in_both_maps() -> None:
    """Dice is 1, 2/3 and, for a missed label, 0."""
    reference = np.array([[1, 2, 2, 3, 0]])
    prediction = np.array([[1, 2, 0, 0, 0]])
    text = printed(print_scores, segeval.score(prediction=prediction, reference=reference, metrics="dice"))
    assert re.search(r"^  mean +0\.5556$", text, re.MULTILINE)
    assert re.search(r"^  where found +0\.8333$", text, re.MULTILINE)
    weighted = segeval.score(prediction=prediction, reference=reference, metrics="dice", weight={"1": 3, "3": 0})
    assert re.search(r"^  mean +0\.9167$", printed(print_scores, weighted), re.MULTILINE)
    alone = segeval.score(prediction=prediction, reference=reference, metrics="dice", only=[1])
    assert "mean" not in printed(print_scores, alone)


def test_the_mean_of_a_case_is_that_of_its_summary() -> None:
    """The means equal those of the summary of a run with only this case, to the last digit that is shown."""
    random = np.random.default_rng(1)
    reference, prediction = random.integers(0, 5, (2, 6, 7))
    results = segeval.score(prediction=prediction, reference=reference, metrics="dice,hd,sensitivity,fp")
    (table,) = case_tables(results, Alphabet())
    view = SummaryView(results=results, alphabet=Alphabet())
    macro = {row.metric: row.mean for row in results.summary if row.aggregate == "macro"}
    means = dict(zip([heading.token for heading in table.scores.headings], table.scores.means[0].cells, strict=True))
    assert means == {metric: view.cell(value, metric) for metric, value in macro.items()}
