"""Read drawings from COCO instance annotations with pycocotools.

Polygons are painted by the COCO API. It rounds outlines by up to half a pixel, and everybody else's masks are made with
it. Run lengths are decoded here, because pycocotools reads foreign memory if they do not add up to the picture. A crowd
has the label of its category, as other annotations do. Later annotations cover earlier ones. Numbers and names of the
labels are those of the categories.
"""

from __future__ import annotations

import difflib
import math
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError, check_extra, shown
from segeval.reading.drawings import Drawing, Shape, json_kind, shown_number
from segeval.reading.painting import paint_mask
from segeval.reading.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from segeval.reading.drawings import Entry
    from segeval.reading.painting import Canvas

LONGEST_OUTLINE_PX = 1 << 22  # pycocotools stores five points per pixel
MAX_DIGITS = 7  # digits of 5 bits in a compressed run length
WINDOW_COLUMNS = 64  # a cache line of each row


def drawings(content: Entry, image: str | None) -> Iterator[Drawing]:
    """Yield the drawing of each image in a file, or of one.

    Parameters
    ----------
    content
        Content of the file.
    image
        File name of an image, with or without folder and suffix, or its id; None for all images.

    Raises
    ------
    InputError
        There is no such image, or the file is not valid COCO.
    UsageError
        There are polygons, but pycocotools is not installed.
    """
    names = _categories(content)
    images = {entry.whole("id"): entry for entry in content.entries("images")}
    if len(images) != len(content.values["images"]):
        raise InputError("two images have the same id", source=content.source)
    chosen = images if image is None else dict([_chosen(images, image, content.source)])
    annotations: dict[int, list[Entry]] = {number: [] for number in chosen}
    for entry in content.entries("annotations"):
        number = entry.whole("image_id")
        if number in annotations:
            annotations[number].append(entry)
        elif number not in images:
            raise entry.wrong(f"image {shown_number(number)} is not in the list 'images'")
    for number, entry in chosen.items():
        size = entry.size("height", "width")
        yield Drawing(
            kind="COCO annotations",
            shape=size,
            shapes=tuple(_shape(each, names, size) for each in annotations[number]),
            source=content.source if len(images) == 1 else f"{content.source.split('::')[0]}::{_file_name(entry)}",
            names=names,
        )


def _categories(content: Entry) -> dict[int, str]:
    names: dict[int, str] = {}
    for entry in content.entries("categories"):
        number = entry.whole("id")
        if number in names:
            raise entry.wrong(f"two categories have the id {number}")
        names[number] = entry.text("name")
    return names


def _file_name(image: Entry) -> str:
    return image.text("file_name") if "file_name" in image.values else str(image.whole("id"))


def _chosen(images: dict[int, Entry], wanted: str, source: str) -> tuple[int, Entry]:
    names = {number: _file_name(entry) for number, entry in images.items()}
    found = [number for number, name in names.items() if name == wanted]
    if not found:
        found = [
            number
            for number, name in names.items()
            if wanted in (str(number), PurePosixPath(name).name, PurePosixPath(name).stem)
        ]
    if len(found) == 1:
        return found[0], images[found[0]]
    if found:
        problem = f"{len(found)} images have the name {quoted(wanted)}"
        raise InputError(problem, source=source, hint="write the name with its folder and suffix")
    near = difflib.get_close_matches(wanted[:200], [name[:200] for name in names.values()], n=3) if wanted else []
    raise InputError(
        f"none of the {len(images):,} images has the name {quoted(wanted)}",
        source=source,
        hint=f"did you mean {' or '.join(map(shown, near))}?" if near else None,
    )


def _shape(entry: Entry, names: dict[int, str], size: tuple[int, int]) -> Shape:
    number = entry.whole("category_id")
    if number not in names:
        raise entry.wrong(f"category {shown_number(number)} is not in the list 'categories'")
    entry = entry.named(names[number])
    entry.flag("iscrowd")
    if "segmentation" not in entry.values:
        raise entry.wrong("the field 'segmentation' is missing", "boxes are not enough: export the segmentations")
    return Shape(where=entry.where, name=names[number], number=number, paint=partial(_paint, entry=entry, size=size))


def _paint(canvas: Canvas, label: int, *, entry: Entry, size: tuple[int, int]) -> None:
    segmentation = entry.values["segmentation"]
    is_runs = isinstance(segmentation, dict)
    lengths = _lengths_of_runs(entry, size) if is_runs else _lengths_of_polygons(entry, segmentation, size)
    if lengths is None or ((lengths < 0) | (lengths > math.prod(size))).any() or lengths.sum() != math.prod(size):
        raise entry.wrong(f"the run lengths do not add up to {math.prod(size):,} pixels")
    for corner, mask in _windows(lengths, size[0]):
        paint_mask(canvas, label, mask=mask, corner=corner)


