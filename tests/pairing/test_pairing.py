"""Pairing of folders and of tables: each reference is in one case, and no choice is made in silence."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segeval.errors import InputError, UsageError, shown
from segeval.pairing import Pairing, pair_folders, read_pairs
from segeval.pairing.near import MOST_SUGGESTED
from segeval.reading import read_label_map
from segeval.scoring.case import Case
from segeval.text import natural_order
from tests.command import box, save
from tests.places import DATA, needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Layout = Callable[..., Pairing]

STREET = DATA / "coco_polygons"


def make(folder: Path, names: Iterable[str]) -> Path:
    """A folder of empty files."""
    files = [f"{folder}/{name}" for name in names]
    for parent in {folder, *(Path(file).parent for file in files)}:
        parent.mkdir(parents=True, exist_ok=True)
    for file in files:
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY))
    return folder


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Pair folders "p" and "r" of empty files."""
    monkeypatch.chdir(tmp_path)

    def paired(predictions: Iterable[str], references: Iterable[str], pattern: str | None = None) -> Pairing:
        make(tmp_path / "p", predictions)
        make(tmp_path / "r", references)
        return pair_folders("p", "r", prediction_pattern=pattern, reference_pattern=pattern)

    return paired


def pairs(pairing: Pairing) -> dict[str, tuple[str | None, str]]:
    """Case name -> its two files, with "/", where nothing is wrong."""
    return {
        case.name: (case.prediction and Path(case.prediction).as_posix(), Path(case.reference).as_posix())
        for case in pairing.cases
        if case.problem is None
    }


def predictions(pairing: Pairing) -> dict[str, str | None]:
    """Case name -> prediction below its folder."""
    return {name: prediction and prediction.removeprefix("p/") for name, (prediction, _) in pairs(pairing).items()}


def problems(pairing: Pairing) -> dict[str, str]:
    return {case.name: case.problem for case in pairing.cases if case.problem is not None}


def only(pairing: Pairing) -> Case:
    assert len(pairing.cases) == 1
    return pairing.cases[0]


def test_the_case_is_the_path_below_the_folder_without_the_suffix(layout: Layout) -> None:
    found = layout(["a.mha", "sub/b.nii.gz"], ["a.nii.gz", "sub/b.NII.GZ"])
    assert pairs(found) == {"a": ("p/a.mha", "r/a.nii.gz"), "sub/b": ("p/sub/b.nii.gz", "r/sub/b.NII.GZ")}
    assert (found.strays, found.remarks) == ((), ())


def test_paths_begin_as_the_folders_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "p", ["a.png"])
    make(tmp_path / "r", ["a.png"])
    case = only(pair_folders("./p", str(tmp_path / "r")))
    assert case.prediction == f"./p{os.sep}a.png"
    assert case.reference == str(tmp_path / "r" / "a.png")


def test_order_is_natural(layout: Layout) -> None:
    found = layout([], ["rib_10.nii.gz", "rib_2.nii.gz", "rib_02.nii.gz"])
    assert [case.name for case in found.cases] == ["rib_02", "rib_2", "rib_10"]


def test_any_number_of_digits_has_a_place_in_natural_order() -> None:
    assert sorted(["9" * 9000, "10", "9"], key=natural_order)[:2] == ["9", "10"]


def test_hidden_files_and_folders_are_passed_over(layout: Layout) -> None:
    found = layout(["._a.nii.gz", ".cache/a.nii.gz"], ["a.nii.gz", "._a.nii.gz", ".b.nii.gz", ".git/c.nii.gz"])
    assert predictions(found) == {"a": None}
    assert found.strays == ()


def test_a_missing_prediction_has_near_names(layout: Layout) -> None:
    found = layout(["Liver_01.nii.gz", "liver_2.nii.gz", "spleen.nii.gz"], ["liver_1.nii.gz", "liver_2.nii.gz"])
    missing = found.cases[0]
    assert (missing.prediction, missing.problem) == (None, None)
    assert missing.near == (str(Path("p", "Liver_01.nii.gz")),)
    assert found.strays == (str(Path("p", "Liver_01.nii.gz")), str(Path("p", "spleen.nii.gz")))


def test_near_names_are_few_and_for_the_first_of_many(layout: Layout) -> None:
    found = layout([f"case_{i:04}x.png" for i in range(200)], [f"case_{i:04}.png" for i in range(200)])
    assert [bool(case.near) for case in found.cases] == [True] * MOST_SUGGESTED + [False] * (200 - MOST_SUGGESTED)
    assert all(case.near == (str(Path("p", f"{case.name}x.png")),) for case in found.cases[:MOST_SUGGESTED])


def test_near_names_are_three_at_most(layout: Layout) -> None:
    assert len(only(layout([f"liver_1_{letter}.png" for letter in "abcdef"], ["liver_1.png"])).near) == 3


@pytest.mark.parametrize(
    ("missing", "stray", "is_near"),
    [
        ("case2", "case1", False),
        ("case_02", "CASE-2", True),
        ("case_1", "case_10", False),
        ("y/case2", "y/case1", False),
        ("y/case2", "x/case2", True),
        ("case_0001", "case_0002", False),
        ("c", "c_mask", True),
        ("sub-01_dseg", "sub-01_space-T1w_dseg", True),
        ("sub-01_dseg", "sub-02_ses-01_dseg", False),
    ],
)
def test_a_near_name_has_no_other_number(layout: Layout, missing: str, stray: str, is_near: bool) -> None:
    found = layout(["exact.png", f"{stray}.png"], ["exact.png", f"{missing}.png"])
    (case,) = [case for case in found.cases if case.name == missing]
    assert case.prediction is None
    assert bool(case.near) == is_near


def test_near_names_may_be_those_of_folders(layout: Layout) -> None:
    assert only(layout(["case_1.png"], ["case_1/mask.png"])).near == (str(Path("p", "case_1.png")),)
    assert only(pair_folders("r", "p")).near == (str(Path("r", "case_1", "mask.png")),)


