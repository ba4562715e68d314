"""Where tests find files: the project, its sample data, and the real data beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
SAMPLES = TOP / "sample_data"
SHARED = TOP.parent / "shared"
DATA = SHARED / "data"


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip a test, and say why, where a file or folder beside the project is absent."""
    return pytest.mark.skipif(not path.exists(), reason=f"{path.relative_to(TOP.parent)} is not beside the project")
