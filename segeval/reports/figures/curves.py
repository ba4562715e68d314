"""Draw cumulative curves of a metric, by label or by run: the share of cases that are at least as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segeval.analysis.series import Series, series_of
from segeval.metrics import Direction
from segeval.reports.figures.parts import (
    GREY,
    LOOKS,
    NAME_LENGTH,
    Look,
    Values,
    across,
    blank,
    by_label,
    check_values,
    legend,
    legend_height,
    names_of_labels,
    names_of_runs,
    not_drawn,
    panels_of,
    score_edges,
    title_of,
    worst_of,
)
from segeval.reports.figures.style import check_installed, file_of, styled
from segeval.results.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STEPS = 250  # largest number of steps of a curve
MOST_PANELS = 6
OTHERS = Look(GREY, "", "-")


def cumulative(
    runs: Mapping[str, Results], *, metric: str, labels: Sequence[str] = (), suffix: str, width: str = "single"
) -> bytes:
    """Draw the share of cases that are at least as good, in the direction of the metric.

    A single run has a curve for each label; of more than eight labels, those with the worst medians are named, and the
    others are grey. Several runs have a panel for each label with a curve for each run; of more than six labels, those
    with the worst medians are drawn.

    Parameters
    ----------
    runs, metric, labels, suffix, width
        See `box`.

    Returns
    -------
    bytes
        The file. Shares are of the cases with a value; an infinite value counts, but its step is never reached.

    Raises
    ------
    UsageError
        See `box`.
    """
    check_installed()
    rows = series_of(runs, metric=metric, labels=labels)
    check_values(rows, metric)
    groups = by_label(rows)
    shown = worst_of(groups, len(LOOKS) if len(runs) == 1 else MOST_PANELS)
    drawn = [row for group in (groups if len(runs) == 1 else shown) for row in group]
    names, called = names_of_labels(rows, NAME_LENGTH[width]), names_of_runs(rows, NAME_LENGTH[width])
    edges = score_edges(drawn, distance=rows[0].better is Direction.NEITHER)
    if len(runs) == 1:
        chosen = [group[0] for group in shown]
        others = [(group[0], OTHERS) for group in groups if group not in shown]
        curves_of = [[*others, *zip(chosen, LOOKS, strict=False)]]
        entries = [(names[row.label], look) for row, look in zip(chosen, LOOKS, strict=False)]
    else:
        curves_of = [list(zip(group, LOOKS, strict=False)) for group in shown]
        entries = list(zip(called.values(), LOOKS, strict=False))
    alone = len(entries) == 1
    columns = across(len(curves_of), width)
    down = -(-len(curves_of) // columns)
    lines = [*_lines(drawn, len(shown), len(groups), edges), *not_drawn(drawn, called)]
    with styled():
        above = 0 if alone else legend_height([name for name, _ in entries], width)
        figure = blank(width, down * (2.3 if columns == 1 else 1.6) + 0.2 + above, lines)
        panels = panels_of(figure, len(curves_of), columns)
        for place, (panel, curves) in enumerate(zip(panels, curves_of, strict=True)):
            _panel(panel, curves, edges, left=place % columns == 0, bottom=place + columns >= len(curves_of))
            if len(runs) > 1 or alone:
                panel.set_title(names[curves[0][0].label], pad=3)
        if not alone:
            legend(figure, entries, width=width, points=False, lines=True)
        return file_of(figure, suffix)


def _lines(rows: Sequence[Series], shown: int, labels: int, edges: tuple[float, float]) -> list[str]:
    """Explain grey curves, labels that are left out, and values outside the axis."""
    several = len({row.run for row in rows}) > 1
    lines = []
    if shown < labels:
        grey = f"{shown} labels with the worst medians; grey: the other {labels - shown}"
        lines.append(f"{shown} of {labels} labels, with the worst medians" if several else grey)
    infinite = sum(int(np.isinf(row.values).sum()) for row in rows)
    values = np.concatenate([_measured(row) for row in rows])
    beyond = int((values > edges[1]).sum()) - infinite
    lines += [f"outside the axis: {beyond} with a penalty (missed or false alarm)"] if beyond > 0 else []
    lines += [f"not reached: {infinite} infinite"] if infinite else []
    return ["; ".join(lines)] if lines else []


def _panel(
    panel: Axes, curves: Sequence[tuple[Series, Look]], edges: tuple[float, float], *, left: bool, bottom: bool
) -> None:
    better = curves[0][0].better
    for row, look in curves:
        x, share = curve(_measured(row), higher=better is Direction.HIGHER, edges=edges)
        thin = look is OTHERS
        panel.plot(
            x, share, color=look.color, linestyle=look.line, linewidth=0.4 if thin else 1.1, zorder=2 if thin else 3
        )
    panel.set_xlim(*edges)
    panel.set_ylim(-0.02, 1.02)
    panel.spines[["top", "right"]].set_visible(False)
    if left:
        panel.set_ylabel(
            {Direction.HIGHER: "share of cases ≥ x", Direction.LOWER: "share of cases ≤ x"}.get(
                better, "share of cases with |value| ≤ x"
            )
        )
    if bottom:
        panel.set_xlabel(title_of(curves[0][0]))
        panel.tick_params(labelbottom=True)


def _measured(row: Series) -> Values:
    """Sorted values; absolute values if neither direction is better."""
    return np.sort(np.abs(row.ordered)) if row.better is Direction.NEITHER else row.ordered


def curve(ordered: Values, *, higher: bool, edges: tuple[float, float]) -> tuple[Values, Values]:
    """Compute the corners of a cumulative curve.

    Parameters
    ----------
    ordered
        Values in increasing order. Of more than `MOST_STEPS` steps, evenly spaced ones are kept, with straight lines
        between them.
    higher
        Whether the share is of values that are at least x, instead of at most x.
    edges
        Start and end of the curve.

    Returns
    -------
    tuple
        Values and shares of the corners.

    Examples
    --------
    >>> x, share = curve(np.array([1.0, 2.0]), higher=False, edges=(0.0, 3.0))
    >>> x.tolist(), share.tolist()
    ([0.0, 1.0, 1.0, 2.0, 2.0, 3.0], [0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    """
    n = len(ordered)
    if not n:
        return np.zeros(0), np.zeros(0)
    at = np.unique(ordered[(ordered >= edges[0]) & (ordered <= edges[1])])
    if len(at) > MOST_STEPS:
        at = at[np.linspace(0, len(at) - 1, MOST_STEPS).astype(int)]
    under = np.searchsorted(ordered, [edges[0], *at], "left") / n
    upto = np.searchsorted(ordered, at, "right") / n
    before, after = (1 - under, 1 - upto) if higher else (under, upto)
    first, before = before[:1], before[1:]
    x = np.concatenate([[edges[0]], np.repeat(at, 2), [edges[1]]])
    return x, np.concatenate([first, np.column_stack([before, after]).ravel(), after[-1:] if len(at) else first])
