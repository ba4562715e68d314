"""Draw a metric against the size of the object in the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from segeval.analysis.series import Series, Sizes, series_of, sizes_of
from segeval.errors import UsageError
from segeval.maps.labels import Key
from segeval.reports.figures.parts import (
    LEGEND_LENGTH,
    LOOKS,
    NAME_LENGTH,
    Look,
    Values,
    across,
    blank,
    by_label,
    kinds_of,
    legend,
    legend_height,
    limits,
    marked,
    names_of_labels,
    names_of_runs,
    not_drawn,
    panels_of,
    plain_ticks,
    points,
    score_edges,
    title_of,
)
from segeval.reports.figures.style import check_installed, file_of, styled
from segeval.results.results import Results
from segeval.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_FOR_MEDIAN = 30  # smallest number of points for a running median
FEWEST = 15  # smallest number of points in the window of a running median
NARROW = 0.2  # smallest range of the axis of sizes, in decades
STEPS = 100  # largest number of steps of a running median

Pair = tuple[Series, Sizes]


def volume(
    runs: Mapping[str, Results], *, metric: str, labels: Sequence[str] = (), suffix: str, width: str = "single"
) -> bytes:
    """Draw a metric against the size of the label in the reference, on a logarithmic axis, with a panel for each run.

    Lines are running medians over a tenth of the cases. If there are more labels than looks, all look the same and have
    a common median. Points with an empty reference are at the left edge.

    Parameters
    ----------
    runs, metric, labels, suffix, width
        See `box`.

    Returns
    -------
    bytes
        The file; see `box`.

    Raises
    ------
    UsageError
        See `box`; or no value has a size, for example because the metric is over all labels.
    """
    check_installed()
    rows = series_of(runs, metric=metric, labels=labels)
    sizes = {(each.run, each.label): each for each in sizes_of(runs)}
    pairs = [(row, sizes[row.run, row.label]) for row in rows if (row.run, row.label) in sizes]
    if not any((~np.isnan(row.values) & (size.reference > 0)).any() for row, size in pairs):
        raise UsageError(f"there is nothing to draw: no case has a value of {metric} for a label with a size")
    scene = _Scene.of(pairs, width, lacking=len(by_label(rows)) - len(by_label([row for row, _ in pairs])))
    columns = across(len(scene.called), width)
    down = -(-len(scene.called) // columns)
    with styled():
        above = legend_height([name for name, _ in scene.entries], width) if scene.entries else 0
        figure = blank(width, down * (2.2 if columns == 1 else 1.9) + 0.2 + above, scene.lines)
        panels = panels_of(figure, len(scene.called), columns)
        for place, (panel, run) in enumerate(zip(panels, scene.called, strict=True)):
            scene.draw(panel, run, left=place % columns == 0, bottom=place + columns >= len(scene.called))
        if scene.entries:
            legend(figure, scene.entries, width=width, points=True, lines=scene.has_median)
        return file_of(figure, suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Data of all panels.

    Parameters
    ----------
    pairs
        Scores and sizes of each label and run.
    called
        Short names of the runs.
    looks
        Looks of the labels.
    entries
        Entries of the legend.
    medians
        Running medians of each run.
    edges, size_edges
        Limits of the axes.
    titles
        Titles of the axes: sizes, scores.
    lines
        Notes below the figure.
    crowd
        Number of points.
    """

    pairs: Sequence[Pair]
    called: Mapping[str, str]
    looks: Mapping[Key, Look]
    entries: Sequence[tuple[str, Look]]
    medians: Mapping[str, Sequence[tuple[Values, Values, Look]]]
    edges: tuple[float, float]
    size_edges: tuple[float, float]
    titles: tuple[str, str]
    lines: Sequence[str]
    crowd: int

    @classmethod
    def of(cls, pairs: Sequence[Pair], width: str, *, lacking: int) -> _Scene:
        """Prepare scores with sizes; `lacking` is the number of labels without a size."""
        rows = [row for row, _ in pairs]
        called = names_of_runs(rows, NAME_LENGTH[width])
        alone = len(by_label(rows)) == 1
        named = alone and len(called) == 1  # on the axis if there is a single panel, else in the legend
        names = names_of_labels(rows, LEGEND_LENGTH[width] - 8 if alone and not named else NAME_LENGTH[width])
        together = len(names) > len(LOOKS)
        looks = dict(zip(names, repeat(LOOKS[0]) if together else LOOKS, strict=False))
        medians = {
            run: list(_medians([pair for pair in pairs if pair[0].run == run], looks, together=together))
            for run in called
        }
        edges = score_edges(rows)
        empty = sum(int((~np.isnan(row.values) & (size.reference == 0)).sum()) for row, size in pairs)
        remarks = [f"{len(names)} labels in one colour"] if together else []
        remarks += ["lines: running medians over a tenth of the cases"] if any(medians.values()) else []
        remarks += [f"at the left edge: {empty} with an empty reference"] if empty else []
        remarks += [f"not drawn: {counted(lacking, 'label')} without a size"] if lacking else []
        return cls(
            pairs=pairs,
            called=called,
            looks=looks,
            entries=[] if together or named else [(names[label], look) for label, look in looks.items()],
            medians=medians,
            edges=edges,
            size_edges=_size_edges(pairs),
            titles=(_size_title(pairs[0][1].unit, next(iter(names.values())) if named else ""), title_of(rows[0])),
            lines=[*marked(rows, edges), *(["; ".join(remarks)] if remarks else []), *not_drawn(rows, called)],
            crowd=sum(len(row.ordered) for row in rows),
        )

    @property
    def has_median(self) -> bool:
        """Whether any running median is drawn."""
        return any(self.medians.values())

    def draw(self, panel: Axes, run: str, *, left: bool, bottom: bool) -> None:
        """Draw the panel of a run."""
        panel.set_xscale("log")
        panel.set_xlim(*self.size_edges)
        panel.set_ylim(*self.edges)
        for row, size in self.pairs:
            if row.run == run:
                self._points(panel, row, size)
        for x, y, look in self.medians[run]:
            panel.plot(x, np.clip(y, *self.edges), color="white", linewidth=2.6, alpha=0.7, zorder=3)
            panel.plot(x, np.clip(y, *self.edges), color=look.dark, linewidth=1.2, linestyle=look.line, zorder=4)
        panel.spines[["top", "right"]].set_visible(False)
        plain_ticks(panel.xaxis, 4 if len(self.called) > 1 else 7)
        if len(self.called) > 1:
            panel.set_title(self.called[run], pad=3)
        if left:
            panel.set_ylabel(self.titles[1])
        if bottom:
            panel.set_xlabel(self.titles[0])
            panel.tick_params(labelbottom=True)

    def _points(self, panel: Axes, row: Series, size: Sizes) -> None:
        for marker, chosen in kinds_of(row).items():
            there = chosen & ~np.isnan(size.reference)
            points(
                panel,
                np.clip(size.reference[there], *self.size_edges),
                np.clip(row.values[there], *self.edges),
                look=self.looks[row.label],
                crowd=self.crowd,
                marker=marker,
            )


