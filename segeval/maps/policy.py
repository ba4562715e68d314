"""What to do where the grids of two maps differ, by name."""

from typing import Literal

Policy = Literal["strict", "warn", "resample"]
