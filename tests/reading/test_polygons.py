"""Polygons: a pixel is inside if its centre is, and files with senseless values are refused."""

from __future__ import annotations

import base64
import copy
import io
import json
import random
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import segeval
from segeval.errors import InputError, UsageError
from segeval.reading import coco as coco_reader
from segeval.reading import file_behind, painting, read_label_map, read_polygons
from segeval.reading.labels import parse_labels
from segeval.reading.painting import paint_disc, paint_mask, paint_polygon
from tests import corrupt
from tests.places import DATA, SAMPLES, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from segeval.maps.label_map import LabelMap

STREET = SAMPLES / "street"
REAL = DATA / "coco_polygons"
from_pycocotools = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
needs_data = needs(REAL)

NAMES = {1: "road", 2: "car", 3: "traffic light", 7: "person"}
TRIANGLE = [[1, 1], [7, 1], [1, 7]]
SQUARE = [[2, 2], [6, 2], [6, 6], [2, 6]]


def cityscapes(*objects: dict[str, Any], height: Any = 8, width: Any = 10) -> dict[str, Any]:
    return {"imgHeight": height, "imgWidth": width, "objects": list(objects)}


def thing(label: Any, polygon: Any, **more: Any) -> dict[str, Any]:
    return {"label": label, "polygon": polygon, **more}


def labelme(*shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": "5.5.0", "imageHeight": 8, "imageWidth": 10, "imageData": None, "shapes": list(shapes), **more}


def shape(label: Any, points: Any, kind: Any = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


def coco(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "height": 8, "width": 10, "file_name": "val/street.jpg"}],
        "categories": [{"id": 2, "name": "car"}, {"id": 300, "name": "person"}],
        "annotations": list(annotations),
        **more,
    }


def annotation(category: Any, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 5, "category_id": category, "segmentation": segmentation, "iscrowd": 0, **more}


def runs(mask: NDArray[Any]) -> list[int]:
    """Return the lengths of the runs of 0, 1, 0, 1 ... down the columns."""
    column = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1]]])
    return [int(length) for length in np.diff(np.concatenate([[0], np.flatnonzero(np.diff(column))]))]


def read(tmp_path: Path, content: object, names: dict[int, str] | None = None, name: str = "a.json") -> LabelMap:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_label_map(path, names=NAMES if names is None else names)


