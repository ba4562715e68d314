"""`segeval batch`: scores of two folders."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.endings import NOT_MET
from segeval.cli.file_options import junit_times_option, style_of
from segeval.cli.help import FormatsCommand, option
from segeval.cli.options import check_groups, complete_file, declared_options, decorated, look_options, talk_options
from segeval.cli.outputs import check_outputs, deliver, remark_configuration, requested
from segeval.cli.result_options import confusion_option, github_option, result_options
from segeval.cli.streams import complain, data_printer, remark, warn, write_document
from segeval.errors import InputError, UsageError, shown
from segeval.reports.writers import WRITERS, loaded
from segeval.scoring.batch_options import CaseOptions, ErrorMapOptions, GroupOptions, RunOptions
from segeval.scoring.options import Options
from segeval.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from segeval.pairing import Pairing
    from segeval.results.results import Results
    from segeval.running.executor import Executor
    from segeval.running.journal import Journal
    from segeval.running.settings import RunSettings
    from segeval.scoring.case import Case, Outcome
    from segeval.scoring.plan import Plan

NOTHING_TO_DO = 5
FINISHED = (0, NOT_MET)  # exit codes of runs that --resume would not change
_ADDRESS = re.compile(r"\w+://|[^/\\]+:\d+$")


class _Command(FormatsCommand):
    """A command whose ``--dask`` takes the next word as its value only if that looks like an address."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Give ``--dask`` an empty address if the next word is not an address."""
        following = [*words, ""][1:]
        completed = [
            "--dask=" if word == "--dask" and not _ADDRESS.match(then) else word
            for word, then in zip(words, following, strict=True)
        ]
        return super().parse_args(context, completed)


def _case_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose cases and groups."""
    return decorated(
        command,
        [
            declared_options("batch", CaseOptions),
            option(
                "--dry-run",
                heading="Files and labels",
                is_common=True,
                is_flag=True,
                configurable=False,
                help="Show the pairs and stop.",
            ),
            declared_options("batch", GroupOptions),
        ],
    )


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how cases are scored."""
    return decorated(
        command,
        [
            declared_options("batch", RunOptions),
            option(
                "--fail-fast",
                heading="Running",
                is_flag=True,
                help="Stop at the first case that cannot be scored.",
            ),
            option(
                "--resume",
                heading="Running",
                is_common=True,
                is_flag=True,
                configurable=False,
                help="Continue an interrupted run.",
            ),
            option(
                "--keep-journal",
                heading="Running",
                is_flag=True,
                configurable=False,
                help="Keep the journal when the run is finished.",
            ),
            option(
                "--shard",
                heading="Running",
                metavar="I/N",
                configurable=False,
                help="Score part I of N; segeval merge merges the parts.",
            ),
        ],
    )


@click.command(
    cls=_Command,
    examples=[
        "segeval batch sample_data/predictions sample_data/references -o results.json",
        "segeval batch sample_data/predictions sample_data/references \\\n"
        "  -m dice,hd@95 --require 'macro:dice>=0.7' -o report.html -o junit.xml",
    ],
)
@click.argument("predictions", required=False, shell_complete=complete_file)
@click.argument("references", required=False, shell_complete=complete_file)
@_case_options
@declared_options("batch", Options)
@_run_options
@result_options
@junit_times_option
@confusion_option
@declared_options("batch", ErrorMapOptions)
@github_option
@talk_options
@look_options
def batch(predictions: str | None, references: str | None, **options: Any) -> int:
    """Score a folder of predictions against a folder of references.

    Every reference is a case. Its prediction has the same name.
    """
    from segeval.running.shards import shard_of

    started = time.perf_counter()
    quiet = options["quiet"]
    remark_configuration(quiet=quiet)
    _check_together(options)
    plan, requirements = requested(options)
    pairing = _pairing(predictions, references, plan, options)
    cases = shard_of(pairing.cases, options["shard"])
    if options["dry_run"] or not cases:
        return _show_pairing(replace(pairing, cases=tuple(cases)), options)
    inputs = _inputs(cases, options)
    check_outputs(options, inputs=inputs, several=True)
    settings = _settings(pairing, options, inputs=inputs)
    journal = _journal(plan, settings, options, cases)
    watch = _Watch(len(cases), options)
    results, stop = _evaluated(pairing, plan, settings, journal, watch, options)
    if options["verbose"]:
        seconds = time.perf_counter() - started
        remark(f"{counted(len(cases), 'case')} in {seconds:.2f} s, {1000 * seconds / len(cases):.1f} ms each")
    problems = []
    if stop is not None:
        hint = "run the same command with --resume" if options["outputs"] else None
        problems.append(InputError(stop.problem, hint=hint))
    code = deliver(
        results,
        requirements,
        options,
        inputs=inputs,
        several=True,
        problems=problems,
        warnings=[text for text in results.warnings if text not in pairing.remarks],
        defects=watch.defects,
    )
    if journal is not None and code in FINISHED and not options["keep_journal"]:
        journal.remove()
    return code


def _check_together(options: dict[str, Any]) -> None:
    """Refuse options that need another option."""
    check_groups(options["metadata"], options["by"])
    for name in ("resume", "keep_journal"):
        if options[name] and not options["outputs"]:
            raise UsageError(f"--{name.replace('_', '-')} needs -o FILE (the journal is stored next to it)")


