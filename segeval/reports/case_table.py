"""One case as people read it: which cells, rows and footnotes a table has, whoever lays it out.

A ratio has 4 decimals, a count none. A length resolves a tenth of the smallest spacing, but has at least 2 decimals; a
volume resolves a single voxel, but has at least 3. Rounding never claims too much: 1.0000 is exactly 1 (0.99996 reads
0.9999), and what would round to 0 without being 0 has two significant digits instead (3.0e-05). What is undefined is a
dash, counted with its reasons below the table; a missed structure and a false alarm are said in words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segeval.errors import shown
from segeval.metrics import Direction, Metric, Quantity, parse
from segeval.results.results import Results
from segeval.results.rows import ABSENT, ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, CaseRecord, Score, Verdict

UNDEFINED = "undefined: "
WORDS = {PREDICTION_EMPTY: "missed", REFERENCE_EMPTY: "false alarm"}
UNITS = {Quantity.LENGTH: "mm", Quantity.VOLUME: "ml", Quantity.COUNT: "voxels"}
MOST_ABSENT = 12  # rows of labels that neither map has: a table of names may hold hundreds
FINEST = 6  # decimals: beyond that, two significant digits say more


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """What a table is written with.

    Parameters
    ----------
    higher, lower
        Mark a metric that is better so.
    dash
        Stands for an undefined score.
    blocks
        For no case at all, then from few to many.
    encoding
        What the reader's end understands; other characters are escaped.
    """

    higher: str = "↑"
    lower: str = "↓"
    dash: str = "–"  # noqa: RUF001  (longer than the minus of a number)
    blocks: str = "·▁▂▃▄▅▆▇█"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, encoding: str | None) -> Alphabet:
        """The alphabet for a stream of that encoding: arrows and a dash in UTF-8, else ASCII."""
        plain = (encoding or "utf-8").lower().replace("-", "").replace("_", "")
        if plain in ("utf8", "utf8sig", "utf16", "utf32", "cp65001"):
            return cls()
        return cls(higher="^", lower="v", dash="-", blocks=".:-=+*%@#", encoding=encoding or "ascii")

    def text(self, value: object) -> str:
        """Text from outside as it may stand in a table: on one line, without control characters."""
        return shown(value).encode(self.encoding, "backslashreplace").decode(self.encoding)

    def arrow(self, better: Direction) -> str:
        """Which way is better, empty where neither is."""
        return {Direction.HIGHER: self.higher, Direction.LOWER: self.lower}.get(better, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The head of a column of scores.

    Parameters
    ----------
    token
        The metric as it was asked for: ``"hd@95"``.
    arrow
        Which way is better; empty where neither is.
    unit
        Empty for a ratio.
    """

    token: str
    arrow: str
    unit: str

    @property
    def title(self) -> str:
        """Token and arrow."""
        return f"{self.token} {self.arrow}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One label or region.

    Parameters
    ----------
    number
        The label's number; empty for a region.
    name
        Its name, empty where it has none.
    cells
        Its scores, one per heading.
    note
        What a reader must know: ``"missed"``, ``"false alarm"``, or empty.
    """

    number: str
    name: str
    cells: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One case as a table.

    Parameters
    ----------
    facts
        Title and text of what was compared: prediction, reference, grid.
    headings
        Of the columns of scores.
    rows
        Labels, then regions.
    overall
        Token and cell of the metrics over all labels.
    footnotes
        Counted reasons for dashes and words.
    """

    facts: tuple[tuple[str, str], ...]
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    overall: tuple[tuple[str, str], ...]
    footnotes: tuple[str, ...]


def sheets(results: Results, alphabet: Alphabet) -> list[Sheet]:
    """Every case of the results as a table, in their order."""
    scores: dict[str, list[Score]] = {record.case: [] for record in results.cases}
    for score in results.scores:
        scores.setdefault(score.case, []).append(score)
    return [_sheet(record, scores[record.case], results, alphabet) for record in results.cases]


def number(value: float, quantity: Quantity, *, decimals: int) -> str:
    """A number as it stands in a table.

    Examples
    --------
    >>> [number(value, Quantity.RATIO, decimals=4) for value in (1.0, 0.99996, 0.93124, 0.00003, 0.0)]
    ['1.0000', '0.9999', '0.9312', '3.0e-05', '0.0000']
    """
    if not math.isfinite(value):
        return f"{value}"
    if quantity is Quantity.COUNT:
        return f"{value:.0f}"
    text = f"{value + 0.0:.{decimals}f}"  # + 0.0 makes a negative zero positive
    if value and float(text) == 0:
        return f"{value:.1e}"
    if quantity is Quantity.RATIO and abs(float(text)) == 1 and abs(value) != 1:
        nearest = 1 + math.copysign(10.0**-decimals, abs(value) - 1)
        return f"{math.copysign(nearest, value):.{decimals}f}"
    return text


def asked(card: Metric) -> str:
    """How a metric is asked for: ``hd[@PERCENTILE]``."""
    return card.name if card.parameter is None else f"{card.name}[@{card.parameter.name.upper()}]"


def found(verdict: Verdict) -> str:
    """What a requirement found: six digits, or as many more as tell it from the limit.

    Examples
    --------
    >>> found(Verdict(requirement="1:dice=0.93", value=0.9299999996, passed=False))
    '0.9299999996'
    """
    if verdict.value is None:
        return "undefined"
    limit = float(verdict.requirement.rpartition("=")[2])
    texts = (f"{verdict.value:.{digits}g}" for digits in range(6, 18))
    return next(text for text in texts if (float(text) == limit) == (verdict.value == limit))