def refusal(tmp_path: Path, content: object, names: dict[int, str] | None = None) -> str:
    """Return the message for a file, which must be refused in one printable line that names it."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, names)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{tmp_path / 'a.json'}: ")
    return line.removeprefix(f"{tmp_path / 'a.json'}: ")


def inside(points: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Apply the even-odd rule to each pixel in exact arithmetic; a centre on the outline belongs right or below."""
    corners = [(Fraction(float(x)), Fraction(float(y))) for x, y in points]
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    found = np.zeros((height, width), bool)
    for i in range(height):
        y = i + Fraction(1, 2)
        crossings = [
            x0 + (y - y0) * (x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in edges if (y0 <= y) != (y1 <= y) and y0 != y1
        ]
        for j in range(width):
            found[i, j] = sum(x <= j + Fraction(1, 2) for x in crossings) % 2
    return found


def painted(points: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    canvas: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    paint_polygon(canvas, 1, points=np.asarray(points, np.float64))
    return np.not_equal(canvas, 0)


@pytest.mark.parametrize("steps", [1, 2, 4, 1 << 20])
def test_polygons_are_filled_exactly(steps: int) -> None:
    """Corners on a grid of 1 / steps: self-crossing, on pixel centres (steps 2 and 4), doubled, outside the picture."""
    rng = np.random.default_rng(steps)
    for _ in range(150):
        height, width = rng.integers(1, 14, 2).tolist()
        points = rng.integers(-4 * steps, 18 * steps, (rng.integers(3, 9), 2)) / steps
        assert np.array_equal(painted(points, height, width), inside(points, height, width)), points.tolist()


def test_a_square_by_hand() -> None:
    """Sides through pixel centres: the upper and the left one are inside, the lower and the right one are not.

    ::

        . . . . .
        . # # . .
        . # # . .
        . . . . .
    """
    expected = np.zeros((4, 5), bool)
    expected[1:3, 1:3] = True
    assert np.array_equal(painted(np.array([[1.5, 1.5], [3.5, 1.5], [3.5, 3.5], [1.5, 3.5]]), 4, 5), expected)


def test_where_an_outline_crosses_itself_the_even_odd_rule_holds() -> None:
    twice_round = np.array([[0, 0], [9, 0], [9, 9], [0, 9], [0, 0], [3, 3], [6, 3], [6, 6], [3, 6], [3, 3]])
    found = painted(twice_round, 9, 9)
    assert not found[3:6, 3:6].any()
    assert found.sum() == 81 - 9


@pytest.mark.parametrize("steps", [2, 1 << 30])
def test_neighbours_leave_no_gap_and_do_not_overlap(steps: int) -> None:
    """A net of distorted triangles covers the picture exactly once, in either direction of their corners."""
    rng = np.random.default_rng(steps)
    for _ in range(40):
        knots = np.stack(np.meshgrid(np.arange(-1, 8), np.arange(-1, 7)), -1) * 4.0
        knots += np.rint(rng.uniform(-1, 1, knots.shape) * steps) / steps
        covered = np.zeros((20, 24), int)
        for i in range(knots.shape[0] - 1):
            for j in range(knots.shape[1] - 1):
                a, b, c, d = knots[i, j], knots[i, j + 1], knots[i + 1, j + 1], knots[i + 1, j]
                for corners in ([a, b, c], [c, d, a]):
                    order = corners if rng.random() < 0.5 else corners[::-1]
                    covered += painted(np.array(np.roll(order, rng.integers(3), axis=0)), 20, 24)
        assert (covered == 1).all()


def test_the_order_and_direction_of_corners_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        points = rng.normal(10, 8, (7, 2))
        expected = painted(points, 20, 20)
        assert np.array_equal(painted(np.roll(points[::-1], 2, axis=0), 20, 20), expected)


def test_large_outlines_are_painted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(30, 30, (50, 2))
    expected = painted(points, 60, 60)
    monkeypatch.setattr(painting, "MAX_CROSSINGS", 120)
    assert np.array_equal(painted(points, 60, 60), expected)


def test_far_corners_are_clipped() -> None:
    far = 1e9
    assert painted(np.array([[-far, -far], [far, -far], [far, far], [-far, far]]), 5, 7).all()
    assert not painted(np.array([[far, 0], [far + 5, 0], [far, 5]]), 5, 7).any()
    below_a_slope = np.array([[-far + 0.25, -far], [far + 0.25, far], [-far, far]])
    assert np.array_equal(painted(below_a_slope, 5, 5), np.tri(5))


def test_discs() -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:15, :18] + 0.5
    for _ in range(100):
        (cx, cy), radius = rng.uniform(-5, 20, 2).tolist(), float(rng.uniform(0, 12))
        canvas = np.zeros((15, 18), np.uint8)
        paint_disc(canvas, 3, centre=(cx, cy), radius=radius)
        assert np.array_equal(canvas == 3, (x - cx) ** 2 + (y - cy) ** 2 < radius**2)


def test_masks_may_be_partly_outside() -> None:
    rng = np.random.default_rng(6)
    for _ in range(100):
        mask = rng.random(rng.integers(1, 8, 2)) < 0.6
        top, left = rng.integers(-9, 9, 2).tolist()
        expected = np.zeros((30, 30), bool)
        expected[10 + top : 10 + top + mask.shape[0], 10 + left : 10 + left + mask.shape[1]] = mask
        canvas = np.zeros((6, 7), np.uint8)
        paint_mask(canvas, 1, mask=mask, corner=(top, left))
        assert np.array_equal(canvas != 0, expected[10:16, 10:17])


def test_cityscapes(tmp_path: Path) -> None:
    found = read(tmp_path, cityscapes(thing("road", TRIANGLE), thing("car", SQUARE, deleted=0, id=4)))
    expected = np.where(inside(np.array(TRIANGLE), 8, 10), 1, 0)
    expected[2:6, 2:6] = 2  # what comes later covers what was there
    assert np.array_equal(found.labels, expected)
    assert found.labels.dtype == np.uint8
    assert not found.labels.flags.writeable
    assert (found.grid.unit, found.grid.spacing, found.grid.shape) == ("px", (1.0, 1.0), (8, 10))
    assert dict(found.names) == {1: "road", 2: "car"}
    assert found.stored == "Cityscapes polygons, 2 objects"


def test_deleted_objects_are_ignored(tmp_path: Path) -> None:
    for value in (1, True):
        found = read(tmp_path, cityscapes(thing("road", SQUARE), thing("nonsense", [], deleted=value)))
        assert set(np.unique(found.labels)) == {0, 1}
        assert found.stored == "Cityscapes polygons, 1 object"
    assert read(tmp_path, cityscapes(thing("road", SQUARE, deleted=None))).labels.any()


def test_a_group_has_the_label_of_its_kind_unless_it_has_a_number(tmp_path: Path) -> None:
    content = cityscapes(thing("cargroup", SQUARE))
    assert read(tmp_path, content).labels.max() == 2
    assert read(tmp_path, content, {**NAMES, 9: "cargroup"}).labels.max() == 9
    assert "'cargroup'" in refusal(tmp_path, labelme(shape("cargroup", SQUARE)))
    assert "'group'" in refusal(tmp_path, cityscapes(thing("group", SQUARE)))


def test_names_match_regardless_of_case_and_joints(tmp_path: Path) -> None:
    for name in ("traffic light", "Traffic_Light", " traffic-light "):
        found = read(tmp_path, cityscapes(thing(name, SQUARE)))
        assert dict(found.names) == {3: "traffic light"}
    exact = {1: "Car", 2: "car"}
    assert read(tmp_path, cityscapes(thing("car", SQUARE)), exact).labels.max() == 2
    assert "labels 1 and 2 have the same name 'CAR'" in refusal(tmp_path, cityscapes(thing("CAR", SQUARE)), exact)


def test_unknown_names_are_listed(tmp_path: Path) -> None:
    content = cityscapes(thing("persn", SQUARE), thing("tree", SQUARE), thing("persn", SQUARE), thing("car", SQUARE))
    assert refusal(tmp_path, content) == (
        "2 label names without a number: 'persn' (did you mean 'person'?), 'tree'; "
        "give each name a number with --labels"
    )
    many = cityscapes(*(thing(f"thing {number}", SQUARE) for number in range(5000)))
    line = refusal(tmp_path, many)
    assert "5,000 label names without a number" in line
    assert "and 4,900 more" in line


def test_without_given_names_the_message_lists_the_names_in_the_file(tmp_path: Path) -> None:
    content = cityscapes(thing("tree", SQUARE), thing("car", SQUARE))
    assert refusal(tmp_path, content, {}) == (
        "2 label names without a number: 'car', 'tree'; give each name a number: --labels 1=car,2=tree"
    )
    assert not read(tmp_path, cityscapes(), {}).labels.any()


def test_names_with_a_number_below_0_are_not_drawn(tmp_path: Path) -> None:
    content = cityscapes(thing("car", SQUARE), thing("License_Plate", TRIANGLE), thing("license plategroup", SQUARE))
    table = parse_labels("-1=license plate,2=car,-1=LICENSE PLATE")
    assert (dict(table.names), sorted(table.skipped)) == ({2: "car"}, ["LICENSE PLATE", "license plate"])
    found = read(tmp_path, content, dict(table.of_polygons))
    assert np.array_equal(found.labels, 2 * inside(np.array(SQUARE), 8, 10))
    assert dict(found.names) == {2: "car"}
    assert found.stored == "Cityscapes polygons, 1 object"
    assert "'License_Plate'" in refusal(tmp_path, content, dict(table.names))
    both = {2: "car", -1: "car"}
    assert "labels 2 and -1 have the same name 'car'" in refusal(tmp_path, cityscapes(thing("car", SQUARE)), both)


def test_polygons_of_the_ignored_label(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "car": 1, "ignore": 255}}')
    table = parse_labels(str(tmp_path / "dataset.json"))
    found = read(tmp_path, cityscapes(thing("car", TRIANGLE), thing("ignore", SQUARE)), dict(table.of_polygons))
    assert table.ignore_label == 255
    assert np.array_equal(found.labels == 255, inside(np.array(SQUARE), 8, 10))


