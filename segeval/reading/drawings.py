"""Pictures described by outlines: what the JSON of Cityscapes, LabelMe and COCO has in common, and the first two.

Nothing in a file is taken on trust: every look-up in an `Entry` checks that the value is there and of its kind, and
says where it is not, as a path into the file: ``objects[2] ('car')``. A drawing knows names, not numbers, and paints
nothing until it is told which number is which name.
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError
from segeval.reading import picture
from segeval.reading.painting import paint_disc, paint_mask, paint_polygon
from segeval.reading.tables import check_text, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from segeval.reading.painting import Canvas, Points

MOST_PIXELS = 1 << 29
LARGEST_COORDINATE = 1e9

_PNG_START = 24  # bytes up to the end of width and height
_NO_AREA = ("line", "linestrip", "point", "points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One object of a drawing.

    Parameters
    ----------
    where
        Its place in the file, for messages.
    name
        The name of its label.
    other_name
        What to look for where that name has no number.
    number
        The number of its label, where the file gives one.
    paint
        Paints a label on a canvas.
    """

    where: str
    name: str
    paint: Callable[[Canvas, int], None]
    other_name: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture as objects, of which a later one covers the earlier.

    Parameters
    ----------
    kind
        Who writes such files.
    shape
        Height and width in pixels.
    shapes
        The objects, from the bottom up.
    source
        The file, and the image in it where it has several.
    names
        Label number -> name, where the file gives numbers.
    """

    kind: str
    shape: tuple[int, int]
    shapes: tuple[Shape, ...]
    source: str
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A JSON object of which nothing is believed before it was looked at."""

    values: Mapping[str, Any]
    where: str
    source: str

    def wrong(self, problem: str, hint: str | None = None) -> InputError:
        """The error that says what is wrong here."""
        return InputError(f"{self.where} {problem}", source=self.source, hint=hint)

    def named(self, name: str) -> Entry:
        """The same object, its label's name added to its place."""
        return Entry(self.values, f"{self.where} ({quoted(name)})", self.source)

    def get(self, key: str, kind: type[Any], expected: str) -> Any:
        """A value that must be there, of one type."""
        if key not in self.values:
            raise self.wrong(f"has no {key!r}")
        value = self.values[key]
        if type(value) is not kind:  # true is no 1
            raise self.wrong(f"has {json_kind(value)} as {key!r}, expected {expected}")
        return value

    def text(self, key: str) -> str:
        """A text that is not blank."""
        value: str = self.get(key, str, "a text").strip()
        if not value:
            raise self.wrong(f"has a blank {key!r}")
        check_text(value, source=self.source)
        return value

    def whole(self, key: str) -> int:
        """A whole number from 0 up."""
        value: int = self.get(key, int, "a whole number")
        if not 0 <= value < 2**64:
            raise self.wrong(f"has {shown_number(value)} as {key!r}, expected a whole number from 0 up")
        return value

    def flag(self, key: str) -> bool:
        """Yes or no, in any of the ways to write it; no where it is not said."""
        value = self.values.get(key, False)
        if value is None or (isinstance(value, (bool, int)) and value in (0, 1)):
            return bool(value)
        raise self.wrong(f"has {json_kind(value)} as {key!r}, expected 0 or 1")

    def entries(self, key: str) -> Iterator[Entry]:
        """Each of a list of objects."""
        for index, value in enumerate(self.get(key, list, "a list")):
            where = f"{key}[{index}]"
            if not isinstance(value, dict):
                raise InputError(f"{where} is {json_kind(value)}, expected an object", source=self.source)
            yield Entry(value, where, self.source)

    def size(self, height: str, width: str) -> tuple[int, int]:
        """Height and width of a picture."""
        rows, columns = self.whole(height), self.whole(width)
        if not (rows and columns and rows * columns <= MOST_PIXELS):
            raise self.wrong(
                f"has {columns:,} x {rows:,} pixels, expected 1 to {MOST_PIXELS:,} ({width!r} x {height!r})"
            )
        return rows, columns

    def points(self, key: str) -> Points:
        """Points (x, y) in pixels, shape (n, 2)."""
        pairs = self.get(key, list, "a list of points")
        if not set(map(type, pairs)) <= {list} or not set(map(len, pairs)) <= {2}:
            raise self.wrong(f"has something in {key!r} that is no point [x, y]")
        return self.coordinates(list(chain.from_iterable(pairs)), key).reshape(-1, 2)

    def coordinates(self, values: list[Any], key: str) -> NDArray[np.float64]:
        """Finite numbers of a size that arithmetic can take."""
        if not set(map(type, values)) <= {int, float}:
            raise self.wrong(f"has coordinates in {key!r} that are no numbers")
        try:
            numbers = np.array(values, np.float64)
        except OverflowError:
            numbers = np.array([np.inf])
        if not (np.abs(numbers) <= LARGEST_COORDINATE).all():
            raise self.wrong(f"has coordinates in {key!r} that are not finite or beyond {LARGEST_COORDINATE:,.0f}")
        return numbers


