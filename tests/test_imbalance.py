"""The page on class imbalance is up to date, and its numbers agree with some computed by hand."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from tests.command import plain_environment
from tests.places import TOP
from tests.scripts import DOCS, loaded

pytestmark = pytest.mark.slow

UPDATE = bool(os.environ.get("SEGEVAL_UPDATE_GOLDEN"))
N = 512 * 512
SIZES = [2**power for power in range(1, 18)]
LISTED = re.compile(r"\d+\. \[.*\]\(#(.*)\)")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return loaded("make_imbalance")


@pytest.fixture(scope="module")
def page(maker: ModuleType) -> str:
    text = maker.page()
    assert isinstance(text, str)
    return text


@pytest.fixture(scope="module")
def figures(maker: ModuleType) -> dict[str, str]:
    found: dict[str, str] = maker.figures()
    return found


def row(text: str, heading: str, first: str) -> list[str]:
    """The cells of a row of the first table under a heading that has it."""
    part = text.partition(f"# {heading}\n")[2]
    line = next(line for line in part.splitlines() if line.startswith(f"| {first} |"))
    return line.strip("| ").split(" | ")[1:]


def test_the_page_is_what_the_script_gives(maker: ModuleType, page: str) -> None:
    if UPDATE:
        maker.main()
    assert maker.PAGE.read_text(encoding="utf-8") == page


def test_there_are_the_figures_that_the_script_draws(maker: ModuleType, page: str, figures: dict[str, str]) -> None:
    assert {path.name for path in maker.FIGURES.glob("imbalance-*")} == set(figures)
    assert re.findall(r"\]\(figures/(.*?)\)", page) == list(figures)


def test_the_figures_are_what_the_script_draws(maker: ModuleType, figures: dict[str, str]) -> None:
    """Bytes are compared under the version of matplotlib that the files name, for another one may draw otherwise.

    Under any version the page is compared (above), whose tables and prose come from the functions that the curves do.
    """
    for name, text in figures.items():
        committed = (maker.FIGURES / name).read_text(encoding="utf-8")
        version = re.search(r"Matplotlib v([^,]+),", committed)
        assert version is not None
        if version[1] != mpl.__version__:
            pytest.skip(f"the figures were drawn by matplotlib {version[1]}, this is {mpl.__version__}")
        assert committed == text, name


def test_figures_are_pictures_on_white_with_words_and_without_a_date(figures: dict[str, str]) -> None:
    for text in figures.values():
        picture = ET.fromstring(text)  # noqa: S314
        first = next(element for element in picture.iter() if element.tag.endswith("path"))
        assert "fill: #ffffff" in (first.get("style") or "")
        assert re.search(">(object, share of the picture|false positive voxels|probability of one voxel)</text>", text)
        assert not re.search(r"20[23]\d-\d\d-\d\d|dc:date", text)


def test_another_process_with_other_settings_gives_the_same_bytes(
    tmp_path: Path, page: str, figures: dict[str, str]
) -> None:
    """Hashes have another seed, and matplotlib the settings of a user who likes other figures."""
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 20\nlines.linewidth: 9\nsvg.hashsalt: other\nsvg.fonttype: path\n"
    )
    code = (
        "from pathlib import Path; from tests.scripts import loaded; maker = loaded('make_imbalance');"
        "maker.PAGE, maker.FIGURES = Path('page.md'), Path('figures'); maker.main()"
    )
    subprocess.run(  # noqa: S603  (our own script)
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=plain_environment()
        | {"PYTHONPATH": str(TOP), "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "PYTHONHASHSEED": "4711"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "figures").iterdir()}
    assert made == figures


def test_links_lead_somewhere_and_no_sentence_becomes_a_list(page: str) -> None:
    headings = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-") for line in page.splitlines() if line[:3] == "## "
    }
    lists = [line for line in page.splitlines() if re.match(r"\d+[.)] ", line)]
    anchors = [found[1] for line in lists if (found := LISTED.fullmatch(line))]
    assert len(anchors) == len(lists) == 7
    assert set(anchors) == headings
    assert all((DOCS / target).exists() for target in re.findall(r"\]\(([\w/.-]+)\)", page))
    assert not re.findall(r"^[-+*=] ?[^-*`\w ]", page, re.MULTILINE)


def test_dice_with_one_wrong_voxel(maker: ModuleType, page: str) -> None:
    # too many: TP = n, FP = 1, so 2n / (2n + 1); missed: TP = n - 1, FN = 1, so 2(n - 1) / (2n - 1)
    for n in SIZES:
        assert maker.scores("one voxel too many", n)["dice"] == float(Fraction(2 * n, 2 * n + 1))
        assert maker.scores("one voxel missed", n)["dice"] == float(Fraction(2 * n - 2, 2 * n - 1))
    heading = "Why is Dice so unstable for tiny objects?"
    assert row(page, heading, "2")[:3] == [f"{4 / 5:.4f}", f"{4 / 5:.4f}", f"{2 / 3:.4f}"]
    assert row(page, heading, "32")[:3] == [f"{64 / 65:.4f}", f"{64 / 65:.4f}", f"{62 / 63:.4f}"]
    assert row(page, heading, "131,072")[:2] == [f"{1 - 1 / 262145:.8f}"] * 2


def test_a_pair_of_voxels_that_is_a_voxel_off(maker: ModuleType, page: str) -> None:
    # side by side: of the nine shifts one has both voxels, the two along the pair have one, those up and down none
    expected = [0.0] * 6 + [0.5] * 2 + [1.0]
    assert sorted(maker.nine_shifts(2)) == expected
    mean = sum(expected) / 9
    deviation = math.sqrt(sum((each - mean) ** 2 for each in expected) / 9)
    assert row(page, "Why is Dice so unstable for tiny objects?", "2")[4] == f"{deviation:.4f}"


def test_half_an_object_is_two_thirds_at_every_size(maker: ModuleType, page: str) -> None:
    for n in SIZES:
        found = maker.scores("half found", n)
        assert (found["dice"], found["iou"], found["accuracy"]) == (float(Fraction(2, 3)), 0.5, 1 - n / 2 / N)
        assert maker.hard_losses("half found", n)["soft_dice"][0] == pytest.approx(1 / 3, abs=1e-12)
        # n/2 voxels of probability 0 cost -log 1e-7 each; all others 1e-7
        surprise = (n / 2 * -math.log(1e-7) + (N - n / 2) * 1e-7) / N
        assert maker.hard_losses("half found", n)["cross_entropy"][0] == pytest.approx(surprise, rel=1e-6)
    assert row(page, "Why does Dice give small and large objects the same weight?", "131,072") == [
        "0.6667", "0.5000", "0.5000", "0.7500", "1",
    ]  # fmt: skip


def test_a_missed_object(maker: ModuleType, page: str) -> None:
    for n in SIZES:
        found = maker.scores("missed", n)
        background = Fraction(2 * (N - n), 2 * N - n)  # Dice of label 0: all N voxels are predicted so
        assert found["dice"] == 0
        assert found["mean_dice, background too"] == pytest.approx(float(background / 2), rel=1e-12)
        # 2 w TP of the background; w (P + R) of both, with w = 1 / (N - n)^2 and 1 / n^2
        weights = Fraction(1, (N - n) ** 2), Fraction(1, n**2)
        dice = 2 * weights[0] * (N - n) / (weights[0] * (2 * N - n) + weights[1] * n)
        assert found["generalized_dice"] == pytest.approx(float(dice), rel=1e-12)
    heading = "Why does the background in a mean hide failure?"
    assert row(page, heading, "131,072") == ["0", f"{1 / 3:.4f}", "0.5000", "1", "0.5000"]
    assert row(page, heading, "`mean_dice`") == [f"{9 / 10:.4f}"]
    share = 2 * (N - 9 * 2048 - 128) / (2 * (N - 9 * 2048) - 128)
    assert row(page, heading, "`mean_dice`, background too") == [f"{(9 + share) / 11:.4f}"]


def test_a_tiny_class_and_one_that_the_reference_lacks(maker: ModuleType, page: str) -> None:
    rest = N - 32768 - 2
    weights = [Fraction(1, size**2) for size in (rest, 32768, 2)]
    hits, sizes = (rest, 32768, 0), (2 * rest + 2, 2 * 32768, 2)
    shared = sum(w * h for w, h in zip(weights, hits, strict=True))
    expected = 2 * shared / sum(w * s for w, s in zip(weights, sizes, strict=True))
    assert maker.two_organs(2, found="large")["generalized_dice"] == pytest.approx(float(expected), rel=1e-12)
    heading = "What does generalized Dice change?"
    assert row(page, heading, "2")[:2] == [f"{float(expected):.3g}", "0.5000"]
    # 4,096 voxels of the background are called a class that the reference lacks
    rest = N - 8192
    background, organ = Fraction(1, rest**2), Fraction(1, 8192**2)
    over = 2 * (background * (rest - 4096) + organ * 8192)
    under = background * (2 * rest - 4096) + organ * 2 * 8192
    for rule, weight in (("max", organ), ("ignore", Fraction(0))):
        score = float(over / (under + weight * 4096))
        assert maker.false_class(4096, rule) == pytest.approx(score, rel=1e-12)
        assert row(page, heading, f"`{rule}`")[1] == f"{score:.4f}"
    assert row(page, heading, "`penalise`") == ["0", "0"]


def test_a_picture_with_background_only(maker: ModuleType, page: str) -> None:
    e = 1e-5
    perfect = 1 - e / e - (N + e) / (2 * N + e)
    wrong = 1 - e / (1 + e) - (N - 1 + e) / (2 * N - 1 + e)
    assert maker.background_only(0.0)["dl2"].value == pytest.approx(perfect, abs=1e-12)
    assert maker.background_only(1.0)["dl2"].value == pytest.approx(wrong, abs=1e-12)
    assert (round(perfect, 4), round(wrong, 4)) == (-0.5, 0.5)
    assert abs(maker.background_only(e)["dl2"].value) < 1e-12  # half-way
    assert maker.background_only(0.0)["dl2"].largest == pytest.approx(1 / e, rel=1e-9)
    heading = "What happens on pictures with background only?"
    assert row(page, heading, "`dl2`")[:4] == ["-0.5000", "0", "0.5000", "1e5"]
    assert row(page, heading, "`dice`") == ["undefined", "0"]
    assert row(page, heading, "`soft_dice`") == ["undefined", "1", "1", "0", "0", "0"]


def test_gradients(maker: ModuleType, page: str) -> None:
    for n in SIZES:
        found = maker.soft_losses("all at 0.5", n)
        largest, total, share = found["cross_entropy"]
        assert (largest, total) == (pytest.approx(2 / N, rel=1e-9), pytest.approx(2, rel=1e-9))
        assert share == pytest.approx(n / N, rel=1e-9)
        # d = (r - h / s) 2 / s with h = n / 2 and s = N / 2 + n, so h / s = n / (N + 2n)
        inside, outside = n * (N + n) / (N + 2 * n), (N - n) * n / (N + 2 * n)
        assert found["soft_dice"][1:] == (
            pytest.approx((inside + outside) * 4 / (N + 2 * n), rel=1e-9),
            pytest.approx(inside / (inside + outside), rel=1e-9),
        )
        assert maker.soft_losses("missed: all at 0.01", n)["cross_entropy"][0] == pytest.approx(100 / N, rel=1e-9)
        assert maker.hard_losses("perfect", n)["soft_dice"][1] == pytest.approx(1 / (2 * n), rel=1e-9)
        assert maker.hard_losses("perfect", n)["vnet_dice"][1] == 0
    heading = "Which loss has the better gradient?"
    assert row(page, heading, "`cross_entropy`") == ["7.63e-6", "7.63e-6", "2", "2", "7.63e-6", "0.5"]
    assert row(page, heading, "`soft_dice`")[4:] == ["0.5", "0.75"]


@pytest.mark.parametrize("p", [1e-6, 1e-3, 0.5, 0.9])
def test_what_reaches_the_logits(maker: ModuleType, p: float) -> None:
    # soft Dice: h = n p and s = n (1 + p), so n (1 - p / (1 + p)) 2 / s p (1 - p) over the object
    found = maker.pushes(p)
    assert found["soft_dice"] == pytest.approx(2 * p * (1 - p) / (1 + p) ** 2, rel=1e-9)
    assert found["cross_entropy"] == pytest.approx(512 / N * (1 - p), rel=1e-9)
    assert (found["soft_dice"] > found["cross_entropy"]) == (p > 512 / (2 * N))


def test_the_printed_gradient_goes_uphill(maker: ModuleType) -> None:
    for differences, ours, printed in maker.gradient_signs().values():
        assert ours == pytest.approx(differences, rel=1e-5)
        assert printed == pytest.approx(-differences, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1 - 3.814e-6, "0.99999619"), (1 - 4e-5, "0.9999600"), (1 - 1e-4, "0.9999"), (2 / 3, "0.6667"),
        (-0.5, "-0.5000"), (0.0, "0"), (5e-17, "0"), (7.6294e-06, "7.63e-6"), (1e5, "1e5"), (math.nan, "undefined"),
        (math.inf, "infinite"),
    ],
)  # fmt: skip
def test_a_number_is_one_only_when_it_is(maker: ModuleType, value: float, text: str) -> None:
    assert maker.number(value) == text


def test_what_is_called_the_same_is(maker: ModuleType) -> None:
    assert maker.same([0.5, 0.5]) == "0.5000"
    with pytest.raises(ValueError, match="not the same"):
        maker.same([0.5, 0.50001])
