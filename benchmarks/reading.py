"""Time each reader against SimpleITK's on the same file: ``python benchmarks/reading.py [FOLDER]``.

The voxels of a workload are written once in each format. Readers take turns, round after round, and the result is the
ratio of their best rounds. SimpleITK checks less: see ``docs/decisions/08-reading.md``. It does not read NumPy files,
so these are timed against NumPy itself. Two small MetaImages show the cost of a file apart from its voxels.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK
from tools import environment
from workloads import DEFAULT_FOLDER, ensure

from segeval.reading import read_label_map

if TYPE_CHECKING:
    from collections.abc import Callable

sitk: Any = SimpleITK  # the package has no types

IMAGE_IOS = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
}
SMALL = {"64 x 64 x 64": (64, 64, 64), "100 x 256 x 256": (100, 256, 256)}  # voxels along (z, y, x)
SMALL_ROUNDS = 100


@dataclass(slots=True, kw_only=True)
class Contest:
    """One file, the other reader, and the times of both readers."""

    what: str
    path: Path
    peer: str
    read: Callable[[Path], Any]
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return min(self.ours) / min(self.theirs)


def by_simpleitk(path: Path) -> Any:
    """Read a file into an array with SimpleITK."""
    suffix = next(suffix for suffix in IMAGE_IOS if path.name.endswith(suffix))
    return sitk.GetArrayViewFromImage(sitk.ReadImage(str(path), imageIO=IMAGE_IOS[suffix])).shape


def by_numpy(path: Path) -> Any:
    """Read an array, or the array of an archive."""
    found = np.load(path)
    return found if isinstance(found, np.ndarray) else found["labels"]


def written(folder: Path, workload: str) -> list[Contest]:
    """Write the reference of a workload in every format, each format in its own folder."""
    (source, *_) = (pair.reference for pair in ensure(folder, workload))
    image = sitk.ReadImage(str(source))
    for key in image.GetMetaDataKeys():  # NIfTI metadata, which other formats cannot store
        image.EraseMetaData(key)
    contests = []
    for what, name, compressed in (
        ("NIfTI, gzip", "gzip/a.nii.gz", True),
        ("NIfTI", "plain/a.nii", False),
        ("MetaImage, zlib", "zlib/a.mha", True),
        ("MetaImage", "plain/a.mha", False),
        ("MetaImage, detached", "plain/a.mhd", False),
        ("NRRD, gzip", "gzip/a.nrrd", True),
        ("NRRD", "plain/a.nrrd", False),
    ):
        path = folder / "formats" / workload / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path), useCompression=compressed)
        contests.append(Contest(what=what, path=path, peer="SimpleITK", read=by_simpleitk))
    labels = sitk.GetArrayFromImage(image)
    place = folder / "formats" / workload
    np.savez_compressed(place / "a.npz", labels=labels)
    np.savez(place / "b.npz", labels=labels)
    np.save(place / "a.npy", labels)
    for what, name in (("npz, deflate", "a.npz"), ("npz", "b.npz"), ("npy", "a.npy")):
        contests.append(Contest(what=what, path=place / name, peer="NumPy", read=by_numpy))
    return contests


def small(folder: Path) -> list[Contest]:
    """Write plain MetaImages of uint8 that are read in less than a millisecond."""
    contests = []
    for what, shape in SMALL.items():
        image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 5, shape).astype(np.uint8))
        image.SetSpacing((0.7, 0.7, 2.5))
        path = folder / "formats" / "small" / f"{shape[0]}.mha"
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))
        contests.append(Contest(what=what, path=path, peer="SimpleITK", read=by_simpleitk))
    return contests


def measure(contests: list[Contest], rounds: int) -> None:
    """Time both readers on each file, in alternation."""
    for number in range(rounds):
        for contest in contests:
            sides = [(contest.ours, read_label_map), (contest.theirs, contest.read)]
            for seconds, read in sides if number % 2 else sides[::-1]:
                start = time.perf_counter()
                read(contest.path)
                seconds.append(time.perf_counter() - start)


def show(contests: list[Contest], title: str, *, markdown: bool) -> None:
    rows = [["file", "segeval s", "other s", "other", "ratio"]]
    rows += [
        [
            contest.what,
            f"{min(contest.ours):.5f}",
            f"{min(contest.theirs):.5f}",
            contest.peer,
            f"{contest.ratio:.2f}",
        ]
        for contest in contests
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if markdown:
        rows.insert(1, ["-" * width for width in widths])
    print(f"{'### ' if markdown else ''}{title}\n")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="folder of the workloads")
    parser.add_argument("--workload", default="organs", help="workload whose reference is read (default: organs)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    contests = written(options.folder, options.workload)
    measure(contests, options.rounds)
    voxels = math.prod(read_label_map(contests[0].path).labels.shape)
    print(environment(["SimpleITK"]), end="\n\n")
    show(contests, f"{options.workload}: {voxels / 1e6:.0f} million voxels", markdown=options.markdown)
    contests = small(options.folder)
    measure(contests, SMALL_ROUNDS)
    print()
    show(contests, "Small MetaImages", markdown=options.markdown)


if __name__ == "__main__":
    main()
