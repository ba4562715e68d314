"""The plan of a run: what to score and how, the same for every case, and the signature line that states it.

A plan is plain data. It can be sent to other processes, and two runs with the same plan are comparable.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, Unpack

from segeval.errors import InputError, UsageError, about, shown
from segeval.evidence.conventions import DEFAULT_METRICS, Conventions
from segeval.maps.labels import plain_name
from segeval.maps.policy import Policy
from segeval.metrics import Quantity, Request, parse_all
from segeval.reading.tables import LabelTable
from segeval.scoring.batch_options import BATCH_OPTIONS
from segeval.scoring.declaration import CONVENTION, settings_of, statements_of, taking
from segeval.scoring.option_values import RESERVED, check_relabelling, entries_of, relabelling_of
from segeval.scoring.options import OPTIONS, Match, Options
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.scoring.presets import Preset

PROBABILITIES_HINT = "add --probabilities if predictions are probability maps (probabilities=True in Python)"
Members = int | str | Iterable[int | str]  # the labels of a region
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to score and how, the same for every case.

    Parameters
    ----------
    metrics
        The metrics, in the order of the columns.
    names
        Names of the labels of both maps, by number; every label named here has a row.
    skipped
        Names of polygons that are not drawn.
    only
        Labels to score, by number or name; empty for all.
    regions
        Labels of each region, by the region's name: ``"1,2,4"``, ``"1-125"`` or ``"*"``.
    conventions
        How the scores are computed.
    match
        Whether labels are matched by number or by name.
    relabel_prediction, relabel_reference
        New label by old label; applied before anything else.
    geometry, geometry_tolerance
        What to do when the grids differ, and how far they may differ.
    spacing
        Spacing in the order of the array's axes; replaces the spacing of both files.
    probabilities
        Whether predictions are probability maps.
    threshold
        Foreground threshold for probability maps with one channel.
    normalise
        Whether to clip probability maps to [0, 1] and rescale their channels to sum to 1.
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
                with about(option.name):
                    if not setting.is_convention:  # conventions check their own choices
                        option.check_choice(value)
                    if setting.check is not None:
                        setting.check(value)
        self._check_probabilities()
        self._check_preset()

    def _check_probabilities(self) -> None:
        """Refuse options for probability maps if predictions are label maps, and matching by name if they are not."""
        if self.probabilities:
            with about("match"):
                if self.match != "ids":
                    raise UsageError("the channels of a probability map have no names; match labels by number")
            return
        soft = [request.token for request in self.metrics if request.card.is_soft]
        with about("metrics"):
            if soft:
                raise UsageError(f"{', '.join(soft)}: only for probability maps", hint=PROBABILITIES_HINT)
        if self.normalise or self.threshold != OPTIONS["threshold"].default:
            option = "normalise" if self.normalise else "threshold"
            raise UsageError(f"{option} is only for probability maps", hint=PROBABILITIES_HINT)

    def _check_preset(self) -> None:
        """Refuse metrics that the tool of the preset does not have."""
        if self.conventions.compat is None:
            return
        preset = _preset(self.conventions.compat)
        lacking = [request.token for request in self.metrics if not preset.has(request.name, request.value)]
        if lacking:
            with about("compat"):
                raise UsageError(
                    f"{preset.title} has no {', '.join(lacking)}", hint="choose other metrics, or leave out --compat"
                )

    def with_metrics(self, requests: Iterable[Request]) -> Plan:
        """Return the plan with these metrics added, as far as it lacks them."""
        by_token = {request.token: request for request in (*self.metrics, *requests)}
        return replace(self, metrics=tuple(by_token.values()))

    def signature(self, grids: Collection[tuple[int, str]], settings: Mapping[str, Any] = NOTHING) -> str:
        """Return the signature: everything that the scores depend on, in one line.

        Parameters
        ----------
        grids
            Number of axes and unit of length of the images: ``{(3, "mm")}``.
        settings
            Settings of the run that the scores depend on too.
        """
        own = statements_of(BATCH_OPTIONS, {**settings, **self.settings()})
        return " | ".join([f"segeval {__version__}", *self.conventions.statements(grids).values(), *own])

    def footnote(self, grids: Collection[tuple[int, str]], settings: Mapping[str, Any] = NOTHING) -> str:
        """Return the footnote of a paper's table: the parts of the signature that the metrics depend on.

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
            "absent class": any(card.name in ("generalized_dice", "gdl") for card in cards),
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
        """Return the plan with these settings; other keys are ignored.

        Raises
        ------
        UsageError
            A setting is missing or has a wrong value.
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
        """Return the plan with these fields; those of its conventions begin with ``"conventions."``."""
        compat = fields.get("conventions.compat")
        usual = Conventions() if compat is None else _preset(compat).conventions
        found = {name.removeprefix(CONVENTION): value for name, value in fields.items() if name.startswith(CONVENTION)}
        own = {name: value for name, value in fields.items() if not name.startswith(CONVENTION)}
        return cls(conventions=replace(usual, **found), **own)

    def settings(self) -> dict[str, Any]:
        """Return the plan as plain data, by the names of the options; `of_settings` reads it back."""
        return {
            setting.key: setting.kind.dump(setting.value_in(self))
            for setting in settings_of(OPTIONS)
            if setting.when is None or setting.when(self)
        }


def _preset(name: str) -> Preset:
    from segeval.scoring.presets import preset_of  # deferred: most runs have no preset

    with about("compat"):
        return preset_of(name)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the type of each setting; none has to be there.

    Raises
    ------
    UsageError
        A setting has a value of another type.

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
    """Return the plan that follows from options.

    Raises
    ------
    UsageError
        An option has a wrong value.
    """
    chosen: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()} | {**options}
    with about("labels"):
        table = _table(chosen["labels"])
    with about("metrics"):
        requests = _requests(chosen)
    with about("map"):
        both: Mapping[Any, Any] = relabelling_of(chosen["map"] or {})
        check_relabelling(both)
    chosen |= {
        "labels": table,
        "metrics": requests,
        "regions": _with_regions_of(table, chosen["regions"] or {}),
        "ignore_label": table.ignore_label if chosen["ignore_label"] is None else chosen["ignore_label"],
        "map_prediction": {**both, **(chosen["map_prediction"] or {})},
        "map_reference": {**both, **(chosen["map_reference"] or {})},
    }
    fields: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        with about(name):
            found = option.fields_of(chosen[name])
            for setting in option.settings:
                if setting.check is not None and setting.field in found:
                    setting.check(found[setting.field])
        fields |= found
    return Plan.of_fields(fields)


def _table(labels: str | os.PathLike[str] | Mapping[int, str] | LabelTable | None) -> LabelTable:
    if isinstance(labels, LabelTable):
        return labels
    if labels is None or isinstance(labels, Mapping):
        return LabelTable(names=labels or {}, dialect="mapping", source="labels")
    from segeval.reading.labels import parse_labels  # deferred: it knows many dialects

    return parse_labels(os.fspath(labels))


def _requests(options: Mapping[str, Any]) -> tuple[Request, ...]:
    """Return the metrics; default metrics and ``all`` leave out those that a preset lacks."""
    metrics, compat, probabilities = options["metrics"], options["compat"], options["probabilities"]
    entries = list(DEFAULT_METRICS) if metrics is None else entries_of("metrics", metrics)
    requests = parse_all(entries, probabilities=probabilities)
    if compat is None:
        if probabilities and metrics is None:
            requests += tuple(request for request in parse_all(["all"], probabilities=True) if request.card.is_soft)
        return requests
    preset = _preset(compat)
    preset_too = [name for name, option in OPTIONS.items() if option.by_preset and options[name] is not None]
    if preset_too:
        hint = f"leave out --compat or {', '.join(preset_too)}"
        with about("compat"):
            raise UsageError(f"compat {shown(compat)} already sets {', '.join(preset_too)}", hint=hint)
    named = [part for entry in entries for part in entry.split(",") if part.strip() not in ("", "all")]
    by_name = parse_all(named) if named and metrics is not None else ()
    return tuple(request for request in requests if request in by_name or preset.has(request.name, request.value))


def _with_regions_of(table: LabelTable, given: Mapping[str, Members]) -> dict[str, Members]:
    """Return the regions of a label table and those given; those given replace regions of the same name."""
    taken = {plain_name(name) for name in given}
    kept = {name: members for name, members in table.regions.items() if plain_name(name) not in taken}
    for name in kept.keys() & set(RESERVED):
        raise InputError(f"a region cannot be called {name!r}", source=table.source, hint="choose another name")
    return {**kept, **given}
