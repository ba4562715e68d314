"""Surfels against hand-derived areas, brute force, and the numbers of surface-distance."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Collection, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segeval.evidence.surfaces import nearest, surfels
from segeval.evidence.surfaces.distances import NOTHING, Distances
from segeval.evidence.surfaces.surfels import Surfels, surfel_areas
from segeval.maps import label_map as labelmap

Array = NDArray[Any]
Spacing = tuple[float, ...]
Both = tuple[Distances, Distances]

SPACINGS: list[Spacing] = [(1.0, 1.0, 1.0), (3.0, 0.75, 1.25), (0.5, 7.0, 2.0), (1.0, 1.0), (2.5, 0.8)]
TOLERANCES = (0.0, 0.4, 1.0, 2.3, 6.0)
PERCENTS = (0, 12.5, 50, 95, 100)


def found(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    groups: Mapping[Any, Collection[int]] | None = None,
    ignored: int | None = None,
    threads: int = 1,
) -> dict[Any, Both]:
    """Distances of groups of labels, by default of each label of either map but 0 and the ignored one."""
    present = sorted({*np.unique(prediction).tolist(), *np.unique(reference).tolist()})
    if groups is None:
        groups = {label: [label] for label in present if label not in {0, ignored}}
    return Surfels(
        prediction=labelmap.as_labels(prediction, source="prediction"),
        reference=labelmap.as_labels(reference, source="reference"),
        labels=sorted({label for members in groups.values() for label in members}),
        present=present,
        spacing=spacing,
        ignored=ignored,
        merging=any(len(members) > 1 for members in groups.values()),
        threads=threads,
    ).distances(groups)


approx = partial(pytest.approx, rel=1e-9, abs=1e-12)


def mass(distances: Distances, *, lengths: float = 1.0) -> dict[float, float]:
    """Amount of surface at each distance; distances that differ only by rounding are joined."""
    gathered: dict[float, float] = {}
    for value, weight in zip(distances.values.tolist(), distances.weights.tolist(), strict=True):
        key = round(value * lengths, 9)
        gathered[key] = gathered.get(key, 0.0) + weight
    return gathered


def assert_same(
    one: Mapping[Any, Both], other: Mapping[Any, Both], *, areas: float = 1.0, lengths: float = 1.0
) -> None:
    assert one.keys() == other.keys()
    for key, both in one.items():
        for a, b in zip(both, other[key], strict=True):
            expected = {value: weight * areas for value, weight in mass(a, lengths=lengths).items()}
            assert mass(b) == approx(expected)


def maps(shape: tuple[int, ...], *, labels: int, seed: int, smooth: float) -> Array:
    """Labels from 0 on in blobs, or noise; label 0 is the most common."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal(shape), smooth) for _ in range(labels + 1)]
    fields[0] += 0.5 * np.std(fields[0])
    largest: Array = np.argmax(fields, axis=0)
    return largest.astype(np.uint8)


def by_hand(mask: Array, spacing: Spacing, *, outside: bool = False) -> tuple[Array, Array, list[Any]]:
    """Corners of one mask, their areas, and the voxels of the mask in each: one corner after the other."""
    areas = surfel_areas(spacing)
    padded = np.pad(mask, 1, constant_values=outside)
    corners, weights, voxels = [], [], []
    around = list(itertools.product((0, 1), repeat=mask.ndim))
    for corner in np.ndindex(*(n + 1 for n in mask.shape)):
        inside = [tuple(np.add(corner, step)) for step in around if padded[tuple(np.add(corner, step))]]
        if 0 < len(inside) < len(around):
            pattern = sum(1 << bit for bit, step in enumerate(around) if padded[tuple(np.add(corner, step))])
            corners.append(corner)
            weights.append(areas[pattern])
            voxels.append([tuple(np.subtract(voxel, 1)) for voxel in inside])
    return np.array(corners).reshape(-1, mask.ndim), np.array(weights), voxels


def directed(source: tuple[Array, Array], target: Array, spacing: Spacing) -> Distances:
    """Every corner compared with every other."""
    corners, weights = source
    if not len(corners):
        return NOTHING
    if not len(target):
        return Distances(values=np.array([math.inf]), weights=np.array([weights.sum()]))
    steps = (corners[:, None] - target[None]) * np.array(spacing)
    return Distances(values=np.sqrt((steps**2).sum(axis=-1)).min(axis=1), weights=weights)


