"""Many cases: each is scored in a process of its own, and comes back scored or with the reason why not.

Where the processes are is the executor's business: here, or on machines that see the same files. Nothing that happens
to one case touches another. A case whose process is killed or runs out of memory is tried once
more when all others are done, with the machine to itself; a case that takes longer than the timeout is given up. What
is scored is written to the journal before it is told of.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segeval.errors import InputError, OutOfMemoryError, SegevalError, UsageError, shown
from segeval.reading import file_behind
from segeval.reading.files import watched
from segeval.results.rows import CaseRecord, Status
from segeval.running.journal import Input, Journal, inputs_of
from segeval.running.processes import Ended, Executor
from segeval.scoring.cases import Case, Outcome, score_case
from segeval.scoring.plan import Plan

if TYPE_CHECKING:
    from segeval.writing.error_maps import ErrorMaps

Missing = Literal["error", "empty", "skip"]

DEFECT = 1  # the exit code
PRELOADED = ("segeval.scoring.cases", "segeval.reading.nifti", "segeval.reading.picture")
NOT_RUN = "not scored, because another case could not be (fail fast)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of trying to score a case.

    Parameters
    ----------
    outcome
        What became of it.
    inputs
        The files that were read.
    defect
        The traceback of a defect.
    exhausted
        Whether there was not enough memory.
    unseen
        Those of the case's files that were not there.
    """

    outcome: Outcome
    inputs: tuple[Input, ...] = ()
    defect: str | None = None
    exhausted: bool = False
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A case that is done with.

    Parameters
    ----------
    outcome
        What became of it.
    defect
        See `Attempt`.
    taken_over
        Whether it was scored by an earlier run.
    """

    outcome: Outcome
    defect: str | None = None
    taken_over: bool = False


def run(
    cases: Sequence[Case],
    plan: Plan,
    *,
    executor: Executor,
    missing: Missing = "error",
    timeout: float | None = None,
    fail_fast: bool = False,
    journal: Journal | None = None,
    with_tables: bool = False,
    error_maps: ErrorMaps | None = None,
) -> Generator[Finished, None, None]:
    """Score cases.

    Parameters
    ----------
    cases
        Their names are different.
    plan
        What is asked for.
    executor
        What applies a function to many items: `segeval.running.processes.Processes`, for instance.
    missing
        What becomes of a case without a prediction: ``"error"`` it is not scored, which is an error; ``"empty"`` it
        is scored as if nothing had been found; ``"skip"`` it is left out.
    timeout
        Seconds that one case may take, more than 0.
    fail_fast
        Whether the rest is left alone after the first case that cannot be scored.
    journal
        Where scored cases are written, and taken over from.
    with_tables
        Whether outcomes carry their contingency tables.
    error_maps
        Where error maps go, if they are wanted. A case whose maps cannot be written is not scored; one whose maps are
        not there is not taken over.

    Yields
    ------
    Finished
        Each case once, in the order in which they end.

    Raises
    ------
    UsageError
        Such a timeout, or a journal that cannot be written.
    """
    if timeout is not None and not timeout > 0:
        raise UsageError(f"timeout is a number of seconds above 0, not {timeout}")
    return _run(
        cases,
        plan,
        executor=executor,
        missing=missing,
        timeout=timeout,
        fail_fast=fail_fast,
        journal=journal,
        with_tables=with_tables,
        error_maps=error_maps,
    )


def _run(
    cases: Sequence[Case],
    plan: Plan,
    *,
    executor: Executor,
    missing: Missing,
    timeout: float | None,
    fail_fast: bool,
    journal: Journal | None,
    with_tables: bool,
    error_maps: ErrorMaps | None,
) -> Generator[Finished, None, None]:
    waiting: dict[str, Case] = {case.name: case for case in cases}
    try:
        if journal is not None:
            journal.begin()
        with closing(
            _all(
                cases,
                plan,
                executor=executor,
                missing=missing,
                timeout=timeout,
                journal=journal,
                with_tables=with_tables,
                error_maps=error_maps,
            )
        ) as ends:
            for finished in ends:
                del waiting[finished.outcome.record.case]
                yield finished
                if fail_fast and finished.outcome.record.exit_code:
                    break
        for case in waiting.values():
            yield Finished(outcome=_lost(case, "skipped", NOT_RUN))
    finally:
        if journal is not None:
            journal.close()


def _all(
    cases: Sequence[Case],
    plan: Plan,
    *,
    executor: Executor,
    missing: Missing,
    timeout: float | None,
    journal: Journal | None,
    with_tables: bool,
    error_maps: ErrorMaps | None,
) -> Generator[Finished, None, None]:
    to_score: dict[str, Case] = {}
    for case in cases:
        finished = _unscorable(case, missing)
        if finished is not None:
            yield finished
        else:
            to_score[case.name] = case
    if journal is not None:
        for case, outcome in taken_over(journal, list(to_score.values()), plan, error_maps):
            del to_score[case.name]
            yield Finished(outcome=outcome, taken_over=True)
    function = partial(
        attempt,
        plan=plan,
        with_table=with_tables,
        with_inputs=journal is not None,
        folder=_folder_of(to_score.values()),
        error_maps=error_maps,
    )
    again: list[Case] = []
    for alone in (False, True):
        chosen = again if alone else list(to_score.values())
        with closing(executor.run(function, chosen, timeout=timeout, alone=alone, preload=PRELOADED)) as ends:
            for ended in ends:
                if not alone and _is_worth_another_try(ended):
                    again.append(ended.item)
                    continue
                found = _judged(ended)
                if journal is not None and found.outcome.record.status == "scored":
                    journal.add(found.outcome, found.inputs)
                yield Finished(outcome=found.outcome, defect=found.defect)


def taken_over(
    journal: Journal, cases: Iterable[Case], plan: Plan, error_maps: ErrorMaps | None
) -> Iterator[tuple[Case, Outcome]]:
    """What the journal has of cases that have not changed since, and whose error maps are there if they are wanted."""
    for case, outcome in journal.taken_over(cases):
        record = outcome.record
        signature = plan.signature({(len(record.shape or ()), record.unit or "")})
        if error_maps is None or error_maps.are_there(
            outcome.counts, outcome.names, case=case.name, signature=signature
        ):
            yield case, outcome


def scorable(cases: Iterable[Case], missing: Missing) -> list[Case]:
    """Those of the cases that are tried at all, and may be taken over; see `run`."""
    return [case for case in cases if _unscorable(case, missing) is None]


def _unscorable(case: Case, missing: Missing) -> Finished | None:
    """What becomes of a case that is not even tried."""
    if case.problem is not None:
        return Finished(outcome=_lost(case, "failed", case.problem))
    if case.prediction is None and missing == "error":
        return Finished(outcome=_lost(case, "missing", _missing(case)))
    if case.prediction is None and missing == "skip":
        return Finished(outcome=_lost(case, "skipped", "there is no prediction; it is left out"))
    return None


def _is_worth_another_try(ended: Ended[Case, Attempt]) -> bool:
    """Whether a case fared so badly that it may have been the other cases' fault."""
    if ended.result is None:
        return not ended.is_final
    return ended.result.exhausted


