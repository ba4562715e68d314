"""Each preset against the package that it is of, wherever that is installed: the same numbers, or the same refusal.

The packages are called as their users would (`tests.peers`), on small random maps, on real pairs and on empty masks. A
package sees one label at a time, as a binary mask; segeval scores the whole map. Where a package gives NaN or raises,
the preset has no value and a note that says which.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.results.results import Results
from segeval.scoring.presets import PRESETS
from tests.peers import PEERS, Spacing, package
from tests.test_real_data import CORD, GLIOMA, ORGANS, read_volume

Labels = NDArray[Any]

MODULES = {
    "monai": "monai",
    "medpy": "medpy",
    "deepmind": "surface_distance",
    "panoptica": "panoptica",
    "seg-metrics": "seg_metrics",
    "simpleitk": "SimpleITK",
    "nnunet": "nnunetv2",
}
FLOAT32 = {"monai": 2e-5, "seg-metrics": 2e-5}  # they round to it, somewhere on the way
CLOSE = 1e-6
NUMBERED = {  # 61.8, as many a small shape has just half of its area within some distance, and then rounding decides
    "hd@": ["hd@95", "hd@61.8"],
    "nsd": ["nsd@1", "nsd@2.5"],
    "fbeta": ["fbeta", "fbeta@2"],
    "surface_overlap_of_reference": ["surface_overlap_of_reference@1"],
    "surface_overlap_of_prediction": ["surface_overlap_of_prediction@1"],
}
RANDOM_PAIRS = 200
LABELS = (1, 2, 3)
ORGAN_LABELS = (1, 2, 5, 13, 52, 79, 108, 117)

# where NumPy counts in integers of its own (2.4 on), what MedPy makes of 0 / 0 is NaN, and no longer what its code says
OF_NUMPY = {} if np.lib.NumpyVersion(np.__version__) < "2.4.0" else {"medpy": {"dice", "precision", "sensitivity"}}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two label maps, (z, y, x) or (y, x), the spacing in that order, and the labels that are scored."""

    prediction: Labels
    reference: Labels
    spacing: Spacing
    labels: tuple[int, ...]


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a preset whose package is here."""
    name: str = request.param
    pytest.importorskip(MODULES[name], reason=f"{PRESETS[name].title} is not installed")
    if name == "deepmind":  # for empty masks it needs names that NumPy 2 took away: as under NumPy 1
        for gone in ("Inf", "NaN"):
            monkeypatch.setitem(vars(np), gone, float(gone))
    return name


def tokens(name: str) -> list[str]:
    """Every metric that a preset has, as it is asked for; those that take a number with two of them."""
    preset = PRESETS[name]
    by_label = sorted(preset.metrics - {"generalized_dice"})  # which is over all labels, and has a test of its own
    return [token for metric in by_label for token in NUMBERED.get(metric, [metric])]


def scored(name: str, pair: Pair, metrics: Collection[str]) -> Results:
    """Segeval's scores under a preset."""
    return segeval.score(
        prediction=pair.prediction,
        reference=pair.reference,
        spacing=pair.spacing,
        metrics=metrics,
        compat=name,
        labels={label: f"label {label}" for label in pair.labels},
    )


def disagreements(name: str, pair: Pair) -> Iterator[str]:
    """What a preset and its package say differently of a pair."""
    metrics = tokens(name)
    rows = {(row.label, row.metric): row for row in scored(name, pair, metrics).scores}
    for label in pair.labels:
        masks = pair.prediction == label, pair.reference == label
        empty = not all(mask.any() for mask in masks)
        theirs = PEERS[name](*masks, pair.spacing, metrics)
        for metric in metrics:
            if empty and metric.partition("@")[0] in OF_NUMPY.get(name, ()):
                continue
            ours, answer = rows[label, metric], theirs[metric]
            if isinstance(answer, Exception):
                agree = ours.value is None and ours.note == f"{name} raises"
            elif math.isnan(answer):
                agree = ours.value is None and ours.note == f"{name}: nan"
            else:
                tolerance = FLOAT32.get(name, CLOSE)
                near = 1e-9 if tolerance == CLOSE else tolerance
                agree = ours.value is not None and math.isclose(ours.value, answer, rel_tol=tolerance, abs_tol=near)
            if not agree:
                yield f"label {label} {metric}: {answer!r}, segeval {ours.value!r} ({ours.note}), {pair.spacing}"


def random_map(draw: np.random.Generator, shape: tuple[int, ...]) -> Labels:
    """Boxes and ellipsoids of three labels, over the edge of the image too."""
    found = np.zeros(shape, np.uint8)
    index = np.indices(shape)
    axes = (-1, *[1] * len(shape))
    for label in draw.permutation(LABELS):
        centre = draw.uniform(-1, shape).reshape(axes)
        radii = draw.uniform(0.8, 0.6 * np.array(shape)).reshape(axes)
        away = np.abs(index - centre) / radii
        inside = away.max(axis=0) < 0.7 if draw.random() < 0.5 else np.square(away).sum(axis=0) < 1
        found[inside] = label
    return found


