"""`segeval losses`: losses of a probability map and their gradients."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.file_options import check_file_options, csv_options, style_of
from segeval.cli.help import Command
from segeval.cli.options import (
    complete_file,
    declared_options,
    format_option,
    look_options,
    plan_options,
    quiet_option,
    remark_labels,
)
from segeval.cli.outputs import remark_configuration
from segeval.cli.streams import data_printer, warn, write_document
from segeval.scoring.options import Options


@click.command(
    cls=Command,
    short_help="Show the losses of a probability map and their gradients.",
    examples=[
        "segeval losses sample_data/street/probabilities \\\n  sample_data/street/reference.png --ignore-label 255",
    ],
)
@click.argument("probability", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@declared_options("losses", Options)
@format_option("table", "csv", "json")
@csv_options
@quiet_option
@look_options
def losses(probability: str, reference: str, **options: Any) -> None:
    """Show the losses and soft scores of a PROBABILITY map, for all classes together and for each class.

    For each loss: the largest gradient with respect to the probabilities, and the foreground's share of the total
    gradient.
    """
    from segeval.diagnostics.loss_table import losses_of
    from segeval.scoring.cases import case_of_files, threads_for_one
    from segeval.scoring.plan import plan_of

    check_file_options(options, shown=options["kind"], outputs=(), others=())
    remark_configuration(quiet=options["quiet"])
    chosen = plan_options(options)
    remark_labels(chosen["labels"], quiet=options["quiet"])
    case = case_of_files(probability, reference)
    found = losses_of(case, plan_of(**chosen, probabilities=True), threads=threads_for_one())
    if options["kind"] == "json":
        from segeval.reports.json_files import losses_json

        write_document([losses_json(found)])
    elif options["kind"] == "csv":
        from segeval.reports.csv_files import losses_csv

        write_document([losses_csv(found, style=style_of(options))])
    else:
        from segeval.reports.losses_table import print_losses

        with data_printer(no_color=options["no_color"]) as printer:
            print_losses(found, printer)
    warn(found.warnings, quiet=options["quiet"])
