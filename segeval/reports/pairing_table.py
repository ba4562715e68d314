"""Which files belong together, before anything is scored: a table, whose CSV `segeval batch --pairs` reads."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from segeval.errors import shown
from segeval.pairing import Pairing
from segeval.reports.csv_style import PLAIN, CsvStyle
from segeval.reports.layout import Column
from segeval.reports.terminal import Printer
from segeval.scoring.case import Case
from segeval.text import counted

COLUMNS = ("case", "prediction", "reference", "problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A case as a row of the table.

    Parameters
    ----------
    case, prediction, reference, problem
        Texts; empty for a prediction that there is none of, and where nothing is wrong.
    """

    case: str
    prediction: str
    reference: str
    problem: str


def pair_rows(pairing: Pairing) -> list[PairRow]:
    """Every case, and what is wrong with it."""
    return [
        PairRow(
            case=case.name, prediction=case.prediction or "", reference=case.reference, problem=_problem(case) or ""
        )
        for case in pairing.cases
    ]


def _problem(case: Case) -> str | None:
    if case.problem is not None or case.prediction is not None:
        return case.problem
    return "no prediction" + (f"; near are {', '.join(map(shown, case.near))}" if case.near else "")


def pairing_csv(pairing: Pairing, *, style: CsvStyle = PLAIN) -> Iterator[str]:
    """The table as CSV, not for a spreadsheet but for segeval, which reads it wherever it is kept: paths are absolute.

    A case with a problem has no prediction in it, since reading the table again would not find every problem.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=style.delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in pair_rows(pairing):
        paths = ["" if row.problem else row.prediction, row.reference]
        writer.writerow([row.case, *(os.path.abspath(path) if path else "" for path in paths), row.problem])  # noqa: PTH100
    yield style.start + text.getvalue()


def pairing_json(pairing: Pairing) -> Iterator[str]:
    """The table and the predictions without a reference, as JSON."""
    cases = [{column: getattr(row, column) or None for column in COLUMNS} for row in pair_rows(pairing)]
    yield json.dumps({"cases": cases, "unpaired_predictions": list(pairing.strays)}, indent=1) + "\n"


def pairing_jsonl(pairing: Pairing) -> Iterator[str]:
    """The table as JSON lines."""
    for row in pair_rows(pairing):
        yield json.dumps({column: getattr(row, column) or None for column in COLUMNS}) + "\n"


def pairing_markdown(pairing: Pairing) -> Iterator[str]:
    """The table as Markdown."""
    from segeval.reports.markdown import escaped

    cells: list[Iterable[str]] = [COLUMNS, [":---"] * len(COLUMNS)]
    cells += [[escaped(getattr(row, column)).replace("|", "\\|") for column in COLUMNS] for row in pair_rows(pairing)]
    yield "".join(f"| {' | '.join(row)} |\n" for row in cells)


def print_pairing(pairing: Pairing, printer: Printer) -> None:
    """Print which files belong together, and what is wrong where they do not.

    Parameters
    ----------
    pairing
        The cases.
    printer
        Where to. Where the table is too wide, it is continued below.
    """
    rows = pair_rows(pairing)
    cells = {name: [printer.alphabet.text(getattr(row, name)) for row in rows] for name in COLUMNS}
    keys = [Column(head=("case",), cells=cells["case"])]
    columns = [Column(head=(name,), cells=cells[name]) for name in ("prediction", "reference")]
    columns.append(Column(head=("problem",), cells=cells["problem"], prose=True, style="yellow"))
    unpaired = sum(bool(row.problem) for row in rows)
    total = f"{counted(len(rows), 'case')}, {unpaired or 'none'} without a prediction of its own"
    printer.print([*printer.table(keys, columns), [(total, "")]])
