"""Sum up the classes of a probability map over the image: the evidence for all soft scores.

p is the probability of a class at a voxel; r is the reference: 1 if the voxel has the class, else 0, or a share if the
reference is soft. One pass over short stretches of voxels, in float64, gives the sums of all classes without a second
copy of the map.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.maps.channels import CLIP
from segeval.maps.label_map import Labels
from segeval.maps.probability_map import ProbabilityMap

Floats = NDArray[np.float64]

FACTORS = 32  # factors per logarithm of a product; 1e-7 ** 32 does not underflow


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSums:
    """Sums of one class over all counted voxels.

    Parameters
    ----------
    voxels
        Number of counted voxels.
    p, r, pr, pp, rr
        Sums of the probabilities, the reference, their product and their squares.
    hit_log, miss_log
        Sums of r log p and of (1 - r) log(1 - p).
    hit_error, miss_error
        Sums of (r - p)^2 r and of (r - p)^2 (1 - r).
    """

    voxels: int
    p: float
    r: float
    pr: float
    pp: float
    rr: float
    hit_log: float
    miss_log: float
    hit_error: float
    miss_error: float

    def complement(self) -> ClassSums:
        """The sums of 1 - p and 1 - r."""
        return ClassSums(
            voxels=self.voxels,
            p=self.voxels - self.p,
            r=self.voxels - self.r,
            pr=self.voxels - self.p - self.r + self.pr,
            pp=self.voxels - 2 * self.p + self.pp,
            rr=self.voxels - 2 * self.r + self.rr,
            hit_log=self.miss_log,
            miss_log=self.hit_log,
            hit_error=self.miss_error,
            miss_error=self.hit_error,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Voxels in bins of their largest probability, of equal width.

    Parameters
    ----------
    voxels, right
        Number of voxels in each bin, and of those whose most probable class is right.
    confidence
        Sum of the largest probabilities in each bin.
    """

    voxels: NDArray[np.int64]
    right: NDArray[np.int64]
    confidence: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityTotals:
    """Evidence for scores over all classes.

    Parameters
    ----------
    classes
        Sums of each class, the background first if the map has it.
    calibration
        Calibration by number of bins.
    labelled
        Whether each class is the most probable one at some voxel.
    absent_class
        Weight of a class that is not in the reference: ``"max"``, ``"ignore"`` or ``"penalise"``.
    """

    classes: tuple[ClassSums, ...]
    calibration: Mapping[int, Calibration]
    labelled: tuple[bool, ...]
    absent_class: str = "max"

    @property
    def voxels(self) -> int:
        """Number of counted voxels."""
        return self.classes[0].voxels


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilitySums:
    """Sums of all classes of a map, and its calibration.

    Parameters
    ----------
    by_label
        Sums by label; for a map with one channel also of the background.
    calibration
        Calibration by number of bins.
    """

    by_label: Mapping[int, ClassSums]
    calibration: Mapping[int, Calibration]


def sum_up(
    probabilities: ProbabilityMap,
    *,
    reference: Labels,
    soft_reference: ProbabilityMap | None = None,
    ignored: int | None = None,
    bins: Collection[int] = (15,),
) -> ProbabilitySums:
    """Sum up all classes of a map in one pass.

    Parameters
    ----------
    probabilities
        The probability map.
    reference
        Labels on the same grid; each label that is not ignored has a channel.
    soft_reference
        Shares of the same classes, used instead of the labels.
    ignored
        Leave out voxels whose reference is this label.
    bins
        Numbers of bins for the calibration.

    Examples
    --------
    >>> from segeval.maps.label_map import Grid
    >>> values = np.array([[0.9, 0.4, 0.2], [0.1, 0.6, 0.8]])
    >>> grid = Grid(shape=(1, 3), spacing=(1, 1))
    >>> found = ProbabilityMap(values=values, labels=(0, 1), grid=grid, names={})
    >>> sums = sum_up(found, reference=np.array([[0, 0, 1]], np.uint8))
    >>> round(sums.by_label[1].p, 9), sums.by_label[1].r, sums.by_label[1].pr
    (1.5, 1.0, 0.8)
    """
    labels = probabilities.labels
    sums = {label: _Running() for label in labels}
    binned = {count: _Bins(count) for count in bins}
    voxels = 0
    for here, block, shares in _counted_stretches(probabilities, reference, soft_reference, ignored):
        voxels += here.size
        for place, label in enumerate(labels):
            p = block[place].astype(np.float64)
            if shares is None:
                sums[label].add_hard(p, here == label)
            else:
                sums[label].add_soft(p, shares[place].astype(np.float64))
        if binned:
            best, right = _most_probable(block, labels, here)
            for each in binned.values():
                each.add(best, right)
    by_label = {label: each.sums(voxels) for label, each in sums.items()}
    if len(labels) == 1:
        by_label = {0: by_label[labels[0]].complement(), **by_label}
    return ProbabilitySums(by_label=by_label, calibration={count: each.found() for count, each in binned.items()})


