"""What applies a function to many items: the protocol that processes of this machine and a Dask cluster share.

An executor knows nothing of cases. Only the function, items and results cross the boundary of a process, pickled.
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
        What happened: ``"it took longer than 60 s"``.
    is_final
        Whether there is no point in another try: it was the timeout, or nobody is left to try.
    """

    cause: str
    is_final: bool = False


class Executor(Protocol):
    """What applies a function to many items."""

    @property
    def problem(self) -> InputError | None:
        """Why it could not go on to the end, if it could not."""

    @property
    def is_remote(self) -> bool:
        """Whether other machines do the work, which may see other files."""

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        alone: bool = False,
        preload: Sequence[str] = (),
    ) -> Generator[tuple[Item, Result | Loss], None, None]:
        """Apply a function to each item, in processes that may crash or hang without taking other items with them.

        Parameters
        ----------
        function
            A function that can be imported by name, or a partial of one. It returns errors instead of raising them.
        items
            None of them may be None.
        timeout
            Seconds that one item may take.
        alone
            Whether one item is worked on at a time.
        preload
            Modules that processes import once together, where the system can do that.

        Yields
        ------
        tuple
            Each item once, with its result or the reason why there is none, in the order in which they end. When the
            generator is closed, work on other items is ended.
        """
