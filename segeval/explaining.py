"""Why tools report different numbers for one pair: what each would say, and what on the pair makes the difference.

The numbers come from the presets, the reasons from facts measured on the pair: how far the two directions part, what
area weights change, whether one stray piece holds the tail, whether slices are thicker than the difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segeval.cases import Case, read_case, score_maps
from segeval.comparison import Comparison
from segeval.conventions import Conventions, Surface
from segeval.labelmap import LabelMap
from segeval.metrics import Request, parse
from segeval.plans import Plan
from segeval.presets import PRESETS
from segeval.scoring import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, Score, compare
from segeval.surfaces import SurfaceDistances

OWN: tuple[Surface, ...] = ("voxel", "surfel", "smooth")  # segeval itself, by each of its surfaces
NOTABLE = 0.01  # of a value: what differs less is the same to a reader
STRAY_SHARE = 0.2  # of a mask's voxels: a piece larger than that is no stray one


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """What one tool reports for one label.

    Parameters
    ----------
    tool
        Its name and version, or segeval and a surface.
    asked
        The options that give its numbers: ``"--compat monai"``.
    hd95, mean_distance, nsd, dice
        Its numbers; None where it has none, or gives none.
    mean_metric
        The metric that its mean surface distance is.
    notes
        Why a number is not there.
    """

    tool: str
    asked: str
    hd95: float | None
    mean_distance: float | None
    mean_metric: str | None
    nsd: float | None
    dice: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExplanation:
    """One label: every tool's numbers, and why they part.

    Parameters
    ----------
    label, name
        The label.
    rows
        The tools.
    reasons
        A line each.
    """

    label: int | str
    name: str | None
    rows: tuple[ToolRow, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What tools say of one pair.

    Parameters
    ----------
    prediction, reference
        The files.
    shape, spacing, unit
        The reference's grid, in array order.
    tolerance
        Of the normalized surface distance.
    labels
        Each label and region.
    warnings
        What a reader of the numbers should know.
    """

    prediction: str
    reference: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str
    tolerance: float
    labels: tuple[LabelExplanation, ...]
    warnings: tuple[str, ...]


def explain(case: Case, plan: Plan, *, threads: int = 1) -> Explanation:
    """Score a pair as every known tool would, and say why the numbers part.

    Parameters
    ----------
    case
        The files.
    plan
        Which labels, under which names and on which grid; its metrics, surface and penalty do not matter.
    threads
        How many threads may work at once.

    Raises
    ------
    InputError
        A file that cannot be used, or two that do not fit together.
    UsageError
        A label or region that the plan names wrongly.
    """
    prediction, reference, plan = read_case(case, plan, threads=threads)
    nsd = Request(name="nsd", value=plan.conventions.tolerance)
    tables: list[tuple[str, str, str | None, dict[int | str, dict[str, Score]]]] = []
    for surface in OWN:
        if surface == "smooth" and reference.grid.ndim == 2:
            continue
        own = replace(_plain(plan.conventions), surface=surface)
        wanted = [parse("hd@95"), parse("assd"), nsd, parse("dice")]
        scores = _scores(prediction, reference, plan, own, wanted, case, threads)
        tables.append((f"segeval, surface {surface}", f"--surface {surface}", "assd", scores))
    for name, preset in PRESETS.items():
        conventions = replace(
            preset.conventions,
            **{key: getattr(plan.conventions, key) for key in ("tolerance", "background", "ignore_label")},
        )
        mean = [parse(preset.mean_distance)] if preset.mean_distance else []
        candidates = [parse("hd@95"), *mean, nsd, parse("dice")]
        wanted = [request for request in candidates if preset.has(request.name, request.value)]
        scores = _scores(prediction, reference, plan, conventions, wanted, case, threads)
        tables.append((preset.title, f"--compat {name}", preset.mean_distance, scores))
    measured = replace(plan, conventions=_plain(plan.conventions), metrics=(parse("assd"),))
    pair, names, warnings = compare(prediction, reference, measured, threads=threads)
    keys: list[int | str] = [*pair.scored, *pair.regions]
    return Explanation(
        prediction=case.prediction or "",
        reference=case.reference,
        shape=pair.grid.shape,
        spacing=pair.grid.spacing,
        unit=pair.grid.unit,
        tolerance=plan.conventions.tolerance,
        labels=tuple(
            LabelExplanation(
                label=key,
                name=names.get(key) if isinstance(key, int) else None,
                rows=(rows := tuple(_row(*table, key, nsd.token) for table in tables)),
                reasons=tuple(_reasons(pair, key, rows) if isinstance(pair, Comparison) else ()),
            )
            for key in keys
        ),
        warnings=tuple(warnings),
    )


