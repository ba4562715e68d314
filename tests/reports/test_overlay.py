"""Overlays: each voxel has its colour and position; files are small and reproducible; also from the command line."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from segeval.api import score_files
from segeval.diagnostics.slices import Slice, overlays
from segeval.reports.figures import overlay
from segeval.reports.figures.overlay import _figure, _shorter, outlines
from segeval.reports.figures.style import styled
from segeval.reports.json_files import to_json
from segeval.reports.writers import FIGURE_SUFFIXES
from segeval.scoring.case import Case
from segeval.scoring.plan import plan_of
from segeval.writing.error_maps import COLORS
from tests.command import call, save
from tests.diagnostics.test_slices import case_of, picture, volumes
from tests.places import DATA, needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ORGANS, NUCLEI = DATA / "ct_organs", DATA / "nuclei"
needs_data = needs(DATA)

# Over white: 0.35 of (0, 158, 115) for what is right, 0.65 of (230, 159, 0) and of (0, 114, 178) for what is false,
# 0.35 of (128, 128, 128) for what is ignored.
WHITE, RIGHT, FALSE = (255, 255, 255), (166, 221, 206), (239, 193, 89)
MISSED, IGNORED = (89, 163, 205), (211, 211, 211)


def pixels_of(rows: Mapping[str, Sequence[Slice]], row: str, number: int) -> dict[tuple[int, int], NDArray[np.uint8]]:
    """Return the pixels of the PNG within each voxel of a slice, shape (pixels, 3)."""
    with styled():
        figure, places = _figure(rows, width="double", title="a title")
        axes = places[row, number]
        shape = rows[row][number].prediction.shape
        corners = [axes.transData.transform((x, y)) for y, x in ((0, 0), shape)]
    with Image.open(io.BytesIO(overlay(rows, suffix=".png", title="a title"))) as opened:
        drawn = np.asarray(opened.convert("RGB"))
    (left, top), (right, bottom) = corners
    assert figure.get_dpi() == 300
    y = np.linspace(drawn.shape[0] - top, drawn.shape[0] - bottom, shape[0] + 1).round().astype(int).tolist()
    x = np.linspace(left, right, shape[1] + 1).round().astype(int).tolist()
    return {
        (i, j): drawn[y[i] + 1 : y[i + 1] - 1, x[j] + 1 : x[j + 1] - 1].reshape(-1, 3) for i, j in np.ndindex(shape)
    }


def colors(rows: Mapping[str, Sequence[Slice]], row: str, number: int) -> NDArray[np.uint8]:
    """Return the most common colour of each voxel of a slice in the PNG; axes (rows, columns, colour)."""
    found = np.zeros((*rows[row][number].prediction.shape, 3), np.uint8)
    for place, inside in pixels_of(rows, row, number).items():
        values, counts = np.unique(inside, axis=0, return_counts=True)
        found[place] = values[counts.argmax()]
    return found


@pytest.mark.slow
def test_every_voxel_has_its_color_at_its_place() -> None:
    """Compare with a picture made by hand; each letter is the kind of a pixel."""
    letters = ["wwwwwwww", "wrrrmwww", "wrrrmwfw", "wrwwwwfw", "wrwwwwww", "wwwiiwww"]
    looks = {"w": WHITE, "r": RIGHT, "f": FALSE, "m": MISSED, "i": IGNORED}
    grid = np.array([list(row) for row in letters])
    only = Slice(
        plane="",
        index=None,
        prediction=np.isin(grid, ["r", "f"]),
        reference=np.isin(grid, ["r", "m"]),
        ignored=grid == "i",
        image=None,
        spacing=(1.0, 1.0),
        unit="px",
        edges=None,
    )
    found = colors({"": (only,)}, "", 0)
    expected = np.array([[looks[letter] for letter in row] for row in letters])
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_the_image_is_behind_the_masks() -> None:
    """Grey 200 in 31 equal steps is 197; over it are 0.65 of (230, 159, 0), or 0.35 of (0, 158, 115)."""
    image = np.full((5, 6), 200, np.uint8)
    image[4] = 0
    prediction = np.zeros((5, 6), bool)
    prediction[2, 2:4] = True
    reference = prediction.copy()
    reference[2, 2] = False
    only = Slice(plane="", index=None, prediction=prediction, reference=reference, ignored=None, image=image,
                 spacing=(1.0, 1.0), unit="px", edges=None)  # fmt: skip
    found = colors({"": (only,)}, "", 0).astype(int)
    assert np.abs(found[0, 0] - (197, 197, 197)).max() <= 1
    assert np.abs(found[4, 5] - (0, 0, 0)).max() <= 1
    assert np.abs(found[2, 2] - (218, 172, 69)).max() <= 1
    assert np.abs(found[2, 3] - (128, 183, 168)).max() <= 1


def test_a_voxel_is_as_high_as_a_slice_is_thick(tmp_path: Path) -> None:
    """Coronal: rows of 5 mm and columns of 1 mm; axial: rows of 2 mm. All at one scale."""
    slices = overlays(case_of(tmp_path), plan_of(), label=1)
    with styled():
        _, places = _figure({"": slices}, width="double", title="")
        lengths = []
        for number in range(3):
            corner, right, down = places["", number].transData.transform([(0, 0), (1, 0), (0, 1)])
            lengths.append((abs(corner - down)[1], abs(right - corner)[0]))
    unit = lengths[0][1]
    assert np.allclose(np.array(lengths) / unit, [(2, 1), (5, 1), (5, 2)])


@pytest.mark.slow
def test_slices_of_a_volume_are_drawn_in_the_right_place(tmp_path: Path) -> None:
    slices = overlays(case_of(tmp_path), plan_of(), label=1)
    for number, each in enumerate(slices):
        found = colors({"a": slices, "b": slices}, "b", number).astype(int)
        looks = [
            (each.true_positive, RIGHT),
            (each.false_negative, MISSED),
            (~(each.reference | each.prediction), WHITE),
        ]
        for mask, color in looks:
            assert mask.any()
            assert np.abs(found[mask] - color).max() <= 1


@needs_data
def test_errors_of_a_real_case_are_drawn_in_the_right_place() -> None:
    """Label 5 of the CT, the liver: the expected masks come from SimpleITK in the order that it gives."""
    import SimpleITK

    sitk: Any = SimpleITK
    paths = [str(ORGANS / name) for name in ("pred_fast_model.nii.gz", "ref_full_model.nii.gz")]
    prediction, reference = (
        sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(path), "LPS")) == 5 for path in paths
    )
    wrong = prediction != reference
    worst = int(wrong.sum(axis=(1, 2)).argmax())
    slices = overlays(Case(name="ct", prediction=paths[0], reference=paths[1]), plan_of(), label=5)
    drawn = overlay({"": slices}, suffix=".svg", title="ct")
    assert len(drawn) < 60_000
    # LPS: rows run to the back and columns to the left, as an axial slice is usually viewed
    pixels = pixels_of({"": slices}, "", 0)
    missed, false = (np.zeros(slices[0].prediction.shape, bool) for _ in range(2))
    for place, inside in pixels.items():  # outlines hide small voxels only in part
        missed[place], false[place] = (
            (np.abs(inside.astype(int) - color).max(axis=1) <= 1).any() for color in (MISSED, FALSE)
        )
    expected = {"false": prediction[worst] & ~reference[worst], "missed": reference[worst] & ~prediction[worst]}
    for mask, name in ((false, "false"), (missed, "missed")):
        assert mask.sum() == expected[name].sum()
        places, there = np.argwhere(mask), np.argwhere(expected[name])
        assert (
            len({tuple(shift) for shift in (there - places).tolist()}) == 1
        )  # the same except for the position of the crop


@needs_data
def test_errors_of_a_real_picture_are_drawn_in_the_right_place() -> None:
    paths = [str(NUCLEI / name) for name in ("pred_2d.png", "ref_2d.png")]
    prediction, reference = (np.asarray(Image.open(path)) > 0 for path in paths)
    plan = plan_of(regions={"nuclei": "*"})
    (only,) = overlays(Case(name="n", prediction=paths[0], reference=paths[1]), plan, label="nuclei")
    assert np.array_equal(only.false_positive, prediction & ~reference)
    assert np.array_equal(only.false_negative, reference & ~prediction)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_slices_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    slices = overlays(case_of(tmp_path), plan_of(), label=1)
    first, second = (overlay({"a": slices, "b": slices}, suffix=suffix, title="<x>&$\\frac{") for _ in range(2))
    assert first == second
    assert not re.search(rb"20[23]\d-\d\d-\d\d|CreationDate", first)


def test_false_voxels_differ_in_line_and_hatch_and_have_a_legend(tmp_path: Path) -> None:
    prediction, reference = volumes()
    prediction[21, 10, 10] = 1
    case = Case(name="a", prediction=str(save(tmp_path / "p.nii", prediction)),
                reference=str(save(tmp_path / "r.nii", reference)))  # fmt: skip
    svg = overlay({"": overlays(case, plan_of(), label=1)}, suffix=".svg", title="a <b> & c")
    styles = re.findall(rb'style="([^"]*stroke: #(?:e69f00|0072b2)[^"]*)"', svg)
    styles = [each for each in styles if b"fill: #0072b2" not in each]  # those are the hatches themselves
    dashes = {
        color: {re.findall(rb"stroke-dasharray: ([\d.,]+)", each)[0] for each in styles if color in each}
        for color in (b"#e69f00", b"#0072b2")
    }
    assert all(len(each) == 1 for each in dashes.values())
    assert dashes[b"#e69f00"] != dashes[b"#0072b2"]
    assert all(
        (b"fill: url(#" in each) == (b"#0072b2" in each) for each in styles if b"fill: none" in each or b"url" in each
    )
    texts = [element.text.strip() for element in ET.fromstring(svg).iter() if element.text]  # noqa: S314
    for text in ("only in the prediction (false positive)", "axial 21", "A", "L", "P", "R", "a <b> & c", "10 mm"):
        assert text in texts


def test_a_large_picture_is_reduced_to_the_resolution_of_print() -> None:
    """Every third of 5,000 columns is drawn: a block of 300 x 600 pixels has the outline of one of 100 x 200."""
    mask = np.zeros((3000, 5000), bool)
    mask[600:900, 1200:1800] = True
    large = Slice(plane="", index=None, prediction=mask, reference=~mask & False, ignored=None, image=None,
                  spacing=(1.0, 1.0), unit="px", edges=None)  # fmt: skip
    small = replace(large, prediction=mask[::3, ::3], reference=mask[::3, ::3] & False, spacing=(3.0, 3.0))
    assert overlay({"": (large,)}, suffix=".svg") == overlay({"": (small,)}, suffix=".svg")


def test_outlines_run_along_the_edges_of_voxels() -> None:
    """A ring has an outline and a hole; two pixels that touch at a corner have separate outlines."""
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    outer, hole = outlines(ring)
    assert outer == [(0, 0), (3, 0), (3, 3), (0, 3)]
    assert sorted(hole) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert area(outer) == 9
    assert area(hole) == -1
    assert sum(map(area, outlines(np.eye(2, dtype=bool)))) == 2
    assert outlines(np.zeros((2, 2), bool)) == []


def area(loop: list[tuple[int, int]]) -> float:
    """Return the area by the shoelace formula; y grows downwards, so clockwise on a screen is positive."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(loop, [*loop[1:], loop[0]], strict=True)) / 2


