"""Label maps as PNG pictures: the number of a pixel is its label, in as many bits as the largest one takes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segeval.errors import InputError

if TYPE_CHECKING:
    from segeval.maps.label_map import LabelMap


def to_png(label_map: LabelMap) -> bytes:
    """Encode a label map with axes (y, x) as a grey PNG of 8 bits, or 16 where a label takes them.

    Parameters
    ----------
    label_map
        What to write.

    Raises
    ------
    InputError
        A label that 16 bits do not hold.
    """
    labels = label_map.labels
    if labels.dtype.itemsize > 2:
        raise InputError(
            f"label {int(labels.max())} does not fit into a PNG, which holds labels up to {np.iinfo(np.uint16).max:,}",
            source=label_map.source,
            hint="give smaller numbers with --labels",
        )
    packed = io.BytesIO()
    Image.fromarray(labels).save(packed, format="PNG")
    return packed.getvalue()
