"""The elastic surface against geometry: known facts of voxels, meshes and balls, without its code."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segeval.errors import UsageError
from segeval.evidence.surfaces import elastic_mesh as elastic
from segeval.evidence.surfaces import smooth
from segeval.evidence.surfaces.distances import Distances
from segeval.evidence.surfaces.elastic_mesh import Quads, elastic_surface
from segeval.evidence.surfaces.smooth import SmoothSurfaces
from segeval.maps.label_map import Labels

Array = NDArray[Any]
Both = tuple[Distances, Distances]

FLOAT_NOISE = 5e-6  # mm: single precision, summed in another order


def distances(
    prediction: Array,
    reference: Array,
    *,
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    groups: Mapping[Any, Collection[int]] | None = None,
    **settings: Any,
) -> dict[Any, Both]:
    present = sorted({*np.unique(prediction).tolist(), *np.unique(reference).tolist()})
    groups = {label: {label} for label in present if label} if groups is None else groups
    labels = [label for members in groups.values() for label in members]
    surfaces = SmoothSurfaces(
        prediction=prediction, reference=reference, labels=labels, present=present, spacing=spacing, **settings
    )
    return surfaces.distances(groups)


def numbers(both: Both) -> dict[str, float]:
    """Metrics based on distances."""
    total = both[0].total + both[1].total
    return {
        "hd": max(each.cumulated_percentile(100) for each in both),
        "hd@95": max(each.cumulated_percentile(95) for each in both),
        "assd": (both[0].sum() + both[1].sum()) / total,
        "masd": sum(each.sum() / each.total for each in both) / 2,
        **{f"nsd@{t}": sum(each.within(t + 1e-4) for each in both) / total for t in (0.5, 1, 2)},
    }


def difference(one: Both, other: Both) -> float:
    first, second = numbers(one), numbers(other)
    return max(abs(first[name] - second[name]) for name in first)


def surface(mask: Array, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Quads:
    return elastic_surface(lambda part: mask[part] != 0, shape=mask.shape, spacing=spacing)


def mesh(mask: Array) -> tuple[Array, int]:
    """The four corner nodes of each quad, and the number of nodes."""
    cells = elastic._Cells.of(lambda part: mask[part] != 0, shape=mask.shape, outside=False)
    nodes = elastic._Nodes.of(cells)
    corners, _ = elastic._connected(cells, nodes, owned=False)
    return corners, cells.index.size + nodes.cell.size


def faces(mask: Array, counted: Array | None = None) -> int:
    """Number of faces between counted voxels of a mask and others; outside the image nothing is in the mask."""
    inside, number = np.pad(mask != 0, 1), 0
    owners = inside if counted is None else inside & np.pad(counted, 1)
    for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
        number += int((owners & ~np.roll(inside, step, axis)).sum())
    return number


def volume(quads: Quads) -> float:
    """Volume inside a surface, by the divergence theorem; positive if oriented outwards."""
    geometry = quads.geometry.astype(np.float64)
    centre, corners = geometry[:, :3], geometry[:, 3:].reshape(-1, 4, 3)
    normals = sum(np.cross(corners[:, k], corners[:, k - 3]) for k in range(4))
    return float((centre * normals).sum() / 6)


def ball(radius: float, centre: Collection[float], shape: tuple[int, ...], spacing: Collection[float]) -> Labels:
    places = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")
    squares = sum((place - at) ** 2 for place, at in zip(places, centre, strict=True))
    inside: Labels = np.less_equal(squares, radius**2).astype(np.uint8)
    return inside


def blobs(seed: int, shape: tuple[int, ...] = (22, 26, 30), labels: int = 4) -> Labels:
    """Rough shapes of several labels that touch each other and the edge of the image."""
    random = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(random.standard_normal(shape), 2.5) for _ in range(labels + 1)]
    largest: Labels = np.argmax(fields, axis=0).astype(np.uint8)
    return largest


def pair(seed: int) -> tuple[Labels, Labels]:
    """Two maps that agree in some places, differ a little in others, and a lot in some."""
    reference = blobs(seed)
    prediction = np.roll(reference, (1, 0, 2), axis=(0, 1, 2))
    prediction[:, :9] = reference[:, :9]
    prediction[15:18, 20:24, 3:8] = 3
    return prediction, reference


# Meshes


def check_mesh(mask: Array) -> None:
    corners, count = mesh(mask)
    assert corners.shape[1] == faces(mask)
    # every node is in use, and has three neighbours or more
    assert np.bincount(corners.ravel(), minlength=count).min(initial=3) >= 3
    sides = np.stack([corners, np.roll(corners, -1, axis=0)], -1).reshape(-1, 2)
    there, forth = np.unique(sides, axis=0, return_counts=True)
    back, reverse = np.unique(sides[:, ::-1], axis=0, return_counts=True)
    assert np.array_equal(there, back)
    assert np.array_equal(forth, reverse)


def test_every_configuration_of_a_cell_gives_a_closed_mesh_that_keeps_the_mask_connected() -> None:
    across_edges = ndimage.generate_binary_structure(3, 2)
    for code in range(256):
        mask = np.array([code >> corner & 1 for corner in range(8)]).reshape((2, 2, 2), order="F")
        check_mesh(mask)
        corners, count = mesh(mask)
        links = coo_array((np.ones(corners[1:].size), (corners[1:].ravel(), np.tile(corners[0], 3))), (count, count))
        assert connected_components(links)[0] == ndimage.label(mask, across_edges)[1]
        # and so does its complement: each cell in between has both
        check_mesh(np.pad(1 - mask, 1, constant_values=1))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_meshes_of_noise_are_closed_and_have_a_quad_for_each_face(share: float) -> None:
    mask = np.random.default_rng(7).random((9, 11, 10)) < share
    check_mesh(mask)
    quads = surface(mask)
    assert quads.areas.size == faces(mask)
    assert quads.areas.min() > 0
    assert volume(quads) > 0


def test_no_node_leaves_its_cell_or_thins_what_is_thin() -> None:
    mask = np.random.default_rng(3).random((12, 12, 12)) < 0.4
    cells = elastic._Cells.of(lambda part: mask[part], shape=mask.shape, outside=False)
    nodes = elastic._Nodes.of(cells)
    corners, _ = elastic._connected(cells, nodes, owned=False)
    places = elastic._relaxed(cells, nodes, corners)
    home = np.stack(np.unravel_index(cells.index, cells.shape), -1) - (elastic.PAD - 0.5)
    home = np.concatenate([home, home[nodes.cell]])
    assert np.abs(places - home).max() <= 0.5 + 1e-6
    single = np.zeros((3, 4, 5), np.uint8)
    single[1, 1, 1] = 1
    quads = surface(single)
    assert np.abs(quads.centres - 1).max(axis=1) == pytest.approx(0.35, abs=1e-3)


def test_a_mask_that_fills_slabs_of_the_work_has_the_same_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(5).random((17, 9, 12)) < 0.5
    whole = surface(mask)
    monkeypatch.setattr("segeval.maps.label_map.SLAB_VOXELS", 1)
    in_slabs = surface(mask)
    assert np.array_equal(whole.geometry, in_slabs.geometry)


# What is known of shapes


def test_a_single_voxel_becomes_a_cube_of_seven_tenths_and_moves_exactly() -> None:
    reference = np.zeros((9, 9, 9), np.uint8)
    reference[4, 4, 4] = 1
    quads = surface(reference)
    assert quads.areas == pytest.approx([0.7**2] * 6, rel=1e-3)
    assert volume(quads) == pytest.approx(0.7**3, rel=1e-3)
    for shift in (1, 2, 4):
        both = distances(np.roll(reference, shift, axis=1), reference)[1]
        # the face ahead is farthest: the whole way from the face ahead of the other one
        assert numbers(both)["hd"] == pytest.approx(shift)
        assert both[0].total == pytest.approx(6 * 0.7**2, rel=1e-3)


def test_a_plate_of_one_voxel_keeps_both_its_sides() -> None:
    mask = np.zeros((5, 24, 24), np.uint8)
    mask[2, 2:22, 2:22] = 1
    quads = surface(mask)
    inner = (np.abs(quads.centres[:, 1:] - 11.5) < 4).all(axis=1)
    assert np.abs(quads.centres[inner, 0] - 2) == pytest.approx(0.5, abs=0.01)
    assert volume(quads) == pytest.approx(20 * 20, rel=0.1)
    assert quads.areas.sum() == pytest.approx(2 * 20 * 20 + 4 * 20, rel=0.1)
    both = distances(np.roll(mask, 1, axis=0), mask)[1]
    assert numbers(both)["hd"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("radius", "within"), [(4, 0.08), (8, 0.02), (14, 0.01)])
def test_balls_keep_their_size(radius: float, within: float) -> None:
    size = 2 * radius + 5
    mask = ball(radius, (size / 2 - 0.3, size / 2, size / 2 + 0.2), (int(size),) * 3, (1, 1, 1))
    quads = surface(mask)
    assert volume(quads) == pytest.approx(mask.sum(), rel=within)
    assert quads.areas.sum() == pytest.approx(4 * math.pi * radius**2, rel=0.06)


@pytest.mark.parametrize(
    ("spacing", "mean", "tail"),
    [((1.0, 1.0, 1.0), 0.03, 0.15), ((0.5, 0.5, 0.5), 0.02, 0.1), ((3.0, 0.8, 0.8), 0.1, 0.6)],
)
def test_a_ball_of_10_mm_shifted_by_3_mm(spacing: tuple[float, ...], mean: float, tail: float) -> None:
    shape = tuple(int(32 / step) for step in spacing)
    shift = np.array([1.0, 2.0, 2.0])  # 3 mm long
    centre = np.array([14.3, 15.1, 14.7])
    both = distances(ball(10, centre + shift, shape, spacing), ball(10, centre, shape, spacing), spacing=spacing)[1]
    # the true distance from the sphere at an angle whose cosine is u is | |p - c'| - 10 |, and u is uniform in area
    u = np.linspace(-1, 1, 200_001)
    truth = np.abs(np.sqrt(10**2 + 3**2 - 2 * 10 * 3 * u) - 10)
    found = numbers(both)
    assert found["assd"] == pytest.approx(truth.mean(), abs=mean)
    assert found["hd@95"] == pytest.approx(np.quantile(truth, 0.95), abs=tail)
    assert found["nsd@1"] == pytest.approx((truth <= 1).mean(), abs=mean)
    assert found["hd"] == pytest.approx(3, abs=2 * tail)


# Laws


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 0.8)])
def test_identical_maps_are_at_distance_0_exactly(spacing: tuple[float, ...]) -> None:
    labels = blobs(1)
    for both in distances(labels.copy(), labels, spacing=spacing).values():
        for each in both:
            assert not each.values.any()
            assert each.total > 0


def test_voxels_that_agree_are_at_distance_0_exactly() -> None:
    reference = np.zeros((12, 12, 60), np.uint8)
    reference[3:9, 3:9, 3:57] = 1
    prediction = reference.copy()
    prediction[8:10, 8:10, 50:56] = 1
    to_reference, to_prediction = distances(prediction, reference)[1]
    passes = elastic.RELAXING_PASSES + elastic.RESTORING_PASSES
    # the difference spreads by a node with each pass, no further
    untouched = 4 * 6 * (50 - passes - 3 - 2) + 6 * 6
    assert min(int((each.values == 0).sum()) for each in (to_reference, to_prediction)) >= untouched


@pytest.mark.slow
@given(seed=st.integers(0, 1 << 30), spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 1.5, 5.0])] * 3))
def test_swapping_swaps_and_padding_changes_nothing(seed: int, spacing: tuple[float, ...]) -> None:
    random = np.random.default_rng(seed)
    prediction, reference = (random.integers(0, 3, (5, 6, 7)).astype(np.uint8) for _ in range(2))
    straight = distances(prediction, reference, spacing=spacing)
    swapped = distances(reference, prediction, spacing=spacing)
    padded = distances(np.pad(prediction, (2, 5)), np.pad(reference, (2, 5)), spacing=spacing)
    for label, (to_reference, to_prediction) in straight.items():
        assert equal((to_prediction, to_reference), swapped[label])
        assert equal(straight[label], padded[label])


def equal(one: Both, other: Both) -> bool:
    return all(
        np.array_equal(first.values, second.values) and np.array_equal(first.weights, second.weights)
        for first, second in zip(one, other, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_turning_the_image_changes_nothing_but_rounding(axes: tuple[int, ...], flips: tuple[int, ...]) -> None:
    prediction, reference = pair(2)
    spacing = (2.0, 0.8, 1.0)
    straight = distances(prediction, reference, spacing=spacing)
    turned = distances(
        *(np.ascontiguousarray(np.flip(each, flips).transpose(axes)) for each in (prediction, reference)),
        spacing=tuple(spacing[axis] for axis in axes),
    )
    assert max(difference(straight[label], turned[label]) for label in straight) <= FLOAT_NOISE


def test_spacing_scales_lengths() -> None:
    prediction, reference = pair(3)
    plain = distances(prediction, reference, spacing=(1.0, 1.5, 2.0))
    doubled = distances(prediction, reference, spacing=(2.0, 3.0, 4.0))
    for label, both in plain.items():
        for one, other in zip(both, doubled[label], strict=True):
            assert np.array_equal(one.values * 2, other.values)
            assert np.array_equal(one.weights * 4, other.weights)


def test_a_label_does_not_depend_on_the_others() -> None:
    prediction, reference = pair(4)
    together = distances(prediction, reference)
    for label in together:
        alone = distances((prediction == label).astype(np.uint8), (reference == label).astype(np.uint8))
        assert equal(together[label], alone[1])


@pytest.mark.slow
def test_threads_change_nothing() -> None:
    prediction, reference = (np.tile(each, (3, 3, 2)) for each in pair(5))
    assert reference.size > smooth.THREADED_VOXELS
    groups = {"most": {1, 2, 3}, "rest": {4}}
    for chosen, threads in ((None, 2), (groups, 5)):
        one = distances(prediction, reference, groups=chosen)
        many = distances(prediction, reference, groups=chosen, threads=threads)
        assert list(many) == list(one)
        assert all(equal(one[key], many[key]) for key in one)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_regions_are_unions_whatever_the_labels_are_called(dtype: type) -> None:
    prediction, reference = pair(6)
    top = int(np.iinfo(dtype).max)
    names: Labels = np.array([0, 7, top, top - 1, 255], dtype)
    groups: dict[str, Collection[int]] = {"a": {7, top}, "b": {top - 1}, "c": {255 if top > 255 else 9}}
    union = np.array([0, 1, 1, 2, 3 if top > 255 else 1], np.uint8)
    found = distances(names[prediction], names[reference], groups=groups, merging=True)
    expected = distances(union[prediction], union[reference], groups={"a": {1}, "b": {2}, "c": {3}})
    assert all(equal(found[key], expected[key]) for key in groups)


# Certainty


def closest(point: Array, a: Array, b: Array, c: Array) -> float:
    """Distance of a point from a triangle: its plane where the foot is inside, else the nearest of three sides."""

    def to_side(p: Array, q: Array) -> float:
        side = q - p
        share = min(1.0, max(0.0, float(side @ (point - p)) / max(float(side @ side), 1e-300)))
        return float(np.linalg.norm(point - p - share * side))

    best = min(to_side(a, b), to_side(b, c), to_side(c, a))
    normal = np.cross(b - a, c - a)
    if normal @ normal > 0:
        inside = [np.cross(q - p, point - p) @ normal >= 0 for p, q in ((a, b), (b, c), (c, a))]
        if all(inside):
            best = min(best, abs(float(normal @ (point - a))) / float(np.linalg.norm(normal)))
    return best


def brute_force(source: Quads, target: Quads) -> Array:
    found = []
    for point in source.centres.astype(np.float64):
        best = math.inf
        for quad in target.geometry.astype(np.float64):
            centre, corners = quad[:3], quad[3:].reshape(4, 3) + quad[:3]
            best = min(best, *(closest(point, centre, corners[k - 1], corners[k]) for k in range(4)))
        found.append(best)
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 0.8)])
def test_certified_distances_are_those_to_all_triangles(spacing: tuple[float, ...]) -> None:
    random = np.random.default_rng(8)
    prediction, reference = ((random.random((3, 3, 2)) < 0.35).astype(np.uint8) for _ in range(2))
    both = distances(prediction, reference, spacing=spacing, certified=True)[1]
    of_prediction, of_reference = surface(prediction, spacing), surface(reference, spacing)
    assert both[0].values == pytest.approx(np.sort(brute_force(of_prediction, of_reference)), abs=2e-6)
    assert both[1].values == pytest.approx(np.sort(brute_force(of_reference, of_prediction)), abs=2e-6)


@pytest.mark.parametrize(("spacing", "within"), [((1.0, 1.0, 1.0), 0.003), ((5.0, 0.8, 0.8), 0.015)])
def test_ordinary_distances_are_nearly_certified(spacing: tuple[float, ...], within: float) -> None:
    shape = tuple(int(40 / step) for step in spacing)
    reference = ball(12, (19, 20, 21), shape, spacing) | (2 * ball(5, (19, 20, 21), shape, spacing))
    prediction = ball(13, (20, 21.5, 20), shape, spacing) | (2 * ball(4, (21, 20, 20), shape, spacing))
    ordinary = distances(prediction, reference, spacing=spacing)
    certified = distances(prediction, reference, spacing=spacing, certified=True)
    for label, both in ordinary.items():
        assert difference(both, certified[label]) <= within
        for one, other in zip(both, certified[label], strict=True):
            # what was found was there; squares of small distances are differences of large numbers
            assert (np.square(one.values) >= np.square(other.values) - 1e-5).all()


def test_long_quads_have_more_candidates() -> None:
    assert smooth._candidates((2.0, 0.75, 0.75)) == 2
    assert smooth._candidates((3.0, 1.0, 1.0)) == 6
    assert smooth._candidates((0.8, 0.8, 5.0)) == 6


# Empty, ignored, and at the edge


def test_one_empty_surface() -> None:
    mask = ball(4, (6, 6, 6), (13, 13, 13), (1, 1, 1))
    nothing = np.zeros_like(mask)
    to_reference, to_prediction = distances(mask, nothing)[1]
    assert to_reference.values.tolist() == [math.inf]
    assert to_reference.total == pytest.approx(float(surface(mask).areas.sum()), rel=1e-6)
    assert to_prediction.values.size == to_prediction.weights.size == 0
    to_reference, to_prediction = distances(nothing, mask)[1]
    assert to_prediction.values.tolist() == [math.inf]
    assert to_reference.values.size == 0
    # neither map has label 2, and with no label at all there is nothing either
    for first, second in ((mask, mask), (nothing, nothing)):
        both = distances(first, second, groups={"a": {2}, "b": {3, 4}})
        assert all(not each.values.size for pair_ in both.values() for each in pair_)
    assert distances(nothing, nothing) == {}


def test_the_edge_of_the_image_is_a_surface() -> None:
    mask = np.ones((4, 5, 6), np.uint8)
    assert distances(mask, mask)[1][0].values.size == faces(mask)
    assert equal(distances(mask, mask)[1], distances(np.pad(mask, 3), np.pad(mask, 3))[1])


def test_the_background_has_the_surfaces_of_what_it_surrounds() -> None:
    prediction, reference = pair(9)
    for labels in (prediction, reference):
        labels[:3] = 0
    scored = distances(prediction, reference, groups={0: {0}})[0]
    counts = [faces(labels == 0, np.ones(labels.shape, bool)) for labels in (prediction, reference)]
    edges = [edge_faces(labels == 0) for labels in (prediction, reference)]
    # beyond the image is background: it ends there for nobody, and has no voxels of its own
    assert [each.values.size for each in scored] == [c - e for c, e in zip(counts, edges, strict=True)]
    # far from the edge of the image it makes no difference which side a surface belongs to, but for thin parts
    solid = ball(6, (10, 10, 10), (21, 21, 21), (1, 1, 1))
    moved = np.roll(solid, 2, axis=2)
    inside, outside = distances(moved, solid)[1], distances(moved, solid, groups={0: {0}})[0]
    assert difference(inside, outside) <= 0.01


def edge_faces(mask: Array) -> int:
    return int(sum(np.take(mask, at, axis).sum() for axis in range(3) for at in (0, -1)))


def test_ignored_voxels_have_no_surface() -> None:
    prediction, reference = pair(10)
    reference[6:14, :, 10:20] = 9
    prediction[2:4, 3:6, 3:6] = 9  # stray: background
    counted = reference != 9
    found = distances(prediction, reference, ignored=9, groups={1: {1}, "two": {2, 3}})
    for key, members in ((1, [1]), ("two", [2, 3])):
        sizes = [faces(np.isin(labels, members), counted) for labels in (prediction, reference)]
        assert [each.values.size for each in found[key]] == sizes
    without = np.where(prediction == 9, np.uint8(0), prediction)
    again = distances(without, reference, ignored=9, groups={1: {1}, "two": {2, 3}})
    assert all(equal(found[key], again[key]) for key in found)
    background = [distances(each, reference, ignored=9, groups={0: {0}})[0] for each in (prediction, without)]
    assert equal(*background)


def test_surfaces_are_made_of_the_maps_as_read_and_cut_after() -> None:
    mask = ball(6, (8, 8, 8), (17, 17, 17), (1, 1, 1))
    reference = mask.copy()
    reference[:, :, 11:] = 9
    whole = surface(mask)
    to_reference, _ = distances(mask, reference, ignored=9, groups={1: {1}})[1]
    kept = whole.areas[whole.centres[:, 2] < 10.6].sum()  # nodes may leave the voxel's own side
    assert to_reference.total == pytest.approx(kept, rel=0.05)
    # a surface that ended at the zone would be cut open there, with distances of voxels
    assert to_reference.within(0.1) > 0.9 * to_reference.total


def test_a_label_within_the_ignored_zone_alone_is_empty() -> None:
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[2:6, 2:6, 2:6] = 9
    prediction = np.zeros_like(reference)
    prediction[3:5, 3:5, 3:5] = 1
    both = distances(prediction, reference, ignored=9, groups={1: {1}})[1]
    assert all(not each.values.size for each in both)


def test_pictures_are_refused() -> None:
    flat = np.ones((4, 5), np.uint8)
    with pytest.raises(UsageError, match=r"--surface smooth needs a volume.*use --surface voxel or surfel"):
        distances(flat, flat, spacing=(1.0, 1.0))


# Percentiles


def test_a_cumulated_percentile_is_the_smallest_distance_that_reaches_it() -> None:
    each = Distances(values=np.array([0.0, 1.0, 2.0, 5.0]), weights=np.array([1.0, 2.0, 5.0, 2.0]))
    # 10, 30, 80 and 100 % of the area lie within 0, 1, 2 and 5 mm
    for percent, expected in ((0, 0), (5, 0), (10, 0), (11, 1), (30, 1), (50, 2), (80, 2), (81, 5), (95, 5), (100, 5)):
        assert each.cumulated_percentile(percent) == expected
    small = Distances(values=np.array([1.0, 9.0]), weights=np.array([1e20, 1.0]))
    assert small.cumulated_percentile(100) == 9
    lost = Distances(values=np.array([math.inf]), weights=np.array([12.5]))
    assert lost.cumulated_percentile(95) == math.inf
