"""`segeval score`: one pair of files."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import (
    complete_file,
    look_options,
    plan_options,
    remark_labels,
    scoring_options,
    talk_options,
)
from segeval.cli.streams import complain, data_stream, remark, talk_stream, write_document
from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from segeval.gate import Requirement
    from segeval.results import Results, Verdict

NOT_MET = 4


@click.command(
    epilog="\b\nExample:\n  segeval score sample_data/predictions/case_01.nii.gz sample_data/references/case_01.nii.gz "
    "-m dice,hd@95 --require dice=0.8"
)
@click.argument("prediction", shell_complete=complete_file)
@click.argument("reference", shell_complete=complete_file)
@scoring_options
@click.option(
    "--require",
    "requirements",
    metavar="[LABEL:]METRIC=VALUE",
    multiple=True,
    help="Exit with 4 unless the score is at least (or, where lower is better, at most) this; repeatable.",
)
@click.option(
    "--confusion",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the label-by-label confusion matrix as CSV.",
)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "jsonl", "markdown"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    help="Also write .csv, .json, .jsonl or .md; repeatable.",
)
@talk_options
@look_options
def score(prediction: str, reference: str, **options: Any) -> int:
    """Score PREDICTION against REFERENCE: a row for each label.

    Both are label maps: NIfTI, MetaImage, NRRD, GIPL, VTK, NumPy, PNG, BMP or TIFF, polygon JSON of Cityscapes, LabelMe
    or COCO, or a folder with a file for each class. A label that only one of them has is scored, and the note says
    which lacks it.
    """
    from segeval.api import plan_of, results_of_files
    from segeval.gate import parse_requirement

    started = time.perf_counter()
    quiet = options["quiet"]
    configuration = click.get_current_context().obj
    if configuration is not None:
        remark(f"options from {shown(configuration)}", quiet=quiet)
    requirements = [parse_requirement(text) for text in options["requirements"]]
    asked = plan_options(options)
    remark_labels(asked["labels"], quiet=quiet)
    plan = plan_of(**asked).asking_for(requirement.metric for requirement in requirements)
    inputs = (prediction, reference, *([options["labels"]] if options["labels"] else []))
    _check_outputs(options, inputs=inputs)
    results = results_of_files(prediction, reference, plan)
    if options["verbose"]:
        remark(f"scored in {time.perf_counter() - started:.2f} s")
    results, problem = _judged(requirements, results)
    _write(results, options, inputs=inputs)
    _show(results, options["kind"], color=False if options["no_color"] else None, quiet=quiet)
    for warning in (*results.cases[0].warnings, *_infinities(results)):
        remark(f"warning: {warning}", quiet=quiet)
    if problem is not None:
        raise problem
    return _passed_on(results)


def _check_outputs(options: dict[str, Any], *, inputs: tuple[str, ...]) -> None:
    """Find what cannot be written before anything is scored."""
    from segeval.reports.files import check_output_path, check_report_path

    for path in options["outputs"]:
        check_report_path(path, inputs=inputs)
    confusion = options["confusion"]
    if confusion is not None:
        check_output_path(confusion, inputs=inputs)
        if os.path.realpath(confusion) in map(os.path.realpath, options["outputs"]):
            raise UsageError("two outputs would go to this file", source=confusion)


def _judged(requirements: list[Requirement], results: Results) -> tuple[Results, UsageError | None]:
    """The results with their verdicts; a label that neither map has spoils its own requirement only."""
    from segeval.gate import judge

    verdicts: list[Verdict] = []
    problem: UsageError | None = None
    for requirement in requirements:
        try:
            verdicts += judge([requirement], results)
        except UsageError as error:
            problem = problem or error
    return replace(results, gate=tuple(verdicts)), problem


def _write(results: Results, options: dict[str, Any], *, inputs: tuple[str, ...]) -> None:
    from segeval.reports.files import write_report, write_text
    from segeval.reports.tabular import confusion_csv

    for path in options["outputs"]:
        write_report(results, path, inputs=inputs)
    if options["confusion"] is not None:
        if results.confusion is None:
            raise UsageError("there is no confusion matrix where labels overlap", hint="leave out --confusion")
        write_text(options["confusion"], [confusion_csv(results.confusion, results.names)], inputs=inputs)


def _infinities(results: Results) -> list[str]:
    count = sum(row.value is not None and math.isinf(row.value) for row in results.scores)
    return [f"scores that are infinite: {count}; a mean taken in a spreadsheet leaves them out"] if count else []


def _passed_on(results: Results) -> int:
    """The exit code that the gate asks for."""
    from segeval.reports.sheets import found

    missed = [f"{shown(each.requirement)} (found {found(each)})" for each in results.gate if not each.passed]
    if missed:
        count = f"{len(missed)} of {len(results.gate)} requirements" if len(results.gate) > 1 else "requirement"
        complain(f"{count} not met: {', '.join(missed)}")
    return NOT_MET if missed else 0


def _show(results: Results, kind: str, *, color: bool | None, quiet: bool) -> None:
    if kind == "table":
        from segeval.reports.console import print_scores

        with data_stream() as stream:
            print_scores(results, stream=stream, color=color)
    else:
        from segeval.reports.files import FORMATS

        write_document(FORMATS[kind](results))
        remark(results.signature, quiet=quiet)
    if results.gate and not quiet:
        from segeval.reports.console import print_gate

        with talk_stream() as stream:
            stream.write("\n")
            print_gate(results, stream=stream, color=color)
