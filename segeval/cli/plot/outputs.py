"""Options of all kinds of figure: metric, width and file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from segeval.cli.help import option
from segeval.cli.options import complete_file, complete_metric, decorated
from segeval.errors import UsageError
from segeval.reports.writers import FIGURE_SUFFIXES, suffix_of

metric_option = option(
    "-m",
    "--metric",
    heading="Metrics",
    metavar="NAME",
    required=True,
    shell_complete=complete_metric,
    configurable=False,
    help="Metric to draw.",
)


def figure_options(command: Callable[..., Any], *, width: str = "single") -> Callable[..., Any]:
    """Add the options for the width of a figure and for its file."""
    return decorated(
        command,
        [
            option(
                "--width",
                heading="Output",
                metavar="KIND",
                type=click.Choice(["single", "double"]),
                default=width,
                show_default=True,
                help="single or double column (3.5 or 7.2 in).",
            ),
            option(
                "-o",
                "--output",
                heading="Output",
                metavar="FILE",
                required=True,
                shell_complete=complete_file,
                configurable=False,
                help=f"Figure file: {' '.join(FIGURE_SUFFIXES)} (300 dpi).",
            ),
        ],
    )


def check_metric(metric: str) -> None:
    """Refuse several metrics.

    Raises
    ------
    UsageError
        There are several metrics.
    """
    if "," in metric:
        raise UsageError("--metric needs a single metric to draw")


def check_figure(options: dict[str, Any], *, inputs: Iterable[str]) -> str:
    """Check the file of the figure before anything is read, and return its suffix.

    Raises
    ------
    UsageError
        matplotlib is not installed, the suffix is unknown, or the file cannot be written.
    """
    from segeval.reports.figures import check_installed
    from segeval.writing import check_output_path

    check_installed()
    suffix = suffix_of(options["output"], FIGURE_SUFFIXES, what="figure")
    check_output_path(options["output"], inputs=inputs)
    return suffix
