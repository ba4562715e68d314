"""Every metric once more, by brute force, in a few plain lines each: what the package is held against.

Written from the definitions alone. Voxels are looked at one by one or as boolean masks, every border voxel is compared
with every other, and whatever can be an integer or a fraction is one. NaN says that a metric is undefined. Slow, and
meant to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Key = int | str

SLACK = 1e-4  # of the smallest spacing


def integers(labels: Array) -> Array:
    """Labels as unsigned 64-bit integers, whatever they were."""
    return labels.astype(np.uint64)


def border_voxels(mask: Mask, *, outside: bool = False) -> Mask:
    """Voxels of a mask with a face neighbour that is not; beyond the image everything is `outside`."""
    padded = np.pad(mask, 1, constant_values=outside)
    border = np.zeros(mask.shape, bool)
    for axis in range(mask.ndim):
        for step in (0, 2):
            at = [slice(1, -1)] * mask.ndim
            at[axis] = slice(step, step + mask.shape[axis])
            border |= mask & ~padded[tuple(at)]
    return border


def distances(source: Mask, target: Mask, spacing: Collection[float]) -> NDArray[np.float64]:
    """From each voxel of `source` to the nearest of `target`: all pairs, a few at a time."""
    scale = np.array(spacing)
    here, there = np.argwhere(source) * scale, np.argwhere(target) * scale
    if len(there) == 0:
        return np.full(len(here), math.inf)
    rows = max(1, 2_000_000 // len(there))
    nearest = [
        np.sqrt(((here[start : start + rows, None, :] - there[None, :, :]) ** 2).sum(axis=-1).min(axis=1))
        for start in range(0, len(here), rows)
    ]
    return np.concatenate(nearest) if nearest else np.zeros(0)


@dataclass(kw_only=True)
class Pair:
    """Two maps and how they are to be compared."""

    prediction: Array
    reference: Array
    spacing: tuple[float, ...]
    millimetres: bool = True
    ignore_label: int | None = None
    background: bool = False
    penalty: str | float = "diagonal"
    absent_class: str = "max"
    tolerance: float = 1.0
    only: Collection[int] | None = None
    regions: Mapping[str, Collection[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.prediction, self.reference = integers(self.prediction), integers(self.reference)
        self.counted = np.ones(self.reference.shape, bool)
        if self.ignore_label is not None:
            self.counted = self.reference != self.ignore_label
            stray = (self.prediction == self.ignore_label) & self.counted
            self.prediction = np.where(stray, np.uint64(0), self.prediction)

    @property
    def present(self) -> list[int]:
        """Every label of either map outside the ignored zone."""
        found = {*self.prediction[self.counted].tolist(), *self.reference[self.counted].tolist()}
        return sorted(found)

    @property
    def scored(self) -> list[int]:
        """The labels that have rows of their own."""
        chosen = set(self.present) if self.only is None else set(self.only)
        return sorted(chosen - ({0} if not self.background else set()) - {self.ignore_label})

    def members(self, key: Key) -> NDArray[np.uint64]:
        return np.array(sorted(self.regions[key]) if isinstance(key, str) else [key], np.uint64)

    def masks(self, key: Key) -> tuple[Mask, Mask]:
        """Voxels of the prediction and of the reference, ignored ones left out."""
        members = self.members(key)
        return np.isin(self.prediction, members) & self.counted, np.isin(self.reference, members) & self.counted

    def borders(self, key: Key) -> tuple[Mask, Mask]:
        """Border voxels as the maps were read, those in the ignored zone then dropped."""
        members = self.members(key)
        outside = 0 in members.tolist()
        prediction, reference = (
            border_voxels(np.isin(labels, members), outside=outside) & self.counted
            for labels in (self.prediction, self.reference)
        )
        return prediction, reference

    @property
    def penalty_length(self) -> float:
        if self.penalty == "diagonal":
            return math.sqrt(sum((n * s) ** 2 for n, s in zip(self.reference.shape, self.spacing, strict=True)))
        return float(self.penalty)

    @property
    def slack(self) -> float:
        return SLACK * min(self.spacing)

    @property
    def voxel_millilitres(self) -> float:
        known = self.millimetres and self.reference.ndim == 3
        return math.prod(self.spacing) / 1000 if known else math.nan


def over(numerator: int, denominator: int) -> float:
    return float(Fraction(numerator, denominator)) if denominator else math.nan


@dataclass(kw_only=True)
class Confusion:
    tp: int
    fp: int
    fn: int
    tn: int


def confusion(pair: Pair, key: Key) -> Confusion:
    prediction, reference = pair.masks(key)
    return Confusion(
        tp=int((prediction & reference).sum()),
        fp=int((prediction & ~reference).sum()),
        fn=int((~prediction & reference).sum()),
        tn=int((~prediction & ~reference & pair.counted).sum()),
    )


def fbeta(c: Confusion, beta: float) -> float:
    if not (c.tp or c.fp or c.fn):
        return math.nan
    square = Fraction(beta) ** 2
    below = (1 + square) * c.tp + square * c.fn + c.fp
    return float((1 + square) * c.tp / below) if below else 0.0


def mcc(c: Confusion) -> float:
    product = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return (c.tp * c.tn - c.fp * c.fn) / math.sqrt(product) if product else math.nan


def kappa(c: Confusion) -> float:
    n = c.tp + c.fp + c.fn + c.tn
    if not n:
        return math.nan
    observed = Fraction(c.tp + c.tn, n)
    chance = Fraction((c.tp + c.fp) * (c.tp + c.fn) + (c.tn + c.fn) * (c.tn + c.fp), n * n)
    return float((observed - chance) / (1 - chance)) if chance != 1 else math.nan


COUNTED: dict[str, Callable[[Confusion], float]] = {
    "dice": lambda c: over(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "iou": lambda c: over(c.tp, c.tp + c.fp + c.fn),
    "sensitivity": lambda c: over(c.tp, c.tp + c.fn),
    "specificity": lambda c: over(c.tn, c.tn + c.fp),
    "precision": lambda c: over(c.tp, c.tp + c.fp),
    "npv": lambda c: over(c.tn, c.tn + c.fn),
    "accuracy": lambda c: over(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn),
    "balanced_accuracy": lambda c: (over(c.tp, c.tp + c.fn) + over(c.tn, c.tn + c.fp)) / 2,
    "mcc": mcc,
    "kappa": kappa,
    "volume_similarity": lambda c: 1 - over(abs(c.fn - c.fp), 2 * c.tp + c.fp + c.fn),
    "relative_volume_error": lambda c: over(c.fp - c.fn, c.tp + c.fn),
    "tp": lambda c: c.tp,
    "fp": lambda c: c.fp,
    "fn": lambda c: c.fn,
    "tn": lambda c: c.tn,
}

VOLUMES: dict[str, Callable[[Confusion], int]] = {
    "volume_error": lambda c: c.fp - c.fn,
    "prediction_volume": lambda c: c.tp + c.fp,
    "reference_volume": lambda c: c.tp + c.fn,
}


Lists = tuple[NDArray[np.float64], NDArray[np.float64]]


def both_ways(pair: Pair, key: Key) -> Lists:
    """Distances from the prediction's border to the reference's, and back."""
    prediction, reference = pair.borders(key)
    return distances(prediction, reference, pair.spacing), distances(reference, prediction, pair.spacing)


def mean(values: NDArray[np.float64]) -> float:
    return math.fsum(values) / len(values)


LENGTHS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], float]] = {
    "assd": lambda there, back: mean(np.concatenate([there, back])),
    "masd": lambda there, back: (mean(there) + mean(back)) / 2,
    "asd_to_reference": lambda there, _: mean(there),
    "asd_to_prediction": lambda _, back: mean(back),
}


def length(name: str, lists: Lists, *, penalty: float, percent: float) -> float:
    there, back = lists
    if not there.size and not back.size:
        return math.nan
    if not there.size or not back.size:
        return penalty
    if name == "hd":
        return float(max(np.percentile(there, percent), np.percentile(back, percent)))
    return LENGTHS[name](there, back)


def nsd(lists: Lists, reach: float) -> float:
    both = np.concatenate(lists)
    return over(int((both <= reach).sum()), both.size)


def share_within(values: NDArray[np.float64], reach: float) -> float:
    return over(int((values <= reach).sum()), values.size)


def boundary_iou(pair: Pair, key: Key, reach: float) -> float:
    bands = [
        mask & (rebuilt(mask, distances(mask, border, pair.spacing)) <= reach)
        for mask, border in zip(pair.masks(key), pair.borders(key), strict=True)
    ]
    return over(int((bands[0] & bands[1]).sum()), int((bands[0] | bands[1]).sum()))


def rebuilt(mask: Mask, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the voxels of a mask, back in their places; infinite elsewhere."""
    whole = np.full(mask.shape, math.inf)
    whole[mask] = values
    return whole