def _plain(conventions: Conventions) -> Conventions:
    """Segeval's own conventions, with the choices that do not tell tools apart."""
    return Conventions(
        tolerance=conventions.tolerance,
        label_tolerances=conventions.label_tolerances,
        background=conventions.background,
        ignore_label=conventions.ignore_label,
    )


def _scores(
    prediction: LabelMap,
    reference: LabelMap,
    plan: Plan,
    conventions: Conventions,
    wanted: Sequence[Request],
    case: Case,
    threads: int,
) -> dict[int | str, dict[str, Score]]:
    chosen = replace(plan, conventions=conventions, metrics=tuple(wanted))
    found: dict[int | str, dict[str, Score]] = {}
    for score in score_maps(prediction, reference, chosen, case=case, threads=threads).scores:
        found.setdefault(score.label, {})[score.metric] = score
    return found


def _row(
    tool: str, asked: str, mean: str | None, scores: dict[int | str, dict[str, Score]], key: int | str, nsd: str
) -> ToolRow:
    own = scores.get(key, {})

    def value(token: str | None) -> float | None:
        return own[token].value if token in own else None

    notes = dict.fromkeys(
        score.note
        for score in own.values()
        if score.value is None and score.note and score.note not in (ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY)
    )
    return ToolRow(
        tool=tool,
        asked=asked,
        hd95=value("hd@95"),
        mean_distance=value(mean),
        mean_metric=mean,
        nsd=value(nsd),
        dice=value("dice"),
        notes=tuple(notes),
    )


def _reasons(pair: Comparison, key: int | str, rows: Sequence[ToolRow]) -> list[str]:
    """What on the pair makes the tools part, each with its figures."""
    counts, surfaces, unit = pair.counts(key), pair.surfaces(key), pair.grid.unit
    if not counts.prediction or not counts.reference:
        which = "both masks are" if not counts.prediction and not counts.reference else "the prediction is"
        which = "the reference is" if counts.prediction else which
        return [f"{which} empty, and each tool has a rule of its own for that: a number, infinity, NaN or an exception"]
    if surfaces.prediction_empty or surfaces.reference_empty:
        return []
    found = [*_percentiles(surfaces, unit), *_means(surfaces, unit), *_weights(rows, unit)]
    found += _strays(pair, key, unit)
    found += _slices(pair, rows, unit)
    return found or ["the tools agree: the two directions are alike, and no piece stands apart"]


def _differ(one: float | None, other: float | None) -> bool:
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return False
    return abs(one - other) > NOTABLE * max(abs(one), abs(other))


def _percentiles(surfaces: SurfaceDistances, unit: str) -> list[str]:
    there, back = surfaces.to_reference.percentile(95), surfaces.to_prediction.percentile(95)
    pooled = replace(surfaces, pooled=True).percentile(95)
    if not _differ(max(there, back), pooled):
        return []
    return [
        f"pooled or directed percentile: 95 % of the prediction's surface points are within {there:.2f} {unit}, of the "
        f"reference's within {back:.2f}; the larger is {max(there, back):.2f}, both together give {pooled:.2f}"
    ]


