"""Apply a function to many items on the workers of a Dask cluster (home of distributed): an `Executor`.

Items go to the workers in batches of about a second, small results come back, and a bounded number of batches is on its
way for each thread of a worker. There each item is worked on in a supervised process of segeval's own, as on one
machine, so that one that hangs, crashes or runs out of memory takes nothing with it, whatever a worker's threads share.
What is lost with a worker is given to another one by Dask itself, as often as its scheduler allows.

distributed is loaded when a cluster is connected to. This module knows nothing of cases.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import pickle
import platform
import queue
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future as FutureResult
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segeval.errors import InputError, UsageError, check_extra, shown
from segeval.running.processes import Ended, SupervisedProcess, UnstartableError
from segeval.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.client import as_completed

Item = TypeVar("Item")
Result = TypeVar("Result")
Batch = list[Item]

WORKER_TIMEOUT = 60.0  # seconds
CONNECT_SECONDS = 10.0  # that a scheduler has to answer a new client
ANSWER_SECONDS = 30.0  # and one that it knows
PARTING_SECONDS = 5.0
LOOK_SECONDS = 1.0  # between two looks at the workers
BATCH_SECONDS = 1.0  # of work: Dask spends about a millisecond on a batch
LARGEST_BATCH = 64
AHEAD = 6  # batches for each thread: an adaptive cluster grows when some seconds of work wait
IDLE_SECONDS = 20.0  # that a process on a worker waits for the next batch
RUNS_REMEMBERED = 1000
LAST_PORT = 65535

_ADDRESS = "an address is tcp://HOST:8786"
_THREE_WAYS = "give --dask tcp://HOST:8786 or --scheduler-file FILE, or set DASK_SCHEDULER_ADDRESS"
_COMPARED = ("numpy", "scipy", "distributed")  # on whose versions a digit, or the conversation, may depend
_TALKATIVE = ("distributed", "tornado", "asyncio")
_OURS = "segeval-cli"


def check_installed() -> None:
    """Say that distributed is missing.

    Raises
    ------
    UsageError
        It is not installed.
    """
    check_extra("distributed", extra="dask", what="a Dask cluster")


@contextlib.contextmanager
def connected(
    address: str | None = None,
    *,
    scheduler_file: str | os.PathLike[str] | None = None,
    worker_timeout: float = WORKER_TIMEOUT,
    told: Callable[[str], None] = warnings.warn,
) -> Iterator[Cluster]:
    """A cluster for as long as it is needed.

    TLS and all else that Dask can be told of connections stands in its own configuration.

    Parameters
    ----------
    address
        Of the scheduler: ``"tcp://host:8786"``. If it is not given, that of Dask's configuration, which
        DASK_SCHEDULER_ADDRESS sets.
    scheduler_file
        The file that ``dask scheduler --scheduler-file`` writes, in place of an address.
    worker_timeout
        Seconds without any worker after which a run is given up.
    told
        Called with what a user should know of the workers.

    Raises
    ------
    UsageError
        distributed is not installed, no scheduler is named or none answers, there is no worker, or one with another
        version of segeval.
    """
    check_installed()
    if not worker_timeout > 0:
        raise UsageError(f"worker_timeout is a number of seconds above 0, not {worker_timeout}")
    place = _place(address, scheduler_file, worker_timeout)
    with _silence:
        client = _client(place, min(worker_timeout, CONNECT_SECONDS))
        try:
            cluster = Cluster(client, worker_timeout=worker_timeout, told=told)
            cluster.check_workers()
            yield cluster
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=PARTING_SECONDS)


def _place(address: str | None, scheduler_file: str | os.PathLike[str] | None, patience: float) -> str:
    """The address of the scheduler."""
    import dask.config

    if scheduler_file is not None:
        if address:
            raise UsageError("an address and a scheduler file are two ways to say the same: leave one of them out")
        return _address_in(os.fspath(scheduler_file), patience)
    place = str(address or dask.config.get("scheduler-address", None) or "")
    if not place:
        raise UsageError("no scheduler is named", hint=_THREE_WAYS)
    port = place.rpartition(":")[2]
    if port.isdecimal() and int(port) > LAST_PORT:
        raise UsageError(f"there is no port {port}", source=place, hint=_ADDRESS)
    return place


def _address_in(path: str, patience: float) -> str:
    """What stands in a scheduler file, which may be about to be written."""
    deadline = time.monotonic() + patience
    while True:
        try:
            address = json.loads(Path(path).read_text(encoding="utf-8"))["address"]
        except FileNotFoundError:
            problem, hint = "no such scheduler file", f"dask scheduler --scheduler-file {shown(path)} writes it"
        except OSError as error:
            problem, hint = f"it cannot be read: {(error.strerror or str(error)).lower()}", None
            break
        except (ValueError, KeyError, TypeError):  # perhaps not all of it has been written
            problem, hint = "this is no scheduler file of Dask", None
        else:
            if isinstance(address, str):
                return address
            problem, hint = "this is no scheduler file of Dask", None
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    raise UsageError(problem, source=path, hint=hint)


def _client(place: str, patience: float) -> Client:
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    try:
        _elsewhere(partial(_greet, place, patience))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # we say so ourselves
            return Client(place, timeout=patience, set_as_default=False, name="segeval")
    except OSError:
        problem, hint = f"no scheduler answers within {patience:g} s", "is it running, and can this machine reach it?"
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        problem, hint = f"this leads to no scheduler: {shown(error)}", _ADDRESS
    raise UsageError(problem, source=place, hint=hint)


def _elsewhere(conversation: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in a thread, since a notebook has an event loop of its own; an interrupt does not wait for its end."""
    outcome: FutureResult[None] = FutureResult()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(conversation()))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    outcome.result()


