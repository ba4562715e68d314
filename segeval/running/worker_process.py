"""One worker: a process that gets items through a pipe of its own, and both ends of that pipe.

There is no lock, so that only the current item is lost if the process is killed. A result is sent in small parts, each
of which arrives whole or not at all, so that nobody waits for a process that was stopped in the middle of a part. A
worker ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic

from segeval.errors import shown
from segeval.running.executor import Item, Loss, Result
from segeval.running.starting import new_process

PATIENCE = 5.0  # seconds that an idle worker has to end
PARTING = 1.0  # seconds that a process may run after the end of its pipe
PART = 4096  # bytes of a message, small enough for one write to a pipe
MORE, LAST = b"+", b"."
NOTHING_MORE = b""  # in place of an item


class Worker(Generic[Item, Result]):
    """A process, the pipe to it, and its current item."""

    def __init__(self, function: Callable[[Item], Result], preload: Sequence[str]) -> None:
        self.item: Item | None = None
        self.deadline: float | None = None
        self.is_alive = True
        self._timeout: float | None = None
        self._parts: list[bytes] = []
        self.connection, theirs = multiprocessing.Pipe()
        try:
            self._process = new_process(_serve, (theirs, function), preload)
            self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    def begin(self, item: Item, message: bytes, timeout: float | None) -> bool:
        """Send an item; False if the process has ended."""
        self.item, self._timeout = item, timeout
        try:
            self.connection.send_bytes(message)
        except OSError:
            return False
        self.deadline = None if timeout is None else time.monotonic() + timeout
        return True

    def receive(self) -> tuple[Item, Result | Loss] | None:
        """Return the item with its result or its loss; None while more parts are to come."""
        try:
            part = self.connection.recv_bytes()
        except (EOFError, OSError):
            return self._lost()
        self._parts.append(part[1:])
        if part[:1] == MORE:
            return None
        item, message = self._item(), b"".join(self._parts)
        self._parts.clear()
        try:
            return item, pickle.loads(message)  # noqa: S301 - from a process of segeval
        except Exception as error:  # noqa: BLE001 - unpickling may raise anything
            return item, Loss(f"its result cannot be read: {named(error)}")

    def give_up(self) -> tuple[Item, Loss]:
        """Kill the process because its item took too long."""
        item = self._item()
        self.kill()
        return item, Loss(f"it took longer than {self._timeout:g} s", is_final=True)

    def dismiss(self) -> None:
        """Tell an idle process that there are no more items."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(NOTHING_MORE)

    def end(self) -> None:
        """End an idle process."""
        self.dismiss()
        self._process.join(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Kill the process and close the pipe."""
        self.is_alive = False
        self.shoot()
        self._process.join(PATIENCE)  # no longer: a process that waits for a disk cannot be killed
        self.connection.close()

    def shoot(self) -> None:
        """Kill the process."""
        with contextlib.suppress(OSError, ValueError):  # it has already ended
            self._process.kill()

    def _lost(self) -> tuple[Item, Loss]:
        """Return the loss of the item after the end of the pipe, which is usually the end of the process."""
        item = self._item()
        self._process.join(PARTING)
        code = self._process.exitcode
        self.kill()
        return item, Loss("its process closed its pipe" if code is None else _obituary(code))

    def _item(self) -> Item:
        assert self.item is not None  # noqa: S101 - only a busy worker has one
        item, self.item = self.item, None
        return item


def named(error: BaseException) -> str:
    """Describe an error in one line: its type, and its text if it has one."""
    text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _obituary(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    because = ", usually because memory ran out" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{because}"


# The code below runs in the process of the worker.


def _serve(connection: Connection, function: Callable[[Item], Result]) -> None:
    """Work on items until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal interrupts all; the caller decides when workers end
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # it was blocked during the start
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while (message := connection.recv_bytes()) != NOTHING_MORE:
            answer = _answer(function, message)
            last = max(0, len(answer) - 1) // PART * PART
            for start in range(0, last, PART):
                connection.send_bytes(MORE + answer[start : start + PART])
            connection.send_bytes(LAST + answer[last:])


def _answer(function: Callable[[Item], Result], message: bytes) -> bytes:
    """Return the pickled result, or why there is none."""
    try:
        return pickle.dumps(function(pickle.loads(message)))  # noqa: S301 - from the process that started this one
    except BaseException as error:  # noqa: BLE001 - it costs only its own item
        return pickle.dumps(Loss(f"no result: {named(error)}"))


def _end_with_parent() -> None:
    """End this process when its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
