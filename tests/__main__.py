"""Run all checks, the quickest first: `python -m tests`, from the top of the project."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from tests.places import TOP

DESCRIPTION = (
    "Run all checks of the project: style, format, types, layers, the built package, and the tests on all cores."
)
PYTEST = ["pytest", "-q", "-n", "logical", "--dist", "worksteal"]
CHECKS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "layers": ["lint-imports", "--no-cache"],
    "types": ["mypy"],
    "package": ["python", "-m", "tests.package"],
    "tests": PYTEST,
}


def checks() -> dict[str, list[str]]:
    """Return the checks to run, by the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument(
        "--fast",
        action="store_true",
        help="skip the tests marked slow and the built package; takes under a minute",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also list the lines that no test runs (without those run in other processes)",
    )
    arguments = parser.parse_args()
    options = ["-m", "not slow"] * arguments.fast + ["--cov=segeval"] * arguments.coverage
    chosen = CHECKS | {"tests": [*PYTEST, *options]}
    if arguments.fast:
        del chosen["package"]
    return chosen


def main() -> int:
    """Run every check, even after one has failed, and return how many failed."""
    programs = Path(sys.executable).parent
    failed = []
    for name, (program, *arguments) in checks().items():
        print(f"== {name}: {program} {' '.join(arguments)}", flush=True)
        start = time.monotonic()
        if subprocess.run([programs / program, *arguments], cwd=TOP, check=False).returncode:
            failed.append(name)
        print(f"== {name} took {time.monotonic() - start:.0f} s", flush=True)
    print(f"== failed: {', '.join(failed)}" if failed else "== all checks passed", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
