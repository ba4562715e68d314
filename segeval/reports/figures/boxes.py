"""Draw box plots of a metric by label, with a point for each case, and several runs side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segeval.analysis.series import Series, series_of
from segeval.reports.figures.parts import (
    GRID,
    LOOKS,
    NAME_LENGTH,
    Look,
    blank,
    by_label,
    check_values,
    kinds_of,
    legend,
    legend_height,
    marked,
    names_of_labels,
    names_of_runs,
    not_drawn,
    points,
    score_edges,
    spread_out,
    title_of,
    worst_of,
)
from segeval.reports.figures.style import check_installed, file_of, styled
from segeval.results.results import Results
from segeval.results.statistics import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TALLEST = 7.5  # inches of rows that fit on a page
ROW, GAP = 0.13, 0.08  # height of a box, and gap between labels, in inches
WHISKER = 1.5  # longest whisker in interquartile ranges, as by Tukey


def box(
    runs: Mapping[str, Results], *, metric: str, labels: Sequence[str] = (), suffix: str, width: str = "single"
) -> bytes:
    """Draw the distribution of a metric: a row for each label, with a box for each run and a point for each case.

    A box is from the first to the third quartile with a line at the median; whiskers reach the last values within 1.5
    interquartile ranges of the box. If there is no room for all labels, those with the worst medians are drawn.

    Parameters
    ----------
    runs
        Results by name of the run; at most `parts.MOST_RUNS`.
    metric
        Name of the metric.
    labels
        Numbers or names of labels; all if empty.
    suffix
        One of `FIGURE_SUFFIXES`.
    width
        One of `style.WIDTHS`.

    Returns
    -------
    bytes
        The file. Undefined, absent and unscored cases are counted below the figure; infinite values are at the edge.

    Raises
    ------
    UsageError
        The metric or a label does not exist, there are too many runs or no values, or matplotlib is not installed.
    """
    check_installed()
    rows = series_of(runs, metric=metric, labels=labels)
    check_values(rows, metric)
    groups = by_label(rows)
    most = max(1, int(TALLEST / (GAP + ROW * len(runs))))
    shown = worst_of(groups, most)
    drawn = [row for group in shown for row in group]
    edges = score_edges(drawn)
    lines = marked(drawn, edges)
    if len(shown) < len(groups):
        lines.append(f"{len(shown)} of {len(groups)} labels, with the worst medians")
    called = names_of_runs(rows, NAME_LENGTH[width])
    lines += not_drawn(drawn, called)
    with styled():
        height = (GAP + ROW * len(runs)) * len(shown) + 0.45
        several = len(runs) > 1
        figure = blank(width, height + (legend_height(list(called.values()), width) if several else 0), lines)
        panel = figure.subplots()
        _rows(panel, shown, names_of_labels(rows, NAME_LENGTH[width]), edges)
        if several:
            entries = list(zip(called.values(), LOOKS, strict=False))
            legend(figure, entries, width=width, points=True, lines=False)
        return file_of(figure, suffix)


def _rows(
    panel: Axes, groups: Sequence[list[Series]], names: Mapping[int | str, str], edges: tuple[float, float]
) -> None:
    crowd = sum(len(row.ordered) for group in groups for row in group)
    pitch = GAP / ROW + len(groups[0])
    for place, group in enumerate(groups):
        for run, (row, look) in enumerate(zip(group, LOOKS, strict=False)):
            if len(row.ordered):
                _box(panel, row, place * pitch + run, look, edges=edges, crowd=crowd)
        if place:
            panel.axhline(place * pitch - GAP / ROW / 2 - 0.5, color=GRID, linewidth=0.4, zorder=0)
    middle = (len(groups[0]) - 1) / 2
    panel.set_yticks(
        [place * pitch + middle for place in range(len(groups))], [names[group[0].label] for group in groups]
    )
    panel.set_ylim((len(groups) - 1) * pitch + len(groups[0]) - 1 + 0.5 + GAP / ROW / 2, -0.5 - GAP / ROW / 2)
    panel.set_xlim(*edges)
    panel.tick_params(axis="y", length=0)
    panel.set_xlabel(title_of(groups[0][0]))
    panel.spines[["top", "right"]].set_visible(False)


def _box(panel: Axes, row: Series, y: float, look: Look, *, edges: tuple[float, float], crowd: int) -> None:
    ordered = row.ordered
    q1, median, q3 = (quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    inside = ordered
    if math.isfinite(q1) and math.isfinite(q3):
        reach = WHISKER * (q3 - q1)
        inside = ordered[(ordered >= q1 - reach) & (ordered <= q3 + reach)]
    left, median, right = np.clip([inside[0], median, inside[-1]], *edges).tolist()
    span = edges[1] - edges[0]  # a box is open at an edge if its quartile is outside
    q1, q3 = np.clip([q1, q3], edges[0] - span, edges[1] + span).tolist()
    panel.hlines([y, y], [left, q3], [q1, right], color=look.dark, linewidth=0.8, zorder=3)
    panel.barh(y, q3 - q1, left=q1, height=0.72, facecolor="none", edgecolor=look.dark, linewidth=0.8, zorder=3)
    panel.vlines(median, y - 0.36, y + 0.36, color="black", linewidth=1.2, zorder=4)
    there = ~np.isnan(row.values)
    places = np.full(len(row.values), y, float)
    places[there] += 0.6 * spread_out(row.values[there])
    for marker, chosen in kinds_of(row).items():
        x = np.clip(row.values[chosen], *edges)
        points(panel, x, places[chosen], look=look, crowd=crowd, marker=marker)
