"""Protocol of executors, which apply a function to many items: processes of this machine, or a Dask cluster.

An executor knows nothing about cases. The function, items and results are pickled on their way to other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from segeval.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Loss:
    """Why an item has no result.

    Parameters
    ----------
    cause
        Reason: ``"it took longer than 60 s"``.
    is_final
        Whether another try is pointless: the timeout was exceeded, or there is no worker left.
    """

    cause: str
    is_final: bool = False


class Executor(Protocol):
    """Applies a function to many items."""

    @property
    def problem(self) -> InputError | None:
        """Why it stopped before the end, if it did."""

    @property
    def is_remote(self) -> bool:
        """Whether other machines do the work; they may see other files."""

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[tuple[Item, Result | Loss], None, None]:
        """Apply a function to each item, in processes that may crash or hang without affecting other items.

        Parameters
        ----------
        function
            A function that can be imported by name, or a partial of one. It returns errors instead of raising them.
        items
            Any objects but None.
        timeout
            Seconds that one item may take.
        alone
            Whether to work on one item at a time.
        preload
            Modules that processes import once together, if the system supports it.

        Yields
        ------
        tuple
            Each item once, with its result or the reason why there is none, in the order in which they finish. If the
            generator is closed, work on other items ends.
        """
