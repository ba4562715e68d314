"""How a CSV file is spelled: its decimal mark, its delimiter, and whether it starts with a byte-order mark.

The default is what programs read: a point, a comma, no mark. A spreadsheet that is set to a language with a decimal
comma reads numbers with a comma, between semicolons; Excel takes a file for UTF-8 only if it starts with the mark.
"""

from __future__ import annotations

import string
from typing import NamedTuple

from segeval.errors import UsageError, shown

BYTE_ORDER_MARK = "\ufeff"
DECIMALS = (".", ",")
COMMA, SEMICOLON, TAB = ",", ";", "\t"

_TAB_NAMES = ("tab", "\\t", TAB)
# not: what numbers, quoted texts and formulas are made of
_DELIMITERS = (set(string.punctuation) - set("\"'.+-=@_\\")) | {TAB}


class CsvStyle(NamedTuple):
    """The spelling of a CSV file.

    Parameters
    ----------
    decimal
        The decimal mark of numbers, ``"."`` or ``","``.
    delimiter
        The character between cells.
    bom
        Whether the file starts with a byte-order mark.
    """

    decimal: str = "."
    delimiter: str = COMMA
    bom: bool = False

    @property
    def start(self) -> str:
        """The text that the file starts with."""
        return BYTE_ORDER_MARK if self.bom else ""

    def number(self, value: float) -> str:
        """Return the shortest text that reads back as the same number."""
        return repr(value).replace(".", self.decimal)


PLAIN = CsvStyle()


def csv_style(*, decimal: str = ".", delimiter: str | None = None, bom: bool = False) -> CsvStyle:
    r"""Make a style from options.

    Parameters
    ----------
    decimal
        ``"."`` or ``","``.
    delimiter
        One character, or ``"tab"``; by default a comma, and a semicolon with a decimal comma.
    bom
        See `CsvStyle`.

    Raises
    ------
    UsageError
        An unknown decimal mark, a delimiter that is not one character or could be part of a number or name, or a comma
        for both.

    Examples
    --------
    >>> csv_style(decimal=",")
    CsvStyle(decimal=',', delimiter=';', bom=False)
    >>> csv_style(delimiter="tab").delimiter
    '\t'
    """
    if decimal not in DECIMALS:
        raise UsageError(f"the decimal mark must be . or , not {shown(repr(decimal))}")
    if delimiter is None:
        return CsvStyle(decimal, SEMICOLON if decimal == COMMA else COMMA, bom)
    character = TAB if delimiter.lower() in _TAB_NAMES else delimiter
    if character not in _DELIMITERS:
        raise UsageError(
            f"the delimiter must be one character such as ; or | or tab, not {shown(repr(delimiter))}",
            hint="use ; with a decimal comma",
        )
    if decimal == character:
        raise UsageError("the decimal mark and the delimiter cannot both be a comma", hint="use --delimiter ';'")
    return CsvStyle(decimal, character, bom)
