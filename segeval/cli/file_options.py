"""Options that say how files are written: the spelling of CSV, the header of JSON lines, the times of JUnit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from segeval.cli.help import option
from segeval.cli.options import decorated
from segeval.errors import UsageError
from segeval.reports.csv_style import DECIMALS, CsvStyle, csv_style

CSV_OPTIONS = ("decimal", "delimiter", "bom")

Command = Callable[..., Any]


def csv_options(command: Command) -> Command:
    """How CSV is spelled."""
    return decorated(
        command,
        [
            option(
                "--decimal",
                heading="Output",
                metavar="MARK",
                type=click.Choice(DECIMALS),
                default=".",
                show_default=True,
                help="Decimal mark in CSV: a point or a comma.",
            ),
            option(
                "--delimiter",
                heading="Output",
                metavar="CHARACTER",
                help="CSV delimiter: a character or the word tab. Default: a comma, or a semicolon with a "
                "decimal comma.",
            ),
            option("--bom", heading="Output", is_flag=True, help="Start CSV with a byte-order mark, for Excel."),
        ],
    )


jsonl_header_option = option(
    "--jsonl-header",
    heading="Output",
    is_flag=True,
    help="Begin JSON lines with the signature.",
)

junit_times_option = option(
    "--junit-times",
    heading="Output",
    is_flag=True,
    help="Include the run time of each case in JUnit files.",
)


def style_of(options: Mapping[str, Any]) -> CsvStyle:
    """The style of CSV that the command line asks for.

    Raises
    ------
    UsageError
        Options that do not go together.
    """
    return csv_style(**{name: options[name] for name in CSV_OPTIONS})


def check_file_options(
    options: Mapping[str, Any], *, shown: str, outputs: Iterable[str], others: Sequence[str]
) -> None:
    """Refuse options on the command line that have no effect on any file.

    Parameters
    ----------
    options
        Options of the command.
    shown
        The format of stdout.
    outputs
        Files that are written in the format of their suffix.
    others
        Further CSV files.

    Raises
    ------
    UsageError
        There is nothing that an option applies to, or options do not go together.
    """
    style_of(options)
    suffixes = {path.lower().rpartition(".")[2] for path in outputs}
    has_csv = shown == "csv" or "csv" in suffixes or bool(others)
    applies = {
        **dict.fromkeys(CSV_OPTIONS, (has_csv, "CSV", "add -o scores.csv or -f csv")),
        "jsonl_header": (shown == "jsonl" or "jsonl" in suffixes, "JSON lines", "add -o scores.jsonl or -f jsonl"),
        "junit_times": ("xml" in suffixes, "JUnit", "add -o junit.xml"),
    }
    context = click.get_current_context()
    for name, (has_effect, kind, hint) in applies.items():
        if name in options and not has_effect and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} has no effect without {kind}", hint=hint)


def choices_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What writers take from the command line; see `segeval.reports.writers.Writer`."""
    return {
        "style": style_of(options),
        "header": options.get("jsonl_header", False),
        "times": options.get("junit_times", False),
        "images": options.get("images"),
    }
