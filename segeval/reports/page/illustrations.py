"""Figures of a page, with their words for those who do not see them: of metrics, of sizes, and of the worst cases.

A worst case is drawn from its files, which are read again; where that fails, the page says why in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segeval.analysis.series import Agreement, agreement_of, sizes_of
from segeval.diagnostics.slices import Slice, case_of, not_here, overlays
from segeval.errors import SegevalError, UsageError
from segeval.maps.labels import Key
from segeval.reading.images import find_image
from segeval.reports import figures
from segeval.reports.page.drawings import inlined
from segeval.reports.page.tables import label_names
from segeval.reports.summary_view import SummaryView
from segeval.results.results import Results
from segeval.results.rows import CaseRecord
from segeval.results.run_rows import Summary
from segeval.scoring.plan import Plan
from segeval.text import counted

DESCRIBED = 12  # labels that a description goes through
_RUN = ""


def metric_figures(view: SummaryView, metric: str, *, key: str) -> tuple[str, ...]:
    """A metric over cases: boxes, scores against size, and cumulative curves; those for which there is something.

    Parameters
    ----------
    view
        What it is about.
    metric
        As it was asked for.
    key
        What identifiers begin with.
    """
    kinds = {
        f"{metric} of every case, with boxes from quartile to quartile": figures.box,
        f"{metric} against the size of the object": figures.volume,
        f"share of the cases that are at least as good, by {metric}": figures.cumulative,
    }
    drawn = []
    for place, (title, draw) in enumerate(kinds.items()):
        try:
            svg = draw({_RUN: view.results}, metric=metric, suffix=".svg", width="single")
        except UsageError:
            continue  # nothing to draw, such as scores against sizes that nobody counted
        drawn.append(inlined(svg, key=f"{key}f{place}", title=title, description=_distribution(view, metric)))
    return tuple(drawn)


def size_figures(view: SummaryView, *, key: str) -> tuple[str, ...]:
    """Predicted minus reference size over the mean of both; nothing where no sizes were counted."""
    runs = {_RUN: view.results}
    try:
        svg = figures.bland_altman(runs, suffix=".svg", width="double")
    except UsageError:
        return ()
    names = label_names(view)
    lines = [
        f"{names.get(row.label, row.name)}: bias {_agreed(agreement_of(row), row.unit)}"
        for row in sizes_of(runs)[:DESCRIBED]
    ]
    title = "predicted minus reference size, over the mean of both"
    return (inlined(svg, key=f"{key}f", title=title, description="; ".join(lines)),)


def _agreed(found: Agreement, unit: str) -> str:
    if found.bias is None:
        return "unknown"
    limits = "" if found.low is None or found.high is None else f", limits {found.low:.4g} to {found.high:.4g}"
    return f"{found.bias:.4g} {unit}{limits}, n {found.n}"


def _distribution(view: SummaryView, metric: str) -> str:
    """The medians and quartiles of a metric by label."""
    names = label_names(view)
    rows = [row for row in view.rows("cases") + view.rows("cases", over_labels=True) if row.metric == metric]
    lines = [f"{names[row.label]}: {_quartiles(view, row)}" for row in rows[:DESCRIBED]]
    more = [f"and {counted(len(rows) - DESCRIBED, 'more label')}"] if len(rows) > DESCRIBED else []
    return "; ".join([*lines, *more])


def _quartiles(view: SummaryView, row: Summary) -> str:
    if not row.n:
        return "no value"
    median, q1, q3 = (view.cell(value, row.metric) for value in (row.median, row.q1, row.q3))
    return f"median {median}, quartiles {q1} to {q3}, n {row.n}"


class Studio:
    """Draws cases of some results.

    Parameters
    ----------
    results
        What names the files.
    images
        The folder of the scans beneath; None for none.
    source
        The file of the results; see `segeval.diagnostics.slices.case_of`.
    """

    def __init__(self, results: Results, *, images: str | None, source: str | None) -> None:
        self.images = images
        self.source = source
        self.elsewhere = False  # whether files were not found by a relative path
        self.bare: list[str] = []  # cases that are drawn without a scan, though there is a folder of them
        self.records: Mapping[str, CaseRecord] = {record.case: record for record in results.cases}
        self.counts = results.counts
        self.ignoring = False  # whether some drawing has ignored voxels
        self.problem = ""
        try:
            self.plan = Plan.of_settings(results.settings)
        except UsageError as error:
            self.problem = f"the settings of these results say too little: {error}"

    def drawn(self, name: str, label: Key, *, key: str, title: str) -> tuple[str, str]:
        """A case and label as an SVG element, or why there is none; the other one is empty."""
        if self.problem:
            return "", self.problem
        record = self.records[name]
        case = case_of(record, results_path=self.source)
        try:
            image = None if self.images is None else find_image(self.images, name)
            slices = overlays(case, self.plan, label=label, image=image, counted=self.counts.of([name]))
        except SegevalError as error:
            self.elsewhere |= not_here(case) is not None
            return "", str(error)
        if self.images is not None and image is None and name not in self.bare:
            self.bare.append(name)
        self.ignoring |= figures.has_ignored({_RUN: slices})
        svg = figures.overlay({_RUN: slices}, suffix=".svg", width="single", legend=False)
        return inlined(svg, key=key, title=title, description=_described(slices)), ""

    def legend(self, *, key: str) -> str:
        """What the looks in the drawings stand for, as an SVG element."""
        svg = figures.overlay_legend(ignoring=self.ignoring, suffix=".svg", width="single")
        looks = "filled: in both; dashed: only in the prediction; hatched: only in the reference; line: the reference"
        return inlined(svg, key=key, title="what the looks of the overlays stand for", description=looks)


def _described(slices: Sequence[Slice]) -> str:
    lines = []
    for each in slices:
        right, false, missed = (int(m.sum()) for m in (each.true_positive, each.false_positive, each.false_negative))
        numbers = f"{right:,} right, {false:,} only in the prediction, {missed:,} only in the reference"
        lines.append(": ".join(filter(None, (each.title, numbers))))
    return "; ".join(lines)