def counted(mask: Array, zone: Array, spacing: Spacing, *, outside: bool) -> tuple[Array, Array]:
    """The corners of a mask, without corners whose voxels in the image are all ignored."""
    corners, weights, voxels = by_hand(mask, spacing, outside=outside)
    inside = [[v for v in each if all(0 <= i < n for i, n in zip(v, mask.shape, strict=True))] for each in voxels]
    kept = np.ones(len(corners), bool)
    for number, (corner, each) in enumerate(zip(corners, inside, strict=True)):
        near = zone[tuple(slice(max(0, i - 1), i + 1) for i in corner)]
        kept[number] = not near.any() or any(not zone[voxel] for voxel in each)
    return corners[kept], weights[kept]


def expected_by_hand(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    groups: Mapping[Hashable, Collection[int]],
    ignored: int | None = None,
) -> dict[Any, Both]:
    zone = np.zeros(reference.shape, bool) if ignored is None else reference == ignored
    if ignored is not None:
        prediction = np.where((prediction == ignored) & ~zone, 0, prediction)
    both = {}
    for key, members in groups.items():
        p, r = (
            counted(np.isin(labels, list(members)), zone, spacing, outside=0 in members)
            for labels in (prediction, reference)
        )
        both[key] = directed(p, r[0], spacing), directed(r, p[0], spacing)
    return both


# Areas


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_do_not_depend_on_which_way_a_neighbourhood_lies(spacing: Spacing) -> None:
    ndim = len(spacing)
    voxels = surfels.neighbours(ndim)
    for pattern in range(1 << len(voxels)):
        inside = {voxel for bit, voxel in enumerate(voxels) if pattern >> bit & 1}
        area = surfel_areas(spacing)[pattern]
        assert area == surfel_areas(spacing)[(1 << len(voxels)) - 1 - pattern]
        assert (area == 0) == (len(inside) in {0, len(voxels)})
        for order in itertools.permutations(range(ndim)):
            for flip in voxels:
                turned = {tuple(voxel[axis] ^ flip[axis] for axis in order) for voxel in inside}
                number = sum(1 << bit for bit, voxel in enumerate(voxels) if voxel in turned)
                again = surfel_areas(tuple(spacing[axis] for axis in order))[number]
                assert again == approx(area)


def test_a_voxel_is_an_octahedron() -> None:
    #  Of each of the eight corners a triangle is cut off, through the midpoints of three edges: half an edge long
    #  along each axis, its shadow on each face is an eighth of that face.
    a, b, c = 2.0, 3.0, 6.0
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[1, 1, 1] = 1
    ((there, back),) = found(labels, labels, spacing=(a, b, c)).values()
    triangle = math.sqrt((b * c) ** 2 + (a * c) ** 2 + (a * b) ** 2) / 8
    assert there.values.tolist() == back.values.tolist() == [0]
    assert there.weights.tolist() == back.weights.tolist() == approx([8 * triangle])


def test_a_pixel_is_a_rhombus() -> None:
    labels = np.array([[1]])
    shifted = np.array([[0, 1]])
    ((there, back),) = found(shifted, np.array([[1, 0]]), spacing=(3.0, 4.0)).values()
    side = 0.5 * math.sqrt(3**2 + 4**2)
    # . o-x-x .    o: corners of the reference alone, x: of both or of the prediction alone; two lie 4 mm off
    for distances in (there, back):
        assert distances.values.tolist() == [0, 4]
        assert distances.weights.tolist() == approx([2 * side, 2 * side])
    assert found(labels, labels, spacing=(3.0, 4.0))[1][0].total == approx(4 * side)


