"""Tables for a terminal or a pipe; the home of rich.

In a terminal headings are bold and asides dim, and a table that is too wide is continued below. A pipe gets the same
text without a single escape sequence, as wide as it needs, so that grep and awk find whole rows. NO_COLOR takes the
escape sequences from a terminal, FORCE_COLOR gives them to a pipe, COLUMNS sets the width of either. Colour never says
what a word does not. Text from files never reaches rich as markup. Nothing is ever cut.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from segeval.metrics import Direction, Metric, Quantity, parse
from segeval.reports.case_table import UNITS, Alphabet, Sheet, asked, decimals, found, grid_line, number, sheets
from segeval.reports.layout import GAP, KEY, PROSE, Column, Layout, Line
from segeval.reports.run_summary import MARGIN, Head, Table, overview
from segeval.results.results import Results

if TYPE_CHECKING:
    from segeval.analysis.pivot import Pivot
    from segeval.diagnostics.inspection import InspectedFile
    from segeval.diagnostics.loss_table import LossTable
    from segeval.diagnostics.tools import Explanation, LabelExplanation
    from segeval.pairing import Pairing
    from segeval.reports.pivot_tables import CellTemplate

PRINTED_UNITS = {Quantity.RATIO: "none, a ratio", Quantity.LENGTH: "mm, or px without physical spacing"}
INDENT = "    "


def print_scores(
    results: Results,
    *,
    stream: TextIO,
    color: bool | None = None,
    width: int | None = None,
    signature: bool = True,
) -> None:
    """Print a table per case: a row per label, a column per metric, what is over all labels, and the notes.

    Parameters
    ----------
    results
        What was scored.
    stream
        Where to; its encoding decides between arrows and ASCII.
    color
        Whether to style the text; None asks NO_COLOR, FORCE_COLOR and the stream.
    width
        Of the terminal, in characters; None asks COLUMNS and the stream, and a pipe has none.
    signature
        Whether the last line is the signature.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    lines: list[Line] = []
    for sheet in sheets(results, alphabet):
        lines += _case(sheet, width)
    if signature:
        lines.append([(alphabet.text(results.signature), "dim")])
    _print(lines, stream, color)


def _case(sheet: Sheet, width: int | None) -> list[Line]:
    lines = _facts(sheet.facts)
    lines.append([])
    for block in _table(sheet, width):
        lines += [*block, []]
    if sheet.overall:
        longest = max(len(token) for token, _ in sheet.overall)
        lines += [[(f"{token:<{longest}} {cell}", "")] for token, cell in sheet.overall]
        lines.append([])
    if not sheet.rows and any(title == "grid" for title, _ in sheet.facts):
        lines += [[("no label to score in either map", "")], []]
    if sheet.footnotes:
        lines += [[(line, "dim")] for note in sheet.footnotes for line in _wrapped(note, width)]
        lines.append([])
    return lines


def _facts(facts: Iterable[tuple[str, str]]) -> list[Line]:
    facts = list(facts)
    longest = max((len(title) for title, _ in facts), default=0)
    return [[(f"{title:<{longest}}  ", "dim"), (text, "")] for title, text in facts]


def _table(sheet: Sheet, width: int | None) -> list[list[Line]]:
    if not sheet.rows:
        return []
    rows = sheet.rows
    numbers = Column(head=("label", ""), cells=[row.number for row in rows], right=True)
    if not any(row.number for row in rows):
        numbers = Column(head=("", ""), cells=[""] * len(rows))
    names = Column(head=("", ""), cells=[row.name for row in rows])
    if any(row.name for row in rows):
        names = Column(head=("name", ""), cells=names.cells)
    scores = [
        Column(head=(heading.title, heading.unit), cells=[row.cells[place] for row in rows], right=True)
        for place, heading in enumerate(sheet.headings)
    ]
    if any(row.note for row in rows):
        notes = [row.note for row in rows]
        scores.append(Column(head=("note", ""), cells=notes, prose=True, style="yellow"))
    return _layout(width).blocks([numbers, names], scores)


