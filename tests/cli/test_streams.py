"""stdout and stderr of real processes: closed pipes, full disks, other encodings."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import SEGEVAL, Answer, box, call, case, plain_environment, save, spawn
from tests.places import TOP

pytestmark = pytest.mark.slow

PAIR = case(4)
LONG = "an_organ_with_a_name_that_is_far_longer_than_any_terminal_would_ever_be_wide_enough_to_show"
COMMANDS: dict[str, list[object]] = {
    "table": ["score", *PAIR],
    "json": ["score", *PAIR, "-f", "json"],
    "batch": ["batch", PAIR[0].parent, PAIR[1].parent, "-m", "dice"],
    "batch csv": ["batch", PAIR[0].parent, PAIR[1].parent, "-m", "dice", "-f", "csv"],
    "dry run": ["batch", PAIR[0].parent, PAIR[1].parent, "--dry-run"],
    "metrics": ["metrics"],
    "inspect": ["inspect", *PAIR],
    "help": ["score", "--help"],
    "version": ["--version"],
}
unix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices as Unix has them")


def ended_early(*arguments: object, errors_too: bool = False) -> Answer:
    """Run with a closed stdout, and stderr too if wanted."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(  # noqa: S603  (our own command)
        [*SEGEVAL, *map(str, arguments)],
        cwd=TOP,
        env=plain_environment(),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing if errors_too else subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    return Answer(done.returncode, "", (done.stderr or b"").decode())


@unix
@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone(name: str) -> None:
    answer = ended_early(*COMMANDS[name])
    assert answer.code == 0
    assert all(word not in answer.err for word in ("error", "Error", "Broken", "Exception"))


@unix
def test_a_reader_that_has_gone_does_not_change_the_exit_code(tmp_path: Path) -> None:
    assert ended_early("score", *PAIR, "--require", "dice=0.9").code == 4
    assert ended_early("score", *PAIR, "--require", "dice=0.9", errors_too=True).code == 4
    assert ended_early("score", *PAIR, "-f", "csv", errors_too=True).code == 0
    assert ended_early("score", *PAIR, tmp_path, errors_too=True).code == 2
    assert ended_early("score", tmp_path / "missing.nii", PAIR[1], errors_too=True).code == 3
    path = tmp_path / "scores.csv"
    assert ended_early("score", *PAIR, "-o", path).code == 0
    assert path.read_text(encoding="utf-8").count("\n") == 7


