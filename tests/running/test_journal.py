"""The journal: what is taken over from it, what is not, and what a cut or a full disk leaves of it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segeval.errors import UsageError
from segeval.results.rows import CaseRecord, LabelCounts, Score
from segeval.running.journal import Journal
from segeval.running.processes import Processes
from segeval.running.run import run
from segeval.running.settings import RunSettings
from segeval.scoring.case import Case, Outcome
from segeval.scoring.plan import plan_of
from tests.command import box, save

SETTINGS = {"metrics": ["dice"], "version": "1"}


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    found = []
    for name in "abc":
        reference = save(tmp_path / f"{name}_r.nii", box((6, 7, 8)))
        prediction = save(tmp_path / f"{name}_p.nii", box((6, 7, 8), at=1))
        found.append(Case(name=name, prediction=str(prediction), reference=str(reference)))
    return found


def journal(folder: Path, *, resume: bool = True, settings: dict[str, object] | None = None) -> Journal:
    return Journal(folder / "results.journal", settings=settings or SETTINGS, resume=resume)


def scored(cases: list[Case], kept: Journal, **options: object) -> dict[str, Outcome]:
    plan = plan_of(**{"metrics": ["dice", "hd"], "penalty": "inf", "labels": {1: "liver"}, **options})  # type: ignore[arg-type]
    found = run(cases, plan, RunSettings(with_tables=True), executor=Processes(2), journal=kept)
    return {each.record.case: each for each in found}


def taken_over(found: dict[str, Outcome]) -> list[str]:
    return sorted(name for name, each in found.items() if each.is_taken_over)


def plain(outcome: Outcome) -> object:
    assert outcome.table is not None
    return outcome.record, outcome.scores, outcome.counts, outcome.names, list(outcome.table.rows())


def test_what_is_unchanged_is_taken_over_whole(tmp_path: Path, cases: list[Case]) -> None:
    first = scored(cases, journal(tmp_path))
    assert taken_over(first) == []
    again = scored(cases, journal(tmp_path))
    assert taken_over(again) == ["a", "b", "c"]
    assert {name: plain(each) for name, each in again.items()} == {name: plain(each) for name, each in first.items()}


def test_without_resume_all_is_scored_and_the_journal_put_aside(tmp_path: Path, cases: list[Case]) -> None:
    kept = []
    for count in (2, 3, 1):
        assert taken_over(scored(cases[:count], journal(tmp_path, resume=False))) == []
        kept.append((tmp_path / "results.journal").read_bytes())
        (tmp_path / "results.journal.2").touch()  # another one's file, which is not overwritten
    assert journal(tmp_path, resume=False)
    assert (tmp_path / "results.journal").read_bytes() == kept[2], "only a run replaces a journal"
    assert (tmp_path / "results.journal.1").read_bytes() == kept[0]
    assert (tmp_path / "results.journal.2").read_bytes() == b""
    assert (tmp_path / "results.journal.3").read_bytes() == kept[1]
    assert len(list(tmp_path.glob("results.journal*"))) == 4


def test_a_journal_without_cases_is_replaced(tmp_path: Path, cases: list[Case]) -> None:
    path = tmp_path / "results.journal"
    scored([], journal(tmp_path))
    head = path.read_bytes()
    assert head.count(b"\n") == 1
    for content in (b"", head[:20], head, head + b'{"case":"a'):
        path.write_bytes(content)
        scored([], journal(tmp_path, resume=False, settings={"metrics": ["iou"]}))
        assert json.loads(path.read_bytes())["settings"] == {"metrics": ["iou"]}
        assert [entry.name for entry in tmp_path.glob("*.journal*")] == ["results.journal"]


def test_other_settings_are_refused_and_named(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    before = (tmp_path / "results.journal").read_bytes()
    with pytest.raises(UsageError, match=r"other settings \(metrics, penalty\); leave out --resume"):
        journal(tmp_path, settings={**SETTINGS, "metrics": ["iou"], "penalty": "nan"})
    with pytest.raises(UsageError, match=r"other settings \(shard\)"):
        journal(tmp_path, settings={**SETTINGS, "shard": "1/2"})
    (tmp_path / "results.journal").write_bytes(before.replace(b'"format":2', b'"format":1', 1))
    with pytest.raises(UsageError, match=r"other settings \(the journal's format\)"):
        journal(tmp_path)
    assert not list(tmp_path.glob("results.journal.*"))


def test_a_journal_that_is_being_written_is_left_alone(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases[:1], journal(tmp_path))
    first, late = journal(tmp_path), journal(tmp_path)
    first.begin()
    for resume in (True, False):
        with pytest.raises(UsageError, match="another run is writing this journal"):
            journal(tmp_path, resume=resume)
    with pytest.raises(UsageError, match="another run is writing this journal"):
        late.begin()
    scored(cases, first)
    with pytest.raises(UsageError, match="another run is writing this journal"):
        late.begin()  # it has been written since it was read
    assert taken_over(scored(cases, journal(tmp_path))) == ["a", "b", "c"]


def test_a_finished_journal_is_removed_unless_another_run_has_it(tmp_path: Path, cases: list[Case]) -> None:
    path = tmp_path / "results.journal"
    kept = journal(tmp_path)
    kept.remove()  # it never began
    scored(cases, kept)
    next_one = journal(tmp_path)
    next_one.begin()
    kept.remove()
    assert path.exists(), "another run is writing it"
    scored(cases, next_one)
    path.write_bytes(path.read_bytes() + b"more")
    next_one.remove()
    assert path.exists(), "it was written since"
    last = journal(tmp_path)
    assert taken_over(scored(cases, last)) == ["a", "b", "c"]
    last.remove()
    assert not path.exists()
    last.remove()


def test_a_journal_that_appears_after_it_was_looked_for(tmp_path: Path, cases: list[Case]) -> None:
    late = journal(tmp_path, resume=False)
    scored(cases, journal(tmp_path))
    before = (tmp_path / "results.journal").read_bytes()
    with pytest.raises(UsageError, match="another run is writing this journal"):
        late.begin()
    assert (tmp_path / "results.journal").read_bytes() == before


def test_the_paths_are_those_of_today(tmp_path: Path, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    scored(cases, journal(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    spelt = [
        Case(name=case.name, prediction=f"./{case.name}_p.nii", reference=f"link/{case.name}_r.nii") for case in cases
    ]
    again = scored(spelt, journal(tmp_path))
    assert taken_over(again) == ["a", "b", "c"]
    assert again["b"].record.prediction == "./b_p.nii"
    assert again["b"].record.reference == "link/b_r.nii"


def named(tmp_path: Path) -> tuple[Case, Path]:
    """A segmentation in a dataset, which no table names yet."""
    dataset = tmp_path / "dataset"
    folder = dataset / "sub-01" / "anat"
    folder.mkdir(parents=True)
    (dataset / "dataset_description.json").write_text("{}")
    reference = save(folder / "sub-01_dseg.nii", box((6, 7, 8)))
    prediction = save(tmp_path / "p.nii", box((6, 7, 8)))
    return Case(name="x", prediction=str(prediction), reference=str(reference)), dataset


def names_of(found: dict[str, Outcome]) -> object:
    return found["x"].names[1]


def test_a_table_of_names_that_appears_later_is_noticed(tmp_path: Path) -> None:
    case, dataset = named(tmp_path)
    scored([case], journal(tmp_path), labels=None)
    assert taken_over(scored([case], journal(tmp_path), labels=None)) == ["x"]
    for table in (dataset / "dseg.tsv", dataset / "sub-01" / "sub-01_dseg.tsv", dataset / "sub-01/anat/dseg.tsv"):
        table.write_text(f"index\tname\n1\t{table.parent.name}\n")
        again = scored([case], journal(tmp_path), labels=None)
        assert taken_over(again) == []
        assert names_of(again) == table.parent.name
        (table.parent / "other.tsv").touch()
        assert taken_over(scored([case], journal(tmp_path), labels=None)) == ["x"]


def test_a_dataset_that_begins_elsewhere_is_noticed(tmp_path: Path) -> None:
    """Tables are looked for up to the root of the dataset."""
    case, dataset = named(tmp_path)
    (dataset / "dseg.tsv").write_text("index\tname\n1\tliver\n")
    assert names_of(scored([case], journal(tmp_path), labels=None)) == "liver"
    (dataset / "sub-01" / "dataset_description.json").write_text("{}")
    again = scored([case], journal(tmp_path), labels=None)
    assert taken_over(again) == []
    assert 1 not in again["x"].names
    (dataset / "sub-01" / "dataset_description.json").unlink()
    again = scored([case], journal(tmp_path), labels=None)
    assert taken_over(again) == []
    assert names_of(again) == "liver"


def test_scores_come_back_as_they_were(tmp_path: Path) -> None:
    """Infinite, undefined, whole and with every digit; with all kinds of names."""
    values = [0.1 + 0.2, 1 / 3, float("inf"), -float("inf"), None, 3.0, 1e-300]
    scores = tuple(
        Score(case='"x",\n', label=index, name="ä\udcff", metric="hd", value=value, unit="mm", note='],"record":{')
        for index, value in enumerate(values)
    )
    record = CaseRecord(case='"x",\n', status="scored", prediction="p", reference="r", shape=(2, 3), spacing=(0.1, 2))
    counts = (LabelCounts(case='"x",\n', label="all", tp=1, fp=2, fn=3, tn=1 << 40),)
    outcome = Outcome(record=record, scores=scores, counts=counts, names={1: "liver"})
    kept = journal(tmp_path)
    kept.add(outcome)
    kept.close()
    case = Case(name='"x",\n', prediction="p", reference="r")
    assert list(journal(tmp_path).taken_over([case])) == [replace(outcome, is_taken_over=True)]


def test_a_line_is_small(tmp_path: Path, cases: list[Case]) -> None:
    """A score is its values, without what they are called."""
    scored(cases, journal(tmp_path))
    line = (tmp_path / "results.journal").read_bytes().splitlines()[1]
    assert b'[1,"liver","hd",' in line
    assert line.count(b'"metric"') == 0


def test_one_damaged_byte_is_found(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    path = tmp_path / "results.journal"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    begin = len(lines[0]) + len(lines[1])
    random = np.random.default_rng(0)
    for place in random.integers(begin, begin + len(lines[2]), 30):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        assert len(journal(tmp_path).unchanged(cases)) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_more_than_nothing(timeout: float) -> None:
    with pytest.raises(UsageError, match="timeout must be greater than 0"):
        RunSettings(timeout=timeout)


def test_a_timeout_may_be_endless(cases: list[Case]) -> None:
    endless = RunSettings(timeout=float("inf"))
    assert [each.record.exit_code for each in run(cases[:1], plan_of(), endless, executor=Processes(1))] == [0]


def test_a_changed_file_is_scored_again(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    save(Path(str(cases[0].prediction)), box((6, 7, 8), at=3))
    os.utime(str(cases[1].prediction), ns=(1, 1))  # touched, but the same
    again = scored(cases, journal(tmp_path))
    assert taken_over(again) == ["b", "c"]
    assert taken_over(scored(cases, journal(tmp_path))) == ["a", "b", "c"]


def test_same_size_and_other_content_is_noticed_by_the_time(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    path = Path(cases[0].reference)
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert taken_over(scored(cases, journal(tmp_path))) == ["b", "c"]


def test_another_file_for_a_case_is_scored(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    swapped = [Case(name="a", prediction=cases[1].prediction, reference=cases[0].reference), *cases[1:]]
    assert taken_over(scored(swapped, journal(tmp_path))) == ["b", "c"]


def test_what_is_gone_or_not_scored_is_tried_again(tmp_path: Path, cases: list[Case]) -> None:
    Path(str(cases[0].prediction)).write_bytes(b"damaged")
    first = scored(cases, journal(tmp_path))
    assert first["a"].record.status == "failed"
    Path(cases[1].reference).unlink()
    again = scored(cases, journal(tmp_path))
    assert taken_over(again) == ["c"]
    assert again["b"].record.status == "failed"


def test_a_class_file_that_was_added_is_noticed(tmp_path: Path) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "liver.nii", box((6, 7, 8)))
    case = Case(name="x", prediction=str(tmp_path / "p"), reference=str(tmp_path / "r"))
    scored([case], journal(tmp_path))
    assert taken_over(scored([case], journal(tmp_path))) == ["x"]
    save(tmp_path / "p" / "spleen.nii", box((6, 7, 8)))
    assert taken_over(scored([case], journal(tmp_path))) == []


@pytest.mark.parametrize("cut", [1, 2, 40, 400])
def test_a_line_cut_short_costs_its_own_case(tmp_path: Path, cases: list[Case], cut: int) -> None:
    scored(cases, journal(tmp_path))
    path = tmp_path / "results.journal"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = scored(cases, journal(tmp_path))
    assert len(taken_over(again)) == 2
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    assert all(line.endswith(b"\n") and json.loads(line) for line in lines)
    assert path.read_bytes()[: len(b"".join(whole.splitlines(keepends=True)[:3]))] == b"".join(
        whole.splitlines(keepends=True)[:3]
    )


def test_every_cut_leaves_a_journal_that_can_be_read(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    path = tmp_path / "results.journal"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for cut in [0, 1, 30, *random.integers(0, len(whole), 40)]:
        path.write_bytes(whole[:cut])
        kept = journal(tmp_path)
        names = [outcome.record.case for outcome in kept.taken_over(cases)]
        assert len(names) == max(0, whole[:cut].count(b"\n") - 1)


def test_damage_in_the_middle_ends_it_there(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    path = tmp_path / "results.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], b'{"case": 3}\n', lines[3]]))
    assert len(taken_over(scored(cases, journal(tmp_path)))) == 1


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("content", [b"my thesis\n", b'{"format": 1}\n', b"\x00\xff", b"[" * 100_000 + b"\n"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: bytes, resume: bool) -> None:
    path = tmp_path / "results.journal"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"results\.journal: not a segeval journal; refusing to overwrite it"):
        journal(tmp_path, resume=resume)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.journal"]


def test_a_journal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the journal cannot be written: no such file"):
        Journal(tmp_path / "none" / "x.journal", settings=SETTINGS, resume=False).begin()
    os.mkfifo(tmp_path / "pipe.journal")
    for path in (tmp_path, tmp_path / "pipe.journal"):
        with pytest.raises(UsageError, match="not a segeval journal; refusing to overwrite it"):
            Journal(path, settings=SETTINGS, resume=True)
