"""The journal of a run: a record of each finished case, so that an interrupted run can be resumed.

A text file of JSON lines: first the settings of the run, then a line for each scored case, with the files it was
scored from. Lines are only appended, so only the last one can be cut short; it is dropped when the journal is read. A
line ends with a checksum, so that it need not be parsed to know that it is whole. A case is taken over if its files
have not changed by size and time, or by content if the times differ, and if the same files are next to them. When a
run has finished, its journal can be removed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from segeval.errors import UsageError, shown
from segeval.evidence.counts import ContingencyTable
from segeval.results.json_records import case_record, read_case, typed
from segeval.results.rows import LabelCounts, Score
from segeval.scoring.case import Case, Outcome
from segeval.scoring.inputs import Input

if sys.platform != "win32":
    import fcntl

FORMAT = 2
KIND = "segeval journal"

_AFTER_HEAD = b',"record":'  # cannot occur inside a JSON string, where quotes are escaped
_SUM = b',"crc":"'
_END = b'"}\n'
_TAIL = len(_SUM) + 8 + len(_END)


class Journal:
    """A journal; it is read on creation, and cases are added after `begin`.

    Parameters
    ----------
    path
        Path of the file.
    settings
        Settings of the run: `segeval.running.settings.RunSettings.of_journal`.
    resume
        Whether to take over cases of the same run; anything after the last whole line is then dropped. Otherwise a
        journal with cases is renamed to the first of ``NAME.1``, ``NAME.2``, ... that is free.

    Raises
    ------
    UsageError
        The file is not a journal, or another run is writing it, or a run to be resumed had other settings. The file is
        then unchanged.
    """

    def __init__(self, path: Path, *, settings: Mapping[str, Any], resume: bool) -> None:
        self.path = path
        self.is_begun = False
        self._resume = resume
        self._head = {"kind": KIND, "format": FORMAT, "settings": dict(settings)}
        self._places: dict[str, int] = {}
        self._end = 0
        self._keeps = False
        self._read_as: tuple[int, int, int] | None = None
        self._verdicts: dict[Case, bool] = {}
        self._file: io.FileIO | None = None
        self._closed_as: tuple[int, int, int] | None = None
        try:
            if path.exists() and not path.is_file():
                self._refuse()
            with path.open("rb") as file:
                self._lock(file, shared=True)
                self._read_as = _state(file)
                self._read(file)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unwritable(error) from None

    @property
    def exists(self) -> bool:
        """Whether a journal is being resumed."""
        return self._resume and self._end > 0

    def begin(self) -> None:
        """Open the file for writing, and lock it; an earlier journal is renamed or continued.

        Raises
        ------
        UsageError
            The file cannot be written, or another run is writing it.
        """
        if self._file is not None:
            return
        try:
            file = self._opened(self._read_as)
            if self._keeps and not self._resume:
                self._put_aside(file)
                file = self._opened(None)
            self._file = file
            file.truncate(self._end)
            if not self._end:
                self._write(json.dumps(self._head, separators=(",", ":")))
        except OSError as error:
            raise self._unwritable(error) from None
        self.is_begun = True

    def close(self) -> None:
        """Close the file, and unlock it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._closed_as = _state(self._file)
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the file after it is closed, unless another run has begun to write it."""
        with contextlib.suppress(OSError, UsageError):
            with self.path.open("rb") as file:
                self._lock(file, shared=False)
                is_ours = self._closed_as is not None and _state(file) == self._closed_as
                if is_ours and sys.platform != "win32":
                    self.path.unlink()
            if is_ours and sys.platform == "win32":  # it does not delete an open file
                self.path.unlink()

    def unchanged(self, cases: Iterable[Case]) -> list[Case]:
        """Return the cases that are in the journal with the same files, which have not changed since."""
        if not self._places:
            return []
        known: dict[Input, bool] = {}
        found = []
        with self._reading() as file:
            for case in cases:
                if case.name not in self._places:
                    continue
                if case not in self._verdicts:
                    file.seek(self._places[case.name])
                    self._verdicts[case] = _is_same(case, file.readline(), known)
                if self._verdicts[case]:
                    found.append(case)
        return found

    def taken_over(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Return the outcomes of the cases that are in the journal and have not changed since."""
        chosen = self.unchanged(cases)
        if not chosen:
            return
        with self._reading() as file:
            for case in chosen:
                file.seek(self._places[case.name])
                try:
                    outcome = _outcome(json.loads(file.readline()))
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue  # somebody changed the line: the case is scored again
                record = replace(outcome.record, prediction=case.prediction, reference=case.reference)
                yield replace(outcome, record=record, is_taken_over=True)

    def add(self, outcome: Outcome) -> None:
        """Append a scored case, with its inputs.

        Raises
        ------
        UsageError
            The line cannot be written, because of a full disk for instance; earlier lines are kept.
        """
        self.begin()
        record = outcome.record
        head = {
            "case": record.case,
            "files": _real(record.prediction, record.reference),
            "inputs": [astuple(each) for each in outcome.inputs],
        }
        rest = {
            "record": case_record(record),
            "scores": [
                [each.label, each.name, each.metric, _number(each.value), each.unit, each.note]
                for each in outcome.scores
            ],
            "counts": [[each.label, each.tp, each.fp, each.fn, each.tn] for each in outcome.counts],
            "names": {str(label): name for label, name in outcome.names.items()},
            "table": None if outcome.table is None else list(outcome.table.rows()),
        }
        parts = (json.dumps(part, separators=(",", ":"), allow_nan=False) for part in (head, rest))
        body = ",".join(part[1:-1] for part in parts)
        try:
            self._write(f'{{{body},"crc":"{zlib.crc32(f"{{{body}".encode()):08x}"}}')
        except OSError as error:
            raise self._unwritable(error) from None

    def _write(self, text: str) -> None:
        assert self._file is not None  # noqa: S101 - `begin` opened it
        line = memoryview(f"{text}\n".encode())  # ASCII: names that are not valid UTF-8 are kept as escapes
        while line:
            line = line[self._file.write(line) :]

    def _reading(self) -> io.BufferedReader:
        try:
            return self.path.open("rb")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"the journal cannot be read: {reason}", source=str(self.path)) from None

    def _unwritable(self, error: OSError) -> UsageError:
        reason = (error.strerror or str(error)).lower()
        return UsageError(f"the journal cannot be written: {reason}", source=str(self.path))

    def _taken(self) -> NoReturn:
        hint = "wait for it, or use another name for -o"
        raise UsageError("another run is writing this journal", source=str(self.path), hint=hint) from None

    def _refuse(self) -> NoReturn:
        raise UsageError("not a segeval journal; refusing to overwrite it", source=str(self.path), hint="move it away")

    def _opened(self, expected: tuple[int, int, int] | None) -> io.FileIO:
        """Open the file for appending, if it is still the one that was read or still does not exist."""
        file = self.path.open("a+b", buffering=0)
        try:
            self._lock(file, shared=False)
            now = _state(file)
            in_place = os.path.samestat(os.fstat(file.fileno()), self.path.stat())
            if not in_place or (now != expected if expected is not None else now[2]):
                self._taken()
        except BaseException:
            file.close()
            raise
        return file

    def _lock(self, file: io.BufferedReader | io.FileIO, *, shared: bool) -> None:
        """Lock the file for this run, if the system can do that; closing it unlocks it."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._taken()
        except OSError:
            pass  # the file system has no locks

    def _put_aside(self, file: io.FileIO) -> None:
        """Rename the file, which is locked, to a name that is free."""
        if sys.platform == "win32":
            file.close()  # Windows does not rename an open file
        number = 1
        while os.path.lexists(free := self.path.with_name(f"{self.path.name}.{number}")):
            number += 1
        with file:
            self.path.rename(free)
        self._end = 0

    def _read(self, file: io.BufferedReader) -> None:
        """Read the settings of the run, and find the cases and the end of the last whole line."""
        head = file.readline()
        found = self._read_head(head)
        if not self._resume or not found:
            self._keeps = file.readline().endswith(b"\n")
            return
        changed = self._changed(found)
        if changed:
            raise UsageError(
                f"the journal belongs to a run with other settings ({', '.join(map(shown, changed))})",
                source=str(self.path),
                hint="leave out --resume to score all cases, or use another name for -o",
            )
        self._end = len(head)
        for line in file:
            name = _name_in(line)
            if name is None:
                break
            self._places[name] = self._end
            self._end += len(line)

    def _read_head(self, line: bytes) -> dict[str, Any]:
        """Return the first line as data; empty if it was cut short, and no case follows."""
        beginnings = [json.dumps({"kind": KIND}, separators=each)[:-1].encode() for each in ((",", ":"), (", ", ": "))]
        if not line.endswith(b"\n") and any(line[: len(each)] == each[: len(line)] for each in beginnings):
            return {}
        try:
            head = json.loads(line)
            if isinstance(head, dict) and head["kind"] == KIND:
                return head
        except (ValueError, KeyError, RecursionError):
            pass
        return self._refuse()

    def _changed(self, found: Mapping[str, Any]) -> list[str]:
        """Return the settings that differ."""
        if found.get("format") != FORMAT:
            return ["the journal's format"]
        settings, before = json.loads(json.dumps(self._head["settings"])), found.get("settings")
        before = before if isinstance(before, dict) else {}
        return sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))


def _state(file: io.BufferedReader | io.FileIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size


def _real(*paths: str | None) -> list[str | None]:
    """Return the real path of each file."""
    return [None if path is None else os.path.realpath(path) for path in paths]


def _read_head_of(line: bytes) -> dict[str, Any]:
    """Return the beginning of a case's line: its name and the files that it was scored from."""
    head, mark, _ = line.partition(_AFTER_HEAD)
    if not mark:
        raise ValueError("there is nothing after the head")
    found: dict[str, Any] = json.loads(head + b"}")
    return found