def test_a_box_has_faces_edges_and_vertices() -> None:
    (a, b, c), (x, y, z) = (2.0, 3.0, 6.0), (2, 3, 4)
    labels = np.ones((x, y, z), np.uint8)  # its sides are those of the image
    faces = 2 * ((x - 1) * (y - 1) * a * b + (x - 1) * (z - 1) * a * c + (y - 1) * (z - 1) * b * c)
    edges = 4 * (
        (x - 1) * 0.5 * a * math.hypot(b, c)
        + (y - 1) * 0.5 * b * math.hypot(a, c)
        + (z - 1) * 0.5 * c * math.hypot(a, b)
    )
    vertices = 8 * math.sqrt((b * c) ** 2 + (a * c) ** 2 + (a * b) ** 2) / 8
    there, _ = found(labels, labels, spacing=(a, b, c))[1]
    assert there.total == approx(faces + edges + vertices)


def test_a_plane_moved_by_two_slices() -> None:
    reference = np.zeros((9, 5, 6), np.uint8)
    reference[:3] = 1
    prediction = np.zeros_like(reference)
    prediction[:5] = 1
    there, back = found(prediction, reference, spacing=(1.5, 2.0, 4.0))[1]
    # Of the plane's 6 x 7 corners 4 x 5 have a face each; 2 x 5 of these are nearer to a side of the prediction.
    assert there.values[-1] == back.values[-1] == 3
    assert mass(back)[3] == approx(2 * 5 * (2 * 4))
    assert mass(back)[2] == approx(2 * 5 * (2 * 4))
    edges = 2 * 4 * (0.5 * 2 * math.hypot(1.5, 4)) + 2 * 5 * (0.5 * 4 * math.hypot(1.5, 2))
    vertices = 4 * math.sqrt((1.5 * 2) ** 2 + (1.5 * 4) ** 2 + (2 * 4) ** 2) / 8
    assert mass(there)[3] == approx(4 * 5 * (2 * 4) + edges + vertices)


# Other labels, regions, ignored voxels


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("dense", [0.0, math.inf])
def test_surfels_agree_with_brute_force(monkeypatch: pytest.MonkeyPatch, seed: int, dense: float) -> None:
    monkeypatch.setattr(surfels, "DENSE_SHARE", dense)
    ndim = 2 + seed % 2
    shape = (4, 5, 6) if ndim == 3 else (9, 8)
    prediction, reference = (
        maps(shape, labels=6, seed=seed + number, smooth=(0.0, 1.2)[seed % 3 > 0]) for number in (0, 100)
    )
    spacing = SPACINGS[seed % 3] if ndim == 3 else SPACINGS[3 + seed % 4 // 2]
    groups: dict[Hashable, Collection[int]] = {0: [0], **{label: [label] for label in range(1, 6)}}
    for ignored in (None, 6):
        options: dict[str, Any] = {"spacing": spacing, "ignored": ignored}
        expected = expected_by_hand(prediction, reference, groups=groups, **options)
        assert_same(expected, found(prediction, reference, groups=groups, **options))
        regions: dict[Hashable, Collection[int]] = {"one": [1, 3], "two": [2, 4], "three": [5]}
        expected = expected_by_hand(prediction, reference, groups=regions, **options)
        assert_same(expected, found(prediction, reference, groups=regions, **options))
        regions = {"most": [0, 2, 3], "rest": [4, 5]}
        expected = expected_by_hand(prediction, reference, groups=regions, **options)
        assert_same(expected, found(prediction, reference, groups=regions, **options))


@pytest.mark.parametrize("seed", range(6))
def test_a_label_does_not_depend_on_the_others(seed: int) -> None:
    prediction, reference = (maps((8, 9, 10), labels=5, seed=seed + number, smooth=0.8) for number in (0, 50))
    spacing = SPACINGS[seed % 3]
    together = found(prediction, reference, spacing=spacing)
    for label in together:
        alone = found(prediction == label, reference == label, spacing=spacing)
        assert_same({1: together[label]}, alone)
        assert_same({label: together[label]}, found(prediction, reference, spacing=spacing, groups={label: [label]}))


def test_a_region_is_its_relabelled_union() -> None:
    prediction, reference = (maps((8, 9, 10), labels=5, seed=number, smooth=0.8) for number in (3, 4))
    relabelled = np.array([0, 1, 2, 1, 0, 2], np.uint8)
    merged = found(prediction, reference, spacing=SPACINGS[1], groups={1: [1, 3], 2: [2, 5]})
    assert_same(found(relabelled[prediction], relabelled[reference], spacing=SPACINGS[1]), merged)
    whole = found(prediction, reference, spacing=SPACINGS[1], groups={1: [1, 2, 3, 4, 5]})
    assert_same(found(prediction > 0, reference > 0, spacing=SPACINGS[1]), whole)


def test_a_region_that_is_absent_has_no_surface() -> None:
    labels = np.eye(4, dtype=np.uint8)
    there, back = found(labels, labels, spacing=(1.0, 1.0), groups={"nothing": [7, 8]})["nothing"]
    assert there.values.size == back.values.size == 0


def test_ignored_points_are_dropped() -> None:
    reference = np.array([[1, 1, 0, 0, 9, 9]], np.uint8)
    prediction = np.array([[1, 1, 0, 1, 1, 1]], np.uint8)
    there, back = found(prediction, reference, spacing=(1.0, 1.0), ignored=9)[1]
    # 0   1   2   3   4   5   6   corners of the prediction's stray piece: 3 to 6. Those of 5 and 6 have ignored pixels
    # | 1   1 | . | 1   1   1 |   alone; that of 4 has a counted one as well, and its whole length of 1.
    diagonal = math.sqrt(0.5)
    assert mass(back) == approx({0: 2 * (1 + 2 * diagonal)})
    assert mass(there) == approx({0: 2 * (1 + 2 * diagonal), 1: 2 * diagonal, 2: 2})


# Surfaces that are empty, far off, or met on another path


def test_an_empty_surface_has_no_distances_and_one_to_it_is_infinite() -> None:
    reference = np.zeros((3, 4), np.uint8)
    reference[1, 1] = 1
    there, back = found(np.zeros_like(reference), reference, spacing=(3.0, 4.0))[1]
    assert there.values.size == there.weights.size == 0
    assert back.values.tolist() == [math.inf]
    assert back.weights.tolist() == approx([10])
    there, back = found(reference, np.zeros_like(reference), spacing=(3.0, 4.0))[1]
    assert there.values.tolist() == [math.inf]
    assert back.values.size == 0


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 2.0, 3.0)])
def test_empty_maps_have_no_surfaces(spacing: Spacing) -> None:
    nothing = np.zeros((4,) * len(spacing), np.uint8)
    assert all(
        not distances.values.size
        for both in found(nothing, nothing, spacing=spacing, groups={0: [0], 3: [3], "both": [4, 5]}).values()
        for distances in both
    )


