"""Arguments from Python: whatever is passed, it works or an error names the argument."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segeval
from segeval.errors import ArgumentError, SegevalError, UsageError
from segeval.scoring.batch_options import OPTIONS_OF_RUNS
from segeval.scoring.options import OPTIONS
from tests.command import case

MAP = np.array([[0, 1, 1], [0, 2, 0]])


class Unreadable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: -1,
    lambda: 3.5,
    lambda: 2**80,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: "",
    lambda: "nonsense",
    lambda: "x=1",
    lambda: b"bytes",
    lambda: 1j,
    list,
    lambda: [None],
    lambda: ["nonsense", 1],
    lambda: [1, "nonsense", []],
    lambda: {"nonsense"},
    dict,
    lambda: {"nonsense": 1},
    lambda: {"nonsense": -1},
    lambda: {1: 2},
    lambda: {-1: 2},
    lambda: {1: "nonsense"},
    lambda: {1.5: None},
    lambda: {"nonsense": object()},
    object,
    Unreadable,
    lambda: print,
    lambda: int,
    lambda: np.zeros((2, 2)),
    lambda: np.array(1.5),
    lambda: np.array(["nonsense"]),
    lambda: np.float32(-2),
    lambda: iter([1, 2]),
]


def outcome(function: Callable[..., object], name: str, value: Any, **others: Any) -> str:
    """What an argument gives: nothing if it works, or the text of the error, which must name it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(**{name: value}, **others)
    except SegevalError as error:
        text = str(error)
        assert re.search(rf"\b{name}\b", text), (name, text)
        assert text.isprintable()
        return text
    return ""


@pytest.mark.parametrize("name", list(OPTIONS))
def test_every_option_of_arrays_works_or_is_named(name: str) -> None:
    options = {"probabilities": True} if name in ("threshold", "normalise") else {}
    prediction = MAP.clip(0, 1).astype(float) if options else MAP
    reference = MAP.clip(0, 1) if options else MAP
    found = [
        outcome(segeval.score, name, value(), prediction=prediction, reference=reference, **options) for value in VALUES
    ]
    assert sum(map(bool, found)) > len(VALUES) / 2


@pytest.mark.parametrize("name", [name for name in OPTIONS_OF_RUNS if name not in ("dask", "scheduler_file")])
def test_every_option_of_runs_works_or_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    folders: dict[str, Any] = {} if name == "pairs" else {"predictions": "one", "references": "other"}
    found = [outcome(segeval.batch, name, value(), **folders) for value in VALUES]
    assert sum(map(bool, found)) > len(VALUES) / 2


@pytest.mark.parametrize("name", ["dask", "scheduler_file"])
def test_the_address_of_a_cluster_has_the_right_type(name: str) -> None:
    for value in VALUES:
        if not isinstance(value(), str | None):
            assert outcome(segeval.batch, name, value(), predictions="a", references="b")


@pytest.mark.parametrize("name", ["predictions", "references", "progress"])
def test_every_argument_of_batch_works_or_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    others = {"predictions": "one", "references": "other"}
    others.pop(name, None)
    for value in VALUES:
        if not isinstance(value(), str):  # a folder that does not exist is named itself
            outcome(segeval.batch, name, value(), **others)


@pytest.mark.parametrize("name", ["prediction", "reference"])
def test_every_array_and_path_works_or_is_named(name: str, tmp_path: Path) -> None:
    (other,) = {"prediction", "reference"} - {name}
    for value in VALUES:
        assert outcome(segeval.score, name, value(), **{other: MAP})
        for probabilities in (True, False):
            outcome(segeval.score, name, value(), **{other: MAP}, probabilities=probabilities)
        if not isinstance(value(), str):
            assert outcome(segeval.score_files, name, value(), **{other: str(tmp_path)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "dice"}, "score() has no option 'metric'; did you mean 'metrics'?"),
        ({"LABELS": {1: "a"}}, "score() has no option 'LABELS'; did you mean 'labels'?"),
        ({"xyz": 1}, "score() has no option 'xyz'; help(segeval.score) lists the options"),
        ({"background": 1}, "background must be True or False, found 1"),
        ({"ignore_label": 1.5}, "ignore_label must be a whole number or None, found 1.5"),
        ({"match": "name"}, "match must be 'ids' or 'names', found 'name'"),
        ({"match": None}, "match must be 'ids' or 'names', found None"),
        ({"spacing": np.zeros((2, 2))}, "spacing must be a list of numbers or None, found an array of float64 with "),
        ({"regions": "x=1"}, "regions must be a dict from strings to whole numbers, strings or lists, or None, found "),
        ({"spacing": 1.5}, "spacing must be a list of numbers or None, found 1.5"),
        ({"spacing": (1, "2")}, "spacing must be a list of numbers or None, found (1, '2')"),
        ({"labels": {1: 2}}, "labels must be a string, a path, a dict from whole numbers to strings, a LabelTable or "),
        ({"compat": object()}, "compat must be a string or None, found an object of the type object"),
    ],
)
def test_messages(options: dict[str, Any], message: str) -> None:
    score: Any = segeval.score
    with pytest.raises(ArgumentError) as caught:
        score(prediction=MAP, reference=MAP, **options)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, TypeError)


def test_a_dict_is_asked_for_with_an_example() -> None:
    regions: Any = "x=1"
    with pytest.raises(ArgumentError, match=r"^regions must be a dict .*, found 'x=1'; for example regions=\{"):
        segeval.score(prediction=MAP, reference=MAP, regions=regions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must be at least 1, found 0"),
        ({"timeout": 0}, "timeout must be greater than 0, found 0"),
        ({"timeout": float("nan")}, "timeout must be greater than 0, found nan"),
        ({"predictions": 5}, "predictions must be a path, found 5"),
        ({"predictions": MAP}, "predictions must be a path, found an array of int64 with shape (2, 3); segeval.score "),
        ({"progress": "yes"}, "progress must be True, False, None or a function, found 'yes'"),
        ({"prediction_pattern": "x"}, "prediction_pattern: the pattern 'x' has no {case}"),
    ],
)
def test_messages_of_batch(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    batch: Any = segeval.batch
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UsageError) as caught:
        batch(**{"predictions": tmp_path / "one", "references": tmp_path / "other", **options})
    assert str(caught.value).startswith(message)


def test_positional_options_are_refused_with_their_names() -> None:
    score: Any = segeval.score
    files: Any = segeval.score_files
    with pytest.raises(ArgumentError, match=r"^score\(\) takes no positional arguments, found 2; .*prediction=\.\.\."):
        score(MAP, MAP)
    with pytest.raises(ArgumentError, match=r"^score_files\(\) takes 2 positional arguments, found 3"):
        files(*case(1), "dice")


def test_numbers_of_numpy_and_iterators_become_plain_values() -> None:
    score: Any = segeval.score
    results = score(
        prediction=MAP,
        reference=MAP,
        metrics=iter(["dice", "nsd"]),
        tolerance=np.float32(2),
        only=np.array([1]),
        background=np.True_,
        labels={np.int64(1): "a"},
        spacing=(step for step in (1, 2)),
    )
    assert results.metrics == ("dice", "nsd")
    settings = results.settings
    assert [settings[name] for name in ("tolerance", "only", "background", "labels", "spacing")] == [
        2.0,
        ["1"],
        True,
        {"1": "a"},
        [1.0, 2.0],
    ]
    assert type(settings["background"]) is bool
