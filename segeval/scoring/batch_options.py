"""The options of scoring files and folders, each declared once; see `segeval.scoring.declaration`.

There are no postponed annotations here: what stands behind the types is read when the module is.
"""

import os
from collections.abc import Iterable
from typing import Annotated, Literal, TypedDict, cast, get_args

from segeval.scoring import json_kinds as kinds
from segeval.scoring import option_statements as statements
from segeval.scoring import option_values as values
from segeval.scoring.declaration import Option, Setting, Statement, declared
from segeval.scoring.options import OPTIONS, SCORING, Options

Missing = Literal["error", "empty", "skip"]

WORKER_TIMEOUT = 60.0  # seconds

BATCH = ("batch",)
GROUPED = (*BATCH, "report")


class CaseOptions(TypedDict, total=False):
    """Which cases there are."""

    pairs: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="A table with the columns prediction, reference and, if you like, case, in place of two folders; "
            "paths are relative to it.",
            doc="A table with the columns prediction, reference and, if you like, case, in place of the folders.",
            commands=BATCH,
        ),
    ]
    pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help='How files are called in both folders: {case}_seg.nii.gz; * stands for anything but "/", and a '
            "pattern that ends in / for folders with a file for each class.",
            doc='How files are called in both folders: ``"{case}_seg.nii.gz"``.',
            commands=BATCH,
        ),
    ]
    prediction_pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help="How predictions are called.",
            doc="How predictions are called.",
            commands=BATCH,
        ),
    ]
    reference_pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help="How references are called.",
            doc="How references are called.",
            commands=BATCH,
        ),
    ]
    missing: Annotated[
        Missing,
        Option(
            default="error",
            choices=get_args(Missing),
            help="A reference without a prediction: an error after all others were scored, an empty prediction, or "
            "left out and counted.",
            doc='A reference without a prediction is an ``"error"``, counts as an ``"empty"`` prediction, or is left '
            'out and counted (``"skip"``).',
            commands=BATCH,
            settings=(Setting("missing", kinds.TEXT, "missing"),),
            statement=Statement(statements.missing_counted, in_footnote=False),
        ),
    ]


class GroupOptions(TypedDict, total=False):
    """By what scores are summed up besides."""

    metadata: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="A table with the column case, and others to group by.",
            doc="A table with the column case, and others to group by.",
            commands=GROUPED,
        ),
    ]
    by: Annotated[
        str | Iterable[str],
        Option(
            default=(),
            metavar="COLUMN",
            multiple=True,
            help="Sum up by this column of --metadata too; repeatable.",
            doc="The columns of `metadata` by which the summary is grouped too.",
            commands=GROUPED,
            settings=(Setting("by", kinds.TEXTS, "by"),),
        ),
    ]


class RunOptions(TypedDict, total=False):
    """How cases are run."""

    jobs: Annotated[
        int | None,
        Option(
            flags=("-j", "--jobs"),
            metavar="N",
            type=int,
            at_least=1,
            help="How many cases are scored at once; all processors by default.",
            doc="How many cases are scored at once, each in a process of its own; all processors by default.",
            commands=BATCH,
        ),
    ]
    dask: Annotated[
        str | None,
        Option(
            metavar="[ADDRESS]",
            help="Score on the workers of a Dask cluster, by the address of its scheduler (tcp://HOST:8786); "
            "without one, that of DASK_SCHEDULER_ADDRESS.",
            doc='The address of a Dask scheduler, ``"tcp://host:8786"``: cases are scored on its workers, which see '
            "the same files. An empty address is that of Dask's configuration.",
            commands=BATCH,
        ),
    ]
    scheduler_file: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="The same, by the file that the scheduler has written.",
            doc="The same, by the file that the scheduler has written.",
            commands=BATCH,
        ),
    ]
    worker_timeout: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            type=float,
            above=0,
            help=f"Give up when the cluster has had no worker for so long.  [default: {WORKER_TIMEOUT:g}]",
            doc=f"Seconds without any worker after which what is left is given up; {WORKER_TIMEOUT:g} by default.",
            commands=BATCH,
        ),
    ]
    timeout: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            type=float,
            above=0,
            help="Give a case up that takes longer.",
            doc="Seconds after which a case is given up.",
            commands=BATCH,
        ),
    ]


class ErrorMapOptions(TypedDict, total=False):
    """Where error maps go."""

    error_maps: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FOLDER",
            path=values.path_from,
            help="Write where each label is right (1), false (2) and missed (3), as NIfTI or PNG with a label table "
            "for ITK-SNAP, into a folder for each case.",
            doc="A folder for maps of what is right (1), false (2) and missed (3), one for each label, in a folder for "
            "each case.",
            commands=SCORING,
        ),
    ]


class FileOptions(ErrorMapOptions, Options, total=False):
    """What `segeval.score_files` can be asked for."""


class BatchOptions(CaseOptions, GroupOptions, RunOptions, ErrorMapOptions, Options, total=False):
    """What `segeval.batch` can be asked for."""


BATCH_OPTIONS = declared(BatchOptions)
OPTIONS_OF_RUNS = {name: option for name, option in BATCH_OPTIONS.items() if name not in OPTIONS}


def with_defaults(options: BatchOptions) -> BatchOptions:
    """Options with the defaults of those that were not given."""
    return cast(BatchOptions, {name: option.default for name, option in BATCH_OPTIONS.items()} | {**options})


def scoring_of(options: FileOptions | BatchOptions, kind: type) -> Options:
    """Those that say how maps are scored, and those that the kind of options does not have."""
    others = kind.__annotations__.keys() - OPTIONS.keys()
    return cast(Options, {name: value for name, value in options.items() if name not in others})
