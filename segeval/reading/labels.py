"""Read names of label numbers from the command line or a file.

On the command line they are written ``1=liver,2=tumour``. A file may be a dataset.json, a JSON object, a BIDS dseg.tsv,
a colour table of ITK-SNAP, 3D Slicer or FreeSurfer, or any table with a header; the content decides. A mistake on the
command line is a usage error, a mistake in a file an input error.
"""

from __future__ import annotations

import codecs
import io
import os
import re

from segeval.errors import InputError, UsageError, shown
from segeval.reading.contents import AGAIN, HEAD_BYTES, unexpected
from segeval.reading.dialects.colors import FREESURFER, ITK_SNAP, SLICER, is_color_table, read_colors
from segeval.reading.dialects.columns import BIDS, COLUMNS, header_of, read_columns
from segeval.reading.dialects.objects import read_objects
from segeval.reading.files import opened
from segeval.reading.tables import INLINE, NAME_ONCE, NUMBER_HINT, LabelTable, quoted, table_number

MAX_FILE_BYTES = 1 << 24

_SUFFIXES = (".json", ".tsv", ".csv", ".txt", ".ctbl", ".ctab", ".lut", ".label")
_EXPECTED_INLINE = "write it like 1=liver,2=tumour"
_KNOWN = f"use a dataset.json, JSON object, {BIDS}, {ITK_SNAP}, {SLICER}, {FREESURFER} or a table"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse_labels(spec: str) -> LabelTable:
    """Read label names from text such as ``1=liver,2=tumour``, or from a file.

    Parameters
    ----------
    spec
        Pairs of number and name, or the path of a label table. Text with an equals sign is a path only if such a file
        exists.

    Returns
    -------
    LabelTable
        Names in the given order, with the regions and the ignored label of a dataset.json.

    Raises
    ------
    UsageError
        The text is not a list of numbers and names, or names a number twice.
    InputError
        The file cannot be read or is not a label table.

    Examples
    --------
    >>> dict(parse_labels("1=liver, 2=liver tumour").names)
    {1: 'liver', 2: 'liver tumour'}
    """
    if not spec.strip():
        raise UsageError("no labels given", source="--labels", hint=_EXPECTED_INLINE)
    if "=" in spec and not _is_file(spec):
        return _from_text(spec)
    try:
        missing = not os.path.lexists(spec)
    except ValueError as error:
        raise UsageError(f"not a file name: {error}", source=spec, hint=_EXPECTED_INLINE) from None
    if missing and not spec.lower().endswith(_SUFFIXES):
        raise UsageError("expected number=name pairs or an existing file", source=spec, hint=_EXPECTED_INLINE)
    return read_label_table(spec)


def _is_file(spec: str) -> bool:
    try:
        return os.path.isfile(spec)  # noqa: PTH113 - a Path of arbitrary text may raise
    except ValueError:
        return False


def _from_text(spec: str) -> LabelTable:
    names: dict[int, str] = {}
    skipped: dict[str, str] = {}
    for pair in spec.split(","):
        if not pair.strip():
            continue
        number, equals, name = pair.partition("=")
        if not equals or not name.strip():
            problem = f"expected number=name, found {shown(pair.strip())!r}"
            raise UsageError(problem, source="--labels", hint=_EXPECTED_INLINE)
        label = table_number(number)
        if label is None:
            raise _not_a_number(number)
        if label < 0:
            skipped.setdefault(name.strip(), number)
            continue
        if label in names:
            raise UsageError(f"label {label} is named twice", source="--labels", hint=NAME_ONCE)
        names[label] = name.strip()
    if skipped and not names:
        raise _not_a_number(next(iter(skipped.values())))
    if not names:
        raise UsageError("no labels given", source="--labels", hint=_EXPECTED_INLINE)
    return LabelTable(names=names, skipped=frozenset(skipped), dialect=INLINE, source="--labels")


def _not_a_number(number: str) -> UsageError:
    return UsageError(f"{shown(number.strip())!r} is not a label number", source="--labels", hint=NUMBER_HINT)


def read_label_table(path: str | os.PathLike[str]) -> LabelTable:
    """Read a label table from a file of any known dialect.

    Parameters
    ----------
    path
        A file of at most 16 MB, in UTF-8, or in UTF-16 with a byte order mark.

    Returns
    -------
    LabelTable
        Names of the labels, with the `dialect` of the file.

    Raises
    ------
    InputError
        The file cannot be read, its dialect is unknown, or it names a number twice. The message has the line number.

    Examples
    --------
    >>> read_label_table("missing.tsv")
    Traceback (most recent call last):
    ...
    segeval.errors.InputError: missing.tsv: no such file
    """
    source = os.fspath(path)
    text = _decoded(_bytes_of(source), source)
    if source.lower().endswith(".json") or text.lstrip()[:1] in ("{", "["):
        return read_objects(text, source=source)
    lines = re.split(r"\r\n|\r|\n", text)
    header = header_of(lines)
    if is_color_table(lines) and (header is None or lines[header.line].lstrip().startswith("#")):
        return read_colors(lines, source=source)  # a comment of a colour table may look like a header
    if header is not None:
        return read_columns(lines, header, source=source)
    raise _unknown(text, lines, source)


def _bytes_of(path: str) -> bytes:
    """Read a small regular file."""
    with opened(path) as unbuffered, io.BufferedReader(unbuffered) as file:
        try:
            data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise InputError(f"the file cannot be read: {error.strerror or error}", source=path) from error
    if len(data) > MAX_FILE_BYTES:
        problem = f"the file is too large: expected at most {MAX_FILE_BYTES >> 20} MB of label names, found more"
        raise InputError(problem, source=path)
    return data


def _decoded(data: bytes, source: str) -> str:
    """Decode a file in UTF-8 or UTF-16; refuse anything else."""
    if data.startswith(_UTF16):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            problem = f"the text is not valid UTF-16 at byte {error.start}"
            raise InputError(problem, source=source, hint="save it as UTF-8") from None
        if "\0" not in text:
            return text
    if b"\0" in data:
        if b"\0\0" in (data[:4:2], data[1:4:2]) and data.strip(b"\0"):
            problem = "expected UTF-8, found UTF-16 without a byte order mark"
            raise InputError(problem, source=source, hint="save it as UTF-8")
        raise unexpected(data[:HEAD_BYTES], expected="a label table", source=source)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
    if data[0] in (0x1F, 0x89) or data[:2] == b"\xff\xd8":  # gzip, PNG, NumPy or JPEG, and not text in Latin-1
        raise unexpected(data[:HEAD_BYTES], expected="a label table", source=source)
    problem = f"line {line}: the text is not valid UTF-8 (byte 0x{byte:02x})"
    raise InputError(problem, source=source, hint="save it as UTF-8")


def _unknown(text: str, lines: list[str], source: str) -> InputError:
    """Return the error for a text that is not a known label table."""
    start = text.lstrip()
    if not start:
        return InputError("the file has only white space", source=source, hint=AGAIN)
    if start.startswith(("<", "version https://git-lfs", "/annex/objects/")):
        return unexpected(start.encode()[:HEAD_BYTES], expected="a label table", source=source)
    number, line = next(
        ((n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")),
        (1, lines[0]),
    )
    problem = f"unknown kind of label table: line {number} is {quoted(line.strip())}"
    return InputError(problem, source=source, hint=f"{_KNOWN} with {COLUMNS}")
