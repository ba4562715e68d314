"""Table of the pairs that `segeval batch --dry-run` finds; `--pairs` reads its CSV."""

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
from segeval.reports.terminal import Printer, fact_lines
from segeval.scoring.case import Case
from segeval.text import counted

SIDES = ("prediction", "reference")
COLUMNS = ("case", *SIDES, "problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A case as a row of the table.

    Parameters
    ----------
    case, prediction, reference, problem
        Texts. `prediction` is empty if there is none, `problem` if nothing is wrong.
    """

    case: str
    prediction: str
    reference: str
    problem: str


def pair_rows(pairing: Pairing) -> list[PairRow]:
    """Return a row for every case."""
    return [
        PairRow(
            case=case.name, prediction=case.prediction or "", reference=case.reference, problem=_problem(case) or ""
        )
        for case in pairing.cases
    ]


def _problem(case: Case) -> str | None:
    if case.problem is not None or case.prediction is not None:
        return case.problem
    return "no prediction" + (f"; similar: {', '.join(map(shown, case.near))}" if case.near else "")


def pairing_csv(pairing: Pairing, *, style: CsvStyle = PLAIN) -> Iterator[str]:
    """Return the table as CSV for `--pairs`; paths are absolute, so that the file can be moved.

    A case with a problem has no prediction in it, because `--pairs` would not find every problem again.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=style.delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in pair_rows(pairing):
        paths = ["" if row.problem else row.prediction, row.reference]
        writer.writerow([row.case, *(os.path.abspath(path) if path else "" for path in paths), row.problem])  # noqa: PTH100
    yield style.start + text.getvalue()


def pairing_json(pairing: Pairing) -> Iterator[str]:
    """Return the table and the predictions without a reference as JSON."""
    cases = [{column: getattr(row, column) or None for column in COLUMNS} for row in pair_rows(pairing)]
    yield json.dumps({"cases": cases, "unpaired_predictions": list(pairing.strays)}, indent=1) + "\n"


def pairing_jsonl(pairing: Pairing) -> Iterator[str]:
    """Return the table as JSON lines."""
    for row in pair_rows(pairing):
        yield json.dumps({column: getattr(row, column) or None for column in COLUMNS}) + "\n"


def pairing_markdown(pairing: Pairing) -> Iterator[str]:
    """Return the table as Markdown."""
    from segeval.reports.markdown import escaped

    cells: list[Iterable[str]] = [COLUMNS, [":---"] * len(COLUMNS)]
    cells += [[escaped(getattr(row, column)).replace("|", "\\|") for column in COLUMNS] for row in pair_rows(pairing)]
    yield "".join(f"| {' | '.join(row)} |\n" for row in cells)


def print_pairing(pairing: Pairing, printer: Printer) -> None:
    """Print how many cases are paired, then the files of each case and its problem.

    Parameters
    ----------
    pairing
        The cases.
    printer
        Where to print. Paths are relative to the folder of each side, which is named once.
    """
    rows = pair_rows(pairing)
    folders = {side: _shared_folder([getattr(row, side) for row in rows]) for side in SIDES}
    cells = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    for side, folder in folders.items():
        cells[side] = [path.removeprefix(folder) for path in cells[side]]
    named = {name: [printer.alphabet.text(text) for text in texts] for name, texts in cells.items()}
    keys = [Column(head=("case",), cells=named["case"])]
    columns = [Column(head=(side,), cells=named[side]) for side in SIDES]
    columns.append(Column(head=("problem",), cells=named["problem"], prose=True, style="yellow"))
    facts = [(f"{side}s", printer.alphabet.text(folder)) for side, folder in folders.items() if folder]
    printer.print([[(_verdict(pairing), "")], *fact_lines(facts), [("", "")], *printer.table(keys, columns)[:-1]])


def _shared_folder(paths: Iterable[str]) -> str:
    """Return the folder that all paths begin with, with a separator at its end; empty if there is none."""
    folders = [os.path.dirname(path) for path in paths if path]  # noqa: PTH120 - paths stay as they were given
    try:
        folder = os.path.commonpath(folders)
    except ValueError:  # there are no paths, or absolute ones next to relative ones
        return ""
    joined = os.path.join(folder, "") if folder else ""  # noqa: PTH118
    return joined if all(path.startswith(joined) for path in paths if path) else ""


def _verdict(pairing: Pairing) -> str:
    """Return how many cases there are, and how many of them are not paired."""
    problems = sum(case.problem is not None for case in pairing.cases)
    missing = sum(case.problem is None and case.prediction is None for case in pairing.cases)
    texts = [
        f"{missing} without a prediction" if missing else "",
        f"{counted(problems, 'problem')}" if problems else "",
    ]
    return f"{counted(len(pairing.cases), 'case')}, {', '.join(filter(None, texts)) or 'all paired'}"
