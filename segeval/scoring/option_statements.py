"""Parts of the signature line that state options, from the settings of a run; empty if there is nothing to state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segeval.errors import shown

Settings = Mapping[str, Any]


def _listed(heading: str, texts: Iterable[object], separator: str = ",") -> str:
    listed = separator.join(map(str, texts))
    return listed and f"{heading} {listed}"


def _pairs(heading: str, mapping: Mapping[Any, Any]) -> str:
    return _listed(heading, (f"{shown(key)}={shown(value)}" for key, value in mapping.items()))


def matched(settings: Settings) -> str:
    """State whether labels match by number or by name."""
    return f"labels by {'number' if settings['match'] == 'ids' else 'name'}"


def prediction_relabelled(settings: Settings) -> str:
    """State the new label numbers of the prediction."""
    return _pairs("map prediction", settings["map_prediction"])


def reference_relabelled(settings: Settings) -> str:
    """State the new label numbers of the reference."""
    return _pairs("map reference", settings["map_reference"])


def probabilities_read(settings: Settings) -> str:
    """State how labels were made from probabilities."""
    if not settings.get("probabilities"):
        return ""
    normalised = ", normalised" if settings["normalise"] else ""
    return f"labels by argmax, single channel thresholded at {settings['threshold']:g}{normalised}"


def spacing_given(settings: Settings) -> str:
    """State the spacing used instead of the files', in the header's order of axes."""
    return _listed("spacing given", (f"{step:g}" for step in (settings["spacing"] or ())[::-1]), " x ")


def polygons_skipped(settings: Settings) -> str:
    """State which polygons were skipped."""
    return _listed("polygons skipped", map(shown, settings.get("skipped", ())))


def scored_only(settings: Settings) -> str:
    """State which labels were scored."""
    return _listed("only", map(shown, settings["only"]))


def regions_scored(settings: Settings) -> str:
    """State which regions were scored."""
    return _listed("regions", (f"{shown(name)}={labels}" for name, labels in settings["regions"].items()), " ")


def grids_compared(settings: Settings) -> str:
    """State how different grids were handled, and the tolerance."""
    return f"geometry {settings['geometry']} {settings['geometry_tolerance']:g}"


def missing_counted(settings: Settings) -> str:
    """State how cases without prediction were handled, unless that was an error."""
    missing = settings.get("missing", "error")
    return "" if missing == "error" else f"missing prediction {missing}"
