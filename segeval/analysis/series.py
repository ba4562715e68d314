"""Data for figures: scores and sizes of each label in each run, with an entry for each case.

Missing values are counted by reason, and values of labels that only one map has are marked, because they are not
measured. Sizes are voxel counts times the size of a voxel, all in the same unit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segeval.analysis.results_files import ResultsFile, check_metrics, results_files, wanted_labels
from segeval.errors import UsageError
from segeval.maps.labels import Key
from segeval.metrics import Direction, parse
from segeval.results.results import Results
from segeval.results.rows import PREDICTION_EMPTY, REFERENCE_EMPTY, CaseRecord
from segeval.results.statistics import Values, quantile

LIMITS = 1.96  # standard deviations on either side of the bias: 95 % of a normal distribution

_MILLILITRE = 1000.0  # mm³
_SIZES = {("mm", 3): "mm³", ("mm", 2): "mm²", ("px", 2): "px"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Scores of one label in one run, in the order of the cases.

    Parameters
    ----------
    run, label, name
        The run and the label.
    metric, unit
        The metric as in results, and the unit of the values; None for a ratio.
    better
        Whether a higher or a lower value is better.
    values
        Values, shape (cases,); NaN without a value. May be infinite.
    missed, false_alarm
        Shape (cases,): whether only the reference, or only the prediction, has the label.
    undefined
        Number of cases with an undefined value.
    absent
        Number of scored cases without a row, as neither map has the label.
    unscored
        Number of cases that were not scored, by status.
    """

    run: str
    label: Key
    name: str
    metric: str
    unit: str | None
    better: Direction
    values: Values
    missed: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]
    undefined: int
    absent: int
    unscored: Mapping[str, int]

    @property
    def ordered(self) -> Values:
        """The values in increasing order, with infinite ones."""
        return np.sort(self.values[~np.isnan(self.values)])

    @property
    def median(self) -> float | None:
        """Median of the values."""
        ordered = self.ordered
        return quantile(ordered, 0.5) if len(ordered) else None

    @property
    def badness(self) -> float:
        """Key that is larger for a worse median; smallest without values."""
        median = self.median
        if median is None:
            return -math.inf
        return {Direction.HIGHER: -median, Direction.LOWER: median}.get(self.better, abs(median))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Volumes or areas of one label in one run, in the order of the cases.

    Parameters
    ----------
    run, label, name
        The run and the label.
    unit
        ``"ml"``, ``"mm³"``, ``"mm²"``, ``"px"`` or ``"voxels"``.
    reference, prediction
        Sizes, shape (cases,); NaN if a case was not counted, or if neither map has the label.
    absent
        Number of scored cases in which neither map has the label.
    unscored
        Number of cases that were not scored, by status.
    """

    run: str
    label: Key
    name: str
    unit: str
    reference: Values
    prediction: Values
    absent: int
    unscored: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of predicted and reference sizes (Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8).

    Parameters
    ----------
    n
        Number of pairs.
    bias
        Mean of predicted minus reference size; None without pairs.
    sd
        Standard deviation of the differences, with n - 1; None for fewer than two pairs.
    low, high
        Limits of agreement: bias - 1.96 sd and bias + 1.96 sd; None for fewer than two pairs.
    """

    n: int
    bias: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def series_of(runs: Mapping[str, Results], *, metric: str, labels: Collection[str] = ()) -> tuple[Series, ...]:
    """Collect the scores of one metric by label and run.

    Parameters
    ----------
    runs
        Results by name of the run; see `segeval.analysis.pivot.names_of`.
    metric
        Name or alias of the metric.
    labels
        Numbers or names of labels and regions; all if empty.

    Returns
    -------
    tuple
        One entry for each label and run, sorted by label. A run without the label has an entry without values.

    Raises
    ------
    UsageError
        The metric or a label does not exist.
    """
    request = parse(metric)
    token, better = request.token, request.card.better
    sources = results_files(runs)
    for source in sources:
        check_metrics(source.results, [token], path=source.title)
    there = (label for source in sources for label, each in source.column_of if each == token)
    kept = wanted_labels(sources, there, labels)
    called = _called(sources)
    units = [source.units().get(token) for source in sources]
    return tuple(
        _series(source, label, name=called[label], metric=token, unit=unit, better=better)
        for label in kept
        for source, unit in zip(sources, units, strict=True)
    )


