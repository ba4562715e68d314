"""Paths as text, with "/" between their parts below a folder; the disk is not read."""

from __future__ import annotations

import os

from segeval.reading import file_behind
from segeval.reading.case_tables import storable
from segeval.text import natural_order


def joined(*parts: str) -> str:
    """Join parts to a path of the system, without the changes that ``Path`` would make."""
    return os.path.join(*parts)  # noqa: PTH118


def base_of(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def parent_of(path: str) -> str:
    """Return a path without its last part; empty if there is only one part."""
    return path.rpartition("/")[0]


def is_text(name: str) -> bool:
    """Whether a name can be written to result files."""
    return storable(name) == name


def strict_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key for natural order in which no two names are equal."""
    return natural_order(name), name


def are_same(path: str, other: str) -> bool:
    """Whether two paths are the same file, and the same image in it if it has several."""
    files = file_behind(path), file_behind(other)
    try:
        same = os.path.samefile(*files)  # noqa: PTH121 - a Path would change the text
    except (OSError, ValueError):
        return False
    return same and path.removeprefix(files[0]) == other.removeprefix(files[1])
