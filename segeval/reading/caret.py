"""Read label tables from the XML that Caret and Connectome Workbench write into NIfTI header extensions.

The XML is not trusted: its size is limited, and a document type definition is refused because it can define entities.
Names are optional, so XML that cannot be read gives no names and no error.
"""

from __future__ import annotations

import re
from xml.parsers import expat

MAX_NAMES_BYTES = 1 << 24


def names_in(content: bytes) -> dict[int, str]:
    """Return label -> name from a header extension; empty if it has no such table or the table is damaged."""
    if b"<LabelTable" not in content or len(content) > MAX_NAMES_BYTES:
        return {}
    table = _LabelTable()
    try:
        table.parse(content.strip(b"\x00 \t\r\n"))
    except (expat.ExpatError, _DoctypeError):
        return {}
    return table.names


class _DoctypeError(Exception):
    """The XML has a document type definition, which can define entities."""


class _LabelTable:
    """A parser that collects ``<LabelTable><Label Key="1">spleen</Label>``."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._inside = False
        self._key: int | None = None
        self._text: list[str] = []

    def parse(self, document: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text_found
        parser.Parse(document, True)

    def _doctype(self, *_: object) -> None:
        raise _DoctypeError

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "LabelTable":
            self._inside = True
        elif tag == "Label" and self._inside:
            key = attributes.get("Key", "").strip()
            self._key = int(key) if re.fullmatch(r"[0-9]{1,20}", key) else None
            self._text = []

    def _end(self, tag: str) -> None:
        if tag == "LabelTable":
            self._inside = False
        elif tag == "Label" and self._key is not None:
            name = "".join(self._text).strip()
            if name:
                self.names[self._key] = name
            self._key = None

    def _text_found(self, text: str) -> None:
        if self._key is not None:
            self._text.append(text)
