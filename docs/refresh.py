"""Write the generated parts of README.md and of the pages in docs anew: `python docs/refresh.py [PAGE...]`.

These are the output below each command of a ```console block, the table of metrics, the table of files, and the
repository's address, which comes from pyproject.toml.

The commands of a page are run one after the other in one temporary folder, which has the sample data. Only stdout is
shown, and of stderr the errors and the verdict. A line of `...` in a block stands for lines that are not shown; the
number of lines before the first `...` and after the last one is kept, and lines in between are found by their first
word.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from segeval.metrics import METRICS
from segeval.reports.markdown import metrics_table
from segeval.reports.writers import EXPORTS, WRITERS

TOP = Path(__file__).resolve().parent.parent
README = TOP / "README.md"
DOCS = TOP / "docs"
RUN_ELSEWHERE = ("clusters.md", "coming-from.md")  # by tests/running/test_dask_cluster.py and tests/test_definitions.py

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
METRICS_TABLE = re.compile(r"^\| metric \| title \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)
FILES_HEAD = "| file | contents |\n|---|---|\n"
FILES_TABLE = re.compile(rf"^{re.escape(FILES_HEAD)}.*?\n(?=\n)", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"https://(github|raw\.githubusercontent)\.com/[^/\s]+/segeval(?=[/)\s])")
SHOWN_OF_STDERR = ("error: ", "FAILED")
GAP = "..."
WIDTH = "80"


def pages() -> list[Path]:
    """Return the pages with generated parts."""
    return [README, *sorted(path for path in DOCS.glob("*.md") if path.name not in RUN_ELSEWHERE)]


def refreshed(text: str) -> str:
    """Return the text of a page with its generated parts written anew."""
    address = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    owner = address.removeprefix("https://github.com/").partition("/")[0]
    text = ADDRESS.sub(lambda found: f"https://{found[1]}.com/{owner}/segeval", text)
    text = METRICS_TABLE.sub(lambda _: metrics_table(METRICS.values()), text)
    text = FILES_TABLE.sub(lambda _: files_table(), text)
    if "```console\n$ segeval" not in text:
        return text
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sample_data").symlink_to(TOP / "sample_data")
        return CONSOLE.sub(lambda block: f"```console\n{session(block[1], Path(folder))}```", text)


def files_table() -> str:
    """Return the table of the files that segeval writes."""
    rows = [(f"-o {row.example}", row.contents) for row in WRITERS.values()]
    rows += [(f"--export {row.kind}:{row.example}", row.contents) for row in EXPORTS.values()]
    return FILES_HEAD + "".join(f"| `{option}` | {contents} |\n" for option, contents in rows)


def session(block: str, folder: Path) -> str:
    """Run the commands of a block and return it with what they print.

    Raises
    ------
    ValueError
        The block has another command than segeval, or one failed and the block does not show its exit code.
    """
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    code, written = 0, []
    for place, part in enumerate(parts):
        command, _, shown = part.partition("\n")
        if command == "echo $?":
            printed = f"{code}\n"
        else:
            code, printed = run(command, folder)
            if code and not any(other.startswith("echo $?\n") for other in parts[place + 1 : place + 2]):
                raise ValueError(f"exit code {code}, which the page does not show: {command}\n{printed}")
            printed = abbreviated(printed, shown)
        written.append(f"$ {command}\n{printed}")
    return "".join(written)


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run a command of segeval and return its exit code and what a page shows of its output."""
    program, *arguments = shlex.split(command)
    if program != "segeval":
        raise ValueError(f"not a command of segeval: {command}")
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    done = subprocess.run(  # noqa: S603  (our own pages)
        [sys.executable, "-m", "segeval", *arguments],
        cwd=folder,
        env=environment | {"COLUMNS": WIDTH, "PYTHONPATH": str(TOP)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    errors = [line for line in done.stderr.splitlines(keepends=True) if line.startswith(SHOWN_OF_STDERR)]
    return done.returncode, done.stdout + "".join(errors)


def abbreviated(printed: str, shown: str) -> str:
    """Leave out of the printed lines what was left out of those shown, with `...` in its place."""
    runs = [list(lines) for is_gap, lines in groupby(shown.splitlines(), lambda line: line == GAP) if not is_gap]
    if GAP not in shown.splitlines():
        return printed
    lines = printed.splitlines()
    first = len(runs.pop(0)) if runs and not shown.startswith(GAP) else 0
    last = len(runs.pop()) if runs and not shown.rstrip("\n").endswith(GAP) else 0
    words = {word(line) for lines in runs for line in lines}
    end = len(lines) - last
    kept = [place < first or place >= end or word(line) in words for place, line in enumerate(lines)]
    short = []
    for is_kept, group in groupby(zip(kept, lines, strict=True), lambda pair: pair[0]):
        short += [line for _, line in group] if is_kept else [GAP]
    return "".join(f"{line}\n" for line in short)


def word(line: str) -> str | None:
    """Return the first word of a line."""
    return next(iter(line.split()), None)


def changes(old: str, new: str) -> Iterator[str]:
    """Yield what differs between two versions of a page."""
    return difflib.unified_diff(old.splitlines(), new.splitlines(), "shown", "printed", lineterm="", n=1)


def main(names: list[str], report: Callable[[str], object] = print) -> None:
    """Write the pages anew, all of them or those named."""
    for path in [Path(name).resolve() for name in names] or pages():
        old = path.read_text("utf-8")
        new = refreshed(old)
        if new != old:
            path.write_text(new, "utf-8")
            report(f"{path.relative_to(TOP)} has changed")


if __name__ == "__main__":
    main(sys.argv[1:])
