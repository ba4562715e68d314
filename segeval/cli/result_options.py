"""Options of commands that write results: requirements, files and formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segeval.cli.file_options import csv_options, jsonl_header_option
from segeval.cli.help import option
from segeval.cli.options import complete_file, decorated, format_option
from segeval.reports.writers import EXPORTS, WRITERS
from segeval.scoring.option_values import path_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]


def _export_from(text: str, folder: Path) -> str:
    """Return KIND:FILE with the path relative to the folder of a configuration file."""
    kind, colon, file = text.partition(":")
    return f"{kind}:{folder / file}" if colon else text


images_option = option(
    "--images",
    heading="Files and labels",
    metavar="FOLDER",
    shell_complete=complete_file,
    path=path_from,
    help="Folder of scans with the names of the cases, shown behind the worst cases.",
)


def result_options(command: Command) -> Command:
    """Add the options that require scores and write results."""
    return decorated(
        command,
        [
            option(
                "-o",
                "--output",
                "outputs",
                heading="Output",
                is_common=True,
                metavar="FILE",
                multiple=True,
                shell_complete=complete_file,
                path=path_from,
                help=f"Also write {' '.join(row.suffix for row in WRITERS.values())}; repeatable.",
            ),
            format_option("table", *(row.kind for row in WRITERS.values() if row.pairing)),
            option(
                "--require",
                "requirements",
                heading="Output",
                is_common=True,
                metavar="RULE",
                multiple=True,
                help="Exit with code 4 if this is not met: 'dice>=0.85', 'liver:hd@95<=10', 'dice.n_missed=0' "
                "([LABEL:]METRIC[.STATISTIC]>=VALUE); repeatable.",
            ),
            option(
                "--export",
                "exports",
                heading="Output",
                metavar="KIND:FILE",
                multiple=True,
                path=_export_from,
                help="Also write for another system: "
                f"{', '.join(f'{row.kind}:{row.example}' for row in EXPORTS.values())}.",
            ),
            csv_options,
            jsonl_header_option,
            images_option,
        ],
    )


confusion_option = option(
    "--confusion",
    heading="Output",
    metavar="FILE",
    shell_complete=complete_file,
    path=path_from,
    help="Write the confusion matrix of labels as CSV.",
)

github_option = option(
    "--github",
    heading="Output",
    is_common=True,
    is_flag=True,
    help="Step summary and annotations in GitHub Actions.",
)
