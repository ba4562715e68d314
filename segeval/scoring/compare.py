"""Prepare two label maps for scoring: names, relabelling, spacing, grids, regions, and warnings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from segeval.errors import GeometryError, InputError, UsageError, about, shown
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
INSTANCE_LABELS = 12  # fewer labels may disagree by accident
SWAPPED = "may be swapped: more than half of each lies in the other"
MOST_SWAPPED = 4  # pairs of labels that are named


def compare(
    prediction: LabelMap, reference: LabelMap, plan: Plan, *, threads: int = 1, soft: SoftMaps | None = None
) -> tuple[Pair, Mapping[int, str], list[str]]:
    """Prepare two label maps for scoring; `soft` are the probabilities behind the prediction.

    Returns
    -------
    Comparison or LayeredComparison
        The pair, ready to be scored.
    Mapping
        Names of the labels, by number.
    list of str
        Warnings, each with the option that helps.

    Raises
    ------
    InputError
        The grids differ, or the label names of the two maps contradict each other.
    UsageError
        The plan names a label or region that does not exist.
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
    scored = set(plan.only) & plan.regions.keys() or plan.regions.keys()
    with about("regions"):
        for name, labels in plan.regions.items():
            if name in scored:
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
    """Return the comparison of two maps on the same grid."""
    with about("tolerance"):
        for label in sorted(plan.conventions.label_tolerances.keys() - plan.regions.keys()):
            _resolved(label, names)
    with about("weight"):
        for label in plan.conventions.label_weights:
            _resolved(label, names)
    with about("only"):
        only = _only(plan, names)
    options: dict[str, Any] = {
        "prediction": prediction,
        "reference": reference,
        "conventions": plan.conventions,
        "listed": {*plan.names, *(() if soft is None else soft.prediction.labels)} - {0},
        "only": only,
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
    """Return the probabilities with the labels that the plan assigns to their channels."""
    found = difference(prediction.grid, reference.grid, tolerance=plan.geometry_tolerance)
    if found is not None and plan.geometry == "resample":
        raise GeometryError(
            found.text,
            source=prediction.source,
            hint="a probability map cannot be resampled; save both on the same grid",
        )
    if soft.reference is not None:
        if plan.relabel_reference or plan.relabel_prediction:
            raise UsageError(
                "--map cannot be used with a reference that is a probability map", hint="save the reference as labels"
            )
        if soft.reference.labels != soft.prediction.labels:
            counts = [f"{counted(len(each.labels), 'channel')}" for each in (soft.prediction, soft.reference)]
            raise InputError(
                f"the channels differ: the prediction has {counts[0]}, the reference {counts[1]}",
                source=reference.source,
            )
    if 0 in {*plan.relabel_prediction, *plan.relabel_prediction.values()}:
        raise UsageError("--map cannot change label 0 of a probability map, nor map another channel to 0")
    labels = tuple(plan.relabel_prediction.get(label, label) for label in soft.prediction.labels)
    if len(set(labels)) < len(labels):
        raise UsageError(
            "--map cannot give two channels of a probability map the same label", hint="use --region to score a union"
        )
    return replace(soft, prediction=replace(soft.prediction, labels=labels))


def _check_channels(pair: Pair, probabilities: ProbabilityMap, plan: Plan) -> None:
    """Refuse a reference with labels for which the probability map has no channel."""
    if not isinstance(pair, Comparison):
        raise InputError(
            "the labels overlap, so they cannot be compared with a probability map", source=pair.reference.source
        )
    known = {0, *probabilities.labels, plan.conventions.ignore_label}
    unknown = [label for label in pair.table.reference_totals if label not in known]
    if unknown:
        channels = ", ".join(map(str, probabilities.labels))
        raise InputError(
            f"the probability map has no channel for reference label {_few(unknown)} (channels: {channels})",
            source=pair.reference.source,
            hint="relabel it with --map-reference OLD=NEW, or leave it out with --ignore-label",
        )


def _only(plan: Plan, names: Mapping[int, str]) -> list[int] | None:
    """Return the labels that `only` names, without its regions; None if it names nothing."""
    if not plan.only:
        return None
    known = {*plan.regions, *names.values()}
    entries = [part for entry in plan.only for part in ([entry] if entry in known else entry.split(","))]
    if not all(entry.strip() for entry in entries):
        raise UsageError("--only needs the number or name of a label, found ''")
    only = [_resolved(entry, names) for entry in entries if entry not in plan.regions]
    if 0 in only and not plan.conventions.background:
        raise UsageError("label 0 is the background", hint="add --background to score it")
    if plan.conventions.ignore_label in only:
        raise UsageError(f"label {plan.conventions.ignore_label} is in both --only and --ignore-label")
    return only


def _both_adapted(prediction: LabelMap, reference: LabelMap, plan: Plan) -> tuple[LabelMap, LabelMap]:
    """Return both maps with the plan's names and spacing; a map without a position takes that of the other one."""
    adapted = [layerwise(lambda layer: _adapted(layer, plan), each) for each in (prediction, reference)]
    for each in adapted:
        if not all(SMALLEST_SPACING <= step <= 1 / SMALLEST_SPACING for step in each.grid.spacing):
            steps = " x ".join(f"{step:g}" for step in each.grid.spacing[::-1])
            raise InputError(
                f"the spacing is not plausible: {steps} {each.grid.unit}",
                source=each.source,
                hint="give the right one with --spacing",
            )
    placed = [each.grid.unit == "mm" for each in (prediction, reference)]
    if plan.spacing is not None and placed[0] != placed[1]:
        world = adapted[placed.index(True)].grid
        place = placed.index(False)
        grid = replace(adapted[place].grid, origin=world.origin, direction=world.direction)
        adapted[place] = layerwise(lambda layer: replace(layer, grid=grid), adapted[place])
    return adapted[0], adapted[1]


def _adapted(label_map: LabelMap, plan: Plan) -> LabelMap:
    """Return a layer with the plan's names and spacing."""
    # if labels are matched by name, names in the file win over those of --labels
    names = {**label_map.names, **plan.names} if plan.match == "ids" else {**plan.names, **label_map.names}
    label_map, spacing = replace(label_map, names=names), plan.spacing
    if spacing is None:
        return label_map
    if len(spacing) != label_map.grid.ndim:
        raise UsageError(
            f"spacing needs {label_map.grid.ndim} numbers, one for each axis of {shown(label_map.source)}, "
            f"found {len(spacing)}"
        )
    return replace(label_map, grid=replace(label_map.grid, spacing=spacing, unit="mm"))


def _label_number(text: str) -> int:
    label = int(text)
    if label >= 1 << 64:
        raise UsageError(f"labels must be below 2**64, found {shown(text)}")
    return label


def _resolved(entry: str, names: Mapping[int, str]) -> int:
    if entry.strip().isdecimal():
        return _label_number(entry)
    found = [label for label, name in names.items() if plain_name(name) == plain_name(entry)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"several labels are called {shown(entry)!r}: {', '.join(map(str, sorted(found)))}", hint="use a number"
        )
    import difflib  # deferred: names are usually right

    near = difflib.get_close_matches(entry, list(names.values()), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(shown, near))}?" if near else "name labels with --labels"
    raise UsageError(f"no label is called {shown(entry)!r}", hint=hint)


