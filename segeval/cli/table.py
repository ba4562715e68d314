"""`segeval table`: tables for a paper, from results files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.file_options import check_file_options, csv_options, style_of
from segeval.cli.help import Command, option
from segeval.cli.options import complete_file, complete_metric, decorated, format_option, look_options, quiet_option
from segeval.cli.outputs import check_distinct
from segeval.cli.streams import data_printer, remark, write_document
from segeval.errors import UsageError, shown
from segeval.reports.pivot_cells import BEST, DEFAULT_CELL, FIELDS, read_template
from segeval.reports.writers import PIVOT_WRITERS
from segeval.scoring.option_values import path_from

if TYPE_CHECKING:
    from segeval.analysis.pivot import Pivot
    from segeval.results.results import Results


def factor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select labels and add factors."""
    return decorated(
        command,
        [
            option(
                "--label",
                "labels",
                heading="Files and labels",
                is_common=True,
                metavar="NAME",
                multiple=True,
                help="Only this label or region; repeatable.",
            ),
            option(
                "--metadata",
                heading="Files and labels",
                is_common=True,
                metavar="FILE",
                multiple=True,
                shell_complete=complete_file,
                path=path_from,
                help="CSV with a column case, or file for a results file; every other column can be a factor. "
                "At most one of each kind.",
            ),
        ],
    )


@click.command(
    cls=Command,
    short_help="Make a table of scores for a paper.",
    examples=[
        "segeval batch sample_data/predictions sample_data/references -o results.json",
        "segeval table results.json --rows name --metric dice,hd@95",
        'segeval table results.json --rows name --cell "{mean:.3f} (n = {n})" -o t.tex',
    ],
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@option(
    "--rows",
    heading="Output",
    is_common=True,
    metavar="FACTOR,...",
    required=True,
    help="Factors of the rows: name, label, metric, file, ...",
)
@option(
    "--columns",
    heading="Output",
    is_common=True,
    metavar="FACTOR,...",
    default="metric",
    show_default=True,
    help="Factors of the columns.",
)
@option(
    "-m",
    "--metric",
    "metrics",
    heading="Metrics",
    is_common=True,
    metavar="NAME",
    multiple=True,
    shell_complete=complete_metric,
    configurable=False,
    help="Metric of the results; repeatable or a comma list.",
    show_default="all",
)
@factor_options
@option(
    "--cell",
    heading="Output",
    is_common=True,
    metavar="TEXT",
    default=DEFAULT_CELL,
    show_default=True,
    help=f"Text of a cell, with the fields {', '.join(FIELDS)}.",
)
@option(
    "--best",
    heading="Output",
    metavar="RULE",
    type=click.Choice(BEST),
    default="row",
    show_default=True,
    help=f"Bold the best cell of: {', '.join(BEST)}.",
)
@format_option("table", *PIVOT_WRITERS)
@option(
    "-o",
    "--output",
    "outputs",
    heading="Output",
    is_common=True,
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    configurable=False,
    help=f"Also write {' '.join(row.suffix for row in PIVOT_WRITERS.values())}; repeatable.",
)
@csv_options
@quiet_option
@look_options
def table(results: tuple[str, ...], *, quiet: bool, no_color: bool, **options: Any) -> None:
    """Make a table of the scores in RESULTS, JSON files of score, batch or merge.

    A factor is file (the results file), label (its number), name (of the label), metric, or a column of --metadata. A
    cell summarises the scores of all its cases and labels; missing scores are counted below the table.
    """
    template = read_template(options["cell"])
    rows, columns = factors_in("--rows", options["rows"]), factors_in("--columns", options["columns"])
    inputs = [*results, *options["metadata"]]
    check_file_options(options, shown=options["kind"], outputs=options["outputs"], others=())
    _check_outputs(options["outputs"], inputs)
    pivot = pivot_of(
        results,
        rows=rows,
        columns=columns,
        metrics=options["metrics"],
        labels=options["labels"],
        metadata=options["metadata"],
    )
    from segeval.reports.files import write_pivot
    from segeval.reports.notation import Alphabet
    from segeval.reports.pivot_tables import notes_of, print_pivot

    best, style = options["best"], style_of(options)
    for path in options["outputs"]:
        write_pivot(pivot, template, path, inputs=inputs, best=best, style=style)
    if options["kind"] == "table":
        with data_printer(no_color=no_color) as printer:
            print_pivot(pivot, template, printer, best=best)
        return
    write_document(PIVOT_WRITERS[options["kind"]].parts(pivot, template, best=best, style=style))
    if options["kind"] == "csv":
        for note in notes_of(pivot, Alphabet()):
            remark(shown(note), quiet=quiet)


def factors_in(name: str, text: str) -> list[str]:
    """Return the factors of a comma list; a name with a comma must be in double quotes.

    Raises
    ------
    UsageError
        There is no factor.
    """
    import csv

    factors = [factor.strip() for factor in next(csv.reader([text], skipinitialspace=True), [])]
    if not factors or not all(factors):
        raise UsageError(f"{name} needs factors, found {shown(text)!r}", hint="write a comma list, such as name,metric")
    return factors


def pivot_of(
    paths: Sequence[str],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    metrics: Iterable[str],
    labels: Sequence[str],
    metadata: Sequence[str],
) -> Pivot:
    """Read results files and tables with factors, and make a table of the scores."""
    from segeval.analysis.pivot import OWN, pivot
    from segeval.metrics import parse_all
    from segeval.reading.metadata import read_factors

    tokens = [request.token for request in parse_all(metrics)] if list(metrics) else []
    wanted = [factor for factor in (*rows, *columns) if factor not in OWN]
    cases, runs = read_factors(metadata, columns=wanted) if metadata else (None, None)
    files = read_runs(paths)
    return pivot(files, rows=rows, columns=columns, metrics=tokens, labels=labels, metadata=cases, runs=runs)


def read_runs(paths: Sequence[str]) -> dict[str, Results]:
    """Read results files, each given once."""
    from segeval.reports.json_files import read_results

    twice = [path for path in paths if paths.count(path) > 1]
    if twice:
        raise UsageError("the file is given twice", source=twice[0])
    return {path: read_results(path) for path in paths}


def _check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
    from segeval.reports.files import pivot_paths
    from segeval.writing import check_output_path

    paths = [str(each) for path in outputs for each in pivot_paths(path)]
    for path in paths:
        check_output_path(path, inputs=inputs)
    check_distinct(paths)
