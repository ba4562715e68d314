"""Every format of one small run with awkward names, held against files that are read in the diff.

``SEGEVAL_UPDATE_GOLDEN=1 pytest tests/reports/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import ArrayLike

from segeval.diagnostics.inspection import InspectedFile, InspectedLabel
from segeval.evidence.counts import ContingencyTable
from segeval.maps.label_map import Grid, LabelMap
from segeval.metrics import METRICS
from segeval.reports.case_table import print_scores
from segeval.reports.csv_files import confusion_csv, to_csv
from segeval.reports.file_facts import print_file_facts
from segeval.reports.gate_table import print_gate
from segeval.reports.json_files import to_json, to_jsonl
from segeval.reports.markdown import metrics_table, to_markdown
from segeval.reports.metric_cards import print_card, print_metrics_table
from segeval.reports.run_summary import print_run_summary
from segeval.reports.terminal import Printer
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.results.rows import ABSENT, PREDICTION_EMPTY, REFERENCE_EMPTY, CaseRecord, Score, Status
from segeval.results.run_rows import Verdict
from segeval.scoring.case import Case, Outcome
from segeval.scoring.cases import collect, score_maps
from segeval.scoring.plan import Plan, plan_of

GOLDEN = Path(__file__).parent / "golden"
METRIC_TOKENS = ("dice", "generalized_dice", "relative_volume_error", "hd@95", "volume_error", "tp")
UNITS = {"hd@95": "mm", "volume_error": "ml", "tp": "voxels"}
NAMES = {
    1: "[red]liver[/red]",
    2: "=1+1",
    3: "a|b `c` <i>_d_</i>",
    4: "肝臓 🫀",
    5: "two\nlines\x1b[31m",
    6: "a_name_of_forty_characters_to_the_letter",
    7: None,
}
VALUES: dict[int | str, tuple[tuple[float | None, ...], str | None]] = {
    1: ((0.99996, 1.00003, 3.0, -0.166, 41823), None),
    2: ((1.0, 0.0, 0.0, 0.0, 120), None),
    3: ((0.00003, -0.00003, 0.004, 1e-07, 1), None),
    4: ((0.0, -1.0, 30.0, -12.5, 0), PREDICTION_EMPTY),
    5: ((0.0, None, 30.0, 7.25, 0), REFERENCE_EMPTY),
    6: ((None, None, None, 0.0, 0), ABSENT),
    7: ((0.1 + 0.2, -0.5, math.inf, -3.125, 0), PREDICTION_EMPTY),
    "whole": ((2 / 3, None, 12.345, 1.0, 99), None),
}


CONFUSION = ContingencyTable.from_pairs({(0, 0): 50, (0, 2): 3, (1, 0): 2, (2, 2): 7})


def awkward() -> Results:
    """One case with names that a careless report would run, render or cut, and with each kind of cell."""
    per_label = METRIC_TOKENS[:1] + METRIC_TOKENS[2:]
    scores = []
    for label, (values, note) in VALUES.items():
        for token, value in zip(per_label, values, strict=True):
            reason = "undefined: R is empty" if value is None and note is None else note
            name = NAMES.get(label) if isinstance(label, int) else None
            row = Score(
                case="-case", label=label, name=name, metric=token, value=value, unit=UNITS.get(token), note=reason
            )
            scores.append(row)
    over_all = Score(
        case="-case", label="all", name=None, metric="generalized_dice", value=0.93124, unit=None, note=None
    )
    return Results(
        version="1.2.3",
        signature="segeval 1.2.3 | 3-D, mm | penalty diagonal | regions whole=*",
        settings={"metrics": list(METRIC_TOKENS), "penalty": "diagonal", "labels": {"4": "肝臓 🫀"}},
        metrics=METRIC_TOKENS,
        cases=(
            CaseRecord(
                case="-case",
                status="scored",
                prediction="pred/[b]case[/b].nii.gz",
                reference="ref/c\udcffse.nii.gz",
                shape=(10, 20, 30),
                spacing=(2.0, 0.75, 0.75),
                unit="mm",
                warnings=("names look *odd*",),
            ),
        ),
        scores=Scores([*scores, over_all]),
        gate=(
            Verdict(requirement="[red]liver[/red]:dice=0.9", value=0.99996, passed=True),
            Verdict(requirement="肝臓 🫀:dice=0.9", value=0.0, passed=False),
            Verdict(requirement="a|b:hd@95=4", value=math.inf, passed=False),
            Verdict(requirement="2:dice.n_missed=0", value=None, passed=False),
        ),
        confusion=CONFUSION,
    )


def scored(
    case: str,
    prediction: ArrayLike,
    reference: ArrayLike,
    plan: Plan,
    *,
    unit: Literal["mm", "px"] = "mm",
    **facts: object,
) -> Outcome:
    """Score two small arrays."""
    predicted, true = (
        LabelMap(
            labels=np.array(values, np.uint8),
            grid=Grid(shape=np.shape(values), spacing=(1.0,) * np.ndim(values), unit=unit),
            source=case,
        )
        for values in (prediction, reference)
    )
    outcome = score_maps(predicted, true, plan, case=Case(name=case, prediction=f"p/{case}", reference=f"r/{case}"))
    return replace(outcome, record=replace(outcome.record, **facts))  # type: ignore[arg-type]


def unscored(case: str, status: Status, message: str | None, **facts: object) -> Outcome:
    """A case that was not scored."""
    record = CaseRecord(case=case, status=status, prediction=None, reference=f"r/{case}", message=message)
    return Outcome(record=replace(record, **facts))  # type: ignore[arg-type]


def awkward_batch() -> Results:
    """A few cases of every kind, with hostile names, groups, an infinite distance and undefined scores."""
    plan = plan_of(
        metrics="dice,sensitivity,hd,volume_error,generalized_dice",
        labels={1: "[red]liver[/red]", 2: "a|b `c` <i>_d_</i>", 3: "肝臓 🫀"},
        regions={"whole": "1,2"},
        penalty="inf",
    )
    site = "site|*x*"
    outcomes = [
        scored("case_1", [[1, 1, 2, 2, 0]], [[1, 1, 2, 2, 0]], plan, groups={site: "A"}),
        scored("[b]case[/b] 2", [[1, 0, 0, 0, 1]], [[1, 1, 2, 2, 0]], plan, groups={site: "<b>"}),
        scored("case_3", [[1, 1, 2, 0, 3]], [[1, 1, 0, 0, 3]], plan, groups={site: "A"}, warnings=("an *odd* | grid",)),
        unscored("cut\nshort\x1b[31m", "failed", "p/c\udcffse.nii: expected 352 bytes, found 100", groups={site: "A"}),
        unscored("c", "missing", "there is no prediction; is it [link=x]c_1[/link]?", groups={site: "C"}),
        unscored("d", "skipped", None, groups={site: "<b>"}),
    ]
    results = replace(collect(outcomes, plan), warnings=("a prediction without a reference: p/<x>.nii",), version="1")
    verdicts = (
        Verdict(requirement="a|b `c`:dice=0.9", value=1 / 3, passed=False, worst_case="[b]case[/b] 2"),
        Verdict(requirement="macro:dice=0.5", value=0.7, passed=True),
    )
    return replace(results, gate=verdicts, signature="segeval 1.2.3 | 2-D, mm | penalty inf")


def many_labels(labels: int = 104) -> Results:
    """Two cases with many labels of one voxel each; the second misses the last label."""
    plan = plan_of(metrics="dice,hd,generalized_dice", labels={n: f"organ_{n}" for n in range(1, labels + 1)})
    reference = np.arange(1, labels + 1)[None]
    prediction = np.where(reference == labels, 0, reference)
    outcomes = [scored("a", reference, reference, plan), scored("b", prediction, reference, plan)]
    return replace(collect(outcomes, plan), signature="segeval 1.2.3 | 2-D, mm")


def nothing_scored(cases: int = 3) -> Results:
    """Only failures."""
    plan = plan_of()
    outcomes = [unscored(f"case_{place}", "failed", "the file is cut short") for place in range(cases)]
    return replace(collect(outcomes, plan), signature="segeval 1.2.3")


def printed(
    show: Callable[..., None],
    *arguments: object,
    encoding: str = "utf-8",
    color: bool | None = None,
    width: int | None = None,
    **options: object,
) -> str:
    """Return the text that is printed on a stream of that encoding."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    show(*arguments, Printer(stream, color=color, width=width), **options)
    stream.flush()
    return raw.getvalue().decode(encoding)


