"""All checks, in the order in which they fail fastest: `python -m tests`, from the top of the project."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
CHECKS = (
    ("style", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("floors", ["lint-imports", "--no-cache"]),
    ("tests", ["pytest", "-q"]),
)


def main() -> int:
    """Run every check, even after one has failed, and return how many failed."""
    beside = Path(sys.executable).parent
    failed = []
    for name, (program, *arguments) in CHECKS:
        print(f"== {name}: {program} {' '.join(arguments)}", flush=True)
        if subprocess.run([beside / program, *arguments], cwd=TOP, check=False).returncode:
            failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else "== all checks passed", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
