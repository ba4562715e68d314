"""Check what Python passes: that options exist, and that their values have the declared types.

The types are those of the declaration, so that a new option is checked too. Values are converted to plain types on the
way: a NumPy number to a number, an iterator to a tuple. Whether a value of the right type makes sense is checked where
it is used; `naming_arguments` adds the name of the argument to such an error.
"""

from __future__ import annotations

import functools
import operator
import os
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from segeval.errors import ArgumentError, SegevalError, shown
from segeval.text import enumerated

if TYPE_CHECKING:
    from segeval.scoring.declaration import Option

Function = TypeVar("Function", bound=Callable[..., Any])

_MOST_CHARACTERS = 60  # of a value that a message repeats
_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "True or False", os.PathLike: "a path"}
_PLURALS = {str: "strings", int: "whole numbers", float: "numbers"}


class _MismatchError(Exception):
    """The value is not of the type."""


def checked(function: str, options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a call.

    Parameters
    ----------
    function
        Name of the function, for messages.
    options
        The options that it takes, by name.
    given
        Values by name.

    Returns
    -------
    dict
        The same values, as plain types.

    Raises
    ------
    ArgumentError
        An option does not exist, or its value has the wrong type.
    """
    return {name: _value_of(_found(function, options, name), value) for name, value in given.items()}


def _found(function: str, options: Mapping[str, Option], name: str) -> Option:
    if name in options:
        return options[name]
    import difflib  # deferred: names are usually right

    near = difflib.get_close_matches(name.casefold(), options, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"help(segeval.{function}) lists the options"
    raise ArgumentError(f"{function}() has no option {shown(name)!r}", hint=hint)


def _value_of(option: Option, value: Any) -> Any:
    if value is None and option.default is None:
        return None
    kind = _kind_of(option)
    try:
        fitted = _fitted(value, kind)
    except _MismatchError:
        example = None if option.choices else re.search(r"``(.+?)``", option.doc)
        hint = f"for example {option.name}={example[1]}" if example else None
        problem = f"{option.name} must be {expected(kind)}, found {described(value)}"
        raise ArgumentError(problem, hint=hint) from None
    if fitted is not None and option.at_least is not None and not fitted >= option.at_least:
        raise ArgumentError(f"{option.name} must be at least {option.at_least}, found {fitted}")
    if fitted is not None and option.above is not None and not fitted > option.above:
        raise ArgumentError(f"{option.name} must be greater than {option.above:g}, found {fitted}")
    return fitted


def _kind_of(option: Option) -> Any:
    """Return the type of an option's values, where choices are fewer than its annotation allows."""
    if option.choices:
        literal: Any = Literal
        choices = literal[option.choices]  # they are known at run time only
        return choices if option.default is not None else choices | None
    if not isinstance(option.annotation, str):
        return option.annotation
    from segeval.reading.tables import LabelTable  # deferred: the help needs none of it

    names = {"os": os, "Iterable": Iterable, "Mapping": Mapping, "LabelTable": LabelTable}
    holder: Any = types.SimpleNamespace(__annotations__={option.name: option.annotation})
    return get_type_hints(holder, globalns=names)[option.name]


def _fitted(value: Any, kind: Any) -> Any:
    """Return a value as a plain value of a type."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in _CONVERSIONS:
        return _CONVERSIONS[origin](value, parts)
    if not isinstance(value, origin):
        raise _MismatchError
    return value


def _one_of_several(value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        try:
            return _fitted(value, kind)
        except _MismatchError:
            continue
    raise _MismatchError


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise _MismatchError
    return value


def _list(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, str | bytes | bytearray | Mapping):
        raise _MismatchError
    try:
        values = iter(value)
    except TypeError:
        raise _MismatchError from None
    return tuple(_fitted(each, kinds[0]) for each in values)


def _dict(value: Any, kinds: tuple[Any, ...]) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _MismatchError
    return {_fitted(key, kinds[0]): _fitted(each, kinds[1]) for key, each in value.items()}


def _whole_number(value: Any, _: tuple[Any, ...]) -> int:
    if _is_switch(value):
        raise _MismatchError
    try:
        return operator.index(value)
    except TypeError:
        raise _MismatchError from None


def _number(value: Any, _: tuple[Any, ...]) -> float:
    if type(value) in (int, float):
        plain: float = value
        return plain
    if _is_switch(value) or isinstance(value, str | bytes | bytearray) or getattr(value, "ndim", 0) != 0:
        raise _MismatchError
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _MismatchError from None


def _switch(value: Any, _: tuple[Any, ...]) -> bool:
    if not _is_switch(value):
        raise _MismatchError
    return bool(value)


def _is_switch(value: Any) -> bool:
    """Whether a value is True or False, of Python or of NumPy."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


_CONVERSIONS: Mapping[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    Union: _one_of_several,
    types.UnionType: _one_of_several,
    Literal: _choice,
    Iterable: _list,
    Mapping: _dict,
    int: _whole_number,
    float: _number,
    bool: _switch,
}


def expected(kind: Any) -> str:
    """Describe a type in words.

    Examples
    --------
    >>> expected(str | Iterable[str] | None)
    'a string, a list of strings or None'
    >>> expected(Mapping[str, str | Iterable[int]] | None)
    'a dict from strings to strings or lists, or None'
    >>> expected(Literal["ids", "names"])
    "'ids' or 'names'"
    """
    *others, last = _alternatives(kind)
    if not others:
        return last
    comma = "," if any(" or " in text for text in others) else ""
    return f"{', '.join(others)}{comma} or {last}"


def _alternatives(kind: Any) -> list[str]:
    """Describe each of the types that a type allows, or each of its choices."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        return [text for part in parts for text in _alternatives(part)]
    if origin is Literal:
        return list(map(repr, parts))
    if origin is Iterable:
        return [f"a list of {_plural(parts[0])}"]
    if origin is Mapping:
        return [f"a dict from {_plural(parts[0])} to {_plural(parts[1])}"]
    if origin is type(None):
        return ["None"]
    return [_NAMES.get(origin, f"a {origin.__name__}")]


def _plural(kind: Any) -> str:
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        return enumerated(parts, _plural, last=" or ")
    if origin is Iterable:
        return "lists"
    return _PLURALS.get(origin, expected(kind))


def described(value: object) -> str:
    """Describe a value that is not what it should be, on one line.

    Examples
    --------
    >>> described("x=1"), described(None), described([1, "a"]), described({2})
    ("'x=1'", 'None', "[1, 'a']", '{2}')
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and isinstance(shape, tuple) and shape:
        return f"an array of {shown(dtype)} with shape {shape}"
    try:
        text = shown(repr(value))
    except Exception:  # noqa: BLE001 - an object of somebody else may fail in any way
        text = "<"
    if text.startswith("<"):
        return f"an object of the type {type(value).__name__}"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def naming_arguments(function: Function) -> Function:
    """Make errors of a function name the argument that they are about, which the command line's messages need not do.

    Examples
    --------
    >>> import segeval
    >>> segeval.score(prediction=[[1]], reference=[[1]], ignore_label=-1)
    Traceback (most recent call last):
    segeval.errors.UsageError: ignore_label: labels must be whole numbers from 0 to 2**64 - 1, not -1
    """

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except SegevalError as error:
            name = error.argument
            if name is None or re.search(rf"\b{name}\b", str(error)):
                raise
            problem = error.problem if error.source is None else f"{shown(error.source)}: {error.problem}"
            raise type(error)(problem, source=name, hint=error.hint) from None

    return called  # type: ignore[return-value]
