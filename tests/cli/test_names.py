"""Names of files and labels with markup, formulas, control characters and line breaks."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command import SEGEVAL, box, call, plain_environment, save, spawn

if TYPE_CHECKING:
    from pathlib import Path

LABELS = box((8, 8, 8))
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
FILE_NAMES = ["a[red]b[bold].nii", "a b.nii", 'it\'s "a".nii', "=1+1.nii", "%s{0}$HOME`x`.nii", "肝臓.nii", "a,b=c.nii"]
LABEL_NAMES = ["a[red]b[/bold]", "[/]", 'it\'s "a"', "left, lower", "=1+1", "a|b*c*_d_", "肝臓 🫀", "{0} %s", ":smile:"]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_file_names(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / name, LABELS)
    answer = call(capsys, "score", path, path)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"{name.removesuffix('.nii')}: 8 x 8 x 8 voxels ")
    assert f"prediction  {path}\n" in call(capsys, "score", path, path, "-v").out
    (case,) = json.loads(call(capsys, "score", path, path, "-f", "json").out)["cases"]
    assert (case["case"], case["reference"]) == (name.removesuffix(".nii"), str(path))
    assert call(capsys, "inspect", path).out.startswith(f"{path}\n")
    path.write_bytes(b"")
    refused = call(capsys, "score", path, path)
    assert (refused.code, refused.out) == (3, "")
    assert refused.cause == f"error: {path}: the file is empty; copy or export it again"


@unix
def test_a_line_break_in_a_file_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a\nb\x1b[31m.nii", LABELS)
    answer = call(capsys, "score", path, path)
    assert answer.out.startswith("a\\nb\\x1b[31m: ")
    assert "\x1b" not in answer.out
    path.unlink()
    refused = call(capsys, "score", path, path)
    assert refused.err == f"error: {tmp_path}/a\\nb\\x1b[31m.nii: no such file\n"


def test_a_leading_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "-m.nii", LABELS)
    for command in ("score", "inspect"):
        assert call(capsys, command, "--", "-m.nii", "-m.nii").code == 0
    assert call(capsys, "score", "-m", "dice", "--", "-m.nii", "-m.nii").code == 0


@pytest.mark.slow
@unix
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses to make such a file")
def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/c\xff\xe9.nii"
    save(tmp_path / "good.nii", LABELS).rename(os.fsdecode(path))
    for command in ([b"score", path, path], [b"inspect", path]):
        done = subprocess.run(  # noqa: S603  (our own command)
            [*map(os.fsencode, SEGEVAL), *command],
            env=plain_environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 3
        assert done.stderr.decode() == (
            f"error: {tmp_path}/c\\xff\\xe9.nii: the file name is not valid UTF-8, so it cannot be written to results; "
            "rename the file\n"
        )
        assert b"Traceback" not in done.stdout
        assert (command[0] == b"inspect") == bool(done.stdout)


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_label_names(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a.nii", LABELS, names={1: name})
    for color in ("", "1"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FORCE_COLOR", color)
            assert f"1 {name}  1.0000" in call(capsys, "score", path, path, "-m", "dice").out
            assert name in call(capsys, "inspect", path).out
    (row,) = json.loads(call(capsys, "score", path, path, "-m", "dice", "-f", "json").out)["scores"]
    assert row["name"] == name
    (line,) = csv.DictReader(io.StringIO(call(capsys, "score", path, path, "-m", "dice", "-f", "csv").out))
    assert line["name"] in (name, f"'{name}")
    if "," not in name:
        assert call(capsys, "score", path, path, "-m", "dice", "--only", name).code == 0
    missed = call(capsys, "score", path, path, "-m", "dice", "--require", f"{name}:dice.n>=2")
    assert missed.cause == "FAILED: requirement not met"
    assert re.search(rf"not met +1 +{re.escape(name)}$", missed.out, re.MULTILINE)


def test_control_characters_never_reach_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "red\x9b31m\u202egreen"  # XML holds these two, JSON an escape too
    path = save(tmp_path / "a.nii", LABELS, names={1: evil})
    names = tmp_path / "labels.json"
    names.write_text(json.dumps({"1": "\x1b[31mred\x1b]0;title\x07\nnext"}), encoding="utf-8")
    outputs = [
        *(call(capsys, "score", path, path, "-f", kind) for kind in ("table", "markdown")),
        *(call(capsys, "score", path, path, "--labels", names, "-f", kind) for kind in ("table", "markdown", "json")),
        call(capsys, "inspect", path),
        call(capsys, "score", path, path, "--labels", names, "--require", "1:dice.n>=2"),
        call(capsys, "score", path, path, "--only", "\x1b[31m"),
        call(capsys, "score", path, path, "--region", "\x1b[31m=1", "--require", "nobody:dice=1"),
        call(capsys, "score", path, path, "--region", "\x1b[31m=x"),
        call(capsys, "score", path, path, "-m", "\x1b[31m"),
        call(capsys, "score", path, path, "--penalty", "\x1b[31m"),
        call(capsys, "score", path, path, "--match", "\x1b[31m"),
        call(capsys, "score", path, path, "-o", "\x1b[31m"),
        call(capsys, "\x1b[31m"),
    ]
    for answer in outputs:
        assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(answer.out + answer.err)


def test_a_name_of_many_lines_stays_one_row(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", LABELS, names={1: "two\nlines"})
    answer = spawn("score", path, path, "-m", "dice")
    assert "two\\nlines  1.0000" in answer.out
