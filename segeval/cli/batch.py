"""`segeval batch`: two folders."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import (
    check_groups,
    complete_file,
    decorated,
    group_options,
    look_options,
    scoring_options,
    talk_options,
)
from segeval.cli.outputs import (
    check_outputs,
    confusion_option,
    deliver,
    error_maps_option,
    github_option,
    result_options,
)
from segeval.cli.request import remark_configuration, requested
from segeval.cli.streams import complain, data_printer, remark, warn, write_document
from segeval.errors import InputError, UsageError, shown
from segeval.reports.writers import WRITERS, loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from segeval.pairing import Pairing
    from segeval.running.journal import Journal
    from segeval.running.processes import Executor
    from segeval.running.run import Finished
    from segeval.scoring.cases import Case
    from segeval.scoring.plan import Plan
    from segeval.writing.error_maps import ErrorMaps

NOTHING_TO_DO = 5
_ADDRESS = re.compile(r"\w+://|[^/\\]+:\d+$")


class _Command(click.Command):
    """A command whose --dask takes the next word for an address only if it looks like one, and no folder for one."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Say that there is no address where there is none."""
        following = [*words[1:], ""]
        said = [
            "--dask=" if word == "--dask" and not _ADDRESS.match(then) else word
            for word, then in zip(words, following, strict=True)
        ]
        return super().parse_args(context, said)


def _case_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which cases there are."""
    return decorated(
        command,
        [
            click.option(
                "--pairs",
                metavar="FILE",
                shell_complete=complete_file,
                help="A table with the columns prediction, reference and, if you like, case, in place of two folders; "
                "paths are relative to it.",
            ),
            click.option(
                "--pattern",
                metavar="PATTERN",
                help='How files are called in both folders: {case}_seg.nii.gz; * stands for anything but "/", and a '
                "pattern that ends in / for folders with a file for each class.",
            ),
            click.option("--prediction-pattern", metavar="PATTERN", help="How predictions are called."),
            click.option("--reference-pattern", metavar="PATTERN", help="How references are called."),
            click.option(
                "--missing",
                type=click.Choice(["error", "empty", "skip"]),
                default="error",
                show_default=True,
                help="A reference without a prediction: an error after all others were scored, an empty prediction, or "
                "left out and counted.",
            ),
            click.option("--dry-run", is_flag=True, help="Show which files belong together, and score nothing."),
            group_options,
        ],
    )


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How they are run."""
    return decorated(
        command,
        [
            click.option(
                "-j",
                "--jobs",
                metavar="N",
                type=click.IntRange(min=1),
                help="How many cases are scored at once; all processors by default.",
            ),
            click.option(
                "--dask",
                metavar="[ADDRESS]",
                help="Score on the workers of a Dask cluster, by the address of its scheduler (tcp://HOST:8786); "
                "without one, that of DASK_SCHEDULER_ADDRESS.",
            ),
            click.option(
                "--scheduler-file",
                metavar="FILE",
                shell_complete=complete_file,
                help="The same, by the file that the scheduler has written.",
            ),
            click.option(
                "--worker-timeout",
                metavar="SECONDS",
                type=click.FloatRange(min=0, min_open=True),
                help="Give up when the cluster has had no worker for so long.  [default: 60]",
            ),
            click.option(
                "--timeout",
                metavar="SECONDS",
                type=click.FloatRange(min=0, min_open=True),
                help="Give a case up that takes longer.",
            ),
            click.option(
                "--fail-fast",
                is_flag=True,
                help="Stop at the first case that cannot be scored; a missing prediction is found before any other.",
            ),
            click.option(
                "--resume",
                is_flag=True,
                help="Take over what an earlier run has finished, from the journal beside the first -o file.",
            ),
            click.option(
                "--shard", metavar="I/N", help="Score one of N parts; `segeval merge` puts their results together."
            ),
        ],
    )


@click.command(
    cls=_Command,
    epilog="\b\nExample:\n"
    "  segeval batch sample_data/predictions sample_data/references -m dice,hd@95 --require macro:dice=0.7\n"
    "  segeval batch sample_data/predictions sample_data/references -o scores.csv -o scores.xlsx -o junit.xml",
)
@click.argument("predictions", required=False, shell_complete=complete_file)
@click.argument("references", required=False, shell_complete=complete_file)
@_case_options
@scoring_options
@_run_options
@result_options
@confusion_option
@error_maps_option
@github_option
@talk_options
@look_options
def batch(predictions: str | None, references: str | None, **options: Any) -> int:
    """Score a folder of PREDICTIONS against REFERENCES.

    A case is a reference, called by its path in the folder without the suffix; its prediction is called the same. What
    is missing, damaged or on another grid is in the results with its reason, and the exit code is then 3, after all
    other cases were scored.
    """
    from segeval.running.batch import error_maps_of, evaluate, pair
    from segeval.running.run import shard_of

    started = time.perf_counter()
    quiet = options["quiet"]
    remark_configuration(quiet=quiet)
    _check_together(options)
    plan, requirements = requested(options)
    pairing = pair(
        predictions,
        references,
        pairs=options["pairs"],
        pattern=options["pattern"],
        prediction_pattern=options["prediction_pattern"],
        reference_pattern=options["reference_pattern"],
        probabilities=plan.probabilities,
    )
    for text in pairing.remarks:
        remark(text, quiet=quiet)
    cases = list(pairing.cases) if options["shard"] is None else shard_of(pairing.cases, options["shard"])
    if options["dry_run"] or not cases:
        return _show_pairing(replace(pairing, cases=tuple(cases)), options)
    inputs = _inputs(cases, options)
    check_outputs(options, inputs=inputs, several=True)
    folder = options["error_maps"]
    error_maps = None if folder is None else error_maps_of(pairing, folder, inputs=inputs)
    journal = _journal(plan, options, cases, error_maps)
    watch = _Watch(len(cases), options)
    try:
        with _executor(options) as executor, watch.progress:
            results = evaluate(
                pairing,
                plan,
                cases=cases,
                shard=options["shard"],
                missing=options["missing"],
                metadata=options["metadata"],
                by=options["by"],
                executor=executor,
                timeout=options["timeout"],
                fail_fast=options["fail_fast"],
                journal=journal,
                with_tables=options["confusion"] is not None,
                error_maps=error_maps,
                told=watch.told,
            )
    except KeyboardInterrupt:
        if journal is not None and journal.is_begun:
            kept = f"{watch.scored} of {len(cases)} cases are kept in {shown(journal.path)}"
            remark(f"{kept}; the same command with --resume goes on from there")
        raise
    if options["verbose"]:
        seconds = time.perf_counter() - started
        remark(f"{len(cases)} cases in {seconds:.2f} s, {1000 * seconds / len(cases):.1f} ms each")
    problems = []
    if executor.problem is not None:
        hint = "the same command with --resume goes on from there" if options["outputs"] else None
        problems.append(InputError(executor.problem.problem, hint=hint))
    return deliver(
        results,
        requirements,
        options,
        inputs=inputs,
        several=True,
        problems=problems,
        warnings=[text for text in results.warnings if text not in pairing.remarks],
        defects=watch.defects,
    )


