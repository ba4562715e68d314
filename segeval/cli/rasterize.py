"""`segeval rasterize`: label pictures from polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from segeval.cli.help import Command, help_options, option
from segeval.cli.options import complete_file, labels_option, names_of
from segeval.cli.streams import complain, data_stream
from segeval.errors import InputError, UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command(
    cls=Command,
    short_help="Turn polygon JSON into label pictures (PNG).",
    examples=[
        "segeval rasterize sample_data/street/reference.json -o street_png \\\n"
        "  --labels sample_data/street/labels.json",
    ],
)
@click.argument("polygons", nargs=-1, required=True, metavar="POLYGONS...", shell_complete=complete_file)
@option(
    "-o",
    "--output",
    "folder",
    heading="Output",
    metavar="FOLDER",
    required=True,
    shell_complete=complete_file,
    configurable=False,
    help="Folder for the pictures; created if needed.",
)
@labels_option
@option("--force", heading="Output", is_flag=True, configurable=False, help="Overwrite existing pictures.")
@help_options
def rasterize(polygons: tuple[str, ...], *, folder: str, labels: str | None, force: bool) -> int:
    """Write a label picture into FOLDER for each image in POLYGONS (JSON of Cityscapes, IDD, LabelMe or COCO).

    A pixel gets the label of the last object that covers its centre, or 0. The picture is named like the file, or like
    the image in a COCO file; FILE.json::IMAGE selects one image of a COCO file. The names of the pictures are printed.
    """
    from pathlib import Path

    names = names_of(labels)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot create the folder: {reason}", source=folder) from None
    problems: list[InputError] = []
    written: dict[Path, str] = {}
    for path in polygons:
        try:
            _rasterize(path, names, target, written, force=force)
        except InputError as error:
            problems.append(error)
            complain(error)
    if len(problems) > 1:
        unusable = ", ".join(shown(problem.source) for problem in problems)
        complain(f"cannot use {len(problems)} of {len(polygons)} files: {unusable}")
    return InputError.exit_code if problems else 0


def _rasterize(path: str, names: Mapping[int, str], folder: Path, written: dict[Path, str], *, force: bool) -> None:
    """Write the pictures of one file, and add them to the pictures written."""
    from segeval.reading import read_polygons
    from segeval.reports.pictures import to_png
    from segeval.scoring.cases import case_name
    from segeval.writing import write_bytes

    for label_map in read_polygons(path, names=names):
        target = folder / f"{case_name(label_map.source)}.png"
        if target in written:
            raise UsageError(
                f"two images would be written to this file: {shown(written[target])} and {shown(label_map.source)}",
                source=str(target),
                hint="write them to two folders",
            )
        if target.exists() and not force:
            raise UsageError("the file exists", source=str(target), hint="overwrite it with --force")
        write_bytes(target, [to_png(label_map)])
        written[target] = label_map.source
        with data_stream() as stream:
            stream.write(f"{shown(target)}\n")
