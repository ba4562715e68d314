"""Pages as their tests use them: awkward and large results, and an HTML page taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np

from segeval.reports.page import to_html
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, LabelCounts, Score
from segeval.results.run_rows import Verdict
from segeval.scoring.cases import collect
from segeval.scoring.plan import plan_of
from tests.reports.test_golden import scored, unscored

CASE = "<img src=x onerror=alert(1)>"
LABEL = "</script><script>alert(2)</script>"
REGION = '"><svg onload=alert(3)>'
GROUP = "<style>*{display:none}</style>"
MESSAGE = "{{ 7 * 7 }} <b>&amp;</b> \x1b[31m\u202e"
HOSTILE = (CASE, LABEL, REGION, GROUP)
METRICS = ("dice", "iou", "sensitivity", "specificity", "assd", "hd", "hd@95")
VOID = {"meta", "link", "br", "input"}


def hostile() -> Results:
    """Every text that comes from outside would run, or break out of where it stands, if it were not escaped."""
    plan = plan_of(metrics="dice,hd,generalized_dice", labels={1: LABEL, 2: "b"}, regions={REGION: "1,2"})
    column = f"site {CASE}"
    outcomes = [
        scored(CASE, [[1, 1, 2, 2, 0]], [[1, 1, 1, 2, 0]], plan, groups={column: GROUP}, warnings=(MESSAGE,)),
        scored("javascript:alert(4)", [[1, 0, 0, 0, 1]], [[1, 1, 2, 2, 0]], plan, groups={column: "A"}),
        unscored(f"{CASE} 2", "failed", MESSAGE, groups={column: GROUP}),
    ]
    results = replace(collect(outcomes, plan), warnings=(LABEL,), version="1", footnote=CASE)
    gate = (Verdict(requirement=f"{LABEL}:dice=0.9", value=1 / 3, passed=False, worst_case=CASE),)
    settings = {**results.settings, CASE: [LABEL]}
    return replace(results, gate=gate, signature=f"segeval {CASE}", settings=settings)


def large(cases: int, labels: int = 10) -> Results:
    """Results of many cases, drawn by chance; none of their files is there."""
    random = np.random.default_rng(7)
    values = random.beta(9, 1.5, (cases, labels))
    names = [f"case_{number:05}" for number in range(cases)]
    scores, counts = Scores(), CaseCounts()
    for name, row in zip(names, values.tolist(), strict=True):
        for label, dice in enumerate(row, 1):
            far = {"assd": (1 - dice) * 20, "hd": (1 - dice) * 100, "hd@95": (1 - dice) * 60}
            ratio = {
                "dice": dice,
                "iou": dice / (2 - dice),
                "sensitivity": dice**0.5,
                "specificity": 1 - (1 - dice) / 99,
            }
            scores.extend(
                Score(
                    case=name, label=label, name=f"organ_{label}", metric=metric, value=value, note=None,
                    unit="mm" if metric in far else None,
                )
                for metric, value in (ratio | far).items()
            )  # fmt: skip
            tp = round(1000 * label * dice)
            counts.extend([LabelCounts(case=name, label=label, tp=tp, fp=100, fn=1000 * label - tp, tn=10**6)])
    records = [
        CaseRecord(
            case=name, status="scored", prediction=f"p/{name}.nii.gz", reference=f"r/{name}.nii.gz",
            shape=(40, 100, 100), spacing=(3.0, 1.0, 1.0), unit="mm", voxels=400_000,
        )
        for name in names
    ]  # fmt: skip
    plan = plan_of(metrics=",".join(METRICS))
    return Results(
        version="1",
        signature="segeval 1",
        settings=plan.settings(),
        metrics=METRICS,
        cases=tuple(records),
        scores=scores,
        counts=counts,
    )


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    texts: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text and that of all within it, in order of depth."""
        return "".join([*self.texts, *(child.text for child in self.children)])

    def all(self, tag: str) -> list[Element]:
        """The elements of that tag within it."""
        return [found for child in self.children for found in ([child] if child.tag == tag else []) + child.all(tag)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.place = Element("", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.place)
        self.place.children.append(element)
        if tag not in VOID:
            self.place = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.place.tag == tag, f"</{tag}> closes <{self.place.tag}>"
        assert self.place.parent is not None
        self.place = self.place.parent

    def handle_data(self, data: str) -> None:
        self.place.texts.append(data)


def taken_apart(html: str) -> Element:
    """The elements of a page; every one of them is closed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.place is reader.root
    return reader.root


def page_of(results: Results, **options: object) -> tuple[str, Element]:
    """The text of a page, and its elements."""
    html = "".join(to_html(results, **options))  # type: ignore[arg-type]
    return html, taken_apart(html)
