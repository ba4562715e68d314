"""Write docs/definitions.md and the figures beside it: every metric's card, the conventions and the presets.

The facts come from the registry and from the presets, so that the page cannot say what the program does not do; the
text about conventions is here. `python docs/make_definitions.py` writes the files anew, always the same bytes.
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

What every number is, written out of the program's own records by `docs/make_definitions.py`. `segeval metrics NAME`
prints a card in the terminal, and the [signature](decisions/10-evidence-cards-signature.md) of a result says which
conventions held.

P is the prediction and R the reference, as sets of voxels. TP, FP, FN and TN count the voxels in both, only in P,
only in R and in neither, over the whole image less ignored voxels; N is their sum. d(P) and d(R) are the surfaces,
dP the distances from the points of d(P) to d(R), dR those from d(R) to d(P).

- [Metrics](#metrics): {metrics}
- [Conventions](#conventions): surfaces, percentiles, tolerances, the penalty, absent classes
- [Presets](#presets): what other tools mean, `--compat NAME`

[Class imbalance](imbalance.md) shows what the scores and losses do as an object gets small.
"""

CONVENTIONS = f"""\
## Conventions

### Surfaces

`--surface` says what the surface of a label is. In each figure a square is a voxel, and what is dark is what
distances run from. Outside the image is background, unless a preset says otherwise; lengths are in mm by the
spacing.

**`voxel`** is the default: the centres of the border voxels, those with a neighbour across a face (4 in 2-D, 6 in
3-D) that is not of the label. Each counts the same. MONAI, MetricsReloaded, MedPy and panoptica have this surface.

![Border voxels of a mask, a dot in the centre of each](figures/surface-voxel.svg)

**`surfel`**: the corners of the voxel lattice at which the label and something else meet. Each is weighed by the
area (in 2-D the length) of the surface that marching cubes draws through the voxels around it. surface-distance has
this surface.

![Corners between a mask and its surroundings, each with the length of its piece of contour](figures/surface-surfel.svg)

**`smooth`**: an elastic surface. Each corner between the label and the rest may move half a voxel; all are pulled
together, and then back by the mean of what they have lost. Distances run from the centre of each quad to the
nearest point of the other surface, weighed by its area. It comes nearest to the truth where masks are staircases of
something round, and is for 3-D only. Its rule has a version, now {SMOOTH_RULE}, which the signature carries.

![A polygon relaxed from the staircase of a mask, a dot in the middle of each side](figures/surface-smooth.svg)

Two more belong to presets alone. The **region** (SimpleITK) is every voxel of the mask, so that most distances are
0 where masks overlap. The **contour of all neighbours** (seg-metrics) also counts the voxels that touch the rest at
a corner (8 neighbours in 2-D, 26 in 3-D), and at the edge of the image it has no border.

![A dot in every voxel of a mask, and its contour, open at the image's edge](figures/surface-others.svg)

[Surfaces and Hausdorff distances](decisions/01-surfaces.md) says why `voxel` is the default.

### Percentiles

`--percentile` says of which distances `hd@Q` is the percentile.

- **`directed`**, the default: the larger of the percentile of dP and that of dR.
- **`pooled`**: the percentile of dP and dR together, in which a large surface that fits hides a small one that does
  not.

On `voxel` a percentile is linear between neighbours: of n sorted distances it is the one at place (n - 1) Q / 100,
counted from 0. On {BY_AREA} it is the smallest distance within which at least Q percent of the area lies.

### Tolerances

`nsd@T` and the two overlaps count what lies within T of the other surface. Within T means up to T plus {SLACK:g} of
the smallest spacing: NIfTI keeps spacing in float32, where 1.2 is 1.2000000477. The slack is the same for all three
surfaces. `nsd` without a number takes `--tolerance`, which may differ by label.
[Tolerances](decisions/04-tolerances.md) has the reasons.

### The penalty

Where exactly one of the two maps lacks a label, a distance has nothing to run to, and `--penalty` stands for it: by
default the diagonal of the reference's whole grid, the root of the sum of (voxels times spacing)² over the axes; or
a length, `inf`, or `nan` for undefined. On `surfel` and `smooth` the mean *from* an empty surface is undefined.
Where both lack it, distances and overlaps are undefined. [Empty masks](decisions/02-empty-masks.md) has the
reasons.

### Absent classes

`generalized_dice` weighs a class by 1 / R². A class that the reference lacks would weigh infinitely, and
`--absent-class` says what it weighs: **`max`** (the default) as much as the heaviest class of the same case,
**`ignore`** nothing; with **`penalise`** the case scores 0 if such a class is predicted. [Generalized
Dice](decisions/03-generalized-dice.md) has the reasons.
"""

