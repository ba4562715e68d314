"""The numbers behind figures: each label's scores and sizes in every run, a place for each case.

Nothing vanishes on the way: what has no value is counted, by why, and a value that is no measurement, because one of
the two maps lacks the label, is marked. Sizes are counted voxels times the size of one, in one unit for all. Nothing
here knows how anything is drawn.
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
    """One label's scores in one run, in the order of the run's cases.

    Parameters
    ----------
    run, label, name
        Whose they are.
    metric, unit
        As results write it, and the unit of the values; None for a ratio.
    better
        Which way the metric is better.
    values
        Shape (cases,); NaN where there is none, and infinite ones are there.
    missed, false_alarm
        Shape (cases,): where the prediction, or the reference, lacks the label and the value is what that counts as.
    undefined
        How many cases have a row for it without a value.
    absent
        How many scored cases have no row for it: neither map has the label.
    unscored
        Status -> how many of the run's cases were not scored.
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
        """The values that there are, from the least to the greatest, infinite ones too."""
        return np.sort(self.values[~np.isnan(self.values)])

    @property
    def median(self) -> float | None:
        """Of the values that there are."""
        ordered = self.ordered
        return quantile(ordered, 0.5) if len(ordered) else None

    @property
    def badness(self) -> float:
        """Sorts labels from the worst median to the best; one without a value comes last."""
        median = self.median
        if median is None:
            return -math.inf
        return {Direction.HIGHER: -median, Direction.LOWER: median}.get(self.better, abs(median))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """One label's volumes, or areas, in one run, in the order of the run's cases.

    Parameters
    ----------
    run, label, name
        Whose they are.
    unit
        ``"ml"``, ``"mm³"``, ``"mm²"``, ``"px"`` or ``"voxels"``.
    reference, prediction
        Shape (cases,); NaN where a case was not counted, or neither map has the label.
    absent
        How many scored cases have it in neither map.
    unscored
        Status -> how many of the run's cases were not scored.
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
    """How predicted sizes differ from the reference's (Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8).

    Parameters
    ----------
    n
        How many pairs there are.
    bias
        The mean of predicted minus reference; None of none.
    sd
        Their standard deviation, with n - 1; None of fewer than two.
    low, high
        Limits of agreement: bias - 1.96 sd and bias + 1.96 sd; None of fewer than two.
    """

    n: int
    bias: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def series_of(runs: Mapping[str, Results], *, metric: str, labels: Collection[str] = ()) -> tuple[Series, ...]:
    """The scores of one metric by label and run.

    Parameters
    ----------
    runs
        What each run is called -> its results, as `factors.names_of` calls files.
    metric
        As asked for, or an alias.
    labels
        Numbers or names of labels and regions; all if none is given.

    Returns
    -------
    tuple
        Label by label, of each the runs in their order; a run that lacks a label has it without any value.

    Raises
    ------
    UsageError
        No such metric or label.
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
    """The sizes of labels in the reference and the prediction; see `series_of`.

    They are in millilitres where the median of the reference's is a millilitre or more.

    Raises
    ------
    UsageError
        No such label, or cases whose sizes have different units.
    """
    sources = results_files(runs)
    units = {_unit_of(case) for results in runs.values() for case in results.cases if case.status == "scored"}
    if len(units) > 1:
        raise UsageError(
            f"sizes in {' and in '.join(sorted(units))} do not go together", hint="--spacing gives pictures a scale"
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
    """Bias and limits of agreement of predicted sizes; a label that one map lacks has size 0 there.

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
    """Label -> its name in the first run; a run that calls it otherwise has it under that name all the same."""
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
    """Sizes in the reference and the prediction, shape (labels, 2, cases); NaN where neither has the label."""
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
