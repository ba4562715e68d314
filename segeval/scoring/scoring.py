"""From two label maps and a plan to rows of scores.

A plan says what is asked for; `compare` brings the two maps together as it says, and `score` reads each metric off the
evidence. Every label that is scored has a row for every metric: where there is no value, there is a note that says why.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from segeval.errors import GeometryError, InputError, UsageError, shown
from segeval.evidence.comparison import Comparison, Key, SoftMaps
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import ContingencyTable, Counts
from segeval.evidence.layered_comparison import LayeredComparison
from segeval.evidence.probability_sums import ClassSums, ProbabilityTotals
from segeval.evidence.surfaces.boundary_bands import Bands
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.geometry import difference, reconcile
from segeval.maps.label_map import LabelMap, layerwise
from segeval.maps.labels import check_names, matched_by_name, number_of, plain_name, relabelled
from segeval.maps.probability_map import ProbabilityMap
from segeval.metrics import Quantity, Request
from segeval.scoring.plan import Plan

Pair = Comparison | LayeredComparison

ALL = "all"
PREDICTION_EMPTY = "prediction empty"
REFERENCE_EMPTY = "reference empty"
ABSENT = "absent in both"
NO_CHANNEL = "undefined: the probability map has no channel for it"
NO_UNION = "undefined: it is for single classes"
NO_FOREGROUND = "a perfect map has -1/2 here, and one wrong voxel makes about 1/2 of it"
SHEARED_AXES = "the axes of the grid are not at right angles; distances are taken as if they were"
SMALLEST_SPACING = 1e-6  # mm: beyond that and its reciprocal, squares lose their digits
INSTANCE_LABELS = 12  # that few labels can disagree by accident


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number: a tidy row.

    Parameters
    ----------
    case
        The case.
    label
        A label's number, a region's name, or ``"all"`` for a metric over all labels.
    name
        The label's name, if it has one.
    metric
        What was asked for: ``"hd@95"``.
    value
        The number; None where it is undefined.
    unit
        ``"mm"``, ``"px"``, ``"ml"``, ``"voxels"``, or None for a ratio.
    note
        Why there is no value, or which map lacked the label.
    """

    case: str
    label: Key
    name: str | None
    metric: str
    value: float | None
    unit: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """The voxels of one label in one case, from which scores pooled over cases are made.

    Parameters
    ----------
    case
        The case.
    label
        A label's number, or a region's name.
    tp, fp, fn, tn
        Voxels in both maps, only in the prediction, only in the reference, in neither.
    """

    case: str
    label: Key
    tp: int
    fp: int
    fn: int
    tn: int


def compare(
    prediction: LabelMap, reference: LabelMap, plan: Plan, *, threads: int = 1, soft: SoftMaps | None = None
) -> tuple[Pair, Mapping[int, str], list[str]]:
    """Bring two label maps together as the plan says; `soft` are the probabilities behind the prediction.

    Returns
    -------
    Comparison or LayeredComparison
        The pair, ready to be scored.
    Mapping
        Label -> name.
    list of str
        What a user should be warned of, each with the option that mends it.

    Raises
    ------
    InputError
        Grids that differ, or label names that contradict each other.
    UsageError
        A label or region that the plan names wrongly.
    """
    prediction = relabelled(prediction, plan.relabel_prediction)
    reference = relabelled(reference, plan.relabel_reference)
    prediction, reference = _both_adapted(prediction, reference, plan)
    if plan.match == "names":
        prediction = matched_by_name(prediction, reference)
    if plan.conventions.surface == "smooth" and reference.grid.ndim == 2:
        raise UsageError(
            "the smooth surface is for volumes, this image has 2 axes", hint="take --surface voxel or surfel"
        )
    warnings = [SHEARED_AXES] if reference.grid.sheared else []

    if soft is not None:
        soft = _soft_adapted(soft, prediction, reference, plan)

    def brought(layer: LabelMap) -> LabelMap:
        moved, warning = reconcile(layer, reference, policy=plan.geometry, tolerance=plan.geometry_tolerance)
        if warning and warning not in warnings:
            warnings.append(warning)
        return moved

    prediction = layerwise(brought, prediction)
    names = {**prediction.names, **reference.names}
    pair = _paired(prediction, reference, plan, names, threads=threads, soft=soft)
    if plan.match == "ids":
        check_names(prediction, reference, present=pair.present)
    wanted = set(plan.only) & plan.regions.keys() or plan.regions.keys()
    for name, labels in plan.regions.items():
        if name in wanted:
            pair.regions[name] = _members(name, labels, pair.present, names, plan.conventions)
    if isinstance(pair, Comparison) and (pair.scored or not plan.only):
        warnings += suspicions(pair.table, names)
    return pair, names, warnings


