"""Common parts of figures of scores: looks, names, axis titles, and the notes below a figure.

Colours are safe for colour-blind readers (Okabe & Ito 2008, and two of Tol's), and each has its own marker and line
style. Missed labels and false alarms are crosses, infinite values are triangles at the edge. Values that are not drawn
are counted below the figure. More than `MOST_POINTS` points are drawn as pixels inside an SVG or a PDF.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.analysis.series import Series, Sizes
from segeval.errors import UsageError
from segeval.maps.labels import Key
from segeval.metrics import Quantity, parse
from segeval.reports.figures.style import DPI, WIDTHS
from segeval.reports.notation import Alphabet, Heading
from segeval.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 1000  # more points are drawn as pixels, for smaller files
FEW_POINTS = 100  # up to this number points are larger
MOST_RUNS = 8
NAME_LENGTH = {"single": 22, "double": 40}  # characters
LEGEND_LENGTH = {"single": 60, "double": 130}  # characters in a line of the legend
SMALL = 6.5  # points; on a phone a point has about 1.4 pixels
LINE_HEIGHT, MARGIN = 0.125, 0.07  # height and margin of a small line, in inches
MISSED, FALSE_ALARM, INFINITE = "x", "+", ">"
IN_WORDS = {MISSED: "×", FALSE_ALARM: "+", INFINITE: "▷"}  # noqa: RUF001  (the sign of multiplication)

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Kind = TypeVar("Kind", Series, Sizes)


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, marker and line style of a label or a run.

    Parameters
    ----------
    color, marker, line
        Values for matplotlib.
    """

    color: str
    marker: str
    line: Any

    @property
    def dark(self) -> str:
        """A darker colour, for lines over points."""
        return "#" + "".join(f"{int(self.color[at : at + 2], 16) * 5 // 9:02X}" for at in (1, 3, 5))


LOOKS = (
    Look("#0072B2", "o", "-"),
    Look("#D55E00", "s", (0, (4, 1.5))),
    Look("#009E73", "^", (0, (1, 1))),
    Look("#CC79A7", "D", (0, (5, 1, 1, 1))),
    Look("#E69F00", "v", (0, (8, 2))),
    Look("#56B4E9", "P", (0, (3, 1, 1, 1, 1, 1))),
    Look("#882255", "X", (0, (2, 1))),
    Look("#332288", "<", (0, (6, 1, 2, 1))),
)
STEPS = [1, 2, 2.5, 5, 10]  # distances between ticks
GREY, GRID = "#AAAAAA", "#CCCCCC"


def by_label(rows: Iterable[Kind]) -> list[list[Kind]]:
    """Group entries by label.

    Raises
    ------
    UsageError
        There are more than `MOST_RUNS` runs.
    """
    found: dict[Key, list[Kind]] = {}
    for row in rows:
        found.setdefault(row.label, []).append(row)
    labels = list(found.values())
    if labels and len(labels[0]) > MOST_RUNS:
        raise UsageError(
            f"too many results for one figure: at most {MOST_RUNS}, found {len(labels[0])}", hint="draw several figures"
        )
    return labels


def check_values(rows: Iterable[Series], metric: str) -> None:
    """Check that there is something to draw.

    Raises
    ------
    UsageError
        No case has a value.
    """
    if not any(len(row.ordered) for row in rows):
        raise UsageError(f"there is nothing to draw: no case has a value of {metric}")


def names_of_labels(rows: Iterable[Series | Sizes], length: int) -> dict[Key, str]:
    """Short names of the labels, with the number if two names would be equal."""
    names = {row.label: shortened(row.name, length) for row in rows}
    often = Counter(names.values())
    return {
        label: name if often[name] == 1 else f"{name} ({shortened(str(label), length)})"
        for label, name in names.items()
    }


def names_of_runs(rows: Iterable[Series | Sizes], length: int) -> dict[str, str]:
    """Short names of the runs, numbered if two names would be equal."""
    names = {row.run: shortened(row.run, length) for row in rows}
    often = Counter(names.values())
    return {
        run: name if often[name] == 1 else f"{shortened(run, length - 4)} ({place})"
        for place, (run, name) in enumerate(names.items(), 1)
    }


def shortened(text: str, length: int) -> str:
    """Put a text on one line, and cut its middle if it is too long."""
    text = Alphabet().text(text)
    if len(text) <= length:
        return text
    tail = length // 3
    return f"{text[: length - tail - 1]}…{text[-tail:]}"


