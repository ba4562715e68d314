"""Number of processors that this process may use, by its affinity and the quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def processors() -> int:
    """Return the number of processors that this process may use, at least 1."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min([count, *map(math.ceil, _quotas())]))


def _quotas(top: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """Yield the limits of the control group of this process and of the groups that contain it."""
    try:
        groups = [line.split(":", 2) for line in mine.read_text().splitlines()]
    except (OSError, ValueError):
        groups = []
    paths = {name: path for group in groups if len(group) == 3 for name in group[1].split(",") for path in group[2:]}
    for folder in _upwards(top, paths.get("", "/")):  # version 2
        yield from _quota(folder / "cpu.max")
    for folder in _upwards(top / "cpu", paths.get("cpu", "/")):  # version 1
        yield from _quota(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _upwards(top: Path, path: str) -> list[Path]:
    own = Path(path.lstrip("/"))
    return [top / own, *(top / each for each in own.parents)] if own.parts else [top]


def _quota(*files: Path) -> list[float]:
    """Return time per period if the time is limited."""
    try:
        time_per, period = (float(number) for file in files for number in file.read_text().split())
    except (OSError, ValueError):  # "max" means no limit
        return []
    return [time_per / period] if time_per > 0 and period > 0 else []
