"""The table of the gate: each requirement with what was found, and whether it passed or FAILED."""

from __future__ import annotations

from segeval.reports.layout import Column
from segeval.reports.terminal import Printer
from segeval.results.results import Results
from segeval.results.run_rows import Verdict


def found(verdict: Verdict) -> str:
    """What a requirement found: six digits, or as many more as tell it from the limit.

    Examples
    --------
    >>> found(Verdict(requirement="1:dice=0.93", value=0.9299999996, passed=False))
    '0.9299999996'
    """
    if verdict.value is None:
        return "undefined"
    limit = float(verdict.requirement.rpartition("=")[2])
    texts = (f"{verdict.value:.{digits}g}" for digits in range(6, 18))
    return next(text for text in texts if (float(text) == limit) == (verdict.value == limit))


def print_gate(results: Results, printer: Printer) -> None:
    """Print each requirement with what was found, and whether it passed or FAILED.

    Parameters
    ----------
    results
        Judged by the gate.
    printer
        Where to.
    """
    verdicts, text = results.gate, printer.alphabet.text
    if not verdicts:
        return
    worst = [text(each.worst_case or "") for each in verdicts]
    columns = [
        Column(head=("found",), cells=[found(each) for each in verdicts], right=True),
        Column(head=("",), cells=["passed" if each.passed else "FAILED" for each in verdicts]),
        *([Column(head=("worst case",), cells=worst, prose=True)] if any(worst) else []),
    ]
    requirements = Column(head=("requirement",), cells=[text(each.requirement) for each in verdicts])
    lines = [line for block in printer.blocks([requirements], columns) for line in block]
    styles = {"FAILED": "bold red", "passed": "green"}
    printer.print([[(text, styles.get(text, style)) for text, style in line] for line in lines])
