"""Label names from the command line and from plain JSON files, and messages for mistakes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from segeval.errors import InputError, UsageError
from segeval.reading.labels import MAX_FILE_BYTES, parse_labels
from tests.places import DATA, needs


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("1=liver", {1: "liver"}),
        ("1=liver,2=tumour", {1: "liver", 2: "tumour"}),
        (" 2 = left kidney , 1 = liver ", {2: "left kidney", 1: "liver"}),
        ("1=a=b", {1: "a=b"}),
        ("0=background,255=ignore,", {0: "background", 255: "ignore"}),
        ("007=seven", {7: "seven"}),
        (f"{2**64 - 1}=last", {2**64 - 1: "last"}),
        ("1=Niere \u00fc", {1: "Niere \u00fc"}),
    ],
)
def test_inline(spec: str, names: dict[int, str]) -> None:
    assert list(parse_labels(spec).names.items()) == list(names.items())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no labels given"),
        ("  ", "no labels given"),
        ("1=", "expected number=name, found '1='"),
        ("1=liver,tumour", "expected number=name, found 'tumour'"),
        ("=liver", "'' is not a label number"),
        ("liver=1", "'liver' is not a label number"),
        ("-1=liver", "integers of at least 0"),
        ("1.0=liver", "integers of at least 0"),
        ("\u0661=liver", "integers of at least 0"),
        ("1=liver,1=tumour", "label 1 is named twice"),
        ("1=liver,01=liver", "label 1 is named twice"),
        (f"{2**64}=liver", "is not a label number"),
        (f"{'9' * 5000}=liver", "is not a label number"),
        ("liver", "expected number=name pairs or an existing file"),
        ("1=\x1b[31m,x\x1b", "expected number=name, found"),
        ("a\0b", "expected number=name pairs|not a file name"),
    ],
)
def test_inline_mistakes_are_usage_errors(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_labels(spec)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 2


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "a=b.json"  # a file of that name is a file
    path.write_text('\ufeff{"1": "spleen", "2": " right kidney "}', encoding="utf-8")
    table = parse_labels(os.fspath(path))
    assert table.names == {1: "spleen", 2: "right kidney"}
    assert (table.regions, table.ignore_label, table.source) == ({}, None, os.fspath(path))
    assert table.dialect == "JSON object number -> name"


def test_an_object_may_go_from_name_to_number(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"background": 0, "liver": 1, "ignore": 255}')
    table = parse_labels(os.fspath(path))
    assert table.names == {0: "background", 1: "liver", 255: "ignore"}
    assert table.dialect == "JSON object name -> number"
    assert table.ignore_label is None  # a name like any other, except in a dataset.json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" ", "not valid JSON"),
        (b"1=liver", "not valid JSON"),
        (b'{"1": "liver"', "not valid JSON"),
        (b'["liver"]', "expected a JSON object, found a list; write"),
        (b'"liver"', "expected a JSON object, found a string"),
        (b"{}", "expected label names, found an empty object"),
        (b'{"liver": 1, "hepar": 1}', "label 1 has two names: 'hepar' and 'liver'"),
        (b'{"liver": -1}', "expected a label number for 'liver', found '-1'"),
        (b'{"liver": 1.5}', "'liver' is not a label number"),
        (b'{"spleen": 1, "liver": 1.5}', "expected a label number for 'liver', found '1.5'"),
        (b'{"spleen": 1, "liver": true}', "expected a label number for 'liver', found true or false"),
        (b'{"spleen": 1, "liver": {}}', "expected a label number for 'liver', found an object"),
        (b'{"spleen": 1, " ": 2}', "the name of a label is empty"),
        (
            b'{"spleen": 1, "all organs": [1, 2]}',
            "'all organs' has several labels, but regions are only read from a dataset.json; put",
        ),
        (b'{"liver": "x"}', "'liver' is not a label number"),
        (b'{"-1": "liver"}', "'-1' is not a label number"),
        (b'{"1": 2}', "expected a name for label 1, found a number"),  # which of the two is the name?
        (b'{"1": ["a", "b"]}', "expected a name for label 1, found a list"),
        (b'{"1": null}', "expected a name for label 1, found null"),
        (b'{"1": " "}', "expected a name for label 1, found an empty string"),
        (b'{"1": "a", "1": "b"}', "'1' occurs twice, with 'a' and with 'b'"),
        (b'{"1": "a", "1": {"x": 1, "x": 2}}', "'1' occurs twice, with 'a' and with an object"),
        (b'{"1": "a", "01": "b"}', "label 1 has two names: 'b' and 'a'"),
        (b'{"1": "\xff"}', "not valid UTF-8"),
        (b'{"1": "\\ud800"}', "is not valid Unicode"),
        (b"[" * 200_000, "nested too deeply|not valid JSON"),
        (b'{"1":' * 200_000, "nested too deeply|not valid JSON"),
        (b'{"1": ' + b"9" * 10_000 + b"}", "not valid JSON|a number"),
        (b'{"\\ud800": "a"}', "is not a label number"),
    ],
)
def test_file_mistakes_are_input_errors(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        parse_labels(os.fspath(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 3


def test_missing_and_special_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        parse_labels(os.fspath(tmp_path / "missing.json"))
    with pytest.raises(InputError, match="no such file"):
        parse_labels(os.fspath(tmp_path / "missing.ctbl"))
    with pytest.raises(InputError, match="expected a regular file, found a folder"):
        parse_labels(os.fspath(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json")
        with pytest.raises(InputError, match="expected a regular file, found a named pipe"):
            parse_labels(os.fspath(tmp_path / "pipe.json"))


def test_large_files_are_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 100)
    with pytest.raises(InputError, match="at most 16 MB"):
        parse_labels(os.fspath(path))


@needs(DATA)
def test_real_file() -> None:
    path = DATA / "ct_organs" / "labels.json"
    names = parse_labels(os.fspath(path)).names
    assert names == {int(number): name for number, name in json.loads(path.read_text()).items()}
    assert names[1] == "spleen"