def test_label_numbers_choose_the_type(tmp_path: Path) -> None:
    content = cityscapes(thing("big", SQUARE))
    for number in (0, 255, 256, 65536, 2**64 - 1):
        found = read(tmp_path, content, {number: "big"})
        assert found.labels.max() == number
        assert found.labels.dtype == np.min_scalar_type(number)


def png(mask: NDArray[Any]) -> str:
    packed = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(packed, "png")
    return base64.b64encode(packed.getvalue()).decode()


def test_labelme(tmp_path: Path) -> None:
    mask = np.random.default_rng(7).random((3, 4)) < 0.5
    content = labelme(
        shape("road", TRIANGLE),
        shape("car", [[9, 8], [7, 5]], "rectangle"),
        shape("person", [[4, 4], [4, 2]], "circle"),
        shape("traffic light", [[6.2, 0], [9, 2]], "mask", mask=png(mask)),
        imageData="not decoded",
    )
    y, x = np.mgrid[:8, :10] + 0.5
    expected = np.where(inside(np.array(TRIANGLE), 8, 10), 1, 0)
    expected[5:8, 7:9] = 2
    expected[(x - 4) ** 2 + (y - 4) ** 2 < 4] = 7
    expected[:3, 6:10][mask] = 3
    found = read(tmp_path, content)
    assert np.array_equal(found.labels, expected)
    assert found.stored == "LabelMe shapes, 4 objects"


