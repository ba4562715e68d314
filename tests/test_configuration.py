"""Options from segeval.toml and pyproject.toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segeval.cli import run

TOP = Path(__file__).resolve().parent.parent
PAIR = [str(TOP / f"sample_data/{side}/case_04.nii.gz") for side in ("predictions", "references")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["score", *PAIR, "-f", "json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["settings"]
    return found


def test_options_come_from_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text(
        'metric = ["dice", "nsd@2"]\npenalty = 25\nbackground = true\nregion = ["kidneys=3,4"]\n'
        'absent_class = "ignore"\n'
    )
    found = settings(capsys)
    assert found["metrics"] == ["dice", "nsd@2"]
    assert found["penalty"] == 25
    assert found["background"] is True
    assert found["regions"] == {"kidneys": "3,4"}
    assert found["absent_class"] == "ignore"


def test_the_command_line_wins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text('metric = "dice"\npenalty = "inf"\n')
    found = settings(capsys, "--penalty", "nan", "-m", "iou")
    assert (found["penalty"], found["metrics"]) == ("nan", ["iou"])


def test_the_nearest_file_counts_and_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "segeval.toml").write_text('metric = "dice"\n')
    below = folder / "one" / "two"
    below.mkdir(parents=True)
    (folder / "one" / "pyproject.toml").write_text('[tool.segeval]\nmetric = "iou"\n[tool.other]\nkey = 1\n')
    monkeypatch.chdir(below)
    assert run(["score", *PAIR, "-f", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["settings"]["metrics"] == ["iou"]
    assert f"options from {folder / 'one' / 'pyproject.toml'}" in captured.err


def test_a_pyproject_without_our_table_is_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert settings(capsys)["penalty"] == "diagonal"


def test_label_files_are_beside_the_file_that_names_them(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "names.json").write_text('{"1": "Leber"}')
    (folder / "segeval.toml").write_text('labels = "names.json"\n')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert settings(capsys)["labels"] == {"1": "Leber"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('penalti = "inf"\n', "no option is called 'penalti', did you mean penalty"),
        ("background = 1\n", "background is true or false, found 1"),
        ('penalty = ["inf"]\n', "penalty takes one value, found a list"),
        ("[metric]\na = 1\n", "metric takes texts or numbers"),
        ("metric = \n", "it is not TOML"),
        ('help = true\nversion = "1"\n', "no option is called 'help'; no option is called 'version'"),
    ],
)
def test_what_is_wrong_in_it_is_said(folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    (folder / "segeval.toml").write_text(text)
    assert run(["score", *PAIR]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "segeval.toml: " in captured.err
    assert message in captured.err.splitlines()[-1]


def test_a_bad_value_is_found_like_one_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text('geometry = "lax"\n')
    assert run(["score", *PAIR]) == 2
    assert "'lax'" in capsys.readouterr().err.splitlines()[-1]


def test_help_needs_no_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text("nonsense = 1\n")
    assert run(["--help"]) == 0
    assert "segeval.toml" in capsys.readouterr().out
