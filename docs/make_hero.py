"""Write docs/figures/hero.svg, the picture at the top of the README: `python docs/make_hero.py`.

It shows one label of the street sample, and what four groups of tools report as its HD95. All numbers come from
`segeval explain`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
FIGURE = HERE / "figures" / "hero.svg"
STREET = HERE.parent / "sample_data" / "street"
NAME = "building"
IGNORED = 255

# the tools of a bar, by the option of their preset, and the convention that gives them this number
GROUPS = (
    (("medpy", "panoptica"), "percentile of both directions together"),
    (("monai", "metricsreloaded"), "larger percentile of the two directions"),
    (("deepmind",), "edges weighted by their length"),
    (("seg-metrics",), "border through corners, both directions together"),
)

WIDTH, HEIGHT = 960, 352
LEFT, TOP, SCALE = 32, 100, 1.5  # of the picture
BARS, ROW, LONGEST = 456, 46, 330  # left edge, distance and length of the bars

STYLE = """\
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","Liberation Sans",Arial,\
sans-serif;fill:#16202b;font-variant-numeric:tabular-nums}
.card{fill:#fff;stroke:#d5dbe2}.dim{fill:#56626f}.bar{fill:#3b6ea5}.frame{fill:none;stroke:#56626f}
.tp{fill:#a6ddce}.fp{fill:#e69f00}.fn{fill:#0072b2}
@media (prefers-color-scheme:dark){text{fill:#e6eaee}.card{fill:#171c22;stroke:#2c343d}.dim{fill:#9ba7b3}
.bar{fill:#5f93c9}.frame{stroke:#9ba7b3}.tp{fill:#3d7566}.fp{fill:#d9a638}.fn{fill:#56a5dc}}"""


def explained() -> dict[str, Any]:
    """Return what `segeval explain` reports for the label, as its JSON has it."""
    options = ["--labels", str(STREET / "labels.json"), "--ignore-label", str(IGNORED), "--only", NAME]
    files = [str(STREET / "prediction.png"), str(STREET / "reference.png")]
    command = [sys.executable, "-m", "segeval", "explain", *files, *options, "-f", "json", "-q"]
    document = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603
    label: dict[str, Any] = document["labels"][0]
    return label


def masks() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the voxels of the label in the prediction and in the reference, without ignored ones."""
    label = next(
        int(number) for number, name in json.loads((STREET / "labels.json").read_text()).items() if name == NAME
    )
    maps = []
    for name in ("prediction.png", "reference.png"):
        with Image.open(STREET / name) as picture:
            maps.append(np.asarray(picture))
    kept = maps[1] != IGNORED
    return (maps[0] == label) & kept, (maps[1] == label) & kept


def outline(mask: NDArray[np.bool_]) -> str:
    """Return a mask as an SVG path of rectangles: runs along x, merged where the rows below have the same run."""
    found: list[tuple[int, int, int, int]] = []
    running: dict[tuple[int, int], int] = {}
    for y, row in enumerate([*mask, np.zeros(mask.shape[1], bool)]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]]))).tolist()
        runs = set(zip(edges[::2], edges[1::2], strict=True))
        found += [(start, stop, top, y) for (start, stop), top in running.items() if (start, stop) not in runs]
        running = {run: running.get(run, y) for run in sorted(runs)}
    return "".join(f"M{start} {top}h{stop - start}V{bottom}h{start - stop}z" for start, stop, top, bottom in found)


def text(x: float, y: float, size: int, words: str, attributes: str = "") -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{attributes}>{words}</text>'


def bars(rows: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Yield the bars: tools, what they do, and their HD95."""
    yield text(BARS, TOP + 4, 15, "HD95, as each tool reports it", ' font-weight="650"')
    values = {}
    for presets, _ in GROUPS:
        (value,) = {rows[preset]["hd95"] for preset in presets}  # the tools of a group agree
        values[presets] = value
    longest = max(values.values())
    for place, (presets, convention) in enumerate(GROUPS):
        top = TOP + 22 + place * ROW
        value = values[presets]
        tools = ", ".join(rows[preset]["tool"] for preset in presets)
        yield text(BARS, top + 13, 14, f'{tools}<tspan class="dim" font-size="12" dx="8">{convention}</tspan>')
        length = f"{value / longest * LONGEST:.1f}"
        yield f'<rect class="bar" x="{BARS}" y="{top + 20}" width="{length}" height="12" rx="3"/>'
        yield text(WIDTH - LEFT, top + 32, 17, f"{value:.2f} px", ' font-weight="650" text-anchor="end"')


def legend() -> Iterable[str]:
    """Yield the meaning of the colours."""
    y = TOP + 128 * SCALE + 24
    for x, kind, words in ((32, "tp", "in both"), (116, "fp", "prediction only"), (250, "fn", "reference only")):
        yield f'<rect class="{kind}" x="{x}" y="{y - 10:g}" width="14" height="10" rx="2"/>'
        yield text(x + 20, y, 13, words, ' class="dim"')


def figure() -> str:
    """Return the picture, as SVG."""
    label = explained()
    rows = {row["asked"].removeprefix("--compat "): row for row in label["rows"]}
    (dice,) = {f"{row['dice']:.4f}" for row in label["rows"]}  # the same in every tool
    prediction, reference = masks()
    parts = {"tp": prediction & reference, "fp": prediction & ~reference, "fn": reference & ~prediction}
    words = "; ".join(
        f"{' and '.join(rows[preset]['tool'] for preset in presets)}: {rows[presets[0]]['hd95']:.2f} pixels"
        for presets, _ in GROUPS
    )
    height, width = reference.shape
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        '<title id="t">One pair, one label, four HD95s</title>',
        f'<desc id="d">The label {NAME} of the street sample. Its Dice is {dice} in every tool. HD95: {words}.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="14"/>',
        text(LEFT, 47, 23, f"One pair, one label. Dice {dice} in every tool. Four HD95s.", ' font-weight="680"'),
        text(
            LEFT,
            74,
            15,
            f"Label “{NAME}” of the street sample, {reference.sum():,} pixels in the reference",
            ' class="dim"',
        ),
        f'<g transform="translate({LEFT} {TOP - 8}) scale({SCALE})">',
        *(f'<path class="{kind}" d="{outline(mask)}"/>' for kind, mask in parts.items()),
        f'<rect class="frame" width="{width}" height="{height}" stroke-width=".8"/>',
        "</g>",
        *legend(),
        *bars(rows),
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def main() -> None:
    """Write the picture."""
    FIGURE.write_text(figure(), encoding="utf-8")


if __name__ == "__main__":
    main()
