"""JSON and JSON lines: every number with all its digits, and back.

The document is valid JSON always: an undefined value is null with a note that says why, an infinite one is null with
the note ``infinite`` (and its own note, if it had one, under ``cause``). Each record is on a line of its own, so that
two documents can be compared line by line. The same results give the same bytes: paths as they were given, no clock.
`segeval.reports.results_schema` describes the document. `FORMAT` counts its layouts:

1. the first
"""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from segeval.errors import InputError, UsageError, shown
from segeval.evidence.conventions import LONGEST
from segeval.metrics import parse
from segeval.reading.files import opened
from segeval.results.columns import CaseCounts, Scores
from segeval.results.json_records import (
    INFINITE,
    case_record,
    count_record,
    each,
    read_case,
    read_count,
    read_score,
    score_record,
    typed,
    within,
)
from segeval.results.results import Results
from segeval.results.rows import ALL
from segeval.results.run_rows import Shard, Summary, Verdict
from segeval.scoring.plan import check_settings
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.diagnostics.explanation import Explanation
    from segeval.diagnostics.inspection import InspectedFile
    from segeval.diagnostics.loss_table import LossRow, LossTable

FORMAT = 1
# lone bytes of a file name are not UTF-8, control characters drive a terminal, some readers end lines at the others
_TO_ESCAPE = re.compile("[\ud800-\udfff\x7f-\x9f\u2028\u2029]")
_EXPECTED = "give the .json file that batch, score or merge wrote with -o"
_KINDS = {b"PAR1": "a Parquet file", b"PK\x03\x04": "an Excel workbook or ZIP file", b"\x1f\x8b": "compressed by gzip"}
_TEXTS = {".csv": "a CSV table", ".tsv": "a TSV table", ".md": "Markdown", ".html": "an HTML page", ".xml": "XML"}
_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps would make one for each record


def to_json(results: Results) -> Iterator[str]:
    """Write the results as one JSON document.

    Parameters
    ----------
    results
        Results of any number of cases.

    Yields
    ------
    str
        A piece of the document, which ends in a newline; `read_json` reads it back.
    """
    parts = [
        *([f"{_dumped(key)}: {_dumped(value)}"] for key, value in _preamble(results).items()),
        *([[f'"shard": {_dumped(asdict(results.shard))}']] if results.shard is not None else []),
        *([[f'"warnings": {_dumped(list(results.warnings))}']] if results.warnings else []),
        _list("cases", map(case_record, results.cases)),
        _list("scores", map(score_record, results.scores)),
        _list("counts", map(count_record, results.counts)),
        _list("summary", map(summary_record, results.summary)),
        _list("gate", map(_verdict, results.gate)),
    ]
    for place, part in enumerate(parts):
        yield ",\n " if place else "{"
        yield from part
    yield "}\n"


def to_jsonl(results: Results, *, header: bool = False) -> Iterator[str]:
    """Write the scores as JSON lines: an object per score, with the keys that it has in the JSON document.

    A case without any score, because it failed or has no label, is a line too: it has a ``status`` in place of a
    ``metric``, and the keys of the document's cases.

    Parameters
    ----------
    results
        Results of any number of cases.
    header
        Whether the first line has the document's ``format``, ``tool``, ``signature``, ``footnote`` and ``settings``.

    Yields
    ------
    str
        A line; none if there is no case and no header.
    """
    if header:
        yield f"{_dumped(_preamble(results))}\n"
    scores = groupby(results.scores, key=lambda score: score.case)
    scored, rows = next(scores, (None, iter(())))
    for record in results.cases:
        if record.case != scored:
            yield f"{_dumped(case_record(record))}\n"
            continue
        for score in rows:
            yield f"{_dumped(score_record(score))}\n"
        scored, rows = next(scores, (None, iter(())))


