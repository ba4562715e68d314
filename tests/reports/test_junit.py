"""JUnit XML: valid, with correct counts, and with characters escaped that XML does not allow."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from segeval.reports.junit import to_junit
from segeval.reports.unmet import titles_of, unmet_by
from segeval.results.gate import judge, parse_requirement
from segeval.results.results import Results
from segeval.results.run_rows import Verdict
from segeval.scoring.cases import collect
from segeval.scoring.plan import plan_of
from tests.reports.test_exports import LOST, SCORED, hostile, run_of, tiny
from tests.reports.test_golden import scored

TEXT = 'type="xs:string"'
OUTCOME = f"""<xs:complexType mixed="true">
  <xs:attribute name="type" {TEXT}/><xs:attribute name="message" {TEXT}/>
</xs:complexType>"""
COUNTED = "".join(f'<xs:attribute name="{name}" {TEXT} use="required"/>' for name in ("tests", "failures", "errors"))
# a decimal number, where Jenkins's xUnit plugin also takes thousands
TIME = '<xs:attribute name="time" type="xs:decimal" use="required"/>'
# what CI servers agree on, stricter than most
SCHEMA = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="testsuites"><xs:complexType>
  <xs:sequence><xs:element ref="testsuite" maxOccurs="unbounded"/></xs:sequence>
  <xs:attribute name="name" {TEXT}/>{COUNTED}{TIME}
</xs:complexType></xs:element>
<xs:element name="properties"><xs:complexType><xs:sequence>
  <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
    <xs:attribute name="name" {TEXT} use="required"/><xs:attribute name="value" {TEXT} use="required"/>
  </xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="testsuite"><xs:complexType>
  <xs:sequence>
    <xs:element ref="properties" minOccurs="0"/>
    <xs:element ref="testcase" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence>
  <xs:attribute name="name" {TEXT} use="required"/>{COUNTED}<xs:attribute name="skipped" {TEXT}/>{TIME}
</xs:complexType></xs:element>
<xs:element name="testcase"><xs:complexType>
  <xs:sequence>
    <xs:element ref="properties" minOccurs="0"/>
    <xs:choice minOccurs="0">
      <xs:element name="skipped">{OUTCOME}</xs:element>
      <xs:element name="error">{OUTCOME}</xs:element>
      <xs:element name="failure">{OUTCOME}</xs:element>
    </xs:choice>
  </xs:sequence>
  <xs:attribute name="name" {TEXT} use="required"/><xs:attribute name="classname" {TEXT}/>{TIME}
</xs:complexType></xs:element>
</xs:schema>"""


def parsed(results: Results, **options: bool) -> ET.Element:
    text = "".join(to_junit(results, **options))
    xmlschema.XMLSchema(SCHEMA).validate(text)
    return ET.fromstring(text.encode("utf-8"))  # noqa: S314  (our own)


def outcomes_of(test: ET.Element) -> list[ET.Element]:
    return [each for each in test if each.tag != "properties"]


def test_a_test_for_each_case_and_requirement() -> None:
    tests = parsed(hostile()).findall("testsuite/testcase")
    names = [name.replace("\n", "\\n") for name in (*SCORED, *(record.case for record in LOST))]
    assert [test.get("name") for test in tests if test.get("classname") == "cases"] == names
    assert [test.get("name") for test in tests if test.get("classname") == "requirements"] == [
        "=1+1:dice=0.1",
        "a.b:hd@95=4",
        "a_b:dice=0.9",
    ]
    outcomes = {test.get("name"): (each.tag, each.get("type")) for test in tests for each in outcomes_of(test)}
    assert outcomes == {
        "::error::x": ("error", "failed"),
        "@SUM(A1)": ("error", "missing"),
        "two\\nlines": ("skipped", "skipped"),
        "a.b:hd@95=4": ("failure", "not met"),
        "a_b:dice=0.9": ("failure", "not met"),
    }


def test_messages_are_in_both_places() -> None:
    root = parsed(hostile())
    for outcome in (*root.iter("error"), *root.iter("failure"), *root.iter("skipped")):
        assert outcome.get("message") == (outcome.text or "")
    assert [error.text for error in root.iter("error")] == ['cut short\\n::error::y <b> & "z"', "there is none"]
    found = [(failure.text or "").partition("; worst cases: ")[0] for failure in root.iter("failure")]
    assert found == ["found inf", "found undefined"]


def test_counts() -> None:
    root = parsed(hostile())
    for element in (root, root[0]):
        assert [element.get(name) for name in ("tests", "failures", "errors")] == ["11", "2", "2"]
    assert root[0].get("skipped") == "1"
    assert parsed(run_of(tiny()))[0].attrib == {
        "name": "segeval",
        "tests": "2",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
        "time": "0",
    }


def test_characters_that_xml_does_not_allow_are_escaped() -> None:
    results = hostile()
    evil = 'x\x00\x1b\ufffe\udcff\t]]>"<&'
    cases = (replace(results.cases[-3], message=evil),)
    root = parsed(replace(results, cases=cases, signature=evil))
    assert next(root.iter("error")).text == 'x\\x00\\x1b\\ufffe\\xff\\t]]>"<&'


