"""Compute what each known tool reports for one pair, and explain why the numbers differ.

The numbers come from the presets. The reasons are measured: one convention at a time is changed from segeval's own to
that of another tool, and the pair is scored again. Two observations are added: separate pieces of a mask, and tools
that differ by less than a slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from segeval.diagnostics.effects import MEANS, OWN, OWN_MEAN, effects_of, requests_of
from segeval.diagnostics.explanation import Explanation, LabelExplanation, ToolRow
from segeval.diagnostics.reasons import reasons_of
from segeval.diagnostics.views import Views, with_choices
from segeval.errors import OutOfMemoryError
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import Counts
from segeval.maps.labels import Key, number_of
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, Score
from segeval.scoring.case import Case
from segeval.scoring.cases import read_case
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan
from segeval.scoring.presets import PRESETS


def explain(case: Case, plan: Plan, *, threads: int = 1) -> Explanation:
    """Score a pair as every known tool would, and explain why the numbers differ.

    Parameters
    ----------
    case
        The files.
    plan
        Labels, names and geometry; its metrics, surface and penalty are ignored.
    threads
        Number of threads.

    Raises
    ------
    InputError
        A file cannot be read, or the two files do not fit together.
    UsageError
        The plan names a label or region that does not exist.
    """
    prediction, reference, plan = read_case(case, plan, threads=threads)
    try:
        plan = replace(plan, conventions=_plain(plan.conventions))
        pair, names, warnings = compare(prediction, reference, plan, threads=threads)
        views = Views(pair, names, plan, threads=threads)
        labels = _labels(views, names, plan.conventions)
    except MemoryError:
        raise OutOfMemoryError("not enough memory to explain this pair", source=case.reference) from None
    flat = pair.grid.ndim == 2
    return Explanation(
        prediction=case.prediction or "",
        reference=case.reference,
        shape=pair.grid.shape,
        spacing=pair.grid.spacing,
        unit=pair.grid.unit,
        tolerance=plan.conventions.tolerance,
        labels=labels,
        remarks=("no row for --surface smooth: it needs a volume",) if flat else (),
        warnings=tuple(warnings),
    )


def _plain(conventions: Conventions) -> Conventions:
    """Segeval's own conventions, with the user's tolerances, background and ignored label."""
    return with_choices(Conventions(), conventions)


def _labels(views: Views, names: Mapping[int, str], plain: Conventions) -> tuple[LabelExplanation, ...]:
    pair = views.pair
    tables: list[tuple[str, str, str | None, dict[Key, dict[str, Score]]]] = []
    for surface in OWN:
        if surface == "smooth" and pair.grid.ndim == 2:
            continue
        scores = views.scores(replace(plain, surface=surface), requests_of(OWN_MEAN))
        tool = "segeval" if surface == Conventions().surface else f"segeval, {surface}"
        tables.append((tool, f"--surface {surface}", OWN_MEAN, scores))
    for name, preset in PRESETS.items():
        wanted = [each for each in requests_of(preset.mean_distance) if preset.has(each.name, each.value)]
        scores = views.scores(with_choices(preset.conventions, plain), wanted)
        tables.append((preset.title, f"--compat {name}", preset.mean_distance, scores))
    own = views.scores(plain, requests_of(OWN_MEAN, *MEANS))
    effects = effects_of(views, plain)
    found = []
    keys: list[Key] = [*pair.scored, *pair.regions]
    for key in keys:
        name_of = names.get(key) if isinstance(key, int) else None
        rows = tuple(_row(*table, key) for table in tables)
        found.append(
            LabelExplanation(
                label=key,
                name=name_of,
                tolerance=number_of(key, name_of, plain.label_tolerances, plain.tolerance),
                note=_note(pair.counts(key)),
                rows=rows,
                reasons=tuple(reasons_of(pair, key, rows, own[key], effects)),
            )
        )
    return tuple(found)


def _note(counts: Counts) -> str | None:
    """The note of a label that one of the maps, or both, do not have."""
    if not counts.prediction:
        return PREDICTION_EMPTY if counts.reference else ABSENT
    return None if counts.reference else REFERENCE_EMPTY


def _row(tool: str, option: str, mean: str | None, scores: dict[Key, dict[str, Score]], key: Key) -> ToolRow:
    own = scores[key]

    def value(token: str | None) -> float | None:
        return own[token].value if token in own else None

    notes: dict[str, list[str]] = {}
    for each in own.values():
        if each.value is None and each.note and each.note not in (ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY):
            notes.setdefault(each.note, []).append(each.metric)
    return ToolRow(
        tool=tool,
        option=option,
        hd=value("hd"),
        hd95=value("hd@95"),
        mean_distance=value(mean),
        mean_metric=mean,
        nsd=value("nsd"),
        dice=value("dice"),
        notes=tuple(f"{', '.join(metrics)}: {note}" for note, metrics in notes.items()),
    )
