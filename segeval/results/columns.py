"""Rows of many cases, stored by column, with a few bytes for each number.

They read like sequences of records. Texts that recur (cases, labels, notes) are stored once. The summary uses the
columns as arrays.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import ClassVar, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from segeval.maps.labels import Key
from segeval.results.rows import LabelCounts, Score

Entry = TypeVar("Entry", bound=Hashable)
Record = TypeVar("Record")


class Vocabulary(Generic[Entry]):
    """Values that recur, each with a code, in the order in which they first occurred."""

    def __init__(self, values: Iterable[Entry] = ()) -> None:
        self.values: list[Entry] = []
        self._codes: dict[Entry, int] = {}
        for value in values:
            self.code(value)

    def code(self, value: Entry) -> int:
        """Return the code of a value; a new value gets a new code."""
        code = self._codes.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code

    def find(self, value: Entry) -> int | None:
        """Return the code of a value; None if it has none."""
        return self._codes.get(value)

    def places_in(self, order: Iterable[Entry]) -> NDArray[np.int64]:
        """Return the position in `order` of the value of each code; -1 if it is not there."""
        places = {value: place for place, value in enumerate(order)}
        return np.array([places.get(value, -1) for value in self.values], np.int64)


class _Rows(Sequence[Record]):
    """A sequence of records that are created on access."""

    _VOCABULARIES: ClassVar[tuple[str, ...]]
    _COLUMNS: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.cases: Vocabulary[str] = Vocabulary()
        self.labels: Vocabulary[Key] = Vocabulary()
        self._case, self._label = array("i"), array("i")

    def of(self, cases: Iterable[str]) -> Self:
        """Return the rows of some cases, in the order of these cases; the object itself if nothing changes."""
        places = _places(self._case, self.cases, Vocabulary(cases))
        if places is None:
            return self
        chosen = type(self)()
        for part in self._VOCABULARIES:
            setattr(chosen, part, getattr(self, part))
        for part in self._COLUMNS:
            setattr(chosen, part, _rows_at(getattr(self, part), places))
        return chosen

    @property
    def case_codes(self) -> NDArray[np.int32]:
        """Code of each row's case in `cases`; shape (rows,)."""
        return np.frombuffer(self._case, np.int32)

    @property
    def label_codes(self) -> NDArray[np.int32]:
        """Code of each row's label in `labels`; shape (rows,)."""
        return np.frombuffer(self._label, np.int32)

    def __len__(self) -> int:
        return len(self._case)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Record, ...]: ...

    def __getitem__(self, place: int | slice) -> Record | tuple[Record, ...]:
        if isinstance(place, slice):
            return tuple(self._record(each) for each in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._record(place % len(self))

    def __iter__(self) -> Iterator[Record]:
        return map(self._record, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # rows can be added

    def __repr__(self) -> str:
        return f"<{len(self)} {type(self).__name__}>"

    @abstractmethod
    def _record(self, place: int) -> Record:
        """Return the record of a row."""


def _places(cases: array[int], order: Vocabulary[str], names: Vocabulary[str]) -> NDArray[np.intp] | None:
    """Return the positions of the rows of the cases `names`, in the order of these cases.

    Rows of a case keep their order. None if all rows are in this order already.
    """
    rank = np.full(len(order.values) + 1, len(names.values), np.int32)
    for place, name in enumerate(names.values):
        code = order.find(name)
        if code is not None:
            rank[code] = place
    of_rows = rank[np.frombuffer(cases, np.int32)] if cases else np.zeros(0, np.int32)
    if (of_rows < len(names.values)).all() and (of_rows[:-1] <= of_rows[1:]).all():
        return None
    places = np.argsort(of_rows, kind="stable")
    return places[: np.count_nonzero(of_rows < len(names.values))]


def _rows_at(column: array[int], places: NDArray[np.intp]) -> array[int]:
    taken: array[int] = array(column.typecode)
    if len(places):
        taken.frombytes(np.frombuffer(column, np.dtype(column.typecode))[places].tobytes())
    return taken


class Scores(_Rows[Score]):
    """Every score of a run, by case, label and metric: a sequence of `Score`.

    Parameters
    ----------
    rows
        The first rows.
    """

    _VOCABULARIES = ("cases", "labels", "names", "metrics", "units", "notes")
    _COLUMNS = ("_case", "_label", "_name", "_metric", "_unit", "_note", "_value")

    def __init__(self, rows: Iterable[Score] = ()) -> None:
        super().__init__()
        self.names: Vocabulary[str | None] = Vocabulary()
        self.metrics: Vocabulary[str] = Vocabulary()
        self.units: Vocabulary[str | None] = Vocabulary()
        self.notes: Vocabulary[str | None] = Vocabulary()
        self._name = array("i")
        self._metric, self._unit, self._note = array("h"), array("h"), array("h")
        self._value = array("d")
        self.extend(rows)

    def extend(self, rows: Iterable[Score]) -> None:
        """Add rows at the end."""
        for row in rows:
            self._case.append(self.cases.code(row.case))
            self._label.append(self.labels.code(row.label))
            self._name.append(self.names.code(row.name))
            self._metric.append(self.metrics.code(row.metric))
            self._unit.append(self.units.code(row.unit))
            self._note.append(self.notes.code(row.note))
            self._value.append(math.nan if row.value is None else row.value)

    def _record(self, place: int) -> Score:
        value = self._value[place]
        return Score(
            case=self.cases.values[self._case[place]],
            label=self.labels.values[self._label[place]],
            name=self.names.values[self._name[place]],
            metric=self.metrics.values[self._metric[place]],
            value=None if math.isnan(value) else value,
            unit=self.units.values[self._unit[place]],
            note=self.notes.values[self._note[place]],
        )

    def codes_of(self, note: str) -> list[int]:
        """Return the codes of notes that are this text, or begin with it and a semicolon."""
        return [code for code, text in enumerate(self.notes.values) if text and text.partition("; ")[0] == note]

    @property
    def name_codes(self) -> NDArray[np.int32]:
        """Code of each row's name in `names`; shape (rows,)."""
        return np.frombuffer(self._name, np.int32)

    @property
    def metric_codes(self) -> NDArray[np.int16]:
        """Code of each row's metric in `metrics`; shape (rows,)."""
        return np.frombuffer(self._metric, np.int16)

    @property
    def unit_codes(self) -> NDArray[np.int16]:
        """Code of each row's unit in `units`; shape (rows,)."""
        return np.frombuffer(self._unit, np.int16)

    @property
    def note_codes(self) -> NDArray[np.int16]:
        """Code of each row's note in `notes`; shape (rows,)."""
        return np.frombuffer(self._note, np.int16)

    @property
    def values(self) -> NDArray[np.float64]:
        """Value of each row, NaN if it is undefined; shape (rows,)."""
        return np.frombuffer(self._value, np.float64)


class CaseCounts(_Rows[LabelCounts]):
    """Voxel counts of a run by case and label, from which pooled scores are computed: a sequence of `LabelCounts`.

    Parameters
    ----------
    rows
        The first rows.
    """

    _VOCABULARIES = ("cases", "labels")
    _COLUMNS = ("_case", "_label", "_tp", "_fp", "_fn", "_tn")

    def __init__(self, rows: Iterable[LabelCounts] = ()) -> None:
        super().__init__()
        self._tp, self._fp, self._fn, self._tn = array("q"), array("q"), array("q"), array("q")
        self.extend(rows)

    def extend(self, rows: Iterable[LabelCounts]) -> None:
        """Add rows at the end."""
        for row in rows:
            self._case.append(self.cases.code(row.case))
            self._label.append(self.labels.code(row.label))
            self._tp.append(row.tp)
            self._fp.append(row.fp)
            self._fn.append(row.fn)
            self._tn.append(row.tn)

    def _record(self, place: int) -> LabelCounts:
        return LabelCounts(
            case=self.cases.values[self._case[place]],
            label=self.labels.values[self._label[place]],
            tp=self._tp[place],
            fp=self._fp[place],
            fn=self._fn[place],
            tn=self._tn[place],
        )

    @property
    def voxels(self) -> NDArray[np.int64]:
        """TP, FP, FN and TN of each row; shape (rows, 4)."""
        return np.stack([np.frombuffer(each, np.int64) for each in (self._tp, self._fp, self._fn, self._tn)], axis=1)