PRESET_TEXT = """\
## Presets

`--compat NAME` takes over all conventions of another tool at once. A preset never changes which formula a name
means: a tool's number that is called otherwise there keeps our name. A metric that the tool lacks is refused. The
numbers are held to the packages themselves by `tests/scoring/test_compat_peers.py`; [other
tools](decisions/16-other-tools.md) has the reasons, and [coming from another tool](coming-from.md) the calls.
"""

EMPTY_TEXT = """\
### Presets and empty masks

NaN and exceptions become an undefined score with a note that says which: `monai: nan`, `medpy raises`. "Formula" is
what the formula gives; a metric that is not listed follows its formula throughout.
"""


def page() -> str:
    """The text of docs/definitions.md."""
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
    """Every metric, in the order of the registry, under the evidence that it needs."""
    heading = None
    for card in METRICS.values():
        if card.kind.title != heading:
            heading = card.kind.title
            yield f"### {heading}\n"
        yield card_text(card)


def card_text(card: Metric) -> str:
    """One metric in full."""
    low, high = card.bounds
    facts = {
        "name": ", ".join(f"`{name}`" for name in (spelling(card), *card.aliases)),
        "formula": f"`{card.formula}`",
        "unit": UNITS[card.quantity],
        "better": "neither" if card.better is Direction.NEITHER else f"{card.better}",
        "range": f"{low:.3g} to {high:.3g}".replace("inf", "infinity"),
        "undefined": "never" if card.undefined == "never" else f"if {card.undefined}",
        "one empty": card.one_empty or "follows from the formula",
        "symmetric": "yes" if card.symmetric else "no",
        "parameter": parameter(card),
        "source": linked(card.source),
    }
    lines = [f"- {name}: {text}" for name, text in facts.items() if text]
    paragraphs = " ".join(part for part in (card.summary, card.description) if part)
    return "\n".join([f"#### {card.name}", "", f"**{card.title}.** {paragraphs}", "", *lines, ""])


def parameter(card: Metric) -> str:
    """The number after the @, with its limits and its default."""
    given = card.parameter
    if given is None:
        return ""
    limits = f"{given.low:g} or more" if given.high == math.inf else f"{given.low:g} to {given.high:g}"
    default = "`--tolerance`" if given.name == "tolerance" else f"{given.default:g}"
    return f"{given.name}, {limits}; default {default}"


def linked(source: str) -> str:
    """A source with its identifiers as links."""
    words = []
    for word in source.split(" "):
        bare = word.rstrip(";,")
        kind, colon, identifier = bare.partition(":")
        home = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(kind)
        words.append(f"[{bare}]({home}{identifier}){word[len(bare) :]}" if home and colon else word)
    return " ".join(words)


