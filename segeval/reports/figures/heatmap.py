"""Draw isolines of the median over two factors, in panels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segeval.analysis.levels import level_number
from segeval.analysis.pivot import METRIC, Levels, Pivot, direction_of, unit_of
from segeval.errors import UsageError, shown
from segeval.reports.figures.style import DPI, WIDTHS, check_installed, file_of, styled
from segeval.reports.notation import Alphabet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet

LEVELS = 8  # largest number of isolines
ABREAST = {"single": 2, "double": 3}  # panels side by side
MOST_TICKS = 8
LABEL_LENGTH = 18.0  # approximate length of the label of an isoline, in points
CHARACTER = 4.2  # approximate width of a character, in points
NO_ISOLINES = "no isolines: they need\nfour neighbouring medians"
DECADES = 2  # range from which an axis is logarithmic


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """The levels of a factor along an axis.

    Parameters
    ----------
    factor
        Name of the factor.
    levels
        Texts of the levels, sorted by value.
    places
        Positions on the axis: values of the levels, or their logarithms.
    """

    factor: str
    levels: tuple[str, ...]
    places: NDArray[np.float64]

    @classmethod
    def of(cls, factor: str, levels: Sequence[str], option: str) -> _Axis:
        """Make an axis for numeric levels.

        Raises
        ------
        UsageError
            A level is not a number, two levels are equal, or there are fewer than two.
        """
        values = {level: level_number(level) for level in levels}
        texts = [level for level, value in values.items() if value is None]
        if texts:
            raise UsageError(
                f"{option} needs a factor with numeric levels, but {shown(factor)} has the level {shown(texts[0])!r}"
            )
        by_value: dict[float, str] = {}
        for level, value in values.items():
            other = by_value.setdefault(value or 0.0, level)
            if other != level:
                raise UsageError(
                    f"{shown(other)!r} and {shown(level)!r} of {shown(factor)} are the same number",
                    hint="write it in the same way for all cases",
                )
        if len(by_value) < 2:
            raise UsageError(
                f"{option} needs a factor with at least two levels, but {shown(factor)} has {len(by_value)}"
            )
        ordered = sorted(by_value)
        places = np.array(ordered)
        if ordered[0] > 0 and math.log10(ordered[-1] / ordered[0]) >= DECADES - 1e-9:
            places = np.log10(places)
        return cls(factor=factor, levels=tuple(by_value[value] for value in ordered), places=places)


def heatmap(pivot: Pivot, *, suffix: str, width: str = "single") -> bytes:
    """Draw the median over two factors: filled contours, labelled isolines, and a point for each pair of levels.

    Parameters
    ----------
    pivot
        The row factor is on the y axis, the last column factor on the x axis; another column factor has a panel for
        each level. An axis is logarithmic if its levels are positive and span two decades or more.
    suffix
        One of `FIGURE_SUFFIXES`.
    width
        One of `style.WIDTHS`.

    Returns
    -------
    bytes
        The file. Isolines are drawn only between four neighbouring cells that all have a median.

    Raises
    ------
    UsageError
        A factor has levels that are not numbers, there are too few values, or matplotlib is not installed.
    """
    check_installed()
    y = _Axis.of(pivot.rows[0], [row[0] for row in pivot.row_levels], "--y")
    x = _Axis.of(pivot.columns[-1], list(dict.fromkeys(column[-1] for column in pivot.column_levels)), "--x")
    facets = list(dict.fromkeys(column[:-1] for column in pivot.column_levels))
    grids = [_grid(pivot, facet, x, y) for facet in facets]
    if not any(_has_square(grid) for grid in grids):
        raise UsageError(
            f"there are no four neighbouring medians over {shown(x.factor)} and {shown(y.factor)}",
            hint="isolines need four neighbouring medians; choose other factors",
        )
    with styled():
        return _drawn(pivot, facets, grids, x, y, suffix=suffix, width=width)


def _grid(pivot: Pivot, facet: Levels, x: _Axis, y: _Axis) -> NDArray[np.float64]:
    """Medians of a panel, axes (y, x); NaN without a finite median."""
    grid = np.full((len(y.levels), len(x.levels)), np.nan)
    for row, upwards in enumerate(y.levels):
        for column, rightwards in enumerate(x.levels):
            cell = pivot.cells.get(((upwards,), (*facet, rightwards)))
            if cell is not None and cell.median is not None and math.isfinite(cell.median):
                grid[row, column] = cell.median
    return grid


def _has_square(grid: NDArray[np.float64]) -> bool:
    there = np.isfinite(grid)
    return bool((there[1:, 1:] & there[1:, :-1] & there[:-1, 1:] & there[:-1, :-1]).any())


def _steps(grids: Sequence[NDArray[np.float64]]) -> tuple[list[float], int]:
    """Round values for isolines between the smallest and the largest median, and their number of decimals."""
    from matplotlib.ticker import MaxNLocator

    values = np.concatenate([grid[np.isfinite(grid)] for grid in grids])
    low, high = float(values.min()), float(values.max())
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-10):  # steps are rounded to 12 decimals
        room = 0.05 * (abs(low) if abs(low) > 1e-8 else 1)
        low, high = low - room, high + room
    ticks: Any = MaxNLocator(nbins=LEVELS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    decimals = next((count for count in range(12) if all(abs(round(t, count) - t) < 1e-12 for t in ticks)), 12)
    return [float(round(tick, decimals)) for tick in ticks], decimals


def _drawn(
    pivot: Pivot,
    facets: Sequence[Levels],
    grids: Sequence[NDArray[np.float64]],
    x: _Axis,
    y: _Axis,
    *,
    suffix: str,
    width: str,
) -> bytes:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    across = min(len(facets), ABREAST[width])
    down = -(-len(facets) // across)
    inches = WIDTHS[width]
    height = min(0.8 * inches / across, 3.2) * down + 0.35
    figure = Figure(figsize=(inches, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(wspace=0.06, hspace=0.04)  # type: ignore[union-attr, call-arg]
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    steps, decimals = _steps(grids)
    light = ListedColormap(colormaps["YlGnBu"](np.linspace(0.04, 0.62, 256)))  # light enough for black text
    isolines: list[tuple[Axes, QuadContourSet, NDArray[np.float64]]] = []
    filled: QuadContourSet | None = None
    for place, (panel, facet, grid) in enumerate(zip(panels, facets, grids, strict=False)):
        masked = np.ma.masked_invalid(grid)
        _axes(panel, x, y, left=place % across == 0, bottom=place + across >= len(facets))
        if facet:
            panel.set_title(f"{Alphabet().text(pivot.columns[0])} {Alphabet().text(facet[0])}", pad=3)
        if _has_square(grid):
            filled = panel.contourf(x.places, y.places, masked, levels=steps, cmap=light, extend="neither")
            lines = panel.contour(x.places, y.places, masked, levels=steps, colors="black", linewidths=0.6)
            isolines.append((panel, lines, grid))
        else:
            panel.text(0.5, 0.5, NO_ISOLINES, transform=panel.transAxes, ha="center", va="center", color="0.35")
        rows, columns = np.nonzero(np.isfinite(grid))
        points = {"marker": "o", "linestyle": "none", "markersize": 2.8, "clip_on": False, "zorder": 5}
        panel.plot(
            x.places[columns], y.places[rows], **points,
            markerfacecolor="white", markeredgecolor="black", markeredgewidth=0.6,
        )  # fmt: skip
    for panel in panels[len(facets) :]:
        panel.set_visible(False)
    if filled is not None:
        bar = figure.colorbar(filled, ax=panels, pad=0.02, aspect=25, format=f"%.{decimals}f")
        bar.set_label(textwrap.fill(_quantity(pivot), max(16, int(72 * height / CHARACTER))))
        bar.outline.set_linewidth(0.6)
    figure.draw_without_rendering()  # labels follow their lines, so the panels must have their final size
    figure.set_layout_engine("none")
    for panel, lines, grid in isolines:
        places = _label_places(panel, lines, x, y, grid)
        if places:
            lines.clabel(fontsize=6, fmt=f"%.{decimals}f", inline_spacing=2, manual=places)
    return file_of(figure, suffix)


def _label_places(
    panel: Axes, lines: QuadContourSet, x: _Axis, y: _Axis, grid: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Positions of the isoline labels: the points farthest from points, edges and other labels."""
    size = np.array([panel.bbox.width, panel.bbox.height]) * 72 / DPI  # points
    low = np.array([x.places[0], y.places[0]])
    scale = size / (np.array([x.places[-1], y.places[-1]]) - low)
    rows, columns = np.nonzero(np.isfinite(grid))
    taken = [*((np.column_stack([x.places[columns], y.places[rows]]) - low) * scale)]
    places: list[tuple[float, float]] = []
    for path in lines.get_paths():
        for piece in path.to_polygons(closed_only=False):
            ends = (np.asarray(piece) - low) * scale
            lengths = np.hypot(*np.diff(ends, axis=0).T)
            if lengths.sum() < LABEL_LENGTH:
                continue
            # midpoints of pieces of about a point in length, away from bends
            shares = [(np.arange(count) + 0.5) / count for count in np.maximum(lengths // 2, 1).astype(int)]
            along = np.concatenate(
                [a + (b - a) * share[:, None] for a, b, share in zip(ends, ends[1:], shares, strict=False)]
            )
            to_edge = np.minimum(along, size - along).min(axis=1)
            to_bend = np.concatenate(
                [np.minimum(share, 1 - share) * length for share, length in zip(shares, lengths, strict=True)]
            )
            to_taken = np.hypot(*(along[:, None] - np.array(taken)).transpose(2, 0, 1)).min(axis=1)
            clear = np.minimum(np.minimum(to_edge, to_taken), to_bend + LABEL_LENGTH / 2)
            best = int(np.argmax(np.round(clear, 6)))
            if clear[best] < LABEL_LENGTH / 3:
                continue
            taken.append(along[best])
            right, up = (along[best] / scale + low).tolist()
            places.append((right, up))
    return places


def _axes(panel: Axes, x: _Axis, y: _Axis, *, left: bool, bottom: bool) -> None:
    step_x, step_y = (-(-len(axis.levels) // MOST_TICKS) for axis in (x, y))
    panel.set_xticks(x.places[::step_x], [Alphabet().text(level) for level in x.levels[::step_x]])
    panel.set_yticks(y.places[::step_y], [Alphabet().text(level) for level in y.levels[::step_y]])
    panel.set_xlim(x.places[0], x.places[-1])
    panel.set_ylim(y.places[0], y.places[-1])
    panel.tick_params(labelleft=left, labelbottom=bottom)
    if bottom:
        panel.set_xlabel(Alphabet().text(x.factor))
    if left:
        panel.set_ylabel(Alphabet().text(y.factor))


def _quantity(pivot: Pivot) -> str:
    """Title of the colour bar: ``"median dice of liver (higher is better)"``."""
    metric = pivot.metrics[0] if METRIC not in pivot.factors else "score"
    label = f" of {pivot.labels[0]}" if len(pivot.labels) == 1 else ""
    unit = unit_of(metric, pivot.cells.values())
    better = direction_of(metric)
    text = f"median {metric}{label}" + (f", {unit}" if unit else "")
    return Alphabet().text(text if better == "neither" else f"{text} ({better} is better)")
