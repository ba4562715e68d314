"""The rows of a run's summary as texts, from which the tables of a run are made.

Every mean is shown with its n: ``13/14`` means 13 of 14 references, and the row names those left out and why. A mean
whose n differs from that of its row shows its own: ``(12) 0.6992``. Missed labels and false alarms are part of the mean
and are counted. Numbers are written as in the table of a case; the mean of a count has one decimal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segeval.maps.labels import Key
from segeval.metrics import Direction, Quantity, parse
from segeval.reports.notation import Alphabet, decimals, number
from segeval.reports.table import Head
from segeval.results.results import Results
from segeval.results.rows import ALL, CaseRecord
from segeval.results.run_rows import Aggregate, Summary
from segeval.results.statistics import badness
from segeval.text import counted

SHOWN_ROWS = 40
FEWER = "fewer than n, because scores are undefined"
IN_FILES = "in the files that -o writes"


@dataclass(frozen=True, kw_only=True)
class SummaryView:
    """The summary of a run, prepared for tables.

    Parameters
    ----------
    results
        Results with their summary.
    alphabet
        Characters that the tables are written with.
    folded
        Whether tables of many rows are cut.
    """

    results: Results
    alphabet: Alphabet
    folded: bool = True
    scored: int = field(init=False)
    tokens: tuple[str, ...] = field(init=False)
    overall: tuple[str, ...] = field(init=False)
    places: Mapping[Quantity, int] = field(init=False)
    units: Mapping[str, str] = field(init=False)
    occurring: frozenset[Key] = field(init=False)
    kinds: Mapping[tuple[Aggregate, str | None, str | None], list[Summary]] = field(init=False)

    def __post_init__(self) -> None:
        cases = [record for record in self.results.cases if record.status == "scored"]
        grids = {(record.spacing, record.unit) for record in cases} or {(None, None)}
        places = {each: max(decimals(each, spacing=step, unit=unit) for step, unit in grids) for each in Quantity}
        units: dict[str, set[str]] = {}
        kinds: dict[tuple[Aggregate, str | None, str | None], list[Summary]] = {}
        for row in self.results.summary:
            kinds.setdefault((row.aggregate, row.by, row.group), []).append(row)
            units.setdefault(row.metric, set()).update((row.unit or "").split(" or "))
        metrics = dict.fromkeys((*self.results.metrics, *units))
        present, overall = (
            {row.metric for row in kinds.get(("cases", None, None), ()) if (row.label == ALL) is over_labels}
            for over_labels in (False, True)
        )
        found = {
            "scored": len(cases),
            "places": places,
            "units": {metric: " or ".join(sorted(each - {""})) for metric, each in units.items()},
            "kinds": kinds,
            "occurring": self._occurring(cases, kinds.get(("cases", None, None), ())),
            "tokens": tuple(token for token in metrics if token in present),
            "overall": tuple(token for token in metrics if token in overall),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _occurring(self, cases: Sequence[CaseRecord], rows: Iterable[Summary]) -> frozenset[Key]:
        """Return the labels and regions in any map of a scored case; without counts, those that have a value."""
        counts = self.results.counts.of([record.case for record in cases])
        if not len(counts):
            return frozenset(row.label for row in rows if row.n and row.label is not None)
        codes = counts.label_codes[counts.voxels[:, :3].any(axis=1)]
        return frozenset(counts.labels.values[code] for code in np.unique(codes).tolist())

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, each once: first those of labels, then those over all labels."""
        return tuple(dict.fromkeys((*self.tokens, *self.overall)))

    @property
    def most(self) -> int:
        """Largest number of rows that a table shows."""
        return SHOWN_ROWS if self.folded else len(self.results.summary)

    def rows(
        self, aggregate: Aggregate, *, over_labels: bool = False, by: str | None = None, group: str | None = None
    ) -> list[Summary]:
        """Return the rows of one kind, either of labels or of metrics over all labels."""
        return [row for row in self.kinds.get((aggregate, by, group), ()) if (row.label == ALL) is over_labels]

    def by_badness(self, metric: str) -> list[str]:
        """Return the labels and regions with a defined mean of a metric, worst first: numbers or names of regions."""
        rows = [row for row in self.rows("cases") if row.metric == metric and row.mean is not None]
        card = parse(metric).card
        ranks = badness(np.array([row.mean for row in rows], np.float64), card)
        return [str(rows[place].label) for place in np.argsort(-ranks, kind="stable").tolist()]

    def cell(self, value: float | None, metric: str, *, exact: bool = False) -> str:
        """Return a statistic as text or, with `exact`, a value of one case."""
        if value is None:
            return self.alphabet.dash
        quantity = parse(metric).card.quantity
        if quantity is Quantity.COUNT and not exact:
            return number(value, Quantity.VOLUME, decimals=1)
        return number(value, quantity, decimals=self.places[quantity])

    def title(self, metric: str) -> str:
        """Return the metric with its arrow."""
        return f"{metric} {self.alphabet.arrow(parse(metric).card.better)}".rstrip()

    def line(self, metric: str) -> str:
        """Return the metric with its arrow and unit, on one line."""
        return f"{self.title(metric)} {self.units[metric]}".rstrip()

    def heads(self, metrics: Iterable[str]) -> list[Head]:
        """Return the head of a column for each metric."""
        return [Head(title=self.title(token), unit=self.units[token], right=True) for token in metrics]

    def names(self, rows: Iterable[Summary]) -> dict[int | str | None, str]:
        """Return the title of each label in one column: its name, with the number if two labels have the same name."""
        names = {row.label: row.name or str(row.label) for row in rows}
        often = Counter(names.values())
        return {
            label: self.alphabet.text(name if often[name] == 1 else f"{name} ({label})")
            for label, name in names.items()
        }

    def means(self, rows: Sequence[Summary], usual: Summary, tokens: Iterable[str]) -> list[str]:
        """Return the mean of each metric, marked if its n is not that of the usual row."""
        of = {row.metric: row for row in rows}
        return [self._mean(of[token], usual) if token in of else "" for token in tokens]

    def _mean(self, row: Summary, usual: Summary) -> str:
        mark = f"({row.n}) " if row.n != usual.n and row.n else ""
        return mark + self.cell(row.mean, row.metric)