def cityscapes(content: Entry) -> Drawing:
    """The drawing in a Cityscapes or IDD file, by the rules of Cityscapes' own scripts.

    Objects that were deleted do not count, and a group of cars, ``cargroup``, is cars where it has no number itself.
    """

    def shapes() -> Iterator[Shape]:
        for entry in content.entries("objects"):
            if entry.flag("deleted"):
                continue
            name = entry.text("label")
            points = _corners(entry.named(name), "polygon")
            yield Shape(
                where=entry.named(name).where,
                name=name,
                other_name=name.removesuffix("group") or None,
                paint=partial(paint_polygon, points=points),
            )

    return Drawing(
        kind="Cityscapes polygons",
        shape=content.size("imgHeight", "imgWidth"),
        shapes=tuple(shapes()),
        source=content.source,
    )


def labelme(content: Entry) -> Drawing:
    """The drawing in a LabelMe file; the picture that it may hold is left alone."""
    shape = content.size("imageHeight", "imageWidth")
    shapes = tuple(_labelme_shape(entry.named(entry.text("label")), shape) for entry in content.entries("shapes"))
    return Drawing(kind="LabelMe shapes", shape=shape, shapes=shapes, source=content.source)


def _labelme_shape(entry: Entry, shape: tuple[int, int]) -> Shape:
    kind = entry.text("shape_type") if entry.values.get("shape_type") is not None else "polygon"
    painters: dict[str, Callable[[Entry], Callable[[Canvas, int], None]]] = {
        "polygon": lambda entry: partial(paint_polygon, points=_corners(entry, "points")),
        "rectangle": _rectangle,
        "circle": _circle,
        "mask": lambda entry: _mask(entry, shape),
    }
    if kind in _NO_AREA:
        raise entry.wrong(f"is a {kind}, which has no area", "delete it, or draw a polygon")
    if kind not in painters:
        raise entry.wrong(f"is of the unknown type {quoted(kind)}", f"known are {', '.join(painters)}")
    return Shape(where=entry.where, name=entry.text("label"), paint=painters[kind](entry))


def _corners(entry: Entry, key: str) -> Points:
    """Corners of a polygon; with fewer than three it would vanish without a word."""
    points = entry.points(key)
    if len(points) < 3:
        raise entry.wrong(f"has {len(points)} points, a polygon has 3 or more", "delete it, or draw it again")
    return points


def _two_points(entry: Entry) -> Points:
    points = entry.points("points")
    if len(points) != 2:
        raise entry.wrong(f"has {len(points)} points, expected 2")
    return points


def _rectangle(entry: Entry) -> Callable[[Canvas, int], None]:
    """Two opposite corners, or all four in order."""
    points = entry.points("points")
    if len(points) == 4:
        level = points == np.roll(points, -1, axis=0)  # whether an edge keeps x, and y
        if not (level[:, 0] ^ level[:, 1]).all() or (level == np.roll(level, 1, axis=0)).any():
            raise entry.wrong("has 4 points that are no upright rectangle's", "make it a polygon")
        return partial(paint_polygon, points=points)
    if len(points) != 2:
        raise entry.wrong(f"has {len(points)} points, expected 2 or 4")
    (x0, y0), (x1, y1) = points
    return partial(paint_polygon, points=np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))


def _circle(entry: Entry) -> Callable[[Canvas, int], None]:
    """A centre, and a point of the circle."""
    (x, y), (there_x, there_y) = _two_points(entry)
    return partial(paint_disc, centre=(float(x), float(y)), radius=math.hypot(there_x - x, there_y - y))


def _mask(entry: Entry, shape: tuple[int, int]) -> Callable[[Canvas, int], None]:
    """A PNG in base64, and the pixels that its first and its last pixel go to."""
    (left, top), (right, bottom) = _two_points(entry).astype(int).tolist()
    height, width = bottom - top + 1, right - left + 1
    if not (0 < height <= shape[0] and 0 < width <= shape[1]):
        raise entry.wrong(f"has a mask of {width} x {height} pixels, which does not fit the picture")
    try:
        data = binascii.a2b_base64(entry.text("mask").encode("ascii"), strict_mode=True)
    except ValueError:
        raise entry.wrong("has a mask that is no base64 text") from None
    claimed = struct.unpack(">II", data[_PNG_START - 8 : _PNG_START]) if len(data) >= _PNG_START else None
    if claimed != (width, height):
        raise entry.wrong(f"has a mask that is no PNG picture of {width} x {height} pixels, as its points say")
    mask = picture.decoded(data, source=f"{entry.source}: {entry.where}").labels != 0
    return partial(paint_mask, mask=mask, corner=(top, left))


def json_kind(value: object) -> str:
    """What a JSON value is, in words."""
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
        str: "a text",
        int: "a whole number",
    }
    return kinds.get(type(value), "a number with a fraction")


def shown_number(value: int) -> str:
    """A number as it may stand in a message, however long it is."""
    return f"{value:,}" if abs(value) < 10**20 else "a number of many digits"
