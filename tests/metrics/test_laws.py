"""Laws that hold for every registered metric according to its card, and the spelling of metrics."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segeval
from segeval.errors import UsageError
from segeval.evidence.comparison import EVIDENCE
from segeval.evidence.counts import Counts
from segeval.evidence.probability_sums import ClassSums, ProbabilityTotals, sum_up
from segeval.maps.label_map import Grid
from segeval.maps.probability_map import ProbabilityMap
from segeval.metrics import METRICS, Direction, Metric, Quantity, find, parse, parse_all
from segeval.metrics.registry import metric as register

Array = NDArray[Any]
Rows = dict[tuple[int | str, str], float | None]

ALL_CARDS = list(METRICS.values())
SYMMETRIC_SOFT = {"dl2", "soft_dice", "soft_iou", "vnet_dice", "brier"}
CARDS = [
    card for card in ALL_CARDS if not card.is_soft
]  # those of probability maps: tests/scoring/test_probabilities.py
PENALTY = 37.5
VARIANTS = {"percentile": (95, 50), "tolerance": (0.5, 3), "distance": (2,), "beta": (2, 0.5)}
LENGTH_PARAMETERS = ("tolerance", "distance")


def tokens(scale: float = 1) -> list[str]:
    """All metrics with their default and some other numbers; lengths are scaled."""
    found = []
    for card in CARDS:
        if card.parameter is None:
            found.append(card.name)
            continue
        factor = scale if card.parameter.name in LENGTH_PARAMETERS else 1
        numbers = (card.parameter.default, *VARIANTS[card.parameter.name])
        found += [f"{card.name}@{number * factor:.12g}" for number in numbers]
    return found


@dataclass(frozen=True, kw_only=True)
class Pair:
    prediction: Array
    reference: Array
    spacing: tuple[float, ...]

    def changed(self, change: Callable[[Array], Array]) -> Pair:
        return replace(self, prediction=change(self.prediction), reference=change(self.reference))

    def swapped(self) -> Pair:
        return replace(self, prediction=self.reference, reference=self.prediction)

    def scores(self, *, scale: float = 1, **options: Any) -> Rows:
        """All rows, in the order of `tokens`; the penalty is scaled too."""
        results = segeval.score(
            prediction=self.prediction,
            reference=self.reference,
            spacing=self.spacing,
            metrics=tokens(scale),
            only=[1, 2, 3],
            penalty=PENALTY * scale,
            **options,
        )
        written = dict(zip((parse(token).token for token in tokens(scale)), tokens(), strict=True))
        return {(row.label, written[row.metric]): row.value for row in results.scores}


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Overlapping boxes of three labels, and a prediction that is similar or unrelated."""
    ndim = draw(st.sampled_from([2, 3, 3]))
    shape = tuple(draw(st.integers(2, 12 if ndim == 2 else 7)) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def boxes() -> Array:
        labels = np.zeros(shape, int)
        for _ in range(draw(st.integers(1, 5))):
            box = tuple(slice(*sorted(rng.integers(0, n + 1, 2).tolist())) for n in shape)
            labels[box] = rng.integers(0, 4)
        return labels

    reference = boxes()
    shifted = np.roll(reference, draw(st.integers(0, 1)), axis=draw(st.integers(0, ndim - 1)))
    prediction = draw(st.sampled_from([shifted, shifted, boxes()]))
    spacing = tuple(draw(st.sampled_from([0.5, 0.8, 1.0, 1.7, 3.0])) for _ in range(ndim))
    return Pair(prediction=prediction, reference=reference, spacing=spacing)


def card_of(row: tuple[int | str, str]) -> Metric:
    return METRICS[row[1].partition("@")[0]]


def equal(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)


def assert_same(found: Rows, expected: Rows, *, but: frozenset[str] | set[str] = frozenset()) -> None:
    assert found.keys() == expected.keys()
    apart = {
        row: (found[row], expected[row])
        for row in expected
        if card_of(row).name not in but and not equal(found[row], expected[row])
    }
    assert not apart


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(pair=pairs(), absent=st.sampled_from(["max", "ignore", "penalise"]), background=st.booleans())
def test_identical_masks_are_perfect_to_the_last_bit(pair: Pair, absent: Any, background: bool) -> None:
    perfect = replace(pair, prediction=pair.reference).scores(absent_class=absent, background=background)
    for row, value in perfect.items():
        card = card_of(row)
        if value is None or (card.quantity is Quantity.COUNT and card.better is Direction.HIGHER):
            continue
        if card.better is Direction.HIGHER:
            assert value == card.bounds[1] == 1, row
        elif card.better is Direction.LOWER:
            assert value == card.bounds[0] == 0, row
        elif card.name.endswith("error"):
            assert value == 0, row
        else:
            assert value == perfect[row[0], "reference_volume"], row


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs())
def test_no_prediction_is_better_than_the_reference_itself(pair: Pair) -> None:
    found, perfect = pair.scores(), replace(pair, prediction=pair.reference).scores()
    for row, value in found.items():
        best = perfect[row]
        if value is None or best is None:
            continue
        if card_of(row).better is Direction.HIGHER:
            assert value <= best, row
        elif card_of(row).better is Direction.LOWER:
            assert value >= best, row
        elif card_of(row).name.endswith("error"):
            assert abs(value) >= abs(best), row


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(pair=pairs(), background=st.booleans())
def test_values_stay_within_their_bounds(pair: Pair, background: bool) -> None:
    for row, value in pair.scores(background=background).items():
        low, high = card_of(row).bounds
        assert value is None or low <= value <= high, row


