"""Write the pictures of the HTML page in docs/figures, from the sample data: `python docs/make_report_screenshots.py`.

It needs Chromium (`apt-get install chromium`) and Playwright. No test compares the pixels, which depend on the fonts.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from segeval.cli import run

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures"
SAMPLES = HERE.parent / "sample_data"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
COLORS = 128  # of a picture


def main() -> None:
    """Take screenshots of the top of the page on a desktop, and of the worst cases on a phone in dark mode."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = Path(folder, "report.html")
        words = [str(SAMPLES / "predictions"), str(SAMPLES / "references"), "-m", "dice,sensitivity,assd,hd@95", "-q"]
        requirements = ["--require", "macro:dice=0.7", "--require", "gallbladder:dice.n_missed=0"]
        run(["batch", *words, *requirements, "-f", "csv", "-o", str(page)])
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        desk = browser.new_page(viewport={"width": 1280, "height": 1790}, color_scheme="light")
        desk.goto(page.as_uri())
        save(desk, "report-desk.png", height=1790)
        phone = browser.new_page(viewport={"width": 390, "height": 1130}, color_scheme="dark", device_scale_factor=2)
        phone.goto(page.as_uri())
        phone.evaluate("document.getElementById('worst').scrollIntoView({ behavior: 'instant' })")
        save(phone, "report-phone.png", height=1130)
        browser.close()


def save(page: Page, name: str, *, height: int) -> None:
    """Save what the window shows, with few colours, so that the file is small."""
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height})
    with Image.open(io.BytesIO(shot)) as picture:
        few = picture.convert("RGB").quantize(COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(FIGURES / name, optimize=True)


if __name__ == "__main__":
    main()
