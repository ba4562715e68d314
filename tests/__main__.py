"""All checks, in the order in which they fail fastest: `python -m tests`, from the top of the project."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from tests.places import TOP

DESCRIPTION = "Run all checks of the project: style, format, types, layers, and the tests on all cores."
PYTEST = ["pytest", "-q", "-n", "logical", "--dist", "worksteal"]
CHECKS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "layers": ["lint-imports", "--no-cache"],
    "types": ["mypy"],
    "tests": PYTEST,
}


def checks() -> dict[str, list[str]]:
    """The checks that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--fast", action="store_true", help="leave out the tests marked slow: under a minute in all")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also list what tests do not run (they do not count what runs in other processes)",
    )
    asked = parser.parse_args()
    options = ["-m", "not slow"] * asked.fast + ["--cov=segeval"] * asked.coverage
    return CHECKS | {"tests": [*PYTEST, *options]}


def main() -> int:
    """Run every check, even after one has failed, and return how many failed."""
    beside = Path(sys.executable).parent
    failed = []
    for name, (program, *arguments) in checks().items():
        print(f"== {name}: {program} {' '.join(arguments)}", flush=True)
        start = time.monotonic()
        if subprocess.run([beside / program, *arguments], cwd=TOP, check=False).returncode:
            failed.append(name)
        print(f"== {name} took {time.monotonic() - start:.0f} s", flush=True)
    print(f"== failed: {', '.join(failed)}" if failed else "== all checks passed", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