def print_overview(
    results: Results,
    *,
    stream: TextIO,
    color: bool | None = None,
    width: int | None = None,
    signature: bool = True,
) -> None:
    """Print the closing summary of a batch: means with their n, spread, groups, and what was not scored.

    Parameters
    ----------
    results
        With their summary.
    stream, color, width, signature
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    found = overview(results, alphabet)
    lines: list[Line] = [*_notes([found.headline], width, "bold"), []]
    tables = [found.summary, found.overall, *found.groups, *_fitting(found.spread, width), *found.tables]
    for table in tables:
        lines += _overview_table(table, width) if table is not None else []
    if found.notes:
        lines += [*_notes(found.notes, width, "dim"), []]
    if found.failures is not None:
        lines += _overview_table(found.failures, width)
    if found.warnings:
        lines += [*_notes([f"warning: {warning}" for warning in found.warnings], width, "yellow"), []]
    lines += [[(alphabet.text(results.signature), "dim")]] if signature else []
    _print(lines, stream, color)


def print_table(table: Table, *, stream: TextIO, color: bool | None = None, width: int | None = None) -> None:
    """Print a table and its notes.

    Parameters
    ----------
    table
        With a row at least.
    stream, color, width
        See `print_scores`. Where it is too wide, it is continued below.
    """
    _print(_overview_table(table, _width(stream) if width is None else width)[:-1], stream, color)


def _notes(notes: Iterable[str], width: int | None, style: str) -> list[Line]:
    return [[(line, style)] for note in notes for line in _wrapped(note, width)]


def _overview_table(table: Table, width: int | None) -> list[Line]:
    """The blocks of a table and its notes, each followed by an empty line."""
    keys: list[Column] = []
    columns: list[Column] = []
    for head, cells in zip(table.heads, zip(*table.rows, strict=True), strict=True):
        title = head.title if any(cells) else ""
        style = "yellow" if head in MARGIN else ""
        column = Column(head=(title, head.unit), cells=cells, right=head.right, prose=head.prose, style=style)
        (keys if head.key else columns).append(column)
    layout = _layout(width)
    if width is not None:
        keys = _narrowed(keys, columns, layout, width)
    lines = [line for block in layout.blocks(keys, columns) for line in [*block, []]]
    return [*lines, *_notes(table.notes, width, "dim"), *([[]] if table.notes else [])]


def _narrowed(keys: Sequence[Column], columns: Sequence[Column], layout: Layout, width: int) -> list[Column]:
    """Keys whose names are folded to a third of the width, or so far that a number has room beside them."""
    widths = [min(layout.width_of(column), PROSE if column.prose else width) for column in columns]
    taken = sum(layout.width_of(column) + GAP for column in keys if column.right) + max(widths, default=0) + GAP
    most = max(min(width // 3, width - taken), KEY)
    return [
        column if column.right else replace(column, cells=["\n".join(_folded(cell, most)) for cell in column.cells])
        for column in keys
    ]


def _folded(text: str, width: int) -> list[str]:
    return [text] if text_width(text) <= width else _chopped(text, width)


def _aligned(tables: Sequence[Table]) -> list[Table]:
    """Tables of the same columns, their heads padded so that the columns of one stand below those of another."""
    columns = [column for table in tables for column in zip(table.heads, zip(*table.rows, strict=True), strict=True)]
    places = len(tables[0].heads) if tables else 0
    widest = [
        max(text_width(text) for head, cells in columns[place::places] for text in (head.title, *cells))
        for place in range(places)
    ]
    return [
        replace(table, heads=tuple(_padded(head, most) for head, most in zip(table.heads, widest, strict=True)))
        for table in tables
    ]


def _fitting(tables: Sequence[Table], width: int | None) -> list[Table]:
    """Tables of the same columns, aligned, without those that are optional where not all would fit."""
    aligned = _aligned(tables)
    if width is None or all(_width_of(table) <= width for table in aligned):
        return aligned
    return _aligned([table.needed() for table in tables])


def _width_of(table: Table) -> int:
    columns = zip(table.heads, zip(*table.rows, strict=True), strict=True)
    return sum(max(map(text_width, (head.title, head.unit, *cells))) + GAP for head, cells in columns) - GAP


def _padded(head: Head, width: int) -> Head:
    padding = " " * (0 if head.prose or head.key else width - text_width(head.title))
    return replace(head, title=padding + head.title if head.right else head.title + padding)


def print_gate(results: Results, *, stream: TextIO, color: bool | None = None, width: int | None = None) -> None:
    """Print each requirement with what was found, and whether it passed or FAILED.

    Parameters
    ----------
    results
        Judged by the gate.
    stream, color, width
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    verdicts = results.gate
    if not verdicts:
        return
    worst = [alphabet.text(each.worst_case or "") for each in verdicts]
    columns = [
        Column(head=("found",), cells=[found(each) for each in verdicts], right=True),
        Column(head=("",), cells=["passed" if each.passed else "FAILED" for each in verdicts]),
        *([Column(head=("worst case",), cells=worst, prose=True)] if any(worst) else []),
    ]
    requirements = Column(head=("requirement",), cells=[alphabet.text(each.requirement) for each in verdicts])
    lines = [line for block in _layout(width).blocks([requirements], columns) for line in block]
    styles = {"FAILED": "bold red", "passed": "green"}
    lines = [[(text, styles.get(text, style)) for text, style in line] for line in lines]
    _print(lines, stream, color)


