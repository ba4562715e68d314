"""Compare the grids of two label maps, and put a prediction on the grid of its reference.

Tools round the grids that they write, so that origins differ by a thousandth of a millimetre. Two grids are the same if
no voxel moves far between them. It is enough to check the corner voxels, which move farthest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segeval.errors import GeometryError
from segeval.maps.label_map import Grid, LabelMap
from segeval.maps.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between the grids of a prediction and a reference.

    Parameters
    ----------
    text
        The field that differs, with both values and the shift.
    same_shape
        Whether the shapes are the same, so that voxels can be compared one by one.
    """

    text: str
    same_shape: bool


def _written(values: tuple[float, ...]) -> str:
    """Write values that are in the order of the header, x first."""
    return "(" + ", ".join(f"{value + 0.0:.6g}" for value in values) + ")"  # no negative zero


def difference(prediction: Grid, reference: Grid, *, tolerance: float = 0.05) -> Difference | None:
    """Describe the difference between two grids, if there is one.

    Parameters
    ----------
    prediction, reference
        The grids.
    tolerance
        How far a corner voxel may move between the grids, in smallest spacings of the reference.

    Returns
    -------
    Difference or None
        None if the grids agree. If only one has physical coordinates, only the shapes are compared.
    """
    if prediction.shape != reference.shape:
        one, other = (" x ".join(map(str, grid.shape[::-1])) for grid in (prediction, reference))
        pictures = all(grid.ndim == 2 and grid.unit == "px" for grid in (prediction, reference))
        what = "the pictures differ in size" if pictures else "the grids differ"
        unit = "pixels" if pictures else "voxels"
        return Difference(text=f"{what}: prediction {one}, reference {other} {unit}", same_shape=False)
    if prediction.unit != reference.unit:
        return None
    shift = _shift(prediction, reference)
    allowed = tolerance * min(reference.spacing)
    if shift <= allowed:
        return None
    # report the field that alone moves the corners farthest
    shifts = {
        "spacings": _shift(replace(reference, spacing=prediction.spacing), reference),
        "directions": _shift(replace(reference, direction=prediction.direction), reference),
        "origins": _shift(replace(reference, origin=prediction.origin), reference),
    }
    field = max(shifts, key=lambda name: shifts[name])
    values = [
        {"spacings": _written(grid.spacing[::-1]), "directions": _axes(grid), "origins": _written(grid.origin)}[field]
        for grid in (prediction, reference)
    ]
    return Difference(
        text=f"the {field} differ: prediction {values[0]}, reference {values[1]}; a corner voxel moves by "
        f"{shift:.4g} {reference.unit}, at most {allowed:.4g} {reference.unit} is allowed",
        same_shape=True,
    )


def _shift(one: Grid, other: Grid) -> float:
    """Return the largest distance by which a corner voxel moves."""
    return float(np.linalg.norm(one.corners() - other.corners(), axis=1).max())


def _axes(grid: Grid) -> str:
    """Write the world vector of each axis, x first."""
    return " ".join(_written(axis) for axis in grid.direction[::-1])


def reconcile(
    prediction: LabelMap, reference: LabelMap, *, policy: Policy = "strict", tolerance: float = 0.05
) -> tuple[LabelMap, str | None]:
    """Put a prediction on the grid of its reference.

    Parameters
    ----------
    prediction, reference
        The maps.
    policy
        ``"strict"`` refuses different grids. ``"warn"`` uses the grid of the reference if the shapes are the same.
        ``"resample"`` takes the nearest prediction voxel for each reference voxel, and 0 outside the prediction.
    tolerance
        See `difference`.

    Returns
    -------
    LabelMap
        The prediction on the grid of the reference.
    str or None
        A warning for the user.

    Raises
    ------
    GeometryError
        The grids differ, and the policy does not allow that.
    """
    found = difference(prediction.grid, reference.grid, tolerance=tolerance)
    if found is None:
        one_sided = prediction.grid.unit != reference.grid.unit
        warning = "only one of the maps has a physical spacing; the reference's grid is used" if one_sided else None
        return replace(prediction, grid=reference.grid), warning
    if policy == "resample":
        if not _resamplable(prediction.grid, reference.grid):
            needs = "resampling needs the same unit (mm or px) and the same number of axes in both maps"
            raise GeometryError(found.text, source=prediction.source, hint=needs)
        return _resampled(prediction, reference.grid), f"the prediction was resampled (nearest neighbour): {found.text}"
    if policy == "warn" and found.same_shape:
        return replace(prediction, grid=reference.grid), f"scored voxel by voxel although {found.text}"
    physical = reference.grid.unit == "mm" and _resamplable(prediction.grid, reference.grid)
    hint: str | None = "to resample the prediction (nearest neighbour): --geometry resample" if physical else None
    if found.same_shape:
        hint = (
            "to compare voxel by voxel: --geometry warn; to resample the prediction (nearest neighbour): "
            "--geometry resample"
        )
    raise GeometryError(found.text, source=prediction.source, hint=hint)


def _resamplable(prediction: Grid, reference: Grid) -> bool:
    """Whether both grids have the same unit and number of axes."""
    return prediction.unit == reference.unit and prediction.ndim == reference.ndim


def _resampled(prediction: LabelMap, grid: Grid) -> LabelMap:
    from scipy.ndimage import affine_transform  # imported here because it is slow and rarely needed

    to_world, from_world = grid.affine(), prediction.grid.affine()
    steps = np.linalg.pinv(from_world[:, :-1])  # 2-D grids span a plane of the world
    offset = to_world[:, -1] - from_world[:, -1]
    distance = float(np.linalg.norm(offset - from_world[:, :-1] @ (steps @ offset)))
    if distance > min(grid.spacing) / 2:
        problem = f"the slices are {distance:.4g} {grid.unit} apart: prediction and reference are not in one plane"
        raise GeometryError(problem, source=prediction.source, hint="check that they are the same slice")
    # the transform computes in float64, which is exact only for labels below 2 ** 53
    values, codes = prediction.labels[:0].ravel(), prediction.labels
    if codes.dtype.itemsize == 8:
        values = np.union1d(np.zeros(1, codes.dtype), codes)
        codes = np.searchsorted(values, codes).astype(np.uint32)
    moved = affine_transform(
        codes,
        steps @ to_world[:, :-1],
        offset=steps @ offset,
        output_shape=grid.shape,
        order=0,
        mode="grid-constant",
        cval=0,
    )
    return replace(prediction, labels=values[moved] if values.size else moved, grid=grid)
