"""GIPL, legacy VTK and NIfTI pairs are read as SimpleITK reads them, and damaged files are refused."""

from __future__ import annotations

import gzip
import locale
import struct
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from segeval.errors import InputError
from segeval.reading import read_label_map
from tests import corrupt
from tests.reading.test_damage import check_refused, nifti, read_bytes, refusal, refused
from tests.reading.test_volume import LABELS, TILTED, assert_as_simpleitk_has_it, check_right_labels_or_refused, without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

nib: Any = nibabel  # many of its functions have no types
sitk: Any = SimpleITK  # it has no types

VTK = """\
# vtk DataFile Version 4.2
of a test
BINARY
DATASET STRUCTURED_POINTS
DIMENSIONS 10 6 7
SPACING 0.5 1.5 2
ORIGIN 1.5 -2 3e1
POINT_DATA 420
SCALARS labels unsigned_char 1
LOOKUP_TABLE default
"""
GIPL_FIELDS = {  # field -> (offset, struct format)
    "x": (0, "H"),
    "z": (4, "H"),
    "volumes": (6, "H"),
    "type": (8, "H"),
    "spacing": (10, "f"),
    "last spacing": (18, "f"),
    "matrix": (106, "f"),
    "origin": (204, "d"),
    "shift": (236, "f"),
    "scale": (240, "f"),
    "magic": (252, "I"),
}


