"""`segeval plot`: figures from results files, with a command for each kind."""

from __future__ import annotations

import click

from segeval.cli.help import Group, help_options
from segeval.cli.plot.heatmap import heatmap
from segeval.cli.plot.overlay import overlay
from segeval.cli.plot.scores import bland_altman, box, cumulative, volume


@click.group(cls=Group, short_help="Draw figures for a paper.", examples=["segeval plot box --help"])
@help_options
def plot() -> None:
    """Draw figures for a paper from results files (JSON of score, batch or merge).

    Install matplotlib first: pip install 'segeval-cli[report]'.
    """


for command in (box, volume, bland_altman, cumulative, heatmap, overlay):
    plot.add_command(command)
