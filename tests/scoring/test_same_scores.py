"""One pair of label maps in every format: the same scores, to the last bit, whichever two files they are read from.

The grid is anisotropic and oblique, and its numbers are such that no format rounds them: spacings are fractions of two,
and the axes are thirds whose steps are fractions of two again.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

import segeval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segeval.maps.label_map import Labels

nib: Any = nibabel  # it has types for less than half of what it offers
sitk: Any = SimpleITK  # it has none

SPACING = (3.0, 1.5, 0.75)  # (z, y, x)
STEPS = np.array([[0.25, 1.0, 2.0], [0.5, 0.5, -2.0], [0.5, -1.0, 1.0]])  # columns x, y, z in LPS
ORIGIN = (10.5, -20.25, 100.0)
KEYS = "".join(
    f"Segment{number}_{key}:={value}\n"
    for number, label in enumerate((1, 2, 3, 7))
    for key, value in {"LabelValue": label, "Layer": 0}.items()
)


def pair() -> tuple[Labels, Labels]:
    """A prediction and a reference of four labels each, one of them missed and one made up."""
    z, y, x = np.ogrid[:9, :20, :24]
    reference = np.zeros((9, 20, 24), np.uint8)
    reference[(z - 4) ** 2 * 8 + (y - 9) ** 2 + (x - 10) ** 2 < 60] = 1
    reference[(z - 4) ** 2 * 8 + (y - 9) ** 2 + (x - 10) ** 2 < 12] = 2
    reference[6:8, 15:19, 16:22] = 3
    prediction = np.roll(reference, (1, 0, -1), (0, 1, 2))
    prediction[prediction == 3] = 0
    prediction[0:2, 1:4, 2:5] = 7
    prediction[:, 9, ::5] = 1
    return prediction, reference


def write_nifti(labels: Labels, path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = STEPS, ORIGIN
    affine[:2] *= -1  # RAS
    nib.save(nib.Nifti1Image(labels.T, affine), path)


def write_pair(labels: Labels, path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = STEPS, ORIGIN
    affine[:2] *= -1  # RAS
    nib.save(nib.Nifti1Pair(labels.T, affine), path)


def write_volume(labels: Labels, path: Path, *, compressed: bool = False) -> None:
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin(ORIGIN)
    image.SetDirection((STEPS / SPACING[::-1]).ravel().tolist())
    sitk.WriteImage(image, str(path), compressed)


def write_compressed(labels: Labels, path: Path) -> None:
    write_volume(labels, path, compressed=True)


def write_segmentation(labels: Labels, path: Path) -> None:
    write_compressed(labels, path)
    header, _, data = path.read_bytes().partition(b"\n\n")
    path.write_bytes(header + b"\n" + KEYS.encode() + b"\n" + data)


def write_layers(labels: Labels, path: Path) -> None:
    """Two layers, as where segments overlap; here they do not."""
    layers = np.stack([np.where(labels == 2, 0, labels), np.where(labels == 2, 2, 0)], axis=-1).astype(np.uint8)
    directions = " ".join(f"({','.join(map(str, step))})" for step in STEPS.T.tolist())
    keys = KEYS.replace("Segment1_Layer:=0", "Segment1_Layer:=1")
    header = (
        "NRRD0004\ntype: uint8\ndimension: 4\nspace: left-posterior-superior\n"
        f"sizes: 2 {' '.join(map(str, labels.shape[::-1]))}\nspace directions: none {directions}\n"
        "kinds: list domain domain domain\nencoding: raw\n"
        f"space origin: ({','.join(map(str, ORIGIN))})\n{keys}\n"
    )
    path.write_bytes(header.encode() + layers.tobytes())


def write_array(labels: Labels, path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, np.asfortranarray(labels))
    else:
        np.savez_compressed(path, labels=labels)


WRITERS: dict[str, Callable[[Labels, Path], None]] = {
    "plain.nii": write_nifti,
    "gzip.nii.gz": write_nifti,
    "pair.hdr": write_pair,
    "plain.mha": write_volume,
    "zlib.mha": write_compressed,
    "plain.mhd": write_volume,
    "zlib.mhd": write_compressed,
    "plain.nrrd": write_volume,
    "gzip.nrrd": write_compressed,
    "plain.nhdr": write_volume,
    "gzip.nhdr": write_compressed,
    "slicer.seg.nrrd": write_segmentation,
    "plain.gipl": write_volume,
    "gzip.gipl.gz": write_volume,
    "binary.vtk": write_volume,
    "deflate.npz": write_array,
    "fortran.npy": write_array,
}
NO_GRID = ("deflate.npz", "fortran.npy")
NO_DIRECTIONS = ("plain.gipl", "gzip.gipl.gz", "binary.vtk")


def scores(prediction: Path, reference: Path, **options: Any) -> list[tuple[object, ...]]:
    results = segeval.score_files(prediction, reference, metrics="all", **options)
    return [(row.label, row.metric, row.value, row.unit, row.note) for row in results.scores]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Prediction and reference in every format."""
    folder = tmp_path_factory.mktemp("formats")
    found = {}
    for name, write in (*WRITERS.items(), ("layers.seg.nrrd", write_layers)):
        paths = (folder / f"prediction_{name}", folder / f"reference_{name}")
        for labels, path in zip(pair(), paths, strict=True):
            write(labels, path)
        found[name] = paths
    return found


