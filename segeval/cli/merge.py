"""`segeval merge`: parts of one run to one results file."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.options import complete_file, look_options, talk_options
from segeval.cli.outputs import check_outputs, deliver, github_option, requirements_of, result_options
from segeval.cli.table import read_runs
from segeval.errors import UsageError


@click.command(
    epilog="\b\nExample:\n  segeval batch sample_data/predictions sample_data/references --shard 1/2 -o part1.json\n"
    "  segeval batch sample_data/predictions sample_data/references --shard 2/2 -o part2.json\n"
    "  segeval merge part1.json part2.json -o results.json --require macro:dice=0.7"
)
@click.argument("parts", metavar="PART...", nargs=-1, required=True, shell_complete=complete_file)
@result_options
@github_option
@talk_options
@look_options
def merge(parts: tuple[str, ...], **options: Any) -> int:
    """Put results of PARTs of a run together.

    A part is what `segeval batch --shard I/N -o FILE.json` wrote. The result is the same, byte for byte, as that of one
    run over all cases. Parts must rest on the same settings; a part that is missing, and a case that is in two of them,
    is an error.
    """
    from segeval.running.shards import merge as merged

    requirements = requirements_of(options)
    check_outputs(options, inputs=parts, several=True)
    results = merged(read_runs(parts))
    lacking = [each.metric.token for each in requirements if each.metric.token not in results.metrics]
    if lacking:
        raise UsageError(f"{lacking[0]} is required, but the parts have no such score", hint="score it with -m")
    inputs = [*parts, *(path for case in results.cases for path in case.files)]
    return deliver(results, requirements, options, inputs=inputs, several=True, warnings=results.warnings)
