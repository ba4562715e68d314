"""`segeval rasterize`: label pictures from polygons, never incomplete, and never overwritten without --force."""

from __future__ import annotations

import json
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from segeval.cli.rasterize import rasterize
from tests.command import call, spawn
from tests.places import SAMPLES, TOP

if TYPE_CHECKING:
    from pathlib import Path

STREET = SAMPLES / "street"
LABELS = STREET / "labels.json"
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def drawing(path: Path, *names: str) -> Path:
    """A Cityscapes file of 5 x 4 pixels with the same square once for each name."""
    objects = [{"label": name, "polygon": SQUARE} for name in names]
    path.write_text(json.dumps({"imgHeight": 4, "imgWidth": 5, "objects": objects}))
    return path


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def square(label: int) -> np.ndarray[Any, Any]:
    labels = np.zeros((4, 5), int)
    labels[1:3, 1:4] = label
    return labels


def test_the_sample_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    answer = call(capsys, "rasterize", STREET / "reference.json", "-o", folder, "--labels", LABELS)
    assert answer.code == 0
    assert answer.err.startswith(f"labels: {LABELS} read as JSON object")
    assert answer.out == f"{folder / 'reference.png'}\n"
    assert np.array_equal(pixels(folder / "reference.png"), pixels(STREET / "reference.png"))
    assert names_in(folder) == ["reference.png"]


def test_the_example_in_its_help_runs(tmp_path: Path) -> None:
    help_text = spawn("rasterize", "--help").out
    (example,) = re.findall(r"^ +(segeval rasterize sample_data(?:.*\\\n)*.*)", help_text, re.MULTILINE)
    arguments = [part if part != "street_png" else str(tmp_path) for part in shlex.split(example.replace("\\\n", ""))]
    assert spawn(*arguments[1:], folder=TOP).code == 0
    assert (tmp_path / "reference.png").is_file()


@pytest.mark.parametrize(("label", "mode"), [(1, "L"), (255, "L"), (256, "I;16"), (65535, "I;16")])
def test_the_depth_follows_the_labels(
    label: int, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = drawing(tmp_path / "a.json", "car")
    assert call(capsys, "rasterize", path, "-o", tmp_path, "--labels", f"{label}=car").code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == mode
    assert np.array_equal(pixels(tmp_path / "a.png"), square(label))
    answer = call(capsys, "score", tmp_path / "a.png", path, "--labels", f"{label}=car", "-m", "dice", "-f", "json")
    assert [row["value"] for row in json.loads(answer.out)["scores"]] == [1.0]


def test_labels_too_large_for_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = drawing(tmp_path / "a.json", "car")
    answer = call(capsys, "rasterize", path, "-o", tmp_path / "out", "--labels", "65536=car")
    assert (answer.code, answer.out) == (3, "")
    assert "label 65536 is too large for PNG" in answer.cause
    assert names_in(tmp_path / "out") == []


def test_existing_pictures_stay_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = drawing(tmp_path / "a.json", "car"), tmp_path / "a.png"
    target.write_bytes(b"mine")
    answer = call(capsys, "rasterize", path, "-o", tmp_path, "--labels", "1=car")
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause == f"error: {target}: the file exists; overwrite it with --force"
    assert target.read_bytes() == b"mine"
    assert call(capsys, "rasterize", path, "-o", tmp_path, "--labels", "1=car", "--force").code == 0
    assert np.array_equal(pixels(target), square(1))


def test_an_unusable_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [drawing(tmp_path / "a.json", "car"), tmp_path / "b.json", drawing(tmp_path / "c.json", "tree", "car")]
    paths[1].write_text("{")
    paths.append(drawing(tmp_path / "d.json", "car", "car"))
    answer = call(capsys, "rasterize", *paths, "-o", tmp_path / "out", "--labels", "1=car")
    assert answer.code == 3
    assert answer.out.splitlines() == [str(tmp_path / "out" / f"{name}.png") for name in "ad"]
    assert answer.err.splitlines()[1] == (
        f"error: {paths[2]}: 1 label name without a number: 'tree'; give each name a number with --labels"
    )
    assert answer.cause == f"error: cannot use 2 of 4 files: {paths[1]}, {paths[2]}"
    assert names_in(tmp_path / "out") == ["a.png", "d.png"]


def test_two_files_with_the_same_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    paths = [drawing(tmp_path / folder / "a.json", "car") for folder in ("one", "two")]
    answer = call(capsys, "rasterize", *paths, "-o", tmp_path, "--labels", "1=car")
    assert answer.code == 2
    assert f"two images would be written to this file: {paths[0]} and {paths[1]}" in answer.cause


def test_each_image_of_a_coco_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "instances.json"
    full = {"size": [4, 5], "counts": [0, 20]}
    images = [{"id": n, "height": 4, "width": 5, "file_name": f"../val/{n}.jpg"} for n in (7, 8)]
    annotations = [{"image_id": n, "category_id": n - 6, "segmentation": full} for n in (7, 8)]
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "tree"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    out = tmp_path / "out"
    assert call(capsys, "rasterize", path, "-o", out).out.splitlines() == [str(out / "7.png"), str(out / "8.png")]
    assert [pixels(out / f"{n}.png").max() for n in (7, 8)] == [1, 2]
    assert call(capsys, "rasterize", f"{path}::8", "-o", tmp_path / "one").code == 0
    assert names_in(tmp_path / "one") == ["8.png"]
    answer = call(capsys, "score", f"{path}::7", f"{path}::7", "-m", "dice", "-f", "csv", "-o", path)
    assert answer.code == 2
    assert "this is an input of the run" in answer.cause
    answer = call(capsys, "score", f"{path}::7", f"{path}::7", "-m", "dice", "-f", "csv")
    assert answer.out.splitlines()[1] == "7,1,car,px,scored,,1.0"


def test_only_polygons_become_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "rasterize", STREET / "reference.png", "-o", tmp_path)
    assert (answer.code, answer.cause) == (
        3,
        f"error: {STREET / 'reference.png'}: expected a .json file with polygons",
    )
    answer = call(capsys, "rasterize", LABELS, "-o", tmp_path)
    assert answer.code == 3
    assert "expected polygons of Cityscapes, LabelMe or COCO, found an object with 0, 1, 2" in answer.cause


