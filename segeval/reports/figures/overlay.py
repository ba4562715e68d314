"""Slices side by side: what is right, false and missed, over the image if there is one.

Voxels are drawn as they are, without smoothing, as high and wide as they are in space, and all slices at one scale.
Fills are pixels, outlines run along the edges of voxels. What is false is told by its outline too: dashed where the
prediction has too much, dotted and hatched where it misses something.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segeval.reports.figures.style import DPI, WIDTHS, file_of, styled
from segeval.reports.notation import Alphabet
from segeval.writing.error_maps import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from segeval.diagnostics.slices import Mask, Slice

IGNORED = (128, 128, 128)
MOST_VOXELS = 2160  # along a side: a page is not wider than that at 300 dpi
WIDE = 3.0  # points that a voxel measures from which lines have their full width
FAINT, STRONG = 0.35, 0.65  # opacity over the image: of what is right or ignored, and of what is false
GREYS = 32  # so many shades of an image are told apart: the file stays small
GAP, SIDE = 0.24, 0.16  # inches between slices, and beside them
LINE = 0.17  # inches that a line of text takes
TALLEST, TALLEST_ALONE = 2.6, 4.5  # inches that a slice may be high, one of several beside each other or not
ABREAST = {"single": 1, "double": 2}  # entries of a legend
BAR_SHARE = 0.3  # of the widest slice, at most, for the scale bar

_TRUE, _FALSE, _MISSED = COLORS
_DASHED, _DOTTED, _HATCH = (0, (3, 1.5)), (0, (1, 1.2)), "//////"
_COMMAND = re.compile(r"([MLz])(?:\s*(-?[\d.]+)\s+(-?[\d.]+))?")
_PATH_DATA = re.compile(r' d="([MLz\d\s.-]+)"')


def overlay(
    rows: Mapping[str, Sequence[Slice]], *, suffix: str, width: str = "double", title: str = "", legend: bool = True
) -> bytes:
    """Draw slices of a case.

    Parameters
    ----------
    rows
        What a row is called, such as the name of a method -> its slices, from left to right. An empty name is left out.
        Of a slice with more voxels along a side than print can show, every second is drawn, or every third and so on.
    suffix
        One of `FIGURE_SUFFIXES`.
    width
        One of `style.WIDTHS`.
    title
        What stands above all, such as the case and the label.
    legend
        Whether it says what each look stands for; see `overlay_legend`.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    UsageError
        matplotlib is not installed.
    """
    rows = {name: [_drawable(each) for each in slices] for name, slices in rows.items()}
    with styled():
        import matplotlib as mpl

        mpl.rcParams["hatch.linewidth"] = 0.5
        drawn = file_of(_figure(rows, width=width, title=title, legend=legend)[0], suffix)
    return _smaller(drawn) if suffix == ".svg" else drawn


def overlay_legend(*, ignoring: bool, suffix: str, width: str = "double") -> bytes:
    """Draw what each look of an overlay stands for, where several have one legend.

    Parameters
    ----------
    ignoring
        Whether some voxels are ignored.
    suffix, width
        See `overlay`.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    UsageError
        matplotlib is not installed.
    """
    with styled():
        import matplotlib as mpl
        from matplotlib.figure import Figure

        mpl.rcParams["hatch.linewidth"] = 0.5
        inches, entries = WIDTHS[width], _legend(ignoring=ignoring)
        total = LINE * _lines(entries, width)
        figure = Figure(figsize=(inches, total), dpi=DPI)
        _draw_legend(figure, entries, top=total, total=total, inches=inches, abreast=ABREAST[width])
        return file_of(figure, suffix)


def _drawable(each: Slice) -> Slice:
    """The slice, coarser if it has too many voxels along a side."""
    step = -(-max(each.prediction.shape) // MOST_VOXELS)
    if step == 1:
        return each

    def every(values: NDArray[Any]) -> NDArray[Any]:
        return values[::step, ::step]

    return replace(
        each,
        prediction=every(each.prediction),
        reference=every(each.reference),
        ignored=None if each.ignored is None else every(each.ignored),
        image=None if each.image is None else every(each.image),
        spacing=(each.spacing[0] * step, each.spacing[1] * step),
    )


def _figure(
    rows: Mapping[str, Sequence[Slice]], *, width: str, title: str, legend: bool = True
) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """The figure, and where each slice of each row is drawn: a pixel's edges are whole numbers there."""
    from matplotlib.figure import Figure

    inches = WIDTHS[width]
    sizes = {name: [_size(each) for each in slices] for name, slices in rows.items()}
    across = max(sum(w for w, _ in row) for row in sizes.values())
    most = max(map(len, rows.values()))
    scale = (inches - 2 * SIDE - GAP * (most - 1)) / across  # inches for a length
    tallest = TALLEST if most > 1 else TALLEST_ALONE
    scale = min([scale, *(tallest / h for row in sizes.values() for _, h in row)])
    heads = [(LINE if name else 0) + max(map(_head, slices)) for name, slices in rows.items()]
    heights = [scale * max(h for _, h in row) + SIDE for row in sizes.values()]
    entries = _legend(ignoring=has_ignored(rows)) if legend else []
    total = (LINE if title else 0) + sum(heads) + sum(heights) + LINE * (_lines(entries, width) + 1) + 0.06
    figure = Figure(figsize=(inches, total), dpi=DPI)
    alphabet = Alphabet()
    top = total
    if title:
        top -= LINE
        figure.text(SIDE / inches, (top + 0.03) / total, alphabet.text(title), fontweight="bold")
    places: dict[tuple[str, int], Axes] = {}
    for (name, slices), head, height in zip(rows.items(), heads, heights, strict=True):
        if name:
            figure.text(SIDE / inches, (top - LINE + 0.03) / total, alphabet.text(name))
        top -= head
        left = SIDE
        for number, (each, (w, h)) in enumerate(zip(slices, sizes[name], strict=True)):
            box = (left / inches, (top - scale * h) / total, scale * w / inches, scale * h / total)
            axes = figure.add_axes(box)
            _draw(axes, each, thin=min(1.0, max(0.35, 72 * scale * min(each.spacing) / WIDE)))
            places[name, number] = axes
            left += scale * w + GAP
        top -= height
    _scale_bar(figure, rows, scale, top=top, total=total, inches=inches)
    _draw_legend(figure, entries, top=top - LINE, total=total, inches=inches, abreast=ABREAST[width])
    return figure, places


