"""Declarations of the options for scoring files and folders; see `segeval.scoring.declaration`.

No postponed annotations here: the declarations in the types are read when the module is imported.
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
    """Options that choose the cases."""

    pairs: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="CSV with columns prediction, reference, [case].",
            doc="Table with the columns prediction, reference and optionally case, instead of the folders; its "
            "paths are relative to it.",
            heading="Files and labels",
            commands=BATCH,
            common_in=BATCH,
        ),
    ]
    pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help="File names in both folders: '{case}_seg.nii.gz'. * is any text without /; a final / is a folder "
            "of classes.",
            doc='File names in both folders: ``"{case}_seg.nii.gz"``. ``*`` is any text without ``/``; a pattern '
            "that ends in ``/`` is a folder with a file for each class.",
            heading="Files and labels",
            commands=BATCH,
            common_in=BATCH,
        ),
    ]
    prediction_pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help="File names of predictions, instead of --pattern.",
            doc="File names of predictions, instead of `pattern`.",
            heading="Files and labels",
            commands=BATCH,
        ),
    ]
    reference_pattern: Annotated[
        str | None,
        Option(
            metavar="PATTERN",
            help="File names of references, instead of --pattern.",
            doc="File names of references, instead of `pattern`.",
            heading="Files and labels",
            commands=BATCH,
        ),
    ]
    missing: Annotated[
        Missing,
        Option(
            default="error",
            metavar="RULE",
            choices=get_args(Missing),
            help="No prediction: error, empty (score as empty) or skip.",
            doc='If a case has no prediction: ``"error"`` reports it after all other cases, ``"empty"`` scores it'
            ' as an empty prediction, ``"skip"`` leaves it out and counts it.',
            heading="Files and labels",
            commands=BATCH,
            common_in=BATCH,
            settings=(Setting("missing", kinds.TEXT, "missing"),),
            statement=Statement(statements.missing_counted, in_footnote=False),
        ),
    ]


class GroupOptions(TypedDict, total=False):
    """Options that summarise groups of cases."""

    metadata: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="CSV with a column case, for --by.",
            doc="Table with the column case and the columns that `by` names.",
            heading="Files and labels",
            commands=GROUPED,
            common_in=GROUPED,
        ),
    ]
    by: Annotated[
        str | Iterable[str],
        Option(
            default=(),
            metavar="COLUMN",
            multiple=True,
            help="Also summarise by a column of --metadata; repeatable.",
            doc="Columns of `metadata`: also summarise each group of cases.",
            heading="Output",
            commands=GROUPED,
            common_in=GROUPED,
            settings=(Setting("by", kinds.TEXTS, "by"),),
        ),
    ]


class RunOptions(TypedDict, total=False):
    """Options that say how and where cases are scored."""

    jobs: Annotated[
        int | None,
        Option(
            flags=("-j", "--jobs"),
            metavar="N",
            type=int,
            shown="number of processors",
            at_least=1,
            help="Number of cases scored in parallel.",
            doc="Number of cases scored at a time, each in its own process; the number of processors if not given.",
            heading="Running",
            commands=BATCH,
            common_in=BATCH,
        ),
    ]
    dask: Annotated[
        str | None,
        Option(
            metavar="[ADDRESS]",
            help="Score on a Dask cluster: tcp://HOST:8786. Without an address: DASK_SCHEDULER_ADDRESS.",
            doc='Address of a Dask scheduler, ``"tcp://host:8786"``: score the cases on its workers, which must'
            " see the same files. An empty address means the one in Dask's configuration.",
            heading="Running",
            commands=BATCH,
        ),
    ]
    scheduler_file: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="Score on the Dask cluster of this scheduler file.",
            doc="Scheduler file of a Dask cluster, instead of its address.",
            heading="Running",
            commands=BATCH,
        ),
    ]
    worker_timeout: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            type=float,
            shown=f"{WORKER_TIMEOUT:g}",
            above=0,
            help="Give up after this many seconds without any worker.",
            doc=f"Give up after this many seconds without any worker; {WORKER_TIMEOUT:g} if not given.",
            heading="Running",
            commands=BATCH,
        ),
    ]
    timeout: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            type=float,
            above=0,
            help="Give up on a case after this time.",
            doc="Give up on a case after this many seconds.",
            heading="Running",
            commands=BATCH,
            common_in=BATCH,
        ),
    ]


class ErrorMapOptions(TypedDict, total=False):
    """The option that writes error maps."""

    error_maps: Annotated[
        str | os.PathLike[str] | None,
        Option(
            metavar="FOLDER",
            path=values.path_from,
            help="Write maps of true positive (1), false positive (2) and false negative (3) voxels, with a label "
            "table for ITK-SNAP.",
            doc="Folder for maps of right (1), false (2) and missed (3) voxels of each label; each case has its "
            "own folder there.",
            heading="Output",
            commands=SCORING,
        ),
    ]


class FileOptions(ErrorMapOptions, Options, total=False):
    """Options of `segeval.score_files`."""


class BatchOptions(CaseOptions, GroupOptions, RunOptions, ErrorMapOptions, Options, total=False):
    """Options of `segeval.batch`."""


BATCH_OPTIONS = declared(BatchOptions)
OPTIONS_OF_RUNS = {name: option for name, option in BATCH_OPTIONS.items() if name not in OPTIONS}


def with_defaults(options: BatchOptions) -> BatchOptions:
    """Return options together with the defaults of those that were not given."""
    return cast(BatchOptions, {name: option.default for name, option in BATCH_OPTIONS.items()} | {**options})


def scoring_of(options: FileOptions | BatchOptions, kind: type) -> Options:
    """Return the options for scoring, and any that this kind of options does not have."""
    others = kind.__annotations__.keys() - OPTIONS.keys()
    return cast(Options, {name: value for name, value in options.items() if name not in others})