def absolute(data: str) -> list[tuple[str, float, float]]:
    """Return the commands of a path, each with its end point."""
    found: list[tuple[str, float, float]] = []
    x = y = 0.0
    for command, rest in re.findall(r"([MLlhvz])([^MLlhvz]*)", data):
        numbers = [float(number) for number in rest.split()]
        if command in "ML":
            x, y = numbers
        elif command == "l":
            x, y = x + numbers[0], y + numbers[1]
        elif command in "hv":
            x, y = x + numbers[0] * (command == "h"), y + numbers[0] * (command == "v")
        found.append(("L" if command in "lhv" else command, x, y))
    return found


def test_a_shorter_path_leads_to_the_same_points() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        points = np.cumsum(random.normal(size=(30, 2)).round(6) * random.integers(0, 2, (30, 2)), axis=0) * 10
        long = " ".join(f"{'M' if i % 7 == 0 else 'L'} {x:.6f} {y:.6f}" for i, (x, y) in enumerate(points)) + " z"
        moves = {(x, y) for command, x, y in absolute(long) if command == "M"}
        assert len(moves) >= 1
        found = absolute(_shorter(long))
        kept = [each for n, each in enumerate(absolute(long)) if n == 0 or each[0] == "z" or
                each[0] == "M" or np.round(np.subtract(each[1:], absolute(long)[n - 1][1:]), 2).any()]  # fmt: skip
        assert [each[0] for each in found] == [each[0] for each in kept]
        assert np.allclose([each[1:] for each in found], [each[1:] for each in kept], atol=0.0051)


