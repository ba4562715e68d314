"""Error maps: the voxels where each label is right, false and missed, in files that viewers open.

A voxel may be missed for one label and false for another, so every label and region has a file of its own. Its voxels
are those that were counted: 1 if both maps have the label, 2 if only the prediction, 3 if only the reference, and 0
elsewhere, including ignored voxels. A case has a folder of its own. Names of cases and labels come from outside: they
cannot choose another folder, and different names never lead to one file, not even where capitals do not count. The
label table in the folder is written last, with the signature: maps without it are incomplete.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segeval.errors import UsageError, shown
from segeval.evidence.layered_comparison import Pair
from segeval.maps.label_map import slabs
from segeval.maps.labels import Key, labels_in
from segeval.reading import file_behind
from segeval.results.rows import LabelCounts
from segeval.writing import check_output_path, reason_of, write_bytes, write_text

COLORS = ((0, 158, 115), (230, 159, 0), (0, 114, 178))  # of 1, 2 and 3: colour-blind readers tell them apart
MEANINGS = (
    "true positive: in both",
    "false positive: only in the prediction",
    "false negative: only in the reference",
)
TABLE = "itk-snap-labels.txt"
SUFFIXES = (".nii.gz", ".png")
DESCRIPTION = "segeval error map: 1 TP, 2 FP, 3 FN"
LONGEST_NAME = 80  # bytes of UTF-8 that a file takes from a name
DIGITS = 16  # of the hash at the end of a name that is not unique

_MARKED = re.compile(rf"-[0-9a-f]{{{DIGITS}}}$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # reserved by Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMaps:
    """The folder for error maps.

    Parameters
    ----------
    folder
        Its absolute path.
    alike
        Names of cases that would share a folder without a hash.
    """

    folder: str
    alike: frozenset[str] = frozenset()

    @classmethod
    def at(cls, folder: str | os.PathLike[str], *, cases: Iterable[str], inputs: Iterable[str]) -> ErrorMaps:
        """Prepare the folder, before anything is scored.

        Parameters
        ----------
        folder
            The folder; it is made if its parent exists.
        cases
            The names of all cases, including those of other parts of the run: the names of folders depend on them.
        inputs
            Files and folders that must not be written to.

        Raises
        ------
        UsageError
            It cannot be made or written to, or the maps of a case would go to a folder with inputs.
        """
        source = os.fspath(folder)
        try:
            path = os.path.abspath(source)  # noqa: PTH100 - links stay as they are
            if not os.path.isdir(path):  # noqa: PTH112
                check_output_path(path)
                Path(path).mkdir()
            if not os.access(path, os.W_OK | os.X_OK):
                raise UsageError("no right to write to this folder", source=source)
        except (OSError, ValueError) as error:
            raise UsageError(f"the folder cannot be made: {reason_of(error)}", source=source) from None
        names = list(cases)
        maps = cls(folder=path, alike=_alike(names))
        folders = Counter(_folded(maps.folder_of(name)) for name in names)
        if len(folders) < len(set(names)):  # two names with one hash, which nobody has by accident
            raise UsageError("the error maps of two cases would go to one folder", source=source)
        _check_inputs(path, folders, inputs, source)
        return maps

    def folder_of(self, case: str) -> str:
        """Return the name of the folder of a case; see `file_name`."""
        return file_name(case, alike=self.alike)

    def write(
        self,
        pair: Pair,
        counts: Sequence[LabelCounts],
        names: Mapping[int, str],
        *,
        case: str,
        signature: str,
        inputs: Collection[str],
    ) -> None:
        """Write a map for each label and region of a case, and their table.

        Parameters
        ----------
        pair
            The maps of the case.
        counts
            Its voxel counts: each label and region in them has a map.
        names
            Label -> name.
        case
            Its name.
        signature
            Its signature.
        inputs
            Its files.

        Raises
        ------
        UsageError
            A file cannot be written, or is an input; the folder has no table then.
        """
        folder = Path(self.folder, self.folder_of(case))
        try:
            if folder.is_symlink():
                raise UsageError("this is a link, which error maps do not follow", source=str(folder), hint="remove it")
            folder.mkdir(exist_ok=True)
            (folder / TABLE).unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"cannot be written: {reason_of(error)}", source=str(folder)) from None
        suffix = SUFFIXES[pair.grid.ndim == 2 and pair.grid.removed_axis is None]
        files = _files([row.label for row in counts], names, suffix)
        held = _held(pair)
        for key, name in files.items():
            _put(folder / name, _encoded(pair, key, suffix, held), inputs)
        text = _table(files, counts, names, case=case, signature=signature)
        write_text(folder / TABLE, [text], inputs=inputs)

    def are_there(self, counts: Sequence[LabelCounts], names: Mapping[int, str], *, case: str, signature: str) -> bool:
        """Whether the maps of a case are complete and have these counts; see `write`."""
        folder = Path(self.folder, self.folder_of(case))
        for suffix in SUFFIXES:
            files = _files([row.label for row in counts], names, suffix)
            text = _table(files, counts, names, case=case, signature=signature)
            try:
                there = (folder / TABLE).read_bytes() == text.encode("utf-8", "backslashreplace")
            except OSError:
                return False
            if there and all(map(_holds_something, (folder / name for name in files.values()))):
                return True
        return False


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def file_name(name: str, *, alike: Collection[str] = ()) -> str:
    """Return a name from outside as the name of a file or folder, for any system.

    Characters that could have a meaning to a system become underscores. A name that is too long, or one of `alike`,
    ends in its hash.

    Examples
    --------
    >>> file_name("site 1/case_01"), file_name("../x"), file_name("..")
    ('site 1_case_01', '_._x', '__')
    >>> file_name("Liver", alike={"Liver", "liver"})
    'Liver-f4ed8b7ee1271f34'
    """
    cleaned = _cleaned(name)
    if name not in alike and not _MARKED.search(cleaned) and len(cleaned.encode()) <= LONGEST_NAME:
        return cleaned
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    return f"{cleaned.encode()[:LONGEST_NAME].decode('utf-8', 'ignore')}-{digest}"


def _cleaned(name: str) -> str:
    plain = "".join(
        each if each.isalnum() or each in "._-+=@,() " else "_" for each in unicodedata.normalize("NFC", name)
    )
    plain = re.sub(r"^[ .]|[ .]$", "_", re.sub(r"^\.+$", lambda dots: "_" * len(dots[0]), plain)) or "_"
    return f"_{plain}" if _RESERVED.fullmatch(plain) else plain


def _folded(name: str) -> str:
    """Return the same text for names that a system may take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _alike(names: Iterable[str]) -> frozenset[str]:
    by_place: dict[str, set[str]] = {}
    for name in names:
        by_place.setdefault(_folded(_cleaned(name)), set()).add(name)
    return frozenset(name for others in by_place.values() if len(others) > 1 for name in others)


