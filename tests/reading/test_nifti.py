"""NIfTI files of nibabel, of SimpleITK and by the standard are read with the right labels, grid and names."""

from __future__ import annotations

import gzip
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segeval.errors import InputError
from segeval.reading import read_label_map
from tests.corrupt import patched
from tests.places import DATA, needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segeval.maps.label_map import LabelMap

nib: Any = nibabel  # many of their functions have no types
sitk: Any = SimpleITK

needs_data = needs(DATA)

LABELS = np.random.default_rng(3).integers(0, 6, (4, 5, 6)).astype(np.uint8)  # (z, y, x)
OBLIQUE = np.array(
    [
        [0.78, -0.21, 0.35, -90.5],
        [0.16, 0.81, -0.62, -126.25],
        [-0.05, 0.14, 2.40, -72.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def image(values: NDArray[Any] = LABELS, affine: NDArray[Any] | None = None, *, version: int = 1) -> Any:
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    return kind(values.transpose(), np.diag([0.5, 1.5, 2.0, 1.0]) if affine is None else affine, dtype=values.dtype)


def saved(tmp_path: Path, data: bytes, name: str = "a.nii") -> LabelMap:
    path = tmp_path / name
    path.write_bytes(data)
    return read_label_map(path)


def affine_xyz(label_map: LabelMap) -> NDArray[np.float64]:
    """Return the grid as the affine of nibabel: columns x, y, z, translation."""
    columns = label_map.grid.affine()
    return columns[:, [2, 1, 0, 3]]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type(tmp_path: Path, version: int, name: str, kind: str, order: str) -> None:
    header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=order)
    header.set_data_dtype(np.dtype(kind))
    made = (nib.Nifti1Image if version == 1 else nib.Nifti2Image)(LABELS.astype(kind).T, np.diag([2, 3, 4, 1]), header)
    path = tmp_path / name
    path.write_bytes(gzip.compress(made.to_bytes()) if name.lower().endswith("gz") else made.to_bytes())
    found = read_label_map(path)
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels, LABELS)
    assert not found.labels.flags.writeable
    assert found.grid.spacing == (4.0, 3.0, 2.0)
    assert found.stored == ", ".join(
        [
            f"NIfTI-{version}",
            *(["gzip"] if path.suffix.lower() == ".gz" else []),
            np.dtype(kind).name,
            *(["big-endian"] if order == ">" else []),
        ]
    )


@pytest.mark.parametrize(
    ("highest", "kind"), [(255, "uint8"), (256, "uint16"), (65536, "uint32"), (2**32, "uint64"), (2**64 - 1, "uint64")]
)
def test_smallest_type_that_holds_the_labels(tmp_path: Path, highest: int, kind: str) -> None:
    values = LABELS.astype(np.uint64)
    values[0, 0, 0] = highest
    found = saved(tmp_path, image(values).to_bytes())
    assert found.labels.dtype == kind
    assert int(found.labels[0, 0, 0]) == highest


def test_scaling(tmp_path: Path) -> None:
    data = image().to_bytes()
    doubled = saved(tmp_path, patched(data, scl_slope=2.0, scl_inter=1.0))
    assert np.array_equal(doubled.labels, LABELS * 2 + 1)
    assert doubled.stored == "NIfTI-1, uint8, scaled by 2 + 1"
    for slope, inter in ((0.0, 5.0), (float("nan"), 5.0), (1.0, 0.0)):
        plain = saved(tmp_path, patched(data, scl_slope=slope, scl_inter=inter))
        assert np.array_equal(plain.labels, LABELS)
        assert plain.stored == "NIfTI-1, uint8"


def test_scaling_is_as_nibabel_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(patched(image(LABELS.astype(np.int16) - 3).to_bytes(), scl_slope=7.0, scl_inter=21.0))
    assert np.array_equal(read_label_map(path).labels, nib.load(path).get_fdata().transpose())


def test_scaling_that_is_not_whole_because_of_rounding(tmp_path: Path) -> None:
    """A mask of 0 and 255 with slope 1/255 is a mask of 0 and 1, although float32 has no exact 1/255."""
    mask = np.where(LABELS > 2, 255, 0).astype(np.uint8)
    found = saved(tmp_path, patched(image(mask).to_bytes(), scl_slope=1 / 255))
    assert np.array_equal(found.labels, LABELS > 2)
    with pytest.raises(InputError, match="fractions"):
        saved(tmp_path, patched(image(mask).to_bytes(), scl_slope=0.9996 / 255))


def test_gzip_under_a_plain_name_and_the_reverse(tmp_path: Path) -> None:
    data = image().to_bytes()
    assert np.array_equal(saved(tmp_path, gzip.compress(data), "a.nii").labels, LABELS)
    assert np.array_equal(saved(tmp_path, data, "b.nii.gz").labels, LABELS)


def test_gzip_in_several_members(tmp_path: Path) -> None:
    """bgzip and pigz write several members; an empty member and zero padding at the end are legal too."""
    data = image().to_bytes()
    members = b"".join(gzip.compress(data[at : at + 100]) for at in range(0, len(data), 100))
    for padding in (b"", gzip.compress(b""), bytes(1000)):
        assert np.array_equal(saved(tmp_path, members + padding, "a.nii.gz").labels, LABELS)


def test_gzip_larger_than_a_chunk(tmp_path: Path) -> None:
    noise = np.random.default_rng(4).integers(0, 2**16, (40, 90, 100)).astype(np.uint16)
    first, second = image(noise).to_bytes()[:300_000], image(noise).to_bytes()[300_000:]
    found = saved(tmp_path, gzip.compress(first, 1) + gzip.compress(second, 1), "a.nii.gz")
    assert np.array_equal(found.labels, noise)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 1, 4), (6, 5, 4, 1), (6, 5, 4, 1, 1, 1, 1), (6,), (1, 1, 1)])
