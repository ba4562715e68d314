"""Results as one HTML page that needs nothing else: no network, no other file (home of Jinja2).

What a team looks at after a nightly run, and what a reviewer opens from a CI artifact: the gate, what was not scored,
means with their intervals, figures, the worst cases, and every score in a table that sorts and filters. Without
JavaScript it is all there, unsorted. Names come from files: Jinja2 escapes every text, and a security policy in the
page allows the one style sheet and the one script that it carries, by their hashes, and nothing from anywhere. No
clock: the same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from segeval.reports.page.contents import MOST_OVERLAYS, WORST, page_of
from segeval.results.results import Results

__all__ = ["MOST_OVERLAYS", "WORST", "to_html"]


def to_html(
    results: Results,
    *,
    title: str | None = None,
    worst: int = WORST,
    overlays: bool = True,
    images: str | None = None,
    source: str | None = None,
) -> Iterator[str]:
    """The results as one HTML page.

    Parameters
    ----------
    results
        Of any number of cases; with their summary.
    title
        What the page is headed by.
    worst
        How many of the worst cases are shown for each metric.
    overlays
        Whether the worst cases are drawn; their files are read again.
    images
        The folder of the scans that are drawn beneath.
    source
        The file that the results were read from, if any: files of cases are looked for beside it where their relative
        paths lead to nothing.

    Yields
    ------
    str
        Parts of a document. The same results and files give the same text.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style, script = _packaged("page.css"), _packaged("page.js")
    yield from environment.from_string(_packaged("page.html.j2")).generate(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        page=page_of(results, title=title, worst=worst, overlays=overlays, images=images, source=source),
    )


def _packaged(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """A style sheet or script as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
