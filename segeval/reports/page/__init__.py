"""Write results as a single HTML page that needs no network and no other files.

The page has the gate, the cases that were not scored, means with intervals, figures, the worst cases, and all scores in
a table that can be sorted and filtered. Without JavaScript everything is visible, but unsorted. Names come from files:
Jinja2 escapes all texts, and the security policy of the page allows only its own style sheet and script, by their
hashes. The page has no date: the same results give the same bytes.
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
    """Write results as an HTML page.

    Parameters
    ----------
    results
        Results of any number of cases, with their summary.
    title
        Title of the page.
    worst
        Number of worst cases for each metric.
    overlays
        Whether to draw the worst cases; their files are read again.
    images
        Folder of scans to draw the worst cases over.
    source
        The results file, if any: relative paths of cases that do not exist are tried relative to its folder.

    Yields
    ------
    str
        Parts of the document. The same results and files give the same text.
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
    """Hash of a style sheet or script for the content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
