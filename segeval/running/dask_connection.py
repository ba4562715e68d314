"""Connect to a Dask cluster: find its scheduler, check that it answers, and silence its logs meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future as FutureResult
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segeval.errors import UsageError, check_extra, shown
from segeval.running.dask_cluster import Cluster
from segeval.scoring.batch_options import WORKER_TIMEOUT

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0  # that a scheduler has to answer a new client
PARTING_SECONDS = 5.0
LAST_PORT = 65535

_ADDRESS = "expected an address like tcp://HOST:8786"
_WAYS = "give --dask tcp://HOST:8786 or --scheduler-file FILE, or set DASK_SCHEDULER_ADDRESS"
_LOGGERS = ("distributed", "tornado", "asyncio")


def check_installed() -> None:
    """Check that distributed is installed.

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
    on_warning: Callable[[str], None] = warnings.warn,
) -> Iterator[Cluster]:
    """Connect to a cluster for the duration of the context.

    TLS and other settings of the connection are in Dask's own configuration.

    Parameters
    ----------
    address
        Address of the scheduler: ``"tcp://host:8786"``. By default the address in Dask's configuration, which
        DASK_SCHEDULER_ADDRESS sets.
    scheduler_file
        The file that ``dask scheduler --scheduler-file`` writes, instead of an address.
    worker_timeout
        Give up after this many seconds without any worker.
    on_warning
        Called with warnings about the workers.

    Raises
    ------
    UsageError
        distributed is not installed, no address of a scheduler was given, no scheduler answers, there is no worker, or
        a worker has another version of segeval.
    """
    check_installed()
    if not worker_timeout > 0:
        raise UsageError(f"worker_timeout must be greater than 0, found {worker_timeout}")
    place = _place(address, scheduler_file, worker_timeout)
    with _silence:
        client = _client(place, min(worker_timeout, CONNECT_SECONDS))
        try:
            cluster = Cluster(client, worker_timeout=worker_timeout, on_warning=on_warning)
            cluster.check_workers()
            yield cluster
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=PARTING_SECONDS)


def _place(address: str | None, scheduler_file: str | os.PathLike[str] | None, patience: float) -> str:
    """Return the address of the scheduler."""
    import dask.config

    if scheduler_file is not None:
        if address:
            raise UsageError("--dask ADDRESS and --scheduler-file cannot be combined", hint="leave out one of them")
        return _address_in(os.fspath(scheduler_file), patience)
    place = str(address or dask.config.get("scheduler-address", None) or "")
    if not place:
        raise UsageError("no address of a Dask scheduler was given", hint=_WAYS)
    port = place.rpartition(":")[2]
    if port.isdecimal() and int(port) > LAST_PORT:
        raise UsageError(f"port {port} does not exist", source=place, hint=_ADDRESS)
    return place


def _address_in(path: str, patience: float) -> str:
    """Return the address in a scheduler file; wait for the file if it is not written yet."""
    deadline = time.monotonic() + patience
    while True:
        try:
            address = json.loads(Path(path).read_text(encoding="utf-8"))["address"]
        except FileNotFoundError:
            problem, hint = "no such scheduler file", f"write it with: dask scheduler --scheduler-file {shown(path)}"
        except OSError as error:
            problem, hint = f"the file cannot be read: {(error.strerror or str(error)).lower()}", None
            break
        except (ValueError, KeyError, TypeError):  # perhaps it is not written completely
            problem, hint = "not a scheduler file of Dask", None
        else:
            if isinstance(address, str):
                return address
            problem, hint = "not a scheduler file of Dask", None
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
            warnings.simplefilter("ignore", VersionMismatchWarning)  # segeval reports it itself
            return Client(place, timeout=patience, set_as_default=False, name="segeval")
    except OSError:
        problem, hint = (
            f"no scheduler answers within {patience:g} s",
            "check that it is running and can be reached",
        )
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        problem, hint = f"cannot connect to the scheduler: {shown(error)}", _ADDRESS
    raise UsageError(problem, source=place, hint=hint)


def _elsewhere(conversation: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread, because a notebook has an event loop already; an interrupt does not wait for it."""
    outcome: FutureResult[None] = FutureResult()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(conversation()))
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    outcome.result()


async def _greet(place: str, patience: float) -> None:
    """Check that a scheduler answers, because a client does not fail cleanly if none does.

    Raises
    ------
    OSError
        No scheduler answers.
    ValueError
        The address is wrong, or needs TLS, which is not in Dask's configuration.
    """
    from distributed.comm import connect
    from distributed.security import Security

    known = Security().get_connection_args("client")
    if place.startswith(("tls:", "wss:")) and known.get("ssl_context") is None:
        raise ValueError("distributed.comm.tls is missing in Dask's configuration")
    comm = await asyncio.wait_for(connect(place, timeout=patience, **known), patience + 1)
    await comm.close()


class _Silence:
    """Silences the logs of Dask while a cluster is in use; errors that matter are raised.

    Levels of loggers belong to the whole process, and are restored when the last context ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._levels: dict[logging.Logger, int] = {}

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            named = [*logging.root.manager.loggerDict, *_LOGGERS]
            for logger in {logging.getLogger(name) for name in named if name.partition(".")[0] in _LOGGERS}:
                self._levels.setdefault(logger, logger.level)
                logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for logger, level in self._levels.items():
                    logger.setLevel(level)
                self._levels.clear()


_silence = _Silence()
