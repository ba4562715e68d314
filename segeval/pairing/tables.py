"""Find the cases in a table of pairs.

The table decides: files are looked for only where it says, and files that it does not name are ignored. If a reference
does not exist, its case has a problem; the other rows are scored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segeval.errors import InputError, shown
from segeval.pairing.listing import entries
from segeval.pairing.matches import Pairing
from segeval.pairing.near import MOST_SUGGESTED, Pool
from segeval.pairing.paths import are_same, base_of, is_text, joined, strict_order
from segeval.pairing.remarks import NOT_TEXT, SAME_FILE, count_word
from segeval.reading import file_behind
from segeval.reading.case_tables import CaseTable, cell, line_list, read_case_table, storable
from segeval.reading.formats import stem_of, suffix_of
from segeval.scoring.case import Case
from segeval.scoring.cases import case_name
from segeval.text import counted, enumerated

_COLUMNS = ("case", "prediction", "reference")
_MOST_REUSED = 5  # predictions that belong to several cases and are named
_EXPECTED = "a table of pairs needs the columns prediction and reference; case is optional"


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table of pairs; paths are joined with the folder of the table."""

    line: int
    name: str
    prediction: str | None
    reference: str
    is_text: bool


def read_pairs(path: str) -> Pairing:
    """Read a table of pairs.

    Parameters
    ----------
    path
        A CSV or TSV file in UTF-8 with a header. The columns ``prediction`` and ``reference`` are needed, ``case`` is
        optional; case does not matter, and other columns are ignored. Paths are relative to the folder of the table. A
        prediction is missing if its cell is empty or the file does not exist.

    Returns
    -------
    Pairing
        A case for each row. Without the column ``case``, a case is named after the file of its reference, or after the
        whole path if two files have the same name.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or has rows without a reference or with too many cells.

    Examples
    --------
    >>> read_pairs("missing.csv")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.csv: no such file
    """
    rows = _rows(read_case_table(path, known="reference"), path)
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    suggestions = _Suggestions(row.prediction for row in rows)
    cases = [_case(name, group, suggestions) for name, group in groups.items()]
    return Pairing(
        cases=tuple(sorted(cases, key=lambda case: strict_order(case.name))),
        remarks=tuple(_reused(cases)) if rows else (f"no pair found in {shown(path)}: it has a header but no rows",),
    )


def _reused(cases: Iterable[Case]) -> list[str]:
    """Return remarks on predictions that belong to several cases."""
    names: dict[str, list[str]] = {}
    for case in cases:
        if case.prediction is not None:
            names.setdefault(os.path.abspath(case.prediction), []).append(case.name)  # noqa: PTH100
    reused = {path: each for path, each in names.items() if len(each) > 1}
    remarks = [
        f"{count_word(len(each))} cases have the same prediction {shown(path)}: {enumerated(each, shown)}"
        for path, each in list(reused.items())[:_MOST_REUSED]
    ]
    if len(reused) > _MOST_REUSED:
        remarks.append(f"{counted(len(reused) - _MOST_REUSED, 'more prediction')} belong to several cases")
    return remarks


def _rows(table: CaseTable, path: str) -> list[_Row]:
    header = [column.casefold() for column in table.columns]
    wrong = [f"no column {name}" for name in _COLUMNS[1:] if name not in header]
    wrong += [f"{count_word(header.count(name))} columns {name}" for name in _COLUMNS if header.count(name) > 1]
    if wrong:
        raise InputError("; ".join(wrong), source=path, hint=_EXPECTED)
    places = [header.index(name) if name in header else len(header) for name in _COLUMNS]
    texts = [[cell(cells, place) for place in places] for _, cells in table.rows]
    overlong = set(table.overlong)
    nameless = [line for (line, _), row in zip(table.rows, texts, strict=True) if not row[2] and line not in overlong]
    if nameless:
        wrong.append(f"no reference in {line_list(nameless)}")
    if overlong:
        wrong.append(f"more cells than the header in {line_list(table.overlong)}")
    if wrong:
        raise InputError("; ".join(wrong), source=path, hint=_EXPECTED)
    folder = os.path.dirname(path)  # noqa: PTH120
    return [
        _Row(
            line=line,
            name=storable(name),
            prediction=joined(folder, row[1]) if row[1] else None,
            reference=joined(folder, row[2]),
            is_text=all(map(is_text, row)),
        )
        for (line, _), name, row in zip(table.rows, _names(texts, folder), texts, strict=True)
    ]


def _names(texts: Sequence[Sequence[str]], folder: str) -> list[str]:
    """Return the names of the cases: as written, or else by file, or by path if names of files recur."""
    short = [name or _short_name(joined(folder, reference)) for name, _, reference in texts]
    long = [name or _written_name(reference) for name, _, reference in texts]
    return long if len(set(long)) > len(set(short)) else short


def _short_name(path: str) -> str:
    try:
        return case_name(path)
    except (OSError, ValueError):  # no file can have this name
        return _written_name(base_of(path))


def _written_name(path: str) -> str:
    image = path.removeprefix(f"{file_behind(path)}::")
    plain = image.rstrip("/")
    return stem_of(plain) or plain or path


class _Suggestions:
    """Suggests files for predictions that do not exist.

    Parameters
    ----------
    used
        Paths that the table names.
    """

    def __init__(self, used: Iterable[str | None]) -> None:
        self._used = set(used)
        self._pools: dict[str, Pool] = {}
        self._suggested = 0

    def near(self, path: str) -> tuple[str, ...]:
        """Return label maps in the folder of a path that does not exist: similar ones that no row names."""
        self._suggested += 1
        if self._suggested > MOST_SUGGESTED:
            return ()
        folder, name = os.path.split(path)
        if folder not in self._pools:
            try:
                names = entries(folder or os.curdir)[0]
            except (InputError, ValueError):
                names = []
            found = {joined(folder, each): stem_of(each) for each in names if suffix_of(each) and is_text(each)}
            self._pools[folder] = Pool(
                (found[each], each) for each in sorted(found.keys() - self._used, key=strict_order)
            )
        return self._pools[folder].near(stem_of(name))


def _case(name: str, rows: Sequence[_Row], suggestions: _Suggestions) -> Case:
    references = list(dict.fromkeys(row.reference for row in rows))
    problems = []
    if len(rows) > 1:
        lines = line_list([row.line for row in rows])
        problems.append(f"{count_word(len(rows))} rows for one case, in {lines}: {enumerated(references, shown)}")
    if not all(row.is_text for row in rows):
        problems.append(NOT_TEXT)
    problems += [f"the reference does not exist: {shown(path)}" for path in references if not _exists(path)]
    wanted = rows[0].prediction
    there = wanted is not None and _exists(wanted)
    if wanted is not None and there and any(are_same(wanted, path) for path in references):
        problems.append(SAME_FILE)
    return Case(
        name=name,
        prediction=wanted if there else None,
        reference=rows[0].reference,
        problem="; ".join(problems) or None,
        near=suggestions.near(wanted) if wanted is not None and not there and not problems else (),
    )


def _exists(path: str) -> bool:
    """Whether a path exists, or the file whose image it names; a broken link counts as existing."""
    try:
        return os.path.lexists(path) or os.path.lexists(file_behind(path))
    except ValueError:
        return False
