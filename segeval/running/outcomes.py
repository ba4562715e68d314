"""Outcomes of cases: decides on status, message, exit code, and whether a case is tried again."""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any, Literal

from segeval.errors import InputError, OutOfMemoryError, SegevalError, shown
from segeval.reading import file_behind
from segeval.results.rows import CaseRecord, Status
from segeval.running.executor import Loss
from segeval.scoring.batch_options import Missing
from segeval.scoring.case import Case, Outcome

DEFECT = 1  # the exit code


def outcome_of(
    case: Case,
    event: Literal["begin", "fail fast"] | Outcome | Loss,
    *,
    missing: Missing = "error",
    is_last_try: bool = True,
) -> Outcome | None:
    """Return the outcome of a case after an event.

    Parameters
    ----------
    case
        The case.
    event
        ``"begin"``: the run has started. An outcome or a loss: what the executor returned for the case.
        ``"fail fast"``: another case could not be scored.
    missing
        See `segeval.running.settings.RunSettings`.
    is_last_try
        Whether this was the last try. Before it, other cases may have caused a lack of memory or a killed process.

    Returns
    -------
    Outcome or None
        None if the case is to be tried, or tried again.
    """
    match event:
        case "begin":
            return _untried(case, missing)
        case "fail fast":
            return _unscored(case, "skipped", "not tried, because another case could not be scored (--fail-fast)")
        case Loss(is_final=True):
            return _unscored(case, "failed", event.cause)
        case Loss():
            cause = f"{event.cause} (tried twice, the second time alone)"
            return _unscored(case, "failed", cause) if is_last_try else None
        case Outcome(is_out_of_memory=True) if not is_last_try:
            return None
    for path in filter(_is_readable, event.unseen):
        problem = InputError(
            f"the worker on {shown(event.host)} cannot read the file, this machine can",
            source=path,
            hint="share the folder, with the same rights",
        )
        return _unscored(case, "failed", str(problem))
    return event


def _untried(case: Case, missing: Missing) -> Outcome | None:
    """Return the outcome of a case that is not tried; None if it is to be tried."""
    if case.problem is not None:
        return _unscored(case, "failed", case.problem)
    if case.prediction is not None or missing == "empty":
        return None
    if missing == "skip":
        return _unscored(case, "skipped", "no prediction; left out")
    near = f"; similar: {', '.join(map(shown, case.near))}" if case.near else ""
    return _unscored(case, "missing", f"no prediction{near}")


def failure_of(case: Case, error: Exception, *, folder: str | None = None, is_remote: bool = False) -> Outcome:
    """Return the outcome of a case that raised an error.

    Parameters
    ----------
    case, error
        The case and the error.
    folder
        Folder of its relative paths.
    is_remote
        Whether this machine is not the caller's, and may see other files.
    """
    if isinstance(error, MemoryError):
        return _unscored(case, "failed", "not enough memory to score it", is_out_of_memory=True)
    if not isinstance(error, SegevalError):
        cause = f"a defect in segeval: {type(error).__name__}: {shown(error)}"
        defect = "".join(traceback.format_exception(error))
        return _unscored(case, "failed", cause, exit_code=DEFECT, defect=defect)
    places = {path: os.path.join(folder or "", path) for path in case.files}  # noqa: PTH118 - the names as they are
    return _unscored(
        case,
        "failed",
        str(error),
        exit_code=error.exit_code,
        is_out_of_memory=isinstance(error, OutOfMemoryError),
        unseen=tuple(path for path, place in places.items() if is_remote and not _is_readable(place)),
        host=socket.gethostname() if is_remote else "",
    )


def _unscored(
    case: Case, status: Status, message: str, *, exit_code: int = InputError.exit_code, **facts: Any
) -> Outcome:
    record = CaseRecord(
        case=case.name,
        status=status,
        prediction=case.prediction,
        reference=case.reference,
        message=message,
        exit_code=0 if status == "skipped" else exit_code,
    )
    return Outcome(record=record, **facts)


def _is_readable(path: str) -> bool:
    return os.access(file_behind(path), os.R_OK)