@pytest.fixture(scope="module")
def expected(files: dict[str, tuple[Path, Path]]) -> list[tuple[object, ...]]:
    rows = scores(*files["plain.nii"])
    values = {(label, metric): value for label, metric, value, *_ in rows}
    assert values[1, "assd"] not in {None, 0.0}
    assert values[3, "dice"] == 0.0
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), list(itertools.product(WRITERS, WRITERS)))
def test_every_pair_of_formats(
    files: dict[str, tuple[Path, Path]], expected: list[tuple[object, ...]], one: str, other: str
) -> None:
    options: dict[str, Any] = {}
    if one in NO_GRID or other in NO_GRID:
        options = {"spacing": SPACING}  # an array has none
    elif (one in NO_DIRECTIONS) != (other in NO_DIRECTIONS):
        options = {"geometry": "warn"}
    assert scores(files[one][0], files[other][1], **options) == expected


def test_layers(files: dict[str, tuple[Path, Path]], expected: list[tuple[object, ...]]) -> None:
    """Layers are scored class by class, with the same scores for each."""
    both = scores(*files["layers.seg.nrrd"])
    assert both == scores(files["layers.seg.nrrd"][0], files["plain.nii"][1])
    single = {row[:2]: row for row in expected if row[0] != "all"}
    assert {row[:2]: row for row in both if row[0] != "all"} == single


def plane_writers() -> dict[str, Callable[[Labels, Path], None]]:
    def picture(labels: Labels, path: Path) -> None:
        Image.fromarray(labels).save(path)

    def volume(labels: Labels, path: Path) -> None:
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing(SPACING[:0:-1])
        sitk.WriteImage(image, str(path), True)

    def nifti(labels: Labels, path: Path) -> None:
        nib.save(nib.Nifti1Image(labels.T[..., np.newaxis], np.diag([-0.75, -1.5, 1, 1])), path)

    suffixes = {".png": picture, ".tif": picture, ".bmp": picture, ".nii.gz": nifti, ".npz": write_array}
    return {**suffixes, ".npy": write_array, **dict.fromkeys((".mha", ".mhd", ".nrrd", ".nhdr"), volume)}


@pytest.mark.slow
def test_one_slice(tmp_path: Path) -> None:
    prediction, reference = (labels[4] for labels in pair())
    writers = plane_writers()
    for suffix, write in writers.items():
        write(prediction, tmp_path / f"prediction{suffix}")
        write(reference, tmp_path / f"reference{suffix}")
    expected = scores(tmp_path / "prediction.png", tmp_path / "reference.png", spacing=SPACING[1:])
    assert any(metric == "hd" and value for _, metric, value, *_ in expected)
    for one, other in itertools.product(writers, writers):
        paths = tmp_path / f"prediction{one}", tmp_path / f"reference{other}"
        assert scores(*paths, spacing=SPACING[1:]) == expected, (one, other)
    for suffix in (".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"):
        assert scores(tmp_path / f"prediction{suffix}", tmp_path / f"reference{suffix}") == expected


def test_a_folder_with_a_file_for_each_class(tmp_path: Path, expected: list[tuple[object, ...]]) -> None:
    names = {"a": 1, "b": 2, "c": 3, "d": 7}
    for side, labels in zip(("prediction", "reference"), pair(), strict=True):
        (tmp_path / side).mkdir()
        for name, label in names.items():
            write_nifti((labels == label).astype(np.uint8), tmp_path / side / f"{name}.nii.gz")
    of_number: dict[object, int] = dict(enumerate(names.values(), start=1))
    found = scores(tmp_path / "prediction", tmp_path / "reference")
    notes = {"c has 51 % of the weight": "label 3 has 51 % of the weight"}  # a folder gives its classes names
    assert [
        (of_number.get(label, label), *rest, notes.get(str(note), note)) for label, *rest, note in found
    ] == expected