MIRRORED = {
    "sensitivity": "precision",
    "specificity": "npv",
    "fp": "fn",
    "prediction_volume": "reference_volume",
    "asd_to_reference": "asd_to_prediction",
    "surface_overlap_of_reference": "surface_overlap_of_prediction",
}
MIRRORED |= {other: name for name, other in MIRRORED.items()}
MIRRORED_NUMBERS = {"fbeta@1": "fbeta@1", "fbeta@2": "fbeta@0.5", "fbeta@0.5": "fbeta@2"}
NO_MIRROR = {
    "balanced_accuracy": "its mirror is the mean of precision and npv",
    "generalized_dice": "its weights come from the reference",
    "relative_volume_error": "it divides by the reference",
}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(pair=pairs())
def test_prediction_and_reference_change_places_as_declared(pair: Pair) -> None:
    found, mirrored = pair.scores(), pair.swapped().scores()
    for (label, token), value in found.items():
        card = card_of((label, token))
        name, at, number = token.partition("@")
        if card.symmetric:
            assert equal(mirrored[label, token], value), (label, token)
        elif name in MIRRORED:
            assert equal(mirrored[label, MIRRORED[name] + at + number], value), (label, token)
        elif name == "fbeta":
            assert equal(mirrored[label, MIRRORED_NUMBERS[token]], value), (label, token)
        elif name == "volume_error":
            assert value is None or equal(mirrored[label, token], -value), (label, token)
        else:
            assert name in NO_MIRROR


def test_metrics_that_are_not_declared_symmetric_are_not() -> None:
    reference = np.zeros((8, 12), int)
    reference[1:6, 1:6], reference[2:4, 8:11] = 1, 2
    prediction = np.zeros_like(reference)
    prediction[1:4, 2:11] = 1
    pair = Pair(prediction=np.stack([prediction] * 2), reference=np.stack([reference] * 2), spacing=(2.0, 1.0, 0.5))
    found, mirrored = pair.scores(), pair.swapped().scores()
    for card in CARDS:
        rows = [row for row in found if card_of(row) is card]
        assert card.symmetric == all(equal(found[row], mirrored[row]) for row in rows), card.name


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), axis=st.integers(0, 1))
def test_a_flip_changes_nothing(pair: Pair, axis: int) -> None:
    assert_same(pair.changed(lambda labels: np.flip(labels, axis)).scores(), pair.scores())


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), data=st.data())
def test_axes_in_another_order_change_nothing(pair: Pair, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(pair.reference.ndim)))
    turned = pair.changed(lambda labels: labels.transpose(order))
    assert_same(replace(turned, spacing=tuple(pair.spacing[axis] for axis in order)).scores(), pair.scores())


