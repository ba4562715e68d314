"""Write docs/definitions.md and its figures: every metric's card, the conventions and the presets.

The facts come from the registry of metrics and from the presets, so that the page agrees with the program; the text
about conventions is here. `python docs/make_definitions.py` rewrites the files, always with the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from segeval.evidence.conventions import SLACK, SMOOTH_RULE, WEIGHTED, Conventions, Empty
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.evidence.surfaces.surfels import neighbours, surfel_areas
from segeval.metrics import METRICS, Direction, Metric, Quantity
from segeval.reports.metric_cards import spelling
from segeval.scoring.presets import PRESETS, Preset

HERE = Path(__file__).resolve().parent
PAGE = HERE / "definitions.md"
FIGURES = HERE / "figures"

UNITS = {
    Quantity.RATIO: "none, a ratio",
    Quantity.LENGTH: "mm; px for pictures",
    Quantity.VOLUME: "ml",
    Quantity.COUNT: "voxels",
}

BY_AREA = " and ".join(f"`{surface}`" for surface in WEIGHTED)

INTRODUCTION = """\
# Definitions

Look up the exact definition of each metric, convention and preset. `segeval metrics NAME` prints one metric in the
terminal, and the [signature](decisions/10-evidence-cards-signature.md) of results states the conventions that were
used. `docs/make_definitions.py` writes this page from the program's own records.

P is the prediction and R the reference, as sets of voxels. TP, FP, FN and TN count the voxels in both, only in P,
only in R and in neither, over the whole image without ignored voxels; N is their sum. d(P) and d(R) are the
surfaces of P and R. dP are the distances from the points of d(P) to d(R), and dR the distances from d(R) to d(P).

