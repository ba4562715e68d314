"""`segeval plot box`, `volume`, `bland-altman` and `cumulative`: scores and sizes of one or several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segeval.cli.help import Command, option
from segeval.cli.options import complete_file, decorated, look_options
from segeval.cli.plot.outputs import check_figure, check_metric, figure_options, metric_option
from segeval.cli.streams import data_printer
from segeval.cli.table import read_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from segeval.reports.table import Table

BATCH = "segeval batch sample_data/predictions sample_data/references -o results.json"

results_argument = click.argument(
    "results", metavar="RESULTS...", nargs=-1, required=True, shell_complete=complete_file
)
label_option = option(
    "--label",
    "labels",
    heading="Files and labels",
    metavar="NAME",
    multiple=True,
    help="Only this label or region; repeatable.",
)


def score_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options of a figure of scores."""
    return decorated(command, [results_argument, metric_option, label_option, figure_options, look_options])


@click.command(
    cls=Command,
    short_help="A box for each label and a point for each case.",
    examples=[BATCH, "segeval plot box results.json --metric dice -o box.svg"],
)
@score_options
def box(**options: Any) -> None:
    """Draw a box for each label and a point for each case of RESULTS, and print the numbers.

    RESULTS are JSON files of score, batch or merge; several are drawn side by side. A box shows quartiles and median;
    whiskers reach the last values within 1.5 times its length. A cross is a missed label or a false alarm. Undefined
    and missing scores are counted below.

    Install matplotlib first: pip install 'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.box, options)


@click.command(
    cls=Command,
    short_help="A metric against the size of the label in the reference.",
    examples=[BATCH, "segeval plot volume results.json -m dice --label gallbladder -o volume.svg"],
)
@score_options
def volume(**options: Any) -> None:
    """Draw a metric of RESULTS against the size of the label in the reference, and print the quartiles.

    RESULTS are JSON files of score, batch or merge; each has a panel. The size axis is logarithmic. Lines are running
    medians. More than eight labels have the same colour. A cross is a missed label or a false alarm.

    Install matplotlib first: pip install 'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.volume, options)


@click.command(
    cls=Command,
    short_help="The share of cases that reach each score or better.",
    examples=[BATCH, "segeval plot cumulative results.json --metric hd@95 -o cumulative.svg"],
)
@score_options
def cumulative(**options: Any) -> None:
    """Draw the share of cases in RESULTS that reach each score or better, and print the quartiles.

    RESULTS are JSON files of score, batch or merge. A single file has a curve for each label; with several files, each
    label has a panel with a curve for each file.

    Install matplotlib first: pip install 'segeval-cli[report]'.
    """
    from segeval.reports import figures

    _draw_scores(figures.cumulative, options)


@click.command(
    cls=Command,
    short_help="Predicted minus reference size, with limits of agreement.",
    examples=[BATCH, "segeval plot bland-altman results.json --label liver -o agreement.svg"],
)
@results_argument
@label_option
@figure_options
@look_options
def bland_altman(results: tuple[str, ...], *, no_color: bool, **options: Any) -> None:
    """Draw predicted minus reference size against the mean of both, for each case of RESULTS, and print the limits.

    RESULTS are JSON files of score, batch or merge. Each label and file has a panel with the bias and the limits of
    agreement: bias +/- 1.96 standard deviations (Bland & Altman 1986). Size is volume, or area in pictures; it is 0 in
    a map without the label.

    Install matplotlib first: pip install 'segeval-cli[report]'.
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
    """Draw a figure of a metric, and print its numbers."""
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
