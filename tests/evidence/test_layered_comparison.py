"""Cases as folders with a file for each class, and maps whose labels overlap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.maps.label_map import Grid, LabelMap
from segeval.reading.folders import class_files, read_class_folders
from segeval.scoring.compare import compare
from segeval.scoring.plan import plan_of
from segeval.scoring.scoring import score

AFFINE = np.diag([0.8, 0.9, 3.0, 1.0])
METRICS = "dice,sensitivity,assd,hd@95,nsd@2,boundary_iou@2,volume_error"


def write_class(folder: Path, name: str, mask: NDArray[np.bool_], *, value: int = 1) -> None:
    folder.mkdir(exist_ok=True)
    image = nib.nifti1.Nifti1Image(mask.T.astype(np.uint8) * value, AFFINE)  # type: ignore[no-untyped-call]
    nib.loadsave.save(image, folder / f"{name}.nii.gz")


def blobs(seed: int) -> dict[str, NDArray[np.bool_]]:
    """Three classes of one image; tumour lies inside liver."""
    place = np.random.default_rng(seed).integers(0, 2, 3)
    z, y, x = np.indices((8, 20, 22)) + place[:, None, None, None]
    return {
        "liver": (z - 4) ** 2 * 4 + (y - 9) ** 2 + (x - 8) ** 2 < 40,
        "tumour": (z - 4) ** 2 * 4 + (y - 9) ** 2 + (x - 8) ** 2 < 9,
        "rib_10": (y > 16) & (z > 2),
        "rib_2": (x > 18) & (z > 2) & (y < 14),
    }


def case(tmp_path: Path, *, without: str = "", value: int = 1) -> tuple[Path, Path]:
    for side, seed in (("prediction", 1), ("reference", 2)):
        for name, mask in blobs(seed).items():
            if name != without or side == "reference":
                write_class(tmp_path / side, name, mask, value=value)
    return tmp_path / "prediction", tmp_path / "reference"


@pytest.mark.parametrize("value", [1, 255])
def test_overlapping_classes_are_scored_one_by_one(tmp_path: Path, value: int) -> None:
    results = segeval.score_files(*case(tmp_path, value=value), metrics=METRICS)
    prediction, reference = blobs(1), blobs(2)
    for name in prediction:
        alone = segeval.score(
            prediction=prediction[name], reference=reference[name], spacing=(3.0, 0.9, 0.8), metrics=METRICS
        )
        for metric in METRICS.split(","):
            assert results.value(metric, label=name) == pytest.approx(alone.value(metric, label=1), rel=1e-6)


def test_classes_are_numbered_in_natural_order(tmp_path: Path) -> None:
    prediction, reference = read_class_folders(*map(str, case(tmp_path)))
    assert dict(reference.names) == {1: "liver", 2: "rib_2", 3: "rib_10", 4: "tumour"}
    assert len(reference.overlays) == 1
    assert prediction.names == reference.names


def test_a_class_that_only_the_prediction_has_is_a_false_alarm(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path)
    write_class(prediction, "spleen", blobs(1)["tumour"])
    results = segeval.score_files(prediction, reference, metrics="dice")
    (row,) = [row for row in results.scores if row.name == "spleen"]
    assert (row.value, row.note) == (0.0, "reference empty")


def test_a_class_file_missing_from_the_prediction_is_named(tmp_path: Path) -> None:
    with pytest.raises(segeval.InputError, match="no file for 1 of 4 classes: tumour"):
        segeval.score_files(*case(tmp_path, without="tumour"))


def test_an_empty_class_file_is_a_missed_class(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path, without="tumour")
    write_class(prediction, "tumour", np.zeros((8, 20, 22), bool))
    results = segeval.score_files(prediction, reference, metrics="dice,hd")
    notes = {row.note for row in results.scores if row.name == "tumour"}
    assert notes == {"prediction empty"}


def test_a_file_of_several_classes_is_refused(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path)
    image = nib.nifti1.Nifti1Image(np.arange(8 * 20 * 22).reshape(22, 20, 8).astype(np.uint8) % 3, AFFINE)  # type: ignore[no-untyped-call]
    nib.loadsave.save(image, prediction / "liver.nii.gz")
    with pytest.raises(segeval.InputError, match="expected a mask of one class, found the labels 1, 2"):
        segeval.score_files(prediction, reference)


def test_siblings_on_another_grid_are_refused(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path)
    image = nib.nifti1.Nifti1Image(blobs(1)["liver"].T.astype(np.uint8), np.diag([0.8, 0.9, 2.5, 1.0]))  # type: ignore[no-untyped-call]
    nib.loadsave.save(image, prediction / "liver.nii.gz")
    with pytest.raises(segeval.InputError, match="the grid differs from that of the first file"):
        segeval.score_files(prediction, reference)


def test_two_files_of_one_class_are_refused(tmp_path: Path) -> None:
    _, reference = case(tmp_path)
    (reference / "liver.nii").write_bytes(b"")
    with pytest.raises(segeval.InputError, match=r"class liver has two files: liver\.nii and liver\.nii\.gz"):
        class_files(str(reference))


def test_a_folder_against_a_file_and_a_folder_without_files(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path)
    with pytest.raises(segeval.InputError, match="this is a folder, but the other of the two is a file"):
        segeval.score_files(prediction, reference / "liver.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(segeval.InputError, match="the folder has no label maps: expected one file for each class"):
        segeval.score_files(tmp_path / "empty", reference)


def layered(masks: dict[int, NDArray[np.bool_]]) -> LabelMap:
    """Each class in a layer of its own."""
    grid = Grid(shape=(8, 20, 22), spacing=(3.0, 0.9, 0.8))
    layers = [LabelMap(labels=(mask * label).astype(np.uint8), grid=grid) for label, mask in masks.items()]
    return LabelMap(labels=layers[0].labels, grid=grid, overlays=tuple(layers[1:]))


def test_layers_that_do_not_overlap_score_as_one_map_does() -> None:
    disjoint = [{1: m["liver"] & ~m["tumour"], 2: m["tumour"], 3: m["rib_10"]} for m in (blobs(1), blobs(2))]
    flat = [sum((mask * label for label, mask in masks.items()), np.zeros((8, 20, 22), int)) for masks in disjoint]
    plan = plan_of(metrics="all", regions={"whole": "1,2", "everything": "*"}, spacing=(3.0, 0.9, 0.8))
    pair, names, _ = compare(layered(disjoint[0]), layered(disjoint[1]), plan)
    of_layers = score(pair, names, plan, case="array")
    of_map = segeval.score(
        prediction=flat[0],
        reference=flat[1],
        metrics="all",
        regions={"whole": "1,2", "everything": "*"},
        spacing=(3.0, 0.9, 0.8),
    )
    assert of_layers == list(of_map.scores)


def test_options_that_need_one_label_per_voxel_are_refused(tmp_path: Path) -> None:
    folders = case(tmp_path)
    with pytest.raises(segeval.InputError, match="labels overlap"):
        segeval.score_files(*folders, ignore_label=3)
    with pytest.raises(segeval.InputError, match="in two layers that overlap"):
        segeval.score_files(*folders, map={4: 1}, labels={1: "liver", 4: "tumour"})


def test_a_table_numbers_the_classes_by_their_names(tmp_path: Path) -> None:
    folders = case(tmp_path)
    plain = segeval.score_files(*folders, metrics="dice")
    table = {8: "tumour", 3: "Rib 2", 5: "spleen"}
    numbered = segeval.score_files(
        *folders, metrics="dice", labels=table, regions={"chest": [3, 8]}, only=["8", "chest"]
    )
    assert numbered.value("dice", label=8) == plain.value("dice", label="tumour")
    assert {row.label for row in numbered.scores} == {8, "chest"}
    every = segeval.score_files(*folders, metrics="dice", labels=table)
    assert {row.label: row.name for row in every.scores} == {
        3: "Rib 2",
        5: "spleen",
        8: "tumour",
        9: "liver",
        10: "rib_10",
    }
    assert every.value("dice", label="liver") == plain.value("dice", label="liver")


@pytest.mark.parametrize(
    "options",
    [{"only": 1}, {"regions": {"R": [1, 2]}}, {"regions": {"R": "1-3"}}, {"map": {1: 2}}, {"tolerance": {"1": 2}}],
)
def test_numbers_mean_nothing_where_classes_have_names(tmp_path: Path, options: Any) -> None:
    with pytest.raises(segeval.UsageError, match="classes of a folder have names but no numbers"):
        segeval.score_files(*case(tmp_path), metrics="dice", **options)


def test_regions_are_unions_of_names(tmp_path: Path) -> None:
    folders = case(tmp_path)
    results = segeval.score_files(*folders, metrics="dice", regions={"ribs": "rib_2,rib_10", "any": "*"})
    either = [mask["rib_2"] | mask["rib_10"] for mask in (blobs(1), blobs(2))]
    alone = segeval.score(prediction=either[0], reference=either[1], metrics="dice")
    assert results.value("dice", label="ribs") == alone.value("dice", label=1)


def test_layers_in_a_folder_are_refused(tmp_path: Path) -> None:
    _, reference = case(tmp_path)
    keys = "".join(f"Segment{n}_LabelValue:=1\nSegment{n}_Layer:={n}\nSegment{n}_Name:=s{n}\n" for n in (0, 1))
    header = (
        "NRRD0004\ntype: uint8\ndimension: 4\nspace: right-anterior-superior\nsizes: 2 22 20 8\n"
        "space directions: none (0.8,0,0) (0,0.9,0) (0,0,3)\nkinds: list domain domain domain\nencoding: raw\n"
        f"space origin: (0,0,0)\n{keys}\n"
    )
    (reference / "both.seg.nrrd").write_bytes(header.encode() + bytes(2 * 22 * 20 * 8))
    with pytest.raises(segeval.InputError, match="expected a mask of one class, found 2 layers"):
        segeval.score_files(reference, reference)


def test_the_names_of_files_decide_where_labels_are_matched_by_name(tmp_path: Path) -> None:
    grid = Grid(shape=(8, 20, 22), spacing=(3.0, 0.9, 0.8))
    masks = blobs(1)
    labels = (masks["liver"] * 1 + masks["rib_10"] * 2).astype(np.uint8)
    other = (masks["liver"] * 2 + masks["rib_10"] * 1).astype(np.uint8)
    maps = [
        LabelMap(labels=labels, grid=grid, names={1: "liver", 2: "rib"}),
        LabelMap(labels=other, grid=grid, names={2: "liver", 1: "rib"}),
    ]
    plan = plan_of(metrics="dice", match="names", labels={1: "liver", 2: "rib"})
    pair, names, _ = compare(maps[0], maps[1], plan)
    assert {(row.name, row.value) for row in score(pair, names, plan, case="x")} == {("liver", 1.0), ("rib", 1.0)}
