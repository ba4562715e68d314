"""The names that a BIDS dataset gives to the labels of one of its discrete segmentations.

Beside ``sub-01_space-T1w_dseg.nii.gz``, or above it up to the dataset's root, a table such as
``sub-01_space-T1w_dseg.tsv`` or ``dseg.tsv`` says what the numbers mean. By the inheritance principle (BIDS
specification, common principles) a table applies whose name has no entity that the segmentation's lacks; the lowest
folder that has one decides, and tables are never merged. The root is the folder of ``dataset_description.json``; where
there is none, only the file's own folder is searched.
"""

from __future__ import annotations

import os
from dataclasses import replace

from segeval.errors import InputError, shown
from segeval.maps.label_map import LabelMap
from segeval.maps.labels import plain_name
from segeval.reading.files import is_there, names_in
from segeval.reading.formats import stem_of

ROOT = "dataset_description.json"
TABLE = "dseg.tsv"


def with_table(label_map: LabelMap) -> LabelMap:
    """Add the names of the BIDS table to those in the file, where there is a table.

    Raises
    ------
    InputError
        A table that is damaged or contradicts the names in the file, or two that apply equally well.
    """
    table = table_of(label_map.source)
    return label_map if table is None else _named(label_map, table)


def table_of(path: str) -> str | None:
    """The table that names the labels of a segmentation, by the BIDS inheritance principle.

    Parameters
    ----------
    path
        The segmentation. There is a table only for one whose name ends in ``_dseg``.

    Returns
    -------
    str or None
        The table's path.

    Raises
    ------
    InputError
        Two tables in one folder that apply equally well.
    """
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - links stay as they are: annexed files are links
    stem = stem_of(name, "labels")
    if not stem.endswith("_dseg"):
        return None
    for level in _levels(folder):
        found = _applicable(level, stem)
        if found is not None:
            return os.path.join(level, found)  # noqa: PTH118
    return None


def _levels(folder: str) -> list[str]:
    """The folder and those above it, up to the dataset's root; the folder alone where there is none."""
    levels = [folder]
    while not is_there(os.path.join(levels[-1], ROOT)):  # noqa: PTH118
        above = os.path.dirname(levels[-1])  # noqa: PTH120
        if above == levels[-1]:
            return [folder]
        levels.append(above)
    return levels


def _applicable(folder: str, stem: str) -> str | None:
    """The table in a folder that applies; of several, the one with most entities."""
    entities = set(stem.split("_")[:-1])
    found: dict[int, list[str]] = {}
    for name in names_in(folder, TABLE):
        *own, last = name.removesuffix(".tsv").split("_")
        if last == "dseg" and entities.issuperset(own):
            found.setdefault(len(own), []).append(name)
    if not found:
        return None
    first, *others = found[max(found)]
    if others:
        raise InputError(
            f"{shown(first)} and {shown(others[0])} both apply to {shown(stem)}",
            source=folder,
            hint="BIDS allows one table for a file in each folder",
        )
    return first


def _named(label_map: LabelMap, path: str) -> LabelMap:
    from segeval.reading.labels import read_label_table  # deferred: it knows many dialects

    try:
        names = read_label_table(path).names
    except InputError as error:
        because = f"it names the labels of {shown(label_map.source)}, as BIDS has it"
        hint = f"{error.hint} ({because})" if error.hint else because
        raise InputError(error.problem, source=error.source, hint=hint) from None
    for label, name in names.items():
        own = label_map.names.get(label, name)
        if plain_name(own) != plain_name(name):
            raise InputError(
                f"label {label} is {shown(own)!r} in the file's own header, but {shown(name)!r} in {shown(path)}",
                source=label_map.source,
                hint="mend the table, or move it away",
            )
    stored = f"{label_map.stored}, names from {shown(os.path.basename(path))}"  # noqa: PTH119
    return replace(label_map, names={**label_map.names, **names}, stored=stored)
