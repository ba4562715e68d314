"""Label maps from outlines: the JSON of Cityscapes and IDD, of LabelMe, and of COCO.

What a file is shows in its keys. Objects cover each other in the order of the file. Their names become numbers by the
names that the caller gives, because only COCO files have numbers of their own; a name without a number is an error,
never background. Axes are (y, x), the unit is px.
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

MOST_BYTES = 1 << 28
MOST_LISTED = 100
MOST_GUESSED = 20
MOST_LABEL_BYTES = 1 << 30

_EXPECTED = "polygons of Cityscapes, LabelMe or COCO"


def read(file: io.FileIO, *, source: str, names: Mapping[int, str], image: str | None = None) -> LabelMap:
    """Read the label map that a file draws.

    Parameters
    ----------
    file
        The open file, at its first byte.
    source
        What to call it in a message.
    names
        Label number -> name, to find the number of a name; may be empty for a COCO file. Objects whose name has a
        number below 0 are left out, as Cityscapes' own scripts do.
    image
        The image that is meant, in a COCO file with several.

    Returns
    -------
    LabelMap
        Axes (y, x), unit px; pixels that no object covers are 0.

    Raises
    ------
    InputError
        The file is damaged, is none of the known kinds, or holds names that have no number.
    UsageError
        A package is needed that is not installed.
    """
    content = _content(file, source)
    images = content.values.get("images")
    if image is None and isinstance(images, list) and len(images) != 1:
        example = images[0].get("file_name") if images and isinstance(images[0], dict) else None
        raise InputError(
            f"it holds {len(images):,} images",
            source=source,
            hint=f"say which one, such as {shown(source)}::{shown(example[:MOST_LISTED])}"
            if isinstance(example, str)
            else None,
        )
    (drawing,) = _drawings(content, image)
    return painted(drawing, names)


def read_all(file: io.FileIO, *, source: str, names: Mapping[int, str], image: str | None = None) -> Iterator[LabelMap]:
    """Read the label map of every image in a file, or of one, one after the other; see `read`."""
    for drawing in _drawings(_content(file, source), image):
        yield painted(drawing, names)


def _content(file: io.FileIO, source: str) -> Entry:
    """What the JSON says, an object."""
    if os.fstat(file.fileno()).st_size > MOST_BYTES:
        raise InputError(f"expected at most {MOST_BYTES >> 20} MB of JSON, found more", source=source)
    data = file.readall()
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        raise unexpected(data[:HEAD_BYTES], expected=f"{_EXPECTED} in JSON", source=source)
    try:
        content = json.loads(data.decode("utf-8-sig"), parse_constant=_refused)
    except UnicodeDecodeError:
        raise InputError("not valid UTF-8", source=source, hint=AGAIN) from None
    except RecursionError:
        raise InputError("nested too deeply", source=source, hint=f"expected {_EXPECTED}") from None
    except (json.JSONDecodeError, _NoNumberError) as error:
        raise InputError(f"not valid JSON: {error}", source=source, hint=AGAIN) from None
    except ValueError:
        raise InputError("holds a number of thousands of digits", source=source, hint=AGAIN) from None
    if not isinstance(content, dict):
        raise InputError(
            f"expected {_EXPECTED}, found a list",
            source=source,
            hint="COCO results lack images and categories: export them as annotations",
        )
    return Entry(content, "the file", source)


class _NoNumberError(ValueError):
    """A constant that JSON does not have."""


def _refused(constant: str) -> Any:
    raise _NoNumberError(f"{constant} is no number")


def _drawings(content: Entry, image: str | None) -> Iterator[Drawing]:
    """The drawings in a file, by the dialect that its keys give away."""
    keys = content.values.keys()
    if image is not None and not {"images", "annotations"} <= keys:
        raise InputError(
            "it is no COCO file, and has one image", source=content.source, hint=f"leave out ::{shown(image)}"
        )
    if "objects" in keys:
        yield cityscapes(content)
    elif "shapes" in keys:
        yield labelme(content)
    elif {"images", "annotations"} <= keys:
        from segeval.reading.coco import drawings

        yield from drawings(content, image)
    else:
        some = ", ".join(shown(key)[:30] for key in list(keys)[:5]) or "nothing"
        raise InputError(f"expected {_EXPECTED}, found an object that holds {some}", source=content.source)


def painted(drawing: Drawing, names: Mapping[int, str]) -> LabelMap:
    """The label map that a drawing gives.

    Parameters
    ----------
    drawing
        What to paint.
    names
        Label number -> name; where it is empty, the drawing's own numbers count. What has one below 0 is left out.

    Raises
    ------
    InputError
        Names without a number, all of them listed.
    """
    every = _numbers(drawing, names) if names else _own_numbers(drawing)
    shapes = [shape for shape, number in zip(drawing.shapes, every, strict=True) if number >= 0]
    numbers = [number for number in every if number >= 0]
    dtype = np.min_scalar_type(max(numbers, default=0))
    if math.prod(drawing.shape) * dtype.itemsize > MOST_LABEL_BYTES:
        raise InputError("label numbers this large need too much memory for its size", source=drawing.source)
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
    """The number of each object's label, by its name."""
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
            f"{_counted(unknown)} no number: {_listed(unknown, names.values())}",
            source=drawing.source,
            hint="give each of them one with --labels",
        )
    return [found[shape.name] for shape in drawing.shapes]


