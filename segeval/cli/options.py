"""Options that several commands share: the declared ones for Click, and those of the command line only."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from segeval.cli.help import help_options, option
from segeval.cli.streams import remark
from segeval.errors import UsageError
from segeval.scoring.declaration import Option as Declaration
from segeval.scoring.declaration import declared
from segeval.scoring.option_values import labels_from, metrics_like
from segeval.scoring.options import OPTIONS

if TYPE_CHECKING:
    from segeval.reading.tables import LabelTable
    from segeval.scoring.plan import Plan

Command = Callable[..., Any]


def _offered(names_like: Callable[[str], Iterable[str]]) -> Callable[..., list[str]]:
    """Return a completion for Click."""
    return lambda _context, _parameter, incomplete: list(names_like(incomplete))


complete_metric = _offered(metrics_like)


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete file names."""
    return [CompletionItem(incomplete, type="file")]


labels_option = option(
    "--labels",
    heading="Files and labels",
    metavar="SPEC",
    shell_complete=complete_file,
    path=labels_from,
    help="Label names, and the label numbers of polygons: 1=car,2=person or a file.",
)


def decorated(command: Command, decorators: list[Callable[[Command], Command]]) -> Command:
    """Add several options to a command, in their order in help."""
    return functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), command)


def declared_options(command: str, kind: type) -> Callable[[Command], Command]:
    """Add the options of a `TypedDict` that a command has; see `segeval.scoring.declaration`."""
    taken = [
        _clicked(each, is_common=command in each.common_in)
        for each in declared(kind).values()
        if command in each.commands
    ]
    return lambda function: decorated(function, taken)


def _clicked(declaration: Declaration, *, is_common: bool) -> Callable[[Command], Command]:
    """Make the Click option of a declaration."""
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
        heading=declaration.heading,
        is_common=is_common,
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
    """Refuse ``--by`` without ``--metadata`` and the reverse.

    Raises
    ------
    UsageError
        Only one of them is given.
    """
    if by and metadata is None:
        raise UsageError("--by needs --metadata FILE: the table with that column")
    if metadata is not None and not by:
        raise UsageError("--metadata needs --by COLUMN: the column to group by")


def format_option(*kinds: str) -> Callable[[Command], Command]:
    """Add ``--format`` with these formats, the first by default."""
    return option(
        "-f",
        "--format",
        "kind",
        heading="Output",
        is_common=True,
        metavar="FORMAT",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help=f"Output format: {' '.join(kinds)}.",
    )


quiet_option = option(
    "-q", "--quiet", heading="Output", is_flag=True, help="Print no notes on stderr; the result stays."
)


def talk_options(command: Command) -> Command:
    """Add the options that print more or less."""
    verbose = option(
        "-v",
        "--verbose",
        heading="Output",
        is_common=True,
        is_flag=True,
        help="Print more: spread, worst cases, time, footnote.",
    )
    return decorated(command, [verbose, quiet_option])


def look_options(command: Command) -> Command:
    """Add ``--no-color`` and the options of help."""
    no_color = option(
        "--no-color",
        heading="Output",
        is_flag=True,
        is_eager=True,
        help="No colours. NO_COLOR and FORCE_COLOR work too.",
    )
    return decorated(command, [no_color, help_options])


def plan_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `segeval.scoring.plan.plan_of` for the options of the command line.

    Parameters
    ----------
    options
        Options of the command; other options than those of a plan are ignored.

    Raises
    ------
    UsageError
        The value of an option cannot be read.
    InputError
        The label table cannot be read.
    """
    settled = {**options, **(_settled(options) if "compat" in options else {})}
    return {name: each.value_of(settled[name]) for name, each in OPTIONS.items() if name in options}


def _settled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preset and the conventions; the command line overrides conflicting ones of a configuration file."""
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
    """Print on stderr how the file of ``--labels`` was read."""
    from segeval.reading.tables import INLINE

    if labels is not None and labels.dialect != INLINE:
        remark(f"labels: {labels.summary()}", quiet=quiet)


def remark_left_out(plan: Plan, *, quiet: bool) -> None:
    """Print which default metrics the tool of ``--compat`` does not have."""
    if plan.conventions.compat is None or click.get_current_context().params["metrics"]:
        return
    from segeval.metrics import parse_all
    from segeval.scoring.presets import PRESETS

    unavailable = [request.token for request in parse_all() if request not in plan.metrics]
    if unavailable:
        remark(
            f"left out because {PRESETS[plan.conventions.compat].title} has no such metric: {', '.join(unavailable)}",
            quiet=quiet,
        )


def names_of(labels: str | None) -> Mapping[int, str]:
    """Return the names of ``--labels`` by number, and print on stderr how its file was read."""
    from segeval.reading.labels import parse_labels

    if labels is None:
        return {}
    table = parse_labels(labels)
    remark_labels(table, quiet=False)
    return table.of_polygons
