"""Scans and photographs are found by name inside their folder, read in any data type, and refused if damaged."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from segeval.diagnostics.slices import overlays
from segeval.errors import InputError
from segeval.reading.images import find_image, read_image
from segeval.scoring.case import Case
from segeval.scoring.plan import plan_of
from tests.diagnostics.test_slices import LPS, affine_of, case_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

nib: Any = nibabel
sitk: Any = SimpleITK


def photograph(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (9, 14, 3), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_colours_are_those_of_the_photograph(name: str, tmp_path: Path) -> None:
    Image.fromarray(photograph()).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert np.array_equal(image.values, photograph())
    assert (image.grid.shape, image.grid.unit) == ((9, 14), "px")


def test_a_jpeg_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    path = tmp_path / "a.JPG"
    Image.fromarray(photograph()).save(path, format="JPEG")
    assert np.array_equal(read_image(path).values, np.asarray(Image.open(path)))
    Image.fromarray(photograph()[..., 0]).save(path, format="JPEG")
    assert read_image(path).values.shape == (9, 14)


def test_a_palette_is_read_as_colours_and_alpha_is_ignored(tmp_path: Path) -> None:
    flat = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="L").convert("P")
    flat.putpalette([10, 20, 30, 200, 100, 50])
    flat.save(tmp_path / "p.png")
    dark, bright = [10, 20, 30], [200, 100, 50]
    assert read_image(tmp_path / "p.png").values.tolist() == [[dark, bright], [bright, dark]]
    Image.fromarray(np.dstack([photograph(), np.full((9, 14), 7, np.uint8)])).save(tmp_path / "rgba.png")
    assert np.array_equal(read_image(tmp_path / "rgba.png").values, photograph())


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64, np.uint16])
def test_a_scan_has_its_numbers(dtype: type, tmp_path: Path) -> None:
    values: NDArray[Any] = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(dtype)
    (tmp_path / "a.nii").write_bytes(nib.Nifti1Image(values.transpose(), affine_of(LPS), dtype=dtype).to_bytes())
    image = read_image(tmp_path / "a.nii")
    assert np.array_equal(image.values, values)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "a.mha"), useCompression=True)
    assert np.array_equal(read_image(tmp_path / "a.mha").values, values)
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(read_image(tmp_path / "a.npy").values, values)


def test_the_first_of_several_volumes_is_read(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)  # x, y, z, channel
    (tmp_path / "a.nii").write_bytes(nib.Nifti1Image(values, np.eye(4)).to_bytes())
    assert np.array_equal(read_image(tmp_path / "a.nii").values, values[..., 0].transpose())


def test_a_damaged_photograph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    packed = io.BytesIO()
    Image.fromarray(photograph()).resize((200, 100)).save(packed, format="JPEG")
    whole = packed.getvalue()
    for data in (whole[: len(whole) // 2], whole[:20], b"\xff\xd8\xff" + os.urandom(200), b"GIF89a" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.jpg: "):
            read_image(path)


def test_an_image_is_found_by_the_name_of_its_case(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name in ("a.nii.gz", "b_0000.nii.gz", "site/c.jpg", "d.png", "a_0001.nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    found = {case: find_image(str(tmp_path), case) for case in ("a", "b", "site/c", "site/d", "c", "e", "a_0001")}
    expected = {"a": "a.nii.gz", "b": "b_0000.nii.gz", "site/c": "site/c.jpg", "site/d": "d.png"}
    expected["a_0001"] = "a_0001.nii.gz"
    assert found == {case: str(tmp_path / expected[case]) if case in expected else None for case in found}


def test_nothing_outside_of_the_folder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    for case in ("../secret", "..\\secret", str(tmp_path / "secret"), "a/../../secret", ".", "..", "", "a\0b", "/"):
        assert find_image(str(folder), case) is None
    with pytest.raises(InputError, match="no such folder"):
        find_image(str(tmp_path / "none"), "a")


def test_a_scan_must_have_the_grid_of_the_reference(tmp_path: Path) -> None:
    """The value of the scan is x at x, so the picture is brighter on the right of the patient, which is at the left."""
    case = case_of(tmp_path)
    values = np.broadcast_to(np.arange(60, dtype=np.float32), (40, 50, 60)).copy()
    values[0, 0, 0] = np.nan
    affine = affine_of(np.eye(3))
    (tmp_path / "s.nii").write_bytes(nib.Nifti1Image(values.transpose(), affine).to_bytes())
    axial = overlays(case, plan_of(), label=1, image=str(tmp_path / "s.nii"))[0]
    assert axial.image is not None
    steps = np.diff(axial.image.astype(int), axis=1)
    assert (steps <= 0).all()
    assert (steps < 0).any()
    assert axial.image.dtype == np.uint8
    assert (axial.image.min(), axial.image.max()) == (0, 255)
    affine[0, 3] += 3
    (tmp_path / "s.nii").write_bytes(nib.Nifti1Image(values.transpose(), affine).to_bytes())
    with pytest.raises(
        InputError, match=r"s\.nii: the image is not on the grid of .*r\.nii: the origins differ: image"
    ):
        overlays(case, plan_of(), label=1, image=str(tmp_path / "s.nii"))
    spaced = overlays(case_of(tmp_path), plan_of(spacing=(1, 1, 1), geometry="strict"), label=1)
    assert spaced[0].spacing == (1, 1)


def test_an_image_of_one_value_is_grey(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    np.save(tmp_path / "s.npy", np.full((40, 50, 60), 7.5))
    nothing = Case(name="a", prediction=None, reference=case.reference)
    slices = overlays(nothing, plan_of(), label=1, image=str(tmp_path / "s.npy"))
    assert all(each.image is not None and (each.image == 128).all() for each in slices)
