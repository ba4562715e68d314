"""README and the pages in docs: their commands print what they show, their examples run, their links lead somewhere."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from segeval.reading.formats import FORMATS
from segeval.reports.writers import WRITERS
from tests.places import TOP
from tests.scripts import DOCS, loaded

README = TOP / "README.md"
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS: str = PROJECT["urls"]["Repository"]
REPOSITORY = f"{ADDRESS}/blob/main/"
RAW = f"{ADDRESS.replace('//github.com', '//raw.githubusercontent.com')}/main/"
LINK = re.compile(r"\]\(([^)\s]+)\)")
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_BYTES = 10_000
UPDATE = bool(os.environ.get("SEGEVAL_UPDATE_GOLDEN"))

refresh: ModuleType = loaded("refresh")
PAGES: list[Path] = refresh.pages()
EVERY_PAGE = [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("sample_data/*.md"), *TOP.glob("benchmarks/*.md")]


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_shows_what_its_commands_print(page: Path) -> None:
    """`python docs/refresh.py` writes the pages anew, and so does SEGEVAL_UPDATE_GOLDEN=1."""
    if UPDATE:
        refresh.main([str(page)])
    text = page.read_text(encoding="utf-8")
    assert not "\n".join(refresh.changes(text, refresh.refreshed(text)))


def test_the_tables_are_on_the_pages() -> None:
    assert refresh.METRICS_TABLE.search((DOCS / "metrics.md").read_text(encoding="utf-8"))
    assert refresh.FILES_TABLE.search((DOCS / "outputs.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("a\n", "1 x\n2 y\n3 z\n4 w\n"),
        ("a\n...\n", "1 x\n...\n"),
        ("...\nb\nc\n", "...\n3 z\n4 w\n"),
        ("a\n...\n3 old\n...\n", "1 x\n...\n3 z\n...\n"),
        ("a\n...\n2 old\n...\nb\n", "1 x\n2 y\n...\n4 w\n"),
        ("...\n", "...\n"),
    ],
)
def test_lines_that_are_left_out(shown: str, expected: str) -> None:
    assert refresh.abbreviated("1 x\n2 y\n3 z\n4 w\n", shown) == expected


def test_a_command_that_fails_shows_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exit code 2, which the page does not show"):
        refresh.session("$ segeval nonsense\n", tmp_path)
    assert refresh.session("$ segeval nonsense\n$ echo $?\n0\n", tmp_path).endswith("$ echo $?\n2\n")


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= MOST_BYTES


def test_quick_start_has_two_commands() -> None:
    part = README.read_text(encoding="utf-8").partition("## Quick start\n")[2].partition("\n## ")[0]
    first, second = re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    assert ".venv/bin/segeval batch sample_data/predictions sample_data/references" in first
    assert "'.[dev]'" in second
    assert second.rstrip().endswith("-m tests")


@pytest.mark.parametrize("page", [README, DOCS / "python.md"], ids=name_of)
def test_the_python_example_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an example prints is in a comment behind the call."""
    monkeypatch.chdir(TOP)
    names: dict[str, object] = {}
    for example in PYTHON.findall(page.read_text(encoding="utf-8")):
        exec(compile(example, page.name, "exec"), names)  # noqa: S102  (our own text)
        shown = re.findall(r"^ *print\(.*\)  # (.+)$", example, re.MULTILINE)
        printed = capsys.readouterr().out.splitlines()
        assert shown
        assert len(printed) == len(shown)
        for line, start in zip(printed, shown, strict=True):
            assert line.startswith(start.removesuffix(" ..."))


def test_links_of_the_readme_work_on_every_site() -> None:
    """PyPI shows the README too, so links are absolute; those into the repository lead to a file of it."""
    for target in LINK.findall(README.read_text(encoding="utf-8")):
        assert target.startswith(("https://", "#")), target
        for address in (REPOSITORY, RAW):
            if target.startswith(address):
                assert (TOP / target.removeprefix(address).partition("#")[0]).exists(), target


def test_every_page_is_linked() -> None:
    linked = {target.removeprefix(REPOSITORY) for target in LINK.findall(README.read_text(encoding="utf-8"))}
    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} <= linked
    index = set(LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= index


def test_the_extras_for_users_are_in_all_and_on_the_page() -> None:
    extras = PROJECT["optional-dependencies"]
    for_users = set(extras) - {"all", "dev", "benchmark", "peers"}
    (everything,) = extras["all"]
    assert everything == f"segeval-cli[{','.join(sorted(for_users))}]"
    assert "segeval-cli[all]" in extras["dev"]
    used = {row.extra.name for row in WRITERS.values() if row.extra is not None}
    assert used <= for_users
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == for_users | {"all"}


def heading_anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in heading_anchors(file), target


def test_every_format_of_label_maps_is_named() -> None:
    page = (DOCS / "formats.md").read_text(encoding="utf-8").partition("```")[0]
    for each in FORMATS:
        if "labels" in each.gives:
            assert re.search(rf"\b{re.escape(each.title)}\b", page), each.title


def test_the_picture_is_what_the_script_draws() -> None:
    maker = loaded("make_hero")
    text = maker.FIGURE.read_text(encoding="utf-8")
    assert text == maker.figure()
    picture = ET.fromstring(text)  # noqa: S314
    for number in ("0.9536", "7.20", "10.00", "11.00", "11.13"):
        assert number in "".join(picture.itertext())
