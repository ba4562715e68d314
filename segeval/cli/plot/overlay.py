"""`segeval plot overlay`: where a prediction is right, false and missed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import complete_file, help_option, option
from segeval.cli.plot.outputs import check_figure, figure_options
from segeval.cli.streams import data_stream
from segeval.errors import InputError, UsageError, shown
from segeval.scoring.option_values import path_from

if TYPE_CHECKING:
    from segeval.results.results import Results
    from segeval.results.rows import CaseRecord
    from segeval.scoring.case import Case


@click.command(
    short_help="Slices of a case: what is right, false and missed.",
    epilog="\b\nExample:\n"
    "  segeval batch sample_data/predictions sample_data/references -m dice -o method.json\n"
    "  segeval plot overlay method.json --case case_01 --label 1 -o figure.svg",
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@click.option("--case", "name", metavar="NAME", help="The case; not needed where there is one.")
@click.option("--label", metavar="LABEL", required=True, help="A label or region, by number or name.")
@option(
    "--images",
    metavar="FOLDER",
    shell_complete=complete_file,
    path=path_from,
    help="Where scans or photographs are, called like the case, or CASE_0000 as nnU-Net has them; drawn beneath.",
)
@partial(figure_options, width="double")
@help_option
def overlay(results: tuple[str, ...], **options: Any) -> None:
    """Draw the slices of a case in which RESULTS are most in error about a label.

    One slice of each plane, with a row for each results file: all have the same slices, those with the most false
    voxels in all files together. The files that were scored are read again, so they must still be where they were; a
    relative path is tried from here, then from the folder of RESULTS. stdout says how many voxels of each slice are
    right, false and missed. It takes matplotlib: pip install 'segeval-cli[report]'.
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
        raise UsageError("it is given twice", source=twice[0])
    files = {path: read_results(path) for path in results}
    records = {path: _record(path, each, options["name"]) for path, each in files.items()}
    cases = {path: _case(record, path) for path, record in records.items()}
    names = {case.name for case in cases.values()}
    if len(names) > 1:
        raise UsageError(
            f"the files have different cases: {', '.join(map(shown, sorted(names)))}", hint="name it: --case"
        )
    (name,) = names
    image = None if options["images"] is None else find_image(options["images"], name)
    if options["images"] is not None and image is None:
        raise InputError(
            f"there is no image of {shown(name)}", source=options["images"], hint="it is called like the case"
        )
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
    """The case that is drawn."""
    if name is None and len(results.cases) != 1:
        raise UsageError(f"there are {len(results.cases)} cases", source=path, hint="name one: --case")
    for record in results.cases:
        if name in (None, record.case):
            return record
    from segeval.pairing.near import Pool

    near = Pool((record.case, record.case) for record in results.cases).near(name or "")
    hint = f"did you mean {' or '.join(map(shown, near))}?" if near else None
    raise UsageError(f"no case is called {shown(name)!r}", source=path, hint=hint)


def _case(record: CaseRecord, path: str) -> Case:
    from segeval.diagnostics.slices import ELSEWHERE, case_of, not_here

    if record.status != "scored":
        why = "" if record.message is None else f": {shown(record.message)}"
        raise InputError(f"the case {shown(record.case)} was not scored{why}", source=path)
    case = case_of(record, results_path=path)
    if lost := not_here(case):
        raise InputError("no such file", source=lost, hint=ELSEWHERE)
    return case


def _row_names(paths: tuple[str, ...]) -> list[str]:
    """What rows are called: the files' names without the suffix where those are different; nothing for one row."""
    from pathlib import PurePath

    if len(paths) == 1:
        return [""]
    stems = [PurePath(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _label_name(results: Results, label: str) -> str:
    """The label with its name, if it has one."""
    named: Mapping[str, str | None] = {str(row.label): row.name for row in results.scores}
    found = named.get(label)
    return f"label {label} ({found})" if found else f"label {label}" if label.isdecimal() else label
