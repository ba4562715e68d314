"""Cases behind requirements that were not met, for reports that name them.

A requirement on ``min``, ``max``, ``n_missed``, ``n_false_alarm`` or ``n_undefined`` is one for each case: it is met
unless a case breaks it, so that the cases to blame are known. One on a mean or a quantile is for all cases together;
then the worst cases are named.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from segeval.maps.labels import Key
from segeval.metrics import Direction, Metric, find
from segeval.reports.csv_files import whole_if_counted
from segeval.results.gate import COUNTS, VALUES
from segeval.results.results import Results
from segeval.results.rows import ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, Score
from segeval.results.run_rows import Verdict
from segeval.results.statistics import badness

WORST = 3  # cases that are named for a requirement on all cases together

_REQUIREMENT = re.compile(r"(?:(?P<label>.*):)?(?P<what>[^:=<>]+?)(?P<sign>>=|<=|=)(?P<limit>[^:=<>]+)", re.DOTALL)
_COUNTED: dict[str, Callable[[Score], bool]] = {
    "n_missed": lambda score: score.value is not None and _first_note(score) == PREDICTION_EMPTY,
    "n_false_alarm": lambda score: score.value is not None and _first_note(score) == REFERENCE_EMPTY,
    "n_undefined": lambda score: score.value is None,
}
_NOUNS = {"n_missed": "missed", "n_false_alarm": "false alarm", "n_undefined": "undefined"}


class Unmet(NamedTuple):
    """The cases behind a requirement that was not met.

    Parameters
    ----------
    is_per_case
        Whether these cases break it; otherwise they are the worst ones.
    cases
        Case -> its value, as text, the worst case first.
    """

    is_per_case: bool
    cases: dict[str, str]


class _Parts(NamedTuple):
    label: str
    metric: str
    statistic: str
    sign: str
    limit: float


def titles_of(results: Results) -> dict[Key, str]:
    """Return the title of each label: its name, with the number if several labels have that name, or its number."""
    scores, names = results.scores, dict[Key, str | None]()
    for code, name in dict.fromkeys(zip(scores.label_codes.tolist(), scores.name_codes.tolist(), strict=True)):
        label = scores.labels.values[code]
        names[label] = names.get(label) or scores.names.values[name]
    names.pop(ALL, None)
    return {**_distinct({label: name or str(label) for label, name in names.items()}), ALL: ALL}


def _distinct(names: Mapping[Key, str]) -> dict[Key, str]:
    often = Counter(names.values())
    return {label: name if often[name] == 1 else f"{name} ({label})" for label, name in names.items()}


def unmet_by(results: Results, titles: Mapping[Key, str]) -> list[Unmet]:
    """Return the cases behind each requirement of the gate; there are none where it was met.

    Parameters
    ----------
    results
        Results with a gate.
    titles
        See `titles_of`.
    """
    parts = [None if verdict.passed else _parts(verdict) for verdict in results.gate]
    metrics = {each.metric for each in parts if each is not None}
    rows: dict[tuple[str, str], list[Score]] = {}
    if metrics:
        for score in results.scores:
            if score.metric in metrics:
                rows.setdefault((titles[score.label], score.metric), []).append(score)
    nothing = Unmet(is_per_case=False, cases={})
    return [nothing if each is None else _unmet(each, rows.get((each.label, each.metric), [])) for each in parts]


def _parts(verdict: Verdict) -> _Parts | None:
    found = _REQUIREMENT.fullmatch(verdict.requirement)
    if found is None:
        return None
    metric, dot, statistic = found["what"].rpartition(".")
    if not (dot and (statistic in VALUES or statistic in COUNTS)):
        metric, statistic = found["what"], "mean"
    try:
        limit = float(found["limit"])
    except ValueError:
        return None
    return _Parts(found["label"] or ALL, metric, statistic, found["sign"], limit)


def _unmet(parts: _Parts, scores: Iterable[Score]) -> Unmet:
    card = find(parts.metric.partition("@")[0])
    if card is None or parts.statistic == "sd":
        return Unmet(is_per_case=False, cases={})
    if parts.statistic in COUNTS:
        counts, noun = _COUNTED.get(parts.statistic), _NOUNS.get(parts.statistic, "")
        found = [score.case for score in scores if counts is not None and counts(score)]
        return Unmet(is_per_case=True, cases=dict.fromkeys(found, noun))
    defined = [score for score in scores if score.value is not None]
    ordered = sorted(defined, key=lambda score: -_badness(score, card))
    is_at_least = _is_at_least(parts, card)
    if parts.statistic == ("min" if is_at_least else "max"):
        breaking = [score for score in ordered if not _meets(score, parts, card, is_at_least=is_at_least)]
        return Unmet(is_per_case=True, cases={score.case: _text(score) for score in breaking})
    return Unmet(is_per_case=False, cases={score.case: _text(score) for score in ordered[:WORST]})


def _is_at_least(parts: _Parts, card: Metric) -> bool:
    return parts.sign == ">=" or (parts.sign == "=" and card.better is Direction.HIGHER)


def _meets(score: Score, parts: _Parts, card: Metric, *, is_at_least: bool) -> bool:
    value = math.nan if score.value is None else score.value
    if is_at_least:
        return value >= parts.limit
    return (abs(value) if card.better is Direction.NEITHER else value) <= parts.limit


def _badness(score: Score, card: Metric) -> float:
    return float(badness(np.array([score.value], np.float64), card)[0])


def _text(score: Score) -> str:
    value = math.nan if score.value is None else score.value
    return f"{whole_if_counted(value, score.metric):.6g}"


def _first_note(score: Score) -> str:
    return (score.note or "").partition("; ")[0]
