"""Draw the sample data and compute the scores it must give.

    python make_sample_data.py [FOLDER]

writes ``predictions/``, ``references/`` and ``street/`` into FOLDER (default: the folder of this script) and renews the
score tables between the markers of ``FOLDER/README.md`` where that file exists. The same bytes come out every time.

The scores come from brute force over all pairs of border voxels, in plain NumPy, written down from the definitions and
sharing no code with segeval, so that the tables can be its judge. Arrays are (z, y, x) or (y, x), lengths are mm, or
pixels in the street scene.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension, Nifti1Image
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Labels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Corners = Sequence[tuple[float, float]]

ORGANS = {1: "liver", 2: "spleen", 3: "kidney_left", 4: "kidney_right", 5: "gallbladder"}
ORGAN_COLOURS = {1: (205, 98, 70), 2: (148, 90, 150), 3: (222, 184, 80), 4: (236, 142, 60), 5: (110, 160, 75)}
LIVER, SPLEEN, KIDNEY_LEFT, KIDNEY_RIGHT, GALLBLADDER = ORGANS

STREET = {1: "road", 2: "sidewalk", 3: "building", 4: "vegetation", 5: "sky", 6: "person", 7: "car"}
ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, CAR = STREET
OTHER, IGNORED = 0, 255
STREET_COLOURS = {
    OTHER: (0, 0, 0),
    ROAD: (128, 64, 128),
    SIDEWALK: (244, 35, 232),
    BUILDING: (70, 70, 70),
    VEGETATION: (107, 142, 35),
    SKY: (70, 130, 180),
    PERSON: (220, 20, 60),
    CAR: (0, 0, 142),
    IGNORED: (224, 224, 192),
}
STREET_NAMES = {OTHER: "unlabeled", **STREET, IGNORED: "not annotated"}

COLUMNS = ("dice", "sensitivity", "specificity", "assd", "hd", "hd@95", "generalized_dice")


def uniform(seed: int, count: int) -> Floats:
    """Draw numbers in [0, 1); raw bits, because NumPy promises their stream for all time but not its distributions'."""
    bits: NDArray[np.uint64] = np.random.PCG64(seed).random_raw(count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def smooth_noise(coordinates: Sequence[Floats], wavelength: float, seed: int) -> Floats:
    """Sum plane waves of random direction and phase into a field of standard deviation 1."""
    count = 12
    draws = uniform(seed, count * (len(coordinates) + 2)).reshape(count, -1)
    total = np.zeros(np.broadcast_shapes(*(axis.shape for axis in coordinates)))
    for phase, stretch, *direction in draws:
        vector = np.array(direction) - 0.5
        vector *= 2 * np.pi / (wavelength * (0.75 + 0.75 * stretch) * np.linalg.norm(vector))
        total += np.sin(sum(k * x for k, x in zip(vector, coordinates, strict=True)) + 2 * np.pi * phase)
    total *= np.sqrt(2 / count)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the voxels of a phantom lie: shape and spacing (z, y, x), tilted about the left-right axis."""

    shape: tuple[int, int, int] = (26, 60, 88)
    spacing: tuple[float, float, float] = (6.5, 3.6, 3.6)
    tilt_degrees: float = 0.0

    def affine(self) -> Floats:
        """Voxel (x, y, z) to RAS+ mm; x runs from right to left, as converters from DICOM leave it."""
        cosine, sine = np.cos(np.radians(self.tilt_degrees)), np.sin(np.radians(self.tilt_degrees))
        turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.diag([-1.0, 1.0, 1.0]) @ np.diag(self.spacing[::-1])
        centre_of_scan = np.array([3.7, -21.4, 86.2])
        affine[:3, 3] = centre_of_scan - affine[:3, :3] @ ((np.array(self.shape[::-1]) - 1) / 2)
        return affine

    def body(self) -> tuple[Floats, Floats, Floats]:
        """Mm to the patient's left, to the front and upwards of the middle of the scan, for every voxel."""
        steps = np.meshgrid(*((np.arange(n) - (n - 1) / 2) for n in self.shape), indexing="ij")
        right, front, up = np.tensordot(self.affine()[:3, :3], np.stack(steps[::-1]), axes=1)
        return -right, front, up


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipsoid:
    """A tilted ellipsoid in mm (left, front, up); ``lean`` shears left and front with height."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    lean: tuple[float, float] = (0.0, 0.0)

    def depth(self, body: Sequence[Floats]) -> Floats:
        """Distance to the surface in mm, to first order: negative inside."""
        up = body[2] - self.centre[2]
        offsets = (body[0] - self.centre[0] - self.lean[0] * up, body[1] - self.centre[1] - self.lean[1] * up, up)
        unit = np.sqrt(sum((x / r) ** 2 for x, r in zip(offsets, self.radii, strict=True)))
        slope = np.sqrt(sum((x / r**2) ** 2 for x, r in zip(offsets, self.radii, strict=True)))
        depth: Floats = unit * (unit - 1) / np.maximum(slope, 1e-9)
        return depth


# An organ is the union of its first ellipsoids less the union of the second: kidneys have a hilum, the spleen a hollow.
ANATOMY: dict[int, tuple[list[Ellipsoid], list[Ellipsoid]]] = {
    LIVER: (
        [
            Ellipsoid(centre=(-70.3, 1.7, 10.4), radii=(61.0, 68.0, 58.0), lean=(0.15, 0.0)),
            Ellipsoid(centre=(-6.2, 38.3, 30.7), radii=(74.0, 33.0, 27.0), lean=(0.5, 0.2)),
        ],
        [Ellipsoid(centre=(-8.3, -42.6, -20.7), radii=(52.0, 54.0, 72.0))],
    ),
    SPLEEN: (
        [Ellipsoid(centre=(101.4, -31.6, 27.3), radii=(29.0, 47.0, 44.0), lean=(-0.1, 0.15))],
        [Ellipsoid(centre=(62.3, -18.8, 19.7), radii=(35.0, 42.0, 47.0))],
    ),
    KIDNEY_LEFT: (
        [Ellipsoid(centre=(58.7, -53.4, -21.3), radii=(25.0, 26.0, 50.0), lean=(-0.22, 0.12))],
        [Ellipsoid(centre=(31.6, -44.7, -20.3), radii=(15.0, 11.0, 15.0))],
    ),
    KIDNEY_RIGHT: (
        [Ellipsoid(centre=(-56.3, -54.6, -31.7), radii=(25.0, 25.0, 47.0), lean=(0.22, 0.12))],
        [Ellipsoid(centre=(-29.4, -45.3, -30.4), radii=(15.0, 11.0, 15.0))],
    ),
    GALLBLADDER: ([Ellipsoid(centre=(-43.6, 43.3, -24.7), radii=(13.0, 14.0, 29.0), lean=(0.3, -0.35))], []),
}


def personal(shape: Ellipsoid, draws: Floats) -> Ellipsoid:
    """Move an ellipsoid by up to 3 mm and scale it by up to 6 %, as one patient differs from the next."""
    left, front, up = ((x - 0.5) * 6 for x in draws[:3])
    scale = 0.94 + 0.12 * draws[3]
    return replace(
        shape,
        centre=(shape.centre[0] + left, shape.centre[1] + front, shape.centre[2] + up),
        radii=(shape.radii[0] * scale, shape.radii[1] * scale, shape.radii[2] * scale),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """How the one who draws errs: mm outwards everywhere, in slow waves, and voxel by voxel."""

    outwards: float = 0.0
    waves: float = 0.0
    jitter: float = 0.0


EXACT = Hand()
GOOD = Hand(waves=1.8)


def draw_organs(grid: Grid, patient: int, hand: Hand = EXACT) -> Labels:
    """Label map of one patient's organs as one hand draws them."""
    body = grid.body()
    warped = [axis + 3.0 * smooth_noise(body, 110.0, patient * 100 + i) for i, axis in enumerate(body)]
    labels = np.zeros(grid.shape, np.uint8)
    for label, (solid, hollow) in ANATOMY.items():
        seed = patient * 1000 + label
        draws = uniform(seed, 4)
        depth: Floats = np.minimum.reduce([personal(part, draws).depth(warped) for part in solid])
        for part in hollow:
            depth = np.maximum(depth, -personal(part, draws).depth(warped))
        if hand.waves:
            depth += hand.waves * smooth_noise(body, 45.0, seed + 50)
        if hand.jitter:
            depth += hand.jitter * (2 * uniform(seed + 60, labels.size).reshape(grid.shape) - 1)
        # Later organs lie in front: the kidney and the gallbladder press into the liver.
        labels[depth < hand.outwards] = label
    return labels


def as_drawn(reference: Labels, drawn: Labels) -> Labels:
    """Keep what was drawn."""
    del reference
    return drawn


def copied(reference: Labels, drawn: Labels) -> Labels:
    """Predict the reference itself."""
    del drawn
    return reference.copy()


def one_voxel_less(reference: Labels, drawn: Labels) -> Labels:
    """Predict the reference without one voxel at the liver's outer side."""
    del drawn
    prediction = reference.copy()
    z, y = (int(axis.mean()) for axis in np.nonzero(reference == LIVER)[:2])
    prediction[z, y, int(np.flatnonzero(reference[z, y] == LIVER)[0])] = 0
    return prediction


def without_gallbladder(reference: Labels, drawn: Labels) -> Labels:
    """Miss the gallbladder."""
    del reference
    return np.where(drawn == GALLBLADDER, 0, drawn).astype(np.uint8)


def two_voxels_left(reference: Labels, drawn: Labels) -> Labels:
    """Predict the reference, two voxels further along x."""
    del drawn
    prediction = np.zeros_like(reference)
    prediction[:, :, 2:] = reference[:, :, :-2]
    return prediction


def kidneys_swapped(reference: Labels, drawn: Labels) -> Labels:
    """Take the left kidney for the right one and the reverse."""
    del reference
    swap = np.arange(256, dtype=np.uint8)
    swap[[KIDNEY_LEFT, KIDNEY_RIGHT]] = KIDNEY_RIGHT, KIDNEY_LEFT
    return swap[drawn]


def with_stray_blob(reference: Labels, drawn: Labels) -> Labels:
    """Predict a little spleen at the far end of the image too."""
    del reference
    prediction = drawn.copy()
    prediction[2:4, 49:52, 6:9] = SPLEEN
    return prediction


def nothing(reference: Labels, drawn: Labels) -> Labels:
    """Predict background only."""
    del drawn
    return np.zeros_like(reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair: the patient's grid, the labels that the reference has, and how the prediction comes about."""

    name: str
    grid: Grid = field(default_factory=Grid)
    organs: tuple[int, ...] = tuple(ORGANS)
    hand: Hand = GOOD
    predict: Callable[[Labels, Labels], Labels] = as_drawn
    origin_shift: float = 0.0


FLAT = Grid(shape=(24, 64, 96), spacing=(7.0, 3.4, 3.2))
FINE = Grid(shape=(28, 58, 86), spacing=(6.0, 3.75, 3.75))
OBLIQUE = Grid(shape=(30, 62, 88), spacing=(6.0, 3.6, 3.6), tilt_degrees=9.0)

CASES = (
    Case(name="case_01"),
    Case(name="case_02", grid=FINE, predict=copied),
    Case(name="case_03", grid=FLAT, predict=one_voxel_less),
    Case(name="case_04", predict=without_gallbladder),
    Case(name="case_05", grid=FLAT, organs=(LIVER, SPLEEN, KIDNEY_LEFT, KIDNEY_RIGHT)),
    Case(name="case_06", grid=FINE, predict=two_voxels_left),
    Case(name="case_07", hand=Hand(outwards=4.0, waves=0.6)),
    Case(name="case_08", grid=FLAT, hand=Hand(outwards=-4.0, waves=0.6)),
    Case(name="case_09", grid=FINE, predict=kidneys_swapped),
    Case(name="case_10", predict=with_stray_blob),
    Case(name="case_11", grid=FLAT, hand=Hand(jitter=6.0)),
    Case(name="case_12", grid=OBLIQUE, origin_shift=6e-4),
    Case(name="case_13", organs=(), predict=nothing),
    Case(name="case_14", grid=FINE, predict=nothing),
)


def draw_case(case: Case) -> tuple[Labels, Labels]:
    """Prediction and reference of a case; its number is the patient's."""
    patient = int(case.name.removeprefix("case_"))
    reference = draw_organs(case.grid, patient)
    reference[~np.isin(reference, case.organs)] = 0
    return case.predict(reference, draw_organs(case.grid, patient, case.hand)), reference


# Outlines (x, y): of a person in heights from the feet, of half a car in half widths from the ground; y points down.
LEGS = ((-0.13, -0.6), (0.13, -0.6), (0.15, 0.0), (0.05, 0.0), (0.0, -0.33), (-0.07, 0.0), (-0.17, 0.0))
COACHWORK = ((1.0, -0.2), (1.0, -0.85), (0.82, -0.95), (0.62, -1.5))


def rounded(corners: Corners, digits: int) -> Corners:
    """Corners with so many digits behind the point."""
    return [(round(x, digits), round(y, digits)) for x, y in corners]


def ellipse_corners(centre: tuple[float, float], radii: tuple[float, float], count: int) -> Corners:
    """Corners of a polygon along an ellipse, half of it outside and half inside."""
    stretch = 2 / (1 + np.cos(np.pi / count))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = (c + stretch * r * f(angles) for c, r, f in zip(centre, radii, (np.cos, np.sin), strict=True))
    return rounded(list(zip(x.tolist(), y.tolist(), strict=True)), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A picture under the brush: later strokes cover earlier ones.

    Of each stroke it keeps the label, the pixels, and outlines, the simplest first, of which one covers just those.
    """

    x: Floats
    y: Floats
    labels: Labels
    strokes: list[tuple[int, Mask, Iterator[Corners]]] = field(default_factory=list)

    def fill(self, label: int, where: Mask) -> None:
        """Paint wherever the mask says."""
        self.labels[where] = label

    def inside(self, corners: Corners) -> Mask:
        """Tell which pixels lie in a polygon given by its corners (x, y)."""
        inside = np.zeros(self.labels.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if y0 != y1:
                inside ^= ((y0 > self.y) != (y1 > self.y)) & (self.x < x0 + (self.y - y0) * (x1 - x0) / (y1 - y0))
        return inside

    def polygon(self, label: int, *corners: tuple[float, float]) -> None:
        """Paint a polygon."""
        inside = self.inside(corners)
        self.fill(label, inside)
        self.strokes.append((label, inside, (rounded(corners, digits) for digits in range(12))))

    def ellipse(self, label: int, centre: tuple[float, float], radii: tuple[float, float]) -> None:
        """Paint an ellipse."""
        inside = ((self.x - centre[0]) / radii[0]) ** 2 + ((self.y - centre[1]) / radii[1]) ** 2 < 1
        self.fill(label, inside)
        self.strokes.append((label, inside, (ellipse_corners(centre, radii, 1 << power) for power in range(3, 12))))

    def person(self, x: float, feet: float, height: float) -> None:
        """Paint someone who stands at (x, feet)."""
        h = height
        self.ellipse(PERSON, (x, feet - 0.91 * h), (0.085 * h, 0.095 * h))
        self.ellipse(PERSON, (x, feet - 0.64 * h), (0.155 * h, 0.21 * h))
        self.polygon(PERSON, *((x + u * h, feet + v * h) for u, v in LEGS))

    def car(self, x: float, wheels: float, width: float) -> None:
        """Paint a car seen from behind that stands at (x, wheels)."""
        w = width / 2
        outline = [*((-u, v) for u, v in COACHWORK), *reversed(COACHWORK)]
        self.polygon(CAR, *((x + u * w, wheels + v * w) for u, v in outline))
        for side in (-1, 1):
            self.ellipse(CAR, (x + side * 0.76 * w, wheels - 0.2 * w), (0.2 * w, 0.24 * w))


def paint_street(canvas: Canvas) -> None:
    """Paint what both pictures show: the street and the greater part of what stands in it."""
    canvas.polygon(SKY, (-20, -20), (276, -20), (276, 148), (-20, 148))
    canvas.polygon(BUILDING, (-20, -20), (44, -20), (44, 9), (74, 22), (74, 30), (104, 43), (104, 72), (-20, 125))
    canvas.polygon(BUILDING, (276, -20), (276, 125), (150, 74), (150, 46), (172, 37), (172, 25), (206, 12), (206, -20))
    canvas.polygon(BUILDING, (100, 46), (112, 46), (112, 50), (123, 50), (123, 66), (100, 70))
    for x, y, rx, ry in ((141, 55, 11, 9), (132, 59, 8, 5), (78, 45, 13, 13), (90, 48, 10, 10), (68, 51, 11, 10)):
        canvas.ellipse(VEGETATION, (x + 0.3, y + 0.2), (rx, ry))
    canvas.polygon(VEGETATION, (76, 50), (80, 50), (80, 74), (76, 74))
    canvas.polygon(VEGETATION, (186, 81), (276, 112), (276, 84), (194, 71))
    canvas.polygon(SIDEWALK, (127, 61), (-90, 128), (-90, 200), (346, 200), (346, 128), (129, 61))
    canvas.polygon(ROAD, (126, 61), (-30, 150), (286, 150), (130, 61))
    canvas.polygon(OTHER, (201, 20), (203.4, 20), (203.4, 88), (201, 88))
    canvas.ellipse(OTHER, (202.2, 19.5), (6.2, 6.2))
    canvas.car(146.2, 81.4, 23)
    canvas.car(109.7, 73.3, 14)
    canvas.car(79.4, 97.6, 37)
    canvas.person(43.7, 106.4, 40)
    canvas.person(225.6, 112.3, 45)


def new_canvas(waves: float = 0.0) -> Canvas:
    """Blank picture, 256 x 128; ``waves`` pixels bend all outlines drawn on it."""
    y, x = np.meshgrid(np.arange(128) + 0.5, np.arange(256) + 0.5, indexing="ij")
    bent = [axis + waves * smooth_noise((x, y), 17.0, 90 + i) for i, axis in enumerate((x, y))] if waves else [x, y]
    return Canvas(x=bent[0], y=bent[1], labels=np.zeros(x.shape, np.uint8))


def draw_street() -> tuple[Canvas, Canvas]:
    """Prediction and reference of the street scene."""
    reference = new_canvas()
    paint_street(reference)
    reference.person(58.3, 86.5, 22)
    reference.person(178.2, 82.6, 19)
    # Not annotated: a gap between two houses, the far end of the street and the own bonnet.
    reference.polygon(IGNORED, (0, 58), (13, 61), (13, 92), (0, 96))
    reference.polygon(IGNORED, (117, 57.5), (139, 57.5), (141, 63), (115, 63))
    reference.ellipse(IGNORED, (128.4, 137.5), (104.0, 21.0))

    prediction = new_canvas(waves=0.75)
    paint_street(prediction)
    prediction.person(58.6, 86.9, 21)  # the one on the right is missed
    prediction.ellipse(VEGETATION, (218.5, 44.5), (15.0, 12.0))  # ivy that is a wall
    prediction.polygon(ROAD, (200, 103), (262, 150), (290, 122), (243, 107))  # a kerb not seen
    prediction.polygon(
        BUILDING, (201, 48), (203.4, 48), (203.4, 66), (201, 66)
    )  # the pole is lost in front of the wall
    prediction.fill(
        CAR, (reference.labels == IGNORED) & (reference.y > 110)
    )  # the bonnet; right or wrong, it is ignored
    return prediction, reference


def label_table() -> bytes:
    """Names of the labels in the XML that Connectome Workbench reads and TotalSegmentator writes."""
    rows = "\n".join(
        f'<Label Key="{label}" Red="{r / 255:.4f}" Green="{g / 255:.4f}" Blue="{b / 255:.4f}" Alpha="1">'
        f"<![CDATA[{ORGANS[label]}]]></Label>"
        for label, (r, g, b) in ORGAN_COLOURS.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension><VolumeInformation Index="0"><LabelTable>\n'
        f"{rows}\n"
        "</LabelTable><StudyMetaDataLinkSet></StudyMetaDataLinkSet><VolumeType><![CDATA[Label]]></VolumeType>"
        "</VolumeInformation></CaretExtension>"
    ).encode()


def write_volume(path: Path, labels: Labels, affine: Floats) -> None:
    """Write a label map as NIfTI, its bytes a function of the arguments alone."""
    image = Nifti1Image(labels.transpose(), affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    # An eigenvector, whose sign and last digits each machine's linear algebra chooses for itself. The sign is free
    # because x runs leftwards: all these grids are half turns of a mirrored one.
    keys = ("quatern_b", "quatern_c", "quatern_d")
    turn = np.round([float(image.header[key]) for key in keys], 8)
    turn *= np.sign(turn[np.argmax(np.abs(turn))])
    for key, value in zip(keys, turn, strict=True):
        image.header[key] = value + 0.0
    image.header.set_xyzt_units("mm")
    image.header.extensions.append(Nifti1Extension(0, label_table()))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    path.write_bytes(packed.getvalue())


def read_volume(path: Path) -> tuple[Labels, tuple[float, ...]]:
    """Label map (z, y, x) and its spacing as the file has them, the header's 32-bit rounding included."""
    image = Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
    spacing = nib.affines.voxel_sizes(image.affine)[::-1]
    return np.asarray(image.dataobj).astype(np.uint8).transpose(), tuple(float(s) for s in spacing)


def write_picture(path: Path, labels: Labels) -> None:
    """Write a label map as a palette PNG: the numbers are the labels, the palette makes them a picture."""
    palette = np.zeros((256, 3), np.uint8)
    for label, colour in STREET_COLOURS.items():
        palette[label] = colour
    image = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
    image.putpalette(palette.tobytes())
    image.save(path, format="PNG", compress_level=9)


def write_polygons(path: Path, canvas: Canvas) -> None:
    """Write the strokes on a canvas as Cityscapes has them, one on a line; they give the same picture."""
    height, width = canvas.labels.shape
    again = np.zeros_like(canvas.labels)
    lines = []
    for label, covered, outlines in canvas.strokes:
        corners = next(corners for corners in outlines if np.array_equal(canvas.inside(corners), covered))
        again[canvas.inside(corners)] = label
        lines.append(json.dumps({"label": STREET_NAMES[label], "polygon": corners}))
    np.testing.assert_array_equal(again, canvas.labels)
    head = f'{{"imgHeight": {height}, "imgWidth": {width}, "objects": [\n'
    path.write_text(head + ",\n".join(lines) + "\n]}\n", encoding="utf-8", newline="\n")


def border(mask: Mask) -> Mask:
    """Voxels of a mask with a face neighbour that is not of it; outside the image nothing is."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[(slice(1, -1),) * mask.ndim]
    return mask & ~inner


def nearest(points: Floats, others: Floats) -> Floats:
    """Distance from each point to the nearest of the others, over all pairs."""
    found = []
    for part in np.array_split(points, len(points) // 64 + 1):
        squares = np.zeros((len(part), len(others)))
        for axis in range(points.shape[1]):
            squares += (part[:, None, axis] - others[None, :, axis]) ** 2
        found.append(np.sqrt(squares.min(axis=1)))
    return np.concatenate(found)


def distance_scores(prediction: Mask, reference: Mask, valid: Mask, spacing: Sequence[float]) -> dict[str, float]:
    """Give assd, hd and hd@95; the diagonal of the image where one mask is empty."""
    if not (prediction & valid).any() or not (reference & valid).any():
        diagonal = float(np.sqrt(sum((n * s) ** 2 for n, s in zip(valid.shape, spacing, strict=True))))
        return dict.fromkeys(("assd", "hd", "hd@95"), diagonal)
    # The border is that of the map as read: where the map goes on into an ignored zone it has none.
    surfaces = [np.argwhere(border(mask) & valid) * np.array(spacing) for mask in (prediction, reference)]
    there, back = nearest(surfaces[0], surfaces[1]), nearest(surfaces[1], surfaces[0])
    return {
        "assd": float((there.sum() + back.sum()) / (len(there) + len(back))),
        "hd": float(max(there.max(), back.max())),
        "hd@95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
    }


def ratio(part: int, whole: int) -> float | None:
    """Quotient of two counts, undefined over nothing."""
    return part / whole if whole else None


def label_scores(
    prediction: Labels, reference: Labels, label: int, valid: Mask, spacing: Sequence[float]
) -> tuple[dict[str, float | None], str]:
    """Scores of one label, and the note if one map lacks it."""
    p, r = prediction == label, reference == label
    tp, fp = int((p & r & valid).sum()), int((p & ~r & valid).sum())
    fn, tn = int((~p & r & valid).sum()), int((~p & ~r & valid).sum())
    note = "" if tp + fp and tp + fn else "reference empty" if tp + fp else "prediction empty"
    return {
        "dice": ratio(2 * tp, 2 * tp + fp + fn),
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        **distance_scores(p, r, valid, spacing),
    }, note


def generalized_dice(prediction: Labels, reference: Labels, valid: Mask) -> float:
    """Dice over the background and all labels, each weighted by 1 / (voxels in the reference) squared."""
    p, r = prediction[valid], reference[valid]
    classes = sorted({0, *np.unique(p).tolist(), *np.unique(r).tolist()})
    finite = {k: 1 / int((r == k).sum()) ** 2 for k in classes if (r == k).any()}
    # A class that the reference lacks would weigh infinitely: it weighs as much as the heaviest that it has.
    weights = {k: finite.get(k, max(finite.values())) for k in classes}
    above = sum(2 * w * int(((p == k) & (r == k)).sum()) for k, w in weights.items())
    below = sum(w * (int((p == k).sum()) + int((r == k).sum())) for k, w in weights.items())
    return above / below


def score_rows(
    case: str,
    maps: tuple[Labels, Labels],
    names: Mapping[int, str],
    spacing: Sequence[float],
    ignored: int | None = None,
) -> Iterator[str]:
    """Rows of the Markdown table for one case: its labels, then ``all``."""
    prediction, reference = maps
    valid: Mask = np.ones(reference.shape, bool) if ignored is None else reference != ignored
    for label in sorted({*np.unique(prediction[valid]).tolist(), *np.unique(reference[valid]).tolist()} - {0}):
        scores, note = label_scores(prediction, reference, label, valid, spacing)
        yield table_row(case, str(label), names[label], scores, note)
    yield table_row(case, "all", "", {"generalized_dice": generalized_dice(prediction, reference, valid)}, "")


def number(value: float | None) -> str:
    """Six decimals; 1.000000 is kept for what is exactly 1, a dash for what is undefined."""
    if value is None:
        return "-"
    return "0.999999" if 0.999999 < value < 1 else f"{value:.6f}"


def table_row(case: str, label: str, name: str, scores: Mapping[str, float | None], note: str) -> str:
    """One row; a score that it does not have stays blank."""
    values = (number(scores[column]) if column in scores else "" for column in COLUMNS)
    return f"| {' | '.join((case, label, name, *values, note))} |"


def write_tables(readme: Path, tables: Mapping[str, Sequence[str]]) -> None:
    """Put each table between its markers."""
    head = [f"| case | label | name | {' | '.join(COLUMNS)} | note |", f"|---|---|---|{'---:|' * len(COLUMNS)}---|"]
    text = readme.read_text(encoding="utf-8")
    for name, rows in tables.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, marker, after = rest.partition(end)
        if not marker:
            sys.exit(f"{readme}: no markers for the table {name!r}")
        text = f"{before}{begin}\n" + "".join(f"{row}\n" for row in head + list(rows)) + f"\n{end}{after}"
    readme.write_text(text, encoding="utf-8", newline="\n")


def make_volumes(folder: Path) -> list[str]:
    """Write all cases; their score rows, computed from the files as written."""
    rows: list[str] = []
    for case in CASES:
        prediction_path = folder / "predictions" / f"{case.name}.nii.gz"
        reference_path = folder / "references" / f"{case.name}.nii.gz"
        prediction, reference = draw_case(case)
        affine = case.grid.affine()
        write_volume(reference_path, reference, affine)
        affine[0, 3] += case.origin_shift
        write_volume(prediction_path, prediction, affine)
        prediction, _ = read_volume(prediction_path)
        reference, spacing = read_volume(reference_path)
        rows += score_rows(case.name, (prediction, reference), ORGANS, spacing)
    return rows


def unsure(labels: Labels, reach: int = 3) -> dict[int, NDArray[np.uint16]]:
    """Label -> its share of the pixels around each pixel, 65,535 for all: what a network that is unsure might say.

    Shares are of the square of ``2 * reach + 1`` pixels; beyond its edges the picture goes on as at them.
    """
    height, width = labels.shape
    padded, side = np.pad(labels, reach, mode="edge"), 2 * reach + 1
    shares = {}
    for label in (OTHER, *STREET):
        members = (padded == label).astype(np.int64)
        around = sum(members[dy : dy + height, dx : dx + width] for dy in range(side) for dx in range(side))
        shares[label] = ((2 * 65535 * around + side**2) // (2 * side**2)).astype(np.uint16)  # rounded
    return shares


def make_street(folder: Path) -> list[str]:
    """Write the street scene and its names; its score rows."""
    drawn = draw_street()
    prediction, reference = (canvas.labels for canvas in drawn)
    write_picture(folder / "street" / "prediction.png", prediction)
    write_picture(folder / "street" / "reference.png", reference)
    write_polygons(folder / "street" / "reference.json", drawn[1])
    for label, shares in unsure(prediction).items():
        path = folder / "street" / "probabilities" / f"{label}.png"
        Image.fromarray(shares).save(path, format="PNG", compress_level=9)
    names = json.dumps({str(label): name for label, name in STREET_NAMES.items()}, indent=2)
    (folder / "street" / "labels.json").write_text(names + "\n", encoding="utf-8", newline="\n")
    return list(score_rows("street", (prediction, reference), STREET, (1.0, 1.0), IGNORED))


def main() -> None:
    """Write everything into the folder named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for name in ("predictions", "references", "street", "street/probabilities"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    tables = {"volumes": make_volumes(folder), "street": make_street(folder)}
    readme = folder / "README.md"
    if readme.exists():
        write_tables(readme, tables)
    print(f"{folder}: {len(CASES)} cases and a street scene")


if __name__ == "__main__":
    main()
