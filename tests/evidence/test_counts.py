"""The contingency table against a dictionary, its views, and its cost."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from segeval.evidence.counts import ContingencyTable, Counts, LabelTotals, count_pairs
from segeval.maps import label_map as labelmap
from segeval.maps.label_map import as_labels

Array = NDArray[Any]

LABELS = [0, 1, 2, 254, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1]


def counted(prediction: Array, reference: Array) -> dict[tuple[int, int], int]:
    """Pairs of (reference, prediction), counted one by one."""
    return dict(Counter(zip(reference.ravel().tolist(), prediction.ravel().tolist(), strict=True)))


def as_pairs(table: ContingencyTable) -> dict[tuple[int, int], int]:
    keys = zip(table.reference.tolist(), table.prediction.tolist(), strict=True)
    return dict(zip(keys, table.voxels.tolist(), strict=True))


def table_of(prediction: Array, reference: Array) -> ContingencyTable:
    return count_pairs(
        prediction=as_labels(prediction, source="prediction"), reference=as_labels(reference, source="reference")
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=3, max_side=6))
    elements = st.sampled_from(draw(st.sampled_from([LABELS[:5], LABELS[:7], LABELS])))
    one = draw(arrays.arrays(np.uint64, shape, elements=elements, fill=st.nothing()))
    other = draw(arrays.arrays(np.uint64, shape, elements=elements, fill=st.nothing()))
    return one, other


@settings(max_examples=80, deadline=None)
@given(pair=pairs())
def test_pairs_are_counted_as_by_a_dictionary(pair: tuple[Array, Array]) -> None:
    table = table_of(*pair)
    assert as_pairs(table) == counted(*pair)
    assert table.total == pair[0].size


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), slab=st.integers(1, 20))
def test_the_size_of_a_slab_does_not_matter(pair: tuple[Array, Array], slab: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelmap, "SLAB_VOXELS", slab)
        assert as_pairs(table_of(*pair)) == counted(*pair)


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), ignored=st.sampled_from(LABELS))
def test_ignored_voxels_are_taken_out_of_both(pair: tuple[Array, Array], ignored: int) -> None:
    prediction, reference = pair
    kept = reference != ignored
    inside = prediction[kept]
    inside = np.where(inside == ignored, np.uint64(0), inside)
    assert as_pairs(table_of(prediction, reference).without(ignored)) == counted(inside, reference[kept])


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), members=st.sets(st.sampled_from(LABELS), max_size=4))
def test_a_union_is_counted_like_a_mask(pair: tuple[Array, Array], members: set[int]) -> None:
    wanted = np.array(sorted(members), np.uint64)
    prediction, reference = (np.isin(labels, wanted) for labels in pair)
    expected = Counts(
        tp=int((prediction & reference).sum()),
        fp=int((prediction & ~reference).sum()),
        fn=int((~prediction & reference).sum()),
        tn=int((~prediction & ~reference).sum()),
    )
    assert table_of(*pair).counts(members) == expected


def test_pairs_are_sorted_by_reference_then_prediction() -> None:
    table = table_of(np.array([[2, 1, 0, 2]]), np.array([[1, 1, 0, 0]]))
    assert list(as_pairs(table)) == [(0, 0), (0, 2), (1, 1), (1, 2)]
    assert table.labels == [0, 1, 2]
    assert table.reference_totals == {0: 2, 1: 2}
    assert table.prediction_totals == {0: 1, 1: 1, 2: 2}
    assert table.agreed == {0: 1, 1: 1}


def test_a_label_that_is_nowhere_counts_nothing() -> None:
    table = table_of(np.array([[1, 0]]), np.array([[1, 0]]))
    assert table.counts({7}) == Counts(tp=0, fp=0, fn=0, tn=2)


def test_sums_of_counts() -> None:
    counts = Counts(tp=1, fp=2, fn=4, tn=8)
    assert (counts.prediction, counts.reference, counts.total) == (3, 5, 15)


def test_totals_have_an_entry_per_label_of_either_map() -> None:
    table = table_of(np.array([[0, 2, 2, 5]]), np.array([[0, 2, 0, 3]]))
    totals = LabelTotals.of(table, averaged=(2, 3, 9), absent_class="max")
    assert totals.reference.tolist() == [2, 1, 1, 0]
    assert totals.prediction.tolist() == [1, 2, 0, 1]
    assert totals.agreed.tolist() == [1, 1, 0, 0]
    assert totals.averaged.tolist() == [False, True, True, False]


def test_the_counts_are_python_integers() -> None:
    counts = table_of(np.array([[1, 1]]), np.array([[1, 0]])).counts({1})
    assert {type(getattr(counts, name)) for name in ("tp", "fp", "fn", "tn")} == {int}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_memory_does_not_grow_with_the_image(dtype: type) -> None:
    rng = np.random.default_rng(0)
    part: Array = rng.integers(0, 40, (4, 500, 500)).astype(dtype)
    small = part.repeat(4, axis=0)
    large = part.repeat(20, axis=0)
    assert large.size == 20_000_000
    peaks = []
    for labels in (small, large):
        tracemalloc.start()
        count_pairs(reference=labels, prediction=labels[::-1])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 8 * large.size


def test_counting_agrees_on_a_large_map() -> None:
    rng = np.random.default_rng(1)
    reference = rng.integers(0, 6, (7, 400, 400)).astype(np.uint8)
    prediction = np.where(rng.random(reference.shape) < 0.9, reference, 250).astype(np.uint8)
    keys, voxels = np.unique(reference.astype(int) * 256 + prediction, return_counts=True)
    expected = {(int(key) // 256, int(key) % 256): int(n) for key, n in zip(keys, voxels, strict=True)}
    assert as_pairs(count_pairs(reference=reference, prediction=prediction)) == expected
