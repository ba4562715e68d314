"""What a command line asks for, before anything is read: the options of a file, the requirements and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import plan_options, remark_labels, remark_left_out
from segeval.cli.streams import remark
from segeval.errors import shown

if TYPE_CHECKING:
    from segeval.results.gate import Requirement
    from segeval.scoring.plan import Plan


def remark_configuration(*, quiet: bool) -> None:
    """Say on stderr which file options were taken from, if any."""
    configuration = click.get_current_context().obj
    if configuration is not None:
        remark(f"options from {shown(configuration)}", quiet=quiet)


def requested(options: dict[str, Any]) -> tuple[Plan, list[Requirement]]:
    """The plan, with all that the requirements need, and the requirements.

    Parameters
    ----------
    options
        Of the command line. What they were taken for, and what a preset lacks, is said on stderr.

    Raises
    ------
    UsageError
        A text that cannot be read, or options that do not fit.
    InputError
        A label table that cannot be read.
    """
    from segeval.results.gate import parse_requirement
    from segeval.scoring.plan import plan_of

    requirements = [parse_requirement(text) for text in options["requirements"]]
    asked = plan_options(options)
    remark_labels(asked["labels"], quiet=options["quiet"])
    plan = plan_of(**asked).asking_for(requirement.metric for requirement in requirements)
    remark_left_out(plan, quiet=options["quiet"])
    return plan, requirements
