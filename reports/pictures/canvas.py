"""Draws shapes and text into an SVG document; the XML library that writes it escapes what comes from processes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from reports.pictures.palette import STYLE
from reports.plain import line

FONT_SIZE = 12.0
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_MEAN_WIDTH = 0.6
"""Of a character, in font sizes: a sans-serif face's letters and digits, with a little to spare."""


@dataclass(frozen=True)
class Picture:
    """A finished picture."""

    name: str
    """Lower-case letters, digits and hyphens: the file's name without ``.svg``, and what its ids begin with."""
    title: str
    """A few words: what it is."""
    says: str
    """In sentences: what is to be seen on it."""
    svg: str
    wide: bool = False
    """Whether it is unreadable when squeezed to the width of a text column."""
    narrow: str | None = None
    """The same drawn for the width of a phone, if there is one."""

    @property
    def file(self) -> str:
        """``diagnosis-timeline.svg``"""
        return f"{self.name}.svg"


class Canvas:
    """
    A picture in the making.

    :param name: see :class:`Picture`.
    :param width: in pixels, as are all lengths; the picture is scaled to the room it gets.
    :raises ValueError: a name that can't be a file's name and an id.
    """

    def __init__(self, name: str, title: str, width: float, height: float) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} can't name a picture: lower-case letters, digits and hyphens only")
        self._name, self._title, self._width = name, line(title), width
        attributes = {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "flz",
            "viewBox": f"0 0 {number(width)} {number(height)}",
            # What a picture by itself is as large as; a page scales it to the room there is.
            "width": number(width),
            "height": number(height),
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
        }
        self._root = ET.Element("svg", attributes)
        ET.SubElement(self._root, "title", {"id": f"{name}-title"}).text = self._title
        self._description = ET.SubElement(self._root, "desc", {"id": f"{name}-desc"})
        ET.SubElement(self._root, "style").text = STYLE
        # A ground of its own: a page's theme and the reader's setting, which colours follow, need not agree.
        self.rectangle(0, 0, width, height, "paper")

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str,
        tip: str | None = None,
        fill: str | None = None,
    ) -> None:
        """
        A filled rectangle.

        :param kind: a class of the palette's style.
        :param tip: shown while the pointer rests on it.
        :param fill: a colour that stands in for the class's.
        """
        shape = self._shape("rect", kind, x=x, y=y, width=max(width, 0.0), height=height)
        if fill is not None:
            shape.set("fill", fill)
        if tip is not None:
            ET.SubElement(shape, "title").text = line(tip)

    def rule(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line."""
        self._shape("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> None:
        """Straight lines through points."""
        if points:
            drawn = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + ("Z" if closed else "")
            self._shape("path", kind).set("d", drawn)

    def text(
        self, x: float, y: float, value: str, kind: str = "ink", *, anchor: str = "start", room: float | None = None
    ) -> None:
        """
        One line of text on the base line ``y``.

        :param anchor: what lies at ``x``: ``start``, ``middle`` or ``end`` of the text.
        :param room: what is wider is cut, with an ellipsis; what has no room at all is left out.
        """
        shown = line(value) if room is None else clipped(line(value), room)
        if shown:
            shape = self._shape("text", kind, x=x, y=y)
            if anchor != "start":
                shape.set("text-anchor", anchor)
            shape.text = shown

    def finish(self, says: str, *, wide: bool = False) -> Picture:
        """
        The picture.

        :param says: what is to be seen on it, for who can't see it.
        """
        told = line(says)
        self._description.text = told
        svg = ET.tostring(self._root, encoding="unicode", short_empty_elements=True)
        return Picture(self._name, self._title, told, svg, wide)

    def _shape(self, tag: str, kind: str, **lengths: float) -> ET.Element:
        attributes = {"class": f"flz-{kind}", **{name: number(value) for name, value in lengths.items()}}
        return ET.SubElement(self._root, tag, attributes)


def number(value: float) -> str:
    """A length to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def width_of(text: str, size: float = FONT_SIZE) -> float:
    """About how wide a text is: no font is asked, since nobody knows which one will be used."""
    units = sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else _MEAN_WIDTH for letter in text)
    return units * size


def clipped(text: str, room: float, size: float = FONT_SIZE) -> str:
    """The text, or as much of its beginning as fits before an ellipsis; empty if that would be under three letters."""
    if width_of(text, size) <= room:
        return text
    kept, used = [], width_of("…", size)
    for letter in text:
        used += width_of(letter, size)
        if used > room:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…" if len(kept) >= 3 else ""
