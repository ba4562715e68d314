"""JSON files: always valid, and read back completely."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest

import segeval
from segeval.errors import InputError
from segeval.reports.json_files import read_json, to_json, to_jsonl
from tests.reports.test_golden import awkward


def strictly(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    text.encode("utf-8")
    return json.loads(text, parse_constant=refuse)


def test_layout_is_the_documented_one() -> None:
    document = strictly("".join(to_json(awkward())))
    head = ["format", "tool", "signature", "footnote", "settings"]
    assert list(document) == [*head, "cases", "scores", "counts", "summary", "gate"]
    assert document["format"] == 1
    assert document["tool"] == {"name": "segeval", "version": "1.2.3"}
    case = ["case", "status", "prediction", "reference", "shape", "spacing", "unit", "voxels", "message"]
    assert list(document["cases"][0]) == [*case, "warnings"]
    assert list(document["scores"][0]) == ["case", "label", "name", "metric", "value", "unit", "note"]
    assert list(document["gate"][0]) == ["requirement", "value", "passed", "worst_case"]
    assert document["scores"][-1]["label"] == "all"


def test_infinite_is_null_with_a_note() -> None:
    (row,) = [row for row in strictly("".join(to_json(awkward())))["scores"] if row["note"] == "infinite"]
    assert row["value"] is None
    assert row["cause"] == "prediction empty"


def test_round_trip() -> None:
    results = awkward()
    assert read_json("".join(to_json(results))) == results
    assert "".join(to_json(read_json("".join(to_json(results))))) == "".join(to_json(results))
    assert read_json("".join(to_json(results))).value("hd@95", label=7) == math.inf


def test_round_trip_of_a_real_run() -> None:
    random = np.random.default_rng(3)
    prediction, reference = random.integers(0, 5, (2, 9, 10, 11))
    reference[reference == 4] = 0
    results = segeval.score(
        prediction=prediction, reference=reference, metrics="all", penalty="inf", regions={"both": [1, 2]}
    )
    again = read_json("".join(to_json(results)))
    assert again == results
    assert again.frame().equals(results.frame())


def test_every_line_is_an_object() -> None:
    results = awkward()
    failed = replace(results.cases[0], case="b", status="failed", message="line\u2028break \x85\x9b\x1b \n")
    text = "".join(to_jsonl(replace(results, cases=(*results.cases, failed))))
    lines = [strictly(line) for line in text.splitlines()]
    assert len(lines) == len(results.scores) + 1
    assert lines[: len(results.scores)] == strictly("".join(to_json(results)))["scores"]
    assert lines[-1]["status"] == "failed"
    assert lines[-1]["message"] == "line\u2028break \x85\x9b\x1b \n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("case,label\n", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not results"),
        ('{"format": 1}', "not results"),
        ('{"format": 2, "scores": []}', "expected format 1, found 2"),
        ('{"format": true, "scores": []}', "expected format 1, found true"),
        ('{"format": 1, "scores": []}', "'tool' is missing"),
    ],
)
def test_other_text_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_json(text, source="old.json")
    assert str(caught.value).startswith("old.json: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"value": 0.0', '"value": "0"'),
        ('"value": 0.0', '"value": NaN'),
        ('"value": 0.0', '"value": true'),
        ('"value": 0.0', '"value": 1' + 400 * "0"),
        ('"label": 1', '"label": null'),
        ('"status": "scored"', '"status": "lost"'),
        ('"passed": true', '"passed": 1'),
        ('"shape": [10', '"shape": ["10"'),
        ('"metrics": [', '"metric": ['),
        ('"gate": [', '"gates": ['),
    ],
)
def test_damage_is_named(old: str, new: str) -> None:
    text = "".join(to_json(awkward()))
    assert old in text
    with pytest.raises(InputError, match=r"damaged|not JSON"):
        read_json(text.replace(old, new))


def test_cut_document_is_refused() -> None:
    text = "".join(to_json(awkward()))
    for length in range(0, len(text) - 2, 97):
        with pytest.raises(InputError):
            read_json(text[:length])


def test_json_lines_may_begin_with_the_head_of_the_document() -> None:
    results = awkward()
    first, *rest = "".join(to_jsonl(results, header=True)).splitlines(keepends=True)
    assert "".join(rest) == "".join(to_jsonl(results))
    document = json.loads("".join(to_json(results)))
    assert json.loads(first) == {key: document[key] for key in ("format", "tool", "signature", "footnote", "settings")}
