"""Probability maps, and what a map's classes sum up to over the image: the evidence behind every soft score.

A map holds a probability for each class and voxel, p, and is held against the reference's labels, r: 1 where a voxel
has the class and 0 elsewhere, or shares of the classes where the reference is soft itself. One pass over short
stretches of voxels, in float64 whatever the map is stored in, gives the sums of all classes at once, so that the map is
in memory once. A map with one channel holds the foreground of two classes. Nothing here knows of files or metrics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import GeometryError, InputError
from segeval.labelmap import Grid, LabelMap, Labels

Floats = NDArray[np.float64]

OUTSIDE = 1e-3  # a probability may be that far outside of 0 to 1
UNEVEN = 1e-2  # the probabilities of a voxel may sum up to 1 within that
CLIP = 1e-7  # inside of logarithms, probabilities are at least that far from 0 and 1
STRETCH_VOXELS = 1 << 15  # a few float64 arrays of a stretch stay in a processor's cache
FACTORS = 32  # probabilities multiplied before a logarithm is taken of the product: 1e-7 ** 32 is no underflow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbabilityMap:
    """Probabilities of classes on a grid.

    Parameters
    ----------
    values
        Numbers of any type, shape (channels, voxels), voxels in the order of the grid.
    labels
        The label of each channel; the background is 0. One channel is the foreground of two classes.
    grid
        Where the voxels are.
    names
        Label -> name, as far as known.
    normalise
        Whether values are clipped to 0 to 1 and, of several channels, divided by their sum, wherever they are used.
    source
        The file that it came from, or what to call it in a message.
    stored
        How the file holds it, in words.
    """

    values: NDArray[Any]
    labels: tuple[int, ...]
    grid: Grid
    names: Mapping[int, str]
    normalise: bool = False
    source: str = "array"
    stored: str = ""

    def stretches(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """The voxels, a few at a time, and their values: float32 or float64, shape (channels, voxels)."""
        wide = self.normalise or self.values.dtype.kind != "f" or self.values.dtype.itemsize > 4
        dtype = np.float64 if wide else np.float32
        for start in range(0, self.values.shape[1], STRETCH_VOXELS):
            part = slice(start, start + STRETCH_VOXELS)
            block = np.ascontiguousarray(self.values[:, part], dtype)
            if self.normalise:
                block = np.clip(block, 0.0, 1.0)
                if len(block) > 1:
                    with np.errstate(invalid="ignore"):  # a voxel of zeros is refused
                        block /= block.sum(axis=0)
            yield part, block


def arranged(
    values: NDArray[Any],
    reference: Grid,
    *,
    grid: Grid | None = None,
    labels: Sequence[int] = (),
    names: Mapping[int, str] | None = None,
    normalise: bool = False,
    source: str,
    stored: str = "",
) -> ProbabilityMap:
    """The probability map that an array holds; the reference's shape says which axis is that of the channels.

    Parameters
    ----------
    values
        Axes (z, y, x) or (y, x) with the channels before or behind them, or without any for one channel.
    reference
        The grid that the map is for.
    grid
        Where the voxels are if the channels come first or there are none, as a file says; None where it says nothing.
    labels
        The label of each channel, where that is known; channels come first then. Otherwise they are 0, 1, 2 and so on,
        and one channel is 1.
    names, normalise, source, stored
        See `ProbabilityMap`.

    Raises
    ------
    InputError
        The shape fits nowhere, or in more than one way, or the values are not numbers.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"expected probabilities, found values of type {values.dtype}", source=source)
    kind, shape = _fitting(values.shape, reference.shape, labels, source), values.shape
    wanted = _long_axes(reference.shape)
    channels = {"without channels": 1, "channels first": shape[0], "channels last": shape[-1]}[kind]
    if kind == "channels last":
        values = np.moveaxis(values, -1, 0)
        grid = None  # the axes of its geometry are not those of space
    if grid is None or _long_axes(grid.shape) != wanted:
        grid = Grid(shape=reference.shape, spacing=(1.0,) * reference.ndim, unit="px")
    values = values.reshape(channels, -1)
    if not labels:
        labels = (1,) if channels == 1 else range(channels)
    elif list(labels) != sorted(labels):  # of equals the smaller label is taken
        values, labels = values[np.argsort(labels)], sorted(labels)
    return ProbabilityMap(
        values=values,
        labels=tuple(labels),
        grid=grid,
        names=names or {},
        normalise=normalise,
        source=source,
        stored=stored,
    )


