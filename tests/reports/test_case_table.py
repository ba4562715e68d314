"""The table of one case: what was not scored says why, and what would fill screens is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import segeval
from segeval.reports.case_table import print_scores
from segeval.results.columns import Scores
from tests.reports.test_golden import awkward, printed


def test_case_that_was_not_scored_says_why() -> None:
    results = awkward()
    failed = replace(results.cases[0], case="b", status="failed", shape=None, spacing=None, message="cut\nshort")
    text = printed(print_scores, replace(results, cases=(*results.cases, failed)))
    assert "failed      cut\\nshort\n" in text
    assert "case        b\n" in text


def test_nothing_to_score_is_said() -> None:
    text = printed(print_scores, replace(awkward(), scores=Scores()))
    assert "no label to score in either map" in text


def test_many_labels_that_neither_map_has_are_counted_not_shown() -> None:
    array = np.zeros((4, 4), np.uint8)
    array[1, 1] = 1
    few, many = (
        segeval.score(
            prediction=array, reference=array, labels={n: f"organ {n}" for n in range(1, last)}, metrics="dice"
        )
        for last in (9, 90)
    )
    assert "organ 8" in printed(print_scores, few)
    assert "organ 8" not in printed(print_scores, many)
    assert "not shown: 88 labels that neither map has" in printed(print_scores, many)
