"""JSON and JSON lines: every number with all its digits, and back.

The document is valid JSON always: an undefined value is null with a note that says why, an infinite one is null with
the note ``infinite`` (and its own note, if it had one, under ``cause``). One record stands on one line, so that two
documents can be compared line by line. The same results give the same bytes: paths as they were given, no clock.
`FORMAT` counts the layouts of the document:

1. the first
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn, cast, get_args

from segeval.cases import CaseRecord, Status
from segeval.errors import InputError
from segeval.metrics import Quantity, find
from segeval.results import Results, Verdict
from segeval.scoring import Score
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.inspection import InspectedFile

FORMAT = 1
INFINITE = "infinite"
# lone bytes of a file name are no UTF-8, control characters drive a terminal, some readers end lines at the others
_TO_ESCAPE = re.compile("[\ud800-\udfff\x7f-\x9f\u2028\u2029]")


def to_json(results: Results) -> str:
    """The results as one JSON document.

    Parameters
    ----------
    results
        Of any number of cases.

    Returns
    -------
    str
        Ends in a newline; `read_json` reads it back.
    """
    parts = [
        f'"format": {FORMAT}',
        f'"tool": {_dumped({"name": "segeval", "version": results.version})}',
        f'"signature": {_dumped(results.signature)}',
        f'"settings": {_dumped(dict(results.settings))}',
        f'"cases": {_lines(map(_case, results.cases))}',
        f'"scores": {_lines(map(_score, results.scores))}',
        '"summary": []',
        f'"gate": {_lines(map(_verdict, results.gate))}',
    ]
    return "{" + ",\n ".join(parts) + "}\n"


def to_jsonl(results: Results) -> str:
    """The scores as JSON lines: an object per score, with the keys that it has in the JSON document.

    A case without any score, because it failed or has no label, is a line too: it has a ``status`` in place of a
    ``metric``, and the keys of the document's cases.

    Parameters
    ----------
    results
        Of any number of cases.

    Returns
    -------
    str
        Empty where there is no case.
    """
    scores: dict[str, list[str]] = {record.case: [] for record in results.cases}
    for score in results.scores:
        scores.setdefault(score.case, []).append(_dumped(_score(score)))
    records = {record.case: record for record in results.cases}
    lines = [line for case, rows in scores.items() for line in rows or [_dumped(_case(records[case]))]]
    return "".join(f"{line}\n" for line in lines)


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    lines = ",\n  ".join(map(_dumped, records))
    return f"[\n  {lines}]" if lines else "[]"


def _dumped(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _case(record: CaseRecord) -> dict[str, Any]:
    return {
        "case": record.case,
        "status": record.status,
        "prediction": record.prediction,
        "reference": record.reference,
        "shape": None if record.shape is None else list(record.shape),
        "spacing": None if record.spacing is None else list(record.spacing),
        "unit": record.unit,
        "message": record.message,
        **({"warnings": list(record.warnings)} if record.warnings else {}),
    }


def _score(score: Score) -> dict[str, Any]:
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


def _verdict(verdict: Verdict) -> dict[str, Any]:
    infinite = verdict.value is not None and math.isinf(verdict.value)
    return {
        "requirement": verdict.requirement,
        "value": None if verdict.value is None or not math.isfinite(verdict.value) else float(verdict.value),
        "passed": verdict.passed,
        **({"note": INFINITE} if infinite else {}),
    }


def inspected_json(files: Iterable[InspectedFile]) -> str:
    """What is in files, as JSON: ``{"format": 1, "tool": ..., "files": [...]}``, arrays in array order (z, y, x).

    A file that cannot be used has a ``problem``, and nothing else but its path.
    """
    records = [asdict(file) if file.problem is None else {"path": file.path, "problem": file.problem} for file in files]
    tool = _dumped({"name": "segeval", "version": __version__})
    return f'{{"format": {FORMAT},\n "tool": {tool},\n "files": {_lines(records)}}}\n'


def read_json(text: str, *, source: str = "results") -> Results:
    """Read results back from the document that `to_json` writes.

    Parameters
    ----------
    text
        The document.
    source
        Where it is from, for messages.

    Returns
    -------
    Results
        Equal to those that were written, but without contingency tables.

    Raises
    ------
    InputError
        Not JSON, not results of segeval, of an unknown format, or damaged.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is not JSON ({error})", source=source) from None
    if not isinstance(document, dict) or "format" not in document or "scores" not in document:
        raise InputError("this is JSON, but not results of segeval", source=source)
    if document["format"] != FORMAT or isinstance(document["format"], bool):
        raise InputError(
            f"expected format {FORMAT}, found {_dumped(document['format'])}",
            source=source,
            hint="a newer segeval may read it",
        )
    try:
        return _results(document)
    except KeyError as error:
        raise InputError(f"the results are damaged: {error.args[0]!r} is missing", source=source) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the results are damaged: {error}", source=source) from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _results(document: Mapping[str, Any]) -> Results:
    tool, settings = _typed(document, "tool", dict), _typed(document, "settings", dict)
    metrics = _typed(settings, "metrics", list)
    return Results(
        version=_typed(tool, "version", str),
        signature=_typed(document, "signature", str),
        settings=settings,
        metrics=tuple(_each(metrics, "metrics", str)),
        cases=tuple(_read_case(row) for row in _each(_typed(document, "cases", list), "cases", dict)),
        scores=tuple(_read_score(row) for row in _each(_typed(document, "scores", list), "scores", dict)),
        gate=tuple(_read_verdict(row) for row in _each(_typed(document, "gate", list), "gate", dict)),
    )


