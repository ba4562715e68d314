"""The scores of one case: a row for each label, their mean, the metrics over all labels, and remarks.

`case_tables` makes the rows and remarks for all formats; `print_scores` prints them in a terminal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segeval.maps.labels import number_of
from segeval.metrics import parse
from segeval.reports.gate_table import gate_lines
from segeval.reports.layout import Line
from segeval.reports.notation import UNDEFINED, WORDS, Alphabet, Heading, decimals, grid_line, number
from segeval.reports.score_table import ScoreRow, ScoreTable, note_style
from segeval.reports.signatures import signature_lines
from segeval.reports.terminal import Printer, fact_lines
from segeval.results.results import Results
from segeval.results.rows import ABSENT, ALL, PREDICTION_EMPTY, REFERENCE_EMPTY, CaseRecord, Score
from segeval.results.statistics import weighted_mean
from segeval.text import counted, enumerated

MOST_NAMED = 6  # labels in a remark
MOST_ABSENT = 8  # labels in neither map that are named
REASONS = {
    PREDICTION_EMPTY: "the prediction does not have the label",
    REFERENCE_EMPTY: "the reference does not have the label",
    ABSENT: "neither map has the label",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """The scores of one case.

    Parameters
    ----------
    facts
        Title and text of each fact about the case: prediction, reference, grid, number of labels.
    summary
        Case, grid and number of labels in one line.
    scores
        A row for each label and region, and the means below them.
    overall
        Metric, score and note of the metrics over all labels.
    remarks
        Title and text of each remark: missed labels, false alarms, absent labels, undefined scores.
    """

    facts: tuple[tuple[str, str], ...]
    summary: str
    scores: ScoreTable
    overall: tuple[tuple[str, str, str], ...]
    remarks: tuple[tuple[str, str], ...]


def case_tables(results: Results, alphabet: Alphabet, *, all_labels: bool = True) -> list[CaseTable]:
    """Return a table for each case of the results, in their order.

    Parameters
    ----------
    results
        Results of any number of cases.
    alphabet
        Characters that the tables are written with.
    all_labels
        Whether absent labels have a row too.
    """
    scores: dict[str, list[Score]] = {record.case: [] for record in results.cases}
    for score in results.scores:
        scores.setdefault(score.case, []).append(score)
    return [
        _CaseView(record=record, scores=scores[record.case], results=results, alphabet=alphabet).table(all_labels)
        for record in results.cases
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CaseView:
    """One case with its scores, from which its table is made."""

    record: CaseRecord
    scores: Sequence[Score]
    results: Results
    alphabet: Alphabet

    def table(self, all_labels: bool) -> CaseTable:
        by_label: dict[int | str, list[Score]] = {}
        for score in self.scores:
            if score.label != ALL:
                by_label.setdefault(score.label, []).append(score)
        absent = self._absent(by_label)
        shown = {label: group for label, group in by_label.items() if all_labels or label not in absent}
        tokens = list(dict.fromkeys(score.metric for group in by_label.values() for score in group))
        units = {score.metric: score.unit for score in self.scores if score.unit}
        arrows = {token: self.alphabet.arrow(parse(token).card.better) for token in tokens}
        kinds = self._kinds(by_label, absent)
        return CaseTable(
            facts=self._facts(kinds),
            summary=self._summary(kinds),
            scores=ScoreTable(
                headings=tuple(Heading(token=each, arrow=arrows[each], unit=units.get(each, "")) for each in tokens),
                rows=tuple(self._row(group, tokens) for group in shown.values()),
                means=self._means(by_label, tokens),
            ),
            overall=tuple(
                (score.metric, self._cell(score.value, score.metric), self._note(score))
                for score in self.scores
                if score.label == ALL
            ),
            remarks=tuple(self._remarks(by_label, absent, all_labels=all_labels)),
        )

    @property
    def _nowhere(self) -> set[int | str]:
        """The labels of which neither map has a voxel."""
        counts = self.results.counts.of([self.record.case])
        return {each.label for each in counts if not each.tp + each.fp + each.fn}

    def _absent(self, by_label: Mapping[int | str, Sequence[Score]]) -> set[int | str]:
        """Return the labels that are in neither map."""
        return {
            label
            for label, group in by_label.items()
            if label in self._nowhere or all(_first_note(score) == ABSENT for score in group)
        }

    def _kinds(self, by_label: Mapping[int | str, object], absent: set[int | str]) -> str:
        """Return the numbers of labels and regions in words: ``"41 of 117 labels, 1 region"``."""
        known = {*by_label, *(each.label for each in self.results.counts.of([self.record.case]))}
        labels = sum(isinstance(label, int) for label in known)
        present = sum(isinstance(label, int) for label in known - self._nowhere - absent)
        of_all = f"{present} of {counted(labels, 'label')}" if present < labels else counted(labels, "label")
        regions = len(known) - labels
        return ", ".join([*([of_all] if labels else []), *([counted(regions, "region")] if regions else [])])

    def _facts(self, kinds: str) -> tuple[tuple[str, str], ...]:
        text, record = self.alphabet.text, self.record
        facts = [("case", text(record.case))] if len(self.results.cases) > 1 else []
        facts += [("prediction", text(record.prediction or "none")), ("reference", text(record.reference))]
        if record.shape is not None:
            facts.append(("grid", grid_line(record.shape, record.spacing, record.unit)))
        if kinds:
            facts.append(("labels", kinds))
        if record.status != "scored":
            facts.append((record.status, text(record.message or "no reason given")))
        return tuple(facts)

    def _summary(self, kinds: str) -> str:
        record = self.record
        if record.status != "scored":
            reason = self.alphabet.text(record.message or "no reason given")
            return f"{self.alphabet.text(record.case)}: {record.status}: {reason}"
        grid = grid_line(record.shape, record.spacing, record.unit) if record.shape is not None else ""
        parts = [part for part in (grid, kinds or "no label in either map") if part]
        return f"{self.alphabet.text(record.case)}: {', '.join(parts)}"

    def _row(self, scores: Sequence[Score], tokens: Sequence[str]) -> ScoreRow:
        first = scores[0]
        is_region = isinstance(first.label, str)
        cells = {score.metric: self._cell(score.value, score.metric) for score in scores}
        note = next((WORDS[note] for note in map(_first_note, scores) if note in WORDS), "")
        return ScoreRow(
            number="" if is_region else str(first.label),
            name=self.alphabet.text(first.label if is_region else first.name or ""),
            cells=tuple(cells.get(token, "") for token in tokens),
            note=note,
            style=note_style(note),
        )

    def _means(self, by_label: Mapping[int | str, Sequence[Score]], tokens: Sequence[str]) -> tuple[ScoreRow, ...]:
        """Return the mean over labels and, if a label is in one map only, the mean over labels that are in both."""
        rows = [group for label, group in by_label.items() if isinstance(label, int)]
        if sum(any(score.value is not None for score in group) for group in rows) < 2:
            return ()
        weights = self.results.settings.get("weight", {})
        of_label = [number_of(group[0].label, group[0].name, weights, 1.0) for group in rows]
        found = [not any(_is_empty_in_one(score) for score in group) for group in rows]
        in_both = [all(_first_note(score) not in WORDS for score in group) for group in rows]

        def row(name: str, chosen: Sequence[bool], style: str = "") -> ScoreRow:
            cells = []
            for token in tokens:
                values = [next((s.value for s in group if s.metric == token), None) for group in rows]
                counts = [math.nan if v is None or not c else v for v, c in zip(values, chosen, strict=True)]
                cells.append(self._cell(weighted_mean(np.array(counts), np.array(of_label)), token, is_mean=True))
            return ScoreRow(number="", name=name, cells=tuple(cells), style=style)

        means = [row("mean", [True] * len(rows))]
        return (*means, *([] if all(found) else [row("where found", in_both, "dim")]))

    def _cell(self, value: float | None, metric: str, *, is_mean: bool = False) -> str:
        if value is None:
            return self.alphabet.dash
        quantity = parse(metric).card.quantity
        places = decimals(quantity, spacing=self.record.spacing, unit=self.record.unit)
        return number(value, quantity, decimals=places, is_mean=is_mean)

    def _note(self, score: Score) -> str:
        note = score.note or ""
        return self.alphabet.text(note if score.value is not None else in_words(note))

    def _remarks(
        self, by_label: Mapping[int | str, Sequence[Score]], absent: set[int | str], *, all_labels: bool
    ) -> list[tuple[str, str]]:
        lines = []
        for note, title in ((PREDICTION_EMPTY, "missed"), (REFERENCE_EMPTY, "false alarm")):
            groups = [group for group in by_label.values() if any(_says(score, note) for score in group)]
            if groups:
                lines.append((title, self._names(groups) + self._penalty([s for g in groups for s in g])))
        if absent:
            groups = [by_label[each] for each in by_label if each in absent]
            lines.append(("in neither map", self._absent_names(groups, all_labels=all_labels) + _counted_in(groups)))
        lines += self._other_notes(by_label)
        undefined = Counter(
            score.note or UNDEFINED
            for score in self.scores
            if score.value is None and score.label != ALL and score.label not in absent
        )
        for note, count in undefined.items():
            lines.append((f"{self.alphabet.dash} undefined", f"{counted(count, 'score')}: {in_words(note)}"))
        return [(title, self.alphabet.text(text)) for title, text in lines]

    def _other_notes(self, by_label: Mapping[int | str, Sequence[Score]]) -> list[tuple[str, str]]:
        """Return the other notes on scores of labels, each once with its labels."""
        found: dict[str, list[Sequence[Score]]] = {}
        for group in by_label.values():
            said = (part for score in group if score.value is not None for part in (score.note or "").split("; "))
            for part in dict.fromkeys(said):
                if part and part not in WORDS:
                    found.setdefault(part, []).append(group)
        return [("note", f"{self._names(groups)}: {part}") for part, groups in found.items()]

    def _names(self, groups: Sequence[Sequence[Score]]) -> str:
        firsts = [group[0] for group in groups]
        return enumerated(firsts, lambda each: each.name or str(each.label), most=MOST_NAMED, last=", ")

    def _absent_names(self, groups: Sequence[Sequence[Score]], *, all_labels: bool) -> str:
        if len(groups) <= MOST_ABSENT:
            return enumerated(
                [group[0].name or str(group[0].label) for group in groups], str, most=MOST_ABSENT, last=", "
            )
        return counted(len(groups), "label") + ("" if all_labels else " (-v lists them)")

    def _penalty(self, scores: Iterable[Score]) -> str:
        """Return a sentence on the penalty of labels that are in one map only; empty without distances."""
        lengths = [score for score in scores if score.unit in ("mm", "px") and score.value is not None]
        if not lengths:
            return ""
        whose = "its distances are" if len({score.label for score in lengths}) == 1 else "their distances are"
        value = lengths[0].value or 0.0
        if math.isinf(value):
            return f"; {whose} infinite"
        which = "the image diagonal, " if self.results.settings.get("penalty", "diagonal") == "diagonal" else ""
        return f"; {whose} {which}{value:.2f} {lengths[0].unit}"


def _first_note(score: Score) -> str:
    """Return the note of a score up to the first semicolon."""
    return (score.note or "").partition("; ")[0]


def _counted_in(groups: Iterable[Sequence[Score]]) -> str:
    """Return in which means absent labels count, because a metric has a value for them."""
    metrics = dict.fromkeys(score.metric for group in groups for score in group if score.value is not None)
    return f"; counted in the mean of {enumerated(list(metrics), str)}" if metrics else ""


def _says(score: Score, note: str) -> bool:
    """Whether a score has a value and this note, alone or as the first of several."""
    return score.value is not None and _first_note(score) == note


def _is_empty_in_one(score: Score) -> bool:
    return _says(score, PREDICTION_EMPTY) or _says(score, REFERENCE_EMPTY)


def in_words(note: str) -> str:
    """Return the note on an undefined score in words.

    Examples
    --------
    >>> in_words("absent in both"), in_words("undefined: no voxel is counted")
    ('neither map has the label', 'no voxel is counted')
    """
    reason = note.removeprefix(UNDEFINED)
    return REASONS.get(reason, reason)


def notes_in_words(scores: Iterable[Score], alphabet: Alphabet) -> str:
    """Return the notes on scores in words, except why some are undefined."""
    notes = dict.fromkeys(score.note for score in scores if score.note and not score.note.startswith(UNDEFINED))
    return "; ".join(WORDS.get(note, alphabet.text(note)) for note in notes)


def print_scores(
    results: Results, printer: Printer, *, signature: bool = True, verbose: bool = False, gate: bool = True
) -> None:
    """Print the table of each case.

    Parameters
    ----------
    results
        Results of the cases.
    printer
        Printer to print with.
    signature
        Whether to print the signature as the last lines.
    verbose
        Whether to print the files, all labels including absent ones, and the whole signature.
    gate
        Whether to print the requirements.
    """
    lines: list[Line] = []
    for table in case_tables(results, printer.alphabet, all_labels=verbose):
        lines += _lines(table, printer, verbose=verbose)
    if gate and results.gate:
        lines += [*gate_lines(results, printer), []]
    if signature:
        lines += signature_lines(results, printer, whole=verbose)
    printer.print(lines)


def _lines(table: CaseTable, printer: Printer, *, verbose: bool) -> list[Line]:
    lines = fact_lines(table.facts) if verbose else printer.hanging([(table.summary,)])
    lines.append([])
    if table.scores.rows:
        lines += table.scores.lines(printer)
    longest = max((len(token) for token, _, _ in table.overall), default=0)
    titles = [len(title) for title, _ in table.remarks]
    width = max([longest, *titles])
    rows = [(f"{token:<{width}}", f"{cell}  {note}".rstrip()) for token, cell, note in table.overall]
    rows += [(f"{title:<{width}}", text) for title, text in table.remarks]
    return [*lines, *printer.hanging(rows), *([[]] if rows else [])]
