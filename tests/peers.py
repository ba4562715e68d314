"""What other packages make of a pair of masks, each called as its own users would, answers keyed by segeval's names.

A function takes a prediction and a reference, (z, y, x) or (y, x), the spacing in that order and the metrics asked for.
It leaves out what its package has no number for; where the package raises, the answer is the exception. Which of
segeval's names a number of the package goes by is settled here, by what it measures and not by what it is called:
panoptica's "ASSD" is a `masd`. Nothing is imported before it is asked for, none of the packages has to be there.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]
Answers = dict[str, float | Exception]
Plain = Mapping[str, Callable[[], Any]]
Numbered = Mapping[str, Callable[[float], Any]]
Peer = Callable[[Mask, Mask, Spacing, Collection[str]], Answers]

DEFAULTS = {"hd": 100.0, "nsd": 1.0, "fbeta": 1.0}  # of the names that take a number; of others 1


def package(name: str) -> Any:
    """A module of a package that has no types, and may greet its users."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def answer(metrics: Collection[str], plain: Plain, numbered: Numbered | None = None) -> Answers:
    """Ask for each metric that there is a question for: by its whole name, or by its name and a number."""
    found: Answers = {}
    for token in metrics:
        name, _, number = token.partition("@")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if token in plain:
                    found[token] = float(plain[token]())
                elif numbered and name in numbered:
                    found[token] = float(numbered[name](float(number) if number else DEFAULTS.get(name, 1.0)))
        except Exception as error:  # noqa: BLE001 - whatever a package raises is its answer
            found[token] = error
    return found


