"""What the README shows is what happens: its sessions are run, and its tables come from the registry."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from segeval.cli import run
from segeval.metrics import METRICS
from segeval.reading.formats import FORMATS
from segeval.reports.markdown import metrics_table
from segeval.reports.writers import EXPORTS, WRITERS
from tests.places import SAMPLES, TOP

README = TOP / "README.md"
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UPDATE = bool(os.environ.get("SEGEVAL_UPDATE_GOLDEN"))


def made_before(name: str) -> list[str]:
    """The arguments of the session that writes a file which a later one reads."""
    commands = [shlex.split(command) for command, _ in sessions()]
    return next(words[1:] for words in commands if ["-o", name] in [words[k : k + 2] for k in range(len(words))])


def sessions() -> list[tuple[str, str]]:
    """Each command of the README with the output shown beneath it."""
    found = []
    for block in SESSION.findall(README.read_text(encoding="utf-8")):
        command, _, output = block.partition("\n")
        found.append((command.removeprefix("$ "), output))
    return found


@pytest.mark.parametrize(("command", "shown"), sessions(), ids=lambda text: text[:60])
def test_a_session_gives_what_it_shows(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "sample_data").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "segeval"
    if arguments[0] in ("report", "table"):
        assert run(made_before(arguments[1])) == 0
        capfd.readouterr()
    code = run(arguments)
    captured = capfd.readouterr()
    errors = "".join(f"{line}\n" for line in captured.err.splitlines() if line.startswith("error: "))
    printed = captured.out + errors + (f"$ echo $?\n{code}\n" if code else "")
    if UPDATE:
        text = README.read_text(encoding="utf-8")
        README.write_text(text.replace(f"$ {command}\n{shown}```", f"$ {command}\n{printed}```"), encoding="utf-8")
    else:
        assert printed == shown


def test_the_table_of_metrics_is_the_registry() -> None:
    assert metrics_table(METRICS.values()) in README.read_text(encoding="utf-8")


def test_the_list_of_files_is_the_table_of_writers() -> None:
    files = [(f"-o {row.example}", row.contents) for row in WRITERS.values()]
    files += [(f"--export {row.kind}:{row.example}", row.contents) for row in EXPORTS.values()]
    rows = "".join(f"| `{option}` | {contents} |\n" for option, contents in files)
    assert f"| file | what is in it |\n|---|---|\n{rows}\n" in README.read_text(encoding="utf-8")


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(TOP)
    (example,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  (our own text)
    first, signature, liver = capsys.readouterr().out.splitlines()
    assert first == "0.9"
    assert signature.startswith("segeval ")
    assert liver == "liver: 0.8730 over 13, 1 missed, worst case_14"


def test_every_linked_file_exists() -> None:
    for page in [README, *TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("sample_data/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_format_of_label_maps_is_named() -> None:
    use = README.read_text(encoding="utf-8").partition("## Use\n")[2].partition("```")[0]
    for each in FORMATS:
        if "labels" in each.gives:
            assert re.search(rf"\b{re.escape(each.title)}\b", use), each.title
