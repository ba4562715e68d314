"""Python interface: score arrays, files and folders, with the options of the command line."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from segeval.errors import ArgumentError, InputError, UsageError, about
from segeval.evidence.comparison import SoftMaps
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.maps.probability_map import ProbabilityMap, arranged, arranged_reference, hardened
from segeval.results.results import Results
from segeval.scoring.arguments import described, naming_arguments
from segeval.scoring.batch_options import BatchOptions, FileOptions, scoring_of, with_defaults
from segeval.scoring.case import Case
from segeval.scoring.cases import bins_of, case_name, collect, results_of_files, score_maps, threads_for_one
from segeval.scoring.declaration import taking
from segeval.scoring.option_values import entries_of
from segeval.scoring.options import Options
from segeval.scoring.plan import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segeval.running.events import ProgressEvent


@taking(Options)
@naming_arguments
def score(*, prediction: ArrayLike, reference: ArrayLike, **options: Unpack[Options]) -> Results:
    """Compare two label arrays.

    Parameters
    ----------
    prediction, reference
        Integers or booleans of the same shape, axes (z, y, x) or (y, x). With `probabilities` the prediction is an
        array of floats with axes (channel, z, y, x) or (z, y, x, channel), or the axes of the reference if there is
        one channel. The reference may then be an array of floats too, with the channels first if there are several;
        metrics of label maps are computed on its most probable labels.
    **options
        See below. Without `spacing`, distances are in pixels and volumes are undefined.

    Returns
    -------
    Results
        Results of one case, called ``"array"``.

    Raises
    ------
    InputError
        The arrays do not hold labels, or have different shapes.
    UsageError
        An option has a wrong value. If it does not exist or has a value of the wrong type, this is a `TypeError` too.

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
    label_map, shares = _as_reference(reference, plan)
    values = _as_array(prediction, "prediction")
    given = arranged(values, label_map.grid, normalise=plan.normalise, source="prediction")
    soft = SoftMaps(prediction=given, reference=shares, bins=bins_of(plan))
    labels = hardened(given, threshold=plan.threshold)
    return collect([score_maps(labels, label_map, plan, case=case, threads=threads_for_one(), soft=soft)], plan)


@taking(FileOptions)
@naming_arguments
def score_files(
    prediction: str | os.PathLike[str], reference: str | os.PathLike[str], **options: Unpack[FileOptions]
) -> Results:
    """Compare two files.

    Parameters
    ----------
    prediction, reference
        Label maps in any format that ``segeval score --help`` lists. With `probabilities` the prediction is a
        probability map.
    **options
        See below.

    Returns
    -------
    Results
        Results of one case, named after the file of the reference.

    Raises
    ------
    InputError
        A file cannot be read, or the two files cannot be compared.
    UsageError
        An option has a wrong value, or a folder cannot be written to. If an option does not exist or has a value of
        the wrong type, this is a `TypeError` too.
    """
    paths = _path(prediction, "prediction"), _path(reference, "reference")
    plan = plan_of(**scoring_of(options, FileOptions))
    folder, error_maps = options.get("error_maps"), None
    if folder is not None:
        from segeval.writing.error_maps import ErrorMaps

        with about("error_maps"):
            error_maps = ErrorMaps.at(folder, cases=[case_name(paths[1])], inputs=paths)
    results = results_of_files(*paths, plan, error_maps=error_maps)
    if results.exit_code:
        raise UsageError(results.cases[0].warnings[-1])
    return results


