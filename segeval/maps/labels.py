"""What makes a label the same in both maps: relabelling, and the names that files give to numbers.

The same number can mean different organs in two releases of one model. Names from the files are therefore compared, and
contradictions are refused, unless labels are matched by their names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import LabelMap, Labels, layerwise, slabs
from segeval.text import enumerated

Key = int | str  # a label's number or a region's name

MOST_EXAMPLES = 5


def relabelled(label_map: LabelMap, new: Mapping[int, int]) -> LabelMap:
    """The map with labels changed; a name moves with its label unless the new label has one.

    Parameters
    ----------
    label_map
        The map; it is not changed.
    new
        Old label -> new label. Labels that are not named keep their number.
    """
    if not new:
        return label_map
    if label_map.overlays:
        changed = layerwise(lambda layer: relabelled(layer, new), label_map)
        _check_layers(changed)
        return changed
    moved = {new[label]: name for label, name in label_map.names.items() if label in new}
    kept = {label: name for label, name in label_map.names.items() if label not in new}
    return replace(label_map, labels=_changed(label_map.labels, new), names=moved | kept)


def _check_layers(label_map: LabelMap) -> None:
    """Refuse labels that stand in two layers of one map."""
    seen: set[int] = set()
    for layer in (replace(label_map, overlays=()), *label_map.overlays):
        here = set(present_labels(layer)) - {0}
        if here & seen:
            raise InputError(
                f"label {min(here & seen)} would stand in two layers that overlap",
                source=label_map.source,
                hint="take --region for a union of labels",
            )
        seen |= here


def _changed(labels: Labels, new: Mapping[int, int]) -> Labels:
    old = np.array(sorted(new), np.uint64)
    to = np.array([new[label] for label in sorted(new)], np.uint64)
    dtype = np.result_type(labels.dtype, np.min_scalar_type(int(to.max())))
    changed = labels.astype(dtype)
    if labels.dtype.itemsize <= 2:
        table = np.arange(np.iinfo(labels.dtype).max + 1, dtype=dtype)
        inside = old < table.size
        table[old[inside]] = to[inside]
        for part in slabs(labels.shape):
            changed[part] = table.take(labels[part])
        return changed
    for part in slabs(labels.shape):
        slab = labels[part]
        place = np.minimum(np.searchsorted(old, slab), len(old) - 1)
        changed[part] = np.where(old[place] == slab, to[place].astype(dtype), slab)
    return changed


def mask_of(labels: Labels, members: Collection[int]) -> NDArray[np.bool_]:
    """Where there is any of the members; of the shape of the labels."""
    if len(members) == 1:
        (member,) = members
        return np.equal(labels, member)
    return np.isin(labels, np.array(sorted(members), np.uint64))


def plain_name(name: str) -> str:
    """The name by which two spellings are the same label: case, and how words are joined, do not matter.

    Examples
    --------
    >>> plain_name("Kidney_Left") == plain_name("kidney left")
    True
    """
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def number_of(label: int | str, name: str | None, numbers: Mapping[str, float], default: float) -> float:
    """The number that a table of labels, written by number or name, has for one of them; else the default."""
    for written, number in numbers.items():
        if written == str(label) or (name is not None and plain_name(written) == plain_name(name)):
            return number
    return default


def present_labels(label_map: LabelMap) -> list[int]:
    """The labels that the map holds in any layer, in increasing order."""
    found = {label for layer in label_map.overlays for label in present_labels(layer)}
    for part in slabs(label_map.labels.shape):
        found |= labels_in(label_map.labels[part])
    return sorted(found)


def labels_in(part: Labels) -> set[int]:
    """The labels in a part of a map, which is best small enough for a processor's cache."""
    flat = part.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return {*np.unique(flat[changes]).tolist(), *flat[:1].tolist()}


def check_names(prediction: LabelMap, reference: LabelMap, *, present: Collection[int]) -> None:
    """Refuse files that give one number two names.

    Parameters
    ----------
    prediction, reference
        The maps with the names that their files give.
    present
        The labels of either map; others do not matter.

    Raises
    ------
    InputError
        Names that contradict each other, listed.
    """
    apart = [
        label
        for label in sorted(present)
        if label in prediction.names
        and label in reference.names
        and plain_name(prediction.names[label]) != plain_name(reference.names[label])
    ]
    if not apart:
        return

    def names_of(label: int) -> str:
        in_prediction, in_reference = shown(prediction.names[label]), shown(reference.names[label])
        return f"{label} is {in_prediction!r} in the prediction and {in_reference!r} in the reference"

    examples = enumerated(apart, names_of, most=MOST_EXAMPLES, last=", ")
    raise InputError(
        f"the label names of the two files contradict each other: {examples}",
        source=prediction.source,
        hint="--match names pairs labels by name, --labels says what the numbers mean in both",
    )


def matched_by_name(prediction: LabelMap, reference: LabelMap) -> LabelMap:
    """The prediction with the numbers that its label names have in the reference.

    A name that the reference does not know gets a number that the reference does not use.

    Raises
    ------
    InputError
        A label without a name in either map, or one name for two labels.
    """
    of_reference = _numbers_by_name(reference)
    numbers: dict[int, int] = {}
    free = max([*reference.names, *prediction.names, *present_labels(reference), *present_labels(prediction)]) + 1
    for name, label in _numbers_by_name(prediction).items():
        if name in of_reference:
            numbers[label] = of_reference[name]
        elif label in reference.names or label in of_reference.values():
            numbers[label], free = free, free + 1
    names = {numbers.get(label, label): name for label, name in prediction.names.items()}
    return replace(relabelled(prediction, {a: b for a, b in numbers.items() if a != b}), names=names)


def _numbers_by_name(label_map: LabelMap) -> dict[str, int]:
    present = [label for label in present_labels(label_map) if label]
    nameless = [label for label in present if label not in label_map.names]
    if nameless:
        numbers = ", ".join(map(str, nameless[:MOST_EXAMPLES]))
        raise InputError(
            f"labels cannot be matched by name: {len(nameless)} without a name, such as {numbers}",
            source=label_map.source,
            hint="match by number: only names that the files give can pair labels",
        )
    found: dict[str, int] = {}
    for label, name in sorted(label_map.names.items()):
        plain = plain_name(name)
        if label and plain in found and found[plain] != label and (label in present or found[plain] in present):
            raise InputError(
                f"labels {found[plain]} and {label} are both called {shown(name)!r}",
                source=label_map.source,
                hint="match by number",
            )
        if label:
            found[plain] = label
    return found
