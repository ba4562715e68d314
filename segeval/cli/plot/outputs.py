"""Where a figure goes, how wide it is, and of which metric: what kinds of figure share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from segeval.cli.options import complete_file, complete_metric, decorated, option
from segeval.errors import UsageError
from segeval.reports.writers import FIGURE_SUFFIXES, alternatives, suffix_of

metric_option = option(
    "-m",
    "--metric",
    metavar="NAME[@NUMBER]",
    required=True,
    shell_complete=complete_metric,
    configurable=False,
    help="The metric that is drawn.",
)


def figure_options(command: Callable[..., Any], *, width: str = "single") -> Callable[..., Any]:
    """The width of a figure, as it is by default, and its file."""
    return decorated(
        command,
        [
            click.option(
                "--width",
                type=click.Choice(["single", "double"]),
                default=width,
                show_default=True,
                help="Of a column of a journal, 3.5 in, or of two, 7.2 in.",
            ),
            option(
                "-o",
                "--output",
                metavar="FILE",
                required=True,
                shell_complete=complete_file,
                configurable=False,
                help=f"Where the figure goes: {alternatives(FIGURE_SUFFIXES)} (300 dpi).",
            ),
        ],
    )


def check_metric(metric: str) -> None:
    """See that it is one.

    Raises
    ------
    UsageError
        They are several.
    """
    if "," in metric:
        raise UsageError("--metric takes one metric to draw")


def check_figure(options: dict[str, Any], *, inputs: Iterable[str]) -> str:
    """The suffix of the figure's file, before anything is read.

    Raises
    ------
    UsageError
        matplotlib is not installed, the suffix is none of a figure, or the file cannot be written.
    """
    from segeval.reports.figures import check_installed
    from segeval.writing import check_output_path

    check_installed()
    suffix = suffix_of(options["output"], FIGURE_SUFFIXES, what="figure")
    check_output_path(options["output"], inputs=inputs)
    return suffix
