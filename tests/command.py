"""The command line as its tests use it: run in this process, or as a real one, and files to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np

from segeval.cli import run
from tests.places import SAMPLES, TOP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest
    from numpy.typing import NDArray

nib: Any = nibabel

SEGEVAL = [sys.executable, "-m", "segeval"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run gave."""

    code: int
    out: str
    err: str

    @property
    def cause(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1] if self.err else ""


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    """Run `segeval` in this process."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)


def spawn(
    *arguments: object, environment: Mapping[str, str] | None = None, folder: Path = TOP, stdout: int = subprocess.PIPE
) -> Answer:
    """Run `segeval` as a process of its own."""
    done = subprocess.run(  # noqa: S603  (our own command)
        [*SEGEVAL, *map(str, arguments)],
        cwd=folder,
        env=plain_environment() | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return Answer(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


def plain_environment() -> dict[str, str]:
    """This process's environment without what changes how output looks, or where it goes."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHONIO", "PYTHONUTF", "LC_"))}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LANG", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        kept.pop(name, None)
    return kept | {"PYTHONUTF8": "1"}


def case(number: int) -> tuple[Path, Path]:
    """Prediction and reference of a sample."""
    name = f"case_{number:02}.nii.gz"
    return SAMPLES / "predictions" / name, SAMPLES / "references" / name


def box(shape: Sequence[int], *, at: int = 2, size: int = 4, label: int = 1) -> NDArray[np.uint8]:
    """A cube, or a square, of one label."""
    labels = np.zeros(shape, np.uint8)
    labels[(slice(at, at + size),) * labels.ndim] = label
    return labels


def save(
    path: Path,
    labels: NDArray[Any],
    *,
    spacing: Sequence[float] | None = None,
    origin: Sequence[float] = (0, 0, 0),
    names: Mapping[int, str] | None = None,
) -> Path:
    """Write a NIfTI file from an array with axes (z, y, x); spacing in that order, origin as x, y, z."""
    affine = np.diag([*(spacing or (1.0,) * 3)[::-1], 1.0])
    affine[:3, 3] = origin
    image = nib.Nifti1Image(labels.transpose(), affine, dtype=labels.dtype)
    if names:
        inside = "".join(f'<Label Key="{label}"><![CDATA[{name}]]></Label>' for label, name in names.items())
        table = (
            f"<CaretExtension><VolumeInformation><LabelTable>{inside}</LabelTable></VolumeInformation></CaretExtension>"
        )
        image.header.extensions.append(nib.nifti1.Nifti1Extension(30, table.encode()))
    path.write_bytes(image.to_bytes())
    return path
