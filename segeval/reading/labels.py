"""Names for label numbers, from the command line or a JSON file.

Inline they read ``1=liver,2=tumour``; a file holds an object from number to name, ``{"1": "liver"}``. A number has one
name, and naming it twice is a mistake to be told of, not a choice to be made in silence. A mistake on the command line
is a usage error, one in a file an input error.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from segeval.errors import InputError, UsageError, shown

MAX_FILE_BYTES = 1 << 24

_EXPECTED_INLINE = "write it like 1=liver,2=tumour"
_EXPECTED_JSON = 'expected an object from number to name, like {"1": "liver"}'


def parse_labels(spec: str) -> dict[int, str]:
    """Read label names from text such as ``1=liver,2=tumour``, or from a JSON file.

    Parameters
    ----------
    spec
        Pairs of number and name, or the path of a JSON file that holds an object from number to name. Text with an
        equals sign is taken as a path only where such a file exists.

    Returns
    -------
    dict of int to str
        Label number -> name, in the order given.

    Raises
    ------
    UsageError
        The text is not made of numbers and names, or names a number twice.
    InputError
        The file cannot be read or does not hold label names.

    Examples
    --------
    >>> parse_labels("1=liver, 2=liver tumour")
    {1: 'liver', 2: 'liver tumour'}
    """
    if not spec.strip():
        raise UsageError("no labels given", source="--labels", hint=_EXPECTED_INLINE)
    if "=" in spec and not _is_file(spec):
        return _from_text(spec)
    return _from_file(spec)


def _is_file(spec: str) -> bool:
    try:
        return os.path.isfile(spec)  # noqa: PTH113 - a Path of arbitrary text may raise
    except ValueError:
        return False


def _from_text(spec: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for pair in spec.split(","):
        if not pair.strip():
            continue
        number, equals, name = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{shown(pair.strip())!r} is no number=name", source="--labels", hint=_EXPECTED_INLINE)
        label = _number(number)
        if label is None:
            raise UsageError(
                f"{shown(number.strip())!r} is no label number", source="--labels", hint="labels are integers from 0 up"
            )
        if label in names:
            raise UsageError(f"label {label} is named twice", source="--labels", hint="name each label once")
        names[label] = name.strip()
    if not names:
        raise UsageError("no labels given", source="--labels", hint=_EXPECTED_INLINE)
    return names


def _number(text: str) -> int | None:
    """Read a label number, at most 64 bits wide; None where the text is none."""
    text = text.strip()
    if not re.fullmatch(r"[0-9]{1,20}", text):
        return None
    number = int(text)
    return number if number < 2**64 else None


def _from_file(path: str) -> dict[int, str]:
    try:
        content = json.loads(_text_of(path), object_pairs_hook=_unique)
    except _DuplicateError as error:
        raise InputError(f"{shown(error.key)!r} appears twice", source=path, hint="name each label once") from None
    except RecursionError:
        raise InputError("nested too deeply", source=path, hint=_EXPECTED_JSON) from None
    except ValueError as error:
        raise InputError(f"not valid JSON: {error}", source=path, hint=_EXPECTED_JSON) from None
    return _checked(content, path)


def _text_of(path: str) -> str:
    """Read the text of a small file."""
    try:
        if not os.path.exists(path):  # noqa: PTH110 - a Path of arbitrary text may raise
            if path.lower().endswith(".json"):
                raise InputError("no such file", source=path)
            raise UsageError("neither number=name nor an existing file", source=path, hint=_EXPECTED_INLINE)
        if not _is_file(path):
            raise InputError("expected a JSON file, found something else", source=path)
        with open(path, "rb") as file:  # noqa: PTH123 - see above
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", source=path) from error
    except ValueError as error:
        raise UsageError(f"not a file name: {error}", source=path, hint=_EXPECTED_INLINE) from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"expected at most {MAX_FILE_BYTES >> 20} MB of label names, found more", source=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("not valid UTF-8", source=path, hint=_EXPECTED_JSON) from None


class _DuplicateError(Exception):
    """A key that appears twice in one JSON object."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateError(key)
        found[key] = value
    return found


def _checked(content: object, path: str) -> dict[int, str]:
    """Label names from decoded JSON, each number once."""
    if not isinstance(content, dict):
        raise InputError("found no object", source=path, hint=_EXPECTED_JSON)
    names: dict[int, str] = {}
    for key, name in content.items():
        label = _number(key)
        if label is None:
            swapped = isinstance(name, int) and not isinstance(name, bool)
            problem = f"{shown(key)!r} is no label number"
            raise InputError(
                problem + (", the names stand where the numbers should" if swapped else ""),
                source=path,
                hint=_EXPECTED_JSON,
            )
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"label {label} has no name but {_json_kind(name)}", source=path, hint=_EXPECTED_JSON)
        if label in names:
            raise InputError(f"label {label} appears twice", source=path, hint="name each label once")
        names[label] = name.strip()
    if not names:
        raise InputError("holds no label names", source=path, hint=_EXPECTED_JSON)
    return names


def _json_kind(value: object) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "an empty text" if isinstance(value, str) else "a number")
