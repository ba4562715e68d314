"""Select references and predictions from the files, and name the case of each.

A pattern decides if there is one. Otherwise BIDS segmentations, folders of classes and street scenes are recognised, in
this order; the case of any other file is called by its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from segeval.errors import UsageError, shown
from segeval.pairing.classes import are_class_folders
from segeval.pairing.entities import segmentations
from segeval.pairing.listing import Item, Side, folders_of
from segeval.pairing.names import shared_ending
from segeval.pairing.paths import strict_order
from segeval.pairing.patterns import CASE, Pattern
from segeval.pairing.remarks import ending_remark
from segeval.pairing.scenes import street_scenes
from segeval.reading.formats import stem_of, suffix_of
from segeval.text import counted


def find_references(side: Side, predictions: Side, remarks: list[str]) -> tuple[list[Item], bool]:
    """Find the references, and whether they are folders with a file for each class.

    Parameters
    ----------
    side
        The folder of the references.
    predictions
        The other folder, which helps to recognise folders of classes.
    remarks
        List to which remarks on how they were found are added.
    """
    if side.pattern is not None:
        return _by_pattern(side, side.pattern, remarks), side.pattern.of_folders
    found = segmentations(side, remarks)
    if found:
        return found, False
    forced = predictions.pattern is not None and predictions.pattern.of_folders and all("/" in one for one in side.maps)
    if side.maps and (forced or are_class_folders(side, predictions)):
        folders = folders_of(side.maps)
        what = "case is a folder" if len(folders) == 1 else "cases are folders"
        remarks.append(
            f"{len(folders)} {what} with a file for each class; if every file is a case: --pattern '{CASE}.nii.gz'"
        )
        return [side.folder_item(folder) for folder in folders], True
    scenes, others = street_scenes(side, remarks)
    names = others if scenes else side.maps or side.polygons
    ending = shared_ending([stem_of(name) for name in names])
    if ending:
        remarks.append(ending_remark(len(names), "reference", ending))
    return scenes + [side.item(name, name=stem_of(name)[: -len(ending) or None]) for name in names], False


def find_predictions(side: Side, remarks: list[str], *, of_folders: bool, of_entities: bool) -> list[Item]:
    """Find the predictions, by the kind of the references.

    If references are folders, predictions are folders too, or files with all classes; if references are BIDS
    segmentations, predictions are BIDS segmentations too.
    """
    if side.pattern is not None:
        return _by_pattern(side, side.pattern, remarks)
    if of_folders:
        flat = [side.item(name) for name in side.maps if "/" not in name]
        return flat + [side.folder_item(folder) for folder in folders_of(side.maps)]
    found = segmentations(side, remarks) if of_entities else []
    return found or [side.item(name) for name in side.maps or side.polygons]


def _by_pattern(side: Side, pattern: Pattern, remarks: list[str]) -> list[Item]:
    if pattern.of_folders:
        paths = folders_of(side.maps)
    elif suffix_of(pattern.text, "polygons"):
        paths = side.polygons
    else:
        paths = (side.maps or side.polygons) if pattern.any_suffix else side.label_files
    names = {path: name for path in paths if (name := pattern.name_in(path)) is not None}
    if not names and side.files:
        _refuse_pattern(side, pattern, paths)
    if len(names) < len(paths):
        what = counted(len(paths) - len(names), "folder" if pattern.of_folders else "file")
        remarks.append(f"ignored {what} among the {side.kind}s that {shown(pattern.text)!r} does not match")
    item = side.folder_item if pattern.of_folders else side.item
    return [item(path, name=name) for path, name in names.items()]


def _refuse_pattern(side: Side, pattern: Pattern, paths: Sequence[str]) -> NoReturn:
    example = min(paths or side.maps or side.files, key=strict_order)
    raise UsageError(
        f"the pattern {shown(pattern.text)!r} matches none of the {side.kind}s",
        source=side.folder,
        hint=f"one of them is {shown(example + '/' * bool(pattern.of_folders and paths))!r}",
    )


def divide(
    predictions: list[Item], references: list[Item], *, prediction_side: Side, reference_side: Side
) -> tuple[list[Item], list[Item]]:
    """Assign files of one folder that both patterns match to the more specific pattern.

    Raises
    ------
    UsageError
        Neither pattern is more specific.
    """
    both = {item.relative for item in predictions} & {item.relative for item in references}
    if not both or prediction_side.pattern is None or reference_side.pattern is None:
        return predictions, references
    longer = prediction_side.pattern.literal_length - reference_side.pattern.literal_length
    if longer == 0:
        raise UsageError(
            f"both patterns match {shown(min(both, key=strict_order))!r}",
            source=reference_side.folder,
            hint="make one pattern more specific",
        )
    if longer > 0:
        return predictions, [item for item in references if item.relative not in both]
    return [item for item in predictions if item.relative not in both], references