def _judged(ended: Ended[Case, Attempt]) -> Attempt:
    if ended.result is not None:
        return _told_apart(ended.item, ended.result, ended.host)
    cause = ended.cause if ended.is_final else f"{ended.cause} (tried twice, the second time alone)"
    return Attempt(outcome=_lost(ended.item, "failed", cause or ""))


def _told_apart(case: Case, attempt: Attempt, host: str | None) -> Attempt:
    """The attempt, and where its machine did not find a file that this one sees, that instead."""
    seen = list(filter(_is_readable, attempt.unseen))
    if host is None or not seen:
        return attempt
    problem = InputError(
        f"this machine sees it, the worker on {shown(host)} does not",
        source=seen[0],
        hint="is the folder shared, with the same rights?",
    )
    return Attempt(outcome=_lost(case, "failed", str(problem)))


def _is_readable(path: str) -> bool:
    return os.access(file_behind(path), os.R_OK)


def _folder_of(cases: Iterable[Case]) -> str | None:
    """Where relative paths begin, if there are any."""
    return os.getcwd() if any(map(_relative, cases)) else None  # noqa: PTH109 - it goes to the system as it is


def _relative(case: Case) -> list[str]:
    return [path for path in _paths(case) if not os.path.isabs(path)]  # noqa: PTH117 - the name as it is


