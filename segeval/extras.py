"""Packages that only some users need: whether they are there, and the line that installs them.

They are asked for before anything is read or scored, so that nobody waits for a result that cannot be written.
"""

from __future__ import annotations

import importlib

from segeval.errors import UsageError


def check_extra(*modules: str, extra: str, what: str) -> None:
    """Say which package is missing.

    Parameters
    ----------
    *modules
        What is imported from them.
    extra
        The name of the extra that has them.
    what
        What needs them: ``"an .xlsx file"``.

    Raises
    ------
    UsageError
        One of them cannot be imported.

    Examples
    --------
    >>> check_extra("json", extra="none", what="a document")
    >>> check_extra("no_such_module", extra="report", what="a figure")
    Traceback (most recent call last):
    ...
    segeval.errors.UsageError: a figure needs the package no_such_module; pip install 'segeval-cli[report]'
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            package = PACKAGES.get(module, module.partition(".")[0])
            raise UsageError(
                f"{what} needs the package {package}", hint=f"pip install 'segeval-cli[{extra}]'"
            ) from None


PACKAGES = {"jinja2": "Jinja2", "xlsxwriter": "XlsxWriter"}  # where it is not called like its module
