"""Start processes that begin without anything of this one: no thread, no lock, no script, one native thread each."""

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

# of the libraries below NumPy and SciPy: as many threads as workers would only hinder each other
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)

_starting = threading.Lock()


def new_process(
    target: Callable[..., None], arguments: tuple[object, ...], preload: Sequence[str]
) -> ForkServerProcess | SpawnProcess:
    """A process that is not started yet; where possible a copy of one that has the modules loaded."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context.Process(target=target, args=arguments, daemon=True)


@contextlib.contextmanager
def start_conditions() -> Iterator[None]:
    """The conditions under which processes are to be started, in one thread at a time.

    An interrupt waits until this is done.
    """
    with _starting, undisturbed(), _blocked(signal.SIGINT), _fresh_start():
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
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
