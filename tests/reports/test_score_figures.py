"""Boxes, sizes, agreement and cumulative curves: drawn values are read from the picture and compared with the numbers.

A picture is read by the ticks of its axes, so that nothing of the package stands between a value and its place.
"""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from PIL import Image

from segeval.errors import UsageError, shown
from segeval.reports.figures import bland_altman, box, cumulative, volume
from segeval.reports.figures.curves import MOST_STEPS, curve
from segeval.reports.writers import FIGURE_SUFFIXES
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, LabelCounts, Score
from tests.analysis.test_series import sized
from tests.command import call, plain_environment
from tests.paper import of_values, record, results_of, save, score
from tests.places import TOP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Figure = Callable[..., bytes]
FIGURES: dict[str, Figure] = {
    "box": partial(box, metric="dice"),
    "volume": partial(volume, metric="dice"),
    "bland-altman": bland_altman,
    "cumulative": partial(cumulative, metric="dice"),
}
EVERY = pytest.mark.parametrize("kind", FIGURES)
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass
class Picture:
    """An SVG with one pair of axes, in the coordinates of these."""

    svg: bytes
    log: bool = False

    def __post_init__(self) -> None:
        self.root = ET.fromstring(self.svg)  # noqa: S314
        self.x, self.y = self._scale("x"), self._scale("y")

    def texts(self) -> list[str]:
        return [text for element in self.root.iter(f"{SVG}text") if (text := (element.text or "").strip())]

    def groups(self, name: str) -> list[ET.Element]:
        return [each for each in self.root.iter(f"{SVG}g") if each.get("id", "").startswith(name)]

    def _scale(self, axis: str) -> Callable[[float], float]:
        """Convert a position to a value, by the first and the last tick with a number."""
        ticks = []
        for group in self.groups(f"{axis}tick_"):
            mark, text = next(group.iter(f"{SVG}use"), None), next(group.iter(f"{SVG}text"), None)
            if mark is not None and text is not None:
                value = float((text.text or "").replace("\N{MINUS SIGN}", "-"))
                ticks.append((float(mark.get(axis, "")), math.log10(value) if axis == "x" and self.log else value))
        if len(ticks) < 2:
            return lambda place: place
        (at, value), (to, last) = ticks[0], ticks[-1]

        def value_at(place: float) -> float:
            found = value + (place - at) * (last - value) / (to - at)
            return 10.0**found if axis == "x" and self.log else found

        return value_at

    def points(self) -> list[tuple[float, float]]:
        """Positions of markers, without ticks."""
        ticks = {id(use) for axis in "xy" for group in self.groups(f"{axis}tick_") for use in group.iter(f"{SVG}use")}
        legend = {id(use) for group in self.groups("legend") for use in group.iter(f"{SVG}use")}
        return [
            (self.x(float(use.get("x", ""))), self.y(float(use.get("y", ""))))
            for use in self.root.iter(f"{SVG}use")
            if id(use) not in ticks | legend and use.get(LINK)
        ]

    def paths(self, style: str) -> list[list[tuple[float, float]]]:
        """Corners of each line whose style contains a text."""
        found = []
        for path in self.root.iter(f"{SVG}path"):
            if style in path.get("style", ""):
                corners = re.findall(rf"[ML] ({NUMBER}) ({NUMBER})", path.get("d", ""))
                found.append([(self.x(float(x)), self.y(float(y))) for x, y in corners])
        return found