def test_outlines_enclose_as_many_voxels_as_there_are() -> None:
    for seed in range(20):
        mask = np.random.default_rng(seed).random((12, 9)) < 0.5
        loops = outlines(mask)
        assert sum(map(area, loops)) == mask.sum()
        assert all(
            (a[0] == b[0]) != (a[1] == b[1]) for loop in loops for a, b in zip(loop, [*loop[1:], loop[0]], strict=True)
        )


def scored(folder: Path, name: str, **options: Any) -> Path:
    case = case_of(folder)
    assert case.prediction is not None
    path = folder / name
    path.write_text("".join(to_json(score_files(case.prediction, case.reference, **options))))
    return path


def test_plot_overlay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The L of nine voxels is in slice 21; six of them are at y = 20 and four at x = 30."""
    path = scored(tmp_path, "a.json", labels={1: "liver"})
    for label in ("1", "liver"):
        answer = call(capsys, "plot", "overlay", path, "--label", label, "-o", tmp_path / "f.svg")
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.splitlines() == [
            f"{path}, axial 21: 141 true positive, 0 false positive, 9 false negative",
            f"{path}, coronal 20: 84 true positive, 0 false positive, 6 false negative",
            f"{path}, sagittal 30: 56 true positive, 0 false positive, 4 false negative",
        ]
    assert b"r, label 1 (liver)" not in (tmp_path / "f.svg").read_bytes()
    assert b"r, liver" in (tmp_path / "f.svg").read_bytes()


def test_rows_have_the_names_of_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [scored(tmp_path, name) for name in ("method_a.json", "method_b.json")]
    assert call(capsys, "plot", "overlay", *paths, "--label", 1, "-o", tmp_path / "f.svg").code == 0
    texts = (tmp_path / "f.svg").read_text()
    assert texts.index(">method_a<") < texts.index(">method_b<")


def test_arguments_that_plot_overlay_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scored(tmp_path, "a.json")
    figure = tmp_path / "f.svg"

    def cause(*words: object, code: int) -> str:
        answer = call(capsys, "plot", "overlay", *words, "-o", figure)
        assert answer.code == code
        assert not figure.exists()
        return answer.cause

    assert "no case is named 'q'" in cause(path, "--case", "q", "--label", 1, code=2)
    assert "no label or region is called '7'; there are 1" in cause(path, "--label", 7, code=2)
    padded = json.loads(path.read_text())
    for number, name in enumerate(["case_01", *(f"case_{place}" for place in range(10, 15))]):
        padded["cases"][number:] = [padded["cases"][0] | {"case": name}]
    other = tmp_path / "padded.json"
    other.write_text(json.dumps(padded | {"scores": [], "counts": []}))
    assert cause(other, "--case", "case_1", "--label", 1, code=2).endswith("'case_1'; did you mean case_01?")
    assert "no such folder" in cause(path, "--label", 1, "--images", tmp_path / "none", code=3)
    (tmp_path / "images").mkdir()
    assert "no scan of r" in cause(path, "--label", 1, "--images", tmp_path / "images", code=3)
    assert "given twice" in cause(path, path, "--label", 1, code=2)
    damaged = tmp_path / "damaged.json"
    for name, value in (("surface", 3), ("labels", []), ("regions", {"a": 1}), ("only", 5), ("geometry", "x")):
        document = json.loads(path.read_text())
        document["settings"][name] = value
        damaged.write_text(json.dumps(document))
        assert "are damaged: " in cause(damaged, "--label", 1, code=3), name
    save(tmp_path / "p.nii", volumes()[1], spacing=(5, 2, 1))
    assert "the origins differ" in cause(path, "--label", 1, code=3)
    (tmp_path / "p.nii").unlink()
    assert "p.nii: no such file" in cause(path, "--label", 1, code=3)


def test_an_input_is_not_overwritten_by_its_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[2:5, 2:5] = 1
    path = tmp_path / "a.json"
    one, other = (picture(tmp_path / name, labels) for name in ("p.png", "r.png"))
    path.write_text("".join(to_json(score_files(one, other))))
    before = Path(one).read_bytes()
    answer = call(capsys, "plot", "overlay", path, "--label", 1, "-o", one)
    assert answer.code == 2
    assert "must not be overwritten" in answer.cause
    assert Path(one).read_bytes() == before


@pytest.mark.slow
def test_an_image_is_found_by_the_name_of_the_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:15] = 1
    path = tmp_path / "a.json"
    paths = [picture(tmp_path / name, labels) for name in ("p.png", "r.png")]
    path.write_text("".join(to_json(score_files(*paths))))
    images = tmp_path / "images"
    images.mkdir()
    photo = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(photo).save(images / "r_0000.png")
    words = ["plot", "overlay", path, "--label", 1, "--images", images, "-o", tmp_path / "f.png"]
    assert call(capsys, *words).code == 0
    with Image.open(tmp_path / "f.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB")).reshape(-1, 3)
    assert (np.ptp(pixels.astype(int), axis=1) > 60).mean() > 0.2  # it is in colour
    Image.fromarray(photo[:10]).save(images / "r.png")
    answer = call(capsys, *words)
    assert answer.code == 3
    assert "r.png: the image is not on the grid of" in answer.cause
    assert "the pictures differ in size: image 30 x 10, reference 30 x 20 pixels" in answer.cause


# Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, at full severity: linear red, green and blue
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(color: tuple[int, int, int], deficiency: Any) -> NDArray[np.float64]:
    """Return the CIE L*a*b* (D65) values of an sRGB colour."""
    srgb = np.array(color) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(deficiency) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = to_xyz @ seen / (0.9505, 1.0, 1.089)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_colours_are_distinct_for_colour_blind_readers(kind: str) -> None:
    """A difference of 2.3 is just noticeable; these colours differ more than six times as much."""
    for colors_together in ((WHITE, RIGHT, FALSE, MISSED), COLORS):
        seen = [lab(color, DEFICIENCIES[kind]) for color in colors_together]
        distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
        assert min(distances) > 15
