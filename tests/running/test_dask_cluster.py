"""A cluster as it is: a scheduler, workers that are killed, late, blind or of another version, and the same bytes.

Scheduler and workers are processes of their own on the loopback interface. Most workers have a nanny, and so are
daemonic processes. What is waited for is a condition, never a time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import segeval
from segeval.errors import UsageError
from segeval.running.dask_connection import connected
from segeval.running.executor import Loss
from segeval.running.run import run
from segeval.running.settings import RunSettings
from segeval.scoring.case import Case
from segeval.scoring.plan import plan_of
from segeval.version import __version__
from tests.command import SEGEVAL, Answer, box, call, plain_environment, save, spawn
from tests.places import SAMPLES, TOP
from tests.running.test_batch_interrupted import (
    CASES,
    begun,
    command,
    expected,
    finished,
    folders,
    outputs,
    started,
    until,
)
from tests.running.test_processes import act, descendants, is_zombie

pytest.importorskip("distributed", reason="the extra dask")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="POSIX signals, and /proc"),
]
__all__ = ["expected", "folders"]  # fixtures

Started = subprocess.Popen[bytes]


class Machines:
    """A scheduler and workers, until the end of a test."""

    def __init__(self, folder: Path, *, allowed_failures: int = 3) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.workers: list[Started] = []
        self._all: list[Started] = []
        options = ["--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        setting = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures)}
        self.scheduler = self._start("scheduler", *options, environment=setting)
        until(lambda: self.file.exists() and self.file.read_text().endswith("}"), self.scheduler)
        self.address = str(json.loads(self.file.read_text())["address"])

    def add(
        self, *options: str, nanny: bool = True, threads: int = 1, path: Path = TOP, blind: Path | None = None
    ) -> Started:
        """A worker; `blind` sees an empty folder in place of this one."""
        hidden = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs none "{blind}" && exec "$@"', "sh"] if blind else []
        worker = self._start(
            "worker",
            *(
                "--scheduler-file",
                str(self.file),
                "--no-dashboard",
                "--nthreads",
                str(threads),
                "--death-timeout",
                "60",
            ),
            *("--nanny" if nanny else "--no-nanny", *options),
            environment={"PYTHONPATH": str(path)},
            before=hidden,
        )
        self.workers.append(worker)
        return worker

    def _start(self, kind: str, *options: str, environment: dict[str, str], before: list[str] | None = None) -> Started:
        with (self.folder / f"{kind}.log").open("ab") as log:
            running = subprocess.Popen(  # noqa: S603
                [*(before or []), sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", *options],
                cwd=self.folder,
                env=plain_environment() | {"PYTHONPATH": str(TOP)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._all.append(running)
        return running

    def end(self) -> None:
        for each in self._all:
            for pid in [each.pid, *(descendants(each.pid) if each.poll() is None else [])]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            each.wait(30)
        self._all.clear()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Callable[..., Machines]]:
    made: list[Machines] = []

    def make(**options: int) -> Machines:
        folder = tmp_path / "cluster"
        folder.mkdir()
        made.append(Machines(folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two workers, one of which has two threads."""
    made = Machines(tmp_path_factory.mktemp("cluster"))
    made.add()
    made.add(threads=2)
    yield made
    made.end()


