"""Work on batches of items on a worker of a Dask cluster, each item in a supervised process of segeval.

A process that has finished a batch waits a while for the next batch of its run. The worker itself loads distributed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import pickle
import platform
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

from segeval.running.executor import Loss
from segeval.running.processes import SupervisedProcess, UnstartableError
from segeval.version import __version__

IDLE_SECONDS = 20.0  # that a process waits for the next batch
RUNS_REMEMBERED = 1000

COMPARED = ("numpy", "scipy", "distributed")  # results or communication may depend on these versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Results of a batch, and the worker that computed them.

    Parameters
    ----------
    worker
        Address of the worker.
    facts
        See `facts`.
    seconds
        Duration of the work.
    found
        Pickled result or loss of each item. None if the worker has another version of segeval than the client, or has
        a problem of its own.
    problem
        The problem of the worker.
    """

    worker: str
    facts: Mapping[str, str]
    seconds: float = 0.0
    found: tuple[bytes | Loss, ...] | None = None
    problem: str | None = None


_Waiting = tuple[SupervisedProcess[bytes, bytes], threading.Timer]  # and the timer that ends it


class _Bench:
    """Processes of this worker by run: those at work, and those that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[_Waiting]] = {}
        self._at_work: dict[str, list[SupervisedProcess[bytes, bytes]]] = {}
        self._over: deque[str] = deque(maxlen=RUNS_REMEMBERED)

    def is_over(self, run: str) -> bool:
        with self._lock:
            return run in self._over

    @contextlib.contextmanager
    def process(
        self, run: str, begun: Callable[[], SupervisedProcess[bytes, bytes]]
    ) -> Iterator[SupervisedProcess[bytes, bytes]]:
        """Provide a process for a batch; afterwards it waits a while for the next one."""
        with self._lock:
            process = begun()
            if waiting := self._waiting.get(run):
                process, timer = waiting.pop()
                timer.cancel()
            self._at_work.setdefault(run, []).append(process)
        try:
            yield process
        finally:
            with self._lock:
                self._at_work[run].remove(process)
                if not self._at_work[run]:
                    del self._at_work[run]
                is_over = run in self._over
                if not is_over:
                    timer = threading.Timer(IDLE_SECONDS, self._expire, (run, process))
                    timer.daemon = True
                    timer.start()
                    self._waiting.setdefault(run, []).append((process, timer))
            if is_over:
                process.end()

    def _expire(self, run: str, process: SupervisedProcess[bytes, bytes]) -> None:
        """End a process that has waited long enough."""
        with self._lock:
            waiting = self._waiting.get(run, [])
            still = [each for each in waiting if each[0] is process and each[1] is threading.current_thread()]
            for each in still:
                waiting.remove(each)
        for _ in still:
            process.end()

    def leave(self, run: str) -> None:
        """Kill all processes of a run."""
        with self._lock:
            self._over.append(run)
            waiting = self._waiting.pop(run, [])
            for process in (*(process for process, _ in waiting), *self._at_work.get(run, [])):
                process.kill()
        for process, timer in waiting:
            timer.cancel()
            process.end()


_bench = _Bench()


def work(
    run: str, version: str, function: bytes, timeout: float | None, preload: tuple[str, ...], messages: list[bytes]
) -> Answer:
    """Work on a batch; functions, items and results stay pickled until they are used."""
    from distributed import get_worker

    answer = partial(Answer, worker=get_worker().address, facts=facts())
    if version != __version__:
        return answer()
    started = time.perf_counter()
    found: list[bytes | Loss] = []
    begun = partial(SupervisedProcess, partial(_applied, function=function), timeout=timeout, preload=preload)
    with _bench.process(run, begun) as process:
        for message in messages:
            if _bench.is_over(run):
                break
            try:
                found.append(process.work_on(message))
            except UnstartableError as error:
                return answer(problem=error.problem)
    return answer(seconds=time.perf_counter() - started, found=tuple(found))


def _applied(message: bytes, *, function: bytes) -> bytes:
    """Apply the function, in the process."""
    return pickle.dumps(pickle.loads(function)(pickle.loads(message)))  # noqa: S301 - both from the client


def leave(run: str) -> None:
    """Kill the processes of a run."""
    _bench.leave(run)


@cache
def facts() -> Mapping[str, str]:
    """Return the versions that the results of a machine may depend on."""
    versions = {"host": socket.gethostname(), "segeval": __version__, "python": _python()}
    for name in COMPARED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])