def sizes_of(runs: Mapping[str, Results], *, labels: Collection[str] = ()) -> tuple[Sizes, ...]:
    """Collect the sizes of labels in the reference and the prediction; see `series_of`.

    Sizes are in millilitres if the median in the reference is at least one millilitre.

    Raises
    ------
    UsageError
        A label does not exist, or the sizes of cases have different units.
    """
    sources = results_files(runs)
    units = {_unit_of(case) for results in runs.values() for case in results.cases if case.status == "scored"}
    if len(units) > 1:
        raise UsageError(
            f"the sizes have different units: {' and '.join(sorted(units))}",
            hint="set the scale of pictures with --spacing",
        )
    there = (label for source in sources for label in source.results.counts.labels.values)
    kept = wanted_labels(sources, there, labels)
    called = _called(sources)
    unit = next(iter(units), "voxels")
    matrices = [_sized(source, kept) for source in sources]
    found = [
        _sizes(source, label, called[label], matrix[place], unit=unit)
        for place, label in enumerate(kept)
        for source, matrix in zip(sources, matrices, strict=True)
    ]
    everywhere = np.concatenate([each.reference for each in found]) if found else np.zeros(0)
    everywhere = everywhere[everywhere > 0]
    if units != {"mm³"} or not len(everywhere) or np.median(everywhere) < _MILLILITRE:
        return tuple(found)
    return tuple(
        replace(each, unit="ml", reference=each.reference / _MILLILITRE, prediction=each.prediction / _MILLILITRE)
        for each in found
    )


def agreement_of(sizes: Sizes) -> Agreement:
    """Bias and limits of agreement of predicted sizes; a label that is not in a map has size 0.

    Examples
    --------
    >>> sizes = Sizes(run="a", label=1, name="1", unit="ml", absent=0, unscored={},
    ...               reference=np.array([1.0, 2.0, 3.0]), prediction=np.array([1.0, 3.0, 5.0]))
    >>> agreement_of(sizes)
    Agreement(n=3, bias=1.0, sd=1.0, low=-0.96, high=2.96)
    """
    differences = sizes.prediction - sizes.reference
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if not n:
        return Agreement(n=0)
    bias = float(differences.mean())
    if n < 2:
        return Agreement(n=n, bias=bias)
    sd = float(differences.std(ddof=1))
    return Agreement(n=n, bias=bias, sd=sd, low=bias - LIMITS * sd, high=bias + LIMITS * sd)


def _called(sources: Sequence[ResultsFile]) -> Mapping[Key, str]:
    """Names of the labels, as in the first run."""
    return sources[0].names if sources else {}


def _unscored(results: Results) -> Mapping[str, int]:
    return Counter(record.status for record in results.cases if record.status != "scored")


def _series(source: ResultsFile, label: Key, *, name: str, metric: str, unit: str | None, better: Direction) -> Series:
    values, notes = source.column((label, metric))
    there = ~np.isnan(values)
    scores = source.results.scores
    missed, false_alarm = (
        np.isin(notes, scores.codes_of(note)) & there for note in (PREDICTION_EMPTY, REFERENCE_EMPTY)
    )
    unscored = _unscored(source.results)
    return Series(
        run=source.title,
        label=label,
        name=name,
        metric=metric,
        unit=unit,
        better=better,
        values=values,
        missed=missed,
        false_alarm=false_alarm,
        undefined=int(np.count_nonzero((notes >= 0) & ~there)),
        absent=int(np.count_nonzero(notes < 0)) - sum(unscored.values()),
        unscored=unscored,
    )


def _unit_of(case: CaseRecord) -> str:
    return _SIZES.get((case.unit or "", len(case.shape or ())), "voxels")


def _sized(source: ResultsFile, labels: Sequence[Key]) -> NDArray[np.float64]:
    """Sizes in the reference and the prediction, shape (labels, 2, cases); NaN if neither map has the label."""
    results, counts = source.results, source.results.counts
    place_of_case = {record.case: place for place, record in enumerate(results.cases)}
    place_of_label = {label: place for place, label in enumerate(labels)}
    scale = np.array(
        [math.prod(record.spacing) if record.spacing and record.unit == "mm" else 1.0 for record in results.cases]
    )
    found = np.full((len(labels), 2, len(results.cases)), np.nan)
    if not len(counts):
        return found
    cases = np.array([place_of_case.get(case, -1) for case in counts.cases.values])[counts.case_codes]
    rows = np.array([place_of_label.get(label, -1) for label in counts.labels.values])[counts.label_codes]
    tp, fp, fn, _ = counts.voxels.T
    kept = (cases >= 0) & (rows >= 0) & (tp + fp + fn > 0)
    for side, voxels in enumerate((tp + fn, tp + fp)):
        found[rows[kept], side, cases[kept]] = voxels[kept] * scale[cases[kept]]
    return found


def _sizes(source: ResultsFile, label: Key, name: str, sizes: NDArray[np.float64], *, unit: str) -> Sizes:
    unscored = _unscored(source.results)
    return Sizes(
        run=source.title,
        label=label,
        name=name,
        unit=unit,
        reference=sizes[0],
        prediction=sizes[1],
        absent=int(np.isnan(sizes[0]).sum()) - sum(unscored.values()),
        unscored=unscored,
    )
