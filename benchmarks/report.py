"""Time the HTML page: ``python benchmarks/report.py [--cases 1000] [--labels 10] [--drawn 40]``.

A page is made from random results of many cases with seven metrics. The script measures how long that takes, how large
the page is, and how long Chromium takes to open it, to sort each column, to filter, and to show all rows. A sort is
timed from the click until the next frame has been laid out. The worst cases have files, so that overlays are drawn:
masks of 128 x 128 x 128 voxels over a scan. Without Chromium the page is not opened; opening it also needs Playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np

from segeval.reports.page import MOST_OVERLAYS, to_html
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, LabelCounts, Score
from segeval.scoring.plan import plan_of

METRICS = ("dice", "iou", "sensitivity", "specificity", "assd", "hd", "hd@95")
LENGTHS = ("assd", "hd", "hd@95")
SIDE = 128
SORT = """async () => {
  const seconds = [];
  for (const button of document.querySelectorAll("#all thead button")) {
    const start = performance.now();
    button.click();
    document.body.getBoundingClientRect();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}"""
FILTER = """() => {
  const find = document.getElementById("find");
  const start = performance.now();
  find.value = "9";
  find.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
  return (performance.now() - start) / 1000;
}"""
ALL = """() => {
  const find = document.getElementById("find");
  find.value = "";
  find.dispatchEvent(new Event("input"));
  const start = performance.now();
  document.querySelector("#more button").click();
  document.body.getBoundingClientRect();
  return (performance.now() - start) / 1000;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--drawn", type=int, default=40, help="number of the worst cases that have files (40)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        results = random_results(options.cases, options.labels)
        with_files = give_files(results, folder, options.drawn, options.labels)
        html = folder / "report.html"
        seconds = []
        for found, images in ((results, None), (with_files, str(folder / "scans"))):
            start = time.perf_counter()
            html.write_text("".join(to_html(found, images=images, worst=MOST_OVERLAYS)), "utf-8")
            seconds.append(time.perf_counter() - start)
        print(f"{options.cases:,} cases, {options.labels} labels, {len(METRICS)} metrics; {os.cpu_count()} processors")
        print(f"built in {seconds[0]:.1f} s without files, in {seconds[1]:.1f} s with overlays")
        print(f"{html.stat().st_size / 1e6:.2f} MB, {html.read_text('utf-8').count('<figure id=')} overlays")
        in_browser(html)


def random_results(cases: int, labels: int) -> Results:
    random = np.random.default_rng(1)
    values = np.clip(random.beta(9, 1 + np.arange(1, labels + 1) / 6, (cases, labels)), 0, 1)
    names = [f"case_{place:05}" for place in range(cases)]
    scores, counts = Scores(), CaseCounts()
    for name, row in zip(names, values.tolist(), strict=True):
        for label, dice in enumerate(row, 1):
            found = {
                "dice": dice, "iou": dice / (2 - dice), "sensitivity": dice**0.5, "specificity": 1 - (1 - dice) / 9,
                "assd": (1 - dice) * 20, "hd": (1 - dice) * 100, "hd@95": (1 - dice) * 60,
            }  # fmt: skip
            scores.extend(
                Score(
                    case=name, label=label, name=f"organ_{label}", metric=metric, value=value, note=None,
                    unit="mm" if metric in LENGTHS else None,
                )
                for metric, value in found.items()
            )  # fmt: skip
            tp = round(1000 * label * dice)
            counts.extend([LabelCounts(case=name, label=label, tp=tp, fp=100, fn=1000 * label - tp, tn=10**6)])
    records = [
        CaseRecord(
            case=name, status="scored", prediction=f"p/{name}.nii.gz", reference=f"r/{name}.nii.gz",
            shape=(SIDE, SIDE, SIDE), spacing=(1.0, 1.0, 1.0), unit="mm", voxels=SIDE**3,
        )
        for name in names
    ]  # fmt: skip
    plan = plan_of(metrics=",".join(METRICS))
    return Results(
        version="1", signature="segeval", settings=plan.settings(), metrics=METRICS, cases=tuple(records),
        scores=scores, counts=counts,
    )  # fmt: skip


def give_files(results: Results, folder: Path, number: int, labels: int) -> Results:
    """Return the results with files for the worst cases by Dice, without their counts, which files would contradict."""
    random = np.random.default_rng(2)
    for side in ("p", "r", "scans"):
        (folder / side).mkdir()
    z, y, x = np.indices((SIDE, SIDE, SIDE), np.int16)
    worst = sorted((score.value or 0.0, score.case) for score in results.scores if score.metric == "dice")
    chosen = list(dict.fromkeys(case for _, case in worst))[:number]
    for name in chosen:
        maps = {side: np.zeros((SIDE,) * 3, np.uint8) for side in ("p", "r")}
        for label in range(1, labels + 1):
            middle = random.integers(20, SIDE - 20, 3)
            for map_ in maps.values():
                a, b, c = middle + random.integers(-3, 4, 3)
                map_[(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 < 14**2] = label
        scan = (random.normal(0, 40, (SIDE,) * 3) + 60.0 * (maps["r"] > 0)).astype(np.int16)
        for side, values in (*maps.items(), ("scans", scan)):
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / side / f"{name}.nii.gz")
    names = [record.case for record in results.cases]
    records = [
        replace(record, prediction=str(folder / record.prediction), reference=str(folder / record.reference))
        if record.case in chosen and record.prediction
        else record
        for record in results.cases
    ]
    return replace(
        results, cases=tuple(records), counts=results.counts.of(name for name in names if name not in chosen)
    )


def in_browser(html: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium: the page was not opened")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        page.goto(html.as_uri())
        print(f"opened in {time.perf_counter() - start:.2f} s")
        page.evaluate(SORT)
        seconds = [second for _ in range(3) for second in page.evaluate(SORT)]
        print(f"a column sorts in {statistics.median(seconds):.3f} s, at most in {max(seconds):.3f} s")
        print(f"filters in {page.evaluate(FILTER):.3f} s, shows every row in {page.evaluate(ALL):.2f} s")
        print(f"with every row shown, a column sorts in {max(page.evaluate(SORT)):.2f} s at most")
        browser.close()


if __name__ == "__main__":
    main()
