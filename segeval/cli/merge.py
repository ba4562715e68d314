"""`segeval merge`: parts of one run to one results file."""

from __future__ import annotations

from typing import Any

import click

from segeval.cli.options import complete_file, look_options, talk_options
from segeval.cli.outputs import (
    check_outputs,
    ended,
    github_option,
    judged,
    result_options,
    show,
    tell_github,
    write,
)
from segeval.cli.streams import remark
from segeval.errors import UsageError, shown


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
    from segeval.reports.json_files import read_results
    from segeval.results.gate import parse_requirement
    from segeval.results.summary import summarised
    from segeval.running.shards import merge as merged

    quiet = options["quiet"]
    requirements = [parse_requirement(text) for text in options["requirements"]]
    check_outputs(options, inputs=parts, several=True)
    twice = [part for part in parts if parts.count(part) > 1]
    if twice:
        raise UsageError("it is given twice", source=twice[0])
    results = summarised(merged({part: read_results(part) for part in parts}))
    lacking = [each.metric.token for each in requirements if each.metric.token not in results.metrics]
    if lacking:
        raise UsageError(f"{lacking[0]} is required, but the parts have no such score", hint="score it with -m")
    results, problems = judged(requirements, results)
    inputs = [*parts, *(path for case in results.cases for path in (case.prediction, case.reference) if path)]
    problems += write(results, options, inputs=inputs, several=True)
    show(results, options, several=True)
    for warning in results.warnings:
        remark(f"warning: {shown(warning)}", quiet=quiet)
    problems += tell_github(results, options)
    return ended(results, problems=problems)
