"""Read a label map from a file, trusting nothing.

The suffix chooses the reader; `.nii.gz` is one suffix. The file is checked to be a regular one before it is opened,
and opened once: what was checked is what is read. Each reader is imported when first needed, so that pictures never
load the NIfTI library, nor volumes the picture library. A file that is damaged, cut short or not what its name says is
an `InputError` that says so, never a label map.
"""

from __future__ import annotations

import io
import os
import stat
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from segeval.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from segeval.labelmap import LabelMap

_READERS = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".png": "picture",
    ".bmp": "picture",
    ".tif": "picture",
    ".tiff": "picture",
}
_REFUSED = {
    ".hdr": "header and image pairs are not supported: convert it to .nii.gz",
    ".img": "header and image pairs are not supported: convert it to .nii.gz",
    ".hdr.gz": "header and image pairs are not supported: convert it to .nii.gz",
    ".img.gz": "header and image pairs are not supported: convert it to .nii.gz",
    ".jpg": "JPEG compression changes labels: export as PNG",
    ".jpeg": "JPEG compression changes labels: export as PNG",
    ".dcm": "convert DICOM to .nii.gz",
}

SUFFIXES = tuple(_READERS)


class _Reader(Protocol):
    """What a module of this package offers: label maps from an open file."""

    def read(self, file: io.FileIO, *, source: str) -> LabelMap:
        """Read the label map that starts at the file's first byte."""


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Read the labels in a file, with the grid they lie on and their names as far as the file knows them.

    Parameters
    ----------
    path
        A NIfTI file (.nii, .nii.gz) or a picture (.png, .bmp, .tif, .tiff). A symbolic link to one will do.

    Returns
    -------
    LabelMap
        Labels with axes (z, y, x), or (y, x) for a picture, read-only. Lengths are in mm; pictures have none and are
        in px.

    Raises
    ------
    InputError
        The file is missing, not a regular file, of an unknown kind, damaged, or does not hold labels.

    Examples
    --------
    >>> read_label_map("missing.nii.gz")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.nii.gz: no such file
    """
    name = os.fspath(path)
    reader = _reader_for(name)
    with _opened(name) as file:
        try:
            return reader.read(file, source=name)
        except MemoryError:
            raise InputError("needs more memory than there is", source=name) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", source=name) from error


def _reader_for(name: str) -> _Reader:
    """Import the module that reads files of this name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(
            "the file name is not valid UTF-8, which result files cannot hold", source=name, hint="rename the file"
        ) from None
    base = os.path.basename(name).lower()  # noqa: PTH119 - a Path would drop the trailing slash of a folder
    for suffix, module in _READERS.items():
        if base.endswith(suffix):
            return cast("_Reader", import_module(f"{__name__}.{module}"))
    for suffix, hint in _REFUSED.items():
        if base.endswith(suffix):
            raise InputError(f"cannot read {suffix} files", source=name, hint=hint)
    _check_regular(name)
    found = f"{shown(os.path.splitext(base)[1])} files" if "." in base else "files without a suffix"  # noqa: PTH122
    raise InputError(f"cannot read {found}", source=name, hint=f"known are {', '.join(SUFFIXES)}")


def _opened(name: str) -> io.FileIO:
    """Open a regular file for reading, unbuffered; anything else is refused without being opened."""
    _check_regular(name)
    try:
        file = io.FileIO(name, "r")
    except OSError as error:
        raise _unreadable(name, error) from error
    return file


def _check_regular(name: str) -> None:
    """Refuse what is missing, empty or not a regular file."""
    try:
        status = os.stat(name)  # noqa: PTH116 - the name goes to the system as it was given
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"expected a regular file, found {_kind(status.st_mode)}", source=name)
    if status.st_size == 0:
        raise InputError("the file is empty", source=name, hint="copy or export it again")


def _kind(mode: int) -> str:
    kinds: dict[str, Callable[[int], bool]] = {
        "a folder": stat.S_ISDIR,
        "a named pipe": stat.S_ISFIFO,
        "a socket": stat.S_ISSOCK,
        "a device": lambda bits: stat.S_ISCHR(bits) or stat.S_ISBLK(bits),
    }
    return next((name for name, test in kinds.items() if test(mode)), "something else")


def _unreadable(name: str, error: OSError | ValueError) -> InputError:
    """Why the system would not let us at the file."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(name):  # noqa: PTH114 - see above
            target = os.readlink(name)  # noqa: PTH115
            hint = "run git annex get" if ".git/annex" in target else None
            return InputError(f"a symbolic link to a missing file, {shown(target)}", source=name, hint=hint)
        return InputError("no such file", source=name)
    if isinstance(error, PermissionError):
        return InputError("permission denied", source=name, hint="make the file readable")
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"cannot be opened: {reason}", source=name)