async def _greet(place: str, patience: float) -> None:
    """See that somebody answers who speaks Dask's language: a client that finds nobody would not take it well.

    Raises
    ------
    OSError
        Nobody does.
    ValueError
        This is no address, or it asks for TLS, of which Dask's configuration knows nothing.
    """
    from distributed.comm import connect
    from distributed.security import Security

    known = Security().get_connection_args("client")
    if place.startswith(("tls:", "wss:")) and known.get("ssl_context") is None:
        raise ValueError("there is no distributed.comm.tls in Dask's configuration")
    comm = await asyncio.wait_for(connect(place, timeout=patience, **known), patience + 1)
    await comm.close()


class _Silence:
    """Keeps what Dask logs from stderr while somebody wants that: what matters of it is told as an error.

    Levels of loggers belong to the whole process, and are put back when the last one leaves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._levels: dict[logging.Logger, int] = {}

    def __enter__(self) -> None:
        with self._lock:
            self._wanted += 1
            named = [*logging.root.manager.loggerDict, *_TALKATIVE]
            for logger in {logging.getLogger(name) for name in named if name.partition(".")[0] in _TALKATIVE}:
                self._levels.setdefault(logger, logger.level)
                logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                for logger, level in self._levels.items():
                    logger.setLevel(level)
                self._levels.clear()


_silence = _Silence()


class Cluster:
    """The workers of a Dask cluster; an `Executor`. See `connected`.

    Parameters
    ----------
    client
        To the scheduler.
    worker_timeout, told
        See `connected`.
    """

    def __init__(self, client: Client, *, worker_timeout: float, told: Callable[[str], None]) -> None:
        self._client, self._patience, self._told = client, worker_timeout, told
        self._place = str(client.scheduler.address)
        self._threads: dict[str, int] = {}  # of workers that can be used
        self._known: set[str] = set()
        self._barred: set[str] = set()
        self._said: set[str] = set()
        self._refusal = ""  # why the last one was barred
        self._looked = self._last_seen = time.monotonic()
        self._seconds: float | None = None  # for an item
        self._problem: InputError | None = None

    @property
    def problem(self) -> InputError | None:
        """Why it could not go on to the end: no scheduler or no worker any more."""
        return self._problem

    def check_workers(self) -> None:
        """Wait for the first worker, and see that all workers have this version of segeval.

        Raises
        ------
        UsageError
            See `connected`.
        """
        sign = self._client.submit(int, pure=False)  # of work to do, without which an adaptive cluster stays empty
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
            present: dict[str, int] = self._client.nthreads(callback_timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise UsageError(
                f"there is no worker, after {self._patience:g} s",
                source=self._place,
                hint=f"start some: dask worker {self._place}",
            ) from None
        except OSError:
            raise UsageError("the scheduler does not answer any more", source=self._place) from None
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
    ) -> Generator[Ended[Item, Result], None, None]:
        """Apply a function to each item on the workers; see `segeval.running.processes.run_in_processes`.

        What cannot be finished because scheduler or workers are gone comes back with that as its cause.
        """
        from distributed.client import as_completed

        pending = deque(items)
        if not pending:
            return
        run = os.urandom(8).hex()
        submit = partial(
            self._client.submit, _work, run, __version__, pickle.dumps(function), timeout, tuple(preload), pure=False
        )
        flight: dict[object, tuple[Future[Any], Batch[Item]]] = {}
        done = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        number = 0
        try:
            while pending or flight:
                self._look()
                if self._problem is not None:
                    for item in (*(item for _, batch in flight.values() for item in batch), *pending):
                        yield Ended(item=item, cause=self._problem.problem, is_final=True)
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
                    del future  # what nobody refers to, the workers forget
                for key, status, answer in _next(done, flight):
                    _, batch = flight.pop(key)
                    yield from self._ends(status, answer, batch, pending)
        finally:
            done.clear()
            flight.clear()
            self._dismiss(run)

    def _ends(
        self, status: str, answer: object, batch: Batch[Item], pending: deque[Item]
    ) -> Iterator[Ended[Item, Any]]:
        """What became of the items of a batch; those of which nothing became are pending again."""
        if status == "finished" and isinstance(answer, _Answer):
            problems = self._judged(answer.worker, answer.facts)
            if answer.problem is not None and answer.worker not in self._barred:
                self._bar(answer.worker)
                problems = [f"on the worker on {shown(answer.facts['host'])}, {answer.problem}"]
            if answer.ends is not None:
                yield from self._unpacked(batch, answer)
                return
            for problem in problems:
                self._refusal = problem
                self._told(f"{problem}; it is not used")
        elif not self._is_cut_off(answer):
            for item in batch:
                yield Ended(item=item, cause=_cause(answer))
            return
        pending.extendleft(reversed(batch))

    def _batch_size(self, pending: int, threads: int) -> int:
        """How many items make a batch: about a second's work, and no more than leaves some for every thread."""
        if not self._seconds:
            return 1
        wanted = min(BATCH_SECONDS / self._seconds, LARGEST_BATCH, pending / (2 * threads))
        return max(1, int(wanted))

    def _unpacked(self, batch: Batch[Item], answer: _Answer) -> Iterator[Ended[Item, Any]]:
        """What became of the items of a batch."""
        each = answer.seconds / max(1, len(batch))
        self._seconds = each if self._seconds is None else 0.8 * self._seconds + 0.2 * each
        for item, (message, cause, is_final) in zip(batch, answer.ends or (), strict=True):
            ended: Ended[Item, Any] = Ended(item=item, cause=cause, is_final=is_final, host=answer.facts["host"])
            if message is not None:
                try:
                    ended = replace(ended, result=pickle.loads(message))  # noqa: S301 - from a process of ours
                except Exception as error:  # noqa: BLE001 - other versions of what it is made of
                    unread = f"its result cannot be read: {type(error).__name__}: {shown(error)}"
                    ended = replace(ended, cause=unread)
            yield ended

    def _is_cut_off(self, answer: object) -> bool:
        """Whether the scheduler is gone; if so, that is the problem from now on."""
        gone = getattr(answer, "reason", None) == "scheduler-connection-lost" or self._client.status != "running"
        if gone and self._problem is None:
            self._problem = InputError(f"the scheduler at {self._place} is gone")
        return gone

    def _look(self) -> None:
        """See now and then which workers there are."""
        now = time.monotonic()
        if self._problem is not None or self._is_cut_off(None) or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            present: dict[str, int] = self._client.nthreads(callback_timeout=ANSWER_SECONDS)
        except (OSError, RuntimeError):
            if not self._is_cut_off(None):
                self._problem = InputError(f"the scheduler at {self._place} does not answer any more")
            return
        self._threads = {address: threads for address, threads in present.items() if address not in self._barred}
        if self._threads:
            self._last_seen = time.monotonic()
        elif present and self._refusal:
            self._problem = InputError(f"no worker at {self._place} can be used: {self._refusal}")
        elif time.monotonic() - self._last_seen > self._patience:
            self._problem = InputError(f"there has been no worker at {self._place} for {self._patience:g} s")

    def _met(self, workers: Iterable[str]) -> list[str]:
        """Ask workers what they are; why some of them cannot be used."""
        return [
            problem
            for address, found in self._ask(_facts, list(workers)).items()
            for problem in self._judged(address, found)
        ]

    def _judged(self, address: str, found: object) -> list[str]:
        """Why a worker that is new cannot be used, if so, by what it is or why it cannot say."""
        if address in self._known:
            return []
        if isinstance(found, Exception) and not isinstance(
            found, OSError
        ):  # segeval is not there, or is older than this
            version = self._ask(partial(importlib.metadata.version, _OURS), [address]).get(address)
            if version == __version__:
                return [f"the worker {shown(address)} cannot load segeval: {shown(found)}"]
            return [self._other(address, address, version if isinstance(version, str) else None)]
        if not isinstance(found, Mapping):
            return []  # it has left meanwhile, or does not answer
        if found["segeval"] != __version__:
            return [self._other(address, found["host"], found["segeval"])]
        self._known.add(address)
        for text in _differences(found):
            if text not in self._said:
                self._said.add(text)
                self._told(f"the worker on {shown(found['host'])} has {text}")
        return []

    def _ask(self, question: Callable[[], object], workers: list[str]) -> dict[str, object]:
        """What some workers answer, an exception among them."""
        try:
            answers: dict[str, object] = self._client.run(
                question, workers=workers, on_error="return", callback_timeout=ANSWER_SECONDS
            )
        except (OSError, RuntimeError):
            return {}
        return answers

    def _bar(self, address: str) -> None:
        """Use a worker no more."""
        self._known.add(address)
        self._barred.add(address)
        self._threads.pop(address, None)

    def _other(self, address: str, host: str, version: str | None) -> str:
        """Use a worker of another version no more; why."""
        self._bar(address)
        found = "no segeval" if version is None else f"segeval {shown(version)}"
        return f"the worker on {shown(host)} has {found}, this machine has {__version__}"

    def _dismiss(self, run: str) -> None:
        """End the processes that worked for a run."""
        if self._problem is None or self._client.status == "running":
            with contextlib.suppress(OSError, RuntimeError):
                self._client.run(partial(_leave, run), on_error="ignore", callback_timeout=PARTING_SECONDS)