def title_of(row: Series) -> str:
    """Title of an axis of scores: ``"hd@95 ↓, mm"``."""
    heading = Heading(token=row.metric, arrow=Alphabet().arrow(row.better), unit=row.unit or "")
    return Alphabet().text(f"{heading.title}, {heading.unit}" if heading.unit else heading.title)


def not_drawn(rows: Sequence[Series | Sizes], called: Mapping[str, str]) -> list[str]:
    """Note about values that are not drawn: undefined scores, absent labels, cases that were not scored."""
    undefined = sum(row.undefined for row in rows if isinstance(row, Series))
    absent = sum(row.absent for row in rows)
    lost = [f"{undefined} undefined"] if undefined else []
    lost += [f"{absent} absent (in neither map)"] if absent else []
    for run, unscored in {row.run: row.unscored for row in rows}.items():
        counts = ", ".join(f"{counted(count, 'case')} {status}" for status, count in sorted(unscored.items()))
        if counts:
            lost.append(counts if len(called) == 1 else f"{called[run]}: {counts}")
    return [f"not drawn: {'; '.join(lost)}"] if lost else []


def marked(rows: Sequence[Series], edges: tuple[float, float]) -> list[str]:
    """Note that explains crosses and triangles, and how many of them are outside the axis."""
    found = []
    for marker in IN_WORDS:
        values = np.concatenate([row.values[kinds_of(row)[marker]] for row in rows])
        beyond = int(((values < edges[0]) | (values > edges[1])).sum())
        where = "" if not beyond else ", at the edge" if beyond == len(values) else f", {beyond} of them at the edge"
        found += [f"{explained(marker, len(values))}{where}"] if len(values) else []
    return ["; ".join(found)] if found else []


def explained(marker: str, count: int) -> str:
    """Explain a marker, with the number of its values."""
    texts = {
        MISSED: f"{count} missed (only in the reference)",
        FALSE_ALARM: f"{counted(count, 'false alarm')} (only in the prediction)",
        INFINITE: f"{count} infinite",
    }
    return f"{IN_WORDS[marker]} {texts[marker]}"


def kinds_of(row: Series) -> dict[str, Mask]:
    """Cases by marker; the empty marker is for measured values."""
    there, infinite = ~np.isnan(row.values), np.isinf(row.values)
    return {
        "": there & ~infinite & ~row.missed & ~row.false_alarm,
        MISSED: row.missed & ~infinite,
        FALSE_ALARM: row.false_alarm & ~infinite,
        INFINITE: infinite,
    }


def score_edges(rows: Sequence[Series], *, distance: bool = False) -> tuple[float, float]:
    """Limits of an axis of scores, or of their absolute values if `distance`.

    The axis of a length is not stretched for penalties of labels that only one map has.
    """
    chosen = [row.values[np.isfinite(row.values)] for row in rows]
    if parse(rows[0].metric).card.quantity is Quantity.LENGTH:
        measured = [row.values[kinds_of(row)[""]] for row in rows]
        chosen = measured if any(map(len, measured)) else chosen
    values = np.concatenate(chosen)
    return limits(np.abs(values), low=0.0) if distance else limits(values)


def points(panel: Axes, x: Values, y: Values, *, look: Look, crowd: int, marker: str = "") -> None:
    """Draw points, with a marker or that of the look; as pixels if `crowd`, the number in the figure, is large."""
    if not len(x):
        return
    cross = marker in (MISSED, FALSE_ALARM)
    many = crowd > MOST_POINTS
    panel.plot(
        x,
        y,
        linestyle="none",
        marker=marker or look.marker,
        markersize=3 if cross else 1.8 if many else 2.4 if crowd > FEW_POINTS else 3,
        color=look.color,
        alpha=1 if cross else max(0.06, 0.3 * min(1, 10 * MOST_POINTS / crowd) ** 0.5) if many else 0.6,
        markeredgewidth=0.7 if cross else 0,
        rasterized=many and (not cross or crowd > 10 * MOST_POINTS),
        clip_on=False,
        zorder=2.5 if cross else 2,
    )


