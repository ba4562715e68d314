"""`segeval plot overlay`: the right, false and missed voxels of a case in its worst slices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.help import Command, help_options, option
from segeval.cli.options import complete_file
from segeval.cli.plot.outputs import check_figure, figure_options
from segeval.cli.streams import data_stream
from segeval.errors import InputError, UsageError, shown
from segeval.scoring.option_values import path_from

if TYPE_CHECKING:
    from segeval.results.results import Results
    from segeval.results.rows import CaseRecord
    from segeval.scoring.case import Case


@click.command(
    cls=Command,
    short_help="True positive, false positive and false negative voxels in the worst slices.",
    examples=[
        "segeval batch sample_data/predictions sample_data/references -o results.json",
        "segeval plot overlay results.json --case case_01 --label 1 -o figure.svg",
    ],
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@option("--case", "name", heading="Files and labels", metavar="NAME", help="Case to draw, if there are several.")
@option(
    "--label", heading="Files and labels", metavar="LABEL", required=True, help="Label or region, by number or name."
)
@option(
    "--images",
    heading="Files and labels",
    metavar="FOLDER",
    shell_complete=complete_file,
    path=path_from,
    help="Folder of scans with the names of the cases (or CASE_0000, as in nnU-Net), shown behind the overlays.",
)
@partial(figure_options, width="double")
@help_options
def overlay(results: tuple[str, ...], **options: Any) -> None:
    """Draw the slices of a case with the most errors in a label, and print the numbers of voxels.

    RESULTS are JSON files of score, batch or merge. The figure has a row for each file, with the slice of each plane
    that has the most misclassified voxels in all files together. The scored files are read again; relative paths
    start here, or in the folder of RESULTS.

    Install matplotlib first: pip install 'segeval-cli[report]'.
    """
    from segeval.diagnostics.slices import compared
    from segeval.reading.images import find_image
    from segeval.reports import figures
    from segeval.reports.json_files import read_results
    from segeval.scoring.cases import plan_behind
    from segeval.writing import check_output_path, write_bytes

    suffix = check_figure(options, inputs=results)
    twice = [path for path in results if results.count(path) > 1]
    if twice:
        raise UsageError("the file is given twice", source=twice[0])
    files = {path: read_results(path) for path in results}
    records = {path: _record(path, each, options["name"]) for path, each in files.items()}
    cases = {path: _case(record, path) for path, record in records.items()}
    names = {case.name for case in cases.values()}
    if len(names) > 1:
        raise UsageError(
            f"the files have different cases: {', '.join(map(shown, sorted(names)))}", hint="choose one with --case"
        )
    (name,) = names
    image = None if options["images"] is None else find_image(options["images"], name)
    if options["images"] is not None and image is None:
        raise InputError(f"no scan of {shown(name)}", source=options["images"], hint="name it like the case")
    read = [path for case in cases.values() for path in (case.prediction, case.reference, image) if path is not None]
    inputs = [*results, *read]
    check_output_path(options["output"], inputs=inputs)
    slices = compared(
        [(cases[path], plan_behind(each, source=path)) for path, each in files.items()],
        label=options["label"],
        image=image,
        counted=[each.counts for each in files.values()],
    )
    rows = dict(zip(_row_names(results), slices, strict=True))
    title = f"{name}, {_label_name(files[results[0]], options['label'])}"
    write_bytes(
        options["output"],
        [figures.overlay(rows, suffix=suffix, width=options["width"], title=title)],
        inputs=inputs,
    )
    with data_stream() as stream:
        for path, row in zip(results, slices, strict=True):
            for each in row:
                counts = [int(m.sum()) for m in (each.true_positive, each.false_positive, each.false_negative)]
                place = ", ".join(filter(None, (shown(path), each.title)))
                both, false, missed = (f"{count:,}" for count in counts)
                stream.write(f"{place}: {both} true positive, {false} false positive, {missed} false negative\n")


def _record(path: str, results: Results, name: str | None) -> CaseRecord:
    """Return the case to draw."""
    if name is None and len(results.cases) != 1:
        raise UsageError(f"the file has {len(results.cases)} cases", source=path, hint="choose one with --case")
    for record in results.cases:
        if name in (None, record.case):
            return record
    from segeval.pairing.near import Pool

    near = Pool((record.case, record.case) for record in results.cases).near(name or "")
    hint = f"did you mean {' or '.join(map(shown, near))}?" if near else None
    raise UsageError(f"no case is named {shown(name)!r}", source=path, hint=hint)


def _case(record: CaseRecord, path: str) -> Case:
    from segeval.diagnostics.slices import ELSEWHERE, case_of, not_here

    if record.status != "scored":
        why = "" if record.message is None else f": {shown(record.message)}"
        raise InputError(f"case {shown(record.case)} was not scored{why}", source=path)
    case = case_of(record, results_path=path)
    if lost := not_here(case):
        raise InputError("no such file", source=lost, hint=ELSEWHERE)
    return case


def _row_names(paths: tuple[str, ...]) -> list[str]:
    """Return the names of the rows: file names without suffix if they differ, else paths; empty for a single row."""
    from pathlib import PurePath

    if len(paths) == 1:
        return [""]
    stems = [PurePath(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _label_name(results: Results, label: str) -> str:
    """Return the label with its name, if it has a name."""
    named: Mapping[str, str | None] = {str(row.label): row.name for row in results.scores}
    found = named.get(label)
    return f"label {label} ({found})" if found else f"label {label}" if label.isdecimal() else label
