"""Time whole processes and their peak memory: ``python benchmarks/startup.py``.

The times include the interpreter, the imports and the work. Each command runs once untimed, which writes byte code, and
then in alternation with the others. Peak memory is the child's own ``ru_maxrss``; a child starts with the peak of the
process that started it, so this script imports nothing heavy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools import TOOLS, environment

HERE = Path(__file__).resolve().parent
# The same as in workloads.py, which imports NumPy and therefore runs in a separate process.
DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "segeval-benchmarks"
MEMORY_WORKLOADS = ("organs", "liver")
SEGEVAL = (sys.executable, "-m", "segeval")


@dataclass(slots=True, kw_only=True)
class Command:
    """A command line, the command that it is compared with, and its runs so far."""

    name: str
    arguments: tuple[str, ...]
    against: str = ""
    tool: str = "segeval"
    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    failed: bool = False


def variables() -> dict[str, str]:
    """Return the environment without PYTHONDONTWRITEBYTECODE; otherwise each start would compile the modules again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Command, *, timed: bool = True) -> None:
    """Run a command once; a command that fails prints its message on stderr and is not run again."""
    start = time.perf_counter()
    with subprocess.Popen(command.arguments, env=variables(), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        command.failed = True
        print(f"{command.name}: exit code {process.returncode}", file=sys.stderr)
    elif timed:
        command.seconds.append(seconds)
        kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        command.peak_mib.append(kilobytes / 1024)


def measure(commands: list[Command], rounds: int) -> None:
    for command in commands:
        run(command, timed=False)
    for number in range(rounds):
        turn = number % len(commands)  # no command is always first
        for command in commands[turn:] + commands[:turn]:
            if not command.failed:
                run(command)


def show(commands: list[Command], title: str, *, markdown: bool) -> None:
    by_name = {command.name: command for command in commands}
    rows = [["process", "best s", "median s", "peak MiB", "ratio"]]
    for command in commands:
        if command.failed:
            rows.append([command.name, "failed", "-", "-", "-"])
            continue
        base = by_name.get(command.against)
        known = base is not None and not base.failed
        rows.append(
            [
                command.name,
                f"{min(command.seconds):.3f}",
                f"{statistics.median(command.seconds):.3f}",
                f"{max(command.peak_mib):.0f}",
                f"{min(command.seconds) / min(base.seconds):.2f} x {base.name}" if base and known else "",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if markdown:
        rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:4]), "-" * widths[4]])
    print(f"{'### ' if markdown else ''}{title}\n")
    for row in rows:
        cells = [
            cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
    print(flush=True)


def startup_commands(folder: Path) -> list[Command]:
    def python(name: str, code: str) -> Command:
        return Command(name=name, arguments=(sys.executable, "-c", code))

    names_only, in_use = "import numpy, click, rich, PIL", "import numpy, click, rich.console, PIL.Image"
    pictures = [(name, f"{folder / name}_pred.png", f"{folder / name}_ref.png") for name in ("small", "street")]
    return [
        python("python -c pass", "pass"),
        python("import click", "import click"),
        python(names_only, names_only),
        python(in_use, in_use),
        Command(name="segeval --version", arguments=(*SEGEVAL, "--version"), against="import click"),
        Command(name="segeval --help", arguments=(*SEGEVAL, "--help"), against="import click"),
        *(
            Command(
                name=f"segeval score, {name} PNG",
                arguments=(*SEGEVAL, "score", prediction, reference),
                against=in_use,
            )
            for name, prediction, reference in pictures
        ),
    ]


def memory_commands(folder: Path, workload: str) -> list[Command]:
    pair = (f"{folder / workload}_pred.nii.gz", f"{folder / workload}_ref.nii.gz")
    surface_distance = f"surface-distance, {workload}"
    return [
        Command(
            name=surface_distance,
            arguments=(sys.executable, str(HERE / "tools.py"), "surface-distance", *pair),
            tool="surface-distance",
        ),
        Command(name=f"segeval score, {workload}", arguments=(*SEGEVAL, "score", *pair), against=surface_distance),
    ]


def lesion_commands(folder: Path) -> list[Command]:
    """Return the loop and the batch over the lesion pairs."""
    lesions = folder / "lesions"
    predictions = sorted(lesions.glob("*_pred.nii.gz"))
    paths = [
        str(path)
        for prediction in predictions
        for path in (prediction, prediction.with_name(prediction.name.replace("_pred", "_ref")))
    ]
    loop = "surface-distance in a loop"
    patterns = ("--prediction-pattern", "{case}_pred.nii.gz", "--reference-pattern", "{case}_ref.nii.gz")
    return [
        Command(
            name=loop,
            arguments=(sys.executable, str(HERE / "tools.py"), "surface-distance", *paths),
            tool="surface-distance",
        ),
        Command(
            name="segeval batch -j 1",
            arguments=(*SEGEVAL, "batch", str(lesions), str(lesions), *patterns, "-j", "1"),
            against=loop,
        ),
    ]


def succeeds(*arguments: str) -> bool:
    return subprocess.run(arguments, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Time whole processes and their peak memory.")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_FOLDER, help=f"folder of workloads, made if missing: {DEFAULT_FOLDER}"
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds of the short commands (15)")
    parser.add_argument("--long-rounds", type=int, default=3, help="rounds of the long commands, 0 for none (3)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as in docs/performance.md")
    options = parser.parse_args()
    families = ("brats", "small", "street", "lesions", *MEMORY_WORKLOADS)
    make = (sys.executable, str(HERE / "workloads.py"), str(options.data), "--only", *families)
    subprocess.run(make, check=True, stdout=sys.stderr)
    installed = [name for name in ("segeval", "surface-distance") if TOOLS[name].version]
    print(environment(installed), "\n", sep="")
    groups = [("Start-up", startup_commands(options.data), options.rounds)]
    if options.long_rounds:
        groups += [
            (f"Whole process, {workload}", memory_commands(options.data, workload), options.long_rounds)
            for workload in MEMORY_WORKLOADS
        ]
        if succeeds(*SEGEVAL, "batch", "--help"):
            groups.append(("100 small cases", lesion_commands(options.data), options.long_rounds))
    failed = False
    for title, commands, rounds in groups:
        present = [command for command in commands if command.tool in installed]
        measure(present, rounds)
        show(present, title, markdown=options.markdown)
        failed |= any(command.failed for command in present)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
