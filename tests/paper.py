"""Results in the shape of tables 2 and 3 of Sudre et al. 2017: what two networks with four losses might have given.

There are four losses, three patch sizes and three learning rates; every seventh value is undefined, some cases were not
scored, and one is not in the metadata.
"""

from __future__ import annotations

import csv
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from segeval.reports.json_files import to_json
from segeval.results.columns import Scores
from segeval.results.results import Results
from segeval.results.rows import CaseRecord, Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

NETWORKS, LOSSES = ("unet", "toynet"), ("wce", "dl2", "ss", "gdl")
PATCHES, RATES = ("28", "56", "112"), ("0.01", "0.0001", "0.001")
FACTORS = ("network", "loss", "patch", "learning_rate")
SHAPE = ["--rows", "patch,learning_rate", "--columns", "network,loss", "--metric", "dice"]
SIGNATURE = "segeval 0.1.0 | 3-D, mm | surface voxel, 6-neighbour"


def record(case: str, *, status: str = "scored") -> CaseRecord:
    """A case without anything else."""
    return CaseRecord(
        case=case, status=status, prediction=None, reference=f"{case}.nii",  # type: ignore[arg-type]
        message=None if status == "scored" else "it is cut short",
        exit_code=0 if status == "scored" else 3,
    )  # fmt: skip


def score(
    case: str,
    value: float | None,
    *,
    label: int | str = 1,
    name: str | None = "lesion",
    metric: str = "dice",
    unit: str | None = None,
) -> Score:
    """One number."""
    note = "undefined: R is empty" if value is None else None
    return Score(case=case, label=label, name=name, metric=metric, value=value, unit=unit, note=note)


def results_of(
    cases: Iterable[CaseRecord],
    scores: Iterable[Score],
    *,
    metrics: Sequence[str] = ("dice",),
    signature: str = SIGNATURE,
) -> Results:
    """Results of those."""
    return Results(
        version="0.1.0",
        signature=signature,
        settings={"metrics": list(metrics)},
        metrics=tuple(metrics),
        cases=tuple(cases),
        scores=Scores(scores),
    )


def of_values(**values: float | None) -> Results:
    """One value for each case, called so."""
    return results_of([record(case) for case in values], [score(case, value) for case, value in values.items()])


def paper(*, per_cell: int = 9) -> tuple[Results, dict[str, dict[str, str]]]:
    """The results, and case -> factor -> level."""
    random = np.random.default_rng(2017)
    cases, scores, metadata = [], [], {}
    for network, loss, patch, rate in product(NETWORKS, LOSSES, PATCHES, RATES):
        middle = 0.55 + 0.05 * LOSSES.index(loss) + 0.04 * PATCHES.index(patch)
        middle += 0.05 * (np.log10(float(rate)) + 3) * (1 if network == "unet" else -1)
        for number in range(per_cell):
            case = f"{network}/{loss}/{patch}/{rate}/{number}"
            metadata[case] = dict(zip(FACTORS, (network, loss, patch, rate), strict=True))
            failed = (loss, patch, rate, number) == ("ss", "28", "0.01", 0)
            cases.append(record(case, status="failed" if failed else "scored"))
            if not failed:
                value = float(np.clip(middle + 0.12 * random.standard_normal(), 0, 1))
                scores.append(score(case, None if len(cases) % 7 == 0 else value))
    cases.append(record("stray"))
    scores.append(score("stray", 0.5))
    return results_of(cases, scores), metadata


def save(folder: Path, results: Results, *, name: str = "results.json") -> Path:
    """Write results to a file."""
    path = folder / name
    path.write_text("".join(to_json(results)), "utf-8")
    return path


def save_metadata(folder: Path, metadata: dict[str, dict[str, str]]) -> Path:
    """Write metadata to a file."""
    path = folder / "cases.csv"
    columns = list(dict.fromkeys(column for levels in metadata.values() for column in levels))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", *columns])
        writer.writerows([case, *(levels[column] for column in columns)] for case, levels in metadata.items())
    return path
