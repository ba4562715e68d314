"""Count voxels by label in both maps: the evidence for all overlap metrics.

One pass over both maps, slab by slab, gives the contingency table of all labels. Runs of equal voxels are counted at
once, so the time depends on the outlines and not on the label values. Only pairs of labels that occur are kept, so
instance numbers up to 2**64 need no square table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segeval.maps.label_map import slabs

if TYPE_CHECKING:
    from segeval.maps.label_map import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Voxel counts of one label against everything else.

    Parameters
    ----------
    tp, fp, fn, tn
        Voxels in both, only in the prediction, only in the reference, in neither.
    voxel_volume_mm3
        Volume of one voxel in mm3, or None if it is unknown.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    voxel_volume_mm3: float | None = None

    @property
    def prediction(self) -> int:
        """Voxels of the prediction."""
        return self.tp + self.fp

    @property
    def reference(self) -> int:
        """Voxels of the reference."""
        return self.tp + self.fn

    @property
    def total(self) -> int:
        """Voxels of the image, without ignored ones."""
        return self.tp + self.fp + self.fn + self.tn


@dataclass(frozen=True, kw_only=True)
class ContingencyTable:
    """Voxel counts for each pair of reference label and prediction label that occurs.

    Parameters
    ----------
    reference, prediction
        The labels of each pair, sorted by reference, then by prediction; shape (pairs,).
    voxels
        Number of voxels of each pair; shape (pairs,).
    """

    reference: NDArray[np.uint64]
    prediction: NDArray[np.uint64]
    voxels: NDArray[np.int64]

    @classmethod
    def from_pairs(cls, pairs: dict[tuple[int, int], int]) -> ContingencyTable:
        """Make a table from voxel counts by (reference label, prediction label)."""
        ordered = sorted(pairs)
        columns = np.array(ordered, np.uint64).reshape(-1, 2)
        voxels = np.array([pairs[pair] for pair in ordered], np.int64)
        return cls(reference=columns[:, 0], prediction=columns[:, 1], voxels=voxels)

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Reference label, prediction label and voxels of each pair."""
        return zip(self.reference.tolist(), self.prediction.tolist(), self.voxels.tolist(), strict=True)

    @property
    def total(self) -> int:
        """Voxels counted."""
        return int(self.voxels.sum())

    @cached_property
    def labels(self) -> list[int]:
        """Labels of both maps in increasing order, with the background if it occurs."""
        return sorted(self.reference_totals.keys() | self.prediction_totals.keys())

    @cached_property
    def reference_totals(self) -> dict[int, int]:
        """Voxels of each label in the reference."""
        return _totals(self.reference, self.voxels)

    @cached_property
    def prediction_totals(self) -> dict[int, int]:
        """Voxels of each label in the prediction."""
        return _totals(self.prediction, self.voxels)

    @cached_property
    def agreed(self) -> dict[int, int]:
        """Voxels of each label on which both maps agree."""
        same = self.reference == self.prediction
        return _totals(self.reference[same], self.voxels[same])

    def without(self, label: int) -> ContingencyTable:
        """The table without voxels whose reference is `label`; in the prediction the label becomes background."""
        kept: Counter[tuple[int, int]] = Counter()
        for reference, prediction, voxels in self.rows():
            if reference != label:
                kept[reference, 0 if prediction == label else prediction] += voxels
        return self.from_pairs(kept)

    def counts(self, labels: Collection[int], *, voxel_volume_mm3: float | None = None) -> Counts:
        """Counts of the union of `labels` against everything else."""
        if len(labels) == 1:
            (label,) = labels
            tp = self.agreed.get(label, 0)
            prediction, reference = self.prediction_totals.get(label, 0), self.reference_totals.get(label, 0)
        else:
            members = np.array(sorted(labels), np.uint64)
            in_reference, in_prediction = np.isin(self.reference, members), np.isin(self.prediction, members)
            tp = int(self.voxels[in_reference & in_prediction].sum())
            prediction, reference = int(self.voxels[in_prediction].sum()), int(self.voxels[in_reference].sum())
        fp, fn = prediction - tp, reference - tp
        return Counts(tp=tp, fp=fp, fn=fn, tn=self.total - tp - fp - fn, voxel_volume_mm3=voxel_volume_mm3)


