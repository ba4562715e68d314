"""Draw figures with matplotlib as SVG, PDF or PNG: a module for each kind, with a common `style`."""

from segeval.reports.figures.agreement import bland_altman
from segeval.reports.figures.boxes import box
from segeval.reports.figures.curves import cumulative
from segeval.reports.figures.heatmap import heatmap
from segeval.reports.figures.overlay import has_ignored, overlay, overlay_legend
from segeval.reports.figures.style import DPI, WIDTHS, check_installed
from segeval.reports.figures.volumes import volume

__all__ = [
    "DPI",
    "WIDTHS",
    "bland_altman",
    "box",
    "check_installed",
    "cumulative",
    "has_ignored",
    "heatmap",
    "overlay",
    "overlay_legend",
    "volume",
]
