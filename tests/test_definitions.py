"""The pages on definitions and other tools say what the program does: they are generated, or what they show is run."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from segeval.cli import run
from segeval.metrics import METRICS
from segeval.scoring.presets import PRESETS
from tests.scripts import DOCS, loaded

COMING_FROM = DOCS / "coming-from.md"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UPDATE = bool(os.environ.get("SEGEVAL_UPDATE_GOLDEN"))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return loaded("make_definitions")


def test_the_page_is_what_the_registry_gives(maker: ModuleType) -> None:
    if UPDATE:
        maker.main()
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page()


def test_the_figures_are_what_the_script_draws(maker: ModuleType) -> None:
    drawn = maker.figures()
    assert {path.name for path in maker.FIGURES.glob("surface-*")} == set(drawn)
    for name, text in drawn.items():
        assert (maker.FIGURES / name).read_text(encoding="utf-8") == text
        assert f"figures/{name})" in maker.page()


def test_figures_are_pictures_on_white(maker: ModuleType) -> None:
    for text in maker.figures().values():
        picture = ET.fromstring(text)  # noqa: S314
        background = picture.find("{*}rect")
        assert background is not None
        assert background.get("fill") == "#ffffff"
        assert (background.get("width"), background.get("height")) == (picture.get("width"), picture.get("height"))


def test_the_voxel_figure_has_a_dot_for_each_border_voxel(maker: ModuleType) -> None:
    # its five rows hold 3, 5, 6, 6 and 4 voxels: the first and the last are border, of the others both ends
    assert maker.voxel_figure().count("<circle") == 3 + 2 + 2 + 2 + 4


def test_the_page_names_every_metric_and_preset(maker: ModuleType) -> None:
    text = maker.page()
    for name in METRICS:
        assert f"\n#### {name}\n" in text
    for name, preset in PRESETS.items():
        assert f"| `{name}` | {preset.title} |" in text


def blocks() -> Iterator[tuple[str, str]]:
    """Our own sessions and code on the page for people who come from elsewhere, in order; not those of the others."""
    for found in BLOCK.finditer(COMING_FROM.read_text(encoding="utf-8")):
        yield found[1], found[2]


def same(printed: str, shown: str) -> bool:
    """Whether two texts are the same but for the last digits of numbers."""
    ours, theirs = (re.split(r"[,\n]", text) for text in (printed, shown))
    return len(ours) == len(theirs) and all(
        one == other or float(one) == pytest.approx(float(other), rel=1e-9)
        for one, other in zip(ours, theirs, strict=True)
    )


def test_our_calls_give_the_numbers_beside_them(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    sessions = calls = 0
    for kind, text in blocks():
        if kind == "python":
            exec(compile(text, "coming-from.md", "exec"), names)  # noqa: S102  (our own text)
            shown = re.findall(r"^print\(.*\)  # (\S+)$", text, re.MULTILINE)
            assert capfd.readouterr().out.split() == shown
            calls += len(shown)
        else:
            command, _, output = text.partition("\n")
            program, *arguments = shlex.split(command.removeprefix("$ "))
            assert (program, run(arguments)) == ("segeval", 0)
            assert same(capfd.readouterr().out, output), command
            sessions += 1
    assert sessions == 1 + len(PRESETS)
    assert calls >= 3 * len(PRESETS)


def test_a_session_and_the_call_beneath_it_give_the_same_numbers() -> None:
    found = list(blocks())
    for (kind, session), (_, code) in itertools.pairwise(found):
        if kind != "console" or "--compat" not in session:
            continue
        name = session.partition("--compat ")[2].split()[0]
        head, row = (line.split(",") for line in session.splitlines()[1:])
        by_session = {token: f"{float(value):.4f}" for token, value in zip(head[6:], row[6:], strict=True)}
        by_call = dict(re.findall(rf'ours\("(\S+)", compat="{name}"\)\)  # (\S+)', code))
        assert by_call == by_session
