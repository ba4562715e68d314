"""Read the label names of a discrete segmentation in a BIDS dataset.

A table such as ``sub-01_space-T1w_dseg.tsv`` or ``dseg.tsv`` names the labels of ``sub-01_space-T1w_dseg.nii.gz``. The
table is in the same folder, or in a folder above it up to the root of the dataset. By the inheritance principle of
BIDS, a table applies if every entity in its name is also in the name of the segmentation. The nearest folder with such
a table decides; tables are never merged. The root is the folder with ``dataset_description.json``. Without a root, only
the folder of the file is searched.
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
    """Add the names from the BIDS table to those in the file, if there is a table.

    Raises
    ------
    InputError
        The table is damaged or contradicts the names in the file, or two tables apply equally well.
    """
    table = table_of(label_map.source)
    return label_map if table is None else _named(label_map, table)


def table_of(path: str) -> str | None:
    """Find the table that names the labels of a segmentation, by the BIDS inheritance principle.

    Parameters
    ----------
    path
        Path of the segmentation. Only names that end in ``_dseg`` have a table.

    Returns
    -------
    str or None
        Path of the table, if there is one.

    Raises
    ------
    InputError
        Two tables in one folder apply equally well.
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
    """List a folder and those above it up to the root of the dataset; only the folder if there is no root."""
    levels = [folder]
    while not is_there(os.path.join(levels[-1], ROOT)):  # noqa: PTH118
        above = os.path.dirname(levels[-1])  # noqa: PTH120
        if above == levels[-1]:
            return [folder]
        levels.append(above)
    return levels


def _applicable(folder: str, stem: str) -> str | None:
    """Find the table in a folder that applies; if several do, the one with the most entities."""
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
            hint="remove or rename one: BIDS allows one table per file and folder",
        )
    return first


def _named(label_map: LabelMap, path: str) -> LabelMap:
    from segeval.reading.labels import read_label_table  # deferred: it knows many dialects

    try:
        names = read_label_table(path).names
    except InputError as error:
        because = f"it is the BIDS table with the label names of {shown(label_map.source)}"
        hint = f"{error.hint} ({because})" if error.hint else because
        raise InputError(error.problem, source=error.source, hint=hint) from None
    for label, name in names.items():
        own = label_map.names.get(label, name)
        if plain_name(own) != plain_name(name):
            raise InputError(
                f"label {label} has two names: {shown(own)!r} in the file, {shown(name)!r} in {shown(path)}",
                source=label_map.source,
                hint="correct the table or remove it",
            )
    stored = f"{label_map.stored}, names from {shown(os.path.basename(path))}"  # noqa: PTH119
    return replace(label_map, names={**label_map.names, **names}, stored=stored)
