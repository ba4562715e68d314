"""The settings of a run: what is done with cases, besides the plan that says what is scored."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segeval.errors import UsageError
from segeval.scoring.batch_options import BATCH_OPTIONS, OPTIONS_OF_RUNS, Missing
from segeval.scoring.declaration import settings_of
from segeval.scoring.plan import Plan
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.writing.error_maps import ErrorMaps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of a run.

    Parameters
    ----------
    missing
        What becomes of a case without a prediction: ``"error"`` it is not scored, which is an error; ``"empty"`` it
        is scored as if nothing had been found; ``"skip"`` it is left out.
    timeout
        Seconds that one case may take, more than 0.
    fail_fast
        Whether the rest is left alone after the first case that cannot be scored.
    with_tables
        Whether outcomes carry their contingency tables.
    error_maps
        Where error maps go, if they are wanted. A case whose maps cannot be written is not scored; one whose maps are
        not there is not taken over.
    shard
        The part of the cases that is scored, ``"2/3"``; all of them if not given.
    metadata, by
        A table with the column case, and those of its columns by which the summary is grouped too.

    Raises
    ------
    UsageError
        `missing` is none of these, or `timeout` is no such number.
    """

    missing: Missing = BATCH_OPTIONS["missing"].default
    timeout: float | None = None
    fail_fast: bool = False
    with_tables: bool = False
    error_maps: ErrorMaps | None = None
    shard: str | None = None
    metadata: str | os.PathLike[str] | None = None
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        BATCH_OPTIONS["missing"].check_choice(self.missing)
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout is a number of seconds above 0, not {self.timeout}")

    def settings(self) -> dict[str, Any]:
        """What results files keep of them, as plain data."""
        return {each.key: each.kind.dump(each.value_in(self)) for each in settings_of(OPTIONS_OF_RUNS)}

    def of_journal(self, plan: Plan) -> dict[str, Any]:
        """What a scored case rests on besides its files; where it differs, a journal is not resumed."""
        return {
            "version": __version__,
            **plan.settings(),
            "missing": self.missing,
            "confusion": self.with_tables,
            "shard": self.shard,
        }
