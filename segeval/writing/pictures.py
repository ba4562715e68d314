"""PNG pictures of a few numbers, each with its colour."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def palette_png(values: NDArray[np.uint8], colors: Sequence[tuple[int, int, int]]) -> bytes:
    """Encode a picture as a PNG with a palette: pixels keep their numbers, and viewers show the colours.

    Parameters
    ----------
    values
        Numbers of colours, axes (y, x).
    colors
        Red, green and blue of each number, from 0 on.
    """
    picture = Image.frombytes("P", values.shape[::-1], np.ascontiguousarray(values).tobytes())
    picture.putpalette([shade for color in colors for shade in color])
    packed = io.BytesIO()
    picture.save(packed, format="PNG")
    return packed.getvalue()