def _typed(record: Mapping[str, Any], key: str, *kinds: type) -> Any:
    value = record[key]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"{key} cannot be {_dumped(value)[:60]}")
    return value


def _each(values: list[Any], key: str, *kinds: type) -> list[Any]:
    return [_typed({key: value}, key, *kinds) for value in values]


_NONE = type(None)


def _read_case(row: Mapping[str, Any]) -> CaseRecord:
    status = _typed(row, "status", str)
    if status not in get_args(Status):
        raise ValueError(f"status cannot be {_dumped(status)[:60]}")
    shape, spacing = _typed(row, "shape", list, _NONE), _typed(row, "spacing", list, _NONE)
    return CaseRecord(
        case=_typed(row, "case", str),
        status=cast("Status", status),
        prediction=_typed(row, "prediction", str),
        reference=_typed(row, "reference", str),
        shape=None if shape is None else tuple(_each(shape, "shape", int)),
        spacing=None if spacing is None else tuple(float(step) for step in _each(spacing, "spacing", int, float)),
        unit=_typed(row, "unit", str, _NONE),
        message=_typed(row, "message", str, _NONE),
        warnings=tuple(_each(_typed({"warnings": [], **row}, "warnings", list), "warnings", str)),
    )


def _read_score(row: Mapping[str, Any]) -> Score:
    value, note = _typed(row, "value", int, float, _NONE), _typed(row, "note", str, _NONE)
    if value is None and note == INFINITE:
        value, note = math.inf, _typed({"cause": None, **row}, "cause", str, _NONE)
    return Score(
        case=_typed(row, "case", str),
        label=_typed(row, "label", int, str),
        name=_typed(row, "name", str, _NONE),
        metric=_typed(row, "metric", str),
        value=None if value is None else float(value),
        unit=_typed(row, "unit", str, _NONE),
        note=note,
    )


def _read_verdict(row: Mapping[str, Any]) -> Verdict:
    value = _typed(row, "value", int, float, _NONE)
    if value is None and row.get("note") == INFINITE:
        value = math.inf
    return Verdict(
        requirement=_typed(row, "requirement", str),
        value=None if value is None else float(value),
        passed=_typed(row, "passed", bool),
    )
