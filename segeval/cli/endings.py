"""The end of a command: its exit code, and the reason as the last line on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segeval.cli.streams import complain, remark
from segeval.errors import InputError, SegevalError, shown
from segeval.text import counted, enumerated

if TYPE_CHECKING:
    from segeval.results.results import Results

NOT_MET = 4
MOST_NAMED = 5  # cases or requirements in the last line; the others are in the results


def _few(texts: Sequence[str]) -> str:
    return enumerated(texts, str, most=MOST_NAMED, last=", ")


def ended(results: Results, options: dict[str, Any], *, problems: Sequence[SegevalError] = ()) -> int:
    """Print the reasons for the exit code on stderr, the most serious last, and return the code.

    Parameters
    ----------
    results
        Results with their verdicts.
    options
        Options of the command line. If the table of results was printed, it has named the cases and requirements.
    problems
        Other errors of the run.
    """
    from segeval.reports.gate_table import verdict_line

    named = options["kind"] == "table"
    causes: list[tuple[int, SegevalError | str]] = [(problem.exit_code, problem) for problem in problems]
    incomplete = [record for record in results.cases if record.status == "scored" and record.exit_code]
    if incomplete:
        cases = counted(len(results.cases), "case")
        names = _few([shown(record.case) for record in incomplete])
        why = f"; {shown(incomplete[0].warnings[-1])}" if incomplete[0].warnings else ""
        causes.append((results.exit_code, f"{len(incomplete)} of {cases} without all error maps: {names}{why}"))
    code, lost = _lost(results, named=named)
    missed = any(not verdict.passed for verdict in results.gate)
    if missed:
        verdict = verdict_line(results) + ("" if named else f": {_few(_missed(results))}")
        causes.append((min(code or NOT_MET, NOT_MET), "; ".join(filter(None, [verdict, lost]))))
    elif lost:
        causes.append((code, lost))
    for _, cause in sorted(causes, key=lambda cause: -cause[0]):
        complain(cause, title="FAILED" if missed and isinstance(cause, str) and cause.startswith(verdict) else "error")
    if not causes and results.gate:
        remark(f"passed: {verdict_line(results)}", quiet=options["quiet"])
    return min((each for each, _ in causes), default=0)


def _missed(results: Results) -> list[str]:
    """Return the requirements that were not met, each with the value that was found."""
    from segeval.reports.gate_table import found

    return [f"{shown(each.requirement)} (found {found(each)})" for each in results.gate if not each.passed]


def _lost(results: Results, *, named: bool) -> tuple[int, str]:
    """Return the exit code for cases that were not scored, and a sentence on them; with names unless `named`."""
    from segeval.results.rows import LOST

    lost = [record for record in results.cases if record.status in LOST]
    if not lost:
        return 0, ""
    code = min(record.exit_code for record in lost)
    line = f"{len(lost)} of {counted(len(results.cases), 'case')} {'was' if len(lost) == 1 else 'were'} not scored"
    if not named:
        line += f": {_few([f'{shown(record.case)} ({record.status})' for record in lost])}"
    if code < InputError.exit_code:  # most likely one reason for all of them, which is not in the inputs
        line += f"; {shown(lost[0].message or '')}"
    return code, line
