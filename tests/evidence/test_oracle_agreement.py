"""All metrics against the brute-force oracle, on small maps of all kinds, and on all paths of the surface search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import segeval
from segeval.evidence.surfaces import boundary_bands as rims
from segeval.evidence.surfaces import nearest
from segeval.maps import label_map as labelmap
from segeval.metrics import METRICS
from tests import oracle
from tests.surfaces import surface_distances

pytestmark = pytest.mark.slow

Array = NDArray[Any]

NUMBERS = {
    "percentile": (0, 12.5, 50, 95, 99.9),
    "tolerance": (0, 0.5, 1, 2.5, 40),
    "distance": (0, 0.8, 2.5, 4),
    "beta": (0, 0.5, 2),
}
TOKENS = [
    token
    for name, card in METRICS.items()
    if not card.is_soft  # see tests/scoring/test_probabilities.py
    for token in (name, *(f"{name}@{n:g}" for n in (NUMBERS[card.parameter.name] if card.parameter else ())))
]
STEPS = (0.5, 0.75, 1.0, 1.2000000477, 2.0, 2.5, 7.5)
VALUES = {
    "small": (1, 2, 3),
    "bytes": (255, 1, 254),
    "words": (300, 5, 65_535),
    "long": (70_000, 2, 300),
    "huge": (2**40, 2**63, 7),
}


def same(found: float | None, expected: float) -> bool:
    if found is None or math.isnan(expected):
        return found is None and math.isnan(expected)
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def check(prediction: Array, reference: Array, *, spacing: tuple[float, ...] | None, **options: Any) -> None:
    """Score a pair, and compare every row with the oracle."""
    tokens = options.pop("tokens", TOKENS)
    results = segeval.score(prediction=prediction, reference=reference, spacing=spacing, metrics=tokens, **options)
    rows = {(row.label, row.metric): row.value for row in results.scores}
    pair = oracle.Pair(
        prediction=prediction,
        reference=reference,
        spacing=spacing or (1.0,) * reference.ndim,
        millimetres=spacing is not None,
        **options,
    )
    expected = oracle.scores(pair, tokens)
    assert rows.keys() == expected.keys()
    wrong = {key: (rows[key], value) for key, value in expected.items() if not same(rows[key], value)}
    assert not wrong


@st.composite
def drawn_maps(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    """Labels 0 to 3 on a grid: overlapping boxes, noise, a single label, or nothing."""
    kind = draw(st.sampled_from(["boxes", "boxes", "boxes", "noise", "speckled", "full", "empty", "voxel"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    places = np.zeros(shape, np.intp)
    if kind == "noise":
        return rng.integers(0, 4, shape)
    if kind == "full":
        places[:] = draw(st.integers(1, 3))
    if kind == "voxel":
        places[tuple(draw(st.integers(0, n - 1)) for n in shape)] = draw(st.integers(1, 3))
    if kind in ("boxes", "speckled"):
        for _ in range(draw(st.integers(1, 5))):
            box = tuple(slice(*sorted(rng.integers(0, n + 1, 2).tolist())) for n in shape)
            places[box] = rng.integers(0, 4)
    if kind == "speckled":
        odd = rng.random(shape) < 0.05
        places[odd] = rng.integers(0, 4, int(odd.sum()))
    return places


@st.composite
def derived_maps(draw: st.DrawFn, other: Array) -> Array:
    """A map that is similar to another, or unrelated."""
    kind = draw(st.sampled_from(["same", "shifted", "permuted", "flipped", "speckled", "missed", "own", "own"]))
    if kind == "own":
        return draw(drawn_maps(other.shape))
    if kind == "shifted":
        return np.roll(other, tuple(draw(st.integers(-2, 2)) for _ in other.shape), range(other.ndim))
    if kind == "permuted":
        return np.array([0, 2, 3, 1]).take(other)
    if kind == "flipped":
        return np.flip(other, draw(st.integers(0, other.ndim - 1)))
    if kind == "missed":
        return np.where(other == draw(st.integers(1, 3)), 0, other)
    if kind == "speckled":
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        return np.where(rng.random(other.shape) < 0.03, rng.integers(0, 4, other.shape), other)
    return other.copy()


@dataclass(frozen=True)
class Drawn:
    prediction: Array
    reference: Array
    spacing: tuple[float, ...]
    labels: tuple[int, ...]


def laid_out(array: Array, layout: str) -> Array:
    """The same values with another memory layout."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "backwards":
        return np.ascontiguousarray(array[::-1])[::-1]
    return array


