"""`segeval inspect`: the contents of a file, and whether it can be scored."""

from __future__ import annotations

import click

from segeval.cli.help import Command
from segeval.cli.options import complete_file, format_option, labels_option, look_options, names_of
from segeval.cli.streams import complain, data_printer, write_document
from segeval.errors import InputError, shown


@click.command(
    cls=Command,
    short_help="Show what is in a file, and whether it can be scored.",
    examples=["segeval inspect sample_data/references/case_01.nii.gz"],
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@labels_option
@format_option("table", "json")
@look_options
def inspect(files: tuple[str, ...], *, labels: str | None, kind: str, no_color: bool) -> int:
    """Show the grid, data type and labels of each FILE, and any problems.

    FILE can be a folder with a file for each class.
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
        complain(f"cannot use {len(problems)} of {len(files)} files: {unusable}")
    return InputError.exit_code if problems else 0
