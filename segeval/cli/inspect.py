"""`segeval inspect`: what a file holds, and whether it can be scored."""

from __future__ import annotations

import click

from segeval.cli.options import complete_file, labels_option, look_options, names_of
from segeval.cli.streams import complain, data_printer, write_document
from segeval.errors import InputError, shown


@click.command(
    short_help="Show what is in a file, and whether it can be scored.",
    epilog="\b\nExample:\n  segeval inspect sample_data/references/case_01.nii.gz",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@labels_option
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What stdout carries.",
)
@look_options
def inspect(files: tuple[str, ...], *, labels: str | None, kind: str, no_color: bool) -> int:
    """Show the grid, the data type and the labels of each FILE, and what is wrong with it.

    A FILE may be a folder with a file for each class.
    """
    from segeval.diagnostics.inspection import inspect_file
    from segeval.reports.file_facts import print_file_facts
    from segeval.reports.json_files import inspected_json

    names = names_of(labels)
    found = []
    problems: list[InputError] = []
    for path in files:
        facts, problem = inspect_file(path, names=names)
        found.append(facts)
        if problem is not None:
            problems.append(problem)
        if kind == "table":
            with data_printer(no_color=no_color) as printer:
                print_file_facts([facts], printer)
    if kind == "json":
        write_document([inspected_json(found)])
    if len(problems) == 1:
        complain(problems[0])
    elif problems:
        unusable = ", ".join(shown(problem.source) for problem in problems)
        complain(f"{len(problems)} of {len(files)} files cannot be used: {unusable}")
    return InputError.exit_code if problems else 0
