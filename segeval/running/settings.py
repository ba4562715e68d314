"""Settings of a run, apart from the plan that says what to score."""

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
    """Settings of a run.

    Parameters
    ----------
    missing
        What to do with a case without a prediction: ``"error"`` fails, ``"empty"`` scores an empty prediction,
        ``"skip"`` leaves it out.
    timeout
        Seconds that one case may take; greater than 0.
    fail_fast
        Whether to stop after the first case that cannot be scored.
    with_tables
        Whether outcomes have their contingency tables.
    error_maps
        Folder for error maps, if they are written. A case whose maps are missing is not taken over from a journal.
    shard
        Part of the cases to score, ``"2/3"``; by default all.
    metadata, by
        Table with the column case, and the columns by which the summary is grouped too.

    Raises
    ------
    UsageError
        `missing` or `timeout` has a wrong value.
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
            raise UsageError(f"timeout must be greater than 0, found {self.timeout}")

    def settings(self) -> dict[str, Any]:
        """Return the settings that results files contain, as plain data."""
        return {each.key: each.kind.dump(each.value_in(self)) for each in settings_of(OPTIONS_OF_RUNS)}

    def of_journal(self, plan: Plan) -> dict[str, Any]:
        """Return what scores depend on besides the files; a journal with other values is not resumed."""
        return {
            "version": __version__,
            **plan.settings(),
            "missing": self.missing,
            "confusion": self.with_tables,
            "shard": self.shard,
        }
