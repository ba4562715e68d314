"""Where the voxels of a NIfTI file are, in RAS millimetres: by its sform, else its qform, else its voxel sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from segeval.errors import InputError
from segeval.maps.label_map import Grid
from segeval.reading.contents import AGAIN

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

Affine = NDArray[np.float64]

AGREEING = 0.05  # of the smallest spacing: sform and qform differ by rounding

_MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # of xyzt_units: metres, microns; everything else is taken as mm


def grid_of(fields: Nifti1Header, shape: tuple[int, int, int], *, source: str) -> Grid:
    """Where the voxels are, in mm; array axes are NIfTI's in reverse.

    Parameters
    ----------
    fields
        The header; what its geometry lacks is put in there.
    shape
        Voxels along (z, y, x).
    source
        The file, for messages.

    Raises
    ------
    InputError
        The header is damaged.
    """
    affine = _affine(fields, source)
    if not np.isfinite(affine).all():
        raise InputError("damaged header: its affine is not finite", source=source, hint=AGAIN)
    columns = _with_missing_axes(affine[:3, :3], shape[::-1])
    spacing = [math.hypot(*column) for column in columns.T.tolist()]
    if not all(step > 0 and math.isfinite(step) for step in spacing):
        raise InputError(
            f"damaged header: expected positive voxel sizes, found {' x '.join(f'{step:g}' for step in spacing)}",
            source=source,
            hint=AGAIN,
        )
    axes = columns / spacing
    if abs(np.linalg.det(axes)) < 1e-6:
        raise InputError(
            "damaged header: the axes of its affine do not span space",
            source=source,
            hint="copy the geometry from the image it belongs to",
        )
    x, y, z = affine[:3, 3].tolist()
    return Grid(
        shape=shape,
        spacing=tuple(spacing[::-1]),
        origin=(x, y, z),
        direction=tuple((float(a), float(b), float(c)) for a, b, c in axes.T[::-1].tolist()),
        unit="mm",
    )


def _affine(fields: Nifti1Header, source: str) -> Affine:
    """From the sform, else the qform, else the voxel sizes alone; in mm."""
    _check_codes(fields, source)
    if not fields["sform_code"].item():
        _check_voxel_sizes(fields, source)
        handedness = fields["pixdim"][0].item()
        fields["pixdim"][0] = -1 if handedness < 0 else 1  # the format allows 1 and -1; 0 and others mean 1 in practice
    scale = _MM_PER_UNIT.get(fields["xyzt_units"].item() & 7, 1.0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
            affine = np.asarray(fields.get_best_affine(), np.float64)  # type: ignore[no-untyped-call]
            return affine * scale
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"damaged header: no orientation in its qform ({error})", source=source, hint=AGAIN) from None


def disagreement(fields: Nifti1Header, grid: Grid) -> tuple[str, ...]:
    """Remark that the two orientations of a header differ, as other tools may follow the other one."""
    if not (fields["sform_code"].item() and fields["qform_code"].item()):
        return ()
    fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
    scale = _MM_PER_UNIT.get(fields["xyzt_units"].item() & 7, 1.0)
    with np.errstate(all="ignore"):
        try:
            sform, qform = (np.asarray(form, np.float64) for form in (fields.get_sform(), fields.get_qform()))  # type: ignore[no-untyped-call]
        except (HeaderDataError, ValueError):
            return ("its qform is damaged; the sform counts",)
        ends = np.array(np.meshgrid(*[(0, size - 1) for size in grid.shape[::-1]])).reshape(3, -1)
        moved = (sform - qform)[:3] @ np.vstack([ends, np.ones(ends.shape[1])])
        apart = float(np.linalg.norm(moved, axis=0).max()) * scale
    if apart <= AGREEING * min(grid.spacing):
        return ()
    return (f"its sform and qform disagree by up to {apart:.4g} mm; the sform counts, other tools may take the qform",)


def _check_codes(fields: Nifti1Header, source: str) -> None:
    for name in ("sform_code", "qform_code"):
        code = fields[name].item()
        if code < 0:
            raise InputError(f"damaged header: expected {name} from 0 up, found {code}", source=source, hint=AGAIN)


def _check_voxel_sizes(fields: Nifti1Header, source: str) -> None:
    """Refuse voxel sizes that are not positive; set those of the axes that there are not to 1."""
    rank = min(3, int(fields["dim"][0]))
    sizes = fields["pixdim"]
    used = sizes[1 : rank + 1].tolist()
    if not all(math.isfinite(size) and size > 0 for size in used):
        raise InputError(
            f"damaged header: expected positive voxel sizes, found {' x '.join(f'{size:g}' for size in used)}",
            source=source,
            hint="copy the geometry from the image it belongs to",
        )
    sizes[rank + 1 : 4] = 1


def _with_missing_axes(columns: Affine, sizes: tuple[int, ...]) -> Affine:
    """Columns of an affine, with a unit step at right angles for each axis of one voxel that has none."""
    missing = [axis for axis, size in enumerate(sizes) if size == 1 and not columns[:, axis].any()]
    if not missing:
        return columns
    rest = [axis for axis in range(3) if axis not in missing]
    complement = np.linalg.svd(columns[:, rest], full_matrices=True)[0][:, len(rest) :]
    for axis, step in zip(missing, complement.T, strict=False):
        columns[:, axis] = step * np.sign(step[np.argmax(np.abs(step))])
    return columns