@pytest.fixture(autouse=True)
def _locale() -> Iterator[None]:
    """Restore the locale: the VTK reader of ITK sets it to C."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


def vtk(header: str = VTK, values: np.ndarray = LABELS) -> bytes:
    return header.encode() + values.tobytes()


def gipl(**fields: float) -> bytes:
    """A GIPL file as ITK writes it, with the numbers of the VTK header."""
    data = bytearray(256)
    struct.pack_into(">4HH3f", data, 0, 10, 6, 7, 1, 8, 0.5, 1.5, 2.0)
    struct.pack_into(">3d", data, 204, 1.5, -2.0, 30.0)
    struct.pack_into(">I", data, 252, 0xEFFFE9B0)
    for name, value in fields.items():
        at, kind = GIPL_FIELDS[name.replace("_", " ")]
        struct.pack_into(f">{kind}", data, at, value)
    return bytes(data) + LABELS.tobytes()


def image_of(values: np.ndarray) -> Any:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 1.1, 2.5)[: values.ndim])
    image.SetOrigin((1.1, -2.2, 33.3)[: values.ndim])
    return image


@pytest.mark.parametrize(
    ("name", "dtypes"),
    [
        ("a.gipl", "u1 i1 u2 i2 f4 f8"),
        ("a.gipl.gz", "u1 i1 u2 i2 f4 f8"),
        ("a.vtk", "u1 i1 u2 i2 u4 i4 u8 i8 f4 f8"),
    ],
)
def test_what_simpleitk_writes(tmp_path: Path, name: str, dtypes: str) -> None:
    for dtype in dtypes.split():
        image = image_of(LABELS.astype(dtype))
        image.SetDirection(TILTED)  # neither format stores it
        sitk.WriteImage(image, str(tmp_path / name))
        found = assert_as_simpleitk_has_it(tmp_path / name)
        assert np.array_equal(found.labels, LABELS)
        assert found.stored.startswith(("GIPL, gzip, " if name.endswith(".gz") else "GIPL, ", "VTK, "))
        assert np.dtype(dtype).name in found.stored
    sitk.WriteImage(image_of(LABELS[0]), str(tmp_path / name))
    assert assert_as_simpleitk_has_it(tmp_path / name).grid.shape == (1, 6, 10)


@given(
    origin=st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=3, max_size=3),
    spacing=st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_any_geometry(tmp_path_factory: pytest.TempPathFactory, origin: list[float], spacing: list[float]) -> None:
    folder = tmp_path_factory.mktemp("geometry")
    image = sitk.GetImageFromArray(LABELS)
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    for name in ("a.gipl", "a.vtk"):
        sitk.WriteImage(image, str(folder / name))
        assert_as_simpleitk_has_it(folder / name)


@pytest.mark.parametrize("fields", [{}, {"magic": 719555000}, {"volumes": 0}, {"scale": 1}, {"matrix": 0.5}])
def test_gipl_headers(tmp_path: Path, fields: dict[str, float]) -> None:
    (tmp_path / "a.gipl").write_bytes(gipl(**fields))
    found = assert_as_simpleitk_has_it(tmp_path / "a.gipl")
    assert found.grid == read_bytes(tmp_path / "a.vtk", vtk()).grid


@pytest.mark.parametrize(
    "header",
    [
        VTK,
        VTK.replace("SPACING", "ASPECT_RATIO").replace("BINARY", "binary").replace("DATASET", "dataset"),
        VTK.replace(" 1\nLOOKUP", "\nLOOKUP"),
        VTK.replace("of a test", "über LOOKUP_TABLE"),
        VTK.replace("Version 4.2", "Version 2.0"),
        VTK.replace("SPACING 0.5 1.5 2", "SPACING 0.1 333.3 5.000001"),
        VTK.replace("ORIGIN 1.5 -2", "ORIGIN -123.456 0.333333333333333315"),
    ],
)
def test_vtk_headers(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.vtk").write_bytes(vtk(header))
    assert_as_simpleitk_has_it(tmp_path / "a.vtk")


def test_vtk_writes_a_newline_after_the_voxels(tmp_path: Path) -> None:
    good = read_bytes(tmp_path / "a.vtk", vtk())
    found = read_bytes(tmp_path / "b.vtk", vtk() + b"\n")
    assert (found.grid, found.labels.tobytes()) == (good.grid, LABELS.tobytes())
    assert read_bytes(tmp_path / "b.vtk", vtk(VTK.replace("\n", "\r\n"))).grid == good.grid
    for more in (b"\0", b"\n\n", b"METADATA\nINFORMATION 0\n\n"):
        assert "the file is too long: the header needs" in refusal(tmp_path / "c.vtk", vtk() + more)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"x": 0}, "expected sizes of at least 1, found 0 x 6 x 7"),
        ({"x": 11}, "the file is cut short: the header needs 718 bytes, found 676"),
        ({"z": 6}, "the file is too long: the header needs 616 bytes, found 676"),
        ({"volumes": 2}, "expected a label map with one volume, found 2 (10 x 6 x 7 x 2)"),
        ({"type": 1}, "data type 1 is not supported"),
        ({"type": 15}, "the header needs 1,096 bytes"),
        ({"spacing": 0.0}, "expected positive voxel sizes, found 0 x 1.5 x 2"),
        ({"spacing": -1.0}, "expected positive voxel sizes"),
        ({"last_spacing": np.nan}, "spacing or origin is not finite"),
        ({"origin": np.inf}, "spacing or origin is not finite"),
        ({"shift": 1.0}, "scaled voxels are not supported"),
        ({"scale": 2.0}, "scaled voxels are not supported"),
        ({"magic": 1}, "expected a GIPL image, found data of an unknown format"),
    ],
)
def test_gipl_headers_that_do_not_fit(tmp_path: Path, fields: dict[str, float], said: str) -> None:
    assert said in refusal(tmp_path / "a.gipl", gipl(**fields))
    assert refused(tmp_path / "a.gipl.gz", gzip.compress(gipl(**fields)))


VTK_CHANGES: dict[str, tuple[str, ...]] = {
    "DATASET": ("STRUCTURED_GRID", "POLYDATA", ""),
    "DIMENSIONS": ("10 6", "10 6 8", "10 6 7 1", "10 42 0", "-10 -6 7", "1e1 6 7", "10 6 99999999999999", ""),
    "SPACING": ("0 1 1", "-1 1 1", "1 1", "1 1 nan", "1,5 1 1", "1e999 1 1"),
    "ORIGIN": ("1 2", "1 2 inf", "1 2 x", "0x1 2 3"),
    "POINT_DATA": ("419", "0", "", "420 1"),
    "SCALARS": ("a unsigned_char 3", "a bit", "a short", "a", "a unsigned_char 1 1", "a unsigned_char x", ""),
    "LOOKUP_TABLE": ("", "default\nLOOKUP_TABLE default"),
}


def test_vtk_headers_that_do_not_fit(tmp_path: Path) -> None:
    damages = [(what, vtk(header)) for what, header in corrupt.with_other_fields(VTK, " ", VTK_CHANGES)]
    assert check_refused(tmp_path / "a.vtk", damages) > 35
    for line in VTK.splitlines(keepends=True):
        if line != "of a test\n":
            refusal(tmp_path / "a.vtk", vtk(VTK.replace(line, "")))
    assert "the line LOOKUP_TABLE at its end is missing" in refusal(
        tmp_path / "a.vtk", vtk(without(VTK, "LOOKUP"), LABELS[:0])
    )
    for more in ("VECTORS v float", "FIELD f 1", "CELL_DATA 420", "METADATA", "\x1b[31m"):
        refusal(tmp_path / "a.vtk", vtk(VTK.replace("SCALARS", f"{more}\nSCALARS")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("BINARY", "ASCII", "voxels stored as text are not supported"),
        ("BINARY", "RAW", "expected BINARY in the third line, found 'RAW'"),
        ("STRUCTURED_POINTS", "POLYDATA", "expected an image (STRUCTURED_POINTS), found 'POLYDATA'"),
        ("POINT_DATA 420", "CELL_DATA 420", "one array of SCALARS, found 'CELL_DATA 420'"),
        ("POINT_DATA 420", "POINT_DATA 42", "expected 420 (from DIMENSIONS) in 'POINT_DATA', found '42'"),
        ("unsigned_char 1", "unsigned_char 3", "expected one label number per voxel, found '3'"),
        ("LOOKUP_TABLE default\n", "", "control characters in the text"),
    ],
)
def test_messages_about_vtk_headers(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.vtk", vtk(VTK.replace(old, new)))


WHOLE = {"a.gipl": (gipl(), 256), "a.gipl.gz": (gzip.compress(gipl(), mtime=0), None), "a.vtk": (vtk(), len(VTK))}


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_damage(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Cut, longer, and with thousands of other headers. Plain voxels are not damaged, because they have no checksum."""
    data, header = WHOLE[name]
    assert check_refused(tmp_path / name, corrupt.cut(data)) > 40
    assert check_refused(tmp_path / name, [("one byte more", data + b"\1"), ("a page more", data + b"\1" * 4096)])
    mutated = check_right_labels_or_refused(tmp_path / name, corrupt.mutated(data, 900, upto=header))
    assert mutated[1] > 300
    flips = [(what, head + data[len(head) :]) for what, head in corrupt.flipped(data[:header], 2000)]
    check_right_labels_or_refused(tmp_path / name, flips)
    if header is None:
        assert check_refused(tmp_path / name, corrupt.with_other_gzip_ends(data)) == 9
    assert capfd.readouterr() == ("", "")