def monai(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """MONAI's metric classes on two channels, background and foreground, of which the first is left out."""
    torch, package_ = package("torch"), package("monai.metrics")
    maps = [torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (prediction, reference)]
    rates = {
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "precision": "precision",
        "npv": "negative predictive value",
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "mcc": "matthews correlation coefficient",
    }

    def of(metric: Any, **options: Any) -> Any:
        metric(*maps, **options)
        return metric.aggregate("none")

    def rate(name: str) -> float:
        matrix = package_.get_confusion_matrix(*maps, include_background=False)
        return float(package_.compute_confusion_matrix_metric(name, matrix))

    def f_score(beta: float) -> float:
        return float(of(package_.FBetaScore(beta=beta, include_background=False))[0])

    plain: dict[str, Callable[[], Any]] = {
        "dice": lambda: of(package_.DiceMetric(include_background=False)),
        "iou": lambda: of(package_.MeanIoU(include_background=False)),
        "generalized_dice": lambda: package_.GeneralizedDiceScore()(*maps),
        "asd_to_reference": lambda: of(package_.SurfaceDistanceMetric(), spacing=spacing),
        "assd": lambda: of(package_.SurfaceDistanceMetric(symmetric=True), spacing=spacing),
        "hd": lambda: of(package_.HausdorffDistanceMetric(), spacing=spacing),
    }
    plain |= {name: partial(rate, theirs) for name, theirs in rates.items()}
    return answer(
        metrics,
        plain,
        {
            "fbeta": f_score,
            "hd": lambda percent: of(package_.HausdorffDistanceMetric(percentile=percent), spacing=spacing),
            "nsd": lambda reach: of(package_.SurfaceDiceMetric(class_thresholds=[reach]), spacing=spacing),
        },
    )


def medpy(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """MedPy's functions on binary objects."""
    binary = package("medpy.metric.binary")
    return answer(
        metrics,
        {
            "dice": lambda: binary.dc(prediction, reference),
            "iou": lambda: binary.jc(prediction, reference),
            "precision": lambda: binary.precision(prediction, reference),
            "sensitivity": lambda: binary.sensitivity(prediction, reference),
            "specificity": lambda: binary.specificity(prediction, reference),
            "relative_volume_error": lambda: binary.ravd(prediction, reference),
            "hd": lambda: binary.hd(prediction, reference, voxelspacing=spacing),
            "hd@95": lambda: binary.hd95(prediction, reference, voxelspacing=spacing),
            "assd": lambda: binary.assd(prediction, reference, voxelspacing=spacing),
            "asd_to_reference": lambda: binary.asd(prediction, reference, voxelspacing=spacing),
            "asd_to_prediction": lambda: binary.asd(reference, prediction, voxelspacing=spacing),
        },
    )


def deepmind(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """surface-distance, which finds both lists of distances first."""
    package_ = package("surface_distance")

    @cache
    def lists() -> Any:
        return package_.compute_surface_distances(reference, prediction, spacing_mm=spacing)

    def overlap(reach: float) -> Any:
        return package_.compute_surface_overlap_at_tolerance(lists(), reach)

    return answer(
        metrics,
        {
            "dice": lambda: package_.compute_dice_coefficient(reference, prediction),
            "asd_to_prediction": lambda: package_.compute_average_surface_distance(lists())[0],
            "asd_to_reference": lambda: package_.compute_average_surface_distance(lists())[1],
        },
        {
            "hd": lambda percent: package_.compute_robust_hausdorff(lists(), percent),
            "nsd": lambda reach: package_.compute_surface_dice_at_tolerance(lists(), reach),
            "surface_overlap_of_reference": lambda reach: overlap(reach)[0],
            "surface_overlap_of_prediction": lambda reach: overlap(reach)[1],
        },
    )


def panoptica(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """panoptica's evaluator on one matched instance; `nsd` by itself, as the evaluator takes no tolerance.

    Of an empty mask the evaluator is asked for `nsd` too, which is how its users meet one.
    """
    package_, names = package("panoptica"), package("panoptica.metrics").Metric
    maps = prediction.astype(np.uint8), reference.astype(np.uint8)

    def evaluated(metric: Any, key: str) -> Any:
        evaluator = package_.Panoptica_Evaluator(
            expected_input=package_.InputType.MATCHED_INSTANCE, instance_metrics=[metric], global_metrics=[]
        )
        with contextlib.redirect_stdout(io.StringIO()):
            found = evaluator.evaluate(*maps, voxelspacing=spacing)
        return getattr(found["ungrouped"], key)

    def share_within(reach: float) -> Any:
        if not (prediction.any() and reference.any()):
            return evaluated(names.NSD, "sq_nsd")
        return names.NSD(maps[1], maps[0], voxelspacing=spacing, threshold=reach)

    return answer(
        metrics,
        {
            "dice": lambda: evaluated(names.DSC, "sq_dsc"),
            "iou": lambda: evaluated(names.IOU, "sq"),
            "relative_volume_error": lambda: evaluated(names.RVD, "sq_rvd"),
            "masd": lambda: evaluated(names.ASSD, "sq_assd"),
            "hd": lambda: evaluated(names.HD, "sq_hd"),
            "hd@95": lambda: evaluated(names.HD95, "sq_hd95"),
        },
        {"nsd": share_within},
    )


def seg_metrics(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """seg-metrics on arrays; its default contour is the one of all neighbours, `vs` is no `volume_similarity`."""
    package_ = package("seg_metrics.seg_metrics")
    names = {
        "dice": "dice",
        "iou": "jaccard",
        "precision": "precision",
        "sensitivity": "recall",
        "hd": "hd",
        "hd@95": "hd95",
        "assd": "msd",
    }
    names |= {name: name.upper() for name in ("tp", "fp", "fn", "tn")}

    @cache
    def measured() -> Any:
        images = {"gdth_img": reference.astype(np.uint8), "pred_img": prediction.astype(np.uint8)}
        asked = [theirs for name, theirs in names.items() if name in metrics]
        return package_.write_metrics(labels=[1], spacing=spacing, metrics=asked, **images)[0]

    return answer(metrics, {name: partial(lambda key: measured()[key][0], theirs) for name, theirs in names.items()})


def simpleitk(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """SimpleITK's two filters; its distances run between regions, so that `masd` is a mean over all their voxels."""
    package_ = package("SimpleITK")

    def executed(make: Callable[[], Any]) -> Any:
        images = [package_.GetImageFromArray(mask.astype(np.uint8)) for mask in (reference, prediction)]
        for image in images:
            image.SetSpacing([float(step) for step in reversed(spacing)])
        measuring = make()
        measuring.Execute(*images)
        return measuring

    def overlap() -> Any:
        return executed(package_.LabelOverlapMeasuresImageFilter)

    def endless(value: float) -> float:  # of two empty masks it gives the largest float, which stands for infinity
        return math.inf if value > 1e300 else value

    def hausdorff() -> Any:
        return executed(package_.HausdorffDistanceImageFilter)

    return answer(
        metrics,
        {
            "dice": lambda: overlap().GetDiceCoefficient(),
            "iou": lambda: endless(overlap().GetJaccardCoefficient()),
            "hd": lambda: hausdorff().GetHausdorffDistance(),
            "masd": lambda: hausdorff().GetAverageHausdorffDistance(),
        },
    )


def nnunet(prediction: Mask, reference: Mask, spacing: Spacing, metrics: Collection[str]) -> Answers:
    """nnU-Net's evaluation of one pair of files."""
    evaluation = package("nnunetv2.evaluation.evaluate_predictions")
    itk = package("SimpleITK")
    names = {"dice": "Dice", "iou": "IoU"} | {name: name.upper() for name in ("tp", "fp", "fn", "tn")}

    @cache
    def measured() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for mask, stem in ((reference, "reference"), (prediction, "prediction")):
                image = itk.GetImageFromArray(mask.astype(np.uint8))
                image.SetSpacing([float(step) for step in reversed(spacing)])
                files.append(str(Path(folder) / f"{stem}.nii.gz"))
                itk.WriteImage(image, files[-1])
            return evaluation.compute_metrics(*files, evaluation.SimpleITKIO(), [1])["metrics"][1]

    return answer(metrics, {name: partial(lambda key: measured()[key], theirs) for name, theirs in names.items()})


PEERS: dict[str, Peer] = {
    "monai": monai,
    "medpy": medpy,
    "deepmind": deepmind,
    "panoptica": panoptica,
    "seg-metrics": seg_metrics,
    "simpleitk": simpleitk,
    "nnunet": nnunet,
}
