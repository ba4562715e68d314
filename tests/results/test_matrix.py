"""Scores as a matrix of cases by labels and metrics."""

from __future__ import annotations

import math

import numpy as np

from segeval.maps.labels import Key
from segeval.results.columns import Scores
from segeval.results.matrix import ScoreMatrix
from segeval.results.rows import Score


def a_score(case: str, label: Key, metric: str, value: float | None) -> Score:
    return Score(case=case, label=label, name=None, metric=metric, value=value, unit=None, note=None)


ROWS = [
    a_score("b", 2, "hd", 1.0),
    a_score("other", 3, "dice", 9.0),
    a_score("a", 1, "dice", 2.0),
    a_score("b", 1, "dice", None),
    a_score("a", 2, "dice", 3.0),
]


def test_each_score_is_in_the_row_of_its_case() -> None:
    scores = Scores(ROWS)
    matrix = ScoreMatrix.of(scores, ["a", "b", "without a score"])
    assert matrix.columns == [(2, "hd"), (2, "dice"), (3, "dice"), (1, "dice")]
    expected = [[math.nan, 3, math.nan, 2], [1, math.nan, math.nan, math.nan], [math.nan] * 4]
    np.testing.assert_array_equal(matrix.filled(scores.values, math.nan), expected)
    notes = matrix.filled(scores.note_codes, -1)
    assert notes.dtype == np.int16
    assert notes.tolist() == [[-1, 0, -1, 0], [0, -1, -1, 0], [-1] * 4]


def test_columns_come_in_any_order() -> None:
    scores = Scores(ROWS)
    matrix = ScoreMatrix.of(scores, ["a", "b"], order=lambda label, metric: (label, metric))
    assert matrix.columns == [(1, "dice"), (2, "dice"), (2, "hd"), (3, "dice")]
    expected = [[2, 3, math.nan, math.nan], [math.nan, math.nan, 1, math.nan]]
    np.testing.assert_array_equal(matrix.filled(scores.values, math.nan), expected)


def test_without_scores_there_are_no_columns() -> None:
    scores = Scores()
    assert ScoreMatrix.of(scores, ["a"]).filled(scores.values, math.nan).shape == (1, 0)
