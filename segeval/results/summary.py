"""The summary of results: means over cases with intervals, quartiles, extremes, the worst case, and all counts.

Each mean comes with the number of its values, and with the numbers of undefined values, of cases without the label, and
of cases that failed, have no prediction or were skipped. A mean is summed as pandas and NumPy sum a column, so the mean
of the CSV's column is the same to the last digit.

Intervals come from `segeval.results.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.counts import Counts
from segeval.maps.labels import Key, number_of
from segeval.metrics import parse
from segeval.results.columns import Scores
from segeval.results.intervals import MeanOverLabels, drawn_means, drawn_sums, interval_of
from segeval.results.matrix import ScoreMatrix
from segeval.results.results import Results
from segeval.results.rows import ABSENT, ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, CaseRecord, Status
from segeval.results.run_rows import Aggregate, Summary
from segeval.results.statistics import Values, badness, quantile, weighted_mean

COLUMNS_AT_ONCE = 512  # their draws take a few MB, however many labels there are


def summary_of(results: Results) -> tuple[Summary, ...]:
    """Summarise results over all cases, then over each group.

    Parameters
    ----------
    results
        Results of any number of cases.

    Returns
    -------
    tuple of Summary
        A row for each label and metric, then the mean over labels of each metric, then the scores from pooled voxel
        counts: first for all cases, then for each group. Empty if no case was scored.
    """
    scored_cases = _ScoredCases.of(results)
    rows = _rows(scored_cases, results.cases)
    for column in dict.fromkeys(column for record in results.cases for column in record.groups):
        members: dict[str, list[CaseRecord]] = {}
        for record in results.cases:
            members.setdefault(record.groups.get(column, ""), []).append(record)
        for value, cases in members.items():
            rows += [replace(row, by=column, group=value) for row in _rows(scored_cases, cases)]
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One label and metric over some cases; NaN if a case has no value or no row."""

    label: Key
    name: str | None
    metric: str
    unit: str | None
    values: Values
    present: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]
    in_both: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScoredCases:
    """All scores and counts as matrices with a row for each scored case, from which groups of cases are selected."""

    rank: dict[str, int]  # row of each scored case
    kinds: list[tuple[Key, str]]  # label and metric of each column
    values: Values
    notes: NDArray[np.int16]  # codes; -1 if there is no row
    names: NDArray[np.int32]
    units: NDArray[np.int16]
    scores: Scores  # has the values of the codes
    counted: list[Key]  # labels that have counts
    counts: NDArray[np.int64]  # TP, FP, FN, TN of each case and label
    weights: Mapping[str, float]  # weights of labels, by number or name

    def weight_of(self, label: Key, name: str | None) -> float:
        """Return the weight of a label in means over labels."""
        return number_of(label, name, self.weights, 1.0)

    @classmethod
    def of(cls, results: Results) -> _ScoredCases:
        """Collect the scores of results: labels by number, then regions, then metrics over all labels."""
        scored = [record for record in results.cases if record.status == "scored"]
        cases = [record.case for record in scored]
        scores = results.scores.of(cases)
        matrix = ScoreMatrix.of(scores, cases, order=_order(results))
        counted = list(dict.fromkeys(label for label, metric in matrix.columns if parse(metric).card.is_pooled))
        return cls(
            rank={case: place for place, case in enumerate(cases)},
            kinds=matrix.columns,
            values=matrix.filled(scores.values, math.nan),
            notes=matrix.filled(scores.note_codes, -1),
            names=matrix.filled(scores.name_codes, -1),
            units=matrix.filled(scores.unit_codes, -1),
            scores=scores,
            counted=counted,
            counts=_counts(results, scored, counted),
            weights=results.settings.get("weight", {}),
        )

    def columns(self, rows: NDArray[np.intp]) -> list[_Column]:
        """Return the columns that at least one of some cases has."""
        empty = (PREDICTION_EMPTY, REFERENCE_EMPTY, ABSENT)
        missed, false_alarm, absent = (self.scores.codes_of(note) for note in empty)
        found = []
        for place, (label, metric) in enumerate(self.kinds):
            notes, values = self.notes[rows, place], self.values[rows, place]
            if (notes < 0).all():
                continue
            defined = ~np.isnan(values)
            units = set(_texts_of(self.units[rows, place], self.scores.units.values))
            found.append(
                _Column(
                    label=label,
                    name=next(_texts_of(self.names[rows, place], self.scores.names.values), None),
                    metric=metric,
                    unit=" or ".join(sorted(units)) or None,
                    values=values,
                    present=notes >= 0,
                    missed=np.isin(notes, missed) & defined,
                    false_alarm=np.isin(notes, false_alarm) & defined,
                    in_both=~np.isin(notes, [*missed, *false_alarm, *absent]),
                )
            )
        return found


