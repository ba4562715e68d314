"""What other tools report: the pair on which they are known to part, empty masks, and what a preset refuses."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segeval
from segeval.errors import UsageError
from segeval.evidence.conventions import Conventions
from segeval.metrics import METRICS
from segeval.results.results import Results
from segeval.scoring.options import OPTIONS
from segeval.scoring.plan import Plan, plan_of
from segeval.scoring.presets import PRESETS, preset_of

Mask = NDArray[np.uint8]
SPACING = (4.0, 1.0, 1.0)


def ball(centre: tuple[int, int, int], radius_mm: float) -> Mask:
    axes = np.ogrid[:20, :60, :60]
    squares = sum(((axis - c) * step) ** 2 for axis, step, c in zip(axes, SPACING, centre, strict=True))
    return np.asarray(squares <= radius_mm**2).astype(np.uint8)


def pair() -> tuple[Mask, Mask]:
    """A ball, and one that is smaller, shifted, and has a stray blob."""
    prediction = ball((10, 30, 27), 12)
    prediction[2, 50:53, 50:53] = 1
    return prediction, ball((9, 28, 28), 14)


def scored(metrics: list[str], **options: Any) -> Results:
    prediction, reference = pair()
    return segeval.score(prediction=prediction, reference=reference, spacing=SPACING, metrics=metrics, **options)


@pytest.mark.parametrize(
    ("preset", "metric", "number"),
    [
        ("monai", "hd@95", 7.280),
        ("monai", "asd_to_reference", 2.406),
        ("monai", "assd", 2.685),
        ("monai", "nsd@1", 0.396),
        ("metricsreloaded", "hd@95", 7.280),
        ("metricsreloaded", "assd", 2.685),
        ("metricsreloaded", "masd", 2.647),
        ("metricsreloaded", "nsd@1", 0.396),
        ("medpy", "hd@95", 6.481),
        ("medpy", "assd", 2.685),
        ("panoptica", "hd@95", 6.481),
        ("panoptica", "masd", 2.647),
        ("panoptica", "nsd@1", 0.403),
        ("deepmind", "hd@95", 6.403),
        ("deepmind", "asd_to_prediction", 2.484),
        ("deepmind", "asd_to_reference", 2.174),
        ("deepmind", "nsd@1", 0.450),
        ("seg-metrics", "hd@95", 6.000),
        ("seg-metrics", "assd", 2.336),
        ("simpleitk", "masd", 0.938),
        *((preset, "dice", 0.6877) for preset in PRESETS),
        *((preset, "hd", 30.199) for preset in PRESETS if preset != "nnunet"),
    ],
)
def test_each_tool_gives_its_own_number(preset: str, metric: str, number: float) -> None:
    value = scored([metric], compat=preset).value(metric, label=1)
    assert value == pytest.approx(number, abs=5.1e-4)


def test_the_signature_says_whose_numbers_they_are() -> None:
    signature = scored(["masd"], compat="panoptica").signature
    for statement in (
        "compat panoptica",
        "percentile pooled, linear",
        "nsd mean of both sides",
        'panoptica "ASSD" = masd',
    ):
        assert statement in signature
    assert "the image edge is no border" in scored(["assd"], compat="seg-metrics").signature
    assert "an empty mask is at distance 0" in scored(["assd"], compat="seg-metrics").signature
    assert "surface surfel" in scored(["hd"], compat="deepmind").signature
    assert "compat" not in scored(["hd"]).signature


def empty_values(preset: str, metric: str) -> list[tuple[float | None, str | None]]:
    """Value and note where both masks, the prediction, and the reference are empty."""
    full, nothing = np.zeros((6, 7, 8), np.uint8), np.zeros((6, 7, 8), np.uint8)
    full[2:4, 2:5, 2:5] = 1
    found = []
    for prediction, reference in ((nothing, nothing), (nothing, full), (full, nothing)):
        results = segeval.score(
            prediction=prediction, reference=reference, metrics=[metric], compat=preset, labels={1: "x"}
        )
        (row,) = results.scores
        found.append((row.value, row.note))
    return found


@pytest.mark.parametrize(
    ("preset", "metric", "expected"),
    [
        ("monai", "dice", [None, 0, None]),
        ("monai", "hd", [None, math.inf, math.inf]),
        ("monai", "hd@95", [None, None, None]),
        ("monai", "nsd@1", [None, 0, 0]),
        ("medpy", "dice", [1, 0, 0]),
        ("medpy", "iou", [1, 0, 0]),
        ("medpy", "hd@95", [None, None, None]),
        ("metricsreloaded", "dice", [1, 0, 0]),
        ("metricsreloaded", "hd", [0, None, None]),
        ("metricsreloaded", "nsd@1", [1, 0, 0]),
        ("deepmind", "hd@95", [math.inf, math.inf, math.inf]),
        ("deepmind", "asd_to_reference", [None, None, math.inf]),
        ("deepmind", "asd_to_prediction", [None, math.inf, None]),
        ("panoptica", "masd", [None, math.inf, math.inf]),
        ("seg-metrics", "dice", [1, 0, 0]),
        ("seg-metrics", "hd@95", [0, 0, 0]),
        ("simpleitk", "dice", [math.inf, 0, 0]),
        ("simpleitk", "hd", [None, None, None]),
        ("nnunet", "dice", [None, 0, 0]),
    ],
)
def test_empty_masks(preset: str, metric: str, expected: list[float | None]) -> None:
    assert [value for value, _ in empty_values(preset, metric)] == expected


def test_why_there_is_no_number_is_told() -> None:
    assert [note for _, note in empty_values("monai", "hd@95")] == ["monai: nan"] * 3
    assert [note for _, note in empty_values("medpy", "hd")] == ["medpy raises"] * 3
    assert [note for _, note in empty_values("medpy", "iou")] == [
        "absent in both",
        "prediction empty",
        "reference empty",
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_data(name: str) -> None:
    preset = PRESETS[name]
    known = {*METRICS, "hd@", "hd@95"}
    assert preset.metrics <= known
    assert set(preset.conventions.empty) <= known
    assert preset.conventions.compat == name
    assert preset.mean_distance is None or preset.has(preset.mean_distance)
    plan = plan_of(compat=name, metrics=sorted(preset.metrics - {"hd@", "hd@95"}), tolerance=2, background=True)
    assert Plan.of_settings(plan.settings()) == plan
    default = plan_of(compat=name)
    assert all(preset.has(request.name, request.value) for request in default.metrics)
    assert default.metrics


def test_settings_hold_a_plan_whole() -> None:
    plan = plan_of(
        metrics="all",
        labels={1: "liver", 2: "spleen"},
        match="names",
        only=["liver", "both"],
        regions={"both": [1, 2]},
        map_prediction={3: 1},
        map={9: 2},
        ignore_label=255,
        background=True,
        surface="surfel",
        percentile="pooled",
        penalty=12.5,
        absent_class="ignore",
        tolerance={"liver": 3},
        spacing=(3, 1, 2),
        geometry="warn",
        geometry_tolerance=0.2,
    )
    assert Plan.of_settings(plan.settings()) == plan
    assert Plan.of_settings(plan_of().settings()) == plan_of()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compat": "monia"}, "compat knows no tool 'monia'; did you mean monai"),
        ({"compat": "nnunet", "metrics": ["dice", "hd"]}, "nnU-Net 2.8 has no hd"),
        ({"compat": "medpy", "metrics": ["hd@90"]}, "MedPy 0.5.2 has no hd@90"),
        ({"compat": "monai", "penalty": "nan"}, "compat monai already sets penalty"),
        ({"compat": "monai", "penalty": "diagonal"}, "compat monai already sets penalty"),
        ({"compat": "Monai"}, "compat knows no tool 'Monai'; did you mean monai"),
        ({"compat": ["monai"]}, "compat must be a string or None"),
        ({"compat": "nnunet", "metrics": "all,hd"}, "nnU-Net 2.8 has no hd"),
        ({"compat": "nnunet", "metrics": [f"nsd@{number}" for number in range(1, 40)]}, "nnU-Net 2.8 has no nsd@1"),
        ({"compat": "monai", "surface": "surfel", "percentile": "pooled"}, "already sets surface, percentile"),
        ({"surface": "region"}, "surface must be 'voxel', 'surfel', 'smooth'"),
        ({"percentile": "both"}, "percentile must be 'directed', 'pooled'"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        scored(options.pop("metrics", ["dice"]), **options)


def test_the_smooth_surface_is_for_volumes() -> None:
    flat = np.zeros((20, 20), np.uint8)
    flat[5:9, 5:9] = 1
    with pytest.raises(UsageError, match="--surface smooth needs a volume"):
        segeval.score(prediction=flat, reference=flat, metrics=["hd"], surface="smooth")
    assert segeval.score(prediction=flat, reference=flat, metrics=["hd"], surface="surfel").value("hd", label=1) == 0


def test_pooled_is_the_percentile_of_both_lists() -> None:
    prediction, reference = np.zeros((1, 12), np.uint8), np.zeros((1, 12), np.uint8)
    prediction[0, [0, 4]], reference[0, 0] = 1, 1
    options: dict[str, Any] = {"prediction": prediction, "reference": reference, "metrics": ["hd@50", "hd"]}
    directed, pooled = segeval.score(**options), segeval.score(**options, percentile="pooled")
    assert directed.value("hd@50", label=1) == np.percentile([0, 4], 50)
    assert pooled.value("hd@50", label=1) == np.percentile([0, 4, 0], 50)
    assert pooled.value("hd", label=1) == 4
    assert "percentile pooled" in pooled.signature


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_all_is_what_the_tool_has(preset: str | None) -> None:
    plan = plan_of(compat=preset, metrics="all")
    assert {request.name for request in plan.metrics} == {
        name for name, card in METRICS.items() if not card.is_soft and (preset is None or PRESETS[preset].has(name))
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"metrics": "dice"}, "3-D, mm"),
        ({"metrics": "hd"}, "3-D, mm; surface voxel, 6-neighbour; penalty diagonal"),
        (
            {"metrics": "hd@95", "percentile": "pooled"},
            "3-D, mm; surface voxel, 6-neighbour; percentile pooled, linear; penalty diagonal",
        ),
        ({"metrics": "nsd@2"}, "3-D, mm; surface voxel, 6-neighbour"),
        ({"metrics": "nsd", "tolerance": {"liver": 3}}, "3-D, mm; surface voxel, 6-neighbour; tolerance 1, liver=3 mm"),
        ({"metrics": "surface_overlap_of_reference", "surface": "surfel"}, "3-D, mm; surface surfel; tolerance 1 mm"),
        ({"metrics": "boundary_iou@2"}, "3-D, mm; surface voxel, 6-neighbour"),
        ({"metrics": "assd", "penalty": 12.5}, "3-D, mm; surface voxel, 6-neighbour; penalty 12.5 mm"),
        ({"metrics": "generalized_dice", "absent_class": "ignore"}, "3-D, mm; absent class ignore"),
        (
            {"metrics": "dice", "ignore_label": 9, "background": True, "regions": {"a": "1,2"}, "spacing": (4, 1, 1)},
            "3-D, mm; background scored; ignored label 9; spacing given 1 x 1 x 4; regions a=1,2",
        ),
        (
            {"metrics": "hd@95", "compat": "seg-metrics"},
            "compat seg-metrics; 3-D, mm; surface voxel, 26-neighbour, the image edge is no border; percentile pooled, "
            'linear; as seg-metrics 1.2, empty masks included; seg-metrics "msd" = assd; '
            "an empty mask is at distance 0",
        ),
        ({"metrics": "hd", "surface": "smooth"}, "3-D, mm; surface smooth, rule 1; penalty diagonal"),
    ],
)
def test_the_footnote_has_what_the_metrics_rest_on(options: dict[str, Any], expected: str) -> None:
    footnote = plan_of(**options).footnote({(3, "mm")})
    version, _, rest = footnote.partition("; ")
    assert version == f"segeval {segeval.__version__}"
    assert rest == expected


def test_the_smooth_surface_of_a_picture_is_refused_whatever_is_asked() -> None:
    flat = np.ones((5, 5), np.uint8)
    with pytest.raises(UsageError, match="--surface smooth needs a volume"):
        segeval.score(prediction=flat, reference=flat, metrics=["dice"], surface="smooth")


def test_ours_is_no_preset() -> None:
    assert Conventions().compat is None
    assert preset_of("monai").title == "MONAI 1.6"


def test_help_names_every_preset() -> None:
    named = OPTIONS["compat"].help.partition("one tool: ")[2].partition(";")[0]
    assert set(re.split(", | or ", named)) == set(PRESETS)
