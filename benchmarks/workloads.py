"""Make the label maps for the benchmarks: ``python benchmarks/workloads.py [FOLDER]``.

Each workload is a pair, ``NAME_ref`` and ``NAME_pred``, where the prediction is a smooth random warp of the reference
by 1.5 voxels on average. Shapes are implicit functions roughened by random cubic B-splines, evaluated a few slices at
a time, so that the largest volume takes little more memory than its voxels. All random numbers are seeded: the same
version of NumPy makes the same files. Arrays, shapes, spacings and shifts are (z, y, x).
"""

from __future__ import annotations

import argparse
import gzip
import math
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Triple = tuple[float, float, float]
Shape = tuple[int, int, int]
Labels = np.ndarray[Shape, np.dtype[np.uint8]]
Floats = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "segeval-benchmarks"
SLICES_AT_ONCE = 8
WARP_VOXELS = 1.5
DISPLACEMENT: Shape = (10, 20, 20)  # 30 voxels long, not along an axis
LESION_COUNT = 100
ORGAN_COUNT = 104
STREET_CLASSES = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The files of one workload."""

    folder: Path
    name: str
    suffix: str = ".nii.gz"

    @property
    def reference(self) -> Path:
        return self.folder / f"{self.name}_ref{self.suffix}"

    @property
    def prediction(self) -> Path:
        return self.folder / f"{self.name}_pred{self.suffix}"


class SmoothField:
    """A random cubic B-spline over a volume, of mean 0 and standard deviation about 1.

    The lattice is given as a number of cells per axis and not as a size in voxels, so that a seed gives the same field
    at every resolution.
    """

    def __init__(self, random: np.random.Generator, *, shape: Shape, cells: Shape) -> None:
        lattice = [count + 3 for count in cells]
        mean_square_of_weights = 151 / 315  # of a cubic B-spline, per axis
        self._coefficients = (random.standard_normal(lattice) / mean_square_of_weights**1.5).astype(np.float32)
        self._weights = [_spline_weights(size, count) for size, count in zip(shape, cells, strict=True)]

    def inside(self, box: Box) -> Floats:
        """Return the field at the voxels of a box."""
        along_z, along_y, along_x = (weights[part] for weights, part in zip(self._weights, box, strict=True))
        field: Floats = np.tensordot(along_z, self._coefficients, axes=1)
        field = np.matmul(along_y, field)
        return np.asarray(np.matmul(field, along_x.T), np.float32)


def _spline_weights(size: int, cells: int) -> Floats:
    """Return the weight of each of the ``cells + 3`` coefficients at each of ``size`` voxels."""
    position = (np.arange(size) + 0.5) * (cells / size) + 1
    distance = np.abs(position[:, None] - np.arange(cells + 3))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance) ** 3 / 6
    return np.where(distance < 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def cells_of(shape: Shape, voxels: float) -> Shape:
    """Return how many lattice cells of about `voxels` voxels span each axis."""
    z, y, x = (max(1, round(size / voxels)) for size in shape)
    return z, y, x


def slabs(box: Box) -> Iterator[Box]:
    """Cut a box into groups of a few slices."""
    z, y, x = box
    for start in range(z.start, z.stop, SLICES_AT_ONCE):
        yield slice(start, min(start + SLICES_AT_ONCE, z.stop)), y, x


def around(shape: Shape, centre: Triple, reach: Triple) -> Box:
    """Return the box from ``centre - reach`` to ``centre + reach``, clipped to the volume."""
    z, y, x = (
        slice(max(0, int(middle - half)), min(size, int(middle + half) + 2))
        for size, middle, half in zip(shape, centre, reach, strict=True)
    )
    return z, y, x


def grown(box: Box, shape: Shape, margin: int) -> Box:
    """Return a box with a margin on every side, clipped to the volume."""
    z, y, x = (
        slice(max(0, part.start - margin), min(size, part.stop + margin)) for part, size in zip(box, shape, strict=True)
    )
    return z, y, x


def scaled(triple: Triple, factor: float) -> Triple:
    z, y, x = triple
    return z * factor, y * factor, x * factor


def radius(box: Box, centre: Triple, semi_axes: Triple) -> Floats:
    """Return, for each voxel of a box, its distance from an ellipsoid's centre: 1 on the ellipsoid."""
    z, y, x = (
        ((np.arange(part.start, part.stop, dtype=np.float32) - middle) / half) ** 2
        for part, middle, half in zip(box, centre, semi_axes, strict=True)
    )
    squared: Floats = z[:, None, None] + y[:, None] + x
    return np.sqrt(squared, out=squared)