def test_no_folder_to_write_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = drawing(tmp_path / "a.json", "car")
    assert call(capsys, "rasterize", path, "--labels", "1=car").cause == "error: Missing option '-o' / '--output'."
    answer = call(capsys, "rasterize", path, "--labels", "1=car", "-o", path)
    assert answer.code == 2
    assert answer.cause == f"error: {path}: cannot create the folder: file exists"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  (a device)
        answer = spawn("rasterize", STREET / "reference.json", "--labels", LABELS, "-o", tmp_path, stdout=full.fileno())
    assert answer.code == 2
    assert answer.cause == "error: stdout: cannot be written: no space left on device"


def test_inspect_knows_polygons(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "inspect", STREET / "reference.json", "--labels", LABELS)
    assert answer.code == 0
    assert "Cityscapes polygons, 39 objects" in answer.out
    assert "256 x 128 pixels" in answer.out
    unnamed = call(capsys, "inspect", STREET / "reference.json")
    assert unnamed.code == 3
    assert "9 label names without a number: 'building', 'car'" in unnamed.cause


def test_help_names_the_formats() -> None:
    assert [parameter.name for parameter in rasterize.params][:4] == ["polygons", "folder", "labels", "force"]


def test_names_with_a_number_below_0_are_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Licence plates in Cityscapes have such a number; the car under them shows."""
    square = [[1, 1], [5, 1], [5, 5], [1, 5]]
    objects = [{"label": "car", "polygon": square}, {"label": "license plate", "polygon": [[2, 2], [3, 2], [3, 3]]}]
    (tmp_path / "a.json").write_text(json.dumps({"imgHeight": 6, "imgWidth": 8, "objects": objects}))
    (tmp_path / "labels.csv").write_text("id,name\n1,car\n-1,license plate\n")
    labels = ("--labels", tmp_path / "labels.csv")
    assert call(capsys, "rasterize", tmp_path / "a.json", "-o", tmp_path / "out", *labels).code == 0
    drawn = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    assert np.count_nonzero(drawn == 1) == np.count_nonzero(drawn) == 16
    answer = call(capsys, "score", tmp_path / "out" / "a.png", tmp_path / "a.json", *labels, "-m", "dice", "-f", "json")
    found = json.loads(answer.out)
    assert [row["value"] for row in found["scores"]] == [1.0]
    assert found["settings"]["skipped"] == ["license plate"]
    assert "polygons skipped license plate" in found["signature"]
