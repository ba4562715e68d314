"""Probability maps from NIfTI, NumPy and PNG files, checked as strictly as label maps are.

The array is taken as the file has it, in one copy; which of its axes is that of the channels is told later, by the
shape of the reference. NumPy archives of nnU-Net hold the map as ``probabilities``, channels first. A PNG is one
channel in 16-bit grey. A folder holds a map of one channel for each class, called by its number or name. Nothing in a
file is evaluated: Python objects are refused.
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
MOST_DIGITS = 10  # of a label's number


def read_probabilities(path: str | os.PathLike[str]) -> RawProbabilities:
    """Read the values of a probability map.

    Parameters
    ----------
    path
        A NIfTI file, a NumPy file (.npy, .npz), a 16-bit grey PNG, or a folder with such a file for each class. Of an
        archive with several arrays it is ``probabilities``, or ``softmax``.

    Raises
    ------
    InputError
        The file is missing, of another kind, or damaged.

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
            f"probability maps are read from {', '.join(suffixes(*PROBABILITIES))}",
            source=name,
            hint="a label map is scored without --probabilities",
        )
    with reading(name, name) as file:
        found: RawProbabilities = reader.read_probabilities(file, source=name)
    return found


def _read_folder(folder: str) -> RawProbabilities:
    """The maps of one channel in a folder, one after the other."""
    files = class_files(folder)
    channels: list[RawProbabilities] = []
    for path in files.values():
        channel = read_probabilities(path)
        channels.append(channel)
        first = channels[0]
        if channel.values.shape != first.values.shape:
            sizes = [" x ".join(map(str, each.values.shape)) for each in (first, channel)]
            raise InputError(f"expected the shape of {shown(first.source)}, {sizes[0]}, found {sizes[1]}", source=path)
        if first.grid is not None and (channel.grid is None or not same_place(channel.grid, first.grid)):
            raise InputError(f"it lies on another grid than {shown(first.source)}", source=path)
    return RawProbabilities(
        values=np.stack([channel.values for channel in channels]),
        grid=channels[0].grid,
        names={},
        source=folder,
        stored=f"{len(files)} files, {channels[0].stored}",
        classes=tuple(files),
    )


def labels_of_channels(raw: RawProbabilities, names: Mapping[int, str]) -> tuple[int, ...]:
    """The label that each file of a folder is about, by its name.

    Parameters
    ----------
    raw
        From a folder.
    names
        Label -> name.

    Returns
    -------
    tuple of int
        In the order of the channels; none for a map whose channels have no names.

    Raises
    ------
    InputError
        A name that is of no label, two files for one, or none for the background beside those of several classes.
    """
    numbers = {plain_name(name): number for number, name in sorted(names.items(), reverse=True)} | {BACKGROUND: 0}
    found: dict[int, str] = {}
    for called in raw.classes:
        number = int(called) if called.isdecimal() and len(called) < MOST_DIGITS else numbers.get(plain_name(called))
        if number is None:
            raise InputError(
                f"which label the class {shown(called)} is, is not known",
                source=raw.source,
                hint=f"call the file by the label's number, or say --labels N={shown(called)}",
            )
        if number in found:
            raise InputError(
                f"two files for the label {number}: {shown(found[number])} and {shown(called)}", source=raw.source
            )
        found[number] = called
    if raw.classes and (0 in found) != (len(found) > 1):
        expected = "a class besides the background" if 0 in found else f"the background too, called 0 or {BACKGROUND}"
        called = ", ".join(map(shown, raw.classes))
        raise InputError(f"expected a file for {expected}, found only {called}", source=raw.source)
    return tuple(found)
