"""The front doors of the library: arrays, files and folders, with the command line's options by the same names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike

from segeval.errors import InputError, UsageError
from segeval.evidence.comparison import SoftMaps
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.maps.probability_map import ProbabilityMap, arranged, arranged_reference, hardened
from segeval.results.results import Results
from segeval.scoring.batch_options import BatchOptions, FileOptions, scoring_of, with_defaults
from segeval.scoring.case import Case
from segeval.scoring.cases import bins_of, case_name, collect, results_of_files, score_maps, threads_for_one
from segeval.scoring.declaration import taking
from segeval.scoring.option_values import entries_of
from segeval.scoring.options import Options
from segeval.scoring.plan import Plan, plan_of

if TYPE_CHECKING:
    pass


@taking(Options)
def score(*, prediction: ArrayLike, reference: ArrayLike, **options: Unpack[Options]) -> Results:
    """Compare two label arrays.

    Parameters
    ----------
    prediction, reference
        Integers or booleans of one shape, axes (z, y, x) or (y, x). With `probabilities` the prediction is of floats,
        axes (channel, z, y, x), (z, y, x, channel), or those of the reference for one channel; a reference of floats
        holds shares of classes, with the channels first if there are several, and is labelled like the prediction for
        what is no soft score.
    **options
        See below. Without `spacing` lengths are in pixels and volumes undefined.

    Returns
    -------
    Results
        One case, called ``"array"``.

    Raises
    ------
    InputError
        Arrays that are not labels, or of different shapes.
    UsageError
        An option that is not what it should be.

    Examples
    --------
    >>> import numpy as np
    >>> reference = np.zeros((4, 8, 8), int)
    >>> reference[1:3, 2:6, 2:6] = 1
    >>> results = score(prediction=np.roll(reference, 1, axis=2), reference=reference, spacing=(2, 0.75, 0.75))
    >>> results.value("dice", label=1)
    0.75
    >>> results.value("hd", label=1)
    0.75
    """
    plan = plan_of(**options)
    case = Case(name="array", prediction="prediction", reference="reference")
    if not plan.probabilities:
        maps = _as_map(prediction, "prediction"), _as_map(reference, "reference")
        return collect([score_maps(maps[0], maps[1], plan, case=case, threads=threads_for_one())], plan)
    held_against, shares = _as_reference(reference, plan)
    given = arranged(np.asarray(prediction), held_against.grid, normalise=plan.normalise, source="prediction")
    soft = SoftMaps(prediction=given, reference=shares, bins=bins_of(plan))
    labels = hardened(given, threshold=plan.threshold)
    return collect([score_maps(labels, held_against, plan, case=case, threads=threads_for_one(), soft=soft)], plan)


@taking(FileOptions)
def score_files(
    prediction: str | os.PathLike[str], reference: str | os.PathLike[str], **options: Unpack[FileOptions]
) -> Results:
    """Compare two files.

    Parameters
    ----------
    prediction, reference
        Label maps in any format of ``segeval score --help``. With `probabilities` the prediction is a probability map.
    **options
        See below.

    Returns
    -------
    Results
        One case, called like the reference's file.

    Raises
    ------
    InputError
        A file that cannot be used, or two that do not fit together.
    UsageError
        An option that is not what it should be, or a folder that cannot be written to.
    """
    plan, paths = plan_of(**scoring_of(options, FileOptions)), (os.fspath(prediction), os.fspath(reference))
    error_maps, maps = options.get("error_maps"), None
    if error_maps is not None:
        from segeval.writing.error_maps import ErrorMaps

        maps = ErrorMaps.at(error_maps, cases=[case_name(paths[1])], inputs=paths)
    results = results_of_files(*paths, plan, error_maps=maps)
    if results.exit_code:
        raise UsageError(results.cases[0].warnings[-1])
    return results


@taking(BatchOptions)
def batch(
    predictions: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    **options: Unpack[BatchOptions],
) -> Results:
    """Compare a folder of predictions with a folder of references, case by case.

    Nothing is raised for a case that cannot be scored: it is in the results, with its reason.

    Parameters
    ----------
    predictions, references
        The folders. A case is a reference; its prediction is called the same.
    **options
        See below.

    Returns
    -------
    Results
        Every case with its status, every score, and the summary; empty where there is no reference.

    Raises
    ------
    InputError
        A folder or table that cannot be read.
    UsageError
        An option that is not what it should be.

    Examples
    --------
    >>> results = batch("sample_data/predictions", "sample_data/references", metrics="dice", jobs=2)
    >>> len(results.cases)
    14
    """
    return _run(predictions, references, plan_of(**scoring_of(options, BatchOptions)), with_defaults(options))


def _run(
    predictions: str | os.PathLike[str] | None,
    references: str | os.PathLike[str] | None,
    plan: Plan,
    asked: BatchOptions,
) -> Results:
    """Compare two folders as a plan says."""
    # deferred: a pair is scored in less time than this takes to load
    from segeval.running.batch import error_maps_of, evaluate, executor_of, pair
    from segeval.running.settings import RunSettings

    executor = executor_of(
        jobs=asked["jobs"],
        dask=asked["dask"],
        scheduler_file=asked["scheduler_file"],
        worker_timeout=asked["worker_timeout"],
    )
    pairing = pair(
        predictions,
        references,
        pairs=asked["pairs"],
        pattern=asked["pattern"],
        prediction_pattern=asked["prediction_pattern"],
        reference_pattern=asked["reference_pattern"],
        probabilities=plan.probabilities,
    )
    folder = asked["error_maps"]
    with executor as chosen:
        settings = RunSettings(
            missing=asked["missing"],
            timeout=asked["timeout"],
            metadata=asked["metadata"],
            by=tuple(entries_of("by", asked["by"])),
            error_maps=None if folder is None else error_maps_of(pairing, folder),
        )
        return evaluate(pairing, plan, settings, executor=chosen)


def _as_reference(values: ArrayLike, plan: Plan) -> tuple[LabelMap, ProbabilityMap | None]:
    """The labels of an array, and its shares of the classes where it holds such."""
    array = np.asarray(values)
    if array.dtype.kind != "f" or array.ndim not in (2, 3, 4) or array.size == 0:
        return _as_map(array, "reference"), None
    shares = arranged_reference(array, normalise=plan.normalise, source="reference")
    return hardened(shares, threshold=plan.threshold), shares


def _as_map(values: ArrayLike, name: str) -> LabelMap:
    array = np.asarray(values)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"expected 2 or 3 axes with voxels on them, found shape {array.shape}", source=name)
    if array.dtype.kind == "f":
        raise InputError(
            f"expected integers or booleans, found {array.dtype}",
            source=name,
            hint="threshold it, or call .astype(int); probabilities=True scores probabilities",
        )
    labels = as_labels(array, source=name)
    if np.shares_memory(labels, array):
        labels = labels.view()
    grid = Grid(shape=labels.shape, spacing=(1.0,) * labels.ndim, unit="px")
    return LabelMap(labels=labels, grid=grid, source=name)
