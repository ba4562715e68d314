"""Compute each loss of a probability map, and the size of its gradient.

Users compare losses by their gradients: the largest gradient, and the share of the total gradient on the foreground,
which may be a thousandth of the image. Values are those of the registered metrics, gradients those of `segeval.losses`,
both without ignored voxels.
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

WEIGHED = ("wce", "dl2", "ss", "soft_dice", "vnet_dice")  # losses that are means over the foreground classes


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRow:
    """One loss or soft score of a map.

    Parameters
    ----------
    metric
        Name of the metric.
    value
        Value over all classes; None if it is undefined.
    by_label
        Values by label, for metrics with a value for each class.
    notes
        Notes on the values, by label.
    largest
        Largest magnitude in the gradient; None for a score that is not a training loss.
    on_foreground
        Share of the total gradient, by magnitude, on voxels of the reference's foreground, from 0 to 1; None without a
        gradient, or if the total is 0 or infinite.
    """

    metric: str
    value: float | None
    by_label: Mapping[int, float | None]
    notes: Mapping[int, str]
    largest: float | None = None
    on_foreground: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTable:
    """All losses of one probability map.

    Parameters
    ----------
    prediction, reference
        The files.
    shape
        Shape of the image, in array order.
    voxels
        Number of counted voxels.
    imbalance
        Share of the voxels that are foreground in the reference; None if no voxel is counted.
    shares
        Share of the voxels that have each label in the reference, for every scored class.
    names
        Names of the labels, by number.
    rows
        One row for each loss, in the order of the metrics.
    signature
        The conventions of the numbers.
    footnote
        Those of them that a number in the table depends on.
    warnings
        Warnings about the files.
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
    footnote: str
    warnings: tuple[str, ...] = ()


def losses_of(case: Case, plan: Plan, *, threads: int = 1) -> LossTable:
    """Compute all losses and soft scores of a probability map, with the size of the gradient.

    Parameters
    ----------
    case
        The files.
    plan
        The plan, for probability maps; its metrics are ignored.
    threads
        Number of threads.

    Returns
    -------
    LossTable
        All values are None if no voxel is counted.

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
        raise OutOfMemoryError("not enough memory for the gradients", source=case.prediction) from None


def _table(case: Case, plan: Plan, soft: SoftMaps, maps: tuple[LabelMap, LabelMap], *, threads: int) -> LossTable:
    pair, names, warnings = compare(*maps, plan, threads=threads, soft=soft)
    if not isinstance(pair, Comparison):
        raise TypeError("a probability map has one layer")  # references with several layers were refused
    found = score(pair, names, plan, case=case.name)
    labels = tuple(plan.relabel_prediction.get(label, label) for label in soft.prediction.labels)
    ignored = plan.conventions.ignore_label
    true = pair.reference.labels.reshape(-1)
    kept = None if ignored is None else np.flatnonzero(true != ignored)
    true = true if kept is None else true[kept]
    values = {"probabilities": _stacked(soft.prediction, kept), "normalise": plan.normalise}
    if soft.reference is None:
        values["reference"] = _indices(true, labels)
    else:
        values["reference"] = _stacked(soft.reference, kept)
    weights = {
        place: pair.weight_of(label) if label in pair.scored else 0.0
        for place, label in _places(labels).items()
        if label
    }
    options: dict[str, dict[str, Any]] = {name: {"weights": weights} for name in WEIGHED}
    options["gdl"] = {"absent_class": plan.conventions.absent_class}
    foreground = true != 0
    rows = []
    for request in plan.metrics:
        size = None
        if request.name in LOSSES and true.size:
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
        footnote=plan.footnote([(pair.grid.ndim, pair.grid.unit)]),
        warnings=tuple(warnings),
    )


def _row(metric: str, scores: Sequence[Score], size: tuple[float, float | None] | None) -> LossRow:
    """Make the row of one loss from its scores and the size of its gradient, if it has one."""
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
    """Channels of the counted voxels, as (class, 1, 1, voxel)."""
    values = probabilities.values if kept is None else probabilities.values[:, kept]
    return values.reshape(len(values), 1, 1, -1)


def _places(labels: tuple[int, ...]) -> dict[int, int]:
    """Labels by the class number that the losses use; a single channel is class 1."""
    return {1: labels[0]} if len(labels) == 1 else dict(enumerate(labels))


def _indices(true: NDArray[Any], labels: tuple[int, ...]) -> NDArray[Any]:
    """Class numbers of the reference, as (1, 1, voxel)."""
    classes = np.zeros(true.shape, np.min_scalar_type(len(labels)))
    for place, label in _places(labels).items():
        classes[true == label] = place if label else 0
    return classes.reshape(1, 1, -1)


def _size(gradient: NDArray[np.float64], foreground: NDArray[np.bool_]) -> tuple[float, float | None]:
    """Largest magnitude of the gradient, and the foreground's share of the total."""
    largest, total, inside = 0.0, 0.0, 0.0
    for channel in gradient:
        size = np.abs(channel)
        largest = max(largest, float(size.max(initial=0)))
        total += float(size.sum())
        inside += float(size[foreground].sum())
    return largest, inside / total if 0 < total < math.inf else None
