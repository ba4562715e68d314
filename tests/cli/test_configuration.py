"""Options from segeval.toml and pyproject.toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from segeval.cli import run
from segeval.cli import segeval as group
from segeval.cli.configuration import by_name, configure, defaults_of, find_configuration
from segeval.cli.plot import plot
from segeval.cli.score import score
from tests.places import SAMPLES

PAIR = [str(SAMPLES / side / "case_04.nii.gz") for side in ("predictions", "references")]
STREET = SAMPLES / "street"
PICTURES = [str(STREET / f"{side}.png") for side in ("prediction", "reference")]
SOFT_PICTURES = [str(STREET / "probabilities"), str(STREET / "reference.png")]
POLYGONS = str(STREET / "reference.json")

# Options of score: the value in the file, and the same on the command line.
WRITTEN: dict[str, tuple[str, list[str]]] = {
    "metric": ('["dice", "nsd@2"]', ["dice", "nsd@2"]),
    "labels": ('"1=road,2=car"', ["1=road,2=car"]),
    "match": ('"names"', ["names"]),
    "only": ("1", ["1"]),
    "region": ('["both=1,2"]', ["both=1,2"]),
    "map": ('["90=91", "92=91"]', ["90=91", "92=91"]),
    "map-prediction": ('"93=91"', ["93=91"]),
    "map-reference": ('"94=91"', ["94=91"]),
    "ignore-label": ("255", ["255"]),
    "background": ("true", []),
    "compat": ('"monai"', ["monai"]),
    "surface": ('"surfel"', ["surfel"]),
    "percentile": ('"pooled"', ["pooled"]),
    "penalty": ("25", ["25"]),
    "absent-class": ('"ignore"', ["ignore"]),
    "weight": ('"3=2"', ["3=2"]),
    "tolerance": ("0.5", ["0.5"]),
    "spacing": ('"0.5,2"', ["0.5,2"]),
    "geometry": ('"warn"', ["warn"]),
    "geometry-tolerance": ("0.25", ["0.25"]),
    "probabilities": ("true", []),
    "threshold": ("0.25", ["0.25"]),
    "normalise": ("true", []),
    "require": ('["dice=0"]', ["dice=0"]),
    "confusion": ('"confusion.csv"', ["{folder}/confusion.csv"]),
    "error-maps": ('"maps"', ["{folder}/maps"]),
    "format": ('"csv"', ["csv"]),
    "output": ('["a.csv", "b.json"]', ["{folder}/a.csv", "{folder}/b.json"]),
    "export": ('"nnunet:summary.json"', ["nnunet:{folder}/summary.json"]),
    "decimal": ('","', [","]),
    "delimiter": ('"tab"', ["tab"]),
    "bom": ("true", []),
    "jsonl-header": ("true", []),
    "junit-times": ("true", []),
    "images": ('"scans"', ["{folder}/scans"]),
    "quiet": ("true", []),
    "verbose": ("true", []),
    "no-color": ("true", []),
}


# A preset decides other options, and pictures of labels are not probability maps.
NOT_TOGETHER = {"compat", "probabilities", "threshold", "normalise"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["score", *PAIR, "-f", "json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["settings"]
    return found


def long_names(command: click.Command) -> set[str]:
    return {option.opts[-1].removeprefix("--") for option in command.params if isinstance(option, click.Option)}


def configured(folder: Path) -> dict[str, dict[str, Any]]:
    found = find_configuration(folder)
    assert found is not None
    return defaults_of(by_name(group.commands.values()), found[1], source=found[0])


def parsed(*arguments: str, defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    return score.make_context("score", [*PAIR, *arguments], default_map=defaults).params


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


def test_label_files_are_relative_to_the_file(
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
        ('penalti = "inf"\n', "no option is named 'penalti', did you mean penalty"),
        ("background = 1\n", "background must be true or false, found 1"),
        ('penalty = ["inf"]\n', "penalty must be a single value, found a list"),
        ("[metric]\na = 1\n", "metric must be a string or a number"),
        ("metric = \n", "not a TOML file"),
        ('help = true\nversion = "1"\n', "no option is named 'help'; no option is named 'version'"),
        ("force = true\n", "force can only be given on the command line"),
        ('geometry-tolerance = "abc"\n', "geometry-tolerance: 'abc' is not a valid float"),
        ("ignore_label = 2.5\n", "ignore-label: '2.5' is not a valid integer"),
        ('match = "foo"\n', "match: 'foo' is not one of 'ids', 'names'"),
        ('format = "xlsx"\n', "format: 'xlsx' is not one of 'table', 'csv', 'json', 'jsonl', 'markdown'"),
        ('match = "foo"\ngeometry = "lax"\n', "'names'; geometry: 'lax' is not one of"),
        ('labels = ""\n', "labels must not be blank, found ''"),
        ('output = ["a.csv", " "]\n', "output must not be blank, found ' '"),
    ],
)
def test_errors_in_the_file(folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    (folder / "segeval.toml").write_text(text)
    assert run(["score", *PAIR]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "segeval.toml: " in captured.err
    assert message in captured.err.splitlines()[-1]


def test_every_option_of_score_can_stand_in_the_file() -> None:
    assert set(WRITTEN) == long_names(score) - {"help", "help-all"}


@pytest.mark.parametrize("key", WRITTEN)
def test_an_option_in_the_file_is_the_one_on_the_command_line(folder: Path, key: str) -> None:
    text, values = WRITTEN[key]
    (folder / "segeval.toml").write_text(f"{key} = {text}\n")
    said = [part for value in values for part in (f"--{key}", value.format(folder=folder))] or [f"--{key}"]
    assert parsed(defaults=configured(folder)["score"]) == parsed(*said) != parsed()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl", "markdown"])
def test_options_of_score_do_not_break_other_commands(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    keys = {key: text for key, (text, _) in WRITTEN.items() if key not in NOT_TOGETHER}
    keys |= {"format": f'"{kind}"', "labels": f"'{STREET / 'labels.json'}'"}
    (folder / "segeval.toml").write_text("".join(f"{key} = {text}\n" for key, text in keys.items()))
    (folder / "scans").mkdir()
    arguments = {
        "score": PICTURES,
        "explain": PICTURES,
        "losses": SOFT_PICTURES,
        "report": [str(folder / "b.json"), "-o", str(folder / "report.html")],
        "table": [str(folder / "b.json"), "--rows", "name"],
        "metrics": [],
        "inspect": PICTURES,
        "rasterize": [POLYGONS, "-o", str(folder / "pictures")],
    }
    assert {*arguments, "batch", "merge", "plot"} == set(group.commands)
    for name, words in arguments.items():
        assert run([name, *words]) == 0, capsys.readouterr().err
    made = {path.name for path in folder.iterdir()} - {"segeval.toml", "scans"}
    signatures = {"a.csv.signature.txt", "confusion.csv.signature.txt"}
    files = {"a.csv", "b.json", "confusion.csv", "summary.json", "report.html", "pictures", "maps"}
    assert made == files | signatures


def test_a_value_is_for_the_commands_that_take_it(folder: Path) -> None:
    (folder / "segeval.toml").write_text('format = "json"\nno_color = true\n')
    assert configured(folder) == {
        "score": {"kind": "json", "no_color": True},
        "batch": {"kind": "json", "no_color": True},
        "explain": {"kind": "json", "no_color": True},
        "losses": {"kind": "json", "no_color": True},
        "merge": {"kind": "json", "no_color": True},
        "report": {},
        "table": {"no_color": True},
        **{f"plot {kind}": {"no_color": True} for kind in plot.commands if kind != "overlay"},
        "plot overlay": {},
        "metrics": {"no_color": True},
        "inspect": {"kind": "json", "no_color": True},
        "rasterize": {},
    }


def test_the_folder_of_pictures_is_for_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text('output = "res.json"\n')
    assert run(["rasterize", POLYGONS]) == 2
    assert "--output" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in folder.iterdir()] == ["segeval.toml"]


@pytest.mark.parametrize("found", ["3", '"inf"', "[]", "[{ penalty = 1 }]"])
def test_the_table_of_segeval_must_be_a_table(folder: Path, capsys: pytest.CaptureFixture[str], found: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool]\nsegeval = {found}\n")
    assert run(["score", *PAIR]) == 2
    assert "pyproject.toml: tool.segeval must be a table of options, found " in capsys.readouterr().err.splitlines()[-1]


def test_outputs_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "segeval.toml").write_text('output = "run=1.csv"\nconfusion = "run=1.confusion.csv"\n')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert run(["score", *PAIR]) == 0
    assert {path.name for path in folder.glob("*.csv")} == {"run=1.csv", "run=1.confusion.csv"}
    assert not list((folder / "below").iterdir())


def test_labels_are_a_file_if_it_exists(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a=b.json").write_text('{"1": "Leber"}')
    (folder / "segeval.toml").write_text('labels = "a=b.json"\n')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert settings(capsys)["labels"] == {"1": "Leber"}


def test_labels_may_be_pairs_of_any_length(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {str(label): f"label {label}" for label in range(1, 400)}
    text = ",".join(f"{label}={name}" for label, name in names.items())
    (folder / "segeval.toml").write_text(f'labels = "{text}"\n')
    assert settings(capsys)["labels"] == names


def test_help_needs_no_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text("nonsense = 1\n")
    assert run(["--help"]) == 0
    assert "segeval.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "typed", "expected"),
    [
        ('compat = "monai"', ["--surface", "surfel"], (None, "surfel", "diagonal")),
        ('compat = "monai"', ["--compat", "none"], (None, "voxel", "diagonal")),
        ('compat = "monai"', [], ("monai", "voxel", "inf")),
        ('surface = "surfel"\npenalty = "nan"', ["--compat", "monai"], ("monai", "voxel", "inf")),
        ('surface = "surfel"', ["--penalty", "nan"], (None, "surfel", "nan")),
    ],
)
def test_the_command_line_overrides_conflicting_options(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, typed: list[str], expected: tuple[str | None, str, str]
) -> None:
    (folder / "segeval.toml").write_text(f"{file}\n")
    found = settings(capsys, "-m", "dice", *typed)
    assert (found["compat"], found["surface"], found["penalty"]) == expected


def test_a_file_with_conflicting_options_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "segeval.toml").write_text('compat = "monai"\nsurface = "surfel"\n')
    assert run(["score", *PAIR]) == 2
    assert "compat monai already sets surface" in capsys.readouterr().err


def test_a_key_reaches_a_command_of_a_group(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "segeval.toml").write_text('width = "double"\nmetadata = "none.csv"\n')
    monkeypatch.chdir(folder)
    with group.make_context("segeval", ["plot", "heatmap"]) as context:
        configure(context, group.commands.values())
        assert context.default_map == {
            **{name: {} for name in group.commands if name not in ("batch", "report", "table", "plot")},
            "batch": {"metadata": str(folder / "none.csv")},
            "report": {"metadata": str(folder / "none.csv")},
            "table": {"metadata": [str(folder / "none.csv")]},
            "plot": {
                **{kind: {"width": "double"} for kind in ("box", "volume", "bland-altman", "cumulative")},
                "heatmap": {"metadata": [str(folder / "none.csv")], "width": "double"},
                "overlay": {"width": "double"},
            },
        }
