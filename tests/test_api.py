"""The library's front door: what may go in, what comes out, and that nothing is changed on the way."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segeval
from segeval import GeometryError, InputError, Results, SegevalError, UsageError
from segeval.scoring.batch_options import BatchOptions, FileOptions
from segeval.scoring.options import Options
from segeval.scoring.plan import plan_of
from tests.command import box, case, save
from tests.places import SAMPLES

REFERENCE = box((8, 8, 8))  # 4 x 4 x 4 at (2, 2, 2)
PREDICTION = np.roll(REFERENCE, 1, axis=2)  # 3/4 of either is in both
STREET = SAMPLES / "street"
loosely: Any = segeval.score  # as those call it who check no types


def scored(**options: Any) -> Results:
    found: Results = loosely(prediction=PREDICTION, reference=REFERENCE, **options)
    return found


def test_score() -> None:
    results = segeval.score(
        prediction=PREDICTION, reference=REFERENCE, spacing=(2.0, 0.75, 0.5), metrics=["dice", "hd@95", "nsd@2"]
    )
    assert results.value("dice", label=1) == 0.75
    assert results.value("hd@95", label=1) == 0.5
    assert results.value("nsd@2", label=1) == 1
    assert results.metrics == ("dice", "hd@95", "nsd@2")
    assert "3-D, mm" in results.signature
    (record,) = results.cases
    assert (record.case, record.status) == ("array", "scored")
    assert (record.shape, record.spacing, record.unit) == ((8, 8, 8), (2.0, 0.75, 0.5), "mm")


def test_arrays_are_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        loosely(PREDICTION, REFERENCE)
    parameters = inspect.signature(segeval.score).parameters
    assert list(parameters) == ["prediction", "reference", *Options.__annotations__]
    assert all(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters.values())


def test_options_are_those_of_the_command_line() -> None:
    kinds: dict[Any, Any] = {plan_of: Options, segeval.score_files: FileOptions, segeval.batch: BatchOptions}
    for function, kind in kinds.items():
        parameters = inspect.signature(function).parameters.values()
        own = {"progress"} if function is segeval.batch else set()
        options = {each.name: each for each in parameters if each.kind is each.KEYWORD_ONLY and each.name not in own}
        assert list(options) == list(kind.__annotations__)
        assert all(each.default is not each.empty for each in options.values())
        assert all(f"\n{name} : " in (inspect.getdoc(function) or "") for name in options)


@pytest.mark.parametrize(
    "function", [segeval.score, segeval.score_files, segeval.batch, plan_of, Results.value, Results.frame]
)
def test_docs(function: Any) -> None:
    text = inspect.getdoc(function)
    assert text is not None
    assert text.splitlines()[0].endswith((".", ";"))
    for name, parameter in inspect.signature(function).parameters.items():
        if name != "self":
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
            assert f"{stars}{name}" in text


@pytest.mark.parametrize("option", ["metric", "tolerence", "compatible", "jobs", "Labels"])
def test_an_unknown_option_is_named(option: str) -> None:
    with pytest.raises(TypeError, match=f"'{option}'"):
        scored(**{option: "x"})
    files: Any = segeval.score_files
    with pytest.raises(TypeError, match=f"'{option}'"):
        files(*case(1), **{option: "x"})


@pytest.mark.parametrize("kind", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2"])
@pytest.mark.parametrize("other", ["?", "i8"])
def test_booleans_and_integers(kind: str, other: str) -> None:
    results = segeval.score(prediction=PREDICTION.astype(kind), reference=REFERENCE.astype(other), metrics="dice")
    assert results.value("dice", label=1) == 0.75


def test_lists_and_layouts() -> None:
    rows = [[0, 1, 1], [0, 1, 0]]
    assert segeval.score(prediction=rows, reference=rows, metrics="dice").value("dice", label=1) == 1
    for layout in (np.asfortranarray(PREDICTION), PREDICTION[::-1], np.repeat(PREDICTION, 2, axis=1)[:, ::2]):
        expected = segeval.score(prediction=layout.copy(), reference=REFERENCE, metrics="all").scores
        assert segeval.score(prediction=layout, reference=REFERENCE, metrics="all").scores == expected


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"prediction: expected integers or booleans, found float\d+; threshold it"):
        segeval.score(prediction=PREDICTION.astype(kind), reference=REFERENCE)
    with pytest.raises(InputError, match="reference: expected integers"):
        segeval.score(prediction=PREDICTION, reference=REFERENCE.astype(kind))


@pytest.mark.parametrize("kind", ["c8", "U1", "M8[s]", "O"])
def test_other_types_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"^prediction: "):
        segeval.score(prediction=np.zeros((4, 4), kind), reference=np.zeros((4, 4), int))


def test_negative_labels_are_refused() -> None:
    with pytest.raises(InputError, match=r"^prediction: .*-1"):
        segeval.score(prediction=np.array([[0, -1]]), reference=np.array([[0, 1]]))


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2, 2)])
def test_other_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    labels = np.ones(shape, int)
    with pytest.raises(InputError, match="prediction: expected 2 or 3 axes and at least one voxel, found shape"):
        segeval.score(prediction=labels, reference=labels)


def test_shapes_that_differ() -> None:
    with pytest.raises(GeometryError, match=r"the grids differ: prediction 8 x 8 x 7, reference 8 x 8 x 8 voxels"):
        segeval.score(prediction=PREDICTION[:7], reference=REFERENCE)
    with pytest.raises(GeometryError, match="the grids differ"):
        segeval.score(prediction=PREDICTION[0], reference=REFERENCE)


def test_an_array_keeps_its_own_dimension() -> None:
    """A file with one slice is scored in 2-D, an array of that shape in 3-D: it has the axes that it has."""
    slab = REFERENCE[3:4]
    results = segeval.score(prediction=slab, reference=slab, spacing=(5, 1, 1))
    assert "3-D" in results.signature
    assert results.cases[0].shape == (1, 8, 8)
    flat = segeval.score(prediction=slab[0], reference=slab[0], spacing=(1, 1))
    assert "2-D" in flat.signature
    with pytest.raises(UsageError, match="spacing needs 2 numbers, one for each axis of prediction, found 3"):
        segeval.score(prediction=slab[0], reference=slab[0], spacing=(5, 1, 1))


def test_arrays_are_left_as_they_are() -> None:
    for kind in (np.uint8, np.int64, np.bool_):
        prediction, reference = PREDICTION.astype(kind), REFERENCE.astype(kind)
        copies = prediction.copy(), reference.copy()
        segeval.score(
            prediction=prediction,
            reference=reference,
            metrics="all",
            map={1: 3},
            regions={"all of it": "*"},
            spacing=(1, 1, 1),
        )
        for array, copy in zip((prediction, reference), copies, strict=True):
            assert array.flags.writeable
            assert array.dtype == kind
            assert np.array_equal(array, copy)


def test_read_only_arrays() -> None:
    prediction = PREDICTION.copy()
    prediction.flags.writeable = False
    assert segeval.score(prediction=prediction, reference=prediction).value("dice", label=1) == 1
    assert not prediction.flags.writeable


def test_options_are_left_as_they_are() -> None:
    options: dict[str, Any] = {
        "labels": {1: "liver"},
        "map": {1: 1},
        "tolerance": {"liver": 2.0},
        "regions": {"A": [1, 2]},
        "metrics": ["dice", "nsd"],
        "only": [1],
    }
    before = pickle.dumps(options)
    scored(**options)
    assert pickle.dumps(options) == before


def test_without_spacing_lengths_are_in_pixels() -> None:
    results = scored(metrics="hd,volume_error")
    assert results.value("hd", label=1) == 1
    assert results.value("volume_error", label=1) is None
    assert results.cases[0].unit == "px"


def test_options() -> None:
    assert scored(metrics="dice").metrics == scored(metrics=["dice"]).metrics == ("dice",)
    names = scored(labels={1: "liver", 4: "spleen"}, metrics="dice")
    assert names.value("dice", label="liver") == 0.75
    assert names.value("dice", label="spleen") is None
    assert scored(labels="1=liver").value("dice", label="liver") == 0.75
    for only in (1, "1", [1], ("1",)):
        assert {row.label for row in scored(only=only, metrics="dice").scores} == {1}
    for members in ("1,2", [1, 2], range(1, 3), {1}):
        assert scored(regions={"A": members}).value("dice", label="A") == 0.75
    assert scored(map={1: 2}).value("dice", label=2) == 0.75
    assert scored(map_prediction={1: 2}).value("dice", label=2) == 0
    assert scored(map_reference={1: 2}).value("dice", label=1) == 0
    assert scored(background=True).value("dice", label=0) == 2 * 432 / 896
    assert scored(ignore_label=1, background=True).value("sensitivity", label=0) == 1
    assert scored(map_prediction={1: 0}, penalty=7).value("hd", label=1) == 7
    assert scored(map_prediction={1: 0}, penalty="inf").value("hd", label=1) == float("inf")
    assert scored(map_prediction={1: 0}, penalty="nan").value("hd", label=1) is None
    assert scored(tolerance=0.5, metrics="nsd").value("nsd", label=1) != 1
    assert scored(tolerance={"1": 0.5}, metrics="nsd").value("nsd", label=1) != 1
    assert scored(tolerance=1, metrics="nsd").value("nsd", label=1) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["dyce", "hdd"]}, "segeval has no metric 'dyce'; did you mean dice.*no metric 'hdd'"),
        ({"penalty": "far"}, "penalty must be 'diagonal', 'inf', 'nan', a number or None, found 'far'"),
        ({"penalty": -1}, "the penalty must be a length of at least 0"),
        ({"absent_class": "min"}, "absent_class must be 'max', 'ignore', 'penalise' or None, found 'min'"),
        ({"tolerance": -1.0}, "a tolerance must be a length of at least 0"),
        ({"spacing": (1, 1)}, "spacing needs 3 numbers, one for each axis of prediction, found 2"),
        ({"spacing": (1, 0, 1)}, "spacing must be positive"),
        ({"regions": {"all": "1"}}, "a region cannot be named 'all'"),
        ({"only": "liver"}, "no label is called 'liver'"),
        ({"ignore_label": -1}, "2\\*\\*64 - 1, not -1"),
        ({"geometry_tolerance": -0.1}, "geometry_tolerance must be 0 or more"),
        ({"labels": "liver"}, "expected number=name pairs or an existing file"),
    ],
)
def test_options_that_are_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scored(**options)


def test_files(tmp_path: Path) -> None:
    paths = (
        save(tmp_path / "pred_7.nii", PREDICTION, spacing=(3, 2, 0.5)),
        save(tmp_path / "case_7.nii", REFERENCE, spacing=(3, 2, 0.5)),
    )
    results = segeval.score_files(*paths, metrics="hd,reference_volume")
    assert results.value("hd", label=1) == 0.5
    assert results.value("reference_volume", label=1) == pytest.approx(0.192)
    (record,) = results.cases
    assert (record.case, record.prediction, record.reference) == ("case_7", *map(str, paths))
    assert segeval.score_files(*map(str, paths), metrics="hd,reference_volume").scores == results.scores
    by_arrays = scored(spacing=(3, 2, 0.5), metrics="hd,reference_volume")
    assert [row.value for row in by_arrays.scores] == [row.value for row in results.scores]
    with pytest.raises(InputError, match="no such file"):
        segeval.score_files(tmp_path / "missing.nii", paths[1])


def test_labels_from_a_file() -> None:
    paths = STREET / "prediction.png", STREET / "reference.png"
    for labels in (STREET / "labels.json", str(STREET / "labels.json")):
        results = segeval.score_files(*paths, labels=labels, ignore_label=255, metrics="dice")
        assert results.value("dice", label="car") == results.value("dice", label=7)


def test_value() -> None:
    results = scored(metrics="jaccard,hd@100,generalized_dice,sensitivity", labels={1: "liver"})
    assert results.value("iou", label=1) == results.value("jaccard", label="liver") == 0.6
    assert results.value("hd", label=1) == results.value("hd@100", label=1) == 1
    assert results.value("generalized_dice") is not None
    assert results.value("iou", label=1, case="array") == 0.6
    wrong: dict[str, Any]
    for wrong in ({"label": 2}, {"label": "spleen"}, {}):
        with pytest.raises(UsageError, match="there is no iou"):
            results.value("iou", **wrong)
    with pytest.raises(UsageError, match="there is no case 'other'"):
        results.value("iou", label=1, case="other")
    with pytest.raises(UsageError, match=r"there are no scores of dice; choose from iou, hd, generalized_dice"):
        results.value("dice", label=1)
    with pytest.raises(UsageError, match="segeval has no metric 'dyce'"):
        results.value("dyce", label=1)
    assert type(results.value("iou", label=1)) is float


def test_frame() -> None:
    frame = scored(metrics="dice,sensitivity,generalized_dice", labels={1: "liver", 2: "spleen"}).frame()
    assert list(frame.columns) == ["case", "label", "name", "metric", "value", "unit", "note"]
    assert frame["value"].dtype == np.float64
    assert len(frame) == 5
    by_label = frame[frame["metric"] == "dice"].set_index("label")["value"]
    assert by_label[1] == 0.75
    assert np.isnan(by_label[2])
    assert list(frame["label"]) == [1, 1, 2, 2, "all"]
    empty = segeval.score(prediction=np.zeros((2, 2), int), reference=np.zeros((2, 2), int), metrics="dice").frame()
    assert isinstance(empty, pd.DataFrame)
    assert (len(empty), list(empty.columns)) == (0, list(frame.columns))


def test_signature() -> None:
    signature = scored(metrics="dice", spacing=(1, 2, 3), only=1).signature
    assert signature.startswith(f"segeval {segeval.__version__} | 3-D, mm | ")
    assert "\n" not in signature
    assert "only 1" in signature
    assert scored(metrics="dice").signature != scored(metrics="dice", penalty="inf").signature


def test_public_names() -> None:
    assert dir(segeval) == sorted(segeval.__all__)
    for name in segeval.__all__:
        assert getattr(segeval, name) is not None
    with pytest.raises(AttributeError, match="module 'segeval' has no attribute 'scor'"):
        getattr(segeval, "scor")  # noqa: B009  (a type checker would see the mistake)
    assert issubclass(GeometryError, InputError)
    assert issubclass(InputError, SegevalError)
    assert issubclass(UsageError, SegevalError)


def test_importing_segeval_loads_nothing() -> None:
    script = (
        "import sys, segeval; segeval.__version__; dir(segeval)\n"
        "assert not {'numpy', 'click', 'scipy', 'pandas', 'nibabel', 'segeval.api'} & set(sys.modules)\n"
        "segeval.score\n"
        "assert not {'click', 'pandas', 'nibabel', 'rich', 'PIL', 'SimpleITK'} & set(sys.modules)\n"
        "from segeval import *\n"
        "assert callable(score_files) and issubclass(InputError, SegevalError)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)  # noqa: S603  (our own text)


def test_results_and_plans_can_be_pickled() -> None:
    results = scored(metrics="all", regions={"A": "1"}, tolerance={"1": 2.0})
    again = pickle.loads(pickle.dumps(results))  # noqa: S301  (our own bytes)
    assert (again.scores, again.cases, again.signature) == (results.scores, results.cases, results.signature)
    assert again.value("dice", label=1) == 0.75
    plan = plan_of(metrics="hd@95,nsd", only=[1, "liver"], regions={"A": [1, 2]}, spacing=(1, 2, 3), labels={1: "a"})
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301


@pytest.mark.parametrize("kind", [SegevalError, UsageError, InputError, GeometryError])
def test_errors_can_be_pickled(kind: type[SegevalError]) -> None:
    error = kind("is damaged", source="a\n.nii", hint="copy it again")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert str(again) == str(error) == "a\\n.nii: is damaged; copy it again"
    assert (again.problem, again.source, again.hint) == ("is damaged", "a\n.nii", "copy it again")
    assert again.exit_code == kind.exit_code


def test_exit_codes_of_errors() -> None:
    assert (UsageError.exit_code, InputError.exit_code, GeometryError.exit_code) == (2, 3, 3)


def test_numpy_values_as_options() -> None:
    results = scored(
        only=np.array([1]), spacing=np.array([1.0, 1.0, 2.0]), map={np.int64(1): np.int64(1)}, ignore_label=np.uint8(9)
    )
    assert results.value("hd", label=1) == 2


def test_arrays_with_nan_are_named() -> None:
    with pytest.raises(InputError, match=r"^reference: expected integers or booleans, found float64 with NaN"):
        segeval.score(prediction=[[1, 0]], reference=[[1, np.nan]])


def test_results_are_short_in_a_session() -> None:
    assert repr(scored(metrics="dice,hd@95")) == "<Results: 1 case, all scored; dice, hd@95>"


def test_a_case_that_does_not_exist_has_near_names() -> None:
    results = segeval.batch(SAMPLES / "predictions", SAMPLES / "references", metrics="dice", jobs=1)
    with pytest.raises(UsageError, match="there is no case 'case_1'; did you mean 'case_1"):
        results.value("dice", label=1, case="case_1")
    with pytest.raises(UsageError, match="the results have 14 cases; choose one with case="):
        results.value("dice", label=1)
