"""The common part of the commands that score: the request before; the gate, files, stdout and exit code after."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from segeval.cli.endings import ended
from segeval.cli.file_options import check_file_options, choices_of, style_of
from segeval.cli.options import plan_options, remark_labels, remark_left_out
from segeval.cli.streams import data_printer, remark, talk_printer, warn, write_document
from segeval.errors import SegevalError, UsageError, shown
from segeval.reports.writers import EXPORTS, WRITERS

if TYPE_CHECKING:
    from segeval.results.gate import Requirement
    from segeval.results.results import Results
    from segeval.results.run_rows import Verdict
    from segeval.scoring.plan import Plan


def remark_configuration(*, quiet: bool) -> None:
    """Print the configuration file, if there is one, on stderr."""
    configuration = click.get_current_context().obj
    if configuration is not None:
        remark(f"options from {shown(configuration)}", quiet=quiet)


def requested(options: dict[str, Any]) -> tuple[Plan, list[Requirement]]:
    """Return the plan, with the metrics that the requirements need, and the requirements.

    Parameters
    ----------
    options
        Options of the command line. The labels that were read, and metrics that a preset leaves out, are printed on
        stderr.

    Raises
    ------
    UsageError
        An option cannot be read, or options do not go together.
    InputError
        A label table cannot be read.
    """
    from segeval.scoring.plan import plan_of

    requirements: list[Requirement] = []
    if options["requirements"]:
        requirements = requirements_of(options)
    choices = plan_options(options)
    remark_labels(choices["labels"], quiet=options["quiet"])
    plan = plan_of(**choices).with_metrics(requirement.metric for requirement in requirements)
    remark_left_out(plan, quiet=options["quiet"])
    return plan, requirements


def requirements_of(options: dict[str, Any]) -> list[Requirement]:
    """Return the requirements; print a remark on stderr if an operator is against the direction of its metric.

    Raises
    ------
    UsageError
        A requirement cannot be read, or has a limit that the metric cannot have.
    """
    from segeval.results.gate import parse_requirement

    requirements = [parse_requirement(text) for text in options["requirements"]]
    for remarked in filter(None, (requirement.remark for requirement in requirements)):
        remark(f"warning: {remarked}", quiet=options["quiet"])
    return requirements


def check_outputs(options: dict[str, Any], *, inputs: Iterable[str], several: bool) -> None:
    """Raise an error for an output that cannot be written, before anything is scored.

    Parameters
    ----------
    options
        Options of the command line.
    inputs
        Files that must not be overwritten.
    several
        Whether there are many cases, whose summary is written next to the CSV.
    """
    inputs = list(inputs)
    check_images(options["images"])
    typed = click.get_current_context().get_parameter_source("images") is ParameterSource.COMMANDLINE
    pages = [row for row in WRITERS.values() if "images" in row.takes]
    if typed and not any(path.lower().endswith(row.suffix) for row in pages for path in options["outputs"]):
        raise UsageError("--images needs an .html output", hint=f"add -o {pages[0].example}")
    confusion = [options["confusion"]] if options.get("confusion") is not None else []
    check_file_options(options, shown=options["kind"], outputs=options["outputs"], others=confusion)
    if not (options["outputs"] or options["exports"] or confusion):
        return
    from segeval.reports.files import check_report_path, report_paths, signature_path
    from segeval.writing import check_output_path

    choices = choices_of(options)
    for path in options["outputs"]:
        check_report_path(path, inputs=inputs, with_summary=several, **choices)
    others = [path for _, path in map(_export, options["exports"])]
    others += [str(path) for matrix in confusion for path in (matrix, signature_path(matrix))]
    for path in others:
        check_output_path(path, inputs=inputs)
    reports = [report_paths(path, with_summary=several, **choices) for path in options["outputs"]]
    summaries = [str(path) for _, *more in reports for path in more]
    check_distinct([*options["outputs"], *others, *summaries])


def check_distinct(paths: Iterable[str]) -> None:
    """Raise an error if two outputs would be written to one file."""
    targets: set[str] = set()
    for path in paths:
        target = os.path.realpath(path)
        if target in targets:
            raise UsageError("two outputs would be written to this file", source=path, hint="rename one of them")
        targets.add(target)


def check_images(folder: str | None) -> None:
    """Raise an error if the folder of scans does not exist, before anything is scored."""
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - a Path of any text may raise
        raise UsageError("folder of scans not found", source=folder)


def _export(text: str) -> tuple[str, str]:
    kind, colon, path = text.partition(":")
    if kind not in EXPORTS or not colon or not path:
        raise UsageError(f"--export takes KIND:FILE, found {shown(text)!r}", hint=f"kinds are {', '.join(EXPORTS)}")
    return kind, path


def deliver(
    results: Results,
    requirements: Sequence[Requirement],
    options: dict[str, Any],
    *,
    inputs: Iterable[str],
    several: bool,
    warnings: Iterable[str],
    problems: Iterable[SegevalError] = (),
    defects: Iterable[str] = (),
) -> int:
    """Check requirements, write and print results, print errors, and return the exit code.

    Parameters
    ----------
    results
        The results.
    requirements
        Requirements on the results.
    options
        Options of the command line.
    inputs
        Files that must not be overwritten.
    several
        Whether there are many cases.
    warnings
        Warnings about the results.
    problems
        Errors from earlier steps of the run.
    defects
        Failures of segeval itself, which are printed even with ``--quiet``.
    """
    results, unjudged = _judged(requirements, results)
    found = [*unjudged, *problems, *_write(results, options, inputs=inputs, several=several)]
    _show(results, options, several=several)
    warn(warnings, quiet=options["quiet"])
    for defect in defects:
        remark(defect)
    found += _annotate_github(results, options)
    return ended(results, options, problems=found)


def _judged(requirements: Sequence[Requirement], results: Results) -> tuple[Results, list[UsageError]]:
    """Return the results with verdicts, and an error for each requirement on an unknown label."""
    if not requirements:
        return results, []
    from segeval.results.gate import judge

    verdicts: list[Verdict] = []
    problems: list[UsageError] = []
    for requirement in requirements:
        try:
            verdicts += judge([requirement], results)
        except UsageError as error:
            problems.append(error)
    return results.with_gate(verdicts), problems


def _write(results: Results, options: dict[str, Any], *, inputs: Iterable[str], several: bool) -> list[UsageError]:
    """Write all requested files; an error with one does not stop the others."""
    if not (options["outputs"] or options["exports"] or options.get("confusion") is not None):
        return []
    from segeval.reports.csv_files import confusion_csv
    from segeval.reports.files import write_export, write_report, write_signature
    from segeval.writing import write_text

    inputs, choices = list(inputs), choices_of(options)
    tasks: list[Callable[[], None]] = [
        partial(write_report, results, path, inputs=inputs, with_summary=several, **choices)
        for path in options["outputs"]
    ]
    tasks += [
        partial(write_export, results, kind, path, inputs=inputs) for kind, path in map(_export, options["exports"])
    ]

    def write_confusion() -> None:
        if not any(record.status == "scored" for record in results.cases):
            remark("no confusion matrix, because no case was scored")
            return
        if results.confusion is None:
            raise UsageError("overlapping labels have no confusion matrix", hint="leave out --confusion")
        matrix = confusion_csv(results.confusion, results.names, style=style_of(options))
        write_text(options["confusion"], [matrix], inputs=inputs)
        write_signature(options["confusion"], [results.signature], inputs=inputs)

    if options.get("confusion") is not None:
        tasks.append(write_confusion)
    paths = [*options["outputs"], *(path for _, path in map(_export, options["exports"])), options.get("confusion")]
    problems: list[UsageError] = []
    written: list[str] = []
    for task, path in zip(tasks, paths, strict=False):
        try:
            task()
        except UsageError as error:
            problems.append(error)
        else:
            written.append(shown(path))
    if written:
        remark(f"wrote {', '.join(written)}", quiet=options["quiet"])
    return problems


def _show(results: Results, options: dict[str, Any], *, several: bool) -> None:
    """Print results on stdout and, if they are not a table, the gate on stderr."""
    quiet = options["quiet"]
    if options["kind"] == "table":
        with data_printer(no_color=options["no_color"]) as printer, _no_commands(printer.stream, options):
            if several:
                from segeval.reports.run_summary import print_run_summary

                print_run_summary(results, printer, verbose=options["verbose"])
            else:
                from segeval.reports.case_table import print_scores

                print_scores(results, printer, verbose=options["verbose"])
    else:
        from segeval.writing import batched

        write_document(batched(WRITERS[options["kind"]].parts(results, **choices_of(options))))
        remark(results.signature, quiet=quiet)
    if options["verbose"]:
        remark(f"footnote: {results.footnote}")
    if results.gate and not quiet and options["kind"] != "table":
        from segeval.reports.gate_table import print_gate

        with talk_printer(no_color=options["no_color"]) as printer:
            printer.stream.write("\n")
            print_gate(results, printer)
    warn(_infinities(results), quiet=quiet)


@contextmanager
def _no_commands(stream: TextIO, options: dict[str, Any]) -> Iterator[None]:
    """Make GitHub Actions ignore workflow commands in printed names, which come from files."""
    if not options.get("github") or not _in_actions():
        yield
        return
    token = os.urandom(16).hex()
    stream.write(f"::stop-commands::{token}\n")
    yield
    stream.write(f"::{token}::\n")


def _in_actions() -> bool:
    from segeval.reports.github import in_actions

    return in_actions(os.environ)


def _infinities(results: Results) -> list[str]:
    count = sum(map(math.isinf, results.scores.values.tolist()))
    scores = f"{count} score is" if count == 1 else f"{count} scores are"
    text = f"{scores} infinite: inf in CSV, which the mean of a spreadsheet leaves out, and #DIV/0! in .xlsx"
    return [text] if count else []


def _annotate_github(results: Results, options: dict[str, Any]) -> list[UsageError]:
    """Add the step summary and the annotations of a GitHub workflow, with ``--github`` and in a workflow."""
    if not options.get("github"):
        return []
    from segeval.reports import github
    from segeval.reports.markdown import to_markdown

    if not github.in_actions(os.environ):
        remark("--github has no effect outside of GitHub Actions", quiet=options["quiet"])
        return []
    for line in github.annotations(results):
        remark(line)
    try:
        github.append_step_summary(os.environ, "".join(to_markdown(results)))
    except UsageError as error:
        return [error]
    return []
