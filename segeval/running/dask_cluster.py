"""Apply a function to many items on the workers of a Dask cluster: an `Executor`.

Items are sent to the workers in batches of about a second, with a limited number of batches for each thread of a
worker. There each item is processed in a supervised process of segeval, as on one machine, so that an item that hangs,
crashes or runs out of memory affects no other item. If a worker is lost, Dask gives its batches to other workers, as
often as its scheduler allows.

This module is the client; see `segeval.running.dask_worker` for the workers. It knows nothing about cases.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from segeval.errors import InputError, UsageError, shown
from segeval.running.dask_worker import COMPARED, Answer, facts, leave, work
from segeval.running.executor import Item, Loss, Result
from segeval.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.client import as_completed

Batch = list[Item]

ANSWER_SECONDS = 30.0  # that a scheduler has to answer a connected client
PARTING_SECONDS = 5.0
LOOK_SECONDS = 1.0  # between two checks of the workers
BATCH_SECONDS = 1.0  # of work: Dask spends about a millisecond on a batch
LARGEST_BATCH = 64
AHEAD = 6  # batches for each thread: an adaptive cluster grows when some seconds of work wait

_OURS = "segeval-cli"


class Cluster:
    """Workers of a Dask cluster; an `Executor`. See `segeval.running.dask_connection.connected`.

    Parameters
    ----------
    client
        Client of the scheduler.
    worker_timeout, on_warning
        See `connected`.
    """

    def __init__(self, client: Client, *, worker_timeout: float, on_warning: Callable[[str], None]) -> None:
        self._client, self._patience, self._on_warning = client, worker_timeout, on_warning
        self._place = str(client.scheduler.address)
        self._threads: dict[str, int] = {}  # of workers that can be used
        self._known: set[str] = set()
        self._barred: set[str] = set()
        self._said: set[str] = set()
        self._refusal = ""  # why the last one was barred
        self._looked = self._last_seen = time.monotonic()
        self._seconds: float | None = None  # per item
        self._problem: InputError | None = None

    @property
    def problem(self) -> InputError | None:
        """Why it stopped before the end: the scheduler or all workers are gone."""
        return self._problem

    @property
    def is_remote(self) -> bool:
        """True: workers may be on machines with other files."""
        return True

    def check_workers(self) -> None:
        """Wait for the first worker, and check that all workers have this version of segeval.

        Raises
        ------
        UsageError
            See `connected`.
        """
        sign = self._client.submit(int, pure=False)  # an adaptive cluster starts workers only if there is work
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
            present: dict[str, int] = self._client.nthreads(callback_timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise UsageError(
                f"no worker after {self._patience:g} s",
                source=self._place,
                hint=f"start one: dask worker {self._place}",
            ) from None
        except OSError:
            raise UsageError("the scheduler has stopped answering", source=self._place) from None
        finally:
            sign.release()
        self._threads = dict(present)
        problems = self._met(present)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise UsageError(f"{problems[0]}{more}", hint="install the same version everywhere")
        self._looked = self._last_seen = time.monotonic()

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[tuple[Item, Result | Loss], None, None]:
        """Apply a function to each item on the workers; see `segeval.running.executor.Executor`.

        If the scheduler or all workers are gone, the remaining items come back with that cause.
        """
        from distributed.client import as_completed

        pending = deque(items)
        if not pending:
            return
        run = os.urandom(8).hex()
        submit = partial(
            self._client.submit, work, run, __version__, pickle.dumps(function), timeout, tuple(preload), pure=False
        )
        flight: dict[object, tuple[Future[Any], Batch[Item]]] = {}
        done = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        number = 0
        try:
            while pending or flight:
                self._look()
                if self._problem is not None:
                    for item in (*(item for _, batch in flight.values() for item in batch), *pending):
                        yield item, Loss(self._problem.problem, is_final=True)
                    return
                threads = sum(self._threads.values())
                while pending and threads and len(flight) < (1 if alone else AHEAD * threads):
                    size = 1 if alone else self._batch_size(len(pending), threads)
                    batch = [pending.popleft() for _ in range(size)]
                    number += 1
                    future = submit(
                        list(map(pickle.dumps, batch)),
                        key=(f"segeval-{run}", number),
                        workers=list(self._threads) if self._barred else None,
                    )
                    flight[future.key] = future, batch
                    done.add(future)
                    del future  # workers keep results as long as there is a reference
                for key, status, answer in _next(done, flight):
                    _, batch = flight.pop(key)
                    yield from self._ends(status, answer, batch, pending)
        finally:
            done.clear()
            flight.clear()
            self._dismiss(run)

    def _ends(
        self, status: str, answer: object, batch: Batch[Item], pending: deque[Item]
    ) -> Iterator[tuple[Item, Any]]:
        """Yield what became of the items of a batch; items without a result are pending again."""
        if status == "finished" and isinstance(answer, Answer):
            problems = self._judged(answer.worker, answer.facts)
            if answer.problem is not None and answer.worker not in self._barred:
                self._bar(answer.worker)
                problems = [f"on the worker on {shown(answer.facts['host'])}, {answer.problem}"]
            if answer.found is not None:
                yield from self._unpacked(batch, answer)
                return
            for problem in problems:
                self._refusal = problem
                self._on_warning(f"{problem}; it is not used")
        elif not self._is_cut_off(answer):
            for item in batch:
                yield item, Loss(_cause(answer))
            return
        pending.extendleft(reversed(batch))

    def _batch_size(self, pending: int, threads: int) -> int:
        """Return the number of items for a batch: about a second of work, and some left for every thread."""
        if not self._seconds:
            return 1
        wanted = min(BATCH_SECONDS / self._seconds, LARGEST_BATCH, pending / (2 * threads))
        return max(1, int(wanted))

    def _unpacked(self, batch: Batch[Item], answer: Answer) -> Iterator[tuple[Item, Any]]:
        """Yield what became of the items of a batch."""
        each = answer.seconds / max(1, len(batch))
        self._seconds = each if self._seconds is None else 0.8 * self._seconds + 0.2 * each
        for item, found in zip(batch, answer.found or (), strict=True):
            yield item, found if isinstance(found, Loss) else _read(found)

    def _is_cut_off(self, answer: object) -> bool:
        """Whether the scheduler is gone; if so, note it as the problem."""
        gone = getattr(answer, "reason", None) == "scheduler-connection-lost" or self._client.status != "running"
        if gone and self._problem is None:
            self._problem = InputError(f"the connection to the scheduler at {self._place} is lost")
        return gone

    def _look(self) -> None:
        """Check now and then which workers there are."""
        now = time.monotonic()
        if self._problem is not None or self._is_cut_off(None) or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            present: dict[str, int] = self._client.nthreads(callback_timeout=ANSWER_SECONDS)
        except (OSError, RuntimeError):
            if not self._is_cut_off(None):
                self._problem = InputError(f"the scheduler at {self._place} has stopped answering")
            return
        self._threads = {address: threads for address, threads in present.items() if address not in self._barred}
        if self._threads:
            self._last_seen = time.monotonic()
        elif present and self._refusal:
            self._problem = InputError(f"no worker at {self._place} can be used: {self._refusal}")
        elif time.monotonic() - self._last_seen > self._patience:
            self._problem = InputError(f"no worker at {self._place} for {self._patience:g} s")

    def _met(self, workers: Iterable[str]) -> list[str]:
        """Ask workers for their versions; return why some of them cannot be used."""
        return [
            problem
            for address, found in self._ask(facts, list(workers)).items()
            for problem in self._judged(address, found)
        ]

    def _judged(self, address: str, found: object) -> list[str]:
        """Return why a new worker cannot be used, by its versions or by the error that it answered with."""
        if address in self._known:
            return []
        if isinstance(found, Exception) and not isinstance(found, OSError):  # segeval is not installed, or is older
            version = self._ask(partial(importlib.metadata.version, _OURS), [address]).get(address)
            if version == __version__:
                return [f"the worker {shown(address)} cannot load segeval: {shown(found)}"]
            return [self._other(address, address, version if isinstance(version, str) else None)]
        if not isinstance(found, Mapping):
            return []  # it has left, or does not answer
        if found["segeval"] != __version__:
            return [self._other(address, found["host"], found["segeval"])]
        self._known.add(address)
        for text in _differences(found):
            if text not in self._said:
                self._said.add(text)
                self._on_warning(f"the worker on {shown(found['host'])} has {text}")
        return []

    def _ask(self, question: Callable[[], object], workers: list[str]) -> dict[str, object]:
        """Return the answers of some workers, exceptions included."""
        try:
            answers: dict[str, object] = self._client.run(
                question, workers=workers, on_error="return", callback_timeout=ANSWER_SECONDS
            )
        except (OSError, RuntimeError):
            return {}
        return answers

    def _bar(self, address: str) -> None:
        """Stop using a worker."""
        self._known.add(address)
        self._barred.add(address)
        self._threads.pop(address, None)

    def _other(self, address: str, host: str, version: str | None) -> str:
        """Stop using a worker of another version; return the reason."""
        self._bar(address)
        found = "no segeval" if version is None else f"segeval {shown(version)}"
        return f"the worker on {shown(host)} has {found}, this machine has {__version__}"

    def _dismiss(self, run: str) -> None:
        """End the processes of a run."""
        if self._problem is None or self._client.status == "running":
            with contextlib.suppress(OSError, RuntimeError):
                self._client.run(partial(leave, run), on_error="ignore", callback_timeout=PARTING_SECONDS)


def _next(
    done: as_completed, flight: Mapping[object, tuple[Future[Any], object]]
) -> Iterator[tuple[object, str, object]]:
    """Yield key, status and answer of finished batches, or nothing after a while."""
    try:
        found = [done.queue.get(timeout=LOOK_SECONDS)]
    except queue.Empty:
        # a lost answer is never reported
        spoilt = [future for future, _ in flight.values() if future.status in ("error", "cancelled", "lost")]
        found = [(future, future.exception() if future.status == "error" else None) for future in spoilt]
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(done.queue.get_nowait())
    for future, answer in found:
        if future.key in flight:
            yield future.key, future.status, answer


def _read(message: bytes) -> object:
    """Return the result in a message, or why it cannot be read."""
    try:
        return pickle.loads(message)  # noqa: S301 - from a process of segeval
    except Exception as error:  # noqa: BLE001 - versions of packages may differ
        return Loss(f"its result cannot be read: {type(error).__name__}: {shown(error)}")


def _cause(answer: object) -> str:
    """Return why there is no answer."""
    from distributed.scheduler import KilledWorker

    error = answer[1] if isinstance(answer, tuple) else answer
    if isinstance(error, KilledWorker):
        workers = "its worker was lost" if not error.allowed_failures else "each worker that tried it was lost"
        return f"{workers}, the last one {shown(error.last_worker.address)}"
    if isinstance(error, BaseException):
        return f"the cluster did not finish it: {type(error).__name__}: {shown(error)}"
    return "the cluster did not finish it"


def _differences(found: Mapping[str, str]) -> list[str]:
    """Return what differs from this machine: ``"numpy 2.1.0, this machine has 2.4.6"``."""
    here = facts()
    return [
        f"{name} {shown(found.get(name, '(none)'))}, this machine has {here.get(name, '(none)')}"
        for name in ("python", *COMPARED)
        if found.get(name) != here.get(name)
    ]
