"""Probabilities and their reference by class: axes, clipping and classes."""

from __future__ import annotations

import numpy as np
import pytest

from segeval.errors import InputError
from segeval.maps.channels import paired

SHARES = np.array([[[0.7, 0.2, 0.1]], [[0.2, 0.5, 0.1]], [[0.1, 0.3, 0.8]]])  # (class, y, x)
LABELS = np.array([[0, 1, 2]])


def test_one_channel_is_the_foreground_and_the_rest_the_background() -> None:
    maps = paired(probabilities=np.array([[[0.25, 1.0, 0.5]]]), reference=np.array([[0, 1, 1]]))
    assert (maps.one_channel, maps.classes, maps.voxels, maps.shape) == (True, 2, 3, (1, 1, 3))
    assert maps.pair(1)[0].tolist() == [[0.25, 1.0, 0.5]]
    assert maps.pair(0)[0].tolist() == [[0.75, 0.0, 0.5]]
    assert [maps.pair(label)[1].tolist() for label in (0, 1)] == [[[1, 0, 0]], [[0, 1, 1]]]
    assert maps.predicted() == {0, 1}


def test_every_class_has_its_channel() -> None:
    rows = paired(probabilities=np.concatenate([SHARES, SHARES], axis=1), reference=np.concatenate([LABELS, LABELS]))
    assert (rows.one_channel, rows.classes, rows.voxels) == (False, 3, 6)
    maps = paired(probabilities=SHARES, reference=LABELS)
    for label in range(3):
        probabilities, reference = maps.pair(label)
        assert probabilities.tolist() == SHARES[label].tolist()
        assert reference.tolist() == np.equal(LABELS, label).tolist()
    assert maps.predicted() == {0, 1, 2}


def test_a_slope_is_taken_off_where_the_class_is() -> None:
    maps = paired(probabilities=SHARES, reference=LABELS)
    gradient = maps.zeros()
    maps.subtract(gradient, 2, np.array([[1.0, 2.0, 3.0]]))
    assert gradient[2].tolist() == [[-1, -2, -3]]
    assert not gradient[:2].any()
    alone = paired(probabilities=SHARES[1:2], reference=LABELS > 1)
    gradient = alone.zeros()
    alone.subtract(gradient, 0, np.array([[1.0, 2.0, 3.0]]))  # of 1 - p
    assert gradient.tolist() == [[[1, 2, 3]]]


def test_values_are_clipped_and_divided_by_their_sum_if_normalise_is_set() -> None:
    wild = np.array([[[1.5, 0.2]], [[-0.5, 0.6]]])
    maps = paired(probabilities=wild, reference=np.array([[0, 1]]), normalise=True)
    assert np.allclose(maps.pair(0)[0], [[1.0, 0.25]], rtol=1e-15)
    assert np.allclose(maps.pair(1)[0], [[0.0, 0.75]], rtol=1e-15)
    with pytest.raises(InputError, match=r"sum to 1, found sums from 0\.8 to 1"):
        paired(probabilities=np.array([[[0.5, 0.2]], [[0.5, 0.6]]]), reference=np.array([[0, 1]]))


def test_the_first_of_three_axes_is_the_class_if_the_reference_sums_to_one() -> None:
    assert paired(probabilities=SHARES, reference=SHARES).classes == 3
    volume = np.full((2, 1, 2), 0.25)  # one channel of a volume; its slices do not sum to 1
    assert paired(probabilities=volume, reference=volume).classes == 2
    half = np.array([[[0.5, 0.5]], [[0.5, 0.1]]])  # sums to 1 at one of its voxels only
    assert paired(probabilities=half, reference=half).classes == 2
