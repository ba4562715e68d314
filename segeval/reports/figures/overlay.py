"""Draw slices with true positive, false positive and false negative voxels, over the image if there is one.

Voxels are drawn without smoothing and in their physical proportions, all slices at the same scale. Fills are pixels,
outlines follow the edges of voxels. Outlines also show what is wrong: dashed for false positives, dotted and hatched
for false negatives.
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
MOST_VOXELS = 2160  # largest number of voxels along a side, the width of a page at 300 dpi
WIDE = 3.0  # size of a voxel in points from which lines have full width
FAINT, STRONG = 0.35, 0.65  # opacity over the image, of right or ignored voxels and of wrong ones
GREYS = 32  # number of grey levels of the image, for smaller files
GAP, SIDE = 0.24, 0.16  # gap between slices, and margin, in inches
LINE = 0.17  # height of a line of text in inches
TALLEST, TALLEST_ALONE = 2.6, 4.5  # largest height of a slice in inches, one of several or a single one
ABREAST = {"single": 1, "double": 2}  # legend entries side by side
BAR_SHARE = 0.3  # largest length of the scale bar, as a share of the widest slice

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
        Slices from left to right, by name of the row, such as a method. An empty name is not drawn. If a slice has
        more voxels along a side than print can show, only every second, third, ... voxel is drawn.
    suffix
        One of `FIGURE_SUFFIXES`.
    width
        One of `style.WIDTHS`.
    title
        Title of the figure, such as the case and the label.
    legend
        Whether to draw the legend; see `overlay_legend`.

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
    """Draw the legend of overlays, for several figures with a common legend.

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
    """Make a slice coarser if it has too many voxels along a side."""
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
    """Make the figure, and the axes of each slice, on which the edges of pixels are whole numbers."""
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
    """Height above a slice in inches, for its title and direction."""
    return 0.04 + LINE * bool(each.title) + 0.09 * (each.edges is not None)


def _draw(axes: Axes, each: Slice, *, thin: float) -> None:
    """Draw a slice, with the line widths multiplied by `thin`."""
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
    """The image with the fills, as RGB; white without an image."""
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
    """Draw an outline that is visible on any image: black with a white margin."""
    from matplotlib.collections import PathCollection

    if mask.any():
        twice = PathCollection(
            [_path(mask)],
            offsets=[(0, 0), (0, 0)],  # one path, drawn twice, also in the file
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
    """Corners of the outlines of a mask as (x, y), outer ones clockwise on a screen, holes counterclockwise.

    Parameters
    ----------
    mask
        Mask with axes (rows, columns). The pixel in row 0 and column 0 has the corners (0, 0) and (1, 1).

    Examples
    --------
    >>> outlines(np.array([[True, True]]))
    [[(0, 0), (2, 0), (2, 1), (0, 1)]]
    """
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # for each side of a pixel: offset of the neighbour, start and end of the side
    for (dy, dx), (y0, x0), (y1, x1) in (
        ((-1, 0), (0, 0), (0, 1)), ((0, 1), (0, 1), (1, 1)), ((1, 0), (1, 1), (1, 0)), ((0, -1), (1, 0), (0, 0)),
    ):  # fmt: skip
        neighbour = np.roll(padded, (-dy, -dx), (0, 1))
        for y, x in (np.argwhere(padded & ~neighbour) - 1).tolist():
            edges.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    loops = []
    for start in sorted(edges, key=lambda corner: corner[::-1]):
        while edges[start]:
            loops.append(_loop(start, edges))
    return loops


def _loop(start: tuple[int, int], edges: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Follow the sides from a corner back to it, and remove them; return the corners where the line turns."""
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
    """Draw a scale bar of a round length below all slices."""
    from matplotlib.lines import Line2D

    first = next(each for slices in rows.values() for each in slices)
    widest = max(_size(each)[0] for slices in rows.values() for each in slices)
    length = _round_length(BAR_SHARE * widest)
    y = (top - 0.02) / total
    ends = (SIDE / inches, (SIDE + scale * length) / inches)
    figure.add_artist(Line2D(ends, (y, y), color="black", linewidth=1.5, solid_capstyle="butt"))
    figure.text(ends[1] + 0.05 / inches, y, f"{length:g} {first.unit}", va="center", fontsize=6.5)


def _round_length(most: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is at most `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def has_ignored(rows: Mapping[str, Sequence[Slice]]) -> bool:
    """Whether any slice has ignored voxels."""
    return any(each.ignored is not None and bool(each.ignored.any()) for slices in rows.values() for each in slices)


def _lines(entries: Sequence[object], width: str) -> int:
    return -(-len(entries) // ABREAST[width])


def _legend(*, ignoring: bool) -> list[tuple[str, dict[str, Any]]]:
    """Entries of the legend."""
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
    """A colour with some opacity over white."""
    red, green, blue = (round(255 + opacity * (shade - 255)) for shade in color)
    return _hex((red, green, blue))


def _smaller(svg: bytes) -> bytes:
    """Reduce the size of an SVG: outlines as relative moves, in hundredths of a point."""
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
    """A hundredth of a number, in as few characters as possible."""
    text = f"{abs(number) / 100:.2f}".rstrip("0").rstrip(".")
    return ("-" if number < 0 else "") + (text.removeprefix("0") or "0")
