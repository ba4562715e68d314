"""From two label maps and a plan to rows of scores.

A plan says what is asked for; `compare` brings the two maps together as it says, and `score` reads each metric off the
evidence. Every label that is scored has a row for every metric: where there is no value, there is a note that says why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from segeval.evidence.comparison import Comparison
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import Counts
from segeval.evidence.layered_comparison import Pair
from segeval.evidence.probability_sums import ClassSums, ProbabilityTotals
from segeval.evidence.surfaces.boundary_bands import Bands
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key, number_of
from segeval.metrics import Quantity, Request
from segeval.results.rows import ABSENT, ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, LabelCounts, Score
from segeval.scoring.plan import Plan

NO_CHANNEL = "undefined: the probability map has no channel for it"
NO_UNION = "undefined: it is for single classes"
NO_FOREGROUND = "a perfect map has -1/2 here, and one wrong voxel makes about 1/2 of it"


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
