"""Patterns of paths, such as ``{case}_pred.nii.gz``.

``{case}`` is the name of the case, ``*`` is anything but "/", and all other characters stand for themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segeval.errors import UsageError, shown
from segeval.reading.formats import stem_of, suffix_of

CASE = "{case}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of paths.

    Parameters
    ----------
    text
        The pattern as it was given.
    regex
        Regular expression for a whole path; its group ``case`` is the name of the case.
    of_folders
        Whether it matches folders with a file for each class.
    any_suffix
        Whether it matches paths without their suffix.
    """

    text: str
    regex: re.Pattern[str]
    of_folders: bool
    any_suffix: bool

    @property
    def literal_length(self) -> int:
        """Number of characters that stand for themselves: how specific the pattern is."""
        return len(self.text.replace(CASE, "").replace("*", ""))

    def name_in(self, relative: str) -> str | None:
        """Return the name of the case; None if the path does not match."""
        whole = f"{relative}/" if self.of_folders else stem_of(relative) if self.any_suffix else relative
        found = self.regex.fullmatch(whole)
        return found["case"] if found else None


def compile_pattern(text: str | None) -> Pattern | None:
    """Compile a pattern, if there is one.

    Raises
    ------
    UsageError
        The pattern has no ``{case}``.

    Examples
    --------
    >>> compile_pattern("*/{case}_pred.nii.gz").name_in("fold_0/liver_001_pred.nii.gz")
    'liver_001'
    """
    if text is None:
        return None
    if CASE not in text:
        raise UsageError(f"the pattern {shown(text)!r} has no {CASE}", hint=f"write it like {CASE}_pred.nii.gz")
    plain = text.removeprefix("./")
    stem = plain.removesuffix(".*")
    any_suffix = stem != plain or not (plain.endswith(("/", "*")) or suffix_of(plain))
    first, *others = ("[^/]*".join(map(re.escape, part.split("*"))) for part in stem.split(CASE))
    regex = f"{first}(?P<case>.+){'(?P=case)'.join(others)}"
    return Pattern(text, re.compile(regex, re.DOTALL), stem.endswith("/"), any_suffix)
