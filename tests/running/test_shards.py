"""Parts of a run: what makes them one, and what keeps them from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segeval.errors import InputError, UsageError
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.running.shards import merge
from tests.command import call
from tests.places import SAMPLES

FOLDERS = (SAMPLES / "predictions", SAMPLES / "references")


@pytest.fixture
def parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[Path]:
    found = []
    for part in (1, 2, 3):
        path = tmp_path / f"part{part}.json"
        assert call(capsys, "batch", *FOLDERS, "-m", "dice,hd", "--shard", f"{part}/3", "-o", path).code == 0
        found.append(path)
    return found


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_parts_say_which_they_are(parts: list[Path]) -> None:
    assert [json.loads(part.read_text())["shard"]["part"] for part in parts] == ["1/3", "2/3", "3/3"]


def test_the_whole_is_that_of_one_run(parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "batch", *FOLDERS, "-m", "dice,hd", "-o", tmp_path / "whole.json").code == 0
    assert call(capsys, "merge", *reversed(parts), "-o", tmp_path / "merged.json").code == 0
    assert (tmp_path / "merged.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(("lacking", "said"), [([1], "part 2/3 is missing"), ([0, 2], "parts 1/3, 3/3 are missing")])
def test_a_missing_part_is_named(
    parts: list[Path], capsys: pytest.CaptureFixture[str], lacking: list[int], said: str
) -> None:
    given = [part for place, part in enumerate(parts) if place not in lacking]
    answer = call(capsys, "merge", *given)
    assert (answer.code, answer.out) == (3, "")
    assert said in answer.cause


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda part: part["settings"].update(penalty="inf"), "settings differ from"),
        (lambda part: part["settings"].update(penalty="inf"), "settings differ from .*: penalty;"),
        (lambda part: part["tool"].update(version="0.0"), "by '0.0'|by 0.0|scored by segeval 0.0"),
        (lambda part: part["shard"].update(part="2/4"), "part 2/4, but .*part1.json is part 1/3"),
        (lambda part: part["shard"].update(part="1/3"), "part 1/3, but .*part1.json is part 1/3"),
        (lambda part: part["shard"].update(part="no"), "the shard must be I/N"),
        (lambda part: part["shard"].update(cases=15), "a run with other cases than .*part1.json: 15 and 14 in all"),
        (lambda part: part["shard"].update(digest="0"), "part of a run with other cases"),
        (lambda part: part.update(shard="2/3"), "shard cannot be"),
        (lambda part: part["cases"][0].update(case="case_01"), "the case case_01 is also in"),
        (lambda part: part.pop("shard"), "a complete run, but other files are parts of a run"),
        (lambda part: part.pop("counts"), "'counts' is missing"),
        (lambda part: part.update(format=2), "expected format 1, found 2"),
    ],
)
def test_what_is_no_part_of_the_same_run(
    parts: list[Path], capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    changed(parts[1], change)
    answer = call(capsys, "merge", *parts)
    assert answer.code == 3
    assert re.search(said, answer.cause)
    assert "part2.json" in answer.cause


def test_damage(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    parts[0].write_bytes(parts[0].read_bytes()[:-40])
    answer = call(capsys, "merge", *parts)
    assert answer.code == 3
    assert "not JSON" in answer.cause
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    assert "found a file that is not text" in call(capsys, "merge", tmp_path / "x.json").cause
    assert call(capsys, "merge", tmp_path / "none.json").code == 3
    assert call(capsys, "merge").code == 2
    assert call(capsys, "merge", parts[1], parts[1]).code == 2


def test_runs_over_different_folders_are_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without shards any runs of the same settings will do, as long as no case is in two of them."""
    for name, pattern in (("a", "{case}_0*.nii.gz"), ("b", "{case}_1*.nii.gz")):
        rows = ["case,prediction,reference"]
        for path in sorted(FOLDERS[1].glob(pattern.replace("{case}", "case"))):
            case = path.name.removesuffix(".nii.gz")
            rows.append(f"{case},{FOLDERS[0] / path.name},{path}")
        (tmp_path / f"{name}.csv").write_text("\n".join(rows))
        command = ["--pairs", tmp_path / f"{name}.csv", "-m", "dice", "-o", tmp_path / f"{name}.json"]
        assert call(capsys, "batch", *command).code == 0
    answer = call(capsys, "merge", tmp_path / "b.json", tmp_path / "a.json", "-f", "json")
    assert answer.code == 0
    assert [record["case"] for record in json.loads(answer.out)["cases"]] == [f"case_{n:02}" for n in range(1, 15)]


def test_the_gate_is_held_against_the_whole(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "merge", *parts, "--require", "dice.n=13").code == 0
    assert call(capsys, "merge", *parts, "--require", "dice.n=14").code == 4
    answer = call(capsys, "merge", *parts, "--require", "iou=0.1")
    assert answer.code == 2
    assert "--require needs iou, which the parts do not have" in answer.cause


def test_a_part_is_never_overwritten(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = parts[0].read_bytes()
    assert call(capsys, "merge", *parts, "-o", parts[0]).code == 2
    assert parts[0].read_bytes() == before


def test_the_library() -> None:
    with pytest.raises(UsageError, match="no part"):
        merge({})
    damaged = Results(
        version="1", signature="", settings={"metrics": ["dice"]}, metrics=("dice",), cases=(), scores=Scores()
    )
    with pytest.raises(InputError, match="x: its settings are damaged"):
        merge({"x": damaged})


def test_exit_codes_are_those_of_the_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "part.json"
    whole = call(capsys, "batch", *FOLDERS, "--only", "heart", "--shard", "1/1", "-o", path)
    merged = call(capsys, "merge", path)
    assert whole.code == merged.code == 2
    assert "no label is called 'heart'" in merged.cause
