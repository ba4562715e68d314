"""Confidence intervals of means over cases, by bootstrap.

Intervals are percentile bootstraps. Cases, in the order of their names, are drawn with replacement; the seed is their
number. The same draws are used for all labels and metrics, so that all scores of a case are drawn together, and the
sums of all draws are a matrix product. Values are first rounded to some 40 binary digits, so that every sum is exact in
a float64; intervals are therefore the same on every machine, in whatever order its libraries add.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from segeval.results.statistics import Values, quantile

DRAWS = 2000
DRAWN_AT_ONCE = 1 << 20  # draws times cases: a few MB, for any number of cases
DRAWS_TOGETHER = 64  # at least, in a matrix product; smaller ones would read all values too often
FEW_CASES = 20  # below that an interval may be too narrow
CONFIDENCE = 0.95
SMALLEST_EXPONENT = -900  # smaller values count as zero in an interval


def interval_of(means: Values) -> tuple[float, float] | None:
    """Return the interval that contains the middle of the draws; NaN is a draw without a mean."""
    defined = np.sort(means[~np.isnan(means)])
    if len(defined) == 0:
        return None
    tail = (1 - CONFIDENCE) / 2
    return quantile(defined, tail), quantile(defined, 1 - tail)


def drawn_means(values: Values) -> Values:
    """Return the mean of each column in every draw of rows, NaN without values; shape (draws, columns)."""
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
    """Return the sum of each column of whole numbers in every draw of rows; NaN if there is one row.

    Shapes are those of `drawn_means`. Sums of whole numbers are exact.
    """
    n, columns = counts.shape
    if n < 2:
        return np.full((1, columns), np.nan)
    return np.concatenate([weights @ counts for weights in _weights(n)])


def _exact(values: Values) -> tuple[Values, Values]:
    """Return each column as whole multiples of a step, with so few digits that sums over all rows are exact."""
    digits = 52 - math.ceil(math.log2(len(values)))
    _, exponents = np.frexp(np.abs(values).max(axis=0))
    steps = np.ldexp(1.0, np.maximum(exponents, SMALLEST_EXPONENT) - digits)
    return np.rint(values / steps), steps


def _weights(n: int) -> Iterator[Values]:
    """Yield how often each of n cases is drawn, a few draws at a time; shape (draws, n)."""
    random = np.random.RandomState(n)  # its stream never changes (NEP 19); that of a Generator may
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
    """Sums and weights of the means of labels, by metric and draw, for the mean over labels."""

    sums: dict[str, Values] = field(default_factory=dict)
    numbers: dict[str, Values] = field(default_factory=dict)

    def add(self, metric: str, means: Values, weight: float) -> None:
        """Add the means of one label with its weight; NaN for a draw without a mean."""
        if not weight:
            return  # 0 times infinity is not a number
        defined = ~np.isnan(means)
        self.sums[metric] = self.sums.get(metric, 0.0) + np.where(defined, means, 0.0) * weight
        self.numbers[metric] = self.numbers.get(metric, 0.0) + defined * weight

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the interval of the mean over labels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return interval_of(self.sums[metric] / self.numbers[metric]) if metric in self.sums else None