def _rows(scored_cases: _ScoredCases, members: Sequence[CaseRecord]) -> list[Summary]:
    """Return the summary over some of the cases."""
    scored = [record for record in members if record.status == "scored"]
    status = [record.status for record in members]

    def lost(kind: Status) -> int:
        return status.count(kind)

    row = partial(Summary, n_failed=lost("failed"), n_missing=lost("missing"), n_skipped=lost("skipped"))
    places = np.array([scored_cases.rank[record.case] for record in scored], np.intp)
    columns = scored_cases.columns(places)
    over_labels = MeanOverLabels()
    rows: list[Summary] = []
    for start in range(0, len(columns), COLUMNS_AT_ONCE):
        block = columns[start : start + COLUMNS_AT_ONCE]
        means = drawn_means(np.stack([column.values for column in block], axis=1))
        for place, column in enumerate(block):
            rows.append(_over_cases(row, column, scored, interval=interval_of(means[:, place])))
            if isinstance(column.label, int):
                over_labels.add(column.metric, means[:, place], scored_cases.weight_of(column.label, column.name))
    rows += _macro(row, "macro", rows, over_labels, scored_cases)
    return rows + _pooled(row, scored_cases, places, columns) if columns else []


def _texts_of(codes: NDArray[np.signedinteger], values: Sequence[str | None]) -> Iterator[str]:
    """Yield the text of each code once, in order of first occurrence; codes without a text are left out."""
    found, first = np.unique(codes, return_index=True)
    for code in found[np.argsort(first)].tolist():
        text = values[code] if code >= 0 else None
        if text is not None:
            yield text


def _order(results: Results) -> Callable[[Key, str], tuple[int, int, str, int]]:
    metrics = {metric: place for place, metric in enumerate(results.metrics)}
    regions = {region: place for place, region in enumerate(results.settings.get("regions", {}))}

    def key(label: Key, metric: str) -> tuple[int, int, str, int]:
        place = metrics.get(metric, len(metrics))
        if isinstance(label, int):
            return 0, label, "", place
        if label == ALL:
            return 2, 0, "", place
        return 1, regions.get(label, len(regions)), label, place

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
        n_missed=int(np.count_nonzero(column.missed)),
        n_false_alarm=int(np.count_nonzero(column.false_alarm)),
        n_absent=len(scored) - int(np.count_nonzero(column.present)),
    )
    if not n:
        return described
    worst = int(np.nanargmax(badness(column.values, parse(column.metric).card)))
    described = _described(described, column.values[column.present], interval if n > 1 else None)
    found = column.values[defined & column.in_both]
    mean_found = float(found.sum() / len(found)) if len(found) else None
    return replace(described, worst_case=scored[worst].case, mean_found=mean_found)


def _described(row: Summary, values: Values, interval: tuple[float, float] | None) -> Summary:
    """Return the row with mean, spread and quantiles of values, some of which may be NaN."""
    defined = np.sort(values[~np.isnan(values)])
    n = len(defined)
    # in the order of the rows, with zeros for NaN, as pandas sums a column
    mean = float(np.where(np.isnan(values), 0.0, values).sum() / n)
    finite = math.isfinite(mean)
    low, high = interval if interval is not None and finite else (None, None)
    return replace(
        row,
        mean=mean,
        sd=float(np.std(defined, ddof=1)) if n > 1 and finite else None,
        ci_low=low,
        ci_high=high,
        median=quantile(defined, 0.5),
        q1=quantile(defined, 0.25),
        q3=quantile(defined, 0.75),
        min=float(defined[0]),
        max=float(defined[-1]),
    )


