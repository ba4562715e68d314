"""The result of `segeval explain`: the numbers that tools report for a pair, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """Numbers that one tool reports for one label.

    Parameters
    ----------
    tool
        Name and version of the tool, or segeval and a surface.
    option
        The option that gives these numbers: ``"--compat monai"``.
    hd, hd95, mean_distance, nsd, dice
        The numbers; None where the tool has no such metric, or gives no number.
    mean_metric
        The metric of segeval that is the tool's mean surface distance.
    notes
        Metrics without a number, and why: ``"hd@95: monai: nan"``.
    """

    tool: str
    option: str
    hd: float | None
    hd95: float | None
    mean_distance: float | None
    mean_metric: str | None
    nsd: float | None
    dice: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason why the numbers of tools differ.

    Parameters
    ----------
    text
        The convention that was changed, with the tools that use it, or an observation about the masks.
    metrics
        The metric that a changed convention moves, before and after; empty for an observation.
    values
        Its values before and after, as text.
    unit
        Unit of the values, empty for a ratio.
    size
        Difference of the values.
    """

    text: str
    metrics: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    unit: str = ""
    size: float = 0.0

    def __str__(self) -> str:
        if not self.metrics:
            return self.text
        before, after = self.metrics
        title = before if before == after else "mean distance"
        return f"{title} {' -> '.join(self.values)} {self.unit}".rstrip() + f": {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExplanation:
    """Numbers of every tool for one label, and why they differ.

    Parameters
    ----------
    label, name
        Number of the label, or name of the region; name of the label.
    tolerance
        Tolerance of the normalized surface distance for this label.
    note
        ``"prediction empty"``, ``"reference empty"`` or ``"absent"``; None where both maps have the label.
    rows
        One row for each tool.
    reasons
        Changed conventions, sorted by metric and by how much they change it; then observations about the masks.
    """

    label: int | str
    name: str | None
    tolerance: float
    note: str | None
    rows: tuple[ToolRow, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Numbers that tools report for one pair, and why they differ.

    Parameters
    ----------
    prediction, reference
        The files.
    shape, spacing, unit
        Grid of the reference, in array order.
    tolerance
        Tolerance of the normalized surface distance, where a label has none of its own.
    labels
        One entry for each label and region.
    remarks
        Rows that were left out, and why.
    warnings
        Warnings about the two files.
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
