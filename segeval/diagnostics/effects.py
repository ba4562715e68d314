"""What each convention in which tools differ does to the numbers of a pair, changed alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from segeval.diagnostics.views import SeenPair, Views
from segeval.evidence.conventions import Conventions, Surface
from segeval.maps.labels import Key
from segeval.metrics import Request, parse
from segeval.results.rows import Score
from segeval.scoring.presets import PRESETS, Preset

OWN: tuple[Surface, ...] = ("voxel", "surfel", "smooth")  # segeval itself, by each of its surfaces
OWN_MEAN = "assd"


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
class Effect:
    """What one convention, changed alone, does to the numbers."""

    what: str
    tools: tuple[str, ...]
    moves: tuple[tuple[str, str], ...]  # a metric of segeval's own, and the one that it becomes
    scores: dict[Key, dict[str, Score]]
    view: SeenPair


def effects_of(views: Views, plain: Conventions) -> list[Effect]:
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
            for request in requests_of(mean)
            if surface in OWN or any(preset.has(request.name, request.value) for preset in presets)
        ]
        tools = [f"segeval --surface {surface}"] if surface in OWN else []
        tools += [_name_without_version(preset) for preset in presets if any(_has(preset, token) for token in tokens)]
        if tools:
            conventions = replace(plain, **change.fields)
            found.append(
                Effect(
                    what=change.what,
                    tools=tuple(tools),
                    moves=tuple((token, token) for token in tokens),
                    scores=views.scores(conventions, requests_of(mean)),
                    view=views.under(conventions),
                )
            )
    for mean, what in MEANS.items():
        tools = [_name_without_version(preset) for preset in PRESETS.values() if preset.mean_distance == mean]
        if tools:
            found.append(
                Effect(
                    what=what,
                    tools=tuple(tools),
                    moves=((OWN_MEAN, mean),),
                    scores=views.scores(plain, [parse(mean)]),
                    view=views.under(plain),
                )
            )
    return found


def requests_of(*means: str | None) -> list[Request]:
    """The metrics that are compared between tools, with some mean surface distances among them."""
    return [parse(token) for token in ("hd", "hd@95", *means, "nsd", "dice") if token]


def _has(preset: Preset, token: str) -> bool:
    request = parse(token)
    return preset.has(request.name, request.value)


def _name_without_version(preset: Preset) -> str:
    """What a tool is called, without its version."""
    return re.sub(r" [\d.]+$", "", preset.title)
