"""Workers that are killed, hang or run on: what becomes of their items, and of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segeval.executors import Ended, processors, run_in_processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
HERE = Path(__file__).resolve().parent.parent


def act(item: str) -> str:
    """What an item says: to be killed, to end, to hang, to answer."""
    if item.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if item.startswith("exit"):
        os._exit(7)
    if item.startswith("hang"):
        threading.Event().wait()
    return item.upper()


def large(size: int) -> bytes:
    return bytes(size)


def facts(_: int) -> tuple[int, str, str]:
    return os.getpid(), os.environ["OMP_NUM_THREADS"], sys.modules["__main__"].__name__


def ended(items: list[str], *, jobs: int, timeout: float | None = None) -> dict[str, Ended[str, str]]:
    return {each.item: each for each in run_in_processes(act, items, jobs=jobs, timeout=timeout)}


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_item_comes_back_once(jobs: int) -> None:
    items = [f"item {number}" for number in range(50)]
    found = [each.result for each in run_in_processes(act, items, jobs=jobs)]
    assert sorted(map(str, found)) == sorted(item.upper() for item in items)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_worker_costs_its_own_item(jobs: int) -> None:
    found = ended(["a", "kill 1", "b", "kill 2", "exit", "c"], jobs=jobs)
    assert {item: each.result for item, each in found.items() if each.cause is None} == {"a": "A", "b": "B", "c": "C"}
    for item in ("kill 1", "kill 2"):
        assert found[item].cause == "its process was killed by SIGKILL; out of memory is the usual reason"
        assert not found[item].timed_out
    assert found["exit"].cause == "its process ended with exit code 7"


def test_what_hangs_is_ended() -> None:
    found = ended(["a", "hang", "b", "c", "d"], jobs=2, timeout=0.5)
    assert found["hang"].timed_out
    assert found["hang"].cause == "it took longer than 0.5 s"
    assert sum(each.result is not None for each in found.values()) == 4


def test_results_larger_than_a_pipe() -> None:
    sizes = [10, 1 << 22, 5]
    found = run_in_processes(large, sizes, jobs=2)
    assert sorted(len(each.result or b"") for each in found) == sorted(sizes)


def test_workers_are_kept_and_compute_with_one_thread() -> None:
    found = [each.result for each in run_in_processes(facts, range(20), jobs=2)]
    assert all(each is not None and each[1] == "1" for each in found)
    assert len({each[0] for each in found if each}) <= 2
    assert "OMP_NUM_THREADS" not in os.environ or os.environ["OMP_NUM_THREADS"] != ""


def test_nothing_is_started_for_nothing() -> None:
    assert list(run_in_processes(act, [], jobs=4)) == []


def test_items_are_taken_as_workers_become_free() -> None:
    taken: list[int] = []

    def items() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield str(number)

    running = run_in_processes(act, items(), jobs=2)
    next(running)
    assert len(taken) <= 4
    running.close()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_workers_end_when_nobody_asks_any_more() -> None:
    before = {pid for pid in descendants(os.getpid()) if not is_zombie(pid)}
    running = run_in_processes(act, ["a", "hang", "hang"], jobs=3)
    next(running)
    workers = {pid for pid in descendants(os.getpid()) if not is_zombie(pid)} - before
    assert workers
    running.close()
    left = {pid for pid in workers if not is_zombie(pid)}
    assert len(left) <= 2, "but for the process that they are copied from, and the one that minds its resources"


SCRIPT = """
import sys
sys.path.insert(0, {top!r})
from tests.test_executors import act
from segeval.executors import run_in_processes
print("begun", flush=True)
for each in run_in_processes(act, {items!r}, jobs=2):
    print(each.result, flush=True)
"""


def script(items: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SCRIPT.format(top=str(HERE), items=items)], stdout=subprocess.PIPE, text=True, cwd=HERE
    )


def test_a_script_without_a_guard_is_not_begun_anew() -> None:
    with script(["a", "b"]) as running:
        out, _ = running.communicate(timeout=60)
    assert sorted(out.split()) == ["A", "B", "begun"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_workers_end_with_a_caller_that_is_killed() -> None:
    """The one that hangs would never look at its pipe again."""
    with script(["a", "hang"]) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        assert running.stdout.readline() == "A\n"
        family = descendants(running.pid)
        assert family
        running.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").is_dir() and not is_zombie(pid) for pid in family):
        assert time.monotonic() < deadline, "workers outlive their caller"
        time.sleep(0.01)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def test_processors() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)
