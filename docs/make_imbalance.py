"""Write docs/imbalance.md and its figures, on scores and losses of small objects: `python docs/make_imbalance.py`.

The script makes the pictures, and computes every number on the page and in the figures with `segeval.score` and
`segeval.losses`. The page is always the same, and so are the figures for one version of matplotlib, independent of the
user's settings.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import segeval
from segeval.evidence.conventions import AbsentClass
from segeval.losses import LOSSES, gdl, imbalance
from segeval.maps.channels import CLIP
from segeval.reports.figures.style import WIDTHS, file_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]

HERE = Path(__file__).resolve().parent
PAGE = HERE / "imbalance.md"
FIGURES = HERE / "figures"

SIDE = 512
VOXELS = SIDE * SIDE
SIZES = tuple(2**power for power in range(1, 18))
TINY, SMALL, MEDIUM, HALF = SHOWN = (2, 128, 8192, VOXELS // 2)
ORGAN = 32768
SEVERAL_SIZES = tuple(n for n in SIZES if n <= MEDIUM)
PUSHED = 512  # the object whose gradient is followed over probabilities
NOISE = 1e-15  # what rounding leaves of 0
RULES: tuple[AbsentClass, ...] = ("max", "ignore", "penalise")
STATES = ("all at 0.5", "right: 0.99 and 0.01", "missed: all at 0.01")

LABEL_SCORES = (
    "dice", "iou", "sensitivity", "specificity", "precision", "accuracy", "balanced_accuracy", "mcc", "kappa",
)  # fmt: skip
LENGTHS = ("hd", "assd")
WITH_BACKGROUND = "mean_dice, background too"
SHARE = "object, share of the picture"

# colours that the colour-blind tell apart (Okabe and Ito), each with a marker and a line of its own
PENS = (
    ("#000000", "o", "-"),
    ("#d55e00", "s", "--"),
    ("#0072b2", "^", "-."),
    ("#009e73", "D", ":"),
    ("#cc79a7", "v", (0, (5, 1, 1, 1, 1, 1))),
    ("#e69f00", "P", (0, (3, 3))),
    ("#56b4e9", "X", (0, (1, 2))),
)
LOSS_PENS = dict(zip(("soft_dice", "cross_entropy", "wce", "dl2", "ss", "gdl", "vnet_dice"), PENS, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A loss of a map.

    Parameters
    ----------
    value
        The loss; for the scores `soft_dice` and `vnet_dice`, 1 minus the score. NaN if undefined.
    gradient
        With respect to each probability.
    """

    value: float
    gradient: Floats

    @property
    def largest(self) -> float:
        """The largest magnitude of the gradient."""
        return float(np.abs(self.gradient).max())

    @property
    def total(self) -> float:
        """The sum of the magnitudes of the gradient."""
        return float(np.abs(self.gradient).sum())


# ---- pictures


@cache
def nearest(y: int, x: int) -> NDArray[np.intp]:
    """Indices of all voxels, sorted by distance from the upper left corner of a voxel."""
    rows, columns = np.indices((SIDE, SIDE))
    return np.argsort(((2 * rows + 1 - 2 * y) ** 2 + (2 * columns + 1 - 2 * x) ** 2).ravel(), kind="stable")


