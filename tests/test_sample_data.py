"""The sample data: drawn anew byte for byte, and scored as its README says."""

from __future__ import annotations

import gzip
import re
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import segeval
from tests.places import SAMPLES

if TYPE_CHECKING:
    from segeval.results.results import Results

SCRIPT = SAMPLES / "make_sample_data.py"
COLUMNS = ["case", "label", "name", "dice", "sensitivity", "specificity", "assd", "hd", "hd@95", "generalized_dice"]
METRICS = COLUMNS[3:]
TABLE = re.compile(r"(<!-- (\w+): begin -->\n)(.*?)(<!-- \2: end -->)", re.DOTALL)

Row = dict[str, str]


def read_rows() -> list[Row]:
    """Rows of all tables of scores in the README."""
    rows: list[Row] = []
    for _, _, table, _ in TABLE.findall((SAMPLES / "README.md").read_text(encoding="utf-8")):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n") if line]
        assert lines[0] == [*COLUMNS, "note"]
        rows += [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]
    return rows


ROWS = read_rows()
CASES = sorted({row["case"] for row in ROWS})


def score(case: str) -> Results:
    if case == "street":
        street = SAMPLES / "street"
        return segeval.score_files(
            street / "prediction.png",
            street / "reference.png",
            metrics=METRICS,
            labels=street / "labels.json",
            ignore_label=255,
        )
    name = f"{case}.nii.gz"
    return segeval.score_files(SAMPLES / "predictions" / name, SAMPLES / "references" / name, metrics=METRICS)


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the script has drawn everything once more, the tables of the README too."""
    folder = tmp_path_factory.mktemp("sample_data")
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(TABLE.sub(r"\1\4", readme), encoding="utf-8", newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), str(folder)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return folder


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")


DRAWN = [name for name in files_below(SAMPLES) if name != SCRIPT.name]


@pytest.mark.slow
def test_the_script_draws_every_file(redrawn: Path) -> None:
    assert files_below(redrawn) == DRAWN
    assert len(DRAWN) == 2 * 14 + 4 + 8 + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_the_script_draws_the_same_file(redrawn: Path, name: str) -> None:
    # Compressed bytes depend on the version of zlib; what was compressed does not.
    committed, again = SAMPLES / name, redrawn / name
    if name.endswith(".gz"):
        assert gzip.decompress(again.read_bytes()) == gzip.decompress(committed.read_bytes())
    elif name.endswith(".png"):
        with Image.open(committed) as expected, Image.open(again) as actual:
            assert actual.mode == expected.mode == ("I;16" if "probabilities" in name else "P")
            assert actual.getpalette() == expected.getpalette()
            np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))
    else:
        assert again.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")


def test_gzip_headers_hold_no_clock_and_no_name() -> None:
    for path in SAMPLES.rglob("*.gz"):
        header = path.read_bytes()[:10]
        assert header[3] == 0, f"{path.name}: optional fields"
        assert header[4:8] == bytes(4), f"{path.name}: a time"


def test_it_is_small() -> None:
    assert sum((SAMPLES / name).stat().st_size for name in files_below(SAMPLES)) < 500_000


def test_the_tables_are_complete() -> None:
    assert [*(f"case_{number:02}" for number in range(1, 15)), "street"] == CASES
    assert [row["case"] for row in ROWS if row["label"] == "all"] == CASES


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_readme(case: str) -> None:
    results = score(case)
    for row in (row for row in ROWS if row["case"] == case):
        label = "all" if row["label"] == "all" else int(row["label"])
        for metric in METRICS:
            printed = row[metric]
            if not printed:
                continue
            value = results.value(metric, label=label)
            where = f"{case}, label {label}, {metric}: {value} but {printed} in the README"
            if printed == "-":
                assert value is None, where
            elif printed == "1.000000":
                assert value == 1, where
            else:
                assert value == pytest.approx(float(printed), rel=0, abs=1e-6), where


@pytest.mark.parametrize("case", CASES)
def test_rows_and_notes_are_those_of_the_readme(case: str) -> None:
    frame = score(case).frame()
    expected = {row["label"]: row for row in ROWS if row["case"] == case}
    assert set(frame["label"].astype(str)) == set(expected)
    for label, name, metric, note in frame[["label", "name", "metric", "note"]].itertuples(index=False, name=None):
        row = expected[str(label)]
        if label != "all":
            assert name == row["name"]
        if metric in {"assd", "hd", "hd@95"}:
            assert (note if isinstance(note, str) else "") == row["note"], f"{case}, label {label}, {metric}"
