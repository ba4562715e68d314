"""The HTML page: complete, safe with any names, the same bytes each time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from segeval.api import batch, score_files
from segeval.cli import run
from segeval.cli.report import report
from segeval.reports.csv_files import to_csv
from segeval.reports.json_files import read_json, to_json
from segeval.reports.notation import Alphabet
from segeval.reports.page import MOST_OVERLAYS, WORST, tables
from segeval.reports.page.contents import MOST_DRAWN
from segeval.reports.page.drawings import inlined
from segeval.reports.page.tables import MOST_ROWS, worst_cases
from segeval.reports.summary_view import SummaryView
from tests.command import box, call, case, plain_environment, save
from tests.pages import HOSTILE, LABEL, MESSAGE, METRICS, hostile, large, page_of, taken_apart
from tests.paper import of_values
from tests.places import SAMPLES, TOP
from tests.reports.test_golden import awkward, awkward_batch, many_labels, nothing_scored

if TYPE_CHECKING:
    from collections.abc import Callable

    from segeval.results.results import Results
    from tests.pages import Element

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden"
SVG = re.compile(r"<svg.*?<title[^>]*>(.*?)</title><desc[^>]*>(.*?)</desc>.*?</svg>", re.DOTALL)
LOOSE = re.compile(r"(<(style|script)>).*?(</\2>)", re.DOTALL)


def samples(**options: object) -> Results:
    """Score the folder of samples; paths are relative to the top of the project."""
    found = batch("sample_data/predictions", "sample_data/references", jobs=1, **options)  # type: ignore[arg-type]
    return replace(found, version="1.2.3", signature="segeval 1.2.3 | 3-D, mm", footnote="segeval 1.2.3; 3-D, mm")


def test_a_page_is_grouped_as_a_batch_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sample_data").symlink_to(SAMPLES)
    Path("cases.csv").write_text(
        "case,site\n" + "".join(f"case_{number:02},{'AB'[number % 2]}\n" for number in range(1, 14))
    )
    words = ["batch", "sample_data/predictions", "sample_data/references", "-m", "dice", "-q"]
    grouping = ["--metadata", "cases.csv", "--by", "site"]
    assert call(capsys, *words, *grouping, "-o", "grouped.json", "-o", "grouped.html").code == 0
    assert call(capsys, *words, "-o", "plain.json").code == 0
    assert call(capsys, "report", "plain.json", "-o", "plain.html", *grouping).code == 0
    assert Path("plain.html").read_bytes() == Path("grouped.html").read_bytes()
    assert b"(not in the metadata)" in Path("plain.html").read_bytes()
    for wrong, cause in (
        (["--by", "site"], "--by needs --metadata FILE: the table with that column"),
        (["--metadata", "cases.csv"], "--metadata needs --by COLUMN"),
        (["--metadata", "cases.csv", "--by", "sight"], "no column 'sight' (did you mean site?)"),
    ):
        answer = call(capsys, "report", "plain.json", "-o", "other.html", *wrong)
        assert answer.code == 2
        assert cause in answer.cause
    assert not Path("other.html").exists()


@cache
def known(name: str) -> tuple[str, Element]:
    """Return one of `PAGES`, which is made once."""
    return page_of(PAGES[name](), worst=14 if name.startswith("many") else WORST)


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TOP)


def policy(page: Element) -> dict[str, str]:
    """Return the directives of a page's security policy."""
    (text,) = [
        meta.attributes["content"]
        for meta in page.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    return {name: rest for name, _, rest in (directive.strip().partition(" ") for directive in text.split(";"))}


def every(page: Element) -> list[Element]:
    return [found for child in page.children for found in [child, *every(child)]]


def rows_of_scores(page: Element) -> list[Element]:
    (table,) = [table for table in page.all("table") if table.attributes.get("id") == "all"]
    (body,) = table.all("tbody")
    return body.all("tr")


def test_the_page_of_the_samples_is_the_golden_file() -> None:
    html, _ = page_of(samples(metrics="dice,hd@95,generalized_dice"))
    found = LOOSE.sub(r"\1...\3", re.sub(r"sha256-[\w+/=]+", "sha256-...", SVG.sub(r"<svg>\n\1\n\2\n</svg>", html)))
    golden = GOLDEN / "report.html"
    if os.environ.get("SEGEVAL_UPDATE_GOLDEN"):
        golden.write_text(found, "utf-8")
    assert found == golden.read_text("utf-8")


MANY = "dice,iou,sensitivity,precision,mcc,kappa,hd,assd,volume_error"
PAGES: dict[str, Callable[[], Results]] = {
    "samples": lambda: samples(metrics="dice,hd,volume_error,generalized_dice"),
    "many metrics": lambda: samples(metrics=MANY),
    "hostile": hostile,
    "awkward": awkward_batch,
    "one": lambda: score_files(*case(4), metrics="dice,hd@95"),
    "one awkward": awkward,
    "probabilities": lambda: score_files(
        "sample_data/street/probabilities",
        "sample_data/street/reference.png",
        labels="sample_data/street/labels.json",
        ignore_label=255,
        probabilities=True,
        metrics="dice,soft_dice,ece",
    ),
    "many labels": many_labels,
    "nothing scored": nothing_scored,
    "no case": lambda: replace(nothing_scored(), cases=()),
    "one case, not scored": lambda: nothing_scored(1),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_valid(name: str) -> None:
    """Any page: elements are closed, links have targets, only one script and one style sheet are allowed."""
    html, page = known(name)
    assert html.startswith("<!DOCTYPE html>\n")
    elements = every(page)
    ids = Counter(element.attributes["id"] for element in elements if "id" in element.attributes)
    assert set(ids.values()) == {1}
    for element in elements:
        assert not [attribute for attribute in element.attributes if attribute.startswith("on") or attribute == "style"]
        assert not element.attributes.keys() & {"src", "srcset", "action", "xlink:href", "srcdoc"}
        link = element.attributes.get("href", "#main")
        assert link.startswith(("data:,", "data:image/png;base64,")) or (link[:1] == "#" and link[1:] in ids), link
        for reference in ("aria-labelledby", "aria-describedby", "aria-controls"):
            assert set(element.attributes.get(reference, "").split()) <= set(ids)
    for attribute in element_references(elements):
        assert attribute in ids
    (script,), (style,) = page.all("script"), page.all("style")
    assert not script.attributes
    for element, directive in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert policy(page)[directive] == f"'sha256-{digest}'"
    assert policy(page).keys() == {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}
    assert {policy(page)[directive] for directive in ("default-src", "base-uri", "form-action")} == {"'none'"}
    assert policy(page)["img-src"] == "data:"
    assert html.index("Content-Security-Policy") < html.index("<link") < html.index("<style>")
    assert "http" not in re.sub(r"http-equiv", "", html)


def element_references(elements: list[Element]) -> list[str]:
    """Return the targets of url(#...) in attributes."""
    return [
        name for each in elements for text in each.attributes.values() for name in re.findall(r"url\(#(.*?)\)", text)
    ]


def test_texts_from_outside_are_shown_and_never_run() -> None:
    html, page = page_of(hostile(), title=LABEL)
    assert {each.tag for each in every(page)} <= {each.tag for each in every(known("samples")[1])} | {"strong"}
    assert len(page.all("script")) == 1
    for text in HOSTILE:
        assert text in page.text
        assert text not in html
    assert MESSAGE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e") in page.text
    assert page.all("h1")[0].text == LABEL
    options = [option.text for option in page.all("option")]
    assert options[1] == LABEL


def test_every_score_is_in_the_table_with_all_its_digits() -> None:
    results = samples(metrics="dice,sensitivity,hd")
    page = page_of(results, overlays=False)[1]
    (table,) = [table for table in page.all("table") if table.attributes.get("id") == "all"]
    heads = [head.text.split()[0] for head in table.all("thead")[0].all("th")]
    rows = list(csv.DictReader(io.StringIO("".join(to_csv(results)))))
    found = rows_of_scores(page)
    assert len(found) == len(rows) == 66  # one of a case without any label
    for row, line in zip(found, rows, strict=True):
        cells = dict(zip(heads, row.children, strict=True))
        assert cells["case"].text == line["case"]
        assert cells["label"].text == (line["name"] or line["label"])
        for metric in results.metrics:
            expected = line[metric]
            assert cells[metric].attributes.get("data-v", "") == (repr(float(expected)) if expected else "")


def test_rows_of_cases_that_were_not_scored_have_the_reason() -> None:
    page = known("awkward")[1]
    texts = [row.text for row in rows_of_scores(page)]
    assert any("cut\\nshort" in text and "failed: p/c\\xffse.nii: expected 352 bytes" in text for text in texts)
    assert any(text.startswith("d") and "skipped" in text for text in texts)


def test_of_too_many_rows_the_worst_of_every_metric_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 1000)
    results = large(110)
    lost = replace(results.cases[0], case="lost", status="failed", message="it is cut short")
    results = replace(results, cases=(*results.cases, lost))
    html, page = page_of(results, overlays=False)
    found = rows_of_scores(page)
    assert len(found) == 1000
    assert "The worst 1,000 of 1,101 rows, by any metric" in html
    assert "failed: it is cut short" in found[-1].text
    shown = {(row.children[0].text, row.children[1].text) for row in found}
    for metric in METRICS:
        values = [(score.value or 0.0, score.case, score.name) for score in results.scores if score.metric == metric]
        values.sort(key=lambda each: each[0], reverse=metric in ("assd", "hd", "hd@95"))
        assert {(name, label) for _, name, label in values[:100]} <= shown


def test_a_page_with_the_most_rows_is_not_too_large() -> None:
    html, page = page_of(large(1001))
    assert len(rows_of_scores(page)) == MOST_ROWS
    assert len(html.encode()) < 8_000_000


def test_the_worst_cases_by_hand() -> None:
    results = of_values(a=0.5, b=1.0, c=0.25, d=None, e=0.5, f=0.75)

    def worst(most: int, metric: str = "dice") -> list[tuple[str, float]]:
        desk = SummaryView(results=results, alphabet=Alphabet())
        return [(each.case, each.value) for each in worst_cases(desk, metric, most=most)]

    assert worst(3) == [("c", 0.25), ("a", 0.5), ("e", 0.5)]
    assert worst(9) == [("c", 0.25), ("a", 0.5), ("e", 0.5), ("f", 0.75)]
    assert worst(0) == []
    assert worst(3, "hd") == []


def test_a_case_is_among_the_worst_once_with_its_worst_label() -> None:
    desk = SummaryView(results=samples(metrics="dice"), alphabet=Alphabet())
    found = [(each.case, each.label, each.note) for each in worst_cases(desk, "dice", most=5)]
    assert found[:4] == [
        ("case_04", 5, "missed"),
        ("case_05", 5, "false alarm"),
        ("case_09", 3, ""),
        ("case_14", 1, "missed"),
    ]
    assert len({name for name, _, _ in found}) == 5


def test_metrics_over_all_labels_have_no_worst_label() -> None:
    heads = [head.text for head in known("probabilities")[1].all("thead")[-1].all("th")]
    assert heads == ["case", "label", "dice ↑", "soft_dice ↑", "ece ↓", "note"]
    (worst,) = [each for each in known("probabilities")[1].all("div") if each.attributes.get("class") == "worst"]
    links = [[link.text for link in part.all("a")][::2] for part in worst.all("section")]
    assert links == [["person", "vegetation", "sidewalk"]] * 2 + [["all"]]


def test_sizes_have_no_worst_case() -> None:
    desk = SummaryView(results=samples(metrics="reference_volume,volume_error,tp"), alphabet=Alphabet())
    assert worst_cases(desk, "reference_volume", most=3) == []
    assert worst_cases(desk, "tp", most=3) == []
    errors = [abs(each.value) for each in worst_cases(desk, "volume_error", most=3)]
    assert errors == sorted(errors, reverse=True) != []


def test_the_page_is_the_same_from_the_results_file(tmp_path: Path) -> None:
    words = ["sample_data/predictions", "sample_data/references", "-q", "-m", "dice,hd", "--require", "dice=0.5"]
    assert run(["batch", *words, "-o", str(tmp_path / "r.json"), "-o", str(tmp_path / "a.html")]) == 0
    assert run(["report", str(tmp_path / "r.json"), "-o", str(tmp_path / "b.html")]) == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    results = samples(metrics="dice,hd@95")
    (tmp_path / "r.json").write_text("".join(to_json(results)), "utf-8")
    subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "segeval", "report", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.html")],
        cwd=TOP,
        env=plain_environment() | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(TOP)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    again = read_json((tmp_path / "r.json").read_text("utf-8"))
    assert (tmp_path / "r.html").read_text("utf-8") == page_of(again)[0]


def test_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, made = tmp_path / "r.json", tmp_path / "r.html"
    path.write_text("".join(to_json(samples(metrics="dice"))), "utf-8")
    answer = call(capsys, "report", path, "-o", made, "--title", "Night <1>", "--worst", "1", "--no-overlays")
    assert (answer.code, answer.out, answer.err) == (0, f"{made}\n", "")
    page = taken_apart(made.read_text("utf-8"))
    assert page.all("h1")[0].text == "Night <1>"
    (worst,) = [each for each in page.all("div") if each.attributes.get("class") == "worst"]
    assert len(worst.all("li")) == 1
    assert not [each for each in page.all("div") if each.attributes.get("class") == "overlays"]
    assert call(capsys, "report", path, "-o", made, "--worst", "0").code == 0
    assert "Worst cases" not in taken_apart(made.read_text("utf-8")).text


def test_the_command_shows_as_many_overlays_as_the_library() -> None:
    (option,) = [each for each in report.params if each.name == "worst"]
    assert option.default == WORST


def test_a_page_notes_what_it_leaves_out() -> None:
    page = known("many metrics")[1]
    panels = [each for each in page.all("section") if each.attributes.get("class") == "panel"]
    assert [bool(panel.all("svg")) for panel in panels] == [True] * MOST_DRAWN + [False] + [True]
    assert "only the first 8 metrics have figures; draw others with segeval plot" in page.text
    (overlays,) = [each for each in page.all("div") if each.attributes.get("class") == "overlays"]
    assert len(overlays.all("figure")) == MOST_OVERLAYS
    assert re.search(r"not drawn: \d+ more, as a page has at most 24 overlays", page.text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "report.pdf"], "report.pdf: the file of a page must end in .html; name it report.html, for example"),
        (["-o", "none/report.html"], "none/report.html: cannot be written: the folder "),
        (["-o", "report.html", "--images", "none"], "none: folder of scans not found"),
        (["-o", "report.html", "--images", "r.json"], "r.json: folder of scans not found"),
    ],
)
def test_files_that_cannot_be_written(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").write_text("".join(to_json(nothing_scored())), "utf-8")
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, "report", "r.json", *words)
    assert answer.code == 2
    assert answer.cause.startswith(f"error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_scored_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = tmp_path / "prediction.html"
    shutil.copy(case(1)[0], prediction)
    results = replace(samples(metrics="dice"), cases=())
    record = replace(samples(metrics="dice").cases[0], prediction=str(prediction))
    (tmp_path / "r.json").write_text("".join(to_json(replace(results, cases=(record,)))), "utf-8")
    answer = call(capsys, "report", tmp_path / "r.json", "-o", prediction)
    assert answer.code == 2
    assert "this is an input of the run" in answer.cause


@pytest.mark.parametrize(("module", "package"), [("jinja2", "Jinja2"), ("matplotlib", "matplotlib")])
def test_a_missing_package_is_named_with_its_install_command(
    module: str,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for words in (["score", *case(1)], ["report", tmp_path / "none.json"]):
        answer = call(capsys, *words, "-o", tmp_path / "r.html")
        assert (answer.code, answer.out) == (2, "")
        assert answer.cause == f"error: an .html file needs the package {package}; pip install 'segeval-cli[report]'"


def test_a_drawing_has_no_style_and_its_own_names() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'
        "<metadata>made by</metadata><defs><style>*{}</style></defs><script>alert(1)</script>"
        '<defs><clipPath id="c"><rect x="0" y="0" width="3" height="3"/></clipPath></defs>'
        '<g id="unused"><g clip-path="url(#c)"><path id="p" d="M 1.23456 2\nL 3 4" onclick="a()" '
        'style="fill: #ffffff; stroke: #000000; stroke-width: 0.6"/></g></g>'
        '<use xlink:href="#p" x="1"/>'
        "<text style=\"font: italic 700 7px 'DejaVu Sans', sans-serif; text-anchor: middle\">&lt;b&gt;</text></svg>"
    )
    drawing = inlined(svg.encode(), key="k", title="t", description="d")
    root = taken_apart(drawing).children[0]
    assert [element.tag for element in every(root)] == [
        "title",
        "desc",
        "defs",
        "clippath",
        "rect",
        "g",
        "path",
        "use",
        "text",
    ]
    assert 'id="k-' in drawing
    assert root.all("rect")[0].attributes == {"x": "0", "y": "0", "width": "3", "height": "3"}
    (path,), (use,), (text,), (group,) = root.all("path"), root.all("use"), root.all("text"), root.all("g")
    assert path.attributes == {
        "id": use.attributes["href"][1:],
        "d": "M 1.23 2 L 3 4",
        "fill": "var(--paper)",
        "stroke": "currentColor",
        "stroke-width": "0.6",
    }
    assert group.attributes["clip-path"] == f"url(#{root.all('clippath')[0].attributes['id']})"
    assert text.attributes == {
        "font-size": "7px", "font-style": "italic", "font-weight": "700", "text-anchor": "middle",
    }  # fmt: skip
    assert text.text == "<b>"


def test_the_worst_cases_are_drawn_on_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three cases one has a scan, one has no scan, and one no longer has a file: the page mentions each."""
    for side in ("p", "r", "scans"):
        (tmp_path / side).mkdir()
    random = np.random.default_rng(5)
    for place, name in enumerate("abc"):
        save(tmp_path / f"p/{name}.nii", box((20, 20, 20), at=3 + place, size=8))
        save(tmp_path / f"r/{name}.nii", box((20, 20, 20), at=4, size=9))
    save(tmp_path / "scans/a.nii", random.integers(0, 200, (20, 20, 20)).astype(np.uint8))
    results, made = tmp_path / "r.json", tmp_path / "r.html"
    assert call(capsys, "batch", tmp_path / "p", tmp_path / "r", "-q", "-m", "dice", "-o", results).code == 0
    (tmp_path / "p/c.nii").unlink()
    assert call(capsys, "report", results, "-o", made, "--images", tmp_path / "scans").code == 0
    page = taken_apart(made.read_text("utf-8"))
    (overlays,) = [each for each in page.all("div") if each.attributes.get("class") == "overlays"]
    figures = overlays.all("figure")
    assert [figure.all("strong")[0].text for figure in figures] == ["a", "b"]
    greys = [sum(len(image.attributes["href"]) for image in figure.all("image")) for figure in figures]
    assert greys[0] > 2 * greys[1]  # noise makes a larger file than a mask
    assert "only in the prediction" in figures[0].all("desc")[0].text
    assert f"not drawn: 1 of c: {tmp_path}/p/c.nii: no such file" in page.text
    assert f"drawn without a scan, as {tmp_path}/scans has no scan of this name: b" in page.text


def test_moved_results_are_drawn_next_to_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the folder of the run, next to the data, and elsewhere; there the hint is printed once."""
    for folder in ("elsewhere", "p", "r"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        save(tmp_path / f"p/{name}.nii", box((9, 9, 9), at=2))
        save(tmp_path / f"r/{name}.nii", box((9, 9, 9), at=3))
    assert call(capsys, "batch", "p", "r", "-q", "-m", "dice", "-o", "r.json").code == 0
    shutil.copy("r.json", "elsewhere/r.json")
    hint = "paths are relative to the folder in which the cases were scored"

    def drawn(results: str) -> tuple[int, str]:
        assert call(capsys, "report", results, "-o", tmp_path / "r.html").code == 0
        page = taken_apart((tmp_path / "r.html").read_text("utf-8"))
        return len([each for each in page.all("figure") if "id" in each.attributes]), page.text

    assert drawn("elsewhere/r.json")[0] == 2  # as they are
    monkeypatch.chdir("elsewhere")
    assert drawn("../r.json")[0] == 2
    assert hint not in drawn("../r.json")[1]
    count, text = drawn("r.json")
    assert (count, text.count(hint)) == (0, 1)
    assert "not drawn: 1 of a: p/a.nii: no such file" in text
    words = ["--case", "a", "--label", "1", "-o", tmp_path / "f.svg"]
    answer = call(capsys, "plot", "overlay", "r.json", *words)
    assert answer.code == 3
    assert answer.cause.startswith(f"error: p/a.nii: no such file; {hint}")
    assert call(capsys, "plot", "overlay", "../r.json", *words).code == 0
    (tmp_path / "p/a.nii").rename(tmp_path / "p/a.html")
    document = (tmp_path / "r.json").read_text("utf-8").replace("p/a.nii", "p/a.html")
    (tmp_path / "r.json").write_text(document, "utf-8")
    answer = call(capsys, "report", "../r.json", "-o", "../p/a.html")  # an input, by whichever path
    assert answer.code == 2
    assert "this is an input of the run" in answer.cause


def test_a_single_case_shows_all_rows_without_a_note_about_hidden_ones() -> None:
    results = score_files(*case(1), metrics="dice", labels={number: f"organ {number}" for number in range(1, 40)})
    page = page_of(results)[1]
    assert len(rows_of_scores(page)) == 39
    assert "not shown" not in page.text
    assert "in neither map: " in page.text


def test_the_worst_case_over_all_labels_is_a_link() -> None:
    page = known("samples")[1]
    (row,) = [row for row in page.all("tr") if row.children[0].text == "generalized_dice"]
    (link,) = row.all("a")
    (found,) = [each for each in rows_of_scores(page) if each.attributes["id"] == link.attributes["href"][1:]]
    assert [cell.text for cell in found.children[:2]] == [link.text.split()[1], "all"]
    assert link.text.split()[0] in [cell.text for cell in found.children]


def test_files_that_have_changed_are_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = save(tmp_path / "p.nii", box((9, 9, 9), at=2))
    reference = save(tmp_path / "r.nii", box((9, 9, 9), at=3))
    words = ["score", prediction, reference, "-q", "-m", "dice", "-o", tmp_path / "r.json"]
    assert call(capsys, *words).code == 0
    save(prediction, box((9, 9, 9), at=1))
    assert call(capsys, "report", tmp_path / "r.json", "-o", tmp_path / "r.html").code == 0
    page = taken_apart((tmp_path / "r.html").read_text("utf-8"))
    assert "not drawn: 1 of r:" in page.text
    assert not [each for each in page.all("figure") if "id" in each.attributes]


def test_scans_without_a_page_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "score", *case(1), "--images", tmp_path, "-o", tmp_path / "r.json")
    assert (answer.code, answer.cause) == (2, "error: --images needs an .html output; add -o report.html")
