"""Run a function on many items in supervised processes of this machine, in any order.

If a process is killed, only its current item is lost: the item comes back with the cause, a new process is started, and
the run goes on. If an item takes longer than the timeout, its process is killed.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Generic

from segeval.errors import UsageError
from segeval.running.executor import Item, Loss, Result
from segeval.running.starting import start_conditions, undisturbed
from segeval.running.worker_process import Worker, named

LONGEST_WAIT = 3600.0  # seconds; the system refuses longer waits


class UnstartableError(UsageError):
    """No process can be started."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine; an `Executor`.

    Parameters
    ----------
    jobs
        Number of processes at a time.

    Raises
    ------
    UsageError
        `jobs` is less than 1.

    Examples
    --------
    >>> sorted(Processes(2).run(abs, [-1, 2, -3]))
    [(-3, 3), (-1, 1), (2, 2)]
    """

    jobs: int

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"jobs must be at least 1, found {self.jobs}")

    @property
    def problem(self) -> None:
        """None: a process that dies costs only its own item."""

    @property
    def is_remote(self) -> bool:
        """False: the processes read the files of this machine."""
        return False

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[tuple[Item, Result | Loss], None, None]:
        """Apply a function to each item; see `Executor`. Items are taken one by one, as workers become free.

        Raises
        ------
        UnstartableError
            A process cannot be started.
        """
        jobs = 1 if alone else self.jobs
        pending = iter(items)
        crew: list[Worker[Item, Result]] = []
        idle: list[Worker[Item, Result]] = []
        busy: dict[Connection, Worker[Item, Result]] = {}
        start = partial(_started, function, preload, crew)
        try:
            while True:
                while len(busy) < jobs and (item := next(pending, None)) is not None:
                    worker = _handed_over(item, timeout, idle, start)
                    if isinstance(worker, Loss):
                        yield item, worker
                    else:
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
            with undisturbed():
                for worker in crew:
                    worker.kill()


class SupervisedProcess(Generic[Item, Result]):
    """One worker that gets items one by one.

    The process is started with the first item, and again if it has ended, until it is killed. One thread at a time may
    use it; any thread may `kill` it.

    Parameters
    ----------
    function, timeout, preload
        See `Executor`.

    Examples
    --------
    >>> process = SupervisedProcess(len)
    >>> process.work_on("abc")
    3
    >>> process.end()
    """

    def __init__(
        self, function: Callable[[Item], Result], *, timeout: float | None = None, preload: Sequence[str] = ()
    ) -> None:
        self._function, self._timeout, self._preload = function, timeout, preload
        self._worker: Worker[Item, Result] | None = None
        self._is_killed = False

    def work_on(self, item: Item) -> Result | Loss:
        """Apply the function to an item and wait for the result.

        Raises
        ------
        UnstartableError
            The process cannot be started.
        """
        idle = [self._worker] if self._worker is not None and self._worker.is_alive else []
        start = partial(_started, self._function, self._preload, [])
        worker = _handed_over(item, self._timeout, idle, start)
        if isinstance(worker, Loss):
            return worker
        self._worker = worker
        if self._is_killed:  # while it was started
            worker.shoot()
        while True:
            for _, found in _next({worker.connection: worker}, []):
                return found

    def kill(self) -> None:
        """Kill the process, and any that is started later; its current item is lost."""
        self._is_killed = True
        if self._worker is not None:
            self._worker.shoot()

    def end(self) -> None:
        """End the process, which has no item."""
        if self._worker is not None and self._worker.is_alive:
            self._worker.end()


def _started(
    function: Callable[[Item], Result], preload: Sequence[str], crew: list[Worker[Item, Result]]
) -> Worker[Item, Result]:
    """Start a worker and add it to the crew, so that it is killed in the end whatever happens."""
    with start_conditions():
        try:
            worker = Worker(function, preload)
        except (EOFError, OSError) as error:  # the fork server is gone, or memory or process numbers are used up
            raise UnstartableError(f"no process can be started: {named(error)}") from None
        crew.append(worker)
    return worker


def _handed_over(
    item: Item, timeout: float | None, idle: list[Worker[Item, Result]], start: Callable[[], Worker[Item, Result]]
) -> Worker[Item, Result] | Loss:
    """Give an item to a worker, an idle one if possible; return the worker, or why the item cannot be sent."""
    try:
        message = pickle.dumps(item)
    except Exception as error:  # noqa: BLE001 - it costs only its own item
        return Loss(f"it cannot be sent to a process: {named(error)}")
    worker = idle.pop() if idle else start()
    if not worker.begin(item, message, timeout):  # it was killed while it was idle
        worker.end()
        worker = start()
        worker.begin(item, message, timeout)
    return worker


def _next(
    busy: dict[Connection, Worker[Item, Result]], idle: list[Worker[Item, Result]]
) -> list[tuple[Item, Result | Loss]]:
    """Wait until some workers have finished an item or exceeded the timeout."""
    deadlines = [worker.deadline for worker in busy.values() if worker.deadline is not None]
    rest = min(max(0.0, min(deadlines) - time.monotonic()), LONGEST_WAIT) if deadlines else None
    found: list[tuple[Item, Result | Loss]] = []
    for connection in wait(list(busy), rest):
        worker = busy[connection]  # type: ignore[index]  # one of those waited for
        done = worker.receive()
        if done is not None:
            del busy[worker.connection]
            if worker.is_alive:
                idle.append(worker)
            found.append(done)
    now = time.monotonic()
    for connection, worker in list(busy.items()):
        if worker.deadline is not None and worker.deadline <= now:
            del busy[connection]
            found.append(worker.give_up())
    return found
