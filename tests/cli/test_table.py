"""`segeval table` and `segeval plot` from the command line."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from segeval.cli.table import factors_in
from segeval.errors import UsageError
from tests.command import call
from tests.paper import SHAPE, of_values, paper, record, results_of, save, save_metadata, score

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with results.json and cases.csv."""
    results, metadata = paper()
    save(tmp_path, results)
    save_metadata(tmp_path, metadata)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_of_the_paper(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["table", "results.json", *SHAPE, "--metadata", "cases.csv"]
    answer = call(capsys, *words, "-o", "a.md", "-o", "b.tex", "-o", "c.csv")
    assert (answer.code, answer.err) == (0, "")
    for kind, name in (("markdown", "a.md"), ("latex", "b.tex"), ("csv", "c.csv")):
        other = call(capsys, *words, "-f", kind)
        assert other.out == (folder / name).read_text("utf-8")
        assert ("undefined: " in other.err) == (kind == "csv")
    assert call(capsys, *words, "-f", "csv", "-q").err == ""


def test_several_methods_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder, of_values(a=0.5, b=0.7), name="unet.json")
    save(folder, of_values(a=0.6, b=0.9), name="vnet.json")
    answer = call(
        capsys, "table", "unet.json", "vnet.json", "--rows", "name", "--columns", "file", "--cell", "{mean:.3f}"
    )
    assert answer.code == 0
    assert answer.out.splitlines()[2:4] == ["name     unet    vnet", "lesion  0.600   0.750*"]


def test_factors_of_results_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.csv").write_text("case,site\na,north\nb,south\n")
    lines = ["file,network,loss"]
    for network, loss, scores in (("unet", "gdl", (0.5, 0.7)), ("unet", "wce", (0.1, 0.2)), ("vnet", "gdl", (0.8, 1))):
        save(tmp_path, of_values(a=scores[0], b=scores[1]), name=f"{network}-{loss}.json")
        lines.append(f"{network}-{loss}{'.json' if network == 'unet' else ''},{network},{loss}")
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    files = sorted(path.name for path in tmp_path.glob("*.json"))
    words = ["table", *files, "--rows", "site", "--columns", "loss,network", "--metadata", "runs.csv", "-f", "csv"]
    words += ["--cell", "{mean:.1f}"]
    answer = call(capsys, *words, "--metadata", "cases.csv", "-q")
    assert (answer.code, answer.err) == (0, "")
    assert list(csv.reader(io.StringIO(answer.out))) == [
        ["site", "gdl / unet", "gdl / vnet", "wce / unet"],
        ["north", "0.5", "0.8", "0.1"],
        ["south", "0.7", "1.0", "0.2"],
    ]
    answer = call(capsys, *words)
    assert answer.cause.startswith("error: runs.csv: no column 'site'; the columns are file, network and loss")
    answer = call(capsys, *words, "--metadata", "runs.csv")
    assert answer.cause == "error: runs.csv: two tables have the column 'file'; put them into one table"


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        (
            "file,site\nb.json,north\n",
            "a/r.json: the metadata need one row for this results file, found only b.j",
        ),
        (
            "file,site\nr,north\nr.json,south\n",
            "the metadata need one row for this results file, found r.json and",
        ),
        (
            "file,site\nr,north\n",
            "'r' in the metadata can mean this results file or b/r.json; write the paths into the metadata",
        ),
        (
            "file,site\nr,north\nr,south\n",
            "runs.csv: the file 'r' is in line 2 and in line 3; keep one row for each file",
        ),
        (
            "case,file,site\na,r,north\n",
            "runs.csv: expected a column case, or a column file for results files, found b",
        ),
        (
            "network,site\na,north\n",
            "runs.csv: expected a column case, or a column file for results files, found neither",
        ),
    ],
)
def test_metadata_of_files_that_cannot_be_used(
    table: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder, of_values(a=0.5), name="r.json")
    (tmp_path / "runs.csv").write_text(table)
    answer = call(capsys, "table", "a/r.json", "b/r.json", "--rows", "site", "--metadata", "runs.csv")
    assert answer.code in (2, 3)
    assert cause in answer.cause


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--cell", "{med}"], "--cell has no field 'med'; the fields are median, iqr"),
        (["--rows", "netwrk"], "cases.csv: no column 'netwrk' (did you mean network?); the columns are case,"),
        (["--rows", "patch,,"], "--rows needs factors, found 'patch,,'; write a comma list, such as name,metric"),
        (["--rows", "patch,patch"], "the factor patch is given twice"),
        (["-m", "dcie"], "segeval has no metric 'dcie'; did you mean dice?"),
        (["-m", "hd"], "results.json: no scores of hd; the file has dice"),
        (["--label", "liver"], "no scores of the label 'liver'; the labels are lesion"),
        (["-o", "a.html"], "a.html: unknown output format '.html'; use .csv, .md or .tex"),
        (["-o", "cases.csv"], "cases.csv: this is an input of the run and must not be overwritten"),
        (["-o", "a.md", "-o", "./a.md"], "./a.md: two outputs would be written to this file"),
    ],
)
def test_usage(words: list[str], cause: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    answer = call(capsys, "table", "results.json", "--rows", "patch", "--metadata", "cases.csv", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause.startswith(f"error: {cause}")
    assert sorted(folder.iterdir()) == before


def test_files_that_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "no.json").write_text("{")
    for words, code in (
        (["no.json"], 3), (["none.json"], 3), (["results.json", "results.json"], 2),
        (["results.json", "--metadata", "none.csv"], 3),
    ):  # fmt: skip
        rows = "patch" if "--metadata" in words else "file"
        assert call(capsys, "table", *words, "--rows", rows).code == code


def test_a_case_without_metadata_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "table", "results.json", "--rows", "loss", "--metadata", "cases.csv")
    assert "not in the table: 1 case without metadata, stray\n" in answer.out


