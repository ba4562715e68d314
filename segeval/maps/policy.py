"""Names of the policies for maps with different grids."""

from typing import Literal

Policy = Literal["strict", "warn", "resample"]
