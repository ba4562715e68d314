"""What is asked for, the same for every case, and the line that states it.

A plan is plain data: it crosses process boundaries, and two runs with one plan are comparable.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, Unpack

from segeval.errors import InputError, UsageError, shown
from segeval.evidence.conventions import DEFAULT_METRICS, Conventions
from segeval.maps.labels import plain_name
from segeval.maps.policy import Policy
from segeval.metrics import Quantity, Request, parse_all
from segeval.reading.tables import LabelTable
from segeval.scoring.batch_options import BATCH_OPTIONS
from segeval.scoring.declaration import CONVENTION, settings_of, statements_of, taking
from segeval.scoring.option_values import RESERVED, entries_of
from segeval.scoring.options import OPTIONS, Match, Options
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.scoring.presets import Preset

NOTHING: Mapping[str, Any] = MappingProxyType({})


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
    match: Match = OPTIONS["match"].default
    relabel_prediction: Mapping[int, int] = field(default_factory=dict)
    relabel_reference: Mapping[int, int] = field(default_factory=dict)
    geometry: Policy = OPTIONS["geometry"].default
    geometry_tolerance: float = OPTIONS["geometry_tolerance"].default
    spacing: tuple[float, ...] | None = None
    probabilities: bool = OPTIONS["probabilities"].default
    threshold: float = OPTIONS["threshold"].default
    normalise: bool = OPTIONS["normalise"].default

    def __post_init__(self) -> None:
        for option in OPTIONS.values():
            for setting in option.settings:
                value = setting.value_in(self)
                if not setting.is_convention:  # conventions check their own choices
                    option.check_choice(value)
                if setting.check is not None:
                    setting.check(value)
        self._check_probabilities()
        self._check_preset()

    def _check_probabilities(self) -> None:
        """Refuse scores of probabilities where there are none, and options that need them."""
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
        if self.normalise or self.threshold != OPTIONS["threshold"].default:
            raise UsageError(
                f"{'normalise' if self.normalise else 'threshold'} is for probability maps",
                hint="--probabilities says that the prediction is one",
            )

    def _check_preset(self) -> None:
        """Refuse metrics that the other tool does not have."""
        if self.conventions.compat is None:
            return
        preset = _preset(self.conventions.compat)
        lacking = [request.token for request in self.metrics if not preset.has(request.name, request.value)]
        if lacking:
            raise UsageError(
                f"{preset.title} has no {', '.join(lacking)}", hint="ask for others, or leave --compat out"
            )

    def asking_for(self, requests: Iterable[Request]) -> Plan:
        """The same plan with metrics added that it lacks."""
        by_token = {request.token: request for request in (*self.metrics, *requests)}
        return replace(self, metrics=tuple(by_token.values()))

    def signature(self, grids: Collection[tuple[int, str]], settings: Mapping[str, Any] = NOTHING) -> str:
        """Everything that the numbers rest on, in one line.

        Parameters
        ----------
        grids
            How many axes the images have, and the unit of their lengths: ``{(3, "mm")}``.
        settings
            What else a run rests on.
        """
        own = statements_of(BATCH_OPTIONS, {**settings, **self.settings()})
        return " | ".join([f"segeval {__version__}", *self.conventions.statements(grids).values(), *own])

    def footnote(self, grids: Collection[tuple[int, str]], settings: Mapping[str, Any] = NOTHING) -> str:
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
        own = statements_of(BATCH_OPTIONS, {**settings, **self.settings()}, in_footnote=True)
        return "; ".join([f"segeval {__version__}", *texts, *own])

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The plan that `settings` are of; what else stands among them is passed over.

        Raises
        ------
        UsageError
            They are no plan's.
        """
        check_settings(settings)
        fields: dict[str, Any] = {}
        for setting in settings_of(OPTIONS):
            if setting.key in settings:
                fields[setting.field] = setting.kind.load(settings[setting.key])
            elif setting.when is None:
                raise UsageError(f"the setting {setting.key} is missing")
        return cls.of_fields(fields)

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The plan with these fields, those of its conventions among them: ``"conventions.penalty"``."""
        compat = fields.get("conventions.compat")
        usual = Conventions() if compat is None else _preset(compat).conventions
        found = {name.removeprefix(CONVENTION): value for name, value in fields.items() if name.startswith(CONVENTION)}
        own = {name: value for name, value in fields.items() if not name.startswith(CONVENTION)}
        return cls(conventions=replace(usual, **found), **own)

    def settings(self) -> dict[str, Any]:
        """The plan as plain data, by the command line's names; `of_settings` reads it back."""
        return {
            setting.key: setting.kind.dump(setting.value_in(self))
            for setting in settings_of(OPTIONS)
            if setting.when is None or setting.when(self)
        }


