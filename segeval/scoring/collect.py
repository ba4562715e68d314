"""The results of cases that were scored under one plan, and the plan behind results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from segeval.errors import InputError, UsageError, shown
from segeval.evidence.counts import ContingencyTable
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from segeval.scoring.case import Outcome
from segeval.scoring.plan import Plan
from segeval.version import __version__


def collect(
    outcomes: Iterable[Outcome],
    plan: Plan,
    *,
    order: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Results:
    """The results of cases that were scored under one plan, without verdicts.

    Parameters
    ----------
    outcomes
        In any order; they are taken one by one, and only their numbers are kept.
    plan
        The plan.
    order
        The names of the cases in the order of the results; that of the outcomes if it is not given.
    settings
        What the run rests on besides the plan.
    """
    records: dict[str, CaseRecord] = {}
    scores, counts = Scores(), CaseCounts()
    ranks = None if order is None else {name: rank for rank, name in enumerate(order)}
    names: dict[int, tuple[int, str]] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    tables = layered = 0
    for outcome in outcomes:
        records[outcome.record.case] = outcome.record
        scores.extend(outcome.scores)
        counts.extend(outcome.counts)
        rank = len(records) if ranks is None else ranks[outcome.record.case]
        for label, name in outcome.names.items():
            names[label] = min(names.get(label, (rank, name)), (rank, name))
        if outcome.table is not None:
            tables += 1
            for reference, prediction, voxels in outcome.table.rows():
                pairs[reference, prediction] += voxels
        elif outcome.record.status == "scored":
            layered += 1
    ordered = list(records if ranks is None else ranks)
    cases = tuple(records[name] for name in ordered)
    return Results(
        version=__version__,
        signature=signature_of(plan, cases, settings or {}),
        footnote=plan.footnote(grids_of(cases)),
        settings=plan.settings() | dict(settings or {}),
        metrics=tuple(request.token for request in plan.metrics),
        cases=cases,
        scores=scores.of(ordered),
        counts=counts.of(ordered),
        confusion=ContingencyTable.from_pairs(pairs) if tables and not layered else None,
        names={label: name for label, (_, name) in sorted(names.items())},
    )


def plan_behind(results: Results, *, source: str) -> Plan:
    """The plan by which results were scored.

    Parameters
    ----------
    results
        As they were found, or read from a file.
    source
        The file, for a message.

    Raises
    ------
    InputError
        Their settings are no plan's.
    """
    try:
        return Plan.of_settings(results.settings)
    except UsageError as error:
        raise InputError(f"its settings are damaged: {shown(error)}", source=source) from None


def grids_of(cases: Iterable[CaseRecord]) -> set[tuple[int, str]]:
    """How many axes the images of the scored cases have, and the unit of their lengths."""
    return {(len(each.shape or ()), each.unit or "") for each in cases if each.status == "scored"}


def signature_of(plan: Plan, cases: Iterable[CaseRecord], settings: Mapping[str, Any]) -> str:
    """The signature of a plan, for the cases that were scored under it, and of what else the run rests on."""
    return plan.signature(grids_of(cases), settings)
