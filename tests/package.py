"""Build the source archive and the wheel and check their metadata, as `python -m tests.package` does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.places import TOP


def main() -> int:
    """Build both, check them with twine, and return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, str(TOP)]
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n")
            return done.returncode
        files = sorted(map(str, Path(folder).iterdir()))
        return subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
