"""Draw Bland-Altman plots of predicted and reference sizes, with bias and limits of agreement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segeval.analysis.series import LIMITS, Agreement, Sizes, agreement_of, sizes_of
from segeval.errors import UsageError
from segeval.maps.labels import Key
from segeval.reports.figures.parts import (
    FALSE_ALARM,
    GRID,
    LOOKS,
    MISSED,
    NAME_LENGTH,
    Look,
    blank,
    by_label,
    explained,
    limits,
    names_of_labels,
    names_of_runs,
    not_drawn,
    panels_of,
    plain_ticks,
    points,
)
from segeval.reports.figures.style import WIDTHS, check_installed, file_of, styled
from segeval.results.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = {"single": 9, "double": 15}
MOST_COLUMNS = {"single": 3, "double": 5}
LETTERS = 12  # letters of a title per inch
MINUS = "\N{MINUS SIGN}"  # the minus of ticks
_HEIGHTS = {1: 2.5, 2: 1.8, 3: 1.6}  # height of a panel in inches, by the number of columns


def bland_altman(
    runs: Mapping[str, Results], *, labels: Sequence[str] = (), suffix: str, width: str = "single"
) -> bytes:
    """Draw predicted minus reference size against the mean of both, with a panel for each label and run.

    Lines are the bias and the limits of agreement, 1.96 standard deviations below and above it (Bland & Altman 1986).
    The runs of a label have the same axes. If there is no room for all labels, those with the widest limits relative to
    their size are drawn.

    Parameters
    ----------
    runs, labels, suffix, width
        See `box`.

    Returns
    -------
    bytes
        The file. A label that is in one map only has size 0 in the other; absent labels and cases that were not scored
        are counted below the figure.

    Raises
    ------
    UsageError
        See `box`; or the sizes have different units.
    """
    check_installed()
    rows = sizes_of(runs, labels=labels)
    found = {(row.label, row.run): agreement_of(row) for row in rows}
    if not any(each.n for each in found.values()):
        raise UsageError("there is nothing to draw: no case has a label with a size")
    groups = by_label(rows)
    shown = _widest(groups, found, max(1, MOST_PANELS[width] // len(runs)))
    flat = [row for group in shown for row in group]
    columns = _columns(len(shown), len(runs), width)
    length = min(NAME_LENGTH[width], int(WIDTHS[width] / columns * LETTERS))
    names, called = names_of_labels(rows, length), names_of_runs(rows, length)
    lines = _lines(flat)
    if len(shown) < len(groups):
        lines.append(f"{len(shown)} of {len(groups)} labels, with the widest limits relative to their size")
    lines += not_drawn(flat, called)
    looks = dict(zip(called, LOOKS, strict=False))
    crowd = sum(found[row.label, row.run].n for row in flat)
    ends = {group[0].label: _ends(group, found) for group in shown}
    ticks = 7 - 2 * min(columns, 2) if width == "single" else 5
    with styled():
        figure = blank(width, -(-len(flat) // columns) * _HEIGHTS[min(columns, 3)] + 0.2, lines)
        panels = panels_of(figure, len(flat), columns, shared=False)
        for panel, row in zip(panels, flat, strict=True):
            each = found[row.label, row.run]
            panel.set_xlim(*ends[row.label][0])
            panel.set_ylim(*ends[row.label][1])
            _panel(panel, row, each, looks[row.run], crowd=crowd)
            plain_ticks(panel.xaxis, ticks)
            plain_ticks(panel.yaxis, 5)
            panel.set_title(_title(row, names, called, each), pad=3)
        _name_axes(panels, columns, flat[0].unit)
        return file_of(figure, suffix)


def _name_axes(panels: Sequence[Axes], columns: int, unit: str) -> None:
    """Label the axes on the left and below, in short if panels are narrow."""
    short = columns > 1
    for panel in panels[::columns]:
        panel.set_ylabel(f"{'difference' if short else f'predicted {MINUS} reference'}, {unit}")
    for panel in panels[-columns:]:
        panel.set_xlabel(f"{'mean' if short else 'mean of both'}, {unit}")


def _columns(labels: int, runs: int, width: str) -> int:
    """Number of columns: one for each run of a label if there is room."""
    if 1 < runs <= MOST_COLUMNS[width]:
        return runs
    return min(labels * runs, MOST_COLUMNS[width])


def _title(row: Sizes, names: Mapping[Key, str], called: Mapping[str, str], each: Agreement) -> str:
    """Title of a panel: label and run, then the bias and the distance of the limits."""
    whose = names[row.label] if len(called) == 1 else f"{names[row.label]}\n{called[row.run]}"
    if each.bias is None:
        return f"{whose}\nno case"
    spread = "" if each.sd is None else f" ± {_short(LIMITS * each.sd)}"
    return f"{whose}\n{'+' if each.bias > 0 else ''}{_short(each.bias)}{spread}"


def _short(value: float) -> str:
    """Format a number with three digits, or all digits before the point, and a minus sign."""
    return (f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", MINUS)


def _lines(rows: Sequence[Sizes]) -> list[str]:
    """Explain lines and crosses."""
    missed = sum(int((row.prediction == 0).sum()) for row in rows)
    alarms = sum(int((row.reference == 0).sum()) for row in rows)
    lines = [
        f"difference: predicted minus reference; mean: of the two; lines: bias and limits of agreement (± {LIMITS} sd)"
    ]
    lines += [explained(MISSED, missed)] if missed else []
    lines += [explained(FALSE_ALARM, alarms)] if alarms else []
    return ["; ".join(lines)]


def _widest(groups: Sequence[list[Sizes]], found: Mapping[tuple[Key, str], Agreement], most: int) -> list[list[Sizes]]:
    """Select `most` labels, those with the widest limits relative to their size, in the original order."""

    def spread(group: Sequence[Sizes]) -> float:
        shares = []
        for row in group:
            sd, sizes = found[row.label, row.run].sd, row.reference[row.reference > 0]
            if sd is not None and len(sizes):
                shares.append(sd / float(np.median(sizes)))
        return max(shares, default=-math.inf)

    order = sorted(range(len(groups)), key=lambda place: (-spread(groups[place]), place))
    return [groups[place] for place in sorted(order[:most])]


def _ends(
    group: Sequence[Sizes], found: Mapping[tuple[Key, str], Agreement]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of both axes for all runs of a label."""
    means = np.concatenate([(row.prediction + row.reference) / 2 for row in group])
    differences = np.concatenate([row.prediction - row.reference for row in group])
    lines = [value for row in group for value in _lines_of(found[row.label, row.run])]
    return limits(means[~np.isnan(means)]), limits(np.array([0.0, *lines, *differences[~np.isnan(differences)]]))


def _lines_of(each: Agreement) -> list[float]:
    return [value for value in (each.bias, each.low, each.high) if value is not None]


def _panel(panel: Axes, row: Sizes, each: Agreement, look: Look, *, crowd: int) -> None:
    mean, difference = (row.prediction + row.reference) / 2, row.prediction - row.reference
    kinds = {
        "": (row.prediction > 0) & (row.reference > 0),
        MISSED: row.prediction == 0,
        FALSE_ALARM: row.reference == 0,
    }
    panel.axhline(0, color=GRID, linewidth=0.5, zorder=0)
    for marker, chosen in kinds.items():
        points(panel, mean[chosen], difference[chosen], look=look, crowd=crowd, marker=marker)
    for value, style in ((each.bias, "-"), (each.low, (0, (4, 2))), (each.high, (0, (4, 2)))):
        if value is not None:
            panel.axhline(value, color="black", linestyle=style, linewidth=0.8, zorder=3)
    panel.spines[["top", "right"]].set_visible(False)
