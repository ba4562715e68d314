"""Measure the errors of each surface on shapes whose distances are known.

Two shapes, one of them moved or of another size, are put on a grid. The scores of each surface are computed from the
two masks, and the true scores from the shapes themselves. Distances to a shape have a closed form; those to an
ellipsoid are found by bisection. For balls the distances are known functions of the angle; the surfaces of other
shapes are sampled densely. The output is the mean absolute error: in mm for the Hausdorff distance, its 95th
percentile and the mean surface distance, and as a share of the surface for the NSD at 1 and 2 mm.

``python benchmarks/accuracy.py [--placements N] [--seed N] [--markdown]``; about a minute.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segeval.evidence.surfaces.distances import Distances
from segeval.evidence.surfaces.smooth import SmoothSurfaces
from segeval.evidence.surfaces.surface_pairs import Surfaces
from segeval.evidence.surfaces.surfels import Surfels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array = npt.NDArray[Any]
Spacing = tuple[float, float, float]

TOLERANCES_MM = (1.0, 2.0)
SLACK = 1e-4
HEADINGS = ("HD mm", "HD95 mm", "mean distance mm", "NSD 1 mm", "NSD 2 mm")
ISOTROPIC: tuple[Spacing, ...] = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
SLICES: Spacing = (5.0, 0.8, 0.8)
SAMPLES = 20_000  # approximate number of points on a surface
ANGLES = 100_001
MARGIN_VOXELS = 2


# Shapes: each is centred at 0 and has a function for the distance of any point from its surface.


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A body at the origin.

    Parameters
    ----------
    signed
        Distance of points, shape (n, 3), from the surface in mm, negative inside; shape (n,).
    sampled
        Points on the surface, shape (n, 3), and the area of each, shape (n,); in mm.
    reach
        Largest distance of its points from its centre.
    """

    signed: Callable[[Array], Array]
    sampled: Callable[[], tuple[Array, Array]]
    reach: float


def patches(
    point: Callable[[Array, Array], tuple[Array, ...]], u: tuple[float, float], v: tuple[float, float], n: int
) -> tuple[Array, Array]:
    """Sample a parametrised surface at the centres of n x n patches, and compute the areas of the patches."""
    step_u, step_v = (u[1] - u[0]) / n, (v[1] - v[0]) / n
    grid_u, grid_v = np.meshgrid(u[0] + step_u * (np.arange(n) + 0.5), v[0] + step_v * (np.arange(n) + 0.5))

    def at(du: float, dv: float) -> Array:
        return np.stack(np.broadcast_arrays(*point(grid_u + du * step_u, grid_v + dv * step_v)), -1).reshape(-1, 3)

    across = np.cross(at(0.5, 0) - at(-0.5, 0), at(0, 0.5) - at(0, -0.5))
    return at(0, 0), np.linalg.norm(across, axis=1)


