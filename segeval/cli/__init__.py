"""The command line: a thin layer over the library, and the only place where errors become messages and exit codes.

Each command has a file; `help`, `options`, `result_options`, `outputs` and `streams` are shared. Nothing heavy is
imported before a command runs, so that help and completion are fast. Results go to stdout, messages to stderr.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading

import click

from segeval.cli.batch import batch
from segeval.cli.explain import explain
from segeval.cli.help import Group, help_options, version_option
from segeval.cli.inspect import inspect
from segeval.cli.losses import losses
from segeval.cli.merge import merge
from segeval.cli.metrics import metrics
from segeval.cli.plot import plot
from segeval.cli.rasterize import rasterize
from segeval.cli.report import report
from segeval.cli.score import score
from segeval.cli.streams import complain, remark
from segeval.cli.table import table
from segeval.errors import SegevalError, shown

INTERRUPTED = 130
AGAIN_SECONDS = 0.02


@click.group(
    cls=Group,
    examples=[
        "segeval batch sample_data/predictions sample_data/references",
        "segeval batch --help",
    ],
    epilog="\b\nCompletion, in ~/.bashrc (for other shells: zsh_source, fish_source):\n"
    '  eval "$(_SEGEVAL_COMPLETE=bash_source segeval)"',
)
@version_option
@help_options
@click.pass_context
def segeval(context: click.Context) -> None:
    """Compare predicted segmentations with references, label by label.

    Long options can be set in segeval.toml, or in pyproject.toml under [tool.segeval]: penalty = "inf".
    """
    from segeval.cli.configuration import configure

    context.obj = configure(context, segeval.commands.values())


for command in (score, batch, merge, explain, losses, report, table, plot, metrics, inspect, rasterize):
    segeval.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.unraisablehook = interrupt_again
    sys.exit(run(arguments))


def interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat an interrupt that could not be raised.

    Python drops exceptions that are raised in some callbacks, as when an object is deleted. After Ctrl-C at such a
    moment Python would print a traceback and the command would go on. The interrupt is repeated a moment later.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_SECONDS, _interrupt)
    again.daemon = True
    again.start()


def _interrupt() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a real signal also wakes a main thread that waits
        os.kill(os.getpid(), signal.SIGINT)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An unexpected exception is a defect of segeval: it is not caught, so Python prints it and exits with 1.
    """
    try:
        return segeval.main(arguments, prog_name="segeval", standalone_mode=False) or 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        remark(error.format_message())
        complain("no command given")
        return error.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            remark(error.ctx.get_usage())
        complain(shown(error.format_message()))
        return error.exit_code
    except SegevalError as error:
        complain(error)
        return error.exit_code