def _own_numbers(drawing: Drawing) -> list[int]:
    """The number of each object's label, as the file has it."""
    numbers = [shape.number for shape in drawing.shapes if shape.number is not None]
    if len(numbers) < len(drawing.shapes):
        names = sorted({shape.name for shape in drawing.shapes})
        example = ",".join(f"{number}={shown(name[:MOST_LISTED])}" for number, name in enumerate(names[:2], 1))
        raise InputError(
            f"{_counted(names)} no number: {_listed(names)}",
            source=drawing.source,
            hint=f"give each of them one with --labels, such as {example}",
        )
    if 0 in numbers:
        shape = next(shape for shape in drawing.shapes if shape.number == 0)
        raise InputError(
            f"{shape.where} has the number 0, which is the background's",
            source=drawing.source,
            hint="give the categories other numbers with --labels",
        )
    return numbers


class _Table:
    """Label numbers by name: as it is spelt, else whatever its case and how its words are joined."""

    def __init__(self, names: Mapping[int, str], source: str) -> None:
        self._source = source
        self._spelt: dict[str, list[int]] = {}
        self._plain: dict[str, list[int]] = {}
        for number, name in names.items():
            self._spelt.setdefault(name, []).append(number)
            self._plain.setdefault(plain_name(name), []).append(number)

    def number(self, name: str) -> int | None:
        """The number of a name; None where it has none."""
        found = self._spelt.get(name) or self._plain.get(plain_name(name), [])
        if len(found) > 1 and max(found) >= 0:
            raise InputError(
                f"labels {found[0]} and {found[1]} are both called {quoted(name)}",
                source=self._source,
                hint="give each label a name of its own with --labels",
            )
        return found[0] if found else None


def _counted(names: Sequence[str]) -> str:
    return "one label name in it has" if len(names) == 1 else f"{len(names):,} label names in it have"


def _listed(names: Iterable[str], known: Iterable[str] = ()) -> str:
    """Names in order, the first of them with what they may be meant for."""
    ordered, known = sorted(names), list(known)
    guessed = ordered[:MOST_GUESSED]

    def word(name: str) -> str:
        near = difflib.get_close_matches(name[:MOST_LISTED], known, n=1) if name in guessed else []
        return quoted(name) + (f" (did you mean {quoted(near[0])}?)" if near else "")

    return enumerated(ordered, word, most=MOST_LISTED, last=", ", spec=",")
