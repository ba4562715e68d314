"""Cases as folders with a file per class, and maps whose labels overlap."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.api import plan_of
from segeval.labelmap import Grid, LabelMap
from segeval.reading.folders import class_files, read_class_folders
from segeval.scoring import compare, score

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
    with pytest.raises(segeval.InputError, match="1 of 4 classes have no file here: tumour"):
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
    with pytest.raises(segeval.InputError, match="another grid than the first file"):
        segeval.score_files(prediction, reference)


def test_two_files_of_one_class_are_refused(tmp_path: Path) -> None:
    _, reference = case(tmp_path)
    (reference / "liver.nii").write_bytes(b"")
    with pytest.raises(segeval.InputError, match=r"two files for the class liver: liver\.nii and liver\.nii\.gz"):
        class_files(str(reference))


def test_a_folder_against_a_file_and_a_folder_without_files(tmp_path: Path) -> None:
    prediction, reference = case(tmp_path)
    with pytest.raises(segeval.InputError, match="one of the two is a folder"):
        segeval.score_files(prediction, reference / "liver.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(segeval.InputError, match="expected a label map file for each class"):
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


def test_what_needs_one_label_per_voxel_is_refused(tmp_path: Path) -> None:
    folders = case(tmp_path)
    with pytest.raises(segeval.InputError, match="labels overlap"):
        segeval.score_files(*folders, ignore_label=3)
    with pytest.raises(segeval.InputError, match="two layers that overlap"):
        segeval.score_files(*folders, map={4: 1})
