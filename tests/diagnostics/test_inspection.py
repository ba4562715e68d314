"""`segeval inspect`: grids and labels, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segeval.diagnostics.inspection import inspect_file
from tests.command import call


def two_balls() -> NDArray[np.uint8]:
    labels = np.zeros((6, 10, 12), np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    labels[4, 8, 10] = 1  # apart from the rest
    labels[5, 9, 11] = 7
    return labels


def save(path: Path, labels: NDArray[np.uint8], *, qform_shift: float | None = None) -> Path:
    affine = np.diag([-0.5, 0.75, 2.0, 1.0])
    image = nib.Nifti1Image(labels.transpose(), affine)  # type: ignore[no-untyped-call]
    image.header.set_sform(affine, 1)  # type: ignore[no-untyped-call]
    if qform_shift is not None:
        moved = affine.copy()
        moved[0, 3] = qform_shift
        image.header.set_qform(moved, 1)  # type: ignore[no-untyped-call]
    nib.save(image, path)
    return path


def test_labels_have_sizes_pieces_and_boxes(tmp_path: Path) -> None:
    found, problem = inspect_file(str(save(tmp_path / "a.nii.gz", two_balls())), names={7: "tip"})
    assert problem is None
    one, seven = found.labels
    assert (one.label, one.voxels, one.components) == (1, 19, 2)
    assert one.size == pytest.approx(19 * 0.5 * 0.75 * 2.0 / 1000)
    assert one.box == ((1, 4), (2, 8), (3, 10))
    assert (seven.name, seven.components, seven.box) == ("tip", 1, ((5, 5), (9, 9), (11, 11)))


def test_large_labels_take_no_more_memory(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 60_000], [60_000, 65_000]], np.uint16)).save(tmp_path / "a.png")
    found, _ = inspect_file(str(tmp_path / "a.png"))
    assert [(each.label, each.components) for each in found.labels] == [(60_000, 2), (65_000, 1)]


@pytest.mark.parametrize(("shift", "remarks"), [(None, 0), (0.001, 0), (3.0, 1)])
def test_orientations_that_disagree_are_remarked(tmp_path: Path, shift: float | None, remarks: int) -> None:
    found, _ = inspect_file(str(save(tmp_path / "a.nii.gz", two_balls(), qform_shift=shift)))
    assert len(found.remarks) == remarks
    assert all("sform and qform differ by up to 3 mm; segeval uses the sform" in remark for remark in found.remarks)


def test_the_axes_are_described_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "inspect", save(tmp_path / "a.nii.gz", two_balls(), qform_shift=3.0))
    assert "axes    +x left, +y anterior, +z superior; left-handed" in answer.out
    assert "note    sform and qform differ" in answer.out
    assert answer.code == 0


def test_a_folder_with_a_file_for_each_class(tmp_path: Path) -> None:
    labels = two_balls()
    save(tmp_path / "whole.nii.gz", (labels > 0).astype(np.uint8))
    save(tmp_path / "part.nii.gz", (labels == 7).astype(np.uint8))
    found, problem = inspect_file(str(tmp_path))
    assert problem is None
    assert [(each.name, each.voxels) for each in found.labels] == [("part", 1), ("whole", 20)]
    assert found.remarks == ("the labels overlap, in 2 layers",)


def test_json_has_every_file_and_the_run_says_which_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = save(tmp_path / "a.nii.gz", two_balls())
    (tmp_path / "cut.nii.gz").write_bytes(good.read_bytes()[:-9])
    answer = call(capsys, "inspect", good, tmp_path / "cut.nii.gz", "-f", "json")
    assert answer.code == 3
    first, second = json.loads(answer.out)["files"]
    assert first["problem"] is None
    assert [label["components"] for label in first["labels"]] == [2, 1]
    assert set(second) == {"path", "problem"}
    assert "cut.nii.gz" in answer.err