def _preamble(results: Results) -> dict[str, Any]:
    """Return what the document begins with."""
    return {
        "format": FORMAT,
        "tool": {"name": "segeval", "version": results.version},
        "signature": results.signature,
        "footnote": results.footnote,
        "settings": dict(results.settings),
    }


def summary_record(summary: Summary) -> dict[str, Any]:
    """Return a row of the summary as data; an infinite number is null, and its key is listed under ``infinite``."""
    record = asdict(summary)
    infinite = [key for key, value in record.items() if isinstance(value, float) and math.isinf(value)]
    return record | dict.fromkeys(infinite) | ({"infinite": infinite} if infinite else {})


def _list(key: str, records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f'"{key}": ['
    separator = "\n  "
    for record in records:
        yield f"{separator}{_dumped(record)}"
        separator = ",\n  "
    yield "]"


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    lines = ",\n  ".join(map(_dumped, records))
    return f"[\n  {lines}]" if lines else "[]"


def _dumped(value: object) -> str:
    text = _encoded(value)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    infinite = verdict.value is not None and math.isinf(verdict.value)
    return {
        "requirement": verdict.requirement,
        "value": None if verdict.value is None or not math.isfinite(verdict.value) else float(verdict.value),
        "passed": verdict.passed,
        "worst_case": verdict.worst_case,
        **({"note": INFINITE} if infinite else {}),
    }


def explanation_json(explanation: Explanation) -> str:
    """Write an explanation as JSON; an infinite number is null with the note ``infinite``."""
    record = asdict(explanation)
    for label, explained in zip(record["labels"], explanation.labels, strict=True):
        label["rows"] = [_without_infinities(row) for row in label["rows"]]
        label["reasons"] = [str(reason) for reason in explained.reasons]
    tool = {"name": "segeval", "version": __version__}
    return f"{_dumped({'format': FORMAT, 'tool': tool} | record)}\n"


def losses_json(table: LossTable) -> str:
    """Write the losses of a map as JSON; an infinite number is null with the note ``infinite`` under ``all``."""
    record = asdict(table) | {"rows": [_loss_row(row) for row in table.rows]}
    return f"{_dumped({'format': FORMAT, 'tool': {'name': 'segeval', 'version': __version__}} | record)}\n"


def _loss_row(row: LossRow) -> dict[str, Any]:
    record: dict[str, Any] = asdict(row)
    infinite = [key for key in ("value", "largest") if record[key] is not None and math.isinf(record[key])]
    lost = [label for label, value in row.by_label.items() if value is not None and math.isinf(value)]
    notes: dict[str, str] = {str(label): note for label, note in row.notes.items()}
    notes |= {str(label): INFINITE for label in lost}
    if infinite:
        notes[ALL] = f"{', '.join(infinite)}: {INFINITE}"
    return {**record, **dict.fromkeys(infinite), "by_label": {**row.by_label, **dict.fromkeys(lost)}, "notes": notes}


def _without_infinities(row: dict[str, Any]) -> dict[str, Any]:
    infinite = [key for key, value in row.items() if isinstance(value, float) and math.isinf(value)]
    metrics = {"hd95": "hd@95", "mean_distance": row["mean_metric"]}
    notes = [f"{metrics.get(key, key)}: {INFINITE}" for key in infinite]
    row = {"asked" if key == "option" else key: value for key, value in row.items()}  # the key of format 1
    return row | dict.fromkeys(infinite) | {"notes": [*row["notes"], *notes]}


def inspected_json(files: Iterable[InspectedFile]) -> str:
    """Write what files contain as JSON: ``{"format": 1, "tool": ..., "files": [...]}``, axes in array order (z, y, x).

    A file that cannot be used has its path and a ``problem`` only.
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
        Its name in messages.

    Returns
    -------
    Results
        Equal to those that were written, without a contingency table.

    Raises
    ------
    InputError
        Not JSON, not results of segeval, of an unknown format, or damaged.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", source=source, hint=_EXPECTED) from None
    if not isinstance(document, dict) or "format" not in document or "scores" not in document:
        raise InputError("JSON, but not results of segeval", source=source, hint=_EXPECTED)
    if document["format"] != FORMAT or isinstance(document["format"], bool):
        raise InputError(
            f"expected format {FORMAT}, found {shown(_dumped(document['format']))[:60]}",
            source=source,
            hint="read it with a newer segeval",
        )
    try:
        return _results(document)
    except KeyError as error:
        raise InputError(f"the results are damaged: {error.args[0]!r} is missing", source=source) from None
    except (TypeError, ValueError, OverflowError, RecursionError, UsageError) as error:
        raise InputError(f"the results are damaged: {shown(error)}", source=source) from None


def read_results(path: str) -> Results:
    """Read the results from a file of `to_json`; see `read_json`.

    Raises
    ------
    InputError
        The file cannot be read, or is of another kind.
    """
    try:
        with opened(path) as file, io.BufferedReader(file) as buffered:
            data = buffered.read()
        text = data.decode()
    except UnicodeDecodeError:
        found = next((kind for start, kind in _KINDS.items() if data.startswith(start)), "a file that is not text")
        raise InputError(f"expected JSON, found {found}", source=path, hint=_EXPECTED) from None
    except (OSError, MemoryError) as error:
        raise InputError(f"cannot be read: {shown(error)}", source=path) from None
    kind = _TEXTS.get(PurePath(path).suffix.lower())
    if kind is not None and not text.lstrip().startswith("{"):
        raise InputError(f"expected JSON, found {kind}", source=path, hint=_EXPECTED)
    return read_json(text, source=path)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _results(document: Mapping[str, Any]) -> Results:
    tool, settings = typed(document, "tool", dict), typed(document, "settings", dict)
    check_settings(settings)
    cases = tuple(read_case(row) for row in each(typed(document, "cases", list), "cases", dict))
    scores = Scores(read_score(row) for row in each(typed(document, "scores", list), "scores", dict))
    metrics = tuple(settings["metrics"])
    for token in {**dict.fromkeys(metrics), **dict.fromkeys(scores.metrics.values)}:
        parse(token)
    names = Counter(record.case for record in cases)
    twice = [name for name, often in names.items() if often > 1]
    if twice:
        raise ValueError(f"the case {twice[0]} occurs twice")
    return Results(
        version=typed(tool, "version", str),
        signature=typed(document, "signature", str),
        footnote=typed({"footnote": "", **document}, "footnote", str),
        settings=settings,
        metrics=metrics,
        cases=cases,
        scores=scores,
        counts=CaseCounts(read_count(row) for row in each(typed(document, "counts", list), "counts", dict)),
        gate=tuple(_read_verdict(row) for row in each(typed(document, "gate", list), "gate", dict)),
        warnings=tuple(each(typed({"warnings": [], **document}, "warnings", list), "warnings", str)),
        shard=_read_shard(typed({"shard": None, **document}, "shard", dict, type(None))),
    )


def _read_shard(record: Mapping[str, Any] | None) -> Shard | None:
    if record is None:
        return None
    part, cases, digest = typed(record, "part", str), typed(record, "cases", int), typed(record, "digest", str)
    return Shard(part=part, cases=cases, digest=digest)


def _read_verdict(row: Mapping[str, Any]) -> Verdict:
    requirement = typed(row, "requirement", str)
    if not math.isfinite(float(requirement.rpartition("=")[2])):
        raise ValueError(f"requirement cannot be {_dumped(requirement)[:60]}")
    value = within(row, "value", -LONGEST, LONGEST, int, float, type(None))
    if value is None and row.get("note") == INFINITE:
        value = math.inf
    return Verdict(
        requirement=requirement,
        value=None if value is None else float(value),
        passed=typed(row, "passed", bool),
        worst_case=typed(row, "worst_case", str, type(None)),
    )
