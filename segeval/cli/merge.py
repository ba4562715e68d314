"""`segeval merge`: one results file from the parts of a run."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.help import Command
from segeval.cli.options import complete_file, look_options, talk_options
from segeval.cli.outputs import check_outputs, deliver, requirements_of
from segeval.cli.result_options import github_option, result_options
from segeval.cli.table import read_runs
from segeval.errors import UsageError


@click.command(
    cls=Command,
    examples=[
        "segeval batch sample_data/predictions sample_data/references \\\n  --shard 1/2 -o part1.json",
        "segeval batch sample_data/predictions sample_data/references \\\n  --shard 2/2 -o part2.json",
        "segeval merge part1.json part2.json -o results.json \\\n    --require 'macro:dice>=0.7'",
    ],
)
@click.argument("parts", metavar="PART...", nargs=-1, required=True, shell_complete=complete_file)
@result_options
@github_option
@talk_options
@look_options
def merge(parts: tuple[str, ...], **options: Any) -> int:
    """Merge the parts of a sharded run.

    Each PART is a file that `segeval batch --shard I/N -o FILE.json` wrote. The merged results are identical to those
    of one run over all cases. It is an error if parts have different settings, a part is missing, or a case is in two
    parts.
    """
    from segeval.running.shards import merge as merged

    requirements = requirements_of(options)
    check_outputs(options, inputs=parts, several=True)
    results = merged(read_runs(parts))
    missing = [each.metric.token for each in requirements if each.metric.token not in results.metrics]
    if missing:
        raise UsageError(
            f"--require needs {missing[0]}, which the parts do not have", hint=f"score them with -m {missing[0]}"
        )
    inputs = [*parts, *(path for case in results.cases for path in case.files)]
    return deliver(results, requirements, options, inputs=inputs, several=True, warnings=results.warnings)