def _macro(
    row: Callable[..., Summary],
    aggregate: Aggregate,
    rows: Sequence[Summary],
    draws: MeanOverLabels,
    scored_cases: _ScoredCases,
) -> list[Summary]:
    """Return the mean over labels of each metric, from the rows of the labels."""
    found = []
    by_metric: dict[str, list[Summary]] = {}
    for each in rows:
        if isinstance(each.label, int):
            by_metric.setdefault(each.metric, []).append(each)
    for metric, own in by_metric.items():
        values = np.array([math.nan if each.mean is None else each.mean for each in own])
        n = int(np.count_nonzero(~np.isnan(values)))
        described = row(
            aggregate=aggregate,
            label=None,
            name=None,
            metric=metric,
            unit=" or ".join(sorted({each.unit for each in own if each.unit})) or None,
            n=n,
            n_undefined=len(own) - n,
            n_missed=sum(each.n_missed for each in own),
            n_false_alarm=sum(each.n_false_alarm for each in own),
            n_absent=0,
        )
        described = _described(described, values, draws.interval(metric)) if n else described
        weights = [scored_cases.weight_of(each.label, each.name) for each in own if each.label is not None]
        if n and scored_cases.weights:
            described = replace(described, mean=weighted_mean(values, np.array(weights)))
        if aggregate == "macro":
            where_found = np.array([math.nan if each.mean_found is None else each.mean_found for each in own])
            described = replace(described, mean_found=weighted_mean(where_found, np.array(weights)))
        found.append(described)
    return found


def _pooled(
    row: Callable[..., Summary], scored_cases: _ScoredCases, places: NDArray[np.intp], columns: Sequence[_Column]
) -> list[Summary]:
    """Return each label's scores from its voxel counts summed over the scored cases, and their means over labels."""
    wanted = [column for column in columns if parse(column.metric).card.is_pooled]
    place_of = {label: place for place, label in enumerate(scored_cases.counted)}
    n, rows, over_labels = len(places), [], MeanOverLabels()
    for start in range(0, len(wanted), COLUMNS_AT_ONCE):
        block = wanted[start : start + COLUMNS_AT_ONCE]
        labels = list(dict.fromkeys(column.label for column in block))
        counts = scored_cases.counts[places][:, [place_of[label] for label in labels]]
        totals = counts.sum(axis=0)
        drawn = drawn_sums(counts.reshape(n, -1).astype(np.float64)).reshape(-1, len(labels), 4)
        for column in block:
            place = labels.index(column.label)
            value = _score_of(column.metric, *totals[place].tolist())
            scores = _scores_of(column.metric, drawn[:, place]) if n > 1 else np.full(1, np.nan)
            rows.append(_of_totals(row, column, n, value, interval_of(scores)))
            if isinstance(column.label, int):
                over_labels.add(column.metric, scores, scored_cases.weight_of(column.label, column.name))
    return rows + _macro(row, "macro_pooled", rows, over_labels, scored_cases)


def _of_totals(
    row: Callable[..., Summary], column: _Column, n: int, value: float, interval: tuple[float, float] | None
) -> Summary:
    defined = not math.isnan(value)
    return row(
        aggregate="pooled",
        label=column.label,
        name=column.name,
        metric=column.metric,
        unit=column.unit,
        n=n if defined else 0,
        n_undefined=0 if defined else n,
        n_missed=0,
        n_false_alarm=0,
        n_absent=0,
        mean=value if defined else None,
        ci_low=interval[0] if interval and defined else None,
        ci_high=interval[1] if interval and defined else None,
    )


def _counts(results: Results, scored: Sequence[CaseRecord], labels: Sequence[Key]) -> NDArray[np.int64]:
    """Return TP, FP, FN and TN by case and label; without the label all voxels are TN. Shape (cases, labels, 4)."""
    chosen = results.counts.of(record.case for record in scored)
    counts = np.zeros((len(scored), len(labels), 4), np.int64)
    counts[:, :, 3] = np.array([record.voxels or 0 for record in scored], np.int64)[:, None]
    rows = chosen.cases.places_in(record.case for record in scored)[chosen.case_codes]
    columns = chosen.labels.places_in(labels)[chosen.label_codes]
    wanted = columns >= 0
    counts[rows[wanted], columns[wanted]] = chosen.voxels[wanted]
    return counts


def _score_of(metric: str, *voxels: Any) -> Any:
    """Compute a metric from TP, FP, FN and TN, which may be arrays if its function accepts them."""
    request = parse(metric)
    parameter = request.card.parameter
    arguments = {}
    if parameter is not None:
        arguments[parameter.name] = parameter.default if request.value is None else request.value
    return request.card.function(Counts(**dict(zip(("tp", "fp", "fn", "tn"), voxels, strict=True))), **arguments)


def _scores_of(metric: str, voxels: Values) -> Values:
    """Compute a metric for each row of TP, FP, FN and TN; shape (draws, 4) -> (draws,)."""
    try:
        scores: Values = _score_of(metric, *voxels.T)
    except ValueError:  # the function compares a single number with 0, which fails for arrays
        return np.array([_score_of(metric, *map(int, row)) for row in voxels.tolist()])
    return scores
