"""Where two maps of a case agree and where they do not, in the slice of each plane that says most.

A case is read again from its files, and what is shown is what was scored: relabelled, on one grid, ignored voxels left
out. Slices are turned as radiologists look at them: the patient's right on the left, front or head at the top, and the
front on the left of a sagittal slice. The same part of the image is cut out of all planes, and for all predictions that
are shown beside each other. Nothing here knows how it is drawn.
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

ELSEWHERE = "paths are relative to where the cases were scored: run it there, or put the results beside the data"
MARGIN = 0.15  # of the longest side of what is shown, about it
LEAST_STEPS = 24  # smallest spacings along each side, so that something small is seen where it lies
DARKEST, LIGHTEST = 1.0, 99.0  # percentiles of what is shown that become black and white
_PLANES = ("sagittal", "coronal", "axial")  # by the world axis, x, y or z, that they are across
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))  # where x, y and z grow to, and where they come from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """One slice of a case, cut out and turned as it is looked at: the first row is at the top.

    Parameters
    ----------
    plane
        ``"axial"``, ``"coronal"`` or ``"sagittal"``; ``"x"``, ``"y"`` or ``"z"``, the axis that it is across, where the
        grid has no place in the world; empty for a picture.
    index
        Which slice of the volume it is, counted from 0 along the array's axis; None for a picture.
    prediction, reference
        Where the label is; axes (rows, columns).
    ignored
        Voxels that count nowhere; None where none are left out.
    image
        Grey values or red, green and blue, uint8, axes (rows, columns) or (rows, columns, 3); None without an image.
    spacing
        Distance between rows and between columns, in `unit`.
    unit
        ``"mm"`` or ``"px"``.
    edges
        What lies at the top, the right, the bottom and the left: ``("A", "L", "P", "R")``; None where it is not known.
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
        """What it is called: ``"axial 57"``, ``"z = 57"``."""
        if self.index is None:
            return self.plane
        return f"{self.plane} = {self.index}" if len(self.plane) == 1 else f"{self.plane} {self.index}"

    @property
    def true_positive(self) -> Mask:
        """Where both maps have the label."""
        return self.prediction & self.reference

    @property
    def false_positive(self) -> Mask:
        """Where only the prediction has it."""
        return self.prediction & ~self.reference

    @property
    def false_negative(self) -> Mask:
        """Where only the reference has it."""
        return self.reference & ~self.prediction


def case_of(record: CaseRecord, *, results_path: str | None = None) -> Case:
    """The files of a case, to be read again: where they were, or else beside its results.

    Parameters
    ----------
    record
        The case as it was scored.
    results_path
        The file of the results, if there is one: a relative path that leads to nothing from here is tried from the
        folder of that file, and stays as it is where that leads to nothing either.

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
    """The first relative path of it that leads to nothing, as where its results were taken to another place."""
    return next((path for path in case.files if _is_nowhere(path) and not os.path.isabs(path)), None)  # noqa: PTH117


def _is_nowhere(path: str) -> bool:
    try:
        return not os.path.exists(file_behind(path))  # noqa: PTH110 - a Path of any text may raise
    except ValueError:
        return True


def overlays(
    case: Case, plan: Plan, *, label: Key, image: str | None = None, counted: Iterable[LabelCounts] = ()
) -> tuple[Slice, ...]:
    """The slice of each plane in which a prediction is most in error about a label.

    Parameters
    ----------
    case
        The files; without a prediction, an empty one.
    plan
        As it was scored; `segeval.scoring.plan.Plan.of_settings` restores it from results.
    label
        A label's number or name, or a region's name.
    image
        The scan or photograph beneath, if any.
    counted
        What was counted when the case was scored: files that give other counts have changed since. Counts of other
        cases and labels are passed over.

    Returns
    -------
    tuple of Slice
        Axial, coronal and sagittal for a volume, or what the array's axes are called where it has no place in the
        world; one for what is flat. The slice with the most false voxels, the first of several; where nothing is
        wrong, that with the most of the label.

    Raises
    ------
    InputError
        Files that cannot be read any more, have changed, or do not fit together; or neither map has the label.
    UsageError
        A label or region that the case does not have.
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
    """The same slices of several predictions for one reference: those in which all together are most in error.

    Parameters
    ----------
    pairs
        One or more, each with the plan that it was scored by.
    label, image, counted
        See `overlays`; `counted` has an entry for each pair.

    Returns
    -------
    tuple of tuple of Slice
        The slices of each pair, in the order of the pairs.

    Raises
    ------
    InputError
        See `overlays`; and references that do not lie on one grid.
    UsageError
        See `overlays`.
    """
    try:
        return _compared(pairs, label, image, counted or [()] * len(pairs))
    except MemoryError:
        raise OutOfMemoryError("there is not enough memory to show it", source=pairs[0][0].reference) from None


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
            raise GeometryError(f"the references do not lie on one grid: {text}", source=case.reference)
        key = _key(label, pair, names)
        masks = pair.masks(key)
        for row in expected:
            if (row.case, row.label) == (case.name, key):
                _check_counts(masks, row, case)
        found.append(masks)
    if grid is None:
        raise UsageError("there is nothing to show")
    shown_image = None if image is None else _on_grid(read_image(image), grid, *pairs[0])
    world = _world_axes(grid) if _is_placed(grid, pairs[0][1]) else None
    return _slices(found, grid, world, shown_image, pairs[0][0])