def many(cases: int, labels: int, *, seed: int = 0) -> Results:
    """Organs of all sizes; some are missed, some false alarms, and some absent."""
    random = np.random.default_rng(seed)
    records, scores, counts = [], [], []
    for place in range(cases):
        name = f"case_{place:05}"
        records.append(CaseRecord(
            case=name, status="missing" if place == 1 else "scored", prediction=name, reference=name,
            shape=(64, 128, 128), spacing=(3.0, 1.0, 1.0), unit="mm",
        ))  # fmt: skip
        for label in range(1, labels + 1) if place != 1 else ():
            size = int(math.exp(random.normal(math.log(200 * 3 ** (label % 8)), 0.7))) + 5
            fate = random.random()
            tp = 0 if fate < 0.02 else int(size * min(1, abs(random.normal(0.8, 0.1))))
            fn, fp = (size - tp, int(size * 0.2 * random.random())) if fate > 0.01 else (0, size)
            tp, fp, fn = (0, 0, 0) if fate > 0.99 else (tp, fp, fn)
            note = "reference empty" if fp and not tp + fn else "prediction empty" if fn and not tp + fp else None
            value = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None
            scores.append(Score(
                case=name, label=label, name=f"organ {label}", metric="dice", value=value, unit=None,
                note=note if value is not None else "undefined: absent in both",
            ))  # fmt: skip
            counts.append(LabelCounts(case=name, label=label, tp=tp, fp=fp, fn=fn, tn=9))
    return replace(results_of(records, scores), counts=CaseCounts(counts))


def text_of(svg: bytes) -> str:
    """All texts of a figure on one line."""
    return " ".join(Picture(svg).texts())


def test_a_box_runs_from_quartile_to_quartile() -> None:
    """Quartiles of the five are the second and fourth; 0.9 lies beyond 0.4 + 1.5 * 0.2, so the whisker ends at 0.4."""
    picture = Picture(box({"r": of_values(a=0.1, b=0.2, c=0.3, d=0.4, e=0.9)}, metric="dice", suffix=".svg"))
    assert [round(x, 4) for x, _ in picture.points()] == [0.1, 0.2, 0.3, 0.4, 0.9]
    assert len({round(y, 3) for _, y in picture.points()}) == 5
    outline = [[round(x, 4) for x, _ in path] for path in picture.paths("stroke: #003f62")]
    assert outline == [[0.1, 0.2], [0.4, 0.4], [0.2, 0.4, 0.4, 0.2, 0.2]]
    assert [[round(x, 4) for x, _ in path] for path in picture.paths("stroke-width: 1.2")] == [[0.3, 0.3]]
    assert {"lesion", "dice ↑"} <= set(picture.texts())


def test_boxes_have_the_quartiles_of_the_summary() -> None:
    results = many(40, 3)
    picture = Picture(box({"r": results}, metric="dice", suffix=".svg"))
    boxes = [path for path in picture.paths("stroke: #003f62") if len(path) == 5]
    medians = picture.paths("stroke-width: 1.2")
    rows = [row for row in results.summary if row.aggregate == "cases"]
    for row, outline, median in zip(rows, boxes, medians, strict=True):
        assert (outline[0][0], outline[1][0], median[0][0]) == pytest.approx((row.q1, row.q3, row.median), abs=1e-4)
    assert len(picture.points()) == sum(row.n for row in rows)


def test_points_are_at_the_size_in_the_reference() -> None:
    """Voxels of 2 mm³: 10 with Dice 8/12, 100 with 1, 1000 with 800/1000."""
    results = sized((4, 3, 1), (50, 0, 0), (400, 100, 100))
    picture = Picture(volume({"r": results}, metric="dice", suffix=".svg"), log=True)
    places = [(round(x, 1), round(y, 4)) for x, y in picture.points()]
    assert places == [(10.0, round(8 / 12, 4)), (100.0, 1.0), (1000.0, 0.8)]
    assert {"reference volume of lesion, mm³", "10", "100", "1000"} <= set(picture.texts())


def test_an_empty_reference_is_at_the_left_edge_and_counted() -> None:
    svg = volume({"r": sized((4, 3, 1), (50, 0, 0), (0, 7, 0), (0, 0, 5), (0, 0, 0))}, metric="dice", suffix=".svg")
    picture = Picture(svg, log=True)
    assert len(picture.points()) == 4
    left = [(x, y) for x, y in picture.points() if x < 9.9]
    assert [round(y, 4) for _, y in left] == [0.0]
    words = text_of(svg)
    assert "1 missed (only in the reference); + 1 false alarm (only in the prediction)" in words
    assert "at the left edge: 1 with an empty reference" in words
    assert "not drawn: 1 undefined" in words