def print_pairing(pairing: Pairing, *, stream: TextIO, color: bool | None = None, width: int | None = None) -> None:
    """Print which files belong together, and what is wrong where they do not.

    Parameters
    ----------
    pairing
        The cases.
    stream, color, width
        See `print_scores`. Where the table is too wide, it is continued below.
    """
    from segeval.reports.pairing_table import COLUMNS, pair_rows

    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    rows = pair_rows(pairing)
    cells = {name: [alphabet.text(getattr(row, name)) for row in rows] for name in COLUMNS}
    keys = [Column(head=("case",), cells=cells["case"])]
    columns = [Column(head=(name,), cells=cells[name]) for name in ("prediction", "reference")]
    columns.append(Column(head=("problem",), cells=cells["problem"], prose=True, style="yellow"))
    blocks = _layout(width).blocks(keys, columns)
    unpaired = sum(bool(row.problem) for row in rows)
    total = f"{len(rows)} case{'s' * (len(rows) != 1)}, {unpaired or 'none'} without a prediction of its own"
    _print([line for block in blocks for line in [*block, []]] + [[(total, "")]], stream, color)


def print_pivot(
    pivot: Pivot,
    template: CellTemplate,
    *,
    best: str = "row",
    stream: TextIO,
    color: bool | None = None,
    width: int | None = None,
) -> None:
    """Print scores by rows and columns of factors, a star at the best cells, and below it what is missing.

    Parameters
    ----------
    pivot
        The numbers.
    template
        What a cell says.
    best
        What the best cells are the best of; see `board_of`.
    stream, color, width
        See `print_scores`. Where the table is too wide, it is continued below.
    """
    from segeval.reports.pivot_tables import best_note, board_of

    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    board = board_of(pivot, template, alphabet, best=best)
    above = ("",) * (len(board.columns) - 1)
    star, space = ("*", " ") if board.has_best else ("", "")
    keys = [
        Column(head=(*above, name), cells=[levels[place] for levels in board.levels])
        for place, name in enumerate(board.rows)
    ]
    columns = [
        Column(
            head=head,
            cells=[entry.text + (star if entry.best else space) for entry in cells],
            right=True,
            strong=frozenset(place for place, entry in enumerate(cells) if entry.best),
        )
        for head, cells in zip(board.heads, zip(*board.entries, strict=True), strict=True)
    ]
    columns = [replace(column, head=tuple(text + space for text in column.head)) for column in columns]
    lines: list[Line] = [[(line, "")] for line in _wrapped(board.caption, width)]
    for block in _layout(width).blocks(keys, columns):
        lines += [[], *block]
    notes = [*([best_note(best, star)] if star else []), *board.notes]
    lines += [[], *([(line, "dim")] for note in notes for line in _wrapped(note, width))]
    _print(lines, stream, color)


