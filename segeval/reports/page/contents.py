"""Contents of the sections of a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from segeval.diagnostics.slices import ELSEWHERE
from segeval.maps.labels import Key
from segeval.metrics import Direction, parse
from segeval.reports.case_table import CaseTable, case_tables
from segeval.reports.gate_table import found
from segeval.reports.notation import Alphabet
from segeval.reports.page.illustrations import Studio, metric_figures, size_figures
from segeval.reports.page.tables import (
    Cell,
    LinkedTable,
    Register,
    Worst,
    label_names,
    linked,
    over_cases,
    registered,
    scores_of,
    worst_cases,
)
from segeval.reports.run_summary import RunSummary, run_summary, unscored
from segeval.reports.summary_view import SummaryView
from segeval.reports.table import Head
from segeval.results.results import Results
from segeval.results.rows import ALL
from segeval.text import counted, enumerated

TITLE = "Segmentation scores"
WORST = 3
MOST_OVERLAYS = 24
MOST_DRAWN = 8  # metrics with figures
MOST_FAILURES = 1000

_BETTER = {
    Direction.HIGHER: "higher is better",
    Direction.LOWER: "lower is better",
    Direction.NEITHER: "neither direction is better",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One metric over cases.

    Parameters
    ----------
    anchor
        Anchor for links.
    token
        The metric with its number.
    heading, explained
        Name of the metric, its direction and its formula.
    table
        A row for each label; None for the panel of sizes.
    figures
        SVG elements.
    is_wide
        Whether the figure is as wide as the page.
    """

    anchor: str
    token: str
    heading: str
    explained: str
    table: LinkedTable | None = None
    figures: tuple[str, ...] = ()
    is_wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One of the worst cases by a metric.

    Parameters
    ----------
    value, name, detail
        Texts: the case, then the label; for a single case the label only.
    row, overlay
        Anchors of the row and of the overlay; empty without one.
    """

    value: str
    name: str
    detail: str
    row: str
    overlay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Drawing of a case and label.

    Parameters
    ----------
    anchor
        Anchor for links.
    case, label, scores
        Texts of the caption.
    drawing
        An SVG element.
    row
        Anchor of the row.
    """

    anchor: str
    case: str
    label: str
    scores: str
    drawing: str
    row: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Contents of all sections; a section without contents is None or empty.

    Parameters
    ----------
    title, headline
        Title of the page, and number of cases by status.
    verdict, passed
        Whether the requirements are met, in words and as a flag.
    gate
        A row for each requirement.
    lost, unscored, warnings
        Number of cases that were not scored, these cases with reasons, and warnings.
    facts
        Files and grid of a single case.
    means, groups, notes
        Means by label, over all labels and by group, and notes.
    panels
        A panel for each metric, and one for sizes.
    worst_of, worst
        ``"cases"`` or ``"labels"``, and the worst of them by metric.
    overlays, legend, not_drawn
        Drawings of the worst cases, their legend, and reasons why some are missing.
    register
        Table of all scores.
    signature, footnote, settings
        Conventions and settings of the run.
    """

    title: str
    headline: str
    verdict: str
    passed: bool
    gate: LinkedTable | None
    lost: str
    unscored: LinkedTable | None
    warnings: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    means: tuple[LinkedTable, ...]
    notes: tuple[str, ...]
    groups: tuple[LinkedTable, ...]
    panels: tuple[Panel, ...]
    worst_of: str
    worst: tuple[tuple[str, tuple[Entry, ...]], ...]
    overlays: tuple[Overlay, ...]
    legend: str
    not_drawn: tuple[str, ...]
    register: Register
    signature: str
    footnote: str
    settings: tuple[tuple[str, str], ...]


def page_of(
    results: Results, *, title: str | None, worst: int, overlays: bool, images: str | None, source: str | None
) -> Page:
    """Collect the contents of the page for some results; see `segeval.reports.page.to_html`."""
    alphabet = Alphabet()
    view = SummaryView(results=results, alphabet=alphabet, folded=False)
    closing = run_summary(results, alphabet, failures=MOST_FAILURES, folded=False)
    rows = registered(view)
    sheet = case_tables(results, alphabet)[0] if len(results.cases) == 1 else None
    ranking = {metric: worst_cases(view, metric, most=worst) for metric in view.metrics}
    studio = Studio(results, images=images, source=source)
    drawn, legend, not_drawn = _overlays(view, _to_draw(ranking) if overlays else [], rows, studio)
    entry = partial(_entry, view, rows=rows, drawn=drawn, names=label_names(view))
    lost = [rows.of(record.case) for record in unscored(results.cases)]
    return Page(
        title=alphabet.text(title) if title else TITLE,
        headline=closing.headline,
        verdict=_verdict(results),
        passed=all(verdict.passed for verdict in results.gate),
        gate=_gate(results, rows, alphabet) if results.gate else None,
        lost=f"{counted(len(lost), 'case')} not scored" if lost else "",
        unscored=linked(closing.failures, lost[:MOST_FAILURES]) if closing.failures else None,
        warnings=closing.warnings,
        facts=sheet.facts if sheet else (),
        means=() if sheet else tuple(_means(view, closing, rows)),
        notes=_remarks_on(sheet) if sheet else (*closing.sentences, *_few_drawn(view)),
        groups=tuple(map(linked, closing.groups)),
        panels=() if sheet else tuple(_panels(view, rows)),
        worst_of="labels" if sheet else "cases",
        worst=tuple(
            (view.line(metric), tuple(entry(metric, each) for each in cases))
            for metric, cases in ranking.items()
            if cases
        ),
        overlays=tuple(drawn.values()),
        legend=legend,
        not_drawn=tuple(not_drawn),
        register=rows,
        signature=alphabet.text(results.signature),
        footnote=alphabet.text(results.footnote),
        settings=tuple((alphabet.text(key), alphabet.text(_plain(value))) for key, value in results.settings.items()),
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _verdict(results: Results) -> str:
    """Number of requirements that are met or not met, in words."""
    missed = sum(not verdict.passed for verdict in results.gate)
    if not results.gate:
        return ""
    if not missed:
        return f"{counted(len(results.gate), 'requirement')} met"
    return f"{missed} of {counted(len(results.gate), 'requirement')} not met"


def _gate(results: Results, rows: Register, alphabet: Alphabet) -> LinkedTable:
    heads = ("requirement", "found", "result", "worst case")
    lines = [
        (
            Cell(alphabet.text(verdict.requirement), is_head=True),
            Cell(found(verdict)),
            Cell("met" if verdict.passed else "not met"),
            Cell(alphabet.text(verdict.worst_case or ""), anchor=rows.of(verdict.worst_case)),
        )
        for verdict in results.gate
    ]
    return LinkedTable(heads=tuple(Head(title=head, right=head == "found") for head in heads), rows=tuple(lines))


def _means(view: SummaryView, closing: RunSummary, rows: Register) -> list[LinkedTable]:
    """Tables of the means by label, and over all labels with links to the worst cases."""
    found = [linked(closing.summary)] if closing.summary else []
    if closing.overall:
        worst = [rows.of(row.worst_case, ALL) for row in view.rows("cases", over_labels=True)]
        found.append(linked(closing.overall, worst, column="worst"))
    return found


def _remarks_on(sheet: CaseTable) -> tuple[str, ...]:
    """What a reader of a single case should know, one line each."""
    heavy = [f"{metric}: {note}" for metric, _, note in sheet.overall if note]
    return (*heavy, *(f"{title}: {text}" for title, text in sheet.remarks))


def _few_drawn(view: SummaryView) -> list[str]:
    more = len(view.metrics) - MOST_DRAWN
    return [f"only the first {MOST_DRAWN} metrics have figures; draw others with segeval plot"] if more > 0 else []


def _panels(view: SummaryView, rows: Register) -> list[Panel]:
    panels: list[Panel] = []
    for metric in view.metrics:
        table = over_cases(view, metric, rows)
        if table is not None:
            card, anchor = parse(metric).card, f"m{len(panels) + 1}"
            panels.append(
                Panel(
                    anchor=anchor,
                    token=metric,
                    heading=view.line(metric),
                    explained=f"{card.title}, {_BETTER[card.better]}: {card.formula}",
                    table=table,
                    figures=metric_figures(view, metric, key=anchor) if len(panels) < MOST_DRAWN else (),
                )
            )
    sizes = size_figures(view, key="size") if panels else ()
    if sizes:
        panels.append(
            Panel(
                anchor="size",
                token="size",  # noqa: S106  (a name, not a secret)
                heading="Predicted and reference size",
                explained="Predicted minus reference size against the mean of both (Bland and Altman 1986)",
                figures=sizes,
                is_wide=True,
            )
        )
    return panels


def _to_draw(ranking: Mapping[str, Sequence[Worst]]) -> list[tuple[str, Key]]:
    """Cases and labels to draw, each once, the worst of each metric first."""
    longest = max(map(len, ranking.values()), default=0)
    by_rank = [each for rank in range(longest) for cases in ranking.values() for each in cases[rank : rank + 1]]
    return list(dict.fromkeys((each.case, each.label) for each in by_rank if each.label != ALL))


def _entry(
    view: SummaryView,
    metric: str,
    worst: Worst,
    *,
    rows: Register,
    drawn: Mapping[tuple[str, Key], Overlay],
    names: Mapping[Key | None, str],
) -> Entry:
    overlay = drawn.get((worst.case, worst.label))
    called = [names[worst.label], *([worst.note] if worst.note else [])]
    if len(view.results.cases) > 1:
        called.insert(0, view.alphabet.text(worst.case))
    return Entry(
        value=view.cell(worst.value, metric, exact=True),
        name=called[0],
        detail=", ".join(called[1:]),
        row=rows.of(worst.case, worst.label),
        overlay=overlay.anchor if overlay else "",
    )


def _overlays(
    view: SummaryView, wanted: Sequence[tuple[str, Key]], rows: Register, studio: Studio
) -> tuple[dict[tuple[str, Key], Overlay], str, list[str]]:
    """Draw cases and labels; return the drawings, their legend, and reasons why some are missing."""
    names = label_names(view)
    drawn: dict[tuple[str, Key], Overlay] = {}
    reasons: list[str] = []
    for case, label in wanted[:MOST_OVERLAYS]:
        anchor, called = f"o{len(drawn) + 1}", view.alphabet.text(case)
        drawing, reason = studio.drawn(
            case, label, key=anchor, title=f"{names[label]} of {called}: misclassified voxels"
        )
        if reason:
            reasons.append(f"not drawn: {names[label]} of {called}: {view.alphabet.text(reason)}")
            continue
        drawn[case, label] = Overlay(
            anchor=anchor,
            case=called,
            label=names[label],
            scores=scores_of(view, case, label),
            drawing=drawing,
            row=rows.of(case, label),
        )
    if studio.elsewhere:
        reasons.append(ELSEWHERE)
    if len(wanted) > MOST_OVERLAYS:
        reasons.append(f"not drawn: {len(wanted) - MOST_OVERLAYS} more, as a page has at most {MOST_OVERLAYS} overlays")
    if studio.bare:
        which = enumerated(studio.bare, view.alphabet.text, most=1)
        reasons.append(
            f"drawn without a scan, as {view.alphabet.text(studio.images)} has no scan of this name: {which}"
        )
    return drawn, studio.legend(key="ol") if drawn else "", reasons