def displaced(by: int, *, shuffled: bool = False) -> tuple[Array, Array]:
    reference = maps((20, 36, 40), labels=9, seed=1, smooth=2.5)
    prediction = np.roll(reference, (2, by, -by), axis=(0, 1, 2))
    return (np.array([0, 4, 1, 2, 3, 6, 5, 9, 7, 8], np.uint8)[prediction] if shuffled else prediction), reference


def by_distance_transform(source: Array, target: Array, spacing: Spacing) -> Distances:
    """Distances of one label's corners by SciPy's distance transform of the whole lattice."""
    ndim = source.ndim
    areas = surfel_areas(spacing)
    patterns = []
    for mask in (source, target):
        padded = np.pad(mask, 1).astype(int)
        ends = [tuple(slice(step, step + n + 1) for step, n in zip(voxel, mask.shape, strict=True))
                for voxel in itertools.product((0, 1), repeat=ndim)]  # fmt: skip
        patterns.append(sum(padded[end] << bit for bit, end in enumerate(ends)))
    here, there = (areas[pattern] > 0 for pattern in patterns)
    distances = ndimage.distance_transform_edt(~there, sampling=spacing)[here]
    return Distances(values=distances, weights=areas[patterns[0]][here])


PATHS: dict[str, dict[str, float]] = {
    "as it is": {},
    "a short walk": {"WALK_STEPS": 3},
    "many steps at a time": {"WALK_STEPS": 3, "FEW_PAIRS": -1, "LOST_SHARE": 2},
    "many, cut short": {"WALK_STEPS": 3, "FEW_PAIRS": -1, "LOST_SHARE": 2, "FAR_LOOKS": 1},
    "tree": {"WALK_STEPS": 3, "DIRECT_PAIRS": -1, "DIRECT_PAIRS_OF_LABEL": -1},
    "all keys": {"DENSE_KEYS": 0},
    "small chunks": {"CHUNK": 13, "PAIRS_AT_ONCE": 50},
}


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("by", "shuffled"), [(1, False), (11, False), (1, True)])
def test_every_path_is_exact(monkeypatch: pytest.MonkeyPatch, path: str, by: int, shuffled: bool) -> None:
    for name, value in PATHS[path].items():
        monkeypatch.setattr(nearest, name, value)
    prediction, reference = displaced(by, shuffled=shuffled)
    spacing = (2.5, 0.75, 1.0)
    expected = {
        label: (
            by_distance_transform(prediction == label, reference == label, spacing),
            by_distance_transform(reference == label, prediction == label, spacing),
        )
        for label in range(1, 10)
    }
    assert_same(expected, found(prediction, reference, spacing=spacing))


