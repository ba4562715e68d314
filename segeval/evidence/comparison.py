"""Compare a prediction with a reference on the same grid: compute the evidence for metrics, on demand and once.

Expensive evidence is computed for all labels together: the contingency table, the surface distances, the boundary
bands. A region, which is a union of labels, is treated like a label; overlapping regions are searched separately.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.conventions import SLACK, WEIGHTED, Conventions
from segeval.evidence.counts import ContingencyTable, Counts, LabelTotals, count_pairs
from segeval.evidence.probability_sums import ClassSums, ProbabilitySums, ProbabilityTotals, sum_up
from segeval.evidence.surfaces.boundary_bands import Bands, Rims, rims
from segeval.evidence.surfaces.distances import Distances, SurfaceDistances
from segeval.evidence.surfaces.surface_pairs import Surfaces
from segeval.maps.label_map import Grid, LabelMap
from segeval.maps.labels import Key, mask_of, number_of
from segeval.maps.probability_map import ProbabilityMap

Evidence = TypeVar("Evidence")

NO_CHANNEL = "the probability map has no channel for it"
NO_UNION = "it is for single classes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMaps:
    """Probability maps of a comparison.

    Parameters
    ----------
    prediction
        The probability map.
    reference
        A soft reference with the same classes, or None.
    bins
        Numbers of bins for the calibration.
    """

    prediction: ProbabilityMap
    reference: ProbabilityMap | None = None
    bins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masks:
    """Masks of a label or region, in both maps or in a part of them.

    Parameters
    ----------
    prediction, reference
        The voxels that `Counts` counts.
    ignored
        The ignored voxels, or None.
    """

    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None = None


class NoEvidenceError(Exception):
    """Raised if a pair has no evidence of this kind for a label; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of evidence: how to compute it, and properties of the metrics that need it.

    Parameters
    ----------
    title
        Heading in the definitions.
    find
        Function of a comparison and a label or region that returns the evidence; the key is None for evidence over all
        labels.
    over_labels
        Whether the evidence is over all labels together.
    of_layers
        For evidence over all labels: whether `find` also accepts maps whose labels overlap. Evidence of one label
        always does.
    of_probabilities
        Whether the evidence needs a probability map.
    of_surfaces
        Whether the evidence depends on the kind of surface.
    averaged
        Whether each case also gets a row with the mean over labels.
    additive
        Whether the evidence can be summed over cases, so that metrics can be pooled.
    sizes
        Function that returns the size of the label in the prediction and in the reference, if it is not the number of
        voxels.
    gap
        Function that returns which of the two surfaces are empty although the label is present.
    """

    title: str
    find: Callable[[Any, Any], object]
    over_labels: bool = False
    of_layers: bool = False
    of_probabilities: bool = False
    of_surfaces: bool = False
    averaged: bool = False
    additive: bool = False
    sizes: Callable[[Any], tuple[float, float]] | None = None
    gap: Callable[[Any], tuple[bool, bool]] | None = None


class SurfaceEngine(Protocol):
    """Find the surfaces of two maps, and measure the distances between them."""

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances to the reference's surface and to the prediction's surface, for each union of labels."""


def _engine(surface: str) -> Callable[..., SurfaceEngine]:
    """Engine for a kind of surface; imported on first use."""
    if surface == "surfel":
        from segeval.evidence.surfaces import surfels

        return surfels.Surfels
    if surface == "smooth":
        from segeval.evidence.surfaces import smooth

        return smooth.SmoothSurfaces
    return Surfaces


