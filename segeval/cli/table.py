"""`segeval table`: the table of a paper, from results files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import complete_file, complete_metric, decorated, look_options
from segeval.cli.streams import data_printer, remark, write_document
from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from segeval.analysis.pivot import Pivot
    from segeval.results.results import Results

SUFFIXES = {".csv": "csv", ".md": "markdown", ".tex": "latex"}

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
            click.option(
                "--metadata",
                metavar="FILE",
                multiple=True,
                shell_complete=complete_file,
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
@click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="NAME[@NUMBER]",
    multiple=True,
    shell_complete=complete_metric,
    help="Metric, repeatable or a comma list; several where metric is a factor. All by default.",
)
@factor_options
@click.option(
    "--cell",
    metavar="TEXT",
    default="{median:.2f} ({iqr:.2f})",
    show_default=True,
    help="What a cell says. Fields: median, iqr, q1, q3, mean, sd, n, n_missing, min, max.",
)
@click.option(
    "--best",
    type=click.Choice(["row", "column", "table", "none"]),
    default="row",
    show_default=True,
    help="What the bold cell is the best of, by its first field as printed.",
)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "markdown", "latex", "csv"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    help="Also write .csv, .md or .tex; repeatable.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@look_options
def table(results: tuple[str, ...], *, quiet: bool, no_color: bool, **options: Any) -> None:
    """Put the scores of RESULTS, which batch or merge wrote, in a table of factors.

    A factor is a column of --metadata, or one of these: file (the results file, by its name), label (its number), name
    (that of the label) and metric. A cell holds the values of all cases and labels that it is about; what is missing is
    counted below.
    """
    from segeval.reports.pivot_cells import read_template

    template = read_template(options["cell"])
    rows, columns = factors_in("--rows", options["rows"]), factors_in("--columns", options["columns"])
    inputs = [*results, *options["metadata"]]
    _check_outputs(options["outputs"], inputs)
    pivot = pivot_of(
        results,
        rows=rows,
        columns=columns,
        metrics=options["metrics"],
        labels=options["labels"],
        metadata=options["metadata"],
    )
    kinds = {path: SUFFIXES[os.path.splitext(path)[1].lower()] for path in options["outputs"]}  # noqa: PTH122
    from segeval.reports.files import write_text
    from segeval.reports.notation import Alphabet
    from segeval.reports.pivot_files import pivot_csv, pivot_latex, pivot_markdown
    from segeval.reports.pivot_tables import notes_of

    writers = {"csv": pivot_csv, "markdown": pivot_markdown, "latex": pivot_latex}
    for path, kind in kinds.items():
        write_text(path, writers[kind](pivot, template, best=options["best"]), inputs=inputs)
    if options["kind"] == "table":
        from segeval.reports.pivot_tables import print_pivot

        with data_printer(no_color=no_color) as printer:
            print_pivot(pivot, template, printer, best=options["best"])
        return
    write_document(writers[options["kind"]](pivot, template, best=options["best"]))
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
    from segeval.reports.files import check_output_path

    targets: set[str] = set()
    for path in outputs:
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a Path of any text may raise
        if suffix not in SUFFIXES:
            found = f"ends in {shown(suffix)}" if suffix else "has no suffix"
            raise UsageError(
                f"the kind of table is told by the suffix, and this {found}",
                source=path,
                hint=f"known are {', '.join(SUFFIXES)}",
            )
        check_output_path(path, inputs=inputs)
        target = os.path.realpath(path)
        if target in targets:
            raise UsageError("two outputs would go to this file", source=path)
        targets.add(target)