def rows_by_label(rows: Iterable[Summary]) -> dict[int | str | None, list[Summary]]:
    """Return the rows of each label, in their order."""
    grouped: dict[int | str | None, list[Summary]] = {}
    for row in rows:
        grouped.setdefault(row.label, []).append(row)
    return grouped


def usual_row(rows: Sequence[Summary]) -> Summary:
    """Return a row with the most frequent n."""
    often = Counter(row.n for row in rows)
    return max(rows, key=lambda row: often[row.n])


def expected(row: Summary) -> int:
    """Return the number of references that a row is about, scored or not."""
    return row.n + row.n_undefined + row.n_absent + row.n_failed + row.n_missing + row.n_skipped


def share(part: int, total: int) -> str:
    """Return an n as text: ``13/14``, or ``14`` if there are 14 in all."""
    return str(total) if part == total else f"{part}/{total}"


def without(row: Summary) -> str:
    """Return how many cases of a row are not in its means because the label is absent or a score is undefined."""
    return each_counted([(row.n_absent, "absent"), (row.n_undefined, "undefined")])


def each_counted(counts: Iterable[tuple[int, str]]) -> str:
    """Return counts with their nouns, without zeros: ``"2 absent, 1 undefined"``."""
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def including(rows: Sequence[Summary]) -> str:
    """Return how many missed labels and false alarms are in the means of rows."""
    missed = max((row.n_missed for row in rows), default=0)
    return one_empty(missed, max((row.n_false_alarm for row in rows), default=0))


def notes_of(left_out: str, included: str) -> str:
    """Return the note on a mean: the cases that are not in it, then the missed labels and false alarms that are."""
    return "; ".join(filter(None, (left_out and f"not in n: {left_out}", included)))


def one_empty(missed: int, alarms: int) -> str:
    """Return the numbers of missed labels and false alarms as text."""
    return each_counted([(missed, "missed"), (alarms, "false alarm" if alarms == 1 else "false alarms")])


def mark_note(rows: Iterable[Sequence[str]], noun: str, why: str) -> list[str]:
    """Return the note that explains the marks before means, using the first mark as the example."""
    marked = next((cell for row in rows for cell in row if cell.startswith("(")), None)
    if marked is None:
        return []
    return [f"{marked}: a mean over {counted(int(marked[1:].partition(')')[0]), noun)}, {why}"]


def worst_value(row: Summary) -> float | None:
    """Return the value of the worst case, by the metric's direction."""
    if row.min is None or row.max is None:
        return None
    better = parse(row.metric).card.better
    if better is Direction.NEITHER:
        return max(row.min, row.max, key=abs)
    return row.min if better is Direction.HIGHER else row.max
