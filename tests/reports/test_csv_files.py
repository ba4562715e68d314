"""CSV as spreadsheets and pandas read it."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import segeval
from segeval.evidence.counts import ContingencyTable
from segeval.reports.csv_files import MATRIX_LABELS, SUMMARY_COLUMNS, confusion_csv, summary_csv, to_csv
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from tests.reports.test_exports import hostile
from tests.reports.test_golden import METRIC_TOKENS, awkward

SEED = 20


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def scored() -> Results:
    random = np.random.default_rng(SEED)
    reference, prediction = random.integers(0, 8, (2, 12, 13, 14))
    return segeval.score(
        prediction=prediction,
        reference=reference,
        spacing=(2.0, 0.7, 0.7),
        metrics="dice,mean_dice,assd,volume_error,tp",
    )


def test_columns_and_rows() -> None:
    rows = rows_of("".join(to_csv(awkward())))
    assert list(rows[0]) == ["case", "label", "name", "unit", "status", "note", *METRIC_TOKENS]
    assert [row["label"] for row in rows] == ["1", "2", "3", "4", "5", "6", "7", "whole", "all"]
    assert {row["unit"] for row in rows} == {"mm"}
    assert rows[6]["hd@95"] == "inf"
    assert rows[5]["note"] == "absent in both"
    assert rows[7]["note"] == "undefined: R is empty"
    assert rows[0]["tp"] == "41823"
    assert rows[8] == dict.fromkeys(METRIC_TOKENS, "") | {
        "case": "'-case",
        "label": "all",
        "name": "",
        "unit": "mm",
        "status": "scored",
        "note": "",
        "generalized_dice": "0.93124",
    }


def test_mean_of_a_column_is_the_mean_of_the_values() -> None:
    results = scored()
    frame = pd.read_csv(io.StringIO("".join(to_csv(results))))
    for metric in ("dice", "assd", "volume_error", "tp"):
        values = [row.value for row in results.scores if row.metric == metric and row.value is not None]
        # some versions of pandas read the last bit of a float wrongly
        assert frame[metric].dropna().tolist() == pytest.approx(values, rel=4 * np.finfo(float).eps)
        exact = math.fsum(values) / len(values)
        # a plain sum of n numbers is off by at most n - 1 roundings of the sum of their magnitudes
        slack = (len(values) + 4) * np.finfo(float).eps * math.fsum(map(abs, values)) / len(values)
        assert frame[metric].mean() == pytest.approx(exact, rel=0, abs=slack)
    assert frame["mean_dice"].count() == 1
    cells = [row["dice"] for row in rows_of("".join(to_csv(results))) if row["dice"]]
    assert [float(cell) for cell in cells] == [row.value for row in results.scores if row.metric == "dice"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001
def test_text_that_would_run_as_a_formula_is_escaped(start: str) -> None:
    results = awkward()
    evil = start + 'cmd|" /C calc"!A0,1'
    score = replace(results.scores[0], name=evil, note=evil)
    (row,) = rows_of("".join(to_csv(replace(results, scores=Scores([score])))))
    assert row["name"] == row["note"] == "'" + evil
    assert row["dice"] == "0.99996"


def test_negative_numbers_stay_numbers() -> None:
    assert rows_of("".join(to_csv(awkward())))[0]["volume_error"] == "-0.166"


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", " a "])
def test_every_name_reads_back(name: str) -> None:
    results = awkward()
    text = "".join(to_csv(replace(results, scores=Scores([replace(results.scores[0], name=name)]))))
    (row,) = rows_of(text)
    assert row["name"] == name


def test_case_without_scores_has_a_row() -> None:
    results = awkward()
    failed = replace(results.cases[0], case="b", status="failed", unit=None, message="cut short")
    rows = rows_of("".join(to_csv(replace(results, cases=(failed, *results.cases)))))
    assert [rows[0][column] for column in ("case", "label", "status", "note", "dice")] == [
        "b",
        "",
        "failed",
        "cut short",
        "",
    ]
    (row,) = rows_of("".join(to_csv(replace(results, scores=Scores()))))
    assert (row["status"], row["note"]) == ("scored", "no label to score in either map")


def test_bytes_are_utf8_and_lines_end_alike() -> None:
    results = awkward()
    named = replace(results.scores[0], name="c\udcffse\x1b[31m\x9b\x00")
    text = "".join(to_csv(replace(results, scores=Scores([named]))))
    assert "c\\xffse\\x1b[31m\\x9b\\x00" in text
    assert b"\r" not in text.encode("utf-8")
    assert text.endswith("\n")


def test_confusion_matrix_sums_to_the_image() -> None:
    table = scored().confusion
    assert table is not None
    frame = pd.read_csv(io.StringIO(confusion_csv(table, {1: "liver"})), index_col=0)
    assert frame.to_numpy().sum() == 12 * 13 * 14
    assert list(frame.index[:3]) == list(frame.columns[:3]) == ["0 background", "1 liver", "2"]
    assert frame.loc["2"].sum() == table.reference_totals[2]


def test_giant_confusion_matrix_is_a_list_of_pairs() -> None:
    pairs = {(label, label): label + 1 for label in range(MATRIX_LABELS + 1)}
    text = confusion_csv(ContingencyTable.from_pairs(pairs))
    assert text.startswith("reference,prediction,voxels\n0 background,0 background,1\n1,1,2\n")
    assert len(text.splitlines()) == MATRIX_LABELS + 2


def test_summary_has_a_column_for_each_field() -> None:
    results = hostile()
    rows = rows_of("".join(summary_csv(results)))
    assert len(rows) == len(results.summary)
    for row, summary in zip(rows, results.summary, strict=True):
        assert list(row) == list(SUMMARY_COLUMNS)
        for column in SUMMARY_COLUMNS:
            value = getattr(summary, column)
            if value is None:
                assert row[column] == ""
            elif isinstance(value, str):
                assert row[column] == ("'" if value.startswith("=") else "") + value
            else:
                assert type(value)(row[column]) == value
                assert row[column] == repr(value)
    assert "inf" in {row["max"] for row in rows}
    assert {row["name"] for row in rows} == {"'=1+1", '<b>&"x"</b>', "a.b", "a_b", ""}
    assert (
        "".join(summary_csv(replace(results, cases=(), scores=Scores(), counts=CaseCounts())))
        == ",".join(SUMMARY_COLUMNS) + "\n"
    )


def test_mean_of_a_column_is_the_mean_of_the_summary() -> None:
    results = hostile()
    # as text first: some versions of pandas read the last bit of a float wrongly
    cases = pd.read_csv(io.StringIO("".join(to_csv(results))), dtype=str)
    summary = pd.read_csv(io.StringIO("".join(summary_csv(results))), dtype=str)
    rows = summary[(summary["aggregate"] == "cases") & np.isfinite(summary["mean"].astype(float))]
    assert len(rows) > 20
    for _, row in rows.iterrows():
        column = cases[cases["label"] == row["label"]][row["metric"]]
        assert column.astype(float).mean() == float(row["mean"])