def _pairing(predictions: str | None, references: str | None, plan: Plan, options: dict[str, Any]) -> Pairing:
    """Find the cases, and print remarks."""
    from segeval.running.batch import pair

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
        remark(text, quiet=options["quiet"])
    return pairing


def _settings(pairing: Pairing, options: dict[str, Any], *, inputs: list[str]) -> RunSettings:
    """Make the settings of the run, and the folder for error maps."""
    from segeval.running.batch import error_maps_of
    from segeval.running.settings import RunSettings

    folder = options["error_maps"]
    return RunSettings(
        **{name: options[name] for name in ("missing", "timeout", "fail_fast", "shard", "metadata", "by")},
        with_tables=options["confusion"] is not None,
        error_maps=None if folder is None else error_maps_of(pairing, folder, inputs=inputs),
    )


def _evaluated(
    pairing: Pairing,
    plan: Plan,
    settings: RunSettings,
    journal: Journal | None,
    watch: _Watch,
    options: dict[str, Any],
) -> tuple[Results, InputError | None]:
    """Score the cases; return the results, and the problem if the run could not be finished."""
    from segeval.running.batch import evaluate

    try:
        with _executor(options) as executor, watch.progress:
            on_finished = watch.note
            results = evaluate(pairing, plan, settings, executor=executor, journal=journal, on_finished=on_finished)
    except KeyboardInterrupt:
        if journal is not None and journal.is_begun:
            kept = f"{watch.scored} of {watch.total} cases are in {shown(journal.path)}"
            remark(f"{kept}; to continue, run the same command with --resume")
        raise
    return results, executor.problem


def _executor(options: dict[str, Any]) -> AbstractContextManager[Executor]:
    """Return the executor; a place on the command line overrides one in a configuration file."""
    from segeval.running.batch import executor_of

    context = click.get_current_context()
    places = ("jobs", "dask", "scheduler_file")
    chosen = {name: options[name] for name in (*places, "worker_timeout")}
    typed = {name for name in chosen if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    if typed.intersection(places):
        chosen |= dict.fromkeys(set(places) - typed)
    if chosen["dask"] is None and chosen["scheduler_file"] is None and "worker_timeout" not in typed:
        chosen["worker_timeout"] = None
    return executor_of(**chosen, on_warning=lambda text: remark(f"warning: {shown(text)}", quiet=options["quiet"]))


class _Watch:
    """Progress of a run, and the defects found."""

    def __init__(self, total: int, options: dict[str, Any]) -> None:
        import sys

        from segeval.reports.progress import Progress

        color = False if options["no_color"] else None
        self.progress = Progress(total, stream=sys.stderr, color=color, quiet=options["quiet"])
        self.total, self.scored = total, 0
        self.defects: list[str] = []

    def note(self, outcome: Outcome) -> None:
        """Count a finished case."""
        record = outcome.record
        self.scored += record.status == "scored"
        if outcome.defect is not None:
            self.defects.append(outcome.defect)
        if outcome.is_taken_over:
            self.progress.resumed(1)
        else:
            self.progress.advance(record.status)


def _inputs(cases: list[Case], options: dict[str, Any]) -> list[str]:
    """Return all files that must not be overwritten."""
    tables = [options[name] for name in ("labels", "pairs", "metadata")]
    files = [path for case in cases for path in case.files]
    return [*(path for path in tables if path is not None), *files]


def _journal(plan: Plan, settings: RunSettings, options: dict[str, Any], cases: list[Case]) -> Journal | None:
    """Return the journal next to the first output, if there is one; print how many cases --resume skips."""
    from pathlib import Path

    from segeval.running.journal import Journal
    from segeval.running.run import scorable, taken_over

    if not options["outputs"]:
        return None
    path = Path(options["outputs"][0]).with_suffix(".journal")
    journal = Journal(path, settings=settings.of_journal(plan), resume=options["resume"])
    if journal.exists:
        known = journal.unchanged(scorable(cases, settings))
        maps = settings.error_maps
        count = len(known) if maps is None else sum(1 for _ in taken_over(journal, known, plan, settings))
        remark(f"{count} of {len(cases)} cases were scored before, according to {shown(path)}", quiet=options["quiet"])
    elif options["resume"]:
        remark(f"no journal {shown(path)} to resume: scoring all cases", quiet=options["quiet"])
    return journal


def _show_pairing(pairing: Pairing, options: dict[str, Any]) -> int:
    """Print the pairs; return the exit code, which is 3 if a prediction is missing."""
    from segeval.running.batch import stray_warnings

    if not pairing.cases:
        complain(f"part {options['shard']} has no case" if options["shard"] else "no case found")
        return NOTHING_TO_DO
    if options["kind"] == "table":
        from segeval.reports.pairing_table import print_pairing

        with data_printer(no_color=options["no_color"]) as printer:
            print_pairing(pairing, printer)
    else:
        writer = WRITERS[options["kind"]]
        style = {"style": style_of(options)} if "style" in writer.takes else {}
        write_document(loaded(writer.pairing)(pairing, **style))
    warn(stray_warnings(pairing), quiet=options["quiet"])
    refused = options["missing"] == "error"
    lost = [each for each in pairing.cases if each.problem is not None or (each.prediction is None and refused)]
    if lost:
        complain(f"{len(lost)} of {len(pairing.cases)} references have no prediction of their own")
        return InputError.exit_code
    return 0
