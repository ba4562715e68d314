"""The HTML page in Chromium: sorting, filtering, small screens, dark mode, without JavaScript.

Chromium is Debian's (`apt-get install chromium`); it is driven by Playwright, and axe-core looks for barriers.
"""

from __future__ import annotations

import importlib.resources
import os
import shutil
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from segeval.api import batch
from segeval.reports.page import to_html
from segeval.results.columns import CaseCounts, Scores
from tests.pages import CASE, LABEL, hostile, large
from tests.places import TOP
from tests.reports.test_golden import awkward_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from segeval.results.results import Results

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")]


def write(path: Path, results: Results, **options: Any) -> Path:
    """Write a page to a file."""
    path.write_text("".join(to_html(results, **options)), "utf-8")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def samples(folder: Path) -> Path:
    here = os.getcwd()  # noqa: PTH109
    os.chdir(TOP)
    try:
        results = batch(
            "sample_data/predictions", "sample_data/references", jobs=1, metrics="dice,hd@95,generalized_dice"
        )
        return write(folder / "samples.html", results)
    finally:
        os.chdir(here)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


class Opened:
    """An open page, with its requests and errors."""

    def __init__(self, browser: Browser, path: Path, *, fragment: str = "", **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        address = path.as_uri()

        def answered(route: Any) -> None:
            if route.request.url.partition("#")[0] == address:
                route.continue_()
            else:
                self.requests.append(route.request.url)
                route.abort()

        self.page.route("**/*", answered)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.goto(address + fragment)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def column(self, title: str) -> list[str]:
        """Values of a column in the visible rows; an empty text without a value."""
        found: list[str] = self.page.evaluate(
            """(title) => {
              const table = document.getElementById("all");
              const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith(title));
              return [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v ?? "");
            }""",
            title,
        )
        return found

    def cases(self) -> list[str]:
        """Cases of the visible rows."""
        found: list[str] = self.page.eval_on_selector_all(
            "#all tbody th", "cells => cells.map(cell => cell.textContent)"
        )
        return found

    def button(self, title: str) -> Any:
        """The button that sorts by a column."""
        return self.page.locator("#all thead button").filter(has_text=title).first


def in_order(values: list[str], *, descending: bool) -> bool:
    """Whether values are sorted, with missing values last."""
    there = [float(value) for value in values if value]
    if values[len(there) :] != [""] * (len(values) - len(there)):
        return False
    return all(one >= other if descending else one <= other for one, other in pairwise(there))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_makes_no_requests_and_has_no_errors(browser: Browser, samples: Path, width: int, scheme: str) -> None:
    with Opened(browser, samples, viewport={"width": width, "height": 900}, color_scheme=scheme) as opened:
        opened.page.wait_for_load_state("networkidle")
        assert opened.requests == []
        assert opened.complaints == []
        size = opened.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert size == [width, width]  # tables scroll, the page does not
        colors = opened.page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        bright = [sum(int(part) for part in color[4:-1].split(",")) > 384 for color in colors]
        assert bright == [scheme == "light", scheme == "dark"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["samples", "hostile"])
def test_axe_finds_no_accessibility_problem(
    browser: Browser, samples: Path, folder: Path, name: str, width: int, scheme: str
) -> None:
    path = samples if name == "samples" else write(folder / "barriers.html", hostile())
    source = importlib.resources.files(axe).joinpath("axe.min.js").read_text("utf-8")
    with Opened(browser, path, viewport={"width": width, "height": 900}, color_scheme=scheme) as opened:
        opened.page.evaluate(source)
        found = opened.page.evaluate("axe.run()")
        assert found["passes"]
        assert [
            (each["id"], each["impact"], each["nodes"][0]["html"])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ] == []


def test_columns_sort_by_mouse(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        before = opened.cases()
        for descending, order in ((False, "ascending"), (True, "descending")):
            opened.button("dice").click()
            assert opened.page.locator("#all th[aria-sort]").count() == 1
            assert opened.page.locator("#all th[aria-sort]").get_attribute("aria-sort") == order
            values = opened.column("dice")
            assert "" in values
            assert in_order(values, descending=descending)
            assert sorted(opened.cases()) == sorted(before)
        opened.button("hd@95").click()
        assert in_order(opened.column("hd@95"), descending=False)
        opened.button("note").click()
        assert opened.page.locator("#all tbody tr:first-child td:last-child").inner_text() == "false alarm"
        opened.button("case").click()
        assert opened.cases() == before
        assert opened.complaints == []


def test_columns_sort_by_keyboard(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        opened.page.locator("#find").focus()
        for _ in range(20):
            opened.page.keyboard.press("Tab")
            if opened.page.evaluate("document.activeElement.textContent").startswith("hd@95"):
                break
        assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        opened.page.keyboard.press("Enter")
        assert in_order(opened.column("hd@95"), descending=False)
        opened.page.keyboard.press("Space")
        assert in_order(opened.column("hd@95"), descending=True)
        assert opened.page.evaluate("document.activeElement.textContent").startswith("hd@95")


def test_rows_are_filtered_by_text_and_by_label(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        status = opened.page.get_by_role("status")
        assert status.inner_text() == "79 rows"
        opened.page.get_by_label("Find").fill("CASE_09")
        assert set(opened.cases()) == {"case_09"}
        assert status.inner_text() == "6 of 79 rows"
        opened.page.get_by_label("Label", exact=True).select_option("liver")
        assert opened.cases() == ["case_09"]
        opened.page.get_by_label("Find").fill("missed")
        assert opened.cases() == ["case_14"]
        opened.page.get_by_label("Find").fill("nowhere")
        assert opened.cases() == []
        assert status.inner_text() == "0 of 79 rows"
        opened.page.get_by_label("Find").fill("")
        assert len(opened.cases()) == 13
        opened.button("dice").click()
        assert in_order(opened.column("dice"), descending=False)
        assert len(opened.cases()) == 13


def test_a_link_shows_a_row_that_the_filter_had_hidden(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        opened.page.get_by_label("Find").fill("case_01")
        opened.page.locator(".worst a", has_text="case_09").first.click()
        row = opened.page.locator("#all tr.found")
        assert row.locator("th").inner_text() == "case_09"
        assert row.is_visible()
        opened.page.get_by_label("Find").fill("case_01")
        opened.page.locator(".worst a", has_text="case_09").first.click()  # the address stays as it is
        assert row.is_visible()


def test_one_metric_at_a_time(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        tabs = opened.page.get_by_role("tab")
        assert tabs.all_inner_texts() == ["dice", "hd@95", "generalized_dice", "size"]

        def shown() -> list[str]:
            return [
                panel.locator("h3").inner_text()
                for panel in opened.page.get_by_role("tabpanel").all()
                if panel.is_visible()
            ]

        assert shown() == ["dice ↑"]
        tabs.nth(1).click()
        assert shown() == ["hd@95 ↓ mm"]
        opened.page.keyboard.press("ArrowRight")
        opened.page.keyboard.press("ArrowRight")
        assert shown() == ["Predicted and reference size"]
        opened.page.keyboard.press("ArrowRight")
        assert shown() == ["dice ↑"]
        assert opened.page.evaluate("document.activeElement.textContent") == "dice"
        opened.page.emulate_media(media="print")
        assert len(shown()) == 4
        assert not opened.page.locator("nav").is_visible()


def test_without_javascript_everything_is_shown(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples, java_script_enabled=False) as opened:
        assert opened.page.locator("#all tbody tr").count() == 79
        assert opened.page.locator(".panel:visible").count() == 4
        assert opened.page.locator("button").count() == 0
        assert not opened.page.locator("#filters").is_visible()


def test_names_are_never_executed(browser: Browser, folder: Path) -> None:
    with Opened(browser, write(folder / "hostile.html", hostile(), title=LABEL)) as opened:
        opened.page.wait_for_load_state("networkidle")
        opened.button("dice").click()
        opened.page.get_by_label("Label", exact=True).select_option(LABEL)
        opened.page.get_by_label("Find").fill(CASE)
        assert opened.cases() == [CASE]
        assert opened.page.locator("main img, main script, header script").count() == 0
        assert (opened.requests, opened.complaints) == ([], [])


@pytest.mark.parametrize("width", [1440, 768, 390])
def test_scores_are_readable_next_to_a_long_name(browser: Browser, folder: Path, width: int) -> None:
    names = {"case_00000": "n" * 300, "case_00001": "a name of words " * 18}
    results = large(2, labels=2)
    cases = tuple(replace(each, case=names[each.case]) for each in results.cases)
    scores, counts = Scores(), CaseCounts()
    scores.extend(replace(each, case=names[each.case]) for each in results.scores)
    counts.extend(replace(each, case=names[each.case]) for each in results.counts)
    long = replace(results, cases=cases, scores=scores, counts=counts)
    path = write(folder / "long.html", long, overlays=False)
    with Opened(browser, path, viewport={"width": width, "height": 900}) as opened:
        found = opened.page.evaluate(
            """() => {
              const box = document.getElementById("all").parentElement;
              box.scrollIntoView({ behavior: "instant", block: "start" });
              box.scrollLeft = box.scrollWidth;
              return [...document.querySelectorAll("#all tbody tr")].map((row) => {
                const cell = row.cells[row.cells.length - 2];
                row.scrollIntoView({ behavior: "instant", block: "center" });
                box.scrollLeft = box.scrollWidth;
                const place = cell.getBoundingClientRect();
                const at = (x) => document.elementFromPoint(x, place.top + place.height / 2);
                const head = row.cells[0].getBoundingClientRect();
                return [at(place.left + 1) === cell && at(place.right - 1) === cell,
                        head.width / box.clientWidth, row.cells[0].scrollWidth <= row.cells[0].clientWidth];
              });
            }"""
        )
        assert [seen for seen, _, _ in found] == [True] * 4
        assert all(share < 0.5 for _, share, _ in found)
        assert [inside for _, _, inside in found] == [True] * 4


def test_missing_scores_are_aligned_like_numbers(browser: Browser, folder: Path) -> None:
    with Opened(browser, write(folder / "undefined.html", awkward_batch())) as opened:
        found = opened.page.evaluate(
            """() => [...document.querySelectorAll("#all tbody tr")].flatMap((row) =>
              [...row.cells].slice(2, -1).filter((cell) => !cell.dataset.v && cell.textContent)
                .map((cell) => getComputedStyle(cell).textAlign))"""
        )
        assert set(found) == {"right"}
        ends = opened.page.evaluate(
            """() => [1, -1].map((place) => getComputedStyle(document.querySelector("#all tbody tr").cells[
              place < 0 ? document.querySelector("#all tbody tr").cells.length - 1 : place]).textAlign)"""
        )
        assert ends == ["left", "left"]


def test_paper_has_more_rows_and_every_setting(browser: Browser, folder: Path) -> None:
    """One page with few rows is printed; others only get the event, because Chromium is slow with many rows."""
    path = write(folder / "printed.html", large(250), overlays=False)
    seen = """() => [document.querySelectorAll("#all tbody tr").length, document.querySelector("details").open,
                     document.getElementById("more").firstChild.data]"""
    printed = f"""() => {{ dispatchEvent(new Event("beforeprint")); const found = ({seen})();
                         dispatchEvent(new Event("afterprint")); return found; }}"""
    with Opened(browser, path) as opened:
        before = opened.page.evaluate(seen)
        assert before == [200, False, "The first 200 are shown. "]
        assert opened.page.evaluate(printed) == [2000, True, "The first 2,000 are shown. "]
        assert opened.page.evaluate(seen) == before
        opened.page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = ({seen})(); }})")
        opened.page.get_by_label("Find").fill("case_0001")  # on paper too
        before = opened.page.evaluate(seen)
        opened.page.pdf()
        assert opened.page.evaluate("window.printed")[:2] == [100, True]
        assert opened.page.evaluate(seen) == before
        opened.page.get_by_label("Find").fill("")
        opened.page.get_by_role("button", name="Show all").click()
        assert opened.page.evaluate(printed)[0] == 2500
        opened.page.emulate_media(media="print")
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details dl").is_visible()


def test_the_security_policy_is_enforced(browser: Browser, samples: Path) -> None:
    """Even if a name were not escaped: no script runs, no style applies, nothing is fetched."""
    with Opened(browser, samples) as opened:
        opened.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.broken = true";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend", "<img src='https://localhost/x'>");
              document.body.insertAdjacentHTML("beforeend", "<p id=p style='color: red'>p</p>");
              document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.broken = true'>");
            }"""
        )
        opened.page.wait_for_load_state("networkidle")
        assert opened.page.evaluate("window.broken") is None
        assert opened.page.evaluate("document.getElementById('p').style.color") == ""
        assert opened.requests == []
        assert len(opened.complaints) >= 3


def test_the_signature_is_copied(browser: Browser, samples: Path) -> None:
    with Opened(browser, samples) as opened:
        opened.page.get_by_role("button", name="Copy").click()
        opened.page.get_by_role("button", name="Copied").wait_for()
        assert opened.page.evaluate("getSelection().toString()").startswith("segeval ")


def test_ten_thousand_rows_are_sorted_and_shown_in_parts(browser: Browser, folder: Path) -> None:
    results = large(1000)
    path = write(folder / "large.html", results, overlays=False)
    with Opened(browser, path, fragment="#r9500") as opened:
        assert opened.page.locator("#r9500").is_visible()
        assert opened.cases().count("case_00949") > 0
        opened.page.get_by_label("Find").fill("organ_10")
        assert opened.page.get_by_role("status").inner_text() == "1,000 of 10,000 rows"
        assert len(opened.cases()) == 200
        opened.page.get_by_label("Find").fill("")
        for metric in ("dice", "hd@95"):
            opened.button(metric).click()
            values = opened.column(metric)
            assert len(values) == 200
            least = sorted(score.value or 0.0 for score in results.scores if score.metric == metric)[:200]
            assert [float(value) for value in values] == least
        opened.page.get_by_role("button", name="Show all").click()
        assert len(opened.cases()) == 10_000
        assert opened.complaints == []


def test_a_page_where_nothing_was_scored(browser: Browser, folder: Path) -> None:
    results = large(2, labels=1)
    lost = [replace(each, status="failed", message="it is cut short") for each in results.cases]
    bare = replace(results, cases=tuple(lost), scores=results.scores.of([]), counts=results.counts.of([]))
    with Opened(browser, write(folder / "bare.html", bare)) as opened:
        assert opened.cases() == ["case_00000", "case_00001"]
        assert opened.complaints == []