def _paired(
    prediction: LabelMap,
    reference: LabelMap,
    plan: Plan,
    names: Mapping[int, str],
    *,
    threads: int,
    soft: SoftMaps | None,
) -> Pair:
    """The comparison of two maps on one grid."""
    for label in [*(plan.conventions.label_tolerances.keys() - plan.regions.keys()), *plan.conventions.label_weights]:
        _resolved(label, names)
    options: dict[str, Any] = {
        "prediction": prediction,
        "reference": reference,
        "conventions": plan.conventions,
        "listed": {*plan.names, *(() if soft is None else soft.prediction.labels)} - {0},
        "only": _only(plan, names),
        "threads": threads,
        "names": names,
    }
    pair: Pair
    if prediction.overlays or reference.overlays:
        pair = LayeredComparison(**options)
    else:
        pair = Comparison(**options, soft=soft)
    if soft is not None:
        _check_channels(pair, soft.prediction, plan)
    return pair


def _soft_adapted(soft: SoftMaps, prediction: LabelMap, reference: LabelMap, plan: Plan) -> SoftMaps:
    """The probabilities with the labels that the plan gives their channels."""
    found = difference(prediction.grid, reference.grid, tolerance=plan.geometry_tolerance)
    if found is not None and plan.geometry == "resample":
        raise GeometryError(found.text, source=prediction.source, hint="a probability map cannot be resampled")
    if soft.reference is not None:
        if plan.relabel_reference or plan.relabel_prediction:
            raise UsageError("a soft reference has channels, which take no other numbers", hint="save it as labels")
        if soft.reference.labels != soft.prediction.labels:
            counts = f"{len(soft.reference.labels)}, the prediction {len(soft.prediction.labels)}"
            raise InputError(f"a soft reference has the prediction's channels, found {counts}", source=reference.source)
    if 0 in {*plan.relabel_prediction, *plan.relabel_prediction.values()}:
        raise UsageError("the background of a probability map stays 0, and no other channel becomes it")
    labels = tuple(plan.relabel_prediction.get(label, label) for label in soft.prediction.labels)
    if len(set(labels)) < len(labels):
        raise UsageError("two channels of a probability map cannot become one label", hint="--region scores a union")
    return replace(soft, prediction=replace(soft.prediction, labels=labels))


def _check_channels(pair: Pair, probabilities: ProbabilityMap, plan: Plan) -> None:
    """Refuse a reference that has labels without a channel."""
    if not isinstance(pair, Comparison):
        raise InputError("its labels overlap, which a probability map's classes do not", source=pair.reference.source)
    known = {0, *probabilities.labels, plan.conventions.ignore_label}
    strange = [label for label in pair.table.reference_totals if label not in known]
    if strange:
        channels = ", ".join(map(str, probabilities.labels))
        raise InputError(
            f"the reference has {_few(strange)}, and the probability map no channel for it (channels: {channels})",
            source=pair.reference.source,
            hint="--map-reference OLD=NEW relabels it, --ignore-label leaves it out",
        )


def _only(plan: Plan, names: Mapping[int, str]) -> list[int] | None:
    """The labels that alone are scored, if the plan names any; regions may stand among them."""
    if not plan.only:
        return None
    known = {*plan.regions, *names.values()}
    entries = [part for entry in plan.only for part in ([entry] if entry in known else entry.split(","))]
    if not all(entry.strip() for entry in entries):
        raise UsageError("--only takes a label, found ''")
    only = [_resolved(entry, names) for entry in entries if entry not in plan.regions]
    if 0 in only and not plan.conventions.background:
        raise UsageError("label 0 is the background", hint="--background scores it")
    if plan.conventions.ignore_label in only:
        raise UsageError(f"label {plan.conventions.ignore_label} is ignored, so it cannot be scored")
    return only


