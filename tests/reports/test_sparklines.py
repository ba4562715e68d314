"""Sparklines: bins are those of a histogram, all values count, no line is too wide."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from segeval.reports.markdown import to_markdown
from segeval.reports.notation import Alphabet
from segeval.reports.run_summary import print_run_summary
from segeval.reports.sparklines import STEPS, Sparklines, sparkline
from segeval.reports.terminal import Printer
from segeval.results.columns import Scores
from segeval.scoring.cases import collect
from segeval.scoring.plan import plan_of
from tests.paper import of_values, record, results_of, score
from tests.reports.test_golden import scored

if TYPE_CHECKING:
    from segeval.results.results import Results

BLOCKS = Alphabet().blocks


@pytest.mark.parametrize("alphabet", [Alphabet(), Alphabet.of("ascii")])
def test_heights_are_those_of_a_histogram(alphabet: Alphabet) -> None:
    values = np.random.default_rng(3).integers(0, 7, 500) / 7 + 0.05  # no value is on the edge of a bin
    often, _ = np.histogram(values, STEPS, (0, 1))
    line = sparkline(values, 0, 1, blocks=alphabet.blocks)
    heights = [alphabet.blocks.index(block) for block in line]
    assert heights == [math.ceil(8 * count / often.max()) for count in often]
    assert max(heights) == 8
    assert len(alphabet.blocks) == 9
    line.encode(alphabet.encoding)


def test_bins_of_a_score_without_bounds_cover_all_labels() -> None:
    rows = [score(f"c{k}", value, label=1, metric="hd", unit="mm") for k, value in enumerate((2.0, 3.0))]
    rows += [score(f"c{k}", value, label=2, name=None, metric="hd", unit="mm") for k, value in enumerate((12.0, 4.5))]
    found = Sparklines.of(results_of([record("c0"), record("c1")], rows, metrics=("hd",)), Alphabet())
    assert found.ranges == {"hd": "2.00 to 12.00"}
    assert found.lines == {(1, "hd"): "██········", (2, "hd"): "··█······█"}


@pytest.mark.parametrize("value", [300.0, math.inf])
def test_a_penalty_is_in_the_last_bin_and_does_not_change_the_range(value: float) -> None:
    """With 0, 1 and 10 mm measured, a range up to 300 would put them all into the first bin."""
    rows = [score(f"c{k}", each, metric="hd", unit="mm") for k, each in enumerate((0.0, 1.0, 10.0))]
    penalty = replace(score("c3", value, metric="hd", unit="mm"), note="prediction empty")
    cases = [record(f"c{k}") for k in range(4)]
    found = Sparklines.of(results_of(cases, [*rows, penalty], metrics=("hd",)), Alphabet())
    assert found.ranges == {"hd": "0.00 to 10.00+"}
    assert found.lines == {(1, "hd"): "▄▄·······█"}


def test_metrics_over_all_labels_or_without_values_have_no_sparkline() -> None:
    rows = [score("a", 0.5, label="all", name=None, metric="generalized_dice"), score("a", None)]
    found = Sparklines.of(results_of([record("a")], rows, metrics=("dice", "generalized_dice")), Alphabet())
    assert found.lines == {(1, "dice"): ""}
    assert found.ranges == {"dice": "0 to 1"}
    assert Sparklines.of(replace(of_values(), scores=Scores()), Alphabet()).lines == {}


def three_cases() -> Results:
    """Dice 1, 2/3 and 0 of label 1, and 1 of label 2."""
    plan = plan_of(metrics="dice,hd")
    reference = [[1, 1, 0, 0, 2]]
    maps = {"a" * 25: reference, "b" * 25: [[1, 0, 0, 0, 2]], "c" * 25: [[0, 0, 0, 1, 2]]}
    return collect([scored(name, each, reference, plan) for name, each in maps.items()], plan)


def printed(results: Results, width: int | None, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    print_run_summary(results, Printer(stream, color=False, width=width), signature=False, verbose=True)
    stream.seek(0)
    return stream.read()


def test_sparklines_are_left_out_without_room() -> None:
    results = three_cases()
    whole = printed(results, None)
    assert "█·····█··█" in whole
    wide = max(len(line) for line in whole.splitlines() if "worst" in line or "·" in line)
    assert "█·····█··█" in printed(results, wide)
    for width in (60, wide - 1):
        narrow = printed(results, width)
        assert not set(narrow) & set(BLOCKS)
        assert "0 to 1" not in narrow
        assert max(map(len, narrow.splitlines())) <= width
    assert "#.....#..#" in printed(results, None, "ascii")


def test_markdown_has_no_sparklines() -> None:
    assert not set("".join(to_markdown(three_cases()))) & set(BLOCKS[1:])
