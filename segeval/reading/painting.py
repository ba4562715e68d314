"""Paint outlines, discs and masks into an array of labels.

An outline covers the pixels whose centre is inside it. The pixel in row i and column j has its centre at (j + 0.5,
i + 0.5). A centre on the outline belongs to the area on its right, or below it if the outline is horizontal. So two
areas with a common border share no pixel and leave no gap. Drawing libraries do not guarantee that: they round corners
to pixels, and paint the border too. An outline that crosses itself follows the even-odd rule, as in the COCO API,
OpenCV and Pillow. Later paint covers earlier paint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Canvas = NDArray[np.unsignedinteger[Any]]
    Points = NDArray[np.float64]

MAX_CROSSINGS = 1 << 22  # crossings of edges and rows that are in memory at once


def paint_polygon(canvas: Canvas, label: int, *, points: Points) -> None:
    """Paint the inside of a closed polygon.

    Parameters
    ----------
    canvas
        Contiguous labels with axes (y, x), which are changed in place.
    label
        Label to paint.
    points
        Corners in order, shape (n, 2), as (x, y) in pixels; they may be outside the canvas.

    Examples
    --------
    >>> canvas = np.zeros((3, 5), np.uint8)
    >>> paint_polygon(canvas, 7, points=np.array([[0.5, 0.0], [4.5, 0.0], [0.5, 4.0]]))
    >>> canvas
    array([[7, 7, 7, 7, 0],
           [7, 7, 7, 0, 0],
           [7, 7, 0, 0, 0]], dtype=uint8)
    """
    height, width = canvas.shape
    rows = _first_centre(points[:, 1], height)
    here, there = np.arange(len(points)), np.roll(np.arange(len(points)), -1)
    crossing = rows[here] != rows[there]
    here, there = here[crossing], there[crossing]
    if not len(here):
        return
    downward = rows[here] < rows[there]  # follow each edge downwards, so that both its areas get the same crossings
    upper, lower = np.where(downward, here, there), np.where(downward, there, here)
    (x0, y0), (x1, y1) = points[upper].T, points[lower].T
    top, bottom = int(rows[upper].min()), int(rows[lower].max())
    step = max(1, MAX_CROSSINGS // len(upper))
    for start in range(top, bottom, step):
        first, last = np.clip(rows[upper], start, start + step), np.clip(rows[lower], start, start + step)
        edge, row = _each_row(first, last)
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        ends = np.sort(row * width + _first_centre(x, width))
        _paint_spans(canvas, ends[::2], ends[1::2], label)


def paint_disc(canvas: Canvas, label: int, *, centre: tuple[float, float], radius: float) -> None:
    """Paint a disc with its centre (x, y) and radius in pixels; see `paint_polygon`."""
    height, width = canvas.shape
    x, y = centre
    first, last = _first_centre(np.array([y - radius, y + radius]), height)
    row = np.arange(first, last)
    half = np.sqrt(np.maximum(radius**2 - (row + 0.5 - y) ** 2, 0))
    _paint_spans(
        canvas, row * width + _first_centre(x - half, width), row * width + _first_centre(x + half, width), label
    )


def paint_mask(canvas: Canvas, label: int, *, mask: NDArray[np.bool_], corner: tuple[int, int] = (0, 0)) -> None:
    """Paint the pixels of a mask whose first pixel is at row and column `corner`; those outside the canvas are lost."""
    (top, left), (height, width) = corner, mask.shape
    window = canvas[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    rows, columns = window.shape
    part = mask[max(-top, 0) :, max(-left, 0) :][:rows, :columns]
    window[part] = label


def _first_centre(position: Points, size: int) -> NDArray[np.int64]:
    """Return the index of the first pixel whose centre is at or after a position, from 0 to `size`."""
    return np.clip(np.ceil(position - 0.5), 0, size).astype(np.int64)


def _each_row(first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of the edge and the row, for each row from `first` to before `last` of each edge."""
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    return edge, np.arange(len(edge)) - (np.cumsum(count) - count - first)[edge]


def _paint_spans(canvas: Canvas, starts: NDArray[np.int64], ends: NDArray[np.int64], label: int) -> None:
    pixels = canvas.reshape(-1)
    for start, end in _spans(starts, ends):
        pixels[start:end] = label


def _spans(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    filled = starts < ends
    return zip(starts[filled].tolist(), ends[filled].tolist(), strict=True)
