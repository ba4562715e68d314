"""The table of one case: a row per label, a column per metric, what is over all labels, and the notes.

`case_tables` decides which cells, rows and footnotes there are, whoever lays them out; `print_scores` lays them out for
a terminal. What is undefined is a dash, counted with its reasons below the table; a missed structure and a false alarm
are said in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segeval.metrics import parse
from segeval.reports.layout import Column, Line
from segeval.reports.notation import UNDEFINED, WORDS, Alphabet, Heading, decimals, grid_line, number
from segeval.reports.terminal import Printer, fact_lines
from segeval.results.results import Results
from segeval.results.rows import ABSENT, ALL, CaseRecord, Score
from segeval.text import counted

MOST_ABSENT = 12  # rows of labels that neither map has: a table of names may hold hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One label or region.

    Parameters
    ----------
    number
        The label's number; empty for a region.
    name
        Its name, empty where it has none.
    cells
        Its scores, one per heading.
    note
        What a reader must know: ``"missed"``, ``"false alarm"``, or empty.
    """

    number: str
    name: str
    cells: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """The table of one case.

    Parameters
    ----------
    facts
        Title and text of what was compared: prediction, reference, grid.
    headings
        Of the columns of scores.
    rows
        Labels, then regions.
    overall
        Token and cell of the metrics over all labels.
    footnotes
        Counted reasons for dashes and words.
    """

    facts: tuple[tuple[str, str], ...]
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    overall: tuple[tuple[str, str], ...]
    footnotes: tuple[str, ...]


def case_tables(results: Results, alphabet: Alphabet) -> list[CaseTable]:
    """Every case of the results as a table, in their order."""
    scores: dict[str, list[Score]] = {record.case: [] for record in results.cases}
    for score in results.scores:
        scores.setdefault(score.case, []).append(score)
    return [_case_table(record, scores[record.case], results, alphabet) for record in results.cases]


def _case_table(record: CaseRecord, scores: Sequence[Score], results: Results, alphabet: Alphabet) -> CaseTable:
    by_label = [score for score in scores if score.label != ALL]
    tokens = list(dict.fromkeys(score.metric for score in by_label))
    units = {score.metric: score.unit for score in by_label if score.unit}
    headings = [
        Heading(token=token, arrow=alphabet.arrow(parse(token).card.better), unit=units.get(token, ""))
        for token in tokens
    ]
    grouped: dict[int | str, list[Score]] = {}
    for score in by_label:
        grouped.setdefault(score.label, []).append(score)
    nowhere = {each.label for each in results.counts if each.case == record.case and not each.tp + each.fp + each.fn}
    absent = [
        label
        for label, group in grouped.items()
        if all(score.value is None and (label in nowhere or score.note == ABSENT) for score in group)
    ]
    folded = set(absent) if len(absent) > MOST_ABSENT else set()
    return CaseTable(
        facts=_facts(record, alphabet, alone=len(results.cases) == 1),
        headings=tuple(headings),
        rows=tuple(_row(group, tokens, record, alphabet) for label, group in grouped.items() if label not in folded),
        overall=tuple((score.metric, _cell(score, record, alphabet)) for score in scores if score.label == ALL),
        footnotes=(
            *_footnotes(scores, grouped.values(), results, alphabet),
            *([f"not shown: {len(folded)} labels that neither map has"] if folded else []),
        ),
    )


def _facts(record: CaseRecord, alphabet: Alphabet, *, alone: bool) -> tuple[tuple[str, str], ...]:
    facts = [] if alone else [("case", alphabet.text(record.case))]
    facts += [("prediction", alphabet.text(record.prediction)), ("reference", alphabet.text(record.reference))]
    if record.shape is not None:
        facts.append(("grid", grid_line(record.shape, record.spacing, record.unit)))
    if record.status != "scored":
        facts.append((record.status, alphabet.text(record.message or "no reason given")))
    return tuple(facts)


