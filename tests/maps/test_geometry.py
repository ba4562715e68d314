"""Comparing two grids: how far a voxel moves between them, and the three policies for different grids."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

import segeval
from segeval.errors import GeometryError, InputError, UsageError
from segeval.maps.geometry import difference, reconcile
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan

Array = NDArray[Any]

GRID = Grid(shape=(4, 5, 6), spacing=(3.0, 0.5, 0.75), origin=(-10.0, 20.0, 5.0))


def turned(grid: Grid, degrees: float) -> Grid:
    """Return the grid rotated about the z axis of the world, and slightly about its x axis."""
    a, b = math.radians(degrees), math.radians(degrees / 3)
    about_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    axes = (about_z @ about_x @ np.array(grid.direction).T).T.tolist()
    return replace(grid, direction=tuple((x, y, z) for x, y, z in axes))


def moved(grid: Grid, x: float = 0, y: float = 0, z: float = 0) -> Grid:
    a, b, c = grid.origin
    return replace(grid, origin=(a + x, b + y, c + z))


def on(grid: Grid, labels: Array | None = None) -> LabelMap:
    values = np.ones(grid.shape, np.uint8) if labels is None else labels
    return LabelMap(labels=as_labels(values, source="test"), grid=grid, source="test.nii")


def test_the_last_axis_runs_along_x() -> None:
    np.testing.assert_allclose(GRID.affine() @ [1, 0, 0, 1], [-10, 20, 5 + 3])
    np.testing.assert_allclose(GRID.affine() @ [0, 1, 0, 1], [-10, 20 + 0.5, 5])
    np.testing.assert_allclose(GRID.affine() @ [0, 0, 1, 1], [-10 + 0.75, 20, 5])
    flat = Grid(shape=(5, 6), spacing=(0.5, 0.75))
    np.testing.assert_allclose(flat.affine() @ [1, 1, 1], [0.75, 0.5, 0])


def test_the_corners_are_those_of_the_image() -> None:
    corners = GRID.corners()
    assert corners.shape == (8, 3)
    np.testing.assert_allclose(corners.min(axis=0), [-10, 20, 5])
    np.testing.assert_allclose(corners.max(axis=0), [-10 + 5 * 0.75, 20 + 4 * 0.5, 5 + 3 * 3])


def test_volumes_and_diagonals_follow_the_spacing() -> None:
    assert GRID.voxel_volume_mm3 == 3 * 0.5 * 0.75
    assert GRID.diagonal == math.sqrt((4 * 3) ** 2 + (5 * 0.5) ** 2 + (6 * 0.75) ** 2)
    assert replace(GRID, unit="px").voxel_volume_mm3 is None
    assert GRID.without_axis(0).voxel_volume_mm3 is None


def test_equal_grids_agree() -> None:
    assert difference(GRID, GRID) is None
    assert difference(turned(GRID, 30), turned(GRID, 30)) is None


def test_origins_that_differ_by_rounding_agree() -> None:
    near = moved(GRID, x=6e-4, y=-6e-4)
    assert difference(near, GRID) is None
    prediction, warning = reconcile(on(near), on(GRID))
    assert prediction.grid == GRID
    assert warning is None


def test_a_shift_of_one_voxel_is_refused_with_the_shift() -> None:
    far = moved(GRID, x=0.75)
    with pytest.raises(GeometryError, match=r"the origins differ: prediction \(-9.25, 20, 5\), reference") as caught:
        reconcile(on(far), on(GRID))
    message = str(caught.value)
    assert "moves by 0.75 mm" in message
    assert "at most 0.025 mm is allowed" in message
    assert "--geometry warn" in message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("tolerance", "agree"), [(0.05, False), (0.9, False), (1.1, True), (0, False)])
def test_the_tolerance_is_in_smallest_spacings(tolerance: float, agree: bool) -> None:
    assert (difference(moved(GRID, z=0.5), GRID, tolerance=tolerance) is None) is agree


def test_a_flipped_direction_is_refused() -> None:
    z, y, _ = GRID.direction
    flipped = replace(GRID, direction=(z, y, (-1.0, 0.0, 0.0)))
    found = difference(flipped, GRID)
    assert found is not None
    assert found.same_shape
    assert "the directions differ: prediction (-1, 0, 0) (0, 1, 0) (0, 0, 1), reference (1, 0, 0)" in found.text
    assert f"moves by {2 * 5 * 0.75:.4g} mm" in found.text


def test_a_tilt_is_seen_at_the_far_corner() -> None:
    wide = replace(GRID, shape=(400, 500, 600))
    tilted = turned(wide, 0.01)
    found = difference(tilted, wide)
    assert found is not None
    assert difference(turned(GRID, 0.01), GRID) is None


def test_spacings_that_differ_are_named() -> None:
    found = difference(replace(GRID, spacing=(3.0, 0.5, 0.8)), GRID)
    assert found is not None
    assert "the spacings differ: prediction (0.8, 0.5, 3), reference (0.75, 0.5, 3)" in found.text
    assert f"moves by {5 * 0.05:.4g} mm" in found.text


def test_shapes_that_differ_are_named_in_the_order_of_the_header() -> None:
    found = difference(replace(GRID, shape=(4, 5, 7)), GRID)
    assert found is not None
    assert not found.same_shape
    assert found.text == "the grids differ: prediction 7 x 5 x 4, reference 6 x 5 x 4 voxels"


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="the pictures differ in size: prediction 4 x 3, reference 3 x 4 pixels"):
        segeval.score(prediction=np.ones((3, 4), int), reference=np.ones((4, 3), int))


@pytest.mark.parametrize("policy", ["strict", "warn"])
def test_shapes_that_differ_are_never_scored_voxel_by_voxel(policy: Any) -> None:
    other = replace(GRID, shape=(4, 5, 7))
    with pytest.raises(GeometryError, match="--geometry resample"):
        reconcile(on(other), on(GRID), policy=policy)


def test_warn_goes_on_with_the_grid_of_the_reference() -> None:
    prediction, warning = reconcile(on(moved(GRID, y=4)), on(GRID), policy="warn")
    assert prediction.grid == GRID
    assert warning is not None
    assert "the origins differ" in warning
    assert "a corner voxel moves by 4 mm" in warning


def test_only_shapes_are_compared_if_only_one_map_has_a_spacing() -> None:
    picture = Grid(shape=GRID.shape, spacing=(1, 1, 1), unit="px")
    prediction, warning = reconcile(on(picture), on(GRID))
    assert prediction.grid == GRID
    assert warning is not None
    assert "only one of the maps has a physical spacing" in warning
    with pytest.raises(GeometryError):
        reconcile(on(replace(picture, shape=(4, 5, 7))), on(GRID), policy="resample")


toolkit: Any = sitk  # its stubs are half typed


def as_image(label_map: LabelMap) -> Any:
    """Return the same map for SimpleITK, whose world axes are left, back and up."""
    image = toolkit.GetImageFromArray(np.array(label_map.labels))
    to_lps = np.diag([-1.0, -1.0, 1.0])
    grid = label_map.grid
    image.SetSpacing(grid.spacing[::-1])
    image.SetOrigin((to_lps @ grid.origin).tolist())
    image.SetDirection((to_lps @ np.array(grid.direction[::-1]).T).ravel().tolist())
    return image


@pytest.mark.parametrize("degrees", [0, 7, 33, 140])
@pytest.mark.parametrize("shape", [(9, 30, 20), (14, 18, 25)])
def test_resampling_takes_the_voxels_that_simpleitk_takes(degrees: float, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    start = Grid(shape=shape, spacing=(2.1, 0.7, 0.9), origin=(3.3, -2.2, 1.1))
    source = on(turned(start, degrees), rng.integers(0, 5, shape))
    target = on(Grid(shape=(10, 24, 22), spacing=(1.9, 0.8, 1.03), origin=(1.07, -3.13, 2.29)))
    found, warning = reconcile(source, target, policy="resample")
    images, nearest = (as_image(source), as_image(target)), toolkit.sitkNearestNeighbor
    expected = toolkit.Resample(*images, toolkit.Transform(), nearest, 0)
    np.testing.assert_array_equal(found.labels, toolkit.GetArrayFromImage(expected))
    assert found.labels.any()
    assert found.grid == target.grid
    assert warning is not None
    assert "resampled (nearest neighbour)" in warning


def test_resampling_onto_finer_voxels_repeats_them() -> None:
    coarse = Grid(shape=(2, 3), spacing=(2.0, 2.0), origin=(0, 0, 0))
    fine = Grid(shape=(4, 6), spacing=(1.0, 1.0), origin=(-0.5, -0.5, 0))
    labels = np.array([[1, 2, 3], [4, 5, 6]])
    found, _ = reconcile(on(coarse, labels), on(fine), policy="resample")
    np.testing.assert_array_equal(found.labels, labels.repeat(2, axis=0).repeat(2, axis=1))


def test_a_slice_in_another_plane_is_not_moved_into_the_plane() -> None:
    here = Grid(shape=(5, 6), spacing=(1.0, 1.0), origin=(0, 0, 0))
    try:
        found, _ = reconcile(on(moved(here, z=50)), on(here), policy="resample")
    except GeometryError:
        return
    assert not found.labels.any()


def test_resampling_a_picture_of_another_shape_keeps_its_place() -> None:
    labels = np.arange(1, 13).reshape(3, 4)
    picture = Grid(shape=(3, 4), spacing=(1, 1), unit="px")
    found, _ = reconcile(on(picture, labels), on(replace(picture, shape=(4, 3))), policy="resample")
    np.testing.assert_array_equal(found.labels, [[1, 2, 3], [5, 6, 7], [9, 10, 11], [0, 0, 0]])


@pytest.mark.parametrize("label", [70_000, 2**40, 2**53 + 1, 2**63 + 1])
def test_resampling_keeps_labels_as_they_are(label: int) -> None:
    labels = np.full(GRID.shape, label, np.uint64)
    found, _ = reconcile(on(GRID, labels), on(moved(GRID, x=0.75)), policy="resample")
    assert set(np.unique(found.labels).tolist()) == {0, label}


def test_a_spacing_that_is_given_replaces_that_of_both() -> None:
    plan = Plan(spacing=(5.0, 1.0, 1.0))
    pair, _, warnings = compare(on(replace(GRID, spacing=(3.0, 0.6, 0.75))), on(GRID), plan)
    assert pair.grid.spacing == (5.0, 1.0, 1.0)
    assert not warnings
    assert "spacing given 1 x 1 x 5" in plan.signature({(3, "mm")})


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 1.0, 1.0, 1.0)])
def test_a_spacing_has_a_number_for_each_axis(spacing: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="spacing needs 3 numbers, one for each axis"):
        compare(on(GRID), on(GRID), Plan(spacing=spacing))


@pytest.mark.parametrize("step", [0, -1, math.nan, math.inf])
def test_a_spacing_is_positive(step: float) -> None:
    with pytest.raises(UsageError, match="spacing must be positive"):
        segeval.score(prediction=np.ones((2, 2), int), reference=np.ones((2, 2), int), spacing=(1, step))