def _check_together(options: dict[str, Any]) -> None:
    """Refuse options that ask for another one."""
    check_groups(options["metadata"], options["by"])
    if options["resume"] and not options["outputs"]:
        raise UsageError("--resume takes -o FILE: the journal lies beside it")


def _executor(options: dict[str, Any]) -> AbstractContextManager[Executor]:
    """What scores the cases: where the command line says where, a configured place does not count."""
    from segeval.running.batch import executor_of

    context = click.get_current_context()
    places = ("jobs", "dask", "scheduler_file")
    chosen = {name: options[name] for name in (*places, "worker_timeout")}
    said = {name for name in chosen if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    if said.intersection(places):
        chosen |= dict.fromkeys(set(places) - said)
    if chosen["dask"] is None and chosen["scheduler_file"] is None and "worker_timeout" not in said:
        chosen["worker_timeout"] = None
    return executor_of(**chosen, told=lambda text: remark(f"warning: {shown(text)}", quiet=options["quiet"]))


class _Watch:
    """What is seen and remembered of a run while it goes on."""

    def __init__(self, total: int, options: dict[str, Any]) -> None:
        import sys

        from segeval.reports.progress import Progress

        color = False if options["no_color"] else None
        self.progress = Progress(total, stream=sys.stderr, color=color, quiet=options["quiet"])
        self.scored = 0
        self.defects: list[str] = []

    def told(self, finished: Finished) -> None:
        """Take note of a case."""
        record = finished.outcome.record
        self.scored += record.status == "scored"
        if finished.defect is not None:
            self.defects.append(finished.defect)
        if finished.taken_over:
            self.progress.resumed(1)
        else:
            self.progress.advance(record.case, record.status, record.message)


def _inputs(cases: list[Case], options: dict[str, Any]) -> list[str]:
    """Every file that must not be overwritten."""
    tables = [options[name] for name in ("labels", "pairs", "metadata")]
    files = [path for case in cases for path in (case.prediction, case.reference)]
    return [path for path in (*tables, *files) if path is not None]


def _journal(plan: Plan, options: dict[str, Any], cases: list[Case], error_maps: ErrorMaps | None) -> Journal | None:
    """The journal beside the first output, if there is one; what --resume takes over from it is told."""
    from segeval.running.batch import journal_settings
    from segeval.running.journal import Journal
    from segeval.running.run import scorable, taken_over

    if not options["outputs"]:
        return None
    path = Path(options["outputs"][0]).with_suffix(".journal")
    settings = journal_settings(plan, missing=options["missing"], with_tables=options["confusion"] is not None)
    journal = Journal(path, settings=settings, resume=options["resume"], shard=options["shard"])
    if journal.exists:
        known = journal.unchanged(scorable(cases, options["missing"]))
        count = len(known) if error_maps is None else sum(1 for _ in taken_over(journal, known, plan, error_maps))
        remark(f"{count} of {len(cases)} cases are taken over from {shown(path)}", quiet=options["quiet"])
    elif options["resume"]:
        remark(f"there is no journal at {shown(path)}; all cases are scored", quiet=options["quiet"])
    return journal


def _show_pairing(pairing: Pairing, options: dict[str, Any]) -> int:
    """Print which files belong together; the exit code says whether a reference is without a prediction."""
    from segeval.running.batch import stray_warnings

    if not pairing.cases:
        complain(f"part {options['shard']} has no case" if options["shard"] else "no case found")
        return NOTHING_TO_DO
    if options["kind"] == "table":
        from segeval.reports.pairing_table import print_pairing

        with data_printer(no_color=options["no_color"]) as printer:
            print_pairing(pairing, printer)
    else:
        write_document(loaded(WRITERS[options["kind"]].pairing)(pairing))
    warn(stray_warnings(pairing), quiet=options["quiet"])
    refused = options["missing"] == "error"
    lost = [each for each in pairing.cases if each.problem is not None or (each.prediction is None and refused)]
    if lost:
        complain(f"{len(lost)} of {len(pairing.cases)} references are without a prediction of their own")
        return InputError.exit_code
    return 0
