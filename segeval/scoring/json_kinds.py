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
    """

    holds: Callable[[Any], bool]
    dump: Callable[[Any], Any] = _same
    load: Callable[[Any], Any] = _same


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


def or_none(kind: Kind) -> Kind:
    """Return a kind that also allows null."""
    return Kind(
        lambda value: value is None or kind.holds(value),
        lambda value: None if value is None else kind.dump(value),
        lambda value: None if value is None else kind.load(value),
    )


TEXT = Kind(_is_text)
TEXT_OR_NONE = or_none(TEXT)
SWITCH = Kind(lambda value: isinstance(value, bool))
NUMBER = Kind(_is_number)
LENGTH = Kind(_is_number, float)
PENALTY = Kind(
    lambda value: _is_text(value) or _is_number(value), lambda value: value if isinstance(value, str) else float(value)
)
LABEL_OR_NONE = or_none(Kind(_is_label))
TEXTS = Kind(_list_of(_is_text), list, tuple)
NUMBERS_OR_NONE = or_none(Kind(_list_of(_is_number), list, tuple))
METRICS = Kind(_list_of(_is_text), lambda requests: [request.token for request in requests], _requests)
NAMES_OF_LABELS = Kind(_mapping(_is_label_text, _is_text), _by_text, _by_label)
NEW_LABELS = Kind(_mapping(_is_label_text, _is_label), _by_text, _by_label)
TEXTS_BY_NAME = Kind(_mapping(_is_text, _is_text), dict, dict)
NUMBERS_BY_NAME = Kind(_mapping(_is_text, _is_number), dict, dict)
WEIGHTS = Kind(_mapping(_is_text, lambda value: _is_number(value) and value >= 0), dict, dict)
