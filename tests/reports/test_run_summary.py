"""The summary of a batch: each mean with its n, no case left out silently, readable at 80 columns."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from segeval.reports.gate_table import print_gate
from segeval.reports.markdown import to_markdown
from segeval.reports.notation import Alphabet
from segeval.reports.run_summary import print_run_summary, run_summary
from segeval.reports.table import Table
from segeval.reports.terminal import text_width
from segeval.results.results import Results
from segeval.results.run_rows import Shard, Verdict
from segeval.scoring.cases import collect
from segeval.scoring.plan import plan_of
from tests.reports.test_golden import awkward, awkward_batch, many_labels, nothing_scored, printed, scored, unscored

ANSI = re.compile(r"\x1b\[[0-9;]*m")
DASH = Alphabet().dash
NUMBER = re.compile(r"(?<!\S)-?\d+\.\d+(?!\S)")


def rows_of(table: Table | None) -> list[dict[str, str]]:
    assert table is not None
    return [dict(zip((head.title for head in table.heads), row, strict=True)) for row in table.rows]


def three_of_five(**options: object) -> Results:
    """Dice 1, 1/2 and 0 for label 1; label 2 is once a false alarm; two cases were not scored."""
    plan = plan_of(metrics="dice,sensitivity,hd", **options)  # type: ignore[arg-type]
    outcomes = [
        scored("a", [[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 0]], plan, groups={"site": "X"}),
        scored("b", [[0, 1, 1, 0, 2]], [[1, 1, 0, 0, 0]], plan, groups={"site": "Y"}),
        scored("c", [[0, 0, 0, 0, 0]], [[1, 1, 0, 0, 0]], plan, groups={"site": "Y"}),
        unscored("d", "failed", "p/d.nii: it is cut short", groups={"site": "Y"}),
        unscored("e", "missing", None, groups={"site": "Z"}),
    ]
    return collect(outcomes, plan)


def test_mean_is_shown_with_its_n_and_the_cases_in_it() -> None:
    """Dice of label 1: (1 + 1/2 + 0) / 3; hd 0, 1 and the diagonal of 1 x 5 pixels of 1 mm, sqrt(1 + 25)."""
    found = run_summary(three_of_five(), Alphabet())
    assert found.headline == "5 cases: 3 scored, 2 not scored; 2 labels"
    first, second, mean, where_found = rows_of(found.summary)
    assert (first["n"], first["dice ↑"], first["sensitivity ↑"]) == ("3", "0.5000", "0.5000")
    assert first["hd ↓"] == f"{(0 + 1 + math.sqrt(26)) / 3:.2f}"
    assert (first["missed"], first["false alarms"]) == ("1", "0")
    assert (second["n"], second["dice ↑"], second["missed"], second["false alarms"]) == ("1", "0.0000", "0", "1")
    assert second["sensitivity ↑"] == DASH
    assert (mean["name"], mean["dice ↑"], mean["missed"], mean["false alarms"]) == ("mean", "0.2500", "1", "1")
    assert mean["sensitivity ↑"] == "0.5000"
    assert (where_found["name"], where_found["dice ↑"], where_found["hd ↓"]) == ("where found", "0.7500", "0.50")
    assert [remark.line for remark in found.remarks] == [
        "missed: 1 of 3 c 1",
        "false alarms: 1 of 3 b 2",
        f"{DASH} undefined in 1 case: the reference has no 2",
    ]
    assert [remark.line for remark in found.not_scored] == [
        "failed: d p/d.nii: it is cut short",
        "no prediction: e",
    ]


def test_where_found_is_there_only_if_a_label_was_missed_or_is_a_false_alarm() -> None:
    plan = plan_of(metrics="dice")
    results = collect([scored(case, [[1, 2, 2]], [[1, 1, 2]], plan) for case in "ab"], plan)
    assert [row["name"] for row in rows_of(run_summary(results, Alphabet()).summary)] == ["", "", "mean"]


def test_mean_over_another_n_than_its_row_is_marked() -> None:
    """Sensitivity is undefined if the reference is empty; the other two metrics are not."""
    plan = plan_of(metrics="dice,sensitivity,hd", labels={1: "liver"})
    both = [[1, 1, 0]]
    outcomes = [scored("a", both, both, plan), scored("b", both, both, plan), scored("c", both, [[0, 0, 0]], plan)]
    found = run_summary(collect(outcomes, plan), Alphabet())
    label, where_found = rows_of(found.summary)
    assert (label["n"], label["dice ↑"], label["sensitivity ↑"]) == ("3", "0.6667", "1.0000*")
    assert (where_found["name"], where_found["dice ↑"], where_found["hd ↓"]) == ("where found", "1.0000", "0.00")
    assert rows_of(found.tables[0])[0]["dice ↑"] == "0.8000"  # pooled: 2 * 4 / (2 * 4 + 2)
    assert found.remarks[-1].line == "* undefined in 1 case: the reference has no liver"


def test_cases_are_named_once_with_most_missed_labels_first() -> None:
    plan = plan_of(metrics="dice", labels={1: "liver", 2: "spleen"})
    both, nothing = [[1, 2, 0]], [[0, 0, 0]]
    outcomes = [
        scored("a", [[1, 0, 0]], both, plan),
        scored("b", nothing, both, plan),
        scored("c", nothing, nothing, plan),
        scored("d", both, both, plan),
    ]
    found = run_summary(collect(outcomes, plan), Alphabet())
    assert [remark.line for remark in found.remarks] == [
        "missed: 3 of 6 b all 2 labels, a spleen",
        "not in n: c no label in either map",
    ]


def test_the_class_with_most_of_the_weight_is_named_with_how_often() -> None:
    plan = plan_of(metrics="generalized_dice,mean_dice", labels={1: "liver", 2: "spleen"})
    outcomes = [scored(case, [[1, 1, 2, 0, 0]], [[1, 1, 2, 0, 0]], plan) for case in "ab"]
    outcomes.append(scored("c", [[1, 2, 2, 2, 0]], [[1, 2, 2, 2, 2]], plan))
    found = run_summary(collect(outcomes, plan), Alphabet())
    mean, generalized = found.totals
    assert mean[0] == "mean_dice"  # before the generalized one, which weighs small classes most
    assert mean[2] == "mean of 3 cases"
    share = {"spleen": 1 / (1 / 2 + 1 / 2 + 1), "liver": 1 / (1 + 1 / 4)}
    assert share["spleen"] == 0.5  # not more than half
    assert generalized[2] == "mean of 3 cases; liver has more than half of the weight in 1 case"


def test_spread_has_statistics_by_their_names_and_the_worst_case() -> None:
    found = run_summary(three_of_five(), Alphabet())
    dice, sensitivity, hd = found.spread
    assert dice.rows[0][3:] == ("0.5000", "0.5000", "█····█···█", "0.0000 c")  # sd of 1, 1/2, 0; their median
    assert dice.rows[1] == ("2", DASH, DASH, DASH, "0.0000", "█·········", "0.0000 b")
    assert hd.heads[0].title == "hd ↓ mm"
    assert hd.rows[0][-1] == f"{math.sqrt(26):.2f} c"
    assert [head.title for head in sensitivity.heads[1:]] == ["ci_low", "ci_high", "sd", "median", "0 to 1", "worst"]
    assert "intervals from 3 cases may be too narrow" in found.notes
    assert f"{DASH} for interval or sd: fewer than two values, or an infinite one" in found.notes


def test_groups_keep_what_was_not_scored() -> None:
    """Mean over labels of X: label 1 alone; of Y: (1/4 + 0) / 2; Z has none."""
    (table,) = run_summary(three_of_five(), Alphabet()).groups
    rows = {row["site"]: row for row in rows_of(table)}
    assert (rows["X"]["cases"], rows["X"]["dice ↑"]) == ("1", "(1) 1.0000")
    assert (rows["Y"]["cases"], rows["Y"]["dice ↑"], rows["Y"]["notes"]) == (
        "2/3",
        "0.1250",
        "not in n: 1 failed; 1 missed, 1 false alarm",
    )
    assert (rows["Z"]["cases"], rows["Z"]["dice ↑"], rows["Z"]["notes"]) == (
        "0/1",
        DASH,
        "not in n: 1 without prediction",
    )
    assert table.notes == ("(1) 1.0000: a mean over 1 label, not over all 2",)


def test_groups_of_a_single_label_have_its_own_n() -> None:
    (table,) = run_summary(three_of_five(only=[1]), Alphabet()).groups
    rows = {row["site"]: row for row in rows_of(table)}
    assert (rows["Y"]["n"], rows["Y"]["dice ↑"], rows["Y"]["notes"]) == (
        "2/3",
        "0.2500",
        "not in n: 1 failed; 1 missed",
    )
    assert (rows["Z"]["n"], rows["Z"]["dice ↑"]) == ("0/1", DASH)


def test_groups_without_a_mean_over_labels_have_a_row_per_region() -> None:
    (table,) = run_summary(three_of_five(regions={"R": "1", "S": "1,2"}, only=["R", "S"]), Alphabet()).groups
    rows = rows_of(table)
    assert [(row["site"], row["label"], row["n"]) for row in rows] == [
        ("X", "R", "1"), ("X", "S", "1"), ("Y", "R", "2/3"), ("Y", "S", "2/3"), ("Z", "R", "0/1"), ("Z", "S", "0/1"),
    ]  # fmt: skip
    assert rows[2]["dice ↑"] == "0.2500"


def test_intervals_have_no_warning_from_twenty_cases_on() -> None:
    plan = plan_of(metrics="dice")
    both = [[1, 1, 0]]
    results = collect([scored(f"c{n}", both, both, plan) for n in range(20)], plan)
    assert not any("narrow" in note for note in run_summary(results, Alphabet()).notes)
    rare = [
        *(scored(f"c{n}", both, both, plan) for n in range(20)),
        *(scored(f"d{n}", [[2]], [[2]], plan) for n in "ab"),
    ]
    notes = run_summary(collect(rare, plan), Alphabet()).notes
    assert "intervals from fewer than 20 cases may be too narrow" in notes


def test_mixed_units_and_infinities_have_warnings() -> None:
    plan = plan_of(metrics="hd", penalty="inf")
    outcomes = [scored("a", [[1]], [[1]], plan, unit="px"), scored("b", [[0]], [[1]], plan)]
    found = run_summary(collect(outcomes, plan), Alphabet())
    assert found.remarks[-1].line == "warning: the mean of hd mixes mm and px"
    assert "1 infinite score, which makes its mean infinite" in found.warnings
    assert rows_of(found.summary)[0]["hd ↓"] == "inf"
    assert found.summary is not None
    assert found.summary.heads[3].unit == "mm or px"


def test_mean_of_a_count_is_not_rounded_to_a_whole() -> None:
    """One voxel in two cases is half a voxel."""
    plan = plan_of(metrics="fp")
    outcomes = [scored("a", [[1, 1]], [[1, 0]], plan), scored("b", [[1, 0]], [[1, 0]], plan)]
    found = run_summary(collect(outcomes, plan), Alphabet())
    assert rows_of(found.summary)[0]["fp ↓"] == "0.5"
    assert found.spread[0].rows[0][-1] == "1 a"


def test_prediction_counted_as_empty_has_a_remark() -> None:
    results = three_of_five()
    cases = tuple(
        replace(each, message="there is no prediction") if each.case == "c" else each for each in results.cases
    )
    remarks = run_summary(replace(results, cases=cases), Alphabet()).remarks
    assert "look at: c there is no prediction" in [remark.line for remark in remarks]


def test_failures_come_before_skipped_cases() -> None:
    plan = plan_of(metrics="dice")
    outcomes = [unscored(f"s{n}", "skipped", "no prediction") for n in range(30)]
    outcomes += [unscored("m", "missing", None), unscored("f", "failed", "cut short")]
    found = run_summary(collect(outcomes, plan), Alphabet())
    assert found.headline == "32 cases: 0 scored, 2 not scored, 30 skipped"
    lines = [remark.line for remark in found.not_scored]
    assert lines[:2] == ["failed: f cut short", "no prediction: m"]
    assert lines[2:] == ["skipped: s0, s1, s2, s3, s4, s5 and 24 more"]
    assert found.failures is not None
    assert [row[0] for row in found.failures.rows[:3]] == ["f", "m", "s0"]
    assert found.failures.rows[1] == ("m", "missing", "no reason given")
    assert len(found.failures.rows) == 20
    assert found.failures.notes == ("... and 12 more (12 skipped), in the results file",)


def test_warnings_are_printed_once_with_an_example() -> None:
    results = three_of_five()
    cases = [replace(record, warnings=("odd", f"of {record.case}")) for record in results.cases]
    found = run_summary(replace(results, cases=tuple(cases), warnings=("whole",)), Alphabet())
    lines = [remark.line for remark in found.remarks if remark.title == "look at"]
    assert lines[:2] == ["look at: a and 4 more cases odd", "look at: a of a"]
    assert found.warnings[0] == "whole"
    cases = [replace(record, warnings=tuple(f"w{n}" for n in range(30))) for record in results.cases]
    many = run_summary(replace(results, cases=tuple(cases)), Alphabet()).remarks
    assert [remark.line for remark in many if remark.title == "look at"][-1] == "look at: 10 more in the results file"


def test_labels_that_occur_in_no_case_are_counted_not_shown() -> None:
    plan = plan_of(metrics="dice", labels={n: f"organ {n}" for n in range(1, 60)})
    found = run_summary(collect([scored(case, [[1]], [[1]], plan) for case in "ab"], plan), Alphabet())
    assert [row["name"] for row in rows_of(found.summary)] == ["organ 1"]
    assert found.headline == "2 cases, all scored; 1 of 59 labels"
    assert [remark.line for remark in found.remarks] == ["in neither map: 58 of 59 labels"]


def test_a_terminal_shows_the_worst_of_many_labels_and_counts_the_rest() -> None:
    text = printed(print_run_summary, many_labels(), width=80)
    assert len(text.splitlines()) <= 30
    assert "the 12 worst by dice" in text.splitlines()[0]
    rows = [line for line in text.splitlines() if re.match(r" *\d+ organ", line)]
    assert len(rows) == 12
    assert rows[0].split() == ["104", "organ_104", "2", "0.5000", "52.00"]
    assert "    92 more labels, dice from 1.0000 to 1.0000" in text
    for everything in (
        printed(print_run_summary, many_labels(), width=80, verbose=True),
        printed(print_run_summary, many_labels()),
        "".join(to_markdown(many_labels())),
    ):
        assert all(f"organ_{n}" in everything for n in range(1, 105))
    (worst,) = run_summary(many_labels(), Alphabet()).tables
    assert worst.rows[0] == ("dice ↑", "0.5000", "organ_104", "0.0000", "organ_104", "b")


def test_one_case_has_no_spread() -> None:
    plan = plan_of(metrics="dice")
    results = collect([scored("a", [[1, 2]], [[1, 2]], plan)], plan)
    found = run_summary(results, Alphabet())
    assert found.headline == "1 case, all scored; 2 labels"
    assert (found.spread, found.tables, found.notes) == ((), (), ())
    assert "<sub>" in "".join(to_markdown(results))
    assert "- prediction: p/a" in "".join(to_markdown(results))


def test_part_of_a_run_is_named_in_the_headline() -> None:
    assert run_summary(
        replace(three_of_five(), shard=Shard(part="2/3", cases=15, digest="x")), Alphabet()
    ).headline.startswith("part 2/3: 5 cases: ")


def test_nothing_to_score_and_nothing_scored_have_messages() -> None:
    plan = plan_of(metrics="dice")
    empty = collect([scored("a", [[0]], [[0]], plan), scored("b", [[0]], [[0]], plan)], plan)
    assert run_summary(empty, Alphabet()).notes == ("no label to score in any case",)
    assert "no case was scored: there are no means" in printed(print_run_summary, nothing_scored())
    assert "no case was scored: there are no means" in "".join(to_markdown(nothing_scored(1)))


@pytest.mark.parametrize("width", [45, 60, 80, 100, 120, None])
@pytest.mark.parametrize("verbose", [False, True])
def test_every_number_is_whole_at_every_width(width: int | None, verbose: bool) -> None:
    wide = printed(print_run_summary, awkward_batch(), verbose=verbose)
    text = printed(print_run_summary, awkward_batch(), width=width, verbose=verbose)
    assert set(NUMBER.findall(wide)) == set(NUMBER.findall(text))
    assert max(text_width(line) for line in text.splitlines()) <= (width or 120)


def test_log_is_plain_and_ascii_if_the_encoding_requires_it() -> None:
    text = printed(print_run_summary, awkward_batch(), encoding="ascii")
    assert "dice ^" in text
    assert "\x1b" not in printed(print_run_summary, awkward_batch())
    assert not re.search(r"[─│┃━┏…]| $", printed(print_run_summary, awkward_batch()), re.MULTILINE)
    assert "~" in printed(print_run_summary, awkward_batch(), encoding="ascii", width=80)


@pytest.mark.parametrize("width", [None, 80])
def test_styles_add_nothing_but_escape_sequences(width: int | None) -> None:
    styled = printed(print_run_summary, awkward_batch(), color=True, width=width)
    assert styled != ANSI.sub("", styled)
    assert ANSI.sub("", styled) == printed(print_run_summary, awkward_batch(), color=False, width=width)


def test_signature_is_last_in_two_lines_and_can_be_left_out() -> None:
    results = awkward_batch()
    text = printed(print_run_summary, results)
    signature = text[text.rindex("\n\n") + 2 :]
    assert signature.startswith("segeval ")
    assert "tolerance" not in signature  # no printed number depends on it
    assert len(signature.splitlines()) <= 2
    assert signature not in printed(print_run_summary, results, signature=False)
    whole = printed(print_run_summary, results, verbose=True)
    assert " ".join(whole[whole.rindex("\n\n") + 2 :].split()) == results.signature


def test_a_long_signature_is_cut_after_two_lines_with_a_hint_at_the_whole_one() -> None:
    results = replace(awkward_batch(), footnote="; ".join(f"statement {n}" for n in range(40)))
    text = printed(print_run_summary, results, width=80)
    signature = text[text.rindex("\n\n") + 2 :].splitlines()
    assert len(signature) == 2
    assert signature[1].endswith("... (whole signature: -v)")
    assert max(map(len, signature)) <= 80


def test_gate_names_the_worst_case_if_there_is_one() -> None:
    text = printed(print_gate, awkward_batch(), width=80)
    assert max(map(text_width, text.splitlines())) <= 80
    assert text.splitlines()[0].split() == ["dice", ">=", "0.9", "found", "worst", "case"]
    assert "worst case" not in printed(print_gate, awkward())


def test_gate_lists_labels_that_fail_and_counts_the_rest() -> None:
    verdicts = [
        Verdict(requirement=f"organ {n}:dice=0.9", value=0.8 + n / 100, passed=n >= 10, worst_case=f"case_{n}")
        for n in range(15)
    ]
    text = printed(print_gate, replace(awkward(), gate=tuple(verdicts)), width=80)
    assert text.splitlines()[1].split() == ["not", "met", "0.8000", "case_0", "organ", "0"]
    assert text.splitlines()[-1] == "  met        by 5, lowest 0.9000 organ 10"
    assert len(text.splitlines()) == 12
    met = printed(print_gate, replace(awkward(), gate=tuple(verdicts[10:])), width=80)
    assert met == "dice >= 0.9  met by 5, lowest 0.9000 organ 10\n"


def test_markdown_is_folded_and_every_row_has_its_cells() -> None:
    text = "".join(to_markdown(replace(nothing_scored(60), gate=awkward().gate)))
    assert text.index("| requirement") < text.index("| not scored")
    assert "... and 10 more (10 failed), in the results file" in text
    for block in "".join(to_markdown(awkward_batch())).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1


def test_one_case_that_failed_is_an_overview_in_markdown() -> None:
    assert "".join(to_markdown(nothing_scored(1))).startswith("**1 case: 0 scored, 1 not scored**\n\n")


def test_metrics_over_all_labels_alone_name_labels_and_no_intervals() -> None:
    plan = plan_of(metrics="generalized_dice", labels={1: "liver", 2: "spleen"})
    both = [[1, 2, 0, 0]]
    results = collect([scored("a", both, both, plan), scored("b", [[1, 0, 0, 0]], both, plan)], plan)
    text = printed(print_run_summary, results)
    assert text.startswith("2 cases, all scored; 2 labels\n")
    assert "missed  1 of 4  b spleen" in text
    assert "interval" not in text


def test_requirements_without_a_value_are_counted_after_those_that_failed() -> None:
    verdicts = [Verdict(requirement=f"organ {n}:dice>=0.9", value=None, passed=False) for n in range(30)]
    verdicts.append(Verdict(requirement="liver:dice>=0.9", value=0.5, passed=False))
    text = printed(print_gate, replace(awkward(), gate=tuple(verdicts)), width=80)
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["not", "met", "0.5000", "liver"],
        ["not", "met", "by", "30", "without", "a", "value"],
    ]


def test_labels_in_neither_map_that_count_in_a_mean_are_said() -> None:
    """Specificity is 1 for a label that neither map has."""
    plan = plan_of(metrics="dice,specificity", labels={n: f"organ {n}" for n in range(1, 5)})
    found = run_summary(collect([scored(case, [[1, 0]], [[1, 0]], plan) for case in "ab"], plan), Alphabet())
    assert [remark.line for remark in found.remarks] == [
        "in neither map: 3 of 4 labels organ 2, organ 3, organ 4; counted in the mean of specificity"
    ]