def _both_adapted(prediction: LabelMap, reference: LabelMap, plan: Plan) -> tuple[LabelMap, LabelMap]:
    """Both maps with the plan's names and spacing; a map without a place in the world takes that of the other one."""
    adapted = [layerwise(lambda layer: _adapted(layer, plan), each) for each in (prediction, reference)]
    for each in adapted:
        if not all(SMALLEST_SPACING <= step <= 1 / SMALLEST_SPACING for step in each.grid.spacing):
            steps = " x ".join(f"{step:g}" for step in each.grid.spacing[::-1])
            raise InputError(
                f"expected a spacing that an image can have, found {steps} {each.grid.unit}",
                source=each.source,
                hint="--spacing replaces it",
            )
    placed = [each.grid.unit == "mm" for each in (prediction, reference)]
    if plan.spacing is not None and placed[0] != placed[1]:
        world = adapted[placed.index(True)].grid
        place = placed.index(False)
        grid = replace(adapted[place].grid, origin=world.origin, direction=world.direction)
        adapted[place] = layerwise(lambda layer: replace(layer, grid=grid), adapted[place])
    return adapted[0], adapted[1]


def _adapted(label_map: LabelMap, plan: Plan) -> LabelMap:
    """The layer with the plan's names and spacing."""
    # matched by name, the file's own names decide, and a table names only what has none
    names = {**label_map.names, **plan.names} if plan.match == "ids" else {**plan.names, **label_map.names}
    label_map, spacing = replace(label_map, names=names), plan.spacing
    if spacing is None:
        return label_map
    if len(spacing) != label_map.grid.ndim:
        raise UsageError(
            f"spacing takes a number for each of the {label_map.grid.ndim} axes of {shown(label_map.source)}, "
            f"found {len(spacing)}"
        )
    return replace(label_map, grid=replace(label_map.grid, spacing=spacing, unit="mm"))


def _label_number(text: str) -> int:
    label = int(text)
    if label >= 1 << 64:
        raise UsageError(f"labels are below 2**64, found {shown(text)}")
    return label


