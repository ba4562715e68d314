"""Read label tables in JSON: the dataset.json of nnU-Net or the Medical Segmentation Decathlon, and plain objects.

nnU-Net v2 maps names to numbers, ``{"labels": {"background": 0, "whole tumour": [1, 2], "ignore": 3}}``: a list is a
region, and the voxels of `ignore` are not scored. nnU-Net v1 and the Medical Segmentation Decathlon map numbers to
names, ``{"labels": {"0": "background"}}``. An object without `labels` has only names, in either direction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segeval.errors import InputError
from segeval.reading.tables import (
    NAME_ONCE,
    NUMBER_HINT,
    LabelTable,
    NameRows,
    check_text,
    label_number,
    quoted,
    table_number,
)

NNUNET_2 = "nnU-Net v2 dataset.json"
NNUNET_1 = "nnU-Net v1 or Medical Segmentation Decathlon dataset.json"
NUMBER_TO_NAME = "JSON object number -> name"
NAME_TO_NUMBER = "JSON object name -> number"

EXPECTED = 'write {"1": "liver"} or {"liver": 1}, alone or as "labels" of a dataset.json'


@dataclass(frozen=True, slots=True)
class _Contradiction:
    """Replaces an object that has a key twice, with different values."""

    key: str
    values: tuple[Any, Any]


def read_objects(text: str, *, source: str) -> LabelTable:
    """Read a label table from JSON.

    Parameters
    ----------
    text
        Text of the file.
    source
        Path of the file, for messages.

    Raises
    ------
    InputError
        The text is not JSON, or not a label table.

    Examples
    --------
    >>> read_objects('{"labels": {"background": 0, "liver": 1, "ignore": 2}}', source="dataset.json").ignore_label
    2
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise InputError("the JSON is nested too deeply", source=source, hint=EXPECTED) from None
    except json.JSONDecodeError as error:
        raise InputError(f"the file is not valid JSON: {error}", source=source, hint=EXPECTED) from None
    except ValueError:
        raise InputError("a number in the JSON has thousands of digits", source=source, hint=EXPECTED) from None
    if isinstance(content, dict) and not isinstance(content.get("labels", 0), (str, int)):
        labels = _checked(content["labels"], source, title="labels: ")
        dataset = True
    else:
        labels, dataset = _checked(content, source), False
    if _maps_names(labels):
        return _from_names(labels, source, dataset=dataset)
    return _from_numbers(labels, source, dataset=dataset)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Contradiction:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            return _Contradiction(key, (found[key], value))
    return found


def _checked(content: object, source: str, *, title: str = "") -> dict[str, Any]:
    """Return an object of label names, after checking that no key occurs twice."""
    if isinstance(content, _Contradiction):
        one, other = (quoted(value) if isinstance(value, str) else _kind(value) for value in content.values)
        problem = f"{title}{quoted(content.key)} occurs twice, with {one} and with {other}"
        raise InputError(problem, source=source, hint=NAME_ONCE)
    if not isinstance(content, dict):
        raise InputError(f"{title}expected a JSON object, found {_kind(content)}", source=source, hint=EXPECTED)
    if not content:
        raise InputError(f"{title}expected label names, found an empty object", source=source, hint=EXPECTED)
    return content


def _maps_names(labels: Mapping[str, Any]) -> bool:
    """Return whether an object maps names to numbers."""
    if all(table_number(key) is not None for key in labels):
        return False
    numbers = [isinstance(value, (int, list)) and not isinstance(value, bool) for value in labels.values()]
    return any(numbers) or all(isinstance(value, str) and table_number(value) is not None for value in labels.values())


def _from_numbers(labels: Mapping[str, Any], source: str, *, dataset: bool) -> LabelTable:
    rows = NameRows(source)
    for key, name in labels.items():
        label = table_number(key)
        if label is None:
            raise InputError(f"{quoted(key)} is not a label number", source=source, hint=EXPECTED)
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"expected a name for label {label}, found {_kind(name)}", source=source, hint=EXPECTED)
        rows.add(label, name)
    return rows.table(NNUNET_1 if dataset else NUMBER_TO_NAME, expected=EXPECTED)


def _from_names(labels: Mapping[str, Any], source: str, *, dataset: bool) -> LabelTable:
    rows = NameRows(source)
    unions: dict[str, tuple[int, ...]] = {}
    ignored: int | None = None
    for key, value in labels.items():
        name = key.strip()
        if not name:
            raise InputError("the name of a label is empty", source=source, hint=EXPECTED)
        check_text(name, source=source)
        if dataset and name == "ignore":
            ignored = _number(name, value, source)
        elif isinstance(value, list):
            unions[name] = _members(name, value, source, dataset=dataset)
        else:
            rows.add(_number(name, value, source, signed=True), name)
    regions = _regions(unions, rows, ignored)
    if not rows.names and not regions:
        for name, number in rows.skipped.items():
            _number(name, number, source)
        raise InputError("the file has no label names", source=source, hint=EXPECTED)
    if ignored is not None:
        rows.names.setdefault(ignored, "ignore")  # polygons have names but no numbers
    return LabelTable(
        names=rows.names,
        regions=regions,
        ignore_label=ignored,
        skipped=frozenset(rows.skipped),
        dialect=NNUNET_2 if dataset else NAME_TO_NUMBER,
        source=source,
    )


def _regions(unions: Mapping[str, tuple[int, ...]], rows: NameRows, ignored: int | None) -> dict[str, tuple[int, ...]]:
    """Return the lists that are regions; a list of one label is its name, unless the label already has a name."""
    regions: dict[str, tuple[int, ...]] = {}
    for name, members in unions.items():
        if len(members) == 1 and members[0] not in rows.names:  # nnU-Net: "enhancing tumour": 3, or [3]
            rows.add(members[0], name)
        elif 0 in members or ignored in members:
            problem = f"the region {quoted(name)} contains the background or the ignored label"
            raise InputError(problem, source=rows.source, hint="remove that label from the region")
        else:
            regions[name] = members
    return regions


def _number(name: str, value: object, source: str, *, signed: bool = False) -> int:
    """Return the label number of a name; numbers below 0 are accepted only if `signed`."""
    number = None
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        read = table_number if signed else label_number
        number = read(value if isinstance(value, str) else str(value))
    if number is None:
        plain = isinstance(value, (int, float, str)) and not isinstance(value, bool)
        found = quoted(str(value)) if plain and value != "" else _kind(value)
        problem = f"expected a label number for {quoted(name)}, found {found}"
        raise InputError(problem, source=source, hint=NUMBER_HINT)
    return number


def _members(name: str, values: list[object], source: str, *, dataset: bool) -> tuple[int, ...]:
    if not dataset:
        raise InputError(
            f"{quoted(name)} has several labels, but regions are only read from a dataset.json",
            source=source,
            hint='put all names into {"labels": {...}}, or use --region',
        )
    if not values:
        raise InputError(f"the region {quoted(name)} has no labels", source=source, hint='write "tumour": [1, 2]')
    if label_number(name) is not None:
        problem = f"the name of the region {quoted(name)} is a number"
        raise InputError(problem, source=source, hint="give it a name that is not a number")
    return tuple(dict.fromkeys(_number(name, value, source) for value in values))


def _kind(value: object) -> str:
    kinds: dict[type, str] = {bool: "true or false", list: "a list", type(None): "null", int: "a number"}
    if isinstance(value, (dict, _Contradiction)):
        return "an object"
    if isinstance(value, str):
        return "a string" if value.strip() else "an empty string"
    return kinds.get(type(value), "a number")
