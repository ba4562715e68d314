"""One run, however it goes: with one worker or two, in shards, killed, interrupted, on a full disk. The same bytes.

The processes are real and so are the signals. A run is known to be in the middle of its cases when its journal holds
some of them and not all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.command import SEGEVAL, Answer, box, plain_environment, save, spawn
from tests.places import TOP
from tests.running.test_processes import descendants, is_zombie

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="POSIX signals, and /proc"),
]

REPORTS = ("r.json", "r.csv", "r.jsonl", "r.xml", "r.md", "r.xlsx", "r.parquet")
EXPORTS = {"nnunet": "summary.json", "grand-challenge": "metrics.json"}
NAMED = [
    *(part for name in REPORTS for part in ("-o", name)),
    *(part for kind, name in EXPORTS.items() for part in ("--export", f"{kind}:{name}")),
    *("--confusion", "confusion.csv"),
]
SIGNATURES = [f"{name}.signature.txt" for name in ("r.csv", "r.jsonl", "confusion.csv")]
NAMES = (*REPORTS, *EXPORTS.values(), "r.summary.csv", "confusion.csv", *SIGNATURES)  # every kind of file
CASES = 24
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Cases that take some tens of milliseconds each, and one that cannot be scored."""
    top = tmp_path_factory.mktemp("cases")
    predictions, references = top / "p", top / "r"
    predictions.mkdir()
    references.mkdir()
    random = np.random.default_rng(0)
    for number in range(CASES):
        reference = box((70, 80, 90), at=5 + number % 7, size=40, label=1 + number % 2)
        reference[random.random(reference.shape) < 0.02] = 3
        prediction = np.roll(reference, 1 + number % 3, axis=1)
        prediction[random.random(reference.shape) < 0.01] = 4
        save(references / f"case_{number}.nii", reference, names={1: "liver", 2: "spleen"})
        save(predictions / f"case_{number}.nii", prediction)
    path = predictions / "case_7.nii"
    path.write_bytes(path.read_bytes()[:-9])
    (predictions / "case_9.nii").unlink()
    return predictions, references


def command(folders: tuple[Path | str, Path | str], *options: object) -> list[str]:
    scored = ["-m", "dice,hd,volume_error,mean_dice", "--penalty", "inf", "--require", "dice=0.5", "-q"]
    return ["batch", *map(str, folders), *scored, *NAMED, *map(str, options)]


