"""Workers that are killed, hang or run on: what becomes of their items, and of the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segeval.running import processes as pool
from segeval.running import processors as machine
from segeval.running.executor import Loss
from segeval.running.processes import Processes, SupervisedProcess
from segeval.running.processors import processors
from segeval.running.worker_process import PART, Worker
from tests.places import TOP

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def act(item: str) -> str:
    """What an item says: to be killed, to end, to hang, to answer."""
    if item.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if item.startswith("exit"):
        os._exit(7)
    if item.startswith("hang"):
        threading.Event().wait()
    return item.upper()


def pid_of(item: str) -> int:
    act(item)
    return os.getpid()


def large(size: int) -> bytes:
    return bytes(size)


def received(end: tuple[int, bytes | Loss]) -> bytes:
    assert isinstance(end[1], bytes)
    return end[1]


def stopped_while_sending(size: int) -> bytes:
    """Stop soon after a large result has begun to go through the pipe."""
    if size > 1 << 20:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    return bytes(size)


class Unreadable:
    """What cannot be unpickled, or not even pickled."""

    def __init__(self, raised: str) -> None:
        self.raised = raised

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        if self.raised == "here":
            raise ValueError("not this one")
        return refuse, (self.raised,)


def refuse(_: str) -> object:
    raise RuntimeError("who am I?")


def astray(item: str) -> object:
    """Every way in which a function can go wrong, although it should not."""
    match item:
        case "raise":
            raise LookupError("no such thing")
        case "interrupt":
            raise KeyboardInterrupt
        case "leave":
            sys.exit(3)
        case "local":
            return lambda: item
        case "unpicklable":
            return Unreadable("here")
        case "unreadable":
            return Unreadable("there")
        case "mute":
            os.closerange(3, 100)
            threading.Event().wait()
    return item


def facts(_: int) -> tuple[int, str, str]:
    return os.getpid(), os.environ["OMP_NUM_THREADS"], sys.modules["__main__"].__name__


def ended(items: list[str], *, jobs: int, timeout: float | None = None) -> dict[str, str | Loss]:
    return dict(Processes(jobs).run(act, items, timeout=timeout))


def results(items: list[str], *, jobs: int) -> list[str | Loss]:
    return [found for _, found in Processes(jobs).run(act, items)]


KILLED = Loss("its process was killed by SIGKILL, usually because memory ran out")


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_item_comes_back_once(jobs: int) -> None:
    items = [f"item {number}" for number in range(50)]
    assert sorted(map(str, results(items, jobs=jobs))) == sorted(item.upper() for item in items)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_worker_costs_its_own_item(jobs: int) -> None:
    found = ended(["a", "kill 1", "b", "kill 2", "exit", "c"], jobs=jobs)
    killed = dict.fromkeys(("kill 1", "kill 2"), KILLED)
    assert found == {"a": "A", "b": "B", "c": "C", "exit": Loss("its process ended with exit code 7"), **killed}


def test_what_hangs_is_ended() -> None:
    found = ended(["a", "hang", "b", "c", "d"], jobs=2, timeout=2)
    assert found.pop("hang") == Loss("it took longer than 2 s", is_final=True)
    assert found == {"a": "A", "b": "B", "c": "C", "d": "D"}


def test_results_larger_than_a_pipe() -> None:
    sizes = [10, 1 << 22, 5]
    found = Processes(2).run(large, sizes)
    assert sorted(map(len, map(received, found))) == sorted(sizes)


def test_no_more_items_are_worked_on_than_there_are_workers() -> None:
    """A result in many parts keeps its worker busy until the last one."""
    sizes = [1 << 22, 5, 1 << 22, 7, 9]
    assert [item for item, _ in Processes(1).run(large, sizes)] == sizes


@pytest.mark.parametrize("around", [-2, -1, 0, 1])
def test_results_about_as_large_as_a_part(around: int) -> None:
    overhead = len(pickle.dumps(bytes(1000))) - 1000
    sizes = [count * PART - overhead + around for count in (1, 2, 3)]
    found = Processes(1).run(large, sizes)
    assert list(map(len, map(received, found))) == sizes


def test_a_worker_that_stops_in_the_middle_of_its_result_is_ended_in_time() -> None:
    began = time.monotonic()
    sizes = [10, 1 << 29, 20, 30]
    found = dict(Processes(2).run(stopped_while_sending, sizes, timeout=3))
    assert time.monotonic() - began < 20
    assert found.pop(1 << 29) == Loss("it took longer than 3 s", is_final=True)
    assert found == {size: bytes(size) for size in (10, 20, 30)}


def test_what_goes_wrong_in_a_function_or_its_result_costs_its_own_item() -> None:
    items = ["a", "raise", "interrupt", "leave", "local", "unpicklable", "unreadable", "mute", "b"]
    found = dict(Processes(1).run(astray, items))
    causes = {item: each.cause for item, each in found.items() if isinstance(each, Loss)}
    assert list(found) == items
    assert (found["a"], found["b"]) == ("a", "b")
    assert causes.pop("local", "").startswith("no result: ")
    assert causes == {
        "raise": "no result: LookupError: no such thing",
        "interrupt": "no result: KeyboardInterrupt",
        "leave": "no result: SystemExit: 3",
        "unpicklable": "no result: ValueError: not this one",
        "unreadable": "its result cannot be read: RuntimeError: who am I?",
        "mute": "its process closed its pipe",
    }
    assert not any(each.is_final for each in found.values() if isinstance(each, Loss))


def test_an_item_that_cannot_be_handed_over_costs_itself() -> None:
    items = ["a", Unreadable("here"), Unreadable("there"), "b"]
    assert [found for _, found in Processes(1).run(str, items)] == [
        "a",
        Loss("it cannot be sent to a process: ValueError: not this one"),
        Loss("no result: RuntimeError: who am I?"),
        "b",
    ]


@pytest.mark.parametrize("own", [None, "3"])
def test_workers_are_kept_and_compute_with_one_thread(monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if own is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    before = dict(os.environ)
    found = [each for _, each in Processes(2).run(facts, range(20)) if not isinstance(each, Loss)]
    assert [each[1:] for each in found] == [("1", "__main__")] * 20
    assert 1 <= len({each[0] for each in found}) <= 2
    assert dict(os.environ) == before


def test_threads_that_start_workers_leave_everything_as_it_was() -> None:
    """Main module, environment and handler belong to the process; with a slow start they would be mixed up."""
    before = dict(os.environ), sys.modules["__main__"], signal.getsignal(signal.SIGINT)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    found: list[dict[str, str | Loss]] = []

    def run() -> None:
        found.append(ended(["a", "kill", "b"], jobs=3))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    run()
    for thread in threads:
        thread.join()
    assert found == [{"a": "A", "kill": KILLED, "b": "B"}] * 7
    assert (dict(os.environ), sys.modules["__main__"], signal.getsignal(signal.SIGINT)) == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_an_interrupt_waits_until_a_worker_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives right after that, and the worker is ended."""
    crew: list[Worker[str, str]] = []

    class Interrupted(Worker[str, str]):
        def __init__(self, function: Callable[[str], str], preload: list[str]) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            super().__init__(function, preload)
            crew.append(self)

    monkeypatch.setattr(pool, "Worker", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(Processes(2).run(act, ["a", "b"]))
    assert len(crew) == 1
    assert not crew[0]._process.is_alive()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def start_from_a_daemon(answer: str) -> None:
    Path(answer).write_text(f"{results(['a'], jobs=1)} {multiprocessing.current_process().daemon}")


def test_a_daemonic_process_can_start_workers(tmp_path: Path) -> None:
    """As the worker processes of Dask and of multiprocessing's pools are."""
    process = multiprocessing.get_context("spawn").Process(
        target=start_from_a_daemon, args=(str(tmp_path / "answer"),), daemon=True
    )
    process.start()
    process.join(60)
    assert (tmp_path / "answer").read_text() == "['A'] True"


def leave_behind(answer: str) -> None:
    running = Processes(2).run(act, ["a", "hang"])
    next(running)
    Path(answer).write_text(" ".join(map(str, descendants(os.getpid()))))
    threading.Event().wait()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_daemonic_process_leaves_no_worker_behind(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=leave_behind, args=(str(tmp_path / "answer"),), daemon=True
    )
    process.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "answer").exists() or not (family := (tmp_path / "answer").read_text().split()):
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.01)
    process.terminate()
    while any(Path(f"/proc/{pid}").is_dir() and not is_zombie(int(pid)) for pid in family):
        assert time.monotonic() < deadline, "workers outlive their caller"
        time.sleep(0.01)
    process.join(30)


