"""The options by which maps are scored, each declared once; see `segeval.scoring.declaration`.

The order is that of the command line's help. There are no postponed annotations here: what stands behind the types is
read when the module is.
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
LOSSES = (*SCORING, "losses")
ALL = (*PAIRS, "losses")


def _is_soft(plan: Any) -> bool:
    return bool(plan.probabilities)


def _is_weighted(plan: Any) -> bool:
    return bool(plan.conventions.label_weights)


def _skips_polygons(plan: Any) -> bool:
    return bool(plan.skipped)


class Options(TypedDict, total=False):
    """What `segeval.score` can be asked for."""

    metrics: Annotated[
        str | Iterable[str] | None,
        Option(
            flags=("-m", "--metric"),
            metavar="NAME[@NUMBER]",
            multiple=True,
            shown=", ".join(DEFAULT_METRICS),
            complete=values.metrics_like,
            help="Metric, repeatable or a comma list; all for every one. See `segeval metrics`.",
            doc='``["dice", "hd@95"]`` or ``"dice,hd@95"`` or ``"all"``; the usual ones if not given.',
            commands=SCORING,
            read=values.typed_list,
            settings=(Setting("metrics", kinds.METRICS, "metrics", place=1),),
        ),
    ]
    labels: Annotated[
        "str | os.PathLike[str] | Mapping[int, str] | LabelTable | None",
        Option(
            metavar="SPEC",
            path=values.labels_from,
            help="Label names: 1=liver,2=tumour or a file: nnU-Net or Decathlon dataset.json (with its regions and "
            "ignored label), JSON object, BIDS dseg.tsv, ITK-SNAP, 3D Slicer or FreeSurfer table, CSV or TSV with "
            "a header. Every label named here has a row.",
            doc='Label -> name, or ``"1=liver,2=tumour"``, or a file: nnU-Net or Decathlon dataset.json, a JSON '
            "object, BIDS dseg.tsv, a colour table of ITK-SNAP, 3D Slicer or FreeSurfer, or a table with a header. The "
            "regions and the ignored label of a dataset.json hold unless `regions` and `ignore_label` say otherwise.",
            commands=ALL,
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
            help="What makes a label the same in both maps.",
            doc='``"ids"`` or ``"names"``: what makes a label the same in both maps.',
            commands=PAIRS,
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
            doc="The labels that are scored, by number or name.",
            commands=PAIRS,
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
            help="Score a union of labels too, by number or name; ranges such as 1-125, and * for all; repeatable.",
            doc='Name -> labels: ``{"WT": "1,2,4"}`` or ``{"WT": [1, 2, 4]}``.',
            commands=PAIRS,
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
            help="Relabel both maps first; repeatable.",
            doc="Old label -> new label in both maps, first of all.",
            commands=ALL,
            read=values.typed_relabelling,
        ),
    ]
    map_prediction: Annotated[
        Mapping[int, int] | None,
        Option(
            metavar="OLD=NEW",
            multiple=True,
            help="Relabel the prediction first.",
            doc="The same in the prediction alone; it wins over `map`.",
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
            help="Relabel the reference first.",
            doc="The same in the reference alone; it wins over `map`.",
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
            help="Leave out the voxels whose reference is this label.",
            doc="Voxels whose reference is this label count nowhere.",
            commands=ALL,
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
            help="Score label 0 too.",
            doc="Score label 0 too.",
            commands=PAIRS,
            settings=(Setting("background", kinds.SWITCH, "conventions.background", place=9),),
        ),
    ]
    compat: Annotated[
        str | None,
        Option(
            metavar="TOOL",
            complete=values.presets_like,
            help="All conventions of another tool at once: monai, medpy, metricsreloaded, deepmind, panoptica, "
            "seg-metrics, simpleitk or nnunet; none where a file says otherwise. See `segeval explain`.",
            doc='All conventions of another tool at once, by the name of a preset: ``"monai"``. Of the default metrics '
            "those that it lacks are left out.",
            commands=SCORING,
            settings=(Setting("compat", kinds.TEXT_OR_NONE, "conventions.compat", place=2),),
        ),
    ]
    surface: Annotated[
        Surface | None,
        Option(
            choices=SURFACES,
            shown=USUAL.surface,
            help="What a surface is: border voxels, corners weighted by area, or a smooth one weighted by area.",
            doc='What a surface is: ``"voxel"``, ``"surfel"`` (corners weighted by area) or ``"smooth"`` (3-D).',
            commands=SCORING,
            settings=(Setting("surface", kinds.TEXT, "conventions.surface", place=3),),
            by_preset=True,
        ),
    ]
    percentile: Annotated[
        Percentile | None,
        Option(
            choices=get_args(Percentile),
            shown=USUAL.percentile,
            help="How hd@95 takes its percentile: the larger of both directions, or that of both together.",
            doc='``"directed"``: the larger of the two directed percentiles; ``"pooled"``: that of both directions.',
            commands=SCORING,
            settings=(Setting("percentile", kinds.TEXT, "conventions.percentile", place=4),),
            by_preset=True,
        ),
    ]
    penalty: Annotated[
        Penalty | None,
        Option(
            metavar="diagonal|inf|nan|NUMBER",
            shown=str(USUAL.penalty),
            help="A distance where exactly one of the two maps has the label.",
            doc='The distance that stands for a surface against none: ``"diagonal"``, ``"inf"``, ``"nan"`` or a '
            "length.",
            commands=SCORING,
            read=values.typed_penalty,
            settings=(Setting("penalty", kinds.PENALTY, "conventions.penalty", place=5),),
            by_preset=True,
        ),
    ]
    absent_class: Annotated[
        AbsentClass | None,
        Option(
            choices=get_args(AbsentClass),
            shown=USUAL.absent_class,
            help="Weight in generalized_dice and gdl of a class that the reference lacks.",
            doc='Weight of a class absent from the reference in generalized Dice: ``"max"``, ``"ignore"`` or '
            '``"penalise"``.',
            commands=LOSSES,
            settings=(Setting("absent_class", kinds.TEXT, "conventions.absent_class", place=6),),
            by_preset=True,
        ),
    ]
    weight: Annotated[
        Mapping[str, float] | Mapping[int, float] | None,
        Option(
            metavar="LABEL=NUMBER,...",
            help="What labels weigh in means over labels (mean_dice, mean_iou, macro rows, soft scores); 1 for the "
            "others.",
            doc="Label -> what it weighs in means over labels; the others weigh 1.",
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
            metavar="NUMBER|LABEL=NUMBER,...",
            help="Of nsd and its two sides where they have no number, in the unit of the spacing.",
            doc="For `nsd` and its two sides without a number, or label -> tolerance.",
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
            help="Voxel spacing in mm, in the header's axis order; replaces the files'.",
            doc="Distance between voxel centres in mm, in the order of the array's axes; replaces that of the files.",
            commands=PAIRS,
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
            choices=get_args(Policy),
            help="Where the grids differ: stop, go on, or resample the prediction (nearest voxel).",
            doc='What to do where grids differ: ``"strict"`` stop, ``"warn"`` go on, or ``"resample"`` the prediction.',
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
            help="How far a corner voxel may move between the two grids, in smallest spacings.",
            doc="From how far on grids differ: how far a corner voxel may move, in smallest spacings.",
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
            help="The prediction is a probability map (NIfTI with a volume for each class or one channel, .npz, "
            ".npy, a folder with a file for each class, 16-bit PNG): adds the soft scores, and scores its most "
            "probable labels.",
            doc="Predictions are probability maps: the metrics of those are scored too where none are asked for by "
            "name, and all others on the most probable labels.",
            commands=SCORING,
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
            help="A probability map with one channel says foreground from there on.",
            doc="A probability map with one channel says foreground from there on.",
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
            help="Clip and renormalise a probability map that is none.",
            doc="Clip and renormalise probability maps that are none.",
            commands=LOSSES,
            settings=(Setting("normalise", kinds.SWITCH, "normalise", place=23, when=_is_soft),),
        ),
    ]


OPTIONS = declared(Options)