def _preset(name: str) -> Preset:
    from segeval.scoring.presets import preset_of  # deferred: most runs ask for none

    return preset_of(name)


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
    for setting in settings_of(BATCH_OPTIONS):
        if setting.key in settings and not setting.kind.holds(settings[setting.key]):
            raise UsageError(f"the setting {setting.key} cannot be {shown(repr(settings[setting.key])[:60])}")


@taking(Options)
def plan_of(**options: Unpack[Options]) -> Plan:
    """The plan that options by the command line's names ask for.

    Raises
    ------
    UsageError
        An option that is not what it should be.
    """
    for name in options:
        if name not in OPTIONS:
            raise TypeError(f"plan_of() got an unexpected keyword argument {name!r}")
    asked: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()} | {**options}
    table = _table(asked["labels"])
    both = asked["map"] or {}
    asked |= {
        "labels": table,
        "metrics": _requests(asked),
        "regions": _with_regions_of(table, asked["regions"] or {}),
        "ignore_label": table.ignore_label if asked["ignore_label"] is None else asked["ignore_label"],
        "map_prediction": {**both, **(asked["map_prediction"] or {})},
        "map_reference": {**both, **(asked["map_reference"] or {})},
    }
    fields: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        fields |= option.fields_of(asked[name])
    return Plan.of_fields(fields)


def _table(labels: str | os.PathLike[str] | Mapping[int, str] | LabelTable | None) -> LabelTable:
    if isinstance(labels, LabelTable):
        return labels
    if labels is None or isinstance(labels, Mapping):
        return LabelTable(names=labels or {}, dialect="mapping", source="labels")
    from segeval.reading.labels import parse_labels  # deferred: it knows many dialects

    return parse_labels(os.fspath(labels))


def _requests(asked: Mapping[str, Any]) -> tuple[Request, ...]:
    """The metrics; of the default ones and of all, those that a preset lacks are left out."""
    metrics, compat, probabilities = asked["metrics"], asked["compat"], asked["probabilities"]
    entries = list(DEFAULT_METRICS) if metrics is None else entries_of("metrics", metrics)
    requests = parse_all(entries, probabilities=probabilities)
    if compat is None:
        if probabilities and metrics is None:
            requests += tuple(request for request in parse_all(["all"], probabilities=True) if request.card.is_soft)
        return requests
    preset = _preset(compat)
    chosen = [name for name, option in OPTIONS.items() if option.by_preset and asked[name] is not None]
    if chosen:
        raise UsageError(f"compat {shown(compat)} decides on {', '.join(chosen)}: leave one of them out")
    named = [part for entry in entries for part in entry.split(",") if part.strip() not in ("", "all")]
    by_name = parse_all(named) if named and metrics is not None else ()
    return tuple(request for request in requests if request in by_name or preset.has(request.name, request.value))


def _with_regions_of(table: LabelTable, given: Mapping[str, str | Iterable[int]]) -> dict[str, str | Iterable[int]]:
    """The regions of a table and those given, which win where both have a name."""
    taken = {plain_name(name) for name in given}
    kept = {name: members for name, members in table.regions.items() if plain_name(name) not in taken}
    for name in kept.keys() & set(RESERVED):
        raise InputError(f"a region cannot be called {name!r}", source=table.source, hint="take a word of its own")
    return {**kept, **given}
