"""The options that several commands share, and how their texts become values."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from segeval.cli.streams import data_stream, remark
from segeval.errors import UsageError, shown
from segeval.evidence.conventions import DEFAULT_METRICS, SURFACES
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.reading.tables import LabelTable
    from segeval.scoring.plan import Plan

Command = Callable[..., Any]

LARGEST_LABEL = 2**64 - 1


def complete_metric(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of metrics that begin like the last one of a comma list."""
    from segeval.metrics import METRICS

    done, comma, last = incomplete.rpartition(",")
    names = [*METRICS, *(alias for card in METRICS.values() for alias in card.aliases), "all"]
    return [f"{done}{comma}{name}" for name in names if name.startswith(last)]


def complete_preset(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of presets that begin so."""
    from segeval.scoring.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete file names."""
    return [CompletionItem(incomplete, type="file")]


def _printing(text_of: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """What an option does that prints a text in place of running the command."""

    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            with data_stream() as stream:
                stream.write(f"{text_of(context)}\n")
            context.exit()

    return show


help_option = click.help_option("-h", "--help", help="Show this text.", callback=_printing(click.Context.get_help))
version_option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Show the version.",
    callback=_printing(lambda _context: f"segeval {__version__}"),
)


labels_option = click.option(
    "--labels",
    metavar="SPEC",
    shell_complete=complete_file,
    help="Label names, which give polygons their label numbers: 1=liver,2=tumour or a file; see `segeval score`.",
)


def decorated(command: Command, decorators: list[Callable[[Command], Command]]) -> Command:
    """The command with several options, in that order in its help."""
    return functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), command)


def group_options(command: Command) -> Command:
    """By what scores are summed up besides."""
    return decorated(
        command,
        [
            click.option(
                "--metadata",
                metavar="FILE",
                shell_complete=complete_file,
                help="A table with the column case, and others to group by.",
            ),
            click.option(
                "--by", metavar="COLUMN", multiple=True, help="Sum up by this column of --metadata too; repeatable."
            ),
        ],
    )


def check_groups(metadata: str | None, by: Sequence[str]) -> None:
    """Refuse one without the other.

    Raises
    ------
    UsageError
        Only one is given.
    """
    if by and metadata is None:
        raise UsageError("--by takes the table that --metadata names")
    if metadata is not None and not by:
        raise UsageError("--metadata takes --by COLUMN: the column to group by")


metric_option = click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="NAME[@NUMBER]",
    multiple=True,
    show_default=", ".join(DEFAULT_METRICS),
    shell_complete=complete_metric,
    help="Metric, repeatable or a comma list; all for every one. See `segeval metrics`.",
)


def scoring_options(command: Command) -> Command:
    """What is scored, and by which conventions."""
    return decorated(
        command, [metric_option, label_options, number_options, weight_option, grid_options, probability_options]
    )


def label_options(command: Command) -> Command:
    """Which labels there are."""
    return decorated(
        command,
        [
            label_table_option,
            click.option(
                "--match",
                type=click.Choice(["ids", "names"]),
                default="ids",
                show_default=True,
                help="What makes a label the same in both maps.",
            ),
            click.option(
                "--only", metavar="LABEL", multiple=True, help="Score only this label, by number or name; repeatable."
            ),
            click.option(
                "--region",
                "regions",
                metavar="NAME=1,2,4",
                multiple=True,
                help="Score a union of labels too, by number or name; ranges such as 1-125, and * for all; repeatable.",
            ),
            relabelling_options,
            click.option("--background", is_flag=True, help="Score label 0 too."),
        ],
    )


label_table_option = click.option(
    "--labels",
    metavar="SPEC",
    shell_complete=complete_file,
    help="Label names: 1=liver,2=tumour or a file: nnU-Net or Decathlon dataset.json (with its regions and "
    "ignored label), JSON object, BIDS dseg.tsv, ITK-SNAP, 3D Slicer or FreeSurfer table, CSV or TSV with "
    "a header. Every label named here has a row.",
)


def relabelling_options(command: Command) -> Command:
    """Which labels become others, or none."""
    return decorated(
        command,
        [
            click.option("--map", metavar="OLD=NEW", multiple=True, help="Relabel both maps first; repeatable."),
            click.option("--map-prediction", metavar="OLD=NEW", multiple=True, help="Relabel the prediction first."),
            click.option("--map-reference", metavar="OLD=NEW", multiple=True, help="Relabel the reference first."),
            click.option(
                "--ignore-label", metavar="N", type=int, help="Leave out the voxels whose reference is this label."
            ),
        ],
    )


