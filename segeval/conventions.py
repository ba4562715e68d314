"""The conventions that a number rests on, as plain data, and the line that states them beside every result.

Tools disagree on the Hausdorff distance of one and the same pair because they mean different things by it. What segeval
means is decided here and nowhere else, so that a result can say it in one line: its *signature*.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, SupportsFloat, get_args

from segeval.errors import UsageError, shown

AbsentClass = Literal["max", "ignore", "penalise"]
Penalty = Literal["diagonal", "inf", "nan"] | float

DEFAULT_METRICS = ("dice", "generalized_dice", "sensitivity", "specificity", "assd", "hd", "hd@95")

SLACK = 1e-4  # of the smallest spacing: NIfTI keeps spacing in float32, so that 1.2 is 1.2000000477


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How a number is computed from two label maps.

    Parameters
    ----------
    penalty
        The distance that stands for a surface against none: the diagonal of the reference's whole grid, ``"inf"``,
        ``"nan"`` (undefined) or a length.
    absent_class
        Weight in `generalized_dice` of a class that the reference lacks: ``"max"`` the largest finite weight of the
        case, ``"ignore"`` none, ``"penalise"`` a score of 0 if it is predicted.
    tolerance
        Of `nsd` and its two sides where they are asked for without a number.
    label_tolerances
        The same for single labels, by number or name.
    background
        Whether label 0 is scored too.
    ignore_label
        Voxels whose reference is this label count nowhere.
    """

    penalty: Penalty = "diagonal"
    absent_class: AbsentClass = "max"
    tolerance: float = 1.0
    label_tolerances: Mapping[str, float] = field(default_factory=dict)
    background: bool = False
    ignore_label: int | None = None

    def __post_init__(self) -> None:
        penalty = self.penalty
        if isinstance(penalty, str) and penalty not in ("diagonal", "inf", "nan"):
            raise UsageError(f"penalty is diagonal, inf, nan or a length, not {shown(penalty)}")
        if not isinstance(penalty, str) and not is_length(penalty):
            raise UsageError(f"a penalty is a length of 0 or more, not {penalty}", hint="or diagonal, inf, nan")
        if self.absent_class not in get_args(AbsentClass):
            raise UsageError(f"absent class is one of {', '.join(get_args(AbsentClass))}, not {self.absent_class}")
        for value in (self.tolerance, *self.label_tolerances.values()):
            if not is_length(value):
                raise UsageError(f"a tolerance is a length of 0 or more, not {value}")
        if self.ignore_label is not None and self.ignore_label < 0:
            raise UsageError(f"labels are 0 or more, so none is {self.ignore_label}")

    def statements(self, grids: Collection[tuple[int, str]]) -> list[str]:
        """What the signature says of these conventions, for images of so many axes with lengths in such units."""
        axes, units = (sorted(set(each)) for each in zip(*grids, strict=True)) if grids else ([2, 3], ["mm", "px"])
        unit = " or ".join(units)
        penalty = self.penalty if isinstance(self.penalty, str) else f"{self.penalty:g} {unit}"
        tolerances = "".join(f", {shown(label)}={value:g}" for label, value in self.label_tolerances.items())
        return [
            *([f"{' and '.join(f'{number}-D' for number in axes)}, {' and '.join(units)}"] if grids else []),
            f"surface voxel, {' or '.join(str(2 * number) for number in axes)}-neighbour",
            "percentile directed, linear",
            f"penalty {penalty}",
            f"absent class {self.absent_class}",
            f"tolerance {self.tolerance:g}{tolerances} {unit}",
            *(["background scored"] if self.background else []),
            *([f"ignored label {self.ignore_label}"] if self.ignore_label is not None else []),
        ]


def is_length(value: SupportsFloat) -> bool:
    """Whether a value is a number from 0 up, and finite."""
    try:
        return 0 <= float(value) < math.inf
    except (TypeError, ValueError):
        return False
