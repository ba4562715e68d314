"""What belongs to what: `Matches` while it is sought, `Pairing` when it is found.

Several predictions for one reference are kept until the end, so that the problem can name them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from segeval.pairing.listing import Item
from segeval.scoring.case import Case

Groups: TypeAlias = Mapping[str, Sequence[Item]]
"""Case name -> its references, of which there should be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Which prediction belongs to which reference.

    Parameters
    ----------
    cases
        One for each reference, in natural order of their names; references of one name share a case with a problem.
    strays
        Predictions without a reference, as paths.
    remarks
        How names were read where they do not plainly say it, what was passed over, and what is not paired but might be.
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
        Case name -> its predictions, of which there should be one.
    problems
        Case name -> why none is found.
    taken
        The predictions that need not be looked at again, by their path below the folder.
    remarks
        What else is to be said.
    refused
        Whether something is not paired that might have been, and it is said what to do.
    """

    found: dict[str, list[Item]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    refused: bool = False

    def add(self, name: str, items: Sequence[Item]) -> None:
        """Give a case predictions."""
        self.found.setdefault(name, []).extend(items)
        self.taken.update(item.relative for item in items)

    def refuse(self, remark: str) -> None:
        """Leave to the user what names do not tell."""
        self.remarks.append(remark)
        self.refused = True

    def left(self, predictions: Iterable[Item]) -> list[Item]:
        """Those that no case has."""
        return [item for item in predictions if item.relative not in self.taken]