def together(*parts: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.concatenate([points for points, _ in parts]), np.concatenate([areas for _, areas in parts])


def on_sphere(radius: float) -> tuple[Array, Array]:
    def point(u: Array, v: Array) -> tuple[Array, ...]:
        across = np.sqrt(1 - u * u)
        return radius * u, radius * across * np.cos(v), radius * across * np.sin(v)

    return patches(point, (-1, 1), (0, 2 * math.pi), math.isqrt(SAMPLES))


def ball(radius: float) -> Shape:
    return Shape(signed=lambda p: np.linalg.norm(p, axis=1) - radius, sampled=lambda: on_sphere(radius), reach=radius)


def shell(radius: float, thickness: float) -> Shape:
    outer, inner = radius + thickness / 2, radius - thickness / 2
    return Shape(
        signed=lambda p: np.abs(np.linalg.norm(p, axis=1) - radius) - thickness / 2,
        sampled=lambda: together(on_sphere(outer), on_sphere(inner)),
        reach=outer,
    )


def torus(radius: float, thickness: float) -> Shape:
    def signed(p: Array) -> Array:
        return np.hypot(np.hypot(p[:, 1], p[:, 2]) - radius, p[:, 0]) - thickness / 2

    def point(u: Array, v: Array) -> tuple[Array, ...]:
        out = radius + thickness / 2 * np.cos(u)
        return thickness / 2 * np.sin(u), out * np.cos(v), out * np.sin(v)

    turn = (0, 2 * math.pi)
    return Shape(
        signed=signed, sampled=lambda: patches(point, turn, turn, math.isqrt(SAMPLES)), reach=radius + thickness / 2
    )


def tube(length: float, radius: float) -> Shape:
    """Return a straight vessel with round ends."""

    def signed(p: Array) -> Array:
        beyond = np.maximum(np.abs(p[:, 0]) - length / 2, 0)
        return np.sqrt(beyond**2 + p[:, 1] ** 2 + p[:, 2] ** 2) - radius

    def sampled() -> tuple[Array, Array]:
        ends, areas = on_sphere(radius)
        ends = ends + np.sign(ends[:, :1]) * [length / 2, 0, 0]
        side = patches(
            lambda u, v: (u, radius * np.cos(v), radius * np.sin(v)),
            (-length / 2, length / 2),
            (0, 2 * math.pi),
            math.isqrt(SAMPLES),
        )
        return together((ends, areas), side)

    return Shape(signed=signed, sampled=sampled, reach=length / 2 + radius)


def box(*sides: float) -> Shape:
    half = np.array(sides) / 2

    def signed(p: Array) -> Array:
        beyond = np.abs(p) - half
        return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)

    def side(axis: int, sign: int) -> tuple[Array, Array]:
        def point(u: Array, v: Array) -> tuple[Array, ...]:
            across: list[Array] = [u, v]
            across.insert(axis, np.full_like(u, sign * half[axis]))
            return tuple(across)

        u, v = (half[other] for other in range(3) if other != axis)
        return patches(point, (-u, u), (-v, v), math.isqrt(SAMPLES // 6))

    return Shape(
        signed=signed,
        sampled=lambda: together(*(side(axis, sign) for axis in range(3) for sign in (-1, 1))),
        reach=float(np.linalg.norm(half)),
    )


def ellipsoid(*radii: float) -> Shape:
    """Return an ellipsoid; its nearest point to p is r^2 p / (r^2 + t), with the t that puts it on the surface."""
    squares = np.square(radii)

    def signed(p: Array) -> Array:
        q = np.maximum(np.abs(p), 1e-9)
        low = np.full(len(q), -squares.min()) + np.sqrt(squares.min()) * q[:, np.argmin(squares)]
        high = np.linalg.norm(q * radii, axis=1)
        for _ in range(60):
            middle = (low + high) / 2
            outside = (squares * np.square(q / (squares + middle[:, None]))).sum(axis=1) > 1
            low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        foot = squares * q / (squares + low[:, None])
        return np.linalg.norm(q - foot, axis=1) * np.where((q**2 / squares).sum(axis=1) > 1, 1, -1)

    def point(u: Array, v: Array) -> tuple[Array, ...]:
        across = np.sqrt(1 - u * u)
        return radii[0] * u, radii[1] * across * np.cos(v), radii[2] * across * np.sin(v)

    return Shape(
        signed=signed,
        sampled=lambda: patches(point, (-1, 1), (0, 2 * math.pi), math.isqrt(SAMPLES)),
        reach=max(radii),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A shape at a position, rotated."""

    shape: Shape
    centre: Array
    turn: Array  # rotation from positions to the shape's own axes

    def signed(self, places: Array) -> Array:
        return self.shape.signed((places - self.centre) @ self.turn)

    def sampled(self) -> tuple[Array, Array]:
        points, areas = self.shape.sampled()
        return points @ self.turn.T + self.centre, areas


def random_turn(random: np.random.Generator) -> Array:
    turn, _ = np.linalg.qr(random.standard_normal((3, 3)))
    return turn


def direction(random: np.random.Generator) -> Array:
    vector = random.standard_normal(3)
    return vector / np.linalg.norm(vector)


def masks(bodies: tuple[Placed, Placed], spacing: Spacing) -> list[Array]:
    """Put two bodies on one grid: a voxel belongs to a body if its centre does."""
    low = np.min([body.centre - body.shape.reach for body in bodies], axis=0)
    high = np.max([body.centre + body.shape.reach for body in bodies], axis=0)
    first = np.floor(low / spacing) - MARGIN_VOXELS
    shape = (np.ceil(high / spacing) + MARGIN_VOXELS - first + 1).astype(int)
    places = (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3) + first) * spacing
    return [(body.signed(places) <= 0).reshape(shape).astype(np.uint8) for body in bodies]


# Scores: HD, HD95, mean surface distance, NSD at each tolerance.


def numbers_of(both: tuple[Distances, Distances], percentile: Callable[[Distances, float], float]) -> list[float]:
    total = sum(each.total for each in both)
    return [
        *(max(percentile(each, percent) for each in both) for percent in (100, 95)),
        sum(each.sum() for each in both) / total,
        *(sum(each.within(tolerance + SLACK) for each in both) / total for tolerance in TOLERANCES_MM),
    ]


def by_surfaces(
    kind: Callable[..., Any], percentile: Callable[[Distances, float], float]
) -> Callable[[Array, Array, Spacing], list[float]]:
    def numbers(prediction: Array, reference: Array, spacing: Spacing) -> list[float]:
        surfaces = kind(prediction=prediction, reference=reference, labels=[1], present=[0, 1], spacing=spacing)
        return numbers_of(surfaces.distances({1: {1}})[1], percentile)

    return numbers


SURFACES: dict[str, Callable[[Array, Array, Spacing], list[float]]] = {
    "voxel": by_surfaces(Surfaces, Distances.percentile),
    "surfel": by_surfaces(Surfels, Distances.cumulated_percentile),
    "smooth": by_surfaces(SmoothSurfaces, Distances.cumulated_percentile),
}


def sorted_distances(values: Array, weights: Array) -> Distances:
    order = np.argsort(values)
    return Distances(values=values[order], weights=weights[order])


def true_numbers(prediction: Placed, reference: Placed) -> list[float]:
    """Return the scores of the bodies themselves."""
    both = []
    for source, target in ((prediction, reference), (reference, prediction)):
        points, areas = source.sampled()
        both.append(sorted_distances(np.abs(target.signed(points)), areas))
    return numbers_of((both[0], both[1]), Distances.cumulated_percentile)


def true_numbers_of_balls(one: float, other: float, shift: float) -> list[float]:
    """Return the scores of two balls of these radii; the cosine of the angle to the shift is uniform in area."""
    cosine = np.linspace(-1, 1, ANGLES)
    both = []
    for radius, target in ((one, other), (other, one)):
        away = np.abs(np.sqrt(radius**2 + shift**2 - 2 * radius * shift * cosine) - target)
        both.append(sorted_distances(away, np.full(ANGLES, 4 * math.pi * radius**2 / ANGLES)))
    return numbers_of((both[0], both[1]), Distances.cumulated_percentile)


# Sets of pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Two bodies on a grid, and their true scores."""

    prediction: Placed
    reference: Placed
    spacing: Spacing
    truth: list[float]


BALLS: tuple[tuple[Spacing, float, float, float], ...] = (  # spacing, two radii, shift
    *((spacing, 10.0, 10.0, 3.0) for spacing in (*ISOTROPIC, SLICES)),
    *((spacing, 12.0, 10.0, 2.5) for spacing in (*ISOTROPIC, SLICES)),
    ((1.0, 1.0, 1.0), 12.5, 10.0, 0.0),
)

HARD: dict[str, Shape] = {
    "ellipsoid": ellipsoid(6, 9, 14),
    "torus": torus(11, 6),
    "tube": tube(24, 2.2),
    "plate": box(2.5, 18, 22),
    "shell": shell(10, 3),
    "box": box(10, 14, 18),
    "small ball": ball(3),
}
LARGER: dict[str, tuple[Shape, Shape]] = {
    "ellipsoid": (ellipsoid(6, 9, 14), ellipsoid(7.5, 10.5, 15.5)),
    "torus": (torus(11, 6), torus(11, 8.5)),
    "tube": (tube(24, 2.2), tube(24, 3.4)),
    "plate": (box(2.5, 18, 22), box(4.9, 20.4, 24.4)),
    "shell": (shell(10, 3), shell(10, 5)),
    "box": (box(10, 14, 18), box(12.6, 16.6, 20.6)),
    "small ball": (ball(3), ball(4.3)),
}


def balls(random: np.random.Generator, placements: int) -> Iterator[Sample]:
    for spacing, one, other, shift in BALLS:
        for _ in range(placements):
            centre = random.uniform(-0.5, 0.5, 3) * spacing
            yield Sample(
                prediction=Placed(shape=ball(one), centre=centre + shift * direction(random), turn=np.eye(3)),
                reference=Placed(shape=ball(other), centre=centre, turn=np.eye(3)),
                spacing=spacing,
                truth=true_numbers_of_balls(one, other, shift),
            )


def sampled(prediction: Placed, reference: Placed, spacing: Spacing) -> Sample:
    truth = true_numbers(prediction, reference)
    return Sample(prediction=prediction, reference=reference, spacing=spacing, truth=truth)


def shifted(random: np.random.Generator, placements: int, spacing: Spacing) -> Iterator[Sample]:
    for shape in HARD.values():
        for _ in range(placements):
            centre, turn = random.uniform(-0.5, 0.5, 3) * spacing, random_turn(random)
            moved = centre + random.uniform(1, 4) * direction(random)
            yield sampled(
                Placed(shape=shape, centre=moved, turn=turn), Placed(shape=shape, centre=centre, turn=turn), spacing
            )
    for _ in range(placements):  # one voxel, as the mask of a ball of its volume or the largest ball that fits
        speck = ball(min(spacing) * (3 / (4 * math.pi)) ** (1 / 3))
        centre = random.uniform(-0.1, 0.1, 3) * min(spacing)
        moved = centre + random.integers(1, 4) * np.roll([1, 0, 0], random.integers(3)) * spacing
        yield sampled(
            Placed(shape=speck, centre=moved, turn=np.eye(3)),
            Placed(shape=speck, centre=centre, turn=np.eye(3)),
            spacing,
        )


def larger(random: np.random.Generator, placements: int, spacing: Spacing) -> Iterator[Sample]:
    for small, large in LARGER.values():
        for _ in range(placements):
            centre, turn = random.uniform(-0.5, 0.5, 3) * spacing, random_turn(random)
            yield sampled(
                Placed(shape=large, centre=centre, turn=turn), Placed(shape=small, centre=centre, turn=turn), spacing
            )


SETS: dict[str, Callable[[np.random.Generator, int], Iterator[Sample]]] = {
    "balls": balls,
    "hard shapes, shifted, 1 mm": lambda random, n: shifted(random, n, (1.0, 1.0, 1.0)),
    "hard shapes, shifted, 5 mm slices": lambda random, n: shifted(random, n, SLICES),
    "hard shapes, one larger, 1 mm": lambda random, n: larger(random, n, (1.0, 1.0, 1.0)),
    "hard shapes, one larger, 5 mm slices": lambda random, n: larger(random, n, SLICES),
}


def errors_of(samples: Iterator[Sample]) -> tuple[dict[str, Array], dict[str, int], int]:
    """Return each surface's mean absolute errors, its number of lost samples, and the number of samples."""
    errors: dict[str, list[Array]] = {name: [] for name in SURFACES}
    lost = dict.fromkeys(SURFACES, 0)
    count = 0
    for sample in samples:
        prediction, reference = masks((sample.prediction, sample.reference), sample.spacing)
        if not (prediction.any() and reference.any()):
            continue  # the shape is between the slices
        count += 1
        for name, numbers in SURFACES.items():
            error = np.abs(np.subtract(numbers(prediction, reference, sample.spacing), sample.truth))
            if np.isfinite(error).all():
                errors[name].append(error)
            else:
                lost[name] += 1
    return {name: np.mean(each, axis=0) for name, each in errors.items()}, lost, count


def table(markdown: bool, name: str, errors: dict[str, Array], lost: dict[str, int], count: int) -> str:
    heading = [f"{name} ({count})", *HEADINGS, "lost"]
    rows = [[surface, *(f"{error:.3f}" for error in each), str(lost[surface])] for surface, each in errors.items()]
    if markdown:
        lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    return (
        "\n".join(
            "  ".join(
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in (heading, *rows)
        )
        + "\n"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--placements", type=int, default=15, help="random placements of each pair (default: 15)")
    options.add_argument("--seed", type=int, default=2026, help="seed of the placements (default: 2026)")
    options.add_argument("--markdown", action="store_true", help="print tables for the documentation")
    given = options.parse_args()
    for name, samples in SETS.items():
        random = np.random.default_rng(given.seed)
        print(table(given.markdown, name, *errors_of(samples(random, given.placements))), flush=True)


if __name__ == "__main__":
    main()