def _members(
    region: str, labels: str, present: Collection[int], names: Mapping[int, str], conventions: Conventions
) -> frozenset[int]:
    if any(plain_name(region) == plain_name(name) for name in names.values()):
        raise UsageError(f"the region {shown(region)!r} has the name of a label", hint="choose another name")
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
                    f"region {shown(region)!r}: there is no label {shown(part)!r}",
                    hint="use numbers, ranges such as 1-125, names of labels, or * for all",
                )
            members.update(named)
    if 0 in members or conventions.ignore_label in members:
        raise UsageError(
            f"the region {shown(region)!r} contains the background or the ignored label",
            hint="leave that label out; a --region replaces a region of the same name in a label table",
        )
    return frozenset(members)


def suspicions(table: ContingencyTable, names: Mapping[int, str]) -> list[str]:
    """Return warnings about the labels of a pair, each with the option that helps."""
    of_prediction = {label for label in table.prediction_totals if label}
    of_reference = {label for label in table.reference_totals if label}
    if not of_prediction or not of_reference:
        return []
    for one, one_name, other, other_name in (
        (of_prediction, "prediction", of_reference, "reference"),
        (of_reference, "reference", of_prediction, "prediction"),
    ):
        if one == {255} and other == {1}:
            return [f"the {one_name} has labels 0 and 255, the {other_name} 0 and 1; to match them: --map 255=1"]
    if of_prediction.isdisjoint(of_reference):
        advice = "to relabel: --map-prediction OLD=NEW" + ("; to match by name: --match names" if names else "")
        if len(of_prediction) == len(of_reference) == 1:
            advice = f"to match them: --map-prediction {min(of_prediction)}={min(of_reference)}"
        found = f"prediction {_few(of_prediction)}, reference {_few(of_reference)}"
        return [f"the two maps have no label in common ({found}); {advice}"]
    if 255 in of_reference - of_prediction and 255 not in names:
        return ["label 255 is in the reference only; if it marks voxels without annotation: --ignore-label 255"]
    elsewhere = _found_under_other_numbers(table)
    if len(of_reference) >= INSTANCE_LABELS and 2 * elsewhere > len(of_reference) and not names:
        return [
            f"labels look like object numbers ({len(of_prediction)} in the prediction, {len(of_reference)} in the "
            f"reference, {elsewhere} of them overlap most with another number), so scores by number mean little; "
            "to score all as one region: --region objects=*"
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
    """Count reference labels that overlap more with another label of the prediction than with the same one."""
    most: dict[int, tuple[int, int]] = {}
    for reference, prediction, voxels in table.rows():
        if reference and prediction and voxels > most.get(reference, (0, 0))[0]:
            most[reference] = (voxels, prediction)
    return sum(prediction != reference for reference, (_, prediction) in most.items())
