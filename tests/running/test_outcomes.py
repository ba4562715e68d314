"""What becomes of a case, event by event, and a run over an executor that fails as a test wants."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from segeval.errors import InputError, OutOfMemoryError, UsageError
from segeval.running.executor import Item, Loss, Result
from segeval.running.outcomes import failure_of, outcome_of
from segeval.running.run import PRELOADED, attempt, run
from segeval.running.settings import RunSettings
from segeval.scoring.batch_options import Missing
from segeval.scoring.case import Case, Outcome
from segeval.scoring.plan import plan_of
from tests.command import box, save

CASE = Case(name="a", prediction="p/a.nii", reference="r/a.nii")
LONELY = Case(name="a", prediction=None, reference="r/a.nii", near=("p/A.nii",))
CAUSE = "its process was killed by SIGKILL"


def verdict(outcome: Outcome | None) -> tuple[str, str | None, int] | None:
    return None if outcome is None else (outcome.record.status, outcome.record.message, outcome.record.exit_code)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("error", ("missing", "no prediction; similar: p/A.nii", 3)),
        ("skip", ("skipped", "no prediction; left out", 0)),
        ("empty", None),
    ],
)
def test_a_case_without_a_prediction(missing: Missing, expected: object) -> None:
    assert verdict(outcome_of(LONELY, "begin", missing=missing)) == expected
    assert outcome_of(CASE, "begin", missing=missing) is None


def test_a_case_with_a_problem_is_not_tried() -> None:
    case = Case(name="a", prediction=None, reference="r", problem="two predictions")
    assert verdict(outcome_of(case, "begin", missing="skip")) == ("failed", "two predictions", 3)


def test_what_is_lost_is_tried_once_more() -> None:
    assert outcome_of(CASE, Loss(CAUSE), is_last_try=False) is None
    twice = f"{CAUSE} (tried twice, the second time alone)"
    assert verdict(outcome_of(CASE, Loss(CAUSE))) == ("failed", twice, 3)
    assert verdict(outcome_of(CASE, Loss("too long", is_final=True), is_last_try=False)) == ("failed", "too long", 3)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory to score it"),
        (OutOfMemoryError("no room", source="p/a.nii"), "p/a.nii: no room"),
    ],
)
def test_what_needs_memory_is_tried_once_more(error: Exception, message: str) -> None:
    outcome = failure_of(CASE, error)
    assert outcome_of(CASE, outcome, is_last_try=False) is None
    assert verdict(outcome_of(CASE, outcome)) == ("failed", message, 3)


def test_an_error_decides_on_the_exit_code() -> None:
    for error, code in ((InputError("damaged"), 3), (UsageError("no such label"), 2)):
        outcome = failure_of(CASE, error)
        assert verdict(outcome_of(CASE, outcome, is_last_try=False)) == ("failed", str(error), code)
        assert outcome.defect is None
    outcome = failure_of(CASE, LookupError("who?"))
    assert verdict(outcome) == ("failed", "a defect in segeval: LookupError: who?", 1)
    assert outcome.defect == "LookupError: who?\n", "with a traceback where it was raised"


def test_fail_fast_is_no_error_of_the_case_itself() -> None:
    assert verdict(outcome_of(CASE, "fail fast")) == (
        "skipped",
        "not tried, because another case could not be scored (--fail-fast)",
        0,
    )


def test_a_file_that_only_this_machine_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths are relative; on the other machine their folder does not exist, whatever lies in another one."""
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        save(tmp_path / side / "a.nii", box((4, 4, 4)))
    monkeypatch.chdir(tmp_path)
    error = InputError("no such folder", source="/none")
    there = failure_of(CASE, error, folder="/none", is_remote=True)
    assert there.unseen == ("p/a.nii", "r/a.nii")
    assert there.host == os.uname().nodename
    assert verdict(outcome_of(CASE, there)) == (
        "failed",
        f"p/a.nii: the worker on {there.host} cannot read the file, this machine can; "
        "share the folder, with the same rights",
        3,
    )
    (tmp_path / "p" / "a.nii").unlink()
    (tmp_path / "r" / "a.nii").unlink()
    assert verdict(outcome_of(CASE, there)) == ("failed", "/none: no such folder", 3), "nobody sees it"
    assert failure_of(CASE, error, folder="/none").unseen == ()
    plan, settings = plan_of(metrics="dice"), RunSettings()
    found = attempt(CASE, plan=plan, settings=settings, folder="/none", with_inputs=False, is_remote=True)
    assert (found.record, found.unseen) == (there.record, there.unseen)


@dataclass
class Scripted:
    """An executor in this process that loses what a test wants, and notes what it was handed."""

    losses: list[dict[str, Loss]]
    handed: list[tuple[bool, list[str]]] = field(default_factory=list)
    problem: InputError | None = None
    is_remote: bool = False

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,  # noqa: ARG002
        alone: bool = False,
        preload: Sequence[str] = (),  # noqa: ARG002
    ) -> Generator[tuple[Item, Result | Loss], None, None]:
        losses: dict[Any, Loss] = self.losses[len(self.handed)]
        names: dict[Item, Any] = {item: getattr(item, "name", None) for item in items}
        self.handed.append((alone, list(names.values())))
        for item, name in names.items():
            yield item, losses[name] if name in losses else function(item)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    path = str(save(tmp_path / "a.nii", box((4, 4, 4))))
    return [Case(name=name, prediction=path, reference=path) for name in "abc"]


def test_each_case_comes_back_once(cases: list[Case]) -> None:
    executor = Scripted([{"a": Loss(CAUSE), "b": Loss("too long", is_final=True)}, {}])
    found = run(cases, plan_of(metrics="dice"), RunSettings(), executor=executor)
    assert [(each.record.case, each.record.status) for each in found] == [
        ("b", "failed"),
        ("c", "scored"),
        ("a", "scored"),
    ]
    assert executor.handed == [(False, ["a", "b", "c"]), (True, ["a"])]


def test_fail_fast_leaves_the_rest_alone(cases: list[Case]) -> None:
    executor = Scripted([{"b": Loss("too long", is_final=True)}])
    found = run(cases, plan_of(metrics="dice"), RunSettings(fail_fast=True), executor=executor)
    assert [each.record.status for each in found] == ["scored", "failed", "skipped"]
    assert len(executor.handed) == 1


@pytest.mark.parametrize("with_tables", [True, False])
def test_tables_are_there_where_they_are_wanted(cases: list[Case], with_tables: bool) -> None:
    settings = RunSettings(with_tables=with_tables)
    found = run(cases, plan_of(metrics="dice"), settings, executor=Scripted([{}, {}]))
    assert [each.table is not None for each in found] == [with_tables] * 3


def test_what_a_journal_rests_on() -> None:
    """The journal's first line is made of it; with other keys, journals of earlier runs would be refused."""
    plan = plan_of(metrics="dice")
    found = RunSettings(missing="skip", with_tables=True, shard="1/2", timeout=3, fail_fast=True).of_journal(plan)
    assert list(found) == ["version", *plan.settings(), "missing", "confusion", "shard"]
    assert (found["missing"], found["confusion"], found["shard"]) == ("skip", True, "1/2")


@pytest.mark.parametrize("module", PRELOADED)
def test_preloaded_modules_exist(module: str) -> None:
    """A name that is none is passed over in silence, and each worker loads all by itself."""
    assert importlib.util.find_spec(module) is not None
