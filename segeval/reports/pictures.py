"""Write label maps as PNG pictures, with 8 or 16 bits per pixel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segeval.errors import InputError

if TYPE_CHECKING:
    from segeval.maps.label_map import LabelMap


def to_png(label_map: LabelMap) -> bytes:
    """Encode a label map with axes (y, x) as a grey PNG with 8 bits, or 16 if a label needs them.

    Parameters
    ----------
    label_map
        The label map.

    Raises
    ------
    InputError
        A label does not fit into 16 bits.
    """
    labels = label_map.labels
    if labels.dtype.itemsize > 2:
        raise InputError(
            f"label {int(labels.max())} is too large for PNG, whose labels are at most {np.iinfo(np.uint16).max:,}",
            source=label_map.source,
            hint="set smaller numbers with --labels",
        )
    packed = io.BytesIO()
    Image.fromarray(labels).save(packed, format="PNG")
    return packed.getvalue()
