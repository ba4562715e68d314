"""Kinds of settings in results files: how to check, write and read their JSON values.

A results file may be damaged or come from another program, so values are checked before use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from segeval.evidence.conventions import is_length


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """A kind of value.

    Parameters
    ----------
    holds
        Whether a value from a file is of this kind.
    dump, load
        Convert a plan's value to the file's, and back.
    schema
        The same as JSON Schema.
    """

    holds: Callable[[Any], bool]
    dump: Callable[[Any], Any] = _same
    load: Callable[[Any], Any] = _same
    schema: Mapping[str, Any] = {}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_length(abs(value))


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_label_text(value: object) -> bool:
    return isinstance(value, str) and value.isdecimal() and len(value) <= len(str(1 << 64))


def _list_of(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _mapping(keys: Callable[[Any], bool], values: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(keys, value)) and all(map(values, value.values()))


def _by_text(mapping: Mapping[int, Any]) -> dict[str, Any]:
    return {str(label): value for label, value in mapping.items()}


def _by_label(mapping: Mapping[str, Any]) -> dict[int, Any]:
    return {int(label): value for label, value in mapping.items()}


def _requests(tokens: list[str]) -> Any:
    from segeval.metrics import parse_all  # deferred: it loads NumPy

    return parse_all(tokens)


_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_LABEL = {"type": "integer", "minimum": 0}
_DIGITS = {"pattern": "^[0-9]+$"}


def _lists(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _objects(values: Mapping[str, Any], keys: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values, **({"propertyNames": keys} if keys else {})}


def or_none(kind: Kind) -> Kind:
    """Return a kind that also allows null."""
    return Kind(
        lambda value: value is None or kind.holds(value),
        lambda value: None if value is None else kind.dump(value),
        lambda value: None if value is None else kind.load(value),
        {"anyOf": [kind.schema, {"type": "null"}]},
    )


TEXT = Kind(_is_text, schema=_TEXT)
TEXT_OR_NONE = or_none(TEXT)
SWITCH = Kind(lambda value: isinstance(value, bool), schema={"type": "boolean"})
NUMBER = Kind(_is_number, schema=_NUMBER)
LENGTH = Kind(_is_number, float, schema=_NUMBER)
PENALTY = Kind(
    lambda value: _is_text(value) or _is_number(value),
    lambda value: value if isinstance(value, str) else float(value),
    schema={"type": ["string", "number"]},
)
LABEL_OR_NONE = or_none(Kind(_is_label, schema=_LABEL))
TEXTS = Kind(_list_of(_is_text), list, tuple, _lists(_TEXT))
NUMBERS_OR_NONE = or_none(Kind(_list_of(_is_number), list, tuple, _lists(_NUMBER)))
METRICS = Kind(_list_of(_is_text), lambda requests: [request.token for request in requests], _requests, _lists(_TEXT))
NAMES_OF_LABELS = Kind(_mapping(_is_label_text, _is_text), _by_text, _by_label, _objects(_TEXT, _DIGITS))
NEW_LABELS = Kind(_mapping(_is_label_text, _is_label), _by_text, _by_label, _objects(_LABEL, _DIGITS))
TEXTS_BY_NAME = Kind(_mapping(_is_text, _is_text), dict, dict, _objects(_TEXT))
NUMBERS_BY_NAME = Kind(_mapping(_is_text, _is_number), dict, dict, _objects(_NUMBER))
WEIGHTS = Kind(
    _mapping(_is_text, lambda value: _is_number(value) and value >= 0),
    dict,
    dict,
    _objects({"type": "number", "minimum": 0}),
)
