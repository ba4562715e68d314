"""List the files below a folder, and select those that may be label maps.

Hidden files and folders are ignored, links are followed. No file is opened: only names count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from segeval.errors import InputError, shown
from segeval.pairing.paths import base_of, is_text, joined, parent_of, strict_order
from segeval.pairing.patterns import Pattern
from segeval.reading.formats import stem_of, suffix_of
from segeval.text import enumerated

MOST_REVISITS = 10_000  # folders that links lead to again

_NOT_POLYGONS = {  # files that well-known tools write next to label maps
    "categories.json",
    "dataset.json",
    "dataset_description.json",
    "dataset_fingerprint.json",
    "labels.json",
    "participants.json",
    "plans.json",
    "predict_from_raw_data_args.json",
    "progress.json",
    "splits_final.json",
    "summary.json",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A file below one of the two folders, or a folder of files that is one case.

    Parameters
    ----------
    relative
        Path below the folder, with "/".
    path
        Path of the folder joined with `relative`.
    stem
        Path below the folder without the suffix.
    name
        Name of the case.
    """

    relative: str
    path: str
    stem: str
    name: str

    @property
    def is_text(self) -> bool:
        """Whether result files can hold its path."""
        return is_text(self.relative)


@dataclass(frozen=True)
class Side:
    """One of the two folders and the files below it.

    Parameters
    ----------
    folder
        Path of the folder as it was given.
    kind
        ``"prediction"`` or ``"reference"``.
    files
        Paths of the files below the folder, in order.
    pattern
        Pattern of these paths, if one was given.
    soft
        Whether the files are probability maps.
    """

    folder: str
    kind: str
    files: Sequence[str]
    pattern: Pattern | None
    soft: bool = False

    @cached_property
    def label_files(self) -> list[str]:
        """Files with the suffix of a label map."""
        return [name for name in self.files if suffix_of(name, "labels")]

    @cached_property
    def maps(self) -> list[str]:
        """Label maps or probability maps, without polygons.

        nnU-Net writes three files for each case: a label map, its probabilities as an array, and a file of Python
        objects. One of the first two counts: the array if predictions are probability maps, otherwise the label map.
        """
        pickled = {name.removesuffix(".pkl") for name in self.files if name.endswith(".pkl")}
        arrays = {stem_of(name) for name in self.label_files if suffix_of(name) == ".npz"}
        mapped = {stem_of(name) for name in self.label_files if suffix_of(name) != ".npz"}
        both = pickled & arrays & mapped
        return [
            name for name in self.label_files if stem_of(name) not in both or (suffix_of(name) == ".npz") == self.soft
        ]

    @cached_property
    def polygons(self) -> list[str]:
        """JSON files that may contain polygons: not well known as something else, and not about a NIfTI file."""
        images = {stem_of(name) for name in self.files if suffix_of(name) in {".nii", ".nii.gz"}}
        return [
            name
            for name in self.files
            if suffix_of(name, "polygons")
            and base_of(name).lower() not in _NOT_POLYGONS
            and stem_of(name) not in images
        ]

    def item(self, relative: str, *, name: str | None = None) -> Item:
        """Return a file as an item, called by its path without the suffix unless a name is given."""
        stem = stem_of(relative)
        return Item(relative, self._path(relative), stem, stem if name is None else name)

    def folder_item(self, relative: str, *, name: str | None = None) -> Item:
        """Return a folder as an item; a folder has no suffix."""
        return Item(relative, self._path(relative), relative, relative if name is None else name)

    def _path(self, relative: str) -> str:
        return joined(self.folder, *relative.split("/"))


def folders_of(files: Iterable[str]) -> list[str]:
    """Return the subfolders in which the files are."""
    return sorted({parent_of(name) for name in files} - {""}, key=strict_order)


def listed(items: Iterable[Item]) -> str:
    """Return the paths of some items, for a message."""
    return enumerated([item.path for item in items], shown)


def check_folder(folder: str, kind: str) -> None:
    """Check that a folder exists.

    Raises
    ------
    InputError
        It does not exist, or is a file.
    """
    hint = f"give the folder of the {kind}s"
    if not os.path.exists(folder):  # noqa: PTH110 - a Path of arbitrary text may raise
        raise InputError("no such folder", source=folder, hint=hint)
    if not os.path.isdir(folder):  # noqa: PTH112
        raise InputError("expected a folder, found a file", source=folder, hint=hint)


def identity(folder: str) -> tuple[int, int]:
    """Return a value that is the same for all paths of one folder."""
    status = os.stat(folder)  # noqa: PTH116 - the name goes to the system as it was given
    return status.st_dev, status.st_ino


def files_below(folder: str, *, without: str) -> list[str]:
    """List every file below a folder that is not hidden, with "/" in paths; the folder `without` is left out.

    A link counts as its target, and as a file if the target does not exist; reading it will fail with a message. A
    folder is not entered again from inside itself.

    Raises
    ------
    InputError
        A folder cannot be read, or folders lead into each other without end.
    """
    found: list[str] = []
    top, other = identity(folder), identity(without)
    visited, revisits = {top}, 0
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset({top}))]
    while waiting:
        prefix, above = waiting.pop()
        names, folders = entries(joined(folder, prefix))
        found += [prefix + name for name in names]
        for name in folders:
            path = joined(folder, prefix, name)
            try:
                here = identity(path)
            except OSError as error:
                _refuse_folder(path, error)
            if here in above or here == other:
                continue
            revisits += here in visited
            if revisits > MOST_REVISITS:
                raise InputError("links between its folders form a loop", source=folder, hint="remove the links")
            visited.add(here)
            waiting.append((f"{prefix}{name}/", above | {here}))
    return sorted(found, key=strict_order)


def entries(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a folder, without hidden ones.

    Raises
    ------
    InputError
        The folder cannot be read.
    """
    names: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as scanned:
            for entry in scanned:
                if not entry.name.startswith("."):
                    (folders if _leads_to_folder(entry) else names).append(entry.name)
    except OSError as error:
        _refuse_folder(folder, error)
    return names, folders


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _refuse_folder(folder: str, error: OSError) -> NoReturn:
    raise InputError(f"the folder cannot be read: {(error.strerror or str(error)).lower()}", source=folder) from None
