"""Help, version, completion and small commands, and the modules that each loads."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from segeval.cli import segeval as group
from segeval.cli.configuration import by_name
from segeval.cli.help import Option
from segeval.cli.plot import plot
from segeval.metrics import METRICS
from segeval.scoring.declaration import HEADINGS
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


def helps(capsys: pytest.CaptureFixture[str], flag: str = "--help") -> dict[str, str]:
    return {name: call(capsys, *name.split(), flag).out for name in ("", *EVERY)}


def commands() -> dict[str, click.Command]:
    """Every command by its name, and the group by the empty name."""
    return {"": group, **by_name(group.commands.values()), "plot": plot}


def headings(text: str) -> list[str]:
    """The lines of a help text that are neither indented nor empty, below the usage."""
    return [line for line in text.partition("\n\n")[2].splitlines() if line and line[0] != " "]


def options_in(text: str) -> list[str]:
    return re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE)


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(group.commands) == COMMANDS
    assert list(plot.commands) == PLOTS
    for name, text in helps(capsys).items():
        assert text.startswith(f"Usage: segeval {name}".rstrip())
        assert call(capsys, *name.split(), "-h").out == text
    summaries = helps(capsys)[""].partition("Commands:")[2]
    assert "..." not in summaries


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_is_in_groups(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in helps(capsys, flag).items():
        assert text.isascii()
        assert "\n\n\n" not in text
        assert max(map(len, text.splitlines())) <= 80
        places = [f"{heading}:" for heading in ("Formats", "Commands", *HEADINGS, "Options", "Examples")]
        found = headings(text)
        assert found == [each for each in places if each in found]
        for heading in found:
            assert f"\n\n{heading}\n  " in text
        assert text.partition("Examples:")[0].splitlines()[-2].startswith("  --help-all ")
        assert name.startswith("plot") or "Examples:" in found
    assert len(headings(call(capsys, "batch", flag).out)) > 5


def test_help_all_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    texts = helps(capsys, "--help-all")
    for name, command in commands().items():
        options = [each for each in command.params if isinstance(each, click.Option)]
        assert sorted(options_in(texts[name])) == sorted(each.opts[-1] for each in options)


def test_every_option_has_a_heading() -> None:
    for command in commands().values():
        for each in command.params:
            if isinstance(each, Option):
                is_of_help = each.name in ("help", "help_all", "version")
                assert (each.heading is None) == is_of_help
                assert each.heading is None or each.heading in HEADINGS
            else:
                assert isinstance(each, click.Argument)


def test_help_shows_common_options_and_help_all_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    common, every = helps(capsys), helps(capsys, "--help-all")
    for name, command in commands().items():
        shown = options_in(common[name])
        assert [each for each in options_in(every[name]) if each in shown] == shown
        assert {each.opts[-1] for each in command.params if isinstance(each, click.Option) and each.required} <= {
            *shown
        }
    assert "--labels" in options_in(common["batch"])
    assert not {"--dask", "--background", "--help"} & {*options_in(common["batch"])}
    assert common["report"] == every["report"]


def test_help_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    widest = {}
    for columns in ("20", "70", "100", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        text = call(capsys, "batch", "--help-all").out.partition("Examples:")[0]
        widest[columns] = max(map(len, text.splitlines()))
    assert widest["20"] <= 60 < widest["70"] <= 70
    assert 90 < widest["100"] == widest["200"] <= 100


def test_help_has_colours_where_they_are_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = call(capsys, "batch", "--help").out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = call(capsys, "batch", "--help").out
    assert "\x1b[1mMetrics:\x1b[0m\n" in coloured
    assert "  \x1b[36m-m\x1b[0m, \x1b[36m--metric\x1b[0m NAME  " in coloured
    assert click.unstyle(coloured) == plain
    assert call(capsys, "batch", "--no-color", "--help").out == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert call(capsys, "batch", "--help").out == plain


def test_every_option_has_help() -> None:
    for command in commands().values():
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or (isinstance(parameter, click.Option) and parameter.help)


def test_help_shows_all_that_is_built_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    texts = helps(capsys, "--help-all")
    options = {name: {*options_in(text)} - {"--help", "--help-all"} for name, text in texts.items()}
    labels = "labels only match map map-prediction map-reference region ignore-label background"
    grids = "spacing geometry geometry-tolerance"
    pair = f"{labels} {grids} tolerance"
    scoring = f"{pair} metric compat surface percentile penalty absent-class weight probabilities threshold normalise"
    cases = "pairs pattern prediction-pattern reference-pattern missing dry-run metadata by"
    running = "jobs dask scheduler-file worker-timeout timeout fail-fast resume keep-journal shard"
    losses = "labels map map-prediction map-reference ignore-label absent-class weight normalise"
    csv = "decimal delimiter bom"
    results = f"require format output export {csv} jsonl-header images"
    talk = "quiet verbose no-color"
    expected = {
        "": "version",
        "score": f"{scoring} {results} junit-times confusion error-maps {talk}",
        "batch": f"{cases} {scoring} {running} {results} junit-times confusion error-maps github {talk}",
        "explain": f"{pair} format quiet no-color",
        "losses": f"{losses} format {csv} quiet no-color",
        "merge": f"{results} github {talk}",
        "report": "output metadata by images worst no-overlays title",
        "table": f"rows columns metric label metadata cell best format output {csv} quiet no-color",
        "plot": "",
        **{f"plot {kind}": "metric label width output no-color" for kind in ("box", "volume", "cumulative")},
        "plot bland-altman": "label width output no-color",
        "plot heatmap": "x y metric label metadata facet width output no-color",
        "plot overlay": "case label images width output",
        "metrics": "format no-color",
        "inspect": "labels format no-color",
        "rasterize": "output labels force",
    }
    assert options == {name: {f"--{each}" for each in words.split()} for name, words in expected.items()}
    for text in texts.values():
        assert not re.search(r"dicom|--objects|--baseline", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_example_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = call(capsys, *name.split(), "--help").out
    (example,) = re.findall(r"^Examples:\n((?:^  .*\n)+)", text, re.MULTILINE)
    (tmp_path / "sample_data").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    command = []
    for line in example.replace("\\\n", "").splitlines():
        command = shlex.split(line)
        assert command[0] == "segeval"
        answer = call(capsys, *command[1:])
        assert answer.code == 0, answer.err
        assert answer.out
    assert command[1 : 1 + len(name.split())] == name.split()


def test_defaults_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(call(capsys, "score", "--help-all").out.split())
    assert "[dice, generalized_dice, sensitivity, specificity, assd, hd, hd@95]" in text
    for default in ("ids", "voxel", "directed", "diagonal", "max", "1", "strict", "0.05", "table"):
        assert f" [{default}]" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version").out == f"segeval {__version__}\n"
    assert spawn("--version").out == f"segeval {__version__}\n"


def completed(*words: str, extra: dict[str, str] | None = None) -> list[str]:
    """The completions in bash for the last word."""
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
    assert completed("segeval", "score", "--geometry", "re") == ["plain,resample"]
    assert {"plain,--background", "plain,--dask", "plain,--help-all"} <= {*completed("segeval", "batch", "--")}
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
    assert ["format", "NIfTI-1,", "uint8"] in words
    assert "grid    10 x 8 x 4 voxels of 2 x 2 x 5 mm" in answer.out
    assert "-1, 2.5, 3 mm" in answer.out
    assert any(line[:4] == ["1", "liver", "8", "0.160"] for line in words)
    assert any(line[:3] == ["7", "1", "0.020"] for line in words)


def test_inspect_reports_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = case(1)[0]
    missing, cut = tmp_path / "missing.nii", tmp_path / "cut.nii.gz"
    cut.write_bytes(good.read_bytes()[:2000])
    one = call(capsys, "inspect", missing)
    assert (one.code, one.cause) == (3, f"error: {missing}: no such file")
    assert f"{missing}\nunusable: no such file\n" in one.out
    three = call(capsys, "inspect", missing, good, cut)
    assert (three.code, three.cause) == (3, f"error: cannot use 2 of 3 files: {missing}, {cut}")
    assert "unusable: the file is cut short" in three.out
    assert "liver" in three.out
    assert "\n\n\n" not in three.out


def test_the_command_is_installed() -> None:
    found = subprocess.run([*SEGEVAL, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout == f"segeval {__version__}\n"
