"""Presets of `--compat`: the conventions of other tools, as data.

A preset has the tool's `Conventions` and its metrics; it never changes the formula behind a metric's name. If the tool
uses another name for a metric, the signature says so. Everything here was found by running the named version of the
package, on ordinary pairs and on empty masks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segeval.errors import UsageError, shown
from segeval.evidence.conventions import Conventions, Empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The conventions of another tool.

    Parameters
    ----------
    title
        Name of the tool and the version that was run.
    conventions
        How it computes its scores.
    metrics
        Metrics of segeval that the tool has, by the names of segeval; ``"hd@"`` stands for any percentile.
    mean_distance
        Metric that it reports as its mean surface distance, if it has one.
    """

    title: str
    conventions: Conventions
    metrics: frozenset[str]
    mean_distance: str | None = None

    def has(self, metric: str, value: float | None = None) -> bool:
        """Whether the tool has a metric, with this number after its @."""
        if metric != "hd" or value is None:
            return metric in self.metrics
        return "hd@" in self.metrics or f"hd@{value:g}" in self.metrics


def _preset(
    name: str,
    *,
    title: str,
    has: str,
    mean_distance: str | None = None,
    empty: Mapping[str, tuple[Empty, Empty, Empty]],
    remarks: tuple[str, ...] = (),
    **conventions: Any,
) -> tuple[str, Preset]:
    """Return a preset with its name; `empty` has rules for empty masks, by comma lists of metrics."""
    rules = {metric: rule for metrics, rule in empty.items() for metric in metrics.split(", ")}
    return name, Preset(
        title=title,
        conventions=Conventions(
            compat=name, empty=rules, remarks=(f"as {title}, empty masks included", *remarks), **conventions
        ),
        metrics=frozenset(has.split()),
        mean_distance=mean_distance,
    )


RAISES: tuple[Empty, Empty, Empty] = ("raises", "raises", "raises")

# Rules for empty masks: both empty, the prediction, the reference. None: as the formula and the penalty say.
PRESETS: dict[str, Preset] = dict(
    [
        _preset(
            "monai",
            title="MONAI 1.6",
            has="dice iou generalized_dice sensitivity specificity precision npv accuracy balanced_accuracy mcc fbeta "
            "hd hd@ assd asd_to_reference nsd",
            mean_distance="asd_to_reference",
            empty={
                "dice, iou, sensitivity": ("nan", None, "nan"),
                "precision": ("nan", "nan", None),
                "balanced_accuracy": ("nan", None, "nan"),
                "mcc": ("nan", "nan", "nan"),
                "fbeta, nsd": ("nan", 0.0, 0.0),
                "hd, assd, asd_to_reference": ("nan", math.inf, math.inf),
                "hd@": ("nan", "nan", "nan"),
            },
            within="float32",
            penalty="inf",
            remarks=('MONAI "average surface distance" = asd_to_reference',),
        ),
        _preset(
            "medpy",
            title="MedPy 0.5.2",
            has="dice iou sensitivity specificity precision relative_volume_error hd hd@95 assd asd_to_reference "
            "asd_to_prediction",
            mean_distance="assd",
            empty={
                # as its code says; with NumPy 2.4 or later 0 / 0 is NaN there
                "dice, iou": (1.0, 0.0, 0.0),
                "precision, sensitivity": (0.0, 0.0, 0.0),
                "relative_volume_error": ("raises", None, "raises"),
                "hd, hd@, assd, asd_to_reference, asd_to_prediction": RAISES,
            },
            percentile="pooled",
            penalty="nan",
        ),
        _preset(
            "metricsreloaded",
            title="MetricsReloaded",
            has="dice iou fbeta sensitivity specificity precision npv accuracy balanced_accuracy mcc kappa hd hd@ assd "
            "masd nsd",
            mean_distance="assd",
            empty={
                "dice": (1.0, None, None),
                "iou": ("nan", None, None),
                "hd, hd@, assd, masd": (0.0, "nan", "nan"),
                "nsd": (1.0, 0.0, 0.0),
            },
            within="exact",
            penalty="nan",
        ),
        _preset(
            "deepmind",
            title="surface-distance 0.1",
            has="dice hd hd@ asd_to_reference asd_to_prediction nsd surface_overlap_of_reference "
            "surface_overlap_of_prediction",
            mean_distance="asd_to_prediction",
            empty={
                "dice, nsd": ("nan", 0.0, 0.0),
                "hd, hd@": (math.inf, math.inf, math.inf),
                "asd_to_reference": ("nan", "nan", math.inf),
                "asd_to_prediction": ("nan", math.inf, "nan"),
                "surface_overlap_of_reference": ("nan", 0.0, "nan"),
                "surface_overlap_of_prediction": ("nan", "nan", 0.0),
            },
            surface="surfel",
            within="exact",
            penalty="inf",
            remarks=('surface-distance "average surface distance" = asd_to_prediction and asd_to_reference',),
        ),
        _preset(
            "panoptica",
            title="panoptica 2.1",
            has="dice iou relative_volume_error masd hd hd@95 nsd",
            mean_distance="masd",
            empty={
                "dice, iou": ("nan", 0.0, 0.0),
                "relative_volume_error": ("nan", "nan", "nan"),
                "masd": ("nan", math.inf, math.inf),
                "hd, hd@, nsd": RAISES,
            },
            percentile="pooled",
            sides_averaged=True,
            within="exact",
            penalty="inf",
            remarks=('panoptica "ASSD" = masd',),
        ),
        _preset(
            "seg-metrics",
            title="seg-metrics 1.2",
            has="dice iou precision sensitivity tp fp fn tn hd hd@95 assd",
            mean_distance="assd",
            empty={
                "dice, iou, precision, sensitivity": (1.0, 0.0, 0.0),
                "hd, hd@, assd": (0.0, 0.0, 0.0),
            },
            neighbours="all",
            edge_is_border=False,
            percentile="pooled",
            penalty="nan",  # for the one case left: a surface that lies wholly on the edge of the image
            remarks=('seg-metrics "msd" = assd', "an empty mask is at distance 0"),
        ),
        _preset(
            "simpleitk",
            title="SimpleITK 2.5",
            has="dice iou hd masd",
            mean_distance="masd",
            empty={
                "dice": (math.inf, 0.0, 0.0),
                "iou": (math.inf, 0.0, 0.0),  # SimpleITK returns the largest float
                "hd, masd": RAISES,
            },
            surface="region",
            penalty="nan",
            remarks=('SimpleITK "average Hausdorff distance" = masd over regions',),
        ),
        _preset(
            "nnunet",
            title="nnU-Net 2.8",
            has="dice iou tp fp fn tn",
            empty={"dice, iou": ("nan", 0.0, 0.0)},
        ),
    ]
)


def preset_of(name: str) -> Preset:
    """Return a preset by its name.

    Raises
    ------
    UsageError
        There is no such preset.
    """
    if not isinstance(name, str) or name not in PRESETS:
        import difflib  # deferred: names are usually right

        near = difflib.get_close_matches(str(name).lower(), PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PRESETS)}"
        raise UsageError(f"compat knows no tool {shown(name)!r}", hint=hint)
    return PRESETS[name]
