"""Measure how the scores of a pair change when one convention at a time is set to what another tool uses."""

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

OWN: tuple[Surface, ...] = ("voxel", "surfel", "smooth")  # the surfaces that segeval offers itself
OWN_MEAN = "assd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A convention in which a tool may differ from segeval.

    Parameters
    ----------
    text
        Description of the convention.
    fields
        Fields of `Conventions`, with their new values.
    text_2d
        Description for a picture, if it differs.
    """

    text: str
    fields: Mapping[str, Any]
    text_2d: str = ""


CHANGES = (
    Change(text="percentile of both directions together", fields={"percentile": "pooled"}),
    Change(
        text="border voxels by all neighbours, none at the image boundary",
        text_2d="border through corners too, none at the image edge",
        fields={"neighbours": "all", "edge_is_border": False},
    ),
    Change(
        text="surface elements weighted by area",
        text_2d="surface elements weighted by length",
        fields={"surface": "surfel"},
    ),
    Change(text="smooth surface weighted by area", fields={"surface": "smooth"}),
    Change(
        text="every voxel, not only the border",
        text_2d="every pixel, not only the border",
        fields={"surface": "region"},
    ),
    Change(text="mean of the two directed NSDs", fields={"sides_averaged": True}),
    Change(text="tolerance without slack for rounding", fields={"within": "exact"}),
    Change(text="tolerance in float32", fields={"within": "float32"}),
)
MEANS = {
    "asd_to_reference": "prediction to reference",
    "asd_to_prediction": "reference to prediction",
    "masd": "mean of the two directed means",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Scores after changing one convention.

    Parameters
    ----------
    text
        Description of the convention.
    tools
        Tools that use it, by name; ``"--surface surfel"`` for segeval itself.
    moves
        Pairs of metrics to compare: before and after the change.
    scores
        Scores after the change, by label and metric.
    view
        The pair under the changed conventions.
    """

    text: str
    tools: tuple[str, ...]
    moves: tuple[tuple[str, str], ...]
    scores: dict[Key, dict[str, Score]]
    view: SeenPair


def effects_of(views: Views, plain: Conventions) -> list[Effect]:
    """Change one convention at a time to what some tool uses, and score the pair."""
    flat = views.pair.grid.ndim == 2
    found = []
    for change in CHANGES:
        surface = change.fields.get("surface")
        if surface == "smooth" and flat:
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
        tools = [f"--surface {surface}"] if surface in OWN else []
        tools += [_name_without_version(preset) for preset in presets if any(_has(preset, token) for token in tokens)]
        if tools:
            conventions = replace(plain, **change.fields)
            found.append(
                Effect(
                    text=change.text_2d if flat and change.text_2d else change.text,
                    tools=tuple(tools),
                    moves=tuple((token, token) for token in tokens),
                    scores=views.scores(conventions, requests_of(mean)),
                    view=views.under(conventions),
                )
            )
    for mean, text in MEANS.items():
        tools = [_name_without_version(preset) for preset in PRESETS.values() if preset.mean_distance == mean]
        if tools:
            found.append(
                Effect(
                    text=text,
                    tools=tuple(tools),
                    moves=((OWN_MEAN, mean),),
                    scores=views.scores(plain, [parse(mean)]),
                    view=views.under(plain),
                )
            )
    return found


def requests_of(*means: str | None) -> list[Request]:
    """Metrics to compare between tools: Hausdorff distances, these mean surface distances, NSD and Dice."""
    return [parse(token) for token in ("hd", "hd@95", *means, "nsd", "dice") if token]


def _has(preset: Preset, token: str) -> bool:
    request = parse(token)
    return preset.has(request.name, request.value)


def _name_without_version(preset: Preset) -> str:
    """Name of a tool without its version."""
    return re.sub(r" [\d.]+$", "", preset.title)
