"""Score cases: read the files, compare the maps, compute the scores, and collect outcomes to results.

Input are paths and a plan, output are small records, so that a case can be scored in any process.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from segeval.errors import InputError, OutOfMemoryError, UsageError, shown
from segeval.evidence.comparison import Comparison, SoftMaps
from segeval.evidence.counts import ContingencyTable
from segeval.evidence.layered_comparison import Pair
from segeval.maps.label_map import Grid, LabelMap, layerwise
from segeval.maps.labels import present_labels
from segeval.maps.probability_map import ProbabilityMap, arranged, arranged_reference, hardened, without_foreground
from segeval.reading import file_behind, read_label_map
from segeval.reading.formats import RawProbabilities, stem_of, suffix_of
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from segeval.scoring.case import Case, Outcome
from segeval.scoring.compare import compare
from segeval.scoring.plan import Plan
from segeval.scoring.scoring import counted, score
from segeval.version import __version__

if TYPE_CHECKING:
    from segeval.writing.error_maps import ErrorMaps


WITHOUT_MAPS = "not all error maps were written"
NO_PREDICTION = "no prediction; scored as empty"
THREADED_BYTES = 1 << 16  # for smaller files a second thread costs more than it saves


def case_name(path: str) -> str:
    """Return the default name of a case: the file name without its suffix, ``.nii.gz`` included.

    An image in a file with several images has its own name.

    Examples
    --------
    >>> case_name("references/liver_001.nii.gz")
    'liver_001'
    >>> case_name("instances.json::val2017/000000000139.jpg")
    '000000000139'
    """
    if os.path.isdir(path):
        return os.path.basename(os.path.realpath(path))
    name = os.path.basename(path.removeprefix(f"{file_behind(path)}::").rstrip("/"))
    return (stem_of(name, "labels") if suffix_of(name, "labels") else os.path.splitext(name)[0]) or name


def results_of_files(prediction: str, reference: str, plan: Plan, *, error_maps: ErrorMaps | None = None) -> Results:
    """Compare two files as a plan says.

    Parameters
    ----------
    prediction, reference
        The files; the case has the name of the reference.
    plan, error_maps
        See `score_case`.

    Raises
    ------
    InputError, UsageError
        See `score_case`.
    """
    case = case_of_files(prediction, reference)
    return collect([score_case(case, plan, threads=threads_for_one(), error_maps=error_maps)], plan)


def case_of_files(prediction: str, reference: str) -> Case:
    """Return the case of two files, with the name of the reference."""
    return Case(name=case_name(reference), prediction=prediction, reference=reference)


def threads_for_one() -> int:
    """Return the number of threads for a case that is scored alone."""
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def score_case(case: Case, plan: Plan, *, threads: int = 1, error_maps: ErrorMaps | None = None) -> Outcome:
    """Read a case's two files and score them.

    Parameters
    ----------
    case
        The files. If there is no prediction, the reference is compared with an empty one.
    plan
        What to score and how.
    threads
        Number of threads; the scores do not depend on it.
    error_maps
        Folder for error maps, if they are to be written.

    Raises
    ------
    InputError
        A file cannot be read, or the two files cannot be compared.
    UsageError
        The plan names a label or region that does not exist, or an error map cannot be written.
    """
    prediction, reference, plan, soft = _read(case, plan, threads=threads)
    return score_maps(prediction, reference, plan, case=case, threads=threads, soft=soft, error_maps=error_maps)


def pair_of(case: Case, plan: Plan, *, threads: int = 1) -> tuple[Pair, Mapping[int, str]]:
    """Read the two files of a case; return the pair as it is scored, and names by label.

    See `score_case`.
    """
    prediction, reference, plan, soft = _read(case, plan, threads=threads)
    try:
        pair, names, _ = compare(prediction, reference, plan, threads=threads, soft=soft)
    except MemoryError:
        raise OutOfMemoryError("not enough memory to compare it", source=case.reference) from None
    return pair, names


def _read(case: Case, plan: Plan, *, threads: int) -> tuple[LabelMap, LabelMap, Plan, SoftMaps | None]:
    if plan.probabilities:
        soft, prediction, reference, plan = read_soft_case(case, plan, threads=threads)
        return prediction, reference, plan, soft
    return *read_case(case, plan, threads=threads), None


def read_soft_case(case: Case, plan: Plan, *, threads: int = 1) -> tuple[SoftMaps, LabelMap, LabelMap, Plan]:
    """Read a case whose prediction is a probability map; return the map, its labels, the reference and the plan.

    See `score_case`.
    """
    from segeval.reading.probabilities import labels_of_channels, read_probabilities  # deferred: labels are usual

    raw: RawProbabilities | None = None
    if case.prediction is None:
        reference, shares = _read_soft_reference(case.reference, plan)
    elif threads < 2:
        raw, (reference, shares) = read_probabilities(case.prediction), _read_soft_reference(case.reference, plan)
    else:
        from concurrent.futures import ThreadPoolExecutor  # deferred: as below

        with ThreadPoolExecutor(2) as pool:
            reading = pool.submit(read_probabilities, case.prediction)
            reference, shares = _read_soft_reference(case.reference, plan)
            raw = reading.result()
    plan = _for_plane(plan, reference)
    reference = layerwise(_in_plane, reference)
    if raw is None:
        found = {*plan.names, *present_labels(reference)} - {0}
        probabilities = without_foreground(reference, (0, *sorted(found)) if shares is None else shares.labels)
    else:
        probabilities = arranged(
            raw.values,
            reference.grid,
            grid=None if raw.grid is None else plane_of(raw.grid),
            labels=labels_of_channels(raw, {**reference.names, **plan.names}),
            names=raw.names,
            normalise=plan.normalise,
            source=raw.source,
            stored=raw.stored,
        )
    soft = SoftMaps(prediction=probabilities, reference=shares, bins=bins_of(plan))
    return soft, hardened(probabilities, threshold=plan.threshold), reference, plan


def _read_soft_reference(path: str, plan: Plan) -> tuple[LabelMap, ProbabilityMap | None]:
    """Return the labels of the reference, and its probabilities if it is a probability map."""
    try:
        return _read_one(path, plan), None
    except OutOfMemoryError:
        raise
    except InputError:
        if not (os.path.isdir(path) or suffix_of(path, "probabilities")):
            raise
        from segeval.reading.probabilities import labels_of_channels, read_probabilities

        raw = read_probabilities(path)
        if raw.values.dtype.kind != "f":
            raise
    labels = labels_of_channels(raw, plan.names)
    grid = None if raw.grid is None else plane_of(raw.grid)
    shares = arranged_reference(raw.values, grid=grid, labels=labels, normalise=plan.normalise, source=raw.source)
    return hardened(shares, threshold=plan.threshold), shares


def bins_of(plan: Plan) -> tuple[int, ...]:
    """Return the numbers of bins that the calibration metrics of a plan need."""
    requests = [request for request in plan.metrics if request.name == "ece"]
    defaults = [request.card.parameter.default if request.card.parameter else 0 for request in requests]
    return tuple(
        sorted(
            {
                int(default if each.value is None else each.value)
                for each, default in zip(requests, defaults, strict=True)
            }
        )
    )


def read_case(case: Case, plan: Plan, *, threads: int = 1) -> tuple[LabelMap, LabelMap, Plan]:
    """Read the two files of a case; return the maps, in 2-D if there is one slice, and the plan for that.

    See `score_case`.
    """
    if os.path.isdir(case.reference) and not plan.names:
        _refuse_numbers(plan)
    prediction, reference = _read_both(case, plan, threads=threads)
    return layerwise(_in_plane, prediction), layerwise(_in_plane, reference), _for_plane(plan, reference)


def _for_plane(plan: Plan, reference: LabelMap) -> Plan:
    """Return the plan with a spacing for each axis that is scored."""
    if plan.spacing is None or len(plan.spacing) != 3 or 1 not in reference.grid.shape:
        return plan
    axis = reference.grid.shape.index(1)
    return replace(plan, spacing=plan.spacing[:axis] + plan.spacing[axis + 1 :])


def score_maps(
    prediction: LabelMap,
    reference: LabelMap,
    plan: Plan,
    *,
    case: Case,
    threads: int = 1,
    soft: SoftMaps | None = None,
    error_maps: ErrorMaps | None = None,
) -> Outcome:
    """Score two label maps, and the probabilities behind the prediction if there are any; see `score_case`."""
    try:
        comparison, names, warnings = compare(prediction, reference, plan, threads=threads, soft=soft)
        rows = score(comparison, names, plan, case=case.name)
        counts = counted(comparison, case=case.name)
        problem = None
        if error_maps is not None:
            signature = plan.signature({(comparison.grid.ndim, comparison.grid.unit)})
            try:
                error_maps.write(comparison, counts, names, case=case.name, signature=signature, inputs=case.files)
            except UsageError as error:  # the scores are kept if the disk is full
                problem = error
                warnings = [*warnings, f"{WITHOUT_MAPS}: {error}"]
    except MemoryError:
        raise OutOfMemoryError("not enough memory to score it", source=case.reference) from None
    record = CaseRecord(
        case=case.name,
        status="scored",
        prediction=case.prediction,
        reference=case.reference,
        shape=comparison.grid.shape,
        spacing=comparison.grid.spacing,
        unit=comparison.grid.unit,
        voxels=comparison.voxels,
        message=None if case.prediction is not None else NO_PREDICTION,
        exit_code=0 if problem is None else problem.exit_code,
        warnings=tuple(warnings),
    )
    table = comparison.table if isinstance(comparison, Comparison) else None
    return Outcome(record=record, scores=tuple(rows), counts=tuple(counts), table=table, names=names)


def _read_both(case: Case, plan: Plan, *, threads: int) -> tuple[LabelMap, LabelMap]:
    if case.prediction is None:
        return _read_reference(case.reference, plan)
    paths = [case.prediction, case.reference]
    folders = [path for path in paths if os.path.isdir(path)]
    if len(folders) == 1:
        raise InputError(
            "this is a folder, but the other of the two is a file",
            source=folders[0],
            hint="to score folders: segeval batch",
        )
    if folders:
        from segeval.reading.folders import read_class_folders  # deferred: most cases are files

        return read_class_folders(*paths, names=plan.names)
    names = _polygon_names(plan)
    if threads < 2 or not all(map(_is_large, paths)):
        return read_label_map(paths[0], names=names), read_label_map(paths[1], names=names)
    from concurrent.futures import ThreadPoolExecutor  # deferred: small files are read by one thread

    with ThreadPoolExecutor(2) as pool:
        prediction, reference = pool.map(partial(read_label_map, names=names), paths)
    return prediction, reference


def _is_large(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) > THREADED_BYTES


def _read_reference(path: str, plan: Plan) -> tuple[LabelMap, LabelMap]:
    """Return an empty prediction on the grid of the reference, and the reference."""
    reference = _read_one(path, plan)
    nothing = np.zeros(reference.labels.shape, np.uint8)
    nothing.flags.writeable = False
    return replace(reference, labels=nothing, overlays=(), source="an empty prediction"), reference


def _read_one(path: str, plan: Plan) -> LabelMap:
    """Read a file, or a folder with a file for each class."""
    if os.path.isdir(path):
        from segeval.reading.folders import read_class_folder  # deferred: as above

        return read_class_folder(path, names=plan.names)
    return read_label_map(path, names=_polygon_names(plan))


def _polygon_names(plan: Plan) -> dict[int, str]:
    """Return the names that polygons may have: those of the plan, and those that are skipped."""
    return {**plan.names, **{-number: name for number, name in enumerate(plan.skipped, start=1)}}


def _refuse_numbers(plan: Plan) -> None:
    """Refuse numbers for the classes of a folder, because without a label table they depend on the other files."""
    regions = [part.strip() for members in plan.regions.values() for part in members.split(",")]
    used = [*plan.only, *regions, *plan.conventions.label_tolerances]
    numbers = any(re.fullmatch(r"\d+(-\d+)?", part) for part in used)
    if numbers or plan.relabel_prediction or plan.relabel_reference:
        raise UsageError(
            "the classes of a folder have names but no numbers", hint="use names, or number them with --labels"
        )


def _in_plane(label_map: LabelMap) -> LabelMap:
    """Return a map of one slice in 2-D."""
    grid = plane_of(label_map.grid)
    return (
        label_map
        if grid is label_map.grid
        else replace(label_map, labels=label_map.labels.reshape(grid.shape), grid=grid)
    )


def plane_of(grid: Grid) -> Grid:
    """Return a grid with one slice without the axis of length 1."""
    return grid.without_axis(grid.shape.index(1)) if grid.ndim == 3 and 1 in grid.shape else grid


def collect(
    outcomes: Iterable[Outcome],
    plan: Plan,
    *,
    order: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Results:
    """Collect the outcomes of a run to results, without verdicts.

    Parameters
    ----------
    outcomes
        Outcomes in any order; only their scores and counts are kept.
    plan
        The plan.
    order
        Names of the cases in the order of the results; by default the order of the outcomes.
    settings
        Settings of the run that are not in the plan.
    """
    records: dict[str, CaseRecord] = {}
    scores, counts = Scores(), CaseCounts()
    ranks = None if order is None else {name: rank for rank, name in enumerate(order)}
    names: dict[int, tuple[int, str]] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    tables = layered = 0
    for outcome in outcomes:
        records[outcome.record.case] = outcome.record
        scores.extend(outcome.scores)
        counts.extend(outcome.counts)
        rank = len(records) if ranks is None else ranks[outcome.record.case]
        for label, name in outcome.names.items():
            names[label] = min(names.get(label, (rank, name)), (rank, name))
        if outcome.table is not None:
            tables += 1
            for reference, prediction, voxels in outcome.table.rows():
                pairs[reference, prediction] += voxels
        elif outcome.record.status == "scored":
            layered += 1
    ordered = list(records if ranks is None else ranks)
    cases = tuple(records[name] for name in ordered)
    return Results(
        version=__version__,
        signature=signature_of(plan, cases, settings or {}),
        footnote=plan.footnote(grids_of(cases), settings or {}),
        settings=plan.settings() | dict(settings or {}),
        metrics=tuple(request.token for request in plan.metrics),
        cases=cases,
        scores=scores.of(ordered),
        counts=counts.of(ordered),
        confusion=ContingencyTable.from_pairs(pairs) if tables and not layered else None,
        names={label: name for label, (_, name) in sorted(names.items())},
    )


def plan_behind(results: Results, *, source: str) -> Plan:
    """Return the plan behind results.

    Parameters
    ----------
    results
        Results of a run, or read from a file.
    source
        Name of the file, for a message.

    Raises
    ------
    InputError
        The settings are damaged.
    """
    try:
        return Plan.of_settings(results.settings)
    except UsageError as error:
        raise InputError(f"its settings are damaged: {shown(error)}", source=source) from None


def grids_of(cases: Iterable[CaseRecord]) -> set[tuple[int, str]]:
    """Return number of axes and unit of length of the scored cases."""
    return {(len(each.shape or ()), each.unit or "") for each in cases if each.status == "scored"}


def signature_of(plan: Plan, cases: Iterable[CaseRecord], settings: Mapping[str, Any]) -> str:
    """Return the signature of a plan and the settings of a run, for these cases."""
    return plan.signature(grids_of(cases), settings)
