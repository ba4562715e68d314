"""Declarations of the options for scoring; see `segeval.scoring.declaration`.

Within a heading, help lists them in this order. No postponed annotations here: the declarations in the types are read
when the module is imported.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_args

from segeval.evidence.conventions import (
    DEFAULT_METRICS,
    SURFACES,
    AbsentClass,
    Conventions,
    Penalty,
    Percentile,
    Surface,
)
from segeval.maps.policy import Policy
from segeval.scoring import json_kinds as kinds
from segeval.scoring import option_statements as statements
from segeval.scoring import option_values as values
from segeval.scoring.declaration import Option, Setting, Statement, declared

if TYPE_CHECKING:
    from segeval.reading.tables import LabelTable

Match = Literal["ids", "names"]

USUAL = Conventions()
SCORING = ("score", "batch")
PAIRS = (*SCORING, "explain")
ONE_PAIR = ("score", "explain", "losses")
LOSSES = (*SCORING, "losses")
ALL = (*PAIRS, "losses")


def _is_soft(plan: Any) -> bool:
    return bool(plan.probabilities)


def _is_weighted(plan: Any) -> bool:
    return bool(plan.conventions.label_weights)


def _skips_polygons(plan: Any) -> bool:
    return bool(plan.skipped)


class Options(TypedDict, total=False):
    """Options of `segeval.score`."""

    metrics: Annotated[
        str | Iterable[str] | None,
        Option(
            flags=("-m", "--metric"),
            metavar="NAME",
            multiple=True,
            shown=", ".join(DEFAULT_METRICS),
            complete=values.metrics_like,
            help="dice, hd@95, nsd@2, ... or all (see segeval metrics); repeatable or a comma list.",
            doc='Names of metrics: ``["dice", "hd@95"]``, ``"dice,hd@95"`` or ``"all"``; the default metrics if '
            "not given.",
            heading="Metrics",
            commands=SCORING,
            common_in=SCORING,
            read=values.typed_list,
            settings=(Setting("metrics", kinds.METRICS, "metrics", place=1),),
        ),
    ]
    labels: Annotated[
        "str | os.PathLike[str] | Mapping[int, str] | LabelTable | None",
        Option(
            metavar="SPEC",
            path=values.labels_from,
            help="Label names: 1=liver,2=tumour or a file (dataset.json, CSV, ITK-SNAP, Slicer, FreeSurfer, BIDS).",
            doc='Names of the labels: ``{1: "liver"}``, ``"1=liver,2=tumour"`` or a file: nnU-Net or Decathlon '
            "dataset.json, a JSON object, BIDS dseg.tsv, a colour table of ITK-SNAP, 3D Slicer or FreeSurfer,"
            " or a table with a header. The regions and the ignored label of a dataset.json apply unless "
            "`regions` and `ignore_label` are given.",
            heading="Files and labels",
            commands=ALL,
            common_in=ALL,
            read=values.typed_table,
            make=values.names_of,
            settings=(
                Setting("labels", kinds.NAMES_OF_LABELS, "names", place=11, check=values.check_names),
                Setting("skipped", kinds.TEXTS, "skipped", place=12, when=_skips_polygons, check=values.check_texts),
            ),
            statement=Statement(statements.polygons_skipped, place=6),
        ),
    ]
    match: Annotated[
        Match,
        Option(
            default="ids",
            choices=get_args(Match),
            help="Match labels by number or by name.",
            doc='Match labels by number (``"ids"``) or by name (``"names"``).',
            heading="Files and labels",
            commands=PAIRS,
            common_in=ONE_PAIR,
            settings=(Setting("match", kinds.TEXT, "match", place=15),),
            statement=Statement(statements.matched, place=1, in_footnote=False),
        ),
    ]
    only: Annotated[
        int | str | Iterable[int | str],
        Option(
            default=(),
            metavar="LABEL",
            multiple=True,
            help="Score only this label, by number or name; repeatable.",
            doc="Labels to score, by number or name; all if not given.",
            heading="Files and labels",
            commands=PAIRS,
            common_in=ONE_PAIR,
            read=values.typed_labels,
            make=values.only_of,
            settings=(Setting("only", kinds.TEXTS, "only", place=13, check=values.check_texts),),
            statement=Statement(statements.scored_only, place=7),
        ),
    ]
    regions: Annotated[
        Mapping[str, int | str | Iterable[int | str]] | None,
        Option(
            flags=("--region",),
            metavar="NAME=1,2,4",
            multiple=True,
            help="Also score a union of labels: numbers, names, 1-125 or * (all); repeatable.",
            doc='Unions of labels to score as well, by name: ``{"WT": "1,2,4"}`` or ``{"WT": [1, 2, 4]}``.',
            heading="Files and labels",
            commands=PAIRS,
            common_in=PAIRS,
            read=values.typed_regions,
            make=values.regions_of,
            settings=(Setting("regions", kinds.TEXTS_BY_NAME, "regions", place=14, check=values.check_regions),),
            statement=Statement(statements.regions_scored, place=8),
        ),
    ]
    map: Annotated[
        Mapping[int, int] | None,
        Option(
            metavar="OLD=NEW",
            multiple=True,
            help="Renumber a label in both files first; repeatable.",
            doc="New numbers of labels in both maps, ``{old: new}``, applied before anything else.",
            heading="Files and labels",
            commands=ALL,
            common_in=ONE_PAIR,
            read=values.typed_relabelling,
        ),
    ]
    map_prediction: Annotated[
        Mapping[int, int] | None,
        Option(
            metavar="OLD=NEW",
            multiple=True,
            help="Renumber a label in the prediction first; repeatable.",
            doc="New numbers of labels in the prediction only; overrides `map`.",
            heading="Files and labels",
            commands=ALL,
            read=values.typed_relabelling,
            make=values.relabelling_of,
            settings=(
                Setting(
                    "map_prediction", kinds.NEW_LABELS, "relabel_prediction", place=16, check=values.check_relabelling
                ),
            ),
            statement=Statement(statements.prediction_relabelled, place=2),
        ),
    ]
    map_reference: Annotated[
        Mapping[int, int] | None,
        Option(
            metavar="OLD=NEW",
            multiple=True,
            help="Renumber a label in the reference first; repeatable.",
            doc="New numbers of labels in the reference only; overrides `map`.",
            heading="Files and labels",
            commands=ALL,
            read=values.typed_relabelling,
            make=values.relabelling_of,
            settings=(
                Setting(
                    "map_reference", kinds.NEW_LABELS, "relabel_reference", place=17, check=values.check_relabelling
                ),
            ),
            statement=Statement(statements.reference_relabelled, place=3),
        ),
    ]
    ignore_label: Annotated[
        int | None,
        Option(
            metavar="N",
            type=int,
            help="Leave out voxels whose reference is N.",
            doc="Leave out voxels that have this label in the reference.",
            heading="Files and labels",
            commands=ALL,
            common_in=ONE_PAIR,
            make=values.label_of,
            settings=(
                Setting(
                    "ignore_label", kinds.LABEL_OR_NONE, "conventions.ignore_label", place=10, check=values.check_label
                ),
            ),
        ),
    ]
    background: Annotated[
        bool,
        Option(
            default=USUAL.background,
            help="Also score label 0.",
            doc="Also score label 0.",
            heading="Files and labels",
            commands=PAIRS,
            settings=(Setting("background", kinds.SWITCH, "conventions.background", place=9),),
        ),
    ]
    compat: Annotated[
        str | None,
        Option(
            metavar="TOOL",
            complete=values.presets_like,
            help="All conventions of one tool: monai, medpy, metricsreloaded, deepmind, panoptica, seg-metrics, "
            "simpleitk or nnunet; none for segeval's defaults.",
            doc='Use all conventions of another tool: ``"monai"``. Default metrics that the tool does not have '
            "are left out.",
            heading="Conventions",
            commands=SCORING,
            common_in=SCORING,
            settings=(Setting("compat", kinds.TEXT_OR_NONE, "conventions.compat", place=2),),
        ),
    ]
    surface: Annotated[
        Surface | None,
        Option(
            metavar="KIND",
            choices=SURFACES,
            shown=USUAL.surface,
            help="Surface model: voxel, surfel or smooth.",
            doc='Surface model: ``"voxel"``, ``"surfel"`` (corners weighted by area) or ``"smooth"`` (3-D only, '
            "weighted by area).",
            heading="Conventions",
            commands=SCORING,
            common_in=SCORING,
            settings=(Setting("surface", kinds.TEXT, "conventions.surface", place=3),),
            by_preset=True,
        ),
    ]
    percentile: Annotated[
        Percentile | None,
        Option(
            metavar="KIND",
            choices=get_args(Percentile),
            shown=USUAL.percentile,
            help="Percentile of hd@95: directed (the larger of the two directions) or pooled (over both directions).",
            doc='Percentile of `hd@95` and others: ``"directed"`` (the larger of the two directions) or '
            '``"pooled"`` (over both directions).',
            heading="Conventions",
            commands=SCORING,
            settings=(Setting("percentile", kinds.TEXT, "conventions.percentile", place=4),),
            by_preset=True,
        ),
    ]
    penalty: Annotated[
        Penalty | None,
        Option(
            metavar="VALUE",
            shown=str(USUAL.penalty),
            help="Distance to report when only one map contains the label: diagonal, inf, nan or a number.",
            doc='Distance to report when only one map contains the label: ``"diagonal"`` (of the image), '
            '``"inf"``, ``"nan"`` or a number.',
            heading="Conventions",
            commands=SCORING,
            common_in=("score",),
            read=values.typed_penalty,
            settings=(Setting("penalty", kinds.PENALTY, "conventions.penalty", place=5),),
            by_preset=True,
        ),
    ]
    absent_class: Annotated[
        AbsentClass | None,
        Option(
            metavar="RULE",
            choices=get_args(AbsentClass),
            shown=USUAL.absent_class,
            help="Weight of a class that is not in the reference, for generalized_dice and gdl: max, ignore or "
            "penalise.",
            doc='Weight of a class that is not in the reference, for generalized Dice: ``"max"``, ``"ignore"`` or'
            ' ``"penalise"``.',
            heading="Conventions",
            commands=LOSSES,
            settings=(Setting("absent_class", kinds.TEXT, "conventions.absent_class", place=6),),
            by_preset=True,
        ),
    ]
    weight: Annotated[
        Mapping[str, float] | Mapping[int, float] | None,
        Option(
            metavar="LABEL=NUMBER",
            help="Weights of labels in means over labels, comma-separated; other labels weigh 1.",
            doc="Weights of labels in means over labels, ``{label: weight}``; other labels weigh 1.",
            heading="Conventions",
            commands=LOSSES,
            read=values.typed_weights,
            make=values.weights_of,
            settings=(Setting("weight", kinds.WEIGHTS, "conventions.label_weights", place=8, when=_is_weighted),),
        ),
    ]
    tolerance: Annotated[
        float | Mapping[str, float] | Mapping[int, float],
        Option(
            default=USUAL.tolerance,
            metavar="NUMBER",
            help="Tolerance of nsd in the unit of the spacing, for all labels or for each: liver=2,spleen=1.",
            doc="Tolerance of `nsd` and its two sides if the metric has no number: one, or one for each label, "
            "``{label: tolerance}``.",
            heading="Conventions",
            commands=PAIRS,
            read=values.typed_tolerance,
            make=values.tolerances_of,
            settings=(
                Setting("tolerance", kinds.NUMBER, "conventions.tolerance", place=7),
                Setting("label_tolerances", kinds.NUMBERS_BY_NAME, "conventions.label_tolerances", place=7),
            ),
        ),
    ]
    spacing: Annotated[
        Iterable[float] | None,
        Option(
            metavar="X,Y[,Z]",
            help="Voxel size in mm, instead of the files'.",
            doc="Voxel size in mm, in the order of the array's axes, instead of the files'.",
            heading="Files and labels",
            commands=PAIRS,
            common_in=ONE_PAIR,
            read=values.typed_spacing,
            make=values.spacing_of,
            settings=(Setting("spacing", kinds.NUMBERS_OR_NONE, "spacing", place=18, check=values.check_spacing),),
            statement=Statement(statements.spacing_given, place=5),
        ),
    ]
    geometry: Annotated[
        Policy,
        Option(
            default="strict",
            metavar="RULE",
            choices=get_args(Policy),
            help="If the grids differ: strict (stop), warn (go on) or resample (the prediction, nearest neighbour).",
            doc='If the grids differ: ``"strict"`` stops, ``"warn"`` goes on, ``"resample"`` resamples the '
            "prediction to the nearest neighbour.",
            heading="Files and labels",
            commands=PAIRS,
            settings=(Setting("geometry", kinds.TEXT, "geometry", place=19),),
            statement=Statement(statements.grids_compared, place=9, in_footnote=False),
        ),
    ]
    geometry_tolerance: Annotated[
        float,
        Option(
            default=0.05,
            metavar="NUMBER",
            type=float,
            help="Grids differ if a corner voxel is further off than this, in units of the smallest spacing.",
            doc="Grids differ if a corner voxel is further off than this, in units of the smallest spacing.",
            heading="Files and labels",
            commands=PAIRS,
            settings=(
                Setting(
                    "geometry_tolerance",
                    kinds.LENGTH,
                    "geometry_tolerance",
                    place=20,
                    check=values.check_geometry_tolerance,
                ),
            ),
        ),
    ]
    probabilities: Annotated[
        bool,
        Option(
            default=False,
            help="The prediction is a probability map.",
            doc="The prediction is a probability map. The default metrics then include the soft scores; all other"
            " metrics score the most probable label of each voxel.",
            heading="Metrics",
            commands=SCORING,
            common_in=SCORING,
            settings=(Setting("probabilities", kinds.SWITCH, "probabilities", place=21, when=_is_soft),),
            statement=Statement(statements.probabilities_read, place=4),
        ),
    ]
    threshold: Annotated[
        float,
        Option(
            default=0.5,
            metavar="P",
            type=float,
            help="Foreground threshold for single-channel maps.",
            doc="Foreground threshold for single-channel probability maps.",
            heading="Metrics",
            commands=SCORING,
            settings=(
                Setting("threshold", kinds.NUMBER, "threshold", place=22, when=_is_soft, check=values.check_threshold),
            ),
        ),
    ]
    normalise: Annotated[
        bool,
        Option(
            default=False,
            help="Clip to [0, 1] and rescale channels to sum to 1, instead of refusing the map.",
            doc="Clip probability maps to [0, 1] and rescale channels to sum to 1, instead of refusing the map.",
            heading="Metrics",
            commands=LOSSES,
            common_in=("losses",),
            settings=(Setting("normalise", kinds.SWITCH, "normalise", place=23, when=_is_soft),),
        ),
    ]


OPTIONS = declared(Options)
