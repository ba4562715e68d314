"""The table of metadata about cases: no case may occur twice, and nothing is dropped without an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segeval.errors import InputError, UsageError
from segeval.reading import case_tables as casetables
from segeval.reading.metadata import read_metadata


def table(folder: Path, text: str | bytes, *, name: str = "cases.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "separator"), [("cases.csv", ","), ("cases.csv", ";"), ("cases.tsv", "\t"), ("cases.txt", "\t")]
)
def test_values_of_the_wanted_columns(tmp_path: Path, name: str, separator: str) -> None:
    rows = [["Site", "CASE", "age"], [" A ", "one", "61"], [], ["", "two", "58"], ["B", "three"]]
    path = table(tmp_path, "\ufeff" + "\r\n".join(separator.join(row) for row in rows), name=name)
    assert read_metadata(path, columns=["age", "Site"]) == {
        "one": {"age": "61", "Site": "A"},
        "two": {"age": "58", "Site": "(empty)"},
        "three": {"age": "(empty)", "Site": "B"},
    }
    assert read_metadata(path, columns=[]) == {"one": {}, "two": {}, "three": {}}


def test_columns_are_named_as_requested(tmp_path: Path) -> None:
    path = table(tmp_path, "case,Site,SEX,sex\na,A,F,f\n")
    assert read_metadata(path, columns=["site", "sex", "SEX", "Case"]) == {
        "a": {"site": "A", "sex": "f", "SEX": "F", "Case": "a"}
    }


def test_quoted_cells_may_contain_separators(tmp_path: Path) -> None:
    path = table(tmp_path, 'case,"site, ward"\n"a,1","B ""north"", 2"\n')
    assert read_metadata(path, columns=["site, ward"]) == {"a,1": {"site, ward": 'B "north", 2'}}


def test_bytes_that_are_not_text_are_escaped(tmp_path: Path) -> None:
    path = table(tmp_path, b"case,site\nc\xff,M\xfcnchen\n")
    assert read_metadata(path, columns=["site"]) == {"c\\xff": {"site": "M\\xfcnchen"}}


def test_missing_columns_are_listed_with_the_existing_ones(tmp_path: Path) -> None:
    path = table(tmp_path, "case,Scanner,site,\na,1,2\n")
    with pytest.raises(UsageError) as caught:
        read_metadata(path, columns=["scaner", "site", "", "zzz"])
    assert caught.value.problem == ("no column 'scaner' (did you mean Scanner?); no column ''; no column 'zzz'")
    assert caught.value.hint == "the columns are case, Scanner and site"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("\n\n", "the column 'case' is missing"),
        ("name,site\na,1\n", "the column 'case' is missing"),
        ("case,Case,CASE,site\na,1,2,3\n", None),
        ("Case,CASE,site\na,1,2\n", "2 columns have the name 'case': Case and CASE"),
        ("case,site,site\na,1,2\n", "2 columns have the name 'site': site and site"),
        ("case,site\na,1\nb,1\na,1\n", "the case 'a' is in line 2 and in line 4"),
        ("case,site\n,1\na,1\n\n ,1\n", "no case in lines 2 and 5"),
        ("site,case\n1\n", "no case in line 2"),
        ("case,site\na,1,2\n", "more cells than the header in line 2"),
        ('case,site\na,"b\n', "line 2 is not valid CSV"),
        ("case,site\n".encode("utf-16"), "expected UTF-8 text, found UTF-16"),
    ],
)
def test_an_ambiguous_table_is_refused(tmp_path: Path, text: str | bytes, problem: str | None) -> None:
    path = table(tmp_path, text)
    if problem is None:
        assert read_metadata(path, columns=["site"]) == {"a": {"site": "3"}}
        return
    with pytest.raises(InputError, match=problem):
        read_metadata(path, columns=["site"])


def test_a_table_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, "case,site\n" + "a,1\n" * 1000)
    monkeypatch.setattr(casetables, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(InputError, match="the file is too large: expected at most 0 MB"):
        read_metadata(path, columns=["site"])


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_metadata(str(tmp_path / "none.csv"), columns=["site"])


@given(data=st.binary(max_size=80), head=st.sampled_from([b"", b"case,site\n", b"site;Case\n"]))
def test_random_bytes_give_values_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes
) -> None:
    path = table(tmp_path_factory.mktemp("bytes"), head + data)
    try:
        found = read_metadata(path, columns=["site"])
    except (InputError, UsageError) as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        for case, values in found.items():
            assert case.encode()
            assert values["site"].encode()
