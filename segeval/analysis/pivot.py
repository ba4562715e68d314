"""Pivot tables: the values of a metric for each combination of levels of some factors, and their statistics.

A factor is a column of a metadata table (network, learning rate), or one of `OWN`, which all results have. Levels are
texts; levels that are numbers are sorted as numbers. Each case is accounted for: missing values are counted in the
cell, and cases without a cell are counted separately.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segeval.analysis.levels import level_order
from segeval.analysis.results_files import (
    ResultsFile,
    check_metrics,
    label_order,
    results_files,
    wanted_labels,
)
from segeval.errors import InputError, UsageError, shown
from segeval.maps.labels import Key
from segeval.metrics import find, parse
from segeval.results.results import Results
from segeval.results.rows import ALL
from segeval.results.statistics import Values, quantile
from segeval.text import enumerated

FILE, LABEL, NAME, METRIC = OWN = ("file", "label", "name", "metric")

Levels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The values of one metric for one combination of levels.

    Parameters
    ----------
    metric, unit
        The metric with its number, and the unit of the values.
    n
        Number of values.
    n_left_out
        Number of cases without a value: undefined, absent, or not scored.
    mean, sd, median, q1, q3, iqr, min, max
        Statistics of the values, or None; quartiles are interpolated linearly, and `iqr` is q3 - q1.
    """

    metric: str
    unit: str | None
    n: int
    n_left_out: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    iqr: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pivot:
    """Scores by rows and columns of factors.

    Parameters
    ----------
    rows, columns
        The factors.
    row_levels, column_levels
        Combinations of levels that occur, in order.
    cells
        Cells by (row levels, column levels); only for combinations that some case has.
    metrics
        The metrics in the cells.
    labels
        Names of the labels in the cells.
    together
        Whether a cell contains values of several labels.
    overlapping
        Regions that are left out because they overlap the labels.
    undefined
        Number of undefined values, by reason.
    absent
        Number of values that are missing because the label is in neither map.
    unscored
        Number of cases that were not scored, by status.
    unknown
        Cases without levels in the metadata; they are in no cell.
    repeated
        Number of cases that are in several files which the factors do not distinguish.
    signatures
        Signature of each file, by title.
    footnotes
        The conventions that the scores of each file depend on, by title.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_levels: tuple[Levels, ...]
    column_levels: tuple[Levels, ...]
    cells: Mapping[tuple[Levels, Levels], Cell]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    together: bool
    overlapping: tuple[str, ...]
    undefined: Mapping[str, int]
    absent: int
    unscored: Mapping[str, int]
    unknown: tuple[str, ...]
    repeated: int
    signatures: Mapping[str, str]
    footnotes: Mapping[str, str]

    @property
    def factors(self) -> tuple[str, ...]:
        """Factors of the rows, then of the columns."""
        return self.rows + self.columns


@dataclass(slots=True)
class _Gathered:
    """Values and counts collected so far."""

    values: dict[Levels, list[Values]] = field(default_factory=dict)
    expected: Counter[Levels] = field(default_factory=Counter)
    metric: dict[Levels, tuple[str, str | None]] = field(default_factory=dict)
    labels: dict[str, None] = field(default_factory=dict)
    together: bool = False
    overlapping: dict[str, None] = field(default_factory=dict)
    undefined: Counter[str] = field(default_factory=Counter)
    absent: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, None] = field(default_factory=dict)
    seen: Counter[tuple[str, Levels]] = field(default_factory=Counter)


def pivot(
    files: Mapping[str, Results],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    metrics: Sequence[str] = (),
    labels: Collection[str] = (),
    metadata: Mapping[str, Mapping[str, str]] | None = None,
    runs: Mapping[str, Mapping[str, str]] | None = None,
) -> Pivot:
    """Make a pivot table from the scores of results files.

    Parameters
    ----------
    files
        Results, by path.
    rows, columns
        Factors: columns of the metadata, or names of `OWN`.
    metrics
        Names or aliases of metrics; without any, those of the results.
    labels
        Numbers or names of labels and regions. Without any, if neither ``label`` nor ``name`` is a factor: all labels,
        and regions only for metrics that no label has, because regions overlap the labels.
    metadata
        Levels by case and factor; without it, the groups in the results files.
    runs
        Levels by file and factor, for factors that are the same for all cases of a results file. The key is the path
        of the file, its name, or its name without the suffix.

    Returns
    -------
    Pivot
        A cell for each combination of levels that a case has, scored or not.

    Raises
    ------
    UsageError
        A factor does not exist or is given twice; there are several metrics but no factor for them; a file does not
        have a metric or label; `runs` has no row, or two rows, for a file.
    InputError
        No case has levels.
    """
    factors = (*rows, *columns)
    of_runs = {path: _of_run(path, list(files), runs) for path in files}
    _check_factors(factors, files, metadata, of_runs)
    called = names_of(list(files))
    sources = results_files({called[path]: results for path, results in files.items()})
    tokens = _tokens(sources, list(files), metrics, factors)
    found = _Gathered()
    chosen = _chosen(sources, tokens, labels, found, by_label=not {LABEL, NAME}.isdisjoint(factors))
    for source, of_run in zip(sources, of_runs.values(), strict=True):
        _gather(found, source, chosen, factors, metadata, of_run)
    if not found.expected:
        raise InputError(_nothing(files, found))
    signatures = {called[path]: results.signature for path, results in files.items()}
    footnotes = {called[path]: results.footnote or results.signature for path, results in files.items()}
    laid_out = _laid_out(found, rows, columns, _order_of(factors, sources, tokens), tokens)
    return replace(laid_out, signatures=signatures, footnotes=footnotes)


def _laid_out(
    found: _Gathered,
    rows: Sequence[str],
    columns: Sequence[str],
    order: Sequence[Callable[[str], object]],
    tokens: Sequence[str],
) -> Pivot:
    """Arrange the values in rows and columns; `order` has a sort key of levels for each factor."""
    split = len(rows)
    cells = {(key[:split], key[split:]): _cell(found, key) for key in found.expected}
    return Pivot(
        rows=tuple(rows),
        columns=tuple(columns),
        row_levels=_sorted((key for key, _ in cells), order[:split]),
        column_levels=_sorted((key for _, key in cells), order[split:]),
        cells=cells,
        metrics=tuple(token for token in tokens if any(token == metric for metric, _ in found.metric.values())),
        labels=tuple(found.labels),
        together=found.together,
        overlapping=tuple(found.overlapping),
        undefined=found.undefined,
        absent=found.absent,
        unscored=found.unscored,
        unknown=tuple(found.unknown),
        repeated=len({case for (case, _), count in found.seen.items() if count > 1}),
        signatures={},
        footnotes={},
    )


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """Names of files in a table: without folder and suffix, or the whole path if two names are equal.

    Examples
    --------
    >>> names_of(["runs/unet.json", "runs/a/b.json", "runs/c/b.json"])
    {'runs/unet.json': 'unet', 'runs/a/b.json': 'runs/a/b.json', 'runs/c/b.json': 'runs/c/b.json'}
    """
    count = Counter(Path(path).stem for path in paths)
    return {path: Path(path).stem if count[Path(path).stem] == 1 else path for path in paths}


def _of_run(path: str, paths: Sequence[str], runs: Mapping[str, Mapping[str, str]] | None) -> Mapping[str, str]:
    """Levels of a results file."""
    if runs is None:
        return {}
    known = [name for name in dict.fromkeys((path, Path(path).name, Path(path).stem)) if name in runs]
    if len(known) != 1:
        found = " and ".join(map(shown, known)) or f"only {enumerated(list(runs), shown)}"
        raise UsageError(f"the metadata need one row for this results file, found {found}", source=path)
    others = [other for other in paths if other != path and known[0] in (Path(other).name, Path(other).stem)]
    if others and known[0] != path:
        raise UsageError(
            f"{shown(known[0])!r} in the metadata can mean this results file or {shown(others[0])}",
            source=path,
            hint="write the paths into the metadata",
        )
    return runs[known[0]]


def _check_factors(
    factors: Sequence[str],
    files: Mapping[str, Results],
    metadata: Mapping[str, Mapping[str, str]] | None,
    of_runs: Mapping[str, Mapping[str, str]],
) -> None:
    twice = [factor for factor, count in Counter(factors).items() if count > 1]
    if twice:
        raise UsageError(f"the factor {shown(twice[0])} is given twice")
    if metadata is not None:
        return
    known = {column for results in files.values() for record in results.cases for column in record.groups}
    known |= {column for columns in of_runs.values() for column in columns}
    lacking = [factor for factor in factors if factor not in OWN and factor not in known]
    if lacking:
        others = ", ".join(map(shown, (*OWN, *sorted(known))))
        raise UsageError(
            f"no factor is called {', '.join(repr(shown(factor)) for factor in lacking)}",
            hint=f"the factors are {others}, and the columns of the --metadata file",
        )


def _tokens(
    sources: Sequence[ResultsFile], paths: Sequence[str], metrics: Sequence[str], factors: Sequence[str]
) -> list[str]:
    """Selected metrics, or all metrics; only one unless metric is a factor."""
    if metrics:
        tokens = list(dict.fromkeys(parse(metric).token for metric in metrics))
        for path, source in zip(paths, sources, strict=True):
            check_metrics(source.results, tokens, path=path)
    else:
        tokens = list(dict.fromkeys(token for source in sources for token in source.results.scored_metrics))
    if METRIC not in factors and len(tokens) > 1:
        raise UsageError(
            f"the results have several metrics: {', '.join(tokens)}",
            hint="choose one with --metric, or make metric a factor",
        )
    return tokens


def _gather(
    found: _Gathered,
    source: ResultsFile,
    chosen: Sequence[tuple[Key, str]],
    factors: Sequence[str],
    metadata: Mapping[str, Mapping[str, str]] | None,
    of_run: Mapping[str, str],
) -> None:
    """Add the values of one file."""
    results = source.results
    of_cases: dict[Levels, list[int]] = {}
    case_factors = [factor for factor in factors if factor not in OWN]
    for place, record in enumerate(results.cases):
        known = record.groups if metadata is None else metadata.get(record.case, {})
        levels = _levels_of({**known, **of_run}, case_factors)
        if levels is None:
            found.unknown[record.case] = None
            continue
        of_cases.setdefault(levels, []).append(place)
        found.seen[record.case, (*levels, source.title if FILE in factors else "")] += 1
        if record.status != "scored":
            found.unscored[record.status] += 1
    scored = np.array([record.status == "scored" for record in results.cases], bool)
    units, scored_metrics = source.units(), set(results.scored_metrics)
    for levels, places in of_cases.items():
        of_factor = dict(zip(case_factors, levels, strict=True))
        for label, metric in chosen:
            if metric not in scored_metrics:
                continue
            own = of_factor | {FILE: source.title, LABEL: str(label), NAME: source.names[label], METRIC: metric}
            key = tuple(own[factor] for factor in factors)
            values, reasons = source.column((label, metric))
            values, reasons = values[places], reasons[places]
            defined = ~np.isnan(values)
            found.values.setdefault(key, []).append(values[defined])
            found.expected[key] += len(places)
            found.metric[key] = (metric, units.get(metric) or found.metric.get(key, ("", None))[1])
            found.absent += int(((reasons < 0) & scored[places]).sum())
            for code, count in Counter(reasons[~defined & (reasons >= 0)].tolist()).items():
                reason = (results.scores.notes.values[code] or "no reason given").removeprefix("undefined: ")
                found.undefined[reason] += count


def _levels_of(known: Mapping[str, str], factors: Sequence[str]) -> Levels | None:
    return tuple(known[factor] for factor in factors) if all(factor in known for factor in factors) else None


def _chosen(
    sources: Sequence[ResultsFile],
    tokens: Collection[str],
    labels: Collection[str],
    found: _Gathered,
    *,
    by_label: bool,
) -> list[tuple[Key, str]]:
    """Select the labels and metrics of the cells, sorted by label."""
    kinds = list(dict.fromkeys(kind for source in sources for kind in source.column_of if kind[1] in tokens))
    kinds.sort(key=lambda kind: label_order(kind[0]))
    called = wanted_labels(sources, (label for label, _ in kinds), labels)
    if labels:
        kept = [kind for kind in kinds if kind[0] in called]
    elif by_label:
        kept = kinds
    else:
        numbered = {metric for label, metric in kinds if isinstance(label, int)}
        kept = [(label, metric) for label, metric in kinds if isinstance(label, int) or metric not in numbered]
    if not labels:
        found.overlapping |= {sources[0].names[label]: None for label in called if label not in dict(kept)}
    found.labels |= {sources[0].names[label]: None for label, _ in kept}
    found.together = not by_label and max(Counter(metric for _, metric in kept).values(), default=0) > 1
    return kept


def _cell(found: _Gathered, key: Levels) -> Cell:
    ordered = np.sort(np.concatenate(found.values[key]))
    metric, unit = found.metric[key]
    n = len(ordered)
    cell = Cell(metric=metric, unit=unit, n=n, n_left_out=found.expected[key] - n)
    if not n:
        return cell
    q1, median, q3 = (quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    finite = bool(np.isfinite(ordered).all())
    return replace(
        cell,
        mean=float(ordered.mean()),
        sd=float(np.std(ordered, ddof=1)) if n > 1 and finite else None,
        median=median,
        q1=q1,
        q3=q3,
        iqr=q3 - q1 if math.isfinite(q1) else None,
        min=float(ordered[0]),
        max=float(ordered[-1]),
    )


def _order_of(
    factors: Sequence[str], sources: Sequence[ResultsFile], tokens: Sequence[str]
) -> list[Callable[[str], object]]:
    """Sort keys of the levels, by factor: files and metrics as given, names by label, others by value."""
    names: dict[str, tuple[int, int, str]] = {}
    for source in sources:
        for label, name in source.names.items():
            names[name] = min(names.get(name, (9, 0, "")), (*label_order(label), name))
    files = {source.title: place for place, source in enumerate(sources)}
    metrics = {token: place for place, token in enumerate(tokens)}
    keys: dict[str, Callable[[str], object]] = {FILE: files.__getitem__, METRIC: metrics.__getitem__}
    keys |= {NAME: names.__getitem__, LABEL: lambda level: (level == ALL, level_order(level))}
    return [keys.get(factor, level_order) for factor in factors]


def _sorted(levels: Iterable[Levels], keys: Sequence[Callable[[str], object]]) -> tuple[Levels, ...]:
    def key(each: Levels) -> tuple[object, ...]:
        return tuple(of(level) for of, level in zip(keys, each, strict=True))

    return tuple(sorted(dict.fromkeys(levels), key=key))


def _nothing(files: Mapping[str, Results], found: _Gathered) -> str:
    cases = sum(len(results.cases) for results in files.values())
    if found.unknown:
        names = enumerated(list(found.unknown), shown)
        return f"none of the {cases} cases in the results is in the metadata: {names}"
    return "the results have no scores" if cases else "the results have no cases"


def unit_of(metric: str, cells: Iterable[Cell]) -> str:
    """Unit of the values of a metric; empty for a ratio, or if files differ."""
    units = {cell.unit or "" for cell in cells if cell.metric == metric and cell.n}
    return units.pop() if len(units) == 1 else ""


def direction_of(metric: str) -> str:
    """Direction of a metric: ``"higher"``, ``"lower"`` or ``"neither"`` is better."""
    card = find(metric.partition("@")[0])
    return "neither" if card is None else str(card.better)
