"""Results files that other systems read: nnU-Net's summary.json, and metrics.json of grand-challenge.org.

Both are valid JSON: undefined and infinite values are null, where nnU-Net itself writes NaN. Scores are computed only
for nnU-Net's summary, which always has Dice and IoU; they are made of the voxel counts. Neither file has the signature:
their readers know no place for it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from textwrap import indent
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import shown
from segeval.maps.labels import Key
from segeval.reports.csv_files import label_rows, whole_if_counted
from segeval.results.gate import AGGREGATES, COUNTS, VALUES
from segeval.results.results import Results
from segeval.results.rows import ALL, UNSCORED, CaseRecord, Score
from segeval.results.run_rows import Summary

REGION_LABELS = 1000  # a region of more labels keeps its name
_OF_COUNTS = ("TP", "FP", "FN", "TN", "n_pred", "n_ref")
_RATIOS = ("Dice", "IoU")

Values = NDArray[np.float64]


def to_nnunet(results: Results) -> Iterator[str]:
    """Write the summary.json of nnU-Net v2: counts, Dice and IoU by case, and their means.

    Cases that were not scored are left out. Every case has every label that occurs in any case: if the label is absent,
    its Dice and IoU are null, and left out of the mean over cases. The mean over labels leaves out the background, and
    is null if a label has no mean. A region made of numbers is listed with the labels, under its numbers: ``(1, 2)``.

    Parameters
    ----------
    results
        Results with their voxel counts.

    Yields
    ------
    str
        Pieces of JSON.
    """
    scored = [record for record in results.cases if record.status == "scored"]
    labels = _counted_labels(results)
    keys = _nnunet_keys(labels, results.settings.get("regions", {}))
    counts, ratios = _evidence(results, scored, labels)
    means = {
        key: {name: _mean(counts[:, place, column]) for column, name in enumerate(_OF_COUNTS)}
        | {name: _mean(ratios[:, place, column]) for column, name in enumerate(_RATIOS)}
        for place, key in enumerate(keys)
    }
    over = [key for key, label in zip(keys, labels, strict=True) if isinstance(label, int)] or keys
    foreground = [mean for key, mean in means.items() if key in over and key != "0"]
    over_labels = {
        name: float(np.mean([mean[name] for mean in foreground])) if foreground else math.nan
        for name in (*_OF_COUNTS, *_RATIOS)
    }
    yield f'{{\n    "foreground_mean": {_nested(_finite(over_labels), 4)},\n'
    yield f'    "mean": {_nested({key: _finite(mean) for key, mean in means.items()}, 4)},\n'
    yield '    "metric_per_case": ['
    for place, record in enumerate(scored):
        metrics = {
            key: dict(zip(_OF_COUNTS, voxels, strict=True)) | _finite(dict(zip(_RATIOS, values, strict=True)))
            for key, voxels, values in zip(keys, counts[place].tolist(), ratios[place].tolist(), strict=True)
        }
        document = {
            "metrics": metrics,
            "prediction_file": record.prediction or "",
            "reference_file": record.reference,
        }
        yield f"{',' if place else ''}\n        {_nested(document, 8)}"
    yield "\n    ]\n}\n" if scored else "]\n}\n"


def _counted_labels(results: Results) -> list[Key]:
    """Return the labels by number, then the regions in the order of the request."""
    found = {row.label for row in results.counts}
    regions = [label for label in results.settings.get("regions", {}) if label in found]
    others = sorted(label for label in found if isinstance(label, str) and label not in regions)
    return [*sorted(label for label in found if isinstance(label, int)), *regions, *others]


def _nnunet_keys(labels: Iterable[Key], regions: Mapping[str, str]) -> list[str]:
    keys: dict[str, None] = {}
    for label in labels:
        key = str(label) if isinstance(label, int) else _numbers(regions.get(label, "")) or label
        keys[key if key not in keys else _untaken(key, keys)] = None  # two regions may have the same numbers
    return list(keys)


def _numbers(members: str) -> str | None:
    """Return the labels of a region as a tuple; None if it is not made of numbers alone, or of too many to list."""
    numbers: dict[int, None] = {}
    for part in members.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return None
        start, end = int(first), int(last or first)
        if end - start >= REGION_LABELS:
            return None
        numbers.update(dict.fromkeys(range(start, end + 1)))
    return str(tuple(numbers)) if len(numbers) <= REGION_LABELS else None


def _evidence(
    results: Results, scored: Sequence[CaseRecord], labels: Sequence[Key]
) -> tuple[NDArray[np.int64], Values]:
    """Return counts and ratios by case and label, in the order of `_OF_COUNTS` and `_RATIOS`.

    Their shapes are (cases, labels, 6) and (cases, labels, 2).
    """
    counts = np.zeros((len(scored), len(labels), len(_OF_COUNTS)), np.int64)
    counts[:, :, 3] = np.array([record.voxels or 0 for record in scored], np.int64)[:, None]
    case_places = {record.case: place for place, record in enumerate(scored)}
    label_places = {label: place for place, label in enumerate(labels)}
    for row in results.counts:
        place = case_places.get(row.case)
        if place is not None:
            pair = row.tp + row.fp, row.tp + row.fn
            counts[place, label_places[row.label]] = (row.tp, row.fp, row.fn, row.tn, *pair)
    tp, fp, fn = counts[:, :, 0], counts[:, :, 1], counts[:, :, 2]
    with np.errstate(invalid="ignore"):
        ratios = np.stack([2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)], axis=-1)
    return counts, ratios


def _mean(column: NDArray[np.int64] | Values) -> float:
    """Return the mean of the defined values; contiguous, because NumPy adds up a stride in another order."""
    values: Values = np.ascontiguousarray(column, np.float64)
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def _nested(value: object, spaces: int) -> str:
    text = json.dumps(value, indent=4, sort_keys=True, allow_nan=False)
    return indent(text, " " * spaces).lstrip()


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: value if value is not None and math.isfinite(value) else None for key, value in values.items()}


def to_grand_challenge(results: Results) -> Iterator[str]:
    """Write the metrics.json of an evaluation method on grand-challenge.org.

    The platform finds a value by a path whose parts are separated by dots, so dots in keys become ``_``; if that makes
    keys the same, the later ones end in ``_2``, ``_3``. The key of a label is its name, or its number if several labels
    have that name. The paths are

    - ``aggregates.METRIC.LABEL.STATISTIC``, where label is ``all`` for a metric over all labels
    - ``aggregates.METRIC.macro.STATISTIC`` and ``aggregates.METRIC.macro_pooled.STATISTIC``: means over labels
    - ``aggregates.METRIC.pooled.LABEL.STATISTIC``: from voxel counts summed over cases
    - ``aggregates.cases.total``, ``.scored``, ``.failed``, ``.missing``, ``.skipped``
    - ``case.CASE.METRIC.LABEL``

    Statistics are those of the summary: ``mean``, ``median``, ``sd``, ``n_missed`` and so on. Groups are left out.

    Parameters
    ----------
    results
        Results with their summary.

    Yields
    ------
    str
        Pieces of JSON.
    """
    metrics = _dotless(results.scored_metrics, taken=["cases"])
    labels = _label_keys(results)
    cases = _dotless(record.case for record in results.cases)
    status = [record.status for record in results.cases]
    aggregates: dict[str, dict[str, Any]] = {
        "cases": {"total": len(status)} | {each: status.count(each) for each in ("scored", *UNSCORED)}
    }
    for row in results.summary:
        if row.by is None:
            of_metric = aggregates.setdefault(metrics[row.metric], {})
            if row.label is None:
                of_metric[row.aggregate] = _statistics(row)
            elif row.aggregate == "pooled":
                of_metric.setdefault("pooled", {})[labels[row.label]] = _statistics(row)
            else:
                of_metric[labels[row.label]] = _statistics(row)
    separator = '{"aggregates": {\n  '
    for key, value in aggregates.items():
        yield f"{separator}{_line(key, value)}"
        separator = ",\n  "
    yield '},\n "case": {'
    separator = "\n  "
    for case, rows in groupby(label_rows(results), key=lambda row: row[0].case):
        values: dict[str, dict[str, float | None]] = {}
        for score in chain.from_iterable(scores for _, scores in rows):
            values.setdefault(metrics[score.metric], {})[labels[score.label]] = _value(score.value, score.metric)
        yield f"{separator}{_line(cases[case], values)}"
        separator = ",\n  "
    yield "}}\n"


def _line(key: str, value: object) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"


def _statistics(row: Summary) -> dict[str, float | None]:
    return _finite({name: getattr(row, name) for name in (*VALUES, *COUNTS)})


def _value(value: float | None, metric: str) -> float | None:
    return None if value is None or not math.isfinite(value) else whole_if_counted(value, metric)


def _label_keys(results: Results) -> dict[Key, str]:
    """Return label -> key: its name if no other label has it, else its number; for a region, its name."""
    names: dict[Key, str] = {}
    rows: Iterable[Summary | Score] = chain(results.summary, results.scores)
    for row in rows:
        if row.label is not None and row.label != ALL:
            names[row.label] = names.get(row.label) or row.name or (row.label if isinstance(row.label, str) else "")
    often = Counter(names.values())
    reserved = {ALL, *AGGREGATES}
    numbers = {str(label) for label in names}
    texts = {
        label: name if name and often[name] == 1 and name not in reserved | numbers - {label} else str(label)
        for label, name in names.items()
    }
    keys = _dotless(texts.values(), taken=reserved)
    return {ALL: ALL} | {label: keys[text] for label, text in texts.items()}


def _dotless(texts: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return text -> key without a dot, all different; texts that need no change come first."""
    texts = list(dict.fromkeys(texts))
    used = set(taken)
    keys: dict[str, str] = {}
    for text in sorted(texts, key=lambda text: _plain(text) != text):
        key = _plain(text)
        keys[text] = key if key not in used else _untaken(key, used)
        used.add(keys[text])
    return keys


def _plain(text: str) -> str:
    return shown(text).replace(".", "_")


def _untaken(key: str, used: Collection[str]) -> str:
    number = 2
    while f"{key}_{number}" in used:
        number += 1
    return f"{key}_{number}"
