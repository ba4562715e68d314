"""Where a label is right, false and missed, voxel by voxel."""

from __future__ import annotations

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
COLORS = ((0, 158, 115), (230, 159, 0), (0, 114, 178))  # of these three; colour-blind readers tell them apart