def _size(each: Slice) -> tuple[float, float]:
    """Width and height in the unit of the spacing."""
    rows, columns = each.prediction.shape
    return columns * each.spacing[1], rows * each.spacing[0]


def _head(each: Slice) -> float:
    """Inches above a slice: its name, and what lies there."""
    return 0.04 + LINE * bool(each.title) + 0.09 * (each.edges is not None)


def _draw(axes: Axes, each: Slice, *, thin: float) -> None:
    """Draw a slice, with lines so much thinner than usual."""
    rows, columns = each.prediction.shape
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(_pixels(each), extent=(0, columns, rows, 0), interpolation="none", aspect="auto")
    axes.set_title(each.title, pad=2 if each.edges is None else 9.5, fontsize=6.5)
    _outline(axes, each.false_positive, color=_FALSE, linestyle=_DASHED, width=0.7 * thin)
    _outline(axes, each.false_negative, color=_MISSED, linestyle=_DOTTED, width=0.7 * thin, hatch=_HATCH)
    _double_line(axes, each.reference, thin=thin)
    if each.edges is not None:
        top, right, bottom, left = each.edges
        for text, x, y, dx, dy in (
            (top, 0.5, 1, 0, 2), (right, 1, 0.5, 2, 0), (bottom, 0.5, 0, 0, -2), (left, 0, 0.5, -2, 0),
        ):  # fmt: skip
            axes.annotate(
                text, (x, y), xytext=(dx, dy), xycoords="axes fraction", textcoords="offset points",
                ha="left" if dx > 0 else "right" if dx < 0 else "center",
                va="bottom" if dy > 0 else "top" if dy < 0 else "center",
                fontsize=6, color="0.25",
            )  # fmt: skip


