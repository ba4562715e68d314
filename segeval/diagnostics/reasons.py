"""Find out why the numbers of tools differ on a pair: different conventions, separate pieces, thick slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from segeval.diagnostics.effects import MEANS, OWN_MEAN, Effect
from segeval.diagnostics.explanation import Reason, ToolRow
from segeval.diagnostics.stray_pieces import MOST_PLACES, SAME, decimals_of, stray_pieces
from segeval.evidence.layered_comparison import Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key
from segeval.results.rows import Score

NOTABLE = 0.01  # relative difference up to which two numbers count as equal
THICK = 2  # slices are thick from this multiple of the smallest spacing on
ORDER = ("hd@95", "hd", OWN_MEAN, *MEANS, "nsd", "dice")


def reasons_of(
    pair: Pair, key: Key, rows: Sequence[ToolRow], own: Mapping[str, Score], effects: Sequence[Effect]
) -> list[Reason]:
    """Explain why the numbers of the tools differ for one label or region.

    Parameters
    ----------
    pair
        The two maps.
    key
        The label or region.
    rows
        The numbers of each tool.
    own
        Scores under segeval's own conventions, by metric.
    effects
        Scores after changing one convention at a time.
    """
    counts, surfaces = pair.counts(key), pair.surfaces(key)
    if not counts.prediction or not counts.reference:
        which = "both masks are" if not counts.prediction and not counts.reference else "the prediction is"
        which = "the reference is" if counts.prediction else which
        return [Reason(text=f"{which} empty; each tool has its own rule for that: a number, infinity, NaN or an error")]
    if bare := _no_surface(surfaces):
        return [Reason(text=f"{bare} outside the ignored voxels, so there is no distance to measure")]
    columns = _columns(rows)
    apart = {title: values for title, values in columns.items() if _differ(min(values), max(values))}
    if not apart:
        return [Reason(text="the tools agree: in each column, all numbers are within 1 % of each other")]
    moved = [reason for effect in effects for reason in _moved(effect, key, own, pair)]
    moved.sort(key=lambda reason: (not reason.metrics, reason.metrics and ORDER.index(reason.metrics[0]), -reason.size))
    if not moved:
        spans = [
            f"{title} from {' to '.join(_texts(min(values), max(values), title, pair))} {_unit(title, pair)}".rstrip()
            for title, values in apart.items()
        ]
        text = f"{', '.join(spans)}; no single convention changes a number by more than 1 %"
        moved = [Reason(text=text)]
    observed = [*stray_pieces(pair, key, surfaces), *_slices(pair, rows)]
    return [*moved, *(Reason(text=text) for text in observed)]


def _columns(rows: Sequence[ToolRow]) -> dict[str, list[float]]:
    columns = {
        "hd": [row.hd for row in rows],
        "hd@95": [row.hd95 for row in rows],
        "mean distance": [row.mean_distance for row in rows],
        "nsd": [row.nsd for row in rows],
        "dice": [row.dice for row in rows],
    }
    present = {title: [value for value in values if value is not None] for title, values in columns.items()}
    return {title: values for title, values in present.items() if values}


def _differ(one: float, other: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return one != other
    return abs(one - other) > NOTABLE * max(abs(one), abs(other))


def _no_surface(surfaces: SurfaceDistances) -> str:
    """Say which mask has no surface; empty where both have one."""
    if surfaces.prediction_empty and surfaces.reference_empty:
        return "neither mask has a surface"
    lacking = "prediction" if surfaces.prediction_empty else "reference" if surfaces.reference_empty else ""
    return lacking and f"the {lacking} has no surface"


def _moved(effect: Effect, key: Key, own: Mapping[str, Score], pair: Pair) -> list[Reason]:
    """Metrics that change notably under a changed convention."""
    text = f"{effect.text} ({', '.join(effect.tools)})"
    if bare := _no_surface(effect.view.surfaces(key)):
        return [Reason(text=f"{text}: {bare} in this case")]
    reasons = []
    for before, after in effect.moves:
        one, other = own[before].value, effect.scores[key][after].value
        if one is not None and other is not None and _differ(one, other):
            values = _texts(one, other, before, pair)
            unit, size = _unit(before, pair), abs(one - other)
            reasons.append(Reason(text=text, metrics=(before, after), values=values, unit=unit, size=size))
    return reasons


def _unit(title: str, pair: Pair) -> str:
    return "" if title in ("nsd", "dice") else pair.grid.unit


def _texts(one: float, other: float, title: str, pair: Pair) -> tuple[str, str]:
    """Format two numbers with enough digits to differ; only exact values read 0, or 1 for a ratio."""
    ratio = title in ("nsd", "dice")
    ends = (0.0, 1.0) if ratio else (0.0,)
    for places in range(4 if ratio else decimals_of(pair), MOST_PLACES):
        texts = f"{one:.{places}f}", f"{other:.{places}f}"
        rounded_away = any(
            float(text) in ends and float(text) != value for text, value in zip(texts, (one, other), strict=True)
        )
        if texts[0] != texts[1] and not rounded_away:
            break
    return texts


def _slices(pair: Pair, rows: Sequence[ToolRow]) -> list[str]:
    spacing, unit = pair.grid.spacing, pair.grid.unit
    values = [row.hd95 for row in rows if row.hd95 is not None]
    if len(spacing) < 3 or max(spacing) < THICK * min(spacing) or not all(map(math.isfinite, values)):
        return []
    spread = max(values) - min(values)
    if not 0 < spread < max(spacing):
        return []
    within = _rounded_up(spread, decimals_of(pair))
    return [
        f"slices are {max(spacing):g} {unit} apart; the tools' hd@95 differ by at most {within} {unit}, "
        "less than one slice"
    ]


def _rounded_up(value: float, places: int) -> str:
    """Round a number up."""
    return f"{math.ceil(value * 10**places - SAME) / 10**places:.{places}f}"