def test_rectangles_may_have_four_corners(tmp_path: Path) -> None:
    for first in range(4):
        for step in (1, -1):
            corners = (SQUARE[first:] + SQUARE[:first])[::step]
            found = read(tmp_path, labelme(shape("car", corners, "rectangle")))
            assert np.array_equal(found.labels, 2 * inside(np.array(SQUARE), 8, 10))


def test_an_old_labelme_file_has_polygons_only(tmp_path: Path) -> None:
    content = labelme({"label": "car", "points": SQUARE})
    assert np.array_equal(read(tmp_path, content).labels, 2 * inside(np.array(SQUARE), 8, 10))


@pytest.mark.parametrize("kind", ["line", "linestrip", "point", "points"])
def test_shapes_without_area_are_refused(tmp_path: Path, kind: str) -> None:
    line = refusal(tmp_path, labelme(shape("road", SQUARE), shape("car", SQUARE, kind)))
    assert line == f"shapes[1] ('car'): expected an area, found a shape of type {kind}; delete it, or draw a polygon"


def test_coco_run_lengths(tmp_path: Path) -> None:
    mask = np.random.default_rng(8).random((8, 10)) < 0.5
    for crowd in (0, 1):
        content = coco(annotation(300, {"size": [8, 10], "counts": runs(mask)}, iscrowd=crowd))
        found = read(tmp_path, content, {})
        assert np.array_equal(found.labels, np.where(mask, 300, 0))
        assert dict(found.names) == {2: "car", 300: "person"}
        assert found.stored == "COCO annotations, 1 object"
        assert dict(read(tmp_path, content).names) == {7: "person"}


def test_compressed_run_lengths_are_those_of_pycocotools(tmp_path: Path) -> None:
    api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(9)
    for shape in ((8, 10), (1, 1), (300, 200)):
        image = [{"id": 5, "height": shape[0], "width": shape[1]}]
        for share in (0.0, 0.001, 0.5, 1.0):
            mask = rng.random(shape) < share
            counts = api.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
            content = coco(annotation(2, {"size": list(shape), "counts": counts}), images=image)
            assert np.array_equal(read(tmp_path, content).labels == 2, mask)


def test_run_lengths_are_painted_in_windows(tmp_path: Path) -> None:
    """For all starts, ends and lengths of runs."""
    rng = np.random.default_rng(11)
    for height, width in ((3, 300), (300, 3), (1, 200), (40, 130), (2, 64), (5, 65)):
        image = [{"id": 5, "height": height, "width": width}]
        for count in (1, 2, 3, 8, 60):
            bounds = np.unique(rng.integers(0, height * width + 1, count))
            lengths = np.diff([0, *bounds.tolist(), height * width]).tolist()
            mask = np.repeat(np.arange(len(lengths)) % 2 != 0, lengths).reshape(width, height).T
            content = coco(annotation(2, {"size": [height, width], "counts": lengths}), images=image)
            assert np.array_equal(read(tmp_path, content, {}).labels == 2, mask)


def test_time_depends_on_the_size_of_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size, steps = 4000, np.random.default_rng(12).integers(0, 3960, (2000, 2))
    expected = np.zeros((size, size), np.uint8)
    annotations = []
    for top, left in steps.tolist():
        start, rest = left * size + top, size * size - (left + 2) * size - top - 7
        annotations.append(annotation(2, {"size": [size, size], "counts": [start, 5, size - 5, 6, size - 6, 7, rest]}))
        for column, length in enumerate((5, 6, 7)):
            expected[top : top + length, left + column] = 2
    corners = {"size": [size, size], "counts": [0, 1, size * size - 2, 1]}
    expected[0, 0] = expected[-1, -1] = 2
    touched = 0

    def counted(canvas: Any, label: int, *, mask: NDArray[np.bool_], corner: tuple[int, int]) -> None:
        nonlocal touched
        touched += mask.size
        paint_mask(canvas, label, mask=mask, corner=corner)

    monkeypatch.setattr(coco_reader, "paint_mask", counted)
    image = [{"id": 5, "height": size, "width": size}]
    found = read(tmp_path, coco(*annotations, *[annotation(2, corners)] * 40, images=image), {})
    assert np.array_equal(found.labels, expected)
    assert touched <= 2000 * 3 * 7 + 40 * 2


@from_pycocotools
def test_coco_polygons_are_those_of_pycocotools(tmp_path: Path) -> None:
    api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(10)
    for _ in range(20):
        parts = [rng.uniform(-1, 11, 2 * count).tolist() for count in (3, 5)]
        expected = api.decode(api.merge(api.frPyObjects(parts, 8, 10)))
        assert np.array_equal(read(tmp_path, coco(annotation(2, parts))).labels == 2, expected)


