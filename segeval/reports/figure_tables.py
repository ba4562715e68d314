"""Tables of the numbers in figures: quartiles by label and run, bias and limits of agreement.

Each row has its number of values; notes say which cases have no value, and how many labels are missed or false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence

from segeval.analysis.series import LIMITS, Series, Sizes, agreement_of
from segeval.metrics import Quantity, parse
from segeval.reports.notation import Alphabet, Heading, decimals, number
from segeval.reports.summary_view import each_counted, notes_of, one_empty, share
from segeval.reports.table import NOTES, Head, Table
from segeval.results.statistics import quantile

QUARTILES = {"median": 0.5, "q1": 0.25, "q3": 0.75}


def score_table(rows: Sequence[Series], alphabet: Alphabet) -> Table:
    """Make the table of the median and the quartiles of a metric, with a row for each label and run.

    Parameters
    ----------
    rows
        Scores by label and run, at least one.
    alphabet
        Characters of the table.
    """
    first = rows[0]
    heading = Heading(token=first.metric, arrow=alphabet.arrow(first.better), unit=first.unit or "")
    quantity = parse(first.metric).card.quantity
    cells = []
    for row in rows:
        ordered = row.ordered
        statistics = [quantile(ordered, part) for part in QUARTILES.values()] if len(ordered) else []
        numbers = [number(each, quantity, decimals=decimals(quantity)) for each in statistics]
        lost = ((row.undefined, "undefined"), (row.absent, "absent"), *((n, why) for why, n in row.unscored.items()))
        kept = one_empty(int(row.missed.sum()), int(row.false_alarm.sum()))
        cells.append(
            (
                alphabet.text(row.name),
                alphabet.text(row.run),
                share(len(ordered), len(row.values)),
                *(numbers or [alphabet.dash] * len(QUARTILES)),
                notes_of(each_counted(lost), kept),
            )
        )
    heads = [Head(title=each, right=True) for each in QUARTILES]
    return _table(heading.line, heads, cells)


def agreement_table(rows: Sequence[Sizes], alphabet: Alphabet) -> Table:
    """Make the table of the bias and the limits of agreement of predicted sizes, with a row for each label and run.

    Parameters
    ----------
    rows
        Sizes by label and run, at least one.
    alphabet
        Characters of the table.
    """
    places = 3 if rows[0].unit == "ml" else 1
    cells = []
    for row in rows:
        found = agreement_of(row)
        numbers = [
            alphabet.dash if value is None else number(value, Quantity.VOLUME, decimals=places)
            for value in (found.bias, found.sd, found.low, found.high)
        ]
        lost = ((row.absent, "absent"), *((count, why) for why, count in row.unscored.items()))
        kept = one_empty(int((row.prediction == 0).sum()), int((row.reference == 0).sum()))
        n = share(found.n, len(row.reference))
        cells.append((alphabet.text(row.name), alphabet.text(row.run), n, *numbers, notes_of(each_counted(lost), kept)))
    heads = [Head(title=each, right=True) for each in ("bias", "sd", "low", "high")]
    note = f"bias: mean of predicted minus reference; low, high: limits of agreement, bias -/+ {LIMITS} sd"
    return _table(f"difference {alphabet.text(rows[0].unit)}", heads, cells, note)


def _table(title: str, heads: Sequence[Head], cells: Sequence[tuple[str, ...]], *notes: str) -> Table:
    """Make the table, without the column of runs if there is only one."""
    keys = [Head(title=title, key=True), Head(title="run", key=True), Head(title="n", key=True, right=True)]
    if len({row[1] for row in cells}) == 1:
        del keys[1]
        cells = [(row[0], *row[2:]) for row in cells]
    return Table(heads=(*keys, *heads, NOTES), rows=tuple(cells), notes=notes)