def _next(
    done: as_completed, flight: Mapping[object, tuple[Future[Any], object]]
) -> Iterator[tuple[object, str, object]]:
    """Key, status and answer of batches that are done, after a while at the latest."""
    try:
        found = [done.queue.get(timeout=LOOK_SECONDS)]
    except queue.Empty:
        # an answer that was lost on its way is never told of
        spoilt = [future for future, _ in flight.values() if future.status in ("error", "cancelled", "lost")]
        found = [(future, future.exception() if future.status == "error" else None) for future in spoilt]
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(done.queue.get_nowait())
    for future, answer in found:
        if future.key in flight:
            yield future.key, future.status, answer


def _cause(answer: object) -> str:
    """Why there is no answer."""
    from distributed.scheduler import KilledWorker

    error = answer[1] if isinstance(answer, tuple) else answer
    if isinstance(error, KilledWorker):
        workers = "its worker was lost" if not error.allowed_failures else "each worker that tried it was lost"
        return f"{workers}, the last one {shown(error.last_worker.address)}"
    if isinstance(error, BaseException):
        return f"the cluster did not finish it: {type(error).__name__}: {shown(error)}"
    return "the cluster did not finish it"


# from here on: what is done on a worker


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What became of a batch, and where.

    There are no ends where segeval has another version than the client's, or the worker has a problem of its own.
    """

    worker: str
    facts: Mapping[str, str]
    seconds: float = 0.0
    ends: tuple[tuple[bytes | None, str | None, bool], ...] | None = None
    problem: str | None = None


_Waiting = tuple[SupervisedProcess[bytes, bytes], threading.Timer]  # and what ends it if nobody wants it


class _Bench:
    """The processes of this worker, by the run that they work for: those at work, and those that wait."""

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
        """A process that is there for a batch, and afterwards waits a while for the next one."""
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
        """End a process that has waited long enough, if it still does."""
        with self._lock:
            waiting = self._waiting.get(run, [])
            still = [each for each in waiting if each[0] is process and each[1] is threading.current_thread()]
            for each in still:
                waiting.remove(each)
        for _ in still:
            process.end()

    def leave(self, run: str) -> None:
        """End all processes of a run at once."""
        with self._lock:
            self._over.append(run)
            waiting = self._waiting.pop(run, [])
            for process in (*(process for process, _ in waiting), *self._at_work.get(run, [])):
                process.kill()
        for process, timer in waiting:
            timer.cancel()
            process.end()


_bench = _Bench()


def _work(
    run: str, version: str, function: bytes, timeout: float | None, preload: tuple[str, ...], messages: list[bytes]
) -> _Answer:
    """Work on a batch. Functions, items and results are passed on as bytes, and only unpacked where they are used."""
    from distributed import get_worker

    answer = partial(_Answer, worker=get_worker().address, facts=_facts())
    if version != __version__:
        return answer()
    started = time.perf_counter()
    ends: list[tuple[bytes | None, str | None, bool]] = []
    begun = partial(SupervisedProcess, partial(_applied, function=function), timeout=timeout, preload=preload)
    with _bench.process(run, begun) as process:
        for message in messages:
            if _bench.is_over(run):
                break
            try:
                ended = process.work_on(message)
            except UnstartableError as error:
                return answer(problem=error.problem)
            ends.append((ended.result, ended.cause, ended.is_final))
    return answer(seconds=time.perf_counter() - started, ends=tuple(ends))


def _applied(message: bytes, *, function: bytes) -> bytes:
    """What the process does."""
    return pickle.dumps(pickle.loads(function)(pickle.loads(message)))  # noqa: S301 - from the client, as this is


def _leave(run: str) -> None:
    _bench.leave(run)


@cache
def _facts() -> Mapping[str, str]:
    """What the results of a machine may depend on."""
    versions = {"host": socket.gethostname(), "segeval": __version__, "python": _python()}
    for name in _COMPARED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _differences(found: Mapping[str, str]) -> list[str]:
    """What differs from this machine: ``"numpy 2.1.0, this machine has 2.4.6"``."""
    here = _facts()
    return [
        f"{name} {shown(found.get(name, '(none)'))}, this machine has {here.get(name, '(none)')}"
        for name in ("python", *_COMPARED)
        if found.get(name) != here.get(name)
    ]
