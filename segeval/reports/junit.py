"""JUnit XML, which CI servers show as tests: one for each case, then one for each requirement of the gate.

A case that failed, or has no prediction, is an error; one that was skipped is skipped; a requirement that is not met
is a failure. There is no time in it, so that the same results give the same bytes. XML 1.0 cannot hold control
characters, not even as references, and so they are escaped as they are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from segeval.errors import shown
from segeval.reports.csv_files import reason
from segeval.reports.gate_table import found
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from segeval.results.run_rows import Verdict

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def to_junit(results: Results) -> Iterator[str]:
    """The cases and the gate as JUnit XML.

    Parameters
    ----------
    results
        Of any number of cases.

    Yields
    ------
    str
        Lines with their ends.
    """
    status = [record.status for record in results.cases]
    tests = len(status) + len(results.gate)
    failures = sum(not verdict.passed for verdict in results.gate)
    errors, skipped = status.count("failed") + status.count("missing"), status.count("skipped")
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites name="segeval" {counts}>\n'
    yield f' <testsuite name="segeval" {counts} skipped="{skipped}">\n'
    yield "  <properties>\n"
    for name, value in (("version", results.version), ("signature", results.signature)):
        yield f'   <property name="{name}" value="{_escaped(value)}"/>\n'
    yield "  </properties>\n"
    for record in results.cases:
        yield _test("cases", record.case, _of_case(record))
    for verdict in results.gate:
        yield _test("requirements", verdict.requirement, _of_requirement(verdict))
    yield " </testsuite>\n</testsuites>\n"


def _test(kind: str, name: str, outcome: str) -> str:
    head = f'  <testcase classname="{kind}" name="{_escaped(name)}"'
    return f"{head}>\n   {outcome}\n  </testcase>\n" if outcome else f"{head}/>\n"


def _of_case(record: CaseRecord) -> str:
    if record.status == "scored":
        return ""
    return _outcome("skipped" if record.status == "skipped" else "error", record.status, reason(record))


def _of_requirement(verdict: Verdict) -> str:
    if verdict.passed:
        return ""
    worst = "" if verdict.worst_case is None else f", worst case {verdict.worst_case}"
    return _outcome("failure", "not met", f"found {found(verdict)}{worst}")


def _outcome(element: str, kind: str, message: str) -> str:
    text = _escaped(message)
    return f'<{element} type="{kind}" message="{text}">{text}</{element}>'


def _escaped(text: str) -> str:
    return shown(text).translate(_ENTITIES)
