"""Label tables in every dialect that tools write, and how bad ones are refused.

The lines are as the tools write them: nnU-Net's dataset.json, the BIDS specification's dseg.tsv, ITK-SNAP's label file,
3D Slicer's GenericAnatomyColors and CSV, FreeSurfer's ColorLUT.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import segeval
from segeval.errors import InputError
from segeval.reading import read_label_map
from segeval.reading.bids import table_of
from segeval.reading.dialects.columns import header_of
from segeval.reading.labels import parse_labels, read_label_table
from tests.command import Answer, box, call, case, save
from tests.corrupt import cut, flipped
from tests.places import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segeval.reading.tables import LabelTable

NAMES = {1: "liver", 2: "spleen", 3: "kidney_left", 4: "kidney_right", 5: "gallbladder"}

SNAP_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    IDX:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""
SLICER_TERMS = "Category_CodingScheme,Category_CodeValue,Category_CodeMeaning,Type_CodeMeaning,TypeModifier_CodeMeaning"


def rows(form: str, names: Mapping[int, str] = NAMES) -> str:
    return "".join(form.format(n=number, name=name, r=100 + number) for number, name in names.items())


def written_by_tools() -> dict[str, tuple[str, str]]:
    """Return file name and text of a table with the names of the sample data, by dialect."""
    by_name = {"background": 0, **{name: number for number, name in NAMES.items()}}
    by_number = {"0": "background", **{str(number): name for number, name in NAMES.items()}}
    columns = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A," + SLICER_TERMS
    return {
        "nnU-Net v2 dataset.json": (
            "dataset.json",
            json.dumps({"channel_names": {"0": "CT"}, "labels": by_name, "numTraining": 9, "file_ending": ".nii.gz"}),
        ),
        "nnU-Net v1 or Medical Segmentation Decathlon dataset.json": (
            "dataset.json",
            json.dumps({"modality": {"0": "CT"}, "labels": by_number, "training": [{"image": "a", "label": "b"}]}),
        ),
        "JSON object number -> name": ("labels.json", json.dumps(by_number)),
        "JSON object name -> number": ("labels.json", json.dumps(by_name)),
        "BIDS dseg.tsv": (
            "dseg.tsv",
            "index\tname\tabbreviation\tcolor\tmapping\n" + rows("{n}\t{name}\tX\t#ff53bb\t{n}\n"),
        ),
        "ITK-SNAP label description": (
            "labels.txt",
            SNAP_HEAD + rows('  {n:>3}   {r}    0    0        1  1  1    "{name}"\n'),
        ),
        "3D Slicer colour table": (
            "organs.ctbl",
            "# Color table file /home/a/organs.ctbl\n# 6 values\n0 Background 0 0 0 0\n"
            + rows("{n} {name} {r} 1 79 255\n"),
        ),
        "3D Slicer colour table (CSV)": (
            "organs.csv",
            f"{columns}\n" + rows("{n},{name},{r},0,0,255,SCT,1,Tissue,Tissue,\n"),
        ),
        "FreeSurfer colour table": (
            "FreeSurferColorLUT.txt",
            "#$Id: FreeSurferColorLUT.txt,v 1.70 $\n\n#No. Label Name:              R   G   B   A\n\n"
            + "0   Unknown                   0   0   0   0\n"
            + rows("{n:<3} {name:<25} {r} 20  0   0\n\n# a comment between\n"),
        ),
        "colour table, number name R G B": ("labels.txt", rows("{n} {name} {r} 130 101 255\n")),
        "comma-separated table, columns 'id' and 'name'": ("labels.csv", "id,name\n" + rows("{n},{name}\n")),
        "semicolon-separated table, columns 'Label' and 'Structure'": (
            "labels.csv",
            'sep=;\nLabel;"Structure"\r\n' + rows('{n};"{name}"\r\n'),
        ),
        "tab-separated table, columns 'index' and 'label'": ("atlas.tsv", "index\tlabel\n" + rows("{n}\t{name}\n")),
    }


TABLES = written_by_tools()
dialects = pytest.mark.parametrize("dialect", TABLES, ids=lambda dialect: dialect)


def read(path: Path, text: str | bytes) -> LabelTable:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_label_table(path)


def refusal(path: Path, text: str | bytes) -> str:
    """Return the message for a table, which must be refused in one printable line that starts with the file."""
    with pytest.raises(InputError) as caught:
        read(path, text)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    assert len(line) < 900
    return line.removeprefix(f"{path}: ")


@dialects
def test_every_dialect_gives_the_same_names(tmp_path: Path, dialect: str) -> None:
    name, text = TABLES[dialect]
    table = read(tmp_path / name, text)
    assert {number: title for number, title in table.names.items() if number} == NAMES
    assert table.dialect == dialect
    assert (table.regions, table.ignore_label, table.source) == ({}, None, str(tmp_path / name))
    assert table.summary() == f"{tmp_path / name} read as {dialect}, {len(table.names)} names"


@dialects
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_byte_order_marks_and_line_ends(tmp_path: Path, dialect: str, encoding: str) -> None:
    name, text = TABLES[dialect]
    expected = read(tmp_path / name, text).names
    for end in ("\r\n", "\r"):
        other = text.replace("\r\n", "\n").replace("\n", end)
        assert read(tmp_path / name, other.encode(encoding)).names == expected


@dialects
def test_the_same_volume_prints_the_same_table(
    tmp_path: Path, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [save(tmp_path / f"{which}.nii", labels()) for which in ("p", "r")]
    name, text = TABLES[dialect]
    (tmp_path / name).write_text(text, encoding="utf-8")
    inline = ",".join(f"{number}={title}" for number, title in NAMES.items())
    expected = call(capsys, "score", *pair, "-m", "dice,hd", "--labels", inline)
    assert (expected.code, expected.err) == (0, "")
    answer = call(capsys, "score", *pair, "-m", "dice,hd", "--labels", tmp_path / name)
    assert (answer.code, answer.out) == (0, expected.out)
    assert "gallbladder" in answer.out
    assert answer.err.startswith(f"labels: {tmp_path / name} read as {dialect}, ")
    assert call(capsys, "score", *pair, "-q", "--labels", tmp_path / name).err == ""


def labels() -> np.ndarray:
    """Return a volume with the five labels."""
    volume = np.zeros((6, 7, 12), np.uint8)
    volume[1:5, 2:6, 1:11] = np.repeat(np.arange(1, 6), 2)
    return volume


@dialects
def test_names_with_numbers_below_0_are_not_drawn(tmp_path: Path, dialect: str) -> None:
    """In the table of Cityscapes, the licence plate is -1."""
    name, text = TABLES[dialect]
    expected = read(tmp_path / name, text)
    if name.endswith(".json"):
        content = json.loads(text)
        labels = content.get("labels", content)
        labels.update({"-1": "plate"} if "0" in labels else {"plate": -1})
        text = json.dumps(content)
    else:
        row = next(line for line in text.splitlines() if "spleen" in line)
        text += row.replace("2", "-1", 1).replace("spleen", "plate") + "\n"
    found = read(tmp_path / name, text)
    assert (found.names, found.skipped) == (expected.names, frozenset({"plate"}))
    assert found.summary() == f"{expected.summary()}, 1 not drawn"
    assert {number: each for number, each in found.of_polygons.items() if number < 0} == {-1: "plate"}


# --- dataset.json -----------------------------------------------------------------------------------------------------

TUMOUR = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing": 3, "ignore": 4}


def test_regions_and_the_ignored_label_of_nnunet(tmp_path: Path) -> None:
    table = read(tmp_path / "dataset.json", json.dumps({"labels": TUMOUR, "regions_class_order": [1, 2, 3]}))
    assert table.names == {0: "background", 3: "enhancing", 4: "ignore"}
    assert table.regions == {"whole tumor": (1, 2, 3), "tumor core": (2, 3)}
    assert table.ignore_label == 4
    assert table.summary().endswith("read as nnU-Net v2 dataset.json, 2 names, 2 regions, ignored label 4")


def test_a_list_of_one_is_a_label(tmp_path: Path) -> None:
    table = read(tmp_path / "dataset.json", json.dumps({"labels": {"background": 0, "WT": [1, 2], "ET": [2, 2]}}))
    assert (table.names, table.regions) == ({0: "background", 2: "ET"}, {"WT": (1, 2)})
    table = read(tmp_path / "dataset.json", json.dumps({"labels": {"background": 0, "core": 2, "ET": [2]}}))
    assert (table.names, table.regions) == ({0: "background", 2: "core"}, {"ET": (2,)})


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "labels: expected a JSON object, found a list"),
        (None, "labels: expected a JSON object, found null"),
        ({}, "labels: expected label names, found an empty object"),
        ({"background": 0, "WT": []}, "the region 'WT' has no labels"),
        ({"background": 0, "WT": [1, "x"]}, "expected a label number for 'WT', found 'x'"),
        ({"background": 0, "WT": [1, [2]]}, "expected a label number for 'WT', found a list"),
        ({"background": 0, "WT": [1, -2]}, "expected a label number for 'WT', found '-2'"),
        ({"background": 0, "WT": [0, 1]}, "the region 'WT' contains the background or the ignored label"),
        ({"background": 0, "WT": [1, 4], "ignore": 4}, "the region 'WT' contains the background or the ignored label"),
        ({"background": 0, "12": [1, 4]}, "the name of the region '12' is a number"),
        ({"background": 0, "ignore": [4]}, "expected a label number for 'ignore', found a list"),
        ({"background": 0, "liver": 1, "hepar": 1}, "label 1 has two names: 'hepar' and 'liver'; name each label once"),
        ({"background": 0, "liver": 1.5}, "expected a label number for 'liver', found '1.5'"),
        ({"0": "background", "liver": "1"}, "'liver' is not a label number"),
        ({"0": "background", "1": 7}, "expected a name for label 1, found a number"),
    ],
)
def test_mistakes_in_a_dataset(tmp_path: Path, found: object, message: str) -> None:
    assert message in refusal(tmp_path / "dataset.json", json.dumps({"labels": found}))


def test_a_dataset_with_a_key_twice(tmp_path: Path) -> None:
    twice = '{"labels": {"liver": 1, "liver": 2}, "training": [{"a": 1, "a": 2}]}'
    assert "labels: 'liver' occurs twice, with a number and with a number" in refusal(tmp_path / "d.json", twice)
    fine = '{"labels": {"liver": 1, "spleen": 2, "liver": 1}, "training": [{"a": 1, "a": 2}]}'
    assert read(tmp_path / "d.json", fine).names == {1: "liver", 2: "spleen"}


@pytest.fixture
def tumours(tmp_path: Path) -> tuple[str, str, str]:
    """Prediction, reference and dataset.json: shells 1 and 2 around 3, and an ignored corner."""
    reference = np.zeros((12, 12, 12), np.uint8)
    for label, at, size in ((1, 2, 8), (2, 3, 6), (3, 4, 4), (4, 0, 1)):
        reference[box(reference.shape, at=at, size=size).astype(bool)] = label
    prediction = np.roll(reference, 1, axis=2)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": TUMOUR}))
    files = save(tmp_path / "p.nii", prediction), save(tmp_path / "r.nii", reference), tmp_path / "dataset.json"
    return os.fspath(files[0]), os.fspath(files[1]), os.fspath(files[2])


def test_a_dataset_in_score(tumours: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    prediction, reference, table = tumours
    answer = call(capsys, "score", prediction, reference, "-m", "dice", "--labels", table, "-f", "json")
    assert answer.code == 0, answer.err
    first, signature = answer.err.splitlines()
    assert first == f"labels: {table} read as nnU-Net v2 dataset.json, 2 names, 2 regions, ignored label 4"
    assert "ignored label 4 |" in signature
    assert "regions whole tumor=1,2,3 tumor core=2,3 |" in signature
    found = json.loads(answer.out)
    assert found["settings"]["ignore_label"] == 4
    assert found["settings"]["regions"] == {"whole tumor": "1,2,3", "tumor core": "2,3"}
    scores = {row["label"]: (row["name"], row["value"]) for row in found["scores"]}
    assert list(scores) == [1, 2, 3, "whole tumor", "tumor core"]
    assert scores["whole tumor"] == (None, pytest.approx(7 / 8))  # 8 voxels along x, moved by 1
    assert scores["tumor core"] == (None, pytest.approx(5 / 6))
    assert scores[3] == ("enhancing", pytest.approx(3 / 4))


def test_the_command_line_wins(tumours: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    prediction, reference, table = tumours
    own = ("--region", "Whole_Tumor=1", "--region", "rim=1,2", "--ignore-label", "9")
    answer = call(capsys, "score", prediction, reference, "-m", "dice", "--labels", table, *own, "-f", "json")
    settings = json.loads(answer.out)["settings"]
    assert settings["regions"] == {"tumor core": "2,3", "Whole_Tumor": "1", "rim": "1,2"}
    assert settings["ignore_label"] == 9


def test_a_region_with_a_reserved_name(tumours: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    prediction, reference, table = tumours
    Path(table).write_text('{"labels": {"background": 0, "all": [1, 2]}}')
    answer = call(capsys, "score", prediction, reference, "--labels", table)
    assert (answer.code, answer.cause) == (
        3,
        f"error: {table}: a region cannot be called 'all'; choose another name",
    )


def test_the_library_takes_tables_too(tumours: tuple[str, str, str]) -> None:
    prediction, reference, table = tumours
    by_path = segeval.score_files(prediction, reference, metrics="dice", labels=Path(table))
    by_table = segeval.score_files(prediction, reference, metrics="dice", labels=parse_labels(table))
    assert by_path.scores == by_table.scores
    assert by_path.value("dice", label="tumor core") == pytest.approx(5 / 6)


# --- colour tables ----------------------------------------------------------------------------------------------------


def test_generic_anatomy_colors(tmp_path: Path) -> None:
    text = (
        "#WARNING: This file is automatically generated.\n#\n#Filename: Slicer3_2010_GenericAnatomyColors.txt\n"
        "#Begin table data:\n0 background 0 0 0 0\n1 tissue 128 174 128 255\n25 cerebro-spinal_fluid 85 188 255 255\n"
        "292 region_0 185 232 61 255\n#EOF\n"
    )
    table = read(tmp_path / "GenericAnatomyColors.txt", text)
    assert table.dialect == "3D Slicer colour table"
    assert table.names == {0: "background", 1: "tissue", 25: "cerebro-spinal_fluid", 292: "region_0"}


def test_numbers_without_a_name_are_skipped(tmp_path: Path) -> None:
    slicer = "# Color table file\n0 (none) 0 0 0 0\n3 'left lung' 1 2 3 255\n4 (none) 0 0 0 0\n"
    assert read(tmp_path / "a.ctbl", slicer).names == {3: "left lung"}
    assert read(tmp_path / "a.txt", SNAP_HEAD + '1 1 1 1 1 1 1 ""\n').names == {0: "Clear Label"}
    assert read(tmp_path / "a.tsv", "index\tname\n1\tn/a\n2\t\n3\tlung\n\t\n").names == {3: "lung"}


def test_names_of_several_words_and_colours_of_three(tmp_path: Path) -> None:
    several = "1 left lung 1 2 3 255\n2 Label 2 1 2 3 255\n"
    assert read(tmp_path / "a.txt", several).names == {1: "left lung", 2: "Label 2"}
    three = "#No.\tLabel Name:\tR\tG\tB\n1\tWM\t230\t230\t210\n2\tLabel 2\t1\t2\t3\n"
    assert read(tmp_path / "a.txt", three).names == {1: "WM", 2: "Label 2"}
    tissue = "#No. Label Name: R G B A\n2 Left-WM 245 245 245 0\n17 Left-Hippocampus 220 216 20 0 1 # a remark\n"
    assert read(tmp_path / "a.ctab", tissue).names == {2: "Left-WM", 17: "Left-Hippocampus"}


def test_a_label_file_without_comments_and_with_other_quotes(tmp_path: Path) -> None:
    table = read(tmp_path / "a.label", '1 255 0 0 0.5 1 1 "say "ah""\n2 1.0 0 0 1 1 1 \u201clung\u201d\n')
    assert (table.dialect, dict(table.names)) == ("ITK-SNAP label description", {1: 'say "ah"', 2: "lung"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SNAP_HEAD + "1 255 0 0 1 1 1 liver\n", "line 14: expected IDX R G B A VIS MSH"),
        (SNAP_HEAD + '1 255 0 1 1 1 "liver"\n', "line 14: expected IDX R G B A"),
        ('-1 255 0 0 1 1 1 "liver"\n', "line 1: '-1' is not a label number; label numbers are integers of at least 0"),
        (
            SNAP_HEAD + '0 255 0 0 1 1 1 "liver"\n',
            "line 14: label 0 has two names: 'liver' and 'Clear Label' (line 13)",
        ),
        ("# Color table file\n1 liver\n", "found '1 liver' (read as 3D Slicer colour table)"),
        ("# Color table file\n1 liver 1 2\n", "line 2: expected number name R G B A"),
        ("# Color table file\n1 liver 1 2 x\n", "line 2: expected number name R G B A"),
        ("# Color table file\n-1 liver 1 2 3 4\n", "line 2: '-1' is not a label number"),
        ("# Color table file\nliver 1 2 3 4\n", "line 2: expected number name R G B A"),
        (
            "# Color table file\n",
            "the file has no label names (read as 3D Slicer colour table); use rows of number name R G B A",
        ),
        (
            "# Color procedural file a\n0 0 0 0\n255 1 1 1\n",
            "expected names of labels, found a continuous colour scale",
        ),
        ("1 a 1 2 3 4\n1 b 1 2 3 4\n", "line 2: label 1 has two names: 'b' and 'a' (line 1); name each label once"),
        ("1 a 1 2 3 4\n2 b\n", "found '2 b' (read as colour table, number name R G B)"),
        (f"1 a 1 2 3 4\n{2**64} b 1 2 3 4\n", f"line 2: '{2**64}' is not a label number"),
        ("1 a 1 2 3 4\n2 b\x1b[31m\x07 c\n", r"found '2 b\x1b[31m\x07 c'"),
    ],
)
def test_mistakes_in_colour_tables(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path / "labels.txt", text)


# --- tables with a header ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("label,name\n1,liver\n", {1: "liver"}),
        ("NAME;ID\nliver;1\n", {1: "liver"}),
        ("Label ID,Label Name\n1,liver\n", {1: "liver"}),
        ("index,label,structure\n1,1,liver\n", {1: "liver"}),
        ("id,label,color\n1,liver,red\n", {1: "liver"}),
        ("# index\tname\n1\tliver\n# 2\tspleen\n", {1: "liver"}),
        ("# made by hand\n# in 2024\nvalue,name\n1.0,liver\n2.,spleen\n", {1: "liver", 2: "spleen"}),
        ("# exported from 3D Slicer\nid,name\n1,liver\n", {1: "liver"}),
        (",label,name\n0,5,liver\n1,6,spleen\n", {5: "liver", 6: "spleen"}),
        ('key,structure\n1,"lung, left"\n2,"two\nlines"\n', {1: "lung, left", 2: "two\nlines"}),
        ("no.,name,note,,\n1,liver\n2,spleen,x,,,,\n\n", {1: "liver", 2: "spleen"}),
        ("id;name\n1;liver\n1;liver\n", {1: "liver"}),
        ("LabelValue,Color_R,Type_CodeMeaning,TypeModifier_CodeMeaning\n1,7,Kidney,Left\n", {1: "Left Kidney"}),
        ("LabelValue,Name,Type_CodeMeaning\n1,,Liver\n2,mass,Tissue\n", {1: "Liver", 2: "mass"}),
        ("index\tname\tid\n1\tliver\t77\n", {1: "liver"}),  # BIDS says which column it is
    ],
)
def test_headers(tmp_path: Path, text: str, names: dict[int, str]) -> None:
    assert read(tmp_path / "labels.csv", text).names == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id,name\n",
            "no label names (read as comma-separated table, columns 'id' and 'name'); use a table with a number column",
        ),
        ("id,name\n1,\n", "the file has no label names"),
        ("id,name\nx,liver\n", "columns 'id' and 'name'); label numbers are integers of at least 0"),
        ("id,name\n-1,liver\n", "line 2: '-1' is not a label number"),
        ("id,name\n1.5,liver\n", "line 2: '1.5' is not a label number"),
        ("id,name\n,liver\n", "line 2: '' is not a label number"),
        ("id,name\n1,lung, left\n", "line 2: expected 2 columns, found 3 (read as comma-separated table, "),
        ("id,name\n1,liver\n\n1,spleen\n", "line 4: label 1 has two names: 'spleen' and 'liver' (line 2)"),
        (
            'id,name\n1,"liver\n2,spleen\n',
            "line 3 is not valid CSV: unexpected end of data (read as comma-separated table, ",
        ),
        (f"id,name\n1,{'x' * 200_000}\n", "field larger than field limit"),
        (f"id,name\n1,{'x' * 2000}\n1,y\n", "line 3: label 1 has two names: 'y' and 'xxx"),
        ("index,id,name\n0,4,liver\n", "line 2: two columns may have the label number: 'index' 0 and 'id' 4"),
        ("1,liver\n2,spleen\n", "unknown kind of label table: line 1 is '1,liver'; use a dataset.json"),
        ("name,colour\nliver,red\n", "line 1 is 'name,colour'"),
        ("\n# a remark\nindex name\n1 liver\n", "line 3 is 'index name'"),
        (
            "liver\n",
            "use a dataset.json, JSON object, BIDS dseg.tsv, ITK-SNAP label description, 3D Slicer colour table, ",
        ),
        ("# remarks alone\n", "line 1 is '# remarks alone'"),
        (" \n\t\n", "the file has only white space"),
        ("<!DOCTYPE html><html>", "expected a label table, found a web page; download the file again"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "found a Git LFS pointer"),
        ("/annex/objects/MD5E-s49926--3c.tsv\n", "found a git-annex pointer"),
    ],
)
def test_mistakes_below_a_header(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path / "labels.csv", text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "id,name\n1,Nierenr\u00e4nder\n".encode("latin-1"),
            "line 2: the text is not valid UTF-8 (byte 0xe4); save it as UTF-8",
        ),
        (
            "id,name\n1,liver\n".encode("utf-16-le"),
            "expected UTF-8, found UTF-16 without a byte order mark; save it as UTF-8",
        ),
        (
            "id,name\n1,liver\n".encode("utf-16-be"),
            "expected UTF-8, found UTF-16 without a byte order mark; save it as UTF-8",
        ),
        ("id,name\n1,liver\n".encode("utf-32"), "expected a label table, found data of an unknown format"),
        (b"\xff\xfei\0d\0,", "the text is not valid UTF-16 at byte"),
        (b"\x1f\x8b\x08\x01aaaa", "found gzip data"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "found a PNG picture"),
        (bytes(100), "only zero bytes"),
        (b"PK\x03\x04\0\0", "found a zip archive"),
        (b"", "the file is empty"),
    ],
)
def test_bytes_that_are_not_text(tmp_path: Path, data: bytes, message: str) -> None:
    assert message in refusal(tmp_path / "labels.csv", data)


def test_a_comment_may_be_the_header() -> None:
    header = header_of(["# Key, Region", "1,liver"])
    assert header is not None
    assert (header.line, header.numbers, header.names) == (0, (0,), ((1,),))


@pytest.mark.slow
def test_large_tables(tmp_path: Path) -> None:
    """Long files of every kind are read or refused quickly."""
    started = time.perf_counter()
    many = rows("{n},region {n}\n", dict.fromkeys(range(50_000), ""))
    assert len(read(tmp_path / "a.csv", f"id,name\n{many}").names) == 50_000
    for text in (
        "#\n" * 500_000,
        "1 " * 500_000,
        '"' * 500_000,
        "1,\n" * 200_000,
        "\t" * 500_000,
        "1 a 1 2 3\n1" * 9999,
    ):
        refusal(tmp_path / "a.txt", text)
    assert time.perf_counter() - started < 20
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match="at most 16 MB"):
        read_label_table(tmp_path / "a.txt")


@pytest.mark.slow
@dialects
def test_damage_is_refused_or_leaves_a_table(tmp_path: Path, dialect: str) -> None:
    name, text = TABLES[dialect]
    path = tmp_path / name
    kinds = [text.encode(), text.encode("utf-16")]
    for what, data in (damage for good in kinds for damage in (*cut(good), *flipped(good, 150))):
        path.write_bytes(data)
        try:
            table = read_label_table(path)
        except InputError as error:
            line = str(error)
        else:
            line = table.summary()
            assert all(0 <= label < 2**64 and title.strip() for label, title in table.names.items()), what
            assert table.names or table.regions, what
        assert line.isprintable(), what


# --- BIDS -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A derivative dataset with a segmentation, sub-01/anat/sub-01_space-T1w_desc-aseg_dseg.nii.gz, and no table."""
    root = tmp_path / "bids"
    (root / "sub-01" / "anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    save(segmentation(root), box((4, 6, 6), at=1, size=2))
    return root


def segmentation(root: Path) -> Path:
    return root / "sub-01" / "anat" / "sub-01_space-T1w_desc-aseg_dseg.nii"


def put(path: Path, name: str) -> None:
    path.write_text(f"index\tname\n1\t{name}\n")


@pytest.mark.parametrize(
    ("tables", "applies"),
    [
        ([], None),
        (["dseg.tsv"], "dseg.tsv"),
        (["sub-01/dseg.tsv", "dseg.tsv"], "sub-01/dseg.tsv"),
        (["desc-aseg_dseg.tsv", "desc-aparcaseg_dseg.tsv", "seg-a_dseg.tsv"], "desc-aseg_dseg.tsv"),
        (
            ["sub-01/anat/sub-01_space-T1w_desc-aseg_dseg.tsv", "dseg.tsv"],
            "sub-01/anat/sub-01_space-T1w_desc-aseg_dseg.tsv",
        ),
        (["sub-01/anat/sub-01_desc-aseg_dseg.tsv", "sub-01/dseg.tsv"], "sub-01/anat/sub-01_desc-aseg_dseg.tsv"),
        (["desc-aseg_dseg.tsv", "dseg.tsv"], "desc-aseg_dseg.tsv"),  # against BIDS, but unambiguous
        (["sub-01/anat/sub-02_dseg.tsv", "desc-aseg_probseg.tsv", "participants.tsv", "xdseg.tsv"], None),
        (["../dseg.tsv"], None),  # above the root
    ],
)
def test_bids_inheritance(dataset: Path, tables: list[str], applies: str | None) -> None:
    for table in tables:
        put(dataset / table, table)
    expected = None if applies is None else str(dataset / applies)
    assert table_of(str(segmentation(dataset))) == expected
    label_map = read_label_map(segmentation(dataset))
    assert label_map.names == ({} if applies is None else {1: applies})
    assert ("names from" in label_map.stored) == (applies is not None)


def test_bids_only_for_a_discrete_segmentation(dataset: Path) -> None:
    put(dataset / "dseg.tsv", "liver")
    for name in ("sub-01_mask.nii", "xdseg.nii", "sub-01_dseg_old.nii"):
        save(dataset / "sub-01" / "anat" / name, box((4, 6, 6), at=1, size=2))
        assert read_label_map(dataset / "sub-01" / "anat" / name).names == {}


def test_bids_without_a_root_searches_only_the_folder(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (dataset / "dataset_description.json").unlink()
    put(dataset / "dseg.tsv", "liver")
    assert table_of(str(segmentation(dataset))) is None
    put(dataset / "sub-01" / "anat" / "dseg.tsv", "spleen")
    monkeypatch.chdir(dataset / "sub-01" / "anat")
    assert read_label_map(segmentation(dataset).name).names == {1: "spleen"}
    assert read_label_map(Path("..") / "anat" / segmentation(dataset).name).names == {1: "spleen"}


def test_bids_tables_that_apply_equally_well(dataset: Path) -> None:
    put(dataset / "desc-aseg_dseg.tsv", "a")
    put(dataset / "space-T1w_dseg.tsv", "b")
    with pytest.raises(InputError, match=r"desc-aseg_dseg\.tsv and space-T1w_dseg\.tsv both apply to sub-01_space"):
        read_label_map(segmentation(dataset))


def test_a_bad_bids_table_is_an_error(dataset: Path) -> None:
    (dataset / "dseg.tsv").write_text("index\tname\nx\tliver\n")
    with pytest.raises(
        InputError, match=r"'x' is not a label number .*it is the BIDS table with the label names of .*aseg_dseg\.nii"
    ):
        read_label_map(segmentation(dataset))
    (dataset / "dseg.tsv").unlink()
    (dataset / "dseg.tsv").symlink_to(".git/annex/objects/gone.tsv")
    with pytest.raises(InputError, match=r"a symbolic link to a missing file, .*run git annex get"):
        read_label_map(segmentation(dataset))


def test_names_in_the_header_and_in_the_table(dataset: Path) -> None:
    put(dataset / "dseg.tsv", "Left Kidney")
    save(segmentation(dataset), box((4, 6, 6), at=1, size=2), names={1: "left_kidney", 2: "liver"})
    assert read_label_map(segmentation(dataset)).names == {1: "Left Kidney", 2: "liver"}
    save(segmentation(dataset), box((4, 6, 6), at=1, size=2), names={1: "right_kidney"})
    with pytest.raises(InputError, match=r"label 1 has two names: 'right_kidney' in the file, 'Left Kidney' in "):
        read_label_map(segmentation(dataset))


def scored(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    return call(capsys, "score", *arguments, "-m", "dice", "-f", "csv", "-q")


def test_bids_names_in_score(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(dataset / "dseg.tsv", "Left Kidney")
    other = save(tmp_path / "prediction.nii", box((4, 6, 6), at=1, size=2), names={1: "liver"})
    answer = scored(capsys, other, segmentation(dataset))
    assert answer.code == 3
    assert "label 1 has two names: liver in the prediction, Left Kidney in the reference" in answer.cause
    answer = scored(capsys, other, segmentation(dataset), "--labels", "1=spleen")
    assert (answer.code, answer.out.splitlines()[1].split(",")[2]) == (0, "spleen")
    put(dataset / "dseg.tsv", "LIVER")
    assert scored(capsys, other, segmentation(dataset)).out.splitlines()[1].split(",")[2] == "LIVER"


def test_a_label_that_only_a_bids_table_names_has_no_row(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "dseg.tsv").write_text("index\tname\n0\tbackground\n1\tliver\n2\tspleen\n")
    answer = scored(capsys, segmentation(dataset), segmentation(dataset))
    assert [line.split(",")[1:3] for line in answer.out.splitlines()[1:]] == [["1", "liver"]]


def test_the_sample_data_with_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names in the sample files are those of the tables here, so there is no contradiction."""
    plain = call(capsys, "score", *case(4), "-m", "dice")
    (tmp_path / "a.csv").write_text("id,name\n" + rows("{n},{name}\n"))
    assert call(capsys, "score", *case(4), "-m", "dice", "--labels", tmp_path / "a.csv").out == plain.out
    assert SAMPLES.is_dir()
