"""Printed requirements of a run: which were met, which were not, and the worst case of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segeval.reports.layout import Line
from segeval.reports.notation import Alphabet
from segeval.reports.terminal import Printer
from segeval.results.gate import parse_requirement
from segeval.results.results import Results
from segeval.results.run_rows import Verdict

DIGITS = 4  # fewest digits of a value that was found
FEW_UNDEFINED = 3  # requirements without a value that are listed one by one
MOST_ROWS = 20  # most labels listed that do not meet a requirement
NOT_MET, MET = "not met", "met"


def found(verdict: Verdict, *, digits: int = 6) -> str:
    """Return the value that was found, with `digits` digits or as many as distinguish it from the limit.

    Examples
    --------
    >>> found(Verdict(requirement="1:dice=0.93", value=0.9299999996, passed=False))
    '0.9299999996'
    """
    if verdict.value is None:
        return "undefined"
    limit = float(verdict.requirement.rpartition("=")[2])
    texts = (f"{verdict.value:.{each}g}" for each in range(digits, 18))
    return next(text for text in texts if (float(text) == limit) == (verdict.value == limit))


def _shown(verdict: Verdict) -> str:
    """Return the value that was found for a column of values: with trailing zeros, unless it is a whole number."""
    text = found(verdict, digits=DIGITS)
    if verdict.value is None or float(text).is_integer():
        return text
    padded = f"{verdict.value:#.{DIGITS}g}"
    return padded if float(padded) == float(text) else text


def gate_lines(results: Results, printer: Printer) -> list[Line]:
    """Return each requirement with the labels that do not meet it, and the number of labels that do.

    Parameters
    ----------
    results
        Results with their verdicts.
    printer
        Printer, which sets the width and the alphabet.
    """
    grouped: dict[str, list[Verdict]] = {}
    for verdict in results.gate:
        grouped.setdefault(_without_label(verdict), []).append(verdict)
    rows: list[tuple[str, ...]] = []
    for title, verdicts in grouped.items():
        rows += _rows(printer.alphabet.text(title), verdicts, printer.alphabet)
    return [[(text, _style(text)) for text, _ in line] for line in printer.hanging(rows)]


def print_gate(results: Results, printer: Printer) -> None:
    """Print the requirements; see `gate_lines`."""
    if results.gate:
        printer.print(gate_lines(results, printer))


def verdict_line(results: Results) -> str:
    """Return the verdict in one sentence: ``"4 of 5 requirements not met"``; empty without requirements."""
    count, missed = len(results.gate), sum(not verdict.passed for verdict in results.gate)
    if not count:
        return ""
    if count == 1:
        return "requirement not met" if missed else "requirement met"
    return f"{missed} of {count} requirements not met" if missed else f"all {count} requirements met"


def _without_label(verdict: Verdict) -> str:
    """Return a requirement without its label, with the operator that it stands for: ``"dice >= 0.85"``."""
    requirement = parse_requirement(verdict.requirement)
    what = f"|{requirement.what}|" if requirement.absolute else requirement.what
    return f"{what} {'>=' if requirement.at_least else '<='} {requirement.limit:.15g}"


def _label(verdict: Verdict) -> str:
    label = parse_requirement(verdict.requirement).label or ""
    return {"macro": "mean over labels", "macro_pooled": "pooled, mean over labels"}.get(label, label)


def _rows(title: str, verdicts: Sequence[Verdict], alphabet: Alphabet) -> list[tuple[str, ...]]:
    """Return the rows of one requirement: title, value, worst case, label."""
    missed = [verdict for verdict in verdicts if not verdict.passed]
    passed = [verdict for verdict in verdicts if verdict.passed]
    if not missed:
        return [(title, f"met by {_nearest(title, passed, alphabet)}")]
    in_cases = any(verdict.worst_case for verdict in verdicts)
    heads = (title, "found", "worst case", "") if in_cases else (title, "found", "")
    rows: list[tuple[str, ...]] = [heads]
    defined = [verdict for verdict in missed if verdict.value is not None]
    undefined = [verdict for verdict in missed if verdict.value is None]
    listed = [*defined, *undefined] if len(undefined) <= FEW_UNDEFINED else defined
    for verdict in listed[:MOST_ROWS]:
        worst = (alphabet.text(verdict.worst_case or ""),) if in_cases else ()
        rows.append((f"  {NOT_MET}", _shown(verdict), *worst, alphabet.text(_label(verdict))))
    if len(listed) > MOST_ROWS:
        rows.append((f"  {NOT_MET}", f"by {len(listed) - MOST_ROWS} more, in the files that -o writes"))
    if len(listed) < len(missed):
        rows.append((f"  {NOT_MET}", f"by {len(undefined)} without a value"))
    if passed:
        rows.append((f"  {MET}", f"by {_nearest(title, passed, alphabet)}"))
    return rows


def _nearest(title: str, passed: Sequence[Verdict], alphabet: Alphabet) -> str:
    """Return how many labels and regions meet a requirement, and the value that is nearest to the limit."""
    at_least, absolute = " >= " in title, title.startswith("|")
    values = [verdict for verdict in passed if verdict.value is not None]
    if absolute:
        values = [replace(verdict, value=abs(verdict.value or 0.0)) for verdict in values]
    nearest = (min if at_least else max)(values, key=lambda verdict: verdict.value or 0.0)
    label = alphabet.text(_label(nearest))
    if len(passed) == 1:
        return f"{label or 'all'}: {_shown(nearest)}"
    return f"{len(passed)}, {'lowest' if at_least else 'highest'} {_shown(nearest)} {label}"


def _style(text: str) -> str:
    if text.startswith(f"  {NOT_MET}"):
        return "red"
    return "green" if text.startswith(f"  {MET}") else ""
