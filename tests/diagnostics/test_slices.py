"""Slices of a case: selection, orientation, cropping, and files that have changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from segeval import batch
from segeval.diagnostics.slices import MARGIN, Slice, _world_axes, compared, overlays
from segeval.errors import InputError, UsageError
from segeval.maps.label_map import Grid
from segeval.results.rows import LabelCounts
from segeval.scoring.case import Case
from segeval.scoring.cases import results_of_files
from segeval.scoring.plan import Plan, plan_of
from tests.command import save

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

nib: Any = nibabel
RAS, LPS = np.eye(3), np.diag([-1.0, -1.0, 1.0])
SHAPE = (40, 50, 60)  # z, y, x: all different
SPACING = (5.0, 2.0, 1.0)


def volumes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A prediction and a reference, axes (z, y, x): a block, of which the prediction misses an L.

    The L lies in slice z = 21 alone: six voxels along x at y = 20, and three more along y at x = 30.
    """
    reference = np.zeros(SHAPE, np.uint8)
    reference[18:24, 20:30, 30:45] = 1
    prediction = reference.copy()
    prediction[21, 20, 30:36] = 0
    prediction[21, 21:24, 30] = 0
    return prediction, reference


def write(path: Path, labels: NDArray[Any], affine: NDArray[np.float64]) -> str:
    """A NIfTI file; axes (z, y, x), the affine from (x, y, z)."""
    path.write_bytes(nib.Nifti1Image(labels.transpose(), affine, dtype=labels.dtype).to_bytes())
    return str(path)