def _fitting(shape: Sequence[int], reference: Sequence[int], labels: Sequence[int], source: str) -> str:
    """Where the channels of an array are."""
    wanted = _long_axes(reference)
    fitting = []
    if _long_axes(shape) == wanted:
        fitting.append("without channels")
    if len(shape) > 1 and shape[0] > 1 and _long_axes(shape[1:]) == wanted:
        fitting.append("channels first")
    if len(shape) > 1 and shape[-1] > 1 and _long_axes(shape[:-1]) == wanted:
        fitting.append("channels last")
    if labels:
        fitting = [kind for kind in fitting if kind == ("channels first" if len(labels) > 1 else "without channels")]
    if len(fitting) > 1:
        raise InputError(
            f"an array of shape {_sizes(shape)} on a grid of {_sizes(reference)} can be {' or '.join(fitting)}",
            source=source,
            hint="save it with an axis more, of one voxel, or with another number of channels",
        )
    if not fitting:
        raise GeometryError(
            f"shapes differ: probabilities {_sizes(shape)}, reference {_sizes(reference)} (array axes)",
            source=source,
            hint="expected the reference's shape, with the channels as one more axis before or behind it",
        )
    return fitting[0]


def arranged_reference(
    values: NDArray[Any], *, grid: Grid | None = None, normalise: bool = False, source: str
) -> ProbabilityMap:
    """The shares of classes that an array holds: of one class, or of several where it has four axes, channels first.

    Parameters
    ----------
    values
        Axes (z, y, x), (y, x) or (channel, z, y, x).
    grid
        Where the voxels are, as a file says.
    normalise, source
        See `ProbabilityMap`.
    """
    shape = values.shape[1:] if values.ndim == 4 else values.shape
    if grid is None:
        grid = Grid(shape=shape, spacing=(1.0,) * len(shape), unit="px")
    return arranged(values, grid, grid=grid, normalise=normalise, source=source)


def _long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def without_foreground(label_map: LabelMap, channels: tuple[int, ...]) -> ProbabilityMap:
    """The map of a prediction without foreground: the background is certain everywhere.

    Parameters
    ----------
    label_map
        Says where the voxels are.
    channels
        The label of each channel; without 0 there is one.
    """
    column = np.zeros((len(channels), 1), np.float32)
    column[[label == 0 for label in channels]] = 1
    return ProbabilityMap(
        values=np.broadcast_to(column, (len(channels), label_map.labels.size)),
        labels=channels,
        grid=label_map.grid,
        names={},
        source=label_map.source,
    )


def hardened(probabilities: ProbabilityMap, *, threshold: float = 0.5) -> LabelMap:
    """The labels that a map says: the most probable class, the first of equals; of one channel, where p >= threshold.

    Raises
    ------
    InputError
        Values that are no probabilities: not finite, outside of 0 to 1, or channels that do not sum up to 1.
    """
    kind = np.min_scalar_type(max(probabilities.labels))
    labels: Labels = np.empty(probabilities.values.shape[1], kind)
    ranges = _Ranges(probabilities)
    for part, block in probabilities.stretches():
        ranges.add(block)
        here = labels[part]
        if len(block) == 1:
            here[:] = np.where(block[0] >= threshold, probabilities.labels[0], 0)
            continue
        here[:] = probabilities.labels[0]
        best = block[0].copy()
        for label, channel in zip(probabilities.labels[1:], block[1:], strict=True):
            np.copyto(here, kind.type(label), where=channel > best)
            np.maximum(best, channel, out=best)
    ranges.refuse()
    return LabelMap(
        labels=labels.reshape(probabilities.grid.shape),
        grid=probabilities.grid,
        names=probabilities.names,
        source=probabilities.source,
        stored=probabilities.stored,
    )