def generalized_dice(pair: Pair) -> float:
    hits, sizes = Fraction(0), Fraction(0)
    classes = [
        (int((p & r).sum()), int(p.sum()), int(r.sum())) for p, r in (pair.masks(label) for label in pair.present)
    ]
    weights = [Fraction(1, r * r) for _, _, r in classes if r]
    if not weights:
        return math.nan
    for tp, p, r in classes:
        if r:
            weight = Fraction(1, r * r)
        elif pair.absent_class == "penalise" and p:
            return 0.0
        else:
            weight = max(weights) if pair.absent_class == "max" else Fraction(0)
        hits, sizes = hits + weight * tp, sizes + weight * (p + r)
    return float(2 * hits / sizes)


def mean_share(pair: Pair, name: str) -> float:
    values = [COUNTED[name](confusion(pair, label)) for label in pair.scored if label in pair.present]
    return mean(np.array(values)) if values else math.nan


OVER_ALL: dict[str, Callable[[Pair], float]] = {
    "generalized_dice": generalized_dice,
    "mean_dice": lambda pair: mean_share(pair, "dice"),
    "mean_iou": lambda pair: mean_share(pair, "iou"),
}

SURFACES = {*LENGTHS, "hd", "nsd", "surface_overlap_of_reference", "surface_overlap_of_prediction"}