def print_explanation(
    explanation: Explanation, *, stream: TextIO, color: bool | None = None, width: int | None = None
) -> None:
    """Print, for each label, what each tool reports, and below it why they differ.

    Parameters
    ----------
    explanation
        Of a pair.
    stream, color, width
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    facts = [("prediction", explanation.prediction), ("reference", explanation.reference)]
    facts.append(("grid", grid_line(explanation.shape, explanation.spacing, explanation.unit)))
    facts.append(("reasons", "segeval, surface voxel -> the same with one convention changed"))
    facts += [("note", remark) for remark in explanation.remarks]
    lines = [*_facts((title, alphabet.text(text)) for title, text in facts), []]
    for each in explanation.labels:
        name = f"{each.label} {each.name}" if each.name else str(each.label)
        lines.append([(alphabet.text(name), "bold")])
        for block in _tools(each, explanation, alphabet, width):
            lines += [*block, []]
        for reason in each.reasons:
            first, *rest = _wrapped(alphabet.text(reason), None if width is None else width - 2)
            lines += [[(f"- {first}", "")], *([(f"  {line}", "")] for line in rest)]
        lines.append([])
    _print(lines[:-1], stream, color)


def _tools(each: LabelExplanation, explanation: Explanation, alphabet: Alphabet, width: int | None) -> list[list[Line]]:
    places = {
        quantity: decimals(quantity, spacing=explanation.spacing, unit=explanation.unit)
        for quantity in (Quantity.LENGTH, Quantity.RATIO)
    }

    def cells(values: Iterable[float | None], quantity: Quantity) -> list[str]:
        return [
            alphabet.dash if value is None else number(value, quantity, decimals=places[quantity]) for value in values
        ]

    rows, unit = each.rows, explanation.unit
    means = [
        f"{cell} {row.mean_metric}" if row.mean_metric else alphabet.dash
        for cell, row in zip(cells([row.mean_distance for row in rows], Quantity.LENGTH), rows, strict=True)
    ]
    nsd = f"nsd@{each.tolerance:g}"
    columns = [
        Column(head=("hd", unit), cells=cells([row.hd for row in rows], Quantity.LENGTH), right=True),
        Column(head=("hd@95", unit), cells=cells([row.hd95 for row in rows], Quantity.LENGTH), right=True),
        Column(head=("mean distance", unit), cells=means),
        Column(head=(nsd, ""), cells=cells([row.nsd for row in rows], Quantity.RATIO), right=True),
        Column(head=("dice", ""), cells=cells([row.dice for row in rows], Quantity.RATIO), right=True),
        Column(head=("asked for by", ""), cells=[row.asked for row in rows], style="dim"),
    ]
    notes = ["; ".join(row.notes) for row in rows]
    if any(notes):
        columns.append(Column(head=("note", ""), cells=notes, prose=True, style="yellow"))
    return _layout(width).blocks([Column(head=("tool", ""), cells=[row.tool for row in rows])], columns)


def print_losses(table: LossTable, *, stream: TextIO, color: bool | None = None, width: int | None = None) -> None:
    """Print the losses of a probability map, a row for each.

    Parameters
    ----------
    table
        Of one map.
    stream, color, width
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    facts = [("probability", table.prediction), ("reference", table.reference)]
    part = "" if table.imbalance is None else f"{_share(table.imbalance)} of "
    facts.append(("foreground", f"{part}{table.voxels:,} voxels"))
    lines = [*_facts((title, alphabet.text(text)) for title, text in facts), []]

    def cells(values: Iterable[float | None]) -> list[str]:
        return [alphabet.dash if value is None else f"{value:.4g}" for value in values]

    rows = table.rows
    cards = [parse(row.metric).card for row in rows]
    keys = [Column(head=("loss or score", ""), cells=[row.metric for row in rows])]
    columns = [
        Column(head=("better", ""), cells=[_better(card) for card in cards], style="dim"),
        Column(head=("all", ""), cells=cells(row.value for row in rows), right=True),
        Column(head=("largest", "gradient"), cells=cells(row.largest for row in rows), right=True),
        Column(
            head=("gradient", "on foreground"),
            cells=[alphabet.dash if row.on_foreground is None else _share(row.on_foreground) for row in rows],
            right=True,
        ),
    ]
    for label, share in table.shares.items():
        name = alphabet.text(table.names.get(label, ""))
        head = (f"{label} {name}".strip(), alphabet.dash if share is None else _share(share))
        columns.append(Column(head=head, cells=cells(row.by_label.get(label) for row in rows), right=True))
    for block in _layout(width).blocks(keys, columns):
        lines += [*block, []]
    notes = dict.fromkeys(
        f"{row.metric if row.metric == 'dl2' else 'scores'} of {label}: {note}"
        for row in rows
        for label, note in row.notes.items()
    )
    lines += _notes((alphabet.text(note) for note in (*notes, table.signature)), width, "dim")
    _print(lines, stream, color)


