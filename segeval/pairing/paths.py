"""Paths as text: below a folder they have "/" between their parts, and no look at the disk is needed for them."""

from __future__ import annotations

import os

from segeval.reading import file_behind
from segeval.reading.case_tables import storable
from segeval.text import natural_order


def joined(*parts: str) -> str:
    """A path as the system takes it: a ``Path`` would rewrite what was given."""
    return os.path.join(*parts)  # noqa: PTH118


def base_of(path: str) -> str:
    """Its last part."""
    return path.rpartition("/")[2]


def parent_of(path: str) -> str:
    """All but its last part; empty where there is but one."""
    return path.rpartition("/")[0]


def is_text(name: str) -> bool:
    """Whether result files can hold the name."""
    return storable(name) == name


def strict_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Natural order, in which no two names are equal."""
    return natural_order(name), name


def are_same(path: str, other: str) -> bool:
    """Whether two paths lead to one file, and to one image in it if it has several."""
    files = file_behind(path), file_behind(other)
    try:
        same = os.path.samefile(*files)  # noqa: PTH121 - a Path would rewrite what was given
    except (OSError, ValueError):
        return False
    return same and path.removeprefix(files[0]) == other.removeprefix(files[1])
