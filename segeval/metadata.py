"""What is known of cases besides their files: the table whose columns a summary is grouped by.

A value is text, whatever it looks like: groups are told apart by how they are written. A table may say more than what
is asked for, of more cases than were scored; it may not say anything twice.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from segeval.casetables import CaseTable, cell, enumerated, line_list, read_case_table, storable
from segeval.errors import InputError, UsageError, shown

EMPTY = "(empty)"
CASE = "case"
MOST_NEAR = 3


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
            "; ".join(_unknown(name, table) for name in found_places if name not in places),
            source=path,
            hint=f"its columns are {enumerated([column for column in table.columns if column])}",
        )
    wrong = {"no case": [line for line, cells in table.rows if not cell(cells, of_case)]}
    wrong["more cells than the header"] = list(table.overlong)
    problem = "; ".join(f"{what} in {line_list(lines)}" for what, lines in wrong.items() if lines)
    if problem:
        raise InputError(problem, source=path)
    first: dict[str, int] = {}
    values: dict[str, dict[str, str]] = {}
    for line, cells in table.rows:
        case = storable(cell(cells, of_case))
        if case in first:
            raise InputError(
                f"the case {shown(case)!r} is in line {first[case]} and in line {line}",
                source=path,
                hint="keep one row for each case",
            )
        first[case] = line
        values[case] = {name: storable(cell(cells, place)) or EMPTY for name, place in places.items()}
    return values


def _place(table: CaseTable, name: str, path: str) -> int | None:
    """Which column is called so, exactly or else but for capitals; None where none is."""
    named = {place: column for place, column in enumerate(table.columns) if column}
    exact = [place for place, column in named.items() if column == name]
    found = exact or [place for place, column in named.items() if column.casefold() == name.casefold()]
    if len(found) > 1:
        called = enumerated([table.columns[place] for place in found])
        raise InputError(
            f"{len(found)} columns are called {shown(name)!r}: {called}", source=path, hint="rename all but one"
        )
    return found[0] if found else None


def _unknown(name: str, table: CaseTable) -> str:
    plain = {column.casefold(): column for column in table.columns if column}
    near = [shown(plain[text]) for text in difflib.get_close_matches(name.casefold(), plain, MOST_NEAR, 0.65)]
    suggestion = f", did you mean {' or '.join(near)}?" if near else ""
    return f"no column is called {shown(name)!r}{suggestion}"
