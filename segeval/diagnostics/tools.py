"""Why tools report different numbers for one pair: what each would say, and which convention moves which number.

The numbers come from the presets. The reasons are measured: from segeval's own conventions one at a time is changed to
what another tool has, and what that does to each number is told. Besides, it is told of a piece that lies apart, and
whether the tools differ by less than a slice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import OutOfMemoryError
from segeval.evidence.comparison import Comparison
from segeval.evidence.conventions import Conventions, Surface
from segeval.evidence.counts import Counts
from segeval.evidence.layered_comparison import LayeredComparison, Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key, number_of
from segeval.metrics import Request, parse
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, Score
from segeval.scoring.case import Case
from segeval.scoring.cases import read_case
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan
from segeval.scoring.presets import PRESETS, Preset
from segeval.scoring.scoring import score
from segeval.text import counted

OWN: tuple[Surface, ...] = ("voxel", "surfel", "smooth")  # segeval itself, by each of its surfaces
OWN_MEAN = "assd"
NOTABLE = 0.01  # of a value: what differs less is the same to a reader
STRAY_SHARE = 0.2  # of a mask's voxels: a piece larger than that is no stray one
SAME = 1e-9  # of a distance: what rounding may do to it
THICK = 2  # times the smallest spacing: from there on a reader sees slices
MOST_PLACES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A convention in which a tool may differ from segeval.

    Parameters
    ----------
    what
        In a reader's words.
    fields
        Of `Conventions`, with the values that they are changed to.
    """

    what: str
    fields: Mapping[str, Any]