def _pixels(each: Slice) -> NDArray[np.uint8]:
    """The image with the fills over it, red, green and blue; white where there is no image."""
    shape = each.prediction.shape
    pixels = np.full((*shape, 3), 255.0)
    if each.image is not None:
        step = 255 / (GREYS - 1)
        shades = np.round(each.image / step) * step
        pixels[:] = shades if shades.ndim == 3 else shades[..., None]
    fills = [
        (each.true_positive, _TRUE, FAINT),
        (each.false_positive, _FALSE, STRONG),
        (each.false_negative, _MISSED, STRONG),
    ]
    if each.ignored is not None:
        fills.append((each.ignored, IGNORED, FAINT))
    for mask, color, opacity in fills:
        pixels[mask] += opacity * (np.array(color) - pixels[mask])
    return pixels.round().astype(np.uint8)


def _outline(
    axes: Axes, mask: Mask, *, color: tuple[int, int, int], linestyle: Any, width: float, hatch: str | None = None
) -> None:
    from matplotlib.patches import PathPatch

    if not mask.any():
        return
    axes.add_patch(
        PathPatch(
            _path(mask),
            facecolor="none",
            edgecolor=_hex(color),
            linewidth=width,
            linestyle=linestyle,
            hatch=hatch,
            joinstyle="miter",
        )
    )


def _double_line(axes: Axes, mask: Mask, *, thin: float) -> None:
    """An outline that is seen on anything: black within white."""
    from matplotlib.collections import PathCollection

    if mask.any():
        twice = PathCollection(
            [_path(mask)],
            offsets=[(0, 0), (0, 0)],  # one path, in the file too, drawn two times
            facecolors="none",
            edgecolors=["white", "black"],
            linewidths=[1.2 * thin, 0.5 * thin],
            transform=axes.transData,
        )
        axes.add_collection(twice, autolim=False)


def _path(mask: Mask) -> Any:
    """The outline of a mask along the edges of its pixels, as a path of matplotlib."""
    from matplotlib.path import Path

    points: list[tuple[int, int]] = []
    codes: list[Any] = []
    for loop in outlines(mask):
        points += [*loop, loop[0]]
        codes += [Path.MOVETO, *[Path.LINETO] * (len(loop) - 1), Path.CLOSEPOLY]
    return Path(points, codes)


def outlines(mask: Mask) -> list[list[tuple[int, int]]]:
    """The corners of a mask's outlines, (x, y), outer ones clockwise on a screen and holes the other way round.

    Parameters
    ----------
    mask
        Axes (rows, columns). The pixel in row 0 and column 0 has the corners (0, 0) and (1, 1).

    Examples
    --------
    >>> outlines(np.array([[True, True]]))
    [[(0, 0), (2, 0), (2, 1), (0, 1)]]
    """
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # each side of a pixel that faces another value: where the neighbour is, where the side starts, and where it ends
    for (dy, dx), (y0, x0), (y1, x1) in (
        ((-1, 0), (0, 0), (0, 1)), ((0, 1), (0, 1), (1, 1)), ((1, 0), (1, 1), (1, 0)), ((0, -1), (1, 0), (0, 0)),
    ):  # fmt: skip
        beside = np.roll(padded, (-dy, -dx), (0, 1))
        for y, x in (np.argwhere(padded & ~beside) - 1).tolist():
            edges.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    loops = []
    for start in sorted(edges, key=lambda corner: corner[::-1]):
        while edges[start]:
            loops.append(_loop(start, edges))
    return loops


