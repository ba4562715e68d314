"""`segeval table`: the table of a paper, from results files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.file_options import check_file_options, csv_options, style_of
from segeval.cli.options import complete_file, complete_metric, decorated, look_options, option
from segeval.cli.outputs import check_distinct
from segeval.cli.streams import data_printer, remark, write_document
from segeval.errors import UsageError, shown
from segeval.reports.pivot_cells import BEST, DEFAULT_CELL, FIELDS, read_template
from segeval.reports.writers import PIVOT_WRITERS, alternatives
from segeval.scoring.option_values import path_from

if TYPE_CHECKING:
    from segeval.analysis.pivot import Pivot
    from segeval.results.results import Results

Command = Callable[..., Any]


def factor_options(command: Command) -> Command:
    """Which scores of which results, and what is known of their cases."""
    return decorated(
        command,
        [
            click.option(
                "--label",
                "labels",
                metavar="NAME",
                multiple=True,
                help="Only this label or region, by number or name; repeatable. All labels by default, and regions "
                "where label or name is a factor.",
            ),
            option(
                "--metadata",
                metavar="FILE",
                multiple=True,
                shell_complete=complete_file,
                path=path_from,
                help="A table with the column case, or with the column file (a results file); its other columns are "
                "factors. One of each may be given.",
            ),
        ],
    )


@click.command(
    short_help="Tabulate scores by factors, for a paper.",
    epilog="\b\nExample:\n"
    "  segeval batch sample_data/predictions sample_data/references -m dice,hd@95 -o results.json\n"
    "  segeval table results.json --rows name --columns metric\n"
    '  segeval table results.json --rows name --cell "{mean:.3f} (n = {n})" -o table.tex',
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@click.option("--rows", metavar="FACTOR,...", required=True, help="What tells rows apart.")
@click.option("--columns", metavar="FACTOR,...", default="metric", show_default=True, help="What tells columns apart.")
@option(
    "-m",
    "--metric",
    "metrics",
    metavar="NAME[@NUMBER]",
    multiple=True,
    shell_complete=complete_metric,
    configurable=False,
    help="Metric, repeatable or a comma list; several where metric is a factor. All by default.",
)
@factor_options
@click.option(
    "--cell",
    metavar="TEXT",
    default=DEFAULT_CELL,
    show_default=True,
    help=f"What a cell says. Fields: {', '.join(FIELDS)}.",
)
@click.option(
    "--best",
    type=click.Choice(BEST),
    default="row",
    show_default=True,
    help="What the bold cell is the best of, by its first field as printed.",
)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", *PIVOT_WRITERS]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    configurable=False,
    help=f"Also write {alternatives([row.suffix for row in PIVOT_WRITERS.values()])}; repeatable.",
)
@csv_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@look_options
def table(results: tuple[str, ...], *, quiet: bool, no_color: bool, **options: Any) -> None:
    """Put the scores of RESULTS, which batch or merge wrote, in a table of factors.

    A factor is a column of --metadata, or one of these: file (the results file, by its name), label (its number), name
    (that of the label) and metric. A cell holds the values of all cases and labels that it is about; what is missing is
    counted below.
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


def factors_in(option: str, text: str) -> list[str]:
    """The factors of a comma list; a name with a comma in it stands in double quotes.

    Raises
    ------
    UsageError
        There is none.
    """
    import csv

    factors = [factor.strip() for factor in next(csv.reader([text], skipinitialspace=True), [])]
    if not factors or not all(factors):
        raise UsageError(f"{option} takes factors, found {shown(text)!r}", hint="such as network,loss")
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
    """Read results files and what is known of their cases, and put their scores in a table."""
    from segeval.analysis.pivot import OWN, pivot
    from segeval.metrics import parse_all
    from segeval.reading.metadata import read_factors

    tokens = [request.token for request in parse_all(metrics)] if list(metrics) else []
    wanted = [factor for factor in (*rows, *columns) if factor not in OWN]
    cases, runs = read_factors(metadata, columns=wanted) if metadata else (None, None)
    files = read_runs(paths)
    return pivot(files, rows=rows, columns=columns, metrics=tokens, labels=labels, metadata=cases, runs=runs)


def read_runs(paths: Sequence[str]) -> dict[str, Results]:
    """Read results files, each of which is given once."""
    from segeval.reports.json_files import read_results

    twice = [path for path in paths if paths.count(path) > 1]
    if twice:
        raise UsageError("it is given twice", source=twice[0])
    return {path: read_results(path) for path in paths}


def _check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
    from segeval.reports.files import pivot_paths
    from segeval.writing import check_output_path

    paths = [str(each) for path in outputs for each in pivot_paths(path)]
    for path in paths:
        check_output_path(path, inputs=inputs)
    check_distinct(paths)