def _check_inputs(folder: str, folders: Collection[str], inputs: Iterable[str], source: str) -> None:
    """Refuse a folder in which the folder of a case has inputs."""
    root = os.path.realpath(folder)
    for path in inputs:
        place = os.path.relpath(os.path.realpath(file_behind(path)), root)
        first, *rest = Path(place).parts or (".",)
        if _folded(first) in folders and (rest or os.path.isdir(path)):  # noqa: PTH112
            raise UsageError(
                f"error maps would go where {shown(path)} is", source=source, hint="name another folder, or a new one"
            )


def _files(keys: Sequence[Key], names: Mapping[int, str], suffix: str) -> dict[Key, str]:
    """Return label or region -> name of its file, which starts with the number, or with the word region."""
    regions = [key for key in keys if isinstance(key, str)]
    alike = _alike(regions)
    files: dict[Key, str] = {}
    for key in keys:
        if isinstance(key, str):
            files[key] = f"region-{file_name(key, alike=alike)}{suffix}"
        else:
            files[key] = f"{key}-{file_name(names[key])}{suffix}" if names.get(key) else f"{key}{suffix}"
    return files


def _put(path: Path, parts: Iterable[bytes], inputs: Collection[str]) -> None:
    if path.is_symlink():
        raise UsageError("this is a link, which error maps do not follow", source=str(path), hint="remove it")
    write_bytes(path, parts, inputs=inputs)


def _encoded(pair: Pair, key: Key, suffix: str, held: Sequence[Collection[int]]) -> Iterator[bytes]:
    if suffix == ".png":
        from segeval.writing.pictures import palette_png  # deferred: volumes need no Pillow, pictures no nibabel

        return iter([palette_png(np.concatenate(list(_codes(pair, key, held))), [(0, 0, 0), *COLORS])])
    from segeval.writing.volumes import nifti_gz

    return nifti_gz(pair.grid, _codes(pair, key, held), description=DESCRIPTION)


def _held(pair: Pair) -> list[set[int]]:
    """Return the labels of either map in each slab: most labels are in few of them."""
    layers = [layer.labels for each in (pair.prediction, pair.reference) for layer in (each, *each.overlays)]
    return [set().union(*(labels_in(layer[part]) for layer in layers)) for part in slabs(pair.grid.shape)]


def _codes(pair: Pair, key: Key, held: Sequence[Collection[int]]) -> Iterator[NDArray[np.uint8]]:
    """Return the number of each voxel, slab by slab along the first axis."""
    members = pair.regions[key] if isinstance(key, str) else {key}
    for part, labels in zip(slabs(pair.grid.shape), held, strict=True):
        if 0 not in members and members.isdisjoint(labels):  # the ignored label may count as background
            yield np.zeros(pair.reference.labels[part].shape, np.uint8)
            continue
        masks = pair.masks(key, part)
        prediction, reference = masks.prediction.view(np.uint8), masks.reference.view(np.uint8)
        yield 2 * prediction + 3 * reference - 4 * (prediction & reference)


def _table(
    files: Mapping[Key, str],
    counts: Sequence[LabelCounts],
    names: Mapping[int, str],
    *,
    case: str,
    signature: str,
) -> str:
    """Return the label table in ITK-SNAP's format, with case, signature and counts of each map in comments."""
    line = "#" * 48
    rows = [
        f'{number:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{meaning}"'
        for number, ((red, green, blue), meaning) in enumerate(zip(COLORS, MEANINGS, strict=True), start=1)
    ]
    of_label = {row.label: row for row in counts}
    comments = [f"# case {shown(case)}", f"# {shown(signature)}"]
    for key, file in files.items():
        name = f" ({shown(names[key])})" if isinstance(key, int) and names.get(key) else ""
        what = f"label {key}{name}" if isinstance(key, int) else f"region {shown(key)}"
        row = of_label[key]
        comments.append(f"# {file}: {what}, TP {row.tp}, FP {row.fp}, FN {row.fn}")
    return "\n".join(
        [
            line,
            "# ITK-SnAP Label Description File",
            "# File format:",
            "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL",
            line,
            '    0     0    0    0        0  0  0    "Clear Label"',
            *rows,
            *comments,
            "",
        ]
    )
