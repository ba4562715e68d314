"""The sums of a probability map and its calibration, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from segeval.evidence.probability_sums import sum_up
from segeval.maps.label_map import Grid
from segeval.maps.probability_map import arranged

BINS = 4


def test_sums_and_bins_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), size=(5, 7)).transpose(2, 0, 1)
    reference = rng.integers(0, 3, (5, 7)).astype(np.uint8)
    grid = Grid(shape=(5, 7), spacing=(1.0, 1.0), unit="px")
    found = sum_up(arranged(shares, grid, source="p"), reference=reference, bins=(BINS,))
    voxels, right, confidence = [0] * BINS, [0] * BINS, [0.0] * BINS
    for place in np.ndindex(5, 7):
        here = shares[(slice(None), *place)]
        bin_ = min(BINS - 1, max(0, math.ceil(here.max() * BINS) - 1))
        voxels[bin_] += 1
        right[bin_] += int(here.argmax() == reference[place])
        confidence[bin_] += here.max()
    calibration = found.calibration[BINS]
    assert calibration.voxels.tolist() == voxels
    assert calibration.right.tolist() == right
    assert calibration.confidence.tolist() == pytest.approx(confidence)
    for label in range(3):
        p, r = shares[label], reference == label
        sums = found.by_label[label]
        assert (sums.voxels, sums.r) == (35, int(r.sum()))
        assert (sums.p, sums.pr, sums.pp) == pytest.approx((p.sum(), (p * r).sum(), (p * p).sum()))
        assert sums.hit_log == pytest.approx(np.log(p[r]).sum())
        assert sums.miss_log == pytest.approx(np.log(1 - p[~r]).sum())