def split(token: str) -> tuple[str, float | None]:
    name, at, number = token.partition("@")
    return name, float(number) if at else None


def of_label(pair: Pair, key: Key, tokens: Collection[str]) -> dict[str, float]:
    """What every one of `tokens` is for a label or region."""
    counts = confusion(pair, key)
    names = {split(token)[0] for token in tokens}
    lists = both_ways(pair, key) if names & SURFACES else (np.zeros(0), np.zeros(0))
    found: dict[str, float] = {}
    for token in tokens:
        name, number = split(token)
        reach = (pair.tolerance if number is None else number) + pair.slack
        if name in COUNTED:
            value = COUNTED[name](counts)
        elif name in VOLUMES:
            value = VOLUMES[name](counts) * pair.voxel_millilitres
        elif name == "fbeta":
            value = fbeta(counts, 1 if number is None else number)
        elif name == "nsd":
            value = nsd(lists, reach)
        elif name == "surface_overlap_of_prediction":
            value = share_within(lists[0], reach)
        elif name == "surface_overlap_of_reference":
            value = share_within(lists[1], reach)
        elif name == "boundary_iou":
            value = boundary_iou(pair, key, (1 if number is None else number) + pair.slack)
        else:
            value = length(name, lists, penalty=pair.penalty_length, percent=100 if number is None else number)
        found[token] = float(value)
    return found


def scores(pair: Pair, tokens: Collection[str]) -> dict[tuple[Key, str], float]:
    """Every row: (label or region or ``"all"``, token) -> value."""
    per_label = [token for token in tokens if split(token)[0] not in OVER_ALL]
    rows: dict[tuple[Key, str], float] = {}
    keys: list[Key] = [*pair.scored, *pair.regions]
    for key in keys:
        rows |= {(key, token): value for token, value in of_label(pair, key, per_label).items()}
    return rows | {("all", token): OVER_ALL[token](pair) for token in tokens if token in OVER_ALL}
