"""Read probability maps from NIfTI, NumPy and PNG files, checked as strictly as label maps.

The array is read as it is in the file, in one copy; the shape of the reference decides later which axis is that of the
channels. In NumPy archives of nnU-Net the map is called ``probabilities``, channels first. A PNG picture is one channel
in 16-bit grey. A folder has a map of one channel for each class, named after the class or its number. Nothing in a file
is evaluated: Python objects are refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from segeval.errors import InputError, shown
from segeval.maps.labels import plain_name
from segeval.reading import reader_of, reading
from segeval.reading.files import check_regular
from segeval.reading.folders import class_files, same_place
from segeval.reading.formats import PROBABILITIES, RawProbabilities, suffixes

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKGROUND = "background"
MOST_DIGITS = 10  # the number of a label has fewer digits


def read_probabilities(path: str | os.PathLike[str]) -> RawProbabilities:
    """Read the values of a probability map.

    Parameters
    ----------
    path
        A NIfTI file, a NumPy file (.npy, .npz), a 16-bit grey PNG, or a folder with such a file for each class. From an
        archive with several arrays, ``probabilities`` or ``softmax`` is read.

    Raises
    ------
    InputError
        The file is missing, of another format, or damaged.

    Examples
    --------
    >>> read_probabilities("missing.npz")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.npz: no such file
    """
    name = os.fspath(path)
    if os.path.isdir(name):  # noqa: PTH112 - a Path of any text may raise
        return _read_folder(name)
    reader = reader_of(name, *PROBABILITIES)
    if reader is None:
        check_regular(name)
        raise InputError(
            f"probability maps are read from {', '.join(suffixes(*PROBABILITIES))} only",
            source=name,
            hint="to score a label map, leave out --probabilities",
        )
    with reading(name, name) as file:
        found: RawProbabilities = reader.read_probabilities(file, source=name)
    return found


def _read_folder(folder: str) -> RawProbabilities:
    """Read a folder with a map of one channel for each class."""
    files = class_files(folder)
    channels: list[RawProbabilities] = []
    for path in files.values():
        channel = read_probabilities(path)
        channels.append(channel)
        first = channels[0]
        if channel.values.shape != first.values.shape:
            sizes = [" x ".join(map(str, each.values.shape)) for each in (first, channel)]
            raise InputError(f"the shapes differ: {sizes[1]}, but {sizes[0]} in {shown(first.source)}", source=path)
        if first.grid is not None and (channel.grid is None or not same_place(channel.grid, first.grid)):
            raise InputError(f"the grid differs from that of {shown(first.source)}", source=path)
    return RawProbabilities(
        values=np.stack([channel.values for channel in channels]),
        grid=channels[0].grid,
        names={},
        source=folder,
        stored=f"{len(files)} files, {channels[0].stored}",
        classes=tuple(files),
    )


def labels_of_channels(raw: RawProbabilities, names: Mapping[int, str]) -> tuple[int, ...]:
    """Return the label of each file in a folder, from the file name.

    Parameters
    ----------
    raw
        Values read from a folder.
    names
        Names of the labels, by number.

    Returns
    -------
    tuple of int
        Labels in the order of the channels; empty if the channels have no names.

    Raises
    ------
    InputError
        A file name is not that of a label, a label has two files, or the background has none although several
        classes have one.
    """
    by_name = {plain_name(name): number for number, name in sorted(names.items(), reverse=True)} | {BACKGROUND: 0}
    found: dict[int, str] = {}
    for channel in raw.classes:
        number = (
            int(channel) if channel.isdecimal() and len(channel) < MOST_DIGITS else by_name.get(plain_name(channel))
        )
        if number is None:
            raise InputError(
                f"class {shown(channel)} is not the name or number of a label",
                source=raw.source,
                hint=f"name the file after the number of its label, or use --labels N={shown(channel)}",
            )
        if number in found:
            raise InputError(
                f"label {number} has two files: {shown(found[number])} and {shown(channel)}", source=raw.source
            )
        found[number] = channel
    if raw.classes and (0 in found) != (len(found) > 1):
        expected = "a class besides the background" if 0 in found else f"the background too, named 0 or {BACKGROUND}"
        files = ", ".join(map(shown, raw.classes))
        raise InputError(f"expected a file for {expected}, found only {files}", source=raw.source)
    return tuple(found)
