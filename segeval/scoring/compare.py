"""Bring two label maps together as a plan says: names, relabelling, spacing, grids, regions, and what looks wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from segeval.errors import GeometryError, InputError, UsageError, shown
from segeval.evidence.comparison import Comparison, SoftMaps
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import ContingencyTable
from segeval.evidence.layered_comparison import LayeredComparison, Pair
from segeval.maps.geometry import difference, reconcile
from segeval.maps.label_map import SMALLEST_SPACING, LabelMap, layerwise
from segeval.maps.labels import check_names, matched_by_name, plain_name, relabelled
from segeval.maps.probability_map import ProbabilityMap
from segeval.scoring.plan import Plan
from segeval.text import counted, enumerated

SHEARED_AXES = "the axes of the grid are not at right angles; distances are taken as if they were"
INSTANCE_LABELS = 12  # that few labels can disagree by accident
SWAPPED = "may be swapped: more than half of each lies in the other"
MOST_SWAPPED = 4  # pairs of labels that are named


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
            "--surface smooth needs a volume, but this image has 2 axes", hint="use --surface voxel or surfel"
        )
    warnings = [SHEARED_AXES] if reference.grid.sheared else []

    if soft is not None:
        soft = _soft_adapted(soft, prediction, reference, plan)

    def resampled(layer: LabelMap) -> LabelMap:
        moved, warning = reconcile(layer, reference, policy=plan.geometry, tolerance=plan.geometry_tolerance)
        if warning and warning not in warnings:
            warnings.append(warning)
        return moved

    prediction = layerwise(resampled, prediction)
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
    import difflib  # deferred: names are right as a rule

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
    return _swapped(table, names)


def _swapped(table: ContingencyTable, names: Mapping[int, str]) -> list[str]:
    """The pairs of labels of which each lies mostly in the other."""
    shared = {(reference, prediction): voxels for reference, prediction, voxels in table.rows()}
    totals = table.reference_totals
    mostly = {
        (one, other)
        for (one, other), voxels in shared.items()
        if one and other and one != other and 2 * voxels > totals[one]
    }
    pairs = sorted((one, other) for one, other in mostly if one < other and (other, one) in mostly)
    named = [" and ".join(shown(names.get(label, f"label {label}")) for label in pair) for pair in pairs]
    lines = [f"{each} {SWAPPED}" for each in named[:MOST_SWAPPED]]
    more = len(named) - len(lines)
    return [*lines, f"{counted(more, 'more pair')} of labels {SWAPPED}"] if more else lines


def _few(labels: Collection[int]) -> str:
    return enumerated(sorted(labels), str, most=4, last=", ")


def _found_under_other_numbers(table: ContingencyTable) -> int:
    """Reference labels that share more voxels with another label of the prediction than with their own number."""
    most: dict[int, tuple[int, int]] = {}
    for reference, prediction, voxels in table.rows():
        if reference and prediction and voxels > most.get(reference, (0, 0))[0]:
            most[reference] = (voxels, prediction)
    return sum(prediction != reference for reference, (_, prediction) in most.items())
