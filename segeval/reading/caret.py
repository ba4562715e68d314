"""Label tables in the XML that Caret and Connectome Workbench write into NIfTI header extensions.

The text comes from outside: it is bounded, and one that defines a document type, and could so define entities, is not
read. Names are a help and not the data, so that what cannot be read gives none.
"""

from __future__ import annotations

import re
from xml.parsers import expat

MAX_NAMES_BYTES = 1 << 24


def names_in(content: bytes) -> dict[int, str]:
    """Label -> name, from what a header extension holds; none from anything but such a table, or from a damaged one."""
    if b"<LabelTable" not in content or len(content) > MAX_NAMES_BYTES:
        return {}
    table = _LabelTable()
    try:
        table.parse(content.strip(b"\x00 \t\r\n"))
    except (expat.ExpatError, _DoctypeError):
        return {}
    return table.names


class _DoctypeError(Exception):
    """A document type definition, which can define entities."""


class _LabelTable:
    """Collects ``<LabelTable><Label Key="1">spleen</Label>``."""

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
