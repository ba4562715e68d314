"""Compare predicted segmentations with references: Dice, Hausdorff distance and their kin, per label.

`score` compares two arrays, `score_files` two files, `batch` two folders; each gives `Results`. `losses` are those of
probability maps. The public names are loaded when they are first used, so that importing segeval costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segeval.version import __version__

if TYPE_CHECKING:
    from segeval import losses
    from segeval.api import batch, score, score_files
    from segeval.errors import GeometryError, InputError, SegevalError, UsageError
    from segeval.results.results import Results

__all__ = [
    "GeometryError",
    "InputError",
    "Results",
    "SegevalError",
    "UsageError",
    "__version__",
    "batch",
    "losses",
    "score",
    "score_files",
]

_HOMES = {
    "batch": "segeval.api",
    "score": "segeval.api",
    "score_files": "segeval.api",
    "Results": "segeval.results.results",
    "GeometryError": "segeval.errors",
    "InputError": "segeval.errors",
    "SegevalError": "segeval.errors",
    "UsageError": "segeval.errors",
}


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "losses":
            return import_module("segeval.losses")
        if name not in _HOMES:
            raise AttributeError(f"module 'segeval' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