def decimals(quantity: Quantity, *, spacing: Sequence[float] | None = None, unit: str | None = "mm") -> int:
    """How many decimals a quantity has on a grid of that spacing."""
    if quantity is Quantity.RATIO:
        return 4
    if quantity is Quantity.COUNT:
        return 0
    least = 2 if quantity is Quantity.LENGTH else 3
    if not spacing or unit != "mm":
        return least
    finest = min(spacing) / 10 if quantity is Quantity.LENGTH else math.prod(spacing) / 1000
    return max(least, min(FINEST, -math.floor(math.log10(finest) + 1e-6)))


def grid_line(shape: Sequence[int], spacing: Sequence[float] | None, unit: str | None) -> str:
    """A grid in the header's order x, y, z, where shape and spacing are in array order.

    Examples
    --------
    >>> grid_line((40, 512, 512), (5.0, 0.75, 0.75), "mm")
    '512 x 512 x 40 voxels of 0.75 x 0.75 x 5 mm'
    """
    size = " x ".join(str(length) for length in shape[::-1])
    if unit == "px" or not spacing:
        return f"{size} {'pixels' if len(shape) == 2 else 'voxels'}"
    steps = " x ".join(f"{step:.6g}" for step in spacing[::-1])
    return f"{size} {'pixels' if len(shape) == 2 else 'voxels'} of {steps} {unit or ''}".rstrip()


def _sheet(record: CaseRecord, scores: Sequence[Score], results: Results, alphabet: Alphabet) -> Sheet:
    by_label = [score for score in scores if score.label != ALL]
    tokens = list(dict.fromkeys(score.metric for score in by_label))
    units = {score.metric: score.unit for score in by_label if score.unit}
    headings = [
        Heading(token=token, arrow=alphabet.arrow(parse(token).card.better), unit=units.get(token, ""))
        for token in tokens
    ]
    grouped: dict[int | str, list[Score]] = {}
    for score in by_label:
        grouped.setdefault(score.label, []).append(score)
    nowhere = {each.label for each in results.counts if each.case == record.case and not each.tp + each.fp + each.fn}
    absent = [
        label
        for label, group in grouped.items()
        if all(score.value is None and (label in nowhere or score.note == ABSENT) for score in group)
    ]
    folded = set(absent) if len(absent) > MOST_ABSENT else set()
    return Sheet(
        facts=_facts(record, alphabet, alone=len(results.cases) == 1),
        headings=tuple(headings),
        rows=tuple(_row(group, tokens, record, alphabet) for label, group in grouped.items() if label not in folded),
        overall=tuple((score.metric, _cell(score, record, alphabet)) for score in scores if score.label == ALL),
        footnotes=(
            *_footnotes(scores, grouped.values(), results, alphabet),
            *([f"not shown: {len(folded)} labels that neither map has"] if folded else []),
        ),
    )


def _facts(record: CaseRecord, alphabet: Alphabet, *, alone: bool) -> tuple[tuple[str, str], ...]:
    facts = [] if alone else [("case", alphabet.text(record.case))]
    facts += [("prediction", alphabet.text(record.prediction)), ("reference", alphabet.text(record.reference))]
    if record.shape is not None:
        facts.append(("grid", grid_line(record.shape, record.spacing, record.unit)))
    if record.status != "scored":
        facts.append((record.status, alphabet.text(record.message or "no reason given")))
    return tuple(facts)


def _row(scores: Sequence[Score], tokens: Sequence[str], record: CaseRecord, alphabet: Alphabet) -> Row:
    first = scores[0]
    is_region = isinstance(first.label, str)
    cells = {score.metric: _cell(score, record, alphabet) for score in scores}
    notes = dict.fromkeys(score.note for score in scores if score.note and not score.note.startswith(UNDEFINED))
    return Row(
        number="" if is_region else str(first.label),
        name=alphabet.text(first.label if is_region else first.name or ""),
        cells=tuple(cells.get(token, "") for token in tokens),
        note="; ".join(WORDS.get(note, alphabet.text(note)) for note in notes),
    )


def _cell(score: Score, record: CaseRecord, alphabet: Alphabet) -> str:
    if score.value is None:
        return alphabet.dash
    quantity = parse(score.metric).card.quantity
    return number(score.value, quantity, decimals=decimals(quantity, spacing=record.spacing, unit=record.unit))


def _footnotes(
    scores: Iterable[Score], labels: Iterable[Sequence[Score]], results: Results, alphabet: Alphabet
) -> list[str]:
    labels = list(labels)
    lines = [
        f"{word}: {note}, {_counted(sum(any(row.note == note for row in rows) for rows in labels), 'label')}"
        for note, word in WORDS.items()
    ]
    lines = [line for line in lines if not line.endswith(", 0 labels")]
    lengths = [row for row in scores if row.unit in ("mm", "px") and row.note in WORDS and row.value is not None]
    if lengths and lines:
        penalty = results.settings.get("penalty", "diagonal")
        value = f"{lengths[0].value:.2f} {lengths[0].unit}"
        which = f"the image's diagonal, {value}" if penalty == "diagonal" else value
        lines.append(f"where one is empty, a distance is the penalty: {which}")
    reasons = Counter((row.note or "").removeprefix(UNDEFINED) for row in scores if row.value is None)
    if reasons:
        total = _counted(reasons.total(), "score")
        several = len(reasons) > 1
        why = "; ".join(alphabet.text(reason) + (f" ({count})" if several else "") for reason, count in reasons.items())
        lines.append(f"{alphabet.dash} undefined: {total}, {why}")
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
