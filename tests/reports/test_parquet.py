"""Parquet files as pyarrow and pandas read them."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from segeval.reports.parquet import COLUMNS, to_parquet
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.results.rows import Score
from tests.reports.test_golden import awkward, awkward_batch, nothing_scored

parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet")


def file_of(results: Results, *, group_rows: int = 1 << 18) -> io.BytesIO:
    return io.BytesIO(b"".join(to_parquet(results, group_rows=group_rows)))


def utf8(text: str) -> str:
    """Lone bytes of a file name are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("group_rows", [1, 2, 5, 1 << 18])
def test_scores_read_back_as_they_are_in_the_frame(group_rows: int) -> None:
    results = awkward_batch()
    found = pd.read_parquet(file_of(results, group_rows=group_rows))
    assert tuple(found.columns) == COLUMNS
    expected = results.frame()
    scored = found[found.metric.notna()]
    for column in ("case", "name", "metric", "unit", "note"):
        ours = [utf8(text) if isinstance(text, str) else None for text in expected[column].tolist()]
        assert [text if isinstance(text, str) else None for text in scored[column].tolist()] == ours
    assert scored.label.tolist() == [str(label) for label in expected.label.tolist()]
    pd.testing.assert_series_equal(scored.value.reset_index(drop=True), expected.value)
    assert set(scored.status) == {"scored"}


@pytest.mark.parametrize("group_rows", [1, 3, 1 << 18])
@pytest.mark.parametrize("results", [awkward(), awkward_batch(), nothing_scored()])
def test_no_case_vanishes(results: Results, group_rows: int) -> None:
    rows = parquet.read_table(file_of(results, group_rows=group_rows)).to_pylist()
    cases = list(dict.fromkeys(row["case"] for row in rows))
    assert cases == [utf8(record.case) for record in results.cases]
    status = {row["case"]: row["status"] for row in rows}
    assert list(status.values()) == [record.status for record in results.cases]
    for row in rows:
        if row["status"] != "scored":
            assert row["metric"] is None
            assert row["value"] is None
    reasons = {row["case"]: row["note"] for row in rows if row["metric"] is None}
    for record in results.cases:
        if record.status != "scored":
            assert reasons[utf8(record.case)] == utf8(record.message or "")


def test_metadata_have_the_signature_and_settings() -> None:
    results = replace(awkward_batch(), warnings=("one",))
    found = parquet.read_schema(file_of(results)).metadata
    facts = {key.decode().removeprefix("segeval."): value.decode() for key, value in found.items()}
    assert facts["version"] == results.version
    assert facts["signature"] == results.signature
    assert facts["footnote"] == results.footnote
    assert json.loads(facts["settings"]) == json.loads(json.dumps(dict(results.settings)))
    assert json.loads(facts["metrics"]) == list(results.metrics)
    assert json.loads(facts["warnings"]) == ["one"]


def test_undefined_is_null_and_infinite_is_infinite() -> None:
    values = (0.1 + 0.2, None, math.inf, -0.0, 5e-324)
    rows = [
        Score(case="a", label=label, name=None, metric="hd", value=value, unit="mm", note=None)
        for label, value in enumerate(values, start=1)
    ]
    record = next(record for record in awkward_batch().cases if record.status == "scored")
    results = replace(awkward_batch(), cases=(replace(record, case="a"),), scores=Scores(rows))
    found = parquet.read_table(file_of(results)).column("value").to_pylist()
    assert found == list(values)
    assert math.copysign(1, found[3]) == -1


def test_row_groups_are_written_one_by_one() -> None:
    results = awkward_batch()
    parts = list(to_parquet(results, group_rows=1))
    assert len(parts) == len(results.cases) + 1
    assert parquet.ParquetFile(io.BytesIO(b"".join(parts))).num_row_groups == len(results.cases)


def test_the_same_bytes_each_time() -> None:
    assert file_of(awkward_batch()).getvalue() == file_of(awkward_batch()).getvalue()


def test_the_order_in_which_cases_were_scored_does_not_matter() -> None:
    results = awkward_batch()
    names = [record.case for record in results.cases]
    backwards = Scores(row for name in reversed(names) for row in results.scores if row.case == name).of(names)
    assert list(backwards) == list(results.scores)
    assert backwards.notes.values != results.scores.notes.values
    assert file_of(replace(results, scores=backwards)).getvalue() == file_of(results).getvalue()


def test_a_run_without_cases() -> None:
    table = parquet.read_table(file_of(replace(awkward_batch(), cases=(), scores=Scores())))
    assert table.num_rows == 0
    assert tuple(table.column_names) == COLUMNS
