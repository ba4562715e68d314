"""Declarations of options: one for the command line, Python, results files and the signature line.

The options of a function are the fields of a `TypedDict`, each `Annotated` with an `Option`. Type checkers read the
types from it. The Click options and their help, the Python signature and docstring, the settings in results files, the
configuration file and the signature line are made from what `declared` finds there. To add an option, add one such
field, the field of `Plan` that stores it, and the code that uses it.

Import nothing heavy here or where options are declared: ``--help`` loads all of it. Declarations are named tuples
because those load five times as fast as data classes.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from segeval.errors import ArgumentError, UsageError, shown
from segeval.scoring.json_kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

Heading = Literal["Files and labels", "Metrics", "Conventions", "Output", "Running"]

HEADINGS: tuple[Heading, ...] = get_args(Heading)  # in the order of help
DOC_WIDTH = 100
LAST = 1000  # the place of settings and statements that give none
CONVENTION = "conventions."  # how the fields of a plan begin that are fields of its conventions

Function = TypeVar("Function", bound=Callable[..., Any])


def as_it_is(value: Any) -> Any:
    """Return the value itself."""
    return value


def as_typed(_option: str, value: Any) -> Any:
    """Return the value itself, as Click has converted it."""
    return value


class Setting(NamedTuple):
    """A setting in results files, and the field of a plan that it comes from.

    Parameters
    ----------
    key
        Name in the file.
    kind
        Kind of its value in JSON.
    field
        Field of `Plan`, ``"conventions.penalty"`` for one of its conventions; of `RunSettings` for an option of a run.
    place
        Place in the file; settings without a place come last.
    when
        Whether the file of a plan contains the setting (None: always). Reading a file without it leaves the field
        unchanged.
    check
        Raises a `UsageError` for a value that the plan cannot have. Conventions check their own values.
    """

    key: str
    kind: Kind
    field: str = ""
    place: int = LAST
    when: Callable[[Any], bool] | None = None
    check: Callable[[Any], None] | None = None

    @property
    def is_convention(self) -> bool:
        """Whether the setting is one of the conventions of a plan."""
        return self.field.startswith(CONVENTION)

    def value_in(self, plan: object) -> Any:
        """Return the value of the field."""
        return operator.attrgetter(self.field)(plan)


class Statement(NamedTuple):
    """The part of the signature line that states an option.

    Parameters
    ----------
    text
        Makes the text from the settings; an empty text is left out.
    place
        Place in the line, after the conventions; statements without a place come last.
    in_footnote
        Whether the footnote of a paper and the lines below a table always have it. If False, they have it only when
        the option differs from its default.
    """

    text: Callable[[Mapping[str, Any]], str]
    place: int = LAST
    in_footnote: bool = True


class Option(NamedTuple):
    """An option of the command line and of Python.

    Parameters
    ----------
    help, doc
        Its texts in the help of the command line and in docstrings.
    heading
        Heading in help.
    commands
        Commands that have the option.
    common_in
        Commands whose ``--help`` shows it; ``--help-all`` shows every option.
    default
        Default of the Python argument, and of the command line unless it is None; False makes the option a flag.
    flags
        Names on the command line; ``--name-with-dashes`` if not given.
    metavar, type, choices, multiple, at_least, above
        Values on the command line.
    shown
        Default that help shows if `default` is None, because a preset may decide.
    complete
        Returns the completions that the shell offers for the beginning of a word; options with a `path` complete file
        names.
    configurable, path
        Whether a configuration file may set it, and, for a path, how to read it relative to the folder of that file.
    read
        Makes the Python value from the name of the option and the text typed.
    make
        Makes the value of its setting from the Python value; several values for several settings.
    settings, statement
        Its settings in results files, and its part of the signature line.
    by_preset
        Whether a preset decides its value.
    name, annotation
        Name and type of its field; `declared` sets them.
    """

    help: str
    doc: str
    heading: Heading
    commands: tuple[str, ...]
    common_in: tuple[str, ...] = ()
    default: Any = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    type: type[str | int | float] = str
    choices: tuple[str, ...] = ()
    multiple: bool = False
    at_least: int | None = None
    above: float | None = None
    shown: str | None = None
    complete: Callable[[str], Iterable[str]] | None = None
    configurable: bool = True
    path: Callable[[str, Path], str] | None = None
    read: Callable[[str, Any], Any] = as_typed
    make: Callable[[Any], Any] = as_it_is
    settings: tuple[Setting, ...] = ()
    statement: Statement | None = None
    by_preset: bool = False
    name: str = ""
    annotation: object = None

    def value_of(self, typed: Any) -> Any:
        """Return the Python value of a text from the command line."""
        return None if typed is None else self.read(self.flags[-1], typed)

    def fields_of(self, value: Any) -> dict[str, Any]:
        """Return the fields of a plan for a Python value; none if the value is None by default.

        Raises
        ------
        UsageError
            The option cannot have this value.
        """
        if not self.settings or (value is None and self.default is None):
            return {}
        self.check_choice(value)
        made = self.make(value)
        values = made if len(self.settings) > 1 else (made,)
        return {setting.field: each for setting, each in zip(self.settings, values, strict=True)}

    def is_changed(self, settings: Mapping[str, Any]) -> bool:
        """Whether results with these settings have a value other than the default."""
        return any(settings.get(setting.key, self.default) != self.default for setting in self.settings)

    def check_choice(self, value: object) -> None:
        """Refuse a value that is not one of the choices.

        Raises
        ------
        UsageError
            The value is not one of the choices.
        """
        if self.choices and value not in self.choices:
            raise UsageError(f"{self.name} must be one of {', '.join(self.choices)}, found {shown(repr(value))}")


@functools.cache
def declared(kind: type) -> dict[str, Option]:
    """Return the options that a `TypedDict` declares, by name, in their order."""
    return {name: _completed(name, annotation) for name, annotation in kind.__annotations__.items()}


def _completed(name: str, annotation: Any) -> Option:
    option: Option
    (option,) = annotation.__metadata__
    written = annotation.__origin__  # a type in quotes is a ForwardRef
    flags = option.flags or (f"--{name.replace('_', '-')}",)
    return option._replace(name=name, flags=flags, annotation=getattr(written, "__forward_arg__", written))


def settings_of(options: Mapping[str, Option]) -> list[Setting]:
    """Return the settings of options, in the order of results files."""
    return sorted((each for option in options.values() for each in option.settings), key=lambda each: each.place)


def statements_of(
    options: Mapping[str, Option], settings: Mapping[str, Any], *, in_footnote: bool = False
) -> list[str]:
    """Return the parts of the signature line, or of a footnote, that state options with these settings."""
    chosen = [
        option.statement
        for option in options.values()
        if option.statement is not None
        and (option.statement.in_footnote or not in_footnote or option.is_changed(settings))
    ]
    texts = [each.text(settings) for each in sorted(chosen, key=lambda each: each.place)]
    return [text for text in texts if text]


def taking(kind: type) -> Callable[[Function], Function]:
    """Complete the signature and the docstring of a function whose ``**options`` are the fields of a `TypedDict`.

    The options become keyword-only parameters, with their types and defaults, and a section of the docstring. The
    function is called with options that exist and have the declared types; others are an `ArgumentError`.
    """

    def complete(function: Function) -> Function:
        options = declared(kind)
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        positional = [each.name for each in own if each.kind is not each.KEYWORD_ONLY]

        @functools.wraps(function)
        def called(*arguments: Any, **given: Any) -> Any:
            from segeval.scoring.arguments import checked  # deferred: the command line's help needs none of it

            if len(arguments) > len(positional):
                most = f"{len(positional) or 'no'} positional arguments"
                names = ", ".join(f"{each.name}=..." for each in own[len(positional) :]) or "metrics=..."
                raise ArgumentError(
                    f"{function.__name__}() takes {most}, found {len(arguments)}", hint=f"name the others: {names}"
                )
            options_given = {name: value for name, value in given.items() if name not in signature.parameters}
            return function(*arguments, **(given | checked(function.__name__, options, options_given)))

        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.annotation
            )
            for name, option in options.items()
        ]
        called.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        called.__doc__ = _documented(function.__doc__ or "", options)
        return called  # type: ignore[return-value]

    return complete


def _typed(option: Option) -> str:
    """The type and the default of an option as a docstring gives them."""
    if option.choices:
        kind = f"{{{', '.join(map(repr, option.choices))}}}{' or None' if option.default is None else ''}"
    else:
        kind = _type_text(option.annotation)
    usual = f" ({option.shown})" if option.shown else ""
    return f"{kind}, default: {option.default!r}{usual}"


def _type_text(kind: Any) -> str:
    """A type as short as people write it."""
    if isinstance(kind, str):
        return kind
    if get_origin(kind) is Union:  # as Python writes a union with choices
        return " | ".join("None" if part is type(None) else _type_text(part) for part in get_args(kind))
    return inspect.formatannotation(kind).replace("collections.abc.", "").replace("typing.", "")


def _documented(doc: str, options: Mapping[str, Option]) -> str:
    """Add a section for options to a docstring, before its "Raises"."""
    import textwrap

    wrap = functools.partial(textwrap.fill, width=DOC_WIDTH, initial_indent="    ", subsequent_indent="    ")
    entries = [f"{name} : {_typed(option)}\n{wrap(option.doc)}\n" for name, option in options.items()]
    before, raises, after = inspect.cleandoc(doc).partition("Raises\n------\n")
    return f"{before}Other Parameters\n----------------\n{''.join(entries)}\n{raises}{after}"
