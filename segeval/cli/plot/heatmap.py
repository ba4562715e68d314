"""`segeval plot heatmap`: isolines over two factors."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.options import complete_file, look_options
from segeval.cli.plot.outputs import check_figure, check_metric, figure_options, metric_option
from segeval.cli.streams import data_printer
from segeval.cli.table import factor_options, pivot_of


@click.command(
    short_help="The median over two factors, as isolines.",
    epilog="\b\nExample:\n"
    "  segeval batch sample_data/predictions sample_data/references -m nsd --tolerance 1 -o 1.json\n"
    "  segeval batch sample_data/predictions sample_data/references -m nsd --tolerance 5 -o 5.json\n"
    "  segeval plot heatmap 1.json 5.json --x label --y file --metric nsd -o figure.svg",
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@click.option("--x", metavar="FACTOR", required=True, help="What runs to the right; its levels are numbers.")
@click.option("--y", metavar="FACTOR", required=True, help="What runs upwards; its levels are numbers.")
@metric_option
@factor_options
@click.option("--facet", metavar="FACTOR", help="A panel for each level of this.")
@figure_options
@look_options
def heatmap(results: tuple[str, ...], *, no_color: bool, **options: Any) -> None:
    """Draw the median score of RESULTS, which batch or merge wrote, as isolines over two factors.

    A factor is a column of --metadata, or file, label, name or metric; see `segeval table`. An axis is logarithmic
    where its levels span two decades or more. stdout has the numbers that are drawn. It takes matplotlib: pip install
    'segeval-cli[report]'.
    """
    from segeval.reports import figures
    from segeval.writing import write_bytes

    inputs = [*results, *options["metadata"]]
    suffix = check_figure(options, inputs=inputs)
    check_metric(options["metric"])
    facet = [] if options["facet"] is None else [options["facet"]]
    chosen = {"metrics": [options["metric"]], "labels": options["labels"], "metadata": options["metadata"]}
    pivot = pivot_of(results, rows=[options["y"]], columns=[*facet, options["x"]], **chosen)
    figure = figures.heatmap(pivot, suffix=suffix, width=options["width"])
    write_bytes(options["output"], [figure], inputs=inputs)
    from segeval.reports.csv_files import quantity_of
    from segeval.reports.notation import decimals
    from segeval.reports.pivot_cells import read_template
    from segeval.reports.pivot_tables import print_pivot

    template = read_template(f"{{median:.{decimals(quantity_of(pivot.metrics[0]))}f}}")
    with data_printer(no_color=no_color) as printer:
        print_pivot(pivot, template, printer, best="none")
