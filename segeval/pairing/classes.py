"""Recognise folders that are one case each, with a file for each class, as TotalSegmentator writes them.

Folders of slices, frames or cases look similar. Files of classes have names that recur in most of the folders and
differ in more than numbers. In the end the content of one file decides.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from segeval.errors import SegevalError
from segeval.maps.labels import present_labels
from segeval.pairing.listing import Side
from segeval.pairing.paths import base_of, joined, parent_of, strict_order
from segeval.reading import read_label_map
from segeval.reading.formats import stem_of


def are_class_folders(references: Side, predictions: Side) -> bool:
    """Whether each folder is a case with a file for each class, by the names and by the content of one file."""
    classes = _classes(references.maps)
    if not classes or any("/" in folder or not folder or len(names) < 2 for folder, names in classes.items()):
        return False
    counts = Counter(name for names in classes.values() for name in names)
    if len({re.sub(r"\d+", "", name) for name in counts}) < 2:  # slices or frames: every folder has a first one
        return False
    if len(classes) == 1:
        ((folder, names),) = classes.items()
        numbered = sum(any(character.isdecimal() for character in name) for name in names)
        shared = names & _classes(predictions.maps).get(folder, set())
        if 2 * numbered >= len(names) or 2 * len(shared) <= len(names):
            return False
    elif 2 * sum(2 * count > len(classes) for count in counts.values()) <= len(counts):
        return False
    first = min(classes, key=strict_order)
    return _is_binary([joined(references.folder, name) for name in references.maps if parent_of(name) == first])


def _classes(maps: Iterable[str]) -> dict[str, set[str]]:
    """Return the classes of each folder, by the names of its files."""
    found: dict[str, set[str]] = {}
    for name in maps:
        found.setdefault(parent_of(name), set()).add(base_of(stem_of(name)))
    return found


def _is_binary(paths: Sequence[str]) -> bool:
    """Whether the largest of some files has at most one label; the largest is unlikely to be an empty mask.

    A file that cannot be read counts as binary; it will be reported when the case is read.
    """
    try:
        largest = max(sorted(paths), key=os.path.getsize)
        return len(set(present_labels(read_label_map(largest, by_bids=False))) - {0}) <= 1
    except (OSError, SegevalError):
        return True
