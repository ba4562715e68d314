"""Whether two label maps lie on the same grid, and what to do where they do not.

Tools write the same grid with rounding: origins that differ by a thousandth of a millimetre. What counts is how far a
voxel moves from one grid to the other, and the corner voxels move farthest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segeval.errors import GeometryError
from segeval.maps.label_map import Grid, LabelMap
from segeval.maps.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the prediction's grid differs from the reference's.

    Parameters
    ----------
    text
        The field that differs, with both values and the shift.
    same_shape
        Whether voxels can be compared one by one all the same.
    """

    text: str
    same_shape: bool


def _words(values: tuple[float, ...]) -> str:
    """Values in the header's axis order, x first."""
    return "(" + ", ".join(f"{value + 0.0:.6g}" for value in values) + ")"  # no negative zero


def difference(prediction: Grid, reference: Grid, *, tolerance: float = 0.05) -> Difference | None:
    """What keeps two grids apart, or None where they agree.

    Parameters
    ----------
    prediction, reference
        The grids.
    tolerance
        How far a corner voxel may move from one to the other, in smallest spacings of the reference.

    Returns
    -------
    Difference or None
        None also where only one of them has physical coordinates: then the shapes decide.
    """
    if prediction.shape != reference.shape:
        sizes = (" x ".join(map(str, grid.shape[::-1])) for grid in (prediction, reference))
        return Difference(text="shapes differ: prediction {}, reference {} voxels".format(*sizes), same_shape=False)
    if prediction.unit != reference.unit:
        return None
    shift = _shift(prediction, reference)
    allowed = tolerance * min(reference.spacing)
    if shift <= allowed:
        return None
    # the field that alone would move the corners farthest is the one to name
    apart = {
        "spacings": _shift(replace(reference, spacing=prediction.spacing), reference),
        "directions": _shift(replace(reference, direction=prediction.direction), reference),
        "origins": _shift(replace(reference, origin=prediction.origin), reference),
    }
    field = max(apart, key=lambda name: apart[name])
    values = [
        {"spacings": _words(grid.spacing[::-1]), "directions": _axes(grid), "origins": _words(grid.origin)}[field]
        for grid in (prediction, reference)
    ]
    unit = reference.unit
    return Difference(
        text=f"{field} differ: prediction {values[0]}, reference {values[1]}; a corner voxel moves by "
        f"{shift:.4g} {unit}, {allowed:.4g} {unit} are allowed",
        same_shape=True,
    )


def _shift(one: Grid, other: Grid) -> float:
    """How far the corner voxel moves that moves farthest."""
    return float(np.linalg.norm(one.corners() - other.corners(), axis=1).max())


def _axes(grid: Grid) -> str:
    """The world vector of each axis, x first."""
    return " ".join(_words(axis) for axis in grid.direction[::-1])


def reconcile(
    prediction: LabelMap, reference: LabelMap, *, policy: Policy = "strict", tolerance: float = 0.05
) -> tuple[LabelMap, str | None]:
    """Bring the prediction onto the reference's grid.

    Parameters
    ----------
    prediction, reference
        The maps.
    policy
        ``"strict"`` refuses grids that differ, ``"warn"`` goes on with the reference's grid where the shapes are the
        same, ``"resample"`` takes for each reference voxel the prediction's nearest one, 0 outside of it.
    tolerance
        See `difference`.

    Returns
    -------
    LabelMap
        The prediction on the reference's grid.
    str or None
        What a user should be warned of.

    Raises
    ------
    GeometryError
        The grids differ and the policy does not say what to do.
    """
    found = difference(prediction.grid, reference.grid, tolerance=tolerance)
    if found is None:
        one_sided = prediction.grid.unit != reference.grid.unit
        warning = "only one of the maps has a physical spacing; the reference's grid counts" if one_sided else None
        return replace(prediction, grid=reference.grid), warning
    if policy == "resample":
        if not _resamplable(prediction.grid, reference.grid):
            raise GeometryError(found.text, source=prediction.source, hint="it cannot be resampled: no common space")
        return _resampled(prediction, reference.grid), f"the prediction was resampled (nearest voxel): {found.text}"
    if policy == "warn" and found.same_shape:
        return replace(
            prediction, grid=reference.grid
        ), f"scored voxel by voxel on the reference's grid though {found.text}"
    physical = reference.grid.unit == "mm" and _resamplable(prediction.grid, reference.grid)
    hint = "--geometry resample takes the nearest voxel" if physical else None
    if found.same_shape:
        hint = "--geometry warn goes on voxel by voxel, --geometry resample takes the nearest voxel"
    raise GeometryError(found.text, source=prediction.source, hint=hint)


def _resamplable(prediction: Grid, reference: Grid) -> bool:
    """Whether both lie in one space."""
    return prediction.unit == reference.unit and prediction.ndim == reference.ndim


def _resampled(prediction: LabelMap, grid: Grid) -> LabelMap:
    from scipy.ndimage import affine_transform  # deferred: few need it

    to_world, from_world = grid.affine(), prediction.grid.affine()
    steps = np.linalg.pinv(from_world[:, :-1])  # 2-D grids span a plane of the world
    offset = to_world[:, -1] - from_world[:, -1]
    apart = float(np.linalg.norm(offset - from_world[:, :-1] @ (steps @ offset)))
    if apart > min(grid.spacing) / 2:
        raise GeometryError(f"the two slices lie {apart:.4g} {grid.unit} apart", source=prediction.source)
    # the transform computes in float64, which keeps labels below 2 ** 53 and positions among the labels always
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
