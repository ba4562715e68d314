"""Parquet: every score as a row, for runs that are too large for a spreadsheet (home of pyarrow).

The columns are those of `Results.frame`, with the label as text, and the status of the case. A case without any score,
because it failed or has no label, is a row without a metric, with the reason as its note. An undefined score is null,
an infinite one infinite. The metadata of the file has the conventions: ``segeval.version``, ``segeval.signature``,
``segeval.footnote``, ``segeval.settings`` (JSON), ``segeval.metrics`` (JSON), and, if there are any, ``segeval.shard``
and ``segeval.warnings`` (JSON). Row groups are written one by one, so that memory does not grow with the rows. The same
results give the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segeval.reports.csv_files import reason
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

COLUMNS = ("case", "label", "name", "metric", "value", "unit", "note", "status")
GROUP_ROWS = 1 << 18


def to_parquet(results: Results, *, group_rows: int = GROUP_ROWS) -> Iterator[bytes]:
    """Write the scores as a Parquet file.

    Parameters
    ----------
    results
        Results of any number of cases.
    group_rows
        How many rows a row group has at most, unless one case has more.

    Yields
    ------
    bytes
        A part of the ``.parquet`` file.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {name: pa.float64() if name == "value" else pa.dictionary(pa.int32(), pa.string()) for name in COLUMNS}
    schema = pa.schema(list(types.items()))
    sink = _Parts()
    with ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd", store_schema=False) as writer:
        for cases, start, counts in _groups(results, group_rows):
            columns = _columns(results.scores, cases, start, counts)
            arrays = [
                pa.array(column, mask=np.isnan(column))
                if isinstance(column, np.ndarray)
                else pa.DictionaryArray.from_arrays(pa.array(column[0], mask=column[0] < 0), pa.array(column[1]))
                for column in columns
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(arrays[0]))
            yield sink.taken()
        writer.add_key_value_metadata(_metadata(results))
    yield sink.taken()


class _Parts(io.RawIOBase):
    """A file to write to, whose parts are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._end = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._end

    def write(self, part: ReadableBuffer) -> int:
        self._parts.append(bytes(part))
        self._end += len(self._parts[-1])
        return len(self._parts[-1])

    def close(self) -> None:
        """Do nothing: the last part is still to be taken."""

    def taken(self) -> bytes:
        """Return the bytes that were written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def _metadata(results: Results) -> dict[str, str]:
    facts = {
        "version": results.version,
        "signature": results.signature,
        "footnote": results.footnote,
        "settings": json.dumps(dict(results.settings)),
        "metrics": json.dumps(results.metrics),
        **({} if results.shard is None else {"shard": results.shard.part}),
        **({"warnings": json.dumps(results.warnings)} if results.warnings else {}),
    }
    return {f"segeval.{key}": _text(value) for key, value in facts.items()}


def _groups(results: Results, group_rows: int) -> Iterator[tuple[Sequence[CaseRecord], int, NDArray[np.int64]]]:
    """Return the cases of each row group, the place of their first score, and how many scores each case has."""
    scores = results.scores
    often = np.bincount(scores.case_codes, minlength=len(scores.cases.values))
    codes = (scores.cases.find(record.case) for record in results.cases)
    counts = np.array([0 if code is None else often[code] for code in codes], np.int64)
    rows = np.concatenate([[0], np.cumsum(np.maximum(counts, 1))])
    first = start = 0
    while first < len(counts):
        last = max(first + 1, int(np.searchsorted(rows, rows[first] + group_rows, side="right")) - 1)
        yield results.cases[first:last], start, counts[first:last]
        start += int(counts[first:last].sum())
        first = last


def _columns(
    scores: Scores, cases: Sequence[CaseRecord], start: int, counts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int32], list[str | None]] | NDArray[np.float64]]:
    """Return each column of a row group: codes, -1 for null, with their texts; or numbers, NaN for null."""
    owners = np.repeat(np.arange(len(cases), dtype=np.int32), np.maximum(counts, 1))
    scored = counts[owners] > 0
    block = slice(start, start + int(counts.sum()))

    def spread(codes: NDArray[Any]) -> NDArray[np.int32]:
        column = np.full(len(owners), -1, np.int32)
        column[scored] = codes[block]
        return column

    yield owners, _texts(record.case for record in cases)
    yield _coded(spread(scores.label_codes), scores.labels.values)
    yield _coded(spread(scores.name_codes), scores.names.values)
    yield _coded(spread(scores.metric_codes), scores.metrics.values)
    values = np.full(len(owners), np.nan)
    values[scored] = scores.values[block]
    yield values
    yield _coded(spread(scores.unit_codes), scores.units.values)
    notes, texts = _coded(spread(scores.note_codes), scores.notes.values)
    reasons = {int(place): reason(cases[owners[place]]) for place in np.flatnonzero(~scored)}
    known = {text: code for code, text in enumerate(dict.fromkeys(reasons.values()), start=len(texts))}
    notes[list(reasons)] = [known[text] for text in reasons.values()]
    yield notes, [*texts, *_texts(known)]
    kinds = list(dict.fromkeys(record.status for record in cases))
    statuses = np.array([kinds.index(record.status) for record in cases], np.int32)
    yield statuses[owners], list(kinds)


def _coded(codes: NDArray[np.int32], values: Sequence[object]) -> tuple[NDArray[np.int32], list[str | None]]:
    """Return codes, -1 for None, and texts, in the order of the rows, not in that in which cases were scored."""
    if None in values:
        codes[codes == list(values).index(None)] = -1
    found, first, places = np.unique(codes, return_index=True, return_inverse=True)
    order = [int(place) for place in np.argsort(first) if found[place] >= 0]
    renumbered = np.full(len(found), -1, np.int32)
    renumbered[order] = np.arange(len(order), dtype=np.int32)
    return renumbered[places], _texts(str(values[found[place]]) for place in order)


def _texts(texts: Iterable[str]) -> list[str | None]:
    return [_text(text) for text in texts]


def _text(text: str) -> str:
    """Return the text with lone bytes of a file name, which are not UTF-8, escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
