"""Common style of all figures: widths, fonts, and reproducible files.

The user's matplotlib settings are ignored, files have no dates, and identifiers in an SVG are always the same. Text in
an SVG or a PDF stays text, and names are never read as formulas. An SVG has no background, so it fits any page; PNG and
PDF are white. matplotlib is imported only when a figure is drawn.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from segeval.errors import check_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"single": 3.5, "double": 7.2}  # inches: one or two columns of a journal
DPI = 300
PIXELS_DPI = 200  # resolution of pixels inside an SVG or a PDF

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "axes.linewidth": 0.6,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "segeval",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}


def check_installed() -> None:
    """Check that matplotlib is installed, before any file is read.

    Raises
    ------
    UsageError
        matplotlib is not installed.
    """
    check_extra("matplotlib", extra="report", what="a figure")


@contextmanager
def styled() -> Iterator[None]:
    """Use the settings of segeval while drawing, and restore those of the user afterwards.

    Raises
    ------
    UsageError
        matplotlib is not installed.
    """
    check_installed()
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that are missing in a font and become boxes
        mpl.rcdefaults()
        settings: Any = mpl.rcParams  # its keys differ between versions
        settings.update(_STYLE)
        yield


def file_of(figure: Figure, suffix: str) -> bytes:
    """Encode a figure; an SVG has a background only if the figure has one."""
    drawn = io.BytesIO()
    figure.savefig(
        drawn,
        format=suffix.removeprefix("."),
        dpi=DPI if suffix == ".png" else PIXELS_DPI,
        metadata=_METADATA[suffix],
        facecolor="auto" if suffix == ".svg" else "white",
    )
    return drawn.getvalue()