def foreground_box(labels: Labels) -> Box:
    z = np.flatnonzero(labels.any(axis=(1, 2)))
    plane = labels.max(axis=0)
    y, x = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return slice(z[0], z[-1] + 1), slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)


def warped(labels: Labels, random: np.random.Generator, *, cell_voxels: float = 20) -> Labels:
    """Move every voxel by a smooth random field, 1.5 voxels long on average; an axis of length 1 stays."""
    shape = labels.shape
    moving = [axis for axis, size in enumerate(shape) if size > 1]
    mean_length_of_unit_normal = math.sqrt(math.pi / 2) if len(moving) == 2 else math.sqrt(8 / math.pi)
    amplitude = np.float32(WARP_VOXELS / mean_length_of_unit_normal)
    fields = {axis: SmoothField(random, shape=shape, cells=cells_of(shape, cell_voxels)) for axis in moving}
    strides = (shape[1] * shape[2], shape[2], 1)
    result = np.zeros_like(labels)
    flat = labels.reshape(-1)
    for part in slabs(grown(foreground_box(labels), shape, 8)):
        axes = np.ogrid[part]
        source = sum(strides[axis] * axes[axis] for axis in range(3) if axis not in fields)
        for axis, field in fields.items():
            target = field.inside(part)
            target *= amplitude
            target += axes[axis].astype(np.float32)
            np.rint(target, out=target)
            np.clip(target, 0, shape[axis] - 1, out=target)
            source = source + target.astype(np.intp) * strides[axis]
        result[part] = flat[source]
    return result


def displaced(labels: Labels, shift: Shape = DISPLACEMENT) -> Labels:
    """Move a map by whole voxels; voxels that leave the volume are lost."""
    result = np.zeros_like(labels)
    target = tuple(slice(by, None) for by in shift)
    source = tuple(slice(None, -by) for by in shift)
    result[target] = labels[source]
    return result


def shuffled(labels: Labels, random: np.random.Generator) -> Labels:
    """Renumber each label to another one that is in use."""
    used = np.unique(labels[labels > 0])
    order = random.permutation(used)
    table = np.zeros(256, np.uint8)
    table[order] = np.roll(order, 1)  # one cycle: no label keeps its number
    return table[labels]


def brats_reference() -> Labels:
    """Return an irregular tumour of three nested labels, as in brain MRI."""
    shape = (155, 240, 240)
    random = np.random.default_rng(1)
    centre, semi_axes = (85.0, 140.0, 95.0), (30.0, 38.0, 33.0)
    coarse = SmoothField(random, shape=shape, cells=cells_of(shape, 24))
    fine = SmoothField(random, shape=shape, cells=cells_of(shape, 8))
    labels = np.zeros(shape, np.uint8)
    for part in slabs(around(shape, centre, scaled(semi_axes, 1.8))):
        depth = radius(part, centre, semi_axes) + 0.15 * coarse.inside(part) + 0.06 * fine.inside(part)
        labels[part] = np.select([depth < 0.4, depth < 0.65, depth < 1], [1, 3, 2], 0)
    return labels


def liver_reference(scale: float = 1) -> Labels:
    """Return one large irregular organ of two lobes; ``scale`` multiplies the number of voxels along each axis."""
    shape: Shape = (int(200 * scale), int(512 * scale), int(512 * scale))
    random = np.random.default_rng(2)
    coarse = SmoothField(random, shape=shape, cells=(6, 12, 12))
    fine = SmoothField(random, shape=shape, cells=(20, 40, 40))

    lobes = [
        (scaled((105.0, 260.0, 190.0), scale), scaled((55.0, 106.0, 87.0), scale)),
        (scaled((120.0, 205.0, 272.0), scale), scaled((34.0, 60.0, 101.0), scale)),
    ]
    labels = np.zeros(shape, np.uint8)
    for part in slabs(around(shape, scaled((105.0, 250.0, 235.0), scale), scaled((90.0, 180.0, 190.0), scale))):
        depth = np.minimum(*(radius(part, *lobe) for lobe in lobes))
        depth += 0.10 * coarse.inside(part) + 0.04 * fine.inside(part)
        labels[part] = depth < 1
    return labels


