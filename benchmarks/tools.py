"""The tools that are compared, each called as its users call it.

A tool is a generator over two files. It reads them in its own way, scores each label, and yields the number of labels
that are done and the number of all labels, so that the time of a tool that is stopped early can be projected. A tool
imports third-party packages only when it runs: ``python benchmarks/tools.py TOOL PREDICTION REFERENCE ...`` runs a
single tool in its own process.

Each tool computes Dice, the Hausdorff distance, its 95th percentile (not in SimpleITK) and the mean surface distance
of each label. The loops of other tools leave out labels that are in one map only, because most tools raise an error
there.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Progress = Iterator[tuple[int, int]]

METRICS = ("dice", "hd", "hd@95", "assd")


def _voxels(path: Path) -> Any:
    """Read a one-byte label map that is known to be valid, as fast as possible."""
    import numpy as np
    from isal import isal_zlib

    packed = path.read_bytes()
    size = int.from_bytes(packed[-4:], "little")
    return np.frombuffer(isal_zlib.decompress(packed, wbits=31, bufsize=size), np.uint8, offset=352)


def read_only(prediction: Path, reference: Path) -> Progress:
    """Read both files and do nothing else; speed targets are multiples of this time."""
    _voxels(prediction)
    _voxels(reference)
    yield 1, 1


def read_and_compare(prediction: Path, reference: Path) -> Progress:
    """Read both files and compare them once: no tool can be faster."""
    import numpy as np

    np.count_nonzero(_voxels(prediction) != _voxels(reference))
    yield 1, 1


def run_segeval(prediction: Path, reference: Path, **settings: Any) -> Progress:
    import segeval

    segeval.score_files(prediction, reference, **{"metrics": list(METRICS), **settings})
    yield 1, 1


def run_surface_distance(prediction: Path, reference: Path) -> Progress:
    """Read with SimpleITK, whose arrays are faster for surface-distance than those of nibabel."""
    import numpy as np
    import SimpleITK
    import surface_distance

    reference_image = SimpleITK.ReadImage(reference)
    predicted = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(prediction))
    referred = SimpleITK.GetArrayFromImage(reference_image)
    spacing_mm = reference_image.GetSpacing()[::-1]
    labels = np.intersect1d(np.unique(referred[referred > 0]), np.unique(predicted[predicted > 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of SciPy
        for done, label in enumerate(labels, start=1):
            of_reference, of_prediction = referred == label, predicted == label
            surface_distance.compute_dice_coefficient(of_reference, of_prediction)
            distances = surface_distance.compute_surface_distances(of_reference, of_prediction, spacing_mm)
            surface_distance.compute_robust_hausdorff(distances, 100)
            surface_distance.compute_robust_hausdorff(distances, 95)
            surface_distance.compute_average_surface_distance(distances)
            yield done, len(labels)


def run_medpy(prediction: Path, reference: Path) -> Progress:
    import numpy as np
    from medpy.io import load
    from medpy.metric import binary

    predicted, _ = load(str(prediction))
    referred, header = load(str(reference))
    spacing_mm = header.get_voxel_spacing()
    labels = np.intersect1d(np.unique(referred[referred > 0]), np.unique(predicted[predicted > 0]))
    for done, label in enumerate(labels, start=1):
        of_reference, of_prediction = referred == label, predicted == label
        binary.dc(of_prediction, of_reference)
        binary.hd(of_prediction, of_reference, voxelspacing=spacing_mm)
        binary.hd95(of_prediction, of_reference, voxelspacing=spacing_mm)
        binary.assd(of_prediction, of_reference, voxelspacing=spacing_mm)
        yield done, len(labels)


def run_simpleitk(prediction: Path, reference: Path) -> Progress:
    """Use the filters and, for the mean surface distance, the recipe of SimpleITK's own notebook on evaluation."""
    import numpy as np
    import SimpleITK

    images = predicted, referred = SimpleITK.ReadImage(prediction), SimpleITK.ReadImage(reference)
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(referred, predicted)
    labels = set.intersection(
        *(set(np.unique(SimpleITK.GetArrayViewFromImage(image)).tolist()) for image in images)
    ) - {0}
    hausdorff = SimpleITK.HausdorffDistanceImageFilter()

    def distances(from_mask: SimpleITK.Image, to_mask: SimpleITK.Image) -> Any:
        to_distance = SimpleITK.Abs(
            SimpleITK.SignedMaurerDistanceMap(to_mask, squaredDistance=False, useImageSpacing=True)
        )
        contour = SimpleITK.LabelContour(from_mask)  # named, because an array view does not keep its image alive
        on_surface = SimpleITK.GetArrayViewFromImage(contour) == 1
        return SimpleITK.GetArrayViewFromImage(to_distance)[on_surface]

    for done, label in enumerate(sorted(labels), start=1):
        overlap.GetDiceCoefficient(label)
        of_reference, of_prediction = referred == label, predicted == label
        hausdorff.Execute(of_reference, of_prediction)
        np.concatenate([distances(of_prediction, of_reference), distances(of_reference, of_prediction)]).mean()
        yield done, len(labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The function that runs a tool, and the distribution of the tool."""

    run: Callable[..., Progress]
    distribution: str

    @property
    def version(self) -> str | None:
        """The installed version; None if the tool is not installed."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


TOOLS = {
    "read": Tool(run=read_only, distribution="isal"),
    "read and compare": Tool(run=read_and_compare, distribution="isal"),
    "segeval": Tool(run=run_segeval, distribution="segeval-cli"),
    "surface-distance": Tool(run=run_surface_distance, distribution="surface-distance"),
    "SimpleITK": Tool(run=run_simpleitk, distribution="SimpleITK"),
    "MedPy": Tool(run=run_medpy, distribution="MedPy"),
}
PEERS = ("surface-distance", "SimpleITK", "MedPy")


def processor() -> str:
    """Return the processor's model, as the system names it."""
    details = Path("/proc/cpuinfo")
    if details.exists():
        for line in details.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(tools: Iterable[str]) -> str:
    """Return one line on the machine and the versions, without a date."""
    distributions = dict.fromkeys(["numpy", "scipy", *(TOOLS[tool].distribution for tool in tools)])
    packages = ", ".join(f"{name} {version(name)}" for name in distributions)
    return f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}."


def main() -> None:
    name, *paths = sys.argv[1:]
    for prediction, reference in zip(paths[::2], paths[1::2], strict=True):
        for _ in TOOLS[name].run(Path(prediction), Path(reference)):
            pass


if __name__ == "__main__":
    main()
