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
Surface = Literal["voxel", "surfel", "smooth", "region"]
Percentile = Literal["directed", "pooled"]
Neighbours = Literal["face", "all"]
Within = Literal["slack", "exact", "float32"]
Penalty = Literal["diagonal", "inf", "nan"] | float

DEFAULT_METRICS = ("dice", "generalized_dice", "sensitivity", "specificity", "assd", "hd", "hd@95")

Empty = float | Literal["nan", "raises"] | None
"""What another tool gives for an empty mask: a number, NaN, an exception; None where it follows from the formula."""

SURFACES = ("voxel", "surfel", "smooth")  # those that can be asked for; the others belong to presets
WEIGHTED = ("surfel", "smooth")  # by the area of each of their elements
SMOOTH_RULE = 1  # of all that decides where the smooth surface lies: to be raised with any change of it

LONGEST = 1e100  # beyond it, squares and sums of lengths may leave the range of a float64
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
    label_weights
        What labels weigh in means over labels, by number or name; 1 for the others.
    background
        Whether label 0 is scored too.
    ignore_label
        Voxels whose reference is this label count nowhere.
    surface
        What a surface is: ``"voxel"`` the centres of border voxels, ``"surfel"`` corners weighted by area, ``"smooth"``
        an elastic surface weighted by area, ``"region"`` every voxel of the mask.
    percentile
        ``"directed"``: the larger of the two directed percentiles. ``"pooled"``: that of both directions together.
    neighbours
        What makes a border voxel: a neighbour across a ``"face"``, or ``"all"`` that touch it.
    edge_is_border
        Whether a voxel at the edge of the image is on the border; outside is background.
    sides_averaged
        Whether `nsd` is the mean of the two sides' shares, and not the share of both together.
    within
        What is within a tolerance: ``"slack"`` up to 1e-4 of the smallest spacing more, ``"exact"``, or ``"float32"``
        what is so after both were rounded to that.
    compat
        The preset that these are of.
    remarks
        What the signature says besides, such as what the other tool calls a metric.
    empty
        Metric -> what it is where both masks, the prediction's and the reference's are empty; where a metric is not
        named, its formula and `penalty` decide. ``"hd@"`` stands for the percentiles of `hd`.
    """

    penalty: Penalty = "diagonal"
    absent_class: AbsentClass = "max"
    tolerance: float = 1.0
    label_tolerances: Mapping[str, float] = field(default_factory=dict)
    label_weights: Mapping[str, float] = field(default_factory=dict)
    background: bool = False
    ignore_label: int | None = None
    surface: Surface = "voxel"
    percentile: Percentile = "directed"
    neighbours: Neighbours = "face"
    edge_is_border: bool = True
    sides_averaged: bool = False
    within: Within = "slack"
    compat: str | None = None
    remarks: tuple[str, ...] = ()
    empty: Mapping[str, tuple[Empty, Empty, Empty]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        penalty = self.penalty
        if isinstance(penalty, str) and penalty not in ("diagonal", "inf", "nan"):
            raise UsageError(f"penalty is diagonal, inf, nan or a length, not {shown(penalty)}")
        if not isinstance(penalty, str) and not is_length(penalty):
            raise UsageError(
                f"a penalty is a length of 0 or more, {found_length(penalty)}", hint="or diagonal, inf, nan"
            )
        if self.absent_class not in get_args(AbsentClass):
            raise UsageError(f"absent class is one of {', '.join(get_args(AbsentClass))}, not {self.absent_class}")
        for option, found, kinds in (("surface", self.surface, Surface), ("percentile", self.percentile, Percentile)):
            if found not in get_args(kinds):
                raise UsageError(f"{option} is one of {', '.join(get_args(kinds))}, not {shown(found)}")
        for what, values in (
            ("a tolerance is a length", (self.tolerance, *self.label_tolerances.values())),
            ("a weight is a number", self.label_weights.values()),
        ):
            for value in values:
                if not is_length(value):
                    raise UsageError(f"{what} of 0 or more, {found_length(value)}")
        if self.ignore_label is not None and self.ignore_label < 0:
            raise UsageError(f"labels are 0 or more, so none is {self.ignore_label}")

    def statements(self, grids: Collection[tuple[int, str]]) -> dict[str, str]:
        """What the signature says of these conventions, by subject.

        Parameters
        ----------
        grids
            How many axes the images have, and the unit of their lengths.
        """
        axes, units = (sorted(set(each)) for each in zip(*grids, strict=True)) if grids else ([2, 3], ["mm", "px"])
        unit = " or ".join(units)
        penalty = self.penalty if isinstance(self.penalty, str) else f"{self.penalty:g} {unit}"
        tolerances = "".join(f", {shown(label)}={value:g}" for label, value in self.label_tolerances.items())
        weights = ",".join(f"{shown(label)}={value:g}" for label, value in self.label_weights.items())
        said = {
            "compat": f"compat {self.compat}" if self.compat else "",
            "grids": f"{' and '.join(f'{number}-D' for number in axes)}, {' and '.join(units)}" if grids else "",
            "surface": self._surface_statement(axes),
            "percentile": f"percentile {self.percentile}, {'cumulated area' if self.surface in WEIGHTED else 'linear'}",
            "penalty": "" if self.compat else f"penalty {penalty}",  # a preset has a rule for each metric
            "absent class": f"absent class {self.absent_class}",
            "tolerance": f"tolerance {self.tolerance:g}{tolerances} {unit}",
            "sides": "nsd mean of both sides" if self.sides_averaged else "",
            "within": f"tolerance {self.within}" if self.within != "slack" else "",
            **{f"remark {place}": remark for place, remark in enumerate(self.remarks)},
            "weights": f"weights {weights}" if weights else "",
            "background": "background scored" if self.background else "",
            "ignored": f"ignored label {self.ignore_label}" if self.ignore_label is not None else "",
        }
        return {subject: text for subject, text in said.items() if text}

    def _surface_statement(self, axes: Collection[int]) -> str:
        if self.surface == "smooth":
            return f"surface smooth, rule {SMOOTH_RULE}"
        if self.surface != "voxel":
            return f"surface {self.surface}"
        around = [3**number - 1 if self.neighbours == "all" else 2 * number for number in axes]
        edge = "" if self.edge_is_border else ", the image edge is no border"
        return f"surface voxel, {' or '.join(map(str, around))}-neighbour{edge}"


def is_length(value: SupportsFloat) -> bool:
    """Whether a value is a number from 0 to `LONGEST`."""
    try:
        return 0 <= float(value) <= LONGEST
    except (TypeError, ValueError, OverflowError):
        return False


def found_length(value: object) -> str:
    """What was found where `is_length` is not so, and the bound where that is why.

    Examples
    --------
    >>> found_length(-1), found_length(1e300)
    ('not -1', 'and at most 1e+100, not 1e+300')
    """
    too_long = isinstance(value, int | float) and LONGEST < value < math.inf
    return f"{f'and at most {LONGEST:g}, ' if too_long else ''}not {shown(value)[:40]}"
