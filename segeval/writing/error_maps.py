"""Where each label is right, false and missed, voxel by voxel, in files that viewers open.

A voxel may be missed for one label and false for another, so every label and region has a file of its own. What is
written is what was counted: 1 where both maps have it, 2 where only the prediction, 3 where only the reference, and 0
elsewhere, ignored voxels included. A case has a folder of its own. Names of cases and labels come from outside: they
choose no folder, and no two of them ever mean one file, not even where capitals do not count. The label table beside
the maps is written last, and says what they are of: maps without it are not whole.
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
LONGEST_NAME = 80  # bytes of UTF-8 that are taken over from a name
DIGITS = 16  # of a hash behind a name that is not alone

_MARKED = re.compile(rf"-[0-9a-f]{{{DIGITS}}}$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file of Windows is called so


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMaps:
    """The folder that error maps go to.

    Parameters
    ----------
    folder
        From the root of the file system.
    alike
        Names of cases that would have one folder if nothing told them apart.
    """

    folder: str
    alike: frozenset[str] = frozenset()

    @classmethod
    def at(cls, folder: str | os.PathLike[str], *, cases: Iterable[str], inputs: Iterable[str]) -> ErrorMaps:
        """Make the folder ready, before anything is scored.

        Parameters
        ----------
        folder
            Where maps go; it is made if only it is missing.
        cases
            The names of all cases, those of other parts of the run included: which folder is whose depends on them.
        inputs
            Files and folders that must not be written to.

        Raises
        ------
        UsageError
            It cannot be made or written to, or a case's maps would go where inputs are.
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
        """What the folder of a case is called; see `file_name`."""
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
        """Write a map for each label and region of a case, and the table beside them.

        Parameters
        ----------
        pair
            The case.
        counts
            Its voxel counts: each label and region among them has a map.
        names
            Label -> name.
        case
            Its name.
        signature
            How it was scored.
        inputs
            Its files.

        Raises
        ------
        UsageError
            A file that cannot be written, or is an input; what is there then has no table.
        """
        folder = Path(self.folder, self.folder_of(case))
        try:
            if folder.is_symlink():
                raise UsageError("this is a link, which error maps do not follow", source=str(folder))
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
        """Whether the maps of a case are whole and those of such counts; see `write`."""
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
    """A name from outside as that of a file or folder, on any system.

    What might mean something to a system becomes an underscore. A name that is too long, or among those that are
    `alike`, ends in a hash of it.

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
    """What a system may take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _alike(names: Iterable[str]) -> frozenset[str]:
    by_place: dict[str, set[str]] = {}
    for name in names:
        by_place.setdefault(_folded(_cleaned(name)), set()).add(name)
    return frozenset(name for others in by_place.values() if len(others) > 1 for name in others)


def _check_inputs(folder: str, folders: Collection[str], inputs: Iterable[str], source: str) -> None:
    """Refuse a folder in which a case's own is one that inputs are in."""
    root = os.path.realpath(folder)
    for path in inputs:
        place = os.path.relpath(os.path.realpath(file_behind(path)), root)
        first, *rest = Path(place).parts or (".",)
        if _folded(first) in folders and (rest or os.path.isdir(path)):  # noqa: PTH112
            raise UsageError(
                f"error maps would go where {shown(path)} is", source=source, hint="name another folder, or a new one"
            )


def _files(keys: Sequence[Key], names: Mapping[int, str], suffix: str) -> dict[Key, str]:
    """Label or region -> what its file is called: a label's begins with its number, a region's with that word."""
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
        raise UsageError("this is a link, which error maps do not follow", source=str(path))
    write_bytes(path, parts, inputs=inputs)


def _encoded(pair: Pair, key: Key, suffix: str, held: Sequence[Collection[int]]) -> Iterator[bytes]:
    if suffix == ".png":
        from segeval.writing.pictures import palette_png  # deferred: volumes need no Pillow, pictures no nibabel

        return iter([palette_png(np.concatenate(list(_codes(pair, key, held))), [(0, 0, 0), *COLORS])])
    from segeval.writing.volumes import nifti_gz

    return nifti_gz(pair.grid, _codes(pair, key, held), description=DESCRIPTION)


def _held(pair: Pair) -> list[set[int]]:
    """The labels of either map in each slab: most labels are in few of them."""
    layers = [layer.labels for each in (pair.prediction, pair.reference) for layer in (each, *each.overlays)]
    return [set().union(*(labels_in(layer[part]) for layer in layers)) for part in slabs(pair.grid.shape)]


def _codes(pair: Pair, key: Key, held: Sequence[Collection[int]]) -> Iterator[NDArray[np.uint8]]:
    """What each voxel is, slab by slab along the first axis."""
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
    """The label table in ITK-SNAP's format, and in comments what each map is of."""
    line = "#" * 48
    rows = [
        f'{number:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{meaning}"'
        for number, ((red, green, blue), meaning) in enumerate(zip(COLORS, MEANINGS, strict=True), start=1)
    ]
    of_label = {row.label: row for row in counts}
    said = [f"# case {shown(case)}", f"# {shown(signature)}"]
    for key, file in files.items():
        name = f" ({shown(names[key])})" if isinstance(key, int) and names.get(key) else ""
        what = f"label {key}{name}" if isinstance(key, int) else f"region {shown(key)}"
        row = of_label[key]
        said.append(f"# {file}: {what}, TP {row.tp}, FP {row.fp}, FN {row.fn}")
    return "\n".join(
        [
            line,
            "# ITK-SnAP Label Description File",
            "# File format:",
            "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL",
            line,
            '    0     0    0    0        0  0  0    "Clear Label"',
            *rows,
            *said,
            "",
        ]
    )