def table(heads: Collection[str], rows: Iterable[Collection[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def presets() -> str:
    """The conventions of each preset, and what a tool calls by another name."""
    heads = ["preset", "of", "surface", "neighbours", "percentile", "`nsd`", "mean surface distance", "another name"]
    return table(heads, [preset_row(name, preset) for name, preset in PRESETS.items()])


def preset_row(name: str, preset: Preset) -> list[str]:
    """What sets a preset apart, a dash where it does not matter."""
    conventions = preset.conventions
    measures = any(METRICS[metric.partition("@")[0]].needs is SurfaceDistances for metric in preset.metrics)
    percentiles = any(metric.startswith("hd@") for metric in preset.metrics)
    rule = "cumulated area" if conventions.surface in WEIGHTED else "linear"
    wide = "all that touch; the image's edge is no border" if not conventions.edge_is_border else "all that touch"
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
    """How a preset counts what is within the tolerance."""
    of = "mean of both sides" if conventions.sides_averaged else "area" if conventions.surface in WEIGHTED else "points"
    within = {"exact": "`d <= T`", "float32": "`d <= T` in float32", "slack": "`d <= T + slack`"}[conventions.within]
    return f"{of}, {within}"


def metrics_of_presets() -> str:
    """Which of our metrics each tool has."""
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
    """What each tool gives for empty masks; metrics with one rule share a row."""
    rows = []
    for name, preset in PRESETS.items():
        for metrics, rule in grouped(preset.conventions.empty, preset).items():
            rows.append([f"`{name}`", metrics, *(empty_value(each) for each in rule)])
    return table(["preset", "metric", "both empty", "prediction empty", "reference empty"], rows)


def grouped(rules: Mapping[str, tuple[Empty, Empty, Empty]], preset: Preset) -> dict[str, tuple[Empty, Empty, Empty]]:
    """Metrics that the tool has -> their common rule."""
    by_rule: dict[tuple[Empty, Empty, Empty], list[str]] = {}
    for metric, rule in rules.items():
        if metric in preset.metrics or (metric == "hd@" and "hd@95" in preset.metrics):
            by_rule.setdefault(rule, []).append("`hd@Q`" if metric == "hd@" else f"`{metric}`")
    return {", ".join(metrics): rule for rule, metrics in by_rule.items()}


def empty_value(value: Empty) -> str:
    """What is given, in words."""
    if value is None:
        return "formula"
    if isinstance(value, str):
        return {"nan": "NaN", "raises": "raises"}[value]
    return "infinity" if value == math.inf else f"{value:.3g}"


# Figures: a mask drawn by hand, and on it what each surface is. Points are (row, column) in voxels.

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
    """The files in docs/figures, by name."""
    return {
        "surface-voxel.svg": voxel_figure(),
        "surface-surfel.svg": surfel_figure(),
        "surface-smooth.svg": smooth_figure(),
        "surface-others.svg": others_figure(),
    }


def drawn(text: str) -> tuple[Voxels, tuple[int, int]]:
    """The voxels of a mask and the shape of its image."""
    rows = text.split()
    found = frozenset((y, x) for y, row in enumerate(rows) for x, mark in enumerate(row) if mark == "#")
    return found, (len(rows), len(rows[0]))


def border(mask: Voxels, *, corners: bool = False, inside: tuple[int, int] | None = None) -> Voxels:
    """Voxels with a neighbour that is not of the mask; neighbours outside an image `inside` do not count."""
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0) and (corners or 0 in (y, x))]

    def is_other(y: int, x: int) -> bool:
        counts = inside is None or (0 <= y < inside[0] and 0 <= x < inside[1])
        return counts and (y, x) not in mask

    return frozenset((y, x) for y, x in mask if any(is_other(y + dy, x + dx) for dy, dx in steps))


def lattice(mask: Voxels) -> dict[tuple[int, int], int]:
    """Corners at which the mask and something else meet -> the pattern of the voxels around each."""
    found = {}
    for y, x in sorted({(y + dy, x + dx) for y, x in mask for dy in (0, 1) for dx in (0, 1)}):
        pattern = sum(1 << bit for bit, (dy, dx) in enumerate(neighbours(2)) if (y - dy, x - dx) in mask)
        if pattern != 15:
            found[y, x] = pattern
    return found


def crossings(mask: Voxels, corner: tuple[int, int]) -> list[Point]:
    """The two places around a corner in the middle between a voxel of the mask and another one."""
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
    """The corners of the staircase around a mask in one piece, in order."""
    corners = lattice(mask)

    def linked_to(corner: tuple[int, int]) -> list[tuple[int, int]]:
        y, x = corner
        sides = {  # the corner at the other end of each side -> the voxels on either side of it
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
    """The closed polygon after six passes towards the neighbours' means and ten that restore, as the surface has it."""

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
        """Where the panel ends."""
        return self.left + self.shape[1] * STEP

    @property
    def bottom(self) -> float:
        """Where the panel ends."""
        return self.top + self.shape[0] * STEP

    def at(self, point: Point) -> tuple[str, str]:
        """A point in px, x first."""
        return f"{self.left + point[1] * STEP:.1f}", f"{self.top + point[0] * STEP:.1f}"

    def voxels(self, mask: Voxels, dark: Voxels = frozenset()) -> None:
        """The grid, the mask, and some of its voxels in a stronger colour."""
        for y in range(self.shape[0]):
            for x in range(self.shape[1]):
                fill = FILL if (y, x) in dark else PALE if (y, x) in mask else "#ffffff"
                px, py = self.at((y, x))
                self.parts.append(
                    f'<rect x="{px}" y="{py}" width="{STEP}" height="{STEP}" fill="{fill}" stroke="{GRID}"/>'
                )

    def frame(self) -> None:
        """The edge of the image."""
        px, py = self.at((0, 0))
        size = f'width="{self.shape[1] * STEP}" height="{self.shape[0] * STEP}"'
        self.parts.append(f'<rect x="{px}" y="{py}" {size} fill="none" stroke="{DARK}" stroke-width="2"/>')

    def dots(self, points: Iterable[Point], radius: float = 5) -> None:
        """What distances run from."""
        for px, py in map(self.at, points):
            self.parts.append(f'<circle cx="{px}" cy="{py}" r="{radius:g}" fill="{DARK}"/>')

    def line(self, points: Iterable[Point], *, closed: bool = False) -> None:
        """A contour."""
        path = " ".join(",".join(self.at(point)) for point in points)
        kind = "polygon" if closed else "polyline"
        self.parts.append(f'<{kind} points="{path}" fill="none" stroke="{LINE}" stroke-width="2.5"/>')

    def text(self, point: Point, text: str, *, size: int = 13, anchor: str = "middle") -> None:
        """Words, by their baseline."""
        px, py = self.at(point)
        self.parts.append(
            f'<text x="{px}" y="{py}" font-family="sans-serif" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{DARK}">{text}</text>'
        )

    def caption(self, text: str) -> None:
        """A line beneath the panel."""
        self.text((self.shape[0] + 20 / STEP, 0), text, size=14, anchor="start")


def svg(title: str, *panels: Drawing) -> str:
    """A picture of panels, on white."""
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
    """The centres of voxels."""
    return [(y + 0.5, x + 0.5) for y, x in sorted(voxels)]


def voxel_figure() -> str:
    """Border voxels and their centres."""
    mask, shape = drawn(MASK)
    panel = Drawing(shape)
    panel.voxels(mask, border(mask))
    panel.dots(centres(border(mask)))
    panel.caption("border voxels: a neighbour across a face is outside")
    return svg("The voxel surface", panel)


def surfel_figure() -> str:
    """Corners, the contour through their neighbourhoods, and its length in each."""
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
    panel.caption("corners, each with its length of contour in voxels")
    return svg("The surfel surface", panel)


def free_side(pattern: int) -> Point:
    """The way from a corner to where the contour is not, of length 1."""
    voxels = [(0.5 - dy, 0.5 - dx) for bit, (dy, dx) in enumerate(neighbours(2)) if pattern >> bit & 1]
    y, x = sum(each[0] for each in voxels), sum(each[1] for each in voxels)
    length = math.hypot(y, x) * (1 if len(voxels) == 3 else -1)
    return (y / length, x / length)


def smooth_figure() -> str:
    """The relaxed polygon, with the middle of each side."""
    mask, shape = drawn(MASK)
    panel = Drawing(shape)
    panel.voxels(mask)
    points = relaxed(loop(mask))
    panel.line(points, closed=True)
    sides = zip(points, points[1:] + points[:1], strict=True)
    panel.dots([((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in sides], radius=4)
    panel.caption("the idea, drawn in 2-D: the surface itself is for 3-D only")
    return svg("The smooth surface", panel)


def others_figure() -> str:
    """Every voxel, and the contour of all neighbours."""
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
