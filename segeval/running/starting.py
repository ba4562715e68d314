"""Start processes that inherit nothing from this one: no thread, no lock, no script; each with one native thread."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess, SpawnProcess

# for the libraries below NumPy and SciPy: more threads would only slow down the workers
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)

_starting = threading.Lock()


def new_process(
    target: Callable[..., None], arguments: tuple[object, ...], preload: Sequence[str]
) -> ForkServerProcess | SpawnProcess:
    """Return a process that is not started yet; if possible a copy of one that has the modules loaded."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context.Process(target=target, args=arguments, daemon=True)


@contextlib.contextmanager
def start_conditions() -> Iterator[None]:
    """Set the conditions for starting processes, in one thread at a time.

    An interrupt is delayed until the end.
    """
    with _starting, undisturbed(), _blocked(signal.SIGINT), _fresh_start():
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Delay an interrupt until the end."""
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
    """Block a signal in this thread and in processes that it starts, if the system supports it.

    A terminal interrupts all of them, and a process that is still importing modules would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it unblocks the signal if it starts its process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _fresh_start() -> Iterator[None]:
    """Start processes with one native thread, and without running the caller's script in them.

    Python would import the main module in each of them, and a script without a guard would run again. Python also
    refuses to start processes from a daemonic process, because it might leave them behind; these end with their parent.
    The changes affect the whole process, so only one thread at a time may do this.
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