def _row(scores: Sequence[Score], tokens: Sequence[str], record: CaseRecord, alphabet: Alphabet) -> Row:
    first = scores[0]
    is_region = isinstance(first.label, str)
    cells = {score.metric: _cell(score, record, alphabet) for score in scores}
    return Row(
        number="" if is_region else str(first.label),
        name=alphabet.text(first.label if is_region else first.name or ""),
        cells=tuple(cells.get(token, "") for token in tokens),
        note=notes_in_words(scores, alphabet),
    )


def notes_in_words(scores: Iterable[Score], alphabet: Alphabet) -> str:
    """What a reader must know of scores, besides why some are undefined."""
    notes = dict.fromkeys(score.note for score in scores if score.note and not score.note.startswith(UNDEFINED))
    return "; ".join(WORDS.get(note, alphabet.text(note)) for note in notes)


def _cell(score: Score, record: CaseRecord, alphabet: Alphabet) -> str:
    if score.value is None:
        return alphabet.dash
    quantity = parse(score.metric).card.quantity
    return number(score.value, quantity, decimals=decimals(quantity, spacing=record.spacing, unit=record.unit))


def _footnotes(
    scores: Iterable[Score], labels: Iterable[Sequence[Score]], results: Results, alphabet: Alphabet
) -> list[str]:
    labels = list(labels)
    lines = [
        f"{word}: {note}, {counted(sum(any(row.note == note for row in rows) for rows in labels), 'label')}"
        for note, word in WORDS.items()
    ]
    lines = [line for line in lines if not line.endswith(", 0 labels")]
    lengths = [row for row in scores if row.unit in ("mm", "px") and row.note in WORDS and row.value is not None]
    if lengths and lines:
        penalty = results.settings.get("penalty", "diagonal")
        value = f"{lengths[0].value:.2f} {lengths[0].unit}"
        which = f"the image's diagonal, {value}" if penalty == "diagonal" else value
        lines.append(f"where one is empty, a distance is the penalty: {which}")
    reasons = Counter((row.note or "").removeprefix(UNDEFINED) for row in scores if row.value is None)
    if reasons:
        total = counted(reasons.total(), "score")
        several = len(reasons) > 1
        why = "; ".join(alphabet.text(reason) + (f" ({count})" if several else "") for reason, count in reasons.items())
        lines.append(f"{alphabet.dash} undefined: {total}, {why}")
    return lines


def print_scores(results: Results, printer: Printer, *, signature: bool = True) -> None:
    """Print the table of each case.

    Parameters
    ----------
    results
        What was scored.
    printer
        Where to.
    signature
        Whether the last line is the signature.
    """
    lines: list[Line] = []
    for table in case_tables(results, printer.alphabet):
        lines += _lines(table, printer)
    if signature:
        lines.append([(printer.alphabet.text(results.signature), "dim")])
    printer.print(lines)


def _lines(table: CaseTable, printer: Printer) -> list[Line]:
    lines = [*fact_lines(table.facts), []]
    if table.rows:
        lines += printer.table(*_columns(table))
    if table.overall:
        longest = max(len(token) for token, _ in table.overall)
        lines += [[(f"{token:<{longest}} {cell}", "")] for token, cell in table.overall]
        lines.append([])
    if not table.rows and any(title == "grid" for title, _ in table.facts):
        lines += [[("no label to score in either map", "")], []]
    if table.footnotes:
        lines += [*printer.notes(table.footnotes), []]
    return lines


def _columns(table: CaseTable) -> tuple[list[Column], list[Column]]:
    """The key columns, number and name, and the others: scores and notes."""
    rows = table.rows
    numbers = Column(head=("label", ""), cells=[row.number for row in rows], right=True)
    if not any(row.number for row in rows):
        numbers = Column(head=("", ""), cells=[""] * len(rows))
    names = Column(head=("", ""), cells=[row.name for row in rows])
    if any(row.name for row in rows):
        names = Column(head=("name", ""), cells=names.cells)
    scores = [
        Column(head=(heading.title, heading.unit), cells=[row.cells[place] for row in rows], right=True)
        for place, heading in enumerate(table.headings)
    ]
    if any(row.note for row in rows):
        notes = [row.note for row in rows]
        scores.append(Column(head=("note", ""), cells=notes, prose=True, style="yellow"))
    return [numbers, names], scores
