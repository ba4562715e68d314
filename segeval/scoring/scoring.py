"""Compute the scores of a pair of label maps: each metric from its evidence.

Every label that is scored has a row for every metric; if there is no value, a note says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from segeval.evidence.comparison import NoEvidenceError
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import Counts
from segeval.evidence.layered_comparison import Pair
from segeval.maps.labels import Key, number_of
from segeval.metrics import Quantity, Request
from segeval.results.rows import ABSENT, ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, LabelCounts, Score, weight_note
from segeval.scoring.plan import Plan


def score(pair: Pair, names: Mapping[int, str], plan: Plan, *, case: str) -> list[Score]:
    """Compute every metric of the plan, for every label and region that is scored.

    Parameters
    ----------
    pair
        The two maps on one grid.
    names
        Names of the labels, by number.
    plan
        What to score and how.
    case
        Name of the case.

    Returns
    -------
    list of Score
        Scores by label in increasing order, then by region, then over all labels; metrics in the order of the plan.
    """
    by_label = [request for request in plan.metrics if not request.card.is_over_all]
    rows: list[Score] = []
    for key in pair.keys:
        counts, name = pair.counts(key), names.get(key) if isinstance(key, int) else None
        for request in by_label:
            value, note = _of_label(request, key, name, pair, counts)
            unit = _unit(request, pair)
            rows.append(Score(case=case, label=key, name=name, metric=request.token, value=value, unit=unit, note=note))
    for request in plan.metrics:
        if request.card.kind.averaged:
            value, note = _mean(request, rows, pair)
        elif request.card.is_over_all:
            value, note = _over_labels(request, pair, names)
        else:
            continue
        rows.append(Score(case=case, label=ALL, name=None, metric=request.token, value=value, unit=None, note=note))
    return rows


def counted(pair: Pair, *, case: str) -> list[LabelCounts]:
    """Return the voxel counts of every label and region that is scored, in the order of `score`."""
    rows = []
    for key in pair.keys:
        counts = pair.counts(key)
        rows.append(LabelCounts(case=case, label=key, tp=counts.tp, fp=counts.fp, fn=counts.fn, tn=counts.tn))
    return rows


def _of_label(
    request: Request, key: Key, name: str | None, pair: Pair, counts: Counts
) -> tuple[float | None, str | None]:
    """Return the value of a metric for a label or region, and its note."""
    card, conventions = request.card, pair.conventions
    try:
        evidence = pair.evidence(card.needs, key)
    except NoEvidenceError as error:
        return None, f"undefined: {error}"
    arguments = _arguments(request)
    if request.value is None and "tolerance" in arguments:
        arguments["tolerance"] = number_of(key, name, conventions.label_tolerances, conventions.tolerance)
    value = _number(card.function(evidence, **arguments))
    sizes = (counts.prediction, counts.reference) if card.kind.sizes is None else card.kind.sizes(evidence)
    note = _emptiness(*sizes)
    if note is None and card.kind.gap is not None:
        note = _gap(*card.kind.gap(evidence), ignoring=conventions.ignore_label is not None)
    if card.caution is not None and not sizes[1] and value is not None:
        note = f"{note}; {card.caution}"
    value, note = _as_another_tool(request, counts, value, note, conventions)
    if value is None and note is None:
        note = f"undefined: {card.undefined}"
    return value, note


def _over_labels(request: Request, pair: Pair, names: Mapping[int, str]) -> tuple[float | None, str | None]:
    """Return the value of a metric over all labels, and its note."""
    try:
        evidence = pair.evidence(request.card.needs)
    except NoEvidenceError as error:
        return None, f"undefined: {error}"
    value = _number(request.card.function(evidence, **_arguments(request)))
    if value is None:
        return None, f"undefined: {request.card.undefined}"
    heaviest = None if request.card.dominant is None else request.card.dominant(evidence)
    if heaviest is None:
        return value, None
    label, share = heaviest
    return value, weight_note(names.get(label, f"label {label}") if label else "the background", share)


def _mean(request: Request, rows: Iterable[Score], pair: Pair) -> tuple[float | None, str | None]:
    """Return the weighted mean of a metric over the foreground labels with a value, and its note."""
    own = [row for row in rows if row.metric == request.token]
    found = [
        (row.value, pair.weight_of(row.label))
        for row in own
        if isinstance(row.label, int) and row.label and row.value is not None
    ]
    weight = math.fsum(each for _, each in found)
    if not weight:
        return None, "undefined: it is for every class"
    caution = request.card.caution
    note = None if caution is None else next((row.note for row in own if (row.note or "").endswith(caution)), None)
    return math.fsum(value * each for value, each in found) / weight, note


def _arguments(request: Request) -> dict[str, float]:
    parameter = request.card.parameter
    if parameter is None:
        return {}
    return {parameter.name: parameter.default if request.value is None else request.value}


def _unit(request: Request, pair: Pair) -> str | None:
    units = {Quantity.LENGTH: pair.grid.unit, Quantity.VOLUME: "ml", Quantity.COUNT: "voxels"}
    return units.get(request.card.quantity)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _emptiness(prediction: float, reference: float) -> str | None:
    """Return the note on maps without the label, by the sizes of the label in both."""
    if not prediction and not reference:
        return ABSENT
    if not prediction:
        return PREDICTION_EMPTY
    return None if reference else REFERENCE_EMPTY


def _gap(prediction_empty: bool, reference_empty: bool, *, ignoring: bool) -> str | None:
    """Return the note on a label that is in both maps but has no surface in one of them."""
    if not prediction_empty and not reference_empty:
        return None
    both = prediction_empty and reference_empty
    which = "either" if both else "the prediction's" if prediction_empty else "the reference's"
    return f"{which} surface lies wholly in the ignored zone" if ignoring else f"{which} mask fills the image"


def _as_another_tool(
    request: Request, counts: Counts, value: float | None, note: str | None, conventions: Conventions
) -> tuple[float | None, str | None]:
    """Return value and note for an empty mask, by the rule of the preset if it has one for the metric."""
    empty = (not counts.prediction, not counts.reference)
    if not any(empty):
        return value, note
    name = "hd@" if request.name == "hd" and request.value is not None else request.name
    rule = conventions.empty.get(name, (None, None, None))[0 if all(empty) else 1 if empty[0] else 2]
    if rule is None:
        return value, note
    if isinstance(rule, str):
        return None, f"{conventions.compat}: nan" if rule == "nan" else f"{conventions.compat} raises"
    return float(rule), note
