"""Score many cases: two folders or a table of pairs, on this machine or on a cluster.

Cases are paired, scored by an executor, written to the journal, grouped and summed up. All this takes longer to load
than a pair takes to score, so that scoring a pair does not import it.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace

from segeval.errors import UsageError, about, shown
from segeval.pairing import Pairing, pair_folders, read_pairs
from segeval.pairing.patterns import compile_pattern
from segeval.reading.metadata import read_metadata
from segeval.results.results import Results
from segeval.results.run_rows import Shard
from segeval.running.executor import Executor
from segeval.running.journal import Journal
from segeval.running.processes import Processes
from segeval.running.processors import processors
from segeval.running.run import run
from segeval.running.settings import RunSettings
from segeval.running.shards import shard_of
from segeval.scoring.batch_options import WORKER_TIMEOUT
from segeval.scoring.case import Outcome
from segeval.scoring.cases import collect
from segeval.scoring.plan import Plan
from segeval.text import counted, enumerated
from segeval.writing.error_maps import ErrorMaps

MOST_NAMED = 5
NO_GROUP = "(not in the metadata)"


def executor_of(
    *,
    jobs: int | None = None,
    dask: str | None = None,
    scheduler_file: str | os.PathLike[str] | None = None,
    worker_timeout: float | None = None,
    on_warning: Callable[[str], None] = warnings.warn,
) -> AbstractContextManager[Executor]:
    """Return a context manager for what scores the cases: processes of this machine, or workers of a cluster.

    Parameters
    ----------
    jobs, dask, scheduler_file, worker_timeout
        See `batch`.
    on_warning
        Called with a warning about the workers.

    Raises
    ------
    UsageError
        Options for both; see `segeval.running.dask_connection.connected` for the rest.
    """
    if dask is None and scheduler_file is None:
        if worker_timeout is not None:
            raise UsageError("worker_timeout is for a cluster", hint="name its scheduler, or leave out worker_timeout")
        return nullcontext(Processes(processors() if jobs is None else jobs))
    if jobs is not None:
        raise UsageError("jobs is for this machine only", hint="a cluster runs one case per thread of its workers")
    from segeval.running.dask_connection import connected  # deferred: few have a cluster

    patience = WORKER_TIMEOUT if worker_timeout is None else worker_timeout
    return connected(dask, scheduler_file=scheduler_file, worker_timeout=patience, on_warning=on_warning)


def error_maps_of(pairing: Pairing, folder: str | os.PathLike[str], *, inputs: Iterable[str] = ()) -> ErrorMaps:
    """The folder for the error maps of all cases, made ready; see `segeval.writing.error_maps.ErrorMaps.at`."""
    files = [path for case in pairing.cases for path in case.files]
    return ErrorMaps.at(folder, cases=[case.name for case in pairing.cases], inputs=[*inputs, *files])


def pair(
    predictions: str | os.PathLike[str] | None,
    references: str | os.PathLike[str] | None,
    *,
    pairs: str | os.PathLike[str] | None = None,
    pattern: str | None = None,
    prediction_pattern: str | None = None,
    reference_pattern: str | None = None,
    probabilities: bool = False,
) -> Pairing:
    """The cases of two folders, or of a table of pairs; see `batch`."""
    for name, each in (("prediction_pattern", prediction_pattern), ("reference_pattern", reference_pattern)):
        with about(name):
            compile_pattern(each)
    if pairs is not None:
        if any(each is not None for each in (predictions, references, pattern, prediction_pattern, reference_pattern)):
            raise UsageError("a table of pairs cannot be combined with folders or patterns")
        with about("pairs"):
            return read_pairs(os.fspath(pairs))
    if predictions is None or references is None:
        raise UsageError("give two folders, predictions and references, or a table of pairs")
    return pair_folders(
        os.fspath(predictions),
        os.fspath(references),
        prediction_pattern=prediction_pattern or pattern,
        reference_pattern=reference_pattern or pattern,
        probabilities=probabilities,
    )


def evaluate(
    pairing: Pairing,
    plan: Plan,
    settings: RunSettings,
    *,
    executor: Executor,
    journal: Journal | None = None,
    on_finished: Callable[[Outcome], None] | None = None,
) -> Results:
    """Score cases and sum them up, for the command line and for `segeval.batch`.

    Parameters
    ----------
    pairing
        All cases, including those of other parts of the run.
    plan, settings, executor, journal
        See `segeval.running.run.run`.
    on_finished
        Called with the outcome of each case as it is finished.
    """
    cases = shard_of(pairing.cases, settings.shard)
    groups, remarks = _groups(settings.metadata, settings.by, [case.name for case in pairing.cases])
    seconds: dict[str, float] = {}

    def outcomes() -> Iterator[Outcome]:
        with closing(run(cases, plan, settings, executor=executor, journal=journal)) as found:
            for outcome in found:
                if on_finished is not None:
                    on_finished(outcome)
                record = outcome.record
                if outcome.seconds is not None:
                    seconds[record.case] = outcome.seconds
                yield replace(outcome, record=replace(record, groups=groups.get(record.case, {})))

    results = collect(outcomes(), plan, order=[case.name for case in cases], settings=settings.settings())
    notes = (*pairing.remarks, *stray_warnings(pairing), *remarks)
    return replace(results, warnings=notes, shard=_part(settings.shard, pairing), seconds=seconds)


def _part(shard: str | None, pairing: Pairing) -> Shard | None:
    """Return which part was scored, and a digest of the whole run."""
    if shard is None:
        return None
    whole = [(case.name, case.prediction, case.reference) for case in pairing.cases]
    digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    return Shard(part=shard, cases=len(whole), digest=digest)


def stray_warnings(pairing: Pairing) -> list[str]:
    """Return a warning about predictions without a reference."""
    if not pairing.strays:
        return []
    verb = "has" if len(pairing.strays) == 1 else "have"
    named = enumerated(pairing.strays, shown, most=MOST_NAMED, last=", ")
    return [f"{counted(len(pairing.strays), 'prediction')} {verb} no reference: {named}"]


def grouped(results: Results, *, metadata: str, by: Sequence[str]) -> Results:
    """Return the results summed up by the columns of a table, instead of their own groups.

    Parameters
    ----------
    results
        Results of any number of cases.
    metadata, by
        See `batch`.

    Raises
    ------
    InputError
        The table cannot be read.
    UsageError
        It has no such column.
    """
    groups, remarks = _groups(metadata, by, [record.case for record in results.cases])
    cases = tuple(replace(record, groups=groups.get(record.case, {})) for record in results.cases)
    settings = {**results.settings, "by": list(by)}
    return replace(results, cases=cases, settings=settings, warnings=(*results.warnings, *remarks))


def _groups(
    metadata: str | os.PathLike[str] | None, by: Sequence[str], cases: Sequence[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return case -> column -> value of the columns to group by, and remarks on the table."""
    if not by:
        return {}, []
    if metadata is None:
        raise UsageError("by needs metadata, the table with the columns to group by")
    source = os.fspath(metadata)
    with about("metadata"):
        table = read_metadata(source, columns=by)
    lacking = [case for case in cases if case not in table]
    groups = {case: table.get(case, dict.fromkeys(by, NO_GROUP)) for case in cases}
    if not lacking:
        return groups, []
    named = enumerated(lacking, shown, most=MOST_NAMED, last=", ")
    return groups, [f"{len(lacking)} of {len(cases)} cases are not in {shown(source)}: {named}"]
