"""Measure time and memory to score a probability map: ``python benchmarks/probabilities.py``.

A map of 5 x 155 x 240 x 240 float32 is written as .nii and scored with all metrics of probability maps, in a separate
process. The time is compared with a minimum in NumPy: `p.argmax(0)` and one `(p[c] * r[c]).sum()` for each class, over
the same map in memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (5, 155, 240, 240)
ROUNDS = 3

SCORING = r"""
import re, sys, time
import nibabel as nib
import numpy as np
import segeval
import segeval.api, segeval.reading.nifti

def memory(field):
    return int(re.search(field + r":\s+(\d+) kB", open("/proc/self/status").read())[1])

metrics = "wce,cross_entropy,dl2,ss,gdl,soft_dice,vnet_dice,soft_iou,brier,ece"
before = memory("VmRSS")
started = time.perf_counter()
segeval.score_files(sys.argv[1], sys.argv[2], probabilities=True, metrics=metrics)
whole = time.perf_counter() - started
peak = memory("VmHWM")
values, reference = (np.ascontiguousarray(np.asarray(nib.load(path).dataobj).T) for path in sys.argv[1:3])
best = np.inf
for _ in range(3):
    started = time.perf_counter()
    segeval.score(prediction=values, reference=reference, probabilities=True, metrics=metrics)
    best = min(best, time.perf_counter() - started)
print(whole, best, (peak - before) * 1024)
"""


def map_and_reference() -> tuple[np.ndarray, np.ndarray]:
    """Return blobs of four classes on a background, and a probability map that is certain of most voxels."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[: SHAPE[1], : SHAPE[2], : SHAPE[3]]
    reference = np.zeros(SHAPE[1:], np.uint8)
    for label, (centre, radius) in enumerate((((70, 110, 120), 60), ((75, 120, 110), 40), ((80, 90, 90), 25)), 1):
        reference[(z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2] = label
    reference[100:120, 30:60, 150:200] = 4
    values = rng.random(SHAPE, np.float32) * 0.2
    for label in range(SHAPE[0]):
        values[label][np.roll(reference, 3, axis=1) == label] += 1
    values /= values.sum(axis=0)
    return values, reference


def numpy_seconds(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the time of the best round in NumPy."""
    one_hot = np.stack([(reference == label).astype(np.float32) for label in range(len(values))])
    best = np.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        values.argmax(0)
        for channel, members in zip(values, one_hot, strict=True):
            (channel * members).sum()
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    values, reference = map_and_reference()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("map.nii", "reference.nii")]
        nib.save(nib.Nifti1Image(values.transpose(3, 2, 1, 0), np.eye(4)), paths[0])
        nib.save(nib.Nifti1Image(reference.transpose(2, 1, 0), np.eye(4)), paths[1])
        size = values.nbytes
        least = numpy_seconds(values, reference)
        del values, reference
        done = subprocess.run([sys.executable, "-c", SCORING, *paths], capture_output=True, text=True, check=True)
    whole, in_memory, peak = map(float, done.stdout.split())
    print(f"NumPy, in memory:            {least:.2f} s")
    print(f"segeval, in memory:          {in_memory:.2f} s, {in_memory / least:.2f} times")
    print(f"segeval, with reading:       {whole:.2f} s, {whole / least:.2f} times")
    print(f"peak memory above the start: {peak / 2**20:.0f} MB, {peak / size:.2f} times the map")


if __name__ == "__main__":
    main()
