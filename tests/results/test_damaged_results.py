"""Damaged or malicious results files: every command that reads them reports an error of segeval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segeval.errors import InputError
from segeval.reports.json_files import read_json
from segeval.reports.page import contents
from tests.command import call, save

Step = str | int
ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    2,
    0.5,
    1e-300,
    1e99,
    1e308,
    1 << 62,
    10**400,
    "",
    "x",
    "\x1b[31m\n\x00\ud800\udcff",
    [],
    [[]],
    [1e308] * 3,
    [0] * 200,
    {},
    {"a": 1},
    {"1": [{"a": None}]},
)
CODES = {0, 2, 3, 5}
FOURTH = 4  # one in four readable documents goes through a command, because pages and figures are slow


@pytest.fixture
def results(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run over two small cases with every part of a document, and a third case without a prediction."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contents, "MOST_DRAWN", 1)  # figures of one metric are enough; they take most of the time
    reference = np.zeros((4, 5, 6), np.uint8)
    reference[1:3, 1:4, 1:5] = 1
    reference[3] = 2
    for folder in (tmp_path / "p", tmp_path / "r"):
        folder.mkdir()
    for place, name in enumerate("abc"):
        save(tmp_path / "r" / f"{name}.nii", reference)
        if name != "c":
            save(tmp_path / "p" / f"{name}.nii", np.roll(reference, place + 1, axis=2) * (reference != 2 * place))
    (tmp_path / "groups.csv").write_text("case,site\na,A\nb,B\nc,B\n")
    answer = call(
        capsys, "batch", "p", "r", "-m", "dice,hd@95,volume_error,generalized_dice", "--penalty", "inf", "-j", "1",
        "--labels", "1=liver", "--region", "both=1,2", "--weight", "1=2,2=1", "--map", "9=2",
        "--metadata", "groups.csv", "--by", "site", "--tolerance", "1=2", "--spacing", "1,1,2",
        "--require", "liver:dice=0.1", "-o", "whole.json",
    )  # fmt: skip
    assert answer.code == 3
    document: dict[str, Any] = json.loads((tmp_path / "whole.json").read_text())
    return document


def places(value: object, *path: Step) -> Iterator[tuple[Step, ...]]:
    """Yield each position in a document except the document itself; of a list only the first and the last entry."""
    if path:
        yield path
    inside: dict[Any, object] = {}
    if isinstance(value, dict):
        inside = value
    elif isinstance(value, list) and value:
        inside = {0: value[0], len(value) - 1: value[-1]}
    for step, each in inside.items():
        yield from places(each, *path, step)


def changed(document: dict[str, Any], path: tuple[Step, ...], value: object) -> dict[str, Any]:
    """Return the document with another value at one position."""
    found: dict[str, Any] = json.loads(json.dumps(document))
    within: Any = found
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = value
    return found


COMMANDS = (
    ("table", "results.json", "--rows", "label", "--metric", "dice"),
    ("table", "results.json", "--rows", "label", "--metric", "hd@95"),
    ("report", "results.json", "--no-overlays", "-o", "page.html"),
    ("report", "results.json", "--worst", "1", "-o", "page.html"),
    ("plot", "box", "results.json", "-m", "hd@95", "-o", "box.svg"),
    ("plot", "volume", "results.json", "-m", "dice", "-o", "box.svg"),
    ("plot", "cumulative", "results.json", "-m", "hd@95", "-o", "box.svg"),
    ("plot", "bland-altman", "results.json", "-o", "box.svg"),
    ("plot", "overlay", "results.json", "--case", "a", "--label", "1", "-o", "box.svg"),
    ("merge", "results.json", "-o", "merged.json"),
)


def refusal(text: str) -> str:
    """Return the error for a document that cannot be read; empty if it can."""
    try:
        read_json(text, source="results.json")
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_odd_values_are_refused_or_reported(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del results["summary"]  # it is computed again
    read: list[tuple[tuple[Step, ...], object, str]] = []
    refused = 0
    for path in places(results):
        for odd in ODD:
            text = json.dumps(changed(results, path, odd))
            said = refusal(text)
            if not said:
                read.append((path, odd, text))
                continue
            refused += 1
            assert said.startswith("results.json: "), (path, odd)
            assert said.isprintable(), (path, odd)
    assert refused > len(read) > 5 * FOURTH * len(COMMANDS)
    for place, (path, odd, text) in enumerate(read[::FOURTH]):
        (tmp_path / "results.json").write_text(text)
        command = COMMANDS[place % len(COMMANDS)]
        answer = call(capsys, *command)
        assert answer.code in CODES, (path, odd, command, answer)
        assert "Python" not in answer.err, (path, odd, command, answer)
        assert all(line.isprintable() for line in answer.err.splitlines()), (path, odd, command, answer)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["labels", "map_prediction", "map_reference", "regions", "weight", "only", "metrics"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_settings_of_another_kind_are_damage(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(changed(results, ("settings", key), [[1]])))
    answer = call(capsys, *command)
    assert answer.code == 3
    assert answer.cause == f"error: results.json: the results are damaged: the setting {key} cannot be [[1]]"


@pytest.mark.slow
def test_a_setting_that_is_missing_is_named_where_it_is_needed(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del results["settings"]["geometry"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert call(capsys, *COMMANDS[3]).code == 0
    assert (
        "the settings of these results are incomplete: the setting geometry is missing" in Path("page.html").read_text()
    )
    answer = call(capsys, *COMMANDS[8])
    assert (answer.code, answer.cause) == (
        3,
        "error: results.json: its settings are damaged: the setting geometry is missing",
    )


@pytest.mark.slow
@pytest.mark.parametrize("value", [1e100, -1e100, 1e-300])
def test_values_at_the_bounds_are_drawn(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    for row in results["scores"]:
        row["value"] = value if row["value"] is not None else None
    for row in results["cases"]:
        row["spacing"] = row["spacing"] and [1e-6, 1e6, 1e6]
    (tmp_path / "results.json").write_text(json.dumps(results))
    for command in COMMANDS:
        answer = call(capsys, *command)
        assert answer.code in (0, 3 if command[0] == "merge" else 0), answer


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.csv", b"case,label\n", "expected JSON, found a CSV table"),
        ("x.parquet", b"PAR1\x15\xff\xfe", "expected JSON, found a Parquet file"),
        ("x.xlsx", b"PK\x03\x04\x14\x00\xff", "expected JSON, found an Excel workbook or ZIP file"),
        ("x.json", b"\xff\xfe", "expected JSON, found a file that is not text"),
    ],
)
def test_other_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    for command in (("report", tmp_path / name, "-o", tmp_path / "x.html"), ("merge", tmp_path / name)):
        answer = call(capsys, *command)
        assert answer.code == 3
        assert answer.cause.endswith(f"{said}; give the .json file that batch, score or merge wrote with -o")


def test_a_missing_score_names_the_file(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(results))
    answer = call(capsys, "plot", "box", "./results.json", "-m", "nsd@2", "-o", "box.svg")
    assert answer.code == 2
    assert answer.cause.startswith("error: ./results.json: no scores of nsd@2; the file has dice, ")


def test_a_label_of_weight_zero_may_be_infinite(results: dict[str, Any]) -> None:
    del results["summary"]
    results["settings"]["weight"] = {"2": 0}
    means = [row for row in read_json(json.dumps(results)).summary if row.aggregate == "macro"]
    (liver,) = [
        row.mean
        for row in read_json(json.dumps(results)).summary
        if (row.aggregate, row.label, row.metric, row.by) == ("cases", 1, "hd@95", None)
    ]
    assert [row.mean for row in means if (row.metric, row.by) == ("hd@95", None)] == [liver]
    assert liver is not None


def test_a_region_with_the_name_of_a_label_is_drawn(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in results["scores"]:
        if row["label"] == "both":
            row |= {"label": "\x1b\x00", "name": "liver"}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert call(capsys, *COMMANDS[4]).code == 0
    assert r"liver (\x1b\x00)" in (tmp_path / "box.svg").read_text()