class _Ranges:
    """The range of values and of their sums, gathered stretch by stretch."""

    def __init__(self, probabilities: ProbabilityMap) -> None:
        self._map = probabilities
        self._values = [math.inf, -math.inf]
        self._sums = [math.inf, -math.inf]
        self._not_finite = 0

    def add(self, block: NDArray[Any]) -> None:
        """Take in some voxels."""
        total = block.sum(axis=0)
        seen = [*_span(block), *_span(total)]
        if not all(map(math.isfinite, seen)):
            self._not_finite += int(np.count_nonzero(~np.isfinite(total)))
            return
        for known, (low, high) in ((self._values, seen[:2]), (self._sums, seen[2:])):
            known[:] = min(known[0], low), max(known[1], high)

    def refuse(self) -> None:
        """Raise an error for what is wrong, if anything is."""
        source = self._map.source
        if self._not_finite:
            kind = "NaN, or 0 in all channels," if self._map.normalise else "NaN or infinite"
            raise InputError(
                f"expected probabilities, found {self._not_finite:,} voxels that are {kind}".removesuffix(","),
                source=source,
                hint="export it again, or write the background's probability as 1 there",
            )
        low, high = self._values
        if low < -OUTSIDE or high > 1 + OUTSIDE:
            hint = "--normalise clips and renormalises them"
            if self._map.values.dtype.kind in "iu" and len(self._map.labels) == 1:
                hint = "a label map is scored without --probabilities"
            raise InputError(
                f"expected probabilities from 0 to 1, found values from {low:.6g} to {high:.6g}",
                source=source,
                hint=hint,
            )
        least, most = self._sums
        if len(self._map.labels) > 1 and (least < 1 - UNEVEN or most > 1 + UNEVEN):
            raise InputError(
                f"expected channels that sum up to 1 in every voxel, found sums from {least:.6g} to {most:.6g}",
                source=source,
                hint="--normalise clips and renormalises them",
            )