@pytest.mark.slow
def test_threads_and_slabs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "THREADED_VOXELS", 0)
    prediction, reference = displaced(3)
    groups = {1: [1], "rest": [2, 3, 4, 5]}
    one = [found(prediction, reference, spacing=(2.5, 0.75, 1.0), groups=g) for g in (None, groups)]
    for slab in (1, 3_000, 1 << 19):
        monkeypatch.setattr(labelmap, "SLAB_VOXELS", slab)
        for g, expected in zip((None, groups), one, strict=True):
            other = found(prediction, reference, spacing=(2.5, 0.75, 1.0), groups=g, threads=2)
            assert other.keys() == expected.keys()
            for key, both in expected.items():
                for a, b in zip(both, other[key], strict=True):
                    assert a.values.tobytes() == b.values.tobytes()
                    assert a.weights.tobytes() == b.weights.tobytes()


# Laws


def test_flips_permutations_padding_and_scale_change_nothing() -> None:
    prediction, reference = (maps((7, 8, 9), labels=4, seed=number, smooth=0.9) for number in (5, 6))
    spacing = (3.0, 0.75, 1.25)
    expected = found(prediction, reference, spacing=spacing)
    for axis in range(3):
        assert_same(expected, found(np.flip(prediction, axis), np.flip(reference, axis), spacing=spacing))
    for order in itertools.permutations(range(3)):
        turned = tuple(spacing[axis] for axis in order)
        assert_same(expected, found(prediction.transpose(order), reference.transpose(order), spacing=turned))
    padding = ((0, 3), (2, 0), (4, 1))
    assert_same(expected, found(np.pad(prediction, padding), np.pad(reference, padding), spacing=spacing))
    doubled = tuple(2 * step for step in spacing)
    assert_same(expected, found(prediction, reference, spacing=doubled), areas=4, lengths=2)
    swapped = {label: both[::-1] for label, both in found(reference, prediction, spacing=spacing).items()}
    assert_same(expected, swapped)


@pytest.mark.parametrize("values", [(200, 255, 1, 77), (300, 5, 65_535, 2), (70_000, 2**40, 2**63, 9)])
def test_labels_may_be_any_numbers(values: tuple[int, ...]) -> None:
    prediction, reference = (maps((6, 7, 8), labels=4, seed=number, smooth=0.7) for number in (7, 8))
    numbers = np.array([0, *values], np.uint64)
    expected = {values[label - 1]: both for label, both in found(prediction, reference, spacing=SPACINGS[1]).items()}
    assert_same(expected, found(numbers[prediction], numbers[reference], spacing=SPACINGS[1]))


def test_many_labels_need_wide_codes() -> None:
    reference = np.arange(1, 401).reshape(20, 20)
    prediction = np.roll(reference, 1, axis=0)
    for label, (there, back) in found(prediction, reference, spacing=(3.0, 4.0)).items():
        moved = 3.0 if label <= 380 else 57.0
        assert there.total == back.total == approx(10)
        assert there.values[-1] == back.values[-1] == moved
    union = found(prediction, reference, spacing=(3.0, 4.0), groups={"all": range(1, 401)})["all"]
    assert mass(union[0]) == approx({0: 2 * (19 * 3 + 19 * 4) + 4 * 2.5})


# The percentile