def _key(label: Key, pair: Pair, names: Mapping[int, str]) -> Key:
    """The label's number, or the region's name."""
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
    """Refuse files that are no longer those of which the results are."""
    both = int(np.count_nonzero(masks.prediction & masks.reference))
    found = int(np.count_nonzero(masks.prediction)) - both, int(np.count_nonzero(masks.reference)) - both
    if (both, *found) != (expected.tp, expected.fp, expected.fn):
        then, now = (
            f"{tp:,} true positive, {fp:,} false positive and {fn:,} false negative voxels"
            for tp, fp, fn in ((expected.tp, expected.fp, expected.fn), (both, *found))
        )
        raise InputError(
            f"the files have changed since they were scored: then {then}, now {now}",
            source=case.prediction or case.reference,
            hint="score them again",
        )


def _on_grid(image: Image, grid: Grid, case: Case, plan: Plan) -> NDArray[Any]:
    """The image's values, if it lies where the reference does."""
    place = plane_of(image.grid)
    if plan.spacing is not None and len(plan.spacing) in (place.ndim, image.grid.ndim):
        place = replace(place, spacing=grid.spacing, unit=grid.unit)
    apart = difference(place, grid, tolerance=plan.geometry_tolerance)
    if apart is not None:
        text = apart.text.replace("prediction", "image", 1)
        raise GeometryError(
            f"does not lie where {shown(case.reference)} does: {text}", source=image.source, hint="give the scan itself"
        )
    colours = image.values.shape[image.grid.ndim :]
    return image.values.reshape(*grid.shape, *colours)


def _slices(
    found: Sequence[Masks], grid: Grid, world: tuple[int, ...] | None, image: NDArray[Any] | None, case: Case
) -> tuple[tuple[Slice, ...], ...]:
    wrong = [np.not_equal(masks.prediction, masks.reference) for masks in found]
    there = np.logical_or.reduce([each for masks in found for each in (masks.prediction, masks.reference)])
    if not there.any():
        raise InputError("neither map has the label, so there is nothing to show", source=case.reference)
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
    """Whether it is known which way the axes run; a spacing that was given says nothing of that."""
    nowhere = Grid(shape=grid.shape, spacing=grid.spacing)
    given = plan.spacing is not None and (grid.origin, grid.direction) == (nowhere.origin, nowhere.direction)
    return grid.unit == "mm" and not given


def _world_axes(grid: Grid) -> tuple[int, ...]:
    """For each array axis the world axis, 0 for x to 2 for z, that it runs along most nearly."""
    along = np.abs(np.array(grid.direction))
    return max(permutations(range(3), grid.ndim), key=lambda order: sum(along[i, w] for i, w in enumerate(order)))


def _most(wrong: Sequence[Mask], there: Mask, world: tuple[int, ...] | None) -> list[tuple[int | None, int | None]]:
    """The array axis that each plane is across, axial first, and the slice along it with the most false voxels."""
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
    """What is cut out: what there is, with a margin."""
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
    """A slice, and which way round it is looked at.

    Parameters
    ----------
    plane, index, edges
        As in `Slice`.
    across
        The array axis that the slice is across; None for what is flat.
    rows, columns
        The array axes that run downwards and to the right.
    flipped
        Whether each of these two runs the other way.
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
        """The slice as it is looked at: downwards from front or head, rightwards from the right or the front."""
        rows, columns = (axis for axis in range(grid.ndim) if axis != across)
        if world is None:
            plane = "" if across is None else "zyx"[across]
            flipped = (False, False)
            return cls(plane=plane, index=index, edges=None, across=across, rows=rows, columns=columns, flipped=flipped)
        if world[rows] < world[columns]:  # z is upright, else y
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
        """The part of the slice that lies in the box; colours stay the last axis."""
        place: list[slice | int] = list(box)
        if self.across is not None and self.index is not None:
            place[self.across] = self.index
        flat = volume[tuple(place)]
        if self.rows > self.columns:
            flat = flat.swapaxes(0, 1)
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)
        return np.ascontiguousarray(flat[steps])


def _windowed(parts: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
    """Grey values from black to white, by one window for all; colours stay as they are."""
    if parts[0].ndim == 3:
        return [part.astype(np.uint8) for part in parts]
    values = [part.astype(np.float64) for part in parts]
    finite = np.concatenate([each[np.isfinite(each)] for each in values])
    low, high = np.percentile(finite, [DARKEST, LIGHTEST]).tolist() if finite.size else (0.0, 1.0)
    if not high > low:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if not 0 < high - low < math.inf:
        return [np.full(each.shape, 128, np.uint8) for each in values]
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite
        shades = [np.clip((each - low) / (high - low), 0, 1) * 255 for each in values]
    return [np.nan_to_num(each, nan=0.0).round().astype(np.uint8) for each in shades]