def _name_in(line: bytes) -> str | None:
    """Return the case of a line; None if the line is not whole."""
    body = line[:-_TAIL]
    if line[-_TAIL:] != _SUM + f"{zlib.crc32(body):08x}".encode() + _END:
        return None
    try:
        return str(typed(_read_head_of(line), "case", str))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_same(case: Case, line: bytes, known: dict[Input, bool]) -> bool:
    """Whether a case has the files of the line, and they have not changed."""
    try:
        head = _read_head_of(line)
        names = [field.name for field in fields(Input)]
        inputs = [Input(**dict(zip(names, each, strict=True))) for each in typed(head, "inputs", list)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if head["files"] != _real(case.prediction, case.reference):
        return False
    for each in inputs:
        if each not in known:
            known[each] = each.is_unchanged()  # all cases may share a folder
    return all(known[each] for each in inputs)


def _number(value: float | None) -> float | str | None:
    """Return a score for JSON; an infinite score is a string."""
    if value is None:
        return None
    number = float(value)
    return number if abs(number) < float("inf") else str(number)


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    record, table = read_case(typed(entry, "record", dict)), entry["table"]
    return Outcome(
        record=record,
        scores=tuple(
            Score(
                case=record.case,
                label=label,
                name=name,
                metric=metric,
                value=None if value is None else float(value),
                unit=unit,
                note=note,
            )
            for label, name, metric, value, unit, note in typed(entry, "scores", list)
        ),
        counts=tuple(
            LabelCounts(case=record.case, label=label, tp=tp, fp=fp, fn=fn, tn=tn)
            for label, tp, fp, fn, tn in typed(entry, "counts", list)
        ),
        names={int(label): name for label, name in typed(entry, "names", dict).items()},
        table=None
        if table is None
        else ContingencyTable.from_pairs({(reference, prediction): voxels for reference, prediction, voxels in table}),
    )
