"""Sets of voxel centres against brute force: wide borders and regions, ignored voxels, the edge of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.evidence.surfaces.distances import Distances
from segeval.evidence.surfaces.point_sets import MANY_POINTS, PointSets

Labels = NDArray[np.unsignedinteger[Any]]

IGNORED = 9
HUGE = 1 << 40


def points(mask: NDArray[np.bool_], *, whole: bool, edge_is_border: bool) -> list[tuple[int, ...]]:
    """The set of a mask, voxel by voxel."""
    found = []
    for place in map(tuple, np.argwhere(mask).tolist()):
        around = [
            tuple(p + s for p, s in zip(place, step, strict=True)) for step in product((-1, 0, 1), repeat=mask.ndim)
        ]
        inside = [all(0 <= p < n for p, n in zip(each, mask.shape, strict=True)) for each in around]
        differs = any(not mask[each] if within else edge_is_border for each, within in zip(around, inside, strict=True))
        if whole or differs:
            found.append(place)
    return found


def expected(
    prediction: Labels,
    reference: Labels,
    labels: list[int],
    spacing: tuple[float, ...],
    *,
    whole: bool,
    edge_is_border: bool,
    ignored: int | None,
) -> list[list[float]]:
    """Both lists of distances of a union of labels, sorted."""
    zone = reference == ignored if ignored is not None else np.zeros(reference.shape, bool)
    if ignored is not None:
        prediction = np.where((prediction == ignored) & ~zone, 0, prediction)
    sets = [
        np.array([p for p in points(np.isin(each, labels), whole=whole, edge_is_border=edge_is_border) if not zone[p]])
        for each in (prediction, reference)
    ]
    found: list[list[float]] = []
    for one, other in (sets, sets[::-1]):
        if not len(one):
            found.append([])
        elif not len(other):
            found.append([math.inf] * len(one))
        else:
            squares = ((np.abs(one[:, None] - other[None]) * np.array(spacing)) ** 2).sum(axis=-1)
            found.append(sorted(np.sqrt(squares.min(axis=1)).tolist()))
    return found


def listed(distances: Distances) -> list[float]:
    assert (np.diff(distances.values) > 0).all()
    return np.repeat(distances.values, distances.weights.astype(int)).tolist()


def maps() -> Iterator[tuple[Labels, Labels, tuple[float, ...]]]:
    """Small maps of labels 0, 1, 2 and 9: shifted, unrelated, or with a label in one map only."""
    draw = np.random.default_rng(20261121)
    for number in range(36):
        axes = 2 if number % 3 == 0 else 3
        shape = tuple(draw.integers(1, 14 if axes == 2 else 8, axes).tolist())
        reference = np.zeros(shape, np.uint8)
        for label in (1, 2, IGNORED, 1):
            first = [int(draw.integers(-2, n)) for n in shape]
            reference[tuple(slice(max(0, f), f + int(draw.integers(2, 7))) for f in first)] = label
        prediction = np.roll(reference, draw.integers(-2, 3, axes).tolist(), tuple(range(axes)))
        if number % 4 == 1:
            prediction = draw.choice(np.array([0, 1, 2, IGNORED], np.uint8), shape, p=[0.6, 0.2, 0.1, 0.1])
        elif number % 4 == 2:
            prediction[prediction == 2] = 0
        yield prediction, reference, tuple(draw.choice([0.4, 1, 1.25, 3.3, 5], axes).tolist())


@pytest.mark.slow
@pytest.mark.parametrize("many", [MANY_POINTS, 0])
@pytest.mark.parametrize("ignored", [None, IGNORED])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("whole", "edge_is_border"), [(True, True), (False, True), (False, False)])
def test_brute_force(
    whole: bool,
    edge_is_border: bool,
    background: bool,
    ignored: int | None,
    many: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("segeval.evidence.surfaces.point_sets.MANY_POINTS", many)
    rules: dict[str, Any] = {"whole": whole, "edge_is_border": edge_is_border, "ignored": ignored}
    for number, (prediction, reference, spacing) in enumerate(maps()):
        groups: dict[Any, list[int]] = {label: [label] for label in ((0, 1, 2) if background else (1, 2))}
        for chosen in (groups, {"both": [1, 2]}):
            found = PointSets(
                prediction=prediction,
                reference=reference,
                present=np.unique([*prediction.flat, *reference.flat]).tolist(),
                spacing=spacing,
                **rules,
            ).distances(chosen)
            for key, labels in chosen.items():
                for ours, theirs in zip(
                    found[key], expected(prediction, reference, labels, spacing, **rules), strict=True
                ):
                    assert listed(ours) == pytest.approx(theirs, rel=1e-12), (number, key)


@pytest.mark.parametrize("whole", [True, False])
def test_large_numbers_and_threads_change_nothing(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segeval.evidence.surfaces.nearest.THREADED_VOXELS", 0)
    monkeypatch.setattr("segeval.evidence.surfaces.point_sets.CHUNK", 100)
    for *pair, spacing in maps():
        rules: dict[str, Any] = {"spacing": spacing, "whole": whole, "edge_is_border": True}
        wide = [each.astype(np.uint64) for each in pair]
        wide = [np.where(each == 2, np.uint64(HUGE), each) for each in wide]
        plain = PointSets(prediction=pair[0], reference=pair[1], present=[0, 1, 2, IGNORED], **rules)
        large = PointSets(prediction=wide[0], reference=wide[1], present=[0, 1, IGNORED, HUGE], threads=2, **rules)
        found = large.distances({"one": [1], "two": [HUGE]})
        for key, sides in plain.distances({"one": [1], "two": [2]}).items():
            assert [listed(side) for side in found[key]] == [listed(side) for side in sides]


@pytest.mark.slow
@pytest.mark.parametrize("many", [MANY_POINTS, 100])
@pytest.mark.parametrize("whole", [True, False])
def test_distant_masks(whole: bool, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too far for a walk, so that a tree or a transform is used: two boxes, and a third that only one map has."""
    monkeypatch.setattr("segeval.evidence.surfaces.point_sets.MANY_POINTS", many)
    prediction, reference = np.zeros((2, 70, 60, 50), np.uint8)
    prediction[2:14, 2:14, 2:14], reference[50:62, 40:52, 30:42] = 1, 1
    prediction[30:34, 30:34, 4:8] = 2
    rules: dict[str, Any] = {"whole": whole, "edge_is_border": False, "ignored": None}
    found = PointSets(
        prediction=prediction, reference=reference, present=[0, 1, 2], spacing=(2, 0.75, 1.1), **rules
    ).distances({1: [1], 2: [2]})
    for label, sides in found.items():
        theirs = expected(prediction, reference, [label], (2, 0.75, 1.1), **rules)
        for ours, side in zip(sides, theirs, strict=True):
            assert listed(ours) == pytest.approx(side, rel=1e-12)