COUNTS_TRUE_NEGATIVES = {"specificity", "npv", "accuracy", "balanced_accuracy", "mcc", "kappa", "tn"}
COUNTS_BACKGROUND = {"generalized_dice"}
DEPENDS_ON_THE_IMAGE = COUNTS_TRUE_NEGATIVES | COUNTS_BACKGROUND


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), data=st.data())
def test_padding_changes_only_what_counts_the_background(pair: Pair, data: st.DataObject) -> None:
    widths = [data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4))) for _ in pair.spacing]
    padded = pair.changed(lambda labels: np.pad(labels, widths))
    assert_same(padded.scores(), pair.scores(), but=DEPENDS_ON_THE_IMAGE)


def test_metrics_that_count_the_background_change_with_padding() -> None:
    pair = Pair(
        prediction=np.array([[[1, 1, 1, 0, 0, 0]]]), reference=np.array([[[0, 0, 1, 1, 0, 0]]]), spacing=(1, 2, 3)
    )
    found, padded = pair.scores(), pair.changed(lambda labels: np.pad(labels, 3)).scores()
    changed = {card_of(row).name for row in found if not equal(found[row], padded[row])}
    assert changed == DEPENDS_ON_THE_IMAGE


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), data=st.data())
def test_a_translation_changes_nothing(pair: Pair, data: st.DataObject) -> None:
    room = [(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in pair.spacing]
    other = [(after, before) for before, after in room]
    here = pair.changed(lambda labels: np.pad(labels, room))
    there = pair.changed(lambda labels: np.pad(labels, other))
    assert_same(there.scores(), here.scores())


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), width=st.integers(2, 4))
def test_the_surface_of_the_background_is_that_of_what_it_surrounds(pair: Pair, width: int) -> None:
    names = ["assd", "masd", "hd", "hd@95", "asd_to_reference", "asd_to_prediction", "nsd@1"]
    narrow, wide = (
        segeval.score(
            prediction=np.pad(pair.prediction, margin),
            reference=np.pad(pair.reference, margin),
            spacing=pair.spacing,
            metrics=names,
            background=True,
            penalty=PENALTY,
        )
        for margin in (1, width)
    )
    for name in names:
        assert equal(narrow.value(name, label=0), wide.value(name, label=0))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), k=st.sampled_from([0.1, 2.5, 1000.0]))
def test_larger_voxels_scale_lengths_and_volumes_and_leave_ratios(pair: Pair, k: float) -> None:
    found = replace(pair, spacing=tuple(k * step for step in pair.spacing)).scores(scale=k)
    power = {Quantity.LENGTH: 1, Quantity.VOLUME: 3, Quantity.RATIO: 0, Quantity.COUNT: 0}
    expected = {
        row: None if value is None else value * k ** power[card_of(row).quantity]
        for row, value in pair.scores().items()
    }
    assert_same(found, expected)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(pair=pairs(), order=st.permutations([1, 2, 3]))
def test_relabelling_permutes(pair: Pair, order: list[int]) -> None:
    numbers = np.array([0, *order])
    found, expected = pair.changed(numbers.take).scores(), pair.scores()
    moved = {
        (order[row[0] - 1] if isinstance(row[0], int) else row[0], row[1]): value for row, value in expected.items()
    }
    assert_same(found, moved)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(pair=pairs())
def test_a_region_of_one_label_is_that_label(pair: Pair) -> None:
    rows = pair.scores(regions={"one": [1], "two": [2], "first": "1-1"})
    for label, region in ((1, "one"), (2, "two"), (1, "first")):
        for row, value in rows.items():
            if row[0] == label:
                assert rows[region, row[1]] == value


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(pair=pairs())
def test_a_region_is_scored_like_a_label_painted_over_it(pair: Pair) -> None:
    rows = pair.scores(regions={"union": [1, 3]})
    painted = pair.changed(lambda labels: np.where(np.isin(labels, [1, 3]), 1, labels)).scores()
    for row, value in painted.items():
        if row[0] == 1:
            assert equal(rows["union", row[1]], value), row