def test_coco_polygons_without_pycocotools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(UsageError, match=r"pip install 'segeval-cli\[coco\]'"):
        read(tmp_path, coco(annotation(2, [[1, 1, 7, 1, 1, 7]])))
    assert read(tmp_path, coco(annotation(2, {"size": [8, 10], "counts": [0, 80]}))).labels.all()


def two_images(tmp_path: Path) -> Path:
    full = {"size": [8, 10], "counts": [0, 80]}
    images = [{"id": n, "height": 8, "width": 10, "file_name": f"val/{name}.jpg"} for n, name in ((5, "a"), (6, "b"))]
    path = tmp_path / "instances.json"
    annotations = [annotation(2, full), annotation(300, full, image_id=6)]
    path.write_text(json.dumps(coco(*annotations, images=images)))
    return path


@pytest.mark.parametrize("name", ["val/b.jpg", "b.jpg", "b", "6"])
def test_one_of_several_images(tmp_path: Path, name: str) -> None:
    found = read_label_map(f"{two_images(tmp_path)}::{name}")
    assert np.unique(found.labels).tolist() == [300]
    assert found.source.endswith("instances.json::val/b.jpg")


def test_several_images(tmp_path: Path) -> None:
    path = two_images(tmp_path)
    with pytest.raises(
        InputError, match=r"expected one image, found 2; name one of them: .*instances\.json::val/a\.jpg"
    ):
        read_label_map(path)
    with pytest.raises(InputError, match=r"none of the 2 images has the name 'val/c.jpg'; did you mean val/"):
        read_label_map(f"{path}::val/c.jpg")
    assert [found.labels.max() for found in read_polygons(path)] == [2, 300]
    assert [found.labels.max() for found in read_polygons(f"{path}::a")] == [2]
    assert file_behind(f"{path}::a") == str(path)
    with pytest.raises(InputError, match=r"gone\.json: no such file"):
        read_label_map("gone.json::a")
    (tmp_path / "one.json").write_text(json.dumps(cityscapes()))
    with pytest.raises(InputError, match="the file has only one image, because it is not a COCO file; leave out ::a"):
        read_label_map(f"{tmp_path / 'one.json'}::a")


def test_a_category_with_the_number_of_the_background(tmp_path: Path) -> None:
    full = {"size": [8, 10], "counts": [0, 80]}
    content = coco(annotation(0, full), categories=[{"id": 0, "name": "car"}])
    assert "annotations[0] ('car'): label 0 is reserved for the background" in refusal(tmp_path, content, {})
    assert read(tmp_path, content).labels.all()