def test_axes_of_one_voxel(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape[::-1])
    found = saved(tmp_path, nib.Nifti1Image(values.T, np.diag([2, 3, 4, 1])).to_bytes())
    x, y, z = (*shape, 1, 1)[:3]
    assert found.labels.shape == found.grid.shape == (z, y, x)
    assert np.array_equal(found.labels.ravel(), values.ravel())
    assert found.grid.spacing == (4.0, 3.0, 2.0)


def test_two_dimensions_without_a_third_voxel_size(tmp_path: Path) -> None:
    """A missing third axis gets a step of 1 at right angles to the others."""
    path = tmp_path / "a.nii"
    picture = sitk.GetImageFromArray(LABELS[0])
    picture.SetSpacing((0.5, 0.7))
    sitk.WriteImage(picture, str(path))
    for changes in ({}, {"pixdim_3": 0.0, "sform_code": 0}, {"pixdim_3": 0.0, "sform_code": 0, "qform_code": 0}):
        found = saved(tmp_path, patched(path.read_bytes(), **changes))
        assert found.grid.shape == (1, *LABELS[0].shape)
        assert found.grid.spacing[1:] == pytest.approx((0.7, 0.5))
        assert found.grid.spacing[0] > 0
        assert np.array_equal(found.labels[0], LABELS[0])


@pytest.mark.parametrize("units", [0, 2, 10, 5])
def test_affines_are_nibabels(tmp_path: Path, units: int) -> None:
    """The affine is that of nibabel: sform before qform before voxel sizes, orthogonal or not."""
    path = tmp_path / "a.nii"
    made = image(affine=OBLIQUE)
    made.header.set_qform(np.diag([-0.7, 0.9, 3.0, 1.0]) + np.eye(4, k=3) * 5, code=1)
    for sform, qform in ((1, 1), (0, 1), (2, 0), (0, 0)):
        path.write_bytes(patched(made.to_bytes(), sform_code=sform, qform_code=qform, xyzt_units=units))
        expected = nib.load(path).affine
        found = read_label_map(path)
        assert affine_xyz(found) == pytest.approx(expected[:3], abs=1e-12)
        assert found.grid.spacing == pytest.approx(nib.affines.voxel_sizes(expected)[::-1], rel=1e-12)
        assert found.grid.unit == "mm"
        lengths = [math.hypot(*axis) for axis in found.grid.direction]
        assert lengths == pytest.approx([1, 1, 1], abs=1e-12)


def test_voxels_are_where_nibabel_has_them(tmp_path: Path) -> None:
    made = image(affine=OBLIQUE)
    found = saved(tmp_path, made.to_bytes())
    z, y, x = 3, 1, 4
    assert found.labels[z, y, x] == made.dataobj[x, y, z]
    at = found.grid.affine() @ [z, y, x, 1]
    assert at == pytest.approx(nib.affines.apply_affine(made.affine, [x, y, z]), abs=1e-5)


def test_sheared_affines(tmp_path: Path) -> None:
    sheared = np.array([[1.0, 0.4, 0, 3], [0, 1.0, 0, 2], [0, 0, 2, 1], [0, 0, 0, 1]])
    found = saved(tmp_path, image(affine=sheared).to_bytes())
    assert found.grid.spacing == pytest.approx((2.0, math.hypot(0.4, 1.0), 1.0), rel=1e-7)
    assert affine_xyz(found) == pytest.approx(sheared[:3], abs=1e-6)


