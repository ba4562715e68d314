"""What is asked for, the same for every case, and the line that states it.

A plan is plain data: it crosses process boundaries, and two runs with one plan are comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from segeval.errors import UsageError, shown
from segeval.evidence.conventions import Conventions, found_length, is_length
from segeval.maps.geometry import Policy
from segeval.maps.labels import plain_name
from segeval.metrics import Quantity, Request, parse_all
from segeval.scoring.presets import preset_of
from segeval.version import __version__

Match = Literal["ids", "names"]

THRESHOLD = 0.5  # from there on a probability map with one channel says foreground
RESERVED = ("all", "macro", "pooled", "macro_pooled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for, the same for every case.

    Parameters
    ----------
    metrics
        The metrics, in the order of the columns.
    names
        Label -> name, for both maps; every label named here has a row.
    skipped
        Names of polygons that are not drawn.
    only
        The labels that are scored, by number or name; empty for all.
    regions
        Name -> labels, as ``"1,2,4"``, ``"1-125"`` or ``"*"``.
    conventions
        How numbers are computed.
    match
        What makes a label the same in both maps.
    relabel_prediction, relabel_reference
        Old label -> new label, first of all.
    geometry, geometry_tolerance
        What to do where the grids differ, and from where on they do.
    spacing
        Replaces that of both files; in the order of the array's axes.
    probabilities
        Whether predictions are probability maps.
    threshold
        From where on a map with one channel says foreground.
    normalise
        Whether maps are clipped and renormalised that are none.
    """

    metrics: tuple[Request, ...] = field(default_factory=parse_all)
    names: Mapping[int, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    regions: Mapping[str, str] = field(default_factory=dict)
    conventions: Conventions = field(default_factory=Conventions)
    match: Match = "ids"
    relabel_prediction: Mapping[int, int] = field(default_factory=dict)
    relabel_reference: Mapping[int, int] = field(default_factory=dict)
    geometry: Policy = "strict"
    geometry_tolerance: float = 0.05
    spacing: tuple[float, ...] | None = None
    probabilities: bool = False
    threshold: float = THRESHOLD
    normalise: bool = False

    def __post_init__(self) -> None:
        texts = (*self.names.values(), *self.skipped, *self.only, *self.regions, *self.regions.values())
        if not all(isinstance(text, str) for text in texts):
            raise UsageError("labels, regions and their names are texts")
        for name in self.regions:
            if not name.strip() or plain_name(name) in RESERVED or name.lstrip("-").isdecimal():
                raise UsageError(f"a region cannot be called {shown(name)!r}", hint="take a word of its own")
        for option, value, kinds in (("match", self.match, Match), ("geometry", self.geometry, Policy)):
            if value not in get_args(kinds):
                raise UsageError(f"{option} is one of {', '.join(get_args(kinds))}, not {shown(value)}")
        relabelled_to = (*self.relabel_prediction.items(), *self.relabel_reference.items())
        ignored = () if self.conventions.ignore_label is None else (self.conventions.ignore_label,)
        for label in (*self.names, *ignored, *(label for pair in relabelled_to for label in pair)):
            if not 0 <= label < 1 << 64:
                raise UsageError(f"labels are whole numbers from 0 to 2**64 - 1, so none is {shown(repr(label))}")
        if self.spacing is not None and not all(math.isfinite(step) and step > 0 for step in self.spacing):
            raise UsageError(f"spacing takes positive lengths, found {self.spacing}")
        if not is_length(self.geometry_tolerance):
            raise UsageError(f"a geometry tolerance is 0 or more, {found_length(self.geometry_tolerance)}")

        self._check_probabilities()
        self._check_preset()

    def _check_probabilities(self) -> None:
        """Refuse scores of probabilities where there are none, and options that need them."""
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"a threshold is a probability from 0 to 1, not {self.threshold}")
        if self.probabilities:
            if self.match != "ids":
                raise UsageError("the classes of a probability map have numbers and no names: match them by number")
            return
        soft = [request.token for request in self.metrics if request.card.is_soft]
        if soft:
            raise UsageError(
                f"{', '.join(soft)}: for probability maps, not for label maps",
                hint="--probabilities says that the prediction is one",
            )
        if self.normalise or self.threshold != THRESHOLD:
            raise UsageError(
                f"{'normalise' if self.normalise else 'threshold'} is for probability maps",
                hint="--probabilities says that the prediction is one",
            )

    def _check_preset(self) -> None:
        """Refuse metrics that the other tool does not have."""
        if self.conventions.compat is None:
            return
        preset = preset_of(self.conventions.compat)
        lacking = [request.token for request in self.metrics if not preset.has(request.name, request.value)]
        if lacking:
            raise UsageError(
                f"{preset.title} has no {', '.join(lacking)}", hint="ask for others, or leave --compat out"
            )

    def asking_for(self, requests: Iterable[Request]) -> Plan:
        """The same plan with metrics added that it lacks."""
        by_token = {request.token: request for request in (*self.metrics, *requests)}
        return replace(self, metrics=tuple(by_token.values()))

    def signature(self, grids: Collection[tuple[int, str]]) -> str:
        """Everything that the numbers rest on, in one line.

        Parameters
        ----------
        grids
            How many axes the images have, and the unit of their lengths: ``{(3, "mm")}``.
        """
        return " | ".join(
            [
                f"segeval {__version__}",
                *self.conventions.statements(grids).values(),
                f"labels by {'number' if self.match == 'ids' else 'name'}",
                *self._own_statements(),
                f"geometry {self.geometry} {self.geometry_tolerance:g}",
            ]
        )

    def _own_statements(self) -> list[str]:
        """What was done to the maps and labels, if anything was."""

        def pairs(mapping: Mapping[Any, Any]) -> str:
            return ",".join(f"{shown(key)}={shown(value)}" for key, value in mapping.items())

        spacing = "" if self.spacing is None else " x ".join(f"{step:g}" for step in self.spacing[::-1])
        said = {
            "map prediction": pairs(self.relabel_prediction),
            "map reference": pairs(self.relabel_reference),
            "probabilities": self._probability_statement(),
            "spacing given": spacing,
            "polygons skipped": ",".join(map(shown, self.skipped)),
            "only": ",".join(map(shown, self.only)),
            "regions": " ".join(f"{shown(name)}={labels}" for name, labels in self.regions.items()),
        }
        return [f"{name} {value}" for name, value in said.items() if value]

    def _probability_statement(self) -> str:
        if not self.probabilities:
            return ""
        return f"arg max, one channel from {self.threshold:g}{', normalised' if self.normalise else ''}"

    def footnote(self, grids: Collection[tuple[int, str]]) -> str:
        """What a paper says beneath its table: of the signature, what the metrics asked for rest on.

        Examples
        --------
        >>> Plan(metrics=parse_all(["dice", "hd@95"])).footnote({(3, "mm")}).partition("; ")[2]
        '3-D, mm; surface voxel, 6-neighbour; percentile directed, linear; penalty diagonal'
        """
        cards = [request.card for request in self.metrics]
        surfaces = any(card.kind.of_surfaces for card in cards)
        needed = {
            "surface": surfaces,
            "percentile": any(request.name == "hd" and request.value is not None for request in self.metrics),
            "penalty": any(card.kind.of_surfaces and card.quantity is Quantity.LENGTH for card in cards),
            "absent class": any(card.name == "generalized_dice" for card in cards),
            "tolerance": any(
                card.parameter is not None and card.parameter.name == "tolerance" and request.value is None
                for card, request in zip(cards, self.metrics, strict=True)
            ),
            "sides": any(card.name == "nsd" for card in cards),
            "within": any(card.parameter is not None and card.parameter.name == "tolerance" for card in cards),
        }
        said = self.conventions.statements(grids)
        texts = [text for subject, text in said.items() if needed.get(subject, True)]
        return "; ".join([f"segeval {__version__}", *texts, *self._own_statements()])

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Plan:
        """The plan that `settings` are of; what else stands among them is passed over.

        Raises
        ------
        UsageError
            They are no plan's.
        """
        check_settings(settings)
        try:
            return cls._restored(settings)
        except KeyError as error:
            raise UsageError(f"the setting {error.args[0]} is missing") from None

    @classmethod
    def _restored(cls, settings: Mapping[str, Any]) -> Plan:
        def numbers(mapping: Mapping[str, Any]) -> dict[int, Any]:
            return {int(label): value for label, value in mapping.items()}

        spacing = settings["spacing"]
        return cls(
            metrics=parse_all(settings["metrics"]),
            names=numbers(settings["labels"]),
            skipped=tuple(settings.get("skipped", ())),
            only=tuple(settings["only"]),
            regions=dict(settings["regions"]),
            conventions=replace(
                Conventions() if settings["compat"] is None else preset_of(settings["compat"]).conventions,
                surface=settings["surface"],
                percentile=settings["percentile"],
                penalty=settings["penalty"],
                absent_class=settings["absent_class"],
                tolerance=settings["tolerance"],
                label_tolerances=dict(settings["label_tolerances"]),
                label_weights=dict(settings.get("weight", {})),
                background=settings["background"],
                ignore_label=settings["ignore_label"],
            ),
            match=settings["match"],
            relabel_prediction=numbers(settings["map_prediction"]),
            relabel_reference=numbers(settings["map_reference"]),
            geometry=settings["geometry"],
            geometry_tolerance=settings["geometry_tolerance"],
            spacing=None if spacing is None else tuple(spacing),
            probabilities=settings.get("probabilities", False),
            threshold=settings.get("threshold", THRESHOLD),
            normalise=settings.get("normalise", False),
        )

    def settings(self) -> dict[str, Any]:
        """The plan as plain data, by the command line's names; `of_settings` reads it back."""
        conventions = self.conventions
        penalty = conventions.penalty
        return {
            "metrics": [request.token for request in self.metrics],
            "compat": conventions.compat,
            "surface": conventions.surface,
            "percentile": conventions.percentile,
            "penalty": penalty if isinstance(penalty, str) else float(penalty),
            "absent_class": conventions.absent_class,
            "tolerance": conventions.tolerance,
            "label_tolerances": dict(conventions.label_tolerances),
            **({"weight": dict(conventions.label_weights)} if conventions.label_weights else {}),
            "background": conventions.background,
            "ignore_label": conventions.ignore_label,
            "labels": {str(label): name for label, name in self.names.items()},
            **({"skipped": list(self.skipped)} if self.skipped else {}),
            "only": list(self.only),
            "regions": dict(self.regions),
            "match": self.match,
            "map_prediction": {str(old): new for old, new in self.relabel_prediction.items()},
            "map_reference": {str(old): new for old, new in self.relabel_reference.items()},
            "spacing": None if self.spacing is None else list(self.spacing),
            "geometry": self.geometry,
            "geometry_tolerance": float(self.geometry_tolerance),
            **(
                {"probabilities": True, "threshold": self.threshold, "normalise": self.normalise}
                if self.probabilities
                else {}
            ),
        }


