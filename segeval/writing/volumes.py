"""Label maps of small numbers as compressed NIfTI files.

Bytes are the same each time: the gzip header has no time and no name. The voxels come in parts and are compressed as
they come, so that only one part is in memory. A volume with an axis too long for NIfTI-1 is written as NIfTI-2, which
nibabel reads and ITK does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from isal import isal_zlib
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from segeval.maps.label_map import Grid

LEVEL = 1  # of compression: long runs of one number become small at any level
GZIP = 31  # zlib's number for a window of 32 KiB in a gzip member
LONGEST = 32767  # voxels along an axis of NIfTI-1


def nifti_gz(grid: Grid, parts: Iterable[NDArray[np.uint8]], *, description: str) -> Iterator[bytes]:
    """Encode voxels of uint8 as .nii.gz, part by part.

    Parameters
    ----------
    grid
        Their grid, which is written as sform and, unless the axes are sheared, as qform. A slice of a volume gets back
        the axis that it lacks.
    parts
        The voxels in the order of an array with axes (z, y, x).
    description
        Description in the header, up to 79 characters of ASCII.
    """
    grid = grid.with_all_axes()
    long = max(grid.shape) > LONGEST
    kind: Any = Nifti2Header if long else Nifti1Header  # nibabel has no types
    header = kind(endianness="<")
    header.set_data_dtype(np.uint8)
    header.set_data_shape(grid.shape[::-1])
    header.set_zooms(grid.spacing[::-1])
    affine = np.eye(4)
    affine[:3] = grid.affine()[:, [2, 1, 0, 3]]  # NIfTI's axes are x, y, z
    header.set_sform(affine, code="scanner")
    if not grid.sheared:
        header.set_qform(affine, code="scanner")
    header.set_xyzt_units("mm" if grid.unit == "mm" else "unknown")
    header.set_slope_inter(1, 0)
    header["descrip"] = description.encode("ascii")
    header["magic"] = b"n+2" if long else b"n+1"
    header["vox_offset"] = len(header.binaryblock) + 4
    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP)
    yield packer.compress(header.binaryblock + bytes(4))
    for part in parts:
        yield packer.compress(np.ascontiguousarray(part).data)
    yield packer.flush()