def _paths(case: Case) -> list[str]:
    return [path for path in (case.prediction, case.reference) if path is not None]


def attempt(
    case: Case,
    *,
    plan: Plan,
    with_table: bool,
    with_inputs: bool,
    folder: str | None,
    error_maps: ErrorMaps | None = None,
) -> Attempt:
    """Score a case; what goes wrong is returned, not raised.

    Parameters
    ----------
    case, plan
        The case and what is asked for.
    with_table, with_inputs
        Whether its contingency table is wanted, and what was read.
    folder
        Where relative paths begin; this process goes there. A machine that does not have it sees none of their files,
        whatever lies under the same names in another place.
    error_maps
        See `run`.
    """
    if folder is not None and (relative := _relative(case)):
        try:
            os.chdir(folder)
        except OSError:
            nowhere = InputError("no such folder", source=folder)
            return Attempt(outcome=_lost(case, "failed", str(nowhere)), unseen=tuple(relative))
    try:
        with watched() as seen:
            outcome = score_case(case, plan, error_maps=error_maps)
        if not with_table:
            outcome = Outcome(record=outcome.record, scores=outcome.scores, counts=outcome.counts, names=outcome.names)
        folders = [path for path in _paths(case) if Path(path).is_dir()]
        inputs = inputs_of(seen, folders) if with_inputs else ()
    except MemoryError:
        lost = _lost(case, "failed", "there is not enough memory to score it")
        return Attempt(outcome=lost, exhausted=True)
    except SegevalError as error:
        exhausted = isinstance(error, OutOfMemoryError)
        lost = _lost(case, "failed", str(error), exit_code=error.exit_code)
        unseen = tuple(path for path in _paths(case) if not _is_readable(path))
        return Attempt(outcome=lost, exhausted=exhausted, unseen=unseen)
    except Exception as error:  # noqa: BLE001 - a defect costs its own case, and is told with its traceback
        cause = f"a defect in segeval: {type(error).__name__}: {shown(error)}"
        return Attempt(outcome=_lost(case, "failed", cause, exit_code=DEFECT), defect=traceback.format_exc())
    return Attempt(outcome=outcome, inputs=inputs)


def _lost(case: Case, status: Status, message: str, *, exit_code: int = InputError.exit_code) -> Outcome:
    return Outcome(
        record=CaseRecord(
            case=case.name,
            status=status,
            prediction=case.prediction,
            reference=case.reference,
            message=message,
            exit_code=0 if status == "skipped" else exit_code,
        )
    )


def _missing(case: Case) -> str:
    near = f"; near are {', '.join(map(shown, case.near))}" if case.near else ""
    return f"there is no prediction{near}"


def shard_of(cases: Sequence[Case], shard: str) -> list[Case]:
    """The cases of one part of a run in several: ``"2/3"`` is every third from the second.

    Raises
    ------
    UsageError
        It is no part.

    Examples
    --------
    >>> names = [Case(name=name, prediction=None, reference=name) for name in "abcde"]
    >>> [case.name for case in shard_of(names, "2/3")]
    ['b', 'e']
    """
    number, count = parse_shard(shard)
    return list(cases[number - 1 :: count])


def parse_shard(shard: str) -> tuple[int, int]:
    """Read ``"2/3"``; see `shard_of`."""
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"a shard is I/N, from 1/N to N/N, found {shown(shard)!r}")
    return int(number), int(count)
