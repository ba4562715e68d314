"""Print what is in label map files: grid, labels, and problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segeval.metrics import Quantity
from segeval.reports.layout import Column, Line
from segeval.reports.notation import Alphabet, decimals, grid_line, number
from segeval.reports.terminal import Printer, fact_lines

if TYPE_CHECKING:
    from segeval.diagnostics.inspection import InspectedFile


def print_file_facts(files: Sequence[InspectedFile], printer: Printer) -> None:
    """Print the facts about label map files, each followed by an empty line.

    Parameters
    ----------
    files
        The files, in order.
    printer
        Where to print.
    """
    alphabet = printer.alphabet
    lines: list[Line] = []
    for file in files:
        path = alphabet.text(file.path)
        lines.append([(path, "bold")])
        if file.problem is None:
            lines += [*fact_lines(_facts(file, alphabet)), *_label_table(file, printer), []]
        else:
            problem = alphabet.text(file.problem).removeprefix(f"{path}: ")
            lines += [[("unusable: ", "bold red"), (problem, "")], []]
    printer.print(lines)


def _facts(file: InspectedFile, alphabet: Alphabet) -> list[tuple[str, str]]:
    facts = [("format", alphabet.text(file.stored)), ("grid", grid_line(file.shape, file.spacing, file.unit))]
    if file.unit != "px" and file.origin:
        facts.append(("origin", ", ".join(f"{place + 0.0:.6g}" for place in file.origin) + f" {file.unit}"))
    if file.unit != "px" and file.direction:
        facts.append(("axes", ", ".join(_axes(file.direction)) + _handedness(file.direction)))
    facts.append(("labels", str(len(file.labels)) if file.labels else "none (empty map)"))
    facts += [("note", alphabet.text(remark)) for remark in file.remarks]
    return facts


def _handedness(direction: Sequence[Sequence[float]]) -> str:
    """Whether x, y and z of the file are right-handed, like the world axes right, front, up."""
    if len(direction) != 3:
        return ""
    (a, b, c), (d, e, f), (g, h, i) = direction[::-1]
    turn = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return "; right-handed" if turn > 0 else "; left-handed"


def _axes(direction: Sequence[Sequence[float]]) -> list[str]:
    """Direction of each axis, in the order x, y, z: ``"+x left"``."""
    towards = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    axes = []
    for name, vector in zip("xyz", direction[::-1], strict=False):
        main = max(range(len(vector)), key=lambda place: abs(vector[place]))
        oblique = " (oblique)" if abs(vector[main]) < 1 - 1e-6 else ""
        axes.append(f"+{name} {towards[main][vector[main] > 0]}{oblique}")
    return axes


def _label_table(file: InspectedFile, printer: Printer) -> list[Line]:
    if not file.labels:
        return []
    rows = file.labels
    units = {row.size_unit for row in rows if row.size_unit}
    places = decimals(Quantity.VOLUME, spacing=file.spacing, unit=file.unit) if units == {"ml"} else 2
    sizes = ["" if row.size is None else number(row.size, Quantity.VOLUME, decimals=places) for row in rows]
    names = [printer.alphabet.text(row.name or "") for row in rows]
    keys = [
        Column(head=("label", ""), cells=[str(row.label) for row in rows], right=True),
        Column(head=("name" if any(names) else "", ""), cells=names),
    ]
    columns = [Column(head=("voxels", ""), cells=[str(row.voxels) for row in rows], right=True)]
    if any(sizes):
        unit = units.pop() if len(units) == 1 else ""
        title = {"ml": "volume", "mm2": "area"}.get(unit, "size")
        columns.append(Column(head=(title, unit), cells=sizes, right=True))
    if all(row.components is not None for row in rows):
        columns.append(Column(head=("components", ""), cells=[str(row.components) for row in rows], right=True))
    for axis, title in enumerate("zyx"[-len(file.shape) :]):
        if all(row.box for row in rows):
            spans = [f"{row.box[axis][0]}-{row.box[axis][1]}" for row in rows]
            columns.insert(-axis or len(columns), Column(head=(title, "index"), cells=spans, right=True))
    return [line for block in printer.blocks(keys, columns) for line in [[], *block]]