FULL = {"size": [8, 10], "counts": [0, 80]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "found a list"),
        ({}, "found an empty object"),
        ({"type": "FeatureCollection", "features": []}, "an object with type, features"),
        (b"<html></html>", "found a web page"),
        (b"\x89PNG\r\n", "a PNG picture; name it .png"),
        (b'{"a": ', "not valid JSON: Expecting value"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b"[" * 200_000, "the JSON is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number in the JSON has thousands of digits; copy or export it again"),
        (b'{"imgHeight": NaN}', "not valid JSON: NaN is not a number"),
        ({"objects": []}, "the field 'imgHeight' is missing"),
        (cityscapes(height="8"), "expected a whole number in 'imgHeight', found a string"),
        (cityscapes(height=True), "expected a whole number in 'imgHeight', found true or false"),
        (cityscapes(height=8.5), "in 'imgHeight', found a number with a fraction"),
        (cityscapes(height=0), "found 10 x 0 ('imgWidth' x 'imgHeight')"),
        (cityscapes(height=-4), "expected a whole number of at least 0 in 'imgHeight', found -4"),
        (
            cityscapes(height=10**9, width=10**9),
            "expected 1 to 536,870,912 pixels, found 1,000,000,000 x 1,000,000,000",
        ),
        (cityscapes(height=10**300), "in 'imgHeight', found a number of many digits"),
        ({**cityscapes(), "objects": {}}, "expected a list in 'objects', found an object"),
        ({**cityscapes(), "objects": [3]}, "objects[0]: expected an object, found a whole number"),
        (
            cityscapes(thing("road", SQUARE), thing(4, SQUARE)),
            "objects[1]: expected a string in 'label', found a whole number",
        ),
        (cityscapes(thing(" ", SQUARE)), "objects[0]: the field 'label' is empty"),
        (cityscapes(thing("car\ud800", SQUARE)), r"'car\ud800' is not valid Unicode"),
        (cityscapes(thing("x" * 10_000, SQUARE)), f"'{'x' * 60}...'; give"),
        (cityscapes({"label": "car"}), "objects[0] ('car'): the field 'polygon' is missing"),
        (cityscapes(thing("car", SQUARE, deleted=2)), "objects[0]: expected 0 or 1 in 'deleted', found a whole number"),
        (cityscapes(thing("car", SQUARE[:2])), "objects[0] ('car'): expected a polygon of at least 3 points, found 2"),
        (cityscapes(thing("car", [])), "at least 3 points, found 0"),
        (cityscapes(thing("car", [1, 2, 3])), "expected only points [x, y] in 'polygon', found other values"),
        (cityscapes(thing("car", [[1, 2, 3]] * 3)), "expected only points [x, y] in 'polygon', found other values"),
        (cityscapes(thing("car", [[1, "2"]] * 3)), "some coordinates in 'polygon' are not numbers"),
        (cityscapes(thing("car", [[1, True]] * 3)), "are not numbers"),
        (cityscapes(thing("car", [[1, None]] * 3)), "are not numbers"),
        (cityscapes(thing("car", [[1, 2e9]] * 3)), "are not finite or beyond 1,000,000,000"),
        (cityscapes(thing("car", [[1, 10**400]] * 3)), "are not finite or beyond"),
        (labelme(imageHeight=None), "expected a whole number in 'imageHeight', found null"),
        (labelme(shape("car", SQUARE, "blob")), "shapes[0] ('car'): unknown shape type 'blob'; use polygon, rectangle"),
        (labelme(shape("car", SQUARE[:3], "rectangle")), "expected 2 or 4 points, found 3"),
        (
            labelme(shape("car", [[2, 2], [6, 3], [5, 7], [1, 6]], "rectangle")),
            "the 4 points are not an upright rectangle",
        ),
        (
            labelme(shape("car", [SQUARE[0], SQUARE[2], *SQUARE[1::2]], "rectangle")),
            "the 4 points are not an upright rectangle",
        ),
        (labelme(shape("car", [SQUARE[0], SQUARE[1]] * 2, "rectangle")), "the 4 points are not an upright rectangle"),
        (labelme(shape("car", SQUARE[:1], "circle")), "expected 2 points, found 1"),
        (labelme(shape("car", [[0, 0], [2, 2]], "mask")), "the field 'mask' is missing"),
        (labelme(shape("car", [[0, 0], [2, 2]], "mask", mask="!")), "the mask is not base64 text"),
        (labelme(shape("car", [[0, 0], [2, 2]], "mask", mask="AAAA")), "the mask is not a PNG picture of 3 x 3 pixels"),
        (
            labelme(shape("car", [[0, 0], [1, 2]], "mask", mask=png(np.eye(3)))),
            "the mask is not a PNG picture of 2 x 3 pixels",
        ),
        (labelme(shape("car", [[0, 0], [-2, 2]], "mask", mask=png(np.eye(3)))), "does not fit the picture"),
        (
            coco(annotation(2, [])),
            "annotations[0] ('car'): expected lists of coordinates in 'segmentation', found an empty list",
        ),
        (coco(annotation(2, [[1, 2, 3, 4]])), "at least 3 points in a polygon, found 4 coordinates"),
        (coco(annotation(2, [[1, 2, 3, 4, 5, 6, 7]])), "at least 3 points in a polygon, found 7 coordinates"),
        (coco(annotation(2, [[0, 0, 1e8, 0, 0, 5]])), "the outline is longer than 4,194,304 pixels"),
        (
            coco(annotation(2, {**FULL, "size": [10, 8]})),
            "expected run lengths for 10 x 8 pixels, the size of the image",
        ),
        (coco(annotation(2, {**FULL, "counts": [0, 79]})), "the run lengths do not add up to 80 pixels"),
        (coco(annotation(2, {**FULL, "counts": [-1, 81]})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": [0, 10**300]})), "do not add up"),
        (
            coco(annotation(2, {**FULL, "counts": [80.0]})),
            "expected a string or a list of numbers in 'counts', found a list",
        ),
        (coco(annotation(2, {**FULL, "counts": "P"})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": "oooooooooo0"})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": "\x00\u1234"})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": ""})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": "0`2\u00e4"})), "do not add up"),
        (coco(annotation(2, {**FULL, "counts": "0`2\ud800"})), "do not add up"),
        (coco(annotation(4, FULL)), "annotations[0]: category 4 is not in the list 'categories'"),
        (coco(annotation(2, FULL, image_id=9)), "annotations[0]: image 9 is not in the list 'images'"),
        (coco(annotation(2, FULL, iscrowd="no")), "expected 0 or 1 in 'iscrowd', found a string"),
        (coco({"image_id": 5, "category_id": 2, "bbox": [0, 0, 3, 3]}), "boxes are not enough"),
        (coco(categories=[{"id": 2, "name": "car"}] * 2), "categories[1]: two categories have the id 2"),
        (coco(images=[]), "expected one image, found 0"),
        (coco(images=None), "expected a list in 'images', found null"),
    ],
)
def test_senseless_values_are_refused(tmp_path: Path, content: object, message: str) -> None:
    if isinstance(content, dict) and "annotations" in content:
        pytest.importorskip("pycocotools")
    assert message in refusal(tmp_path, content)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    for _, data in corrupt.impostors():
        refusal(tmp_path, data)


