"""`segeval explain`: the scores of other tools for a pair, and why they differ."""

from __future__ import annotations

from typing import Any

import click

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
    examples=[
        "segeval explain sample_data/predictions/case_10.nii.gz \\\n"
        "  sample_data/references/case_10.nii.gz --only spleen",
    ],
)
@click.argument("prediction", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@declared_options("explain", Options)
@format_option("table", "json")
@quiet_option
@look_options
def explain(prediction: str, reference: str, **options: Any) -> None:
    """Show what other tools report for a pair, and why.

    For each label: the Hausdorff distance, HD95, mean surface distance, NSD and Dice of each tool, and the conventions
    that change them.
    """
    from segeval.diagnostics.tools import explain as explained
    from segeval.scoring.cases import case_of_files, threads_for_one
    from segeval.scoring.plan import plan_of

    remark_configuration(quiet=options["quiet"])
    chosen = plan_options(options)
    remark_labels(chosen["labels"], quiet=options["quiet"])
    explanation = explained(case_of_files(prediction, reference), plan_of(**chosen), threads=threads_for_one())
    if options["kind"] == "json":
        from segeval.reports.json_files import explanation_json

        write_document([explanation_json(explanation)])
    else:
        from segeval.reports.explanation_table import print_explanation

        with data_printer(no_color=options["no_color"]) as printer:
            print_explanation(explanation, printer)
    warn(explanation.warnings, quiet=options["quiet"])
