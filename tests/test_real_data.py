"""Real predictions and references, held against counts by boolean masks and distances by SciPy's transforms.

The files are read a second time by nibabel and Pillow, so that nothing of the package stands behind what is expected.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import segeval
from segeval.errors import InputError
from segeval.results.results import Results
from tests import oracle
from tests.places import DATA, needs

Array = NDArray[Any]

ORGANS, CORD, GLIOMA = DATA / "ct_organs", DATA / "spinal_cord", DATA / "glioma"
NUCLEI, STREET = DATA / "nuclei", DATA / "coco_polygons"
METRICS = ["dice", "tp", "fp", "fn", "assd", "masd", "asd_to_reference", "hd", "hd@95", "nsd", "nsd@3", "mcc"]

pytestmark = needs(DATA)


def read_volume(path: Path) -> tuple[Array, tuple[float, ...]]:
    """Labels (z, y, x) and spacing in the same order."""
    image = opened(path)
    steps = np.sqrt((np.asarray(image.affine)[:3, :3] ** 2).sum(axis=0))
    return np.asanyarray(image.dataobj).T, tuple(steps[::-1].tolist())


def opened(path: Path) -> nibabel.Nifti1Image:
    image = nibabel.load(path)
    assert isinstance(image, nibabel.Nifti1Image)
    return image


def cropped(*masks: oracle.Mask) -> list[oracle.Mask]:
    """The part of the image that holds any of the masks."""
    found = ndimage.find_objects(np.logical_or.reduce(masks).astype(int))
    return [np.ascontiguousarray(mask[found[0]]) for mask in masks]


def expected_of(prediction: oracle.Mask, reference: oracle.Mask, spacing: tuple[float, ...]) -> dict[str, float]:
    """What `METRICS` are for two masks that both hold voxels."""
    inside = cropped(prediction, reference)
    borders = [oracle.border_voxels(mask) for mask in inside]
    there, back = (
        ndimage.distance_transform_edt(~target, sampling=spacing)[source] for source, target in (borders, borders[::-1])
    )
    both, slack = np.concatenate([there, back]), oracle.SLACK * min(spacing)
    counts = oracle.Confusion(
        tp=int((prediction & reference).sum()),
        fp=int((prediction & ~reference).sum()),
        fn=int((~prediction & reference).sum()),
        tn=int((~prediction & ~reference).sum()),
    )
    return {
        "dice": 2 * counts.tp / (2 * counts.tp + counts.fp + counts.fn),
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "mcc": oracle.mcc(counts),
        "assd": both.mean(),
        "masd": (there.mean() + back.mean()) / 2,
        "asd_to_reference": there.mean(),
        "hd": both.max(),
        "hd@95": max(np.percentile(there, 95), np.percentile(back, 95)),
        "nsd": (both <= 1 + slack).mean(),
        "nsd@3": (both <= 3 + slack).mean(),
    }


def assert_as_expected(results: Results, prediction: Array, reference: Array, spacing: tuple[float, ...]) -> int:
    """Compare every label of both maps; how many there were."""
    shared = sorted(set(np.unique(prediction).tolist()) & set(np.unique(reference).tolist()) - {0})
    for label in shared:
        expected = expected_of(prediction == label, reference == label, spacing)
        found = {name: results.value(name, label=label) for name in METRICS}
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), label
    return len(shared)


@pytest.fixture(scope="module")
def organs() -> Results:
    return segeval.score_files(
        ORGANS / "pred_fast_model.nii.gz", ORGANS / "ref_full_model.nii.gz", metrics=[*METRICS, "sensitivity"]
    )


def test_every_organ_agrees_with_distance_transforms(organs: Results) -> None:
    prediction, spacing = read_volume(ORGANS / "pred_fast_model.nii.gz")
    reference, _ = read_volume(ORGANS / "ref_full_model.nii.gz")
    assert spacing == pytest.approx((3, 3, 3))
    assert assert_as_expected(organs, prediction, reference, spacing) == 40


def test_organs_go_by_the_names_in_the_file(organs: Results) -> None:
    assert organs.value("dice", label="spleen") == organs.value("dice", label=1)
    names = {row.label: row.name for row in organs.scores}
    assert names[2] == "kidney_right"
    assert len(names) == 41
    assert None not in names.values()
    median = np.median([row.value for row in organs.scores if row.metric == "dice" and row.value is not None])
    assert median == pytest.approx(0.926, abs=5e-3)


def test_a_missed_organ_is_neither_perfect_nor_left_out(organs: Results) -> None:
    rows = {row.metric: row for row in organs.scores if row.label == 13}
    assert rows.keys() == {*METRICS, "sensitivity"}
    assert {row.note for row in rows.values()} == {"prediction empty"}
    assert rows["dice"].value == rows["sensitivity"].value == rows["nsd"].value == 0
    diagonal = 3 * math.sqrt(122**2 + 101**2 + 30**2)
    assert rows["hd"].value == rows["assd"].value == pytest.approx(diagonal)


OLD_RELEASE = "pred_old_release_2023_other_label_ids.nii.gz"


def test_names_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match=r"labels have two names: 98 \(rib_left_5 in the.*--match names") as caught:
        segeval.score_files(ORGANS / OLD_RELEASE, ORGANS / "ref_full_model.nii.gz")
    assert caught.value.exit_code == 3


def test_an_old_release_is_scored_by_names() -> None:
    results = segeval.score_files(ORGANS / OLD_RELEASE, ORGANS / "ref_full_model.nii.gz", match="names", metrics="dice")
    prediction, _ = read_volume(ORGANS / OLD_RELEASE)
    reference, _ = read_volume(ORGANS / "ref_full_model.nii.gz")
    expected = expected_of(prediction == 100, reference == 98, (3, 3, 3))
    assert results.value("dice", label="rib_left_7") == pytest.approx(expected["dice"])
    ribs = [row.value for row in results.scores if row.name and row.name.startswith("rib_")]
    assert len(ribs) > 10
    assert min(value or 0 for value in ribs) > 0.5


@pytest.mark.parametrize(
    ("prediction", "reference", "dice"),
    [
        ("t2_seg-deepseg_sc-3d", "t2_seg-manual", 0.981),
        ("t2s_seg-deepseg", "t2s_seg", 0.909),
    ],
)
def test_the_spinal_cord_agrees_with_distance_transforms(prediction: str, reference: str, dice: float) -> None:
    paths = [CORD / f"{name}.nii.gz" for name in (prediction, reference)]
    results = segeval.score_files(*paths, metrics=METRICS)
    found, _ = read_volume(paths[0])
    expected, spacing = read_volume(paths[1])
    assert assert_as_expected(results, found, expected, spacing) == 1
    assert results.value("dice", label=1) == pytest.approx(dice, abs=5e-4)


def test_the_type_that_a_file_stores_does_not_matter() -> None:
    stored = [read_volume(CORD / name)[0].dtype for name in ("t2s_seg-deepseg.nii.gz", "t2s_seg.nii.gz")]
    assert set(map(str, stored)) == {"int64", "uint8"}


def test_soft_masks_are_refused_and_their_thresholds_scored() -> None:
    gold = CORD / "mt1_gmseg_goldstandard.nii.gz"
    with pytest.raises(InputError, match="fractions such as"):
        segeval.score_files(CORD / "mt1_gmseg.nii.gz", gold)
    soft, _ = read_volume(CORD / "mt1_gmseg.nii.gz")
    reference, spacing = read_volume(gold)
    assert spacing[0] == pytest.approx(17)
    results = segeval.score(prediction=soft >= 0.5, reference=reference.astype(int), spacing=spacing, metrics=METRICS)
    assert assert_as_expected(results, (soft >= 0.5).astype(int), reference.astype(int), spacing) == 1


def test_a_manual_mask_agrees_with_itself() -> None:
    gold = CORD / "mt1_gmseg_goldstandard.nii.gz"
    results = segeval.score_files(gold, gold)
    assert [results.value(name, label=1) for name in ("dice", "assd", "hd", "hd@95")] == [1, 0, 0, 0]
    assert results.value("generalized_dice") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("case", "algorithm"), [("TCGA-DU-7294", "scan-20"), ("OtherEXampleFromTCIA", "isen-20")])
def test_a_glioma_agrees_with_distance_transforms(case: str, algorithm: str) -> None:
    paths = GLIOMA / case / f"{algorithm}.nii.gz", GLIOMA / case / "simple.nii.gz"
    regions = {"whole": [1, 2, 4], "core": [1, 4]}
    results = segeval.score_files(*paths, metrics=[*METRICS, "generalized_dice"], regions=regions)
    prediction, _ = read_volume(paths[0])
    reference, spacing = read_volume(paths[1])
    assert assert_as_expected(results, prediction, reference, spacing) >= 2
    for name, members in regions.items():
        expected = expected_of(np.isin(prediction, members), np.isin(reference, members), spacing)
        found = {metric: results.value(metric, label=name) for metric in METRICS}
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    pair = oracle.Pair(prediction=prediction, reference=reference, spacing=spacing)
    assert results.value("generalized_dice") == pytest.approx(oracle.generalized_dice(pair), rel=1e-9)


def test_an_enhancing_tumour_that_was_made_up_is_noted() -> None:
    folder = GLIOMA / "TCGA-DU-7294"
    results = segeval.score_files(folder / "hnfnetv1-20.nii.gz", folder / "simple.nii.gz", metrics=["dice", "hd", "fp"])
    rows = {row.metric: row for row in results.scores if row.label == 4}
    assert {row.note for row in rows.values()} == {"reference empty"}
    assert rows["dice"].value == 0
    assert rows["fp"].value == 352
    assert rows["hd"].value == pytest.approx(math.sqrt(240**2 + 240**2 + 155**2))


@pytest.mark.slow
def test_nuclei_look_like_instance_numbers() -> None:
    paths = NUCLEI / "pred_2d.png", NUCLEI / "ref_2d.png"
    results = segeval.score_files(*paths, metrics=METRICS, regions={"nuclei": "*"})
    (warning,) = results.cases[0].warnings
    assert "object numbers (121 in the prediction, 125 in the reference" in warning
    assert "--region objects=*" in warning
    prediction, reference = (np.asarray(Image.open(path)) for path in paths)
    assert assert_as_expected(results, prediction, reference, (1.0, 1.0)) > 50
    expected = expected_of(prediction > 0, reference > 0, (1.0, 1.0))
    assert {name: results.value(name, label="nuclei") for name in METRICS} == pytest.approx(expected, rel=1e-9)
    assert results.cases[0].unit == "px"


PICTURES = sorted(path.name for path in (STREET / "gt_png").glob("*.png")) if DATA.is_dir() else []


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_street_scene_leaves_out_ignored_pixels(name: str) -> None:
    paths = STREET / "pred_png" / name, STREET / "gt_png" / name
    tokens = ["dice", "iou", "tp", "fp", "fn", "tn"]
    results = segeval.score_files(*paths, metrics=[*tokens, "mean_iou"], ignore_label=255)
    prediction, reference = (np.asarray(Image.open(path)) for path in paths)
    pair = oracle.Pair(prediction=prediction, reference=reference, spacing=(1.0, 1.0), ignore_label=255)
    rows = {(row.label, row.metric): row.value for row in results.scores}
    expected = oracle.scores(pair, [*tokens, "mean_iou"])
    assert rows == pytest.approx(expected, rel=1e-9)
    assert 255 not in {label for label, _ in rows}


@pytest.mark.parametrize("name", PICTURES[:1])
def test_surfaces_in_a_street_scene_agree_with_the_oracle(name: str) -> None:
    paths = STREET / "pred_png" / name, STREET / "gt_png" / name
    tokens = ["hd", "hd@95", "assd", "nsd@2", "boundary_iou@2"]
    prediction, reference = (np.asarray(Image.open(path)) for path in paths)
    common = sorted(set(np.unique(prediction).tolist()) & set(np.unique(reference).tolist()) - {0, 255})
    sizes = {label: int((reference == label).sum()) for label in common}
    small = sorted(common, key=lambda label: sizes[label])[:3]
    results = segeval.score_files(*paths, metrics=tokens, ignore_label=255, only=small)
    pair = oracle.Pair(prediction=prediction, reference=reference, spacing=(1.0, 1.0), ignore_label=255, only=small)
    rows = {(row.label, row.metric): row.value for row in results.scores}
    assert len(rows) == len(tokens) * len(small) > 0
    assert rows == pytest.approx(oracle.scores(pair, tokens), rel=1e-9, abs=1e-9)
