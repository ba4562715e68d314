"""Cut the most informative slice of each plane out of the two maps of a case, for overlays.

A case is read again from its files and treated as when it was scored: relabelled, on one grid, without ignored voxels.
Slices have the radiological orientation: the patient's right on the left, front or head at the top, and the front on
the left of a sagittal slice. All planes, and all predictions shown side by side, show the same part of the image.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import GeometryError, InputError, OutOfMemoryError, UsageError, shown
from segeval.evidence.comparison import Masks
from segeval.evidence.layered_comparison import Pair
from segeval.maps.geometry import difference
from segeval.maps.label_map import Grid, Unit
from segeval.maps.labels import Key, plain_name
from segeval.reading import file_behind
from segeval.reading.images import Image, read_image
from segeval.results.rows import CaseRecord, LabelCounts
from segeval.scoring.case import Case
from segeval.scoring.cases import pair_of, plane_of
from segeval.scoring.plan import Plan

Mask = NDArray[np.bool_]

ELSEWHERE = "paths are relative to the folder in which the cases were scored: run it there, or move the results there"
MARGIN = 0.15  # margin around the labels, as a share of their longest side
LEAST_STEPS = 24  # smallest size of a side in smallest spacings, so that small objects have some surroundings
DARKEST, LIGHTEST = 1.0, 99.0  # percentiles of the shown part that become black and white
_PLANES = ("sagittal", "coronal", "axial")  # by their normal, the world axis x, y or z
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))  # directions in which x, y and z increase and decrease


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """One slice of a case, cropped and oriented for display: the first row is at the top.

    Parameters
    ----------
    plane
        ``"axial"``, ``"coronal"`` or ``"sagittal"``; the normal ``"x"``, ``"y"`` or ``"z"`` if the orientation is
        unknown; empty for a picture.
    index
        Index of the slice along the array axis, from 0; None for a picture.
    prediction, reference
        Masks of the label; axes (rows, columns).
    ignored
        Ignored voxels, or None.
    image
        Grey values or RGB, uint8, axes (rows, columns) or (rows, columns, 3); None without an image.
    spacing
        Distance between rows and between columns, in `unit`.
    unit
        ``"mm"`` or ``"px"``.
    edges
        Directions at the top, right, bottom and left: ``("A", "L", "P", "R")``; None if they are unknown.
    """

    plane: str
    index: int | None
    prediction: Mask
    reference: Mask
    ignored: Mask | None
    image: NDArray[np.uint8] | None
    spacing: tuple[float, float]
    unit: Unit
    edges: tuple[str, str, str, str] | None

    @property
    def title(self) -> str:
        """Title of the slice: ``"axial 57"``, ``"z = 57"``."""
        if self.index is None:
            return self.plane
        return f"{self.plane} = {self.index}" if len(self.plane) == 1 else f"{self.plane} {self.index}"

    @property
    def true_positive(self) -> Mask:
        """Voxels that have the label in both maps."""
        return self.prediction & self.reference

    @property
    def false_positive(self) -> Mask:
        """Voxels that have the label in the prediction only."""
        return self.prediction & ~self.reference

    @property
    def false_negative(self) -> Mask:
        """Voxels that have the label in the reference only."""
        return self.reference & ~self.prediction


def case_of(record: CaseRecord, *, results_path: str | None = None) -> Case:
    """Find the files of a case again: at their paths, or relative to the results file.

    Parameters
    ----------
    record
        The case in the results.
    results_path
        The results file, if there is one. If a relative path does not exist, it is tried relative to the folder of
        this file; if that does not exist either, the path is left as it is.

    Examples
    --------
    >>> record = CaseRecord(case="a", status="scored", prediction="no/p.png", reference="/r.png")
    >>> case_of(record, results_path="out/r.json")
    Case(name='a', prediction='no/p.png', reference='/r.png', problem=None, near=())
    """

    def found(path: str) -> str:
        other = path if results_path is None else os.path.join(os.path.dirname(results_path), path)  # noqa: PTH118, PTH120
        return other if _is_nowhere(path) and not _is_nowhere(other) else path

    prediction = None if record.prediction is None else found(record.prediction)
    return Case(name=record.case, prediction=prediction, reference=found(record.reference))


def not_here(case: Case) -> str | None:
    """The first relative path of a case that does not exist, for example because the results were moved."""
    return next((path for path in case.files if _is_nowhere(path) and not os.path.isabs(path)), None)  # noqa: PTH117


def _is_nowhere(path: str) -> bool:
    try:
        return not os.path.exists(file_behind(path))  # noqa: PTH110 - Path may raise for some texts
    except ValueError:
        return True


def overlays(
    case: Case, plan: Plan, *, label: Key, image: str | None = None, counted: Iterable[LabelCounts] = ()
) -> tuple[Slice, ...]:
    """Find the slice of each plane with the most misclassified voxels of a label.

    Parameters
    ----------
    case
        The files; without a prediction, it counts as empty.
    plan
        The plan of the run; `segeval.scoring.plan.Plan.of_settings` restores it from results.
    label
        Number or name of a label, or name of a region.
    image
        The scan or photograph to draw over, if any.
    counted
        Voxel counts in the results; if they differ from those of the files, the files have changed. Counts of other
        cases and labels are ignored.

    Returns
    -------
    tuple of Slice
        Axial, coronal and sagittal slices of a volume, or the slices along the array axes if the orientation is
        unknown; a single one for a picture. Each is the first slice with the most misclassified voxels; if none is
        wrong, the slice with the most voxels of the label.

    Raises
    ------
    InputError
        Files cannot be read any more, have changed, or do not fit together; or neither map has the label.
    UsageError
        The case does not have this label or region.
    """
    (slices,) = compared([(case, plan)], label=label, image=image, counted=[counted])
    return slices


def compared(
    pairs: Sequence[tuple[Case, Plan]],
    *,
    label: Key,
    image: str | None = None,
    counted: Sequence[Iterable[LabelCounts]] | None = None,
) -> tuple[tuple[Slice, ...], ...]:
    """Find the same slices of several predictions for one reference, with the most misclassified voxels in total.

    Parameters
    ----------
    pairs
        One or more cases, each with its plan.
    label, image, counted
        See `overlays`; `counted` has an entry for each pair.

    Returns
    -------
    tuple of tuple of Slice
        The slices of each pair, in the order of the pairs.

    Raises
    ------
    InputError
        See `overlays`; or the grids of the references differ.
    UsageError
        See `overlays`.
    """
    try:
        return _compared(pairs, label, image, counted or [()] * len(pairs))
    except MemoryError:
        raise OutOfMemoryError("not enough memory to draw this case", source=pairs[0][0].reference) from None


def _compared(
    pairs: Sequence[tuple[Case, Plan]], label: Key, image: str | None, counted: Sequence[Iterable[LabelCounts]]
) -> tuple[tuple[Slice, ...], ...]:
    found: list[Masks] = []
    grid: Grid | None = None
    for (case, plan), expected in zip(pairs, counted, strict=True):
        pair, names = pair_of(case, plan)
        if grid is None:
            grid = pair.grid
        elif apart := difference(pair.grid, grid, tolerance=plan.geometry_tolerance):
            text = apart.text.replace("prediction", "this reference").replace(", reference", ", the first")
            raise GeometryError(f"the grids of the references differ: {text}", source=case.reference)
        key = _key(label, pair, names)
        masks = pair.masks(key)
        for row in expected:
            if (row.case, row.label) == (case.name, key):
                _check_counts(masks, row, case)
        found.append(masks)
    if grid is None:
        raise UsageError("no case is given, so there is nothing to draw")
    shown_image = None if image is None else _on_grid(read_image(image), grid, *pairs[0])
    world = _world_axes(grid) if _is_placed(grid, pairs[0][1]) else None
    return _slices(found, grid, world, shown_image, pairs[0][0])


def _key(label: Key, pair: Pair, names: Mapping[int, str]) -> Key:
    """Find a label's number, or a region's name."""
    if label in pair.regions or label in pair.scored:
        return label
    text = str(label).strip()
    if text.isdecimal() and int(text) in pair.scored:
        return int(text)
    alike = [number for number in pair.scored if plain_name(names.get(number, "")) == plain_name(text)]
    if len(alike) == 1 and names.get(alike[0]):
        return alike[0]
    known = [f"{number} ({shown(names[number])})" if number in names else str(number) for number in pair.scored]
    listed = ", ".join([*known, *map(shown, pair.regions)])
    raise UsageError(f"no label or region is called {shown(text)!r}", hint=f"there are {listed or 'none'}")


def _check_counts(masks: Masks, expected: LabelCounts, case: Case) -> None:
    """Refuse files that have changed since they were scored."""
    both = int(np.count_nonzero(masks.prediction & masks.reference))
    found = int(np.count_nonzero(masks.prediction)) - both, int(np.count_nonzero(masks.reference)) - both
    if (both, *found) != (expected.tp, expected.fp, expected.fn):
        then, now = (
            f"{tp:,} true positive, {fp:,} false positive and {fn:,} false negative voxels"
            for tp, fp, fn in ((expected.tp, expected.fp, expected.fn), (both, *found))
        )
        raise InputError(
            f"the files have changed since they were scored: expected {then}, found {now}",
            source=case.prediction or case.reference,
            hint="score them again",
        )


def _on_grid(image: Image, grid: Grid, case: Case, plan: Plan) -> NDArray[Any]:
    """Values of an image that is on the grid of the reference."""
    place = plane_of(image.grid)
    if plan.spacing is not None and len(plan.spacing) in (place.ndim, image.grid.ndim):
        place = replace(place, spacing=grid.spacing, unit=grid.unit)
    apart = difference(place, grid, tolerance=plan.geometry_tolerance)
    if apart is not None:
        text = apart.text.replace("prediction", "image", 1)
        raise GeometryError(
            f"the image is not on the grid of {shown(case.reference)}: {text}",
            source=image.source,
            hint="use the scan that was segmented",
        )
    colours = image.values.shape[image.grid.ndim :]
    return image.values.reshape(*grid.shape, *colours)


def _slices(
    found: Sequence[Masks], grid: Grid, world: tuple[int, ...] | None, image: NDArray[Any] | None, case: Case
) -> tuple[tuple[Slice, ...], ...]:
    wrong = [np.not_equal(masks.prediction, masks.reference) for masks in found]
    there = np.logical_or.reduce([each for masks in found for each in (masks.prediction, masks.reference)])
    if not there.any():
        raise InputError("neither map has the label, so there is nothing to draw", source=case.reference)
    box = _box(there, grid)
    chosen = [_View.of(grid, world, axis, index) for axis, index in _most(wrong, there, world)]
    cut = None if image is None else [view.cut(image, box) for view in chosen]
    shades = None if cut is None else _windowed(cut)
    return tuple(
        tuple(
            Slice(
                plane=view.plane,
                index=view.index,
                prediction=view.cut(masks.prediction, box),
                reference=view.cut(masks.reference, box),
                ignored=None if masks.ignored is None else view.cut(masks.ignored, box),
                image=None if shades is None else shades[number],
                spacing=(grid.spacing[view.rows], grid.spacing[view.columns]),
                unit=grid.unit,
                edges=view.edges,
            )
            for number, view in enumerate(chosen)
        )
        for masks in found
    )


def _is_placed(grid: Grid, plan: Plan) -> bool:
    """Whether the orientation of the axes is known; a spacing given by the user does not tell."""
    nowhere = Grid(shape=grid.shape, spacing=grid.spacing)
    given = plan.spacing is not None and (grid.origin, grid.direction) == (nowhere.origin, nowhere.direction)
    return grid.unit == "mm" and not given


def _world_axes(grid: Grid) -> tuple[int, ...]:
    """The closest world axis of each array axis, 0 for x to 2 for z."""
    along = np.abs(np.array(grid.direction))
    return max(permutations(range(3), grid.ndim), key=lambda order: sum(along[i, w] for i, w in enumerate(order)))


def _most(wrong: Sequence[Mask], there: Mask, world: tuple[int, ...] | None) -> list[tuple[int | None, int | None]]:
    """The normal of each plane as an array axis, axial first, and the slice with the most misclassified voxels."""
    if there.ndim == 2:
        return [(None, None)]
    places = []
    for axis in sorted(range(3), key=lambda axis: -world[axis]) if world else range(3):
        across = tuple(other for other in range(3) if other != axis)
        errors = sum(np.count_nonzero(each, axis=across) for each in wrong)
        most = errors if np.any(errors) else np.count_nonzero(there, axis=across)
        places.append((axis, int(np.argmax(most))))
    return list(places)


def _box(there: Mask, grid: Grid) -> tuple[slice, ...]:
    """The box around the labels, with a margin."""
    spans = []
    for axis in range(there.ndim):
        inside = np.flatnonzero(there.any(axis=tuple(other for other in range(there.ndim) if other != axis)))
        spans.append((int(inside[0]), int(inside[-1]) + 1))
    longest = max((stop - start) * step for (start, stop), step in zip(spans, grid.spacing, strict=True))
    finest = min(grid.spacing)
    box = []
    for (start, stop), step, size in zip(spans, grid.spacing, grid.shape, strict=True):
        margin = max(1, math.ceil(max(MARGIN * longest, (LEAST_STEPS * finest - (stop - start) * step) / 2) / step))
        box.append(slice(max(0, start - margin), min(size, stop + margin)))
    return tuple(box)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A slice and its orientation.

    Parameters
    ----------
    plane, index, edges
        As in `Slice`.
    across
        The array axis normal to the slice; None for a picture.
    rows, columns
        The array axes that run downwards and to the right.
    flipped
        Whether each of these two axes is reversed.
    """

    plane: str
    index: int | None
    edges: tuple[str, str, str, str] | None
    across: int | None
    rows: int
    columns: int
    flipped: tuple[bool, bool]

    @classmethod
    def of(cls, grid: Grid, world: tuple[int, ...] | None, across: int | None, index: int | None) -> _View:
        """Orient a slice: front or head at the top, the patient's right or front on the left."""
        rows, columns = (axis for axis in range(grid.ndim) if axis != across)
        if world is None:
            plane = "" if across is None else "zyx"[across]
            flipped = (False, False)
            return cls(plane=plane, index=index, edges=None, across=across, rows=rows, columns=columns, flipped=flipped)
        if world[rows] < world[columns]:  # z is vertical, else y
            rows, columns = columns, rows
        (plane,) = (name for axis, name in enumerate(_PLANES) if axis not in (world[rows], world[columns]))
        top, left = _LETTERS[world[rows]], _LETTERS[world[columns]]
        return cls(
            plane=plane,
            index=index,
            edges=(top[0], left[1], top[1], left[0]),
            across=across,
            rows=rows,
            columns=columns,
            flipped=(grid.direction[rows][world[rows]] > 0, grid.direction[columns][world[columns]] > 0),
        )

    def cut(self, volume: NDArray[Any], box: tuple[slice, ...]) -> NDArray[Any]:
        """The slice of a volume within a box; colours stay the last axis."""
        place: list[slice | int] = list(box)
        if self.across is not None and self.index is not None:
            place[self.across] = self.index
        flat = volume[tuple(place)]
        if self.rows > self.columns:
            flat = flat.swapaxes(0, 1)
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)
        return np.ascontiguousarray(flat[steps])


def _windowed(parts: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
    """Map grey values to black to white with the same window for all parts; colours stay as they are."""
    if parts[0].ndim == 3:
        return [part.astype(np.uint8) for part in parts]
    values = [part.astype(np.float64) for part in parts]
    finite = np.concatenate([each[np.isfinite(each)] for each in values])
    low, high = np.percentile(finite, [DARKEST, LIGHTEST]).tolist() if finite.size else (0.0, 1.0)
    if not high > low:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if not 0 < high - low < math.inf:
        return [np.full(each.shape, 128, np.uint8) for each in values]
    with np.errstate(invalid="ignore", over="ignore"):  # values that are not finite
        shades = [np.clip((each - low) / (high - low), 0, 1) * 255 for each in values]
    return [np.nan_to_num(each, nan=0.0).round().astype(np.uint8) for each in shades]