def plain_ticks(axis: Any, most: int) -> None:
    """Set about `most` ticks at most, also on a logarithmic axis, with plain numbers.

    Parameters
    ----------
    axis
        An axis whose limits are set.
    most
        Approximate number of ticks that fit.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if axis.get_scale() != "log":
        axis.set_major_locator(MaxNLocator(nbins=most, steps=STEPS))
        return
    low, high = axis.get_view_interval()
    linear = MaxNLocator(nbins=most, steps=STEPS)
    for locator in (LogLocator(numticks=most), LogLocator(subs=(1, 2, 5)), LogLocator(subs=(1, 2, 3, 5, 7)), linear):
        ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
        if len(ticks) > 2:
            break
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def blank(width: str, height: float, lines: Sequence[str]) -> Figure:
    """Make an empty figure with this height in inches, and the lines below it in small letters."""
    from matplotlib.figure import Figure

    inches = WIDTHS[width]
    wrapped = [part for line in lines for part in _wrapped(line, inches - 2 * MARGIN)]
    below = len(wrapped) * LINE_HEIGHT + (0.05 if wrapped else 0)
    figure = Figure(figsize=(inches, height + below), dpi=DPI, layout="constrained")
    engine: Any = figure.get_layout_engine()
    share = below / (height + below)
    engine.set(rect=(0, share, 1, 1 - share), wspace=0.06, hspace=0.05)
    for place, line in enumerate(reversed(wrapped)):
        bottom = (place * LINE_HEIGHT + 0.03) / (height + below)
        figure.text(MARGIN / inches, bottom, line, fontsize=SMALL, va="bottom", ha="left")
    return figure


def panels_of(figure: Figure, count: int, columns: int, *, shared: bool = True) -> list[Axes]:
    """Make `count` panels in rows of `columns`, with shared or own axes; the rest of the last row is empty."""
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, sharex=shared, sharey=shared)
    panels: list[Axes] = axes.ravel().tolist()
    for panel in panels[count:]:
        panel.set_visible(False)
    return panels[:count]


def _wrapped(line: str, inches: float) -> list[str]:
    """Wrap a small line to a width in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font, ruler = FontProperties(size=SMALL), TextToPath()
    parts = [""]
    for word in line.split():
        longer = f"{parts[-1]} {word}".strip()
        if parts[-1] and ruler.get_text_width_height_descent(longer, font, ismath=False)[0] > inches * 72:
            parts.append(word)
        else:
            parts[-1] = longer
    return parts


def legend(figure: Figure, entries: Sequence[tuple[str, Look]], *, width: str, points: bool, lines: bool) -> None:
    """Draw the legend above the panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=look.color, linestyle=look.line if lines else "none",
            marker=look.marker if points else "", markersize=3, linewidth=1, label=name,
        )
        for name, look in entries
    ]  # fmt: skip
    columns = legend_columns([name for name, _ in entries], width)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=2.6 if lines else 1,
        columnspacing=1.2,
        borderaxespad=0.1,
        borderpad=0.1,
    )


def legend_columns(names: Sequence[str], width: str) -> int:
    """Number of legend entries side by side."""
    return max(1, min(len(names), LEGEND_LENGTH[width] // (max(map(len, names), default=0) + 8)))


def legend_height(names: Sequence[str], width: str) -> float:
    """Height of the legend in inches."""
    return -(-len(names) // legend_columns(names, width)) * 0.14


def limits(values: Values, *, low: float = -np.inf) -> tuple[float, float]:
    """Limits of an axis for finite values, with some margin, but not below `low`."""
    least, most = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = 0.04 * (most - least) or 0.05 * (abs(most) or 1)
    return max(least - room, low), most + room


def spread_out(values: Values) -> Values:
    """Offsets from -1/2 to 1/2 that separate neighbouring values: van der Corput sequence by rank."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable") + 1
    found, step = np.zeros(len(values)), 0.5
    while ranks.any():
        found += (ranks & 1) * step
        ranks, step = ranks >> 1, step / 2
    return found - 0.5


def across(panels: int, width: str) -> int:
    """Number of panels side by side."""
    return min(panels, {"single": 2, "double": 3}[width])


def worst_of(groups: Sequence[list[Series]], most: int) -> list[list[Series]]:
    """Select the `most` labels with the worst medians, in the original order."""
    worst = sorted(range(len(groups)), key=lambda place: (-max(row.badness for row in groups[place]), place))
    return [groups[place] for place in sorted(worst[:most])]
