"""Why tools report different numbers for one pair: what each would say, and which convention moves which number.

The numbers come from the presets. The reasons are measured: from segeval's own conventions one at a time is changed to
what another tool has, and what that does to each number is told. Besides, it is told of a piece that lies apart, and
whether the tools differ by less than a slice.
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
from segeval.maps.labels import Key, number_of
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, Score
from segeval.scoring.case import Case
from segeval.scoring.cases import read_case
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan
from segeval.scoring.presets import PRESETS


def explain(case: Case, plan: Plan, *, threads: int = 1) -> Explanation:
    """Score a pair as every known tool would, and say why the numbers part.

    Parameters
    ----------
    case
        The files.
    plan
        Which labels, under which names and on which grid; its metrics, surface and penalty do not matter.
    threads
        How many threads may work at once.

    Raises
    ------
    InputError
        A file that cannot be used, or two that do not fit together.
    UsageError
        A label or region that the plan names wrongly.
    """
    prediction, reference, plan = read_case(case, plan, threads=threads)
    try:
        plan = replace(plan, conventions=_plain(plan.conventions))
        pair, names, warnings = compare(prediction, reference, plan, threads=threads)
        views = Views(pair, names, plan, threads=threads)
        labels = _labels(views, names, plan.conventions)
    except MemoryError:
        raise OutOfMemoryError("there is not enough memory to explain it", source=case.reference) from None
    flat = pair.grid.ndim == 2
    return Explanation(
        prediction=case.prediction or "",
        reference=case.reference,
        shape=pair.grid.shape,
        spacing=pair.grid.spacing,
        unit=pair.grid.unit,
        tolerance=plan.conventions.tolerance,
        labels=labels,
        remarks=("the smooth surface is for volumes, so it has no row",) if flat else (),
        warnings=tuple(warnings),
    )


def _plain(conventions: Conventions) -> Conventions:
    """Segeval's own conventions, with the choices that do not tell tools apart."""
    return with_choices(Conventions(), conventions)


def _labels(views: Views, names: Mapping[int, str], plain: Conventions) -> tuple[LabelExplanation, ...]:
    pair = views.pair
    tables: list[tuple[str, str, str | None, dict[Key, dict[str, Score]]]] = []
    for surface in OWN:
        if surface == "smooth" and pair.grid.ndim == 2:
            continue
        scores = views.scores(replace(plain, surface=surface), requests_of(OWN_MEAN))
        tables.append((f"segeval, surface {surface}", f"--surface {surface}", OWN_MEAN, scores))
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
                rows=rows,
                reasons=tuple(reasons_of(pair, key, rows, own[key], effects)),
            )
        )
    return tuple(found)


def _row(tool: str, asked: str, mean: str | None, scores: dict[Key, dict[str, Score]], key: Key) -> ToolRow:
    own = scores[key]

    def value(token: str | None) -> float | None:
        return own[token].value if token in own else None

    notes: dict[str, list[str]] = {}
    for each in own.values():
        if each.value is None and each.note and each.note not in (ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY):
            notes.setdefault(each.note, []).append(each.metric)
    return ToolRow(
        tool=tool,
        asked=asked,
        hd=value("hd"),
        hd95=value("hd@95"),
        mean_distance=value(mean),
        mean_metric=mean,
        nsd=value("nsd"),
        dice=value("dice"),
        notes=tuple(f"{', '.join(metrics)}: {note}" for note, metrics in notes.items()),
    )
