"""Relabel label maps, and match the labels of a prediction and a reference by number or by name.

The same number can mean different organs in two releases of one model. The names in the files are therefore compared,
and contradictions are refused unless labels are matched by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError, shown
from segeval.maps.label_map import LabelMap, Labels, layerwise, slabs
from segeval.text import counted, enumerated

Key = int | str  # the number of a label or the name of a region

MAX_EXAMPLES = 5


def relabelled(label_map: LabelMap, new: Mapping[int, int]) -> LabelMap:
    """Return the map with new label numbers; a name moves with its label unless the new number already has one.

    Parameters
    ----------
    label_map
        The map; it is not changed.
    new
        New numbers by old number. Other labels keep their number.
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
    """Refuse a map with the same label in two layers."""
    seen: set[int] = set()
    for layer in (replace(label_map, overlays=()), *label_map.overlays):
        here = set(present_labels(layer)) - {0}
        if here & seen:
            raise InputError(
                f"label {min(here & seen)} would be in two layers that overlap",
                source=label_map.source,
                hint="to score a union of labels: --region",
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
    """Return a mask of the voxels that have one of the labels in `members`."""
    if len(members) == 1:
        (member,) = members
        return np.equal(labels, member)
    return np.isin(labels, np.array(sorted(members), np.uint64))


def plain_name(name: str) -> str:
    """Return the name in a form that ignores case and how words are joined, to compare spellings.

    Examples
    --------
    >>> plain_name("Kidney_Left") == plain_name("kidney left")
    True
    """
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def number_of(label: int | str, name: str | None, numbers: Mapping[str, float], default: float) -> float:
    """Look up a label by number or name in a table such as ``{"1": 0.5, "liver": 2}``, or return the default."""
    for written, number in numbers.items():
        if written == str(label) or (name is not None and plain_name(written) == plain_name(name)):
            return number
    return default


def present_labels(label_map: LabelMap) -> list[int]:
    """Return all labels in the map and its layers, in increasing order."""
    found = {label for layer in label_map.overlays for label in present_labels(layer)}
    for part in slabs(label_map.labels.shape):
        found |= labels_in(label_map.labels[part])
    return sorted(found)


def labels_in(part: Labels) -> set[int]:
    """Return the labels in a part of a map; fastest if the part fits in the processor's cache."""
    flat = part.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return {*np.unique(flat[changes]).tolist(), *flat[:1].tolist()}


def check_names(prediction: LabelMap, reference: LabelMap, *, present: Collection[int]) -> None:
    """Refuse maps in which a label has two different names.

    Parameters
    ----------
    prediction, reference
        The maps, with the names from their files.
    present
        The labels in either map; the names of others are ignored.

    Raises
    ------
    InputError
        Some names contradict each other; the message lists them.
    """
    contradicting = [
        label
        for label in sorted(present)
        if label in prediction.names
        and label in reference.names
        and plain_name(prediction.names[label]) != plain_name(reference.names[label])
    ]
    if not contradicting:
        return

    def both_names(label: int) -> str:
        in_prediction, in_reference = shown(prediction.names[label]), shown(reference.names[label])
        return f"{in_prediction} in the prediction, {in_reference} in the reference"

    if len(contradicting) == 1:
        problem = f"label {contradicting[0]} has two names: {both_names(contradicting[0])}"
    else:
        listed = enumerated(contradicting, lambda label: f"{label} ({both_names(label)})", most=MAX_EXAMPLES)
        problem = f"{len(contradicting)} labels have two names: {listed}"
    hint = "to match by name: --match names; to name the labels of both: --labels"
    raise InputError(problem, source=prediction.source, hint=hint)


def matched_by_name(prediction: LabelMap, reference: LabelMap) -> LabelMap:
    """Return the prediction with each label renumbered to the label of the same name in the reference.

    A label whose name is not in the reference gets a number that the reference does not use.

    Raises
    ------
    InputError
        A label has no name, or two labels of a map have the same name.
    """
    reference_numbers = _numbers_by_name(reference)
    numbers: dict[int, int] = {}
    free = max([*reference.names, *prediction.names, *present_labels(reference), *present_labels(prediction)]) + 1
    for name, label in _numbers_by_name(prediction).items():
        if name in reference_numbers:
            numbers[label] = reference_numbers[name]
        elif label in reference.names or label in reference_numbers.values():
            numbers[label], free = free, free + 1
    names = {numbers.get(label, label): name for label, name in prediction.names.items()}
    return replace(relabelled(prediction, {a: b for a, b in numbers.items() if a != b}), names=names)


def _numbers_by_name(label_map: LabelMap) -> dict[str, int]:
    present = [label for label in present_labels(label_map) if label]
    nameless = [label for label in present if label not in label_map.names]
    if nameless:
        some = f"{counted(len(nameless), 'label')} without a name ({enumerated(nameless, str, most=MAX_EXAMPLES)})"
        hint = "to match by number: --match ids"
        raise InputError(f"labels cannot be matched by name: {some}", source=label_map.source, hint=hint)
    found: dict[str, int] = {}
    for label, name in sorted(label_map.names.items()):
        plain = plain_name(name)
        if label and plain in found and found[plain] != label and (label in present or found[plain] in present):
            raise InputError(
                f"labels {found[plain]} and {label} have the same name {shown(name)!r}",
                source=label_map.source,
                hint="to match by number: --match ids",
            )
        if label:
            found[plain] = label
    return found