def files() -> list[InspectedFile]:
    return [
        InspectedFile(
            path="ref/[b]c\udcffse.nii.gz",
            stored="NIfTI-1, gzip, uint8",
            shape=(10, 20, 30),
            spacing=(2.0, 0.75, 0.75),
            origin=(-10.5, 4.0, 0.0),
            direction=((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-0.9, 0.1, 0.0)),
            labels=(
                InspectedLabel(label=1, name="[red]liver[/red]", voxels=1200, size=1.35, size_unit="ml"),
                InspectedLabel(label=12, name=None, voxels=1, size=0.001125, size_unit="ml"),
            ),
        ),
        InspectedFile(path="picture.png", stored="PNG, 1 bit", shape=(3, 4), spacing=(1.0, 1.0), unit="px"),
        InspectedFile(path="cut.nii", problem="cut.nii: expected 352 bytes, found 100\x1b[31m"),
    ]


OUTPUTS = {
    "scores.txt": lambda: printed(print_scores, awkward()),
    "scores_80.txt": lambda: printed(print_scores, awkward(), width=80),
    "scores_60.txt": lambda: printed(print_scores, awkward(), width=60),
    "scores_ascii.txt": lambda: printed(print_scores, awkward(), encoding="ascii"),
    "scores.csv": lambda: "".join(to_csv(awkward())),
    "scores.json": lambda: "".join(to_json(awkward())),
    "scores.jsonl": lambda: "".join(to_jsonl(awkward())),
    "scores.md": lambda: "".join(to_markdown(awkward())),
    "confusion.csv": lambda: confusion_csv(CONFUSION, {1: "a,b", 2: "=1+1"}),
    "gate.txt": lambda: printed(print_gate, awkward()),
    "metrics.txt": lambda: printed(print_metrics_table, [METRICS["dice"], METRICS["hd"], METRICS["iou"]]),
    "metrics.md": lambda: metrics_table([METRICS["hd"], METRICS["iou"], METRICS["volume_similarity"]]),
    "metrics_60.txt": lambda: printed(print_metrics_table, [METRICS["dice"], METRICS["hd"]], width=60),
    "card_80.txt": lambda: printed(print_card, METRICS["hd"], width=80),
    "overview.txt": lambda: printed(print_run_summary, awkward_batch()),
    "overview_80.txt": lambda: printed(print_run_summary, awkward_batch(), width=80),
    "overview_ascii.txt": lambda: printed(print_run_summary, awkward_batch(), encoding="ascii"),
    "overview.md": lambda: "".join(to_markdown(awkward_batch())),
    "overview_gate_80.txt": lambda: printed(print_gate, awkward_batch(), width=80),
    "overview_many_80.txt": lambda: printed(print_run_summary, many_labels(), width=80),
    "overview_many.md": lambda: "".join(to_markdown(many_labels())),
    "overview_nothing_80.txt": lambda: printed(print_run_summary, nothing_scored(), width=80),
    "overview_nothing.md": lambda: "".join(to_markdown(nothing_scored())),
    "files.txt": lambda: printed(print_file_facts, files()),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_is_the_golden_file(name: str) -> None:
    found = OUTPUTS[name]().encode("utf-8")
    golden = GOLDEN / name
    if os.environ.get("SEGEVAL_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(found)
    assert found.decode("utf-8") == golden.read_bytes().decode("utf-8")
