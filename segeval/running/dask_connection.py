"""Connect to a Dask cluster: find its scheduler, see that it answers, and keep its logs from stderr meanwhile."""

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

_ADDRESS = "an address is tcp://HOST:8786"
_THREE_WAYS = "give --dask tcp://HOST:8786 or --scheduler-file FILE, or set DASK_SCHEDULER_ADDRESS"
_TALKATIVE = ("distributed", "tornado", "asyncio")


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
    on_warning: Callable[[str], None] = warnings.warn,
) -> Iterator[Cluster]:
    """A cluster for as long as it is needed.

    TLS and all other settings of connections are in the configuration of Dask itself.

    Parameters
    ----------
    address
        Of the scheduler: ``"tcp://host:8786"``. If it is not given, that of Dask's configuration, which
        DASK_SCHEDULER_ADDRESS sets.
    scheduler_file
        The file that ``dask scheduler --scheduler-file`` writes, in place of an address.
    worker_timeout
        Seconds without any worker after which a run is given up.
    on_warning
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
            cluster = Cluster(client, worker_timeout=worker_timeout, on_warning=on_warning)
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
    """Keeps what Dask logs from stderr while somebody wants that: what matters of it is raised as an error.

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
