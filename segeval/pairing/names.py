"""Matching by names: the whole one, one less a well-known ending such as ``_pred``, one without its folders.

In this order, since a name that says more must not lose its file to one that says less. An ending counts where all that
could be paired by one have the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from segeval.casetables import enumerated
from segeval.pairing.entities import entities
from segeval.pairing.listing import Item
from segeval.pairing.matches import Groups, Matches
from segeval.pairing.paths import base_of
from segeval.pairing.remarks import counted, ending_remark

REFERENCE_ENDING = re.compile(
    r"(?<=[^/])[_-](gt|ref|reference|groundtruth|ground_truth|manual|labels?|seg|segmentation|mask)$", re.IGNORECASE
)
PREDICTION_ENDING = re.compile(
    r"(?<=[^/])[_-](pred|preds|prediction|predictions|predicted|seg|segmentation|dseg|output|out|result|masks?|labels?"
    r"|labelIds|labelTrainIds|gtFine|leftImg8bit)$",
    re.IGNORECASE,
)


def shared_ending(stems: Sequence[str]) -> str:
    """The ending of a reference's name that all stems have, as the first one writes it; else nothing.

    Examples
    --------
    >>> shared_ending(["a_gt", "b_GT"]), shared_ending(["a_gt", "b"])
    ('_gt', '')
    """
    found = [REFERENCE_ENDING.search(stem) for stem in stems]
    endings = [match[0] if match else "" for match in found]
    return endings[0] if len({ending.lower() for ending in endings}) == 1 else ""


def match_names(groups: Groups, predictions: Sequence[Item], *, endings: bool) -> Matches:
    """Pair by name: the case's own or the reference file's; then less an ending; then without folders.

    Parameters
    ----------
    groups
        The references.
    predictions
        What there is for them.
    endings
        Whether predictions may have an ending of their own.
    """
    matches = Matches()
    known = {item.stem: name for name, items in groups.items() for item in items}
    for stem in [stem for stem in known if entities(stem) is not None]:
        known.setdefault(stem.removesuffix("_dseg"), known[stem])
    known.update({name: name for name in groups})
    for item in predictions:
        if item.name in known:
            matches.add(known[item.name], [item])
    if endings:
        _match_endings(known, predictions, matches)
    flat = any(all("/" not in name for name in side) for side in (groups, [item.name for item in predictions]))
    if flat:
        alone = _unique(known, matches, predictions)
        if alone:
            matches.remarks.append(f"{counted(len(alone), 'case')} paired by file name alone, whatever the folder")
        for name, item in alone.items():
            matches.add(name, [item])
        if endings:
            _match_endings(_bases(known, matches), predictions, matches, by_file_name=True)
    return matches


def _bases(known: Mapping[str, str], matches: Matches) -> dict[str, str]:
    """Name without folders -> case, of the cases without a prediction, where it is that of one case alone."""
    found: dict[str, set[str]] = {}
    for text, name in known.items():
        if name not in matches.found:
            found.setdefault(base_of(text), set()).add(name)
    return {text: next(iter(names)) for text, names in found.items() if len(names) == 1}


def _unique(known: Mapping[str, str], matches: Matches, predictions: Sequence[Item]) -> dict[str, Item]:
    """Case -> the one prediction left that has its name when folders do not count."""
    bases = _bases(known, matches)
    found: dict[str, list[Item]] = {}
    for item in matches.left(predictions):
        base = base_of(item.name)
        if base in bases:
            found.setdefault(bases[base], []).append(item)
    return {name: items[0] for name, items in found.items() if len(items) == 1}


def _match_endings(
    known: Mapping[str, str], predictions: Sequence[Item], matches: Matches, *, by_file_name: bool = False
) -> None:
    """Pair what is called like a case but for a known ending, where that is one and the same."""
    hits: dict[str, dict[str, list[Item]]] = {}
    written: dict[str, str] = {}
    for item in matches.left(predictions):
        for text, ending in _less_endings(base_of(item.name) if by_file_name else item.name):
            if text in known and known[text] not in matches.found:
                same = written.setdefault(ending.lower(), ending)
                hits.setdefault(same, {}).setdefault(known[text], []).append(item)
                break
    if len(hits) > 1:
        matches.remarks.append(
            f"predictions end in {enumerated(sorted(hits))}: --prediction-pattern says which of them count"
        )
        return
    for ending, pairs in hits.items():
        kept = {name: items for name, items in pairs.items() if len(items) == 1 or not by_file_name}
        for name, items in kept.items():
            matches.add(name, items)
        if kept:
            matches.remarks.append(ending_remark(sum(map(len, kept.values())), "prediction", ending))


def _less_endings(text: str) -> Iterator[tuple[str, str]]:
    """A name less one known ending, then less two, and so on, each with what was taken off."""
    start = text
    while found := PREDICTION_ENDING.search(start):
        start = start[: found.start()]
        yield start, text[len(start) :]
