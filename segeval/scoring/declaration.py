"""How an option is declared: once, with all that the command line, Python, files and signatures need to know of it.

The options of a front door are the fields of a `TypedDict`, each `Annotated` with an `Option`. Type checkers read the
types from it; the Click options, the Python signature and docstring, the settings in results files, the configuration
file and the signature line are made from what `declared` finds there. To add an option is to add one such field, the
field of `Plan` that holds it, and the code that acts on it.

Nothing heavy is imported here, nor where options are declared: ``--help`` reads all of it. For the same reason they are
named tuples, which are made in a fifth of the time of data classes.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from segeval.errors import ArgumentError, UsageError, shown
from segeval.scoring.json_kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

DOC_WIDTH = 100
LAST = 1000  # the place of what has no place of its own
CONVENTION = "conventions."  # the fields of a plan that are those of its conventions

Function = TypeVar("Function", bound=Callable[..., Any])


def as_it_is(value: Any) -> Any:
    """The value itself."""
    return value


def as_typed(_option: str, value: Any) -> Any:
    """The value itself, as Click has converted it."""
    return value


class Setting(NamedTuple):
    """A value in the settings of a results file, and the field of a plan that it is.

    Parameters
    ----------
    key
        Its name in the file.
    kind
        How it stands in JSON.
    field
        The field of `Plan`, ``"conventions.penalty"`` for one of its conventions; for an option of a run, that of
        `RunSettings`.
    place
        Its place in the file; those without one come last.
    when
        Whether a plan has it in its file; without it reading the file leaves the field as it is. None: always.
    check
        Refuses a value that the plan cannot hold, by a `UsageError`. Conventions check their own values.
    """

    key: str
    kind: Kind
    field: str = ""
    place: int = LAST
    when: Callable[[Any], bool] | None = None
    check: Callable[[Any], None] | None = None

    @property
    def is_convention(self) -> bool:
        """Whether it is one of the conventions of a plan."""
        return self.field.startswith(CONVENTION)

    def value_in(self, plan: object) -> Any:
        """The value of the field."""
        return operator.attrgetter(self.field)(plan)


class Statement(NamedTuple):
    """What the signature line says of an option.

    Parameters
    ----------
    text
        From the settings to a text; an empty one is left out.
    place
        Its place in the line, after what the conventions say; those without one come last.
    in_footnote
        Whether it is in the footnote of a paper, and below a table, too; if not, only where the option does not have
        its default value.
    """

    text: Callable[[Mapping[str, Any]], str]
    place: int = LAST
    in_footnote: bool = True


class Option(NamedTuple):
    """An option: how it is spelled, what it takes, and what becomes of it.

    Parameters
    ----------
    help, doc
        What the command line's help says of it, and what docstrings say.
    commands
        The commands that take it.
    default
        Of the Python argument, and of the command line where it is not None; False makes it a switch.
    flags
        How it is spelled on the command line; ``--name-with-dashes`` if not given.
    metavar, type, choices, multiple, at_least, above
        What it takes on the command line.
    shown
        The default that the help shows where there is none, because a preset may decide.
    complete
        What the shell is offered for the beginning of a word; files where `path` is given.
    configurable, path
        Whether it may stand in a configuration file, and, for a path, what it is relative to the folder of that file.
    read
        From how it is spelled and what was typed to what Python takes.
    make
        From what Python takes to what the fields of its settings hold; several values for several settings.
    settings, statement
        What results files keep of it, and what the signature line says.
    by_preset
        Whether a preset decides on it.
    name, annotation
        Of its field; `declared` fills them in.
    """

    help: str
    doc: str
    commands: tuple[str, ...]
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
        """What Python takes for what was typed on the command line."""
        return None if typed is None else self.read(self.flags[-1], typed)

    def fields_of(self, value: Any) -> dict[str, Any]:
        """The fields of a plan for what Python was given; a None by default leaves them as they are.

        Raises
        ------
        UsageError
            It cannot be that.
        """
        if not self.settings or (value is None and self.default is None):
            return {}
        self.check_choice(value)
        made = self.make(value)
        values = made if len(self.settings) > 1 else (made,)
        return {setting.field: each for setting, each in zip(self.settings, values, strict=True)}

    def is_changed(self, settings: Mapping[str, Any]) -> bool:
        """Whether results with these settings have another value than the default."""
        return any(settings.get(setting.key, self.default) != self.default for setting in self.settings)

    def check_choice(self, value: object) -> None:
        """Refuse what is none of the choices.

        Raises
        ------
        UsageError
            It is another value.
        """
        if self.choices and value not in self.choices:
            raise UsageError(f"{self.name} must be one of {', '.join(self.choices)}, found {shown(repr(value))}")


@functools.cache
def declared(kind: type) -> dict[str, Option]:
    """The options that a `TypedDict` declares, in its order, by name."""
    return {name: _completed(name, annotation) for name, annotation in kind.__annotations__.items()}


def _completed(name: str, annotation: Any) -> Option:
    option: Option
    (option,) = annotation.__metadata__
    written = annotation.__origin__  # a text in quotes has become a ForwardRef
    flags = option.flags or (f"--{name.replace('_', '-')}",)
    return option._replace(name=name, flags=flags, annotation=getattr(written, "__forward_arg__", written))


def settings_of(options: Mapping[str, Option]) -> list[Setting]:
    """What results files keep of options, in the order of the files."""
    return sorted((each for option in options.values() for each in option.settings), key=lambda each: each.place)


def statements_of(
    options: Mapping[str, Option], settings: Mapping[str, Any], *, in_footnote: bool = False
) -> list[str]:
    """What the signature line, or a footnote, says of options with these settings."""
    chosen = [
        option.statement
        for option in options.values()
        if option.statement is not None
        and (option.statement.in_footnote or not in_footnote or option.is_changed(settings))
    ]
    texts = [each.text(settings) for each in sorted(chosen, key=lambda each: each.place)]
    return [text for text in texts if text]


def taking(kind: type) -> Callable[[Function], Function]:
    """Complete the signature and the docstring of a function whose ``**options`` are those of a `TypedDict`.

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
    """A docstring with a section for options, before what is raised."""
    import textwrap

    wrap = functools.partial(textwrap.fill, width=DOC_WIDTH, initial_indent="    ", subsequent_indent="    ")
    entries = [f"{name} : {_typed(option)}\n{wrap(option.doc)}\n" for name, option in options.items()]
    before, raises, after = inspect.cleandoc(doc).partition("Raises\n------\n")
    return f"{before}Other Parameters\n----------------\n{''.join(entries)}\n{raises}{after}"
