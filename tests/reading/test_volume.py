"""MetaImage and NRRD files are read as SimpleITK reads them, and damaged files are refused."""

from __future__ import annotations

import gzip
import os
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from segeval.errors import InputError
from segeval.maps.label_map import LabelMap
from segeval.reading import read_label_map
from tests import corrupt
from tests.reading.test_damage import (
    check_refused,
    read_bytes,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

sitk: Any = SimpleITK  # it has no types

RNG = np.random.default_rng(21)
LABELS = np.repeat(RNG.integers(0, 5, (7, 6, 5)), 2, axis=2).astype(np.uint8)  # (z, y, x)
TILTED = tuple((np.array([[1, 2, 2], [2, 1, -2], [2, -2, 1]]) / 3).ravel().tolist())
MHA = """\
ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 0 1 0 1 0 0 0 0 1
Offset = 1.5 -2 3e1
CenterOfRotation = 0 0 0
ElementSpacing = 0.5 1.5 2
DimSize = 10 6 7
ElementType = MET_UCHAR
ElementDataFile = LOCAL
"""
NRRD = """\
NRRD0004
# a comment
type: unsigned char
dimension: 3
space: left-posterior-superior
sizes: 10 6 7
space directions: (0,0.5,0) (1.5,0,0) (0,0,2)
kinds: domain domain domain
endian: little
encoding: raw
space origin: (1.5,-2,3e1)

"""
SEGMENTS = """\
Segment0_ID:=Segment_1
Segment0_LabelValue:=1
Segment0_Layer:=0
Segment0_Name:=liver
Segment0_Tags:=Segmentation.Status:inprogress|a: b|
Segment1_LabelValue:=4
Segment1_Layer:=0
Segment1_Name:=spleen\\nand more
"""


def mha(header: str = MHA, values: np.ndarray = LABELS) -> bytes:
    return header.encode() + values.tobytes()


def compressed_mha(data: bytes | None = None, *, size: int | None = None) -> bytes:
    """A MetaImage with these compressed voxels; its header may state another size."""
    packed = zlib.compress(LABELS.tobytes()) if data is None else data
    stated = len(packed) if size is None else size
    fields = f"CompressedData = True\nCompressedDataSize = {stated}\n"
    return MHA.replace("CompressedData = False\n", fields).encode() + packed


def nrrd(header: str = NRRD, values: np.ndarray = LABELS) -> bytes:
    return header.encode() + values.tobytes()


def gzipped_nrrd(data: bytes | None = None) -> bytes:
    packed = gzip.compress(LABELS.tobytes(), mtime=0) if data is None else data
    return NRRD.replace("encoding: raw", "encoding: gzip").encode() + packed


def header_of(text: str, **fields: str) -> str:
    """Return the header with other values of some of its fields."""
    for name, value in fields.items():
        separator = ": " if text.startswith("NRRD") else " = "
        key = name.replace("_", " ") if text.startswith("NRRD") else name
        lines = text.splitlines(keepends=True)
        place = next(number for number, line in enumerate(lines) if line.startswith(key + separator))
        lines[place] = f"{key}{separator}{value}\n"
        text = "".join(lines)
    return text


def without(text: str, field: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(field))


def assert_as_simpleitk_has_it(path: Path) -> LabelMap:
    """Check voxels and geometry against SimpleITK, whose world is LPS."""
    found, image = read_label_map(path), sitk.ReadImage(str(path))
    labels = sitk.GetArrayFromImage(image)
    rank = image.GetDimension()
    assert np.array_equal(found.labels, labels.reshape(found.labels.shape))
    assert found.grid.unit == "mm"
    assert found.grid.shape == (1,) * (3 - rank) + labels.shape
    assert found.grid.spacing[::-1][:rank] == image.GetSpacing()
    to_lps = np.array([-1.0, -1.0, 1.0])
    assert np.array_equal(normal(to_lps * found.grid.origin)[:rank], normal(image.GetOrigin()))
    direction = (np.array(found.grid.direction[::-1]) * to_lps).T[:rank, :rank]
    assert np.array_equal(normal(direction.ravel()), normal(image.GetDirection()))
    return found


def normal(numbers: ArrayLike) -> np.ndarray:
    """Set subnormal numbers to 0, as ITK does in some formats."""
    return np.where(np.abs(numbers) < np.finfo(float).tiny, 0.0, numbers)


FORMATS = [("a.mha", False), ("a.mha", True), ("a.mhd", False), ("a.mhd", True)]
FORMATS += [("a.nrrd", False), ("a.nrrd", True), ("a.nhdr", False), ("a.nhdr", True)]


@pytest.mark.parametrize(("name", "compressed"), FORMATS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_what_simpleitk_writes(tmp_path: Path, name: str, compressed: bool, dtype: str) -> None:
    image = sitk.GetImageFromArray(LABELS.astype(dtype))
    image.SetSpacing((0.7, 1.1, 2.5))
    image.SetOrigin((1.1, -2.2, 33.3))
    image.SetDirection(TILTED)
    sitk.WriteImage(image, str(tmp_path / name), compressed)
    found = assert_as_simpleitk_has_it(tmp_path / name)
    assert found.labels.dtype == np.uint8
    assert found.stored.startswith(("MetaImage", "NRRD"))


@pytest.mark.parametrize(("name", "compressed"), FORMATS)
def test_planes(tmp_path: Path, name: str, compressed: bool) -> None:
    image = sitk.GetImageFromArray(LABELS[0])
    image.SetSpacing((0.7, 1.1))
    image.SetOrigin((3.0, 4.0))
    image.SetDirection((0.0, 1.0, 1.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / name), compressed)
    assert assert_as_simpleitk_has_it(tmp_path / name).grid.shape == (1, 6, 10)


def test_metadata_of_any_kind(tmp_path: Path) -> None:
    """ITK copies metadata of an image into headers, on several lines if a value has several."""
    image = sitk.GetImageFromArray(LABELS)
    for key, value in {
        "0008|0005": "ISO_IR 100",
        "dim[0]": "3",
        "note": "a\nb\n\nNDims is\nc:=d",
        "über": "é = è: ê",
    }.items():
        image.SetMetaData(key, value)
    for name in ("a.mha", "a.nrrd"):
        sitk.WriteImage(image, str(tmp_path / name))
        assert_as_simpleitk_has_it(tmp_path / name)


@pytest.mark.parametrize(
    "header",
    [
        MHA,
        MHA.replace("\n", "\r\n"),
        MHA.replace("Offset", "Position").replace("TransformMatrix", "Orientation"),
        MHA.replace("Offset", "Origin").replace("TransformMatrix", "Rotation"),
        MHA.replace("ElementSpacing", "ElementSize"),
        MHA.replace("ElementSpacing", "ElementSize = 9 9 9\nElementSpacing"),
        MHA.replace("BinaryData = True\n", ""),
        MHA.replace("ElementDataFile", "HeaderSize = 0\nElementNumberOfChannels = 1\nElementDataFile"),
        without(without(without(MHA, "Offset"), "TransformMatrix"), "ElementSpacing"),
    ],
)
def test_meta_headers(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.mha").write_bytes(mha(header))
    assert_as_simpleitk_has_it(tmp_path / "a.mha")


@pytest.mark.parametrize(
    ("space", "origin"),
    [
        ("left-posterior-superior", (-1.5, 2, 30)),
        ("LPS", (-1.5, 2, 30)),
        ("right-anterior-superior", (1.5, -2, 30)),
        ("RAS", (1.5, -2, 30)),
        ("left-anterior-superior", (-1.5, -2, 30)),
        ("LAS", (-1.5, -2, 30)),
        ("scanner-xyz", (-1.5, 2, 30)),  # unknown orientation: read as LPS
        ("3D-right-handed", (-1.5, 2, 30)),
        ("3D-left-handed", (-1.5, 2, 30)),
    ],
)
def test_spaces(tmp_path: Path, space: str, origin: tuple[float, float, float]) -> None:
    (tmp_path / "a.nrrd").write_bytes(nrrd(header_of(NRRD, space=space)))
    assert assert_as_simpleitk_has_it(tmp_path / "a.nrrd").grid.origin == origin


@pytest.mark.parametrize(
    "header",
    [
        NRRD,
        NRRD.replace("\n", "\r\n"),
        NRRD.replace("NRRD0004", "NRRD0005").replace("unsigned char", "uint8_t"),
        NRRD.replace("space: left-posterior-superior", "space dimension: 3"),
        NRRD.replace(") (", ")  (").replace("(0,0.5,0)", "( 0 , 0.5, 0 )"),
        without(without(without(NRRD, "space"), "kinds"), "endian").replace("sizes", "spacings: 1 2 3\nsizes"),
        without(NRRD, "space").replace("kinds", "spacings: 1 2 3\naxis mins: 4 5 6\ncenters: cell node cell\nkinds"),
        without(NRRD, "space"),
        NRRD.replace(
            "encoding",
            'space units: "mm" "mm" "mm"\ncontent: a:=b\nmeasurement frame: (1,0,0) (0,1,0) (0,0,1)\nencoding',
        ),
    ],
)
def test_nrrd_headers(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(nrrd(header))
    assert_as_simpleitk_has_it(tmp_path / "a.nrrd")


def test_units_other_than_mm(tmp_path: Path) -> None:
    header = NRRD.replace("encoding", 'space units: "um" "um" "um"\nencoding')
    grid = read_bytes(tmp_path / "a.nrrd", nrrd(header)).grid
    assert grid.spacing == (0.002, 0.0015, 0.0005)
    assert grid.origin == (-0.0015, 0.002, 0.03)
    grid = read_bytes(
        tmp_path / "a.mha", mha(MHA.replace("ObjectType = Image", "ObjectType = Image\nDistanceUnits = cm"))
    ).grid
    assert grid.spacing == (20.0, 15.0, 5.0)


def test_one_volume_of_four_dimensions(tmp_path: Path) -> None:
    header = header_of(
        MHA,
        NDims="4",
        DimSize="10 6 7 1",
        Offset="1.5 -2 3e1 5",
        ElementSpacing="0.5 1.5 2 9",
        TransformMatrix="0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
    )
    plain, longer = read_bytes(tmp_path / "a.mha", mha()), read_bytes(tmp_path / "b.mha", mha(header))
    assert plain.grid == longer.grid
    header = header_of(NRRD, dimension="4", sizes="10 6 7 1", kinds="domain domain domain list")
    header = header_of(header, space_directions="(0,0.5,0) (1.5,0,0) (0,0,2) none")
    assert read_bytes(tmp_path / "a.nrrd", nrrd(header)).grid == plain.grid


def test_big_endian_voxels(tmp_path: Path) -> None:
    values = (LABELS.astype(np.uint16) * 300).astype(">u2")
    header = header_of(MHA, BinaryDataByteOrderMSB="True", ElementType="MET_USHORT")
    (tmp_path / "a.mha").write_bytes(mha(header, values))
    (tmp_path / "a.nrrd").write_bytes(nrrd(header_of(NRRD, endian="big", type="uint16"), values))
    for name in ("a.mha", "a.nrrd"):
        found = assert_as_simpleitk_has_it(tmp_path / name)
        assert found.stored.endswith("uint16, big-endian")
        assert found.labels.max() == 1200


@given(
    values=st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=3, max_size=3),
    spacing=st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    angles=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_any_geometry(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], spacing: list[float], angles: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("geometry")
    image = sitk.GetImageFromArray(LABELS)
    image.SetOrigin(values)
    image.SetSpacing(spacing)
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    for name in ("a.mha", "a.nrrd"):
        sitk.WriteImage(image, str(folder / name))
        assert_as_simpleitk_has_it(folder / name)


def segmentation(layers: list[np.ndarray], keys: str) -> bytes:
    """A segmentation as 3D Slicer writes it: layers vary fastest."""
    values = np.stack(layers, axis=-1)
    header = header_of(
        NRRD,
        dimension="4",
        sizes=f"{len(layers)} 10 6 7",
        kinds="list domain domain domain",
        space_directions="none (0,0.5,0) (1.5,0,0) (0,0,2)",
    )
    return nrrd(header[:-1] + keys + "\n", values)


def test_segments_have_names(tmp_path: Path) -> None:
    found = read_bytes(tmp_path / "a.seg.nrrd", nrrd(NRRD[:-1] + SEGMENTS + "\n"))
    assert found.names == {1: "liver", 4: "spleen and more"}
    assert np.array_equal(found.labels, LABELS)
    assert found.overlays == ()


def test_layers_keep_label_values_that_are_unique(tmp_path: Path) -> None:
    liver, tumour = (LABELS == 1).astype(np.uint8), (LABELS >= 1).astype(np.uint8) * 7
    keys = "Segment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_Name:=liver\n"
    keys += "Segment1_LabelValue:=7\nSegment1_Layer:=1\nSegment1_Name:=tumour\n"
    found = read_bytes(tmp_path / "a.seg.nrrd", segmentation([liver, tumour], keys))
    assert np.array_equal(found.labels, liver)
    (overlay,) = found.overlays
    assert np.array_equal(overlay.labels, tumour)
    assert found.names == {1: "liver", 7: "tumour"}
    assert overlay.grid == found.grid == read_bytes(tmp_path / "b.nrrd", nrrd()).grid


def test_layers_are_numbered_where_label_values_repeat(tmp_path: Path) -> None:
    first, second = LABELS % 3, (LABELS > 2).astype(np.uint8)
    keys = "Segment0_LabelValue:=1\nSegment0_Layer:=1\nSegment0_Name:=a\n"
    keys += "Segment1_LabelValue:=2\nSegment1_Layer:=0\nSegment1_Name:=b\n"
    keys += "Segment2_LabelValue:=1\nSegment2_Layer:=0\nSegment2_Name:=c\n"
    found = read_bytes(tmp_path / "a.seg.nrrd", segmentation([first, second], keys))
    assert found.names == {1: "a", 2: "b", 3: "c"}
    assert np.array_equal(found.labels, np.array([0, 3, 2])[first])
    assert np.array_equal(found.overlays[0].labels, second)


def test_older_segmentations_have_a_layer_for_each_segment(tmp_path: Path) -> None:
    layers = [np.greater(LABELS, below).astype(np.uint8) for below in range(3)]
    keys = "".join(f"Segment{number}_Name:={name}\n" for number, name in enumerate("abc"))
    found = read_bytes(tmp_path / "a.seg.nrrd", segmentation(layers, keys))
    assert found.names == {1: "a", 2: "b", 3: "c"}
    for label, layer in enumerate([found, *found.overlays], start=1):
        assert np.array_equal(layer.labels, layers[label - 1] * label)


def test_values_that_no_segment_names_keep_their_number(tmp_path: Path) -> None:
    keys = "Segment0_LabelValue:=1\nSegment0_Layer:=0\nSegment1_LabelValue:=7\nSegment1_Layer:=1\n"
    second = (LABELS == 4).astype(np.uint8) * 7
    found = read_bytes(tmp_path / "a.seg.nrrd", segmentation([LABELS, second], keys))
    assert np.array_equal(found.labels, LABELS)
    line = refusal(tmp_path / "b.seg.nrrd", segmentation([np.minimum(LABELS * 7, 7), second], keys))
    assert "voxels with label 7 belong to no segment of their layer, but to one of another layer" in line
    line = refusal(tmp_path / "c.seg.nrrd", segmentation([LABELS, np.where(LABELS == 3, 3, second)], keys))
    assert "voxels with label 3 are in two layers but belong to no segment" in line


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("Segment0_LabelValue:=1\nSegment0_Layer:=2\n", "a segment is in a layer that does not exist; the file has 2"),
        ("Segment0_LabelValue:=0\n", "segment 0 has label '0'"),
        ("Segment0_LabelValue:=-3\n", "segment 0 has label '-3'"),
        ("Segment0_LabelValue:=x\n", "segment 0 has label 'x'"),
        ("Segment0_LabelValue:=1\nSegment0_LabelValue:=2\n", "the field 'Segment0_LabelValue' occurs twice"),
        ("Segment0_LabelValue:=1\nSegment1_LabelValue:=1\n", "two segments have the same layer and label"),
    ],
)
def test_damaged_segments(tmp_path: Path, keys: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.seg.nrrd", segmentation([LABELS, LABELS], keys))


def test_layers_without_segments_are_not_a_label_map(tmp_path: Path) -> None:
    line = refusal(tmp_path / "a.seg.nrrd", segmentation([LABELS, LABELS], ""))
    assert "expected one label number per voxel, found 2 (2 x 10 x 6 x 7)" in line


META_CHANGES: dict[str, tuple[str, ...]] = {
    "ObjectType": ("Mesh", ""),
    "NDims": ("0", "1", "2", "4", "5", "-3", "99999999999999999999", "3 3", "x", ""),
    "BinaryData": ("False", "perhaps", ""),
    "BinaryDataByteOrderMSB": ("perhaps", ""),
    "CompressedData": ("True", "2", ""),
    "TransformMatrix": ("1 0 0", "2 0 0 0 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", "1 0 0 0 1 0 0 0 nan", "0 0 0 0 0 0 0 0 0"),
    "Offset": ("1", "1 2 inf", "1 2 x", "1e999 2 3", "1 2 3 4", "0x1 2 3"),
    "ElementSpacing": ("0 1 1", "-1 1 1", "1 1", "1 1 nan", "1e-999 1 1", "1,5 1 1"),
    "DimSize": ("10 6", "10 6 8", "10 6 6", "-10 -6 7", "0 6 7", "10 6 99999999999999", "1e1 6 7", "10 6 7 1", ""),
    "ElementType": ("MET_USHORT", "MET_OTHER", "MET_UCHAR_ARRAY", "MET_STRING", "", "uint8"),
    "ElementDataFile": ("", "LIST", "LIST 2D", "a%03d.raw 1 7 1", "a.raw", "../a.raw", "/etc/passwd", "a.mha", "."),
}
NRRD_CHANGES: dict[str, tuple[str, ...]] = {
    "type": ("block", "short", "uint9", ""),
    "dimension": ("0", "2", "4", "17", "-3", "x", ""),
    "space": ("nowhere", "right-anterior-superior-time", "", "LPS RAS"),
    "sizes": ("10 6", "10 6 8", "10 6 6", "-10 -6 7", "0 6 7", "10 6 999999999999", "10 6 7 1", ""),
    "space directions": (
        *("(1,0,0) (0,1,0)", "(1,0,0) (0,1,0) (0,0)", "(1,0,0) (0,1,0) (0,0,nan)", "(1,0,0) (0,1,0) (0,1,0)"),
        *("(1,0,0) (0,1,0) (0,0,0)", "(1,0,0) (0,1,0) (0,0,1", "1 0 0 0 1 0 0 0 1", "none none none", "", "()()()"),
    ),
    "kinds": ("domain domain", "domain domain domain domain"),
    "encoding": ("bzip2", "hex", "ascii", "txt", "gzip", "zrl", ""),
    "space origin": ("(1,2)", "(1,2,inf)", "none none", "1,2,3", "(1,2,3) (1,2,3)", "(1e999,2,3)"),
}


def test_meta_headers_that_do_not_fit(tmp_path: Path) -> None:
    damages = [(what, mha(header)) for what, header in corrupt.with_other_fields(MHA, " = ", META_CHANGES)]
    assert check_refused(tmp_path / "a.mha", damages) > 60
    for field in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        refusal(tmp_path / "a.mha", mha(without(MHA, field)))
    for more in (
        "ElementNumberOfChannels = 3",
        "HeaderSize = 12",
        "ElementToIntensityFunctionSlope = 2",
        "Position = 9 9 9",
        "ElementByteOrderMSB = True",
        "Comment = \x1b[31m",
    ):
        refusal(tmp_path / "a.mha", mha(MHA.replace("DimSize", more + "\nDimSize")))


def test_nrrd_headers_that_do_not_fit(tmp_path: Path) -> None:
    damages = [(what, nrrd(header)) for what, header in corrupt.with_other_fields(NRRD, ": ", NRRD_CHANGES)]
    assert check_refused(tmp_path / "a.nrrd", damages) > 40
    for field in ("type", "dimension", "sizes", "encoding", "space:"):
        refusal(tmp_path / "a.nrrd", nrrd(without(NRRD, field)))
    for more in (
        "byte skip: 12",
        "line skip: -1",
        "unknown: 1",
        "no separator",
        "spacings: 1 1 1",
        "space dimension: 3",
        "block size: 4",
        "centerings: left right left",
    ):
        refusal(tmp_path / "a.nrrd", nrrd(NRRD.replace("sizes", more + "\nsizes")))
    wide = header_of(NRRD, type="short")
    refusal(tmp_path / "a.nrrd", nrrd(without(wide, "endian"), LABELS.astype(np.int16)))
    refusal(tmp_path / "a.nrrd", nrrd(header_of(wide, endian="middle"), LABELS.astype(np.int16)))
    extents = without(NRRD, "space").replace("kinds", "axis maxs: 1 2 3\nkinds")
    assert "the header has extents (axis maxs) but no spacings" in refusal(tmp_path / "a.nrrd", nrrd(extents))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            header_of(MHA, NDims="4", DimSize="10 6 7 2"),
            "expected a label map with one volume, found 2 (10 x 6 x 7 x 2)",
        ),
        (header_of(MHA, ElementType="MET_FLOAT_ARRAY"), "values of type 'MET_FLOAT_ARRAY'"),
        (header_of(MHA, BinaryData="False"), "voxels stored as text are not supported"),
        (header_of(MHA, DimSize="10 6 8"), "the file is cut short: the header needs 480 bytes, found 420"),
        (header_of(MHA, ElementSpacing="1 0 1"), "expected positive voxel sizes, found 1 x 0 x 1"),
        (header_of(MHA, TransformMatrix="1 0 0 1 0 0 0 0 1"), "the axes lie in a plane"),
        (header_of(MHA, TransformMatrix="2 0 0 0 1 0 0 0 1"), "not vectors of length 1"),
        (header_of(MHA, Offset="1 \x852 3"), "'1 \\x852 3'"),
        (header_of(MHA, ElementDataFile="LIST"), "headers with a data file for each slice are not supported"),
        (without(MHA, "ElementDataFile"), "the field 'ElementDataFile' is missing"),
    ],
)
def test_messages_about_meta_headers(tmp_path: Path, header: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.mha", mha(header))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (header_of(NRRD, encoding="bzip2"), "the encoding 'bzip2' is not supported; save it as raw or gzip"),
        (header_of(NRRD, sizes="10 6 8"), "the file is cut short: the header needs 480 bytes, found 420"),
        (header_of(NRRD, type="block"), "values of type 'block'"),
        (header_of(NRRD, space="RAST"), "the space 'RAST' is not supported"),
        (NRRD[:-1], "the empty line at its end is missing"),
        (header_of(NRRD, space_directions="(1,0,0)"), "expected 3 vectors in 'space directions', found '(1,0,0)'"),
        (header_of(NRRD, sizes="10 0 7"), "expected sizes of at least 1 in 'sizes', found '10 0 7'"),
    ],
)
def test_messages_about_nrrd_headers(tmp_path: Path, header: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.nrrd", nrrd(header, LABELS + np.uint8(20)))  # no byte is a newline


def test_volumes_and_colours_are_not_label_maps(tmp_path: Path) -> None:
    series = header_of(NRRD, dimension="4", sizes="10 6 7 2", kinds="domain domain domain time")
    series = header_of(series, space_directions="(0,0.5,0) (1.5,0,0) (0,0,2) none")
    assert "with one volume, found 2 (10 x 6 x 7 x 2)" in refusal(
        tmp_path / "a.nrrd", nrrd(series, np.stack([LABELS] * 2))
    )
    colours = header_of(NRRD, dimension="4", sizes="3 10 6 7", kinds="RGB-color domain domain domain")
    colours = header_of(colours, space_directions="none (0,0.5,0) (1.5,0,0) (0,0,2)")
    line = refusal(tmp_path / "a.nrrd", nrrd(colours, np.stack([LABELS] * 3, axis=-1)))
    assert "expected one label number per voxel, found 3" in line


@pytest.mark.parametrize(
    ("values", "dtype", "said"),
    [
        (LABELS.astype(np.int16) - 1, "MET_SHORT", "negative ones down to -1"),
        (LABELS.astype(np.float32) * np.float32(0.5), "MET_FLOAT", "fractions such as 0.5"),
        (np.where(LABELS == 1, np.nan, LABELS), "MET_DOUBLE", "NaN or infinite"),
    ],
)
def test_values_that_are_not_labels(tmp_path: Path, values: np.ndarray, dtype: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.mha", mha(header_of(MHA, ElementType=dtype), values))


def test_cut_files(tmp_path: Path) -> None:
    for name, data in (
        ("a.mha", mha()),
        ("b.mha", compressed_mha()),
        ("c.mha", compressed_mha().replace(b"CompressedDataSize", b"Comment")),
        ("a.nrrd", nrrd()),
        ("b.nrrd", gzipped_nrrd()),
    ):
        assert read_bytes(tmp_path / name, data).labels.size == LABELS.size
        assert check_refused(tmp_path / name, corrupt.cut(data)) > 40
        assert check_refused(tmp_path / name, [("one byte more", data + b"\1"), ("a page more", data + b"\1" * 4096)])


def test_ends_of_compressed_voxels(tmp_path: Path) -> None:
    good = zlib.compress(LABELS.tobytes())
    damages = [
        ("wrong checksum", compressed_mha(good[:-4] + b"abcd")),
        ("no checksum", compressed_mha(good[:-4])),
        ("text after the end", compressed_mha(good + b"more")),
        ("zeros after the end", compressed_mha(good + bytes(8))),
        ("one more stream", compressed_mha(good + good)),
        ("a size that is too small", compressed_mha(size=len(good) - 1)),
        ("a size that is too large", compressed_mha(size=len(good) + 1)),
        ("a slice too few", compressed_mha(zlib.compress(LABELS[1:].tobytes()))),
        ("a slice too many", compressed_mha(zlib.compress(LABELS.tobytes() + bytes(60)))),
        ("not compressed", compressed_mha(LABELS.tobytes())),
        ("no zlib header", compressed_mha(good[2:])),
    ]
    assert check_refused(tmp_path / "a.mha", damages) == len(damages)
    ends = corrupt.with_other_gzip_ends(gzip.compress(LABELS.tobytes()))
    assert check_refused(tmp_path / "a.nrrd", [(what, gzipped_nrrd(data)) for what, data in ends]) == 9


def test_gzip_in_a_metaimage(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(compressed_mha(gzip.compress(LABELS.tobytes())))
    assert assert_as_simpleitk_has_it(tmp_path / "a.mha").stored == "MetaImage, gzip, uint8"


@pytest.mark.slow
def test_flipped_bits_in_compressed_voxels(tmp_path: Path) -> None:
    """Adler-32 is a weak checksum: one flip in a thousand may pass it, as in zlib."""
    whole: dict[str, tuple[bytes, bytes, Callable[[bytes], bytes]]] = {}
    whole["a.mha"] = (compressed_mha(), zlib.compress(LABELS.tobytes()), zlib.decompress)
    whole["a.nrrd"] = (gzipped_nrrd(), gzip.compress(LABELS.tobytes(), mtime=0), gzip.decompress)
    for name, (data, packed, unpack) in whole.items():
        start = len(data) - len(packed)
        for what, damaged in corrupt.flipped(packed, 1200):
            try:
                expected = unpack(damaged)
            except (OSError, EOFError, zlib.error):
                expected = b""
            if len(expected) == LABELS.size:
                assert read_bytes(tmp_path / name, data[:start] + damaged).labels.tobytes() == expected, what
            else:
                assert check_refused(tmp_path / name, [(what, data[:start] + damaged)])


def check_right_labels_or_refused(path: Path, damages: Iterable[corrupt.Damage]) -> tuple[int, int]:
    """A header has no checksum, so damage may change the geometry; check that labels are right or refused."""
    read = refused = 0
    for what, data in damages:
        path.write_bytes(data)
        try:
            found = read_label_map(path)
        except InputError:
            refused += 1
            continue
        assert found.labels.tobytes() == LABELS.tobytes(), what
        read += 1
    return read, refused


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.mha", mha()),
        ("b.mha", compressed_mha()),
        ("a.nrrd", nrrd()),
        ("b.nrrd", gzipped_nrrd()),
        ("a.seg.nrrd", nrrd(NRRD[:-1] + SEGMENTS + "\n")),
    ],
)
def test_mutated_headers(tmp_path: Path, name: str, data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Read thousands of damaged headers. Plain voxels are not damaged, because they have no checksum."""
    header = len(data) - LABELS.size if name in {"a.mha", "a.nrrd", "a.seg.nrrd"} else None
    read, refused = check_right_labels_or_refused(tmp_path / name, corrupt.mutated(data, 900, upto=header))
    assert read > 20
    assert refused > 400
    flips = [(what, head + data[header:]) for what, head in corrupt.flipped(data[:header], 800)] if header else []
    check_right_labels_or_refused(tmp_path / name, flips)
    assert capfd.readouterr() == ("", "")


def test_impostors_are_named(tmp_path: Path) -> None:
    assert "found a MetaImage; name it .mha" in refusal(tmp_path / "a.nrrd", mha())
    assert "found an NRRD image; name it .nrrd" in refusal(tmp_path / "a.mha", nrrd())
    assert "run git lfs pull" in refusal(tmp_path / "a.mha", dict(corrupt.impostors())["a Git LFS pointer"])


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    zeros = bytes(1 << 26)
    huge_meta = header_of(MHA, DimSize="10000 10000 10000").replace("CompressedData = False", "CompressedData = True")
    huge_nrrd = header_of(NRRD, sizes="10000 10000 10000", encoding="gzip")
    bombs = {
        "a.mha": compressed_mha(zlib.compress(zeros)),
        "b.mha": huge_meta.encode() + zlib.compress(LABELS.tobytes()),
        "c.mha": mha(header_of(MHA, DimSize="10000 10000 10000")),
        "a.nrrd": gzipped_nrrd(gzip.compress(zeros)),
        "b.nrrd": gzipped_nrrd(gzip.compress(LABELS.tobytes()) + gzip.compress(zeros)),
        "c.nrrd": huge_nrrd.encode() + gzip.compress(LABELS.tobytes()),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "d.mha").write_bytes(b"NDims = 3\n" * 1_000_000)
    (tmp_path / "d.nrrd").write_bytes(b"NRRD0004\n" + b"a:=b\n" * 2_000_000)
    for name in [*bombs, "d.mha", "d.nrrd"]:
        tracemalloc.start()
        with pytest.raises(InputError):
            read_label_map(tmp_path / name)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < (5e7 if name.startswith("d") else 2e6), name


DETACHED_MHD = header_of(MHA, ElementDataFile="a.raw")
DETACHED_NHDR = NRRD[:-1] + "data file: a.raw\n"


def detached(folder: Path, data_file: str, *, name: str = "a.mhd") -> str:
    """Return the message about a header with this data file."""
    text = DETACHED_MHD if name.endswith(".mhd") else DETACHED_NHDR
    return refusal(folder / name, text.replace("a.raw", data_file).encode())


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_detached_data(tmp_path: Path, name: str) -> None:
    text = (DETACHED_MHD if name == "a.mhd" else DETACHED_NHDR).encode()
    (tmp_path / "a.raw").write_bytes(LABELS.tobytes())
    assert np.array_equal(read_bytes(tmp_path / name, text).labels, LABELS)
    assert np.array_equal(read_bytes(tmp_path / name, text.rstrip(b"\n")).labels, LABELS)
    (tmp_path / "a.raw").write_bytes(LABELS.tobytes()[:-1])
    assert "the file is cut short: the header needs 420 bytes, found 419" in refusal(tmp_path / name, text)
    (tmp_path / "a.raw").write_bytes(LABELS.tobytes() + b"\0")
    refusal(tmp_path / name, text)
    (tmp_path / "a.raw").write_bytes(b"")
    assert "the data file 'a.raw': the file is empty" in refusal(tmp_path / name, text)
    (tmp_path / "a.raw").unlink()
    assert "the data file 'a.raw': no such file" in refusal(tmp_path / name, text)


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_data_files_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "x.raw").write_bytes(LABELS.tobytes())
    for elsewhere in ("../x.raw", "/etc/passwd", str(folder / "x.raw"), "./x.raw", "..", ".", "a\\x.raw", "\\x.raw"):
        assert "the data file is not in the folder of the header" in detached(folder, elsewhere, name=name)
    (folder / "link.raw").symlink_to(tmp_path / "x.raw")
    assert "a symbolic link to another folder" in detached(folder, "link.raw", name=name)
    (folder / "passwd").symlink_to("/etc/passwd")
    assert "a symbolic link to another folder" in detached(folder, "passwd", name=name)
    (folder / "near.raw").symlink_to("x.raw")
    text = DETACHED_MHD if name == "a.mhd" else DETACHED_NHDR
    assert read_bytes(folder / name, text.replace("a.raw", "near.raw").encode()).labels.size == LABELS.size
    assert "the header names itself as the data file" in detached(folder, name, name=name)
    os.link(folder / name, folder / "same.raw")
    assert "the header names itself as the data file" in detached(folder, "same.raw", name=name)
    assert "a data file for each slice" in detached(folder, "x%03d.raw 1 7 1", name=name)
    (folder / "sub").mkdir()
    assert "expected a regular file, found a folder" in detached(folder, "sub", name=name)
    assert "the data file is not in the folder of the header" in detached(folder, "sub/", name=name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix feature")
@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_data_files_that_are_not_regular_files(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.raw")
    assert "expected a regular file, found a named pipe" in detached(tmp_path, "pipe.raw", name=name)
    os.mkfifo(tmp_path / "pipe.mhd")
    with pytest.raises(InputError, match="found a named pipe"):
        read_label_map(tmp_path / "pipe.mhd")


def test_headers_and_data_linked_from_one_folder(tmp_path: Path) -> None:
    """Workflow engines link their inputs like this."""
    store, stage = tmp_path / "store", tmp_path / "stage"
    store.mkdir()
    stage.mkdir()
    (store / "a.mhd").write_text(DETACHED_MHD)
    (store / "a.raw").write_bytes(LABELS.tobytes())
    for name in ("a.mhd", "a.raw"):
        (stage / name).symlink_to(store / name)
    assert np.array_equal(read_label_map(stage / "a.mhd").labels, LABELS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not allow these file names")
def test_odd_names(tmp_path: Path) -> None:
    for stem in ("a b", "ä", "%d", "a\nb", "x" * 240, "-", "日本"):
        image = sitk.GetImageFromArray(LABELS)
        sitk.WriteImage(image, str(tmp_path / "a.mha"))
        for suffix in (".mha", ".MHA"):
            path = tmp_path / (stem + suffix)
            path.write_bytes((tmp_path / "a.mha").read_bytes())
            assert np.array_equal(read_label_map(path).labels, LABELS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.raw", "use the .mhd or .nhdr header next to it, which states the size"),
        ("a.zraw", "use the .mhd header next to it"),
        ("a.raw.gz", "use the .nhdr header next to it"),
        ("a.mnc", "unknown file format '.mnc'; use .nii.gz"),
    ],
)
def test_other_suffixes(tmp_path: Path, name: str, said: str) -> None:
    assert said in refusal(tmp_path / name, LABELS.tobytes())


def test_other_readers_do_not_load_simpleitk() -> None:
    import subprocess

    code = "import sys, segeval.api, segeval.reading.nifti, segeval.reading.picture, segeval.reading.arrays;"
    code += "assert 'SimpleITK' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
