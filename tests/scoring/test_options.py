"""Declarations of options, tested with options that segeval does not have."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Unpack

import click
import pytest

import segeval
from segeval.cli.configuration import defaults_of
from segeval.cli.help import ALL, Command
from segeval.cli.options import declared_options, plan_options
from segeval.errors import UsageError
from segeval.scoring import json_kinds as kinds
from segeval.scoring import option_values as values
from segeval.scoring import plan as planning
from segeval.scoring.batch_options import BATCH_OPTIONS, CaseOptions
from segeval.scoring.declaration import Option, Setting, Statement, declared, taking
from segeval.scoring.options import OPTIONS, Options
from segeval.scoring.plan import Plan, check_settings, plan_of

GRIDS = {(3, "mm")}
FILE = Path("/somewhere/segeval.toml")


def at_most_nine(toys: int) -> None:
    if toys > 9:
        raise UsageError(f"toys are at most 9, not {toys}")


def twice(option: str, typed: int) -> int:
    if not typed:
        raise UsageError(f"{option} takes a number of pairs, found {typed}")
    return 2 * typed


class ToyOptions(Options, total=False):
    toys: Annotated[
        int,
        Option(
            default=4,
            flags=("-y", "--toy"),
            metavar="PAIRS",
            type=int,
            help="Play with so many pairs of toys.",
            doc="How many toys to play with.",
            heading="Metrics",
            commands=("score",),
            read=twice,
            make=abs,
            settings=(Setting("toys", kinds.NUMBER, "toys", check=at_most_nine),),
            statement=Statement(lambda settings: f"toys {settings['toys']}"),
        ),
    ]
    toy_box: Annotated[
        str | None,
        Option(
            metavar="FILE",
            path=values.path_from,
            help="The box.",
            doc="Their box.",
            heading="Output",
            commands=("score",),
        ),
    ]
    toy_owner: Annotated[
        str | None,
        Option(
            metavar="NAME",
            configurable=False,
            help="The owner.",
            doc="Their owner.",
            heading="Output",
            commands=("score",),
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyPlan(Plan):
    toys: int = 4


@pytest.fixture
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, option in declared(ToyOptions).items():
        monkeypatch.setitem(OPTIONS, name, option)
        monkeypatch.setitem(BATCH_OPTIONS, name, option)
    monkeypatch.setattr(planning, "Plan", ToyPlan)


@click.command(cls=Command)
@declared_options("score", ToyOptions)
def play(**_options: object) -> None:
    """Play."""


@taking(ToyOptions)
def played(first: int, **options: Unpack[ToyOptions]) -> Mapping[str, Any]:
    """Play.

    Raises
    ------
    UsageError
        There are too many toys.
    """
    return {"first": first, **options}


def plan_options_of(*words: str) -> dict[str, Any]:
    """Return the Python options of a command line."""
    with play.make_context("play", list(words)) as context:
        return plan_options(context.params)


toy_plan_of: Any = plan_of


def test_the_command_line() -> None:
    with click.Context(play) as context:
        context.meta[ALL] = True
        text = " ".join(play.get_help(context).split())
    assert "-y, --toy PAIRS Play with so many pairs of toys. [4]" in text
    assert text.index("--normalise") < text.index("--toy ") < text.index("--toy-box FILE")


def test_only_its_commands_have_it() -> None:
    names = {each.name for each in click.command(declared_options("explain", ToyOptions)(lambda: None)).params}
    assert "match" in names
    assert not {"toys", "toy_box", "metrics"} & names


@pytest.mark.usefixtures("_planted")
def test_text_becomes_python_values() -> None:
    assert plan_options_of("-y", "3", "--toy-box", "a b")["toys"] == 6
    assert plan_options_of("-y", "3", "--toy-box", "a b")["toy_box"] == "a b"
    assert plan_options_of()["toy_box"] is None
    with pytest.raises(UsageError, match=r"^--toy takes a number of pairs, found 0$"):
        plan_options_of("--toy", "0")


def test_python() -> None:
    parameters = inspect.signature(played).parameters
    assert list(parameters) == ["first", *ToyOptions.__annotations__]
    assert parameters["toys"].kind is inspect.Parameter.KEYWORD_ONLY
    assert (parameters["toys"].default, parameters["toys"].annotation) == (4, int)
    assert parameters["labels"].annotation.endswith("| LabelTable | None")
    before, _, after = (inspect.getdoc(played) or "").partition(
        "toys : int, default: 4\n    How many toys to play with.\ntoy_box : str | None, default: None\n"
    )
    assert before.startswith(
        "Play.\n\nOther Parameters\n----------------\nmetrics : str | Iterable[str] | None, default: None (dice, "
    )
    assert after.endswith("\n\nRaises\n------\nUsageError\n    There are too many toys.")


@pytest.mark.usefixtures("_planted")
def test_a_plan() -> None:
    assert toy_plan_of().toys == 4
    assert toy_plan_of(toys=-5).toys == 5
    with pytest.raises(UsageError, match="toys are at most 9, not 10"):
        toy_plan_of(toys=10)
    with pytest.raises(TypeError, match=r"plan_of\(\) has no option 'toyz'; did you mean 'toys'"):
        toy_plan_of(toyz=5)


@pytest.mark.usefixtures("_planted")
def test_settings() -> None:
    plan = toy_plan_of(toys=5)
    assert list(plan.settings())[-1] == "toys"
    assert plan.settings()["toys"] == 5
    assert ToyPlan.of_settings(plan.settings()) == plan
    with pytest.raises(UsageError, match="the setting toys cannot be 'five'"):
        check_settings({"toys": "five"})
    with pytest.raises(UsageError, match="toys are at most 9, not 11"):
        ToyPlan.of_settings(plan.settings() | {"toys": 11})
    settings = plan.settings()
    del settings["toys"]
    with pytest.raises(UsageError, match="the setting toys is missing"):
        ToyPlan.of_settings(settings)


@pytest.mark.usefixtures("_planted")
def test_the_signature() -> None:
    assert toy_plan_of(toys=5).signature(GRIDS).endswith(" | geometry strict 0.05 | toys 5")
    assert toy_plan_of(toys=5).footnote(GRIDS).endswith("; toys 5")


def test_a_configuration_file() -> None:
    found = defaults_of({"play": play}, {"toy": 3, "toy_box": "a b"}, source=FILE)
    assert found == {"play": {"toys": 3, "toy_box": "/somewhere/a b"}}
    with pytest.raises(UsageError, match="toy: 'three' is not a valid integer"):
        defaults_of({"play": play}, {"toy": "three"}, source=FILE)
    with pytest.raises(UsageError, match="toy-owner can only be given on the command line"):
        defaults_of({"play": play}, {"toy-owner": "me"}, source=FILE)


EVERYTHING: Options = {
    "metrics": "soft_dice",
    "labels": {1: "liver"},
    "only": ["liver", "both"],
    "regions": {"both": [1, 2]},
    "map": {9: 2},
    "map_prediction": {3: 1},
    "ignore_label": 255,
    "background": True,
    "weight": {"liver": 2},
    "tolerance": {"liver": 3},
    "spacing": (3, 1, 2),
    "geometry": "warn",
    "probabilities": True,
    "threshold": 0.25,
    "normalise": True,
}


def test_the_order_of_settings_stays() -> None:
    plan = plan_of(**EVERYTHING)
    names = (
        "metrics compat surface percentile penalty absent_class tolerance label_tolerances weight background "
        "ignore_label labels only regions match map_prediction map_reference spacing geometry geometry_tolerance "
        "probabilities threshold normalise"
    )
    assert list(plan.settings()) == names.split()
    left_out = {"weight", "probabilities", "threshold", "normalise"}
    assert list(plan_of().settings()) == [name for name in names.split() if name not in left_out]
    assert Plan.of_settings(plan.settings()) == plan


def test_the_order_of_the_signature_stays() -> None:
    plan = plan_of(**EVERYTHING)
    _, _, own = plan.signature(GRIDS, {"missing": "skip"}).partition(" | tolerance ")
    assert own.split(" | ") == [
        "1, liver=3 mm",
        "weights liver=2",
        "background scored",
        "ignored label 255",
        "labels by number",
        "map prediction 9=2,3=1",
        "map reference 9=2",
        "labels by argmax, single channel thresholded at 0.25, normalised",
        "spacing given 2 x 1 x 3",
        "only liver,both",
        "regions both=1,2",
        "geometry warn 0.05",
        "missing prediction skip",
    ]
    assert "missing" not in plan.signature(GRIDS, {"missing": "error"})
    footnote = plan.footnote(GRIDS)
    assert footnote.endswith("; only liver,both; regions both=1,2; geometry warn 0.05")
    assert "labels by number" not in footnote
    assert plan.footnote(GRIDS, {"missing": "skip"}).endswith("; missing prediction skip")
    assert (
        plan_of(match="names", geometry="resample").footnote(GRIDS).endswith("; labels by name; geometry resample 0.05")
    )


def test_every_declaration_is_complete() -> None:
    keys = [setting.key for option in BATCH_OPTIONS.values() for setting in option.settings]
    assert len(keys) == len(set(keys))
    flags = [flag for option in BATCH_OPTIONS.values() for flag in option.flags]
    assert len(flags) == len(set(flags))
    for option in BATCH_OPTIONS.values():
        assert option.help.endswith((".", "]"))
        assert option.doc.endswith(".")
        assert option.flags[-1].startswith("--")
        assert option.commands


def test_none_is_refused_unless_it_is_the_default() -> None:
    score: Any = segeval.score
    for name in ("match", "geometry", "only", "tolerance"):
        with pytest.raises(UsageError, match=rf"^(a )?{name}.*None"):
            score(prediction=[[1]], reference=[[1]], **{name: None})


def test_missing_predictions_are_in_the_signature_and_not_in_the_footnote() -> None:
    plan = plan_of(metrics="dice")
    assert "missing prediction empty" in plan.signature({(3, "mm")}, {"missing": "empty"})
    statement = declared(CaseOptions)["missing"].statement
    assert statement is not None
    assert not statement.in_footnote
