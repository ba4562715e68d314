"""Two folders to cases.

Both folders are listed, references and predictions found among their files, and these matched: as BIDS has it where
both are BIDS datasets, else by names. Every reference ends up in a case and every prediction in a case or as a stray.
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
        The folders; what lies in folders below them counts too. Hidden files and folders are passed over, links are
        followed.
    prediction_pattern, reference_pattern
        What the paths below the folder look like: ``{case}_pred.nii.gz``. ``{case}`` is the case's name, which may hold
        a "/"; ``*`` is anything but a "/". One that ends in "/" names folders with a file for each class. One without
        a suffix of label maps matches whatever the suffix.
    probabilities
        Whether predictions are probability maps.

    Returns
    -------
    Pairing
        A case for each reference. Without one there are no cases, and a remark says what was looked for.

    Raises
    ------
    InputError
        A folder that does not exist or cannot be read.
    UsageError
        A pattern without ``{case}`` or one that matches nothing, or a folder that is to be compared with itself.

    Examples
    --------
    >>> pair_folders("missing", "references")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing: no such folder; give the folder of the predictions
    """
    patterns = compile_pattern(prediction_pattern), compile_pattern(reference_pattern)
    told_apart = None not in patterns and prediction_pattern != reference_pattern
    same = _check_folders(predictions, references, told_apart=told_apart)
    prediction_files = files_below(predictions, without=references)
    predicted = Side(predictions, "prediction", prediction_files, patterns[0], probabilities)
    given = Side(references, "reference", files_below(references, without=predictions), patterns[1])
    return _pair_sides(predicted, given, same=same)


def _check_folders(predictions: str, references: str, *, told_apart: bool) -> bool:
    """Whether both are one folder, which is refused unless patterns tell the files apart."""
    check_folder(predictions, "prediction")
    check_folder(references, "reference")
    same = identity(predictions) == identity(references)
    if same and not told_apart:
        raise UsageError(
            "it is both the folder of the predictions and that of the references",
            source=predictions,
            hint="give two folders, or tell the files apart by --prediction-pattern and --reference-pattern",
        )
    return same


def _pair_sides(predicted: Side, given: Side, *, same: bool) -> Pairing:
    """The pairing of what lies in the folders; `same` says that they are one."""
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
        remarks.append(f"no reference in {shown(given.folder)}: files that end in {', '.join(suffixes())} count")
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
            f"{counted(channels, 'case')} {'has' if channels == 1 else 'have'} no prediction but a file named so with "
            "_0000: _0000 marks an image channel of nnU-Net, not a label map"
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
