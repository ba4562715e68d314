"""Pair segmentations of BIDS datasets by the entities in their names, whatever folder they are in.

The prediction for ``sub-01_dseg`` may be ``sub-01_desc-nnunet_dseg``, in the derivatives. All predictions of a run come
from one pipeline; if several pipelines fit, no prediction is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from segeval.errors import shown
from segeval.pairing.listing import Item, Side, listed
from segeval.pairing.matches import Groups, Matches
from segeval.pairing.remarks import count_word
from segeval.text import counted

_NAME = r"(?:.*/)?(sub-[^_/-]+(?:_[^_/-]+-[^_/-]+)*)_"
_BIDS = re.compile(rf"{_NAME}dseg", re.DOTALL)
_IMAGE = re.compile(
    rf"{_NAME}(?:T1w|T2w|T2starw|T2star|PD|PDw|PDT2|FLAIR|FLASH|UNIT1|angio|inplaneT[12]|MP2RAGE|MEGRE|MESE"
    r"|bold|boldref|sbref|cbv|dwi|dwiref|epi|asl|m0scan|pet|phase|phase[12]|phasediff|magnitude|magnitude[12]"
    r"|(?:T1|T2|T2star|R1|R2|R2star|PD|MTR|MTsat|MWF|S0|M0|TB1|RB1|field|stat)map|defacemask|mask|probseg)",
    re.DOTALL,
)
_LEVELS = ((), ("desc",), ("desc", "space"))  # entities that may differ, tried in this order


def entities(stem: str) -> frozenset[str] | None:
    """Return the entities of a BIDS segmentation, such as ``ses-1``; None for any other name.

    Examples
    --------
    >>> sorted(entities("sub-01/anat/sub-01_space-T1w_dseg"))
    ['space-T1w', 'sub-01']
    """
    found = _BIDS.fullmatch(stem)
    return frozenset(found[1].split("_")) if found else None


def segmentations(side: Side, remarks: list[str]) -> list[Item]:
    """Return the label maps of a BIDS dataset without its images and masks; nothing if it is not a BIDS dataset.

    References count as a BIDS dataset only if every one of them has a BIDS name, so that none is lost.
    """
    items = [item for item in map(side.item, side.maps) if not _IMAGE.fullmatch(item.stem)]
    are = [entities(item.stem) is not None for item in items]
    if not (all(are) if side.kind == "reference" else any(are)):
        return []
    passed = len(side.maps) - len(items)
    if passed:
        verb = "is" if passed == 1 else "are"
        remarks.append(f"ignored {counted(passed, 'file')} among the {side.kind}s that {verb} not a BIDS _dseg")
    return items


def match_entities(groups: Groups, predictions: Sequence[Item]) -> Matches:
    """Pair files with the same entities; if there are none, ignore entities that only predictions have."""
    matches = Matches()
    for ignored in _LEVELS:
        wanted: dict[frozenset[str], list[str]] = {}
        for name, items in groups.items():
            wanted.setdefault(_key(items[0], ignored), []).append(name)
        pipelines: dict[tuple[str, ...], dict[frozenset[str], list[Item]]] = {}
        for item in predictions:
            key = _key(item, ignored)
            if entities(item.stem) is not None and key in wanted:
                pipelines.setdefault(_pipeline(item, ignored), {}).setdefault(key, []).append(item)
        if len(pipelines) > 1:
            _refuse(wanted, list(pipelines.values()), matches)
        elif pipelines:
            ((pipeline, offered),) = pipelines.items()
            _settle(wanted, offered, groups, matches)
            _remark(pipeline, matches)
        if pipelines:
            break
    return matches


def _key(item: Item, ignored: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in entities(item.stem) or () if each.partition("-")[0] not in ignored)


def _pipeline(item: Item, ignored: Iterable[str]) -> tuple[str, ...]:
    """Return the pipeline of a prediction: the folder above the subjects, and the entities of its own."""
    parts = item.stem.split("/")
    subject = next(place for place, part in enumerate(parts) if part.startswith("sub-"))
    own = sorted(each for each in entities(item.stem) or () if each.partition("-")[0] in ignored)
    return "/".join(parts[:subject]), *own


def _refuse(
    wanted: dict[frozenset[str], list[str]], pipelines: Sequence[dict[frozenset[str], list[Item]]], matches: Matches
) -> None:
    """Give a problem to every case with a prediction in one of the pipelines; it names a file of each pipeline."""
    matches.refused = True
    for key, names in wanted.items():
        if any(key in offered for offered in pipelines):
            choice = [item for offered in pipelines for item in offered.get(key, next(iter(offered.values()))[:1])]
            problem = (
                f"{count_word(len(pipelines))} pipelines have predictions, such as {listed(choice)}; "
                "give the folder of one of them, or use --prediction-pattern"
            )
            matches.problems.update(dict.fromkeys(names, problem))
            matches.taken.update(item.relative for offered in pipelines for item in offered.get(key, ()))


def _settle(
    wanted: dict[frozenset[str], list[str]], offered: dict[frozenset[str], list[Item]], groups: Groups, matches: Matches
) -> None:
    for key, items in offered.items():
        if len(wanted[key]) == 1:
            matches.add(wanted[key][0], items)
            continue
        rivals = [groups[name][0] for name in wanted[key]]
        problem = f"{count_word(len(rivals))} references fit the same prediction {listed(items)}: {listed(rivals)}"
        matches.problems.update(dict.fromkeys(wanted[key], problem))
        matches.taken.update(item.relative for item in items)


def _remark(pipeline: tuple[str, ...], matches: Matches) -> None:
    root, *own = pipeline
    if matches.found:
        what = f"{counted(len(matches.found), 'case')} paired by BIDS entities, with predictions"
        of = f" of {shown(', '.join(own))}" if own else ""
        matches.remarks.append(f"{what}{of} from {shown(root)}" if root else f"{what}{of} from any folder")
