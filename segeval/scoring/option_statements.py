"""What the signature line says of options, from the settings of a run; nothing where there is nothing to say."""

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
    """What makes a label the same in both maps."""
    return f"labels by {'number' if settings['match'] == 'ids' else 'name'}"


def prediction_relabelled(settings: Settings) -> str:
    """Which labels of the prediction became others."""
    return _pairs("map prediction", settings["map_prediction"])


def reference_relabelled(settings: Settings) -> str:
    """Which labels of the reference became others."""
    return _pairs("map reference", settings["map_reference"])


def probabilities_read(settings: Settings) -> str:
    """How labels came from probabilities."""
    if not settings.get("probabilities"):
        return ""
    normalised = ", normalised" if settings["normalise"] else ""
    return f"probabilities arg max, one channel from {settings['threshold']:g}{normalised}"


def spacing_given(settings: Settings) -> str:
    """The spacing that replaced that of the files, in the header's order."""
    return _listed("spacing given", (f"{step:g}" for step in (settings["spacing"] or ())[::-1]), " x ")


def polygons_skipped(settings: Settings) -> str:
    """Which polygons were not drawn."""
    return _listed("polygons skipped", map(shown, settings.get("skipped", ())))


def scored_only(settings: Settings) -> str:
    """Which labels were scored."""
    return _listed("only", map(shown, settings["only"]))


def regions_scored(settings: Settings) -> str:
    """Which unions of labels were scored."""
    return _listed("regions", (f"{shown(name)}={labels}" for name, labels in settings["regions"].items()), " ")


def grids_compared(settings: Settings) -> str:
    """What was done where grids differed, and from where on they do."""
    return f"geometry {settings['geometry']} {settings['geometry_tolerance']:g}"


def missing_counted(settings: Settings) -> str:
    """What stood for a prediction that was not there, where that was no error."""
    missing = settings.get("missing", "error")
    return "" if missing == "error" else f"missing prediction {missing}"
