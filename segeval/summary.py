"""Scores over cases: means with their intervals, quartiles, extremes, the worst case, and every denominator.

A mean never hides how many values it is over: beside it stand the undefined ones, the cases without the label, and
those that failed, are missing or were skipped. The mean is summed as pandas and NumPy sum a column, so that a mean
taken of the CSV is the same to the last digit.

Intervals are percentile bootstraps. Cases, in the order of their names, are drawn with replacement, seeded by their
number, and one set of draws serves all labels and metrics: drawing a case draws all that was scored on it, and the
sums of all draws are a matrix product. Before it, values are rounded to so many binary digits (some 40) that every sum
is exact in a float64; so intervals are the same on every machine, whatever the order in which its libraries add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segeval.cases import CaseRecord, Status
from segeval.comparison import Key
from segeval.counts import Counts
from segeval.metrics import Direction, Metric, Quantity, parse
from segeval.results import Aggregate, Results, Summary
from segeval.scoring import ALL, PREDICTION_EMPTY, REFERENCE_EMPTY

DRAWS = 2000
DRAWN_AT_ONCE = 1 << 19  # draws times cases, so that the weights take a few MB however many cases there are
FEW_CASES = 20  # below that an interval may be too narrow
CONFIDENCE = 0.95
SMALLEST_EXPONENT = -900  # what is smaller counts as zero in an interval

Values = NDArray[np.float64]


def summarised(results: Results) -> Results:
    """The results with their summary: over all cases, then over each group.

    Parameters
    ----------
    results
        Of any number of cases.

    Returns
    -------
    Results
        A row per label and metric, then the mean over labels of each metric, then what is pooled from voxel counts;
        for all cases first, then for every group of theirs. Nothing where no case was scored.
    """
    rows = _rows(results, results.cases)
    for column in dict.fromkeys(column for record in results.cases for column in record.groups):
        for value in dict.fromkeys(record.groups.get(column, "") for record in results.cases):
            members = tuple(record for record in results.cases if record.groups.get(column, "") == value)
            rows += [replace(row, by=column, group=value) for row in _rows(results, members)]
    return replace(results, summary=tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One label and metric over the scored cases: NaN where a case has no value, or no such row."""

    label: Key
    name: str | None
    metric: str
    unit: str | None
    values: Values
    present: NDArray[np.bool_]
    missed: int
    false_alarm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bootstrap:
    """For each draw of cases, the sum and the number of the values of each column."""

    sums: Values
    numbers: Values

    @property
    def means(self) -> Values:
        """Shape (draws, columns), NaN where no value was drawn."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sums / self.numbers


def _rows(results: Results, members: Sequence[CaseRecord]) -> list[Summary]:
    """The summary over some of the cases."""
    scored = [record for record in members if record.status == "scored"]
    status = [record.status for record in members]

    def lost(kind: Status) -> int:
        return status.count(kind)

    row = partial(Summary, n_failed=lost("failed"), n_missing=lost("missing"), n_skipped=lost("skipped"))
    columns = _columns(results, scored)
    if not columns:
        return []
    values = np.stack([column.values for column in columns], axis=1)
    draws = _drawn(values)
    means = draws.means
    rows = [
        _over_cases(row, column, scored, interval=_interval(means[:, place])) for place, column in enumerate(columns)
    ]
    rows += _macro(row, "macro", rows, means)
    rows += _pooled(row, results, scored, columns)
    return rows


def _columns(results: Results, scored: Sequence[CaseRecord]) -> list[_Column]:
    """Every label and metric that has a row, labels by number, then regions, then what is over all labels."""
    scores = results.scores.of(record.case for record in scored)
    if not len(scores):
        return []
    ranks = np.full(len(scores.cases.values), -1)
    for rank, record in enumerate(scored):
        code = scores.cases.find(record.case)
        if code is not None:
            ranks[code] = rank
    kinds = scores.label_codes.astype(np.int64) * len(scores.metrics.values) + scores.metric_codes
    occurring, column_of = np.unique(kinds, return_inverse=True)
    shape = (len(scored), len(occurring))
    values, present, notes = np.full(shape, np.nan), np.zeros(shape, bool), np.full(shape, -1, np.int16)
    names, units = np.full(shape, -1, np.int32), np.full(shape, -1, np.int16)
    where = ranks[scores.case_codes], column_of
    values[where], present[where], notes[where] = scores.values, True, scores.note_codes
    names[where], units[where] = scores.name_codes, scores.unit_codes
    missed, false_alarm = (scores.notes.find(note) for note in (PREDICTION_EMPTY, REFERENCE_EMPTY))
    defined = ~np.isnan(values)

    def noted(code: int | None, place: int) -> int:
        return 0 if code is None else int(np.count_nonzero((notes[:, place] == code) & defined[:, place]))

    columns = [
        _Column(
            label=scores.labels.values[kind // len(scores.metrics.values)],
            name=next(_met(names[:, place], scores.names.values), None),
            metric=scores.metrics.values[kind % len(scores.metrics.values)],
            unit=" or ".join(sorted(set(_met(units[:, place], scores.units.values)))) or None,
            values=values[:, place],
            present=present[:, place],
            missed=noted(missed, place),
            false_alarm=noted(false_alarm, place),
        )
        for place, kind in enumerate(occurring.tolist())
    ]
    return sorted(columns, key=_order(results))


def _met(codes: NDArray[np.signedinteger], values: Sequence[str | None]) -> Iterator[str]:
    """The texts behind codes, each once, in the order in which they are met; where there is none, it is left out."""
    found, first = np.unique(codes, return_index=True)
    for code in found[np.argsort(first)].tolist():
        text = values[code] if code >= 0 else None
        if text is not None:
            yield text


def _order(results: Results) -> Callable[[_Column], tuple[int, int, str, int]]:
    metrics = {metric: place for place, metric in enumerate(results.metrics)}
    regions = {region: place for place, region in enumerate(results.settings.get("regions", {}))}

    def key(column: _Column) -> tuple[int, int, str, int]:
        metric = metrics.get(column.metric, len(metrics))
        if isinstance(column.label, int):
            return 0, column.label, "", metric
        if column.label == ALL:
            return 2, 0, "", metric
        return 1, regions.get(column.label, len(regions)), column.label, metric

    return key


def _over_cases(
    row: Callable[..., Summary], column: _Column, scored: Sequence[CaseRecord], *, interval: tuple[float, float] | None
) -> Summary:
    defined = ~np.isnan(column.values)
    n = int(np.count_nonzero(defined))
    described = row(
        aggregate="cases",
        label=column.label,
        name=column.name,
        metric=column.metric,
        unit=column.unit,
        n=n,
        n_undefined=int(np.count_nonzero(column.present)) - n,
        n_missed=column.missed,
        n_false_alarm=column.false_alarm,
        n_absent=len(scored) - int(np.count_nonzero(column.present)),
    )
    if not n:
        return described
    worst = int(np.nanargmax(_badness(column.values, parse(column.metric).card)))
    described = _described(described, column.values[column.present], interval if n > 1 else None)
    return replace(described, worst_case=scored[worst].case)


def _badness(values: Values, card: Metric) -> Values:
    if card.better is Direction.HIGHER:
        return -values
    return values if card.better is Direction.LOWER else np.abs(values)


def _described(row: Summary, values: Values, interval: tuple[float, float] | None) -> Summary:
    """The row with mean, spread and quantiles of values of which some are NaN."""
    defined = np.sort(values[~np.isnan(values)])
    n = len(defined)
    # in the order of the rows, with zeros for NaN: that is how pandas adds up a column
    mean = float(np.where(np.isnan(values), 0.0, values).sum() / n)
    finite = math.isfinite(mean)
    low, high = interval if interval is not None and finite else (None, None)
    return replace(
        row,
        mean=mean,
        sd=float(np.std(defined, ddof=1)) if n > 1 and finite else None,
        ci_low=low,
        ci_high=high,
        median=_quantile(defined, 0.5),
        q1=_quantile(defined, 0.25),
        q3=_quantile(defined, 0.75),
        min=float(defined[0]),
        max=float(defined[-1]),
    )


def _quantile(ordered: Values, share: float) -> float:
    """Linear between neighbours; infinite where it leans on an infinite one."""
    place = (len(ordered) - 1) * share
    low, high = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    part = place - math.floor(place)
    return low if part == 0 or low == high else low + (high - low) * part


def _drawn(values: Values) -> _Bootstrap:
    """Sums and numbers of each column over every draw of the rows; shape of `values` (cases, columns)."""
    n, columns = values.shape
    if n < 2:
        return _Bootstrap(sums=np.full((1, columns), np.nan), numbers=np.ones((1, columns)))
    usable = np.isfinite(values)
    exact, steps = _exact(np.where(usable, values, 0.0))
    sums, numbers = np.empty((DRAWS, columns)), np.empty((DRAWS, columns))
    done = 0
    for weights in _weights(n):
        part = slice(done, done + len(weights))
        sums[part], numbers[part] = (weights @ exact) * steps, weights @ usable.astype(np.float64)
        done = part.stop
    return _Bootstrap(sums=sums, numbers=numbers)


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
    for done in range(0, DRAWS, at_once):
        number = min(at_once, DRAWS - done)
        drawn = random.randint(n, size=(number, n))
        drawn += np.arange(number)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=number * n).reshape(number, n).astype(np.float64)


def _interval(means: Values) -> tuple[float, float] | None:
    """The bounds between which the middle of the draws lies."""
    defined = np.sort(means[~np.isnan(means)])
    if len(defined) == 0:
        return None
    tail = (1 - CONFIDENCE) / 2
    return _quantile(defined, tail), _quantile(defined, 1 - tail)


def _macro(row: Callable[..., Summary], aggregate: Aggregate, rows: Sequence[Summary], draws: Values) -> list[Summary]:
    """The mean over labels of what `rows` have for each label, by metric; `draws` are those of each row."""
    found = []
    places: dict[str, list[int]] = {}
    for place, each in enumerate(rows):
        if isinstance(each.label, int):
            places.setdefault(each.metric, []).append(place)
    for metric, own in places.items():
        means = [rows[place].mean for place in own]
        values = np.array([math.nan if mean is None else mean for mean in means])
        n = int(np.count_nonzero(~np.isnan(values)))
        described = row(
            aggregate=aggregate,
            label=None,
            name=None,
            metric=metric,
            unit=" or ".join(sorted({unit for place in own for unit in [rows[place].unit] if unit})) or None,
            n=n,
            n_undefined=len(own) - n,
            n_missed=sum(rows[place].n_missed for place in own),
            n_false_alarm=sum(rows[place].n_false_alarm for place in own),
            n_absent=0,
        )
        if n:
            with_values = [place for place, value in zip(own, values, strict=True) if not math.isnan(value)]
            described = _described(described, values, _interval(_mean_of(draws[:, with_values])))
        found.append(described)
    return found


def _mean_of(draws: Values) -> Values:
    """The mean over the labels that each draw has, shape (draws,)."""
    defined = ~np.isnan(draws)
    with np.errstate(invalid="ignore"):
        means: Values = np.where(defined, draws, 0.0).sum(axis=1) / defined.sum(axis=1)
    return means


def _pooled(
    row: Callable[..., Summary], results: Results, scored: Sequence[CaseRecord], columns: Sequence[_Column]
) -> list[Summary]:
    """Each label's counted metrics from its counts summed over all scored cases, and the means of those over labels."""
    wanted = [column for column in columns if _is_pooled(column.metric)]
    if not wanted or not len(results.counts):
        return []
    labels = list(dict.fromkeys(column.label for column in wanted))
    counts = _counts(results, scored, labels)
    totals = counts.sum(axis=0)
    flat = counts.reshape(len(scored), -1).astype(np.float64)
    several = len(scored) > 1
    sums = [weights @ flat for weights in _weights(len(scored))] if several else []  # whole numbers: exact
    drawn = np.concatenate(sums).reshape(DRAWS, len(labels), 4) if several else np.empty((0, len(labels), 4))
    rows, draws = [], np.full((len(drawn), len(wanted)), np.nan)
    for place, column in enumerate(wanted):
        label = labels.index(column.label)
        score_of = _scorer(column.metric)
        draws[:, place] = [score_of(voxels) for voxels in drawn[:, label].tolist()]
        interval = _interval(draws[:, place]) if several else None
        value = score_of(totals[label].tolist())
        defined = not math.isnan(value)
        rows.append(
            row(
                aggregate="pooled",
                label=column.label,
                name=column.name,
                metric=column.metric,
                unit=column.unit,
                n=len(scored) if defined else 0,
                n_undefined=0 if defined else len(scored),
                n_missed=0,
                n_false_alarm=0,
                n_absent=0,
                mean=value if defined else None,
                ci_low=interval[0] if interval and defined else None,
                ci_high=interval[1] if interval and defined else None,
            )
        )
    return rows + _macro(row, "macro_pooled", rows, draws)


