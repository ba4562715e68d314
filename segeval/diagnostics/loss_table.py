"""What each loss says of a probability map, and how hard it pulls: its value and the size of its gradient.

Users weigh one loss against another by their gradients: how large the largest is, and how much of all the pull falls on
the structure, which may be a thousandth of the image. Values are those of the registered metrics; gradients are those
of `segeval.losses`. Ignored voxels are in neither. This module knows of no output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import OutOfMemoryError
from segeval.evidence.comparison import Comparison, SoftMaps
from segeval.losses import LOSSES
from segeval.maps.label_map import LabelMap
from segeval.maps.probability_map import ProbabilityMap
from segeval.metrics import METRICS, parse_all
from segeval.results.rows import ALL, Score
from segeval.scoring.case import Case
from segeval.scoring.cases import bins_of, read_soft_case
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan
from segeval.scoring.scoring import score

WEIGHED = ("wce", "dl2", "ss", "soft_dice", "vnet_dice")  # the losses that are means over the foreground classes


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRow:
    """One loss or soft score of a map.

    Parameters
    ----------
    metric
        Its name.
    value
        Over all classes; None where it is undefined.
    by_label
        Label -> value, of those that have one for each class.
    notes
        Label -> what is to be known of its value.
    largest
        The largest magnitude in the gradient; None for a score that is not trained on.
    on_foreground
        How much of the gradient, by magnitude, falls on voxels of the reference's foreground, from 0 to 1; None where
        there is no gradient, or one of 0 or of infinity.
    """

    metric: str
    value: float | None
    by_label: Mapping[int, float | None]
    notes: Mapping[int, str]
    largest: float | None = None
    on_foreground: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTable:
    """Every loss of one probability map.

    Parameters
    ----------
    prediction, reference
        The files.
    shape
        Of the image, in array order.
    voxels
        How many are counted.
    imbalance
        Foreground of the reference / all voxels; None where no voxel is counted.
    shares
        Label -> voxels of it in the reference / all voxels, of every class that is scored.
    names
        Label -> name.
    rows
        In the order of the metrics.
    signature
        What is in force.
    warnings
        What a reader should know.
    """

    prediction: str
    reference: str
    shape: tuple[int, ...]
    voxels: int
    imbalance: float | None
    shares: Mapping[int, float | None]
    names: Mapping[int, str]
    rows: tuple[LossRow, ...]
    signature: str
    warnings: tuple[str, ...] = ()


def losses_of(case: Case, plan: Plan, *, threads: int = 1) -> LossTable:
    """Every loss and soft score of a probability map, with the size of the gradient.

    Parameters
    ----------
    case
        The files.
    plan
        What is asked for, of probability maps; its metrics do not matter.
    threads
        How many may work at once.

    Returns
    -------
    LossTable
        Where no voxel is counted, nothing is defined.

    Raises
    ------
    InputError, UsageError
        As for scoring the case.
    """
    requests = parse_all([name for name, card in METRICS.items() if card.is_soft], probabilities=True)
    plan = replace(plan, metrics=tuple(requests))
    soft, prediction, reference, plan = read_soft_case(case, plan, threads=threads)
    try:
        return _table(case, plan, replace(soft, bins=bins_of(plan)), (prediction, reference), threads=threads)
    except MemoryError:
        raise OutOfMemoryError("there is not enough memory for its gradients", source=case.prediction) from None


def _table(case: Case, plan: Plan, soft: SoftMaps, maps: tuple[LabelMap, LabelMap], *, threads: int) -> LossTable:
    pair, names, warnings = compare(*maps, plan, threads=threads, soft=soft)
    if not isinstance(pair, Comparison):
        raise TypeError("a probability map has one layer")  # a reference with more was refused
    found = score(pair, names, plan, case=case.name)
    labels = tuple(plan.relabel_prediction.get(label, label) for label in soft.prediction.labels)
    ignored = plan.conventions.ignore_label
    held = pair.reference.labels.reshape(-1)
    kept = None if ignored is None else np.flatnonzero(held != ignored)
    held = held if kept is None else held[kept]
    values = {"probabilities": _stacked(soft.prediction, kept), "normalise": plan.normalise}
    if soft.reference is None:
        values["reference"] = _indices(held, labels)
    else:
        values["reference"] = _stacked(soft.reference, kept)
    weights = {
        place: pair.weight_of(label) if label in pair.scored else 0.0
        for place, label in _places(labels).items()
        if label
    }
    options: dict[str, dict[str, Any]] = {name: {"weights": weights} for name in WEIGHED}
    options["gdl"] = {"absent_class": plan.conventions.absent_class}
    foreground = held != 0
    rows = []
    for request in plan.metrics:
        size = None
        if request.name in LOSSES and held.size:
            _, gradient = LOSSES[request.name](**values, **options.get(request.name, {}))
            size = _size(gradient.reshape(len(labels), -1), foreground)
        rows.append(_row(request.token, [row for row in found if row.metric == request.token], size))
    totals = {label: count for label, count in pair.table.reference_totals.items() if label}
    voxels = pair.voxels
    return LossTable(
        prediction=case.prediction or "",
        reference=case.reference,
        shape=pair.grid.shape,
        voxels=voxels,
        imbalance=sum(totals.values()) / voxels if voxels else None,
        shares={label: totals.get(label, 0) / voxels if voxels else None for label in labels if label in pair.scored},
        names=names,
        rows=tuple(rows),
        signature=plan.signature([(pair.grid.ndim, pair.grid.unit)]),
        warnings=tuple(warnings),
    )


def _row(metric: str, scores: Sequence[Score], size: tuple[float, float | None] | None) -> LossRow:
    """One loss, from its scores and the size of its gradient; None for one that has none."""
    by_label = {row.label: row for row in scores if isinstance(row.label, int) and row.label}
    largest, on_foreground = size or (None, None)
    return LossRow(
        metric=metric,
        value=next(row.value for row in scores if row.label == ALL),
        by_label={label: row.value for label, row in by_label.items()},
        notes={label: row.note for label, row in by_label.items() if row.note is not None},
        largest=largest,
        on_foreground=on_foreground,
    )


def _stacked(probabilities: ProbabilityMap, kept: NDArray[np.intp] | None) -> NDArray[Any]:
    """The channels of the voxels that count, as (class, 1, 1, voxel)."""
    values = probabilities.values if kept is None else probabilities.values[:, kept]
    return values.reshape(len(values), 1, 1, -1)


def _places(labels: tuple[int, ...]) -> dict[int, int]:
    """The class that a channel is to the losses -> its label; one channel is class 1."""
    return {1: labels[0]} if len(labels) == 1 else dict(enumerate(labels))


def _indices(held: NDArray[Any], labels: tuple[int, ...]) -> NDArray[Any]:
    """The reference's labels as numbers of classes, as (1, 1, voxel)."""
    classes = np.zeros(held.shape, np.min_scalar_type(len(labels)))
    for place, label in _places(labels).items():
        classes[held == label] = place if label else 0
    return classes.reshape(1, 1, -1)


def _size(gradient: NDArray[np.float64], foreground: NDArray[np.bool_]) -> tuple[float, float | None]:
    """The largest magnitude, and how much of all falls on the foreground."""
    largest, total, inside = 0.0, 0.0, 0.0
    for channel in gradient:
        size = np.abs(channel)
        largest = max(largest, float(size.max(initial=0)))
        total += float(size.sum())
        inside += float(size[foreground].sum())
    return largest, inside / total if 0 < total < math.inf else None
