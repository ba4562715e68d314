"""JUnit XML: valid, counted right, and with texts that XML cannot hold."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import xmlschema

from segeval.reports.junit import to_junit
from segeval.results.results import Results
from tests.reports.test_exports import LOST, SCORED, hostile, run_of, tiny

TEXT = 'type="xs:string"'
OUTCOME = f"""<xs:complexType mixed="true">
  <xs:attribute name="type" {TEXT}/><xs:attribute name="message" {TEXT}/>
</xs:complexType>"""
COUNTED = "".join(f'<xs:attribute name="{name}" {TEXT} use="required"/>' for name in ("tests", "failures", "errors"))
# what CI servers agree on, stricter than most
SCHEMA = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="testsuites"><xs:complexType>
  <xs:sequence><xs:element ref="testsuite" maxOccurs="unbounded"/></xs:sequence>
  <xs:attribute name="name" {TEXT}/>{COUNTED}
</xs:complexType></xs:element>
<xs:element name="testsuite"><xs:complexType>
  <xs:sequence>
    <xs:element name="properties" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
        <xs:attribute name="name" {TEXT} use="required"/><xs:attribute name="value" {TEXT} use="required"/>
      </xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element ref="testcase" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence>
  <xs:attribute name="name" {TEXT} use="required"/>{COUNTED}<xs:attribute name="skipped" {TEXT}/>
</xs:complexType></xs:element>
<xs:element name="testcase"><xs:complexType>
  <xs:choice minOccurs="0">
    <xs:element name="skipped">{OUTCOME}</xs:element>
    <xs:element name="error">{OUTCOME}</xs:element>
    <xs:element name="failure">{OUTCOME}</xs:element>
  </xs:choice>
  <xs:attribute name="name" {TEXT} use="required"/><xs:attribute name="classname" {TEXT}/>
</xs:complexType></xs:element>
</xs:schema>"""


def parsed(results: Results) -> ET.Element:
    text = "".join(to_junit(results))
    xmlschema.XMLSchema(SCHEMA).validate(text)
    return ET.fromstring(text.encode("utf-8"))  # noqa: S314  (our own)


def test_a_test_for_each_case_and_requirement() -> None:
    tests = parsed(hostile()).findall("testsuite/testcase")
    names = [name.replace("\n", "\\n") for name in (*SCORED, *(record.case for record in LOST))]
    assert [test.get("name") for test in tests if test.get("classname") == "cases"] == names
    assert [test.get("name") for test in tests if test.get("classname") == "requirements"] == [
        "=1+1:dice=0.1",
        "a.b:hd@95=4",
        "a_b:dice=0.9",
    ]
    outcomes = {test.get("name"): (test[0].tag, test[0].get("type")) for test in tests if len(test)}
    assert outcomes == {
        "::error::x": ("error", "failed"),
        "@SUM(A1)": ("error", "missing"),
        "two\\nlines": ("skipped", "skipped"),
        "a.b:hd@95=4": ("failure", "not met"),
        "a_b:dice=0.9": ("failure", "not met"),
    }


def test_messages_stand_in_both_places() -> None:
    root = parsed(hostile())
    for outcome in (*root.iter("error"), *root.iter("failure"), *root.iter("skipped")):
        assert outcome.get("message") == (outcome.text or "")
    assert [error.text for error in root.iter("error")] == ['cut short\\n::error::y <b> & "z"', "there is none"]
    assert [failure.text for failure in root.iter("failure")] == ["found inf, worst case a.b", "found undefined"]


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
    }


def test_text_that_xml_cannot_hold_is_escaped() -> None:
    results = hostile()
    evil = 'x\x00\x1b\ufffe\udcff\t]]>"<&'
    cases = (replace(results.cases[-3], message=evil),)
    root = parsed(replace(results, cases=cases, signature=evil))
    assert next(root.iter("error")).text == 'x\\x00\\x1b\\ufffe\\xff\\t]]>"<&'


def test_there_is_no_time_in_it() -> None:
    text = "".join(to_junit(hostile()))
    assert "time" not in text
    assert text == "".join(to_junit(hostile()))
