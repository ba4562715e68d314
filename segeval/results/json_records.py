"""Cases, scores and counts as plain data for JSON, and back; used by the journal and by results files.

JSON has no infinity: an infinite value is null with the note ``infinite``, and its own note is under ``cause``. Counts
of voxels are written as whole numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast, get_args

from segeval.errors import InputError
from segeval.evidence.conventions import LONGEST
from segeval.maps.label_map import SMALLEST_SPACING
from segeval.metrics import Quantity, find
from segeval.results.rows import CaseRecord, LabelCounts, Score, Status

INFINITE = "infinite"
_MOST_VOXELS = 1 << 48  # of an image, so that sums of counts over many cases fit in 64 bits
_LABELS = (0, (1 << 64) - 1)


def case_record(record: CaseRecord) -> dict[str, Any]:
    """Return a case as data; `read_case` reads it back."""
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
    """Return a score as data; `read_score` reads it back."""
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
    """Return the voxel counts of a label as data; `read_count` reads them back."""
    return {
        "case": counts.case,
        "label": counts.label,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "tn": counts.tn,
    }


def typed(record: Mapping[str, Any], key: str, *kinds: type) -> Any:
    """Return the value of a key, of one of these types.

    Raises
    ------
    KeyError, TypeError
        The value is missing, or has another type.
    """
    value = record[key]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"{key} cannot be {json.dumps(value)[:60]}")
    return value


def each(values: list[Any], key: str, *kinds: type) -> list[Any]:
    """Return the values of a list, each of one of these types; see `typed`."""
    return [typed({key: value}, key, *kinds) for value in values]


def within(record: Mapping[str, Any], key: str, low: float, high: float, *kinds: type) -> Any:
    """Return the value of a key; a number must be within the bounds. See `typed`.

    Raises
    ------
    KeyError, TypeError, ValueError
        The value is missing, has another type, or is out of bounds.
    """
    value = typed(record, key, *kinds)
    if isinstance(value, int | float) and not low <= value <= high:
        raise ValueError(f"{key} cannot be {json.dumps(value)[:60]}")
    return value


_NONE = type(None)


def read_case(row: Mapping[str, Any]) -> CaseRecord:
    """Read back the data of `case_record`.

    Raises
    ------
    KeyError, TypeError, ValueError
        The data are not a case.
    """
    status = typed(row, "status", str)
    if status not in get_args(Status):
        raise ValueError(f"status cannot be {json.dumps(status)[:60]}")
    shape, spacing = _read_grid(row)
    return CaseRecord(
        case=typed(row, "case", str),
        status=cast("Status", status),
        prediction=typed(row, "prediction", str, _NONE),
        reference=typed(row, "reference", str),
        shape=shape,
        spacing=spacing,
        unit=typed(row, "unit", str, _NONE),
        voxels=within(row, "voxels", 0, _MOST_VOXELS, int, _NONE),
        message=typed(row, "message", str, _NONE),
        exit_code=within({"exit_code": 0, **row}, "exit_code", 0, InputError.exit_code, int),
        warnings=tuple(each(typed({"warnings": [], **row}, "warnings", list), "warnings", str)),
        groups={
            column: typed({column: group}, column, str)
            for column, group in typed({"groups": {}, **row}, "groups", dict).items()
        },
    )


def _read_grid(row: Mapping[str, Any]) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """Return shape and spacing of a case."""
    lengths, steps = typed(row, "shape", list, _NONE), typed(row, "spacing", list, _NONE)
    shape = None if lengths is None else tuple(within({"shape": n}, "shape", 1, _MOST_VOXELS, int) for n in lengths)
    if shape is not None and not (len(shape) in (2, 3) and math.prod(shape) <= _MOST_VOXELS):
        raise ValueError(f"shape cannot be {json.dumps(lengths)[:60]}")
    if steps is None:
        return shape, None
    bounds = SMALLEST_SPACING, 1 / SMALLEST_SPACING
    spacing = tuple(float(within({"spacing": step}, "spacing", *bounds, int, float)) for step in steps)
    if len(spacing) != len(shape or spacing):
        raise ValueError(f"spacing cannot be {json.dumps(steps)[:60]}")
    return shape, spacing


def read_score(row: Mapping[str, Any]) -> Score:
    """Read back the data of `score_record`; see `read_case`."""
    value, note = within(row, "value", -LONGEST, LONGEST, int, float, _NONE), typed(row, "note", str, _NONE)
    if value is None and note == INFINITE:
        value, note = math.inf, typed({"cause": None, **row}, "cause", str, _NONE)
    return Score(
        case=typed(row, "case", str),
        label=within(row, "label", *_LABELS, int, str),
        name=typed(row, "name", str, _NONE),
        metric=typed(row, "metric", str),
        value=None if value is None else float(value),
        unit=typed(row, "unit", str, _NONE),
        note=note,
    )


def read_count(row: Mapping[str, Any]) -> LabelCounts:
    """Read back the data of `count_record`; see `read_case`."""
    return LabelCounts(
        case=typed(row, "case", str),
        label=within(row, "label", *_LABELS, int, str),
        tp=within(row, "tp", 0, _MOST_VOXELS, int),
        fp=within(row, "fp", 0, _MOST_VOXELS, int),
        fn=within(row, "fn", 0, _MOST_VOXELS, int),
        tn=within(row, "tn", 0, _MOST_VOXELS, int),
    )
