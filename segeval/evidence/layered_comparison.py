"""Compare a prediction with a reference whose labels overlap, layer by layer.

A voxel can be liver and tumour at once, so such files have several layers. Each class is in one layer of each map, and
is scored by comparing these two layers. Evidence over all labels, and regions, are computed from the masks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError
from segeval.evidence.comparison import EVIDENCE, Comparison, Evidence, Masks, NoEvidenceError
from segeval.evidence.conventions import Conventions
from segeval.evidence.counts import Counts, LabelTotals
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.label_map import Grid, LabelMap
from segeval.maps.labels import Key, mask_of, number_of, present_labels

OVERLAP = "its labels overlap"


class LayeredComparison:
    """Like `segeval.evidence.comparison.Comparison`, but for maps with several layers.

    Parameters
    ----------
    prediction, reference
        Label maps of the same shape, with their overlays.
    conventions, regions, listed, only, threads, names
        As for `Comparison`.

    Raises
    ------
    InputError
        The conventions need one label per voxel: an ignored label, or a scored background.
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
    ) -> None:
        if conventions.ignore_label is not None or conventions.background:
            raise InputError(
                "the labels overlap, so there can be no ignored label and no scored background",
                source=prediction.source if prediction.overlays else reference.source,
                hint="leave out --ignore-label and --background, and label tables with an ignored label",
            )
        self.prediction, self.reference = prediction, reference
        self.conventions = conventions
        self.regions = {name: frozenset(labels) for name, labels in (regions or {}).items()}
        self._listed, self._only, self._threads = listed, only, threads
        self.names = names or {}
        self._pairs: dict[tuple[int, int], Comparison] = {}
        self._unions: dict[str, Comparison] = {}

    def evidence(self, kind: type[Evidence], key: Key | None = None) -> Evidence:
        """Return the evidence of one type; see `segeval.evidence.comparison.Comparison.evidence`.

        Raises
        ------
        NoEvidenceError
            The evidence is over all labels, and needs one label per voxel.
        """
        row = EVIDENCE[kind]
        if row.over_labels:
            if not row.of_layers:
                raise NoEvidenceError(OVERLAP)
            return cast("Evidence", row.find(self, key))
        if key is None:
            raise ValueError("a key is needed for evidence of one label")
        pair, label = self.of(key)
        return pair.evidence(kind, label)

    @property
    def grid(self) -> Grid:
        """The reference's grid."""
        return self.reference.grid

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.grid.shape)

    @cached_property
    def present(self) -> list[int]:
        """Labels of both maps, without the background."""
        return sorted({*self._layers_of_prediction, *self._layers_of_reference})

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """Labels to score, in increasing order."""
        chosen = {*self.present, *self._listed} if self._only is None else set(self._only)
        return tuple(sorted(chosen - {0}))

    @property
    def keys(self) -> list[Key]:
        """Labels and regions to score, in the order of rows."""
        return [*self.scored, *self.regions]

    @cached_property
    def totals(self) -> LabelTotals:
        """Totals of all labels of both maps, and of voxels without a label."""
        counts = [self.counts(label) for label in self.present]
        prediction, reference = (_mask(each, self.present) for each in (self.prediction, self.reference))
        nothing = ~prediction & ~reference
        return LabelTotals(
            reference=np.array([np.count_nonzero(~reference), *(each.reference for each in counts)], np.int64),
            prediction=np.array([np.count_nonzero(~prediction), *(each.prediction for each in counts)], np.int64),
            agreed=np.array([np.count_nonzero(nothing), *(each.tp for each in counts)], np.int64),
            labels=(0, *self.present),
            averaged=np.array([False, *(label in self.scored for label in self.present)]),
            absent_class=self.conventions.absent_class,
            weights=np.array([0.0, *map(self.weight_of, self.present)]) if self.conventions.label_weights else None,
        )

    def weight_of(self, label: int) -> float:
        """Weight of a label in means over labels."""
        return number_of(label, self.names.get(label), self.conventions.label_weights, 1.0)

    def counts(self, key: Key) -> Counts:
        """The counts of a label or region."""
        pair, label = self.of(key)
        return pair.counts(label)

    def masks(self, key: Key, part: slice = slice(None)) -> Masks:
        """Masks of a label or region, for the whole maps or a part of their first axis."""
        members = self.regions[key] if isinstance(key, str) else {key}
        return Masks(prediction=_mask(self.prediction, members, part), reference=_mask(self.reference, members, part))

    def surfaces(self, key: Key) -> SurfaceDistances:
        """The surface distances of a label or region."""
        pair, label = self.of(key)
        return pair.surfaces(label)

    def of(self, key: Key) -> tuple[Comparison, int]:
        """The comparison that scores a label or region, and the number of the label in it."""
        return self._pair(key), key if isinstance(key, int) else 1

    @cached_property
    def _layers_of_prediction(self) -> dict[int, int]:
        return _layer_of_label(self.prediction)

    @cached_property
    def _layers_of_reference(self) -> dict[int, int]:
        return _layer_of_label(self.reference)

    def _layers_of(self, label: int) -> tuple[int, int]:
        return self._layers_of_prediction.get(label, 0), self._layers_of_reference.get(label, 0)

    def _pair(self, key: Key) -> Comparison:
        """The comparison of the two layers that contain a label, or of the two masks of a region."""
        if isinstance(key, str):
            if key not in self._unions:
                maps = [_union(each, self.regions[key]) for each in (self.prediction, self.reference)]
                self._unions[key] = self._compare(maps[0], maps[1], only=[1])
            return self._unions[key]
        places = self._layers_of(key)
        if places not in self._pairs:
            one, other = (
                _layers(each)[place] for each, place in zip((self.prediction, self.reference), places, strict=True)
            )
            self._pairs[places] = self._compare(
                one, other, only=[label for label in self.scored if self._layers_of(label) == places] or [key]
            )
        return self._pairs[places]

    def _compare(self, prediction: LabelMap, reference: LabelMap, *, only: Collection[int]) -> Comparison:
        return Comparison(
            prediction=prediction,
            reference=reference,
            conventions=self.conventions,
            only=only,
            threads=self._threads,
        )


Pair = Comparison | LayeredComparison


def _layers(label_map: LabelMap) -> list[LabelMap]:
    return [replace(label_map, overlays=()), *label_map.overlays]


def _layer_of_label(label_map: LabelMap) -> dict[int, int]:
    return {label: place for place, layer in enumerate(_layers(label_map)) for label in present_labels(layer) if label}


def _mask(label_map: LabelMap, labels: Collection[int], part: slice = slice(None)) -> NDArray[np.bool_]:
    """Mask of the voxels that have any of the labels in any layer."""
    mask = np.zeros(label_map.labels[part].shape, bool)
    for layer in _layers(label_map):
        mask |= mask_of(layer.labels[part], labels)
    return mask


def _union(label_map: LabelMap, labels: Collection[int]) -> LabelMap:
    return replace(label_map, labels=_mask(label_map, labels).view(np.uint8), names={}, overlays=())
