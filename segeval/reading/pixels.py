"""What the checks of every kind of picture share: how large it may be, and how it is refused."""

from __future__ import annotations

from segeval.errors import InputError
from segeval.reading.contents import AGAIN

MAX_PIXELS = 1 << 28  # as many as a slide of 16,384 x 16,384; a file of 2 MB can claim a thousand times its size
AS_PNG = "save it as PNG"
CHUNK_BYTES = 1 << 16  # of compressed pixels at a time


def damaged(problem: str, source: str) -> InputError:
    """The error for a picture that is not sound."""
    return InputError(f"damaged picture: {problem}", source=source, hint=AGAIN)


def check_size(width: int, height: int, source: str) -> None:
    """Refuse a picture with more pixels than memory should hold.

    Raises
    ------
    InputError
        It is.
    """
    if width * height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS:,} pixels, found {width:,} x {height:,} = {width * height:,}",
            source=source,
            hint="split it, or save it as .npy",
        )
