"""A pair of maps under any conventions, each kind of surface searched once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from segeval.evidence.comparison import Comparison
from segeval.evidence.conventions import Conventions, Surface
from segeval.evidence.counts import Counts
from segeval.evidence.layered_comparison import Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key
from segeval.metrics import Request
from segeval.results.rows import Score
from segeval.scoring.plan import Plan
from segeval.scoring.scoring import score


class SeenPair(Comparison):
    """A pair under other conventions than those it was searched by, which find the same surfaces.

    Parameters
    ----------
    searched
        The pair.
    conventions
        The others.
    """

    def __init__(self, searched: Pair, conventions: Conventions) -> None:
        super().__init__(
            prediction=searched.prediction,
            reference=searched.reference,
            conventions=conventions,
            regions=searched.regions,
            only=searched.scored,
        )
        self._searched = searched

    def counts(self, key: Key) -> Counts:
        """The counts of a label or region."""
        return self._searched.counts(key)

    def surfaces(self, key: Key) -> SurfaceDistances:
        """The surface distances of a label or region."""
        return replace(
            self._searched.surfaces(key),
            penalty=self.penalty,
            slack=self._slack,
            single=self.conventions.within == "float32",
            pooled=self.conventions.percentile == "pooled",
            sides_averaged=self.conventions.sides_averaged,
        )


class Views:
    """A pair under any conventions; each kind of surface is searched once.

    Parameters
    ----------
    pair
        Under segeval's own conventions.
    names
        Label -> name.
    plan
        What is asked for, but for conventions and metrics.
    threads
        How many threads may work at once.
    """

    def __init__(self, pair: Pair, names: Mapping[int, str], plan: Plan, *, threads: int) -> None:
        self.pair, self._names, self._plan, self._threads = pair, names, plan, threads
        self._searched = {_kind(pair.conventions): pair}

    def under(self, conventions: Conventions) -> SeenPair:
        """The pair under conventions that tell no other labels to be scored."""
        kind = _kind(conventions)
        if kind not in self._searched:
            pair = self.pair
            own = replace(pair.conventions, surface=kind[0], neighbours=kind[1], edge_is_border=kind[2])
            self._searched[kind] = type(pair)(
                prediction=pair.prediction,
                reference=pair.reference,
                conventions=own,
                regions=pair.regions,
                only=pair.scored,
                threads=self._threads,
            )
        return SeenPair(self._searched[kind], conventions)

    def scores(self, conventions: Conventions, wanted: Sequence[Request]) -> dict[Key, dict[str, Score]]:
        """Label or region -> metric -> its score."""
        plan = replace(self._plan, metrics=tuple(wanted))
        found: dict[Key, dict[str, Score]] = {}
        for each in score(self.under(conventions), self._names, plan, case=""):
            found.setdefault(each.label, {})[each.metric] = each
        return found


def _kind(conventions: Conventions) -> tuple[Surface, Any, bool]:
    """What decides on the surfaces that are found."""
    return conventions.surface, conventions.neighbours, conventions.edge_is_border


def with_choices(conventions: Conventions, chosen: Conventions) -> Conventions:
    """Conventions with those choices of `chosen` that do not tell tools apart."""
    choices = ("tolerance", "label_tolerances", "background", "ignore_label")
    return replace(conventions, **{name: getattr(chosen, name) for name in choices})
