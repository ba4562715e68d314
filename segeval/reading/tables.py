"""Label tables: names of label numbers, and the regions and the ignored label that a file may add.

A table records its dialect, so that the user can see how the file was read. A number with two different names is an
error. The dialects are in `dialects`; this module reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from segeval.errors import InputError, shown
from segeval.text import counted

INLINE = "number=name pairs"  # the dialect of the command line
NAMELESS = ("", "n/a", "(none)")  # how BIDS and 3D Slicer write that a number has no name
NAME_ONCE = "name each label once"
NUMBER_HINT = "label numbers are integers of at least 0"
MAX_COMMENTS = 1000  # lines that are searched for comments with the dialect

_MAX_CHARACTERS = 60  # longest text from outside in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Names of labels, with the regions and the ignored label of a dataset.json.

    Parameters
    ----------
    names
        Names of the labels, by number, in the order of the table.
    regions
        Labels of each region, by its name.
    ignore_label
        Label whose voxels are not scored; None if there is none.
    skipped
        Names with a number below 0: polygons with these names are not drawn.
    dialect
        Dialect as which the table was read, for people: ``"BIDS dseg.tsv"``.
    source
        Path of the file, or ``"--labels"``.
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
        """Names for the reader of polygons, by number; those of objects that are not drawn have numbers below 0.

        Examples
        --------
        >>> LabelTable(names={1: "car"}, skipped=frozenset({"plate"}), dialect="", source="").of_polygons
        {1: 'car', -1: 'plate'}
        """
        return {**self.names, **{-number: name for number, name in enumerate(sorted(self.skipped), 1)}}

    def summary(self) -> str:
        """Return one line with the dialect of the file and its contents.

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
            counts.append(f"{len(self.skipped)} not drawn")
        return f"{shown(self.source)} read as {self.dialect}, {', '.join(counts)}"


class NameRows:
    """Collects the names of a table, row by row.

    Parameters
    ----------
    source
        Path of the file, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.names: dict[int, str] = {}
        self.skipped: dict[str, int] = {}
        self._places: dict[int, str] = {}

    def add(self, label: int, name: str, *, place: str = "") -> None:
        """Add a row; rows without a name are ignored.

        Parameters
        ----------
        label
            Number of the label; below 0 for objects that are not drawn.
        name
            Name as written, possibly with white space around it.
        place
            Position of the row in the file: ``"line 7"``.

        Raises
        ------
        InputError
            The number already has another name.
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
            earlier = f" ({self._places[label]})" if self._places.get(label) else ""
            both = f"{quoted(name)} and {quoted(before)}{earlier}"
            raise InputError(
                f"{place}{': ' if place else ''}label {label} has two names: {both}",
                source=self.source,
                hint=NAME_ONCE,
            )
        self._places.setdefault(label, place)

    def table(self, dialect: str, *, expected: str) -> LabelTable:
        """Return the table of all rows; `expected` is the hint for a file without names."""
        if self.skipped and not self.names:
            number = next(iter(self.skipped.values()))
            place = f"{self._places[number]}: " if self._places[number] else ""
            raise InputError(f"{place}'{number}' is not a label number", source=self.source, hint=NUMBER_HINT)
        if not self.names:
            raise InputError(f"the file has no label names (read as {dialect})", source=self.source, hint=expected)
        return LabelTable(names=self.names, skipped=frozenset(self.skipped), dialect=dialect, source=self.source)


def label_number(text: str) -> int | None:
    """Read a label number of at most 64 bits; None if the text is not one.

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
    """Read a number in a table: that of a label, or one below 0 for objects that are not drawn.

    Examples
    --------
    >>> table_number("7"), table_number("-1"), table_number("-0")
    (7, -1, None)
    """
    number = int(text) if re.fullmatch(r"\s*-[0-9]{1,20}\s*", text) else 0
    return number or label_number(text)


def check_text(name: str, *, source: str) -> None:
    """Refuse a name with half a surrogate pair, which JSON allows but which cannot be written to a file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        problem = f"the name {quoted(name)} is not valid Unicode"
        raise InputError(problem, source=source, hint="write the name again") from None


def quoted(text: str) -> str:
    r"""Return text from outside for a message: quoted, escaped and shortened.

    Examples
    --------
    >>> print(quoted("liver"), quoted("a\tb"))
    'liver' 'a\tb'
    """
    short = text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
    return f"'{shown(short)}'"