def test_huge_sizes_cost_no_memory(tmp_path: Path) -> None:
    """Huge pictures, huge labels and masks of gigabytes are refused before memory is allocated."""
    bomb = corrupt.png(1 << 30, 1 << 30, depth=8, colour=0, rows=bytes(1 << 16))
    mask = base64.b64encode(bomb).decode()
    for content, names in (
        (cityscapes(thing("car", SQUARE), height=10**6, width=10**6), NAMES),
        (cityscapes(thing("car", SQUARE), height=2**14, width=2**15), {2**40: "car"}),
        (labelme(shape("car", [[0, 0], [2**30 - 1, 2**30 - 1]], "mask", mask=mask)), NAMES),
        (labelme(shape("car", [[0, 0], [2, 2]], "mask", mask=mask)), NAMES),
        (coco(annotation(2, [[0, 0, 1e9, 0, 0, 5]])), NAMES),
    ):
        tracemalloc.start()
        refusal(tmp_path, content, names)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4e6


def test_files_that_are_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(InputError, match="expected at most 256 MB of JSON, found more"):
        read_label_map(path)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each value in decoded JSON."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    10**30,
    1e308,
    -0.5,
    "",
    "car",
    "9" * 30,
    [],
    [[]],
    {},
    [[1, 2]],
    [1, 2, 3, 4, 5, 6],
)


def mutated(content: Any, rng: random.Random) -> Any:
    """Return the content with a value replaced, removed or doubled."""
    changed = copy.deepcopy(content)
    way = rng.choice([path for path in leaves(content) if path])
    parent = changed
    for key in way[:-1]:
        parent = parent[key]
    action = rng.randrange(4)
    if action == 0:
        del parent[way[-1]]
    elif action == 1 and isinstance(parent, list):
        parent.append(parent[way[-1]])
    else:
        parent[way[-1]] = rng.choice(ODD)
    return changed


def samples() -> list[dict[str, Any]]:
    mask = np.eye(3, dtype=bool)
    return [
        cityscapes(thing("road", TRIANGLE, deleted=0), thing("cargroup", SQUARE)),
        labelme(
            shape("road", TRIANGLE),
            shape("car", [[1, 1], [4, 4]], "circle"),
            shape("car", [[1, 1], [3, 3]], "mask", mask=png(mask)),
        ),
        coco(
            annotation(2, [[1, 1, 7, 1, 1, 7]]),
            annotation(2, {"size": [8, 10], "counts": runs(np.eye(8, 10, dtype=bool))}, iscrowd=1),
            annotation(300, {"size": [8, 10], "counts": "`0`2"}),
        ),
    ]


def outcome(path: Path, data: bytes) -> bool:
    """Return whether a file is read; if not, the only exception is an InputError with one printable line."""
    path.write_bytes(data)
    try:
        found = read_label_map(path, names=NAMES)
    except InputError as error:
        line = str(error)
    else:
        return found.labels.ndim == 2
    assert line.isprintable()
    return False