@st.composite
def pairs(draw: st.DrawFn) -> Drawn:
    ndim = draw(st.sampled_from([2, 3, 3]))
    most = 14 if ndim == 2 else 8
    shape = tuple(draw(st.integers(1, most)) for _ in range(ndim))
    spacing = tuple(draw(st.sampled_from(STEPS)) for _ in range(ndim))
    reference = draw(drawn_maps(shape))
    prediction = draw(derived_maps(reference))
    kind = draw(st.sampled_from(sorted(VALUES)))
    labels = (0, *VALUES[kind])
    values = np.array(labels, np.uint64)
    arrays = []
    for places in (prediction, reference):
        array = values.take(places)
        fitting = [
            np.dtype(name)
            for name in ("u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4")
            if int(array.max(initial=0)) <= np.iinfo(name).max
        ]
        array = array.astype(draw(st.sampled_from(fitting)))
        arrays.append(laid_out(array, draw(st.sampled_from(["plain", "fortran", "strided", "backwards"]))))
    return Drawn(prediction=arrays[0], reference=arrays[1], spacing=spacing, labels=labels)


@settings(max_examples=120, deadline=None)
@given(
    drawn=pairs(),
    background=st.booleans(),
    physical=st.booleans(),
    penalty=st.sampled_from(["diagonal", "inf", "nan", 7.25]),
)
def test_every_metric_equals_the_oracle(drawn: Drawn, background: bool, physical: bool, penalty: str | float) -> None:
    check(
        drawn.prediction,
        drawn.reference,
        spacing=drawn.spacing if physical else None,
        background=background,
        penalty=penalty,
    )


@settings(max_examples=120, deadline=None)
@given(
    drawn=pairs(),
    background=st.booleans(),
    place=st.integers(0, 3),
    absent=st.sampled_from(["max", "ignore", "penalise"]),
)
def test_ignored_voxels_count_nowhere_as_in_the_oracle(drawn: Drawn, background: bool, place: int, absent: str) -> None:
    check(
        drawn.prediction,
        drawn.reference,
        spacing=drawn.spacing,
        background=background,
        ignore_label=drawn.labels[place],
        absent_class=absent,
    )


