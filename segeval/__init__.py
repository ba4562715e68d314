"""Compare predicted segmentations with references: Dice, Hausdorff distance and other metrics, per label.

`score` compares two arrays, `score_files` two files and `batch` two folders; each returns `Results`. `losses` has loss
functions for probability maps. Importing segeval is fast: modules are imported when a public name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segeval.version import __version__

if TYPE_CHECKING:
    from segeval import losses
    from segeval.api import batch, score, score_files
    from segeval.errors import GeometryError, InputError, SegevalError, UsageError
    from segeval.results.results import Results
    from segeval.running.events import ProgressEvent

__all__ = [
    "GeometryError",
    "InputError",
    "ProgressEvent",
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
    "ProgressEvent": "segeval.running.events",
    "Results": "segeval.results.results",
    "GeometryError": "segeval.errors",
    "InputError": "segeval.errors",
    "SegevalError": "segeval.errors",
    "UsageError": "segeval.errors",
}


if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "losses":
            return import_module("segeval.losses")
        if name not in _HOMES:
            raise AttributeError(f"module 'segeval' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