def test_a_running_median_is_that_of_neighbours_in_size() -> None:
    """The 15 smallest of 30 sizes have Dice 0.5, the others 1, so the median of a window of 15 is first 0.5, then 1."""
    counts = [(10 * k, 20 * k, 0) if k <= 15 else (10 * k, 0, 0) for k in range(1, 31)]
    picture = Picture(volume({"r": sized(*counts)}, metric="dice", suffix=".svg"), log=True)
    (line,) = picture.paths("stroke: #003f62")
    assert (round(line[0][0]), round(line[-1][0])) == (160, 460)  # 20 mm³ times 8 and 23, the middles of the windows
    assert {round(y, 4) for _, y in line} == {0.5, 1.0}
    assert min(x for x, y in line if y > 0.9) == pytest.approx(20 * 16, rel=1e-3)


def test_limits_of_agreement() -> None:
    """In mm³: differences 4, -2, 4 and means 12, 101, 42."""
    picture = Picture(bland_altman({"r": sized((4, 3, 1), (50, 0, 1), (20, 2, 0))}, suffix=".svg"))
    assert [(round(x, 2), round(y, 2)) for x, y in picture.points()] == [(12, 4), (101, -2), (42, 4)]
    lines = [path[0][1] for path in picture.paths("stroke-width: 0.8") if len(path) == 2]
    bias, spread = 2.0, 1.96 * math.sqrt((4 + 16 + 4) / 2)
    assert lines == pytest.approx([bias, bias - spread, bias + spread], abs=0.02)
    assert f"+2 ± {spread:.3g}" in text_of(picture.svg)


def test_shares_of_cases_at_least_as_good() -> None:
    higher = Picture(cumulative({"r": of_values(a=0.25, b=0.5, c=0.5, d=1.0)}, metric="dice", suffix=".svg"))
    (line,) = [path for path in higher.paths("stroke-width: 1.1") if len(path) > 2]
    assert [(round(x, 3), round(y, 3)) for x, y in line[1:-1]] == [
        (0.25, 1), (0.25, 0.75), (0.5, 0.75), (0.5, 0.25), (1, 0.25), (1, 0),
    ]  # fmt: skip
    assert "share of cases ≥ x" in higher.texts()
    values = np.array([3.0, 1.0, 2.0, math.inf])
    rows = [score(f"c{k}", value, metric="hd", unit="mm") for k, value in enumerate(values)]
    results = results_of([record(f"c{k}") for k in range(4)], rows, metrics=("hd",))
    svg = cumulative({"r": results}, metric="hd", suffix=".svg")
    (line,) = [path for path in Picture(svg).paths("stroke-width: 1.1") if len(path) > 2]
    assert [round(y, 3) for _, y in line] == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    assert {"share of cases ≤ x", "hd ↓, mm", "not reached: 1 infinite"} <= set(Picture(svg).texts())


def test_a_long_curve_keeps_shares_that_are_exact() -> None:
    values = np.sort(np.random.default_rng(1).normal(size=5000))
    x, shares = curve(values, higher=True, edges=(-5, 5))
    assert len(x) == 2 * MOST_STEPS + 2
    for at, share in zip(x[1:-1:2], shares[1:-1:2], strict=True):
        assert share == pytest.approx(np.mean(values >= at), abs=1e-12)


def test_lengths_of_penalties_do_not_stretch_the_axis() -> None:
    rows = [score(f"c{k}", value, metric="hd", unit="mm") for k, value in enumerate((1.0, 2.0, 3.0, 400.0, math.inf))]
    rows[3], rows[4] = replace(rows[3], note="prediction empty"), replace(rows[4], note="reference empty")
    results = results_of([record(f"c{k}") for k in range(5)], rows, metrics=("hd",))
    svg = box({"r": results}, metric="hd", suffix=".svg")
    places = [x for x, _ in Picture(svg).points()]
    assert places[:3] == pytest.approx([1, 2, 3], abs=1e-3)
    assert len(places) == 5
    assert max(places) < 3.2
    assert "1 missed (only in the reference), at the edge; ▷ 1 infinite, at the edge" in text_of(svg)
    assert "outside the axis: 1 with a penalty" in text_of(cumulative({"r": results}, metric="hd", suffix=".svg"))