def _totals(labels: NDArray[np.uint64], voxels: NDArray[np.int64]) -> dict[int, int]:
    values, position = np.unique(labels, return_inverse=True)
    sums = np.zeros(len(values), np.int64)
    np.add.at(sums, position, voxels)
    return dict(zip(values.tolist(), sums.tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTotals:
    """Evidence for metrics over all labels, with an entry for each label of both maps.

    Parameters
    ----------
    reference, prediction, agreed
        Voxels of each label in the reference, in the prediction, and in both at once; the background comes first.
    labels
        The labels in that order.
    averaged
        Whether each label is part of the plain means.
    absent_class
        Weight of a class that is not in the reference: ``"max"``, ``"ignore"`` or ``"penalise"``.
    weights
        Weight of each label in those means; None if all weights are equal.
    """

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    agreed: NDArray[np.int64]
    labels: tuple[int, ...]
    averaged: NDArray[np.bool_]
    absent_class: str = "max"
    weights: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        table: ContingencyTable,
        *,
        averaged: Sequence[int],
        absent_class: str,
        weight_of: Callable[[int], float] | None = None,
    ) -> LabelTotals:
        """Totals of `table`; means are over those labels of `averaged` that occur."""

        def column(totals: dict[int, int]) -> NDArray[np.int64]:
            return np.array([totals.get(label, 0) for label in table.labels], np.int64)

        return cls(
            reference=column(table.reference_totals),
            prediction=column(table.prediction_totals),
            agreed=column(table.agreed),
            labels=tuple(table.labels),
            averaged=np.isin(np.array(table.labels, np.uint64), np.array(averaged, np.uint64)),
            absent_class=absent_class,
            weights=None if weight_of is None else np.array([weight_of(label) for label in table.labels], np.float64),
        )


def count_pairs(*, reference: Labels, prediction: Labels) -> ContingencyTable:
    """Count the voxels of every pair of labels in one pass.

    Parameters
    ----------
    reference, prediction
        Labels of the same shape, any unsigned integer type.

    Returns
    -------
    ContingencyTable
        An empty table for empty arrays.

    Examples
    --------
    >>> table = count_pairs(reference=np.array([[0, 1, 1]], np.uint8), prediction=np.array([[0, 0, 1]], np.uint8))
    >>> table.counts({1})
    Counts(tp=1, fp=0, fn=1, tn=1, voxel_volume_mm3=None)
    """
    if reference.dtype == np.uint8 and prediction.dtype == np.uint8:
        return ContingencyTable.from_pairs(_byte_pairs(reference, prediction))
    pairs: Counter[tuple[int, int]] = Counter()
    for part in slabs(reference.shape):
        row, column, lengths = _runs(reference[part].ravel(), prediction[part].ravel())
        rows, row_position = np.unique(row, return_inverse=True)
        columns, column_position = np.unique(column, return_inverse=True)
        keys, key_position = np.unique(row_position * len(columns) + column_position, return_inverse=True)
        sums = np.bincount(key_position, weights=lengths).astype(np.int64)
        in_row, in_column = np.divmod(keys, len(columns))
        found = zip(rows[in_row].tolist(), columns[in_column].tolist(), sums.tolist(), strict=True)
        for one, other, voxels in found:
            pairs[one, other] += voxels
    return ContingencyTable.from_pairs(pairs)


def count_labels(labels: Labels) -> dict[int, int]:
    """Count the voxels of each label of one map, in increasing order of the labels.

    Examples
    --------
    >>> count_labels(np.array([[0, 3, 3]], np.uint8))
    {0: 1, 3: 2}
    """
    return count_pairs(reference=labels, prediction=labels).agreed


def _byte_pairs(reference: Labels, prediction: Labels) -> dict[tuple[int, int], int]:
    square = np.zeros(1 << 16, np.int64)
    for part in slabs(reference.shape):
        row, column, lengths = _runs(reference[part].ravel(), prediction[part].ravel())
        square += np.bincount((row.astype(np.intp) << 8) | column, weights=lengths, minlength=1 << 16).astype(np.int64)
    occurring = np.flatnonzero(square)
    return {(int(key) >> 8, int(key) & 255): int(square[key]) for key in occurring}


def _runs(row: NDArray[Any], column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Runs in which neither label changes: the two labels and the length of each run."""
    if row.size == 0:
        return row, column, np.zeros(0, np.intp)
    change = np.not_equal(row[1:], row[:-1])
    change |= column[1:] != column[:-1]
    starts = np.concatenate([[0], np.flatnonzero(change) + 1])
    lengths = np.diff(starts, append=row.size)
    return row[starts], column[starts], lengths
