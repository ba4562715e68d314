"""Whether a stream has colours; apart from `terminal`, because help must not load what tables need."""

from __future__ import annotations

import os
from typing import TextIO


def styled(stream: TextIO, color: bool | None) -> bool:
    """Return whether text for a stream has colours; if `color` is None, the environment and the stream decide."""
    if color is not None:
        return color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
