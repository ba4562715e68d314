"""What can be asked for, by the command line's names, and the plan that it makes."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, SupportsIndex, TypedDict

import numpy as np

from segeval.errors import InputError, UsageError, shown
from segeval.evidence.conventions import (
    DEFAULT_METRICS,
    SURFACES,
    AbsentClass,
    Conventions,
    Penalty,
    Percentile,
    Surface,
)
from segeval.maps.geometry import Policy
from segeval.maps.labels import plain_name
from segeval.metrics import Request, parse_all
from segeval.reading.tables import LabelTable
from segeval.scoring.plan import RESERVED, THRESHOLD, Plan
from segeval.scoring.presets import preset_of


class Options(TypedDict, total=False):
    """What `score` and `score_files` can be asked for; see `plan_of`."""

    metrics: str | Iterable[str] | None
    labels: str | os.PathLike[str] | Mapping[int, str] | LabelTable
    match: Literal["ids", "names"]
    only: int | str | Iterable[int | str]
    regions: Mapping[str, str | Iterable[int]]
    map: Mapping[int, int]
    map_prediction: Mapping[int, int]
    map_reference: Mapping[int, int]
    ignore_label: int | None
    background: bool
    compat: str | None
    surface: Surface | None
    percentile: Percentile | None
    penalty: Penalty | None
    absent_class: AbsentClass | None
    tolerance: float | Mapping[str, float]
    spacing: Iterable[float] | None
    geometry: Policy
    geometry_tolerance: float
    weight: Mapping[str, float]
    probabilities: bool
    threshold: float
    normalise: bool


def plan_of(
    *,
    metrics: str | Iterable[str] | None = None,
    labels: str | os.PathLike[str] | Mapping[int, str] | LabelTable | None = None,
    match: Literal["ids", "names"] = "ids",
    only: int | str | Iterable[int | str] = (),
    regions: Mapping[str, str | Iterable[int]] | None = None,
    map: Mapping[int, int] | None = None,  # noqa: A002  (the command line's name)
    map_prediction: Mapping[int, int] | None = None,
    map_reference: Mapping[int, int] | None = None,
    ignore_label: int | None = None,
    background: bool = False,
    compat: str | None = None,
    surface: Surface | None = None,
    percentile: Percentile | None = None,
    penalty: Penalty | None = None,
    absent_class: AbsentClass | None = None,
    tolerance: float | Mapping[str, float] = 1.0,
    spacing: Iterable[float] | None = None,
    geometry: Policy = "strict",
    geometry_tolerance: float = 0.05,
    weight: Mapping[str, float] | None = None,
    probabilities: bool = False,
    threshold: float = THRESHOLD,
    normalise: bool = False,
) -> Plan:
    """The plan that options by the command line's names ask for.

    Parameters
    ----------
    metrics
        ``["dice", "hd@95"]`` or ``"dice,hd@95"`` or ``"all"``; the usual ones if not given.
    labels
        Label -> name, or ``"1=liver,2=tumour"``, or a file: nnU-Net or Decathlon dataset.json, a JSON object, BIDS
        dseg.tsv, a colour table of ITK-SNAP, 3D Slicer or FreeSurfer, or a table with a header. The regions and the
        ignored label of a dataset.json hold unless `regions` and `ignore_label` say otherwise.
    match
        ``"ids"`` or ``"names"``: what makes a label the same in both maps.
    only
        The labels that are scored, by number or name.
    regions
        Name -> labels: ``{"WT": "1,2,4"}`` or ``{"WT": [1, 2, 4]}``.
    map, map_prediction, map_reference
        Old label -> new label in both maps or one, first of all.
    ignore_label
        Voxels whose reference is this label count nowhere.
    background
        Score label 0 too.
    compat
        All conventions of another tool at once, by the name of a preset: ``"monai"``. Of the default metrics those
        that it lacks are left out.
    surface
        What a surface is: ``"voxel"``, ``"surfel"`` (corners weighted by area) or ``"smooth"`` (3-D).
    percentile
        ``"directed"``: the larger of the two directed percentiles; ``"pooled"``: that of both directions.
    penalty
        The distance that stands for a surface against none: ``"diagonal"``, ``"inf"``, ``"nan"`` or a length.
    absent_class
        Weight of a class absent from the reference in generalized Dice: ``"max"``, ``"ignore"`` or ``"penalise"``.
    tolerance
        For `nsd` and its two sides without a number, or label -> tolerance.
    spacing
        Distance between voxel centres in mm, in the order of the array's axes; replaces that of the files.
    geometry, geometry_tolerance
        What to do where grids differ, and from how far on, in smallest spacings.
    weight
        Label -> what it weighs in means over labels; the others weigh 1.
    probabilities
        Predictions are probability maps: the metrics of those are scored too where none are asked for by name, and all
        others on the most probable labels.
    threshold
        A probability map with one channel says foreground from there on.
    normalise
        Clip and renormalise probability maps that are none.

    Raises
    ------
    UsageError
        An option that is not what it should be.
    """
    both = dict(map or {})
    table = _table(labels)
    if surface is not None and surface not in SURFACES:
        raise UsageError(f"surface is one of {', '.join(SURFACES)}, not {shown(surface)}")
    own, requests = _numbers(
        metrics,
        compat,
        probabilities,
        {"surface": surface, "percentile": percentile, "penalty": penalty, "absent_class": absent_class},
    )
    conventions = replace(
        own,
        tolerance=1.0 if isinstance(tolerance, Mapping) else _length(tolerance),
        label_tolerances={str(label): _length(each) for label, each in tolerance.items()}
        if isinstance(tolerance, Mapping)
        else {},
        label_weights={str(label): _weight(each) for label, each in (weight or {}).items()},
        background=background,
        ignore_label=table.ignore_label if ignore_label is None else _label(ignore_label),
    )
    return Plan(
        metrics=requests,
        names={_label(label): name for label, name in table.names.items()},
        skipped=tuple(sorted(table.skipped)),
        only=tuple(entries_of("only", only)),
        regions=_regions(table, regions or {}),
        conventions=conventions,
        match=match,
        relabel_prediction=_relabelling({**both, **(map_prediction or {})}),
        relabel_reference=_relabelling({**both, **(map_reference or {})}),
        geometry=geometry,
        geometry_tolerance=geometry_tolerance,
        spacing=None if spacing is None else _spacing(spacing),
        probabilities=probabilities,
        threshold=threshold,
        normalise=normalise,
    )


def _numbers(
    metrics: str | Iterable[str] | None, compat: str | None, probabilities: bool, given: Mapping[str, Any]
) -> tuple[Conventions, tuple[Request, ...]]:
    """How numbers are computed, and which; of the default ones and of all, those that a preset lacks are left out."""
    chosen = {name: value for name, value in given.items() if value is not None}
    entries = list(DEFAULT_METRICS) if metrics is None else entries_of("metrics", metrics)
    requests = parse_all(entries, probabilities=probabilities)
    if compat is None:
        if probabilities and metrics is None:
            requests += tuple(request for request in parse_all(["all"], probabilities=True) if request.card.is_soft)
        return Conventions(**chosen), requests
    preset = preset_of(compat)
    if chosen:
        raise UsageError(f"compat {shown(compat)} decides on {', '.join(chosen)}: leave one of them out")
    named = [part for entry in entries for part in entry.split(",") if part.strip() not in ("", "all")]
    asked = parse_all(named) if named and metrics is not None else ()
    return preset.conventions, tuple(
        request for request in requests if request in asked or preset.has(request.name, request.value)
    )


def _table(labels: str | os.PathLike[str] | Mapping[int, str] | LabelTable | None) -> LabelTable:
    if isinstance(labels, LabelTable):
        return labels
    if labels is None or isinstance(labels, Mapping):
        return LabelTable(names=labels or {}, dialect="mapping", source="labels")
    from segeval.reading.labels import parse_labels  # deferred: it knows many dialects

    return parse_labels(os.fspath(labels))


def _regions(table: LabelTable, given: Mapping[str, str | Iterable[int]]) -> dict[str, str]:
    """The regions of a table and those given, which win where both have a name."""
    taken = {plain_name(name) for name in given}
    kept = {name: members for name, members in table.regions.items() if plain_name(name) not in taken}
    for name in kept.keys() & set(RESERVED):
        raise InputError(f"a region cannot be called {name!r}", source=table.source, hint="take a word of its own")
    return {
        name: members if isinstance(members, str) else ",".join(entries_of("regions", members))
        for name, members in [*kept.items(), *given.items()]
    }


def _length(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"a tolerance is a length, or label -> length, found {shown(repr(value))}") from None


def _weight(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"weight takes label -> number, found {shown(repr(value))}") from None


def _spacing(steps: Iterable[float]) -> tuple[float, ...]:
    try:
        return tuple(float(step) for step in steps)
    except (TypeError, ValueError):
        raise UsageError(f"spacing takes a length for each axis, found {shown(repr(steps))}") from None


def _label(label: SupportsIndex) -> int:
    try:
        return operator.index(label)
    except TypeError:
        raise UsageError(f"labels are whole numbers, found {shown(repr(label))}") from None


def _relabelling(new: Mapping[int, int]) -> dict[int, int]:
    return {_label(old): _label(to) for old, to in new.items()}


def entries_of(option: str, entries: object) -> list[str]:
    """Several texts or numbers, or one alone."""
    several = (
        [entries] if isinstance(entries, (int, str)) else list(entries) if isinstance(entries, Iterable) else [None]
    )
    if not all(isinstance(entry, (int, str, np.integer)) for entry in several):
        raise UsageError(f"{option} takes texts or whole numbers, found {shown(repr(entries))}")
    return [str(entry) for entry in several]