def _size_title(unit: str, name: str) -> str:
    of = f" of {name}" if name else ""
    return f"reference {'area' if unit in ('mm²', 'px') else 'volume'}{of}, {unit}"


def _size_edges(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Limits of the axis of sizes."""
    sizes = np.concatenate([size.reference[~np.isnan(row.values) & (size.reference > 0)] for row, size in pairs])
    low, high = limits(np.log10(sizes))
    if high - low < NARROW:
        low, high = low - NARROW / 2, high + NARROW / 2
    return 10**low, 10**high


def _medians(
    pairs: Sequence[Pair], looks: Mapping[Key, Look], *, together: bool
) -> Iterator[tuple[Values, Values, Look]]:
    """Running medians of a run, of all labels together or of each label with enough cases."""
    for group in [pairs] if together else [[pair] for pair in pairs]:
        x = np.concatenate([size.reference for _, size in group])
        y = np.concatenate([row.values for row, _ in group])
        used = ~np.isnan(y) & (x > 0)
        if used.sum() >= LEAST_FOR_MEDIAN:
            yield *running_median(x[used], y[used]), looks[group[0][0].label]


def running_median(x: Values, y: Values) -> tuple[Values, Values]:
    """Running medians of x and y, over a tenth of the points sorted by x, but at least `FEWEST`.

    Examples
    --------
    >>> at, middle = running_median(np.arange(1.0, 18.0), np.arange(17.0) ** 2)
    >>> at.tolist(), middle.tolist()
    ([8.0, 9.0, 10.0], [49.0, 64.0, 81.0])
    """
    order = np.argsort(x, kind="stable")
    over = max(FEWEST, len(x) // 10) | 1
    starts = np.unique(np.linspace(0, len(x) - over, min(STEPS, len(x) - over + 1)).astype(int))
    windows = starts[:, None] + np.arange(over)
    return np.median(x[order][windows], axis=1), np.median(y[order][windows], axis=1)