@pytest.mark.parametrize(("code", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0), (1 + 8, 1000.0)])
def test_units(tmp_path: Path, code: int, factor: float) -> None:
    data = image(affine=OBLIQUE).to_bytes()
    plain, converted = saved(tmp_path, data), saved(tmp_path, patched(data, xyzt_units=code))
    assert converted.grid.affine() == pytest.approx(plain.grid.affine() * factor, rel=1e-12)
    assert converted.grid.unit == "mm"


@pytest.mark.parametrize("code", [0, 1])
def test_sizes_too_large_for_a_float(tmp_path: Path, code: int) -> None:
    """Voxels of astronomical size are refused, without a warning of NumPy."""
    data = bytearray(image(version=2, affine=OBLIQUE).to_bytes())
    data[104:128] = np.full(3, 1.7e308).tobytes()  # pixdim[0 ... 2]
    data[344:348] = np.int32(code).tobytes()  # qform_code
    data[348:352] = np.int32(0).tobytes()  # sform_code
    data[500:504] = np.int32(1).tobytes()  # xyzt_units
    with pytest.raises(InputError, match="not finite"):
        saved(tmp_path, bytes(data))


def test_scaling_beyond_a_float(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"NaN or infinite|below"):
        saved(tmp_path, patched(image(version=2).to_bytes(), scl_slope=1.7e308))


def test_voxel_sizes_of_float32_keep_their_value(tmp_path: Path) -> None:
    spacing = saved(tmp_path, image(affine=np.diag([0.75, 1.2, 2.5, 1])).to_bytes()).grid.spacing
    assert spacing == (2.5, float(np.float32(1.2)), 0.75)


@pytest.mark.parametrize("handedness", [0.0, -1.0, 1.0, 3.0, -2.0])
def test_handedness_other_than_1(tmp_path: Path, handedness: float) -> None:
    made = image(affine=np.diag([2, 2, 2, 1]))
    data = bytearray(patched(made.to_bytes(), sform_code=0, qform_code=1))
    data[76:80] = np.float32(handedness).tobytes()
    assert saved(tmp_path, bytes(data)).grid.direction[0] == (0, 0, -1 if handedness < 0 else 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    spacing=st.tuples(*[st.floats(0.01, 100)] * 3),
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    packed=st.booleans(),
)
def test_grid_and_labels_agree_with_simpleitk(
    tmp_path: Path,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    angles: tuple[float, float, float],
    packed: bool,
) -> None:
    """The world of SimpleITK is LPS and ours is RAS, so x and y change their sign."""
    path = tmp_path / ("packed.nii.gz" if packed else "plain.nii")  # SimpleITK mixes up two files with the same stem
    turn = nib.eulerangles.euler2mat(*angles)
    volume = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 9, shape).astype(np.int16))
    volume.SetSpacing(spacing)
    volume.SetDirection(turn.ravel().tolist())
    volume.SetOrigin((5.0, -7.0, 11.0))
    sitk.WriteImage(volume, str(path))
    theirs, ours = sitk.ReadImage(str(path)), read_label_map(path)
    assert np.array_equal(ours.labels, sitk.GetArrayViewFromImage(theirs))
    assert ours.grid.spacing[::-1] == pytest.approx(theirs.GetSpacing(), rel=1e-5)
    flip = np.array([-1, -1, 1])
    assert np.multiply(ours.grid.origin, flip) == pytest.approx(theirs.GetOrigin(), abs=1e-4)
    columns = np.array(ours.grid.direction)[::-1].T * flip[:, None]
    assert columns == pytest.approx(np.reshape(theirs.GetDirection(), (3, 3)), abs=1e-4)


def with_extensions(*contents: bytes, code: int = 0) -> bytes:
    made = image()
    for content in contents:
        made.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    return bytes(made.to_bytes())


