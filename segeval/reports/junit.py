"""JUnit XML, which CI servers show as tests: one for each case, then one for each requirement of the gate.

The scores of a case are properties of its test. A case that failed, or has no prediction, is an error; one that was
skipped is skipped; a requirement that is not met is a failure, and so is each case that breaks a requirement for single
cases (`segeval.reports.unmet`). Some readers insist on times: they are 0, because the same results give the same bytes,
unless real ones are requested. XML 1.0 cannot have control characters, not even as references, so they are escaped as
in other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segeval.errors import shown
from segeval.maps.labels import Key
from segeval.reports.csv_files import label_rows, reason, whole_if_counted
from segeval.reports.gate_table import found
from segeval.reports.unmet import Unmet, titles_of, unmet_by
from segeval.results.results import Results
from segeval.results.rows import ALL, CaseRecord, Score
from segeval.results.run_rows import Verdict
from segeval.text import counted, enumerated

MOST_NAMED = 5  # cases in the message of a requirement
NO_TIME = "0"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def to_junit(results: Results, *, times: bool = False) -> Iterator[str]:
    """Write the cases and the gate as JUnit XML.

    Parameters
    ----------
    results
        Results of any number of cases.
    times
        Whether a test has the seconds that its case took, as far as they are known; otherwise all times are 0.

    Yields
    ------
    str
        Lines with their ends.
    """
    titles = titles_of(results)
    unmet = unmet_by(results, titles)
    broken = _broken(results, unmet)
    seconds = {case: f"{value:.3f}" for case, value in results.seconds.items()} if times else {}
    status = [record.status for record in results.cases]
    tests = len(status) + len(results.gate)
    failures = sum(not verdict.passed for verdict in results.gate) + len(broken)
    errors, skipped = status.count("failed") + status.count("missing"), status.count("skipped")
    total = f"{sum(results.seconds.values()):.3f}" if seconds else NO_TIME
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites name="segeval" {counts} time="{total}">\n'
    yield f' <testsuite name="segeval" {counts} skipped="{skipped}" time="{total}">\n'
    yield from _properties({"version": results.version, "signature": results.signature}, indent="  ")
    for record, properties in _cases(results, titles):
        outcome = _of_case(record, broken.get(record.case, []))
        yield from _test("cases", record.case, outcome, properties, seconds.get(record.case, NO_TIME))
    for verdict, cases in zip(results.gate, unmet, strict=True):
        yield from _test("requirements", verdict.requirement, _of_requirement(verdict, cases))
    yield " </testsuite>\n</testsuites>\n"


def _broken(results: Results, unmet: list[Unmet]) -> dict[str, list[str]]:
    """Return case -> the requirements for single cases that it breaks."""
    broken: dict[str, list[str]] = {}
    for verdict, each in zip(results.gate, unmet, strict=True):
        if each.is_per_case:
            for case, value in each.cases.items():
                broken.setdefault(case, []).append(f"{verdict.requirement}: found {value}")
    return broken


def _cases(results: Results, titles: Mapping[Key, str]) -> Iterator[tuple[CaseRecord, dict[str, str]]]:
    """Return each case and its scores as texts, by label and metric as a requirement has them."""
    last: CaseRecord | None = None
    properties: dict[str, str] = {}
    for record, scores in label_rows(results):
        if last is not None and record is not last:
            yield last, properties
            properties = {}
        last = record
        properties |= {_name(score, titles): _value(score) for score in scores if score.value is not None}
    if last is not None:
        yield last, properties


def _name(score: Score, titles: Mapping[Key, str]) -> str:
    return score.metric if score.label == ALL else f"{titles[score.label]}:{score.metric}"


def _value(score: Score) -> str:
    return "" if score.value is None else repr(whole_if_counted(score.value, score.metric))


def _properties(properties: Mapping[str, str], *, indent: str) -> Iterator[str]:
    if properties:
        yield f"{indent}<properties>\n"
        for name, value in properties.items():
            yield f'{indent} <property name="{_escaped(name)}" value="{_escaped(value)}"/>\n'
        yield f"{indent}</properties>\n"


def _test(
    kind: str, name: str, outcome: str, properties: Mapping[str, str] | None = None, seconds: str = NO_TIME
) -> Iterator[str]:
    head = f'  <testcase classname="{kind}" name="{_escaped(name)}" time="{seconds}"'
    if not (outcome or properties):
        yield f"{head}/>\n"
        return
    yield f"{head}>\n"
    yield from _properties(properties or {}, indent="   ")
    yield f"   {outcome}\n  </testcase>\n" if outcome else "  </testcase>\n"


def _of_case(record: CaseRecord, broken: list[str]) -> str:
    if record.status == "scored":
        return _outcome("failure", "not met", "; ".join(broken)) if broken else ""
    return _outcome("skipped" if record.status == "skipped" else "error", record.status, reason(record))


def _of_requirement(verdict: Verdict, unmet: Unmet) -> str:
    if verdict.passed:
        return ""
    return _outcome("failure", "not met", f"found {found(verdict)}{_named(verdict, unmet)}")


def _named(verdict: Verdict, unmet: Unmet) -> str:
    """Return which cases are to blame, as it follows what was found."""
    cases = [f"{case} ({value})" for case, value in unmet.cases.items()]
    if unmet.is_per_case and cases:
        return f"; not met by {counted(len(cases), 'case')}: {enumerated(cases, str, most=MOST_NAMED, last=', ')}"
    if len(cases) > 1:
        return f"; worst cases: {', '.join(cases)}"
    return "" if verdict.worst_case is None else f", worst case {verdict.worst_case}"


def _outcome(element: str, kind: str, message: str) -> str:
    text = _escaped(message)
    return f'<{element} type="{kind}" message="{text}">{text}</{element}>'


def _escaped(text: str) -> str:
    return shown(text).translate(_ENTITIES)
