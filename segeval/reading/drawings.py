"""Read drawings from the JSON of Cityscapes and LabelMe, and the classes that COCO needs as well.

Every look-up in an `Entry` checks that the value exists and has the right type. The message names its place in the
file: ``objects[2] ('car')``. A drawing has names and no label numbers; these are given when it is painted.
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

MAX_PIXELS = 1 << 29
LARGEST_COORDINATE = 1e9

_PNG_START = 24  # number of bytes up to the end of width and height
_NO_AREA = ("line", "linestrip", "point", "points")
_DRAW_AGAIN = "delete it, or draw it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One object of a drawing.

    Parameters
    ----------
    where
        Place in the file, for messages.
    name
        Name of the label.
    other_name
        Name to try if `name` has no number.
    number
        Number of the label, if the file has one.
    paint
        Function that paints a label on a canvas.
    """

    where: str
    name: str
    paint: Callable[[Canvas, int], None]
    other_name: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture made of objects; later objects cover earlier ones.

    Parameters
    ----------
    kind
        Kind of file, for people.
    shape
        Height and width in pixels.
    shapes
        Objects, in the order in which they are painted.
    source
        Path of the file, with the image if the file has several.
    names
        Names of the labels, by number, if the file has numbers.
    """

    kind: str
    shape: tuple[int, int]
    shapes: tuple[Shape, ...]
    source: str
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A JSON object whose values are checked when they are read.

    Parameters
    ----------
    values
        Values of the object.
    where
        Place in the file, for messages; empty for the whole file.
    source
        Path of the file, for messages.
    """

    values: Mapping[str, Any]
    where: str
    source: str

    def wrong(self, problem: str, hint: str | None = None) -> InputError:
        """Return an error that names the place of the object."""
        place = f"{self.where}: " if self.where else ""
        return InputError(f"{place}{problem}", source=self.source, hint=hint)

    def named(self, name: str) -> Entry:
        """Return the same object with the name of its label added to its place."""
        return Entry(self.values, f"{self.where} ({quoted(name)})", self.source)

    def get(self, key: str, kind: type[Any], expected: str) -> Any:
        """Return a value that must exist and have a type."""
        if key not in self.values:
            raise self.wrong(f"the field {key!r} is missing")
        value = self.values[key]
        if type(value) is not kind:  # true is not accepted as 1
            raise self.wrong(f"expected {expected} in {key!r}, found {json_kind(value)}")
        return value

    def text(self, key: str) -> str:
        """Return a string that must not be blank."""
        value: str = self.get(key, str, "a string").strip()
        if not value:
            raise self.wrong(f"the field {key!r} is empty")
        check_text(value, source=self.source)
        return value

    def whole(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value: int = self.get(key, int, "a whole number")
        if not 0 <= value < 2**64:
            raise self.wrong(f"expected a whole number of at least 0 in {key!r}, found {shown_number(value)}")
        return value

    def flag(self, key: str) -> bool:
        """Return a yes or no, written as true, false, 1, 0 or null; no if it is missing."""
        value = self.values.get(key, False)
        if value is None or (isinstance(value, (bool, int)) and value in (0, 1)):
            return bool(value)
        raise self.wrong(f"expected 0 or 1 in {key!r}, found {json_kind(value)}")

    def entries(self, key: str) -> Iterator[Entry]:
        """Yield the objects of a list."""
        for index, value in enumerate(self.get(key, list, "a list")):
            where = f"{key}[{index}]"
            if not isinstance(value, dict):
                raise InputError(f"{where}: expected an object, found {json_kind(value)}", source=self.source)
            yield Entry(value, where, self.source)

    def size(self, height: str, width: str) -> tuple[int, int]:
        """Return height and width of a picture."""
        rows, columns = self.whole(height), self.whole(width)
        if not (rows and columns and rows * columns <= MAX_PIXELS):
            raise self.wrong(
                f"expected 1 to {MAX_PIXELS:,} pixels, found {columns:,} x {rows:,} ({width!r} x {height!r})"
            )
        return rows, columns

    def points(self, key: str) -> Points:
        """Return points (x, y) in pixels, shape (n, 2)."""
        pairs = self.get(key, list, "a list of points")
        if not set(map(type, pairs)) <= {list} or not set(map(len, pairs)) <= {2}:
            raise self.wrong(f"expected only points [x, y] in {key!r}, found other values")
        return self.coordinates(list(chain.from_iterable(pairs)), key).reshape(-1, 2)

    def coordinates(self, values: list[Any], key: str) -> NDArray[np.float64]:
        """Return finite numbers that are small enough for arithmetic."""
        if not set(map(type, values)) <= {int, float}:
            raise self.wrong(f"some coordinates in {key!r} are not numbers")
        try:
            numbers = np.array(values, np.float64)
        except OverflowError:
            numbers = np.array([np.inf])
        if not (np.abs(numbers) <= LARGEST_COORDINATE).all():
            raise self.wrong(f"some coordinates in {key!r} are not finite or beyond {LARGEST_COORDINATE:,.0f}")
        return numbers


def cityscapes(content: Entry) -> Drawing:
    """Read the drawing in a Cityscapes or IDD file, by the rules of the scripts of Cityscapes.

    Deleted objects are ignored. A group of cars, ``cargroup``, gets the label of cars if it has no number of its own.
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
    """Read the drawing in a LabelMe file, but not the picture that may be in it."""
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
        raise entry.wrong(f"expected an area, found a shape of type {kind}", "delete it, or draw a polygon")
    if kind not in painters:
        raise entry.wrong(f"unknown shape type {quoted(kind)}", f"use {', '.join(painters)}")
    return Shape(where=entry.where, name=entry.text("label"), paint=painters[kind](entry))


def _corners(entry: Entry, key: str) -> Points:
    """Return the corners of a polygon, at least three, because fewer would paint nothing."""
    points = entry.points(key)
    if len(points) < 3:
        raise entry.wrong(f"expected a polygon of at least 3 points, found {len(points)}", _DRAW_AGAIN)
    return points


def _two_points(entry: Entry) -> Points:
    points = entry.points("points")
    if len(points) != 2:
        raise entry.wrong(f"expected 2 points, found {len(points)}", _DRAW_AGAIN)
    return points


def _rectangle(entry: Entry) -> Callable[[Canvas, int], None]:
    """Read a rectangle, given by two opposite corners or all four in order."""
    points = entry.points("points")
    if len(points) == 4:
        level = points == np.roll(points, -1, axis=0)  # whether x, and y, are the same at both ends of an edge
        if not (level[:, 0] ^ level[:, 1]).all() or (level == np.roll(level, 1, axis=0)).any():
            raise entry.wrong("the 4 points are not an upright rectangle", "make it a polygon")
        return partial(paint_polygon, points=points)
    if len(points) != 2:
        raise entry.wrong(f"expected 2 or 4 points, found {len(points)}", _DRAW_AGAIN)
    (x0, y0), (x1, y1) = points
    return partial(paint_polygon, points=np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))


def _circle(entry: Entry) -> Callable[[Canvas, int], None]:
    """Read a circle, given by its centre and a point on it."""
    (x, y), (edge_x, edge_y) = _two_points(entry)
    return partial(paint_disc, centre=(float(x), float(y)), radius=math.hypot(edge_x - x, edge_y - y))


def _mask(entry: Entry, shape: tuple[int, int]) -> Callable[[Canvas, int], None]:
    """Read a mask, given by a PNG in base64 and the positions of its first and last pixel."""
    (left, top), (right, bottom) = _two_points(entry).astype(int).tolist()
    height, width = bottom - top + 1, right - left + 1
    if not (0 < height <= shape[0] and 0 < width <= shape[1]):
        raise entry.wrong(f"the mask of {width} x {height} pixels does not fit the picture", _DRAW_AGAIN)
    try:
        data = binascii.a2b_base64(entry.text("mask").encode("ascii"), strict_mode=True)
    except ValueError:
        raise entry.wrong("the mask is not base64 text", _DRAW_AGAIN) from None
    claimed = struct.unpack(">II", data[_PNG_START - 8 : _PNG_START]) if len(data) >= _PNG_START else None
    if claimed != (width, height):
        problem = f"the mask is not a PNG picture of {width} x {height} pixels, the size given by its points"
        raise entry.wrong(problem, _DRAW_AGAIN)
    mask = picture.decoded(data, source=f"{entry.source}: {entry.where}").labels != 0
    return partial(paint_mask, mask=mask, corner=(top, left))


def json_kind(value: object) -> str:
    """Return the type of a JSON value, for messages."""
    if value == []:
        return "an empty list"
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
        str: "a string",
        int: "a whole number",
    }
    return kinds.get(type(value), "a number with a fraction")


def shown_number(value: int) -> str:
    """Return a number for a message, which must not be too long."""
    return f"{value:,}" if abs(value) < 10**20 else "a number of many digits"