@pytest.fixture(scope="module")
def expected(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run with one worker gives."""
    folder = tmp_path_factory.mktemp("expected")
    answer = spawn(*command(folders, "-j", 1), folder=folder)
    assert answer.code == 3, answer.err
    return outputs(folder)


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def started(folders: tuple[Path, Path], folder: Path, *options: object) -> subprocess.Popen[bytes]:
    """A run in a process group of its own."""
    return subprocess.Popen(  # noqa: S603
        [*SEGEVAL, *command(folders, *options)],
        cwd=folder,
        env=plain_environment() | {"PYTHONPATH": str(TOP)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def begun(folders: tuple[Path, Path], folder: Path, *options: object) -> subprocess.Popen[bytes]:
    """A run that is in the middle of its cases."""
    running = started(folders, folder, *options)
    journal = folder / "r.journal"
    until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 4, running)
    assert running.poll() is None, "the run was over before it could be disturbed"
    return running


def until(met: Callable[[], bool], running: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for something, or for the end of a run."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met() and (running is None or running.poll() is None):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


def workers_of(running: subprocess.Popen[bytes]) -> list[int]:
    """The processes that score: those that the process which is copied has started."""
    children = [int(each) for each in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    return [pid for child in children for pid in descendants(child)]


def finished(running: subprocess.Popen[bytes]) -> Answer:
    _, err = running.communicate(timeout=PATIENCE_SECONDS)
    return Answer(running.returncode, "", err.decode())


def test_two_workers(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    assert spawn(*command(folders, "-j", 2), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected
    assert spawn(*command(folders, "-j", 5), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


def test_shards_and_merge(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    """The tenth case is without a prediction, the eighth is damaged, and the gate is met nowhere."""
    for part, code in ((1, 3), (2, 3), (3, 4)):
        answer = spawn(*command(folders, "--shard", f"{part}/3", "-o", f"part{part}.json"), folder=tmp_path)
        assert answer.code == code, answer.err
    for name in NAMES:
        (tmp_path / name).unlink()
    parts = ["part3.json", "part1.json", "part2.json"]
    answer = spawn("merge", *parts, *NAMED[:-2], "--require", "dice=0.5", "-q", folder=tmp_path)
    assert answer.code == 3, answer.err
    mergeable = {name: content for name, content in expected.items() if not name.startswith("confusion.csv")}
    assert {name: (tmp_path / name).read_bytes() for name in mergeable} == mergeable


def test_another_shard_does_not_take_up_the_journal(folders: tuple[Path, Path], tmp_path: Path) -> None:
    assert spawn(*command(folders, "--shard", "3/3", "--keep-journal"), folder=tmp_path).code == 4
    before = (tmp_path / "r.journal").read_bytes()
    answer = spawn(*command(folders, "--shard", "2/3", "--resume"), folder=tmp_path)
    assert answer.code == 2
    assert answer.cause == (
        "error: r.journal: the journal belongs to a run with other settings (shard); "
        "leave out --resume to score all cases, or use another name for -o"
    )
    assert (tmp_path / "r.journal").read_bytes() == before
    answer = spawn(*command(folders, "--shard", "3/3", "--resume"), folder=tmp_path)
    assert answer.code == 4, answer.err
    assert not (tmp_path / "r.journal").exists()


@pytest.mark.parametrize(
    ("shard", "options", "code", "stays"),
    [
        ("3/3", [], 4, False),
        ("3/3", ["--keep-journal"], 4, True),
        ("3/3", ["--resume"], 4, False),
        ("1/3", [], 3, True),
        ("1/3", ["--missing", "skip"], 4, False),
    ],
)
def test_the_journal_of_a_finished_run_goes(
    folders: tuple[Path, Path], tmp_path: Path, shard: str, options: list[str], code: int, stays: bool
) -> None:
    """What would be scored again is kept: a run with a failed case can be resumed."""
    answer = spawn(*command(folders, "--shard", shard, *options), folder=tmp_path)
    assert answer.code == code, answer.err
    assert (tmp_path / "r.journal").exists() == stays


def test_a_worker_that_is_killed(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    with begun(folders, tmp_path, "-j", 2) as running:
        killed = 0
        for _ in range(3):
            for pid in workers_of(running)[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            until(lambda: len(workers_of(running)) >= 1, running)
        assert killed == 3
        answer = finished(running)
    assert answer.code == 3, answer.err
    assert outputs(tmp_path) == expected


def test_a_worker_that_hangs(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    """It is given up after the timeout with its case, which --resume scores."""
    with begun(folders, tmp_path, "-j", 2, "--timeout", 3) as running:
        os.kill(workers_of(running)[0], signal.SIGSTOP)
        answer = finished(running)
    assert answer.code == 3
    assert b"it took longer than 3 s" in outputs(tmp_path)["r.json"]
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


@pytest.mark.parametrize("to_group", [True, False])
def test_an_interrupt(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path, to_group: bool) -> None:
    """From a terminal it reaches the workers too."""
    with begun(folders, tmp_path, "-j", 2) as running:
        workers = workers_of(running)
        (os.killpg if to_group else os.kill)(running.pid, signal.SIGINT)
        answer = finished(running)
    assert answer.code == 130
    assert answer.cause == "error: interrupted"
    assert "cases are in r.journal" in answer.err
    assert "Traceback" not in answer.err
    assert all(is_zombie(pid) for pid in workers)
    assert not (tmp_path / "r.json").exists()
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


@pytest.mark.parametrize("milliseconds", [*range(0, 200, 20), 250, 300, 350, 400])
def test_an_interrupt_while_workers_are_started(folders: tuple[Path, Path], tmp_path: Path, milliseconds: int) -> None:
    """It reaches processes that still import modules: they stay silent, and end."""
    with started(folders, tmp_path, "-j", 2) as running:
        until(lambda: bool(descendants(running.pid)), running)
        time.sleep(milliseconds / 1000)
        assert running.poll() is None, "the run was over before it could be disturbed"
        os.killpg(running.pid, signal.SIGINT)
        answer = finished(running)
    assert answer.code == 130, answer.err
    assert answer.cause == "error: interrupted"
    assert "Traceback" not in answer.err
    until(lambda: not session(running.pid))


def session(leader: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, member_of = path.read_text().rpartition(")")[2].split()[:4]
            if int(member_of) == leader and state != "Z":
                found.append(int(path.parent.name))
    return found


def test_two_runs_at_once(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    """The second one is refused, whether it resumes or not, and the first goes on undisturbed."""
    with begun(folders, tmp_path, "-j", 2) as running:
        os.kill(running.pid, signal.SIGSTOP)
        for options in ([], ["--resume"]):
            answer = spawn(*command(folders, *options), folder=tmp_path)
            assert answer.code == 2
            assert answer.cause == (
                "error: r.journal: another run is writing this journal; wait for it, or use another name for -o"
            )
        os.kill(running.pid, signal.SIGCONT)
        assert finished(running).code == 3
    assert outputs(tmp_path) == expected
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


def test_resuming_says_what_it_does(folders: tuple[Path, Path], tmp_path: Path) -> None:
    talkative = [each for each in command(folders, "--resume") if each != "-q"]
    assert "no journal r.journal to resume: scoring all cases\n" in spawn(*talkative, folder=tmp_path).err
    scored = CASES - 2
    assert (
        f"{scored} of {CASES} cases were scored before, according to r.journal\n"
        in spawn(*talkative, folder=tmp_path).err
    )
    path = tmp_path / "r.journal"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    assert f"5 of {CASES} cases were scored before, according to r.journal\n" in spawn(*talkative, folder=tmp_path).err
    assert "journal" not in spawn(*talkative, "-q", folder=tmp_path).err


def test_a_journal_is_not_touched_before_all_options_are_known_to_be_right(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    assert spawn(*command(folders), folder=tmp_path).code == 3
    before = (tmp_path / "r.journal").read_bytes()
    (tmp_path / "cases.csv").write_text("case,site\n")
    for options, code in (
        (["--metadata", "none.csv", "--by", "site"], 3),
        (["--metadata", "cases.csv", "--by", "ward"], 2),
        (["-o", "none/r.csv"], 2),
        (["--resume", "--penalty", "nan"], 2),
    ):
        answer = spawn(*command(folders, *options), folder=tmp_path)
        assert answer.code == code
        assert (tmp_path / "r.journal").read_bytes() == before, options
        assert not list(tmp_path.glob("r.journal.*"))
    assert "other settings (penalty)" in answer.cause
    assert spawn(*command(folders), folder=tmp_path).code == 3
    assert spawn(*command(folders), folder=tmp_path).code == 3
    assert (tmp_path / "r.journal.1").read_bytes() == before
    assert (tmp_path / "r.journal.2").exists()


def test_other_spellings_of_the_same_paths(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """The results are those of a run by the new names."""
    for name, folder in zip("pr", folders, strict=True):
        shutil.copytree(folder, tmp_path / name)
    plain, dotted, absolute = (("p", "r"), ("./p", "../here/r"), (str(tmp_path / "p"), str(tmp_path / "r")))
    (tmp_path.parent / "here").symlink_to(tmp_path)
    wanted = {}
    for names in (plain, dotted, absolute):
        assert spawn(*command(names), folder=tmp_path).code == 3
        wanted[names] = outputs(tmp_path)
    size = (tmp_path / "r.journal").stat().st_size
    for names in (plain, dotted, absolute):
        assert spawn(*command(names, "--resume"), folder=tmp_path).code == 3
        assert outputs(tmp_path) == wanted[names]
        assert (tmp_path / "r.journal").stat().st_size == size


def test_the_end_of_the_parent(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    with begun(folders, tmp_path, "-j", 2) as running:
        workers = workers_of(running)
        running.kill()
        finished(running)
    kept = (tmp_path / "r.journal").read_bytes()
    (tmp_path / "r.journal").write_bytes(kept + b'{"case": "case_1')  # as if it had been cut in the middle of a line
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(is_zombie(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.001)
    answer = spawn(*command(folders, "--resume", "-v"), folder=tmp_path)
    assert answer.code == 3
    assert outputs(tmp_path) == expected
    assert (tmp_path / "r.journal").read_bytes().startswith(kept)


def test_resuming_twice_scores_nothing_anew(
    folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path
) -> None:
    assert spawn(*command(folders), folder=tmp_path).code == 3
    size = (tmp_path / "r.journal").stat().st_size
    for name in NAMES:
        (tmp_path / name).unlink()
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert (tmp_path / "r.journal").stat().st_size == size
    assert outputs(tmp_path) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk(folders: tuple[Path, Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    """No file may grow over a limit: first the journal does not fit, then it does and the results do not."""
    (tmp_path / "r.json").write_text("earlier")
    (tmp_path / "r.csv").write_text("earlier")
    small = limited(folders, tmp_path, kibibytes=16)
    assert small.code == 2
    assert small.cause == "error: r.journal: the journal cannot be written: file too large"
    assert (tmp_path / "r.json").read_text() == (tmp_path / "r.csv").read_text() == "earlier"
    kept = (tmp_path / "r.journal").read_bytes().count(b"\n") - 1
    assert kept > 0
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    (tmp_path / "r.json").write_text("earlier")
    room = limited(folders, tmp_path, "--resume", kibibytes=(len(expected["r.json"]) - 1) // 1024)
    assert room.code == 2
    assert "r.json: cannot be written: file too large" in room.err
    assert (tmp_path / "r.json").read_text() == "earlier"
    assert (tmp_path / "r.csv").read_bytes() == expected["r.csv"]
    assert not list(tmp_path.glob(".segeval-*"))
    assert spawn(*command(folders, "--resume"), folder=tmp_path).code == 3
    assert outputs(tmp_path) == expected


def limited(folders: tuple[Path, Path], folder: Path, *options: object, kibibytes: int) -> Answer:
    line = f'ulimit -f {kibibytes}; exec "$@"'
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", line, "bash", *SEGEVAL, *command(folders, *options)],
        cwd=folder,
        env=plain_environment() | {"PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_results_that_do_not_fit_keep_nothing_back(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A folder that is taken away while the run goes on: the journal is told, and stdout has the results."""
    place = tmp_path / "place"
    place.mkdir()
    options = ["-m", "dice", "-f", "csv", "-o", "place/r.json"]
    with subprocess.Popen(  # noqa: S603
        [*SEGEVAL, "batch", *map(str, folders), *options],
        cwd=tmp_path,
        env=plain_environment() | {"PYTHONPATH": str(TOP)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        journal = place / "r.journal"
        until(lambda: journal.exists() and journal.stat().st_size > 0)
        shutil.rmtree(place)
        out, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 2
    assert "place/r.json: cannot be written: the folder" in err
    assert out.startswith("case,label,name")
