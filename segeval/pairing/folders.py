"""Find the cases in two folders.

Both folders are listed, references and predictions are selected from their files, and matched: by BIDS entities if both
are BIDS datasets, otherwise by names. Every reference is in a case; every prediction is in a case or without a
reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segeval.errors import UsageError, shown
from segeval.pairing.advice import advise
from segeval.pairing.entities import entities
from segeval.pairing.items import divide, find_predictions, find_references
from segeval.pairing.listing import Item, Side, check_folder, files_below, identity, listed
from segeval.pairing.matches import Matches, Pairing
from segeval.pairing.names import match_names
from segeval.pairing.near import count_channels, near_predictions
from segeval.pairing.paths import are_same, strict_order
from segeval.pairing.patterns import compile_pattern
from segeval.pairing.remarks import NOT_TEXT, SAME_FILE, count_word
from segeval.reading.formats import suffixes
from segeval.scoring.case import Case
from segeval.text import counted


def pair_folders(
    predictions: str,
    references: str,
    *,
    prediction_pattern: str | None = None,
    reference_pattern: str | None = None,
    probabilities: bool = False,
) -> Pairing:
    """Find the prediction of each reference in two folders.

    Parameters
    ----------
    predictions, references
        The folders, searched with their subfolders. Hidden files and folders are ignored, links are followed.
    prediction_pattern, reference_pattern
        Pattern of the paths below the folder: ``{case}_pred.nii.gz``. ``{case}`` is the name of the case and may
        contain "/"; ``*`` is anything but "/". A pattern that ends in "/" matches folders with a file for each class.
        A pattern without the suffix of a label map matches any suffix.
    probabilities
        Whether predictions are probability maps.

    Returns
    -------
    Pairing
        A case for each reference. If there is none, a remark says which files were looked for.

    Raises
    ------
    InputError
        A folder does not exist or cannot be read.
    UsageError
        A pattern has no ``{case}`` or matches nothing, or both folders are the same.

    Examples
    --------
    >>> pair_folders("missing", "references")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing: no such folder; give the folder of the predictions
    """
    patterns = compile_pattern(prediction_pattern), compile_pattern(reference_pattern)
    distinct = None not in patterns and prediction_pattern != reference_pattern
    same = _check_folders(predictions, references, distinct=distinct)
    prediction_files = files_below(predictions, without=references)
    predicted = Side(predictions, "prediction", prediction_files, patterns[0], probabilities)
    given = Side(references, "reference", files_below(references, without=predictions), patterns[1])
    return _pair_sides(predicted, given, same=same)


def _check_folders(predictions: str, references: str, *, distinct: bool) -> bool:
    """Return whether both folders are the same; this is refused unless patterns distinguish the files."""
    check_folder(predictions, "prediction")
    check_folder(references, "reference")
    same = identity(predictions) == identity(references)
    if same and not distinct:
        raise UsageError(
            "predictions and references are the same folder",
            source=predictions,
            hint="give two folders, or use --prediction-pattern and --reference-pattern",
        )
    return same


def _pair_sides(predicted: Side, given: Side, *, same: bool) -> Pairing:
    """Return the pairing of the files in the folders; `same` says that both are the same folder."""
    remarks: list[str] = []
    reference_items, of_folders = find_references(given, predicted, remarks)
    plain = predicted.pattern is None and given.pattern is None and not of_folders
    of_entities = plain and all(entities(item.stem) is not None for item in reference_items)
    prediction_items = find_predictions(predicted, remarks, of_folders=of_folders, of_entities=of_entities)
    if same:
        prediction_items, reference_items = divide(
            prediction_items, reference_items, prediction_side=predicted, reference_side=given
        )
    if not reference_items:
        remarks.append(f"no reference found in {shown(given.folder)} (known suffixes: {', '.join(suffixes())})")
    return _pairing(
        prediction_items,
        reference_items,
        remarks,
        by_entities=of_entities and any(entities(item.stem) is not None for item in prediction_items),
        endings=predicted.pattern is None,
        derive=plain,
    )


def _pairing(
    predictions: list[Item],
    references: list[Item],
    remarks: list[str],
    *,
    by_entities: bool,
    endings: bool,
    derive: bool,
) -> Pairing:
    usable = [item for item in predictions if item.is_text]
    groups: dict[str, list[Item]] = {}
    for item in sorted(references, key=lambda item: strict_order(item.relative)):
        groups.setdefault(item.name if item.is_text else shown(item.name), []).append(item)
    open_groups = {name: items for name, items in groups.items() if all(item.is_text for item in items)}
    matches = match_names(open_groups, usable, endings=endings, by_entities=by_entities)
    unused = matches.left(usable)
    cases = [_case(name, groups[name], matches) for name in sorted(groups, key=strict_order)]
    missing = [case.name for case in cases if case.prediction is None and case.problem is None]
    near = near_predictions(missing, unused)
    channels = count_channels(missing, unused)
    if channels:
        advice: str | None = (
            f"{counted(channels, 'case')} {'has' if channels == 1 else 'have'} no prediction, but a file of the same "
            "name with _0000: this is an image channel of nnU-Net, not a label map"
        )
    else:
        first = [groups[case.name][0] for case in cases]
        left = [groups[name][0] for name in missing]
        advice = None if matches.refused else advise(first, left, unused, derive=derive)
    strays = [item.path for item in unused] + [shown(item.path) for item in predictions if not item.is_text]
    return Pairing(
        cases=tuple(replace(case, near=near.get(case.name, ())) for case in cases),
        strays=tuple(sorted(strays, key=strict_order)),
        remarks=tuple(dict.fromkeys([*remarks, *matches.remarks, *([advice] if advice else [])])),
    )


def _case(name: str, references: Sequence[Item], matches: Matches) -> Case:
    problems = []
    if not all(item.is_text for item in references):
        problems.append(NOT_TEXT)
    if len(references) > 1:
        problems.append(f"{count_word(len(references))} references for one case: {listed(references)}")
    found = matches.found.get(name, [])
    if len(found) > 1:
        problems.append(f"{count_word(len(found))} predictions for one reference: {listed(found)}")
    if name in matches.problems:
        problems.append(matches.problems[name])
    if len(found) == 1 and len(references) == 1 and are_same(found[0].path, references[0].path):
        problems.append(SAME_FILE)
    return Case(
        name=name,
        prediction=found[0].path if len(found) == 1 else None,
        reference=references[0].path,
        problem="; ".join(problems) or None,
    )