def test_times_are_0_unless_they_are_requested() -> None:
    """Some readers insist on a time, and the same results give the same bytes."""
    timed = replace(hostile(), seconds={SCORED[0]: 1.23456, SCORED[1]: 1000.5})
    text = "".join(to_junit(timed))
    assert text == "".join(to_junit(hostile()))
    root = parsed(timed)
    assert {element.get("time") for element in root.iter() if element.tag.startswith("test")} == {"0"}
    root = parsed(timed, times=True)
    assert root.get("time") == root[0].get("time") == "1001.735"
    times = [test.get("time") for test in root.iter("testcase")]
    assert times[:2] == ["1.235", "1000.500"]
    assert set(times[2:]) == {"0"}


def test_scores_are_properties_of_their_case() -> None:
    results = hostile()
    names = {score.label: score.name or str(score.label) for score in results.scores}
    (suite,) = parsed(results)
    assert suite[0][1].attrib == {"name": "signature", "value": results.signature}
    for record, test in zip(results.cases, suite.iter("testcase"), strict=False):
        found = {each.get("name"): each.get("value") for each in test.iter("property")}
        assert {name: float(value or "") for name, value in found.items()} == {
            score.metric if score.label == "all" else f"{names[score.label]}:{score.metric}": score.value
            for score in results.scores
            if score.case == record.case and score.value is not None
        }
    assert '"tp" value="1"' not in "".join(to_junit(results))


MISSED = {
    "good": ([[1, 1, 2, 2, 0, 0]], [[1, 1, 2, 2, 0, 0]]),
    "poor": ([[1, 0, 2, 2, 0, 0]], [[1, 1, 2, 2, 0, 0]]),
    "bad": ([[1, 0, 0, 0, 0, 0]], [[1, 1, 2, 2, 0, 0]]),
    "extra": ([[1, 1, 0, 0, 0, 2]], [[1, 1, 0, 0, 0, 0]]),
}


@pytest.mark.parametrize(
    ("requirement", "said", "failing"),
    [
        ("1:dice.min=0.9", "found 0.666667; not met by 2 cases: poor (0.666667), bad (0.666667)", ["poor", "bad"]),
        ("1:dice.min=0.5", None, []),
        ("2:hd.max=1", "found 6.08276; not met by 2 cases: bad (6.08276), extra (6.08276)", ["bad", "extra"]),
        ("2:dice.n_missed=0", "found 1; not met by 1 case: bad (missed)", ["bad"]),
        ("2:dice.n_false_alarm=0", "found 1; not met by 1 case: extra (false alarm)", ["extra"]),
        ("1:dice=0.9", "found 0.833333; worst cases: poor (0.666667), bad (0.666667), good (1)", []),
        ("1:dice.median=0.9", "found 0.833333; worst cases: poor (0.666667), bad (0.666667), good (1)", []),
        ("macro:dice=0.9", "found 0.666667", []),
        ("pooled:1:dice=0.9", None, []),
        ("mean_dice.min=0.9", None, ["poor", "bad", "extra"]),
        ("1:relative_volume_error.min=0.1", None, []),
    ],
)
def test_a_requirement_for_each_case_fails_the_cases_that_break_it(
    requirement: str, said: str | None, failing: list[str]
) -> None:
    plan = plan_of(metrics="dice,hd,mean_dice,relative_volume_error")
    results = collect([scored(case, *maps, plan) for case, maps in MISSED.items()], plan)
    text = requirement.removeprefix("pooled:1:")
    parsed_one = parse_requirement(f"pooled:{text}" if text != requirement else text)
    gate = [each for each in judge([parsed_one], results) if ":2:" not in each.requirement]
    root = parsed(replace(results, gate=tuple(gate)))
    failures = {test.get("name"): test[-1] for test in root.iter("testcase") if test[-1:] and test[-1].tag == "failure"}
    if said is not None:
        assert failures[gate[0].requirement].text == said
    assert [case for case in MISSED if case in failures] == failing
    for case in failing:
        assert (failures[case].text or "").startswith(f"{gate[0].requirement}: found ")
    assert root.get("failures") == str(len(failures))


@pytest.mark.parametrize(
    ("requirement", "is_per_case", "cases"),
    [
        ("1:dice.min>=0.9", True, ["poor", "bad"]),
        ("1:dice.max<=0.5", True, ["good", "extra", "poor", "bad"]),
        ("2:hd.max<=1", True, ["bad", "extra"]),
        ("2:hd.min>=1", True, ["good", "poor"]),
        ("2:dice.n_missed<=0", True, ["bad"]),
        ("2:dice.n_undefined=0", True, []),
        ("1:dice>=0.9", False, ["poor", "bad", "good"]),
        ("1:dice.sd=0.1", False, []),
        ("1:dice.n_failed=0", True, []),
        ("no requirement", False, []),
        ("1:dice=much", False, []),
        ("a>b=c:1:dice=0.9", False, []),
    ],
)
def test_cases_behind_a_requirement_however_it_is_written(
    requirement: str, is_per_case: bool, cases: list[str]
) -> None:
    plan = plan_of(metrics="dice,hd")
    results = collect([scored(case, *maps, plan) for case, maps in MISSED.items()], plan)
    verdict = Verdict(requirement=requirement, value=None, passed=False)
    judged = replace(results, gate=(verdict,))
    (found,) = unmet_by(judged, titles_of(judged))
    assert (found.is_per_case, sorted(found.cases)) == (is_per_case, sorted(cases))
    met = replace(results, gate=(replace(verdict, passed=True),))
    assert unmet_by(met, titles_of(met))[0].cases == {}