def _share(value: float) -> str:
    """A share of voxels in percent, small ones with as many digits as tell something."""
    return f"{100 * value:.3g} %"


def print_metrics_table(
    cards: Iterable[Metric], *, stream: TextIO, color: bool | None = None, width: int | None = None
) -> None:
    """Print the metrics: name, aliases, title, unit, direction and formula.

    Parameters
    ----------
    cards
        In the order of the rows.
    stream, color, width
        See `print_scores`. Where the table is too wide, a metric takes a few lines instead of one.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    cards = list(cards)
    columns = [
        Column(head=("metric",), cells=[asked(card) for card in cards]),
        Column(head=("alias",), cells=[", ".join(card.aliases) for card in cards]),
        Column(head=("title",), cells=[alphabet.text(card.title) for card in cards]),
        Column(head=("unit",), cells=[UNITS.get(card.quantity, "") for card in cards]),
        Column(head=("better",), cells=[_better(card) for card in cards]),
        Column(head=("formula",), cells=[alphabet.text(card.formula) for card in cards], style="dim"),
    ]
    if width is None or sum(_layout(width).width_of(column) + GAP for column in columns) - GAP <= width:
        lines = _layout(None).blocks([], columns)[0]
    else:
        lines = [line for card in cards for line in _brief(card, alphabet, width)]
    _print(lines, stream, color)


def _brief(card: Metric, alphabet: Alphabet, width: int) -> list[Line]:
    also = [f"({', '.join(card.aliases)})"] if card.aliases else []
    better = [] if card.better is Direction.NEITHER else [f"{card.better} is better"]
    unit = [UNITS[card.quantity]] if card.quantity in UNITS else []
    about = ", ".join([alphabet.text(card.title), *unit, *better])
    return [
        [(" ".join([asked(card), *also]), "bold")],
        *([(INDENT + line, "")] for line in _wrapped(about, width - len(INDENT))),
        *([(INDENT + line, "dim")] for line in _wrapped(alphabet.text(card.formula), width - len(INDENT))),
    ]


def _better(card: Metric) -> str:
    return "" if card.better is Direction.NEITHER else str(card.better)


def print_card(card: Metric, *, stream: TextIO, color: bool | None = None, width: int | None = None) -> None:
    """Print all that is known of one metric.

    Parameters
    ----------
    card
        The metric.
    stream, color, width
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    low, high = card.bounds
    facts = [
        ("formula", card.formula),
        ("aliases", ", ".join(card.aliases)),
        ("better", "neither way" if card.better is Direction.NEITHER else str(card.better)),
        ("unit", PRINTED_UNITS.get(card.quantity, UNITS.get(card.quantity, ""))),
        ("bounds", f"{low:g} to {high:g}"),
        ("parameter", _parameter(card)),
        ("undefined", "never" if card.undefined == "never" else f"where {card.undefined}"),
        ("one empty", card.one_empty or "as the formula says"),
        ("symmetric", "yes" if card.symmetric else "no: prediction and reference cannot change places"),
        ("source", card.source),
    ]
    facts = [(title, text) for title, text in facts if text]
    margin = max(len(title) for title, _ in facts) + GAP
    lines: list[Line] = [[(asked(card), "bold"), (f"  {alphabet.text(card.title)}", "")], []]
    for paragraph in (card.summary, card.description):
        lines += [[(line, "")] for line in _wrapped(alphabet.text(paragraph), width or 100)] if paragraph else []
    lines.append([])
    for title, text in facts:
        first, *rest = _wrapped(alphabet.text(text), None if width is None else width - margin)
        lines.append([(f"{title:<{margin}}", "dim"), (first, "")])
        lines += [[(" " * margin + line, "")] for line in rest]
    _print(lines, stream, color)


def _parameter(card: Metric) -> str:
    if card.parameter is None:
        return ""
    given = card.parameter
    limits = f"{given.low:g} or more" if given.high == float("inf") else f"{given.low:g} to {given.high:g}"
    default = "that of --tolerance" if given.name == "tolerance" else f"{given.default:g}"
    return f"{given.name}, {limits}; {default} where none is given"


