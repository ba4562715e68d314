"""Segmentations of BIDS datasets: what their names say pairs them, in whatever folder they lie.

A prediction of ``sub-01_dseg`` may be called ``sub-01_desc-nnunet_dseg``, and lie in derivatives. Where that leaves
several, the same folder decides, and after that nothing does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from segeval.pairing.listing import Item, Side, listed
from segeval.pairing.matches import Groups, Matches
from segeval.pairing.paths import parent_of
from segeval.pairing.remarks import counted, number

_BIDS = re.compile(r"(?:.*/)?(sub-[^_/-]+(?:_[^_/-]+-[^_/-]+)*)_dseg", re.DOTALL)
_LEVELS = ((), ("desc",), ("desc", "space"))  # entities that may differ, level by level


def entities(stem: str) -> frozenset[str] | None:
    """The entities of a BIDS segmentation, such as ``ses-1``; None where the name is not one.

    Examples
    --------
    >>> sorted(entities("sub-01/anat/sub-01_space-T1w_dseg"))
    ['space-T1w', 'sub-01']
    """
    found = _BIDS.fullmatch(stem)
    return frozenset(found[1].split("_")) if found else None


def segmentations(side: Side, remarks: list[str]) -> list[Item]:
    """The discrete segmentations of a BIDS dataset; the other images in it are none."""
    items = [item for item in map(side.item, side.maps) if entities(item.stem) is not None]
    passed = len(side.maps) - len(items)
    if items and passed:
        verb = "is" if passed == 1 else "are"
        remarks.append(f"passed over {counted(passed, 'file')} of the {side.kind}s that {verb} no BIDS _dseg")
    return items


def match_entities(groups: Groups, predictions: Sequence[Item]) -> Matches:
    """Pair what has the same entities; then what has but for those that a prediction may have of its own."""
    matches = Matches()
    for ignored in _LEVELS:
        wanted: dict[frozenset[str], list[str]] = {}
        offered: dict[frozenset[str], list[Item]] = {}
        for name, items in groups.items():
            if name not in matches.found and name not in matches.problems:
                wanted.setdefault(_key(items[0], ignored), []).append(name)
        for item in matches.left(predictions):
            offered.setdefault(_key(item, ignored), []).append(item)
        for key, names in wanted.items():
            if key in offered:
                _settle({name: groups[name][0] for name in names}, offered[key], matches)
    return matches


def _key(item: Item, ignored: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in entities(item.stem) or () if each.partition("-")[0] not in ignored)


def _settle(references: dict[str, Item], predictions: Sequence[Item], matches: Matches) -> None:
    """Pair references and predictions of the same entities: first those in one folder, then the last of each."""
    by_folder: dict[str, list[Item]] = {}
    for item in predictions:
        by_folder.setdefault(parent_of(item.relative), []).append(item)
    folders = Counter(parent_of(item.relative) for item in references.values())
    rivals = {}
    for name, item in references.items():
        folder = parent_of(item.relative)
        if folders[folder] == 1 and len(by_folder.get(folder, ())) == 1:
            matches.add(name, by_folder[folder])
        else:
            rivals[name] = item
    left = matches.left(predictions)
    if len(left) == 1 and len(rivals) > 1:
        problem = f"{number(len(rivals))} references compete for {listed(left)}: {listed(rivals.values())}"
        matches.problems.update(dict.fromkeys(rivals, problem))
        matches.taken.add(left[0].relative)
    elif left:
        for name in rivals:
            matches.add(name, left)
