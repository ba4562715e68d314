"""The table of all file formats: their suffixes, the module that reads them, and the kinds of data in them.

A new reader is a module of this package and a row here. Each kind of data needs a function in the module:

- labels: ``read(file, *, source)``, which returns a `LabelMap`;
- polygons: ``read(file, *, source, names, image)``, which returns a `LabelMap`, and ``read_all`` for all images of a
  file;
- probabilities: ``read_probabilities(file, *, source)``, which returns `RawProbabilities`;
- one class: the same, for a format that stores the probabilities of one class only;
- scans: ``read_scan(file, *, source)``, which returns numbers with axes (z, y, x), (y, x) or (y, x, 3) for colours, and
  their `Grid`.

This module opens no file and imports nothing slow, because help texts are made from the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from segeval.maps.label_map import Grid

Kind = Literal["labels", "polygons", "probabilities", "one class", "scans"]

LABEL_MAPS: tuple[Kind, ...] = ("labels", "polygons")  # kinds from which label maps are made
PROBABILITIES: tuple[Kind, ...] = ("probabilities", "one class")


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table.

    Parameters
    ----------
    title
        Name of the format in messages; empty for files that are never read.
    suffixes
        Suffixes in lower case, the usual one first.
    module
        Module of this package that reads the format; empty if there is none.
    gives
        Kinds of data in such files.
    hint
        What to do with a file that has no labels.
    """

    title: str
    suffixes: tuple[str, ...]
    module: str
    gives: tuple[Kind, ...]
    hint: str | None = None


_USE_HEADER = "use the {} header next to it, which states the size"
FORMATS = (
    Format("NIfTI", (".nii.gz", ".nii", ".hdr", ".hdr.gz"), "nifti", ("labels", "probabilities", "scans")),
    Format("PNG", (".png",), "picture", ("labels", "one class", "scans")),
    Format("BMP", (".bmp",), "picture", ("labels", "scans")),
    Format("TIFF", (".tif", ".tiff"), "picture", ("labels", "scans")),
    Format("MetaImage", (".mha", ".mhd"), "metaimage", ("labels", "scans")),
    Format("NRRD", (".seg.nrrd", ".nrrd", ".nhdr"), "nrrd", ("labels", "scans")),
    Format("GIPL", (".gipl", ".gipl.gz"), "gipl", ("labels", "scans")),
    Format("VTK", (".vtk",), "vtk", ("labels", "scans")),
    Format("NumPy", (".npz", ".npy"), "arrays", ("labels", "probabilities", "scans")),
    Format("polygon JSON", (".json",), "polygons", ("polygons",)),  # many other files have this suffix too
    Format(
        "JPEG", (".jpg", ".jpeg"), "picture", ("scans",), "export the labels as PNG, because JPEG changes label values"
    ),
    Format("", (".img", ".img.gz"), "", (), "use the .hdr header next to it"),
    Format("", (".raw",), "", (), _USE_HEADER.format(".mhd or .nhdr")),
    Format("", (".zraw",), "", (), _USE_HEADER.format(".mhd")),
    Format("", (".raw.gz",), "", (), _USE_HEADER.format(".nhdr")),
    Format("", (".dcm",), "", (), "convert it to .nii.gz"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawProbabilities:
    """The values of a probability map, as they are in a file or in a folder of files.

    Parameters
    ----------
    values
        Numbers of any type, with axes as in the file, or reversed for NIfTI.
    grid
        Grid of the last three axes; None if the file does not state one.
    names
        Names of the labels, by number.
    source
        Path of the file or folder.
    stored
        Format and data type of the file, for people.
    classes
        Names of the channels, if the file has them; the first axis is then that of the channels.
    """

    values: NDArray[Any]
    grid: Grid | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    source: str
    stored: str
    classes: tuple[str, ...] = ()


def format_of(name: str) -> tuple[str, Format] | None:
    """Return the suffix of a file and its format, even if it cannot be read; None for an unknown suffix.

    Examples
    --------
    >>> suffix, found = format_of("A.SEG.NRRD")
    >>> suffix, found.title
    ('.seg.nrrd', 'NRRD')
    """
    lower = name.lower()
    return next((pair for pair in _longest_first(()) if lower.endswith(pair[0])), None)


def suffix_of(name: str, *kinds: Kind) -> str:
    """Return the suffix of a file that can be read, in lower case; empty if it cannot be read.

    Parameters
    ----------
    name
        File name or path.
    *kinds
        Kinds of data, one of which the format must offer; by default those of label maps.

    Examples
    --------
    >>> suffix_of("liver.NII.gz")
    '.nii.gz'
    >>> suffix_of("photo.jpg"), suffix_of("photo.jpg", "scans")
    ('', '.jpg')
    """
    lower = name.lower()
    return next((suffix for suffix, _ in _longest_first(kinds or LABEL_MAPS) if lower.endswith(suffix)), "")


def stem_of(name: str, *kinds: Kind) -> str:
    """Return the name or path without the suffix that `suffix_of` finds.

    Examples
    --------
    >>> stem_of("references/liver_001.nii.gz")
    'references/liver_001'
    """
    return name[: len(name) - len(suffix_of(name, *kinds))]


def suffixes(*kinds: Kind) -> tuple[str, ...]:
    """Return all suffixes of label maps, or of formats with one of these kinds of data, in the order of the table."""
    return tuple(suffix for each in _giving(kinds or LABEL_MAPS) for suffix in each.suffixes)


def titles(*kinds: Kind) -> str:
    """Return the names of the formats with one of these kinds of data, as a list in prose.

    Examples
    --------
    >>> titles("probabilities")
    'NIfTI or NumPy'
    """
    *others, last = (each.title for each in _giving(kinds))
    return f"{', '.join(others)} or {last}" if others else last


def _giving(kinds: tuple[Kind, ...]) -> list[Format]:
    return [each for each in FORMATS if not kinds or any(kind in each.gives for kind in kinds)]


@cache
def _longest_first(kinds: tuple[Kind, ...]) -> list[tuple[str, Format]]:
    """Return suffixes and their formats, longest suffix first, so that the first that fits is the right one."""
    found = [(suffix, each) for each in _giving(kinds) for suffix in each.suffixes]
    return sorted(found, key=lambda pair: len(pair[0]), reverse=True)