@settings(max_examples=30, deadline=None)
@given(pair=pairs())
def test_relations_between_metrics(pair: Pair) -> None:
    rows = pair.scores()
    for label in (1, 2, 3):
        one = {token: value for (each, token), value in rows.items() if each == label}
        dice, iou = one["dice"], one["iou"]
        if dice is None or iou is None:
            continue
        assert equal(dice, 2 * iou / (1 + iou))
        assert equal(one["fbeta@1"], dice)
        farthest, trimmed, middle = one["hd@100"], one["hd@95"], one["hd@50"]
        assert farthest is not None
        assert trimmed is not None
        assert middle is not None
        assert farthest >= trimmed >= middle
        assert all((one[name] or 0) <= farthest * (1 + 1e-12) for name in ("assd", "masd", "asd_to_reference"))
        assert (one["nsd@0.5"] or 0) <= (one["nsd@1"] or 0) <= (one["nsd@3"] or 0)


@pytest.mark.parametrize("card", ALL_CARDS, ids=lambda card: card.name)
def test_a_card_is_complete(card: Metric) -> None:
    assert METRICS[card.name] is card
    assert card.title
    assert card.title[0].isupper()
    assert card.summary.endswith(".")
    assert len(card.summary) > 10
    assert card.formula
    assert card.undefined
    assert any(sign in card.source for sign in ("doi:10.", "arXiv:", "chapter"))
    assert card.bounds[0] < card.bounds[1]
    assert card.needs in EVIDENCE


