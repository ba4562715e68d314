"""Texts of remarks and problems that are used in more than one place."""

from __future__ import annotations

from segeval.errors import shown
from segeval.text import counted

NOT_TEXT = "the file name is not valid UTF-8 and cannot be written to result files; rename the file"
SAME_FILE = "prediction and reference are the same file"


def count_word(count: int) -> str:
    """Return a number as a word for things of which there should be one."""
    return "two" if count == 2 else str(count)


def ending_remark(count: int, kind: str, ending: str) -> str:
    """Return the remark that names were read without an ending."""
    verb, names = ("ends", "name") if count == 1 else ("end", "names")
    return f"{counted(count, kind)} {verb} in {shown(ending)}; the case {names} do{'es' * (count == 1)} not include it"
