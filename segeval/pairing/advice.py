"""Which patterns would pair what is left over, where so much is that the two sides must be called differently.

A pattern is what remains of a reference's and of a prediction's name around what they have in common. It is suggested
if it pairs others too; nothing is paired by it here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from segeval.errors import shown
from segeval.pairing.listing import Item
from segeval.pairing.patterns import CASE, Pattern, compile_pattern
from segeval.text import counted

_MOST_TRIED = 20  # predictions that a reference is held against
_MOST_COUNTED = 200  # files that a pattern is tried on
_LONGEST = 200  # characters of a name that is looked into
_PARTS = re.compile(r"[^\W\d_]+|\d+")  # words and numbers


def advise(references: Sequence[Item], missing: Sequence[Item], unused: Sequence[Item], *, derive: bool) -> str | None:
    """What to try where half of the references have no prediction though there are predictions without a reference.

    Parameters
    ----------
    references
        All of them.
    missing
        Those without a prediction.
    unused
        Predictions without a reference.
    derive
        Whether patterns may be derived from the names.
    """
    if not unused or not missing or 2 * len(missing) < len(references):
        return None
    found = _derived(references, missing, unused) if derive else None
    reference, prediction, patterns = found or (missing[0], unused[0], None)
    tried = f"try {patterns}" if patterns else f"--prediction-pattern 'PREFIX_{CASE}_SUFFIX' says how they are called"
    strays = f"{counted(len(unused), 'prediction')} {'has' if len(unused) == 1 else 'have'}"
    return (
        f"{len(missing)} of {counted(len(references), 'reference')} have no prediction, and {strays} no reference: "
        f"{shown(reference.path)} and {shown(prediction.path)}, for example; {tried}"
    )


def _derived(
    references: Sequence[Item], missing: Sequence[Item], unused: Sequence[Item]
) -> tuple[Item, Item, str] | None:
    """The options that pair a missing one and lose no reference, and the two files that they were read from."""
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
    """Both names with what they share as the case; None where a number of the reference is not part of it."""
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
