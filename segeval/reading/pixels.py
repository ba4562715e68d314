"""Size limits and error messages that all kinds of pictures share."""

from __future__ import annotations

from segeval.errors import InputError
from segeval.reading.contents import AGAIN

MAX_PIXELS = 1 << 28  # a slide of 16,384 x 16,384; a damaged file of 2 MB can claim a thousand times its size
AS_PNG = "save it as PNG"
CHUNK_BYTES = 1 << 16  # compressed pixels that are read at once


def damaged(problem: str, source: str) -> InputError:
    """Return the error for a damaged picture."""
    return InputError(f"the picture is damaged: {problem}", source=source, hint=AGAIN)


def cut_short(problem: str, source: str) -> InputError:
    """Return the error for a file that ends too early."""
    return InputError(f"the file is cut short: {problem}", source=source, hint=AGAIN)


def too_long(problem: str, source: str) -> InputError:
    """Return the error for a file with extra data."""
    return InputError(f"the file is too long: {problem}", source=source, hint=AGAIN)


def check_size(width: int, height: int, source: str) -> None:
    """Refuse a picture with more than `MAX_PIXELS` pixels.

    Raises
    ------
    InputError
        The picture is too large.
    """
    if width * height > MAX_PIXELS:
        raise InputError(
            f"the picture is too large: expected at most {MAX_PIXELS:,} pixels, "
            f"found {width:,} x {height:,} = {width * height:,}",
            source=source,
            hint="split it, or save it as .npy",
        )
