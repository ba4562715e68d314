"""Label maps and their grids.

A label map is an array of non-negative integers with axes (z, y, x) or (y, x), in the smallest unsigned type. A grid
states where the voxels are. World coordinates are RAS millimetres as in NIfTI: x to the right, y to the front, z up.
Pictures have no physical spacing, so their unit is the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError
from segeval.text import counted

Labels = NDArray[np.unsignedinteger[Any]]
Unit = Literal["mm", "px"]
Axis = tuple[int, float, tuple[float, float, float]]  # position, spacing, direction

SMALLEST_SPACING = 1e-6  # mm; squares lose their digits below this, and above its reciprocal
SHEARED = 1e-3  # axes with a larger cosine between them are sheared; a smaller one is rounding in the header
SLAB_VOXELS = 1 << 19  # a slab of labels and its temporary arrays fit in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Shape, spacing and position of an image.

    Parameters
    ----------
    shape
        Number of voxels along each array axis, (z, y, x) or (y, x).
    spacing
        Distance between neighbouring voxel centres along each array axis, in `unit`.
    origin
        World coordinates (x, y, z) of the centre of the first voxel, in `unit`.
    direction
        World unit vector (x, y, z) of each array axis. Axes need not be orthogonal.
    unit
        ``"mm"``, or ``"px"`` if the image has no physical spacing.
    removed_axis
        For a slice of a volume, the axis across it: its position, spacing and direction.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[tuple[float, float, float], ...] = ()
    unit: Unit = "mm"
    removed_axis: Axis | None = None

    def __post_init__(self) -> None:
        if not self.direction:
            axes = np.eye(3)[len(self.shape) - 1 :: -1]  # the last array axis runs along x
            object.__setattr__(self, "direction", tuple(tuple(axis) for axis in axes.tolist()))

    @property
    def ndim(self) -> int:
        """Number of axes, 2 or 3."""
        return len(self.shape)

    @property
    def voxel_volume_mm3(self) -> float | None:
        """Volume of one voxel in mm3; None for 2-D images and unknown spacings."""
        if self.unit != "mm" or self.ndim != 3:
            return None
        volume = math.prod(self.spacing)
        return volume * abs(float(np.linalg.det(self.direction))) if self.sheared else volume

    @property
    def sheared(self) -> bool:
        """Whether two axes are not at right angles."""
        axes = np.array(self.direction)
        return bool(np.abs(axes @ axes.T - np.eye(self.ndim)).max() > SHEARED)

    @property
    def diagonal(self) -> float:
        """Length of the diagonal of the whole image, in `unit`."""
        return math.sqrt(sum((n * s) ** 2 for n, s in zip(self.shape, self.spacing, strict=True)))

    def affine(self) -> NDArray[np.float64]:
        """Return the 3 x (ndim + 1) matrix that maps an array index, with a 1 appended, to world coordinates."""
        columns = [np.multiply(axis, step) for axis, step in zip(self.direction, self.spacing, strict=True)]
        return np.column_stack([*columns, np.asarray(self.origin)])

    def corners(self) -> NDArray[np.float64]:
        """Return the world coordinates of the centres of the corner voxels, shape (2 ** ndim, 3)."""
        ends = np.stack(np.meshgrid(*[(0.0, n - 1.0) for n in self.shape], indexing="ij"), -1).reshape(-1, self.ndim)
        return np.column_stack([ends, np.ones(len(ends))]) @ self.affine().T

    def without_axis(self, axis: int) -> Grid:
        """Return the grid without one array axis of length 1."""

        def rest(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return values[:axis] + values[axis + 1 :]

        return replace(
            self,
            shape=rest(self.shape),
            spacing=rest(self.spacing),
            direction=rest(self.direction),
            removed_axis=(axis, self.spacing[axis], self.direction[axis]),
        )

    def with_all_axes(self) -> Grid:
        """Return the grid with the axis that `without_axis` removed."""
        if self.removed_axis is None:
            return self
        axis, step, along = self.removed_axis

        def whole(values: tuple[Any, ...], value: object) -> tuple[Any, ...]:
            return (*values[:axis], value, *values[axis:])

        return replace(
            self,
            shape=whole(self.shape, 1),
            spacing=whole(self.spacing, step),
            direction=whole(self.direction, along),
            removed_axis=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMap:
    """Labels on a grid.

    Parameters
    ----------
    labels
        Non-negative integers, axes (z, y, x) or (y, x), in the smallest unsigned type. Made read-only.
    grid
        Grid of the same shape as `labels`.
    names
        Known names of the labels, by number.
    source
        Path of the file, or a name for messages.
    stored
        Format and data type of the file, for people: ``"NIfTI-1, gzip, int16"``.
    remarks
        Further remarks on the file, for people.
    overlays
        Further layers on the same grid, if labels of the file overlap. No label is in two layers.
    """

    labels: Labels
    grid: Grid
    names: Mapping[int, str] = field(default_factory=dict)
    source: str = "array"
    stored: str = ""
    remarks: tuple[str, ...] = ()
    overlays: tuple[LabelMap, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise ValueError(f"labels of shape {self.labels.shape} on a grid of shape {self.grid.shape}")
        self.labels.setflags(write=False)
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))


def layerwise(change: Callable[[LabelMap], LabelMap], label_map: LabelMap) -> LabelMap:
    """Apply `change` to each layer of a label map."""
    if not label_map.overlays:
        return change(label_map)
    return replace(change(replace(label_map, overlays=())), overlays=tuple(map(change, label_map.overlays)))


def slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices along the first axis, each small enough for the processor's cache."""
    across = math.prod(shape[1:])
    step = max(1, SLAB_VOXELS // max(1, across))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def as_labels(values: NDArray[Any], *, source: str) -> Labels:
    """Convert an array to labels, in the smallest unsigned integer type.

    Parameters
    ----------
    values
        Booleans, integers, or floats that are whole numbers; any axes.
    source
        Name of the array, for messages.

    Returns
    -------
    numpy.ndarray
        uint8, uint16, uint32 or uint64; the same array if it already has the right type.

    Raises
    ------
    InputError
        Some values are not labels: negative, fractional, not finite, or not numbers.

    Examples
    --------
    >>> as_labels(np.array([0.0, 2.0, 300.0]), source="example").dtype
    dtype('uint16')
    """
    kind = values.dtype.kind
    if kind not in "biuf":
        raise InputError(f"expected integer labels, found values of type {values.dtype}", source=source)
    if kind == "b":
        whole: Labels = np.not_equal(values, 0).astype(np.uint8)
        return whole  # True may be stored as any byte but 0
    if values.dtype == np.uint8:
        return values
    labels: Labels = np.empty(values.shape, np.uint8)
    faults = _Faults()
    for part in slabs(values.shape):
        slab = values[part]
        if slab.size:
            whole = faults.whole(slab)
            if faults.largest > np.iinfo(labels.dtype).max:
                labels = labels.astype(np.min_scalar_type(faults.largest))
            labels[part] = whole
    faults.refuse(source)
    return values if labels.dtype == values.dtype else labels


class _Faults:
    """Collect values that are not labels, slab by slab."""

    def __init__(self) -> None:
        self.largest = 0
        self._lowest, self._highest = 0.0, 0.0
        self._fractional, self._not_finite = 0, 0
        self._examples: list[float] = []

    def whole(self, slab: NDArray[Any]) -> NDArray[Any]:
        """Return the slab as whole numbers of at least 0; other values are recorded and become 0."""
        if slab.dtype.kind == "f":
            slab, low, high = self._rounded(slab)
        else:
            low, high = slab.min().item(), slab.max().item()
        self._lowest, self._highest = min(self._lowest, low), max(self._highest, high)
        if low < 0:
            return np.zeros_like(slab)
        self.largest = max(self.largest, high)
        return slab

    def _rounded(self, slab: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
        """Return the slab as integers, and its smallest and largest value."""
        low, high = float(slab.min()), float(slab.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = np.isfinite(slab)
            self._not_finite += int(slab.size - np.count_nonzero(finite))
            slab = np.where(finite, slab, 0)
            low, high = float(slab.min()), float(slab.max())
        self._lowest, self._highest = min(self._lowest, low), max(self._highest, high)
        if not -(2.0**63) <= low <= high < 2.0**64:
            return np.zeros(slab.shape, np.uint8), 0, 0
        kind = np.min_scalar_type(int(high)) if low >= 0 else np.dtype(np.int64)
        odd = np.rint(slab) != slab
        if odd.any():
            self._fractional += int(np.count_nonzero(odd))
            self._examples = sorted({*self._examples, *np.unique(slab[odd])[:3].tolist()})[:3]
        return slab.astype(kind), int(low), int(high)

    def refuse(self, source: str) -> None:
        """Raise an error for the most serious fault, if there is any."""
        if self._not_finite:
            voxels = counted(self._not_finite, "voxel", spec=",")
            raise InputError(
                f"expected integer labels, found {voxels} with NaN or infinite values",
                source=source,
                hint="if they are background, set them to 0",
            )
        if self._fractional:
            seen = ", ".join(f"{value:.6g}" for value in self._examples)
            voxels = counted(self._fractional, "voxel", spec=",")
            raise InputError(
                f"expected integer labels, found {voxels} with fractions such as {seen} "
                f"(values from {self._lowest:.6g} to {self._highest:.6g})",
                source=source,
                hint="threshold or round it first"
                + ("; to read a probability map: --probabilities" if 0 <= self._lowest <= self._highest < 2 else ""),
            )
        if self._lowest < 0:
            raise InputError(
                f"expected labels of at least 0, found negative ones down to {self._lowest:g}",
                source=source,
                hint="relabel it, for instance change the negative label to 0",
            )
        if self._highest >= 2.0**64:
            raise InputError(
                f"expected labels below 2**64, found {self._highest:.6g}", source=source, hint="relabel it"
            )
