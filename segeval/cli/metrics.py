"""`segeval metrics`: descriptions of the metrics."""

from __future__ import annotations

import click

from segeval.cli.help import Command
from segeval.cli.options import complete_metric, format_option, look_options
from segeval.cli.streams import data_printer, write_document


@click.command(cls=Command, short_help="List the metrics, or explain one.", examples=["segeval metrics hd"])
@click.argument("name", required=False, shell_complete=complete_metric)
@format_option("table", "markdown")
@look_options
def metrics(name: str | None, kind: str, *, no_color: bool) -> None:
    """List the metrics, or explain NAME: formula, unit, empty maps, source."""
    from segeval.metrics import METRICS, parse
    from segeval.reports.markdown import metrics_table
    from segeval.reports.metric_cards import print_card, print_metrics_table

    if name is None and kind == "markdown":
        write_document([metrics_table(METRICS.values())])
        return
    with data_printer(no_color=no_color) as printer:
        if name is None:
            print_metrics_table(METRICS.values(), printer)
        else:
            print_card(parse(name).card, printer)