def check_settings(settings: Mapping[str, Any]) -> None:
    """See that each setting is of its kind, whatever settings there are; `Plan.of_settings` needs all of a plan's.

    Raises
    ------
    UsageError
        One is of another kind.

    Examples
    --------
    >>> check_settings({"labels": {"1": "liver"}, "spacing": None, "of another program": 5})
    >>> check_settings({"labels": ["liver"]})
    Traceback (most recent call last):
    segeval.errors.UsageError: the setting labels cannot be ['liver']
    """
    for name, value in settings.items():
        if name in _KINDS and not _KINDS[name](value):
            raise UsageError(f"the setting {name} cannot be {shown(repr(value)[:60])}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_length(abs(value))


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_label_text(value: str) -> bool:
    return value.isdecimal() and len(value) <= len(str(1 << 64))


def _or_none(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or kind(value)


def _list_of(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _mapping(keys: Callable[[Any], bool], values: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(keys, value)) and all(map(values, value.values()))


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "metrics": _list_of(_is_text),
    "compat": _or_none(_is_text),
    "surface": _is_text,
    "percentile": _is_text,
    "penalty": lambda value: _is_text(value) or _is_number(value),
    "absent_class": _is_text,
    "tolerance": _is_number,
    "label_tolerances": _mapping(_is_text, _is_number),
    "weight": _mapping(_is_text, lambda value: _is_number(value) and value >= 0),
    "background": _is_switch,
    "ignore_label": _or_none(_is_label),
    "labels": _mapping(_is_label_text, _is_text),
    "skipped": _list_of(_is_text),
    "only": _list_of(_is_text),
    "regions": _mapping(_is_text, _is_text),
    "match": _is_text,
    "map_prediction": _mapping(_is_label_text, _is_label),
    "map_reference": _mapping(_is_label_text, _is_label),
    "spacing": _or_none(_list_of(_is_number)),
    "geometry": _is_text,
    "geometry_tolerance": _is_number,
    "probabilities": _is_switch,
    "threshold": _is_number,
    "normalise": _is_switch,
    "missing": _is_text,
    "by": _list_of(_is_text),
}
