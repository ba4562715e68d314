"""Why the numbers of tools differ on a pair: the conventions that move them, stray pieces and thick slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from segeval.diagnostics.effects import Effect
from segeval.diagnostics.explanation import ToolRow
from segeval.diagnostics.stray_pieces import MOST_PLACES, SAME, decimals_of, stray_pieces
from segeval.evidence.layered_comparison import Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key
from segeval.results.rows import Score

NOTABLE = 0.01  # of a value: what differs less is the same to a reader
THICK = 2  # times the smallest spacing: from there on a reader sees slices


def reasons_of(
    pair: Pair, key: Key, rows: Sequence[ToolRow], own: Mapping[str, Score], effects: Sequence[Effect]
) -> list[str]:
    """What on the pair makes the tools part, each with its figures."""
    counts, surfaces = pair.counts(key), pair.surfaces(key)
    if not counts.prediction or not counts.reference:
        which = "both masks are" if not counts.prediction and not counts.reference else "the prediction is"
        which = "the reference is" if counts.prediction else which
        return [f"{which} empty, and each tool has a rule of its own for that: a number, infinity, NaN or an exception"]
    if bare := _no_surface(surfaces):
        return [f"{bare} that counts, so there is no distance to measure"]
    columns = _columns(rows)
    apart = {title: values for title, values in columns.items() if _differ(min(values), max(values))}
    if not apart:
        return ["the tools agree: in each column, all numbers lie within 1 % of each other"]
    moved = [reason for effect in effects for reason in _moved(effect, key, own, pair)]
    if not moved:
        spans = [
            f"{title} from {_span(min(values), max(values), title, pair, ' to ')}" for title, values in apart.items()
        ]
        moved = [f"{', '.join(spans)}; but no convention changed alone moves a number by more than 1 %"]
    return [*moved, *stray_pieces(pair, key, surfaces), *_slices(pair, rows)]


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
    """Which mask has no surface, empty where both have one."""
    if surfaces.prediction_empty and surfaces.reference_empty:
        return "neither mask has a surface"
    lacking = "prediction" if surfaces.prediction_empty else "reference" if surfaces.reference_empty else ""
    return lacking and f"the {lacking} has no surface"


def _moved(effect: Effect, key: Key, own: Mapping[str, Score], pair: Pair) -> list[str]:
    """Which numbers a convention moves, and from what to what."""
    lead = f"{effect.what} ({', '.join(effect.tools)})"
    if bare := _no_surface(effect.view.surfaces(key)):
        return [f"{lead}: {bare} then"]
    moves = []
    for before, after in effect.moves:
        one, other = own[before].value, effect.scores[key][after].value
        if one is not None and other is not None and _differ(one, other):
            title = before if before == after else "mean distance"
            moves.append(f"{title} {_span(one, other, title, pair, ' -> ')}")
    return [f"{lead}: {', '.join(moves)}"] if moves else []


def _span(one: float, other: float, title: str, pair: Pair, between: str) -> str:
    """Two numbers, with as many digits as tell them apart; none reads 0, or a ratio 1, that is not."""
    ratio = title in ("nsd", "dice")
    ends = (0.0, 1.0) if ratio else (0.0,)
    for places in range(4 if ratio else decimals_of(pair), MOST_PLACES):
        texts = f"{one:.{places}f}", f"{other:.{places}f}"
        rounded_away = any(
            float(text) in ends and float(text) != value for text, value in zip(texts, (one, other), strict=True)
        )
        if texts[0] != texts[1] and not rounded_away:
            break
    return between.join(texts) + ("" if ratio else f" {pair.grid.unit}")


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
        f"slices are {max(spacing):g} {unit} apart; the tools' hd@95 lie within {within} {unit} of "
        "each other, less than a slice"
    ]


def _rounded_up(value: float, places: int) -> str:
    """A number rounded up."""
    return f"{math.ceil(value * 10**places - SAME) / 10**places:.{places}f}"
