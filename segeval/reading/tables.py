"""Label tables: names for label numbers, and what else a file of names may say.

A table knows what it was taken for, so that a user can be told. A number has one name: a second, other one is a mistake
to be told of, not a choice to be made in silence. The dialects that tables are written in are in `dialects`; nothing
here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from segeval.errors import InputError, shown
from segeval.text import counted

INLINE = "number=name pairs"  # the dialect of the command line
NAMELESS = ("", "n/a", "(none)")  # as BIDS and 3D Slicer write that a number has no name
NAME_ONCE = "name each label once"
FROM_0 = "labels are integers from 0 up"
MOST_COMMENTS = 1000  # lines that are searched for what a table says it is

_MOST_CHARACTERS = 60  # of a text from outside that a message repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """What a table says about label numbers.

    Parameters
    ----------
    names
        Label number -> name, in the order of the table.
    regions
        Name -> the labels whose union it is.
    ignore_label
        The label whose voxels count nowhere; None where there is none.
    skipped
        Names with a number below 0, which no label has: objects called so are not drawn. Only polygons have them.
    dialect
        What the table was taken for, in words: ``"BIDS dseg.tsv"``.
    source
        The file, or ``"--labels"``.
    """

    names: Mapping[int, str]
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ignore_label: int | None = None
    skipped: frozenset[str] = frozenset()
    dialect: str
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))
        object.__setattr__(self, "regions", MappingProxyType(dict(self.regions)))

    @property
    def of_polygons(self) -> Mapping[int, str]:
        """What the reader of polygons takes: the names, and below 0 those of objects that are not drawn.

        Examples
        --------
        >>> LabelTable(names={1: "car"}, skipped=frozenset({"plate"}), dialect="", source="").of_polygons
        {1: 'car', -1: 'plate'}
        """
        return {**self.names, **{-number: name for number, name in enumerate(sorted(self.skipped), 1)}}

    def summary(self) -> str:
        """What the file was taken for and what it holds, in one line.

        Examples
        --------
        >>> LabelTable(names={1: "liver"}, dialect="BIDS dseg.tsv", source="dseg.tsv").summary()
        'dseg.tsv read as BIDS dseg.tsv, 1 name'
        """
        count = len(self.names.keys() - {self.ignore_label})
        counts = [counted(count, "name")]
        if self.regions:
            counts.append(counted(len(self.regions), "region"))
        if self.ignore_label is not None:
            counts.append(f"ignored label {self.ignore_label}")
        if self.skipped:
            counts.append(f"{len(self.skipped)} not to be drawn")
        return f"{shown(self.source)} read as {self.dialect}, {', '.join(counts)}"


class NameRows:
    """The names of a table while it is read, row by row.

    Parameters
    ----------
    source
        The file, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.names: dict[int, str] = {}
        self.skipped: dict[str, int] = {}
        self._places: dict[int, str] = {}

    def add(self, label: int, name: str, *, place: str = "") -> None:
        """Take a row, unless it gives the number no name.

        Parameters
        ----------
        label
            The number; below 0 where objects of that name are not to be drawn.
        name
            As it is written, perhaps with space around it.
        place
            Where the row is: ``"line 7"``.

        Raises
        ------
        InputError
            The number has another name already.
        """
        name = name.strip()
        if name.casefold() in NAMELESS:
            return
        check_text(name, source=self.source)
        if label < 0:
            self.skipped.setdefault(name, label)
            self._places.setdefault(label, place)
            return
        before = self.names.setdefault(label, name)
        if before != name:
            where = f" in {self._places[label]}" if self._places.get(label) else ""
            raise InputError(
                f"{place}{': ' if place else ''}label {label} is called {quoted(name)}, but {quoted(before)}{where}",
                source=self.source,
                hint=NAME_ONCE,
            )
        self._places.setdefault(label, place)

    def table(self, dialect: str, *, expected: str) -> LabelTable:
        """The table of all rows; `expected` says what a row looks like, for the message where there is none."""
        if self.skipped and not self.names:
            number = next(iter(self.skipped.values()))
            place = f"{self._places[number]}: " if self._places[number] else ""
            raise InputError(f"{place}'{number}' is no label number", source=self.source, hint=FROM_0)
        if not self.names:
            raise InputError(f"read as {dialect}, holds no label names", source=self.source, hint=expected)
        return LabelTable(names=self.names, skipped=frozenset(self.skipped), dialect=dialect, source=self.source)


def label_number(text: str) -> int | None:
    """Read a label number, at most 64 bits wide; None where the text is none.

    Examples
    --------
    >>> label_number(" 007 "), label_number("-1"), label_number("1.5")
    (7, None, None)
    """
    text = text.strip()
    if not re.fullmatch(r"[0-9]{1,20}", text):
        return None
    number = int(text)
    return number if number < 2**64 else None


def table_number(text: str) -> int | None:
    """Read a number as a table may have it: a label's, or one below 0 for what is not to be drawn.

    Examples
    --------
    >>> table_number("7"), table_number("-1"), table_number("-0")
    (7, -1, None)
    """
    number = int(text) if re.fullmatch(r"\s*-[0-9]{1,20}\s*", text) else 0
    return number or label_number(text)


def check_text(name: str, *, source: str) -> None:
    """Refuse a name with half a character: JSON can write one, and no file can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{quoted(name)} is no valid text", source=source, hint="write the name anew") from None


def quoted(text: str) -> str:
    r"""Text from outside as a message may repeat it: in quotes, escaped, and not too long.

    Examples
    --------
    >>> print(quoted("liver"), quoted("a\tb"))
    'liver' 'a\tb'
    """
    short = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
    return f"'{shown(short)}'"
