"""The journal: what is taken over from it, what is not, and what a cut or a full disk leaves of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from segeval.api import plan_of
from segeval.cases import Case, Outcome
from segeval.errors import UsageError
from segeval.journal import Journal
from segeval.running import Finished, run
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


def scored(cases: list[Case], kept: Journal, **options: object) -> dict[str, Finished]:
    plan = plan_of(metrics=["dice", "hd"], penalty="inf", labels={1: "liver"})
    found = run(cases, plan, jobs=2, journal=kept, with_tables=True)
    return {each.outcome.record.case: each for each in found}


def taken_over(found: dict[str, Finished]) -> list[str]:
    return sorted(name for name, each in found.items() if each.taken_over)


def plain(outcome: Outcome) -> object:
    assert outcome.table is not None
    return outcome.record, outcome.scores, outcome.counts, outcome.names, list(outcome.table.rows())


def test_what_is_unchanged_is_taken_over_whole(tmp_path: Path, cases: list[Case]) -> None:
    first = scored(cases, journal(tmp_path))
    assert taken_over(first) == []
    again = scored(cases, journal(tmp_path))
    assert taken_over(again) == ["a", "b", "c"]
    assert {name: plain(each.outcome) for name, each in again.items()} == {
        name: plain(each.outcome) for name, each in first.items()
    }


def test_without_resume_all_is_scored_and_the_journal_put_aside(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases[:2], journal(tmp_path))
    before = (tmp_path / "results.journal").read_bytes()
    assert taken_over(scored(cases, journal(tmp_path, resume=False))) == []
    assert (tmp_path / "results.journal.old").read_bytes() == before


def test_other_settings_take_nothing_over(tmp_path: Path, cases: list[Case]) -> None:
    scored(cases, journal(tmp_path))
    changed = journal(tmp_path, settings={**SETTINGS, "metrics": ["iou"], "penalty": "nan"})
    assert changed.changed == ["metrics", "penalty"]
    assert taken_over(scored(cases, changed)) == []
    assert (tmp_path / "results.journal.old").exists()


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
    assert first["a"].outcome.record.status == "failed"
    Path(cases[1].reference).unlink()
    again = scored(cases, journal(tmp_path))
    assert taken_over(again) == ["c"]
    assert again["b"].outcome.record.status == "failed"


def test_a_class_file_that_was_added_is_noticed(tmp_path: Path) -> None:
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "liver.nii", box((6, 7, 8)))
    case = Case(name="x", prediction=str(tmp_path / "p"), reference=str(tmp_path / "r"))
    scored([case], journal(tmp_path))
    assert taken_over(scored([case], journal(tmp_path))) == ["x"]
    save(tmp_path / "p" / "spleen.nii", box((6, 7, 8)))
    assert taken_over(scored([case], journal(tmp_path))) == []


@pytest.mark.parametrize("cut", [1, 2, 40, 500])
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
        names = [case.name for case, _ in kept.taken_over(cases)]
        kept.close()
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
    with pytest.raises(UsageError, match=r"results\.journal: this is no journal of segeval"):
        journal(tmp_path, resume=resume)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.journal"]


def test_a_journal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the journal cannot be written: no such file"):
        Journal(tmp_path / "none" / "x.journal", settings=SETTINGS, resume=False)
