"""What files there are below a folder, and which of them may be label maps.

Hidden files and folders are passed over, and links are followed. Nothing is opened: names say what a file is.
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

MOST_REVISITS = 10_000  # of folders that links lead to again

_NOT_POLYGONS = {  # what well-known tools write beside label maps
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
        Its path below the folder, with "/".
    path
        The folder's path joined with that.
    stem
        The path below the folder without the suffix.
    name
        What the case is called by it.
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
        As it was given.
    kind
        ``"prediction"`` or ``"reference"``.
    files
        Their paths below it, in order.
    pattern
        What these look like; None where nobody said.
    soft
        Whether they are probability maps.
    """

    folder: str
    kind: str
    files: Sequence[str]
    pattern: Pattern | None
    soft: bool = False

    @cached_property
    def label_files(self) -> list[str]:
        """The files with a suffix of label maps."""
        return [name for name in self.files if suffix_of(name, "labels")]

    @cached_property
    def maps(self) -> list[str]:
        """The maps that are asked for, without polygons.

        nnU-Net writes a label map, its probabilities as an array and a file of Python objects for each case: of these
        it is the array or the label map, by what predictions are.
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
        """Files that may hold polygons: JSON that is neither well known as something else nor about a NIfTI file."""
        images = {stem_of(name) for name in self.files if suffix_of(name) in {".nii", ".nii.gz"}}
        return [
            name
            for name in self.files
            if suffix_of(name, "polygons")
            and base_of(name).lower() not in _NOT_POLYGONS
            and stem_of(name) not in images
        ]

    def item(self, relative: str, *, name: str | None = None) -> Item:
        """A file, called by its path without the suffix unless it has a name."""
        stem = stem_of(relative)
        return Item(relative, self._path(relative), stem, stem if name is None else name)

    def folder_item(self, relative: str, *, name: str | None = None) -> Item:
        """A folder, which has no suffix whatever it looks like."""
        return Item(relative, self._path(relative), relative, relative if name is None else name)

    def _path(self, relative: str) -> str:
        return joined(self.folder, *relative.split("/"))


def folders_of(files: Iterable[str]) -> list[str]:
    """The folders that files lie in, below the side's own."""
    return sorted({parent_of(name) for name in files} - {""}, key=strict_order)


def listed(items: Iterable[Item]) -> str:
    """The paths of some items, for a message."""
    return enumerated([item.path for item in items], shown)


def check_folder(folder: str, kind: str) -> None:
    """Refuse what is no folder.

    Raises
    ------
    InputError
        It is not there, or a file.
    """
    hint = f"give the folder of the {kind}s"
    if not os.path.exists(folder):  # noqa: PTH110 - a Path of arbitrary text may raise
        raise InputError("no such folder", source=folder, hint=hint)
    if not os.path.isdir(folder):  # noqa: PTH112
        raise InputError("expected a folder, found a file", source=folder, hint=hint)


def identity(folder: str) -> tuple[int, int]:
    """What two paths of one folder have in common."""
    status = os.stat(folder)  # noqa: PTH116 - the name goes to the system as it was given
    return status.st_dev, status.st_ino


def files_below(folder: str, *, without: str) -> list[str]:
    """Every file below a folder that is not hidden, by its path with "/"; the other side's folder is passed over.

    A link counts as what it leads to, and as a file where it leads nowhere: whoever reads it says so. A folder is not
    entered again from inside itself.

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
                raise InputError("its folders lead into each other by links", source=folder, hint="remove the links")
            visited.add(here)
            waiting.append((f"{prefix}{name}/", above | {here}))
    return sorted(found, key=strict_order)


def entries(folder: str) -> tuple[list[str], list[str]]:
    """Names of the files in a folder, and of the folders, but for hidden ones.

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
