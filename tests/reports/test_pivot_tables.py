"""The table of `segeval table` in every format.

``SEGEVAL_UPDATE_GOLDEN=1 pytest tests/reports/test_pivot_tables.py`` writes the golden files anew; they are read in
the diff.
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import pytest

from segeval.analysis.pivot import Pivot, pivot
from segeval.errors import UsageError
from segeval.reports.notation import Alphabet
from segeval.reports.pivot_cells import BEST, DEFAULT_CELL, read_template
from segeval.reports.pivot_files import latex_escaped, pivot_csv, pivot_latex, pivot_markdown
from segeval.reports.pivot_tables import board_of, print_pivot
from segeval.reports.terminal import Printer
from tests.paper import FACTORS, of_values, paper, record, results_of, score

GOLDEN = Path(__file__).parent / "golden"
TEMPLATE = read_template(DEFAULT_CELL)
HOSTILE = ("[red]x[/red]", "=1+1", "a|b *c* <i>_d_</i>", "肝臓 🫀", "50% & $x$ #1 \\input{y} ~^", "two\nlines\x1b[31m")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def of_paper() -> Pivot:
    results, metadata = paper()
    return pivot({"r.json": results}, rows=FACTORS[2:], columns=FACTORS[:2], metadata=metadata)


def printed(found: Pivot, *, best: str = "row", color: bool = False, width: int | None = None) -> str:
    stream = io.StringIO()
    print_pivot(found, TEMPLATE, Printer(stream, color=color, width=width), best=best)
    return stream.getvalue()


def hostile() -> Pivot:
    """Levels that a careless report would execute, render or cut; also a lower-is-better metric, and a missing cell."""
    cases = [record(name) for name in HOSTILE]
    scores = [score(name, 0.5 - place, metric="hd@95", unit="mm") for place, name in enumerate(HOSTILE)]
    metadata = {name: {"site[0]": name, "=arm": HOSTILE[place % 2], "top": "t_1"} for place, name in enumerate(HOSTILE)}
    results = results_of(cases, scores, metrics=("hd@95",))
    return pivot({"r.json": results}, rows=["site[0]"], columns=["top", "=arm"], metadata=metadata)


RENDERED = {
    "pivot.md": lambda: "".join(pivot_markdown(of_paper(), TEMPLATE)),
    "pivot.tex": lambda: "".join(pivot_latex(of_paper(), TEMPLATE)),
    "pivot.csv": lambda: "".join(pivot_csv(of_paper(), TEMPLATE)),
    "pivot.txt": lambda: printed(of_paper(), width=80),
    "pivot_hostile.md": lambda: "".join(pivot_markdown(hostile(), TEMPLATE, best="column")),
    "pivot_hostile.tex": lambda: "".join(pivot_latex(hostile(), TEMPLATE, best="column")),
    "pivot_hostile.csv": lambda: "".join(pivot_csv(hostile(), TEMPLATE)),
    "pivot_hostile.txt": lambda: printed(hostile(), best="column"),
}


@pytest.mark.parametrize("name", RENDERED)
def test_golden(name: str) -> None:
    found = RENDERED[name]()
    golden = GOLDEN / name
    if os.environ.get("SEGEVAL_UPDATE_GOLDEN"):
        golden.write_bytes(found.encode())
    assert found == golden.read_bytes().decode()


def test_cells_are_median_and_interquartile_range() -> None:
    found = of_paper()
    board = board_of(found, TEMPLATE, Alphabet())
    for levels, row in zip(found.row_levels, board.entries, strict=True):
        for column, entry in zip(found.column_levels, row, strict=True):
            cell = found.cells[levels, column]
            assert re.fullmatch(r"0\.\d\d \(0\.\d\d\)", entry.text)
            assert entry.text == f"{cell.median:.2f} ({cell.iqr:.2f})"


@pytest.mark.parametrize("best", BEST)
def test_the_best_cells(best: str) -> None:
    """By hand: medians 0.3 and 0.5 in the first row; 0.5001, which is printed as 0.5, and 0.4 in the second."""
    values = {"a": 0.3, "b": 0.5, "c": 0.5001, "d": 0.4}
    places = {"a": ("1", "x"), "b": ("1", "y"), "c": ("2", "x"), "d": ("2", "y")}
    metadata = {case: {"row": row, "column": column} for case, (row, column) in places.items()}
    found = pivot({"r.json": of_values(**values)}, rows=["row"], columns=["column"], metadata=metadata)
    board = board_of(found, TEMPLATE, Alphabet(), best=best)
    marked = [[entry.best for entry in row] for row in board.entries]
    assert (
        marked
        == {
            "row": [[False, True], [True, False]],
            "column": [[False, True], [True, False]],
            "table": [[False, True], [True, False]],
            "none": [[False, False], [False, False]],
        }[best]
    )


def test_lower_is_better_for_a_distance_and_metrics_are_not_compared() -> None:
    values = {"dice": (0.5, 0.6), "hd": (9.0, 3.0), "volume_error": (-1.0, 2.0)}
    scores = [
        score("a", value, label=place, name=None, metric=metric)
        for metric, pair in values.items()
        for place, value in enumerate(pair)
    ]
    results = results_of([record("a")], scores, metrics=("dice", "hd", "volume_error"))
    by_row = pivot({"r.json": results}, rows=["label"], columns=["metric"])

    def marks(best: str, template: str = DEFAULT_CELL) -> list[list[bool]]:
        board = board_of(by_row, read_template(template), Alphabet(), best=best)
        return [[entry.best for entry in row] for row in board.entries]

    assert marks("column") == [[False, False, False], [True, True, False]]
    assert marks("table") == marks("column")
    assert marks("row") == [[False] * 3] * 2
    assert marks("column", "{iqr} {median}") == [[False] * 3] * 2


def test_a_terminal_has_the_best_in_bold_and_a_pipe_a_star() -> None:
    plain, bold = printed(of_paper()), printed(of_paper(), color=True)
    assert [line.rstrip() for line in ANSI.sub("", bold).splitlines()] == plain.splitlines()
    stars = re.findall(r"(0\.\d\d \(0\.\d\d\))\*", plain)
    assert len(stars) >= 9
    assert re.findall(r"\x1b\[1m(0\.\d\d \(0\.\d\d\))\*", bold) == stars


def test_a_table_at_80_columns_is_continued_below() -> None:
    lines = printed(of_paper(), width=80).splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert sum(line.startswith("patch") for line in lines) == 2


def test_missing_values_are_noted_in_every_format() -> None:
    for text in (printed(of_paper()), RENDERED["pivot.md"](), RENDERED["pivot.tex"]()):
        for words in (
            "values in a cell",
            "undefined: ",
            "R is empty",
            "not scored: 2 cases, 2 failed",
            "1 case without metadata, stray",
        ):
            assert words in text


def test_csv_is_read_back_and_runs_nothing() -> None:
    found = of_paper()
    header, *rows = csv.reader(io.StringIO(RENDERED["pivot.csv"]()))
    assert header[:4] == ["patch", "learning_rate", "toynet / dl2", "toynet / gdl"]
    assert [tuple(row[:2]) for row in rows] == list(found.row_levels)
    for row in csv.reader(io.StringIO(RENDERED["pivot_hostile.csv"]())):
        assert not any(re.match(r"[=+\-@](?![\d.]+$)", cell) for cell in row)


def test_latex_is_balanced() -> None:
    for name in ("pivot.tex", "pivot_hostile.tex"):
        text = RENDERED[name]()
        assert text.isascii() or name == "pivot_hostile.tex"
        plain = re.sub(r"\\[\\{}$&#%_]", lambda found: "\\\\" if found[0] == "\\\\" else "", text)
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
        (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
        body = plain.partition("\\toprule")[2].partition("\\bottomrule")[0]
        for line in body.splitlines():
            if line.endswith("\\\\"):
                spanned = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", line))
                assert line.count("&") + 1 + spanned == len(columns)
        for part in ("table", "tabular", "minipage"):
            assert text.count(f"\\begin{{{part}}}") == text.count(f"\\end{{{part}}}") == 1


def test_latex_heads_span_their_columns() -> None:
    text = RENDERED["pivot.tex"]()
    assert (
        " &  & \\multicolumn{4}{c}{toynet} & \\multicolumn{4}{c}{unet} \\\\\n\\cmidrule(lr){3-6} \\cmidrule(lr){7-10}\n"
        in text
    )
    assert (
        "patch & learning\\_rate & dl2 & gdl & ss & wce & dl2 & gdl & ss & wce \\\\\n\\midrule\n28 & 0.0001 & " in text
    )
    assert text.count("\\textbf{") >= 9


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 5% #1 {x} $y$", r"a\_b \& 5\% \#1 \{x\} \$y\$"),
        ("\\input{z}", r"\textbackslash{}input\{z\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("[1] *", "{[}1{]} {*}"),
        ("a---b", "a-{}-{}-b"),
        ("↑↓±", r"$\uparrow$$\downarrow$$\pm$"),
        ("x\ny", r"x\textbackslash{}ny"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert latex_escaped(text) == escaped


def test_negative_numbers_in_latex_have_a_minus() -> None:
    found = pivot({"r.json": of_values(a=-0.16, b=-0.001)}, rows=["file"], columns=["metric"])
    assert " & $-$0.08 ($-$0.16 to 0.00) \\\\" in "".join(
        pivot_latex(found, read_template("{median:.2f} ({min:.2f} to {max:.2f})"))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{med}", "--cell has no field 'med'; the fields are median, iqr, q1, q3, mean, sd, n, n_left_out, min, max"),
        ("{n_missing}", "--cell has no field 'n_missing'; use n_left_out, which counts undefined values"),
        ("{}", "--cell has no field ''; the fields are"),
        ("{0}", "--cell has no field '0'"),
        ("{median.__class__}", "--cell has no field 'median.__class__'"),
        ("{median[0]}", "--cell has no field 'median[0]'"),
        ("{median!r}", "--cell does not support conversions, found !r"),
        ("{median:{n}}", "--cell median cannot have the format '{n}'; write {median:.2f}"),
        ("{median:.2q}", "--cell median cannot have the format '.2q'"),
        ("{median:d}", "--cell median cannot have the format 'd'"),
        ("{median:999999999}", "--cell median cannot have the format '999999999'"),
        ("{n:s}", "--cell n cannot have the format 's'; write {n}"),
        ("{median", "--cell '{median': expected '}' before end of string"),
        ("nothing", "--cell needs a field in braces, found 'nothing'"),
        ("{{n}}", "--cell needs a field in braces"),
    ],
)
def test_an_invalid_template_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_template(text)
    assert message in str(caught.value)


def test_a_template_has_every_field() -> None:
    fields = "{median:.1f} {iqr:.1f} {q1:.1f} {q3:.1f} {mean:.1%} {sd} {n:03d} {n_left_out} {min:g} {max:+.2e} {{}}"
    found = pivot({"r.json": of_values(a=0.5, b=None)}, rows=["file"], columns=["metric"])
    ((entry,),) = board_of(found, read_template(fields), Alphabet(), best="none").entries
    assert entry.text == "0.5 0.0 0.5 0.5 50.0% – 001 1 0.5 +5.00e-01 {}"  # noqa: RUF001


def test_files_with_different_conventions_are_noted() -> None:
    files = {"one.json": of_values(a=0.5), "two.json": results_of([record("a")], [score("a", 0.7)], signature="other")}
    text = printed(pivot(files, rows=["file"], columns=["metric"]))
    assert "the files have different conventions:\none: segeval 0.1.0" in text
    assert text.endswith("\ntwo: other\n")


def test_a_cell_without_cases_is_a_dash_that_is_counted() -> None:
    metadata = {"a": {"x": "1", "y": "1"}, "b": {"x": "2", "y": "2"}, "c": {"x": "2", "y": "1"}}
    found = pivot({"r.json": of_values(a=0.5, b=0.5, c=None)}, rows=["x"], columns=["y"], metadata=metadata)
    text = printed(found)
    assert "– 1 cell without a case" in text  # noqa: RUF001
    assert "– 1 cell without a value" in text  # noqa: RUF001
    assert "n: 0 to 1 values in a cell" in text