@pytest.mark.parametrize(
    ("preset", "metric", "rules"),
    [
        ("simpleitk", "masd", {"whole": True, "edge_is_border": True}),
        ("seg-metrics", "assd", {"whole": False, "edge_is_border": False}),
    ],
)
def test_a_predicted_ignore_value_is_background(preset: str, metric: str, rules: dict[str, bool]) -> None:
    """Elsewhere the ignored label counts as label 0, for distances and for counts."""
    reference = np.zeros((8, 9, 10), np.uint8)
    reference[2:5, 2:5, 2:5], reference[6:, 6:, 6:] = 1, IGNORED
    prediction = np.zeros_like(reference)
    prediction[2:5, 2:6, 2:5], prediction[6:, 5:, 6:] = 1, IGNORED
    results = segeval.score(
        prediction=prediction,
        reference=reference,
        metrics=[metric, "hd"],
        compat=preset,
        background=True,
        ignore_label=IGNORED,
    )
    for label in (0, 1):
        there, back = expected(prediction, reference, [label], (1, 1, 1), ignored=IGNORED, **rules)
        mean = np.mean([*there, *back]) if metric == "assd" else (np.mean(there) + np.mean(back)) / 2
        assert results.value(metric, label=label) == pytest.approx(mean)
        assert results.value("hd", label=label) == max(*there, *back)


@pytest.mark.parametrize(
    ("filled", "which"), [("prediction", "the prediction's"), ("reference", "the reference's"), ("both", "either")]
)
def test_a_mask_that_fills_the_image_is_at_no_distance(filled: str, which: str) -> None:
    """A mask without a surface, as the image edge is no border, does not score like an empty mask."""
    full, part = np.ones((6, 7, 8), np.uint8), np.zeros((6, 7, 8), np.uint8)
    part[2:4, 2:5, 2:5] = 1
    pair: dict[str, Any] = {name: full if filled in (name, "both") else part for name in ("prediction", "reference")}
    results = segeval.score(**pair, metrics=["hd", "hd@95", "assd"], compat="seg-metrics")
    assert [(row.value, row.note) for row in results.scores] == [(None, f"{which} mask fills the image")] * 3


def test_a_surface_that_is_ignored_is_at_no_distance() -> None:
    """A mask whose border is ignored still counts: here a block with an ignored border."""
    reference = np.zeros((9, 9), np.uint8)
    reference[1:8, 1:8], reference[2:7, 2:7] = IGNORED, 1
    prediction = np.zeros_like(reference)
    prediction[1:8, 1:8] = 1
    options: dict[str, Any] = {"prediction": prediction, "reference": reference, "metrics": ["hd"]}
    (row,) = segeval.score(**options, compat="seg-metrics", ignore_label=IGNORED).scores
    assert (row.value, row.note) == (None, "the prediction's surface lies wholly in the ignored zone")
