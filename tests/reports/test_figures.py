"""Figures: readable, with the same bytes for the same numbers, and without executing names."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from segeval.analysis.pivot import pivot
from segeval.errors import UsageError
from segeval.reports.figures import heatmap
from segeval.reports.writers import FIGURE_SUFFIXES
from segeval.results.columns import Scores
from tests.command import call, plain_environment
from tests.paper import of_values, paper, save, save_metadata
from tests.places import TOP
from tests.reports.test_score_figures import boxes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segeval.analysis.pivot import Pivot

BEGINNING = {".svg": b"<?xml", ".pdf": b"%PDF-", ".png": b"\x89PNG"}


def of_paper(*facet: str) -> Pivot:
    results, metadata = paper()
    return pivot({"r.json": results}, rows=["patch"], columns=[*facet, "learning_rate"], metadata=metadata)


def grid(values: Mapping[tuple[str, str], float | None], *, names: tuple[str, str] = ("y", "x")) -> Pivot:
    """A pivot with one case for each pair of levels."""
    cases = {f"{y}/{x}": value for (y, x), value in values.items()}
    metadata = {f"{y}/{x}": dict(zip(names, (y, x), strict=True)) for y, x in values}
    return pivot({"r.json": of_values(**cases)}, rows=[names[0]], columns=[names[1]], metadata=metadata)


PLANE: dict[tuple[str, str], float | None] = {(y, x): 0.1 * int(y) + 0.2 * int(x) for y in "12" for x in "123"}


def texts(svg: bytes) -> list[str]:
    return [text for element in ET.fromstring(svg).iter() if (text := (element.text or "").strip())]  # noqa: S314


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_numbers_give_the_same_bytes(suffix: str) -> None:
    first, second = (heatmap(of_paper("network"), suffix=suffix, width="double") for _ in range(2))
    assert first == second
    assert first.startswith(BEGINNING[suffix])
    assert not re.search(rb"20[23]\d-\d\d-\d\d|CreationDate", first)


@pytest.mark.slow
def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path: Path) -> None:
    results, metadata = paper()
    path, table = save(tmp_path, results), save_metadata(tmp_path, metadata)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\nsvg.hashsalt: other\n")
    words = ["plot", "heatmap", path, "--x", "learning_rate", "--y", "patch", "-m", "dice", "--metadata", table]
    made = tmp_path / "figure.svg"
    subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "segeval", *map(str, words), "-o", str(made)],
        cwd=tmp_path,
        env=plain_environment() | {"PYTHONPATH": str(TOP), "MATPLOTLIBRC": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert made.read_bytes() == heatmap(of_paper(), suffix=".svg")


def test_isolines_are_labelled_and_axes_named() -> None:
    """On a plane from 0.3 to 0.8, the isolines at 0.4, 0.5, 0.6 and 0.7 cross the middle."""
    found = texts(heatmap(grid(PLANE), suffix=".svg"))
    for level in ("0.40", "0.50", "0.60", "0.70"):
        assert (
            sum(float(text) == float(level) for text in found if re.fullmatch(r"0\.\d+", text)) >= 2
        )  # and at the bar
    assert {"x", "y", "median dice of lesion (higher is better)"} <= set(found)


def test_an_axis_of_two_decades_has_its_levels_at_equal_distances() -> None:
    values = {(y, x): float(y) * 0.1 for y in ("1", "2") for x in ("0.0001", "0.001", "0.01")}
    picture = heatmap(grid(values), suffix=".svg").decode()
    places = [float(x) for x in re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" y="[\d.]+"', picture)]
    ticks = places[:3]
    assert ticks[1] - ticks[0] == pytest.approx(ticks[2] - ticks[1], abs=1e-3)
    assert {"0.0001", "0.001", "0.01"} <= set(texts(picture.encode()))


def test_a_png_is_drawn_at_300_dpi_in_the_width_of_a_column() -> None:
    for width, inches in (("single", 3.5), ("double", 7.2)):
        with Image.open(io.BytesIO(heatmap(of_paper(), suffix=".png", width=width))) as picture:
            assert picture.width == round(inches * 300)
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            pixels = np.asarray(picture.convert("RGB"))
        assert len(np.unique(pixels.astype(np.int64) @ (1, 256, 65536))) > 50
        assert 0.2 < (pixels.min(axis=2) < 250).mean() < 0.95


def test_a_panel_for_each_level_of_a_facet() -> None:
    found = texts(heatmap(of_paper("loss"), suffix=".svg"))
    assert [text for text in found if text.startswith("loss ")] == ["loss dl2", "loss gdl", "loss ss", "loss wce"]


@pytest.mark.parametrize("width", ["single", "double"])
def test_texts_are_within_the_figure(width: str) -> None:
    results, metadata = paper()
    long = "lower lobe of the left lung, segment 10a"
    results = replace(results, scores=Scores([replace(row, name=long) for row in results.scores]))
    found = pivot({"r.json": results}, rows=["patch"], columns=["network", "learning_rate"], metadata=metadata)
    svg = heatmap(found, suffix=".svg", width=width)
    right, bottom = (float(each) for each in re.findall(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    places = boxes(svg)
    assert f"median dice of {long} (higher is better)" in " ".join(text for text, *_ in places)
    assert [text for text, x0, y0, x1, y1 in places if min(x0, y0) < 0 or x1 > right or y1 > bottom] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$\\frac{", "<script>&", "肝臓", "a_b^c", "two\nlines"])
def test_names_are_not_formulas(name: str) -> None:
    svg = heatmap(grid(PLANE, names=("y", name)), suffix=".svg")
    assert name.replace("\n", "\\n") in texts(svg)
    assert heatmap(grid(PLANE, names=(name, "x")), suffix=".png").startswith(b"\x89PNG")


def test_values_that_are_all_the_same_and_a_gap() -> None:
    assert heatmap(grid(dict.fromkeys(PLANE, 0.5)), suffix=".svg")
    assert heatmap(grid(dict.fromkeys(PLANE, 0.0)), suffix=".svg")
    assert heatmap(grid(PLANE | {("2", "3"): None}), suffix=".svg")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {(y, x): 0.5 for y in "12" for x in ("1", "big")},
            "--x needs a factor with numeric levels, but x has the level 'big'",
        ),
        ({(y, "1"): 0.5 for y in "12"}, "--x needs a factor with at least two levels, but x has 1"),
        ({("1", x): 0.5 for x in "12"}, "--y needs a factor with at least two levels, but y has 1"),
        (
            {(y, x): 0.5 for y in "12" for x in ("0.1", "1e-1", "2")},
            "'0.1' and '1e-1' of x are the same number; write it",
        ),
        ({("1", "1"): 0.5, ("2", "2"): 0.6}, "there are no four neighbouring medians over x and y"),
    ],
)
def test_figures_that_cannot_be_drawn(values: dict[tuple[str, str], float | None], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        heatmap(grid(values), suffix=".svg")
    assert message in str(caught.value)


def test_missing_matplotlib_is_named_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = ["plot", "heatmap", "none.json", "--x", "a", "--y", "b", "-m", "dice", "-o", tmp_path / "f.svg"]
    answer = call(capsys, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause == "error: a figure needs the package matplotlib; pip install 'segeval-cli[report]'"