def test_the_cumulated_percentile_by_hand() -> None:
    distances = Distances(values=np.array([0.0, 1.0, 4.0, 9.0]), weights=np.array([5.0, 2.0, 2.0, 1.0]))
    expected = {0: 0, 50: 0, 50.1: 1, 70: 1, 70.1: 4, 90: 4, 90.1: 9, 99: 9, 100: 9}
    assert {percent: distances.cumulated_percentile(percent) for percent in expected} == expected


def test_the_cumulated_percentile_forgives_rounding() -> None:
    tenths = Distances(values=np.arange(10.0), weights=np.full(10, 0.1))
    assert [tenths.cumulated_percentile(10 * n) for n in range(1, 11)] == list(range(10))


def test_the_cumulated_percentile_of_what_is_infinite() -> None:
    assert Distances(values=np.array([math.inf]), weights=np.array([2.5])).cumulated_percentile(50) == math.inf


# surface-distance


@pytest.fixture(scope="module")
def peer() -> Any:
    """DeepMind's package."""
    return pytest.importorskip("surface_distance", reason="surface-distance is not installed")


@pytest.mark.parametrize("spacing", [*SPACINGS, (11.0, 0.2, 0.9)])
def test_areas_are_those_of_surface_distance(peer: Any, spacing: Spacing) -> None:
    tables = peer.lookup_tables
    if len(spacing) == 3:
        expected = tables.create_table_neighbour_code_to_surface_area(spacing)
    else:
        expected = tables.create_table_neighbour_code_to_contour_length(spacing)
    np.testing.assert_allclose(surfel_areas(spacing), expected, rtol=1e-14)


def lists_of(peer: Any, prediction: Array, reference: Array, spacing: Spacing) -> dict[str, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of SciPy
        lists: dict[str, Array] = peer.compute_surface_distances(reference, prediction, spacing)
    return lists


def percentiles(distances: Array, areas: Array, percent: float) -> tuple[float, float]:
    """Smallest and largest directed percentile under different rounding; they differ at a tie."""
    share = np.cumsum(areas) / areas.sum()
    least, greatest = (np.searchsorted(share, percent / 100 + off) for off in (-1e-9, 1e-9))
    return float(distances[least]), float(distances[min(int(greatest), len(distances) - 1)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_numbers_are_those_of_surface_distance(peer: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ndim = 3 if seed % 3 else 2
    shape = tuple(rng.integers(2, 16, ndim).tolist())
    labels, smooth = int(rng.integers(1, 6)), float(rng.choice([0, 0.6, 1.5]))
    spacing = SPACINGS[seed % 3] if seed % 7 == 1 and ndim == 3 else tuple(rng.uniform(0.3, 4, ndim).tolist())
    reference = maps(shape, labels=labels, seed=seed, smooth=smooth)
    other = maps(shape, labels=labels, seed=seed + 1000, smooth=smooth)
    prediction = np.where(rng.random(shape) < rng.choice([0.1, 0.5, 1]), other, reference)
    for label, (there, back) in found(prediction, reference, spacing=spacing).items():
        if not (there.values.size and back.values.size):
            continue  # surface-distance raises there
        lists = lists_of(peer, prediction == label, reference == label, spacing)
        of_reference = lists["distances_gt_to_pred"], lists["surfel_areas_gt"]
        of_prediction = lists["distances_pred_to_gt"], lists["surfel_areas_pred"]
        assert (back.total, there.total) == approx((of_reference[1].sum(), of_prediction[1].sum()))
        means = peer.compute_average_surface_distance(lists)
        assert (back.sum() / back.total, there.sum() / there.total) == approx(means)
        for percent in PERCENTS:
            ours = [back.cumulated_percentile(percent), there.cumulated_percentile(percent)]
            ends = [percentiles(*each, percent) for each in (of_reference, of_prediction)]
            for value, (least, _) in zip(ours, ends, strict=True):
                assert value == approx(least)
            if all(least == greatest for least, greatest in ends):
                assert max(ours) == approx(peer.compute_robust_hausdorff(lists, percent))
        for tolerance in TOLERANCES:
            shares = peer.compute_surface_overlap_at_tolerance(lists, tolerance)
            within = back.within(tolerance), there.within(tolerance)
            assert (within[0] / back.total, within[1] / there.total) == approx(shares)
            dice = peer.compute_surface_dice_at_tolerance(lists, tolerance)
            assert sum(within) / (back.total + there.total) == approx(dice)
