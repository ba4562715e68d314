"""Match files by name: by the whole path, or by a looser rule that is the same for the whole run.

A looser rule is used only if a stricter one finds nothing at all. If some predictions have the names of their cases,
files with other names are something else, such as results of an earlier run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from segeval.errors import shown
from segeval.pairing.entities import entities, match_entities
from segeval.pairing.listing import Item
from segeval.pairing.matches import Groups, Matches
from segeval.pairing.paths import base_of, parent_of, strict_order
from segeval.pairing.patterns import CASE
from segeval.pairing.remarks import ending_remark
from segeval.text import counted, enumerated

REFERENCE_ENDING = re.compile(
    r"(?<=[^/])[_-](gt|ref|reference|groundtruth|ground_truth|manual|labels?|seg|segmentation|mask)$", re.IGNORECASE
)
PREDICTION_ENDING = re.compile(
    r"(?<=[^/])[_-](pred|preds|prediction|predictions|predicted|seg|segmentation|dseg|output|out|result|masks?|labels?"
    r"|labelIds|labelTrainIds|gtFine|leftImg8bit)$",
    re.IGNORECASE,
)
_LOOSE = ((False, True), (True, False), (True, True))  # by file name only, without an ending


def shared_ending(stems: Sequence[str]) -> str:
    """Return the known ending that all stems share, as the first one writes it; an empty string if there is none.

    Examples
    --------
    >>> shared_ending(["a_gt", "b_GT"]), shared_ending(["a_gt", "b"])
    ('_gt', '')
    """
    found = [REFERENCE_ENDING.search(stem) for stem in stems]
    endings = [match[0] if match else "" for match in found]
    return endings[0] if len({ending.lower() for ending in endings}) == 1 else ""


def match_names(groups: Groups, predictions: Sequence[Item], *, endings: bool, by_entities: bool) -> Matches:
    """Pair files by path; if that finds nothing, by the first looser rule that finds something.

    Parameters
    ----------
    groups
        The references.
    predictions
        The predictions.
    endings
        Whether names of predictions may have an ending such as ``_pred``.
    by_entities
        Whether both are BIDS segmentations, which are matched by the entities in their names.
    """
    matches = Matches()
    known = {item.stem: name for name, items in groups.items() for item in items}
    for stem in [stem for stem in known if entities(stem) is not None]:
        known.setdefault(stem.removesuffix("_dseg"), known[stem])
    known.update({name: name for name in groups})
    for item in predictions:
        if item.name in known:
            matches.add(known[item.name], [item])
    if matches.found:
        return matches
    if by_entities:
        return match_entities(groups, predictions)
    flat = any(all("/" not in name for name in side) for side in (groups, [item.name for item in predictions]))
    for alone, less_ending in _LOOSE:
        if (alone and not flat) or (less_ending and not endings):
            continue
        hits = _hits(known, predictions, alone=alone, less_ending=less_ending)
        if hits:
            _settle(hits, groups, matches, alone=alone)
            break
    return matches


def less_endings(text: str) -> Iterator[tuple[str, str]]:
    """Yield a name without its last known ending, without the last two, and so on, each with the part removed."""
    start = text
    while found := PREDICTION_ENDING.search(start):
        start = start[: found.start()]
        yield start, text[len(start) :]


_Hits = dict[str, dict[str, list[Item]]]
"""Predictions by ending and case."""


def _hits(known: Mapping[str, str], predictions: Iterable[Item], *, alone: bool, less_ending: bool) -> _Hits:
    """Return what a rule finds."""
    names = {base_of(text): name for text, name in known.items()} if alone else known
    hits: _Hits = {}
    written: dict[str, str] = {}
    for item in predictions:
        text = base_of(item.name) if alone else item.name
        for start, ending in less_endings(text) if less_ending else [(text, "")]:
            if start in names:
                same = written.setdefault(ending.lower(), ending)
                hits.setdefault(same, {}).setdefault(names[start], []).append(item)
                break
    return hits


def _settle(hits: _Hits, groups: Groups, matches: Matches, *, alone: bool) -> None:
    """Pair what was found, unless it is ambiguous."""
    if len(hits) > 1:
        endings = enumerated(sorted(hits), shown)
        matches.refuse(f"predictions have several endings ({endings}); choose one with --prediction-pattern")
        return
    ((ending, found),) = hits.items()
    if alone:
        mixture = _recurring(groups) or _mixed(found, ending)
        if mixture:
            matches.refuse(mixture)
            return
        folders = {parent_of(item.name) for items in found.values() for item in items}
        where = f"with predictions from {shown(min(folders))}" if len(folders) == 1 and any(folders) else ""
        remark = f"{counted(len(found), 'case')} paired by file name only"
        matches.remarks.append(f"{remark}, {where or 'in any folder'}")
    for name, items in found.items():
        matches.add(name, items)
    if ending:
        matches.remarks.append(ending_remark(sum(map(len, found.values())), "prediction", ending))


def _recurring(groups: Groups) -> str | None:
    """Return a remark if references in several folders have the same file name."""
    if len({base_of(name) for name in groups}) == len(groups):
        return None
    return (
        "predictions cannot be paired by file name only: references in several folders have the same file name; "
        "use a table of pairs: --pairs FILE"
    )


def _mixed(found: Mapping[str, Sequence[Item]], ending: str) -> str | None:
    """Return a remark if predictions come from several folders, perhaps of several models, and do not name them."""
    items = [item for each in found.values() for item in each]
    folders = sorted({parent_of(item.name) for item in items}, key=strict_order)
    once = all(len({parent_of(item.name) for item in each}) == 1 for each in found.values())
    if len(folders) == 1 or (once and all(map(_is_named_after_folder, items))):
        return None
    most = max(folders, key=lambda folder: sum(parent_of(item.name) == folder for item in items))
    every = f"; for all: --prediction-pattern '*/{CASE}{shown(ending)}'" if once else ""
    return (
        f"predictions are not paired by file name only, because they are in several folders "
        f"({enumerated(folders, shown)}); for one of these: "
        f"--prediction-pattern '{shown(most)}/{CASE}{shown(ending)}'{every}"
    )


def _is_named_after_folder(item: Item) -> bool:
    """Whether the file name begins with the name of the folder, as in ``bonn/bonn_000000``."""
    folder = base_of(parent_of(item.name))
    return re.match(re.escape(folder) + r"(?![^\W_])", base_of(item.name), re.IGNORECASE) is not None