def _lengths_of_polygons(entry: Entry, parts: object, size: tuple[int, int]) -> NDArray[np.int64] | None:
    """Return the run lengths of the union of the parts, as painted by the COCO API."""
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) for part in parts):
        found = "a list of other values" if isinstance(parts, list) and parts else json_kind(parts)
        raise entry.wrong(f"expected lists of coordinates in 'segmentation', found {found}")
    polygons = []
    for part in parts:
        polygon = entry.coordinates(part, "segmentation")
        if len(polygon) < 6 or len(polygon) % 2:
            raise entry.wrong(f"expected x and y of at least 3 points in a polygon, found {len(polygon)} coordinates")
        corners = polygon.reshape(-1, 2)
        if np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum() > LONGEST_OUTLINE_PX:
            raise entry.wrong(f"the outline is longer than {LONGEST_OUTLINE_PX:,} pixels")
        polygons.append(polygon.tolist())
    api = _pycocotools()
    counts: bytes = api.merge(api.frPyObjects(polygons, *size))["counts"]
    return _run_lengths(counts.decode("ascii"))


def _pycocotools() -> Any:
    check_extra("pycocotools", extra="coco", what="a COCO file")
    from pycocotools import mask

    return mask


def _lengths_of_runs(entry: Entry, size: tuple[int, int]) -> NDArray[np.int64] | None:
    """Return the run lengths in the file, written as numbers or compressed by pycocotools."""
    values = entry.values["segmentation"]
    if values.get("size") != list(size):
        raise entry.wrong(f"expected run lengths for {size[1]} x {size[0]} pixels, the size of the image")
    counts = values.get("counts")
    if isinstance(counts, str):
        return _run_lengths(counts)
    if isinstance(counts, list) and set(map(type, counts)) <= {int}:
        return np.array([min(max(count, -1), 2**32) for count in counts], np.int64)
    raise entry.wrong(f"expected a string or a list of numbers in 'counts', found {json_kind(counts)}")


def _windows(lengths: NDArray[np.int64], height: int) -> Iterator[tuple[tuple[int, int], NDArray[np.bool_]]]:
    """Yield corners and masks of windows that contain the object given by runs of 0, 1, 0, 1 ... down the columns.

    A window has at most `WINDOW_COLUMNS` columns, and each of its edges touches the object. So the time depends on the
    size of the object and not of the picture.
    """
    ends = np.cumsum(lengths)[1::2]
    starts = ends - lengths[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    step = WINDOW_COLUMNS * height
    place = start = 0
    while place < len(starts):
        start = max(start, int(starts[place]) // step * step)
        stop = start + step
        last = int(np.searchsorted(starts, stop))
        yield _window(np.maximum(starts[place:last], start), np.minimum(ends[place:last], stop), height)
        place = last if ends[last - 1] <= stop else last - 1  # the last run continues in the next window
        start = stop


def _window(
    starts: NDArray[np.int64], ends: NDArray[np.int64], height: int
) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """Return corner and mask of the smallest window that contains some runs."""
    left, right = int(starts[0]) // height, int(ends[-1] - 1) // height + 1
    top, bottom = 0, height
    if (starts // height == (ends - 1) // height).all():
        top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    first = (starts // height - left) * (bottom - top) + starts % height - top
    area = (bottom - top) * (right - left)
    bounds = np.concatenate([[0], np.stack([first, first + ends - starts], axis=1).ravel(), [area]])
    mask = np.repeat(np.arange(len(bounds) - 1) % 2 != 0, np.diff(bounds))
    return (top, left), mask.reshape(right - left, bottom - top).T


def _run_lengths(text: str) -> NDArray[np.int64] | None:
    """Decode the text of a compressed mask; None if it is not valid.

    Each number is written in digits of 5 bits, lowest first. 32 is added to all digits but the last, and 48 to make
    them characters. The highest bit of the last digit is the sign. From the fourth number on, the difference to the
    last number but one is stored.
    """
    digits = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int64) - 48
    if not len(digits) or not ((digits >= 0) & (digits < 64)).all() or digits[-1] >= 32:
        return None
    last = np.flatnonzero(digits < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    count = last - first + 1
    if count.max() > MAX_DIGITS:
        return None
    place = np.arange(len(digits)) - np.repeat(first, count)
    numbers = np.add.reduceat((digits & 31) << 5 * place, first)
    numbers -= np.where(digits[last] & 16, 1 << 5 * count, 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