def _resolved(entry: str, names: Mapping[int, str]) -> int:
    if entry.strip().isdecimal():
        return _label_number(entry)
    found = [label for label, name in names.items() if plain_name(name) == plain_name(entry)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several labels are called {shown(entry)!r}: {', '.join(map(str, sorted(found)))}")
    near = difflib.get_close_matches(entry, list(names.values()), n=3, cutoff=0.5)
    suggestion = f", did you mean {' or '.join(map(shown, near))}?" if near else ""
    raise UsageError(f"no label is called {shown(entry)!r}{suggestion}", hint=None if near else "--labels gives names")


def _members(
    region: str, labels: str, present: Collection[int], names: Mapping[int, str], conventions: Conventions
) -> frozenset[int]:
    if any(plain_name(region) == plain_name(name) for name in names.values()):
        raise UsageError(f"the region {shown(region)!r} is called like a label", hint="take a word of its own")
    members: set[int] = set()
    present = [label for label in present if label and label != conventions.ignore_label]
    for part in (part.strip() for part in labels.split(",")):
        first, dash, last = part.partition("-")
        if part == "*":
            members.update(present)
        elif first.isdecimal() and not dash:
            members.add(_label_number(first))
        elif first.isdecimal() and last.isdecimal() and int(first) <= int(last):
            members.update(label for label in present if int(first) <= label <= int(last))
        else:
            named = [label for label, name in names.items() if plain_name(name) == plain_name(part)]
            if len(named) != 1:
                raise UsageError(
                    f"the region {shown(region)!r} takes numbers, ranges such as 1-125, or *, or names of labels, "
                    f"found {shown(part)!r}"
                )
            members.update(named)
    if 0 in members or conventions.ignore_label in members:
        raise UsageError(
            f"the region {shown(region)!r} holds the background or the ignored label",
            hint="a --region of the same name without it wins over that of a table",
        )
    return frozenset(members)


def suspicions(table: ContingencyTable, names: Mapping[int, str]) -> list[str]:
    """What looks wrong about the labels of a pair, each with the option that mends it."""
    of_prediction = {label for label in table.prediction_totals if label}
    of_reference = {label for label in table.reference_totals if label}
    if not of_prediction or not of_reference:
        return []
    for one, one_name, other, other_name in (
        (of_prediction, "prediction", of_reference, "reference"),
        (of_reference, "reference", of_prediction, "prediction"),
    ):
        if one == {255} and other == {1}:
            return [f"the {one_name} holds 0 and 255, the {other_name} 0 and 1: --map 255=1 makes them the same label"]
    if of_prediction.isdisjoint(of_reference):
        mend = "--map-prediction OLD=NEW relabels" + (", --match names pairs labels by name" if names else "")
        if len(of_prediction) == len(of_reference) == 1:
            mend = f"--map-prediction {min(of_prediction)}={min(of_reference)} makes them one"
        return [f"no label is in both maps (prediction {_few(of_prediction)}; reference {_few(of_reference)}): {mend}"]
    if 255 in of_reference - of_prediction and 255 not in names:
        return [
            "label 255 is in the reference only: if it marks what is not annotated, --ignore-label 255 leaves it out"
        ]
    elsewhere = _found_under_other_numbers(table)
    if len(of_reference) >= INSTANCE_LABELS and 2 * elsewhere > len(of_reference) and not names:
        return [
            f"labels look like instance numbers ({len(of_prediction)} in the prediction, {len(of_reference)} in the "
            f"reference, {elsewhere} of which overlap most with another number): scores by number mean little; "
            "--region objects=* scores their union"
        ]
    return []


def _few(labels: Collection[int]) -> str:
    ordered = sorted(labels)
    return ", ".join(map(str, ordered[:4])) + (f" and {len(ordered) - 4} more" if len(ordered) > 4 else "")


def _found_under_other_numbers(table: ContingencyTable) -> int:
    """Reference labels that share more voxels with another label of the prediction than with their own number."""
    most: dict[int, tuple[int, int]] = {}
    for reference, prediction, voxels in table.rows():
        if reference and prediction and voxels > most.get(reference, (0, 0))[0]:
            most[reference] = (voxels, prediction)
    return sum(prediction != reference for reference, (_, prediction) in most.items())


def score(comparison: Pair, names: Mapping[int, str], plan: Plan, *, case: str) -> list[Score]:
    """Every metric of the plan, for every label and region that is scored.

    Returns
    -------
    list of Score
        By label in increasing order, then by region, then over all labels; metrics in the order of the plan.
    """
    by_label = [request for request in plan.metrics if not request.card.is_over_all]
    keys: list[Key] = [*comparison.scored, *comparison.regions]
    rows = [_scored(request, key, comparison, names, case=case) for key in keys for request in by_label]
    means = {
        request.token: _soft_mean(request, rows, comparison)
        for request in plan.metrics
        if request.card.needs is ClassSums
    }
    for request in plan.metrics:
        if request.token in means:
            value = means[request.token]
            said = "undefined: it is for every class" if value is None else _without_foreground(request, rows)
        elif request.card.is_over_all:
            value = _number(request.card.function(_over_all(request, comparison), **_arguments(request)))
            said = f"undefined: {request.card.undefined}" if value is None else None
        else:
            continue
        rows.append(
            Score(
                case=case,
                label=ALL,
                name=None,
                metric=request.token,
                value=value,
                unit=None,
                note=said,
            )
        )
    return rows


def _without_foreground(request: Request, rows: Iterable[Score]) -> str | None:
    """What is to be known of a mean that holds a value over a class which the reference lacks, for dl2 alone."""
    notes = [row.note or "" for row in rows if row.metric == request.token]
    return next((note for note in notes if note.endswith(NO_FOREGROUND)), None)


def _over_all(request: Request, comparison: Pair) -> object:
    """What a metric over all labels is computed from."""
    if request.card.needs is ProbabilityTotals and isinstance(comparison, Comparison):
        return comparison.probability_totals
    return comparison.totals


def _arguments(request: Request) -> dict[str, float]:
    parameter = request.card.parameter
    if parameter is None:
        return {}
    return {parameter.name: parameter.default if request.value is None else request.value}


def _soft_mean(request: Request, rows: Collection[Score], comparison: Pair) -> float | None:
    """The mean of a soft score over the foreground classes that have one, by their weights."""
    found = [
        (row.value, comparison.weight_of(row.label))
        for row in rows
        if row.metric == request.token and isinstance(row.label, int) and row.label and row.value is not None
    ]
    weight = math.fsum(each for _, each in found)
    return math.fsum(value * each for value, each in found) / weight if weight else None


def counted(comparison: Pair, *, case: str) -> list[LabelCounts]:
    """The voxel counts of every label and region that is scored, in the order of `score`."""
    rows = []
    keys: list[Key] = [*comparison.scored, *comparison.regions]
    for key in keys:
        counts = comparison.counts(key)
        rows.append(LabelCounts(case=case, label=key, tp=counts.tp, fp=counts.fp, fn=counts.fn, tn=counts.tn))
    return rows


def _scored(request: Request, key: Key, comparison: Pair, names: Mapping[int, str], *, case: str) -> Score:
    card, counts = request.card, comparison.counts(key)
    name = names.get(key) if isinstance(key, int) else None
    if card.needs is ClassSums:
        number, note = _softly_scored(request, key, comparison)
        return Score(case=case, label=key, name=name, metric=request.token, value=number, unit=None, note=note)
    evidence: object = counts
    if card.needs is SurfaceDistances:
        evidence = comparison.surfaces(key)
    elif card.needs is Bands:
        evidence = comparison.bands(key)
    arguments = _arguments(request)
    if request.value is None and "tolerance" in arguments:
        conventions = comparison.conventions
        arguments["tolerance"] = number_of(key, name, conventions.label_tolerances, conventions.tolerance)
    number = _number(card.function(evidence, **arguments))
    unit = {Quantity.LENGTH: comparison.grid.unit, Quantity.VOLUME: "ml", Quantity.COUNT: "voxels"}.get(card.quantity)
    note = _emptiness(counts, evidence, ignoring=comparison.conventions.ignore_label is not None)
    number, note = _as_another_tool(request, counts, number, note, comparison.conventions)
    if number is None and note is None:
        note = f"undefined: {card.undefined}"
    return Score(case=case, label=key, name=name, metric=request.token, value=number, unit=unit, note=note)


def _as_another_tool(
    request: Request, counts: Counts, number: float | None, note: str | None, conventions: Conventions
) -> tuple[float | None, str | None]:
    """The number and the note of an empty mask, by the rule of a preset if it has one for the metric."""
    empty = (not counts.prediction, not counts.reference)
    if not any(empty):
        return number, note
    name = "hd@" if request.name == "hd" and request.value is not None else request.name
    rule = conventions.empty.get(name, (None, None, None))[0 if all(empty) else 1 if empty[0] else 2]
    if rule is None:
        return number, note
    if isinstance(rule, str):
        return None, f"{conventions.compat}: nan" if rule == "nan" else f"{conventions.compat} raises"
    return float(rule), note


def _softly_scored(request: Request, key: Key, comparison: Pair) -> tuple[float | None, str | None]:
    """A score of the probabilities of one class, and its note."""
    if not isinstance(comparison, Comparison) or not isinstance(key, int):
        return None, NO_UNION
    sums = comparison.class_sums.get(key)
    if sums is None:
        return None, NO_CHANNEL
    number = _number(request.card.function(sums, **_arguments(request)))
    note = None
    if not sums.r:
        note = REFERENCE_EMPTY if sums.p else ABSENT
    elif not sums.p:
        note = PREDICTION_EMPTY
    if request.name == "dl2" and not sums.r and number is not None:
        note = f"{note}; {NO_FOREGROUND}"
    if number is None and note is None:
        note = f"undefined: {request.card.undefined}"
    return number, note


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _emptiness(counts: Counts, evidence: object, *, ignoring: bool) -> str | None:
    if not counts.prediction and not counts.reference:
        return ABSENT
    if not counts.prediction:
        return PREDICTION_EMPTY
    if not counts.reference:
        return REFERENCE_EMPTY
    if isinstance(evidence, SurfaceDistances) and (evidence.prediction_empty or evidence.reference_empty):
        both = evidence.prediction_empty and evidence.reference_empty
        which = "either" if both else "the prediction's" if evidence.prediction_empty else "the reference's"
        return f"{which} surface lies wholly in the ignored zone" if ignoring else f"{which} mask fills the image"
    return None