@EVERY
def test_unscored_cases_are_counted_by_run(kind: str) -> None:
    lost = [replace(each, case=f"x{each.case}", status="failed") for each in sized((4, 3, 1), (5, 1, 1)).cases]
    first, second = sized((4, 3, 1), (0, 0, 0)), sized((4, 3, 1))
    second = replace(second, cases=(*second.cases, *lost, replace(lost[0], case="y", status="missing")))
    words = text_of(FIGURES[kind]({"one": first, "two": second}, suffix=".svg"))
    assert "two: 2 cases failed, 1 case missing" in words
    assert ("1 absent (in neither map)" if kind == "bland-altman" else "1 undefined") in words
    assert "not drawn: 2 cases failed, 1 case missing" in text_of(FIGURES[kind]({"two": second}, suffix=".svg"))


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize(("cases", "labels", "runs"), [(3, 1, 1), (60, 3, 3), (30, 20, 3), (20, 104, 1)])
def test_any_number_of_labels_and_runs_fits_a_page(kind: str, cases: int, labels: int, runs: int) -> None:
    files = {f"run {place}": many(cases, labels, seed=place) for place in range(runs)}
    drawn = FIGURES[kind](files, suffix=".svg")
    height = float(re.findall(rb'height="([\d.]+)pt"', drawn)[0]) / 72
    assert height < 9.5
    which = re.findall(rf"\b(\d+) of {labels} labels|other (\d+)|{labels} labels (in one colour)", text_of(drawn))
    assert bool(which) is (labels > 12)


@pytest.mark.slow
@EVERY
def test_a_thousand_cases_of_ten_labels_take_little_room(kind: str) -> None:
    assert len(FIGURES[kind]({"r": many(1000, 10)}, suffix=".svg")) < 300_000


def test_points_that_are_pixels_are_few_elements() -> None:
    for cases, pixels in ((50, False), (300, True)):
        svg = box({"r": many(cases, 10)}, metric="dice", suffix=".svg")
        assert (b"data:image/png;base64" in svg) is pixels
        assert svg.count(b"<use") < 700
        assert b"<text" in svg


def test_the_labels_that_are_shown_are_the_worst() -> None:
    """The lowest of 60 labels with Dice from 0.01 to 0.60 are drawn."""
    rows = [score("a", label / 100, label=label, name=f"organ {label}") for label in range(1, 61)]
    svg = box({"r": results_of([record("a")], rows)}, metric="dice", suffix=".svg")
    names = [text for text in Picture(svg).texts() if text.startswith("organ")]
    assert 10 < len(names) < 60
    assert names == [f"organ {label}" for label in range(1, len(names) + 1)]
    assert f"{len(names)} of 60 labels, with the worst medians" in text_of(svg)


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_numbers_give_the_same_bytes(kind: str, suffix: str) -> None:
    runs = {"one": many(30, 2), "two": many(30, 2, seed=1)}
    first, second = (FIGURES[kind](runs, suffix=suffix, width="double") for _ in range(2))
    assert first == second
    assert not re.search(rb"20[23]\d-\d\d-\d\d|CreationDate", first)


