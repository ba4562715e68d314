"""Step summaries that fit, annotations with escaped names, and the action's scripts."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from segeval.errors import UsageError
from segeval.reports.github import (
    ANNOTATION_CHARACTERS,
    NOTE_BYTES,
    SUMMARY_BYTES,
    annotations,
    append_step_summary,
    in_actions,
    step_summary,
)
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from tests.places import TOP
from tests.reports.test_exports import hostile, run_of, tiny

ACTION = TOP / ".github" / "actions" / "action.yml"


def failed(count: int, *, message: str = "cut short") -> Results:
    records = [
        CaseRecord(case=f"case {number}", status="failed", prediction="p", reference="r", message=message)
        for number in range(count)
    ]
    return replace(run_of({}, lost=tuple(records)), warnings=tuple(f"warning {number}" for number in range(count)))


def test_in_actions() -> None:
    assert in_actions({"GITHUB_ACTIONS": "true"})
    assert not in_actions({"GITHUB_ACTIONS": "false"})
    assert not in_actions({})


def test_annotations_of_what_went_wrong() -> None:
    assert annotations(hostile()) == [
        "::error title=segeval%3A requirement not met::a.b:hd@95=4: found inf, worst case a.b",
        "::error title=segeval%3A requirement not met::a_b:dice=0.9: found undefined",
        '::error title=segeval%3A case failed::::error::x: cut short\\n::error::y <b> & "z"',
        "::error title=segeval%3A prediction missing::@SUM(A1): there is none",
        "::warning title=segeval%3A warning::no reference for ::warning::x, 100 %25\\nof it",
    ]
    assert annotations(run_of(tiny())) == []


@pytest.mark.parametrize(
    "name", ["::error::x", "a\n::error::x", "a\r\n::stop-commands::x", "%0A::error::x", "\u2028::x"]
)
def test_no_name_breaks_out(name: str) -> None:
    record = CaseRecord(case=name, status="failed", prediction="p", reference="r", message=name)
    (line,) = annotations(run_of({}, lost=(record,)))
    assert line.startswith("::error title=segeval%3A case failed::")
    assert len(line.splitlines()) == 1
    assert "%0A" not in line


def test_ten_of_a_kind_at_most() -> None:
    for count, errors, last in ((10, 10, "case 9: cut short"), (11, 10, "and 2 more"), (1000, 10, "and 991 more")):
        lines = annotations(failed(count))
        assert len([line for line in lines if line.startswith("::error ")]) == errors
        assert len([line for line in lines if line.startswith("::warning ")]) == errors
        assert lines[errors - 1].endswith(f"::{last}")
    assert lines[-1] == "::warning title=segeval%3A more warnings::and 991 more"


@pytest.mark.parametrize("start", ["", "x", "xx"])
def test_long_message_is_cut_between_escapes(start: str) -> None:
    line = annotations(failed(1, message=start + "%" * 9000))[0]
    assert ANNOTATION_CHARACTERS - 3 < len(line) <= ANNOTATION_CHARACTERS
    assert re.search(r"(%25)+…$", line)
    assert set(re.findall("%..", line)) == {"%3A", "%25"}


def test_summary_that_fits_is_whole() -> None:
    markdown = "| a |\n" * 10
    assert step_summary(markdown) == markdown
    assert step_summary(markdown, limit=60) == markdown


def test_summary_is_cut_between_lines() -> None:
    line = "| 肝臓 |\n"  # 11 bytes
    markdown = line * 100_000
    text = step_summary(markdown)
    kept = text.count(line)
    assert 11 * kept >= SUMMARY_BYTES - NOTE_BYTES - 11
    assert len(text.encode("utf-8")) <= SUMMARY_BYTES
    assert f"{100_000 - kept:,} more lines ({11 * (100_000 - kept):,} bytes) are left out" in text
    assert text.startswith(line * kept + "\n")
    shorter = step_summary(markdown, already=500_000)
    assert len(shorter.encode("utf-8")) <= SUMMARY_BYTES - 500_000
    assert step_summary(markdown, already=SUMMARY_BYTES) == ""


def test_cut_inside_details_closes_them() -> None:
    markdown = "a\n<details>\n\n" + "b\n" * 1000 + "</details>\n"
    text = step_summary(markdown, limit=1000)
    assert text.count("<details>") == text.count("</details>") == 1
    assert text.index("</details>") < text.index("left out")
    assert len(text) <= 1000


def test_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    environment = {"GITHUB_STEP_SUMMARY": str(path)}
    append_step_summary(environment, "# 肝臓\n")
    append_step_summary(environment, "| b |\n")
    assert path.read_bytes().decode("utf-8") == "# 肝臓\n\n| b |\n"
    append_step_summary(environment, "x\n" * SUMMARY_BYTES)
    assert SUMMARY_BYTES - NOTE_BYTES < path.stat().st_size <= SUMMARY_BYTES


def test_summary_that_cannot_be_written(tmp_path: Path) -> None:
    for environment, said in (
        ({}, "GITHUB_STEP_SUMMARY is not set"),
        ({"GITHUB_STEP_SUMMARY": str(tmp_path)}, "cannot write the step summary"),
        ({"GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "file")}, "cannot write the step summary"),
        ({"GITHUB_STEP_SUMMARY": "a\0b"}, "cannot write the step summary"),
    ):
        with pytest.raises(UsageError, match=said):
            append_step_summary(environment, "x")


@pytest.mark.skipif(not ACTION.exists(), reason="the source distribution has no action")
def test_no_input_is_put_into_a_script() -> None:
    lines = ACTION.read_text(encoding="utf-8").splitlines()
    scripts = 0
    for place, line in enumerate(lines):
        head = re.match(r"(\s*)(?:- )?run:(.*)", line)
        if head is None:
            continue
        scripts += 1
        deeper = len(head[1])
        script = [head[2]]
        for each in lines[place + 1 :]:
            if each.strip() and len(each) - len(each.lstrip()) <= deeper:
                break
            script.append(each)
        assert "${{" not in "\n".join(script)
    assert scripts == 2
