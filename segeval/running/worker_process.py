"""One worker: a process that is handed items through a pipe of its own, and both ends of that pipe.

There is no lock, so that a process that is killed takes nothing with it but its item. A result comes in small parts,
each of which is there as a whole or not at all, so that nobody waits for a process that has stopped in the middle of
one. A worker ends when the process that started it does, however that ends.
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

PATIENCE = 5.0  # seconds that a worker without work has to end
PARTING = 1.0  # seconds that a process may live on after the end of its pipe
PART = 4096  # bytes of a message, small enough to go through a pipe at once
MORE, LAST = b"+", b"."
NOTHING_MORE = b""  # in place of an item


class Worker(Generic[Item, Result]):
    """A process, the pipe to it, and what it is working on."""

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
        """Hand over an item; False if there is nobody to take it."""
        self.item, self._timeout = item, timeout
        try:
            self.connection.send_bytes(message)
        except OSError:
            return False
        self.deadline = None if timeout is None else time.monotonic() + timeout
        return True

    def receive(self) -> tuple[Item, Result | Loss] | None:
        """The item with what came of it: its result, or the end of the process; None while there is more to come."""
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
            return item, pickle.loads(message)  # noqa: S301 - from a process of ours
        except Exception as error:  # noqa: BLE001 - what it is made of may raise anything
            return item, Loss(f"its result cannot be read: {named(error)}")

    def give_up(self) -> tuple[Item, Loss]:
        """End the process that took too long."""
        item = self._item()
        self.kill()
        return item, Loss(f"it took longer than {self._timeout:g} s", is_final=True)

    def dismiss(self) -> None:
        """Tell the process, which has nothing to do, that there is nothing more."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(NOTHING_MORE)

    def end(self) -> None:
        """Let the process go."""
        self.dismiss()
        self._process.join(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End the process at once, and forget it."""
        self.is_alive = False
        self.shoot()
        self._process.join(PATIENCE)  # no longer: what waits for a disk cannot be killed
        self.connection.close()

    def shoot(self) -> None:
        """End the process at once."""
        with contextlib.suppress(OSError, ValueError):  # it has ended, or has been forgotten
            self._process.kill()

    def _lost(self) -> tuple[Item, Loss]:
        """The pipe has ended, and with it the process, as a rule."""
        item = self._item()
        self._process.join(PARTING)
        code = self._process.exitcode
        self.kill()
        return item, Loss("its process has let go of its pipe" if code is None else _obituary(code))

    def _item(self) -> Item:
        assert self.item is not None  # noqa: S101 - only a busy worker is asked
        item, self.item = self.item, None
        return item


def named(error: BaseException) -> str:
    """An error in one line: its type, and what it says if it says anything."""
    text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _obituary(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    because = "; out of memory is the usual reason" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{because}"


# from here on: what is done in the worker's process


def _serve(connection: Connection, function: Callable[[Item], Result]) -> None:
    """Work on items until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the caller decides what becomes of us
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # it was blocked while we were started
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while (message := connection.recv_bytes()) != NOTHING_MORE:
            answer = _answer(function, message)
            last = max(0, len(answer) - 1) // PART * PART
            for start in range(0, last, PART):
                connection.send_bytes(MORE + answer[start : start + PART])
            connection.send_bytes(LAST + answer[last:])


def _answer(function: Callable[[Item], Result], message: bytes) -> bytes:
    """The result, or why there is none, pickled."""
    try:
        return pickle.dumps(function(pickle.loads(message)))  # noqa: S301 - from the process that started us
    except BaseException as error:  # noqa: BLE001 - it costs its own item, whatever it is
        return pickle.dumps(Loss(f"there is no result: {named(error)}"))


def _end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