def table(labels: str, before: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    inside = f"<VolumeInformation><LabelTable>{labels}</LabelTable></VolumeInformation>"
    return f"{before} <CaretExtension>{inside}</CaretExtension>".encode()


LIVER = (
    '<Label Key="0">background</Label>\n<Label Key="1" Red="0.5"><![CDATA[liver & <co>]]></Label>'
    '<Label Key="300"> Niere \u00fc </Label>'
)


def test_names_in_the_header(tmp_path: Path) -> None:
    for code in (0, 30):
        found = saved(tmp_path, with_extensions(b"something else", table(LIVER), code=code))
        assert dict(found.names) == {0: "background", 1: "liver & <co>", 300: "Niere \u00fc"}
        assert np.array_equal(found.labels, LABELS)


def test_the_last_name_of_a_label_wins(tmp_path: Path) -> None:
    twice = table('<Label Key="1">one</Label><Label Key="1">two</Label>')
    assert dict(saved(tmp_path, with_extensions(twice)).names) == {1: "two"}
    assert dict(saved(tmp_path, with_extensions(twice, table('<Label Key="1">three</Label>'))).names) == {1: "three"}


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {new} '{f'&{old};' * 10}'>" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        table("<Label Key='1'>liver</Label><Label"),
        table("<Label Key='1'>&i;</Label>", before=BOMB + "]>"),
        table("<Label Key='1'>liver</Label>", before="<!DOCTYPE CaretExtension>"),
        table("<Label Key='1'>&file;</Label>", before='<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>'),
        table("<Label Key='-1'>a</Label><Label Key='1.5'>b</Label><Label Key=''>c</Label><Label>d</Label>"),
        table(f"<Label Key='{'9' * 5000}'>a</Label><Label Key='\u0663'>b</Label>"),
        table("<Label Key='1'></Label><Label Key='2'> </Label>"),
        b"<LabelTable><Label Key='1'>\xff\xfe</Label></LabelTable>",
        "<LabelTable><Label Key='1'>liver</Label></LabelTable>".encode("utf-16"),
        b"<Label Key='1'>liver</Label>",
        b"<LabelTable>" * 20000,
    ],
)
def test_other_extensions_give_no_names_and_no_error(tmp_path: Path, content: bytes) -> None:
    found = saved(tmp_path, with_extensions(content))
    assert dict(found.names) == {}
    assert np.array_equal(found.labels, LABELS)


def test_extensions_of_other_byte_order_and_odd_size(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    made = nib.Nifti1Image(LABELS.T, np.eye(4), header)
    made.header.extensions.append(nib.nifti1.Nifti1Extension(0, table(LIVER)))
    assert len(saved(tmp_path, made.to_bytes()).names) == 3
    data, content = image().to_bytes(), table(LIVER)
    size = 8 + len(content)
    longer = patched(data, vox_offset=float(352 + size + 5))
    extension = size.to_bytes(4, "little") + bytes(4) + content + bytes(5)
    assert len(saved(tmp_path, longer[:348] + b"\1\0\0\0" + extension + longer[352:]).names) == 3


def test_gap_before_the_voxels(tmp_path: Path) -> None:
    data = patched(image().to_bytes(), vox_offset=416.0)
    assert np.array_equal(saved(tmp_path, data[:352] + b"x" * 64 + data[352:]).labels, LABELS)


@needs_data
def test_real_files_against_nibabel() -> None:
    files = sorted(DATA.rglob("*.nii.gz"))
    assert files
    for path in files:
        if "gmseg.nii" in path.name or "wmseg" in path.name:  # soft maps
            with pytest.raises(InputError, match="fractions"):
                read_label_map(path)
            continue
        found, expected = read_label_map(path), nib.load(path)
        assert np.array_equal(found.labels, np.asarray(expected.dataobj).transpose())
        assert affine_xyz(found) == pytest.approx(expected.affine[:3], abs=1e-9)


@needs_data
def test_names_in_real_files() -> None:
    names = read_label_map(DATA / "ct_organs" / "ref_full_model.nii.gz").names
    assert (len(names), names[1], names[5]) == (117, "spleen", "liver")
    old = read_label_map(DATA / "ct_organs" / "pred_old_release_2023_other_label_ids.nii.gz").names
    assert old != names


def test_two_files_on_two_threads(tmp_path: Path) -> None:
    paths = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    for i, path in enumerate(paths):
        path.write_bytes(gzip.compress(image(np.full((50, 100, 100), i + 1, np.uint8)).to_bytes()))
    found: dict[Path, LabelMap] = {}
    threads = [threading.Thread(target=lambda p=path: found.update({p: read_label_map(p)})) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int(found[path].labels.min()) for path in paths] == [1, 2]


def test_one_copy_of_the_data(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(image(np.zeros((50, 400, 400), np.uint8)).to_bytes(), 1))
    read_label_map(path)
    tracemalloc.start()
    read_label_map(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000 * 1.25


@pytest.mark.parametrize(("name", "not_loaded"), [("a.png", "nibabel"), ("a.nii.gz", "PIL"), ("a.xyz", "numpy")])
def test_only_needed_libraries_are_imported(tmp_path: Path, name: str, not_loaded: str) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(image().to_bytes()))
    (tmp_path / "a.png").write_bytes(b"no picture")
    script = (
        "import sys\n"
        "from segeval.errors import InputError\n"
        "from segeval.reading import read_label_map\n"
        "try:\n    read_label_map(sys.argv[1])\nexcept InputError:\n    pass\n"
        "print(sys.argv[2] in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, os.fspath(tmp_path / name), not_loaded]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert (done.stdout, done.stderr) == ("False\n", "")
