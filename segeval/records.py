"""Cases, scores and counts as plain data for JSON, and back: what the journal and the document have in common.

An infinite value is null with the note ``infinite``, and its own note, if it had one, under ``cause``: JSON has no
infinity. A count of voxels has no fraction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast, get_args

from segeval.cases import CaseRecord, Status
from segeval.metrics import Quantity, find
from segeval.scoring import LabelCounts, Score

INFINITE = "infinite"


def case_record(record: CaseRecord) -> dict[str, Any]:
    """A case as data; `read_case` reads it back."""
    return {
        "case": record.case,
        "status": record.status,
        "prediction": record.prediction,
        "reference": record.reference,
        "shape": None if record.shape is None else list(record.shape),
        "spacing": None if record.spacing is None else list(record.spacing),
        "unit": record.unit,
        "voxels": record.voxels,
        "message": record.message,
        **({"exit_code": record.exit_code} if record.exit_code else {}),
        **({"warnings": list(record.warnings)} if record.warnings else {}),
        **({"groups": dict(record.groups)} if record.groups else {}),
    }


def score_record(score: Score) -> dict[str, Any]:
    """A score as data; `read_score` reads it back."""
    infinite = score.value is not None and math.isinf(score.value)
    return {
        "case": score.case,
        "label": score.label,
        "name": score.name,
        "metric": score.metric,
        "value": _value(score),
        "unit": score.unit,
        "note": INFINITE if infinite else score.note,
        **({"cause": score.note} if infinite and score.note else {}),
    }


def _value(score: Score) -> float | int | None:
    if score.value is None or not math.isfinite(score.value):
        return None
    card = find(score.metric.partition("@")[0])
    is_count = card is not None and card.quantity is Quantity.COUNT and float(score.value).is_integer()
    return int(score.value) if is_count else float(score.value)


def count_record(counts: LabelCounts) -> dict[str, Any]:
    """The voxel counts of a label as data; `read_count` reads it back."""
    return {
        "case": counts.case,
        "label": counts.label,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "tn": counts.tn,
    }


def typed(record: Mapping[str, Any], key: str, *kinds: type) -> Any:
    """What stands under a key, of one of these kinds.

    Raises
    ------
    KeyError, TypeError
        It is missing, or of another kind.
    """
    value = record[key]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"{key} cannot be {json.dumps(value)[:60]}")
    return value


def each(values: list[Any], key: str, *kinds: type) -> list[Any]:
    """Values of a list, all of one of these kinds; see `typed`."""
    return [typed({key: value}, key, *kinds) for value in values]


_NONE = type(None)


def read_case(row: Mapping[str, Any]) -> CaseRecord:
    """The case that `case_record` made data of.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is none.
    """
    status = typed(row, "status", str)
    if status not in get_args(Status):
        raise ValueError(f"status cannot be {json.dumps(status)[:60]}")
    shape, spacing = typed(row, "shape", list, _NONE), typed(row, "spacing", list, _NONE)
    return CaseRecord(
        case=typed(row, "case", str),
        status=cast("Status", status),
        prediction=typed(row, "prediction", str, _NONE),
        reference=typed(row, "reference", str),
        shape=None if shape is None else tuple(each(shape, "shape", int)),
        spacing=None if spacing is None else tuple(float(step) for step in each(spacing, "spacing", int, float)),
        unit=typed(row, "unit", str, _NONE),
        voxels=typed(row, "voxels", int, _NONE),
        message=typed(row, "message", str, _NONE),
        exit_code=typed({"exit_code": 0, **row}, "exit_code", int),
        warnings=tuple(each(typed({"warnings": [], **row}, "warnings", list), "warnings", str)),
        groups={
            column: typed({column: group}, column, str)
            for column, group in typed({"groups": {}, **row}, "groups", dict).items()
        },
    )


def read_score(row: Mapping[str, Any]) -> Score:
    """The score that `score_record` made data of; see `read_case`."""
    value, note = typed(row, "value", int, float, _NONE), typed(row, "note", str, _NONE)
    if value is None and note == INFINITE:
        value, note = math.inf, typed({"cause": None, **row}, "cause", str, _NONE)
    return Score(
        case=typed(row, "case", str),
        label=typed(row, "label", int, str),
        name=typed(row, "name", str, _NONE),
        metric=typed(row, "metric", str),
        value=None if value is None else float(value),
        unit=typed(row, "unit", str, _NONE),
        note=note,
    )


def read_count(row: Mapping[str, Any]) -> LabelCounts:
    """The voxel counts that `count_record` made data of; see `read_case`."""
    return LabelCounts(
        case=typed(row, "case", str),
        label=typed(row, "label", int, str),
        tp=typed(row, "tp", int),
        fp=typed(row, "fp", int),
        fn=typed(row, "fn", int),
        tn=typed(row, "tn", int),
    )
