"""GitHub-flavoured Markdown for reports and pull requests, with the cells of the terminal's tables.

Names come from files, so characters with a meaning in Markdown or HTML are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from segeval.metrics import Metric
from segeval.reports.case_table import CaseTable, case_tables
from segeval.reports.gate_table import found
from segeval.reports.metric_cards import better, spelling
from segeval.reports.notation import UNITS, Alphabet
from segeval.reports.run_summary import run_summary
from segeval.reports.table import Table
from segeval.results.results import Results

# an underscore inside a word is not emphasis, and escaping it would make names hard to read in the source
_MARKUP = re.compile(r"[\\`*\[\]~$]|@(?=[\w-]+\.)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
SHOWN_FAILURES = 50
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(results: Results) -> Iterator[str]:
    """Write one scored case as its table, and other results as a report: gate, means, groups, spread, failures.

    Parameters
    ----------
    results
        Results of any number of cases, with their summary unless there is only one case.

    Yields
    ------
    str
        Parts of a text that ends in a newline.
    """
    alone = len(results.cases) == 1 and results.cases[0].status == "scored" and not results.cases[0].groups
    for place, part in enumerate(_one(results) if alone else _several(results)):
        yield f"\n\n{part}" if place else part
    yield "\n"


def _one(results: Results) -> Iterator[str]:
    for table, record in zip(case_tables(results, Alphabet()), results.cases, strict=True):
        yield from _case(table, record.warnings)
    yield from _gate(results)
    yield f"<sub>{escaped(results.signature)}</sub>"


def _several(results: Results) -> Iterator[str]:
    found = run_summary(results, Alphabet(), failures=SHOWN_FAILURES)
    yield f"**{escaped(found.headline)}**"
    yield from _gate(results)
    for table in (found.summary, found.overall, *found.groups):
        if table is not None:
            yield from _table(table)
    details = [*found.spread, *found.tables]
    if details:
        yield f"<details><summary>{'Spread, worst cases' if found.spread else 'Worst cases'}</summary>"
        for table in details:
            yield from _table(table.needed())
        yield "</details>"
    if found.sentences:
        yield bullets(found.sentences)
    if found.failures is not None:
        yield from _table(found.failures)
    if found.warnings:
        yield bullets(f"Warning: {warning}" for warning in found.warnings)
    yield f"<sub>{escaped(results.signature)}</sub>"


def _gate(results: Results) -> Iterator[str]:
    if not results.gate:
        return
    worst = any(verdict.worst_case for verdict in results.gate)
    rows = [
        [
            table_cell(verdict.requirement),
            found(verdict),
            "met" if verdict.passed else "**not met**",
            *([table_cell(verdict.worst_case or "")] if worst else []),
        ]
        for verdict in results.gate
    ]
    heads = ["requirement", "found", "", *(["worst case"] if worst else [])]
    yield pipe_table(heads, rows, right=[head == "found" for head in heads])


def _table(table: Table) -> Iterator[str]:
    columns = [
        (head, cells) for head, cells in zip(table.heads, zip(*table.rows, strict=True), strict=True) if any(cells)
    ]
    yield pipe_table(
        [table_cell(f"{head.title} {head.unit}".strip()) for head, _ in columns],
        [[table_cell(cell.strip()) for cell in row] for row in zip(*(cells for _, cells in columns), strict=True)],
        right=[head.right for head, _ in columns],
    )
    if table.notes:
        yield bullets(table.notes)


def metrics_table(cards: Iterable[Metric]) -> str:
    """Return the metrics as a table: name, title, unit, better direction and formula.

    Parameters
    ----------
    cards
        Metrics in the order of the rows.

    Returns
    -------
    str
        The table, which ends in a newline.
    """
    rows = [
        [
            ", ".join(f"`{name}`" for name in (spelling(card), *card.aliases)),
            table_cell(card.title),
            UNITS.get(card.quantity, ""),
            better(card),
            table_cell(card.formula),
        ]
        for card in cards
    ]
    return pipe_table(["metric", "title", "unit", "better", "formula"], rows, right=[False] * 5) + "\n"


def escaped(text: object) -> str:
    r"""Escape a text so that Markdown renders it unchanged, on one line; for a cell of a table use `table_cell`.

    Examples
    --------
    >>> print(escaped("<i> [x](y) *lung_left*"))
    &lt;i&gt; \[x\](y) \*lung_left\*
    """
    return _MARKUP.sub(lambda found: f"\\{found[0]}", Alphabet().text(text)).translate(_ENTITIES)


def table_cell(text: str) -> str:
    """Escape a text for a cell of a table."""
    return escaped(text).replace("|", "\\|")


def _case(table: CaseTable, warnings: Iterable[str]) -> list[str]:
    parts = [bullets(f"{title}: {text}" for title, text in table.facts)]
    if table.scores.rows:
        parts += _table(table.scores.plain)
    if table.overall:
        rows = [[token, table_cell(" ".join(filter(None, (score, note))))] for token, score, note in table.overall]
        parts.append(pipe_table(["over all labels", "value"], rows, right=[False, True]))
    remarks = [f"{title}: {text}" for title, text in table.remarks]
    remarks += [f"Warning: {warning}" for warning in warnings]
    return [*parts, bullets(remarks)] if remarks else parts


def bullets(lines: Iterable[str]) -> str:
    """Return lines as a list, escaped."""
    return "\n".join(f"- {escaped(line)}" for line in lines)


def pipe_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[bool]) -> str:
    """Return escaped cells as a table, without a newline at its end."""
    rule = ["---:" if flush else ":---" for flush in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
