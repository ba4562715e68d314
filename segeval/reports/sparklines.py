"""Sparklines: histograms of ten bins in a line of text, as blocks or in ASCII.

The bins of a score with bounds cover the bounds, 0 to 1 for most; those of a length or a volume cover the range of all
labels. Larger values, such as the penalty for a label that only one map has or an infinite value, are in the last bin,
and the header then ends in a plus. The fullest bin of a line has the highest block.
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
    """Histograms of the scores of each label.

    Parameters
    ----------
    lines
        Sparklines by label and metric; empty without values.
    ranges
        Range of the bins by metric: ``"0 to 1"``, ``"0.00 to 12.53+"``.
    """

    lines: Mapping[tuple[Key, str], str]
    ranges: Mapping[str, str]

    @classmethod
    def of(cls, results: Results, alphabet: Alphabet) -> Sparklines:
        """Make the sparklines of results, for each label and region."""
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
    """Draw a histogram with `STEPS` bins as a line of text.

    Parameters
    ----------
    values
        The values; those outside the range are in the first or the last bin.
    low, high
        The range. Each bin includes its lower end, the last one both ends.
    blocks
        The character for an empty bin, then the blocks from the lowest to the highest.

    Returns
    -------
    str
        A character for each bin; empty without values.

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
    """Bounds of a metric, or the smallest and largest value if it has none."""
    low, high = parse(metric).card.bounds
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    values = np.concatenate(measured)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)


def _written(metric: str, low: float, high: float) -> str:
    quantity, bounds = parse(metric).card.quantity, parse(metric).card.bounds
    if (low, high) == bounds:
        return f"{low:.3g} to {high:.3g}"
    return " to ".join(number(value, quantity, decimals=decimals(quantity)) for value in (low, high))
