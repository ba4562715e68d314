"""What all figures share: the kinds of file, widths, the look, and bytes that are the same each time.

Nothing is taken from the user's matplotlib settings, nothing from a clock, and identifiers in an SVG are salted alike.
Text in an SVG or a PDF stays text. A name from outside is never read as a formula. An SVG has no background, so that it
stands on whatever page it is put in; PNG and PDF are white. matplotlib is loaded only when a figure is drawn, and only
in this package.
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

WIDTHS = {"single": 3.5, "double": 7.2}  # inches: one column of a journal, or two
DPI = 300
PIXELS_DPI = 200  # of what is pixels inside an SVG or a PDF

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
    """Say that matplotlib is missing, before anything is read.

    Raises
    ------
    UsageError
        It is not installed.
    """
    check_extra("matplotlib", extra="report", what="a figure")


@contextmanager
def styled() -> Iterator[None]:
    """Draw with our settings alone, whatever the user's are; they are put back afterwards.

    Raises
    ------
    UsageError
        matplotlib is not installed.
    """
    check_installed()
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts that lack a character: it is a box then
        mpl.rcdefaults()
        settings: Any = mpl.rcParams  # its type lists every key, which differ from version to version
        settings.update(_STYLE)
        yield


def file_of(figure: Figure, suffix: str) -> bytes:
    """The bytes of a figure's file; an SVG has a background only if the figure was given one."""
    drawn = io.BytesIO()
    figure.savefig(
        drawn,
        format=suffix.removeprefix("."),
        dpi=DPI if suffix == ".png" else PIXELS_DPI,
        metadata=_METADATA[suffix],
        facecolor="auto" if suffix == ".svg" else "white",
    )
    return drawn.getvalue()
