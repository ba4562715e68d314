"""Figures for a paper, as SVG, PDF or PNG (home of matplotlib): a module for each kind, and the `style` they share."""

from segeval.reports.figures.heatmap import heatmap
from segeval.reports.figures.overlay import overlay
from segeval.reports.figures.style import DPI, SUFFIXES, WIDTHS, check_installed, suffix_of

__all__ = ["DPI", "SUFFIXES", "WIDTHS", "check_installed", "heatmap", "overlay", "suffix_of"]