def affine_of(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(SPACING[::-1])
    affine[:3, 3] = (-31, 12, 7)
    return affine


def case_of(folder: Path, *, directions: NDArray[np.float64] = RAS) -> Case:
    affine = affine_of(directions)
    paths = [write(folder / f"{name}.nii", labels, affine) for name, labels in zip("pr", volumes(), strict=True)]
    return Case(name="a", prediction=paths[0], reference=paths[1])


def drawn(mask: NDArray[np.bool_]) -> list[str]:
    """The cropped mask, as a text for each row."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return ["".join("#" if each else "." for each in row) for row in part]


L = ["######", "#.....", "#.....", "#....."]  # as the array has it: x to the right, y downwards
UPSIDE_DOWN = L[::-1]
MIRRORED = [row[::-1] for row in L]
TURNED = [row[::-1] for row in UPSIDE_DOWN]


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        (RAS, TURNED),  # x runs to the patient's right, which is drawn on the left; y to the front, which is the top
        (LPS, L),
        (np.diag([1.0, -1.0, 1.0]), MIRRORED),
        (np.diag([-1.0, 1.0, 1.0]), UPSIDE_DOWN),
        (np.diag([-1.0, -1.0, -1.0]), L),  # which way z runs does not matter to an axial slice
    ],
)
def test_an_axial_slice_has_the_right_on_the_left_and_the_front_at_the_top(
    directions: NDArray[np.float64], expected: list[str], tmp_path: Path
) -> None:
    axial, coronal, sagittal = overlays(case_of(tmp_path, directions=directions), plan_of(), label=1)
    assert (axial.title, axial.edges, axial.spacing, axial.unit) == ("axial 21", ("A", "L", "P", "R"), (2, 1), "mm")
    assert drawn(axial.false_negative) == expected
    assert not axial.false_positive.any()
    assert axial.true_positive.sum() == 150 - 9
    # of the planes across y and x those with most of the L: y = 20 has six voxels of it, x = 30 four
    assert (coronal.title, coronal.edges, coronal.spacing) == ("coronal 20", ("S", "L", "I", "R"), (5, 1))
    assert drawn(coronal.false_negative) == ["######"]
    assert (sagittal.title, sagittal.edges, sagittal.spacing) == ("sagittal 30", ("S", "P", "I", "A"), (5, 2))
    assert drawn(sagittal.false_negative) == ["####"]


@pytest.mark.parametrize("up", [1.0, -1.0])
def test_the_head_is_at_the_top_and_the_front_on_the_left(up: float, tmp_path: Path) -> None:
    """An L in a sagittal slice: three voxels upwards at the front, then two backwards at the foot."""
    reference = np.zeros(SHAPE, np.uint8)
    reference[10:20, 10:20, 10:20] = 1
    prediction = reference.copy()
    affine = affine_of(np.diag([1.0, 1.0, up]))
    z = np.arange(12, 15) if up > 0 else np.arange(12, 15)[::-1]  # from the foot to the head
    prediction[z, 16, 15] = 0  # y grows to the front: 16 lies in front of 15 and 14
    prediction[z[0], 14:16, 15] = 0
    case = Case(name="a", prediction=write(tmp_path / "p.nii", prediction, affine),
                reference=write(tmp_path / "r.nii", reference, affine))  # fmt: skip
    sagittal = overlays(case, plan_of(), label=1)[2]
    assert sagittal.plane == "sagittal"
    assert drawn(sagittal.false_negative) == ["#..", "#..", "###"]


def test_axes_in_another_order_show_the_same(tmp_path: Path) -> None:
    """The same voxels, stored in another order: x to the front, y to the head, z to the right."""
    prediction, reference = volumes()
    plain = overlays(case_of(tmp_path), plan_of(), label=1)
    affine = affine_of(RAS)
    turned = affine.copy()
    turned[:3, :3] = affine[:3, [1, 2, 0]]
    paths = [
        write(tmp_path / f"{name}_turned.nii", labels.transpose(2, 0, 1), turned)  # (x, z, y) of the array
        for name, labels in (("p", prediction), ("r", reference))
    ]
    again = overlays(Case(name="a", prediction=paths[0], reference=paths[1]), plan_of(), label=1)
    for one, other in zip(plain, again, strict=True):
        assert (one.title, one.edges, one.spacing) == (other.title, other.edges, other.spacing)
        assert np.array_equal(one.prediction, other.prediction)
        assert np.array_equal(one.reference, other.reference)


def test_an_oblique_volume_is_shown_by_the_axes_that_are_nearest(tmp_path: Path) -> None:
    angle = np.radians(30)
    tilted = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    planes = [each.plane for each in overlays(case_of(tmp_path, directions=tilted), plan_of(), label=1)]
    assert planes == ["axial", "coronal", "sagittal"]
    angle = np.radians(60)  # now the third axis runs to the front rather than to the head
    tilted = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    slices = overlays(case_of(tmp_path, directions=tilted), plan_of(), label=1)
    assert [each.title for each in slices] == ["axial 20", "coronal 21", "sagittal 30"]


def test_cropping(tmp_path: Path) -> None:
    """The block has 6 x 10 x 15 voxels of 5 x 2 x 1 mm, so 30 mm are the longest side, and 24 mm the least."""
    axial, coronal, sagittal = overlays(case_of(tmp_path), plan_of(), label=1)
    margin = MARGIN * 30
    rows, columns = 10 + 2 * np.ceil(margin / 2), 15 + 2 * np.ceil(margin)
    assert axial.prediction.shape == (rows, columns)
    assert coronal.prediction.shape == (6 + 2 * np.ceil(margin / 5), columns)
    assert sagittal.prediction.shape == (6 + 2 * np.ceil(margin / 5), rows)


def test_an_edge_of_the_image_is_an_edge_of_what_is_cut_out(tmp_path: Path) -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[0, 0, 7] = 1
    path = save(tmp_path / "a.nii", labels)
    (axial, *_) = overlays(Case(name="a", prediction=str(path), reference=str(path)), plan_of(), label=1)
    assert axial.reference.shape == (7, 8)
    assert axial.reference[6, 0]  # the left of the patient is on the right, so x = 7 comes first; y = 0 comes last


def test_without_an_error_the_slice_with_most_of_the_label(tmp_path: Path) -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[3:7, 4, 4] = 1
    labels[5, 3:6, 3:6] = 1
    path = str(save(tmp_path / "a.nii", labels))
    slices = overlays(Case(name="a", prediction=path, reference=path), plan_of(), label=1)
    assert [each.title for each in slices] == ["axial 5", "coronal 4", "sagittal 4"]
    nothing = overlays(Case(name="a", prediction=None, reference=path), plan_of(), label=1)
    assert nothing[0].false_negative.sum() == 9


def test_of_slices_with_as_much_error_the_first(tmp_path: Path) -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[4, 4, 4] = labels[2, 6, 7] = 1
    empty = save(tmp_path / "p.nii", np.zeros_like(labels))
    case = Case(name="a", prediction=str(empty), reference=str(save(tmp_path / "r.nii", labels)))
    assert [each.index for each in overlays(case, plan_of(), label=1)] == [2, 4, 4]


def picture(path: Path, labels: NDArray[Any]) -> str:
    Image.fromarray(labels).save(path)
    return str(path)


def test_a_picture_is_shown_as_it_is(tmp_path: Path) -> None:
    reference = np.zeros((30, 40), np.uint8)
    reference[10:14, 20:26] = 1
    prediction = reference.copy()
    prediction[10:14, 20] = 0
    prediction[14, 25] = 1
    case = Case(name="a", prediction=picture(tmp_path / "p.png", prediction),
                reference=picture(tmp_path / "r.png", reference))  # fmt: skip
    for plan in (plan_of(), plan_of(spacing=(0.5, 0.25))):
        (only,) = overlays(case, plan, label=1)
        assert (only.title, only.index, only.edges) == ("", None, None)
        assert drawn(only.false_negative) == ["#"] * 4
        assert drawn(only.reference | only.prediction) == [*["######"] * 4, ".....#"]
    assert (only.spacing, only.unit) == ((0.5, 0.25), "mm")


def test_an_array_without_a_place_in_the_world_is_shown_by_its_axes(tmp_path: Path) -> None:
    prediction, reference = volumes()
    np.save(tmp_path / "p.npy", prediction)
    np.save(tmp_path / "r.npy", reference)
    case = Case(name="a", prediction=str(tmp_path / "p.npy"), reference=str(tmp_path / "r.npy"))
    slices = overlays(case, plan_of(), label=1)
    assert [each.title for each in slices] == ["z = 21", "y = 20", "x = 30"]
    assert drawn(slices[0].false_negative) == L
    assert slices[0].edges is None


def test_a_single_slice_of_a_volume_has_one_plane(tmp_path: Path) -> None:
    prediction, reference = (each[:, 20:21, :] for each in volumes())
    affine = affine_of(LPS)
    case = Case(name="a", prediction=write(tmp_path / "p.nii", prediction, affine),
                reference=write(tmp_path / "r.nii", reference, affine))  # fmt: skip
    (only,) = overlays(case, plan_of(), label=1)
    assert (only.title, only.edges, only.spacing) == ("coronal", ("S", "L", "I", "R"), (5, 1))
    assert drawn(only.false_negative) == ["######"]


def test_ignored_voxels_are_neither_right_nor_false(tmp_path: Path) -> None:
    prediction, reference = volumes()
    prediction[21, 40, 40] = 1
    reference[21, 40, 40] = 9
    reference[21, 40, 41] = 9
    case = Case(name="a", prediction=str(save(tmp_path / "p.nii", prediction)),
                reference=str(save(tmp_path / "r.nii", reference)))  # fmt: skip
    (axial, *_) = overlays(case, plan_of(ignore_label=9), label=1)
    assert not axial.false_positive.any()
    assert axial.ignored is None or not (axial.ignored & (axial.prediction | axial.reference)).any()
    (whole, *_) = overlays(case, plan_of(ignore_label=9, regions={"any": "*"}), label="any")
    assert not whole.false_positive.any()
    background = overlays(case, plan_of(ignore_label=9, background=True), label=0)[0]
    assert background.ignored is not None
    assert background.ignored.sum() == 2
    assert background.false_positive.sum() == 9


def test_regions_names_and_relabelling_are_those_that_were_scored(tmp_path: Path) -> None:
    prediction, reference = volumes()
    reference[18:24, 30:34, 30:45] = 2
    prediction[prediction == 1] = 7
    case = Case(name="a", prediction=str(save(tmp_path / "p.nii", prediction)),
                reference=str(save(tmp_path / "r.nii", reference)))  # fmt: skip
    plan = plan_of(labels={1: "liver", 2: "tumour"}, map_prediction={7: 1}, regions={"whole": "liver,tumour"})
    for label in (1, "1", "liver", "Liver"):
        assert overlays(case, plan, label=label)[0].false_negative.sum() == 9
    assert overlays(case, plan, label="whole")[0].false_negative.sum() == 9 + 4 * 15
    with pytest.raises(UsageError, match=r"no label or region is called 'spleen'; there are 1 \(liver\), 2 \(tumour\)"):
        overlays(case, plan, label="spleen")


def test_all_of_it_comes_back_from_a_results_file(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.prediction is not None
    results = results_of_files(case.prediction, case.reference, plan_of(regions={"r": [1]}))
    plan = Plan.of_settings(results.settings)
    for counted in results.counts:
        for each in overlays(case, plan, label=counted.label, counted=results.counts):
            assert isinstance(each, Slice)


def test_files_that_have_changed_are_not_shown(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    counted = LabelCounts(case="a", label=1, tp=891, fp=0, fn=9, tn=0)
    assert overlays(case, plan_of(), label=1, counted=[counted])
    assert overlays(
        case, plan_of(), label=1, counted=[replace(counted, case="b", fp=1), replace(counted, label="1", fp=1)]
    )
    with pytest.raises(InputError, match=r"p\.nii: the files have changed since they were scored: expected 891 true"):
        overlays(replace(case), plan_of(), label=1, counted=[replace(counted, fp=1)])


def test_a_label_of_neither_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither map has the label"):
        overlays(case_of(tmp_path), plan_of(labels={1: "a", 5: "b"}), label=5)


def test_several_predictions_are_shown_in_the_same_slices(tmp_path: Path) -> None:
    """The first is wrong in slice 21 (9 voxels) and the second in slice 19 (8): together slice 21 is worst."""
    case = case_of(tmp_path)
    other = volumes()[1]
    other[19, 22:24, 30:34] = 0
    other[21, 22, 40] = 0
    second = replace(case, prediction=write(tmp_path / "q.nii", other, affine_of(RAS)))
    first, last = compared([(case, plan_of()), (second, plan_of())], label=1)
    assert [each.title for each in first] == [each.title for each in last]
    assert first[0].index == 21
    assert (first[0].false_negative.sum(), last[0].false_negative.sum()) == (9, 1)
    assert overlays(second, plan_of(), label=1)[0].index == 19
    assert compared([(second, plan_of()), (case, plan_of())], label=1)[1][0].index == 21


def test_references_on_different_grids_are_refused(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    (tmp_path / "other").mkdir()
    second = case_of(tmp_path / "other", directions=LPS)
    with pytest.raises(InputError, match=r"the grids of the references differ: the directions differ: this reference"):
        compared([(case, plan_of()), (second, plan_of())], label=1)


def test_batch_results_hold_the_paths(tmp_path: Path) -> None:
    for name in ("p", "r"):
        (tmp_path / name).mkdir()
    prediction, reference = volumes()
    save(tmp_path / "p" / "one.nii", prediction)
    save(tmp_path / "r" / "one.nii", reference)
    results = batch(tmp_path / "p", tmp_path / "r", jobs=1)
    (record,) = results.cases
    case = Case(name=record.case, prediction=record.prediction, reference=record.reference)
    assert len(overlays(case, Plan.of_settings(results.settings), label=1)) == 3


def test_each_axis_runs_along_a_world_axis_of_its_own() -> None:
    """Two array axes are closest to the same world axis."""
    direction = np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3
    grid = Grid(shape=(4, 5, 6), spacing=(1, 1, 1), direction=tuple(map(tuple, direction.tolist())))
    assert len({int(np.argmax(np.abs(axis))) for axis in direction}) == 2
    assert sorted(_world_axes(grid)) == [0, 1, 2]