def disc(n: int, *, at: tuple[int, int] = (SIDE // 2, SIDE // 2), label: int = 1) -> Labels:
    """Return a picture with one object: the n voxels nearest to a point."""
    picture = np.zeros(VOXELS, np.uint8)
    picture[nearest(*at)[:n]] = label
    return picture.reshape(SIDE, SIDE)


def shifted(picture: Labels, *, down: int = 0, right: int = 1) -> Labels:
    """Return the picture shifted by whole voxels."""
    return np.roll(picture, (down, right), (0, 1))


SCENES: dict[str, Callable[[int], Labels]] = {
    "perfect": disc,
    "one voxel too many": lambda n: disc(n + 1),
    "one voxel missed": lambda n: disc(n - 1),
    "half found": lambda n: disc(n // 2),
    "shifted by one voxel": lambda n: shifted(disc(n)),
    "missed": lambda _: disc(0),
}


# ---- scores and losses


def value(metric: str, prediction: Labels, reference: Labels, *, label: int | str = "all", **options: Any) -> float:
    """Return one score; NaN if it is undefined."""
    wanted = {"metrics": [metric], **({"only": [label]} if isinstance(label, int) and label else {}), **options}
    found = segeval.score(prediction=prediction, reference=reference, **wanted).value(metric, label=label)
    return math.nan if found is None else found


@cache
def scores(scene: str, n: int) -> dict[str, float]:
    """Return the scores of a scene with an object of n voxels."""
    prediction, reference = SCENES[scene](n), disc(n)
    metrics = [*LABEL_SCORES, *LENGTHS, "generalized_dice"]
    results = segeval.score(prediction=prediction, reference=reference, metrics=metrics, only=[1])
    found = {metric: results.value(metric, label=1) for metric in (*LABEL_SCORES, *LENGTHS)}
    found["generalized_dice"] = results.value("generalized_dice")
    found[WITH_BACKGROUND] = value("mean_dice", prediction, reference, background=True)
    return {metric: math.nan if score is None else score for metric, score in found.items()}


def losses(probabilities: Floats, reference: Labels) -> dict[str, Found]:
    """Every loss of a map with one channel."""
    found = {}
    for name in LOSS_PENS:
        result, gradient = LOSSES[name](probabilities=probabilities, reference=reference)
        found[name] = Found(value=1 - result if name.endswith("_dice") else result, gradient=gradient)
    return found


@cache
def hard_losses(scene: str, n: int) -> dict[str, tuple[float, float]]:
    """Each loss of a scene, with probabilities of 0 and 1: its value and the largest magnitude of its gradient."""
    found = losses(SCENES[scene](n).astype(np.float64), disc(n))
    return {name: (each.value, each.largest) for name, each in found.items()}


@cache
def soft_losses(state: str, n: int) -> dict[str, tuple[float, float, float]]:
    """Each loss of a state: the largest and the total magnitude of its gradient, and the object's share of it."""
    inside, outside = {STATES[0]: (0.5, 0.5), STATES[1]: (0.99, 0.01), STATES[2]: (0.01, 0.01)}[state]
    reference = disc(n)
    found = losses(np.where(reference == 1, inside, outside), reference)
    return {
        name: (each.largest, each.total, float(np.abs(each.gradient[reference == 1]).sum()) / each.total)
        for name, each in found.items()
    }


@cache
def pushes(p: float) -> dict[str, float]:
    """Gradient of each loss with respect to the logits of an object at p, with 0 elsewhere; the sum over the object."""
    reference = disc(PUSHED)
    found = losses(np.where(reference == 1, p, 0.0), reference)
    return {
        name: float(np.abs(each.gradient[reference == 1]).sum()) * p * (1 - p)  # the slope of the logistic function
        for name, each in found.items()
    }


@cache
def nine_shifts(n: int) -> tuple[float, ...]:
    """Return Dice for all nine shifts of the prediction by at most one voxel along each axis."""
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    reference = disc(n)
    return tuple(value("dice", shifted(reference, down=d, right=r), reference, label=1) for d, r in steps)


# ---- pictures with several labels


@cache
def ten_organs(n: int) -> dict[str, float]:
    """Return the scores of ten organs: nine predicted perfectly, and one of n voxels missed."""
    prediction = sum(
        (disc(2048, at=(64 + 128 * (k // 3), 64 + 128 * (k % 3)), label=k + 1) for k in range(9)),
        start=np.zeros((SIDE, SIDE), np.uint8),
    )
    reference = prediction + disc(n, at=(448, 448), label=10)
    return {
        "mean_dice": value("mean_dice", prediction, reference),
        WITH_BACKGROUND: value("mean_dice", prediction, reference, background=True),
        "generalized_dice": value("generalized_dice", prediction, reference),
        "accuracy": right_voxels(prediction, reference),
    }


def right_voxels(prediction: Labels, reference: Labels) -> float:
    """Return the share of voxels with the right label, from the true positives of all labels and the background."""
    results = segeval.score(prediction=prediction, reference=reference, metrics=["tp"], background=True)
    labels = np.unique([prediction, reference]).tolist()
    return sum(results.value("tp", label=label) or 0 for label in labels) / VOXELS


@cache
def two_organs(n: int, *, found: str) -> dict[str, float]:
    """Return the scores of a large organ and one of n voxels, if one is predicted perfectly and the other missed."""
    large, tiny = disc(ORGAN, at=(320, 320)), disc(n, at=(64, 64), label=2)
    prediction, reference = {"large": large, "tiny": tiny}[found], large + tiny
    metrics = ("generalized_dice", "mean_dice")
    return {metric: value(metric, prediction, reference) for metric in metrics}


@cache
def false_class(k: int, rule: AbsentClass, *, organ: int = MEDIUM) -> float:
    """Generalized Dice if k voxels of a class absent from the reference are predicted, and the rest is right."""
    reference = disc(organ, at=(320, 320))
    prediction = reference + disc(k, at=(64, 64), label=2)
    return value("generalized_dice", prediction, reference, absent_class=rule)


# ---- pictures without an object


@cache
def background_only(p: float) -> dict[str, Found]:
    """Each loss if the reference is background and one voxel has the probability p; gdl by each rule."""
    reference, probabilities = disc(0), np.zeros((SIDE, SIDE))
    probabilities[SIDE // 2, SIDE // 2] = p
    found = losses(probabilities, reference)
    del found["gdl"]
    for rule in RULES:
        result, gradient = gdl(probabilities=probabilities, reference=reference, absent_class=rule)
        found[f"gdl, {rule}"] = Found(value=result, gradient=gradient)
    return found


def of_ten(metric: Callable[[Labels, Labels], float], *, false_voxels: int) -> list[float]:
    """Return a score of nine pictures with an object, predicted one voxel off, and of one without an object."""
    reference = disc(MEDIUM)
    return [*[metric(shifted(reference), reference)] * 9, metric(disc(false_voxels), disc(0))]


def dice_of(prediction: Labels, reference: Labels) -> float:
    """Dice of the object."""
    return value("dice", prediction, reference, label=1)


def dl2_of(prediction: Labels, reference: Labels) -> float:
    """Return the two-class Dice loss of a prediction with probabilities 0 and 1."""
    return LOSSES["dl2"](probabilities=prediction[None].astype(np.float64), reference=reference[None])[0]


def defined(values: Iterable[float]) -> list[float]:
    """The values that are not NaN."""
    return [each for each in values if not math.isnan(each)]


def gradient_signs() -> dict[str, tuple[float, float, float]]:
    """Gradient of gdl at a voxel of the object and one outside: by differences, by segeval, as in the paper."""
    reference = disc(16)[240:272, 240:272]
    p, r = np.where(reference == 1, 0.8, 0.3), reference.astype(np.float64)
    ours = gdl(probabilities=p, reference=reference)[1]
    n, w1, w2 = r.size, 1 / r.sum() ** 2, 1 / (1 - r).sum() ** 2
    hits, sizes = (p * r).sum(), (p + r).sum()
    bracket = (w1**2 - w2**2) * (hits - r * sizes) + n * w2 * (w1 + w2) * (1 - 2 * r)
    printed = -2 * bracket / ((w1 - w2) * sizes + 2 * n * w2) ** 2
    found = {}
    for name, place in (("in the object", (16, 16)), ("outside", (0, 0))):
        ends = []
        for step in (1e-4, -1e-4):
            moved = p.copy()
            moved[place] += step
            ends.append(gdl(probabilities=moved, reference=reference)[0])
        found[name] = ((ends[0] - ends[1]) / 2e-4, float(ours[place]), float(printed[place]))
    return found


# ---- words


def number(score: float) -> str:
    """A number with four decimals, or with three digits if it is small, large or close to 1."""
    if math.isnan(score):
        return "undefined"
    if abs(score) < NOISE:
        return "0"
    if not 1e-3 <= abs(score) < 1e4 or score == round(score):
        return magnitude(score)
    text = f"{score:.4f}"
    return text if text != "1.0000" else f"{score:.{2 - math.floor(math.log10(abs(1 - score)))}f}"


def magnitude(size: float) -> str:
    """Return a number with three digits, as 1e-7 and not 1e-07."""
    if math.isinf(size):
        return "infinite"
    digits, _, power = f"{size:.3g}".partition("e")
    return f"{digits}e{int(power)}" if power else digits


def same(values: Iterable[float]) -> str:
    """The common value of several numbers, as text.

    Raises
    ------
    ValueError
        They are not.
    """
    first, *others = values
    if not all(math.isclose(first, other, rel_tol=1e-5) for other in others):
        raise ValueError(f"not the same: {first}, {others}")
    return number(first)


def filled(text: str) -> str:
    """Wrap the paragraphs and lists of a text; keep tables, headings and pictures unchanged."""
    return "\n\n".join(
        block if block.lstrip().startswith(("|", "#", "!", "1. ")) else "\n".join(map(wrapped, entries(block)))
        for block in text.strip().split("\n\n")
    )


def entries(block: str) -> list[str]:
    """Return the items of a list, or the paragraph alone."""
    return [entry.strip() for entry in re.split(r"\n(?=- )", block)]


def wrapped(entry: str) -> str:
    """Wrap one paragraph; no line begins with a sign or a number and a dot, which Markdown reads as a list."""
    whole = re.sub(r" ([-+*/=]) ", "\0\\1\0", " ".join(entry.removeprefix("- ").split()))
    whole = re.sub(r" (\d+\.) ", "\0\\1 ", whole)
    first, later = ("- ", "  ") if entry.startswith("- ") else ("", "")
    lines = textwrap.wrap(
        whole, 116, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace("\0", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, first_right: bool = False) -> str:
    """Return a Markdown table; all columns but the first are right-aligned."""
    rule = ["---:" if place or first_right else "---" for place in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def code(name: str) -> str:
    """Return the name of a metric as Markdown code."""
    return "`mean_dice`, background too" if name == WITH_BACKGROUND else f"`{name}`"


def share(n: int) -> str:
    """Return the share of n voxels in the picture, as text."""
    return number(imbalance(disc(n)))


def sized(head: str, per_size: Callable[[int], Sequence[float]], columns: Sequence[str], sizes: Sequence[int]) -> str:
    """Return a table with a row per size."""
    rows = [[f"{n:,}", *map(number, per_size(n))] for n in sizes]
    return table([head, *columns], rows, first_right=True)


def page() -> str:
    """Return the whole page."""
    questions = {
        "Why does Dice give small and large objects the same weight?": alike(),
        "Why is Dice so unstable for tiny objects?": unsteady(),
        "Why does the background in a mean hide failure?": hidden(),
        "What does generalized Dice change?": generalized(),
        "What happens on pictures with background only?": empty(),
        "Which loss has the better gradient?": gradients(),
        "All scores and losses": everything(),
    }
    links = "\n".join(
        f"{place}. [{question}](#{question.lower().replace(' ', '-').replace('?', '')})"
        for place, question in enumerate(questions, 1)
    )
    parts = [introduction(links), *(f"## {question}\n\n{text.strip()}" for question, text in questions.items())]
    return "\n\n".join(filled(part) for part in parts) + "\n"


def introduction(links: str) -> str:
    """The first paragraphs and the contents."""
    overlaps = ("dice", "iou", "sensitivity", "generalized_dice")
    perfect = same(scores("perfect", n)[metric] for n in SIZES for metric in overlaps)
    return f"""\
# Class imbalance

To know how scores and losses behave if the object is a hundred-thousandth of the picture, see the numbers below.
`docs/make_imbalance.py` makes the pictures, and segeval computes every number. A picture has {SIDE} x {SIDE} =
{VOXELS:,} voxels and one object of n voxels around the centre, with n = 2, 4, 8, ... {HALF:,}: from {share(TINY)} to
{share(HALF)} of the picture. The prediction is perfect, has one voxel too many or too few, has half of the object, is
shifted by one voxel to the right, or misses the object.

{links}

For a perfect prediction, Dice and all other overlaps are {perfect} at every size. The rest of this page is about
imperfect ones. `soft_dice` and `vnet_dice` are scores; as a loss we use 1 minus the score. Formulas: Sudre et al.
2017 ([arXiv 1707.03237](https://arxiv.org/abs/1707.03237)) and Milletari et al. 2016 ([arXiv
1606.04797](https://arxiv.org/abs/1606.04797)); `segeval metrics NAME` and [definitions](definitions.md) have each.
"""


def alike() -> str:
    """Question 1."""
    columns = ("dice", "iou", "sensitivity", "accuracy", "specificity")
    large = disc(ORGAN, at=(320, 320))
    tiny = disc(SMALL, at=(64, 64))
    both = {"dice": value("dice", large, large + tiny, label=1)}
    both["mean"] = value("mean_dice", large, large + 2 * tiny)
    found, missed = disc(HALF), disc(SMALL)
    each = [value("dice", found, found, label=1), value("dice", disc(0), missed, label=1)]
    pooled = value("dice", np.stack([found, disc(0)]), np.stack([found, missed]), label=1)
    half = {n: {name: loss for name, (loss, _) in hard_losses("half found", n).items()} for n in SIZES}
    return f"""\
**Because it divides by the size of the object, not by that of the picture.** If the prediction is half of the object
and nothing else, Dice is 2 (n/2) / (n/2 + n) = 2/3, for {TINY} voxels and for {HALF:,}. Accuracy divides by all
voxels, and a small object has few of them. Specificity does not use the voxels of the object.

{sized("object n", lambda n: [scores("half found", n)[metric] for metric in columns], columns, SHOWN)}

![Half of the object found: scores and losses against the size of the object](figures/imbalance-alike.svg)

The losses differ in the same way. For half of an object, `soft_dice` and `vnet_dice` are
{same(half[n][name] for n in SIZES for name in ("soft_dice", "vnet_dice"))} at each size. Cross-entropy is a mean over
voxels and decreases with the size of the object, from {number(half[HALF]["cross_entropy"])} to
{number(half[TINY]["cross_entropy"])}. `wce` weights the object by the inverse of the predicted size, and `ss` by the
inverse of the true size. From the largest object to the smallest `wce` goes from {number(half[HALF]["wce"])} to
{number(half[TINY]["wce"])}; `ss` stays at {same(half[n]["ss"] for n in SIZES)}, which is small because of the weight
of 0.05 in the paper.

Two limits:

- **Each label of each picture has the same weight, not each object.** An organ of {ORGAN:,} voxels is found and a
  piece of {SMALL} is missed. As one label, their Dice is {number(both["dice"])}. As two labels, their mean is
  {number(both["mean"])}.
- **This holds for a mean over cases, and not for pooling.** One picture has an object of {HALF:,} voxels, which is
  found; another has one of {SMALL}, which is missed. The mean Dice is {number(fmean(each))}. With all voxels pooled,
  as in one volume, Dice is {number(pooled)}.
"""


def unsteady() -> str:
    """Question 2."""
    columns = (
        "one too many",
        "2n / (2n + 1)",
        "one missed",
        "shifted by one",
        "sd of nine shifts",
        "hd of the shift, px",
    )

    def row(n: int) -> list[float]:
        shift = scores("shifted by one voxel", n)
        return [
            scores("one voxel too many", n)["dice"], 2 * n / (2 * n + 1), scores("one voxel missed", n)["dice"],
            shift["dice"], pstdev(nine_shifts(n)), shift["hd"],
        ]  # fmt: skip

    extra = {n: hard_losses("one voxel too many", n) for n in SIZES}
    off_by_one = same(scores("shifted by one voxel", n)["hd"] for n in SIZES)
    return f"""\
**Because one voxel is a large part of the object.** With one voxel too many, Dice is exactly 2n / (2n + 1); with one
missed, (2n - 2) / (2n - 1). One extra voxel costs {number(1 - scores("one voxel too many", HALF)["dice"])} for an
object of {HALF:,} voxels and {number(1 - scores("one voxel too many", TINY)["dice"])} for one of {TINY}.

{sized("object n", row, columns, (2, 8, 32, 128, 2048, HALF))}

![One wrong voxel: Dice and its formula, and losses, against the size of the object](figures/imbalance-one-voxel.svg)

A prediction that is off by one voxel is nearly right. There are nine shifts by at most one voxel along each axis. For
{TINY} voxels, their Dice ranges from {number(min(nine_shifts(TINY)))} to {number(max(nine_shifts(TINY)))} with a
standard deviation (of these nine) of {number(pstdev(nine_shifts(TINY)))}; for {HALF:,} voxels from
{number(min(nine_shifts(HALF)))} to {number(max(nine_shifts(HALF)))}. The Hausdorff distance of the shift is
{off_by_one} px at every size. So do not compare the Dice of structures of different size; also report a distance
(`hd@95`, `nsd`); and look at medians and intervals.

The Dice losses jump in the same way: one false voxel gives a `soft_dice` loss of
{number(extra[TINY]["soft_dice"][0])} at n = {TINY} and of {number(extra[HALF]["soft_dice"][0])} at n = {HALF:,}. The
cross-entropy is {same(extra[n]["cross_entropy"][0] for n in SIZES)} at every size: {-math.log(CLIP):.1f} /
{VOXELS:,}, where {-math.log(CLIP):.1f} is -log of the {magnitude(CLIP)} to which probabilities are clipped. `ss` is
even smaller, {number(extra[TINY]["ss"][0])} at n = {TINY}. `wce` equals cross-entropy for false positive voxels, but
not for missed ones: for {TINY} voxels, one too many gives {number(extra[TINY]["wce"][0])}, one missed
{number(hard_losses("one voxel missed", TINY)["wce"][0])}. """


def hidden() -> str:
    """Question 3."""
    names = ("dice", WITH_BACKGROUND, "accuracy", "specificity", "generalized_dice")
    background = {n: value("dice", disc(0), disc(n), label=0, background=True) for n in (TINY, MEDIUM)}
    ten = ten_organs(SMALL)
    return f"""\
**Because every method finds the background.** If an object of {TINY} voxels is missed, the Dice of the background is
{number(background[TINY])}, that of the object 0, and their mean {number(scores("missed", TINY)[WITH_BACKGROUND])}.
This looks like half a success.

{sized("object n, missed", lambda n: [scores("missed", n)[name] for name in names], names, SHOWN)}

![A missed object: scores with and without the background](figures/imbalance-background.svg)

With more classes it looks even better, and accuracy looks perfect. Nine organs of 2,048 voxels are predicted
perfectly, and a tenth of {SMALL} is missed:

{table(["", "score"], [[code(name), number(score)] for name, score in ten.items()])}

Accuracy here is the share of all voxels with the right label, which is also the Dice of all classes pooled. In
segeval the background has no row and is not part of any mean, unless you add `--background`. `mean_dice` is the mean
over the labels in either map, so the missed organ counts as 0. Its row shows that it was missed. """


def generalized() -> str:
    """Question 4."""
    names = ("generalized_dice", "mean_dice")
    missed = {n: two_organs(n, found="large") for n in (TINY, SMALL)}
    other = {n: two_organs(n, found="tiny") for n in (TINY, SMALL)}
    rows = [
        [f"{n:,}", *(number(two_organs(n, found=which)[name]) for which in ("large", "tiny") for name in names)]
        for n in (TINY, SMALL, 2048, MEDIUM)
    ]
    one, many = 1, 4096
    rules = [[f"`{rule}`", *(number(false_class(k, rule)) for k in (one, many))] for rule in RULES]
    nothing = {rule: false_class(100, rule, organ=0) for rule in RULES}
    return f"""\
**It weights each class, including the background, by 1 / (its volume in the reference)²**, and computes one overlap
of all. The background gets the smallest weight, so a missed object of {TINY} voxels scores
{number(scores("missed", TINY)["generalized_dice"])}, and the mean with the background is
{number(scores("missed", TINY)[WITH_BACKGROUND])} (table above). A missed object of n voxels scores about 2n / N.
segeval always includes the background: with a single class the weights would cancel and leave plain Dice.

It has three traps.

**A tiny class dominates.** A picture has an organ of {ORGAN:,} voxels and a structure of n voxels with its own label.

{table(["tiny n", "tiny missed: generalized", "mean", "organ missed: generalized", "mean"], rows, first_right=True)}

If the {TINY} voxels are missed, the score is {number(missed[TINY]["generalized_dice"])}, however good the organ is.
If they are found and the organ is missed, it is {number(other[TINY]["generalized_dice"])}. `mean_dice` is
{same(each["mean_dice"] for found in (missed, other) for each in found.values())} each time. Also read the rows of the
labels.

**A class that is absent from the reference** has a volume of 0 and would get an infinite weight; `--absent-class`
sets its weight. An organ of {MEDIUM:,} voxels is predicted perfectly, and there are false positive voxels of another
class:

{table(["`--absent-class`", f"{one} false positive voxel", f"{many:,} false positive voxels"], rules)}

`max` (the default) gives it the weight of the heaviest class of the case, here the organ. `ignore` gives it no
weight: the false positive voxels only lower the overlap of the background, which has a small weight. `penalise` gives
0 at the first voxel.

![A tiny class beside a large one, and a class absent from the reference](figures/imbalance-generalized.svg)

**Without any object** the reference is background only, and false positive voxels hardly matter: 100 of them score
{number(nothing["max"])} under `max`, {number(nothing["ignore"])} under `ignore` and {number(nothing["penalise"])}
under `penalise`.

[Generalized Dice](decisions/03-generalized-dice.md) explains why `max` is the default.
"""


def empty() -> str:
    """Question 5."""
    nothing, wrong = disc(0), disc(1)
    metrics = ("dice", "sensitivity", "precision", "specificity", "accuracy")
    rows = [
        [f"`{metric}`", *(number(value(metric, each, nothing, label=1)) for each in (nothing, wrong))]
        for metric in metrics
    ]
    rows += [
        [f"`generalized_dice`, {rule}"]
        + [number(value("generalized_dice", each, nothing, absent_class=rule)) for each in (nothing, wrong)]
        for rule in RULES
    ]
    ends = {p: background_only(p) for p in (0.0, 1e-5, 1.0)}
    loss_rows = [
        [f"`{name}`", *(number(each[name].value) for each in ends.values())]
        + [magnitude(each[name].largest) for each in ends.values()]
        for name in ends[0.0]
    ]
    right, off = (of_ten(dice_of, false_voxels=k) for k in (0, 1))
    loss_right, loss_off = (of_ten(dl2_of, false_voxels=k) for k in (0, 1))
    together = [
        LOSSES["dl2"](
            probabilities=np.stack([*[shifted(disc(MEDIUM))] * 9, last]).astype(np.float64),
            reference=np.stack([*[disc(MEDIUM)] * 9, nothing]),
        )[0]
        for last in (nothing, wrong)
    ]
    return f"""\
**Dice is 0/0 for a perfect prediction, and 0 with the first wrong voxel.** segeval leaves 0/0 undefined, with the
note `absent in both`: a 1 would raise every mean by pictures in which there is nothing to find, and a 0 would lower
it. Metrics that are still defined, like specificity, keep their value.

{table(["", "perfect", "one wrong voxel"], rows)}

For losses, the table has the value and the largest magnitude of the gradient if one voxel has the probability p and
all others have 0. (Values below {magnitude(NOISE)} are written as 0.)

{table(["loss", "p = 0", "p = 1e-5", "p = 1", "gradient, p = 0", "p = 1e-5", "p = 1"], loss_rows)}

![A picture with background only: losses and gradients by the probability of one voxel](figures/imbalance-empty.svg)

- **`dl2` is -1/2 for a perfect prediction, and about +1/2 with one wrong voxel.** Its first fraction is (0 + e) / (0
  + e) = 1, although there is no object; with one wrong voxel it is e / (1 + e), almost 0. The e of 1e-5 determines
  the place of the jump: at p = 1e-5 the loss is half-way. Its gradient at p = 0 is 1 / e,
  {magnitude(ends[0.0]["dl2"].largest)}; for an object of {MEDIUM:,} voxels that is one voxel off it is
  {magnitude(hard_losses("shifted by one voxel", MEDIUM)["dl2"][1])}. segeval keeps the printed formula and adds a
  note to the value.
- **The loss of `soft_dice` and `vnet_dice` is 1 for any wrong probability**, and their gradient is 0: without an
  object the product with the reference is 0, and a smaller error does not change it.
- **`gdl` depends on `absent_class`.** Under `max` and `ignore` one wrong voxel costs at most
  {number(max(ends[1.0][f"gdl, {rule}"].value for rule in ("max", "ignore")))}; under `penalise` the loss is 1 from p
  = 0.5 on, without a gradient.
- **Means over cases shift.** Nine pictures have an object of {MEDIUM:,} voxels, predicted one voxel off; the tenth
  has no object. If its prediction is perfect, the mean Dice is {number(fmean(defined(right)))} over
  {len(defined(right))} cases. With one false voxel it is {number(fmean(defined(off)))} over {len(defined(off))}. So
  always read a mean together with its n. The mean `dl2` goes from {number(fmean(loss_right))} to
  {number(fmean(loss_off))}; with the ten pictures as one volume it is {number(together[0])} and
  {number(together[1])}, because e no longer matters.

[Empty masks](decisions/02-empty-masks.md) lists what other tools do.
"""


def gradients() -> str:
    """Question 6."""
    at_half, right, lost = ({n: soft_losses(state, n) for n in SIZES} for state in STATES)
    rows = [
        [f"`{name}`", *(magnitude(at_half[n][name][part]) for part in (0, 1, 2) for n in (TINY, HALF))]
        for name in LOSS_PENS
    ]
    head = [
        f"{what}{size}" for what in ("largest, ", "total, ", "share, ") for size in (f"n = {TINY}", f"n = {HALF:,}")
    ]
    signs = [[place, *map(magnitude, found)] for place, found in gradient_signs().items()]
    perfect = {n: hard_losses("perfect", n) for n in (TINY, HALF)}
    ce, dice = "cross_entropy", "soft_dice"
    low, middle = pushes(1e-6), pushes(0.5)
    return f"""\
**The gradient of cross-entropy does not depend on the size of the object; that of Dice is concentrated on the
object.** Each has a disadvantage. Here is the gradient with respect to the probabilities in three states: all at 0.5,
as before training; right, with 0.99 in the object and 0.01 outside; and missed, with 0.01 everywhere.

![Largest and total magnitude of the gradient of each loss in three states](figures/imbalance-gradients.svg)

With all at 0.5; "share" is the object's share of the total gradient:

{table(["loss", *head], rows)}

- **Cross-entropy** has a gradient of 1 / (N p) or 1 / (N (1 - p)) per voxel, independent of the other voxels. The
  largest is {same(at_half[n][ce][0] for n in SIZES)} with all at 0.5, {same(right[n][ce][0] for n in SIZES)} if all
  is right and {same(lost[n][ce][0] for n in SIZES)} if the object is missed, at every size. But the object's share of
  the total is its share of the picture, {magnitude(at_half[TINY][ce][2])} for {TINY} voxels: nearly all of the
  gradient is on the background.
- **Soft Dice** gives the object as much of the gradient as the background, {number(at_half[TINY][dice][2])} of the
  total for {TINY} voxels. This is why it needs no class weights. `gdl` does the same, and `vnet_dice` gives the
  object a third. `dl2` does not: it adds the Dice of the background, and the object of {TINY} voxels has a share of
  {magnitude(at_half[TINY]["dl2"][2])}.
- **The background dilutes soft Dice.** The probabilities of the whole picture are in its denominator. So the total
  gradient decreases with the object, to {magnitude(at_half[TINY][dice][1])} with all at 0.5: a tiny object in a
  large, uncertain picture has hardly any gradient. With 1 % on the background, the loss of a *right* prediction of
  {TINY} voxels is {number(right_loss())}.
- **Near the optimum** soft Dice keeps its gradient: 1 / (2n) on the object of a perfect prediction,
  {magnitude(perfect[TINY][dice][1])} for {TINY} voxels and {magnitude(perfect[HALF][dice][1])} for {HALF:,}. The
  squares in `vnet_dice` make it {magnitude(perfect[TINY]["vnet_dice"][1])} and
  {magnitude(perfect[HALF]["vnet_dice"][1])}.
- **`wce`** weights the object by the inverse of the predicted size. With all at 0.01 its weight is 99, and its
  largest gradient for {TINY} voxels is {magnitude(lost[TINY]["wce"][0])}; that of cross-entropy is
  {magnitude(lost[TINY][ce][0])}. It grows without bound as the predicted size decreases, and is infinite if nothing
  is predicted.

For your own map, `segeval losses PROBABILITY REFERENCE` prints the largest gradient and the foreground's share.

A network is trained by the gradient with respect to the logits: the gradient above times p (1 - p). For an object of
{PUSHED} voxels with probability p, and 0 elsewhere, this is the sum over the object:

![The object's share of the gradient, and the gradient with respect to its logits](figures/imbalance-share.svg)

That of soft Dice is 2p (1 - p) / (1 + p)², at any size: {magnitude(middle[dice])} at p = 0.5, and
{magnitude(middle[ce])} for cross-entropy. But it decreases with p, to {magnitude(low[dice])} at p = 1e-6, when the
object is lost. That of cross-entropy is (1 - p) n / N, and still {magnitude(low[ce])} there. Dice has the larger
gradient if the object is seen, and cross-entropy if it is lost; they are equal near p = n / (2N), here
{magnitude(PUSHED / VOXELS / 2)}. This is a reason to add the two losses. At exactly 0 or 1, cross-entropy has no
gradient here either, because p is clipped to {magnitude(CLIP)} in the logarithm.

**A misprint.** The gradient of `gdl` that the paper prints for two classes has the wrong sign, so that a step along
it increases the loss. For a picture of 32 x 32 with an object of 16 voxels, at 0.8 inside and 0.3 outside:

{table(["voxel", "by finite differences", "`segeval.losses.gdl`", "as printed"], signs)}
"""


def right_loss() -> float:
    """Return the soft Dice loss of a tiny object that is found, if the rest has a probability of 0.01."""
    reference = disc(TINY)
    return losses(np.where(reference == 1, 0.99, 0.01), reference)["soft_dice"].value


def everything() -> str:
    """Return the tables of all scores and losses."""
    parts = [
        "One column per size in voxels; `hd` and `assd` in px. For losses: the value and the largest gradient."
        f" Probabilities are 0 and 1, in logarithms {magnitude(CLIP)} and 1 - {magnitude(CLIP)}. The distances of"
        " a missed object are the penalty, the diagonal of the picture."
    ]
    for scene in SCENES:
        rows = [
            [code(name), *(number(scores(scene, n)[name]) for n in SHOWN)]
            for name in (*LABEL_SCORES, "generalized_dice", WITH_BACKGROUND)
        ]
        rows += [[code(name), *(magnitude(scores(scene, n)[name]) for n in SHOWN)] for name in LENGTHS]
        for name in LOSS_PENS:
            each = [hard_losses(scene, n)[name] for n in SHOWN]
            rows.append([code(name), *(f"{number(loss)}, {magnitude(largest)}" for loss, largest in each)])
        parts.append(f"### {scene.capitalize()}\n\n" + table(["", *(f"{n:,}" for n in SHOWN)], rows))
    return "\n\n".join(parts)


# ---- figures


def figures() -> dict[str, str]:
    """Return the figures, as SVG by file name."""
    shares = [n / VOXELS for n in SIZES]
    several = [n / VOXELS for n in SEVERAL_SIZES]
    falses = [2**power for power in range(13)]
    ps = [10 ** (power / 4) for power in range(-32, 0)] + [0.4999, 0.5, 1.0]
    ps.sort()
    pushed = [10 ** (power / 2) for power in range(-12, 0)] + [0.5, 0.7, 0.9, 0.97, 0.99]

    def series(scene: str, *names: str) -> Curves:
        return {name: (shares, [scores(scene, n)[name] for n in SIZES]) for name in names}

    def loss_series(scene: str) -> Curves:
        return {name: (shares, [hard_losses(scene, n)[name][0] for n in SIZES]) for name in LOSS_PENS}

    def states(part: int) -> list[Panel]:
        title = ("largest gradient", "total gradient")[part]
        return [
            Panel(
                title="" if part else state,
                curves={name: (shares, [soft_losses(state, n)[name][part] for n in SIZES]) for name in LOSS_PENS},
                x=SHARE if part else "", y=title if state == STATES[0] else "", log="xy", pens=LOSS_PENS,
            )
            for state in STATES
        ]  # fmt: skip

    empties = {p: background_only(p) for p in ps}
    shown = {
        "dl2": PENS[3], "soft_dice": PENS[0], "cross_entropy": PENS[1], "ss": PENS[4], "gdl, max": PENS[5],
        "gdl, penalise": PENS[2],
    }  # fmt: skip
    return {
        "imbalance-alike.svg": drawn(
            Panel(
                title="Half of the object found: scores", x=SHARE, y="score", log="x",
                curves=series(
                    "half found", "dice", "iou", "sensitivity", "accuracy", "specificity", "generalized_dice"
                ),
            ),
            Panel(
                title="Half of the object found: losses", x=SHARE, y="loss", log="xy", pens=LOSS_PENS,
                curves=loss_series("half found"),
            ),
        ),
        "imbalance-one-voxel.svg": drawn(
            Panel(
                title="One wrong voxel: Dice", x=SHARE, y="Dice", log="x",
                curves={
                    "one too many": (shares, [scores("one voxel too many", n)["dice"] for n in SIZES]),
                    "2n / (2n + 1)": (shares, [2 * n / (2 * n + 1) for n in SIZES]),
                    "one missed": (shares, [scores("one voxel missed", n)["dice"] for n in SIZES]),
                    "shifted by one": (shares, [scores("shifted by one voxel", n)["dice"] for n in SIZES]),
                    "least of nine shifts": (shares, [min(nine_shifts(n)) for n in SIZES]),
                },
            ),
            Panel(
                title="One voxel too many: losses", x=SHARE, y="loss", log="xy", pens=LOSS_PENS,
                curves=loss_series("one voxel too many"),
            ),
        ),
        "imbalance-background.svg": drawn(
            Panel(
                title="The only object is missed", x=SHARE, y="score", log="x",
                curves=series("missed", "dice", "accuracy", WITH_BACKGROUND, "generalized_dice"),
            ),
            Panel(
                title="One of ten is missed", x="the missed object, share of the picture", log="x",
                curves={
                    name: (several, [ten_organs(n)[name] for n in SEVERAL_SIZES])
                    for name in ("mean_dice", "accuracy", WITH_BACKGROUND, "generalized_dice")
                },
            ),
        ),
        "imbalance-generalized.svg": drawn(
            Panel(
                title="A tiny class beside a large one", x="tiny class, share of the picture", y="score", log="x",
                curves={
                    "generalized, tiny missed": (
                        several, [two_organs(n, found="large")["generalized_dice"] for n in SEVERAL_SIZES]
                    ),
                    "generalized, large missed": (
                        several, [two_organs(n, found="tiny")["generalized_dice"] for n in SEVERAL_SIZES]
                    ),
                    "mean_dice, either missed": (
                        several, [two_organs(n, found="tiny")["mean_dice"] for n in SEVERAL_SIZES]
                    ),
                },
            ),
            Panel(
                title="A class absent from the reference", x="false positive voxels", y="generalized Dice", log="x",
                curves={rule: (falses, [false_class(k, rule) for k in falses]) for rule in RULES},
            ),
        ),
        "imbalance-empty.svg": drawn(
            Panel(
                title="Background only: losses", x="probability of one voxel", y="loss", log="x", pens=shown,
                bottom=-0.6,
                curves={name: (ps, [empties[p][name].value for p in ps]) for name in shown},
            ),
            Panel(
                title="Background only: largest gradients", x="probability of one voxel", y="", log="xy", pens=shown,
                curves={
                    name: (ps, [empties[p][name].largest for p in ps]) for name in shown
                    if any(empties[p][name].largest for p in ps)
                },
            ),
        ),
        "imbalance-gradients.svg": drawn(*states(0), *states(1), across=3),
        "imbalance-share.svg": drawn(
            Panel(
                title="All at 0.5: object's share of the gradient", x=SHARE, y="share", log="xy", pens=LOSS_PENS,
                curves={name: (shares, [soft_losses(STATES[0], n)[name][2] for n in SIZES]) for name in LOSS_PENS},
            ),
            Panel(
                title=f"Gradient at the logits of {PUSHED} voxels", x="their probability p", y="sum over the object",
                log="xy", pens=LOSS_PENS,
                curves={name: (pushed, [pushes(p)[name] for p in pushed]) for name in LOSS_PENS},
            ),
        ),
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Curves in one frame.

    Parameters
    ----------
    title, x, y
        Words above, beneath and beside.
    curves
        Name -> places and heights.
    log
        The axes that are logarithmic.
    pens
        Name -> colour, marker and line; in the order of the curves where there is none.
    bottom
        Where an axis of scores begins.
    """

    title: str
    x: str
    curves: Curves
    log: str
    y: str = ""
    pens: Mapping[str, tuple[Any, ...]] | None = None
    bottom: float = -0.03


def drawn(*panels: Panel, across: int = 2) -> str:
    """Draw panels as SVG, with a legend below each, or one below all if they have the same curves."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with styled():
        settings: Any = mpl.rcParams  # its type lists every key, which differ from version to version
        settings.update({
            "axes.titlesize": 9, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8,
            "legend.fontsize": 8, "lines.markersize": 3.6, "axes.grid": True, "axes.axisbelow": True,
            "grid.color": "#dddddd", "grid.linewidth": 0.5,
        })  # fmt: skip
        down = -(-len(panels) // across)
        beneath = 0.45 if down > 1 else 0.17 * -(-max(len(panel.curves) for panel in panels) // 2)  # the legend, inches
        height = 2.2 * down + beneath + 0.8
        figure = Figure(figsize=(WIDTHS["double"], height), facecolor="white")
        frames = figure.subplots(down, across, squeeze=False).ravel().tolist()
        edges = {"left": 0.08, "right": 0.985, "top": 1 - 0.25 / height, "wspace": 0.26, "hspace": 0.18}
        figure.subplots_adjust(**edges, bottom=(beneath + 0.55) / height)
        legend: dict[str, Any] = {"frameon": False, "handlelength": 2.6, "columnspacing": 0.8, "handletextpad": 0.5}
        for frame, panel in zip(frames, panels, strict=True):
            plot(frame, panel)
            if down == 1:
                frame.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncol=2, **legend)
        if down > 1:
            lines, names = frames[0].get_legend_handles_labels()
            figure.legend(lines, names, loc="lower center", ncol=4, **legend)
        return file_of(figure, ".svg").decode()


def plot(frame: Axes, panel: Panel) -> None:
    """Draw the curves of a panel."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    for place, (name, (xs, ys)) in enumerate(panel.curves.items()):
        colour, marker, line = (panel.pens or {}).get(name, PENS[place % len(PENS)])
        heights = [y if math.isfinite(y) and (y > 0 or "y" not in panel.log) else math.nan for y in ys]
        width = 2.4 if colour == PENS[0][0] else 1.2  # wide beneath the others, where they are the same
        points = {"marker": marker, "markevery": (place % 3, 3)}
        frame.plot(xs, heights, color=colour, linestyle=line, linewidth=width, label=name, **points)
    frame.set_title(panel.title)
    frame.set_xlabel(panel.x)
    frame.set_ylabel(panel.y)
    for axis, name in ((frame.xaxis, "x"), (frame.yaxis, "y")):
        if name in panel.log:
            (frame.set_xscale if name == "x" else frame.set_yscale)("log")
            axis.set_major_locator(LogLocator(base=10, numticks=8))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda tick, _: power_of_ten(tick)))
    if "y" not in panel.log:
        frame.set_ylim(panel.bottom, 1.03)
        step = 0.5 if panel.bottom < -0.1 else 0.2
        frame.yaxis.set_major_locator(FixedLocator([step * count for count in range(-1, 6)]))


def power_of_ten(tick: float) -> str:
    """Return the label of a tick: 1e-5, 0.01, 1."""
    power = round(math.log10(tick))
    return f"1e{power}" if not -2 <= power <= 2 else f"{tick:g}"


def main() -> None:
    """Write the page and the figures."""
    PAGE.write_text(page(), encoding="utf-8")
    FIGURES.mkdir(exist_ok=True)
    for name, text in figures().items():
        (FIGURES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