def _is_pooled(metric: str) -> bool:
    """Whether a metric is made of counts that may be added up: a volume is not, voxels differ in size."""
    card = parse(metric).card
    return card.needs is Counts and card.quantity is not Quantity.VOLUME


def _counts(results: Results, scored: Sequence[CaseRecord], labels: Sequence[Key]) -> NDArray[np.int64]:
    """TP, FP, FN and TN by case and label; a case without the label has it nowhere. Shape (cases, labels, 4)."""
    chosen = results.counts.of(record.case for record in scored)
    counts = np.zeros((len(scored), len(labels), 4), np.int64)
    counts[:, :, 3] = np.array([record.voxels or 0 for record in scored], np.int64)[:, None]
    rank = {record.case: place for place, record in enumerate(scored)}
    ranks = np.array([rank.get(case, -1) for case in chosen.cases.values], np.int64)
    place = {label: place for place, label in enumerate(labels)}
    places = np.array([place.get(label, -1) for label in chosen.labels.values], np.int64)
    rows, columns = ranks[chosen.case_codes], places[chosen.label_codes]
    wanted = columns >= 0
    counts[rows[wanted], columns[wanted]] = chosen.voxels[wanted]
    return counts


def _scorer(metric: str) -> Callable[[Sequence[float]], float]:
    """What makes a metric of TP, FP, FN and TN."""
    request = parse(metric)
    parameter = request.card.parameter
    arguments = {}
    if parameter is not None:
        arguments[parameter.name] = parameter.default if request.value is None else request.value

    def score(voxels: Sequence[float]) -> float:
        tp, fp, fn, tn = map(int, voxels)
        return float(request.card.function(Counts(tp=tp, fp=fp, fn=fn, tn=tn), **arguments))

    return score