class Comparison:
    """A pair of label maps under one set of conventions.

    Parameters
    ----------
    prediction, reference
        Label maps of the same shape; the grid is that of the reference.
    conventions
        Conventions of the metrics.
    regions
        Labels of each region, by name.
    listed
        Labels to score even if neither map has them.
    only
        Labels to score; None for the labels of both maps and the listed ones.
    threads
        Number of threads; results do not depend on it.
    names
        Names of the labels, by number; weights may refer to them.
    soft
        The probability map that the prediction was made from, or None.
    """

    def __init__(
        self,
        *,
        prediction: LabelMap,
        reference: LabelMap,
        conventions: Conventions,
        regions: Mapping[str, Collection[int]] | None = None,
        listed: Collection[int] = (),
        only: Collection[int] | None = None,
        threads: int = 1,
        names: Mapping[int, str] | None = None,
        soft: SoftMaps | None = None,
    ) -> None:
        self.prediction, self.reference = prediction, reference
        self.names, self._soft = names or {}, soft
        self.conventions = conventions
        self.regions = {name: frozenset(labels) for name, labels in (regions or {}).items()}
        self._listed, self._only, self._threads = listed, only, threads
        self._rims: dict[tuple[float, int], dict[Key, Rims]] = {}
        self._distances: dict[int, dict[Key, tuple[Distances, Distances]]] = {}

    def evidence(self, kind: type[Evidence], key: Key | None = None) -> Evidence:
        """Return the evidence of one type.

        Parameters
        ----------
        kind
            A key of `EVIDENCE`.
        key
            The label or region; None for evidence over all labels.

        Raises
        ------
        NoEvidenceError
            There is no such evidence for this label.
        """
        found: Evidence = EVIDENCE[kind].find(self, key)  # type: ignore[assignment]  # each row finds its own type
        return found

    @property
    def grid(self) -> Grid:
        """The reference's grid."""
        return self.reference.grid

    @cached_property
    def table(self) -> ContingencyTable:
        """The contingency table, without ignored voxels."""
        table = count_pairs(reference=self.reference.labels, prediction=self.prediction.labels)
        ignored = self.conventions.ignore_label
        return table if ignored is None else table.without(ignored)

    @property
    def voxels(self) -> int:
        """Number of voxels, without ignored ones."""
        return self.table.total

    @property
    def present(self) -> list[int]:
        """Labels of both maps, with the background if it occurs."""
        return self.table.labels

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """Labels to score, in increasing order."""
        chosen = {*self.table.labels, *self._listed} if self._only is None else set(self._only)
        left_out = {self.conventions.ignore_label} | (set() if self.conventions.background else {0})
        return tuple(sorted(chosen - left_out))

    @property
    def keys(self) -> list[Key]:
        """Labels and regions to score, in the order of rows."""
        return [*self.scored, *self.regions]

    @cached_property
    def totals(self) -> LabelTotals:
        """Totals of all labels of both maps."""
        return LabelTotals.of(
            self.table,
            averaged=self.scored,
            absent_class=self.conventions.absent_class,
            weight_of=self.weight_of if self.conventions.label_weights else None,
        )

    def weight_of(self, label: int) -> float:
        """Weight of a label in means over labels."""
        return number_of(label, self.names.get(label), self.conventions.label_weights, 1.0)

    def class_sums(self, key: Key) -> ClassSums:
        """Sums over the probabilities of one class.

        Raises
        ------
        NoEvidenceError
            The key is a region, or a label without a channel.
        """
        if not isinstance(key, int):
            raise NoEvidenceError(NO_UNION)
        sums = self._sums.by_label.get(key)
        if sums is None:
            raise NoEvidenceError(NO_CHANNEL)
        return sums

    @cached_property
    def probability_totals(self) -> ProbabilityTotals:
        """Sums over the probabilities of all classes."""
        return ProbabilityTotals(
            classes=tuple(self._sums.by_label.values()),
            calibration=self._sums.calibration,
            labelled=tuple(label in self.table.prediction_totals for label in self._sums.by_label),
            absent_class=self.conventions.absent_class,
        )

    @cached_property
    def _sums(self) -> ProbabilitySums:
        if self._soft is None:
            raise ValueError("there are no probabilities")
        return sum_up(
            self._soft.prediction,
            reference=self.reference.labels,
            soft_reference=self._soft.reference,
            ignored=self.conventions.ignore_label,
            bins=self._soft.bins,
        )

    def counts(self, key: Key) -> Counts:
        """The counts of a label or region."""
        members = self.regions[key] if isinstance(key, str) else {key}
        return self.table.counts(members, voxel_volume_mm3=self.grid.voxel_volume_mm3)

    def masks(self, key: Key, part: slice = slice(None)) -> Masks:
        """Masks of a label or region, for the whole maps or a part of their first axis."""
        members = self.regions[key] if isinstance(key, str) else {key}
        prediction, reference = self.prediction.labels[part], self.reference.labels[part]
        found, true = mask_of(prediction, members), mask_of(reference, members)
        left_out = self.conventions.ignore_label
        if left_out is None:
            return Masks(prediction=found, reference=true)
        if 0 in members:  # the ignored label in the prediction only is background
            found |= np.equal(prediction, left_out)
        ignored = np.equal(reference, left_out)
        return Masks(prediction=found & ~ignored, reference=true, ignored=ignored)

    def surfaces(self, key: Key) -> SurfaceDistances:
        """The surface distances of a label or region."""
        turn = self._turn_of[key]
        if turn not in self._distances:
            self._distances[turn] = self._surfaces.distances(self._turns[turn])
        to_reference, to_prediction = self._distances[turn][key]
        return SurfaceDistances(
            to_reference=to_reference,
            to_prediction=to_prediction,
            penalty=self.penalty,
            slack=self._slack,
            single=self.conventions.within == "float32",
            weighted=self.conventions.surface in WEIGHTED,
            pooled=self.conventions.percentile == "pooled",
            sides_averaged=self.conventions.sides_averaged,
        )

    def bands(self, key: Key) -> Bands:
        """The boundary bands of a label or region."""
        turn = self._turn_of[key]

        def measure(width: float) -> Rims:
            if (width, turn) not in self._rims:
                self._rims[width, turn] = rims(**self._maps, groups=self._turns[turn], width=width + self._slack)
            return self._rims[width, turn][key]

        return Bands(measure=measure)

    @property
    def penalty(self) -> float:
        """Distance to report if exactly one of the two surfaces is empty."""
        penalty = self.conventions.penalty
        return self.grid.diagonal if penalty == "diagonal" else float(penalty)

    @property
    def _slack(self) -> float:
        return SLACK * min(self.grid.spacing) if self.conventions.within == "slack" else 0.0

    @property
    def _maps(self) -> dict[str, Any]:
        return {
            "prediction": self.prediction.labels,
            "reference": self.reference.labels,
            "present": self.table.labels,
            "spacing": self.grid.spacing,
            "ignored": self.conventions.ignore_label,
        }

    @cached_property
    def _surfaces(self) -> SurfaceEngine:
        """Surfaces of all labels that are scored or in a region."""
        conventions = self.conventions
        if conventions.surface == "region" or conventions.neighbours == "all":
            from segeval.evidence.surfaces.point_sets import PointSets  # deferred: only presets need it

            return PointSets(
                **self._maps,
                whole=conventions.surface == "region",
                edge_is_border=conventions.edge_is_border,
                threads=self._threads,
            )
        labels = sorted({*self.scored, *(label for members in self.regions.values() for label in members)})
        merging = len(self._turns) > 1
        return _engine(conventions.surface)(**self._maps, labels=labels, merging=merging, threads=self._threads)

    @cached_property
    def _turns(self) -> list[dict[Key, frozenset[int]]]:
        """Groups to search together: first the labels, then regions that have no label in common."""
        turns: list[dict[Key, frozenset[int]]] = [{label: frozenset({label}) for label in self.scored}]
        for name, labels in self.regions.items():
            for turn in turns[1:]:
                if all(labels.isdisjoint(others) for others in turn.values()):
                    turn[name] = labels
                    break
            else:
                turns.append({name: labels})
        return turns

    @cached_property
    def _turn_of(self) -> dict[Key, int]:
        return {key: number for number, turn in enumerate(self._turns) for key in turn}


EVIDENCE: dict[type[Any], Kind] = {
    Counts: Kind(title="Counts of one label", find=lambda pair, key: pair.counts(key), additive=True),
    SurfaceDistances: Kind(
        title="Distances between surfaces",
        find=lambda pair, key: pair.surfaces(key),
        of_surfaces=True,
        gap=lambda surfaces: (surfaces.prediction_empty, surfaces.reference_empty),
    ),
    Bands: Kind(title="Boundary bands", find=lambda pair, key: pair.bands(key), of_surfaces=True),
    LabelTotals: Kind(title="All labels at once", find=lambda pair, _: pair.totals, over_labels=True, of_layers=True),
    ClassSums: Kind(
        title="Probabilities of one class",
        find=lambda pair, key: pair.class_sums(key),
        of_probabilities=True,
        averaged=True,
        sizes=lambda sums: (sums.p, sums.r),
    ),
    ProbabilityTotals: Kind(
        title="Probabilities of all classes",
        find=lambda pair, _: pair.probability_totals,
        over_labels=True,
        of_probabilities=True,
    ),
}
"""Types of evidence that metrics can use."""
