"""Conventions of the metrics, and their statements in the signature of a result.

Tools report different Hausdorff distances for the same pair because they define it differently. All such choices of
segeval are fields of `Conventions`, and the *signature* states them in one line with every result.
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
"""Value that another tool gives for an empty mask: a number, NaN or an exception; None if the formula gives it."""

SURFACES = ("voxel", "surfel", "smooth")  # values of --surface; only presets use the others
WEIGHTED = ("surfel", "smooth")  # surfaces whose elements are weighted by area
SMOOTH_RULE = 1  # version of the smooth surface; raise it when a change moves the surface

LONGEST = 1e100  # squares and sums of longer lengths may overflow float64
SLACK = 1e-4  # share of the smallest spacing: NIfTI stores spacing in float32, where 1.2 is 1.2000000477


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """Choices that decide how a metric is computed from two label maps.

    Parameters
    ----------
    penalty
        Distance to report if only one map has the label: the diagonal of the reference's whole grid, ``"inf"``,
        ``"nan"`` (undefined) or a length.
    absent_class
        Weight in `generalized_dice` of a class that is not in the reference: ``"max"``, the largest finite weight of
        the case; ``"ignore"``, no weight; ``"penalise"``, the score is 0 if the class is predicted.
    tolerance
        Tolerance of `nsd` and the two surface overlaps if no number is given.
    label_tolerances
        Tolerances of single labels, by number or name.
    label_weights
        Weights of labels in means over labels, by number or name; 1 for the others.
    background
        Whether label 0 is scored too.
    ignore_label
        Leave out voxels whose reference is this label.
    surface
        Kind of surface: ``"voxel"``, the centres of border voxels; ``"surfel"``, corners weighted by area;
        ``"smooth"``, an elastic surface weighted by area; ``"region"``, all voxels of the mask.
    percentile
        ``"directed"``: the larger of the two directed percentiles. ``"pooled"``: the percentile of both directions
        together.
    neighbours
        A border voxel has a neighbour outside the mask: across a ``"face"``, or ``"all"`` that touch it.
    edge_is_border
        Whether voxels at the edge of the image are border voxels.
    sides_averaged
        Whether `nsd` is the mean of the shares of the two surfaces instead of the share of both together.
    within
        How a distance is compared with a tolerance: ``"slack"`` adds 1e-4 of the smallest spacing to the tolerance,
        ``"exact"`` adds nothing, ``"float32"`` rounds both to float32 first.
    compat
        Name of the preset, or None.
    remarks
        Further statements for the signature, such as the other tool's name of a metric.
    empty
        Values for empty masks, by metric: both empty, the prediction empty, the reference empty. A metric that is not
        listed follows its formula and `penalty`. ``"hd@"`` is any percentile of `hd`.
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
            raise UsageError(f"the penalty must be diagonal, inf, nan or a length, not {shown(penalty)}")
        if not isinstance(penalty, str) and not is_length(penalty):
            raise UsageError(
                f"the penalty must be a length of at least 0, {found_length(penalty)}", hint="or diagonal, inf, nan"
            )
        if self.absent_class not in get_args(AbsentClass):
            raise UsageError(f"absent class must be one of {', '.join(get_args(AbsentClass))}, not {self.absent_class}")
        for option, found, kinds in (("surface", self.surface, Surface), ("percentile", self.percentile, Percentile)):
            if found not in get_args(kinds):
                raise UsageError(f"{option} must be one of {', '.join(get_args(kinds))}, not {shown(found)}")
        for requirement, values in (
            ("a tolerance must be a length", (self.tolerance, *self.label_tolerances.values())),
            ("a weight must be a number", self.label_weights.values()),
        ):
            for value in values:
                if not is_length(value):
                    raise UsageError(f"{requirement} of at least 0, {found_length(value)}")
        if self.ignore_label is not None and self.ignore_label < 0:
            raise UsageError(f"the ignored label must be at least 0, not {self.ignore_label}")

    def statements(self, grids: Collection[tuple[int, str]]) -> dict[str, str]:
        """Statements of the signature about these conventions, by subject.

        Parameters
        ----------
        grids
            Number of axes and unit of length of the images.
        """
        axes, units = (sorted(set(each)) for each in zip(*grids, strict=True)) if grids else ([2, 3], ["mm", "px"])
        unit = " or ".join(units)
        penalty = self.penalty if isinstance(self.penalty, str) else f"{self.penalty:g} {unit}"
        tolerances = "".join(f", {shown(label)}={value:g}" for label, value in self.label_tolerances.items())
        weights = ",".join(f"{shown(label)}={value:g}" for label, value in self.label_weights.items())
        statements = {
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
        return {subject: text for subject, text in statements.items() if text}

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
    """Describe a value that is not a length, with the upper bound if it is too large.

    Examples
    --------
    >>> found_length(-1), found_length(1e300)
    ('not -1', 'and at most 1e+100, not 1e+300')
    """
    too_long = isinstance(value, int | float) and LONGEST < value < math.inf
    return f"{f'and at most {LONGEST:g}, ' if too_long else ''}not {shown(value)[:40]}"