def test_names_with_commas() -> None:
    assert factors_in("--rows", 'a, "b, c" ,d') == ["a", "b, c", "d"]
    with pytest.raises(UsageError, match="--rows needs factors, found ''"):
        factors_in("--rows", "")


def test_hostile_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["[red]a[/red]", "=1+1", "x\x1b[31m\ny", "肝臓 🫀", "$\\x$"]
    scores = [score("a", 0.5, label=place + 1, name=name) for place, name in enumerate(names)]
    save(folder, results_of([record("a")], scores), name="=h[0].json")
    for kind in ("table", "markdown", "latex", "csv"):
        answer = call(capsys, "table", "=h[0].json", "--rows", "name,file", "-f", kind)
        assert answer.code == 0
        assert "\x1b" not in answer.out + answer.err


@pytest.mark.slow
def test_the_isolines_of_the_paper(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plot", "heatmap", "results.json", "--x", "learning_rate", "--y", "patch", "-m", "dice"]
    words += ["--metadata", "cases.csv"]
    for name in ("a.svg", "a.pdf", "a.png"):
        answer = call(capsys, *words, "-o", name, "--facet", "network", "--width", "double")
        assert (answer.code, answer.err) == (0, "")
        assert (folder / name).stat().st_size > 5000
    assert "not in the table: 1 case without metadata, stray\n" in answer.out
    assert [line.split()[0] for line in answer.out.splitlines()[3:7]] == ["patch", "28", "56", "112"]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["-o", "a.jpg"], "a.jpg: unknown figure format '.jpg'; use .svg"),
        (["-o", "results.json.svg/a.svg"], "results.json.svg/a.svg: cannot be written: the folder"),
        (["-o", "a.svg", "--x", "network"], "--x needs a factor with numeric levels, but network has "),
        (["-o", "a.svg", "-m", "dice,hd"], "--metric needs a single metric to draw"),
        (["-o", "a.svg", "--facet", "patch"], "the factor patch is given twice"),
    ],
)
def test_usage_of_plot(words: list[str], cause: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ["plot", "heatmap", "results.json", "--x", "learning_rate", "--y", "patch", "-m", "dice"]
    answer = call(capsys, *first, "--metadata", "cases.csv", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.cause.startswith(f"error: {cause}")
    assert not list(folder.glob("*.svg"))


def test_an_unknown_kind_of_plot(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "plot", "pie", "r.json", "-m", "dice", "-o", "f.svg")
    assert answer.code == 2
    assert "No such command 'pie'" in answer.cause
