"""`segeval report`: an HTML page from a results file."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.help import Command, help_options, option
from segeval.cli.options import check_groups, complete_file, declared_options
from segeval.cli.outputs import check_images
from segeval.cli.result_options import images_option
from segeval.cli.streams import data_stream
from segeval.errors import UsageError, shown
from segeval.reports.writers import WRITERS
from segeval.scoring.batch_options import GroupOptions

WORST = 3


@click.command(
    cls=Command,
    short_help="Write an HTML page with results.",
    examples=[
        "segeval batch sample_data/predictions sample_data/references -o results.json",
        "segeval report results.json -o report.html",
    ],
)
@click.argument("results", shell_complete=complete_file)
@option(
    "-o",
    "--output",
    heading="Output",
    metavar="FILE",
    required=True,
    shell_complete=complete_file,
    configurable=False,
    help="File for the page: .html.",
)
@declared_options("report", GroupOptions)
@images_option
@option(
    "--worst",
    heading="Output",
    metavar="N",
    type=click.IntRange(min=0),
    default=WORST,
    show_default=True,
    help="Number of worst cases to show for each metric.",
)
@option("--no-overlays", heading="Output", is_flag=True, help="Do not draw the worst cases or read their files.")
@option("--title", heading="Output", metavar="TEXT", configurable=False, help="Title of the page.")
@help_options
def report(results: str, *, output: str, images: str | None, **options: Any) -> None:
    """Write an HTML page with RESULTS, a JSON file of score, batch or merge.

    The page shows the requirements, means with intervals, figures, the worst cases in their worst slices, the cases
    that were not scored, and a table of all scores to sort and filter. It is one file that works offline.

    Worst cases are drawn from the files that were scored; relative paths start here, or in the folder of RESULTS.

    Install the libraries first: pip install 'segeval-cli[report]'.
    """
    from segeval.diagnostics.slices import case_of
    from segeval.reports.files import check_report_path
    from segeval.reports.json_files import read_results
    from segeval.reports.page import to_html
    from segeval.writing import write_text

    if not output.lower().endswith(WRITERS["page"].suffix):
        raise UsageError("the file of a page must end in .html", source=output, hint="name it report.html, for example")
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
