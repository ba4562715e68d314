"""The JSON schema of results: every kind of results is valid, damaged ones are not, and every key is described."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import numpy as np
import pytest

import segeval
from segeval.reports.json_files import to_json
from segeval.reports.results_schema import results_schema
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, LabelCounts, Score
from segeval.results.run_rows import Shard, Summary, Verdict
from segeval.scoring.batch_options import BATCH_OPTIONS
from segeval.scoring.declaration import settings_of
from tests.command import box, save
from tests.places import SAMPLES, TOP
from tests.reports.test_exports import hostile
from tests.reports.test_golden import awkward, awkward_batch, many_labels, nothing_scored
from tests.scripts import loaded

VALIDATOR = jsonschema.Draft202012Validator(results_schema())
STREET = SAMPLES / "street"


def document(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("".join(to_json(results)))
    return found


def probabilities() -> Results:
    random = np.random.default_rng(3)
    reference = random.integers(0, 3, (4, 5, 6))
    prediction = random.random((3, 4, 5, 6))
    prediction /= prediction.sum(axis=0)
    return segeval.score(prediction=prediction, reference=reference, probabilities=True, weight={"1": 2})


def options() -> Results:
    random = np.random.default_rng(4)
    reference, prediction = random.integers(0, 5, (2, 6, 7, 8))
    return segeval.score(
        prediction=prediction,
        reference=reference,
        spacing=(2.0, 1.0, 1.0),
        metrics="all",
        labels={1: "liver", 9: "spleen"},
        regions={"whole": "1,3", "all of them": "*"},
        map={4: 3},
        ignore_label=2,
        background=True,
        penalty="inf",
        tolerance={"liver": 3},
    )


def sharded() -> Results:
    return replace(awkward_batch(), shard=Shard(part="2/3", cases=5, digest="abc"))


def sample() -> Results:
    return segeval.batch(
        SAMPLES / "predictions",
        SAMPLES / "references",
        metrics="dice,hd@95",
        jobs=1,
    )


def layers() -> Results:
    """Score classes that overlap, each in a separate file."""
    with TemporaryDirectory() as folder:
        for side in ("prediction", "reference"):
            Path(folder, side).mkdir()
            for place, name in enumerate(("liver", "tumour")):
                save(Path(folder, side, f"{name}.nii.gz"), box((6, 7, 8), at=1 + place))
        return segeval.score_files(Path(folder, "prediction"), Path(folder, "reference"))


KINDS: dict[str, Callable[[], Results]] = {
    "one case": awkward,
    "failures, groups and gate": awkward_batch,
    "hostile names": hostile,
    "many labels": many_labels,
    "nothing scored": nothing_scored,
    "probabilities": probabilities,
    "options": options,
    "shard": sharded,
    "layers": layers,
    "sample data": sample,
    "pictures": lambda: segeval.score_files(STREET / "prediction.png", STREET / "reference.png", ignore_label=255),
}


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_valid(kind: str) -> None:
    VALIDATOR.validate(document(KINDS[kind]()))


def test_a_mean_over_found_labels_is_allowed() -> None:
    found = document(awkward_batch())
    for row in found["summary"]:
        row["mean_found"] = None if row["label"] is None else 0.5
    VALIDATOR.validate(found)


def mutated(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the document with one fault each: an extra key, a missing key, or a value of another type."""
    records = ("cases", "scores", "counts", "summary", "gate")
    optional = {"exit_code", "warnings", "groups", "cause", "infinite", "note", "footnote", "shard", "mean_found"}
    for place in ((), *((key, 0) for key in records)):
        record: Any = found
        for step in place:
            record = record[step]
        for key in [*record, "colour"]:
            for fault in ("left out", "an object") if key != "colour" else ("too many",):
                if fault == "left out" and key in optional and not (place[:1] == ("scores",) and key == "note"):
                    continue
                changed = copy.deepcopy(found)
                into: Any = changed
                for step in place:
                    into = into[step]
                if fault == "left out":
                    del into[key]
                else:
                    into[key] = {"x": {}}
                yield f"{place} {key} {fault}", changed


def test_damaged_results_are_invalid() -> None:
    found = document(awkward_batch())
    faults = list(mutated(found))
    assert len(faults) > 100
    assert [name for name, changed in faults if VALIDATOR.is_valid(changed)] == []


@pytest.mark.parametrize(
    ("key", "record", "value"),
    [
        ("cases", "status", "lost"),
        ("cases", "shape", [1]),
        ("cases", "spacing", [0, 1]),
        ("cases", "unit", "cm"),
        ("scores", "value", "0.5"),
        ("scores", "label", -1),
        ("counts", "tp", 0.5),
        ("summary", "aggregate", "micro"),
        ("summary", "n", -1),
        ("gate", "passed", 1),
    ],
)
def test_wrong_values_are_invalid(key: str, record: str, value: object) -> None:
    found = document(awkward_batch())
    found[key][0][record] = value
    assert not VALIDATOR.is_valid(found)


def test_every_key_is_described() -> None:
    schema = results_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]

    def described(record: Any) -> set[str]:
        assert all(each.get("description") for each in record["properties"].values())
        return set(record["properties"])

    document_keys = set().union(*(document(make()) for make in (awkward, sharded, awkward_batch)))
    assert described(schema) >= document_keys
    kinds = {"cases": CaseRecord, "scores": Score, "counts": LabelCounts, "summary": Summary, "gate": Verdict}
    for key, kind in kinds.items():
        assert described(properties[key]["items"]) >= {field.name for field in fields(kind)}
    assert described(properties["shard"]) == {field.name for field in fields(Shard)}
    settings = properties["settings"]
    assert described(settings) == {each.key for each in settings_of(BATCH_OPTIONS)}
    assert all(len(each) > 1 for each in settings["properties"].values()), "a setting has no type"


def test_the_published_schema_is_that_of_the_code() -> None:
    made = loaded("make_schema").schema_file()
    assert (TOP / "docs" / "results.schema.json").read_text(encoding="utf-8") == made
