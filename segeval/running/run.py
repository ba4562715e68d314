"""Score many cases, each in a separate process; each comes back scored or with the reason why not.

The executor decides where the processes run: here, or on machines that see the same files. No case affects another. If
a process is killed or runs out of memory, its case is tried again, alone, after all others; a case that takes longer
than the timeout is given up. A scored case is written to the journal before it is passed on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from segeval.errors import InputError
from segeval.reading.files import watched
from segeval.running.executor import Executor
from segeval.running.journal import Journal
from segeval.running.outcomes import failure_of, outcome_of
from segeval.running.settings import RunSettings
from segeval.scoring.case import Case, Outcome
from segeval.scoring.cases import score_case
from segeval.scoring.inputs import inputs_of
from segeval.scoring.plan import Plan

PRELOADED = ("segeval.scoring.cases", "segeval.reading.nifti", "segeval.reading.picture")


def run(
    cases: Sequence[Case], plan: Plan, settings: RunSettings, *, executor: Executor, journal: Journal | None = None
) -> Generator[Outcome, None, None]:
    """Score cases.

    Parameters
    ----------
    cases
        Cases with different names.
    plan
        What to score and how.
    settings
        Settings of the run.
    executor
        Executor, for instance `segeval.running.processes.Processes`.
    journal
        Journal to which scored cases are written, and from which they are taken over.

    Yields
    ------
    Outcome
        Outcome of each case, in the order in which they finish.

    Raises
    ------
    UsageError
        The journal cannot be written.
    """
    waiting = {case.name: case for case in cases}
    try:
        if journal is not None:
            journal.begin()
        with closing(_outcomes(cases, plan, settings, executor, journal)) as outcomes:
            for outcome in outcomes:
                del waiting[outcome.record.case]
                yield outcome
                if settings.fail_fast and outcome.record.exit_code:
                    break
        yield from filter(None, (outcome_of(case, "fail fast") for case in waiting.values()))
    finally:
        if journal is not None:
            journal.close()


def _outcomes(
    cases: Sequence[Case], plan: Plan, settings: RunSettings, executor: Executor, journal: Journal | None
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each case, first of those that need not be tried."""
    for case in cases:
        if (outcome := outcome_of(case, "begin", missing=settings.missing)) is not None:
            yield outcome
    pending = {case.name: case for case in scorable(cases, settings)}
    if journal is not None:
        for outcome in taken_over(journal, list(pending.values()), plan, settings):
            del pending[outcome.record.case]
            yield outcome
    function = partial(
        attempt,
        plan=plan,
        settings=settings,
        folder=_folder_of(pending.values()),
        with_inputs=journal is not None,
        is_remote=executor.is_remote,
    )
    for is_last_try in (False, True):
        tried = list(pending.values())
        with closing(
            executor.run(function, tried, timeout=settings.timeout, alone=is_last_try, preload=PRELOADED)
        ) as ends:
            for case, end in ends:
                if (outcome := outcome_of(case, end, is_last_try=is_last_try)) is None:
                    continue
                del pending[case.name]
                if journal is not None and outcome.record.status == "scored":
                    journal.add(outcome)
                yield outcome


def scorable(cases: Iterable[Case], settings: RunSettings) -> list[Case]:
    """Return the cases that are tried, or taken over from a journal; see `run`."""
    return [case for case in cases if outcome_of(case, "begin", missing=settings.missing) is None]


def taken_over(journal: Journal, cases: Iterable[Case], plan: Plan, settings: RunSettings) -> Iterator[Outcome]:
    """Yield journal entries of cases that have not changed and have all their error maps, if these are written."""
    maps = settings.error_maps
    for outcome in journal.taken_over(cases):
        record = outcome.record
        signature = plan.signature({(len(record.shape or ()), record.unit or "")})
        if maps is None or maps.are_there(outcome.counts, outcome.names, case=record.case, signature=signature):
            yield outcome


def attempt(
    case: Case, *, plan: Plan, settings: RunSettings, folder: str | None, with_inputs: bool, is_remote: bool
) -> Outcome:
    """Score a case in a separate process; errors are returned, not raised.

    Parameters
    ----------
    case, plan, settings
        See `run`.
    folder
        Folder of relative paths; the process changes to it. If a machine does not have the folder, the case fails, even
        if the same names exist elsewhere.
    with_inputs
        Whether to return which files were read.
    is_remote
        Whether this machine is not the caller's.
    """
    started = time.perf_counter()
    outcome = _attempted(case, plan, settings, folder, with_inputs=with_inputs, is_remote=is_remote)
    return replace(outcome, seconds=time.perf_counter() - started)


def _attempted(
    case: Case, plan: Plan, settings: RunSettings, folder: str | None, *, with_inputs: bool, is_remote: bool
) -> Outcome:
    try:
        if folder is not None and _relative(case):
            _enter(folder)
        with watched() as seen:
            outcome = score_case(case, plan, error_maps=settings.error_maps)
        folders = [path for path in case.files if Path(path).is_dir()]
        return replace(
            outcome,
            table=outcome.table if settings.with_tables else None,
            inputs=inputs_of(seen, folders) if with_inputs else (),
        )
    except Exception as error:  # noqa: BLE001 - a defect costs only its own case; its traceback is shown
        return failure_of(case, error, folder=folder, is_remote=is_remote)


def _folder_of(cases: Iterable[Case]) -> str | None:
    """Return the folder of relative paths; None if there are none."""
    return os.getcwd() if any(map(_relative, cases)) else None  # noqa: PTH109 - the path stays as it is


def _relative(case: Case) -> list[str]:
    return [path for path in case.files if not os.path.isabs(path)]  # noqa: PTH117 - the name as it is


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError:
        raise InputError("no such folder", source=folder) from None
