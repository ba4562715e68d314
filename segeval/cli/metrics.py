"""`segeval metrics`: what each number is."""

from __future__ import annotations

import click

from segeval.cli.options import talk_options
from segeval.cli.streams import data_stream


@click.command(epilog="Example: segeval metrics hd")
@click.argument("name", required=False)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "markdown"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@talk_options
def metrics(name: str | None, kind: str, *, no_color: bool, **_: bool) -> None:
    """List the metrics, or explain NAME in full: formula, unit, empty rule, source."""
    from segeval.metrics import METRICS, parse
    from segeval.reports.console import print_card, print_metrics_table
    from segeval.reports.markdown import metrics_table

    color = False if no_color else None
    with data_stream() as stream:
        if name is not None:
            print_card(parse(name).card, stream=stream, color=color)
        elif kind == "markdown":
            stream.write(metrics_table(METRICS.values()))
        else:
            print_metrics_table(METRICS.values(), stream=stream, color=color)
