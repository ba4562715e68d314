"""Read tables of metadata about cases or results files, whose columns group the scores.

All values are text, so two groups are the same if they are spelt the same. A table may have more columns and more cases
than are needed, but no case twice. A table of results files has the column file instead of case, for metadata that all
cases of a file share, such as the network and its loss.
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
MAX_SUGGESTIONS = 3

Known = dict[str, dict[str, str]]  # values by case or file, then by column


def read_metadata(path: str, *, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    r"""Read the metadata of each case from a table.

    Parameters
    ----------
    path
        A CSV or TSV file in UTF-8 with a header that has the column ``case``, in upper or lower case.
    columns
        Columns to read; upper and lower case matter only if two names differ in nothing else.

    Returns
    -------
    dict
        Values by case and then by column, named as in `columns`. The value of an empty cell is ``"(empty)"``; bytes
        that are not valid UTF-8 are escaped.

    Raises
    ------
    InputError
        The file cannot be read; the column of the cases is missing; two columns have the same name; or a row has no
        case, the case of another row, or too many cells.
    UsageError
        A column of `columns` is missing.

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
    case_place = _place(table, CASE, path)
    if case_place is None:
        raise InputError("the column 'case' is missing", source=path, hint="put the names of the cases into it")
    found_places = {name: _place(table, name, path) for name in columns}
    places = {name: place for name, place in found_places.items() if place is not None}
    if len(places) < len(found_places):
        raise UsageError(
            "; ".join(_unknown(name, table.columns) for name in found_places if name not in places),
            source=path,
            hint=_columns_of(table.columns),
        )
    return _values(_KeyedTable(path, case_place, table), CASE, places)


def read_factors(paths: Sequence[str], *, columns: Sequence[str]) -> tuple[Known | None, Known | None]:
    """Read the metadata of each case and of each results file from tables.

    Parameters
    ----------
    paths
        Tables as for `read_metadata`: at most one of cases, and one of results files with the column ``file``.
    columns
        Columns to read, each from the table that has it.

    Returns
    -------
    cases, files
        Values by case or file, as written, and then by column; None if there is no such table or none of its columns
        is needed.

    Raises
    ------
    InputError, UsageError
        As for `read_metadata`, and if two tables are of the same kind or have the same column.
    """
    tables = _tables_by_key(paths)
    wanted = _wanted_places(tables, columns)
    cases, files = (_values(tables[key], key, wanted[key]) if wanted.get(key) else None for key in (CASE, FILE))
    return cases, files


class _KeyedTable(NamedTuple):
    """A table and the position of its key column, case or file."""

    path: str
    key_place: int
    table: CaseTable


def _tables_by_key(paths: Sequence[str]) -> dict[str, _KeyedTable]:
    """Read the tables and return them by the name of their key column."""
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
            raise UsageError(f"two tables have the column {key!r}", source=path, hint="put them into one table")
        tables[key] = _KeyedTable(path, place, table)
    return tables


def _wanted_places(tables: Mapping[str, _KeyedTable], columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the positions of the columns to read, by key column of their table and then by name."""
    wanted: dict[str, dict[str, int]] = {key: {} for key in tables}
    missing: list[str] = []
    for name in columns:
        having = {key: at for key, each in tables.items() if (at := _place(each.table, name, each.path)) is not None}
        if len(having) > 1:
            problem = f"two tables have the column {shown(name)!r}"
            raise UsageError(problem, source=tables[FILE].path, hint="rename one of the columns")
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
    """Return the values of a table, by case or file and then by column."""
    path, key_place, table = keyed
    wrong = {f"no {key}": [line for line, cells in table.rows if not cell(cells, key_place)]}
    wrong["more cells than the header"] = list(table.overlong)
    problem = "; ".join(f"{what} in {line_list(lines)}" for what, lines in wrong.items() if lines)
    if problem:
        raise InputError(problem, source=path)
    first: dict[str, int] = {}
    values: Known = {}
    for line, cells in table.rows:
        name = storable(cell(cells, key_place))
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
    """Return the position of the column with a name, exactly or ignoring case; None if there is none."""
    named = {place: column for place, column in enumerate(table.columns) if column}
    exact = [place for place, column in named.items() if column == name]
    found = exact or [place for place, column in named.items() if column.casefold() == name.casefold()]
    if len(found) > 1:
        titles = enumerated([table.columns[place] for place in found], shown)
        raise InputError(
            f"{len(found)} columns have the name {shown(name)!r}: {titles}", source=path, hint="rename all but one"
        )
    return found[0] if found else None


def _unknown(name: str, columns: Iterable[str]) -> str:
    plain = {column.casefold(): column for column in columns if column}
    near = [shown(plain[text]) for text in difflib.get_close_matches(name.casefold(), plain, MAX_SUGGESTIONS, 0.65)]
    suggestion = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"no column {shown(name)!r}{suggestion}"


def _columns_of(columns: Iterable[str]) -> str:
    return f"the columns are {enumerated([column for column in columns if column], shown)}"