def scoring(worker: Started) -> list[int]:
    """The processes that score on a worker: copies of one that has the modules loaded."""
    family = descendants(worker.pid)
    copied = [pid for pid in family if "forkserver" in command_line(pid)]
    return [pid for pid in copied if parent(pid) in copied and not is_zombie(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def clean(answer: Answer) -> None:
    """Nothing of Dask's own is on stderr."""
    for word in ("Traceback", "distributed.", "tornado", "CancelledError", "Exception"):
        assert word not in answer.err, answer.err


def test_the_same_bytes(
    folders: tuple[Path, Path], expected: dict[str, bytes], cluster: Machines, tmp_path: Path
) -> None:
    answer = spawn(*command(folders, "--dask", cluster.address), folder=tmp_path)
    assert answer.code == 3, answer.err
    assert answer.cause == f"FAILED: 2 of 4 requirements not met; 2 of {CASES} cases were not scored"
    clean(answer)
    assert outputs(tmp_path) == expected
    until(lambda: not any(map(scoring, cluster.workers)))


def test_relative_paths_are_kept_as_given(folders: tuple[Path, Path], cluster: Machines, tmp_path: Path) -> None:
    """The workers have another folder of their own; messages name files as the user does."""
    for name, folder in zip("pr", folders, strict=True):
        (tmp_path / name).symlink_to(folder)
    assert spawn(*command(("p", "r"), "-j", 1, "--error-maps", "here"), folder=tmp_path).code == 3
    wanted = outputs(tmp_path)
    assert b'"p/case_7.nii: ' in wanted["r.json"]
    environment = {"DASK_SCHEDULER_ADDRESS": cluster.address}
    options = ["--error-maps", "there", "--dask"]
    answer = spawn(*command(("p", "r"), *options), folder=tmp_path, environment=environment)
    assert answer.code == 3, answer.err
    assert outputs(tmp_path) == wanted
    here, there = (
        {path.relative_to(tmp_path / side): path.read_bytes() for path in (tmp_path / side).rglob("*.*")}
        for side in ("here", "there")
    )
    assert len(here) >= CASES - 2
    assert here == there


@pytest.mark.parametrize("first", [True, False])
def test_dask_does_not_take_a_folder_for_an_address(
    folders: tuple[Path, Path], cluster: Machines, tmp_path: Path, first: bool
) -> None:
    words = ["--dask", *folders] if first else [*folders, "--dask"]
    environment = {"DASK_SCHEDULER_ADDRESS": cluster.address}
    answer = spawn("batch", *words, "-m", "dice", "-q", folder=tmp_path, environment=environment)
    assert answer.code == 3, answer.err
    answer = spawn("batch", *words, "-m", "dice", "-q", folder=tmp_path)
    assert answer.code == 2
    assert answer.cause == (
        "error: no address of a Dask scheduler was given; "
        "give --dask tcp://HOST:8786 or --scheduler-file FILE, or set DASK_SCHEDULER_ADDRESS"
    )


def test_resumed_on_a_cluster(
    folders: tuple[Path, Path], expected: dict[str, bytes], cluster: Machines, tmp_path: Path
) -> None:
    assert spawn(*command(folders, "-j", 1), folder=tmp_path).code == 3
    path = tmp_path / "r.journal"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    talkative = [each for each in command(folders, "--resume") if each != "-q"]
    answer = spawn(*talkative, "--scheduler-file", cluster.file, folder=tmp_path)
    assert answer.code == 3
    assert f"5 of {CASES} cases were scored before, according to r.journal\n" in answer.err
    assert outputs(tmp_path) == expected


def test_an_interrupt(
    folders: tuple[Path, Path], expected: dict[str, bytes], cluster: Machines, tmp_path: Path
) -> None:
    with begun(folders, tmp_path, "--dask", cluster.address) as running:
        running.send_signal(signal.SIGINT)
        answer = finished(running)
    assert answer.code == 130
    assert answer.cause == "error: interrupted"
    assert "cases are in r.journal" in answer.err
    clean(answer)
    until(lambda: not any(map(scoring, cluster.workers)))
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


def test_a_case_that_hangs(folders: tuple[Path, Path], cluster: Machines, tmp_path: Path) -> None:
    """It is given up after the timeout, and its worker goes on with others."""
    with begun(folders, tmp_path, "--dask", cluster.address, "--timeout", 2) as running:
        until(lambda: bool(scoring(cluster.workers[0])), running)
        os.kill(scoring(cluster.workers[0])[0], signal.SIGSTOP)
        answer = finished(running)
    assert answer.code == 3
    assert outputs(tmp_path)["r.json"].count(b"it took longer than 2 s") == 1


def test_fail_fast(folders: tuple[Path, Path], cluster: Machines, tmp_path: Path) -> None:
    answer = spawn(*command(folders, "--dask", cluster.address, "--fail-fast", "--missing", "skip"), folder=tmp_path)
    assert answer.code == 3
    clean(answer)
    assert b"not tried, because another case could not be scored" in outputs(tmp_path)["r.json"]
    until(lambda: not any(map(scoring, cluster.workers)))


def test_from_python(folders: tuple[Path, Path], cluster: Machines) -> None:
    here = segeval.batch(*folders, metrics="dice", jobs=1)
    assert segeval.batch(*folders, metrics="dice", dask=cluster.address) == here
    assert segeval.batch(*folders, metrics="dice", scheduler_file=cluster.file) == here
    with pytest.raises(UsageError, match="jobs is for this machine only"):
        segeval.batch(*folders, dask=cluster.address, jobs=2)
    with pytest.raises(UsageError, match="cannot be combined"):
        segeval.batch(*folders, dask=cluster.address, scheduler_file=cluster.file)
    with pytest.raises(UsageError, match="worker_timeout is for a cluster"):
        segeval.batch(*folders, worker_timeout=3)


def on_cluster(address: str, items: list[str], function: Callable[[str], str] = act) -> dict[str, str | Loss]:
    with warnings.catch_warnings(), connected(address) as executor:
        return dict(executor.run(function, items, timeout=2))


def test_whatever_an_item_does(cluster: Machines) -> None:
    items = ["a", "kill", "b", "exit", "hang", *map(str, range(200))]
    found = on_cluster(cluster.address, items)
    assert found.keys() == set(items)
    assert found["a"] == "A"
    assert found["kill"] == Loss("its process was killed by SIGKILL, usually because memory ran out")
    assert found["exit"] == Loss("its process ended with exit code 7")
    assert found["hang"] == Loss("it took longer than 2 s", is_final=True)
    assert all(found[str(number)] == str(number) for number in range(200))


def act_on_the_worker(item: str) -> str:
    """Kill the worker itself, to which the process that copies this one belongs."""
    if item == "poison":
        os.kill(parent(os.getppid()), signal.SIGKILL)
        threading.Event().wait()
    return item.upper()


def test_an_item_that_kills_its_worker(machines: Callable[..., Machines]) -> None:
    """Dask gives it to another one, as often as its scheduler allows; a nanny begins the worker anew."""
    made = machines(allowed_failures=1)
    made.add()
    found = on_cluster(made.address, ["poison", *map(str, range(40))], act_on_the_worker)
    poison = found["poison"]
    assert isinstance(poison, Loss)
    assert poison.cause.startswith("each worker that tried it was lost, the last one tcp://127.0.0.1:")
    assert not poison.is_final
    lost = [item for item, each in found.items() if isinstance(each, Loss)]
    assert set(found) - set(lost) >= {str(number) for number in range(20, 40)}


def test_a_worker_that_is_killed(
    folders: tuple[Path, Path], expected: dict[str, bytes], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    made = machines()
    made.add(nanny=False)
    made.add(nanny=False)
    with begun(folders, tmp_path, "--dask", made.address) as running:
        victim = next(worker for worker in made.workers if scoring(worker))
        family = descendants(victim.pid)
        victim.kill()
        answer = finished(running)
    assert answer.code == 3, answer.err
    clean(answer)
    assert outputs(tmp_path) == expected
    until(lambda: all(is_zombie(pid) for pid in family))


def test_no_worker_any_more(
    folders: tuple[Path, Path], expected: dict[str, bytes], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    """What is finished is kept, the rest is reported; another run waits for a worker that comes after it."""
    made = machines()
    worker = made.add(nanny=False)
    with begun(folders, tmp_path, "--dask", made.address, "--worker-timeout", 1.5) as running:
        worker.kill()
        answer = finished(running)
    assert answer.code == 3
    problem = f"no worker at {made.address} for 1.5 s"
    assert f"error: {problem}; run the same command with --resume\n" in answer.err
    clean(answer)
    assert f'"message": "{problem}"'.encode() in outputs(tmp_path)["r.json"]
    with started(folders, tmp_path, "--dask", made.address, "--resume") as running:
        made.add()
        answer = finished(running)
    assert answer.code == 3, answer.err
    assert outputs(tmp_path) == expected


def test_the_scheduler_stops(
    folders: tuple[Path, Path], expected: dict[str, bytes], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    made = machines()
    made.add()
    with begun(folders, tmp_path, "--dask", made.address) as running:
        made.scheduler.kill()
        answer = finished(running)
    assert answer.code == 3
    problem = f"the connection to the scheduler at {made.address} is lost"
    assert f"error: {problem}; run the same command with --resume\n" in answer.err
    clean(answer)
    assert f'"message": "{problem}"'.encode() in outputs(tmp_path)["r.json"]
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


def test_no_scheduler_and_no_worker(
    folders: tuple[Path, Path], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    made = machines()
    short = ["--worker-timeout", "0.5"]
    answer = spawn(*command(folders, "--dask", made.address, *short), folder=tmp_path)
    assert (answer.code, answer.cause) == (
        2,
        f"error: {made.address}: no worker after 0.5 s; start one: dask worker {made.address}",
    )
    clean(answer)
    assert not (tmp_path / "r.journal").exists()
    made.end()
    answer = spawn(*command(folders, "--dask", made.address, *short), folder=tmp_path)
    assert (answer.code, answer.cause) == (
        2,
        f"error: {made.address}: no scheduler answers within 0.5 s; check that it is running and can be reached",
    )
    clean(answer)
    answer = spawn(*command(folders, "--scheduler-file", "none.json", *short), folder=tmp_path)
    assert (answer.code, answer.cause) == (
        2,
        "error: none.json: no such scheduler file; write it with: dask scheduler --scheduler-file none.json",
    )
    (tmp_path / "other.json").write_text("[]")
    answer = spawn(*command(folders, "--scheduler-file", "other.json", *short), folder=tmp_path)
    assert (answer.code, answer.cause) == (2, "error: other.json: not a scheduler file of Dask")


def test_a_worker_that_sees_other_files(machines: Callable[..., Machines], tmp_path: Path) -> None:
    """It lacks one file that this machine sees, and one that nobody sees any more."""
    seen = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)  # noqa: S607
    if seen.returncode:
        pytest.skip("a mount namespace of its own is not allowed here")
    made = machines()
    data = tmp_path / "data"
    for side in ("p", "r"):
        (data / side).mkdir(parents=True)
        save(data / side / "a.nii", box((6, 7, 8)))
    made.add(blind=data)
    host = os.uname().nodename
    for folder, prediction in ((data, "p/a.nii"), (tmp_path, str(data / "p" / "a.nii"))):
        sides = ("p", "r") if folder == data else (data / "p", data / "r")
        answer = spawn("batch", *sides, "-m", "dice", "-f", "csv", "--dask", made.address, folder=folder)
        assert answer.code == 3
        cause = f"{prediction}: the worker on {host} cannot read the file, this machine can"
        assert f"{cause}; share the folder, with the same rights" in answer.out
    gone = Case(name="gone", prediction=str(data / "p" / "b.nii"), reference=str(data / "r" / "b.nii"))
    with connected(made.address) as executor:
        (found,) = run([gone], plan_of(metrics="dice"), RunSettings(), executor=executor)
    assert found.record.message == f"{data}/p/b.nii: no such file"


def other_version(folder: Path) -> Path:
    other = folder / "other"
    shutil.copytree(TOP / "segeval", other / "segeval", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "segeval" / "version.py").write_text('__version__ = "0.0.7"\n')
    return other


def no_version(folder: Path) -> Path:
    other = folder / "none"
    other.mkdir()
    (other / "segeval.py").write_text("# something else of this name\n")
    return other


def test_a_worker_with_another_version(
    folders: tuple[Path, Path], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    made = machines()
    made.add(path=other_version(tmp_path))
    answer = spawn(*command(folders, "--dask", made.address), folder=tmp_path)
    what = f"the worker on {os.uname().nodename} has segeval 0.0.7, this machine has {__version__}"
    assert (answer.code, answer.cause) == (2, f"error: {what}; install the same version everywhere")
    clean(answer)
    assert not (tmp_path / "r.journal").exists()


def test_a_worker_without_segeval(
    folders: tuple[Path, Path], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    """Where it is installed all the same, as in a checkout, the message says that it cannot be loaded."""
    made = machines()
    made.add(path=no_version(tmp_path))
    answer = spawn(*command(folders, "--dask", made.address), folder=tmp_path)
    assert answer.code == 2
    assert re.match(
        r"error: the worker (on )?tcp://127\.0\.0\.1:\d+ (has no segeval, |cannot load segeval: )", answer.cause
    )
    clean(answer)


def startless(folder: Path) -> Path:
    """A place for PYTHONPATH with which no process can be started."""
    broken = folder / "startless"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import os, sys\nif 'forkserver' in ' '.join(sys.orig_argv):\n    os._exit(1)\n"
    )
    return Path(f"{broken}{os.pathsep}{TOP}")


def test_a_worker_that_starts_no_process(
    folders: tuple[Path, Path], expected: dict[str, bytes], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    made = machines()
    broken = startless(tmp_path)
    made.add(path=broken)
    words = [each for each in command(folders, "--dask", made.address) if each != "-q"]
    answer = spawn(*words, folder=tmp_path)
    what = f"on the worker on {os.uname().nodename}, no process can be started: "
    assert answer.code == 3
    assert f"no worker at {made.address} can be used: {what}" in answer.err
    clean(answer)
    made.add(threads=2)
    with connected(made.address) as executor:
        until(lambda: len(executor._client.nthreads()) == 2)
    answer = spawn(*words, folder=tmp_path)
    assert (answer.code, outputs(tmp_path)) == (3, expected)
    assert answer.err.count(what) == 1
    answer = spawn(*command(folders, "-j", "1"), folder=tmp_path, environment={"PYTHONPATH": str(broken)})
    assert answer.code == 2
    assert answer.cause.startswith("error: no process can be started: ")


def test_two_clusters_at_once_leave_the_logs_as_they_were(cluster: Machines) -> None:
    logger = logging.getLogger("distributed")
    before = logger.level
    first, second = connected(cluster.address), connected(cluster.address)
    first.__enter__()
    second.__enter__()
    assert logger.level > logging.CRITICAL
    first.__exit__(None, None, None)
    assert logger.level > logging.CRITICAL
    second.__exit__(None, None, None)
    assert logger.level == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:99999", "127.0.0.1:65536"])
def test_a_port_that_there_cannot_be(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "batch", *(SAMPLES / side for side in ("predictions", "references")), "--dask", address)
    port = address.rpartition(":")[2]
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause == f"error: {address}: port {port} does not exist; expected an address like tcp://HOST:8786"


def test_a_late_worker_with_another_version(
    folders: tuple[Path, Path], expected: dict[str, bytes], machines: Callable[..., Machines], tmp_path: Path
) -> None:
    """It is not used; what it was given in the first moment goes to another one."""
    made = machines()
    good = made.add(nanny=False)
    talkative = [each for each in command(folders, "--dask", made.address) if each != "-q"]
    said, journal = tmp_path / "said", tmp_path / "r.journal"
    with (
        said.open("wb") as stream,
        subprocess.Popen(  # noqa: S603
            [*SEGEVAL, *talkative],
            cwd=tmp_path,
            env=plain_environment() | {"PYTHONPATH": str(TOP)},
            stdout=subprocess.DEVNULL,
            stderr=stream,
        ) as running,
    ):
        try:
            until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 4, running)
            good.send_signal(signal.SIGSTOP)
            made.add(path=other_version(tmp_path))
            until(lambda: b"it is not used" in said.read_bytes(), running)
            good.send_signal(signal.SIGCONT)
            assert running.wait(60) == 3
        finally:
            running.kill()
    what = f"warning: the worker on {os.uname().nodename} has segeval 0.0.7, this machine has {__version__}"
    assert said.read_text().count(f"{what}; it is not used\n") == 1
    assert outputs(tmp_path) == expected


def test_options_for_here_and_for_a_cluster(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line decides where; a configured place does not count against it."""
    monkeypatch.chdir(tmp_path)
    refused = "error: jobs is for this machine only; a cluster runs one case per thread of its workers"
    nobody = ["--dask", "tcp://127.0.0.1:9", "--worker-timeout", "0.2"]
    assert call(capsys, "batch", *folders, "-j", 2, *nobody).cause == refused
    (tmp_path / "segeval.toml").write_text("jobs = 2\nworker-timeout = 0.2\n")
    assert "no scheduler answers" in call(capsys, "batch", *folders, *nobody).cause
    assert call(capsys, "batch", *folders, "-m", "dice", "-q").code == 3
    (tmp_path / "segeval.toml").write_text('dask = "tcp://127.0.0.1:9"\nworker-timeout = 0.2\n')
    assert "tcp://127.0.0.1:9: no scheduler answers within 0.2 s" in call(capsys, "batch", *folders).cause
    assert call(capsys, "batch", *folders, "-j", 1, "-m", "dice", "-q").code == 3
    assert "worker_timeout is for a cluster" in call(capsys, "batch", *folders, "-j", 1, "--worker-timeout", 1).cause


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("P", "missing port number in address 'P'"),
        ("foo://x:1", "unknown address scheme 'foo'"),
        ("tls://127.0.0.1:9", "distributed.comm.tls is missing in Dask's configuration"),
    ],
)
def test_what_is_no_address(folders: tuple[Path, Path], tmp_path: Path, address: str, problem: str) -> None:
    answer = spawn("batch", *folders, f"--dask={address}", folder=tmp_path)
    assert answer.code == 2
    assert answer.err.startswith(f"error: {address}: cannot connect to the scheduler: {problem}")
    assert answer.err.count("\n") == 1


def test_one_who_listens_and_says_nothing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "tcp://{}:{}".format(*silent.getsockname())
        answer = spawn("batch", *folders, "--dask", address, "--worker-timeout", 0.5, folder=tmp_path)
    assert answer.code == 2
    assert answer.err == (
        f"error: {address}: no scheduler answers within 0.5 s; check that it is running and can be reached\n"
    )


def test_without_distributed(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = call(capsys, "batch", *folders, "--dask", "tcp://127.0.0.1:9")
    assert (answer.code, answer.cause) == (
        2,
        "error: a Dask cluster needs the package distributed; pip install 'segeval-cli[dask]'",
    )


SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_sessions_on_the_page_are_real(cluster: Machines, tmp_path: Path) -> None:
    """Each command of docs/clusters.md, one after the other in one folder, with what it prints."""
    (tmp_path / "sample_data").symlink_to(SAMPLES)
    (tmp_path / "scheduler.json").symlink_to(cluster.file)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "segeval").write_text(f'#!/bin/sh\nexec {sys.executable} -m segeval "$@"\n')
    (programs / "segeval").chmod(0o755)
    environment = plain_environment() | {"PYTHONPATH": str(TOP), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    page = (TOP / "docs" / "clusters.md").read_text(encoding="utf-8")
    for session in SESSION.findall(page):
        for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            done = subprocess.run(  # noqa: S603  (our own page)
                ["bash", "-c", line],  # noqa: S607
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
                text=True,
            )
            assert done.stdout == shown, line


def test_an_adaptive_cluster_that_is_empty(folders: tuple[Path, Path]) -> None:
    """It starts a worker when there is something to do, and not before."""
    script = """
import sys
import segeval
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        cluster.adapt(minimum=0, maximum=1, interval="100ms")
        results = segeval.batch(*sys.argv[1:], metrics="dice", dask=cluster.scheduler_address, worker_timeout=40)
        print(sum(record.status == "scored" for record in results.cases))
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script, *map(str, folders)],
        env=plain_environment() | {"PYTHONPATH": str(TOP)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    assert done.stdout == f"{CASES - 2}\n", done.stderr