def _counted_stretches(
    probabilities: ProbabilityMap, reference: Labels, soft_reference: ProbabilityMap | None, ignored: int | None
) -> Iterator[tuple[Labels, NDArray[Any], NDArray[Any] | None]]:
    """Iterate over the counted voxels in stretches: labels, probabilities, and shares of a soft reference."""
    flat = reference.reshape(-1)
    soft = None if soft_reference is None else soft_reference.stretches()
    for part, block in probabilities.stretches():
        here, kept, shares = flat[part], block, None if soft is None else next(soft)[1]
        if ignored is not None:
            counted = here != ignored
            if not counted.all():
                here, kept = here[counted], block[:, counted]
                shares = None if shares is None else shares[:, counted]
        if here.size:
            yield here, kept, shares


def _most_probable(block: NDArray[Any], labels: Sequence[int], here: Labels) -> tuple[Floats, NDArray[np.bool_]]:
    """The largest probability of each voxel, and whether its class is right; the first of equal ones counts."""
    best, right = block[0], here == labels[0]
    if len(labels) == 1:
        p = best.astype(np.float64)
        return np.maximum(p, 1 - p), (p >= 0.5) == right
    for label, channel in zip(labels[1:], block[1:], strict=True):
        np.copyto(right, here == label, where=channel > best)
        best = np.maximum(best, channel)
    return best.astype(np.float64), right


class _Running:
    """Running sums of one class."""

    def __init__(self) -> None:
        self._p = self._r = self._pr = self._pp = self._rr = 0.0
        self._hit_log = self._miss_log = self._hit_error = self._miss_error = 0.0

    def add_hard(self, p: Floats, members: NDArray[np.bool_]) -> None:
        """Add voxels; `members` have the class."""
        squares, logs = dot(p, p), sum_of_logs(1 - p)
        self._p += float(p.sum())
        self._pp += squares
        count = int(np.count_nonzero(members))
        if count:
            inside = p if count == p.size else p[np.flatnonzero(members)]
            rest = 1 - inside
            self._r += count
            self._rr += count
            self._pr += float(inside.sum())
            self._hit_log += sum_of_logs(inside)
            self._hit_error += dot(rest, rest)
            logs -= sum_of_logs(rest)
            squares -= dot(inside, inside)
        if count < p.size:
            self._miss_log += logs
            self._miss_error += squares

    def add_soft(self, p: Floats, r: Floats) -> None:
        """Add voxels with the shares of the class in a soft reference."""
        error = np.square(r - p)
        self._p += float(p.sum())
        self._r += float(r.sum())
        self._pr += dot(p, r)
        self._pp += dot(p, p)
        self._rr += dot(r, r)
        self._hit_log += dot(r, np.log(np.clip(p, CLIP, 1 - CLIP)))
        self._miss_log += dot(1 - r, np.log(np.clip(1 - p, CLIP, 1 - CLIP)))
        self._hit_error += dot(error, r)
        self._miss_error += dot(error, 1 - r)

    def sums(self, voxels: int) -> ClassSums:
        """The final sums over this number of voxels."""
        return ClassSums(
            voxels=voxels,
            p=self._p,
            r=self._r,
            pr=self._pr,
            pp=self._pp,
            rr=self._rr,
            hit_log=self._hit_log,
            miss_log=self._miss_log,
            hit_error=self._hit_error,
            miss_error=max(0.0, self._miss_error),
        )


def dot(one: Floats, other: Floats) -> float:
    """Sum of products, without BLAS, whose threads are slow for short arrays."""
    return float(np.einsum("i,i->", one, other))


def sum_of_logs(values: Floats) -> float:
    """Sum of log v over values clipped to [1e-7, 1 - 1e-7], with one logarithm for each product of several values."""
    clipped = np.clip(values, CLIP, 1 - CLIP)
    even = clipped.size - clipped.size % FACTORS
    products = np.multiply.reduce(clipped[:even].reshape(FACTORS, -1), axis=0)
    return float(np.log(products).sum() + np.log(clipped[even:]).sum())


class _Bins:
    """Running calibration; a bin includes its upper end, not its lower end."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._voxels = np.zeros((2, count), np.int64)
        self._confidence = np.zeros(count)

    def add(self, confidence: Floats, right: NDArray[np.bool_]) -> None:
        """Add voxels."""
        place = np.ceil(confidence * self._count).astype(np.intp)
        place -= 1
        np.clip(place, 0, self._count - 1, out=place)
        self._confidence += np.bincount(place, weights=confidence, minlength=self._count)
        place[right] += self._count
        self._voxels += np.bincount(place, minlength=2 * self._count).reshape(2, -1)

    def found(self) -> Calibration:
        """The final calibration."""
        return Calibration(voxels=self._voxels.sum(axis=0), right=self._voxels[1], confidence=self._confidence)
