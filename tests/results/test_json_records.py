"""Rows as JSON data and back, and values out of range."""

from __future__ import annotations

import pytest

from segeval.results.json_records import count_record, read_count, read_score, score_record
from segeval.results.rows import LabelCounts, Score


def score(metric: str, value: float | None, label: int | str = 1) -> Score:
    return Score(case="a", label=label, name="liver", metric=metric, value=value, unit=None, note=None)


def test_only_counts_are_whole_numbers() -> None:
    assert str(score_record(score("tp", 3.0))["value"]) == "3"
    assert str(score_record(score("dice", 1.0))["value"]) == "1.0"
    assert str(score_record(score("tp", 2.5))["value"]) == "2.5"  # from a results file that another program wrote


@pytest.mark.parametrize("label", [0, 1, (1 << 64) - 1, "both"])
def test_rows_read_back(label: int | str) -> None:
    row = score("dice", 0.5, label)
    counts = LabelCounts(case="a", label=label, tp=1, fp=2, fn=3, tn=4)
    assert read_score(score_record(row)) == row
    assert read_count(count_record(counts)) == counts


@pytest.mark.parametrize("label", [-1, 1 << 64, 1.5, True, None])
def test_impossible_labels_are_refused(label: object) -> None:
    with pytest.raises((TypeError, ValueError), match="label"):
        read_score(score_record(score("dice", 0.5)) | {"label": label})
