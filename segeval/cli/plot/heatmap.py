"""`segeval plot heatmap`: isolines of a metric over two factors."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.help import Command, option
from segeval.cli.options import complete_file, look_options
from segeval.cli.plot.outputs import check_figure, check_metric, figure_options, metric_option
from segeval.cli.streams import data_printer
from segeval.cli.table import factor_options, pivot_of


@click.command(
    cls=Command,
    short_help="Heat map of the median over two factors, with isolines.",
    examples=[
        "segeval batch sample_data/predictions sample_data/references \\\n  -m nsd --tolerance 1 -o 1.json",
        "segeval batch sample_data/predictions sample_data/references \\\n  -m nsd --tolerance 5 -o 5.json",
        "segeval plot heatmap 1.json 5.json --x label --y file -m nsd -o figure.svg",
    ],
)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file)
@option("--x", heading="Output", metavar="FACTOR", required=True, help="Factor on the x axis (numeric).")
@option("--y", heading="Output", metavar="FACTOR", required=True, help="Factor on the y axis (numeric).")
@metric_option
@factor_options
@option("--facet", heading="Output", metavar="FACTOR", help="Draw a panel for each value of this factor.")
@figure_options
@look_options
def heatmap(results: tuple[str, ...], *, no_color: bool, **options: Any) -> None:
    """Draw isolines of the median score in RESULTS over two factors, and print the numbers.

    RESULTS are JSON files of score, batch or merge. A factor is file, label, name, metric, or a column of --metadata
    (see segeval table). An axis is logarithmic if its values span two decades or more.

    Install matplotlib first: pip install 'segeval-cli[report]'.
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
