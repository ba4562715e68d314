"""The scripts that write documents: no part of the package, loaded from where they lie."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.places import TOP

DOCS = TOP / "docs"


def loaded(name: str) -> ModuleType:
    """The module docs/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module
