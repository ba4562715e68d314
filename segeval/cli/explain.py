"""`segeval explain`: what each known tool would report for a pair, and why they differ."""

from __future__ import annotations

from typing import Any

import click

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
    epilog="\b\nExample:\n  segeval explain sample_data/predictions/case_10.nii.gz "
    "sample_data/references/case_10.nii.gz --only spleen"
)
@click.argument("prediction", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@declared_options("explain", Options)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@look_options
def explain(prediction: str, reference: str, **options: Any) -> None:
    """Show what each known tool reports for a pair.

    For each label a row per tool with its Hausdorff distance, HD95, mean surface distance, NSD and Dice, each under
    the conventions that `--compat` gives; below it which convention, changed alone, moves which number.
    """
    from segeval.diagnostics.tools import explain as explained
    from segeval.scoring.cases import case_of_files, threads_for_one
    from segeval.scoring.plan import plan_of

    remark_configuration(quiet=options["quiet"])
    asked = plan_options(options)
    remark_labels(asked["labels"], quiet=options["quiet"])
    explanation = explained(case_of_files(prediction, reference), plan_of(**asked), threads=threads_for_one())
    if options["kind"] == "json":
        from segeval.reports.json_files import explanation_json

        write_document([explanation_json(explanation)])
    else:
        from segeval.reports.explanation_table import print_explanation

        with data_printer(no_color=options["no_color"]) as printer:
            print_explanation(explanation, printer)
    warn(explanation.warnings, quiet=options["quiet"])