@st.composite
def soft_maps(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two maps of probabilities, as (class, voxel)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    classes, voxels = draw(st.integers(2, 4)), draw(st.integers(1, 12))
    prediction, reference = (rng.dirichlet([draw(st.sampled_from([0.2, 1.0]))] * classes, voxels).T for _ in range(2))
    if draw(st.booleans()):  # as a label map; with few voxels it lacks a class, or has only one
        reference = np.eye(classes)[reference.argmax(axis=0)].T
    return draw(st.sampled_from([prediction, reference, 1 - reference if classes == 2 else prediction])), reference


def soft_scores(prediction: Array, reference: Array) -> dict[str, float]:
    """All scores of a probability map against a soft reference, by metric; scores of one class are for class 1."""
    grid = Grid(shape=(1, prediction.shape[1]), spacing=(1.0, 1.0))
    labels = tuple(range(len(prediction)))
    maps = [ProbabilityMap(values=each, labels=labels, grid=grid, names={}) for each in (prediction, reference)]
    hard = reference.argmax(axis=0).astype(np.uint8)[None]
    sums = sum_up(maps[0], reference=hard, soft_reference=maps[1])
    totals = ProbabilityTotals(
        classes=tuple(sums.by_label.values()), calibration=sums.calibration, labelled=(True,) * len(labels)
    )
    soft = [card for card in ALL_CARDS if card.is_soft]
    return {card.name: card.function(sums.by_label[1] if card.needs is ClassSums else totals) for card in soft}


@settings(max_examples=60, deadline=None)
@given(maps=soft_maps())
def test_scores_of_probabilities_stay_within_their_bounds_and_are_symmetric_as_declared(
    maps: tuple[Array, Array],
) -> None:
    found, swapped = soft_scores(*maps), soft_scores(*maps[::-1])
    for name, value in found.items():
        low, high = METRICS[name].bounds
        if math.isnan(value):
            assert METRICS[name].undefined == "p and r are 0 throughout"
            assert not maps[0][1].any()
            assert not maps[1][1].any()
        else:
            assert low - 1e-12 <= value <= high + 1e-12, name
        if METRICS[name].symmetric:
            same = math.isclose(value, swapped[name], rel_tol=1e-9, abs_tol=1e-12)
            assert same or (math.isnan(value) and math.isnan(swapped[name])), name


def test_scores_of_probabilities_that_are_not_declared_symmetric_are_not() -> None:
    prediction = np.array([[0.9, 0.6, 0.2, 0.1, 0.5], [0.1, 0.4, 0.8, 0.9, 0.5]])
    reference = np.array([[0.8, 0.1, 0.7, 0.2, 0.3], [0.2, 0.9, 0.3, 0.8, 0.7]])
    found, swapped = soft_scores(prediction, reference), soft_scores(reference, prediction)
    assert {name for name, value in found.items() if math.isclose(value, swapped[name])} == SYMMETRIC_SOFT
    assert {card.name for card in ALL_CARDS if card.is_soft and card.symmetric} == SYMMETRIC_SOFT


def test_families_come_in_their_order() -> None:
    families = [card.function.__module__.rpartition(".")[2] for card in ALL_CARDS]
    assert list(dict.fromkeys(families)) == ["overlap", "surface", "multilabel", "probability"]
    assert families == sorted(families, key=list(dict.fromkeys(families)).index)


def test_evidence_that_no_comparison_provides_is_refused_at_once() -> None:
    class Unknown:
        """Evidence that no comparison provides."""

    def of_unknown(evidence: Unknown) -> float:
        """A number from unknown evidence."""
        return float(bool(evidence))

    card = register(
        needs=Unknown,
        title="Of nothing known",
        formula="?",
        better=Direction.LOWER,
        quantity=Quantity.LENGTH,
        source="chapter 1",
    )
    with pytest.raises(TypeError, match=r"of_unknown needs Unknown, which no comparison provides: .*EVIDENCE"):
        card(of_unknown)
    assert "of_unknown" not in METRICS


@pytest.mark.parametrize("card", ALL_CARDS, ids=lambda card: card.name)
def test_a_card_agrees_with_its_function(card: Metric) -> None:
    evidence, *rest = inspect.signature(card.function).parameters.values()
    hints = get_type_hints(card.function)
    assert hints[evidence.name] is card.needs
    assert hints["return"] is float
    assert card.function.__name__ == card.name
    if card.parameter is None:
        assert not rest
    else:
        assert [(each.name, each.default) for each in rest] == [(card.parameter.name, card.parameter.default)]
        assert card.parameter.low <= card.parameter.default <= card.parameter.high


@pytest.mark.parametrize("card", ALL_CARDS, ids=lambda card: card.name)
def test_a_card_agrees_with_its_quantity(card: Metric) -> None:
    if card.quantity in (Quantity.LENGTH, Quantity.COUNT):
        assert card.bounds == (0, math.inf)
    if card.better is Direction.HIGHER and card.quantity is Quantity.RATIO:
        assert card.bounds[1] == 1


@pytest.mark.parametrize(
    "card",
    [each for each in CARDS if each.kind.of_surfaces and each.quantity is Quantity.LENGTH],
    ids=lambda card: card.name,
)
def test_a_distance_is_better_small_and_takes_the_penalty(card: Metric) -> None:
    assert card.better is Direction.LOWER
    assert card.one_empty is not None
    assert card.one_empty.startswith("the penalty")


@pytest.mark.parametrize("surface", ["voxel", "surfel", "smooth"])
def test_a_distance_with_one_empty_mask_is_as_its_card_says(surface: Any) -> None:
    mask = np.zeros((6, 7, 8), int)
    mask[2:5, 2:5, 2:5] = 1
    for empty, maps in (("prediction", (mask * 0, mask)), ("reference", (mask, mask * 0))):
        for card in CARDS:
            if card.kind.of_surfaces and card.quantity is Quantity.LENGTH:
                results = segeval.score(
                    prediction=maps[0], reference=maps[1], metrics=[card.name], surface=surface, penalty=PENALTY
                )
                exception = f"undefined if the {empty} is empty" in (card.one_empty or "") and surface != "voxel"
                assert results.value(card.name, label=1) == (None if exception else PENALTY), (card.name, empty)


def test_names_and_aliases_are_distinct() -> None:
    names = [each for card in ALL_CARDS for each in (card.name, *card.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and name.isidentifier() for name in names)
    assert {find(name) for name in ("jaccard", "recall", "ppv", "msd")} == {
        METRICS[name] for name in ("iou", "sensitivity", "precision", "assd")
    }
    assert find("nothing") is None


@pytest.mark.parametrize("aliases", [(), ("jaccard",), ("dice",)])
def test_two_metrics_cannot_share_a_name(aliases: tuple[str, ...]) -> None:
    def dice(counts: Counts) -> float:
        """Something else."""
        return counts.tp

    def fresh(counts: Counts) -> float:
        """Something new."""
        return counts.tp

    known = dict(METRICS)
    decorate = register(
        needs=Counts,
        title="X",
        formula="X",
        better=Direction.HIGHER,
        quantity=Quantity.RATIO,
        source="nowhere",
        aliases=aliases,
    )
    with pytest.raises(ValueError, match="two metrics are called"):
        decorate(fresh if aliases else dice)
    assert known == METRICS


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_function_stays_callable_by_itself(card: Metric) -> None:
    counts = Counts(tp=1, fp=2, fn=3, tn=4, voxel_volume_mm3=2.0)
    if card.needs is Counts:
        assert isinstance(card.function(counts), (int, float))


@pytest.mark.parametrize(
    ("written", "token"),
    [
        ("dice", "dice"),
        (" dice ", "dice"),
        ("jaccard", "iou"),
        ("hd", "hd"),
        ("hd@100", "hd"),
        ("hd@95", "hd@95"),
        ("hd@95.0", "hd@95"),
        ("hd@9.5e1", "hd@95"),
        ("hd@0", "hd@0"),
        ("nsd", "nsd"),
        ("nsd@1", "nsd@1"),
        ("nsd@0.5", "nsd@0.5"),
        ("boundary_iou@1", "boundary_iou"),
        ("fbeta@1", "fbeta"),
        ("fbeta@2", "fbeta@2"),
        ("msd", "assd"),
    ],
)
def test_a_token_is_read(written: str, token: str) -> None:
    assert parse(written).token == token
    assert parse(token) == parse(written)


@given(number=st.decimals(min_value=0, max_value=100, places=3), name=st.sampled_from(["hd", "nsd", "fbeta"]))
def test_a_token_reads_back_as_itself(number: object, name: str) -> None:
    request = parse(f"{name}@{number}")
    assert parse(request.token) == request


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("dcie", "did you mean dice"),
        ("Dice", "did you mean dice"),
        ("jacard", "did you mean jaccard"),
        ("sensitivty", "did you mean sensitivity"),
        ("zzz", "segeval metrics"),
        ("", "segeval has no metric ''"),
        ("dice@1", "dice takes no number"),
        ("hd@101", "percentile from 0 to 100"),
        ("hd@-1", "percentile from 0 to 100"),
        ("hd@", "percentile from 0 to 100"),
        ("hd@ninety", "percentile from 0 to 100"),
        ("hd@nan", "percentile from 0 to 100"),
        ("nsd@-1", "tolerance of 0 or more"),
        ("nsd@inf", "tolerance of 0 or more"),
        ("nsd@1@2", "tolerance of 0 or more"),
    ],
)
def test_a_wrong_token_is_refused_with_a_reason(written: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(written)
    assert caught.value.exit_code == 2


def test_all_wrong_names_are_reported_at_once() -> None:
    with pytest.raises(UsageError, match=r"dcie.*hd@101.*zzz"):
        parse_all(["dice,dcie", "hd@101", "zzz"])


def test_lists_keep_their_order_and_drop_repeats() -> None:
    found = [request.token for request in parse_all(["hd@95, dice", "jaccard", "iou,hd@95.0", "hd,hd@100"])]
    assert found == ["hd@95", "dice", "iou", "hd"]


def test_all_is_every_metric_at_its_default() -> None:
    names = [card.name for card in CARDS]
    assert [request.token for request in parse_all(["all"])] == names
    assert [request.token for request in parse_all(["hd@95,all"])] == ["hd@95", *names]
    assert [request.token for request in parse_all(["all"], probabilities=True)] == list(METRICS)
    assert next(request.token for request in parse_all(["nsd,all"])) == "nsd"


@pytest.mark.parametrize("nothing", [[], [""], [","], [" , "]])
def test_no_metric_at_all_is_refused(nothing: list[str]) -> None:
    with pytest.raises(UsageError, match="no metric is selected"):
        parse_all(nothing)


def test_the_default_metrics_are_those_of_the_interface() -> None:
    expected = ["dice", "generalized_dice", "sensitivity", "specificity", "assd", "hd", "hd@95"]
    assert [request.token for request in parse_all()] == expected
