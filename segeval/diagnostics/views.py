"""View a pair of maps under other conventions, without searching a surface twice."""

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
    """A pair under other conventions that have the same surfaces.

    Parameters
    ----------
    searched
        The pair whose surfaces were found.
    conventions
        The other conventions.
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
    """Views of a pair under any conventions; each kind of surface is searched once.

    Parameters
    ----------
    pair
        The pair under segeval's own conventions.
    names
        Names of the labels, by number.
    plan
        The plan; its conventions and metrics are ignored.
    threads
        Number of threads.
    """

    def __init__(self, pair: Pair, names: Mapping[int, str], plan: Plan, *, threads: int) -> None:
        self.pair, self._names, self._plan, self._threads = pair, names, plan, threads
        self._searched = {_kind(pair.conventions): pair}

    def under(self, conventions: Conventions) -> SeenPair:
        """The pair under other conventions that score the same labels."""
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
        """Score the pair; return the scores by label or region, then by metric."""
        plan = replace(self._plan, metrics=tuple(wanted))
        found: dict[Key, dict[str, Score]] = {}
        for each in score(self.under(conventions), self._names, plan, case=""):
            found.setdefault(each.label, {})[each.metric] = each
        return found


def _kind(conventions: Conventions) -> tuple[Surface, Any, bool]:
    """The conventions that the surfaces depend on."""
    return conventions.surface, conventions.neighbours, conventions.edge_is_border


def with_choices(conventions: Conventions, chosen: Conventions) -> Conventions:
    """Conventions with the tolerances, the background and the ignored label of `chosen`."""
    choices = ("tolerance", "label_tolerances", "background", "ignore_label")
    return replace(conventions, **{name: getattr(chosen, name) for name in choices})
