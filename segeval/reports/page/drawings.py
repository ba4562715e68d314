"""Inline SVG files into a page: without style attributes, with unique identifiers, in the colours of the page.

The security policy of the page does not allow ``style="..."``, so each property becomes an attribute. Black becomes the
text colour of the page and white its background, so that figures are readable on a dark page too. Only elements that
draw are kept. Names in figures come from files, and stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

ELEMENTS = frozenset(
    "svg g defs path use clipPath pattern text tspan image rect circle ellipse line polyline polygon".split()  # noqa: SIM905
)
INK, PAPER = "currentColor", "var(--paper)"

_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"(?P<words>.*?)(?P<size>[\d.]+px)\s+(?P<family>.+)")
_BLACK, _WHITE = frozenset({"#000000", "#000", "black"}), frozenset({"#ffffff", "#fff", "white"})
_DROPPED = frozenset({"style", "id", "font-family", _HREF, "href"})


def inlined(svg: bytes, *, key: str, title: str, description: str) -> str:
    """Convert an SVG file to an element of a page.

    Parameters
    ----------
    svg
        The file as written by matplotlib.
    key
        Prefix of the identifiers, different for each drawing of a page.
    title, description
        Description for screen readers: in a few words, and in numbers.

    Returns
    -------
    str
        An ``<svg>`` element as wide as its container.

    Examples
    --------
    >>> file = b'<svg viewBox="0 0 2 1"><path d="M 0 0.12345" style="fill: #000000"/></svg>'
    >>> drawing = inlined(file, key="a", title="<b>", description="none")
    >>> print(drawing[drawing.index("<title") :])
    <title id="a-t">&lt;b&gt;</title><desc id="a-d">none</desc><path d="M 0 0.12" fill="currentColor" /></svg>
    """
    source = ET.fromstring(svg)  # noqa: S314  (drawn by segeval)
    names: dict[str, str] = {}
    for element in source.iter():
        for name in _referred(element):
            names.setdefault(name, f"{key}-{len(names)}")
    root = ET.Element("svg", {"viewBox": source.get("viewBox", "0 0 1 1")})
    root.attrib |= {"role": "img", "aria-labelledby": f"{key}-t", "aria-describedby": f"{key}-d"}
    root.attrib |= {"fill": INK, "stroke-linejoin": "round"}
    ET.SubElement(root, "title", {"id": f"{key}-t"}).text = title
    ET.SubElement(root, "desc", {"id": f"{key}-d"}).text = description
    for child in source:
        root.extend(_taken(child, names))
    return ET.tostring(root, encoding="unicode")


def _referred(element: ET.Element) -> Iterator[str]:
    """Identifiers that an element refers to."""
    for name, value in element.items():
        if name in {_HREF, "href"} and value.startswith("#"):
            yield value[1:]
        yield from _REFERENCE.findall(value)


def _taken(element: ET.Element, names: dict[str, str]) -> list[ET.Element]:
    """Convert an element; for a group without attributes, return its children."""
    tag = element.tag.rpartition("}")[2]
    if tag not in ELEMENTS:
        return []
    attributes = dict(_attributes(element, names))
    children = [each for child in element for each in _taken(child, names)]
    if tag == "g" and not attributes:
        return children
    if tag in {"g", "defs"} and not children:
        return []
    taken = ET.Element(tag, attributes)
    taken.text = element.text if tag in {"text", "tspan"} else None
    taken.extend(children)
    return [taken]


def _attributes(element: ET.Element, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    identifier = element.get("id")
    if identifier in names:
        yield "id", names[identifier]
    link = element.get(_HREF) or element.get("href")
    if link and link.startswith("#"):
        yield "href", f"#{names[link[1:]]}"
    elif link and link.startswith("data:image/png;base64,"):
        yield "href", "".join(link.split())
    given = {name: value for name, value in element.items() if name not in _DROPPED and not name.startswith("on")}
    for name, value in (given | dict(_properties(element.get("style", "")))).items():
        yield name, _value(name, value, names)


def _properties(style: str) -> Iterator[tuple[str, str]]:
    """Properties of a style attribute, with the font shorthand split up."""
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        font = _FONT.fullmatch(value) if name == "font" else None
        if font is not None:
            yield "font-size", font["size"]
            for word in font["words"].split():
                yield ("font-style" if word in {"italic", "oblique"} else "font-weight"), word
        elif name and name not in _DROPPED and name != "font":
            yield name, value


def _value(name: str, value: str, names: dict[str, str]) -> str:
    if name in {"fill", "stroke"} and value.lower() in _BLACK | _WHITE:
        return INK if value.lower() in _BLACK else PAPER
    if name in {"d", "x", "y", "points"}:
        return _LONG.sub(lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
    return _REFERENCE.sub(lambda reference: f"url(#{names[reference[1]]})", value)
