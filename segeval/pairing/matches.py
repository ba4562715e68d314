"""Records of pairing: `Matches` while files are matched, `Pairing` as the result.

Several predictions for one reference are kept until the end, so that the problem can name all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from segeval.pairing.listing import Item
from segeval.scoring.case import Case

Groups: TypeAlias = Mapping[str, Sequence[Item]]
"""References by the name of their case; there should be one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The cases of a run.

    Parameters
    ----------
    cases
        One for each reference, in natural order of their names; references of one name share a case with a problem.
    strays
        Paths of predictions without a reference.
    remarks
        How names were read if not literally, which files were ignored, and what would pair more files.
    """

    cases: tuple[Case, ...]
    strays: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Matches:
    """The predictions found so far.

    Parameters
    ----------
    found
        Predictions by the name of their case; there should be one for each.
    problems
        Why a case has no prediction, by its name.
    taken
        Paths below the folder of predictions that are done with.
    remarks
        Remarks for the user.
    refused
        Whether files were left unpaired because several fit; a remark says what to do.
    """

    found: dict[str, list[Item]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    refused: bool = False

    def add(self, name: str, items: Sequence[Item]) -> None:
        """Add predictions of a case."""
        self.found.setdefault(name, []).extend(items)
        self.taken.update(item.relative for item in items)

    def refuse(self, remark: str) -> None:
        """Leave files unpaired, with a remark for the user."""
        self.remarks.append(remark)
        self.refused = True

    def left(self, predictions: Iterable[Item]) -> list[Item]:
        """Return the predictions that belong to no case."""
        return [item for item in predictions if item.relative not in self.taken]
