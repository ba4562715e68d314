"""Suggest patterns if so many references have no prediction that the two sides must be named differently.

A pattern is what a name of a reference or of a prediction has around the part that both share. It is suggested if it
pairs other files too; nothing is paired here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from segeval.errors import shown
from segeval.pairing.listing import Item
from segeval.pairing.patterns import CASE, Pattern, compile_pattern
from segeval.text import counted

_MOST_TRIED = 20  # predictions that a reference is compared with
_MOST_COUNTED = 200  # files that a pattern is tried on
_LONGEST = 200  # characters of a name that is examined
_PARTS = re.compile(r"[^\W\d_]+|\d+")  # words and numbers


def advise(references: Sequence[Item], missing: Sequence[Item], unused: Sequence[Item], *, derive: bool) -> str | None:
    """Return a suggestion if half of the references have no prediction although some predictions have no reference.

    Parameters
    ----------
    references
        All references.
    missing
        References without a prediction.
    unused
        Predictions without a reference.
    derive
        Whether patterns may be derived from the names.
    """
    if not unused or not missing or 2 * len(missing) < len(references):
        return None
    found = _derived(references, missing, unused) if derive else None
    reference, prediction, patterns = found or (missing[0], unused[0], None)
    options = patterns or f"--prediction-pattern 'PREFIX_{CASE}_SUFFIX'"
    strays = f"{counted(len(unused), 'prediction')} {'has' if len(unused) == 1 else 'have'}"
    return (
        f"{len(missing)} of {counted(len(references), 'reference')} have no prediction, and {strays} no reference "
        f"(for example {shown(reference.path)} and {shown(prediction.path)}); try {options}"
    )


def _derived(
    references: Sequence[Item], missing: Sequence[Item], unused: Sequence[Item]
) -> tuple[Item, Item, str] | None:
    """Return two files and the pattern options that pair them, if these options lose no reference."""
    least = min(2, len(references), len(unused))
    for prediction in unused[:_MOST_TRIED]:
        reference = missing[0]
        texts = _patterns(reference.stem, prediction.stem)
        if texts is None:
            continue
        of_reference, of_prediction = map(compile_pattern, texts)
        if of_reference is None or of_prediction is None:
            continue
        options = [f"--prediction-pattern '{shown(texts[1])}'"]
        if of_reference.name_in(reference.relative) == reference.name:
            wanted = {item.name for item in references[:_MOST_COUNTED]}
        else:
            wanted = _names(of_reference, references)
            options.append(f"--reference-pattern '{shown(texts[0])}'")
        lossless = len(wanted) == len(references[:_MOST_COUNTED])
        if lossless and len(wanted & _names(of_prediction, unused)) >= least:
            return reference, prediction, " ".join(options)
    return None


def _names(pattern: Pattern, items: Sequence[Item]) -> set[str]:
    return {name for item in items[:_MOST_COUNTED] if (name := pattern.name_in(item.relative)) is not None}


def _patterns(reference: str, prediction: str) -> tuple[str, str] | None:
    """Return both names with the shared part as the case; None if it lacks a number of the reference."""
    if max(len(reference), len(prediction)) > _LONGEST or re.search(r"[*{}]", reference + prediction):
        return None
    match = difflib.SequenceMatcher(None, reference, prediction, autojunk=False).find_longest_match()
    shared = [part.span() for part in _PARTS.finditer(reference)]
    whole = [(start, end) for start, end in shared if match.a <= start and end <= match.a + match.size]
    other = {part.span() for part in _PARTS.finditer(prediction)}
    shift = match.b - match.a
    whole = [(start, end) for start, end in whole if (start + shift, end + shift) in other]
    if not whole:
        return None
    start, end = whole[0][0], whole[-1][1]
    if re.search(r"\d", reference[:start] + reference[end:]):
        return None
    return _around(reference, start, end), _around(prediction, start + shift, end + shift)


def _around(name: str, start: int, end: int) -> str:
    return f"{name[:start]}{CASE}{name[end:]}"
