"""Remarks on the means of a run: missed labels, false alarms, and cases that were not scored or look wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.maps.labels import Key
from segeval.reports.case_table import in_words
from segeval.reports.notation import UNDEFINED
from segeval.reports.score_table import STARRED
from segeval.reports.summary_view import SummaryView
from segeval.results.rows import ABSENT, ALL, UNSCORED, CaseRecord
from segeval.text import counted, enumerated

MOST_CASES = 6  # cases named in a remark
MOST_LABELS = 3  # labels named for a case
MOST_FAILURES = 20  # cases that were not scored, each with its reason
MOST_WARNINGS = 20

TITLES = {"failed": "failed", "missing": "no prediction", "skipped": "skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One remark.

    Parameters
    ----------
    title
        Subject of the remark; empty for a footnote to a mark in the table.
    where
        Number of labels or cases, or a case.
    text
        The remark itself.
    details
        The remark with every name, if that is longer.
    """

    title: str
    where: str = ""
    text: str = ""
    details: str = ""

    @property
    def line(self) -> str:
        """The whole remark on one line."""
        return ": ".join([*filter(None, [self.title]), " ".join(filter(None, [self.where, self.text]))])


def remarks_on(view: SummaryView) -> tuple[Remark, ...]:
    """Return all remarks on the scored cases, in the order in which they are printed."""
    return (*_presence(view), *_suspicious(view), *_undefined(view), *_mixed(view))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Presence:
    """Whether the prediction and the reference have a label, by case and label."""

    cases: Sequence[str]
    labels: Sequence[Key]
    names: Mapping[int | str | None, str]
    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]

    @classmethod
    def of(cls, view: SummaryView) -> _Presence:
        """Find the numbered labels that occur in any map of the scored cases."""
        results = view.results
        cases = [record.case for record in results.cases if record.status == "scored"]
        counts = results.counts.of(cases)
        labels = [label for label in counts.labels.values if isinstance(label, int)]
        prediction = np.zeros((len(cases), len(labels)), bool)
        reference = prediction.copy()
        rows, columns = counts.cases.places_in(cases), counts.labels.places_in(labels)
        at = rows[counts.case_codes], columns[counts.label_codes]
        known = at[1] >= 0
        true, false, lost, _ = counts.voxels.T
        prediction[at[0][known], at[1][known]] = (true + false > 0)[known]
        reference[at[0][known], at[1][known]] = (true + lost > 0)[known]
        occurs = np.any(prediction | reference, axis=0)
        return cls(
            cases=cases,
            labels=[label for label, found in zip(labels, occurs.tolist(), strict=True) if found],
            names=dict([*results.names.items(), *view.names(view.rows("cases")).items()]),
            prediction=prediction[:, occurs],
            reference=reference[:, occurs],
        )


def _presence(view: SummaryView) -> list[Remark]:
    """Return remarks on how often labels were missed, were false alarms, or were in neither map."""
    found = _Presence.of(view)
    if not found.labels and not view.occurring:
        text = enumerated(found.cases, str, most=MOST_CASES, last=", ")
        return [Remark(title="not in n", where=view.alphabet.text(text), text="no label in either map")] if text else []
    without = ~found.prediction & ~found.reference
    kinds = (
        ("missed", found.reference & ~found.prediction, found.reference),
        ("false alarms", found.prediction & ~found.reference, ~found.reference),
    )
    lines = [
        Remark(
            title=title,
            where=f"{np.count_nonzero(those)} of {np.count_nonzero(among)}",
            text=view.alphabet.text(_cases_and_labels(found, those)),
        )
        for title, those, among in kinds
        if those.any()
    ]
    empty = [case for case, row in zip(found.cases, without, strict=True) if row.all()]
    if empty:
        text = enumerated(empty, str, most=MOST_CASES, last=", ")
        lines.append(Remark(title="not in n", where=view.alphabet.text(text), text="no label in either map"))
    nowhere = _in_no_case(view)
    if nowhere:
        total = len({row.label for row in view.rows("cases") if isinstance(row.label, int)})
        names = "" if len(nowhere) > MOST_CASES else ", ".join(view.alphabet.text(name) for name in nowhere)
        counted_in = [row.metric for row in view.rows("cases") if row.n and row.label not in view.occurring]
        more = f"counted in the mean of {enumerated(list(dict.fromkeys(counted_in)), str)}" if counted_in else ""
        lines.append(
            Remark(
                title="in neither map",
                where=f"{len(nowhere)} of {counted(total, 'label')}",
                text="; ".join(filter(None, [names, more])),
                details="; ".join(filter(None, [", ".join(map(view.alphabet.text, nowhere)), more])),
            )
        )
    return lines


def _in_no_case(view: SummaryView) -> list[str]:
    """Return the labels that the tables name but no map of any case has."""
    names = view.names(view.rows("cases"))
    return [name for label, name in names.items() if isinstance(label, int) and label not in view.occurring]


def _cases_and_labels(found: _Presence, those: NDArray[np.bool_]) -> str:
    """Return cases with their labels, most labels first: ``"case_14 all 5 labels, case_04 gallbladder"``."""
    often: list[int] = those.sum(axis=1).tolist()
    order = sorted((place for place, count in enumerate(often) if count), key=lambda place: -often[place])
    cases: dict[str, list[str]] = {}
    for place in order:
        cases.setdefault(_labels_of(found, those[place]), []).append(found.cases[place])
    texts = [f"{enumerated(each, str, most=MOST_CASES, last=', ')} {labels}".rstrip() for labels, each in cases.items()]
    return enumerated(texts, str, most=MOST_CASES, last=", ")


