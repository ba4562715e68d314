"""Help and docstrings name the formats of the table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from segeval.reading.folders import read_class_folder
from segeval.reading.formats import FORMATS, Kind
from tests.command import box, call, save


def named(text: str | None, start: str, end: str) -> set[str]:
    """Return the items of a list in prose."""
    listed = " ".join((text or "").split()).partition(start)[2].partition(end)[0]
    return set(re.split(", | or ", listed))


def titles_of(kind: Kind) -> set[str]:
    return {each.title for each in FORMATS if kind in each.gives}


def test_help_takes_its_formats_from_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("score", "batch"):
        text = call(capsys, command, "--help-all").out
        assert named(text, "Label maps ", "; polygon JSON") == titles_of("labels")
        assert named(text, "Probability maps ", "; or a folder") == titles_of("probabilities")
        assert named(text, "a file for each class (also ", ")") == titles_of("one class")


def test_a_class_folder_uses_the_first_of_two_numbers_with_the_same_name(tmp_path: Path) -> None:
    save(tmp_path / "liver.nii.gz", box((4, 5, 6)))
    assert set(np.unique(read_class_folder(str(tmp_path), names={2: "liver", 5: "liver"}).labels)) == {0, 2}
