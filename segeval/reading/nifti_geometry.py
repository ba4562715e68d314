"""Compute the grid of a NIfTI file, in RAS millimetres: from the sform, else the qform, else the voxel sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from segeval.maps.label_map import Grid
from segeval.reading.headers import damaged

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

Affine = NDArray[np.float64]

COPY_GEOMETRY = "copy the geometry from the scan that was segmented"
TOLERANCE = 0.05  # share of the smallest spacing: sform and qform may differ by rounding

_MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # by xyzt_units: metres, micrometres; any other unit is read as mm


def grid_of(fields: Nifti1Header, shape: tuple[int, int, int], *, source: str) -> Grid:
    """Return the grid in mm; array axes are those of NIfTI in reverse order.

    Parameters
    ----------
    fields
        The header. Missing values of its geometry are filled in.
    shape
        Number of voxels along (z, y, x).
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        The header is damaged.
    """
    affine = _affine(fields, source)
    if not np.isfinite(affine).all():
        raise damaged("the affine is not finite", source=source)
    columns = _with_missing_axes(affine[:3, :3], shape[::-1])
    spacing = [math.hypot(*column) for column in columns.T.tolist()]
    if not all(step > 0 and math.isfinite(step) for step in spacing):
        sizes = " x ".join(f"{step:g}" for step in spacing)
        raise damaged(f"expected positive voxel sizes, found {sizes}", source=source)
    axes = columns / spacing
    if abs(np.linalg.det(axes)) < 1e-6:
        raise damaged("the axes of the affine lie in a plane", source=source, hint=COPY_GEOMETRY)
    x, y, z = affine[:3, 3].tolist()
    return Grid(
        shape=shape,
        spacing=tuple(spacing[::-1]),
        origin=(x, y, z),
        direction=tuple((float(a), float(b), float(c)) for a, b, c in axes.T[::-1].tolist()),
        unit="mm",
    )


def _affine(fields: Nifti1Header, source: str) -> Affine:
    """Return the affine in mm: from the sform, else the qform, else the voxel sizes."""
    _check_codes(fields, source)
    if not fields["sform_code"].item():
        _check_voxel_sizes(fields, source)
        handedness = fields["pixdim"][0].item()
        fields["pixdim"][0] = -1 if handedness < 0 else 1  # the format allows 1 and -1; 0 and others mean 1 in practice
    scale = _MM_PER_UNIT.get(fields["xyzt_units"].item() & 7, 1.0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused later
            affine = np.asarray(fields.get_best_affine(), np.float64)  # type: ignore[no-untyped-call]
            return affine * scale
    except (HeaderDataError, ValueError) as error:
        raise damaged(f"the qform has no orientation ({error})", source=source) from None


def disagreement(fields: Nifti1Header, grid: Grid) -> tuple[str, ...]:
    """Return a remark if sform and qform differ, because other tools may use the other one."""
    if not (fields["sform_code"].item() and fields["qform_code"].item()):
        return ()
    fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
    scale = _MM_PER_UNIT.get(fields["xyzt_units"].item() & 7, 1.0)
    with np.errstate(all="ignore"):
        try:
            sform, qform = (np.asarray(form, np.float64) for form in (fields.get_sform(), fields.get_qform()))  # type: ignore[no-untyped-call]
        except (HeaderDataError, ValueError):
            return ("the qform is damaged; segeval uses the sform",)
        ends = np.array(np.meshgrid(*[(0, size - 1) for size in grid.shape[::-1]])).reshape(3, -1)
        moved = (sform - qform)[:3] @ np.vstack([ends, np.ones(ends.shape[1])])
        apart = float(np.linalg.norm(moved, axis=0).max()) * scale
    if apart <= TOLERANCE * min(grid.spacing):
        return ()
    return (f"sform and qform differ by up to {apart:.4g} mm; segeval uses the sform, other tools may use the qform",)


def _check_codes(fields: Nifti1Header, source: str) -> None:
    for name in ("sform_code", "qform_code"):
        code = fields[name].item()
        if code < 0:
            raise damaged(f"expected {name} of at least 0, found {code}", source=source)


def _check_voxel_sizes(fields: Nifti1Header, source: str) -> None:
    """Refuse voxel sizes that are not positive; set those of missing axes to 1."""
    rank = min(3, int(fields["dim"][0]))
    sizes = fields["pixdim"]
    used = sizes[1 : rank + 1].tolist()
    if not all(math.isfinite(size) and size > 0 for size in used):
        found = " x ".join(f"{size:g}" for size in used)
        raise damaged(f"expected positive voxel sizes, found {found}", source=source, hint=COPY_GEOMETRY)
    sizes[rank + 1 : 4] = 1


def _with_missing_axes(columns: Affine, sizes: tuple[int, ...]) -> Affine:
    """Give each axis of one voxel without a direction a step of 1 at right angles to the other axes."""
    missing = [axis for axis, size in enumerate(sizes) if size == 1 and not columns[:, axis].any()]
    if not missing:
        return columns
    rest = [axis for axis in range(3) if axis not in missing]
    complement = np.linalg.svd(columns[:, rest], full_matrices=True)[0][:, len(rest) :]
    for axis, step in zip(missing, complement.T, strict=False):
        columns[:, axis] = step * np.sign(step[np.argmax(np.abs(step))])
    return columns
