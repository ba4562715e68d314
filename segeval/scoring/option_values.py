"""Values of options: read from text, converted from Python, and checked.

Text comes from the command line or a configuration file; messages name the option as it is written there.
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
RESERVED = ("all", "mean", "macro", "pooled", "macro_pooled")


# Text from the command line or a configuration file.


def typed_list(_option: str, texts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the texts, or None if there are none."""
    return texts or None


def typed_table(_option: str, text: str) -> LabelTable:
    """Read the label table in a text or in the file it names."""
    from segeval.reading.labels import parse_labels  # deferred: it knows many dialects

    return parse_labels(text)


def typed_labels(option: str, texts: Sequence[str]) -> list[str]:
    """Read labels, by number or name."""
    for text in texts:
        if not text.strip():
            raise UsageError(f"{option} needs a label, found {shown(text)!r}")
    return [text.strip() for text in texts]


def typed_regions(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Read regions: NAME=1,2,4."""
    return _once(option, (_pair(option, text) for text in texts))


def typed_relabelling(option: str, texts: Iterable[str]) -> dict[int, int]:
    """Read new label numbers: OLD=NEW, several or a comma list."""
    new: dict[int, int] = {}
    for entry in (part for each in texts for part in each.split(",")):
        old, to = _pair(option, entry, form="OLD=NEW")
        if not all(label.isdecimal() and int(label) <= LARGEST_LABEL for label in (old, to)):
            raise UsageError(f"{option} needs two label numbers, OLD=NEW, found {shown(entry)!r}")
        if new.setdefault(int(old), int(to)) != int(to):
            raise UsageError(f"{option} gives label {old} two new numbers")
    return new


def typed_penalty(option: str, text: str) -> str | float:
    """Read a penalty: a number or a word."""
    if text in ("diagonal", "inf", "nan"):
        return text
    return _number(option, text, form="diagonal, inf, nan or a number")


def typed_spacing(option: str, text: str) -> list[float]:
    """Read spacing in the header's order of axes; return it in the array's order."""
    lengths = [_number(option, part, form="numbers, X,Y or X,Y,Z") for part in text.split(",")]
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise UsageError(f"{option} needs positive numbers, found {shown(text)!r}")
    return lengths[::-1]


def typed_weights(option: str, text: str) -> dict[str, float]:
    """Read weights by label: LABEL=NUMBER,..."""
    pairs = _once(option, (_pair(option, entry, form="LABEL=NUMBER,...") for entry in text.split(",")))
    return {label: _number(option, number) for label, number in pairs.items()}


def typed_tolerance(option: str, text: str) -> float | dict[str, float]:
    """Read a tolerance, or tolerances by label: LABEL=NUMBER,..."""
    if "=" not in text:
        return _number(option, text)
    pairs = _once(option, (_pair(option, entry) for entry in text.split(",")))
    return {label: _number(option, number) for label, number in pairs.items()}


def _pair(option: str, entry: str, *, form: str = "NAME=VALUE") -> tuple[str, str]:
    left, equals, right = entry.partition("=")
    if not (left.strip() and equals and right.strip()):
        raise UsageError(f"{option} needs {form}, found {shown(entry)!r}")
    return left.strip(), right.strip()


def _once(option: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return values by name, each given once."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if values.setdefault(name, value) != value:
            raise UsageError(f"{option} gives {shown(name)!r} twice: {shown(values[name])} and {shown(value)}")
    return values


def _number(option: str, text: str, *, form: str = "a number") -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option} needs {form}, found {shown(text)!r}") from None


# Paths in a configuration file, relative to its folder.


def path_from(text: str, folder: Path) -> str:
    """Return a path relative to the folder."""
    return str(folder / text)


def labels_from(text: str, folder: Path) -> str:
    """Return a path relative to the folder, or the text itself if it is number=name pairs and no such file exists."""
    path = str(folder / text)
    inline = "=" in text and not os.path.isfile(path)  # noqa: PTH113 - a Path of any text may raise
    return text if inline else path


# Completion.


def metrics_like(word: str) -> list[str]:
    """Return names of metrics that complete the last one of a comma list."""
    from segeval.metrics import METRICS

    done, comma, last = word.rpartition(",")
    names = [*METRICS, *(alias for card in METRICS.values() for alias in card.aliases), "all"]
    return [f"{done}{comma}{name}" for name in names if name.startswith(last)]


def presets_like(word: str) -> list[str]:
    """Return names of presets that complete a word."""
    from segeval.scoring.presets import PRESETS

    return [name for name in PRESETS if name.startswith(word)]


# Values from Python.


def entries_of(option: str, entries: object) -> list[str]:
    """Convert strings or whole numbers, or a single one, to strings."""
    from numbers import Integral

    several = (
        [entries] if isinstance(entries, (int, str)) else list(entries) if isinstance(entries, Iterable) else [None]
    )
    if not all(isinstance(entry, (str, Integral)) for entry in several):  # NumPy's integers are Integral
        raise UsageError(f"{option} must be strings or whole numbers, found {shown(repr(entries))}")
    return [str(entry) for entry in several]


def label_of(label: SupportsIndex) -> int:
    """Convert the number of a label."""
    try:
        return operator.index(label)
    except TypeError:
        raise UsageError(f"labels must be whole numbers, found {shown(repr(label))}") from None


def only_of(entries: object) -> tuple[str, ...]:
    """Convert the labels to score, by number or name."""
    return tuple(entries_of("only", entries))


def names_of(table: LabelTable) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return the names by label, and the names of polygons to skip."""
    return {label_of(label): name for label, name in table.names.items()}, tuple(sorted(table.skipped))


def regions_of(regions: Mapping[str, int | str | Iterable[int | str]]) -> dict[str, str]:
    """Convert the labels of each region to a string."""
    return {
        name: members if isinstance(members, str) else ",".join(entries_of("regions", members))
        for name, members in regions.items()
    }


def relabelling_of(new: Mapping[int, int]) -> dict[int, int]:
    """Convert new label numbers by old ones."""
    return {label_of(old): label_of(to) for old, to in new.items()}


def tolerances_of(tolerance: float | Mapping[str, float] | Mapping[int, float]) -> tuple[float, dict[str, float]]:
    """Return the tolerance of all labels, and the tolerances by label."""
    if isinstance(tolerance, Mapping):
        return 1.0, {str(label): _tolerance(each) for label, each in tolerance.items()}
    return _tolerance(tolerance), {}


def _tolerance(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"tolerance must be a number, or a number for each label, found {shown(repr(value))}"
        ) from None


def weights_of(weight: Mapping[str, float] | Mapping[int, float]) -> dict[str, float]:
    """Convert weights by label."""
    return {str(label): _weight(each) for label, each in weight.items()}


def _weight(value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"weight must be a number for each label, found {shown(repr(value))}") from None


def spacing_of(steps: Iterable[float]) -> tuple[float, ...]:
    """Convert a spacing, with a number for each axis."""
    try:
        return tuple(float(step) for step in steps)
    except (TypeError, ValueError):
        raise UsageError(f"spacing must be a number for each axis, found {shown(repr(steps))}") from None


# Checks.


def check_texts(texts: Iterable[object]) -> None:
    """Refuse names that are not strings."""
    if not all(isinstance(text, str) for text in texts):
        raise UsageError("label and region names must be strings")


def check_label(label: int | None) -> None:
    """Refuse a number that cannot be a label."""
    if label is not None and not 0 <= label <= LARGEST_LABEL:
        raise UsageError(f"labels must be whole numbers from 0 to 2**64 - 1, not {shown(repr(label))}")


def check_names(names: Mapping[int, str]) -> None:
    """Check names by label."""
    check_texts(names.values())
    for label in names:
        check_label(label)


def check_relabelling(new: Mapping[int, int]) -> None:
    """Check new label numbers by old ones."""
    for label in (*new, *new.values()):
        check_label(label)


def check_regions(regions: Mapping[str, str]) -> None:
    """Refuse names of regions that mean something else."""
    from segeval.maps.labels import plain_name  # deferred: it loads NumPy

    check_texts([*regions, *regions.values()])
    for name in regions:
        if not name.strip() or plain_name(name) in RESERVED or name.lstrip("-").isdecimal():
            raise UsageError(f"a region cannot be named {shown(name)!r}", hint="choose another name")


def check_spacing(spacing: Sequence[float] | None) -> None:
    """Refuse a spacing that is not positive."""
    if spacing is not None and not all(math.isfinite(step) and step > 0 for step in spacing):
        raise UsageError(f"spacing must be positive, found {spacing}")


def check_geometry_tolerance(tolerance: float) -> None:
    """Refuse a negative tolerance."""
    if not is_length(tolerance):
        raise UsageError(f"geometry_tolerance must be 0 or more, {found_length(tolerance)}")


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is not a probability."""
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must be between 0 and 1, not {threshold}")