def number_options(command: Command) -> Command:
    """How a number is computed, where tools differ."""
    return decorated(
        command,
        [
            click.option(
                "--compat",
                metavar="TOOL",
                shell_complete=complete_preset,
                help="All conventions of another tool at once: monai, medpy, metricsreloaded, deepmind, panoptica, "
                "seg-metrics, simpleitk or nnunet; none where a file says otherwise. See `segeval explain`.",
            ),
            click.option(
                "--surface",
                type=click.Choice(SURFACES),
                show_default="voxel",
                help="What a surface is: border voxels, corners weighted by area, or a smooth one weighted by area.",
            ),
            click.option(
                "--percentile",
                type=click.Choice(["directed", "pooled"]),
                show_default="directed",
                help="How hd@95 takes its percentile: the larger of both directions, or that of both together.",
            ),
            click.option(
                "--penalty",
                metavar="diagonal|inf|nan|NUMBER",
                show_default="diagonal",
                help="A distance where exactly one of the two maps has the label.",
            ),
            absent_class_option,
        ],
    )


absent_class_option = click.option(
    "--absent-class",
    type=click.Choice(["max", "ignore", "penalise"]),
    show_default="max",
    help="Weight in generalized_dice and gdl of a class that the reference lacks.",
)


weight_option = click.option(
    "--weight",
    metavar="LABEL=NUMBER,...",
    help="What labels weigh in means over labels (mean_dice, mean_iou, macro rows, soft scores); 1 for the others.",
)


def probability_options(command: Command) -> Command:
    """How a probability map is read."""
    return decorated(
        command,
        [
            click.option(
                "--probabilities",
                is_flag=True,
                help="The prediction is a probability map (NIfTI with a volume for each class or one channel, .npz, "
                ".npy, a folder with a file for each class, 16-bit PNG): adds the soft scores, and scores its most "
                "probable labels.",
            ),
            click.option(
                "--threshold",
                metavar="P",
                type=float,
                default=0.5,
                show_default=True,
                help="A probability map with one channel says foreground from there on.",
            ),
            normalise_option,
        ],
    )


normalise_option = click.option(
    "--normalise", is_flag=True, help="Clip and renormalise a probability map that is none."
)


def grid_options(command: Command) -> Command:
    """Lengths, and what to do where the grids differ."""
    return decorated(
        command,
        [
            click.option(
                "--tolerance",
                metavar="NUMBER|LABEL=NUMBER,...",
                default="1",
                show_default=True,
                help="Of nsd and its two sides where they have no number, in the unit of the spacing.",
            ),
            click.option(
                "--spacing",
                metavar="X,Y[,Z]",
                help="Voxel spacing in mm, in the header's axis order; replaces the files'.",
            ),
            click.option(
                "--geometry",
                type=click.Choice(["strict", "warn", "resample"]),
                default="strict",
                show_default=True,
                help="Where the grids differ: stop, go on, or resample the prediction (nearest voxel).",
            ),
            click.option(
                "--geometry-tolerance",
                metavar="NUMBER",
                type=float,
                default=0.05,
                show_default=True,
                help="How far a corner voxel may move between the two grids, in smallest spacings.",
            ),
        ],
    )


def talk_options(command: Command) -> Command:
    """How much is said."""
    return decorated(
        command,
        [
            click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors."),
            click.option(
                "-v", "--verbose", is_flag=True, help="Say on stderr how long it took, and a footnote for a paper."
            ),
        ],
    )


def look_options(command: Command) -> Command:
    """In which colours, and the help."""
    return decorated(
        command,
        [
            click.option("--no-color", is_flag=True, help="No colours; NO_COLOR and FORCE_COLOR are honoured too."),
            help_option,
        ],
    )


