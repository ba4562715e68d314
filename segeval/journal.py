"""The journal of a run: each case as it is finished, so that an interrupted run can be taken up again.

A text file of JSON lines: first what the run rests on, then a line for each scored case, with the files it was scored
from. Lines are only ever appended, so what is cut short is the last one; it is dropped when the journal is read. A case
is taken over if nothing about it has changed: its files by size and time, and by content where the times differ.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segeval.cases import Case, Outcome
from segeval.counts import ContingencyTable
from segeval.errors import InputError, UsageError
from segeval.reading.folders import class_files
from segeval.records import case_record, count_record, read_case, read_count, read_score, score_record, typed

FORMAT = 1
KIND = "segeval journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file or folder that a case was scored from.

    Parameters
    ----------
    path
        The file, or a folder with a file for each class.
    size
        Bytes of the file; class files of the folder.
    modified_ns
        When the file was last changed, in nanoseconds; 0 for a folder.
    digest
        Of the file's content or the folder's names; None if the file was changed while it was read.
    """

    path: str
    size: int
    modified_ns: int
    digest: str | None

    def is_unchanged(self) -> bool:
        """Whether it is as it was."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - the name goes to the system as it was given
            if Path(self.path).is_dir():
                return folder_input(self.path) == self
            if status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.modified_ns or _digest(self.path) == self.digest
        except (OSError, ValueError, InputError):
            return False


def file_input(path: str, status: os.stat_result) -> Input:
    """A file that was read, with its status when it was opened.

    Raises
    ------
    OSError
        It cannot be read any more.
    """
    digest = _digest(path)
    now = os.stat(path)  # noqa: PTH116
    same = (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    return Input(path=path, size=status.st_size, modified_ns=status.st_mtime_ns, digest=digest if same else None)


def folder_input(path: str) -> Input:
    """A folder with a file for each class: which files there are."""
    names = sorted(class_files(path))
    return Input(
        path=path, size=len(names), modified_ns=0, digest=hashlib.sha256(json.dumps(names).encode()).hexdigest()
    )


def _digest(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """A journal that is open to be added to.

    Parameters
    ----------
    path
        The file. What is there is read, and what follows its last whole line is dropped.
    settings
        What the run rests on. A journal of another run is put aside, as ``NAME.old``.
    resume
        Whether cases of the same run are taken over; otherwise any journal that is there is put aside.

    Raises
    ------
    UsageError
        The file cannot be written, or is none of ours.
    """

    def __init__(self, path: Path, *, settings: Mapping[str, Any], resume: bool) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        head = {"kind": KIND, "format": FORMAT, "settings": settings}
        self.changed: list[str] = []
        try:
            end = self._read(head, resume=resume) if path.exists() else None
            if end is None:
                if path.exists():
                    path.replace(path.with_name(f"{path.name}.old"))
                self._file = path.open("xb", buffering=0)
                self._write(head)
            else:
                self._file = path.open("r+b", buffering=0)
                self._file.truncate(end)
                self._file.seek(end)
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def taken_over(self, cases: Iterable[Case]) -> Iterator[tuple[Case, Outcome]]:
        """Those of the cases that are in the journal and have not changed since, with what became of them."""
        if not self._places:
            return
        with self.path.open("rb") as file:
            for case in cases:
                place = self._places.get(case.name)
                if place is None:
                    continue
                file.seek(place)
                entry = json.loads(file.readline())
                outcome = _outcome(entry)
                same = (outcome.record.prediction, outcome.record.reference) == (case.prediction, case.reference)
                if same and all(Input(**each).is_unchanged() for each in entry["inputs"]):
                    yield case, outcome

    def add(self, outcome: Outcome, inputs: Iterable[Input]) -> None:
        """Append a scored case.

        Raises
        ------
        UsageError
            There is no room for it, for instance; what was appended before is kept.
        """
        entry = {
            "case": outcome.record.case,
            "inputs": [
                {"path": each.path, "size": each.size, "modified_ns": each.modified_ns, "digest": each.digest}
                for each in inputs
            ],
            "record": case_record(outcome.record),
            "scores": [score_record(score) for score in outcome.scores],
            "counts": [count_record(counts) for counts in outcome.counts],
            "names": {str(label): name for label, name in outcome.names.items()},
            "table": None if outcome.table is None else list(outcome.table.rows()),
        }
        try:
            self._write(entry)
        except OSError as error:
            raise self._unwritable(error) from None

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = memoryview(f"{json.dumps(entry)}\n".encode())  # ASCII: names that are no UTF-8 survive as escapes
        while line:
            line = line[self._file.write(line) :]

    def _unwritable(self, error: OSError) -> UsageError:
        reason = (error.strerror or str(error)).lower()
        return UsageError(f"the journal cannot be written: {reason}", source=str(self.path))

    def _head(self, line: bytes) -> dict[str, Any]:
        """The first line, if it is one of ours; one that was cut short says nothing of any case."""
        if not line.endswith(b"\n") and (not line or line.startswith(f'{{"kind": "{KIND}"'.encode()[: len(line)])):
            return {}
        try:
            head = json.loads(line)
            if isinstance(head, dict) and head["kind"] == KIND:
                return head
        except (ValueError, KeyError, RecursionError):
            pass
        raise UsageError(
            "this is no journal of segeval, and would be overwritten", source=str(self.path), hint="move it away"
        )

    def _read(self, head: Mapping[str, Any], *, resume: bool) -> int | None:
        """Find the cases; the end of the last whole line, or None where the journal is to be put aside."""
        with self.path.open("rb") as file:
            found = self._head(file.readline())
            if not resume:
                return None
            settings = json.loads(json.dumps(head["settings"]))
            if found.get("format") != FORMAT or found.get("settings") != settings:
                before = found.get("settings")
                before = before if isinstance(before, dict) else {}
                self.changed = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
                return None
            end = file.tell()
            for line in file:
                if not _is_whole(line):
                    break
                self._places[json.loads(line)["case"]] = end
                end += len(line)
        return end


def _is_whole(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        entry = json.loads(line)
        _outcome(entry)
        return all(isinstance(Input(**each), Input) for each in entry["inputs"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    table = entry["table"]
    return Outcome(
        record=read_case(typed(entry, "record", dict)),
        scores=tuple(map(read_score, typed(entry, "scores", list))),
        counts=tuple(map(read_count, typed(entry, "counts", list))),
        names={int(label): name for label, name in typed(entry, "names", dict).items()},
        table=None
        if table is None
        else ContingencyTable.from_pairs({(reference, prediction): voxels for reference, prediction, voxels in table}),
    )
