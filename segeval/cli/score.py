"""`segeval score`: scores of one pair of files."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import click

from segeval.cli.file_options import junit_times_option
from segeval.cli.help import FormatsCommand
from segeval.cli.options import complete_file, declared_options, look_options, talk_options
from segeval.cli.outputs import check_outputs, deliver, remark_configuration, requested
from segeval.cli.result_options import confusion_option, result_options
from segeval.cli.streams import remark
from segeval.scoring.batch_options import ErrorMapOptions
from segeval.scoring.options import Options


@click.command(
    cls=FormatsCommand,
    examples=[
        "segeval score sample_data/predictions/case_01.nii.gz \\\n  sample_data/references/case_01.nii.gz",
        "segeval score sample_data/predictions/case_01.nii.gz \\\n"
        "  sample_data/references/case_01.nii.gz -m dice,nsd@2 -o page.html",
    ],
)
@click.argument("prediction", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@declared_options("score", Options)
@result_options
@junit_times_option
@confusion_option
@declared_options("score", ErrorMapOptions)
@talk_options
@look_options
def score(prediction: str, reference: str, **options: Any) -> int:
    """Score one prediction against its reference."""
    from segeval.scoring.cases import case_name, results_of_files

    started = time.perf_counter()
    remark_configuration(quiet=options["quiet"])
    plan, requirements = requested(options)
    inputs = (prediction, reference, *([options["labels"]] if options["labels"] else []))
    check_outputs(options, inputs=inputs, several=False)
    error_maps = None
    if options["error_maps"] is not None:
        from segeval.writing.error_maps import ErrorMaps

        error_maps = ErrorMaps.at(options["error_maps"], cases=[case_name(reference)], inputs=inputs)
    results = results_of_files(prediction, reference, plan, error_maps=error_maps)
    seconds = time.perf_counter() - started
    results = replace(results, seconds={record.case: seconds for record in results.cases})
    if options["verbose"]:
        remark(f"scored in {seconds:.2f} s")
    return deliver(results, requirements, options, inputs=inputs, several=False, warnings=results.cases[0].warnings)