def test_one_process_is_handed_items_one_by_one() -> None:
    process = SupervisedProcess(pid_of)
    first, second = process.work_on("a"), process.work_on("b")
    assert isinstance(first, int)
    assert first == second
    assert process.work_on("kill") == KILLED
    third = process.work_on("c")
    assert isinstance(third, int)
    assert third != first
    os.kill(third, signal.SIGKILL)  # while it has nothing to do
    assert process._worker is not None
    process._worker._process.join(30)
    fourth = process.work_on("d")
    assert isinstance(fourth, int)
    assert fourth != third
    process.end()
    assert isinstance(process.work_on("e"), int)
    process.end()


def test_one_process_is_given_up_after_the_timeout_or_killed() -> None:
    process = SupervisedProcess(act, timeout=2)
    assert process.work_on("a") == "A"
    assert process.work_on("hang") == Loss("it took longer than 2 s", is_final=True)
    waiting = SupervisedProcess(act)
    waiting.work_on("a")
    threading.Timer(0.1, waiting.kill).start()
    assert waiting.work_on("hang") == KILLED


def test_nothing_is_started_for_nothing() -> None:
    assert list(Processes(4).run(act, [])) == []


def test_items_are_taken_as_workers_become_free() -> None:
    taken: list[int] = []

    def items() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield str(number)

    running = Processes(2).run(act, items())
    next(running)
    assert len(taken) <= 4
    running.close()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_workers_end_when_nobody_asks_any_more() -> None:
    before = {pid for pid in descendants(os.getpid()) if not is_zombie(pid)}
    running = Processes(3).run(act, ["a", "hang", "hang"])
    next(running)
    workers = {pid for pid in descendants(os.getpid()) if not is_zombie(pid)} - before
    assert workers
    running.close()
    left = {pid for pid in workers if not is_zombie(pid)}
    assert len(left) <= 2, "but for the process that they are copied from, and the one that minds its resources"