def _loop(start: tuple[int, int], edges: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Follow the sides from a corner back to it, taking them away; the corners at which the line turns."""
    corners = [start]
    here = edges[start].pop()
    while here != start:
        corners.append(here)
        here = edges[here].pop()
    count = len(corners)
    return [
        corner
        for number, corner in enumerate(corners)
        if not _is_straight(corners[number - 1], corner, corners[(number + 1) % count])
    ]


def _is_straight(before: tuple[int, int], here: tuple[int, int], after: tuple[int, int]) -> bool:
    return before[0] == here[0] == after[0] or before[1] == here[1] == after[1]


def _scale_bar(
    figure: Figure, rows: Mapping[str, Sequence[Slice]], scale: float, *, top: float, total: float, inches: float
) -> None:
    """A line of a round length, with that length, beneath all slices."""
    from matplotlib.lines import Line2D

    first = next(each for slices in rows.values() for each in slices)
    widest = max(_size(each)[0] for slices in rows.values() for each in slices)
    length = _round_length(BAR_SHARE * widest)
    y = (top - 0.02) / total
    ends = (SIDE / inches, (SIDE + scale * length) / inches)
    figure.add_artist(Line2D(ends, (y, y), color="black", linewidth=1.5, solid_capstyle="butt"))
    figure.text(ends[1] + 0.05 / inches, y, f"{length:g} {first.unit}", va="center", fontsize=6.5)


def _round_length(most: float) -> float:
    """The greatest of 1, 2 and 5 times a power of ten that is no more than this."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def has_ignored(rows: Mapping[str, Sequence[Slice]]) -> bool:
    """Whether some voxels of some slices are ignored."""
    return any(each.ignored is not None and bool(each.ignored.any()) for slices in rows.values() for each in slices)


def _lines(entries: Sequence[object], width: str) -> int:
    return -(-len(entries) // ABREAST[width])


def _legend(*, ignoring: bool) -> list[tuple[str, dict[str, Any]]]:
    """What each look stands for."""
    fill: dict[str, Any] = {"linewidth": 0.7}
    entries = [
        ("in both (true positive)", fill | {"facecolor": _faded(_TRUE, FAINT), "edgecolor": "none"}),
        (
            "only in the prediction (false positive)",
            fill | {"facecolor": _faded(_FALSE, STRONG), "edgecolor": _hex(_FALSE), "linestyle": _DASHED},
        ),
        (
            "only in the reference (false negative)",
            fill
            | {
                "facecolor": _faded(_MISSED, STRONG),
                "edgecolor": _hex(_MISSED),
                "linestyle": _DOTTED,
                "hatch": _HATCH,
            },
        ),
        ("outline of the reference", {"facecolor": "none", "edgecolor": "black", "linewidth": 0.6}),
    ]
    if ignoring:
        entries.append(("ignored", fill | {"facecolor": _faded(IGNORED, FAINT), "edgecolor": "none"}))
    return entries


def _draw_legend(
    figure: Figure,
    entries: list[tuple[str, dict[str, Any]]],
    *,
    top: float,
    total: float,
    inches: float,
    abreast: int,
) -> None:
    from matplotlib.patches import Rectangle

    for number, (text, look) in enumerate(entries):
        x = SIDE + (inches - 2 * SIDE) / abreast * (number % abreast)
        y = top - LINE * (number // abreast + 0.5)
        place = (x / inches, (y - 0.045) / total)
        figure.add_artist(Rectangle(place, 0.2 / inches, 0.09 / total, transform=figure.transFigure, **look))
        figure.text((x + 0.27) / inches, y / total, text, va="center", fontsize=6.5)


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _faded(color: tuple[int, int, int], opacity: float) -> str:
    """The color over white."""
    red, green, blue = (round(255 + opacity * (shade - 255)) for shade in color)
    return _hex((red, green, blue))


def _smaller(svg: bytes) -> bytes:
    """The same picture in fewer bytes: outlines to a hundredth of a point, told as ways from corner to corner."""
    return _PATH_DATA.sub(lambda found: f' d="{_shorter(found[1])}"', svg.decode()).encode()


def _shorter(data: str) -> str:
    parts: list[str] = []
    here = (0, 0)
    for command, x, y in _COMMAND.findall(data):
        if command == "z":
            parts.append("z")
            continue
        there = (round(100 * float(x)), round(100 * float(y)))
        dx, dy = there[0] - here[0], there[1] - here[1]
        if command == "M":
            parts.append(f"M{_hundredths(there[0])} {_hundredths(there[1])}")
        elif dx and dy:
            parts.append(f"l{_hundredths(dx)} {_hundredths(dy)}")
        elif dx or dy:
            parts.append(f"h{_hundredths(dx)}" if dx else f"v{_hundredths(dy)}")
        here = there
    return "".join(parts)


def _hundredths(number: int) -> str:
    """A hundredth of it, in as few characters as that takes."""
    text = f"{abs(number) / 100:.2f}".rstrip("0").rstrip(".")
    return ("-" if number < 0 else "") + (text.removeprefix("0") or "0")
