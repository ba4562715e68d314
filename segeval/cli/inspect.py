"""`segeval inspect`: what a file holds, and whether it can be scored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from segeval.cli.options import complete_file, labels_option, look_options, names_of
from segeval.cli.streams import complain, data_stream
from segeval.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segeval.labelmap import Grid
    from segeval.reports.inspection import InspectedFile


@click.command(
    short_help="Show what is in a file, and whether it can be scored.",
    epilog="\b\nExample:\n  segeval inspect sample_data/references/case_01.nii.gz",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@labels_option
@look_options
def inspect(files: tuple[str, ...], *, labels: str | None, no_color: bool) -> int:
    """Show the grid, the data type and the labels of each FILE, and what is wrong with it."""
    from segeval.reports.console import print_file_facts

    names = names_of(labels)
    problems: list[InputError] = []
    for path in files:
        facts = _facts(path, names, problems)
        with data_stream() as stream:
            print_file_facts([facts], stream=stream, color=False if no_color else None)
    if len(problems) == 1:
        complain(str(problems[0]))
    elif problems:
        unusable = ", ".join(shown(problem.source) for problem in problems)
        complain(f"{len(problems)} of {len(files)} files cannot be used: {unusable}")
    return InputError.exit_code if problems else 0


def _facts(path: str, names: Mapping[int, str], problems: list[InputError]) -> InspectedFile:
    """What is in a file; why it cannot be used is added to the problems."""
    from segeval.counts import count_labels
    from segeval.reading import read_label_map
    from segeval.reports.inspection import InspectedFile, InspectedLabel

    try:
        label_map = read_label_map(path, names=names)
    except InputError as error:
        problems.append(error)
        return InspectedFile(path=path, problem="; ".join(filter(None, (error.problem, error.hint))))
    grid = label_map.grid
    size, unit = _voxel_size(grid)
    return InspectedFile(
        path=path,
        stored=label_map.stored,
        shape=grid.shape,
        spacing=grid.spacing,
        origin=grid.origin,
        direction=grid.direction,
        unit=grid.unit,
        labels=[
            InspectedLabel(
                label=label,
                name=names.get(label, label_map.names.get(label)),
                voxels=voxels,
                size=None if size is None else voxels * size,
                size_unit=unit,
            )
            for label, voxels in count_labels(label_map.labels).items()
            if label
        ],
    )


def _voxel_size(grid: Grid) -> tuple[float | None, str | None]:
    """The volume of a voxel, its area where the image is one slice, nothing where the spacing is not known."""
    if grid.unit != "mm":
        return None, None
    sides = [step for step, voxels in zip(grid.spacing, grid.shape, strict=True) if voxels > 1 or 1 not in grid.shape]
    return (math.prod(sides) / 1000, "ml") if len(sides) == 3 else (math.prod(sides), "mm2")
