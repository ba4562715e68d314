"""A prediction and a reference on one grid, and the evidence that metrics need, computed on demand and once.

What is expensive is computed for all labels together: the contingency table, the surface distances, the rims. A region,
a union of labels, is seen like a label; regions that overlap are searched in turn.
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
    """Probabilities behind a comparison of label maps.

    Parameters
    ----------
    prediction
        The map.
    reference
        The reference where it is soft too, with the same classes.
    bins
        Into how many bins the calibration sorts the voxels.
    """

    prediction: ProbabilityMap
    reference: ProbabilityMap | None = None
    bins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masks:
    """Where a label or region is, in both maps or in a part of them.

    Parameters
    ----------
    prediction, reference
        The voxels that count as it: those of which `Counts` are.
    ignored
        The voxels that count nowhere; None where none are left out.
    """

    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None = None


class NoEvidenceError(Exception):
    """A pair has no evidence of this kind for this label; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One type of evidence: how a comparison finds it, and what follows for the metrics that need it.

    Parameters
    ----------
    title
        What a reader calls it.
    find
        From a comparison and the label or region to the evidence; the key is None for evidence over all labels.
    over_labels
        Whether it is one piece for all labels together, and not one for each.
    of_layers
        For evidence over all labels, whether `find` takes the comparison of maps whose labels overlap too; evidence of
        one label always does.
    of_probabilities
        Whether it needs a probability map.
    of_surfaces
        Whether it depends on what a surface is.
    averaged
        Whether each case also has a row with the mean over labels of the metrics that use this evidence.
    additive
        Whether it can be summed over cases, so that metrics that use it can be pooled.
    sizes
        From the evidence to how much of the label the prediction and the reference hold, where that is not its number
        of voxels.
    gap
        From the evidence to which of the two surfaces are empty although the label is there.
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
    """What finds the surfaces of two maps and measures between them."""

    def distances(self, groups: Mapping[Key, Collection[int]]) -> dict[Key, tuple[Distances, Distances]]:
        """Distances to the reference's surface, and to the prediction's, of each union of labels."""


def _engine(surface: str) -> Callable[..., SurfaceEngine]:
    """The engine of a surface; each is loaded when it is asked for."""
    if surface == "surfel":
        from segeval.evidence.surfaces import surfels

        return surfels.Surfels
    if surface == "smooth":
        from segeval.evidence.surfaces import smooth

        return smooth.SmoothSurfaces
    return Surfaces


class Comparison:
    """One pair of label maps under one set of conventions.

    Parameters
    ----------
    prediction, reference
        Label maps of one shape; the reference's grid is the one that counts.
    conventions
        How numbers are computed.
    regions
        Name -> the labels whose union it is.
    listed
        Labels that are scored though neither map may have them.
    only
        The labels that are scored; None for those of either map and the listed ones.
    threads
        How many threads may work at once; results do not depend on it.
    names
        Label -> name, by which weights may be given.
    soft
        The probabilities that the prediction is of, if it is of such.
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
        """The evidence of one type, as `EVIDENCE` finds it.

        Parameters
        ----------
        kind
            A key of `EVIDENCE`.
        key
            The label or region; None for evidence over all labels.

        Raises
        ------
        NoEvidenceError
            There is none for this label.
        """
        found: Evidence = EVIDENCE[kind].find(self, key)  # type: ignore[assignment]  # each row finds its own type
        return found

    @property
    def grid(self) -> Grid:
        """The reference's grid."""
        return self.reference.grid

    @cached_property
    def table(self) -> ContingencyTable:
        """The contingency table, ignored voxels left out."""
        table = count_pairs(reference=self.reference.labels, prediction=self.prediction.labels)
        ignored = self.conventions.ignore_label
        return table if ignored is None else table.without(ignored)

    @property
    def voxels(self) -> int:
        """Voxels of the image, less ignored ones."""
        return self.table.total

    @property
    def present(self) -> list[int]:
        """Every label of either map, the background included if it occurs."""
        return self.table.labels

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """The labels that are scored, in increasing order."""
        chosen = {*self.table.labels, *self._listed} if self._only is None else set(self._only)
        left_out = {self.conventions.ignore_label} | (set() if self.conventions.background else {0})
        return tuple(sorted(chosen - left_out))

    @property
    def keys(self) -> list[Key]:
        """The labels and regions that are scored, in the order of rows."""
        return [*self.scored, *self.regions]

    @cached_property
    def totals(self) -> LabelTotals:
        """The totals of every label of either map."""
        return LabelTotals.of(
            self.table,
            averaged=self.scored,
            absent_class=self.conventions.absent_class,
            weight_of=self.weight_of if self.conventions.label_weights else None,
        )

    def weight_of(self, label: int) -> float:
        """What a label weighs in means over labels."""
        return number_of(label, self.names.get(label), self.conventions.label_weights, 1.0)

    def class_sums(self, key: Key) -> ClassSums:
        """What the probabilities of one class sum up to.

        Raises
        ------
        NoEvidenceError
            A region, or a label without a channel.
        """
        if not isinstance(key, int):
            raise NoEvidenceError(NO_UNION)
        sums = self._sums.by_label.get(key)
        if sums is None:
            raise NoEvidenceError(NO_CHANNEL)
        return sums

    @cached_property
    def probability_totals(self) -> ProbabilityTotals:
        """What the probabilities of all classes sum up to."""
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
        """Where a label or region is, in the whole maps or a part of their first axis."""
        members = self.regions[key] if isinstance(key, str) else {key}
        prediction, reference = self.prediction.labels[part], self.reference.labels[part]
        found, true = mask_of(prediction, members), mask_of(reference, members)
        left_out = self.conventions.ignore_label
        if left_out is None:
            return Masks(prediction=found, reference=true)
        if 0 in members:  # where only the prediction has the ignored label, that is background
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
        """The rims of a label or region."""
        turn = self._turn_of[key]

        def measure(width: float) -> Rims:
            if (width, turn) not in self._rims:
                self._rims[width, turn] = rims(**self._maps, groups=self._turns[turn], width=width + self._slack)
            return self._rims[width, turn][key]

        return Bands(measure=measure)

    @property
    def penalty(self) -> float:
        """The distance that stands for a surface against none."""
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
        """The surfaces of every label that is scored or in a region."""
        conventions = self.conventions
        if conventions.surface == "region" or conventions.neighbours == "all":
            from segeval.evidence.surfaces.point_sets import PointSets  # deferred: only presets ask for it

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
        """What is searched together: the labels first, then regions that share no label."""
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
    Bands: Kind(title="Rims", find=lambda pair, key: pair.bands(key), of_surfaces=True),
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
"""Every type of evidence that metrics can use. To add one: a module that computes it, a row here, and a metric."""