@unix
@pytest.mark.parametrize("kind", ["table", "csv"])
def test_the_first_line_is_enough(kind: str, tmp_path: Path) -> None:
    """`segeval score ... | head -1`, with more output than a pipe holds."""
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({label: f"{LONG}_{label}" for label in range(1, 1500)}), encoding="utf-8")
    command = [*SEGEVAL, "score", *map(str, PAIR), "--labels", str(labels), "-f", kind, "--require", "1:dice=1"]
    with subprocess.Popen(  # noqa: S603  (our own command)
        command, env=plain_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline().decode()
        process.stdout.close()
        err = process.stderr.read().decode()
        code = process.wait(60)
    assert first.startswith(("case_04: ", "case,label,"))
    assert code == 4
    assert err.splitlines()[-1].startswith("FAILED: requirement not met")
    assert all(word not in err for word in ("Broken", "Exception", "Traceback"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(name: str) -> None:
    with Path("/dev/full").open("wb") as full:
        answer = spawn(*COMMANDS[name], stdout=full.fileno())
    assert answer.code == 2
    assert answer.cause == "error: stdout: cannot be written: no space left on device"
    assert all(word not in answer.err for word in ("Traceback", "Exception"))


@unix
def test_no_stdout_and_no_stderr() -> None:
    def run_by_shell(redirection: str, *arguments: object) -> int:
        script = f'exec "$@" {redirection}'
        command = ["/bin/sh", "-c", script, "sh", *SEGEVAL, *map(str, arguments)]
        return subprocess.run(command, env=plain_environment(), check=False, timeout=60).returncode  # noqa: S603

    assert run_by_shell(">&- 2>&-", "score", *PAIR) == 0
    assert run_by_shell(">&- 2>&-", "score", *PAIR, "-f", "csv", "--require", "dice=0.9") == 4
    assert run_by_shell(">&- 2>&-", "--help") == 0
    assert run_by_shell(">/dev/null 2>&-", "score", "missing.nii", "missing.nii") == 3


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A file with long and non-ASCII names."""
    labels = box((8, 8, 8)) + box((8, 8, 8), at=6, size=2, label=2)
    return save(tmp_path / "n.nii", labels, names={1: LONG, 2: "肝臓"})


def test_a_pipe_gets_plain_whole_lines(named: Path) -> None:
    answer = spawn("score", named, named)
    assert "\x1b" not in answer.out
    rows = [line.split() for line in answer.out.splitlines() if LONG in line]
    assert [row[:2] for row in rows] == [["1", LONG]] * len(rows)  # a name of this length leaves room for few metrics
    assert [cell for row in rows for cell in row[2:]] == ["1.0000", "1.0000", "1.0000", "0.00", "0.00", "0.00"]


def test_a_width_is_kept_but_for_names_and_nothing_is_cut(named: Path) -> None:
    answer = spawn("score", named, named, environment={"COLUMNS": "60"})
    assert max(len(line) for line in answer.out.splitlines() if LONG not in line) <= 60 + len(LONG)
    assert answer.out.count(LONG) == 6  # a block for each metric
    assert "…" not in answer.out
    for heading in ("dice", "sensi-", "tivity", "speci-", "ficity", "assd", "hd", "hd@95"):
        assert heading in answer.out


@pytest.mark.parametrize(
    "arguments", [["score", *PAIR, "--require", "liver:dice=0"], ["metrics"], ["metrics", "hd"], ["inspect", PAIR[0]]]
)
def test_colours_on_request(
    arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = call(capsys, *arguments)
    assert "\x1b" not in plain.out + plain.err
    monkeypatch.setenv("TERM", "dumb")
    assert call(capsys, *arguments) == plain
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = call(capsys, *arguments)
    assert "\x1b[" in forced.out
    assert re.sub("\x1b\\[[0-9;]*m", "", forced.out) == plain.out
    assert call(capsys, *arguments, "--no-color") == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert call(capsys, *arguments) == plain


ASCII = {
    "PYTHONIOENCODING": {"PYTHONIOENCODING": "ascii"},
    "LC_ALL=C without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize("environment", ASCII.values(), ids=ASCII)
def test_encodings(named: Path, environment: dict[str, str]) -> None:
    table = spawn("score", named, named, environment=environment)
    assert (table.code, table.err) == (0, "")
    assert "\\u809d\\u81d3" in table.out
    inspected = spawn("inspect", named, environment=environment)
    assert (inspected.code, inspected.err) == (0, "")
    for command in (["score", "--help"], ["metrics"], ["metrics", "nsd"]):
        assert spawn(*command, environment=environment).code == 0
    missed = spawn("score", named, named, "--require", "2:dice.n>=2", environment=environment)
    assert missed.code == 4
    assert missed.cause == "FAILED: requirement not met"
    assert "\\u809d\\u81d3" in missed.out
    refused = spawn("score", named, "肝臓.nii", environment=environment)
    assert refused.code == 3
    assert "Traceback" not in missed.err + refused.err


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "markdown"])
def test_documents_are_utf_8_whatever_the_locale(kind: str, named: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = spawn("score", named, named, "-f", kind, environment=ASCII["LC_ALL=C without UTF-8 mode"])
    assert found.code == 0
    assert "肝臓" in found.out
    assert found.out == call(capsys, "score", named, named, "-f", kind).out


def test_documents_can_be_parsed(named: Path) -> None:
    assert json.loads(spawn("score", named, named, "-f", "json").out)["scores"]
    rows = list(csv.DictReader(io.StringIO(spawn("score", named, named, "-f", "csv").out)))
    assert [row["name"] for row in rows[:2]] == [LONG, "肝臓"]


def test_an_interrupt_in_a_callback_is_not_lost() -> None:
    """Python drops exceptions raised while an object is deleted; the waiting main thread must still wake up."""
    script = (
        "import signal, sys, threading\n"
        "from segeval.cli import interrupt_again\n"
        "sys.unraisablehook = interrupt_again\n"
        "class Going:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "try:\n"
        "    Going()\n"
        "    threading.Event().wait(50)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    done = subprocess.run(  # noqa: S603  (our own script)
        [sys.executable, "-c", script],
        cwd=TOP,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")