def test_all_ambiguities_are_told(layout: Layout) -> None:
    found = layout(
        ["a.nii.gz", "a.mha", "b.nii.gz", "c.nii", "c.mha", "c.nrrd"],
        ["a.nii.gz", "b.nii.gz", "b.mha", "c.nii", "c.nii.gz"],
    )
    told = {name: problem.replace(os.sep, "/") for name, problem in problems(found).items()}
    assert told == {
        "a": "two predictions for one reference: p/a.mha and p/a.nii.gz",
        "b": "two references for one case: r/b.mha and r/b.nii.gz",
        "c": "two references for one case: r/c.nii and r/c.nii.gz; "
        "3 predictions for one reference: p/c.mha, p/c.nii and p/c.nrrd",
    }
    assert found.strays == ()


def test_a_long_list_of_files_is_cut(layout: Layout) -> None:
    found = layout([f"a/{i}.png" for i in range(20)], ["a/1.png"], "{case}/*.png")
    assert problems(found)["a"].endswith("and 12 more")


def test_what_is_no_label_map_does_not_count(layout: Layout) -> None:
    found = layout(["a.nii.gz", "log.txt", "dataset.json"], ["a.hdr", "a.img", "b.mhd", "b.zraw", "c.jpg", "a.json"])
    assert predictions(found) == {"a": "a.nii.gz", "b": None}
    assert found.strays == ()


def test_polygons_count_where_there_is_no_label_map(layout: Layout) -> None:
    found = layout(["a.png", "summary.json"], ["a.json", "dataset.json", "Labels.json", "plans.json"])
    assert pairs(found) == {"a": ("p/a.png", "r/a.json")}
    assert found.strays == ()


def test_polygons_count_where_the_pattern_says_so(layout: Layout) -> None:
    files = ["a.png", "a.json", "b.nii.gz", "b.json", "dataset.json"]
    assert list(pairs(layout(files, files, "{case}.json"))) == ["a"]


def test_probabilities_beside_the_label_maps_of_nnunet_do_not_count(layout: Layout) -> None:
    found = layout(["a.nii.gz", "a.npz", "a.pkl", "b.npz"], ["a.nii.gz", "b.npz"])
    assert predictions(found) == {"a": "a.nii.gz", "b": "b.npz"}
    assert (found.strays, found.remarks) == ((), ())
    assert predictions(layout([], [], "{case}.npz")) == {"b": "b.npz"}
    assert list(problems(layout(["b.nii.gz"], []))) == ["b"]


def test_a_link_that_leads_nowhere_counts(layout: Layout, tmp_path: Path) -> None:
    make(tmp_path / "r", []).joinpath("annexed.nii.gz").symlink_to("nowhere")
    (tmp_path / "r" / "self.nii.gz").symlink_to("self.nii.gz")
    assert predictions(layout(["annexed.nii.gz"], [])) == {"annexed": "annexed.nii.gz", "self": None}


def test_links_are_followed_and_loops_end(layout: Layout, tmp_path: Path) -> None:
    for side in ("p", "r"):
        there = make(tmp_path / f"elsewhere_{side}", ["a.nii.gz", "deep/b.nii.gz"])
        make(tmp_path / side, []).joinpath("linked").symlink_to(there)
        make(tmp_path / side, []).joinpath("again").symlink_to(there)
        (there / "deep" / "loop").symlink_to(there)
    (tmp_path / "r" / "file.nii.gz").symlink_to(tmp_path / "elsewhere_r" / "a.nii.gz")
    names = ["again/a", "again/deep/b", "file", "linked/a", "linked/deep/b"]
    assert predictions(layout([], [])) == {name: None if name == "file" else f"{name}.nii.gz" for name in names}


def test_a_reference_is_not_its_own_prediction(layout: Layout, tmp_path: Path) -> None:
    make(tmp_path / "r", ["a.png", "b.png"])
    make(tmp_path / "p", []).joinpath("a.png").symlink_to(tmp_path / "r" / "a.png")
    found = layout(["b.png"], [])
    assert problems(found) == {"a": "prediction and reference are the same file"}
    assert predictions(found) == {"b": "b.png"}


