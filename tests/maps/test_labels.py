"""Relabelling, and matching labels by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segeval
from segeval.errors import InputError, UsageError
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.maps.labels import check_names, matched_by_name, plain_name, present_labels, relabelled
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan

Array = NDArray[Any]


def label_map(labels: Any, names: Mapping[int, str] | None = None, source: str = "map.nii") -> LabelMap:
    array = np.array(labels)
    array = array[None] if array.ndim == 1 else array
    grid = Grid(shape=array.shape, spacing=(1.0,) * array.ndim)
    return LabelMap(labels=as_labels(array, source=source), grid=grid, names=names or {}, source=source)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from([0, 1, 2, 255, 300, 70_000, 2**40, 2**64 - 1]), min_size=1, max_size=12),
    new=st.dictionaries(st.sampled_from([0, 1, 2, 255, 300, 70_000, 5]), st.sampled_from([0, 1, 2, 255, 300, 2**40])),
)
def test_every_label_is_changed_once(labels: list[int], new: dict[int, int]) -> None:
    before = label_map(np.array(labels, np.uint64))
    after = relabelled(before, new)
    assert after.labels.ravel().tolist() == [new.get(label, label) for label in labels]
    assert before.labels.ravel().tolist() == labels


def test_labels_can_change_places() -> None:
    swapped = relabelled(label_map([1, 2, 1, 3], {1: "liver", 2: "spleen", 3: "kidney"}), {1: 2, 2: 1})
    assert swapped.labels.tolist() == [[2, 1, 2, 3]]
    assert swapped.names == {2: "liver", 1: "spleen", 3: "kidney"}


def test_labels_can_be_swapped_in_one_map_or_both() -> None:
    labels = np.array([[1, 1, 1, 2, 0]])
    other = np.array([[2, 2, 2, 1, 0]])
    swap = {1: 2, 2: 1}

    def dice(**options: Any) -> float | None:
        return segeval.score(prediction=other, reference=labels, metrics="dice", **options).value("dice", label=1)

    assert dice() == 0
    assert dice(map_prediction=swap) == dice(map_reference=swap) == 1
    assert dice(map=swap) == 0
    assert dice(map=swap, map_reference={1: 1, 2: 2}) == 1


def test_a_mask_of_255_becomes_one_of_1() -> None:
    mask = np.array([[0, 255, 255]], np.uint8)
    results = segeval.score(prediction=mask, reference=mask // 255, metrics="dice", map={255: 1})
    assert results.value("dice", label=1) == 1


@pytest.mark.parametrize("option", [{"map": {-1: 0}}, {"map": {1: -1}}, {"map_prediction": {1: 2**64}}])
def test_impossible_labels_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        segeval.score(prediction=np.ones((2, 2), int), reference=np.ones((2, 2), int), **option)


def test_a_name_moves_with_its_label_unless_the_new_one_has_one() -> None:
    assert relabelled(label_map([5], {5: "tumour"}), {5: 1}).names == {1: "tumour"}
    assert relabelled(label_map([5], {5: "tumour", 1: "lesion"}), {5: 1}).names == {1: "lesion"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Kidney_Left", "kidney left", True),
        ("kidney-left", " KIDNEY  left ", True),
        ("kidney_left", "kidney_right", False),
        ("Straße", "STRASSE", True),
    ],
)
def test_spellings_of_a_name(one: str, other: str, same: bool) -> None:
    assert (plain_name(one) == plain_name(other)) is same


@pytest.mark.parametrize("labels", [[0], [3, 3, 0], [[1, 2], [2, 70_000]], [[255, 255], [255, 255]]])
def test_present_labels_are_all_that_occur(labels: Any) -> None:
    assert present_labels(label_map(labels)) == np.unique(labels).tolist()


def test_names_that_contradict_each_other_are_refused_with_both() -> None:
    prediction = label_map([1, 2], {1: "liver", 2: "spleen"}, source="prediction.nii")
    reference = label_map([1, 2], {1: "liver", 2: "stomach"})
    with pytest.raises(
        InputError, match="label 2 has two names: spleen in the prediction, stomach in the reference"
    ) as caught:
        check_names(prediction, reference, present=[1, 2])
    assert str(caught.value).startswith("prediction.nii: ")
    assert "--match names" in str(caught.value)


def test_contradictions_about_labels_that_are_in_neither_do_not_matter() -> None:
    check_names(label_map([1], {2: "spleen"}), label_map([1], {2: "stomach"}), present=[0, 1])


def test_a_spelling_is_no_contradiction() -> None:
    check_names(label_map([1], {1: "Left_Kidney"}), label_map([1], {1: "left kidney"}), present=[1])


def test_many_contradictions_are_counted() -> None:
    numbers = range(1, 10)
    one, other = ({n: f"{kind} {n}" for n in numbers} for kind in ("rib", "vertebra"))
    with pytest.raises(
        InputError,
        match=r"9 labels have two names: 1 \(rib 1 in the prediction, vertebra 1 in the reference\), .* and 4 more",
    ):
        check_names(label_map([*numbers], one), label_map([*numbers], other), present=numbers)


def test_labels_that_the_user_names_settle_a_contradiction() -> None:
    prediction, reference = label_map([1], {1: "liver"}), label_map([1], {1: "spleen"})
    _, names, _ = compare(prediction, reference, Plan(names={1: "organ"}))
    assert names == {1: "organ"}


def test_names_pair_labels_of_different_numbers() -> None:
    prediction = label_map([1, 2, 3, 0], {1: "spleen", 2: "Liver", 3: "kidney"})
    reference = label_map([2, 1, 9, 0], {2: "spleen", 1: "liver", 9: "kidney"})
    found = matched_by_name(prediction, reference)
    assert found.labels.tolist() == reference.labels.tolist()
    assert found.names == {2: "spleen", 1: "Liver", 9: "kidney"}


def test_a_name_that_the_reference_lacks_gets_a_free_number() -> None:
    prediction = label_map([1, 2], {1: "tumour", 2: "liver"})
    reference = label_map([1, 1], {1: "liver", 7: "spleen"})
    found = matched_by_name(prediction, reference)
    assert found.labels.tolist() == [[8, 1]]
    assert found.names[8] == "tumour"


def test_a_name_that_the_reference_lacks_keeps_a_number_that_is_free() -> None:
    found = matched_by_name(label_map([5, 1], {5: "tumour", 1: "liver"}), label_map([1], {1: "liver"}))
    assert found.labels.tolist() == [[5, 1]]


@pytest.mark.parametrize("side", ["prediction", "reference"])
def test_a_label_without_a_name_cannot_be_matched_by_it(side: str) -> None:
    named, nameless = label_map([1], {1: "liver"}), label_map([1, 4], {1: "liver"}, source="nameless.nii")
    pair = (nameless, named) if side == "prediction" else (named, nameless)
    with pytest.raises(
        InputError, match=r"nameless.nii: labels cannot be matched by name: 1 label without a name \(4\); to match"
    ):
        matched_by_name(*pair)


def test_two_labels_of_one_name_cannot_be_matched_by_it() -> None:
    twice = label_map([1, 2], {1: "lung", 2: "Lung"})
    with pytest.raises(InputError, match="labels 1 and 2 have the same name 'Lung'"):
        matched_by_name(label_map([1], {1: "lung"}), twice)


def test_matching_by_name_scores_by_name() -> None:
    labels = {1: "liver", 2: "spleen"}
    prediction = label_map([2, 2, 1], {2: "liver", 1: "spleen"})
    reference = label_map([1, 1, 2], labels)
    pair, names, _ = compare(prediction, reference, Plan(match="names"))
    assert pair.counts(1).tp == 2
    assert pair.counts(2).tp == 1
    assert names == labels