@pytest.mark.slow
def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path: Path) -> None:
    results = many(150, 8)
    path = save(tmp_path, results)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\nsvg.hashsalt: other\n")
    commands = [["plot", kind, str(path), "-o", f"{kind}.svg"] for kind in FIGURES]
    commands = [words if words[1] == "bland-altman" else [*words, "-m", "dice"] for words in commands]
    script = "import sys, json\nfrom segeval.cli import run\nsys.exit(max(map(run, json.loads(sys.argv[1]))))\n"
    subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-c", script, json.dumps(commands)],
        cwd=tmp_path,
        env=plain_environment() | {"PYTHONPATH": str(TOP), "MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    for kind, draw in FIGURES.items():
        assert (tmp_path / f"{kind}.svg").read_bytes() == draw({"results": results}, suffix=".svg")


@pytest.mark.slow
@EVERY
def test_an_svg_has_no_background_and_a_png_a_white_one(kind: str) -> None:
    runs = {"r": many(30, 2)}
    svg = FIGURES[kind](runs, suffix=".svg")
    assert b"fill: #ffffff" not in svg
    with Image.open(io.BytesIO(FIGURES[kind](runs, suffix=".png"))) as picture:
        assert picture.width == 1050
        pixels = np.asarray(picture.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    assert (pixels[0, 0] == 255).all()
    assert (pixels[..., :3] == 255).all(axis=2).mean() > 0.5


HOSTILE = ["$\\frac{", "</text><script>alert(1)</script>", "\x1b[31m\x00", "肝臓", "a_b^c", "n" * 300, "%s{0}"]


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_neither_formulas_nor_markup_nor_too_long(kind: str, name: str) -> None:
    results = many(8, 2)
    rows = [replace(row, name=name if row.label == 1 else "plain") for row in results.scores]
    results = replace(results, scores=Scores(rows))
    svg = FIGURES[kind]({name: results, "other": results}, suffix=".svg")
    texts = Picture(svg).texts()
    assert not list(Picture(svg).root.iter(f"{SVG}script"))
    assert b"\x1b" not in svg
    assert max(map(len, texts)) < 160
    assert any(text.startswith(shown(name)[:5]) for text in texts)
    assert FIGURES[kind]({name: results}, suffix=".png").startswith(b"\x89PNG")


def boxes(svg: bytes) -> list[tuple[str, float, float, float, float]]:
    """Each text with its left, top, right and bottom, in points, measured by the outlines of its letters."""
    found = []
    for element in ET.fromstring(svg).iter(f"{SVG}text"):  # noqa: S314
        text, style = element.text or "", element.get("style", "")
        size = float(re.findall(r"([\d.]+)px", style)[0])
        width, up, down = TextToPath().get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
        place, turn = element.get("transform", ""), re.search(rf"rotate\(({NUMBER})", element.get("transform", ""))
        moved = re.search(rf"translate\(({NUMBER}) ({NUMBER})\)", place)
        x, y = (float(each or 0) for each in (moved.groups() if moved else (element.get("x"), element.get("y"))))
        off = {"middle": width / 2, "end": width}.get((re.findall(r"text-anchor: (\w+)", style) or [""])[0], 0.0)
        left, top, right, bottom = -off, down - up, width - off, down
        if turn and float(turn[1]) == -90:
            left, top, right, bottom = top, -right, bottom, -left
        found.append((text, x + left, y + top, x + right, y + bottom))
    return found


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize(("labels", "runs"), [(1, 1), (1, 2), (1, 3), (1, 4), (3, 2), (8, 2)])
def test_texts_are_within_the_figure_and_none_is_on_another(kind: str, width: str, labels: int, runs: int) -> None:
    names = {label: f"lower lobe of the left lung, segment number {label}" for label in range(1, labels + 1)}
    files = {}
    for run in range(1, runs + 1):
        found = many(12, labels, seed=run)
        rows = [replace(row, name=names[int(row.label)]) for row in found.scores]
        files[f"results/nnunet_residual_encoder_large_fold_{run}.json"] = replace(found, scores=Scores(rows))
    svg = FIGURES[kind](files, suffix=".svg", width=width)
    size = [float(each) for each in re.findall(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]]
    texts = boxes(svg)
    assert any("lung" in text or "lower" in text for text, *_ in texts)
    outside = [
        text for text, left, top, right, bottom in texts if min(left, top) < 0 or right > size[0] or bottom > size[1]
    ]
    assert outside == []
    on_another = [
        (one[0], other[0])
        for one, other in combinations(texts, 2)
        if one[1] < other[3] and other[1] < one[3] and one[2] < other[4] - 0.5 and other[2] < one[4] - 0.5
    ]
    assert on_another == []


def test_equal_short_names_are_distinguished() -> None:
    rows = [score("a", 0.5, label=label, name=f"{'x' * 30}{label}{'y' * 30}") for label in (1, 2)]
    texts = Picture(box({"r": results_of([record("a")], rows)}, metric="dice", suffix=".svg")).texts()
    assert len({text for text in texts if text.startswith("xxx")}) == 2


@EVERY
def test_nothing_to_draw(kind: str) -> None:
    nothing = sized((0, 0, 0), (0, 0, 0))
    for results in (nothing, replace(nothing, scores=Scores(), counts=CaseCounts())):
        with pytest.raises(UsageError, match="there is nothing to draw"):
            FIGURES[kind]({"r": results}, suffix=".svg")


@EVERY
def test_more_runs_than_there_are_looks(kind: str) -> None:
    with pytest.raises(UsageError, match="too many results for one figure: at most 8, found 9; draw several figures"):
        FIGURES[kind]({str(place): sized((4, 3, 1)) for place in range(9)}, suffix=".svg")


def test_a_score_over_all_labels_has_no_size() -> None:
    results = results_of([record("a")], [score("a", 0.5, label="all", name=None)])
    with pytest.raises(UsageError, match="no case has a value of dice for a label with a size"):
        volume({"r": results}, metric="dice", suffix=".svg")
    assert box({"r": results}, metric="dice", suffix=".svg")


def commands(path: Path | str, folder: Path) -> Mapping[str, Sequence[object]]:
    found = {kind: ["plot", kind, path, "-o", folder / f"{kind}.svg"] for kind in FIGURES}
    return {kind: words if kind == "bland-altman" else [*words, "-m", "dice"] for kind, words in found.items()}


@EVERY
def test_missing_matplotlib_is_named_with_its_install_command(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = call(capsys, *commands("none.json", tmp_path)[kind])
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause == "error: a figure needs the package matplotlib; pip install 'segeval-cli[report]'"


def test_the_commands_print_what_they_draw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Dice 8/12, 1, 0 for a missed one, and none; sizes 14 over 10, 100 over 100, 0 over 6 mm³."""
    path = save(tmp_path, sized((4, 3, 1), (50, 0, 0), (0, 0, 3), (0, 0, 0)))
    for kind, words in commands(path, tmp_path).items():
        answer = call(capsys, *words)
        assert (answer.code, answer.err) == (0, "")
        head, row = answer.out.splitlines()[:2]
        if kind != "bland-altman":
            assert head.split() == ["dice", "↑", "n", "median", "q1", "q3", "notes"]
            assert row.split() == [
                *("lesion", "3/4", "0.6667", "0.3333", "0.8333"),
                *("not", "in", "n:", "1", "undefined;", "1", "missed"),
            ]
        else:
            spread = 1.96 * np.std([4, 0, -6], ddof=1)
            low, high = -2 / 3 - spread, -2 / 3 + spread
            assert head.split() == ["difference", "mm³", "n", "bias", "sd", "low", "high", "notes"]
            assert row.split() == f"lesion 3/4 -0.7 5.0 {low:.1f} {high:.1f} not in n: 1 absent; 1 missed".split()
        assert (tmp_path / f"{kind}.svg").stat().st_size > 2000


def test_several_files_are_drawn_next_to_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, two = (save(tmp_path, many(20, 2, seed=seed), name=f"net{seed}.json") for seed in (1, 2))
    answer = call(capsys, "plot", "box", one, two, "-m", "dice", "-o", tmp_path / "b.svg", "--label", "organ 2")
    assert answer.code == 0
    rows = [line.split() for line in answer.out.splitlines()]
    assert [row[:3] for row in rows[1:]] == [["organ", "2", "net1"], ["organ", "2", "net2"]]
    assert {"net1", "net2", "organ 2"} <= set(Picture((tmp_path / "b.svg").read_bytes()).texts())
    twice = call(capsys, "plot", "box", one, one, "-m", "dice", "-o", tmp_path / "c.svg")
    assert (twice.code, twice.cause) == (2, f"error: {one}: the file is given twice")
    both = call(capsys, "plot", "box", one, "-m", "dice,hd", "-o", tmp_path / "c.svg")
    assert (both.code, both.cause) == (2, "error: --metric needs a single metric to draw")
    assert not (tmp_path / "c.svg").exists()
