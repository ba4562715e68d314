"""How options become values: from what is typed, from what Python gives, and which values a plan refuses.

What is typed is a text, or texts, of the shell or of a configuration file. Messages about it name the option as it is
spelled there.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, SupportsIndex

from segeval.errors import UsageError, shown
from segeval.evidence.conventions import found_length, is_length

if TYPE_CHECKING:
    from pathlib import Path

    from segeval.reading.tables import LabelTable

LARGEST_LABEL = 2**64 - 1
RESERVED = ("all", "macro", "pooled", "macro_pooled")


# What is typed.


def typed_list(_option: str, texts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Texts, or None where there are none."""
    return texts or None


def typed_table(_option: str, text: str) -> LabelTable:
    """The label table that a text gives or names."""
    from segeval.reading.labels import parse_labels  # deferred: it knows many dialects

    return parse_labels(text)


def typed_labels(option: str, texts: Sequence[str]) -> list[str]:
    """Labels, by number or name."""
    for text in texts:
        if not text.strip():
            raise UsageError(f"{option} takes a label, found {shown(text)!r}")
    return [text.strip() for text in texts]


def typed_regions(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Labels by the name of their region: NAME=1,2,4."""
    return _once(option, (_pair(option, text) for text in texts))


def typed_relabelling(option: str, texts: Iterable[str]) -> dict[int, int]:
    """New label by old label: OLD=NEW, several or a comma list."""
    new: dict[int, int] = {}
    for entry in (part for each in texts for part in each.split(",")):
        old, to = _pair(option, entry, form="OLD=NEW")
        if not all(label.isdecimal() and int(label) <= LARGEST_LABEL for label in (old, to)):
            raise UsageError(f"{option} takes the numbers of two labels, OLD=NEW, found {shown(entry)!r}")
        if new.setdefault(int(old), int(to)) != int(to):
            raise UsageError(f"{option} gives label {old} two new numbers")
    return new


def typed_penalty(option: str, text: str) -> str | float:
    """A length, or a word for one."""
    if text in ("diagonal", "inf", "nan"):
        return text
    return _number(option, text, form="diagonal, inf, nan or a number")


def typed_spacing(option: str, text: str) -> list[float]:
    """Lengths in the array's order from those in the header's order."""
    lengths = [_number(option, part, form="numbers, X,Y or X,Y,Z") for part in text.split(",")]
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise UsageError(f"{option} takes positive numbers, found {shown(text)!r}")
    return lengths[::-1]


def typed_weights(option: str, text: str) -> dict[str, float]:
    """Weights by label: LABEL=NUMBER,..."""
    pairs = _once(option, (_pair(option, entry, form="LABEL=NUMBER,...") for entry in text.split(",")))
    return {label: _number(option, number) for label, number in pairs.items()}


def typed_tolerance(option: str, text: str) -> float | dict[str, float]:
    """A tolerance, or tolerances by label: LABEL=NUMBER,..."""
    if "=" not in text:
        return _number(option, text)
    pairs = _once(option, (_pair(option, entry) for entry in text.split(",")))
    return {label: _number(option, number) for label, number in pairs.items()}


def _pair(option: str, entry: str, *, form: str = "NAME=VALUE") -> tuple[str, str]:
    left, equals, right = entry.partition("=")
    if not (left.strip() and equals and right.strip()):
        raise UsageError(f"{option} takes {form}, found {shown(entry)!r}")
    return left.strip(), right.strip()


def _once(option: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name, each of which is given once."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if values.setdefault(name, value) != value:
            raise UsageError(f"{option} gives {shown(name)!r} twice: {shown(values[name])} and {shown(value)}")
    return values


def _number(option: str, text: str, *, form: str = "a number") -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option} takes {form}, found {shown(text)!r}") from None


# What a path in a configuration file is, from the folder of that file.


def path_from(text: str, folder: Path) -> str:
    """A path."""
    return str(folder / text)


def labels_from(text: str, folder: Path) -> str:
    """A path, or number=name pairs where no such file is there."""
    path = str(folder / text)
    inline = "=" in text and not os.path.isfile(path)  # noqa: PTH113 - a Path of any text may raise
    return text if inline else path


# What the shell is offered.


def metrics_like(word: str) -> list[str]:
    """Names of metrics that begin like the last one of a comma list."""
    from segeval.metrics import METRICS

    done, comma, last = word.rpartition(",")
    names = [*METRICS, *(alias for card in METRICS.values() for alias in card.aliases), "all"]
    return [f"{done}{comma}{name}" for name in names if name.startswith(last)]


def presets_like(word: str) -> list[str]:
    """Names of presets that begin so."""
    from segeval.scoring.presets import PRESETS

    return [name for name in PRESETS if name.startswith(word)]


# What Python gives.


def entries_of(option: str, entries: object) -> list[str]:
    """Several texts or numbers, or one alone, as texts."""
    from numbers import Integral

    several = (
        [entries] if isinstance(entries, (int, str)) else list(entries) if isinstance(entries, Iterable) else [None]
    )
    if not all(isinstance(entry, (str, Integral)) for entry in several):  # NumPy's integers are Integral
        raise UsageError(f"{option} takes texts or whole numbers, found {shown(repr(entries))}")
    return [str(entry) for entry in several]


def label_of(label: SupportsIndex) -> int:
    """A label's number."""
    try:
        return operator.index(label)
    except TypeError:
        raise UsageError(f"labels are whole numbers, found {shown(repr(label))}") from None


def only_of(entries: object) -> tuple[str, ...]:
    """The labels that are scored, by number or name."""
    return tuple(entries_of("only", entries))


def names_of(table: LabelTable) -> tuple[dict[int, str], tuple[str, ...]]:
    """Names by label, and the names of polygons that are skipped."""
    return {label_of(label): name for label, name in table.names.items()}, tuple(sorted(table.skipped))


def regions_of(regions: Mapping[str, int | str | Iterable[int | str]]) -> dict[str, str]:
    """Labels by the name of their region, as a text."""
    return {
        name: members if isinstance(members, str) else ",".join(entries_of("regions", members))
        for name, members in regions.items()
    }


def relabelling_of(new: Mapping[int, int]) -> dict[int, int]:
    """New label by old label."""
    return {label_of(old): label_of(to) for old, to in new.items()}


def tolerances_of(tolerance: float | Mapping[str, float] | Mapping[int, float]) -> tuple[float, dict[str, float]]:
    """The tolerance of all labels, and those of single ones."""
    if isinstance(tolerance, Mapping):
        return 1.0, {str(label): _tolerance(each) for label, each in tolerance.items()}
    return _tolerance(tolerance), {}


def _tolerance(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"a tolerance is a length, or label -> length, found {shown(repr(value))}") from None


def weights_of(weight: Mapping[str, float] | Mapping[int, float]) -> dict[str, float]:
    """Weights by label."""
    return {str(label): _weight(each) for label, each in weight.items()}


def _weight(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"weight takes label -> number, found {shown(repr(value))}") from None


def spacing_of(steps: Iterable[float]) -> tuple[float, ...]:
    """A length for each axis."""
    try:
        return tuple(float(step) for step in steps)
    except (TypeError, ValueError):
        raise UsageError(f"spacing takes a length for each axis, found {shown(repr(steps))}") from None


# What a plan refuses.


def check_texts(texts: Iterable[object]) -> None:
    """Labels are named by texts."""
    if not all(isinstance(text, str) for text in texts):
        raise UsageError("labels, regions and their names are texts")


def check_label(label: int | None) -> None:
    """A label is a number that a label map can hold."""
    if label is not None and not 0 <= label <= LARGEST_LABEL:
        raise UsageError(f"labels are whole numbers from 0 to 2**64 - 1, so none is {shown(repr(label))}")


def check_names(names: Mapping[int, str]) -> None:
    """Names by label."""
    check_texts(names.values())
    for label in names:
        check_label(label)


def check_relabelling(new: Mapping[int, int]) -> None:
    """New label by old label."""
    for label in (*new, *new.values()):
        check_label(label)


def check_regions(regions: Mapping[str, str]) -> None:
    """Regions have names that nothing else has."""
    from segeval.maps.labels import plain_name  # deferred: it loads NumPy

    check_texts([*regions, *regions.values()])
    for name in regions:
        if not name.strip() or plain_name(name) in RESERVED or name.lstrip("-").isdecimal():
            raise UsageError(f"a region cannot be called {shown(name)!r}", hint="take a word of its own")


def check_spacing(spacing: Sequence[float] | None) -> None:
    """Lengths are positive."""
    if spacing is not None and not all(math.isfinite(step) and step > 0 for step in spacing):
        raise UsageError(f"spacing takes positive lengths, found {spacing}")


def check_geometry_tolerance(tolerance: float) -> None:
    """A length."""
    if not is_length(tolerance):
        raise UsageError(f"a geometry tolerance is 0 or more, {found_length(tolerance)}")


def check_threshold(threshold: float) -> None:
    """A probability."""
    if not 0 <= threshold <= 1:
        raise UsageError(f"a threshold is a probability from 0 to 1, not {threshold}")