def random_pairs() -> Iterator[Pair]:
    """Small maps of three labels and what a model might make of them: moved, frayed, or something else."""
    draw = np.random.default_rng(20261120)
    for number in range(RANDOM_PAIRS):
        axes = 2 if number % 4 == 0 else 3
        shape = tuple(draw.integers(3, 18 if axes == 2 else 10, axes).tolist())
        steps = draw.choice([0.4, 0.5, 0.75, 1, 1.25, 2, 3.3, 5], axes)
        if number % 5 == 0:
            steps = draw.uniform(0.3, 6, axes)  # of no round number
        reference = random_map(draw, shape)
        moved = np.roll(reference, tuple(draw.integers(-2, 3, axes)), tuple(range(axes)))
        prediction = random_map(draw, shape) if number % 3 == 0 else moved
        noise = draw.random(shape) < 0.03
        prediction[noise] = draw.integers(0, 4, int(noise.sum()))
        yield Pair(
            prediction=prediction, reference=reference, spacing=tuple(float(step) for step in steps), labels=LABELS
        )


def cropped(prediction: Labels, reference: Labels, spacing: Spacing, labels: tuple[int, ...]) -> Pair:
    """The box of the labels in both maps, a voxel wider where there is one."""
    held = np.isin(prediction, labels) | np.isin(reference, labels)
    places = np.argwhere(held)
    box = tuple(
        slice(max(0, first - 1), last + 2) for first, last in zip(places.min(axis=0), places.max(axis=0), strict=True)
    )
    return Pair(prediction=prediction[box], reference=reference[box], spacing=spacing, labels=labels)


def real_pairs() -> dict[str, list[Pair]]:
    """Pairs of models and experts, each cropped to what is scored."""
    found: dict[str, list[Pair]] = {}

    def read(folder: Path, prediction: str, reference: str) -> tuple[Labels, Labels, Spacing]:
        (one, _), (other, spacing) = (read_volume(folder / f"{name}.nii.gz") for name in (prediction, reference))
        return one, other, spacing

    if GLIOMA.is_dir():
        found["glioma"] = [cropped(*read(GLIOMA / "TCGA-DU-7294", "isen-20", "simple"), (1, 2, 4))]
    if CORD.is_dir():
        names = [("t2_seg-deepseg_sc-3d", "t2_seg-manual"), ("t2s_seg-deepseg", "t2s_seg")]
        found["spinal_cord"] = [cropped(*read(CORD, *each), (1,)) for each in names]
    if ORGANS.is_dir():
        maps = read(ORGANS, "pred_fast_model", "ref_full_model")
        found["ct_organs"] = [cropped(*maps, (label,)) for label in ORGAN_LABELS if (maps[1] == label).any()]
    return found


@pytest.mark.slow
def test_random_pairs(peer: str) -> None:
    wrong = [
        f"pair {number}, {text}" for number, pair in enumerate(random_pairs()) for text in disagreements(peer, pair)
    ]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:20]])


@pytest.mark.slow
@pytest.mark.parametrize("data", ["glioma", "spinal_cord", "ct_organs"])
def test_real_pairs(peer: str, data: str) -> None:
    pairs = real_pairs().get(data)
    if pairs is None:
        pytest.skip(f"the real data {data} are not beside the project")
    wrong = [text for pair in pairs for text in disagreements(peer, pair)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("empty", ["both", "prediction", "reference"])
@pytest.mark.parametrize("spacing", [(1.5, 1.0), (4.0, 1.0, 0.75)], ids=["2-D", "3-D"])
def test_empty_masks(peer: str, empty: str, spacing: Spacing) -> None:
    something = np.zeros((6, 8, 9)[-len(spacing) :], np.uint8)
    something[(slice(2, 5),) * something.ndim] = 1
    nothing = np.zeros_like(something)
    prediction, reference = (nothing if empty in ("both", side) else something for side in ("prediction", "reference"))
    pair = Pair(prediction=prediction, reference=reference, spacing=spacing, labels=(1,))
    assert not list(disagreements(peer, pair))


def test_generalized_dice_of_monai_over_all_labels() -> None:
    pytest.importorskip("monai", reason="MONAI is not installed")
    torch, metrics = package("torch"), package("monai.metrics")

    def channels(labels: Labels) -> Any:
        return torch.from_numpy(np.stack([labels == label for label in (0, *LABELS)])[None].astype(np.float32))

    for pair in random_pairs():
        theirs = float(metrics.GeneralizedDiceScore()(channels(pair.prediction), channels(pair.reference)))
        ours = scored("monai", pair, ["generalized_dice"]).value("generalized_dice")
        assert ours == pytest.approx(theirs, rel=FLOAT32["monai"]), pair


def test_every_preset_has_its_package_here() -> None:
    assert PRESETS.keys() - PEERS.keys() == {"metricsreloaded"}  # it is in no package index
