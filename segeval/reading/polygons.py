"""Read label maps from polygons: the JSON of Cityscapes and IDD, of LabelMe, and of COCO.

The kind of a file is recognised by its keys. Later objects cover earlier ones. Only COCO files have label numbers; in
other files, names get the numbers that the caller gives. A name without a number is an error and never background.
Axes are (y, x), and the unit is px.
"""

from __future__ import annotations

import difflib
import io
import json
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError, shown
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.maps.labels import plain_name
from segeval.reading.contents import AGAIN, HEAD_BYTES, unexpected
from segeval.reading.drawings import Drawing, Entry, cityscapes, labelme
from segeval.reading.tables import quoted
from segeval.text import counted, enumerated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_BYTES = 1 << 28
MAX_LISTED = 100
MAX_GUESSED = 20
MAX_LABEL_BYTES = 1 << 30

_EXPECTED = "polygons of Cityscapes, LabelMe or COCO"


def read(file: io.FileIO, *, source: str, names: Mapping[int, str], image: str | None = None) -> LabelMap:
    """Read the label map of a file with one image.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        Path of the file, for messages.
    names
        Names of the labels, by number; may be empty for a COCO file. Objects whose name has a number below 0 are not
        drawn, as in the scripts of Cityscapes.
    image
        Image to read, if a COCO file has several.

    Returns
    -------
    LabelMap
        Axes (y, x), unit px; pixels outside all objects are 0.

    Raises
    ------
    InputError
        The file is damaged, of an unknown kind, or has names without a number.
    UsageError
        A package that the reader needs is not installed.
    """
    content = _content(file, source)
    images = content.values.get("images")
    if image is None and isinstance(images, list) and len(images) != 1:
        example = images[0].get("file_name") if images and isinstance(images[0], dict) else None
        raise InputError(
            f"expected one image, found {len(images):,}",
            source=source,
            hint=f"name one of them: {shown(source)}::{shown(example[:MAX_LISTED])}"
            if isinstance(example, str)
            else None,
        )
    (drawing,) = _drawings(content, image)
    return painted(drawing, names)


def read_all(file: io.FileIO, *, source: str, names: Mapping[int, str], image: str | None = None) -> Iterator[LabelMap]:
    """Yield the label map of each image in a file, or of one; see `read`."""
    for drawing in _drawings(_content(file, source), image):
        yield painted(drawing, names)


def _content(file: io.FileIO, source: str) -> Entry:
    """Return the JSON object in a file."""
    if os.fstat(file.fileno()).st_size > MAX_BYTES:
        problem = f"the file is too large: expected at most {MAX_BYTES >> 20} MB of JSON, found more"
        raise InputError(problem, source=source, hint="split it")
    data = file.readall()
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        raise unexpected(data[:HEAD_BYTES], expected=f"{_EXPECTED} in JSON", source=source)
    try:
        content = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InputError("the text is not valid UTF-8", source=source, hint=AGAIN) from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply", source=source, hint=f"use {_EXPECTED}") from None
    except (json.JSONDecodeError, _NotANumberError) as error:
        raise InputError(f"the file is not valid JSON: {error}", source=source, hint=AGAIN) from None
    except ValueError:
        raise InputError("a number in the JSON has thousands of digits", source=source, hint=AGAIN) from None
    if not isinstance(content, dict):
        raise InputError(
            f"expected {_EXPECTED}, found a list",
            source=source,
            hint="export COCO results as annotations, with images and categories",
        )
    return Entry(content, "", source)


class _NotANumberError(ValueError):
    """A constant such as NaN, which is not allowed in JSON."""


def _refuse_constant(constant: str) -> Any:
    raise _NotANumberError(f"{constant} is not a number")


def _drawings(content: Entry, image: str | None) -> Iterator[Drawing]:
    """Yield the drawings in a file, whose dialect is recognised by its keys."""
    keys = content.values.keys()
    if image is not None and not {"images", "annotations"} <= keys:
        problem = "the file has only one image, because it is not a COCO file"
        raise InputError(problem, source=content.source, hint=f"leave out ::{shown(image)}")
    if "objects" in keys:
        yield cityscapes(content)
    elif "shapes" in keys:
        yield labelme(content)
    elif {"images", "annotations"} <= keys:
        from segeval.reading.coco import drawings

        yield from drawings(content, image)
    else:
        some = ", ".join(shown(key)[:30] for key in list(keys)[:5])
        found = f"an object with {some}" if some else "an empty object"
        raise InputError(f"expected {_EXPECTED}, found {found}", source=content.source)


