"""How many cases are at least so good: cumulative curves of a metric, by label or by run."""

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

MOST_STEPS = 250  # of a curve
MOST_PANELS = 6
OTHERS = Look(GREY, "", "-")


def cumulative(
    runs: Mapping[str, Results], *, metric: str, labels: Sequence[str] = (), suffix: str, width: str = "single"
) -> bytes:
    """Draw the share of cases that are at least so good, by the metric's own direction.

    One run has a curve for each label; beyond eight labels those with the worst medians are named and the others grey.
    Several runs have a panel for each label and a curve each; beyond six labels those with the worst medians are drawn.

    Parameters
    ----------
    runs, metric, labels, suffix, width
        See `box`.

    Returns
    -------
    bytes
        The file. A share is of the cases that have a value; an infinite one is in it, and never reached.

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
    """What is grey, what is left out, and what a curve does not reach."""
    several = len({row.run for row in rows}) > 1
    lines = []
    if shown < labels:
        grey = f"{shown} labels with the worst medians; grey: the other {labels - shown}"
        lines.append(f"{shown} of {labels} labels: those with the worst medians" if several else grey)
    infinite = sum(int(np.isinf(row.values).sum()) for row in rows)
    values = np.concatenate([_measured(row) for row in rows])
    beyond = int((values > edges[1]).sum()) - infinite
    lines += [f"beyond the edge: {beyond} with a penalty, where one map is empty"] if beyond > 0 else []
    lines += [f"never reached: {infinite} infinite"] if infinite else []
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
    """The values that there are, or how far they are from 0 where neither way is better."""
    return np.sort(np.abs(row.ordered)) if row.better is Direction.NEITHER else row.ordered


def curve(ordered: Values, *, higher: bool, edges: tuple[float, float]) -> tuple[Values, Values]:
    """The corners of the steps of the share of values that are at least so good.

    Parameters
    ----------
    ordered
        From the least to the greatest; the steps at `MOST_STEPS` of them at most, evenly by rank, are kept,
        and between those the curve is straight.
    higher
        Whether the share is of the values that are as high, not as low.
    edges
        Where the curve begins and ends.

    Returns
    -------
    tuple
        The values and the shares, as many.

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
