"""What `segeval explain` finds: the numbers that tools report for a pair, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """What one tool reports for one label.

    Parameters
    ----------
    tool
        Its name and version, or segeval and a surface.
    asked
        The options that give its numbers: ``"--compat monai"``.
    hd, hd95, mean_distance, nsd, dice
        Its numbers; None where it has none, or gives none.
    mean_metric
        The metric that its mean surface distance is.
    notes
        Why a number is not there, and which: ``"hd@95: monai: nan"``.
    """

    tool: str
    asked: str
    hd: float | None
    hd95: float | None
    mean_distance: float | None
    mean_metric: str | None
    nsd: float | None
    dice: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExplanation:
    """One label: every tool's numbers, and why they part.

    Parameters
    ----------
    label, name
        The label.
    rows
        The tools.
    tolerance
        Of its normalized surface distance.
    reasons
        A line each.
    """

    label: int | str
    name: str | None
    tolerance: float
    rows: tuple[ToolRow, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What tools say of one pair.

    Parameters
    ----------
    prediction, reference
        The files.
    shape, spacing, unit
        The reference's grid, in array order.
    tolerance
        Of the normalized surface distance, where a label has none of its own.
    labels
        Each label and region.
    remarks
        What the rows leave out.
    warnings
        What a reader of the numbers should know.
    """

    prediction: str
    reference: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str
    tolerance: float
    labels: tuple[LabelExplanation, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]