- [Metrics](#metrics): {metrics}
- [Conventions](#conventions): surfaces, percentiles, tolerances, the penalty, absent classes
- [Presets](#presets): the conventions of other tools, `--compat NAME`

[Class imbalance](imbalance.md) shows how scores and losses behave as an object gets small.
"""

CONVENTIONS = f"""\
## Conventions

### Surfaces

`--surface` sets the definition of a label's surface. In the figures each square is a voxel, and distances are
measured from the dark dots. Outside the image is background, unless a preset says otherwise; lengths are in mm by
the spacing.

**`voxel`** is the default: the centres of the border voxels. A border voxel has a neighbour across a face (4
neighbours in 2-D, 6 in 3-D) that does not have the label. All border voxels count equally. MONAI, MetricsReloaded,
MedPy and panoptica use this surface.

![Border voxels of a mask, a dot in the centre of each](figures/surface-voxel.svg)

**`surfel`**: the corners of voxels where the label meets other voxels. Each corner is weighted by the area (in 2-D
the length) of the surface that marching cubes draws through the voxels around it. surface-distance uses this
surface.

![Corners between a mask and its surroundings, each with the length of its piece of contour](figures/surface-surfel.svg)

**`smooth`**: an elastic surface, for 3-D only. Each corner between the label and other voxels may move by half a
voxel. All corners are pulled together, and then moved back by their smoothed displacement. Distances run from the
centre of each quad to the nearest point of the other surface, weighted by the area of the quad. This surface is the
most accurate one where masks are staircases of round shapes. Its rule has a version, now {SMOOTH_RULE}, which is in
the signature.

![A polygon relaxed from the staircase of a mask, a dot in the middle of each side](figures/surface-smooth.svg)

Two more surfaces are only for presets. The **region** (SimpleITK) is every voxel of the mask, so most distances are
0 where masks overlap. The **contour of all neighbours** (seg-metrics) also includes voxels that touch other voxels
at a corner (8 neighbours in 2-D, 26 in 3-D), and has no border at the edge of the image.

![A dot in every voxel of a mask, and its contour, open at the image's edge](figures/surface-others.svg)

[Surfaces and Hausdorff distances](decisions/01-surfaces.md) explains why `voxel` is the default.

### Percentiles

`--percentile` sets the distances of which `hd@Q` is the percentile.

- **`directed`**, the default: the larger of two percentiles, that of dP and that of dR.
- **`pooled`**: the percentile of dP and dR together, where a large surface that fits can hide a small one that does
  not.

On `voxel` a percentile is interpolated linearly: it is at position (n - 1) Q / 100 of the n sorted distances,
counted from 0. On {BY_AREA} it is the smallest distance that covers at least Q percent of the area.

### Tolerances

`nsd@T` and the two overlaps count the part of a surface within T of the other surface. Within T means up to T plus
{SLACK:g} of the smallest spacing, because NIfTI stores spacing in float32, where 1.2 is 1.2000000477. The slack is
the same for all three surfaces. `nsd` without a number uses `--tolerance`, which may differ by label.
[Tolerances](decisions/04-tolerances.md) explains why.

### The penalty

If only one of the two maps has a label, its distances are the penalty, which `--penalty` sets: by default the
diagonal of the reference's whole grid, the root of the sum of (voxels times spacing)² over the axes; or a length,
`inf`, or `nan` for undefined. On `surfel` and `smooth` the mean distance *from* an empty surface is undefined. If
neither map has the label, distances and overlaps are undefined. [Empty masks](decisions/02-empty-masks.md) explains
why.

### Absent classes

`generalized_dice` weights a class by 1 / R², which is infinite for a class that is not in the reference.
`--absent-class` sets its weight: with **`max`** (the default) it is that of the heaviest class of
the same case, with **`ignore`** it is 0. With **`penalise`** the case scores 0 if such a class is predicted.
[Generalized Dice](decisions/03-generalized-dice.md) explains why.
"""

PRESET_TEXT = """\
## Presets

`--compat NAME` uses all conventions of another tool. A preset never changes the formula of a metric: if the tool has
another name for the formula, segeval keeps its own name. A metric that the tool does not have is refused.
`tests/scoring/test_compat_peers.py` compares the numbers with the packages themselves. [Other
tools](decisions/16-other-tools.md) explains why, and [coming from another tool](coming-from.md) lists the calls.
"""

EMPTY_TEXT = """\
### Presets and empty masks

NaN and exceptions become an undefined score with a note: `monai: nan`, `medpy raises`. "Formula" means the value of
the formula; a metric that is not listed always follows its formula.
"""


def page() -> str:
    """Return the text of docs/definitions.md."""
    parts = [
        INTRODUCTION.format(metrics=", ".join(f"[`{name}`](#{name})" for name in METRICS)),
        "## Metrics\n",
        *cards(),
        CONVENTIONS,
        PRESET_TEXT,
        presets(),
        "### Metrics that a tool has\n",
        metrics_of_presets(),
        EMPTY_TEXT,
        empty_masks(),
    ]
    return "\n".join(parts)


def cards() -> Iterator[str]:
    """Yield the text of every metric in the order of the registry, with a heading for each kind of evidence."""
    heading = None
    for card in METRICS.values():
        if card.kind.title != heading:
            heading = card.kind.title
            yield f"### {heading}\n"
        yield card_text(card)


def card_text(card: Metric) -> str:
    """Return the text of one metric."""
    low, high = card.bounds
    facts = {
        "name": ", ".join(f"`{name}`" for name in (spelling(card), *card.aliases)),
        "formula": f"`{card.formula}`",
        "unit": UNITS[card.quantity],
        "better": "neither" if card.better is Direction.NEITHER else f"{card.better}",
        "range": f"{low:.3g} to {high:.3g}".replace("inf", "infinity"),
        "undefined": "never" if card.undefined == "never" else f"if {card.undefined}",
        "one map empty": card.one_empty or "as the formula gives",
        "symmetric": "yes" if card.symmetric else "no",
        "parameter": parameter(card),
        "source": linked(card.source),
    }
    lines = [f"- {name}: {text}" for name, text in facts.items() if text]
    paragraphs = " ".join(part for part in (card.summary, card.description) if part)
    return "\n".join([f"#### {card.name}", "", f"**{card.title}.** {paragraphs}", "", *lines, ""])


def parameter(card: Metric) -> str:
    """Describe the number after the @ with its limits and its default."""
    given = card.parameter
    if given is None:
        return ""
    limits = f"{given.low:g} or more" if given.high == math.inf else f"{given.low:g} to {given.high:g}"
    default = "`--tolerance`" if given.name == "tolerance" else f"{given.default:g}"
    return f"{given.name}, {limits}; default {default}"


def linked(source: str) -> str:
    """Return a source with its identifiers as links."""
    words = []
    for word in source.split(" "):
        bare = word.rstrip(";,")
        kind, colon, identifier = bare.partition(":")
        home = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(kind)
        words.append(f"[{bare}]({home}{identifier}){word[len(bare) :]}" if home and colon else word)
    return " ".join(words)


def table(heads: Collection[str], rows: Iterable[Collection[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def presets() -> str:
    """Return the table of each preset's conventions, and of metrics that have another name in the tool."""
    heads = ["preset", "tool", "surface", "neighbours", "percentile", "`nsd`", "mean surface distance", "other names"]
    return table(heads, [preset_row(name, preset) for name, preset in PRESETS.items()])


def preset_row(name: str, preset: Preset) -> list[str]:
    """Return the conventions of a preset, with a dash for one that does not matter."""
    conventions = preset.conventions
    measures = any(METRICS[metric.partition("@")[0]].needs is SurfaceDistances for metric in preset.metrics)
    percentiles = any(metric.startswith("hd@") for metric in preset.metrics)
    rule = "cumulated area" if conventions.surface in WEIGHTED else "linear"
    wide = "all that touch; no border at the image's edge" if not conventions.edge_is_border else "all that touch"
    return [
        f"`{name}`",
        preset.title,
        conventions.surface if measures else "-",
        "-" if not measures or conventions.surface != "voxel" else "face" if conventions.neighbours == "face" else wide,
        f"{conventions.percentile}, {rule}" if percentiles else "-",
        nsd_rule(conventions) if "nsd" in preset.metrics else "-",
        f"`{preset.mean_distance}`" if preset.mean_distance else "-",
        "; ".join(remark for remark in conventions.remarks if "=" in remark) or "-",
    ]


def nsd_rule(conventions: Conventions) -> str:
    """Return how a preset counts surfaces within the tolerance."""
    of = "mean of both sides" if conventions.sides_averaged else "area" if conventions.surface in WEIGHTED else "points"
    within = {"exact": "`d <= T`", "float32": "`d <= T` in float32", "slack": "`d <= T + slack`"}[conventions.within]
    return f"{of}, {within}"


def metrics_of_presets() -> str:
    """Return the table of the metrics that each tool has."""
    rows = [
        [f"`{metric}`", *("yes" if metric in preset.metrics else "" for preset in PRESETS.values())]
        for metric in METRICS
        if any(metric in preset.metrics for preset in PRESETS.values())
    ]
    percentiles = [
        "any" if "hd@" in preset.metrics else "95" if "hd@95" in preset.metrics else "" for preset in PRESETS.values()
    ]
    place = next(place for place, row in enumerate(rows) if row[0] == "`hd`")
    rows.insert(place + 1, ["`hd@Q`", *percentiles])
    return table(["metric", *(f"`{name}`" for name in PRESETS)], rows)


def empty_masks() -> str:
    """Return the table of each tool's values for empty masks; metrics with the same rule share a row."""
    rows = []
    for name, preset in PRESETS.items():
        for metrics, rule in grouped(preset.conventions.empty, preset).items():
            rows.append([f"`{name}`", metrics, *(empty_value(each) for each in rule)])
    return table(["preset", "metric", "both empty", "prediction empty", "reference empty"], rows)


def grouped(rules: Mapping[str, tuple[Empty, Empty, Empty]], preset: Preset) -> dict[str, tuple[Empty, Empty, Empty]]:
    """Group the metrics that the tool has by their rule for empty masks."""
    by_rule: dict[tuple[Empty, Empty, Empty], list[str]] = {}
    for metric, rule in rules.items():
        if metric in preset.metrics or (metric == "hd@" and "hd@95" in preset.metrics):
            by_rule.setdefault(rule, []).append("`hd@Q`" if metric == "hd@" else f"`{metric}`")
    return {", ".join(metrics): rule for rule, metrics in by_rule.items()}


def empty_value(value: Empty) -> str:
    """Return the value for an empty mask in words."""
    if value is None:
        return "formula"
    if isinstance(value, str):
        return {"nan": "NaN", "raises": "raises"}[value]
    return "infinity" if value == math.inf else f"{value:.3g}"


# Figures: each surface on a mask drawn by hand. Points are (row, column) in voxels.

Point = tuple[float, float]
Voxels = frozenset[tuple[int, int]]

MASK = """
.........
...###...
..#####..
.######..
.######..
..####...
.........
"""
CUT = """
.......
###....
####...
####...
###....
.......
"""
STEP = 46  # px of a voxel
MARGIN = 14
CAPTION = 26
PALE, FILL, DARK, LINE, GRID = "#e3eef8", "#b7d3ec", "#123a5e", "#c8452f", "#c4ccd4"


def figures() -> dict[str, str]:
    """Return the files in docs/figures by name."""
    return {
        "surface-voxel.svg": voxel_figure(),
        "surface-surfel.svg": surfel_figure(),
        "surface-smooth.svg": smooth_figure(),
        "surface-others.svg": others_figure(),
    }


def drawn(text: str) -> tuple[Voxels, tuple[int, int]]:
    """Return the voxels of a mask and the shape of its image."""
    rows = text.split()
    found = frozenset((y, x) for y, row in enumerate(rows) for x, mark in enumerate(row) if mark == "#")
    return found, (len(rows), len(rows[0]))


def border(mask: Voxels, *, corners: bool = False, inside: tuple[int, int] | None = None) -> Voxels:
    """Return the voxels with a neighbour outside the mask; neighbours outside an image `inside` do not count."""
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0) and (corners or 0 in (y, x))]

    def is_other(y: int, x: int) -> bool:
        counts = inside is None or (0 <= y < inside[0] and 0 <= x < inside[1])
        return counts and (y, x) not in mask

    return frozenset((y, x) for y, x in mask if any(is_other(y + dy, x + dx) for dy, dx in steps))


def lattice(mask: Voxels) -> dict[tuple[int, int], int]:
    """Return the corners where the mask meets other voxels, each with the pattern of the voxels around it."""
    found = {}
    for y, x in sorted({(y + dy, x + dx) for y, x in mask for dy in (0, 1) for dx in (0, 1)}):
        pattern = sum(1 << bit for bit, (dy, dx) in enumerate(neighbours(2)) if (y - dy, x - dx) in mask)
        if pattern != 15:
            found[y, x] = pattern
    return found


def crossings(mask: Voxels, corner: tuple[int, int]) -> list[Point]:
    """Return the points around a corner that are midway between a voxel of the mask and another voxel."""
    y, x = corner
    ends: list[Point] = []
    for one, other, place in (
        ((y - 1, x - 1), (y - 1, x), (y - 0.5, x)),
        ((y, x - 1), (y, x), (y + 0.5, x)),
        ((y - 1, x - 1), (y, x - 1), (y, x - 0.5)),
        ((y - 1, x), (y, x), (y, x + 0.5)),
    ):
        if (one in mask) != (other in mask):
            ends.append(place)
    return ends


def loop(mask: Voxels) -> list[tuple[int, int]]:
    """Return the corners of the staircase around a connected mask, in order."""
    corners = lattice(mask)

    def linked_to(corner: tuple[int, int]) -> list[tuple[int, int]]:
        y, x = corner
        sides = {  # the corner at the other end of each side, and the voxels on both sides of it
            (y, x + 1): ((y - 1, x), (y, x)),
            (y, x - 1): ((y - 1, x - 1), (y, x - 1)),
            (y + 1, x): ((y, x - 1), (y, x)),
            (y - 1, x): ((y - 1, x - 1), (y - 1, x)),
        }
        return [end for end, (one, other) in sides.items() if (one in mask) != (other in mask)]

    start = next(iter(corners))
    found = [start]
    while True:
        further = [corner for corner in linked_to(found[-1]) if corner not in found]
        if not further:
            return found
        found.append(further[0])


def relaxed(start: list[tuple[int, int]]) -> list[Point]:
    """Smooth a closed polygon like the surface: six passes towards the neighbours' means, then ten that restore."""

    def smoothed(values: list[Point]) -> list[Point]:
        around = zip(values[-1:] + values[:-1], values, values[1:] + values[:1], strict=True)
        return [
            (0.1 * here[0] + 0.45 * (before[0] + after[0]), 0.1 * here[1] + 0.45 * (before[1] + after[1]))
            for before, here, after in around
        ]

    def held(values: list[Point]) -> list[Point]:
        return [
            (min(max(y, y0 - 0.5), y0 + 0.5), min(max(x, x0 - 0.5), x0 + 0.5))
            for (y, x), (y0, x0) in zip(values, start, strict=True)
        ]

    points: list[Point] = [(float(y), float(x)) for y, x in start]
    for _ in range(6):
        points = held(smoothed(points))
    lost: list[Point] = [(y0 - y, x0 - x) for (y, x), (y0, x0) in zip(points, start, strict=True)]
    for _ in range(10):
        lost = smoothed(lost)
    return held([(y + dy, x + dx) for (y, x), (dy, dx) in zip(points, lost, strict=True)])


class Drawing:
    """A panel of voxels, in SVG."""

    def __init__(self, shape: tuple[int, int], *, left: float = MARGIN, top: float = MARGIN) -> None:
        self.shape, self.left, self.top = shape, left, top
        self.parts: list[str] = []

    @property
    def right(self) -> float:
        """Right end of the panel."""
        return self.left + self.shape[1] * STEP

    @property
    def bottom(self) -> float:
        """Bottom of the panel."""
        return self.top + self.shape[0] * STEP

    def at(self, point: Point) -> tuple[str, str]:
        """Return a point in px, x first."""
        return f"{self.left + point[1] * STEP:.1f}", f"{self.top + point[0] * STEP:.1f}"

    def voxels(self, mask: Voxels, dark: Voxels = frozenset()) -> None:
        """Draw the grid, the mask, and some of its voxels in a stronger colour."""
        for y in range(self.shape[0]):
            for x in range(self.shape[1]):
                fill = FILL if (y, x) in dark else PALE if (y, x) in mask else "#ffffff"
                px, py = self.at((y, x))
                self.parts.append(
                    f'<rect x="{px}" y="{py}" width="{STEP}" height="{STEP}" fill="{fill}" stroke="{GRID}"/>'
                )

    def frame(self) -> None:
        """Draw the edge of the image."""
        px, py = self.at((0, 0))
        size = f'width="{self.shape[1] * STEP}" height="{self.shape[0] * STEP}"'
        self.parts.append(f'<rect x="{px}" y="{py}" {size} fill="none" stroke="{DARK}" stroke-width="2"/>')

    def dots(self, points: Iterable[Point], radius: float = 5) -> None:
        """Draw the points that distances are measured from."""
        for px, py in map(self.at, points):
            self.parts.append(f'<circle cx="{px}" cy="{py}" r="{radius:g}" fill="{DARK}"/>')

    def line(self, points: Iterable[Point], *, closed: bool = False) -> None:
        """Draw a contour."""
        path = " ".join(",".join(self.at(point)) for point in points)
        kind = "polygon" if closed else "polyline"
        self.parts.append(f'<{kind} points="{path}" fill="none" stroke="{LINE}" stroke-width="2.5"/>')

    def text(self, point: Point, text: str, *, size: int = 13, anchor: str = "middle") -> None:
        """Draw text at a point of its baseline."""
        px, py = self.at(point)
        self.parts.append(
            f'<text x="{px}" y="{py}" font-family="sans-serif" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{DARK}">{text}</text>'
        )

    def caption(self, text: str) -> None:
        """Draw a caption below the panel."""
        self.text((self.shape[0] + 20 / STEP, 0), text, size=14, anchor="start")


def svg(title: str, *panels: Drawing) -> str:
    """Return an SVG picture of panels on white."""
    width = round(panels[-1].right + MARGIN)
    height = round(max(panel.bottom for panel in panels) + CAPTION + MARGIN / 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(part for panel in panels for part in panel.parts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def centres(voxels: Voxels) -> list[Point]:
    """Return the centres of voxels."""
    return [(y + 0.5, x + 0.5) for y, x in sorted(voxels)]


def voxel_figure() -> str:
    """Draw border voxels and their centres."""
    mask, shape = drawn(MASK)
    panel = Drawing(shape)
    panel.voxels(mask, border(mask))
    panel.dots(centres(border(mask)))
    panel.caption("border voxels: a neighbour across a face is outside")
    return svg("The voxel surface", panel)


def surfel_figure() -> str:
    """Draw corners, the contour around them, and the length of contour of each corner."""
    mask, shape = drawn(MASK)
    panel = Drawing(shape)
    panel.voxels(mask)
    lengths = surfel_areas((1.0, 1.0))
    corners = lattice(mask)
    for corner in corners:
        panel.line(crossings(mask, corner))
    panel.dots(corners, radius=4)
    for (y, x), pattern in corners.items():
        away = free_side(pattern)
        label = f"{float(lengths[pattern]):.2f}".removeprefix("0")
        panel.text((y + 0.36 * away[0] + 0.09, x + 0.42 * away[1]), label, size=12)
    panel.caption("corners with lengths of contour in voxels")
    return svg("The surfel surface", panel)


def free_side(pattern: int) -> Point:
    """Return the unit vector from a corner away from the contour."""
    voxels = [(0.5 - dy, 0.5 - dx) for bit, (dy, dx) in enumerate(neighbours(2)) if pattern >> bit & 1]
    y, x = sum(each[0] for each in voxels), sum(each[1] for each in voxels)
    length = math.hypot(y, x) * (1 if len(voxels) == 3 else -1)
    return (y / length, x / length)


def smooth_figure() -> str:
    """Draw the relaxed polygon with the middle of each side."""
    mask, shape = drawn(MASK)
    panel = Drawing(shape)
    panel.voxels(mask)
    points = relaxed(loop(mask))
    panel.line(points, closed=True)
    sides = zip(points, points[1:] + points[:1], strict=True)
    panel.dots([((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in sides], radius=4)
    panel.caption("the principle in 2-D; the surface itself is for 3-D only")
    return svg("The smooth surface", panel)


def others_figure() -> str:
    """Draw the region and the contour of all neighbours."""
    mask, shape = drawn(CUT)
    region = Drawing(shape)
    region.voxels(mask, mask)
    region.frame()
    region.dots(centres(mask))
    region.caption("region: every voxel")
    contour = Drawing(shape, left=region.right + 3 * MARGIN)
    wide = border(mask, corners=True, inside=shape)
    contour.voxels(mask, wide)
    contour.frame()
    contour.dots(centres(wide))
    contour.caption("contour of 8 neighbours, open at the edge")
    return svg("Surfaces of presets", region, contour)


def main() -> None:
    """Write the page and the figures."""
    PAGE.write_text(page(), encoding="utf-8")
    FIGURES.mkdir(exist_ok=True)
    for name, text in figures().items():
        (FIGURES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
