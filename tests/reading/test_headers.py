"""The geometry of MetaImage and NRRD headers is exactly that of SimpleITK; impossible geometry is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK

from segeval.reading import read_label_map
from tests.reading.test_damage import refusal
from tests.reading.test_volume import LABELS, MHA, NRRD, TILTED, header_of, mha, nrrd, without

if TYPE_CHECKING:
    from pathlib import Path

sitk: Any = SimpleITK  # it has no types

TO_LPS = np.array([-1.0, -1.0, 1.0])
OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.7, 2.3).GetMatrix()
FLIPPED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CYCLIC = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
MATRICES = {"oblique": OBLIQUE, "tilted": TILTED, "flipped": FLIPPED, "cyclic": CYCLIC, "identity": IDENTITY}
SPACINGS = ((1.0, 1.0, 1.0), (0.1, 0.7, 5.000001), (1e-3, 333.3, 1 / 3))
ORIGIN = (-123.456, 1 / 3, 1e5)


def text_of(numbers: Any) -> str:
    return " ".join(map(repr, map(float, numbers)))


def vector(numbers: Any) -> str:
    return f"({','.join(map(repr, map(float, numbers)))})"


def assert_geometry_of_simpleitk(path: Path, *, mm_per_unit: float = 1.0) -> None:
    """SimpleITK ignores units, and nothing else."""
    grid, image = read_label_map(path).grid, sitk.ReadImage(str(path))
    rank = min(image.GetDimension(), 3)
    assert grid.unit == "mm"
    assert grid.spacing[::-1][:rank] == tuple(mm_per_unit * step for step in image.GetSpacing()[:rank])
    origin = tuple((TO_LPS * grid.origin).tolist())
    assert origin[:rank] == tuple(mm_per_unit * number for number in image.GetOrigin()[:rank])
    direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)[:rank, :rank]
    assert np.array_equal((np.array(grid.direction[::-1]) * TO_LPS).T[:rank, :rank], direction)
    assert grid.spacing[: 3 - rank] == (1.0,) * (3 - rank)
    assert origin[rank:] == (0.0,) * (3 - rank)


def placed(matrix: Any, spacing: Any) -> str:
    return header_of(MHA, TransformMatrix=text_of(matrix), ElementSpacing=text_of(spacing), Offset=text_of(ORIGIN))


_PLANE = header_of(MHA, NDims="2", DimSize="10 42", TransformMatrix="0 1 -1 0", Offset="0.1 -7", ElementSpacing="0.3 2")
_SERIES = header_of(
    header_of(MHA, NDims="4", DimSize="10 6 7 1", Offset="1.5 -2 3e1 5", ElementSpacing="0.5 1.5 2 9"),
    TransformMatrix="0 1 0 0 -1 0 0 0 0 0 1 0 0 0 0 1",
    CenterOfRotation="0 0 0 0",
)
META = {
    **{f"{name} {spacing}": placed(matrix, spacing) for name, matrix in MATRICES.items() for spacing in SPACINGS},
    "plane": _PLANE,
    "plane, bare": without(without(without(_PLANE, "Offset"), "TransformMatrix"), "ElementSpacing"),
    "series": _SERIES,
    "series, bare": without(without(without(_SERIES, "Offset"), "TransformMatrix"), "ElementSpacing"),
    **{f"without {field}": without(MHA, field) for field in ("Offset", "TransformMatrix", "ElementSpacing")},
    **{f"by {field}": MHA.replace("Offset", field) for field in ("Position", "Origin")},
    **{
        f"by {field}": placed(OBLIQUE, SPACINGS[1]).replace("TransformMatrix", field)
        for field in ("Rotation", "Orientation")
    },
    "by ElementSize": MHA.replace("ElementSpacing", "ElementSize"),
    "spacing before size": MHA.replace("ElementSpacing", "ElementSize = 9 8 7\nElementSpacing"),
    "size before spacing": MHA.replace("DimSize", "ElementSize = 9 8 7\nDimSize"),
    "other centre": header_of(MHA, CenterOfRotation="5 6 7"),
}


@pytest.mark.parametrize("header", META.values(), ids=META)
def test_metaimage(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.mha").write_bytes(mha(header))
    assert_geometry_of_simpleitk(tmp_path / "a.mha")


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("um", 0.001), ("cm", 10.0), ("?", 1.0)])
def test_units_of_metaimage(tmp_path: Path, unit: str, mm: float) -> None:
    header = placed(OBLIQUE, SPACINGS[1]).replace("DimSize", f"DistanceUnits = {unit}\nDimSize")
    (tmp_path / "a.mha").write_bytes(mha(header))
    assert_geometry_of_simpleitk(tmp_path / "a.mha", mm_per_unit=mm)


def directed(matrix: Any, spacing: Any, **fields: str) -> str:
    """Columns of the matrix are the directions of the axes."""
    columns = (np.reshape(matrix, (3, 3)) * spacing).T
    return header_of(
        NRRD, **{"space_directions": " ".join(map(vector, columns)), "space_origin": vector(ORIGIN), **fields}
    )


_BARE = without(NRRD, "space")  # and all other fields that start with it
_FLAT = header_of(_BARE, dimension="2", sizes="10 42", kinds="domain domain")


def with_line(header: str, *lines: str) -> str:
    return header.replace("encoding", "".join(f"{line}\n" for line in lines) + "encoding")


NRRDS = {
    **{f"{name} {spacing}": directed(matrix, spacing) for name, matrix in MATRICES.items() for spacing in SPACINGS},
    **{
        space: directed(OBLIQUE, SPACINGS[1], space=space)
        for space in (
            *("right-anterior-superior", "RAS", "left-anterior-superior", "LAS", "left-posterior-superior", "LPS"),
            *("scanner-xyz", "3D-right-handed", "3D-left-handed"),
        )
    },
    "space dimension": directed(OBLIQUE, SPACINGS[2]).replace("space: left-posterior-superior", "space dimension: 3"),
    "no origin": without(directed(OBLIQUE, SPACINGS[1]), "space origin"),
    "RAS, no origin": without(directed(OBLIQUE, SPACINGS[1], space="RAS"), "space origin"),
    "origin alone": without(NRRD, "space directions"),
    "RAS, origin alone": header_of(without(NRRD, "space directions"), space="RAS"),
    "space alone": without(without(NRRD, "space directions"), "space origin"),
    "nothing": _BARE,
    "spacings": with_line(_BARE, "spacings: 0.1 0.7 5.000001"),
    "spacings, minima": with_line(_BARE, "spacings: 0.1 0.7 5.000001", "axis mins: 1.1 -2.2 3e-3"),
    "minima alone": with_line(_BARE, "axis mins: 1.1 -2.2 3e-3"),
    **{
        f"centred: {centres}": with_line(
            _BARE, "spacings: 0.1 0.7 5", "axis mins: 1.1 -2.2 3", f"centerings: {centres}"
        )
        for centres in ("node node node", "cell cell cell", "cell node ???")
    },
    "layer of one, first": header_of(
        NRRD,
        dimension="4",
        sizes="1 10 6 7",
        kinds="list domain domain domain",
        space_directions="none (0,0.5,0) (1.5,0,0) (0,0,2)",
    ),
    "layer of one, last": header_of(
        NRRD,
        dimension="4",
        sizes="10 6 7 1",
        kinds="domain domain domain list",
        space_directions="(0,0.5,0) (1.5,0,0) (0,0,2) none",
    ),
    "plane": _FLAT,
    "plane, spacings": with_line(_FLAT, "spacings: 0.3 2", "axis mins: 0.1 -7"),
    "plane, directions": with_line(
        _FLAT, "space dimension: 2", "space directions: (0,0.3) (-2,0)", "space origin: (0.1,-7)"
    ),
}


@pytest.mark.parametrize("header", NRRDS.values(), ids=NRRDS)
def test_nrrd(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(nrrd(header))
    assert_geometry_of_simpleitk(tmp_path / "a.nrrd")


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("um", 0.001), ("cm", 10.0), ("m", 1000.0), ("furlong", 1.0)])
def test_units_of_nrrd(tmp_path: Path, unit: str, mm: float) -> None:
    header = with_line(directed(OBLIQUE, SPACINGS[1], space="RAS"), f'space units: "{unit}" "{unit}" "{unit}"')
    (tmp_path / "a.nrrd").write_bytes(nrrd(header))
    assert_geometry_of_simpleitk(tmp_path / "a.nrrd", mm_per_unit=mm)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "the axes are not vectors of length 1"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 1 0"}, "the axes lie in a plane"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, "expected 9 numbers in 'TransformMatrix', found '1 0 0 0 1 0 0 0'"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 inf"}, "expected 9 numbers in 'TransformMatrix'"),
        ({"ElementSpacing": "1 0 1"}, "expected positive voxel sizes, found 1 x 0 x 1"),
        ({"ElementSpacing": "1 1 -2"}, "expected positive voxel sizes, found 1 x 1 x -2"),
        ({"ElementSpacing": "1 nan 1"}, "expected 3 numbers in 'ElementSpacing', found '1 nan 1'"),
        ({"ElementSpacing": "1 1"}, "expected 3 numbers in 'ElementSpacing', found '1 1'"),
        ({"Offset": "1 2 inf"}, "expected 3 numbers in 'Offset', found '1 2 inf'"),
        ({"Offset": "1 2 3 4"}, "expected 3 numbers in 'Offset', found '1 2 3 4'"),
    ],
)
def test_impossible_geometry_of_metaimage(tmp_path: Path, fields: dict[str, str], said: str) -> None:
    assert f"the header is damaged: {said}" in refusal(tmp_path / "a.mha", mha(header_of(MHA, **fields)))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (header_of(NRRD, space_directions="(0,0,0) (0,1,0) (0,0,1)"), "expected positive voxel sizes, found 0 x 1 x 1"),
        (header_of(NRRD, space_directions="(1,0,0) (0,1,0) (1,1,0)"), "the axes lie in a plane"),
        (header_of(NRRD, space_directions="(1,0,0) (0,1,0) (0,0)"), "expected 3 numbers in 'space directions'"),
        (header_of(NRRD, space_directions="(1,0,0) (0,1,0)"), "expected 3 vectors in 'space directions'"),
        (header_of(NRRD, space_directions="(1,0,0) (0,1,0) (0,0,nan)"), "expected 3 numbers in 'space directions'"),
        (header_of(NRRD, space_directions="(1e200,0,0) (0,1,0) (0,0,1)"), "expected positive voxel sizes, found inf"),
        (header_of(NRRD, space_origin="(1,2)"), "expected 3 numbers in 'space origin', found '(1,2)'"),
        (header_of(NRRD, space_origin="(1,2,inf)"), "expected 3 numbers in 'space origin', found '(1,2,inf)'"),
        (with_line(_BARE, "spacings: 1 0 1"), "expected positive voxel sizes, found 1 x 0 x 1"),
        (with_line(_BARE, "spacings: 1 -1 1"), "expected positive voxel sizes, found 1 x -1 x 1"),
        (with_line(_BARE, "spacings: 1 nan 1"), "expected 3 numbers in 'spacings', found '1 nan 1'"),
        (with_line(_BARE, "spacings: 1 1"), "expected 3 numbers in 'spacings', found '1 1'"),
        (with_line(_BARE, "axis mins: 1 2"), "expected 3 numbers in 'axis mins', found '1 2'"),
        (with_line(_FLAT, "space: LPS"), "the space has 3 dimensions, the image 2"),
        (with_line(NRRD, "axis mins: 1 2 3"), "both 'space directions' and 'axis mins' are given"),
    ],
)
def test_impossible_geometry_of_nrrd(tmp_path: Path, header: str, said: str) -> None:
    values = LABELS + np.uint8(20)  # no byte is a newline
    assert f"the header is damaged: {said}" in refusal(tmp_path / "a.nrrd", nrrd(header, values))