@pytest.mark.slow
def test_mutations_give_labels_or_an_input_error(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    rng, path = random.Random(11), tmp_path / "a.json"  # noqa: S311  (repeatable is what it must be)
    for content in samples():
        read_count = 0
        for _ in range(1000):
            changed = mutated(content, rng)
            if rng.random() < 0.3:
                changed = mutated(changed, rng) if changed else changed
            read_count += outcome(path, json.dumps(changed).encode())
        assert 0 < read_count < 900


def test_flipped_and_cut_bytes_give_labels_or_an_input_error(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    path = tmp_path / "a.json"
    for content in samples():
        data = json.dumps(content).encode()
        for _, damaged in corrupt.flipped(data, 700):
            outcome(path, damaged)
        for _, damaged in corrupt.cut(data):
            assert not outcome(path, damaged)


def without_paths(results: segeval.Results) -> list[tuple[Any, ...]]:
    return [(row.label, row.name, row.metric, row.value, row.unit, row.note) for row in results.scores]


def test_scores_do_not_depend_on_how_a_label_map_is_stored(tmp_path: Path) -> None:
    """Grey PNG, palette PNG, Cityscapes, LabelMe and COCO run lengths give exactly the same scores."""
    reference = STREET / "reference.json"
    drawn = json.loads(reference.read_text())
    labels = {int(number): name for number, name in json.loads((STREET / "labels.json").read_text()).items()}
    found = read_label_map(reference, names=labels).labels
    shapes = [shape(each["label"], each["polygon"]) for each in drawn["objects"]]
    written: dict[str, Any] = {
        "labelme": labelme(*shapes, imageHeight=drawn["imgHeight"], imageWidth=drawn["imgWidth"]),
        "coco": {
            "images": [{"id": 1, "height": 128, "width": 256, "file_name": "street.jpg"}],
            "categories": [{"id": number, "name": name} for number, name in labels.items()],
            "annotations": [
                annotation(number, {"size": [128, 256], "counts": runs(found == number)}, image_id=1)
                for number in labels
                if number
            ],
        },
    }
    Image.fromarray(found).save(tmp_path / "grey.png")
    paths = [reference, STREET / "reference.png", tmp_path / "grey.png"]
    for name, content in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        paths.append(tmp_path / f"{name}.json")
    options: dict[str, Any] = {"metrics": "all", "labels": STREET / "labels.json", "ignore_label": 255}
    for as_prediction in (False, True):
        scores = [
            without_paths(
                segeval.score_files(path, STREET / "prediction.png", **options)
                if as_prediction
                else segeval.score_files(STREET / "prediction.png", path, **options)
            )
            for path in paths
        ]
        assert len(scores[0]) > 100
        assert all(each == scores[0] for each in scores[1:])


def test_the_sample_data_as_polygons_are_the_picture() -> None:
    names = {int(number): name for number, name in json.loads((STREET / "labels.json").read_text()).items()}
    drawn = read_label_map(STREET / "reference.json", names=names)
    assert np.array_equal(drawn.labels, read_label_map(STREET / "reference.png").labels)


def ious(found: NDArray[Any], expected: NDArray[Any], least: int) -> list[float]:
    """Return the IoU of each label with at least this many pixels; 255 was not annotated with polygons."""
    values = []
    for label in np.unique(expected):
        mask = expected == label
        if label not in (0, 255) and mask.sum() > least:
            values.append(float((mask & (found == label)).sum() / (mask | (found == label)).sum()))
    return values


@needs_data
@pytest.mark.parametrize("folder", ["gt_cityscapes_json", "gt_labelme_json"])
def test_real_polygons_give_the_pictures_that_others_made_of_them(folder: str) -> None:
    names = {int(number): name for number, name in json.loads((REAL / "categories.json").read_text()).items()}
    values: list[float] = []
    for path in sorted((REAL / folder).glob("*.json")):
        picture = REAL / "gt_png" / f"{path.stem.removesuffix('_gtFine_polygons')}.png"
        values += ious(read_label_map(path, names=names).labels, read_label_map(picture).labels, 500)
    assert len(values) == 39
    assert np.median(values) >= 0.99
    assert min(values) >= 0.97


@needs_data
def test_real_polygons_as_coco_are_the_pictures(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    names = {int(number): name for number, name in json.loads((REAL / "categories.json").read_text()).items()}
    numbers = {name: number for number, name in names.items()}
    for path in sorted((REAL / "gt_cityscapes_json").glob("*.json")):
        drawn = json.loads(path.read_text())
        content = {
            "images": [{"id": 5, "height": drawn["imgHeight"], "width": drawn["imgWidth"]}],
            "categories": [{"id": number, "name": name} for number, name in names.items()],
            "annotations": [
                annotation(numbers[each["label"]], [np.ravel(each["polygon"]).tolist()]) for each in drawn["objects"]
            ],
        }
        expected = read_label_map(REAL / "gt_png" / f"{path.stem.removesuffix('_gtFine_polygons')}.png").labels
        found = read(tmp_path, content, {}).labels
        assert np.array_equal(found[expected != 255], expected[expected != 255])


@needs_data
def test_both_dialects_give_the_same_scores() -> None:
    for path in sorted((REAL / "gt_labelme_json").glob("*.json")):
        results = [
            without_paths(
                segeval.score_files(
                    REAL / "pred_png" / f"{path.stem}.png",
                    other,
                    labels=REAL / "categories.json",
                    metrics=["dice", "hd"],
                )
            )
            for other in (path, REAL / "gt_cityscapes_json" / f"{path.stem}_gtFine_polygons.json")
        ]
        assert results[0] == results[1]
