"""Events that tell a caller how far a run is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segeval.results.rows import LOST, Status

if TYPE_CHECKING:
    from segeval.scoring.case import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """Progress of a run after one more case; what `segeval.batch` passes to `progress`.

    Parameters
    ----------
    case
        Name of the case that has just finished.
    status
        Its status: ``"scored"``, ``"failed"``, ``"missing"`` (no prediction) or ``"skipped"``.
    message
        Why it was not scored; None if it was.
    done, total
        Number of finished cases, and of all cases.
    failed
        Number of finished cases that failed or have no prediction.
    """

    case: str
    status: Status
    message: str | None
    done: int
    total: int
    failed: int


class Announcer:
    """Calls a function with a `ProgressEvent` for each outcome.

    Parameters
    ----------
    total
        Number of cases.
    announce
        The function.
    """

    def __init__(self, total: int, announce: Callable[[ProgressEvent], object]) -> None:
        self._total, self._announce = total, announce
        self._done = self._failed = 0

    def __call__(self, outcome: Outcome) -> None:
        """Count a case and pass it on."""
        record = outcome.record
        self._done += 1
        self._failed += record.status in LOST
        self._announce(
            ProgressEvent(
                case=record.case,
                status=record.status,
                message=record.message,
                done=self._done,
                total=self._total,
                failed=self._failed,
            )
        )
