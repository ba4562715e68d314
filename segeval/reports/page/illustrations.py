"""Draw the figures of a page, with descriptions for screen readers: metrics, sizes, and the worst cases.

The files of a worst case are read again; if that fails, the page says why.
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

DESCRIBED = 12  # labels in a description
_RUN = ""


def metric_figures(view: SummaryView, metric: str, *, key: str) -> tuple[str, ...]:
    """Draw a metric over cases: boxes, scores against size, and cumulative curves, if there is something to draw.

    Parameters
    ----------
    view
        The summary.
    metric
        The metric with its number.
    key
        Prefix of the identifiers.
    """
    kinds = {
        f"box plots of {metric}, with a point for each case": figures.box,
        f"{metric} against the size of the object in the reference": figures.volume,
        f"share of cases that are at least as good, by {metric}": figures.cumulative,
    }
    drawn = []
    for place, (title, draw) in enumerate(kinds.items()):
        try:
            svg = draw({_RUN: view.results}, metric=metric, suffix=".svg", width="single")
        except UsageError:
            continue  # nothing to draw, for example no sizes
        drawn.append(inlined(svg, key=f"{key}f{place}", title=title, description=_distribution(view, metric)))
    return tuple(drawn)


def size_figures(view: SummaryView, *, key: str) -> tuple[str, ...]:
    """Draw predicted minus reference size against the mean of both, if there are sizes."""
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
    title = "predicted minus reference size against the mean of both"
    return (inlined(svg, key=f"{key}f", title=title, description="; ".join(lines)),)


def _agreed(found: Agreement, unit: str) -> str:
    if found.bias is None:
        return "unknown"
    limits = "" if found.low is None or found.high is None else f", limits {found.low:.4g} to {found.high:.4g}"
    return f"{found.bias:.4g} {unit}{limits}, n {found.n}"


def _distribution(view: SummaryView, metric: str) -> str:
    """Medians and quartiles of a metric by label, as text."""
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
    """Draw cases of some results.

    Parameters
    ----------
    results
        Results with the names of the files.
    images
        Folder of scans to draw over, or None.
    source
        The results file; see `segeval.diagnostics.slices.case_of`.
    """

    def __init__(self, results: Results, *, images: str | None, source: str | None) -> None:
        self.images = images
        self.source = source
        self.elsewhere = False  # whether files with relative paths were not found
        self.bare: list[str] = []  # cases that are drawn without a scan, although there is a folder of scans
        self.records: Mapping[str, CaseRecord] = {record.case: record for record in results.cases}
        self.counts = results.counts
        self.ignoring = False  # whether a drawing has ignored voxels
        self.problem = ""
        try:
            self.plan = Plan.of_settings(results.settings)
        except UsageError as error:
            self.problem = f"the settings of these results are incomplete: {error}"

    def drawn(self, name: str, label: Key, *, key: str, title: str) -> tuple[str, str]:
        """Draw a case and label; return an SVG element, or a reason why there is none."""
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
        """Legend of the drawings, as an SVG element."""
        svg = figures.overlay_legend(ignoring=self.ignoring, suffix=".svg", width="single")
        looks = (
            "filled: in both; dashed: only in the prediction; hatched: only in the reference; "
            "line: outline of the reference"
        )
        return inlined(svg, key=key, title="legend of the overlays", description=looks)


def _described(slices: Sequence[Slice]) -> str:
    lines = []
    for each in slices:
        right, false, missed = (int(m.sum()) for m in (each.true_positive, each.false_positive, each.false_negative))
        numbers = f"{right:,} right, {false:,} only in the prediction, {missed:,} only in the reference"
        lines.append(": ".join(filter(None, (each.title, numbers))))
    return "; ".join(lines)
