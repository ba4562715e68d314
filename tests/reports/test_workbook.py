"""Workbooks as spreadsheets and pandas read them: with every digit, and without text that runs as a formula."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import replace
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segeval.evidence.conventions import LONGEST
from segeval.reports.csv_files import SUMMARY_COLUMNS
from segeval.reports.workbook import CELL_UNITS, to_xlsx
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.results.run_rows import Shard
from tests.reports.test_exports import LOST, METRIC_TOKENS, SCORED, hostile, run_of, tiny

HEADS = ["case", "label", "name", "unit", "status", "note", *METRIC_TOKENS]


def book_of(results: Results, **options: int) -> Any:
    return openpyxl.load_workbook(io.BytesIO(b"".join(to_xlsx(results, **options))))


def rows_of(book: Any, sheet: str) -> list[list[object]]:
    return [[cell.value for cell in row] for row in book[sheet].iter_rows()]


def frame_of(results: Results, sheet: str) -> pd.DataFrame:
    return pd.read_excel(io.BytesIO(b"".join(to_xlsx(results))), sheet_name=sheet)


def named(name: str, results: Results | None = None) -> Results:
    results = run_of(tiny(), metrics="dice") if results is None else results
    return replace(results, scores=Scores([replace(results.scores[0], name=name)]))


def test_sheets() -> None:
    book = book_of(hostile())
    metrics = list(METRIC_TOKENS)
    assert book.sheetnames == ["Cases", "Summary", "Failures", "Settings", "Gate", *metrics]
    assert book_of(run_of(tiny(), metrics="dice")).sheetnames == ["Cases", "Summary", "Failures", "Settings", "dice"]
    for sheet in book:
        assert sheet.freeze_panes == ("C2" if sheet.title in metrics else "A2")
        assert all(cell.font.b for cell in sheet[1])
        assert sheet.auto_filter.ref == sheet.dimensions


def test_numbers_are_numbers_and_text_is_text() -> None:
    results = hostile()
    book = book_of(results)
    kinds = {bool: "b", int: "n", float: "n", str: "s", type(None): "n"}
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type == ("f" if cell.value == "=1/0" else kinds[type(cell.value)])
                assert cell.hyperlink is None
    rows = rows_of(book, "Cases")
    assert rows[0] == HEADS
    written = {(row[0], row[1], head): value for row in rows[1:] for head, value in zip(HEADS, row, strict=True)}
    for score in results.scores:
        value = "=1/0" if score.value == math.inf else score.value
        assert written[score.case, score.label, score.metric] == value
        assert type(written[score.case, score.label, score.metric]) in (
            {int} if score.metric == "tp" else {float, int, str, type(None)}
        )
    assert {type(row[1]) for row in rows[1:] if row[4] == "scored"} == {int, str}
    assert [row[:6] for row in rows[-3:]] == [
        ["::error::x", None, None, None, "failed", 'cut short\\n::error::y <b> & "z"'],
        ["@SUM(A1)", None, None, None, "missing", "there is none"],
        ["two\\nlines", None, None, None, "skipped", None],
    ]


def test_formats_show_few_decimals() -> None:
    sheet = book_of(hostile())["Cases"]
    row = next(row for row in sheet.iter_rows(min_row=2) if all(isinstance(row[n].value, float) for n in (6, 10)))
    patterns = dict(zip(HEADS, (cell.number_format for cell in row), strict=True))
    assert (patterns["dice"], patterns["volume_error"], patterns["tp"]) == ("0.0000", "0.000", "General")
    summary = book_of(hostile())["Summary"]
    lengths = {
        cell.number_format
        for row in summary.iter_rows(min_row=2)
        for cell in row
        if row[5].value == "hd@95" and isinstance(cell.value, float)
    }
    assert lengths == {"0.00"}


@pytest.mark.slow
@given(st.lists(st.floats(-LONGEST, LONGEST), min_size=1, max_size=20))
def test_every_float_reads_back(values: list[float]) -> None:
    results = run_of(tiny(), metrics="dice")
    first = results.scores[0]
    cases = tuple(replace(results.cases[0], case=str(number)) for number in range(len(values)))
    scores = Scores(replace(first, case=case.case, value=value) for case, value in zip(cases, values, strict=True))
    results = replace(results, cases=cases, scores=scores)
    rows = rows_of(book_of(results), "Cases")
    found = [float(str(row[6])) for row in rows[1:]]
    assert [struct.pack("d", value + 0.0) for value in found] == [struct.pack("d", value + 0.0) for value in values]


def test_pandas_takes_the_mean_of_the_summary() -> None:
    results = hostile()
    cases, summary = frame_of(results, "Cases"), frame_of(results, "Summary")
    assert list(summary.columns) == list(SUMMARY_COLUMNS)
    compared = 0
    for row in results.summary:
        if row.aggregate == "cases" and row.mean is not None and math.isfinite(row.mean):
            column = cases[cases["label"] == row.label][row.metric]
            assert column.mean() == row.mean
            compared += 1
    assert compared > 20
    for row, read in zip(results.summary, summary.to_dict("records"), strict=True):
        for field in SUMMARY_COLUMNS:
            expected, found = getattr(row, field), read[field]
            if expected is None or expected == math.inf:
                assert pd.isna(found)
            else:
                assert (float(found) if isinstance(expected, float) else found) == expected


def test_failures_settings_and_gate() -> None:
    results = replace(hostile(), shard=Shard(part="2/3", cases=5, digest="x"))
    book = book_of(results)
    assert rows_of(book, "Failures") == [
        ["case", "status", "prediction", "reference", "message"],
        ["::error::x", "failed", "p/::error::x.nii", "r/x.nii", 'cut short\\n::error::y <b> & "z"'],
        ["@SUM(A1)", "missing", None, "=r/b.nii", "there is none"],
        ["two\\nlines", "skipped", None, "r/\\x07\\x1b[31mc.nii", None],
    ]
    settings = {str(key): value for key, value in rows_of(book, "Settings")}
    assert settings["signature"] == results.signature
    assert settings["version"] == results.version
    assert settings["shard"] == "2/3"
    assert settings["warning"] == "no reference for ::warning::x, 100 %\\nof it"
    assert settings["regions"] == '{"whole": "1,2"}'
    assert settings["tolerance"] == 1.0
    assert settings["background"] is False
    assert settings["spacing"] is None
    assert rows_of(book, "Gate") == [
        ["requirement", "value", "passed", "worst_case"],
        ["=1+1:dice=0.1", 0.5, True, None],
        ["a.b:hd@95=4", "inf", False, "a.b"],
        ["a_b:dice=0.9", None, False, None],
    ]
    assert len(LOST) + len(SCORED) == len(results.cases)


def test_rows_that_do_not_fit_continue_on_further_sheets() -> None:
    results = hostile()
    whole = rows_of(book_of(results), "Cases")
    book = book_of(results, sheet_rows=8)
    sheets = [rows_of(book, name) for name in book.sheetnames if name.startswith("Cases")]
    assert book.sheetnames[:3] == ["Cases", "Cases 2", "Cases 3"]
    assert all(len(rows) == 8 for rows in sheets[:-1])
    assert all(rows[0] == HEADS for rows in sheets)
    assert [row for rows in sheets for row in rows[1:]] == whole[1:]
    exact = book_of(results, sheet_rows=len(whole))
    assert "Cases 2" not in exact.sheetnames


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "@SUM(A1)",
        "{=1}",
        "<img src=x onerror=alert(1)>",
        "https://example.org",
        "internal:Cases!A1",
        "1e5",
        "0012",
        " a ",
        "肝臓 🫀",
        "</t></is></c>",
    ],
)
def test_text_is_kept_as_it_is(name: str) -> None:
    book = book_of(named(name))
    cell = book["Cases"]["C2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (name, "s", None)


def wide_sheet(book: Any, metric: str) -> dict[object, dict[object, object]]:
    """Cells of a wide sheet, by case and heading."""
    heads, *rows = rows_of(book, metric)
    return {row[0]: dict(zip(heads, row, strict=True)) for row in rows}


def test_a_wide_sheet_for_each_metric() -> None:
    results = hostile()
    book = book_of(results)
    names = {row.label: row.name for row in results.summary if row.name}
    for metric in results.scored_metrics:
        rows = wide_sheet(book, metric)
        assert [row["status"] for row in rows.values()] == [record.status for record in results.cases]
        scores = {(score.case, score.label): score.value for score in results.scores if score.metric == metric}
        found = {
            (case, head): value
            for case, row in rows.items()
            for head, value in row.items()
            if head not in ("case", "status") and value is not None
        }
        assert found == {
            (case, f"{label} {names[label]}" if label in names else str(label)): "=1/0" if value == math.inf else value
            for (case, label), value in scores.items()
            if value is not None
        }
        assert all(set(list(rows[case].values())[2:]) == {None} for case in list(rows)[-3:])
    assert book["dice"]["C2"].number_format == "0.0000"
    assert rows_of(book, "dice")[0][:3] == ["case", "status", "1 =1+1"]


def test_the_colours_of_a_wide_sheet_follow_the_direction() -> None:
    metrics = "dice,hd,relative_volume_error,generalized_dice"
    book = book_of(run_of(tiny(), metrics=metrics))
    colours = {}
    for metric in metrics.split(","):
        ((block, (rule,)),) = [(each.sqref, each.rules) for each in book[metric].conditional_formatting]
        assert str(block).startswith("C2")
        colours[metric] = [colour.rgb for colour in rule.colorScale.color]
    orange, white, blue = "FFE69F00", "FFFFFFFF", "FF56B4E9"
    assert colours["dice"] == colours["generalized_dice"] == [orange, white, blue]
    assert colours["hd"] == [blue, white, orange]
    assert colours["relative_volume_error"] == ["FFCC79A7", white, "FF009E73"]


def test_an_infinite_score_is_an_error_that_a_mean_shows() -> None:
    """Excel colours nothing in a range with an error, so the coloured range leaves out the cell."""
    results = hostile()
    data = b"".join(to_xlsx(results))
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    errors = {}
    for metric in ("hd@95", "dice"):
        sheet = book[metric]
        cells = [cell for row in sheet.iter_rows(min_row=2, min_col=3) for cell in row]
        errors[metric] = {cell.coordinate for cell in cells if cell.value == "#DIV/0!"}
        assert all(cell.data_type == "e" for cell in cells if cell.coordinate in errors[metric])
        (block,) = [each.sqref for each in sheet.conditional_formatting]
        covered = {
            sheet.cell(row, column).coordinate
            for each in block.ranges
            for column in range(each.min_col, each.max_col + 1)
            for row in range(each.min_row, each.max_row + 1)
        }
        assert covered == {cell.coordinate for cell in cells} - errors[metric]
    assert errors["hd@95"]
    assert not errors["dice"]
    rows = [row for row in rows_of(book, "Cases") if "#DIV/0!" in row]
    assert rows
    assert all("infinite: hd@95" in str(row[5]) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "cases"), [(1, 3), (117, 1000)])
def test_wide_sheets_of_few_and_many(labels: int, cases: int) -> None:
    results = run_of(tiny(), metrics="dice")
    first = results.scores[0]
    records = tuple(replace(results.cases[0], case=f"case_{number}") for number in range(cases))
    scores = Scores(
        replace(first, case=record.case, label=label, name=f"organ_{label}", value=label / 200)
        for record in records
        for label in range(1, labels + 1)
    )
    many = replace(results, cases=records, scores=scores)
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(to_xlsx(many))), read_only=True)["dice"]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("case", "status", *(f"{label} organ_{label}" for label in range(1, labels + 1)))
    assert rows[-1] == (f"case_{cases - 1}", "scored", *(label / 200 for label in range(1, labels + 1)))
    assert len(rows) == cases + 1


def test_more_labels_than_columns_continue_on_further_sheets() -> None:
    book = book_of(hostile(), sheet_columns=4)
    whole = rows_of(book_of(hostile()), "dice")
    parts = [rows_of(book, name) for name in book.sheetnames if name.partition(" ")[0] == "dice"]
    assert [name for name in book.sheetnames if name.startswith("dice")][:2] == ["dice", "dice part 2"]
    assert all(rows[0][:2] == ["case", "status"] and len(rows[0]) <= 4 for rows in parts)
    for place, row in enumerate(whole):
        assert [*row[:2], *(cell for rows in parts for cell in rows[place][2:])] == row


def test_text_that_looks_like_markup_stays_text() -> None:
    name = "<r><t>x</t></r>"
    assert book_of(named(name))["Cases"]["C2"].value == name + " "
    assert book_of(named("<r></is></c></r>"))["Cases"]["C2"].value == "<r></is></c></r> "


@pytest.mark.parametrize("character", ["x", "🫀"])
def test_text_too_long_for_a_cell_is_cut(character: str) -> None:
    units = len(character.encode("utf-16-le")) // 2
    fitting = character * (CELL_UNITS // units)
    assert book_of(named(fitting))["Cases"]["C2"].value == fitting
    found = book_of(named(fitting + "xxx"))["Cases"]["C2"].value
    assert found.endswith(character + " [cut]")
    assert CELL_UNITS - 1 <= len(found.encode("utf-16-le")) // 2 <= CELL_UNITS


def test_control_characters_and_lone_bytes_are_escaped() -> None:
    assert book_of(named("c\udcffse\x1b[31m\x00\n"))["Cases"]["C2"].value == "c\\xffse\\x1b[31m\\x00\\n"


def test_label_with_more_digits_than_excel_keeps_is_text() -> None:
    results = run_of(tiny(), metrics="dice")
    for label, kind in ((10**15 - 1, int), (2**64 - 1, str)):
        scores = Scores([replace(results.scores[0], label=label)])
        found = book_of(replace(results, scores=scores))["Cases"]["B2"].value
        assert type(found) is kind
        assert str(found) == str(label)


def test_same_results_give_the_same_bytes() -> None:
    assert b"".join(to_xlsx(hostile())) == b"".join(to_xlsx(hostile()))


def test_a_run_without_cases() -> None:
    book = book_of(replace(run_of({}), settings={}))
    tables = [len(rows_of(book, name)) for name in book.sheetnames]
    assert tables[:4] == [1, 1, 1, 4]
    assert set(tables[4:]) <= {1}
