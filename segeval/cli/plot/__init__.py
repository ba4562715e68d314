"""`segeval plot`: figures from results files, a command for each kind."""

from __future__ import annotations

import click

from segeval.cli.options import help_option
from segeval.cli.plot.heatmap import heatmap
from segeval.cli.plot.overlay import overlay
from segeval.cli.plot.scores import bland_altman, box, cumulative, volume


@click.group(short_help="Draw scores, for a paper.")
@help_option
def plot() -> None:
    """Draw what results files that score, batch or merge wrote are about, for a paper.

    It takes matplotlib: pip install 'segeval-cli[report]'.
    """


for command in (box, volume, bland_altman, cumulative, heatmap, overlay):
    plot.add_command(command)
