"""Run a function on many items in supervised processes: one unordered map.

What does so is an `Executor`; that of this machine is `Processes`, and another may do it elsewhere.
Each worker has a pipe of its own and no lock, so that one that is killed takes nothing with it but the item it was
working on; that item comes back with the cause, a new worker takes its place, and the map goes on. An item that takes
longer than the timeout is ended with its worker. Workers are processes that are started afresh, so that no thread or
lock of the caller is copied into them, and compute with one native thread each. They end when the caller does, however
it ends. Only items and results cross the boundary, pickled; a result comes in small parts, each of which is there as a
whole or not at all, so that nobody waits for a worker that has stopped in the middle of one.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from segeval.errors import InputError, UsageError, shown

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess, SpawnProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

# of the libraries below NumPy and SciPy: as many threads as workers would only hinder each other
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)
PATIENCE = 5.0  # seconds that a worker without work has to end
PARTING = 1.0  # seconds that a process may live on after the end of its pipe
LONGEST_WAIT = 3600.0  # seconds; the system refuses to wait for ages
PART = 4096  # bytes of a message, small enough to go through a pipe at once
MORE, LAST = b"+", b"."
NOTHING_MORE = b""  # in place of an item

_starting = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[Item, Result]):
    """An item that is done with.

    Parameters
    ----------
    item
        The item.
    result
        What the function returned; None where it did not come to that.
    cause
        Why it did not: ``"it took longer than 60 s"``.
    is_final
        Whether there is no point in another try: it was the timeout, or nobody is left to try.
    host
        The machine that it was done on, if that is not this one.
    """

    item: Item
    result: Result | None = None
    cause: str | None = None
    is_final: bool = False
    host: str | None = None


class UnstartableError(UsageError):
    """No process can be started."""


class Executor(Protocol):
    """What applies a function to many items: processes of this machine, or something elsewhere."""

    @property
    def problem(self) -> InputError | None:
        """Why it could not go on to the end, if it could not."""

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[Ended[Item, Result], None, None]:
        """Apply the function to each item; `alone` is one at a time, the others see `run_in_processes`."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine, so many at once; an `Executor`.

    Raises
    ------
    UsageError
        Fewer than one.

    Examples
    --------
    >>> sorted(ended.result for ended in Processes(2).run(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    jobs: int

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"jobs are 1 or more, not {self.jobs}")

    @property
    def problem(self) -> None:
        """There is none: what happens to a process costs its own item."""

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[Ended[Item, Result], None, None]:
        """See `run_in_processes`."""
        return run_in_processes(function, items, jobs=1 if alone else self.jobs, timeout=timeout, preload=preload)


def processors() -> int:
    """How many processors this process may use, by its affinity and by the quota of its container."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min([count, *map(math.ceil, _quotas())]))


def _quotas(top: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """The processors that control groups leave to this process: its own, and those that hold it."""
    try:
        groups = [line.split(":", 2) for line in mine.read_text().splitlines()]
    except (OSError, ValueError):
        groups = []
    paths = {name: path for group in groups if len(group) == 3 for name in group[1].split(",") for path in group[2:]}
    for folder in _upwards(top, paths.get("", "/")):  # version 2
        yield from _quota(folder / "cpu.max")
    for folder in _upwards(top / "cpu", paths.get("cpu", "/")):  # version 1
        yield from _quota(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _upwards(top: Path, path: str) -> list[Path]:
    own = Path(path.lstrip("/"))
    return [top / own, *(top / each for each in own.parents)] if own.parts else [top]


def _quota(*files: Path) -> list[float]:
    """Time per period, where both are told and the time is limited."""
    try:
        time_per, period = (float(number) for file in files for number in file.read_text().split())
    except (OSError, ValueError):  # "max" stands for no limit
        return []
    return [time_per / period] if time_per > 0 and period > 0 else []


def run_in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int,
    timeout: float | None = None,
    preload: Sequence[str] = (),
) -> Generator[Ended[Item, Result], None, None]:
    """Apply a function to each item in worker processes.

    Parameters
    ----------
    function
        Importable by name, or a partial of such. It is to return what goes wrong, not to raise it.
    items
        Taken one by one, as workers become free; none of them may be None.
    jobs
        How many workers there are at most.
    timeout
        Seconds that one item may take.
    preload
        Modules that workers import once together, where the system can do that.

    Yields
    ------
    Ended
        In the order in which they end. When the caller stops asking, the workers are ended too.

    Raises
    ------
    UnstartableError
        A worker cannot be started.
    """
    pending = iter(items)
    crew: list[_Worker[Item, Result]] = []
    idle: list[_Worker[Item, Result]] = []
    busy: dict[Connection, _Worker[Item, Result]] = {}
    try:
        while True:
            while len(busy) < jobs and (item := next(pending, None)) is not None:
                try:
                    message = pickle.dumps(item)
                except Exception as error:  # noqa: BLE001 - whatever it is, it costs its own item
                    yield Ended(item=item, cause=f"it cannot be handed to a process: {_named(error)}")
                    continue
                worker = idle.pop() if idle else _started(function, preload, crew)
                if not worker.begin(item, message, timeout):  # it was ended while it had nothing to do
                    worker.end()
                    worker = _started(function, preload, crew)
                    worker.begin(item, message, timeout)
                busy[worker.connection] = worker
            if not busy:
                break
            yield from _next(busy, idle)
            crew[:] = [*idle, *busy.values()]
        for worker in crew:
            worker.dismiss()
        for worker in crew:
            worker.end()
    finally:
        with _undisturbed():
            for worker in crew:
                worker.kill()


class SupervisedProcess(Generic[Item, Result]):
    """One worker that is handed items one by one, for as long as its owner likes.

    It is begun with its first item, and anew when it has ended, until it is killed. One thread at a time may use it,
    and any may `kill` it.

    Parameters
    ----------
    function, timeout, preload
        See `run_in_processes`.

    Examples
    --------
    >>> process = SupervisedProcess(len)
    >>> process.work_on("abc").result
    3
    >>> process.end()
    """

    def __init__(
        self, function: Callable[[Item], Result], *, timeout: float | None = None, preload: Sequence[str] = ()
    ) -> None:
        self._function, self._timeout, self._preload = function, timeout, preload
        self._worker: _Worker[Item, Result] | None = None
        self._is_killed = False

    def work_on(self, item: Item) -> Ended[Item, Result]:
        """Apply the function to an item, which can be pickled, and wait for what comes of it.

        Raises
        ------
        UnstartableError
            See `run_in_processes`.
        """
        message = pickle.dumps(item)
        worker = self._worker
        if worker is None or not worker.is_alive or not worker.begin(item, message, self._timeout):
            self.end()
            worker = self._worker = _started(self._function, self._preload, [])
            worker.begin(item, message, self._timeout)
        if self._is_killed:  # while it was started
            worker.shoot()
        while True:
            for ended in _next({worker.connection: worker}, []):
                return ended

    def kill(self) -> None:
        """End the process now, and any that is begun later; who waits for it is told so."""
        self._is_killed = True
        if self._worker is not None:
            self._worker.shoot()

    def end(self) -> None:
        """Let the process go, which has nothing to do."""
        if self._worker is not None and self._worker.is_alive:
            self._worker.end()


class _Worker(Generic[Item, Result]):
    """A process, the pipe to it, and what it is working on."""

    def __init__(self, function: Callable[[Item], Result], preload: Sequence[str]) -> None:
        self.item: Item | None = None
        self.deadline: float | None = None
        self.is_alive = True
        self._timeout: float | None = None
        self._parts: list[bytes] = []
        self.connection, theirs = multiprocessing.Pipe()
        try:
            self._process = _process(_serve, (theirs, function), preload)
            self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    def begin(self, item: Item, message: bytes, timeout: float | None) -> bool:
        """Hand over an item; False if there is nobody to take it."""
        self.item, self._timeout = item, timeout
        try:
            self.connection.send_bytes(message)
        except OSError:
            return False
        self.deadline = None if timeout is None else time.monotonic() + timeout
        return True

    def receive(self) -> Ended[Item, Result] | None:
        """What became of the item: its result, or the end of the process; None while there is more to come."""
        try:
            part = self.connection.recv_bytes()
        except (EOFError, OSError):
            return self._lost()
        self._parts.append(part[1:])
        if part[:1] == MORE:
            return None
        item, message = self._item(), b"".join(self._parts)
        self._parts.clear()
        try:
            result, cause = pickle.loads(message)  # noqa: S301 - from a process of ours
        except Exception as error:  # noqa: BLE001 - what it is made of may raise anything
            return Ended(item=item, cause=f"its result cannot be read: {_named(error)}")
        return Ended(item=item, result=result, cause=cause)

    def give_up(self) -> Ended[Item, Result]:
        """End the process that took too long."""
        item = self._item()
        self.kill()
        return Ended(item=item, cause=f"it took longer than {self._timeout:g} s", is_final=True)

    def dismiss(self) -> None:
        """Tell the process, which has nothing to do, that there is nothing more."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(NOTHING_MORE)

    def end(self) -> None:
        """Let the process go."""
        self.dismiss()
        self._process.join(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End the process at once, and forget it."""
        self.is_alive = False
        self.shoot()
        self._process.join(PATIENCE)  # no longer: what waits for a disk cannot be killed
        self.connection.close()

    def shoot(self) -> None:
        """End the process at once."""
        with contextlib.suppress(OSError, ValueError):  # it has ended, or has been forgotten
            self._process.kill()

    def _lost(self) -> Ended[Item, Result]:
        """The pipe has ended, and with it the process, as a rule."""
        item = self._item()
        self._process.join(PARTING)
        code = self._process.exitcode
        self.kill()
        return Ended(item=item, cause="its process has let go of its pipe" if code is None else _obituary(code))

    def _item(self) -> Item:
        assert self.item is not None  # noqa: S101 - only a busy worker is asked
        item, self.item = self.item, None
        return item


def _started(
    function: Callable[[Item], Result], preload: Sequence[str], crew: list[_Worker[Item, Result]]
) -> _Worker[Item, Result]:
    """A new worker, which belongs to the crew before anything can go wrong."""
    with _starting, _undisturbed(), _blocked(signal.SIGINT), _fresh_start():
        try:
            worker = _Worker(function, preload)
        except (EOFError, OSError) as error:  # the server of processes is gone, or there is no memory or no number left
            raise UnstartableError(f"no process can be started: {_named(error)}") from None
        crew.append(worker)
    return worker


def _next(
    busy: dict[Connection, _Worker[Item, Result]], idle: list[_Worker[Item, Result]]
) -> list[Ended[Item, Result]]:
    """Wait until some workers are done, or have used up their time."""
    deadlines = [worker.deadline for worker in busy.values() if worker.deadline is not None]
    rest = min(max(0.0, min(deadlines) - time.monotonic()), LONGEST_WAIT) if deadlines else None
    found = []
    for connection in wait(list(busy), rest):
        worker = busy[connection]  # type: ignore[index]  # what was waited for
        ended = worker.receive()
        if ended is not None:
            del busy[worker.connection]
            if worker.is_alive:
                idle.append(worker)
            found.append(ended)
    now = time.monotonic()
    for connection, worker in list(busy.items()):
        if worker.deadline is not None and worker.deadline <= now:
            del busy[connection]
            found.append(worker.give_up())
    return found


def _process(
    target: Callable[..., None], arguments: tuple[object, ...], preload: Sequence[str]
) -> ForkServerProcess | SpawnProcess:
    """A process that begins without anything of this one; where possible a copy of one that has the modules loaded."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context.Process(target=target, args=arguments, daemon=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an interrupt wait until this is done."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    waits = callable(before) and threading.current_thread() is threading.main_thread()
    if waits:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        if waits:
            signal.signal(signal.SIGINT, before)
            if came:
                signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Block a signal, where that is possible, in this thread and in processes that it starts.

    A terminal interrupts all of them, and one that is still importing modules would answer with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # where it has to start its process, it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _fresh_start() -> Iterator[None]:
    """Start processes with one native thread, and without running the caller's script in them.

    Python would import the main module in each of them, and a script without a guard would begin anew there. It also
    refuses to start any from a daemonic process, which might leave them behind; ours never outlive theirs. What is
    changed belongs to the whole process, so that one thread at a time may do this.
    """
    starting = multiprocessing.current_process()
    is_daemon = starting.daemon
    environment = {name: os.environ.get(name) for name in ONE_THREAD}
    main = sys.modules["__main__"]
    os.environ |= ONE_THREAD
    sys.modules["__main__"] = ModuleType("__main__")
    if is_daemon:
        starting.daemon = False
    try:
        yield
    finally:
        if is_daemon:
            starting.daemon = True
        sys.modules["__main__"] = main
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, function: Callable[[Item], Result]) -> None:
    """What a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the caller decides what becomes of us
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # it was blocked while we were started
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while (message := connection.recv_bytes()) != NOTHING_MORE:
            answer = _answer(function, message)
            last = max(0, len(answer) - 1) // PART * PART
            for start in range(0, last, PART):
                connection.send_bytes(MORE + answer[start : start + PART])
            connection.send_bytes(LAST + answer[last:])


def _answer(function: Callable[[Item], Result], message: bytes) -> bytes:
    """The result or the cause that there is none, pickled."""
    try:
        return pickle.dumps((function(pickle.loads(message)), None))  # noqa: S301 - from the process that started us
    except BaseException as error:  # noqa: BLE001 - it costs its own item, whatever it is
        return pickle.dumps((None, f"there is no result: {_named(error)}"))


def _named(error: BaseException) -> str:
    text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _obituary(code: int | None) -> str:
    """How a process ended."""
    if code is None or code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    because = "; out of memory is the usual reason" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{because}"
