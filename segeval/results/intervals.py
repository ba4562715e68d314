"""Confidence intervals of means over cases, by bootstrap.

Intervals are percentile bootstraps. Cases, in the order of their names, are drawn with replacement, seeded by their
number, and one set of draws serves all labels and metrics: drawing a case draws all that was scored on it, and the
sums of all draws are a matrix product. Before it, values are rounded to so many binary digits (some 40) that every sum
is exact in a float64; so intervals are the same on every machine, whatever the order in which its libraries add.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from segeval.results.statistics import Values, quantile

DRAWS = 2000
DRAWN_AT_ONCE = 1 << 20  # draws times cases, so that they take a few MB however many cases there are
DRAWS_TOGETHER = 64  # at least, in a matrix product: one of a few would read all the values again and again
FEW_CASES = 20  # below that an interval may be too narrow
CONFIDENCE = 0.95
SMALLEST_EXPONENT = -900  # what is smaller counts as zero in an interval


def interval_of(means: Values) -> tuple[float, float] | None:
    """The bounds between which the middle of the draws lies; NaN stands for a draw without a mean."""
    defined = np.sort(means[~np.isnan(means)])
    if len(defined) == 0:
        return None
    tail = (1 - CONFIDENCE) / 2
    return quantile(defined, tail), quantile(defined, 1 - tail)


def drawn_means(values: Values) -> Values:
    """The mean of each column over every draw of the rows, NaN of none; (cases, columns) -> (draws, columns)."""
    n, columns = values.shape
    if n < 2:
        return np.full((1, columns), np.nan)
    usable = np.isfinite(values)
    exact, steps = _exact(np.where(usable, values, 0.0))
    ones = None if usable.all() else usable.astype(np.float64)
    found = []
    for weights in _weights(n):
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((weights @ exact) * steps / (n if ones is None else weights @ ones))
    return np.concatenate(found)


def drawn_sums(counts: Values) -> Values:
    """The sum of each column of whole numbers over every draw of the rows, NaN of one row; shapes as in `drawn_means`.

    Sums of whole numbers are exact by themselves.
    """
    n, columns = counts.shape
    if n < 2:
        return np.full((1, columns), np.nan)
    return np.concatenate([weights @ counts for weights in _weights(n)])


def _exact(values: Values) -> tuple[Values, Values]:
    """Whole multiples of a step for each column, so few digits long that sums over as many draws as rows are exact."""
    digits = 52 - math.ceil(math.log2(len(values)))
    _, exponents = np.frexp(np.abs(values).max(axis=0))
    steps = np.ldexp(1.0, np.maximum(exponents, SMALLEST_EXPONENT) - digits)
    return np.rint(values / steps), steps


def _weights(n: int) -> Iterator[Values]:
    """How often each of n cases is drawn, a few draws at a time; shape (draws, n)."""
    random = np.random.RandomState(n)  # its stream never changes (NEP 19), that of a Generator may
    at_once = max(1, min(DRAWS, DRAWN_AT_ONCE // n))
    together = max(at_once, DRAWS_TOGETHER)
    for done in range(0, DRAWS, together):
        weights = np.empty((min(together, DRAWS - done), n))
        for first in range(0, len(weights), at_once):
            some = weights[first : first + at_once]
            drawn = random.randint(n, size=some.shape)
            drawn += np.arange(len(some))[:, None] * n
            some[:] = np.bincount(drawn.ravel(), minlength=some.size).reshape(some.shape)
        yield weights


@dataclass(slots=True, kw_only=True)
class MeanOverLabels:
    """For each metric and draw, sum and weight of the labels' means, from which the mean over labels is made."""

    sums: dict[str, Values] = field(default_factory=dict)
    numbers: dict[str, Values] = field(default_factory=dict)

    def add(self, metric: str, means: Values, weight: float) -> None:
        """Take in the means of one label and what it weighs, NaN where a draw has none."""
        if not weight:
            return  # of an infinite mean, nothing is no number
        defined = ~np.isnan(means)
        self.sums[metric] = self.sums.get(metric, 0.0) + np.where(defined, means, 0.0) * weight
        self.numbers[metric] = self.numbers.get(metric, 0.0) + defined * weight

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The interval of the mean over labels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return interval_of(self.sums[metric] / self.numbers[metric]) if metric in self.sums else None
