"""`segeval losses`: the losses of a probability map and their gradients."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.file_options import check_file_options, csv_options, style_of
from segeval.cli.options import (
    complete_file,
    declared_options,
    look_options,
    plan_options,
    remark_labels,
)
from segeval.cli.outputs import remark_configuration
from segeval.cli.streams import data_printer, warn, write_document
from segeval.scoring.options import Options


@click.command(
    short_help="Show the losses of a probability map, and their gradients.",
    epilog="\b\nExample:\n"
    "  segeval losses sample_data/street/probabilities sample_data/street/reference.png --ignore-label 255",
)
@click.argument("probability", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@declared_options("losses", Options)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@csv_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@look_options
def losses(probability: str, reference: str, **options: Any) -> None:
    """Show every loss and soft score of a PROBABILITY map, over all classes and for each.

    With each goes the largest magnitude in its gradient with respect to the probabilities, and how much of all the
    gradient falls on the foreground, to be held against how much of the image that is.
    """
    from segeval.diagnostics.loss_table import losses_of
    from segeval.scoring.cases import case_of_files, threads_for_one
    from segeval.scoring.plan import plan_of

    check_file_options(options, shown=options["kind"], outputs=(), others=())
    remark_configuration(quiet=options["quiet"])
    asked = plan_options(options)
    remark_labels(asked["labels"], quiet=options["quiet"])
    case = case_of_files(probability, reference)
    found = losses_of(case, plan_of(**asked, probabilities=True), threads=threads_for_one())
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
