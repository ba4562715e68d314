"""Probability maps from NIfTI and NumPy files, checked as strictly as label maps are.

The array is taken as the file has it, in one copy; which of its axes is that of the channels is told later, by the
shape of the reference. NumPy archives of nnU-Net hold the map as ``probabilities``, channels first. Nothing in a file
is evaluated: Python objects are refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from segeval.errors import InputError
from segeval.reading import reading
from segeval.reading.files import check_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segeval.labelmap import Grid

KEYS = ("probabilities", "softmax")
NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
ARRAY_SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawProbabilities:
    """What a file holds.

    Parameters
    ----------
    values
        Numbers of any type, axes as the file has them, those of NIfTI in reverse.
    grid
        Where the voxels are if the last three axes are those of space; None where the file does not say.
    names
        Label -> name.
    source
        The file.
    stored
        How the file holds them, in words.
    """

    values: NDArray[Any]
    grid: Grid | None
    names: Mapping[int, str]
    source: str
    stored: str


def read_probabilities(path: str | os.PathLike[str]) -> RawProbabilities:
    """Read the values of a probability map.

    Parameters
    ----------
    path
        A NIfTI file, or a NumPy file (.npy, .npz). Of an archive with several arrays it is ``probabilities``, or
        ``softmax``.

    Raises
    ------
    InputError
        The file is missing, of another kind, or damaged.

    Examples
    --------
    >>> read_probabilities("missing.npz")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.npz: no such file
    """
    name = os.fspath(path)
    lower = name.lower()
    if not lower.endswith((*NIFTI_SUFFIXES, *ARRAY_SUFFIXES)):
        check_regular(name)
        raise InputError(
            f"probability maps are read from {', '.join((*NIFTI_SUFFIXES, *ARRAY_SUFFIXES))}",
            source=name,
            hint="a label map is scored without --probabilities",
        )
    with reading(name, name) as file:
        if lower.endswith(ARRAY_SUFFIXES):
            from segeval.reading import arrays  # deferred: see the package

            values, stored = arrays.read_array(file, source=name, keys=KEYS, ranks=(2, 3, 4, 5))
            return RawProbabilities(values=values, grid=None, names={}, source=name, stored=stored)
        from segeval.reading import nifti

        volume = nifti.read_volumes(file, source=name)
        return RawProbabilities(
            values=volume.values, grid=volume.grid, names=volume.names, source=name, stored=volume.stored
        )
