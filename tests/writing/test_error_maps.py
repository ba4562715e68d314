"""Error maps: what was counted, voxel by voxel, on the reference's grid, whole or not at all, and nowhere else."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

import segeval
from segeval.errors import UsageError
from segeval.reading import read_label_map
from segeval.reading.labels import parse_labels
from segeval.scoring.case import Case
from segeval.scoring.cases import results_of_files, score_case
from segeval.scoring.plan import plan_of
from segeval.writing.error_maps import COLORS, DIGITS, LONGEST_NAME, TABLE, ErrorMaps, file_name
from tests.command import SEGEVAL, box, call, plain_environment, save
from tests.diagnostics.test_slices import LPS, affine_of, case_of, picture, volumes, write
from tests.evidence.test_layered_comparison import case as overlapping_case
from tests.places import DATA, SAMPLES, TOP, needs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from segeval.results.results import Results

nib: Any = nibabel
sitk: Any = SimpleITK


def maps_in(folder: Path) -> dict[str, Path]:
    """Label number or region -> its file."""
    found = {}
    for path in folder.iterdir():
        if path.name != TABLE:
            stem = path.name.removesuffix(".nii.gz").removesuffix(".png")
            found[stem.removeprefix("region-") if stem.startswith("region-") else stem.partition("-")[0]] = path
    return found


def voxels(path: Path) -> NDArray[np.uint8]:
    """Axes (z, y, x), as nibabel has them."""
    values: NDArray[np.uint8] = np.asanyarray(nib.load(path).dataobj).transpose()
    return values


def check_counts(results: Results, folder: Path) -> None:
    """A map for each row of counts, and no other; its voxels are as many as were counted."""
    by_case: dict[str, dict[str, tuple[int, int, int]]] = {}
    for row in results.counts:
        by_case.setdefault(row.case, {})[str(row.label)] = (row.tp, row.fp, row.fn)
    for case, rows in by_case.items():
        files = maps_in(folder / case)
        assert files.keys() == rows.keys()
        for label, counts in rows.items():
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(files[label])))
            assert tuple(np.bincount(values.ravel(), minlength=4)[1:].tolist()) == counts
            assert values.dtype == np.uint8


def test_each_voxel_has_its_code(tmp_path: Path) -> None:
    """By hand: the block less the L is right, the L is missed, and one voxel beside it is false."""
    prediction, reference = volumes()
    prediction[3, 4, 5] = 1
    paths = [
        write(tmp_path / f"{name}.nii", labels, affine_of(LPS))
        for name, labels in (("p", prediction), ("r", reference))
    ]
    segeval.score_files(*paths, error_maps=tmp_path / "maps", labels={1: "liver"})
    expected = np.zeros((40, 50, 60), np.uint8)
    expected[18:24, 20:30, 30:45] = 1
    expected[3, 4, 5] = 2
    expected[21, 20, 30:36] = 3
    expected[21, 21:24, 30] = 3
    path = tmp_path / "maps" / "r" / "1-liver.nii.gz"
    assert np.array_equal(voxels(path), expected)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), expected)
    image = nib.load(path)
    assert np.array_equal(image.affine, nib.load(paths[1]).affine)
    assert image.header.get_xyzt_units()[0] == "mm"


def turned(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    directions: NDArray[np.float64] = np.array([[cos, 0, sin], [sin, 0, -cos], [0, 1.0, 0]])
    return directions


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("angle", [0, 33])
def test_a_map_lies_where_the_reference_does(suffix: str, angle: float, tmp_path: Path) -> None:
    paths = []
    for name, labels in zip("pr", volumes(), strict=True):
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing((0.7, 1.3, 5.1))
        image.SetOrigin((-12.25, 8.5, 101.0))
        image.SetDirection(turned(angle).ravel().tolist())
        paths.append(str(tmp_path / f"{name}{suffix}"))
        sitk.WriteImage(image, paths[-1])
    segeval.score_files(*paths, error_maps=tmp_path / "maps")
    found, reference = sitk.ReadImage(str(tmp_path / "maps" / "r" / "1.nii.gz")), sitk.ReadImage(paths[1])
    assert found.GetSize() == reference.GetSize()
    for field in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(found, field)(), getattr(reference, field)(), atol=2e-6)


def test_sheared_axes_stay_sheared(tmp_path: Path) -> None:
    affine = affine_of(LPS)
    affine[0, 2] += 0.8
    paths = [write(tmp_path / f"{name}.nii", labels, affine) for name, labels in zip("pr", volumes(), strict=True)]
    segeval.score_files(*paths, error_maps=tmp_path / "maps")
    written = nib.load(tmp_path / "maps" / "r" / "1.nii.gz")
    assert np.allclose(written.affine, affine, atol=1e-6)
    assert int(written.header["qform_code"]) == 0  # a quaternion cannot say it
    straight = [
        write(tmp_path / f"s{name}.nii", labels, affine_of(LPS)) for name, labels in zip("pr", volumes(), strict=True)
    ]
    segeval.score_files(*straight, error_maps=tmp_path / "maps")
    assert int(nib.load(tmp_path / "maps" / "sr" / "1.nii.gz").header["qform_code"]) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_of_a_volume_gets_its_third_axis_back(axis: int, tmp_path: Path) -> None:
    affine = affine_of(turned(20))
    affine[:3, :3] = turned(20) * np.array([1.0, 2.0, 5.0])
    place = {0: 21, 1: 20, 2: 30}[axis]
    paths = [
        write(tmp_path / f"{name}.nii", np.take(labels, [place], axis=axis), affine)
        for name, labels in zip("pr", volumes(), strict=True)
    ]
    results = segeval.score_files(*paths, error_maps=tmp_path / "maps")
    found, reference = (nib.load(path) for path in (tmp_path / "maps" / "r" / "1.nii.gz", paths[1]))
    assert found.shape == reference.shape
    assert np.allclose(found.affine, reference.affine, atol=1e-6)
    check_counts(results, tmp_path / "maps")


def test_a_long_axis_takes_a_longer_header(tmp_path: Path) -> None:
    """NIfTI-1 counts voxels along an axis in 16 bits."""
    reference = np.zeros((2, 3, 40000), np.uint8)
    reference[1, 2, 39000:] = 1
    prediction = np.roll(reference, -500, axis=2)
    paths = [str(tmp_path / f"{name}.mha") for name in "pr"]
    for name, labels in zip(paths, (prediction, reference), strict=True):
        sitk.WriteImage(sitk.GetImageFromArray(labels), name)
    segeval.score_files(*paths, error_maps=tmp_path / "maps", metrics="dice")
    path = tmp_path / "maps" / "r" / "1.nii.gz"
    assert np.array_equal(voxels(path), np.where(prediction & reference, 1, 2 * prediction + 3 * reference))
    assert np.array_equal(read_label_map(path).labels, voxels(path))


def test_maps_of_the_samples_sum_up_to_the_counts(tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": "dice", "regions": {"kidneys": "3,4", "all of it": "*"}, "jobs": 2}
    results = segeval.batch(SAMPLES / "predictions", SAMPLES / "references", error_maps=tmp_path / "maps", **options)
    assert len(list((tmp_path / "maps").iterdir())) == 14
    check_counts(results, tmp_path / "maps")


@needs(DATA)
def test_maps_of_a_real_case_sum_up_to_the_counts(tmp_path: Path) -> None:
    paths = [DATA / "ct_organs" / name for name in ("pred_fast_model.nii.gz", "ref_full_model.nii.gz")]
    results = segeval.score_files(*paths, metrics="dice", error_maps=tmp_path / "maps")
    assert len(results.counts) > 40
    check_counts(results, tmp_path / "maps")
    reference = sitk.ReadImage(str(paths[1]))
    found = sitk.ReadImage(str(maps_in(tmp_path / "maps" / "ref_full_model")["5"]))
    for field in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(found, field)(), getattr(reference, field)(), atol=1e-5)


def test_what_is_ignored_has_no_code(tmp_path: Path) -> None:
    prediction, reference = volumes()
    reference[0, 0, :5] = 9
    prediction[0, 0, :3] = 1
    prediction[0, 1, 0] = 9
    paths = [save(tmp_path / f"{name}.nii", labels) for name, labels in (("p", prediction), ("r", reference))]
    results = segeval.score_files(*paths, error_maps=tmp_path / "maps", ignore_label=9, background=True, metrics="dice")
    check_counts(results, tmp_path / "maps")
    files = maps_in(tmp_path / "maps" / "r")
    assert set(files) == {"0", "1"}
    assert not voxels(files["1"])[0].any()
    assert voxels(files["0"])[0, :2, :6].tolist() == [[0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize(
    "options",
    [
        {"map_prediction": {1: 2}, "map_reference": {1: 2}},
        {"only": [1], "regions": {"r": "1"}},
        {"labels": {1: "a", 5: "b"}},
        {"spacing": (3.0, 2.0, 1.0)},
    ],
)
def test_what_is_scored_is_what_is_drawn(options: dict[str, Any], tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    check_counts(
        segeval.score_files(case.prediction, case.reference, error_maps=tmp_path / "maps", **options), tmp_path / "maps"
    )
    if "spacing" in options:
        assert np.allclose(nib.load(tmp_path / "maps" / "r" / "1.nii.gz").header.get_zooms(), (1, 2, 3))


def test_a_resampled_prediction_is_drawn_on_the_grid_of_the_reference(tmp_path: Path) -> None:
    prediction, reference = volumes()
    paths = [save(tmp_path / "p.nii", prediction[:, :, 5:], origin=(5, 0, 0)), save(tmp_path / "r.nii", reference)]
    results = segeval.score_files(*paths, error_maps=tmp_path / "maps", geometry="resample")
    check_counts(results, tmp_path / "maps")
    assert voxels(tmp_path / "maps" / "r" / "1.nii.gz").shape == reference.shape


def test_classes_that_overlap_have_a_map_each(tmp_path: Path) -> None:
    results = segeval.score_files(*overlapping_case(tmp_path), error_maps=tmp_path / "maps", regions={"any": "*"})
    folder = tmp_path / "maps" / "reference"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{number}-{name}.nii.gz" for number, name in enumerate(("liver", "rib_2", "rib_10", "tumour"), start=1)),
        TABLE,
        "region-any.nii.gz",
    ]
    check_counts(results, tmp_path / "maps")
    assert (voxels(folder / "4-tumour.nii.gz") > 0).sum() < (voxels(folder / "1-liver.nii.gz") > 0).sum()


def test_of_probabilities_the_most_probable_labels_are_drawn(tmp_path: Path) -> None:
    _, reference = volumes()
    shares = np.random.default_rng(0).dirichlet((1, 1), reference.shape).astype(np.float32)
    np.save(tmp_path / "p.npy", np.moveaxis(shares, -1, 0))
    path = save(tmp_path / "r.nii", reference)
    results = segeval.score_files(tmp_path / "p.npy", path, probabilities=True, error_maps=tmp_path / "maps")
    check_counts(results, tmp_path / "maps")


def test_a_picture_has_a_palette(tmp_path: Path) -> None:
    reference = np.zeros((9, 14), np.uint8)
    reference[2:5, 3:8] = 1
    prediction = np.roll(reference, 2, axis=1)
    paths = [picture(tmp_path / f"{name}.png", labels) for name, labels in (("p", prediction), ("r", reference))]
    segeval.score_files(*paths, error_maps=tmp_path / "maps")
    with Image.open(tmp_path / "maps" / "r" / "1.png") as drawn:
        assert drawn.mode == "P"
        assert np.array_equal(np.asarray(drawn), np.where(prediction & reference, 1, 2 * prediction + 3 * reference))
        assert drawn.convert("RGB").getpixel((3, 2)) == COLORS[2]
        assert drawn.convert("RGB").getpixel((9, 2)) == COLORS[1]
        assert drawn.convert("RGB").getpixel((5, 2)) == COLORS[0]


def test_the_table_is_one_of_itk_snap(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    segeval.score_files(
        case.prediction, case.reference, error_maps=tmp_path / "maps", labels={1: 'a\n9 1 1 1 1 1 1 "b"'}
    )
    path = tmp_path / "maps" / "r" / TABLE
    table = parse_labels(str(path))
    assert table.dialect == "ITK-SNAP label description"
    names = [name.partition(":")[0] for name in table.names.values()]
    assert names == ["Clear Label", "true positive", "false positive", "false negative"]
    rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert [row.split()[:4] for row in rows] == [
        ["0", "0", "0", "0"],
        *([str(number), *map(str, color)] for number, color in enumerate(COLORS, start=1)),
    ]
    assert "TP 891, FP 0, FN 9" in path.read_text()


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    for name in ("a", "b"):
        segeval.score_files(case.prediction, case.reference, error_maps=tmp_path / name)
    for path in (tmp_path / "a" / "r").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "r" / path.name).read_bytes()
    assert (tmp_path / "a" / "r" / "1.nii.gz").read_bytes()[3:8] == bytes(5)  # no name, no time


HOSTILE = [
    *("../x", "..", ".", "/etc/x", "C:\\x", "a\nb", "a\x1b[31mb", "a" * 300, "a" * 300 + "b", "CON", "nul.txt", "Case"),
    *("case", "cAsE", "a/b", "a_b", "a\\b", "ﬁ", "fi", "é", "e\u0301", "x.", "x ", "x_", " ", "", "-rf", "~"),
    *(f"case-{'0' * DIGITS}", "straße", "strasse", "\u202eabc", TABLE),
]


def test_names_choose_no_folder_and_are_told_apart() -> None:
    names = list(dict.fromkeys(HOSTILE))
    maps = ErrorMaps(folder="x", alike=frozenset())
    assert len({maps.folder_of(name).casefold() for name in names}) < len(names)
    from segeval.writing.error_maps import _alike

    maps = ErrorMaps(folder="x", alike=_alike(names))
    folders = [maps.folder_of(name) for name in names]
    assert len({folder.casefold() for folder in folders}) == len(names)
    for folder in folders:
        assert folder.isprintable()
        assert not set(folder) & set('/\\:*?"<>|\0')
        assert not folder.startswith((".", " "))
        assert not folder.endswith((".", " "))
        assert len(folder.encode()) <= LONGEST_NAME + DIGITS + 2
    assert file_name("case_01") == "case_01"


def test_hostile_cases_and_labels_stay_in_the_folder(tmp_path: Path) -> None:
    """All cases are one pair of files under names from a table; labels and regions are called badly too."""
    home = tmp_path / "home"
    home.mkdir()
    case = case_of(home)
    names = ["../x", "..", "/etc/x", "Case", "case", "a/b", "a_b", "a" * 200, TABLE]
    with (home / "pairs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case", "prediction", "reference"])
        rows.writerows([name, case.prediction, case.reference] for name in names)
    results = segeval.batch(
        pairs=home / "pairs.csv",
        error_maps=home / "maps",
        labels={1: "../../y"},
        regions={"../r": "1", "R/a": "1", "r_A": "1", "r/a ": "1"},
        jobs=1,
        metrics="dice",
    )
    assert [record.status for record in results.cases] == ["scored"] * len(names)
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert {path.name for path in home.iterdir()} == {"p.nii", "r.nii", "pairs.csv", "maps"}
    folders = list((home / "maps").iterdir())
    assert len(folders) == len(names)
    for folder in folders:
        assert len(list(folder.iterdir())) == 1 + 4 + 1
        assert (folder / "1-_._.._y.nii.gz").is_file()
    said = {(folder / TABLE).read_text().splitlines()[9] for folder in folders}
    assert said == {f"# case {name}" for name in names}


def test_links_are_not_followed(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    (tmp_path / "maps").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "maps" / "r").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="this is a link"):
        segeval.score_files(case.prediction, case.reference, error_maps=tmp_path / "maps")
    assert not list((tmp_path / "elsewhere").iterdir())
    (tmp_path / "maps" / "r").unlink()
    (tmp_path / "maps" / "r").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "maps" / "r" / "1.nii.gz").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="this is a link"):
        segeval.score_files(case.prediction, case.reference, error_maps=tmp_path / "maps")
    assert (tmp_path / "victim").read_text() == "mine"


def test_inputs_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("predictions", "references"):
        for name in ("a", "b"):
            (tmp_path / side / name).mkdir(parents=True)
            save(tmp_path / side / name / "1.nii.gz".removesuffix(".gz"), box((9, 9, 9)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.nii")}
    words = ["batch", tmp_path / "predictions", tmp_path / "references", "--pattern", "{case}/", "-m", "dice"]
    for folder in ("references", "predictions"):
        answer = call(capsys, *words, "--error-maps", tmp_path / folder)
        assert answer.code == 2
        assert "error maps would go where" in answer.cause
    assert call(capsys, *words, "--error-maps", tmp_path / "maps").code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["batch", SAMPLES / "predictions", SAMPLES / "references", "-o", tmp_path / "r.json", "--error-maps"]
    for folder, text in (("none/maps", "does not exist"), ("file", "file exists"), ("file/maps", "cannot be written")):
        answer = call(capsys, *words, tmp_path / folder)
        assert (answer.code, answer.out) == (2, "")
        assert text in answer.cause
    assert {path.name for path in tmp_path.iterdir()} == {"file"}
    assert (tmp_path / "file").read_text() == "mine"


def folders(tmp_path: Path) -> list[Path]:
    sides = []
    for side, labels in zip(("predictions", "references"), volumes(), strict=True):
        (tmp_path / side).mkdir()
        for name in "abc":
            save(tmp_path / side / f"{name}.nii", labels)
        sides.append(tmp_path / side)
    return sides


def test_a_case_whose_maps_cannot_be_written_costs_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = folders(tmp_path)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "b").write_text("a file where a folder should be")
    answer = call(capsys, "batch", *sides, "-m", "dice", "--error-maps", tmp_path / "maps", "-o", tmp_path / "r.json")
    assert answer.code == 2
    assert answer.cause.startswith("error: 1 of 3 cases without all error maps: b; not all error maps were written: ")
    document = json.loads((tmp_path / "r.json").read_text())
    assert [case["status"] for case in document["cases"]] == ["scored"] * 3
    assert len({row["value"] for row in document["scores"] if row["label"] == 1}) == 1  # b has its score too
    again = call(capsys, "merge", tmp_path / "r.json", "-o", tmp_path / "m.json")
    assert again.code == 2
    (tmp_path / "maps" / "b").unlink()
    assert set(maps_in(tmp_path / "maps" / "a")) == set(maps_in(tmp_path / "maps" / "c")) == {"1"}
    words = [*sides, "-m", "dice", "--error-maps", tmp_path / "maps", "-o", tmp_path / "r.json", "--resume"]
    assert call(capsys, "batch", *words).code == 0
    assert set(maps_in(tmp_path / "maps" / "b")) == {"1"}


def test_a_table_never_stands_beside_maps_that_are_not_whole(tmp_path: Path) -> None:
    """Of an earlier run it is taken away before the first map is written anew."""
    sides = folders(tmp_path)
    paths = [side / "a.nii" for side in sides]
    segeval.score_files(*paths, metrics="dice", error_maps=tmp_path / "maps")
    folder = tmp_path / "maps" / "a"
    table = folder / "itk-snap-labels.txt"
    assert table.is_file()
    (name,) = [path for path in folder.iterdir() if path != table]
    name.unlink()
    name.mkdir()
    with pytest.raises(UsageError, match=r"not all error maps were written: .*cannot be written"):
        segeval.score_files(*paths, metrics="dice", error_maps=tmp_path / "maps")
    assert not table.exists()


def test_a_full_disk_leaves_no_map_that_is_cut(tmp_path: Path) -> None:
    """No file may grow beyond 1,024 bytes: a map takes more, and is then not there at all."""
    noise = np.random.default_rng(0)
    paths = [save(tmp_path / f"{name}.nii", noise.integers(0, 2, (30, 30, 30), np.uint8)) for name in "pr"]
    words = [*SEGEVAL, "score", *map(str, paths), "-m", "dice", "--error-maps", "maps"]
    done = subprocess.run(  # noqa: S603  (our own command)
        ["/bin/bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *words],
        cwd=tmp_path,
        env=plain_environment() | {"PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "1.nii.gz: cannot be written: file too large" in done.stderr
    assert names_in(tmp_path / "maps" / "r") == []


def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, *more: object) -> str:
    """What is said of cases that are taken over."""
    words = [
        "batch",
        tmp_path / "predictions",
        tmp_path / "references",
        "-m",
        "dice",
        "-o",
        tmp_path / "r.json",
        "--keep-journal",
        *more,
    ]
    answer = call(capsys, *words)
    assert answer.code == 0, answer.err
    return next((line.partition(" cases")[0] for line in answer.err.splitlines() if "were scored before" in line), "")


def test_a_run_that_is_taken_up_again_has_all_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders(tmp_path)
    maps, other = tmp_path / "maps", tmp_path / "other"
    assert run(capsys, tmp_path) == ""
    before = (tmp_path / "r.json").read_bytes()
    assert run(capsys, tmp_path, "--resume", "--error-maps", maps) == "0 of 3"  # there are none yet
    assert run(capsys, tmp_path, "--resume", "--error-maps", maps) == "3 of 3"
    whole = {path: path.read_bytes() for path in maps.rglob("*.*")}
    assert len(whole) == 6
    (maps / "a" / "1.nii.gz").unlink()  # a map is gone
    (maps / "b" / TABLE).unlink()  # a run was killed before the last file
    assert run(capsys, tmp_path, "--resume", "--error-maps", maps) == "1 of 3"
    assert {path: path.read_bytes() for path in maps.rglob("*.*")} == whole
    assert run(capsys, tmp_path, "--resume", "--error-maps", other) == "0 of 3"
    assert run(capsys, tmp_path, "--resume") == "3 of 3"
    assert (tmp_path / "r.json").read_bytes() == before


def test_maps_of_another_run_are_not_taken_for_those_of_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders(tmp_path)
    maps = tmp_path / "maps"
    run(capsys, tmp_path, "--error-maps", maps)
    words = ["-m", "dice", "-o", tmp_path / "q.json", "--error-maps", maps, "--map-reference", "1=2"]
    assert call(capsys, "batch", tmp_path / "predictions", tmp_path / "references", *words).code == 0
    assert run(capsys, tmp_path, "--resume", "--error-maps", maps) == "0 of 3"


def test_a_missing_prediction_that_counts_as_empty_is_all_missed(tmp_path: Path) -> None:
    sides = folders(tmp_path)
    (sides[0] / "b.nii").unlink()
    results = segeval.batch(*sides, missing="empty", error_maps=tmp_path / "maps", jobs=1, metrics="dice")
    check_counts(results, tmp_path / "maps")
    assert np.array_equal(voxels(tmp_path / "maps" / "b" / "1.nii.gz"), 3 * volumes()[1])
    for missing in ("skip", "error"):
        folder = tmp_path / missing
        segeval.batch(*sides, missing=missing, error_maps=folder, jobs=1, metrics="dice")
        assert sorted(os.listdir(folder)) == ["a", "c"]  # noqa: PTH208


def test_shards_put_their_maps_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders(tmp_path)
    for part in ("1/2", "2/2"):
        run(capsys, tmp_path, "--error-maps", tmp_path / "maps", "--shard", part)
    assert names_in(tmp_path / "maps") == ["a", "b", "c"]


def names_in(folder: Path) -> Iterable[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_map_is_written_where_none_is_asked_for(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    results_of_files(case.prediction, case.reference, plan_of())
    assert names_in(tmp_path) == ["p.nii", "r.nii"]


def test_maps_are_there_only_while_each_holds_something(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", box((4, 5, 6)))
    maps = ErrorMaps.at(str(tmp_path / "maps"), cases=["a"], inputs=[])
    plan = plan_of(metrics="dice")
    outcome = score_case(Case(name="a", prediction=str(path), reference=str(path)), plan, error_maps=maps)
    signature = plan.signature({(3, "mm")})

    def are_there() -> bool:
        return maps.are_there(outcome.counts, outcome.names, case="a", signature=signature)

    assert are_there()
    (drawn,) = maps_in(tmp_path / "maps" / "a").values()
    drawn.write_bytes(b"")
    assert not are_there()