@pytest.mark.slow
def test_folders_that_all_lead_into_each_other_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "p", [])
    folders = [make(tmp_path / "r", []) / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir()
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    with pytest.raises(InputError, match="links between its folders form a loop; remove the links"):
        pair_folders(str(tmp_path / "p"), str(tmp_path / "r"))


@pytest.mark.parametrize(
    ("pattern", "name", "case"),
    [
        ("{case}_pred.nii.gz", "sub/a_pred.nii.gz", "sub/a"),
        ("{case}/{case}-seg.nii.gz", "B-1/B-1-seg.nii.gz", "B-1"),
        ("{case}/*.nii.gz", "a/anything.nii.gz", "a"),
        ("*/{case}.nii.gz", "fold/a.nii.gz", "a"),
        ("./seg_{case}.png", "seg_a.png", "a"),
        ("a+({case}).[x].png", "a+(b).[x].png", "b"),
        ("{case}_pred", "a_pred.mha", "a"),
        ("{case}_pred.*", "a_pred.nii.gz", "a"),
        ("{case}_{kind}.png", "a_{kind}.png", "a"),
    ],
)
def test_a_pattern_finds_the_case(layout: Layout, pattern: str, name: str, case: str) -> None:
    assert predictions(layout([name], [name], pattern)) == {case: name}


def test_a_case_that_occurs_again_must_be_equal(layout: Layout) -> None:
    found = layout(["a/a.png", "a/b.png"], ["a/a.png", "b/b.png"], "{case}/{case}.png")
    assert predictions(found) == {"a": "a/a.png", "b": None}
    assert found.remarks == ("ignored 1 file among the predictions that '{case}/{case}.png' does not match",)


def test_a_pattern_for_one_side_leaves_the_other(layout: Layout, tmp_path: Path) -> None:
    layout(["a_x7.png", "note.png"], ["a_gt.png", "b_gt.png"])
    found = pair_folders("p", "r", prediction_pattern="{case}_x7.png")
    assert predictions(found) == {"a": "a_x7.png", "b": None}
    found = pair_folders("p", "r", reference_pattern="{case}_gt.png")
    assert predictions(found) == {"a": None, "b": None}


def test_a_pattern_needs_a_case(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the pattern '\*\.png' has no \{case\}"):
        pair_folders(str(tmp_path), str(tmp_path), prediction_pattern="*.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "sub/a.png"])
def test_a_pattern_that_matches_nothing_shows_what_is_there(layout: Layout, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        layout([name], [], "{case}_pred.nii.gz")
    assert str(caught.value) == (
        f"p: the pattern '{{case}}_pred.nii.gz' matches none of the predictions; one of them is '{name}'"
    )


def test_a_pattern_in_an_empty_folder_is_no_mistake(layout: Layout) -> None:
    assert predictions(layout([], ["a.png"], "{case}.png")) == {"a": None}


def test_a_pattern_that_ends_in_a_slash_names_folders(layout: Layout) -> None:
    files = ["s1/ct.nii.gz", "s1/segmentations/liver.nii.gz", "s2/segmentations/liver.nii.gz"]
    found = layout(files, files, "{case}/segmentations/")
    assert pairs(found) == {
        "s1": ("p/s1/segmentations", "r/s1/segmentations"),
        "s2": ("p/s2/segmentations", "r/s2/segmentations"),
    }
    with pytest.raises(UsageError, match=r"one of them is 's1/'"):
        layout(files, files, "{case}/masks/")


def test_a_pattern_of_folders_for_predictions_makes_folders_of_references(layout: Layout) -> None:
    layout(["s1/segmentations/liver.nii.gz"], ["s1/liver.nii.gz"])
    found = pair_folders("p", "r", prediction_pattern="{case}/segmentations/")
    assert pairs(found) == {"s1": ("p/s1/segmentations", "r/s1")}
    found = pair_folders("r", "p", reference_pattern="{case}/segmentations/")
    assert pairs(found) == {"s1": ("r/s1", "p/s1/segmentations")}


def test_an_ending_of_all_references_is_not_part_of_the_names(layout: Layout) -> None:
    found = layout(["a.png", "b_gt.png"], ["a_gt.png", "b_gt.png"])
    assert predictions(found) == {"a": "a.png", "b": "b_gt.png"}
    assert found.remarks[0] == "2 references end in _gt; the case names do not include it"


def test_an_ending_of_some_references_is_part_of_the_names(layout: Layout) -> None:
    found = layout(["a_gt.png", "b.png"], ["a_gt.png", "b.png"])
    assert list(pairs(found)) == ["a_gt", "b"]
    assert found.remarks == ()


def test_a_name_that_is_an_ending_stays(layout: Layout) -> None:
    assert list(pairs(layout([], ["x/_gt.png"]))) == ["x/_gt"]


def test_a_prediction_may_have_the_full_name_of_the_reference(layout: Layout) -> None:
    assert predictions(layout(["a_seg.nii.gz"], ["a_seg.nii.gz"])) == {"a": "a_seg.nii.gz"}


def test_the_case_name_and_the_full_name_together_are_two_predictions(layout: Layout) -> None:
    found = layout(["a.nii.gz", "a_seg.nii.gz"], ["a_seg.nii.gz"])
    assert problems(found)["a"].startswith("two predictions for one reference")


def test_a_full_name_that_is_another_case_belongs_to_that(layout: Layout) -> None:
    found = layout(["a_gt.png"], ["a_gt.png", "a_gt_gt.png"])
    assert predictions(found) == {"a": None, "a_gt": "a_gt.png"}


@pytest.mark.parametrize("ending", ["_pred", "_prediction", "-seg", "_Output", "_leftImg8bit", "_leftImg8bit_pred"])
def test_predictions_may_share_an_ending(layout: Layout, ending: str) -> None:
    found = layout([f"a{ending}.png", f"b{ending}.png", "d_other.png"], ["a.png", "b.png", "c.png"])
    assert predictions(found) == {"a": f"a{ending}.png", "b": f"b{ending}.png", "c": None}
    assert found.remarks == (f"2 predictions end in {ending}; the case names do not include it",)
    assert found.strays == (str(Path("p", "d_other.png")),)


def test_an_ending_does_not_count_beside_plain_names(layout: Layout) -> None:
    found = layout([f"{name}.png" for name in ("a", "b", "a_mask", "b_mask", "c_mask")], ["a.png", "b.png", "c.png"])
    assert predictions(found) == {"a": "a.png", "b": "b.png", "c": None}
    assert found.cases[2].near == (str(Path("p", "c_mask.png")),)
    assert len(found.strays) == 3


def test_predictions_with_two_endings_are_left_to_the_user(layout: Layout) -> None:
    found = layout(["a_pred.png", "b_mask.png"], ["a.png", "b.png"])
    assert predictions(found) == {"a": None, "b": None}
    assert found.remarks == (
        "predictions have several endings (_mask and _pred); choose one with --prediction-pattern",
    )


def test_cityscapes_references_are_the_label_numbers(layout: Layout) -> None:
    kinds = ["color.png", "instanceIds.png", "labelIds.png", "labelTrainIds.png", "polygons.json"]
    references = [f"bonn/bonn_{i}_gtFine_{kind}" for i in (1, 2) for kind in kinds]
    found = layout(["bonn_1_leftImg8bit.png", "bonn_2_leftImg8bit.png"], references)
    assert pairs(found) == {
        f"bonn/bonn_{i}": (f"p/bonn_{i}_leftImg8bit.png", f"r/bonn/bonn_{i}_gtFine_labelIds.png") for i in (1, 2)
    }
    assert found.remarks == (
        "2 references end in _gtFine_labelIds; the case names do not include it",
        "ignored 8 other files of the same scenes among the references",
        "2 cases paired by file name only, in any folder",
        "2 predictions end in _leftImg8bit; the case names do not include it",
    )


def test_cityscapes_predictions_may_lie_in_the_folders_of_cities(layout: Layout) -> None:
    names = ["bonn/bonn_1", "bonn/bonn_2", "ulm/ulm_1"]
    found = layout([f"{name}.png" for name in names], [f"{Path(name).name}_gtFine_labelIds.png" for name in names])
    assert predictions(found) == {Path(name).name: f"{name}.png" for name in names}
    assert found.remarks[1] == "3 cases paired by file name only, in any folder"


def test_no_scene_of_cityscapes_is_lost(layout: Layout) -> None:
    others = ["c_gtFine_color.png", "d_gtFine_color.png", "e_gtFine_labelIds.png", "e_gtFine_labelIds.tif"]
    found = layout(
        ["a.png", "b.png", "c.png", "d.png"],
        ["a_gtFine_labelIds.png", "b_gtFine_labelTrainIds.png", "c_gtFine_polygons.json", *others],
    )
    assert predictions(found) == {"a": "a.png", "b": "b.png", "c": "c.png", "d_gtFine_color": None}
    assert list(problems(found)) == ["e"]


def test_image_channels_are_no_predictions(layout: Layout) -> None:
    found = layout(["a_0000.nii.gz", "a_0001.nii.gz", "b.nii.gz"], ["a.nii.gz", "b.nii.gz"])
    assert predictions(found) == {"a": None, "b": "b.nii.gz"}
    assert found.cases[0].near == (str(Path("p", "a_0000.nii.gz")), str(Path("p", "a_0001.nii.gz")))
    assert found.remarks == (
        "1 case has no prediction, but a file of the same name with _0000: "
        "this is an image channel of nnU-Net, not a label map",
    )


def test_image_channels_are_no_references(layout: Layout) -> None:
    found = layout(["a.nii.gz", "b.nii.gz"], ["a_0000.nii.gz", "b_0000.nii.gz"])
    assert predictions(found) == {"a_0000": None, "b_0000": None}
    assert found.cases[0].near[0] == str(Path("p", "a.nii.gz"))
    assert "2 cases have no prediction" in found.remarks[0]


def test_a_flat_side_pairs_by_file_name(layout: Layout) -> None:
    found = layout(["a.png", "b.png", "c_pred.png"], ["x/a.png", "y/b.png", "y/c.png"])
    assert predictions(found) == {"x/a": "a.png", "y/b": "b.png", "y/c": None}
    assert found.remarks == ("2 cases paired by file name only, in any folder",)


def test_an_ending_and_the_folders_may_both_not_count(layout: Layout) -> None:
    found = layout(["out/a_pred.png", "out/b_pred.png"], ["a.png", "b.png"])
    assert predictions(found) == {"a": "out/a_pred.png", "b": "out/b_pred.png"}
    assert found.remarks == (
        "2 cases paired by file name only, with predictions from out",
        "2 predictions end in _pred; the case names do not include it",
    )


def test_a_file_name_that_references_share_pairs_nothing(layout: Layout) -> None:
    found = layout(["1.png", "2.png"], ["x/1.png", "y/1.png", "y/2.png"])
    assert set(predictions(found).values()) == {None}
    assert len(found.remarks) == 1
    assert "references in several folders have the same file name; use a table of pairs: --pairs" in found.remarks[0]


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (["m1/a.png", "m2/b.png"], "m1"),
        (["m1/a.png", "m2/a.png", "m2/b.png"], "m2"),
        (["out/a.png", "out/b.png", "out/old/c.png"], "out"),
    ],
)
def test_predictions_of_several_folders_are_not_mixed(layout: Layout, files: list[str], folder: str) -> None:
    found = layout(files, ["a.png", "b.png", "c.png"])
    assert predictions(found) == {"a": None, "b": None, "c": None}
    assert all(case.near for case in found.cases[:2])
    assert len(found.remarks) == 1
    assert f"for one of these: --prediction-pattern '{folder}/{{case}}'" in found.remarks[0]
    again = pair_folders("p", "r", prediction_pattern=f"{folder}/{{case}}")
    assert {Path(path).parent for path in predictions(again).values() if path} == {Path(folder)}


def test_an_old_folder_is_not_drawn_from(layout: Layout) -> None:
    found = layout(["a.png", "b.png", "old/c.png"], ["a.png", "b.png", "c.png"])
    assert predictions(found) == {"a": "a.png", "b": "b.png", "c": None}
    assert found.cases[2].near == (str(Path("p", "old", "c.png")),)


@pytest.mark.parametrize(
    ("prediction", "reference", "options"),
    [
        ("net_{}_v2", "case_{}", "--prediction-pattern 'net_{case}_v2' --reference-pattern 'case_{case}'"),
        ("net_case_{}_v2", "case_{}", "--prediction-pattern 'net_{case}_v2'"),
        ("{}/prediction", "{}/image", "--prediction-pattern '{case}/prediction' --reference-pattern '{case}/image'"),
        ("{}/final", "{}", "--prediction-pattern '{case}/final'"),
        ("net{}", "case{}_gt", "--prediction-pattern 'net{case}' --reference-pattern 'case{case}_gt'"),
    ],
)
def test_names_that_differ_throughout_suggest_patterns(
    layout: Layout, prediction: str, reference: str, options: str
) -> None:
    numbers = ["001", "002", "003"]
    found = layout(
        [f"{prediction.format(number)}.png" for number in numbers],
        [f"{reference.format(number)}.png" for number in numbers],
    )
    assert set(predictions(found).values()) == {None}
    assert found.remarks[-1].startswith("3 of 3 references have no prediction, and 3 predictions have no reference (")
    suggested = found.remarks[-1].rpartition("; try ")[2]
    assert suggested == options
    chosen = dict(zip(*[iter(suggested.replace("'", "").split())] * 2, strict=True))
    again = pair_folders(
        "p",
        "r",
        prediction_pattern=chosen["--prediction-pattern"],
        reference_pattern=chosen.get("--reference-pattern"),
    )
    assert None not in predictions(again).values()


def test_names_without_anything_in_common_suggest_patterns_too(layout: Layout) -> None:
    found = layout(["zz11.png", "zz22.png"], ["im_1.png", "im_2.png"])
    assert found.remarks == (
        f"2 of 2 references have no prediction, and 2 predictions have no reference (for example "
        f"{Path('r', 'im_1.png')} and {Path('p', 'zz11.png')}); try --prediction-pattern 'PREFIX_{{case}}_SUFFIX'",
    )


def test_no_pattern_is_suggested_that_loses_references(layout: Layout) -> None:
    found = layout(["1_net.png", "2_net.png"], ["x/1.png", "x/2.png", "y/1.png", "y/2.png"])
    assert "PREFIX" in found.remarks[-1]


def test_folders_on_both_sides_count(layout: Layout) -> None:
    found = layout(["z/a.png", "y/b.png"], ["x/a.png", "y/b.png"])
    assert predictions(found) == {"x/a": None, "y/b": "y/b.png"}


def test_bids_pairs_by_entities_in_any_folder(layout: Layout) -> None:
    others = ["pipe/sub-02/sub-02_label-GM_probseg.nii.gz", "pipe/dataset_description.json"]
    found = layout(
        ["pipe/sub-01/ses-1/anat/sub-01_ses-1_desc-net_dseg.nii.gz", "pipe/sub-02/sub-02_desc-net_dseg.nii", *others],
        ["sub-01/ses-1/anat/sub-01_ses-1_dseg.nii.gz", "sub-02/anat/sub-02_dseg.nii.gz", "sub-02/anat/sub-02_T1w.nii"],
    )
    assert predictions(found) == {
        "sub-01/ses-1/anat/sub-01_ses-1_dseg": "pipe/sub-01/ses-1/anat/sub-01_ses-1_desc-net_dseg.nii.gz",
        "sub-02/anat/sub-02_dseg": "pipe/sub-02/sub-02_desc-net_dseg.nii",
    }
    assert found.remarks == (
        "ignored 1 file among the references that is not a BIDS _dseg",
        "ignored 1 file among the predictions that is not a BIDS _dseg",
        "2 cases paired by BIDS entities, with predictions of desc-net from pipe",
    )


def test_a_reference_that_is_not_called_as_bids_has_it_is_a_case(layout: Layout) -> None:
    files = ["sub-01_dseg.nii", "sub-02_seg.nii", "sub-03.nii"]
    found = layout(files, files)
    assert predictions(found) == {Path(file).stem: file for file in files}
    assert found.remarks == ()


def test_bids_takes_no_case_from_another_pipeline(layout: Layout) -> None:
    found = layout(
        ["nn/sub-1/sub-1_dseg.nii", "fs/sub-1/sub-1_desc-a_dseg.nii", "fs/sub-2/sub-2_desc-a_dseg.nii"],
        [f"sub-{number}/anat/sub-{number}_dseg.nii" for number in (1, 2)],
    )
    assert predictions(found) == {"sub-1/anat/sub-1_dseg": "nn/sub-1/sub-1_dseg.nii", "sub-2/anat/sub-2_dseg": None}
    assert found.cases[1].near == (str(Path("p", "fs", "sub-2", "sub-2_desc-a_dseg.nii")),)
    assert found.remarks[0] == "1 case paired by BIDS entities, with predictions from nn"


@pytest.mark.parametrize(
    "files",
    [
        ["fs/sub-1_dseg.nii", "nn/sub-2_dseg.nii"],
        ["sub-1_desc-a_dseg.nii", "sub-2_desc-b_dseg.nii"],
        ["sub-1_space-a_dseg.nii", "sub-2_space-b_dseg.nii"],
        ["fs/sub-1_dseg.nii", "fs/sub-2_dseg.nii", "nn/sub-2_dseg.nii"],
    ],
)
def test_bids_pipelines_are_not_mixed(layout: Layout, files: list[str]) -> None:
    found = layout(files, [f"sub-{number}/anat/sub-{number}_dseg.nii" for number in (1, 2, 3)])
    told = problems(found)
    assert list(told) == ["sub-1/anat/sub-1_dseg", "sub-2/anat/sub-2_dseg"]
    assert all("two pipelines have predictions" in problem for problem in told.values())
    assert all(str(Path("p", file)) in " ".join(told.values()) for file in files)
    assert (found.strays, found.remarks) == ((), ())


def test_bids_takes_what_says_the_same_first(layout: Layout) -> None:
    found = layout(
        ["sub-1_desc-a_dseg.nii", "sub-1_desc-b_dseg.nii"],
        ["sub-1_desc-a_dseg.nii", "sub-1_desc-b_dseg.nii", "sub-1_desc-c_dseg.nii"],
    )
    assert predictions(found) == {
        "sub-1_desc-a_dseg": "sub-1_desc-a_dseg.nii",
        "sub-1_desc-b_dseg": "sub-1_desc-b_dseg.nii",
        "sub-1_desc-c_dseg": None,
    }


def test_bids_takes_the_same_folder_of_several(layout: Layout) -> None:
    found = layout(["a/sub-1_dseg.nii", "b/sub-1_dseg.nii"], ["b/sub-1_dseg.nii.gz"])
    assert predictions(found) == {"b/sub-1_dseg": "b/sub-1_dseg.nii"}
    assert found.strays == (str(Path("p", "a", "sub-1_dseg.nii")),)


def test_bids_candidates_that_nothing_tells_apart_are_a_problem(layout: Layout) -> None:
    found = layout(["a/sub-1_desc-x_dseg.nii", "a/sub-1_desc-y_dseg.nii"], ["sub-1_dseg.nii"])
    problem = problems(found)["sub-1_dseg"]
    assert "two pipelines have predictions" in problem
    assert all(name in problem for name in ("sub-1_desc-x", "sub-1_desc-y"))
    assert found.strays == ()


def test_bids_references_may_not_share_a_prediction(layout: Layout) -> None:
    found = layout(["sub-1_dseg.nii"], ["sub-1_space-A_dseg.nii", "sub-1_space-B_dseg.nii"])
    assert len(problems(found)) == 2
    for problem in problems(found).values():
        assert problem.startswith("two references fit the same prediction")
        assert all(name in problem for name in ("space-A", "space-B"))
    assert found.strays == ()


@pytest.mark.parametrize(("prediction", "reference"), [("sub-1", "sub-1_dseg"), ("sub-1_dseg", "sub-1")])
def test_bids_on_one_side_pairs_by_name(layout: Layout, prediction: str, reference: str) -> None:
    found = layout([f"{prediction}.nii", "sub-2.nii"], [f"{reference}.nii"])
    assert predictions(found) == {reference: f"{prediction}.nii"}


def class_folders(folder: Path, cases: Iterable[str], classes: Iterable[str], *, label: int = 1) -> Path:
    for case in cases:
        (folder / case).mkdir(parents=True)
        for number, name in enumerate(classes):
            save(folder / case / f"{name}.nii.gz", box((4, 4, 4), at=0, size=2, label=label + number * (label > 1)))
    return folder


def test_a_folder_with_a_file_for_each_class_is_a_case(layout: Layout, tmp_path: Path) -> None:
    class_folders(tmp_path / "r", ["s1", "s2"], ["liver", "rib_1"])
    class_folders(tmp_path / "p", ["s2"], ["liver", "rib_1"])
    found = layout(["s1.nii.gz"], [])
    assert pairs(found) == {"s1": ("p/s1.nii.gz", "r/s1"), "s2": ("p/s2", "r/s2")}
    assert found.remarks == (
        "2 cases are folders with a file for each class; if every file is a case: --pattern '{case}.nii.gz'",
    )
    assert sorted(pairs(pair_folders("p", "r", reference_pattern="{case}.nii.gz"))) == [
        f"{case}/{name}" for case in ("s1", "s2") for name in ("liver", "rib_1")
    ]


def test_one_folder_is_a_case_where_the_predictions_have_it_too(layout: Layout, tmp_path: Path) -> None:
    class_folders(tmp_path / "r", ["s1"], ["liver", "spleen"])
    assert list(pairs(layout([], []))) == ["s1/liver", "s1/spleen"]
    class_folders(tmp_path / "p", ["s1"], ["liver", "spleen"])
    assert pairs(layout([], [])) == {"s1": ("p/s1", "r/s1")}


@pytest.mark.parametrize(
    "classes", [("1", "2"), ("slice_01", "slice_02")], ids=["names that are numbers", "names that number a series"]
)
def test_a_series_is_no_set_of_classes(layout: Layout, tmp_path: Path, classes: tuple[str, ...]) -> None:
    class_folders(tmp_path / "r", ["s1", "s2"], classes)
    assert list(pairs(layout([], []))) == [f"{case}/{name}" for case in ("s1", "s2") for name in classes]


def test_maps_of_many_labels_are_no_classes(layout: Layout, tmp_path: Path) -> None:
    for case in ("s1", "s2"):
        (tmp_path / "r" / case).mkdir(parents=True)
        for name in ("first", "second"):
            labels = box((4, 4, 4), at=0, size=2)
            labels[3, 3, 3] = 2
            assert np.unique(read_label_map(save(tmp_path / "r" / case / f"{name}.nii.gz", labels)).labels).size == 3
    assert len(layout([], []).cases) == 4


def test_folders_of_other_names_are_no_classes(layout: Layout) -> None:
    assert list(pairs(layout([], ["x/a.png", "x/b.png", "y/c.png", "y/d.png"]))) == ["x/a", "x/b", "y/c", "y/d"]


def test_folders_whose_files_cannot_be_read_are_cases_still(layout: Layout) -> None:
    files = [f"{case}/{name}.nii.gz" for case in ("s1", "s2") for name in ("liver", "spleen")]
    assert list(pairs(layout(files, files))) == ["s1", "s2"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder; give the folder of the references"):
        pair_folders(str(tmp_path), str(tmp_path / "nowhere"))
    file = make(tmp_path, ["a.png"]) / "a.png"
    with pytest.raises(InputError, match=r"a\.png: expected a folder, found a file"):
        pair_folders(str(file), str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    closed = make(tmp_path / "r" / "closed", [])
    closed.chmod(0)
    with pytest.raises(InputError, match="closed: the folder cannot be read: permission denied"):
        pair_folders(str(make(tmp_path / "p", [])), str(tmp_path / "r"))


def test_a_folder_is_not_compared_with_itself(tmp_path: Path) -> None:
    folder = make(tmp_path / "both", ["a_pred.png", "a.png"])
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UsageError, match="predictions and references are the same folder"):
        pair_folders(str(folder), str(tmp_path / "link"))
    with pytest.raises(UsageError, match="the same folder"):
        pair_folders(str(folder), str(folder), prediction_pattern="{case}.png", reference_pattern="{case}.png")


def test_patterns_divide_a_folder(tmp_path: Path) -> None:
    folder = str(make(tmp_path / "both", ["a_pred.png", "a.png", "b.png"]))
    found = pair_folders(folder, folder, prediction_pattern="{case}_pred.png", reference_pattern="{case}.png")
    assert [(case.name, case.prediction) for case in found.cases] == [
        ("a", str(Path(folder, "a_pred.png"))),
        ("b", None),
    ]
    with pytest.raises(UsageError, match=r"both patterns match 'a_pred\.png'"):
        pair_folders(folder, folder, prediction_pattern="{case}_pred.png", reference_pattern="*{case}_pred.png")


def test_a_folder_inside_the_other_is_left_to_its_own_side(tmp_path: Path) -> None:
    make(tmp_path / "r", ["a.png", "predictions/a.png"])
    found = pair_folders(str(tmp_path / "r" / "predictions"), str(tmp_path / "r"))
    assert [(case.name, case.prediction is None) for case in found.cases] == [("a", False)]


def test_without_references_there_is_nothing_but_a_remark(layout: Layout) -> None:
    found = layout(["a.png"], ["notes.txt"])
    assert found.cases == ()
    assert found.strays == (str(Path("p", "a.png")),)
    assert found.remarks[0].startswith("no reference found in r (known suffixes: .nii.gz, ")


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the system refuses such names")
def test_a_name_that_is_no_text_is_told(layout: Layout) -> None:
    found = layout(["c\udcffse.png", "ok.png"], ["c\udcffse.png", "ok.png", "c\\xffse.nii"])
    assert predictions(found) == {"ok": "ok.png"}
    problem = problems(found)["c\\xffse"]
    assert problem.startswith("the file name is not valid UTF-8 and cannot be written to result files; rename the file")
    assert "two references for one case" in problem
    assert found.strays == (str(Path("p", "c\\xffse.png")),)


@pytest.mark.skipif(sys.platform == "win32", reason="the system refuses such names")
@pytest.mark.parametrize("name", ["a b", "é", "a\nb", "\x1b[31m", "x" * 200, "{case}", "a*?", "=1+1", "-m", "a::b"])
def test_odd_names_pair(layout: Layout, name: str) -> None:
    assert predictions(layout([f"{name}.png"], [f"{name}.png", f"{name}2.png"])) == {
        name: f"{name}.png",
        f"{name}2": None,
    }
    assert all(text.isprintable() for text in layout([f"{name}.tif"], []).cases[0].problem or "" for text in text)


@pytest.mark.slow
def test_a_tree_of_many_files(tmp_path: Path) -> None:
    names = [f"case_{number}" for number in range(100)]
    for side, ending, count in (("r", "", 100), ("p", "_pred", 90)):
        pool = make(tmp_path / f"pool_{side}", [f"{name}{ending}.png" for name in names])
        folder = make(tmp_path / side, [])
        for number in range(count):
            (folder / f"site_{number}").symlink_to(pool)
    found = pair_folders(str(tmp_path / "p"), str(tmp_path / "r"))
    assert Counter(case.prediction is None for case in found.cases) == {False: 9_000, True: 1_000}
    assert found.remarks == ("9000 predictions end in _pred; the case names do not include it",)
    assert found.strays == ()


STEMS = st.sampled_from(["a", "b", "a_gt", "b_gt", "a_pred", "a_0000", "x_gtFine_color", "x_gtFine_labelIds"])
BIDS = st.sampled_from(["sub-1_dseg", "sub-1_desc-a_dseg", "sub-1_desc-b_dseg", "sub-1_space-a_dseg", "sub-2_dseg"])
FOLDERS = st.sampled_from(["", "", "u/", "v/"])
FILES = st.one_of(
    [
        st.sets(st.builds("{}{}{}".format, FOLDERS, stems, st.sampled_from([".nii.gz", ".png"])), max_size=8)
        for stems in (STEMS, BIDS, STEMS | BIDS)
    ]
)


@given(predicted=FILES, references=FILES)
def test_every_file_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, predicted: set[str], references: set[str]
) -> None:
    top = tmp_path_factory.mktemp("names")
    p, r = make(top / "p", predicted), make(top / "r", references)
    found = pair_folders(str(p), str(r))
    told = " ".join(case.problem or "" for case in found.cases)
    passed = any("ignored" in remark for remark in found.remarks)

    held = Counter(case.reference for case in found.cases)
    for name in references:
        path = r / name
        times = held[str(path)] + (path.parent != r and held[str(path.parent)])
        assert times == 1 or (times == 0 and (shown(path) in told or (passed and passed_over(name, references))))

    used = Counter(case.prediction for case in found.cases if case.prediction is not None)
    assert all(count == 1 for count in used.values())
    assert not set(found.strays) & set(used)
    for name in predicted:
        path = p / name
        places = [str(path), str(path.parent)] if path.parent != p else [str(path)]
        accounted = any(place in used or place in found.strays for place in places)
        assert accounted or shown(path) in told or (passed and passed_over(name, predicted))
    assert len({case.name for case in found.cases}) == len(found.cases)


def passed_over(name: str, names: set[str]) -> bool:
    """What a remark may speak of: no BIDS segmentation among some, or another rendering of a scene."""
    return "_gtFine_color" in name or ("_dseg" not in name and any("_dseg" in other for other in names))


@needs(STREET)
def test_street_scenes_pair_with_their_polygons() -> None:
    found = pair_folders(str(STREET / "pred_png"), str(STREET / "gt_cityscapes_json"))
    assert [Path(case.prediction or "").stem for case in found.cases] == [case.name for case in found.cases]
    assert [case.problem for case in found.cases] == [None] * 6
    assert found.strays == ()
    assert found.remarks == ("6 references end in _gtFine_polygons; the case names do not include it",)


def table(folder: Path, text: str | bytes, *, name: str = "pairs.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "separator"), [("pairs.csv", ","), ("pairs.csv", ";"), ("pairs.tsv", "\t"), ("pairs.txt", "\t")]
)
def test_a_table_names_pairs(tmp_path: Path, name: str, separator: str) -> None:
    make(tmp_path, ["p/1.png", "r/1.png", "r/2.png"])
    rows = [
        ["Reference", " PREDICTION", "Case", "age"],
        ["r/2.png", "", "two", "61"],
        [],
        ["r/1.png", "p/1.png", "one"],
    ]
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    found = read_pairs(table(tmp_path, text, name=name))
    assert found.cases == (
        Case(name="one", prediction=str(tmp_path / "p" / "1.png"), reference=str(tmp_path / "r" / "1.png")),
        Case(name="two", prediction=None, reference=str(tmp_path / "r" / "2.png")),
    )
    assert (found.strays, found.remarks) == ((), ())


def test_a_table_without_a_case_column_names_cases_by_file(tmp_path: Path) -> None:
    make(tmp_path, ["p.png", "r/a_1.nii.gz", "r/a_2.nii.gz", "q/a_1.nii.gz"])
    found = read_pairs(table(tmp_path, "prediction,reference\np.png,r/a_2.nii.gz\np.png,r/a_1.nii.gz\n"))
    assert [case.name for case in found.cases] == ["a_1", "a_2"]
    found = read_pairs(table(tmp_path, "prediction,reference\np.png,r/a_1.nii.gz\np.png,q/a_1.nii.gz\n"))
    assert [case.name for case in found.cases] == ["q/a_1", "r/a_1"]


def test_images_in_a_file_of_polygons_are_references(tmp_path: Path) -> None:
    make(tmp_path, ["p.png", "all.json"])
    case = only(read_pairs(table(tmp_path, "prediction,reference\np.png,all.json::val/7.jpg\n")))
    assert (case.name, case.problem) == ("7", None)


def test_absolute_paths_stay(tmp_path: Path) -> None:
    there = make(tmp_path / "there", ["p.png", "r.png"])
    p, r = str(there / "p.png"), str(there / "r.png")
    case = only(read_pairs(table(make(tmp_path / "here", []), f"prediction,reference\n{p},{r}\n")))
    assert (case.prediction, case.reference, case.problem) == (p, r, None)


def test_a_file_is_not_compared_with_itself(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "all.json"]).joinpath("link.png").symlink_to("a.png")
    rows = ["a.png,a.png", "./b.png,b.png", "link.png,a.png", "all.json::1.jpg,all.json::2.jpg"]
    text = "case,prediction,reference\n" + "\n".join(f"{place},{row}" for place, row in enumerate(rows))
    found = problems(read_pairs(table(tmp_path, text)))
    assert found == dict.fromkeys("012", "prediction and reference are the same file")


def test_a_prediction_of_several_cases_is_told(tmp_path: Path) -> None:
    make(tmp_path, ["p.png", "q.png", *(f"r{number}.png" for number in range(4))])
    rows = ["p.png,r0.png", "./p.png,r1.png", "q.png,r2.png", ",r3.png"]
    found = read_pairs(table(tmp_path, "prediction,reference\n" + "\n".join(rows)))
    assert problems(found) == {}
    assert found.remarks == (f"two cases have the same prediction {shown(tmp_path / 'p.png')}: r0 and r1",)
    names = [f"{place}.png,r{case}.png" for place in range(9) for case in range(2)]
    make(tmp_path, [f"{place}.png" for place in range(9)])
    text = "case,prediction,reference\n" + "\n".join(f"{case},{name}" for case, name in enumerate(names))
    remarks = read_pairs(table(tmp_path, text)).remarks
    assert (len(remarks), remarks[-1]) == (6, "4 more predictions belong to several cases")


def test_rows_of_one_case_are_one_problem(tmp_path: Path) -> None:
    make(tmp_path, ["p.png", "1.png", "2.png"])
    case = only(read_pairs(table(tmp_path, "case,prediction,reference\na,p.png,1.png\na,p.png,2.png\n")))
    assert (case.problem or "").startswith("two rows for one case, in lines 2 and 3: ")
    assert all(shown(tmp_path / name) in (case.problem or "") for name in ("1.png", "2.png"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    make(tmp_path, ["p/case_01.png", "p/case_2.png", "r/1.png"])
    text = "prediction,reference\np/case_1.png,r/1.png\np/case_2.png,r/2.png\nnowhere/x.png,r/1.png\n"
    missing, gone = read_pairs(table(tmp_path, text.rpartition("nowhere")[0])).cases
    assert (missing.prediction, missing.problem) == (None, None)
    assert missing.near == (str(tmp_path / "p" / "case_01.png"),)
    assert gone.prediction == str(tmp_path / "p" / "case_2.png")
    assert gone.problem == f"the reference does not exist: {shown(tmp_path / 'r' / '2.png')}"
    assert only(read_pairs(table(tmp_path, "prediction,reference\nnowhere/x.png,r/1.png\n"))).near == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "no column prediction; no column reference"),
        ("case,reference\n1,2\n", "no column prediction"),
        ("\n\n", "no column prediction; no column reference"),
        ("prediction,reference,Reference\n", "two columns reference"),
        (
            "prediction,reference\na,\nb,b\nc\nd,e,f\n",
            "no reference in lines 2 and 4; more cells than the header in line 5",
        ),
        ('prediction,reference\n"a,b\n', "line 2 is not valid CSV"),
        ("prediction,reference\n".encode("utf-16"), "expected UTF-8 text, found UTF-16"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_of_at_once(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_pairs(table(tmp_path, text))


def test_a_table_without_rows_has_no_case(tmp_path: Path) -> None:
    found = read_pairs(table(tmp_path, "prediction,reference\n"))
    assert found.cases == ()
    assert found.remarks[0].endswith("it has a header but no rows")


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_pairs(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="expected a regular file, found a folder"):
        read_pairs(str(tmp_path))


def test_cells_that_are_no_text_are_told(tmp_path: Path) -> None:
    case = only(read_pairs(table(tmp_path, b"case,prediction,reference\nc\xff,p.png,r\xff.png\n")))
    assert case.name == "c\\xff"
    assert "not valid UTF-8" in (case.problem or "")


HEAD = b"prediction,reference\n"


@given(data=st.binary(max_size=80), head=st.sampled_from([b"", HEAD, b"case;prediction;reference\n"]))
def test_no_bytes_are_a_defect(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = table(tmp_path_factory.mktemp("bytes"), head + data)
    try:
        found = read_pairs(path)
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        for case in found.cases:
            case.name.encode()


@pytest.mark.parametrize(
    "cell", [b"x" * 5000, b"x" * 200_000, b"\0", b"9" * 6000, b"a/" * 3000, b"/", b"::", b".json::"]
)
def test_cells_that_no_file_can_have(tmp_path: Path, cell: bytes) -> None:
    path = table(tmp_path, HEAD + cell + b"," + cell + b"\n")
    try:
        found = read_pairs(path)
    except InputError as error:
        assert "is not valid CSV" in str(error)  # noqa: PT017
    else:
        assert len(found.cases) == 1
