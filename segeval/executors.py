"""Run a function on many items in supervised processes: one unordered map.

Each worker has a pipe of its own and no lock, so that one that is killed takes nothing with it but the item it was
working on; that item comes back with the cause, a new worker takes its place, and the map goes on. An item that takes
longer than the timeout is ended with its worker. Workers are processes that are started afresh, so that no thread or
lock of the caller is copied into them, and compute with one native thread each. They end when the caller does, however
it ends. Only items and results cross the boundary, pickled.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess, SpawnProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

# of the libraries below NumPy and SciPy: as many threads as workers would only hinder each other
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)
PATIENCE = 5.0  # seconds that a worker without work has to end


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
    timed_out
        Whether that was the timeout.
    """

    item: Item
    result: Result | None = None
    cause: str | None = None
    timed_out: bool = False


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    """
    pending = iter(items)
    idle: list[_Worker[Item, Result]] = []
    busy: dict[Connection, _Worker[Item, Result]] = {}
    try:
        while True:
            for item in pending:
                worker = idle.pop() if idle else _Worker(function, preload)
                if not worker.begin(item, timeout):  # it was ended while it had nothing to do
                    worker.end()
                    worker = _Worker(function, preload)
                    worker.begin(item, timeout)
                busy[worker.connection] = worker
                if len(busy) >= jobs:
                    break
            if not busy:
                break
            yield from _next(busy, idle)
    except BaseException:
        for worker in (*idle, *busy.values()):
            worker.kill()
        raise
    finally:
        for worker in idle:
            worker.end()


class _Worker(Generic[Item, Result]):
    """A process, the pipe to it, and what it is working on."""

    def __init__(self, function: Callable[[Item], Result], preload: Sequence[str]) -> None:
        self.item: Item | None = None
        self.deadline: float | None = None
        self._timeout: float | None = None
        with _fresh_start():
            self.connection, theirs = multiprocessing.Pipe()
            self._process = _process(_serve, (theirs, function), preload)
            self._process.start()
            theirs.close()

    def begin(self, item: Item, timeout: float | None) -> bool:
        """Hand over an item; False if there is nobody to take it."""
        self.item, self._timeout = item, timeout
        try:
            self.connection.send(item)
        except OSError:
            return False
        self.deadline = None if timeout is None else time.monotonic() + timeout
        return True

    def finish(self) -> Ended[Item, Result]:
        """What became of the item: its result, or the end of the process."""
        assert self.item is not None  # noqa: S101 - only a busy worker is asked
        item, self.item = self.item, None
        try:
            return Ended(item=item, result=self.connection.recv())
        except (EOFError, OSError):
            self._process.join()
            return Ended(item=item, cause=_obituary(self._process.exitcode))

    def give_up(self) -> Ended[Item, Result]:
        """End the process that took too long."""
        assert self.item is not None  # noqa: S101 - only a busy worker is asked
        self.kill()
        return Ended(item=self.item, cause=f"it took longer than {self._timeout:g} s", timed_out=True)

    def end(self) -> None:
        """Let the process go, which has nothing to do."""
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self._process.join(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.join()
        self.connection.close()


def _next(
    busy: dict[Connection, _Worker[Item, Result]], idle: list[_Worker[Item, Result]]
) -> list[Ended[Item, Result]]:
    """Wait until some workers are done, or have used up their time."""
    deadlines = [worker.deadline for worker in busy.values() if worker.deadline is not None]
    rest = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
    ready = wait(list(busy), rest)
    found = []
    for connection in ready:
        worker = busy.pop(connection)  # type: ignore[call-overload]  # what was waited for
        ended = worker.finish()
        if ended.cause is None:
            idle.append(worker)
        else:
            worker.kill()
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
def _fresh_start() -> Iterator[None]:
    """Start processes with one native thread, and without running the caller's script in them.

    Python would import the main module in each of them, and a script without a guard would begin anew there.
    """
    environment = {name: os.environ.get(name) for name in ONE_THREAD}
    main = sys.modules["__main__"]
    os.environ |= ONE_THREAD
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, function: Callable[[Item], Result]) -> None:
    """What a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the caller decides what becomes of us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while (item := connection.recv()) is not None:
            connection.send(function(item))


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
