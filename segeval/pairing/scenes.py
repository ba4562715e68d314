"""Find the references in a folder of Cityscapes, which has several files for each scene.

Maps of class numbers are preferred to polygons; coloured pictures and instances are ignored. Fine and coarse
annotations of a scene are two references for it.
"""

from __future__ import annotations

import re
from collections import Counter

from segeval.pairing.listing import Item, Side
from segeval.pairing.remarks import ending_remark
from segeval.reading.formats import stem_of
from segeval.text import counted

_SCENE = re.compile(r"(.*[^/])(_gt(?:Fine|Coarse)_)(\w+?)", re.IGNORECASE | re.DOTALL)
_KINDS = ("labelids", "labeltrainids", "polygons")  # the first that exists is the reference


def street_scenes(side: Side, remarks: list[str]) -> tuple[list[Item], list[str]]:
    """Return references with names of Cityscapes, and label maps with other names."""
    scenes: dict[tuple[str, str], dict[str, list[str]]] = {}
    found = {name: _SCENE.fullmatch(stem_of(name)) for name in [*side.maps, *side.polygons]}
    for name, match in found.items():
        if match:
            scenes.setdefault((match[1], match[2].lower()), {}).setdefault(match[3].lower(), []).append(name)
    items: list[Item] = []
    for (case, _), kinds in scenes.items():
        kind = next((kind for kind in _KINDS if kind in kinds), None)
        kept = [name for each in kinds if kind in {None, each} for name in kinds[each]]
        items += [side.item(name, name=case if kind else None) for name in kept]
    endings = Counter(item.stem.removeprefix(item.name) for item in items)
    remarks += [ending_remark(count, "reference", ending) for ending, count in endings.items() if ending]
    passed = sum(match is not None for match in found.values()) - len(items)
    if passed:
        remarks.append(f"ignored {counted(passed, 'other file')} of the same scenes among the references")
    return items, [name for name in side.maps if found[name] is None]