def print_file_facts(
    files: Sequence[InspectedFile], *, stream: TextIO, color: bool | None = None, width: int | None = None
) -> None:
    """Print what is in label map files, each followed by an empty line.

    Parameters
    ----------
    files
        In the order to print them.
    stream, color, width
        See `print_scores`.
    """
    alphabet = Alphabet.of(stream.encoding)
    width = _width(stream) if width is None else width
    lines: list[Line] = []
    for file in files:
        path = alphabet.text(file.path)
        lines.append([(path, "bold")])
        if file.problem is None:
            lines += [*_facts(_file_facts(file, alphabet)), *_label_table(file, alphabet, width), []]
        else:
            problem = alphabet.text(file.problem).removeprefix(f"{path}: ")
            lines += [[("unusable: ", "bold red"), (problem, "")], []]
    _print(lines, stream, color)


def _file_facts(file: InspectedFile, alphabet: Alphabet) -> list[tuple[str, str]]:
    facts = [("stored", alphabet.text(file.stored)), ("grid", grid_line(file.shape, file.spacing, file.unit))]
    if file.unit != "px" and file.origin:
        facts.append(("origin", ", ".join(f"{place + 0.0:.6g}" for place in file.origin) + f" {file.unit}"))
    if file.unit != "px" and file.direction:
        facts.append(("axes", ", ".join(_axes(file.direction)) + _handedness(file.direction)))
    facts.append(("labels", str(len(file.labels)) if file.labels else "none, the map is empty"))
    facts += [("note", alphabet.text(remark)) for remark in file.remarks]
    return facts


def _handedness(direction: Sequence[Sequence[float]]) -> str:
    """Whether x, y and z of the file turn like those of the world, which runs right, front, up."""
    if len(direction) != 3:
        return ""
    (a, b, c), (d, e, f), (g, h, i) = direction[::-1]
    turn = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return "; right-handed" if turn > 0 else "; left-handed"


def _axes(direction: Sequence[Sequence[float]]) -> list[str]:
    """Where each axis runs to, in the header's order x, y, z."""
    towards = (("left", "right"), ("back", "front"), ("down", "up"))
    axes = []
    for name, vector in zip("xyz", direction[::-1], strict=False):
        main = max(range(len(vector)), key=lambda place: abs(vector[place]))
        oblique = " (oblique)" if abs(vector[main]) < 1 - 1e-6 else ""
        axes.append(f"{name} to {towards[main][vector[main] > 0]}{oblique}")
    return axes


def _label_table(file: InspectedFile, alphabet: Alphabet, width: int | None) -> list[Line]:
    if not file.labels:
        return []
    rows = file.labels
    units = {row.size_unit for row in rows if row.size_unit}
    places = decimals(Quantity.VOLUME, spacing=file.spacing, unit=file.unit) if units == {"ml"} else 2
    sizes = ["" if row.size is None else number(row.size, Quantity.VOLUME, decimals=places) for row in rows]
    names = [alphabet.text(row.name or "") for row in rows]
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
        columns.append(Column(head=("pieces", ""), cells=[str(row.components) for row in rows], right=True))
    for axis, title in enumerate("zyx"[-len(file.shape) :]):
        if all(row.box for row in rows):
            spans = [f"{row.box[axis][0]}-{row.box[axis][1]}" for row in rows]
            columns.insert(-axis or len(columns), Column(head=(title, ""), cells=spans, right=True))
    return [line for block in _layout(width).blocks(keys, columns) for line in [[], *block]]


def text_width(text: str) -> int:
    """How many character cells of a terminal a text takes: two for each CJK character and most emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # deferred: most tables are ASCII but for arrows

    return cell_len(text)


def _chopped(text: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(text, width)


def _layout(width: int | None) -> Layout:
    return Layout(width=width, measure=text_width, chop=_chopped)


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or text_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False, break_long_words=False)


def _width(stream: TextIO) -> int | None:
    """How wide the stream is; None where it does not end."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def styled(stream: TextIO, color: bool | None) -> bool:
    """Whether text for a stream has colours; without an answer in `color`, the environment and the stream decide."""
    if color is not None:
        return color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _print(lines: Sequence[Line], stream: TextIO, color: bool | None) -> None:
    if not styled(stream, color):
        stream.write("".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    text = Text("\n").join(Text.assemble(*line) for line in lines)
    console.print(text, soft_wrap=True)