@taking(BatchOptions)
@naming_arguments
def batch(
    predictions: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    *,
    progress: bool | Callable[[ProgressEvent], object] | None = False,
    **options: Unpack[BatchOptions],
) -> Results:
    """Compare a folder of predictions with a folder of references, case by case.

    A case that cannot be scored raises nothing: it is in the results, with the reason.

    Parameters
    ----------
    predictions, references
        The folders. Every reference is a case; its prediction has the same name.
    progress
        True shows a bar in a terminal or a notebook, and a line every ten seconds in a log. A function is called with
        a `ProgressEvent` after each case, in the thread that called `batch`; an exception that it raises ends the run.
    **options
        See below.

    Returns
    -------
    Results
        Every case with its status, every score, and the summary. There are no cases if there is no reference.

    Raises
    ------
    InputError
        A folder or table cannot be read.
    UsageError
        An option has a wrong value. If it does not exist or has a value of the wrong type, this is a `TypeError` too.

    Examples
    --------
    >>> results = batch("sample_data/predictions", "sample_data/references", metrics="dice", jobs=2)
    >>> len(results.cases)
    14

    Follow the progress:

    >>> def note(event):
    ...     if event.done == event.total:
    ...         print(f"{event.done} of {event.total} cases, {event.failed} failed")
    >>> results = batch("sample_data/predictions", "sample_data/references", metrics="dice", progress=note)
    14 of 14 cases, 0 failed
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ArgumentError(f"progress must be True, False, None or a function, found {described(progress)}")
    folders = [
        None if folder is None else _path(folder, name)
        for name, folder in (("predictions", predictions), ("references", references))
    ]
    plan = plan_of(**scoring_of(options, BatchOptions))
    return _run(folders[0], folders[1], plan, with_defaults(options), progress)


def _run(
    predictions: str | None,
    references: str | None,
    plan: Plan,
    options: BatchOptions,
    progress: bool | Callable[[ProgressEvent], object] | None,
) -> Results:
    """Compare two folders as a plan says."""
    # deferred: a pair is scored in less time than this takes to load
    from segeval.running.batch import error_maps_of, evaluate, executor_of, pair
    from segeval.running.events import Announcer
    from segeval.running.settings import RunSettings

    executor = executor_of(
        jobs=options["jobs"],
        dask=options["dask"],
        scheduler_file=options["scheduler_file"],
        worker_timeout=options["worker_timeout"],
    )
    pairing = pair(
        predictions,
        references,
        pairs=options["pairs"],
        pattern=options["pattern"],
        prediction_pattern=options["prediction_pattern"],
        reference_pattern=options["reference_pattern"],
        probabilities=plan.probabilities,
    )
    folder = options["error_maps"]
    with executor as chosen:
        with about("error_maps"):
            error_maps = None if folder is None else error_maps_of(pairing, folder)
        settings = RunSettings(
            missing=options["missing"],
            timeout=options["timeout"],
            metadata=options["metadata"],
            by=tuple(entries_of("by", options["by"])),
            error_maps=error_maps,
        )
        with _shown(progress, len(pairing.cases)) as announce:
            note = None if announce is None else Announcer(len(pairing.cases), announce)
            return evaluate(pairing, plan, settings, executor=chosen, on_finished=note)


@contextmanager
def _shown(
    progress: bool | Callable[[ProgressEvent], object] | None, total: int
) -> Iterator[Callable[[ProgressEvent], object] | None]:
    """Show the progress, if it is to be shown; gives the function to call after each case."""
    if progress is None or callable(progress):
        yield progress
    elif not progress:
        yield None
    else:
        import sys

        from segeval.reports.progress import Progress

        with Progress(total, stream=sys.stderr, in_notebook=True) as bar:
            yield lambda event: bar.advance(event.status)


def _path(value: object, name: str) -> str:
    """Return a path as a string."""
    if isinstance(value, str):
        return value
    path = os.fspath(value) if isinstance(value, os.PathLike) else None
    if not isinstance(path, str):
        is_array = hasattr(value, "__array__") or isinstance(value, list | tuple)
        hint = "segeval.score takes arrays" if is_array else None
        raise ArgumentError(f"{name} must be a path, found {described(value)}", hint=hint)
    return path


def _as_reference(values: ArrayLike, plan: Plan) -> tuple[LabelMap, ProbabilityMap | None]:
    """Return the labels of an array, and its probabilities if it is an array of floats."""
    array = _as_array(values, "reference")
    if array.dtype.kind != "f" or array.ndim not in (2, 3, 4) or array.size == 0:
        return _as_map(array, "reference"), None
    shares = arranged_reference(array, normalise=plan.normalise, source="reference")
    return hardened(shares, threshold=plan.threshold), shares


def _as_array(values: ArrayLike, name: str) -> np.ndarray[Any, Any]:
    """Return the array behind an argument."""
    if isinstance(values, str | bytes | os.PathLike):
        raise ArgumentError(
            f"{name} must be an array, found {described(values)}", hint="segeval.score_files takes paths"
        )
    if values is None or isinstance(values, dict | set):
        raise ArgumentError(f"{name} must be an array, found {described(values)}")
    try:
        return np.asarray(values)
    except Exception as error:  # a list whose rows differ in length, or an object with a faulty __array__
        raise InputError(f"expected an array, found {described(values)}", source=name) from error


def _as_map(values: ArrayLike, name: str) -> LabelMap:
    array = _as_array(values, name)
    if array.dtype.kind == "O":
        raise InputError(f"expected integers or booleans, found {described(values)}", source=name)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"expected 2 or 3 axes and at least one voxel, found shape {array.shape}", source=name)
    if array.dtype.kind == "f":
        raise InputError(
            f"expected integers or booleans, found {array.dtype}{' with NaN' if np.isnan(array).any() else ''}",
            source=name,
            hint="threshold it, or call .astype(int); for probabilities pass probabilities=True",
        )
    labels = as_labels(array, source=name)
    if np.shares_memory(labels, array):
        labels = labels.view()
    grid = Grid(shape=labels.shape, spacing=(1.0,) * labels.ndim, unit="px")
    return LabelMap(labels=labels, grid=grid, source=name)