SCRIPT = """
import sys
sys.path.insert(0, {top!r})
from tests.running.test_processes import act
from segeval.running.processes import Processes
print("begun", flush=True)
for _, result in Processes(2).run(act, {items!r}):
    print(result, flush=True)
"""


def script(items: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SCRIPT.format(top=str(TOP), items=items)], stdout=subprocess.PIPE, text=True, cwd=TOP
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
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir() if Path(f"/proc/{pid}").exists() else ():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            children += map(int, (task / "children").read_text().split())
    found = list(children)
    for child in children:
        with contextlib.suppress(OSError):
            found += descendants(child)
    return found


def test_processors() -> None:
    assert 1 <= processors() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, [1.5]),
        ("0::/", {"cpu.max": "max 100000"}, []),
        ("0::/a/b", {"cpu.max": "max 100000", "a/cpu.max": "50000 100000", "a/b/cpu.max": "400000 100000"}, [4, 0.5]),
        ("0::/of the host", {"cpu.max": "200000 100000"}, [2]),
        ("1:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, [2.5]),
        ("1:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, [0.5]),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, []),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "50000"}, []),
        ("", {"cpu.max": "100000 100000"}, [1]),
        ("nonsense", {"cpu.max": "nonsense"}, []),
        ("0::/", {"cpu.max": "1 0"}, []),
    ],
)
def test_the_quota_of_a_container(tmp_path: Path, groups: str, files: dict[str, str], expected: list[float]) -> None:
    (tmp_path / "groups").write_text(f"{groups}\n")
    for name, content in files.items():
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    assert list(machine._quotas(tmp_path / "top", tmp_path / "groups")) == expected


@pytest.mark.parametrize(("quota", "expected"), [([0.1], 1), ([1.0], 1), ([1.2, 9.0], 2), ([], 4)])
def test_a_quota_is_rounded_up(monkeypatch: pytest.MonkeyPatch, quota: list[float], expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 4, raising=False)
    monkeypatch.setattr(machine, "_quotas", lambda: iter(quota))
    assert processors() == expected


def test_what_is_killed_before_it_began_does_not_begin() -> None:
    process: SupervisedProcess[str, int] = SupervisedProcess(len)
    process.kill()
    assert process.work_on("abc") == KILLED
    process.end()
