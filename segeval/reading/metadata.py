"""What is known of cases, or of whole runs, besides their files: tables whose columns scores are grouped by.

A value is text, whatever it looks like: groups are told apart by how they are written. A table may say more than what
is asked for, of more cases than were scored; it may not say anything twice. A table of runs has the column file in
place of case: what is the same for all cases of a results file, such as the network and its loss.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from segeval.errors import InputError, UsageError, shown
from segeval.reading.case_tables import CaseTable, cell, line_list, read_case_table, storable
from segeval.text import enumerated

EMPTY = "(empty)"
CASE, FILE = "case", "file"
MOST_NEAR = 3

Known = dict[str, dict[str, str]]


def read_metadata(path: str, *, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    r"""Read what a table says of each case.

    Parameters
    ----------
    path
        A CSV or TSV file in UTF-8 with a header, one column of which is ``case``, in any capitals.
    columns
        Those that are wanted, as they are written or but for capitals.

    Returns
    -------
    dict
        Case -> column, called as in `columns` -> value. A cell that is empty is the value ``"(empty)"``; in what is not
        valid UTF-8 the bytes are escaped.

    Raises
    ------
    InputError
        The file cannot be read, has no column for the case, two of one name, or rows with no case, with that of
        another row, or with too many cells.
    UsageError
        There is no such column.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "cases.csv")
    ...     _ = path.write_text("Case,Site,age\nliver_001,A,61\nliver_002,,58\n", "utf-8")
    ...     read_metadata(str(path), columns=["site"])
    {'liver_001': {'site': 'A'}, 'liver_002': {'site': '(empty)'}}
    """
    table = read_case_table(path, known=CASE)
    of_case = _place(table, CASE, path)
    if of_case is None:
        raise InputError("no column case", source=path, hint="a table of cases names them in the column case")
    found_places = {name: _place(table, name, path) for name in columns}
    places = {name: place for name, place in found_places.items() if place is not None}
    if len(places) < len(found_places):
        raise UsageError(
            "; ".join(_unknown(name, table.columns) for name in found_places if name not in places),
            source=path,
            hint=_columns_of(table.columns),
        )
    return _values(_KeyedTable(path, of_case, table), CASE, places)


def read_factors(paths: Sequence[str], *, columns: Sequence[str]) -> tuple[Known | None, Known | None]:
    """Read what tables say of each case, and of each results file.

    Parameters
    ----------
    paths
        Tables as `read_metadata` takes them, at most one of cases and one of results files, which has the column
        ``file``.
    columns
        Those that are wanted, each from the table that has it.

    Returns
    -------
    cases, files
        Case, or file as it is written -> column -> value; None for a table that there is none of, or from which
        nothing is wanted.

    Raises
    ------
    InputError, UsageError
        As for `read_metadata`; tables of one kind, or a column that both have.
    """
    tables = _tables_by_key(paths)
    wanted = _wanted_places(tables, columns)
    cases, files = (_values(tables[key], key, wanted[key]) if wanted.get(key) else None for key in (CASE, FILE))
    return cases, files


class _KeyedTable(NamedTuple):
    """A table, and which column tells its rows apart."""

    path: str
    key_place: int
    table: CaseTable


def _tables_by_key(paths: Sequence[str]) -> dict[str, _KeyedTable]:
    """The tables, by the name of the column that tells their rows apart."""
    tables: dict[str, _KeyedTable] = {}
    for path in paths:
        table = read_case_table(path, known=FILE)
        if _place(table, FILE, path) is None:
            table = read_case_table(path, known=CASE)
        keys = {key: place for key in (CASE, FILE) if (place := _place(table, key, path)) is not None}
        if len(keys) != 1:
            found = "both" if keys else "neither"
            raise InputError(f"expected a column case, or a column file for results files, found {found}", source=path)
        ((key, place),) = keys.items()
        if key in tables:
            raise UsageError(f"a second table with the column {key}", source=path, hint="put them in one")
        tables[key] = _KeyedTable(path, place, table)
    return tables


def _wanted_places(tables: Mapping[str, _KeyedTable], columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Key of a table -> wanted column -> its place, of the columns that the table has."""
    wanted: dict[str, dict[str, int]] = {key: {} for key in tables}
    missing: list[str] = []
    for name in columns:
        having = {key: at for key, each in tables.items() if (at := _place(each.table, name, each.path)) is not None}
        if len(having) > 1:
            raise UsageError(f"two tables have a column {shown(name)}", source=tables[FILE].path, hint="rename one")
        if not having:
            missing.append(name)
        for key, at in having.items():
            wanted[key][name] = at
    if missing:
        known = [column for each in tables.values() for column in each.table.columns]
        raise UsageError(
            "; ".join(_unknown(name, known) for name in missing),
            source=" and ".join(each.path for each in tables.values()),
            hint=_columns_of(known),
        )
    return wanted


def _values(keyed: _KeyedTable, key: str, places: Mapping[str, int]) -> Known:
    """What the rows of a table say, by the column that tells them apart."""
    path, of_key, table = keyed
    wrong = {f"no {key}": [line for line, cells in table.rows if not cell(cells, of_key)]}
    wrong["more cells than the header"] = list(table.overlong)
    problem = "; ".join(f"{what} in {line_list(lines)}" for what, lines in wrong.items() if lines)
    if problem:
        raise InputError(problem, source=path)
    first: dict[str, int] = {}
    values: Known = {}
    for line, cells in table.rows:
        name = storable(cell(cells, of_key))
        if name in first:
            raise InputError(
                f"the {key} {shown(name)!r} is in line {first[name]} and in line {line}",
                source=path,
                hint=f"keep one row for each {key}",
            )
        first[name] = line
        values[name] = {column: storable(cell(cells, place)) or EMPTY for column, place in places.items()}
    return values


def _place(table: CaseTable, name: str, path: str) -> int | None:
    """Which column is called so, exactly or else but for capitals; None where none is."""
    named = {place: column for place, column in enumerate(table.columns) if column}
    exact = [place for place, column in named.items() if column == name]
    found = exact or [place for place, column in named.items() if column.casefold() == name.casefold()]
    if len(found) > 1:
        called = enumerated([table.columns[place] for place in found], shown)
        raise InputError(
            f"{len(found)} columns are called {shown(name)!r}: {called}", source=path, hint="rename all but one"
        )
    return found[0] if found else None


def _unknown(name: str, columns: Iterable[str]) -> str:
    plain = {column.casefold(): column for column in columns if column}
    near = [shown(plain[text]) for text in difflib.get_close_matches(name.casefold(), plain, MOST_NEAR, 0.65)]
    suggestion = f", did you mean {' or '.join(near)}?" if near else ""
    return f"no column is called {shown(name)!r}{suggestion}"


def _columns_of(columns: Iterable[str]) -> str:
    return f"its columns are {enumerated([column for column in columns if column], shown)}"