CHANGES = (
    Change(what="percentiles of both directions together", fields={"percentile": "pooled"}),
    Change(
        what="border voxels by neighbours across edges and corners too, none at the image edge",
        fields={"neighbours": "all", "edge_is_border": False},
    ),
    Change(what="surface of voxel faces weighted by area, percentiles by area", fields={"surface": "surfel"}),
    Change(what="smooth surface weighted by area, percentiles by area", fields={"surface": "smooth"}),
    Change(what="distances from every voxel of a mask, not from its border", fields={"surface": "region"}),
    Change(what="mean of the two sides' shares", fields={"sides_averaged": True}),
    Change(what="tolerance without slack", fields={"within": "exact"}),
    Change(what="tolerance in float32", fields={"within": "float32"}),
)
MEANS = {
    "asd_to_reference": "mean distance from the prediction's surface alone",
    "asd_to_prediction": "mean distance from the reference's surface alone",
    "masd": "mean of the two directed mean distances",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """What one tool reports for one label.

    Parameters
    ----------
    tool
        Its name and version, or segeval and a surface.
    asked
        The options that give its numbers: ``"--compat monai"``.
    hd, hd95, mean_distance, nsd, dice
        Its numbers; None where it has none, or gives none.
    mean_metric
        The metric that its mean surface distance is.
    notes
        Why a number is not there, and which: ``"hd@95: monai: nan"``.
    """

    tool: str
    asked: str
    hd: float | None
    hd95: float | None
    mean_distance: float | None
    mean_metric: str | None
    nsd: float | None
    dice: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExplanation:
    """One label: every tool's numbers, and why they part.

    Parameters
    ----------
    label, name
        The label.
    rows
        The tools.
    tolerance
        Of its normalized surface distance.
    reasons
        A line each.
    """

    label: int | str
    name: str | None
    tolerance: float
    rows: tuple[ToolRow, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What tools say of one pair.

    Parameters
    ----------
    prediction, reference
        The files.
    shape, spacing, unit
        The reference's grid, in array order.
    tolerance
        Of the normalized surface distance, where a label has none of its own.
    labels
        Each label and region.
    remarks
        What the rows leave out.
    warnings
        What a reader of the numbers should know.
    """

    prediction: str
    reference: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str
    tolerance: float
    labels: tuple[LabelExplanation, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]


class _Seen(Comparison):
    """A pair under other conventions than those it was searched by, which find the same surfaces.

    Parameters
    ----------
    searched
        The pair.
    conventions
        The others.
    """

    def __init__(self, searched: Pair, conventions: Conventions) -> None:
        super().__init__(
            prediction=searched.prediction,
            reference=searched.reference,
            conventions=conventions,
            regions=searched.regions,
            only=searched.scored,
        )
        self._searched = searched

    def counts(self, key: Key) -> Counts:
        """The counts of a label or region."""
        return self._searched.counts(key)

    def surfaces(self, key: Key) -> SurfaceDistances:
        """The surface distances of a label or region."""
        return replace(
            self._searched.surfaces(key),
            penalty=self.penalty,
            slack=self._slack,
            single=self.conventions.within == "float32",
            pooled=self.conventions.percentile == "pooled",
            sides_averaged=self.conventions.sides_averaged,
        )


class _Views:
    """A pair under any conventions; each kind of surface is searched once.

    Parameters
    ----------
    pair
        Under segeval's own conventions.
    names
        Label -> name.
    plan
        What is asked for, but for conventions and metrics.
    threads
        How many threads may work at once.
    """

    def __init__(self, pair: Pair, names: Mapping[int, str], plan: Plan, *, threads: int) -> None:
        self.pair, self._names, self._plan, self._threads = pair, names, plan, threads
        self._searched = {_kind(pair.conventions): pair}

    def under(self, conventions: Conventions) -> _Seen:
        """The pair under conventions that tell no other labels to be scored."""
        kind = _kind(conventions)
        if kind not in self._searched:
            pair = self.pair
            own = replace(pair.conventions, surface=kind[0], neighbours=kind[1], edge_is_border=kind[2])
            self._searched[kind] = type(pair)(
                prediction=pair.prediction,
                reference=pair.reference,
                conventions=own,
                regions=pair.regions,
                only=pair.scored,
                threads=self._threads,
            )
        return _Seen(self._searched[kind], conventions)

    def scores(self, conventions: Conventions, wanted: Sequence[Request]) -> dict[Key, dict[str, Score]]:
        """Label or region -> metric -> its score."""
        plan = replace(self._plan, metrics=tuple(wanted))
        found: dict[Key, dict[str, Score]] = {}
        for each in score(self.under(conventions), self._names, plan, case=""):
            found.setdefault(each.label, {})[each.metric] = each
        return found


def _kind(conventions: Conventions) -> tuple[Surface, Any, bool]:
    """What decides on the surfaces that are found."""
    return conventions.surface, conventions.neighbours, conventions.edge_is_border


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """What one convention, changed alone, does to the numbers."""

    what: str
    tools: tuple[str, ...]
    moves: tuple[tuple[str, str], ...]  # a metric of segeval's own, and the one that it becomes
    scores: dict[Key, dict[str, Score]]
    view: _Seen


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
        views = _Views(pair, names, plan, threads=threads)
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
    return _with_choices(Conventions(), conventions)


def _with_choices(conventions: Conventions, chosen: Conventions) -> Conventions:
    choices = ("tolerance", "label_tolerances", "background", "ignore_label")
    return replace(conventions, **{name: getattr(chosen, name) for name in choices})


def _labels(views: _Views, names: Mapping[int, str], plain: Conventions) -> tuple[LabelExplanation, ...]:
    pair = views.pair
    tables: list[tuple[str, str, str | None, dict[Key, dict[str, Score]]]] = []
    for surface in OWN:
        if surface == "smooth" and pair.grid.ndim == 2:
            continue
        scores = views.scores(replace(plain, surface=surface), _wanted(OWN_MEAN))
        tables.append((f"segeval, surface {surface}", f"--surface {surface}", OWN_MEAN, scores))
    for name, preset in PRESETS.items():
        wanted = [each for each in _wanted(preset.mean_distance) if preset.has(each.name, each.value)]
        scores = views.scores(_with_choices(preset.conventions, plain), wanted)
        tables.append((preset.title, f"--compat {name}", preset.mean_distance, scores))
    own = views.scores(plain, _wanted(OWN_MEAN, *MEANS))
    effects = _effects(views, plain)
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
                reasons=tuple(_reasons(pair, key, rows, own[key], effects)),
            )
        )
    return tuple(found)


def _wanted(*means: str | None) -> list[Request]:
    return [parse(token) for token in ("hd", "hd@95", *means, "nsd", "dice") if token]


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


def _effects(views: _Views, plain: Conventions) -> list[_Effect]:
    """What each convention that a tool has does, changed alone."""
    found = []
    for change in CHANGES:
        surface = change.fields.get("surface")
        if surface == "smooth" and views.pair.grid.ndim == 2:
            continue
        presets = [
            preset
            for preset in PRESETS.values()
            if all(getattr(preset.conventions, name) == value for name, value in change.fields.items())
        ]
        means = [OWN_MEAN] if surface in OWN else [preset.mean_distance for preset in presets if preset.mean_distance]
        mean = OWN_MEAN if OWN_MEAN in means else next(iter(means), None)
        tokens = [
            request.token
            for request in _wanted(mean)
            if surface in OWN or any(preset.has(request.name, request.value) for preset in presets)
        ]
        tools = [f"segeval --surface {surface}"] if surface in OWN else []
        tools += [_short(preset) for preset in presets if any(_has(preset, token) for token in tokens)]
        if tools:
            conventions = replace(plain, **change.fields)
            found.append(
                _Effect(
                    what=change.what,
                    tools=tuple(tools),
                    moves=tuple((token, token) for token in tokens),
                    scores=views.scores(conventions, _wanted(mean)),
                    view=views.under(conventions),
                )
            )
    for mean, what in MEANS.items():
        tools = [_short(preset) for preset in PRESETS.values() if preset.mean_distance == mean]
        if tools:
            found.append(
                _Effect(
                    what=what,
                    tools=tuple(tools),
                    moves=((OWN_MEAN, mean),),
                    scores=views.scores(plain, [parse(mean)]),
                    view=views.under(plain),
                )
            )
    return found


def _has(preset: Preset, token: str) -> bool:
    request = parse(token)
    return preset.has(request.name, request.value)


def _short(preset: Preset) -> str:
    """What a tool is called, without its version."""
    return re.sub(r" [\d.]+$", "", preset.title)


def _reasons(
    pair: Pair, key: Key, rows: Sequence[ToolRow], own: Mapping[str, Score], effects: Sequence[_Effect]
) -> list[str]:
    """What on the pair makes the tools part, each with its figures."""
    counts, surfaces = pair.counts(key), pair.surfaces(key)
    if not counts.prediction or not counts.reference:
        which = "both masks are" if not counts.prediction and not counts.reference else "the prediction is"
        which = "the reference is" if counts.prediction else which
        return [f"{which} empty, and each tool has a rule of its own for that: a number, infinity, NaN or an exception"]
    if bare := _bare(surfaces):
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
    return [*moved, *_strays(pair, key, surfaces), *_slices(pair, rows)]


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


def _bare(surfaces: SurfaceDistances) -> str:
    """Which mask has no surface, empty where both have one."""
    if surfaces.prediction_empty and surfaces.reference_empty:
        return "neither mask has a surface"
    lacking = "prediction" if surfaces.prediction_empty else "reference" if surfaces.reference_empty else ""
    return lacking and f"the {lacking} has no surface"


def _moved(effect: _Effect, key: Key, own: Mapping[str, Score], pair: Pair) -> list[str]:
    """Which numbers a convention moves, and from what to what."""
    lead = f"{effect.what} ({', '.join(effect.tools)})"
    if bare := _bare(effect.view.surfaces(key)):
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
    for places in range(4 if ratio else _places(pair), MOST_PLACES):
        texts = f"{one:.{places}f}", f"{other:.{places}f}"
        rounded_away = any(
            float(text) in ends and float(text) != value for text, value in zip(texts, (one, other), strict=True)
        )
        if texts[0] != texts[1] and not rounded_away:
            break
    return between.join(texts) + ("" if ratio else f" {pair.grid.unit}")


def _places(pair: Pair) -> int:
    """Decimals that resolve a tenth of the smallest spacing, 2 or more."""
    return min(max(2, 1 - math.floor(math.log10(min(pair.grid.spacing)))), MOST_PLACES - 1)


def _strays(pair: Pair, key: Key, surfaces: SurfaceDistances) -> list[str]:
    """Of each mask the farthest of its small pieces that share nothing with the other mask."""
    if key == 0:  # pieces of the background are the rule
        return []
    unit, places = pair.grid.unit, _places(pair)
    hd, hd95 = surfaces.percentile(100), surfaces.percentile(95)
    masks, ignored = _masks(pair, key)
    found = []
    for mask, other, name, its in (
        (masks[0], masks[1], "prediction", "reference"),
        (masks[1], masks[0], "reference", "prediction"),
    ):
        piece = _farthest_piece(mask, other, ignored, pair.grid.spacing)
        if piece is None or piece.farthest < hd95:
            continue
        voxels = counted(piece.voxels, "voxel")
        is_hd = abs(hd - piece.farthest) <= SAME * hd
        found.append(
            f"a piece of the {name} shares no voxel with the {its}: {voxels}, {100 * piece.share:.2g} % of its border "
            f"points, {piece.farthest:.{places}f} {unit} from the other border; "
            f"{'hd is that distance' if is_hd else f'hd is {hd:.{places}f} {unit}, not that distance'}, and hd@95 "
            f"({hd95:.{places}f} {unit}) {'leaves it out' if hd95 < piece.nearest else 'does not leave all of it out'}"
        )
    return found


def _masks(pair: Pair, key: Key) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_] | None]:
    """Where either map has a label or region, and the ignored zone, in the box that holds both."""
    from scipy import ndimage

    if isinstance(pair, LayeredComparison):
        pair, key = pair.of(key)
    maps = [pair.prediction.labels, pair.reference.labels]
    members = np.array(sorted(pair.regions[key]) if isinstance(key, str) else [key], np.uint64)
    masks = [np.isin(each, members) if members.size > 1 else each == members[0] for each in maps]
    held = ndimage.find_objects((masks[0] | masks[1]).view(np.uint8))[0]
    ignored = pair.conventions.ignore_label
    return [mask[held] for mask in masks], None if ignored is None else maps[1][held] == ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of a mask: its voxels, its share of the border points, and how far these are from the other border."""

    voxels: int
    share: float
    nearest: float
    farthest: float


def _farthest_piece(
    mask: NDArray[np.bool_],
    other: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None,
    spacing: tuple[float, ...],
) -> _Piece | None:
    """The farthest of the small pieces of a mask that share nothing with the other; what is ignored counts nowhere."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    borders = [each & ~ndimage.binary_erosion(each) for each in (mask, other)]
    if ignored is not None:
        borders = [border & ~ignored for border in borders]
        mask, other = mask & ~ignored, other & ~ignored
    pieces, number = ndimage.label(mask, np.ones((3,) * mask.ndim))
    if number < 2 or not borders[1].any():
        return None
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)
    stray = sizes <= STRAY_SHARE * sizes[1:].sum()
    stray[0] = False
    stray[pieces[other]] = False
    places = np.argwhere(borders[0])
    owners = pieces[borders[0]]
    asking = stray[owners]
    if not asking.any():
        return None
    scale = np.array(spacing)
    found, _ = cKDTree(np.argwhere(borders[1]) * scale).query(places[asking] * scale)
    distances = np.asarray(found)
    piece = owners[asking][np.argmax(distances)]
    of_it = distances[owners[asking] == piece]
    return _Piece(
        voxels=int(sizes[piece]),
        share=of_it.size / owners.size,
        nearest=float(of_it.min()),
        farthest=float(of_it.max()),
    )


def _slices(pair: Pair, rows: Sequence[ToolRow]) -> list[str]:
    spacing, unit = pair.grid.spacing, pair.grid.unit
    values = [row.hd95 for row in rows if row.hd95 is not None]
    if len(spacing) < 3 or max(spacing) < THICK * min(spacing) or not all(map(math.isfinite, values)):
        return []
    spread = max(values) - min(values)
    if not 0 < spread < max(spacing):
        return []
    return [
        f"slices are {max(spacing):g} {unit} apart; the tools' hd@95 lie within {_up(spread, _places(pair))} {unit} of "
        "each other, less than a slice"
    ]


def _up(value: float, places: int) -> str:
    """A number rounded up."""
    return f"{math.ceil(value * 10**places - SAME) / 10**places:.{places}f}"
