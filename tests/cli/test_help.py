"""Help, version, completion and the other commands; and what is loaded for each, so that they answer at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from segeval.cli import segeval as group
from segeval.cli.plot import plot
from segeval.metrics import METRICS
from segeval.version import __version__
from tests.command import SEGEVAL, box, call, case, plain_environment, save, spawn
from tests.places import SAMPLES, TOP

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [
    "score",
    "batch",
    "merge",
    "explain",
    "losses",
    "report",
    "table",
    "plot",
    "metrics",
    "inspect",
    "rasterize",
]
PLOTS = ["box", "volume", "bland-altman", "cumulative", "heatmap", "overlay"]
EVERY = [*COMMANDS, *(f"plot {kind}" for kind in PLOTS)]
WITH_EXAMPLE = [name for name in EVERY if name != "plot"]
LIBRARIES = "numpy SimpleITK scipy pandas nibabel rich PIL isal matplotlib jinja2 dask distributed pyarrow"
HEAVY = {*LIBRARIES.split(" ")}
STREET = SAMPLES / "street"


def loaded_by(*arguments: object) -> set[str]:
    """The modules that a run has loaded when it ends."""
    script = (
        "import sys, segeval.cli\n"
        "code = segeval.cli.run(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=TOP,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([*name.split(), "--help"] for name in EVERY)], ids=" ".join
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(*arguments)
    assert "click" in loaded
    assert not loaded & HEAVY


def test_a_pair_of_pictures_loads_no_more_than_it_needs() -> None:
    loaded = loaded_by("score", STREET / "prediction.png", STREET / "reference.png", "-m", "dice,generalized_dice")
    assert "PIL" in loaded
    assert not loaded & {"nibabel", "isal", "scipy", "pandas", "SimpleITK", "rich.console"}


def test_a_pair_of_volumes_loads_no_more_than_it_needs() -> None:
    loaded = loaded_by("score", *case(1), "-f", "csv")
    assert "nibabel" in loaded
    assert not loaded & {"PIL", "pandas", "SimpleITK", "scipy.stats", "scipy.ndimage", "rich.console"}


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def helps(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {name: call(capsys, *name.split(), "--help").out for name in ("", *EVERY)}


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(group.commands) == COMMANDS
    assert list(plot.commands) == PLOTS
    for name, text in helps(capsys).items():
        assert text.startswith(f"Usage: segeval {name}".rstrip())
        assert call(capsys, *name.split(), "-h").out == text
        assert text.isascii()
        assert max(map(len, re.split("Examples?:", text)[0].splitlines())) <= 80
    summaries = helps(capsys)[""].partition("Commands:")[2]
    assert "..." not in summaries


def test_every_option_has_help() -> None:
    for command in (group, *group.commands.values(), *plot.commands.values()):
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or (isinstance(parameter, click.Option) and parameter.help)


def test_help_shows_all_that_is_built_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    texts = helps(capsys)
    options = {name: re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE) for name, text in texts.items()}
    scoring = (
        "metric labels match only region map map-prediction map-reference ignore-label background compat surface "
        "percentile penalty absent-class weight tolerance spacing geometry geometry-tolerance probabilities threshold "
        "normalise"
    )
    maps = "labels match only region map map-prediction map-reference ignore-label background"
    grids = "tolerance spacing geometry geometry-tolerance"
    cases = "pairs pattern prediction-pattern reference-pattern missing dry-run metadata by"
    running = "jobs dask scheduler-file worker-timeout timeout fail-fast resume shard"
    table, figure = "rows columns metric label metadata", "x y metric label metadata facet"
    losses = "labels map map-prediction map-reference ignore-label absent-class weight normalise"
    results, talk = "require format output export images", "quiet verbose no-color help"
    assert options == {
        "": ["--version", "--help"],
        "score": [f"--{name}" for name in f"{scoring} {results} confusion error-maps {talk}".split()],
        "batch": [
            f"--{name}" for name in f"{cases} {scoring} {running} {results} confusion error-maps github {talk}".split()
        ],
        "explain": [f"--{name}" for name in f"{maps} {grids} format quiet no-color help".split()],
        "losses": [f"--{name}" for name in f"{losses} format quiet no-color help".split()],
        "merge": [f"--{name}" for name in f"{results} github {talk}".split()],
        "report": [
            f"--{name}" for name in ["output", "metadata", "by", "images", "worst", "no-overlays", "title", "help"]
        ],
        "table": [f"--{name}" for name in f"{table} cell best format output quiet no-color help".split()],
        "plot": ["--help"],
        **{
            f"plot {kind}": ["--metric", "--label", "--width", "--output", "--no-color", "--help"]
            for kind in ("box", "volume", "cumulative")
        },
        "plot bland-altman": ["--label", "--width", "--output", "--no-color", "--help"],
        "plot heatmap": [f"--{name}" for name in f"{figure} width output no-color help".split()],
        "plot overlay": ["--case", "--label", "--images", "--width", "--output", "--help"],
        "metrics": ["--format", "--no-color", "--help"],
        "inspect": ["--labels", "--format", "--no-color", "--help"],
        "rasterize": ["--output", "--labels", "--force", "--help"],
    }
    kinds = r"dicom"
    assert not any(re.search(kinds, text) for text in texts.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_example_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = call(capsys, *name.split(), "--help").out
    (example,) = re.findall(r"^Example:\n((?:^  .*\n)+)", re.sub("(?m)^  ", "", text), re.MULTILINE)
    (tmp_path / "sample_data").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    command = []
    for line in example.splitlines():
        command = shlex.split(line)
        assert command[0] == "segeval"
        answer = call(capsys, *command[1:])
        assert answer.code == 0, answer.err
        assert answer.out
    assert command[1 : 1 + len(name.split())] == name.split()


def test_defaults_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(call(capsys, "score", "--help").out.split())
    assert "[default: (dice, generalized_dice, sensitivity, specificity, assd, hd, hd@95)]" in text
    for default in ("ids", "(voxel)", "(directed)", "(diagonal)", "(max)", "1", "strict", "0.05", "table"):
        assert f"[default: {default}]" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version").out == f"segeval {__version__}\n"
    assert spawn("--version").out == f"segeval {__version__}\n"


def completed(*words: str, extra: dict[str, str] | None = None) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        "_SEGEVAL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    return spawn(environment=environment | (extra or {})).out.splitlines()


@pytest.mark.slow
def test_completion() -> None:
    script = spawn(environment={"_SEGEVAL_COMPLETE": "bash_source"})
    assert script.code == 0
    assert "_SEGEVAL_COMPLETE=bash_complete" in script.out
    assert completed("segeval", "sc") == ["plain,score"]
    assert completed("segeval", "score", "-m", "hd") == ["plain,hd"]
    assert completed("segeval", "score", "-m", "dice,hd") == ["plain,dice,hd"]
    assert "plain,recall" in completed("segeval", "score", "--metric", "rec")
    assert completed("segeval", "score", "--match", "n") == ["plain,names"]
    assert completed("segeval", "metrics", "asd_to_r") == ["plain,asd_to_reference"]
    for words in (["score", "sample"], ["score", "a", "sample"], ["score", "-o", "sample"], ["inspect", "sample"]):
        assert completed("segeval", *words) == ["file,sample"]


def test_metrics(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS")
    table = call(capsys, "metrics")
    assert table.code == 0
    assert [line.split()[0].partition("[")[0] for line in table.out.splitlines()[1:]] == list(METRICS)
    markdown = call(capsys, "metrics", "-f", "markdown").out
    assert all(f"`{name}" in markdown for name in METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_one_metric_in_full(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "metrics", name)
    assert answer.code == 0
    card = METRICS[name]
    words = " ".join(answer.out.split())
    for fact in (card.title, card.summary, card.formula, card.source):
        assert " ".join(fact.split()) in words
    for alias in card.aliases:
        assert call(capsys, "metrics", alias) == answer


def test_one_metric_with_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "metrics", "hd@95") == call(capsys, "metrics", "hd")


def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = box((4, 8, 10), size=2) + box((4, 8, 10), at=0, size=1, label=7)
    path = save(tmp_path / "a.nii", labels, spacing=(5, 2, 2), origin=(-1, 2.5, 3), names={1: "liver"})
    answer = call(capsys, "inspect", path)
    assert (answer.code, answer.err) == (0, "")
    words = [line.split() for line in answer.out.splitlines()]
    assert words[0] == [str(path)]
    assert ["stored", "NIfTI-1,", "uint8"] in words
    assert "grid    10 x 8 x 4 voxels of 2 x 2 x 5 mm" in answer.out
    assert "-1, 2.5, 3 mm" in answer.out
    assert any(line[:4] == ["1", "liver", "8", "0.160"] for line in words)
    assert any(line[:3] == ["7", "1", "0.020"] for line in words)


def test_inspect_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = case(1)[0]
    missing, cut = tmp_path / "missing.nii", tmp_path / "cut.nii.gz"
    cut.write_bytes(good.read_bytes()[:2000])
    one = call(capsys, "inspect", missing)
    assert (one.code, one.cause) == (3, f"error: {missing}: no such file")
    assert f"{missing}\nunusable: no such file\n" in one.out
    three = call(capsys, "inspect", missing, good, cut)
    assert (three.code, three.cause) == (3, f"error: 2 of 3 files cannot be used: {missing}, {cut}")
    assert "unusable: the file is cut short" in three.out
    assert "liver" in three.out
    assert "\n\n\n" not in three.out


def test_the_command_is_installed() -> None:
    found = subprocess.run([*SEGEVAL, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout == f"segeval {__version__}\n"
