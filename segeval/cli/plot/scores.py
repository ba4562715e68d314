"""`segeval plot box`, `volume`, `bland-altman` and `cumulative`: scores and sizes, several runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import complete_file, decorated, look_options
from segeval.cli.plot.outputs import check_figure, check_metric, figure_options, metric_option
from segeval.cli.streams import data_printer
from segeval.cli.table import read_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from segeval.reports.table import Table

BATCH = "\b\nExample:\n  segeval batch sample_data/predictions sample_data/references -m dice,hd@95 -o results.json\n"

results_argument = click.argument(
    "results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file
)
label_option = click.option(
    "--label",
    "labels",
    metavar="NAME",
    multiple=True,
    help="Only this label or region, by number or name; repeatable. All by default.",
)


def score_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is drawn of which results, and where to."""
    return decorated(command, [results_argument, metric_option, label_option, figure_options, look_options])


@click.command(
    short_help="A box and a point for each case, by label.",
    epilog=f"{BATCH}  segeval plot box results.json --metric dice -o box.svg",
)
@score_options
def box(**options: Any) -> None:
    """Draw how a metric is distributed over the cases of RESULTS: for each label a box, and a point for each case.

    RESULTS are files that score, batch or merge wrote; several stand side by side. A box runs from quartile to quartile
    with a line at the median; whiskers reach the last values within 1.5 times its length. Crosses stand for labels that
    one map lacks. What is undefined or was not scored is counted below. stdout has the numbers that are drawn. It takes
    matplotlib: pip install 'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.box, options)


@click.command(
    short_help="A metric against the size of the reference's object.",
    epilog=f"{BATCH}  segeval plot volume results.json --metric dice --label gallbladder -o volume.svg",
)
@score_options
def volume(**options: Any) -> None:
    """Draw a metric of RESULTS against the size that the reference gives the label, on a logarithmic axis.

    RESULTS are files that score, batch or merge wrote; each has a panel. Lines are running medians. Beyond eight
    labels, all are drawn alike. Crosses stand for labels that one map lacks. stdout has the quartiles of what is drawn.
    It takes matplotlib: pip install 'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.volume, options)


@click.command(
    short_help="The share of cases that are at least so good.",
    epilog=f"{BATCH}  segeval plot cumulative results.json --metric hd@95 -o cumulative.svg",
)
@score_options
def cumulative(**options: Any) -> None:
    """Draw the share of the cases of RESULTS that are at least so good, by the metric's own direction.

    RESULTS are files that score, batch or merge wrote. One has a curve for each label; of several, each label has a
    panel, and each of them a curve in it. stdout has the quartiles of what is drawn. It takes matplotlib: pip install
    'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.cumulative, options)


@click.command(
    short_help="Predicted minus reference size, with limits of agreement.",
    epilog=f"{BATCH}  segeval plot bland-altman results.json --label liver -o agreement.svg",
)
@results_argument
@label_option
@figure_options
@look_options
def bland_altman(results: tuple[str, ...], *, no_color: bool, **options: Any) -> None:
    """Draw predicted minus reference volume (of pictures, area) over the mean of both, for the cases of RESULTS.

    RESULTS are files that score, batch or merge wrote. Each label and file has a panel, with the bias and the limits of
    agreement, 1.96 standard deviations on either side of it (Bland & Altman 1986). A label that one map lacks has size
    0 there. stdout has these numbers. It takes matplotlib: pip install 'segeval-cli[report]'.
    """
    from segeval.analysis.pivot import names_of
    from segeval.analysis.series import sizes_of
    from segeval.reports import figures
    from segeval.reports.figure_tables import agreement_table
    from segeval.writing import write_bytes

    suffix = check_figure(options, inputs=results)
    runs, called = read_runs(results), names_of(results)
    runs = {called[path]: each for path, each in runs.items()}
    figure = figures.bland_altman(runs, labels=options["labels"], suffix=suffix, width=options["width"])
    write_bytes(options["output"], [figure], inputs=results)
    _print(lambda alphabet: agreement_table(sizes_of(runs, labels=options["labels"]), alphabet), no_color=no_color)


def _draw_scores(draw: Callable[..., bytes], options: dict[str, Any]) -> None:
    """Draw a figure of a metric, and print what it is of."""
    from segeval.analysis.pivot import names_of
    from segeval.analysis.results_files import check_metrics
    from segeval.analysis.series import series_of
    from segeval.metrics import parse
    from segeval.reports.figure_tables import score_table
    from segeval.writing import write_bytes

    results, metric, labels = options["results"], options["metric"], options["labels"]
    suffix = check_figure(options, inputs=results)
    check_metric(metric)
    token = parse(metric).token
    runs, called = read_runs(results), names_of(results)
    for path, each in runs.items():
        check_metrics(each, [token], path=path)
    runs = {called[path]: each for path, each in runs.items()}
    figure = draw(runs, metric=metric, labels=labels, suffix=suffix, width=options["width"])
    write_bytes(options["output"], [figure], inputs=results)
    _print(
        lambda alphabet: score_table(series_of(runs, metric=metric, labels=labels), alphabet),
        no_color=options["no_color"],
    )


def _print(table_of: Callable[..., Table], *, no_color: bool) -> None:
    from segeval.reports.table import print_table

    with data_printer(no_color=no_color) as printer:
        print_table(table_of(printer.alphabet), printer)