def test_impostors_are_named(tmp_path: Path) -> None:
    assert "found a VTK file; name it .vtk" in refusal(tmp_path / "a.mha", vtk())
    assert "found a GIPL image; name it .gipl" in refusal(tmp_path / "a.nrrd", gipl())


def write_pair(folder: Path, *, kind: int = 1, order: str = "<", zipped: str = "") -> tuple[bytes, bytes]:
    """Write a.hdr and a.img as nibabel does, gzip either, and return their bytes before gzip."""
    pair = {1: nib.Nifti1Pair, 2: nib.Nifti2Pair}[kind]
    header = pair.header_class(endianness=order)
    header.set_data_dtype(np.uint16)
    image = pair(LABELS.T.astype(np.uint16), np.diag([0.5, 1.5, 2.0, 1.0]), header)
    image.to_filename(folder / "raw.hdr")
    found = (folder / "raw.hdr").read_bytes(), (folder / "raw.img").read_bytes()
    for suffix, data in zip(("hdr", "img"), found, strict=True):
        if suffix in zipped:
            (folder / f"a.{suffix}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / f"a.{suffix}").write_bytes(data)
    return found


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("zipped", ["", "hdr", "img", "hdr img"])
def test_pairs(tmp_path: Path, kind: int, order: str, zipped: str) -> None:
    write_pair(tmp_path, kind=kind, order=order, zipped=zipped)
    found = read_label_map(tmp_path / ("a.hdr.gz" if "hdr" in zipped else "a.hdr"))
    assert np.array_equal(found.labels, LABELS)
    assert found.grid == read_bytes(tmp_path / "b.nii", nifti()).grid
    gzipped = ", gzip" if "img" in zipped else ""
    assert found.stored == f"NIfTI-{kind} pair{gzipped}, uint16{', big-endian' if order == '>' else ''}"


def test_pairs_of_simpleitk(tmp_path: Path) -> None:
    image = image_of(LABELS)
    image.SetDirection(TILTED)
    for name in ("a.hdr", "b.nii"):
        sitk.WriteImage(image, str(tmp_path / name))
    pair, single = read_label_map(tmp_path / "a.hdr"), read_label_map(tmp_path / "b.nii")
    assert (pair.grid, pair.labels.tobytes()) == (single.grid, single.labels.tobytes())
    seen = sitk.ReadImage(str(tmp_path / "a.hdr"))
    assert np.allclose(pair.grid.spacing[::-1], seen.GetSpacing(), rtol=1e-6)
    assert np.allclose(np.array([-1, -1, 1]) * pair.grid.origin, seen.GetOrigin(), rtol=1e-6)


def test_pairs_have_names(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    table = b'<LabelTable><Label Key="1">liver</Label></LabelTable>'.ljust(56)
    extended = header[:348] + b"\1\0\0\0" + struct.pack("<ii", 64, 6) + table
    assert read_bytes(tmp_path / "a.hdr", extended).names == {1: "liver"}
    assert "an extension of" in refusal(tmp_path / "a.hdr", extended[:-1])


def test_images_of_pairs(tmp_path: Path) -> None:
    header, voxels = write_pair(tmp_path)
    path = tmp_path / "a.hdr"
    for damaged in (voxels[:-1], voxels + b"\0", gzip.compress(voxels)):
        (tmp_path / "a.img").write_bytes(damaged)
        fault = "cut short" if len(damaged) < 840 else "too long"
        expected = f"the file is {fault}: the header needs 840 bytes, found {len(damaged)}"
        assert expected in refusal(path, header)
    (tmp_path / "a.img.gz").write_bytes(gzip.compress(voxels))
    assert "the pair has two image files: a.img and a.img.gz; remove one" in refusal(path, header)
    (tmp_path / "a.img").unlink()
    assert read_bytes(path, header).labels.tobytes() == LABELS.tobytes()
    ends = [*corrupt.with_other_gzip_ends(gzip.compress(voxels)), ("plain", voxels)]
    ends += [*corrupt.cut(gzip.compress(voxels)), ("longer", gzip.compress(voxels + b"\0"))]
    for what, damaged in ends:
        (tmp_path / "a.img.gz").write_bytes(damaged)
        assert refused(path, header), what
    (tmp_path / "a.img.gz").unlink()
    assert "the data file 'a.img': no such file" in refusal(path, header)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.img").write_bytes(voxels)
    (tmp_path / "a.img").symlink_to("inner/a.img")
    assert "a symbolic link to another folder" in refusal(path, header)
    (tmp_path / "A.IMG").write_bytes(voxels)
    assert read_bytes(tmp_path / "A.HDR", header).labels.tobytes() == LABELS.tobytes()
    with pytest.raises(InputError, match=r"use the \.hdr header next to it"):
        read_label_map(tmp_path / "a.img")


@pytest.mark.slow
def test_headers_of_pairs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    header, _ = write_pair(tmp_path)
    path = tmp_path / "a.hdr"
    good = header[:348]
    assert read_bytes(path, good).labels.tobytes() == LABELS.tobytes()
    for more in (b"\0", b"\0\0\0\0more", b"\1\0\0\0more"):
        refusal(path, good + more)
    for fields in ({"vox_offset": 352.0}, {"vox_offset": float("nan")}, {"dim_1": 9}, {"datatype": 2}, {"dim_3": 0}):
        refusal(path, corrupt.patched(good, **fields))
    assert "Analyze 7.5" in refusal(path, corrupt.patched(good, magic=b"\0\0\0\0"))
    assert "the NIfTI signature is missing" in refusal(path, corrupt.patched(good, magic=b"ni2\0"))
    assert "found a single NIfTI file" in refusal(path, nifti())
    assert check_refused(path, [damage for damage in corrupt.cut(header) if len(damage[1]) != 348]) > 40
    ends = corrupt.with_other_gzip_ends(gzip.compress(header))
    assert check_refused(tmp_path / "a.hdr.gz", ends) == 9
    read = 0
    for what, data in [*corrupt.flipped(header, 2000), *corrupt.mutated(header, 900)]:
        if not refused(path, data):
            read += 1
            labels = read_label_map(path).labels
            assert labels.size == LABELS.size, what
    assert read > 100
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".vtk", ".gipl", ".hdr"])
def test_reading_leaves_the_locale_as_it_is(tmp_path: Path, suffix: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.eye(4, dtype=np.uint8)[None].repeat(3, 0)), str(tmp_path / f"a{suffix}"))
    before = locale.setlocale(locale.LC_ALL)
    read_label_map(tmp_path / f"a{suffix}")
    assert locale.setlocale(locale.LC_ALL) == before
