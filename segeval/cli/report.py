"""`segeval report`: one offline page from a results file."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.options import check_groups, complete_file, declared_options, help_option, option
from segeval.cli.outputs import check_images, images_option
from segeval.cli.streams import data_stream
from segeval.errors import UsageError, shown
from segeval.reports.writers import WRITERS
from segeval.scoring.batch_options import GroupOptions

WORST = 3


@click.command(
    short_help="Put results on one offline page (HTML).",
    epilog="\b\nExample:\n"
    "  segeval batch sample_data/predictions sample_data/references -m dice,hd@95 -o results.json\n"
    "  segeval report results.json -o report.html",
)
@click.argument("results", shell_complete=complete_file)
@option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    shell_complete=complete_file,
    configurable=False,
    help="Where the page goes: .html.",
)
@declared_options("report", GroupOptions)
@images_option
@click.option(
    "--worst",
    metavar="N",
    type=click.IntRange(min=0),
    default=WORST,
    show_default=True,
    help="How many of the worst cases to show for each metric.",
)
@click.option("--no-overlays", is_flag=True, help="Do not draw the worst cases; their files are not read again.")
@option("--title", metavar="TEXT", configurable=False, help="What the page is headed by.")
@help_option
def report(results: str, *, output: str, images: str | None, **options: Any) -> None:
    """Put RESULTS, which score, batch or merge wrote, on one page to look at.

    The page holds the requirements, means with their intervals, figures, the worst cases drawn in the slices with most
    error, what was not scored and why, and every score in a table that sorts and filters. It needs no network and no
    other file. The worst cases are drawn from the files that the results name: a relative path is tried
    from here, then from the folder of RESULTS. Where they are gone, the page says so. It takes pip install
    'segeval-cli[report]'. stdout has the path of the page.
    """
    from segeval.diagnostics.slices import case_of
    from segeval.reports.files import check_report_path
    from segeval.reports.json_files import read_results
    from segeval.reports.page import to_html
    from segeval.writing import write_text

    if not output.lower().endswith(WRITERS["page"].suffix):
        raise UsageError("the page ends in .html", source=output, hint="such as report.html")
    metadata = options["metadata"]
    check_groups(metadata, options["by"])
    inputs = [results, *([] if metadata is None else [metadata])]
    check_report_path(output, inputs=inputs)
    check_images(images)
    found = read_results(results)
    if metadata is not None:
        from segeval.running.batch import grouped

        found = grouped(found, metadata=metadata, by=options["by"])
    cases = (case_of(record, results_path=results) for record in found.cases)
    files = (path for case in cases for path in case.files)
    overlays = not options["no_overlays"]
    page = to_html(
        found, title=options["title"], worst=options["worst"], overlays=overlays, images=images, source=results
    )
    write_text(output, page, inputs=[*inputs, *files])
    with data_stream() as stream:
        stream.write(f"{shown(output)}\n")
