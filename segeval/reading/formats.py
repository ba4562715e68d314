"""The one table of file formats: by which suffixes they are known, which module reads them, and what they give.

A new reader is a module of this package and a row here. What the module has to offer follows from what its row gives:

- labels: ``read(file, *, source)``, which returns a `LabelMap`;
- polygons: ``read(file, *, source, names, image)``, which returns a `LabelMap`, and ``read_all`` for all images of a
  file;
- probabilities: ``read_probabilities(file, *, source)``, which returns `RawProbabilities`;
- one class: the same, from a format that can hold the probabilities of one class only;
- scans: ``read_scan(file, *, source)``, which returns numbers with axes (z, y, x), (y, x) or for colours (y, x, 3), and
  their `Grid`.

Nothing here opens a file, and nothing slow is imported: help texts are made from the table.
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

LABEL_MAPS: tuple[Kind, ...] = ("labels", "polygons")  # what label maps are made of
PROBABILITIES: tuple[Kind, ...] = ("probabilities", "one class")


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table.

    Parameters
    ----------
    title
        What it is called in prose; empty for files that are never read.
    suffixes
        In small letters, the usual one first.
    module
        The module of this package that reads it; empty where there is none.
    gives
        What can be read from it.
    hint
        What to do with a file that gives no labels.
    """

    title: str
    suffixes: tuple[str, ...]
    module: str
    gives: tuple[Kind, ...]
    hint: str | None = None


_HEADER_BESIDE = "it says nothing of its size: give the {} header beside it"
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
    Format("polygon JSON", (".json",), "polygons", ("polygons",)),  # under its suffix go many other things
    Format("JPEG", (".jpg", ".jpeg"), "picture", ("scans",), "JPEG compression changes labels: export as PNG"),
    Format("", (".img", ".img.gz"), "", (), "give the .hdr header beside it"),
    Format("", (".raw",), "", (), _HEADER_BESIDE.format(".mhd or .nhdr")),
    Format("", (".zraw",), "", (), _HEADER_BESIDE.format(".mhd")),
    Format("", (".raw.gz",), "", (), _HEADER_BESIDE.format(".nhdr")),
    Format("", (".dcm",), "", (), "convert DICOM to .nii.gz"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawProbabilities:
    """The numbers of a file, or of a folder of files, that is read as a probability map.

    Parameters
    ----------
    values
        Numbers of any type, axes as the file has them, those of NIfTI in reverse.
    grid
        Where the voxels are if the last three axes are those of space; None where the file does not say.
    names
        Label -> name.
    source
        The file.
    stored
        How the file holds them, in words.
    classes
        What the channels are called, which then come first; empty where a file does not call them anything.
    """

    values: NDArray[Any]
    grid: Grid | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    source: str
    stored: str
    classes: tuple[str, ...] = ()


def format_of(name: str) -> tuple[str, Format] | None:
    """The suffix of a file and its format, whether it can be read or not; None for an unknown suffix.

    Examples
    --------
    >>> suffix, found = format_of("A.SEG.NRRD")
    >>> suffix, found.title
    ('.seg.nrrd', 'NRRD')
    """
    lower = name.lower()
    return next((pair for pair in _longest_first(()) if lower.endswith(pair[0])), None)


def suffix_of(name: str, *kinds: Kind) -> str:
    """The suffix by which a file is read, in small letters; empty where there is none.

    Parameters
    ----------
    name
        The file's name, or any path.
    *kinds
        What the suffix has to be of; label maps, where nothing is given.

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
    """The name or path without the suffix that `suffix_of` finds.

    Examples
    --------
    >>> stem_of("references/liver_001.nii.gz")
    'references/liver_001'
    """
    return name[: len(name) - len(suffix_of(name, *kinds))]


def suffixes(*kinds: Kind) -> tuple[str, ...]:
    """Every suffix of label maps, or of formats that give one of some other kinds, in the order of the table."""
    return tuple(suffix for each in _giving(kinds or LABEL_MAPS) for suffix in each.suffixes)


def titles(*kinds: Kind) -> str:
    """What the formats are called that give one of some kinds, as a list in prose.

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
    """Suffixes and their formats, of some kinds or all, in an order in which the first that fits is the right one."""
    found = [(suffix, each) for each in _giving(kinds) for suffix in each.suffixes]
    return sorted(found, key=lambda pair: len(pair[0]), reverse=True)
