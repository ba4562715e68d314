"""`segeval.batch(progress=...)`: a bar, events for a function, or nothing."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import segeval
from segeval import ProgressEvent
from tests.command import box, save

FOUR = ("a", "b", "c", "d")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four cases: two are scored, one is damaged, one has no prediction."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for folder in (predictions, references):
        folder.mkdir()
    for name in FOUR:
        save(references / f"{name}.nii", box((6, 6, 6)))
        if name != "d":
            save(predictions / f"{name}.nii", box((6, 6, 6)))
    (predictions / "b.nii").write_bytes(b"no image")
    return predictions, references


class Terminal:
    """A stream that keeps what is written, as a terminal or as a log."""

    encoding = "utf-8"

    def __init__(self, *, is_terminal: bool) -> None:
        self.text, self._is_terminal = "", is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_function_receives_an_event_for_each_case(folders: tuple[Path, Path], jobs: int) -> None:
    events: list[ProgressEvent] = []
    threads = set()

    def note(event: ProgressEvent) -> None:
        events.append(event)
        threads.add(threading.current_thread())

    results = segeval.batch(*folders, metrics="dice", jobs=jobs, progress=note)
    assert threads == {threading.current_thread()}
    assert [event.done for event in events] == [1, 2, 3, 4]
    assert {event.total for event in events} == {4}
    assert events[-1].failed == 2
    assert {event.case: event.status for event in events} == {record.case: record.status for record in results.cases}
    assert {event.case: event.message for event in events} == {record.case: record.message for record in results.cases}
    assert "'failed': 1" not in repr(events[0])
    with pytest.raises(AttributeError):
        events[0].done = 5  # type: ignore[misc]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_of_the_function_ends_the_run(folders: tuple[Path, Path], kind: type[BaseException]) -> None:
    def stop(event: ProgressEvent) -> None:
        if event.done == 2:
            raise kind("enough")

    with pytest.raises(kind, match="enough"):
        segeval.batch(*folders, metrics="dice", jobs=2, progress=stop)
    assert len(segeval.batch(*folders, metrics="dice", jobs=2).cases) == 4


def test_runs_in_threads_have_events_of_their_own(folders: tuple[Path, Path]) -> None:
    found: dict[int, list[int]] = {0: [], 1: []}

    def work(number: int) -> None:
        segeval.batch(*folders, metrics="dice", jobs=2, progress=lambda event: found[number].append(event.done))

    threads = [threading.Thread(target=work, args=(number,)) for number in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: [1, 2, 3, 4], 1: [1, 2, 3, 4]}


@pytest.mark.parametrize("progress", [False, None])
def test_a_library_is_quiet_by_default(
    folders: tuple[Path, Path], progress: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    segeval.batch(*folders, metrics="dice", jobs=1, progress=progress)
    segeval.batch(*folders, metrics="dice", jobs=1)
    assert stream.text == ""


def test_a_bar_in_a_terminal_and_nothing_in_the_log_of_a_short_run(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for is_terminal in (True, False):
        stream = Terminal(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        segeval.batch(*folders, metrics="dice", jobs=1, progress=True)
        assert ("4/4 cases, 1 failed, 1 without a prediction" in stream.text) == is_terminal
    assert stream.text == ""


def test_a_bar_in_a_notebook(folders: tuple[Path, Path]) -> None:
    nbformat: Any = pytest.importorskip("nbformat")
    nbclient: Any = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    predictions, references = map(str, folders)
    code = (
        "import segeval\n"
        f"results = segeval.batch({predictions!r}, {references!r}, metrics='dice', jobs=2, progress=True)\n"
        "assert len(results.cases) == 4"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    updates: list[dict[str, Any]] = []
    client = nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3")
    process_message = client.process_message

    def noted(message: dict[str, Any], *arguments: Any) -> Any:
        if message["msg_type"] in ("display_data", "update_display_data"):
            updates.append(message["content"]["data"])
        return process_message(message, *arguments)

    client.process_message = noted
    client.execute()
    (cell,) = notebook.cells
    (output,) = cell.outputs  # no line on stderr, no second bar
    assert output.data == {
        "text/plain": "4/4 cases, 1 failed, 1 without a prediction",
        "text/html": "4/4 cases, 1 failed, 1 without a prediction",
    }
    assert updates[0]["text/html"].startswith('<progress value="0" max="4"')
    assert updates[0]["text/plain"] == "0/4 cases"
