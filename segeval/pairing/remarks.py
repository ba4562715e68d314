"""How remarks and problems are worded.

What is said in more than one place is said alike. Names from outside pass through `shown`; the words know no files.
"""

from __future__ import annotations

from segeval.errors import shown
from segeval.text import counted

NOT_TEXT = "the file name is not valid UTF-8, which result files cannot hold; rename the file"
SAME_FILE = "its prediction and its reference are the same file"


def count_word(count: int) -> str:
    """How many there are of what there should be one of."""
    return "two" if count == 2 else str(count)


def ending_remark(count: int, kind: str, ending: str) -> str:
    """That names were read without an ending."""
    verb, names = ("ends", "name") if count == 1 else ("end", "names")
    return f"{counted(count, kind)} {verb} in {shown(ending)}, which is not part of the case {names}"