def painted(drawing: Drawing, names: Mapping[int, str]) -> LabelMap:
    """Paint a drawing into a label map.

    Parameters
    ----------
    drawing
        Drawing to paint.
    names
        Names of the labels, by number; if empty, the numbers in the file are used. Objects with a number below 0 are
        not drawn.

    Raises
    ------
    InputError
        Some names have no number; the message lists them.
    """
    every = _numbers(drawing, names) if names else _own_numbers(drawing)
    shapes = [shape for shape, number in zip(drawing.shapes, every, strict=True) if number >= 0]
    numbers = [number for number in every if number >= 0]
    dtype = np.min_scalar_type(max(numbers, default=0))
    if math.prod(drawing.shape) * dtype.itemsize > MAX_LABEL_BYTES:
        size = f"{drawing.shape[1]:,} x {drawing.shape[0]:,} pixels"
        problem = f"label {max(numbers)} needs too much memory in a picture of {size}"
        raise InputError(problem, source=drawing.source, hint="use smaller label numbers")
    canvas = np.zeros(drawing.shape, dtype)
    for shape, number in zip(shapes, numbers, strict=True):
        shape.paint(canvas, number)
    labels = as_labels(canvas, source=drawing.source)
    return LabelMap(
        labels=labels,
        grid=Grid(shape=labels.shape, spacing=(1.0, 1.0), unit="px"),
        names={number: names[number] for number in sorted(set(numbers))} if names else drawing.names,
        source=drawing.source,
        stored=f"{drawing.kind}, {counted(len(numbers), 'object', spec=',')}",
    )


def _numbers(drawing: Drawing, names: Mapping[int, str]) -> list[int]:
    """Return the label number of each object, found by its name."""
    table = _Table(names, drawing.source)
    found: dict[str, int] = {}
    unknown: list[str] = []
    for shape in {shape.name: shape for shape in drawing.shapes}.values():
        number = table.number(shape.name)
        if number is None and shape.other_name is not None:
            number = table.number(shape.other_name)
        if number is None:
            unknown.append(shape.name)
        else:
            found[shape.name] = number
    if unknown:
        raise InputError(
            f"{_without_number(unknown)}: {_listed(unknown, names.values())}",
            source=drawing.source,
            hint="give each name a number with --labels",
        )
    return [found[shape.name] for shape in drawing.shapes]


def _own_numbers(drawing: Drawing) -> list[int]:
    """Return the label number of each object that is in the file."""
    numbers = [shape.number for shape in drawing.shapes if shape.number is not None]
    if len(numbers) < len(drawing.shapes):
        names = sorted({shape.name for shape in drawing.shapes})
        example = ",".join(f"{number}={shown(name[:MAX_LISTED])}" for number, name in enumerate(names[:2], 1))
        raise InputError(
            f"{_without_number(names)}: {_listed(names)}",
            source=drawing.source,
            hint=f"give each name a number: --labels {example}",
        )
    if 0 in numbers:
        shape = next(shape for shape in drawing.shapes if shape.number == 0)
        raise InputError(
            f"{shape.where}: label 0 is reserved for the background",
            source=drawing.source,
            hint="give the categories other numbers with --labels",
        )
    return numbers


class _Table:
    """Label numbers by name: exactly as spelt, otherwise ignoring case and how words are joined."""

    def __init__(self, names: Mapping[int, str], source: str) -> None:
        self._source = source
        self._spelt: dict[str, list[int]] = {}
        self._plain: dict[str, list[int]] = {}
        for number, name in names.items():
            self._spelt.setdefault(name, []).append(number)
            self._plain.setdefault(plain_name(name), []).append(number)

    def number(self, name: str) -> int | None:
        """Return the number of a name; None if it has none."""
        found = self._spelt.get(name) or self._plain.get(plain_name(name), [])
        if len(found) > 1 and max(found) >= 0:
            raise InputError(
                f"labels {found[0]} and {found[1]} have the same name {quoted(name)}",
                source=self._source,
                hint="give each label a different name with --labels",
            )
        return found[0] if found else None


def _without_number(names: Sequence[str]) -> str:
    return f"{counted(len(names), 'label name', spec=',')} without a number"


def _listed(names: Iterable[str], known: Iterable[str] = ()) -> str:
    """List names in order, the first ones with a suggestion of the name that was meant."""
    ordered, known = sorted(names), list(known)
    guessed = ordered[:MAX_GUESSED]

    def word(name: str) -> str:
        near = difflib.get_close_matches(name[:MAX_LISTED], known, n=1) if name in guessed else []
        return quoted(name) + (f" (did you mean {quoted(near[0])}?)" if near else "")

    return enumerated(ordered, word, most=MAX_LISTED, last=", ", spec=",")
