"""Run a function on many items in supervised processes of this machine: one unordered map.

A process that is killed takes nothing with it but the item it was working on; that item comes back with the cause, a
new process takes its place, and the map goes on. An item that takes longer than the timeout is ended with its process.
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

LONGEST_WAIT = 3600.0  # seconds; the system refuses to wait for ages


class UnstartableError(UsageError):
    """No process can be started."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine, so many at once; an `Executor`.

    Raises
    ------
    UsageError
        Fewer than one.

    Examples
    --------
    >>> sorted(Processes(2).run(abs, [-1, 2, -3]))
    [(-3, 3), (-1, 1), (2, 2)]
    """

    jobs: int

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"jobs are 1 or more, not {self.jobs}")

    @property
    def problem(self) -> None:
        """There is none: what happens to a process costs its own item."""

    @property
    def is_remote(self) -> bool:
        """They see the files of this machine."""
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
    """One worker that is handed items one by one, for as long as its owner likes.

    It is begun with its first item, and anew when it has ended, until it is killed. One thread at a time may use it,
    and any may `kill` it.

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
        """Apply the function to an item and wait for what comes of it.

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
        """End the process now, and any that is begun later; the item it is working on is lost."""
        self._is_killed = True
        if self._worker is not None:
            self._worker.shoot()

    def end(self) -> None:
        """Let the process go, which has nothing to do."""
        if self._worker is not None and self._worker.is_alive:
            self._worker.end()


def _started(
    function: Callable[[Item], Result], preload: Sequence[str], crew: list[Worker[Item, Result]]
) -> Worker[Item, Result]:
    """A new worker, which belongs to the crew before anything can go wrong."""
    with start_conditions():
        try:
            worker = Worker(function, preload)
        except (EOFError, OSError) as error:  # the server of processes is gone, or there is no memory or no number left
            raise UnstartableError(f"no process can be started: {named(error)}") from None
        crew.append(worker)
    return worker


def _handed_over(
    item: Item, timeout: float | None, idle: list[Worker[Item, Result]], start: Callable[[], Worker[Item, Result]]
) -> Worker[Item, Result] | Loss:
    """The worker that has taken an item, an idle one if possible; or why none can take it."""
    try:
        message = pickle.dumps(item)
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs its own item
        return Loss(f"it cannot be handed to a process: {named(error)}")
    worker = idle.pop() if idle else start()
    if not worker.begin(item, message, timeout):  # it was ended while it had nothing to do
        worker.end()
        worker = start()
        worker.begin(item, message, timeout)
    return worker


def _next(
    busy: dict[Connection, Worker[Item, Result]], idle: list[Worker[Item, Result]]
) -> list[tuple[Item, Result | Loss]]:
    """Wait until some workers are done, or have used up their time."""
    deadlines = [worker.deadline for worker in busy.values() if worker.deadline is not None]
    rest = min(max(0.0, min(deadlines) - time.monotonic()), LONGEST_WAIT) if deadlines else None
    found: list[tuple[Item, Result | Loss]] = []
    for connection in wait(list(busy), rest):
        worker = busy[connection]  # type: ignore[index]  # what was waited for
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