def _span(values: NDArray[Any]) -> tuple[float, float]:
    return float(values.min()), float(values.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSums:
    """One class against all others, summed over the voxels counted.

    Parameters
    ----------
    voxels
        How many are counted.
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
    """The largest probability of each voxel against whether its class is right, in bins of equal width.

    Parameters
    ----------
    voxels, right
        How many voxels fall into each bin, and how many of those have the class.
    confidence
        The sum of their largest probabilities.
    """

    voxels: NDArray[np.int64]
    right: NDArray[np.int64]
    confidence: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityTotals:
    """What the scores over all classes are computed from.

    Parameters
    ----------
    classes
        Every class, the background first where the map has one.
    calibration
        Number of bins -> what falls into them.
    labelled
        Of each class, whether the map says it of some voxel: whether it is the most probable one there.
    absent_class
        Weight of a class that the reference lacks: ``"max"``, ``"ignore"`` or ``"penalise"``.
    """

    classes: tuple[ClassSums, ...]
    calibration: Mapping[int, Calibration]
    labelled: tuple[bool, ...]
    absent_class: str = "max"

    @property
    def voxels(self) -> int:
        """How many are counted."""
        return self.classes[0].voxels


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilitySums:
    """The sums of every class of a map, and its calibration.

    Parameters
    ----------
    by_label
        Label -> sums; of a map with one channel the background too.
    calibration
        Number of bins -> what falls into them.
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
    """Sum up every class of a map in one pass.

    Parameters
    ----------
    probabilities
        The map.
    reference
        Labels on the same grid; each that is not ignored has a channel.
    soft_reference
        Shares of the same classes, which take the place of the labels.
    ignored
        Voxels whose reference is this label are left out.
    bins
        Into how many bins the largest probabilities are sorted.

    Examples
    --------
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
    voxels, flat = 0, reference.reshape(-1)
    soft = None if soft_reference is None else soft_reference.stretches()
    for part, block in probabilities.stretches():
        here, kept, shares = flat[part], block, None if soft is None else next(soft)[1]
        if ignored is not None:
            counted = here != ignored
            if not counted.all():
                here, kept = here[counted], block[:, counted]
                shares = None if shares is None else shares[:, counted]
        if not here.size:
            continue
        voxels += here.size
        for place, label in enumerate(labels):
            p = kept[place].astype(np.float64)
            if shares is None:
                sums[label].add_hard(p, here == label)
            else:
                sums[label].add_soft(p, shares[place].astype(np.float64))
        if binned:
            best, right = _most_probable(kept, labels, here)
            for each in binned.values():
                each.add(best, right)
    by_label = {label: each.sums(voxels) for label, each in sums.items()}
    if len(labels) == 1:
        by_label = {0: by_label[labels[0]].complement(), **by_label}
    return ProbabilitySums(by_label=by_label, calibration={count: each.found() for count, each in binned.items()})


def _most_probable(block: NDArray[Any], labels: Sequence[int], here: Labels) -> tuple[Floats, NDArray[np.bool_]]:
    """The largest probability of each voxel, and whether its class is right; of equals the first counts."""
    best, right = block[0], here == labels[0]
    if len(labels) == 1:
        p = best.astype(np.float64)
        return np.maximum(p, 1 - p), (p >= 0.5) == right
    for label, channel in zip(labels[1:], block[1:], strict=True):
        np.copyto(right, here == label, where=channel > best)
        best = np.maximum(best, channel)
    return best.astype(np.float64), right


class _Running:
    """The sums of one class so far."""

    def __init__(self) -> None:
        self._p = self._r = self._pr = self._pp = self._rr = 0.0
        self._hit_log = self._miss_log = self._hit_error = self._miss_error = 0.0

    def add_hard(self, p: Floats, members: NDArray[np.bool_]) -> None:
        """Take in some voxels, of which the members have the class."""
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
        """Take in some voxels with the reference's shares of the class."""
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
        """What there is in the end, of so many voxels."""
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
    """The sum of products; not by BLAS, whose threads cost more than they save on arrays that are short."""
    return float(np.einsum("i,i->", one, other))


def sum_of_logs(values: Floats) -> float:
    """The sum of log v over values clipped to [1e-7, 1 - 1e-7]: a logarithm of each product of a few."""
    clipped = np.clip(values, CLIP, 1 - CLIP)
    even = clipped.size - clipped.size % FACTORS
    products = np.multiply.reduce(clipped[:even].reshape(FACTORS, -1), axis=0)
    return float(np.log(products).sum() + np.log(clipped[even:]).sum())


class _Bins:
    """The calibration so far; a bin holds its upper end and not its lower one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._voxels = np.zeros((2, count), np.int64)
        self._confidence = np.zeros(count)

    def add(self, confidence: Floats, right: NDArray[np.bool_]) -> None:
        """Take in some voxels."""
        place = np.ceil(confidence * self._count).astype(np.intp)
        place -= 1
        np.clip(place, 0, self._count - 1, out=place)
        self._confidence += np.bincount(place, weights=confidence, minlength=self._count)
        place[right] += self._count
        self._voxels += np.bincount(place, minlength=2 * self._count).reshape(2, -1)

    def found(self) -> Calibration:
        """What there is in the end."""
        return Calibration(voxels=self._voxels.sum(axis=0), right=self._voxels[1], confidence=self._confidence)