def _means(surfaces: SurfaceDistances, unit: str) -> list[str]:
    there, back = (side.sum() / side.total for side in (surfaces.to_reference, surfaces.to_prediction))
    if not _differ(there, back):
        return []
    points = surfaces.to_reference.total, surfaces.to_prediction.total
    both = (surfaces.to_reference.sum() + surfaces.to_prediction.sum()) / sum(points)
    return [
        f"which mean: {there:.2f} {unit} from prediction to reference ({points[0]:.0f} points), {back:.2f} back "
        f"({points[1]:.0f} points); over all points {both:.2f} (assd), "
        f"the mean of the two {(there + back) / 2:.2f} (masd)"
    ]


def _weights(rows: Sequence[ToolRow], unit: str) -> list[str]:
    voxel, surfel = (
        next((row for row in rows if row.asked == f"--surface {kind}"), None) for kind in ("voxel", "surfel")
    )
    if voxel is None or surfel is None or not _differ(voxel.hd95, surfel.hd95):
        return []
    return [
        f"area weights: each border voxel counts the same for {voxel.hd95:.2f} {unit}, each piece by its area for "
        f"{surfel.hd95:.2f}"
    ]


def _strays(pair: Comparison, key: int | str, unit: str) -> list[str]:
    """Pieces of one mask that touch nothing of the other."""
    members = np.array(sorted(pair.regions[key] if isinstance(key, str) else {key}), np.uint64)
    masks = [np.isin(each.labels, members) for each in (pair.prediction, pair.reference)]
    usual = replace(pair.surfaces(key), pooled=True).percentile(95)
    found = []
    for mask, other, name in ((masks[0], masks[1], "prediction"), (masks[1], masks[0], "reference")):
        for size, distance in _pieces_apart(mask, other, pair.grid.spacing)[:1]:
            if distance <= usual:
                continue
            share = 100 * size / max(1, int(mask.sum()))
            voxels = "1 voxel" if size == 1 else f"{size} voxels"
            found.append(
                f"a stray piece of the {name}: {voxels} ({share:.2g} % of it), up to {distance:.1f} {unit} from the "
                "other mask; hd is about its distance, and percentiles leave it out where it is a small part of the "
                "border"
            )
    return found


def _pieces_apart(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], spacing: tuple[float, ...]
) -> list[tuple[int, float]]:
    """Voxels and distance of the pieces of a mask that do not touch the other, the farthest first."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    held = ndimage.find_objects((mask | other).view(np.uint8))[0]  # the box of both
    mask, other = mask[held], other[held]
    pieces, number = ndimage.label(mask, np.ones((3,) * mask.ndim))
    if number < 2:
        return []
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)
    touching = np.unique(pieces[other])
    apart = [
        piece
        for piece in range(1, number + 1)
        if piece not in touching and sizes[piece] <= STRAY_SHARE * sizes[1:].sum()
    ]
    boxes = ndimage.find_objects(pieces)
    scale = np.array(spacing)
    tree = cKDTree(np.argwhere(other) * scale)
    found = []
    for piece in apart:
        box = boxes[piece - 1]
        points = np.argwhere(pieces[box] == piece) + [part.start for part in box]
        found.append((int(sizes[piece]), float(np.max(tree.query(points * scale)[0]))))
    return sorted(found, key=lambda each: -each[1])


def _slices(pair: Comparison, rows: Sequence[ToolRow], unit: str) -> list[str]:
    spacing = pair.grid.spacing
    values = [row.hd95 for row in rows if row.hd95 is not None and math.isfinite(row.hd95)]
    if not values or max(spacing) < 2 * min(spacing):
        return []
    spread = max(values) - min(values)
    if spread == 0 or spread >= max(spacing):
        return []
    return [
        f"slices {max(spacing):g} {unit} apart: the tools differ by {spread:.2f} {unit}, less than a slice; it is "
        "about how the border between two slices is drawn"
    ]
