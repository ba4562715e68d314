"""Help in groups: each option under its heading, rare ones with ``--help-all``; and the options that show it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from segeval.cli.streams import data_stream
from segeval.reports.colour import styled
from segeval.scoring.declaration import HEADINGS
from segeval.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from segeval.scoring.declaration import Heading

NARROWEST, WIDEST = 60, 100  # columns
OPTION_WIDTH = 21  # columns; a longer option stands on a line of its own
FEW = 13  # options of which --help shows all
ALL = "segeval.help_all"  # the key in a context's meta that asks for all options

Function = TypeVar("Function", bound=Callable[..., Any])


class Option(click.Option):
    """An option with its place in help, and how a configuration file may set it.

    Parameters
    ----------
    heading
        Heading in help. Options without one (help itself) come last.
    is_common
        Whether ``--help`` of a command with many options shows it; ``--help-all`` shows every option.
    configurable
        Whether a configuration file may set it.
    path
        For a path in a configuration file: how to read it relative to the folder of that file.
    """

    def __init__(
        self,
        *declarations: Any,
        heading: Heading | None,
        is_common: bool = False,
        configurable: bool = True,
        path: Callable[[str, Path], str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*declarations, **attributes)
        self.heading = heading
        self.is_common = is_common
        self.configurable = configurable
        self.path = path

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """Return the option and its help, with the default in brackets."""
        record = super().get_help_record(context)
        if record is None:
            return None
        note = "required" if self.required else str(self.get_help_extra(context).get("default", ""))
        if isinstance(self.show_default, str):
            note = self.show_default
        return record[0], f"{self.help}  [{note}]" if note else self.help or ""


def option(*declarations: str, heading: Heading | None, **attributes: Any) -> Callable[[Function], Function]:
    """Declare an `Option` of a command, as a decorator."""
    return click.option(*declarations, cls=Option, heading=heading, **attributes)


class _Formatter(click.HelpFormatter):
    """Help as wide as the terminal, with headings in bold and option names in cyan where colours are on."""

    def __init__(self, *, is_styled: bool) -> None:
        super().__init__(width=min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST))
        self._is_styled = is_styled

    def write_heading(self, heading: str) -> None:
        """Write a heading on a line of its own."""
        self.write(f"{self._style(f'{heading}:', bold=True)}\n")

    def write_rows(self, rows: Iterable[tuple[str, str]], *, width: int = OPTION_WIDTH) -> None:
        """Write names and what each means, in two columns of which the first has that width."""
        start = " " * (width + 4)
        for name, text in rows:
            lines = click.wrap_text(text, self.width - len(start)).splitlines() or [""]
            shown = "".join(self._style(part, fg="cyan") if part.startswith("-") else part for part in _parts(name))
            if len(name) > width:
                self.write(f"  {shown}\n{start}{lines[0]}\n")
            else:
                self.write(f"  {shown}{' ' * (width - len(name))}  {lines[0]}".rstrip() + "\n")
            self.write("".join(f"{start}{line}\n" for line in lines[1:]))

    def _style(self, text: str, **attributes: Any) -> str:
        return click.style(text, **attributes) if self._is_styled else text


def _parts(name: str) -> list[str]:
    """The words of an option and what separates them: ``-o``, ``, ``, ``--output``, `` ``, ``FILE``."""
    import re

    return re.split(r"(, | )", name)


class Command(click.Command):
    """A command with its options under headings and its examples last."""

    last_heading: str | None = None  # of the options of help itself

    def __init__(self, *arguments: Any, examples: Iterable[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)

    def get_help(self, context: click.Context) -> str:
        """Return the help of a command."""
        color = False if context.params.get("no_color") else None
        formatter = _Formatter(is_styled=sys.stdout is not None and styled(sys.stdout, color))
        self.format_help(context, formatter)
        return formatter.getvalue().rstrip("\n")

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, those of help itself last."""
        options = [each for each in self.get_params(context) if isinstance(each, click.Option) and not each.hidden]
        shows_all = len(options) <= FEW or context.meta.get(ALL, False)
        shown = [each for each in options if shows_all or each.required or getattr(each, "is_common", True)]
        for heading in (*HEADINGS, None):
            rows = [
                record
                for each in shown
                if getattr(each, "heading", None) == heading and (record := each.get_help_record(context))
            ]
            _section(formatter, heading or self.last_heading, rows)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and what comes below them."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write_heading("Examples")
            formatter.write("".join(f"  {line}\n" for each in self.examples for line in each.splitlines()))
        super().format_epilog(context, formatter)


def _section(formatter: click.HelpFormatter, heading: str | None, rows: list[tuple[str, str]], **width: int) -> None:
    if rows and isinstance(formatter, _Formatter):
        formatter.write_paragraph()
        if heading is not None:
            formatter.write_heading(heading)
        formatter.write_rows(rows, **width)


class FormatsCommand(Command):
    """A command whose ``--help-all`` lists the formats that can be scored, from the table of formats."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the formats and the options."""
        if context.meta.get(ALL, False):
            from segeval.reading.formats import titles  # deferred: it is needed here only

            folder = "or a folder with a file for each class"
            rows = [
                ("Label maps", f"{titles('labels')}; polygon JSON of Cityscapes, LabelMe or COCO; {folder}."),
                ("Probability maps", f"{titles('probabilities')}; {folder} (also {titles('one class')})."),
            ]
            _section(formatter, "Formats", rows)
        super().format_options(context, formatter)


class Group(Command, click.Group):
    """A group whose help lists the commands before the options."""

    last_heading = "Options"

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and the options."""
        rows = [
            (name, each.get_short_help_str(limit=WIDEST)) for name, each in self.commands.items() if not each.hidden
        ]
        _section(formatter, "Commands", rows, width=max(len(name) for name, _ in rows))
        Command.format_options(self, context, formatter)


def _printing(text_of: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return a callback that prints a text instead of running the command."""

    def show(context: click.Context, _parameter: click.Parameter, is_given: bool) -> None:
        if is_given and not context.resilient_parsing:
            with data_stream() as stream:
                stream.write(f"{text_of(context)}\n")
            context.exit()

    return show


def _all_help(context: click.Context) -> str:
    context.meta[ALL] = True
    return context.get_help()


def _printing_option(
    *flags: str, text_of: Callable[[click.Context], str], **attributes: Any
) -> Callable[[Function], Function]:
    callback = _printing(text_of)
    return option(
        *flags, heading=None, is_flag=True, is_eager=True, expose_value=False, callback=callback, **attributes
    )


version_option = _printing_option(
    "--version", help="Show the version.", text_of=lambda _context: f"segeval {__version__}"
)


def help_options(command: Function) -> Function:
    """Add ``--help`` and ``--help-all``."""
    all_help = _printing_option("--help-all", is_common=True, help="Show all options.", text_of=_all_help)
    short = _printing_option("-h", "--help", help="Show this text.", text_of=click.Context.get_help)
    decorated: Function = short(all_help(command))
    return decorated