def _labels_of(found: _Presence, those: NDArray[np.bool_]) -> str:
    """Return labels in words: ``"all 5 labels"``; empty if there is only one label in all."""
    columns: list[int] = np.flatnonzero(those).tolist()
    if len(found.labels) == 1:
        return ""
    if len(columns) == len(found.labels):
        return f"all {len(columns)} labels"
    if len(columns) > MOST_LABELS:
        return f"{len(columns)} labels"
    labels = [found.labels[column] for column in columns]
    return " and ".join(found.names.get(label, str(label)) for label in labels)


def _suspicious(view: SummaryView) -> list[Remark]:
    """Return the warnings about cases, each with the case or the number of cases."""
    examples: dict[str, list[str]] = {}
    for record in view.results.cases:
        for warning in dict.fromkeys(record.warnings):
            examples.setdefault(warning, []).append(record.case)
        if record.status == "scored" and record.message:
            examples.setdefault(record.message, []).append(record.case)
    text = view.alphabet.text
    lines = [
        Remark(title="look at", where=text(_first(cases)), text=text(warning))
        if not warning.startswith(TITLES["missing"])
        else Remark(title=TITLES["missing"], where=text(_first(cases)), text=text(warning.partition("; ")[2]))
        for warning, cases in examples.items()
    ]
    if len(lines) > MOST_WARNINGS:
        more = len(lines) - MOST_WARNINGS
        lines = [*lines[:MOST_WARNINGS], Remark(title="look at", where=f"{more} more", text="in the results file")]
    return lines


def _first(cases: Sequence[str]) -> str:
    return cases[0] if len(cases) == 1 else f"{cases[0]} and {counted(len(cases) - 1, 'more case')}"


def not_scored(view: SummaryView) -> tuple[Remark, ...]:
    """Return the cases that were not scored, each once with its reason."""
    text = view.alphabet.text
    lines = []
    for status in UNSCORED:
        records = [record for record in view.results.cases if record.status == status]
        plain = {record.message for record in records} if status != "failed" else set()
        if len(records) > MOST_CASES and len(plain) == 1:
            records, names = [], enumerated([record.case for record in records], str, most=MOST_CASES, last=", ")
            lines.append(Remark(title=TITLES[status], where=text(names)))
        lines += [
            Remark(title=TITLES[status], where=text(record.case), text=text(_reason(record)))
            for record in records[:MOST_FAILURES]
        ]
        if len(records) > MOST_FAILURES:
            more = counted(len(records) - MOST_FAILURES, "more case")
            lines.append(Remark(title=TITLES[status], where=more, text="in the results file"))
    return tuple(lines)


def _reason(record: CaseRecord) -> str:
    """Return why a case was not scored, without the words of the title."""
    if record.status == "failed":
        return record.message or "no reason given"
    return (record.message or "").removeprefix(TITLES["missing"]).removeprefix("; ")


def _undefined(view: SummaryView) -> list[Remark]:
    """Return the footnotes to stars: why a mean is over fewer cases than the n of its row."""
    rows = [row for row in view.rows("cases") if row.n_undefined and row.label in view.occurring]
    most: dict[Key | None, int] = {}
    for row in view.rows("cases"):
        most[row.label] = max(most.get(row.label, 0), row.n)
    starred = {(row.label, row.metric) for row in rows if row.n < most[row.label]}
    if not starred:
        return []
    scores = view.results.scores
    missing: dict[str, tuple[set[str], set[Key]]] = {}
    for place in np.flatnonzero(np.isnan(scores.values)).tolist():
        score = scores[place]
        if (score.label, score.metric) in starred and score.note != ABSENT and score.label != ALL:
            cases, labels = missing.setdefault(score.note or UNDEFINED, (set(), set()))
            cases.add(score.case)
            labels.add(score.label)
    mark = STARRED if any(row.n for row in rows if (row.label, row.metric) in starred) else view.alphabet.dash
    return [_footnote(view, mark, note, cases, labels) for note, (cases, labels) in missing.items()]


def _footnote(view: SummaryView, mark: str, note: str, cases: Collection[str], labels: Collection[Key]) -> Remark:
    reason = in_words(note)
    if len(labels) == 1:
        (label,) = labels
        reason = reason.replace("does not have the label", f"has no {view.names(view.rows('cases')).get(label, label)}")
    return Remark(title="", text=f"{mark} undefined in {counted(len(cases), 'case')}: {view.alphabet.text(reason)}")


def _mixed(view: SummaryView) -> list[Remark]:
    """Return a warning about metrics whose values have several units, so that their mean has no meaning."""
    rows = [row for row in view.results.summary if row.by is None]
    mixed = list(dict.fromkeys(row.metric for row in rows if " or " in view.units[row.metric]))
    if not mixed:
        return []
    units = view.units[mixed[0]].replace(" or ", " and ")
    return [Remark(title="", text=f"warning: the mean of {', '.join(mixed)} mixes {units}")]