REGIONS = st.lists(st.sets(st.integers(1, 4), min_size=1), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(
    drawn=pairs(),
    unions=REGIONS,
    ignored=st.sampled_from([None, None, 3, 0]),
    tolerance=st.sampled_from([0.0, 0.75, 3.0]),
    background=st.booleans(),
    only=st.booleans(),
)
def test_overlapping_regions_equal_the_oracle(
    drawn: Drawn, unions: list[set[int]], ignored: int | None, tolerance: float, background: bool, only: bool
) -> None:
    numbers = (*drawn.labels, 999)
    ignore_label = None if ignored is None else numbers[ignored]
    regions = {
        f"region {name}": [numbers[place] for place in sorted(union)]
        for name, union in enumerate(unions)
        if ignored not in union
    }
    check(
        drawn.prediction,
        drawn.reference,
        spacing=drawn.spacing,
        regions=regions,
        ignore_label=ignore_label,
        tolerance=tolerance,
        background=background,
        **({"only": [numbers[1]]} if only else {}),
    )


@pytest.mark.parametrize("ignored", [3, 9, 254, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("union", [[1, 2], [1]])
def test_regions_next_to_ignored_voxels_equal_the_oracle(ignored: int, dtype: type, union: list[int]) -> None:
    reference: Array = np.zeros((5, 9), dtype)
    reference[1:4, 1:5], reference[2, 4:7], reference[:, 7] = 1, 2, ignored
    prediction = np.roll(reference, (1, 1), (0, 1))
    for options in ({}, {"background": True}, {"only": [2]}):
        check(prediction, reference, spacing=(2.0, 0.75), ignore_label=ignored, regions={"R": union}, **options)


@settings(max_examples=40, deadline=None)
@given(drawn=pairs(), places=st.sets(st.integers(0, 3), min_size=1), background=st.booleans())
def test_chosen_labels_equal_the_oracle(drawn: Drawn, places: set[int], background: bool) -> None:
    only = [label for label in (drawn.labels[place] for place in sorted(places)) if label or background]
    check(drawn.prediction, drawn.reference, spacing=drawn.spacing, only=[*only, 12_345], background=background)


@settings(max_examples=25, deadline=None)
@given(shape=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=st.integers(0, 99), empty=st.booleans())
def test_booleans_are_one_label(shape: tuple[int, int], seed: int, empty: bool) -> None:
    rng = np.random.default_rng(seed)
    prediction, reference = rng.random(shape) < 0.6, rng.random(shape) < (0 if empty else 0.6)
    check(prediction, reference, spacing=(0.75, 2.0))


def test_a_region_that_no_label_is_in_is_absent() -> None:
    for value in (1, 300, 70_000, 2**40):
        array = np.zeros((3, 5, 5), np.uint64)
        array[1, 1:4, 1:4] = value
        results = segeval.score(
            prediction=array, reference=array, spacing=(1, 1, 1), metrics="all", regions={"rare": "1000-2000"}
        )
        rows = [row for row in results.scores if row.label == "rare"]
        assert {row.note for row in rows} == {"absent in both"}
        assert all(row.value in (None, 0, 1, array.size) for row in rows)


@pytest.mark.parametrize("spec", ["*", "5-9", "5"])
def test_a_region_of_empty_maps_is_absent(spec: str) -> None:
    empty = np.zeros((3, 4), int)
    results = segeval.score(prediction=empty, reference=empty, metrics=["hd", "boundary_iou"], regions={"R": spec})
    assert [(row.value, row.note) for row in results.scores] == [(None, "absent in both")] * 2


def test_the_rim_of_the_background_reaches_beyond_the_box_of_the_labels() -> None:
    reference = np.zeros((9, 21), int)
    reference[4, 6] = 1
    prediction = np.zeros((9, 21), int)
    prediction[4, 8] = 1
    check(prediction, reference, spacing=(1.0, 1.0), background=True, tokens=["boundary_iou@3", "boundary_iou@5"])


NEVER_LOST = {"LOST_SHARE": 1.0}
PATHS: dict[str, dict[str, float]] = {
    "near": {**NEVER_LOST, "NEAR_STEPS": 1 << 12, "WALK_STEPS": 1 << 12},
    "on": {**NEVER_LOST, "NEAR_STEPS": 1, "WALK_STEPS": 1 << 12, "CHUNK": 7},
    "many": {"FEW_PAIRS": -1, **NEVER_LOST, "NEAR_STEPS": 1, "WALK_STEPS": 1, "FAR_LOOKS": 1 << 40},
    "many, a few at a time": {
        **NEVER_LOST,
        "FEW_PAIRS": -1,
        "WALK_STEPS": 20,
        "FAR_LOOKS": 1 << 40,
        "PAIRS_AT_ONCE": 64,
    },
    "many, cut short": {"FEW_PAIRS": -1, **NEVER_LOST, "WALK_STEPS": 20, "FAR_LOOKS": 1 << 12, "FAR_STEPS": 1 << 8},
    "direct": {"LOST_SHARE": 0, "NEAR_STEPS": 1, "FAR_LOOKS": 0, "DIRECT_PAIRS": 1 << 50},
    "direct, a few at a time": {"LOST_SHARE": 0, "FAR_LOOKS": 0, "DIRECT_PAIRS": 1 << 50, "PAIRS_AT_ONCE": 64},
    "tree": {"LOST_SHARE": 0, "NEAR_STEPS": 1, "FAR_LOOKS": 0, "DIRECT_PAIRS": 0, "DIRECT_PAIRS_OF_LABEL": 0},
    "small labels direct, large ones by tree": {"LOST_SHARE": 0, "DIRECT_PAIRS": 0, "DIRECT_PAIRS_OF_LABEL": 4000},
    "sparse keys": {"DENSE_KEYS": 1},
    "two threads": {"THREADED_VOXELS": 0},
    "small chunks": {"CHUNK": 5},
    "as it is": {},
}


def take_path(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for name, value in PATHS[path].items():
        monkeypatch.setattr(nearest, name, value)


def displaced(shape: tuple[int, ...], *, labels: int, by: int, seed: int) -> tuple[Array, Array]:
    """Balls in a volume, and shifted balls with shuffled numbers, some missed and some added."""
    rng = np.random.default_rng(seed)
    places = np.indices(shape)
    reference = np.zeros(shape, np.int64)
    for label in range(1, labels + 1):
        centre = [rng.integers(0, n) for n in shape]
        squares = sum((p - c) ** 2 for p, c in zip(places, centre, strict=True))
        reference[squares <= rng.integers(4, 60)] = label
    prediction = np.roll(reference, by, axis=-1)
    numbers = np.arange(labels + 2)
    numbers[1:-2] = rng.permutation(numbers[1:-2])
    prediction = numbers.take(prediction)
    prediction[0, 0] = labels + 1
    return prediction, reference


SURFACE_TOKENS = [name for name in METRICS if name in oracle.SURFACES] + ["hd@95", "hd@50", "nsd@3", "nsd@20"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("by", [0, 1, 9])
def test_every_path_of_the_search_finds_the_same(monkeypatch: pytest.MonkeyPatch, path: str, by: int) -> None:
    take_path(monkeypatch, path)
    prediction, reference = displaced((7, 18, 22), labels=5, by=by, seed=by)
    check(prediction, reference, spacing=(2.5, 1.0, 0.75), tokens=SURFACE_TOKENS, background=by == 1)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_search_finds_the_same_in_a_plane(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    take_path(monkeypatch, path)
    prediction, reference = displaced((40, 50), labels=6, by=7, seed=3)
    regions = {"one": [1, 3], "two": [3, 4, 5], "three": [6]}
    check(prediction, reference, spacing=(0.5, 1.2), tokens=SURFACE_TOKENS, ignore_label=2, regions=regions)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("near", "_try"),
        ("on", "_try"),
        ("many", "_try_many"),
        ("direct", "_nearest_directly"),
        ("tree", "_nearest_by_tree"),
        ("two threads", "two_at_once"),
    ],
)
def test_each_path_is_taken_when_it_is_forced(monkeypatch: pytest.MonkeyPatch, path: str, step: str) -> None:
    taken = []
    home = nearest if hasattr(nearest, step) else nearest.Search
    real: Callable[..., Any] = getattr(home, step)

    def noted(*arguments: Any) -> Any:
        taken.append(step)
        return real(*arguments)

    monkeypatch.setattr(home, step, noted)
    take_path(monkeypatch, path)
    prediction, reference = displaced((7, 18, 22), labels=5, by=9, seed=9)
    found = surface_distances(
        prediction=prediction.astype(np.uint8),
        reference=reference.astype(np.uint8),
        groups={label: [label] for label in range(1, 7)},
        present=range(7),
        spacing=(2.5, 1.0, 0.75),
        threads=2,
    )
    assert set(found) == set(range(1, 7))
    assert taken


def by_distance_transform(prediction: Array, reference: Array, label: int, spacing: tuple[float, ...]) -> oracle.Lists:
    """The two lists of distances of one label by SciPy's distance transform."""
    borders = [oracle.border_voxels(labels == label) for labels in (prediction, reference)]
    there, back = (
        ndimage.distance_transform_edt(~target, sampling=spacing)[source] for source, target in (borders, borders[::-1])
    )
    return there, back


@pytest.mark.parametrize("by", [2, 15])
@pytest.mark.parametrize("path", ["as it is", "many, cut short", "direct", "tree", "two threads"])
def test_large_maps_agree_with_distance_transforms(monkeypatch: pytest.MonkeyPatch, path: str, by: int) -> None:
    take_path(monkeypatch, path)
    spacing = (3.0, 0.8, 1.1)
    prediction, reference = displaced((40, 60, 60), labels=20, by=by, seed=by)
    results = segeval.score(
        prediction=prediction, reference=reference, spacing=spacing, metrics=["assd", "hd", "hd@95", "nsd@2"]
    )
    compared = 0
    for label in sorted(set(np.unique(prediction).tolist()) & set(np.unique(reference).tolist()) - {0}):
        lists = by_distance_transform(prediction, reference, label, spacing)
        both = np.concatenate(lists)
        expected = {
            "assd": both.mean(),
            "hd": both.max(),
            "hd@95": max(np.percentile(each, 95) for each in lists),
            "nsd@2": (both <= 2 + 8e-5).mean(),
        }
        found = {name: results.value(name, label=label) for name in expected}
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        compared += 1
    assert compared >= 12


def test_the_distances_themselves_are_those_of_the_oracle() -> None:
    prediction, reference = displaced((7, 18, 22), labels=5, by=3, seed=5)
    spacing = (2.5, 1.0, 0.75)
    pair = oracle.Pair(prediction=prediction, reference=reference, spacing=spacing)
    found = surface_distances(
        prediction=prediction.astype(np.uint8),
        reference=reference.astype(np.uint8),
        groups={label: [label] for label in pair.scored},
        present=pair.present,
        spacing=spacing,
    )
    for label in pair.scored:
        for distances, expected in zip(found[label], oracle.both_ways(pair, label), strict=True):
            listed = np.repeat(distances.values, distances.weights.astype(int))
            np.testing.assert_allclose(listed, np.sort(expected), rtol=1e-12, atol=0)


@pytest.mark.parametrize("slab", [1, 7, 50])
@settings(max_examples=15, deadline=None)
@given(drawn=pairs(), background=st.booleans(), place=st.sampled_from([None, 1]))
def test_the_size_of_a_slab_changes_nothing(slab: int, drawn: Drawn, background: bool, place: int | None) -> None:
    ignored = None if place is None else drawn.labels[place]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelmap, "SLAB_VOXELS", slab)
        patch.setattr(nearest, "CHUNK", 11)
        check(drawn.prediction, drawn.reference, spacing=drawn.spacing, background=background, ignore_label=ignored)


def test_many_labels_need_wide_codes() -> None:
    reference = np.arange(400).reshape(20, 20)
    prediction = np.roll(reference, 1, axis=0)
    check(prediction, reference, spacing=(1.5, 0.5), tokens=["dice", "hd", "assd", "nsd@1.5", "boundary_iou"])


@settings(max_examples=25, deadline=None)
@given(drawn=pairs(), width=st.sampled_from([0, 0.6, 1.5, 2.5, 40, 1e9]), background=st.booleans())
def test_rims_by_a_distance_transform(drawn: Drawn, width: float, background: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rims, "MANY_STEPS", 0)
        tokens = [f"boundary_iou@{width:.15g}"]
        check(drawn.prediction, drawn.reference, spacing=drawn.spacing, background=background, tokens=tokens)


def test_a_wide_rim_costs_no_more_than_the_mask() -> None:
    labels = np.zeros((4, 40, 40), np.uint8)
    labels[:, 5:30, 5:30] = 1
    results = segeval.score(
        prediction=np.roll(labels, 3, 1),
        reference=labels,
        spacing=(5e-4,) * 3,
        metrics="boundary_iou,boundary_iou@1e9,iou",
    )
    assert results.value("boundary_iou", label=1) == results.value("iou", label=1)
    assert results.value("boundary_iou@1e9", label=1) == results.value("iou", label=1)
