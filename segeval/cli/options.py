"""The options that several commands share: the declared ones as Click takes them, and those of the CLI alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from segeval.cli.streams import data_stream, remark
from segeval.errors import UsageError
from segeval.scoring.declaration import Option as Declaration
from segeval.scoring.declaration import declared
from segeval.scoring.option_values import labels_from, metrics_like
from segeval.scoring.options import OPTIONS
from segeval.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from segeval.reading.tables import LabelTable
    from segeval.scoring.plan import Plan

Command = Callable[..., Any]


class Option(click.Option):
    """An option that says what a configuration file may do with it.

    Parameters
    ----------
    configurable
        Whether it may stand there; what is said anew for each run may not.
    path
        For a path: what it is relative to the folder of that file.
    """

    def __init__(
        self,
        *declarations: Any,
        configurable: bool = True,
        path: Callable[[str, Path], str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*declarations, **attributes)
        self.configurable = configurable
        self.path = path


class FormatsCommand(click.Command):
    """A command in whose help ``{formats}`` stands for the formats of label maps, by the table of readers."""

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, with the formats."""
        from segeval.reading.formats import titles  # deferred: other commands' help need not wait for it

        self.help = (self.help or "").replace("{formats}", titles("labels"))
        super().format_help_text(context, formatter)


def option(*declarations: str, **attributes: Any) -> Callable[[Command], Command]:
    """An `Option`, as a decorator."""
    return click.option(*declarations, cls=Option, **attributes)


def _offered(names_like: Callable[[str], Iterable[str]]) -> Callable[..., list[str]]:
    """What Click takes for a completion."""
    return lambda _context, _parameter, incomplete: list(names_like(incomplete))


complete_metric = _offered(metrics_like)


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete file names."""
    return [CompletionItem(incomplete, type="file")]


def _printing(text_of: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """What an option does that prints a text in place of running the command."""

    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            with data_stream() as stream:
                stream.write(f"{text_of(context)}\n")
            context.exit()

    return show


help_option = click.help_option("-h", "--help", help="Show this text.", callback=_printing(click.Context.get_help))
version_option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Show the version.",
    callback=_printing(lambda _context: f"segeval {__version__}"),
)


labels_option = option(
    "--labels",
    metavar="SPEC",
    shell_complete=complete_file,
    path=labels_from,
    help="Label names, which give polygons their label numbers: 1=liver,2=tumour or a file; see `segeval score`.",
)


def decorated(command: Command, decorators: list[Callable[[Command], Command]]) -> Command:
    """The command with several options, in that order in its help."""
    return functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), command)


def declared_options(command: str, kind: type) -> Callable[[Command], Command]:
    """Those options of a `TypedDict` that a command takes; see `segeval.scoring.declaration`."""
    taken = [_clicked(each) for each in declared(kind).values() if command in each.commands]
    return lambda function: decorated(function, taken)


def _clicked(declaration: Declaration) -> Callable[[Command], Command]:
    """A declared option, as Click takes it."""
    attributes: dict[str, Any] = {}
    if declaration.default is False:
        attributes["is_flag"] = True
    elif declaration.default is not None and not declaration.multiple:
        is_text = declaration.type is str and isinstance(declaration.default, float)
        attributes |= {"default": f"{declaration.default:g}" if is_text else declaration.default, "show_default": True}
    if declaration.shown is not None:
        attributes["show_default"] = declaration.shown
    if declaration.path is not None:
        attributes["shell_complete"] = complete_file
    elif declaration.complete is not None:
        attributes["shell_complete"] = _offered(declaration.complete)
    return option(
        *declaration.flags,
        declaration.name,
        metavar=declaration.metavar,
        type=None if declaration.default is False else _type_of(declaration),
        multiple=declaration.multiple,
        help=declaration.help,
        configurable=declaration.configurable,
        path=declaration.path,
        **attributes,
    )


def _type_of(declaration: Declaration) -> Any:
    if declaration.choices:
        return click.Choice(declaration.choices)
    if declaration.at_least is not None:
        kind = click.FloatRange if declaration.type is float else click.IntRange
        return kind(min=declaration.at_least)
    if declaration.above is not None:
        return click.FloatRange(min=declaration.above, min_open=True)
    return declaration.type


def check_groups(metadata: str | None, by: Sequence[str]) -> None:
    """Refuse one without the other.

    Raises
    ------
    UsageError
        Only one is given.
    """
    if by and metadata is None:
        raise UsageError("--by takes the table that --metadata names")
    if metadata is not None and not by:
        raise UsageError("--metadata takes --by COLUMN: the column to group by")


def talk_options(command: Command) -> Command:
    """How much is said."""
    return decorated(
        command,
        [
            click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors."),
            click.option(
                "-v", "--verbose", is_flag=True, help="Say on stderr how long it took, and a footnote for a paper."
            ),
        ],
    )


def look_options(command: Command) -> Command:
    """In which colours, and the help."""
    return decorated(
        command,
        [
            click.option("--no-color", is_flag=True, help="No colours; NO_COLOR and FORCE_COLOR are honoured too."),
            help_option,
        ],
    )


def plan_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `segeval.scoring.plan.plan_of` takes, from what the command line says.

    Parameters
    ----------
    options
        Of the command; those that are no options of a plan are passed over.

    Raises
    ------
    UsageError
        A text that cannot be read.
    InputError
        A label table that cannot be read.
    """
    settled = {**options, **(_settled(options) if "compat" in options else {})}
    return {name: each.value_of(settled[name]) for name, each in OPTIONS.items() if name in options}


def _settled(options: Mapping[str, Any]) -> dict[str, Any]:
    """How numbers are computed: the command line wins over what a file says that does not go with it."""
    names = [name for name, each in OPTIONS.items() if each.by_preset]
    found = {name: options[name] for name in ("compat", *names)}
    if found["compat"] == "none":
        found["compat"] = None
    context = click.get_current_context()

    def typed(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.COMMANDLINE

    if typed("compat") and found["compat"] is not None:
        found |= {name: None for name in names if not typed(name)}
    elif any(found[name] is not None and typed(name) for name in names) and not typed("compat"):
        found["compat"] = None
    return found


def remark_labels(labels: LabelTable | None, *, quiet: bool) -> None:
    """Say on stderr what a file given with ``--labels`` was taken for."""
    from segeval.reading.tables import INLINE

    if labels is not None and labels.dialect != INLINE:
        remark(f"labels: {labels.summary()}", quiet=quiet)


def remark_left_out(plan: Plan, *, quiet: bool) -> None:
    """Say which of the usual metrics the tool lacks whose numbers are asked for."""
    if plan.conventions.compat is None or click.get_current_context().params["metrics"]:
        return
    from segeval.metrics import parse_all
    from segeval.scoring.presets import PRESETS

    lacking = [request.token for request in parse_all() if request not in plan.metrics]
    if lacking:
        remark(f"{PRESETS[plan.conventions.compat].title} has no {', '.join(lacking)}: left out", quiet=quiet)


def names_of(labels: str | None) -> Mapping[int, str]:
    """Label number -> name, as ``--labels`` says; what a file was taken for is said on stderr."""
    from segeval.reading.labels import parse_labels

    if labels is None:
        return {}
    table = parse_labels(labels)
    remark_labels(table, quiet=False)
    return table.of_polygons