def organs_reference() -> Labels:
    """Return 104 organs of various sizes in a body: rough ellipsoids, which divide the voxels where they overlap."""
    shape = (300, 400, 400)
    random = np.random.default_rng(3)
    body_centre, body_axes = np.array([150.0, 200.0, 200.0]), np.array([112.0, 130.0, 150.0])
    sizes = np.sort(np.exp(random.uniform(np.log(7), np.log(42), ORGAN_COUNT)))[::-1]
    centres: list[npt.NDArray[np.float64]] = []
    for number in range(ORGAN_COUNT):
        directions = random.standard_normal((40, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        candidates = body_centre + directions * random.uniform(size=(40, 1)) ** (1 / 3) * body_axes
        if number == 0:
            centres.append(candidates[0])
            continue
        gaps = np.linalg.norm(candidates[:, None] - np.array(centres), axis=2) - sizes[:number]
        centres.append(candidates[gaps.min(axis=1).argmax()])
    proportions = np.exp(random.uniform(-0.35, 0.35, (ORGAN_COUNT, 3)))
    numbers = random.permutation(ORGAN_COUNT) + 1
    organs = [
        (number, tuple(centre), tuple(size * proportion / np.cbrt(proportion.prod())))
        for number, centre, size, proportion in zip(numbers, centres, sizes, proportions, strict=True)
    ]
    coarse = SmoothField(random, shape=shape, cells=cells_of(shape, 30))
    fine = SmoothField(random, shape=shape, cells=cells_of(shape, 10))
    labels = np.zeros(shape, np.uint8)
    whole = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    for part in slabs(whole):
        noise = 0.12 * coarse.inside(part) + 0.05 * fine.inside(part)
        closest = np.ones(noise.shape, np.float32)
        slab = labels[part]
        for number, centre, semi_axes in organs:
            z, y, x = around(shape, centre, scaled(semi_axes, 1.6))
            z = slice(max(z.start, part[0].start), min(z.stop, part[0].stop))
            if z.start >= z.stop:
                continue
            window = (slice(z.start - part[0].start, z.stop - part[0].start), y, x)
            depth = radius((z, y, x), centre, semi_axes) + noise[window]
            nearer = depth < closest[window]
            closest[window][nearer] = depth[nearer]
            slab[window][nearer] = number
    return labels


def lesion_reference(random: np.random.Generator) -> Labels:
    """Return a crop with one to three small lesions of one label."""
    shape = (25, 60, 60)
    noise = SmoothField(random, shape=shape, cells=(4, 8, 8))
    everywhere = (slice(0, 25), slice(0, 60), slice(0, 60))
    depth = np.full(shape, np.inf, np.float32)
    for _ in range(random.integers(1, 4)):
        z, y, x = random.uniform([9, 20, 20], [16, 40, 40])
        half = random.uniform(3, 10)
        np.minimum(depth, radius(everywhere, (z, y, x), (half * 0.6, half, half)), out=depth)
    return (depth + 0.15 * noise.inside(everywhere) < 1).astype(np.uint8)


def street_reference(shape: tuple[int, int], classes: int, seeds: int) -> Labels:
    """Return a picture tiled by irregular cells, (1, y, x): every pixel has one of the classes, counted from 1."""
    random = np.random.default_rng(5)
    volume = (1, *shape)
    box = (slice(0, 1), slice(0, shape[0]), slice(0, shape[1]))
    y_bend, x_bend = (
        SmoothField(random, shape=volume, cells=cells_of(volume, 60)).inside(box)[0] * 15 for _ in range(2)
    )
    y = np.arange(shape[0], dtype=np.float32)[:, None] + y_bend
    x = np.arange(shape[1], dtype=np.float32) + x_bend
    closest = np.full(shape, np.inf, np.float32)
    labels = np.zeros(volume, np.uint8)
    for number in range(seeds):
        seed_y, seed_x = random.uniform((0, 0), shape)
        distance = (y - seed_y) ** 2 + (x - seed_x) ** 2
        nearer = distance < closest
        closest[nearer] = distance[nearer]
        labels[0][nearer] = number % classes + 1
    return labels


def write_nifti(path: Path, labels: Labels, spacing: Triple) -> None:
    """Write a gzipped NIfTI file at zlib's usual level, without a time stamp."""
    affine = np.diag([*spacing[::-1], 1.0])
    one_voxel = np.broadcast_to(np.uint8(0), labels.shape[::-1])
    header: Any = nibabel.Nifti1Image(one_voxel, affine).header
    header.set_xyzt_units("mm")
    header["vox_offset"] = 352
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
        stream.write(header.binaryblock + bytes(4))
        for labels_slice in labels:
            stream.write(np.ascontiguousarray(labels_slice).data)


def write_pair(pair: Pair, reference: Labels, prediction: Labels, spacing: Triple) -> None:
    write_nifti(pair.reference, reference, spacing)
    write_nifti(pair.prediction, prediction, spacing)


def write_variant(pair: Pair, ordinary: Pair, prediction: Labels, spacing: Triple) -> None:
    """Write another prediction for the reference of an ordinary pair."""
    shutil.copyfile(ordinary.reference, pair.reference)
    write_nifti(pair.prediction, prediction, spacing)


def make_brats(folder: Path) -> None:
    reference = brats_reference()
    write_pair(
        Pair(folder=folder, name="brats"), reference, warped(reference, np.random.default_rng(11)), (1.0, 1.0, 1.0)
    )


def make_liver(folder: Path) -> None:
    spacing = (2.0, 0.75, 0.75)
    reference = liver_reference()
    prediction = warped(reference, np.random.default_rng(12))
    ordinary = Pair(folder=folder, name="liver")
    write_pair(ordinary, reference, prediction, spacing)
    write_variant(Pair(folder=folder, name="liver_displaced"), ordinary, displaced(prediction), spacing)


def make_liver_of_other_size(folder: Path, name: str, scale: float) -> None:
    """Sample the same liver more coarsely or finely; the prediction still deviates by 1.5 voxels."""
    reference = liver_reference(scale)
    prediction = warped(reference, np.random.default_rng(12), cell_voxels=20 * scale)
    write_pair(Pair(folder=folder, name=name), reference, prediction, (2.0 / scale, 0.75 / scale, 0.75 / scale))


def make_organs(folder: Path) -> None:
    spacing = (1.5, 1.0, 1.0)
    reference = organs_reference()
    prediction = warped(reference, np.random.default_rng(13))
    ordinary = Pair(folder=folder, name="organs")
    write_pair(ordinary, reference, prediction, spacing)
    write_variant(Pair(folder=folder, name="organs_displaced"), ordinary, displaced(prediction), spacing)
    renamed = shuffled(prediction, np.random.default_rng(14))
    write_variant(Pair(folder=folder, name="organs_shuffled"), ordinary, renamed, spacing)


def make_lesions(folder: Path) -> None:
    random = np.random.default_rng(4)
    for pair in lesion_pairs(folder):
        reference = lesion_reference(random)
        pair.folder.mkdir(exist_ok=True)
        write_pair(pair, reference, warped(reference, random, cell_voxels=10), (2.0, 1.0, 1.0))


def make_picture(folder: Path, name: str, shape: tuple[int, int], classes: int, seeds: int) -> None:
    pair = Pair(folder=folder, name=name, suffix=".png")
    reference = street_reference(shape, classes, seeds)
    Image.fromarray(reference[0]).save(pair.reference)
    Image.fromarray(warped(reference, np.random.default_rng(15))[0]).save(pair.prediction)


def lesion_pairs(folder: Path) -> list[Pair]:
    return [Pair(folder=folder / "lesions", name=f"lesion_{number:03}") for number in range(LESION_COUNT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Pairs that are made together."""

    pairs: Callable[[Path], list[Pair]]
    make: Callable[[Path], None]


def _named(*names: str, suffix: str = ".nii.gz") -> Callable[[Path], list[Pair]]:
    return lambda folder: [Pair(folder=folder, name=name, suffix=suffix) for name in names]


FAMILIES = {
    "brats": Family(pairs=_named("brats"), make=make_brats),
    "liver": Family(pairs=_named("liver", "liver_displaced"), make=make_liver),
    "organs": Family(pairs=_named("organs", "organs_displaced", "organs_shuffled"), make=make_organs),
    "lesions": Family(pairs=lesion_pairs, make=make_lesions),
    "street": Family(
        pairs=_named("street", suffix=".png"),
        make=lambda folder: make_picture(folder, "street", (1024, 2048), STREET_CLASSES, 300),
    ),
    "small": Family(
        pairs=_named("small", suffix=".png"), make=lambda folder: make_picture(folder, "small", (192, 256), 3, 12)
    ),
    "liver_half": Family(
        pairs=_named("liver_half"), make=lambda folder: make_liver_of_other_size(folder, "liver_half", 0.5)
    ),
    "liver_double": Family(
        pairs=_named("liver_double"), make=lambda folder: make_liver_of_other_size(folder, "liver_double", 2)
    ),
}


def ensure(folder: Path, family: str, *, force: bool = False) -> list[Pair]:
    """Make a family of pairs unless it exists, and return its pairs."""
    pairs = FAMILIES[family].pairs(folder)
    if force or not all(path.exists() for pair in pairs for path in (pair.reference, pair.prediction)):
        folder.mkdir(parents=True, exist_ok=True)
        FAMILIES[family].make(folder)
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the label maps for the benchmarks.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help=f"default: {DEFAULT_FOLDER}")
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="default: all")
    parser.add_argument("--force", action="store_true", help="make existing files again")
    options = parser.parse_args()
    for family in options.only:
        start = time.perf_counter()
        ensure(options.folder, family, force=options.force)
        print(f"{family:14}{time.perf_counter() - start:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
