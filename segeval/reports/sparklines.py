"""Distributions in a line of text: how many cases lie in each of ten steps, as blocks or in ASCII.

The steps of a score with a least and a greatest value run from that to that, 0 to 1 for most; those of a length or a
volume from the least to the greatest of any label. A penalty for a label that one map lacks, or an infinite value, is
in the last step when it lies beyond it, and a plus says so. The highest step of a line has the highest block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.analysis.results_files import ResultsFile
from segeval.maps.labels import Key
from segeval.metrics import parse
from segeval.reports.notation import Alphabet, decimals, number
from segeval.results.results import Results
from segeval.results.rows import ALL, PREDICTION_EMPTY, REFERENCE_EMPTY

STEPS = 10
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparklines:
    """The distribution of each label's scores.

    Parameters
    ----------
    lines
        Label and metric -> its line; none where there is no value.
    ranges
        Metric -> what the steps run from and to: ``"0 to 1"``, ``"0.00 to 12.53+"``.
    """

    lines: Mapping[tuple[Key, str], str]
    ranges: Mapping[str, str]

    @classmethod
    def of(cls, results: Results, alphabet: Alphabet) -> Sparklines:
        """Those of results, for each label and region, written with that alphabet."""
        source = ResultsFile.of("", results)
        kinds: dict[str, list[Key]] = {}
        for label, metric in source.column_of:
            if label != ALL:
                kinds.setdefault(metric, []).append(label)
        penalties = [code for note in (PREDICTION_EMPTY, REFERENCE_EMPTY) for code in results.scores.codes_of(note)]
        lines: dict[tuple[Key, str], str] = {}
        ranges: dict[str, str] = {}
        for metric, labels in kinds.items():
            columns = [source.column((label, metric)) for label in labels]
            low, high = _range(metric, [values[~np.isin(codes, penalties)] for values, codes in columns])
            beyond = any((values > high).any() for values, _ in columns)
            ranges[metric] = _written(metric, low, high) + ("+" if beyond else "")
            for label, (values, _) in zip(labels, columns, strict=True):
                lines[label, metric] = sparkline(values[~np.isnan(values)], low, high, blocks=alphabet.blocks)
        return cls(lines=lines, ranges=ranges)


def sparkline(values: Values, low: float, high: float, *, blocks: str) -> str:
    """How many values lie in each of `STEPS` steps of a range.

    Parameters
    ----------
    values
        What lies outside the range is in the first step or the last.
    low, high
        The range; each step has its lower end in it, the last one both.
    blocks
        For no value, then from the lowest block to the highest.

    Returns
    -------
    str
        A character for each step; empty of no values.

    Examples
    --------
    >>> sparkline(np.array([0.0, 0.05, 0.1, 0.99, 1.0]), 0, 1, blocks=".:-=+*%@#")
    '#+.......#'
    """
    if not len(values):
        return ""
    wide = (high - low) or 1.0
    with np.errstate(invalid="ignore"):
        steps = np.clip((values - low) / wide * STEPS, 0, STEPS - 1).astype(int)
    often = np.bincount(steps, minlength=STEPS)
    heights = -(-often * (len(blocks) - 1) // often.max())
    return "".join(blocks[height] for height in heights)


def _range(metric: str, measured: list[Values]) -> tuple[float, float]:
    """The bounds of a metric, or the least and the greatest value where it has none."""
    low, high = parse(metric).card.bounds
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    values = np.concatenate(measured)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)


def _written(metric: str, low: float, high: float) -> str:
    quantity, bounds = parse(metric).card.quantity, parse(metric).card.bounds
    if (low, high) == bounds:
        return f"{low:g} to {high:g}"
    return " to ".join(number(value, quantity, decimals=decimals(quantity)) for value in (low, high))