def plan_options(options: dict[str, Any]) -> dict[str, Any]:
    """The library's options from the command line's texts.

    Parameters
    ----------
    options
        What `scoring_options` collected.

    Raises
    ------
    UsageError
        A text that cannot be read.
    InputError
        A label table that cannot be read.
    """
    numbers = _settled(options)
    return {
        **label_plan(options),
        "metrics": options["metrics"] or None,
        **{name: numbers[name] for name in ("compat", "surface", "percentile", "absent_class")},
        "penalty": None if numbers["penalty"] is None else _penalty(numbers["penalty"]),
        "weight": _weights(options["weight"]),
        **{name: options[name] for name in ("probabilities", "threshold", "normalise")},
    }


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    """How numbers are computed: the command line wins over what a file says that does not go with it."""
    names = ("surface", "percentile", "penalty", "absent_class")
    found = {name: options[name] for name in ("compat", *names)}
    if found["compat"] == "none":
        found["compat"] = None
    context = click.get_current_context()

    def typed(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.COMMANDLINE

    if typed("compat") and found["compat"] is not None:
        found |= {name: None for name in names if not typed(name)}
    elif any(found[name] is not None and typed(name) for name in names) and not typed("compat"):
        found["compat"] = None
    return found


def label_plan(options: dict[str, Any]) -> dict[str, Any]:
    """The same from what `label_options` and `grid_options` collected alone."""
    from segeval.reading.labels import parse_labels

    return {
        **{name: options[name] for name in ("match", "ignore_label", "background", "geometry", "geometry_tolerance")},
        "labels": None if options["labels"] is None else parse_labels(options["labels"]),
        "only": [_named("--only", entry) for entry in options["only"]],
        "regions": _once("--region", (_pair("--region", entry) for entry in options["regions"])),
        **{name: _relabelling(name, options[name]) for name in ("map", "map_prediction", "map_reference")},
        "tolerance": _tolerance(options["tolerance"]),
        "spacing": None if options["spacing"] is None else _spacing(options["spacing"]),
    }


def loss_plan(options: dict[str, Any]) -> dict[str, Any]:
    """The same from what `segeval losses` takes."""
    from segeval.reading.labels import parse_labels

    return {
        **{name: options[name] for name in ("ignore_label", "absent_class", "normalise")},
        "labels": None if options["labels"] is None else parse_labels(options["labels"]),
        **{name: _relabelling(name, options[name]) for name in ("map", "map_prediction", "map_reference")},
        "weight": _weights(options["weight"]),
        "probabilities": True,
    }


def remark_labels(labels: LabelTable | None, *, quiet: bool) -> None:
    """Say on stderr what a file given with ``--labels`` was taken for."""
    from segeval.reading.tables import INLINE

    if labels is not None and labels.dialect != INLINE:
        remark(f"labels: {labels.summary()}", quiet=quiet)


def remark_left_out(plan: Plan, *, quiet: bool) -> None:
    """Say which of the usual metrics the tool lacks whose numbers are asked for."""
    from segeval.metrics import parse_all
    from segeval.scoring.presets import PRESETS

    if plan.conventions.compat is None or click.get_current_context().params["metrics"]:
        return
    lacking = [request.token for request in parse_all() if request not in plan.metrics]
    if lacking:
        remark(f"{PRESETS[plan.conventions.compat].title} has no {', '.join(lacking)}: left out", quiet=quiet)


def names_of(labels: str | None) -> Mapping[int, str]:
    """Label number -> name, as ``--labels`` says; what a file was taken for is said on stderr."""
    from segeval.reading.labels import parse_labels

    if labels is None:
        return {}
    table = parse_labels(labels)
    remark_labels(table, quiet=False)
    return table.of_polygons


def _pair(option: str, entry: str, *, form: str = "NAME=VALUE") -> tuple[str, str]:
    left, equals, right = entry.partition("=")
    if not (left.strip() and equals and right.strip()):
        raise UsageError(f"{option} takes {form}, found {shown(entry)!r}")
    return left.strip(), right.strip()


def _named(option: str, text: str) -> str:
    if not text.strip():
        raise UsageError(f"{option} takes a label, found {shown(text)!r}")
    return text.strip()


def _once(option: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name, each of which is given once."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if values.setdefault(name, value) != value:
            raise UsageError(f"{option} gives {shown(name)!r} twice: {shown(values[name])} and {shown(value)}")
    return values


def _number(option: str, text: str, *, form: str = "a number") -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option} takes {form}, found {shown(text)!r}") from None


def _relabelling(name: str, entries: tuple[str, ...]) -> dict[int, int]:
    option = f"--{name.replace('_', '-')}"
    new: dict[int, int] = {}
    for entry in (part for each in entries for part in each.split(",")):
        old, to = _pair(option, entry, form="OLD=NEW")
        if not all(label.isdecimal() and int(label) <= LARGEST_LABEL for label in (old, to)):
            raise UsageError(f"{option} takes the numbers of two labels, OLD=NEW, found {shown(entry)!r}")
        if new.setdefault(int(old), int(to)) != int(to):
            raise UsageError(f"{option} gives label {old} two new numbers")
    return new


def _penalty(text: str) -> str | float:
    if text in ("diagonal", "inf", "nan"):
        return text
    return _number("--penalty", text, form="diagonal, inf, nan or a number")


def _spacing(text: str) -> list[float]:
    """Lengths in the array's order from those in the header's order."""
    lengths = [_number("--spacing", part, form="numbers, X,Y or X,Y,Z") for part in text.split(",")]
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise UsageError(f"--spacing takes positive numbers, found {shown(text)!r}")
    return lengths[::-1]


def _weights(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    form = "LABEL=NUMBER,..."
    pairs = _once("--weight", (_pair("--weight", entry, form=form) for entry in text.split(",")))
    return {label: _number("--weight", number) for label, number in pairs.items()}


def _tolerance(text: str) -> float | dict[str, float]:
    if "=" not in text:
        return _number("--tolerance", text)
    pairs = _once("--tolerance", (_pair("--tolerance", entry) for entry in text.split(",")))
    return {label: _number("--tolerance", number) for label, number in pairs.items()}
